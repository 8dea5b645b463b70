/* Invariants of the kernel's state, verified after every entry.
 *
 *   - the derivation list is well linked in both directions, without circles, and all capabilities are in it
 *   - capabilities to one object stand together
 *   - every pointer of a living object leads to an object that some capability names: nothing waits for the dead
 *   - ready queues, bits and threads agree; nobody who is ready is more urgent than the running thread
 *   - every blocked thread is in the queue of what it waits for, and nobody else is
 *   - contexts, lenders and borrowers, replies and callers point to each other
 *   - the refills of a context are its budget; who waits for time is in the heap of releases, with a timer set for it
 *   - the dying stand in rings, each in one, and every ring is a thread's; none is left with an idle processor
 *   - what the fast path keeps beside capabilities (CSpace, address space, buffer) is what the capabilities say
 *   - memory: check_memory.c; what each context uses in a period: check_time.c
 */
#include "check.h"

#include <arch/mmu.h>
#include <kernel/object.h>
#include <mm/untyped.h>
#include <mm/vspace.h>

#define SLOTS_MAX 65536
#define UNITS     (MODEL_MEMORY_BYTES >> OBJECT_BITS_CNODE_SLOT) /* of 32 bytes: slots and objects are no smaller */

enum mark {
    MARK_SLOT = 1,
    MARK_LISTED = 2,
    MARK_NEIGHBOUR = 4 /* no container that has it was seen so far */
};

static struct slot *slots[SLOTS_MAX], *listed[SLOTS_MAX];
static unsigned slot_count, listed_count;
static uint8_t marks[UNITS + ARCH_IRQ_COUNT]; /* of slots */
static const struct slot *containers[SLOTS_MAX];
static unsigned container_count;
static unsigned dying_count, ring_count, heads_found;
static uint8_t scanned[UNITS];       /* by a container's first slot: it is one of them */
static uint16_t object_index[UNITS]; /* + 1, by the address of its first byte */
struct object objects[SLOTS_MAX];
unsigned object_count;

/* --- slots --- */

static uint8_t *mark_of(const struct slot *slot)
{
    if (slot >= kernel.irq_notification && slot < kernel.irq_notification + ARCH_IRQ_COUNT)
        return &marks[UNITS + (slot - kernel.irq_notification)];
    paddr address = kernel_to_paddr(slot);
    CHECK(address < MODEL_MEMORY_BYTES && address % sizeof(struct slot) == 0);
    return &marks[address / sizeof(struct slot)];
}

static void slots_add(struct slot *first, word count)
{
    for (word i = 0; i < count; i++) {
        if (i == 0 && slot_is_empty(&first[0]) && first[0].cap.word0 != 0) { /* the head of a ring */
            heads_found++;
            continue;
        }
        if (slot_is_empty(&first[i])) {
            CHECK(first[i].next == NULL && first[i].prev_and_flags == 0 && first[i].cap.word1 == 0);
            continue;
        }
        CHECK(slot_count < SLOTS_MAX && (*mark_of(&first[i]) == 0 || (*mark_of(&first[i]) & MARK_NEIGHBOUR)));
        if (*mark_of(&first[i]) == 0)
            slots[slot_count++] = &first[i];
        *mark_of(&first[i]) = MARK_SLOT;
    }
}

/* The slots of a container, once. */
static void container_scan(struct slot *first, word count)
{
    uint8_t *mark = &scanned[kernel_to_paddr(first) / sizeof(struct slot)];
    if (*mark)
        return;
    *mark = 1;
    containers[container_count++] = first;
    slots_add(first, count);
}

static struct slot *ring_link(word w)
{
    return (struct slot *)(w & CAP_OBJECT_MASK);
}

static word zombie_slots(const struct slot *zombie)
{
    return zombie->cap.word1 >> 48 | (zombie->cap.word1 & 31) << 16;
}

