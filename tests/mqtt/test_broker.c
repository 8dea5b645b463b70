/* The broker's state machine, driven by bytes and a clock of the test's own. Each case is one connection story with
 * the normative statement that it checks; answers are compared byte for byte.
 */
#include <stdlib.h>
#include <string.h>

#include "demos/mqtt/broker.h"
#include "expect.h"

#define BYTES(s)   (const uint8_t *)(s), sizeof(s) - 1
#define SECOND     1000000000ull
#define CONNACK    "\x20\2\0\0"
#define CONNACK_SP "\x20\2\1\0"

static struct broker broker;
static uint64_t now_ns;

static void begin_with(const struct broker_limits *limits)
{
    now_ns = 1;
    EXPECT(broker_init(&broker, limits));
}

static void begin(void)
{
    begin_with(&broker_default_limits);
}

static void end(void)
{
    while (broker.connection_count > 0) {
        broker_peer_closed(&broker, broker.connections[0], now_ns);
        broker_release(&broker, broker.connections[0]);
    }
    broker_destroy(&broker);
}

static struct connection *open_peer(void)
{
    return broker_accept(&broker, NULL, now_ns);
}

static void send(struct connection *peer, const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1); /* of its exact size, so that reading past it is noticed */
    memcpy(copy, bytes, len);
    broker_receive(&broker, peer, copy, len, now_ns);
    free(copy);
}

/* Takes all output; compares it. */
static bool got(struct connection *peer, const uint8_t *expected, size_t expected_len)
{
    uint8_t all[4096];
    size_t len = 0, part;
    const uint8_t *bytes;
    while ((bytes = connection_output(peer, &part)), part > 0) {
        if (len + part > sizeof(all))
            return false;
        memcpy(all + len, bytes, part);
        len += part;
        broker_sent(&broker, peer, part, now_ns);
    }
    bool is_equal = len == expected_len && memcmp(all, expected, len) == 0;
    for (size_t i = 0; !is_equal && i < len; i++)
        printf("%02x%s", all[i], i + 1 == len ? " came\n" : " ");
    return is_equal;
}

#define SEND(peer, s) send(peer, BYTES(s))
#define GOT(peer, s)  EXPECT(got(peer, BYTES(s)))

/* A client with a one-letter id, connected; clean unless kept. */
static struct connection *connect_as(char id, bool kept)
{
    struct connection *peer = open_peer();
    uint8_t packet[] = {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, kept ? 0 : 2, 0, 0, 0, 1, (uint8_t)id};
    send(peer, packet, sizeof(packet));
    return peer;
}

static struct connection *client(char id)
{
    struct connection *peer = connect_as(id, false);
    GOT(peer, CONNACK);
    return peer;
}

static void gone(struct connection *peer)
{
    broker_peer_closed(&broker, peer, now_ns);
    broker_release(&broker, peer);
}

static void pass(uint64_t ns)
{
    now_ns += ns;
    broker_tick(&broker, now_ns);
}

/* ---- connecting ---- */

static void test_connect(void)
{
    begin();
    struct connection *a = open_peer();
    SEND(a, "\xc0\0"); /* [MQTT-3.1.0-1] */
    EXPECT(a->closing);
    GOT(a, "");
    a = open_peer();
    SEND(a, "\x10\x0d\0\4MQTT\5\2\0\0\0\1a"); /* [MQTT-3.1.2-2] */
    EXPECT(a->closing);
    GOT(a, "\x20\2\0\1");
    a = client('a');
    SEND(a, "\x10\x0d\0\4MQTT\4\2\0\0\0\1a"); /* [MQTT-3.1.0-2] */
    EXPECT(a->closing);
    a = open_peer();
    SEND(a, "\x10\x0c\0\4MQTT\4\0\0\0\0\0"); /* [MQTT-3.1.3-8, -9] */
    EXPECT(a->closing);
    GOT(a, "\x20\2\0\2");
    a = open_peer();
    SEND(a, "\x10\x0c\0\4MQTT\4\2\0\0\0\0"); /* [MQTT-3.1.3-6] */
    GOT(a, CONNACK);
    struct connection *b = open_peer();
    SEND(b, "\x10\x0c\0\4MQTT\4\2\0\0\0\0"); /* another one of its own */
    GOT(b, CONNACK);
    EXPECT(!a->closing && !b->closing && broker.session_count == 2);
    end();
}

