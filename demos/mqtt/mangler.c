/* Breaks the protocol in every way it can think of, one connection each, and checks that the broker answers by
 * closing that connection, while another connection of its own is served throughout.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <tessera.h>

#include "client.h"
#include "report.h"

/* A CONNECT with client id "bad", clean session; and its answer. */
#define CONNECT  "\x10\x0f\0\4MQTT\4\2\0\0\0\3bad"
#define CONNACK  "\x20\2\0\0"
#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

struct mangled {
    const char *what;
    const uint8_t *bytes; /* sent */
    size_t len;
    const uint8_t *answer; /* received before the connection is closed */
    size_t answer_len;
};

static const struct mangled cases[] = {
    {"no CONNECT first", BYTES("\xc0\0"), BYTES("")},
    {"PUBLISH before CONNECT", BYTES("\x30\5\0\1ahi"), BYTES("")},
    {"packet type 0", BYTES(CONNECT "\0\0"), BYTES(CONNACK)},
    {"packet type 15", BYTES(CONNECT "\xf0\0"), BYTES(CONNACK)},
    {"remaining length of five bytes", BYTES(CONNECT "\x30\xff\xff\xff\xff\x01"), BYTES(CONNACK)},
    {"packet of 256 MiB announced", BYTES(CONNECT "\x30\xff\xff\xff\x7f"), BYTES(CONNACK)},
    {"second CONNECT", BYTES(CONNECT CONNECT), BYTES(CONNACK)},
    {"protocol name MQTX", BYTES("\x10\x0f\0\4MQTX\4\2\0\0\0\3bad"), BYTES("")},
    {"protocol level 9", BYTES("\x10\x0f\0\4MQTT\x9\2\0\0\0\3bad"), BYTES("\x20\2\0\1")},
    {"reserved CONNECT flag", BYTES("\x10\x0f\0\4MQTT\4\3\0\0\0\3bad"), BYTES("")},
    {"will QoS without will", BYTES("\x10\x0f\0\4MQTT\4\x0a\0\0\0\3bad"), BYTES("")},
    {"will QoS 3", BYTES("\x10\x15\0\4MQTT\4\x1e\0\0\0\3bad\0\1w\0\1x"), BYTES("")},
    {"password without user name", BYTES("\x10\x12\0\4MQTT\4\x42\0\0\0\3bad\0\1p"), BYTES("")},
    {"kept session without client id", BYTES("\x10\x0c\0\4MQTT\4\0\0\0\0\0"), BYTES("\x20\2\0\2")},
    {"CONNECT with a byte too many", BYTES("\x10\x10\0\4MQTT\4\2\0\0\0\3badx"), BYTES("")},
    {"CONNECT whose id is longer than the packet", BYTES("\x10\x0f\0\4MQTT\4\2\0\0\0\4bad"), BYTES("")},
    {"client id that is not UTF-8", BYTES("\x10\x0f\0\4MQTT\4\2\0\0\0\3b\xff\x64"), BYTES("")},
    {"CONNECT with header flags", BYTES("\x11\x0f\0\4MQTT\4\2\0\0\0\3bad"), BYTES("")},
    {"PUBLISH with QoS 3", BYTES(CONNECT "\x36\5\0\1a\0\1"), BYTES(CONNACK)},
    {"PUBLISH with DUP and QoS 0", BYTES(CONNECT "\x38\4\0\1ax"), BYTES(CONNACK)},
    {"PUBLISH with identifier 0", BYTES(CONNECT "\x32\5\0\1a\0\0"), BYTES(CONNACK)},
    {"PUBLISH to a wildcard", BYTES(CONNECT "\x30\6\0\3a/+x"), BYTES(CONNACK)},
    {"PUBLISH to an empty topic", BYTES(CONNECT "\x30\3\0\0x"), BYTES(CONNACK)},
    {"PUBLISH topic with U+0000", BYTES(CONNECT "\x30\5\0\2a\0x"), BYTES(CONNACK)},
    {"PUBLISH topic with a surrogate", BYTES(CONNECT "\x30\5\0\3\xed\xa0\x80"), BYTES(CONNACK)},
    {"PUBLISH topic longer than the packet", BYTES(CONNECT "\x30\4\0\x9xx"), BYTES(CONNACK)},
    {"PUBACK of one byte", BYTES(CONNECT "\x40\1\0"), BYTES(CONNACK)},
    {"PUBACK with flags", BYTES(CONNECT "\x42\2\0\1"), BYTES(CONNACK)},
    {"PUBREL without its flags", BYTES(CONNECT "\x60\2\0\1"), BYTES(CONNACK)},
    {"SUBSCRIBE without its flags", BYTES(CONNECT "\x80\6\0\1\0\1a\0"), BYTES(CONNACK)},
    {"SUBSCRIBE without a filter", BYTES(CONNECT "\x82\2\0\1"), BYTES(CONNACK)},
    {"SUBSCRIBE with QoS 3", BYTES(CONNECT "\x82\6\0\1\0\1a\3"), BYTES(CONNACK)},
    {"SUBSCRIBE without QoS", BYTES(CONNECT "\x82\5\0\1\0\1a"), BYTES(CONNACK)},
    {"SUBSCRIBE to a#", BYTES(CONNECT "\x82\7\0\1\0\2a#\0"), BYTES(CONNACK)},
    {"SUBSCRIBE to #/a", BYTES(CONNECT "\x82\x8\0\1\0\3#/a\0"), BYTES(CONNACK)},
    {"SUBSCRIBE to a+", BYTES(CONNECT "\x82\7\0\1\0\2a+\0"), BYTES(CONNACK)},
    {"SUBSCRIBE to nothing", BYTES(CONNECT "\x82\5\0\1\0\0\0"), BYTES(CONNACK)},
    {"UNSUBSCRIBE without a filter", BYTES(CONNECT "\xa2\2\0\1"), BYTES(CONNACK)},
    {"PINGREQ with a body", BYTES(CONNECT "\xc0\1x"), BYTES(CONNACK)},
    {"CONNACK from a client", BYTES(CONNECT CONNACK), BYTES(CONNACK)},
    {"SUBACK from a client", BYTES(CONNECT "\x90\3\0\1\0"), BYTES(CONNACK)},
    {"DISCONNECT with flags", BYTES(CONNECT "\xe1\0"), BYTES(CONNACK)},
    {"PINGREQ after DISCONNECT", BYTES(CONNECT "\xe0\0\xc0\0"), BYTES(CONNACK)},
};

