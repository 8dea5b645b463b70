/* See tessera/virtio.h. */
#include "tessera/virtio.h"

#include <stdatomic.h>

#include "proto/pci.h"

/* Configuration space (PCI Local Bus 3.0, 6.7) and virtio's capability in it (4.1.4) */
enum { PCI_STATUS = 0x06, PCI_CAPABILITIES = 0x34 };
enum {
    CAP_ID = 0,
    CAP_NEXT = 1,
    CAP_BYTES = 2,
    CAP_TYPE = 3,
    CAP_BAR = 4,
    CAP_OFFSET = 8,
    CAP_LENGTH = 12,
    CAP_NOTIFY = 16
};
#define CAP_VENDOR 0x09u
enum structure { STRUCTURE_COMMON = 1, STRUCTURE_NOTIFY, STRUCTURE_ISR, STRUCTURE_DEVICE };

/* struct virtio_pci_common_cfg (4.1.4.3) */
enum {
    DEVICE_FEATURE_SELECT = 0,
    DEVICE_FEATURE = 4,
    DRIVER_FEATURE_SELECT = 8,
    DRIVER_FEATURE = 12,
    MSIX_CONFIG = 16,
    DEVICE_STATUS = 20,
    QUEUE_SELECT = 22,
    QUEUE_SIZE = 24,
    QUEUE_MSIX_VECTOR = 26,
    QUEUE_ENABLE = 28,
    QUEUE_NOTIFY_OFF = 30,
    QUEUE_DESCRIPTORS = 32,
    QUEUE_DRIVER = 40,
    QUEUE_DEVICE = 48,
    COMMON_BYTES = 56
};
enum {
    STATUS_ACKNOWLEDGE = 1,
    STATUS_DRIVER = 2,
    STATUS_DRIVER_OK = 4,
    STATUS_FEATURES_OK = 8,
    STATUS_NEEDS_RESET = 64
};
#define NO_VECTOR   0xffffu
#define RESET_TRIES 10000000u

static uint8_t read_8(volatile uint8_t *base, uint32_t at)
{
    return base[at];
}
static uint16_t read_16(volatile uint8_t *base, uint32_t at)
{
    return *(volatile uint16_t *)(volatile void *)(base + at);
}
static uint32_t read_32(volatile uint8_t *base, uint32_t at)
{
    return *(volatile uint32_t *)(volatile void *)(base + at);
}
static void write_16(volatile uint8_t *base, uint32_t at, uint32_t value)
{
    *(volatile uint16_t *)(volatile void *)(base + at) = (uint16_t)value;
}
static void write_32(volatile uint8_t *base, uint32_t at, uint32_t value)
{
    *(volatile uint32_t *)(volatile void *)(base + at) = value;
}
/* 64-bit fields are written in halves (4.1.3.1). */
static void write_64(volatile uint8_t *base, uint32_t at, uint64_t value)
{
    write_32(base, at, (uint32_t)value);
    write_32(base, at + 4, (uint32_t)(value >> 32));
}

