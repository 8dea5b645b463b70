/* What only arm64 has: SPSR, traps of system registers, what a system call leaves in registers, caches, the GIC. */
#include "test.h"

#define CLASS_UNKNOWN      0x00
#define CLASS_WFI          0x01
#define CLASS_FP           0x07
#define CLASS_SYSTEM       0x18 /* MSR, MRS or system instruction */
#define CLASS_SVE          0x19
#define CLASS_PC_ALIGNMENT 0x22
#define CLASS_SP_ALIGNMENT 0x26
#define SPSR_MAY_SET       0xf1001000ul /* NZCV, DIT, SSBS */
#define SPSR_ALWAYS        0x40ul       /* FIQ masked */
#define RTC_INTERRUPT      34           /* of QEMU's virt */

static cptr endpoint, reply;
static volatile word after;
static volatile word seen[40] __attribute__((used));

static void setup(void)
{
    endpoint = object_new(OBJECT_ENDPOINT, 0);
    reply = object_new(OBJECT_REPLY, 0);
    after = 0;
    for (unsigned i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
        seen[i] = 0;
}

static void expect_fault(struct message *m, enum fault kind)
{
    word badge;
    OK(syscall_recv(endpoint, reply, m, &badge));
    EQUAL(message_info_label(m->info), kind);
}

static void skip_instruction(struct message *m)
{
    m->info = message_info(0, 0, 2);
    m->words[0] += 4;
    OK(syscall_send(reply, m));
}

/* --- instructions --- */

static void forbidden(word unused)
{
    (void)unused;
    __asm__ volatile("adr x1, 1f\n"
                     "adr x2, 2f\n"
                     "sub x1, x2, x1\n"
                     "str x1, [%0]\n"
                     "mov x0, #0\n"
                     "1: mrs x0, pmcr_el0\n"
                     "mrs x0, pmccfiltr_el0\n"
                     "mrs x0, pmevcntr0_el0\n"
                     "msr pmccntr_el0, x0\n"
                     "msr pmcntenclr_el0, x0\n"
                     "msr pmuserenr_el0, x0\n"
                     "mrs x0, cntpct_el0\n"
                     "mrs x0, cntp_ctl_el0\n"
                     "msr cntv_ctl_el0, x0\n"
                     "msr cntv_cval_el0, x0\n"
                     "mrs x0, ctr_el0\n"
                     "mrs x0, midr_el1\n"
                     "mrs x0, sctlr_el1\n"
                     "msr sctlr_el1, x0\n"
                     "msr ttbr0_el1, x0\n"
                     "msr ttbr1_el1, x0\n"
                     "msr vbar_el1, x0\n"
                     "msr cpacr_el1, x0\n"
                     "msr tpidr_el1, x0\n"
                     "msr tpidrro_el0, x0\n"
                     "msr elr_el1, x0\n"
                     "msr spsr_el1, x0\n"
                     "mrs x0, daif\n"
                     "msr daifset, #15\n"
                     "msr daifclr, #15\n"
                     "msr spsel, #1\n"
                     "msr pan, #0\n"
                     "mrs x0, currentel\n"
                     "ic ivau, x0\n"
                     "ic iallu\n"
                     "dc cvau, x0\n"
                     "dc civac, x0\n"
                     "dc ivac, x0\n"
                     "dc cisw, x0\n"
                     "at s1e1r, x0\n"
                     "tlbi vmalle1\n"
                     "msr s3_0_c12_c12_1, x0\n" /* ICC_EOIR1_EL1 */
                     "msr mdscr_el1, x0\n"
                     "wfi\n"
                     "hvc #0\n"
                     "smc #0\n"
                     "hlt #0xf000\n" /* semihosting is the kernel's */
                     "eret\n"
                     ".inst 0x04bf5020\n" /* RDVL: SVE */
                     ".inst 0x1e6e1000\n" /* FMOV d0, #1.0 */
                     ".inst 0x00000000\n"
                     "2:"
                     :
                     : "r"(&seen[0])
                     : "x0", "x1", "x2", "memory");
    after = 1;
}

CASE(arm64_forbidden_instructions,
     "Every privileged, trapped or undefined instruction is a user exception, and does nothing")
{
    setup();
    thread_start(thread_new(forbidden, 0, PRIORITY_HIGH, endpoint));
    word faults = 0, last = 0, badge;
    for (; after == 0; faults++) {
        struct message m;
        OK(syscall_recv(endpoint, reply, &m, &badge));
        EQUAL(message_info_label(m.info), FAULT_USER_EXCEPTION);
        word class = m.words[2];
        CHECK(class == CLASS_UNKNOWN || class == CLASS_WFI || class == CLASS_FP || class == CLASS_SYSTEM ||
              class == CLASS_SVE);
        EQUAL(m.words[3] >> 26, class);
        CHECK(faults == 0 || m.words[0] == last + 4);
        last = m.words[0];
        skip_instruction(&m);
    }
    EQUAL(faults, seen[0] / 4);
}

static uint8_t block[2048] __attribute__((aligned(2048)));

static void allowed(word unused)
{
    (void)unused;
    word dczid, first, second;
    __asm__ volatile("mrs %0, dczid_el0" : "=r"(dczid));
    __asm__ volatile("dc zva, %0" : : "r"(block) : "memory");
    seen[0] = 4ul << (dczid & 15);
    __asm__ volatile("mrs %0, cntvct_el0\n\tisb\n\tmrs %1, cntvct_el0" : "=r"(first), "=r"(second));
    seen[1] = second - first;
    __asm__ volatile("mrs %0, pmccntr_el0\n\tisb\n\tmrs %1, pmccntr_el0" : "=r"(first), "=r"(second));
    seen[2] = second - first;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(first));
    seen[3] = first;
    __asm__ volatile("mrs %0, tpidrro_el0" : "=r"(first));
    seen[4] = first;
    __asm__ volatile("sevl\n\twfe\n\tyield");
    after = 1;
}

