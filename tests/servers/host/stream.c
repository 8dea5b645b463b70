/* The two ends of a stream, one thread: order, limits, ends, and a peer that writes nonsense into the shared memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tessera/stream.h"

#define RING 256u

static struct session_control *control;
static uint8_t *rings;
static struct stream a, b;
static unsigned failures;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("line %d: %s\n", __LINE__, #condition);                                                             \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

static void fresh(uint32_t index)
{
    memset(control, 0, SESSION_CONTROL_BYTES);
    memset(rings, 0, 2 * RING);
    stream_open(&a, control, index, 0, rings, RING);
    stream_open(&b, control, index, 1, rings, RING);
}

static void test_order(void)
{
    uint8_t out[RING + 50], in[RING + 50];
    uint32_t written = 0, read = 0;
    bool signal = false;
    fresh(3);
    srand(1);
    for (int step = 0; step < 100000; step++) {
        uint32_t size = (uint32_t)rand() % sizeof(out);
        for (uint32_t i = 0; i < size; i++)
            out[i] = (uint8_t)((written + i) * 7);
        written += stream_write(&a, out, size, &signal);
        uint32_t got = stream_read(&b, in, (uint32_t)rand() % sizeof(in), &signal);
        for (uint32_t i = 0; i < got; i++)
            CHECK(in[i] == (uint8_t)((read + i) * 7));
        read += got;
        CHECK(written - read <= RING && stream_readable(&b) == written - read);
        CHECK(stream_writable(&a) == RING - (written - read));
    }
    CHECK(!signal); /* nobody asked */
    CHECK(written > 1000000);
}

static void test_signals(void)
{
    uint8_t bytes[RING] = {0};
    bool signal = false;
    fresh(5);
    CHECK(!stream_ask_data(&b));
    stream_write(&a, bytes, 10, &signal);
    CHECK(signal);
    CHECK(session_take_ready(&control->ready[1]) == 1u << 5);
    CHECK(session_take_ready(&control->ready[1]) == 0);
    signal = false;
    stream_write(&a, bytes, 10, &signal);
    CHECK(!signal);             /* one ask, one signal */
    CHECK(stream_ask_data(&b)); /* there is something: do not wait */
    stream_write(&a, bytes, RING, &signal);
    CHECK(stream_writable(&a) == 0 && !stream_ask_space(&a));
    signal = false;
    stream_read(&b, bytes, 1, &signal);
    CHECK(!signal); /* not for a byte */
    stream_read(&b, bytes, RING / 2, &signal);
    CHECK(signal);
    CHECK(stream_ask_space(&a));
    stream_read(&b, bytes, RING, &signal);
    signal = false;
    CHECK(!stream_ask_data_late(&b));
    stream_write(&a, bytes, 1, &signal);
    CHECK(signal && stream_may_be_late(&a));
    stream_read(&b, bytes, RING, &signal);
    signal = false;
    CHECK(!stream_ask_data(&b));
    stream_write(&a, bytes, 1, &signal);
    CHECK(signal && !stream_may_be_late(&a)); /* it is asked at once again */
}

static void test_ends(void)
{
    uint8_t bytes[RING] = {0};
    bool signal = false;
    fresh(0);
    stream_write(&a, "last", 4, &signal);
    stream_close(&a, STREAM_CLOSED_WRITE);
    CHECK(!stream_at_end(&b) && stream_readable(&b) == 4);
    CHECK(stream_peek(&b, bytes, 2) == 2 && stream_readable(&b) == 4);
    CHECK(stream_read(&b, bytes, RING, &signal) == 4 && memcmp(bytes, "last", 4) == 0);
    CHECK(stream_at_end(&b) && stream_ask_data(&b));
    CHECK(stream_write(&a, "x", 1, &signal) == 0 && stream_is_refused(&a));
    CHECK(stream_write(&b, "y", 1, &signal) == 1); /* the other direction still works */
    stream_close(&a, STREAM_CLOSED_READ);
    CHECK(stream_is_refused(&b) && stream_write(&b, "y", 1, &signal) == 0);
}

