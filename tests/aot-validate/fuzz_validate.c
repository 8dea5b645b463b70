/* Coverage-guided fuzzing of the reader and validator (libFuzzer): every input is a module. Mutations know sections,
 * bodies and operators, so that what comes out is often well formed and sometimes valid.
 *
 * A second opinion may be asked for each: see opinion.h.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz_one.h"
#include "opinion.h"
#include "wasm/module.h"
#include "wasm_generate.h"
#include "wasm_pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t most, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

enum { CODE_SECTION = 10, FUNCTION_SECTION = 3, SCRATCH_BYTES = 1 << 18 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum fuzz_result all = fuzz_one(data, size, FEATURES_ALL);
    if (fuzz_one(data, size, FEATURES_WASM_2) == FUZZ_VALID && all != FUZZ_VALID)
        abort(); /* more features make nothing invalid */
    opinion_compare(data, size);
    return 0;
}

/* ---- Mutation: each function writes a changed piece; memory for pieces made here lies in `scratch` ---- */

static uint8_t scratch_bytes[SCRATCH_BYTES];
static struct writer scratch;

/* The piece that `generate` makes. */
static struct piece piece_make(void (*generate)(struct writer *))
{
    size_t start = scratch.size;
    generate(&scratch);
    return (struct piece){.bytes = scratch.bytes + start, .size = scratch.size - start};
}

/* Changed byte by byte, in a copy. */
static struct piece piece_mutate(const struct piece *piece)
{
    enum { ROOM = 64 };
    struct piece changed = {.bytes = scratch.bytes + scratch.size, .id = piece->id};
    if (scratch.capacity - scratch.size < piece->size + ROOM)
        return *piece;
    uint8_t *bytes = scratch.bytes + scratch.size;
    if (piece->size)
        memcpy(bytes, piece->bytes, piece->size);
    changed.size = LLVMFuzzerMutate(bytes, piece->size, piece->size + ROOM);
    scratch.size += changed.size;
    return changed;
}

/* One byte of LEB128 becomes two that mean the same. */
static struct piece piece_lengthen(const struct piece *piece)
{
    size_t start = scratch.size, at = piece->size ? random_below((unsigned)piece->size) : 0;
    write_bytes(&scratch, piece->bytes, piece->size);
    if (piece->size) {
        scratch.bytes[start + at] |= 0x80;
        write_bytes(&scratch, "", 1);
        memmove(scratch.bytes + start + at + 2, scratch.bytes + start + at + 1, piece->size - at - 1);
        scratch.bytes[start + at + 1] = piece->bytes[at] & 0x40 && random_below(2) ? 0x7f : 0;
    }
    return (struct piece){.bytes = scratch.bytes + start, .size = scratch.size - start, .id = piece->id};
}

static struct piece piece_replace(const struct piece *operation)
{
    size_t start = scratch.size;
    if (!generate_replacement(&scratch, operation))
        return piece_mutate(operation);
    return (struct piece){.bytes = scratch.bytes + start, .size = scratch.size - start};
}

static void operators_mutate(struct pieces *operators)
{
    unsigned count = (unsigned)operators->count, at = random_below(count), length = 1 + random_below(4);
    if (length > count - at)
        length = count - at;
    switch (random_below(9)) {
    case 0:
        pieces_insert(operators, at, piece_make(generate_operator));
        break;
    case 1:
    case 2:
        pieces_insert(operators, at, piece_make(generate_statement));
        break;
    case 3:
        pieces_remove(operators, at, length);
        break;
    case 4: { /* the same again elsewhere */
        unsigned to = random_below(count);
        for (unsigned i = 0; i < length; i++)
            pieces_insert(operators, to, operators->list[at]);
        break;
    }
    case 5: /* a block around some */
        pieces_insert(operators, at + length, (struct piece){.bytes = (const uint8_t *)"\x0b", .size = 1});
        pieces_insert(operators, at, piece_make(generate_block));
        break;
    case 6:
        operators->list[at] = piece_lengthen(&operators->list[at]);
        break;
    case 7:
        operators->list[at] = piece_mutate(&operators->list[at]);
        break;
    default:
        operators->list[at] = piece_replace(&operators->list[at]);
    }
}

static struct piece body_mutate(const struct piece *body)
{
    static struct pieces operators;
    struct piece locals;
    if (random_below(16) == 0 || !operators_read(body, &locals, &operators) || operators.count == 0)
        return piece_mutate(body);
    operators_mutate(&operators);
    size_t start = scratch.size;
    write_bytes(&scratch, locals.bytes, locals.size);
    for (size_t i = 0; i < operators.count; i++)
        write_bytes(&scratch, operators.list[i].bytes, operators.list[i].size);
    return (struct piece){.bytes = scratch.bytes + start, .size = scratch.size - start};
}

static struct piece code_mutate(const struct piece *section)
{
    static struct pieces bodies;
    if (random_below(32) == 0 || !bodies_read(section, &bodies) || bodies.count == 0)
        return piece_mutate(section);
    unsigned at = random_below((unsigned)bodies.count);
    bodies.list[at] = body_mutate(&bodies.list[at]);
    size_t start = scratch.size;
    bodies_write(&scratch, &bodies);
    return (struct piece){.bytes = scratch.bytes + start, .size = scratch.size - start, .id = section->id};
}