/* What a thread has to delete: the zombies in the ring that begins in its slot 0. */
static void ring_scan(const struct slot *head)
{
    const struct slot *last = head;
    EQUAL(head->cap.word0 & ~CAP_OBJECT_MASK, 0);
    EQUAL(head->cap.word1 & ~CAP_OBJECT_MASK, 0);
    for (struct slot *zombie = ring_link(head->cap.word0); zombie != head; zombie = ring_link(zombie->cap.word0)) {
        CHECK(cap_type(zombie->cap) == CAP_ZOMBIE && zombie->cap.word0 >> 48 == 0);
        CHECK(ring_link(zombie->cap.word1) == last);
        CHECK(!scanned[kernel_to_paddr(zombie) / sizeof(struct slot)]);
        container_scan(zombie, zombie_slots(zombie));
        dying_count++;
        last = zombie;
    }
    CHECK(ring_link(head->cap.word1) == last);
}

static void rings_scan(void)
{
    ring_count = dying_count = 0;
    CHECK(cap_is_null(kernel.dying.cap) && kernel.dying.prev_and_flags == 0);
    for (const struct slot *last = &kernel.dying, *head = last->next; head; last = head, head = head->next) {
        CHECK(head->prev_and_flags == (word)last && head->cap.word0 != 0);
        ring_scan(head);
        ring_count++;
    }
}

/* A slot that a list leads to. Containers can hold each other and nobody else hold them, until memory is revoked. */
static void neighbour_add(struct slot *slot)
{
    if (!slot || *mark_of(slot) != 0)
        return;
    CHECK(slot_count < SLOTS_MAX && !slot_is_empty(slot));
    *mark_of(slot) = MARK_SLOT | MARK_NEIGHBOUR;
    slots[slot_count++] = slot;
}

/* Everything reachable from the root task, the dying and the kernel's own slots. */
static void slots_collect(struct tcb *root, struct slot *root_cnode)
{
    word count;
    slot_count = heads_found = 0;
    slots_add(kernel.irq_notification, ARCH_IRQ_COUNT);
    container_scan(root->slots, TCB_SLOT_COUNT);
    container_scan(root_cnode, model_slots_end()); /* few of the rest are in use: they are found as neighbours */
    rings_scan();
    for (unsigned i = 0; i < slot_count; i++) {
        struct cap cap = slots[i]->cap;
        CHECK(cap_type(cap) <= CAP_ZOMBIE);
        neighbour_add(slot_prev(slots[i]));
        neighbour_add(slots[i]->next);
        if (TYPE_IS_ONE_OF(cap_type(cap), TYPES_CONTAINERS)) {
            struct slot *first = container_slots(cap, &count);
            container_scan(first, count);
        } else if (cap_type(cap) == OBJECT_TIMER) {
            container_scan(((struct timer *)cap_object(cap))->slots, TIMER_SLOT_COUNT);
        }
    }
}

static unsigned zombies_count(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < slot_count; i++)
        count += cap_type(slots[i]->cap) == CAP_ZOMBIE;
    return count;
}

/* Puts all into the order of their lists. With links that agree in both directions no walk from a list's head can go in
 * circles, and what no walk came to is on no list. */
static void slots_order(const struct slot *root_cnode)
{
    listed_count = 0;
    for (unsigned i = 0; i < slot_count; i++) {
        if (*mark_of(slots[i]) & MARK_NEIGHBOUR) {
            CHECK(slots[i] >= root_cnode && slots[i] < root_cnode + (1u << ROOT_CNODE_BITS));
            *mark_of(slots[i]) &= (uint8_t)~MARK_NEIGHBOUR;
        }
    }
    for (unsigned i = 0; i < slot_count; i++) {
        if (slot_prev(slots[i]))
            continue;
        for (struct slot *slot = slots[i]; slot; slot = slot->next) {
            CHECK(*mark_of(slot) == MARK_SLOT);
            CHECK(!slot->next || slot_prev(slot->next) == slot);
            *mark_of(slot) |= MARK_LISTED;
            listed[listed_count++] = slot;
        }
    }
    EQUAL(listed_count, slot_count);
}

