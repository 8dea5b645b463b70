/* Children by the thousand: exit status, trap, kill, pipes, limits. The system checks at its end that all memory came
 * back; the test looks for that line.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tessera.h>

#include "demos/lib/check.h"
#include "tests/harness/file_is.h"

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

/* ---- proc_spawn2 --------------------------------------------------------------------------------------------- */

struct end {
    uint32_t fd, from;
};

static int run2(const char *args, size_t length, const char *envs, const struct end *ends, unsigned count,
                uint32_t *pid)
{
    struct tessera_spawn_operation operations[4] = {0};
    for (unsigned i = 0; i < count; i++)
        operations[i] =
            (struct tessera_spawn_operation){.name = TESSERA_SPAWN_DUP2, .fd = ends[i].fd, .from_fd = ends[i].from};
    return tessera_proc_spawn2("child", 5, args, (uint32_t)length, envs, envs ? (uint32_t)strlen(envs) : 0, operations,
                               count, NULL, 0, 0, NULL, 0, pid);
}

static int run2_text(const char *args, const char *envs, const struct end *ends, unsigned count, uint32_t *pid)
{
    return run2(args, strlen(args), envs, ends, count, pid);
}

static void environments(struct check *check)
{
    static char long_args[30000];
    uint32_t pid, own, parent;
    check_u64(check, "spawn2 with an environment", 0,
              (uint64_t)run2_text("child\nenv\nONE=1\nTWO=a b=c", "ONE=1\nTWO=a b=c", NULL, 0, &pid));
    check_u64(check, "it has that and no other", 0, join(pid).exit_code);
    check_u64(check, "spawn2 with an empty one", 0, (uint64_t)run2_text("child\nenv", "", NULL, 0, &pid));
    check_u64(check, "it has none", 0, join(pid).exit_code);
    check_u64(check, "spawn2 without one", 0,
              (uint64_t)run2_text("child\nenv\nFROM=the description", NULL, NULL, 0, &pid));
    check_u64(check, "it has the description's", 0, join(pid).exit_code);
    memcpy(long_args, "child\nlength\n20000\n", 19);
    memset(long_args + 19, 'x', sizeof(long_args) - 19);
    check_u64(check, "an argument of 20000 bytes", 0, (uint64_t)run2(long_args, 20019, NULL, NULL, 0, &pid));
    check_u64(check, "it arrived", 0, join(pid).exit_code);
    check_u64(check, "more than there is room for", TESSERA_E2BIG,
              (uint64_t)run2(long_args, sizeof(long_args), NULL, NULL, 0, &pid));
    check_true(check, "its own number", tessera_proc_id(&own) == 0 && own != 0);
    check_true(check, "nobody is its parent", tessera_proc_parent(own, &parent) == 0 && parent == 0);
    check_u64(check, "a stranger's parent", TESSERA_ESRCH, (uint64_t)tessera_proc_parent(own + 1000, &parent));
    snprintf(long_args, sizeof(long_args), "child\nparent\n%u", own);
    check_u64(check, "a child that looks for its parent", 0, (uint64_t)run2_text(long_args, NULL, NULL, 0, &pid));
    check_u64(check, "found it", 0, join(pid).exit_code);
}

static size_t read_whole(int fd, char *to, size_t size)
{
    size_t length = 0;
    for (ssize_t part; length < size && (part = read(fd, to + length, size - length)) > 0;)
        length += (size_t)part;
    return length;
}

