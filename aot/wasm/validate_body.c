/* Validation of function bodies and constant expressions: one pass over the operators with a stack
 * of operand types and a stack of open blocks, both on the heap.
 *
 * After an operator that never continues, the rest of its block is unreachable: popping from the
 * block's empty stack then yields VALUE_BOTTOM, which matches every type.
 *
 * Locals whose type has no default (non-null references) must be set before they are read. Each
 * set is undone at the end of the block it is in; `local_stamps` says for which function a local
 * was last set, so nothing has to be cleared between functions.
 *
 * Source: core specification 3.0, appendix "Validation Algorithm"; legacy exception handling proposal.
 */
#include <stdlib.h>

#include "validator.h"

struct validator *validator_create(struct module *module, struct module_error *error)
{
    struct validator *validator = calloc(1, sizeof *validator);
    if (!validator)
        return NULL;
    validator->module = module;
    validator->error = error;
    validator->local_stamps = calloc(LIMIT_LOCALS, sizeof *validator->local_stamps);
    if (validator->local_stamps)
        return validator;
    free(validator);
    return NULL;
}

void validator_destroy(struct validator *validator)
{
    free(validator->operands);
    free(validator->frames);
    free(validator->undo);
    free(validator->local_stamps);
    free(validator);
}

/* ---- One operator ---- */

static bool check_operator(struct validator *v)
{
    struct value_type ignored;
    switch (v->op.code) {
    case OP_UNREACHABLE:
        return frame_set_unreachable(v);
    case OP_BLOCK:
    case OP_LOOP:
    case OP_IF:
    case OP_TRY:
        return check_block(v);
    case OP_TRY_TABLE:
        return check_try_table(v);
    case OP_ELSE:
        return check_else(v);
    case OP_END:
        return check_end(v);
    case OP_BR:
        return check_br(v);
    case OP_BR_IF:
        return check_br_if(v);
    case OP_BR_TABLE:
        return check_br_table(v);
    case OP_RETURN:
        return operands_pop(v, v->type->results, v->type->result_count) && frame_set_unreachable(v);
    case OP_BR_ON_NULL:
        return check_br_on_null(v);
    case OP_BR_ON_NON_NULL:
        return check_br_on_non_null(v);
    case OP_CALL:
    case OP_RETURN_CALL:
        return check_call(v);
    case OP_CALL_INDIRECT:
    case OP_RETURN_CALL_INDIRECT:
        return check_call_indirect(v);
    case OP_CALL_REF:
    case OP_RETURN_CALL_REF:
        return check_call_ref(v);
    case OP_THROW:
        return check_throw(v);
    case OP_THROW_REF:
        return operand_pop(v, type_exnref) && frame_set_unreachable(v);
    case OP_CATCH:
    case OP_CATCH_ALL:
        return check_catch(v);
    case OP_RETHROW:
        return check_rethrow(v);
    case OP_DELEGATE:
        return check_delegate(v);
    case OP_DROP:
        return operand_pop_any(v, type_bottom, &ignored);
    case OP_SELECT:
        return check_select(v);
    case OP_SELECT_TYPED:
        return check_select_typed(v);
    case OP_LOCAL_GET:
        return check_local_get(v);
    case OP_LOCAL_SET:
    case OP_LOCAL_TEE:
        return check_local_set(v);
    case OP_GLOBAL_GET:
    case OP_GLOBAL_SET:
        return check_global(v);
    case OP_REF_NULL:
        return operand_push(v, v->op.type);
    case OP_REF_IS_NULL:
        return check_ref_is_null(v);
    case OP_REF_AS_NON_NULL:
        return check_ref_as_non_null(v);
    case OP_REF_FUNC:
        return check_ref_func(v);
    case OP_TABLE_GET:
    case OP_TABLE_SET:
    case OP_TABLE_SIZE:
    case OP_TABLE_GROW:
    case OP_TABLE_FILL:
        return check_table_access(v);
    case OP_TABLE_COPY:
        return check_table_copy(v);
    case OP_TABLE_INIT:
        return check_table_init(v);
    case OP_ELEM_DROP:
        return check_elem_drop(v);
    case OP_MEMORY_COPY:
        return check_memory_copy(v);
    default:
        return check_signature(v);
    }
}

/* ---- Bodies and expressions ---- */

static void reset(struct validator *v)
{
    v->operand_count = 0;
    v->operand_maximum = 0;
    v->frame_count = 0;
    v->frame_maximum = 0;
    v->undo_count = 0;
}

static bool check_body_operators(struct validator *v)
{
    while (v->frame_count > 0) {
        if (operator_reader_at_end(&v->reader))
            return error_set(v->error, MODULE_MALFORMED, v->reader.end, v->function,
                             "END opcode expected: unexpected end of section or function");
        if (!operator_read(&v->reader, &v->op, v->error) || !check_operator(v))
            return false;
    }
    if (!operator_reader_at_end(&v->reader))
        return error_set(v->error, MODULE_MALFORMED, v->reader.position, v->function,
                         "section size mismatch: operators after the end of the function");
    return true;
}

bool validator_check_body(struct validator *v, uint32_t function)
{
    struct function_body *body = &v->module->functions[function].body;
    reset(v);
    v->function = function;
    v->type = module_function_type(v->module, function);
    v->body = body;
    v->stamp++;
    operator_reader_open_body(&v->reader, v->module, function);
    v->op = (struct operation){.offset = body->code_offset};
    struct block_type type = {.has_index = true, .index = v->module->functions[function].type};
    /* Not push_block: a function's parameters are locals. */
    bool is_valid = frame_push(v, OP_BLOCK, type) && check_body_operators(v);
    operator_reader_close(&v->reader);
    body->maximum_stack = v->operand_maximum;
    body->maximum_depth = v->frame_maximum;
    return is_valid;
}

static bool check_constant_global(struct validator *v)
{
    if (v->op.index >= v->global_limit)
        return FAIL(v, "unknown global %u", v->op.index);
    const struct global *global = &v->module->globals[v->op.index];
    if (global->is_mutable)
        return FAIL(v, "constant expression required: global %u is mutable", v->op.index);
    return operand_push(v, global->type);
}

static bool check_constant_operator(struct validator *v)
{
    switch (v->op.code) {
    case OP_I32_ADD:
    case OP_I32_SUB:
    case OP_I32_MUL:
    case OP_I64_ADD:
    case OP_I64_SUB:
    case OP_I64_MUL:
        if (!(v->module->features & FEATURE_EXTENDED_CONST))
            break;
        return check_operator(v);
    case OP_I32_CONST:
    case OP_I64_CONST:
    case OP_F32_CONST:
    case OP_F64_CONST:
    case OP_V128_CONST:
    case OP_REF_NULL:
    case OP_REF_FUNC:
    case OP_END:
        return check_operator(v);
    case OP_GLOBAL_GET:
        return check_constant_global(v);
    default:
        break;
    }
    return FAIL(v, "constant expression required, found %s", operator_text(v));
}

bool validator_check_expression(struct validator *v, struct expression expression, struct value_type type,
                                uint32_t global_limit)
{
    reset(v);
    v->function = MODULE_NO_FUNCTION;
    v->global_limit = global_limit;
    operator_reader_open_expression(&v->reader, v->module, expression);
    v->op = (struct operation){.offset = expression.offset};
    struct block_type block = {.has_result = true, .result = type};
    bool is_valid = frame_push(v, OP_BLOCK, block);
    while (is_valid && v->frame_count > 0)
        is_valid = operator_read(&v->reader, &v->op, v->error) && check_constant_operator(v);
    operator_reader_close(&v->reader);
    return is_valid;
}