/* Whatever the peer's line holds, nothing is read or written outside the rings: ASan watches. */
static void test_hostile(void)
{
    uint8_t bytes[2 * RING];
    srand(2);
    for (int round = 0; round < 20000; round++) {
        bool signal = false;
        fresh((uint32_t)round % (uint32_t)SESSION_STREAMS);
        for (int step = 0; step < 10; step++) {
            struct stream_line *line = &control->lines[b.index][1];
            line->head = (uint32_t)rand() * 2654435761u;
            line->tail = (uint32_t)rand() * (rand() % 2 ? 1u : 40503u) % (rand() % 2 ? 300u : 0xffffffffu);
            line->data_ask = (uint32_t)rand();
            line->closed = (uint32_t)rand() % 8;
            (void)stream_write(&a, bytes, (uint32_t)rand() % sizeof(bytes), &signal);
            (void)stream_read(&a, bytes, (uint32_t)rand() % sizeof(bytes), &signal);
            (void)stream_at_end(&a);
            (void)stream_ask_space(&a);
        }
    }
    fresh(0);
    control->lines[0][1].head = RING + 1;
    CHECK(stream_readable(&a) == 0 && a.is_broken && stream_at_end(&a) && stream_is_refused(&a));
}

/* What is written moves to larger rings, each when all of the last has been read, which is then gone: ASan watches. */
static void test_growth(void)
{
    static uint8_t out[4096], in[4096];
    uint32_t written = 0, read = 0, size = RING, moves = 0;
    uint8_t *ring = NULL;
    bool signal = false;
    fresh(2);
    b.follows = true;
    srand(3);
    for (int step = 0; step < 20000; step++) {
        if (written == read && size < 1u << 16 && rand() % 8 == 0) {
            free(ring);
            ring = malloc(size *= 2);
            CHECK(stream_grow(&a, ring, size) && stream_has_grown(&b));
        }
        uint32_t bytes = (uint32_t)rand() % sizeof(out);
        for (uint32_t i = 0; i < bytes; i++)
            out[i] = (uint8_t)((written + i) * 11);
        written += stream_write(&a, out, bytes, &signal);
        CHECK(written == read || !stream_grow(&a, rings, RING));
        CHECK(written - read <= size && stream_readable(&b) == written - read);
        CHECK(stream_writable(&a) == size - (written - read));
        bool has_grown = stream_has_grown(&b);
        uint32_t got = stream_read(&b, in, (uint32_t)rand() % sizeof(in), &signal);
        CHECK(!has_grown || got == 0);
        moves += has_grown;
        if (has_grown)
            stream_follow(&b, ring, size);
        for (uint32_t i = 0; i < got; i++)
            CHECK(in[i] == (uint8_t)((read + i) * 11));
        read += got;
    }
    CHECK(size == 1u << 16 && moves == 8 && !a.is_broken && !b.is_broken);
    atomic_fetch_add(&a.own->ring, 1);
    stream_write(&a, out, 1, &signal);
    stream_follow(&b, NULL, 0); /* nobody knows of that one */
    CHECK(b.is_broken && stream_readable(&b) == 0);
    free(ring);
    fresh(2); /* who does not follow takes no notice */
    atomic_fetch_add(&a.own->ring, 1);
    CHECK(stream_write(&a, "here", 4, &signal) == 4 && stream_read(&b, in, 4, &signal) == 4 &&
          memcmp(in, "here", 4) == 0);
    atomic_fetch_add(&a.own->head, RING + 1);
    CHECK(stream_readable(&b) == 0 && b.is_broken);
}

int main(void)
{
    control = calloc(1, SESSION_CONTROL_BYTES);
    rings = malloc(2 * RING);
    test_order();
    test_signals();
    test_ends();
    test_hostile();
    test_growth();
    free(control);
    free(rings);
    printf("stream: %u failures\n", failures);
    return failures > 0;
}
