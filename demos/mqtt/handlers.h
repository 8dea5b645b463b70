/* What the broker does with each packet of a client. Part of the broker (broker.h). */
#ifndef DEMOS_MQTT_HANDLERS_H
#define DEMOS_MQTT_HANDLERS_H

#include "broker.h"

/* Handles one whole packet; a wrong one closes the connection. */
void packet_handle(struct broker *broker, struct connection *connection, const struct mqtt_frame *frame);

/* Ends a connection's part in everything and publishes its will; its last output may still be written. */
void connection_close(struct broker *broker, struct connection *connection);
/* The same for a client that did wrong: counted, and told to the log. */
void connection_fail(struct broker *broker, struct connection *connection, const char *what);
/* Forgets a session that is not connected, with its subscriptions and messages. */
void session_end(struct broker *broker, struct session *session);

#endif