/* --- objects --- */

const struct object *object_at(paddr address)
{
    unsigned index =
        address % 32 == 0 && address < MODEL_MEMORY_BYTES ? object_index[address / sizeof(struct slot)] : 0;
    return index > 0 ? &objects[index - 1] : NULL;
}

bool object_is_live(const void *address, enum object_type type)
{
    const struct object *object = object_at(kernel_to_paddr(address));
    return object && cap_type(object_cap(object)) == type;
}

static void extent_set(struct object *object, struct cap cap)
{
    unsigned bits = OBJECT_BITS_CNODE_SLOT;
    object->has_extent = object_address(cap, &object->start) || cap_type(cap) == CAP_ZOMBIE;
    if (!object->has_extent)
        return;
    switch (cap_type(cap)) {
    case OBJECT_CNODE:
        bits += cap_cnode_radix(cap);
        break;
    case OBJECT_FRAME:
        bits = cap_frame_size_bits(cap);
        break;
    case OBJECT_UNTYPED:
        bits = cap_untyped_size_bits(cap);
        break;
    case CAP_ZOMBIE: /* its first slot, where it stands */
        object->start = kernel_to_paddr(object->slots[0]);
        break;
    default:
        bits = object_types[cap_type(cap)].size_bits;
        break;
    }
    object->end = object->start + (1ul << bits);
}

/* The nearest untyped above, if it is another object. The stack holds the ancestors of the slot before. */
static struct slot *ancestors[SLOTS_MAX];
static int ancestor_objects[SLOTS_MAX];
static unsigned ancestor_count;

static int untyped_above(const struct object *object)
{
    for (unsigned i = ancestor_count; i > 0; i--) {
        struct slot *slot = ancestors[i - 1];
        if (cap_type(slot->cap) != OBJECT_UNTYPED || object_is_same(slot->cap, object_cap(object)))
            continue;
        /* It counts as given out. */
        word size = 1ul << cap_untyped_size_bits(slot->cap);
        CHECK(!object->has_extent || object->end - cap_untyped_address(slot->cap) <= size - untyped_free_bytes(slot));
        return ancestor_objects[i - 1];
    }
    return -1;
}

static void objects_find(void)
{
    object_count = ancestor_count = 0;
    for (unsigned i = 0; i < listed_count; i++) {
        struct slot *slot = listed[i];
        struct cap cap = slot->cap;
        while (ancestor_count > 0 && (slot_prev(slot) == NULL || !slot_is_parent(ancestors[ancestor_count - 1], slot)))
            ancestor_count--;
        if (i == 0 || slot_prev(slot) == NULL || !object_is_same(listed[i - 1]->cap, cap)) {
            struct object *object = &objects[object_count++];
            *object = (struct object){.slots = &listed[i]};
            extent_set(object, cap);
            object->parent = untyped_above(object);
            if (cap_type(cap) != OBJECT_FRAME && cap_type(cap) != OBJECT_UNTYPED && object->has_extent) {
                uint16_t *index = &object_index[object->start / sizeof(struct slot)];
                CHECK(*index == 0); /* else its capabilities do not stand together */
                *index = (uint16_t)object_count;
            }
        }
        objects[object_count - 1].count++;
        ancestors[ancestor_count] = slot;
        ancestor_objects[ancestor_count++] = (int)object_count - 1;
    }
}

/* The marks go, for the next time. */
static void objects_forget(void)
{
    for (unsigned i = 0; i < slot_count; i++)
        *mark_of(slots[i]) = 0;
    for (unsigned i = 0; i < object_count; i++)
        if (objects[i].has_extent && objects[i].start < MODEL_MEMORY_BYTES)
            object_index[objects[i].start / sizeof(struct slot)] = 0;
    while (container_count > 0)
        scanned[kernel_to_paddr(containers[--container_count]) / sizeof(struct slot)] = 0;
}

