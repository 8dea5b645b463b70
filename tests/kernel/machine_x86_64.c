/* What only x86-64 has: flags, segments, SYSRET, single steps, FP state, ports, I/O APIC. */
#include "test.h"

#define RFLAGS_TF     0x100ul
#define RFLAGS_IF     0x200ul
#define RFLAGS_DF     0x400ul
#define RFLAGS_IOPL   0x3000ul
#define RFLAGS_NT     0x4000ul
#define RFLAGS_AC     0x40000ul
#define MXCSR_INITIAL 0x1f80u

static cptr endpoint, reply;
static volatile word after, seen[16];

static void setup(void)
{
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    after = 0;
    for (unsigned i = 0; i < 16; i++)
        seen[i] = 0;
}

static void expect_fault(struct message *m, enum fault kind)
{
    word badge;
    OK(syscall_recv(endpoint, reply, m, &badge));
    EQUAL(message_info_label(m->info), kind);
}

static void answer(struct message *m)
{
    m->info = message_info(0, 0, 2);
    OK(syscall_send(reply, m));
}

/* --- flags --- */

static void flags_then_call(word flags)
{
    word result, rax = SYSCALL_YIELD;
    __asm__ volatile("push %[flags]\n"
                     "popfq\n"
                     "syscall\n"
                     "pushfq\n"
                     "cld\n"
                     "pop %[result]\n"
                     "pushq $2\n"
                     "popfq"
                     : [result] "=&r"(result), "+a"(rax)
                     : [flags] "r"(flags)
                     : "rcx", "r11", "rdi", "rsi", "rdx", "r8", "r9", "r10", "rbx", "r12", "r13", "r14", "memory");
    seen[0] = result;
    after = 1;
}

CASE(x86_hostile_flags, "NT, DF, AC and IOPL set in front of a system call harm nobody and stay the thread's own")
{
    static const word flags[] = {RFLAGS_NT, RFLAGS_DF, RFLAGS_AC, RFLAGS_IOPL, RFLAGS_NT | RFLAGS_DF | RFLAGS_AC};
    for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        setup();
        thread_start(thread_new(flags_then_call, flags[i], PRIORITY_HIGH, endpoint));
        EQUAL(after, 1);
        EQUAL(seen[0] & RFLAGS_IOPL, 0);
        EQUAL(seen[0] & RFLAGS_IF, RFLAGS_IF);
        EQUAL(seen[0] & RFLAGS_DF, flags[i] & RFLAGS_DF);
    }
}

static void stepping(word unused)
{
    (void)unused;
    __asm__ volatile("pushfq\n"
                     "orq $0x100, (%%rsp)\n"
                     "popfq\n"
                     "nop\n"
                     "nop\n"
                     "pushfq\n"
                     "andq $~0x100, (%%rsp)\n"
                     "popfq" ::
                         : "memory", "cc");
    after = 1;
}

CASE(x86_single_step, "The trap flag is a debug fault after each instruction, until it is cleared")
{
    setup();
    thread_start(thread_new(stepping, 0, PRIORITY_HIGH, endpoint));
    struct message m;
    word last = 0, badge, steps = 0;
    while (after == 0 && steps < 10) {
        OK(syscall_recv(endpoint, reply, &m, &badge));
        EQUAL(message_info_label(m.info), FAULT_DEBUG);
        EQUAL(m.words[2], DEBUG_STEP);
        CHECK(m.words[0] > last);
        last = m.words[0];
        steps++;
        answer(&m);
    }
    EQUAL(steps, 5); /* nop nop pushfq andq popfq */
}

