/* What the kernel leaves in registers and buffers: after every kind of entry each register is the message's, zero or
 * what it was, and nothing of the kernel's or of another thread's. */
#include "trap.h"

static cptr endpoint, reply, notification, faults;
static struct trap_file files[2];
static volatile word flag;

/* Which trap a thread makes, by index into this. */
static trap_function *const functions[] = {
#if defined(__x86_64__)
    trap_syscall, trap_syscall, trap_syscall, trap_syscall, trap_syscall,
    trap_syscall, trap_syscall, trap_syscall, trap_syscall, trap_syscall,
#else
    trap_svc_0,   trap_svc_1, trap_svc_2, trap_svc_3, trap_svc_4,
    trap_svc_5,   trap_svc_6, trap_svc_7, trap_svc_8, trap_svc_9,
#endif
    trap_illegal, trap_touch,   trap_spin};
#define TRAP_ILLEGAL 10
#define TRAP_TOUCH   11
#define TRAP_SPIN    12

static volatile word traps_done;

static void traps(word which)
{
    functions[which & 0xff](&files[which >> 8]);
    traps_done = traps_done + 1;
}

static void setup(void)
{
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    notification = object_new(OBJECT_NOTIFICATION, 0);
    faults = object_new(OBJECT_ENDPOINT, 0);
    traps_done = 0;
    flag = 0;
    for (unsigned f = 0; f < COUNT(files); f++)
        for (unsigned i = 0; i < TRAP_REGISTERS; i++) {
            files[f].in[i] = trap_poison(i + 100 * f);
            files[f].out[i] = 0;
        }
}

static void set(unsigned f, enum role role, word value)
{
    files[f].in[trap_register(role)] = value;
}

/* A thread that makes the system call with poison in all other registers. The words stay poison. */
static struct thread *caller_in(cptr cspace, unsigned f, enum syscall number, word destination, word info)
{
    set(f, ROLE_STATUS, number);
    set(f, ROLE_BADGE, destination);
    set(f, ROLE_INFO, info);
    struct thread *t = thread_new(traps, f << 8 | number, PRIORITY_HIGH, faults);
    if (cspace != ROOT_CNODE)
        OK(tcb_set_space(t->tcb, cspace, ROOT_VSPACE, 0));
    thread_start(t);
    return t;
}

static struct thread *caller(unsigned f, enum syscall number, word destination, word info)
{
    return caller_in(ROOT_CNODE, f, number, destination, info);
}

static word out(unsigned f, enum role role)
{
    return files[f].out[trap_register(role)];
}

static void check_kept(unsigned f)
{
    EQUAL(files[f].sp_after, files[f].sp_before);
    for (unsigned i = 0; i < TRAP_REGISTERS; i++) {
        NOTE(i);
        if (trap_roles[i] == ROLE_KEPT)
            EQUAL(files[f].out[i], files[f].in[i]);
#if defined(__x86_64__)
        if (i == 2)
            EQUAL(files[f].out[i], files[f].pc_after);
        if (i == 10) /* RFLAGS: no IOPL, no NT, interrupts on, nothing above 21 */
            EQUAL(files[f].out[i] & ~0x28d5ul, 0x202);
#else
        if (trap_roles[i] == ROLE_LOST)
            CHECK(files[f].out[i] == 0 || files[f].out[i] == files[f].in[i]);
#endif
    }
}

/* The call is through: badge, info and status are as given, words are the sender's `from` (its poison) or, -1, own or
 * zero. */
static void check_result(unsigned f, enum error status, word badge, word info, int from)
{
    check_kept(f);
    EQUAL(out(f, ROLE_STATUS), status);
    EQUAL(out(f, ROLE_BADGE), badge);
    EQUAL(out(f, ROLE_INFO), info);
    for (enum role i = ROLE_WORD_0; i < 8; i++) {
        unsigned n = trap_register(i);
        NOTE(i);
        bool is_older = from < 0 && files[f].out[n] >> 48 == 0; /* poison and kernel addresses have bits there */
        if (!is_older)
            EQUAL(files[f].out[n], files[from >= 0 ? from : (int)f].in[n]);
    }
}