/* pipe 0 -> child -> pipe 1 -> child -> pipe 2; the first has something in it before anybody has it. */
static void pipeline(struct check *check)
{
    enum { PART = 15000 };
    static char sent[2 * PART], got[2 * PART + 1];
    uint32_t from[3], to[3], pids[2] = {0};
    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (char)(i * 7 + i / 256);
    for (int i = 0; i < 3; i++)
        check_u64(check, "a pipe", 0, (uint64_t)tessera_fd_pipe(&from[i], &to[i]));
    check_true(check, "some of it", write((int)to[0], sent, PART) == PART);
    for (int i = 0; i < 2; i++)
        check_u64(check, "a child between two pipes", 0,
                  (uint64_t)run2_text("child\ncat", NULL, (struct end[]){{0, from[i]}, {1, to[i + 1]}}, 2, &pids[i]));
    check_true(check, "the rest", write((int)to[0], sent + PART, PART) == PART);
    check_true(check, "what was given is not ours", read((int)from[0], got, 1) == -1 && errno == EBADF);
    for (int i = 0; i < 2; i++)
        close((int)from[i]);
    for (int i = 0; i < 3; i++)
        close((int)to[i]);
    check_true(check, "it comes out as it went in, to the end",
               read_whole((int)from[2], got, sizeof(got)) == sizeof(sent) && memcmp(sent, got, sizeof(sent)) == 0);
    close((int)from[2]);
    check_true(check, "both end", join(pids[0]).exit_code == 0 && join(pids[1]).exit_code == 0);
}

static void pipes_of_one(struct check *check)
{
    char text[8] = {0};
    uint32_t from, to, pid;
    struct tessera_process_handles handles;
    struct tessera_spawn_operation give = {.name = TESSERA_SPAWN_DUP2, .fd = 1};
    check_u64(check, "a pipe to ourselves", 0, (uint64_t)tessera_fd_pipe(&from, &to));
    check_true(check, "there and back", write((int)to, "abc", 3) == 3 && read((int)from, text, 8) == 3);
    check_true(check, "the wrong way", write((int)from, "abc", 3) == -1 && read((int)to, text, 1) == -1);
    check_u64(check, "the wrong end", TESSERA_ENOTCAPABLE,
              (uint64_t)run2_text("child", NULL, (struct end[]){{0, to}}, 1, &pid));
    check_u64(check, "nothing", TESSERA_EBADF, (uint64_t)run2_text("child", NULL, (struct end[]){{0, 999}}, 1, &pid));
    give.from_fd = to;
    check_u64(check, "no such program", TESSERA_ENOENT,
              (uint64_t)tessera_proc_spawn2("nobody", 6, "", 0, NULL, 0, &give, 1, NULL, 0, 0, NULL, 0, &pid));
    check_u64(check, "one that may not be", TESSERA_ENOTCAPABLE,
              (uint64_t)tessera_proc_spawn2("greedy", 6, "", 0, NULL, 0, &give, 1, NULL, 0, 0, NULL, 0, &pid));
    check_true(check, "after that it is ours still", write((int)to, "def", 3) == 3 && read((int)from, text, 8) == 3);
    close((int)to);
    check_true(check, "the end of it", read((int)from, text, 8) == 0);
    close((int)from);
    /* The end of one child's pipe becomes another's input. */
    check_u64(check, "a child that writes to us", 0,
              (uint64_t)run("child\nsay", TESSERA_STDIO_NULL, TESSERA_STDIO_PIPED, &handles));
    check_u64(check, "a pipe", 0, (uint64_t)tessera_fd_pipe(&from, &to));
    check_u64(check, "to another", 0,
              (uint64_t)run2_text("child\ncat", NULL, (struct end[]){{0, handles.stdout_pipe.fd}, {1, to}}, 2, &pid));
    check_true(check, "and on to us", read_whole((int)from, text, sizeof(text)) == 5 && memcmp(text, "said\n", 5) == 0);
    close((int)handles.stdout_pipe.fd);
    close((int)from);
    close((int)to);
    check_true(check, "both end", join(pid).exit_code == 0 && join(handles.pid).exit_code == 0);
}

/* ---- files as standard streams ------------------------------------------------------------------------------- */

enum { FOLLOW = 1, CREATE = 1, DIRECTORY = 2, TRUNCATE = 8, APPEND = 1, READ = 2, WRITE = 64 };

static struct tessera_spawn_operation with_path(unsigned name, uint32_t fd, const char *path, unsigned open,
                                                uint64_t rights)
{
    return (struct tessera_spawn_operation){.name = (uint8_t)name,
                                            .fd = fd,
                                            .path = (uint32_t)(uintptr_t)path,
                                            .path_len = (uint32_t)strlen(path),
                                            .dirflags = FOLLOW,
                                            .oflags = (uint16_t)open,
                                            .rights_base = rights};
}

