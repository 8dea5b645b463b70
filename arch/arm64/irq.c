/* The generic interrupt controller, versions 2 and 3 (one security state, or the non-secure view). See arch/irq.h.
 *
 * Kernel interrupt numbers are INTIDs. SGIs (0..15) and PPIs (16..31) belong to the kernel; SPIs are for drivers. One
 * priority for all; interrupts are ended (EOI) at once, the line stays masked until its driver acknowledges.
 *
 * Sources: Arm IHI 0048B (GICv2), 4.3 and 4.4; Arm IHI 0069G (GICv3), 12.2 (system registers), 12.8 to 12.12.
 */
#include "irq.h"
#include "instructions.h"
#include "mmu.h"
#include "timer.h"

#include <abi/object.h>
#include <arch/core.h>
#include <arch/irq.h>
#include <arch/upcalls.h>

#define GICD_BYTES      0x10000
#define GICD_BYTES_V2   0x1000
#define GICD_CTLR       0x000
#define GICD_TYPER      0x004
#define GICD_IGROUPR    0x080
#define GICD_ISENABLER  0x100
#define GICD_ICENABLER  0x180
#define GICD_ICPENDR    0x280
#define GICD_IPRIORITYR 0x400
#define GICD_ITARGETSR  0x800 /* version 2 */
#define GICD_ICFGR      0xc00
#define GICD_IROUTER    0x6000 /* version 3 */
#define GICD_CTLR_RWP   (1u << 31)
#define GICD_CTLR_V2    1u    /* enable */
#define GICD_CTLR_V3    0x12u /* ARE_NS (or ARE), EnableGrp1 */

#define GICC_BYTES     0x2000
#define GICC_CTLR      0x00
#define GICC_PMR       0x04
#define GICC_IAR       0x0c
#define GICC_EOIR      0x10
#define PRIORITY_ALL   0xf0u /* mask: lets everything better than this through */
#define PRIORITY_OURS  0xa0u
#define GICC_IAR_INTID 0x3ffu

#define GICR_FRAME_BYTES 0x10000
#define GICR_WAKER       0x14
#define GICR_TYPER       0x08
#define GICR_TYPER_LAST  (1u << 4)
#define GICR_TYPER_VLPIS (1u << 1)
#define WAKER_SLEEP      (1u << 1)
#define WAKER_ASLEEP     (1u << 2)

#define PRIVATE_INTERRUPTS 32u
#define INTID_SPECIAL      1020u /* and above: nothing to do */
#define TRIES              1000000u
#define MPIDR_AFFINITY     0xff00fffffful
#define ISR_IRQ            (1ul << 7)

static struct {
    uint64_t distributor;
    uint64_t cpu_interface; /* version 2; 0 = version 3 */
    uint64_t target; /* the core that devices' interrupts go to, as GICD_IROUTER (version 2: ITARGETSR) wants it */
    unsigned timer;
    unsigned limit; /* one past the last INTID */
} controller;

/* The registers of an interrupt: they lie in the core's own frame for the private ones. */
static uint64_t registers_of(struct core *core, unsigned intid)
{
    return intid < PRIVATE_INTERRUPTS ? core_arch(core)->private_interrupts : controller.distributor;
}

static void line_write(uint64_t registers, unsigned intid, unsigned bank)
{
    device_write_32(registers + bank + intid / 32 * 4, 1u << intid % 32);
}

/* Source: IHI 0069, 12.9.9: ICENABLER takes effect when RWP reads 0; without it a masked interrupt might come again. */
static void writes_wait(void)
{
    for (unsigned i = 0; i < TRIES && (device_read_32(controller.distributor + GICD_CTLR) & GICD_CTLR_RWP) != 0; i++)
        ;
}

static void line_mask(uint64_t registers, unsigned intid)
{
    line_write(registers, intid, GICD_ICENABLER);
    if (controller.cpu_interface == 0)
        writes_wait();
}

/* ---- start ---- */

