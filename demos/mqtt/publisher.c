/* Publishes its share of the plan on standard input (plan.h), as fast as the broker takes it.
 *
 *     publisher NAME INDEX PUBLISHERS ROUNDS SUBSCRIBERS [--mortal]
 *
 * Waits until SUBSCRIBERS subscribers have said "control/ready/..." (retained), sends everything, waits for all
 * acknowledgements, and says "control/done/NAME". Its will says the same with the payload "died": a mortal
 * publisher ends without DISCONNECT and leaves the saying to its will; the others must not have theirs published.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tessera.h>

#include "client.h"
#include "demos/lib/bytes.h"
#include "demos/lib/poller.h"
#include "plan.h"
#include "report.h"

enum { WINDOW = 32, TEMPLATE_EXTRA = MQTT_HEADER_MAX + 4 + PLAN_STAMP, READY_MAX = 64 };

/* A line's packet, but for identifier and stamp. */
struct template
{
    uint8_t *packet;
    uint32_t len, stamp_at;
    uint8_t qos;
};

struct publisher {
    const char *name;
    uint32_t index, subscribers, ready;
    bool mortal;
    struct plan plan;
    struct template *templates;
    uint8_t stamp[PLAN_STAMP]; /* of the next message */
    uint32_t outstanding;      /* sent and not yet acknowledged to the end */
    uint64_t acknowledged, bytes;
    char will_topic[64];
};

static struct publisher publisher;
static struct client client;

static int fail(const char *what, const char *why)
{
    printf("%s: %s: %s\n", publisher.name, what, why);
    return 1;
}

static bool template_make(struct template *template, const struct plan_line *line)
{
    struct mqtt_publish publish = {
        .qos = line->qos,
        .retain = line->retain,
        .id = 1,
        .topic = line->topic,
        .payload_len = PLAN_STAMP + (uint32_t)line->payload_len,
    };
    template->packet = malloc(TEMPLATE_EXTRA + (size_t)line->topic.len + line->payload_len);
    if (template->packet == NULL)
        return false;
    template->qos = line->qos;
    template->stamp_at = (uint32_t)mqtt_publish_head_write(template->packet, &publish);
    template->len = template->stamp_at + publish.payload_len;
    memcpy(template->packet + template->stamp_at + PLAN_STAMP, line->wire + PLAN_STAMP, line->payload_len);
    return true;
}

static bool templates_make(void)
{
    uint32_t count = plan_share(&publisher.plan, publisher.index);
    publisher.templates = calloc(count, sizeof(*publisher.templates));
    for (uint32_t i = 0; publisher.templates != NULL && i < count; i++) {
        if (!template_make(&publisher.templates[i], plan_line_of(&publisher.plan, publisher.index, i)))
            return false;
    }
    plan_stamp_write(publisher.stamp, publisher.index, 0);
    return publisher.templates != NULL;
}

/* Adds one to the stamp's six digits. */
static void stamp_advance(uint8_t stamp[PLAN_STAMP])
{
    unsigned at = 7;
    while (at > 2 && stamp[at] == '9')
        stamp[at--] = '0';
    stamp[at]++;
}

/* Takes an acknowledgement, or one ready subscriber's message. */
static bool handle(const struct mqtt_frame *frame)
{
    struct mqtt_publish publish;
    uint16_t id;
    if (frame->type == MQTT_PUBLISH) {
        publisher.ready++;
        return mqtt_publish_parse(frame, &publish) == MQTT_OK &&
               (publish.qos == 0 || client_ack(&client, MQTT_PUBACK, publish.id));
    }
    if (mqtt_ack_parse(frame, &id) != MQTT_OK)
        return false;
    if (frame->type == MQTT_PUBREC)
        return client_ack(&client, MQTT_PUBREL, id);
    if ((frame->type != MQTT_PUBACK && frame->type != MQTT_PUBCOMP) || publisher.outstanding == 0)
        return false;
    publisher.outstanding--;
    publisher.acknowledged++;
    return true;
}

static bool receive_ready(struct client *from, const struct mqtt_frame *frame)
{
    (void)from;
    return handle(frame);
}

static bool wait_outstanding(uint32_t most)
{
    struct mqtt_frame frame;
    while (publisher.outstanding > most) {
        if (!client_next(&client, &frame) || !handle(&frame))
            return false;
    }
    return true;
}

static bool send_one(const struct template *template)
{
    uint8_t *out = client_reserve(&client, template->len);
    if (out == NULL)
        return false;
    bytes_copy(out, template->packet, template->len);
    memcpy(out + template->stamp_at, publisher.stamp, PLAN_STAMP);
    if (template->qos > 0) {
        uint16_t id = client_new_id(&client);
        out[template->stamp_at - 2] = (uint8_t)(id >> 8);
        out[template->stamp_at - 1] = (uint8_t)id;
        publisher.outstanding++;
    }
    client.out_len += template->len;
    publisher.bytes += template->len - template->stamp_at;
    stamp_advance(publisher.stamp);
    return publisher.outstanding < WINDOW || wait_outstanding(WINDOW / 2);
}

