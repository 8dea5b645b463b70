/* The topic tree: who subscribes to what, and what is retained where.
 *
 * One node for each level of every filter and retained topic; a child is found through one hash table for the
 * whole tree, so that a look-up costs the same however many children a node has:
 *
 *     (root) --- "sensor" --- "+"  --- "temperature"     exact: filters that end here
 *                    |                                   multi: filters that go on with "/#"
 *                    +------- "7"  --- "temperature"     retained: the message of exactly this topic
 *
 * A published topic is matched once; the result, a route, is kept until any subscription changes, so the usual
 * PUBLISH costs one hash and one comparison. Everything is bounded by `struct topic_limits`.
 *
 * Source of the matching rules: MQTT 3.1.1 section 4.7.
 */
#ifndef DEMOS_MQTT_TOPICS_H
#define DEMOS_MQTT_TOPICS_H

#include "message.h"

struct session;
struct topic_node;

struct topic_limits {
    uint32_t nodes;          /* of the tree */
    uint32_t levels;         /* of a filter or retained topic */
    uint32_t routed;         /* subscribers in all kept routes together */
    uint32_t retained_count; /* retained messages */
    uint64_t retained_bytes;
};

struct subscription {
    struct session *session;
    struct topic_node *node;
    struct subscription *next, **link;    /* in the node's list */
    struct subscription *next_of_session; /* owned by the session */
    bool is_multi;
    uint8_t qos;
};

/* One receiver of a topic: a session that matches by several filters stands here once, with the greatest QoS
 * [MQTT-3.3.5-1]. */
struct receiver {
    struct session *session;
    uint8_t qos;
};

struct route {
    uint64_t hash;
    uint32_t generation;
    uint32_t count;
    uint16_t topic_len;
    const uint8_t *topic; /* behind the receivers */
    struct receiver receivers[];
};

enum { ROUTES = 1024 }; /* kept routes, a power of two */

struct topics {
    struct topic_limits limits;
    struct topic_node *root;
    struct topic_node **buckets;
    uint32_t bucket_count; /* a power of two */
    uint32_t node_count, retained_count, generation, routed;
    uint64_t retained_bytes;
    struct route *routes[ROUTES];
    struct receiver *found; /* of the match in progress */
    uint32_t found_count, found_cap;
    bool found_failed;
};

bool topics_init(struct topics *topics, const struct topic_limits *limits);
void topics_destroy(struct topics *topics);

/* Adds a subscription, or changes the QoS of the one that the session has with the same filter. The filter is
 * valid. *list: the session's subscriptions. False: a limit is reached, nothing has changed. */
bool topics_subscribe(struct topics *topics, struct session *session, struct subscription **list,
                      struct mqtt_text filter, uint8_t qos);
/* Removes the subscription with this filter, if there is one. */
void topics_unsubscribe(struct topics *topics, struct subscription **list, struct mqtt_text filter);
/* Removes all subscriptions of a session's list. */
void topics_unsubscribe_all(struct topics *topics, struct subscription **list);

/* The receivers of a topic; valid until the next call of any of these functions. NULL: the topic is not valid,
 * or, with *no_memory set, there is no memory. */
const struct route *topics_route(struct topics *topics, struct mqtt_text topic, bool *no_memory);

/* Replaces the retained message of a valid topic; NULL removes it. Takes a reference of its own. False: a limit
 * is reached, the topic then retains nothing. */
bool topics_retain(struct topics *topics, struct mqtt_text topic, struct message *message);
/* Calls `visit` with each retained message that a valid filter matches. */
void topics_visit_retained(struct topics *topics, struct mqtt_text filter,
                           void (*visit)(void *context, struct message *message), void *context);

#endif
