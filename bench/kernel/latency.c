/* How long interrupts wait: the longest stretch of kernel code with interrupts off, in instructions under -icount.
 *
 * A thread of high priority waits for a timer that fires at irregular moments, a few thousand instructions apart, while
 * the root task makes the kernel do what takes long. How late that thread runs, less how late it runs when nothing else
 * happens, is for how long the kernel held the interrupt up. The moments are many more than the stretches are long, so
 * the latest of them is close to the worst there is. One line a case: `bench latency_CASE VALUE`; the largest is the
 * row longest_interrupts_off. docs/latency.md has the table.
 */
#include "harness.h"

#define PRIORITY_OBSERVER 250
#define PRIORITY_ROOT     100
#define PRIORITY_CROWD    50
#define SAMPLES           2000 /* of each case */
#define CROWD             1000

#define LIFE_BITS  26
#define READ_WRITE (RIGHT_READ | RIGHT_WRITE)
#define TABLE_SPAN (1ul << 21)

#if defined(__x86_64__)
#define INSTRUCTIONS_PER_TICK 1
#else
#define INSTRUCTIONS_PER_TICK 16
#endif

/* --- the observer --- */

static cptr timer, alarm;
static volatile word deadline, worst, samples;
static word random_state = 1;

static word random_next(void)
{
    random_state = random_state * 6364136223846793005ul + 1442695040888963407ul;
    return random_state >> 40;
}

static void timer_arm(void)
{
    deadline = ticks_now() + (5000 + random_next() % 8192) / INSTRUCTIONS_PER_TICK;
    (void)timer_set(timer, deadline);
}

static void observer(word unused)
{
    (void)unused;
    for (;;) {
        (void)notification_wait(alarm);
        word late = (ticks_now() - deadline) * INSTRUCTIONS_PER_TICK;
        if (late > worst)
            worst = late;
        samples++;
        timer_arm();
    }
}

static void need(enum error error, const char *what)
{
    if (error != ERROR_NONE)
        give_up(what, error);
}

/* --- many threads, each waiting in one system call --- */

static char crowd_stack[256] __attribute__((aligned(16))); /* shared: none of them returns from its first function */
void thread_entry(void);

static void crowd_sender(word destination)
{
    for (;;) {
        struct message m = {0};
        (void)syscall_send((cptr)destination, &m);
    }
}

static void crowd_caller(word destination)
{
    for (;;) {
        struct message m = {0};
        (void)syscall_call((cptr)destination, &m);
    }
}

static void crowd_waiter(word destination)
{
    for (;;)
        (void)notification_wait((cptr)destination);
}

static void crowd_runner(word unused)
{
    (void)unused;
    for (;;) {
    }
}

static void crowd_thread(cptr tcb, cptr context, thread_function *function, word argument, word budget_ns)
{
    struct user_registers registers = {0};
#if defined(__x86_64__)
    registers.rip = (word)thread_entry;
    registers.rsp = (word)crowd_stack + sizeof(crowd_stack);
    registers.rdi = (word)function;
    registers.rsi = argument;
#else
    registers.pc = (word)thread_entry;
    registers.sp = (word)crowd_stack + sizeof(crowd_stack);
    registers.x[0] = (word)function;
    registers.x[1] = argument;
#endif
    need(sched_control_configure(ROOT_SCHED_CONTROL, context, budget_ns, 10000000, 0, 0), "SchedContext");
    need(tcb_configure(tcb, ROOT_CNODE, ROOT_VSPACE, 0, 0, 0), "TCB_CONFIGURE");
    need(tcb_set_sched_params(tcb, ROOT_TCB, 255, PRIORITY_CROWD, context), "TCB_SET_SCHED_PARAMS");
    need(tcb_write_registers(tcb, true, own_buffer, &registers), "TCB_WRITE_REGISTERS");
}

/* `count` threads that run `function`; they have blocked when this returns. The first one's TCB. */
static cptr crowd_new(word count, thread_function *function, word argument)
{
    cptr tcbs = objects_new(OBJECT_TCB, 0, count), contexts = objects_new(OBJECT_SCHED_CONTEXT, 0, count);
    need(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_CROWD - 1), "TCB_SET_PRIORITY");
    for (cptr i = 0; i < count; i++)
        crowd_thread(tcbs + i, contexts + i, function, argument, 10000000);
    need(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_ROOT), "TCB_SET_PRIORITY");
    return tcbs;
}

