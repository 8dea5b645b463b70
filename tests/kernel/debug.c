/* Hardware breakpoints, watchpoints and single-stepping, on both machines. */
#include "test.h"

#define INSTRUCTION_ALIGNMENT_BAD 2 /* added to an aligned address; x86-64 has no bad ones */

static cptr endpoint, reply;
static volatile word after, watched, unwatched, turns;

static void setup(void)
{
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    after = watched = unwatched = turns = 0;
}

static void expect_debug(struct message *m, enum debug_reason reason)
{
    word badge;
    OK(syscall_recv(endpoint, reply, m, &badge));
    EQUAL(message_info_label(m->info), FAULT_DEBUG);
    EQUAL(message_info_length(m->info), 5);
    EQUAL(m->words[2], reason);
    EQUAL(m->words[5] | m->words[6] | m->words[7], 0);
}

static void answer(void)
{
    struct message m = {0};
    OK(syscall_send(reply, &m));
}

/* The first breakpoint that can be of the kind, or the one behind it. */
static word breakpoint_of(cptr tcb, enum breakpoint_kind kind, word behind)
{
    struct breakpoint_description d;
    for (word i = 0; tcb_get_breakpoint(tcb, i, &d) == ERROR_NONE; i++)
        if ((d.kinds >> kind & 1) != 0 && behind-- == 0)
            return i;
    case_fail(__FILE__, __LINE__, "no breakpoint of that kind");
}

__attribute__((noinline)) static void target(void)
{
    turns = turns + 1;
}

static void calls_target(word times)
{
    for (word i = 0; i < times; i++)
        target();
    after = 1;
}

CASE(debug_registers, "There are at least two breakpoints and two watchpoints, empty in a new thread, and a last one")
{
    struct thread *t = thread_new(calls_target, 0, PRIORITY_HIGH, 0);
    struct breakpoint_description d;
    word count = 0, execute = 0, write = 0;
    for (; tcb_get_breakpoint(t->tcb, count, &d) == ERROR_NONE; count++) {
        EQUAL(d.address | d.kind | d.bytes | d.is_set, 0);
        CHECK(d.kinds != 0 && d.kinds < 1u << BREAKPOINT_KIND_COUNT);
        execute += d.kinds >> BREAKPOINT_EXECUTE & 1;
        write += d.kinds >> BREAKPOINT_WRITE & 1;
    }
    CHECK(execute >= 2 && write >= 2);
    EQUAL(tcb_get_breakpoint(t->tcb, count, &d), ERROR_RANGE);
    EQUAL(tcb_set_breakpoint(t->tcb, count, 0, BREAKPOINT_EXECUTE, 0), ERROR_RANGE);
    EQUAL(tcb_unset_breakpoint(t->tcb, ~0ul), ERROR_RANGE);
}

CASE(debug_bad_arguments, "Kernel addresses, odd sizes, odd addresses and unknown kinds are refused")
{
    cptr tcb = thread_new(calls_target, 0, PRIORITY_HIGH, 0)->tcb;
    word e = breakpoint_of(tcb, BREAKPOINT_EXECUTE, 0), w = breakpoint_of(tcb, BREAKPOINT_WRITE, 0);
    static const word high[] = {0xffffffff80100000ul, 0xffff800000000000ul, 0x8000000000000000ul, 0xfffffffffffffff8ul,
                                0x1000000000000ul};
    for (size_t i = 0; i < sizeof(high) / sizeof(high[0]); i++) {
        EQUAL(tcb_set_breakpoint(tcb, e, high[i], BREAKPOINT_EXECUTE, 0), ERROR_RANGE);
        EQUAL(tcb_set_breakpoint(tcb, w, high[i], BREAKPOINT_WRITE, 8), ERROR_RANGE);
    }
    EQUAL(tcb_set_breakpoint(tcb, w, 4, BREAKPOINT_WRITE, 8), ERROR_ALIGNMENT);
    EQUAL(tcb_set_breakpoint(tcb, w, 8, BREAKPOINT_WRITE, 0), ERROR_INVALID_ARGUMENT);
    EQUAL(tcb_set_breakpoint(tcb, w, 8, BREAKPOINT_WRITE, 16), ERROR_INVALID_ARGUMENT);
    EQUAL(tcb_set_breakpoint(tcb, w, 8, BREAKPOINT_KIND_COUNT, 8), ERROR_INVALID_ARGUMENT);
    EQUAL(tcb_set_breakpoint(tcb, e, 8, BREAKPOINT_EXECUTE, 4), ERROR_INVALID_ARGUMENT);
#if defined(__x86_64__)
    EQUAL(tcb_set_breakpoint(tcb, w, 8, BREAKPOINT_READ, 8), ERROR_INVALID_ARGUMENT);
#else
    EQUAL(tcb_set_breakpoint(tcb, e, 8, BREAKPOINT_WRITE, 8), ERROR_INVALID_ARGUMENT);
    EQUAL(tcb_set_breakpoint(tcb, w, 8, BREAKPOINT_EXECUTE, 0), ERROR_INVALID_ARGUMENT);
    EQUAL(tcb_set_breakpoint(tcb, e, 8 + INSTRUCTION_ALIGNMENT_BAD, BREAKPOINT_EXECUTE, 0), ERROR_ALIGNMENT);
#endif
    EQUAL(tcb_set_flags(tcb, 0, TCB_FLAG_DEBUG), ERROR_INVALID_ARGUMENT);
}