CASE(arm64_allowed_instructions, "Counters may be read, DC ZVA clears the thread's own memory, WFE does not stop it")
{
    setup();
    for (unsigned i = 0; i < sizeof(block); i++)
        block[i] = 0x55;
    thread_start(thread_new(allowed, 0, PRIORITY_HIGH, endpoint));
    EQUAL(after, 1);
    EQUAL(block[0], 0);
    EQUAL(block[seen[0] - 1], 0);
    CHECK(seen[0] == sizeof(block) || block[seen[0]] == 0x55);
    CHECK(seen[1] < 1000000 && seen[2] > 0);
    EQUAL(seen[3], boot->timer_hz);
    EQUAL(seen[4], 0);
}

static void clears(word address)
{
    __asm__ volatile("dc zva, %0" : : "r"(address) : "memory");
    after = 1;
}

CASE(arm64_clear_foreign_block, "DC ZVA on the kernel's half and on read-only pages is a VM fault for writing")
{
    const word addresses[] = {0xffffffff80000000ul, 0xffff000048000000ul, (word)clears};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        setup();
        thread_start(thread_new(clears, addresses[i], PRIORITY_HIGH, endpoint));
        struct message m;
        expect_fault(&m, FAULT_VM);
        EQUAL(m.words[4] & FAULT_VM_WRITE, FAULT_VM_WRITE);
        EQUAL(after, 0);
    }
}

/* --- program counter, stack pointer, state --- */

static void jumps(word address)
{
    ((void (*)(void))address)();
    after = 1;
}

CASE(arm64_odd_pc, "A program counter that is no multiple of four is a user exception of its own class")
{
    setup();
    thread_start(thread_new(jumps, (word)jumps + 2, PRIORITY_HIGH, endpoint));
    struct message m;
    expect_fault(&m, FAULT_USER_EXCEPTION);
    EQUAL(m.words[0], (word)jumps + 2);
    EQUAL(m.words[2], CLASS_PC_ALIGNMENT);
}

static void odd_stack(word unused)
{
    (void)unused;
    __asm__ volatile("mov x1, sp\n\tadd x2, x1, #8\n\tmov sp, x2\n\tldr x2, [sp]\n\tmov sp, x1"
                     :
                     :
                     : "x1", "x2", "memory");
    after = 1;
}

CASE(arm64_odd_sp,
     "A stack pointer that is no multiple of sixteen is a user exception when used (QEMU does not check it)")
{
    setup();
    thread_start(thread_new(odd_stack, 0, PRIORITY_HIGH, endpoint));
    if (after == 1)
        return;
    struct message m;
    expect_fault(&m, FAULT_USER_EXCEPTION);
    EQUAL(m.words[2], CLASS_SP_ALIGNMENT);
    EQUAL(m.words[1] % 16, 8);
}

static void reads_level(word unused)
{
    (void)unused;
    __asm__ volatile("mrs x0, currentel" : : : "x0");
    after = 1;
}

CASE(arm64_hostile_spsr, "Whatever is written to a thread's SPSR, it runs at EL0 with interrupts on")
{
    static const word hostile[] = {~0ul, 0x3c5, 0x3c9, 0x10, 1ul << 20, 1ul << 21, 0xf0000000ul};
    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        setup();
        struct thread *t = thread_new(reads_level, 0, PRIORITY_HIGH, endpoint);
        struct user_registers r;
        OK(tcb_read_registers(t->tcb, true, own_buffer, &r));
        r.spsr = hostile[i];
        OK(tcb_write_registers(t->tcb, false, own_buffer, &r));
        OK(tcb_read_registers(t->tcb, true, own_buffer, &r));
        EQUAL(r.spsr, (hostile[i] & SPSR_MAY_SET) | SPSR_ALWAYS);
        thread_start(t);
        struct message m;
        expect_fault(&m, FAULT_USER_EXCEPTION);
        CHECK(m.words[2] == CLASS_UNKNOWN || m.words[2] == CLASS_SYSTEM);
        OK(tcb_suspend(t->tcb));
    }
}

