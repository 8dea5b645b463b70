/* A thread's own variables (aot/runtime/thread.h), laid at the beginning of its stack. */
#ifndef WASI_THREAD_H
#define WASI_THREAD_H

#include <stdint.h>

/* How much of its stack a thread must set aside for them; 0: the program has none. */
uint64_t thread_block_bytes(void);

/* Makes them, in that room, which must stay for as long as the thread runs. */
void thread_begin(void *room);

#endif