CASE(debug_breakpoint, "A breakpoint stops the thread before the instruction, each time it comes there, until unset")
{
    setup();
    struct thread *t = thread_new(calls_target, 5, PRIORITY_HIGH, endpoint);
    word number = breakpoint_of(t->tcb, BREAKPOINT_EXECUTE, 1);
    struct breakpoint_description d;
    OK(tcb_set_breakpoint(t->tcb, number, (word)target, BREAKPOINT_EXECUTE, 0));
    OK(tcb_get_breakpoint(t->tcb, number, &d));
    EQUAL(d.address, (word)target);
    EQUAL(d.is_set, 1);
    EQUAL(d.bytes, 0);
    thread_start(t);
    struct message m;
    for (word i = 0; i < 3; i++) {
        expect_debug(&m, DEBUG_BREAKPOINT);
        EQUAL(m.words[0], (word)target);
        EQUAL(m.words[3], (word)target);
        EQUAL(m.words[4], number);
        EQUAL(turns, i);
        target(); /* others are not stopped by it */
        turns = turns - 1;
        if (i == 2)
            OK(tcb_unset_breakpoint(t->tcb, number));
        answer();
    }
    EQUAL(after, 1);
    EQUAL(turns, 5);
}

static void writes(word unused)
{
    (void)unused;
    unwatched = 1;
    watched = 7;
    unwatched = watched;
    *(volatile uint8_t *)&watched = 9;
    after = 1;
}

CASE(debug_watchpoint_write, "A watchpoint for writing reports both writes to its word, and not the read between them")
{
    setup();
    struct thread *t = thread_new(writes, 0, PRIORITY_HIGH, endpoint);
    word number = breakpoint_of(t->tcb, BREAKPOINT_WRITE, 1);
    OK(tcb_set_breakpoint(t->tcb, number, (word)&watched, BREAKPOINT_WRITE, 8));
    thread_start(t);
    struct message m;
    for (unsigned i = 0; i < 2; i++) {
        expect_debug(&m, DEBUG_WATCHPOINT);
        EQUAL(m.words[3], (word)&watched);
        EQUAL(m.words[4], number);
        EQUAL(unwatched, i == 0 ? 1 : 7);
#if defined(__x86_64__)
        EQUAL(watched, i == 0 ? 7 : 9); /* a trap: it is done */
#else
        EQUAL(watched, i == 0 ? 0 : 7); /* a fault: it is yet to be done */
#endif
        answer();
    }
    EQUAL(after, 1);
    EQUAL(watched, 9);
}