/* --- registers --- */

/* A system call with a pattern in every register; what is there afterwards goes to seen[register number], the change of
 * the stack pointer to seen[31]. */
void call_with_pattern(word unused);
__asm__(".text\n"
        "call_with_pattern:\n"
        "stp x29, x30, [sp, #-96]!\n"
        "stp x19, x20, [sp, #16]\n"
        "stp x21, x22, [sp, #32]\n"
        "stp x23, x24, [sp, #48]\n"
        "stp x25, x26, [sp, #64]\n"
        "stp x27, x28, [sp, #80]\n"
        ".irp n, 0,1,2,3,4,5,6,7,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n"
        "mov x\\n, #(0x100 + \\n)\n"
        ".endr\n"
        "mov x8, #0\n"
        "mov x9, #0\n"
        "svc #8\n"
        "stp x0, x1, [sp, #-16]!\n"
        "adrp x0, seen\n"
        "add x0, x0, :lo12:seen\n"
        ".irp n, 8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n"
        "str x\\n, [x0, #(8 * \\n)]\n"
        ".endr\n"
        "add sp, sp, #16\n"
        "ldp x19, x20, [sp, #16]\n"
        "ldp x21, x22, [sp, #32]\n"
        "ldp x23, x24, [sp, #48]\n"
        "ldp x25, x26, [sp, #64]\n"
        "ldp x27, x28, [sp, #80]\n"
        "ldp x29, x30, [sp], #96\n"
        "ret");

static void calls(word unused)
{
    call_with_pattern(unused);
    after = 1;
}

CASE(arm64_syscall_registers, "A system call keeps x19 to x30 and leaves x11 to x18 zero or as they were")
{
    setup();
    thread_start(thread_new(calls, 0, PRIORITY_HIGH, endpoint));
    let_others_run();
    EQUAL(after, 1);
    EQUAL(seen[10], ERROR_NONE);
    for (unsigned i = 11; i <= 18; i++)
        CHECK(seen[i] == 0 || seen[i] == 0x100 + i);
    for (unsigned i = 19; i <= 30; i++)
        EQUAL(seen[i], 0x100 + i);
}

/* Holds a pattern in 30 registers for a while and traps when one has changed; counts its turns in seen[0]. */
void registers_hold(word unused);
__asm__(".text\n"
        "registers_hold:\n"
        "1:\n"
        ".irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n"
        "mov x\\n, #(0x1000 + \\n)\n"
        ".endr\n"
        "mov x0, #2000\n"
        "2: subs x0, x0, #1\n"
        "b.ne 2b\n"
        ".irp n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n"
        "sub x\\n, x\\n, #0x1000\n"
        "sub x\\n, x\\n, #\\n\n"
        "orr x0, x0, x\\n\n"
        ".endr\n"
        "cbz x0, 3f\n"
        "brk #1\n"
        "3: adrp x0, seen\n"
        "add x0, x0, :lo12:seen\n"
        "ldr x1, [x0]\n"
        "add x1, x1, #1\n"
        "str x1, [x0]\n"
        "b 1b");

CASE(arm64_preempted_registers, "A thread that is interrupted hundreds of times finds every register as it was")
{
    setup();
    cptr notification = object_new(OBJECT_NOTIFICATION, 0), timer = object_new(OBJECT_TIMER, 0);
    OK(timer_bind(timer, notification, ROOT_SCHED_CONTEXT));
    thread_start(thread_new(registers_hold, 0, PRIORITY_LOW, endpoint));
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

static void reads_tls(word unused)
{
    (void)unused;
    word value;
    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(value));
    seen[0] = value;
    __asm__ volatile("msr tpidr_el0, %0" : : "r"(value + 1));
    let_others_run();
    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(value));
    seen[1] = value;
    after = 1;
}

CASE(arm64_tls_base, "TPIDR_EL0 belongs to the thread: set by others, by itself, and kept across switches")
{
    setup();
    word own;
    OK(tcb_set_tls_base(ROOT_TCB, 0x1111));
    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(own));
    EQUAL(own, 0x1111);
    struct thread *t = thread_new(reads_tls, 0, PRIORITY_HIGH, endpoint);
    OK(tcb_set_tls_base(t->tcb, 0xffff000012345678));
    thread_start(t);
    let_others_run();
    EQUAL(after, 1);
    EQUAL(seen[0], 0xffff000012345678);
    EQUAL(seen[1], 0xffff000012345679);
    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(own));
    EQUAL(own, 0x1111);
}

