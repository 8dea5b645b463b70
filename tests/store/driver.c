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
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/block.h"
#include "proto/pci.h"
#include "tessera/server.h"
#include "tessera/virtio.h"

#define POOL_PHYSICAL   0x7000000ul
#define SHARED_PHYSICAL 0x9000000ul
#define SECTORS         1000u
#define STEPS           400
#define TAGS            100000u

int program_main(const struct start_page *start);

static uint8_t configuration[4096] __attribute__((aligned(4096)));
static uint8_t registers[4096] __attribute__((aligned(4096)));
static uint8_t pool[1 << 15] __attribute__((aligned(4096)));
static uint8_t shared[BLOCK_REGION_BYTES] __attribute__((aligned(4096)));
static struct start_page page;
static struct ipc_buffer buffer;
static jmp_buf end;
static uint64_t random_state;
static int steps;
static uint16_t device_available, device_used;
static uint32_t given[VIRTIO_QUEUE_MAX], given_count; /* chains with the device */
static uint8_t asked[TAGS];                           /* 0 not asked, 1 asked, 2 answered */
static uint32_t next_tag, client_head, client_tail, outstanding, is_hostile;
static struct totals {
    unsigned long answered, refused, failures;
} * totals; /* of all rounds */

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

_Noreturn static void fail(const char *what)
{
    fprintf(stderr, "driver: %s\n", what);
    exit(1);
}

static struct block_region *region(void)
{
    return (struct block_region *)(void *)shared;
}

static struct virtq_memory *queue(void)
{
    return (struct virtq_memory *)(void *)pool;
}

/* ---- the device ---------------------------------------------------------------------------------------------- */

static uint8_t *physical(uint64_t address, uint64_t bytes, bool may_be_shared)
{
    if (address >= POOL_PHYSICAL && address - POOL_PHYSICAL <= sizeof(pool) &&
        bytes <= sizeof(pool) - (address - POOL_PHYSICAL))
        return pool + (address - POOL_PHYSICAL);
    if (may_be_shared && address >= SHARED_PHYSICAL + BLOCK_DATA_OFFSET &&
        address - SHARED_PHYSICAL <= sizeof(shared) && bytes <= sizeof(shared) - (address - SHARED_PHYSICAL))
        return shared + (address - SHARED_PHYSICAL);
    fail("the device was given memory that is not its own");
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
            fail("a chain is too long");
        parts[count++] = table[at];
        if (!(table[at].flags & VIRTQ_NEXT))
            break;
    }
    if (count < 2 || parts[0].bytes != 16 || parts[count - 1].bytes != 1 || !(parts[count - 1].flags & VIRTQ_WRITE))
        fail("a chain is no request");
    const uint8_t *header = physical(parts[0].address, 16, false);
    uint64_t sector;
    memcpy(&sector, header + 8, 8);
    if (count == 3) {
        uint8_t *data = physical(parts[1].address, parts[1].bytes, header[0] != 8);
        if (header[0] != 8 && (sector > SECTORS || parts[1].bytes / 512 > SECTORS - sector || parts[1].bytes % 512))
            fail("a request goes beyond the disk");
        if (parts[1].flags & VIRTQ_WRITE) {
            memset(data, 7, parts[1].bytes);
            written = parts[1].bytes;
        }
    }
    *physical(parts[count - 1].address, 1, false) = random_next() % 8 ? 0 : (uint8_t)(random_next() % 4);
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
            fail("more chains than the queue has room for");
        given[given_count++] = queue()->available.ring[device_available++ % VIRTIO_QUEUE_MAX];
    }
    if (is_hostile && random_next() % 64 == 0) {
        switch (random_next() % 4) {
        case 0:
            device_put((uint32_t)random_next(), (uint32_t)random_next());
            break;
        case 1:
            queue()->used.index = device_used += (uint16_t)(random_next() % 3000);
            break;
        case 2:
            device_put((uint32_t)(random_next() % VIRTIO_QUEUE_MAX), 1);
            break;
        default:
            if (given_count > 0)
                device_put(given[0], UINT32_MAX);
            break;
        }
        return;
    }
    for (uint64_t n = random_next() % 5; n > 0 && given_count > 0; n--) {
        uint32_t at = (uint32_t)(random_next() % given_count), chain = given[at];
        given[at] = given[--given_count];
        device_put(chain, perform(chain));
    }
}

/* ---- the client ---------------------------------------------------------------------------------------------- */