CASE(debug_watchpoint_access, "A watchpoint for reading and writing reports all three accesses")
{
    setup();
    struct thread *t = thread_new(writes, 0, PRIORITY_HIGH, endpoint);
    OK(tcb_set_breakpoint(t->tcb, breakpoint_of(t->tcb, BREAKPOINT_READ_WRITE, 0), (word)&watched,
                          BREAKPOINT_READ_WRITE, 4));
    thread_start(t);
    for (unsigned i = 0; i < 3; i++) {
        struct message m;
        EQUAL(after, 0);
        expect_debug(&m, DEBUG_WATCHPOINT);
        answer();
    }
    EQUAL(after, 1);
}

CASE(debug_watchpoint_size, "A watchpoint of one byte is not met by its neighbours")
{
    setup();
    struct thread *t = thread_new(writes, 0, PRIORITY_HIGH, endpoint);
    OK(tcb_set_breakpoint(t->tcb, breakpoint_of(t->tcb, BREAKPOINT_WRITE, 0), (word)&watched + 1, BREAKPOINT_WRITE, 1));
    thread_start(t);
    struct message m;
    expect_debug(&m, DEBUG_WATCHPOINT); /* the first write is of eight bytes, the second of one */
    answer();
    EQUAL(after, 1);
}

CASE(debug_not_the_kernel, "What the kernel itself reads for a thread, an IPC buffer, does not trigger its watchpoint")
{
    setup();
    struct thread *t = thread_new(calls_target, 0, PRIORITY_HIGH, endpoint);
    OK(tcb_set_breakpoint(ROOT_TCB, breakpoint_of(ROOT_TCB, BREAKPOINT_READ_WRITE, 0), (word)&own_buffer->words[8],
                          BREAKPOINT_READ_WRITE, 8));
    struct message m = {0};
    EQUAL(invoke(t->tcb, TCB_READ_REGISTERS, 1, &m), ERROR_NONE); /* writes them into the buffer */
    OK(tcb_unset_breakpoint(ROOT_TCB, breakpoint_of(ROOT_TCB, BREAKPOINT_READ_WRITE, 0)));
}

extern const char steps_start[], steps_end[];
void steps(word unused);
#if defined(__x86_64__)
#define STEPS 6
__asm__(".text\n"
        "steps: steps_start: nop\n"
        "nop\n"
        "xor %eax, %eax\n"
        "push %rbx; push %r12\n"
        "nop\n"
        "steps_end: pop %r12; pop %rbx\n"
        "ret");
#else
#define STEPS 6
__asm__(".text\n"
        "steps: steps_start: nop\n"
        "nop\n"
        "mov x9, #1\n"
        "nop\n"
        "nop\n"
        "nop\n"
        "steps_end: nop\n"
        "ret");
#endif

CASE(debug_single_step, "Stepping reports after each instruction, in order, until it is switched off")
{
    setup();
    struct thread *t = thread_new(steps, 0, PRIORITY_HIGH, endpoint);
    word number = breakpoint_of(t->tcb, BREAKPOINT_EXECUTE, 0);
    OK(tcb_set_breakpoint(t->tcb, number, (word)steps_start, BREAKPOINT_EXECUTE, 0));
    thread_start(t);
    struct message m;
    expect_debug(&m, DEBUG_BREAKPOINT);
    OK(tcb_configure_single_stepping(t->tcb, 1));
    answer();
    word last = (word)steps_start;
    for (unsigned i = 0; i < STEPS; i++) {
        expect_debug(&m, DEBUG_STEP);
        CHECK(m.words[0] > last && m.words[0] <= (word)steps_end);
        EQUAL(m.words[3], m.words[0]);
        EQUAL(m.words[4], 0);
        last = m.words[0];
        answer();
    }
    EQUAL(last, (word)steps_end);
    OK(tcb_suspend(t->tcb));
    struct user_registers r;
    OK(tcb_read_registers(t->tcb, false, own_buffer, &r));
    OK(tcb_configure_single_stepping(t->tcb, 0));
}

CASE(debug_single_step_count, "Stepping by six instructions reports once, at their end")
{
    setup();
    struct thread *t = thread_new(steps, 0, PRIORITY_HIGH, endpoint);
    OK(tcb_set_breakpoint(t->tcb, breakpoint_of(t->tcb, BREAKPOINT_EXECUTE, 0), (word)steps_start, BREAKPOINT_EXECUTE,
                          0));
    thread_start(t);
    struct message m;
    expect_debug(&m, DEBUG_BREAKPOINT);
    OK(tcb_configure_single_stepping(t->tcb, STEPS));
    answer();
    expect_debug(&m, DEBUG_STEP);
    EQUAL(m.words[0], (word)steps_end);
}

