/* posix_spawn, waitpid, pipe, popen and system, by which programs written for POSIX start others. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "demos/lib/check.h"
#include "tests/harness/file_is.h"

/* ---- a child ------------------------------------------------------------------------------------------------- */

static int child(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    char bytes[64];
    if (strcmp(what, "exit") == 0)
        return atoi(argv[2]);
    if (strcmp(what, "trap") == 0)
        __builtin_trap();
    if (strcmp(what, "say") == 0)
        return printf("%s %s\n", argc > 2 ? argv[2] : "-", getenv("TOLD") ? getenv("TOLD") : "-") < 0;
    if (strcmp(what, "both") == 0)
        return puts("out") < 0 || fflush(stdout) != 0 || fputs("error\n", stderr) < 0;
    if (strcmp(what, "folder") == 0)
        return puts(getcwd(bytes, sizeof(bytes))) < 0 || access("here", R_OK) != 0;
    for (ssize_t got; strcmp(what, "cat") == 0 && (got = read(0, bytes, sizeof(bytes))) != 0;)
        if (got < 0 || write(1, bytes, (size_t)got) != got)
            return 1;
    return 0;
}

/* ---- tests --------------------------------------------------------------------------------------------------- */

static int run(char *const arguments[], const posix_spawn_file_actions_t *actions)
{
    pid_t pid;
    int status, error = posix_spawn(&pid, "/bin/child", actions, NULL, arguments, environ);
    return error ? -error : waitpid(pid, &status, 0) == pid ? status : -1;
}

static void endings(struct check *check)
{
    pid_t pid;
    int status = run((char *const[]){"child", "exit", "7", NULL}, NULL);
    check_true(check, "exit 7", WIFEXITED(status) && WEXITSTATUS(status) == 7);
    status = run((char *const[]){"child", "trap", NULL}, NULL);
    check_true(check, "a trap", WIFSIGNALED(status));
    check_true(check, "no such program",
               posix_spawnp(&pid, "nobody", NULL, NULL, (char *const[]){"x", NULL}, environ) == ENOENT);
    check_true(check, "an argument of two lines", run((char *const[]){"child", "a\nb", NULL}, NULL) == -EINVAL);
    check_true(check, "nobody to wait for", waitpid(-1, &status, 0) == -1 && errno == ECHILD);
}

static void files(struct check *check)
{
    posix_spawn_file_actions_t actions;
    check_true(check, "actions",
               posix_spawn_file_actions_init(&actions) == 0 &&
                   posix_spawn_file_actions_addopen(&actions, 1, "out", O_WRONLY | O_CREAT | O_TRUNC, 0666) == 0 &&
                   posix_spawn_file_actions_addchdir_np(&actions, "sub") == 0);
    check_true(check, "a folder",
               mkdir("/data/sub", 0777) == 0 && chdir("/data") == 0 && close(creat("sub/here", 0666)) == 0);
    check_true(check, "a child there", run((char *const[]){"child", "folder", NULL}, &actions) == 0);
    check_true(check, "said where it is", file_is("/data/out", "/data/sub\n"));
    check_true(check, "from a file that is not",
               posix_spawn_file_actions_addopen(&actions, 0, "none", O_RDONLY, 0) == 0 &&
                   run((char *const[]){"child", "cat", NULL}, &actions) == -ENOENT);
    check_true(check, "done", posix_spawn_file_actions_destroy(&actions) == 0);
    check_true(check, "output and errors in one file",
               posix_spawn_file_actions_init(&actions) == 0 &&
                   posix_spawn_file_actions_addopen(&actions, 1, "/data/out", O_WRONLY | O_CREAT | O_TRUNC, 0666) ==
                       0 &&
                   posix_spawn_file_actions_adddup2(&actions, 1, 2) == 0 &&
                   run((char *const[]){"child", "both", NULL}, &actions) == 0 &&
                   posix_spawn_file_actions_destroy(&actions) == 0 && file_is("/data/out", "out\nerror\n"));
    check_true(check, "into nothing",
               posix_spawn_file_actions_init(&actions) == 0 &&
                   posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY | O_TRUNC, 0) == 0 &&
                   posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0 &&
                   run((char *const[]){"child", "cat", NULL}, &actions) == 0 &&
                   run((char *const[]){"child", "say", "something", NULL}, &actions) == 0 &&
                   posix_spawn_file_actions_destroy(&actions) == 0);
}

/* write | cat | cat | read */
static void pipeline(struct check *check)
{
    int ends[3][2], status;
    char got[32] = {0};
    pid_t pids[2];
    for (int i = 0; i < 3; i++)
        check_true(check, "a pipe", pipe(ends[i]) == 0);
    for (int i = 0; i < 2; i++) {
        posix_spawn_file_actions_t actions;
        (void)posix_spawn_file_actions_init(&actions);
        (void)posix_spawn_file_actions_adddup2(&actions, ends[i][0], 0);
        (void)posix_spawn_file_actions_adddup2(&actions, ends[i + 1][1], 1);
        (void)posix_spawn_file_actions_addclose(&actions, ends[i][1]);
        check_true(check, "a child",
                   posix_spawn(&pids[i], "child", &actions, NULL, (char *const[]){"child", "cat", NULL}, environ) == 0);
        (void)posix_spawn_file_actions_destroy(&actions);
        (void)close(ends[i][0]);
        (void)close(ends[i + 1][1]);
    }
    check_true(check, "none has ended", waitpid(-1, &status, WNOHANG) == 0);
    check_true(check, "through both",
               write(ends[0][1], "along", 5) == 5 && close(ends[0][1]) == 0 &&
                   read(ends[2][0], got, sizeof(got)) == 5 && strcmp(got, "along") == 0 &&
                   read(ends[2][0], got, 1) == 0);
    (void)close(ends[2][0]);
    check_true(check, "both end", wait(&status) > 0 && wait(&status) > 0);
}

static void commands(struct check *check)
{
    char got[32] = {0};
    int status = system("child exit 3");
    check_true(check, "system", WIFEXITED(status) && WEXITSTATUS(status) == 3);
    check_true(check, "is there", system(NULL) != 0);
    status = system("nobody");
    check_true(check, "of nobody", WEXITSTATUS(status) == 127);
    status = system("child | child");
    check_true(check, "what takes a shell", WEXITSTATUS(status) == 127);
    (void)setenv("TOLD", "so", 1);
    FILE *from = popen("child say hello", "r");
    check_true(check, "popen to read",
               from && fgets(got, sizeof(got), from) && strcmp(got, "hello so\n") == 0 && pclose(from) == 0);
    FILE *to = popen("child cat", "w");
    check_true(check, "popen to write", to && fputs("written by popen\n", to) >= 0 && pclose(to) == 0);
    check_true(check, "popen of nobody", popen("nobody", "r") == NULL && errno == ENOENT);
    unsigned good = 0;
    for (int i = 0; i < 300; i++) {
        from = popen("child say hello", "r");
        good += from && fgets(got, sizeof(got), from) && pclose(from) == 0;
    }
    check_u64(check, "as often as one likes", 300, good);
}

int main(int argc, char **argv)
{
    struct check check = {0};
    if (strcmp(argv[0], "child") == 0)
        return child(argc, argv);
    check_group(&check, "posix");
    endings(&check);
    files(&check);
    pipeline(&check);
    commands(&check);
    return check_finish(&check, "posix");
}
