/* Untyped memory, address spaces, deletion and revocation, with and without preemption at every point. */
#include "model.h"

#include <arch/mmu.h>
#include <kernel/object.h>
#include <mm/vspace.h>

static cptr vspace;

static struct vspace *space_of(cptr address)
{
    return vspace_of(model_slot(address)->cap);
}

/* What the tables say: the physical address that `address` reaches, or 0; *rights as the leaf and the tables above
 * allow. Independent of vspace_walk. */
static paddr translate(cptr space, vaddr address, unsigned *rights)
{
    const arch_entry *table = vspace_root(space_of(space));
    bool is_read_only = false;
    for (unsigned level = ARCH_LEVELS;; level--) {
        arch_entry e = table[address >> level_bits(level) & 511];
        if (!arch_entry_is_present(e))
            return 0;
        if (!arch_entry_is_table(e, level)) {
            *rights = (unsigned)(e >> 4 & 31) & (is_read_only ? ~RIGHT_WRITE : ~0u);
            return arch_entry_address(e) + (address & ((1ul << level_bits(level)) - 1));
        }
        is_read_only = is_read_only || (arch_entry_table_flags(e) & TABLE_SHARED);
        table = paddr_to_kernel(arch_entry_address(e));
    }
}

static void map_tables(cptr space, vaddr address, unsigned to_level)
{
    for (unsigned level = 3; level >= to_level; level--) {
        cptr table = new_object(OBJECT_PAGE_TABLE, 0);
        OK(user_page_table_map(table, space, address, level, 0));
    }
}

static void test_retype(void)
{
    cptr untyped = new_untyped(16), slots = new_slots(70);
    struct untyped_description d;
    word done;
    EQUAL(untyped_retype(untyped, OBJECT_NULL, 0, ROOT_CNODE, slots, 1, &done), ERROR_INVALID_ARGUMENT);
    EQUAL(untyped_retype(untyped, OBJECT_RETYPE_COUNT, 0, ROOT_CNODE, slots, 1, &done), ERROR_INVALID_ARGUMENT);
    EQUAL(untyped_retype(untyped, OBJECT_UNTYPED, 3, ROOT_CNODE, slots, 1, &done), ERROR_RANGE);
    EQUAL(untyped_retype(untyped, OBJECT_UNTYPED, 48, ROOT_CNODE, slots, 1, &done), ERROR_RANGE);
    EQUAL(untyped_retype(untyped, OBJECT_CNODE, 21, ROOT_CNODE, slots, 1, &done), ERROR_RANGE);
    EQUAL(untyped_retype(untyped, OBJECT_FRAME, 11, ROOT_CNODE, slots, 1, &done), ERROR_RANGE);
    EQUAL(untyped_retype(untyped, OBJECT_FRAME, 17, ROOT_CNODE, slots, 1, &done), ERROR_NOT_ENOUGH_MEMORY);
    EQUAL(untyped_retype(untyped, OBJECT_TCB, 0, ROOT_CNODE, 0, 1, &done), ERROR_RANGE);
    EQUAL(untyped_retype(untyped, OBJECT_TCB, 0, ROOT_CNODE, slots, 0, &done), ERROR_RANGE);
    EQUAL(untyped_retype(untyped, OBJECT_TCB, 0, ROOT_CNODE, slots, ~0ul, &done), ERROR_RANGE);
    EQUAL(untyped_retype(untyped, OBJECT_TCB, 0, ROOT_TCB, slots, 1, &done), ERROR_INVALID_CAPABILITY);
    EQUAL(untyped_retype(untyped, OBJECT_TCB, 0, ROOT_CNODE, ROOT_TCB, 1, &done), ERROR_DELETE_FIRST);
    /* 64 per call, up to the first slot in use */
    OK(untyped_retype(untyped, OBJECT_ENDPOINT, 0, ROOT_CNODE, slots, 70, &done));
    EQUAL(done, 64);
    OK(untyped_describe(untyped, &d));
    EQUAL(d.free_bytes, 65536 - 64 * 32);
    EQUAL(d.size_bits, 16);
    OK(cnode_delete(ROOT_CNODE, slots + 10));
    OK(cnode_delete(ROOT_CNODE, slots + 11));
    OK(untyped_retype(untyped, OBJECT_ENDPOINT, 0, ROOT_CNODE, slots + 10, 5, &done));
    EQUAL(done, 2);
    /* a frame after them begins at its alignment, and is clean */
    OK(untyped_retype(untyped, OBJECT_FRAME, 12, ROOT_CNODE, slots + 64, 1, &done));
    word address, bits;
    OK(frame_get_address(slots + 64, &address, &bits));
    EQUAL(address % 4096, 0);
    EQUAL(bits, 12);
    char *memory = paddr_to_kernel(address);
    for (unsigned i = 0; i < 4096; i++)
        EQUAL(memory[i], 0);
    memset(memory, 0x5a, 4096);
    EQUAL(untyped_retype(untyped, OBJECT_FRAME, 16, ROOT_CNODE, slots + 65, 1, &done), ERROR_NOT_ENOUGH_MEMORY);
    OK(cnode_revoke(ROOT_CNODE, untyped));
    OK(untyped_describe(untyped, &d));
    EQUAL(d.free_bytes, 65536);
    OK(untyped_retype(untyped, OBJECT_FRAME, 16, ROOT_CNODE, slots, 1, &done));
    OK(frame_get_address(slots, &address, &bits));
    memory = paddr_to_kernel(address);
    for (unsigned i = 0; i < 65536; i++)
        EQUAL(memory[i], 0);
    OK(cnode_delete(ROOT_CNODE, untyped));
    OK(cnode_delete(ROOT_CNODE, slots));
}

