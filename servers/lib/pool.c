/* See tessera/pool.h. */
#include "tessera/pool.h"

#include "proto/start.h"
#include "tessera/invoke.h"
#include "tessera/text.h"

enum node_state { NODE_UNUSED = 0, NODE_FREE, NODE_SPLIT, NODE_BLOCK, NODE_CHUNK, NODE_FRAME };

/* ---- slots --------------------------------------------------------------------------------------------------- */

void pool_open(struct pool *pool, cptr cnode, cptr vspace, cptr first, cptr end)
{
    memset(pool, 0, sizeof(*pool));
    pool->cnode = cnode;
    pool->vspace = vspace;
    pool->node_count = 1; /* node 0 means none */
    pool_rows_add(pool, first, end);
}

void pool_rows_add(struct pool *pool, cptr first, cptr end)
{
    for (cptr row = end - POOL_ROW_SLOTS; row >= first && pool->row_count < POOL_ROWS; row -= POOL_ROW_SLOTS)
        pool->rows[pool->row_count++] = (uint16_t)(row / POOL_ROW_SLOTS);
}

static bool reclaim(struct pool *pool)
{
    return pool->reclaim && pool->reclaim();
}

/* In time: growing takes rows itself. Once more when all are gone, should there have been no memory for it. */
static void rows_grow(struct pool *pool)
{
    if (!pool->grow || pool->is_growing || (pool->row_count != POOL_ROWS_RESERVE && pool->row_count != 0))
        return;
    pool->is_growing = true;
    (void)pool->grow();
    pool->is_growing = false;
}

/* In the middle of taking memory: nothing grows there. */
static bool row_take(struct pool *pool, cptr *first)
{
    if (pool->row_count == 0 && !(reclaim(pool) && pool->row_count > 0))
        return false;
    *first = pool->rows[--pool->row_count] * POOL_ROW_SLOTS;
    return true;
}

bool pool_row_take(struct pool *pool, cptr *first)
{
    rows_grow(pool);
    return row_take(pool, first);
}

void pool_row_return(struct pool *pool, cptr first)
{
    pool->rows[pool->row_count++] = (uint16_t)(first / POOL_ROW_SLOTS);
}

/* ---- nodes --------------------------------------------------------------------------------------------------- */

static void node_free(struct pool *pool, uint32_t n)
{
    struct pool_node *node = pool_node_at(pool, n);
    node->state = NODE_FREE;
    node->next = pool->free_nodes[node->bits];
    pool->free_nodes[node->bits] = n;
}

bool pool_add_untyped(struct pool *pool, cptr slot, uint64_t address, uint32_t bits)
{
    if (pool->node_count == POOL_NODES || bits < POOL_BLOCK_BITS || bits >= 48)
        return false;
    uint32_t n = pool->node_count++;
    *pool_node_at(pool, n) = (struct pool_node){.address = address, .slot = slot, .bits = (uint8_t)bits};
    node_free(pool, n);
    pool->free_bytes += 1ul << bits;
    return true;
}

/* Two adjacent node numbers, with a slot each, for the halves of a split. */
static uint32_t pair_take(struct pool *pool)
{
    uint32_t pair = pool->free_pairs;
    if (pair) {
        pool->free_pairs = pool_node_at(pool, pair)->next;
        return pair;
    }
    if ((pool->node_count + 1 - POOL_NODES) % POOL_PAGE_NODES == 0)
        pool->node_count++; /* the two would not lie in one piece */
    if (pool->node_count + 2 > POOL_NODES + pool->node_pages * POOL_PAGE_NODES)
        return 0;
    if (pool->slots_next == pool->slots_end) {
        if (!row_take(pool, &pool->slots_next))
            return 0;
        pool->slots_end = pool->slots_next + POOL_ROW_SLOTS;
    }
    pair = pool->node_count;
    pool->node_count += 2;
    pool_node_at(pool, pair)->slot = pool->slots_next++;
    pool_node_at(pool, pair + 1)->slot = pool->slots_next++;
    return pair;
}

