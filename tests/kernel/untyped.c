/* Untyped memory: what retype gives, where, when memory comes back, and what it holds then. */
#include "test.h"

static word address_of(cptr frame)
{
    word address, bits;
    OK(frame_get_address(frame, &address, &bits));
    return address;
}

static word free_bytes(cptr untyped)
{
    struct untyped_description d;
    OK(untyped_describe(untyped, &d));
    return d.free_bytes;
}

CASE(untyped_describe_values, "An untyped tells its size, address, kind and free bytes, and these go down as it gives")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 16), slots = slots_new(2);
    struct untyped_description d;
    OK(untyped_describe(untyped, &d));
    EQUAL(d.size_bits, 16);
    EQUAL(d.free_bytes, 0x10000);
    EQUAL(d.is_device, 0);
    EQUAL(d.address & 0xffff, 0);
    OK(untyped_retype_all(untyped, OBJECT_FRAME, 12, ROOT_CNODE, slots, 1));
    EQUAL(free_bytes(untyped), 0xf000);
    EQUAL(address_of(slots), d.address);
    OK(untyped_retype_all(untyped, OBJECT_FRAME, 14, ROOT_CNODE, slots + 1, 1));
    EQUAL(address_of(slots + 1), d.address + 0x4000);
    EQUAL(free_bytes(untyped), 0x8000);
}

CASE(untyped_boot_untypeds, "The boot's untypeds are as its information says, and none overlaps another")
{
    for (uint32_t i = 0; i < boot->untyped_count; i++) {
        const struct boot_untyped *u = &boot->untypeds[i];
        struct untyped_description d;
        NOTE(i);
        OK(untyped_describe(boot->untyped_first + i, &d));
        EQUAL(d.address, u->address);
        EQUAL(d.size_bits, u->size_bits);
        EQUAL(d.is_device, u->kind == BOOT_UNTYPED_DEVICE);
        for (uint32_t k = 0; k < i; k++) {
            const struct boot_untyped *v = &boot->untypeds[k];
            CHECK(u->address + (1ul << u->size_bits) <= v->address || v->address + (1ul << v->size_bits) <= u->address);
        }
    }
}

CASE(untyped_objects_apart,
     "A hundred objects of mixed types and sizes made of one untyped have memory of their own each")
{
    static const struct {
        enum object_type type;
        word size_bits;
    } kinds[] = {{OBJECT_UNTYPED, 12}, {OBJECT_ENDPOINT, 0}, {OBJECT_UNTYPED, 5}, {OBJECT_FRAME, 12},
                 {OBJECT_TCB, 0},      {OBJECT_UNTYPED, 4},  {OBJECT_REPLY, 0},   {OBJECT_FRAME, 13},
                 {OBJECT_UNTYPED, 7},  {OBJECT_CNODE, 1}};
    cptr untyped = object_new(OBJECT_UNTYPED, 20), slots = slots_new(100);
    word end = 0;
    for (unsigned i = 0; i < 100; i++) {
        unsigned k = i % COUNT(kinds);
        word before = free_bytes(untyped), bits = kinds[k].size_bits, address;
        OK(untyped_retype_all(untyped, kinds[k].type, bits, ROOT_CNODE, slots + i, 1));
        NOTE(i);
        CHECK(free_bytes(untyped) < before);
        if (kinds[k].type == OBJECT_UNTYPED) {
            struct untyped_description d;
            OK(untyped_describe(slots + i, &d));
            address = d.address;
        } else if (kinds[k].type == OBJECT_FRAME) {
            address = address_of(slots + i);
        } else {
            continue;
        }
        EQUAL(address & ((1ul << bits) - 1), 0);
        CHECK(address >= end);
        end = address + (1ul << bits);
    }
}

CASE(untyped_step_bound,
     "One retype makes at most 64 objects and says so; it ends before a slot in use or the end of memory")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 12), slots = slots_new(200);
    word done;
    OK(untyped_retype(untyped, OBJECT_ENDPOINT, 0, ROOT_CNODE, slots, 200, &done));
    EQUAL(done, 64);
    OK(cnode_copy(ROOT_CNODE, slots + 70, ROOT_CNODE, slots, RIGHT_ALL));
    OK(untyped_retype(untyped, OBJECT_ENDPOINT, 0, ROOT_CNODE, slots + 64, 20, &done));
    EQUAL(done, 6);
    EQUAL(free_bytes(untyped), 4096 - 70 * 32);
    OK(untyped_retype_all(untyped, OBJECT_ENDPOINT, 0, ROOT_CNODE, slots + 71, 58));
    struct message m = {0, {OBJECT_ENDPOINT, 0, ROOT_CNODE, slots + 130, 1}};
    EQUAL(invoked(untyped, UNTYPED_RETYPE, 5, &m), ERROR_NOT_ENOUGH_MEMORY);
    EQUAL(m.words[0], 0);
    CHECK(!slot_is_used(slots + 130));
}

