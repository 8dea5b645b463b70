#include "topics.h"

#include "demos/lib/bytes.h"
#include "session.h"

struct topic_node {
    struct topic_node *parent, *hash_next;
    struct topic_node *first_child, *sibling, **sibling_link;
    struct topic_node *plus; /* the child "+" */
    struct subscription *exact, *multi;
    struct message *retained;
    uint32_t hash;
    uint16_t level_len;
    uint8_t level[];
};

/* What is left of a topic or filter while its levels are taken; at NULL when none is left. */
struct levels {
    const uint8_t *at, *end;
};

static struct levels levels_of(struct mqtt_text text)
{
    return (struct levels){text.bytes, text.bytes + text.len};
}

static struct mqtt_text level_take(struct levels *levels)
{
    const uint8_t *begin = levels->at, *at = begin;
    while (at != levels->end && *at != '/')
        at++;
    levels->at = at == levels->end ? NULL : at + 1;
    return (struct mqtt_text){begin, (uint16_t)(at - begin)};
}

static bool level_is(struct mqtt_text level, char character)
{
    return level.len == 1 && level.bytes[0] == character;
}

/* ---- hashing: eight bytes at a step; quality matters little, hostile collisions are bounded by the limits ---- */

static uint64_t hash_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32;
}

static uint64_t hash_bytes(uint64_t seed, const uint8_t *bytes, size_t len)
{
    uint64_t hash = hash_mix(seed, len), tail = 0;
    if (len >= 8) {
        for (size_t at = 0; at + 8 < len; at += 8)
            hash = hash_mix(hash, bytes_load(bytes + at));
        return hash_mix(hash, bytes_load(bytes + len - 8));
    }
    for (size_t i = 0; i < len; i++)
        tail = tail << 8 | bytes[i];
    return hash_mix(hash, tail);
}

/* ---- nodes ---- */

static struct topic_node **node_bucket(struct topics *topics, uint32_t hash)
{
    return &topics->buckets[hash & (topics->bucket_count - 1)];
}

static uint32_t node_hash(const struct topic_node *parent, struct mqtt_text level)
{
    return (uint32_t)hash_bytes((uint64_t)(uintptr_t)parent, level.bytes, level.len);
}

static struct topic_node *node_find(struct topics *topics, const struct topic_node *parent, struct mqtt_text level)
{
    uint32_t hash = node_hash(parent, level);
    struct topic_node *node = *node_bucket(topics, hash);
    while (node != NULL && !(node->hash == hash && node->parent == parent && node->level_len == level.len &&
                             bytes_equal(node->level, level.bytes, level.len)))
        node = node->hash_next;
    return node;
}

static struct topic_node *node_new(struct topics *topics, struct topic_node *parent, struct mqtt_text level)
{
    struct topic_node *node = topics->node_count < topics->limits.nodes ? calloc(1, sizeof(*node) + level.len) : NULL;
    if (node == NULL)
        return NULL;
    topics->node_count++;
    node->parent = parent;
    node->level_len = level.len;
    if (level.len > 0)
        memcpy(node->level, level.bytes, level.len);
    if (parent == NULL)
        return node;
    node->hash = node_hash(parent, level);
    node->hash_next = *node_bucket(topics, node->hash);
    *node_bucket(topics, node->hash) = node;
    node->sibling = parent->first_child;
    node->sibling_link = &parent->first_child;
    if (node->sibling != NULL)
        node->sibling->sibling_link = &node->sibling;
    parent->first_child = node;
    if (level_is(level, '+'))
        parent->plus = node;
    return node;
}

static void node_unlink(struct topics *topics, struct topic_node *node)
{
    struct topic_node **link = node_bucket(topics, node->hash);
    while (*link != node)
        link = &(*link)->hash_next;
    *link = node->hash_next;
    *node->sibling_link = node->sibling;
    if (node->sibling != NULL)
        node->sibling->sibling_link = node->sibling_link;
    if (node->parent->plus == node)
        node->parent->plus = NULL;
}