static void yields(word times)
{
    for (word i = 0; i < times; i++)
        syscall_yield();
    after = 1;
}

CASE(debug_step_across_calls, "Steps across system calls stay in user mode, never stop twice at one place, and end")
{
    setup();
    struct thread *t = thread_new(yields, 3, PRIORITY_HIGH, endpoint);
    OK(tcb_configure_single_stepping(t->tcb, 1));
    thread_start(t);
    struct message m;
    word last = 0, steps_made = 0;
    while (after == 0 && steps_made < 1000) {
        expect_debug(&m, DEBUG_STEP);
        CHECK(m.words[0] != last && m.words[0] >> 47 == 0);
        last = m.words[0];
        steps_made++;
        if (after == 1)
            OK(tcb_configure_single_stepping(t->tcb, 0));
        answer();
    }
    CHECK(steps_made > 10 && steps_made < 1000);
}

CASE(debug_step_preempted, "A stepped thread that interrupts hit all the time still makes every step once")
{
    setup();
    struct thread *t = thread_new(calls_target, 200, PRIORITY_LOW, endpoint);
    cptr wait = object_new(OBJECT_NOTIFICATION, 0), timer = object_new(OBJECT_TIMER, 0);
    OK(timer_bind(timer, wait, ROOT_SCHED_CONTEXT));
    OK(tcb_configure_single_stepping(t->tcb, 1000000));
    thread_start(t);
    for (unsigned i = 0; i < 2000 && after == 0; i++) {
        OK(timer_set(timer, ticks_now() + ns_to_ticks(2000 + i * 7)));
        CHECK(notification_wait(wait) != 0);
    }
    EQUAL(after, 1);
    EQUAL(turns, 200);
}

static void spins(word unused)
{
    (void)unused;
    while (after == 0)
        target();
}

CASE(debug_not_others, "Breakpoints are the thread's own: another thread and a process pass the same place unhindered")
{
    setup();
    struct thread *t = thread_new(calls_target, 1, PRIORITY_LOW, endpoint);
    struct thread *other = thread_new(spins, 0, PRIORITY_LOW, endpoint);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, other->sched_context, 50000, 50000, 0, 0)); /* slow in QEMU */
    OK(tcb_set_breakpoint(t->tcb, breakpoint_of(t->tcb, BREAKPOINT_EXECUTE, 0), (word)target, BREAKPOINT_EXECUTE, 0));
    OK(tcb_set_breakpoint(t->tcb, breakpoint_of(t->tcb, BREAKPOINT_WRITE, 1), (word)&turns, BREAKPOINT_WRITE, 8));
    thread_start(other);
    thread_start(t);
    struct message m;
    expect_debug(&m, DEBUG_BREAKPOINT);
    EQUAL(m.words[0], (word)target);
    answer();
    expect_debug(&m, DEBUG_WATCHPOINT); /* the same instruction's access is not missed, nor the one after it */
    EQUAL(m.words[3], (word)&turns);
    word before = turns;
    OK(tcb_set_priority(other->tcb, ROOT_TCB, PRIORITY_ROOT));
    let_others_run();
    CHECK(turns > before); /* the other one went on */
    after = 1;
    let_others_run();
    answer();
}

CASE(debug_without_handler, "A breakpoint of a thread without fault endpoint stops it")
{
    setup();
    struct thread *t = thread_new(calls_target, 1, PRIORITY_HIGH, 0);
    OK(tcb_set_breakpoint(t->tcb, breakpoint_of(t->tcb, BREAKPOINT_EXECUTE, 0), (word)target, BREAKPOINT_EXECUTE, 0));
    thread_start(t);
    EQUAL(turns, 0);
    OK(tcb_resume(t->tcb));
    EQUAL(turns, 1);
    EQUAL(after, 1);
}
