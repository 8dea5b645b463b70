/* Invocations of threads: their errors, and what they do to a thread in each state. */
#include "test.h"

static cptr endpoint, reply, ntfn;

static void setup(void)
{
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    ntfn = object_new(OBJECT_NOTIFICATION, 0);
}

static struct actor *blocked_in(enum syscall number)
{
    struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
    struct message m = {message_info(0, 0, 1), {0x77}};
    (void)actor_step(a, number, number == SYSCALL_WAIT ? ntfn : endpoint, number == SYSCALL_RECV ? reply : 0, &m);
    actor_start(a);
    return a;
}

static const enum syscall waits[] = {SYSCALL_CALL, SYSCALL_SEND, SYSCALL_RECV, SYSCALL_WAIT};

/* Lets a thread of blocked_in end its call. */
static void complete(enum syscall number)
{
    struct message m = {message_info(0, 0, 1), {0x88}};
    word badge;
    if (number == SYSCALL_WAIT) {
        notification_signal(ntfn);
    } else if (number == SYSCALL_RECV) {
        OK(syscall_nbsend(endpoint, &m));
    } else {
        OK(syscall_nbrecv(endpoint, reply, &m, &badge));
        EQUAL(m.words[0], 0x77);
        OK(syscall_send(reply, &m));
    }
}

CASE(tcb_suspend_each_wait,
     "A thread suspended in each kind of wait gets nothing, and makes its call again when resumed")
{
    for (unsigned i = 0; i < COUNT(waits); i++) {
        setup();
        NOTE(waits[i]);
        struct actor *a = blocked_in(waits[i]);
        OK(tcb_suspend(a->thread->tcb));
        OK(tcb_suspend(a->thread->tcb));
        struct message m = {0};
        word badge;
        if (waits[i] == SYSCALL_WAIT) {
            notification_signal(ntfn);
            EQUAL(notification_poll(ntfn), 1); /* the signal stays */
        } else if (waits[i] == SYSCALL_RECV) {
            OK(syscall_nbsend(endpoint, &m));
        } else {
            OK(syscall_nbrecv(endpoint, reply, &m, &badge));
            EQUAL(m.info, 0);
        }
        EQUAL(a->done, 0);
        OK(tcb_resume(a->thread->tcb));
        EQUAL(a->done, 0);
        OK(tcb_resume(a->thread->tcb)); /* of one that is not suspended: nothing */
        EQUAL(a->done, 0);
        complete(waits[i]);
        EQUAL(actor_result(a, 0)->status, ERROR_NONE);
    }
}

CASE(tcb_resume_of_blocked, "TCB_RESUME leaves a thread that waits alone")
{
    for (unsigned i = 0; i < COUNT(waits); i++) {
        setup();
        struct actor *a = blocked_in(waits[i]);
        OK(tcb_resume(a->thread->tcb));
        CHECK(actor_waits_in(a, 0));
        complete(waits[i]);
        EQUAL(actor_result(a, 0)->status, ERROR_NONE);
    }
}

static volatile word arrived;

static void arrives(word what)
{
    arrived = what;
}

CASE(tcb_write_ends_wait,
     "WRITE_REGISTERS ends each kind of wait: the thread runs where it is sent, nothing remembers it")
{
    for (unsigned i = 0; i < COUNT(waits); i++) {
        setup();
        NOTE(waits[i]);
        arrived = 0;
        struct actor *a = blocked_in(waits[i]);
        thread_aim(a->thread, arrives, 9);
        EQUAL(arrived, 0);
        OK(tcb_resume(a->thread->tcb));
        EQUAL(arrived, 9);
        struct message m = {0};
        word badge;
        OK(syscall_nbrecv(endpoint, reply, &m, &badge));
        EQUAL(m.info, 0);
        notification_signal(ntfn);
        EQUAL(notification_poll(ntfn), 1);
    }
}

CASE(tcb_write_and_resume, "WRITE_REGISTERS with 1 resumes at once; READ_REGISTERS with 1 suspends, with 0 does not")
{
    setup();
    struct actor *a = blocked_in(SYSCALL_SEND);
    struct user_registers r;
    OK(tcb_read_registers(a->thread->tcb, false, own_buffer, &r));
    struct message m;
    word badge;
    OK(syscall_nbrecv(endpoint, reply, &m, &badge));
    EQUAL(m.words[0], 0x77); /* it still waited */
    a = blocked_in(SYSCALL_SEND);
    OK(tcb_read_registers(a->thread->tcb, true, own_buffer, &r));
    OK(syscall_nbrecv(endpoint, reply, &m, &badge));
    EQUAL(m.info, 0);
    OK(tcb_write_registers(a->thread->tcb, true, own_buffer, &r)); /* and makes its call again */
    OK(syscall_nbrecv(endpoint, reply, &m, &badge));
    EQUAL(m.words[0], 0x77);
    EQUAL(actor_result(a, 0)->status, ERROR_NONE);
}

