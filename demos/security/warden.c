/* Starts one hostile child after another and checks how each ends: every case of edges.wat, each trap of hostile.c,
 * many times over, so that what a child leaves behind would be noticed, and every deed of the native outlaw. Keeps the
 * channel "bell" connected meanwhile, and for at least LEAST_MS: its end tells the neighbours that the show is over.
 *
 *     warden ROUNDS LEAST_MS
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tessera.h>

enum { EDGE_OPERATIONS = 15, EDGES = 10, BULK_FIRST = 150, BULK_END = 154 };

/* What a deed of the outlaw must come to (native/outlaw.h). */
enum outcome { MUST_FAULT, MUST_RETURN, MAY_FAULT, NO_DEED = 100 };
enum { ESCAPED = 99 };

static unsigned contained, escaped;

/* Runs a child to its end. Returns 0 or the errno of spawn or join. */
static int child_run(const char *program, const char *argument, struct tessera_join_status *status)
{
    struct tessera_process_handles handles;
    char arguments[96];
    int len = snprintf(arguments, sizeof(arguments), "%s\n%s", program, argument);
    int error = tessera_proc_spawn(program, (uint32_t)strlen(program), 0, arguments, (uint32_t)len, "", 0,
                                   TESSERA_STDIO_NULL, TESSERA_STDIO_INHERIT, TESSERA_STDIO_INHERIT, ".", 1, &handles);
    if (error != 0)
        return error;
    struct tessera_option_pid pid = {.is_some = 1, .pid = handles.pid};
    return tessera_proc_join(&pid, 0, status);
}

static void expect(const char *program, const char *argument, bool traps)
{
    struct tessera_join_status status = {0};
    int error = child_run(program, argument, &status);
    bool has_trapped = status.type == TESSERA_JOIN_EXIT_SIGNAL && status.signal == TESSERA_SIGNAL_TRAP;
    bool has_ended = status.type == TESSERA_JOIN_EXIT_NORMAL && status.exit_code == 0;
    if (error == 0 && (traps ? has_trapped : has_ended)) {
        contained++;
        return;
    }
    escaped++;
    printf("warden: %s %s: errno %d, end %u, exit status %u, signal %u\n", program, argument, error, status.type,
           status.exit_code, status.signal);
}

static bool is_outcome(enum outcome outcome, const struct tessera_join_status *status)
{
    bool is_killed = status->type == TESSERA_JOIN_EXIT_SIGNAL && status->signal == TESSERA_SIGNAL_KILL;
    bool has_ended = status->type == TESSERA_JOIN_EXIT_NORMAL && status->exit_code != ESCAPED;
    return outcome == MUST_FAULT ? is_killed : outcome == MUST_RETURN ? has_ended : is_killed || has_ended;
}

/* One deed of the outlaw: asks what must come of it, then has it done. False: there is no such deed. */
static bool run_deed(unsigned number)
{
    struct tessera_join_status status = {0};
    char ask[32], act[32];
    snprintf(ask, sizeof(ask), "ask\n%u", number);
    snprintf(act, sizeof(act), "do\n%u", number);
    int error = child_run("outlaw", ask, &status);
    unsigned outcome = status.exit_code;
    if (error == 0 && status.type == TESSERA_JOIN_EXIT_NORMAL && outcome == NO_DEED)
        return false;
    bool is_answer = error == 0 && status.type == TESSERA_JOIN_EXIT_NORMAL && outcome <= MAY_FAULT;
    if (is_answer)
        error = child_run("outlaw", act, &status);
    if (is_answer && error == 0 && is_outcome((enum outcome)outcome, &status)) {
        contained++;
        return true;
    }
    escaped++;
    printf("warden: deed %u of the outlaw: errno %d, end %u, exit status %u, signal %u\n", number, error, status.type,
           status.exit_code, status.signal);
    return is_answer;
}

static void run_edges(void)
{
    char argument[16];
    for (unsigned number = 0; number < BULK_END; number++) {
        snprintf(argument, sizeof(argument), "%u", number);
        expect("edges", argument, number >= BULK_FIRST || number % EDGES != 0);
    }
}

static void run_traps(void)
{
    static const char *const traps[] = {"recurse",     "bad-call", "null-call", "far-call",
                                        "unreachable", "divide",   "overflow",  "convert"};
    for (size_t i = 0; i < sizeof(traps) / sizeof(traps[0]); i++)
        expect("child", traps[i], true);
    expect("child", "exit", false);
}

static uint64_t now_ms(void)
{
    struct timespec now = {0};
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        abort();
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Sleeps until the monotonic clock says so. */
static void wait_until(uint64_t end_ms)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    while (now_ms() < end_ms)
        nanosleep(&pause, NULL);
}

int main(int argc, char **argv)
{
    uint64_t least_ms = argc > 2 ? strtoull(argv[2], NULL, 10) : 0, start_ms = now_ms();
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    uint32_t bell;
    _Static_assert(EDGE_OPERATIONS * EDGES == BULK_FIRST, "as in edges.wat");
    if (tessera_channel_connect("bell", 4, &bell) != 0) {
        printf("warden: cannot reach the neighbours\n");
        return 1;
    }
    run_edges();
    for (unsigned round = 0; round < rounds; round++)
        run_traps();
    unsigned deeds = 0;
    while (run_deed(deeds))
        deeds++;
    printf("warden: the outlaw did %u deeds\n", deeds);
    wait_until(start_ms + least_ms);
    close((int)bell);
    printf("warden: %u hostile children contained, %u not\n", contained, escaped);
    return escaped == 0 && contained > 0 && deeds > 0 ? 0 : 1;
}
