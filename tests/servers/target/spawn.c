/* Children by the thousand: exit status, trap, kill, pipes, limits. The system checks at its end that all memory came
 * back; the test looks for that line.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tessera.h>

#include "demos/lib/check.h"

#define LIMIT 3

static int run(const char *args, uint32_t in, uint32_t out, struct tessera_process_handles *handles)
{
    return tessera_proc_spawn("child", 5, 0, args, (uint32_t)strlen(args), "", 0, in, out, TESSERA_STDIO_INHERIT, ".",
                              1, handles);
}

static struct tessera_join_status join(uint32_t pid)
{
    struct tessera_option_pid which = {1, pid};
    struct tessera_join_status status = {0};
    if (tessera_proc_join(&which, 0, &status) != 0)
        status.type = 99;
    return status;
}

static int quiet(const char *args, struct tessera_process_handles *handles)
{
    return run(args, TESSERA_STDIO_NULL, TESSERA_STDIO_INHERIT, handles);
}

static void endings(struct check *check)
{
    struct tessera_process_handles handles;
    struct tessera_join_status status;
    check_u64(check, "spawn a child that exits with 7", 0, (uint64_t)quiet("child\nexit\n7", &handles));
    status = join(handles.pid);
    check_true(check, "joined: exit 7", status.type == TESSERA_JOIN_EXIT_NORMAL && status.exit_code == 7);
    check_u64(check, "spawn a child that traps", 0, (uint64_t)quiet("child\ntrap", &handles));
    status = join(handles.pid);
    check_true(check, "joined: trap", status.type == TESSERA_JOIN_EXIT_SIGNAL && status.signal == TESSERA_SIGNAL_TRAP);
    check_u64(check, "a signal to one that is gone", TESSERA_ESRCH, (uint64_t)tessera_proc_signal(handles.pid, 9));
    check_u64(check, "spawn a child to be killed", 0,
              (uint64_t)run("child\ncat", TESSERA_STDIO_PIPED, TESSERA_STDIO_INHERIT, &handles));
    check_u64(check, "it is there", 0, (uint64_t)tessera_proc_signal(handles.pid, 0));
    check_u64(check, "a signal that nobody could handle", TESSERA_ENOTSUP,
              (uint64_t)tessera_proc_signal(handles.pid, 19));
    check_u64(check, "no signal", TESSERA_EINVAL, (uint64_t)tessera_proc_signal(handles.pid, 31));
    check_u64(check, "killed", 0, (uint64_t)tessera_proc_signal(handles.pid, 15));
    status = join(handles.pid);
    check_true(check, "joined: signal 15", status.type == TESSERA_JOIN_EXIT_SIGNAL && status.signal == 15);
    check_u64(check, "joined twice: type", 99, join(handles.pid).type);
    check_u64(check, "spawn a child that reads", 0,
              (uint64_t)run("child\ncat", TESSERA_STDIO_PIPED, TESSERA_STDIO_INHERIT, &handles));
    struct tessera_option_pid which = {1, handles.pid};
    check_u64(check, "join without waiting", 0,
              (uint64_t)tessera_proc_join(&which, TESSERA_JOIN_NON_BLOCKING, &status));
    check_u64(check, "it still runs", TESSERA_JOIN_NOTHING, status.type);
    close((int)handles.stdin_pipe.fd);
    check_u64(check, "join waits for its end", TESSERA_JOIN_EXIT_NORMAL, join(handles.pid).type);
}

static void pipes(struct check *check)
{
    struct tessera_process_handles handles;
    char text[32] = {0};
    check_u64(check, "spawn a child with pipes", 0,
              (uint64_t)run("child\ncat", TESSERA_STDIO_PIPED, TESSERA_STDIO_PIPED, &handles));
    check_true(check, "two pipes", handles.stdin_pipe.is_some && handles.stdout_pipe.is_some);
    check_true(check, "write to it", write((int)handles.stdin_pipe.fd, "through the child", 17) == 17);
    close((int)handles.stdin_pipe.fd);
    size_t length = 0;
    for (ssize_t part; (part = read((int)handles.stdout_pipe.fd, text + length, sizeof(text) - 1 - length)) > 0;)
        length += (size_t)part;
    check_true(check, "read it back to the end", strcmp(text, "through the child") == 0);
    close((int)handles.stdout_pipe.fd);
    check_u64(check, "it exits with 0", 0, join(handles.pid).exit_code);
}

static void limits(struct check *check)
{
    struct tessera_process_handles handles[LIMIT + 1];
    for (int i = 0; i < LIMIT; i++)
        check_u64(check, "up to the limit", 0, (uint64_t)quiet("child\nsleep", &handles[i]));
    check_u64(check, "one more", TESSERA_EAGAIN, (uint64_t)quiet("child\nsleep", &handles[LIMIT]));
    for (int i = 0; i < LIMIT; i++)
        (void)join(handles[i].pid);
    check_u64(check, "and then again", 0, (uint64_t)quiet("child\nexit\n0", &handles[0]));
    (void)join(handles[0].pid);
    check_u64(check, "a program that does not exist", TESSERA_ENOENT,
              (uint64_t)tessera_proc_spawn("nobody", 6, 0, "", 0, "", 0, 2, 2, 2, ".", 1, handles));
    check_u64(check, "one that asks for what we do not hold", TESSERA_ENOTCAPABLE,
              (uint64_t)tessera_proc_spawn("greedy", 6, 0, "", 0, "", 0, 2, 2, 2, ".", 1, handles));
}

/* A child with a child of its own, which waits for ever, traps: the grandchild ends with it. */
static void family(struct check *check)
{
    struct tessera_process_handles handles;
    unsigned good = 0;
    for (int i = 0; i < 20; i++)
        good += tessera_proc_spawn("family", 6, 0, "family", 6, "", 0, TESSERA_STDIO_NULL, TESSERA_STDIO_INHERIT,
                                   TESSERA_STDIO_INHERIT, ".", 1, &handles) == 0 &&
                join(handles.pid).signal == TESSERA_SIGNAL_TRAP;
    check_u64(check, "families that end together", 20, good);
}

