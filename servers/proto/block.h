/* The block protocol: one client and one driver share one region, which the device reaches by DMA as well.
 *
 *     page 0                                            the rest
 *     +----------------------------------------------+  +--------------------------------+
 *     | head: what the disk is | requests | answers   |  | data, at offsets of the region |
 *     +----------------------------------------------+  +--------------------------------+
 *
 * The client writes requests and its head index, then signals the driver (DRIVER_SIGNAL_CLIENT); the driver writes
 * answers and its head index, then signals the client. At most BLOCK_IN_FLIGHT requests are unanswered at a
 * time, so neither ring overflows. Requests in flight have no order among themselves: who needs one waits for the
 * answer. Both sides keep their own indices privately and read each field of the other once. A request's data may not
 * change until it is answered, or the device may see either.
 *
 * Generations. A driver that starts, again or for the first time, drops what it finds, counts `generation` up and
 * signals. Requests carry the generation that the client knew; others are dropped unanswered. So a client that sees a
 * new generation submits everything unanswered again: block requests may be repeated.
 *
 * A client that starts goes on at the indices that it finds and submits BLOCK_ATTACH alone; nothing is answered, but
 * when nothing of an earlier client's is with the device any more, the driver counts the generation up: the data is
 * free.
 */
#ifndef PROTO_BLOCK_H
#define PROTO_BLOCK_H

#include <abi/types.h>

#define BLOCK_SECTOR_BYTES 512u
#define BLOCK_SLOTS        64u /* in each ring; */
#define BLOCK_IN_FLIGHT    48u /* and unanswered requests of a client at most */
#define BLOCK_DATA_OFFSET  4096u
#define BLOCK_REGION_BYTES 0x100000u
#define BLOCK_ID_BYTES     20u

enum block_operation {
    BLOCK_READ = 1, /* sectors into the region */
    BLOCK_WRITE,    /* and out of it; on the medium only after a flush */
    BLOCK_FLUSH,    /* everything whose write was answered before this was submitted is on the medium */
    BLOCK_ATTACH,   /* of any generation, not answered: see above */
};

enum block_status {
    BLOCK_OK = 0,
    BLOCK_IO_ERROR,    /* the device said so, or it misbehaved; what was transferred is unknown */
    BLOCK_BAD_REQUEST, /* beyond the disk or the region, not whole sectors, unknown operation, write to a read-only disk
                        */
};

enum block_flags {
    BLOCK_READ_ONLY = 1 << 0,
    BLOCK_FAILED = 1 << 1, /* the device cannot be used: every request is an I/O error */
};

struct block_request {
    uint32_t operation; /* enum block_operation */
    uint32_t generation;
    uint32_t tag;    /* the client's own: comes back in the answer */
    uint32_t offset; /* of the region */
    uint64_t sector;
    uint32_t bytes; /* a multiple of BLOCK_SECTOR_BYTES */
    uint32_t reserved;
};

struct block_answer {
    uint32_t tag, status;
};

struct block_region {
    _Atomic uint32_t generation; /* written by the driver; 0: none has started yet */
    uint32_t flags;              /* written by the driver before its generation, like the next two */
    uint64_t sectors;
    char id[BLOCK_ID_BYTES]; /* the disk's serial number, padded with NUL */
    uint32_t reserved[7];
    _Atomic uint32_t request_head; /* written by the client */
    uint32_t pad0[15];
    _Atomic uint32_t answer_head; /* written by the driver */
    uint32_t pad1[15];
    struct block_request requests[BLOCK_SLOTS];
    struct block_answer answers[BLOCK_SLOTS];
};
_Static_assert(sizeof(struct block_region) <= BLOCK_DATA_OFFSET, "the head fits its page");

#endif
