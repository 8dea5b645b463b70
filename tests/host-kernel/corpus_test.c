/* Plays the kept sequences on the model.
 *
 *     kernel-corpus ARCHIVE CORPUS                       all, each in its world
 *     kernel-corpus ARCHIVE CORPUS NUMBER [KIND [C]]     one, telling every event, in its own world or another
 *     kernel-corpus ARCHIVE CORPUS --expect FILE C       all in both replayable worlds; their events, for the machine
 *
 * KIND is `replayable` or `time`; C the machine's interrupt controller (enum model_controller).
 *
 * The corpus is a file of tests/harness/corpus.py: for each sequence its length, two bytes, and its bytes, of which
 * the first says which world (play_choose). The file of events is read by tests/sequence/replay.c: the controller, a
 * byte; then for each play whether the world has time, a byte, length, two bytes, steps, number of events, two bytes,
 * events, four bytes each. Without --expect each is played twice, the second time without the fast path, with the same
 * results.
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
    size_t events, interrupts, device_interrupts, steps, left_out[TIMED_REASONS];
    unsigned less;
} expected;

/* What is expected must not depend on a machine's speed: the same comes out on a quick one. */
static void play_quickly(const uint8_t *steps, size_t size, const struct play *usual, unsigned number)
{
    static struct play quick;
    unsigned same = 0;
    quick.controller = usual->controller;
    quick.is_replayable = quick.has_time = quick.is_quick = true;
    play(steps, size, &quick);
    while (same < usual->event_count && same < quick.event_count && quick.events[same] == usual->events[same])
        same++;
    if (same < usual->event_count || same < quick.event_count) {
        fprintf(stderr, "sequence %u: event %u hangs on the machine's speed\n", number, same);
        abort();
    }
}

/* Steps after which it depends on a machine's speed how the play goes on are left out. */
static void play_expect(FILE *file, const uint8_t *bytes, size_t length, const struct play *how, unsigned number)
{
    static struct play plays;
    static uint8_t steps[1 << 16];
    size_t size = (length - 1) / SEQUENCE_STEP_BYTES * SEQUENCE_STEP_BYTES, left = size;
    memcpy(steps, bytes + 1, size);
    plays = *how;
    for (play(steps, left, &plays); plays.is_timed; play(steps, left, &plays)) {
        size_t at = plays.timed_step * SEQUENCE_STEP_BYTES;
        expected.left_out[plays.timed_reason]++;
        left -= SEQUENCE_STEP_BYTES;
        memmove(steps + at, steps + at + SEQUENCE_STEP_BYTES, left - at);
    }
    if (plays.has_time)
        play_quickly(steps, left, &plays, number);
    expect(file, steps, left, &plays);
    expected.events += plays.event_count;
    expected.interrupts += plays.interrupts;
    expected.device_interrupts += plays.device_interrupts;
    expected.steps += size / SEQUENCE_STEP_BYTES;
    expected.less += left < size;
}

static struct play how_named(const char *kind, const char *controller)
{
    struct play how = {.is_replayable = true, .has_time = strcmp(kind, "time") == 0};
    how.controller = controller ? (enum model_controller)strtoul(controller, NULL, 0) : MODEL_IO_APIC;
    CHECK(how.controller < MODEL_CONTROLLERS);
    return how;
}

static void corpus_expect(FILE *file, const uint8_t *bytes, size_t length, const char *controller, unsigned number)
{
    struct play how = how_named("replayable", controller);
    play_expect(file, bytes, length, &how, number);
    how.has_time = true;
    play_expect(file, bytes, length, &how, number);
}

static void say_expected(void)
{
    const size_t *left_out = expected.left_out;
    printf(", %zu interrupts of the timer, %zu of devices\n", expected.interrupts, expected.device_interrupts);
    printf(
        "left out of %zu steps, in %u plays: %zu that bring things close together, %zu paid ahead, %zu of last resort",
        expected.steps, expected.less, left_out[TIMED_CLOSE], left_out[TIMED_AHEAD], left_out[TIMED_LAST_RESORT]);
}

int main(int argc, char **argv)
{
    static struct play plays;
    CHECK(argc >= 3 && argc <= 6);
    bool is_expecting = argc == 6 && strcmp(argv[3], "--expect") == 0;
    unsigned number = 0, only = argc > 3 && !is_expecting ? (unsigned)strtoul(argv[3], NULL, 0) : UINT32_MAX;
    FILE *file = fopen(argv[2], "rb"), *output = is_expecting ? fopen(argv[4], "wb") : NULL;
    CHECK(file && (output || !is_expecting));
    size_t size = fread(corpus, 1, sizeof(corpus), file), events = 0;
    fclose(file);
    player_start(argv[1]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (output)
        put_number(output, how_named("replayable", argv[5]).controller, 1);
    for (size_t at = 0; at + 2 < size; number++) {
        size_t length = corpus[at] | (size_t)corpus[at + 1] << 8;
        const uint8_t *bytes = corpus + at + 2;
        at += 2 + length;
        CHECK(length >= 1 && at <= size);
        if (only != UINT32_MAX && only != number)
            continue;
        if (output) {
            corpus_expect(output, bytes, length, argv[5], number);
            continue;
        }
        if (argc > 4)
            plays = how_named(argv[4], argv[5]);
        else
            play_choose(&plays, bytes[0]);
        plays.is_spoken = only != UINT32_MAX;
        play(bytes + 1, length - 1, &plays);
        events += plays.event_count;
        play_slowly(bytes + 1, length - 1, &plays);
    }
    CHECK(number > 0);
    CHECK(!output || fclose(output) == 0);
    printf("corpus: %u sequences, %zu events passed", number, events + expected.events);
    if (output)
        say_expected();
    printf("\n");
    return 0;
}
