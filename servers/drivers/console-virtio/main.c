/* The virtio console driver: a faster line than the UART for the framed console (proto/console.h). It shares the same
 * kind of region with the console server as the UART driver does, and moves blocks where that one moves bytes. The same
 * source serves both architectures.
 *
 *   console's ring  --out-->  the device reads it where it lies, one request at a time
 *   the device  --buffers-->  in the order in which they came, as far as there is room in the console's ring
 *
 * What must not be lost or doubled when this driver dies lies in its pool, which outlives it: what of the ring was
 * offered, and which buffers hold what. The next one resets the device, looks at what that had done, and goes on.
 * Indices from the console, and all that the device says, are checked like a stranger's.
 *
 * Source: VIRTIO 1.1, 5.3 (console device). The line is port 1: what is port 0 is a console, of which QEMU drops bytes
 * when who reads them is slow. What the device says by its control queue is of no interest, so it gets no buffers
 * there.
 */
#include <stdatomic.h>

#include "proto/console.h"
#include "proto/pci.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"
#include "tessera/virtio.h"

enum { QUEUE_IN = 0, QUEUE_OUT, QUEUE_CONTROL, QUEUES };
static const uint16_t queue_numbers[QUEUES] = {4, 5, 3}; /* of port 1, and for what the driver says (5.3.2) */
#define FEATURE_MULTIPORT (1ul << 1)
#define PORT              1u
#define CONTROL_TRIES     10000000u
#define BUFFERS           8u
#define BUFFER_BYTES      4096u

/* struct virtio_console_control (5.3.6.2) */
struct control {
    uint32_t port;
    uint16_t event, value;
};
enum { EVENT_DEVICE_READY = 0, EVENT_PORT_READY = 3, EVENT_PORT_OPEN = 6 };

struct pool_memory {
    union {
        struct virtq_memory memory;
        uint8_t pad[8192];
    } queues[QUEUES];
    union {
        struct {
            uint32_t offered;  /* bytes of the console's ring that the device was given and may not have taken */
            uint16_t received; /* answers of queue 0 that were looked at */
            struct control control;
            uint32_t count; /* buffers that hold something, the oldest first */
            struct full {
                uint32_t buffer, from, bytes;
            } full[BUFFERS];
        } kept;
        uint8_t pad[4096];
    };
    uint8_t buffers[BUFFERS][BUFFER_BYTES];
};
_Static_assert(CONSOLE_DRIVER_CAP_ROOM == (int)DRIVER_CAP_CLIENT_SIGNAL, "as every driver's");
_Static_assert(sizeof(struct virtq_memory) <= 8192 && sizeof(struct pool_memory) <= 1u << 16, "its pool has 64 KiB");

struct driver {
    struct virtio virtio;
    struct virtq queues[QUEUES];
    struct pool_memory *pool;
    uint64_t pool_physical, ring_physical; /* of the console's ring */
    struct uart_region *region;
    uint32_t tail, answered, in_head;
    uint32_t offered_buffers; /* the device has so many */
    bool is_sending;
};

/* ---- out ----------------------------------------------------------------------------------------------------- */

/* The console hears when as much room is there as it wants. Whatever left the ring has left the machine. */
static void tell_console(struct driver *driver, uint32_t left)
{
    atomic_thread_fence(memory_order_seq_cst);
    uint32_t ask = atomic_load_explicit(&driver->region->out_ask, memory_order_relaxed);
    uint32_t want = atomic_load_explicit(&driver->region->out_want, memory_order_relaxed);
    if (ask != driver->answered && UART_RING_BYTES - left >= want) {
        driver->answered = ask;
        notification_signal(CONSOLE_DRIVER_CAP_ROOM);
    }
}

static uint32_t ring_used(const struct driver *driver)
{
    uint32_t used = atomic_load_explicit(&driver->region->out_head, memory_order_acquire) - driver->tail;
    return used <= UART_RING_BYTES ? used : 0; /* nonsense: nothing to send until it makes sense again */
}

