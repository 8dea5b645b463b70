/* A process's trap thread: the second one, which receives the first one's faults. docs/processes.md, "Trap threads". */
#include "server.h"
#include "tessera/invoke.h"
#include "tessera/server.h"

static void registers_at(struct user_registers *registers, uint64_t entry, uint64_t sp)
{
    *registers = (struct user_registers){0};
#if defined(__x86_64__)
    registers->rip = entry;
    registers->rsp = sp;
    registers->rflags = 0x202;
#else
    registers->pc = entry;
    registers->sp = sp;
#endif
}

/* The first thread's faults go to an endpoint of the process's own from here on, so its stack is mapped whole: nobody
 * would let it grow. The two share an IPC buffer: the second writes there only while the first is stopped. Its own
 * faults still come here and end the process. */
uint32_t process_trap_thread(struct process *process, uint64_t entry, uint64_t sp)
{
    struct task *task = &process->task;
    cptr self = SERVER_CAP_CNODE, endpoint, reply, tcb, context, own_faults, first_faults, cspace;
    struct user_registers registers;
    if (!authority_permits(&process->authority, IMAGE_MAY_TRAP_THREAD))
        return E_NOTCAPABLE;
    if (process->trap_tcb)
        return E_INVAL;
    uint64_t budget_ns, period_ns;
    process_budget(process, &budget_ns, &period_ns);
    if (budget_ns < period_ns)
        budget_ns /= 2;
    registers_at(&registers, entry, sp);
    bool is_whole = process->stack_mapped >= process_stack_limit(process) ||
                    process_stack_grow(process, PROCESS_STACK_TOP - process_stack_limit(process));
    if (!is_whole || !task_memory_touch_all(task) || !task_object(task, OBJECT_ENDPOINT, 0, &endpoint) ||
        !task_object(task, OBJECT_REPLY, 0, &reply) || !task_object(task, OBJECT_TCB, 0, &tcb) ||
        !task_object(task, OBJECT_SCHED_CONTEXT, 0, &context) || !task_slot(task, &own_faults) ||
        !task_slot(task, &first_faults) || !task_slot(task, &cspace) ||
        cnode_mint(self, cspace, self, task->cnode, RIGHT_ALL, cnode_guard(0, 32 - task->cnode_bits)) != ERROR_NONE ||
        cnode_mint(self, own_faults, self, SERVER_CAP_ENDPOINT, RIGHT_CALL | RIGHT_GRANT,
                   process_badge(PROCESS_BADGE_FAULT, process->generation, process->index)) != ERROR_NONE ||
        cnode_mint(self, first_faults, self, endpoint, RIGHT_CALL | RIGHT_GRANT, 1) != ERROR_NONE ||
        !task_grant(task, PROCESS_CAP_TRAP_ENDPOINT, endpoint, RIGHT_RECV, 0) ||
        !task_grant(task, PROCESS_CAP_TRAP_REPLY, reply, RIGHT_ALL, 0) ||
        tcb_configure(tcb, cspace, task->vspace, PROCESS_IPC_BUFFER, task->ipc_buffer, own_faults) != ERROR_NONE ||
        sched_control_configure(SERVER_CAP_SCHED_CONTROL, context, budget_ns, period_ns, 0, 0) != ERROR_NONE ||
        tcb_set_sched_params(tcb, SERVER_CAP_TCB, 0, PRIORITY_PROGRAM, context) != ERROR_NONE ||
        tcb_set_flags(tcb, 0, TCB_FLAG_FP) != ERROR_NONE ||
        tcb_write_registers(tcb, true, server_buffer(), &registers) != ERROR_NONE ||
        tcb_set_space(task->tcb, cspace, task->vspace, first_faults) != ERROR_NONE)
        return E_NOMEM;
    process->trap_tcb = tcb;
    process->trap_faults[0] = first_faults;
    process->trap_faults[1] = own_faults;
    threads_halve(process);
    return 0;
}
