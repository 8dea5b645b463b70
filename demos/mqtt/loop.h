/* The broker's event loop: accepts on listening descriptors, moves bytes between descriptors and the broker's
 * state machine, and lets time pass. Returns when `exit_idle_ns` have passed without a connection after there had
 * been at least one (POLLER_FOREVER: never), or when waiting itself fails.
 */
#ifndef DEMOS_MQTT_LOOP_H
#define DEMOS_MQTT_LOOP_H

#include "broker.h"

enum { LISTENERS_MAX = 4 };

/* Listening descriptors belong to the caller. Returns 0 or errno. */
int loop_run(struct broker *broker, const int *listeners, size_t listener_count, uint64_t exit_idle_ns);

#endif
