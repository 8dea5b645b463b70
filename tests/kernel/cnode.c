/* CNodes: each invocation's errors and effects, guards, the derivation tree, ranges, nesting. */
#include "test.h"

static cptr cnode, ntfn;

static void setup(void)
{
    cnode = object_new(OBJECT_CNODE, 4);
    ntfn = object_new(OBJECT_NOTIFICATION, 0);
}

/* Which notification a slot of `cnode` names: signals it and looks. */
static word badge_at(word index)
{
    cptr spare = slot_new();
    OK(cnode_copy(ROOT_CNODE, spare, cnode, index, RIGHT_ALL));
    notification_signal(spare);
    OK(cnode_delete(ROOT_CNODE, spare));
    return notification_poll(ntfn);
}

static void put(word index, word badge)
{
    OK(cnode_mint(cnode, index, ROOT_CNODE, ntfn, RIGHT_ALL, badge));
}

CASE(cnode_copy_range_done,
     "A range copy does at most 64, stops before a slot in use or an empty source, and says how far it came")
{
    cptr from = objects_new(OBJECT_ENDPOINT, 0, 100), to = slots_new(100);
    word done;
    OK(cnode_copy_range(ROOT_CNODE, to, ROOT_CNODE, from, RIGHT_ALL, 100, &done));
    EQUAL(done, 64);
    OK(cnode_delete(ROOT_CNODE, from + 70));
    OK(cnode_copy_range(ROOT_CNODE, to + 64, ROOT_CNODE, from + 64, RIGHT_ALL, 36, &done));
    EQUAL(done, 6);
    OK(cnode_copy(ROOT_CNODE, to + 80, ROOT_CNODE, from, RIGHT_ALL));
    OK(cnode_copy_range(ROOT_CNODE, to + 71, ROOT_CNODE, from + 71, RIGHT_ALL, 29, &done));
    EQUAL(done, 9);
    EQUAL(cnode_copy_range(ROOT_CNODE, to + 80, ROOT_CNODE, from + 80, RIGHT_ALL, 5, &done), ERROR_DELETE_FIRST);
    EQUAL(cnode_copy_range(ROOT_CNODE, to + 70, ROOT_CNODE, from + 70, RIGHT_ALL, 5, &done), ERROR_FAILED_LOOKUP);
    for (word i = 0; i < 100; i++)
        EQUAL(slot_is_used(to + (cptr)i), i < 70 || (i > 70 && i <= 80));
}

CASE(cnode_delete_range_done, "A range delete does at most 64, empty slots included, and says how far it came")
{
    cptr slots = objects_new(OBJECT_ENDPOINT, 0, 100);
    word done;
    OK(cnode_delete(ROOT_CNODE, slots + 10));
    OK(cnode_delete_range(ROOT_CNODE, slots, 100, &done));
    EQUAL(done, 64);
    CHECK(!slot_is_used(slots + 63) && slot_is_used(slots + 64));
    EQUAL(cnode_delete_range(ROOT_CNODE, slots, 0, &done), ERROR_RANGE);
    EQUAL(cnode_delete_range(ROOT_CNODE, 1, 1 << ROOT_CNODE_BITS, &done), ERROR_RANGE);
}

CASE(cnode_copy_errors, "COPY, MINT, MOVE and MUTATE: destination in use, source empty, indices outside, slot 0")
{
    static const enum invocation labels[] = {CNODE_COPY, CNODE_MINT, CNODE_MOVE, CNODE_MUTATE};
    setup();
    put(2, 5);
    for (unsigned i = 0; i < COUNT(labels); i++) {
        const struct {
            word index, source;
            enum error error;
        } list[] = {{2, 2, ERROR_DELETE_FIRST}, {3, 4, ERROR_FAILED_LOOKUP}, {0, 2, ERROR_RANGE},
                    {16, 2, ERROR_RANGE},       {3, 0, ERROR_RANGE},         {3, 16, ERROR_RANGE},
                    {~0ul, 2, ERROR_RANGE}};
        for (unsigned k = 0; k < COUNT(list); k++) {
            struct message m = {0,
                                {list[k].index, cnode, list[k].source, labels[i] == CNODE_MUTATE ? 0 : RIGHT_ALL,
                                 labels[i] == CNODE_COPY}};
            NOTE(labels[i]);
            NOTE(k);
            EQUAL(invoked(cnode, labels[i], 5, &m), list[k].error);
        }
    }
    EQUAL(badge_at(2), 5);
}

