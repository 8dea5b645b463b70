/* Actors: see test.h. And small tools that many cases use. */
#include "watch.h"

#define ACTORS            16
#define ACTOR_MEMORY_BITS 15

static struct actor *actors;
static cptr actors_frame;
static word actor_count;
_Static_assert(ACTORS * sizeof(struct actor) <= 1ul << ACTOR_MEMORY_BITS, "the actors fit their frame");

void actors_forget(void)
{
    actors = NULL;
    actor_count = 0;
}

const struct actor *actor_at(word index)
{
    return index < actor_count ? &actors[index] : NULL;
}

static void actor_perform(volatile struct step *s, const volatile struct step *before)
{
    word destination = s->destination;
    struct message m = s->is_echo ? before->m : s->m;
    if (s->flag != NULL)
        *s->flag = 1;
    enum error status = syscall_numbered(s->number, &destination, &m);
    s->m = m;
    s->destination = destination;
    s->status = status;
}

static void actor_run(word address)
{
    struct actor *a = (struct actor *)address;
    word i;
    while ((i = a->done) < a->count) {
        word destination = a->steps[i].destination;
        actor_perform(&a->steps[i], &a->steps[i == 0 ? 0 : i - 1]);
        a->done = i + 1;
        while (a->repeats && i + 1 == a->count) {
            a->steps[i].destination = destination;
            actor_perform(&a->steps[i], &a->steps[i]);
        }
    }
}

static void actors_prepare(void)
{
    if (actors == NULL)
        actors = memory_new(ACTOR_MEMORY_BITS, &actors_frame);
}

struct actor *actor_new(word priority, unsigned flags, cptr fault_endpoint)
{
    actors_prepare();
    if (actor_count == ACTORS)
        give_up("too many actors", actor_count);
    struct actor *a = &actors[actor_count++];
    struct thread *t = flags & ACTOR_PROCESS ? process_new(actor_run, (word)a, priority, fault_endpoint)
                                             : thread_new(actor_run, (word)a, priority, fault_endpoint);
    a->thread = t;
    if (flags & ACTOR_PROCESS) {
        cptr copy = slot_new();
        OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, actors_frame, RIGHT_ALL));
        map_page(t->vspace, copy, (word)actors, RIGHT_READ | RIGHT_WRITE, 0);
    }
    if (flags & ACTOR_FP)
        OK(tcb_set_flags(t->tcb, 0, TCB_FLAG_FP));
    if (flags & ACTOR_NO_BUFFER)
        OK(tcb_set_ipc_buffer(t->tcb, 0, 0));
    a->repeats = false;
    a->is_passive = flags & ACTOR_PASSIVE;
    return a;
}

#define MORTAL_BITS 20

struct actor *actor_mortal(word priority, unsigned flags, cptr fault_endpoint)
{
    actors_prepare();
    cptr untyped = object_new(OBJECT_UNTYPED, flags & ACTOR_PROCESS ? MORTAL_BITS : 14);
    cptr before = harness_use(untyped);
    struct actor *a = actor_new(priority, flags, fault_endpoint);
    (void)harness_use(before);
    a->untyped = untyped;
    return a;
}

void actor_kill(struct actor *actor, enum kill how)
{
    if (how == KILL_UNTYPED) {
        OK(cnode_revoke(ROOT_CNODE, actor->untyped));
    } else if (how == KILL_DELETE) {
        OK(cnode_delete(ROOT_CNODE, actor->thread->tcb));
    } else {
        cptr cnode = object_new(OBJECT_CNODE, 2);
        OK(cnode_move(cnode, 3, ROOT_CNODE, actor->thread->tcb));
        OK(cnode_delete(ROOT_CNODE, cnode));
    }
}

volatile struct step *actor_step(struct actor *actor, enum syscall number, cptr to, cptr reply, const struct message *m)
{
    if (actor->count == STEPS_PER_ACTOR)
        give_up("too many steps", actor->count);
    volatile struct step *s = &actor->steps[actor->count];
    s->number = number;
    s->destination = to | (word)reply << 32;
    s->m = m != NULL ? *m : (struct message){0};
    s->status = STATUS_PENDING;
    s->is_echo = false;
    s->flag = NULL;
    actor->count = actor->count + 1;
    return s;
}

void actor_reset(struct actor *actor)
{
    OK(tcb_suspend(actor->thread->tcb));
    actor->done = actor->count = 0;
    actor->repeats = false;
    thread_aim(actor->thread, actor_run, (word)actor);
}