enum { CASES = sizeof(cases) / sizeof(cases[0]) };

/* Writes all. The peer may close before it has read everything: that is no failure. */
static void write_all(int fd, const uint8_t *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t put = write(fd, bytes + at, len - at);
        if (put <= 0 && errno != EINTR)
            return;
        at += put > 0 ? (size_t)put : 0;
    }
}

/* Reads until the peer closes. Returns the length; reset connections have ended, too. */
static size_t read_to_end(int fd, uint8_t *bytes, size_t cap)
{
    size_t len = 0;
    for (;;) {
        ssize_t got = read(fd, bytes + len, cap - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || len + (size_t)got == cap)
            return len + (got > 0 ? (size_t)got : 0);
        len += (size_t)got;
    }
}

static bool is_closed_properly(const struct mangled *mangled)
{
    uint8_t answer[64];
    uint32_t fd;
    if (tessera_channel_connect("mqtt", 4, &fd) != 0)
        return false;
    write_all((int)fd, mangled->bytes, mangled->len);
    size_t len = read_to_end((int)fd, answer, sizeof(answer));
    close((int)fd);
    return len == mangled->answer_len && memcmp(answer, mangled->answer, len) == 0;
}

static bool is_served(struct client *witness)
{
    uint8_t packet[2];
    struct mqtt_frame frame;
    return client_send(witness, packet, mqtt_empty_write(packet, MQTT_PINGREQ)) && client_next(witness, &frame) &&
           frame.type == MQTT_PINGRESP && mqtt_empty_parse(&frame) == MQTT_OK;
}

static int report(const struct report *report)
{
    uint32_t handle, len;
    int error = tessera_service_open(REPORT_SERVICE, strlen(REPORT_SERVICE), &handle);
    if (error == 0)
        error = tessera_service_call(handle, REPORT_CHECKS, report, sizeof(*report), NULL, 0, &len);
    if (error != 0)
        printf("mangler: report: errno %d\n", error);
    return error != 0 || report->received != report->expected;
}

int main(void)
{
    static struct client witness;
    struct report checks = {.name = "mangler", .expected = 2 * CASES};
    const struct mqtt_connect connect = {
        .level = MQTT_PROTOCOL_LEVEL, .clean = true, .client_id = mqtt_text_of("witness")};
    bool present;
    if (client_open(&witness, "mqtt") != 0 || !client_connect(&witness, &connect, &present)) {
        printf("mangler: connect: %s\n", witness.what);
        return 1;
    }
    for (const struct mangled *mangled = cases; mangled < cases + CASES; mangled++) {
        bool is_closed = is_closed_properly(mangled), serves = is_served(&witness);
        if (!is_closed || !serves)
            printf("mangler: %s: %s\n", mangled->what,
                   is_closed ? "the witness is not served" : "not closed as it should");
        checks.received += (uint64_t)is_closed + serves;
    }
    client_close(&witness);
    return report(&checks);
}
