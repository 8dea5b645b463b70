/* System calls as inline functions: the register layout of abi/message.h in one place for each architecture.
 *
 * struct message is what travels in registers. A call sends and receives all eight words whatever the length says;
 * kept in a local variable of the caller, it never touches memory. Longer messages lie in the IPC buffer, which the
 * caller reads and writes itself. Nothing here keeps state, so these work before any run-time set-up.
 */
#ifndef TESSERA_SYSCALL_H
#define TESSERA_SYSCALL_H

#include <abi/message.h>
#include <abi/types.h>

struct message {
    word info;
    word words[MESSAGE_REGISTERS];
};

#if defined(TESSERA_SYSCALL_MODEL)

/* Something else takes the place of the trap: the host model of the kernel (tests/host-kernel), or a program that wants
 * to know of each system call (bench/kernel). */
enum error syscall_trap(enum syscall number, word *destination, struct message *m);
static inline word syscall_bare(enum syscall number, word destination)
{
    struct message m = {0};
    (void)syscall_trap(number, &destination, &m);
    return destination;
}

#elif defined(__x86_64__)

/* One trap: message in and out, `destination` with the reply object's cptr in its upper half, badge out. */
static inline __attribute__((always_inline)) enum error syscall_trap(enum syscall number, word *destination,
                                                                     struct message *m)
{
    register word rax __asm__("rax") = (word)number;
    register word rdi __asm__("rdi") = *destination;
    register word rsi __asm__("rsi") = m->info;
    register word w0 __asm__("rdx") = m->words[0];
    register word w1 __asm__("r10") = m->words[1];
    register word w2 __asm__("r8") = m->words[2];
    register word w3 __asm__("r9") = m->words[3];
    register word w4 __asm__("rbx") = m->words[4];
    register word w5 __asm__("r12") = m->words[5];
    register word w6 __asm__("r13") = m->words[6];
    register word w7 __asm__("r14") = m->words[7];
    __asm__ volatile("syscall"
                     : "+r"(rax), "+r"(rdi), "+r"(rsi), "+r"(w0), "+r"(w1), "+r"(w2), "+r"(w3), "+r"(w4), "+r"(w5),
                       "+r"(w6), "+r"(w7)
                     :
                     : "rcx", "r11", "memory");
    *destination = rdi;
    *m = (struct message){rsi, {w0, w1, w2, w3, w4, w5, w6, w7}};
    return (enum error)rax;
}

/* One that takes no message, when the one that it might return does not matter either: returns the badge. */
static inline __attribute__((always_inline)) word syscall_bare(enum syscall number, word destination)
{
    word rax = (word)number;
    __asm__ volatile("syscall"
                     : "+a"(rax), "+D"(destination)
                     :
                     : "rsi", "rdx", "r10", "r8", "r9", "rbx", "r12", "r13", "r14", "rcx", "r11", "memory");
    return destination;
}

#elif defined(__aarch64__)

static inline __attribute__((always_inline)) enum error syscall_trap(enum syscall number, word *destination,
                                                                     struct message *m)
{
    register word w0 __asm__("x0") = m->words[0];
    register word w1 __asm__("x1") = m->words[1];
    register word w2 __asm__("x2") = m->words[2];
    register word w3 __asm__("x3") = m->words[3];
    register word w4 __asm__("x4") = m->words[4];
    register word w5 __asm__("x5") = m->words[5];
    register word w6 __asm__("x6") = m->words[6];
    register word w7 __asm__("x7") = m->words[7];
    register word x8 __asm__("x8") = *destination;
    register word x9 __asm__("x9") = m->info;
    register word x10 __asm__("x10");
    __asm__ volatile("svc %[number]"
                     : "+r"(w0), "+r"(w1), "+r"(w2), "+r"(w3), "+r"(w4), "+r"(w5), "+r"(w6), "+r"(w7), "+r"(x8),
                       "+r"(x9), "=r"(x10)
                     : [number] "i"(number)
                     : "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x18", "cc", "memory");
    *destination = x8;
    *m = (struct message){x9, {w0, w1, w2, w3, w4, w5, w6, w7}};
    return (enum error)x10;
}

