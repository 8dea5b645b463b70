/* Untyped memory, CNodes and the derivation tree. */
#include "test.h"

CASE(retype_each_type, "Every object type can be made, and deleted again")
{
    static const struct {
        enum object_type type;
        word size_bits;
    } kinds[] = {
        {OBJECT_UNTYPED, 12},     {OBJECT_CNODE, 4},      {OBJECT_TCB, 0},           {OBJECT_ENDPOINT, 0},
        {OBJECT_NOTIFICATION, 0}, {OBJECT_REPLY, 0},      {OBJECT_SCHED_CONTEXT, 0}, {OBJECT_TIMER, 0},
        {OBJECT_VSPACE, 0},       {OBJECT_PAGE_TABLE, 0}, {OBJECT_FRAME, 12},        {OBJECT_FRAME, 15},
    };
    cptr slot = slot_new();
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        OK(untyped_retype_all(harness_untyped(), kinds[i].type, kinds[i].size_bits, ROOT_CNODE, slot, 1));
        OK(cnode_delete(ROOT_CNODE, slot));
    }
}

CASE(retype_range, "A range retype fills consecutive slots and says how many it did")
{
    cptr first = slots_new(200);
    OK(untyped_retype_all(harness_untyped(), OBJECT_ENDPOINT, 0, ROOT_CNODE, first, 200));
    for (word i = 0; i < 200; i++)
        EQUAL(cnode_copy(ROOT_CNODE, first + i, ROOT_CNODE, first, RIGHT_ALL), ERROR_DELETE_FIRST);
    OK(cnode_delete_all(ROOT_CNODE, first, 200));
}

CASE(retype_bad_arguments, "Retype refuses bad types, sizes, destinations and slots in use")
{
    cptr slot = slot_new();
    word done;
    EQUAL(untyped_retype(harness_untyped(), OBJECT_NULL, 0, ROOT_CNODE, slot, 1, &done), ERROR_INVALID_ARGUMENT);
    EQUAL(untyped_retype(harness_untyped(), OBJECT_RETYPE_COUNT, 0, ROOT_CNODE, slot, 1, &done),
          ERROR_INVALID_ARGUMENT);
    EQUAL(untyped_retype(harness_untyped(), 1000, 0, ROOT_CNODE, slot, 1, &done), ERROR_INVALID_ARGUMENT);
    EQUAL(untyped_retype(harness_untyped(), OBJECT_FRAME, 11, ROOT_CNODE, slot, 1, &done), ERROR_RANGE);
    EQUAL(untyped_retype(harness_untyped(), OBJECT_FRAME, 31, ROOT_CNODE, slot, 1, &done), ERROR_RANGE);
    EQUAL(untyped_retype(harness_untyped(), OBJECT_UNTYPED, 63, ROOT_CNODE, slot, 1, &done), ERROR_RANGE);
    EQUAL(untyped_retype(harness_untyped(), OBJECT_CNODE, 0, ROOT_CNODE, slot, 1, &done), ERROR_RANGE);
    EQUAL(untyped_retype(harness_untyped(), OBJECT_FRAME, 29, ROOT_CNODE, slot, 1, &done), ERROR_NOT_ENOUGH_MEMORY);
    EQUAL(untyped_retype(harness_untyped(), OBJECT_ENDPOINT, 0, ROOT_TCB, slot, 1, &done), ERROR_INVALID_CAPABILITY);
    EQUAL(untyped_retype(harness_untyped(), OBJECT_ENDPOINT, 0, ROOT_CNODE, ROOT_TCB, 1, &done), ERROR_DELETE_FIRST);
    CHECK(untyped_retype(harness_untyped(), OBJECT_ENDPOINT, 0, ROOT_CNODE, 1ul << ROOT_CNODE_BITS, 1, &done) !=
          ERROR_NONE);
    CHECK(untyped_retype(harness_untyped(), OBJECT_ENDPOINT, 0, ROOT_CNODE, ~0ul, 1, &done) != ERROR_NONE);
    CHECK(untyped_retype(harness_untyped(), OBJECT_ENDPOINT, 0, ROOT_CNODE, slot, ~0ul, &done) != ERROR_NONE);
}

