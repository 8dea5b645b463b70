/* poll_oneoff: waiting for clocks, streams and files (WASI preview 1, witx/typenames.witx, subscription and
 * event). */
#include "files.h"
#include "kernel_interface.h"
#include "linux.h"
#include "runtime/runtime.h"
#include "runtime/thread.h"

enum { MAX_SUBSCRIPTIONS = 64, CLOCK_REALTIME_WASI = 0, CLOCK_MONOTONIC_WASI = 1, TIME_IS_ABSOLUTE = 1 };
enum subscription_kind { WAIT_CLOCK = 0, WAIT_READ = 1, WAIT_WRITE = 2 };
enum { POLL_IN = 1, POLL_OUT = 4 };

struct subscription {
    uint64_t user_data;
    uint64_t kind; /* the lowest byte */
    uint32_t clock_or_descriptor;
    uint64_t timeout, precision;
    uint16_t flags;
};
_Static_assert(sizeof(struct subscription) == 48, "witx");

struct event {
    uint64_t user_data;
    uint16_t error;
    uint8_t kind;
    uint64_t bytes;
    uint16_t flags;
};
_Static_assert(sizeof(struct event) == 32, "witx");

struct linux_poll {
    int descriptor;
    short events, returned;
};

static void bytes_copy(void *to, const void *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
}

static uint64_t clock_now(uint32_t clock)
{
    uint64_t time[2] = {0};
    linux_call(SYSCALL_CLOCK_GETTIME, clock, (long)time, 0, 0, 0, 0);
    return time[0] * 1000000000u + time[1];
}

/* Nanoseconds until a clock's subscription is due. */
static uint64_t clock_left(const struct subscription *wanted)
{
    if (!(wanted->flags & TIME_IS_ABSOLUTE))
        return wanted->timeout;
    uint64_t now = clock_now(wanted->clock_or_descriptor);
    return wanted->timeout > now ? wanted->timeout - now : 0;
}

static uint16_t check(const struct subscription *wanted)
{
    if ((uint8_t)wanted->kind == WAIT_CLOCK)
        return wanted->clock_or_descriptor <= CLOCK_MONOTONIC_WASI ? ERRNO_SUCCESS : ERRNO_INVAL;
    if ((uint8_t)wanted->kind > WAIT_WRITE)
        return ERRNO_INVAL;
    return linux_file(wanted->clock_or_descriptor) >= 0 ? ERRNO_SUCCESS : ERRNO_BADF;
}

uint32_t __imported_wasi_snapshot_preview1_poll_oneoff(uint32_t in, uint32_t out, uint32_t count, uint32_t result);
uint32_t __imported_wasi_snapshot_preview1_poll_oneoff(uint32_t in, uint32_t out, uint32_t count, uint32_t result)
{
    static struct subscription wanted[MAX_SUBSCRIPTIONS];
    struct linux_poll streams[MAX_SUBSCRIPTIONS];
    uint16_t errors[MAX_SUBSCRIPTIONS];
    uint64_t left[MAX_SUBSCRIPTIONS], shortest = UINT64_MAX;
    if (count == 0 || count > MAX_SUBSCRIPTIONS)
        return ERRNO_INVAL;
    if (!linux_is_within(in, count * sizeof wanted[0]) || !linux_is_within(out, count * sizeof(struct event)) ||
        !linux_is_within(result, 4))
        return ERRNO_FAULT;
    bytes_copy(wanted, linux_memory() + in, count * sizeof wanted[0]);
    for (uint32_t i = 0; i < count; i++) {
        errors[i] = check(&wanted[i]);
        int is_stream = errors[i] == ERRNO_SUCCESS && (uint8_t)wanted[i].kind != WAIT_CLOCK;
        streams[i] = (struct linux_poll){.descriptor = is_stream ? (int)linux_file(wanted[i].clock_or_descriptor) : -1,
                                         .events = (uint8_t)wanted[i].kind == WAIT_READ ? POLL_IN : POLL_OUT};
        left[i] = errors[i] != ERRNO_SUCCESS ? 0 : is_stream ? UINT64_MAX : clock_left(&wanted[i]);
        if (left[i] < shortest)
            shortest = left[i];
    }
    uint64_t begin = clock_now(CLOCK_MONOTONIC_WASI), time[2] = {shortest / 1000000000u, shortest % 1000000000u};
    bool is_paused = wasm_native_pause();
    linux_call(SYSCALL_PPOLL, (long)streams, (long)count, shortest == UINT64_MAX ? 0 : (long)time, 0, 0, 0);
    if (is_paused)
        wasm_native_enter();
    uint64_t passed = clock_now(CLOCK_MONOTONIC_WASI) - begin;
    uint32_t happened = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!streams[i].returned && left[i] > passed)
            continue;
        struct event event = {.user_data = wanted[i].user_data,
                              .error = errors[i],
                              .kind = (uint8_t)wanted[i].kind,
                              .bytes = streams[i].returned ? 1 : 0};
        bytes_copy(linux_memory() + out + happened++ * sizeof event, &event, sizeof event);
    }
    bytes_copy(linux_memory() + result, &happened, sizeof happened);
    return ERRNO_SUCCESS;
}
