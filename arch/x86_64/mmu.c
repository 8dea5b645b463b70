/* Page tables of the kernel half, address spaces and TLB. Contract: arch/mmu.h; picture: docs/x86_64.md.
 *
 * The kernel half is the same in every root table: slot PML4_DIRECT (all RAM, no execution) and slot PML4_KERNEL (image
 * and device window). It is complete before the first space is made and never changes but for device_map, which fills
 * empty entries of one table that all roots share.
 *
 * Translations of user spaces are tagged with a PCID where the CPU has PCIDs and INVPCID; each space then has a PCID of
 * its own while there are any, and the rest share PCID 0 and are flushed whenever they are loaded.
 *
 * Sources: Intel SDM vol. 3, chapter 4; 4.10.4 (invalidation, INVPCID types).
 */
#include <arch/mmu.h>
#include <arch/upcalls.h>
#include "mmu.h"
#include "cpu.h"
#include "instructions.h"

#define LARGE_BYTES  (1ul << 21)
#define HUGE_BYTES   (1ul << 30)
#define KERNEL_READ  (ENTRY_PRESENT | ENTRY_GLOBAL | ENTRY_NO_EXECUTE)
#define KERNEL_WRITE (KERNEL_READ | ENTRY_WRITE)
#define TABLE_ENTRY  (ENTRY_PRESENT | ENTRY_WRITE)

#define table_page __attribute__((aligned(4096))) static uint64_t

extern uint64_t kernel_pml4[512], kernel_pdpt[512];
extern const uint8_t kernel_text[], kernel_rodata[], kernel_data[], kernel_end[];
extern const uint8_t stack_guards[], stack_guards_end[]; /* addresses of the guard pages, boot.S */

table_page direct_directories[512]; /* the direct map's page-directory pointers */
table_page direct_low[512];         /* its first 2 MiB, where image and firmware areas lie */
table_page image_directory[512];
table_page image_table[512];
table_page device_directory[512];
table_page device_table[DEVICE_PAGES];

bool mmu_has_1g_pages;

static uint64_t image_paddr(const void *p)
{
    return (uint64_t)p - KERNEL_OFFSET;
}

/* ---- boot ---- */

const void *boot_look(void *context, uint64_t address, size_t bytes)
{
    (void)context;
    const uint64_t end = (uint64_t)BOOT_DIRECT_GIBS << 30;
    if (address >= end || bytes > end - address)
        return NULL;
    return (const void *)(DIRECT_BASE + address);
}

static void image_range_map(const void *start, const void *end, uint64_t flags)
{
    for (uint64_t address = image_paddr(start); address < image_paddr(end); address += PAGE_BYTES)
        image_table[address / PAGE_BYTES] = address | flags;
}

static void image_map(void)
{
    image_range_map(kernel_text, kernel_rodata, ENTRY_PRESENT | ENTRY_GLOBAL);
    image_range_map(kernel_rodata, kernel_data, KERNEL_READ);
    image_range_map(kernel_data, kernel_end, KERNEL_WRITE);
    for (const uint64_t *guard = (const uint64_t *)stack_guards; guard < (const uint64_t *)stack_guards_end; guard++)
        image_table[(*guard - KERNEL_OFFSET) / PAGE_BYTES] = 0;
    image_directory[0] = image_paddr(image_table) | TABLE_ENTRY;
    device_directory[0] = image_paddr(device_table) | TABLE_ENTRY;
}

/* The first 2 MiB by pages: no write access to the image's text and constants, nothing where the VGA and ROMs are. */
static void direct_low_map(void)
{
    for (uint64_t address = 0; address < LARGE_BYTES; address += PAGE_BYTES) {
        uint64_t flags = KERNEL_WRITE;
        if (address >= 0xa0000 && address < KERNEL_PHYSICAL)
            continue;
        if (address >= KERNEL_PHYSICAL && address < image_paddr(kernel_data))
            flags = KERNEL_READ;
        direct_low[address / PAGE_BYTES] = address | flags;
    }
}