/* Bytes in pieces of every size mean the same as at once. */
static void test_fragments(void)
{
    static const char all[] = "\x10\x0d\0\4MQTT\4\2\0\0\0\1a\x82\6\0\1\0\1t\0\x30\5\0\1thi\xc0\0\xe0\0";
    for (size_t piece = 1; piece < sizeof(all); piece++) {
        begin();
        struct connection *a = open_peer();
        for (size_t at = 0; at < sizeof(all) - 1; at += piece)
            send(a, (const uint8_t *)all + at, sizeof(all) - 1 - at < piece ? sizeof(all) - 1 - at : piece);
        EXPECT(a->closing);
        GOT(a, CONNACK "\x90\3\0\1\0\x30\5\0\1thi\xd0\0");
        end();
    }
}

static void test_take_over(void)
{
    begin();
    struct connection *first = connect_as('a', true), *watcher = client('w');
    GOT(first, CONNACK);
    SEND(first, "\x82\6\0\1\0\1t\1");
    GOT(first, "\x90\3\0\1\1");
    struct connection *second = connect_as('a', true); /* [MQTT-3.1.4-2] */
    EXPECT(first->closing && !second->closing);
    GOT(second, CONNACK_SP); /* [MQTT-3.2.2-2] */
    SEND(watcher, "\x30\5\0\1thi");
    GOT(second, "\x30\5\0\1thi");
    GOT(first, "");
    gone(first);
    SEND(watcher, "\x30\5\0\1tho");
    GOT(second, "\x30\5\0\1tho");
    end();
}

static void test_sessions(void)
{
    begin();
    struct connection *a = connect_as('a', true), *b = client('b');
    GOT(a, CONNACK); /* [MQTT-3.2.2-3] */
    SEND(a, "\x82\x0a\0\1\0\1q\1\0\1z\0");
    GOT(a, "\x90\4\0\1\1\0");
    gone(a);
    SEND(b, "\x32\7\0\1q\0\1hi\x30\4\0\1q0"); /* kept for QoS 1 [MQTT-3.1.2-5]; QoS 0 is not */
    GOT(b, "\x40\2\0\1");
    a = connect_as('a', true);
    GOT(a, CONNACK_SP "\x32\7\0\1q\0\1hi");
    gone(a);
    a = connect_as('a', true);
    GOT(a, CONNACK_SP "\x3a\7\0\1q\0\1hi"); /* DUP [MQTT-3.3.1-1], same identifier [MQTT-4.4.0-1] */
    SEND(a, "\x40\2\0\1");
    gone(a);
    a = connect_as('a', true);
    GOT(a, CONNACK_SP);
    gone(a);
    a = connect_as('a', false); /* clean: the old session is gone [MQTT-3.1.2-6] */
    GOT(a, CONNACK);
    SEND(b, "\x30\4\0\1q1");
    GOT(a, "");
    gone(a);
    a = connect_as('a', true); /* and so is the clean one */
    GOT(a, CONNACK);
    end();
}

static void test_keep_alive(void)
{
    begin();
    struct connection *a = open_peer(), *silent = open_peer();
    SEND(a, "\x10\x0d\0\4MQTT\4\2\0\x0a\0\1a"); /* ten seconds */
    GOT(a, CONNACK);
    pass(9 * SECOND);
    EXPECT(!silent->closing);
    pass(2 * SECOND);
    EXPECT(silent->closing); /* no CONNECT within ten seconds */
    pass(SECOND);
    SEND(a, "\xc0\0");
    GOT(a, "\xd0\0"); /* [MQTT-3.12.4-1] */
    pass(14 * SECOND);
    EXPECT(!a->closing);
    pass(SECOND);
    EXPECT(a->closing); /* [MQTT-3.1.2-24] */
    EXPECT(broker.stats.timed_out == 2);
    struct connection *b = client('b'); /* keep-alive 0: never */
    pass(100000 * SECOND);
    EXPECT(!b->closing && broker_deadline_ns(&broker) == UINT64_MAX);
    end();
}

/* ---- wills ---- */

#define CONNECT_WILL_AS(id) "\x10\x15\0\4MQTT\4\x2e\0\x0a\0\1" id "\0\1w\0\3die"
#define CONNECT_WILL        CONNECT_WILL_AS("a")

static struct connection *client_with_will(void)
{
    struct connection *peer = open_peer();
    SEND(peer, CONNECT_WILL); /* QoS 1, retained */
    GOT(peer, CONNACK);
    return peer;
}

