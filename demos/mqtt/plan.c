#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demos/lib/bytes.h"

/* Reads all of standard input, with a final NUL. NULL: error or no memory. */
static char *read_all(void)
{
    size_t len = 0, cap = 4096;
    char *text = malloc(cap);
    while (text != NULL) {
        size_t got = fread(text + len, 1, cap - len - 1, stdin);
        len += got;
        if (got == 0)
            break;
        if (len == cap - 1) {
            char *larger = realloc(text, cap *= 2);
            if (larger == NULL)
                free(text);
            text = larger;
        }
    }
    if (text != NULL)
        text[len] = '\0';
    return text;
}

/* Cuts the next field off; NULL when there is no tab. */
static char *field_take(char **at)
{
    char *field = *at, *tab = strchr(field, '\t');
    if (tab == NULL)
        return NULL;
    *tab = '\0';
    *at = tab + 1;
    return field;
}

static const char *line_parse(char *text, struct plan_line *line)
{
    char *topic = field_take(&text), *qos = topic != NULL ? field_take(&text) : NULL;
    char *retain = qos != NULL ? field_take(&text) : NULL;
    if (retain == NULL)
        return "not topic<TAB>qos<TAB>retain<TAB>payload";
    if (strlen(topic) > UINT16_MAX || !mqtt_topic_is_valid(mqtt_text_of(topic)))
        return "not a topic name";
    if (strlen(qos) != 1 || *qos < '0' || *qos > '2' || strlen(retain) != 1 || (*retain != '0' && *retain != '1'))
        return "QoS must be 0, 1 or 2 and retain 0 or 1";
    if (strlen(text) > PLAN_PAYLOAD_MAX - PLAN_STAMP)
        return "payload too long";
    *line = (struct plan_line){mqtt_text_of(topic), malloc(PLAN_STAMP + strlen(text) + 1), (uint16_t)strlen(text),
                               (uint8_t)(*qos - '0'), *retain == '1'};
    if (line->wire == NULL)
        return "no memory";
    memcpy(line->wire + PLAN_STAMP, text, line->payload_len);
    return NULL;
}

/* What the line added last has against an earlier one of its topic; NULL: nothing. */
static const char *line_compare(const struct plan *plan)
{
    const struct plan_line *last = &plan->lines[plan->line_count - 1];
    for (uint32_t i = plan->line_count - 1; i-- > 0;) {
        const struct plan_line *line = &plan->lines[i];
        if (line->topic.len != last->topic.len || !bytes_equal(line->topic.bytes, last->topic.bytes, last->topic.len))
            continue;
        if (line->qos != last->qos)
            return "its topic had another QoS before";
        return (plan->line_count - 1 - i) % plan->publishers != 0 ? "its topic was another publisher's before" : NULL;
    }
    return NULL;
}

static const char *line_add(struct plan *plan, char *text)
{
    bool is_skipped = *text == '\0' || (text[0] == '#' && text[1] == ' ');
    const char *wrong = is_skipped ? NULL : line_parse(text, &plan->lines[plan->line_count]);
    if (is_skipped || wrong != NULL)
        return wrong;
    plan->line_count++;
    return line_compare(plan);
}

const char *plan_read(struct plan *plan, uint32_t publishers, uint32_t rounds, uint32_t *line)
{
    uint32_t cap = 1;
    *plan = (struct plan){.text = read_all(), .publishers = publishers, .rounds = rounds};
    *line = 0;
    if (plan->text == NULL)
        return "cannot read standard input";
    if (publishers == 0 || publishers > PLAN_PUBLISHERS_MAX || rounds == 0)
        return "no such number of publishers or rounds";
    for (const char *at = plan->text; *at != '\0'; at++)
        cap += *at == '\n';
    plan->lines = calloc(cap, sizeof(*plan->lines));
    if (plan->lines == NULL)
        return "no memory";
    for (char *at = plan->text, *next; at != NULL && *at != '\0'; at = next) {
        next = strchr(at, '\n');
        if (next != NULL)
            *next++ = '\0';
        ++*line;
        const char *wrong = line_add(plan, at);
        if (wrong != NULL)
            return wrong;
    }
    for (uint32_t i = 0; i < publishers; i++)
        plan->shares[i] = (plan->line_count - i + publishers - 1) / publishers;
    if (plan->line_count < publishers || (uint64_t)plan->line_count * rounds > PLAN_SEQUENCES_MAX)
        return "too few or too many messages";
    return NULL;
}