CASE(retype_zeroes, "Memory that was used comes back zeroed")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 14);
    cptr frame = slot_new();
    for (int round = 0; round < 2; round++) {
        OK(untyped_retype_all(untyped, OBJECT_FRAME, 14, ROOT_CNODE, frame, 1));
        map_page(ROOT_VSPACE, frame, HARNESS_MAP_BASE, RIGHT_READ | RIGHT_WRITE, 0);
        volatile word *p = (volatile word *)HARNESS_MAP_BASE;
        for (word i = 0; i < 16384 / sizeof(word); i++) {
            EQUAL(p[i], 0);
            p[i] = ~i;
        }
        OK(cnode_delete(ROOT_CNODE, frame));
    }
}

CASE(untyped_exhaustion, "An untyped gives exactly what it has, and all again after a revoke")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 14);
    cptr slots = slots_new(5);
    for (int round = 0; round < 2; round++) {
        OK(untyped_retype_all(untyped, OBJECT_FRAME, 12, ROOT_CNODE, slots, 4));
        word done;
        EQUAL(untyped_retype(untyped, OBJECT_FRAME, 12, ROOT_CNODE, slots + 4, 1, &done), ERROR_NOT_ENOUGH_MEMORY);
        OK(cnode_revoke(ROOT_CNODE, untyped));
    }
    struct untyped_description d;
    OK(untyped_describe(untyped, &d));
    EQUAL(d.size_bits, 14);
    EQUAL(d.is_device, 0);
}

CASE(copy_and_delete, "Copying shares the object: deleting one capability leaves the other working")
{
    cptr ntfn = object_new(OBJECT_NOTIFICATION, 0), copy = slot_new();
    OK(cnode_mint(ROOT_CNODE, copy, ROOT_CNODE, ntfn, RIGHT_ALL, 1));
    notification_signal(copy);
    OK(cnode_delete(ROOT_CNODE, copy));
    EQUAL(notification_poll(ntfn), 1);
}

CASE(copy_bad_arguments, "Copy refuses empty sources, full destinations and indices outside")
{
    cptr ntfn = object_new(OBJECT_NOTIFICATION, 0), a = slot_new(), b = slot_new();
    EQUAL(cnode_copy(ROOT_CNODE, a, ROOT_CNODE, b, RIGHT_ALL), ERROR_FAILED_LOOKUP);
    EQUAL(cnode_copy(ROOT_CNODE, ROOT_TCB, ROOT_CNODE, ntfn, RIGHT_ALL), ERROR_DELETE_FIRST);
    CHECK(cnode_copy(ROOT_CNODE, 1ul << ROOT_CNODE_BITS, ROOT_CNODE, ntfn, RIGHT_ALL) != ERROR_NONE);
    CHECK(cnode_copy(ROOT_CNODE, a, ROOT_CNODE, 1ul << ROOT_CNODE_BITS, RIGHT_ALL) != ERROR_NONE);
    CHECK(cnode_copy(ROOT_CNODE, 0, ROOT_CNODE, ntfn, RIGHT_ALL) != ERROR_NONE);
    EQUAL(cnode_copy(ROOT_CNODE, a, ROOT_TCB, ntfn, RIGHT_ALL), ERROR_INVALID_CAPABILITY);
}

CASE(mint_badge_once, "A badged capability cannot get another badge")
{
    cptr ep = object_new(OBJECT_ENDPOINT, 0), one = slot_new(), two = slot_new();
    OK(cnode_mint(ROOT_CNODE, one, ROOT_CNODE, ep, RIGHT_ALL, 1));
    CHECK(cnode_mint(ROOT_CNODE, two, ROOT_CNODE, one, RIGHT_ALL, 2) != ERROR_NONE);
    OK(cnode_copy(ROOT_CNODE, two, ROOT_CNODE, one, RIGHT_ALL));
}