CASE(untyped_starts_anew, "Memory comes back when the last object goes, not before, and begins at the start")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 14), slots = slots_new(3);
    OK(untyped_retype_all(untyped, OBJECT_FRAME, 12, ROOT_CNODE, slots, 3));
    word first = address_of(slots);
    OK(cnode_delete(ROOT_CNODE, slots));
    OK(cnode_delete(ROOT_CNODE, slots + 2));
    EQUAL(free_bytes(untyped), 0x1000);
    OK(cnode_delete(ROOT_CNODE, slots + 1));
    EQUAL(free_bytes(untyped), 0x4000);
    OK(untyped_retype_all(untyped, OBJECT_FRAME, 12, ROOT_CNODE, slots, 1));
    EQUAL(address_of(slots), first);
}

CASE(untyped_not_enough, "What does not fit is refused with the bytes that are free, and nothing is made or cleared")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 13), slots = slots_new(2);
    OK(untyped_retype_all(untyped, OBJECT_ENDPOINT, 0, ROOT_CNODE, slots, 1));
    struct message m = {0, {OBJECT_FRAME, 13, ROOT_CNODE, slots + 1, 1}};
    EQUAL(invoked(untyped, UNTYPED_RETYPE, 5, &m), ERROR_NOT_ENOUGH_MEMORY);
    EQUAL(m.words[0], 8192 - 32);
    m = (struct message){0, {OBJECT_FRAME, 30, ROOT_CNODE, slots + 1, 1}};
    EQUAL(invoked(untyped, UNTYPED_RETYPE, 5, &m), ERROR_NOT_ENOUGH_MEMORY);
    m = (struct message){0, {OBJECT_UNTYPED, 47, ROOT_CNODE, slots + 1, 1}};
    EQUAL(invoked(untyped, UNTYPED_RETYPE, 5, &m), ERROR_NOT_ENOUGH_MEMORY);
    CHECK(!slot_is_used(slots + 1));
    OK(untyped_retype_all(untyped, OBJECT_FRAME, 12, ROOT_CNODE, slots + 1, 1));
}

CASE(untyped_destination, "Retype into another CNode, at its last slot; the range may not go beyond")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 12), cnode = object_new(OBJECT_CNODE, 3);
    word done;
    OK(untyped_retype(untyped, OBJECT_ENDPOINT, 0, cnode, 7, 1, &done));
    EQUAL(cnode_move(cnode, 7, cnode, 7), ERROR_DELETE_FIRST);
    EQUAL(untyped_retype(untyped, OBJECT_ENDPOINT, 0, cnode, 6, 3, &done), ERROR_RANGE);
    EQUAL(untyped_retype(untyped, OBJECT_ENDPOINT, 0, cnode, 1, 8, &done), ERROR_RANGE);
    EQUAL(untyped_retype(untyped, OBJECT_ENDPOINT, 0, cnode, 1, 0, &done), ERROR_RANGE);
    EQUAL(untyped_retype(untyped, OBJECT_ENDPOINT, 0, cnode, 0, 1, &done), ERROR_RANGE);
    EQUAL(untyped_retype(untyped, OBJECT_ENDPOINT, 0, cnode, 7, 1, &done), ERROR_DELETE_FIRST);
    OK(untyped_retype(untyped, OBJECT_ENDPOINT, 0, cnode, 1, 6, &done));
    EQUAL(done, 6);
}

static cptr boot_untyped_of(unsigned kind, word most_bits)
{
    for (uint32_t i = 0; i < boot->untyped_count; i++)
        if (boot->untypeds[i].kind == kind && boot->untypeds[i].size_bits <= most_bits)
            return boot->untyped_first + i;
    return 0;
}