static bool send_all(void)
{
    uint32_t count = plan_share(&publisher.plan, publisher.index);
    for (uint32_t round = 0; round < publisher.plan.rounds; round++) {
        for (uint32_t i = 0; i < count; i++) {
            if (!send_one(&publisher.templates[i]))
                return false;
        }
    }
    return wait_outstanding(0) && client_flush(&client);
}

static bool begin(void)
{
    struct mqtt_connect connect = {
        .level = MQTT_PROTOCOL_LEVEL,
        .clean = true,
        .keep_alive_s = 60,
        .client_id = mqtt_text_of(publisher.name),
        .has_will = true,
        .will_qos = 1,
        .will_retain = true,
        .will_topic = mqtt_text_of(publisher.will_topic),
        .will_payload = mqtt_text_of("died"),
    };
    struct mqtt_frame frame;
    bool present;
    if (!client_connect(&client, &connect, &present) || present)
        return false;
    if (!client_subscribe(&client, "control/ready/+", 1, receive_ready))
        return false;
    while (publisher.ready < publisher.subscribers) {
        if (!client_next(&client, &frame) || !handle(&frame))
            return false;
    }
    return client_flush(&client);
}

static bool end(void)
{
    struct mqtt_publish done = {
        .qos = 1,
        .retain = true,
        .id = client_new_id(&client),
        .topic = mqtt_text_of(publisher.will_topic),
        .payload = (const uint8_t *)"end",
        .payload_len = 3,
    };
    if (publisher.mortal) {
        client_abandon(&client);
        return true;
    }
    publisher.outstanding++;
    if (!client_publish(&client, &done) || !wait_outstanding(0))
        return false;
    publisher.acknowledged--;
    client_close(&client);
    return true;
}

static int report(uint64_t start_ns)
{
    uint64_t messages = (uint64_t)plan_share(&publisher.plan, publisher.index) * publisher.plan.rounds, qos0 = 0;
    struct report sent = {
        .start_ns = start_ns, .end_ns = clock_now_ns(), .expected = messages, .bytes = publisher.bytes};
    uint32_t handle_of, len;
    for (uint32_t i = 0; i < plan_share(&publisher.plan, publisher.index); i++)
        qos0 += publisher.templates[i].qos == 0;
    sent.received = publisher.acknowledged + qos0 * publisher.plan.rounds;
    snprintf(sent.name, sizeof(sent.name), "%s", publisher.name);
    int error = tessera_service_open(REPORT_SERVICE, strlen(REPORT_SERVICE), &handle_of);
    if (error == 0)
        error = tessera_service_call(handle_of, REPORT_PUBLISHER, &sent, sizeof(sent), NULL, 0, &len);
    if (error != 0)
        printf("%s: report: errno %d\n", publisher.name, error);
    return error != 0 || sent.received != sent.expected;
}

int main(int argc, char **argv)
{
    uint32_t line;
    if (argc < 6) {
        printf("usage: publisher NAME INDEX PUBLISHERS ROUNDS SUBSCRIBERS [--mortal]\n");
        return 2;
    }
    publisher.name = argv[1];
    publisher.index = (uint32_t)strtoul(argv[2], NULL, 10);
    publisher.subscribers = (uint32_t)strtoul(argv[5], NULL, 10);
    publisher.mortal = argc > 6 && strcmp(argv[6], "--mortal") == 0;
    snprintf(publisher.will_topic, sizeof(publisher.will_topic), "control/done/%s", publisher.name);
    const char *wrong =
        plan_read(&publisher.plan, (uint32_t)strtoul(argv[3], NULL, 10), (uint32_t)strtoul(argv[4], NULL, 10), &line);
    if (wrong != NULL) {
        printf("%s: standard input, line %u: %s\n", publisher.name, (unsigned)line, wrong);
        return 1;
    }
    if (publisher.index >= publisher.plan.publishers || !templates_make())
        return fail("start", "no such publisher, or no memory");
    int error = client_open(&client, "mqtt");
    if (error != 0)
        return fail("connect to channel 'mqtt'", error == TESSERA_ENOTCAPABLE ? "not granted" : "refused");
    if (!begin())
        return fail("begin", client.what);
    uint64_t start_ns = clock_now_ns();
    if (!send_all())
        return fail("send", client.what);
    if (!end())
        return fail("end", client.what);
    return report(start_ns);
}