CASE(cnode_no_copy_of_control, "IRQ and port control have no copies; they can be moved and moved back")
{
    cptr slot = slot_new();
    EQUAL(cnode_copy(ROOT_CNODE, slot, ROOT_CNODE, ROOT_IRQ_CONTROL, RIGHT_ALL), ERROR_ILLEGAL_OPERATION);
    EQUAL(cnode_mint(ROOT_CNODE, slot, ROOT_CNODE, ROOT_IRQ_CONTROL, RIGHT_ALL, 0), ERROR_ILLEGAL_OPERATION);
#if defined(__x86_64__)
    EQUAL(cnode_copy(ROOT_CNODE, slot, ROOT_CNODE, ROOT_IO_PORT_CONTROL, RIGHT_ALL), ERROR_ILLEGAL_OPERATION);
#endif
    OK(cnode_move(ROOT_CNODE, slot, ROOT_CNODE, ROOT_IRQ_CONTROL));
    cptr handler = slot_new();
    OK(irq_control_get(slot, TEST_IRQ, 0, ROOT_CNODE, handler));
    OK(cnode_move(ROOT_CNODE, ROOT_IRQ_CONTROL, ROOT_CNODE, slot));
    OK(cnode_delete(ROOT_CNODE, handler));
}

CASE(cnode_no_copy_of_used_untyped, "An untyped with objects made of it has no copies: REVOKE_FIRST; it can be moved")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 12), slot = slot_new(), object = slot_new();
    OK(untyped_retype_all(untyped, OBJECT_ENDPOINT, 0, ROOT_CNODE, object, 1));
    EQUAL(cnode_copy(ROOT_CNODE, slot, ROOT_CNODE, untyped, RIGHT_ALL), ERROR_REVOKE_FIRST);
    EQUAL(cnode_mint(ROOT_CNODE, slot, ROOT_CNODE, untyped, RIGHT_ALL, 0), ERROR_REVOKE_FIRST);
    OK(cnode_move(ROOT_CNODE, slot, ROOT_CNODE, untyped));
    OK(cnode_revoke(ROOT_CNODE, slot));
    CHECK(!slot_is_used(object));
}

CASE(cnode_mint_badges, "A badge is for endpoints and notifications without one; others refuse, 0 leaves all as it is")
{
    cptr objects[OBJECT_TYPE_COUNT];
    objects_of_all_types(objects);
    for (enum object_type type = OBJECT_UNTYPED; type < OBJECT_TYPE_COUNT; type++) {
        cptr slot = slot_new();
        if (objects[type] == 0 || type == OBJECT_CNODE || type == OBJECT_IRQ_CONTROL || type == OBJECT_IO_PORT_CONTROL)
            continue;
        bool has_badge = type == OBJECT_ENDPOINT || type == OBJECT_NOTIFICATION;
        NOTE(type);
        EQUAL(cnode_mint(ROOT_CNODE, slot, ROOT_CNODE, objects[type], RIGHT_ALL, 7),
              has_badge ? ERROR_NONE : ERROR_ILLEGAL_OPERATION);
        if (has_badge) {
            EQUAL(cnode_mint(ROOT_CNODE, slot_new(), ROOT_CNODE, slot, RIGHT_ALL, 7), ERROR_ILLEGAL_OPERATION);
            EQUAL(cnode_mutate(ROOT_CNODE, slot_new(), ROOT_CNODE, slot, 7), ERROR_ILLEGAL_OPERATION);
            OK(cnode_delete(ROOT_CNODE, slot));
        }
        OK(cnode_mint(ROOT_CNODE, slot, ROOT_CNODE, objects[type], RIGHT_ALL, 0));
        OK(cnode_delete(ROOT_CNODE, slot));
    }
}

CASE(cnode_guards_refused, "A guard that does not fit its bits, or bits that do not fit beside the radix, are refused")
{
    setup();
    cptr slot = slot_new();
    static const struct {
        word guard, bits;
        enum error error;
    } list[] = {{0, 28, ERROR_NONE},
                {0, 29, ERROR_INVALID_ARGUMENT},
                {0, 63, ERROR_INVALID_ARGUMENT},
                {1, 0, ERROR_INVALID_ARGUMENT},
                {2, 1, ERROR_INVALID_ARGUMENT},
                {1, 1, ERROR_NONE},
                {0xfffffff, 28, ERROR_NONE},
                {0x10000000, 28, ERROR_INVALID_ARGUMENT}};
    for (unsigned i = 0; i < COUNT(list); i++) {
        NOTE(i);
        EQUAL(cnode_mint(ROOT_CNODE, slot, ROOT_CNODE, cnode, 0, cnode_guard(list[i].guard, list[i].bits)),
              list[i].error);
        if (list[i].error == ERROR_NONE)
            OK(cnode_delete(ROOT_CNODE, slot));
    }
}

