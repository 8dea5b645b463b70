/* Subscribes, checks every message against the plan on standard input (plan.h), and reports.
 *
 *     subscriber NAME PUBLISHERS ROUNDS [--kept AFTER | --late] FILTER=QOS ...
 *
 * It works out from the plan which messages must come, how often, and with which QoS, and finds each one's place
 * by the stamp in its payload. It ends when all publishers have said "control/done/..." (by themselves, or by
 * their will), since nothing can come after that.
 *
 * --kept AFTER: keeps its session, and after AFTER messages drops the connection without DISCONNECT while some
 *   of them are not acknowledged; then it comes back: the session must be there and the rest must come, what was
 *   not acknowledged again and marked so.
 * --late: waits for the end first and subscribes then: exactly the last retained message of each topic must come.
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

enum { FILTERS_MAX = 8, UNACKNOWLEDGED = 8 };

struct filter {
    struct mqtt_text text;
    uint8_t qos;
};

struct subscriber {
    const char *name;
    struct filter filters[FILTERS_MAX];
    uint32_t filter_count, kept_after, done, died;
    uint64_t done_by[PLAN_PUBLISHERS_MAX]; /* checksums of the topics */
    bool is_kept, is_late, has_returned;
    struct plan plan;
    uint8_t *line_qos;                     /* by line: QoS it must come with; NOT_EXPECTED */
    uint8_t *seen[PLAN_PUBLISHERS_MAX];    /* one bit a sequence number */
    uint32_t next[PLAN_PUBLISHERS_MAX][3]; /* least sequence number that keeps the order, by QoS */
    struct report report;
};

enum { NOT_EXPECTED = 255 };

static struct subscriber subscriber;
static struct client client;

static int fail(const char *what, const char *why)
{
    printf("%s: %s: %s\n", subscriber.name, what, why);
    return 1;
}

/* ---- what must come ---- */

static uint8_t expected_qos(const struct plan_line *line)
{
    uint8_t qos = NOT_EXPECTED;
    for (uint32_t i = 0; i < subscriber.filter_count; i++) {
        const struct filter *filter = &subscriber.filters[i];
        if (filter_matches(filter->text, line->topic) && (qos == NOT_EXPECTED || filter->qos > qos))
            qos = filter->qos;
    }
    return qos == NOT_EXPECTED || qos < line->qos ? qos : line->qos;
}

static bool same_topic(const struct plan_line *a, const struct plan_line *b)
{
    return a->topic.len == b->topic.len && memcmp(a->topic.bytes, b->topic.bytes, a->topic.len) == 0;
}

/* Of the lines that retain a topic, only the last one's last message stays. */
static bool is_last_retained(const struct plan_line *line)
{
    const struct plan_line *end = subscriber.plan.lines + subscriber.plan.line_count;
    if (!line->retain || line->payload_len == 0)
        return false;
    for (const struct plan_line *later = line + 1; later < end; later++) {
        if (later->retain && same_topic(later, line))
            return false;
    }
    return true;
}

static bool is_expected(uint32_t publisher, uint32_t sequence)
{
    uint32_t share = plan_share(&subscriber.plan, publisher);
    const struct plan_line *line = plan_line_of(&subscriber.plan, publisher, sequence);
    if (subscriber.line_qos[line - subscriber.plan.lines] == NOT_EXPECTED)
        return false;
    return !subscriber.is_late || (sequence / share == subscriber.plan.rounds - 1 && is_last_retained(line));
}

static bool expect_all(void)
{
    struct plan *plan = &subscriber.plan;
    subscriber.line_qos = malloc(plan->line_count);
    for (uint32_t i = 0; subscriber.line_qos != NULL && i < plan->line_count; i++)
        subscriber.line_qos[i] = expected_qos(&plan->lines[i]);
    for (uint32_t i = 0; i < plan->publishers; i++) {
        subscriber.seen[i] = calloc(plan_share(plan, i) * (size_t)plan->rounds / 8 + 1, 1);
        if (subscriber.seen[i] == NULL)
            return false;
    }
    return subscriber.line_qos != NULL;
}

/* At the end: compares all that should have come with all that came. */
static void account(void)
{
    struct report *report = &subscriber.report;
    for (uint32_t publisher = 0; publisher < subscriber.plan.publishers; publisher++) {
        uint32_t count = plan_share(&subscriber.plan, publisher) * subscriber.plan.rounds;
        for (uint32_t sequence = 0; sequence < count; sequence++) {
            if (!is_expected(publisher, sequence))
                continue;
            report->expected++;
            report->expected_checksum += plan_checksum(&subscriber.plan, publisher, sequence);
            report->lost += !(subscriber.seen[publisher][sequence / 8] & 1u << sequence % 8);
        }
    }
}

/* ---- what comes ---- */

static bool topic_begins(struct mqtt_text topic, const char *prefix)
{
    size_t len = strlen(prefix);
    return topic.len > len && memcmp(topic.bytes, prefix, len) == 0;
}

