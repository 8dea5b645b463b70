/* Parts that need no kernel around them: ordered queues, ranges, ELF reader, capability look-up, derivation tree. */
#include "model.h"

#include <kernel/elf.h>
#include <kernel/lookup.h>
#include <kernel/object.h>
#include <mm/ranges.h>
#include <mm/vspace.h>
#include <sched/heap.h>

static uint64_t seed = 12345;
static uint64_t random_next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* --- heap --- */

#define NODES 3000

static unsigned depth_right(const struct heap_node *node)
{
    unsigned depth = 0;
    for (; node; node = node->right)
        depth++;
    return depth;
}

static void test_heap(void)
{
    static struct heap_node nodes[NODES];
    struct heap_node *heap = NULL;
    unsigned inside = 0;
    for (unsigned i = 0; i < NODES; i++)
        heap_insert(&heap, &nodes[i], random_next() % 1000), inside++;
    CHECK(depth_right(heap) <= 12);
    for (unsigned round = 0; round < 20000; round++) {
        struct heap_node *node = &nodes[random_next() % NODES];
        if (heap_contains(node)) {
            heap_remove(&heap, node);
            inside--;
        } else {
            heap_insert(&heap, node, random_next() % 1000);
            inside++;
        }
    }
    uint64_t last = 0;
    for (; heap; inside--) {
        CHECK(heap->key >= last && heap->parent == NULL);
        last = heap->key;
        heap_remove(&heap, heap);
    }
    EQUAL(inside, 0);
}

/* --- ranges --- */

static void test_ranges(void)
{
    struct ranges ram = {0}, holes = {0};
    ranges_add(&ram, 0x5000, 0x9800);
    ranges_add(&ram, 0x1234, 0x4000);
    ranges_add(&ram, 0x4000, 0x5000);
    ranges_add(&ram, 0x20000, 0x20800); /* no whole page */
    ranges_add(&ram, 0x30000, 0x40000);
    ranges_normalize(&ram, true);
    EQUAL(ram.count, 2);
    EQUAL(ram.range[0].start, 0x2000);
    EQUAL(ram.range[0].end, 0x9000);
    ranges_add(&holes, 0x0, 0x2001);
    ranges_add(&holes, 0x5800, 0x5801);
    ranges_add(&holes, 0x3f000, 0x50000);
    ranges_normalize(&holes, false);
    CHECK(ranges_subtract(&ram, &holes));
    EQUAL(ram.count, 3);
    EQUAL(ram.range[0].start, 0x3000);
    EQUAL(ram.range[0].end, 0x5000);
    EQUAL(ram.range[1].start, 0x6000);
    EQUAL(ram.range[1].end, 0x9000);
    EQUAL(ram.range[2].end, 0x3f000);
    EQUAL(range_piece_bits(&ram.range[0], 40), 12);
    EQUAL(range_piece_bits(&(struct range){0x4000, 0x10000}, 40), 14);
    EQUAL(range_piece_bits(&(struct range){0, 0x100000}, 16), 16);
    EQUAL(range_piece_bits(&(struct range){0x1000, 0x1800}, 16), 0);
    EQUAL(range_piece_bits(&(struct range){0x2000, 0x1000}, 16), 0);
    for (unsigned i = 0; i < PLATFORM_RANGES; i++)
        (void)ranges_add(&ram, i, i + 1);
    CHECK(!ranges_add(&ram, 1, 2));
}

/* --- ELF --- */

static void test_elf(const char *path)
{
    static uint8_t file[65536], damaged[65536];
    FILE *f = fopen(path, "rb");
    CHECK(f);
    size_t bytes = fread(file, 1, sizeof(file), f);
    fclose(f);
    struct elf elf;
    struct elf_segment segment;
    CHECK(elf_open(&elf, file, bytes, ARCH_ELF_MACHINE) == NULL);
    EQUAL(elf.entry, 0x400000);
    EQUAL(elf.program_header_count, 4);
    CHECK(elf_segment(&elf, 2, 1ul << 36, &segment) == NULL);
    EQUAL(segment.rights, RIGHT_READ | RIGHT_WRITE);
    EQUAL(segment.memory_bytes, 12000);
    CHECK(elf_open(&elf, file, bytes, 62) != NULL);
    /* Whatever the bytes are, what is accepted lies inside of the file. */
    unsigned accepted = 0;
    for (unsigned round = 0; round < 20000; round++) {
        size_t length = round % 4 == 0 ? random_next() % bytes : bytes;
        uint8_t *copy = malloc(length);
        memcpy(damaged, file, bytes);
        for (unsigned i = 0; i < 1 + round % 3; i++)
            damaged[random_next() % 240] = (uint8_t)random_next();
        memcpy(copy, damaged, length);
        if (elf_open(&elf, copy, length, ARCH_ELF_MACHINE) == NULL) {
            for (unsigned n = 0; n < elf.program_header_count; n++) {
                if (elf_segment(&elf, n, 1ul << 36, &segment) || segment.memory_bytes == 0)
                    continue;
                accepted++;
                CHECK(segment.data >= copy && segment.data + segment.file_bytes <= copy + length);
                CHECK(segment.address >= PAGE_BYTES && segment.address + segment.memory_bytes <= 1ul << 36);
                CHECK((segment.rights & (RIGHT_WRITE | RIGHT_EXEC)) != (RIGHT_WRITE | RIGHT_EXEC));
            }
        }
        free(copy);
    }
    CHECK(accepted > 1000);
}