static bool node_split(struct pool *pool, uint32_t n)
{
    struct pool_node *node = pool_node_at(pool, n);
    uint32_t pair = pair_take(pool);
    if (!pair)
        return false;
    struct pool_node *half = pool_node_at(pool, pair);
    if (untyped_retype_all(node->slot, OBJECT_UNTYPED, node->bits - 1u, pool->cnode, half[0].slot, 2) != ERROR_NONE) {
        half->next = pool->free_pairs;
        pool->free_pairs = pair;
        return false;
    }
    for (uint32_t i = 0; i < 2; i++) {
        half[i] = (struct pool_node){
            .address = node->address + ((uint64_t)i << (node->bits - 1)),
            .slot = half[i].slot,
            .frame = half[i].frame,
            .parent = n,
            .bits = (uint8_t)(node->bits - 1),
        };
    }
    node->state = NODE_SPLIT;
    node->child = pair;
    node_free(pool, pair + 1); /* the lower half is used first */
    node_free(pool, pair);
    return true;
}

/* Joins free halves again, everywhere: only when a request could not be met. */
static bool nodes_join(struct pool *pool)
{
    bool any = false, again = true;
    while (again) {
        again = false;
        for (uint32_t n = 1; n < pool->node_count; n++) {
            struct pool_node *node = pool_node_at(pool, n);
            struct pool_node *half = pool_node_at(pool, node->child);
            if (node->state != NODE_SPLIT || half[0].state != NODE_FREE || half[1].state != NODE_FREE)
                continue;
            for (uint32_t i = 0; i < 2; i++) {
                (void)cnode_delete(pool->cnode, half[i].slot);
                half[i].state = NODE_UNUSED;
            }
            half->next = pool->free_pairs;
            pool->free_pairs = node->child;
            node->state = NODE_FREE;
            any = again = true;
        }
    }
    if (!any)
        return false;
    memset(pool->free_nodes, 0, sizeof(pool->free_nodes));
    for (uint32_t n = pool->node_count - 1; n > 0; n--)
        if (pool_node_at(pool, n)->state == NODE_FREE)
            node_free(pool, n);
    return true;
}

static uint32_t node_find(struct pool *pool, uint32_t bits)
{
    uint32_t size = bits;
    while (size < sizeof(pool->free_nodes) / sizeof(pool->free_nodes[0]) && !pool->free_nodes[size])
        size++;
    if (size == sizeof(pool->free_nodes) / sizeof(pool->free_nodes[0]))
        return 0;
    for (;; size--) {
        uint32_t n = pool->free_nodes[size];
        pool->free_nodes[size] = pool_node_at(pool, n)->next;
        if (size == bits)
            return n;
        if (!node_split(pool, n)) {
            node_free(pool, n);
            return 0;
        }
    }
}

/* More nodes, in time: their memory may take some itself. It is never given back, and nobody's. */
static void nodes_grow(struct pool *pool)
{
    struct memory memory;
    uint32_t capacity = POOL_NODES + pool->node_pages * POOL_PAGE_NODES;
    if (pool->is_adding || pool->node_pages == POOL_NODE_PAGES || pool->node_count + POOL_NODES_RESERVE < capacity)
        return;
    pool->is_adding = true;
    if (memory_take(pool, POOL_PAGE_NODES * sizeof(struct pool_node), &memory)) {
        pool->more_nodes[pool->node_pages++] = (struct pool_node *)(void *)memory.view;
        pool->used_bytes[1] -= memory.bytes;
    }
    pool->is_adding = false;
}

static uint32_t node_take(struct pool *pool, uint32_t bits, enum node_state state)
{
    nodes_grow(pool);
    uint32_t n = node_find(pool, bits);
    if (!n && nodes_join(pool))
        n = node_find(pool, bits);
    if (n)
        pool_node_at(pool, n)->state = (uint8_t)state;
    return n;
}

static void use_count(struct pool *pool, uint32_t kind, uint64_t bytes)
{
    pool->free_bytes -= bytes;
    pool->used_bytes[kind] += bytes;
    uint64_t used = pool->used_bytes[0] + pool->used_bytes[1];
    if (used > pool->most_used_bytes)
        pool->most_used_bytes = used;
}

bool pool_block_take(struct pool *pool, uint32_t *node)
{
    *node = node_take(pool, POOL_BLOCK_BITS, NODE_BLOCK);
    if (!*node && reclaim(pool))
        *node = node_take(pool, POOL_BLOCK_BITS, NODE_BLOCK);
    if (!*node)
        return false;
    use_count(pool, 0, 1ul << POOL_BLOCK_BITS);
    return true;
}

