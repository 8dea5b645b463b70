/* In front of each source of the net server's model (-include): time is the test's. */
#ifndef TESTS_NET_CLOCK_MODEL_H
#define TESTS_NET_CLOCK_MODEL_H

#include "tessera/clock.h"

uint64_t model_ticks(void);
#define clock_ticks() model_ticks()

#endif
