/* Native functions in a program with threads: one at a time. Generated code takes this lock around each call of one
 * (aot/lower/call.c); a native function that waits for something lets others in meanwhile. */
#include "thread.h"

/* 0 free, 1 taken, 2 taken and somebody waits: the mutex of Drepper's "Futexes Are Tricky". */
static uint32_t state;

void wasm_native_enter(void)
{
    uint32_t seen = 0;
    if (__atomic_compare_exchange_n(&state, &seen, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(&state, 2, __ATOMIC_ACQUIRE) != 0)
        wasm_wait(&state, 2, -1, sizeof state);
}

void wasm_native_leave(void)
{
    if (__atomic_exchange_n(&state, 0, __ATOMIC_RELEASE) == 2)
        wasm_notify(&state, 1);
}

bool wasm_native_pause(void)
{
    if (__atomic_load_n(&state, __ATOMIC_RELAXED) == 0)
        return false; /* a program without threads */
    wasm_native_leave();
    return true;
}
