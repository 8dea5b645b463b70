/* Threads of one program: what waits and notifies, what each thread has of its own, and what that asks of the platform.
 * docs/threads.md has the reasons. */
#ifndef RUNTIME_THREAD_H
#define RUNTIME_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- for generated code ---- */

/* memory.atomic.notify and memory.atomic.wait; the address is mapped and aligned. */
uint32_t wasm_notify(const void *address, uint32_t count);
uint32_t wasm_wait(const void *address, uint64_t expected, int64_t timeout_ns, uint32_t bytes);

/* Around the call of a native function, in a program with threads. */
void wasm_native_enter(void);
void wasm_native_leave(void);

/* ---- for native functions ---- */

/* Before one waits: lets other threads call native functions. True: wasm_native_enter must follow. */
bool wasm_native_pause(void);

/* ---- what is thread-local ---- */

/* The block that holds a thread's own variables; 0: the program has none. */
uint64_t wasm_thread_block_bytes(void);

/* Fills a block of that size, aligned to 64, and returns what the thread's pointer register must hold. */
uint64_t wasm_thread_block_init(void *block);

/* Makes this the running thread's pointer (thread_*.S). */
void wasm_thread_pointer_set(uint64_t pointer);

/* ---- locks: short, held by nobody who blocks ---- */

struct wasm_lock {
    uint32_t is_held;
};

void wasm_lock_take(struct wasm_lock *lock);
void wasm_lock_give(struct wasm_lock *lock);

/* ---- what the platform offers ---- */

/* Lets others run. */
void wasm_platform_yield(void);

/* A number for the running thread, for others to wake it by. */
uint32_t wasm_platform_thread(void);

/* Blocks the running thread until *is_woken is not 0 or the time is over (negative: never); may also come back early.
 */
void wasm_platform_sleep(uint32_t *is_woken, int64_t timeout_ns);

/* Ends the sleep of that thread, whose *is_woken has been set. The thread may be past it, and gone. */
void wasm_platform_wake(uint32_t thread, uint32_t *is_woken);

/* The monotonic clock. */
uint64_t wasm_platform_now_ns(void);

/* Runs function(argument) on another thread, which ends when that returns. False: there is no room for one more. */
bool wasm_platform_thread_start(void (*function)(void *), void *argument);

#endif
