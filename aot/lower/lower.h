/* Lowering: one instance of a validated module becomes one LLVM module.
 *
 * lower_instance declares what the instance consists of (instance.c), then walks each function body
 * (function.c). For every operator there is a row in the table of rows.c: a handler, and the few
 * values that distinguish it from its siblings. Handlers are grouped in one file per operator group;
 * each pops its operands from the value stack, builds LLVM IR and pushes the result.
 *
 * Rules for handlers:
 * - The module is valid: operands are there and have the right types. Unreachable code is skipped
 *   before handlers see it.
 * - A trap is lower_trap_if or lower_trap. Nothing that may trap may be removed or moved over
 *   another side effect by LLVM: memory accesses are volatile, traps end their block.
 * - A reference is a pointer: a function's address (its type number stands four bytes before its code),
 *   an extern value as the host gave it, null for null. */
#ifndef TESSERA_AOT_LOWER_H
#define TESSERA_AOT_LOWER_H

#include <llvm-c/Core.h>

#include "image/image.h"
#include "program.h"
#include "wasm/operator.h"

enum target { TARGET_X86_64, TARGET_ARM64 };

/* Tables that may grow have room for this many entries beyond their initial size. */
#define TABLE_GROWTH_ENTRIES 16384u

struct lowered_function {
    LLVMValueRef value; /* what a call calls */
    LLVMTypeRef type;
    uint32_t alias_count;   /* names for native code */
    bool is_native;         /* a function of the table imports.def: C's calling convention */
    LLVMValueRef reference; /* what ref.func yields: the same, or a thunk for native functions; NULL until asked */
};

struct lowered_memory {
    LLVMValueRef bytes; /* stands for the region: replaced by its constant address after optimisation */
    LLVMValueRef pages; /* i64: current size */
    uint64_t base;
    uint64_t maximum_pages;
    bool is_64; /* indices are i64 and checked */
    bool is_shared;
    bool is_first; /* the one that native code knows as the memory */
};

struct lowered_table {
    LLVMValueRef entries; /* array of pointers */
    LLVMValueRef size;    /* i32 */
    uint64_t capacity;
    bool is_64; /* indices are i64 */
};

struct lowered_global {
    LLVMValueRef value;
    LLVMTypeRef type;
};

/* A data or element segment for memory.init, table.init: a constant array and the length that is left. */
struct lowered_segment {
    LLVMValueRef bytes;
    LLVMValueRef length; /* i32, 0 after drop */
};

/* BLOCK_TRY: the guarded part of a try or try_table; BLOCK_CATCH: a legacy try's part after its first catch. */
enum block_kind { BLOCK_PLAIN, BLOCK_LOOP, BLOCK_IF, BLOCK_ELSE, BLOCK_TRY, BLOCK_CATCH };

/* An open block. A branch to it goes to `target` and brings values for `phis`. */
struct block {
    enum block_kind kind;
    struct block_type type;
    LLVMBasicBlockRef target; /* loop: its head; else what follows the block */
    LLVMValueRef *phis;
    uint32_t phi_count;
    LLVMBasicBlockRef otherwise; /* if: the else branch; NULL when it was not reached */
    LLVMValueRef *else_values;   /* if: the parameters again */
    LLVMBasicBlockRef pad;       /* try: where calls unwind to; NULL until one may */
    LLVMBasicBlockRef handlers;  /* try: where its exceptions go; catch: what no clause so far took; NULL: nothing */
    LLVMValueRef exception;      /* try, catch: what arrived at `handlers` */
    bool is_legacy;              /* try, catch: clauses follow the guarded part */
    uint32_t height;             /* of the value stack below the block's parameters */
    bool was_reached;
};

/* What a local holds, as far as the current block knows. */
struct known_local {
    LLVMValueRef value;
    LLVMBasicBlockRef block;
    uint32_t calls; /* made before */
};

/* Whether LLVM may know a vector constant's zeroes in the current function: see vector.c. */
enum vector_zero { VECTOR_ZERO_UNKNOWN, VECTOR_ZERO_VISIBLE, VECTOR_ZERO_HIDDEN };

struct lowering {
    const struct program *program;
    const struct instance *instance;
    const struct module *module;
    const struct lower_part *part;
    enum target target;
    struct module_error *error;