static void stepping_into_kernel(word with_mov_ss)
{
    word rax = SYSCALL_YIELD, ss;
    __asm__ volatile("mov %%ss, %0" : "=r"(ss));
    if (with_mov_ss)
        __asm__ volatile("pushfq\n"
                         "orq $0x100, (%%rsp)\n"
                         "popfq\n"
                         "mov %1, %%ss\n"
                         "syscall\n"
                         "pushq $2\n"
                         "popfq"
                         : "+a"(rax)
                         : "r"(ss)
                         : "rcx", "r11", "rdi", "rsi", "rdx", "r8", "r9", "r10", "rbx", "r12", "r13", "r14", "memory");
    else
        __asm__ volatile("pushfq\n"
                         "orq $0x100, (%%rsp)\n"
                         "popfq\n"
                         "syscall\n"
                         "pushq $2\n"
                         "popfq"
                         : "+a"(rax)::"rcx", "r11", "rdi", "rsi", "rdx", "r8", "r9", "r10", "rbx", "r12", "r13", "r14",
                           "memory");
    after = 1;
}

CASE(x86_single_step_syscall, "A step across SYSCALL, also behind MOV SS, never stops in the kernel")
{
    for (word with_mov_ss = 0; with_mov_ss < 2; with_mov_ss++) {
        setup();
        thread_start(thread_new(stepping_into_kernel, with_mov_ss, PRIORITY_HIGH, endpoint));
        for (unsigned i = 0; after == 0 && i < 10; i++) {
            struct message m;
            expect_fault(&m, FAULT_DEBUG);
            EQUAL(m.words[0] >> 47, 0);
            answer(&m);
        }
        EQUAL(after, 1);
    }
}

static void breakpoint(word unused)
{
    (void)unused;
    __asm__ volatile("int3");
    after = 1;
}

CASE(x86_breakpoint, "INT3 is user exception 3 with the program counter on the instruction")
{
    setup();
    thread_start(thread_new(breakpoint, 0, PRIORITY_HIGH, endpoint));
    struct message m;
    expect_fault(&m, FAULT_USER_EXCEPTION);
    EQUAL(m.words[2], 3);
    EQUAL(*(const uint8_t *)m.words[0], 0xcc);
    m.words[0]++;
    answer(&m);
    EQUAL(after, 1);
}

/* --- segments and bases --- */

static void loads_selectors(word selector)
{
    __asm__ volatile("mov %w0, %%ds\n"
                     "mov %w0, %%es\n"
                     "mov %w0, %%fs\n"
                     "mov %w0, %%gs" ::"r"(selector)
                     : "memory");
    syscall_yield();
    after = 1;
}

CASE(x86_selectors, "User selectors may be loaded; the kernel's and the TSS's are exceptions")
{
    static const word good[] = {0, 3, 0x1b}, bad[] = {0x08, 0x10, 0x28, 0x2b, 0x33, 0xfffb};
    for (unsigned i = 0; i < 3; i++) {
        setup();
        thread_start(thread_new(loads_selectors, good[i], PRIORITY_HIGH, endpoint));
        EQUAL(after, 1);
    }
    for (unsigned i = 0; i < 6; i++) {
        setup();
        thread_start(thread_new(loads_selectors, bad[i], PRIORITY_HIGH, endpoint));
        struct message m;
        expect_fault(&m, FAULT_USER_EXCEPTION);
        EQUAL(m.words[2], 13);
        EQUAL(after, 0);
    }
}

static void keeps_bases(word number)
{
    word fs = number << 12, gs = number << 20, value;
    __asm__ volatile("wrfsbase %0" ::"r"(fs));
    __asm__ volatile("wrgsbase %0" ::"r"(gs));
    for (unsigned i = 0; i < 50; i++) {
        syscall_yield();
        __asm__ volatile("rdfsbase %0" : "=r"(value));
        if (value != fs)
            seen[0]++;
        __asm__ volatile("rdgsbase %0" : "=r"(value));
        if (value != gs)
            seen[0]++;
    }
    after++;
}

CASE(x86_bases, "FS and GS base, written by the threads themselves, are each thread's own")
{
    setup();
    for (word i = 1; i <= 3; i++)
        thread_start(thread_new(keeps_bases, i, PRIORITY_LOW, endpoint));
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_LOW));
    for (unsigned i = 0; i < 100 && after < 3; i++)
        let_others_run();
    EQUAL(after, 3);
    EQUAL(seen[0], 0);
}