static int run_operations(const char *args, const struct tessera_spawn_operation *operations, unsigned count)
{
    uint32_t pid;
    int error = tessera_proc_spawn2("child", 5, args, (uint32_t)strlen(args), "A=1", 3, operations, count, NULL, 0, 0,
                                    NULL, 0, &pid);
    return error ? -error : join(pid).exit_code;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (file) {
        (void)fputs(text, file);
        (void)fclose(file);
    }
}

static void files(struct check *check)
{
    struct tessera_spawn_operation in = with_path(TESSERA_SPAWN_OPEN, 0, "/data/in", 0, READ),
                                   out = with_path(TESSERA_SPAWN_OPEN, 1, "/data/out", CREATE | TRUNCATE, WRITE);
    struct tessera_spawn_operation operations[4] = {in, out};
    write_file("/data/in", "through files");
    write_file("/data/out", "what was there before, and longer");
    check_true(check, "a child from file to file", run_operations("child\ncat", operations, 2) == 0);
    check_true(check, "it has all of it, and nothing else", file_is("/data/out", "through files"));
    operations[1].oflags = 0;
    operations[1].fdflags = APPEND;
    check_true(check, "and behind it", run_operations("child\ncat", operations, 2) == 0);
    check_true(check, "it is there twice", file_is("/data/out", "through filesthrough files"));
    operations[0] = with_path(TESSERA_SPAWN_CHDIR, 0, "data/sub/", 0, 0);
    operations[1] = with_path(TESSERA_SPAWN_OPEN, 1, "out", CREATE, WRITE);
    check_u64(check, "a folder", 0, (uint64_t)mkdir("/data/sub", 0700));
    check_true(check, "a child in a folder", run_operations("child\nenv\nPWD=/data/sub\nA=1", operations, 1) == 0);
    check_true(check, "whose file is there",
               run_operations("child\nsay", operations, 2) == 0 && file_is("/data/sub/out", "said\n"));
    operations[0] = with_path(TESSERA_SPAWN_OPEN, 0, "/data/none", 0, READ);
    check_true(check, "no such file", run_operations("child\ncat", operations, 1) == -TESSERA_ENOENT);
    operations[0] = with_path(TESSERA_SPAWN_OPEN, 0, "/data/../etc", 0, READ);
    check_true(check, "no way out", run_operations("child\ncat", operations, 1) == -TESSERA_ENOTCAPABLE);
    operations[0] = with_path(TESSERA_SPAWN_OPEN, 0, "/elsewhere", 0, READ);
    check_true(check, "no directory of ours", run_operations("child\ncat", operations, 1) == -TESSERA_ENOTCAPABLE);
    operations[0] = with_path(TESSERA_SPAWN_CHDIR, 0, "/data/in", 0, 0);
    check_true(check, "no folder", run_operations("child\ncat", operations, 1) == -TESSERA_ENOTDIR);
    operations[0] = in;
    operations[0].path = 0xffffff00;
    operations[0].path_len = 0x1000;
    check_true(check, "no path", run_operations("child\ncat", operations, 1) == -TESSERA_EFAULT);
    operations[0] = with_path(TESSERA_SPAWN_OPEN, 7, "/data/in", 0, READ);
    check_true(check, "a number that it does not have",
               run_operations("child\ncat", operations, 1) == -TESSERA_ENOTSUP);
    operations[0] = with_path(TESSERA_SPAWN_FCHDIR, 3, "", 0, 0);
    check_true(check, "a folder by number", run_operations("child\ncat", operations, 1) == -TESSERA_ENOTSUP);
    operations[0] = in;
    operations[1] = (struct tessera_spawn_operation){.name = TESSERA_SPAWN_CLOSE, .fd = 0};
    check_true(check, "opened and closed", run_operations("child\ncat", operations, 2) == 0);
    operations[1] = out;
    operations[2] = (struct tessera_spawn_operation){.name = TESSERA_SPAWN_DUP2, .fd = 2, .from_fd = 1};
    check_true(check, "one file, two numbers", run_operations("child\nboth", operations, 3) == 0);
    check_true(check, "one position in it", file_is("/data/out", "out error out error."));
    operations[3] = (struct tessera_spawn_operation){.name = TESSERA_SPAWN_CLOSE, .fd = 1};
    check_true(check, "the second alone", run_operations("child\nboth", operations, 4) == 0);
    check_true(check, "is as good", file_is("/data/out", " error error."));
}