static void ring_offer(struct driver *driver, uint32_t bytes)
{
    struct virtq *queue = &driver->queues[QUEUE_OUT];
    uint32_t at = driver->tail % UART_RING_BYTES;
    uint32_t first = bytes < UART_RING_BYTES - at ? bytes : UART_RING_BYTES - at;
    volatile struct virtq_descriptor *descriptors = queue->memory->descriptors;
    descriptors[0].address = driver->ring_physical + at;
    descriptors[0].bytes = first;
    descriptors[0].flags = bytes > first ? VIRTQ_NEXT : 0;
    descriptors[0].next = 1;
    descriptors[1].address = driver->ring_physical;
    descriptors[1].bytes = bytes - first;
    descriptors[1].flags = 0;
    driver->pool->kept.offered = bytes;
    driver->is_sending = true;
    virtq_offer(queue, 0);
    virtq_notify(queue);
}

static void ring_taken(struct driver *driver)
{
    driver->tail += driver->pool->kept.offered;
    driver->pool->kept.offered = 0;
    atomic_store_explicit(&driver->region->out_tail, driver->tail, memory_order_release);
}

static void send(struct driver *driver)
{
    uint32_t descriptor, bytes, used;
    for (;;) {
        if (driver->is_sending && virtq_take(&driver->queues[QUEUE_OUT], 1, &descriptor, &bytes) == 1) {
            driver->is_sending = false;
            ring_taken(driver);
        }
        used = ring_used(driver);
        if (driver->is_sending || used == 0)
            break;
        ring_offer(driver, used);
    }
    tell_console(driver, used);
}

/* ---- in ------------------------------------------------------------------------------------------------------ */

static void buffer_offer(struct driver *driver, uint32_t buffer)
{
    struct virtq *queue = &driver->queues[QUEUE_IN];
    volatile struct virtq_descriptor *descriptor = &queue->memory->descriptors[buffer];
    descriptor->address = driver->pool_physical + offsetof(struct pool_memory, buffers) + buffer * BUFFER_BYTES;
    descriptor->bytes = BUFFER_BYTES;
    descriptor->flags = VIRTQ_WRITE;
    driver->offered_buffers++;
    virtq_offer(queue, (uint16_t)buffer);
}

/* Notes what a buffer holds; one that is not the device's to give holds nothing. */
static void buffer_note(struct pool_memory *pool, uint32_t buffer, uint32_t bytes)
{
    pool->kept.received++;
    if (buffer >= BUFFERS || bytes > BUFFER_BYTES || pool->kept.count == BUFFERS)
        return;
    for (uint32_t i = 0; i < pool->kept.count; i++)
        if (pool->kept.full[i].buffer == buffer)
            return;
    pool->kept.full[pool->kept.count++] = (struct full){buffer, 0, bytes};
}

/* From the oldest buffer into the ring, as far as there is room; false when there is none left, or nothing. */
static bool buffer_empty(struct driver *driver)
{
    struct full *full = &driver->pool->kept.full[0];
    uint32_t used = driver->in_head - atomic_load_explicit(&driver->region->in_tail, memory_order_acquire);
    if (driver->pool->kept.count == 0)
        return false;
    while (full->from < full->bytes && used < UART_INPUT_BYTES) {
        driver->region->in[driver->in_head % UART_INPUT_BYTES] = driver->pool->buffers[full->buffer][full->from++];
        driver->in_head++;
        used++;
        atomic_store_explicit(&driver->region->in_head, driver->in_head, memory_order_release);
    }
    if (full->from < full->bytes)
        return false;
    uint32_t buffer = full->buffer;
    driver->pool->kept.count--;
    for (uint32_t i = 0; i < driver->pool->kept.count; i++)
        full[i] = full[i + 1];
    buffer_offer(driver, buffer);
    return true;
}

static void receive(struct driver *driver)
{
    uint32_t buffer, bytes, first = driver->in_head;
    while (virtq_take(&driver->queues[QUEUE_IN], driver->offered_buffers, &buffer, &bytes) == 1) {
        driver->offered_buffers--;
        buffer_note(driver->pool, buffer, bytes);
    }
    bool any = false;
    while (buffer_empty(driver))
        any = true;
    if (any)
        virtq_notify(&driver->queues[QUEUE_IN]);
    if (driver->in_head != first)
        notification_signal(CONSOLE_DRIVER_CAP_INPUT);
}

/* ---- start --------------------------------------------------------------------------------------------------- */

