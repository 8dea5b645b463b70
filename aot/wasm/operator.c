/* Decoding operators: see operator.h. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

const struct opcode_info opcode_table[OPCODE_COUNT] = {
#define OPCODE(id, prefix, number, text, immediates, signature, width, group, feature)                                 \
    [OP_##id] = {prefix, number, text, IMMEDIATES_##immediates, width, GROUP_##group, FEATURE_##feature, signature},
#include "opcodes.def"
#undef OPCODE
};

/* Encodings to opcodes: the one-byte ones, then each prefix's. */
enum {
    SLOTS_FC = 256,
    SLOTS_FD = SLOTS_FC + 18,
    SLOTS_FE = SLOTS_FD + 276,
    SLOT_COUNT = SLOTS_FE + 79,
};

#define SLOT(prefix, number)                                                                                           \
    ((prefix) == 0xfc   ? SLOTS_FC + (number)                                                                          \
     : (prefix) == 0xfd ? SLOTS_FD + (number)                                                                          \
     : (prefix) == 0xfe ? SLOTS_FE + (number)                                                                          \
                        : (number))

/* Opcode + 1; 0: no such operator. */
static const uint16_t opcode_slots[SLOT_COUNT] = {
#define OPCODE(id, prefix, number, text, immediates, signature, width, group, feature)                                 \
    [SLOT(prefix, number)] = OP_##id + 1,
#include "opcodes.def"
#undef OPCODE
};

const char *feature_text(unsigned feature)
{
    switch (feature) {
    case FEATURE_SIMD:
        return "simd";
    case FEATURE_RELAXED_SIMD:
        return "relaxed-simd";
    case FEATURE_TAIL_CALL:
        return "tail-call";
    case FEATURE_EXTENDED_CONST:
        return "extended-const";
    case FEATURE_MULTI_MEMORY:
        return "multi-memory";
    case FEATURE_MEMORY64:
        return "memory64";
    case FEATURE_FUNCTION_REFERENCES:
        return "function-references";
    case FEATURE_ANY_EXCEPTIONS:
    case FEATURE_EXCEPTIONS:
        return "exceptions";
    case FEATURE_LEGACY_EXCEPTIONS:
        return "legacy-exceptions";
    case FEATURE_THREADS:
        return "threads";
    default:
        return "base";
    }
}

/* ---- Opcodes ---- */

/* The gc proposal's operators behind 0xfb, by number: refused, but by name. */
static const char *const gc_operators[] = {
    "struct.new",      "struct.new_default", "struct.get",         "struct.get_s",    "struct.get_u",
    "struct.set",      "array.new",          "array.new_default",  "array.new_fixed", "array.new_data",
    "array.new_elem",  "array.get",          "array.get_s",        "array.get_u",     "array.set",
    "array.len",       "array.fill",         "array.copy",         "array.init_data", "array.init_elem",
    "ref.test",        "ref.test null",      "ref.cast",           "ref.cast null",   "br_on_cast",
    "br_on_cast_fail", "any.convert_extern", "extern.convert_any", "ref.i31",         "i31.get_s",
    "i31.get_u",
};

static const char *gc_operator(uint8_t first, uint32_t number)
{
    if (first == 0xd3)
        return "ref.eq";
    bool is_known = first == 0xfb && number < sizeof gc_operators / sizeof gc_operators[0];
    return is_known ? gc_operators[number] : NULL;
}

static bool illegal_opcode(struct cursor *cursor, uint64_t offset, uint8_t first, uint32_t number)
{
    const char *gc = gc_operator(first, number);
    if (gc)
        return cursor_unsupported(cursor, offset, "gc operators are not supported: %s", gc);
    if (first >= 0xfb && first <= 0xfe)
        return cursor_malformed(cursor, offset, "illegal opcode 0x%02x 0x%02x", first, number);
    return cursor_malformed(cursor, offset, "illegal opcode 0x%02x", first);
}

static bool read_opcode(struct cursor *cursor, uint16_t *code)
{
    static const struct {
        uint32_t start, count;
    } ranges[] = {{SLOTS_FC, SLOTS_FD - SLOTS_FC}, {SLOTS_FD, SLOTS_FE - SLOTS_FD}, {SLOTS_FE, SLOT_COUNT - SLOTS_FE}};
    uint64_t offset = cursor->position;
    uint8_t first;
    uint32_t number = 0;
    if (!cursor_read_byte(cursor, &first))
        return false;
    uint16_t found = 0;
    if (first >= 0xfb && first <= 0xfe) {
        if (!cursor_read_u32(cursor, &number))
            return false;
        if (first != 0xfb && number < ranges[first - 0xfc].count)
            found = opcode_slots[ranges[first - 0xfc].start + number];
    } else {
        found = opcode_slots[first];
    }
    if (!found)
        return illegal_opcode(cursor, offset, first, number);
    *code = (uint16_t)(found - 1);
    unsigned feature = opcode_table[*code].feature;
    if (feature && !(cursor->module->features & feature))
        return cursor_unsupported(cursor, offset, "illegal opcode: %s needs the %s feature, which is off",
                                  opcode_table[*code].text, feature_text(feature));
    return true;
}

