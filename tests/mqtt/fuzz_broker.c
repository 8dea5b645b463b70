/* The broker under mutated packets: several clients send streams that begin as valid MQTT and are then damaged
 * (bits, bytes, cuts, repeats, splices), in pieces of any size, with connections that break and time that passes.
 * After every step the broker's own accounts must agree with each other, all that it sends must be well-formed, and a
 * well-behaved client must be served. Run under ASan and UBSan.
 *
 *     fuzz_broker SECONDS [SEED]
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "demos/mqtt/broker.h"
#include "expect.h"

enum { PEERS = 6, STREAM_MAX = 4096, BATCH = 200 };

struct peer {
    struct connection *connection;
    uint8_t pending[STREAM_MAX * 4]; /* output not yet a whole packet */
    size_t pending_len;
    bool has_connack;
};

static struct broker broker;
static struct peer peers[PEERS];
static uint64_t now_ns, random_state;

static uint32_t random_below(uint32_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 32) * bound >> 32);
}

/* ---- memory that runs out: the linker sends the broker's allocations here (--wrap) ---- */

static bool memory_fails;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool memory_fails_now(void)
{
    return memory_fails && random_below(8) == 0;
}

void *__wrap_malloc(size_t size)
{
    return memory_fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return memory_fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return memory_fails_now() ? NULL : __real_realloc(old, size);
}

/* ---- streams: valid packets, then damage ---- */

static size_t packet_connect(uint8_t *out, size_t cap)
{
    static const char *const ids[] = {"", "a", "b", "kept", "very-long-identifier-of-a-client"};
    const struct mqtt_connect connect = {
        .level = (uint8_t)(random_below(20) == 0 ? 3 : 4),
        .clean = random_below(2),
        .keep_alive_s = (uint16_t)random_below(3),
        .client_id = mqtt_text_of(ids[random_below(5)]),
        .has_will = random_below(2),
        .will_qos = 0,
        .will_retain = false,
        .will_topic = mqtt_text_of("will/topic"),
        .will_payload = mqtt_text_of("gone"),
    };
    return mqtt_connect_write(out, cap, &connect);
}

static const char *random_topic(bool is_filter)
{
    static const char *const topics[] = {
        "a", "a/b", "a/b/c", "/", "$SYS/x", "will/topic", "long/topic/of/several/levels"};
    static const char *const filters[] = {"#", "+", "a/#", "+/b", "a/+/c", "$SYS/#", "+/+/+", "will/+"};
    return is_filter ? filters[random_below(8)] : topics[random_below(7)];
}

static size_t packet_publish(uint8_t *out, size_t cap)
{
    uint32_t payload_len = random_below(8) == 0 ? random_below(2000) : random_below(80);
    uint8_t qos = (uint8_t)random_below(3);
    const struct mqtt_publish publish = {
        .dup = qos > 0 && random_below(4) == 0,
        .retain = random_below(4) == 0,
        .qos = qos,
        .id = (uint16_t)(1 + random_below(100)),
        .topic = mqtt_text_of(random_topic(false)),
        .payload_len = payload_len,
    };
    if (cap < MQTT_HEADER_MAX + mqtt_publish_body_len(&publish))
        return 0;
    size_t len = mqtt_publish_head_write(out, &publish);
    memset(out + len, 'p', payload_len);
    return len + payload_len;
}

static size_t packet_any(uint8_t *out, size_t cap)
{
    uint16_t id = (uint16_t)(1 + random_below(100));
    if (cap < 128)
        return 0;
    switch (random_below(12)) {
    case 0:
        return mqtt_subscribe_write(out, cap, id, mqtt_text_of(random_topic(random_below(4))),
                                    (uint8_t)random_below(3));
    case 1:
        return mqtt_unsubscribe_write(out, cap, id, mqtt_text_of(random_topic(random_below(4))));
    case 2:
        return mqtt_empty_write(out, MQTT_PINGREQ);
    case 3:
        return random_below(10) == 0 ? mqtt_empty_write(out, MQTT_DISCONNECT) : 0;
    case 4:
    case 5:
        return mqtt_ack_write(out, (uint8_t)(MQTT_PUBACK + random_below(4)), id);
    default:
        return packet_publish(out, cap);
    }
}

static size_t stream_make(uint8_t stream[STREAM_MAX], bool begins)
{
    size_t len = begins ? packet_connect(stream, STREAM_MAX) : 0;
    for (uint32_t count = random_below(12); count > 0; count--)
        len += packet_any(stream + len, STREAM_MAX - len);
    return len;
}