    LLVMContextRef context;
    LLVMModuleRef llvm;
    LLVMBuilderRef builder;
    LLVMTypeRef i1, i8, i16, i32, i64, f32, f64, pointer, nothing;
    struct lowered_debug *debug; /* NULL: instructions have no locations */

    struct lowered_function *functions; /* by lower_function */
    uint32_t *borrowed; /* functions from elsewhere whose bodies are wanted, in the order of their finding */
    uint32_t borrowed_count, borrowed_capacity;
    struct lowered_memory *memories;
    struct lowered_table *tables;
    struct lowered_global *globals;
    LLVMValueRef *tags; /* a tag is the address of a symbol of its own */
    struct lowered_segment *data;
    struct lowered_segment *elements;

    uint64_t carried_count; /* values that branches and calls carry */
    uint64_t body_bytes;    /* of the functions so far, this one included */

    /* The function being lowered. */
    uint32_t function;
    unsigned borrowed_depth; /* 0: a function of the part; else how many calls away from one */
    LLVMValueRef llvm_function;
    LLVMValueRef self;       /* what its calls of itself call */
    bool is_recursion_ended; /* that is the function proper, and it is not to be inlined in its copies */
    LLVMValueRef *locals;    /* allocas */
    LLVMTypeRef *local_types;
    struct known_local *known_locals;
    uint32_t call_count;
    LLVMValueRef *values;
    uint32_t value_count;
    struct block *blocks;
    uint32_t block_count;
    enum vector_zero vector_zero;
    bool is_reachable;
};

struct lowering_row;
typedef void lower_handler(struct lowering *lower, const struct operation *op, const struct lowering_row *row);

/* The order is used: each integer shape has twice the width of the one before. */
enum lanes { LANES_NONE, LANES_I8X16, LANES_I16X8, LANES_I32X4, LANES_I64X2, LANES_F32X4, LANES_F64X2 };

struct lowering_row {
    lower_handler *handler;
    int kind;              /* the handler's own: an LLVM opcode or predicate, a bit count */
    bool is_signed;        /* loads, divisions, conversions */
    const char *intrinsic; /* LLVM's name for the operation */
    enum lanes lanes;      /* vectors: the result's lanes, or the operand's when the result is none */
};

extern const struct lowering_row lowering_rows[OPCODE_COUNT];

/* ---- instance.c ---- */

/* The memory at address B is the external object "memory@B" until lower_place_memories. */
#define MEMORY_SYMBOL_PREFIX "memory@"

/* What of an instance one LLVM module defines: the bodies of a range of functions, and perhaps the variables. */
struct lower_part {
    uint32_t first_function, end_function;
    bool is_plain;      /* of the range only the functions that are too complex to be optimised; else the others */
    bool has_variables; /* globals, tables, tags, segments, the code that instantiates */
    bool has_functions_beside; /* some function's body is elsewhere */
    bool copies_recursion;     /* small functions that call themselves get copies of themselves, to be inlined */
    uint32_t inline_bytes;     /* smaller functions from elsewhere are there to be inlined; 0: none are */
};

/* The LLVM module of a part of an instance of a linked program; the caller disposes of it. NULL: *error. */
LLVMModuleRef lower_instance(LLVMContextRef context, const struct program *program, const struct instance *instance,
                             const struct lower_part *part, enum target target, struct module_error *error);

/* A function of the instance's index space; declared when it was not. */
const struct lowered_function *lower_function(struct lowering *lower, uint32_t function);
/* The same for one that is called: its body may be wanted, to be inlined. */
const struct lowered_function *lower_called_function(struct lowering *lower, uint32_t function);

/* After optimisation: memories are constant addresses from here on. */
void lower_place_memories(LLVMModuleRef llvm);

/* ---- exits.c ---- */

/* After loop strength reduction: what only the code behind a loop uses is computed there. */
void lower_clear_exits(LLVMModuleRef llvm);

/* ---- widen.c ---- */

/* After optimisation and loop strength reduction: indices are 64 bits wide where the code generator cannot see that
 * their upper half is zero. */
void lower_widen_indices(LLVMModuleRef llvm);

/* The reference to a function: an address with a type number before it. */
LLVMValueRef lower_function_reference(struct lowering *lower, uint32_t function);

