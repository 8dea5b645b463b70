/* A program that changes files until the machine is cut off, and one that counts how often the disk was booted.
 *
 *     persist count              /data/count holds a number: one more, synced
 *     persist work SEED          for ever: files below /data, "synced N" on standard output when step N survives
 *     persist fill               counts, writes until the disk is full, removes it, and writes again
 *     persist survive            synced files while the store dies: each error is met by doing the step again
 *     persist limits             ten thousand open files and the limit behind them; a file beyond 4 GiB, which stays:
 * /data/sparse persist measure            what operations cost, in ns: under ci/qemu.py --icount these are instructions
 *
 * tests/store/kill.py knows which step writes what (step_of there is this file's).
 */
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

#define FILES 12
#define MOST  30000u

static uint8_t data[MOST];

static void fail(const char *what)
{
    printf("persist: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdull;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ull;
    return x ^ x >> 33;
}

static void write_whole(const char *path, const void *bytes, size_t count, int sync)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file < 0 || write(file, bytes, count) != (ssize_t)count || (sync && fsync(file) != 0) || close(file) != 0)
        fail(path);
}

/* ---- count --------------------------------------------------------------------------------------------------- */

static int count_up(void)
{
    char text[32] = "0";
    int file = open("/data/count", O_RDONLY);
    if (file >= 0 && read(file, text, sizeof(text) - 1) < 0)
        fail("read");
    if (file >= 0)
        close(file);
    int length = snprintf(text, sizeof(text), "%d", atoi(text) + 1);
    write_whole("/data/count", text, (size_t)length, 1);
    printf("persist: boot number %s\n", text);
    return 0;
}

/* ---- work ---------------------------------------------------------------------------------------------------- */

static void step(uint64_t seed, uint64_t n)
{
    uint64_t r = mix(seed * 1000003 + n);
    char name[32];
    snprintf(name, sizeof(name), "/data/f%u", (unsigned)(r % FILES));
    if (r >> 8 & 7) {
        uint32_t count = 8 + (uint32_t)(r >> 16) % (MOST - 8);
        memset(data, (int)(n & 255), count);
        memcpy(data, &n, 8);
        write_whole("/data/t", data, count, 0);
        if (rename("/data/t", name) != 0)
            fail("rename");
    } else if (unlink(name) != 0 && errno != ENOENT) {
        fail("unlink");
    }
}

static int work(uint64_t seed)
{
    int directory = open("/data", O_RDONLY | O_DIRECTORY);
    if (directory < 0)
        fail("/data");
    for (uint64_t n = 1;; n++) {
        step(seed, n);
        if (mix(seed ^ n << 32) % 5 != 0)
            continue;
        if (fsync(directory) != 0)
            fail("fsync");
        printf("synced %llu\n", (unsigned long long)n);
        fflush(stdout);
    }
}

/* ---- fill ---------------------------------------------------------------------------------------------------- */

static int fill(void)
{
    uint64_t written = 0;
    int file = open("/data/large", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ssize_t done;
    if (file < 0)
        fail("/data/large");
    (void)count_up();
    while ((done = write(file, data, sizeof(data))) > 0)
        written += (uint64_t)done;
    if (errno != ENOSPC)
        fail("a full disk");
    if (fsync(file) != 0 || close(file) != 0 || unlink("/data/large") != 0)
        fail("/data/large");
    write_whole("/data/after", data, sizeof(data), 1);
    printf("persist: full after %llu MiB, and usable again\n", (unsigned long long)(written >> 20));
    return 0;
}

/* ---- survive ------------------------------------------------------------------------------------------------- */

#define SURVIVORS 150

/* A whole file, synced; false: do it again. */
static bool try_write(const char *path, const void *bytes, size_t count)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (file < 0)
        return false;
    bool is_good = write(file, bytes, count) == (ssize_t)count && fsync(file) == 0;
    return close(file) == 0 && is_good;
}

static bool is_there(const char *path, uint64_t n, size_t count)
{
    uint64_t found = 0;
    int file = open(path, O_RDONLY);
    if (file < 0)
        return false;
    bool is_good = read(file, data, sizeof(data)) == (ssize_t)count;
    memcpy(&found, data, 8);
    return close(file) == 0 && is_good && found == n;
}

