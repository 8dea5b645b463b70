/* The virtio network driver: one card, one client, the net server (proto/packet.h). The same source serves both
 * architectures.
 *
 * It holds its function's registers, its interrupt, a DMA pool for queues and the card's headers, and the region that
 * it shares with the net server. Packets lie in that region and are not touched here. What the net server asks for is
 * checked against the region, what the card says against what it was given. A card that breaks the rules is reset; one
 * that goes on breaking them is not asked again: PACKET_FAILED.
 *
 * Source: VIRTIO 1.1, 5.1 (network device).
 */
#include <stdatomic.h>

#include "proto/packet.h"
#include "proto/pci.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"
#include "tessera/virtio.h"

#define FEATURE_CHECKSUM       (1ul << 0)
#define FEATURE_GUEST_CHECKSUM (1ul << 1)
#define FEATURE_MTU            (1ul << 3)
#define FEATURE_MAC            (1ul << 5)
#define FEATURE_GUEST_TSO4     (1ul << 7)
#define FEATURE_GUEST_TSO6     (1ul << 8)
#define FEATURE_MERGED_BUFFERS (1ul << 15)
#define FEATURE_STATUS         (1ul << 16)
#define FEATURES_LARGE         (FEATURE_GUEST_TSO4 | FEATURE_GUEST_TSO6 | FEATURE_MERGED_BUFFERS)
#define FEATURES                                                                                                       \
    (FEATURE_CHECKSUM | FEATURE_GUEST_CHECKSUM | FEATURE_MTU | FEATURE_MAC | FEATURE_STATUS | FEATURES_LARGE)
enum { QUEUE_RECEIVE = 0, QUEUE_TRANSMIT = 1 };
enum { CONFIG_MAC = 0, CONFIG_STATUS = 6, CONFIG_MTU = 10, CONFIG_BYTES = 12 };
enum { STATUS_LINK_UP = 1 };
#define MTU_USUAL   1500u
#define FRAMES_MANY 16u    /* under way: the net server hears that they are done */
#define RESETS_MOST 8u     /* of a card that breaks rules */
#define FRAMES_GOOD 65536u /* received since: what it did before is forgotten */
#define MTU_LEAST   1280u  /* IPv6 needs it: RFC 8200, 5 */

/* struct virtio_net_hdr (5.1.6) */
enum header_flags { HEADER_NEEDS_CHECKSUM = 1, HEADER_IS_VALID = 2 };
struct header {
    uint8_t flags, segmentation;
    uint16_t header_bytes, segment_bytes;
    uint16_t checksum_start, checksum_offset;
    uint16_t buffers;
};
_Static_assert(sizeof(struct header) == PACKET_HEADER_BYTES, "in front of each frame");

struct pool_memory {
    struct virtq_memory receive;
    uint8_t pad0[8192 - sizeof(struct virtq_memory)];
    struct virtq_memory transmit;
    uint8_t pad1[8192 - sizeof(struct virtq_memory)];
    struct header headers[VIRTIO_QUEUE_MAX]; /* of frames under way, by their first descriptor */
};

struct driver {
    const struct start_page *start;
    struct virtio virtio;
    struct pool_memory *pool;
    uint64_t pool_physical, shared_physical, shared_bytes, features;
    struct packet_region *region;
    uint32_t generation;
    uint32_t empty_tail, send_tail, received_head, sent_head; /* our own indices */
    bool has_failed, wants_reset;
    uint32_t resets, received_at_reset; /* since a card that breaks rules did so first */
    struct virtq receive, transmit;
    struct {
        bool is_busy;
        uint32_t tag, offset;
    } buffers[VIRTIO_QUEUE_MAX];        /* by descriptor */
    uint32_t buffer_count, buffers_due; /* due: of the frame that is being received */
    struct {
        uint32_t parts; /* descriptors of the frame, 0: none begins here */
        uint32_t tag;
    } frames[VIRTIO_QUEUE_MAX]; /* by first descriptor */
    uint32_t frame_count;
    uint16_t spare[VIRTIO_QUEUE_MAX]; /* descriptors of the transmit queue that are free */
    uint32_t spare_count;
    bool is_watching; /* the card interrupts for frames that it has sent */
};

/* ---- the client's side --------------------------------------------------------------------------------------- */

