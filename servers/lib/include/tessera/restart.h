/* How what has ended is started again: docs/system.md, "Starting again". For servers, drivers and programs alike. */
#ifndef TESSERA_RESTART_H
#define TESSERA_RESTART_H

#include <stdbool.h>
#include <stdint.h>

#define RESTART_PAUSE_MAX_MS 10000ul
#define RESTART_STEADY_NS    60000000000ul /* what counts as having run for a while */

struct restart_policy {
    uint32_t when;     /* enum system_restart */
    uint32_t limit;    /* times; 0: none */
    uint32_t pause_ms; /* before the first time, doubled each time; 0: at once, always */
};

/* It has ended after that time: true when it may be started once more, after *pause_ms. *count is how often that was.
 */
bool restart_next(const struct restart_policy *policy, uint32_t *count, uint64_t lived_ns, uint64_t *pause_ms);

#endif
