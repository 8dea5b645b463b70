/* A sort of the C library's kind: elements of any size, compared by a function that the caller gives. */
#include "harness.h"

enum { COUNT = 200000, FEW = 8 };

const struct benchmark benchmark = {.name = "qsort", .rounds = 20, .checksum = 0x011bb4ca};

struct record {
    uint32_t key, value;
};

typedef int compare(const void *a, const void *b);

static struct record records[COUNT];

static int compare_keys(const void *a, const void *b)
{
    uint32_t left = ((const struct record *)a)->key, right = ((const struct record *)b)->key;
    return left < right ? -1 : left > right;
}

static int compare_values(const void *a, const void *b)
{
    uint32_t left = ((const struct record *)a)->value, right = ((const struct record *)b)->value;
    return left > right ? -1 : left < right;
}

static void swap(char *a, char *b, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char byte = a[i];
        a[i] = b[i];
        b[i] = byte;
    }
}

static void insertion_sort(char *base, size_t count, size_t size, compare *order)
{
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j > 0 && order(base + (j - 1) * size, base + j * size) > 0; j--)
            swap(base + (j - 1) * size, base + j * size, size);
}

/* The middle one of three comes first and divides the rest. */
static void choose_pivot(char *base, size_t count, size_t size, compare *order)
{
    char *middle = base + count / 2 * size, *last = base + (count - 1) * size;
    if (order(middle, base) < 0)
        swap(middle, base, size);
    if (order(last, middle) < 0)
        swap(last, middle, size);
    if (order(middle, base) < 0)
        swap(middle, base, size);
    swap(base, middle, size);
}

BENCH_NOINLINE static void sort(char *base, size_t count, size_t size, compare *order)
{
    while (count > FEW) {
        size_t low = 1, high = count - 1;
        choose_pivot(base, count, size, order);
        for (;;) {
            while (low <= high && order(base + low * size, base) < 0)
                low++;
            while (order(base + high * size, base) > 0)
                high--;
            if (low >= high)
                break;
            swap(base + low++ * size, base + high-- * size, size);
        }
        swap(base, base + high * size, size);
        sort(base, high, size, order);
        base += (high + 1) * size;
        count -= high + 1;
    }
    insertion_sort(base, count, size, order);
}

uint32_t benchmark_round(void)
{
    compare *const orders[] = {compare_keys, compare_values};
    uint32_t state = 1, sum = 0;
    for (uint32_t i = 0; i < COUNT; i++)
        records[i] = (struct record){bench_random(&state), i};
    for (int round = 0; round < 2; round++) {
        sort((char *)records, COUNT, sizeof *records, orders[round]);
        for (uint32_t i = 0; i < COUNT; i++)
            sum = bench_mix(sum, records[i].key + records[i].value);
    }
    return sum;
}