/* After the device was reset: what it had done for the driver before. */
static void past_take(struct driver *driver)
{
    struct pool_memory *pool = driver->pool;
    volatile struct virtq_memory *in = &pool->queues[QUEUE_IN].memory, *out = &pool->queues[QUEUE_OUT].memory;
    if (pool->kept.offered > UART_RING_BYTES || pool->kept.count > BUFFERS)
        pool->kept.offered = pool->kept.count = 0;
    for (uint32_t i = 0; i < pool->kept.count; i++)
        if (pool->kept.full[i].buffer >= BUFFERS || pool->kept.full[i].bytes > BUFFER_BYTES)
            pool->kept.count = i;
    if (pool->kept.offered > 0 && out->used.index == out->available.index)
        ring_taken(driver);
    pool->kept.offered = 0;
    for (uint32_t i = 0; i < BUFFERS && pool->kept.received != in->used.index; i++) {
        uint32_t at = pool->kept.received % VIRTIO_QUEUE_MAX;
        buffer_note(pool, in->used.ring[at].id, in->used.ring[at].bytes);
    }
    pool->kept.received = 0;
    memset(pool->queues, 0, sizeof(pool->queues));
}

static bool control_send(struct driver *driver, uint16_t event)
{
    struct virtq *queue = &driver->queues[QUEUE_CONTROL];
    uint32_t descriptor, bytes;
    driver->pool->kept.control = (struct control){event == EVENT_DEVICE_READY ? 0 : PORT, event, 1};
    queue->memory->descriptors[0].address = driver->pool_physical + offsetof(struct pool_memory, kept.control);
    queue->memory->descriptors[0].bytes = sizeof(struct control);
    queue->memory->descriptors[0].flags = 0;
    virtq_offer(queue, 0);
    virtq_notify(queue);
    for (uint32_t i = 0; i < CONTROL_TRIES; i++)
        if (virtq_take(queue, 1, &descriptor, &bytes) == 1)
            return true;
    return false;
}

static const char *device_open(struct driver *driver, const struct start_page *start)
{
    uint64_t features;
    const char *problem = virtio_open(&driver->virtio, start);
    if (!problem)
        problem = virtio_negotiate(&driver->virtio, FEATURE_MULTIPORT, &features);
    if (!problem && !(features & FEATURE_MULTIPORT))
        problem = "it has one port only";
    if (problem)
        return problem;
    past_take(driver);
    for (uint32_t i = 0; i < QUEUES && !problem; i++)
        problem =
            virtio_queue_open(&driver->virtio, queue_numbers[i], &driver->queues[i], &driver->pool->queues[i].memory,
                              driver->pool_physical + offsetof(struct pool_memory, queues[i]));
    if (!problem && (driver->queues[QUEUE_IN].size != VIRTIO_QUEUE_MAX || driver->queues[QUEUE_OUT].size < 2))
        problem = "its queues are too short";
    if (problem)
        return problem;
    virtio_run(&driver->virtio);
    if (!control_send(driver, EVENT_DEVICE_READY) || !control_send(driver, EVENT_PORT_READY) ||
        !control_send(driver, EVENT_PORT_OPEN))
        return "it does not listen";
    for (uint32_t i = 0; i < BUFFERS; i++) {
        bool is_full = false;
        for (uint32_t k = 0; k < driver->pool->kept.count; k++)
            is_full = is_full || driver->pool->kept.full[k].buffer == i;
        if (!is_full)
            buffer_offer(driver, i);
    }
    virtq_notify(&driver->queues[QUEUE_IN]);
    return NULL;
}

int program_main(const struct start_page *start)
{
    static struct driver driver;
    driver.pool = (struct pool_memory *)start->words[DRIVER_WORD_DMA];
    driver.pool_physical = start->words[DRIVER_WORD_DMA_PHYSICAL];
    driver.region = (struct uart_region *)start->words[DRIVER_WORD_SHARED];
    driver.ring_physical = start->words[DRIVER_WORD_SHARED_PHYSICAL] + offsetof(struct uart_region, out);
    driver.tail = atomic_load(&driver.region->out_tail);
    driver.in_head = atomic_load(&driver.region->in_head);
    driver.answered = atomic_load(&driver.region->out_ask) - 1;
    if (start->words[DRIVER_WORD_DMA_BYTES] < sizeof(struct pool_memory) || device_open(&driver, start))
        return 1; /* the system ends: nobody else could say why */
    notification_signal(CONSOLE_DRIVER_CAP_INPUT);
    for (;;) {
        send(&driver);
        receive(&driver);
        if (notification_wait(PROCESS_CAP_NOTIFICATION) & DRIVER_SIGNAL_IRQ) {
            virtio_interrupt_clear(&driver.virtio);
            (void)irq_handler_ack(DRIVER_CAP_IRQ);
        }
    }
}
