/* gnulib's tests of POSIX functions, all of them in this one program:
 *
 *     gnulib all ROOT...             runs itself once for each of `runs`, one after another, and this for each root
 *     gnulib one ROOT NAME [WORD...] one test with these arguments, in a folder of the root; before them `<` stands for
 *                                    files as standard input and output, `|` for pipes (the one for input holds a
 * line),
 *                                    `-` for neither, and `/` for the root itself as working directory
 *
 * It prints what each did and ends with 1 when one failed. 77 of a test is that it does not apply. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "main.h"

#ifdef __wasm__
#include <tessera.h>
#include <wasi/api.h>
#else
#include <sys/wait.h>
#endif

#define FOLDER  "work"         /* where they work, below a root */
#define INPUT   "gnulib-input" /* stands for the script that a test was started by */
#define OUTPUT  "gnulib-output"
#define SKIPPED 77

/* ---- what the tests want of a shell ---- */

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "gnulib: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* What they open of a Unix' devices: a file that is empty when a test begins. */
static void null_make(void)
{
#ifdef __wasm__
    FILE *null = fopen("/dev/null", "w");
    require(null && fclose(null) == 0, "/dev/null");
#endif
}

/* A file that begins as a script does, and is longer than the tests skip. */
static void input_make(void)
{
    FILE *file = fopen(INPUT, "w");
    require(file, INPUT);
    fputs("#!/bin/sh\n\n", file);
    for (int line = 0; line < 40; line++)
        fprintf(file, "# line %d of a file that tests read\n", line);
    require(fclose(file) == 0, INPUT);
}

#ifdef __wasm__
static void remove_all(const char *path)
{
    struct stat found;
    if (lstat(path, &found) != 0)
        return;
    DIR *folder = S_ISDIR(found.st_mode) ? opendir(path) : NULL;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char inside[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
        remove_all(inside);
    }
    if (folder)
        closedir(folder);
    if (S_ISDIR(found.st_mode))
        rmdir(path);
    else
        unlink(path);
}

/* wasi-libc has no commands; tests clean up with `rm -rf PREFIX*`, which is the one that there is. */
int system(const char *command)
{
    static const char remove_prefix[] = "rm -rf ";
    size_t length = command ? strlen(command) : 0;
    if (length <= sizeof remove_prefix || strncmp(command, remove_prefix, sizeof remove_prefix - 1) != 0)
        return -1;
    const char *prefix = command + sizeof remove_prefix - 1;
    size_t prefix_length = strcspn(prefix, "* ");
    DIR *folder = opendir(".");
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (strncmp(entry->d_name, prefix, prefix_length) == 0)
            remove_all(entry->d_name);
    return folder ? closedir(folder) : -1;
}

/* wasi-libc takes an empty path for the working directory; POSIX has ENOENT for it, and so have the functions of WASI.
 * It looks every path up with this function (preopens and working directory are its own), for which the linker takes
 * ours. */
int __real___wasilibc_find_relpath_alloc(const char *path, const char **directory, char **relative, size_t *length,
                                         int can_grow);
int __wrap___wasilibc_find_relpath_alloc(const char *path, const char **directory, char **relative, size_t *length,
                                         int can_grow);
int __wrap___wasilibc_find_relpath_alloc(const char *path, const char **directory, char **relative, size_t *length,
                                         int can_grow)
{
    int found = __real___wasilibc_find_relpath_alloc(*path ? path : ".", directory, relative, length, can_grow);
    if (found >= 0 && !*path)
        (*relative)[0] = '\0';
    return found;
}

static int descriptor_move(int from, int to)
{
    return __wasi_fd_renumber((__wasi_fd_t)from, (__wasi_fd_t)to);
}

static int pipe_make(int ends[2])
{
    uint32_t reading, writing;
    int error = tessera_fd_pipe(&reading, &writing);
    ends[0] = (int)reading;
    ends[1] = (int)writing;
    return error;
}
#else
static int descriptor_move(int from, int to)
{
    return dup2(from, to) < 0 || close(from);
}

static int pipe_make(int ends[2])
{
    return pipe(ends);
}
#endif

