/* Corners: what neither the larger tests nor the kept sequences come to. Deletions that an interrupt meets in the
 * middle, the last capability of something in an odd place, refusals, full tables, the kernel's own output. */
#include "model.h"

#include <arch/mmu.h>
#include <kernel/clock.h>
#include <mm/vspace.h>

#define ROOT_PRIORITY 100

/* A thread that has made the system call and waits; it will not run before the root task. */
static cptr waiting(enum syscall number, cptr destination)
{
    cptr thread = new_thread(200, false, 0);
    struct message m = {0};
    word d = destination;
    CHECK(tcb_resume(thread) == MODEL_SWITCHED);
    EQUAL(syscall_trap(number, &d, &m), MODEL_SWITCHED);
    OK(tcb_set_priority(thread, ROOT_TCB, 1));
    return thread;
}

/* A thread with a context of that budget (1 ms period), running. */
static cptr running(cptr context, word budget_ns)
{
    cptr thread = new_thread(200, true, 0);
    OK(sched_control_configure(ROOT_SCHED_CONTROL, context, budget_ns, 1000000, 0, 7));
    OK(tcb_set_sched_params(thread, ROOT_TCB, 255, 200, context));
    CHECK(tcb_resume(thread) == MODEL_SWITCHED);
    CHECK(model_current() == model_tcb(thread));
    return thread;
}

static void aborted(cptr thread)
{
    EQUAL(model_tcb(thread)->state, THREAD_RUNNING);
    EQUAL(model_tcb(thread)->context.number_status, ERROR_ABORTED);
    OK(cnode_delete(ROOT_CNODE, thread));
}

/* An interrupt waits at every preemption point of `call`, which is made again each time. */
#define INTERRUPTED(call)                                                                                              \
    do {                                                                                                               \
        model_interrupt_waits = true;                                                                                  \
        model_patience = 0;                                                                                            \
        OK(call);                                                                                                      \
        model_interrupt_waits = false;                                                                                 \
    } while (0)

/* --- deletions with interrupts in between --- */

static void test_waited_for(void)
{
    cptr endpoint = new_object(OBJECT_ENDPOINT, 0), notification = new_object(OBJECT_NOTIFICATION, 0);
    cptr senders[3], waiters[3];
    for (unsigned i = 0; i < 3; i++)
        senders[i] = waiting(SYSCALL_CALL, endpoint);
    for (unsigned i = 0; i < 3; i++)
        waiters[i] = waiting(SYSCALL_WAIT, notification);
    INTERRUPTED(cnode_delete(ROOT_CNODE, endpoint));
    INTERRUPTED(cnode_delete(ROOT_CNODE, notification));
    for (unsigned i = 0; i < 3; i++) {
        aborted(senders[i]);
        aborted(waiters[i]);
    }
}

static void test_server_of_many(void)
{
    cptr endpoint = new_object(OBJECT_ENDPOINT, 0), notification = new_object(OBJECT_NOTIFICATION, 0);
    cptr replies = new_objects(OBJECT_REPLY, 0, 3), callers[3], server;
    struct message m;
    word badge;
    for (unsigned i = 0; i < 3; i++)
        callers[i] = waiting(SYSCALL_CALL, endpoint);
    server = new_thread(200, false, 0);
    CHECK(tcb_resume(server) == MODEL_SWITCHED);
    for (unsigned i = 0; i < 3; i++)
        OK(syscall_recv(endpoint, replies + i, &m, &badge));
    CHECK(syscall_wait(notification, &m, &badge) == MODEL_SWITCHED);
    INTERRUPTED(cnode_delete(ROOT_CNODE, server));
    for (unsigned i = 0; i < 3; i++)
        aborted(callers[i]);
    OK(cnode_delete(ROOT_CNODE, endpoint));
    OK(cnode_delete(ROOT_CNODE, notification));
}

