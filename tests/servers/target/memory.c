/* servers/lib/memory.c on the machine: copies, overlapping in both directions, and fills, of all small lengths and
 * alignments. On arm64 a memmove whose parts overlapped by less than it moved at a time was once wrong.
 */
#include "tessera/server.h"
#include "tessera/text.h"

#define ROOM    512
#define LENGTHS 160
#define SHIFTS  72
#define OFFSETS 16

static uint8_t moved[ROOM], wanted[ROOM];
/* The functions themselves: not what the compiler makes of calls with lengths that it knows. */
static void *(*volatile const move)(void *, const void *, size_t) = memmove;
static void *(*volatile const copy)(void *, const void *, size_t) = memcpy;
static void *(*volatile const fill)(void *, int, size_t) = memset;

static void begin(void)
{
    for (unsigned i = 0; i < ROOM; i++) {
        moved[i] = wanted[i] = (uint8_t)(i * 7 + i / 256 + 1);
        __asm__ volatile("" : : : "memory");
    }
}

static bool is_as_wanted(const char *what, size_t to, size_t from, size_t bytes)
{
    for (unsigned i = 0; i < ROOM; i++)
        if (moved[i] != wanted[i]) {
            log_text("memory: %s to %lu from %lu, %lu bytes: byte %u is %u, not %u\n", what, to, from, bytes, i,
                     moved[i], wanted[i]);
            return false;
        }
    return true;
}

/* By a third place, a byte at a time. */
static void want(size_t to, size_t from, size_t bytes)
{
    uint8_t between[LENGTHS];
    for (size_t i = 0; i < bytes; i++)
        between[i] = wanted[from + i];
    for (size_t i = 0; i < bytes; i++)
        wanted[to + i] = between[i];
}

static bool one(size_t to, size_t from, size_t bytes)
{
    bool is_apart = to >= from + bytes || from >= to + bytes;
    begin();
    want(to, from, bytes);
    if (move(moved + to, moved + from, bytes) != moved + to || !is_as_wanted("memmove", to, from, bytes))
        return false;
    begin();
    want(to, from, bytes);
    return !is_apart ||
           (copy(moved + to, moved + from, bytes) == moved + to && is_as_wanted("memcpy", to, from, bytes));
}

static bool fills(size_t to, size_t bytes, int value)
{
    begin();
    for (size_t i = 0; i < bytes; i++)
        wanted[to + i] = (uint8_t)value;
    return fill(moved + to, value, bytes) == moved + to && is_as_wanted("memset", to, 0, bytes);
}

int program_main(const struct start_page *start)
{
    (void)start;
    for (size_t bytes = 0; bytes < LENGTHS; bytes += bytes < 40 ? 1 : 13)
        for (size_t offset = 0; offset < OFFSETS; offset += 3) {
            for (size_t shift = 0; shift<2 * SHIFTS; shift += shift> SHIFTS - 20 && shift < SHIFTS + 20 ? 1 : 5)
                if (!one(offset + shift + 100, offset + SHIFTS + 100, bytes))
                    return 1;
            if (!fills(offset, bytes, 0) || !fills(offset, bytes, 0x1a5))
                return 1;
        }
    log_text("memory: every copy is right\n");
    return 0;
}
