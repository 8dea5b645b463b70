/* Memory of a server that owns untyped memory: the root task and the process server.
 *
 * Untypeds are nodes of binary trees; a node is free, split in two, or in use as
 *   - a block: 64 KiB of untyped for the kernel objects of one process, returned by revoking it, or
 *   - a frame: mapped in this server's own address space at PROCESS_VIEW_BASE + physical address for as long as it
 *     exists. A chunk is a frame of 2 MiB cut into pages; larger requests get a frame of their own.
 * So what a process uses is a range of a frame of ours, mapped there through a copy of the frame's capability; the
 * process itself never holds memory. Free memory is always zero: it is cleared when it is given back.
 *
 * Slots come in rows of 64. Everything that fails returns false, having changed nothing that matters.
 */
#ifndef TESSERA_POOL_H
#define TESSERA_POOL_H

#include <abi/types.h>

#define POOL_ROW_SLOTS  64u
#define POOL_ROWS       4096u /* at most, as POOL_NODES and those of POOL_NODE_PAGES are */
#define POOL_NODES      2048u
#define POOL_NODE_PAGES 32u
#define POOL_PAGE_NODES 512u
/* What growing may take itself. */
#define POOL_ROWS_RESERVE  16u
#define POOL_NODES_RESERVE 256u
#define POOL_CHUNKS        512u
#define POOL_BLOCK_BITS    16u
#define POOL_CHUNK_BITS    21u
#define POOL_LARGEST       30u

struct memory {
    uint8_t *view;  /* where this server sees it */
    uint64_t bytes; /* a power of two, at least a page */
    cptr frame;
    uint64_t first; /* byte of the frame where it begins */
    uint32_t node;  /* of the frame */
};

struct pool_node {
    uint64_t address;
    cptr slot, frame;
    uint32_t next;          /* in the free list, 0 = end */
    uint32_t parent, child; /* child: the first of two, adjacent */
    uint8_t bits, state;
    uint16_t chunk;
};

struct pool {
    cptr cnode, vspace;
    uint32_t node_count;
    uint32_t free_nodes[POOL_LARGEST + 18]; /* by size_bits */
    uint32_t free_pairs;
    uint64_t free_bytes;        /* untyped or unused in chunks */
    uint64_t used_bytes[2];     /* blocks (without those of our own tables), pages */
    uint64_t most_used_bytes;   /* of both together, ever */
    cptr slots_next, slots_end; /* slots for nodes */
    uint32_t row_count;
    cptr tables_next, tables_end; /* slots for page tables of our own view */
    uint32_t table_block;         /* and the block that they are made of */
    uint32_t chunk_count;
    /* Called when something is short; true: something was given back, try again. NULL: there is nothing to give. */
    bool (*reclaim)(void);
    /* Called before the last rows are taken: to add some. NULL: there are no more. */
    bool (*grow)(void);
    /* Asked before a task, once built, takes another block for its objects, or (0 bytes) another row of slots. NULL:
     * nobody has to pay. */
    bool (*charge)(void *task, uint64_t bytes);
    bool is_growing, is_adding;
    uint32_t node_pages;
    struct pool_node *more_nodes[POOL_NODE_PAGES];
    struct pool_chunk {
        uint64_t used[8]; /* a bit for each page */
        uint32_t node, free_pages;
    } chunks[POOL_CHUNKS];
    struct pool_node nodes[POOL_NODES];
    uint16_t rows[POOL_ROWS];
};

static inline struct pool_node *pool_node_at(struct pool *pool, uint32_t n)
{
    return n < POOL_NODES ? &pool->nodes[n]
                          : &pool->more_nodes[(n - POOL_NODES) / POOL_PAGE_NODES][(n - POOL_NODES) % POOL_PAGE_NODES];
}

/* Slots [first, end) of `cnode` are the pool's; the first must be a multiple of POOL_ROW_SLOTS. */
void pool_open(struct pool *pool, cptr cnode, cptr vspace, cptr first, cptr end);
/* So are these, from now on. */
void pool_rows_add(struct pool *pool, cptr first, cptr end);
bool pool_add_untyped(struct pool *pool, cptr slot, uint64_t address, uint32_t bits);

/* 64 empty slots in a row; the caller empties them before they go back. */
bool pool_row_take(struct pool *pool, cptr *first);
void pool_row_return(struct pool *pool, cptr first);

/* A block of untyped memory for kernel objects: its node number; the slot is pool_slot(). Revoked when given back. */
bool pool_block_take(struct pool *pool, uint32_t *node);
void pool_block_return(struct pool *pool, uint32_t node);
static inline cptr pool_slot(struct pool *pool, uint32_t node)
{
    return pool_node_at(pool, node)->slot;
}

/* An untyped of any size that is never given back, for objects larger than a block. */
bool pool_untyped_take(struct pool *pool, uint32_t bits, cptr *slot);
/* Takes the largest free untyped out of the pool, to be given to somebody else; false when there is none. */
bool pool_largest_take(struct pool *pool, cptr *slot, uint64_t *address, uint32_t *bits);

/* Zeroed memory, `bytes` rounded up to a power of two. Nobody may have it mapped when it goes back. */
bool memory_take(struct pool *pool, uint64_t bytes, struct memory *memory);
void memory_return(struct pool *pool, const struct memory *memory);
/* The same for memory that the caller has cleared. */
void memory_return_cleared(struct pool *pool, const struct memory *memory);

#endif
