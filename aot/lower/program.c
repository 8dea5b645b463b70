/* What belongs to the program as a whole, and the tables by which native code finds instances and
 * exports at run time (runtime/exports.h has their form). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lower/lower.h"
#include "memory.h"

static LLVMValueRef add_constant(struct lowering *lower, const char *name, LLVMValueRef value)
{
    LLVMValueRef global = LLVMAddGlobal(lower->llvm, LLVMTypeOf(value), name);
    LLVMSetInitializer(global, value);
    LLVMSetGlobalConstant(global, true);
    LLVMSetVisibility(global, LLVMHiddenVisibility);
    return global;
}

static LLVMValueRef text_constant(struct lowering *lower, const char *bytes, size_t length)
{
    LLVMValueRef text = LLVMConstStringInContext2(lower->context, bytes, length, false);
    LLVMValueRef global = LLVMAddGlobal(lower->llvm, LLVMTypeOf(text), "");
    LLVMSetInitializer(global, text);
    LLVMSetGlobalConstant(global, true);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    return global;
}

/* ---- the export table of one instance ---- */

static char type_letter(struct value_type type)
{
    switch (type.kind) {
    case VALUE_I32:
        return 'i';
    case VALUE_I64:
        return 'I';
    case VALUE_F32:
        return 'f';
    case VALUE_F64:
        return 'F';
    case VALUE_V128:
        return 'v';
    default:
        return type.heap == HEAP_EXTERN || type.heap == HEAP_NOEXTERN ? 'x' : 'r';
    }
}

static char *signature(const struct function_type *type)
{
    char *text = allocate((size_t)type->parameter_count + type->result_count + 2, 1), *next = text;
    for (uint32_t i = 0; i < type->parameter_count; i++)
        *next++ = type_letter(type->parameters[i]);
    *next++ = ':';
    for (uint32_t i = 0; i < type->result_count; i++)
        *next++ = type_letter(type->results[i]);
    return text;
}

/* The address of 64-bit slot `slot`. A v128 takes two slots. */
static LLVMValueRef slot_address(struct lowering *lower, LLVMValueRef slots, uint32_t slot)
{
    LLVMValueRef index = lower_i64(lower, slot);
    return LLVMBuildGEP2(lower->builder, lower->i64, slots, &index, 1, "");
}

static uint32_t slot_count(struct value_type type)
{
    return type.kind == VALUE_V128 ? 2 : 1;
}

/* void INSTANCE$callN(uint64_t *slots): arguments in, results out. */
static LLVMValueRef call_thunk(struct lowering *lower, uint32_t function)
{
    const struct function_type *type = module_function_type(lower->module, function);
    char *name = symbol_entity(lower->instance, "call", function);
    LLVMValueRef thunk = LLVMGetNamedFunction(lower->llvm, name);
    LLVMTypeRef thunk_type = LLVMFunctionType(lower->nothing, &lower->pointer, 1, false);
    if (thunk) {
        free(name);
        return thunk;
    }
    thunk = LLVMAddFunction(lower->llvm, name, thunk_type);
    free(name);
    LLVMSetLinkage(thunk, LLVMInternalLinkage);
    lower_function_attributes(lower, thunk);
    lower->llvm_function = thunk;
    LLVMPositionBuilderAtEnd(lower->builder, lower_block_append(lower, ""));
    LLVMValueRef slots = LLVMGetParam(thunk, 0);
    LLVMValueRef *arguments = allocate(type->parameter_count, sizeof *arguments);
    for (uint32_t i = 0, slot = 0; i < type->parameter_count; slot += slot_count(type->parameters[i++])) {
        LLVMTypeRef value = lower_value_type(lower, type->parameters[i]);
        arguments[i] = LLVMBuildLoad2(lower->builder, value, slot_address(lower, slots, slot), "");
        LLVMSetAlignment(arguments[i], 8);
    }
    const struct lowered_function *callee = lower_function(lower, function);
    LLVMValueRef result = callee->is_native
                              ? lower_call(lower, callee->type, callee->value, arguments, type->parameter_count)
                              : lower_call_wasm(lower, callee->type, callee->value, arguments, type->parameter_count);
    for (uint32_t i = 0, slot = 0; i < type->result_count; slot += slot_count(type->results[i++])) {
        LLVMValueRef value = type->result_count == 1 ? result : LLVMBuildExtractValue(lower->builder, result, i, "");
        LLVMSetAlignment(LLVMBuildStore(lower->builder, value, slot_address(lower, slots, slot)), 8);
    }
    LLVMBuildRetVoid(lower->builder);
    free(arguments);
    return thunk;
}