/* --- the cases: each does its work once; it is repeated until there are samples enough --- */

static void case_user(void)
{
    for (volatile int i = 0; i < 10000; i++) {
    }
}

static void case_retype_many(void)
{
    (void)objects_new(OBJECT_TCB, 0, 256);
    (void)objects_new(OBJECT_VSPACE, 0, 64);
    (void)objects_new(OBJECT_ENDPOINT, 0, 256);
    harness_revoke();
}

static void case_retype_large(void)
{
    (void)object_new(OBJECT_FRAME, 24);
    (void)object_new(OBJECT_CNODE, 18);
    harness_revoke();
}

/* Copies that nobody else holds, in a large CNode that goes with its last capability. */
static void case_delete_cnode(void)
{
    cptr cnode = object_new(OBJECT_CNODE, 17), endpoint = object_new(OBJECT_ENDPOINT, 0), inner;
    word done;
    need(cnode_copy(cnode, 1, ROOT_CNODE, endpoint, RIGHT_ALL), "CNODE_COPY");
    for (word have = 1; have < 4096; have += done)
        need(cnode_copy_range(cnode, 1 + have, cnode, 1, RIGHT_ALL, have < 4096 - have ? have : 4096 - have, &done),
             "CNODE_COPY");
    inner = object_new(OBJECT_CNODE, 10); /* and a CNode in it that holds itself */
    need(cnode_copy(inner, 5, ROOT_CNODE, inner, RIGHT_ALL), "CNODE_COPY");
    need(cnode_move(cnode, 100000, ROOT_CNODE, inner), "CNODE_MOVE");
    need(cnode_delete(ROOT_CNODE, cnode), "CNODE_DELETE");
    harness_revoke();
}

static void case_revoke_tree(void)
{
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), slots = slots_new(8192);
    for (cptr i = 0; i < 8192; i++)
        need(cnode_mint(ROOT_CNODE, slots + i, ROOT_CNODE, endpoint, RIGHT_ALL, 1 + i % 100), "CNODE_MINT");
    need(cnode_revoke(ROOT_CNODE, endpoint), "CNODE_REVOKE");
    harness_revoke();
}

static void case_delete_range(void)
{
    cptr slots = objects_new(OBJECT_NOTIFICATION, 0, 1024);
    need(cnode_delete_all(ROOT_CNODE, slots, 1024), "CNODE_DELETE");
    harness_revoke();
}

/* One frame of 32 MiB, by pages (its address is no multiple of 2 MiB) or by large entries. */
static void map_and_unmap(word address)
{
    cptr frame = object_new(OBJECT_FRAME, 25), page = object_new(OBJECT_FRAME, PAGE_BITS);
    word done, size = 1ul << 25;
    for (word at = 0; address % TABLE_SPAN != 0 && at <= size; at += TABLE_SPAN) /* makes the tables */
        map_page(ROOT_VSPACE, page, address + at, READ_WRITE, 0), need(frame_unmap(page, &done), "FRAME_UNMAP");
    if (address % TABLE_SPAN == 0)
        map_page(ROOT_VSPACE, page, address + size, READ_WRITE, 0);
    for (word at = 0; at < size; at += done)
        need(frame_map(frame, ROOT_VSPACE, address + at, READ_WRITE, 0, at, size - at, &done, NULL), "FRAME_MAP");
    need(frame_unmap(frame, &done), "FRAME_UNMAP");
    harness_revoke();
}

static void case_map_pages(void)
{
    map_and_unmap(0x2000000000ul + 0x10000);
}

static void case_map_large(void)
{
    map_and_unmap(0x2000000000ul);
}

