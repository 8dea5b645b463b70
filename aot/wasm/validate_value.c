/* Validation of the operators that deal with values: variables, references, tables, memories, and all that have a fixed
 * signature. */
#include <string.h>

#include "validator.h"

/* ---- Parametric, variables ---- */

bool check_select(struct validator *v)
{
    struct value_type first, second;
    if (!operand_pop(v, type_i32) || !operand_pop_any(v, type_bottom, &second) ||
        !operand_pop_any(v, type_bottom, &first))
        return false;
    if (first.kind == VALUE_REFERENCE || second.kind == VALUE_REFERENCE)
        return FAIL(v, "type mismatch: select of references needs its type stated");
    if (first.kind != second.kind && first.kind != VALUE_BOTTOM && second.kind != VALUE_BOTTOM)
        return FAIL(v, "type mismatch: select between %s and %s", value_type_text(first).text,
                    value_type_text(second).text);
    return operand_push(v, first.kind == VALUE_BOTTOM ? second : first);
}

bool check_select_typed(struct validator *v)
{
    if (v->op.label_count != 1)
        return FAIL(v, "invalid result arity: select with %u types", v->op.label_count);
    return operand_pop(v, type_i32) && operand_pop(v, v->op.type) && operand_pop(v, v->op.type) &&
           operand_push(v, v->op.type);
}

/* Type of a local. Runs are searched by halves: a body may declare many more locals than it has bytes. */
static bool find_local(struct validator *v, struct value_type *type)
{
    uint32_t index = v->op.index;
    if (index >= v->body->local_count)
        return FAIL(v, "unknown local %u", index);
    if (index < v->type->parameter_count) {
        *type = v->type->parameters[index];
        return true;
    }
    uint32_t low = 0, high = v->body->local_run_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (v->body->locals[middle].first <= index)
            low = middle;
        else
            high = middle;
    }
    *type = v->body->locals[low].type;
    return true;
}

bool check_local_get(struct validator *v)
{
    struct value_type type;
    if (!find_local(v, &type))
        return false;
    if (!value_type_has_default(type) && v->op.index >= v->type->parameter_count &&
        v->local_stamps[v->op.index] != v->stamp)
        return FAIL(v, "uninitialized local %u of %s", v->op.index, value_type_text(type).text);
    return operand_push(v, type);
}

static bool mark_local_set(struct validator *v, struct value_type type)
{
    uint32_t index = v->op.index;
    if (value_type_has_default(type) || v->local_stamps[index] == v->stamp)
        return true;
    if (v->undo_count == v->undo_capacity) {
        void *array = v->undo;
        if (!validator_grow(v, &array, &v->undo_capacity, sizeof *v->undo))
            return false;
        v->undo = array;
    }
    v->undo[v->undo_count++] = index;
    v->local_stamps[index] = v->stamp;
    return true;
}

bool check_local_set(struct validator *v)
{
    struct value_type type;
    if (!find_local(v, &type) || !operand_pop(v, type) || !mark_local_set(v, type))
        return false;
    return v->op.code == OP_LOCAL_SET || operand_push(v, type);
}

bool check_global(struct validator *v)
{
    if (v->op.index >= v->module->global_count)
        return FAIL(v, "unknown global %u", v->op.index);
    const struct global *global = &v->module->globals[v->op.index];
    if (v->op.code == OP_GLOBAL_GET)
        return operand_push(v, global->type);
    if (!global->is_mutable)
        return FAIL(v, "immutable global: global is immutable, global.set of %u", v->op.index);
    return operand_pop(v, global->type);
}

/* ---- References and tables ---- */

bool check_ref_func(struct validator *v)
{
    if (v->op.index >= v->module->function_count)
        return FAIL(v, "unknown function %u", v->op.index);
    struct function *function = &v->module->functions[v->op.index];
    if (v->function == MODULE_NO_FUNCTION)
        function->is_declared = true;
    if (!function->is_declared)
        return FAIL(v, "undeclared function reference: function %u", v->op.index);
    return operand_push(v, (struct value_type){.kind = VALUE_REFERENCE, .heap = function->type});
}

bool check_ref_is_null(struct validator *v)
{
    struct value_type reference;
    return operand_pop_reference(v, &reference) && operand_push(v, type_i32);
}

bool check_ref_as_non_null(struct validator *v)
{
    struct value_type reference;
    if (!operand_pop_reference(v, &reference))
        return false;
    reference.nullable = false;
    return operand_push(v, reference);
}

bool check_table_access(struct validator *v)
{
    const struct table *table;
    if (!find_table(v, v->op.index, &table))
        return false;
    struct value_type address = address_type(&table->limits);
    switch (v->op.code) {
    case OP_TABLE_GET:
        return operand_pop(v, address) && operand_push(v, table->type);
    case OP_TABLE_SET:
        return operand_pop(v, table->type) && operand_pop(v, address);
    case OP_TABLE_SIZE:
        return operand_push(v, address);
    case OP_TABLE_GROW:
        return operand_pop(v, address) && operand_pop(v, table->type) && operand_push(v, address);
    default: /* OP_TABLE_FILL */
        return operand_pop(v, address) && operand_pop(v, table->type) && operand_pop(v, address);
    }
}

bool check_table_copy(struct validator *v)
{
    const struct table *to, *from;
    if (!find_table(v, v->op.index, &to) || !find_table(v, v->op.index2, &from))
        return false;
    if (!value_type_matches(v->module, from->type, to->type))
        return FAIL(v, "type mismatch: table.copy of %s to a table of %s", value_type_text(from->type).text,
                    value_type_text(to->type).text);
    bool is_64 = to->limits.is_64 && from->limits.is_64;
    return operand_pop(v, is_64 ? type_i64 : type_i32) && operand_pop(v, address_type(&from->limits)) &&
           operand_pop(v, address_type(&to->limits));
}