/* Removes a node, and then its ancestors, as far as they hold nothing. */
static void node_prune(struct topics *topics, struct topic_node *node)
{
    while (node->parent != NULL && node->first_child == NULL && node->exact == NULL && node->multi == NULL &&
           node->retained == NULL) {
        struct topic_node *parent = node->parent;
        node_unlink(topics, node);
        free(node);
        topics->node_count--;
        node = parent;
    }
}

/* The node of a topic or filter without its final "#"; NULL when it is not there. *is_multi: there was a "#". */
static struct topic_node *path_find(struct topics *topics, struct mqtt_text path, bool *is_multi)
{
    struct topic_node *node = topics->root;
    struct levels levels = levels_of(path);
    *is_multi = false;
    while (levels.at != NULL && node != NULL) {
        struct mqtt_text level = level_take(&levels);
        *is_multi = level_is(level, '#');
        if (!*is_multi)
            node = node_find(topics, node, level);
    }
    return node;
}

/* The same, making the nodes that are missing. NULL: a limit is reached, and nothing is left behind. */
static struct topic_node *path_make(struct topics *topics, struct mqtt_text path, bool *is_multi)
{
    struct topic_node *node = topics->root;
    struct levels levels = levels_of(path);
    *is_multi = false;
    for (uint32_t depth = 0; levels.at != NULL && !*is_multi; depth++) {
        struct mqtt_text level = level_take(&levels);
        if (level_is(level, '#')) {
            *is_multi = true;
            break;
        }
        struct topic_node *child = node_find(topics, node, level);
        if (child == NULL && depth < topics->limits.levels)
            child = node_new(topics, node, level);
        if (child == NULL) {
            node_prune(topics, node);
            return NULL;
        }
        node = child;
    }
    return node;
}

/* ---- life ---- */

bool topics_init(struct topics *topics, const struct topic_limits *limits)
{
    memset(topics, 0, sizeof(*topics));
    topics->limits = *limits;
    topics->bucket_count = 1;
    while (topics->bucket_count < limits->nodes / 4)
        topics->bucket_count *= 2;
    topics->buckets = calloc(topics->bucket_count, sizeof(struct topic_node *));
    topics->root = topics->buckets != NULL ? node_new(topics, NULL, (struct mqtt_text){NULL, 0}) : NULL;
    return topics->root != NULL;
}

static void routes_drop(struct topics *topics)
{
    for (unsigned i = 0; i < ROUTES; i++) {
        free(topics->routes[i]);
        topics->routes[i] = NULL;
    }
    topics->routed = 0;
}

/* All subscriptions have been removed; what is left are the nodes of retained messages. */
void topics_destroy(struct topics *topics)
{
    for (uint32_t i = 0; topics->buckets != NULL && i < topics->bucket_count; i++) {
        while (topics->buckets[i] != NULL) {
            struct topic_node *node = topics->buckets[i];
            topics->buckets[i] = node->hash_next;
            message_release(node->retained);
            free(node);
        }
    }
    routes_drop(topics);
    free(topics->root);
    free(topics->buckets);
    free(topics->found);
}

/* ---- subscriptions ---- */

static struct subscription **subscription_find(struct subscription **list, const struct topic_node *node, bool is_multi)
{
    while (*list != NULL && !((*list)->node == node && (*list)->is_multi == is_multi))
        list = &(*list)->next_of_session;
    return list;
}

bool topics_subscribe(struct topics *topics, struct session *session, struct subscription **list,
                      struct mqtt_text filter, uint8_t qos)
{
    bool is_multi;
    struct topic_node *node = path_make(topics, filter, &is_multi);
    if (node == NULL)
        return false;
    topics->generation++;
    struct subscription *subscription = *subscription_find(list, node, is_multi);
    if (subscription != NULL) {
        subscription->qos = qos;
        return true;
    }
    subscription = malloc(sizeof(*subscription));
    if (subscription == NULL) {
        node_prune(topics, node);
        return false;
    }
    struct subscription **head = is_multi ? &node->multi : &node->exact;
    *subscription = (struct subscription){session, node, *head, head, *list, is_multi, qos};
    if (*head != NULL)
        (*head)->link = &subscription->next;
    *head = subscription;
    *list = subscription;
    return true;
}

