/* Attacks on memory: what maps, shares and clears it. */
#include "attack.h"

#include <arch/mmu.h>
#include <mm/vspace.h>

static arch_entry *space_root(cptr vspace)
{
    return vspace_root(vspace_of(model_slot(vspace)->cap));
}

/* What `address` reaches, or 0; independent of vspace_walk. */
static paddr translate(cptr vspace, vaddr address)
{
    const arch_entry *table = space_root(vspace);
    for (unsigned level = ARCH_LEVELS;; level--) {
        arch_entry e = table[address >> level_bits(level) & 511];
        if (!arch_entry_is_present(e))
            return 0;
        if (!arch_entry_is_table(e, level))
            return arch_entry_address(e) + (address & ((1ul << level_bits(level)) - 1));
        table = paddr_to_kernel(arch_entry_address(e));
    }
}

/* Tables from level 3 down to `to_level`; returns the last one. */
static cptr map_tables(cptr vspace, vaddr address, unsigned from_level, unsigned to_level)
{
    cptr table = 0;
    for (unsigned level = from_level; level >= to_level; level--) {
        table = new_object(OBJECT_PAGE_TABLE, 0);
        OK(user_page_table_map(table, vspace, address, level, 0));
    }
    return table;
}

/* The end of a frame at an address lower than the frame is large: byte 0 would lie below address 0. */
static void test_map_below_zero(void)
{
    cptr vspace = new_object(OBJECT_VSPACE, 0), frame = new_object(OBJECT_FRAME, 16);
    word done, level;
    map_tables(vspace, 0, 3, 1);
    OK(user_frame_map(frame, vspace, 0x1000, RIGHT_READ | RIGHT_WRITE, 0, 0x8000, 0x8000, &done, &level));
    EQUAL(done, 0x8000);
    CHECK(translate(vspace, 0x1000) != 0);
    OK(frame_unmap(frame, &done));
    for (vaddr at = 0; at < 0x10000; at += 4096)
        EQUAL(translate(vspace, at), 0);
    OK(cnode_delete(ROOT_CNODE, frame));
    OK(cnode_delete(ROOT_CNODE, vspace));
}

/* A shared table of pages, mapped by a guest as a table of tables, would make page contents into translations. */
static void test_shared_level(void)
{
    cptr owner = new_object(OBJECT_VSPACE, 0), guest = new_object(OBJECT_VSPACE, 0);
    cptr table = new_object(OBJECT_PAGE_TABLE, 0), copy = new_slots(1);
    vaddr at = 0x40000000, elsewhere = 0x8000000000;
    map_tables(owner, at, 3, 2);
    map_tables(guest, elsewhere, 3, 2);
    OK(user_page_table_map(table, owner, at, 1, ATTRIBUTE_SHARED));
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, table, RIGHT_ALL));
    EQUAL(user_page_table_map(copy, guest, elsewhere + 0x40000000, 2, ATTRIBUTE_SHARED), ERROR_ILLEGAL_OPERATION);
    EQUAL(user_page_table_map(copy, guest, elsewhere + (1ul << 40), 3, ATTRIBUTE_SHARED), ERROR_ILLEGAL_OPERATION);
    OK(user_page_table_map(copy, guest, elsewhere, 1, ATTRIBUTE_SHARED));
    /* nor does the original become a table of another level while guests hold copies */
    OK(user_page_table_unmap(table));
    EQUAL(user_page_table_map(table, owner, 0x80000000, 2, ATTRIBUTE_SHARED), ERROR_ILLEGAL_OPERATION);
    OK(user_page_table_map(table, owner, at, 1, ATTRIBUTE_SHARED));
    OK(cnode_delete(ROOT_CNODE, owner));
    OK(cnode_delete(ROOT_CNODE, guest));
}

