/* The topic tree against a list: random subscriptions and topics over few names, so that many match, compared with
 * filter_matches of the demo's plan.c, which was written without the tree. Then the tree's limits.
 */
#include <stdlib.h>
#include <string.h>

#include "demos/mqtt/plan.h"
#include "demos/mqtt/session.h"
#include "expect.h"

enum { SESSIONS = 12, FILTERS = 6, TOPICS = 24, STEPS = 60000 };

static const struct topic_limits limits = {
    .nodes = 4096, .levels = 16, .routed = 256, .retained_count = 64, .retained_bytes = 1 << 16};
static uint32_t random_state = 1;

static uint32_t random_below(uint32_t bound)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(random_state >> 8) * bound >> 24);
}

/* What the tree should hold. */
struct model {
    char filters[SESSIONS][FILTERS][32];
    uint8_t qos[SESSIONS][FILTERS];
    char topics[TOPICS][32];
    struct message *retained[TOPICS];
};

static struct model model;
static struct session *sessions[SESSIONS];
static struct topics topics;

/* Up to four levels of few names; with wildcards when it is a filter. */
static void random_path(char out[32], bool is_filter)
{
    static const char *const names[] = {"a", "b", "", "$x", "long-name-of-a-level"};
    uint32_t levels = 1 + random_below(4);
    size_t len;
    do {
        len = 0;
        for (uint32_t i = 0; i < levels; i++) {
            uint32_t kind = random_below(is_filter ? 9 : 5);
            bool is_last = i + 1 == levels;
            const char *name = kind < 5 ? names[kind] : kind < 8 || !is_last ? "+" : "#";
            len += (size_t)snprintf(out + len, 32 - len, "%s%s", i > 0 ? "/" : "", name);
            if (len >= 31)
                break;
        }
    } while (len == 0 || len >= 31);
}

static void step_subscribe(void)
{
    uint32_t s = random_below(SESSIONS), f = random_below(FILTERS);
    char *slot = model.filters[s][f], path[32];
    random_path(path, true);
    if (*slot != '\0')
        topics_unsubscribe(&topics, &sessions[s]->subscriptions, mqtt_text_of(slot));
    *slot = '\0';
    if (random_below(3) == 0)
        return;
    for (uint32_t i = 0; i < FILTERS; i++) { /* a session has one subscription for each filter: the later one stays */
        if (strcmp(model.filters[s][i], path) == 0)
            model.filters[s][i][0] = '\0';
    }
    memcpy(slot, path, sizeof(path));
    model.qos[s][f] = (uint8_t)random_below(3);
    EXPECT(topics_subscribe(&topics, sessions[s], &sessions[s]->subscriptions, mqtt_text_of(slot), model.qos[s][f]));
}

static int model_qos(uint32_t s, const char *topic)
{
    int qos = -1;
    for (uint32_t f = 0; f < FILTERS; f++) {
        const char *filter = model.filters[s][f];
        if (*filter != '\0' && filter_matches(mqtt_text_of(filter), mqtt_text_of(topic)) && model.qos[s][f] > qos)
            qos = model.qos[s][f];
    }
    return qos;
}

static void step_route(void)
{
    char topic[32];
    bool no_memory;
    int got[SESSIONS];
    random_path(topic, false);
    const struct route *route = topics_route(&topics, mqtt_text_of(topic), &no_memory);
    EXPECT(route != NULL);
    memset(got, -1, sizeof(got));
    for (uint32_t i = 0; route != NULL && i < route->count; i++) {
        for (uint32_t s = 0; s < SESSIONS; s++) {
            if (sessions[s] == route->receivers[i].session) {
                EXPECT(got[s] == -1);
                got[s] = route->receivers[i].qos;
            }
        }
    }
    for (uint32_t s = 0; s < SESSIONS; s++)
        EXPECT(got[s] == model_qos(s, topic));
}

