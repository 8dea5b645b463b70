/* Put before SQLite's source (-include), which stays as it is: the checksum of the log, into which every byte that is
 * written goes, by vectors. Taken word by word it is a third of what writing costs.
 *
 * SQLite's two sums, one after the other, are a sequence a[k] = a[k-1] + a[k-2] + word[k] (mod 2^32), so the last two
 * are sums of all words, each times a Fibonacci number. Sixteen columns, k mod 16, are summed at a time: since
 * F(m + 16) = 2207 F(m) - F(m - 16), a column is u[i] = word[i] + 2207 u[i-1] - u[i-2] from row to row, and counts in
 * the end F(m) u[last] - F(m - 16) u[last-1] (C. W. Clenshaw, "A note on the summation of Chebyshev series", 1955).
 */
#ifndef STORE_CHECKSUM_H
#define STORE_CHECKSUM_H

#include <stdint.h>

typedef uint32_t checksum_lanes __attribute__((vector_size(16), may_alias));

/* SQLite's own, whose definition and calls the macros below tell apart by their first word. */
static void walChecksumBytes_of_sqlite(int is_native, unsigned char *bytes, int count, const unsigned int *in,
                                       unsigned int *out);

static inline uint32_t checksum_sum(const checksum_lanes *u1, const checksum_lanes *u2, const checksum_lanes *f1,
                                    const checksum_lanes *f2)
{
    checksum_lanes sum = {0};
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        sum += u1[i] * f1[i] - u2[i] * f2[i];
    return sum[0] + sum[1] + sum[2] + sum[3];
}

/* `rows` of 64 bytes, an even number; sums[0] and [1] are the sequence's last two. */
static inline void checksum_rows(const unsigned char *bytes, int rows, unsigned int *sums)
{
    /* F(15 - k) and F(-1 - k), F(16 - k) and F(-k), of column k. */
    static const checksum_lanes f15[4] = {{610, 377, 233, 144}, {89, 55, 34, 21}, {13, 8, 5, 3}, {2, 1, 1, 0}};
    static const checksum_lanes below15[4] = {
        {1, -1u, 2, -3u}, {5, -8u, 13, -21u}, {34, -55u, 89, -144u}, {233, -377u, 610, -987u}};
    static const checksum_lanes f16[4] = {{987, 610, 377, 233}, {144, 89, 55, 34}, {21, 13, 8, 5}, {3, 2, 1, 1}};
    static const checksum_lanes below16[4] = {
        {0, 1, -1u, 2}, {-3u, 5, -8u, 13}, {-21u, 34, -55u, 89}, {-144u, 233, -377u, 610}};
    const checksum_lanes *in = (const checksum_lanes *)(const void *)bytes;
    /* As if a row before had made the sums. */
    checksum_lanes u1[4] = {{0}, {0}, {0}, {0, 0, sums[0], sums[1] - sums[0]}}, u2[4] = {{0}};
    for (; rows > 0; rows -= 2, in += 8) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            u2[i] = in[i] - u2[i] + 2207u * u1[i];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            u1[i] = in[4 + i] - u1[i] + 2207u * u2[i];
    }
    sums[0] = checksum_sum(u1, u2, f15, below15);
    sums[1] = checksum_sum(u1, u2, f16, below16);
}

static inline void log_checksum(int is_native, unsigned char *bytes, int count, const unsigned int *in,
                                unsigned int *out)
{
    unsigned int sums[2] = {in ? in[0] : 0, in ? in[1] : 0};
    if (!is_native || count % 128 != 0 || (uintptr_t)bytes % sizeof(checksum_lanes) != 0) {
        walChecksumBytes_of_sqlite(is_native, bytes, count, in, out);
        return;
    }
    checksum_rows(bytes, count / 64, sums);
    out[0] = sums[0];
    out[1] = sums[1];
}

#define walChecksumBytes(first, bytes, count, in, out) CHECKSUM_##first, bytes, count, in, out)
#define CHECKSUM_int         walChecksumBytes_of_sqlite(int
#define CHECKSUM_1           log_checksum(1
#define CHECKSUM_nativeCksum log_checksum(nativeCksum
#define CHECKSUM_pWal        log_checksum(pWal

#endif
