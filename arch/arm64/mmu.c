/* Translation tables of the kernel half, ASIDs, TLB maintenance, caches. See mmu.h and arch/mmu.h.
 *
 *   TTBR1, root = boot_tables                                           all entries global, never for EL0
 *     0 .. 255   DIRECT_BASE   RAM: blocks of 1 GiB and 2 MiB, pages at the edges; read-write, never executable
 *     511        KERNEL_BASE   the image, page by page: text RX, rodata R, data RW (boot.S)
 *                DEVICE_BASE   device registers, page by page, nGnRE
 *
 * The tables of the direct map come from table_pool, which is part of the image: about one for each edge of a region of
 * RAM that is not a multiple of 2 MiB.
 *
 * Sources: Arm ARM DDI 0487, D8.3 (descriptors), D8.14 (TLB maintenance), D7.5 (caches), C5.3 (DC, IC operations).
 */
#include "mmu.h"
#include "boot.h"
#include "instructions.h"

#include <arch/core.h>
#include <arch/machine.h>
#include <arch/mmu.h>
#include <arch/upcalls.h>

#define TCR_EPD0    (1ul << 7)
#define PAGE_MASK   (PAGE_BYTES - 1)
#define BLOCK_BYTES (1ul << 21)
#define ENTRY_DIRECT                                                                                                   \
    (ENTRY_VALID | ENTRY_INNER_SHARED | ENTRY_ACCESSED | MEMORY_NORMAL << ENTRY_ATTRIBUTE | ENTRY_PXN | ENTRY_UXN)
#define ENTRY_DEVICE (ENTRY_KIND | ENTRY_ACCESSED | MEMORY_DEVICE << ENTRY_ATTRIBUTE | ENTRY_PXN | ENTRY_UXN)

typedef arch_entry table[ARCH_TABLE_ENTRIES];

extern table boot_tables[4]; /* root, the top GiBs, the 2 MiB table of the image's GiB, the image's pages */
extern table table_pool[TABLE_POOL_PAGES];
extern char image_start[], image_end[];

static unsigned tables_used;
static table device_table __attribute__((aligned(4096)));
static unsigned device_pages_used;
static table empty_root __attribute__((aligned(4096)));
static struct arch_space empty_space;
static paddr image_address;

static unsigned table_index(uint64_t address, unsigned level)
{
    return address >> (PAGE_BITS + 9 * (level - 1)) & (ARCH_TABLE_ENTRIES - 1);
}

static void tables_changed(void)
{
    data_barrier(ishst);
    instruction_barrier();
}

/* ---- the kernel half ---- */

static paddr image_to_paddr(const void *p)
{
    return (paddr)p - KERNEL_BASE + image_address;
}

static void *image_from_paddr(paddr address)
{
    return (void *)(address - image_address + KERNEL_BASE);
}

void mmu_start(paddr image)
{
    image_address = image;
    arch_entry_write(&boot_tables[2][table_index(DEVICE_BASE, 2)], image_to_paddr(device_table) | ENTRY_KIND);
    empty_space.ttbr = image_to_paddr(empty_root);
    tables_changed();
}

paddr image_start_address(void)
{
    return image_address;
}

paddr image_end_address(void)
{
    return image_address + (paddr)(image_end - image_start);
}

/* The table that a slot of the direct map points to, made if there is none; NULL when the pool is used up. */
static arch_entry *table_below(arch_entry *slot)
{
    if (!arch_entry_is_present(*slot)) {
        if (tables_used == TABLE_POOL_PAGES)
            return NULL;
        arch_entry *new = table_pool[tables_used++];
        arch_memory_clear(new, PAGE_BYTES);
        data_barrier(ishst);
        arch_entry_write(slot, image_to_paddr(new) | ENTRY_KIND);
    }
    return image_from_paddr(arch_entry_address(*slot));
}

/* Maps [at, end) as far as one table of this level reaches, with leaves of its size: those that do not fit, or where a
 * table lies already, stop it. Returns where it stopped. */