static int have_child_and_trap(void)
{
    struct tessera_process_handles handles;
    if (run("child\ncat", TESSERA_STDIO_PIPED, TESSERA_STDIO_PIPED, &handles) != 0)
        return 1;
    __builtin_trap();
}

static void thousands(struct check *check, unsigned count)
{
    unsigned good = 0;
    for (unsigned i = 0; i < count; i++) {
        struct tessera_process_handles handles;
        if (quiet(i % 16 == 15 ? "child\ntrap-quietly" : "child\nexit\n3", &handles) == 0 &&
            join(handles.pid).type != 99)
            good++;
    }
    check_u64(check, "children in all", count, good);
}

/* Enough for several pages of linear memory, some of which nobody touches in most children. */
static unsigned char space[300000];
static int initial = 42;

/* As the module says, and whatever another child left of itself is gone; then leaves as much as it can. */
static int look_and_scribble(void)
{
    unsigned wrong = initial != 42;
    for (unsigned i = 0; i < sizeof(space); i++)
        wrong += space[i] != 0;
    initial = 7;
    memset(space, 0xa5, sizeof(space));
    return wrong ? 1 : 0;
}

/* Children of one module, one after the other and two at a time. */
static void strangers(struct check *check)
{
    unsigned clean = 0;
    for (int i = 0; i < 6; i++) {
        struct tessera_process_handles handles[2];
        for (int k = 0; k < 1 + i % 2; k++)
            if (quiet("child\nscribble", &handles[k]) != 0)
                return check_true(check, "children that look for others' traces", 0);
        for (int k = 0; k < 1 + i % 2; k++) {
            struct tessera_join_status status = join(handles[k].pid);
            clean += status.type == TESSERA_JOIN_EXIT_NORMAL && status.exit_code == 0;
        }
    }
    check_u64(check, "children that found no traces of others", 9, clean);
}

static int child(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    char buffer[100];
    if (strcmp(what, "exit") == 0)
        return argc > 2 ? atoi(argv[2]) : 0;
    if (strcmp(what, "trap") == 0 || strcmp(what, "trap-quietly") == 0)
        __builtin_trap();
    if (strcmp(what, "scribble") == 0)
        return look_and_scribble();
    if (strcmp(what, "sleep") == 0)
        usleep(3000);
    if (strcmp(what, "cat") == 0)
        for (ssize_t got; (got = read(0, buffer, sizeof(buffer))) > 0;)
            if (write(1, buffer, (size_t)got) != got)
                return 1;
    return 0;
}

int main(int argc, char **argv)
{
    struct check check = {0};
    if (strcmp(argv[0], "child") == 0)
        return child(argc, argv);
    if (strcmp(argv[0], "family") == 0)
        return have_child_and_trap();
    check_group(&check, "spawn");
    endings(&check);
    pipes(&check);
    limits(&check);
    family(&check);
    strangers(&check);
    thousands(&check, argc > 1 ? (unsigned)atoi(argv[1]) : 100);
    return check_finish(&check, "spawn");
}