/* One entry more, at the end or, as indices then change their meaning, at the beginning. */
static struct piece vector_extend(const struct piece *section, bool (*generate)(struct writer *, uint8_t))
{
    size_t at = 0, start = scratch.size;
    uint64_t count = 0;
    if (!number_read(section->bytes, section->size, &at, &count))
        at = 0;
    write_number(&scratch, count + 1);
    bool is_first = random_below(4) == 0;
    if (!is_first)
        write_bytes(&scratch, section->bytes + at, section->size - at);
    bool is_vector = generate(&scratch, section->id);
    if (is_first)
        write_bytes(&scratch, section->bytes + at, section->size - at);
    struct piece longer = {.bytes = scratch.bytes + start, .size = scratch.size - start, .id = section->id};
    return is_vector ? longer : piece_mutate(section);
}

static bool generate_sized_body(struct writer *writer, uint8_t section)
{
    (void)section;
    uint8_t bytes[1024];
    struct writer body = {.bytes = bytes, .capacity = sizeof bytes};
    generate_body(&body);
    write_number(writer, body.size);
    write_bytes(writer, body.bytes, body.size);
    return true;
}

/* One function more: both sections that a function is in. */
static void function_add(struct pieces *sections)
{
    for (size_t i = 0; i < sections->count; i++) {
        struct piece *section = &sections->list[i];
        if (section->id == FUNCTION_SECTION)
            *section = vector_extend(section, generate_entry);
        else if (section->id == CODE_SECTION)
            *section = vector_extend(section, generate_sized_body);
    }
}

/* A new section of one entry, mostly where its kind belongs: tags (13) stand after memories, the number of data
 * segments (12) after elements. */
static void section_add(struct pieces *sections)
{
    static const uint8_t order[] = {0, 1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11};
    unsigned kind = random_below(sizeof order), at = 0;
    for (; at < sections->count && random_below(16); at++) {
        const uint8_t *place = memchr(order, sections->list[at].id, sizeof order);
        if (place && place - order > (ptrdiff_t)kind)
            break;
    }
    struct piece empty = {.bytes = (const uint8_t *)"\0", .size = 1, .id = order[kind]};
    pieces_insert(sections, at, vector_extend(&empty, generate_entry));
}

static void sections_mutate(struct pieces *sections)
{
    unsigned at = random_below((unsigned)sections->count), other = random_below((unsigned)sections->count);
    struct piece *section = &sections->list[at];
    switch (random_below(24)) {
    case 0:
        pieces_remove(sections, at, 1);
        break;
    case 1:
        pieces_insert(sections, other, *section);
        break;
    case 2: {
        struct piece first = *section;
        *section = sections->list[other];
        sections->list[other] = first;
        break;
    }
    case 3:
        section_add(sections);
        break;
    case 4:
        *section = piece_lengthen(section);
        break;
    case 5:
        function_add(sections);
        break;
    case 6:
    case 7:
        *section = piece_mutate(section);
        break;
    case 8:
    case 9:
    case 10:
        *section = vector_extend(section, generate_entry);
        break;
    default: /* mostly the code */
        for (size_t i = 0; i < sections->count; i++) {
            if (sections->list[i].id == CODE_SECTION)
                sections->list[i] = code_mutate(&sections->list[i]);
        }
    }
}

static size_t sections_finish(const struct pieces *sections, uint8_t *out, size_t most)
{
    static uint8_t whole_bytes[SCRATCH_BYTES];
    struct writer whole = {.bytes = whole_bytes, .capacity = most < SCRATCH_BYTES ? most : SCRATCH_BYTES};
    sections_write(&whole, sections);
    memcpy(out, whole.bytes, whole.size);
    return whole.size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed)
{
    static struct pieces sections;
    random_seed(seed);
    if (most < 8 || random_below(64) == 0 || !sections_read(data, size, &sections))
        return LLVMFuzzerMutate(data, size, most);
    scratch = (struct writer){.bytes = scratch_bytes, .capacity = sizeof scratch_bytes};
    /* Mostly one change: of many, one makes the module invalid. */
    for (unsigned changes = random_below(4) ? 1 : 3; changes > 0; changes--) {
        if (sections.count == 0)
            section_add(&sections);
        else
            sections_mutate(&sections);
    }
    return sections_finish(&sections, data, most);
}

/* Now and then a section of one module in another, in place of its own of that kind; libFuzzer asks for this as often
 * as for a mutation, but hardly any of these are valid. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2, uint8_t *out,
                                 size_t most, unsigned int seed)
{
    static struct pieces sections, others;
    random_seed(seed);
    if (random_below(16) != 0 && size1 <= most) {
        memcpy(out, data1, size1);
        return LLVMFuzzerCustomMutator(out, size1, most, seed);
    }
    if (most < 8 || !sections_read(data1, size1, &sections) || !sections_read(data2, size2, &others) ||
        others.count == 0)
        return 0;
    const struct piece *piece = &others.list[random_below((unsigned)others.count)];
    size_t at = 0;
    while (at < sections.count && sections.list[at].id != piece->id)
        at++;
    if (at < sections.count)
        sections.list[at] = *piece;
    else
        pieces_insert(&sections, random_below((unsigned)sections.count + 1), *piece);
    return sections_finish(&sections, out, most);
}
