/* Invariants of the kernel's state, verified after every entry.
 *
 *   - the derivation list is well linked in both directions, and every capability is where a slot says it is
 *   - capabilities to one object stand together
 *   - ready queues, bits and threads agree; the running thread is in no queue
 *   - every queue of an endpoint or notification holds threads that are blocked on it
 *   - contexts, lenders and borrowers, replies and callers point to each other
 *   - no page of a living address space is reachable without a living frame capability that covers it
 *   - no living object's memory overlaps a frame that user level could map, or another object
 */
#include "model.h"

#include <arch/mmu.h>
#include <kernel/object.h>
#include <mm/vspace.h>

#define SLOTS_MAX 65536
static struct slot *slots[SLOTS_MAX];
static unsigned slot_count;

static void slots_add(struct slot *first, word count)
{
    for (word i = 0; i < count; i++) {
        if (slot_is_empty(&first[i])) {
            CHECK(first[i].next == NULL && first[i].prev_and_flags == 0 && first[i].cap.word1 == 0);
            continue;
        }
        CHECK(slot_count < SLOTS_MAX);
        slots[slot_count++] = &first[i];
    }
}

static bool container_is_known(const struct slot *first, unsigned upto)
{
    for (unsigned i = 0; i < upto; i++) {
        enum object_type type = cap_type(slots[i]->cap);
        word count;
        if (object_types[type].is_container && object_types[type].slots(slots[i]->cap, &count) == first)
            return true;
        if (type == CAP_ZOMBIE && cap_object(slots[i]->cap) == first)
            return true;
    }
    return false;
}

/* Everything reachable from the root task's CNode, the dying and the kernel's own slots. */
static void slots_collect(struct tcb *root)
{
    word count;
    const struct slot *root_cnode = cap_object(root->slots[TCB_SLOT_CSPACE].cap);
    slot_count = 0;
    slots_add(root->slots, TCB_SLOT_COUNT);
    slots_add(kernel.irq_notification, ARCH_IRQ_COUNT);
    for (struct slot *zombie = kernel.dying; zombie;) {
        word low = zombie->cap.word1 & CAP_OBJECT_MASK;
        CHECK(cap_type(zombie->cap) == CAP_ZOMBIE && cap_object(zombie->cap) == zombie);
        count = zombie->cap.word1 >> 48 << 5 | (zombie->cap.word1 & 31);
        slots_add(zombie, count);
        zombie = low ? (struct slot *)low : NULL;
    }
    for (unsigned i = 0; i < slot_count; i++) {
        struct cap cap = slots[i]->cap;
        if (object_types[cap_type(cap)].is_container) {
            struct slot *first = object_types[cap_type(cap)].slots(cap, &count);
            if (first == root_cnode)
                count = model_slots_end(); /* the rest, by far the most, is empty */
            if (first != root->slots && !container_is_known(first, i))
                slots_add(first, count);
        } else if (cap_type(cap) == OBJECT_TIMER) {
            struct timer *timer = cap_object(cap);
            bool is_known = false;
            for (unsigned j = 0; j < i; j++)
                is_known = is_known || cap_is_same_object(slots[j]->cap, cap);
            if (!is_known)
                slots_add(timer->slots, TIMER_SLOT_COUNT);
        }
    }
}

static void check_tree(void)
{
    for (unsigned i = 0; i < slot_count; i++) {
        struct slot *slot = slots[i], *prev = slot_prev(slot);
        CHECK(cap_type(slot->cap) <= CAP_ZOMBIE);
        if (slot->next) {
            CHECK(slot_prev(slot->next) == slot);
            CHECK(!slot_is_empty(slot->next));
        }
        if (prev)
            CHECK(prev->next == slot && !slot_is_empty(prev));
    }
}

static void check_queue(const struct thread_queue *queue, enum thread_state state, const void *object)
{
    const struct tcb *prev = NULL;
    for (const struct tcb *tcb = queue->head; tcb; prev = tcb, tcb = tcb->queue_next) {
        CHECK(!prev || tcb->queue_prev == prev);
        CHECK(tcb->state == state);
        CHECK(!object || tcb->endpoint == object);
        CHECK(tcb != model_current());
    }
    CHECK(!prev || queue->tail == prev);
}

