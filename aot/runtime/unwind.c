/* Finds the landing pad of an exception: walks from frame to frame with the tables that LLVM writes for each function
 * through which exceptions pass, and ld.lld collects.
 *
 * Sources: DWARF 5, 6.4 (call frame information); Linux Standard Base, "Exception Frames" (.eh_frame, .eh_frame_hdr);
 * the Itanium C++ ABI's "LSDA" as GCC and LLVM write it (.gcc_except_table). Of these only what LLVM's two targets use
 * is read: pointers are relative to their own place, in 32 bits or 64. The tables are the program's own and are
 * trusted. */
#include "exception.h"

#include <stdbool.h>
#include <stddef.h>

/* Written by the linker; the table is sorted by address. */
struct frame_index {
    uint8_t version, frame_encoding, count_encoding, table_encoding;
    int32_t frames;
    uint32_t count;
    struct {
        int32_t function, frame; /* relative to this structure */
    } rows[];
};

extern const struct frame_index program_frame_index __attribute__((weak)); /* .eh_frame_hdr; program.ld */

/* ---- reading ---- */

typedef uint32_t word32 __attribute__((aligned(1), may_alias));

static uint64_t take_uleb(const uint8_t **at)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
}

static int64_t take_sleb(const uint8_t **at)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return (int64_t)(byte & 0x40 && shift < 64 ? value | ~0ull << shift : value);
}

static uint32_t take32(const uint8_t **at)
{
    uint32_t value = *(const word32 *)*at;
    *at += 4;
    return value;
}

typedef uint64_t word64 __attribute__((aligned(1), may_alias));

/* How wide a pointer is: the low bits of its encoding (sdata4 is 11, sdata8 12). */
static unsigned pointer_bytes(uint8_t encoding)
{
    return (encoding & 0x0f) == 0x0c ? 8 : 4;
}

/* The distance at a place: 0 is no pointer. */
static int64_t distance_at(const uint8_t *at, unsigned bytes)
{
    return bytes == 8 ? (int64_t) * (const word64 *)at : (int64_t)(int32_t) * (const word32 *)at;
}

/* ---- a function's entry ---- */

struct frame_entry {
    uint64_t function;       /* where its code begins */
    uint64_t size;           /* of its code */
    const uint8_t *handlers; /* its table of call sites; NULL: none */
    const uint8_t *rules, *rules_end;
    const uint8_t *common; /* what it shares with others: rules, and the factors of theirs */
};

struct frame_common {
    const uint8_t *rules, *rules_end;
    uint64_t code_factor;
    int64_t data_factor;
    unsigned address_bytes;  /* of a function's address */
    unsigned handlers_bytes; /* of the address of its table of call sites; 0: it has none */
};

static struct frame_common read_common(const uint8_t *at)
{
    struct frame_common common = {0};
    uint32_t length = take32(&at);
    common.rules_end = at + length;
    at += 4 + 1; /* identifier, version */
    const uint8_t *letters = at;
    while (*at++)
        ;
    common.code_factor = take_uleb(&at);
    common.data_factor = take_sleb(&at);
    at++; /* the return address's register */
    uint64_t bytes = take_uleb(&at);
    common.rules = at + bytes;
    common.address_bytes = 4;
    for (; *letters; letters++) {
        if (*letters == 'P')
            at += 1 + pointer_bytes(*at);
        else if (*letters == 'L')
            common.handlers_bytes = pointer_bytes(*at++);
        else if (*letters == 'R')
            common.address_bytes = pointer_bytes(*at++);
    }
    return common;
}