CASE(hygiene_calls_at_once, "System calls that return at once leave every register kept, zero or result")
{
    static const enum syscall numbers[] = {SYSCALL_NBSEND, SYSCALL_NBRECV, SYSCALL_NBWAIT, SYSCALL_YIELD};
    for (unsigned i = 0; i < COUNT(numbers); i++) {
        setup();
        NOTE(numbers[i]);
        (void)caller(0, numbers[i], endpoint | (word)reply << 32, trap_poison(50));
        EQUAL(traps_done, 1);
        check_result(0, ERROR_NONE, 0, 0, -1);
    }
}

CASE(hygiene_signal, "Signalling by Call, Send and NBSend leaves every register kept, zero or result")
{
    static const enum syscall numbers[] = {SYSCALL_CALL, SYSCALL_SEND, SYSCALL_NBSEND};
    for (unsigned i = 0; i < COUNT(numbers); i++) {
        setup();
        (void)caller(0, numbers[i], notification, trap_poison(50));
        EQUAL(traps_done, 1);
        check_result(0, ERROR_NONE, 0, 0, -1);
    }
}

CASE(hygiene_wait, "Waiting for a signal, pending or not, leaves every register kept, zero or result")
{
    static const enum syscall numbers[] = {SYSCALL_RECV, SYSCALL_WAIT, SYSCALL_REPLY_RECV};
    for (unsigned k = 0; k < COUNT(numbers) * 2; k++) {
        setup();
        NOTE(k);
        cptr badged = minted(notification, RIGHT_SEND, 0x1234);
        if (k % 2)
            notification_signal(badged);
        (void)caller(0, numbers[k / 2], notification, trap_poison(50));
        if (k % 2 == 0)
            notification_signal(badged);
        EQUAL(traps_done, 1);
        check_result(0, ERROR_NONE, 0x1234, 0, -1);
    }
}

CASE(hygiene_deep, "Waiting with a reply object, both found through two CNodes, keeps the registers as well")
{
    static const enum syscall numbers[] = {SYSCALL_RECV, SYSCALL_WAIT, SYSCALL_REPLY_RECV};
    cptr inner = object_new(OBJECT_CNODE, 4), outer = object_new(OBJECT_CNODE, 4), root = slot_new();
    OK(cnode_mint(outer, 3, ROOT_CNODE, inner, RIGHT_ALL, cnode_guard(0, 0)));
    OK(cnode_mint(ROOT_CNODE, root, ROOT_CNODE, outer, RIGHT_ALL, cnode_guard(0, 24)));
    for (unsigned k = 0; k < COUNT(numbers) * 2; k++) {
        setup();
        NOTE(k);
        OK(cnode_move(inner, 6 + k % 2, ROOT_CNODE, reply));
        OK(cnode_mint(inner, 8 + k, ROOT_CNODE, notification, RIGHT_ALL, 0x1234));
        if (k % 2)
            notification_signal(minted(notification, RIGHT_SEND, 0x1234));
        (void)caller_in(root, 0, numbers[k / 2], (0x38 + k) | (word)(0x36 + k % 2) << 32, trap_poison(50));
        if (k % 2 == 0)
            notification_signal(minted(notification, RIGHT_SEND, 0x1234));
        EQUAL(traps_done, 1);
        check_result(0, ERROR_NONE, 0x1234, 0, -1);
        OK(cnode_delete(inner, 6 + k % 2));
    }
}

/* One sends, one receives; who comes first, and with which calls. */
static void exchange(enum syscall send, enum syscall receive, bool sender_first)
{
    setup();
    word info = message_info(77, 0, 3);
    cptr badged = minted(endpoint, RIGHT_ALL, 0x4711);
    if (sender_first)
        (void)caller(0, send, badged, info | 0xe00);
    (void)caller(1, receive, endpoint | (word)reply << 32, trap_poison(51));
    if (!sender_first)
        (void)caller(0, send, badged, info | 0xe00); /* the unwrapped bits are the kernel's to set */
    NOTE(send);
    NOTE(receive);
    check_result(1, ERROR_NONE, 0x4711, info, 0);
    if (send != SYSCALL_CALL) {
        EQUAL(traps_done, 2);
        check_result(0, ERROR_NONE, 0, 0, -1);
        return;
    }
    EQUAL(traps_done, 1);
    struct message m = {message_info(5, 0, 2), {10, 11, 12, 13, 14, 15, 16, 17}};
    OK(syscall_send(reply, &m));
    EQUAL(traps_done, 2);
    check_kept(0);
    EQUAL(out(0, ROLE_STATUS), ERROR_NONE);
    EQUAL(out(0, ROLE_BADGE), 0);
    EQUAL(out(0, ROLE_INFO), message_info(5, 0, 2));
    for (enum role i = ROLE_WORD_0; i < 8; i++)
        EQUAL(out(0, i), 10 + i);
}

