/* Damaged modules: every truncation of each given module, and as many random mutations as fit the time.
 *
 *     fuzz_mutate SECONDS SEED FILE...
 *
 * The same seed gives the same sequence of mutations. A failure is an abort or a sanitizer's report; the input is
 * left in `fuzz_mutate.wasm` then.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz_one.h"
#include "wasm/module.h"

struct seed {
    uint8_t *bytes;
    size_t size;
};

static uint64_t random_state;
static unsigned long tried, accepted;

/* splitmix64. Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators". */
static uint64_t random_next(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static size_t random_below(size_t bound)
{
    return bound ? random_next() % bound : 0;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Kept before every try, so that it is there after a crash. */
static const uint8_t *current_bytes;
static size_t current_size;

static void save_current(int signal_number)
{
    FILE *file = fopen("fuzz_mutate.wasm", "wb");
    if (file) {
        fwrite(current_bytes, 1, current_size, file);
        fclose(file);
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* In memory of exactly this size, so that a read beyond it is seen. */
static void try_bytes(const uint8_t *bytes, size_t size, unsigned features)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, bytes, size);
    current_bytes = copy;
    current_size = size;
    tried++;
    accepted += fuzz_one(copy, size, features);
    free(copy);
}

/* Bytes that mean much somewhere in a module. */
static const uint8_t interesting[] = {0x00, 0x01, 0x02, 0x05, 0x0b, 0x0e, 0x1c, 0x1f, 0x40, 0x60, 0x63, 0x64,
                                      0x6f, 0x70, 0x7b, 0x7c, 0x7d, 0x7e, 0x7f, 0x80, 0xfc, 0xfd, 0xfe, 0xff};

/* One change of `bytes`, which has room for `capacity`. Returns the new size. */
static size_t mutate_once(uint8_t *bytes, size_t size, size_t capacity, const struct seed *other)
{
    size_t at = random_below(size), length = 1 + random_below(8);
    switch (random_next() % 7) {
    case 0:
        bytes[at] ^= (uint8_t)(1u << random_below(8));
        return size;
    case 1:
        bytes[at] = (uint8_t)random_next();
        return size;
    case 2:
        bytes[at] = interesting[random_below(sizeof interesting)];
        return size;
    case 3: /* cut out */
        if (length > size - at)
            length = size - at;
        memmove(bytes + at, bytes + at + length, size - at - length);
        return size - length;
    case 4: /* put in */
        if (size + length > capacity)
            return size;
        memmove(bytes + at + length, bytes + at, size - at);
        for (size_t i = 0; i < length; i++)
            bytes[at + i] = interesting[random_below(sizeof interesting)];
        return size + length;
    case 5: /* a number one more or less */
        bytes[at] = (uint8_t)(bytes[at] + (random_next() & 1 ? 1 : -1));
        return size;
    default: { /* a piece of another module */
        size_t from = random_below(other->size), piece = 1 + random_below(32);
        if (piece > other->size - from)
            piece = other->size - from;
        if (piece > size - at)
            piece = size - at;
        memcpy(bytes + at, other->bytes + from, piece);
        return size;
    }
    }
}

static void try_mutation(const struct seed *seed, const struct seed *other)
{
    size_t capacity = seed->size + 64, size = seed->size;
    uint8_t *bytes = malloc(capacity);
    if (!bytes)
        abort();
    memcpy(bytes, seed->bytes, size);
    for (size_t changes = 1 + random_below(4); changes > 0 && size > 0; changes--)
        size = mutate_once(bytes, size, capacity, other);
    try_bytes(bytes, size, random_next() & 1 ? FEATURES_ALL : FEATURES_WASM_2);
    free(bytes);
}

static struct seed seed_read(const char *path)
{
    struct seed seed = {0};
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(2);
    }
    seed.size = (size_t)ftell(file);
    rewind(file);
    seed.bytes = malloc(seed.size + 1);
    if (!seed.bytes || fread(seed.bytes, 1, seed.size, file) != seed.size) {
        perror(path);
        exit(2);
    }
    fclose(file);
    return seed;
}

int main(int count, char **arguments)
{
    if (count < 4) {
        fprintf(stderr, "usage: fuzz_mutate SECONDS SEED FILE...\n");
        return 2;
    }
    double end = seconds_now() + atof(arguments[1]);
    random_state = strtoull(arguments[2], NULL, 0);
    size_t seed_count = (size_t)count - 3;
    struct seed *seeds = calloc(seed_count, sizeof *seeds);
    if (!seeds)
        abort();
    for (size_t i = 0; i < seed_count; i++)
        seeds[i] = seed_read(arguments[3 + i]);
    signal(SIGABRT, save_current);
    for (size_t i = 0; i < seed_count; i++) {
        for (size_t size = 0; size < seeds[i].size && seeds[i].size < 4096; size++)
            try_bytes(seeds[i].bytes, size, FEATURES_ALL);
    }
    while (seconds_now() < end)
        try_mutation(&seeds[random_below(seed_count)], &seeds[random_below(seed_count)]);
    printf("%lu damaged modules, %lu of them valid all the same\n", tried, accepted);
    for (size_t i = 0; i < seed_count; i++)
        free(seeds[i].bytes);
    free(seeds);
    return tried == 0;
}
