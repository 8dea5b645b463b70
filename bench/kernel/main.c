/* The kernel rows of the benchmark table, measured from a root task: instructions per operation under -icount.
 *
 * Each figure is the smallest average over BATCHES batches of OPERATIONS operations, user stubs included; the row's
 * comment says what one operation is. One line a row: `bench NAME VALUE`, VALUE in hundredths. ci/bench.py reads them.
 */
#include "measure.h"
#include "slow.h"

/* A loop of two instructions must read 2.00, else the counter does not count instructions. */
static bool counter_is_exact(void)
{
    word begin = counter_read();
    word n = 1000000;
#if defined(__x86_64__)
    __asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(n)::"cc");
#else
    __asm__ volatile("1: subs %0, %0, #1\n\tb.ne 1b" : "+r"(n)::"cc");
#endif
    word took = counter_read() - begin;
    report("loop_check", took, 1000000);
    return took >= 2000000 && took < 2001000;
}

static cptr endpoint, reply, notification;

/* --- the other sides --- */

static void echo_server(word has_fp)
{
    if (has_fp) {
#if defined(__x86_64__)
        __asm__ volatile("movq %%rsp, %%xmm1" ::: "memory");
#else
        __asm__ volatile(".arch_extension fp\n\tfmov d1, xzr" ::: "memory");
#endif
    }
    struct message m;
    word badge;
    (void)syscall_recv(endpoint, reply, &m, &badge);
    for (;;)
        (void)syscall_reply_recv(endpoint, reply, &m, &badge);
}

static void signal_waiter(word unused)
{
    (void)unused;
    for (;;)
        (void)notification_wait(notification);
}

static void yielder(word unused)
{
    (void)unused;
    for (;;)
        syscall_yield();
}

/* --- rows --- */

static void call_row(const char *name, word length)
{
    struct message m = {message_info(0, 0, length), {1, 2, 3, 4, 5, 6, 7, 8}};
    MEASURE(name, { (void)syscall_call(endpoint, &m); });
}

/* Call and ReplyRecv with a server in another address space. */
static void ipc_rows(void)
{
    harness_mark(22);
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    struct thread *server = process_new(echo_server, 0, PRIORITY, 0);
    thread_start(server);
    let_others_run();
    call_row("ipc_call_reply_0_active", 0);
    thread_make_passive(server);
    call_row("ipc_call_reply_0", 0);
    call_row("ipc_call_reply_4", 4);
    call_row("ipc_call_reply_8", 8);
    call_row("ipc_call_reply_64", 64);
    harness_release();
}

/* The same with live FP state on both sides. */
static void ipc_fp_row(void)
{
    harness_mark(22);
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    struct thread *server = process_new(echo_server, 1, PRIORITY, 0);
    (void)tcb_set_flags(server->tcb, 0, TCB_FLAG_FP);
    (void)tcb_set_flags(ROOT_TCB, 0, TCB_FLAG_FP);
    thread_start(server);
    let_others_run();
    thread_make_passive(server);
    call_row("ipc_call_reply_0_fp", 0);
    (void)tcb_set_flags(ROOT_TCB, TCB_FLAG_FP, 0);
    harness_release();
}

/* A signal to a higher-priority waiter in another address space, which waits again. */
static void notify_switch_row(void)
{
    harness_mark(22);
    notification = object_new(OBJECT_NOTIFICATION, 0);
    thread_start(process_new(signal_waiter, 0, PRIORITY + 1, 0));
    MEASURE("notify_switch", { notification_signal(notification); });
    harness_release();
}

/* A yield to a thread of the same priority in another address space: half a round trip. */
static void yield_row(void)
{
    harness_mark(22);
    thread_start(process_new(yielder, 0, PRIORITY, 0));
    let_others_run();
    word best = ~0ul;
    for (int batch = 0; batch < BATCHES; batch++) {
        word begin = counter_read();
        for (int i = 0; i < OPERATIONS; i++)
            syscall_yield();
        word took = counter_read() - begin;
        best = took < best ? took : best;
    }
    report("yield_switch", best, 2 * OPERATIONS);
    harness_release();
}