CASE(hygiene_receive_first,
     "A message to a waiting receiver: both sides' registers are message, zero or what they were")
{
    exchange(SYSCALL_SEND, SYSCALL_WAIT, false);
    exchange(SYSCALL_NBSEND, SYSCALL_RECV, false);
    exchange(SYSCALL_SEND, SYSCALL_REPLY_RECV, false);
    exchange(SYSCALL_CALL, SYSCALL_RECV, false);
    exchange(SYSCALL_CALL, SYSCALL_REPLY_RECV, false);
}

CASE(hygiene_send_first, "A message from a waiting sender: both sides' registers are message, zero or what they were")
{
    exchange(SYSCALL_SEND, SYSCALL_WAIT, true);
    exchange(SYSCALL_SEND, SYSCALL_NBWAIT, true);
    exchange(SYSCALL_SEND, SYSCALL_RECV, true);
    exchange(SYSCALL_CALL, SYSCALL_RECV, true);
    exchange(SYSCALL_CALL, SYSCALL_NBRECV, true);
    exchange(SYSCALL_CALL, SYSCALL_REPLY_RECV, true);
}

CASE(hygiene_fast_and_slow,
     "ReplyRecv hands an answer and the next message over with nothing else, on the fast path and off it")
{
    for (unsigned with_bound = 0; with_bound < 2; with_bound++) {
        setup();
        struct actor *first = actor_calls(PRIORITY_HIGH, SYSCALL_CALL, endpoint, 0, 1);
        struct message m;
        word badge;
        OK(syscall_recv(endpoint, reply, &m, &badge));
        if (with_bound)
            (void)caller(1, SYSCALL_SEND, endpoint, message_info(9, 0, 8));
        struct actor *server = actor_calls(PRIORITY_HIGH, SYSCALL_REPLY_RECV, endpoint, reply, 2);
        EQUAL(actor_result(first, 0)->m.words[0], 2);
        for (unsigned i = 1; i < 8; i++)
            EQUAL(actor_result(first, 0)->m.words[i], 0);
        if (!with_bound)
            (void)caller(1, SYSCALL_SEND, endpoint, message_info(9, 0, 8));
        EQUAL(actor_result(server, 0)->m.info, message_info(9, 0, 8));
        for (enum role i = ROLE_WORD_0; i < 8; i++)
            EQUAL(server->steps[0].m.words[i], files[1].in[trap_register(i)]);
    }
}

CASE(hygiene_aborted, "A call ended by the death of its endpoint shows the status, zeros, and the caller's own words")
{
    static const enum syscall numbers[] = {SYSCALL_CALL, SYSCALL_SEND, SYSCALL_RECV, SYSCALL_WAIT, SYSCALL_REPLY_RECV};
    for (unsigned i = 0; i < COUNT(numbers); i++) {
        setup();
        NOTE(numbers[i]);
        (void)caller(0, numbers[i], endpoint | (word)reply << 32, message_info(1, 0, 8));
        EQUAL(traps_done, 0);
        OK(cnode_delete(ROOT_CNODE, endpoint));
        EQUAL(traps_done, 1);
        check_result(0, ERROR_ABORTED, 0, 0, -1);
    }
}