CASE(move_and_rotate, "Move empties the source; rotate exchanges two slots through a pivot")
{
    cptr one = object_new(OBJECT_NOTIFICATION, 0), two = object_new(OBJECT_NOTIFICATION, 0);
    cptr a = slot_new(), b = slot_new(), c = slot_new();
    OK(cnode_mint(ROOT_CNODE, a, ROOT_CNODE, one, RIGHT_ALL, 1));
    OK(cnode_mint(ROOT_CNODE, b, ROOT_CNODE, two, RIGHT_ALL, 2));
    OK(cnode_move(ROOT_CNODE, c, ROOT_CNODE, a));
    EQUAL(cnode_copy(ROOT_CNODE, slot_new(), ROOT_CNODE, a, RIGHT_ALL), ERROR_FAILED_LOOKUP);
    OK(cnode_rotate(ROOT_CNODE, a, 0, ROOT_CNODE, b, 0, ROOT_CNODE, c)); /* b -> a, c -> b */
    notification_signal(a);
    EQUAL(notification_poll(two), 2);
    notification_signal(b);
    EQUAL(notification_poll(one), 1);
}

CASE(revoke_subtree, "Revoke deletes everything derived, and nothing else")
{
    cptr ep = object_new(OBJECT_ENDPOINT, 0), other = object_new(OBJECT_ENDPOINT, 0);
    cptr child = slot_new(), grandchild = slot_new(), spare = slot_new();
    OK(cnode_mint(ROOT_CNODE, child, ROOT_CNODE, ep, RIGHT_ALL, 9));
    OK(cnode_copy(ROOT_CNODE, grandchild, ROOT_CNODE, child, RIGHT_ALL));
    OK(cnode_revoke(ROOT_CNODE, ep));
    EQUAL(cnode_copy(ROOT_CNODE, spare, ROOT_CNODE, child, RIGHT_ALL), ERROR_FAILED_LOOKUP);
    EQUAL(cnode_copy(ROOT_CNODE, spare, ROOT_CNODE, grandchild, RIGHT_ALL), ERROR_FAILED_LOOKUP);
    OK(cnode_copy(ROOT_CNODE, spare, ROOT_CNODE, ep, RIGHT_ALL));
    OK(cnode_delete(ROOT_CNODE, spare));
    OK(cnode_copy(ROOT_CNODE, spare, ROOT_CNODE, other, RIGHT_ALL));
}

CASE(revoke_untyped, "Revoking an untyped destroys every object made of it, nested untypeds and CNodes included")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 16);
    cptr inner = slot_new(), cnode = slot_new(), ep = slot_new();
    OK(untyped_retype_all(untyped, OBJECT_UNTYPED, 14, ROOT_CNODE, inner, 1));
    OK(untyped_retype_all(untyped, OBJECT_CNODE, 4, ROOT_CNODE, cnode, 1));
    OK(untyped_retype_all(inner, OBJECT_ENDPOINT, 0, ROOT_CNODE, ep, 1));
    OK(cnode_copy(cnode, 3, ROOT_CNODE, ep, RIGHT_ALL));
    OK(cnode_revoke(ROOT_CNODE, untyped));
    cptr spare = slot_new();
    EQUAL(cnode_copy(ROOT_CNODE, spare, ROOT_CNODE, inner, RIGHT_ALL), ERROR_FAILED_LOOKUP);
    EQUAL(cnode_copy(ROOT_CNODE, spare, ROOT_CNODE, cnode, RIGHT_ALL), ERROR_FAILED_LOOKUP);
    EQUAL(cnode_copy(ROOT_CNODE, spare, ROOT_CNODE, ep, RIGHT_ALL), ERROR_FAILED_LOOKUP);
}

CASE(cnode_holds_itself, "A CNode that holds its own only capability goes away with it")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 12), cnode = slot_new();
    OK(untyped_retype_all(untyped, OBJECT_CNODE, 4, ROOT_CNODE, cnode, 1));
    OK(cnode_move(cnode, 2, ROOT_CNODE, cnode));
    OK(cnode_revoke(ROOT_CNODE, untyped));
    OK(untyped_retype_all(untyped, OBJECT_UNTYPED, 12, ROOT_CNODE, cnode, 1));
}