/* The last capability of something with waiting threads lies in the kernel's own slots. */
static void test_last_of_notification(void)
{
    cptr handler = new_slots(1), timer = new_object(OBJECT_TIMER, 0), other = new_object(OBJECT_NOTIFICATION, 0);
    for (unsigned way = 0; way < 4; way++) {
        cptr notification = new_object(OBJECT_NOTIFICATION, 0), waiters[2];
        if (way < 3) {
            OK(irq_control_get(ROOT_IRQ_CONTROL, 7, 0, ROOT_CNODE, handler));
            OK(irq_handler_set_notification(handler, notification));
        } else {
            OK(timer_bind(timer, notification, ROOT_SCHED_CONTEXT));
        }
        for (unsigned i = 0; i < 2; i++)
            waiters[i] = waiting(SYSCALL_WAIT, notification);
        OK(cnode_delete(ROOT_CNODE, notification));
        EQUAL(model_tcb(waiters[0])->state, THREAD_BLOCKED_WAIT);
        if (way == 0)
            INTERRUPTED(irq_handler_clear(handler));
        else if (way == 1)
            INTERRUPTED(irq_handler_set_notification(handler, other));
        else if (way == 2)
            INTERRUPTED(cnode_delete(ROOT_CNODE, handler));
        else
            INTERRUPTED(timer_bind(timer, other, ROOT_SCHED_CONTEXT));
        for (unsigned i = 0; i < 2; i++)
            aborted(waiters[i]);
        if (way < 2)
            OK(cnode_delete(ROOT_CNODE, handler));
    }
    OK(cnode_delete(ROOT_CNODE, timer));
}

/* The same in a thread's slots. */
static void test_last_in_thread(void)
{
    cptr endpoint = new_object(OBJECT_ENDPOINT, 0), cnode = new_object(OBJECT_CNODE, 4), callers[2];
    cptr thread = new_thread(10, true, endpoint), frame = new_object(OBJECT_FRAME, PAGE_BITS);
    for (unsigned i = 0; i < 2; i++)
        callers[i] = waiting(SYSCALL_CALL, endpoint);
    OK(cnode_delete(ROOT_CNODE, endpoint));
    OK(tcb_set_space(thread, cnode, ROOT_VSPACE, 0)); /* takes the endpoint away */
    for (unsigned i = 0; i < 2; i++)
        aborted(callers[i]);
    OK(cnode_delete(ROOT_CNODE, cnode));
    EQUAL(cap_type(tcb_cspace(model_tcb(thread))), OBJECT_CNODE);
    OK(tcb_set_space(thread, ROOT_CNODE, ROOT_VSPACE, 0));

    endpoint = new_object(OBJECT_ENDPOINT, 0);
    OK(tcb_set_space(thread, ROOT_CNODE, ROOT_VSPACE, endpoint));
    for (unsigned i = 0; i < 2; i++)
        callers[i] = waiting(SYSCALL_CALL, endpoint);
    OK(cnode_delete(ROOT_CNODE, endpoint));
    INTERRUPTED(tcb_configure(thread, ROOT_CNODE, ROOT_VSPACE, 0x400, frame, 0));
    for (unsigned i = 0; i < 2; i++)
        aborted(callers[i]);

    /* What a thread's deletion left in the middle is finished by its next one. */
    cnode = new_object(OBJECT_CNODE, 4);
    for (unsigned i = 1; i < 8; i++)
        OK(cnode_copy(cnode, i, ROOT_CNODE, frame, RIGHT_ALL));
    const word words[] = {cnode, 1};
    model_invoke_once(ROOT_CNODE, CNODE_DELETE, 2, words);
    CHECK(model_dying() > 0);
    INTERRUPTED(tcb_set_ipc_buffer(thread, 0, 0));
    CHECK(model_dying() == 0);
    OK(cnode_delete(ROOT_CNODE, thread));
}

static void test_last_of_space(void)
{
    cptr vspace = new_object(OBJECT_VSPACE, 0), context = new_object(OBJECT_SCHED_CONTEXT, 0);
    cptr thread = running(context, 1000000);
    OK(tcb_set_space(thread, ROOT_CNODE, vspace, 0));
    CHECK(model_space != arch_space_empty());
    OK(cnode_delete(ROOT_CNODE, vspace)); /* the thread still has it */
    OK(tcb_set_space(thread, ROOT_CNODE, ROOT_VSPACE, 0));
    CHECK(model_space == model_tcb(ROOT_TCB)->space);
    CHECK(tcb_suspend(thread) == MODEL_SWITCHED);
    OK(cnode_delete(ROOT_CNODE, thread));
    OK(cnode_delete(ROOT_CNODE, context));
}

