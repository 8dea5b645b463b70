#include "client.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <tessera.h>

#include "demos/lib/bytes.h"

int client_open(struct client *client, const char *channel)
{
    uint32_t fd;
    int error = tessera_channel_connect(channel, (uint32_t)strlen(channel), &fd);
    client->fd = (int)fd;
    client->what = "nothing wrong";
    client->last_id = 0;
    client->in_head = client->in_tail = client->out_len = 0;
    return error;
}

void client_abandon(struct client *client)
{
    close(client->fd);
}

void client_close(struct client *client)
{
    uint8_t packet[2];
    client_send(client, packet, mqtt_empty_write(packet, MQTT_DISCONNECT));
    client_flush(client);
    close(client->fd);
}

uint16_t client_new_id(struct client *client)
{
    client->last_id = (uint16_t)(client->last_id % 65535 + 1);
    return client->last_id;
}

bool client_flush(struct client *client)
{
    for (size_t at = 0; at < client->out_len;) {
        ssize_t put = write(client->fd, client->out + at, client->out_len - at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            client->what = "the broker does not take its bytes";
            return false;
        }
        at += (size_t)put;
    }
    client->out_len = 0;
    return true;
}

uint8_t *client_reserve(struct client *client, size_t len)
{
    if (CLIENT_BUFFER - client->out_len < len && (len > CLIENT_BUFFER || !client_flush(client)))
        return NULL;
    return client->out + client->out_len;
}

bool client_send(struct client *client, const uint8_t *packet, size_t len)
{
    uint8_t *out = client_reserve(client, len);
    if (out == NULL)
        return false;
    bytes_copy(out, packet, len);
    client->out_len += len;
    return true;
}

bool client_publish(struct client *client, const struct mqtt_publish *publish)
{
    uint8_t *out = client_reserve(client, MQTT_HEADER_MAX + (size_t)mqtt_publish_body_len(publish));
    if (out == NULL)
        return false;
    size_t head_len = mqtt_publish_head_write(out, publish);
    if (publish->payload_len > 0)
        memcpy(out + head_len, publish->payload, publish->payload_len);
    client->out_len += head_len + publish->payload_len;
    return true;
}

bool client_ack(struct client *client, uint8_t type, uint16_t id)
{
    uint8_t packet[4];
    return client_send(client, packet, mqtt_ack_write(packet, type, id));
}

/* Reads more bytes; blocks until there are some. */
static bool client_read(struct client *client)
{
    if (client->in_head > 0) {
        memmove(client->in, client->in + client->in_head, client->in_tail - client->in_head);
        client->in_tail -= client->in_head;
        client->in_head = 0;
    }
    if (client->in_tail == CLIENT_BUFFER) {
        client->what = "a packet longer than the client's buffer";
        return false;
    }
    ssize_t got = read(client->fd, client->in + client->in_tail, CLIENT_BUFFER - client->in_tail);
    if (got < 0 && errno == EINTR)
        return true;
    if (got <= 0) {
        client->what = got == 0 ? "the broker closed the connection" : "read failed";
        return false;
    }
    client->in_tail += (size_t)got;
    return true;
}

bool client_has_next(const struct client *client)
{
    struct mqtt_frame frame;
    return mqtt_frame_parse(client->in + client->in_head, client->in_tail - client->in_head, &frame) == MQTT_OK;
}

bool client_next(struct client *client, struct mqtt_frame *frame)
{
    for (;;) {
        enum mqtt_result result =
            mqtt_frame_parse(client->in + client->in_head, client->in_tail - client->in_head, frame);
        if (result == MQTT_OK) {
            client->in_head += frame->header_len + frame->body_len;
            return true;
        }
        if (result == MQTT_MALFORMED) {
            client->what = "malformed packet from the broker";
            return false;
        }
        if (!client_flush(client) || !client_read(client))
            return false;
    }
}

bool client_connect(struct client *client, const struct mqtt_connect *connect, bool *session_present)
{
    struct mqtt_frame frame;
    uint8_t code;
    uint8_t *out = client_reserve(client, 1024);
    size_t len = out != NULL ? mqtt_connect_write(out, 1024, connect) : 0;
    if (len == 0)
        return false;
    client->out_len += len;
    if (!client_next(client, &frame))
        return false;
    client->what = "no accepting CONNACK";
    return frame.type == MQTT_CONNACK && mqtt_connack_parse(&frame, session_present, &code) == MQTT_OK &&
           code == MQTT_ACCEPTED;
}

bool client_subscribe(struct client *client, const char *filter, uint8_t qos,
                      bool (*receive)(struct client *client, const struct mqtt_frame *frame))
{
    struct mqtt_frame frame;
    const uint8_t *codes;
    size_t count;
    uint16_t id = client_new_id(client), answered;
    uint8_t *out = client_reserve(client, 1024);
    size_t len = out != NULL ? mqtt_subscribe_write(out, 1024, id, mqtt_text_of(filter), qos) : 0;
    if (len == 0)
        return false;
    client->out_len += len;
    while (client_next(client, &frame)) {
        if (frame.type == MQTT_PUBLISH && receive != NULL) {
            if (!receive(client, &frame))
                return false;
            continue;
        }
        client->what = "no SUBACK with what was asked for";
        return frame.type == MQTT_SUBACK && mqtt_suback_parse(&frame, &answered, &codes, &count) == MQTT_OK &&
               answered == id && count == 1 && codes[0] == qos;
    }
    return false;
}
