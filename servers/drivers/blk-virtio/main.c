/* The virtio block driver: one disk, one client (proto/block.h). The same source serves both architectures.
 *
 * It holds its function's registers, its interrupt, a DMA pool for queue and request headers, and the region that it
 * shares with the client; data never passes through it. The client's requests are checked against disk and region, the
 * device's answers against what is outstanding. A device that breaks the rules is not asked again: BLOCK_FAILED.
 *
 * Source: VIRTIO 1.1, 5.2 (block device).
 */
#include <stdatomic.h>

#include "proto/block.h"
#include "proto/pci.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"
#include "tessera/virtio.h"

#define FEATURE_READ_ONLY (1ul << 5)
#define FEATURE_FLUSH     (1ul << 9)
enum { TYPE_READ = 0, TYPE_WRITE = 1, TYPE_FLUSH = 4, TYPE_ID = 8 };
enum { STATUS_OK = 0, STATUS_UNSET = 0xff };
enum { CONFIG_CAPACITY = 0, CONFIG_BYTES = 8 };
#define PARTS 3u /* descriptors of a request: header, data, status */

/* One request of the device's. What the device reads and writes lies in the pool. */
struct request_memory {
    struct virtq_descriptor table[PARTS]; /* the indirect descriptors */
    struct {
        uint32_t type, reserved;
        uint64_t sector;
    } header;
    volatile uint8_t status;
    uint8_t pad[128 - sizeof(struct virtq_descriptor) * PARTS - 17];
};
_Static_assert(sizeof(struct request_memory) == 128, "does not cross a page");

struct pool_memory {
    struct virtq_memory queue;
    uint8_t pad[8192 - sizeof(struct virtq_memory)];
    struct request_memory requests[BLOCK_SLOTS];
    char id[BLOCK_ID_BYTES];
};

struct slot {
    bool is_busy, is_read;
    uint32_t tag, bytes;
};

struct driver {
    struct virtio virtio;
    struct virtq queue;
    struct pool_memory *pool;
    uint64_t pool_physical, shared_physical, shared_bytes;
    struct block_region *region;
    uint64_t sectors, features;
    uint32_t generation;
    uint32_t request_tail, answer_head; /* our own indices */
    uint32_t slot_count, busy_count;
    bool has_failed, is_attaching;
    struct slot slots[BLOCK_SLOTS];
};

/* ---- the client's side --------------------------------------------------------------------------------------- */

static void answer(struct driver *driver, uint32_t tag, enum block_status status)
{
    struct block_answer *place = &driver->region->answers[driver->answer_head++ % BLOCK_SLOTS];
    place->tag = tag;
    place->status = status;
    atomic_store_explicit(&driver->region->answer_head, driver->answer_head, memory_order_release);
}

static bool is_allowed(const struct driver *driver, const struct block_request *r)
{
    if (r->operation == BLOCK_FLUSH)
        return true;
    if (r->operation != BLOCK_READ && (r->operation != BLOCK_WRITE || (driver->features & FEATURE_READ_ONLY)))
        return false;
    uint64_t count = r->bytes / BLOCK_SECTOR_BYTES;
    return count != 0 && r->bytes % BLOCK_SECTOR_BYTES == 0 && r->offset >= BLOCK_DATA_OFFSET &&
           r->offset <= driver->shared_bytes && r->bytes <= driver->shared_bytes - r->offset &&
           r->sector <= driver->sectors && count <= driver->sectors - r->sector;
}

/* ---- the device's side --------------------------------------------------------------------------------------- */

static void device_failed(struct driver *driver, const char *why)
{
    if (!driver->has_failed)
        log_text("blk-virtio: the disk is given up: %s\n", why);
    driver->has_failed = true;
    driver->region->flags |= BLOCK_FAILED;
    for (uint32_t i = 0; i < driver->slot_count; i++)
        if (driver->slots[i].is_busy) {
            driver->slots[i].is_busy = false;
            answer(driver, driver->slots[i].tag, BLOCK_IO_ERROR);
        }
    driver->busy_count = 0;
}

