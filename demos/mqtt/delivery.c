#include "delivery.h"

#include "demos/lib/bytes.h"

/* ---- output ---- */

void connection_mark(struct broker *broker, struct connection *connection)
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

bool send_small(struct broker *broker, struct connection *connection, const uint8_t *packet, size_t len)
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

bool send_ack(struct broker *broker, struct connection *connection, uint8_t type, uint16_t id)
{
    uint8_t packet[4];
    return send_small(broker, connection, packet, mqtt_ack_write(packet, type, id));
}

/* ---- flow control ---- */

void deadline_add(struct broker *broker, uint64_t deadline_ns)
{
    if (deadline_ns < broker->deadline_ns)
        broker->deadline_ns = deadline_ns;
}

bool connection_is_full(const struct broker *broker, const struct connection *connection)
{
    const struct session *session = connection->session;
    return buffer_used(&connection->out) >= broker->limits.output_high ||
           (session != NULL && session->count - session->sent >= broker->limits.queue_high);
}

void connection_unstall(struct broker *broker, struct connection *connection)
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

void connection_check_drained(struct broker *broker, struct connection *connection)
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

void session_pump(struct broker *broker, struct session *session)
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

void session_resend(struct broker *broker, struct session *session)
{
    for (uint32_t i = 0; i < session->sent; i++) {
        const struct delivery *delivery = session_delivery(session, i);
        if (delivery->state != DELIVERY_DONE &&
            !delivery_send(broker, session->connection, i, delivery->state == DELIVERY_SENT))
            session->connection->broken = true;
    }
    session_pump(broker, session);
}

void session_queue(struct broker *broker, struct session *session, struct message *message, uint8_t qos, bool retain)
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

bool broker_publish(struct broker *broker, const struct mqtt_publish *publish, const uint8_t *raw, size_t raw_len)
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