static void flags_set(struct driver *driver)
{
    const volatile uint8_t *config = driver->virtio.device;
    uint32_t flags = driver->has_failed ? PACKET_FAILED : 0;
    if (driver->features & FEATURE_CHECKSUM)
        flags |= PACKET_SENDS_CHECKSUMS;
    bool says_link = driver->features & FEATURE_STATUS;
    if (!driver->has_failed && (!says_link || (config[CONFIG_STATUS] & STATUS_LINK_UP)))
        flags |= PACKET_LINK_UP;
    atomic_store_explicit(&driver->region->flags, flags, memory_order_release);
}

static void card_give_up(struct driver *driver, const char *why)
{
    log_text("net-virtio: the network card is given up: %s\n", why);
    driver->has_failed = true;
    virtio_stop(&driver->virtio);
    flags_set(driver);
    notification_signal(DRIVER_CAP_CLIENT_SIGNAL);
}

/* It broke a rule: nothing of it counts before it has been reset. */
static void card_broke(struct driver *driver, const char *how)
{
    if (driver->received_head - driver->received_at_reset >= FRAMES_GOOD)
        driver->resets = 0;
    driver->received_at_reset = driver->received_head;
    if (driver->resets++ == RESETS_MOST) {
        card_give_up(driver, how);
        return;
    }
    log_text("net-virtio: the network card is reset: %s\n", how);
    driver->has_failed = driver->wants_reset = true;
}

static void received(struct driver *driver, uint32_t tag, uint32_t bytes, uint32_t flags)
{
    struct packet_received *place = &driver->region->received[driver->received_head++ % PACKET_SLOTS];
    place->tag = tag;
    place->bytes = (uint16_t)bytes;
    place->flags = (uint16_t)flags;
    atomic_store_explicit(&driver->region->received_index.head, driver->received_head, memory_order_release);
}

static void sent(struct driver *driver, uint32_t tag)
{
    driver->region->sent[driver->sent_head++ % PACKET_SLOTS] = tag;
    atomic_store_explicit(&driver->region->sent_index.head, driver->sent_head, memory_order_release);
}

static bool in_region(const struct driver *driver, uint32_t offset, uint32_t bytes)
{
    return offset >= PACKET_DATA_OFFSET && offset <= driver->shared_bytes && bytes <= driver->shared_bytes - offset;
}

/* Entries of a ring that wait; nonsense counts as none. */
static uint32_t waiting(const struct packet_index *index, uint32_t tail)
{
    uint32_t count = atomic_load_explicit(&index->head, memory_order_acquire) - tail;
    return count <= PACKET_SLOTS ? count : 0;
}

/* ---- receiving ----------------------------------------------------------------------------------------------- */

static void buffer_offer(struct driver *driver, uint32_t n, const struct packet_empty *empty)
{
    driver->buffers[n].is_busy = true;
    driver->buffers[n].tag = empty->tag;
    driver->buffers[n].offset = empty->offset;
    driver->buffer_count++;
    driver->receive.memory->descriptors[n].address = driver->shared_physical + empty->offset;
    driver->receive.memory->descriptors[n].bytes = PACKET_BUFFER_BYTES;
    driver->receive.memory->descriptors[n].flags = VIRTQ_WRITE;
    virtq_offer(&driver->receive, (uint16_t)n);
}

/* Empty buffers, as long as the queue has room. */
static void empty_take(struct driver *driver)
{
    bool any = false;
    uint32_t n = 0, count = driver->has_failed ? 0 : waiting(&driver->region->empty_index, driver->empty_tail);
    for (; count > 0 && driver->buffer_count < driver->receive.size; count--) {
        struct packet_empty empty =
            *(volatile struct packet_empty *)&driver->region->empty[driver->empty_tail++ % PACKET_SLOTS];
        if (empty.generation != driver->generation || !in_region(driver, empty.offset, PACKET_BUFFER_BYTES))
            continue;
        while (driver->buffers[n].is_busy)
            n++;
        buffer_offer(driver, n, &empty);
        any = true;
    }
    if (any)
        virtq_notify(&driver->receive);
}

/* A frame's first buffer, which begins with the card's header. Read by bytes: the net server may have put it anywhere.
 */
static uint32_t header_read(struct driver *driver, uint32_t offset)
{
    const volatile uint8_t *header = (const volatile uint8_t *)driver->region + offset;
    uint32_t flags = header[offsetof(struct header, flags)];
    driver->buffers_due = 1;
    if (driver->features & FEATURE_MERGED_BUFFERS)
        driver->buffers_due =
            header[offsetof(struct header, buffers)] | (uint32_t)header[offsetof(struct header, buffers) + 1] << 8;
    bool is_valid = flags & (HEADER_NEEDS_CHECKSUM | HEADER_IS_VALID);
    return is_valid && (driver->features & FEATURE_GUEST_CHECKSUM) ? PACKET_IS_VALID : 0;
}