/* --- look-up --- */

static void test_lookup(void)
{
    struct slot *inner = aligned_alloc(512, 512), *outer = aligned_alloc(512, 512), *found;
    memset(inner, 0, 512);
    memset(outer, 0, 512);
    outer[3].cap = cap_make_cnode(inner, 4, 4, 0xa);
    inner[7].cap = cap_make_plain(OBJECT_POWER_CONTROL, 0);
    struct cap root = cap_make_cnode(outer, 4, 20, 0x12345);
    OK(lookup_cap(root, 0x123453a7, &found));
    CHECK(found == &inner[7]);
    EQUAL(lookup_cap(root, 0x123453a8, &found), ERROR_FAILED_LOOKUP); /* empty */
    OK(lookup_slot(root, 0x123453a8, &found));
    EQUAL(lookup_slot(root, 0x123453b7, &found), ERROR_FAILED_LOOKUP); /* inner guard */
    EQUAL(lookup_slot(root, 0x023453a7, &found), ERROR_FAILED_LOOKUP); /* outer guard */
    EQUAL(lookup_slot(root, 0x123454a7, &found), ERROR_FAILED_LOOKUP); /* no CNode there */
    EQUAL(lookup_slot(root, 0, &found), ERROR_FAILED_LOOKUP);
    EQUAL(lookup_slot(cap_null(), 5, &found), ERROR_FAILED_LOOKUP);
    outer[3].cap = cap_make_cnode(inner, 4, 5, 0xa); /* more bits than there are */
    EQUAL(lookup_slot(root, 0x123453a7, &found), ERROR_FAILED_LOOKUP);
    root = cap_make_cnode(outer, 4, 28, 0); /* flat: slot i is the address i */
    OK(lookup_slot(root, 5, &found));
    CHECK(found == &outer[5]);
    EQUAL(lookup_slot(root, 16, &found), ERROR_FAILED_LOOKUP);
    EQUAL(lookup_range(root, 3, 0, 1, &found), ERROR_RANGE);
    EQUAL(lookup_range(root, 3, 15, 2, &found), ERROR_RANGE);
    EQUAL(lookup_range(root, 3, 16, 1, &found), ERROR_RANGE);
    EQUAL(lookup_range(root, 3, 1, UINT64_MAX, &found), ERROR_RANGE);
    OK(lookup_range(root, 3, 1, 15, &found));
    EQUAL(lookup_range(root, 4, 1, 1, &found), ERROR_INVALID_CAPABILITY);
    free(inner);
    free(outer);
}

/* --- capabilities --- */

static void test_caps(void)
{
    struct cap cap = cap_make_frame(0xfedcba987000, 30, RIGHT_ALL, BOOT_UNTYPED_ARCHIVE);
    EQUAL(cap_type(cap), OBJECT_FRAME);
    EQUAL(cap_frame_address(cap), 0xfedcba987000);
    EQUAL(cap_frame_size_bits(cap), 30);
    EQUAL(cap_frame_rights(cap), RIGHT_ALL);
    EQUAL(cap_frame_kind(cap), BOOT_UNTYPED_ARCHIVE);
    CHECK(!cap_frame_is_mapped(cap));
    cap = cap_frame_set_mapped(cap, cap_mapping(0xfffffff, 0x7ffffffff000));
    EQUAL(cap_mapping_vspace(cap), 0xfffffff);
    EQUAL(cap_mapping_address(cap), 0x7ffffffff000);
    cap = cap_frame_set_progress(cap, 255);
    EQUAL(cap_frame_progress(cap), 255);
    EQUAL(cap_frame_address(cap), 0xfedcba987000);
    cap = cap_frame_set_unmapped(cap_frame_mask_rights(cap, RIGHT_READ));
    EQUAL(cap_frame_rights(cap), RIGHT_READ);
    EQUAL(cap_frame_progress(cap), 0);
    EQUAL(cap.word1, 0);
    cap = cap_make_untyped(0xfffffffffff0, 47, BOOT_UNTYPED_DEVICE);
    EQUAL(cap_untyped_address(cap), 0xfffffffffff0);
    EQUAL(cap_untyped_size_bits(cap), 47);
    EQUAL(cap_untyped_kind(cap), BOOT_UNTYPED_DEVICE);
    cap = cap_make_cnode((void *)0x7f1234567800, 20, 12, 0xabc);
    EQUAL(cap_cnode_radix(cap), 20);
    EQUAL(cap_cnode_guard_bits(cap), 12);
    CHECK(cap_object(cap) == (void *)0x7f1234567800);
}

