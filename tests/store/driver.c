/* The block driver between a hostile device and a hostile client, on the host.
 *
 * The driver's own source runs here; its system calls come to this file (TESSERA_SYSCALL_MODEL). Whenever it waits,
 * device and client do something: the device mostly answers what it was given, sometimes it puts nonsense into the
 * queue; the client mostly asks for what exists, sometimes for anything. Checked all the time: what the device is given
 * lies in the pool or in the region and within the request; what the client gets was asked, once.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/virtio_model.h"
#include "proto/block.h"
#include "proto/pci.h"
#include "tessera/server.h"
#include "tessera/virtio.h"

#define SECTORS 1000u
#define STEPS   400
#define TAGS    100000u

int program_main(const struct start_page *start);

static uint8_t shared[BLOCK_REGION_BYTES] __attribute__((aligned(4096)));
static struct ipc_buffer buffer;
static jmp_buf end;
static int steps;
static uint16_t device_available, device_used;
static uint32_t given[VIRTIO_QUEUE_MAX], given_count; /* chains with the device */
static uint8_t asked[TAGS];                           /* 0 not asked, 1 asked, 2 answered */
static uint32_t next_tag, client_head, client_tail, outstanding, is_hostile;
static struct totals {
    unsigned long answered, refused, failures;
} * totals; /* of all rounds */

static struct block_region *region(void)
{
    return (struct block_region *)(void *)shared;
}

static struct virtq_memory *queue(void)
{
    return (struct virtq_memory *)(void *)model_pool;
}

/* ---- the device ---------------------------------------------------------------------------------------------- */

static uint8_t *physical(uint64_t address, uint64_t bytes, bool may_be_shared)
{
    return model_physical(address, bytes, may_be_shared, BLOCK_DATA_OFFSET);
}

/* Does one request as a good device would; the bytes that it wrote. */
static uint32_t perform(uint32_t chain)
{
    struct virtq_descriptor parts[3], first = queue()->descriptors[chain];
    uint32_t count = 0, written = 0;
    bool is_indirect = first.flags & VIRTQ_INDIRECT;
    const struct virtq_descriptor *table =
        is_indirect ? (const struct virtq_descriptor *)(void *)physical(first.address, first.bytes, false)
                    : queue()->descriptors;
    uint32_t limit = is_indirect ? first.bytes / (uint32_t)sizeof(first) : VIRTIO_QUEUE_MAX;
    for (uint32_t at = is_indirect ? 0 : chain;; at = table[at].next) {
        if (count == 3 || at >= limit)
            model_fail("a chain is too long");
        parts[count++] = table[at];
        if (!(table[at].flags & VIRTQ_NEXT))
            break;
    }
    if (count < 2 || parts[0].bytes != 16 || parts[count - 1].bytes != 1 || !(parts[count - 1].flags & VIRTQ_WRITE))
        model_fail("a chain is no request");
    const uint8_t *header = physical(parts[0].address, 16, false);
    uint64_t sector;
    memcpy(&sector, header + 8, 8);
    if (count == 3) {
        uint8_t *data = physical(parts[1].address, parts[1].bytes, header[0] != 8);
        if (header[0] != 8 && (sector > SECTORS || parts[1].bytes / 512 > SECTORS - sector || parts[1].bytes % 512))
            model_fail("a request goes beyond the disk");
        if (parts[1].flags & VIRTQ_WRITE) {
            memset(data, 7, parts[1].bytes);
            written = parts[1].bytes;
        }
    }
    *physical(parts[count - 1].address, 1, false) = model_random() % 8 ? 0 : (uint8_t)(model_random() % 4);
    return written + 1;
}

static void device_put(uint32_t id, uint32_t bytes)
{
    queue()->used.ring[device_used % VIRTIO_QUEUE_MAX].id = id;
    queue()->used.ring[device_used % VIRTIO_QUEUE_MAX].bytes = bytes;
    queue()->used.index = ++device_used;
}

static void device_step(void)
{
    while (device_available != queue()->available.index) {
        if (given_count == VIRTIO_QUEUE_MAX)
            model_fail("more chains than the queue has room for");
        given[given_count++] = queue()->available.ring[device_available++ % VIRTIO_QUEUE_MAX];
    }
    if (is_hostile && model_random() % 64 == 0) {
        switch (model_random() % 4) {
        case 0:
            device_put((uint32_t)model_random(), (uint32_t)model_random());
            break;
        case 1:
            queue()->used.index = device_used += (uint16_t)(model_random() % 3000);
            break;
        case 2:
            device_put((uint32_t)(model_random() % VIRTIO_QUEUE_MAX), 1);
            break;
        default:
            if (given_count > 0)
                device_put(given[0], UINT32_MAX);
            break;
        }
        return;
    }
    for (uint64_t n = model_random() % 5; n > 0 && given_count > 0; n--) {
        uint32_t at = (uint32_t)(model_random() % given_count), chain = given[at];
        given[at] = given[--given_count];
        device_put(chain, perform(chain));
    }
}

