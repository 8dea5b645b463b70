/* How long interrupts wait: the longest stretch of kernel code with interrupts off, in instructions under -icount.
 *
 * The root task makes the kernel do what takes long, while a timer falls due at the first instruction of every entry
 * into the kernel (probe.h says how). How late the thread runs that waits for it, less how late it runs when only a
 * user loop is interrupted, is for how long the kernel held the interrupt up. One line a case: `bench latency_CASE
 * VALUE`; the largest is the row longest_interrupts_off. docs/latency.md has the table.
 */
#include "probe.h"

#define PRIORITY_ROOT  100
#define PRIORITY_CROWD 50
#define CROWD          1000
#define CROWD_PROBED   100 /* how a larger one is made is not observed */

#define LIFE_BITS  26
#define READ_WRITE (RIGHT_READ | RIGHT_WRITE)
#define TABLE_SPAN (1ul << 21)

/* What tessera/syscall.h leaves to this program. */
enum error syscall_trap(enum syscall number, word *destination, struct message *m)
{
    return probe_call(number, destination, m);
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

static void thread_make(cptr tcb, cptr context, thread_function *function, word argument, word stack_top,
                        word budget_ns)
{
    struct user_registers registers = {0};
#if defined(__x86_64__)
    registers.rip = (word)thread_entry;
    registers.rsp = stack_top;
    registers.rdi = (word)function;
    registers.rsi = argument;
#else
    registers.pc = (word)thread_entry;
    registers.sp = stack_top;
    registers.x[0] = (word)function;
    registers.x[1] = argument;
#endif
    need(sched_control_configure(ROOT_SCHED_CONTROL, context, budget_ns, 10000000, 0, 0), "SchedContext");
    need(tcb_configure(tcb, ROOT_CNODE, ROOT_VSPACE, 0, 0, 0), "TCB_CONFIGURE");
    need(tcb_set_sched_params(tcb, ROOT_TCB, 255, PRIORITY_CROWD, context), "TCB_SET_SCHED_PARAMS");
    need(tcb_write_registers(tcb, true, own_buffer, &registers), "TCB_WRITE_REGISTERS");
}

static void crowd_thread(cptr tcb, cptr context, thread_function *function, word argument, word budget_ns)
{
    thread_make(tcb, context, function, argument, (word)crowd_stack + sizeof(crowd_stack), budget_ns);
}

/* `count` threads that run `function`; they have blocked when this returns. The first one's TCB. */
static cptr crowd_new(word count, thread_function *function, word argument)
{
    bool is_probed = probe_switch(false);
    (void)probe_switch(is_probed && count <= CROWD_PROBED);
    cptr tcbs = objects_new(OBJECT_TCB, 0, count), contexts = objects_new(OBJECT_SCHED_CONTEXT, 0, count);
    need(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_CROWD - 1), "TCB_SET_PRIORITY");
    for (cptr i = 0; i < count; i++)
        crowd_thread(tcbs + i, contexts + i, function, argument, 10000000);
    need(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_ROOT), "TCB_SET_PRIORITY");
    (void)probe_switch(is_probed);
    return tcbs;
}

/* --- the cases: each does its work once --- */

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

