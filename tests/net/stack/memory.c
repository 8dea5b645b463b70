/* See stack.h. The linker turns the server's calls of lwIP's allocators into these (--wrap). */
#include <sanitizer/asan_interface.h>
#include <stdlib.h>

#include "lwip/mem.h"
#include "lwip/memp.h"
#include "lwip/pbuf.h"
#include "lwip/priv/memp_priv.h"
#include "stack.h"
#include "tessera/heap.h"

#define HEAP_PIECES 8192
#define REDZONE     16u
_Static_assert(MEMP_MAX <= POOLS, "one count for each");

void *__wrap_mem_malloc(mem_size_t bytes);
void __wrap_mem_free(void *piece);
void *__wrap_mem_trim(void *piece, mem_size_t bytes);
void __wrap_memp_init(void);
void *__wrap_memp_malloc(memp_t type);
void __wrap_memp_free(memp_t type, void *piece);
struct pbuf *__wrap_pbuf_alloced_custom(pbuf_layer layer, u16_t length, pbuf_type type, struct pbuf_custom *custom,
                                        void *payload, u16_t room);

static struct {
    void *address;
    size_t bytes;
} pieces[HEAP_PIECES];
static uint32_t heap_sizes[PACKET_REGION_BYTES / MEM_ALIGNMENT];
static struct memory_use use;
static uint32_t fail_after;
static void (*buffer_free)(struct pbuf *pbuf);

void memory_fail_after(uint32_t count)
{
    fail_after = count;
}

static bool fails(void)
{
    return fail_after > 0 && --fail_after == 0;
}

struct memory_use memory_use(void)
{
    return use;
}

void memory_reset(void)
{
    for (uint32_t i = 0; i < HEAP_PIECES; i++) {
        free(pieces[i].address);
        pieces[i].address = NULL;
    }
    use = (struct memory_use){0};
    fail_after = 0;
    __asan_poison_memory_region((uint8_t *)world_region + PACKET_DATA_OFFSET, PACKET_REGION_BYTES - PACKET_DATA_OFFSET);
}

/* ---- the server's heap (tessera/heap.h) ---------------------------------------------------------------------- */

void *heap_take(size_t bytes)
{
    if (fails())
        return NULL;
    for (uint32_t i = 0; i < HEAP_PIECES; i++)
        if (!pieces[i].address) {
            pieces[i].bytes = bytes;
            use.pieces++;
            return pieces[i].address = calloc(1, bytes);
        }
    return NULL;
}

void heap_return(void *piece, size_t bytes)
{
    for (uint32_t i = 0; i < HEAP_PIECES; i++)
        if (pieces[i].address == piece) {
            if (pieces[i].bytes != bytes)
                stack_fail("a piece comes back with another size");
            free(piece);
            pieces[i].address = NULL;
            use.pieces--;
            return;
        }
    stack_fail("what comes back was not taken");
}

void *heap_page_take(void)
{
    return heap_take(HEAP_PAGE_BYTES);
}

void heap_page_return(void *page)
{
    heap_return(page, HEAP_PAGE_BYTES);
}

/* ---- lwIP's heap, in the region ------------------------------------------------------------------------------ */

static uint32_t *size_of(const void *piece)
{
    return &heap_sizes[((uintptr_t)piece - (uintptr_t)world_region) / MEM_ALIGNMENT];
}

void *__wrap_mem_malloc(mem_size_t bytes)
{
    void *piece = fails() || bytes > MEM_SIZE ? NULL : mem_malloc(bytes + REDZONE);
    if (!piece)
        return NULL;
    *size_of(piece) = (uint32_t)bytes;
    use.heap_bytes += (uint32_t)bytes;
    __asan_unpoison_memory_region(piece, bytes);
    return piece;
}

void __wrap_mem_free(void *piece)
{
    use.heap_bytes -= *size_of(piece);
    __asan_poison_memory_region(piece, *size_of(piece));
    mem_free(piece);
}

void *__wrap_mem_trim(void *piece, mem_size_t bytes)
{
    uint32_t before = *size_of(piece);
    void *same = mem_trim(piece, bytes + REDZONE);
    use.heap_bytes -= before - (uint32_t)bytes;
    *size_of(piece) = (uint32_t)bytes;
    __asan_poison_memory_region(piece, before);
    __asan_unpoison_memory_region(piece, bytes);
    return same;
}

/* ---- lwIP's pools -------------------------------------------------------------------------------------------- */

void __wrap_memp_init(void)
{
    memp_init();
    for (uint32_t i = 0; i < MEMP_MAX; i++)
        __asan_poison_memory_region(memp_pools[i]->base, (size_t)memp_pools[i]->num * memp_pools[i]->size);
}

void *__wrap_memp_malloc(memp_t type)
{
    bool is_timer = type == MEMP_SYS_TIMEOUT; /* as many as there can be: lwIP asserts it */
    void *piece = !is_timer && fails() ? NULL : memp_malloc(type);
    if (piece) {
        use.pools[type]++;
        __asan_unpoison_memory_region(piece, memp_pools[type]->size);
    }
    return piece;
}

void __wrap_memp_free(memp_t type, void *piece)
{
    if (!piece)
        return;
    use.pools[type]--;
    __asan_poison_memory_region(piece, memp_pools[type]->size);
    memp_free(type, piece);
}

/* ---- the card's buffers -------------------------------------------------------------------------------------- */

static void buffer_back(struct pbuf *pbuf)
{
    use.buffers--;
    buffer_free(pbuf);
}

struct pbuf *__wrap_pbuf_alloced_custom(pbuf_layer layer, u16_t length, pbuf_type type, struct pbuf_custom *custom,
                                        void *payload, u16_t room)
{
    bool is_card = (uintptr_t)payload - (uintptr_t)world_region < PACKET_REGION_BYTES &&
                   (room == FRAME_ROOM || room == PACKET_BUFFER_BYTES);
    struct pbuf *pbuf = pbuf_alloced_custom(layer, length, type, custom, payload, room);
    if (pbuf && is_card) {
        use.buffers++;
        buffer_free = custom->custom_free_function;
        custom->custom_free_function = buffer_back;
    }
    return pbuf;
}