/* --- caches --- */

CASE(arm64_sync_code, "Instructions written to a frame are executed as written after FRAME_SYNC_CODE")
{
    cptr frame, executable = slot_new();
    volatile uint32_t *code = memory_new(PAGE_BITS, &frame);
    OK(cnode_copy(ROOT_CNODE, executable, ROOT_CNODE, frame, RIGHT_ALL));
    map_page(ROOT_VSPACE, executable, HARNESS_MAP_BASE, RIGHT_READ | RIGHT_EXEC, 0);
    for (uint32_t i = 1; i < 20; i++) {
        word done;
        code[0] = 0xd2800000 | i << 5; /* MOV x0, #i */
        code[1] = 0xd65f03c0;          /* RET */
        OK(frame_sync_code(frame, 0, PAGE_BYTES, &done));
        EQUAL(done, PAGE_BYTES);
        EQUAL(((word(*)(void))HARNESS_MAP_BASE)(), i);
    }
}

/* --- interrupts --- */

CASE(arm64_interrupt_numbers, "Only shared interrupts that exist can be had, not active low, and those once")
{
    cptr handler = slot_new(), again = slot_new();
    for (word number = 0; number < 32; number++)
        EQUAL(irq_control_get(ROOT_IRQ_CONTROL, number, IRQ_LEVEL, ROOT_CNODE, handler), ERROR_RANGE);
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, 1020, IRQ_LEVEL, ROOT_CNODE, handler), ERROR_RANGE);
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, ~0ul, IRQ_LEVEL, ROOT_CNODE, handler), ERROR_RANGE);
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, boot->uart_interrupt, IRQ_LEVEL | IRQ_LOW, ROOT_CNODE, handler),
          ERROR_INVALID_ARGUMENT);
    OK(irq_control_get(ROOT_IRQ_CONTROL, boot->uart_interrupt, IRQ_LEVEL, ROOT_CNODE, handler));
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, boot->uart_interrupt, IRQ_LEVEL, ROOT_CNODE, again), ERROR_DELETE_FIRST);
    OK(cnode_delete(ROOT_CNODE, handler));
    OK(irq_control_get(ROOT_IRQ_CONTROL, boot->uart_interrupt, IRQ_LEVEL, ROOT_CNODE, again));
    OK(cnode_delete(ROOT_CNODE, again));
}

/* PL031 (Arm DDI 0224), 3.3. */
#define RTC_DATA  (0x00 / 4)
#define RTC_MATCH (0x04 / 4)
#define RTC_MASK  (0x10 / 4)
#define RTC_CLEAR (0x1c / 4)

CASE(arm64_level_interrupt,
     "A level interrupt comes once, is masked until acknowledged, and comes again while it is raised")
{
    cptr handler = slot_new(), notification = object_new(OBJECT_NOTIFICATION, 0);
    CHECK(boot->rtc_address != 0);
    map_page(ROOT_VSPACE, device_frame_new(boot->rtc_address), HARNESS_MAP_BASE, RIGHT_READ | RIGHT_WRITE,
             ATTRIBUTE_UNCACHED);
    volatile uint32_t *rtc = (volatile uint32_t *)HARNESS_MAP_BASE;
    OK(irq_control_get(ROOT_IRQ_CONTROL, RTC_INTERRUPT, IRQ_LEVEL, ROOT_CNODE, handler));
    OK(irq_handler_set_notification(handler, notification));
    OK(irq_handler_ack(handler));
    rtc[RTC_CLEAR] = 1;
    rtc[RTC_MASK] = 1;
    rtc[RTC_MATCH] = rtc[RTC_DATA] + 1;
    EQUAL(notification_poll(notification), 0);
    CHECK(notification_wait(notification) != 0);
    spin_ns(100000);
    EQUAL(notification_poll(notification), 0); /* still raised, but masked */
    OK(irq_handler_ack(handler));
    spin_ns(100000);
    CHECK(notification_poll(notification) != 0); /* nobody has cleared it */
    rtc[RTC_CLEAR] = 1;
    OK(irq_handler_ack(handler));
    spin_ns(100000);
    EQUAL(notification_poll(notification), 0);
    rtc[RTC_MASK] = 0;
    OK(cnode_delete(ROOT_CNODE, handler));
}

CASE(arm64_controller_is_no_device, "No device memory that user level has reaches the interrupt controller")
{
    for (uint32_t i = 0; i < boot->untyped_count; i++) {
        const struct boot_untyped *u = &boot->untypeds[i];
        CHECK(u->address + (1ul << u->size_bits) <= 0x08000000 || u->address >= 0x09000000);
    }
}