/* Descriptors header, data (none for a flush) and status, in the indirect table or three of the queue's own. */
static void device_submit(struct driver *driver, uint32_t n, uint32_t type, uint64_t sector, uint64_t data,
                          uint32_t bytes)
{
    struct request_memory *memory = &driver->pool->requests[n];
    uint64_t physical = driver->pool_physical + ((uint64_t)(uintptr_t)memory - (uint64_t)(uintptr_t)driver->pool);
    bool is_indirect = driver->features & VIRTIO_FEATURE_INDIRECT;
    uint32_t first = is_indirect ? 0 : n * PARTS, count = 0;
    struct virtq_descriptor parts[PARTS];
    memory->header.type = type;
    memory->header.reserved = 0;
    memory->header.sector = sector;
    memory->status = STATUS_UNSET;
    parts[count++] = (struct virtq_descriptor){physical + offsetof(struct request_memory, header), 16, VIRTQ_NEXT, 0};
    if (bytes > 0)
        parts[count++] =
            (struct virtq_descriptor){data, bytes, (uint16_t)(VIRTQ_NEXT | (type == TYPE_WRITE ? 0 : VIRTQ_WRITE)), 0};
    parts[count++] = (struct virtq_descriptor){physical + offsetof(struct request_memory, status), 1, VIRTQ_WRITE, 0};
    for (uint32_t i = 0; i < count; i++) {
        parts[i].next = (uint16_t)(first + i + 1 < first + count ? first + i + 1 : 0);
        if (is_indirect)
            memory->table[i] = parts[i];
        else
            driver->queue.memory->descriptors[first + i] = parts[i];
    }
    if (is_indirect)
        driver->queue.memory->descriptors[n] =
            (struct virtq_descriptor){physical, (uint32_t)(count * sizeof(struct virtq_descriptor)), VIRTQ_INDIRECT, 0};
    virtq_offer(&driver->queue, (uint16_t)(is_indirect ? n : first));
}

static uint32_t slot_take(struct driver *driver, uint32_t tag, uint32_t bytes, bool is_read)
{
    uint32_t n = 0;
    while (driver->slots[n].is_busy)
        n++;
    driver->slots[n] = (struct slot){.is_busy = true, .is_read = is_read, .tag = tag, .bytes = bytes};
    driver->busy_count++;
    return n;
}

/* Takes the client's requests while there are slots. A request is copied before it is looked at. */
static void requests_take(struct driver *driver)
{
    bool any = false;
    while (driver->busy_count < driver->slot_count && !driver->is_attaching) {
        uint32_t head = atomic_load_explicit(&driver->region->request_head, memory_order_acquire);
        if (head - driver->request_tail - 1 >= BLOCK_SLOTS) /* nothing new, or nonsense */
            break;
        struct block_request request =
            *(volatile struct block_request *)&driver->region->requests[driver->request_tail++ % BLOCK_SLOTS];
        if (request.operation == BLOCK_ATTACH) {
            driver->is_attaching = true;
            break;
        }
        if (request.generation != driver->generation)
            continue;
        if (driver->has_failed || !is_allowed(driver, &request)) {
            answer(driver, request.tag, driver->has_failed ? BLOCK_IO_ERROR : BLOCK_BAD_REQUEST);
            continue;
        }
        bool is_flush = request.operation == BLOCK_FLUSH;
        if (is_flush && !(driver->features & FEATURE_FLUSH)) { /* 5.2.6.2: such a device writes through */
            answer(driver, request.tag, BLOCK_OK);
            continue;
        }
        uint32_t type = is_flush ? TYPE_FLUSH : request.operation == BLOCK_READ ? TYPE_READ : TYPE_WRITE;
        uint32_t bytes = is_flush ? 0 : request.bytes;
        uint32_t n = slot_take(driver, request.tag, bytes, type == TYPE_READ);
        device_submit(driver, n, type, is_flush ? 0 : request.sector, driver->shared_physical + request.offset, bytes);
        any = true;
    }
    if (any)
        virtq_notify(&driver->queue);
}

/* One chain that the device says it has done; false: it may not say so. */
static bool answer_take(struct driver *driver, uint32_t descriptor, uint32_t bytes, uint32_t *n)
{
    uint32_t parts = driver->features & VIRTIO_FEATURE_INDIRECT ? 1 : PARTS;
    *n = descriptor / parts;
    if (descriptor % parts != 0 || *n >= driver->slot_count || !driver->slots[*n].is_busy)
        return false;
    const struct slot *slot = &driver->slots[*n];
    return bytes <= (slot->is_read ? slot->bytes : 0) + 1;
}

static void answers_take(struct driver *driver)
{
    uint32_t descriptor, bytes, n;
    int taken = 0;
    while (!driver->has_failed && (taken = virtq_take(&driver->queue, driver->busy_count, &descriptor, &bytes)) > 0) {
        if (!answer_take(driver, descriptor, bytes, &n)) {
            device_failed(driver, "it answers what was not asked");
            return;
        }
        struct slot *slot = &driver->slots[n];
        bool is_whole = !slot->is_read || bytes == slot->bytes + 1;
        bool is_good = driver->pool->requests[n].status == STATUS_OK && is_whole;
        slot->is_busy = false;
        driver->busy_count--;
        answer(driver, slot->tag, is_good ? BLOCK_OK : BLOCK_IO_ERROR);
    }
    if (taken < 0)
        device_failed(driver, "its index runs ahead of the requests");
}

/* ---- start --------------------------------------------------------------------------------------------------- */

/* The capacity may change while it is read: both halves must come from one state (2.4.1), which 64-bit reads on the
 * other side of a bus do not promise. */