CASE(cnode_mutate_guard, "MUTATE moves a CNode capability with a new guard, and capabilities are found by it")
{
    setup();
    cptr root = slot_new(), moved = slot_new();
    put(6, 0x60);
    OK(cnode_mint(ROOT_CNODE, root, ROOT_CNODE, cnode, 0, cnode_guard(0, 28)));
    OK(cnode_mutate(ROOT_CNODE, moved, ROOT_CNODE, root, cnode_guard(0xabcdef1, 28)));
    CHECK(!slot_is_used(root));
    cptr faults = object_new(OBJECT_ENDPOINT, 0), reply = object_new(OBJECT_REPLY, 0);
    struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
    OK(tcb_set_space(a->thread->tcb, moved, ROOT_VSPACE, faults));
    (void)actor_step(a, SYSCALL_SEND, 0xabcdef16, 0, NULL);
    (void)actor_step(a, SYSCALL_SEND, 0xabcdef06, 0, NULL);
    actor_start(a);
    EQUAL(actor_result(a, 0)->status, ERROR_NONE);
    EQUAL(notification_poll(ntfn), 0x60);
    struct message m;
    word badge;
    OK(syscall_nbrecv(faults, reply, &m, &badge)); /* the guard is checked in all its bits */
    EQUAL(m.words[2], 0xabcdef06);
    EQUAL(m.words[4], ERROR_FAILED_LOOKUP);
}

CASE(cspace_shapes, "Capabilities are found through one, two, three and eight CNodes with guards on the way")
{
    /* 32 bits = levels x (guard + radix) */
    static const struct {
        unsigned levels, guard_bits;
    } shapes[] = {{1, 28}, {2, 12}, {4, 4}, {8, 0}};
    for (unsigned s = 0; s < COUNT(shapes); s++) {
        setup();
        unsigned step = shapes[s].guard_bits + 4;
        word guard = shapes[s].guard_bits ? 0x5 : 0, address = 0;
        cptr below = cnode;
        /* To signal only: the actor parks on a number of the root task's CSpace, which may be the address here. */
        OK(cnode_mint(cnode, 9, ROOT_CNODE, ntfn, RIGHT_SEND, 0x99));
        for (unsigned level = 0; level < shapes[s].levels; level++) {
            cptr guarded = slot_new();
            OK(cnode_mint(ROOT_CNODE, guarded, ROOT_CNODE, below, 0, cnode_guard(guard, shapes[s].guard_bits)));
            address |= (guard << 4 | 9) << level * step;
            if (level + 1 < shapes[s].levels) {
                cptr above = object_new(OBJECT_CNODE, 4);
                OK(cnode_move(above, 9, ROOT_CNODE, guarded));
                below = above;
            } else {
                below = guarded;
            }
        }
        struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
        OK(tcb_set_space(a->thread->tcb, below, ROOT_VSPACE, 0));
        struct message m = {0};
        (void)actor_step(a, SYSCALL_SEND, (cptr)address, 0, &m);
        actor_start(a);
        NOTE(s);
        NOTE(address);
        EQUAL(actor_result(a, 0)->status, ERROR_NONE);
        EQUAL(notification_poll(ntfn), 0x99);
    }
}

CASE(cspace_too_deep, "Nine CNodes on the way are one too many: nothing is found, though all bits fit")
{
    setup();
    cptr below = cnode, faults = object_new(OBJECT_ENDPOINT, 0), reply = object_new(OBJECT_REPLY, 0);
    word address = 0, bits = 0;
    OK(cnode_mint(cnode, 9, ROOT_CNODE, ntfn, RIGHT_SEND, 0x99));
    for (unsigned level = 0; level < 9; level++) { /* 4 bits each, but for the two nearest to the root: 2 */
        word radix = level < 7 ? 4 : 2, index = level < 7 ? 9 : 1;
        cptr guarded = slot_new();
        if (level > 0) {
            cptr above = object_new(OBJECT_CNODE, radix);
            OK(cnode_move(above, index, ROOT_CNODE, below));
            below = above;
        }
        OK(cnode_mint(ROOT_CNODE, guarded, ROOT_CNODE, below, 0, cnode_guard(0, 0)));
        below = guarded;
        address |= index << bits;
        bits += radix;
    }
    EQUAL(bits, 32);
    struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
    OK(tcb_set_space(a->thread->tcb, below, ROOT_VSPACE, faults));
    (void)actor_step(a, SYSCALL_SEND, (cptr)address, 0, NULL);
    actor_start(a);
    struct message m;
    word badge;
    EQUAL(notification_poll(ntfn), 0);
    OK(syscall_nbrecv(faults, reply, &m, &badge));
    EQUAL(m.words[2], address);
    EQUAL(m.words[4], ERROR_FAILED_LOOKUP);
}

