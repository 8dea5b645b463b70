/* The pool of exceptions.
 *
 * References to exceptions live in locals, tables, globals and other exceptions, and nobody counts them: that would
 * cost code that throws nothing. When the pool is full, what is still referred to is found by looking: the stack and
 * the image's data are read word by word, and whatever looks like a record's address keeps it. What is garbage may so
 * be kept by chance, and nothing that is alive is lost. Records do not move. */
#include "exception.h"

#include <stdbool.h>
#include <stddef.h>

#include "runtime.h"

#ifndef POOL_STORAGE
#define POOL_STORAGE
#endif

#define POOL_BYTES    65536u
#define GRANULE_BYTES 32u
#define GRANULES      (POOL_BYTES / GRANULE_BYTES)

/* What a granule is. A record is its first granule and the continuations after it. */
enum granule { GRANULE_FREE, GRANULE_RECORD, GRANULE_MARKED, GRANULE_CONTINUATION };

static POOL_STORAGE uint64_t pool[POOL_BYTES / sizeof(uint64_t)] __attribute__((aligned(GRANULE_BYTES)));
static POOL_STORAGE uint8_t granules[GRANULES];
static POOL_STORAGE uint32_t next; /* the search for room goes on here */

/* Marked records whose own words have not been looked at. */
static POOL_STORAGE uint16_t unseen[GRANULES];
static POOL_STORAGE uint32_t unseen_count;

/* The image's data; program.ld. */
extern const uint64_t program_data_start[], program_data_end[];

static uint32_t record_end(uint32_t granule)
{
    uint32_t end = granule + 1;
    while (end < GRANULES && granules[end] == GRANULE_CONTINUATION)
        end++;
    return end;
}

static void mark_words(const uint64_t *from, const uint64_t *to)
{
    for (; from < to; from++) {
        uint64_t distance = *from - (uint64_t)pool;
        if (distance >= POOL_BYTES || distance % GRANULE_BYTES != 0)
            continue;
        uint32_t granule = (uint32_t)(distance / GRANULE_BYTES);
        if (granules[granule] != GRANULE_RECORD)
            continue;
        granules[granule] = GRANULE_MARKED;
        unseen[unseen_count++] = (uint16_t)granule;
    }
}

/* The words that lie outside of the pool. */
static void mark_roots(const uint64_t *from, const uint64_t *to)
{
    const uint64_t *pool_end = pool + POOL_BYTES / sizeof *pool;
    if ((uint64_t)pool - (uint64_t)from >= (uint64_t)to - (uint64_t)from) {
        mark_words(from, to);
        return;
    }
    mark_words(from, pool);
    mark_words(pool_end, to);
}

static void mark_referred(void)
{
    while (unseen_count > 0) {
        uint32_t granule = unseen[--unseen_count];
        const uint64_t *words = pool + granule * (GRANULE_BYTES / sizeof *pool);
        mark_words(words, pool + record_end(granule) * (GRANULE_BYTES / sizeof *pool));
    }
}

static void sweep(void)
{
    bool is_kept = false;
    for (uint32_t i = 0; i < GRANULES; i++) {
        if (granules[i] != GRANULE_CONTINUATION)
            is_kept = granules[i] == GRANULE_MARKED;
        granules[i] = is_kept ? granules[i] == GRANULE_MARKED ? GRANULE_RECORD : granules[i] : GRANULE_FREE;
    }
}

static inline const uint64_t *stack_pointer(void)
{
    const uint64_t *pointer;
#ifdef __aarch64__
    __asm__("mov %0, sp" : "=r"(pointer));
#else
    __asm__("movq %%rsp, %0" : "=r"(pointer));
#endif
    return pointer;
}

/* Frees every record that nothing refers to. The pool itself is no root. */
static __attribute__((noinline)) void collect(void)
{
    void *resume[5];
    (void)__builtin_setjmp(resume); /* every register that a caller may hold a reference in is on the stack now */
    mark_roots(stack_pointer(), (const uint64_t *)wasm_platform_stack_top());
    mark_roots(program_data_start, program_data_end);
    mark_referred();
    sweep();
}

/* The first of `count` free granules between two places; `to` when there are not as many. */
static uint32_t find_free(uint32_t from, uint32_t to, uint32_t count)
{
    uint32_t run = 0;
    for (uint32_t i = from; i < to; i++) {
        run = granules[i] == GRANULE_FREE ? run + 1 : 0;
        if (run == count)
            return i + 1 - count;
    }
    return to;
}

struct wasm_exception *wasm_exception_new(const void *tag, uint64_t slots)
{
    uint32_t count = (uint32_t)(((slots + 1) * sizeof(uint64_t) + GRANULE_BYTES - 1) / GRANULE_BYTES);
    uint32_t first = find_free(next, GRANULES, count);
    if (first == GRANULES) {
        collect();
        first = find_free(0, GRANULES, count);
        if (first == GRANULES)
            return NULL;
    }
    granules[first] = GRANULE_RECORD;
    for (uint32_t i = 1; i < count; i++)
        granules[first + i] = GRANULE_CONTINUATION;
    next = first + count;
    struct wasm_exception *exception = (void *)(pool + first * (GRANULE_BYTES / sizeof *pool));
    exception->tag = tag;
    return exception;
}