/* --- registers from outside --- */

CASE(x86_write_hostile_registers,
     "Registers written with kernel or non-canonical addresses and all flags end in a fault")
{
    static const word addresses[] = {0xffffffff80101000ul, 0xffff800000000000ul, 0x0000800000000000ul,
                                     0x8000000000000000ul, 0x00007ffffffffffful, ~0ul};
    for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        setup();
        struct thread *t = thread_new(breakpoint, 0, PRIORITY_HIGH, endpoint);
        struct user_registers r;
        OK(tcb_read_registers(t->tcb, false, own_buffer, &r));
        r.rip = r.rsp = r.fs_base = r.gs_base = addresses[i];
        r.rflags = ~RFLAGS_TF;
        OK(tcb_write_registers(t->tcb, false, own_buffer, &r));
        OK(tcb_read_registers(t->tcb, false, own_buffer, &r));
        EQUAL(r.rflags & (RFLAGS_IF | RFLAGS_IOPL | RFLAGS_NT), RFLAGS_IF);
        thread_start(t);
        struct message m;
        word badge;
        OK(syscall_recv(endpoint, reply, &m, &badge));
        CHECK(message_info_label(m.info) == FAULT_VM || message_info_label(m.info) == FAULT_USER_EXCEPTION);
        m.words[0] = addresses[sizeof(addresses) / sizeof(addresses[0]) - 1 - i];
        answer(&m);
        OK(syscall_recv(endpoint, reply, &m, &badge));
    }
}

/* Every register holds a known value in a loop; any change ends it. rdi: where to count the rounds. */
__attribute__((naked)) static void registers_hold(word counter)
{
    (void)counter;
    __asm__ volatile("mov $0x1111111111111111, %rax\n"
                     "mov $0x2222222222222222, %rbx\n"
                     "mov $0x3333333333333333, %rcx\n"
                     "mov $0x4444444444444444, %rdx\n"
                     "mov $0x5555555555555555, %rsi\n"
                     "mov $0x6666666666666666, %rbp\n"
                     "mov $0x7777777777777777, %r8\n"
                     "mov $0x8888888888888888, %r9\n"
                     "mov $0x9999999999999999, %r10\n"
                     "mov $0xaaaaaaaaaaaaaaaa, %r11\n"
                     "mov $0xbbbbbbbbbbbbbbbb, %r12\n"
                     "mov $0xcccccccccccccccc, %r13\n"
                     "mov $0xdddddddddddddddd, %r14\n"
                     "mov %rsp, %r15\n"
                     "1: incq (%rdi)\n"
                     "push %rax\n"
                     "mov $0x1111111111111111, %rax; cmp %rax, (%rsp); jne 2f\n"
                     "mov $0x2222222222222222, %rax; cmp %rax, %rbx; jne 2f\n"
                     "mov $0x3333333333333333, %rax; cmp %rax, %rcx; jne 2f\n"
                     "mov $0x4444444444444444, %rax; cmp %rax, %rdx; jne 2f\n"
                     "mov $0x5555555555555555, %rax; cmp %rax, %rsi; jne 2f\n"
                     "mov $0x6666666666666666, %rax; cmp %rax, %rbp; jne 2f\n"
                     "mov $0x7777777777777777, %rax; cmp %rax, %r8; jne 2f\n"
                     "mov $0x8888888888888888, %rax; cmp %rax, %r9; jne 2f\n"
                     "mov $0x9999999999999999, %rax; cmp %rax, %r10; jne 2f\n"
                     "mov $0xaaaaaaaaaaaaaaaa, %rax; cmp %rax, %r11; jne 2f\n"
                     "mov $0xbbbbbbbbbbbbbbbb, %rax; cmp %rax, %r12; jne 2f\n"
                     "mov $0xcccccccccccccccc, %rax; cmp %rax, %r13; jne 2f\n"
                     "mov $0xdddddddddddddddd, %rax; cmp %rax, %r14; jne 2f\n"
                     "pop %rax\n"
                     "cmp %rsp, %r15; jne 2f\n"
                     "jmp 1b\n"
                     "2: ud2");
}