static void line_set_up(uint64_t base, unsigned intid, bool is_edge)
{
    uint64_t config = base + GICD_ICFGR + intid / 16 * 4;
    uint32_t edge = 2u << intid % 16 * 2;
    device_write_32(config, is_edge ? device_read_32(config) | edge : device_read_32(config) & ~edge);
    device_write_8(base + GICD_IPRIORITYR + intid, PRIORITY_OURS);
    if (intid < PRIVATE_INTERRUPTS)
        return;
    if (controller.cpu_interface != 0)
        device_write_8(base + GICD_ITARGETSR + intid, (uint8_t)controller.target);
    else
        device_write_64(base + GICD_IROUTER + intid * 8, controller.target);
}

/* Finds this core's redistributor: the one whose TYPER has our affinity. */
static uint64_t redistributor_find(struct core *core, const struct gic *gic)
{
    uint64_t mpidr = system_read(mpidr_el1) & MPIDR_AFFINITY;
    uint64_t wanted = (mpidr >> 8 & 0xff000000) | (mpidr & 0xffffff);
    for (unsigned i = 0; i < gic->redistributor_count; i++) {
        paddr at = gic->redistributor[i].address;
        paddr end = at + gic->redistributor[i].bytes;
        while (end - at >= 2 * GICR_FRAME_BYTES) {
            uint64_t frame = device_map(at, PAGE_BYTES);
            uint64_t typer = device_read_64(frame + GICR_TYPER);
            if (typer >> 32 == wanted) {
                core_arch(core)->private_interrupts = device_map(at + GICR_FRAME_BYTES, PAGE_BYTES);
                return frame;
            }
            if ((typer & GICR_TYPER_LAST) != 0)
                break;
            paddr stride = ((typer & GICR_TYPER_VLPIS) != 0 ? 4 : 2) * GICR_FRAME_BYTES;
            if (end - at < stride)
                break;
            at += stride;
        }
    }
    kernel_stop("no redistributor of the interrupt controller belongs to this core");
}

static void redistributor_wake(uint64_t frame)
{
    device_write_32(frame + GICR_WAKER, device_read_32(frame + GICR_WAKER) & ~WAKER_SLEEP);
    for (unsigned i = 0; i < TRIES; i++)
        if ((device_read_32(frame + GICR_WAKER) & WAKER_ASLEEP) == 0)
            return;
    kernel_stop("this core's redistributor does not wake up");
}

/* ICC_* by number: S3_0_C12_C12_0 IAR1, _1 EOIR1, _5 SRE, _7 IGRPEN1; S3_0_C4_C6_0 PMR (IHI 0069, 12.2). */
static void start_v3(struct core *core, const struct gic *gic)
{
    controller.target = system_read(mpidr_el1) & MPIDR_AFFINITY;
    redistributor_wake(redistributor_find(core, gic));
    device_write_32(controller.distributor + GICD_CTLR, GICD_CTLR_V3);
    writes_wait();
    system_write(S3_0_C12_C12_5, system_read(S3_0_C12_C12_5) | 1);
    instruction_barrier();
    if ((system_read(S3_0_C12_C12_5) & 1) == 0)
        kernel_stop("the system registers of the interrupt controller are not accessible");
    system_write(S3_0_C4_C6_0, PRIORITY_ALL);
    system_write(S3_0_C12_C12_7, 1);
    instruction_barrier();
}

static void start_v2(struct core *core, const struct gic *gic)
{
    controller.cpu_interface = device_map(gic->cpu_interface, GICC_BYTES);
    core_arch(core)->private_interrupts = controller.distributor;
    /* Reading the target of a private interrupt gives this core's own bit (IHI 0048, 4.3.12). */
    controller.target = device_read_32(controller.distributor + GICD_ITARGETSR) & 0xff;
    if (controller.target == 0)
        controller.target = 1;
    device_write_32(controller.distributor + GICD_CTLR, GICD_CTLR_V2);
    device_write_32(controller.cpu_interface + GICC_PMR, PRIORITY_ALL);
    device_write_32(controller.cpu_interface + GICC_CTLR, 1);
}

/* All SPIs masked and, with version 3, in group 1; version 2 without security extensions has group 0 only. */
static void lines_reset(struct core *core, bool has_groups)
{
    for (unsigned intid = 0; intid < controller.limit; intid += 32) {
        uint64_t at = registers_of(core, intid) + intid / 32 * 4;
        device_write_32(at + GICD_ICENABLER, UINT32_MAX);
        device_write_32(at + GICD_ICPENDR, UINT32_MAX);
        if (has_groups)
            device_write_32(at + GICD_IGROUPR, UINT32_MAX);
    }
}

