/* Starts as many children as it may, and tries one more; the children sleep for a moment.
 *
 *     spawner             exit status 0 when the limit held, twice
 *     spawner sleep       a child
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <tessera.h>

enum { CHILDREN_MAX = 64, CHILD_MS = 20 };

static int child_start(void)
{
    struct tessera_process_handles child;
    static const char name[] = "sleeper", arguments[] = "spawner\nsleep";
    return tessera_proc_spawn(name, sizeof(name) - 1, 0, arguments, sizeof(arguments) - 1, "", 0, TESSERA_STDIO_NULL,
                              TESSERA_STDIO_INHERIT, TESSERA_STDIO_INHERIT, ".", 1, &child);
}

/* Starts children until refused, then waits for all. Returns how many there were; *error: the refusal. */
static uint32_t children_start(int *error)
{
    uint32_t started = 0, joined = 0;
    while (started < CHILDREN_MAX && (*error = child_start()) == 0)
        started++;
    for (; joined < started; joined++) {
        struct tessera_option_pid any_child = {0};
        struct tessera_join_status status;
        if (tessera_proc_join(&any_child, 0, &status) != 0 || status.type != TESSERA_JOIN_EXIT_NORMAL)
            break;
    }
    return joined == started ? started : 0;
}

/* The limit must hold, and must be the same again when all children have ended. */
static int run_spawn(void)
{
    int first_error, second_error;
    uint32_t first = children_start(&first_error), second = children_start(&second_error);
    printf("spawner: refused after %u children (errno %d), then after %u (errno %d)\n", (unsigned)first, first_error,
           (unsigned)second, second_error);
    return first > 0 && first == second && first_error == TESSERA_EAGAIN && second_error == TESSERA_EAGAIN ? 0 : 1;
}

static int run_sleep(void)
{
    const struct timespec pause = {.tv_nsec = CHILD_MS * 1000000l};
    return nanosleep(&pause, NULL) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "sleep") == 0 ? run_sleep() : run_spawn();
}
