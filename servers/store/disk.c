/* Disks over the block protocol (proto/block.h): writes go on in the background, reads and flushes wait.
 *
 * A region's data area is cut into pieces; a request has one, and its number is the tag. Requests in flight have no
 * order, so what overlaps one that is being written waits for it. A driver that starts again gets everything
 * unanswered once more.
 */
#include "disk.h"

#include <stdatomic.h>

#include "device.h"
#include "proto/block.h"
#include "tessera/syscall.h"
#include "tessera/text.h"

#define PIECES    (BLOCK_REGION_BYTES / DISK_PIECE_BYTES - 1) /* the first holds the region's head */
#define TAG_SHIFT 8

struct piece {
    bool is_busy, is_done;
    uint32_t status; /* once done */
    struct block_request request;
};

static struct port {
    struct block_region *region;
    cptr signal;
    uint32_t generation, request_head, answer_tail;
    uint64_t sectors;
    uint32_t busy_count;
    uint32_t space;  /* the piece that disk_space gave + 1, 0: none */
    bool has_failed; /* a write since the last flush */
    uint32_t ahead;  /* the piece that holds what was read beyond what was asked + 1, 0: none; nobody waits for it */
    uint64_t next;   /* sector behind the last that was asked */
    struct piece pieces[PIECES];
} ports[DISKS];
static cptr wait_cap;

static uint8_t *piece_bytes(struct port *port, uint32_t n)
{
    return (uint8_t *)port->region + (uint64_t)(n + 1) * DISK_PIECE_BYTES;
}

/* ---- requests and answers ------------------------------------------------------------------------------------ */

static void submit(struct port *port, const struct block_request *request)
{
    port->region->requests[port->request_head++ % BLOCK_SLOTS] = *request;
    atomic_store_explicit(&port->region->request_head, port->request_head, memory_order_release);
    notification_signal(port->signal);
}

static void piece_submit(struct port *port, uint32_t n)
{
    struct piece *piece = &port->pieces[n];
    piece->request.generation = port->generation;
    piece->request.tag = n | port->generation << TAG_SHIFT;
    submit(port, &piece->request);
}

static void piece_end(struct port *port, struct piece *piece, uint32_t status)
{
    piece->is_done = true;
    piece->status = status;
    if (piece->request.operation == BLOCK_WRITE) {
        port->has_failed |= status != BLOCK_OK;
        piece->is_busy = false;
        port->busy_count--;
    }
}

/* A driver that has started again dropped everything. */
static void generation_check(struct port *port)
{
    uint32_t generation = atomic_load_explicit(&port->region->generation, memory_order_acquire);
    if (generation == port->generation)
        return;
    port->generation = generation;
    for (uint32_t n = 0; n < PIECES; n++)
        if (port->pieces[n].is_busy && !port->pieces[n].is_done)
            piece_submit(port, n);
}

static void answers_take(struct port *port)
{
    uint32_t head = atomic_load_explicit(&port->region->answer_head, memory_order_acquire);
    if (head - port->answer_tail > BLOCK_SLOTS)
        port->answer_tail = head - BLOCK_SLOTS; /* nonsense: what was asked is asked again by nobody, and fails below */
    while (port->answer_tail != head) {
        struct block_answer answer =
            *(volatile struct block_answer *)&port->region->answers[port->answer_tail++ % BLOCK_SLOTS];
        uint32_t n = answer.tag & ((1u << TAG_SHIFT) - 1);
        if (n >= PIECES || !port->pieces[n].is_busy || port->pieces[n].is_done ||
            answer.tag != port->pieces[n].request.tag)
            continue; /* of a generation before this one */
        piece_end(port, &port->pieces[n], answer.status);
    }
    generation_check(port);
}

/* Looks once; when there was nothing new it waits for a signal of either driver. */
static void progress(struct port *port)
{
    uint32_t before = port->answer_tail, generation = port->generation;
    answers_take(port);
    if (port->answer_tail == before && port->generation == generation)
        (void)notification_wait(wait_cap);
}

static uint32_t piece_take(struct port *port)
{
    for (;;) {
        for (uint32_t n = 0; n < PIECES; n++)
            if (!port->pieces[n].is_busy) {
                port->pieces[n].is_busy = true;
                port->pieces[n].is_done = false;
                port->busy_count++;
                return n;
            }
        progress(port);
    }
}

static bool sectors_meet(const struct block_request *request, uint64_t sector, uint32_t bytes)
{
    return request->sector < sector + bytes / DISK_SECTOR_BYTES &&
           sector < request->sector + request->bytes / DISK_SECTOR_BYTES;
}

static bool overlaps(const struct port *port, uint64_t sector, uint32_t bytes)
{
    for (uint32_t n = 0; n < PIECES; n++)
        if (port->pieces[n].is_busy && port->pieces[n].request.operation == BLOCK_WRITE &&
            sectors_meet(&port->pieces[n].request, sector, bytes))
            return true;
    return false;
}

static struct block_request request_of(enum block_operation operation, uint32_t n, uint64_t sector, uint32_t bytes)
{
    return (struct block_request){
        .operation = operation, .offset = (n + 1) * DISK_PIECE_BYTES, .sector = sector, .bytes = bytes};
}

/* Submits one that is waited for. */
static bool perform(struct port *port, uint32_t n)
{
    struct piece *piece = &port->pieces[n];
    piece_submit(port, n);
    while (!piece->is_done)
        progress(port);
    return piece->status == BLOCK_OK;
}