CASE(cspace_dead_ends,
     "Addresses with bits left at a capability that is no CNode, or too few for the next one, are not found")
{
    setup();
    cptr inner = object_new(OBJECT_CNODE, 4), root = slot_new(), faults = object_new(OBJECT_ENDPOINT, 0);
    cptr reply = object_new(OBJECT_REPLY, 0);
    put(1, 1);                                                         /* an object with 8 bits left */
    OK(cnode_mint(cnode, 2, ROOT_CNODE, inner, 0, cnode_guard(0, 8))); /* 12 bits wanted, 8 there */
    OK(cnode_mint(cnode, 3, ROOT_CNODE, inner, 0, cnode_guard(0, 0))); /* ends with 4 bits left */
    OK(cnode_mint(cnode, 4, ROOT_CNODE, inner, 0, cnode_guard(3, 4))); /* right with guard 3 */
    OK(cnode_copy(inner, 5, ROOT_CNODE, ntfn, RIGHT_ALL));
    OK(cnode_mint(ROOT_CNODE, root, ROOT_CNODE, cnode, 0, cnode_guard(0, 20)));
    static const cptr dead[] = {0x100, 0x105, 0x205, 0x300, 0x355, 0x405, 0x425, 0x430, 0x1435, 0x80000435};
    struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
    OK(tcb_set_space(a->thread->tcb, root, ROOT_VSPACE, faults));
    for (unsigned i = 0; i < COUNT(dead); i++) {
        struct message m;
        word badge;
        actor_reset(a);
        (void)actor_step(a, SYSCALL_SEND, dead[i], 0, NULL);
        actor_start(a);
        NOTE(dead[i]);
        EQUAL(a->done, 0);
        OK(syscall_nbrecv(faults, reply, &m, &badge));
        EQUAL(m.words[2], dead[i]);
        EQUAL(m.words[4], ERROR_FAILED_LOOKUP);
    }
    actor_reset(a);
    (void)actor_step(a, SYSCALL_SEND, 0x435, 0, NULL);
    actor_start(a);
    EQUAL(notification_poll(ntfn), 1);
}

CASE(cnode_rotate_forms, "ROTATE moves three ways, exchanges two, and refuses a pivot that is source or destination")
{
    setup();
    put(1, 0x1);
    put(2, 0x2);
    put(3, 0x4);
    OK(cnode_rotate(cnode, 5, 0, cnode, 1, 0, cnode, 2)); /* 1 -> 5, 2 -> 1 */
    EQUAL(badge_at(5), 0x1);
    EQUAL(badge_at(1), 0x2);
    EQUAL(cnode_move(ROOT_CNODE, slot_new(), cnode, 2), ERROR_FAILED_LOOKUP);
    OK(cnode_rotate(cnode, 5, 0, cnode, 1, 0, cnode, 5)); /* exchange */
    EQUAL(badge_at(5), 0x2);
    EQUAL(badge_at(1), 0x1);
    EQUAL(cnode_rotate(cnode, 5, 0, cnode, 5, 0, cnode, 1), ERROR_ILLEGAL_OPERATION);
    EQUAL(cnode_rotate(cnode, 6, 0, cnode, 1, 0, cnode, 1), ERROR_ILLEGAL_OPERATION);
    EQUAL(cnode_rotate(cnode, 3, 0, cnode, 1, 0, cnode, 5), ERROR_DELETE_FIRST);
    EQUAL(cnode_rotate(cnode, 6, 0, cnode, 7, 0, cnode, 5), ERROR_FAILED_LOOKUP);
    EQUAL(cnode_rotate(cnode, 6, 0, cnode, 1, 0, cnode, 7), ERROR_FAILED_LOOKUP);
    EQUAL(cnode_rotate(cnode, 6, 9, cnode, 1, 0, cnode, 5), ERROR_ILLEGAL_OPERATION);
    EQUAL(cnode_rotate(cnode, 6, 0, cnode, 1, 9, cnode, 5), ERROR_ILLEGAL_OPERATION);
    EQUAL(badge_at(1), 0x1);
    EQUAL(badge_at(3), 0x4);
    EQUAL(badge_at(5), 0x2);
}