/* --- queues --- */

/* How many living threads there are that should be found in some queue, and how many were found. */
static struct {
    unsigned waiting, waiting_found, ready, ready_found, serving, serving_found, heap, heap_found;
} census;

/* Who waits to send, or for a notification, stands by priority, and the ends of each run of equals know each other. */
static void check_order(const struct thread_queue *queue)
{
    bool is_single = queue->head && !queue->head->queue_next;
    for (const struct tcb *first = queue->head, *last; first && !is_single; first = last->queue_next) {
        for (last = first; last->queue_next && last->queue_next->priority == first->priority;)
            last = last->queue_next;
        CHECK(!last->queue_next || last->queue_next->priority < first->priority);
        CHECK(first->run_other == last && last->run_other == first);
    }
}

static unsigned check_queue(const struct thread_queue *queue, enum thread_state state, const void *object)
{
    const struct tcb *prev = NULL;
    if (state == THREAD_BLOCKED_SEND || state == THREAD_BLOCKED_WAIT)
        check_order(queue);
    unsigned count = 0;
    for (const struct tcb *tcb = queue->head; tcb; prev = tcb, tcb = tcb->queue_next) {
        CHECK(object_is_live(tcb, OBJECT_TCB));
        CHECK(!prev || tcb->queue_prev == prev);
        CHECK(tcb->state == state);
        CHECK(!object || tcb->endpoint == object);
        CHECK(tcb != model_current());
        count++;
    }
    CHECK(!prev || queue->tail == prev);
    return count;
}

static void check_stranded(const struct core *core)
{
    const struct tcb *prev = NULL;
    for (const struct tcb *tcb = core->stranded.head; tcb; prev = tcb, tcb = tcb->queue_next)
        CHECK((!prev || tcb->queue_prev == prev) && tcb->awaits_rescue && !tcb->is_queued &&
              tcb->state == THREAD_RUNNING);
    CHECK(!prev || core->stranded.tail == prev);
}

static void check_ready(const struct core *core)
{
    const struct tcb *current = core->current;
    for (unsigned p = 0; p < PRIORITIES; p++) {
        EQUAL(core->ready_bits[p / 64] >> p % 64 & 1, core->ready[p].head != NULL);
        if (!core->ready[p].head)
            continue;
        CHECK(current != core->idle && p <= current->priority);
        census.ready_found += check_queue(&core->ready[p], THREAD_RUNNING, NULL);
        for (const struct tcb *tcb = core->ready[p].head; tcb; tcb = tcb->queue_next)
            CHECK(tcb->is_queued && tcb->priority == p && tcb->sched_context);
    }
    for (unsigned g = 0; g < PRIORITIES / 64; g++)
        EQUAL(core->ready_summary >> g & 1, core->ready_bits[g] != 0);
    CHECK(!core->reschedule && !core->deadline_dirty);
    CHECK(current == core->idle ||
          (object_is_live(current, OBJECT_TCB) && current->state == THREAD_RUNNING && current->sched_context));
    CHECK(!current->is_queued);
    CHECK(current->sched_context == core->charged);
    CHECK(current == core->idle || core->space == current->space);
    CHECK(core->space == model_space && model_space->is_live);
    EQUAL(core->fp_enabled, (current->flags & TCB_FLAG_FP) != 0);
    EQUAL(core->fp_enabled, model_fpu_on);
    CHECK(model_debug == (current->flags & TCB_FLAG_DEBUG ? &current->debug : NULL));
}

static unsigned check_heap(const struct heap_node *node, const struct heap_node *parent, enum object_type type)
{
    if (!node)
        return 0;
    bool is_rescue = type == OBJECT_SCHED_CONTEXT && sched_context_is_rescue((const void *)node);
    CHECK(is_rescue || object_is_live(node, type)); /* it is the first member of both */
    census.heap += is_rescue;
    CHECK(node->parent == parent && (!parent || parent->key <= node->key));
    unsigned left = check_heap(node->left, node, type), right = check_heap(node->right, node, type);
    CHECK(left >= right);
    EQUAL(node->distance, right + 1);
    census.heap_found++;
    return right + 1;
}

