/* Validation of the operators that branch: blocks, branches, exceptions, calls. */
#include "validator.h"

/* ---- Labels ---- */

static bool find_label(struct validator *v, uint32_t label, struct frame **frame)
{
    if (label >= v->frame_count)
        return FAIL(v, "unknown label %u", label);
    *frame = &v->frames[v->frame_count - 1 - label];
    return true;
}

/* The types a branch to the frame carries: a loop's parameters, any other block's results. */
static const struct value_type *label_types(const struct validator *v, const struct frame *frame, uint32_t *count)
{
    if (frame->code == OP_LOOP) {
        *count = block_type_parameter_count(v->module, &frame->type);
        return block_type_parameters(v->module, &frame->type);
    }
    *count = block_type_result_count(v->module, &frame->type);
    return block_type_results(v->module, &frame->type);
}

/* Pop what the label carries and push it back as the types the label has. */
static bool retype_as_label(struct validator *v, const struct value_type *types, uint32_t count)
{
    return operands_pop(v, types, count) && operands_push(v, types, count);
}

bool check_br(struct validator *v)
{
    struct frame *frame;
    uint32_t count;
    if (!find_label(v, v->op.index, &frame))
        return false;
    const struct value_type *types = label_types(v, frame, &count);
    return operands_pop(v, types, count) && frame_set_unreachable(v);
}

bool check_br_if(struct validator *v)
{
    struct frame *frame;
    uint32_t count;
    if (!operand_pop(v, type_i32) || !find_label(v, v->op.index, &frame))
        return false;
    const struct value_type *types = label_types(v, frame, &count);
    return retype_as_label(v, types, count);
}

bool check_br_table(struct validator *v)
{
    struct frame *frame;
    uint32_t arity, count;
    if (!operand_pop(v, type_i32) || !find_label(v, v->op.index, &frame))
        return false;
    const struct value_type *default_types = label_types(v, frame, &arity);
    for (uint32_t i = 0; i < v->op.label_count; i++) {
        if (!find_label(v, v->op.labels[i], &frame))
            return false;
        /* Each label once: tables are long, and name few labels. */
        if (frame->checked_table == v->op.offset)
            continue;
        frame->checked_table = v->op.offset;
        const struct value_type *types = label_types(v, frame, &count);
        if (count != arity)
            return FAIL(v, "type mismatch: br_table's labels carry %u and %u values", arity, count);
        if (!operands_peek(v, types, count))
            return false;
    }
    return operands_pop(v, default_types, arity) && frame_set_unreachable(v);
}

bool check_br_on_null(struct validator *v)
{
    struct value_type reference;
    struct frame *frame;
    uint32_t count;
    if (!operand_pop_reference(v, &reference) || !find_label(v, v->op.index, &frame))
        return false;
    const struct value_type *types = label_types(v, frame, &count);
    reference.nullable = false;
    return retype_as_label(v, types, count) && operand_push(v, reference);
}

bool check_br_on_non_null(struct validator *v)
{
    struct frame *frame;
    uint32_t count;
    if (!find_label(v, v->op.index, &frame))
        return false;
    const struct value_type *types = label_types(v, frame, &count);
    if (count == 0 || types[count - 1].kind != VALUE_REFERENCE)
        return FAIL(v, "type mismatch: br_on_non_null's label must carry a reference last");
    struct value_type wanted = types[count - 1];
    wanted.nullable = true;
    return operand_pop(v, wanted) && retype_as_label(v, types, count - 1);
}

/* ---- Blocks ---- */

bool check_block(struct validator *v)
{
    if (v->op.code == OP_IF && !operand_pop(v, type_i32))
        return false;
    struct block_type type = v->op.block;
    return operands_pop(v, block_type_parameters(v->module, &type), block_type_parameter_count(v->module, &type)) &&
           frame_push_block(v, v->op.code, type);
}

bool check_else(struct validator *v)
{
    struct frame *frame = frame_top(v);
    if (frame->code != OP_IF)
        return FAIL(v, "else without if");
    if (!frame_close_part(v))
        return false;
    frame_reopen(v, OP_ELSE);
    return operands_push(v, block_type_parameters(v->module, &frame->type),
                         block_type_parameter_count(v->module, &frame->type));
}

bool check_end(struct validator *v)
{
    struct frame *frame = frame_top(v);
    if (frame->code == OP_IF) { /* no else: as if it were empty */
        if (!check_else(v))
            return false;
    }
    return frame_close(v);
}

/* A catch clause of try_table branches with the tag's parameters, and the exception when it is a `_ref`. */
static bool check_catch_clause(struct validator *v, const struct catch_clause *clause)
{
    struct frame *frame;
    uint32_t count, passed = 0;
    const struct value_type *passed_types = NULL;
    bool has_tag = clause->kind == CATCH_TAG || clause->kind == CATCH_TAG_REF;
    bool has_exception = clause->kind == CATCH_TAG_REF || clause->kind == CATCH_ALL_REF;
    if (has_tag && clause->tag >= v->module->tag_count)
        return FAIL(v, "unknown tag %u", clause->tag);
    if (!find_label(v, clause->label, &frame))
        return false;
    if (has_tag) {
        const struct function_type *type = &v->module->types[v->module->tags[clause->tag].type];
        passed = type->parameter_count;
        passed_types = type->parameters;
    }
    const struct value_type *types = label_types(v, frame, &count);
    if (count != passed + has_exception)
        return FAIL(v, "type mismatch: a catch clause passes %u values to a label that takes %u",
                    passed + has_exception, count);
    for (uint32_t i = 0; i < count; i++) {
        struct value_type type = i < passed ? passed_types[i] : type_exn;
        if (!value_type_matches(v->module, type, types[i]))
            return FAIL(v, "type mismatch: a catch clause passes %s to a label that takes %s",
                        value_type_text(type).text, value_type_text(types[i]).text);
    }
    return true;
}

