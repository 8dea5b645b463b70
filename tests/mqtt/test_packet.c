/* The codec: lengths at their limits, every parser on good, cut and wrong packets, text rules, and what the writers
 * write read back.
 */
#include <stdlib.h>
#include <string.h>

#include "demos/mqtt/packet.h"
#include "expect.h"

#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

static struct mqtt_text text_of(const uint8_t *bytes, size_t len)
{
    return (struct mqtt_text){bytes, (uint16_t)len};
}

#define TEXT(s) text_of(BYTES(s))

/* The bytes as a frame of their own allocation, so that a read past the end is noticed. */
static enum mqtt_result frame_of(const uint8_t *bytes, size_t len, struct mqtt_frame *frame, uint8_t **copy)
{
    *copy = malloc(len > 0 ? len : 1);
    if (*copy == NULL)
        abort();
    memcpy(*copy, bytes, len);
    return mqtt_frame_parse(*copy, len, frame);
}

static void test_length(uint32_t body_len, size_t header_len)
{
    uint8_t bytes[MQTT_HEADER_MAX];
    struct mqtt_frame frame;
    EXPECT(mqtt_header_write(bytes, MQTT_PUBLISH, 0, body_len) == header_len);
    for (size_t cut = 0; cut < header_len; cut++) {
        EXPECT(mqtt_frame_parse(bytes, cut, &frame) == MQTT_INCOMPLETE);
        EXPECT(frame.header_len == 0);
    }
    EXPECT(mqtt_frame_parse(bytes, header_len, &frame) == (body_len == 0 ? MQTT_OK : MQTT_INCOMPLETE));
    EXPECT(frame.header_len == header_len && frame.body_len == body_len && frame.type == MQTT_PUBLISH);
}

/* Table 2.4 of the specification. */
static void test_frames(void)
{
    struct mqtt_frame frame;
    test_length(0, 2);
    test_length(127, 2);
    test_length(128, 3);
    test_length(16383, 3);
    test_length(16384, 4);
    test_length(2097151, 4);
    test_length(2097152, 5);
    test_length(MQTT_BODY_MAX, 5);
    EXPECT(mqtt_frame_parse(BYTES("\x30\xff\xff\xff\x80"), &frame) == MQTT_MALFORMED);
    EXPECT(mqtt_frame_parse(BYTES("\xc0\0"), &frame) == MQTT_OK && frame.type == MQTT_PINGREQ);
}

static void test_text(void)
{
    EXPECT(mqtt_text_is_valid(TEXT("")));
    EXPECT(mqtt_text_is_valid(TEXT("plain")));
    EXPECT(mqtt_text_is_valid(TEXT("\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xef\xbf\xbf \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf")));
    EXPECT(mqtt_text_is_valid(TEXT("\xef\xbb\xbf")));          /* U+FEFF is kept [MQTT-1.5.3-3] */
    EXPECT(!mqtt_text_is_valid(TEXT("a\0b")));                 /* U+0000 */
    EXPECT(!mqtt_text_is_valid(TEXT("\x80")));                 /* continuation alone */
    EXPECT(!mqtt_text_is_valid(TEXT("\xc1\xbf")));             /* overlong */
    EXPECT(!mqtt_text_is_valid(TEXT("\xe0\x9f\xbf")));         /* overlong */
    EXPECT(!mqtt_text_is_valid(TEXT("\xf0\x8f\xbf\xbf")));     /* overlong */
    EXPECT(!mqtt_text_is_valid(TEXT("\xed\xa0\x80")));         /* surrogate */
    EXPECT(!mqtt_text_is_valid(TEXT("\xf4\x90\x80\x80")));     /* above U+10FFFF */
    EXPECT(!mqtt_text_is_valid(TEXT("\xf8\x88\x80\x80\x80"))); /* five bytes */
    EXPECT(!mqtt_text_is_valid(TEXT("\xe2\x82")));             /* cut */
    EXPECT(!mqtt_text_is_valid(TEXT("\xc3(")));                /* no continuation */
}

