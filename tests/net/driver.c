/* The network driver between a hostile card and a hostile net server, on the host.
 *
 * The driver's own source runs here; its system calls come to this file (TESSERA_SYSCALL_MODEL). Whenever it waits,
 * card and net server do something: the card mostly fills and sends what it was given, sometimes it puts nonsense into
 * a queue or its configuration, or says that it needs a reset; the net server mostly gives what is its own, sometimes
 * anything at all. Checked all the time: what the card is given lies in the pool or behind the head of the region,
 * whole frames in the order of their pieces; what the net server gets back it has given, once, of this generation.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/virtio_model.h"
#include "proto/packet.h"
#include "proto/pci.h"
#include "tessera/server.h"
#include "tessera/virtio.h"

#define STEPS    400
#define TAGS     100000u
#define MTU      1500u
#define FEATURES (1u << 0 | 1u << 1 | 1u << 3 | 1u << 5 | 1u << 16)
#define LARGE    (1u << 7 | 1u << 8 | 1u << 15) /* frames of several buffers */
#define BUFFERS  10                             /* where a header has the number of a frame's buffers */

int program_main(const struct start_page *start);

static uint8_t shared[PACKET_REGION_BYTES] __attribute__((aligned(4096)));
static struct ipc_buffer buffer;
static jmp_buf end;
static int steps;
static bool is_hostile_card, is_hostile_server, is_large;
static uint32_t due;       /* buffers of the frame that the card is receiving */
static uint32_t failed_in; /* the generation in which the card said that it needs a reset, just now; 0: it did not */
static struct totals {
    unsigned long received, large, sent, refused, restarts, given_up;
} * totals; /* of all rounds */

static struct packet_region *region(void)
{
    return (struct packet_region *)(void *)shared;
}

/* ---- the card ------------------------------------------------------------------------------------------------ */

/* A queue of the driver's pool: where it puts the first and the second. */
static struct card_queue {
    uint32_t pool_offset;
    uint16_t available, used;
    struct {
        uint32_t chain, bytes;
    } given[VIRTIO_QUEUE_MAX]; /* with the card, which does its work when it is given */
    uint32_t given_count;
} receive_queue = {.pool_offset = 0}, transmit_queue = {.pool_offset = 8192};

static struct virtq_memory *memory(const struct card_queue *queue)
{
    return (struct virtq_memory *)(void *)(model_pool + queue->pool_offset);
}

static uint8_t *physical(uint64_t address, uint64_t bytes, bool may_be_shared)
{
    return model_physical(address, bytes, may_be_shared, PACKET_DATA_OFFSET);
}

/* What a good card writes into a buffer: its header and a frame. */
static uint32_t fill(uint32_t chain)
{
    struct virtq_descriptor part = memory(&receive_queue)->descriptors[chain];
    if (part.flags != VIRTQ_WRITE || part.bytes != PACKET_BUFFER_BYTES)
        model_fail("an empty buffer is not one");
    uint32_t bytes = PACKET_HEADER_BYTES + 14 + (uint32_t)(model_random() % MTU);
    memset(physical(part.address, part.bytes, true), (int)model_random(), bytes);
    return bytes;
}

/* What a good card reads of a frame: a header of the driver's, then the net server's pieces. */
static uint32_t read_frame(uint32_t chain)
{
    const struct virtq_descriptor *table = memory(&transmit_queue)->descriptors;
    uint32_t total = 0, count = 0;
    for (uint32_t at = chain;; at = table[at].next, count++) {
        const uint8_t *bytes = physical(table[at].address, table[at].bytes, count > 0);
        if (count > PACKET_PARTS || (table[at].flags & VIRTQ_WRITE) || table[at].bytes == 0)
            model_fail("a chain is no frame");
        if (count == 0 && (table[at].bytes != PACKET_HEADER_BYTES || (bytes[0] & ~1u) || bytes[1]))
            model_fail("a frame's header asks for what was not negotiated");
        total += count > 0 ? table[at].bytes : 0;
        if (!(table[at].flags & VIRTQ_NEXT))
            break;
    }
    if (count == 0 || total > PACKET_BUFFER_BYTES - PACKET_HEADER_BYTES)
        model_fail("a frame is empty, or too long");
    return 0;
}