CASE(tcb_own_registers, "A thread cannot read or write its own registers")
{
    struct user_registers r = {0};
    EQUAL(tcb_read_registers(ROOT_TCB, false, own_buffer, &r), ERROR_ILLEGAL_OPERATION);
    EQUAL(tcb_write_registers(ROOT_TCB, false, own_buffer, &r), ERROR_ILLEGAL_OPERATION);
}

CASE(tcb_read_registers_length,
     "READ_REGISTERS answers with as many words as there are registers, and touches none behind")
{
    struct thread *t = thread_new(arrives, 1, PRIORITY_LOW, 0);
    for (unsigned i = 0; i < 8; i++)
        own_buffer->words[USER_REGISTERS_WORDS + i] = 0x5eed + i;
    struct message m = {0, {0}};
    OK(invoke(t->tcb, TCB_READ_REGISTERS, 1, &m));
    EQUAL(message_info_length(m.info), USER_REGISTERS_WORDS);
    for (unsigned i = 0; i < 8; i++)
        EQUAL(own_buffer->words[USER_REGISTERS_WORDS + i], 0x5eed + i);
}

CASE(tcb_registers_without_buffer,
     "Without an IPC buffer the first eight registers are read, and the first seven written")
{
    struct thread *t = thread_new(arrives, 1, PRIORITY_LOW, 0);
    struct user_registers r, after;
    for (unsigned i = 0; i < USER_REGISTERS_WORDS; i++)
        ((word *)&r)[i] = 0x100 + i;
    OK(tcb_write_registers(t->tcb, false, own_buffer, &r));
    OK(tcb_read_registers(t->tcb, false, own_buffer, &r));
    OK(tcb_set_ipc_buffer(ROOT_TCB, 0, 0));
    struct message m = {0, {0}}, w = {0, {0, 0x901, 0x902, 0x200, 0x904, 0x905, 0x906, 0x907}};
    enum error read = invoke(t->tcb, TCB_READ_REGISTERS, 1, &m);
    enum error write = invoke(t->tcb, TCB_WRITE_REGISTERS, 20, &w);
    OK(tcb_set_ipc_buffer(ROOT_TCB, boot->ipc_buffer, ROOT_IPC_BUFFER));
    EQUAL(read, ERROR_NONE);
    EQUAL(write, ERROR_NONE);
    EQUAL(message_info_length(m.info), MESSAGE_REGISTERS);
    for (unsigned i = 0; i < MESSAGE_REGISTERS; i++)
        EQUAL(m.words[i], ((word *)&r)[i]);
    OK(tcb_read_registers(t->tcb, false, own_buffer, &after));
    for (unsigned i = 0; i < USER_REGISTERS_WORDS; i++) {
        NOTE(i);
        if (i != 2) /* flags */
            EQUAL(((word *)&after)[i], i < 7 ? 0x901 + i : ((word *)&r)[i]);
    }
}

CASE(tcb_buffer_errors, "An IPC buffer must be aligned, in memory that can be read and written, and in a frame")
{
    cptr frame = object_new(OBJECT_FRAME, PAGE_BITS), tcb = object_new(OBJECT_TCB, 0), less = slot_new();
    for (word bits = 3; bits < 10; bits++)
        EQUAL(tcb_set_ipc_buffer(tcb, HARNESS_MAP_BASE + (1ul << bits), frame), ERROR_ALIGNMENT);
    static const word rights[] = {0, RIGHT_READ, RIGHT_WRITE, RIGHT_EXEC | RIGHT_READ};
    for (unsigned i = 0; i < COUNT(rights); i++) {
        OK(cnode_copy(ROOT_CNODE, less, ROOT_CNODE, frame, rights[i]));
        EQUAL(tcb_set_ipc_buffer(tcb, HARNESS_MAP_BASE, less), ERROR_INVALID_CAPABILITY);
        OK(cnode_delete(ROOT_CNODE, less));
    }
    EQUAL(tcb_set_ipc_buffer(tcb, HARNESS_MAP_BASE, 0), ERROR_INVALID_CAPABILITY);
    OK(tcb_set_ipc_buffer(tcb, HARNESS_MAP_BASE, frame));
    OK(tcb_set_ipc_buffer(tcb, 0, 0));
}