CASE(untyped_device,
     "Device memory makes frames and untypeds only, and those of its kind; cache invocations refuse its frames")
{
    cptr device = boot_untyped_of(BOOT_UNTYPED_DEVICE, 63), slot = slot_new();
    word done, bits = 0;
    CHECK(device != 0);
    struct untyped_description d;
    OK(untyped_describe(device, &d));
    for (enum object_type type = OBJECT_CNODE; type < OBJECT_FRAME; type++)
        EQUAL(untyped_retype(device, type, 1, ROOT_CNODE, slot, 1, &done), ERROR_ILLEGAL_OPERATION);
    bits = d.size_bits > 30 ? 30 : d.size_bits;
    if (d.free_bytes < 1ul << d.size_bits) /* somebody has it: the console */
        return;
    OK(untyped_retype(device, OBJECT_UNTYPED, bits, ROOT_CNODE, slot, 1, &done));
    OK(untyped_describe(slot, &d));
    EQUAL(d.is_device, 1);
    OK(cnode_delete(ROOT_CNODE, slot));
    OK(untyped_retype(device, OBJECT_FRAME, PAGE_BITS, ROOT_CNODE, slot, 1, &done));
    EQUAL(frame_clean(slot, 0, 4096, &done), ERROR_ILLEGAL_OPERATION);
    EQUAL(frame_sync_code(slot, 0, 4096, &done), ERROR_ILLEGAL_OPERATION);
    EQUAL(frame_map(slot, ROOT_VSPACE, HARNESS_MAP_BASE, RIGHT_READ | RIGHT_EXEC, 0, 0, 0, NULL, NULL),
          ERROR_ILLEGAL_OPERATION);
    struct message m = {0, {HARNESS_MAP_BASE, slot}};
    EQUAL(invoked(object_new(OBJECT_TCB, 0), TCB_SET_IPC_BUFFER, 2, &m), ERROR_INVALID_CAPABILITY);
    OK(cnode_delete(ROOT_CNODE, slot));
}

CASE(untyped_archive, "Archive memory keeps its content, cannot be mapped writable, and makes no kernel objects")
{
    cptr archive = boot_untyped_of(BOOT_UNTYPED_ARCHIVE, 63), slot = slot_new();
    word done;
    CHECK(archive != 0);
    for (enum object_type type = OBJECT_CNODE; type < OBJECT_FRAME; type++)
        EQUAL(untyped_retype(archive, type, 1, ROOT_CNODE, slot, 1, &done), ERROR_ILLEGAL_OPERATION);
    struct untyped_description d;
    OK(untyped_describe(archive, &d));
    if (d.free_bytes < PAGE_BYTES)
        return;
    OK(untyped_retype(archive, OBJECT_FRAME, PAGE_BITS, ROOT_CNODE, slot, 1, &done));
    EQUAL(frame_map(slot, ROOT_VSPACE, HARNESS_MAP_BASE, RIGHT_READ | RIGHT_WRITE, 0, 0, 0, NULL, NULL),
          ERROR_ILLEGAL_OPERATION);
    map_page(ROOT_VSPACE, slot, HARNESS_MAP_BASE, RIGHT_READ, 0);
    word offset = address_of(slot) - boot->archive_address;
    for (word i = 0; i < PAGE_BYTES && offset + i < boot->archive_bytes; i++)
        EQUAL(((volatile uint8_t *)HARNESS_MAP_BASE)[i], ((const uint8_t *)boot->archive)[offset + i]);
    OK(cnode_delete(ROOT_CNODE, slot));
}

/* An untyped of that size whose memory is full of ones. */
static cptr dirty_untyped(word bits)
{
    cptr untyped = object_new(OBJECT_UNTYPED, bits), frame = slot_new();
    OK(untyped_retype_all(untyped, OBJECT_FRAME, bits, ROOT_CNODE, frame, 1));
    map_page(ROOT_VSPACE, frame, HARNESS_MAP_BASE, RIGHT_READ | RIGHT_WRITE, 0);
    for (word i = 0; i < (1ul << bits) / sizeof(word); i++)
        ((volatile word *)HARNESS_MAP_BASE)[i] = ~0ul;
    OK(cnode_delete(ROOT_CNODE, frame));
    return untyped;
}

CASE(dirty_cnode, "A CNode made in memory full of ones is empty")
{
    cptr cnode = slot_new(), ntfn = object_new(OBJECT_NOTIFICATION, 0);
    OK(untyped_retype_all(dirty_untyped(12), OBJECT_CNODE, 7, ROOT_CNODE, cnode, 1));
    for (word i = 1; i < 128; i++)
        EQUAL(cnode_move(ROOT_CNODE, slot_new(), cnode, i), ERROR_FAILED_LOOKUP);
    OK(cnode_copy(cnode, 127, ROOT_CNODE, ntfn, RIGHT_ALL));
}

