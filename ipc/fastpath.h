/* The fast path: the commonest system calls when nothing out of the ordinary is going on.
 *
 * Entry code comes here first; see arch/fastpath.h for what it has done by then. Each function either does the whole
 * system call, thread switch included, or changes nothing and abandons it: then kernel_syscall does it the ordinary
 * way. The steps are those of endpoint.c, reply.c and notification.c, with everything that cannot apply left out.
 */
#ifndef IPC_FASTPATH_H
#define IPC_FASTPATH_H

#include <arch/fastpath.h>
#include <ipc/ipc.h>

_Noreturn void fastpath_call(void);
_Noreturn void fastpath_reply_receive(void);
_Noreturn void fastpath_send(void); /* and NBSend */
_Noreturn void fastpath_wait(void); /* and Recv */
/* On notifications. */
_Noreturn void fastpath_nbwait(void);
_Noreturn void fastpath_yield(void);

#endif
