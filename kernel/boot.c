/* From the platform record to the root task.
 *
 * The kernel takes what it needs for the root task from the largest stretch of free memory; everything else becomes
 * untyped capabilities in the root task's CNode. Anything that is missing or damaged ends in one line and a failing
 * power-off.
 */
#include <arch/machine.h>
#include <arch/mmu.h>
#include <arch/platform/archive.h>
#include <arch/timer.h>
#include <ipc/ipc.h>
#include <kernel/clock.h>
#include <kernel/elf.h>
#include <kernel/object.h>
#include <mm/ranges.h>
#include <mm/vspace.h>
#include <sched/core_block.h>

#define ROOT_WINDOW         0x1000000000ul /* the root task's image lies below */
#define ROOT_BOOT_INFO_PAGE ROOT_WINDOW
#define ROOT_BUFFER_PAGE    (ROOT_WINDOW + PAGE_BYTES)
#define ROOT_ARCHIVE        (ROOT_WINDOW + (1ul << 30))
#define MIN_BUDGET_NS       10000ul

#define DEVICE_UNTYPED_BITS 47
#define MEMORY_UNTYPED_BITS 40

struct kernel_state kernel;
struct core_block kernel_cores[CORE_COUNT_MAX];

struct boot {
    struct platform *platform;
    struct ranges archive;
    unsigned pool; /* the range of platform->ram that the kernel takes memory from */
    struct slot *cnode;
    struct tcb *root;
    struct vspace *vspace;
    unsigned next_slot;
};

/* --- memory --- */

static void memory_find(struct boot *boot)
{
    struct platform *platform = boot->platform;
    ranges_normalize(&platform->ram, true);
    ranges_normalize(&platform->reserved, false);
    boot->archive = (struct ranges){1, {platform->archive}};
    ranges_normalize(&boot->archive, false);
    for (unsigned i = 0; i < platform->ram.count; i++)
        platform->boot_info.memory_bytes += platform->ram.range[i].end - platform->ram.range[i].start;
    if (!ranges_subtract(&platform->ram, &platform->reserved) || !ranges_subtract(&platform->ram, &boot->archive))
        kernel_stop("the memory map has too many pieces");
    for (unsigned i = 1; i < platform->ram.count; i++) {
        const struct range *range = &platform->ram.range[i], *best = &platform->ram.range[boot->pool];
        if (range->end - range->start > best->end - best->start)
            boot->pool = i;
    }
    if (platform->ram.count == 0)
        kernel_stop("no usable memory");
}

/* Zeroed, aligned to its size. What alignment skips becomes untyped memory of its own. */
static void *memory_take(struct boot *boot, unsigned bits)
{
    struct ranges *ram = &boot->platform->ram;
    struct range *pool = &ram->range[boot->pool];
    paddr start = (pool->start + (1ul << bits) - 1) >> bits << bits;
    if (start >= pool->end || pool->end - start < 1ul << bits)
        kernel_stop("too little memory: %lu KiB found", boot->platform->boot_info.memory_bytes >> 10);
    if (start > pool->start)
        (void)ranges_add(ram, pool->start, start);
    pool->start = start + (1ul << bits);
    arch_memory_clear(paddr_to_kernel(start), 1ul << bits);
    return paddr_to_kernel(start);
}

/* --- capabilities --- */

static void *object_take(struct boot *boot, enum object_type type, struct cap *cap)
{
    void *object = memory_take(boot, object_types[type].size_bits);
    *cap = object_create(type, 0, kernel_to_paddr(object), BOOT_UNTYPED_MEMORY);
    return object;
}

/* --- the root task's address space --- */

static void root_map(struct boot *boot, vaddr address, paddr target, unsigned level, word rights)
{
    struct walk walk = vspace_walk(boot->vspace, address, level);
    while (walk.level > level) {
        if (arch_entry_is_present(*walk.entry))
            kernel_stop("the root task's segments overlap at %lx", address);
        arch_entry_write(walk.entry, arch_entry_make_table(kernel_to_paddr(memory_take(boot, PAGE_BITS)), 0));
        walk = vspace_walk(boot->vspace, address, level);
    }
    if (arch_entry_is_present(*walk.entry))
        kernel_stop("the root task's segments overlap at %lx", address);
    arch_entry_write(walk.entry, arch_entry_make_leaf(target, level, (unsigned)rights, 0));
}

