/* The kernel ABI, part 2: system calls, message info and the IPC buffer.
 *
 * Registers at the trap ("in") and after it ("out"):
 *
 *                      x86-64 (SYSCALL)                      arm64 (SVC #number)
 *   number             rax                                   the immediate
 *   destination        rdi bits 0..31                        x8 bits 0..31
 *   reply object       rdi bits 32..63 (Recv, ReplyRecv)     x8 bits 32..63
 *   message info       rsi  (in and out)                     x9  (in and out)
 *   message words 0..7 rdx r10 r8 r9 rbx r12 r13 r14         x0 .. x7
 *   badge (out)        rdi                                   x8
 *   status (out)       rax: enum error                       x10: enum error
 *   kept               rsp rbp r15                           sp x19 .. x30
 *   lost               rcx r11                               x11 .. x18 (nothing of others is left in them)
 *
 * A message always carries its eight registers, whatever its length says: who has secrets in them clears them.
 * Words 8 and up are in the IPC buffer of the sender and of the receiver, and travel in fours: up to three words behind
 * the last may come along, which are the sender's like the rest; without a buffer (or beyond MESSAGE_WORDS) a
 * message is cut to eight words and the length says so.
 */
#ifndef ABI_MESSAGE_H
#define ABI_MESSAGE_H

#include <abi/types.h>

enum syscall {
    SYSCALL_CALL =
        0, /* send, with the right to be answered, and wait for the answer; on any other capability: invoke it */
    SYSCALL_REPLY_RECV, /* answer through the reply object, then receive with it */
    SYSCALL_SEND,       /* send and block until received; on a notification: signal; on a reply object: answer */
    SYSCALL_NBSEND,     /* send if a receiver waits, else nothing */
    SYSCALL_RECV,   /* receive from an endpoint (the reply object then names the caller) or wait on a notification */
    SYSCALL_NBRECV, /* the same, but returns badge 0 and message info 0 at once when there is nothing */
    SYSCALL_WAIT,   /* receive without reply object: endpoint senders that do not call, or a notification */
    SYSCALL_NBWAIT,
    SYSCALL_YIELD, /* go behind the threads of equal priority; the rest of the budget stays */
    SYSCALL_COUNT,
    SYSCALL_DEBUG_PUTC = 16, /* debug builds only: message word 0 is a byte for the kernel's console */
    SYSCALL_DEBUG_DUMP /* debug builds only: prints the state of the thread that the destination names, else of the
                          caller */
};

/* Message info: bits 0..6 length in words, 7..8 number of capabilities, 9..11 out: bit i says that capability i was
 * unwrapped (it named the receiver's own endpoint: its badge stands in caps_or_badges[i]), 12..63 label. */
static inline word message_info(word label, word capabilities, word length)
{
    return label << 12 | (capabilities & 3) << 7 | (length & 127);
}
static inline word message_info_label(word info)
{
    return info >> 12;
}
static inline word message_info_capabilities(word info)
{
    return info >> 7 & 3;
}
static inline word message_info_unwrapped(word info)
{
    return info >> 9 & 7;
}
static inline word message_info_length(word info)
{
    return info & 127;
}

/* 1024 bytes, aligned to 1024, inside one frame that the thread maps and that the kernel holds by its frame capability.
 * The kernel reads the sender's fields once, treats them as hostile, and writes the receiver's. */
struct ipc_buffer {
    word words[MESSAGE_WORDS];                 /* 0..7 unused: they travel in registers */
    word caps_or_badges[MESSAGE_CAPABILITIES]; /* in: cptrs to transfer; out: badges of unwrapped capabilities */
    word receive_cnode;                        /* cptr of the CNode that takes received capabilities, 0 = refuse them */
    word receive_index;                        /* first slot there; the others follow */
    word user[3];                              /* for user level */
};
_Static_assert(sizeof(struct ipc_buffer) == 1024, "the IPC buffer is 1024 bytes");

#endif