CASE(tcb_handler_rights, "A fault or timeout endpoint needs RIGHT_CALL")
{
    setup();
    cptr tcb = object_new(OBJECT_TCB, 0), vspace = object_new(OBJECT_VSPACE, 0);
    for (word rights = 0; rights <= RIGHT_ALL; rights++) {
        cptr some = minted(endpoint, rights, 0);
        enum error expected = rights & RIGHT_CALL ? ERROR_NONE : ERROR_INVALID_CAPABILITY;
        NOTE(rights);
        EQUAL(tcb_set_space(tcb, ROOT_CNODE, vspace, some), expected);
        EQUAL(tcb_set_timeout_endpoint(tcb, some), expected);
        EQUAL(tcb_configure(tcb, ROOT_CNODE, vspace, 0, 0, some), expected);
    }
    OK(tcb_set_timeout_endpoint(tcb, 0));
}

CASE(tcb_configure_fails_whole, "A TCB_CONFIGURE that is refused for its last argument has changed nothing")
{
    setup();
    struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
    cptr vspace = object_new(OBJECT_VSPACE, 0), cnode = object_new(OBJECT_CNODE, 4);
    EQUAL(tcb_configure(a->thread->tcb, cnode, vspace, 0, 0, minted(endpoint, RIGHT_SEND, 0)),
          ERROR_INVALID_CAPABILITY);
    EQUAL(tcb_configure(a->thread->tcb, cnode, vspace, 0x10, a->thread->buffer_frame, 0), ERROR_ALIGNMENT);
    struct message m = {message_info(0, 0, 40), {1}};
    word badge;
    (void)actor_step(a, SYSCALL_SEND, endpoint, 0, &m);
    a->thread->buffer->words[39] = 0x39;
    actor_start(a);
    OK(syscall_nbrecv(endpoint, reply, &m, &badge));
    EQUAL(message_info_length(m.info), 40);
    EQUAL(own_buffer->words[39], 0x39);
}

CASE(tcb_flags, "Flags are cleared and set in one step and read back; unknown ones are refused")
{
    cptr tcb = object_new(OBJECT_TCB, 0);
    struct message m = {0, {0, TCB_FLAG_FP}};
    EQUAL(invoked(tcb, TCB_SET_FLAGS, 2, &m), ERROR_NONE);
    EQUAL(m.words[0], TCB_FLAG_FP);
    m = (struct message){0, {TCB_FLAG_FP, TCB_FLAG_FP}};
    EQUAL(invoked(tcb, TCB_SET_FLAGS, 2, &m), ERROR_NONE);
    EQUAL(m.words[0], TCB_FLAG_FP);
    m = (struct message){0, {TCB_FLAG_FP, 0}};
    EQUAL(invoked(tcb, TCB_SET_FLAGS, 2, &m), ERROR_NONE);
    EQUAL(m.words[0], 0);
    m = (struct message){0, {0, 0x80}};
    EQUAL(invoked(tcb, TCB_SET_FLAGS, 2, &m), ERROR_INVALID_ARGUMENT);
}

CASE(tcb_bind_errors,
     "A notification binds to one thread, a thread to one notification, neither while somebody waits on it")
{
    setup();
    cptr one = object_new(OBJECT_TCB, 0), two = object_new(OBJECT_TCB, 0), other = object_new(OBJECT_NOTIFICATION, 0);
    EQUAL(tcb_unbind_notification(one), ERROR_ILLEGAL_OPERATION);
    for (word rights = 0; rights <= RIGHT_ALL; rights++)
        if (!(rights & RIGHT_RECV))
            EQUAL(tcb_bind_notification(one, minted(ntfn, rights, 0)), ERROR_INVALID_CAPABILITY);
    OK(tcb_bind_notification(one, minted(ntfn, RIGHT_RECV, 0)));
    EQUAL(tcb_bind_notification(two, ntfn), ERROR_ILLEGAL_OPERATION);
    EQUAL(tcb_bind_notification(one, other), ERROR_ILLEGAL_OPERATION);
    OK(tcb_unbind_notification(one));
    OK(tcb_bind_notification(two, ntfn));
    (void)actor_calls(PRIORITY_HIGH, SYSCALL_WAIT, other, 0, 0);
    EQUAL(tcb_bind_notification(one, other), ERROR_ILLEGAL_OPERATION);
}