/* The fast path to a server whose space entry code cannot load by itself. */
static void test_space_of_server(void)
{
    cptr endpoint = new_object(OBJECT_ENDPOINT, 0), reply = new_object(OBJECT_REPLY, 0);
    cptr vspace = new_object(OBJECT_VSPACE, 0), server = new_thread(200, false, 0);
    struct message m = {0};
    word badge;
    OK(tcb_set_space(server, ROOT_CNODE, vspace, 0));
    model_tcb(server)->space->is_live = 2;
    CHECK(tcb_resume(server) == MODEL_SWITCHED);
    CHECK(syscall_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
    CHECK(syscall_call(endpoint, &m) == MODEL_SWITCHED);
    CHECK(model_current() == model_tcb(server) && model_space == model_tcb(server)->space);
    CHECK(syscall_reply_recv(endpoint, reply, &m, &badge) == MODEL_SWITCHED);
    CHECK(model_current() == model_tcb(ROOT_TCB));
    OK(cnode_delete(ROOT_CNODE, server));
    OK(cnode_delete(ROOT_CNODE, reply));
    OK(cnode_delete(ROOT_CNODE, vspace));
}

/* --- contexts --- */

static void test_contexts(void)
{
    word ns;
    cptr context = new_object(OBJECT_SCHED_CONTEXT, 0), thread = running(context, 1000000);
    model_now += 2000000; /* the time slice is over, but the interrupt has not come yet */
    OK(sched_context_consumed(context, &ns));
    CHECK(ns >= 2000000);
    CHECK(cnode_delete(ROOT_CNODE, context) == MODEL_SWITCHED); /* its own */
    OK(cnode_delete(ROOT_CNODE, thread));

    context = new_object(OBJECT_SCHED_CONTEXT, 0);
    thread = running(context, 100000);
    model_now += 200000; /* the budget is over */
    CHECK(sched_context_consumed(context, &ns) == MODEL_SWITCHED);
    CHECK(model_core()->releases != NULL);
    OK(cnode_delete(ROOT_CNODE, context));
    CHECK(model_core()->releases == NULL);
    OK(cnode_delete(ROOT_CNODE, thread));
}

static void test_timeout(void)
{
    cptr context = new_object(OBJECT_SCHED_CONTEXT, 0), endpoint = new_object(OBJECT_ENDPOINT, 0);
    cptr reply = new_object(OBJECT_REPLY, 0), thread = running(context, 100000);
    struct message m;
    word badge;
    OK(tcb_set_timeout_endpoint(thread, endpoint));
    while (model_current() == model_tcb(thread))
        model_timer(1000000); /* one that was set earlier may come first */
    OK(syscall_recv(endpoint, reply, &m, &badge));
    EQUAL(m.info, message_info(FAULT_TIMEOUT, 0, 4));
    EQUAL(m.words[2], 7);
    OK(cnode_delete(ROOT_CNODE, thread));
    OK(cnode_delete(ROOT_CNODE, context));
    OK(cnode_delete(ROOT_CNODE, endpoint));
}

/* --- refusals --- */

static void test_refusals(void)
{
    cptr slots = new_slots(6), notification = new_object(OBJECT_NOTIFICATION, 0);
    cptr endpoint = new_object(OBJECT_ENDPOINT, 0), timer = new_object(OBJECT_TIMER, 0);
    cptr context = new_object(OBJECT_SCHED_CONTEXT, 0), thread = new_thread(10, true, 0);
    struct message m = {0, {context, 1000000, 1000000, 0, 0, 1}};
    EQUAL(invoke(ROOT_SCHED_CONTROL, SCHED_CONTROL_CONFIGURE, 6, &m), ERROR_INVALID_ARGUMENT);
    OK(cnode_copy(ROOT_CNODE, slots, ROOT_CNODE, notification, RIGHT_RECV));
    OK(cnode_copy(ROOT_CNODE, slots + 1, ROOT_CNODE, notification, RIGHT_SEND));
    OK(cnode_copy(ROOT_CNODE, slots + 2, ROOT_CNODE, endpoint, RIGHT_SEND | RIGHT_RECV));
    OK(irq_control_get(ROOT_IRQ_CONTROL, 7, 0, ROOT_CNODE, slots + 3));
    EQUAL(irq_handler_set_notification(slots + 3, slots), ERROR_INVALID_CAPABILITY);
    EQUAL(timer_bind(timer, slots, ROOT_SCHED_CONTEXT), ERROR_INVALID_CAPABILITY);
    EQUAL(tcb_bind_notification(thread, slots + 1), ERROR_INVALID_CAPABILITY);
    EQUAL(tcb_set_timeout_endpoint(thread, slots + 2), ERROR_INVALID_CAPABILITY);
    EQUAL(io_port_control_issue(ROOT_IO_PORT_CONTROL, 1, 2, ROOT_CNODE, slots), ERROR_DELETE_FIRST);
    EQUAL(cnode_rotate(ROOT_CNODE, slots + 4, 0, ROOT_CNODE, slots + 1, 9, ROOT_CNODE, slots + 2),
          ERROR_ILLEGAL_OPERATION);
    for (cptr i = 0; i < 4; i++)
        OK(cnode_delete(ROOT_CNODE, slots + i));
}

static void test_caches(void)
{
    const struct boot_info *info = model_boot_info();
    cptr frame = new_object(OBJECT_FRAME, 17), device = new_slots(1), vspace = new_object(OBJECT_VSPACE, 0);
    word done, level;
    OK(frame_clean(frame, 0, 1 << 17, &done));
    CHECK(done > 0 && done < 1 << 17); /* a step */
    for (uint32_t i = 0; i < info->untyped_count; i++)
        if (info->untypeds[i].kind == BOOT_UNTYPED_DEVICE)
            OK(untyped_retype(info->untyped_first + i, OBJECT_FRAME, PAGE_BITS, ROOT_CNODE, device, 1, &done));
    EQUAL(frame_clean(device, 0, PAGE_BYTES, &done), ERROR_ILLEGAL_OPERATION);
    for (level = 3; level >= 1; level--)
        OK(user_page_table_map(new_object(OBJECT_PAGE_TABLE, 0), vspace, 0, level, 0));
    OK(user_frame_map(device, vspace, 0x1000, RIGHT_READ, 0, 0, 0, &done, &level));
    struct walk walk = vspace_walk(vspace_of(model_slot(vspace)->cap), 0x1000, 1);
    EQUAL(*walk.entry >> 9 & 3, ATTRIBUTE_UNCACHED); /* what device memory is mapped as by default */
    OK(cnode_delete(ROOT_CNODE, vspace));
    OK(cnode_delete(ROOT_CNODE, device));
}

/* Who has no buffer sends, receives, reads and writes what registers hold. */
static void test_without_buffer(void)
{
    cptr endpoint = new_object(OBJECT_ENDPOINT, 0), thread = new_thread(10, true, 0);
    cptr client = new_thread(200, false, 0);
    struct message m = {0, {0}};
    word badge;
    CHECK(tcb_resume(client) == MODEL_SWITCHED);
    m.info = message_info(5, 2, 20);
    CHECK(syscall_send(endpoint, &m) == MODEL_SWITCHED);
    OK(tcb_set_ipc_buffer(ROOT_TCB, 0, 0));
    OK(tcb_set_priority(client, ROOT_TCB, 1));
    OK(syscall_wait(endpoint, &m, &badge));
    EQUAL(m.info, message_info(5, 0, MESSAGE_REGISTERS));
    OK(invoke(thread, TCB_READ_REGISTERS, 1, &m));
    EQUAL(message_info_length(m.info), MESSAGE_REGISTERS);
    m = (struct message){0, {0, 0x1234, 0x5678}};
    OK(invoke(thread, TCB_WRITE_REGISTERS, 20, &m));
    EQUAL(model_tcb(thread)->context.pc, 0x1234);
    OK(tcb_set_ipc_buffer(ROOT_TCB, model_boot_info()->ipc_buffer, ROOT_IPC_BUFFER));
    OK(invoke(thread, TCB_WRITE_REGISTERS, MESSAGE_WORDS, &m)); /* more than there are: the rest is ignored */
    OK(cnode_delete(ROOT_CNODE, client));
    OK(cnode_delete(ROOT_CNODE, thread));
}

/* --- memory --- */

static void map_tables(cptr vspace, vaddr address, unsigned to_level)
{
    for (unsigned level = 3; level >= to_level; level--)
        OK(user_page_table_map(new_object(OBJECT_PAGE_TABLE, 0), vspace, address, level, 0));
}

/* Two spaces whose identifiers share a bucket. */
static void test_bucket(void)
{
    cptr first = new_object(OBJECT_VSPACE, 0), untyped = new_untyped(OBJECT_BITS_VSPACE), slot = new_slots(1);
    cptr frame = new_object(OBJECT_FRAME, PAGE_BITS);
    word done, level;
    map_tables(first, 0, 1);
    OK(user_frame_map(frame, first, 0x1000, RIGHT_READ, 0, 0, 0, &done, &level));
    for (unsigned i = 0;; i++) {
        OK(untyped_retype(untyped, OBJECT_VSPACE, 0, ROOT_CNODE, slot, 1, &done));
        if (vspace_of(model_slot(slot)->cap)->id - vspace_of(model_slot(first)->cap)->id == KERNEL_VSPACE_BUCKETS)
            break;
        CHECK(i < KERNEL_VSPACE_BUCKETS);
        OK(cnode_delete(ROOT_CNODE, slot));
    }
    OK(frame_unmap(frame, &done));
    EQUAL(*vspace_walk(vspace_of(model_slot(first)->cap), 0x1000, 1).entry, 0);
    OK(cnode_delete(ROOT_CNODE, first));
    OK(cnode_delete(ROOT_CNODE, slot));
}

static void test_shared_tables(void)
{
    cptr owner = new_object(OBJECT_VSPACE, 0), guest = new_object(OBJECT_VSPACE, 0);
    cptr tables = new_objects(OBJECT_PAGE_TABLE, 0, VSPACE_SHARED_MAX + 1), copy = new_slots(1);
    map_tables(owner, 0, 2);
    for (unsigned i = 0; i < VSPACE_SHARED_MAX; i++)
        OK(user_page_table_map(tables + i, owner, (vaddr)i << 21, 1, ATTRIBUTE_SHARED));
    EQUAL(user_page_table_map(tables + VSPACE_SHARED_MAX, owner, (vaddr)VSPACE_SHARED_MAX << 21, 1, ATTRIBUTE_SHARED),
          ERROR_NOT_ENOUGH_MEMORY);
    OK(cnode_delete(ROOT_CNODE, owner));

    owner = new_object(OBJECT_VSPACE, 0);
    OK(cnode_delete_all(ROOT_CNODE, tables, 2));
    tables = new_objects(OBJECT_PAGE_TABLE, 0, 2);
    map_tables(owner, 0, 3);
    map_tables(guest, 0, 3);
    OK(user_page_table_map(tables, owner, 0, 2, ATTRIBUTE_SHARED));
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, tables, RIGHT_ALL));
    OK(user_page_table_map(copy, guest, 0, 2, ATTRIBUTE_SHARED));
    EQUAL(user_page_table_map(tables + 1, guest, 0, 1, 0), ERROR_ILLEGAL_OPERATION);
    OK(cnode_delete(ROOT_CNODE, owner));
    OK(cnode_delete(ROOT_CNODE, guest));
}

