/* Starts one hostile child after another and checks how each ends: every case of edges.wat, and each trap of
 * hostile.c, many times over, so that what a child leaves behind would be noticed. Keeps the channel "bell"
 * connected meanwhile: its end tells the neighbours that the show is over.
 *
 *     warden ROUNDS
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tessera.h>

enum { EDGE_OPERATIONS = 15, EDGES = 10, BULK_FIRST = 150, BULK_END = 154 };

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

int main(int argc, char **argv)
{
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
    close((int)bell);
    printf("warden: %u hostile children contained, %u not\n", contained, escaped);
    return escaped == 0 && contained > 0 ? 0 : 1;
}