CASE(tcb_bound_states,
     "A bound notification interrupts receives only: not a Send, Call or wait on another notification")
{
    static const enum syscall numbers[] = {SYSCALL_SEND, SYSCALL_CALL, SYSCALL_WAIT};
    for (unsigned i = 0; i < COUNT(numbers); i++) {
        setup();
        cptr other = object_new(OBJECT_NOTIFICATION, 0);
        struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
        (void)actor_step(a, numbers[i], numbers[i] == SYSCALL_WAIT ? other : endpoint, 0, NULL);
        (void)actor_step(a, SYSCALL_WAIT, endpoint, 0, NULL);
        OK(tcb_bind_notification(a->thread->tcb, ntfn));
        actor_start(a);
        notification_signal(minted(ntfn, RIGHT_SEND, 0x10));
        NOTE(i);
        CHECK(actor_waits_in(a, 0));
        struct message m;
        word badge;
        if (numbers[i] == SYSCALL_WAIT) {
            notification_signal(other);
        } else {
            OK(syscall_nbrecv(endpoint, reply, &m, &badge));
            OK(syscall_send(reply, &m));
        }
        EQUAL(actor_result(a, 1)->destination, 0x10); /* it was there first */
    }
}

CASE(tcb_bound_frees_reply, "A signal that ends a Recv through the bound notification frees the reply object; the next "
                            "Recv's own is not touched")
{
    setup();
    struct actor *a = actor_new(PRIORITY_HIGH, 0, 0);
    (void)actor_step(a, SYSCALL_RECV, endpoint, reply, NULL);
    (void)actor_step(a, SYSCALL_RECV, endpoint, object_new(OBJECT_REPLY, 0), NULL);
    (void)actor_step(a, SYSCALL_WAIT, endpoint, 0, NULL);
    OK(tcb_bind_notification(a->thread->tcb, ntfn));
    actor_start(a);
    notification_signal(ntfn);
    EQUAL(actor_result(a, 0)->destination, 1);
    CHECK(actor_waits_in(a, 1));
    struct actor *server = actor_calls(PRIORITY_HIGH, SYSCALL_RECV, object_new(OBJECT_ENDPOINT, 0), reply, 0);
    struct actor *client = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, 0x51);
    EQUAL(actor_result(a, 1)->m.words[0], 0x51);
    CHECK(actor_waits_in(client, 0) && actor_waits_in(server, 0) && actor_waits_in(a, 2));
    client = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, 1);
    EQUAL(actor_result(client, 0)->status, ERROR_ABORTED); /* this time it waits without */
}

CASE(tcb_priority_of_ready,
     "A changed priority of a ready thread counts at once, up and down, in the middle of its queue")
{
    struct actor *a[3];
    for (word i = 0; i < 3; i++)
        a[i] = actor_calls(PRIORITY_LOW, SYSCALL_YIELD, 0, 0, 0);
    OK(tcb_set_priority(a[1]->thread->tcb, ROOT_TCB, PRIORITY_HIGH));
    CHECK(a[0]->done == 0 && a[1]->done == 1 && a[2]->done == 0);
    OK(tcb_set_priority(a[2]->thread->tcb, ROOT_TCB, PRIORITY_LOW - 1));
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_LOW - 1));
    CHECK(a[0]->done == 1 && a[2]->done == 0);
    sleep_ns(50000);
    EQUAL(a[2]->done, 1);
}

CASE(tcb_priority_of_waiting, "A priority changed while a thread waits counts when it wakes")
{
    setup();
    struct actor *a = actor_calls(PRIORITY_HIGH, SYSCALL_WAIT, ntfn, 0, 0);
    OK(tcb_set_priority(a->thread->tcb, ROOT_TCB, PRIORITY_LOW));
    notification_signal(ntfn);
    EQUAL(a->done, 0);
    sleep_ns(50000);
    EQUAL(a->done, 1);
}