CASE(x86_preempted_registers, "A thread that is interrupted hundreds of times finds every register as it was")
{
    setup();
    cptr notification = object_new(OBJECT_NOTIFICATION, 0), timer = object_new(OBJECT_TIMER, 0);
    OK(timer_bind(timer, notification, ROOT_SCHED_CONTEXT));
    thread_start(thread_new(registers_hold, (word)&seen[0], PRIORITY_LOW, endpoint));
    for (unsigned i = 0; i < 200; i++) {
        OK(timer_set(timer, ticks_now() + ns_to_ticks(20000 + i * 7)));
        CHECK(notification_wait(notification) != 0);
    }
    CHECK(seen[0] > 0);
    struct message m = {0};
    word badge;
    (void)syscall_nbrecv(endpoint, reply, &m, &badge);
    EQUAL(m.info, 0);
}

/* What SYSCALL returns, register by register, in seen[]; seen[2] is what rcx must be. */
__attribute__((naked)) static void syscall_registers(word number)
{
    (void)number;
    __asm__ volatile("push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
                     "mov %rdi, %rax\n"
                     "mov $0x1234567, %ebp\n"
                     "mov $0x7654321, %r15d\n"
                     "mov %rsp, seen+104(%rip)\n"
                     "syscall\n"
                     "1: mov %rax, seen(%rip)\n"
                     "mov %rcx, seen+8(%rip)\n"
                     "lea 1b(%rip), %rcx\n"
                     "mov %rcx, seen+16(%rip)\n"
                     "mov %r11, seen+24(%rip)\n"
                     "mov %rbp, seen+32(%rip)\n"
                     "mov %r15, seen+40(%rip)\n"
                     "mov %rdx, seen+48(%rip)\n"
                     "mov %r10, seen+56(%rip)\n"
                     "mov %rbx, seen+64(%rip)\n"
                     "mov %r12, seen+72(%rip)\n"
                     "mov %r13, seen+80(%rip)\n"
                     "mov %r14, seen+88(%rip)\n"
                     "mov %rdi, seen+96(%rip)\n"
                     "sub %rsp, seen+104(%rip)\n"
                     "mov %r8, seen+112(%rip)\n"
                     "mov %r9, seen+120(%rip)\n"
                     "incq after(%rip)\n"
                     "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
                     "ret");
}

CASE(x86_syscall_registers, "A system call keeps rsp, rbp and r15, returns by rcx, and shows nothing of the kernel's")
{
    setup();
    thread_start(thread_new(syscall_registers, SYSCALL_YIELD, PRIORITY_HIGH, endpoint));
    EQUAL(after, 1);
    EQUAL(seen[1], seen[2]);
    EQUAL(seen[4], 0x1234567);
    EQUAL(seen[5], 0x7654321);
    EQUAL(seen[13], 0);
    EQUAL(seen[3] & (RFLAGS_IF | RFLAGS_IOPL), RFLAGS_IF);
    for (unsigned i = 0; i < 16; i++)
        EQUAL(seen[i] >> 47, 0);
}

/* --- FP and SIMD --- */

struct fp_sample {
    uint64_t low, high;
    uint32_t mxcsr, control_word;
};

static void fp_read(struct fp_sample *sample)
{
    __asm__ volatile("movups %%xmm7, %0" : "=m"(*sample));
    __asm__ volatile("stmxcsr %0" : "=m"(sample->mxcsr));
    sample->control_word = 0;
    __asm__ volatile("fnstcw %0" : "=m"(sample->control_word));
}

static void fp_initial(word unused)
{
    (void)unused;
    struct fp_sample sample;
    fp_read(&sample);
    seen[0] = sample.low | sample.high;
    seen[1] = sample.mxcsr;
    seen[2] = sample.control_word;
    after = 1;
}