/* ---- Immediates ---- */

static bool read_block_type(struct cursor *cursor, struct block_type *block)
{
    uint64_t offset = cursor->position;
    uint8_t code;
    if (!cursor_read_byte(cursor, &code))
        return false;
    if (code == 0x40)
        return true;
    if ((code & 0xc0) == 0x40) { /* a negative number of one byte: a value type */
        block->has_result = true;
        return cursor_value_type_from_code(cursor, offset, code, &block->result);
    }
    cursor->position = offset;
    int64_t index;
    if (!cursor_read_s33(cursor, &index))
        return false;
    if (index < 0)
        return cursor_malformed(cursor, offset, "malformed block type");
    if (index >= cursor->module->type_count)
        return cursor_invalid(cursor, offset, "unknown type %lld", (long long)index);
    block->has_index = true;
    block->index = (uint32_t)index;
    return true;
}

/* Room for `count` elements of `size` bytes in the reader's growing buffer. */
static bool buffer_reserve(const struct cursor *cursor, void **buffer, size_t *capacity, size_t count, size_t size)
{
    if (count <= *capacity)
        return true;
    size_t wanted = count < 64 ? 64 : count + count / 2;
    void *bigger = realloc(*buffer, wanted * size);
    if (!bigger)
        return cursor_no_memory(cursor);
    *buffer = bigger;
    *capacity = wanted;
    return true;
}

static bool read_labels(struct operator_reader *reader, struct cursor *cursor, struct operation *op)
{
    uint32_t count;
    void *buffer = reader->labels;
    if (!cursor_read_count(cursor, UINT32_MAX, 1, "labels", &count))
        return false;
    if (!buffer_reserve(cursor, &buffer, &reader->label_capacity, count, sizeof *reader->labels))
        return false;
    reader->labels = buffer;
    for (uint32_t i = 0; i < count; i++) {
        if (!cursor_read_u32(cursor, &reader->labels[i]))
            return false;
    }
    op->labels = reader->labels;
    op->label_count = count;
    return cursor_read_u32(cursor, &op->index);
}

static bool read_catch(struct cursor *cursor, struct catch_clause *clause)
{
    uint64_t offset = cursor->position;
    uint8_t kind;
    if (!cursor_read_byte(cursor, &kind))
        return false;
    if (kind > 3)
        return cursor_malformed(cursor, offset, "malformed catch clause: 0x%02x", kind);
    *clause = (struct catch_clause){.kind = (enum catch_kind)kind};
    if (clause->kind <= CATCH_TAG_REF && !cursor_read_u32(cursor, &clause->tag))
        return false;
    return cursor_read_u32(cursor, &clause->label);
}

static bool read_try_table(struct operator_reader *reader, struct cursor *cursor, struct operation *op)
{
    uint32_t count;
    void *buffer = reader->catches;
    if (!read_block_type(cursor, &op->block) || !cursor_read_count(cursor, UINT32_MAX, 2, "catch clauses", &count))
        return false;
    if (!buffer_reserve(cursor, &buffer, &reader->catch_capacity, count, sizeof *reader->catches))
        return false;
    reader->catches = buffer;
    for (uint32_t i = 0; i < count; i++) {
        if (!read_catch(cursor, &reader->catches[i]))
            return false;
    }
    op->catches = reader->catches;
    op->catch_count = count;
    return true;
}

static bool read_zero(struct cursor *cursor)
{
    uint64_t offset = cursor->position;
    uint8_t zero;
    if (!cursor_read_byte(cursor, &zero))
        return false;
    return zero == 0 || cursor_malformed(cursor, offset, "zero byte expected");
}

/* Before multiple memories, the place of a memory index was a zero byte. */
static bool read_memory_index(struct cursor *cursor, uint32_t *index)
{
    if (cursor->module->features & FEATURE_MULTI_MEMORY)
        return cursor_read_u32(cursor, index);
    return read_zero(cursor);
}