/* Only one of an untyped's capabilities gives out memory. */
static void test_untyped_copy(void)
{
    cptr untyped = new_untyped(14), copy = new_slots(3);
    word done;
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, untyped, RIGHT_ALL));
    EQUAL(untyped_retype(untyped, OBJECT_FRAME, 12, ROOT_CNODE, copy + 1, 1, &done), ERROR_NOT_ENOUGH_MEMORY);
    OK(untyped_retype(copy, OBJECT_FRAME, 12, ROOT_CNODE, copy + 1, 2, &done));
    EQUAL(cnode_copy(ROOT_CNODE, copy + 2, ROOT_CNODE, copy, RIGHT_ALL), ERROR_DELETE_FIRST);
    OK(cnode_delete(ROOT_CNODE, copy + 2));
    EQUAL(cnode_copy(ROOT_CNODE, copy + 2, ROOT_CNODE, copy, RIGHT_ALL), ERROR_REVOKE_FIRST);
    OK(cnode_revoke(ROOT_CNODE, untyped));
    OK(untyped_retype(untyped, OBJECT_FRAME, 14, ROOT_CNODE, copy, 1, &done));
    OK(cnode_delete(ROOT_CNODE, copy));
    OK(cnode_delete(ROOT_CNODE, untyped));
}

static void test_kinds(void)
{
    const struct boot_info *info = model_boot_info();
    cptr slot = new_slots(2);
    word done;
    for (uint32_t i = 0; i < info->untyped_count; i++) {
        cptr untyped = info->untyped_first + i;
        if (info->untypeds[i].kind == BOOT_UNTYPED_MEMORY)
            continue;
        EQUAL(untyped_retype(untyped, OBJECT_CNODE, 1, ROOT_CNODE, slot, 1, &done), ERROR_ILLEGAL_OPERATION);
        OK(untyped_retype(untyped, OBJECT_FRAME, 12, ROOT_CNODE, slot, 1, &done));
        word rights = cap_frame_rights(model_slot(slot)->cap);
        EQUAL(rights,
              info->untypeds[i].kind == BOOT_UNTYPED_DEVICE ? RIGHT_READ | RIGHT_WRITE : RIGHT_READ | RIGHT_EXEC);
        cptr tcb = new_object(OBJECT_TCB, 0);
        EQUAL(tcb_set_ipc_buffer(tcb, 0x1000, slot), ERROR_INVALID_CAPABILITY);
        OK(cnode_delete(ROOT_CNODE, tcb));
        OK(cnode_delete(ROOT_CNODE, slot));
    }
}

