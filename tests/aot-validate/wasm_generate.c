#include <string.h>

#include "wasm/operator.h"
#include "wasm_generate.h"

static uint64_t random_state;

void random_seed(unsigned seed)
{
    random_state = seed;
}

unsigned random_below(unsigned limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % limit;
}

static bool one_in(unsigned count)
{
    return random_below(count) == 0;
}

/* ---- Numbers and types ---- */

static void generate_index(struct writer *writer)
{
    write_number(writer, one_in(32) ? random_below(1u << 31) : random_below(one_in(4) ? 20 : 4));
}

static void generate_size(struct writer *writer)
{
    static const uint64_t sizes[] = {0, 1, 2, 16, 65535, 65536, 65537, UINT32_MAX, 1ull << 32, 1ull << 48, 1ull << 63};
    write_number(writer, one_in(3) ? sizes[random_below(11)] : random_below(32));
}

static void generate_constant(struct writer *writer)
{
    static const int64_t constants[] = {-1, 63, 64, -64, -65, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    write_signed(writer, one_in(4) ? constants[random_below(9)] : (int64_t)random_below(16));
}

static void generate_heap_type(struct writer *writer)
{
    static const uint8_t abstract[] = {0x70, 0x6f, 0x69, 0x73, 0x72, 0x74, 0x6e, 0x6d, 0x6c, 0x6b, 0x6a, 0x71};
    if (one_in(2))
        generate_index(writer);
    else
        write_byte(writer, abstract[random_below(one_in(8) ? 12 : 6)]);
}

static void generate_reference_type(struct writer *writer)
{
    static const uint8_t shorthand[] = {0x70, 0x6f, 0x69};
    if (one_in(2)) {
        write_byte(writer, shorthand[random_below(3)]);
        return;
    }
    write_byte(writer, one_in(2) ? 0x63 : 0x64);
    generate_heap_type(writer);
}

static void generate_value_type(struct writer *writer)
{
    unsigned kind = random_below(7);
    if (kind < 5)
        write_byte(writer, (uint8_t)(0x7f - kind));
    else
        generate_reference_type(writer);
}

static void generate_value_types(struct writer *writer)
{
    unsigned count = random_below(4);
    write_number(writer, count);
    while (count-- > 0)
        generate_value_type(writer);
}

static void generate_block_type(struct writer *writer)
{
    unsigned kind = random_below(4);
    if (kind == 0)
        generate_index(writer);
    else if (kind == 1)
        generate_value_type(writer);
    else
        write_byte(writer, 0x40);
}

static void generate_limits(struct writer *writer)
{
    uint8_t flags = (uint8_t)random_below(one_in(4) ? 10 : 2);
    write_byte(writer, flags);
    generate_size(writer);
    if (flags & 1)
        generate_size(writer);
}

static void generate_name(struct writer *writer)
{
    unsigned length = random_below(3);
    write_number(writer, length);
    while (length-- > 0)
        write_byte(writer, one_in(8) ? (uint8_t)random_below(256) : (uint8_t)('a' + random_below(4)));
}

/* ---- Operators ---- */

static void write_opcode(struct writer *writer, const struct opcode_info *info)
{
    if (info->prefix == 0) {
        write_byte(writer, (uint8_t)info->number);
        return;
    }
    write_byte(writer, info->prefix);
    write_number(writer, info->number);
}

static void generate_bytes(struct writer *writer, unsigned count, unsigned limit)
{
    while (count-- > 0)
        write_byte(writer, (uint8_t)random_below(limit));
}

static void generate_memory_argument(struct writer *writer, const struct opcode_info *info)
{
    bool is_natural = info->group == GROUP_ATOMIC ? !one_in(8) : one_in(2);
    unsigned align = is_natural ? info->width : random_below(info->width + 2u); /* one too many, at times */
    bool has_memory = one_in(8);
    write_number(writer, align | (has_memory ? 64u : 0));
    if (has_memory)
        generate_index(writer);
    generate_size(writer);
}

static void generate_labels(struct writer *writer)
{
    unsigned count = random_below(4);
    write_number(writer, count);
    while (count-- > 0)
        generate_index(writer);
    generate_index(writer);
}

static void generate_catches(struct writer *writer)
{
    unsigned count = random_below(4);
    write_number(writer, count);
    while (count-- > 0) {
        uint8_t kind = (uint8_t)random_below(4);
        write_byte(writer, kind);
        if (kind <= CATCH_TAG_REF)
            generate_index(writer);
        generate_index(writer);
    }
}

static void generate_immediates(struct writer *writer, const struct opcode_info *info)
{
    switch ((enum immediates)info->immediates) {
    case IMMEDIATES_NONE:
        break;
    case IMMEDIATES_BLOCK:
        generate_block_type(writer);
        break;
    case IMMEDIATES_TRY_TABLE:
        generate_block_type(writer);
        generate_catches(writer);
        break;
    case IMMEDIATES_LABELS:
        generate_labels(writer);
        break;
    case IMMEDIATES_MEMARG:
        generate_memory_argument(writer, info);
        break;
    case IMMEDIATES_MEMARG_LANE:
        generate_memory_argument(writer, info);
        generate_bytes(writer, 1, 17);
        break;
    case IMMEDIATES_LANE:
        generate_bytes(writer, 1, 17);
        break;
    case IMMEDIATES_SHUFFLE:
        generate_bytes(writer, 16, one_in(8) ? 33 : 32);
        break;
    case IMMEDIATES_I32:
    case IMMEDIATES_I64:
        generate_constant(writer);
        break;
    case IMMEDIATES_F32:
        generate_bytes(writer, 4, 256);
        break;
    case IMMEDIATES_F64:
        generate_bytes(writer, 8, 256);
        break;
    case IMMEDIATES_V128:
        generate_bytes(writer, 16, 256);
        break;
    case IMMEDIATES_TYPES:
        generate_value_types(writer);
        break;
    case IMMEDIATES_HEAP:
        generate_heap_type(writer);
        break;
    case IMMEDIATES_FENCE:
        write_byte(writer, 0);
        break;
    case IMMEDIATES_TYPE_TABLE:
    case IMMEDIATES_TABLE_TABLE:
    case IMMEDIATES_ELEMENT_TABLE:
    case IMMEDIATES_MEMORY_MEMORY:
    case IMMEDIATES_DATA_MEMORY:
        generate_index(writer);
        generate_index(writer);
        break;
    default: /* one index */
        generate_index(writer);
    }
}

/* Operators whose types depend on immediates are as many as the others. */
static const struct opcode_info *choose_operator(bool is_fixed)
{
    const struct opcode_info *info;
    do {
        info = &opcode_table[random_below(OPCODE_COUNT)];
    } while ((info->signature[0] != '*') != is_fixed);
    return info;
}

void generate_operator(struct writer *writer)
{
    const struct opcode_info *info = choose_operator(one_in(2));
    write_opcode(writer, info);
    generate_immediates(writer, info);
}

static void generate_operand(struct writer *writer, char letter)
{
    switch (letter) {
    case 'i':
    case 'a':
        write_byte(writer, letter == 'a' && one_in(8) ? 0x42 : 0x41);
        generate_constant(writer);
        break;
    case 'I':
        write_byte(writer, 0x42);
        generate_constant(writer);
        break;
    case 'f':
        write_byte(writer, 0x43);
        generate_bytes(writer, 4, 256);
        break;
    case 'F':
        write_byte(writer, 0x44);
        generate_bytes(writer, 8, 256);
        break;
    default: /* 'v' */
        write_bytes(writer, "\xfd\x0c", 2);
        generate_bytes(writer, 16, 256);
    }
}

void generate_statement(struct writer *writer)
{
    const struct opcode_info *info = choose_operator(true);
    const char *letter = info->signature;
    for (; *letter != ':'; letter++)
        generate_operand(writer, *letter);
    write_opcode(writer, info);
    generate_immediates(writer, info);
    while (*++letter)
        write_byte(writer, 0x1a); /* drop */
}

void generate_block(struct writer *writer)
{
    static const enum opcode openers[] = {OP_BLOCK, OP_LOOP, OP_IF, OP_TRY_TABLE, OP_TRY};
    const struct opcode_info *info = &opcode_table[openers[random_below(5)]];
    write_opcode(writer, info);
    generate_immediates(writer, info);
}

/* The row of an operator, and how long its opcode is. */
static const struct opcode_info *find_operator(const struct piece *operation, size_t *opcode_bytes)
{
    uint64_t number = operation->bytes[0];
    uint8_t prefix = 0;
    *opcode_bytes = 1;
    if (number >= 0xfc && number <= 0xfe) {
        prefix = (uint8_t)number;
        if (!number_read(operation->bytes, operation->size, opcode_bytes, &number))
            return NULL;
    }
    for (unsigned i = 0; i < OPCODE_COUNT; i++) {
        if (opcode_table[i].prefix == prefix && opcode_table[i].number == number)
            return &opcode_table[i];
    }
    return NULL;
}

bool generate_replacement(struct writer *writer, const struct piece *operation)
{
    size_t opcode_bytes;
    const struct opcode_info *info = operation->size ? find_operator(operation, &opcode_bytes) : NULL;
    if (!info)
        return false;
    for (unsigned tries = 0; tries < 4 * OPCODE_COUNT; tries++) {
        const struct opcode_info *other = &opcode_table[random_below(OPCODE_COUNT)];
        if (other == info || other->immediates != info->immediates || strcmp(other->signature, info->signature) != 0)
            continue;
        write_opcode(writer, other);
        write_bytes(writer, operation->bytes + opcode_bytes, operation->size - opcode_bytes);
        return true;
    }
    return false;
}

/* ---- Sections' entries ---- */

static void generate_expression(struct writer *writer)
{
    switch (random_below(6)) {
    case 0:
        write_byte(writer, 0x23); /* global.get */
        generate_index(writer);
        break;
    case 1:
        write_byte(writer, 0xd0); /* ref.null */
        generate_heap_type(writer);
        break;
    case 2:
        write_byte(writer, 0xd2); /* ref.func */
        generate_index(writer);
        break;
    default:
        generate_operand(writer, "iIfFvi"[random_below(6)]);
    }
    if (one_in(8)) {
        generate_operand(writer, 'i');
        write_byte(writer, 0x6a); /* i32.add */
    }
    write_byte(writer, 0x0b);
}

static void generate_type(struct writer *writer)
{
    unsigned kind = random_below(16);
    if (kind == 0) { /* a recursion group */
        write_byte(writer, 0x4e);
        write_number(writer, random_below(3));
    } else if (kind == 1) { /* a sub type, which is gc's */
        write_byte(writer, one_in(2) ? 0x50 : 0x4f);
        write_number(writer, random_below(2));
    }
    write_byte(writer, one_in(32) ? 0x5f : 0x60);
    generate_value_types(writer);
    generate_value_types(writer);
}

/* What an import declares; tables and memories of a module look the same. */
static void generate_external(struct writer *writer, uint8_t kind)
{
    switch (kind) {
    case 0:
        generate_index(writer);
        break;
    case 1:
        generate_reference_type(writer);
        generate_limits(writer);
        break;
    case 2:
        generate_limits(writer);
        break;
    case 3:
        generate_value_type(writer);
        write_byte(writer, (uint8_t)random_below(one_in(16) ? 4 : 2));
        break;
    default:
        write_byte(writer, 0);
        generate_index(writer);
    }
}

static void generate_element(struct writer *writer)
{
    uint8_t flags = (uint8_t)random_below(8);
    write_number(writer, flags);
    if (!(flags & 1) && flags & 2)
        generate_index(writer);
    if (!(flags & 1))
        generate_expression(writer);
    if (flags & 3) {
        if (flags & 4)
            generate_reference_type(writer);
        else
            write_byte(writer, 0);
    }
    unsigned count = random_below(3);
    write_number(writer, count);
    while (count-- > 0) {
        if (flags & 4)
            generate_expression(writer);
        else
            generate_index(writer);
    }
}

static void generate_data(struct writer *writer)
{
    uint8_t flags = (uint8_t)random_below(3);
    write_number(writer, flags);
    if (flags == 2)
        generate_index(writer);
    if (flags != 1)
        generate_expression(writer);
    generate_name(writer);
}

static void generate_global(struct writer *writer)
{
    generate_external(writer, 3);
    generate_expression(writer);
}

static void generate_table(struct writer *writer)
{
    bool has_initial = one_in(4);
    if (has_initial)
        write_bytes(writer, "\x40\x00", 2);
    generate_external(writer, 1);
    if (has_initial)
        generate_expression(writer);
}

void generate_body(struct writer *writer)
{
    unsigned runs = random_below(3);
    write_number(writer, runs);
    while (runs-- > 0) {
        generate_index(writer);
        generate_value_type(writer);
    }
    for (unsigned count = random_below(4); count > 0; count--)
        generate_statement(writer);
    write_byte(writer, 0x0b);
}

static void generate_import(struct writer *writer)
{
    uint8_t kind = (uint8_t)random_below(5);
    generate_name(writer);
    generate_name(writer);
    write_byte(writer, kind);
    generate_external(writer, kind);
}

static void generate_export(struct writer *writer)
{
    generate_name(writer);
    write_byte(writer, (uint8_t)random_below(5));
    generate_index(writer);
}

bool generate_entry(struct writer *writer, uint8_t section)
{
    static void (*const generators[])(struct writer *) = {
        [1] = generate_type,   [2] = generate_import,  [3] = generate_index,
        [4] = generate_table,  [5] = generate_limits,  [6] = generate_global,
        [7] = generate_export, [9] = generate_element, [11] = generate_data,
    };
    if (section == 13) { /* a tag */
        generate_external(writer, 4);
        return true;
    }
    if (section >= sizeof generators / sizeof generators[0] || !generators[section])
        return false;
    generators[section](writer);
    return true;
}
