/* Deletion without recursion.
 *
 * The end of a container (CNode, TCB) takes long: each of its slots may hold the last capability of another container.
 * So when the last capability to a container goes, it moves, as a *zombie*, into the container's own slot 0, which
 * nobody else uses, and the container joins the ring of those that the running thread has to empty. The ring's head is
 * slot 0 of that thread's TCB, and the heads of all rings are in one list:
 *
 *     kernel.dying -> head <-> [zombie | ...slots of X...] <-> [zombie | ...slots of Y...] <-> head
 *                      |
 *                     head of another thread's ring ...
 *
 *     head:   word 0 = next in the ring; word 1 = previous; all zero: it has nothing to do. Its links are the list's.
 *     zombie: the same words, with its type in word 0 and the slots left in word 1 (zombie_count).
 *             Its links are the derivation tree's: the untyped below is not free before the container is.
 *
 * Emptying a dying container's slot can only add to the front of the ring. Thus every step is bounded, and every state
 * between steps is consistent.
 *
 * Who has the ring pays: a thread whose deletion was interrupted goes on when it makes the call again, or with its next
 * deletion. Nobody else is held up. Who destroys a thread gets its ring with it; who revokes memory takes the zombies
 * on it out of others' rings. All that nobody goes on with is the idle thread's work.
 */
#include <kernel/delete.h>
#include <kernel/object.h>
#include <sched/thread.h>

/* The slots left are the 21 bits of word 1 around its ends. */
static word turned(word value, unsigned by)
{
    return value << by | value >> (64 - by);
}

static word zombie_count(const struct slot *zombie)
{
    return turned(zombie->cap.word1, 16) & ((1ul << 21) - 1);
}

/* --- rings --- */

static struct slot *ring_next(const struct slot *slot)
{
    return cap_object(slot->cap);
}

static struct slot *ring_prev(const struct slot *slot)
{
    return (struct slot *)(uintptr_t)((slot->cap.word1 & CAP_OBJECT_MASK) | ARCH_KERNEL_HIGH);
}

static void ring_link(struct slot *a, struct slot *b)
{
    a->cap.word0 = (a->cap.word0 & ~CAP_OBJECT_MASK) | ((word)(uintptr_t)b & CAP_OBJECT_MASK);
    b->cap.word1 = (b->cap.word1 & ~CAP_OBJECT_MASK) | ((word)(uintptr_t)a & CAP_OBJECT_MASK);
}

/* The words of a slot that is a ring of its own. */
static struct cap ring_alone(const struct slot *slot)
{
    word own = (word)(uintptr_t)slot & CAP_OBJECT_MASK;
    return (struct cap){own, own};
}

/* What follows `a` and what follows `b` change places: two rings become one, or one becomes two. */
static void ring_cross(struct slot *a, struct slot *b)
{
    struct slot *after_a = ring_next(a), *after_b = ring_next(b);
    ring_link(a, after_b);
    ring_link(b, after_a);
}

/* --- the dying --- */

/* The head of the running thread's ring. The idle thread works on all, one after the other; and when a thread has
 * destroyed itself, there is only the idle thread's. */
static SELDOM struct slot *dying_head(const struct core *core)
{
    struct tcb *current = core->current;
    if (current == core->idle)
        return kernel.dying.next;
    return (current->state == THREAD_RUNNING ? current : core->idle)->slots;
}

static SELDOM void dying_add(const struct core *core, struct slot *zombie)
{
    struct slot *head = dying_head(core);
    if (head == zombie) /* the idle thread's work on a ring ends the ring's thread */
        head = core->idle->slots;
    if (head->cap.word0 == 0) {
        head->cap = ring_alone(head);
        slot_link(&kernel.dying, head, kernel.dying.next, 0);
    }
    ring_cross(head, zombie);
}