CASE(dirty_ipc_objects,
     "Endpoints, notifications and replies made in memory full of ones have no queue, signal or caller")
{
    cptr untyped = dirty_untyped(12), slots = slots_new(3);
    OK(untyped_retype_all(untyped, OBJECT_ENDPOINT, 0, ROOT_CNODE, slots, 1));
    OK(untyped_retype_all(untyped, OBJECT_NOTIFICATION, 0, ROOT_CNODE, slots + 1, 1));
    OK(untyped_retype_all(untyped, OBJECT_REPLY, 0, ROOT_CNODE, slots + 2, 1));
    struct message m = {0};
    word badge;
    OK(syscall_nbsend(slots, &m));
    OK(syscall_nbrecv(slots, slots + 2, &m, &badge));
    EQUAL(m.info, 0);
    EQUAL(notification_poll(slots + 1), 0);
    OK(syscall_send(slots + 2, &m));
}

CASE(dirty_sched_objects, "Contexts and timers made in memory full of ones have no budget, owner or deadline")
{
    cptr untyped = dirty_untyped(12), slots = slots_new(2);
    OK(untyped_retype_all(untyped, OBJECT_SCHED_CONTEXT, 0, ROOT_CNODE, slots, 1));
    OK(untyped_retype_all(untyped, OBJECT_TIMER, 0, ROOT_CNODE, slots + 1, 1));
    word ns;
    OK(sched_context_consumed(slots, &ns));
    EQUAL(ns, 0);
    EQUAL(sched_context_yield_to(slots, &ns), ERROR_ILLEGAL_OPERATION);
    OK(sched_context_unbind(slots));
    EQUAL(timer_set(slots + 1, 1), ERROR_ILLEGAL_OPERATION);
    OK(timer_cancel(slots + 1));
    struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
    (void)actor_step(a, SYSCALL_YIELD, 0, 0, NULL);
    thread_make_passive(a->thread);
    OK(sched_context_bind(slots, a->thread->tcb));
    actor_start(a);
    EQUAL(a->done, 0); /* a context without budget */
    OK(sched_control_configure(ROOT_SCHED_CONTROL, slots, 1000000, 1000000, 0, 0));
    EQUAL(a->done, 1);
}

CASE(dirty_tables, "A page table and a VSpace made in memory full of ones map nothing")
{
    cptr vspace = slot_new(), tables = slots_new(3), frame = object_new(OBJECT_FRAME, 12);
    OK(untyped_retype_all(dirty_untyped(13), OBJECT_VSPACE, 0, ROOT_CNODE, vspace, 1));
    OK(untyped_retype_all(dirty_untyped(14), OBJECT_PAGE_TABLE, 0, ROOT_CNODE, tables, 3));
    for (word i = 0; i < 3; i++) {
        word level = 0;
        EQUAL(frame_map(frame, vspace, 0x5000001000ul, RIGHT_READ, 0, 0, 0, NULL, &level), ERROR_FAILED_LOOKUP);
        EQUAL(level, 3 - i);
        OK(page_table_map(tables + i, vspace, 0x5000001000ul, level, 0));
    }
    OK(frame_map(frame, vspace, 0x5000001000ul, RIGHT_READ, 0, 0, 0, NULL, NULL));
}

CASE(dirty_large_frame, "A frame of 1 MiB made of used memory is zero throughout, though its clearing is interrupted")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 20), frame = slot_new();
    cptr ntfn = object_new(OBJECT_NOTIFICATION, 0), timer = object_new(OBJECT_TIMER, 0);
    word base = HARNESS_MAP_BASE + 0x400000;
    OK(timer_bind(timer, ntfn, ROOT_SCHED_CONTEXT));
    for (unsigned round = 0; round < 2; round++) {
        OK(timer_set(timer, ticks_now() + ns_to_ticks(30000)));
        OK(untyped_retype_all(untyped, OBJECT_FRAME, 20, ROOT_CNODE, frame, 1));
        map_page(ROOT_VSPACE, frame, base, RIGHT_READ | RIGHT_WRITE, 0);
        for (word i = 0; i < 1ul << 20; i += sizeof(word)) {
            EQUAL(*(volatile word *)(base + i), 0);
            *(volatile word *)(base + i) = ~i;
        }
        OK(cnode_delete(ROOT_CNODE, frame));
    }
}