static bool read_memory_argument(struct cursor *cursor, struct memory_argument *memory)
{
    uint64_t offset = cursor->position;
    uint32_t flags, narrow = 0;
    if (!cursor_read_u32(cursor, &flags))
        return false;
    bool has_index = flags & 64 && cursor->module->features & FEATURE_MULTI_MEMORY;
    if (flags >= (has_index ? 128u : 64u))
        return cursor_malformed(cursor, offset, "malformed memop flags: 0x%x", flags);
    memory->align_bits = flags & 63;
    if (has_index && !cursor_read_u32(cursor, &memory->memory))
        return false;
    if (cursor->module->features & FEATURE_MEMORY64)
        return cursor_read_u64(cursor, &memory->offset);
    if (!cursor_read_u32(cursor, &narrow))
        return false;
    memory->offset = narrow;
    return true;
}

static bool read_vector(struct cursor *cursor, struct operation *op)
{
    uint64_t start = cursor->position;
    if (!cursor_skip(cursor, sizeof op->vector))
        return false;
    memcpy(op->vector, cursor->module->bytes + start, sizeof op->vector);
    return true;
}

static bool read_types(struct cursor *cursor, struct operation *op)
{
    struct value_type type;
    if (!cursor_read_count(cursor, UINT32_MAX, 1, "types", &op->label_count))
        return false;
    for (uint32_t i = 0; i < op->label_count; i++) {
        if (!cursor_read_value_type(cursor, &type))
            return false;
        if (i == 0)
            op->type = type;
    }
    return true;
}

static bool read_null_type(struct cursor *cursor, struct operation *op)
{
    op->type = (struct value_type){.kind = VALUE_REFERENCE, .nullable = true};
    return cursor_read_heap_type(cursor, &op->type.heap);
}

static bool read_number(struct cursor *cursor, enum immediates kind, uint64_t *constant)
{
    int32_t narrow;
    int64_t wide;
    switch (kind) {
    case IMMEDIATES_I32:
        if (!cursor_read_s32(cursor, &narrow))
            return false;
        *constant = (uint32_t)narrow;
        return true;
    case IMMEDIATES_I64:
        if (!cursor_read_s64(cursor, &wide))
            return false;
        *constant = (uint64_t)wide;
        return true;
    default:
        return cursor_read_fixed(cursor, kind == IMMEDIATES_F32 ? 4 : 8, constant);
    }
}

static bool read_immediates(struct operator_reader *reader, struct cursor *cursor, struct operation *op)
{
    enum immediates kind = opcode_table[op->code].immediates;
    switch (kind) {
    case IMMEDIATES_NONE:
        return true;
    case IMMEDIATES_BLOCK:
        return read_block_type(cursor, &op->block);
    case IMMEDIATES_TRY_TABLE:
        return read_try_table(reader, cursor, op);
    case IMMEDIATES_LABELS:
        return read_labels(reader, cursor, op);
    case IMMEDIATES_LABEL:
    case IMMEDIATES_FUNCTION:
    case IMMEDIATES_TYPE:
    case IMMEDIATES_TAG:
    case IMMEDIATES_LOCAL:
    case IMMEDIATES_GLOBAL:
    case IMMEDIATES_TABLE:
    case IMMEDIATES_ELEMENT:
    case IMMEDIATES_DATA:
        return cursor_read_u32(cursor, &op->index);
    case IMMEDIATES_TYPE_TABLE:
    case IMMEDIATES_TABLE_TABLE:
    case IMMEDIATES_ELEMENT_TABLE:
        return cursor_read_u32(cursor, &op->index) && cursor_read_u32(cursor, &op->index2);
    case IMMEDIATES_MEMORY:
        return read_memory_index(cursor, &op->memory.memory);
    case IMMEDIATES_MEMORY_MEMORY:
        return read_memory_index(cursor, &op->memory.memory) && read_memory_index(cursor, &op->index2);
    case IMMEDIATES_DATA_MEMORY:
        return cursor_read_u32(cursor, &op->index) && read_memory_index(cursor, &op->memory.memory);
    case IMMEDIATES_MEMARG:
        return read_memory_argument(cursor, &op->memory);
    case IMMEDIATES_MEMARG_LANE:
        return read_memory_argument(cursor, &op->memory) && cursor_read_byte(cursor, &op->lane);
    case IMMEDIATES_LANE:
        return cursor_read_byte(cursor, &op->lane);
    case IMMEDIATES_SHUFFLE:
    case IMMEDIATES_V128:
        return read_vector(cursor, op);
    case IMMEDIATES_I32:
    case IMMEDIATES_I64:
    case IMMEDIATES_F32:
    case IMMEDIATES_F64:
        return read_number(cursor, kind, &op->constant);
    case IMMEDIATES_TYPES:
        return read_types(cursor, op);
    case IMMEDIATES_HEAP:
        return read_null_type(cursor, op);
    case IMMEDIATES_FENCE:
        return read_zero(cursor);
    }
    return false;
}