const struct plan_line *plan_line_of(const struct plan *plan, uint32_t publisher, uint32_t sequence)
{
    return &plan->lines[sequence % plan_share(plan, publisher) * plan->publishers + publisher];
}

void plan_stamp_write(uint8_t stamp[PLAN_STAMP], uint32_t publisher, uint32_t sequence)
{
    stamp[0] = (uint8_t)('0' + publisher);
    stamp[1] = ':';
    for (unsigned i = 7; i >= 2; i--, sequence /= 10)
        stamp[i] = (uint8_t)('0' + sequence % 10);
    stamp[8] = ':';
}

bool plan_stamp_parse(const struct plan *plan, const uint8_t *payload, uint32_t len, uint32_t *publisher,
                      uint32_t *sequence)
{
    if (len < PLAN_STAMP || payload[1] != ':' || payload[8] != ':')
        return false;
    *publisher = payload[0] - (uint32_t)'0';
    *sequence = 0;
    for (unsigned i = 2; i < 8; i++) {
        if (payload[i] < '0' || payload[i] > '9')
            return false;
        *sequence = *sequence * 10 + payload[i] - (uint32_t)'0';
    }
    return *publisher < plan->publishers && *sequence < plan_share(plan, *publisher) * plan->rounds;
}

static bool is_end(struct mqtt_text text, size_t at)
{
    return at == text.len;
}

bool filter_matches(struct mqtt_text filter, struct mqtt_text topic)
{
    size_t f = 0, t = 0;
    if (topic.bytes[0] == '$' && (filter.bytes[0] == '+' || filter.bytes[0] == '#'))
        return false;
    for (;;) {
        if (!is_end(filter, f) && filter.bytes[f] == '#')
            return true;
        if (!is_end(filter, f) && filter.bytes[f] == '+') {
            f++;
            while (!is_end(topic, t) && topic.bytes[t] != '/')
                t++;
        } else {
            while (!is_end(filter, f) && !is_end(topic, t) && filter.bytes[f] == topic.bytes[t] &&
                   filter.bytes[f] != '/')
                f++, t++;
        }
        if (is_end(filter, f) && is_end(topic, t))
            return true;
        if (is_end(topic, t)) /* "a/#" also matches "a" */
            return filter.len - f == 2 && filter.bytes[f] == '/' && filter.bytes[f + 1] == '#';
        if (is_end(filter, f) || filter.bytes[f] != '/' || topic.bytes[t] != '/')
            return false;
        f++, t++;
    }
}

static uint64_t checksum_mix(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
    return sum ^ sum >> 29;
}

/* Eight bytes a step; the last step overlaps the one before. */
static uint64_t checksum_bytes(uint64_t sum, const uint8_t *bytes, size_t len)
{
    uint64_t word = 0;
    sum = checksum_mix(sum, len);
    if (len < 8) {
        if (len > 0)
            memcpy(&word, bytes, len);
        return checksum_mix(sum, word);
    }
    for (size_t at = 0; at + 8 < len; at += 8)
        sum = checksum_mix(sum, bytes_load(bytes + at));
    return checksum_mix(sum, bytes_load(bytes + len - 8));
}

uint64_t message_checksum(struct mqtt_text topic, const uint8_t *payload, uint32_t len)
{
    return checksum_bytes(checksum_bytes(1, topic.bytes, topic.len), payload, len);
}

uint64_t plan_checksum(const struct plan *plan, uint32_t publisher, uint32_t sequence)
{
    const struct plan_line *line = plan_line_of(plan, publisher, sequence);
    plan_stamp_write(line->wire, publisher, sequence);
    return message_checksum(line->topic, line->wire, PLAN_STAMP + (uint32_t)line->payload_len);
}