static void card_put(struct card_queue *queue, uint32_t id, uint32_t bytes)
{
    memory(queue)->used.ring[queue->used % VIRTIO_QUEUE_MAX].id = id;
    memory(queue)->used.ring[queue->used % VIRTIO_QUEUE_MAX].bytes = bytes;
    memory(queue)->used.index = ++queue->used;
}

/* The next buffer of a frame, or the first, which says how many there are. */
static void part_put(uint32_t chain)
{
    struct virtq_descriptor part = memory(&receive_queue)->descriptors[chain];
    if (due == 0) {
        uint8_t *header = physical(part.address, part.bytes, true);
        due = is_large ? 1 + (uint32_t)(model_random() % 5) : 1;
        header[BUFFERS] = (uint8_t)due;
        header[BUFFERS + 1] = 0;
    }
    due--;
}

static void card_nonsense(struct card_queue *queue)
{
    uint32_t known = queue->given_count > 0 ? queue->given[0].chain : 0;
    switch (model_random() % 5) {
    case 0:
        card_put(queue, (uint32_t)model_random(), (uint32_t)model_random());
        break;
    case 1:
        memory(queue)->used.index = queue->used += (uint16_t)(model_random() % 3000);
        break;
    case 2:
        card_put(queue, (uint32_t)(model_random() % VIRTIO_QUEUE_MAX), 100);
        break;
    case 3: /* twice */
        card_put(queue, known, 100);
        card_put(queue, known, 100);
        break;
    default:
        card_put(queue, known, UINT32_MAX);
        break;
    }
}

/* Its address, its link and the length of its frames change while it runs, or it runs no more. */
static void card_changes(void)
{
    uint8_t *configuration = model_card_configuration();
    if (model_random() % 4)
        configuration[model_random() % 12] ^= (uint8_t)model_random();
    else {
        model_card_fails();
        failed_in = region()->generation;
    }
}

static void failure_check(void)
{
    if (failed_in && failed_in == region()->generation && !(region()->flags & PACKET_FAILED))
        model_fail("a card that needs a reset is not reset");
    failed_in = 0;
}

static void queue_step(struct card_queue *queue, uint32_t (*perform)(uint32_t chain))
{
    while (queue->available != memory(queue)->available.index) {
        if (queue->given_count == VIRTIO_QUEUE_MAX) {
            if (!is_hostile_card) /* else it has said of some that it is through with them */
                model_fail("more chains than the queue has room for");
            queue->given_count = 0;
        }
        uint32_t chain = memory(queue)->available.ring[queue->available++ % VIRTIO_QUEUE_MAX];
        queue->given[queue->given_count].chain = chain;
        queue->given[queue->given_count++].bytes = perform(chain);
    }
    if (is_hostile_card && model_random() % 64 == 0) {
        card_nonsense(queue);
        return;
    }
    if (is_hostile_card && model_random() % 4) /* slow, or nothing at all for the rest of the round */
        return;
    for (uint64_t n = model_random() % 20; n > 0 && queue->given_count > 0; n--) {
        uint32_t at = (uint32_t)(model_random() % queue->given_count);
        if (queue == &receive_queue)
            part_put(queue->given[at].chain);
        card_put(queue, queue->given[at].chain, queue->given[at].bytes);
        queue->given[at] = queue->given[--queue->given_count];
    }
}

static void queue_reset(struct card_queue *queue)
{
    queue->available = queue->used = 0;
    queue->given_count = 0;
}

/* ---- the net server ------------------------------------------------------------------------------------------ */

