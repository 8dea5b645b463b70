/* See virtio_model.h. */
#include "virtio_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/pci.h"
#include "tessera/virtio.h"

uint8_t model_pool[MODEL_POOL_BYTES] __attribute__((aligned(4096)));

static uint8_t pci[4096] __attribute__((aligned(4096)));
static uint8_t registers[4096] __attribute__((aligned(4096)));
static struct start_page page;
static uint8_t *shared_region;
static uint32_t shared_region_bytes;
static uint64_t random_state = 1;

void model_random_seed(uint64_t seed)
{
    random_state = (seed + 1) * 0x9e3779b97f4a7c15ull;
}

uint64_t model_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

_Noreturn void model_fail(const char *what)
{
    fprintf(stderr, "driver: %s\n", what);
    exit(1);
}

/* One of virtio's structures (4.1.4): its type, and where in the BAR it lies. */
static void capability(uint32_t at, uint32_t next, uint8_t type, uint32_t offset, uint32_t length)
{
    uint8_t *cap = pci + at;
    cap[0] = 9;
    cap[1] = (uint8_t)next;
    cap[2] = 20;
    cap[3] = type;
    cap[4] = 0;
    memcpy(cap + 8, &offset, 4);
    memcpy(cap + 12, &length, 4);
}

void model_card_reset(uint32_t features, const void *configuration, uint32_t bytes)
{
    uint16_t size = VIRTIO_QUEUE_MAX;
    memset(pci, 0, sizeof(pci));
    memset(registers, 0, sizeof(registers));
    memset(model_pool, 0, sizeof(model_pool));
    pci[0x34] = 0x40;
    capability(0x40, 0x60, 1, 0, 64);
    capability(0x60, 0x80, 2, 0x100, 64);
    capability(0x80, 0xa0, 3, 0x200, 4);
    capability(0xa0, 0, 4, 0x300, 64);
    memcpy(registers + 4, &features, 4);
    memcpy(registers + 24, &size, 2);
    memcpy(registers + 0x300, configuration, bytes);
}

void model_card_fails(void)
{
    registers[20] |= 64;
}

uint8_t *model_card_configuration(void)
{
    return registers + 0x300;
}

const struct start_page *model_start_page(void *shared, uint32_t shared_bytes)
{
    shared_region = shared;
    shared_region_bytes = shared_bytes;
    page.words[DRIVER_WORD_CONFIGURATION] = (uintptr_t)pci;
    page.words[DRIVER_WORD_BARS] = (uintptr_t)registers;
    page.words[DRIVER_WORD_BAR_BYTES] = sizeof(registers);
    page.words[DRIVER_WORD_DMA] = (uintptr_t)model_pool;
    page.words[DRIVER_WORD_DMA_PHYSICAL] = MODEL_POOL_PHYSICAL;
    page.words[DRIVER_WORD_DMA_BYTES] = sizeof(model_pool);
    page.words[DRIVER_WORD_SHARED] = (uintptr_t)shared;
    page.words[DRIVER_WORD_SHARED_PHYSICAL] = MODEL_SHARED_PHYSICAL;
    page.words[DRIVER_WORD_SHARED_BYTES] = shared_bytes;
    return &page;
}

uint8_t *model_physical(uint64_t address, uint64_t bytes, bool may_be_shared, uint32_t shared_from)
{
    if (address >= MODEL_POOL_PHYSICAL && address - MODEL_POOL_PHYSICAL <= sizeof(model_pool) &&
        bytes <= sizeof(model_pool) - (address - MODEL_POOL_PHYSICAL))
        return model_pool + (address - MODEL_POOL_PHYSICAL);
    if (may_be_shared && address >= MODEL_SHARED_PHYSICAL + shared_from &&
        address - MODEL_SHARED_PHYSICAL <= shared_region_bytes &&
        bytes <= shared_region_bytes - (address - MODEL_SHARED_PHYSICAL))
        return shared_region + (address - MODEL_SHARED_PHYSICAL);
    model_fail("the device was given memory that is not its own");
}

bool model_rounds(unsigned long rounds, void (*run)(unsigned long round))
{
    for (unsigned long i = 0; i < rounds; i++) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
            run(i);
            _exit(0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
            fprintf(stderr, "driver: round %lu\n", i);
            return false;
        }
    }
    return true;
}

void *model_shared_new(uint64_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        model_fail("no memory");
    return memory;
}