bool check_try_table(struct validator *v)
{
    for (uint32_t i = 0; i < v->op.catch_count; i++) {
        if (!check_catch_clause(v, &v->op.catches[i]))
            return false;
    }
    return check_block(v);
}

static bool check_tag_type(struct validator *v, const struct function_type **type)
{
    if (v->op.index >= v->module->tag_count)
        return FAIL(v, "unknown tag %u", v->op.index);
    *type = &v->module->types[v->module->tags[v->op.index].type];
    return true;
}

bool check_throw(struct validator *v)
{
    const struct function_type *type;
    return check_tag_type(v, &type) && operands_pop(v, type->parameters, type->parameter_count) &&
           frame_set_unreachable(v);
}

/* Legacy: catch and catch_all go on with a block that try opened; nothing follows a catch_all. */
bool check_catch(struct validator *v)
{
    const struct function_type *type = NULL;
    struct frame *frame = frame_top(v);
    if (frame->code != OP_TRY && frame->code != OP_CATCH)
        return FAIL(v, "%s without try", operator_text(v));
    if ((v->op.code == OP_CATCH && !check_tag_type(v, &type)) || !frame_close_part(v))
        return false;
    frame_reopen(v, v->op.code);
    return !type || operands_push(v, type->parameters, type->parameter_count);
}

bool check_rethrow(struct validator *v)
{
    struct frame *frame;
    if (!find_label(v, v->op.index, &frame))
        return false;
    if (frame->code != OP_CATCH && frame->code != OP_CATCH_ALL)
        return FAIL(v, "invalid rethrow label %u", v->op.index);
    return frame_set_unreachable(v);
}

bool check_delegate(struct validator *v)
{
    if (frame_top(v)->code != OP_TRY)
        return FAIL(v, "delegate without try");
    /* The label counts from outside the try. */
    if (v->op.index >= v->frame_count - 1)
        return FAIL(v, "unknown label %u", v->op.index);
    return frame_close(v);
}

/* ---- Calls ---- */

static bool check_call_type(struct validator *v, const struct function_type *type, bool is_tail)
{
    if (!operands_pop(v, type->parameters, type->parameter_count))
        return false;
    if (!is_tail)
        return operands_push(v, type->results, type->result_count);
    if (type->result_count != v->type->result_count)
        return FAIL(v, "type mismatch: tail call of a function with %u results in one with %u", type->result_count,
                    v->type->result_count);
    for (uint32_t i = 0; i < type->result_count; i++) {
        if (!value_type_matches(v->module, type->results[i], v->type->results[i]))
            return FAIL(v, "type mismatch: tail call's result is %s, the function's is %s",
                        value_type_text(type->results[i]).text, value_type_text(v->type->results[i]).text);
    }
    return frame_set_unreachable(v);
}

bool check_call(struct validator *v)
{
    if (v->op.index >= v->module->function_count)
        return FAIL(v, "unknown function %u", v->op.index);
    return check_call_type(v, module_function_type(v->module, v->op.index), v->op.code == OP_RETURN_CALL);
}

static bool find_type(struct validator *v, const struct function_type **type)
{
    if (v->op.index >= v->module->type_count)
        return FAIL(v, "unknown type %u", v->op.index);
    *type = &v->module->types[v->op.index];
    return true;
}

bool find_table(struct validator *v, uint32_t index, const struct table **table)
{
    if (index >= v->module->table_count)
        return FAIL(v, "unknown table %u", index);
    *table = &v->module->tables[index];
    return true;
}

struct value_type address_type(const struct limits *limits)
{
    return limits->is_64 ? type_i64 : type_i32;
}

bool check_call_indirect(struct validator *v)
{
    const struct table *table;
    const struct function_type *type;
    if (!find_table(v, v->op.index2, &table) || !find_type(v, &type))
        return false;
    if (!value_type_matches(v->module, table->type, type_funcref))
        return FAIL(v, "type mismatch: %s through a table of %s", operator_text(v), value_type_text(table->type).text);
    return operand_pop(v, address_type(&table->limits)) &&
           check_call_type(v, type, v->op.code == OP_RETURN_CALL_INDIRECT);
}

bool check_call_ref(struct validator *v)
{
    const struct function_type *type;
    if (!find_type(v, &type))
        return false;
    struct value_type callee = {.kind = VALUE_REFERENCE, .nullable = true, .heap = v->op.index};
    return operand_pop(v, callee) && check_call_type(v, type, v->op.code == OP_RETURN_CALL_REF);
}
