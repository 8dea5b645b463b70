/* Memory in chunks, handed out front to back, freed all at once. */
#include <stdlib.h>

#include "internal.h"

enum { ARENA_CHUNK_BYTES = 64 * 1024, ARENA_ALIGNMENT = 16 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t used;
    size_t size;
    _Alignas(ARENA_ALIGNMENT) unsigned char bytes[];
};

struct arena {
    struct arena_chunk *first;
};

struct arena *arena_create(void)
{
    return calloc(1, sizeof(struct arena));
}

static struct arena_chunk *arena_grow(struct arena *arena, size_t bytes)
{
    size_t size = bytes > ARENA_CHUNK_BYTES ? bytes : ARENA_CHUNK_BYTES;
    struct arena_chunk *chunk = calloc(1, sizeof *chunk + size);
    if (!chunk)
        return NULL;
    chunk->size = size;
    /* A chunk for one large object is full at once: keep the one with room in front. */
    if (arena->first && bytes > ARENA_CHUNK_BYTES) {
        chunk->next = arena->first->next;
        arena->first->next = chunk;
    } else {
        chunk->next = arena->first;
        arena->first = chunk;
    }
    return chunk;
}

void *arena_allocate(struct arena *arena, size_t count, size_t size)
{
    if (count == 0 || size == 0 || count > (SIZE_MAX / 2) / size)
        return NULL;
    size_t bytes = (count * size + ARENA_ALIGNMENT - 1) & ~(size_t)(ARENA_ALIGNMENT - 1);
    struct arena_chunk *chunk = arena->first;
    if (!chunk || chunk->size - chunk->used < bytes)
        chunk = arena_grow(arena, bytes);
    if (!chunk)
        return NULL;
    void *memory = chunk->bytes + chunk->used;
    chunk->used += bytes;
    return memory;
}

void arena_destroy(struct arena *arena)
{
    if (!arena)
        return;
    for (struct arena_chunk *chunk = arena->first; chunk;) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    free(arena);
}