static bool find_element(struct validator *v, const struct element_segment **segment)
{
    if (v->op.index >= v->module->element_count)
        return FAIL(v, "unknown elem segment %u", v->op.index);
    *segment = &v->module->elements[v->op.index];
    return true;
}

bool check_table_init(struct validator *v)
{
    const struct table *table;
    const struct element_segment *segment;
    if (!find_table(v, v->op.index2, &table) || !find_element(v, &segment))
        return false;
    if (!value_type_matches(v->module, segment->type, table->type))
        return FAIL(v, "type mismatch: table.init of %s to a table of %s", value_type_text(segment->type).text,
                    value_type_text(table->type).text);
    return operand_pop(v, type_i32) && operand_pop(v, type_i32) && operand_pop(v, address_type(&table->limits));
}

bool check_elem_drop(struct validator *v)
{
    const struct element_segment *segment;
    return find_element(v, &segment);
}

/* ---- Memory, and all operators with a fixed signature ---- */

static bool find_memory(struct validator *v, uint32_t index, const struct memory **memory)
{
    if (index >= v->module->memory_count)
        return FAIL(v, "unknown memory %u", index);
    *memory = &v->module->memories[index];
    return true;
}

bool check_memory_copy(struct validator *v)
{
    const struct memory *to, *from;
    if (!find_memory(v, v->op.memory.memory, &to) || !find_memory(v, v->op.index2, &from))
        return false;
    bool is_64 = to->limits.is_64 && from->limits.is_64;
    return operand_pop(v, is_64 ? type_i64 : type_i32) && operand_pop(v, address_type(&from->limits)) &&
           operand_pop(v, address_type(&to->limits));
}

static bool check_memory_argument(struct validator *v, const struct memory *memory)
{
    const struct opcode_info *info = &opcode_table[v->op.code];
    uint32_t align = v->op.memory.align_bits;
    if (info->group == GROUP_ATOMIC && align != info->width)
        return FAIL(v, "atomic alignment must be natural: %s with 2^%u, not 2^%u", info->text, align, info->width);
    if (align > info->width)
        return FAIL(v, "alignment must not be larger than natural: %s with 2^%u, natural is 2^%u", info->text, align,
                    info->width);
    if (!memory->limits.is_64 && v->op.memory.offset > UINT32_MAX)
        return FAIL(v, "offset out of range: %llu for a 32-bit memory", (unsigned long long)v->op.memory.offset);
    return true;
}

static bool check_lane(struct validator *v)
{
    unsigned lanes = 16u >> opcode_table[v->op.code].width;
    if (v->op.lane >= lanes)
        return FAIL(v, "invalid lane index %u: %s has %u lanes", v->op.lane, operator_text(v), lanes);
    return true;
}

static bool check_shuffle(struct validator *v)
{
    for (unsigned i = 0; i < sizeof v->op.vector; i++) {
        if (v->op.vector[i] >= 32)
            return FAIL(v, "invalid lane index %u: i8x16.shuffle has 32 lanes", v->op.vector[i]);
    }
    return true;
}

static bool check_data_index(struct validator *v)
{
    if (!v->module->has_data_count)
        return error_set(v->error, MODULE_MALFORMED, v->op.offset, v->function, "data count section required by %s",
                         operator_text(v));
    if (v->op.index >= v->module->data_count)
        return FAIL(v, "unknown data segment %u", v->op.index);
    return true;
}

/* Immediates of the operators with a fixed signature. `memory` is set when they name one. */
static bool check_immediates(struct validator *v, const struct memory **memory)
{
    switch ((enum immediates)opcode_table[v->op.code].immediates) {
    case IMMEDIATES_MEMARG:
        return find_memory(v, v->op.memory.memory, memory) && check_memory_argument(v, *memory);
    case IMMEDIATES_MEMARG_LANE:
        return find_memory(v, v->op.memory.memory, memory) && check_memory_argument(v, *memory) && check_lane(v);
    case IMMEDIATES_MEMORY:
        return find_memory(v, v->op.memory.memory, memory);
    case IMMEDIATES_DATA_MEMORY:
        return find_memory(v, v->op.memory.memory, memory) && check_data_index(v);
    case IMMEDIATES_DATA:
        return check_data_index(v);
    case IMMEDIATES_LANE:
        return check_lane(v);
    case IMMEDIATES_SHUFFLE:
        return check_shuffle(v);
    default:
        return true;
    }
}

static struct value_type signature_type(char letter, const struct memory *memory)
{
    switch (letter) {
    case 'i':
        return (struct value_type){.kind = VALUE_I32};
    case 'I':
        return (struct value_type){.kind = VALUE_I64};
    case 'f':
        return (struct value_type){.kind = VALUE_F32};
    case 'F':
        return (struct value_type){.kind = VALUE_F64};
    case 'v':
        return (struct value_type){.kind = VALUE_V128};
    default: /* 'a' */
        return address_type(&memory->limits);
    }
}

bool check_signature(struct validator *v)
{
    const struct memory *memory = NULL;
    if (!check_immediates(v, &memory))
        return false;
    const char *signature = opcode_table[v->op.code].signature;
    const char *colon = strchr(signature, ':');
    for (const char *letter = colon; letter > signature; letter--) {
        if (!operand_pop(v, signature_type(letter[-1], memory)))
            return false;
    }
    for (const char *letter = colon + 1; *letter; letter++) {
        if (!operand_push(v, signature_type(*letter, memory)))
            return false;
    }
    return true;
}