static paddr leaves_write(arch_entry *entries, unsigned level, paddr at, paddr end)
{
    paddr size = 1ul << (PAGE_BITS + 9 * (level - 1));
    arch_entry leaf = ENTRY_DIRECT | (level == 1 ? ENTRY_TABLE_OR_PAGE : 0);
    unsigned i = table_index(at, level);
    while (i < ARCH_TABLE_ENTRIES && at < end) {
        if (!arch_entry_is_present(entries[i])) {
            if (at % size != 0 || end - at < size)
                break;
            arch_entry_write(&entries[i], at | leaf);
        } else if (arch_entry_is_table(entries[i], level)) {
            break;
        }
        at = (at | (size - 1)) + 1;
        i++;
    }
    return at;
}

static bool range_map(paddr at, paddr end)
{
    while (at < end) {
        arch_entry *entries = boot_tables[0];
        unsigned level = ARCH_LEVELS;
        paddr stop = at;
        while (stop == at) {
            entries = table_below(&entries[table_index(at, level)]);
            if (entries == NULL)
                return false;
            level--;
            stop = leaves_write(entries, level, at, end);
        }
        at = stop;
    }
    return true;
}

bool direct_map(paddr start, paddr end)
{
    start = (start + PAGE_MASK) & ~PAGE_MASK;
    end &= ~PAGE_MASK;
    if (end > DIRECT_END - DIRECT_BASE)
        end = DIRECT_END - DIRECT_BASE;
    paddr image_last = image_end_address();
    bool is_done = range_map(start, end < image_address ? end : image_address) &&
                   range_map(start > image_last ? start : image_last, end);
    tables_changed();
    return is_done;
}

void direct_map_blocks(paddr start, uint64_t bytes)
{
    paddr end = (start + bytes + BLOCK_BYTES - 1) & ~(BLOCK_BYTES - 1);
    if (!direct_map(start & ~(BLOCK_BYTES - 1), end))
        kernel_stop("the tables for the direct map are used up");
}

bool is_direct_mapped(paddr start, uint64_t bytes)
{
    if (start >= DIRECT_END - DIRECT_BASE || bytes > DIRECT_END - DIRECT_BASE - start)
        return false;
    paddr end = start + bytes;
    while (start < end) {
        const arch_entry *entries = boot_tables[0];
        unsigned level = ARCH_LEVELS;
        arch_entry e = entries[table_index(start, level)];
        while (arch_entry_is_table(e, level)) {
            entries = image_from_paddr(arch_entry_address(e));
            e = entries[table_index(start, --level)];
        }
        if (!arch_entry_is_present(e))
            return false;
        start = (start | ((1ul << (PAGE_BITS + 9 * (level - 1))) - 1)) + 1;
    }
    return true;
}

uint64_t device_map(paddr address, uint64_t bytes)
{
    paddr first = address & ~PAGE_MASK;
    uint64_t place = DEVICE_BASE + device_pages_used * PAGE_BYTES;
    for (paddr at = first; at < address + bytes; at += PAGE_BYTES) {
        if (device_pages_used == DEVICE_PAGES)
            kernel_stop("the window for device registers is full");
        arch_entry_write(&device_table[device_pages_used++], at | ENTRY_DEVICE);
    }
    tables_changed();
    return place + (address - first);
}

void mmu_user_on(void)
{
    system_write(ttbr0_el1, empty_space.ttbr);
    instruction_barrier();
    system_write(tcr_el1, system_read(tcr_el1) & ~TCR_EPD0);
    instruction_barrier();
    __asm__ volatile("tlbi vmalle1\n\tdsb nsh\n\tisb" : : : "memory");
}

/* ---- ASIDs ----
 *
 * 0 is the empty space's, 1 is shared by all spaces that came when no other was found free: loading one of those first
 * drops what the last one left (mmu_switch_shared). The search is cut short, for the sake of interrupts. */

#define ASID_SHARED 1u
#define ASID_FIRST  2u
#define ASID_LIMIT  65536u
#define ASID_LOOK   16u /* words of the map */
#define TCR_ASID_16 (1ul << 36)

static uint64_t asid_map[ASID_LIMIT / 64]; /* bit set: in use */
static unsigned asid_hint;                 /* word of the map where to look first */

static unsigned asid_allocate(void)
{
    unsigned words = (system_read(tcr_el1) & TCR_ASID_16) != 0 ? ASID_LIMIT / 64 : 256 / 64;
    asid_map[0] |= 1u | 1u << ASID_SHARED;
    for (unsigned i = 0; i < ASID_LOOK; i++, asid_hint++) {
        unsigned at = asid_hint % words;
        if (asid_map[at] != UINT64_MAX) {
            unsigned bit = (unsigned)__builtin_ctzl(~asid_map[at]);
            asid_map[at] |= 1ul << bit;
            return at * 64 + bit;
        }
    }
    return ASID_SHARED;
}