static void case_threads_new(void)
{
    (void)crowd_new(CROWD_PROBED, crowd_sender, object_new(OBJECT_ENDPOINT, 0));
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

/* Thousands of timers, each with a notification and a context that is charged; `together` of them expire at one
 * instant, the next ones `apart` later. The first instant. */
#define TIMERS 4000
static word timers_arm(cptr notification, word together, word apart)
{
    cptr timers = objects_new(OBJECT_TIMER, 0, TIMERS), contexts = objects_new(OBJECT_SCHED_CONTEXT, 0, TIMERS);
    word first = ticks_now() + 40000000 / INSTRUCTIONS_PER_TICK;
    for (cptr i = 0; i < TIMERS; i++) {
        need(sched_control_configure(ROOT_SCHED_CONTROL, contexts + i, 1000000, 10000000, 6, 0), "SchedContext");
        need(timer_bind(timers + i, notification, contexts + i), "TIMER_BIND");
        need(timer_set(timers + i, first + i * 1237 % TIMERS / together * apart), "TIMER_SET");
    }
    return first;
}

/* How late a timer is that is due right behind them all. */
static word timers_late(void)
{
    harness_mark(LIFE_BITS);
    word together = timers_arm(object_new(OBJECT_NOTIFICATION, 0), TIMERS, 0);
    word late = probe_late(together + 1);
    harness_release();
    return late;
}

/* As many at one instant as one interrupt serves, thousands behind them, and for each a thread that wakes. The observer
 * cannot be asked, since its own timer waits behind the others: what counts is for how long a user loop does not come
 * to its next instruction. */
static word timers_stretch(void)
{
    enum { AT_ONCE = 4 };
    word longest = 0, apart = 20000 / INSTRUCTIONS_PER_TICK;
    harness_mark(LIFE_BITS);
    cptr notification = object_new(OBJECT_NOTIFICATION, 0);
    (void)crowd_new(CROWD, crowd_waiter, notification);
    word end = timers_arm(notification, AT_ONCE, apart) + TIMERS / AT_ONCE * apart;
    for (word last = counter_read(), now; ticks_now() < end; last = now) {
        now = counter_read();
        longest = now - last > longest ? now - last : longest;
    }
    harness_release();
    return longest;
}

/* A thousand ready threads, of which all but every hundredth have used their budgets up: an expiry was charged to each.
 * They have them back one after the other or, as near as makes no difference, at one instant, which is returned. */
#define BUDGETS_PERIOD_NS 40000000
static word budgets_new(bool at_once)
{
    enum { APART = 32 }; /* instructions: so that their order does not depend on the clock's rounding */
    cptr tcbs = objects_new(OBJECT_TCB, 0, CROWD), contexts = objects_new(OBJECT_SCHED_CONTEXT, 0, CROWD);
    cptr charging = object_new(OBJECT_TIMER, 0), notification = object_new(OBJECT_NOTIFICATION, 0);
    word instant = ticks_now() + ns_to_ticks(BUDGETS_PERIOD_NS);
    for (cptr i = 0; i < CROWD; i++) {
        word own = instant + i * APART / INSTRUCTIONS_PER_TICK;
        word period = at_once ? ticks_to_ns(own - ticks_now()) : BUDGETS_PERIOD_NS;
        crowd_thread(tcbs + i, contexts + i, crowd_runner, 0, 10000);
        need(sched_control_configure(ROOT_SCHED_CONTROL, contexts + i, 10000, period, 0, 0), "SchedContext");
        need(timer_bind(charging, notification, contexts + i), "TIMER_BIND");
        if (i % 100 != 0)
            need(timer_set(charging, 0), "TIMER_SET");
    }
    return instant;
}

static void case_budgets(void)
{
    bool is_probed = probe_switch(false);
    (void)budgets_new(false);
    (void)probe_switch(is_probed);
    /* Let the crowd run: where a budget ends, the next ninety-nine are looked at and put aside. */
    need(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_CROWD - 1), "TCB_SET_PRIORITY");
    spin_ns(BUDGETS_PERIOD_NS);
    need(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_ROOT), "TCB_SET_PRIORITY");
    harness_revoke();
}

/* What it takes, all in all, of a user loop's time when they all come back. */
static word budgets_stolen(void)
{
    enum { LOOP = 100 /* instructions: a turn takes less */ };
    word stolen = 0;
    harness_mark(LIFE_BITS);
    word end = budgets_new(true) + 2000000 / INSTRUCTIONS_PER_TICK;
    /* Who has none is put aside, who has some uses it up. */
    need(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_CROWD - 1), "TCB_SET_PRIORITY");
    need(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_ROOT), "TCB_SET_PRIORITY");
    for (word last = counter_read(), now; ticks_now() < end; last = now) {
        now = counter_read();
        stolen += now - last > LOOP ? now - last : 0;
    }
    harness_release();
    return stolen;
}

/* Of a thousand ready threads of one priority, each gets another one. */
static void case_priorities(void)
{
    cptr tcbs = objects_new(OBJECT_TCB, 0, CROWD), contexts = objects_new(OBJECT_SCHED_CONTEXT, 0, CROWD);
    bool is_probed = probe_switch(false);
    for (cptr i = 0; i < CROWD; i++)
        crowd_thread(tcbs + i, contexts + i, crowd_runner, 0, 10000000);
    (void)probe_switch(is_probed);
    for (cptr i = 0; i < CROWD; i++)
        need(tcb_set_priority(tcbs + (i * 7) % CROWD, ROOT_TCB, PRIORITY_CROWD + i % 2), "TCB_SET_PRIORITY");
    harness_revoke();
}

