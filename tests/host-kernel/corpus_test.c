/* Plays the kept sequences on the model.
 *
 *     kernel-corpus ARCHIVE CORPUS [NUMBER]
 *
 * With a number, that one only, telling every event. The corpus is a file of tests/sequence/corpus.py: for each
 * sequence its length, two bytes, and its bytes, of which the first says which world (as for fuzz.c).
 */
#include "player.h"

static uint8_t corpus[1 << 20];

int main(int argc, char **argv)
{
    static struct play plays;
    CHECK(argc == 3 || argc == 4);
    unsigned number = 0, only = argc == 4 ? (unsigned)strtoul(argv[3], NULL, 0) : UINT32_MAX;
    FILE *file = fopen(argv[2], "rb");
    CHECK(file);
    size_t size = fread(corpus, 1, sizeof(corpus), file), events = 0;
    fclose(file);
    player_start(argv[1]);
    plays.is_spoken = argc == 4;
    for (size_t at = 0; at + 2 < size; number++) {
        size_t length = corpus[at] | (size_t)corpus[at + 1] << 8;
        const uint8_t *bytes = corpus + at + 2;
        at += 2 + length;
        CHECK(length >= 1 && at <= size);
        if (only != UINT32_MAX && only != number)
            continue;
        plays.is_replayable = bytes[0] & 1;
        play(bytes + 1, length - 1, &plays);
        events += plays.event_count;
    }
    CHECK(number > 0);
    printf("corpus: %u sequences, %zu events passed\n", number, events);
    return 0;
}