CASE(cnode_rotate_keeps_tree, "Capabilities that were exchanged or moved keep their children and parents")
{
    setup();
    cptr other = object_new(OBJECT_NOTIFICATION, 0), children = slots_new(2);
    OK(cnode_move(cnode, 1, ROOT_CNODE, ntfn));
    OK(cnode_move(cnode, 2, ROOT_CNODE, other));
    OK(cnode_copy(ROOT_CNODE, children, cnode, 1, RIGHT_ALL));
    OK(cnode_copy(ROOT_CNODE, children + 1, cnode, 2, RIGHT_ALL));
    OK(cnode_rotate(cnode, 1, 0, cnode, 2, 0, cnode, 1));
    OK(cnode_revoke(cnode, 1)); /* `other` now */
    CHECK(slot_is_used(children) && !slot_is_used(children + 1));
    OK(cnode_move(cnode, 7, cnode, 2));
    OK(cnode_revoke(cnode, 7));
    CHECK(!slot_is_used(children));
}

CASE(revoke_badges, "Revoking a badged capability takes its copies and no others; the unbadged one takes all")
{
    setup();
    cptr one = minted(ntfn, RIGHT_ALL, 1), two = minted(ntfn, RIGHT_ALL, 2), copies = slots_new(3);
    OK(cnode_copy(ROOT_CNODE, copies, ROOT_CNODE, one, RIGHT_ALL));
    OK(cnode_copy(ROOT_CNODE, copies + 1, ROOT_CNODE, copies, RIGHT_ALL));
    OK(cnode_copy(ROOT_CNODE, copies + 2, ROOT_CNODE, two, RIGHT_ALL));
    cptr again = minted(ntfn, RIGHT_ALL, 1); /* the same badge, given anew: not derived from the first */
    OK(cnode_revoke(ROOT_CNODE, one));
    CHECK(slot_is_used(one) && !slot_is_used(copies) && !slot_is_used(copies + 1));
    CHECK(slot_is_used(copies + 2) && slot_is_used(again));
    OK(cnode_revoke(ROOT_CNODE, ntfn));
    CHECK(slot_is_used(ntfn) && !slot_is_used(one) && !slot_is_used(two) && !slot_is_used(again));
    CHECK(!slot_is_used(copies + 2));
}

CASE(revoke_first_badge_deleted,
     "When the first of a badge is deleted, its copies stay together: revoking one takes the rest")
{
    setup();
    cptr first = minted(ntfn, RIGHT_ALL, 3), copies = slots_new(2);
    OK(cnode_copy(ROOT_CNODE, copies, ROOT_CNODE, first, RIGHT_ALL));
    OK(cnode_copy(ROOT_CNODE, copies + 1, ROOT_CNODE, first, RIGHT_ALL));
    OK(cnode_delete(ROOT_CNODE, first));
    CHECK(slot_is_used(copies) && slot_is_used(copies + 1));
    cptr other = minted(ntfn, RIGHT_ALL, 3);
    OK(cnode_revoke(ROOT_CNODE, other));
    CHECK(slot_is_used(copies) && slot_is_used(copies + 1));
    OK(cnode_revoke(ROOT_CNODE, ntfn));
    CHECK(!slot_is_used(copies) && !slot_is_used(copies + 1));
}

CASE(revoke_copy_of_copy, "Revoking a copy that is no original deletes nothing")
{
    cptr frame = object_new(OBJECT_FRAME, 12), copies = slots_new(2);
    OK(cnode_copy(ROOT_CNODE, copies, ROOT_CNODE, frame, RIGHT_ALL));
    OK(cnode_copy(ROOT_CNODE, copies + 1, ROOT_CNODE, copies, RIGHT_ALL));
    OK(cnode_revoke(ROOT_CNODE, copies));
    CHECK(slot_is_used(copies + 1));
    OK(cnode_revoke(ROOT_CNODE, frame));
    CHECK(!slot_is_used(copies) && !slot_is_used(copies + 1) && slot_is_used(frame));
}