/* A CNode of 2^20 slots, filled by range and revoked, then destroyed. */
static void case_cnode_large(void)
{
    enum { COPIES = 2048 };
    cptr cnode = object_new(OBJECT_CNODE, 20), endpoint = object_new(OBJECT_ENDPOINT, 0), copy = slot_new();
    word done;
    need(cnode_copy(cnode, 1, ROOT_CNODE, endpoint, RIGHT_ALL), "CNODE_COPY");
    for (word have = 1; have < COPIES; have += done)
        need(cnode_copy_range(cnode, 1 + have, cnode, 1, RIGHT_ALL, have < COPIES - have ? have : COPIES - have, &done),
             "CNODE_COPY");
    need(cnode_revoke(ROOT_CNODE, endpoint), "CNODE_REVOKE");
    need(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, cnode, RIGHT_ALL), "CNODE_COPY");
    need(cnode_move(cnode, (1 << 20) - 1, ROOT_CNODE, cnode), "CNODE_MOVE"); /* it holds itself, too */
    need(cnode_delete(ROOT_CNODE, copy), "CNODE_DELETE");
    harness_revoke();
}

/* A frame of 1 GiB (of device memory, so that none need be there), by entries of every size; the tables remain. */
#define GIANT_BITS 30
#define GIANT_BASE 0x3000000000ul
static void giant_map(cptr frame, word address, word bytes, word attributes)
{
    word done;
    for (word at = 0; at < bytes; at += done) {
        word missing;
        done = 0;
        enum error error =
            frame_map(frame, ROOT_VSPACE, address + at, READ_WRITE, attributes, at, bytes - at, &done, &missing);
        if (error != ERROR_FAILED_LOOKUP) {
            need(error, "FRAME_MAP");
            continue;
        }
        word reach = 1ul << (PAGE_BITS + 9 * missing);
        need(page_table_map(object_new(OBJECT_PAGE_TABLE, 0), ROOT_VSPACE, (address + at) & ~(reach - 1), missing, 0),
             "PAGE_TABLE_MAP");
    }
}

static void case_map_giant(void)
{
    cptr frame = slot_new(), copy = slot_new();
    word done, size = 1ul << GIANT_BITS;
    enum error error = ERROR_NOT_ENOUGH_MEMORY;
    for (uint32_t i = 0; i < boot->untyped_count && error != ERROR_NONE; i++)
        if (boot->untypeds[i].kind == BOOT_UNTYPED_DEVICE && boot->untypeds[i].size_bits >= GIANT_BITS)
            error = untyped_retype_all(boot->untyped_first + i, OBJECT_FRAME, GIANT_BITS, ROOT_CNODE, frame, 1);
    need(error, "no gibibyte of device memory");
    need(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, frame, RIGHT_ALL), "CNODE_COPY");
    giant_map(copy, GIANT_BASE, size, ATTRIBUTE_UNCACHED); /* in one entry, where the CPU has such */
    need(frame_unmap(copy, &done), "FRAME_UNMAP");
    giant_map(copy, GIANT_BASE + 2 * size + 8 * TABLE_SPAN, size, ATTRIBUTE_UNCACHED); /* by 2 MiB */
    need(frame_unmap(copy, &done), "FRAME_UNMAP");
    giant_map(copy, GIANT_BASE + 4 * size + 8 * PAGE_BYTES, size / 16,
              ATTRIBUTE_UNCACHED); /* by pages; the walk passes all of it */
    need(cnode_delete(ROOT_CNODE, copy), "CNODE_DELETE");
    need(cnode_delete(ROOT_CNODE, frame), "CNODE_DELETE");
    harness_revoke();
}

/* --- a chain of calls on one context --- */

#define CHAIN_STACK_BYTES 512
static cptr chain_endpoints, chain_replies, chain_end;
static volatile word chain_length;

/* Link `i` serves endpoint i, passively, and asks the next one before it answers; the last never answers. */
static void chain_link(word i)
{
    struct message m = {0};
    word badge;
    for (;;) {
        (void)syscall_recv(chain_endpoints + (cptr)i, chain_replies + (cptr)i, &m, &badge);
        chain_length = i + 1;
        m.info = 0;
        if (i + 1 < CROWD)
            (void)syscall_call(chain_endpoints + (cptr)i + 1, &m);
        else
            (void)notification_wait(chain_end); /* which nobody signals */
    }
}