/* The same for a function of another instance. */
LLVMValueRef lower_foreign_reference(struct lowering *lower, const struct instance *instance, uint32_t function);

/* ---- constant.c ---- */

/* The value of a constant expression of any instance. */
LLVMValueRef lower_constant_expression(struct lowering *lower, const struct instance *instance,
                                       struct expression expression);

/* ---- instantiate.c ---- */

void lower_instantiation(struct lowering *lower);

/* Whether what the instance's tables hold is there from the start and stays. */
bool lower_tables_are_constant(struct lowering *lower);

/* ---- program.c ---- */

void lower_export_table(struct lowering *lower);

/* What belongs to the program as a whole: wasm_instantiate, or the tables of instances. */
LLVMModuleRef lower_program(LLVMContextRef context, const struct program *program, enum target target);

/* ---- names.c: what generated symbols are called ---- */

/* "INSTANCE$WORDindex", "wasm.NAME" and the like. The caller frees them. */
char *symbol_entity(const struct instance *instance, const char *word, uint32_t index);
char *symbol_function(const struct program *program, const struct instance *instance, uint32_t function);

/* ---- function.c ---- */

bool lower_function_body(struct lowering *lower, uint32_t function);

/* ---- debug.c: where instructions come from ---- */

void lower_debug_open(struct lowering *lower);
void lower_debug_close(struct lowering *lower);
/* What is built from here on belongs to a function of the module, or to one that we make up. */
void lower_debug_function(struct lowering *lower, uint32_t function);
void lower_debug_generated(struct lowering *lower, LLVMValueRef function, const char *name);
/* What is built from here on belongs to the operator at this offset of the module. Offsets ascend in a function. */
void lower_debug_operator(struct lowering *lower, uint64_t offset);
/* What is built between them belongs nowhere: it is in a function without locations. */
LLVMMetadataRef lower_debug_pause(struct lowering *lower);
void lower_debug_resume(struct lowering *lower, LLVMMetadataRef before);

/* ---- types.c ---- */

void lower_types_open(struct lowering *lower);
LLVMTypeRef lower_value_type(const struct lowering *lower, struct value_type type);
LLVMTypeRef lower_results_type(const struct lowering *lower, const struct function_type *type);
LLVMTypeRef lower_function_type(const struct lowering *lower, const struct function_type *type);
/* Attributes that every function of ours has. */
void lower_function_attributes(const struct lowering *lower, LLVMValueRef function);
void lower_function_flag(const struct lowering *lower, LLVMValueRef function, const char *name);
/* References whose types leave null out: LLVM may know it of parameters, of a call's result, and of what is loaded. */
void lower_parameters_not_null(const struct lowering *lower, LLVMValueRef function, const struct function_type *type);
void lower_result_not_null(const struct lowering *lower, LLVMValueRef call, const struct function_type *type);
void lower_load_not_null(const struct lowering *lower, LLVMValueRef load, struct value_type type);
/* A function through which exceptions may pass, in a program that has any. */
void lower_may_unwind(const struct lowering *lower, LLVMValueRef function);
LLVMValueRef lower_i32(const struct lowering *lower, uint32_t value);
LLVMValueRef lower_i64(const struct lowering *lower, uint64_t value);
/* A symbol of another object, to be found by the linker within the image. */
LLVMValueRef lower_external_function(struct lowering *lower, const char *name, LLVMTypeRef type);
LLVMValueRef lower_external_global(struct lowering *lower, const char *name, LLVMTypeRef type);

/* ---- stack.c: values, and the small things that every handler uses ---- */

void lower_push(struct lowering *lower, LLVMValueRef value);
LLVMValueRef lower_pop(struct lowering *lower);
LLVMValueRef lower_widen(struct lowering *lower, LLVMValueRef index);
/* A branch or call carries `count` values. Too many in all are an error, at which the function's lowering ends. */
void lower_carry(struct lowering *lower, uint32_t count);
LLVMBasicBlockRef lower_block_append(struct lowering *lower, const char *name);
LLVMValueRef lower_call_intrinsic(struct lowering *lower, const char *name, LLVMTypeRef *overloads, uint32_t count,
                                  LLVMValueRef *arguments, uint32_t argument_count);