static void test_topics(void)
{
    EXPECT(mqtt_topic_is_valid(TEXT("a")) && mqtt_topic_is_valid(TEXT("/")) && mqtt_topic_is_valid(TEXT("a b/$c")));
    EXPECT(!mqtt_topic_is_valid(TEXT("")) && !mqtt_topic_is_valid(TEXT("a/+")) && !mqtt_topic_is_valid(TEXT("#")));
    static const char *const good[] = {"a", "/", "+", "#", "a/#", "+/#", "/+", "a/+/b", "+/+", "/#", "$SYS/#", "a b"};
    static const char *const bad[] = {"", "a#", "a/#/b", "#/a", "a+", "+a", "a/b+", "a/+b/c", "##", "a/##", "++"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        EXPECT(mqtt_filter_is_valid(mqtt_text_of(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        EXPECT(!mqtt_filter_is_valid(mqtt_text_of(bad[i])));
}

/* A full CONNECT comes back as it was written, and cut anywhere is malformed. */
static void test_connect(void)
{
    const struct mqtt_connect full = {
        .level = 4,
        .clean = true,
        .keep_alive_s = 0x1234,
        .client_id = mqtt_text_of("client"),
        .has_will = true,
        .will_qos = 2,
        .will_retain = true,
        .will_topic = mqtt_text_of("will/topic"),
        .will_payload = TEXT("\0\xff bytes"),
        .has_user = true,
        .user = mqtt_text_of("user"),
        .has_password = true,
        .password = TEXT("\xff\0"),
    };
    uint8_t bytes[256];
    struct mqtt_frame frame;
    struct mqtt_connect got;
    size_t len = mqtt_connect_write(bytes, sizeof(bytes), &full);
    EXPECT(len > 0 && mqtt_frame_parse(bytes, len, &frame) == MQTT_OK && frame.header_len + frame.body_len == len);
    EXPECT(mqtt_connect_parse(&frame, &got) == MQTT_OK);
    EXPECT(got.level == 4 && got.clean && got.keep_alive_s == 0x1234 && got.has_will && got.will_qos == 2);
    EXPECT(got.will_retain && got.has_user && got.has_password && got.client_id.len == 6);
    EXPECT(got.will_topic.len == 10 && memcmp(got.will_topic.bytes, "will/topic", 10) == 0);
    EXPECT(got.will_payload.len == 8 && got.user.len == 4 && got.password.len == 2);
    EXPECT(mqtt_connect_write(bytes, len - 1, &full) == 0);
    mqtt_connect_write(bytes, sizeof(bytes), &full);
    for (uint32_t cut = 0; cut < frame.body_len; cut++) {
        struct mqtt_frame shorter = frame;
        shorter.body_len = cut;
        bool stops_at_level = cut == 7; /* the level is there, but not what follows it */
        EXPECT(mqtt_connect_parse(&shorter, &got) == MQTT_MALFORMED || stops_at_level == (got.level != 4));
    }
}

static enum mqtt_result connect_result(const uint8_t *bytes, size_t len)
{
    struct mqtt_frame frame;
    struct mqtt_connect connect;
    uint8_t *copy;
    enum mqtt_result result = frame_of(bytes, len, &frame, &copy);
    if (result == MQTT_OK)
        result = mqtt_connect_parse(&frame, &connect);
    free(copy);
    return result;
}

static void test_connect_flags(void)
{
    EXPECT(connect_result(BYTES("\x10\x0d\0\4MQTT\4\2\0\0\0\1a")) == MQTT_OK);
    EXPECT(connect_result(BYTES("\x10\x0d\0\4MQTT\4\3\0\0\0\1a")) == MQTT_MALFORMED);            /* reserved */
    EXPECT(connect_result(BYTES("\x10\x0d\0\4MQTT\4\x22\0\0\0\1a")) == MQTT_MALFORMED);          /* will retain */
    EXPECT(connect_result(BYTES("\x10\x0d\0\4MQTT\4\x0a\0\0\0\1a")) == MQTT_MALFORMED);          /* will QoS */
    EXPECT(connect_result(BYTES("\x10\x12\0\4MQTT\4\x0e\0\0\0\1a\0\1w\0\0")) == MQTT_OK);        /* will QoS 1 */
    EXPECT(connect_result(BYTES("\x10\x12\0\4MQTT\4\x1e\0\0\0\1a\0\1w\0\0")) == MQTT_MALFORMED); /* will QoS 3 */
    EXPECT(connect_result(BYTES("\x10\x12\0\4MQTT\4\x0e\0\0\0\1a\0\1+\0\0")) == MQTT_MALFORMED); /* will topic */
    EXPECT(connect_result(BYTES("\x10\x10\0\4MQTT\4\x42\0\0\0\1a\0\1p")) == MQTT_MALFORMED);     /* password alone */
    EXPECT(connect_result(BYTES("\x10\x10\0\4MQTT\4\x82\0\0\0\1a\0\1u")) == MQTT_OK);            /* user alone */
    EXPECT(connect_result(BYTES("\x10\x10\0\4MQTT\4\x82\0\0\0\1a\0\1\xff")) == MQTT_MALFORMED);  /* user's text */
    EXPECT(connect_result(BYTES("\x10\x0c\0\4MQTT\4\0\0\0\0\0")) == MQTT_OK);
    EXPECT(connect_result(BYTES("\x10\x0d\0\4mqtt\4\2\0\0\0\1a")) == MQTT_MALFORMED);
    EXPECT(connect_result(BYTES("\x10\x0f\0\6MQIsdp\3\2\0\0\0\1a")) == MQTT_MALFORMED);
    EXPECT(connect_result(BYTES("\x10\x07\0\4MQTT\5")) == MQTT_OK); /* another level: the rest is not looked at */
}

static enum mqtt_result publish_result(const uint8_t *bytes, size_t len, struct mqtt_publish *publish)
{
    struct mqtt_frame frame;
    uint8_t *copy;
    enum mqtt_result result = frame_of(bytes, len, &frame, &copy);
    if (result == MQTT_OK)
        result = mqtt_publish_parse(&frame, publish);
    free(copy);
    return result;
}

static void test_publish(void)
{
    struct mqtt_publish publish;
    EXPECT(publish_result(BYTES("\x30\5\0\1ahi"), &publish) == MQTT_OK);
    EXPECT(!publish.dup && publish.qos == 0 && !publish.retain && publish.id == 0 && publish.payload_len == 2);
    EXPECT(publish_result(BYTES("\x3d\6\0\1a\1\2x"), &publish) == MQTT_OK);
    EXPECT(publish.dup && publish.qos == 2 && publish.retain && publish.id == 0x102 && publish.payload_len == 1);
    EXPECT(publish_result(BYTES("\x32\5\0\1a\0\1"), &publish) == MQTT_OK && publish.payload_len == 0);
    EXPECT(publish_result(BYTES("\x36\5\0\1a\0\1"), &publish) == MQTT_MALFORMED);
    EXPECT(publish_result(BYTES("\x38\4\0\1ax"), &publish) == MQTT_MALFORMED);
    EXPECT(publish_result(BYTES("\x32\5\0\1a\0\0"), &publish) == MQTT_MALFORMED);
    EXPECT(publish_result(BYTES("\x32\4\0\1a\1"), &publish) == MQTT_MALFORMED);
    EXPECT(publish_result(BYTES("\x30\3\0\2a"), &publish) == MQTT_MALFORMED);
    EXPECT(publish_result(BYTES("\x30\1\0"), &publish) == MQTT_MALFORMED);
    EXPECT(publish_result(BYTES("\x30\0"), &publish) == MQTT_MALFORMED);

    const struct mqtt_publish written = {
        .qos = 1, .retain = true, .id = 77, .topic = mqtt_text_of("t"), .payload_len = 3};
    uint8_t bytes[32];
    size_t len = mqtt_publish_head_write(bytes, &written);
    memcpy(bytes + len, "xyz", 3);
    EXPECT(publish_result(bytes, len + 3, &publish) == MQTT_OK && publish.id == 77 && publish.retain &&
           publish.qos == 1);
    EXPECT(mqtt_publish_body_len(&written) == len + 3 - 2);
}

static unsigned filters_count(const uint8_t *bytes, size_t len)
{
    struct mqtt_frame frame;
    struct mqtt_filters filters;
    struct mqtt_text filter;
    uint8_t *copy, qos;
    unsigned count = 0;
    if (frame_of(bytes, len, &frame, &copy) == MQTT_OK && mqtt_filters_parse(&frame, &filters) == MQTT_OK) {
        while (mqtt_filters_next(&filters, &filter, &qos))
            count++;
    }
    free(copy);
    return count;
}

static void test_filters(void)
{
    EXPECT(filters_count(BYTES("\x82\6\0\1\0\1a\2")) == 1);
    EXPECT(filters_count(BYTES("\x82\x0b\0\1\0\1a\0\0\3+/\1")) == 0); /* cut */
    EXPECT(filters_count(BYTES("\x82\x0c\0\1\0\1a\0\0\3+/#\1")) == 2);
    EXPECT(filters_count(BYTES("\x82\6\0\0\0\1a\0")) == 0); /* identifier 0 */
    EXPECT(filters_count(BYTES("\x80\6\0\1\0\1a\0")) == 0); /* flags */
    EXPECT(filters_count(BYTES("\x82\2\0\1")) == 0);
    EXPECT(filters_count(BYTES("\x82\6\0\1\0\1a\3")) == 0);
    EXPECT(filters_count(BYTES("\x82\6\0\1\0\1a\x10")) == 0);
    EXPECT(filters_count(BYTES("\xa2\5\0\1\0\1a")) == 1);
    EXPECT(filters_count(BYTES("\xa2\x8\0\1\0\1a\0\1#")) == 2);
    EXPECT(filters_count(BYTES("\xa2\5\0\1\0\2a")) == 0);
}

static bool ack_is_good(const uint8_t *bytes, size_t len)
{
    struct mqtt_frame frame;
    uint16_t id;
    return mqtt_frame_parse(bytes, len, &frame) == MQTT_OK && mqtt_ack_parse(&frame, &id) == MQTT_OK;
}

static void test_acks(void)
{
    uint8_t bytes[4];
    for (uint8_t type = MQTT_PUBACK; type <= MQTT_PUBCOMP; type++)
        EXPECT(mqtt_ack_write(bytes, type, 0xabcd) == 4 && ack_is_good(bytes, 4));
    EXPECT(!ack_is_good(BYTES("\x40\2\0\0")) && !ack_is_good(BYTES("\x40\3\0\1x")) && !ack_is_good(BYTES("\x40\1\1")));
    EXPECT(!ack_is_good(BYTES("\x41\2\0\1")) && !ack_is_good(BYTES("\x60\2\0\1")) && ack_is_good(BYTES("\x62\2\0\1")));
}

int main(void)
{
    test_frames();
    test_text();
    test_topics();
    test_connect();
    test_connect_flags();
    test_publish();
    test_filters();
    test_acks();
    return expect_finish();
}
