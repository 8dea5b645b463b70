/* What the programs of the MQTT demo tell the collector: one report each, over the service "report". */
#ifndef DEMOS_MQTT_REPORT_H
#define DEMOS_MQTT_REPORT_H

#include <stdint.h>

#define REPORT_SERVICE "report"

enum report_operation { REPORT_PUBLISHER = 1, REPORT_SUBSCRIBER = 2, REPORT_CHECKS = 3 };

struct report {
    char name[24];
    char filters[64];     /* subscribers: as given */
    uint64_t start_ns;    /* publishers: before the first message */
    uint64_t end_ns;      /* subscribers: after the last message */
    uint64_t expected;    /* messages: to be received, sent, or checks made */
    uint64_t received;    /* first copies; publishers: acknowledged or sent at QoS 0; checks passed */
    uint64_t bytes;       /* payload of the first copies */
    uint64_t lost;        /* expected, never received */
    uint64_t duplicated;  /* further copies without the DUP flag */
    uint64_t redelivered; /* further copies with the DUP flag, after a reconnect */
    uint64_t unexpected;  /* not in the plan, changed, not subscribed to, wrong QoS or retain flag */
    uint64_t out_of_order;
    uint64_t checksum, expected_checksum;
    uint64_t failures; /* whatever else was not as it should be: wills, session present, ... */
};

#endif