CASE(revoke_siblings,
     "Revoking one of several objects of the same type and size made of one untyped leaves the others, for every type")
{
    for (enum object_type type = OBJECT_UNTYPED; type < OBJECT_RETYPE_COUNT; type++) {
        cptr untyped = object_new(OBJECT_UNTYPED, 16), slots = slots_new(3);
        word size_bits = type == OBJECT_CNODE ? 4 : PAGE_BITS;
        OK(untyped_retype_all(untyped, type, size_bits, ROOT_CNODE, slots, 3));
        for (cptr i = 0; i < 3; i++)
            OK(cnode_revoke(ROOT_CNODE, slots + i));
        NOTE(type);
        for (cptr i = 0; i < 3; i++)
            CHECK(slot_is_used(slots + i));
        OK(cnode_delete(ROOT_CNODE, slots + 1));
        CHECK(slot_is_used(slots) && slot_is_used(slots + 2));
        OK(cnode_revoke(ROOT_CNODE, untyped));
        CHECK(!slot_is_used(slots) && !slot_is_used(slots + 2));
    }
}

CASE(revoke_empty_slot, "Revoking or deleting an empty slot is no error")
{
    cptr slot = slot_new();
    OK(cnode_revoke(ROOT_CNODE, slot));
    OK(cnode_delete(ROOT_CNODE, slot));
}

CASE(revoke_irq_control, "Revoking IRQ control takes the handlers, and the lines are free")
{
    cptr handler = slot_new();
    OK(irq_control_get(ROOT_IRQ_CONTROL, TEST_IRQ, 0, ROOT_CNODE, handler));
    cptr copy = slot_new();
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, handler, RIGHT_ALL));
    OK(cnode_delete(ROOT_CNODE, handler));
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, TEST_IRQ, 0, ROOT_CNODE, handler), ERROR_DELETE_FIRST);
    OK(cnode_revoke(ROOT_CNODE, ROOT_IRQ_CONTROL));
    CHECK(!slot_is_used(copy));
    OK(irq_control_get(ROOT_IRQ_CONTROL, TEST_IRQ, 0, ROOT_CNODE, handler));
    OK(cnode_delete(ROOT_CNODE, handler));
}

CASE(cancel_badged_scope,
     "CANCEL_BADGED_SENDS ends the waits of its badge in a mixed queue, in order, and no others; receivers stay")
{
    setup();
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), reply = object_new(OBJECT_REPLY, 0);
    cptr badged[2] = {minted(endpoint, RIGHT_ALL, 1), minted(endpoint, RIGHT_ALL, 2)};
    struct actor *a[6];
    for (word i = 0; i < 6; i++)
        a[i] = actor_calls(PRIORITY_HIGH, i < 3 ? SYSCALL_SEND : SYSCALL_CALL, badged[i % 2], 0, i);
    OK(cnode_cancel_badged_sends(ROOT_CNODE, badged[1]));
    for (word i = 0; i < 6; i++) {
        NOTE(i);
        if (i % 2)
            EQUAL(actor_result(a[i], 0)->status, ERROR_ABORTED);
        else
            CHECK(actor_waits_in(a[i], 0));
    }
    struct message m;
    word badge;
    for (word i = 0; i < 3; i++) {
        OK(syscall_recv(endpoint, reply, &m, &badge));
        EQUAL(m.words[0], 2 * i);
        EQUAL(badge, 1);
        OK(syscall_send(reply, &m));
    }
    struct actor *receiver = actor_calls(PRIORITY_HIGH, SYSCALL_WAIT, endpoint, 0, 0);
    OK(cnode_cancel_badged_sends(ROOT_CNODE, badged[0]));
    CHECK(actor_waits_in(receiver, 0));
    EQUAL(cnode_cancel_badged_sends(ROOT_CNODE, endpoint), ERROR_ILLEGAL_OPERATION);
    EQUAL(cnode_cancel_badged_sends(ROOT_CNODE, ntfn), ERROR_ILLEGAL_OPERATION);
    for (word right = 1; right <= RIGHT_EXEC; right <<= 1) {
        cptr less = slot_new();
        OK(cnode_copy(ROOT_CNODE, less, ROOT_CNODE, badged[0], RIGHT_ALL & ~right));
        EQUAL(cnode_cancel_badged_sends(ROOT_CNODE, less), ERROR_ILLEGAL_OPERATION);
    }
}