void actor_start(struct actor *actor)
{
    thread_start(actor->thread);
    if (actor->is_passive)
        thread_make_passive(actor->thread);
}

struct actor *actor_calls(word priority, enum syscall number, cptr to, cptr reply, word w0)
{
    struct actor *a = actor_new(priority, 0, 0);
    struct message m = {message_info(0, 0, 1), {w0}};
    (void)actor_step(a, number, to, reply, &m);
    actor_start(a);
    return a;
}

struct actor *actor_serves(word priority, unsigned flags, cptr endpoint, cptr reply)
{
    struct actor *a = actor_new(priority, flags, 0);
    (void)actor_step(a, SYSCALL_RECV, endpoint, reply, NULL);
    actor_step(a, SYSCALL_REPLY_RECV, endpoint, reply, NULL)->is_echo = true;
    a->repeats = true;
    actor_start(a);
    return a;
}

volatile const struct step *actor_result(const struct actor *actor, word i)
{
    CHECK(actor->done > i);
    return &actor->steps[i];
}

bool actor_waits_in(const struct actor *actor, word i)
{
    return actor->done == i && actor->count > i;
}

void sleep_ns(word ns)
{
    cptr ntfn = object_new(OBJECT_NOTIFICATION, 0), timer = object_new(OBJECT_TIMER, 0);
    OK(timer_bind(timer, ntfn, ROOT_SCHED_CONTEXT));
    OK(timer_set(timer, ticks_now() + ns_to_ticks(ns)));
    (void)notification_wait(ntfn);
}

bool slot_is_used(cptr slot)
{
    cptr spare = slot_new();
    enum error error = cnode_move(ROOT_CNODE, spare, ROOT_CNODE, slot);
    if (error != ERROR_NONE)
        EQUAL(error, ERROR_FAILED_LOOKUP);
    else
        OK(cnode_move(ROOT_CNODE, slot, ROOT_CNODE, spare));
    return error == ERROR_NONE;
}

cptr minted(cptr source, word rights, word badge)
{
    cptr slot = slot_new();
    OK(cnode_mint(ROOT_CNODE, slot, ROOT_CNODE, source, rights, badge));
    return slot;
}

enum error invoked(cptr object, enum invocation label, word length, struct message *m)
{
    return invoke(object, label, length, m);
}

void objects_of_all_types(cptr objects[OBJECT_TYPE_COUNT])
{
    objects[OBJECT_NULL] = 0;
    for (enum object_type type = OBJECT_UNTYPED; type < OBJECT_RETYPE_COUNT; type++)
        objects[type] = object_new(type, type == OBJECT_UNTYPED ? 14 : type == OBJECT_CNODE ? 4 : PAGE_BITS);
    objects[OBJECT_SCHED_CONTROL] = ROOT_SCHED_CONTROL;
    objects[OBJECT_IRQ_CONTROL] = ROOT_IRQ_CONTROL;
    objects[OBJECT_IRQ_HANDLER] = slot_new();
    OK(irq_control_get(ROOT_IRQ_CONTROL, TEST_IRQ, 0, ROOT_CNODE, objects[OBJECT_IRQ_HANDLER]));
    objects[OBJECT_POWER_CONTROL] = ROOT_POWER_CONTROL;
    objects[OBJECT_IO_PORT_CONTROL] = objects[OBJECT_IO_PORT] = 0;
#if defined(__x86_64__)
    objects[OBJECT_IO_PORT_CONTROL] = ROOT_IO_PORT_CONTROL;
    objects[OBJECT_IO_PORT] = slot_new();
    OK(io_port_control_issue(ROOT_IO_PORT_CONTROL, 0x80, 0x80, ROOT_CNODE, objects[OBJECT_IO_PORT]));
#endif
}

/* --- the log --- */

volatile word log_count, log_entries[LOG_ENTRIES];

void log_add(word what)
{
    if (log_count < LOG_ENTRIES)
        log_entries[log_count] = what;
    log_count = log_count + 1;
}

void log_wait(word count)
{
    cptr wait = object_new(OBJECT_NOTIFICATION, 0), timer = object_new(OBJECT_TIMER, 0);
    OK(timer_bind(timer, wait, ROOT_SCHED_CONTEXT));
    for (unsigned i = 0; i < 200 && log_count < count; i++) {
        OK(timer_set(timer, ticks_now() + ns_to_ticks(5000000)));
        EQUAL(notification_wait(wait), 1);
    }
    EQUAL(log_count, count);
}
