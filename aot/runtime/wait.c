/* memory.atomic.wait and notify: queues of sleepers by address, in the order of their coming. */
#include "thread.h"

struct sleeper {
    const void *address;
    struct sleeper *next;
    uint32_t thread;
    uint32_t is_woken; /* written under the lock */
};

struct queue {
    struct sleeper *first, **end;
};

#define QUEUES 64

static struct queue queues[QUEUES];
static struct wasm_lock lock;

void wasm_lock_take(struct wasm_lock *lock_)
{
    while (__atomic_exchange_n(&lock_->is_held, 1, __ATOMIC_ACQUIRE))
        wasm_platform_yield();
}

void wasm_lock_give(struct wasm_lock *lock_)
{
    __atomic_store_n(&lock_->is_held, 0, __ATOMIC_RELEASE);
}

static struct queue *queue_of(const void *address)
{
    struct queue *queue = &queues[(uint64_t)address / 4 % QUEUES];
    if (!queue->end)
        queue->end = &queue->first;
    return queue;
}

static void queue_remove(struct queue *queue, struct sleeper **at)
{
    struct sleeper *sleeper = *at;
    *at = sleeper->next;
    if (queue->end == &sleeper->next)
        queue->end = at;
}

static bool has_value(const void *address, uint64_t expected, uint32_t bytes)
{
    return bytes == 8 ? __atomic_load_n((const uint64_t *)address, __ATOMIC_SEQ_CST) == expected
                      : __atomic_load_n((const uint32_t *)address, __ATOMIC_SEQ_CST) == (uint32_t)expected;
}

static void sleep_until_woken(struct sleeper *sleeper, int64_t timeout_ns)
{
    uint64_t end = wasm_platform_now_ns() + (uint64_t)timeout_ns;
    while (!__atomic_load_n(&sleeper->is_woken, __ATOMIC_ACQUIRE)) {
        int64_t left = timeout_ns < 0 ? -1 : (int64_t)(end - wasm_platform_now_ns());
        if (timeout_ns >= 0 && left <= 0)
            return;
        wasm_platform_sleep(&sleeper->is_woken, left);
    }
}

enum { WAIT_WOKEN, WAIT_OTHER_VALUE, WAIT_TIMED_OUT };

uint32_t wasm_wait(const void *address, uint64_t expected, int64_t timeout_ns, uint32_t bytes)
{
    struct sleeper sleeper = {.address = address, .thread = wasm_platform_thread()};
    if (timeout_ns > INT64_MAX / 2) /* centuries */
        timeout_ns = -1;
    wasm_lock_take(&lock);
    if (!has_value(address, expected, bytes)) {
        wasm_lock_give(&lock);
        return WAIT_OTHER_VALUE;
    }
    struct queue *queue = queue_of(address);
    *queue->end = &sleeper;
    queue->end = &sleeper.next;
    wasm_lock_give(&lock);
    sleep_until_woken(&sleeper, timeout_ns);
    wasm_lock_take(&lock);
    uint32_t is_woken = sleeper.is_woken;
    for (struct sleeper **at = &queue->first; !is_woken && *at; at = &(*at)->next) {
        if (*at == &sleeper) {
            queue_remove(queue, at);
            break;
        }
    }
    wasm_lock_give(&lock);
    return is_woken ? WAIT_WOKEN : WAIT_TIMED_OUT;
}

uint32_t wasm_notify(const void *address, uint32_t count)
{
    uint32_t woken = 0;
    wasm_lock_take(&lock);
    struct queue *queue = queue_of(address);
    for (struct sleeper **at = &queue->first; *at && woken < count;) {
        struct sleeper *sleeper = *at;
        if (sleeper->address != address) {
            at = &sleeper->next;
            continue;
        }
        queue_remove(queue, at);
        uint32_t thread = sleeper->thread;
        __atomic_store_n(&sleeper->is_woken, 1, __ATOMIC_RELEASE); /* it cannot leave before the lock is given */
        wasm_platform_wake(thread, &sleeper->is_woken);
        woken++;
    }
    wasm_lock_give(&lock);
    return woken;
}