static void fp_dirty(word unused)
{
    (void)unused;
    uint32_t mxcsr = 0x9fc0;
    uint64_t value[2] = {0x1122334455667788, 0x99aabbccddeeff00};
    __asm__ volatile("movups %0, %%xmm7\n"
                     "ldmxcsr %1" ::"m"(value),
                     "m"(mxcsr));
    after = 1;
}

CASE(x86_fp_initial, "A thread's first FP state is the initial one, whatever ran before")
{
    setup();
    struct thread *t = thread_new(fp_dirty, 0, PRIORITY_HIGH, endpoint);
    OK(tcb_set_flags(t->tcb, 0, TCB_FLAG_FP));
    thread_start(t);
    EQUAL(after, 1);
    setup();
    t = thread_new(fp_initial, 0, PRIORITY_HIGH, endpoint);
    OK(tcb_set_flags(t->tcb, 0, TCB_FLAG_FP));
    thread_start(t);
    EQUAL(after, 1);
    EQUAL(seen[0], 0);
    EQUAL(seen[1], MXCSR_INITIAL);
    EQUAL(seen[2], 0x37f);
}

static void fp_keeps(word number)
{
    uint64_t value[2] = {number * 0x0101010101010101, ~number};
    uint32_t mxcsr = MXCSR_INITIAL | (uint32_t)(number & 3) << 13; /* rounding mode */
    __asm__ volatile("movups %0, %%xmm7\n"
                     "ldmxcsr %1" ::"m"(value),
                     "m"(mxcsr));
    for (unsigned i = 0; i < 100; i++) {
        struct fp_sample sample;
        syscall_yield();
        fp_read(&sample);
        if (sample.low != value[0] || sample.high != value[1] || (sample.mxcsr & ~0x3fu) != mxcsr)
            seen[0]++;
    }
    after++;
}

CASE(x86_fp_switch, "FP state and rounding mode are each thread's own, among threads with and without FP")
{
    setup();
    for (word i = 1; i <= 3; i++) {
        struct thread *t = thread_new(fp_keeps, i, PRIORITY_LOW, endpoint);
        OK(tcb_set_flags(t->tcb, 0, TCB_FLAG_FP));
        thread_start(t);
    }
    thread_start(thread_new(keeps_bases, 9, PRIORITY_LOW, endpoint));
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_LOW));
    for (unsigned i = 0; i < 100 && after < 4; i++)
        let_others_run();
    EQUAL(after, 4);
    EQUAL(seen[0], 0);
}

/* The upper half of ymm7, of a thread's own: XSAVE keeps what FXSAVE would lose. */
static void avx_keeps(word number)
{
    word value[4] = {number, ~number, number << 32, ~number << 7}, back[4];
    __asm__ volatile("vmovups %0, %%ymm7" : : "m"(value));
    for (unsigned i = 0; i < 100; i++) {
        syscall_yield();
        __asm__ volatile("vmovups %%ymm7, %0" : "=m"(back));
        for (unsigned j = 0; j < 4; j++)
            if (back[j] != value[j])
                seen[0]++;
    }
    after++;
}

static void avx_initial(word unused)
{
    (void)unused;
    word back[4];
    __asm__ volatile("vmovups %%ymm7, %0" : "=m"(back));
    seen[1] = back[0] | back[1] | back[2] | back[3];
    after++;
}

static bool has_avx(void)
{
    uint32_t eax = 1, ebx, ecx = 0, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return (ecx >> 27 & ecx >> 28 & 1) != 0;
}

CASE(x86_avx_switch, "Upper halves of AVX registers are each thread's own, and zero in a new one")
{
    setup();
    if (!has_avx())
        return; /* nothing to keep: AVX instructions are undefined here */
    for (word i = 1; i <= 3; i++) {
        struct thread *t = thread_new(avx_keeps, i * 0x1111111111111111, PRIORITY_LOW, endpoint);
        OK(tcb_set_flags(t->tcb, 0, TCB_FLAG_FP));
        thread_start(t);
    }
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, PRIORITY_LOW));
    for (unsigned i = 0; i < 100 && after < 3; i++)
        let_others_run();
    EQUAL(after, 3);
    EQUAL(seen[0], 0);
    seen[1] = 1;
    struct thread *t = thread_new(avx_initial, 0, PRIORITY_HIGH, endpoint);
    OK(tcb_set_flags(t->tcb, 0, TCB_FLAG_FP));
    thread_start(t);
    EQUAL(after, 4);
    EQUAL(seen[1], 0);
}