/* A shared table stays in force when the table above it goes: what comes in its place does not cover it up. */
static void test_shared_overlap(void)
{
    cptr owner = new_object(OBJECT_VSPACE, 0), table = new_object(OBJECT_PAGE_TABLE, 0);
    cptr wide = new_object(OBJECT_PAGE_TABLE, 0), large = new_object(OBJECT_FRAME, 21);
    vaddr at = 0x40000000;
    word done, level;
    cptr above = map_tables(owner, at, 3, 2);
    OK(user_page_table_map(table, owner, at, 1, ATTRIBUTE_SHARED));
    OK(user_page_table_unmap(above));
    /* a large page in its place goes again with its capability */
    OK(user_page_table_map(above, owner, at, 2, 0));
    if (user_frame_map(large, owner, at, RIGHT_READ | RIGHT_WRITE, 0, 0, 0, &done, &level) == ERROR_NONE) {
        OK(frame_unmap(large, &done));
    }
    EQUAL(translate(owner, at), 0);
    /* a second shared table over the first one's place, named by an address beside it */
    OK(user_page_table_unmap(above));
    EQUAL(user_page_table_map(wide, owner, at + 0x200000, 2, ATTRIBUTE_SHARED), ERROR_DELETE_FIRST);
    OK(cnode_delete(ROOT_CNODE, large));
    OK(cnode_delete(ROOT_CNODE, owner));
}

/* The end of a VSpace is interrupted: a table that others see is either still known as shared or not there. */
static void test_destroy_shared(void)
{
    cptr owner = new_object(OBJECT_VSPACE, 0), guest = new_object(OBJECT_VSPACE, 0);
    cptr tables = new_objects(OBJECT_PAGE_TABLE, 0, 2), copies = new_slots(2), frame = new_object(OBJECT_FRAME, 12);
    cptr user = new_thread(10, true, 0);
    vaddr at = 0x40000000;
    word done, level;
    map_tables(owner, at, 3, 2);
    map_tables(guest, at, 3, 2);
    for (unsigned i = 0; i < 2; i++) {
        OK(user_page_table_map(tables + i, owner, at + i * 0x200000, 1, ATTRIBUTE_SHARED));
        OK(cnode_copy(ROOT_CNODE, copies + i, ROOT_CNODE, tables + i, RIGHT_ALL));
        OK(user_page_table_map(copies + i, guest, at + i * 0x200000, 1, ATTRIBUTE_SHARED));
    }
    const word words[] = {owner, 1};
    model_invoke_once(ROOT_CNODE, CNODE_DELETE, 2, words);
    (void)user_frame_map(frame, owner, at + 0x200000, RIGHT_READ, 0, 0, 0, &done, &level);
    OK(cnode_delete(ROOT_CNODE, owner));
    OK(cnode_delete(ROOT_CNODE, frame));
    EQUAL(translate(guest, at), 0);
    EQUAL(translate(guest, at + 0x200000), 0);
    OK(cnode_delete(ROOT_CNODE, guest));
    OK(cnode_delete(ROOT_CNODE, user));
}

/* Clearing for a large object is interrupted: a small one made meanwhile from the gap before it is clean all the same.
 */
static void test_retype_gap(void)
{
    cptr untyped = new_untyped(18), slots = new_slots(4);
    word done, address, bits;
    OK(untyped_retype(untyped, OBJECT_FRAME, 18, ROOT_CNODE, slots, 1, &done));
    OK(frame_get_address(slots, &address, &bits));
    memset(paddr_to_kernel(address), 0x5a, 1ul << 18);
    OK(cnode_delete(ROOT_CNODE, slots));
    OK(untyped_retype(untyped, OBJECT_FRAME, 12, ROOT_CNODE, slots, 1, &done));
    const word words[] = {OBJECT_FRAME, 17, ROOT_CNODE, slots + 1, 1};
    model_invoke_once(untyped, UNTYPED_RETYPE, 5, words);
    OK(untyped_retype(untyped, OBJECT_CNODE, 4, ROOT_CNODE, slots + 2, 1, &done));
    OK(untyped_retype(untyped, OBJECT_FRAME, 12, ROOT_CNODE, slots + 3, 1, &done));
    const struct slot *forged = model_object(slots + 2);
    for (unsigned i = 0; i < 16; i++)
        CHECK(slot_is_empty(&forged[i]));
    OK(frame_get_address(slots + 3, &address, &bits));
    const unsigned char *memory = paddr_to_kernel(address);
    for (unsigned i = 0; i < 4096; i++)
        EQUAL(memory[i], 0);
    OK(cnode_revoke(ROOT_CNODE, untyped));
    OK(cnode_delete(ROOT_CNODE, untyped));
}

const struct attack attacks_on_memory[] = {
    {"map_below_zero", test_map_below_zero}, {"shared_level", test_shared_level},
    {"shared_overlap", test_shared_overlap}, {"destroy_shared", test_destroy_shared},
    {"retype_gap", test_retype_gap},         {NULL, NULL},
};
