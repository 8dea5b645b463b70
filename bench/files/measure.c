/* What files cost: instructions per operation, of this system and, compiled natively, of Linux beside it.
 *
 *     measure [short] NAME=DIRECTORY ... [read-only NAME=FILE ...]
 *
 * It prints `bench fs_NAME_ROW VALUE` for each. Under QEMU's instruction counter a nanosecond is an instruction, but
 * while a disk works nobody may run, and how long that takes says nothing of us. So another program, idle.c, counts in
 * a file of its own whenever nobody else wants the processor: what it used is subtracted, here as on Linux.
 */
#include "files/measure.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LARGE_BYTES (16u << 20)  /* more than the store keeps in memory */
#define WARM_BYTES  (512u << 10) /* less */
#define PIECE       65536u
#define BLOCK       4096u
#define SMALL_BYTES 1024u
#define BATCHES     5 /* of what can be repeated; the least counts: a timer's or a server's own work may fall into one */

static const char *prefix, *folder;
static unsigned scale = 1; /* a short run does so many times less */
static uint8_t piece[PIECE];

static void fail(const char *what)
{
    printf("measure: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- time ---- */

static int idle_file;
static double idle_ns; /* of one count */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t idle_count(void)
{
    uint64_t count = 0;
    if (pread(idle_file, &count, sizeof(count), 0) < 0)
        fail(IDLE_FILE);
    return count;
}

static double busy_ns(void)
{
    return (double)now_ns() - (double)idle_count() * idle_ns;
}

static void sleep_ms(unsigned ms)
{
    struct timespec time = {0, (long)ms * 1000000};
    nanosleep(&time, NULL);
}

/* How long one count takes, and that nothing is busy while we sleep. */
static void calibrate(void)
{
    sleep_ms(200); /* the counter is checked, by a program that must be alone */
    idle_file = open(IDLE_FILE, O_RDONLY);
    for (unsigned tries = 0; idle_file < 0 || idle_count() == 0; tries++) {
        if (tries == 100)
            fail(IDLE_FILE);
        sleep_ms(10);
        if (idle_file < 0)
            idle_file = open(IDLE_FILE, O_RDONLY);
    }
    uint64_t count = idle_count(), since = now_ns();
    sleep_ms(300);
    count = idle_count() - count;
    idle_ns = (double)(now_ns() - since) / (double)count;
    double busy = busy_ns();
    sleep_ms(100);
    busy = busy_ns() - busy;
    if (busy > 3e6 || busy < -3e6) {
        printf("measure: %.0f of 100,000,000 ns of sleep were not idle\n", busy);
        exit(1);
    }
}

static void print_row(const char *row, double value)
{
    printf("bench fs_%s_%s %.0f\n", prefix, row, value);
    fflush(stdout);
}

static void report(const char *row, double since, unsigned times)
{
    print_row(row, (busy_ns() - since) / times);
}

/* ---- large files ---- */

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static uint64_t random_next(void)
{
    static uint64_t state = 88172645463325252ull; /* xorshift64: Marsaglia, "Xorshift RNGs", 2003 */
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void pass(int file, bool is_write, bool is_random, uint32_t bytes, uint32_t within, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        uint64_t at = (is_random ? random_next() : i) % (within / bytes) * bytes;
        ssize_t done = is_write ? pwrite(file, piece, bytes, (off_t)at) : pread(file, piece, bytes, (off_t)at);
        if (done != (ssize_t)bytes)
            fail("a piece");
    }
}

static void row(const char *name, int file, bool is_write, bool is_random, uint32_t bytes, uint32_t within,
                unsigned times)
{
    double since = busy_ns();
    pass(file, is_write, is_random, bytes, within, times);
    if (is_write && fsync(file) != 0)
        fail("fsync");
    report(name, since, times);
}

/* Reading what is in memory, as often as one likes. */
static void warm_row(const char *name, int file, bool is_random, uint32_t bytes, unsigned times)
{
    double least = 0;
    for (unsigned i = 0; i < BATCHES; i++) {
        double since = busy_ns();
        pass(file, false, is_random, bytes, WARM_BYTES, times);
        double each = (busy_ns() - since) / times;
        least = i == 0 || each < least ? each : least;
    }
    print_row(name, least);
}

static void large_file(void)
{
    uint32_t bytes = LARGE_BYTES;
    int file = open(path_of("large"), O_RDWR | O_CREAT | O_TRUNC, 0666);
    if (file < 0)
        fail("large");
    memset(piece, 0x5a, sizeof(piece));
    row("write_64k", file, true, false, PIECE, bytes, bytes / PIECE);
    row("rewrite_64k", file, true, false, PIECE, bytes, bytes / PIECE / scale);
    row("write_4k_random", file, true, true, BLOCK, bytes, 512 / scale);
    measure_forget();
    row("read_64k_cold", file, false, false, PIECE, bytes, bytes / PIECE / scale);
    measure_forget();
    row("read_4k_random_cold", file, false, true, BLOCK, bytes, 512 / scale);
    close(file);
}

static void warm_file(const char *path)
{
    int file = open(path, O_RDONLY);
    if (file < 0)
        fail(path);
    pass(file, false, false, PIECE, WARM_BYTES, WARM_BYTES / PIECE);
    warm_row("read_64k", file, false, PIECE, 128);
    warm_row("read_4k_random", file, true, BLOCK, 512);
    warm_row("read_1", file, false, 1, 512);
    close(file);
}

/* ---- small files ---- */

static const char *small_path(unsigned n)
{
    char name[16];
    snprintf(name, sizeof(name), "small%u", n);
    return path_of(name);
}

static void small_write(unsigned n, bool is_synced)
{
    int file = open(small_path(n), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file < 0 || write(file, piece, SMALL_BYTES) != SMALL_BYTES || (is_synced && fsync(file) != 0) ||
        close(file) != 0)
        fail("a small file");
}

static void small_read(const char *path)
{
    int file = open(path, O_RDONLY);
    if (file < 0 || read(file, piece, SMALL_BYTES) <= 0 || close(file) != 0)
        fail("a small file");
}

#define EACH(name, times, ...)                                                                                         \
    do {                                                                                                               \
        double since = busy_ns();                                                                                      \
        for (unsigned i = 0; i < (times); i++)                                                                         \
            __VA_ARGS__;                                                                                               \
        report(name, since, times);                                                                                    \
    } while (0)

static void list(unsigned expected)
{
    unsigned found = 0;
    DIR *directory = opendir(folder);
    while (directory && readdir(directory))
        found++;
    if (!directory || found < expected)
        fail("readdir");
    closedir(directory);
}

static void small_files(void)
{
    struct stat stat_;
    unsigned files = 512 / scale, synced = 32;
    EACH("create_1k", files, small_write(i, false));
    EACH("stat", files, if (stat(small_path(i), &stat_) != 0) fail("stat"));
    EACH("open_read_close", files, small_read(small_path(i)));
    double listing = busy_ns();
    list(files);
    report("list_entry", listing, files);
    EACH("overwrite_1k", files, small_write(i, false));
    EACH("unlink", files, if (unlink(small_path(i)) != 0) fail("unlink"));
    EACH("create_1k_synced", synced, small_write(i, true));
    for (unsigned i = 0; i < synced; i++)
        if (unlink(small_path(i)) != 0)
            fail("unlink");
}

/* A large file that is gone is freed a piece at a time, with later requests and in idle time (servers/proto/fs.h): none
 * of that belongs to the rows that follow. */
static void settle(void)
{
    for (unsigned i = 0; i < 64; i++) {
        int file = open(small_path(0), O_WRONLY | O_CREAT | O_TRUNC, 0666);
        if (file < 0 || close(file) != 0 || unlink(small_path(0)) != 0)
            fail("settle");
    }
    usleep(500000);
}

static void measure(const char *path, bool is_read_only)
{
    folder = path;
    if (!is_read_only) {
        large_file();
        warm_file(path_of("large"));
        if (unlink(path_of("large")) != 0)
            fail("unlink");
        settle();
        small_files();
    } else {
        warm_file(path);
        EACH("open_read_close", 512, small_read(path));
    }
}

int measure_main(int count, char **arguments)
{
    bool is_read_only = false;
    calibrate();
    for (int i = 1; i < count; i++) {
        char *path = strchr(arguments[i], '=');
        if (path) {
            *path = 0;
            prefix = arguments[i];
            measure(path + 1, is_read_only);
        } else if (strcmp(arguments[i], "short") == 0) {
            scale = 4;
        } else if (strcmp(arguments[i], "read-only") == 0) {
            is_read_only = true;
        } else {
            return 2;
        }
    }
    printf("bench end\n");
    return 0;
}