static void test_wills(void)
{
    begin();
    struct connection *watcher = client('w'), *a = client_with_will();
    SEND(watcher, "\x82\6\0\1\0\1w\0");
    GOT(watcher, "\x90\3\0\1\0");
    SEND(a, "\xe0\0"); /* [MQTT-3.1.2-10, 3.14.4-3] */
    GOT(watcher, "");
    EXPECT(a->closing);
    gone(client_with_will());
    GOT(watcher, "\x30\6\0\1wdie"); /* [MQTT-3.1.2-8] */
    a = client_with_will();
    SEND(a, "\x30\0");
    EXPECT(a->closing);
    GOT(watcher, "\x30\6\0\1wdie"); /* malformed packet */
    a = client_with_will();
    pass(15 * SECOND);
    EXPECT(a->closing);
    GOT(watcher, "\x30\6\0\1wdie"); /* keep-alive */
    client_with_will();
    a = client_with_will();
    GOT(watcher, "\x30\6\0\1wdie"); /* taken over */
    SEND(a, "\xe0\0");
    a = client('l');
    SEND(a, "\x82\6\0\1\0\1w\1");
    GOT(a, "\x90\3\0\1\1\x33\x8\0\1w\0\1die"); /* retained [MQTT-3.1.2-17] */
    EXPECT(broker.stats.wills == 4);
    end();
}

/* ---- publishing ---- */

static void test_qos1(void)
{
    begin();
    struct connection *a = client('a'), *b = client('b');
    SEND(a, "\x82\x0e\0\1\0\1t\0\0\1u\1\0\1v\2");
    GOT(a, "\x90\5\0\1\0\1\2"); /* [MQTT-3.8.4-5] */
    SEND(b, "\x32\6\0\1t\0\x07x\x32\6\0\1u\0\x08y\x34\6\0\1u\0\x09z");
    GOT(b, "\x40\2\0\7\x40\2\0\x8\x50\2\0\x9");
    GOT(a, "\x30\4\0\1tx\x32\6\0\1u\0\1y\x32\6\0\1u\0\2z"); /* the lesser QoS [MQTT-3.8.4-6] */
    SEND(a, "\x40\2\0\2\x40\2\0\1\x40\2\0\x33");            /* in any order, and one for nothing */
    EXPECT(a->session->count == 0 && !a->closing);
    SEND(b, "\x3a\6\0\1u\0\x08y"); /* DUP from the client is a new message to us, and not passed on [MQTT-3.3.1-3] */
    GOT(a, "\x32\6\0\1u\0\3y");
    end();
}

static void test_qos2(void)
{
    begin();
    struct connection *a = client('a'), *b = client('b');
    SEND(a, "\x82\6\0\1\0\1t\2");
    GOT(a, "\x90\3\0\1\2");
    SEND(b, "\x34\6\0\1t\0\x05x");
    GOT(b, "\x50\2\0\5");
    GOT(a, "\x34\6\0\1t\0\1x");
    SEND(b, "\x3c\6\0\1t\0\x05x"); /* again: not delivered again [MQTT-4.3.3-2] */
    GOT(b, "\x50\2\0\5");
    GOT(a, "");
    SEND(b, "\x62\2\0\5\x62\2\0\5");
    GOT(b, "\x70\2\0\5\x70\2\0\5");
    SEND(b, "\x34\6\0\1t\0\x05y"); /* the identifier is free again */
    GOT(a, "\x34\6\0\1t\0\2y");
    SEND(a, "\x50\2\0\1");
    GOT(a, "\x62\2\0\1");
    SEND(a, "\x50\2\0\1"); /* PUBREC again: PUBREL again */
    GOT(a, "\x62\2\0\1");
    SEND(a, "\x40\2\0\2"); /* PUBACK is no answer to QoS 2 */
    EXPECT(session_delivery(a->session, 1)->state == DELIVERY_SENT);
    SEND(a, "\x70\2\0\1\x50\2\0\2\x70\2\0\2");
    GOT(a, "\x62\2\0\2");
    EXPECT(a->session->count == 0);
    end();
}

