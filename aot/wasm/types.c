/* Value types and function types: their encoding, equality and subtyping.
 *
 * Function types are compared by structure. Each type gets the index of the first equal one, its
 * canonical index, when it is read; a reference inside it is then compared by the canonical index of
 * what it refers to, so that comparing never follows references. A type may refer to the types of its own
 * recursion group and to earlier ones; groups are compared as a whole.
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
    case 0x6e:
        *heap = HEAP_ANY;
        return require_feature(cursor, offset, FEATURE_FUNCTION_REFERENCES, "any");
    case 0x6d:
        *heap = HEAP_EQ;
        return require_feature(cursor, offset, FEATURE_FUNCTION_REFERENCES, "eq");
    case 0x6c:
        *heap = HEAP_I31;
        return require_feature(cursor, offset, FEATURE_FUNCTION_REFERENCES, "i31");
    case 0x6b:
        *heap = HEAP_STRUCT;
        return require_feature(cursor, offset, FEATURE_FUNCTION_REFERENCES, "struct");
    case 0x6a:
        *heap = HEAP_ARRAY;
        return require_feature(cursor, offset, FEATURE_FUNCTION_REFERENCES, "array");
    case 0x71:
        *heap = HEAP_NONE;
        return require_feature(cursor, offset, FEATURE_FUNCTION_REFERENCES, "none");
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

/* A module, and the numbers its types have got so far. */
struct type_source {
    const struct module *module;
    uint32_t *numbers;
};

/* A recursion group that is unlike all before it. Its types have the numbers from `first_number` on. */
struct type_group {
    const struct type_source *source;
    uint32_t start;
    uint32_t first_number;
};