static void test_map(void)
{
    cptr frame = new_object(OBJECT_FRAME, 12), copy = new_slots(1);
    word done, level, base, bits;
    unsigned rights;
    vaddr at = 0x123456789000;
    vspace = new_object(OBJECT_VSPACE, 0);
    for (unsigned missing = 3; missing >= 1; missing--) {
        EQUAL(user_frame_map(frame, vspace, at, RIGHT_READ, 0, 0, 0, &done, &level), ERROR_FAILED_LOOKUP);
        EQUAL(level, missing);
        cptr table = new_object(OBJECT_PAGE_TABLE, 0);
        if (missing > 1)
            EQUAL(user_page_table_map(table, vspace, at, 1, 0), ERROR_FAILED_LOOKUP);
        OK(user_page_table_map(table, vspace, at, missing, 0));
        EQUAL(user_page_table_map(table, vspace, at, missing, 0), ERROR_DELETE_FIRST);
    }
    EQUAL(user_frame_map(frame, vspace, at + 1, RIGHT_READ, 0, 0, 0, &done, &level), ERROR_ALIGNMENT);
    EQUAL(user_frame_map(frame, vspace, ARCH_USER_END, RIGHT_READ, 0, 0, 0, &done, &level), ERROR_RANGE);
    EQUAL(user_frame_map(frame, vspace, at, RIGHT_WRITE, 0, 0, 0, &done, &level), ERROR_INVALID_ARGUMENT);
    EQUAL(user_frame_map(frame, vspace, at, RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC, 0, 0, 0, &done, &level),
          ERROR_INVALID_ARGUMENT);
    EQUAL(user_frame_map(frame, vspace, at, RIGHT_READ, 8, 0, 0, &done, &level), ERROR_INVALID_ARGUMENT);
    EQUAL(user_frame_map(frame, vspace, at, RIGHT_READ, 0, 4096, 4096, &done, &level), ERROR_RANGE);
    EQUAL(user_frame_map(frame, vspace, at, RIGHT_READ, 0, 0, 8192, &done, &level), ERROR_RANGE);
    OK(user_frame_map(frame, vspace, at, RIGHT_READ | RIGHT_WRITE, 0, 0, 0, &done, &level));
    EQUAL(done, 4096);
    OK(frame_get_address(frame, &base, &bits));
    EQUAL(translate(vspace, at + 5, &rights), base + 5);
    EQUAL(rights, RIGHT_READ | RIGHT_WRITE);
    /* again with other rights: in place; elsewhere: no; a copy is a mapping of its own */
    OK(user_frame_map(frame, vspace, at, RIGHT_READ | RIGHT_EXEC, 0, 0, 0, &done, &level));
    (void)translate(vspace, at, &rights);
    EQUAL(rights, RIGHT_READ | RIGHT_EXEC);
    EQUAL(user_frame_map(frame, vspace, at + 4096, RIGHT_READ, 0, 0, 0, &done, &level), ERROR_DELETE_FIRST);
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, frame, RIGHT_READ));
    EQUAL(user_frame_map(copy, vspace, at, RIGHT_READ, 0, 0, 0, &done, &level), ERROR_DELETE_FIRST);
    EQUAL(user_frame_map(copy, vspace, at + 4096, RIGHT_READ | RIGHT_WRITE, 0, 0, 0, &done, &level),
          ERROR_ILLEGAL_OPERATION);
    OK(user_frame_map(copy, vspace, at + 4096, RIGHT_READ, 0, 0, 0, &done, &level));
    EQUAL(translate(vspace, at + 4096, &rights), base);
    OK(cnode_delete(ROOT_CNODE, copy));
    EQUAL(translate(vspace, at + 4096, &rights), 0);
    OK(frame_unmap(frame, &done));
    EQUAL(translate(vspace, at, &rights), 0);
    OK(frame_unmap(frame, &done)); /* nothing left to do */
    /* a VSpace that goes takes its mappings along; the frame can be mapped elsewhere at once */
    OK(user_frame_map(frame, vspace, at, RIGHT_READ, 0, 0, 0, &done, &level));
    OK(cnode_delete(ROOT_CNODE, vspace));
    vspace = new_object(OBJECT_VSPACE, 0);
    map_tables(vspace, 0x5000, 1);
    OK(user_frame_map(frame, vspace, 0x5000, RIGHT_READ, 0, 0, 0, &done, &level));
    EQUAL(translate(vspace, 0x5000, &rights), base);
    OK(cnode_delete(ROOT_CNODE, frame));
    EQUAL(translate(vspace, 0x5000, &rights), 0);
}

