/* Faults: their messages, field by field, and what an answer does. */
#include "test.h"

static cptr endpoint, reply;
static volatile word after;

static void setup(void)
{
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    after = 0;
}

static void expect_fault(struct message *m, enum fault kind)
{
    word badge;
    OK(syscall_recv(endpoint, reply, m, &badge));
    EQUAL(message_info_label(m->info), kind);
}

static void reader(word address)
{
    after = 1 + *(volatile word *)address;
}
static void writer(word address)
{
    *(volatile word *)address = 1;
    after = 1;
}
static void jumper(word address)
{
    ((void (*)(void))address)();
    after = 1;
}

CASE(fault_read_null, "Reading page 0 is a VM fault with the address")
{
    setup();
    thread_start(thread_new(reader, 8, PRIORITY_HIGH, endpoint));
    struct message m;
    expect_fault(&m, FAULT_VM);
    EQUAL(m.words[2], 8);
    EQUAL(m.words[4] & (FAULT_VM_WRITE | FAULT_VM_FETCH | FAULT_VM_PRESENT), 0);
    EQUAL(after, 0);
}

CASE(fault_write_text, "Writing to its own text is a VM fault: a permission, for writing")
{
    setup();
    thread_start(thread_new(writer, (word)reader, PRIORITY_HIGH, endpoint));
    struct message m;
    expect_fault(&m, FAULT_VM);
    EQUAL(m.words[2], (word)reader);
    EQUAL(m.words[4] & FAULT_VM_WRITE, FAULT_VM_WRITE);
    EQUAL(m.words[4] & FAULT_VM_PRESENT, FAULT_VM_PRESENT);
}

CASE(fault_execute_data, "Executing data is a VM fault: a fetch")
{
    setup();
    thread_start(thread_new(jumper, (word)&after & ~15ul, PRIORITY_HIGH, endpoint));
    struct message m;
    expect_fault(&m, FAULT_VM);
    EQUAL(m.words[4] & FAULT_VM_FETCH, FAULT_VM_FETCH);
}

CASE(fault_kernel_address, "Reading and jumping to kernel addresses faults like any other")
{
    static const word addresses[] = {0xffffffff80100000ul, 0xffff800000000000ul, 0xffff000000000000ul,
                                     0xfffffffffffff000ul, 0x800000000000ul,     0x8000000000000000ul};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        setup();
        thread_start(thread_new(reader, addresses[i], PRIORITY_HIGH, endpoint));
        struct message m;
        word badge;
        OK(syscall_recv(endpoint, reply, &m, &badge));
        CHECK(message_info_label(m.info) == FAULT_VM || message_info_label(m.info) == FAULT_USER_EXCEPTION);
        setup();
        thread_start(thread_new(jumper, addresses[i], PRIORITY_HIGH, endpoint));
        OK(syscall_recv(endpoint, reply, &m, &badge));
        CHECK(message_info_label(m.info) == FAULT_VM || message_info_label(m.info) == FAULT_USER_EXCEPTION);
        EQUAL(after, 0);
    }
}

static void traps(word unused)
{
    (void)unused;
#if defined(__x86_64__)
    __asm__ volatile("ud2");
#else
    __asm__ volatile("brk #77");
#endif
    after = 1;
}

CASE(fault_user_exception, "An illegal instruction is a user exception; the answer can move the program counter")
{
    setup();
    thread_start(thread_new(traps, 0, PRIORITY_HIGH, endpoint));
    struct message m;
    expect_fault(&m, FAULT_USER_EXCEPTION);
#if defined(__x86_64__)
    EQUAL(m.words[2], 6);
    m.words[0] += 2;
#else
    EQUAL(m.words[2], 0x3c);
    EQUAL(m.words[3] & 0xffff, 77);
    m.words[0] += 4;
#endif
    m.info = message_info(0, 0, 2);
    OK(syscall_send(reply, &m));
    EQUAL(after, 1);
}

static void unknown_call(word unused)
{
    (void)unused;
#if defined(__x86_64__)
    word rax = 9999;
    __asm__ volatile("syscall"
                     : "+a"(rax)::"rcx", "r11", "memory", "rdi", "rsi", "rdx", "r10", "r8", "r9", "rbx", "r12", "r13",
                       "r14");
#else
    __asm__ volatile("svc #9999" ::
                         : "memory", "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12",
                           "x13", "x14", "x15", "x16", "x17", "x18");
#endif
    after = 1;
}

CASE(fault_unknown_syscall, "An unknown system call is a fault with its number")
{
    setup();
    thread_start(thread_new(unknown_call, 0, PRIORITY_HIGH, endpoint));
    struct message m;
    expect_fault(&m, FAULT_UNKNOWN_SYSCALL);
    EQUAL(m.words[2], 9999);
}

static void caller_of_nothing(word to)
{
    struct message m = {0};
    (void)syscall_call((cptr)to, &m);
    after = 1;
}

CASE(fault_capability, "A call on an empty slot is a capability fault with the address")
{
    setup();
    cptr empty = slot_new();
    thread_start(thread_new(caller_of_nothing, empty, PRIORITY_HIGH, endpoint));
    struct message m;
    expect_fault(&m, FAULT_CAPABILITY);
    EQUAL(m.words[2], empty);
    EQUAL(m.words[3], 0);
}