/* Open addressing, with a keyed hash so that a module cannot choose its collisions. */
struct type_set {
    struct type_group *groups;
    uint64_t *hashes; /* of the groups */
    uint32_t *slots;  /* index into groups + 1; 0: empty */
    size_t mask;
    uint32_t group_count;
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

/* What a value type within the group at `start` is compared by: a type of the same group counts by its place in it,
 * an earlier one by its number. */
static uint64_t value_key(const struct type_source *source, struct value_type type, uint32_t start)
{
    const uint32_t in_group = 0x40000000;
    uint64_t heap = type.kind == VALUE_REFERENCE ? type.heap : 0;
    if (type.kind == VALUE_REFERENCE && heap < HEAP_ABSTRACT)
        heap = heap >= start ? in_group + (heap - start) : source->numbers[heap];
    return heap << 32 | (uint64_t)type.nullable << 8 | type.kind;
}

static void hash_type(uint64_t v[4], const struct type_source *source, const struct function_type *type, uint32_t start)
{
    sip_add(v, (uint64_t)type->parameter_count << 32 | type->result_count);
    for (uint32_t i = 0; i < type->parameter_count; i++)
        sip_add(v, value_key(source, type->parameters[i], start));
    for (uint32_t i = 0; i < type->result_count; i++)
        sip_add(v, value_key(source, type->results[i], start));
}

static uint64_t hash_group(const struct type_set *set, const struct type_source *source, uint32_t start)
{
    uint64_t v[4] = {set->key[0] ^ 0x736f6d6570736575, set->key[1] ^ 0x646f72616e646f6d,
                     set->key[0] ^ 0x6c7967656e657261, set->key[1] ^ 0x7465646279746573};
    const struct function_type *types = source->module->types + start;
    sip_add(v, types->group_size);
    for (uint32_t i = 0; i < types->group_size; i++)
        hash_type(v, source, &types[i], start);
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static bool same_type(const struct type_group *a, const struct type_group *b, uint32_t index)
{
    const struct function_type *left = &a->source->module->types[a->start + index];
    const struct function_type *right = &b->source->module->types[b->start + index];
    if (left->parameter_count != right->parameter_count || left->result_count != right->result_count)
        return false;
    for (uint32_t i = 0; i < left->parameter_count; i++) {
        if (value_key(a->source, left->parameters[i], a->start) != value_key(b->source, right->parameters[i], b->start))
            return false;
    }
    for (uint32_t i = 0; i < left->result_count; i++) {
        if (value_key(a->source, left->results[i], a->start) != value_key(b->source, right->results[i], b->start))
            return false;
    }
    return true;
}

static bool same_group(const struct type_group *a, const struct type_group *b)
{
    uint32_t size = a->source->module->types[a->start].group_size;
    if (size != b->source->module->types[b->start].group_size)
        return false;
    for (uint32_t i = 0; i < size; i++) {
        if (!same_type(a, b, i))
            return false;
    }
    return true;
}

static bool type_set_open(struct type_set *set, size_t capacity)
{
    size_t slots = 16;
    while (slots < 2 * capacity)
        slots *= 2;
    *set = (struct type_set){.mask = slots - 1};
    set->groups = calloc(capacity + 1, sizeof *set->groups);
    set->hashes = calloc(capacity + 1, sizeof *set->hashes);
    set->slots = calloc(slots, sizeof *set->slots);
    /* Without entropy the key is fixed: the result is the same, only hostile input may take longer. */
    if (getentropy(set->key, sizeof set->key) != 0)
        memset(set->key, 0x5a, sizeof set->key);
    return set->groups && set->hashes && set->slots;
}

static void type_set_close(struct type_set *set)
{
    free(set->groups);
    free(set->hashes);
    free(set->slots);
}

/* Number the types of the group at `start`, all earlier ones having theirs: as an equal group's, else from `number` on.
 */
static void type_set_add(struct type_set *set, const struct type_source *source, uint32_t start, uint32_t number)
{
    struct type_group group = {source, start, number};
    uint64_t hash = hash_group(set, source, start);
    size_t slot = hash & set->mask;
    for (; set->slots[slot]; slot = (slot + 1) & set->mask) {
        uint32_t other = set->slots[slot] - 1;
        if (set->hashes[other] == hash && same_group(&set->groups[other], &group)) {
            group.first_number = set->groups[other].first_number;
            break;
        }
    }
    if (!set->slots[slot]) {
        set->groups[set->group_count] = group;
        set->hashes[set->group_count] = hash;
        set->slots[slot] = ++set->group_count;
    }
    for (uint32_t i = 0; i < source->module->types[start].group_size; i++)
        source->numbers[start + i] = group.first_number + i;
}

bool module_types_number(const struct module *const *modules, size_t count, uint32_t *const *numbers)
{
    struct type_set set;
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += modules[i]->type_count;
    struct type_source *sources = calloc(count + 1, sizeof *sources);
    bool done = total < 0x40000000 && type_set_open(&set, total) && sources;
    uint32_t number = 0;
    for (size_t i = 0; done && i < count; i++) {
        sources[i] = (struct type_source){modules[i], numbers[i]};
        for (uint32_t t = 0; t < modules[i]->type_count; t += modules[i]->types[t].group_size)
            type_set_add(&set, &sources[i], t, number + t);
        number += modules[i]->type_count;
    }
    type_set_close(&set);
    free(sources);
    return done;
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
    if (form == 0x4f || form == 0x50 || form == 0x5e || form == 0x5f)
        return cursor_unsupported(cursor, type->offset, "gc types are not supported: %s type",
                                  form == 0x5e   ? "array"
                                  : form == 0x5f ? "struct"
                                                 : "sub");
    if (form != 0x60)
        return cursor_malformed(cursor, type->offset, "malformed definition type: 0x%02x", form);
    return read_type_list(cursor, module, LIMIT_PARAMETERS, "parameters", &type->parameters, &type->parameter_count) &&
           read_type_list(cursor, module, LIMIT_RESULTS, "results", &type->results, &type->result_count);
}

/* 0x4e and a list of types that may refer to each other, or one type alone, which may refer to itself. */
static bool read_group(struct cursor *cursor, struct module *module, struct type_set *set,
                       const struct type_source *source)
{
    uint32_t start = module->type_count, size = 1;
    uint64_t offset = cursor->position;
    bool is_list = cursor->position < cursor->end && cursor->module->bytes[cursor->position] == 0x4e;
    if (is_list) {
        if (!require_feature(cursor, offset, FEATURE_FUNCTION_REFERENCES, "a recursion group"))
            return false;
        cursor->position++;
        if (!cursor_read_count(cursor, LIMIT_TYPES, 2, "types", &size))
            return false;
    } else if (cursor->end - cursor->position < 2) {
        return cursor_malformed(cursor, offset, "unexpected end of section or function: a type in %llu bytes",
                                (unsigned long long)(cursor->end - cursor->position));
    }
    if (size > LIMIT_TYPES - start)
        return cursor_unsupported(cursor, offset, "too many types, the limit is %d", LIMIT_TYPES);
    module->type_count += size;
    for (uint32_t i = start; i < start + size; i++) {
        module->types[i].group = start;
        module->types[i].group_size = size;
        if (!read_type(cursor, module, &module->types[i]))
            return false;
    }
    if (size > 0)
        type_set_add(set, source, start, start);
    for (uint32_t i = start; i < start + size; i++)
        module->types[i].canonical = source->numbers[i];
    return true;
}

static bool read_groups(struct cursor *cursor, struct module *module, uint32_t count, size_t capacity)
{
    struct type_set set;
    struct type_source source = {module, calloc(capacity + 1, sizeof *source.numbers)};
    bool done = type_set_open(&set, capacity) && source.numbers;
    if (!done)
        cursor_no_memory(cursor);
    for (uint32_t i = 0; done && i < count; i++)
        done = read_group(cursor, module, &set, &source);
    type_set_close(&set);
    free(source.numbers);
    return done;
}

bool cursor_read_type_section(struct cursor *cursor, struct module *module)
{
    uint32_t count;
    if (!cursor_read_count(cursor, LIMIT_TYPES, 2, "types", &count))
        return false;
    /* The section counts groups; a type has two bytes at least (a struct without fields). */
    size_t capacity = (size_t)(cursor->end - cursor->position) / 2;
    if (capacity > LIMIT_TYPES)
        capacity = LIMIT_TYPES;
    module->types = arena_allocate(module->arena, capacity, sizeof *module->types);
    if (capacity && !module->types)
        return cursor_no_memory(cursor);
    return read_groups(cursor, module, count, capacity);
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
    case HEAP_ANY:
        return sub >= HEAP_EQ && sub <= HEAP_NONE;
    case HEAP_EQ:
        return sub > HEAP_EQ && sub <= HEAP_NONE;
    case HEAP_I31:
    case HEAP_STRUCT:
    case HEAP_ARRAY:
        return sub == HEAP_NONE;
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
    static const char *const nullables[] = {"funcref",       "externref",  "exnref",   "nullfuncref",
                                            "nullexternref", "nullexnref", "anyref",   "eqref",
                                            "i31ref",        "structref",  "arrayref", "nullref"};
    static const char *const heaps[] = {"func", "extern", "exn", "nofunc", "noextern", "noexn",
                                        "any",  "eq",     "i31", "struct", "array",    "none"};
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
