/* Programs that take all they can get of one thing, without end: their quotas hold, and everyone else is served.
 *
 *     test-hostile DEED     exit status 0: it was stopped by the quota, with the right error
 *     test-hostile victim   works all the while: children, memory, a line now and then
 */
#include "calls.h"
#include "tessera/clock.h"

enum { MANY = 100000, LINES = 3000, ROUNDS = 40 };

/* Grows by a page of 64 KiB each time; how often it could. */
static unsigned grow(word *error)
{
    unsigned pages = 0;
    struct message m = {0};
    do
        m = (struct message){0, {PROCESS_HEAP_BASE, pages, 1}};
    while ((*error = call(PROCESS_GROW, &m, 3)) == 0 && ++pages < MANY);
    return pages;
}

static int deed_memory(void)
{
    word error;
    unsigned pages = grow(&error);
    for (unsigned i = 0; i < pages; i++)
        *(volatile uint64_t *)(PROCESS_HEAP_BASE + i * 65536ul) = i; /* it is really there */
    for (unsigned i = 0; i < 1000 && error == E_NOMEM; i++) {
        struct message m = {0, {PROCESS_HEAP_BASE, pages, 1}};
        error = call(PROCESS_GROW, &m, 3);
    }
    struct message m = {0, {PROCESS_HEAP_BASE, pages, ~0ul}};
    return error == E_NOMEM && pages > 8 && call(PROCESS_GROW, &m, 3) == E_INVAL ? 0 : 1;
}

/* Children that have children in turn, none of which ends: how many there may be is said at the root. */
static int deed_children(bool is_first)
{
    word pid, error = 0, first = 0;
    unsigned count = 0;
    for (unsigned i = 0; i < 2000 || (is_first && i < 20000 && count < 3); i++) {
        error = spawn("fork", &pid);
        count += error == 0;
        first = first ? first : pid;
        if (error != 0 && error != E_AGAIN)
            break;
    }
    if (is_first)
        return error == E_AGAIN && count == 3 ? 0 : 1;
    wait_for_ever();
}

static void thread_main(void)
{
    for (;;)
        ;
}

static int deed_threads(void)
{
    struct message m;
    word error;
    unsigned count = 0;
    do
        m = (struct message){0, {(word)(uintptr_t)thread_main, 0}};
    while ((error = call(PROCESS_THREAD_START, &m, 2)) == 0 && ++count < MANY);
    for (unsigned i = 0; i < 1000; i++)
        (void)call(PROCESS_THREAD_START, &m, 2);
    return error == E_AGAIN && count > 0 && count < 64 ? 0 : 1;
}

/* Streams to its server, which never accepts one. */
static int deed_streams(void)
{
    struct message m;
    word error;
    unsigned count = 0;
    while ((error = named(PROCESS_CONNECT, "sink", &m)) == 0 && ++count < MANY)
        ;
    for (unsigned i = 0; i < 1000 && named(PROCESS_CONNECT, "sink", &m) == error; i++)
        ;
    return (error == E_NOMEM || error == E_CONNREFUSED) && count > 0 && count < 1000 ? 0 : 1;
}

static int serve_streams(void)
{
    struct message m;
    if (named(PROCESS_LISTEN, "sink", &m) != 0)
        return 1;
    wait_for_ever();
}

/* A connection that it closes before it accepted it, when the client is gone already: then it closes the listener,
 * whose list still has the connection. */
static int deed_backlog(void)
{
    struct message m;
    word pid, listener, error;
    for (unsigned i = 0; i < 3; i++) {
        if (named(PROCESS_LISTEN, "back", &m) != 0)
            return 1;
        listener = m.words[0];
        while ((error = spawn("knock", &pid)) == E_AGAIN)
            ;
        if (error != 0 || join(pid) != 0)
            return 2;
        m = (struct message){0, {listener}};
        if (call(PROCESS_PENDING, &m, 1) != 0 || m.words[0] != 1)
            return 3;
        m = (struct message){0, {0, 0}}; /* the first session's first stream: there is no other */
        if (call(PROCESS_STREAM_CLOSE, &m, 2) != 0)
            return 4;
        m = (struct message){0, {listener}};
        if (i == 1 && call(PROCESS_ACCEPT, &m, 1) != E_AGAIN)
            return 5;
        m = (struct message){0, {listener}};
        if (call(PROCESS_UNLISTEN, &m, 1) != 0)
            return 6;
    }
    return 0;
}

/* Pipes made and closed: as often as it likes. */
static int deed_pipes(void)
{
    struct process_stream ends[2];
    struct message m;
    for (unsigned i = 0; i < ROUNDS * 10; i++) {
        m = (struct message){0};
        if (call(PROCESS_PIPE, &m, 0) != 0)
            return 1;
        message_get(&m, 0, ends, sizeof(ends));
        for (unsigned k = 0; k < 2; k++) {
            m = (struct message){0, {ends[k].session, ends[k].stream}};
            if (call(PROCESS_STREAM_CLOSE, &m, 2) != 0)
                return 1;
        }
    }
    return 0;
}

static int knock(void)
{
    struct message m;
    return named(PROCESS_CONNECT, "back", &m) != 0;
}

/* Each has a child that has a child, as many as there is memory for: then the first is killed, and they all with it. */
_Noreturn static void deed_chain(void)
{
    word pid;
    (void)spawn("link", &pid);
    wait_for_ever();
}

