/* The packet protocol: the net server and one driver of a network card share one region, which the card reaches by DMA.
 *
 *     from 0                                             from PACKET_DATA_OFFSET
 *     +----------------------------------------------+   +---------------------------------------+
 *     | head: what the card is | four rings           |   | packets, at offsets of the region      |
 *     +----------------------------------------------+   +---------------------------------------+
 *
 * Nobody copies a packet between the two: what travels in the rings is where it lies. All memory is the net server's:
 * it gives empty buffers in `empty` and gets them back filled in `received`, it offers packets in `send` and gets their
 * tags back in `sent` when the card has read them. Each ring has one writer, which writes entries, then its head, then
 * signals; each side keeps its own indices privately and reads each field of the other once. At most PACKET_IN_FLIGHT
 * entries of `empty`, and of `send`, are unanswered at a time, so no ring overflows, even when all were dropped and as
 * many come anew.
 *
 * A frame that the card put together of several segments comes in several buffers, which follow each other in
 * `received`: the card's header lies in the first one only.
 *
 * Generations. A driver that starts, again or for the first time, drops what it finds, counts `generation` up and
 * signals. Entries carry the generation that the net server knew; others are dropped unanswered. So a net server that
 * sees a new generation takes everything unanswered back: packets that were being sent are lost, as they may be on any
 * network. A net server that starts goes on at the indices that it finds and writes PACKET_ATTACH into `send`, and so
 * does one whose packets the card does not take: the driver resets the card, so that no buffer of before is with it,
 * and counts the generation up. Until then nothing more is written into `send`.
 */
#ifndef PROTO_PACKET_H
#define PROTO_PACKET_H

#include <abi/types.h>

#define PACKET_SLOTS        512u /* in each ring */
#define PACKET_IN_FLIGHT    240u
#define PACKET_REGION_BITS  22u
#define PACKET_REGION_BYTES (1u << PACKET_REGION_BITS)
#define PACKET_DATA_OFFSET  0x10000u
#define PACKET_HEADER_BYTES 12u   /* of the card's own, in front of a received frame */
#define PACKET_BUFFER_BYTES 1664u /* an empty buffer: the card's header, a frame of 1514 bytes, a VLAN tag */
#define PACKET_PARTS        8u    /* entries that one frame may be sent from */

enum packet_head_flags {
    PACKET_LINK_UP = 1 << 0,
    PACKET_FAILED = 1 << 1,          /* the card cannot be used */
    PACKET_SENDS_CHECKSUMS = 1 << 2, /* PACKET_CHECKSUM may be asked for */
};

enum packet_flags {
    PACKET_MORE = 1 << 0, /* the frame goes on in the next entry */
    /* send */
    PACKET_CHECKSUM = 1 << 1, /* first entry: the card sums from checksum_start to the end, and stores the sum
                                 checksum_offset behind that */
    PACKET_ATTACH = 1 << 2,   /* the last entry, of any generation: neither it nor what is before it is answered */
    /* received, first entry */
    PACKET_IS_VALID = 1 << 3, /* the card vouches for the TCP or UDP checksum */
};

struct packet_empty {
    uint32_t generation, tag;
    uint32_t offset; /* of PACKET_BUFFER_BYTES in the region */
    uint32_t reserved;
};

struct packet_received {
    uint32_t tag;
    uint16_t bytes; /* of the frame: in its first buffer from PACKET_HEADER_BYTES on, in others from 0. 0: none */
    uint16_t flags;
};

struct packet_send {
    uint32_t generation, tag; /* the tag of a frame's last entry comes back in `sent` */
    uint32_t offset;          /* in the region */
    uint16_t bytes, flags;
    uint16_t checksum_start, checksum_offset;
    uint32_t reserved;
};

struct packet_index {
    _Atomic uint32_t head;
    uint32_t pad[15];
};

struct packet_region {
    _Atomic uint32_t generation; /* written by the driver; 0: none has started yet */
    _Atomic uint32_t flags;      /* enum packet_head_flags */
    uint8_t mac[6];
    uint16_t mtu; /* bytes of a frame without its 14 bytes of head */
    uint32_t reserved[12];
    struct packet_index empty_index, send_index;    /* written by the net server */
    struct packet_index received_index, sent_index; /* written by the driver */
    struct packet_empty empty[PACKET_SLOTS];
    struct packet_send send[PACKET_SLOTS];
    struct packet_received received[PACKET_SLOTS];
    uint32_t sent[PACKET_SLOTS];
};
_Static_assert(PACKET_SLOTS >= 2 * PACKET_IN_FLIGHT, "what was dropped, and what comes anew");
_Static_assert(sizeof(struct packet_region) <= PACKET_DATA_OFFSET, "the head fits");

#endif