static void test_map_large(void)
{
    cptr frame = new_object(OBJECT_FRAME, 23); /* 8 MiB */
    word done, level, base, bits;
    unsigned rights;
    vaddr at = 0x40000000;
    OK(frame_get_address(frame, &base, &bits));
    vspace = new_object(OBJECT_VSPACE, 0);
    map_tables(vspace, at, 2);
    /* aligned: 2 MiB entries, no more tables needed */
    OK(user_frame_map(frame, vspace, at, RIGHT_READ, 0, 0, 0, &done, &level));
    EQUAL(done, 8 << 20);
    for (word i = 0; i < 8 << 20; i += 65536)
        EQUAL(translate(vspace, at + i, &rights), base + i);
    OK(frame_unmap(frame, &done));
    for (word i = 0; i < 8 << 20; i += 65536)
        EQUAL(translate(vspace, at + i, &rights), 0);
    /* a part, growing as a module's memory does; small pages at a small start */
    map_tables(vspace, 0x8000000000, 1);
    at = 0x8000000000;
    OK(user_frame_map(frame, vspace, at, RIGHT_READ, 0, 0, 65536, &done, &level));
    EQUAL(done, 65536);
    EQUAL(translate(vspace, at + 65536, &rights), 0);
    OK(user_frame_map(frame, vspace, at + 65536, RIGHT_READ, 0, 65536, (2 << 20) - 65536, &done, &level));
    EQUAL(done, (2 << 20) - 65536);
    OK(user_frame_map(frame, vspace, at + (2 << 20), RIGHT_READ, 0, 2 << 20, 4 << 20, &done, &level));
    EQUAL(done, 4 << 20);
    for (word i = 0; i < 6 << 20; i += 4096)
        EQUAL(translate(vspace, at + i, &rights), base + i);
    EQUAL(translate(vspace, at + (6 << 20), &rights), 0);
    /* unmapping it all, preempted between any two steps */
    model_interrupt_waits = true;
    OK(frame_unmap(frame, &done));
    model_interrupt_waits = false;
    for (word i = 0; i < 8 << 20; i += 4096)
        EQUAL(translate(vspace, at + i, &rights), 0);
    OK(cnode_delete(ROOT_CNODE, frame));
    OK(cnode_delete(ROOT_CNODE, vspace));
}

