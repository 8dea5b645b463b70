/* A thread's own variables: the image holds what they begin as (program.ld), each thread a copy.
 *
 * Source: "ELF Handling For Thread-Local Storage" (Drepper): on x86-64 the variables end where the thread pointer
 * points, and there stands the pointer itself; on arm64 they begin 16 bytes after it, rounded up to their alignment. */
#include "thread.h"

#include "wasm_runtime.h"

#define ALIGNMENT 64u /* of the variables as a whole: program.ld */

extern const char program_thread_start[], program_thread_data_end[], program_thread_end[];

static uint64_t variable_bytes(void)
{
    return (uint64_t)(program_thread_end - program_thread_start);
}

uint64_t wasm_thread_block_bytes(void)
{
    uint64_t bytes = variable_bytes();
    return bytes ? (bytes + 2 * ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT : 0;
}

uint64_t wasm_thread_block_init(void *block)
{
    uint64_t bytes = variable_bytes(), data = (uint64_t)(program_thread_data_end - program_thread_start);
#ifdef __aarch64__
    uint8_t *variables = (uint8_t *)block + ALIGNMENT, *pointer = block;
#else
    uint8_t *variables = block, *pointer = variables + (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    *(void **)pointer = pointer;
#endif
    memcpy(variables, program_thread_start, data);
    memset(variables + data, 0, bytes - data);
    return (uint64_t)pointer;
}
