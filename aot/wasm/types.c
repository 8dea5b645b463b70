/* Value types and function types: their encoding, equality and subtyping.
 *
 * Function types are compared by structure. Each type gets the index of the first equal one, its
 * canonical index, when it is read; a reference inside it is then compared by the canonical index of
 * what it refers to, so that comparing never follows references. A type may refer to itself and to
 * earlier ones only (recursion between several types is gc's `rec`, refused).
 *
 * Source: core specification 3.0, "Types" and "Matching".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "internal.h"

/* ---- Encoding ---- */

static bool reference_set(struct value_type *type, bool nullable, uint32_t heap)
{
    *type = (struct value_type){.kind = VALUE_REFERENCE, .nullable = nullable, .heap = heap};
    return true;
}

static bool require_feature(struct cursor *cursor, uint64_t offset, unsigned feature, const char *what)
{
    if (cursor->module->features & feature)
        return true;
    return cursor_malformed(cursor, offset, "malformed value type: %s needs the %s feature, which is off", what,
                            feature_text(feature));
}

/* An abstract heap type by its code. */
static bool heap_from_code(struct cursor *cursor, uint64_t offset, uint8_t code, uint32_t *heap)
{
    switch (code) {
    case 0x70:
        *heap = HEAP_FUNC;
        return true;
    case 0x6f:
        *heap = HEAP_EXTERN;
        return true;
    case 0x69:
        *heap = HEAP_EXN;
        return require_feature(cursor, offset, FEATURE_EXCEPTIONS, "exnref");
    case 0x73:
        *heap = HEAP_NOFUNC;
        return require_feature(cursor, offset, FEATURE_FUNCTION_REFERENCES, "nofunc");
    case 0x72:
        *heap = HEAP_NOEXTERN;
        return require_feature(cursor, offset, FEATURE_FUNCTION_REFERENCES, "noextern");
    case 0x74:
        *heap = HEAP_NOEXN;
        return require_feature(cursor, offset, FEATURE_EXCEPTIONS, "noexn");
    case 0x6a:
    case 0x6b:
    case 0x6c:
    case 0x6d:
    case 0x6e:
    case 0x71:
        return cursor_unsupported(cursor, offset, "gc types are not supported: heap type 0x%02x", code);
    default:
        return cursor_malformed(cursor, offset, "malformed reference type: 0x%02x", code);
    }
}

bool cursor_read_heap_type(struct cursor *cursor, uint32_t *heap)
{
    uint64_t offset = cursor->position;
    int64_t value;
    if (!cursor_read_s33(cursor, &value))
        return false;
    if (value < 0 && cursor->position - offset > 1)
        return cursor_malformed(cursor, offset, "integer representation too long");
    if (value < 0)
        return heap_from_code(cursor, offset, (uint8_t)(value & 0x7f), heap);
    if (!require_feature(cursor, offset, FEATURE_FUNCTION_REFERENCES, "a type index"))
        return false;
    if (value >= cursor->module->type_count)
        return cursor_invalid(cursor, offset, "unknown type %lld", (long long)value);
    *heap = (uint32_t)value;
    return true;
}

bool cursor_value_type_from_code(struct cursor *cursor, uint64_t offset, uint8_t code, struct value_type *type)
{
    static const uint8_t kinds[] = {[0x7f - 0x7f] = VALUE_I32,
                                    [0x7f - 0x7e] = VALUE_I64,
                                    [0x7f - 0x7d] = VALUE_F32,
                                    [0x7f - 0x7c] = VALUE_F64,
                                    [0x7f - 0x7b] = VALUE_V128};
    uint32_t heap = 0;
    if (code >= 0x7b && code <= 0x7f) {
        *type = (struct value_type){.kind = kinds[0x7f - code]};
        return code != 0x7b || require_feature(cursor, offset, FEATURE_SIMD, "v128");
    }
    if (code == 0x63 || code == 0x64) {
        if (!require_feature(cursor, offset, FEATURE_FUNCTION_REFERENCES, "ref") ||
            !cursor_read_heap_type(cursor, &heap))
            return false;
        return reference_set(type, code == 0x63, heap);
    }
    if (code < 0x69 || code > 0x74)
        return cursor_malformed(cursor, offset, "malformed value type: 0x%02x", code);
    return heap_from_code(cursor, offset, code, &heap) && reference_set(type, true, heap);
}

bool cursor_read_value_type(struct cursor *cursor, struct value_type *type)
{
    uint64_t offset = cursor->position;
    uint8_t code;
    return cursor_read_code(cursor, &code) && cursor_value_type_from_code(cursor, offset, code, type);
}

bool cursor_read_reference_type(struct cursor *cursor, struct value_type *type)
{
    uint64_t offset = cursor->position;
    if (!cursor_read_value_type(cursor, type))
        return false;
    if (type->kind != VALUE_REFERENCE)
        return cursor_malformed(cursor, offset, "malformed reference type: %s", value_type_text(*type).text);
    return true;
}

