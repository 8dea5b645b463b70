/* Further threads of a process: each has a stack of its own at a fixed place, a notification and a timer to sleep with,
 * and a share of the process's CPU budget. All have the IPC buffer of the first: the program sees to it that only one
 * of them at a time sends what does not fit the registers.
 *
 * What a thread consists of is kept when it ends, for the next one. */
#include "proto/start.h"
#include "server.h"
#include "tessera/invoke.h"
#include "tessera/server.h"

/* Two slots for each thread at the upper end of the process's CNode. */
#define SLOTS_OF_THREADS (~0ul << PROCESS_CAP_THREADS)
_Static_assert(PROCESS_CAP_THREADS + 2 * PROCESS_THREADS == 1 << PROCESS_CNODE_BITS, "they end the CNode");

static uint64_t stack_top(uint32_t number)
{
    return PROCESS_THREAD_STACKS + (number + 1) * PROCESS_THREAD_STRIDE;
}

bool thread_stack_grow(struct process *process, uint64_t address)
{
    uint32_t number = (uint32_t)((address - PROCESS_THREAD_STACKS) / PROCESS_THREAD_STRIDE);
    struct process_thread *thread = &process->threads[number];
    uint64_t limit = process_stack_limit(process);
    if (limit > PROCESS_THREAD_STRIDE / 2)
        limit = PROCESS_THREAD_STRIDE / 2; /* the rest is a guard */
    return thread->is_running &&
           process_stack_extend(process, stack_top(number), limit, &thread->stack_mapped, address);
}

void thread_stack(const struct process *process, uint32_t number, uint64_t *floor, uint64_t *top)
{
    uint64_t mapped = number ? process->threads[number].stack_mapped : process->stack_mapped;
    *top = number ? stack_top(number) : PROCESS_STACK_TOP;
    *floor = *top - mapped;
}

cptr thread_tcb(const struct process *process, uint32_t number)
{
    return number ? process->threads[number].tcb : process->task.tcb;
}

/* What a thread sleeps with: a notification that the process may wait for and signal, and a timer that signals it. */
static bool sleep_make(struct process *process, uint32_t number, cptr context)
{
    struct task *task = &process->task;
    cptr notification, timer, signal;
    return task_object(task, OBJECT_NOTIFICATION, 0, &notification) && task_object(task, OBJECT_TIMER, 0, &timer) &&
           task_slot(task, &signal) &&
           cnode_mint(SERVER_CAP_CNODE, signal, SERVER_CAP_CNODE, notification, RIGHT_SEND, PROCESS_SIGNAL_TIMER) ==
               ERROR_NONE &&
           timer_bind(timer, signal, context) == ERROR_NONE &&
           task_grant(task, PROCESS_CAP_THREADS + 2 * number, notification, RIGHT_SEND | RIGHT_RECV,
                      PROCESS_SIGNAL_WAKE) &&
           task_grant(task, PROCESS_CAP_THREADS + 2 * number + 1, timer, RIGHT_ALL, 0);
}

/* The first thread's part, once. */
static uint32_t threads_open(struct process *process)
{
    if ((process->cap_used[0] & SLOTS_OF_THREADS) == SLOTS_OF_THREADS)
        return 0;
    if (!sleep_make(process, 0, process->task.sched_context))
        return E_NOMEM;
    process->cap_used[0] |= SLOTS_OF_THREADS;
    return 0;
}

/* The process's budget in equal parts, one for each thread that was ever made. Configuring a context fills its budget:
 * so the parts do not change when threads end and begin, or doing that again and again would be time without end. One
 * that has all of the time needs no parts: its threads take turns. */
static bool budget_give(struct process *process, cptr context, uint32_t parts)
{
    uint64_t budget_ns, period_ns;
    process_budget(process, &budget_ns, &period_ns);
    if (budget_ns < period_ns)
        budget_ns /= parts;
    return sched_control_configure(SERVER_CAP_SCHED_CONTROL, context, budget_ns, period_ns, SCHED_EXTRA_REFILLS_MAX,
                                   0) == ERROR_NONE;
}

/* Of the first `number` threads. */
static void budget_share(struct process *process, uint32_t number, uint32_t parts)
{
    uint64_t budget_ns, period_ns;
    process_budget(process, &budget_ns, &period_ns);
    if (budget_ns == period_ns)
        return;
    (void)budget_give(process, process->task.sched_context, parts);
    for (uint32_t i = 1; i < number; i++)
        (void)budget_give(process, process->threads[i].sched_context, parts);
}

void threads_halve(struct process *process)
{
    uint32_t number = 1;
    while (number < PROCESS_THREADS && process->threads[number].tcb && !process->threads[number].is_broken)
        number++;
    budget_share(process, number, number);
}

