/* The portable kernel on the host: a model of the machine under it, and threads that are driven by hand.
 *
 * model_boot() boots the kernel with the given archive and makes the root task current. Then the test speaks for
 * whichever thread is current: syscall_trap() (so all of tessera/invoke.h) is a system call of core->current. When the
 * call blocks or another thread takes over, syscall_trap returns MODEL_SWITCHED and the test looks at
 * model_core()->current and at the registers of the threads that it cares for (model_received). After each entry into
 * the kernel the invariants of check.c are verified.
 */
#ifndef MODEL_H
#define MODEL_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <ipc/ipc.h>
#include <arch/timer.h>
#include <kernel/core.h>

/* User level's stubs whose names the kernel has too. */
#define notification_signal  user_notification_signal
#define sched_context_bind   user_sched_context_bind
#define sched_context_unbind user_sched_context_unbind
#define frame_map            user_frame_map
#define page_table_map       user_page_table_map
#define page_table_unmap     user_page_table_unmap
#include <tessera/invoke.h>
#undef notification_signal
#undef sched_context_bind
#undef sched_context_unbind
#undef frame_map
#undef page_table_map
#undef page_table_unmap

#define MODEL_SWITCHED ((enum error)99)

/* Model switches: how the machine behaves. */
extern bool model_interrupt_waits; /* what arch_irq_pending says, once model_patience preemption points have passed */
extern unsigned model_patience;
extern void (*model_patience_over)(void); /* if not NULL: called at that point instead; a device raises its wire */
extern bool model_fastpath_is_off;        /* every system call goes the ordinary way */
extern uint64_t model_deadline;           /* what the timer is set to */
/* By how much timer interrupts come late, at most; not 0: time passes only as on a machine, so budgets can be checked
 * (check_time.c). */
extern uint64_t model_lateness;
extern struct debug_state *model_debug; /* whose breakpoints are armed */

/* arch_power_off and arch_power_reset end up here. */
extern jmp_buf model_end;
extern int model_status;        /* status, or -1 for a reset */
extern char model_output[8192]; /* the kernel's console */

void model_start(void);     /* memory and platform, before kernel_boot; 64 MiB of RAM */
extern bool model_is_small; /* before model_start: only 2 MiB, and more device memory */
/* The state of a small machine, kernel and all, to come back to. */
struct model_snapshot *model_snapshot_take(void);
void model_snapshot_restore(const struct model_snapshot *snapshot);
/* Slots of the root CNode from here on are empty: new_slots() has not given them out. */
cptr model_slots_end(void);
extern struct platform model_platform;
void model_archive(const void *archive, size_t bytes);
void model_boot(const char *archive_path); /* all of it; ends the test program when the kernel refuses */

struct core *model_core(void);
struct tcb *model_current(void);
struct tcb *model_tcb(cptr cptr_in_root); /* objects by the root task's cptrs */
void *model_object(cptr cptr_in_root);
struct slot *model_slot(cptr cptr_in_root);
const struct boot_info *model_boot_info(void);
struct ipc_buffer *model_buffer(const struct tcb *tcb);

/* A system call of the current thread, whose registers and pc are in its context: what entry code does. */
void model_system_call(struct core *core, word number);
/* Timer interrupt at the time that the kernel asked for (at most `limit` later than now). */
void model_timer(uint64_t limit);
void model_fault(enum fault kind, word w2, word w3, word w4);
void model_debug_exception(enum debug_reason reason, word address, word number);

/* Interrupts (model_irq.c). A wire or a message sets what waits; as on a machine, that is taken between two
 * instructions of whoever runs, if it is not masked: when the test says model_interrupt_take (false: there is nothing).
 */
#define MODEL_LINES 16 /* the interrupts above are messages of an I/O APIC's machine */
enum model_controller { MODEL_IO_APIC, MODEL_GIC, MODEL_GIC_MESSAGES, MODEL_CONTROLLERS };
extern enum model_controller model_controller;
extern struct model_irqs {
    unsigned raised, masked, waiting; /* a bit for each interrupt: its wire, its line, an edge */
    word flags[MODEL_LINES];          /* as configured last */
} model_irqs;
extern unsigned model_irq_released;
void model_irq_reset(void);
void model_wire_set(unsigned line, bool is_raised);
void model_message(unsigned irq);
/* If not NULL: told of each event before anything comes of it. */
enum model_irq_event { MODEL_IRQ_RAISED, MODEL_IRQ_QUIET, MODEL_IRQ_MESSAGE, MODEL_IRQ_OPENED, MODEL_IRQ_TAKEN };
extern void (*model_irq_notice)(enum model_irq_event event, unsigned irq);
bool model_interrupt_is_due(void);
bool model_interrupt_take(void);
void model_interrupt(unsigned irq); /* one that comes whatever its line says */

/* Aborts the test program with a message when an invariant does not hold. */
void model_check(void);
/* Deletions that are in the middle (kernel/delete.c): CNodes and threads that were dying at the last check; slots that
 * a living thread has to empty. */
unsigned model_dying(void);
word model_left_to_delete(const struct tcb *tcb);

/* Cases. */
#define CHECK(condition)                                                                                               \
    ((condition) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), abort()))
#define EQUAL(a, b)                                                                                                    \
    do {                                                                                                               \
        word a_ = (word)(a), b_ = (word)(b);                                                                           \
        if (a_ != b_) {                                                                                                \
            fprintf(stderr, "%s:%d: %s is 0x%lx, not 0x%lx\n", __FILE__, __LINE__, #a, a_, b_);                        \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)
#define OK(call) EQUAL(call, ERROR_NONE)

/* An invocation by the current thread that an interrupt meets at the first preemption point: it stays in the middle. */
void model_invoke_once(cptr object, word label, unsigned length, const word *words);

/* --- conveniences of the tests: everything lives in the root task's CNode --- */

cptr new_slots(word count);
cptr new_objects(enum object_type type, word size_bits, word count);
cptr new_object(enum object_type type, word size_bits);
cptr new_untyped(unsigned bits);
/* A thread in the root task's spaces with a context of its own (unless passive), not started. */
cptr new_thread(uint8_t priority, bool is_passive, cptr fault_endpoint);

#endif