/* What a shell would have given them. */
static int surroundings_prepare(char kind, const char *root)
{
    int ends[2];
    switch (kind) {
    case '<':
        ends[0] = open(INPUT, O_RDONLY);
        ends[1] = open(OUTPUT, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        return ends[0] < 0 || ends[1] < 0 || descriptor_move(ends[0], 0) || descriptor_move(ends[1], 1);
    case '|':
        if (pipe_make(ends) || write(ends[1], "hi\n", 3) != 3 || descriptor_move(ends[0], 0))
            return -1;
        if (pipe_make(ends) || close(ends[0]))
            return -1;
        return descriptor_move(ends[1], 1);
    case '-':
        return close(0) || close(1);
    case '/':
        return chdir(root);
    }
    return -1;
}

/* ---- one test ---- */

static const struct test *test_find(const char *name)
{
    const struct test *test = tests;
    while (test->name && strcmp(test->name, name) != 0)
        test++;
    return test->name ? test : NULL;
}

static int test_run(const char *root, int count, char **words)
{
    const struct test *test = test_find(words[0]);
    if (!test) {
        fprintf(stderr, "gnulib: there is no test '%s'\n", words[0]);
        return 2;
    }
    if (count > 1 && strchr("<|-/", words[1][0]) && words[1][0] && !words[1][1]) {
        if (surroundings_prepare(words[1][0], root)) {
            fprintf(stderr, "gnulib: cannot prepare it: %s\n", strerror(errno));
            return 2;
        }
        words[1] = words[0]; /* in the place of the name */
        words++;
        count--;
    }
    return test->main(count, words);
}

/* ---- all of them ---- */

enum { LINE_MOST = 200, SIGNALLED = 128 };

#ifdef __wasm__
/* Its exit status; SIGNALLED and more when it was ended. */
static int line_run(const char *root, const char *line)
{
    struct tessera_process_handles handles;
    struct tessera_join_status status = {0};
    char args[LINE_MOST];
    int length = snprintf(args, sizeof args, "gnulib\none\n%s\n%s", root, line);
    for (char *at = strchr(args, ' '); at; at = strchr(at, ' '))
        *at = '\n';
    int error = tessera_proc_spawn("test", 4, 0, args, (uint32_t)length, "", 0, TESSERA_STDIO_NULL,
                                   TESSERA_STDIO_INHERIT, TESSERA_STDIO_INHERIT, ".", 1, &handles);
    struct tessera_option_pid which = {1, handles.pid};
    if (error || tessera_proc_join(&which, 0, &status))
        return 2;
    return status.type == TESSERA_JOIN_EXIT_NORMAL ? status.exit_code : SIGNALLED + status.signal;
}
#else
static int line_run(const char *root, const char *line)
{
    char copy[LINE_MOST], *words[9] = {"gnulib", "one", (char *)(uintptr_t)root};
    int count = 3, status = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word && count < 8; word = strtok(NULL, " "))
        words[count++] = word;
    pid_t child = fork();
    if (child == 0) {
        int nothing = open("/dev/null", O_RDWR);
        dup2(nothing, 0);
        execv("/proc/self/exe", words);
        _exit(2);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : SIGNALLED + WTERMSIG(status);
}
#endif

static const char *verdict_of(const struct run *run, int status)
{
    if (status == SKIPPED)
        return "skipped";
    if ((status != 0) == run->differs)
        return run->differs ? "differs, as it is known to" : NULL;
    return run->differs ? "FAILED: does not differ any more" : "FAILED";
}

/* The number of those that failed. */
static unsigned all_run(const char *root)
{
    unsigned ran = 0, failed = 0;
    require(chdir(root) == 0 && mkdir(FOLDER, 0777) == 0 && chdir(FOLDER) == 0, root);
    input_make();
    for (const struct run *run = runs; run->line; run++, ran++) {
        null_make();
        int status = line_run(root, run->line);
        const char *verdict = verdict_of(run, status);
        failed += verdict && verdict[0] == 'F';
        if (verdict)
            printf("= %s: %s, status %d\n", run->line, verdict, status);
        fflush(stdout);
    }
    printf("gnulib: in %s: %u runs, %u failed\n", root, ran, failed);
    return failed;
}

int main(int count, char **arguments)
{
    unsigned failed = 0;
    if (count > 3 && strcmp(arguments[1], "one") == 0) {
        require(chdir(arguments[2]) == 0 && chdir(FOLDER) == 0, arguments[2]);
        return test_run(arguments[2], count - 3, arguments + 3);
    }
    if (count < 3 || strcmp(arguments[1], "all") != 0)
        return 2;
#ifdef __wasm__
    require(mkdir("/dev", 0777) == 0, "/dev");
#endif
    for (int root = 2; root < count; root++)
        failed += all_run(arguments[root]);
    return failed != 0;
}
