/* Arguments, environment, clocks, random bytes, the process itself. */
#include "imports.h"
#include "tessera/clock.h"
#include "tessera/random.h"
#include "tessera/text.h"
#include "aot/runtime/thread.h"

/* ---- arguments and environment ------------------------------------------------------------------------------- */

static uint32_t sizes_get(const struct start_strings *strings, uint32_t count, uint32_t bytes)
{
    if (!in_memory(count, 4) || !in_memory(bytes, 4))
        return EFAULT;
    memcpy(at(count), &strings->count, 4);
    memcpy(at(bytes), &strings->bytes, 4);
    return ESUCCESS;
}

static uint32_t strings_get(const struct start_strings *strings, uint32_t pointers, uint32_t buffer)
{
    const char *text = (const char *)start_page + strings->offset;
    if (!in_memory(pointers, 4ul * strings->count) || !in_memory(buffer, strings->bytes))
        return EFAULT;
    memcpy(at(buffer), text, strings->bytes);
    for (uint32_t i = 0, offset = 0; i < strings->count; i++) {
        uint32_t pointer = buffer + offset;
        memcpy(at(pointers + 4 * i), &pointer, 4);
        offset += (uint32_t)text_length(text + offset) + 1;
    }
    return ESUCCESS;
}

uint32_t WASI(args_sizes_get)(uint32_t count, uint32_t bytes)
{
    return sizes_get(&start_page->arguments, count, bytes);
}

uint32_t WASI(args_get)(uint32_t argv, uint32_t buffer)
{
    return strings_get(&start_page->arguments, argv, buffer);
}

uint32_t WASI(environ_sizes_get)(uint32_t count, uint32_t bytes)
{
    return sizes_get(&start_page->environment, count, bytes);
}

uint32_t WASI(environ_get)(uint32_t environ, uint32_t buffer)
{
    return strings_get(&start_page->environment, environ, buffer);
}

/* ---- clocks -------------------------------------------------------------------------------------------------- */

enum { CLOCK_REALTIME_ID = 0, CLOCK_MONOTONIC_ID, CLOCK_PROCESS_ID, CLOCK_THREAD_ID, CLOCK_COUNT };

static uint32_t clock_check(uint32_t id)
{
    if (id >= CLOCK_COUNT)
        return EINVAL;
    if (id == CLOCK_REALTIME_ID && !(start_page->flags & START_MAY_CLOCK))
        return refuse(PROCESS_PERMISSION_CLOCK);
    if (id == CLOCK_REALTIME_ID && start_page->realtime_ns == 0)
        return ENOSYS; /* the machine has no clock that we know */
    return ESUCCESS;
}

/* CPU time is the kernel's account, which the process server holds the capabilities for. */
static uint32_t cpu_time(bool of_thread, uint64_t *ns)
{
    struct message m = {0, {of_thread ? wasm_platform_thread() + 1ul : 0}};
    uint32_t error = process_call(PROCESS_CPU_TIME, &m, 1);
    *ns = m.words[0];
    return error;
}

uint32_t WASI(clock_res_get)(uint32_t id, uint32_t resolution)
{
    uint32_t error = clock_check(id);
    uint64_t ns = 1000000000ul / start_page->timer_hz;
    if (error)
        return error;
    if (!in_memory(resolution, 8))
        return EFAULT;
    ns = ns ? ns : 1;
    memcpy(at(resolution), &ns, sizeof(ns));
    return ESUCCESS;
}

uint32_t WASI(clock_time_get)(uint32_t id, uint64_t precision, uint32_t time)
{
    uint32_t error = clock_check(id);
    (void)precision;
    if (error)
        return error;
    if (!in_memory(time, 8))
        return EFAULT;
    uint64_t ns = id == CLOCK_REALTIME_ID ? realtime_ns() : monotonic_ns();
    if (id >= CLOCK_PROCESS_ID && (error = cpu_time(id == CLOCK_THREAD_ID, &ns)))
        return error;
    memcpy(at(time), &ns, sizeof(ns));
    return ESUCCESS;
}

/* ---- random -------------------------------------------------------------------------------------------------- */

uint32_t WASI(random_get)(uint32_t buffer, uint32_t length)
{
    static struct random random;
    if (!(start_page->flags & START_MAY_RANDOM))
        return refuse(PROCESS_PERMISSION_RANDOM);
    if (!in_memory(buffer, length))
        return EFAULT;
    if (!random.is_seeded && (start_page->flags & START_SEED_VALID))
        random_seed(&random, start_page->seed);
    return random_bytes(&random, at(buffer), length) ? ESUCCESS : ENOSYS; /* no entropy: rather nothing than weak */
}

/* ---- process ------------------------------------------------------------------------------------------------- */

/* WASI snapshot-01, type signal. */
enum {
    SIGNAL_NONE = 0,
    SIGNAL_CHILD = 16,
    SIGNAL_CONTINUE = 17,
    SIGNAL_URGENT = 22,
    SIGNAL_WINDOW = 27,
    SIGNAL_LAST = 30
};

_Noreturn void WASI(proc_exit)(uint32_t status)
{
    hold_release();
    wasm_platform_exit((int)status);
}

uint32_t WASI(proc_raise)(uint32_t signal)
{
    static const uint32_t ignored =
        1u << SIGNAL_NONE | 1u << SIGNAL_CHILD | 1u << SIGNAL_CONTINUE | 1u << SIGNAL_URGENT | 1u << SIGNAL_WINDOW;
    if (signal > SIGNAL_LAST)
        return EINVAL;
    if (!(ignored >> signal & 1))
        wasm_platform_exit((int)(128 + signal)); /* nobody handles signals: their default is to end the process */
    return ESUCCESS;
}

uint32_t WASI(sched_yield)(void)
{
    syscall_yield();
    return ESUCCESS;
}