static void map_whole(cptr frame, unsigned bits, cptr vspace, vaddr address)
{
    word done, level;
    for (word first = 0; first < 1ul << bits; first += done)
        OK(user_frame_map(frame, vspace, address + first, RIGHT_READ, 0, first, (1ul << bits) - first, &done, &level));
}

/* A large frame where small pages are in use already; its unmapping is interrupted, also by its CNode's deletion. */
static void test_large_frame(void)
{
    cptr vspace = new_object(OBJECT_VSPACE, 0), frame = new_object(OBJECT_FRAME, 22);
    cptr cnode = new_object(OBJECT_CNODE, 2);
    vaddr place = 0x40000000;
    word done, level;
    map_tables(vspace, place, 1);
    OK(user_page_table_map(new_object(OBJECT_PAGE_TABLE, 0), vspace, place + (2 << 20), 1, 0));
    map_whole(frame, 22, vspace, place);
    model_invoke_once(frame, FRAME_UNMAP, 0, NULL);
    EQUAL(user_frame_map(frame, vspace, place, RIGHT_READ, 0, 0, 0, &done, &level), ERROR_DELETE_FIRST);
    OK(frame_unmap(frame, &done));
    map_whole(frame, 22, vspace, place);
    OK(cnode_move(cnode, 1, ROOT_CNODE, frame));
    INTERRUPTED(cnode_delete(ROOT_CNODE, cnode));
    for (vaddr at = place; at < place + (4 << 20); at += PAGE_BYTES)
        EQUAL(*vspace_walk(vspace_of(model_slot(vspace)->cap), at, 1).entry, 0);
    OK(cnode_delete(ROOT_CNODE, vspace));
}