static inline __attribute__((always_inline)) word syscall_bare(enum syscall number, word destination)
{
    register word x8 __asm__("x8") = destination;
    __asm__ volatile("svc %[number]"
                     : "+r"(x8)
                     : [number] "i"(number)
                     : "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
                       "x16", "x17", "x18", "cc", "memory");
    return x8;
}

#else
#error "no system calls for this machine"
#endif

/* Send and wait for the answer; on other capabilities: invoke. The result is ERROR_NONE or ERROR_ABORTED. */
static inline __attribute__((always_inline)) enum error syscall_call(cptr destination, struct message *m)
{
    word d = destination;
    return syscall_trap(SYSCALL_CALL, &d, m);
}

/* Answers with *m through `reply` (nothing to answer is fine), then receives into *m. */
static inline __attribute__((always_inline)) enum error syscall_reply_recv(cptr from, cptr reply, struct message *m,
                                                                           word *badge)
{
    word d = from | (word)reply << 32;
    enum error error = syscall_trap(SYSCALL_REPLY_RECV, &d, m);
    *badge = d;
    return error;
}

static inline __attribute__((always_inline)) enum error syscall_send(cptr destination, struct message *m)
{
    word d = destination;
    return syscall_trap(SYSCALL_SEND, &d, m);
}

static inline __attribute__((always_inline)) enum error syscall_nbsend(cptr destination, struct message *m)
{
    word d = destination;
    return syscall_trap(SYSCALL_NBSEND, &d, m);
}

static inline __attribute__((always_inline)) enum error syscall_recv(cptr from, cptr reply, struct message *m,
                                                                     word *badge)
{
    word d = from | (word)reply << 32;
    *m = (struct message){0};
    enum error error = syscall_trap(SYSCALL_RECV, &d, m);
    *badge = d;
    return error;
}

static inline __attribute__((always_inline)) enum error syscall_nbrecv(cptr from, cptr reply, struct message *m,
                                                                       word *badge)
{
    word d = from | (word)reply << 32;
    *m = (struct message){0};
    enum error error = syscall_trap(SYSCALL_NBRECV, &d, m);
    *badge = d;
    return error;
}

static inline __attribute__((always_inline)) enum error syscall_wait(cptr from, struct message *m, word *badge)
{
    word d = from;
    *m = (struct message){0};
    enum error error = syscall_trap(SYSCALL_WAIT, &d, m);
    *badge = d;
    return error;
}

static inline __attribute__((always_inline)) enum error syscall_nbwait(cptr from, struct message *m, word *badge)
{
    word d = from;
    *m = (struct message){0};
    enum error error = syscall_trap(SYSCALL_NBWAIT, &d, m);
    *badge = d;
    return error;
}

static inline __attribute__((always_inline)) void syscall_yield(void)
{
    (void)syscall_bare(SYSCALL_YIELD, 0);
}

/* Signals a notification: adds its badge to the word. */
static inline void notification_signal(cptr notification)
{
    struct message m = {0};
    (void)syscall_send(notification, &m);
}

/* Waits for a notification and returns what was signalled (never 0 unless it was deleted). */
static inline word notification_wait(cptr notification)
{
    return syscall_bare(SYSCALL_WAIT, notification);
}

/* What is signalled now, 0 if nothing. */
static inline word notification_poll(cptr notification)
{
    return syscall_bare(SYSCALL_NBWAIT, notification);
}

/* Debug builds of the kernel only; otherwise an unknown system call. */
static inline void debug_putc(char c)
{
    word d = 0;
    struct message m = {0, {(unsigned char)c}};
    (void)syscall_trap(SYSCALL_DEBUG_PUTC, &d, &m);
}

/* The same: prints what the kernel knows about a thread (0: the calling one). */
static inline void debug_dump(cptr tcb)
{
    word d = tcb;
    struct message m = {0};
    (void)syscall_trap(SYSCALL_DEBUG_DUMP, &d, &m);
}

#endif