/* What is wrong with a buffer that comes back, or NULL. */
static const char *buffer_received(struct driver *driver, uint32_t n, uint32_t bytes)
{
    if (n >= driver->receive.size || !driver->buffers[n].is_busy)
        return "it fills what it was not given";
    uint32_t flags = 0, head = driver->buffers_due == 0 ? PACKET_HEADER_BYTES : 0;
    if (bytes < head || bytes > PACKET_BUFFER_BYTES)
        return "it fills a buffer with more than that holds, or with no header";
    if (head)
        flags = header_read(driver, driver->buffers[n].offset);
    if (driver->buffers_due == 0 || driver->buffers_due > driver->receive.size)
        return "a frame has no buffer, or more than there are";
    if (--driver->buffers_due > 0)
        flags |= PACKET_MORE;
    driver->buffers[n].is_busy = false;
    driver->buffer_count--;
    received(driver, driver->buffers[n].tag, bytes - head, flags);
    return NULL;
}

static void frames_receive(struct driver *driver)
{
    uint32_t n, bytes;
    int taken = 0;
    const char *wrong = NULL;
    while (!driver->has_failed && !wrong &&
           (taken = virtq_take(&driver->receive, driver->buffer_count, &n, &bytes)) > 0)
        wrong = buffer_received(driver, n, bytes);
    if (wrong || taken < 0)
        card_broke(driver, wrong ? wrong : "its index runs ahead of the buffers");
}

/* ---- sending ------------------------------------------------------------------------------------------------- */

/* The parts of the frame at the ring's tail, copied; their number, 0: there is no whole one. *is_good: it can be sent.
 */
static uint32_t frame_read(struct driver *driver, struct packet_send parts[PACKET_PARTS], bool *is_good)
{
    uint32_t count = waiting(&driver->region->send_index, driver->send_tail), total = 0;
    *is_good = true;
    for (uint32_t i = 0; i < count; i++) {
        struct packet_send part =
            *(volatile struct packet_send *)&driver->region->send[(driver->send_tail + i) % PACKET_SLOTS];
        if (part.flags & PACKET_ATTACH) {
            driver->wants_reset = true;
            return 0;
        }
        *is_good = *is_good && i < PACKET_PARTS && part.generation == driver->generation && part.bytes > 0 &&
                   in_region(driver, part.offset, part.bytes);
        total += part.bytes;
        parts[i < PACKET_PARTS ? i : PACKET_PARTS - 1] = part;
        if (!(part.flags & PACKET_MORE)) {
            *is_good = *is_good && total <= PACKET_BUFFER_BYTES - PACKET_HEADER_BYTES;
            return i + 1;
        }
    }
    return 0;
}

static uint16_t descriptor_take(struct driver *driver)
{
    return driver->spare[--driver->spare_count];
}

static void frame_offer(struct driver *driver, const struct packet_send *parts, uint32_t count)
{
    uint16_t first = descriptor_take(driver), at = first;
    struct header *header = &driver->pool->headers[first];
    volatile struct virtq_descriptor *table = driver->transmit.memory->descriptors;
    *header = (struct header){0};
    if ((parts[0].flags & PACKET_CHECKSUM) && (driver->features & FEATURE_CHECKSUM)) {
        header->flags = HEADER_NEEDS_CHECKSUM;
        header->checksum_start = parts[0].checksum_start;
        header->checksum_offset = parts[0].checksum_offset;
    }
    table[at].address = driver->pool_physical + offsetof(struct pool_memory, headers) + first * sizeof(*header);
    table[at].bytes = sizeof(*header);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t next = descriptor_take(driver);
        table[at].flags = VIRTQ_NEXT;
        table[at].next = next;
        at = next;
        table[at].address = driver->shared_physical + parts[i].offset;
        table[at].bytes = parts[i].bytes;
    }
    table[at].flags = 0;
    table[at].next = 0;
    driver->frames[first].parts = count + 1;
    driver->frames[first].tag = parts[count - 1].tag;
    driver->frame_count++;
    virtq_offer(&driver->transmit, first);
}

/* The net server wants the card reset, which may be stuck with what it was given before. */
static bool is_attaching(const struct driver *driver)
{
    uint32_t count = waiting(&driver->region->send_index, driver->send_tail);
    uint32_t last = driver->send_tail + count - 1;
    return count > 0 && (*(volatile uint16_t *)&driver->region->send[last % PACKET_SLOTS].flags & PACKET_ATTACH);
}