/* The timer is set to what comes next, or earlier. */
static void check_deadline(const struct core *core)
{
    const struct sched_context *sc = core->charged;
    CHECK(model_deadline <= core->deadline);
    CHECK(!core->releases || core->deadline <= core->releases->key);
    CHECK(!core->timers || core->deadline <= core->timers->key);
    if (sc && sc->budget != sc->period)
        CHECK(core->deadline <= core->charge_start + sc->refills[sc->refill_head].amount);
}

/* --- objects by type --- */

static void check_thread_slots(const struct tcb *tcb)
{
    struct cap cspace = tcb_cspace(tcb), vspace = tcb->slots[TCB_SLOT_VSPACE].cap;
    struct cap buffer = tcb->slots[TCB_SLOT_BUFFER].cap;
    bool is_flat = cap_type(cspace) == OBJECT_CNODE && cspace.word1 == 0 &&
                   cap_cnode_radix(cspace) + cap_cnode_guard_bits(cspace) == 32;
    EQUAL(tcb->cspace_count, is_flat ? 1ul << cap_cnode_radix(cspace) : 0);
    CHECK(!is_flat || tcb->cspace_slots == cap_object(cspace));
    CHECK(tcb->space == (cap_is_null(vspace) ? arch_space_empty() : &vspace_of(vspace)->space));
    if (tcb->buffer) {
        CHECK(cap_type(buffer) == OBJECT_FRAME && cap_frame_kind(buffer) == BOOT_UNTYPED_MEMORY);
        CHECK(cap_frame_rights(buffer) & RIGHT_WRITE);
        CHECK(kernel_to_paddr(tcb->buffer) - cap_frame_address(buffer) < 1ul << cap_frame_size_bits(buffer));
    }
    for (unsigned i = 0; i < TCB_SLOT_COUNT; i++)
        CHECK(slot_is_empty(&tcb->slots[i]) || i == TCB_SLOT_KERNEL || (slot_flags(&tcb->slots[i]) & SLOT_IN_TCB));
}

static void check_thread_context(const struct tcb *tcb)
{
    struct sched_context *sc = tcb->sched_context;
    bool is_rescue = sched_context_is_rescue(sc);
    if (sc)
        CHECK((is_rescue || object_is_live(sc, OBJECT_SCHED_CONTEXT)) && sc->tcb == tcb);
    if (is_rescue)
        CHECK(tcb->state == THREAD_RUNNING && (tcb->flags & TCB_FLAG_STRANDED));
    /* Nobody is left without time in the middle of a call. */
    bool is_helpless = tcb->state == THREAD_RUNNING && !sc && !tcb->borrower;
    CHECK(!is_helpless || !tcb->lender || (tcb->flags & TCB_FLAG_STRANDED));
    EQUAL(tcb->awaits_rescue, is_helpless && (tcb->flags & TCB_FLAG_STRANDED));
    CHECK(tcb->state != THREAD_BLOCKED_RECV || !tcb->lender || sc);
    if (tcb->lender)
        CHECK(object_is_live(tcb->lender, OBJECT_TCB) && tcb->lender->borrower == tcb && !tcb->lender->sched_context);
    if (tcb->borrower)
        CHECK(object_is_live(tcb->borrower, OBJECT_TCB) && tcb->borrower->lender == tcb && !sc);
    if (tcb->state == THREAD_RUNNING && sc && sc->budget && tcb != model_current())
        CHECK(tcb->is_queued || heap_contains(&sc->release));
    CHECK(!tcb->is_queued || (tcb->state == THREAD_RUNNING && sc && sc->budget && !heap_contains(&sc->release)));
}