/* QoS 2 over a lost connection: PUBLISH again before PUBREC, PUBREL again after it [MQTT-4.4.0-1]. */
static void test_qos2_resend(void)
{
    begin();
    struct connection *a = connect_as('a', true), *b = client('b');
    SEND(a, "\x82\6\0\1\0\1t\2");
    GOT(a, CONNACK "\x90\3\0\1\2");
    SEND(b, "\x34\6\0\1t\0\x05x\x34\6\0\1t\0\6y");
    GOT(a, "\x34\6\0\1t\0\1x\x34\6\0\1t\0\2y");
    SEND(a, "\x50\2\0\1");
    GOT(a, "\x62\2\0\1");
    gone(a);
    a = connect_as('a', true);
    GOT(a, CONNACK_SP "\x62\2\0\1\x3c\6\0\1t\0\2y");
    SEND(a, "\x70\2\0\1\x50\2\0\2\x70\2\0\2");
    GOT(a, "\x62\2\0\2");
    gone(a);
    a = connect_as('a', true);
    GOT(a, CONNACK_SP);
    end();
}

/* At most `inflight` messages are unacknowledged; each acknowledgement lets the next one out, in order. */
static void test_window(void)
{
    struct broker_limits limits = broker_default_limits;
    limits.inflight = 2;
    begin_with(&limits);
    struct connection *a = client('a'), *b = client('b');
    SEND(a, "\x82\6\0\1\0\1t\1");
    GOT(a, "\x90\3\0\1\1");
    SEND(b, "\x32\6\0\1t\0\1"
            "1\x32\6\0\1t\0\2"
            "2\x32\6\0\1t\0\3"
            "3\x32\6\0\1t\0\4"
            "4");
    GOT(a, "\x32\6\0\1t\0\1"
           "1\x32\6\0\1t\0\2"
           "2");
    SEND(a, "\x40\2\0\2"); /* out of order: the oldest still holds the window */
    GOT(a, "");
    SEND(a, "\x40\2\0\1");
    GOT(a, "\x32\6\0\1t\0\3"
           "3\x32\6\0\1t\0\4"
           "4");
    end();
}

/* Packet identifiers go round without meeting one in use. */
static void test_identifiers(void)
{
    begin();
    struct connection *a = client('a'), *b = client('b');
    uint16_t last = 0;
    SEND(a, "\x82\6\0\1\0\1t\1");
    GOT(a, "\x90\3\0\1\1");
    for (uint32_t i = 0; i < 65540; i++) {
        size_t len;
        SEND(b, "\x32\6\0\1t\0\1x");
        const uint8_t *out = connection_output(a, &len);
        uint16_t id = (uint16_t)(out[5] << 8 | out[6]);
        if (len != 8 || id != last % 65535 + 1)
            EXPECT(!"the next identifier");
        last = id;
        broker_sent(&broker, a, len, now_ns);
        uint8_t ack[4] = {0x40, 2, (uint8_t)(id >> 8), (uint8_t)id};
        send(a, ack, sizeof(ack));
        connection_output(b, &len);
        broker_sent(&broker, b, len, now_ns);
    }
    EXPECT(last == 5 && a->session->count == 0);
    end();
}

static void test_retained(void)
{
    begin();
    struct connection *a = client('a'), *b = client('b');
    SEND(a, "\x31\4\0\1r1\x31\4\0\1r2\x33\6\0\1s\0\1x"); /* the last one stays [MQTT-3.3.1-5] */
    GOT(a, "\x40\2\0\1");
    SEND(b, "\x82\x0a\0\1\0\1r\0\0\1s\0");
    GOT(b, "\x90\4\0\1\0\0\x31\4\0\1r2\x31\4\0\1sx"); /* [MQTT-3.3.1-6, -8] */
    SEND(b, "\x82\6\0\2\0\1r\1");
    GOT(b, "\x90\3\0\2\1\x31\4\0\1r2"); /* again at each SUBSCRIBE [MQTT-3.8.4-3]; QoS of the message */
    SEND(a, "\x31\4\0\1r3");
    GOT(b, "\x30\4\0\1r3"); /* not marked for those who had subscribed [MQTT-3.3.1-9] */
    SEND(a, "\x30\4\0\1r4");
    GOT(b, "\x30\4\0\1r4"); /* not retained: the old one stays [MQTT-3.3.1-12] */
    struct connection *c = client('c');
    SEND(c, "\x82\6\0\1\0\1#\0\x82\6\0\2\0\1r\0");
    EXPECT(broker.topics.retained_count == 2);
    SEND(a, "\x31\3\0\1r"); /* an empty one removes it [MQTT-3.3.1-10, -11] and is delivered */
    GOT(b, "\x30\3\0\1r");
    EXPECT(broker.topics.retained_count == 1);
    end();
}

