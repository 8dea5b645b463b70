/* Put before SQLite's source (-include), which is otherwise as it is: each byte of the log goes into a checksum, which
 * is a third of what writing costs. Unrolled, the loop takes two thirds of the instructions. */
#ifndef STORE_UNROLL_H
#define STORE_UNROLL_H

static void walChecksumBytes(int native, unsigned char *bytes, int count, const unsigned int *in, unsigned int *out)
    __attribute__((optimize("unroll-loops")));

#endif