static void single_rows(void)
{
    harness_mark(22);
    notification = object_new(OBJECT_NOTIFICATION, 0);
    /* the cheapest: a poll of a notification that was not signalled */
    struct message m;
    word badge;
    MEASURE("syscall_null", { (void)syscall_nbwait(notification, &m, &badge); });
    MEASURE("notify_nowait", { notification_signal(notification); });

    cptr frame = object_new(OBJECT_FRAME, PAGE_BITS);
    map_page(ROOT_VSPACE, frame, HARNESS_MAP_BASE, RIGHT_READ | RIGHT_WRITE, 0); /* makes the tables */
    word done;
    (void)frame_unmap(frame, &done);
    struct message map;
    MEASURE("map_unmap", {
        map = (struct message){0, {ROOT_VSPACE, HARNESS_MAP_BASE, RIGHT_READ | RIGHT_WRITE, 0, 0, 0}};
        (void)invoke(frame, FRAME_MAP, 6, &map);
        (void)frame_unmap(frame, &done);
    });

    cptr slot = slot_new();
    MEASURE("cap_copy_delete", {
        (void)cnode_copy(ROOT_CNODE, slot, ROOT_CNODE, notification, RIGHT_ALL);
        (void)cnode_delete(ROOT_CNODE, slot);
    });
    cptr untyped = object_new(OBJECT_UNTYPED, 12);
    MEASURE("retype_delete", {
        (void)untyped_retype(untyped, OBJECT_ENDPOINT, 0, ROOT_CNODE, slot, 1, &done);
        (void)cnode_delete(ROOT_CNODE, slot);
    });
    harness_release();
}

/* --- fault_reply: a thread in another space touches page after page, we map each and answer --- */

static void page_toucher(word unused)
{
    (void)unused;
    for (int batch = 0;; batch++) {
        word begin = counter_read();
        for (word i = 0; i < OPERATIONS; i++)
            *(volatile word *)(HARNESS_MAP_BASE + i * PAGE_BYTES) = i;
        struct message m = {message_info(1, 0, 1), {counter_read() - begin}};
        (void)syscall_call(endpoint, &m);
    }
}

/* Answers and waits for the next message: in one system call, or in two, which the fast path does not serve. */
static void answer(struct message *m, bool in_one)
{
    word badge;
    if (in_one) {
        (void)syscall_reply_recv(endpoint, reply, m, &badge);
        return;
    }
    (void)syscall_send(reply, m);
    (void)syscall_recv(endpoint, reply, m, &badge);
}

static void fault_row(const char *name, bool in_one)
{
    harness_mark(24);
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    struct thread *t = process_new(page_toucher, 0, PRIORITY, endpoint);
    cptr frames = objects_new(OBJECT_FRAME, PAGE_BITS, OPERATIONS);
    word rights = RIGHT_READ | RIGHT_WRITE;
    map_page(t->vspace, frames, HARNESS_MAP_BASE, rights, 0); /* tables first: they are not part of the row */
    map_page(t->vspace, frames + 600, HARNESS_MAP_BASE + 600 * PAGE_BYTES, rights, 0);
    word done, best = ~0ul;
    (void)frame_unmap(frames, &done);
    (void)frame_unmap(frames + 600, &done);
    thread_start(t);
    struct message m;
    word badge;
    (void)syscall_recv(endpoint, reply, &m, &badge);
    for (int batch = 0; batch < BATCHES;) {
        if (message_info_label(m.info) == FAULT_VM) {
            word address = m.words[2] & ~(PAGE_BYTES - 1);
            struct message map = {0, {t->vspace, address, rights, 0, 0, 0}};
            if (invoke(frames + (cptr)((address - HARNESS_MAP_BASE) / PAGE_BYTES), FRAME_MAP, 6, &map) != ERROR_NONE)
                give_up("fault_reply: mapping failed", address);
            m.info = message_info(0, 0, 2);
        } else {
            best = m.words[0] < best ? m.words[0] : best;
            batch++;
            for (cptr i = 0; i < OPERATIONS; i++)
                (void)frame_unmap(frames + i, &done);
            m.info = 0;
        }
        answer(&m, in_one);
    }
    report(name, best, OPERATIONS);
    harness_release();
}

int main(void)
{
    if (!counter_is_exact()) {
        say("bench: a loop of two instructions does not read 2.00: run under -icount shift=0,sleep=off\n");
        return 3;
    }
    report("boot_kernel_to_root", ticks_to_ns(boot->root_ticks - boot->entry_ticks), 1);
    if (tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY) != ERROR_NONE)
        give_up("the root task's priority cannot be set", 0);
    single_rows();
    ipc_rows();
    ipc_fp_row();
    notify_switch_row();
    yield_row();
    fault_row("fault_reply", true);
    fault_row("fault_reply_send", false);
    slow_rows();
    say("bench end\n");
    return 0;
}