/* Removes the subscription that `list` points at. */
static void subscription_remove(struct topics *topics, struct subscription **list)
{
    struct subscription *subscription = *list;
    *list = subscription->next_of_session;
    *subscription->link = subscription->next;
    if (subscription->next != NULL)
        subscription->next->link = subscription->link;
    node_prune(topics, subscription->node);
    free(subscription);
    topics->generation++;
}

void topics_unsubscribe(struct topics *topics, struct subscription **list, struct mqtt_text filter)
{
    bool is_multi;
    struct topic_node *node = path_find(topics, filter, &is_multi);
    list = subscription_find(list, node, is_multi);
    if (node != NULL && *list != NULL)
        subscription_remove(topics, list);
}

void topics_unsubscribe_all(struct topics *topics, struct subscription **list)
{
    while (*list != NULL)
        subscription_remove(topics, list);
}

/* ---- matching ---- */

static void found_add(struct topics *topics, struct session *session, uint8_t qos)
{
    if (session->found_at < topics->found_count && topics->found[session->found_at].session == session) {
        struct receiver *receiver = &topics->found[session->found_at];
        receiver->qos = qos > receiver->qos ? qos : receiver->qos;
        return;
    }
    if (topics->found_count == topics->found_cap) {
        uint32_t cap = topics->found_cap == 0 ? 16 : topics->found_cap * 2;
        struct receiver *found = realloc(topics->found, cap * sizeof(*found));
        if (found == NULL) {
            topics->found_failed = true;
            return;
        }
        topics->found = found;
        topics->found_cap = cap;
    }
    session->found_at = topics->found_count;
    topics->found[topics->found_count++] = (struct receiver){session, qos};
}

static void found_add_list(struct topics *topics, const struct subscription *subscription)
{
    for (; subscription != NULL; subscription = subscription->next)
        found_add(topics, subscription->session, subscription->qos);
}

/* Collects what matches from `node` on. wild: wildcards may match the next level, which they may not do for the
 * first level of a topic that begins with $ [MQTT-4.7.2-1]. The depth is bounded by the tree's. */
static void match(struct topics *topics, const struct topic_node *node, struct levels levels, bool wild)
{
    if (wild)
        found_add_list(topics, node->multi);
    if (levels.at == NULL) {
        found_add_list(topics, node->exact);
        return;
    }
    struct mqtt_text level = level_take(&levels);
    if (wild && node->plus != NULL)
        match(topics, node->plus, levels, true);
    const struct topic_node *child = node_find(topics, node, level);
    if (child != NULL)
        match(topics, child, levels, true);
}

static struct route *route_new(struct topics *topics, struct mqtt_text topic, uint64_t hash)
{
    size_t receivers_size = topics->found_count * sizeof(struct receiver);
    struct route *route = malloc(sizeof(*route) + receivers_size + topic.len);
    if (route == NULL)
        return NULL;
    uint8_t *copy = (uint8_t *)route->receivers + receivers_size;
    *route = (struct route){hash, topics->generation, topics->found_count, topic.len, copy};
    if (receivers_size > 0)
        memcpy(route->receivers, topics->found, receivers_size);
    memcpy(copy, topic.bytes, topic.len);
    return route;
}

/* Forgets the route in a slot, or all when too many receivers are kept. */
static void route_make_room(struct topics *topics, struct route **slot)
{
    if (*slot != NULL)
        topics->routed -= (*slot)->count;
    free(*slot);
    *slot = NULL;
    if (topics->routed + topics->found_count > topics->limits.routed)
        routes_drop(topics);
}