static void waiter_on_nothing(word from)
{
    struct message m;
    word badge;
    (void)syscall_recv((cptr)from, reply, &m, &badge);
    after = 1;
}

CASE(fault_capability_receive, "A receive on an empty slot is one of the receive phase")
{
    setup();
    cptr empty = slot_new();
    thread_start(thread_new(waiter_on_nothing, empty, PRIORITY_HIGH, endpoint));
    struct message m;
    expect_fault(&m, FAULT_CAPABILITY);
    EQUAL(m.words[2], empty);
    EQUAL(m.words[3], 1);
}

CASE(fault_without_handler, "A thread without fault endpoint stops; the others go on")
{
    setup();
    thread_start(thread_new(reader, 8, PRIORITY_HIGH, 0));
    EQUAL(after, 0);
}

CASE(fault_badge, "The fault endpoint's badge tells the handler who faulted")
{
    setup();
    cptr badged = slot_new();
    OK(cnode_mint(ROOT_CNODE, badged, ROOT_CNODE, endpoint, RIGHT_ALL, 4711));
    thread_start(thread_new(reader, 8, PRIORITY_HIGH, badged));
    struct message m;
    word badge;
    OK(syscall_recv(endpoint, reply, &m, &badge));
    EQUAL(badge, 4711);
}

CASE(fault_answer_stops, "An answer with another label leaves the thread stopped")
{
    setup();
    thread_start(thread_new(traps, 0, PRIORITY_HIGH, endpoint));
    struct message m;
    expect_fault(&m, FAULT_USER_EXCEPTION);
    m.info = message_info(1, 0, 0);
    OK(syscall_send(reply, &m));
    let_others_run();
    EQUAL(after, 0);
}

#if defined(__x86_64__)
static void privileged(word which)
{
    word value = 0;
    switch (which) {
    case 0:
        __asm__ volatile("cli");
        break;
    case 1:
        __asm__ volatile("mov %%cr3, %0" : "=r"(value));
        break;
    case 2:
        __asm__ volatile("outb %%al, $0x80" ::"a"(0));
        break;
    case 3:
        __asm__ volatile("rdmsr" : "=a"(value) : "c"(0x1b) : "rdx");
        break;
    case 4:
        __asm__ volatile("hlt");
        break;
    default:
        __asm__ volatile("int $0x80");
        break;
    }
    after = 1;
}
#else
static void privileged(word which)
{
    word value = 0;
    switch (which) {
    case 0:
        __asm__ volatile("msr daifset, #2");
        break;
    case 1:
        __asm__ volatile("mrs %0, ttbr0_el1" : "=r"(value));
        break;
    case 2:
        __asm__ volatile("tlbi vmalle1");
        break;
    case 3:
        __asm__ volatile("hvc #0");
        break;
    case 4:
        __asm__ volatile("msr cntv_ctl_el0, %0" ::"r"(value));
        break;
    default:
        __asm__ volatile("smc #0");
        break;
    }
    after = 1;
}
#endif

CASE(fault_privileged, "Privileged instructions are user exceptions")
{
    for (word which = 0; which < 6; which++) {
        setup();
        thread_start(thread_new(privileged, which, PRIORITY_HIGH, endpoint));
        struct message m;
        expect_fault(&m, FAULT_USER_EXCEPTION);
        EQUAL(after, 0);
    }
}

static void fp_without_flag(word unused)
{
    (void)unused;
#if defined(__x86_64__)
    __asm__ volatile("movq %%rax, %%xmm0" ::: "memory");
#else
    __asm__ volatile(".arch_extension fp\n\tfmov d0, xzr" ::: "memory");
#endif
    after = 1;
}

CASE(fault_fp_without_flag, "SIMD without the FP flag is a user exception")
{
    setup();
    thread_start(thread_new(fp_without_flag, 0, PRIORITY_HIGH, endpoint));
    struct message m;
    expect_fault(&m, FAULT_USER_EXCEPTION);
    EQUAL(after, 0);
}

CASE(fault_refused,
     "A fault that a receiver without reply object finds or meets stops the thread; resumed, it faults again")
{
    for (unsigned handler_first = 0; handler_first < 2; handler_first++) {
        setup();
        struct thread *t = thread_new(reader, 8, PRIORITY_HIGH, endpoint);
        struct actor *handler = actor_new(PRIORITY_HIGH + 1, 0, 0);
        (void)actor_step(handler, SYSCALL_WAIT, endpoint, 0, NULL);
        struct message m;
        word badge;
        if (handler_first)
            actor_start(handler);
        thread_start(t);
        if (!handler_first) {
            OK(syscall_nbwait(endpoint, &m, &badge));
            EQUAL(m.info, 0);
        }
        NOTE(handler_first);
        EQUAL(handler->done, 0);
        OK(tcb_suspend(handler->thread->tcb));
        OK(syscall_nbrecv(endpoint, reply, &m, &badge));
        EQUAL(m.info, 0);
        OK(tcb_resume(t->tcb));
        OK(syscall_nbrecv(endpoint, reply, &m, &badge));
        EQUAL(message_info_label(m.info), FAULT_VM);
        EQUAL(m.words[2], 8);
    }
}
