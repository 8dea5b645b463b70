/* See tessera/heap.h. Sizes are rounded up to powers of two; each size has a list of free pieces, and so have pages. */
#include "tessera/heap.h"

#include "aot/image/image.h"
#include "proto/process.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define SMALLEST_BITS  5u
#define PAGE_SIZE_BITS 12u
#define GROW_PAGES     4u /* of WebAssembly's, 64 KiB each */

struct free_piece {
    struct free_piece *next;
};

static struct free_piece *free_lists[PAGE_SIZE_BITS + 1];
static uint64_t region_pages; /* of 64 KiB */
static uint8_t *fresh, *fresh_end;

static bool region_grow(void)
{
    for (uint64_t pages = GROW_PAGES; pages > 0; pages /= 2) {
        struct message m = {message_info(PROCESS_GROW, 0, 3), {PROCESS_HEAP_BASE, region_pages, pages}};
        if (syscall_call(PROCESS_CAP_SERVER, &m) != ERROR_NONE || message_info_label(m.info) != 0)
            continue;
        fresh = (uint8_t *)PROCESS_HEAP_BASE + region_pages * WASM_PAGE_BYTES;
        fresh_end = fresh + pages * WASM_PAGE_BYTES;
        region_pages += pages;
        return true;
    }
    return false;
}

static void *list_take(uint32_t bits)
{
    struct free_piece *piece = free_lists[bits];
    if (piece) {
        free_lists[bits] = piece->next;
        piece->next = NULL; /* the rest was cleared when it came back */
    }
    return piece;
}

static void list_return(void *bytes, uint32_t bits)
{
    struct free_piece *piece = bytes;
    memset(bytes, 0, 1ul << bits);
    piece->next = free_lists[bits];
    free_lists[bits] = piece;
}

void *heap_page_take(void)
{
    void *page = list_take(PAGE_SIZE_BITS);
    if (page)
        return page;
    if (fresh == fresh_end && !region_grow())
        return NULL;
    page = fresh;
    fresh += HEAP_PAGE_BYTES;
    return page;
}

void heap_page_return(void *page)
{
    list_return(page, PAGE_SIZE_BITS);
}

static uint32_t bits_of(size_t bytes)
{
    uint32_t bits = SMALLEST_BITS;
    while (1ul << bits < bytes)
        bits++;
    return bits;
}

void *heap_take(size_t bytes)
{
    uint32_t bits = bits_of(bytes);
    if (bits == PAGE_SIZE_BITS)
        return heap_page_take();
    void *piece = list_take(bits);
    if (piece)
        return piece;
    uint8_t *page = heap_page_take();
    if (!page)
        return NULL;
    for (size_t at = 1ul << bits; at < HEAP_PAGE_BYTES; at += 1ul << bits) {
        struct free_piece *rest = (struct free_piece *)(void *)(page + at);
        rest->next = free_lists[bits];
        free_lists[bits] = rest;
    }
    return page;
}

void heap_return(void *piece, size_t bytes)
{
    list_return(piece, bits_of(bytes));
}