/* Frames, while there are descriptors. */
static void frames_send(struct driver *driver)
{
    struct packet_send parts[PACKET_PARTS];
    bool any = false, is_good;
    uint32_t count;
    while ((count = frame_read(driver, parts, &is_good)) > 0) {
        is_good = is_good && !driver->has_failed;
        if (is_good && driver->spare_count < count + 1)
            break;
        driver->send_tail += count;
        if (is_good) {
            frame_offer(driver, parts, count);
            any = true;
        } else if (parts[0].generation == driver->generation) {
            sent(driver, parts[count < PACKET_PARTS ? count - 1 : PACKET_PARTS - 1].tag);
        }
    }
    if (any)
        virtq_notify(&driver->transmit);
}

/* The descriptors of a frame come back. Its links are read anew from memory that only we write. */
static void frame_sent(struct driver *driver, uint32_t first)
{
    uint16_t at = (uint16_t)first;
    for (uint32_t i = 0; i < driver->frames[first].parts; i++) {
        driver->spare[driver->spare_count++] = at;
        at = driver->transmit.memory->descriptors[at].next;
    }
    driver->frames[first].parts = 0;
    driver->frame_count--;
    sent(driver, driver->frames[first].tag);
}

/* True when so many came back that the net server may have waited for them. */
static bool sent_take(struct driver *driver)
{
    uint32_t first, bytes, before = driver->frame_count;
    int taken = 0;
    while (!driver->has_failed && (taken = virtq_take(&driver->transmit, driver->frame_count, &first, &bytes)) > 0) {
        if (first >= driver->transmit.size || driver->frames[first].parts == 0) {
            card_broke(driver, "it has sent what it was not given");
            return true;
        }
        frame_sent(driver, first);
    }
    if (taken < 0)
        card_broke(driver, "its index runs ahead of the frames");
    return before != driver->frame_count && before >= FRAMES_MANY;
}

/* What has been sent is looked for whenever there is something else to do: the card interrupts for it only when there
 * is much under way. */
static void sent_watch(struct driver *driver)
{
    bool wanted = driver->spare_count < driver->transmit.size / 2;
    if (wanted == driver->is_watching || driver->has_failed)
        return;
    driver->is_watching = wanted;
    virtq_interrupts(&driver->transmit, wanted);
}

/* ---- start --------------------------------------------------------------------------------------------------- */

static const char *configuration_read(struct driver *driver)
{
    const volatile uint8_t *config = driver->virtio.device;
    struct packet_region *region = driver->region;
    if (!config || driver->virtio.device_bytes < CONFIG_BYTES || !(driver->features & FEATURE_MAC))
        return "it has no address";
    for (uint32_t i = 0; i < sizeof(region->mac); i++)
        region->mac[i] = config[CONFIG_MAC + i];
    uint32_t mtu = MTU_USUAL;
    if (driver->features & FEATURE_MTU)
        mtu = *(const volatile uint16_t *)(const volatile void *)(config + CONFIG_MTU);
    if (mtu < MTU_LEAST)
        return "its frames are too short for IPv6";
    region->mtu = (uint16_t)(mtu < MTU_USUAL ? mtu : MTU_USUAL);
    return NULL;
}

static const char *queues_open(struct driver *driver)
{
    uint64_t physical = driver->pool_physical;
    const char *problem = virtio_queue_open(&driver->virtio, QUEUE_RECEIVE, &driver->receive, &driver->pool->receive,
                                            physical + offsetof(struct pool_memory, receive));
    if (!problem)
        problem = virtio_queue_open(&driver->virtio, QUEUE_TRANSMIT, &driver->transmit, &driver->pool->transmit,
                                    physical + offsetof(struct pool_memory, transmit));
    if (!problem && driver->transmit.size < PACKET_PARTS + 1)
        problem = "its queue is too small";
    return problem;
}

/* Segments put together (5.1.6.3) are longer than a buffer: only where a frame may have several, and the card vouches
 * for its sum. */
static uint64_t features_wanted(const struct virtio *virtio)
{
    uint64_t needed = FEATURE_MERGED_BUFFERS | FEATURE_GUEST_CHECKSUM;
    return (virtio_offers(virtio) & needed) == needed ? FEATURES : FEATURES & ~FEATURES_LARGE;
}