/* struct wasm_export */
static LLVMValueRef export_row(struct lowering *lower, const struct module_export *export)
{
    char letters[2] = {0}, *text = letters;
    LLVMValueRef address = LLVMConstNull(lower->pointer);
    if (export->kind == EXTERNAL_FUNCTION) {
        text = signature(module_function_type(lower->module, export->index));
        address = call_thunk(lower, export->index);
    } else if (export->kind == EXTERNAL_GLOBAL) {
        letters[0] = type_letter(lower->module->globals[export->index].type);
        address = lower->globals[export->index].value;
    }
    LLVMValueRef members[] = {text_constant(lower, export->name.bytes, export->name.length),
                              text_constant(lower, text, strlen(text)), address, lower_i32(lower, export->name.length),
                              lower_i32(lower, export->kind)};
    if (text != letters)
        free(text);
    return LLVMConstStructInContext(lower->context, members, 5, false);
}

void lower_export_table(struct lowering *lower)
{
    uint32_t count = lower->module->export_count;
    LLVMTypeRef members[] = {lower->pointer, lower->pointer, lower->pointer, lower->i32, lower->i32};
    LLVMTypeRef row = LLVMStructTypeInContext(lower->context, members, 5, false);
    LLVMValueRef *rows = allocate(count, sizeof *rows);
    for (uint32_t i = 0; i < count; i++)
        rows[i] = export_row(lower, &lower->module->exports[i]);
    char *name = symbol_entity(lower->instance, "exports", 0);
    add_constant(lower, name, LLVMConstArray2(row, rows, count));
    free(name);
    free(rows);
}

/* ---- the program ---- */

/* struct wasm_instance; a dropped one has no function to instantiate it. */
static LLVMValueRef instance_row(struct lowering *lower, const struct instance *instance)
{
    LLVMValueRef name = text_constant(lower, instance->name, strlen(instance->name));
    LLVMValueRef instantiate = LLVMConstNull(lower->pointer), exports = instantiate;
    if (!instance->is_dropped) {
        char *symbol = symbol_entity(instance, "instantiate", 0);
        instantiate = lower_external_function(lower, symbol, LLVMFunctionType(lower->i32, NULL, 0, false));
        free(symbol);
        symbol = symbol_entity(instance, "exports", 0);
        exports = lower_external_global(lower, symbol, lower->pointer);
        free(symbol);
    }
    uint32_t count = instance->is_dropped ? 0 : instance->module.export_count;
    LLVMValueRef members[] = {name, instantiate, exports, lower_i64(lower, count)};
    return LLVMConstStructInContext(lower->context, members, 4, false);
}

static void add_instance_table(struct lowering *lower)
{
    uint32_t count = lower->program->instance_count;
    LLVMTypeRef members[] = {lower->pointer, lower->pointer, lower->pointer, lower->i64};
    LLVMTypeRef row = LLVMStructTypeInContext(lower->context, members, 4, false);
    LLVMValueRef *rows = allocate(count, sizeof *rows);
    for (uint32_t i = 0; i < count; i++)
        rows[i] = instance_row(lower, lower->program->instances[i]);
    add_constant(lower, "wasm_instances", LLVMConstArray2(row, rows, count));
    add_constant(lower, "wasm_instance_count", lower_i32(lower, count));
    free(rows);
}

static void instantiate(struct lowering *lower, const struct instance *instance)
{
    char *symbol = symbol_entity(instance, "instantiate", 0);
    LLVMTypeRef type = LLVMFunctionType(lower->i32, NULL, 0, false);
    lower_call(lower, type, lower_external_function(lower, symbol, type), NULL, 0);
    free(symbol);
}

/* Calls "_initialize" of a library, or of a main module that is a reactor. */
static void initialise(struct lowering *lower, const struct instance *instance)
{
    const struct module *module = &instance->module;
    struct name name = {.bytes = "_initialize", .length = strlen("_initialize")};
    const struct module_export *export = survey_export(&instance->survey, module, name);
    bool is_main = instance == lower->program->instances[0];
    if (!export || !module_export_is_procedure(module, export) || (is_main && !lower->program->initialises_main))
        return;
    LLVMTypeRef type = LLVMFunctionType(lower->nothing, NULL, 0, false);
    if (is_main)
        lower_call(lower, type, lower_external_function(lower, "wasm_export__initialize", type), NULL, 0);
    else
        lower_call_wasm(lower, type, lower_foreign_reference(lower, instance, export->index), NULL, 0);
}

