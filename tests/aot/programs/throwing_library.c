/* What C++ code with exceptions calls of its library, as far as throwing.cc does: Debian has no C++ library for
 * WebAssembly. Source: the Itanium C++ ABI's exception handling, and what clang-19 emits for wasm32. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Stands before the object that is thrown. */
struct header {
    const void *type;
    int handlers; /* that have it */
    int reserved[2];
};

/* What clang's code fills before it calls _Unwind_CallPersonality, and reads after. */
struct landing_context {
    uintptr_t pad;
    const uint8_t *table;
    uintptr_t selector;
};

/* Types are told apart by the addresses of what describes them; nothing looks inside. */
void *_ZTIi[2], *_ZTVN10__cxxabiv117__class_type_infoE[8];
struct landing_context __wasm_lpad_context;

void *__cxa_allocate_exception(size_t bytes);
_Noreturn void __cxa_throw(void *object, const void *type, void (*destroy)(void *));
void *__cxa_begin_catch(void *object);
void __cxa_end_catch(void);
_Noreturn void __cxa_rethrow(void);
void *__cxa_get_exception_ptr(void *object);
int __gxx_wasm_personality_v0(void);
int _Unwind_CallPersonality(void *object);
_Noreturn void _ZSt9terminatev(void);

static struct header *current[8]; /* in handlers, the innermost last */
static int depth;

static struct header *header_of(void *object)
{
    return (struct header *)object - 1;
}

void *__cxa_allocate_exception(size_t bytes)
{
    return (struct header *)malloc(sizeof(struct header) + bytes) + 1;
}

void __cxa_throw(void *object, const void *type, void (*destroy)(void *))
{
    (void)destroy;
    *header_of(object) = (struct header){.type = type};
    __builtin_wasm_throw(0, object);
}

void *__cxa_begin_catch(void *object)
{
    current[depth] = header_of(object);
    current[depth++]->handlers++;
    return object;
}

void __cxa_end_catch(void)
{
    struct header *header = current[--depth];
    if (--header->handlers == 0)
        free(header);
}

void __cxa_rethrow(void)
{
    struct header *header = current[depth - 1];
    header->handlers++; /* the end of the handler that it leaves takes one back */
    __builtin_wasm_throw(0, header + 1);
}

void *__cxa_get_exception_ptr(void *object)
{
    return object;
}

void _ZSt9terminatev(void)
{
    puts("terminate");
    exit(1);
}

/* Only its address is used. */
int __gxx_wasm_personality_v0(void)
{
    return 0;
}

static uintptr_t take_uleb(const uint8_t **at)
{
    uintptr_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uintptr_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
}

/* One byte of a signed LEB128: enough for a program of this size. */
static int sleb(uint8_t byte)
{
    return byte & 0x40 ? byte - 0x80 : byte;
}

/* The first of an action chain's types that is the thrown one or "everything"; 0: none. */
static uintptr_t select_type(const uint8_t *action, const void *const *types, const void *thrown)
{
    for (;;) {
        int filter = sleb(action[0]), distance = sleb(action[1]);
        if (filter > 0 && (!types[-filter] || types[-filter] == thrown))
            return (uintptr_t)filter;
        if (distance == 0)
            return 0;
        action += 1 + distance;
    }
}

/* Looks the landing pad up in its function's table, whose call sites are numbered, and says which of its types it is.
 */
int _Unwind_CallPersonality(void *object)
{
    const uint8_t *at = __wasm_lpad_context.table;
    __wasm_lpad_context.selector = 0;
    if (!at)
        return 0;
    at++; /* no base of landing pads */
    if (*at++ == 0xff)
        return 0; /* no types: all that is done is cleaning up */
    uintptr_t bytes = take_uleb(&at);
    const void *const *types = (const void *const *)(at + bytes);
    at++; /* call sites are LEB128 */
    bytes = take_uleb(&at);
    const uint8_t *actions = at + bytes;
    while (at < actions) {
        uintptr_t pad = take_uleb(&at), action = take_uleb(&at);
        if (pad == __wasm_lpad_context.pad && action > 0)
            __wasm_lpad_context.selector = select_type(actions + action - 1, types, header_of(object)->type);
    }
    return 0;
}