/* ---- Equality of function types ---- */

/* Open addressing over canonical indices, with a keyed hash so that a module cannot choose its collisions. */
struct type_set {
    uint32_t *slots; /* index + 1; 0: empty */
    uint64_t *hashes;
    size_t mask;
    uint64_t key[2];
};

/* One SipHash round. Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF". */
static void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[1] = v[1] << 13 | v[1] >> 51, v[1] ^= v[0], v[0] = v[0] << 32 | v[0] >> 32;
    v[2] += v[3], v[3] = v[3] << 16 | v[3] >> 48, v[3] ^= v[2];
    v[0] += v[3], v[3] = v[3] << 21 | v[3] >> 43, v[3] ^= v[0];
    v[2] += v[1], v[1] = v[1] << 17 | v[1] >> 47, v[1] ^= v[2], v[2] = v[2] << 32 | v[2] >> 32;
}

static void sip_add(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

/* What a heap type is compared by: the canonical index, with `self` standing for the type's own index. */
static uint32_t heap_key(const struct module *module, uint32_t heap, uint32_t self)
{
    if (heap >= HEAP_ABSTRACT)
        return heap;
    return heap == self ? HEAP_BOTTOM - 1 : module->types[heap].canonical;
}

static uint64_t value_key(const struct module *module, struct value_type type, uint32_t self)
{
    uint64_t heap = type.kind == VALUE_REFERENCE ? heap_key(module, type.heap, self) : 0;
    return heap << 32 | (uint64_t)type.nullable << 8 | type.kind;
}

static uint64_t type_hash(const struct type_set *set, const struct module *module, uint32_t index)
{
    const struct function_type *type = &module->types[index];
    uint64_t v[4] = {set->key[0] ^ 0x736f6d6570736575, set->key[1] ^ 0x646f72616e646f6d,
                     set->key[0] ^ 0x6c7967656e657261, set->key[1] ^ 0x7465646279746573};
    sip_add(v, (uint64_t)type->parameter_count << 32 | type->result_count);
    for (uint32_t i = 0; i < type->parameter_count; i++)
        sip_add(v, value_key(module, type->parameters[i], index));
    for (uint32_t i = 0; i < type->result_count; i++)
        sip_add(v, value_key(module, type->results[i], index));
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static bool list_same(const struct module *module, const struct value_type *a, uint32_t a_self,
                      const struct value_type *b, uint32_t b_self, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (value_key(module, a[i], a_self) != value_key(module, b[i], b_self))
            return false;
    }
    return true;
}

static bool type_same(const struct module *module, uint32_t a_index, uint32_t b_index)
{
    const struct function_type *a = &module->types[a_index], *b = &module->types[b_index];
    return a->parameter_count == b->parameter_count && a->result_count == b->result_count &&
           list_same(module, a->parameters, a_index, b->parameters, b_index, a->parameter_count) &&
           list_same(module, a->results, a_index, b->results, b_index, a->result_count);
}

static bool type_set_open(struct type_set *set, uint32_t type_count)
{
    size_t slots = 16;
    while (slots < 2 * (size_t)type_count)
        slots *= 2;
    set->mask = slots - 1;
    set->slots = calloc(slots, sizeof *set->slots);
    set->hashes = calloc(slots, sizeof *set->hashes);
    /* Without entropy the key is fixed: the result is the same, only hostile input may take longer. */
    if (getentropy(set->key, sizeof set->key) != 0)
        memset(set->key, 0x5a, sizeof set->key);
    return set->slots && set->hashes;
}

static void type_set_close(struct type_set *set)
{
    free(set->slots);
    free(set->hashes);
}

/* The canonical index of the type at `index`, all earlier ones having theirs. */
static uint32_t type_set_add(struct type_set *set, const struct module *module, uint32_t index)
{
    uint64_t hash = type_hash(set, module, index);
    size_t slot = hash & set->mask;
    for (; set->slots[slot]; slot = (slot + 1) & set->mask) {
        uint32_t other = set->slots[slot] - 1;
        if (set->hashes[slot] == hash && type_same(module, other, index))
            return other;
    }
    set->slots[slot] = index + 1;
    set->hashes[slot] = hash;
    return index;
}

/* ---- The type section ---- */

static bool read_type_list(struct cursor *cursor, struct module *module, uint32_t limit, const char *what,
                           const struct value_type **list, uint32_t *count)
{
    if (!cursor_read_count(cursor, limit, 1, what, count))
        return false;
    struct value_type *types = arena_allocate(module->arena, *count, sizeof *types);
    if (*count && !types)
        return cursor_no_memory(cursor);
    for (uint32_t i = 0; i < *count; i++) {
        if (!cursor_read_value_type(cursor, &types[i]))
            return false;
    }
    *list = types;
    return true;
}

static bool read_type(struct cursor *cursor, struct module *module, struct function_type *type)
{
    type->offset = cursor->position;
    uint8_t form;
    if (!cursor_read_code(cursor, &form))
        return false;
    if (form == 0x4e || form == 0x4f || form == 0x50 || form == 0x5e || form == 0x5f)
        return cursor_unsupported(cursor, type->offset, "gc types are not supported: %s type",
                                  form == 0x4e   ? "recursive"
                                  : form == 0x5e ? "array"
                                  : form == 0x5f ? "struct"
                                                 : "sub");
    if (form != 0x60)
        return cursor_malformed(cursor, type->offset, "malformed definition type: 0x%02x", form);
    return read_type_list(cursor, module, LIMIT_PARAMETERS, "parameters", &type->parameters, &type->parameter_count) &&
           read_type_list(cursor, module, LIMIT_RESULTS, "results", &type->results, &type->result_count);
}

static bool read_types(struct cursor *cursor, struct module *module, uint32_t count, struct type_set *set)
{
    for (uint32_t i = 0; i < count; i++) {
        module->type_count = i + 1; /* what a type may refer to: itself and those before */
        if (!read_type(cursor, module, &module->types[i]))
            return false;
        module->types[i].canonical = type_set_add(set, module, i);
    }
    return true;
}

bool cursor_read_type_section(struct cursor *cursor, struct module *module)
{
    uint32_t count;
    if (!cursor_read_count(cursor, LIMIT_TYPES, 3, "types", &count))
        return false;
    module->types = arena_allocate(module->arena, count, sizeof *module->types);
    if (count && !module->types)
        return cursor_no_memory(cursor);
    struct type_set set;
    bool done = type_set_open(&set, count) ? read_types(cursor, module, count, &set) : cursor_no_memory(cursor);
    type_set_close(&set);
    return done;
}

/* ---- Matching ---- */

static bool heap_equal(const struct module *module, uint32_t a, uint32_t b)
{
    if (a == b)
        return true;
    return a < HEAP_ABSTRACT && b < HEAP_ABSTRACT && module->types[a].canonical == module->types[b].canonical;
}

static bool heap_matches(const struct module *module, uint32_t sub, uint32_t super)
{
    if (heap_equal(module, sub, super) || sub == HEAP_BOTTOM)
        return true;
    switch (super) {
    case HEAP_FUNC:
        return sub < HEAP_ABSTRACT || sub == HEAP_NOFUNC;
    case HEAP_EXTERN:
        return sub == HEAP_NOEXTERN;
    case HEAP_EXN:
        return sub == HEAP_NOEXN;
    default:
        return super < HEAP_ABSTRACT && sub == HEAP_NOFUNC;
    }
}

bool value_type_equal(const struct module *module, struct value_type a, struct value_type b)
{
    if (a.kind != b.kind)
        return false;
    return a.kind != VALUE_REFERENCE || (a.nullable == b.nullable && heap_equal(module, a.heap, b.heap));
}

bool value_type_matches(const struct module *module, struct value_type sub, struct value_type super)
{
    if (sub.kind == VALUE_BOTTOM)
        return true;
    if (sub.kind != super.kind)
        return false;
    if (sub.kind != VALUE_REFERENCE)
        return true;
    return (!sub.nullable || super.nullable) && heap_matches(module, sub.heap, super.heap);
}

bool value_type_has_default(struct value_type type)
{
    return type.kind != VALUE_REFERENCE || type.nullable;
}

struct type_text value_type_text(struct value_type type)
{
    static const char *const numbers[] = {"i32", "i64", "f32", "f64", "v128"};
    static const char *const nullables[] = {"funcref",     "externref",     "exnref",
                                            "nullfuncref", "nullexternref", "nullexnref"};
    static const char *const heaps[] = {"func", "extern", "exn", "nofunc", "noextern", "noexn"};
    struct type_text shown;
    size_t size = sizeof shown.text;
    uint32_t abstract = type.heap - HEAP_ABSTRACT;
    if (type.kind < VALUE_REFERENCE)
        snprintf(shown.text, size, "%s", numbers[type.kind]);
    else if (type.kind == VALUE_BOTTOM)
        snprintf(shown.text, size, "any type");
    else if (type.heap < HEAP_ABSTRACT)
        snprintf(shown.text, size, "(ref %s%u)", type.nullable ? "null " : "", type.heap);
    else if (abstract >= sizeof heaps / sizeof *heaps)
        snprintf(shown.text, size, "(ref %sany type)", type.nullable ? "null " : "");
    else if (type.nullable)
        snprintf(shown.text, size, "%s", nullables[abstract]);
    else
        snprintf(shown.text, size, "(ref %s)", heaps[abstract]);
    return shown;
}
