/* A process's threads (servers/process/thread.c) over a kernel that only knows which TCBs run: when a process ends,
 * none of its threads runs any more, before anything that it shares with others is given back. A thread that went on
 * would write into memory that is zero for its next owner.
 */
#include <stdio.h>

#include "process/server.h"
#include "tessera/invoke.h"
#include "tessera/server.h"

#define SLOTS 1000

static unsigned failures, running_count;
static bool is_running[SLOTS];
static cptr next_slot = 100;
static struct ipc_buffer buffer;
struct server server;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                     \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

/* --- the kernel --- */

static void run(cptr tcb, bool runs)
{
    CHECK(tcb < SLOTS);
    if (tcb >= SLOTS || is_running[tcb] == runs)
        return;
    is_running[tcb] = runs;
    running_count += runs ? 1 : -1u;
}

enum error syscall_trap(enum syscall number, word *destination, struct message *m)
{
    cptr object = (cptr)*destination;
    CHECK(number == SYSCALL_CALL);
    switch (message_info_label(m->info)) {
    case TCB_WRITE_REGISTERS:
        if (m->words[0] & 1)
            run(object, true);
        break;
    case TCB_RESUME:
        run(object, true);
        break;
    case TCB_SUSPEND:
        run(object, false);
        break;
    default:
        break;
    }
    m->info = 0;
    return ERROR_NONE;
}

/* --- the rest of the process server --- */

struct ipc_buffer *server_buffer(void)
{
    return &buffer;
}

bool task_slot(struct task *task, cptr *slot)
{
    (void)task;
    *slot = next_slot++;
    return true;
}

bool task_object(struct task *task, enum object_type type, uint32_t size_bits, cptr *slot)
{
    (void)type, (void)size_bits;
    return task_slot(task, slot);
}

bool task_grant(struct task *task, cptr index, cptr source, uint32_t rights, uint64_t badge)
{
    (void)task, (void)index, (void)source, (void)rights, (void)badge;
    return true;
}

bool task_memory(struct task *task, uint64_t bytes, uint64_t address, uint32_t rights, struct memory *memory)
{
    (void)task, (void)bytes, (void)address, (void)rights, (void)memory;
    return true;
}

void process_budget(const struct process *process, uint64_t *budget_ns, uint64_t *period_ns)
{
    (void)process;
    *budget_ns = *period_ns = 10000000;
}

uint32_t quota_reached(struct process *process, enum quota quota, uint32_t error)
{
    (void)process;
    (void)quota;
    return error;
}

uint64_t process_memory_left(const struct process *process)
{
    (void)process;
    return UINT64_MAX;
}

uint64_t process_stack_limit(const struct process *process)
{
    (void)process;
    return 1 << 20;
}

bool process_stack_extend(struct process *process, uint64_t top, uint64_t limit, uint64_t *mapped, uint64_t address)
{
    (void)process, (void)top, (void)limit, (void)mapped, (void)address;
    return true;
}

/* --- the test --- */

/* A process whose first thread runs, with a trap thread or without, and that many others. */
static void process_begin(struct process *process, bool has_trap_thread, unsigned others)
{
    word number;
    *process = (struct process){0};
    process->task.tcb = next_slot++;
    run(process->task.tcb, true);
    if (has_trap_thread) {
        process->trap_tcb = next_slot++;
        run(process->trap_tcb, true);
    }
    for (unsigned i = 1; i <= others; i++) {
        CHECK(thread_start(process, 0x1000, i, &number) == 0);
        CHECK(number == i);
    }
    CHECK(running_count == 1u + has_trap_thread + others);
}

int main(void)
{
    static struct process process;
    for (unsigned others = 0; others < 4; others++) {
        for (unsigned has_trap_thread = 0; has_trap_thread < 2; has_trap_thread++) {
            process_begin(&process, has_trap_thread, others);
            cptr stranger = next_slot++;
            run(stranger, true);
            if (others > 1)
                CHECK(thread_exit(&process, 1) == 0);
            threads_suspend(&process);
            CHECK(running_count == 1 && is_running[stranger]); /* another process's */
            run(stranger, false);
            running_count = 0;
            for (unsigned i = 0; i < SLOTS; i++)
                is_running[i] = false;
        }
    }
    printf("%u failures\n", failures);
    return failures != 0;
}