typedef void instance_step(struct lowering *lower, const struct instance *instance);

static void visit_after_providers(struct lowering *lower, const struct instance *instance, bool *is_done,
                                  instance_step *visit)
{
    if (is_done[instance->position])
        return;
    is_done[instance->position] = true;
    for (uint32_t i = 0; i < instance->module.import_count; i++)
        if (instance->imports[i].provider)
            visit_after_providers(lower, instance->imports[i].provider, is_done, visit);
    visit(lower, instance);
}

static void visit_all(struct lowering *lower, instance_step *visit)
{
    bool *is_done = allocate(lower->program->instance_count, sizeof *is_done);
    for (uint32_t i = 0; i < lower->program->instance_count; i++)
        visit_after_providers(lower, lower->program->instances[i], is_done, visit);
    free(is_done);
}

/* What follows happens once: a thread instantiates the modules again, but their shared memory is as it was left. */
static void once_only(struct lowering *lower)
{
    LLVMValueRef is_begun = LLVMAddGlobal(lower->llvm, lower->i32, "wasm_is_initialised");
    LLVMSetInitializer(is_begun, lower_i32(lower, 0));
    LLVMSetLinkage(is_begun, LLVMInternalLinkage);
    LLVMBasicBlockRef first = lower_block_append(lower, ""), again = lower_block_append(lower, "");
    LLVMValueRef value = LLVMBuildLoad2(lower->builder, lower->i32, is_begun, "");
    LLVMBuildCondBr(lower->builder, LLVMBuildICmp(lower->builder, LLVMIntEQ, value, lower_i32(lower, 0), ""), first,
                    again);
    LLVMPositionBuilderAtEnd(lower->builder, again);
    LLVMBuildRetVoid(lower->builder);
    LLVMPositionBuilderAtEnd(lower->builder, first);
    LLVMBuildStore(lower->builder, lower_i32(lower, 1), is_begun);
}

/* void wasm_instantiate(void): providers first, so that their start functions have run; then what libraries want to do
 * before they are used, in the same order. Sizes of imports were checked when the program was linked. */
static void add_instantiate(struct lowering *lower)
{
    LLVMTypeRef type = LLVMFunctionType(lower->nothing, NULL, 0, false);
    lower->llvm_function = lower_external_function(lower, "wasm_instantiate", type);
    LLVMPositionBuilderAtEnd(lower->builder, lower_block_append(lower, ""));
    visit_all(lower, instantiate);
    if (lower->program->has_threads)
        once_only(lower);
    visit_all(lower, initialise);
    LLVMBuildRetVoid(lower->builder);
}

/* Functions that modules import and nobody has: each traps, whatever it is called with, under a name of its own. */
static void add_missing_functions(struct lowering *lower)
{
    LLVMTypeRef type = LLVMFunctionType(lower->nothing, NULL, 0, false);
    for (uint32_t i = 0; i < lower->program->instance_count; i++) {
        const struct instance *instance = lower->program->instances[i];
        for (uint32_t k = 0; !instance->is_dropped && k < instance->module.import_count; k++) {
            if (!instance->imports[k].is_missing || LLVMGetNamedFunction(lower->llvm, instance->imports[k].symbol))
                continue;
            lower->llvm_function = lower_external_function(lower, instance->imports[k].symbol, type);
            lower_function_attributes(lower, lower->llvm_function);
            LLVMPositionBuilderAtEnd(lower->builder, lower_block_append(lower, ""));
            lower_trap(lower, TRAP_UNKNOWN_IMPORT);
        }
    }
}

LLVMModuleRef lower_program(LLVMContextRef context, const struct program *program, enum target target)
{
    struct lowering lower = {.program = program,
                             .target = target,
                             .context = context,
                             .llvm = LLVMModuleCreateWithNameInContext("program", context),
                             .builder = LLVMCreateBuilderInContext(context)};
    lower_types_open(&lower);
    if (program->has_export_tables)
        add_instance_table(&lower);
    else
        add_instantiate(&lower);
    add_missing_functions(&lower);
    if (!program->first_memory_instance)
        add_constant(&lower, "wasm_memory_pages", lower_i64(&lower, 0));
    LLVMDisposeBuilder(lower.builder);
    return lower.llvm;
}