static void segment_load(struct boot *boot, const struct elf_segment *segment)
{
    vaddr page = segment->address & ~(PAGE_BYTES - 1), end = segment->address + segment->memory_bytes;
    for (; page < end; page += PAGE_BYTES) {
        uint8_t *memory = memory_take(boot, PAGE_BITS);
        vaddr first = page > segment->address ? page : segment->address;
        vaddr last = segment->address + segment->file_bytes;
        if (last > page + PAGE_BYTES)
            last = page + PAGE_BYTES;
        if (first < last)
            __builtin_memcpy(memory + (first - page), segment->data + (first - segment->address), last - first);
        if (segment->rights & RIGHT_EXEC)
            arch_cache_sync_code(memory, PAGE_BYTES);
        root_map(boot, page, kernel_to_paddr(memory), 1, segment->rights);
    }
}

static void root_load(struct boot *boot, const struct archive *archive)
{
    struct archive_member member;
    struct elf elf;
    if (!archive_find(archive, "root", &member))
        kernel_stop("archive damaged: it has no member 'root'");
    const char *wrong = archive_verify(&member);
    if (!wrong)
        wrong = elf_open(&elf, member.data, member.bytes, ARCH_ELF_MACHINE);
    if (wrong)
        kernel_stop("the root task cannot be started: %s", wrong);
    for (unsigned i = 0; i < elf.program_header_count; i++) {
        struct elf_segment segment;
        wrong = elf_segment(&elf, i, ROOT_WINDOW, &segment);
        if (wrong)
            kernel_stop("the root task cannot be started: %s", wrong);
        if (segment.memory_bytes > 0)
            segment_load(boot, &segment);
    }
    arch_context_set_pc(&boot->root->context, elf.entry);
}

static void archive_map(struct boot *boot)
{
    struct range range = boot->archive.range[0];
    vaddr address = ROOT_ARCHIVE + range.start % (1ul << level_bits(2));
    boot->platform->boot_info.archive = address;
    while (range.start < range.end) {
        unsigned level = ((range.start | address) & ((1ul << level_bits(2)) - 1)) == 0 &&
                                 range.end - range.start >= 1ul << level_bits(2)
                             ? 2
                             : 1;
        root_map(boot, address, range.start, level, RIGHT_READ);
        address += 1ul << level_bits(level);
        range.start += 1ul << level_bits(level);
    }
}

/* --- the root task's capabilities --- */

static void slot_give(struct boot *boot, enum root_capability place, struct cap cap)
{
    slot_set_root(&boot->cnode[place], cap);
}

static void tcb_slot_give(struct boot *boot, enum tcb_slot place, enum root_capability source)
{
    struct cap cap;
    (void)slot_derive(&boot->cnode[source], &cap);
    slot_insert_derived(&boot->cnode[source], &boot->root->slots[place], cap);
    boot->root->slots[place].prev_and_flags |= SLOT_IN_TCB;
}

static void *frame_give(struct boot *boot, enum root_capability place, vaddr address, word rights)
{
    void *page = memory_take(boot, PAGE_BITS);
    struct cap cap = cap_make_frame(kernel_to_paddr(page), PAGE_BITS, rights, BOOT_UNTYPED_MEMORY);
    slot_give(boot, place, cap_frame_set_mapped(cap, cap_mapping(boot->vspace->id, address)));
    root_map(boot, address, kernel_to_paddr(page), 1, rights);
    return page;
}

static void root_create(struct boot *boot, struct core *core)
{
    struct cap tcb, vspace, sc_cap;
    boot->cnode = memory_take(boot, ROOT_CNODE_BITS + OBJECT_BITS_CNODE_SLOT);
    boot->root = object_take(boot, OBJECT_TCB, &tcb);
    (void)object_take(boot, OBJECT_VSPACE, &vspace);
    boot->vspace = vspace_of(vspace);
    struct sched_context *sc = object_take(boot, OBJECT_SCHED_CONTEXT, &sc_cap);
    slot_give(boot, ROOT_TCB, tcb);
    slot_give(boot, ROOT_CNODE, cap_make_cnode(boot->cnode, ROOT_CNODE_BITS, 32 - ROOT_CNODE_BITS, 0));
    slot_give(boot, ROOT_VSPACE, vspace);
    slot_give(boot, ROOT_SCHED_CONTEXT, sc_cap);
    slot_give(boot, ROOT_SCHED_CONTROL, cap_make_plain(OBJECT_SCHED_CONTROL, core->number));
    slot_give(boot, ROOT_IRQ_CONTROL, cap_make_plain(OBJECT_IRQ_CONTROL, 0));
    if (arch_has_ports())
        slot_give(boot, ROOT_IO_PORT_CONTROL, cap_make_plain(OBJECT_IO_PORT_CONTROL, 0));
    slot_give(boot, ROOT_POWER_CONTROL, cap_make_plain(OBJECT_POWER_CONTROL, 0));

    boot->root->buffer = frame_give(boot, ROOT_IPC_BUFFER, ROOT_BUFFER_PAGE, RIGHT_READ | RIGHT_WRITE);
    boot->root->space = &boot->vspace->space;
    boot->root->priority = boot->root->maximum_priority = PRIORITIES - 1;
    tcb_slot_give(boot, TCB_SLOT_CSPACE, ROOT_CNODE);
    tcb_cspace_changed(boot->root);
    tcb_slot_give(boot, TCB_SLOT_VSPACE, ROOT_VSPACE);
    tcb_slot_give(boot, TCB_SLOT_BUFFER, ROOT_IPC_BUFFER);
    sched_context_configure(core, sc, CLOCK_FOREVER, CLOCK_FOREVER, 2, 0);
    sched_context_bind(core, sc, boot->root);
}