/* --- the derivation tree against a plain one --- */

#define TREE_SLOTS 64
struct plain_node {
    int parent;
    word badge;
    bool is_used, is_original;
};

static void tree_free(struct slot *slots, struct plain_node *nodes, int index)
{
    slot_remove(&slots[index]);
    nodes[index].is_used = false;
}

static bool plain_is_below(const struct plain_node *nodes, int node, int ancestor)
{
    for (; node >= 0; node = nodes[node].parent)
        if (node == ancestor)
            return true;
    return false;
}

/* Copies, badged mints and moves of one endpoint; revoking must delete exactly what the plain tree has below. */
static void test_tree(void)
{
    struct slot *slots = aligned_alloc(64, TREE_SLOTS * sizeof(struct slot));
    void *endpoint = aligned_alloc(32, 32);
    for (unsigned round = 0; round < 3000; round++) {
        struct plain_node nodes[TREE_SLOTS] = {0};
        memset(slots, 0, TREE_SLOTS * sizeof(struct slot));
        slot_set_root(&slots[0], cap_make(OBJECT_ENDPOINT, endpoint, RIGHT_ALL, 0));
        nodes[0] = (struct plain_node){.parent = -1, .is_used = true, .is_original = true};
        for (unsigned step = 0; step < 60; step++) {
            int from = (int)(random_next() % TREE_SLOTS), to = (int)(random_next() % TREE_SLOTS);
            if (!nodes[from].is_used || nodes[to].is_used)
                continue;
            word badge = nodes[from].badge == 0 && random_next() % 3 == 0 ? random_next() % 4 + 1 : nodes[from].badge;
            struct cap cap;
            OK(slot_derive(&slots[from], &cap));
            cap.word1 = badge;
            slot_insert_derived(&slots[from], &slots[to], cap);
            bool is_minted = badge != nodes[from].badge;
            /* A copy of an original is below it, a copy of a copy beside it. */
            nodes[to] = (struct plain_node){.parent = nodes[from].is_original ? from : nodes[from].parent,
                                            .badge = badge,
                                            .is_used = true,
                                            .is_original = is_minted};
        }
        CHECK(!slot_is_final(&slots[0]) || slots[0].next == NULL);
        int target = (int)(random_next() % TREE_SLOTS);
        if (!nodes[target].is_used)
            target = 0;
        while (slot_has_child(&slots[target])) {
            int child = (int)(slots[target].next - slots);
            CHECK(plain_is_below(nodes, child, target) && child != target);
            tree_free(slots, nodes, child);
        }
        for (int i = 0; i < TREE_SLOTS; i++)
            CHECK(!nodes[i].is_used || i == target || !plain_is_below(nodes, i, target));
    }
    free(slots);
    free(endpoint);
}

static void test_swap(void)
{
    struct slot *s = aligned_alloc(64, 4 * sizeof(struct slot));
    memset(s, 0, 4 * sizeof(struct slot));
    slot_set_root(&s[0], cap_make_plain(OBJECT_IRQ_CONTROL, 0));
    slot_insert(&s[0], &s[2], cap_make_plain(OBJECT_IRQ_HANDLER, 2), SLOT_ORIGINAL);
    slot_insert(&s[0], &s[1], cap_make_plain(OBJECT_IRQ_HANDLER, 1), SLOT_ORIGINAL);
    slot_swap(&s[1], s[1].cap, &s[2], s[2].cap); /* neighbours */
    EQUAL(s[1].cap.word1, 2);
    CHECK(s[0].next == &s[2] && s[2].next == &s[1] && s[1].next == NULL && slot_prev(&s[1]) == &s[2]);
    slot_swap(&s[0], s[0].cap, &s[1], s[1].cap); /* first and last */
    CHECK(s[1].next == &s[2] && s[2].next == &s[0] && slot_prev(&s[1]) == NULL && s[0].next == NULL);
    EQUAL(cap_type(s[1].cap), OBJECT_IRQ_CONTROL);
    slot_move(&s[2], &s[3], s[2].cap);
    CHECK(s[1].next == &s[3] && slot_prev(&s[0]) == &s[3] && slot_is_empty(&s[2]));
    free(s);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    model_start();
    test_heap();
    test_ranges();
    test_elf(argv[1]);
    test_lookup();
    test_caps();
    test_tree();
    test_swap();
    printf("units: all passed\n");
    return 0;
}
