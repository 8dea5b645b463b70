/* Plays sequences (tests/sequence) on the model: the threads' user halves, time, interrupts and faults. */
#ifndef PLAYER_H
#define PLAYER_H

#include "model.h"
#include "../sequence/sequence.h"

#define PLAY_EVENTS_MAX 4096

/* Why it depends on a machine's speed how a play goes on. */
enum timed_reason {
    TIMED_CLOSE,       /* two things come close together */
    TIMED_AHEAD,       /* a timer's expiry was paid for ahead of the time that its thread has used */
    TIMED_LAST_RESORT, /* somebody runs on time of last resort */
    TIMED_REASONS
};

struct play {
    enum model_controller controller;
    bool has_time;              /* in the replayable world with budgets and timers */
    bool is_replayable;         /* in a world without time, interrupts and other things of one machine */
    bool is_quick;              /* in the world with time: steps take as little as on a quick machine */
    unsigned interrupts;        /* came out: of the timer, in the world with time */
    unsigned device_interrupts; /* came out */
    unsigned event_count;
    uint32_t events[PLAY_EVENTS_MAX]; /* what step_record said, in order */
    bool is_spoken;                   /* tell every event on stdout */
    bool is_timed;                    /* came out: depends on a machine's speed */
    enum timed_reason timed_reason;   /* ... and why */
    size_t timed_step;                /* ... from this step on */
};

/* Which world, from a kept sequence's first byte: 1 the replayable one, 2 that with time; 4 and 8 which controller. */
void play_choose(struct play *play, uint8_t first);
/* Boots; once, before play(). */
void player_start(const char *archive_path);
/* Plays the sequence in a fresh world and takes the world down again: all memory must be back. */
void play(const uint8_t *bytes, size_t size, struct play *play);
/* The fast path does what the ordinary way does: without it all comes out the same. */
void play_slowly(const uint8_t *bytes, size_t size, const struct play *quick);

#endif
