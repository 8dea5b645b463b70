/* What tests/wasi/run.py runs by `tessera run`: a few tools in one program. The first argument says which. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tessera.h>

static int cat(void)
{
    char bytes[5000];
    ssize_t count;
    while ((count = read(0, bytes, sizeof(bytes))) > 0)
        if (write(1, bytes, (size_t)count) != count)
            return 2;
    return count == 0 ? 0 : 3;
}

/* How much input there is, and its sum. */
static int sum(void)
{
    static unsigned char bytes[65536];
    unsigned long long total = 0, sum = 0;
    ssize_t count;
    while ((count = read(0, bytes, sizeof(bytes))) > 0) {
        total += (unsigned long long)count;
        for (ssize_t i = 0; i < count; i++)
            sum += bytes[i];
    }
    printf("%llu bytes, sum %llu\n", total, sum);
    return count == 0 ? 0 : 3;
}

/* Input by poll: says how often it had to look, which must not be for ever. */
static int poll_input(void)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    char bytes[64];
    int looks = 0;
    size_t total = 0;
    for (;;) {
        if (poll(&input, 1, 20000) != 1)
            return 2;
        ssize_t count = read(0, bytes, sizeof(bytes));
        if (count <= 0)
            break;
        looks++;
        total += (size_t)count;
    }
    printf("%zu %s\n", total, looks < 1000 ? "looks are few" : "spinning");
    return 0;
}

static int line(void)
{
    char byte, text[64];
    size_t length = 0;
    while (length < sizeof(text) - 1 && read(0, &byte, 1) == 1 && byte != '\n')
        text[length++] = byte;
    text[length] = 0;
    printf("%s%s\n", text, isatty(0) ? ", typed" : "");
    return length > 0 ? 0 : 1;
}

/* Children have our standard input: lines go to who asks for them. */
static int family(unsigned count)
{
    static const char child[] = "tool\nline", quiet[] = "tool\nnothing";
    struct tessera_option_pid which;
    struct tessera_join_status status;
    uint32_t pid;
    for (unsigned i = 0; i < count; i++) {
        if (line() != 0 || fflush(stdout) != 0 ||
            tessera_proc_spawn2("tool", 4, child, sizeof(child) - 1, NULL, 0, NULL, 0, NULL, 0, 0, NULL, 0, &pid) != 0)
            return 1;
        which = (struct tessera_option_pid){1, pid};
        if (tessera_proc_join(&which, 0, &status) != 0 || status.exit_code != 0)
            return 2;
    }
    for (unsigned i = 0; i < 200; i++) /* all there at a time */
        if (tessera_proc_spawn2("tool", 4, quiet, sizeof(quiet) - 1, NULL, 0, NULL, 0, NULL, 0, 0, NULL, 0, &pid) != 0)
            return 3;
    for (unsigned i = 0; i < 200; i++) {
        which = (struct tessera_option_pid){0};
        if (tessera_proc_join(&which, 0, &status) != 0)
            return 4;
    }
    puts("200 children");
    return fflush(stdout) != 0 ? 5 : cat();
}

static int show(int count, char **words)
{
    for (int i = 0; i < count; i++)
        printf("[%s]", words[i]);
    printf(" %s\n", getenv("COLOUR") ? getenv("COLOUR") : "-");
    fflush(stdout);
    fprintf(stderr, "that was it%s%s%s\n", isatty(0) ? " in" : "", isatty(1) ? " out" : "", isatty(2) ? " err" : "");
    return 42;
}

static int put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file) {
        perror(path);
        return 4;
    }
    fputs(text, file);
    return fclose(file) ? 5 : 0;
}

static int get(const char *path, long from)
{
    char bytes[100];
    FILE *file = fopen(path, "r");
    size_t length = file && fseek(file, from, SEEK_SET) == 0 ? fread(bytes, 1, sizeof(bytes), file) : 0;
    return fwrite(bytes, 1, length, stdout) != length;
}

static int grow(void)
{
    char *volatile bytes = malloc(32 << 20);
    return bytes != NULL;
}

static long long now_ns(clockid_t clock)
{
    struct timespec now;
    return clock_gettime(clock, &now) == 0 ? now.tv_sec * 1000000000LL + now.tv_nsec : 0;
}

/* Works for half a second; the status is the share of the time that it had, in per cent. */
static int share(void)
{
    long long begin = now_ns(CLOCK_MONOTONIC), had = now_ns(CLOCK_PROCESS_CPUTIME_ID), passed;
    while ((passed = now_ns(CLOCK_MONOTONIC) - begin) < 500000000)
        ;
    return (int)((now_ns(CLOCK_PROCESS_CPUTIME_ID) - had) * 100 / passed);
}

static int change_folder(void)
{
    return put("/d/new", "made here\n") || put("/d/changed", "other\n") || remove("/d/removed") ||
           rename("/d/old name", "/d/sub/moved") || symlink("moved", "/d/sub/link");
}

int main(int count, char **words)
{
    const char *what = count > 1 ? words[1] : "";
    if (strcmp(what, "cat") == 0)
        return cat();
    if (strcmp(what, "nothing") == 0)
        return 0;
    if (strcmp(what, "line") == 0)
        return line();
    if (strcmp(what, "family") == 0)
        return family(2);
    if (strcmp(what, "sum") == 0)
        return sum();
    if (strcmp(what, "poll") == 0)
        return poll_input();
    if (strcmp(what, "put") == 0)
        return put(words[2], "text");
    if (strcmp(what, "get") == 0)
        return get(words[2], count > 3 ? atol(words[3]) : 0);
    if (strcmp(what, "folder") == 0)
        return change_folder();
    if (strcmp(what, "trap") == 0)
        __builtin_trap();
    if (strcmp(what, "share") == 0)
        return share();
    if (strcmp(what, "grow") == 0)
        return grow();
    while (strcmp(what, "loop") == 0)
        usleep(1000);
    return show(count, words);
}