static size_t stream_damage(uint8_t stream[STREAM_MAX], size_t len)
{
    for (uint32_t times = random_below(4); times > 0 && len > 0; times--) {
        size_t at = random_below((uint32_t)len), count = 1 + random_below(8);
        count = count > len - at ? len - at : count;
        switch (random_below(6)) {
        case 0:
            stream[at] ^= (uint8_t)(1u << random_below(8));
            break;
        case 1:
            stream[at] = (uint8_t)random_below(256);
            break;
        case 2:
            memmove(stream + at, stream + at + count, len - at - count);
            len -= count;
            break;
        case 3:
            if (len + count <= STREAM_MAX) {
                memmove(stream + at + count, stream + at, len - at);
                len += count;
            }
            break;
        case 4:
            len = at;
            break;
        default:
            memset(stream + at, random_below(2) ? 0xff : 0, count);
        }
    }
    return len;
}

/* ---- what comes back ---- */

static bool is_from_server(const struct mqtt_frame *frame)
{
    struct mqtt_publish publish;
    const uint8_t *codes;
    uint16_t id;
    uint8_t code;
    size_t count;
    bool present;
    switch (frame->type) {
    case MQTT_CONNACK:
        return mqtt_connack_parse(frame, &present, &code) == MQTT_OK && code <= MQTT_UNAVAILABLE;
    case MQTT_PUBLISH:
        return mqtt_publish_parse(frame, &publish) == MQTT_OK && mqtt_topic_is_valid(publish.topic);
    case MQTT_SUBACK:
        return mqtt_suback_parse(frame, &id, &codes, &count) == MQTT_OK;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
    case MQTT_UNSUBACK:
        return mqtt_ack_parse(frame, &id) == MQTT_OK;
    case MQTT_PINGRESP:
        return mqtt_empty_parse(frame) == MQTT_OK;
    default:
        return false;
    }
}

static void peer_check_output(struct peer *peer)
{
    struct mqtt_frame frame;
    size_t at = 0;
    while (mqtt_frame_parse(peer->pending + at, peer->pending_len - at, &frame) == MQTT_OK) {
        EXPECT(is_from_server(&frame) && (frame.type == MQTT_CONNACK) != peer->has_connack); /* [MQTT-3.2.0-1] */
        peer->has_connack = true;
        at += frame.header_len + frame.body_len;
    }
    memmove(peer->pending, peer->pending + at, peer->pending_len - at);
    peer->pending_len -= at;
}

static void peer_read(struct peer *peer, size_t most)
{
    size_t len;
    const uint8_t *bytes = connection_output(peer->connection, &len);
    len = len < most ? len : most;
    len = len < sizeof(peer->pending) - peer->pending_len ? len : sizeof(peer->pending) - peer->pending_len;
    if (len > 0)
        memcpy(peer->pending + peer->pending_len, bytes, len);
    peer->pending_len += len;
    broker_sent(&broker, peer->connection, len, now_ns);
    peer_check_output(peer);
    EXPECT(peer->pending_len < STREAM_MAX * 2);
}

/* ---- accounts ---- */

static void session_check(const struct session *session)
{
    uint32_t queued_qos0 = 0;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < session->count; i++) {
        const struct delivery *delivery = session_delivery(session, i);
        queued_qos0 += i >= session->sent && delivery->qos == 0;
        bytes += delivery->message != NULL ? delivery->message->payload_len : 0;
        bool is_sent = delivery->state != DELIVERY_QUEUED;
        bool has_message = delivery->state == DELIVERY_QUEUED || delivery->state == DELIVERY_SENT;
        EXPECT(is_sent == (i < session->sent) && has_message == (delivery->message != NULL));
    }
    EXPECT(queued_qos0 == session->queued_qos0 && bytes == session->ring_bytes);
    EXPECT(session->count <= broker.limits.queue_max && session->sent <= broker.limits.inflight);
    uint32_t subscriptions = 0;
    for (const struct subscription *at = session->subscriptions; at != NULL; at = at->next_of_session)
        subscriptions++;
    EXPECT(subscriptions == session->subscription_count);
}

static void accounts_check(void)
{
    uint32_t stalled = 0, paused = 0, sessions = 0;
    for (uint32_t i = 0; i < broker.connection_count; i++) {
        const struct connection *connection = broker.connections[i];
        stalled += connection->stalled_since_ns != 0;
        paused += connection->paused;
        EXPECT(connection->index == i &&
               (connection->session == NULL || connection->session->connection == connection));
        EXPECT(!connection->closing || (!connection->paused && connection->session == NULL));
    }
    for (uint32_t i = 0; i < broker.session_buckets; i++) {
        for (const struct session *session = broker.sessions[i]; session != NULL; session = session->hash_next) {
            sessions++;
            session_check(session);
        }
    }
    EXPECT(stalled == broker.stalled && paused == broker.paused && sessions == broker.session_count);
}

/* ---- steps ---- */