CASE(hygiene_restarted, "A call that was suspended in its wait and resumed has lost and won nothing")
{
    static const enum syscall numbers[] = {SYSCALL_CALL, SYSCALL_SEND, SYSCALL_RECV, SYSCALL_WAIT, SYSCALL_REPLY_RECV};
    for (unsigned i = 0; i < COUNT(numbers); i++) {
        setup();
        NOTE(numbers[i]);
        struct thread *t = caller(0, numbers[i], endpoint | (word)reply << 32, message_info(1, 0, 8));
        struct user_registers r, again;
        OK(tcb_read_registers(t->tcb, true, own_buffer, &r));
        OK(tcb_read_registers(t->tcb, true, own_buffer, &again));
        for (unsigned k = 0; k < USER_REGISTERS_WORDS; k++)
            EQUAL(((word *)&r)[k], ((word *)&again)[k]);
        OK(tcb_resume(t->tcb));
        EQUAL(traps_done, 0);
        struct message m = {message_info(6, 0, 1), {1, 2, 3, 4, 5, 6, 7, 8}};
        word badge;
        if (numbers[i] == SYSCALL_CALL || numbers[i] == SYSCALL_SEND) {
            OK(syscall_recv(endpoint, reply, &m, &badge));
            EQUAL(m.info, message_info(1, 0, 8));
            for (enum role w = ROLE_WORD_0; w < 8; w++)
                EQUAL(m.words[w], files[0].in[trap_register(w)]);
            OK(syscall_send(reply, &m));
        } else {
            OK(syscall_send(endpoint, &m));
        }
        EQUAL(traps_done, 1);
        check_kept(0);
    }
}

CASE(hygiene_invocations,
     "No invocation of any object, with senseless arguments, leaves a kernel address in a register")
{
    cptr objects[OBJECT_TYPE_COUNT];
    setup();
    objects_of_all_types(objects);
    struct thread *t = thread_new(traps, 0, PRIORITY_HIGH, faults);
    for (enum object_type type = OBJECT_UNTYPED; type < OBJECT_POWER_CONTROL; type++) {
        for (word label = 0; label < INVOCATION_COUNT && objects[type] != 0; label++) {
            if (type == OBJECT_ENDPOINT || type == OBJECT_TCB)
                continue; /* would block; would write registers of the caller's choice */
            OK(tcb_suspend(t->tcb));
            thread_aim(t, traps, SYSCALL_CALL);
            set(0, ROLE_STATUS, SYSCALL_CALL);
            set(0, ROLE_BADGE, objects[type]);
            set(0, ROLE_INFO, message_info(label, 0, 8));
            traps_done = 0;
            thread_start(t);
            NOTE(type);
            NOTE(label);
            EQUAL(traps_done, 1);
            check_kept(0);
            for (unsigned i = 0; i < TRAP_REGISTERS; i++)
                CHECK(files[0].out[i] >> 48 != 0xffff);
        }
    }
}

/* --- faults and interrupts --- */

static void answer_fault(enum fault kind, word pc_step)
{
    struct message m;
    word badge;
    OK(syscall_recv(faults, reply, &m, &badge));
    EQUAL(message_info_label(m.info), kind);
    for (word i = message_info_length(m.info); i < 8; i++)
        EQUAL(m.words[i], 0);
    m.words[0] += pc_step;
    m.info = message_info(0, 0, pc_step != 0);
    OK(syscall_send(reply, &m));
}

static void check_unchanged(unsigned f)
{
    EQUAL(files[f].sp_after, files[f].sp_before);
    for (unsigned i = 0; i < TRAP_REGISTERS; i++) {
        NOTE(i);
        EQUAL(files[f].out[i], files[f].in[i]);
    }
}

CASE(hygiene_exception,
     "A handled exception changes no register but the program counter, and the handler sees zeros behind it")
{
    setup();
    thread_start(thread_new(traps, TRAP_ILLEGAL, PRIORITY_HIGH, faults));
    answer_fault(FAULT_USER_EXCEPTION, TRAP_ILLEGAL_BYTES);
    EQUAL(traps_done, 1);
    check_unchanged(0);
}

CASE(hygiene_page_fault, "A handled page fault changes no register")
{
    setup();
    cptr frame;
    volatile word *p = memory_new(PAGE_BITS, &frame);
    word done;
    OK(frame_unmap(frame, &done));
    files[0].in[TRAP_POINTER] = (word)p;
    thread_start(thread_new(traps, TRAP_TOUCH, PRIORITY_HIGH, faults));
    map_page(ROOT_VSPACE, frame, (word)p, RIGHT_READ, 0);
    answer_fault(FAULT_VM, 0);
    EQUAL(traps_done, 1);
    check_unchanged(0);
}