void pool_block_return(struct pool *pool, uint32_t node)
{
    (void)cnode_revoke(pool->cnode, pool_node_at(pool, node)->slot);
    node_free(pool, node);
    pool->free_bytes += 1u << POOL_BLOCK_BITS;
    pool->used_bytes[0] -= 1u << POOL_BLOCK_BITS;
}

bool pool_untyped_take(struct pool *pool, uint32_t bits, cptr *slot)
{
    uint32_t n = node_take(pool, bits, NODE_BLOCK);
    if (!n)
        return false;
    use_count(pool, 0, 1ul << bits);
    *slot = pool_node_at(pool, n)->slot;
    return true;
}

bool pool_largest_take(struct pool *pool, cptr *slot, uint64_t *address, uint32_t *bits)
{
    uint32_t size = sizeof(pool->free_nodes) / sizeof(pool->free_nodes[0]) - 1;
    while (size > 0 && !pool->free_nodes[size])
        size--;
    if (size == 0)
        return false;
    *address = pool_node_at(pool, pool->free_nodes[size])->address;
    *bits = size;
    return pool_untyped_take(pool, size, slot);
}

/* ---- frames in our own view ---------------------------------------------------------------------------------- */

/* Maps a table of our own view. Its memory is never given back: views of the same memory come again. */
static bool view_table_map(struct pool *pool, uint64_t address, word level)
{
    uint32_t *block = &pool->table_block;
    if (pool->tables_next == pool->tables_end) {
        if (!row_take(pool, &pool->tables_next))
            return false;
        pool->tables_end = pool->tables_next + POOL_ROW_SLOTS;
    }
    cptr slot = pool->tables_next;
    if (!*block ||
        untyped_retype_all(pool_slot(pool, *block), OBJECT_PAGE_TABLE, 0, pool->cnode, slot, 1) != ERROR_NONE) {
        if (!pool_block_take(pool, block))
            return false;
        pool->used_bytes[0] -= 1ul << POOL_BLOCK_BITS;
        if (untyped_retype_all(pool_slot(pool, *block), OBJECT_PAGE_TABLE, 0, pool->cnode, slot, 1) != ERROR_NONE)
            return false;
    }
    pool->tables_next++;
    return page_table_map(slot, pool->vspace, address, level, 0) == ERROR_NONE;
}

static bool view_map(struct pool *pool, cptr frame, uint64_t address, uint64_t bytes)
{
    for (uint64_t at = 0; at < bytes;) {
        word done = 0, level = 0;
        enum error error =
            frame_map(frame, pool->vspace, address + at, RIGHT_READ | RIGHT_WRITE, 0, at, bytes - at, &done, &level);
        if (error == ERROR_FAILED_LOOKUP) {
            if (!view_table_map(pool, address + at, level))
                return false;
        } else if (error != ERROR_NONE || done == 0) {
            return false;
        }
        at += done;
    }
    return true;
}

static uint32_t frame_take(struct pool *pool, uint32_t bits, enum node_state state)
{
    uint32_t n = node_take(pool, bits, state);
    if (!n)
        return 0;
    struct pool_node *node = pool_node_at(pool, n);
    if (!node->frame) {
        if (pool->slots_next == pool->slots_end) {
            if (!row_take(pool, &pool->slots_next)) {
                node_free(pool, n);
                return 0;
            }
            pool->slots_end = pool->slots_next + POOL_ROW_SLOTS;
        }
        node->frame = pool->slots_next++;
        if (pool->slots_next % 2) /* pairs take two at a time */
            pool->slots_next++;
    }
    if (untyped_retype_all(node->slot, OBJECT_FRAME, bits, pool->cnode, node->frame, 1) != ERROR_NONE) {
        node_free(pool, n);
        return 0;
    }
    if (!view_map(pool, node->frame, PROCESS_VIEW_BASE + node->address, 1ul << bits)) {
        (void)cnode_delete(pool->cnode, node->frame);
        node_free(pool, n);
        return 0;
    }
    return n;
}

static bool chunk_add(struct pool *pool)
{
    if (pool->chunk_count == POOL_CHUNKS)
        return false;
    uint32_t n = frame_take(pool, POOL_CHUNK_BITS, NODE_CHUNK);
    if (!n)
        return false;
    if (pool->chunk_count == POOL_CHUNKS) { /* the last was taken on the way, for more nodes */
        (void)cnode_delete(pool->cnode, pool_node_at(pool, n)->frame);
        node_free(pool, n);
        return false;
    }
    pool_node_at(pool, n)->chunk = (uint16_t)pool->chunk_count;
    pool->chunks[pool->chunk_count++] = (struct pool_chunk){.node = n, .free_pages = 512};
    return true;
}

