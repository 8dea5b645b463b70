/* Threads of a program on Tessera: what aot/runtime/thread.h asks of the platform, by the process server's
 * PROCESS_THREAD_START. Which thread runs is seen by where its stack lies. */
#include "thread.h"

#include "aot/runtime/thread.h"
#include "tessera/clock.h"
#include "tessera/invoke.h"
#include "wasi.h"

/* What a new thread is to do, until it has taken it. */
struct thread_start {
    void (*function)(void *);
    void *argument;
    bool is_used;
};

static struct thread_start starts[PROCESS_THREADS];
static struct wasm_lock lock;
static bool has_threads; /* the first thread too has what it sleeps with */

static bool is_further(uint64_t stack)
{
    return stack - PROCESS_THREAD_STACKS < PROCESS_THREADS * PROCESS_THREAD_STRIDE;
}

uint32_t wasm_platform_thread(void)
{
    uint64_t stack = (uint64_t)__builtin_frame_address(0);
    return is_further(stack) ? (uint32_t)((stack - PROCESS_THREAD_STACKS) / PROCESS_THREAD_STRIDE) : 0;
}

uint64_t wasm_platform_stack_top(void)
{
    uint64_t stack = (uint64_t)__builtin_frame_address(0);
    return is_further(stack) ? (stack / PROCESS_THREAD_STRIDE + 1) * PROCESS_THREAD_STRIDE : PROCESS_STACK_TOP;
}
_Static_assert(PROCESS_THREAD_STACKS % PROCESS_THREAD_STRIDE == 0, "a stack's top is a multiple of the stride");

/* ---- sleeping ---- */

void wasm_platform_yield(void)
{
    syscall_yield();
}

uint64_t wasm_platform_now_ns(void)
{
    return clock_ns(clock_ticks() - start_page->boot_ticks, start_page->timer_multiplier, start_page->timer_shift);
}

/* Alone in the process nobody can wake us: only time ends the wait. */
static void sleep_alone(uint64_t deadline)
{
    if (deadline && !deadline_possible())
        return;
    wait_for_signal(deadline);
}

void wasm_platform_sleep(uint32_t *is_woken, int64_t timeout_ns)
{
    uint64_t ticks = timeout_ns < 0 ? 0 : clock_ticks_of((uint64_t)timeout_ns, start_page->timer_hz);
    uint64_t deadline = timeout_ns < 0 ? 0 : clock_ticks() + ticks;
    cptr notification = PROCESS_CAP_THREADS + 2 * wasm_platform_thread(), timer = notification + 1;
    if (__atomic_load_n(is_woken, __ATOMIC_ACQUIRE))
        return;
    if (!__atomic_load_n(&has_threads, __ATOMIC_ACQUIRE)) {
        sleep_alone(deadline);
        return;
    }
    if (deadline && timer_set(timer, deadline) != ERROR_NONE)
        return;
    word signals = notification_wait(notification);
    if (deadline && !(signals & PROCESS_SIGNAL_TIMER))
        (void)timer_cancel(timer);
}

void wasm_platform_wake(uint32_t thread, uint32_t *is_woken)
{
    (void)is_woken;
    notification_signal(PROCESS_CAP_THREADS + 2 * thread);
}

/* ---- beginning and ending ---- */

uint64_t thread_block_bytes(void)
{
    uint64_t bytes = wasm_thread_block_bytes();
    return bytes ? bytes + 64 : 0;
}

void thread_begin(void *room)
{
    if (wasm_thread_block_bytes())
        wasm_thread_pointer_set(wasm_thread_block_init((void *)(((uint64_t)room + 63) & ~63ul)));
}

static struct thread_start *start_take(void)
{
    struct thread_start *start = NULL;
    wasm_lock_take(&lock);
    for (uint32_t i = 0; i < PROCESS_THREADS && !start; i++)
        if (!starts[i].is_used)
            start = &starts[i];
    if (start)
        start->is_used = true;
    wasm_lock_give(&lock);
    return start;
}

static _Noreturn void thread_main(struct thread_start *start)
{
    void (*function)(void *) = start->function;
    void *argument = start->argument;
    __atomic_store_n(&start->is_used, false, __ATOMIC_RELEASE);
    thread_begin(__builtin_alloca(thread_block_bytes()));
    function(argument);
    for (;;) {
        struct message m = {0, {wasm_platform_thread()}};
        (void)process_call(PROCESS_THREAD_EXIT, &m, 1); /* never answered */
    }
}

bool wasm_platform_thread_start(void (*function)(void *), void *argument)
{
    struct thread_start *start = start_take();
    if (!start)
        return false;
    start->function = function;
    start->argument = argument;
    struct message m = {0, {(word)(uintptr_t)thread_main, (word)(uintptr_t)start}};
    /* The new thread may run, and wake us, before the answer is here. */
    bool had_threads = __atomic_exchange_n(&has_threads, true, __ATOMIC_SEQ_CST);
    if (process_call(PROCESS_THREAD_START, &m, 2) == ESUCCESS)
        return true;
    if (!had_threads)
        __atomic_store_n(&has_threads, false, __ATOMIC_SEQ_CST);
    __atomic_store_n(&start->is_used, false, __ATOMIC_RELEASE);
    return false;
}