CASE(hygiene_unknown_syscall, "An unknown system call that its handler lets pass has changed no register")
{
    setup();
    set(0, ROLE_STATUS, 9);
    thread_start(thread_new(traps, 9, PRIORITY_HIGH, faults));
    answer_fault(FAULT_UNKNOWN_SYSCALL, 0);
    EQUAL(traps_done, 1);
    for (unsigned i = 0; i < TRAP_REGISTERS; i++) {
        NOTE(i);
        bool is_clean = trap_roles[i] == ROLE_LOST && (files[0].out[i] == 0 || TRAP_REGISTERS == 15);
        if (!is_clean)
            EQUAL(files[0].out[i], files[0].in[i]);
    }
}

CASE(hygiene_interrupts, "Two threads that are interrupted and exchanged at hundreds of places keep every register")
{
    setup();
    cptr timer = object_new(OBJECT_TIMER, 0);
    OK(timer_bind(timer, notification, ROOT_SCHED_CONTEXT));
    for (unsigned f = 0; f < 2; f++) {
        files[f].in[TRAP_POINTER] = (word)&flag;
        struct thread *t = thread_new(traps, f << 8 | TRAP_SPIN, PRIORITY_LOW, faults);
        OK(sched_control_configure(ROOT_SCHED_CONTROL, t->sched_context, 20000, 20000, 0, 0));
        thread_start(t);
    }
    for (unsigned i = 0; i < 300; i++) {
        OK(timer_set(timer, ticks_now() + ns_to_ticks(10000 + 13 * i)));
        CHECK(notification_wait(notification) != 0);
    }
    EQUAL(traps_done, 0);
#if defined(__aarch64__)
    files[0].in[20] = files[1].in[20]; /* which it shall find in the flag */
#endif
    flag = trap_poison(120);
    sleep_ns(1000000);
    EQUAL(traps_done, 2);
    check_unchanged(0);
    check_unchanged(1);
}

/* --- threads from outside --- */

CASE(hygiene_new_thread,
     "A thread made in memory that was full of ones has registers of zero, and keeps those not written")
{
    cptr untyped = object_new(OBJECT_UNTYPED, PAGE_BITS), frame = slot_new(), tcb = slot_new();
    OK(untyped_retype_all(untyped, OBJECT_FRAME, PAGE_BITS, ROOT_CNODE, frame, 1));
    map_page(ROOT_VSPACE, frame, HARNESS_MAP_BASE, RIGHT_READ | RIGHT_WRITE, 0);
    for (word i = 0; i < PAGE_BYTES / sizeof(word); i++)
        ((volatile word *)HARNESS_MAP_BASE)[i] = ~0ul;
    OK(cnode_delete(ROOT_CNODE, frame));
    OK(untyped_retype_all(untyped, OBJECT_TCB, 0, ROOT_CNODE, tcb, 1));
    struct user_registers r;
    OK(tcb_read_registers(tcb, false, own_buffer, &r));
    for (unsigned i = 0; i < USER_REGISTERS_WORDS; i++) {
        NOTE(i);
        if (i == 2) /* flags: interrupts on */
            CHECK(((word *)&r)[i] < 0x1000);
        else
            EQUAL(((word *)&r)[i], 0);
    }
    struct message m = {0, {0, 0x1000, 0x2000}};
    EQUAL(invoked(tcb, TCB_WRITE_REGISTERS, 3, &m), ERROR_NONE);
    OK(tcb_read_registers(tcb, false, own_buffer, &r));
    EQUAL(((word *)&r)[0], 0x1000);
    EQUAL(((word *)&r)[1], 0x2000);
    for (unsigned i = 3; i < USER_REGISTERS_WORDS; i++)
        EQUAL(((word *)&r)[i], 0);
}