CASE(tcb_priority_range, "All 256 priorities run in order, whatever order they became ready in")
{
    static volatile word order[16];
    static const word priorities[] = {0, 255, 1, 254, 63, 64, 65, 127, 128, 129, 191, 192, 193};
    struct actor *a[COUNT(priorities)];
    setup();
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 255));
    cptr first = object_new(OBJECT_ENDPOINT, 0);
    for (word i = 0; i < COUNT(priorities); i++) {
        a[i] = actor_new(priorities[i], 0, 0);
        struct message m = {message_info(0, 0, 1), {priorities[i]}};
        (void)actor_step(a[i], SYSCALL_SEND, first, 0, &m);
        actor_start(a[i]);
    }
    cptr timer = object_new(OBJECT_TIMER, 0);
    OK(timer_bind(timer, ntfn, ROOT_SCHED_CONTEXT));
    OK(timer_set(timer, ticks_now() + ns_to_ticks(200000)));
    (void)notification_wait(ntfn);
    for (word i = 0; i < COUNT(priorities); i++) {
        struct message m;
        word badge;
        OK(syscall_nbrecv(first, reply, &m, &badge));
        order[i] = m.words[0];
        NOTE(i);
        if (i > 0)
            CHECK(order[i] < order[i - 1]);
    }
}

CASE(tcb_sched_params_errors,
     "SET_SCHED_PARAMS refuses contexts that others have and threads that borrow, and then changes nothing")
{
    setup();
    struct actor *a = actor_new(PRIORITY_LOW, 0, 0), *b = actor_new(PRIORITY_LOW, 0, 0);
    cptr tcb = a->thread->tcb, lent = object_new(OBJECT_SCHED_CONTEXT, 0);
    OK(sched_context_bind(lent, ntfn));
    EQUAL(tcb_set_sched_params(tcb, ROOT_TCB, 255, 5, b->thread->sched_context), ERROR_ILLEGAL_OPERATION);
    EQUAL(tcb_set_sched_params(tcb, ROOT_TCB, 255, 5, lent), ERROR_ILLEGAL_OPERATION);
    (void)actor_step(a, SYSCALL_YIELD, 0, 0, NULL);
    (void)actor_step(b, SYSCALL_YIELD, 0, 0, NULL);
    OK(tcb_set_priority(b->thread->tcb, ROOT_TCB, PRIORITY_LOW - 1));
    actor_start(b);
    actor_start(a);
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_LOW - 1));
    CHECK(a->done == 1); /* its priority is still the old one */
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_ROOT));
    OK(tcb_set_sched_params(tcb, ROOT_TCB, 255, PRIORITY_LOW, a->thread->sched_context)); /* its own again */
    OK(tcb_set_sched_params(tcb, ROOT_TCB, 255, PRIORITY_LOW, 0));
    OK(sched_context_bind(a->thread->sched_context, tcb));
}

CASE(tcb_maximum_priority, "The maximum of the authority limits both maximum and priority, also for itself")
{
    struct actor *authority = actor_new(PRIORITY_LOW, 0, 0), *a = actor_new(PRIORITY_LOW, 0, 0);
    cptr limit = authority->thread->tcb, tcb = a->thread->tcb;
    OK(tcb_set_sched_params(limit, ROOT_TCB, 60, 60, authority->thread->sched_context));
    EQUAL(tcb_set_sched_params(tcb, limit, 61, 10, a->thread->sched_context), ERROR_RANGE);
    EQUAL(tcb_set_sched_params(tcb, limit, 60, 61, a->thread->sched_context), ERROR_RANGE);
    OK(tcb_set_sched_params(tcb, limit, 60, 60, a->thread->sched_context));
    EQUAL(tcb_set_priority(limit, limit, 61), ERROR_RANGE);
    EQUAL(tcb_set_sched_params(limit, limit, 61, 1, authority->thread->sched_context), ERROR_RANGE);
    OK(tcb_set_sched_params(limit, limit, 0, 0, authority->thread->sched_context));
    EQUAL(tcb_set_priority(limit, limit, 1), ERROR_RANGE);
}

CASE(tcb_tls_base, "A TLS base set from outside is in the thread's registers, made harmless if need be")
{
    cptr tcb = object_new(OBJECT_TCB, 0);
    struct user_registers r;
    OK(tcb_set_tls_base(tcb, 0x12345678));
    OK(tcb_read_registers(tcb, false, own_buffer, &r));
#if defined(__x86_64__)
    EQUAL(r.fs_base, 0x12345678);
    OK(tcb_set_tls_base(tcb, 0x8000000000000000));
    OK(tcb_read_registers(tcb, false, own_buffer, &r));
    CHECK(r.fs_base >> 47 == 0 || r.fs_base >> 47 == 0x1ffff);
#else
    EQUAL(r.tpidr, 0x12345678);
#endif
}
