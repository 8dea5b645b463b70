/* What the on-target kernel tests and the kernel benchmarks are built on: a root task's own small set of tools.
 *
 * A program of this kind is the archive's only member. harness_start() runs first, then main(); both use the root
 * task's capabilities directly. Memory and slots come in two lives: permanent ones, and those taken between
 * harness_mark() and harness_release(), which revokes and empties everything taken since (so each test case begins with
 * the same memory). A call of this file that fails although the kernel is right ends the run with a message: only what
 * a test looks at itself returns an error.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <abi/boot.h>
#include <abi/fault.h>
#include <tessera/invoke.h>

extern const struct boot_info *boot;
extern struct ipc_buffer *own_buffer;

#define HARNESS_THREADS     24
#define HARNESS_STACK_BYTES 8192
#define HARNESS_MAP_BASE    0x10000000ul /* free address space for tests, page tables made by map_page */

/* --- output and the end --- */

void put_char(char c);
/* %s %c %d %u %x (all take word-sized arguments but %s), %% */
void say(const char *format, ...);
_Noreturn void finish(unsigned status);
/* Something the run cannot go on without: prints and finishes with status 2. */
_Noreturn void give_up(const char *what, word value);

/* --- memory and slots --- */

/* Takes `bits` of untyped memory from which all that follows is made, until harness_release. */
void harness_mark(word bits);
void harness_release(void);
/* The first half of harness_release: the objects go, the empty slots stay taken. */
void harness_revoke(void);

cptr slot_new(void);
cptr slots_new(word count);
/* An object (or `count` in consecutive slots) of the current life. */
cptr object_new(enum object_type type, word size_bits);
cptr objects_new(enum object_type type, word size_bits, word count);
/* The untyped that object_new uses now. */
cptr harness_untyped(void);
/* Makes another one that, until the next call or the end of the life; returns the one before. */
cptr harness_use(cptr untyped);
/* A frame of device memory that contains the physical address. */
cptr device_frame_new(word address);

/* Maps a frame, making the page tables that are missing; gives the bytes mapped: all, unless an interrupt came. */
word map_page(cptr vspace, cptr frame, word address, word rights, word attributes);
/* A fresh zeroed frame of 2^bits mapped in the root task's space; *frame where not NULL. */
void *memory_new(word bits, cptr *frame);

/* --- threads --- */

struct thread {
    cptr tcb, sched_context, vspace, buffer_frame;
    struct ipc_buffer *buffer; /* in the thread's space and in the root task's */
    word index;
};

typedef void thread_function(word argument);

/* A thread in the root task's address space, with its own stack, IPC buffer and scheduling context (10 ms of 10 ms),
 * not yet running. `fault_endpoint` may be 0. Its CSpace is the root task's. */
struct thread *thread_new(thread_function *function, word argument, word priority, cptr fault_endpoint);
/* The same in a new address space: code is the same, data is a copy of ours as it is now. */
struct thread *process_new(thread_function *function, word argument, word priority, cptr fault_endpoint);
/* Thread number `index` of those made since the mark, in order; NULL behind the last. */
struct thread *thread_at(word index);
void thread_start(struct thread *thread);
/* Lets a thread that does not run begin anew with this function. */
void thread_aim(struct thread *thread, thread_function *function, word argument);
/* Takes its scheduling context away, once it waits in a receive: it then runs on its callers' time. */
void thread_make_passive(struct thread *thread);

/* The system call of that number: arm64 has it in the instruction. One that does not exist becomes NO_SYSTEM_CALL. */
#define NO_SYSTEM_CALL 201
enum error syscall_numbered(word number, word *destination, struct message *m);

/* Lets every thread of a higher or equal priority run until it blocks. */
void let_others_run(void);

/* --- time --- */

/* Instructions under -icount: TSC on x86-64, PMCCNTR_EL0 on arm64. */
static inline word counter_read(void)
{
#if defined(__x86_64__)
    word low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return high << 32 | low;
#else
    word value;
    __asm__ volatile("mrs %0, pmccntr_el0" : "=r"(value)::"memory");
    return value;
#endif
}

/* Ticks of the kernel's clock, for TIMER_SET and budgets. */
static inline word ticks_now(void)
{
#if defined(__x86_64__)
    return counter_read();
#else
    word value;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(value)::"memory");
    return value;
#endif
}
word ns_to_ticks(word ns);
word ticks_to_ns(word ticks);
/* Busy-waits. */
void spin_ns(word ns);

int main(void);

#endif