/* A publisher's last word, which may come twice when the connection was lost in between. */
static void take_done(const struct mqtt_publish *publish)
{
    uint64_t who = message_checksum(publish->topic, NULL, 0);
    for (uint32_t i = 0; i < subscriber.done; i++) {
        if (subscriber.done_by[i] == who)
            return;
    }
    if (subscriber.done == PLAN_PUBLISHERS_MAX)
        return;
    subscriber.done_by[subscriber.done] = who;
    bool is_end = publish->payload_len == 3 && memcmp(publish->payload, "end", 3) == 0;
    bool is_death = publish->payload_len == 4 && memcmp(publish->payload, "died", 4) == 0;
    subscriber.done++;
    subscriber.died += is_death;
    if (!is_end && !is_death)
        subscriber.report.failures++;
}

/* Whether a message is what the plan says: line, topic, QoS and retain flag. */
static bool is_as_planned(const struct mqtt_publish *publish, uint32_t publisher, uint32_t sequence)
{
    const struct plan_line *line = plan_line_of(&subscriber.plan, publisher, sequence);
    return publish->qos == subscriber.line_qos[line - subscriber.plan.lines] && publish->retain == subscriber.is_late &&
           publish->topic.len == line->topic.len && publish->payload_len == PLAN_STAMP + (uint32_t)line->payload_len &&
           bytes_equal(publish->topic.bytes, line->topic.bytes, line->topic.len) &&
           bytes_equal(publish->payload + PLAN_STAMP, line->wire + PLAN_STAMP, line->payload_len);
}

static void take_message(const struct mqtt_publish *publish)
{
    struct report *report = &subscriber.report;
    uint32_t publisher, sequence;
    if (!plan_stamp_parse(&subscriber.plan, publish->payload, publish->payload_len, &publisher, &sequence) ||
        !is_as_planned(publish, publisher, sequence)) {
        report->unexpected++;
        return;
    }
    uint8_t *seen = &subscriber.seen[publisher][sequence / 8], bit = (uint8_t)(1u << sequence % 8);
    if (*seen & bit) {
        report->duplicated += !publish->dup;
        report->redelivered += publish->dup;
        return;
    }
    *seen |= bit;
    report->received++;
    report->bytes += publish->payload_len;
    report->checksum += message_checksum(publish->topic, publish->payload, publish->payload_len);
    uint32_t *next = &subscriber.next[publisher][publish->qos];
    report->out_of_order += sequence < *next && !subscriber.is_late;
    *next = sequence + 1;
}

/* A subscriber that is about to vanish no longer acknowledges. */
static bool acknowledges(void)
{
    return !subscriber.is_kept || subscriber.has_returned ||
           subscriber.report.received + UNACKNOWLEDGED <= subscriber.kept_after;
}

static bool receive(struct client *from, const struct mqtt_frame *frame)
{
    struct mqtt_publish publish;
    uint16_t id;
    if (frame->type == MQTT_PUBREL)
        return mqtt_ack_parse(frame, &id) == MQTT_OK && client_ack(from, MQTT_PUBCOMP, id);
    if (frame->type != MQTT_PUBLISH)
        return false;
    if (mqtt_publish_parse(frame, &publish) != MQTT_OK)
        return false;
    if (topic_begins(publish.topic, "control/done/"))
        take_done(&publish);
    else if (!topic_begins(publish.topic, "control/") && !topic_begins(publish.topic, "recorded/")) /* not the plan's */
        take_message(&publish);
    if (publish.qos == 0 || !acknowledges())
        return true;
    return client_ack(from, publish.qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, publish.id);
}

/* ---- the run ---- */

static bool connect_broker(bool *present)
{
    const struct mqtt_connect connect = {
        .level = MQTT_PROTOCOL_LEVEL,
        .clean = !subscriber.is_kept,
        .keep_alive_s = 60,
        .client_id = mqtt_text_of(subscriber.name),
    };
    return client_connect(&client, &connect, present);
}

static bool subscribe_filters(void)
{
    char filter[64];
    for (uint32_t i = 0; i < subscriber.filter_count; i++) {
        snprintf(filter, sizeof(filter), "%.*s", (int)subscriber.filters[i].text.len,
                 (const char *)subscriber.filters[i].text.bytes);
        if (!client_subscribe(&client, filter, subscriber.filters[i].qos, receive))
            return false;
    }
    return true;
}

static bool say_ready(void)
{
    char topic[64];
    struct mqtt_frame frame;
    uint16_t answered;
    snprintf(topic, sizeof(topic), "control/ready/%s", subscriber.name);
    const struct mqtt_publish ready = {
        .qos = 1,
        .retain = true,
        .id = client_new_id(&client),
        .topic = mqtt_text_of(topic),
        .payload = (const uint8_t *)"ready",
        .payload_len = 5,
    };
    if (!client_publish(&client, &ready))
        return false;
    while (client_next(&client, &frame)) {
        if (frame.type == MQTT_PUBACK)
            return mqtt_ack_parse(&frame, &answered) == MQTT_OK && answered == ready.id;
        if (!receive(&client, &frame))
            return false;
    }
    return false;
}

