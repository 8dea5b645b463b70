/* See tessera/restart.h. */
#include "tessera/restart.h"

bool restart_next(const struct restart_policy *policy, uint32_t *count, uint64_t lived_ns, uint64_t *pause_ms)
{
    if (lived_ns >= RESTART_STEADY_NS)
        *count = 0;
    if (policy->limit && *count >= policy->limit)
        return false;
    *pause_ms = policy->pause_ms;
    for (uint32_t i = 0; i < *count && *pause_ms < RESTART_PAUSE_MAX_MS; i++)
        *pause_ms *= 2;
    if (*pause_ms > RESTART_PAUSE_MAX_MS)
        *pause_ms = RESTART_PAUSE_MAX_MS;
    ++*count;
    return true;
}
