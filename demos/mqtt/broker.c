#include "broker.h"

#include "demos/lib/bytes.h"

enum { NS_PER_S = 1000000000, BUFFER_FIRST = 2048, BUFFER_BUSY = 32768 };

const struct broker_limits broker_default_limits = {
    .connections = 1100,
    .sessions = 4096,
    .subscriptions = 1024,
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

/* ---- buffers ---- */

static uint32_t buffer_used(const struct buffer *buffer)
{
    return buffer->tail - buffer->head;
}

/* Makes room for `len` more bytes at the tail. False: no memory. */
static bool buffer_grow(struct buffer *buffer, size_t len)
{
    uint32_t used = buffer_used(buffer), cap = buffer->cap == 0 ? BUFFER_FIRST : buffer->cap;
    if (used > 0 && buffer->head > 0)
        memmove(buffer->bytes, buffer->bytes + buffer->head, used);
    buffer->head = 0;
    buffer->tail = used;
    while (cap - used < len)
        cap *= 2;
    if (cap == buffer->cap)
        return true;
    uint8_t *bytes = realloc(buffer->bytes, cap);
    if (bytes == NULL)
        return false;
    buffer->bytes = bytes;
    buffer->cap = cap;
    return true;
}

static inline bool buffer_reserve(struct buffer *buffer, size_t len)
{
    return buffer->cap - buffer->tail >= len || buffer_grow(buffer, len);
}

static void buffer_take(struct buffer *buffer, uint32_t len)
{
    buffer->head += len;
    if (buffer->head == buffer->tail)
        buffer->head = buffer->tail = 0;
}

/* An idle connection should cost little: large empty buffers are given back. */
static void buffer_trim(struct buffer *buffer, uint32_t cap_max)
{
    if (buffer_used(buffer) == 0 && buffer->cap > cap_max) {
        free(buffer->bytes);
        *buffer = (struct buffer){0};
    }
}

/* ---- output ---- */

static void connection_mark(struct broker *broker, struct connection *connection)
{
    if (connection->dirty)
        return;
    connection->dirty = true;
    connection->next_dirty = broker->dirty;
    broker->dirty = connection;
}

/* Appends two pieces as one. False: no memory, nothing was appended. */
static inline bool output_append(struct broker *broker, struct connection *connection, const uint8_t *head,
                                 size_t head_len, const uint8_t *tail, size_t tail_len)
{
    struct buffer *out = &connection->out;
    if (!buffer_reserve(out, head_len + tail_len))
        return false;
    bytes_copy(out->bytes + out->tail, head, head_len);
    bytes_copy(out->bytes + out->tail + head_len, tail, tail_len);
    out->tail += (uint32_t)(head_len + tail_len);
    connection_mark(broker, connection);
    return true;
}

/* Appends a packet that must not be missing: without memory for it the connection is closed. */
static bool send_small(struct broker *broker, struct connection *connection, const uint8_t *packet, size_t len)
{
    struct buffer *out = &connection->out;
    if (!buffer_reserve(out, len)) {
        connection->broken = true;
        return false;
    }
    memcpy(out->bytes + out->tail, packet, len);
    out->tail += (uint32_t)len;
    connection_mark(broker, connection);
    return true;
}

static bool send_ack(struct broker *broker, struct connection *connection, uint8_t type, uint16_t id)
{
    uint8_t packet[4];
    return send_small(broker, connection, packet, mqtt_ack_write(packet, type, id));
}

/* ---- flow control ---- */

static void deadline_add(struct broker *broker, uint64_t deadline_ns)
{
    if (deadline_ns < broker->deadline_ns)
        broker->deadline_ns = deadline_ns;
}

static bool connection_is_full(const struct broker *broker, const struct connection *connection)
{
    const struct session *session = connection->session;
    return buffer_used(&connection->out) >= broker->limits.output_high ||
           (session != NULL && session->count - session->sent >= broker->limits.queue_high);
}

static void connection_unstall(struct broker *broker, struct connection *connection)
{
    if (connection->stalled_since_ns == 0)
        return;
    connection->stalled_since_ns = 0;
    broker->stalled--;
}

/* Called when a receiver has more waiting than it should: its publishers wait too, for a while. */
static void connection_stall(struct broker *broker, struct connection *connection)
{
    if (connection->slow || connection->stalled_since_ns != 0)
        return;
    connection->stalled_since_ns = broker->now_ns;
    broker->stalled++;
    deadline_add(broker, broker->now_ns + broker->limits.patience_ns);
}

static void connection_check_drained(struct broker *broker, struct connection *connection)
{
    const struct session *session = connection->session;
    if (buffer_used(&connection->out) > broker->limits.output_low ||
        (session != NULL && session->count - session->sent >= broker->limits.queue_high / 2))
        return;
    connection_unstall(broker, connection);
    connection->slow = false;
}

/* ---- deliveries ---- */

/* Sends one entry of the ring, for the first time or (dup) again. False: no memory. */
static bool delivery_send(struct broker *broker, struct connection *connection, uint32_t index, bool dup)
{
    struct session *session = connection->session;
    struct delivery *delivery = session_delivery(session, index);
    const struct message *message = delivery->message;
    uint8_t head[MQTT_HEADER_MAX];
    uint16_t id = session_delivery_id(session, index);
    if (delivery->state == DELIVERY_RELEASED)
        return send_ack(broker, connection, MQTT_PUBREL, id);
    uint32_t topic_len = 2u + message->topic_len, id_len = delivery->qos > 0 ? 2 : 0;
    uint8_t flags = (uint8_t)((dup ? 8 : 0) | delivery->qos << 1 | (delivery->retain ? 1 : 0));
    size_t head_len = mqtt_header_write(head, MQTT_PUBLISH, flags, topic_len + id_len + message->payload_len);
    if (!buffer_reserve(&connection->out, head_len + topic_len + id_len + message->payload_len))
        return false;
    uint8_t id_bytes[2] = {(uint8_t)(id >> 8), (uint8_t)id};
    output_append(broker, connection, head, head_len, message->bytes, topic_len);
    output_append(broker, connection, id_bytes, id_len, message->bytes + topic_len, message->payload_len);
    broker->stats.publishes_out++;
    return true;
}

/* Sends what the window and the output buffer have room for. */
static void session_pump(struct broker *broker, struct session *session)
{
    struct connection *connection = session->connection;
    while (session->sent < session->count && session->sent < broker->limits.inflight &&
           buffer_used(&connection->out) < broker->limits.output_high) {
        struct delivery *delivery = session_delivery(session, session->sent);
        if (!delivery_send(broker, connection, session->sent, false))
            return;
        session->sent++;
        if (delivery->qos > 0) {
            delivery->state = DELIVERY_SENT;
        } else {
            session->queued_qos0--;
            session_delivery_done(session, delivery);
        }
    }
}

/* After a reconnect: everything that was in flight goes out again in its old order [MQTT-4.4.0-1]. */
static void session_resend(struct broker *broker, struct session *session)
{
    for (uint32_t i = 0; i < session->sent; i++) {
        const struct delivery *delivery = session_delivery(session, i);
        if (delivery->state != DELIVERY_DONE &&
            !delivery_send(broker, session->connection, i, delivery->state == DELIVERY_SENT))
            session->connection->broken = true;
    }
    session_pump(broker, session);
}

static void session_queue(struct broker *broker, struct session *session, struct message *message, uint8_t qos,
                          bool retain)
{
    if (session->count >= broker->limits.queue_max ||
        session->ring_bytes + message->payload_len > broker->limits.queue_bytes ||
        !session_enqueue(session, message, qos, retain)) {
        broker->stats.dropped++;
        return;
    }
    if (session->connection != NULL)
        session_pump(broker, session);
}

/* A QoS 0 copy of a publication, either from the packet as it came (raw) or made anew. */
static bool send_qos0(struct broker *broker, struct connection *connection, const struct mqtt_publish *publish,
                      const uint8_t *raw, size_t raw_len)
{
    if (raw != NULL)
        return output_append(broker, connection, raw, raw_len, raw, 0);
    struct mqtt_publish copy = {.topic = publish->topic, .payload_len = publish->payload_len};
    uint8_t head[MQTT_HEADER_MAX + 2];
    size_t head_len = mqtt_header_write(head, MQTT_PUBLISH, 0, mqtt_publish_body_len(&copy));
    if (!buffer_reserve(&connection->out, head_len + 2u + publish->topic.len + publish->payload_len))
        return false;
    head[head_len++] = (uint8_t)(publish->topic.len >> 8);
    head[head_len++] = (uint8_t)publish->topic.len;
    output_append(broker, connection, head, head_len, publish->topic.bytes, publish->topic.len);
    return output_append(broker, connection, head, 0, publish->payload, publish->payload_len);
}

/* ---- publishing ---- */

/* What one publication needs while it goes to its receivers. */
struct publication {
    const struct mqtt_publish *publish;
    const uint8_t *raw; /* the packet itself when it can be passed on unchanged, else NULL */
    size_t raw_len;
    struct message *message; /* made when first needed */
};

static struct message *publication_message(struct publication *publication)
{
    if (publication->message == NULL)
        publication->message = message_new(publication->publish);
    return publication->message;
}

static void deliver_qos0(struct broker *broker, struct session *session, struct publication *publication)
{
    struct connection *connection = session->connection;
    if (connection == NULL)
        return; /* QoS 0 is not kept for absent clients */
    if (session->queued_qos0 > 0 && publication_message(publication) != NULL) {
        session_queue(broker, session, publication->message, 0, false);
        return;
    }
    bool is_full = buffer_used(&connection->out) >= broker->limits.output_high;
    if ((is_full && connection->slow) ||
        !send_qos0(broker, connection, publication->publish, publication->raw, publication->raw_len))
        broker->stats.dropped++;
    else
        broker->stats.publishes_out++;
}

/* Hands a publication to one receiver. Never closes a connection: the caller walks a route. */
static inline void deliver(struct broker *broker, const struct receiver *receiver, struct publication *publication)
{
    struct session *session = receiver->session;
    uint8_t qos = receiver->qos < publication->publish->qos ? receiver->qos : publication->publish->qos;
    if (qos == 0)
        deliver_qos0(broker, session, publication);
    else if (publication_message(publication) != NULL)
        session_queue(broker, session, publication->message, qos, false);
    else
        broker->stats.dropped++;
    if (session->connection != NULL && connection_is_full(broker, session->connection)) {
        connection_stall(broker, session->connection);
        broker->has_hit_stalled |= session->connection->stalled_since_ns != 0;
    }
}

static void retain(struct broker *broker, struct publication *publication)
{
    bool clears = publication->publish->payload_len == 0; /* [MQTT-3.3.1-10] */
    struct message *message = clears ? NULL : publication_message(publication);
    if (!topics_retain(&broker->topics, publication->publish->topic, message) || (!clears && message == NULL))
        broker->stats.retained_refused++;
}

/* Publishes to everyone who subscribes. False: the topic is not valid. */
static bool broker_publish(struct broker *broker, const struct mqtt_publish *publish, const uint8_t *raw,
                           size_t raw_len)
{
    struct publication publication = {publish, raw, raw_len, NULL};
    bool no_memory = false;
    const struct route *route = topics_route(&broker->topics, publish->topic, &no_memory);
    broker->stats.publishes_in++;
    if (route == NULL && !no_memory)
        return false;
    if (route == NULL)
        broker->stats.dropped++;
    for (uint32_t i = 0; route != NULL && i < route->count; i++)
        deliver(broker, &route->receivers[i], &publication);
    if (publish->retain)
        retain(broker, &publication);
    message_release(publication.message);
    return true;
}

/* ---- sessions ---- */

static struct session **session_bucket(struct broker *broker, struct mqtt_text client_id)
{
    uint32_t hash = 2166136261u;
    for (uint16_t i = 0; i < client_id.len; i++)
        hash = (hash ^ client_id.bytes[i]) * 16777619u;
    return &broker->sessions[(hash ^ hash >> 15) & (broker->session_buckets - 1)];
}

/* The link that points at the session of a client id, or at NULL. */
static struct session **session_find(struct broker *broker, struct mqtt_text client_id)
{
    struct session **link = session_bucket(broker, client_id);
    while (*link != NULL && !((*link)->client_id_len == client_id.len &&
                              memcmp((*link)->client_id, client_id.bytes, client_id.len) == 0))
        link = &(*link)->hash_next;
    return link;
}

static struct mqtt_text session_client_id(const struct session *session)
{
    return (struct mqtt_text){session->client_id, session->client_id_len};
}

static void session_end(struct broker *broker, struct session *session)
{
    struct session **link = session_find(broker, session_client_id(session));
    *link = session->hash_next;
    topics_unsubscribe_all(&broker->topics, &session->subscriptions);
    session_free(session);
    broker->session_count--;
}

/* ---- closing ---- */

static void will_publish(struct broker *broker, struct message *will, bool will_retain)
{
    struct mqtt_publish publish = {
        .qos = will->qos,
        .retain = will_retain,
        .topic = message_topic(will),
        .payload = will->bytes + 2 + will->topic_len,
        .payload_len = will->payload_len,
    };
    broker->stats.wills++;
    broker_publish(broker, &publish, NULL, 0);
}

/* Ends a connection's part in everything; its last output may still be written. */
static void connection_close(struct broker *broker, struct connection *connection)
{
    struct session *session = connection->session;
    struct message *will = connection->will;
    if (connection->closing)
        return;
    connection_unstall(broker, connection);
    broker->paused -= connection->paused;
    connection->paused = false;
    connection->closing = true;
    connection->session = NULL;
    connection->will = NULL;
    connection_mark(broker, connection);
    if (session != NULL) {
        session->connection = NULL;
        if (session->clean)
            session_end(broker, session);
    }
    if (will != NULL)
        will_publish(broker, will, connection->will_retain);
    message_release(will);
}

static void connection_fail(struct broker *broker, struct connection *connection, const char *what)
{
    if (connection->closing)
        return;
    if (broker->log != NULL)
        broker->log(connection->session != NULL ? session_client_id(connection->session) : (struct mqtt_text){NULL, 0},
                    what);
    broker->stats.closed_for_error++;
    connection_close(broker, connection);
}

/* ---- CONNECT ---- */

static void connection_refuse(struct broker *broker, struct connection *connection, uint8_t code, const char *what)
{
    uint8_t packet[4];
    send_small(broker, connection, packet, mqtt_connack_write(packet, false, code));
    broker->stats.refused++;
    connection_fail(broker, connection, what);
}

/* A client id for a client that brought none [MQTT-3.1.3-6]; no client can have chosen one with U+0000. */
static struct mqtt_text client_id_make(struct broker *broker, uint8_t bytes[9])
{
    bytes[0] = 0;
    for (unsigned i = 0; i < 8; i++)
        bytes[1 + i] = (uint8_t)(broker->made_ids >> 8 * i);
    broker->made_ids++;
    return (struct mqtt_text){bytes, 9};
}

/* Finds or makes the session. NULL: no room. */
static struct session *connect_session(struct broker *broker, struct mqtt_text client_id, bool clean, bool *present)
{
    struct session *session = *session_find(broker, client_id);
    if (session != NULL && session->connection != NULL) { /* [MQTT-3.1.4-2] */
        broker->stats.taken_over++;
        connection_close(broker, session->connection);
        session = *session_find(broker, client_id);
    }
    if (session != NULL && clean) { /* [MQTT-3.1.2-6] */
        session_end(broker, session);
        session = NULL;
    }
    *present = session != NULL;
    if (session != NULL)
        return session;
    if (broker->session_count >= broker->limits.sessions)
        return NULL;
    session = session_new(client_id, clean);
    if (session == NULL)
        return NULL;
    struct session **bucket = session_bucket(broker, client_id);
    session->hash_next = *bucket;
    *bucket = session;
    broker->session_count++;
    return session;
}

static bool connect_keep_will(struct connection *connection, const struct mqtt_connect *connect)
{
    struct mqtt_publish will = {
        .qos = connect->will_qos,
        .topic = connect->will_topic,
        .payload = connect->will_payload.bytes,
        .payload_len = connect->will_payload.len,
    };
    if (!connect->has_will)
        return true;
    connection->will_retain = connect->will_retain;
    connection->will = message_new(&will);
    return connection->will != NULL;
}

static void handle_connect(struct broker *broker, struct connection *connection, const struct mqtt_frame *frame)
{
    struct mqtt_connect connect;
    uint8_t made_id[9], packet[4];
    bool present;
    if (mqtt_connect_parse(frame, &connect) != MQTT_OK) {
        connection_fail(broker, connection, "malformed CONNECT");
        return;
    }
    if (connect.level != MQTT_PROTOCOL_LEVEL) {
        connection_refuse(broker, connection, MQTT_BAD_PROTOCOL, "protocol level not supported");
        return;
    }
    if (connect.client_id.len > broker->limits.client_id_max || (connect.client_id.len == 0 && !connect.clean)) {
        connection_refuse(broker, connection, MQTT_BAD_CLIENT_ID, "client identifier rejected");
        return;
    }
    struct mqtt_text client_id = connect.client_id.len > 0 ? connect.client_id : client_id_make(broker, made_id);
    struct session *session = NULL;
    if (connect_keep_will(connection, &connect))
        session = connect_session(broker, client_id, connect.clean, &present);
    if (session == NULL) {
        message_release(connection->will);
        connection->will = NULL;
        connection_refuse(broker, connection, MQTT_UNAVAILABLE, "no room for another session");
        return;
    }
    connection->session = session;
    connection->limit_ns = (uint64_t)connect.keep_alive_s * NS_PER_S * 3 / 2; /* [MQTT-3.1.2-24] */
    if (connection->limit_ns != 0)
        deadline_add(broker, broker->now_ns + connection->limit_ns);
    session->connection = connection;
    session->clean = connect.clean;
    if (send_small(broker, connection, packet, mqtt_connack_write(packet, present, MQTT_ACCEPTED)))
        session_resend(broker, session);
}

/* ---- the other packets; each returns NULL, or what was wrong ---- */

static const char *handle_publish(struct broker *broker, struct connection *connection, const struct mqtt_frame *frame)
{
    struct session *session = connection->session;
    struct mqtt_publish publish;
    bool is_new = true;
    if (mqtt_publish_parse(frame, &publish) != MQTT_OK)
        return "malformed PUBLISH";
    if (publish.qos == 2 && !session_received_add(session, publish.id, &is_new))
        return "no memory for QoS 2";
    /* A plain QoS 0 packet whose length is written shortest goes to plain receivers as it is. */
    bool is_plain = frame->flags == 0 && frame->header_len == 2 + (frame->body_len > 127) && frame->body_len < 16384;
    const uint8_t *raw = is_plain ? frame->body - frame->header_len : NULL;
    if (is_new && !broker_publish(broker, &publish, raw, (size_t)frame->header_len + frame->body_len)) {
        session_received_remove(session, publish.id);
        return "malformed topic";
    }
    if (publish.qos > 0)
        send_ack(broker, connection, publish.qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, publish.id);
    return NULL;
}

/* PUBACK, PUBREC, PUBCOMP: the client's answers to what it was sent. Answers to nothing are harmless. */
static const char *handle_answer(struct broker *broker, struct connection *connection, const struct mqtt_frame *frame)
{
    struct session *session = connection->session;
    uint16_t id;
    if (mqtt_ack_parse(frame, &id) != MQTT_OK)
        return "malformed acknowledgement";
    struct delivery *delivery = session_delivery_find(session, id);
    if (frame->type == MQTT_PUBREC) {
        if (delivery != NULL && delivery->state == DELIVERY_SENT && delivery->qos == 2) {
            session->ring_bytes -= delivery->message->payload_len;
            message_release(delivery->message);
            delivery->message = NULL;
            delivery->state = DELIVERY_RELEASED;
        }
        send_ack(broker, connection, MQTT_PUBREL, id); /* [MQTT-4.3.3-1] */
        return NULL;
    }
    uint8_t awaited = frame->type == MQTT_PUBACK ? DELIVERY_SENT : DELIVERY_RELEASED;
    if (delivery != NULL && delivery->state == awaited && delivery->qos == (frame->type == MQTT_PUBACK ? 1 : 2)) {
        session_delivery_done(session, delivery);
        session_pump(broker, session);
        connection_check_drained(broker, connection);
    }
    return NULL;
}

static const char *handle_pubrel(struct broker *broker, struct connection *connection, const struct mqtt_frame *frame)
{
    uint16_t id;
    if (mqtt_ack_parse(frame, &id) != MQTT_OK)
        return "malformed PUBREL";
    session_received_remove(connection->session, id);
    send_ack(broker, connection, MQTT_PUBCOMP, id); /* [MQTT-4.3.3-2] */
    return NULL;
}

struct retained_visit {
    struct broker *broker;
    struct session *session;
    uint8_t qos;
};

static void retained_visit(void *context, struct message *message)
{
    struct retained_visit *visit = context;
    session_queue(visit->broker, visit->session, message, message->qos < visit->qos ? message->qos : visit->qos, true);
}

static uint8_t subscribe_one(struct broker *broker, struct session *session, struct mqtt_text filter, uint8_t qos)
{
    bool has_room = session->subscription_count < broker->limits.subscriptions;
    const struct subscription *before = session->subscriptions;
    if (!has_room || !topics_subscribe(&broker->topics, session, &session->subscriptions, filter, qos))
        return MQTT_SUBACK_FAILURE;
    session->subscription_count += session->subscriptions != before;
    return qos;
}

static size_t suback_head_write(uint8_t head[MQTT_HEADER_MAX + 2], uint16_t id, uint32_t count)
{
    size_t len = mqtt_header_write(head, MQTT_SUBACK, 0, 2 + count);
    head[len++] = (uint8_t)(id >> 8);
    head[len++] = (uint8_t)id;
    return len;
}

/* The answer goes out first, then the retained messages of each filter [MQTT-3.8.4-1..6, 3.3.1-6]. */
static void subscribe_all(struct broker *broker, struct connection *connection, struct mqtt_filters filters,
                          uint8_t *codes, uint32_t count)
{
    struct session *session = connection->session;
    struct mqtt_filters again = filters;
    struct mqtt_text filter;
    uint8_t head[MQTT_HEADER_MAX + 2], qos;
    for (uint32_t i = 0; mqtt_filters_next(&again, &filter, &qos); i++)
        codes[i] = subscribe_one(broker, session, filter, qos);
    if (!output_append(broker, connection, head, suback_head_write(head, filters.id, count), codes, count))
        connection->broken = true;
    again = filters;
    for (uint32_t i = 0; mqtt_filters_next(&again, &filter, &qos); i++) {
        struct retained_visit visit = {broker, session, qos};
        if (codes[i] != MQTT_SUBACK_FAILURE)
            topics_visit_retained(&broker->topics, filter, retained_visit, &visit);
    }
}

static const char *handle_subscribe(struct broker *broker, struct connection *connection,
                                    const struct mqtt_frame *frame)
{
    struct mqtt_filters filters, again;
    struct mqtt_text filter;
    uint32_t count = 0;
    uint8_t qos;
    if (mqtt_filters_parse(frame, &filters) != MQTT_OK)
        return "malformed SUBSCRIBE";
    for (again = filters; mqtt_filters_next(&again, &filter, &qos);)
        count++;
    uint8_t *codes = malloc(count);
    if (codes == NULL)
        return "no memory for SUBACK";
    subscribe_all(broker, connection, filters, codes, count);
    free(codes);
    return NULL;
}

static const char *handle_unsubscribe(struct broker *broker, struct connection *connection,
                                      const struct mqtt_frame *frame)
{
    struct session *session = connection->session;
    struct mqtt_filters filters;
    struct mqtt_text filter;
    uint8_t qos;
    if (mqtt_filters_parse(frame, &filters) != MQTT_OK)
        return "malformed UNSUBSCRIBE";
    while (mqtt_filters_next(&filters, &filter, &qos)) {
        uint32_t generation = broker->topics.generation;
        topics_unsubscribe(&broker->topics, &session->subscriptions, filter);
        session->subscription_count -= broker->topics.generation != generation;
    }
    send_ack(broker, connection, MQTT_UNSUBACK, filters.id);
    return NULL;
}

static const char *handle_pingreq(struct broker *broker, struct connection *connection, const struct mqtt_frame *frame)
{
    uint8_t packet[2];
    if (mqtt_empty_parse(frame) != MQTT_OK)
        return "malformed PINGREQ";
    send_small(broker, connection, packet, mqtt_empty_write(packet, MQTT_PINGRESP));
    return NULL;
}

static const char *handle_disconnect(struct broker *broker, struct connection *connection,
                                     const struct mqtt_frame *frame)
{
    if (mqtt_empty_parse(frame) != MQTT_OK)
        return "malformed DISCONNECT";
    message_release(connection->will); /* [MQTT-3.14.4-3] */
    connection->will = NULL;
    connection_close(broker, connection);
    return NULL;
}

static const char *handle_packet(struct broker *broker, struct connection *connection, const struct mqtt_frame *frame)
{
    switch (frame->type) {
    case MQTT_PUBLISH:
        return handle_publish(broker, connection, frame);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBCOMP:
        return handle_answer(broker, connection, frame);
    case MQTT_PUBREL:
        return handle_pubrel(broker, connection, frame);
    case MQTT_SUBSCRIBE:
        return handle_subscribe(broker, connection, frame);
    case MQTT_UNSUBSCRIBE:
        return handle_unsubscribe(broker, connection, frame);
    case MQTT_PINGREQ:
        return handle_pingreq(broker, connection, frame);
    case MQTT_DISCONNECT:
        return handle_disconnect(broker, connection, frame);
    case MQTT_CONNECT:
        return "second CONNECT"; /* [MQTT-3.1.0-2] */
    default:
        return "packet type that no client may send";
    }
}

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

static void handle_frame(struct broker *broker, struct connection *connection, const struct mqtt_frame *frame)
{
    const char *wrong = NULL;
    if (connection->session != NULL)
        wrong = handle_packet(broker, connection, frame);
    else if (frame->type == MQTT_CONNECT)
        handle_connect(broker, connection, frame);
    else
        wrong = "first packet is not CONNECT"; /* [MQTT-3.1.0-1] */
    if (wrong == NULL && connection->broken)
        wrong = "no memory for its answer";
    if (wrong != NULL)
        connection_fail(broker, connection, wrong);
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
        handle_frame(broker, connection, &frame);
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

void broker_receive(struct broker *broker, struct connection *connection, const uint8_t *bytes, size_t len,
                    uint64_t now_ns)
{
    struct buffer *in = &connection->in;
    broker->now_ns = now_ns;
    connection->heard_ns = now_ns;
    if (connection->closing)
        return;
    if (buffer_used(in) == 0) {
        size_t used = broker_consume(broker, connection, bytes, len);
        bytes += used;
        len -= used;
    }
    if (len == 0 || connection->closing)
        return;
    if (!buffer_reserve(in, len)) {
        connection_fail(broker, connection, "no memory for its packet");
        return;
    }
    memcpy(in->bytes + in->tail, bytes, len);
    in->tail += (uint32_t)len;
    connection_resume(broker, connection);
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
    return connection->out.bytes + connection->out.head;
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
        broker->now_ns - connection->stalled_since_ns >= broker->limits.patience_ns) {
        connection_unstall(broker, connection);
        connection->slow = true;
    }
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