static const char *capacity_read(struct driver *driver)
{
    const volatile uint32_t *config = (const volatile uint32_t *)(const volatile void *)driver->virtio.device;
    if (!config || driver->virtio.device_bytes < CONFIG_BYTES)
        return "it does not say how large it is";
    uint32_t high, low;
    do {
        high = config[1];
        low = config[0];
    } while (config[1] != high);
    driver->sectors = (uint64_t)high << 32 | low;
    return NULL;
}

static const char *device_open(struct driver *driver, const struct start_page *start)
{
    const char *problem = virtio_open(&driver->virtio, start);
    memset(driver->pool, 0, sizeof(*driver->pool)); /* a driver before this one has used it; the device is reset */
    if (!problem)
        problem = virtio_negotiate(&driver->virtio, VIRTIO_FEATURE_INDIRECT | FEATURE_READ_ONLY | FEATURE_FLUSH,
                                   &driver->features);
    if (!problem)
        problem = capacity_read(driver);
    if (!problem)
        problem = virtio_queue_open(&driver->virtio, 0, &driver->queue, &driver->pool->queue,
                                    driver->pool_physical + offsetof(struct pool_memory, queue));
    if (problem)
        return problem;
    uint32_t parts = driver->features & VIRTIO_FEATURE_INDIRECT ? 1 : PARTS;
    driver->slot_count = driver->queue.size / parts < BLOCK_SLOTS ? driver->queue.size / parts : BLOCK_SLOTS;
    if (driver->slot_count == 0)
        return "its queue is too small";
    virtio_run(&driver->virtio);
    return NULL;
}

static void interrupt_take(const struct driver *driver)
{
    virtio_interrupt_clear(&driver->virtio);
    (void)irq_handler_ack(DRIVER_CAP_IRQ);
}

/* The disk's serial number (5.2.6: GET_ID), before there is a client. */
static const char *id_read(struct driver *driver)
{
    uint32_t n = slot_take(driver, 0, BLOCK_ID_BYTES, true), descriptor, bytes;
    device_submit(driver, n, TYPE_ID, 0, driver->pool_physical + offsetof(struct pool_memory, id), BLOCK_ID_BYTES);
    virtq_notify(&driver->queue);
    int taken;
    while ((taken = virtq_take(&driver->queue, 1, &descriptor, &bytes)) == 0)
        if (notification_wait(PROCESS_CAP_NOTIFICATION) & DRIVER_SIGNAL_IRQ)
            interrupt_take(driver);
    bool is_asked = taken > 0 && answer_take(driver, descriptor, bytes, &n);
    driver->slots[0].is_busy = false; /* the first: the client is told nothing of it */
    driver->busy_count--;
    if (!is_asked)
        return "it answers what was not asked";
    if (driver->pool->requests[n].status == STATUS_OK) /* else it has none */
        memcpy(driver->region->id, driver->pool->id, BLOCK_ID_BYTES);
    return NULL;
}

static void client_greet(struct driver *driver)
{
    struct block_region *region = driver->region;
    driver->is_attaching = false;
    if (++driver->generation == 0)
        driver->generation = 1;
    region->sectors = driver->sectors;
    region->flags = driver->features & FEATURE_READ_ONLY ? BLOCK_READ_ONLY : 0;
    if (driver->has_failed)
        region->flags |= BLOCK_FAILED;
    atomic_store_explicit(&region->generation, driver->generation, memory_order_release);
    notification_signal(DRIVER_CAP_CLIENT_SIGNAL);
}

int program_main(const struct start_page *start)
{
    static struct driver driver;
    driver.pool = (struct pool_memory *)start->words[DRIVER_WORD_DMA];
    driver.pool_physical = start->words[DRIVER_WORD_DMA_PHYSICAL];
    driver.region = (struct block_region *)start->words[DRIVER_WORD_SHARED];
    driver.shared_physical = start->words[DRIVER_WORD_SHARED_PHYSICAL];
    driver.shared_bytes = start->words[DRIVER_WORD_SHARED_BYTES];
    const char *problem =
        start->words[DRIVER_WORD_DMA_BYTES] < sizeof(struct pool_memory) ? "its pool is too small" : NULL;
    if (!problem)
        problem = device_open(&driver, start);
    if (!problem)
        problem = id_read(&driver);
    driver.request_tail = atomic_load_explicit(&driver.region->request_head, memory_order_acquire);
    driver.answer_head = atomic_load_explicit(&driver.region->answer_head, memory_order_relaxed);
    driver.generation = atomic_load_explicit(&driver.region->generation, memory_order_relaxed);
    if (problem)
        device_failed(&driver, problem);
    client_greet(&driver);
    for (;;) {
        uint32_t before = driver.answer_head;
        answers_take(&driver);
        requests_take(&driver);
        if (driver.is_attaching && driver.busy_count == 0) {
            client_greet(&driver);
            continue;
        }
        if (driver.answer_head != before)
            notification_signal(DRIVER_CAP_CLIENT_SIGNAL);
        if (notification_wait(PROCESS_CAP_NOTIFICATION) & DRIVER_SIGNAL_IRQ)
            interrupt_take(&driver);
    }
}
