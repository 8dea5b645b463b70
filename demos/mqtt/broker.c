#include "broker.h"

#include "delivery.h"
#include "handlers.h"

enum { NS_PER_S = 1000000000 };

#define SLOW_QUIET_NS 10000000000u

const struct broker_limits broker_default_limits = {
    .connections = 1100,
    .sessions = 4096,
    .subscriptions = 1024,
    .subscribe_nodes = 1 << 20,
    .packet_max = 256 * 1024,
    .client_id_max = 256,
    .inflight = 64,
    .queue_high = 512,
    .queue_max = 8192,
    .queue_bytes = 1024 * 1024,
    .output_low = 16 * 1024,
    .output_high = 64 * 1024,
    .patience_ns = NS_PER_S,
    .connect_ns = 10ull * NS_PER_S,
    .topics = {.nodes = 65536, .levels = 128, .routed = 65536, .retained_count = 16384, .retained_bytes = 8 << 20},
};

/* ---- input ---- */

bool connection_wants_input(const struct broker *broker, const struct connection *connection)
{
    return !connection->closing && !connection->paused && buffer_used(&connection->out) < broker->limits.output_high;
}

/* A publisher that has filled a stalled receiver is not read until that has drained. */
static void connection_pause(struct broker *broker, struct connection *connection)
{
    if (connection->closing)
        return;
    connection->paused = true;
    broker->paused++;
}

/* Handles whole packets as long as the connection wants input. Returns the bytes used. */
static size_t broker_consume(struct broker *broker, struct connection *connection, const uint8_t *bytes, size_t len)
{
    size_t used = 0;
    while (connection_wants_input(broker, connection)) {
        struct mqtt_frame frame;
        enum mqtt_result result = mqtt_frame_parse(bytes + used, len - used, &frame);
        if (result == MQTT_MALFORMED || (frame.header_len > 0 && frame.body_len > broker->limits.packet_max)) {
            connection_fail(broker, connection, result == MQTT_MALFORMED ? "malformed length" : "packet too large");
            break;
        }
        if (result == MQTT_INCOMPLETE)
            break;
        used += frame.header_len + frame.body_len;
        broker->has_hit_stalled = false;
        packet_handle(broker, connection, &frame);
        if (broker->has_hit_stalled)
            connection_pause(broker, connection);
    }
    return used;
}

/* Goes on with the bytes that were kept. */
static void connection_resume(struct broker *broker, struct connection *connection)
{
    struct buffer *in = &connection->in;
    if (buffer_used(in) == 0)
        return;
    size_t used = broker_consume(broker, connection, in->bytes + in->head, buffer_used(in));
    buffer_take(in, (uint32_t)used);
    buffer_trim(in, BUFFER_BUSY);
}

/* Keeps bytes that cannot be used yet. */
static void connection_keep(struct broker *broker, struct connection *connection, const uint8_t *bytes, size_t len)
{
    struct buffer *in = &connection->in;
    if (!buffer_reserve(in, len)) {
        connection_fail(broker, connection, "no memory for its packet");
        return;
    }
    memcpy(in->bytes + in->tail, bytes, len);
    in->tail += (uint32_t)len;
}

/* How many bytes the packet that was kept in part still lacks, as far as its header tells. */
static size_t connection_lacks(const struct connection *connection)
{
    const struct buffer *in = &connection->in;
    struct mqtt_frame frame;
    mqtt_frame_parse(in->bytes + in->head, buffer_used(in), &frame);
    return frame.header_len > 0 ? frame.header_len + frame.body_len - buffer_used(in) : 1;
}

/* Completes the packet that was kept in part, so that what follows it need not be copied. Returns the bytes used. */
static size_t broker_complete(struct broker *broker, struct connection *connection, const uint8_t *bytes, size_t len)
{
    size_t used = 0;
    while (used < len && buffer_used(&connection->in) > 0 && connection_wants_input(broker, connection)) {
        size_t lacks = connection_lacks(connection), count = lacks < len - used ? lacks : len - used;
        connection_keep(broker, connection, bytes + used, count);
        used += count;
        connection_resume(broker, connection);
    }
    return used;
}

void broker_receive(struct broker *broker, struct connection *connection, const uint8_t *bytes, size_t len,
                    uint64_t now_ns)
{
    broker->now_ns = now_ns;
    connection->heard_ns = now_ns;
    size_t used = broker_complete(broker, connection, bytes, len);
    if (buffer_used(&connection->in) == 0)
        used += broker_consume(broker, connection, bytes + used, len - used);
    if (used < len && !connection->closing)
        connection_keep(broker, connection, bytes + used, len - used);
}

/* ---- the caller's other events ---- */

bool broker_init(struct broker *broker, const struct broker_limits *limits)
{
    memset(broker, 0, sizeof(*broker));
    broker->limits = *limits;
    broker->deadline_ns = UINT64_MAX;
    broker->session_buckets = 1;
    while (broker->session_buckets < limits->sessions)
        broker->session_buckets *= 2;
    broker->connections = calloc(limits->connections, sizeof(struct connection *));
    broker->sessions = calloc(broker->session_buckets, sizeof(struct session *));
    return topics_init(&broker->topics, &limits->topics) && broker->connections != NULL && broker->sessions != NULL;
}