static void check_ready(const struct core *core)
{
    for (unsigned p = 0; p < PRIORITIES; p++) {
        check_queue(&core->ready[p], THREAD_RUNNING, NULL);
        EQUAL(core->ready_bits[p / 64] >> p % 64 & 1, core->ready[p].head != NULL);
        for (const struct tcb *tcb = core->ready[p].head; tcb; tcb = tcb->queue_next)
            CHECK(tcb->is_queued && tcb->priority == p && tcb->sched_context);
    }
    for (unsigned g = 0; g < PRIORITIES / 64; g++)
        EQUAL(core->ready_summary >> g & 1, core->ready_bits[g] != 0);
    CHECK(!core->reschedule && !core->deadline_dirty);
    CHECK(core->current == core->idle || (core->current->state == THREAD_RUNNING && core->current->sched_context));
    CHECK(!core->current->is_queued);
    CHECK(core->current->sched_context == core->charged);
    CHECK(core->current == core->idle || core->space == core->current->space);
    CHECK(core->space == model_space && model_space->is_live);
    EQUAL(core->fp_enabled, (core->current->flags & TCB_FLAG_FP) != 0);
    EQUAL(core->fp_enabled, model_fpu_on);
    CHECK(model_debug == (core->current->flags & TCB_FLAG_DEBUG ? &core->current->debug : NULL));
    for (unsigned p = core->current == core->idle ? 0 : core->current->priority + 1u; p < PRIORITIES; p++)
        CHECK(core->ready[p].head == NULL);
}

static unsigned heap_check(const struct heap_node *node, const struct heap_node *parent)
{
    if (!node)
        return 0;
    CHECK(node->parent == parent && (!parent || parent->key <= node->key));
    unsigned left = heap_check(node->left, node), right = heap_check(node->right, node);
    CHECK(left >= right);
    EQUAL(node->distance, right + 1);
    return right + 1;
}

static void check_thread(const struct tcb *tcb)
{
    if (tcb->sched_context)
        CHECK(tcb->sched_context->tcb == tcb);
    if (tcb->lender)
        CHECK(tcb->lender->borrower == tcb && !tcb->lender->sched_context);
    if (tcb->borrower)
        CHECK(tcb->borrower->lender == tcb);
    if (tcb->bound)
        CHECK(tcb->bound->bound == tcb);
    if (tcb->state == THREAD_BLOCKED_REPLY)
        CHECK(tcb->reply && tcb->reply->caller == tcb);
    else if (tcb->state == THREAD_BLOCKED_RECV)
        CHECK(!tcb->reply || (tcb->reply->server == tcb && !tcb->reply->caller));
    for (const struct reply *reply = tcb->serving; reply; reply = reply->next) {
        CHECK(reply->server == tcb && reply->caller && reply->caller->state == THREAD_BLOCKED_REPLY);
        CHECK(!reply->next || reply->next->prev == reply);
    }
    if (tcb->fault)
        CHECK(tcb->state == THREAD_BLOCKED_SEND || tcb->state == THREAD_BLOCKED_REPLY);
    if (tcb->buffer)
        CHECK(cap_type(tcb->slots[TCB_SLOT_BUFFER].cap) == OBJECT_FRAME);
    if (tcb->cspace_count) {
        CHECK(cap_type(tcb_cspace(tcb)) == OBJECT_CNODE && tcb->cspace_slots == cap_object(tcb_cspace(tcb)));
        EQUAL(tcb->cspace_count, 1ul << cap_cnode_radix(tcb_cspace(tcb)));
    }
    bool is_debugged = tcb->debug.step_count != 0;
    for (unsigned i = 0; i < ARCH_BREAKPOINTS_MAX; i++)
        is_debugged = is_debugged || tcb->debug.breakpoints[i].bytes != 0;
    EQUAL((tcb->flags & TCB_FLAG_DEBUG) != 0, is_debugged);
    if (cap_is_null(tcb->slots[TCB_SLOT_VSPACE].cap))
        CHECK(tcb->space == arch_space_empty());
    for (unsigned i = 0; i < TCB_SLOT_COUNT; i++)
        CHECK(slot_is_empty(&tcb->slots[i]) || i == TCB_SLOT_KERNEL || (slot_flags(&tcb->slots[i]) & SLOT_IN_TCB));
    if (tcb->state == THREAD_RUNNING && tcb->sched_context && tcb->sched_context->budget && tcb != model_current())
        CHECK(tcb->is_queued || heap_contains(&tcb->sched_context->release));
}

