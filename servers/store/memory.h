/* SQLite's memory: a fixed piece, cut by its own allocator (MEMSYS5), so that no C library is needed. */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

/* `say` is told of every error that SQLite meets: code and text. */
void store_memory_start(void (*say)(void *context, int code, const char *text));

#endif