/* ---- pages --------------------------------------------------------------------------------------------------- */

/* A free, aligned run of 2^order pages: its first page, or 512. */
static uint32_t run_find(const struct pool_chunk *chunk, uint32_t pages)
{
    if (chunk->free_pages < pages)
        return 512;
    if (pages >= 64) {
        for (uint32_t word_first = 0; word_first < 8; word_first += pages / 64) {
            uint64_t any = 0;
            for (uint32_t i = 0; i < pages / 64; i++)
                any |= chunk->used[word_first + i];
            if (!any)
                return word_first * 64;
        }
        return 512;
    }
    uint64_t mask = (1ul << pages) - 1;
    for (uint32_t i = 0; i < 8; i++) {
        if (chunk->used[i] == ~0ul)
            continue;
        for (uint32_t bit = 0; bit < 64; bit += pages)
            if (!(chunk->used[i] >> bit & mask))
                return i * 64 + bit;
    }
    return 512;
}

static void run_mark(struct pool_chunk *chunk, uint32_t page, uint32_t pages, bool used)
{
    uint64_t mask = pages >= 64 ? ~0ul : ((1ul << pages) - 1) << page % 64;
    for (uint32_t i = page / 64; i <= (page + pages - 1) / 64; i++)
        chunk->used[i] = used ? chunk->used[i] | mask : chunk->used[i] & ~mask;
    chunk->free_pages += used ? -pages : pages;
}

static uint32_t bits_of(uint64_t bytes)
{
    uint32_t bits = PAGE_BITS;
    while (1ul << bits < bytes)
        bits++;
    return bits;
}

static bool memory_find(struct pool *pool, uint64_t bytes, struct memory *memory)
{
    if (bytes > 1ul << POOL_LARGEST)
        return false;
    uint32_t bits = bits_of(bytes);
    uint32_t n = 0;
    uint64_t first = 0;
    if (bits >= POOL_CHUNK_BITS) {
        n = frame_take(pool, bits, NODE_FRAME);
        if (!n)
            return false;
    } else {
        uint32_t pages = 1u << (bits - PAGE_BITS);
        uint32_t page = 512, c = 0;
        while (c < pool->chunk_count && (page = run_find(&pool->chunks[c], pages)) == 512)
            c++;
        if (c == pool->chunk_count) {
            if (!chunk_add(pool))
                return false;
            c = pool->chunk_count - 1; /* more nodes may have taken one, too, on the way */
            page = 0;
        }
        run_mark(&pool->chunks[c], page, pages, true);
        n = pool->chunks[c].node;
        first = (uint64_t)page << PAGE_BITS;
    }
    use_count(pool, 1, 1ul << bits);
    *memory = (struct memory){
        .view = (uint8_t *)(PROCESS_VIEW_BASE + pool_node_at(pool, n)->address + first),
        .bytes = 1ul << bits,
        .frame = pool_node_at(pool, n)->frame,
        .first = first,
        .node = n,
    };
    return true;
}

bool memory_take(struct pool *pool, uint64_t bytes, struct memory *memory)
{
    return memory_find(pool, bytes, memory) || (reclaim(pool) && memory_find(pool, bytes, memory));
}

void memory_return(struct pool *pool, const struct memory *memory)
{
    if (pool_node_at(pool, memory->node)->state !=
        NODE_FRAME) /* a frame of its own is zero when it is made of it again */
        memset(memory->view, 0, memory->bytes);
    memory_return_cleared(pool, memory);
}

void memory_return_cleared(struct pool *pool, const struct memory *memory)
{
    struct pool_node *node = pool_node_at(pool, memory->node);
    if (node->state == NODE_FRAME) {
        (void)cnode_delete(pool->cnode, node->frame);
        node_free(pool, memory->node);
    } else {
        run_mark(&pool->chunks[node->chunk], (uint32_t)(memory->first >> PAGE_BITS),
                 (uint32_t)(memory->bytes >> PAGE_BITS), false);
    }
    pool->free_bytes += memory->bytes;
    pool->used_bytes[1] -= memory->bytes;
}