void irq_start(struct core *core, const struct gic *gic)
{
    if (gic->version < 2 || gic->distributor == 0)
        kernel_stop("no interrupt controller was found (GICv2 or GICv3 is needed)");
    if (gic->timer_interrupt < 16 || gic->timer_interrupt >= PRIVATE_INTERRUPTS)
        kernel_stop("the virtual timer has no interrupt");
    bool has_frames = gic->version >= 3;
    controller.distributor = device_map(gic->distributor, has_frames ? GICD_BYTES : GICD_BYTES_V2);
    controller.limit = 32 * ((device_read_32(controller.distributor + GICD_TYPER) & 31) + 1);
    if (controller.limit > ARCH_IRQ_COUNT)
        controller.limit = ARCH_IRQ_COUNT;
    controller.timer = gic->timer_interrupt;
    if (has_frames)
        start_v3(core, gic);
    else
        start_v2(core, gic);
    lines_reset(core, has_frames);
    uint64_t private = core_arch(core)->private_interrupts;
    line_set_up(private, controller.timer, false);
    line_write(private, controller.timer, GICD_ISENABLER);
}

/* ---- the contract ---- */

enum error arch_irq_configure(word number, word flags, unsigned *irq)
{
    if (number < PRIVATE_INTERRUPTS || number >= controller.limit)
        return ERROR_RANGE;
    if ((flags & IRQ_LOW) != 0)
        return ERROR_INVALID_ARGUMENT; /* a GIC knows rising edges and high levels only */
    line_mask(controller.distributor, (unsigned)number);
    line_set_up(controller.distributor, (unsigned)number, (flags & IRQ_LEVEL) == 0);
    line_write(controller.distributor, (unsigned)number,
               GICD_ICPENDR); /* an edge that came before is not its new owner's */
    *irq = (unsigned)number;
    return ERROR_NONE;
}

word arch_irq_limit(void)
{
    return controller.limit - 1;
}

/* Message-signalled interrupts need an ITS or a GICv2m frame; device drivers use the wired interrupts of PCI. */
enum error arch_irq_allocate_msi(unsigned *irq, word *address, word *data)
{
    (void)irq;
    (void)address;
    (void)data;
    return ERROR_ILLEGAL_OPERATION;
}

void arch_irq_release(unsigned irq)
{
    line_mask(controller.distributor, irq);
}

void arch_irq_mask(unsigned irq)
{
    line_mask(controller.distributor, irq);
}

void arch_irq_unmask(unsigned irq)
{
    line_write(controller.distributor, irq, GICD_ISENABLER);
}

bool arch_irq_pending(struct core *core)
{
    (void)core;
    return (system_read(isr_el1) & ISR_IRQ) != 0;
}

/* ---- dispatch ---- */

static uint32_t interrupt_take(void)
{
    if (controller.cpu_interface != 0)
        return device_read_32(controller.cpu_interface + GICC_IAR);
    uint64_t intid = system_read(S3_0_C12_C12_0);
    data_barrier(sy);
    return (uint32_t)intid;
}

static void interrupt_end(uint32_t acknowledged)
{
    if (controller.cpu_interface != 0)
        device_write_32(controller.cpu_interface + GICC_EOIR, acknowledged);
    else
        system_write(S3_0_C12_C12_1, acknowledged);
    instruction_barrier();
}

void irq_dispatch(struct core *core)
{
    uint32_t acknowledged = interrupt_take();
    unsigned intid = controller.cpu_interface != 0 ? acknowledged & GICC_IAR_INTID : acknowledged;
    if (intid >= INTID_SPECIAL)
        return;
    if (intid == controller.timer) {
        timer_quiet();
        interrupt_end(acknowledged);
        kernel_timer(core);
        return;
    }
    line_mask(registers_of(core, intid), intid);
    interrupt_end(acknowledged);
    if (intid >= PRIVATE_INTERRUPTS)
        kernel_interrupt(core, intid);
}
