/* Plays the kept sequences on the model.
 *
 *     kernel-corpus ARCHIVE CORPUS                       all, each in its world
 *     kernel-corpus ARCHIVE CORPUS NUMBER [replayable|time]   one, telling every event
 *     kernel-corpus ARCHIVE CORPUS --expect FILE         all in both replayable worlds; their events, for the machine
 *
 * The corpus is a file of tests/harness/corpus.py: for each sequence its length, two bytes, and its bytes, of which
 * the first says which world (as for fuzz.c). The file of events is read by tests/sequence/replay.c: whether the
 * world has time, a byte, length, two bytes, steps, number of events, two bytes, events, four bytes each.
 * Without --expect each is played twice, the second time without the fast path, with the same results.
 */
#include "player.h"

static uint8_t corpus[1 << 20];

static void put_number(FILE *file, size_t number, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        CHECK(fputc((int)(number >> 8 * i & 255), file) != EOF);
}

static void expect(FILE *file, const uint8_t *steps, size_t size, const struct play *play)
{
    put_number(file, play->has_time, 1);
    put_number(file, size, 2);
    CHECK(fwrite(steps, 1, size, file) == size);
    put_number(file, play->event_count, 2);
    for (unsigned i = 0; i < play->event_count; i++)
        put_number(file, play->events[i], 4);
}

/* Sums over all plays that are expected. */
static struct {
    size_t events, interrupts, steps, steps_left_out;
    unsigned cut_short;
} expected;

/* What is expected must not depend on a machine's speed: the same comes out on a quick one. */
static void play_quickly(const uint8_t *steps, size_t size, const struct play *usual, unsigned number)
{
    static struct play quick;
    unsigned same = 0;
    quick.is_replayable = quick.has_time = quick.is_quick = true;
    play(steps, size, &quick);
    while (same < usual->event_count && same < quick.event_count && quick.events[same] == usual->events[same])
        same++;
    if (same < usual->event_count || same < quick.event_count) {
        fprintf(stderr, "sequence %u: event %u hangs on the machine's speed\n", number, same);
        abort();
    }
}

/* What depends on a machine's speed is left out: the play ends before, as late as it may. */
static void play_expect(FILE *file, const uint8_t *bytes, size_t length, bool has_time, unsigned number)
{
    static struct play plays;
    size_t size = (length - 1) / SEQUENCE_STEP_BYTES * SEQUENCE_STEP_BYTES, left = size;
    plays.is_replayable = true;
    plays.has_time = has_time;
    for (play(bytes + 1, left, &plays); plays.is_timed; play(bytes + 1, left, &plays)) {
        CHECK(left > 0); /* without any step nothing depends on time */
        left -= SEQUENCE_STEP_BYTES;
    }
    if (has_time)
        play_quickly(bytes + 1, left, &plays, number);
    expect(file, bytes + 1, left, &plays);
    expected.events += plays.event_count;
    expected.interrupts += plays.interrupts;
    expected.steps += size / SEQUENCE_STEP_BYTES;
    expected.steps_left_out += (size - left) / SEQUENCE_STEP_BYTES;
    expected.cut_short += left < size;
}

int main(int argc, char **argv)
{
    static struct play plays;
    CHECK(argc >= 3 && argc <= 5);
    bool is_expecting = argc == 5 && strcmp(argv[3], "--expect") == 0;
    unsigned number = 0, only = argc > 3 && !is_expecting ? (unsigned)strtoul(argv[3], NULL, 0) : UINT32_MAX;
    FILE *file = fopen(argv[2], "rb"), *output = is_expecting ? fopen(argv[4], "wb") : NULL;
    CHECK(file && (output || !is_expecting));
    size_t size = fread(corpus, 1, sizeof(corpus), file), events = 0;
    fclose(file);
    player_start(argv[1]);
    plays.is_spoken = only != UINT32_MAX;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t at = 0; at + 2 < size; number++) {
        size_t length = corpus[at] | (size_t)corpus[at + 1] << 8;
        const uint8_t *bytes = corpus + at + 2;
        at += 2 + length;
        CHECK(length >= 1 && at <= size);
        if (only != UINT32_MAX && only != number)
            continue;
        if (output) {
            play_expect(output, bytes, length, false, number);
            play_expect(output, bytes, length, true, number);
            continue;
        }
        plays.has_time = argc == 5 ? strcmp(argv[4], "time") == 0 : bytes[0] & 2;
        plays.is_replayable = plays.has_time || argc == 5 || (bytes[0] & 1);
        play(bytes + 1, length - 1, &plays);
        events += plays.event_count;
        play_slowly(bytes + 1, length - 1, &plays);
    }
    CHECK(number > 0);
    CHECK(!output || fclose(output) == 0);
    printf("corpus: %u sequences, %zu events passed", number, events + expected.events);
    if (output)
        printf(", %zu interrupts of the timer; %u plays cut short, without %zu of %zu steps", expected.interrupts,
               expected.cut_short, expected.steps_left_out, expected.steps);
    printf("\n");
    return 0;
}
