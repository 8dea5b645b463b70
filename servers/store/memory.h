/* SQLite's memory: a fixed piece, cut by its own allocator (MEMSYS5), so that no C library is needed. */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

void store_memory_start(void);

#endif
