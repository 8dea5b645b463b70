/* Priorities, budgets, yields, suspend and resume, registers. */
#include "test.h"

static volatile word counters[4];
static volatile bool stop;

static void counting(word which)
{
    while (!stop)
        counters[which]++;
}

CASE(priority_order, "A higher priority runs at once, a lower one only when all above wait")
{
    stop = true;
    counters[0] = 0;
    thread_start(thread_new(counting, 0, PRIORITY_HIGH, 0));
    stop = false;
    thread_start(thread_new(counting, 1, PRIORITY_LOW, 0));
    counters[1] = 0;
    spin_ns(1000000);
    EQUAL(counters[1], 0);
    stop = true;
}

CASE_TIMED(round_robin, "Equal priorities share the processor by turns of their budgets")
{
    stop = false;
    counters[0] = counters[1] = 0;
    struct thread *a = thread_new(counting, 0, PRIORITY_LOW, 0), *b = thread_new(counting, 1, PRIORITY_LOW, 0);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, a->sched_context, 1000000, 1000000, 0, 0));
    OK(sched_control_configure(ROOT_SCHED_CONTROL, b->sched_context, 1000000, 1000000, 0, 0));
    thread_start(a);
    thread_start(b);
    sleep_ns(40000000);
    stop = true;
    CHECK(counters[0] > 0 && counters[1] > 0);
    CHECK(counters[0] < 2 * counters[1] && counters[1] < 2 * counters[0]);
}

CASE_TIMED(budget_holds, "A thread with 20 % of the time gets 20 %, and leaves the rest to a lower priority")
{
    stop = false;
    counters[0] = counters[1] = 0;
    struct thread *a = thread_new(counting, 0, PRIORITY_LOW, 0), *b = thread_new(counting, 1, PRIORITY_LOW - 1, 0);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, a->sched_context, 1000000, 5000000, 0, 0));
    thread_start(a);
    thread_start(b);
    sleep_ns(100000000);
    stop = true;
    word share = counters[0] * 100 / (counters[0] + counters[1]);
    CHECK(share >= 15 && share <= 25);
}

CASE(sched_control_bad_arguments, "Budgets beyond the period, of zero or absurd are refused")
{
    cptr sc = object_new(OBJECT_SCHED_CONTEXT, 0);
    CHECK(sched_control_configure(ROOT_SCHED_CONTROL, sc, 2000000, 1000000, 0, 0) != ERROR_NONE);
    CHECK(sched_control_configure(ROOT_SCHED_CONTROL, sc, 0, 1000000, 0, 0) != ERROR_NONE);
    CHECK(sched_control_configure(ROOT_SCHED_CONTROL, sc, ~0ul, ~0ul, 0, 0) != ERROR_NONE);
    CHECK(sched_control_configure(ROOT_SCHED_CONTROL, ROOT_TCB, 1000000, 1000000, 0, 0) != ERROR_NONE);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, sc, 1000000, 1000000, 0, 0));
}

static void yielder(word which)
{
    while (!stop) {
        counters[which]++;
        syscall_yield();
    }
}

CASE_TIMED(yield_alternates, "Yield lets the other thread of the same priority run")
{
    stop = false;
    counters[0] = counters[1] = 0;
    thread_start(process_new(yielder, 2, PRIORITY_LOW - 5, 0));
    thread_start(thread_new(yielder, 0, PRIORITY_LOW, 0));
    thread_start(thread_new(yielder, 1, PRIORITY_LOW, 0));
    sleep_ns(20000000);
    stop = true;
    CHECK(counters[0] > 10);
    CHECK(counters[0] - counters[1] + 1 <= 2);
}

CASE(suspend_resume, "A suspended thread does not run until it is resumed")
{
    stop = false;
    counters[0] = 0;
    struct thread *t = thread_new(counting, 0, PRIORITY_LOW, 0);
    thread_start(t);
    sleep_ns(10000000);
    OK(tcb_suspend(t->tcb));
    word before = counters[0];
    CHECK(before > 0);
    sleep_ns(10000000);
    EQUAL(counters[0], before);
    OK(tcb_resume(t->tcb));
    sleep_ns(10000000);
    CHECK(counters[0] > before);
    stop = true;
}

CASE_TIMED(consumed, "A scheduling context says how much time was used")
{
    stop = false;
    struct thread *t = thread_new(counting, 0, PRIORITY_LOW, 0);
    word ns;
    OK(sched_context_consumed(t->sched_context, &ns));
    word start = ticks_now();
    thread_start(t);
    sleep_ns(5000000);
    OK(sched_context_consumed(t->sched_context, &ns));
    word elapsed = ticks_to_ns(ticks_now() - start);
    CHECK(ns > 2000000 && ns <= elapsed);
    stop = true;
}