static void connection_free(struct connection *connection)
{
    message_release(connection->will);
    free(connection->in.bytes);
    free(connection->out.bytes);
    free(connection);
}

void broker_destroy(struct broker *broker)
{
    for (uint32_t i = 0; i < broker->connection_count; i++)
        connection_free(broker->connections[i]);
    for (uint32_t i = 0; i < broker->session_buckets; i++) {
        while (broker->sessions[i] != NULL)
            session_end(broker, broker->sessions[i]);
    }
    topics_destroy(&broker->topics);
    free(broker->connections);
    free(broker->sessions);
}

struct connection *broker_accept(struct broker *broker, void *owner, uint64_t now_ns)
{
    if (broker->connection_count >= broker->limits.connections)
        return NULL;
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL)
        return NULL;
    connection->owner = owner;
    connection->heard_ns = now_ns;
    connection->limit_ns = broker->limits.connect_ns;
    connection->index = broker->connection_count;
    broker->connections[broker->connection_count++] = connection;
    broker->stats.accepted++;
    deadline_add(broker, now_ns + connection->limit_ns);
    return connection;
}

void broker_peer_closed(struct broker *broker, struct connection *connection, uint64_t now_ns)
{
    broker->now_ns = now_ns;
    connection_close(broker, connection);
    connection->out.head = connection->out.tail = 0; /* nobody reads it */
}

const uint8_t *connection_output(const struct connection *connection, size_t *len)
{
    *len = buffer_used(&connection->out);
    return *len > 0 ? connection->out.bytes + connection->out.head : NULL;
}

void broker_sent(struct broker *broker, struct connection *connection, size_t len, uint64_t now_ns)
{
    broker->now_ns = now_ns;
    buffer_take(&connection->out, (uint32_t)len);
    buffer_trim(&connection->out, BUFFER_BUSY);
    if (connection->session != NULL && connection->session->sent < connection->session->count)
        session_pump(broker, connection->session);
    connection_check_drained(broker, connection);
    if (!connection->paused)
        connection_resume(broker, connection);
}

void broker_release(struct broker *broker, struct connection *connection)
{
    struct connection *last = broker->connections[--broker->connection_count];
    broker->connections[connection->index] = last;
    last->index = connection->index;
    for (struct connection **link = &broker->dirty; *link != NULL; link = &(*link)->next_dirty) {
        if (*link == connection) {
            *link = connection->next_dirty;
            break;
        }
    }
    connection_free(connection);
}

struct connection *broker_next_dirty(struct broker *broker)
{
    struct connection *connection = broker->dirty;
    if (connection != NULL) {
        broker->dirty = connection->next_dirty;
        connection->dirty = false;
    }
    return connection;
}

/* ---- time ---- */

static void connection_slow(struct broker *broker, struct connection *connection)
{
    connection_unstall(broker, connection);
    connection->slow = true;
    if (broker->log_slow == NULL || connection->session == NULL ||
        (broker->slow_told_ns != 0 && broker->now_ns - broker->slow_told_ns < SLOW_QUIET_NS))
        return;
    broker->slow_told_ns = broker->now_ns;
    broker->log_slow((struct mqtt_text){connection->session->client_id, connection->session->client_id_len});
}

static void connection_tick(struct broker *broker, struct connection *connection)
{
    if (connection->closing)
        return;
    if (connection->paused) /* what it sent meanwhile has not been read */
        connection->heard_ns = broker->now_ns;
    if (connection->limit_ns != 0 && broker->now_ns - connection->heard_ns >= connection->limit_ns) {
        broker->stats.timed_out++;
        connection_fail(broker, connection,
                        connection->session != NULL ? "silent beyond its keep-alive" : "no CONNECT");
        return;
    }
    if (connection->stalled_since_ns != 0 &&
        broker->now_ns - connection->stalled_since_ns >= broker->limits.patience_ns)
        connection_slow(broker, connection);
    buffer_trim(&connection->in, BUFFER_FIRST);
    buffer_trim(&connection->out, BUFFER_FIRST);
    if (connection->limit_ns != 0)
        deadline_add(broker, connection->heard_ns + connection->limit_ns);
    if (connection->stalled_since_ns != 0)
        deadline_add(broker, connection->stalled_since_ns + broker->limits.patience_ns);
}

/* Lets paused publishers go on, until one of them fills a receiver again; each time another one is first. */
static void broker_resume_paused(struct broker *broker)
{
    uint32_t count = broker->connection_count;
    for (uint32_t i = 0; i < count && broker->paused > 0 && broker->stalled == 0; i++) {
        broker->resume_at = broker->resume_at + 1 < count ? broker->resume_at + 1 : 0;
        struct connection *connection = broker->connections[broker->resume_at];
        broker->paused -= connection->paused;
        connection->paused = false;
        connection_resume(broker, connection);
    }
}

/* Deadlines only move away as bytes arrive, so they are recomputed when the nearest known one has come. */
void broker_tick(struct broker *broker, uint64_t now_ns)
{
    broker->now_ns = now_ns;
    if (now_ns >= broker->deadline_ns) {
        broker->deadline_ns = UINT64_MAX;
        for (uint32_t i = 0; i < broker->connection_count; i++)
            connection_tick(broker, broker->connections[i]);
    }
    broker_resume_paused(broker);
}

uint64_t broker_deadline_ns(const struct broker *broker)
{
    return broker->deadline_ns;
}
