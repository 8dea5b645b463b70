/* A module beside the broker, over its channel: what comes under FROM/ it publishes under TO/, with the same payload
 * and level of service, so that a message of the host's comes back to the host by way of modules.
 *
 *     relay NAME FROM TO
 *
 * Says "relay/NAME" = "ready" (retained) when it has subscribed. After FROM/end it dies without a DISCONNECT, and its
 * will says "gone".
 */
#include <stdio.h>
#include <string.h>

#include "demos/mqtt/client.h"

enum { TOPIC_MAX = 256 };

static struct client client;
static const char *name, *from, *to;
static uint32_t passed;
static bool is_ended;

static uint16_t id_for(uint8_t qos)
{
    return qos > 0 ? client_new_id(&client) : 0;
}

static bool pass_on(const struct mqtt_publish *publish)
{
    char topic[TOPIC_MAX];
    struct mqtt_text rest = publish->topic;
    size_t skipped = strlen(from);
    if (rest.len <= skipped || memcmp(rest.bytes, from, skipped) != 0)
        return false;
    rest.bytes += skipped;
    rest.len = (uint16_t)(rest.len - skipped);
    int len = snprintf(topic, sizeof(topic), "%s%.*s", to, (int)rest.len, (const char *)rest.bytes);
    if (len >= TOPIC_MAX)
        return false;
    struct mqtt_publish own = *publish;
    own.dup = own.retain = false;
    own.id = id_for(own.qos);
    own.topic = mqtt_text_of(topic);
    is_ended |= rest.len == 4 && memcmp(rest.bytes, "/end", 4) == 0;
    passed++;
    return client_publish(&client, &own);
}

/* Both ends of the handshakes of QoS 1 and 2: what it receives, and what it has published. */
static bool receive(struct client *broker, const struct mqtt_frame *frame)
{
    struct mqtt_publish publish;
    uint16_t id;
    if (frame->type == MQTT_PUBLISH) {
        if (mqtt_publish_parse(frame, &publish) != MQTT_OK || !pass_on(&publish))
            return false;
        return publish.qos == 0 || client_ack(broker, publish.qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, publish.id);
    }
    if (mqtt_ack_parse(frame, &id) != MQTT_OK)
        return false;
    if (frame->type == MQTT_PUBREC)
        return client_ack(broker, MQTT_PUBREL, id);
    return frame->type != MQTT_PUBREL || client_ack(broker, MQTT_PUBCOMP, id);
}

static bool begin(void)
{
    char state[TOPIC_MAX], filter[TOPIC_MAX];
    bool present;
    snprintf(state, sizeof(state), "relay/%s", name);
    snprintf(filter, sizeof(filter), "%s/#", from);
    const struct mqtt_connect connect = {
        .level = MQTT_PROTOCOL_LEVEL,
        .clean = true,
        .keep_alive_s = 0,
        .client_id = mqtt_text_of(name),
        .has_will = true,
        .will_qos = 1,
        .will_retain = true,
        .will_topic = mqtt_text_of(state),
        .will_payload = mqtt_text_of("gone"),
    };
    struct mqtt_publish ready = {
        .qos = 1, .retain = true, .topic = connect.will_topic, .payload = (const uint8_t *)"ready", .payload_len = 5};
    if (!client_connect(&client, &connect, &present) || !client_subscribe(&client, filter, 2, receive))
        return false;
    ready.id = client_new_id(&client);
    return client_publish(&client, &ready);
}

int main(int argc, char **argv)
{
    struct mqtt_frame frame;
    if (argc != 4) {
        printf("usage: relay NAME FROM TO\n");
        return 2;
    }
    name = argv[1];
    from = argv[2];
    to = argv[3];
    bool is_well = client_open(&client, "mqtt") == 0 && begin();
    while (is_well && !is_ended)
        is_well = client_next(&client, &frame) && receive(&client, &frame);
    is_well = is_well && client_flush(&client);
    client_abandon(&client);
    printf("%s: %u messages passed on%s%s\n", name, (unsigned)passed, is_well ? "" : ", then ",
           is_well ? "" : client.what);
    return is_well ? 0 : 1;
}
