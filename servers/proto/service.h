/* Requests to a service: Call on the endpoint that PROCESS_SERVICE_OPEN gave.
 *
 * Request: label = operation, w0 = bytes; answer: label = status, w0 = bytes. Up to SERVICE_INLINE_BYTES travel in the
 * message from w1 on; more lie in the client's service window, which client and server both map: the request in its
 * first half, the reply in its second. The window's content is hostile to both sides: they copy it once.
 */
#ifndef PROTO_SERVICE_H
#define PROTO_SERVICE_H

#include <abi/message.h>

#define SERVICE_MESSAGE_MAX  4096u
#define SERVICE_INLINE_BYTES ((MESSAGE_WORDS - 1) * 8u)
#define SERVICE_WINDOW_BYTES (2 * SERVICE_MESSAGE_MAX)
#define SERVICE_WINDOW_MAX   65536u /* where a server wants more, for a protocol of its own */

/* Status of a reply that the system made, not the server. */
#define SERVICE_STATUS_SYSTEM (1ul << 32)

#endif
