/* See memory.h. */
#include "memory.h"

#include <stddef.h>
#include <stdint.h>

#include "sqlite3.h"

#define HEAP_BYTES (32u << 20) /* a page cache of 12 MiB, rounded up to powers of two, and what it is found by */
#define SMALLEST   64

void store_memory_start(void (*say)(void *context, int code, const char *text))
{
    static uint8_t heap[HEAP_BYTES] __attribute__((aligned(64)));
    (void)sqlite3_shutdown();
    (void)sqlite3_config(SQLITE_CONFIG_HEAP, heap, (int)sizeof(heap), SMALLEST);
    (void)sqlite3_config(SQLITE_CONFIG_LOG, say, (void *)NULL);
    (void)sqlite3_initialize();
}
