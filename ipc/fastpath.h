/* The fast path: Call and ReplyRecv between two threads when nothing out of the ordinary is going on.
 *
 * Each function either does the whole system call, thread switch included, or changes nothing and returns false: then
 * the ordinary way does it. The steps are those of endpoint.c and reply.c, with everything that cannot apply left out.
 */
#ifndef IPC_FASTPATH_H
#define IPC_FASTPATH_H

#include <ipc/ipc.h>

/* `cap` is what the running thread's destination names: an endpoint. */
bool fastpath_call(struct core *core, struct cap cap);
bool fastpath_reply_receive(struct core *core);

/* The capability at that address of a CSpace of the common shape (one CNode, no guard), or NULL: look it up properly.
 */
static inline struct slot *cspace_slot(const struct tcb *tcb, cptr address)
{
    return address < tcb->cspace_count ? &tcb->cspace_slots[address] : NULL;
}

#endif