/* 128 shared tables, each mapped in 64 other spaces; then the tables go, one half with the owner's VSpace. */
static void case_shared_tables(void)
{
    enum { TABLES = 128, GUESTS = 64 };
    word address = 0x40000000, done;
    cptr owner = object_new(OBJECT_VSPACE, 0), tables = objects_new(OBJECT_PAGE_TABLE, 0, TABLES);
    cptr upper = objects_new(OBJECT_PAGE_TABLE, 0, 2), frame = object_new(OBJECT_FRAME, 21), copies = slots_new(GUESTS);
    need(page_table_map(upper, owner, address, 3, 0), "PAGE_TABLE_MAP");
    need(page_table_map(upper + 1, owner, address, 2, 0), "PAGE_TABLE_MAP");
    for (cptr i = 0; i < TABLES; i++)
        need(page_table_map(tables + i, owner, address + i * TABLE_SPAN, 1, ATTRIBUTE_SHARED), "PAGE_TABLE_MAP");
    for (cptr i = 0; i < GUESTS; i++) {
        cptr guest = object_new(OBJECT_VSPACE, 0), levels = objects_new(OBJECT_PAGE_TABLE, 0, 2);
        need(page_table_map(levels, guest, address, 3, 0), "PAGE_TABLE_MAP");
        need(page_table_map(levels + 1, guest, address, 2, 0), "PAGE_TABLE_MAP");
        need(cnode_copy(ROOT_CNODE, copies + i, ROOT_CNODE, tables, RIGHT_ALL), "CNODE_COPY");
        need(page_table_map(copies + i, guest, address, 1, ATTRIBUTE_SHARED), "PAGE_TABLE_MAP");
    }
    for (word at = 0; at < TABLE_SPAN; at += done)
        need(frame_map(frame, owner, address + TABLE_SPAN / 2 + at, RIGHT_READ, 0, at, TABLE_SPAN - at, &done, NULL),
             "FRAME_MAP");
    need(frame_unmap(frame, &done), "FRAME_UNMAP");
    for (cptr i = 0; i < TABLES / 2; i++)
        need(page_table_unmap(tables + i), "PAGE_TABLE_UNMAP");
    need(cnode_delete(ROOT_CNODE, owner), "CNODE_DELETE");
    harness_revoke();
}

static void case_caches(void)
{
    cptr frame = object_new(OBJECT_FRAME, 20);
    word done;
    need(frame_clean(frame, 0, 1 << 20, &done), "FRAME_CLEAN");
    need(frame_sync_code(frame, 0, 1 << 20, &done), "FRAME_SYNC_CODE");
    harness_revoke();
}

static void case_endpoint_senders(void)
{
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0);
    (void)crowd_new(CROWD, crowd_sender, endpoint);
    need(cnode_delete(ROOT_CNODE, endpoint), "CNODE_DELETE");
    harness_revoke();
}

static void case_notification_waiters(void)
{
    cptr notification = object_new(OBJECT_NOTIFICATION, 0);
    (void)crowd_new(CROWD, crowd_waiter, notification);
    need(cnode_delete(ROOT_CNODE, notification), "CNODE_DELETE");
    harness_revoke();
}

/* The walk passes all senders but the last. */
static void case_cancel_badged(void)
{
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), badged = slots_new(2);
    for (cptr i = 0; i < 2; i++)
        need(cnode_mint(ROOT_CNODE, badged + i, ROOT_CNODE, endpoint, RIGHT_ALL, 1 + i), "CNODE_MINT");
    (void)crowd_new(CROWD, crowd_sender, badged);
    (void)crowd_new(1, crowd_sender, badged + 1);
    for (int i = 0; i < 64; i++)
        need(cnode_cancel_badged_sends(ROOT_CNODE, badged + 1), "CNODE_CANCEL_BADGED_SENDS");
    need(cnode_cancel_badged_sends(ROOT_CNODE, badged), "CNODE_CANCEL_BADGED_SENDS");
    harness_revoke();
}

/* A server that took a thousand calls dies. */
static cptr served_endpoint, served_replies;
static void hoarder(word count)
{
    for (cptr i = 0; i < count; i++) {
        struct message m;
        word badge;
        (void)syscall_recv(served_endpoint, served_replies + i, &m, &badge);
    }
}

static void case_server_death(void)
{
    served_endpoint = object_new(OBJECT_ENDPOINT, 0);
    served_replies = objects_new(OBJECT_REPLY, 0, CROWD);
    struct thread *server = thread_new(hoarder, CROWD, PRIORITY_ROOT + 1, 0);
    thread_start(server);
    (void)crowd_new(CROWD, crowd_caller, served_endpoint);
    need(cnode_delete(ROOT_CNODE, server->tcb), "CNODE_DELETE");
    harness_revoke();
}

