/* See memory.h. What is free is noted in arrays of our own, not in the blocks: those the driver's process reaches, too.
 */
#include "memory.h"

#include "lwip/opt.h"
#include "net.h"
#include "tessera/text.h"

void *net_memory_take(size_t bytes);
void net_memory_give(void *block);
void *net_memory_clear(size_t count, size_t bytes);

enum { SMALL, RESERVE, FULL, BIG, KINDS };

/* The blocks of each kind lie one behind the other. */
#define START_RESERVE (NET_SMALL_BLOCKS * NET_SMALL_BYTES)
#define START_FULL    (START_RESERVE + NET_RESERVE_BLOCKS * NET_RESERVE_BYTES)
#define START_BIG     (START_FULL + NET_FULL_BLOCKS * NET_FULL_BYTES)
#define FIRST_RESERVE NET_SMALL_BLOCKS
#define FIRST_FULL    (FIRST_RESERVE + NET_RESERVE_BLOCKS)
#define FIRST_BIG     (FIRST_FULL + NET_FULL_BLOCKS)
#define BLOCKS        (FIRST_BIG + NET_BIG_BLOCKS)
_Static_assert(START_BIG + NET_BIG_BLOCKS * NET_BIG_BYTES <= MEM_SIZE, "they fit");
_Static_assert(BLOCKS < UINT16_MAX - 1, "they have numbers");

#define NONE  UINT16_MAX
#define TAKEN (UINT16_MAX - 1)

static const struct {
    uint32_t start, bytes, first, count;
} kinds[KINDS] = {
    [SMALL] = {0, NET_SMALL_BYTES, 0, NET_SMALL_BLOCKS},
    [RESERVE] = {START_RESERVE, NET_RESERVE_BYTES, FIRST_RESERVE, NET_RESERVE_BLOCKS},
    [FULL] = {START_FULL, NET_FULL_BYTES, FIRST_FULL, NET_FULL_BLOCKS},
    [BIG] = {START_BIG, NET_BIG_BYTES, FIRST_BIG, NET_BIG_BLOCKS},
};

static struct {
    uint32_t used; /* the first of those behind have not been taken yet */
    uint32_t free_count;
    uint16_t free; /* the last that came back */
} state[KINDS];
static uint16_t next[BLOCKS]; /* of a free one, the next; TAKEN */

enum memory_purpose memory_purpose;

static uint32_t left(uint32_t kind)
{
    return state[kind].free_count + kinds[kind].count - state[kind].used;
}

uint32_t memory_share(void)
{
    uint32_t free = left(FULL);
    return free > NET_FULL_KEPT ? free - NET_FULL_KEPT : 0;
}

uint32_t memory_big_left(void)
{
    return left(BIG);
}

static void *block_take(uint32_t kind)
{
    uint32_t number = state[kind].free;
    if (state[kind].free_count > 0) {
        state[kind].free = next[kinds[kind].first + number];
        state[kind].free_count--;
    } else if (state[kind].used < kinds[kind].count) {
        number = state[kind].used++;
    } else {
        return NULL;
    }
    next[kinds[kind].first + number] = TAKEN;
    return net_heap + kinds[kind].start + number * kinds[kind].bytes;
}

void *net_memory_take(size_t bytes)
{
    void *block = NULL;
    bool is_data = memory_purpose == MEMORY_DATA;
    if (memory_purpose == MEMORY_RESERVE)
        return bytes <= NET_RESERVE_BYTES ? block_take(RESERVE) : NULL;
    if (bytes <= NET_SMALL_BYTES && left(SMALL) > (is_data ? NET_SMALL_KEPT : 0))
        block = block_take(SMALL);
    if (!block && bytes <= NET_FULL_BYTES && left(FULL) > (is_data ? NET_FULL_KEPT : 0))
        block = block_take(FULL);
    if (!block && bytes > NET_FULL_BYTES && bytes <= NET_BIG_BYTES)
        block = block_take(BIG);
    return block;
}

void *net_memory_clear(size_t count, size_t bytes)
{
    void *block = net_memory_take(count * bytes);
    if (block)
        memset(block, 0, count * bytes);
    return block;
}

void net_memory_give(void *block)
{
    uint32_t offset = (uint32_t)((unsigned char *)block - net_heap);
    uint32_t kind = offset < START_RESERVE ? SMALL : offset < START_FULL ? RESERVE : offset < START_BIG ? FULL : BIG;
    uint32_t number = (offset - kinds[kind].start) / kinds[kind].bytes, at = kinds[kind].first + number;
    if (number >= kinds[kind].count || next[at] != TAKEN)
        net_assertion_failed("a block comes back that was not taken");
    next[at] = state[kind].free_count > 0 ? state[kind].free : NONE;
    state[kind].free = (uint16_t)number;
    state[kind].free_count++;
}