static void check_thread_debug(const struct tcb *tcb)
{
    bool is_debugged = tcb->debug.step_count != 0;
    for (unsigned i = 0; i < ARCH_BREAKPOINTS_MAX; i++)
        is_debugged = is_debugged || tcb->debug.breakpoints[i].bytes != 0;
    EQUAL((tcb->flags & TCB_FLAG_DEBUG) != 0, is_debugged);
}

static void check_thread(const struct tcb *tcb)
{
    check_thread_slots(tcb);
    check_thread_debug(tcb);
    check_thread_context(tcb);
    census.ready += tcb->is_queued;
    if (tcb->bound)
        CHECK(object_is_live(tcb->bound, OBJECT_NOTIFICATION) && tcb->bound->bound == tcb);
    switch ((enum thread_state)tcb->state) {
    case THREAD_BLOCKED_SEND:
    case THREAD_BLOCKED_RECV:
        CHECK(object_is_live(tcb->endpoint, OBJECT_ENDPOINT));
        census.waiting++;
        break;
    case THREAD_BLOCKED_WAIT:
        CHECK(object_is_live(tcb->notification, OBJECT_NOTIFICATION));
        census.waiting++;
        break;
    case THREAD_BLOCKED_REPLY:
        CHECK(object_is_live(tcb->reply, OBJECT_REPLY) && tcb->reply->caller == tcb);
        break;
    default:
        CHECK(tcb->state <= THREAD_RUNNING);
        break;
    }
    if (tcb->state == THREAD_BLOCKED_RECV && tcb->reply)
        CHECK(object_is_live(tcb->reply, OBJECT_REPLY) && tcb->reply->server == tcb && !tcb->reply->caller);
    for (const struct reply *reply = tcb->serving; reply; reply = reply->next) {
        CHECK(object_is_live(reply, OBJECT_REPLY) && reply->server == tcb && reply->caller);
        CHECK(!reply->next || reply->next->prev == reply);
        census.serving_found++;
    }
    if (tcb->fault)
        CHECK(tcb->state == THREAD_BLOCKED_SEND || tcb->state == THREAD_BLOCKED_REPLY);
}

static void check_notification(const struct notification *notification)
{
    census.waiting_found += check_queue(&notification->queue, THREAD_BLOCKED_WAIT, notification);
    CHECK(!notification->queue.head || notification->signals == 0);
    if (notification->bound)
        CHECK(object_is_live(notification->bound, OBJECT_TCB) && notification->bound->bound == notification);
    if (notification->sched_context)
        CHECK(object_is_live(notification->sched_context, OBJECT_SCHED_CONTEXT) &&
              notification->sched_context->notification == notification);
}

static void check_reply(const struct reply *reply)
{
    if (reply->caller)
        CHECK(object_is_live(reply->caller, OBJECT_TCB) && reply->caller->state == THREAD_BLOCKED_REPLY &&
              reply->caller->reply == reply && reply->server);
    if (reply->server)
        CHECK(object_is_live(reply->server, OBJECT_TCB) &&
              (reply->caller || (reply->server->reply == reply && reply->server->state == THREAD_BLOCKED_RECV)));
    census.serving += reply->caller != NULL;
}

static void check_context(const struct sched_context *sc)
{
    word total = 0;
    if (sc->tcb)
        CHECK(object_is_live(sc->tcb, OBJECT_TCB) && sc->tcb->sched_context == sc);
    if (sc->notification)
        CHECK(object_is_live(sc->notification, OBJECT_NOTIFICATION) && sc->notification->sched_context == sc);
    if (heap_contains(&sc->release)) {
        census.heap++;
        CHECK(sc->tcb && sc->tcb->state == THREAD_RUNNING && sc->budget);
    }
    CHECK(sc->budget == 0 || (sc->refill_count >= 1 && sc->refill_count <= sc->refill_max));
    CHECK(sc->refill_max <= REFILLS_MAX && sc->refill_head < REFILLS_MAX);
    for (unsigned r = 0; r < sc->refill_count; r++)
        total += sc->refills[(sc->refill_head + r) % REFILLS_MAX].amount;
    CHECK(sc->budget == 0 || total <= sc->budget);
    CHECK(sc->budget == sc->period || total == sc->budget);
}