static bool range_overlaps(const struct range *range, paddr start, paddr end)
{
    return range->start < end && start < range->end;
}

static bool is_free_ram(const struct platform *platform, paddr page)
{
    if (range_overlaps(&platform->archive, page, page + PAGE_BYTES))
        return false;
    for (unsigned i = 0; i < platform->reserved.count; i++)
        if (range_overlaps(&platform->reserved.range[i], page, page + PAGE_BYTES))
            return false;
    return true;
}

/* A cleared page of RAM below 4 GiB, from the top down; it becomes reserved. */
static uint64_t *boot_table_take(struct platform *platform)
{
    for (unsigned i = platform->ram.count; i-- > 0;) {
        const struct range *ram = &platform->ram.range[i];
        if (ram->start >= (uint64_t)BOOT_DIRECT_GIBS << 30)
            continue;
        paddr top = ram->end < (uint64_t)BOOT_DIRECT_GIBS << 30 ? ram->end : (uint64_t)BOOT_DIRECT_GIBS << 30;
        for (paddr page = (top & ENTRY_ADDRESS) - PAGE_BYTES; page >= ram->start && page >= LARGE_BYTES;
             page -= PAGE_BYTES) {
            if (!is_free_ram(platform, page) || !ranges_add(&platform->reserved, page, page + PAGE_BYTES))
                continue;
            arch_memory_clear(paddr_to_kernel(page), PAGE_BYTES);
            return paddr_to_kernel(page);
        }
    }
    kernel_stop("too little memory: no page left for the kernel's page tables");
}

/* Maps the 2 MiB page at `address`; what is already covered stays. */
static void direct_map_large(struct platform *platform, paddr address)
{
    uint64_t *slot = &direct_directories[address / HUGE_BYTES];
    if ((*slot & ENTRY_LARGE) != 0)
        return;
    if (*slot == 0)
        *slot = kernel_to_paddr(boot_table_take(platform)) | TABLE_ENTRY;
    uint64_t *directory = paddr_to_kernel(*slot & ENTRY_ADDRESS);
    if (address == 0)
        directory[0] = image_paddr(direct_low) | TABLE_ENTRY;
    else
        directory[address / LARGE_BYTES % 512] = address | KERNEL_WRITE | ENTRY_LARGE;
}

/* Widened to 2 MiB: firmware leaves device registers uncached by the MTRRs, whatever our entry says (SDM 11.5.2.2). */
static void direct_map_range(struct platform *platform, struct range range)
{
    paddr address = range.start & ~(LARGE_BYTES - 1);
    while (address < range.end) {
        uint64_t *slot = &direct_directories[address / HUGE_BYTES];
        if (mmu_has_1g_pages && address % HUGE_BYTES == 0 && range.end - address >= HUGE_BYTES && *slot == 0 &&
            address != 0) {
            *slot = address | KERNEL_WRITE | ENTRY_LARGE;
            address += HUGE_BYTES;
        } else {
            direct_map_large(platform, address);
            address += LARGE_BYTES;
        }
    }
}

static void ram_cut(struct ranges *ram)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < ram->count; i++) {
        struct range range = ram->range[i];
        if (range.start >= DIRECT_BYTES)
            continue;
        if (range.end > DIRECT_BYTES)
            range.end = DIRECT_BYTES;
        ram->range[kept++] = range;
    }
    ram->count = kept;
}

void mmu_start(struct platform *platform)
{
    mmu_has_1g_pages = cpu.has_large_pages_1g;
    ram_cut(&platform->ram);
    image_map();
    direct_low_map();
    direct_map_large(platform, 0);
    for (unsigned i = 0; i < platform->ram.count; i++)
        direct_map_range(platform, platform->ram.range[i]);
    kernel_pdpt[PDPT_KERNEL] = image_paddr(image_directory) | TABLE_ENTRY;
    kernel_pdpt[PDPT_DEVICE] = image_paddr(device_directory) | TABLE_ENTRY;
    kernel_pml4[PML4_DIRECT] = image_paddr(direct_directories) | TABLE_ENTRY;
    kernel_pml4[0] = 0;
    cr3_write(image_paddr(kernel_pml4));
}

