/* Virtio over PCI, the modern interface: what the drivers of all virtio devices share.
 *
 * The device may be hostile or broken: what it says is checked where it is read, and nothing in a queue's memory that
 * the device can write decides over an address of ours. The queue's memory comes from the driver's own DMA pool.
 *
 * Source: Virtual I/O Device (VIRTIO) Version 1.1, OASIS: 2.6 (split virtqueues), 3.1 (initialisation), 4.1 (PCI).
 */
#ifndef TESSERA_VIRTIO_H
#define TESSERA_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/start.h"

#define VIRTIO_VENDOR 0x1af4u

#define VIRTIO_FEATURE_INDIRECT (1ul << 28)
#define VIRTIO_FEATURE_VERSION  (1ul << 32)

#define VIRTIO_QUEUE_MAX 128u
#define VIRTQ_NEXT       1u
#define VIRTQ_WRITE      2u /* the device writes it */
#define VIRTQ_INDIRECT   4u
#define VIRTQ_SILENT     1u /* of the available ring: no interrupts (2.6.7) */

struct virtq_descriptor {
    uint64_t address; /* physical */
    uint32_t bytes;
    uint16_t flags, next;
};
struct virtq_available {
    uint16_t flags, index, ring[VIRTIO_QUEUE_MAX];
};
struct virtq_used {
    uint16_t flags, index;
    struct {
        uint32_t id, bytes;
    } ring[VIRTIO_QUEUE_MAX];
};
/* A queue's memory, page-aligned. */
struct virtq_memory {
    struct virtq_descriptor descriptors[VIRTIO_QUEUE_MAX];
    struct virtq_available available;
    uint8_t pad[4096 - sizeof(struct virtq_descriptor) * VIRTIO_QUEUE_MAX - sizeof(struct virtq_available)];
    struct virtq_used used;
};

struct virtq {
    volatile struct virtq_memory *memory;
    volatile uint16_t *doorbell;
    uint16_t number, size;    /* descriptors in use */
    uint16_t available, used; /* our own indices; the memory's are copies */
};

struct virtio {
    volatile uint8_t *common, *notify, *isr, *device; /* the four structures; `device` may be NULL */
    uint32_t notify_bytes, notify_multiplier, device_bytes;
    bool has_msix;
};

/* All return NULL, or what is wrong with the device. */

/* Finds the structures through the function's configuration space (proto/pci.h, enum driver_word) and resets it. */
const char *virtio_open(struct virtio *virtio, const struct start_page *start);
/* What the device offers; then: takes of `wanted` what is offered; VERSION_1 is always required. */
uint64_t virtio_offers(const struct virtio *virtio);
const char *virtio_negotiate(struct virtio *virtio, uint64_t wanted, uint64_t *accepted);
/* `memory` is zeroed. The queue uses interrupt vector 0. */
const char *virtio_queue_open(struct virtio *virtio, uint16_t number, struct virtq *queue, struct virtq_memory *memory,
                              uint64_t physical);
/* The interrupt comes, too, when the device's own configuration changes. After the queues. */
void virtio_watch_configuration(const struct virtio *virtio);
void virtio_run(struct virtio *virtio);
/* The device says that it cannot go on before it is reset (2.1.2): what virtio_open does. */
bool virtio_needs_reset(const struct virtio *virtio);
/* Nothing is the device's any more. A device that was never found is none. */
void virtio_stop(const struct virtio *virtio);

/* Reads and so clears the wired interrupt's cause; nothing to do with MSI-X. */
void virtio_interrupt_clear(const struct virtio *virtio);

/* Offers the chain that begins at `descriptor`, without telling the device yet. */
void virtq_offer(struct virtq *queue, uint16_t descriptor);
void virtq_notify(const struct virtq *queue);
/* Whether the device interrupts when it has used a chain. What it used just before it was told is to be looked for. */
void virtq_interrupts(struct virtq *queue, bool wanted);
/* The next chain that the device has used: 1 and what it says of it (not checked), 0 when there is none, -1 when its
 * index has jumped by more than `outstanding`. */
int virtq_take(struct virtq *queue, uint32_t outstanding, uint32_t *descriptor, uint32_t *bytes);

#endif