/* One call's bounds: slots to copy, and an interrupt while many pages are mapped or while a Send invokes. */
static void test_bounds(void)
{
    cptr notification = new_object(OBJECT_NOTIFICATION, 0), sources = new_slots(80), copies = new_slots(80);
    cptr vspace = new_object(OBJECT_VSPACE, 0), frame = new_object(OBJECT_FRAME, 21), waiters[2];
    word done, level, d = ROOT_CNODE;
    for (cptr i = 0; i < 80; i++)
        OK(cnode_copy(ROOT_CNODE, sources + i, ROOT_CNODE, notification, RIGHT_ALL));
    OK(cnode_copy_range(ROOT_CNODE, copies, ROOT_CNODE, sources, RIGHT_ALL, 80, &done));
    EQUAL(done, 64);
    OK(cnode_revoke(ROOT_CNODE, notification));
    map_tables(vspace, 0x40000000, 1);
    model_interrupt_waits = true;
    OK(user_frame_map(frame, vspace, 0x40000000, RIGHT_READ, 0, 0, 0, &done, &level));
    CHECK(done > 0 && done < 1 << 21);
    for (unsigned i = 0; i < 2; i++) {
        model_interrupt_waits = false;
        waiters[i] = waiting(SYSCALL_WAIT, notification);
    }
    struct message m = {message_info(CNODE_DELETE, 0, 2), {notification, 1}};
    INTERRUPTED(syscall_trap(SYSCALL_SEND, &d, &m));
    EQUAL(m.words[0], notification); /* no answer */
    for (unsigned i = 0; i < 2; i++)
        aborted(waiters[i]);
    OK(cnode_delete(ROOT_CNODE, vspace));
    OK(cnode_delete(ROOT_CNODE, frame));
}