uint64_t device_map(uint64_t address)
{
    uint64_t page = address & ENTRY_ADDRESS;
    uint64_t entry = page | KERNEL_WRITE | ENTRY_CACHE_DISABLE | ENTRY_WRITE_THROUGH;
    for (unsigned i = 0; i < DEVICE_PAGES; i++) {
        if (device_table[i] != 0 && (device_table[i] & ENTRY_ADDRESS) != page)
            continue;
        device_table[i] = entry;
        return DEVICE_BASE + i * PAGE_BYTES + address % PAGE_BYTES;
    }
    return 0;
}

/* ---- address spaces ---- */

#define CR3_KEEP      (1ul << 63) /* do not flush this PCID's translations on load */
#define PCIDS         4096u
#define INVPCID_PAGE  0
#define INVPCID_SPACE 1
#define INVPCID_ALL   3 /* all PCIDs, global translations stay */

static uint64_t pcid_used[PCIDS / 64] = {1}; /* PCID 0 is shared by the empty space and those that found none */
static struct arch_space empty_space;

static void invpcid(uint64_t type, uint64_t pcid, vaddr address)
{
    struct {
        uint64_t pcid, address;
    } descriptor = {pcid, address};
    __asm__ volatile("invpcid %0, %1" : : "m"(descriptor), "r"(type) : "memory");
}

static uint64_t space_pcid(const struct arch_space *space)
{
    return space->cr3 & (PCIDS - 1);
}

static bool is_loaded(const struct arch_space *space)
{
    return ((cr3_read() ^ space->cr3) & ENTRY_ADDRESS) == 0;
}

static uint64_t pcid_take(void)
{
    for (unsigned i = 0; cpu.has_pcid && i < PCIDS / 64; i++) {
        if (pcid_used[i] == ~0ul)
            continue;
        unsigned bit = (unsigned)__builtin_ctzl(~pcid_used[i]);
        pcid_used[i] |= 1ul << bit;
        return i * 64 + bit;
    }
    return 0;
}

void arch_space_init(struct arch_space *space, arch_entry *root)
{
    root[PML4_DIRECT] = kernel_pml4[PML4_DIRECT];
    root[PML4_KERNEL] = kernel_pml4[PML4_KERNEL];
    uint64_t pcid = pcid_take();
    space->cr3 = kernel_to_paddr(root) | pcid | (pcid != 0 ? CR3_KEEP : 0);
}

void arch_space_release(struct arch_space *space)
{
    uint64_t pcid = space_pcid(space);
    if (pcid == 0)
        return;
    invpcid(INVPCID_SPACE, pcid, 0);
    pcid_used[pcid / 64] &= ~(1ul << pcid % 64);
}

struct arch_space *arch_space_empty(void)
{
    empty_space.cr3 = image_paddr(kernel_pml4);
    return &empty_space;
}

void arch_tlb_page(struct arch_space *space, vaddr address)
{
    uint64_t pcid = space_pcid(space);
    if (is_loaded(space))
        page_invalidate(address);
    else if (pcid != 0)
        invpcid(INVPCID_PAGE, pcid, address);
}

void arch_tlb_space(struct arch_space *space)
{
    uint64_t pcid = space_pcid(space);
    if (pcid != 0)
        invpcid(INVPCID_SPACE, pcid, 0);
    else if (is_loaded(space))
        cr3_write(cr3_read());
}

void arch_tlb_all(void)
{
    if (cpu.has_pcid)
        invpcid(INVPCID_ALL, 0, 0);
    else
        cr3_write(cr3_read());
}