static int survive(void)
{
    char path[32];
    unsigned errors = 0;
    for (uint64_t n = 0; n < SURVIVORS; n++) {
        snprintf(path, sizeof(path), "/data/s%u", (unsigned)n);
        memset(data, (int)n, sizeof(data));
        memcpy(data, &n, 8);
        while (!try_write(path, data, 1000 + n * 100)) {
            if (++errors == 10 * SURVIVORS)
                fail("the store stays away");
            usleep(10000); /* it reads its disks */
        }
    }
    for (uint64_t n = 0; n < SURVIVORS; n++) {
        snprintf(path, sizeof(path), "/data/s%u", (unsigned)n);
        if (!is_there(path, n, 1000 + n * 100) && !is_there(path, n, 1000 + n * 100))
            fail(path);
    }
    printf("persist: %u synced files, %s\n", SURVIVORS, errors ? "some of them after errors" : "never an error");
    return 0;
}

/* ---- limits -------------------------------------------------------------------------------------------------- */

#define OPENS      10000
#define OPENS_MOST 20000 /* the limit is below */
#define OPEN_FILES 250

static int opened[OPENS_MOST];

static void require(bool holds, const char *what)
{
    if (!holds)
        fail(what);
}

static const char *open_path(unsigned i)
{
    static char path[32];
    snprintf(path, sizeof(path), "/data/o%u", i % OPEN_FILES);
    return path;
}

/* As many as there can be, all at once; each is read, and closed again. */
static unsigned open_all(void)
{
    unsigned count = 0;
    while (count < OPENS_MOST && (opened[count] = open(open_path(count), O_RDONLY)) >= 0)
        count++;
    require(count < OPENS_MOST && (errno == EMFILE || errno == ENFILE), "the limit of open files");
    /* Many that are open are no reason to refuse one that is not. */
    require(close(opened[--count]) == 0 && (opened[count++] = open("/data/other", O_RDONLY)) >= 0, "another file");
    require(close(opened[--count]) == 0, "close");
    for (unsigned i = 0; i < count; i++) {
        unsigned found = OPEN_FILES;
        require(read(opened[i], &found, sizeof(found)) == sizeof(found) && found == i % OPEN_FILES, "an open file");
    }
    for (unsigned i = 0; i < count; i++)
        require(close(opened[i]) == 0, "close");
    return count;
}

static void limits_open(void)
{
    for (unsigned i = 0; i < OPEN_FILES; i++)
        write_whole(open_path(i), &i, sizeof(i), 0);
    write_whole("/data/other", "other", 5, 0);
    unsigned first = open_all(), second = open_all();
    require(first >= OPENS, "ten thousand open files");
    require(second == first, "as many again");
    for (unsigned i = 0; i < OPEN_FILES; i++)
        require(unlink(open_path(i)) == 0, "unlink");
    require(unlink("/data/other") == 0, "unlink");
    printf("persist: %u files open at once, twice\n", first);
}

#define GIB ((off_t)1 << 30)

static void sparse_is(int file, off_t at, ssize_t count, uint8_t byte, const char *what)
{
    uint8_t found = 0xff;
    require(pread(file, &found, 1, at) == count && (count == 0 || found == byte), what);
}

static void sparse_size(int file, off_t size)
{
    struct stat status;
    require(fstat(file, &status) == 0 && status.st_size == size && lseek(file, 0, SEEK_END) == size, "its size");
}