/* --- output --- */

static void test_clock(void)
{
    EQUAL(clock_ns(UINT64_MAX), UINT64_MAX);
    EQUAL(clock_ticks(UINT64_MAX), CLOCK_FOREVER);
}

static void stopped(const char *text)
{
    CHECK(model_status > 0);
    if (strstr(model_output, text))
        return;
    fprintf(stderr, "expected '%s', the kernel said: %s", text, model_output);
    abort();
}

static void test_output(void)
{
    struct message m = {0, {'!'}};
    word none = 0, root = ROOT_TCB;
    OK(syscall_trap(SYSCALL_DEBUG_PUTC, &none, &m));
    OK(syscall_trap(SYSCALL_DEBUG_DUMP, &root, &m));
    CHECK(strstr(model_output, "!thread ") && strstr(model_output, "running"));
    print("%d %05x %c %ld %s %u %lx %% ", -7, 0xabc, 'c', -8l, "text", 9u, 0x10ul);
    CHECK(strstr(model_output, "-7 00abc c -8 text 9 10 % "));
    if (setjmp(model_end) == 0)
        panic("a reason");
    stopped("a reason");
    if (setjmp(model_end) == 0)
        kernel_crash(model_core(), "a fault", 0x1234, 0x5678, 9);
    stopped("a fault, pc 1234, address 5678, code 9");
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    model_boot(argv[1]);
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, ROOT_PRIORITY));
    test_waited_for();
    test_server_of_many();
    test_last_of_notification();
    test_last_in_thread();
    test_last_of_space();
    test_space_of_server();
    test_contexts();
    test_timeout();
    test_refusals();
    test_caches();
    test_without_buffer();
    test_bucket();
    test_shared_tables();
    test_large_frame();
    test_bounds();
    test_clock();
    test_output();
    printf("corners: all passed\n");
    return 0;
}