/* Between memory that a device sees and its registers. */
static void device_fence(void)
{
#if defined(__aarch64__)
    __asm__ volatile("dmb osh" ::: "memory");
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* Where a structure lies; NULL when it does not lie within a BAR that is mapped. */
static volatile uint8_t *structure_place(const struct start_page *start, volatile uint8_t *cap, uint32_t *bytes)
{
    uint32_t bar = read_8(cap, CAP_BAR), offset = read_32(cap, CAP_OFFSET), length = read_32(cap, CAP_LENGTH);
    if (bar >= PCI_BARS || start->words[DRIVER_WORD_BARS + bar] == 0 || offset % 4 != 0)
        return NULL;
    uint64_t bar_bytes = start->words[DRIVER_WORD_BAR_BYTES + bar];
    if (offset > bar_bytes || length > bar_bytes - offset)
        return NULL;
    *bytes = length;
    return (volatile uint8_t *)start->words[DRIVER_WORD_BARS + bar] + offset;
}

/* The first of each kind counts (4.1.4.1). */
static void structure_take(struct virtio *virtio, const struct start_page *start, volatile uint8_t *cap)
{
    uint32_t bytes = 0;
    volatile uint8_t *place = structure_place(start, cap, &bytes);
    switch (place ? read_8(cap, CAP_TYPE) : 0) {
    case STRUCTURE_COMMON:
        if (!virtio->common && bytes >= COMMON_BYTES)
            virtio->common = place;
        break;
    case STRUCTURE_NOTIFY:
        if (!virtio->notify && bytes >= 2) {
            virtio->notify = place;
            virtio->notify_bytes = bytes;
            virtio->notify_multiplier = read_32(cap, CAP_NOTIFY);
        }
        break;
    case STRUCTURE_ISR:
        if (!virtio->isr && bytes >= 1)
            virtio->isr = place;
        break;
    case STRUCTURE_DEVICE:
        if (!virtio->device) {
            virtio->device = place;
            virtio->device_bytes = bytes;
        }
        break;
    default:
        break;
    }
}

const char *virtio_open(struct virtio *virtio, const struct start_page *start)
{
    volatile uint8_t *space = (volatile uint8_t *)start->words[DRIVER_WORD_CONFIGURATION];
    *virtio = (struct virtio){.has_msix = start->words[DRIVER_WORD_HAS_MSIX] != 0};
    uint32_t at = read_8(space, PCI_CAPABILITIES) & ~3u;
    for (uint32_t steps = 0; steps < 48 && at >= 0x40 && at <= 0x100 - CAP_NOTIFY - 4; steps++) {
        if (read_8(space, at + CAP_ID) == CAP_VENDOR && read_8(space, at + CAP_BYTES) >= CAP_NOTIFY)
            structure_take(virtio, start, space + at);
        at = read_8(space, at + CAP_NEXT) & ~3u;
    }
    if (!virtio->common || !virtio->notify || !virtio->isr)
        return "it has no modern virtio interface";
    virtio->common[DEVICE_STATUS] = 0;
    for (uint32_t tries = 0; read_8(virtio->common, DEVICE_STATUS) != 0; tries++)
        if (tries == RESET_TRIES)
            return "it does not reset";
    virtio->common[DEVICE_STATUS] = STATUS_ACKNOWLEDGE;
    virtio->common[DEVICE_STATUS] = STATUS_ACKNOWLEDGE | STATUS_DRIVER;
    return NULL;
}

uint64_t virtio_offers(const struct virtio *virtio)
{
    uint64_t offered = 0;
    for (uint32_t half = 0; half < 2; half++) {
        write_32(virtio->common, DEVICE_FEATURE_SELECT, half);
        offered |= (uint64_t)read_32(virtio->common, DEVICE_FEATURE) << 32 * half;
    }
    return offered;
}

const char *virtio_negotiate(struct virtio *virtio, uint64_t wanted, uint64_t *accepted)
{
    volatile uint8_t *common = virtio->common;
    uint64_t offered = virtio_offers(virtio);
    if (!(offered & VIRTIO_FEATURE_VERSION))
        return "it does not offer VIRTIO_F_VERSION_1";
    *accepted = offered & (wanted | VIRTIO_FEATURE_VERSION);
    for (uint32_t half = 0; half < 2; half++) {
        write_32(common, DRIVER_FEATURE_SELECT, half);
        write_32(common, DRIVER_FEATURE, (uint32_t)(*accepted >> 32 * half));
    }
    common[DEVICE_STATUS] = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK;
    return read_8(common, DEVICE_STATUS) & STATUS_FEATURES_OK ? NULL : "it refuses the features that it offered";
}

const char *virtio_queue_open(struct virtio *virtio, uint16_t number, struct virtq *queue, struct virtq_memory *memory,
                              uint64_t physical)
{
    volatile uint8_t *common = virtio->common;
    write_16(common, QUEUE_SELECT, number);
    uint32_t size = read_16(common, QUEUE_SIZE);
    if (size > VIRTIO_QUEUE_MAX)
        size = VIRTIO_QUEUE_MAX;
    if (size == 0 || (size & (size - 1)) != 0)
        return "its queue has no size";
    uint64_t doorbell = (uint64_t)read_16(common, QUEUE_NOTIFY_OFF) * virtio->notify_multiplier;
    if (doorbell > virtio->notify_bytes - 2u || doorbell % 2 != 0)
        return "its queue's doorbell lies outside of its registers";
    uint32_t vector = virtio->has_msix ? 0 : NO_VECTOR;
    write_16(common, QUEUE_SIZE, size);
    write_16(common, MSIX_CONFIG, NO_VECTOR);
    write_16(common, QUEUE_MSIX_VECTOR, vector);
    if (read_16(common, QUEUE_MSIX_VECTOR) != vector)
        return "it has no interrupt vector left";
    write_64(common, QUEUE_DESCRIPTORS, physical + offsetof(struct virtq_memory, descriptors));
    write_64(common, QUEUE_DRIVER, physical + offsetof(struct virtq_memory, available));
    write_64(common, QUEUE_DEVICE, physical + offsetof(struct virtq_memory, used));
    write_16(common, QUEUE_ENABLE, 1);
    *queue = (struct virtq){
        .memory = memory,
        .doorbell = (volatile uint16_t *)(volatile void *)(virtio->notify + doorbell),
        .number = number,
        .size = (uint16_t)size,
    };
    return NULL;
}

void virtio_watch_configuration(const struct virtio *virtio)
{
    if (virtio->has_msix)
        write_16(virtio->common, MSIX_CONFIG, 0);
}

void virtio_run(struct virtio *virtio)
{
    virtio->common[DEVICE_STATUS] = STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;
}

bool virtio_needs_reset(const struct virtio *virtio)
{
    return read_8(virtio->common, DEVICE_STATUS) & STATUS_NEEDS_RESET;
}

void virtio_stop(const struct virtio *virtio)
{
    if (virtio->common)
        virtio->common[DEVICE_STATUS] = 0;
}

void virtio_interrupt_clear(const struct virtio *virtio)
{
    if (!virtio->has_msix)
        (void)read_8(virtio->isr, 0);
}

void virtq_offer(struct virtq *queue, uint16_t descriptor)
{
    queue->memory->available.ring[queue->available % queue->size] = descriptor;
    device_fence();
    queue->memory->available.index = ++queue->available;
}

void virtq_notify(const struct virtq *queue)
{
    device_fence();
    *queue->doorbell = queue->number;
}

void virtq_interrupts(struct virtq *queue, bool wanted)
{
    queue->memory->available.flags = wanted ? 0 : VIRTQ_SILENT;
    device_fence();
}

int virtq_take(struct virtq *queue, uint32_t outstanding, uint32_t *descriptor, uint32_t *bytes)
{
    uint16_t waiting = (uint16_t)(queue->memory->used.index - queue->used);
    if (waiting == 0)
        return 0;
    if (waiting > outstanding)
        return -1;
    device_fence();
    uint32_t at = queue->used++ % queue->size;
    *descriptor = queue->memory->used.ring[at].id;
    *bytes = queue->memory->used.ring[at].bytes;
    return 1;
}
