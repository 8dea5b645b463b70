/* A message that the broker keeps: retained, queued, or sent and not yet acknowledged. Counted references,
 * never changed once made. `bytes` holds the topic with its two length bytes, as on the wire, then the payload.
 */
#ifndef DEMOS_MQTT_MESSAGE_H
#define DEMOS_MQTT_MESSAGE_H

#include <stdlib.h>
#include <string.h>

#include "packet.h"

struct message {
    uint32_t references;
    uint32_t payload_len;
    uint16_t topic_len;
    uint8_t qos;
    uint8_t bytes[];
};

/* A message with one reference, which the caller owns; NULL when there is no memory. */
static inline struct message *message_new(const struct mqtt_publish *publish)
{
    struct message *message = malloc(sizeof(*message) + 2u + publish->topic.len + publish->payload_len);
    if (message == NULL)
        return NULL;
    message->references = 1;
    message->payload_len = publish->payload_len;
    message->topic_len = publish->topic.len;
    message->qos = publish->qos;
    message->bytes[0] = (uint8_t)(publish->topic.len >> 8);
    message->bytes[1] = (uint8_t)publish->topic.len;
    memcpy(message->bytes + 2, publish->topic.bytes, publish->topic.len);
    if (publish->payload_len > 0)
        memcpy(message->bytes + 2 + publish->topic.len, publish->payload, publish->payload_len);
    return message;
}

static inline struct message *message_hold(struct message *message)
{
    message->references++;
    return message;
}

static inline void message_release(struct message *message)
{
    if (message != NULL && --message->references == 0)
        free(message);
}

static inline struct mqtt_text message_topic(const struct message *message)
{
    return (struct mqtt_text){message->bytes + 2, message->topic_len};
}

#endif
