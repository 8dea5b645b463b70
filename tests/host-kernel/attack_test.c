/* Attacks: what a hostile program that holds nothing but memory of its own must not get out of the kernel. Each case
 * was a way in once; the invariants of check.c after every entry say most of what must hold. */
#include "attack.h"

void run_thread(cptr thread)
{
    CHECK(tcb_resume(thread) == MODEL_SWITCHED);
    CHECK(model_current() == model_tcb(thread));
}

void call_endpoint(cptr endpoint)
{
    struct message m = {message_info(1, 0, 1), {1}};
    CHECK(syscall_call(endpoint, &m) == MODEL_SWITCHED);
}

void reply_receive(cptr endpoint, cptr reply)
{
    struct message m = {message_info(0, 0, 1), {1}};
    word badge;
    CHECK(syscall_reply_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
}

cptr new_context(void)
{
    cptr context = new_object(OBJECT_SCHED_CONTEXT, 0);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, context, 1000000, 1000000, 0, 0));
    return context;
}

cptr new_server(uint8_t priority, cptr endpoint, cptr reply)
{
    cptr server = new_thread(priority, false, 0);
    struct message m;
    word badge;
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 50));
    run_thread(server);
    CHECK(syscall_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
    OK(tcb_set_sched_params(server, ROOT_TCB, 255, priority, 0));
    return server;
}

void to_root(void)
{
    while (model_current() != model_tcb(ROOT_TCB))
        model_timer(UINT64_MAX / 4);
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 255));
}

/* With a name as second argument, that one only. */
int main(int argc, char **argv)
{
    static const struct attack *const lists[] = {attacks_on_memory, attacks_on_lent_time, attacks_by_deletion,
                                                 attacks_on_budgets};
    unsigned ran = 0;
    CHECK(argc == 2 || argc == 3);
    model_boot(argv[1]);
    for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        for (const struct attack *attack = lists[i]; attack->name; attack++)
            if (argc == 2 || strcmp(argv[2], attack->name) == 0) {
                attack->run();
                ran++;
            }
    CHECK(ran > 0);
    printf("attack: %u passed\n", ran);
    return 0;
}
