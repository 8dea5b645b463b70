/* Servers of the root task that fail: each is started again as the description says, or the system ends with a verdict.
 *
 * Two threads. The watcher receives the faults and does one thing at once: it unmakes the thread that faulted, so that
 * whoever called that server, the root task itself perhaps, is not kept waiting (ERROR_ABORTED). All else is the main
 * thread's, which is told by a signal. Is that one in the middle of a call, the server that it calls is unmade, too: it
 * may wait for the one that failed, and would wait for ever.
 *
 * The process server is not started again: memory and capabilities of all programs are its own, and go with it.
 */
#include "proto/console.h"
#include "root.h"
#include "tessera/clock.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define WATCHER_STACK_BYTES 4096
#define PERIOD_NS           10000000ul

/* The watcher is above the main thread, which sees nothing half done, however long a deletion takes. */
enum { PRIORITY_WATCHER = 255, PRIORITY_MAIN = 254 };

static struct supervised {
    volatile bool has_failed;     /* set by the watcher */
    volatile bool is_taken_along; /* nothing is wrong with it: see watcher_main */
    bool has_exited;
    word fault, words[5];
    uint64_t started_ticks;
    uint64_t due_ticks; /* it waits to be started again */
    uint32_t count;
    char news[200]; /* to be told once all run again; "": none */
} supervised[SERVER_COUNT];

static uint8_t watcher_stack[WATCHER_STACK_BYTES] __attribute__((aligned(16)));
static struct root *watched;
static cptr fault_endpoint, watcher_reply, failure_signal, timer;
static volatile cptr callee_cap; /* by which the main thread calls */

/* ---- the watcher --------------------------------------------------------------------------------------------- */

static void thread_unmake(enum server which)
{
    supervised[which].has_failed = true;
    (void)cnode_delete(ROOT_CNODE, watched->tasks[which].tcb);
}

_Noreturn static void watcher_main(void)
{
    for (;;) {
        struct message m;
        word badge;
        (void)syscall_recv(fault_endpoint, watcher_reply, &m, &badge);
        enum server which = (enum server)(badge - 1), callee = watched->callee; /* no other badges exist */
        struct supervised *self = &supervised[which];
        self->fault = message_info_label(m.info);
        for (unsigned i = 0; i < sizeof(self->words) / sizeof(self->words[0]); i++)
            self->words[i] = m.words[i];
        self->is_taken_along = false;
        thread_unmake(which);
        if (callee != SERVER_COUNT && !supervised[callee].has_failed) {
            supervised[callee].is_taken_along = true;
            thread_unmake(callee);
        }
        if (callee != SERVER_COUNT) /* where the call was not received yet, by whichever of the two */
            (void)cnode_cancel_badged_sends(ROOT_CNODE, callee_cap);
        notification_signal(failure_signal);
    }
}

static void watcher_registers(struct user_registers *registers)
{
    uint64_t top = (uint64_t)(uintptr_t)watcher_stack + WATCHER_STACK_BYTES;
    *registers = (struct user_registers){0};
#if defined(__x86_64__)
    registers->rip = (uint64_t)(uintptr_t)watcher_main;
    registers->rsp = top - 8; /* as after a call */
    registers->rflags = 0x202;
#else
    registers->pc = (uint64_t)(uintptr_t)watcher_main;
    registers->sp = top;
#endif
}

static cptr signal_mint(struct root *root, word badge)
{
    cptr slot = root_slot(root);
    if (cnode_mint(ROOT_CNODE, slot, ROOT_CNODE, root->notification, RIGHT_SEND, badge) != ERROR_NONE)
        root_fail(root, "root: no signal for the watcher\n");
    return slot;
}

void supervise_open(struct root *root)
{
    struct user_registers registers;
    cptr tcb = root_object(root, OBJECT_TCB, 0), context = root_object(root, OBJECT_SCHED_CONTEXT, 0);
    watched = root;
    root->callee = SERVER_COUNT;
    root->notification = root_object(root, OBJECT_NOTIFICATION, 0);
    fault_endpoint = root_object(root, OBJECT_ENDPOINT, 0);
    watcher_reply = root_object(root, OBJECT_REPLY, 0);
    timer = root_object(root, OBJECT_TIMER, 0);
    failure_signal = signal_mint(root, ROOT_SIGNAL);
    watcher_registers(&registers);
    if (tcb_bind_notification(ROOT_TCB, root->notification) != ERROR_NONE ||
        timer_bind(timer, failure_signal, ROOT_SCHED_CONTEXT) != ERROR_NONE ||
        tcb_configure(tcb, ROOT_CNODE, ROOT_VSPACE, 0, 0, 0) != ERROR_NONE ||
        sched_control_configure(ROOT_SCHED_CONTROL, context, PERIOD_NS, PERIOD_NS, 0, 0) != ERROR_NONE ||
        tcb_set_sched_params(tcb, ROOT_TCB, 0, PRIORITY_WATCHER, context) != ERROR_NONE ||
        tcb_set_sched_params(ROOT_TCB, ROOT_TCB, PRIORITY_WATCHER, PRIORITY_MAIN, ROOT_SCHED_CONTEXT) != ERROR_NONE ||
        tcb_write_registers(tcb, true, server_buffer(), &registers) != ERROR_NONE)
        root_fail(root, "root: the watcher does not start\n");
}

cptr supervise_fault_endpoint(struct root *root, enum server which)
{
    static cptr slots[SERVER_COUNT];
    if (!slots[which]) {
        slots[which] = root_slot(root);
        if (cnode_mint(ROOT_CNODE, slots[which], ROOT_CNODE, fault_endpoint, RIGHT_CALL | RIGHT_GRANT,
                       BADGE_SERVER(which)) != ERROR_NONE)
            root_fail(root, "root: server '%s': no fault endpoint\n", server_name(which));
    }
    supervised[which].started_ticks = clock_ticks();
    return slots[which];
}