void arch_space_init(struct arch_space *space, arch_entry *root)
{
    uint64_t asid = asid_allocate();
    space->ttbr = kernel_to_paddr(root) | asid << TTBR_ASID_SHIFT | (asid == ASID_SHARED ? TTBR_SHARED : 0);
}

void arch_space_release(struct arch_space *space)
{
    uint64_t asid = space->ttbr >> TTBR_ASID_SHIFT;
    arch_tlb_space(space);
    if (asid < ASID_FIRST)
        return;
    asid_hint = (unsigned)asid / 64;
    asid_map[asid / 64] &= ~(1ul << asid % 64);
}

struct arch_space *arch_space_empty(void)
{
    return &empty_space;
}

void mmu_switch_shared(uint64_t ttbr)
{
    system_write(ttbr0_el1, ttbr & ~TTBR_SHARED);
    instruction_barrier();
    __asm__ volatile("tlbi aside1, %0\n\tdsb nsh\n\tisb" : : "r"((uint64_t)ASID_SHARED << TTBR_ASID_SHIFT) : "memory");
}

/* ---- TLB maintenance: on all cores of the inner-shareable domain ---- */

void arch_tlb_page(struct arch_space *space, vaddr address)
{
    uint64_t operand = (space->ttbr & ~((1ul << TTBR_ASID_SHIFT) - 1)) | (address >> PAGE_BITS & ((1ul << 44) - 1));
    __asm__ volatile("dsb ishst\n\ttlbi vae1is, %0\n\tdsb ish" : : "r"(operand) : "memory");
}

void arch_tlb_space(struct arch_space *space)
{
    uint64_t operand = space->ttbr & ~((1ul << TTBR_ASID_SHIFT) - 1);
    __asm__ volatile("dsb ishst\n\ttlbi aside1is, %0\n\tdsb ish" : : "r"(operand) : "memory");
}

void arch_tlb_all(void)
{
    __asm__ volatile("dsb ishst\n\ttlbi vmalle1is\n\tdsb ish" : : : "memory");
}

/* ---- caches ---- */

#define CTR_IDC         (1ul << 28) /* no data cache cleaning is needed for instruction fetches */
#define CTR_DIC         (1ul << 29) /* no instruction cache invalidation is needed */
#define CTR_L1IP_SHIFT  14
#define CTR_L1IP_PIPT   3u
#define CTR_DLINE_SHIFT 16
#define CTR_ILINE_SHIFT 0

static uint64_t line_bytes(uint64_t ctr, unsigned shift)
{
    return 4ul << id_field(ctr, shift);
}

void arch_cache_clean(const void *start, size_t bytes)
{
    uint64_t line = line_bytes(system_read(ctr_el0), CTR_DLINE_SHIFT);
    uint64_t end = (uint64_t)start + bytes;
    for (uint64_t at = (uint64_t)start & ~(line - 1); at < end; at += line)
        __asm__ volatile("dc civac, %0" : : "r"(at) : "memory");
    data_barrier(sy);
}

/* User level executes at other virtual addresses than these: by address works for physically indexed caches only. */
void arch_cache_sync_code(const void *start, size_t bytes)
{
    uint64_t ctr = system_read(ctr_el0);
    uint64_t end = (uint64_t)start + bytes;
    uint64_t line = line_bytes(ctr, CTR_DLINE_SHIFT);
    if ((ctr & CTR_IDC) == 0)
        for (uint64_t at = (uint64_t)start & ~(line - 1); at < end; at += line)
            __asm__ volatile("dc cvau, %0" : : "r"(at) : "memory");
    data_barrier(ish);
    if ((ctr & CTR_DIC) != 0) {
        instruction_barrier();
        return;
    }
    line = line_bytes(ctr, CTR_ILINE_SHIFT);
    if ((ctr >> CTR_L1IP_SHIFT & 3) != CTR_L1IP_PIPT)
        __asm__ volatile("ic ialluis" : : : "memory");
    else
        for (uint64_t at = (uint64_t)start & ~(line - 1); at < end; at += line)
            __asm__ volatile("ic ivau, %0" : : "r"(at) : "memory");
    data_barrier(ish);
    instruction_barrier();
}