static void check_objects(void)
{
    for (unsigned i = 0; i < slot_count; i++) {
        struct cap cap = slots[i]->cap;
        switch (cap_type(cap)) {
        case OBJECT_TCB:
            check_thread(cap_object(cap));
            break;
        case OBJECT_ENDPOINT: {
            const struct endpoint *endpoint = cap_object(cap);
            check_queue(&endpoint->queue, endpoint->has_receivers ? THREAD_BLOCKED_RECV : THREAD_BLOCKED_SEND,
                        endpoint);
            break;
        }
        case OBJECT_NOTIFICATION: {
            const struct notification *notification = cap_object(cap);
            check_queue(&notification->queue, THREAD_BLOCKED_WAIT, notification);
            CHECK(!notification->queue.head || notification->signals == 0);
            break;
        }
        case OBJECT_REPLY: {
            const struct reply *reply = cap_object(cap);
            CHECK(!reply->caller || reply->caller->reply == reply);
            CHECK(!reply->server || reply->caller ||
                  (reply->server->reply == reply && reply->server->state == THREAD_BLOCKED_RECV));
            break;
        }
        case OBJECT_SCHED_CONTEXT: {
            const struct sched_context *sc = cap_object(cap);
            word total = 0;
            CHECK(!sc->tcb || sc->tcb->sched_context == sc);
            for (unsigned r = 0; r < sc->refill_count; r++)
                total += sc->refills[(sc->refill_head + r) % REFILLS_MAX].amount;
            CHECK(sc->budget == 0 || total <= sc->budget);
            CHECK(sc->budget == sc->period || total == sc->budget);
            break;
        }
        default:
            break;
        }
    }
}

/* --- memory --- */

static bool extent_of(struct cap cap, paddr *start, paddr *end)
{
    unsigned bits;
    if (!object_address(cap, start) || cap_type(cap) == CAP_ZOMBIE || cap_type(cap) == OBJECT_UNTYPED)
        return false;
    word size = cap_type(cap) == OBJECT_CNODE   ? cap_cnode_radix(cap)
                : cap_type(cap) == OBJECT_FRAME ? cap_frame_size_bits(cap)
                                                : 0;
    OK(object_size(cap_type(cap), size, &bits));
    *end = *start + (1ul << bits);
    return true;
}

static void check_overlap(void)
{
    for (unsigned i = 0; i < slot_count; i++) {
        paddr start, end, other_start, other_end;
        if (!extent_of(slots[i]->cap, &start, &end))
            continue;
        for (unsigned j = i + 1; j < slot_count; j++) {
            if (!extent_of(slots[j]->cap, &other_start, &other_end) || object_is_same(slots[i]->cap, slots[j]->cap))
                continue;
            CHECK(end <= other_start || other_end <= start);
        }
    }
}

static bool frame_covers(paddr address, bool is_device)
{
    for (unsigned i = 0; i < slot_count; i++) {
        struct cap cap = slots[i]->cap;
        if (cap_type(cap) == OBJECT_FRAME && cap_frame_is_mapped(cap) &&
            address - cap_frame_address(cap) < 1ul << cap_frame_size_bits(cap))
            return true;
    }
    (void)is_device;
    return false;
}

static bool is_root_image(paddr address)
{
    /* The frames of the root task's own image and of the archive have no capabilities in it. */
    for (unsigned i = 0; i < slot_count; i++) {
        struct cap cap = slots[i]->cap;
        if (cap_type(cap) == OBJECT_UNTYPED && cap_untyped_kind(cap) == BOOT_UNTYPED_MEMORY &&
            address - cap_untyped_address(cap) < 1ul << cap_untyped_size_bits(cap))
            return false;
    }
    return true;
}

static void check_table(const arch_entry *table, unsigned level)
{
    for (unsigned i = 0; i < ARCH_TABLE_ENTRIES; i++) {
        arch_entry e = table[i];
        if (!arch_entry_is_present(e))
            continue;
        if (arch_entry_is_table(e, level))
            check_table(paddr_to_kernel(arch_entry_address(e)), level - 1);
        else
            CHECK(is_root_image(arch_entry_address(e)) || frame_covers(arch_entry_address(e), false));
    }
}

static void check_spaces(void)
{
    for (unsigned b = 0; b < KERNEL_VSPACE_BUCKETS; b++)
        for (struct vspace *vspace = kernel.vspaces[b]; vspace; vspace = vspace->next) {
            CHECK(vspace->space.is_live && vspace_find(vspace->id) == vspace);
            check_table(vspace_root(vspace), ARCH_LEVELS);
        }
}

void model_check(void)
{
    static struct tcb *root;
    static unsigned entries;
    struct core *core = model_core();
    if (core->current->context.argument != 0)
        root = core->current;
    check_ready(core);
    heap_check(core->releases, NULL);
    heap_check(core->timers, NULL);
    slots_collect(root);
    check_tree();
    check_objects();
    /* The dear ones now and then. */
    if (entries++ % 16 == 0) {
        check_overlap();
        check_spaces();
    }
}
