/* The fast path: Call and ReplyRecv between two threads when nothing out of the ordinary is going on.
 *
 * Each function either does the whole system call, thread switch included, or changes nothing and returns false: then
 * the ordinary way does it. The steps are those of endpoint.c and reply.c, with everything that cannot apply left out.
 */
#ifndef IPC_FASTPATH_H
#define IPC_FASTPATH_H

#include <ipc/ipc.h>

bool fastpath_call(struct core *core);
bool fastpath_reply_receive(struct core *core);

#endif