static void untypeds_give(struct boot *boot, struct range range, enum boot_untyped_kind kind, unsigned most_bits)
{
    struct boot_info *info = &boot->platform->boot_info;
    unsigned bits;
    while ((bits = range_piece_bits(&range, most_bits)) != 0 && info->untyped_count < BOOT_INFO_UNTYPEDS) {
        slot_set_root(&boot->cnode[boot->next_slot++], cap_make_untyped(range.start, bits, kind));
        info->untypeds[info->untyped_count++] =
            (struct boot_untyped){.address = range.start, .size_bits = (uint8_t)bits, .kind = kind};
        range.start += 1ul << bits;
    }
}

static void untypeds_give_all(struct boot *boot)
{
    struct platform *platform = boot->platform;
    struct boot_info *info = &platform->boot_info;
    word free_bytes = 0;
    boot->next_slot = info->untyped_first = ROOT_FIRST_FREE;
    ranges_normalize(&platform->ram, true); /* the small objects left pieces of pages */
    for (unsigned i = 0; i < platform->ram.count; i++) {
        free_bytes += platform->ram.range[i].end - platform->ram.range[i].start;
        untypeds_give(boot, platform->ram.range[i], BOOT_UNTYPED_MEMORY, MEMORY_UNTYPED_BITS);
    }
    if (boot->archive.count > 0)
        untypeds_give(boot, boot->archive.range[0], BOOT_UNTYPED_ARCHIVE, MEMORY_UNTYPED_BITS);
    ranges_normalize(&platform->device, false);
    for (unsigned i = 0; i < platform->device.count; i++)
        untypeds_give(boot, platform->device.range[i], BOOT_UNTYPED_DEVICE, DEVICE_UNTYPED_BITS);
    info->empty_first = boot->next_slot;
    info->empty_end = 1u << ROOT_CNODE_BITS;
    info->kernel_bytes = info->memory_bytes - free_bytes;
}

/* --- --- */

static void archive_check(const struct boot *boot, struct archive *archive)
{
    struct range range = boot->platform->archive;
    if (range.end <= range.start)
        kernel_stop("archive missing: none was given");
    if (range.start % PAGE_BYTES != 0)
        kernel_stop("archive damaged: it begins at %lx, not on a page", range.start);
    const char *wrong = archive_open(archive, paddr_to_kernel(range.start), range.end - range.start);
    if (wrong)
        kernel_stop("%s", wrong);
}

static void core_start(struct core *core)
{
    struct tcb *idle = &core_block_of(core)->idle;
    arch_context_init_idle(&idle->context);
    idle->state = THREAD_IDLE;
    idle->core = core;
    core->idle = core->current = idle;
    core->space = arch_space_empty();
    core->deadline = ARCH_TIMER_NEVER;
    core->charge_start = arch_timer_now();
    rescue_start(core);
    arch_fpu_enable(false);
}

void kernel_boot(struct core *core, struct platform *platform)
{
    struct boot boot = {.platform = platform};
    struct boot_info *info = &platform->boot_info;
    struct archive archive;
    kernel.timer_hz = info->timer_hz;
    kernel.min_budget = clock_ticks(MIN_BUDGET_NS);
    core_start(core);
    archive_check(&boot, &archive);
    memory_find(&boot);
    root_create(&boot, core);
    root_load(&boot, &archive);
    archive_map(&boot);
    struct boot_info *page = frame_give(&boot, ROOT_BOOT_INFO, ROOT_BOOT_INFO_PAGE, RIGHT_READ);
    untypeds_give_all(&boot);
    info->magic = BOOT_INFO_MAGIC;
    info->ipc_buffer = ROOT_BUFFER_PAGE;
    info->archive_bytes = archive.bytes;
    info->archive_address = platform->archive.start;
    print("tessera: %s, %lu MiB, archive %lu KiB, %u members\n", platform->name, info->memory_bytes >> 20,
          info->archive_bytes >> 10, archive.member_count);
    *page = *info;
    arch_mmu_publish();
    arch_context_set_argument(&boot.root->context, ROOT_BOOT_INFO_PAGE);
    thread_make_ready(core, boot.root);
    page->root_ticks = arch_timer_now();
    schedule(core);
}
