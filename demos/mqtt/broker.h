/* An MQTT 3.1.1 broker as a state machine: bytes in, bytes out. It does no input or output itself, reads no clock
 * and never waits; loop.c connects it to descriptors, and tests drive it directly.
 *
 * The caller's part: hand every accepted connection's bytes to broker_receive while connection_wants_input, write
 * what connection_output shows and say so with broker_sent, call broker_tick when broker_deadline_ns comes, and
 * after each of these take the connections that have something to write or are to be closed from
 * broker_next_dirty. `now_ns` is any monotonic clock, never 0.
 *
 * Flow control. Output is queued per connection. When one has more than `output_high` bytes (or `queue_high`
 * messages) waiting, the publishers that fill it are no longer read, so nothing is lost while everybody keeps
 * up on average. A connection that has not drained within `patience_ns` is called slow: publishers go on, and
 * what does not fit is dropped and counted, QoS 0 at `output_high`, QoS 1 and 2 at `queue_max`. Nothing a client
 * does makes the broker hold more than the limits say.
 *
 * A message that a limit forbids to keep for some receiver is dropped for that receiver only. A client that
 * breaks the protocol is disconnected, nobody else is affected.
 */
#ifndef DEMOS_MQTT_BROKER_H
#define DEMOS_MQTT_BROKER_H

#include "buffer.h"
#include "session.h"

struct broker_limits {
    uint32_t connections, sessions;
    uint32_t subscriptions;           /* of one session, and filters of one packet that are heeded */
    uint64_t subscribe_nodes;         /* nodes of the tree that one packet's filters with wildcards look at */
    uint32_t packet_max;              /* bytes of one packet; a longer one closes its connection */
    uint32_t client_id_max;           /* bytes */
    uint32_t inflight;                /* sent and unacknowledged messages of one session */
    uint32_t queue_high, queue_max;   /* messages of one session that wait to be sent; at most 30000 */
    uint64_t queue_bytes;             /* payload of one session's messages */
    uint32_t output_low, output_high; /* bytes */
    uint64_t patience_ns;
    uint64_t connect_ns; /* time for a new connection to send CONNECT */
    struct topic_limits topics;
};

extern const struct broker_limits broker_default_limits;

struct broker_stats {
    uint64_t accepted, refused, closed_for_error, taken_over, timed_out, wills;
    uint64_t publishes_in, publishes_out, dropped, retained_refused;
};

struct connection {
    void *owner;             /* the caller's */
    struct session *session; /* NULL until CONNECT, and when closing */
    bool closing, dirty, paused, slow;
    bool broken;                 /* an answer it must get could not be kept */
    uint64_t stalled_since_ns;   /* 0: not stalled */
    uint64_t heard_ns, limit_ns; /* last bytes received, and the silence allowed since; limit 0: any */
    struct message *will;
    bool will_retain;
    struct buffer in, out;
    struct connection *next_dirty;
    uint32_t index; /* in broker->connections */
};

struct broker {
    struct broker_limits limits;
    struct broker_stats stats;
    struct topics topics;
    struct connection **connections; /* dense */
    uint32_t connection_count, session_count, stalled, paused;
    uint32_t resume_at;        /* connection that was resumed last */
    bool has_hit_stalled;      /* the packet in progress went to a stalled receiver */
    struct session **sessions; /* by client id; session_buckets of them */
    uint32_t session_buckets;
    struct connection *dirty;
    uint64_t now_ns, deadline_ns, made_ids;
    /* Told of each connection closed for a reason of its own: the client id, empty before CONNECT. May be NULL. */
    void (*log)(struct mqtt_text client_id, const char *what);
    /* Told of a connection that has become slow, of one in ten seconds. May be NULL. */
    void (*log_slow)(struct mqtt_text client_id);
    uint64_t slow_told_ns; /* 0: of none yet */
};

bool broker_init(struct broker *broker, const struct broker_limits *limits);
void broker_destroy(struct broker *broker);

/* A new connection; NULL when the limit is reached. */
struct connection *broker_accept(struct broker *broker, void *owner, uint64_t now_ns);
/* Takes all of `bytes`; what cannot be used yet is kept. */
void broker_receive(struct broker *broker, struct connection *connection, const uint8_t *bytes, size_t len,
                    uint64_t now_ns);
/* The peer's bytes have ended, or the connection broke: publishes the will if there is one. */
void broker_peer_closed(struct broker *broker, struct connection *connection, uint64_t now_ns);
/* Whether the caller should read now; it need not otherwise. */
bool connection_wants_input(const struct broker *broker, const struct connection *connection);
/* What is to be written; *len 0 when nothing is. */
const uint8_t *connection_output(const struct connection *connection, size_t *len);
void broker_sent(struct broker *broker, struct connection *connection, size_t len, uint64_t now_ns);
/* Frees a connection that is closing; its owner has closed the descriptor. */
void broker_release(struct broker *broker, struct connection *connection);
/* Keep-alive, patience, and what was held back and can go on. */
void broker_tick(struct broker *broker, uint64_t now_ns);
uint64_t broker_deadline_ns(const struct broker *broker); /* UINT64_MAX: none */
/* The next connection with output or to be closed, each at most once until something new happens; NULL: none. */
struct connection *broker_next_dirty(struct broker *broker);

#endif
