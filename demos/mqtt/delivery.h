/* From the broker to its clients: output, flow control, deliveries and publishing. Part of the broker (broker.h says
 * how flow control works); nothing here closes a connection or ends a session, so callers may walk routes.
 */
#ifndef DEMOS_MQTT_DELIVERY_H
#define DEMOS_MQTT_DELIVERY_H

#include "broker.h"

/* Says that a connection has output, or is closing. */
void connection_mark(struct broker *broker, struct connection *connection);
/* Appends a packet that must not be missing: without memory for it the connection is marked as broken. */
bool send_small(struct broker *broker, struct connection *connection, const uint8_t *packet, size_t len);
bool send_ack(struct broker *broker, struct connection *connection, uint8_t type, uint16_t id);

void deadline_add(struct broker *broker, uint64_t deadline_ns);
bool connection_is_full(const struct broker *broker, const struct connection *connection);
void connection_unstall(struct broker *broker, struct connection *connection);
/* Ends a stall, and slowness, when enough of what waited is gone. */
void connection_check_drained(struct broker *broker, struct connection *connection);

/* Sends what the window and the output buffer have room for; the session is connected. */
void session_pump(struct broker *broker, struct session *session);
/* After a reconnect: everything that was in flight goes out again in its old order [MQTT-4.4.0-1]. */
void session_resend(struct broker *broker, struct session *session);
/* Puts a message into the session's ring, or drops and counts it. */
void session_queue(struct broker *broker, struct session *session, struct message *message, uint8_t qos, bool retain);

/* Publishes to everyone who subscribes, and retains when the publication says so. raw: the packet itself when plain
 * receivers may get it unchanged, else NULL. False: the topic is not valid. */
bool broker_publish(struct broker *broker, const struct mqtt_publish *publish, const uint8_t *raw, size_t raw_len);

#endif