/* --- interrupts --- */

#define RTC_PORT      0x70
#define RTC_INTERRUPT 8

static word rtc_read(cptr ports, word number)
{
    word value = 0;
    OK(io_port_out(ports, RTC_PORT, 1, number));
    OK(io_port_in(ports, RTC_PORT + 1, 1, &value));
    return value;
}

static void rtc_write(cptr ports, word number, word value)
{
    OK(io_port_out(ports, RTC_PORT, 1, number));
    OK(io_port_out(ports, RTC_PORT + 1, 1, value));
}

CASE(x86_io_apic,
     "A device's interrupt (the RTC's, 1024 a second) comes through the I/O APIC, again after each acknowledgement")
{
    setup();
    cptr ports = slot_new(), handler = slot_new(), notification = object_new(OBJECT_NOTIFICATION, 0);
    OK(io_port_control_issue(ROOT_IO_PORT_CONTROL, RTC_PORT, RTC_PORT + 1, ROOT_CNODE, ports));
    OK(irq_control_get(ROOT_IRQ_CONTROL, RTC_INTERRUPT, 0, ROOT_CNODE, handler));
    OK(irq_handler_set_notification(handler, notification));
    OK(irq_handler_ack(handler));
    rtc_write(ports, 0x0a, 0x26); /* 32 kHz base, 1024 Hz */
    rtc_write(ports, 0x0b, (rtc_read(ports, 0x0b) | 0x40));
    for (unsigned i = 0; i < 3; i++) {
        word start = ticks_now();
        (void)rtc_read(ports, 0x0c); /* lets the next one come */
        CHECK(notification_wait(notification) != 0);
        CHECK(ticks_to_ns(ticks_now() - start) < 1000000000);
        OK(irq_handler_ack(handler));
    }
    rtc_write(ports, 0x0b, rtc_read(ports, 0x0b) & ~0x40ul);
    (void)rtc_read(ports, 0x0c);
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, RTC_INTERRUPT, 0, ROOT_CNODE, slot_new()), ERROR_DELETE_FIRST);
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, 5000, 0, ROOT_CNODE, slot_new()), ERROR_RANGE);
    OK(cnode_delete(ROOT_CNODE, handler));
    OK(irq_control_get(ROOT_IRQ_CONTROL, RTC_INTERRUPT, 0, ROOT_CNODE, handler));
    OK(cnode_delete(ROOT_CNODE, handler));
}

CASE(x86_msi, "Message-signalled interrupts have an address in the APIC's window and a vector of their own each")
{
    word address[2], data[2];
    cptr handlers = slots_new(2);
    for (unsigned i = 0; i < 2; i++) {
        OK(irq_control_get_msi(ROOT_IRQ_CONTROL, ROOT_CNODE, handlers + i, &address[i], &data[i]));
        EQUAL(address[i] >> 20, 0xfee);
        CHECK(data[i] >= 32 && data[i] < 256);
    }
    CHECK(data[0] != data[1]);
    OK(cnode_delete_all(ROOT_CNODE, handlers, 2));
    OK(irq_control_get_msi(ROOT_IRQ_CONTROL, ROOT_CNODE, handlers, &address[1], &data[1]));
    EQUAL(data[1], data[0]);
    OK(cnode_delete(ROOT_CNODE, handlers));
}

CASE(x86_apic_is_no_device, "No device memory that user level has reaches the local or I/O APIC")
{
    for (uint32_t i = 0; i < boot->untyped_count; i++) {
        const struct boot_untyped *u = &boot->untypeds[i];
        CHECK(u->address + (1ul << u->size_bits) <= 0xfec00000 || u->address >= 0x100000000);
    }
}