CASE(hygiene_read_registers, "READ_REGISTERS shows a blocked thread's registers as its own program left them")
{
    setup();
    struct thread *t = caller(0, SYSCALL_CALL, endpoint, message_info(3, 0, 8));
    struct user_registers r;
    OK(tcb_read_registers(t->tcb, false, own_buffer, &r));
#if defined(__x86_64__)
    EQUAL(r.rbp, files[0].in[6]);
    EQUAL(r.r15, files[0].in[14]);
    EQUAL(r.rsi, message_info(3, 0, 8));
    EQUAL(r.rdx, files[0].in[3]);
    EQUAL(r.r14, files[0].in[13]);
    EQUAL(r.rdi, endpoint);
#else
    for (unsigned i = 0; i < 31; i++)
        if (trap_roles[i] == ROLE_KEPT || trap_roles[i] < 8 || trap_roles[i] == ROLE_BADGE)
            EQUAL(r.x[i], files[0].in[i]);
#endif
    for (unsigned i = 0; i < USER_REGISTERS_WORDS; i++) {
        NOTE(i);
        CHECK(((word *)&r)[i] >> 48 != 0xffff);
    }
}

/* --- FP --- */

static uint8_t fp_images[3][FP_BYTES] __attribute__((aligned(64)));

static void fp_pattern(unsigned which)
{
    fp_store(fp_images[which]);
    for (unsigned i = FP_FIRST; i < FP_END; i++)
        fp_images[which][i] = (uint8_t)(i * 7 + which * 31 + 1);
#if defined(__x86_64__)
    for (unsigned i = 0; i < 8; i++) /* x87 registers have 10 bytes of 16 */
        for (unsigned k = 10; k < 16; k++)
            fp_images[which][32 + i * 16 + k] = 0;
#else
    ((word *)fp_images[which])[64] = which << 22; /* rounding mode */
    ((word *)fp_images[which])[65] = which & 0x1f;
#endif
}

static void fp_holder(word which)
{
    static uint8_t seen[2][FP_BYTES] __attribute__((aligned(64)));
    fp_pattern((unsigned)which);
    fp_load(fp_images[which]);
    for (unsigned i = 0; i < 200 && flag == 0; i++) {
        if (i % 3 == 0)
            spin_ns(7000);
        else if (i % 3 == 1)
            notification_signal(notification);
        else
            syscall_yield();
        fp_store(seen[which]);
        for (unsigned k = FP_FIRST; k < FP_END; k++)
            if (seen[which][k] != fp_images[which][k])
                flag = k + 1;
    }
    traps_done = traps_done + 1;
}

CASE(
    hygiene_fp_switch,
    "All FP and SIMD registers, whole, survive switches, interrupts and system calls of two FP threads and one without")
{
    setup();
    for (unsigned i = 0; i < 2; i++) {
        struct thread *t = thread_new(fp_holder, i, PRIORITY_LOW, faults);
        OK(tcb_set_flags(t->tcb, 0, TCB_FLAG_FP));
        OK(sched_control_configure(ROOT_SCHED_CONTROL, t->sched_context, 20000, 20000, 0, 0));
        thread_start(t);
    }
    files[0].in[TRAP_POINTER] = (word)&files[1];
    for (unsigned i = 0; i < 100 && traps_done < 2; i++)
        sleep_ns(1000000);
    EQUAL(flag, 0);
    EQUAL(traps_done, 2);
}

static void fp_first_look(word which)
{
    fp_store(fp_images[which]);
    traps_done = traps_done + 1;
}

CASE(hygiene_fp_first,
     "A thread's first FP state has all registers zero, whatever was in them and in its memory before")
{
    setup();
    struct thread *dirty = thread_new(fp_holder, 0, PRIORITY_HIGH, faults);
    OK(tcb_set_flags(dirty->tcb, 0, TCB_FLAG_FP));
    thread_start(dirty);
    EQUAL(traps_done, 1);
    OK(cnode_delete(ROOT_CNODE, dirty->tcb));
    struct thread *t = thread_new(fp_first_look, 2, PRIORITY_HIGH, faults);
    OK(tcb_set_flags(t->tcb, 0, TCB_FLAG_FP));
    thread_start(t);
    EQUAL(traps_done, 2);
    for (unsigned i = FP_FIRST; i < FP_END; i++) {
        NOTE(i);
        EQUAL(fp_images[2][i], 0);
    }
}