const struct route *topics_route(struct topics *topics, struct mqtt_text topic, bool *no_memory)
{
    uint64_t hash = hash_bytes(0, topic.bytes, topic.len);
    struct route **slot = &topics->routes[hash & (ROUTES - 1)];
    if (*slot != NULL && (*slot)->hash == hash && (*slot)->generation == topics->generation &&
        (*slot)->topic_len == topic.len && bytes_equal((*slot)->topic, topic.bytes, topic.len))
        return *slot;

    *no_memory = false;
    if (!mqtt_topic_is_valid(topic))
        return NULL;
    topics->found_count = 0;
    topics->found_failed = false;
    match(topics, topics->root, levels_of(topic), topic.bytes[0] != '$');
    if (!topics->found_failed) {
        route_make_room(topics, slot);
        *slot = route_new(topics, topic, hash);
        if (*slot != NULL) {
            topics->routed += (*slot)->count;
            return *slot;
        }
    }
    *no_memory = true;
    return NULL;
}

/* ---- retained messages ---- */

static uint64_t message_size(const struct message *message)
{
    return sizeof(*message) + 2u + message->topic_len + message->payload_len;
}

static void retained_clear(struct topics *topics, struct topic_node *node)
{
    if (node->retained == NULL)
        return;
    topics->retained_count--;
    topics->retained_bytes -= message_size(node->retained);
    message_release(node->retained);
    node->retained = NULL;
}

bool topics_retain(struct topics *topics, struct mqtt_text topic, struct message *message)
{
    bool is_multi, fits = true;
    struct topic_node *node = path_find(topics, topic, &is_multi);
    if (node != NULL)
        retained_clear(topics, node);
    if (message != NULL) {
        fits = topics->retained_count < topics->limits.retained_count &&
               topics->retained_bytes + message_size(message) <= topics->limits.retained_bytes;
        if (fits)
            node = path_make(topics, topic, &is_multi);
        fits = fits && node != NULL;
        if (fits) {
            node->retained = message_hold(message);
            topics->retained_count++;
            topics->retained_bytes += message_size(message);
        }
    }
    if (node != NULL)
        node_prune(topics, node);
    return fits;
}

struct visitor {
    struct topics *topics;
    void (*visit)(void *context, struct message *message);
    void *context;
};

static void visit_node(const struct visitor *visitor, const struct topic_node *node)
{
    if (node->retained != NULL)
        visitor->visit(visitor->context, node->retained);
}

static void visit_below(const struct visitor *visitor, const struct topic_node *node)
{
    visit_node(visitor, node);
    for (const struct topic_node *child = node->first_child; child != NULL; child = child->sibling)
        visit_below(visitor, child);
}

/* A wildcard as the first level does not stand for a topic that begins with $. */
static bool is_hidden(const struct topic_node *child)
{
    return child->parent->parent == NULL && child->level_len > 0 && child->level[0] == '$';
}

static void visit_filter(const struct visitor *visitor, const struct topic_node *node, struct levels levels)
{
    if (levels.at == NULL) {
        visit_node(visitor, node);
        return;
    }
    struct mqtt_text level = level_take(&levels);
    bool is_multi = level_is(level, '#');
    if (!is_multi && !level_is(level, '+')) {
        node = node_find(visitor->topics, node, level);
        if (node != NULL)
            visit_filter(visitor, node, levels);
        return;
    }
    if (is_multi)
        visit_node(visitor, node);
    for (const struct topic_node *child = node->first_child; child != NULL; child = child->sibling) {
        if (is_hidden(child))
            continue;
        if (is_multi)
            visit_below(visitor, child);
        else
            visit_filter(visitor, child, levels);
    }
}

void topics_visit_retained(struct topics *topics, struct mqtt_text filter,
                           void (*visit)(void *context, struct message *message), void *context)
{
    const struct visitor visitor = {topics, visit, context};
    visit_filter(&visitor, topics->root, levels_of(filter));
}
