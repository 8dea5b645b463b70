/* Short runs of bytes, eight at a step; the last step overlaps the one before. For messages of some tens of bytes this
 * is several times cheaper than libc's functions, which must be called and go byte by byte. Nothing beyond `len` is
 * read or written.
 */
#ifndef DEMOS_LIB_BYTES_H
#define DEMOS_LIB_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BYTES_SHORT = 256 }; /* longer runs go to libc */

static inline uint64_t bytes_load(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

static inline void bytes_copy(uint8_t *to, const uint8_t *from, size_t len)
{
    if (len > BYTES_SHORT) {
        memcpy(to, from, len);
    } else if (len >= 8) {
        uint64_t word;
        for (size_t at = 0; at + 8 < len; at += 8) {
            word = bytes_load(from + at);
            memcpy(to + at, &word, 8);
        }
        word = bytes_load(from + len - 8);
        memcpy(to + len - 8, &word, 8);
    } else {
        for (size_t i = 0; i < len; i++)
            to[i] = from[i];
    }
}

static inline bool bytes_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
    if (len < 8) {
        for (size_t i = 0; i < len; i++) {
            if (a[i] != b[i])
                return false;
        }
        return true;
    }
    for (size_t at = 0; at + 8 < len; at += 8) {
        if (bytes_load(a + at) != bytes_load(b + at))
            return false;
    }
    return bytes_load(a + len - 8) == bytes_load(b + len - 8);
}

#endif