/* A program's text: tables made once in a template, shared by its instances. */
static void test_shared(void)
{
    cptr template = new_object(OBJECT_VSPACE, 0), guest = new_object(OBJECT_VSPACE, 0);
    cptr table = new_object(OBJECT_PAGE_TABLE, 0), copies = new_slots(4), frame = new_object(OBJECT_FRAME, 16);
    vaddr at = 0x400000000, elsewhere = 0x80000000;
    word done, level, base, bits;
    unsigned rights;
    OK(frame_get_address(frame, &base, &bits));
    map_tables(template, at, 2);
    map_tables(guest, elsewhere, 2);
    OK(cnode_copy(ROOT_CNODE, copies, ROOT_CNODE, table, RIGHT_ALL)); /* made too early: good for nothing */
    EQUAL(user_page_table_map(copies, guest, elsewhere, 1, ATTRIBUTE_SHARED), ERROR_ILLEGAL_OPERATION);
    EQUAL(user_page_table_map(copies, guest, elsewhere, 1, 0), ERROR_ILLEGAL_OPERATION);
    OK(user_page_table_map(table, template, at, 1, ATTRIBUTE_SHARED));
    OK(user_frame_map(frame, template, at + 0x10000, RIGHT_READ | RIGHT_WRITE, 0, 0, 0, &done, &level));
    EQUAL(translate(template, at + 0x10000, &rights), base);
    EQUAL(rights, RIGHT_READ);
    OK(cnode_copy(ROOT_CNODE, copies + 1, ROOT_CNODE, table, RIGHT_ALL));
    EQUAL(user_page_table_map(copies + 1, guest, elsewhere, 1, 0), ERROR_ILLEGAL_OPERATION);
    OK(user_page_table_map(copies + 1, guest, elsewhere, 1, ATTRIBUTE_SHARED));
    EQUAL(translate(guest, elsewhere + 0x1f000, &rights), base + 0xf000);
    EQUAL(rights, RIGHT_READ);
    /* the guest changes nothing in it */
    cptr other = new_object(OBJECT_FRAME, 12);
    EQUAL(user_frame_map(other, guest, elsewhere, RIGHT_READ, 0, 0, 0, &done, &level), ERROR_ILLEGAL_OPERATION);
    /* unmapping through the owner reaches everybody, even when the owner's upper tables are gone */
    unsigned alls = model_tlb_alls;
    OK(frame_unmap(frame, &done));
    CHECK(model_tlb_alls > alls);
    EQUAL(translate(guest, elsewhere + 0x10000, &rights), 0);
    OK(user_frame_map(frame, template, at + 0x10000, RIGHT_READ, 0, 0, 0, &done, &level));
    /* nor does the short way of single pages forget the others' translations */
    alls = model_tlb_alls;
    OK(user_frame_map(other, template, at, RIGHT_READ, 0, 0, 0, &done, &level));
    EQUAL(translate(guest, elsewhere, &rights), translate(template, at, &rights));
    OK(frame_unmap(other, &done));
    CHECK(model_tlb_alls > alls);
    arch_entry *root = vspace_root(space_of(template));
    arch_entry kept = root[at >> level_bits(4)];
    root[at >> level_bits(4)] = 0;
    EQUAL(translate(guest, elsewhere + 0x10000, &rights), base);
    OK(frame_unmap(frame, &done));
    EQUAL(translate(guest, elsewhere + 0x10000, &rights), 0);
    root[at >> level_bits(4)] = kept;
    OK(user_frame_map(frame, template, at + 0x10000, RIGHT_READ, 0, 0, 0, &done, &level));
    /* a guest that leaves disturbs nobody */
    OK(cnode_copy(ROOT_CNODE, copies + 2, ROOT_CNODE, table, RIGHT_ALL));
    OK(cnode_delete(ROOT_CNODE, copies + 1));
    EQUAL(translate(guest, elsewhere + 0x10000, &rights), 0);
    EQUAL(translate(template, at + 0x10000, &rights), base);
    OK(user_page_table_map(copies + 2, guest, elsewhere, 1, ATTRIBUTE_SHARED));
    EQUAL(translate(guest, elsewhere + 0x10000, &rights), base);
    /* when the owner's space goes, nothing of it can be reached any more */
    OK(cnode_delete(ROOT_CNODE, template));
    EQUAL(translate(guest, elsewhere + 0x10000, &rights), 0);
    OK(cnode_delete(ROOT_CNODE, guest));
    OK(cnode_delete(ROOT_CNODE, frame));
}

/* --- deletion --- */