static cptr chain_new(void)
{
    bool is_probed = probe_switch(false);
    cptr tcbs = objects_new(OBJECT_TCB, 0, CROWD), contexts = objects_new(OBJECT_SCHED_CONTEXT, 0, CROWD);
    char *stacks = memory_new(19, NULL);
    chain_endpoints = objects_new(OBJECT_ENDPOINT, 0, CROWD);
    chain_replies = objects_new(OBJECT_REPLY, 0, CROWD);
    chain_end = object_new(OBJECT_NOTIFICATION, 0);
    chain_length = 0;
    need(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_CROWD - 1), "TCB_SET_PRIORITY");
    for (cptr i = 0; i < CROWD; i++)
        thread_make(tcbs + i, contexts + i, chain_link, i, (word)stacks + (i + 1) * CHAIN_STACK_BYTES, 10000000);
    for (cptr i = 0; i < CROWD; i++)
        need(sched_context_unbind(contexts + i), "SCHED_CONTEXT_UNBIND");
    crowd_new(1, crowd_caller, chain_endpoints);
    if (chain_length != CROWD)
        give_up("the chain of calls is short", chain_length);
    (void)probe_switch(is_probed);
    return tcbs;
}

/* A thousand threads, each called by the one before, all on the first one's context: priorities change, and threads
 * of the middle, the end and the beginning die. */
static void case_chain(void)
{
    cptr tcbs = chain_new();
    for (cptr i = 0; i < CROWD; i += 10)
        need(tcb_set_priority(tcbs + i, ROOT_TCB, PRIORITY_CROWD + 1), "TCB_SET_PRIORITY");
    for (cptr i = 1; i < 10; i++)
        need(cnode_delete(ROOT_CNODE, tcbs + i * CROWD / 10), "CNODE_DELETE");
    for (cptr i = 0; i < 5; i++) {
        need(cnode_delete(ROOT_CNODE, tcbs + CROWD - 1 - i), "CNODE_DELETE");
        need(cnode_delete(ROOT_CNODE, tcbs + i), "CNODE_DELETE");
        need(cnode_delete(ROOT_CNODE, chain_replies + 550 + i), "CNODE_DELETE");
        need(cnode_delete(ROOT_CNODE, chain_endpoints + 650 + i), "CNODE_DELETE");
    }
    harness_revoke();
}

/* Four thousand senders of all priorities in one queue: they change places, two badges are cancelled, the endpoint
 * goes. */
static void case_endpoint_order(void)
{
    enum { SENDERS = 4000 };
    cptr endpoint = object_new(OBJECT_ENDPOINT, 0), badged = slots_new(2);
    for (cptr i = 0; i < 2; i++)
        need(cnode_mint(ROOT_CNODE, badged + i, ROOT_CNODE, endpoint, RIGHT_ALL, 1 + i), "CNODE_MINT");
    cptr tcbs = crowd_new(SENDERS / 2, crowd_sender, badged);
    (void)crowd_new(SENDERS / 2, crowd_sender, badged + 1);
    for (cptr i = 0; i < SENDERS / 2; i++) /* below the root task: who is cancelled waits for its end */
        need(tcb_set_priority(tcbs + i, ROOT_TCB, i % PRIORITY_ROOT), "TCB_SET_PRIORITY");
    for (cptr i = 0; i < 200; i++) /* from the end of the queue to its beginning */
        need(tcb_set_priority(tcbs + (i & ~1u), ROOT_TCB, i % 2 ? 0 : 255), "TCB_SET_PRIORITY");
    need(cnode_cancel_badged_sends(ROOT_CNODE, badged), "CNODE_CANCEL_BADGED_SENDS");
    need(cnode_delete(ROOT_CNODE, badged), "CNODE_DELETE");
    need(cnode_delete(ROOT_CNODE, badged + 1), "CNODE_DELETE");
    need(cnode_delete(ROOT_CNODE, endpoint), "CNODE_DELETE");
    harness_revoke();
}

/* One untyped with thousands of children of many kinds, armed timers among them, revoked. */
static void case_revoke_untyped(void)
{
    enum { EACH = 1024 };
    cptr untyped = object_new(OBJECT_UNTYPED, LIFE_BITS - 3), before = harness_use(untyped);
    cptr notifications = objects_new(OBJECT_NOTIFICATION, 0, EACH), timers = objects_new(OBJECT_TIMER, 0, EACH);
    cptr contexts = objects_new(OBJECT_SCHED_CONTEXT, 0, EACH);
    for (cptr i = 0; i < EACH; i++) {
        need(timer_bind(timers + i, notifications + i, contexts + i), "TIMER_BIND");
        need(timer_set(timers + i, ticks_now() + (1ul << 40) + i * 77 % EACH), "TIMER_SET");
    }
    (void)objects_new(OBJECT_ENDPOINT, 0, EACH);
    (void)objects_new(OBJECT_REPLY, 0, EACH);
    (void)objects_new(OBJECT_VSPACE, 0, 64);
    (void)objects_new(OBJECT_PAGE_TABLE, 0, 64);
    (void)harness_use(before);
    need(cnode_revoke(ROOT_CNODE, untyped), "CNODE_REVOKE");
    harness_revoke();
}