/* The last capability of a container, in `slot`, becomes a zombie. A thread that dies brings its ring with it. */
static SELDOM void container_kill(const struct core *core, struct slot *slot)
{
    word count;
    struct slot *host = container_slots(slot->cap, &count);
    kassert(slot_is_empty(host));
    if (host->cap.word0 == 0)
        host->cap = ring_alone(host);
    dying_add(core, host);
    struct cap links = host->cap;
    slot_remove(host); /* from the list of heads */
    slot_move(slot, host, (struct cap){links.word0 | CAP_ZOMBIE, links.word1 | turned(count, 48)});
}

/* The last capability to an object goes, and the object with it. */
static bool object_end(struct core *core, struct slot *slot, enum object_type type)
{
    if (object_types[type].destroy && !object_types[type].destroy(core, slot->cap))
        return false;
    if (TYPE_IS_ONE_OF(type, TYPES_CONTAINERS))
        container_kill(core, slot);
    return true;
}

/* Empties one slot; what it held the last capability of is dying or gone. */
static bool slot_empty(struct core *core, struct slot *slot)
{
    enum object_type type = cap_type(slot->cap);
    word flags = slot_flags(slot);
    if (type == OBJECT_NULL)
        return true;
    if (type == OBJECT_FRAME && !object_hooks.frame_release(core, slot))
        return false;
    if (type == OBJECT_PAGE_TABLE && !object_hooks.page_table_release(core, slot))
        return false;
    if (TYPE_IS_ONE_OF(type, TYPES_DESTROYED) && slot_is_final(slot) && !object_end(core, slot, type))
        return false;
    slot_remove(slot); /* a container's is empty already */
    if (flags & SLOT_IN_TCB)
        object_hooks.tcb_slot_cleared(core, slot);
    return true;
}

/* Empties the running thread's ring. At least one step, so that it comes to an end however many interrupts there are.
 * The idle thread gives way to whom a step lets run. */
static SELDOM bool drain(struct core *core)
{
    for (;;) {
        struct slot *head = dying_head(core), *zombie = ring_next(head);
        if (zombie == head) {
            slot_remove(head);
            return true;
        }
        word count = zombie_count(zombie);
        if (count > 1) {
            if (!slot_empty(core, zombie + count - 1))
                return false;
            zombie->cap.word1 = turned(turned(zombie->cap.word1, 16) - 1, 48);
        } else {
            ring_cross(ring_prev(zombie), zombie);
            slot_remove(zombie);
        }
        if (preemption_wanted(core) || (core->reschedule && core->current == core->idle))
            return false;
    }
}

static bool has_dying(const struct core *core)
{
    return core->current->slots[TCB_SLOT_KERNEL].cap.word0 != 0;
}

SELDOM void dying_finish(struct core *core)
{
    while (kernel.dying.next && !core->reschedule && !preemption_wanted(core))
        (void)drain(core);
}

bool slot_delete(struct core *core, struct slot *slot)
{
    if (!slot_is_empty(slot)) {
        if (!slot_empty(core, slot))
            return false;
        if (has_dying(core) && preemption_wanted(core)) /* that may have taken as long as a step of what is dying */
            return false;
    }
    return !has_dying(core) || drain(core);
}

bool slot_delete_simple(struct core *core, struct slot *slot)
{
    kassert(!TYPE_IS_ONE_OF(cap_type(slot->cap), TYPES_CONTAINERS));
    return slot_empty(core, slot);
}

SELDOM bool slot_revoke(struct core *core, struct slot *slot)
{
    while (dying_head(core)->cap.word0 == 0 || drain(core)) { /* the thread may have destroyed itself on the way */
        /* The slot itself can go on the way: its capability may lie in a container that is a child. */
        if (slot_is_empty(slot) || !slot_has_child(slot))
            return true;
        struct slot *child = slot->next;
        if (cap_type(child->cap) == CAP_ZOMBIE) {
            ring_cross(ring_prev(child), child);
            dying_add(core, child);
        } else if (!slot_empty(core, child)) {
            return false;
        }
        if (preemption_wanted(core))
            return false;
    }
    return false;
}
