/* Threads on Linux: clone and futex. */
#include "kernel_interface.h"
#include "linux.h"
#include "runtime/runtime.h"
#include "runtime/thread.h"

#define THREADS      64
#define STACK_BYTES  0x100000ull
#define SIGNAL_BYTES 0x10000ull /* the stack for signals, at the low end */

/* A thread's slot is free when Linux has cleared `lives`, after the thread's last instruction. */
static struct thread {
    uint32_t lives;
    uint64_t stack; /* its low end; kept for the next thread */
    void (*function)(void *);
    void *argument;
} threads[THREADS];

static struct wasm_lock lock;

/* Runs linux_thread_main(argument) on the stack that ends at `top`. The new thread's number or an error. */
extern long linux_clone(uint64_t flags, uint64_t top, void *argument, uint32_t *cleared);
_Noreturn void linux_thread_main(struct thread *thread);

uint64_t wasm_platform_stack_top(void)
{
    return linux_stack_high;
}

void wasm_platform_yield(void)
{
    linux_call(SYSCALL_SCHED_YIELD, 0, 0, 0, 0, 0, 0);
}

uint32_t wasm_platform_thread(void)
{
    return 0; /* sleepers are found by the word they sleep on */
}

uint64_t wasm_platform_now_ns(void)
{
    uint64_t time[2];
    linux_call(SYSCALL_CLOCK_GETTIME, CLOCK_MONOTONIC_ID, (long)time, 0, 0, 0, 0);
    return time[0] * 1000000000 + time[1];
}

void wasm_platform_sleep(uint32_t *is_woken, int64_t timeout_ns)
{
    uint64_t time[2] = {(uint64_t)timeout_ns / 1000000000, (uint64_t)timeout_ns % 1000000000};
    linux_call(SYSCALL_FUTEX, (long)is_woken, FUTEX_WAIT, 0, (long)(timeout_ns < 0 ? NULL : time), 0, 0);
}

void wasm_platform_wake(uint32_t thread, uint32_t *is_woken)
{
    (void)thread;
    linux_call(SYSCALL_FUTEX, (long)is_woken, FUTEX_WAKE, 1, 0, 0, 0);
}

_Noreturn void linux_thread_main(struct thread *thread)
{
    uint64_t bytes = wasm_thread_block_bytes();
    uint8_t *block = (uint8_t *)(((uint64_t)__builtin_alloca(bytes + 64) + 63) & ~63ull);
    wasm_thread_pointer_set(wasm_thread_block_init(block));
    linux_stack_low = thread->stack + SIGNAL_BYTES;
    linux_stack_high = thread->stack + SIGNAL_BYTES + STACK_BYTES;
    linux_catch_traps_on((void *)thread->stack, SIGNAL_BYTES / 2);
    thread->function(thread->argument);
    for (;;)
        linux_call(SYSCALL_EXIT, 0, 0, 0, 0, 0, 0);
}

/* The stack for signals, a guard, the stack. */
static bool make_stack(struct thread *thread)
{
    if (thread->stack)
        return true;
    long low = linux_call(SYSCALL_MMAP, 0, SIGNAL_BYTES + STACK_BYTES, PROTECTION_READ | PROTECTION_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (low < 0 && low > -4096)
        return false;
    linux_call(SYSCALL_MPROTECT, low + (long)SIGNAL_BYTES / 2, SIGNAL_BYTES / 2, PROTECTION_NONE, 0, 0, 0);
    thread->stack = (uint64_t)low;
    return true;
}

/* Marks a free slot as used. */
static struct thread *take_slot(void)
{
    struct thread *thread = NULL;
    wasm_lock_take(&lock);
    for (uint32_t i = 0; i < THREADS && !thread; i++)
        if (!__atomic_load_n(&threads[i].lives, __ATOMIC_ACQUIRE))
            thread = &threads[i];
    if (thread)
        thread->lives = 1;
    wasm_lock_give(&lock);
    return thread;
}

bool wasm_platform_thread_start(void (*function)(void *), void *argument)
{
    struct thread *thread = take_slot();
    if (!thread)
        return false;
    thread->function = function;
    thread->argument = argument;
    if (make_stack(thread) &&
        linux_clone(CLONE_OF_THREAD, thread->stack + SIGNAL_BYTES + STACK_BYTES, thread, &thread->lives) > 0)
        return true;
    __atomic_store_n(&thread->lives, 0, __ATOMIC_RELEASE);
    return false;
}