/* --- one deletion meets what another left behind --- */

#define LEFT_BASE 0x2800010000ul
static volatile cptr left_cnode; /* for the other thread to delete; 0 when it is done */
static cptr left_doorbell;

static void left_deleter(word unused)
{
    (void)unused;
    for (;;) {
        (void)notification_wait(left_doorbell);
        need(cnode_delete(ROOT_CNODE, left_cnode), "CNODE_DELETE");
        left_cnode = 0;
    }
}

/* Frames of 2 MiB, each mapped by pages under two tables. */
static cptr left_frames(word count)
{
    cptr frames = objects_new(OBJECT_FRAME, 21, count);
    for (word i = 0; i < count; i++)
        giant_map(frames + (cptr)i, LEFT_BASE + i * 2 * TABLE_SPAN, TABLE_SPAN, 0);
    return frames;
}

/* A thread is interrupted while it destroys a CNode with mapped frames; then a more urgent one deletes its own. */
static void case_left_behind(void)
{
    enum { FRAMES = 8 };
    cptr wake = object_new(OBJECT_TIMER, 0), woken = object_new(OBJECT_NOTIFICATION, 0);
    left_doorbell = object_new(OBJECT_NOTIFICATION, 0);
    struct thread *deleter = thread_new(left_deleter, 0, PRIORITY_CROWD, 0);
    need(timer_bind(wake, woken, deleter->sched_context), "TIMER_BIND");
    thread_start(deleter);
    cptr untyped = object_new(OBJECT_UNTYPED, 25), before = harness_use(untyped);
    for (word round = 0; round < 10; round++) {
        cptr cnode = object_new(OBJECT_CNODE, 5), frames = left_frames(FRAMES + 1);
        for (cptr i = 0; i < FRAMES; i++)
            need(cnode_move(cnode, 31 - i, ROOT_CNODE, frames + i), "CNODE_MOVE");
        left_cnode = cnode;
        notification_signal(left_doorbell);
        need(timer_set(wake, ticks_now() + (10000 + round * 3000) / INSTRUCTIONS_PER_TICK), "TIMER_SET");
        (void)notification_wait(woken);
        need(cnode_delete(ROOT_CNODE, frames + FRAMES), "CNODE_DELETE");
        bool is_probed = probe_switch(false);
        while (left_cnode != 0) {
            need(timer_set(wake, ticks_now() + 100000 / INSTRUCTIONS_PER_TICK), "TIMER_SET");
            (void)notification_wait(woken);
        }
        (void)probe_switch(is_probed);
        need(cnode_revoke(ROOT_CNODE, untyped), "CNODE_REVOKE");
    }
    (void)harness_use(before);
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
    {"map_giant", case_map_giant},
    {"cnode_large", case_cnode_large},
    {"revoke_untyped", case_revoke_untyped},
    {"left_behind", case_left_behind},
    {"caches", case_caches},
    {"threads_new", case_threads_new},
    {"endpoint_senders", case_endpoint_senders},
    {"notification_waiters", case_notification_waiters},
    {"cancel_badged", case_cancel_badged},
    {"server_death", case_server_death},
    {"endpoint_order", case_endpoint_order},
    {"chain", case_chain},
    {"budgets", case_budgets},
    {"priorities", case_priorities},
};

/* To learn from: one call of many steps. */
static void call_long(void)
{
    harness_mark(LIFE_BITS);
    (void)object_new(OBJECT_FRAME, 24);
    harness_release();
}

int main(void)
{
    word longest = 0;
    need(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_ROOT), "TCB_SET_PRIORITY");
    say("bench latency_user %u\n", probe_start(call_long));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        word stretch = probe_longest(cases[i].run, LIFE_BITS);
        say("bench latency_%s %u\n", cases[i].name, stretch);
        longest = stretch > longest ? stretch : longest;
    }
    word stretch = timers_stretch();
    say("bench latency_timers %u\n", stretch);
    longest = stretch > longest ? stretch : longest;
    say("bench longest_interrupts_off %u\n", longest);
    /* A timer waits for those that expire before it, and every thread for budgets that come back: these are no
     * stretches, since there are interrupts in between. */
    say("bench timer_expiry %u\n", timers_late() / TIMERS);
    say("bench budget_release %u\n", budgets_stolen() / CROWD);
    say("bench end\n");
    return 0;
}