static void test_filters(void)
{
    begin();
    struct connection *a = client('a'), *b = client('b');
    SEND(a, "\x82\x12\0\1\0\3t/#\0\0\3t/+\1\0\1+\2");
    GOT(a, "\x90\5\0\1\0\1\2");
    SEND(b, "\x32\x8\0\3t/u\0\1x");
    GOT(a, "\x32\x8\0\3t/u\0\1x"); /* one copy, the greatest QoS [MQTT-3.3.5-1] */
    SEND(b, "\x30\4\0\1tx");
    GOT(a, "\x30\4\0\1tx"); /* "t/#" is also "t" */
    SEND(b, "\x30\5\0\2$tx");
    GOT(a, ""); /* [MQTT-4.7.2-1] */
    SEND(b, "\x30\7\0\4/t/ux");
    GOT(a, "");
    SEND(a, "\xa2\x0a\0\2\0\3t/#\0\1z");
    GOT(a, "\xb0\2\0\2"); /* [MQTT-3.10.4-4, -5]: also when there was none */
    SEND(b, "\x30\x8\0\5t/u/vx");
    GOT(a, ""); /* [MQTT-3.10.4-2] */
    SEND(a, "\x82\x8\0\3\0\3t/+\0");
    GOT(a, "\x90\3\0\3\0"); /* replaced [MQTT-3.8.4-3] */
    SEND(b, "\x32\x8\0\3t/u\0\1x");
    GOT(a, "\x30\6\0\3t/ux");
    EXPECT(a->session->subscription_count == 2);
    end();
}

/* ---- limits ---- */

static void test_limits(void)
{
    struct broker_limits limits = broker_default_limits;
    limits.connections = 3;
    limits.sessions = 2;
    limits.subscriptions = 2;
    limits.packet_max = 100;
    limits.client_id_max = 4;
    begin_with(&limits);
    struct connection *a = client('a');
    SEND(a, "\x82\x0e\0\1\0\1t\0\0\1u\0\0\1v\0");
    GOT(a, "\x90\5\0\1\0\0\x80"); /* one too many */
    client('b');
    struct connection *c = connect_as('c', false);
    EXPECT(c->closing);
    GOT(c, "\x20\2\0\3"); /* no room for a third session */
    gone(c);
    c = open_peer();
    SEND(c, CONNECT_WILL_AS("c"));
    GOT(c, "\x20\2\0\3");
    EXPECT(broker.stats.wills == 0); /* and none for its will */
    EXPECT(open_peer() == NULL);
    gone(c);
    c = open_peer();
    SEND(c, "\x10\x11\0\4MQTT\4\2\0\0\0\5abcde");
    GOT(c, "\x20\2\0\2");
    SEND(a, "\x30\x65");
    EXPECT(a->closing); /* 101 bytes announced */
    end();
}

/* Each filter's retained messages are looked for, the same one's again and again: not by one packet for ever. */
static void test_subscribe_work(void)
{
    struct broker_limits limits = broker_default_limits;
    limits.subscribe_nodes = 7; /* of four nodes: the root, t, t/u, v; one look and no second one */
    begin_with(&limits);
    struct connection *a = client('a');
    SEND(a, "\x31\6\0\3t/ux\x31\4\0\1vy");
    SEND(a, "\x82\x0f\0\1\0\1#\0\0\1#\0\0\2/+\0");
    GOT(a, "\x90\5\0\1\0\x80\x80\x31\4\0\1vy\x31\6\0\3t/ux");
    SEND(a, "\x82\x0e\0\2\0\1#\0\0\1v\0\0\1t\0"); /* without wildcards there is no tree to look at */
    GOT(a, "\x90\5\0\2\0\0\0\x31\4\0\1vy\x31\6\0\3t/ux\x31\4\0\1vy");
    end();
}

static void publish_many(struct connection *peer, char topic, unsigned qos, unsigned count, uint32_t payload_len)
{
    uint8_t *packet = calloc(1, payload_len + 16);
    const struct mqtt_publish publish = {
        .qos = (uint8_t)qos, .id = 1, .topic = {(const uint8_t *)&topic, 1}, .payload_len = payload_len};
    size_t len = mqtt_publish_head_write(packet, &publish) + payload_len, part;
    for (unsigned i = 0; i < count; i++) {
        broker_receive(&broker, peer, packet, len, now_ns);
        connection_output(peer, &part);
        broker_sent(&broker, peer, part, now_ns);
    }
    free(packet);
}

