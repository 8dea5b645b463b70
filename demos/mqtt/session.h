/* A session: what the broker remembers of a client id, connected or not (MQTT 3.1.1 section 4.1).
 *
 * Messages for the client that need an acknowledgement, or must wait, stand in one ring in the order in which
 * they are to be sent:
 *
 *     head                          sent                                count
 *      | acknowledged or in flight   | not yet sent                      |
 *
 * An entry's packet identifier follows from its place (head_id + index), so an acknowledgement finds its entry
 * without search, and resending after a reconnect keeps the order [MQTT-4.4.0-1, 4.6.0-1].
 */
#ifndef DEMOS_MQTT_SESSION_H
#define DEMOS_MQTT_SESSION_H

#include "topics.h"

struct connection;

enum delivery_state {
    DELIVERY_QUEUED,   /* not sent */
    DELIVERY_SENT,     /* QoS 1: awaits PUBACK; QoS 2: awaits PUBREC */
    DELIVERY_RELEASED, /* QoS 2: PUBREL sent, awaits PUBCOMP; the message is gone */
    DELIVERY_DONE,     /* acknowledged; leaves when it is the oldest */
};

struct delivery {
    struct message *message;
    uint8_t qos, state;
    bool retain;
};

struct session {
    struct session *hash_next;
    struct connection *connection; /* NULL: not connected */
    struct subscription *subscriptions;
    uint32_t subscription_count;
    uint32_t found_at; /* of the match in progress, see topics.c */
    bool clean;

    struct delivery *ring; /* ring_cap entries, a power of two, or none */
    uint32_t ring_cap, head, count, sent;
    uint32_t queued_qos0; /* entries of QoS 0 not yet sent: later ones must not overtake them */
    uint64_t ring_bytes;  /* payload of the messages in the ring */
    uint16_t head_id;     /* packet identifier of the oldest entry */

    uint8_t *received; /* QoS 2 identifiers received and not released: 65536 bits, made at the first one */
    uint16_t client_id_len;
    uint8_t client_id[];
};

struct session *session_new(struct mqtt_text client_id, bool clean);
/* The caller has removed its subscriptions. */
void session_free(struct session *session);

static inline struct delivery *session_delivery(const struct session *session, uint32_t index)
{
    return &session->ring[(session->head + index) & (session->ring_cap - 1)];
}

uint16_t session_delivery_id(const struct session *session, uint32_t index);
/* The sent entry with this packet identifier, NULL when there is none. */
struct delivery *session_delivery_find(struct session *session, uint16_t id);
/* Appends an entry that holds a reference of its own. False: no memory. */
bool session_enqueue(struct session *session, struct message *message, uint8_t qos, bool retain);
/* Marks an entry as done and forgets those that can be forgotten. */
void session_delivery_done(struct session *session, struct delivery *delivery);

/* QoS 2 identifiers received. session_received_add: false when there is no memory; *is_new: it was not there. */
bool session_received_add(struct session *session, uint16_t id, bool *is_new);
void session_received_remove(struct session *session, uint16_t id);

#endif
