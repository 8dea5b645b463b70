/* MQTT 3.1.1 control packets: bytes to structures and back. Shared by the broker and its clients.
 *
 * Pure functions, no allocation, no state. Parsed structures point into the caller's bytes and live as long as
 * they do. Every length is checked; a parser returns MQTT_MALFORMED for whatever the specification forbids the
 * sender, and the caller then closes the connection [MQTT-4.8.0-1].
 *
 * Source: OASIS Standard MQTT Version 3.1.1, 29 October 2014; [MQTT-x.y.z-n] are its normative statements.
 */
#ifndef DEMOS_MQTT_PACKET_H
#define DEMOS_MQTT_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mqtt_type {
    MQTT_CONNECT = 1,
    MQTT_CONNACK = 2,
    MQTT_PUBLISH = 3,
    MQTT_PUBACK = 4,
    MQTT_PUBREC = 5,
    MQTT_PUBREL = 6,
    MQTT_PUBCOMP = 7,
    MQTT_SUBSCRIBE = 8,
    MQTT_SUBACK = 9,
    MQTT_UNSUBSCRIBE = 10,
    MQTT_UNSUBACK = 11,
    MQTT_PINGREQ = 12,
    MQTT_PINGRESP = 13,
    MQTT_DISCONNECT = 14,
};

enum mqtt_result { MQTT_OK, MQTT_INCOMPLETE, MQTT_MALFORMED };

enum mqtt_connack {
    MQTT_ACCEPTED = 0,
    MQTT_BAD_PROTOCOL = 1,
    MQTT_BAD_CLIENT_ID = 2,
    MQTT_UNAVAILABLE = 3,
};

#define MQTT_PROTOCOL_LEVEL 4
#define MQTT_HEADER_MAX     5          /* bytes of a fixed header */
#define MQTT_BODY_MAX       268435455u /* the largest remaining length */
#define MQTT_SUBACK_FAILURE 0x80

/* A counted string or binary string within somebody's bytes. */
struct mqtt_text {
    const uint8_t *bytes;
    uint16_t len;
};

/* One whole packet; `body` follows the fixed header. */
struct mqtt_frame {
    uint8_t type, flags;
    uint8_t header_len;
    uint32_t body_len;
    const uint8_t *body;
};

struct mqtt_connect {
    uint8_t level; /* unless MQTT_PROTOCOL_LEVEL, the parser has stopped here */
    bool clean;
    uint16_t keep_alive_s; /* 0: none */
    struct mqtt_text client_id;
    bool has_will, will_retain, has_user, has_password;
    uint8_t will_qos;
    struct mqtt_text will_topic, will_payload, user, password;
};

struct mqtt_publish {
    bool dup, retain;
    uint8_t qos;
    uint16_t id; /* 0 when qos is 0 */
    struct mqtt_text topic;
    const uint8_t *payload;
    uint32_t payload_len;
};

/* The filters of a SUBSCRIBE or UNSUBSCRIBE, already checked, to be taken one by one. */
struct mqtt_filters {
    uint16_t id;
    bool has_qos;
    const uint8_t *at, *end;
};

/* Finds the packet at the start of `bytes`. MQTT_INCOMPLETE: more bytes are needed; when the fixed header is
 * whole, frame->header_len and body_len are set already, otherwise header_len is 0. */
enum mqtt_result mqtt_frame_parse(const uint8_t *bytes, size_t len, struct mqtt_frame *frame);

enum mqtt_result mqtt_connect_parse(const struct mqtt_frame *frame, struct mqtt_connect *connect);
/* Checks everything but the topic's characters: see mqtt_topic_is_valid. */
enum mqtt_result mqtt_publish_parse(const struct mqtt_frame *frame, struct mqtt_publish *publish);
/* SUBSCRIBE and UNSUBSCRIBE. */
enum mqtt_result mqtt_filters_parse(const struct mqtt_frame *frame, struct mqtt_filters *filters);
/* The next filter with its requested QoS; false when there is none left. */
bool mqtt_filters_next(struct mqtt_filters *filters, struct mqtt_text *filter, uint8_t *qos);
/* PUBACK, PUBREC, PUBREL, PUBCOMP, UNSUBACK. */
enum mqtt_result mqtt_ack_parse(const struct mqtt_frame *frame, uint16_t *id);
/* PINGREQ, PINGRESP, DISCONNECT. */
enum mqtt_result mqtt_empty_parse(const struct mqtt_frame *frame);
enum mqtt_result mqtt_connack_parse(const struct mqtt_frame *frame, bool *session_present, uint8_t *code);
enum mqtt_result mqtt_suback_parse(const struct mqtt_frame *frame, uint16_t *id, const uint8_t **codes, size_t *count);

/* Well-formed UTF-8 without U+0000 [MQTT-1.5.3-1, -2]. */
bool mqtt_text_is_valid(struct mqtt_text text);
/* A topic name: such text, not empty, without wildcards [MQTT-3.3.2-2, 4.7.3-1]. */
bool mqtt_topic_is_valid(struct mqtt_text topic);
/* A topic filter: such text, not empty, wildcards only as whole levels, # only last [MQTT-4.7.1-2, -3]. */
bool mqtt_filter_is_valid(struct mqtt_text filter);

/* Writers return the bytes written. `out` must have room; the sizes are stated. */
size_t mqtt_header_write(uint8_t *out, uint8_t type, uint8_t flags, uint32_t body_len); /* MQTT_HEADER_MAX */
size_t mqtt_ack_write(uint8_t *out, uint8_t type, uint16_t id);                         /* 4 */
size_t mqtt_empty_write(uint8_t *out, uint8_t type);                                    /* 2 */
size_t mqtt_connack_write(uint8_t *out, bool session_present, uint8_t code);            /* 4 */
/* Everything of a PUBLISH but the payload: MQTT_HEADER_MAX + 4 + topic.len. */
size_t mqtt_publish_head_write(uint8_t *out, const struct mqtt_publish *publish);
uint32_t mqtt_publish_body_len(const struct mqtt_publish *publish);
/* These return 0 when the packet does not fit into `cap`. */
size_t mqtt_connect_write(uint8_t *out, size_t cap, const struct mqtt_connect *connect);
size_t mqtt_subscribe_write(uint8_t *out, size_t cap, uint16_t id, struct mqtt_text filter, uint8_t qos);
size_t mqtt_unsubscribe_write(uint8_t *out, size_t cap, uint16_t id, struct mqtt_text filter);

struct mqtt_text mqtt_text_of(const char *string);

#endif