enum tag_state { TAG_NEW, TAG_EMPTY, TAG_SENDING, TAG_BACK };
static uint8_t tags[TAGS]; /* enum tag_state */
static uint32_t generation, next_tag, empty_head, send_head, received_tail, sent_tail, empties, entries;
static uint8_t entries_of[TAGS];
static bool goes_on; /* a frame, in what is received next */

static uint32_t any(void)
{
    return (uint32_t)(model_random() >> model_random() % 64);
}

static void give_empty(void)
{
    bool is_good = !is_hostile_server || model_random() % 4;
    struct packet_empty empty = {generation, next_tag, PACKET_DATA_OFFSET + PACKET_BUFFER_BYTES * any() % 1000000, 0};
    bool is_taken = is_good;
    if (!is_good) {
        if (model_random() % 2) {
            empty.generation += 1000 + any() % 7; /* none that comes */
        } else {
            empty.offset = any();
            is_taken = empty.offset >= PACKET_DATA_OFFSET && empty.offset <= PACKET_REGION_BYTES - PACKET_BUFFER_BYTES;
        }
        totals->refused += !is_taken;
    }
    if (is_taken) {
        tags[next_tag] = TAG_EMPTY;
        empties++;
    }
    next_tag++;
    region()->empty[empty_head++ % PACKET_SLOTS] = empty;
    region()->empty_index.head = empty_head;
}

/* A frame of some pieces; of a hostile net server each may be anything, and there may be too many. */
static void give_frame(void)
{
    uint32_t count =
        1 + (uint32_t)(model_random() % (is_hostile_server && model_random() % 8 == 0 ? 20 : PACKET_PARTS));
    bool is_good = true;
    for (uint32_t i = 0; i < count; i++) {
        struct packet_send part = {
            .generation = generation,
            .tag = next_tag,
            .offset = PACKET_DATA_OFFSET + any() % 1000000,
            .bytes = (uint16_t)(1 + model_random() % 180),
            .flags = (uint16_t)((i + 1 < count ? PACKET_MORE : 0) | (model_random() % 2 ? PACKET_CHECKSUM : 0)),
            .checksum_start = (uint16_t)any(),
            .checksum_offset = (uint16_t)any(),
        };
        if (is_hostile_server && model_random() % 16 == 0)
            part.offset = any();
        if (is_hostile_server && model_random() % 16 == 0)
            part.bytes = (uint16_t)any();
        if (is_hostile_server && model_random() % 64 == 0)
            part.flags |= (uint16_t)(any() & ~(uint32_t)PACKET_MORE); /* ATTACH, too */
        is_good = is_good && part.offset >= PACKET_DATA_OFFSET && part.bytes > 0;
        region()->send[send_head++ % PACKET_SLOTS] = part;
    }
    totals->refused += !is_good;
    tags[next_tag] = TAG_SENDING;
    entries_of[next_tag++] = (uint8_t)count;
    entries += count;
    region()->send_index.head = send_head;
}

static void tag_back(uint32_t tag, enum tag_state was)
{
    if (tag >= next_tag || tags[tag] != was)
        model_fail("what comes back was not given, or it comes twice");
    tags[tag] = TAG_BACK;
}

static void take_back(void)
{
    while (received_tail != region()->received_index.head) {
        struct packet_received received = region()->received[received_tail++ % PACKET_SLOTS];
        tag_back(received.tag, TAG_EMPTY);
        if (received.bytes > PACKET_BUFFER_BYTES - (goes_on ? 0 : PACKET_HEADER_BYTES))
            model_fail("a frame is longer than its buffer");
        goes_on = received.flags & PACKET_MORE;
        if (goes_on && !is_large && !is_hostile_card)
            model_fail("a frame goes on in a second buffer");
        totals->large += goes_on;
        totals->received += received.bytes > 0;
        empties--;
    }
    while (sent_tail != region()->sent_index.head) {
        uint32_t tag = region()->sent[sent_tail++ % PACKET_SLOTS];
        tag_back(tag, TAG_SENDING);
        totals->sent++;
        entries -= entries_of[tag];
    }
}