/* One end as output and errors, from the parent's number and from the child's own. */
static void pipe_for_both(struct check *check)
{
    for (uint32_t own = 0; own < 2; own++) {
        char text[32] = {0};
        uint32_t from, to, pid;
        check_u64(check, "a pipe", 0, (uint64_t)tessera_fd_pipe(&from, &to));
        check_u64(check, "both into it", 0,
                  (uint64_t)run2_text("child\nboth", NULL, (struct end[]){{1, to}, {2, own ? 1 : to}}, 2, &pid));
        check_true(check, "all of both",
                   read_whole((int)from, text, sizeof(text) - 1) == 20 && strcmp(text, "out error out error.") == 0);
        check_u64(check, "and its end", 0, join(pid).exit_code);
        close((int)from);
        close((int)to);
    }
}

/* A reader whose writer is killed finds the end; a writer whose reader is, a closed pipe. */
static void broken_pipes(struct check *check)
{
    unsigned good = 0;
    for (int i = 0; i < 20; i++) {
        char text[8];
        uint32_t from[2], to[2], pid;
        if (tessera_fd_pipe(&from[0], &to[0]) != 0 || tessera_fd_pipe(&from[1], &to[1]) != 0 ||
            run2_text("child\ncat", NULL, (struct end[]){{0, from[0]}, {1, to[1]}}, 2, &pid) != 0)
            break;
        bool is_there = write((int)to[0], "x", 1) == 1 && read((int)from[1], text, 8) == 1;
        (void)tessera_proc_signal(pid, 9);
        good += is_there && read((int)from[1], text, 8) == 0 && write((int)to[0], "x", 1) == -1 && errno == EPIPE &&
                join(pid).signal == 9;
        for (int k = 0; k < 2; k++) {
            close((int)from[k]);
            close((int)to[k]);
        }
    }
    check_u64(check, "pipes of children that were killed", 20, good);
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

/* Its environment is what the arguments from 2 on are. */
static int has_environment(int argc, char **argv)
{
    int count = 0;
    while (environ && environ[count])
        count++;
    if (count != argc - 2)
        return 1;
    for (int i = 0; i < count; i++)
        if (strcmp(environ[i], argv[i + 2]) != 0)
            return 2;
    return 0;
}

static int has_parent(unsigned wanted)
{
    uint32_t own, parent;
    return tessera_proc_id(&own) != 0 || own == wanted || tessera_proc_parent(own, &parent) != 0 || parent != wanted;
}

/* On both streams, the second of which goes on without the first. */
static int say_both(void)
{
    (void)write(1, "out", 3);
    (void)write(2, " error", 6);
    (void)write(1, " out", 4);
    (void)write(2, " error", 6);
    (void)close(1);
    return write(2, ".", 1) != 1 || write(1, "x", 1) != -1;
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
    if (strcmp(what, "env") == 0)
        return has_environment(argc, argv);
    if (strcmp(what, "length") == 0)
        return argc != 4 || strlen(argv[3]) != (size_t)atoi(argv[2]);
    if (strcmp(what, "parent") == 0)
        return has_parent((unsigned)atoi(argv[2]));
    if (strcmp(what, "say") == 0)
        return write(1, "said\n", 5) != 5;
    if (strcmp(what, "both") == 0)
        return say_both();
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
    environments(&check);
    pipeline(&check);
    pipes_of_one(&check);
    pipe_for_both(&check);
    broken_pipes(&check);
    files(&check);
    limits(&check);
    family(&check);
    strangers(&check);
    thousands(&check, argc > 1 ? (unsigned)atoi(argv[1]) : 100);
    return check_finish(&check, "spawn");
}