/* Services, timers, names that it was not granted, operations that do not exist. */
static int deed_requests(void)
{
    struct message m;
    unsigned wrong = 0;
    for (unsigned i = 0; i < 500; i++) {
        wrong += named(PROCESS_CONNECT, "secret", &m) != E_NOTCAPABLE;
        wrong += named(PROCESS_SERVICE_OPEN, "secret", &m) != E_NOTCAPABLE;
        wrong += named(PROCESS_DEVICE_OPEN, "disk", &m) != E_NOTCAPABLE;
        m = (struct message){0};
        wrong += call(PROCESS_NET_OPEN, &m, 0) != E_NOTCAPABLE;
        wrong += call(PROCESS_TIMER, &m, 0) != 0;
        m = (struct message){0, {~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul}};
        (void)call((enum process_operation)(200 + i), &m, MESSAGE_REGISTERS);
        for (word operation = PROCESS_GROW; operation < 30; operation++) {
            m = (struct message){0, {~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul}};
            if (operation != PROCESS_THREAD_EXIT && operation != PROCESS_TRAP_THREAD &&
                operation != PROCESS_THREAD_START)
                (void)call((enum process_operation)operation, &m, MESSAGE_REGISTERS);
        }
    }
    return wrong > 0;
}

static int deed_lines(void)
{
    for (unsigned i = 0; i < LINES; i++)
        log_text("a line that nobody needs, and there are many more of them where it came from: %u\n", i);
    static const char steering[] = "it steers \033[2J\302\2332J a terminal\n";
    log_write(1, steering, sizeof(steering) - 1);
    return 0;
}

/* Faults in children, one after the other. */
static int deed_faults(void)
{
    word pid;
    for (unsigned i = 0; i < 100;) {
        word error = spawn("faulty", &pid);
        if (error != 0 ? error != E_AGAIN : join(pid) != 0)
            return 1;
        i += error == 0;
    }
    return 0;
}

/* ---- trap threads: a second thread is no second budget, and goes before nobody's ---- */

static volatile uint64_t trap_until, trap_count;

static uint64_t spin_until(uint64_t end)
{
    uint64_t count = 0;
    while (clock_ticks() < end)
        count++;
    return count;
}

static void trap_main(void)
{
    for (;;)
        if (clock_ticks() < trap_until)
            trap_count++;
}

static word trap_thread(void)
{
    static uint8_t stack[4096] __attribute__((aligned(16)));
    struct message m = {0, {(word)(uintptr_t)trap_main, (word)(uintptr_t)stack + sizeof(stack) - 16}};
    return call(PROCESS_TRAP_THREAD, &m, 2);
}

static int deed_trap(const struct start_page *start)
{
    uint64_t span = clock_ticks_of(100000000, start->timer_hz);
    uint64_t alone = spin_until(clock_ticks() + span);
    if (trap_thread() != 0)
        return 2;
    trap_until = clock_ticks() + span;
    uint64_t both = spin_until(trap_until) + trap_count;
    log_text("a trap thread makes %lu %% of the time\n", both * 100 / alone);
    return both > alone + alone / 4;
}

static int deed_trap_greedy(void)
{
    trap_until = ~0ul;
    if (trap_thread() != 0)
        return 2;
    thread_main();
    return 0;
}

static int worker(void)
{
    static volatile uint64_t work;
    while (work < 3000000)
        work++;
    return 0;
}

static int victim(const struct start_page *start)
{
    uint64_t begin = clock_ticks();
    word pid;
    for (unsigned i = 0; i < ROUNDS; i++)
        if (spawn("good", &pid) != 0 || join(pid) != 0)
            return 1;
    log_text("the victim was served %u times in %lu ms\n", (unsigned)ROUNDS,
             clock_ns(clock_ticks() - begin, start->timer_multiplier, start->timer_shift) / 1000000);
    return 0;
}

int program_main(const struct start_page *start)
{
    const char *deed = first_argument(start);
    if (text_equal(deed, "memory"))
        return deed_memory();
    if (text_equal(deed, "children") || text_equal(deed, "fork"))
        return deed_children(text_equal(deed, "children"));
    if (text_equal(deed, "threads"))
        return deed_threads();
    if (text_equal(deed, "streams"))
        return deed_streams();
    if (text_equal(deed, "sink"))
        return serve_streams();
    if (text_equal(deed, "backlog"))
        return deed_backlog();
    if (text_equal(deed, "knock"))
        return knock();
    if (text_equal(deed, "chain") || text_equal(deed, "link"))
        deed_chain();
    if (text_equal(deed, "pipes"))
        return deed_pipes();
    if (text_equal(deed, "requests"))
        return deed_requests();
    if (text_equal(deed, "lines"))
        return deed_lines();
    if (text_equal(deed, "faults"))
        return deed_faults();
    if (text_equal(deed, "trap"))
        return deed_trap(start);
    if (text_equal(deed, "trap-greedy"))
        return deed_trap_greedy();
    if (text_equal(deed, "worker"))
        return worker();
    if (text_equal(deed, "faulty"))
        __builtin_trap();
    if (text_equal(deed, "spin"))
        thread_main();
    return text_equal(deed, "victim") ? victim(start) : 0;
}