static void check_object(const struct object *object)
{
    struct cap cap = object_cap(object);
    switch (cap_type(cap)) {
    case OBJECT_TCB:
        check_thread(cap_object(cap));
        break;
    case OBJECT_ENDPOINT: {
        const struct endpoint *endpoint = cap_object(cap);
        if (endpoint->cancel_next)
            CHECK(endpoint->cancel_next->state == THREAD_BLOCKED_SEND && endpoint->cancel_next->endpoint == endpoint);
        census.waiting_found += check_queue(
            &endpoint->queue, endpoint->has_receivers ? THREAD_BLOCKED_RECV : THREAD_BLOCKED_SEND, endpoint);
        break;
    }
    case OBJECT_NOTIFICATION:
        check_notification(cap_object(cap));
        break;
    case OBJECT_REPLY:
        check_reply(cap_object(cap));
        break;
    case OBJECT_SCHED_CONTEXT:
        check_context(cap_object(cap));
        break;
    case OBJECT_TIMER:
        census.heap += heap_contains(&((struct timer *)cap_object(cap))->node);
        break;
    case OBJECT_VSPACE:
        CHECK(vspace_find(vspace_of(cap)->id) == vspace_of(cap));
        break;
    case OBJECT_IRQ_HANDLER:
        CHECK(kernel.irq_in_use[cap.word1]);
        break;
    default:
        break;
    }
}

/* The idle thread is not left with something to do and nothing to begin it. */
static void check_idle(const struct core *core)
{
    CHECK(core->current != core->idle || ring_count == 0 || model_deadline <= model_now || model_interrupt_waits ||
          model_interrupt_is_due());
}

static void check_irqs(void)
{
    for (unsigned i = 0; i < ARCH_IRQ_COUNT; i++)
        CHECK(slot_is_empty(&kernel.irq_notification[i]) || kernel.irq_in_use[i]);
    for (unsigned i = 0; i < MODEL_LINES; i++) /* silent without a handler */
        CHECK(kernel.irq_in_use[i] || model_irqs.masked >> i & 1);
}

unsigned model_dying(void)
{
    return dying_count;
}

word model_left_to_delete(const struct tcb *tcb)
{
    const struct slot *head = tcb->slots;
    word left = 0;
    if (head->cap.word0 != 0)
        for (const struct slot *zombie = head; (zombie = ring_link(zombie->cap.word0)) != head;)
            left += zombie_slots(zombie);
    return left;
}

void model_check(void)
{
    static struct tcb *root;
    const struct core *core = model_core();
    if (core->current->context.argument != 0)
        root = core->current;
    struct slot *root_cnode = cap_object(tcb_cspace(root));
    slots_collect(root, root_cnode);
    EQUAL(zombies_count(), dying_count);
    EQUAL(heads_found + (model_core()->idle->slots->cap.word0 != 0), ring_count);
    slots_order(root_cnode);
    objects_find();
    memset(&census, 0, sizeof(census));
    check_ready(core);
    check_stranded(core);
    check_heap(core->releases, NULL, OBJECT_SCHED_CONTEXT);
    check_heap(core->timers, NULL, OBJECT_TIMER);
    check_deadline(core);
    check_idle(core);
    for (unsigned i = 0; i < object_count; i++)
        check_object(&objects[i]);
    check_irqs();
    EQUAL(census.waiting, census.waiting_found);
    EQUAL(census.ready, census.ready_found);
    EQUAL(census.serving, census.serving_found);
    EQUAL(census.heap, census.heap_found);
    check_extents();
    check_spaces();
    check_time(core);
    objects_forget();
}
