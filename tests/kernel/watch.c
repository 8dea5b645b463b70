/* What a failing case prints, and the thread that ends one that hangs or faults.
 *
 * The watchdog has the highest priority and waits on an endpoint: the root task's faults come there, and so does its
 * timer's signal, through its bound notification. It prints what there is to see, takes the case's objects back (so
 * that nobody holds the root task's scheduling context) and sends the root task on in root_gives_up.
 */
#include "watch.h"

#define LIMIT_NS    4000000000ul
#define FAULT_BADGE 0x7e57
#define NOTES       8

static cptr endpoint, reply, timer, spare;
static struct thread *watchdog;
static bool kernel_can_dump;
static struct {
    const char *name;
    word value;
} notes[NOTES];
static char rescue_stack[4096] __attribute__((aligned(16)));

void case_note(const char *name, word value)
{
    unsigned i = 0;
    while (i < NOTES - 1 && notes[i].name != NULL && notes[i].name != name)
        i++;
    notes[i].name = name;
    notes[i].value = value;
}

static const char *const syscall_names[SYSCALL_COUNT] = {"Call",   "ReplyRecv", "Send",   "NBSend", "Recv",
                                                         "NBRecv", "Wait",      "NBWait", "Yield"};

static void actor_print(const struct actor *actor)
{
    for (word i = 0; i < actor->count; i++) {
        volatile const struct step *s = &actor->steps[i];
        say("        step %u: %s", i, syscall_names[s->number]);
        if (i < actor->done)
            say(" -> status %u, badge 0x%x, info 0x%x, words 0x%x 0x%x\n", (word)s->status, s->destination, s->m.info,
                s->m.words[0], s->m.words[1]);
        else
            say(" (0x%x) %s\n", s->destination, i == actor->done ? "<- here" : "");
    }
}

/* The calling thread's buffer serves for the registers. */
static void thread_print(const struct thread *t, struct ipc_buffer *buffer)
{
    struct user_registers r;
    /* An invocation of an empty slot would be a fault: look by way of a copy. */
    say("    thread %u: tcb %u, context %u", t->index, (word)t->tcb, (word)t->sched_context);
    if (cnode_copy(ROOT_CNODE, spare, ROOT_CNODE, t->tcb, RIGHT_ALL) != ERROR_NONE) {
        say(": deleted\n");
    } else if (tcb_read_registers(spare, false, buffer, &r) != ERROR_NONE) {
        say(": no registers\n");
    } else {
        say(", pc 0x%x, sp 0x%x\n", registers_pc(&r), registers_sp(&r));
        if (kernel_can_dump)
            debug_dump(spare);
    }
    (void)cnode_delete(ROOT_CNODE, spare);
    for (word i = 0; actor_at(i) != NULL; i++)
        if (actor_at(i)->thread == t)
            actor_print(actor_at(i));
}

void case_report(struct ipc_buffer *buffer)
{
    for (unsigned i = 0; i < NOTES && notes[i].name != NULL; i++)
        say("    with %s = %u (0x%x)\n", notes[i].name, notes[i].value, notes[i].value);
    for (word i = 0; thread_at(i) != NULL; i++)
        thread_print(thread_at(i), buffer);
}

/* Where the root task finds itself after the watchdog has ended its case. */
static _Noreturn void root_gives_up(void)
{
    case_end_failed();
}

static void root_rescue(void)
{
    struct user_registers r = {0};
    word sp = (word)rescue_stack + sizeof(rescue_stack);
    harness_revoke();
    (void)tcb_suspend(ROOT_TCB);
    (void)sched_context_unbind(ROOT_SCHED_CONTEXT);
    (void)sched_context_bind(ROOT_SCHED_CONTEXT, ROOT_TCB);
    registers_set_pc(&r, (word)root_gives_up);
#if defined(__x86_64__)
    r.rsp = sp - 8; /* as after a call */
#else
    r.sp = sp;
#endif
    if (tcb_write_registers(ROOT_TCB, true, watchdog->buffer, &r) != ERROR_NONE)
        give_up("the root task cannot be revived", 0);
}

static void watch(word unused)
{
    (void)unused;
    for (;;) {
        struct message m;
        word badge;
        struct user_registers r = {0};
        (void)syscall_recv(endpoint, reply, &m, &badge);
        if (badge == FAULT_BADGE) {
            say("FAILED\n    the root task faults: kind %u (0x%x 0x%x 0x%x) at pc 0x%x, sp 0x%x\n",
                message_info_label(m.info), m.words[2], m.words[3], m.words[4], m.words[0], m.words[1]);
        } else {
            (void)tcb_read_registers(ROOT_TCB, true, watchdog->buffer, &r);
            say("FAILED\n    nothing has come of it; the root task is at pc 0x%x, sp 0x%x\n", registers_pc(&r),
                registers_sp(&r));
        }
        case_report(watchdog->buffer);
        root_rescue();
    }
}

static void dumps(word unused)
{
    (void)unused;
    debug_dump(0);
}

/* A kernel without debug calls answers with a fault. */
static bool kernel_dumps(void)
{
    cptr faults = object_new(OBJECT_ENDPOINT, 0), answer = object_new(OBJECT_REPLY, 0);
    struct message m;
    word badge;
    thread_start(thread_new(dumps, 0, PRIORITY_HIGH, faults));
    (void)syscall_nbrecv(faults, answer, &m, &badge);
    return m.info == 0;
}

void watch_start(void)
{
    cptr notification = object_new(OBJECT_NOTIFICATION, 0), badged = slot_new();
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    timer = object_new(OBJECT_TIMER, 0);
    spare = slot_new();
    watchdog = thread_new(watch, 0, 255, 0);
    enum error error = tcb_bind_notification(watchdog->tcb, notification);
    if (error == ERROR_NONE)
        error = timer_bind(timer, notification, ROOT_SCHED_CONTEXT);
    if (error == ERROR_NONE)
        error = cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, endpoint, RIGHT_ALL, FAULT_BADGE);
    if (error == ERROR_NONE)
        error = tcb_set_space(ROOT_TCB, ROOT_CNODE, ROOT_VSPACE, badged);
    if (error != ERROR_NONE)
        give_up("the watchdog cannot be set up", error);
    thread_start(watchdog);
    kernel_can_dump = kernel_dumps();
}

void watch_begin(void)
{
    for (unsigned i = 0; i < NOTES; i++)
        notes[i].name = NULL;
    (void)timer_set(timer, ticks_now() + ns_to_ticks(LIMIT_NS));
}

void watch_end(void)
{
    (void)timer_cancel(timer);
}
