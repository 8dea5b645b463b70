/* Faults: see abi/fault.h for what the handler receives, ipc/reply.c for what its answer does. */
#include <ipc/ipc.h>
#include <kernel/clock.h>
#include <kernel/fault.h>

#ifdef TESSERA_KERNEL_DEBUG
static void fault_print(const struct tcb *tcb, enum fault kind, word w2, word w3, word w4)
{
    print("thread %lx stops: fault %u (%lx %lx %lx) at pc %lx, sp %lx, nobody handles it\n", (word)(uintptr_t)tcb, kind,
          w2, w3, w4, arch_context_pc(&tcb->context), arch_context_sp(&tcb->context));
}
#else
static void fault_print(const struct tcb *tcb, enum fault kind, word w2, word w3, word w4)
{
    (void)tcb, (void)kind, (void)w2, (void)w3, (void)w4;
}
#endif

void fault_raise(struct core *core, struct tcb *tcb, enum fault kind, word w2, word w3, word w4)
{
    struct cap handler = tcb->slots[kind == FAULT_TIMEOUT ? TCB_SLOT_TIMEOUT : TCB_SLOT_FAULT].cap;
    if (cap_type(handler) != OBJECT_ENDPOINT) {
        fault_print(tcb, kind, w2, w3, w4);
        thread_give_back(core, tcb, false);
        thread_stop(core, tcb, THREAD_INACTIVE);
        return;
    }
    tcb->fault = (uint8_t)kind;
    tcb->fault_words[0] = w2;
    tcb->fault_words[1] = kind == FAULT_TIMEOUT ? clock_ns(w3) : w3;
    tcb->fault_words[2] = w4;
    if (tcb == core->current && endpoint_call_at_once(core, cap_object(handler), cap_badge(handler), false))
        return;
    struct send_options options = {.badge = cap_badge(handler), .is_blocking = true, .is_call = true};
    endpoint_send(core, cap_object(handler), tcb, options);
}