/* CNodes that hold each other, themselves, threads and more CNodes; the whole goes when the untyped is revoked. */
static void test_delete_nested(bool with_preemption)
{
    cptr untyped = new_untyped(20), tcb = new_slots(1), cnodes = new_slots(20), things = new_slots(8);
    word done;
    OK(untyped_retype_all(untyped, OBJECT_CNODE, 4, ROOT_CNODE, cnodes, 20));
    OK(untyped_retype_all(untyped, OBJECT_TCB, 0, ROOT_CNODE, tcb, 1));
    OK(tcb_configure(tcb, cnodes, ROOT_VSPACE, 0, 0, 0));
    for (cptr i = 0; i < 20; i++) {
        /* each CNode holds the next two, the thread and itself */
        OK(cnode_copy(cnodes + i, 1, ROOT_CNODE, cnodes + (i + 1) % 20, RIGHT_ALL));
        OK(cnode_copy(cnodes + i, 15, ROOT_CNODE, cnodes + (i + 2) % 20, RIGHT_ALL));
        OK(cnode_copy(cnodes + i, 7, ROOT_CNODE, tcb, RIGHT_ALL));
        OK(cnode_copy(cnodes + i, 8, ROOT_CNODE, cnodes + i, RIGHT_ALL));
        OK(untyped_retype(untyped, OBJECT_NOTIFICATION, 0, cnodes + i, 9, 3, &done));
    }
    model_interrupt_waits = with_preemption;
    for (unsigned patience = 0; patience < 1; patience++)
        model_patience = patience;
    OK(cnode_delete(ROOT_CNODE, tcb));
    OK(cnode_delete_all(ROOT_CNODE, cnodes, 20));
    OK(cnode_revoke(ROOT_CNODE, untyped));
    model_interrupt_waits = false;
    CHECK(model_dying() == 0);
    struct untyped_description d;
    OK(untyped_describe(untyped, &d));
    EQUAL(d.free_bytes, 1 << 20);
    OK(untyped_retype(untyped, OBJECT_FRAME, 20, ROOT_CNODE, things, 1, &done));
    OK(cnode_delete(ROOT_CNODE, things));
    OK(cnode_delete(ROOT_CNODE, untyped));
}

/* A chain of CNodes, each the only holder of the next: one deletion takes them all, in steps of bounded length. */
static void test_delete_chain(void)
{
    cptr untyped = new_untyped(20), two = new_slots(2);
    word done;
    OK(untyped_retype(untyped, OBJECT_CNODE, 1, ROOT_CNODE, two, 1, &done));
    for (unsigned i = 0; i < 1000; i++) {
        /* a new one around the old one */
        OK(untyped_retype(untyped, OBJECT_CNODE, 1, ROOT_CNODE, two + 1, 1, &done));
        OK(cnode_move(two + 1, 1, ROOT_CNODE, two));
        OK(cnode_move(ROOT_CNODE, two, ROOT_CNODE, two + 1));
    }
    model_interrupt_waits = true;
    model_patience = 0;
    OK(cnode_delete(ROOT_CNODE, two));
    model_interrupt_waits = false;
    CHECK(model_dying() == 0);
    OK(untyped_retype(untyped, OBJECT_UNTYPED, 20, ROOT_CNODE, two, 1, &done));
    OK(cnode_delete(ROOT_CNODE, two));
    OK(cnode_delete(ROOT_CNODE, untyped));
}