/* The function that holds `address`; false: none that exceptions pass through. */
static bool frame_find(uint64_t address, struct frame_entry *entry, struct frame_common *common)
{
    const struct frame_index *index = &program_frame_index;
    uint64_t base = (uint64_t)index;
    uint32_t low = 0, high = index ? index->count : 0; /* rows below `low` begin at or before the address */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (base + (uint64_t)(int64_t)index->rows[middle].function <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    const uint8_t *at = (const uint8_t *)(base + (uint64_t)(int64_t)index->rows[low - 1].frame);
    uint32_t length = take32(&at);
    entry->rules_end = at + length;
    const uint8_t *common_at = at - *(const word32 *)at;
    at += 4;
    if (entry->common != common_at)
        *common = read_common(common_at);
    entry->common = common_at;
    entry->function = (uint64_t)at + (uint64_t)distance_at(at, common->address_bytes);
    entry->size = (uint64_t)distance_at(at + common->address_bytes, common->address_bytes);
    at += 2 * common->address_bytes;
    uint64_t bytes = take_uleb(&at);
    entry->rules = at + bytes;
    int64_t handlers = common->handlers_bytes ? distance_at(at, common->handlers_bytes) : 0;
    entry->handlers = handlers ? at + handlers : NULL;
    return address - entry->function < entry->size;
}

/* ---- landing pads ---- */

/* The landing pad for a call at this distance from the function's start; 0: none. */
static uint64_t landing_pad(const struct frame_entry *entry, uint64_t offset)
{
    const uint8_t *at = entry->handlers;
    if (!at)
        return 0;
    at++; /* the base of landing pads is left out: the function's start */
    if (*at++ != 0xff)
        take_uleb(&at);
    at++; /* the encoding of what follows: uleb128 */
    uint64_t bytes = take_uleb(&at);
    for (const uint8_t *end = at + bytes; at < end;) {
        uint64_t start = take_uleb(&at), length = take_uleb(&at), pad = take_uleb(&at);
        take_uleb(&at); /* which types it wants: all */
        if (offset - start < length)
            return pad ? entry->function + pad : 0;
    }
    return 0;
}

/* ---- the caller's registers ---- */

/* Where a frame keeps its caller's registers: relative to the frame's address, which is a register plus a distance. */
struct frame_rules {
    uint64_t saved; /* a bit for each register that is kept at its place below; the others have kept their values */
    int64_t places[REGISTER_COUNT];
    unsigned base;
    int64_t distance;
    uint64_t argument_bytes; /* pushed for the call */
};

enum {
    RULE_ADVANCE = 1 << 6,
    RULE_OFFSET = 2 << 6,
    RULE_RESTORE = 3 << 6,
    RULE_NOTHING = 0,
    RULE_ADVANCE1 = 2,
    RULE_ADVANCE2,
    RULE_ADVANCE4,
    RULE_OFFSET_EXTENDED,
    RULE_RESTORE_EXTENDED,
    RULE_UNDEFINED,
    RULE_SAME_VALUE,
    RULE_REMEMBER = 10,
    RULE_RECALL,
    RULE_BASE,
    RULE_BASE_REGISTER,
    RULE_BASE_DISTANCE,
    RULE_ARGUMENTS = 0x2e,
};

/* Our number of a register of DWARF's. */
static unsigned register_number(uint64_t number)
{
#ifdef __aarch64__
    return (unsigned)(number >= 64 ? number - 32 : number) % REGISTER_COUNT; /* d0 is 64 */
#else
    return (unsigned)number % REGISTER_COUNT;
#endif
}

static void rule_offset(struct frame_rules *rules, uint64_t number, int64_t place)
{
    unsigned name = register_number(number);
    rules->saved |= 1ull << name;
    rules->places[name] = place;
}

/* Applies the rules up to the one that is for code beyond `limit` bytes from the function's start. False: one is
 * unknown. */
static bool apply_rules(const uint8_t *at, const uint8_t *end, const struct frame_common *common, uint64_t limit,
                        struct frame_rules *rules)
{
    const uint64_t initially_saved = rules->saved;
    struct frame_rules remembered; /* set before it is recalled */
    remembered.saved = 0;
    uint64_t place = 0;
    while (at < end) {
        uint8_t rule = *at++;
        uint64_t number = rule & 0x3f;
        switch (rule & 0xc0 ? rule & 0xc0 : rule) {
        case RULE_ADVANCE:
            place += number * common->code_factor;
            break;
        case RULE_ADVANCE1:
            place += *at++ * common->code_factor;
            break;
        case RULE_ADVANCE2:
            place += (uint64_t)(at[0] | at[1] << 8) * common->code_factor;
            at += 2;
            break;
        case RULE_ADVANCE4:
            place += take32(&at) * common->code_factor;
            break;
        case RULE_OFFSET:
            rule_offset(rules, number, (int64_t)take_uleb(&at) * common->data_factor);
            break;
        case RULE_OFFSET_EXTENDED:
            number = take_uleb(&at);
            rule_offset(rules, number, (int64_t)take_uleb(&at) * common->data_factor);
            break;
        case RULE_RESTORE_EXTENDED:
            number = take_uleb(&at);
            __attribute__((fallthrough));
        case RULE_RESTORE:
            rules->saved &= ~(1ull << register_number(number)) | initially_saved;
            break;
        case RULE_UNDEFINED:
        case RULE_SAME_VALUE:
            rules->saved &= ~(1ull << register_number(take_uleb(&at)));
            break;
        case RULE_REMEMBER:
            remembered = *rules;
            break;
        case RULE_RECALL:
            *rules = remembered;
            break;
        case RULE_BASE:
            rules->base = register_number(take_uleb(&at));
            rules->distance = (int64_t)take_uleb(&at);
            break;
        case RULE_BASE_REGISTER:
            rules->base = register_number(take_uleb(&at));
            break;
        case RULE_BASE_DISTANCE:
            rules->distance = (int64_t)take_uleb(&at);
            break;
        case RULE_ARGUMENTS:
            rules->argument_bytes = take_uleb(&at);
            break;
        case RULE_NOTHING:
            break;
        default:
            return false;
        }
        if (place > limit)
            return true;
    }
    return true;
}

/* The registers become those of the frame's caller. */
static void restore_caller(struct wasm_registers *registers, const struct frame_rules *rules)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.*): an entry's first rule sets both, and entries are ours */
    uint64_t frame = registers->value[rules->base] + (uint64_t)rules->distance;
    for (uint64_t left = rules->saved; left; left &= left - 1) {
        unsigned name = (unsigned)__builtin_ctzll(left);
        registers->value[name] = *(const uint64_t *)(frame + (uint64_t)rules->places[name]);
    }
    registers->value[REGISTER_STACK] = frame;
}

uint32_t wasm_unwind(struct wasm_registers *registers)
{
    struct frame_entry entry = {0};
    struct frame_common common;
    struct frame_rules rules;
    for (;;) {
        uint64_t call = registers->value[REGISTER_RETURN] - 1; /* within the call instruction */
        if (!frame_find(call, &entry, &common))
            return 0;
        rules.saved = rules.argument_bytes = 0;
        uint64_t offset = call - entry.function;
        if (!apply_rules(common.rules, common.rules_end, &common, UINT64_MAX, &rules) ||
            !apply_rules(entry.rules, entry.rules_end, &common, offset, &rules))
            __builtin_trap();
        uint64_t pad = landing_pad(&entry, offset);
        if (pad) {
            registers->value[REGISTER_RETURN] = pad;
            registers->value[REGISTER_STACK] += rules.argument_bytes;
            return 1;
        }
        restore_caller(registers, &rules);
    }
}