LLVMValueRef lower_call(struct lowering *lower, LLVMTypeRef type, LLVMValueRef callee, LLVMValueRef *arguments,
                        uint32_t count);
/* The same for a function of WebAssembly's, own, of another instance or by reference: its calling convention differs
 * when the program has tail calls. */
LLVMValueRef lower_call_wasm(struct lowering *lower, LLVMTypeRef type, LLVMValueRef callee, LLVMValueRef *arguments,
                             uint32_t count);
/* A native function; in a program with threads, one at a time. */
LLVMValueRef lower_call_native(struct lowering *lower, LLVMTypeRef type, LLVMValueRef callee, LLVMValueRef *arguments,
                               uint32_t count);
/* A call that continues at `unwind` when the callee throws. */
LLVMValueRef lower_invoke_wasm(struct lowering *lower, LLVMTypeRef type, LLVMValueRef callee, LLVMValueRef *arguments,
                               uint32_t count, LLVMBasicBlockRef unwind);
void lower_set_convention(const struct lowering *lower, LLVMValueRef function);
void lower_set_call_attribute(struct lowering *lower, LLVMValueRef call, const char *name);

/* ---- compare.c ---- */

/* Pops an i32 and yields whether it is not 0, as i1. */
LLVMValueRef lower_pop_truth(struct lowering *lower);

/* ---- helper.c ---- */

/* Whether the operator is a call of a helper: such as may trap, without optimisation. */
bool lower_has_helper(const struct lowering *lower, const struct operation *op);
/* The operator in the place of its row's handler. */
void lower_by_helper(struct lowering *lower, const struct operation *op, const struct lowering_row *row);
/* Pops the operator's operands, and yields its result: what `handler` pushes. */
LLVMValueRef lower_helped_operator(struct lowering *lower, const struct operation *op, lower_handler *handler);
/* Calls the helper of this name, which is made when it is not there: `build` finds its parameters on the value stack
 * and leaves the result there. */
#define HELPER_PARAMETERS 5
typedef void helper_builder(struct lowering *lower, const void *what);
LLVMValueRef lower_call_helper(struct lowering *lower, const char *name, LLVMTypeRef result, LLVMValueRef *arguments,
                               uint32_t count, helper_builder *build, const void *what);

/* ---- trap.c ---- */

void lower_trap(struct lowering *lower, enum trap_kind kind);
void lower_trap_if(struct lowering *lower, LLVMValueRef condition, enum trap_kind kind);

/* ---- control.c: also used by exceptions ---- */

/* The open block that label `depth` names; a branch to it with its phis' values. */
struct block *lower_block_at(struct lowering *lower, uint32_t depth);
void lower_branch(struct lowering *lower, struct block *block, const LLVMValueRef *values);
/* Opens a block that yields its type's results; its parameters stay on the stack. */
struct block *lower_block_open(struct lowering *lower, enum block_kind kind, const struct operation *op);
/* The values on top of the stack leave the block at its end. */
void lower_fall_out(struct lowering *lower, struct block *block);
/* Goes on after the block, which is closed. */
void lower_block_close(struct lowering *lower, struct block *block);
/* A phi's value; poison in its place when nothing leads there. */
LLVMValueRef lower_phi_value(LLVMValueRef phi);

/* ---- exceptions.c ---- */

/* Where a call at this place unwinds to; NULL: out of the function. */
LLVMBasicBlockRef lower_unwind_target(struct lowering *lower);
/* The block that is closed leaves what it did not catch to those around it. */
void lower_leave_handlers(struct lowering *lower, struct block *block);

/* ---- float.c ---- */

/* A constant that LLVM may not reason about: see float.c. */
LLVMValueRef lower_float_constant(struct lowering *lower, uint64_t bits, bool is_double);
/* The same floating-point or vector value, but LLVM does not know it. */
LLVMValueRef lower_hide(struct lowering *lower, LLVMValueRef value);
/* WebAssembly's minimum or maximum of scalars or vectors. */
LLVMValueRef lower_minmax(struct lowering *lower, const char *intrinsic, LLVMValueRef left, LLVMValueRef right);

/* ---- vector.c ---- */