static void test_cnode_operations(void)
{
    cptr ep = new_object(OBJECT_ENDPOINT, 0), s = new_slots(12), cnode = new_object(OBJECT_CNODE, 3);
    word done;
    OK(cnode_mint(ROOT_CNODE, s, ROOT_CNODE, ep, RIGHT_ALL, 7));
    EQUAL(cnode_mint(ROOT_CNODE, s + 1, ROOT_CNODE, s, RIGHT_ALL, 8), ERROR_ILLEGAL_OPERATION);
    OK(cnode_mint(ROOT_CNODE, s + 1, ROOT_CNODE, s, RIGHT_CALL, 0)); /* fewer rights, same badge */
    EQUAL(cap_badge(model_slot(s + 1)->cap), 7);
    EQUAL(cap_rights(model_slot(s + 1)->cap), RIGHT_CALL);
    EQUAL(cnode_copy(ROOT_CNODE, s + 1, ROOT_CNODE, ep, RIGHT_ALL), ERROR_DELETE_FIRST);
    EQUAL(cnode_copy(ROOT_CNODE, s + 2, ROOT_CNODE, s + 3, RIGHT_ALL), ERROR_FAILED_LOOKUP);
    EQUAL(cnode_copy(ROOT_CNODE, 0, ROOT_CNODE, ep, RIGHT_ALL), ERROR_RANGE);
    EQUAL(cnode_copy(ROOT_CNODE, s + 2, ep, 1, RIGHT_ALL), ERROR_INVALID_CAPABILITY);
    OK(cnode_copy_range(cnode, 1, ROOT_CNODE, ep, RIGHT_ALL, 1, &done));
    EQUAL(cnode_copy_range(cnode, 2, ROOT_CNODE, ep, RIGHT_ALL, 7, &done), ERROR_RANGE);
    EQUAL(cnode_mint(ROOT_CNODE, s + 2, ROOT_CNODE, cnode, RIGHT_ALL, cnode_guard(0, 30)), ERROR_INVALID_ARGUMENT);
    EQUAL(cnode_mint(ROOT_CNODE, s + 2, ROOT_CNODE, cnode, RIGHT_ALL, cnode_guard(4, 2)), ERROR_INVALID_ARGUMENT);
    OK(cnode_mint(ROOT_CNODE, s + 2, ROOT_CNODE, cnode, RIGHT_ALL, cnode_guard(5, 29)));
    OK(cnode_mutate(ROOT_CNODE, s + 3, ROOT_CNODE, s + 2, cnode_guard(6, 29)));
    CHECK(slot_is_empty(model_slot(s + 2)));
    EQUAL(model_slot(s + 3)->cap.word1, 6);
    EQUAL(cnode_mutate(ROOT_CNODE, s + 4, ROOT_CNODE, ep, 9), ERROR_ILLEGAL_OPERATION);
    /* rotate: pivot to the destination, source to the pivot's place */
    OK(cnode_rotate(ROOT_CNODE, s + 4, 0, ROOT_CNODE, s, 0, ROOT_CNODE, s + 3));
    EQUAL(cap_badge(model_slot(s + 4)->cap), 7);
    EQUAL(cap_type(model_slot(s)->cap), OBJECT_CNODE);
    CHECK(slot_is_empty(model_slot(s + 3)));
    OK(cnode_rotate(ROOT_CNODE, s + 4, 0, ROOT_CNODE, s, 0, ROOT_CNODE, s + 4)); /* exchange */
    EQUAL(cap_badge(model_slot(s)->cap), 7);
    EQUAL(cnode_rotate(ROOT_CNODE, s + 5, 0, ROOT_CNODE, s, 0, ROOT_CNODE, s), ERROR_ILLEGAL_OPERATION);
    EQUAL(cnode_rotate(ROOT_CNODE, s + 1, 0, ROOT_CNODE, s, 0, ROOT_CNODE, s + 4), ERROR_DELETE_FIRST);
    /* revoking the badge takes its copies, not its mint's siblings */
    OK(cnode_mint(ROOT_CNODE, s + 6, ROOT_CNODE, ep, RIGHT_ALL, 9));
    OK(cnode_copy(ROOT_CNODE, s + 7, ROOT_CNODE, s, RIGHT_ALL));
    OK(cnode_revoke(ROOT_CNODE, s));
    CHECK(slot_is_empty(model_slot(s + 1)) && slot_is_empty(model_slot(s + 7)));
    CHECK(!slot_is_empty(model_slot(s + 6)) && !slot_is_empty(model_slot(s)));
    OK(cnode_revoke(ROOT_CNODE, ep));
    CHECK(slot_is_empty(model_slot(s)) && slot_is_empty(model_slot(s + 6)));
    EQUAL(cnode_copy(ROOT_CNODE, s, ROOT_CNODE, ROOT_IRQ_CONTROL, RIGHT_ALL), ERROR_ILLEGAL_OPERATION);
    OK(cnode_delete(ROOT_CNODE, ep));
    OK(cnode_delete(ROOT_CNODE, cnode));
    OK(cnode_delete(ROOT_CNODE, s + 4));
}

static void test_power(void)
{
    EQUAL(power_off(ROOT_POWER_CONTROL, 101), ERROR_RANGE);
    if (setjmp(model_end) == 0) {
        (void)power_off(ROOT_POWER_CONTROL, 42);
        CHECK(!"power off came back");
    }
    EQUAL(model_status, 42);
    if (setjmp(model_end) == 0) {
        (void)power_reset(ROOT_POWER_CONTROL);
        CHECK(!"reset came back");
    }
    EQUAL(model_status, (word)-1);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    model_boot(argv[1]);
    test_retype();
    test_untyped_copy();
    test_kinds();
    test_map();
    test_map_large();
    test_shared();
    test_delete_nested(false);
    test_delete_nested(true);
    test_delete_chain();
    test_cnode_operations();
    test_power();
    printf("memory: all passed\n");
    return 0;
}
