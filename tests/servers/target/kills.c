/* Children that are killed at moments of chance, whatever they and their own children are in the middle of: everything
 * of theirs comes back. The test looks for the process server's account at the end.
 *
 *     test-kills kills N      starts and kills N of them, some at a time
 *     worker                  does what it can think of, without end, or until it has had enough
 */
#include "calls.h"
#include "tessera/clock.h"

enum { AT_A_TIME = 6, THREADS = 3 };

static uint64_t chance_state;

static uint32_t chance(uint32_t below)
{
    chance_state = chance_state * 6364136223846793005ul + 1442695040888963407ul; /* Knuth's MMIX */
    return (uint32_t)(chance_state >> 33) % below;
}

static void spin(uint32_t most)
{
    for (volatile uint32_t i = chance(most); i > 0; i--)
        ;
}

/* ---- a worker ------------------------------------------------------------------------------------------------ */

static void thread_main(void)
{
    for (;;)
        spin(1000);
}

static void child(void)
{
    word pid;
    if (spawn("worker", &pid) != 0)
        return;
    spin(20000);
    struct message m = {0, {pid, 9}};
    if (chance(2))
        (void)call(PROCESS_SIGNAL, &m, 2);
    if (chance(2))
        (void)join(pid);
}

static void pipe_between(void)
{
    struct message m = {0};
    if (call(PROCESS_PIPE, &m, 0) != 0)
        return;
    m = (struct message){0, {m.words[0], m.words[2]}};
    if (chance(2))
        (void)call(PROCESS_STREAM_CLOSE, &m, 2);
}

static void memory(void)
{
    static word pages;
    struct message m = {0, {PROCESS_HEAP_BASE, pages, 1}};
    if (call(PROCESS_GROW, &m, 3) == 0)
        *(volatile uint8_t *)(PROCESS_HEAP_BASE + pages++ * 65536ul) = 1;
}

static void one_deed(void)
{
    struct message m = {0};
    switch (chance(8)) {
    case 0:
        child();
        return;
    case 1:
        pipe_between();
        return;
    case 2:
        memory();
        return;
    case 3:
        m.words[0] = (word)(uintptr_t)thread_main;
        (void)call(PROCESS_THREAD_START, &m, 2);
        return;
    case 4:
        (void)call(PROCESS_TIMER, &m, 0);
        return;
    case 5:
        (void)named(PROCESS_CONNECT, "kills", &m);
        return;
    case 6:
        spin(5000);
        return;
    default:
        if (chance(20) == 0)
            __builtin_trap();
    }
}

/* ---- who kills them ------------------------------------------------------------------------------------------ */

static void accept_some(word listener)
{
    struct message m = {0, {listener}};
    while (call(PROCESS_ACCEPT, &m, 1) == 0) {
        m = (struct message){0, {m.words[0], m.words[2]}};
        if (chance(2))
            (void)call(PROCESS_STREAM_CLOSE, &m, 2);
        m = (struct message){0, {listener}};
    }
}

static bool end(word pid)
{
    struct message m = {0, {pid, 9}};
    (void)call(PROCESS_SIGNAL, &m, 2); /* it may have ended */
    return join(pid) == 0;
}

static int kills(unsigned count)
{
    word pids[AT_A_TIME] = {0};
    struct message m;
    unsigned ended = 0;
    if (named(PROCESS_LISTEN, "kills", &m) != 0)
        return 1;
    word listener = m.words[0];
    for (unsigned i = 0; i < count + AT_A_TIME; i++) {
        word *pid = &pids[i < count ? chance(AT_A_TIME) : i - count];
        if (*pid)
            ended += end(*pid);
        *pid = 0;
        if (i < count && spawn("worker", pid) != 0)
            *pid = 0;
        accept_some(listener);
        spin(40000);
    }
    log_text("%u killed\n", ended);
    return ended > count / 2 ? 0 : 1;
}

static unsigned number(const char *text)
{
    unsigned value = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (unsigned)(*text - '0');
    return value;
}

int program_main(const struct start_page *start)
{
    const char *first = (const char *)start + start->arguments.offset;
    chance_state = start->start_ticks ^ (uint64_t)start->pid << 32;
    if (text_equal(first, "kills"))
        return kills(number(first + text_length(first) + 1));
    for (;;)
        one_deed();
}
