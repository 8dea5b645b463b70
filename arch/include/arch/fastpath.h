/* The arch contract, 10: system calls that ipc/fastpath.c does by itself.
 *
 * Entry code saves of the caller what a system call keeps, its input registers and its pc, sp and flags, but leaves the
 * eight message words where they are, loads the kernel stack, looks the destination up, in a CSpace of any shape (what
 * names no slot is for kernel_syscall), and jumps to one of the fastpath_* functions of ipc/fastpath.h. That file is
 * compiled not to touch the registers of message words (fixed registers, see ipc/CMakeLists.txt), so a message passes
 * from one thread to the other without being stored. Each function ends in one of the ways out below, which do not
 * return.
 */
#ifndef ARCH_FASTPATH_H
#define ARCH_FASTPATH_H

#include <arch/core.h>
#include <arch/mmu.h>
#include <arch/thread.h>
#include <arch/upcalls.h>

struct slot;
struct tcb;
struct ipc_buffer;

#include <machine/fastpath.h>
/* <machine/fastpath.h> defines
 *
 *   fastpath_core            pointer to struct core in the way that the machine reaches its own core best
 *   struct fastpath_entry    {fastpath_core core; struct tcb *tcb; struct slot *slot, *reply_slot;}
 *   TCB_CSPACE_SLOTS, TCB_CSPACE_COUNT, TCB_CSPACE_ROOT, CAP_TYPE_CNODE, LOOK_UP_CNODES    what entry code knows of the
 *                            portable kernel's look-up: offsets in struct tcb, values
 *
 * and, static inline:
 *
 *   fastpath_core arch_fastpath_core(void)
 *   struct core *arch_fastpath_core_pointer(void)
 *   struct fastpath_entry arch_fastpath_entry(void)
 *   struct fastpath_entry arch_fastpath_reply_entry(void)
 *       to be asked first of all, since all are still in registers: the core, the running thread, the slot that its
 *       destination names; the second: the reply object's slot, too
 *   void arch_fastpath_save_message(struct arch_context *)
 *       stores the message words
 *   void arch_fastpath_copy_words(struct ipc_buffer *to, const struct ipc_buffer *from, word length)
 *       words MESSAGE_REGISTERS .. length - 1, each read once; up to three more may be copied
 *   bool arch_fastpath_can_load(const struct arch_space *space)
 *       can it be loaded in one instruction or two, without a call?
 *   void arch_fastpath_load(const struct arch_space *space)
 *       arch_space_switch for one of these
 *
 *   void arch_fastpath_fpu_save(struct arch_fpu *), arch_fastpath_fpu_restore(const struct arch_fpu *)
 *
 * and the ways out:
 *
 *   void arch_fastpath_abandon(void)           nothing was changed: kernel_syscall shall do it, with the words saved
 *   void arch_fastpath_invoke(struct slot *)   the same, but kernel_invoke shall
 *   void arch_fastpath_leave(const struct arch_context *to, word badge, word info)
 *       to user level as `to`, with the message words as they are in their registers and status ERROR_NONE. It stopped
 *       in a system call; core->current and its space, TLS base and FP state are there.
 *   void arch_fastpath_return(const struct arch_context *own, word badge)
 *       to user level as the same thread, with info 0; the message words are still its own
 *   void arch_fastpath_resume(struct tcb *to)
 *       to user level with all that the context has of whoever is core->current after fastpath_switch(core, to)
 *   void arch_fastpath_leave_through(struct arch_context *to, word badge, word info)
 *       arch_fastpath_leave, after fastpath_switch(core, to)
 */

#endif