/* ---- the main thread ----------------------------------------------------------------------------------------- */

void supervise_exited(struct root *root, enum server which)
{
    (void)cnode_delete(ROOT_CNODE, root->tasks[which].tcb);
    supervised[which].has_exited = true;
    supervised[which].has_failed = true;
}

/* Without a word about it in the description: when it faults, at once, not too often. */
static struct restart_policy policy_of(const struct root *root, enum server which)
{
    struct restart_policy policy = {SYSTEM_RESTART_FAILURE, 16, 0};
    for (uint32_t i = 0; i < root->system->restart_count; i++) {
        const struct system_restart_rule *rule = system_restart_at(root->system, i);
        if (text_equal(system_text(root->system, rule->name), server_name(which)))
            policy = (struct restart_policy){rule->when, rule->limit, rule->pause_ms};
    }
    if (which == SERVER_PROCESS)
        policy.when = SYSTEM_RESTART_NEVER;
    return policy;
}

static void ending_text(enum server which, char *text, size_t size)
{
    const struct supervised *self = &supervised[which];
    if (self->has_exited)
        text_format(text, size, "server '%s' has ended", server_name(which));
    else
        text_format(text, size, "server '%s' failed: fault %lu at 0x%lx, address 0x%lx, detail 0x%lx 0x%lx",
                    server_name(which), self->fault, self->words[0], self->words[2], self->words[3], self->words[4]);
}

_Noreturn static void give_up(struct root *root, enum server which, const char *text, const char *why)
{
    /* Without them nobody writes but the root task itself. */
    if (which == SERVER_UART || which == SERVER_CONSOLE || which == SERVER_LINE)
        root->has_console = false;
    root_fail(root, "root: %s; %s\n", text, why);
}

static void start_again(struct root *root, enum server which)
{
    supervised[which].due_ticks = 0;
    supervised[which].has_exited = false;
    server_start(root, which);
}

static void handle_failure(struct root *root, enum server which)
{
    struct supervised *self = &supervised[which];
    struct restart_policy policy = policy_of(root, which);
    char text[140];
    uint64_t pause_ms;
    uint64_t lived_ns =
        clock_ns(clock_ticks() - self->started_ticks, root->boot->timer_multiplier, root->boot->timer_shift);
    ending_text(which, text, sizeof(text));
    self->has_failed = false;
    if (self->is_taken_along) {
        self->is_taken_along = false;
        server_unmake(root, which);
        start_again(root, which);
        return;
    }
    if (which == SERVER_PROCESS)
        give_up(root, which, text, "memory and capabilities of every program were its own: the system ends");
    if (policy.when == SYSTEM_RESTART_NEVER)
        give_up(root, which, text, "the description says that it is not started again");
    if (self->has_exited && policy.when != SYSTEM_RESTART_ALWAYS)
        give_up(root, which, text, "it has said what it lacks");
    if (!restart_next(&policy, &self->count, lived_ns, &pause_ms))
        give_up(root, which, text, "it fails again and again");
    server_unmake(root, which);
    if (pause_ms == 0)
        start_again(root, which);
    else
        self->due_ticks = clock_ticks() + clock_ticks_of(pause_ms * 1000000, root->boot->timer_hz);
    (void)text_format(self->news, sizeof(self->news), "root: %s, and was started again after %lu ms, time %u\n", text,
                      pause_ms, self->count);
}

/* Those whose time has come; the timer for the others. */
static void start_due(struct root *root)
{
    uint64_t next = 0;
    for (enum server which = 0; which < SERVER_COUNT; which++) {
        uint64_t due = supervised[which].due_ticks;
        if (due && due <= clock_ticks())
            start_again(root, which);
        else if (due && (next == 0 || due < next))
            next = due;
    }
    if (next)
        (void)timer_set(timer, next);
}

/* Telling goes through servers that may fail meanwhile, which leads here again. */
static void news_tell(struct root *root)
{
    static bool is_telling;
    if (is_telling)
        return;
    is_telling = true;
    for (enum server which = 0; which < SERVER_COUNT; which++) {
        char text[sizeof(supervised[which].news)];
        memcpy(text, supervised[which].news, sizeof(text));
        supervised[which].news[0] = 0;
        if (text[0])
            root_say(root, "%s", text);
    }
    is_telling = false;
}

void supervise_check(struct root *root)
{
    for (enum server which = 0; which < SERVER_COUNT; which++)
        while (supervised[which].has_failed)
            handle_failure(root, which);
    start_due(root);
    news_tell(root);
}

/* A badge of its own, by which the watcher finds the call in the endpoint's queue. */
#define BADGE_MAIN (1ul << 40)

cptr supervise_cap(struct root *root, cptr endpoint)
{
    cptr slot = root_slot(root);
    if (cnode_mint(ROOT_CNODE, slot, ROOT_CNODE, endpoint, RIGHT_ALL, BADGE_MAIN) != ERROR_NONE)
        root_fail(root, "root: no capability to a server\n");
    return slot;
}

enum error supervise_call(struct root *root, enum server which, cptr cap, struct message *m)
{
    if (supervised[which].has_failed || supervised[which].due_ticks)
        return ERROR_ABORTED;
    callee_cap = cap;
    root->callee = which;
    enum error status = syscall_call(cap, m);
    root->callee = SERVER_COUNT;
    return status;
}

void supervise_wait(struct root *root, enum server which)
{
    supervise_check(root);
    while (supervised[which].due_ticks) {
        (void)notification_wait(root->notification);
        supervise_check(root);
    }
}
