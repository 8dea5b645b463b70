/* The virtio entropy driver: true random bytes for the process server's generator (proto/entropy.h). The same source
 * serves both architectures.
 *
 * One request at a time. The device may give less than asked (5.4.6), so requests go on until all bytes are there; one
 * that breaks the rules, or gives nothing at all, is given up.
 *
 * Source: VIRTIO 1.1, 5.4 (entropy device).
 */
#include <stdatomic.h>

#include "proto/entropy.h"
#include "proto/pci.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"
#include "tessera/virtio.h"

#define EMPTY_ANSWERS_MAX 16u

struct pool_memory {
    struct virtq_memory queue;
    uint8_t pad[8192 - sizeof(struct virtq_memory) - ENTROPY_BYTES];
    uint8_t bytes[ENTROPY_BYTES];
};
_Static_assert(sizeof(struct pool_memory) == 8192, "two pages");

struct driver {
    struct virtio virtio;
    struct virtq queue;
    struct pool_memory *pool;
    uint64_t bytes_physical;
    struct entropy_region *region;
    uint32_t asked; /* what is being served */
    uint32_t have;  /* bytes of it */
    uint32_t empty_answers;
    bool is_waiting, has_failed;
};

static void device_failed(struct driver *driver, const char *why)
{
    log_text("rng-virtio: the device is given up: %s\n", why);
    driver->has_failed = true;
    atomic_store(&driver->region->flags, ENTROPY_FAILED);
    notification_signal(DRIVER_CAP_CLIENT_SIGNAL);
}

static const char *device_open(struct driver *driver, const struct start_page *start)
{
    uint64_t features;
    uint64_t queue_physical = start->words[DRIVER_WORD_DMA_PHYSICAL];
    const char *problem = virtio_open(&driver->virtio, start);
    if (!problem)
        problem = virtio_negotiate(&driver->virtio, 0, &features);
    if (!problem)
        problem = virtio_queue_open(&driver->virtio, 0, &driver->queue, &driver->pool->queue, queue_physical);
    if (!problem)
        virtio_run(&driver->virtio);
    return problem;
}

static void request_send(struct driver *driver)
{
    driver->pool->queue.descriptors[0] =
        (struct virtq_descriptor){driver->bytes_physical, ENTROPY_BYTES - driver->have, VIRTQ_WRITE, 0};
    virtq_offer(&driver->queue, 0);
    virtq_notify(&driver->queue);
    driver->is_waiting = true;
}

/* What the device wrote goes to the region, and is wiped here. */
static void bytes_take(struct driver *driver, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        driver->region->bytes[driver->have++] = driver->pool->bytes[i];
        driver->pool->bytes[i] = 0;
    }
    driver->empty_answers = count ? 0 : driver->empty_answers + 1;
    if (driver->empty_answers == EMPTY_ANSWERS_MAX)
        device_failed(driver, "it gives nothing");
}

static void answer_take(struct driver *driver)
{
    uint32_t descriptor, bytes;
    int taken = driver->is_waiting ? virtq_take(&driver->queue, 1, &descriptor, &bytes) : 0;
    if (taken == 0)
        return;
    driver->is_waiting = false;
    if (taken < 0 || descriptor != 0 || bytes > ENTROPY_BYTES - driver->have)
        device_failed(driver, "it answers what was not asked");
    else
        bytes_take(driver, bytes);
}

/* The client's wish, one at a time; `given` says which one is fulfilled. */
static void serve(struct driver *driver)
{
    uint32_t given = atomic_load(&driver->region->given);
    answer_take(driver);
    while (!driver->has_failed && !driver->is_waiting) {
        if (driver->have == ENTROPY_BYTES) {
            driver->have = 0;
            given = driver->asked;
            atomic_store_explicit(&driver->region->given, given, memory_order_release);
            notification_signal(DRIVER_CAP_CLIENT_SIGNAL);
        }
        driver->asked = atomic_load_explicit(&driver->region->asked, memory_order_acquire);
        if (driver->asked == given)
            return;
        request_send(driver);
    }
}

int program_main(const struct start_page *start)
{
    static struct driver driver;
    driver.pool = (struct pool_memory *)start->words[DRIVER_WORD_DMA];
    driver.bytes_physical = start->words[DRIVER_WORD_DMA_PHYSICAL] + offsetof(struct pool_memory, bytes);
    driver.region = (struct entropy_region *)start->words[DRIVER_WORD_SHARED];
    const char *problem =
        start->words[DRIVER_WORD_DMA_BYTES] < sizeof(struct pool_memory) ? "its pool is too small" : NULL;
    if (!problem)
        problem = device_open(&driver, start);
    for (;;) {
        if (problem && !driver.has_failed && atomic_load(&driver.region->asked))
            device_failed(&driver, problem); /* not before somebody listens */
        if (!problem)
            serve(&driver);
        if (notification_wait(PROCESS_CAP_NOTIFICATION) & DRIVER_SIGNAL_IRQ) {
            if (!problem)
                virtio_interrupt_clear(&driver.virtio);
            (void)irq_handler_ack(DRIVER_CAP_IRQ);
        }
    }
}
