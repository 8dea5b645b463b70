/* The kernel ABI, part 1: basic types, errors, rights and limits.
 *
 * Everything under abi/ is shared by the kernel and by user level and depends on nothing but the compiler.
 * docs/abi.md says what each call does; these headers give names, numbers and layouts.
 */
#ifndef ABI_TYPES_H
#define ABI_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t word;
typedef uint32_t
    cptr; /* a capability address: resolved over all 32 bits from the thread's CSpace root; 0 never names one */

/* The result of an invocation (in the label of the answer) and the status of a system call. */
enum error {
    ERROR_NONE = 0,
    ERROR_INVALID_ARGUMENT,   /* a plain argument has no meaning; MR0 = which (0 = first message word) */
    ERROR_INVALID_CAPABILITY, /* a capability argument is missing or of the wrong type; MR0 = which message word named
                                 it */
    ERROR_ILLEGAL_OPERATION,  /* the capability does not have this operation, right or state */
    ERROR_RANGE,              /* a number is out of range; MR0, MR1 = smallest and largest that would do */
    ERROR_ALIGNMENT,          /* an address or size is not aligned as needed */
    ERROR_FAILED_LOOKUP, /* a CNode index or page-table level is missing; for mapping MR0 = level of the missing table
                          */
    ERROR_DELETE_FIRST,  /* the destination slot or address is in use */
    ERROR_REVOKE_FIRST,  /* the object has derived capabilities */
    ERROR_NOT_ENOUGH_MEMORY, /* the untyped is too small; MR0 = bytes left */
    ERROR_ABORTED,           /* the reply object, its server or the endpoint was deleted before the answer */
    ERROR_COUNT
};

/* Rights of endpoint, notification, reply and frame capabilities. Call and Send are separate (docs/abi.md, "Rights").
 */
#define RIGHT_SEND  (1u << 0) /* endpoint Send/NBSend; notification signal; frame: write */
#define RIGHT_RECV  (1u << 1) /* endpoint Recv; notification wait; frame: read */
#define RIGHT_GRANT (1u << 2) /* endpoint: may pass capabilities */
#define RIGHT_CALL  (1u << 3) /* endpoint: Call, and with it the reply */
#define RIGHT_WRITE RIGHT_SEND
#define RIGHT_READ  RIGHT_RECV
#define RIGHT_EXEC  (1u << 4) /* frame: may be mapped executable */
#define RIGHT_ALL   0x1fu

#define MESSAGE_REGISTERS    8   /* message words 0..7 travel in registers, always all eight */
#define MESSAGE_WORDS        120 /* longest message, in words */
#define MESSAGE_CAPABILITIES 3   /* most capabilities in one message */
#define PRIORITIES           256 /* 0 is lowest, 255 highest */
#define PAGE_BITS            12
#define PAGE_BYTES           (1ul << PAGE_BITS)

#endif