static void peer_step(struct peer *peer)
{
    uint8_t stream[STREAM_MAX];
    bool begins = peer->connection == NULL;
    if (begins) {
        peer->connection = broker_accept(&broker, peer, now_ns);
        peer->pending_len = 0;
        peer->has_connack = false;
        EXPECT(peer->connection != NULL || memory_fails);
    }
    if (peer->connection == NULL)
        return;
    size_t len = stream_make(stream, begins);
    if (random_below(3) == 0)
        len = stream_damage(stream, len);
    for (size_t at = 0; at < len && connection_wants_input(&broker, peer->connection);) {
        size_t piece = 1 + random_below(random_below(4) == 0 ? 4 : 600);
        piece = piece < len - at ? piece : len - at;
        uint8_t *exact = __real_malloc(piece); /* so that reading past it is noticed */
        memcpy(exact, stream + at, piece);
        broker_receive(&broker, peer->connection, exact, piece, now_ns);
        free(exact);
        at += piece;
    }
}

static void peer_end(struct peer *peer)
{
    broker_peer_closed(&broker, peer->connection, now_ns);
    broker_release(&broker, peer->connection);
    peer->connection = NULL;
}

static void witness_check(struct peer *witness)
{
    static const uint8_t packets[] = "\x32\x0b\0\6$w/own\0\1x\xc0";
    size_t len;
    if (witness->connection->paused) /* it subscribes to nothing that others fill: it is never held up for long */
        return;
    broker_receive(&broker, witness->connection, packets, sizeof(packets), now_ns);
    const uint8_t *bytes = connection_output(witness->connection, &len);
    EXPECT(!witness->connection->closing && len == 4 + 11 + 2 && memcmp(bytes + len - 2, "\xd0\0", 2) == 0);
    broker_sent(&broker, witness->connection, len, now_ns);
}

static void witness_open(struct peer *witness)
{
    static const uint8_t packets[] = "\x10\x13\0\4MQTT\4\2\0\0\0\7witness\x82\x0b\0\1\0\6$w/own";
    size_t len;
    witness->connection = broker_accept(&broker, witness, now_ns);
    broker_receive(&broker, witness->connection, packets, sizeof(packets), now_ns);
    connection_output(witness->connection, &len);
    EXPECT(len == 4 + 5);
    broker_sent(&broker, witness->connection, len, now_ns);
}

static void step(void)
{
    struct peer *peer = &peers[random_below(PEERS)];
    peer_step(peer);
    if (peer->connection != NULL && random_below(3) > 0)
        peer_read(peer, random_below(4) == 0 ? random_below(50) : SIZE_MAX);
    now_ns += random_below(10) == 0 ? random_below(2000000000) : random_below(1000000);
    broker_tick(&broker, now_ns);
    while (broker_next_dirty(&broker) != NULL)
        ;
    for (uint32_t i = 0; i < PEERS; i++) {
        if (peers[i].connection == NULL)
            continue;
        if (peers[i].connection->closing)
            peer_read(&peers[i], SIZE_MAX);
        if (peers[i].connection->closing || random_below(100) == 0)
            peer_end(&peers[i]);
    }
}

/* When memory fails, only the accounts are checked: everything else may be missing. */
static void run_batch(bool with_failures)
{
    static struct peer witness;
    struct broker_limits limits = broker_default_limits;
    limits.output_high = 4096;
    limits.output_low = 1024;
    limits.queue_high = 40;
    limits.queue_max = 100;
    limits.queue_bytes = 20000;
    limits.packet_max = 3000;
    limits.inflight = 8;
    limits.sessions = 8;
    limits.subscriptions = 10;
    limits.topics.nodes = 40;
    limits.topics.routed = 20;
    limits.topics.retained_count = 6;
    now_ns = 1;
    EXPECT(broker_init(&broker, &limits));
    memset(peers, 0, sizeof(peers));
    witness_open(&witness);
    for (unsigned i = 0; i < BATCH; i++) {
        memory_fails = with_failures;
        step();
        memory_fails = false;
        accounts_check();
        if (!with_failures)
            witness_check(&witness);
    }
    peer_end(&witness);
    for (uint32_t i = 0; i < PEERS; i++) {
        if (peers[i].connection != NULL)
            peer_end(&peers[i]);
    }
    EXPECT(broker.connection_count == 0);
    broker_destroy(&broker);
}

int main(int argc, char **argv)
{
    time_t end = time(NULL) + (argc > 1 ? atol(argv[1]) : 5);
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    unsigned batches = 0;
    while (time(NULL) < end && expect_failed == 0) {
        random_state = (seed + batches) * 0x9e3779b97f4a7c15u;
        run_batch(batches++ % 4 == 3);
    }
    printf("%u batches of %d steps from seed %llu%s\n", batches, BATCH, (unsigned long long)seed,
           expect_failed ? "; repeat the last one with its own seed" : "");
    return expect_finish();
}