/* ---- The reader ---- */

void operator_reader_open_body(struct operator_reader *reader, const struct module *module, uint32_t function)
{
    const struct function_body *body = &module->functions[function].body;
    *reader = (struct operator_reader){
        .module = module, .position = body->code_offset, .end = body->offset + body->size, .function = function};
}

void operator_reader_open_expression(struct operator_reader *reader, const struct module *module,
                                     struct expression expression)
{
    *reader = (struct operator_reader){.module = module,
                                       .position = expression.offset,
                                       .end = expression.offset + expression.size,
                                       .function = MODULE_NO_FUNCTION};
}

bool operator_reader_at_end(const struct operator_reader *reader)
{
    return reader->position >= reader->end;
}

bool operator_read(struct operator_reader *reader, struct operation *op, struct module_error *error)
{
    struct cursor cursor = {reader->module, reader->position, reader->end, reader->function, error};
    memset(op, 0, sizeof *op);
    op->offset = reader->position;
    if (!read_opcode(&cursor, &op->code) || !read_immediates(reader, &cursor, op))
        return false;
    reader->position = cursor.position;
    return true;
}

void operator_reader_close(struct operator_reader *reader)
{
    free(reader->labels);
    free(reader->catches);
    reader->labels = NULL;
    reader->catches = NULL;
    reader->label_capacity = 0;
    reader->catch_capacity = 0;
}

bool operator_opens_block(uint16_t code)
{
    return code == OP_BLOCK || code == OP_LOOP || code == OP_IF || code == OP_TRY || code == OP_TRY_TABLE;
}

bool operator_ends_block_early(uint16_t code)
{
    switch (code) {
    case OP_UNREACHABLE:
    case OP_BR:
    case OP_BR_TABLE:
    case OP_RETURN:
    case OP_RETURN_CALL:
    case OP_RETURN_CALL_INDIRECT:
    case OP_RETURN_CALL_REF:
    case OP_THROW:
    case OP_THROW_REF:
    case OP_RETHROW:
        return true;
    default:
        return false;
    }
}

static bool operator_divides_block(uint16_t code)
{
    return code == OP_END || code == OP_ELSE || code == OP_CATCH || code == OP_CATCH_ALL || code == OP_DELEGATE;
}

bool operator_skip_unreachable(struct operator_reader *reader, struct operation *op, struct module_error *error)
{
    uint32_t depth = 0;
    for (;;) {
        if (!operator_read(reader, op, error))
            return false;
        if (depth == 0 && operator_divides_block(op->code))
            return true;
        if (operator_opens_block(op->code))
            depth++;
        else if (op->code == OP_END || op->code == OP_DELEGATE)
            depth--;
    }
}

bool cursor_read_expression(struct cursor *cursor, struct expression *expression)
{
    struct operator_reader reader = {
        .module = cursor->module, .position = cursor->position, .end = cursor->end, .function = cursor->function};
    struct operation op;
    bool done;
    expression->offset = cursor->position;
    do {
        done = operator_read(&reader, &op, cursor->error);
        /* Blocks are never constant; refusing them here saves counting their ends. */
        if (done && operator_opens_block(op.code))
            done =
                cursor_invalid(cursor, op.offset, "constant expression required, found %s", opcode_table[op.code].text);
    } while (done && op.code != OP_END);
    operator_reader_close(&reader);
    if (!done)
        return false;
    uint64_t size = reader.position - expression->offset;
    if (size > LIMIT_BODY_BYTES)
        return cursor_unsupported(cursor, expression->offset, "constant expression of %llu bytes, the limit is %d",
                                  (unsigned long long)size, LIMIT_BODY_BYTES);
    expression->size = (uint32_t)size;
    cursor->position = reader.position;
    return true;
}

/* ---- Block types ---- */

uint32_t block_type_parameter_count(const struct module *module, const struct block_type *block)
{
    return block->has_index ? module->types[block->index].parameter_count : 0;
}

uint32_t block_type_result_count(const struct module *module, const struct block_type *block)
{
    return block->has_index ? module->types[block->index].result_count : block->has_result;
}

const struct value_type *block_type_parameters(const struct module *module, const struct block_type *block)
{
    return block->has_index ? module->types[block->index].parameters : NULL;
}

const struct value_type *block_type_results(const struct module *module, const struct block_type *block)
{
    return block->has_index ? module->types[block->index].results : block->has_result ? &block->result : NULL;
}