/* ---- the client ---------------------------------------------------------------------------------------------- */

static void client_ask(void)
{
    struct block_request *r = &region()->requests[client_head % BLOCK_SLOTS];
    bool is_good = model_random() % 4;
    *r = (struct block_request){
        .operation = is_good ? 1 + model_random() % 3 : (uint32_t)(model_random() % 8 == 4 ? 0 : model_random() % 8),
        .generation = model_random() % 16 ? region()->generation : (uint32_t)model_random(),
        .tag = next_tag,
        .offset = is_good ? BLOCK_DATA_OFFSET : (uint32_t)(model_random() >> model_random() % 64),
        .sector = is_good ? model_random() % 900 : model_random() >> model_random() % 64,
        .bytes =
            is_good ? 512 * (1 + (uint32_t)(model_random() % 64)) : (uint32_t)(model_random() >> model_random() % 64),
    };
    if (r->operation == BLOCK_ATTACH)
        r->operation = BLOCK_READ;
    if (r->generation == region()->generation) {
        asked[next_tag] = 1;
        outstanding++;
    }
    next_tag++;
    region()->request_head = ++client_head;
}

static void client_step(void)
{
    while (client_tail != region()->answer_head) {
        struct block_answer answer = region()->answers[client_tail++ % BLOCK_SLOTS];
        if (answer.tag >= next_tag || asked[answer.tag] != 1) {
            fprintf(stderr, "driver: tag %u status %u asked %u next %u step %d\n", answer.tag, answer.status,
                    answer.tag < TAGS ? asked[answer.tag] : 9, next_tag, steps);
            model_fail("an answer to what was not asked, or a second one");
        }
        asked[answer.tag] = 2;
        outstanding--;
        totals->answered++;
        totals->refused += answer.status == BLOCK_BAD_REQUEST;
        totals->failures += answer.status == BLOCK_IO_ERROR;
    }
    for (uint64_t n = model_random() % 8; n > 0 && outstanding < BLOCK_IN_FLIGHT && next_tag < TAGS; n--)
        client_ask();
}

/* ---- the kernel ---------------------------------------------------------------------------------------------- */

enum error syscall_trap(enum syscall number, word *destination, struct message *m)
{
    (void)m;
    if (number == SYSCALL_WAIT && *destination == PROCESS_CAP_NOTIFICATION) {
        if (++steps > STEPS)
            longjmp(end, 1);
        if (region()->generation != 0)
            client_step();
        device_step();
        *destination = DRIVER_SIGNAL_IRQ | DRIVER_SIGNAL_CLIENT;
    }
    return ERROR_NONE;
}

static void machine_reset(bool has_indirect)
{
    uint32_t features = 1u | (has_indirect ? 1u << 28 : 0) | 1u << 9; /* both halves read the same word */
    uint64_t sectors = SECTORS;
    memset(shared, 0, sizeof(shared));
    model_card_reset(features, &sectors, sizeof(sectors));
    device_available = device_used = 0;
    given_count = next_tag = client_head = client_tail = outstanding = 0;
    memset(asked, 0, sizeof(asked));
    steps = 0;
}

/* One life of the driver: its state is static, so each has a process of its own. */
static void round_run(unsigned long i)
{
    model_random_seed(i);
    is_hostile = i % 3 != 0;
    machine_reset(i % 2);
    unsigned long before = totals->answered;
    if (setjmp(end) == 0)
        (void)program_main(model_start_page(shared, sizeof(shared)));
    if (!is_hostile && (totals->answered - before < 100 || region()->flags & BLOCK_FAILED))
        model_fail("a good device was given up, or nothing was answered");
}

int main(int count, char **arguments)
{
    unsigned long rounds = count > 1 ? strtoul(arguments[1], NULL, 10) : 300;
    totals = model_shared_new(sizeof(*totals));
    server_set_buffer(&buffer);
    if (!model_rounds(rounds, round_run))
        return 1;
    if (!totals->refused || !totals->failures)
        model_fail("nothing was refused, or nothing failed: the test tests nothing");
    printf("%lu rounds: %lu answers, %lu refused, %lu I/O errors\n", rounds, totals->answered, totals->refused,
           totals->failures);
    return 0;
}