/* The driver has reset the card, and dropped what it was given. */
static void generation_follow(void)
{
    generation = region()->generation;
    received_tail = region()->received_index.head;
    sent_tail = region()->sent_index.head;
    memset(tags, TAG_NEW, sizeof(tags));
    empties = entries = due = 0;
    goes_on = false;
    queue_reset(&receive_queue);
    queue_reset(&transmit_queue);
    totals->restarts++;
}

static void server_step(void)
{
    if (region()->generation != generation)
        generation_follow();
    take_back();
    for (uint64_t n = model_random() % 16; n > 0 && empties < 100 && next_tag < TAGS; n--)
        give_empty();
    for (uint64_t n = model_random() % 8; n > 0 && entries + 20 < PACKET_IN_FLIGHT && next_tag < TAGS; n--)
        give_frame();
    if (is_hostile_server && model_random() % 128 == 0) /* indices that cannot be; then what is can go on */
        *(model_random() % 2 ? &region()->empty_index.head : &region()->send_index.head) += 1000 + any() % 100000;
    else if (is_hostile_server) {
        region()->empty_index.head = empty_head;
        region()->send_index.head = send_head;
    }
    if (model_random() % 128 == 0) {
        region()->send[send_head++ % PACKET_SLOTS] = (struct packet_send){.flags = PACKET_ATTACH};
        region()->send_index.head = send_head;
    }
}

/* ---- the kernel ---------------------------------------------------------------------------------------------- */

enum error syscall_trap(enum syscall number, word *destination, struct message *m)
{
    (void)m;
    if (number == SYSCALL_WAIT && *destination == PROCESS_CAP_NOTIFICATION) {
        if (++steps > STEPS)
            longjmp(end, 1);
        failure_check();
        server_step();
        if (is_hostile_card && model_random() % 32 == 0)
            card_changes();
        queue_step(&transmit_queue, read_frame);
        queue_step(&receive_queue, fill);
        *destination = DRIVER_SIGNAL_IRQ | DRIVER_SIGNAL_CLIENT;
    }
    return ERROR_NONE;
}

/* One life of the driver. */
static void round_run(unsigned long i)
{
    static const uint8_t configuration[12] = {2, 0, 0, 0, 0, 1, 1, 0, 0, 0, MTU & 255, MTU >> 8};
    model_random_seed(i);
    is_hostile_card = i % 4 & 1;
    is_hostile_server = i % 4 & 2;
    is_large = i % 8 & 4;
    model_card_reset(is_large ? FEATURES | LARGE : FEATURES, configuration, sizeof(configuration));
    unsigned long before = totals->received + totals->sent;
    if (setjmp(end) == 0)
        (void)program_main(model_start_page(shared, sizeof(shared)));
    bool is_given_up = region()->flags & PACKET_FAILED;
    totals->given_up += is_given_up;
    if (!is_hostile_card && (is_given_up || totals->received + totals->sent - before < 1000))
        model_fail("a good card was given up, or hardly anything was moved");
}

int main(int count, char **arguments)
{
    unsigned long rounds = count > 1 ? strtoul(arguments[1], NULL, 10) : 200;
    totals = model_shared_new(sizeof(*totals));
    server_set_buffer(&buffer);
    if (!model_rounds(rounds, round_run))
        return 1;
    if (!totals->refused || !totals->given_up || !totals->received || !totals->large || !totals->sent ||
        totals->restarts <= rounds)
        model_fail("nothing was refused, given up, moved or started again: the test tests nothing");
    printf(
        "%lu rounds: %lu buffers received, %lu of them not a frame's last, %lu frames sent, %lu refused, %lu restarts, "
        "%lu cards given up\n",
        rounds, totals->received, totals->large, totals->sent, totals->refused, totals->restarts, totals->given_up);
    return 0;
}
