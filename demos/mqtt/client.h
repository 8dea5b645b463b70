/* A small blocking MQTT client over a channel, for the demo's publishers and subscribers.
 *
 * Output is gathered and written by client_flush, or when the buffer is full, so that many packets cost one
 * write; client_next flushes before it waits. A function that returns false has ended the connection: the peer
 * closed it, or broke the protocol (client->what says which).
 */
#ifndef DEMOS_MQTT_CLIENT_H
#define DEMOS_MQTT_CLIENT_H

#include "packet.h"

enum { CLIENT_BUFFER = 32 * 1024 };

struct client {
    int fd;
    const char *what; /* why a function returned false */
    uint16_t last_id;
    size_t in_head, in_tail, out_len;
    uint8_t in[CLIENT_BUFFER], out[CLIENT_BUFFER];
};

/* Connects to the channel. Returns 0 or errno. */
int client_open(struct client *client, const char *channel);
/* Closes without a word: the broker will take it for a death. */
void client_abandon(struct client *client);
/* DISCONNECT, then close. */
void client_close(struct client *client);

/* Sends CONNECT and waits for an accepting CONNACK. */
bool client_connect(struct client *client, const struct mqtt_connect *connect, bool *session_present);
/* Sends SUBSCRIBE and waits for its SUBACK; PUBLISH packets that come before it go to `receive`. */
bool client_subscribe(struct client *client, const char *filter, uint8_t qos,
                      bool (*receive)(struct client *client, const struct mqtt_frame *frame));

/* Room for `len` bytes of output, flushed first when necessary; the caller adds what it wrote to out_len. NULL:
 * the connection has ended, or len is above CLIENT_BUFFER. */
uint8_t *client_reserve(struct client *client, size_t len);
bool client_send(struct client *client, const uint8_t *packet, size_t len);
bool client_publish(struct client *client, const struct mqtt_publish *publish);
bool client_ack(struct client *client, uint8_t type, uint16_t id);
bool client_flush(struct client *client);

/* The next packet; valid until the next call. */
bool client_next(struct client *client, struct mqtt_frame *frame);
/* Whether client_next would return without reading. */
bool client_has_next(const struct client *client);

/* A packet identifier, counting from 1. */
uint16_t client_new_id(struct client *client);

#endif
