/* thread-spawn of wasi-threads: a thread is another instance of the program's modules over the same shared memory. Its
 * own globals begin as any instance's, then it is instantiated and its wasi_thread_start is called.
 *
 * Source: the wasi-threads proposal (WebAssembly/wasi-threads, README). */
#include "runtime.h"
#include "thread.h"

#define LARGEST_NUMBER 0x1fffffffu /* the proposal's */
#define ERROR_AGAIN    6

extern void wasm_export_wasi_thread_start(uint32_t number, uint32_t argument) __attribute__((weak));
uint32_t __imported_wasi_thread$2dspawn(uint32_t argument);

static void run(void *both)
{
    uint64_t value = (uint64_t)both;
    wasm_instantiate();
    wasm_export_wasi_thread_start((uint32_t)(value >> 32), (uint32_t)value);
}

uint32_t __imported_wasi_thread$2dspawn(uint32_t argument)
{
    static uint32_t last;
    uint32_t number = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
    uint64_t both = (uint64_t)number << 32 | argument;
    if (!wasm_export_wasi_thread_start || number > LARGEST_NUMBER || !wasm_platform_thread_start(run, (void *)both))
        return (uint32_t)-ERROR_AGAIN;
    return number;
}