CASE(priority_above_mcp, "Nobody gives a priority above the authority's maximum")
{
    struct thread *a = thread_new(counting, 0, PRIORITY_LOW, 0), *b = thread_new(counting, 0, PRIORITY_LOW, 0);
    OK(tcb_set_sched_params(a->tcb, ROOT_TCB, 50, 40, a->sched_context));
    CHECK(tcb_set_priority(b->tcb, a->tcb, 51) != ERROR_NONE);
    OK(tcb_set_priority(b->tcb, a->tcb, 50));
    CHECK(tcb_set_priority(b->tcb, ROOT_TCB, PRIORITIES) != ERROR_NONE);
}

CASE(thread_without_context, "A thread whose scheduling context is gone waits, and runs again with a new one")
{
    stop = false;
    counters[0] = 0;
    struct thread *t = thread_new(counting, 0, PRIORITY_LOW, 0);
    thread_start(t);
    sleep_ns(10000000);
    OK(cnode_delete(ROOT_CNODE, t->sched_context));
    word before = counters[0];
    sleep_ns(10000000);
    EQUAL(counters[0], before);
    cptr sc = object_new(OBJECT_SCHED_CONTEXT, 0);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, sc, 1000000, 1000000, 0, 0));
    OK(sched_context_bind(sc, t->tcb));
    sleep_ns(10000000);
    CHECK(counters[0] > before);
    stop = true;
}

CASE(registers_round_trip, "Written registers are read back; privileged flags are not taken over")
{
    struct thread *t = thread_new(counting, 0, PRIORITY_LOW, 0);
    struct user_registers in, out;
    for (size_t i = 0; i < USER_REGISTERS_WORDS; i++)
        ((word *)&in)[i] = 0x1000 + i * 16;
#if defined(__x86_64__)
    in.rflags = ~0ul;
#else
    in.spsr = ~0ul;
#endif
    OK(tcb_write_registers(t->tcb, false, own_buffer, &in));
    OK(tcb_read_registers(t->tcb, true, own_buffer, &out));
#if defined(__x86_64__)
    EQUAL(out.rflags & 0x3000, 0);    /* IOPL */
    EQUAL(out.rflags & 0x200, 0x200); /* interrupts stay on */
    in.rflags = out.rflags;
#else
    EQUAL(out.spsr & 0x1f, 0); /* EL0t, AArch64 */
    EQUAL(out.spsr & 0x80, 0); /* interrupts stay on */
    in.spsr = out.spsr;
#endif
    for (size_t i = 0; i < USER_REGISTERS_WORDS; i++)
        EQUAL(((word *)&in)[i], ((word *)&out)[i]);
}

static void deletes_itself(word tcb)
{
    counters[3] = 1;
    (void)cnode_delete(ROOT_CNODE, tcb);
    counters[3] = 2;
}

CASE(thread_deletes_itself, "A thread may delete its own only capability; it stops there")
{
    struct thread *t = thread_new(deletes_itself, 0, PRIORITY_HIGH, 0);
    struct user_registers r;
    OK(tcb_read_registers(t->tcb, false, own_buffer, &r));
#if defined(__x86_64__)
    r.rsi = t->tcb;
#else
    r.x[1] = t->tcb;
#endif
    OK(tcb_write_registers(t->tcb, false, own_buffer, &r));
    counters[3] = 0;
    thread_start(t);
    EQUAL(counters[3], 1);
}

#define FP_ROUNDS 20000
static volatile word fp_results[2];

/* Keeps a value in a SIMD register over many preemptions and yields. */
static void fp_user(word which)
{
    word value = 0x1111 * (which + 1), back = 0;
    for (int i = 0; i < FP_ROUNDS; i++) {
#if defined(__x86_64__)
        __asm__ volatile("movq %1, %%xmm5\n\tmovq %%xmm5, %0" : "=r"(back) : "r"(value) : "memory");
        syscall_yield();
        __asm__ volatile("movq %%xmm5, %0" : "=r"(back));
#else
        __asm__ volatile(".arch_extension fp\n\tfmov d9, %0" ::"r"(value) : "memory");
        syscall_yield();
        __asm__ volatile(".arch_extension fp\n\tfmov %0, d9" : "=r"(back));
#endif
        if (back != value)
            break;
    }
    fp_results[which] = back == value ? 1 : 2;
}

CASE(fp_state, "SIMD registers of two threads with the FP flag do not mix")
{
    fp_results[0] = fp_results[1] = 0;
    struct thread *a = thread_new(fp_user, 0, PRIORITY_LOW, 0), *b = thread_new(fp_user, 1, PRIORITY_LOW, 0);
    OK(tcb_set_flags(a->tcb, 0, TCB_FLAG_FP));
    OK(tcb_set_flags(b->tcb, 0, TCB_FLAG_FP));
    thread_start(a);
    thread_start(b);
    for (int i = 0; i < 200 && (fp_results[0] == 0 || fp_results[1] == 0); i++)
        sleep_ns(5000000);
    EQUAL(fp_results[0], 1);
    EQUAL(fp_results[1], 1);
}