static void client_ask(void)
{
    struct block_request *r = &region()->requests[client_head % BLOCK_SLOTS];
    bool is_good = random_next() % 4;
    *r = (struct block_request){
        .operation = is_good ? 1 + random_next() % 3 : (uint32_t)(random_next() % 8 == 4 ? 0 : random_next() % 8),
        .generation = random_next() % 16 ? region()->generation : (uint32_t)random_next(),
        .tag = next_tag,
        .offset = is_good ? BLOCK_DATA_OFFSET : (uint32_t)(random_next() >> random_next() % 64),
        .sector = is_good ? random_next() % 900 : random_next() >> random_next() % 64,
        .bytes = is_good ? 512 * (1 + (uint32_t)(random_next() % 64)) : (uint32_t)(random_next() >> random_next() % 64),
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
            fail("an answer to what was not asked, or a second one");
        }
        asked[answer.tag] = 2;
        outstanding--;
        totals->answered++;
        totals->refused += answer.status == BLOCK_BAD_REQUEST;
        totals->failures += answer.status == BLOCK_IO_ERROR;
    }
    for (uint64_t n = random_next() % 8; n > 0 && outstanding < BLOCK_IN_FLIGHT && next_tag < TAGS; n--)
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

static void capability(uint32_t at, uint32_t next, uint8_t type, uint32_t offset, uint32_t length)
{
    uint8_t *cap = configuration + at;
    cap[0] = 9;
    cap[1] = (uint8_t)next;
    cap[2] = 20;
    cap[3] = type;
    cap[4] = 0;
    memcpy(cap + 8, &offset, 4);
    memcpy(cap + 12, &length, 4);
}

static void machine_reset(bool has_indirect)
{
    uint32_t features = 1u | (has_indirect ? 1u << 28 : 0) | 1u << 9; /* both halves read the same word */
    uint16_t size = VIRTIO_QUEUE_MAX;
    uint64_t sectors = SECTORS;
    memset(configuration, 0, sizeof(configuration));
    memset(registers, 0, sizeof(registers));
    memset(pool, 0, sizeof(pool));
    memset(shared, 0, sizeof(shared));
    configuration[0x34] = 0x40;
    capability(0x40, 0x60, 1, 0, 64);
    capability(0x60, 0x80, 2, 0x100, 64);
    capability(0x80, 0xa0, 3, 0x200, 4);
    capability(0xa0, 0, 4, 0x300, 64);
    memcpy(registers + 4, &features, 4);
    memcpy(registers + 24, &size, 2);
    memcpy(registers + 0x300, &sectors, 8);
    device_available = device_used = 0;
    given_count = next_tag = client_head = client_tail = outstanding = 0;
    memset(asked, 0, sizeof(asked));
    steps = 0;
}

/* One life of the driver: its state is static, so each has a process of its own. */
static void round_run(unsigned long i)
{
    random_state = (i + 1) * 0x9e3779b97f4a7c15ull;
    is_hostile = i % 3 != 0;
    machine_reset(i % 2);
    page.words[DRIVER_WORD_CONFIGURATION] = (uintptr_t)configuration;
    page.words[DRIVER_WORD_BARS] = (uintptr_t)registers;
    page.words[DRIVER_WORD_BAR_BYTES] = sizeof(registers);
    page.words[DRIVER_WORD_DMA] = (uintptr_t)pool;
    page.words[DRIVER_WORD_DMA_PHYSICAL] = POOL_PHYSICAL;
    page.words[DRIVER_WORD_DMA_BYTES] = sizeof(pool);
    page.words[DRIVER_WORD_SHARED] = (uintptr_t)shared;
    page.words[DRIVER_WORD_SHARED_PHYSICAL] = SHARED_PHYSICAL;
    page.words[DRIVER_WORD_SHARED_BYTES] = sizeof(shared);
    unsigned long before = totals->answered;
    if (setjmp(end) == 0)
        (void)program_main(&page);
    if (!is_hostile && (totals->answered - before < 100 || region()->flags & BLOCK_FAILED))
        fail("a good device was given up, or nothing was answered");
}

int main(int count, char **arguments)
{
    unsigned long rounds = count > 1 ? strtoul(arguments[1], NULL, 10) : 300;
    totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    server_set_buffer(&buffer);
    for (unsigned long i = 0; i < rounds; i++) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
            round_run(i);
            _exit(0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
            fprintf(stderr, "driver: round %lu\n", i);
            return 1;
        }
    }
    if (!totals->refused || !totals->failures)
        fail("nothing was refused, or nothing failed: the test tests nothing");
    printf("%lu rounds: %lu answers, %lu refused, %lu I/O errors\n", rounds, totals->answered, totals->refused,
           totals->failures);
    return 0;
}