static bool thread_make(struct process *process, uint32_t number)
{
    struct process_thread *thread = &process->threads[number];
    struct task *task = &process->task;
    cptr self = SERVER_CAP_CNODE, cspace;
    uint64_t badge = process_badge(PROCESS_BADGE_FAULT, process->generation, process->index);
    return task_object(task, OBJECT_TCB, 0, &thread->tcb) &&
           task_object(task, OBJECT_SCHED_CONTEXT, 0, &thread->sched_context) && task_slot(task, &cspace) &&
           task_slot(task, &thread->faults) &&
           cnode_mint(self, cspace, self, task->cnode, RIGHT_ALL, cnode_guard(0, 32 - task->cnode_bits)) ==
               ERROR_NONE &&
           cnode_mint(self, thread->faults, self, SERVER_CAP_ENDPOINT, RIGHT_CALL | RIGHT_GRANT,
                      badge | (uint64_t)number << PROCESS_BADGE_THREAD_SHIFT) == ERROR_NONE &&
           tcb_configure(thread->tcb, cspace, task->vspace, PROCESS_IPC_BUFFER, task->ipc_buffer, thread->faults) ==
               ERROR_NONE &&
           budget_give(process, thread->sched_context, number + 1) &&
           tcb_set_sched_params(thread->tcb, SERVER_CAP_TCB, 0, PRIORITY_PROGRAM, thread->sched_context) ==
               ERROR_NONE &&
           tcb_set_flags(thread->tcb, 0, TCB_FLAG_FP) == ERROR_NONE &&
           sleep_make(process, number, thread->sched_context);
}

static void registers_set(struct user_registers *registers, uint64_t entry, uint64_t argument, uint64_t top)
{
    *registers = (struct user_registers){0};
#if defined(__x86_64__)
    registers->rip = entry;
    registers->rdi = argument;
    registers->rsp = top - 8; /* as after a call */
    registers->rflags = 0x202;
#else
    registers->pc = entry;
    registers->x[0] = argument;
    registers->sp = top;
#endif
}

/* The kernel tells what was used since it was last asked. */
static void cpu_time_take(struct process *process, uint32_t number)
{
    word ns = 0;
    cptr context = number ? process->threads[number].sched_context : process->task.sched_context;
    if (context && sched_context_consumed(context, &ns) == ERROR_NONE)
        process->threads[number].cpu_ns += ns;
}

uint32_t thread_cpu_time(struct process *process, word which, word *ns)
{
    if (which > PROCESS_THREADS)
        return E_INVAL;
    *ns = which ? 0 : process->cpu_past_ns;
    for (uint32_t i = 0; i < PROCESS_THREADS; i++) {
        cpu_time_take(process, i);
        if (which == 0 || which == i + 1)
            *ns += process->threads[i].cpu_ns;
    }
    return 0;
}

uint32_t thread_start(struct process *process, uint64_t entry, uint64_t argument, word *number)
{
    struct user_registers registers;
    uint32_t index = 1, error = threads_open(process);
    while (index < PROCESS_THREADS && process->threads[index].is_running)
        index++;
    if (error || index == PROCESS_THREADS)
        return error ? error : quota_reached(process, QUOTA_THREADS, E_AGAIN);
    struct process_thread *thread = &process->threads[index];
    bool is_new = !thread->tcb;
    if (thread->is_broken || (is_new && !thread_make(process, index))) {
        thread->is_broken = true; /* made in part: its slots are taken */
        return E_NOMEM;
    }
    if (is_new)
        budget_share(process, index, index + 1); /* the newest has its part already */
    if (thread->stack_mapped == 0) {
        struct memory memory;
        if (DEFAULT_STACK > process_memory_left(process))
            return quota_reached(process, QUOTA_MEMORY, E_NOMEM);
        if (!task_memory(&process->task, DEFAULT_STACK, stack_top(index) - DEFAULT_STACK, RIGHT_READ | RIGHT_WRITE,
                         &memory))
            return E_NOMEM;
        thread->stack_mapped = DEFAULT_STACK;
    }
    registers_set(&registers, entry, argument, stack_top(index));
    cpu_time_take(process, index);
    process->cpu_past_ns += thread->cpu_ns; /* of the thread that had it before */
    thread->cpu_ns = 0;
    thread->is_running = true;
    if (tcb_write_registers(thread->tcb, true, server_buffer(), &registers) != ERROR_NONE) {
        thread->is_running = false;
        return E_NOMEM;
    }
    *number = index;
    return 0;
}

uint32_t thread_exit(struct process *process, word number)
{
    if (number == 0 || number >= PROCESS_THREADS || !process->threads[number].is_running)
        return E_INVAL;
    (void)tcb_suspend(process->threads[number].tcb);
    process->threads[number].is_running = false;
    return 0;
}

/* All of them: what the process shares with others is given back, as zeros, before its own end. */
void threads_suspend(struct process *process)
{
    (void)tcb_suspend(process->task.tcb);
    if (process->trap_tcb)
        (void)tcb_suspend(process->trap_tcb);
    for (uint32_t i = 1; i < PROCESS_THREADS; i++)
        if (process->threads[i].is_running)
            (void)tcb_suspend(process->threads[i].tcb);
}