CASE(cnode_ring, "Two CNodes that hold each other are reclaimed by revoking their memory")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 12), one = slot_new(), two = slot_new();
    OK(untyped_retype_all(untyped, OBJECT_CNODE, 4, ROOT_CNODE, one, 1));
    OK(untyped_retype_all(untyped, OBJECT_CNODE, 4, ROOT_CNODE, two, 1));
    OK(cnode_copy(one, 5, ROOT_CNODE, two, RIGHT_ALL));
    OK(cnode_copy(two, 5, ROOT_CNODE, one, RIGHT_ALL));
    OK(cnode_revoke(ROOT_CNODE, untyped));
    OK(untyped_retype_all(untyped, OBJECT_UNTYPED, 12, ROOT_CNODE, one, 1));
}

CASE(two_level_cspace, "A capability address is resolved through two CNodes with a guard")
{
    cptr ntfn = object_new(OBJECT_NOTIFICATION, 0);
    cptr inner = object_new(OBJECT_CNODE, 4), outer = object_new(OBJECT_CNODE, 4);
    OK(cnode_mint(inner, 6, ROOT_CNODE, ntfn, RIGHT_ALL, 0x40));
    /* outer: 24 guard bits of zero, 4 radix; inner: 4 radix, no guard: address 0x36 */
    OK(cnode_mint(outer, 3, ROOT_CNODE, inner, RIGHT_ALL, cnode_guard(0, 0)));
    cptr root = slot_new();
    OK(cnode_mint(ROOT_CNODE, root, ROOT_CNODE, outer, RIGHT_ALL, cnode_guard(0, 24)));
    extern void signal_address(word address);
    struct thread *t = thread_new(signal_address, 0x36, PRIORITY_HIGH, 0);
    OK(tcb_set_space(t->tcb, root, ROOT_VSPACE, 0));
    thread_start(t);
    EQUAL(notification_poll(ntfn), 0x40);
}

void signal_address(word address);
void signal_address(word address)
{
    notification_signal((cptr)address); /* then its end waits on a slot that its CSpace does not have, and stops it */
}

CASE(rights_are_kept, "Rights can only shrink: a receive-only capability cannot send")
{
    cptr ntfn = object_new(OBJECT_NOTIFICATION, 0), receive = slot_new(), again = slot_new();
    OK(cnode_copy(ROOT_CNODE, receive, ROOT_CNODE, ntfn, RIGHT_RECV));
    OK(cnode_copy(ROOT_CNODE, again, ROOT_CNODE, receive, RIGHT_ALL));
    cptr badged = slot_new();
    OK(cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, ntfn, RIGHT_SEND, 8));
    notification_signal(badged);
    EQUAL(notification_poll(again), 8);
    notification_signal(badged);
    EQUAL(notification_poll(ntfn), 8);
}

CASE(unknown_invocation, "Labels that an object does not have are refused")
{
    cptr objects[] = {harness_untyped(), ROOT_CNODE, ROOT_TCB, ROOT_VSPACE, ROOT_SCHED_CONTROL, ROOT_IRQ_CONTROL};
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
        struct message m = {0};
        EQUAL(invoke(objects[i], INVOCATION_COUNT, 0, &m), ERROR_ILLEGAL_OPERATION);
        m = (struct message){0};
        EQUAL(invoke(objects[i], (enum invocation)0, 0, &m), ERROR_ILLEGAL_OPERATION);
        m = (struct message){0};
        EQUAL(invoke(objects[i], (enum invocation)0xfffffffffffff, 0, &m), ERROR_ILLEGAL_OPERATION);
    }
}

CASE(delete_ten_thousand, "Deleting a long chain of copies completes")
{
    cptr ep = object_new(OBJECT_ENDPOINT, 0);
    cptr cnode = object_new(OBJECT_CNODE, 13);
    for (word i = 1; i < 8192; i++)
        OK(cnode_copy(cnode, i, ROOT_CNODE, ep, RIGHT_ALL));
    OK(cnode_revoke(ROOT_CNODE, ep));
    OK(cnode_copy(cnode, 1, ROOT_CNODE, ep, RIGHT_ALL));
}
