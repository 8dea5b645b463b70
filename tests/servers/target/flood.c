/* Floods beside an innocent: programs that take all the processes, pipes, sessions and threads that they can get, each
 * until its limit refuses them, while the victim goes on spawning at its usual cost.
 *
 *     test-flood victim KIND...   for each kind: what a child costs before, lets the flood begin, what it costs then
 *     test-flood broad            children side by side
 *     test-flood deep             a child that has a child, and so on; also when all of them end at once
 *     test-flood waiting          children that wait for a channel that somebody may serve, but does not
 *     test-flood pipes            pipes to itself
 *     test-flood threads          children with all the threads that they can have
 *     test-flood left             children that leave sessions behind, which nobody closes
 *     test-flood calls            children that keep the process server busy, all of them with 10 % of the time: there
 *                                 the victim measures what is left for its own work instead
 *
 * The victim listens to "go-KIND" to let it begin, and to "end-KIND" to end it; who is done listens to "done-KIND".
 */
#include "calls.h"
#include "tessera/clock.h"

enum { ROUNDS = 10, MANY = 100000, LEAVES = 4, CALLERS = 30, LEFT_PERCENT = 88 };

/* ---- the victim ---------------------------------------------------------------------------------------------- */

/* Ticks of a child, the least of some rounds; 0: one could not be had. */
static uint64_t child_cost(void)
{
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t begin = clock_ticks(), ticks;
        word pid;
        if (spawn("good", &pid) != 0 || join(pid) != 0)
            return 0;
        ticks = clock_ticks() - begin;
        least = ticks < least ? ticks : least;
    }
    return least;
}

/* In a tenth of a second. */
static uint64_t work_done(const struct start_page *start)
{
    uint64_t begin = clock_ticks(), steps = 0;
    while (clock_ns(clock_ticks() - begin, start->timer_multiplier, start->timer_shift) < 100000000)
        steps++;
    return steps;
}

static bool is_left_alone(const char *kind, uint64_t before, uint64_t under)
{
    if (text_equal(kind, "calls")) {
        log_text("%lu steps of work, %lu beside '%s'\n", before, under, kind);
        return before && under * 100 >= before * LEFT_PERCENT;
    }
    log_text("a child costs %lu ticks, %lu beside '%s'\n", before, under, kind);
    return before && under && under <= before + before / 10;
}

static int victim(const struct start_page *start, const char *kinds, unsigned count)
{
    bool is_good = true;
    for (unsigned i = 0; i < count; i++, kinds += text_length(kinds) + 1) {
        bool is_work = text_equal(kinds, "calls");
        uint64_t before = is_work ? work_done(start) : child_cost();
        if (turn(PROCESS_LISTEN, "go", kinds) != 0 || turn(PROCESS_CONNECT, "done", kinds) != 0)
            return 1;
        uint64_t under = is_work ? work_done(start) : child_cost();
        is_good = is_left_alone(kinds, before, under) && is_good;
        if (turn(PROCESS_LISTEN, "end", kinds) != 0)
            return 1;
    }
    return is_good ? 0 : 2;
}

/* ---- floods -------------------------------------------------------------------------------------------------- */

static unsigned children(const char *kind, word *error)
{
    unsigned count = 0;
    char name[NAME_BYTES];
    word pid;
    text_format(name, sizeof(name), "%s-child", kind);
    while ((*error = spawn(name, &pid)) == 0 && ++count < MANY && !text_equal(kind, "deep"))
        ;
    return count;
}

static unsigned pipes(word *error)
{
    unsigned count = 0;
    struct message m;
    do
        m = (struct message){0};
    while ((*error = call(PROCESS_PIPE, &m, 0)) == 0 && ++count < MANY);
    return count;
}

/* Each leaves a session behind with the parent, who never closes it. */
static unsigned leaves(word *error)
{
    struct message m;
    unsigned count = 0;
    word pid;
    if ((*error = named(PROCESS_LISTEN, "left", &m)) != 0)
        return 0;
    word listener = m.words[0];
    while ((*error = spawn("leaf", &pid)) == 0 && join_status(pid, error) == 0 && *error == 0 && ++count < MANY)
        for (unsigned i = 0; i < LEAVES; i++) {
            m = (struct message){0, {listener}};
            (void)call(PROCESS_ACCEPT, &m, 1);
        }
    return count;
}

/* As many as it may have, each when it may have one. */
static unsigned callers(word *error)
{
    unsigned count = 0;
    word pid;
    while (count < CALLERS && ((*error = spawn("calls-child", &pid)) == 0 || *error == E_AGAIN))
        count += *error == 0;
    *error = spawn("calls-child", &pid);
    return count;
}

static int caller(void)
{
    struct process_stream ends[2];
    struct message m;
    for (;;) {
        m = (struct message){0};
        if (call(PROCESS_PIPE, &m, 0) != 0)
            return 1;
        message_get(&m, 0, ends, sizeof(ends));
        for (unsigned i = 0; i < 2; i++) {
            m = (struct message){0, {ends[i].session, ends[i].stream}};
            (void)call(PROCESS_STREAM_CLOSE, &m, 2);
        }
    }
}

static int leaf(void)
{
    struct message m;
    word error = 0;
    for (unsigned i = 0; i < LEAVES && !error; i++)
        error = named(PROCESS_CONNECT, "left", &m);
    return (int)error;
}

static int flood(const char *kind)
{
    word error;
    unsigned count;
    if (turn(PROCESS_CONNECT, "go", kind) != 0)
        return 1;
    if (text_equal(kind, "pipes"))
        count = pipes(&error);
    else if (text_equal(kind, "left"))
        count = leaves(&error);
    else if (text_equal(kind, "calls"))
        count = callers(&error);
    else
        count = children(kind, &error);
    log_text("%s: %u of them, then error %lu\n", kind, count, error);
    if (!text_equal(kind, "deep") && turn(PROCESS_LISTEN, "done", kind) != 0)
        return 1;
    if (turn(PROCESS_CONNECT, "end", kind) != 0)
        return 1;
    bool is_refused = error == E_NOMEM || error == E_AGAIN;
    return count > 0 && is_refused != text_equal(kind, "deep") ? 0 : 2;
}

/* The last generation says so. */
_Noreturn static void deeper(void)
{
    word pid;
    if (spawn("deep-child", &pid) != 0)
        (void)turn(PROCESS_LISTEN, "done", "deep");
    wait_for_ever();
}

static void thread_main(void)
{
    wait_for_ever();
}

_Noreturn static void threads(void)
{
    struct message m;
    do
        m = (struct message){0, {(word)(uintptr_t)thread_main, 0}};
    while (call(PROCESS_THREAD_START, &m, 2) == 0);
    wait_for_ever();
}

int program_main(const struct start_page *start)
{
    const char *first = (const char *)start + start->arguments.offset;
    const char *deed = start->arguments.count > 1 ? first + text_length(first) + 1 : first; /* a child: its name */
    struct message m;
    if (text_equal(deed, "victim"))
        return victim(start, deed + text_length(deed) + 1, start->arguments.count - 2);
    if (text_equal(deed, "good"))
        return 0;
    if (text_equal(deed, "calls-child"))
        return caller();
    if (text_equal(deed, "leaf"))
        return leaf();
    if (text_equal(deed, "deep-child"))
        deeper();
    if (text_equal(deed, "broad-child"))
        wait_for_ever();
    if (text_equal(deed, "waiting-child"))
        return named(PROCESS_CONNECT, "never", &m) == 0;
    if (text_equal(deed, "threads-child"))
        threads();
    return flood(deed);
}