/* Resets the card, so nothing of before is with it. */
static const char *card_open(struct driver *driver)
{
    const char *problem = virtio_open(&driver->virtio, driver->start);
    memset(driver->pool, 0, sizeof(*driver->pool));
    memset(driver->buffers, 0, sizeof(driver->buffers));
    memset(driver->frames, 0, sizeof(driver->frames));
    driver->buffer_count = driver->buffers_due = driver->frame_count = driver->spare_count = 0;
    if (!problem)
        problem = virtio_negotiate(&driver->virtio, features_wanted(&driver->virtio), &driver->features);
    if (!problem)
        problem = configuration_read(driver);
    if (!problem)
        problem = queues_open(driver);
    if (problem)
        return problem;
    driver->is_watching = false;
    virtq_interrupts(&driver->transmit, false);
    for (uint16_t i = driver->transmit.size; i > 0; i--)
        driver->spare[driver->spare_count++] = (uint16_t)(i - 1);
    virtio_watch_configuration(&driver->virtio);
    virtio_run(&driver->virtio);
    return NULL;
}

/* What the rings hold is of an older generation: it is dropped before there is a new one, so that they have room for
 * that. */
static void begin(struct driver *driver)
{
    driver->empty_tail = atomic_load_explicit(&driver->region->empty_index.head, memory_order_acquire);
    driver->send_tail = atomic_load_explicit(&driver->region->send_index.head, memory_order_acquire);
    const char *problem =
        driver->start->words[DRIVER_WORD_DMA_BYTES] < sizeof(struct pool_memory) ? "its pool is too small" : NULL;
    driver->has_failed = driver->wants_reset = false;
    if (!problem)
        problem = card_open(driver);
    if (problem)
        card_give_up(driver, problem);
    else
        flags_set(driver);
    if (++driver->generation == 0)
        driver->generation = 1;
    atomic_store_explicit(&driver->region->generation, driver->generation, memory_order_release);
    notification_signal(DRIVER_CAP_CLIENT_SIGNAL);
}

/* Where a driver before this one was. */
static void indices_find(struct driver *driver)
{
    struct packet_region *region = driver->region;
    driver->received_head = atomic_load_explicit(&region->received_index.head, memory_order_relaxed);
    driver->sent_head = atomic_load_explicit(&region->sent_index.head, memory_order_relaxed);
    driver->generation = atomic_load_explicit(&region->generation, memory_order_relaxed);
}

/* All that there is to do. */
static void work(struct driver *driver)
{
    uint32_t received_before = driver->received_head;
    bool is_news = sent_take(driver);
    frames_receive(driver);
    frames_send(driver);
    empty_take(driver);
    sent_watch(driver);
    if (driver->is_watching)
        is_news |= sent_take(driver); /* it may not have interrupted for them */
    if (driver->received_head != received_before || is_news)
        notification_signal(DRIVER_CAP_CLIENT_SIGNAL);
}

/* Whatever else the interrupt was for: the link may have changed, or the card be at its end. */
static void interrupted(struct driver *driver)
{
    uint32_t flags = atomic_load_explicit(&driver->region->flags, memory_order_relaxed);
    virtio_interrupt_clear(&driver->virtio);
    (void)irq_handler_ack(DRIVER_CAP_IRQ);
    if (driver->has_failed)
        return;
    if (virtio_needs_reset(&driver->virtio)) {
        card_broke(driver, "it says that it needs that");
        return;
    }
    flags_set(driver);
    if (atomic_load_explicit(&driver->region->flags, memory_order_relaxed) != flags)
        notification_signal(DRIVER_CAP_CLIENT_SIGNAL);
}

int program_main(const struct start_page *start)
{
    static struct driver driver;
    driver.start = start;
    driver.pool = (struct pool_memory *)start->words[DRIVER_WORD_DMA];
    driver.pool_physical = start->words[DRIVER_WORD_DMA_PHYSICAL];
    driver.region = (struct packet_region *)start->words[DRIVER_WORD_SHARED];
    driver.shared_physical = start->words[DRIVER_WORD_SHARED_PHYSICAL];
    driver.shared_bytes = start->words[DRIVER_WORD_SHARED_BYTES];
    indices_find(&driver);
    driver.wants_reset = true;
    for (;;) {
        if (driver.wants_reset || is_attaching(&driver))
            begin(&driver);
        work(&driver);
        if (!driver.wants_reset && (notification_wait(PROCESS_CAP_NOTIFICATION) & DRIVER_SIGNAL_IRQ))
            interrupted(&driver);
    }
}