/* Drops the connection and comes back. */
static bool vanish_and_return(void)
{
    bool present = false;
    client_abandon(&client);
    if (client_open(&client, "mqtt") != 0 || !connect_broker(&present))
        return false;
    subscriber.has_returned = true;
    subscriber.report.failures += !present;
    return true;
}

static bool receive_until_done(void)
{
    struct mqtt_frame frame;
    while (subscriber.done < subscriber.plan.publishers) {
        if (!client_next(&client, &frame) || !receive(&client, &frame))
            return false;
        bool must_go = subscriber.is_kept && !subscriber.has_returned;
        if (must_go && subscriber.report.received >= subscriber.kept_after && !vanish_and_return())
            return false;
    }
    return true;
}

/* The answer to PINGREQ comes after the retained messages, which come after the SUBACK. */
static bool receive_retained(void)
{
    uint8_t packet[2];
    struct mqtt_frame frame;
    if (!subscribe_filters() || !client_send(&client, packet, mqtt_empty_write(packet, MQTT_PINGREQ)))
        return false;
    while (client_next(&client, &frame)) {
        if (frame.type == MQTT_PINGRESP)
            return true;
        if (!receive(&client, &frame))
            return false;
    }
    return false;
}

static bool run(void)
{
    bool present;
    if (!connect_broker(&present))
        return false;
    subscriber.report.failures += present;
    if (!subscriber.is_late && !subscribe_filters())
        return false;
    if (!client_subscribe(&client, "control/done/+", 1, receive) || !say_ready() || !receive_until_done())
        return false;
    return !subscriber.is_late || receive_retained();
}

/* ---- arguments and report ---- */

static bool filter_add(const char *argument)
{
    const char *equals = strrchr(argument, '=');
    char *filters = subscriber.report.filters;
    size_t used = strlen(filters);
    if (equals == NULL || subscriber.filter_count == FILTERS_MAX || equals[1] < '0' || equals[1] > '2')
        return false;
    struct filter *filter = &subscriber.filters[subscriber.filter_count++];
    filter->text = (struct mqtt_text){(const uint8_t *)argument, (uint16_t)(equals - argument)};
    filter->qos = (uint8_t)(equals[1] - '0');
    snprintf(filters + used, sizeof(subscriber.report.filters) - used, "%s%s", used > 0 ? " " : "", argument);
    return mqtt_filter_is_valid(filter->text);
}

static bool arguments_parse(int argc, char **argv)
{
    for (int i = 4; i < argc; i++) {
        if (strcmp(argv[i], "--late") == 0) {
            subscriber.is_late = true;
        } else if (strcmp(argv[i], "--kept") == 0 && i + 1 < argc) {
            subscriber.is_kept = true;
            subscriber.kept_after = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (!filter_add(argv[i])) {
            return false;
        }
    }
    return subscriber.filter_count > 0;
}

static int report(void)
{
    uint32_t handle, len;
    snprintf(subscriber.report.name, sizeof(subscriber.report.name), "%s", subscriber.name);
    int error = tessera_service_open(REPORT_SERVICE, strlen(REPORT_SERVICE), &handle);
    if (error == 0)
        error = tessera_service_call(handle, REPORT_SUBSCRIBER, &subscriber.report, sizeof(subscriber.report), NULL, 0,
                                     &len);
    if (error != 0)
        printf("%s: report: errno %d\n", subscriber.name, error);
    return error != 0;
}

int main(int argc, char **argv)
{
    uint32_t line;
    subscriber.name = argc > 1 ? argv[1] : "subscriber";
    if (argc < 5 || !arguments_parse(argc, argv)) {
        printf("usage: subscriber NAME PUBLISHERS ROUNDS [--kept AFTER | --late] FILTER=QOS ...\n");
        return 2;
    }
    const char *wrong =
        plan_read(&subscriber.plan, (uint32_t)strtoul(argv[2], NULL, 10), (uint32_t)strtoul(argv[3], NULL, 10), &line);
    if (wrong != NULL) {
        printf("%s: standard input, line %u: %s\n", subscriber.name, (unsigned)line, wrong);
        return 1;
    }
    if (!expect_all())
        return fail("start", "no memory");
    if (client_open(&client, "mqtt") != 0)
        return fail("connect to channel 'mqtt'", "not granted or refused");
    subscriber.report.start_ns = clock_now_ns();
    if (!run())
        return fail("run", client.what);
    subscriber.report.end_ns = clock_now_ns();
    client_close(&client);
    subscriber.report.failures += subscriber.died != 1; /* one publisher is mortal */
    account();
    return report();
}