/* A reader that does not read holds its publisher up for a while, then loses what does not fit; others do not. */
static void test_slow_reader(void)
{
    begin();
    struct connection *slow = client('s'), *quick = client('q'), *a = client('a');
    size_t part;
    SEND(slow, "\x82\6\0\1\0\1t\0");
    GOT(slow, "\x90\3\0\1\0");
    SEND(quick, "\x82\6\0\1\0\1t\0");
    GOT(quick, "\x90\3\0\1\0");
    unsigned sent = 0;
    while (connection_wants_input(&broker, a) && sent < 1000) {
        publish_many(a, 't', 0, 1, 1000);
        connection_output(quick, &part);
        EXPECT(part == 1006);
        broker_sent(&broker, quick, part, now_ns);
        sent++;
    }
    EXPECT(sent > 60 && sent < 70 && broker.stats.dropped == 0); /* 64 KiB are waiting: a is held up */
    broker_tick(&broker, now_ns);
    EXPECT(!connection_wants_input(&broker, a));
    publish_many(a, 't', 0, 1, 1000); /* bytes that were already on the way are kept */
    connection_output(quick, &part);
    EXPECT(part == 0);
    pass(SECOND);
    EXPECT(connection_wants_input(&broker, a)); /* patience is over */
    connection_output(quick, &part);
    EXPECT(part == 1006 && broker.stats.dropped == 1); /* what was kept went to the quick one only */
    broker_sent(&broker, quick, part, now_ns);
    publish_many(a, 't', 0, 10, 1000);
    EXPECT(broker.stats.dropped == 11 && connection_wants_input(&broker, a));
    connection_output(slow, &part);
    EXPECT(part <= broker.limits.output_high + 1006);
    broker_sent(&broker, slow, part, now_ns); /* it reads again: it is like the others again */
    publish_many(a, 't', 0, 1, 1000);
    EXPECT(broker.stats.dropped == 11);
    connection_output(slow, &part);
    EXPECT(part == 1006);
    end();
}

/* QoS 1 for somebody who does not acknowledge, or is away, is kept up to the limit. */
static void test_queue_limit(void)
{
    struct broker_limits limits = broker_default_limits;
    limits.queue_high = 64;
    limits.queue_max = 200;
    begin_with(&limits);
    struct connection *absent = connect_as('s', true), *a = client('a');
    SEND(absent, "\x82\6\0\1\0\1t\1");
    GOT(absent, CONNACK "\x90\3\0\1\1");
    gone(absent);
    publish_many(a, 't', 1, 300, 10);
    EXPECT(connection_wants_input(&broker, a) && broker.stats.dropped == 100);
    struct connection *present = connect_as('s', true);
    EXPECT(present->session->count == 200 && present->session->sent == 64);
    publish_many(a, 't', 1, 1, 10);
    EXPECT(!connection_wants_input(&broker, a) && broker.stats.dropped == 101); /* held up while it catches up */
    for (unsigned id = 1; id <= 200; id++) {
        uint8_t ack[4] = {0x40, 2, 0, (uint8_t)id};
        send(present, ack, sizeof(ack));
    }
    EXPECT(present->session->count == 0);
    broker_tick(&broker, now_ns);
    EXPECT(connection_wants_input(&broker, a));
    end();
}

/* A client that asks and asks without reading the answers is not read any more. */
static void test_answers_not_read(void)
{
    begin();
    struct connection *a = client('a');
    unsigned asked = 0;
    size_t part;
    while (connection_wants_input(&broker, a) && asked++ < 100000)
        SEND(a, "\xc0\0");
    connection_output(a, &part);
    EXPECT(part == broker.limits.output_high && asked == broker.limits.output_high / 2);
    SEND(a, "\xc0\0");
    connection_output(a, &part);
    EXPECT(part == broker.limits.output_high);
    broker_sent(&broker, a, part, now_ns);
    GOT(a, "\xd0\0"); /* the one that had been kept */
    end();
}

int main(void)
{
    test_connect();
    test_fragments();
    test_take_over();
    test_sessions();
    test_keep_alive();
    test_wills();
    test_qos1();
    test_qos2();
    test_qos2_resend();
    test_window();
    test_identifiers();
    test_retained();
    test_filters();
    test_limits();
    test_subscribe_work();
    test_slow_reader();
    test_queue_limit();
    test_answers_not_read();
    return expect_finish();
}