/* A thousand timers that expire at one instant, each with a notification and a context that is charged. */
static void case_timers(void)
{
    cptr timers = objects_new(OBJECT_TIMER, 0, CROWD), contexts = objects_new(OBJECT_SCHED_CONTEXT, 0, CROWD);
    cptr notification = object_new(OBJECT_NOTIFICATION, 0);
    word together = ticks_now() + 4000000 / INSTRUCTIONS_PER_TICK;
    for (cptr i = 0; i < CROWD; i++) {
        need(sched_control_configure(ROOT_SCHED_CONTROL, contexts + i, 1000000, 10000000, 6, 0), "SchedContext");
        need(timer_bind(timers + i, notification, contexts + i), "TIMER_BIND");
        need(timer_set(timers + i, together), "TIMER_SET");
    }
    while (ticks_now() < together + 1000000 / INSTRUCTIONS_PER_TICK) {
    }
    harness_revoke();
}

/* A thousand threads whose budget is used up are ready to be chosen, and later have it back at one instant. */
static void case_budgets(void)
{
    cptr tcbs = objects_new(OBJECT_TCB, 0, CROWD), contexts = objects_new(OBJECT_SCHED_CONTEXT, 0, CROWD);
    cptr timers = objects_new(OBJECT_TIMER, 0, CROWD), notification = object_new(OBJECT_NOTIFICATION, 0);
    for (cptr i = 0; i < CROWD; i++) {
        crowd_thread(tcbs + i, contexts + i, crowd_runner, 0, 10000);
        need(timer_bind(timers + i, notification, contexts + i), "TIMER_BIND");
    }
    for (int round = 0; round < 10; round++) /* each expiry is charged to a context that waits in the ready queue */
        for (cptr i = 0; i < CROWD; i++)
            need(timer_set(timers + i, 0), "TIMER_SET");
    /* Let the crowd run: all of them are looked at, found without budget and put aside. */
    need(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_CROWD - 1), "TCB_SET_PRIORITY");
    spin_ns(15000000);
    need(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_ROOT), "TCB_SET_PRIORITY");
    harness_revoke();
}

/* Of a thousand ready threads of one priority, each gets another one. */
static void case_priorities(void)
{
    cptr tcbs = objects_new(OBJECT_TCB, 0, CROWD), contexts = objects_new(OBJECT_SCHED_CONTEXT, 0, CROWD);
    for (cptr i = 0; i < CROWD; i++)
        crowd_thread(tcbs + i, contexts + i, crowd_runner, 0, 10000000);
    for (cptr i = 0; i < CROWD; i++)
        need(tcb_set_priority(tcbs + (i * 7) % CROWD, ROOT_TCB, PRIORITY_CROWD + i % 2), "TCB_SET_PRIORITY");
    harness_revoke();
}

static const struct latency_case {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"retype_many", case_retype_many},
    {"retype_large", case_retype_large},
    {"delete_cnode", case_delete_cnode},
    {"delete_range", case_delete_range},
    {"revoke_tree", case_revoke_tree},
    {"map_pages", case_map_pages},
    {"map_large", case_map_large},
    {"shared_tables", case_shared_tables},
    {"caches", case_caches},
    {"endpoint_senders", case_endpoint_senders},
    {"notification_waiters", case_notification_waiters},
    {"cancel_badged", case_cancel_badged},
    {"server_death", case_server_death},
    {"budgets", case_budgets},
    {"priorities", case_priorities},
};

/* The latest sample while `run` is repeated. */
static word latest(void (*run)(void))
{
    worst = samples = 0;
    while (samples < SAMPLES) {
        harness_mark(LIFE_BITS);
        run();
        harness_release();
    }
    return worst;
}

int main(void)
{
    word longest = 0;
    need(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_ROOT), "TCB_SET_PRIORITY");
    alarm = object_new(OBJECT_NOTIFICATION, 0);
    timer = object_new(OBJECT_TIMER, 0);
    struct thread *watcher = thread_new(observer, 0, PRIORITY_OBSERVER, 0);
    need(timer_bind(timer, alarm, watcher->sched_context), "TIMER_BIND");
    thread_start(watcher);
    timer_arm();
    word usual = latest(case_user);
    say("bench latency_user %u\n", usual);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        word late = latest(cases[i].run), stretch = late > usual ? late - usual : 0;
        say("bench latency_%s %u\n", cases[i].name, stretch);
        longest = stretch > longest ? stretch : longest;
    }
    say("bench longest_interrupts_off %u\n", longest);
    /* A timer waits for those that expire before it: no stretch, since there are interrupts in between. */
    say("bench timer_expiry %u\n", latest(case_timers) / CROWD);
    say("bench end\n");
    return 0;
}
