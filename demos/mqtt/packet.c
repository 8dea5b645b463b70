#include "packet.h"

#include <string.h>

/* What is left of a packet's body while it is parsed. */
struct cursor {
    const uint8_t *at, *end;
};

static struct cursor cursor_of(const struct mqtt_frame *frame)
{
    return (struct cursor){frame->body, frame->body + frame->body_len};
}

static size_t cursor_left(const struct cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

static bool take_u8(struct cursor *cursor, uint8_t *value)
{
    if (cursor_left(cursor) < 1)
        return false;
    *value = *cursor->at++;
    return true;
}

static bool take_u16(struct cursor *cursor, uint16_t *value)
{
    if (cursor_left(cursor) < 2)
        return false;
    *value = (uint16_t)(cursor->at[0] << 8 | cursor->at[1]);
    cursor->at += 2;
    return true;
}

static bool take_binary(struct cursor *cursor, struct mqtt_text *text)
{
    uint16_t len;
    if (!take_u16(cursor, &len) || cursor_left(cursor) < len)
        return false;
    *text = (struct mqtt_text){cursor->at, len};
    cursor->at += len;
    return true;
}

static bool take_text(struct cursor *cursor, struct mqtt_text *text)
{
    return take_binary(cursor, text) && mqtt_text_is_valid(*text);
}

static bool take_id(struct cursor *cursor, uint16_t *id)
{
    return take_u16(cursor, id) && *id != 0; /* [MQTT-2.3.1-1] */
}

enum mqtt_result mqtt_frame_parse(const uint8_t *bytes, size_t len, struct mqtt_frame *frame)
{
    uint32_t body_len = 0;
    frame->header_len = 0;
    for (unsigned i = 1; i < MQTT_HEADER_MAX; i++) {
        if (len <= i)
            return MQTT_INCOMPLETE;
        body_len |= (uint32_t)(bytes[i] & 0x7f) << 7 * (i - 1);
        if (bytes[i] & 0x80)
            continue;
        frame->type = bytes[0] >> 4;
        frame->flags = bytes[0] & 15;
        frame->header_len = (uint8_t)(i + 1);
        frame->body_len = body_len;
        frame->body = bytes + i + 1;
        return len - frame->header_len < body_len ? MQTT_INCOMPLETE : MQTT_OK;
    }
    return MQTT_MALFORMED;
}

static bool take_will(struct cursor *cursor, uint8_t flags, struct mqtt_connect *connect)
{
    connect->has_will = flags & 4;
    connect->will_qos = flags >> 3 & 3;
    connect->will_retain = flags & 0x20;
    if (!connect->has_will)
        return connect->will_qos == 0 && !connect->will_retain; /* [MQTT-3.1.2-11, -13, -15] */
    return connect->will_qos < 3 && take_binary(cursor, &connect->will_topic) &&
           mqtt_topic_is_valid(connect->will_topic) && take_binary(cursor, &connect->will_payload);
}

static bool take_credentials(struct cursor *cursor, uint8_t flags, struct mqtt_connect *connect)
{
    connect->has_user = flags & 0x80;
    connect->has_password = flags & 0x40;
    if (!connect->has_user)
        return !connect->has_password; /* [MQTT-3.1.2-22] */
    return take_text(cursor, &connect->user) && (!connect->has_password || take_binary(cursor, &connect->password));
}

enum mqtt_result mqtt_connect_parse(const struct mqtt_frame *frame, struct mqtt_connect *connect)
{
    struct cursor cursor = cursor_of(frame);
    struct mqtt_text protocol;
    uint8_t flags;
    *connect = (struct mqtt_connect){0};
    if (frame->flags != 0 || !take_text(&cursor, &protocol) || protocol.len != 4 ||
        memcmp(protocol.bytes, "MQTT", 4) != 0 || !take_u8(&cursor, &connect->level))
        return MQTT_MALFORMED;
    if (connect->level != MQTT_PROTOCOL_LEVEL)
        return MQTT_OK;
    if (!take_u8(&cursor, &flags) || flags & 1 || !take_u16(&cursor, &connect->keep_alive_s) ||
        !take_text(&cursor, &connect->client_id) || !take_will(&cursor, flags, connect) ||
        !take_credentials(&cursor, flags, connect) || cursor_left(&cursor) != 0)
        return MQTT_MALFORMED;
    connect->clean = flags & 2;
    return MQTT_OK;
}

enum mqtt_result mqtt_publish_parse(const struct mqtt_frame *frame, struct mqtt_publish *publish)
{
    struct cursor cursor = cursor_of(frame);
    publish->dup = frame->flags & 8;
    publish->qos = frame->flags >> 1 & 3;
    publish->retain = frame->flags & 1;
    publish->id = 0;
    if (publish->qos == 3 || (publish->qos == 0 && publish->dup)) /* [MQTT-3.3.1-4, -2] */
        return MQTT_MALFORMED;
    if (!take_binary(&cursor, &publish->topic) || (publish->qos > 0 && !take_id(&cursor, &publish->id)))
        return MQTT_MALFORMED;
    publish->payload = cursor.at;
    publish->payload_len = (uint32_t)cursor_left(&cursor);
    return MQTT_OK;
}

bool mqtt_filters_next(struct mqtt_filters *filters, struct mqtt_text *filter, uint8_t *qos)
{
    struct cursor cursor = {filters->at, filters->end};
    *qos = 0;
    if (!take_binary(&cursor, filter) || (filters->has_qos && !take_u8(&cursor, qos)))
        return false;
    filters->at = cursor.at;
    return true;
}

enum mqtt_result mqtt_filters_parse(const struct mqtt_frame *frame, struct mqtt_filters *filters)
{
    struct cursor cursor = cursor_of(frame);
    struct mqtt_text filter;
    uint8_t qos;
    if (frame->flags != 2 || !take_id(&cursor, &filters->id) || cursor_left(&cursor) == 0)
        return MQTT_MALFORMED; /* [MQTT-3.8.1-1, 3.8.3-3, 3.10.1-1, 3.10.3-2] */
    filters->has_qos = frame->type == MQTT_SUBSCRIBE;
    filters->at = cursor.at;
    filters->end = cursor.end;
    struct mqtt_filters rest = *filters;
    while (rest.at != rest.end) {
        if (!mqtt_filters_next(&rest, &filter, &qos) || qos > 2 || !mqtt_filter_is_valid(filter))
            return MQTT_MALFORMED;
    }
    return MQTT_OK;
}

enum mqtt_result mqtt_ack_parse(const struct mqtt_frame *frame, uint16_t *id)
{
    struct cursor cursor = cursor_of(frame);
    uint8_t flags = frame->type == MQTT_PUBREL ? 2 : 0; /* [MQTT-3.6.1-1] */
    return frame->flags == flags && frame->body_len == 2 && take_id(&cursor, id) ? MQTT_OK : MQTT_MALFORMED;
}

enum mqtt_result mqtt_empty_parse(const struct mqtt_frame *frame)
{
    return frame->flags == 0 && frame->body_len == 0 ? MQTT_OK : MQTT_MALFORMED;
}

enum mqtt_result mqtt_connack_parse(const struct mqtt_frame *frame, bool *session_present, uint8_t *code)
{
    if (frame->flags != 0 || frame->body_len != 2 || frame->body[0] > 1)
        return MQTT_MALFORMED;
    *session_present = frame->body[0] == 1;
    *code = frame->body[1];
    return MQTT_OK;
}

enum mqtt_result mqtt_suback_parse(const struct mqtt_frame *frame, uint16_t *id, const uint8_t **codes, size_t *count)
{
    struct cursor cursor = cursor_of(frame);
    if (frame->flags != 0 || !take_id(&cursor, id) || cursor_left(&cursor) == 0)
        return MQTT_MALFORMED;
    *codes = cursor.at;
    *count = cursor_left(&cursor);
    return MQTT_OK;
}

/* ---- text ---- */

/* The length of the UTF-8 sequence at the start of `bytes`; 0 when ill-formed (Unicode 15, table 3-7). */
static size_t utf8_sequence(const uint8_t *bytes, size_t len)
{
    uint8_t first = bytes[0], low = 0x80, high = 0xbf;
    size_t count = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (first == 0 || (first >= 0x80 && first < 0xc2) || first > 0xf4 || count > len)
        return 0;
    if (first == 0xe0)
        low = 0xa0;
    if (first == 0xed)
        high = 0x9f;
    if (first == 0xf0)
        low = 0x90;
    if (first == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < count; i++, low = 0x80, high = 0xbf) {
        if (bytes[i] < low || bytes[i] > high)
            return 0;
    }
    return count;
}

bool mqtt_text_is_valid(struct mqtt_text text)
{
    for (size_t at = 0; at < text.len;) {
        size_t count = utf8_sequence(text.bytes + at, text.len - at);
        if (count == 0)
            return false;
        at += count;
    }
    return true;
}

bool mqtt_topic_is_valid(struct mqtt_text topic)
{
    return topic.len > 0 && memchr(topic.bytes, '+', topic.len) == NULL &&
           memchr(topic.bytes, '#', topic.len) == NULL && mqtt_text_is_valid(topic);
}

bool mqtt_filter_is_valid(struct mqtt_text filter)
{
    if (filter.len == 0 || !mqtt_text_is_valid(filter))
        return false;
    for (size_t i = 0; i < filter.len; i++) {
        bool begins = i == 0 || filter.bytes[i - 1] == '/', is_last = i + 1 == filter.len;
        bool ends = is_last || filter.bytes[i + 1] == '/';
        if (filter.bytes[i] == '#' && !(begins && is_last))
            return false;
        if (filter.bytes[i] == '+' && !(begins && ends))
            return false;
    }
    return true;
}

struct mqtt_text mqtt_text_of(const char *string)
{
    return (struct mqtt_text){(const uint8_t *)string, (uint16_t)strlen(string)};
}

/* ---- writers ---- */

static uint8_t *put_u16(uint8_t *out, uint16_t value)
{
    out[0] = (uint8_t)(value >> 8);
    out[1] = (uint8_t)value;
    return out + 2;
}

static uint8_t *put_text(uint8_t *out, struct mqtt_text text)
{
    out = put_u16(out, text.len);
    if (text.len > 0)
        memcpy(out, text.bytes, text.len);
    return out + text.len;
}

size_t mqtt_header_write(uint8_t *out, uint8_t type, uint8_t flags, uint32_t body_len)
{
    size_t len = 1;
    out[0] = (uint8_t)(type << 4 | flags);
    do {
        out[len++] = (uint8_t)((body_len & 0x7f) | (body_len > 0x7f ? 0x80 : 0));
        body_len >>= 7;
    } while (body_len != 0);
    return len;
}

size_t mqtt_ack_write(uint8_t *out, uint8_t type, uint16_t id)
{
    out[0] = (uint8_t)(type << 4 | (type == MQTT_PUBREL ? 2 : 0));
    out[1] = 2;
    put_u16(out + 2, id);
    return 4;
}

size_t mqtt_empty_write(uint8_t *out, uint8_t type)
{
    out[0] = (uint8_t)(type << 4);
    out[1] = 0;
    return 2;
}

size_t mqtt_connack_write(uint8_t *out, bool session_present, uint8_t code)
{
    out[0] = MQTT_CONNACK << 4;
    out[1] = 2;
    out[2] = session_present && code == MQTT_ACCEPTED; /* [MQTT-3.2.2-4] */
    out[3] = code;
    return 4;
}

uint32_t mqtt_publish_body_len(const struct mqtt_publish *publish)
{
    return 2u + publish->topic.len + (publish->qos > 0 ? 2u : 0u) + publish->payload_len;
}

size_t mqtt_publish_head_write(uint8_t *out, const struct mqtt_publish *publish)
{
    uint8_t flags = (uint8_t)((publish->dup ? 8 : 0) | publish->qos << 1 | (publish->retain ? 1 : 0));
    uint8_t *at = out + mqtt_header_write(out, MQTT_PUBLISH, flags, mqtt_publish_body_len(publish));
    at = put_text(at, publish->topic);
    if (publish->qos > 0)
        at = put_u16(at, publish->id);
    return (size_t)(at - out);
}

static uint8_t connect_flags(const struct mqtt_connect *connect)
{
    uint8_t flags = connect->clean ? 2 : 0;
    if (connect->has_will)
        flags |= (uint8_t)(4 | connect->will_qos << 3 | (connect->will_retain ? 0x20 : 0));
    return (uint8_t)(flags | (connect->has_user ? 0x80 : 0) | (connect->has_password ? 0x40 : 0));
}

size_t mqtt_connect_write(uint8_t *out, size_t cap, const struct mqtt_connect *connect)
{
    uint32_t body_len = 10u + 2u + connect->client_id.len;
    if (connect->has_will)
        body_len += 4u + connect->will_topic.len + connect->will_payload.len;
    if (connect->has_user)
        body_len += 2u + connect->user.len;
    if (connect->has_password)
        body_len += 2u + connect->password.len;
    if (cap < MQTT_HEADER_MAX + body_len)
        return 0;
    uint8_t *at = out + mqtt_header_write(out, MQTT_CONNECT, 0, body_len);
    at = put_text(at, mqtt_text_of("MQTT"));
    *at++ = connect->level;
    *at++ = connect_flags(connect);
    at = put_u16(at, connect->keep_alive_s);
    at = put_text(at, connect->client_id);
    if (connect->has_will)
        at = put_text(put_text(at, connect->will_topic), connect->will_payload);
    if (connect->has_user)
        at = put_text(at, connect->user);
    if (connect->has_password)
        at = put_text(at, connect->password);
    return (size_t)(at - out);
}

size_t mqtt_subscribe_write(uint8_t *out, size_t cap, uint16_t id, struct mqtt_text filter, uint8_t qos)
{
    uint32_t body_len = 2u + 2u + filter.len + 1u;
    if (cap < MQTT_HEADER_MAX + body_len)
        return 0;
    uint8_t *at = out + mqtt_header_write(out, MQTT_SUBSCRIBE, 2, body_len);
    at = put_text(put_u16(at, id), filter);
    *at++ = qos;
    return (size_t)(at - out);
}

size_t mqtt_unsubscribe_write(uint8_t *out, size_t cap, uint16_t id, struct mqtt_text filter)
{
    uint32_t body_len = 2u + 2u + filter.len;
    if (cap < MQTT_HEADER_MAX + body_len)
        return 0;
    uint8_t *at = out + mqtt_header_write(out, MQTT_UNSUBSCRIBE, 2, body_len);
    at = put_text(put_u16(at, id), filter);
    return (size_t)(at - out);
}
