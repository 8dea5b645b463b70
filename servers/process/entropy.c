/* Where random numbers come from: the boot seed (the CPU's instruction, or firmware) and, where the machine has one, a
 * device (proto/entropy.h). Both go into the generator, so it is as good as the better of them; the device is asked
 * again from time to time, so that a generator that somebody came to know does not stay known.
 */
#include "proto/entropy.h"

#include <stdatomic.h>

#include "server.h"
#include "tessera/clock.h"
#include "tessera/invoke.h"
#include "tessera/server.h"

#define FIRST_WAIT_NS 2000000000ul
#define REFRESH_NS    60000000000ul

static struct entropy_region *region; /* NULL: no device */
static uint32_t asked;                /* the region's is the driver's to change, too */
static bool is_waiting;
static uint64_t next_ticks; /* when it is asked again */

static void ask(void)
{
    is_waiting = true;
    next_ticks = clock_ticks() + clock_ticks_of(REFRESH_NS, server.start->timer_hz);
    atomic_store_explicit(&region->asked, ++asked, memory_order_release);
    notification_signal(SERVER_CAP_ENTROPY_SIGNAL);
}

void entropy_take(void)
{
    uint8_t bytes[ENTROPY_BYTES];
    if (!is_waiting || atomic_load_explicit(&region->given, memory_order_acquire) != asked)
        return;
    is_waiting = false;
    for (uint32_t i = 0; i < ENTROPY_BYTES; i++) {
        bytes[i] = region->bytes[i];
        region->bytes[i] = 0;
    }
    random_mix(&server.random, bytes, sizeof(bytes));
}

bool entropy_bytes(void *bytes, size_t count)
{
    if (region && !is_waiting && clock_ticks() >= next_ticks && !atomic_load(&region->flags))
        ask();
    return random_bytes(&server.random, bytes, count);
}

/* Without a boot seed nobody starts before the device has answered, but not for ever. */
void entropy_start(void)
{
    uint64_t end = clock_ticks() + clock_ticks_of(FIRST_WAIT_NS, server.start->timer_hz);
    if (server.start->flags & START_SEED_VALID)
        random_seed(&server.random, server.start->seed);
    region = (struct entropy_region *)server.start->words[SERVER_WORD_ENTROPY];
    if (region)
        ask();
    while (is_waiting && !server.random.is_seeded && !atomic_load(&region->flags) && clock_ticks() < end) {
        deadline_set(end);
        (void)notification_wait(SERVER_CAP_NOTIFICATION);
        server.next_deadline = 0;
        entropy_take();
    }
    if ((server.system->flags & SYSTEM_RANDOM) && !server.random.is_seeded)
        log_text("process: random numbers are granted, but this machine has none: no instruction of its CPU, no seed "
                 "from its firmware, no virtio entropy device\n");
}