static void piece_return(struct port *port, uint32_t n)
{
    port->pieces[n].is_busy = false;
    port->busy_count--;
}

/* ---- the interface ------------------------------------------------------------------------------------------- */

uint64_t disk_sectors(enum disk disk)
{
    return ports[disk].sectors;
}

static void ahead_drop(struct port *port)
{
    if (port->ahead)
        port->pieces[port->ahead - 1].is_busy = false;
    port->ahead = 0;
}

/* Where bytes that were read ahead lie; NULL: they were not. */
static const uint8_t *ahead_find(struct port *port, uint64_t offset, uint32_t count)
{
    if (!port->ahead)
        return NULL;
    const struct block_request *request = &port->pieces[port->ahead - 1].request;
    uint64_t begin = request->sector * DISK_SECTOR_BYTES;
    bool is_there = offset >= begin && offset + count <= begin + request->bytes;
    return is_there ? piece_bytes(port, port->ahead - 1) + (offset - begin) : NULL;
}

/* Who reads what lies behind what was read before gets a whole piece. Frames of the log are a few bytes apart, so the
 * last sector may be asked for again. */
static uint32_t read_length(const struct port *port, uint64_t sector, uint32_t whole)
{
    uint64_t left = (port->sectors - sector) * DISK_SECTOR_BYTES;
    bool is_sequential = sector == port->next || sector + 1 == port->next;
    return !is_sequential ? whole : left < DISK_PIECE_BYTES ? (uint32_t)left : DISK_PIECE_BYTES;
}

/* Reads a piece and keeps it. */
static bool piece_read(struct port *port, uint64_t sector, uint32_t bytes)
{
    while (overlaps(port, sector, bytes))
        progress(port);
    ahead_drop(port);
    uint32_t n = piece_take(port);
    port->pieces[n].request = request_of(BLOCK_READ, n, sector, bytes);
    if (!perform(port, n)) {
        piece_return(port, n);
        return false;
    }
    port->busy_count--;
    port->ahead = n + 1;
    return true;
}

bool disk_read(enum disk disk, uint64_t offset, void *bytes, uint32_t count)
{
    struct port *port = &ports[disk];
    uint64_t sector = offset / DISK_SECTOR_BYTES;
    uint32_t skip = offset % DISK_SECTOR_BYTES;
    uint32_t whole = (skip + count + DISK_SECTOR_BYTES - 1) / DISK_SECTOR_BYTES * DISK_SECTOR_BYTES;
    const uint8_t *found = ahead_find(port, offset, count);
    if (!found && piece_read(port, sector, read_length(port, sector, whole)))
        found = ahead_find(port, offset, count);
    port->next = sector + whole / DISK_SECTOR_BYTES;
    if (found)
        memcpy(bytes, found, count);
    return found != NULL;
}

/* Until it is written the piece is one that nobody waits for. */
uint8_t *disk_space(enum disk disk)
{
    struct port *port = &ports[disk];
    if (!port->space) {
        uint32_t n = piece_take(port);
        port->pieces[n].request = request_of(BLOCK_READ, n, 0, 0);
        port->pieces[n].is_done = true;
        port->busy_count--;
        port->space = n + 1;
    }
    return piece_bytes(port, port->space - 1);
}

bool disk_write(enum disk disk, uint64_t sector, uint32_t count)
{
    struct port *port = &ports[disk];
    while (overlaps(port, sector, count))
        progress(port);
    uint32_t n = port->space - 1;
    port->space = 0;
    if (port->ahead && sectors_meet(&port->pieces[port->ahead - 1].request, sector, count))
        ahead_drop(port);
    port->pieces[n].is_done = false;
    port->busy_count++;
    port->pieces[n].request = request_of(BLOCK_WRITE, n, sector, count);
    piece_submit(port, n);
    return true;
}

bool disk_flush(enum disk disk)
{
    struct port *port = &ports[disk];
    while (port->busy_count > 0)
        progress(port);
    uint32_t n = piece_take(port);
    port->pieces[n].request = request_of(BLOCK_FLUSH, n, 0, 0);
    bool is_good = perform(port, n) && !port->has_failed;
    piece_return(port, n);
    port->has_failed = false;
    return is_good;
}

/* ---- start --------------------------------------------------------------------------------------------------- */

/* Waits until nothing of a client before this one is with the device. */
static void attach(struct port *port)
{
    struct block_request request = {.operation = BLOCK_ATTACH};
    while ((port->generation = atomic_load(&port->region->generation)) == 0)
        (void)notification_wait(wait_cap);
    port->request_head = atomic_load(&port->region->request_head);
    submit(port, &request);
    uint32_t generation = port->generation;
    while ((port->generation = atomic_load(&port->region->generation)) == generation)
        (void)notification_wait(wait_cap);
    port->answer_tail = atomic_load(&port->region->answer_head);
    port->sectors = port->region->sectors;
}

const char *disks_open(const struct process_disk *description)
{
    wait_cap = (cptr)description->wait_cap;
    for (uint32_t i = 0; i < DISKS; i++) {
        ports[i].region = (struct block_region *)description->region[i];
        ports[i].signal = (cptr)description->signal_cap[i];
        attach(&ports[i]);
        if (ports[i].region->flags & BLOCK_FAILED)
            return "a disk cannot be used";
        if (ports[i].region->flags & BLOCK_READ_ONLY)
            return "a disk is read-only";
    }
    return NULL;
}