/* What a v128 local begins with. */
LLVMValueRef lower_vector_zero(struct lowering *lower);

/* ---- memory.c, table.c: also used by instantiation and calls ---- */

/* The reference at an index; traps with `kind` when there is none. */
LLVMValueRef lower_table_entry(struct lowering *lower, const struct lowered_table *table, LLVMValueRef index,
                               enum trap_kind kind);

/* The address at the index that is popped plus the operator's offset; one access there. */
LLVMValueRef lower_access_address(struct lowering *lower, const struct operation *op);
LLVMValueRef lower_access_load(struct lowering *lower, const struct operation *op, LLVMTypeRef type);
void lower_access_store(struct lowering *lower, const struct operation *op, LLVMValueRef value);
void lower_memory_init(struct lowering *lower, const struct lowered_memory *memory,
                       const struct lowered_segment *segment, LLVMValueRef to, LLVMValueRef from, LLVMValueRef count);
void lower_table_init(struct lowering *lower, const struct lowered_table *table, const struct lowered_segment *segment,
                      LLVMValueRef to, LLVMValueRef from, LLVMValueRef count);

/* ---- handlers ---- */

lower_handler lower_unreachable, lower_nop, lower_block, lower_loop, lower_if, lower_else, lower_end, lower_br,
    lower_br_if, lower_br_table, lower_return;
lower_handler lower_call_direct, lower_call_indirect, lower_call_reference, lower_return_call,
    lower_return_call_indirect, lower_return_call_reference, lower_br_on_null, lower_br_on_non_null;
lower_handler lower_throw, lower_throw_reference, lower_try_table, lower_try, lower_catch, lower_catch_all,
    lower_rethrow, lower_delegate;
lower_handler lower_drop, lower_select, lower_local_get, lower_local_set, lower_local_tee, lower_global_get,
    lower_global_set;
lower_handler lower_ref_null, lower_ref_is_null, lower_ref_func, lower_ref_as_non_null;
lower_handler lower_table_get, lower_table_set, lower_table_size, lower_table_grow, lower_table_fill, lower_table_copy,
    lower_table_init_operator, lower_elem_drop;
lower_handler lower_load, lower_store, lower_memory_size, lower_memory_grow, lower_memory_init_operator,
    lower_data_drop, lower_memory_copy, lower_memory_fill;
lower_handler lower_atomic_load, lower_atomic_store, lower_atomic_modify, lower_atomic_exchange, lower_atomic_fence,
    lower_atomic_notify, lower_atomic_wait;
lower_handler lower_const_integer, lower_const_float;
lower_handler lower_compare_integer, lower_compare_zero, lower_compare_float;
lower_handler lower_binary, lower_shift, lower_rotate, lower_count_zeros, lower_popcount, lower_divide, lower_remainder,
    lower_sign_extend;
lower_handler lower_float_unary, lower_float_negate, lower_float_copysign, lower_float_minmax;
lower_handler lower_convert, lower_reinterpret, lower_demote, lower_truncate, lower_truncate_saturating;
lower_handler lower_vector_const, lower_vector_shuffle, lower_vector_swizzle, lower_vector_splat, lower_vector_extract,
    lower_vector_replace, lower_vector_not, lower_vector_andnot, lower_vector_bitselect, lower_vector_any_true,
    lower_vector_all_true, lower_vector_bitmask, lower_vector_compare_integer, lower_vector_binary,
    lower_vector_intrinsic1, lower_vector_intrinsic2, lower_vector_abs, lower_vector_negate, lower_vector_shift,
    lower_vector_average, lower_vector_q15_multiply, lower_vector_extend, lower_vector_extend_multiply,
    lower_vector_extend_add_pairs, lower_vector_dot, lower_vector_dot_add, lower_vector_narrow,
    lower_vector_compare_float, lower_vector_arithmetic, lower_vector_float_negate, lower_vector_minmax,
    lower_vector_pseudo_minmax, lower_vector_multiply_add, lower_vector_convert, lower_vector_convert_low,
    lower_vector_demote, lower_vector_truncate;
lower_handler lower_vector_load, lower_vector_store, lower_vector_load_extend, lower_vector_load_splat,
    lower_vector_load_zero, lower_vector_load_lane, lower_vector_store_lane;

#endif