static void step_retain(void)
{
    uint32_t t = random_below(TOPICS);
    const struct mqtt_publish publish = {.topic = mqtt_text_of(model.topics[t])};
    struct message *message = random_below(2) ? message_new(&publish) : NULL;
    for (uint32_t i = 0; i < TOPICS; i++) { /* topics may be equal */
        if (strcmp(model.topics[i], model.topics[t]) == 0)
            model.retained[i] = NULL;
    }
    model.retained[t] = message;
    EXPECT(topics_retain(&topics, publish.topic, message));
    message_release(message); /* the tree holds its own */
}

static void count_visit(void *context, struct message *message)
{
    struct message ***at = context;
    *(*at)++ = message;
}

static void step_visit(void)
{
    char filter[32];
    struct message *seen[TOPICS + 1], **end = seen;
    uint32_t expected = 0;
    random_path(filter, true);
    topics_visit_retained(&topics, mqtt_text_of(filter), count_visit, &end);
    for (uint32_t t = 0; t < TOPICS; t++) {
        if (model.retained[t] == NULL || !filter_matches(mqtt_text_of(filter), mqtt_text_of(model.topics[t])))
            continue;
        uint32_t times = 0;
        for (struct message **at = seen; at < end; at++)
            times += *at == model.retained[t];
        EXPECT(times == 1);
        expected++;
    }
    EXPECT(expected == (uint32_t)(end - seen));
}

static void test_against_model(void)
{
    EXPECT(topics_init(&topics, &limits));
    for (uint32_t s = 0; s < SESSIONS; s++)
        sessions[s] = session_new(mqtt_text_of("session"), true);
    for (uint32_t t = 0; t < TOPICS; t++)
        random_path(model.topics[t], false);
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t kind = random_below(10);
        if (kind == 0)
            step_subscribe();
        else if (kind == 1)
            step_retain();
        else if (kind == 2)
            step_visit();
        else
            step_route();
    }
    for (uint32_t s = 0; s < SESSIONS; s++)
        topics_unsubscribe_all(&topics, &sessions[s]->subscriptions);
    for (uint32_t t = 0; t < TOPICS; t++)
        topics_retain(&topics, mqtt_text_of(model.topics[t]), NULL);
    EXPECT(topics.node_count == 1 && topics.retained_count == 0 && topics.retained_bytes == 0); /* nothing is left */
    topics_destroy(&topics);
}

static void test_limits(void)
{
    static const struct topic_limits few = {
        .nodes = 5, .levels = 3, .routed = 4, .retained_count = 1, .retained_bytes = 1000};
    const struct mqtt_publish publish = {.topic = mqtt_text_of("r")};
    struct message *message = message_new(&publish);
    struct session *session = sessions[0];
    EXPECT(topics_init(&topics, &few));
    EXPECT(topics_subscribe(&topics, session, &session->subscriptions, mqtt_text_of("a/b/c"), 0));
    EXPECT(!topics_subscribe(&topics, session, &session->subscriptions, mqtt_text_of("a/b/c/d"), 0)); /* levels */
    EXPECT(topics_subscribe(&topics, session, &session->subscriptions, mqtt_text_of("a/b/c/#"), 0));
    EXPECT(!topics_subscribe(&topics, session, &session->subscriptions, mqtt_text_of("x/y"), 0)); /* nodes */
    EXPECT(topics.node_count == 4); /* the half-made path is gone */
    EXPECT(topics_retain(&topics, mqtt_text_of("r"), message));
    EXPECT(!topics_retain(&topics, mqtt_text_of("s"), message)); /* count */
    EXPECT(topics_retain(&topics, mqtt_text_of("r"), message));  /* replacing is no second one */
    EXPECT(topics_retain(&topics, mqtt_text_of("r"), NULL) && topics.retained_count == 0);
    topics_unsubscribe_all(&topics, &session->subscriptions);
    message_release(message);
    topics_destroy(&topics);
}

int main(void)
{
    test_against_model();
    test_limits();
    for (uint32_t s = 0; s < SESSIONS; s++)
        session_free(sessions[s]);
    return expect_finish();
}
