/* The messages of a run: every publisher and subscriber reads the same data file from standard input and works
 * out its own part.
 *
 * Each line is `topic<TAB>qos<TAB>retain<TAB>payload`; empty lines and lines that begin with "# " are skipped. With
 * n publishers, publisher i sends the lines i, i + n, i + 2n, ... in order, and all of them again in every round.
 * The payload on the wire is "PUBLISHER:SEQUENCE:" (one and six digits) and the line's payload, so each message
 * tells which one it is. All lines of a topic must have one QoS and fall to one publisher, so that their order is
 * defined.
 */
#ifndef DEMOS_MQTT_PLAN_H
#define DEMOS_MQTT_PLAN_H

#include "packet.h"

enum { PLAN_PUBLISHERS_MAX = 8, PLAN_STAMP = 9, PLAN_PAYLOAD_MAX = 4096, PLAN_SEQUENCES_MAX = 1000000 };

struct plan_line {
    struct mqtt_text topic;
    uint8_t *wire;        /* PLAN_STAMP bytes for the stamp, then the payload, as they go over the wire */
    uint16_t payload_len; /* without the stamp */
    uint8_t qos;
    bool retain;
};

struct plan {
    char *text;
    struct plan_line *lines;
    uint32_t line_count, publishers, rounds;
    uint32_t shares[PLAN_PUBLISHERS_MAX]; /* lines of each publisher */
};

/* Reads standard input. Returns NULL, or what is wrong, with *line its line number. */
const char *plan_read(struct plan *plan, uint32_t publishers, uint32_t rounds, uint32_t *line);
/* A publisher's n-th message's line; sequence numbers go through all rounds. */
const struct plan_line *plan_line_of(const struct plan *plan, uint32_t publisher, uint32_t sequence);

void plan_stamp_write(uint8_t stamp[PLAN_STAMP], uint32_t publisher, uint32_t sequence);
/* False: not a stamp of this plan. */
bool plan_stamp_parse(const struct plan *plan, const uint8_t *payload, uint32_t len, uint32_t *publisher,
                      uint32_t *sequence);

static inline uint32_t plan_share(const struct plan *plan, uint32_t publisher)
{
    return plan->shares[publisher];
}

/* Whether a filter matches a topic (MQTT 3.1.1 section 4.7): written without the broker's tree, to check it. */
bool filter_matches(struct mqtt_text filter, struct mqtt_text topic);

/* A checksum that does not depend on the messages' order: the sum of these over all messages. */
uint64_t message_checksum(struct mqtt_text topic, const uint8_t *payload, uint32_t len);
/* The same of a message that is put together, in the line's own place, from its stamp and its line. */
uint64_t plan_checksum(const struct plan *plan, uint32_t publisher, uint32_t sequence);

#endif