static void limits_sparse(void)
{
    errno = 0; /* of the limit of open files */
    int file = open("/data/sparse", O_RDWR | O_CREAT | O_TRUNC, 0666);
    require(file >= 0 && pwrite(file, "x", 1, 5 * GIB) == 1, "a byte at 5 GiB");
    sparse_size(file, 5 * GIB + 1);
    sparse_is(file, 5 * GIB, 1, 'x', "the byte");
    sparse_is(file, 0, 1, 0, "a hole");
    sparse_is(file, GIB, 1, 0, "5 GiB without what 32 bits do not hold");
    sparse_is(file, 5 * GIB - 1, 1, 0, "the byte before");
    sparse_is(file, 5 * GIB + 1, 0, 0, "behind the end");
    require(ftruncate(file, 4 * GIB + 1) == 0, "made shorter");
    sparse_size(file, 4 * GIB + 1);
    sparse_is(file, 5 * GIB, 0, 0, "what was cut off");
    require(ftruncate(file, 6 * GIB) == 0, "made longer");
    sparse_size(file, 6 * GIB);
    sparse_is(file, 5 * GIB, 1, 0, "what was cut off does not come back");
    require(ftruncate(file, 0) == 0 && lseek(file, 5 * GIB, SEEK_SET) == 5 * GIB && write(file, "y", 1) == 1, "seek");
    require(fsync(file) == 0 && close(file) == 0, "sync");
    file = open("/data/sparse", O_RDONLY);
    sparse_is(file, 5 * GIB, 1, 'y', "the byte, opened again");
    sparse_size(file, 5 * GIB + 1);
    require(close(file) == 0, "close");
}

static int limits(void)
{
    limits_open();
    limits_sparse();
    printf("persist: a file beyond 4 GiB is as it should be\n");
    return 0;
}

/* ---- measure ------------------------------------------------------------------------------------------------- */

#define MEASURE_BYTES (8u << 20)
#define MEASURE_BLOCK 65536u
#define MEASURE_TIMES 256u

static uint8_t block[MEASURE_BLOCK];

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void report(const char *what, uint64_t since, uint64_t times)
{
    printf("measure: %-40s %10llu\n", what, (unsigned long long)((now_ns() - since) / times));
}

/* Pieces of `count` bytes, one after another or anywhere in the file. */
static void measure_pieces(int file, const char *what, uint32_t count, uint32_t times, bool is_write, bool is_random)
{
    uint64_t since = now_ns();
    for (uint32_t i = 0; i < times; i++) {
        off_t at = (off_t)(is_random ? mix(i) % (MEASURE_BYTES / count) : i) * count;
        ssize_t done = is_write ? pwrite(file, block, count, at) : pread(file, block, count, at);
        if (done != (ssize_t)count)
            fail(what);
    }
    if (is_write && fsync(file) != 0)
        fail("fsync");
    report(what, since, times);
}

static void measure_small(const char *what, bool is_synced)
{
    char path[32];
    uint64_t since = now_ns();
    for (unsigned i = 0; i < MEASURE_TIMES; i++) {
        snprintf(path, sizeof(path), "/data/m%u", i);
        write_whole(path, block, 1024, is_synced);
    }
    report(what, since, MEASURE_TIMES);
    since = now_ns();
    for (unsigned i = 0; i < MEASURE_TIMES; i++) {
        snprintf(path, sizeof(path), "/data/m%u", i);
        if (unlink(path) != 0)
            fail("unlink");
    }
    report("unlink", since, MEASURE_TIMES);
}

static int measure(void)
{
    int file = open("/data/measure", O_RDWR | O_CREAT | O_TRUNC, 0666);
    if (file < 0)
        fail("/data/measure");
    measure_pieces(file, "write 64 KiB, in sequence, synced at last", MEASURE_BLOCK, MEASURE_BYTES / MEASURE_BLOCK,
                   true, false);
    measure_pieces(file, "read 64 KiB, in sequence", MEASURE_BLOCK, MEASURE_BYTES / MEASURE_BLOCK, false, false);
    measure_pieces(file, "write 4 KiB anywhere, synced at last", 4096, MEASURE_TIMES, true, true);
    measure_pieces(file, "read 4 KiB anywhere", 4096, MEASURE_TIMES, false, true);
    measure_small("create, write 1 KiB, close", false);
    measure_small("the same, each synced", true);
    return 0;
}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "count") == 0)
        return count_up();
    if (count == 2 && strcmp(arguments[1], "fill") == 0)
        return fill();
    if (count == 2 && strcmp(arguments[1], "survive") == 0)
        return survive();
    if (count == 2 && strcmp(arguments[1], "limits") == 0)
        return limits();
    if (count == 2 && strcmp(arguments[1], "measure") == 0)
        return measure();
    if (count == 3 && strcmp(arguments[1], "work") == 0)
        return work(strtoull(arguments[2], NULL, 10));
    return 2;
}
