#include "handlers.h"

#include "delivery.h"

enum { NS_PER_S = 1000000000 };

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

void session_end(struct broker *broker, struct session *session)
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

void connection_close(struct broker *broker, struct connection *connection)
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

void connection_fail(struct broker *broker, struct connection *connection, const char *what)
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

static bool has_wildcard(struct mqtt_text filter)
{
    return memchr(filter.bytes, '+', filter.len) != NULL || memchr(filter.bytes, '#', filter.len) != NULL;
}

/* What this filter's retained messages cost to find, which is done however often it comes; others wait meanwhile. */
static bool is_affordable(const struct broker *broker, struct mqtt_text filter, uint32_t number, uint64_t *looked)
{
    if (has_wildcard(filter))
        *looked += broker->topics.node_count;
    return number == 0 || (number < broker->limits.subscriptions && *looked <= broker->limits.subscribe_nodes);
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
    uint64_t looked = 0;
    for (uint32_t i = 0; mqtt_filters_next(&again, &filter, &qos); i++)
        codes[i] = is_affordable(broker, filter, i, &looked) ? subscribe_one(broker, session, filter, qos)
                                                             : MQTT_SUBACK_FAILURE;
    size_t head_len = suback_head_write(head, filters.id, count);
    if (buffer_reserve(&connection->out, head_len + count)) {
        send_small(broker, connection, head, head_len);
        send_small(broker, connection, codes, count);
    } else {
        connection->broken = true;
    }
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

static const char *packet_handle_connected(struct broker *broker, struct connection *connection,
                                           const struct mqtt_frame *frame)
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

void packet_handle(struct broker *broker, struct connection *connection, const struct mqtt_frame *frame)
{
    const char *wrong = NULL;
    if (connection->session != NULL)
        wrong = packet_handle_connected(broker, connection, frame);
    else if (frame->type == MQTT_CONNECT)
        handle_connect(broker, connection, frame);
    else
        wrong = "first packet is not CONNECT"; /* [MQTT-3.1.0-1] */
    if (wrong == NULL && connection->broken)
        wrong = "no memory for its answer";
    if (wrong != NULL)
        connection_fail(broker, connection, wrong);
}
