/* The per-core structure: everything that belongs to one core, together with the objects that stand behind it in struct
 * core_block (sched/core_block.h). It is passed down as `core`; nothing in the portable kernel assumes that there is
 * only one. What all cores share is struct kernel_state, under the kernel lock (with one core, interrupts being off in
 * the kernel is that lock).
 */
#ifndef KERNEL_CORE_H
#define KERNEL_CORE_H

#include <arch/core.h>
#include <arch/platform.h>
#include <arch/upcalls.h>
#include <kernel/slot.h>

struct arch_space;
struct tcb;
struct sched_context;

/* Nodes of the ordered queues (sched/heap.c). */
struct heap_node {
    struct heap_node *left, *right, *parent;
    uint64_t key;
    word distance; /* to the nearest missing child + 1; 0 = not in a heap */
};

/* Linked by queue_next and queue_prev. Undefined are the tail of an empty queue, the head's queue_prev, and both links
 * of a thread that is in no queue. */
struct thread_queue {
    struct tcb *head, *tail;
};

/* What is used often stands first. */
struct core {
    struct tcb *current;      /* offset 0: the arch contract's current_context */
    struct arch_space *space; /* loaded */
    struct tcb *idle;
    bool reschedule;     /* the running thread may no longer be the right one */
    bool deadline_dirty; /* what the timer is set to may be too late */
    bool fp_enabled;
    bool is_charged; /* time was charged during this entry into the kernel */

    /* Time is charged to `charged` from charge_start; both change together (sched/sched_context.c). */
    struct sched_context *charged;
    uint64_t charge_start;
    uint64_t deadline; /* what the timer is set to */

    struct heap_node *releases; /* sched contexts out of budget, by the time that they may run again */
    struct heap_node *timers;   /* armed timers, by deadline */

    uint64_t ready_summary; /* bit i: ready_bits[i] is not 0 */
    uint64_t ready_bits[PRIORITIES / 64];
    struct arch_core arch;
    struct thread_queue ready[PRIORITIES];
    struct thread_queue stranded; /* threads that wait for the time of last resort (sched/rescue.c) */
    unsigned number;
};
_Static_assert(offsetof(struct core, current) == CORE_CONTEXT, "the arch contract");
_Static_assert(offsetof(struct core, arch) == CORE_ARCH, "the arch contract");
_Static_assert(sizeof(struct arch_core) <= 240, "the arch contract");

#define KERNEL_VSPACE_BUCKETS 256

struct kernel_state {
    struct slot dying;  /* its list: threads with a deletion in the middle (kernel/delete.c) */
    uint32_t vspace_id; /* the last one given out (mm/vspace.c) */
    struct vspace *vspaces[KERNEL_VSPACE_BUCKETS];
    struct slot irq_notification[ARCH_IRQ_COUNT]; /* the notification that IRQ_HANDLER_SET_NOTIFICATION named */
    uint8_t irq_in_use[ARCH_IRQ_COUNT];           /* a handler capability exists */

    /* from the platform record */
    uint64_t timer_hz;
    uint64_t min_budget; /* ticks */
};
extern struct kernel_state kernel;

/* Long operations ask this between steps: true means that they must return with their progress stored. */
static inline bool preemption_wanted(struct core *core);

_Noreturn void panic_at(const char *file, int line, const char *what);
#define panic(what) panic_at(__FILE__, __LINE__, what)

#ifdef TESSERA_KERNEL_DEBUG
#define kassert(condition) ((condition) ? (void)0 : panic(#condition))
#else
#define kassert(condition) ((void)0)
#endif

#include <arch/irq.h>
static inline bool preemption_wanted(struct core *core)
{
    return arch_irq_pending(core);
}

#endif
