/* Clock rates: from the CPU's or hypervisor's own word where there is one, else by a short comparison with the best
 * clock of known rate that the machine has: HPET, ACPI power-management timer, PIT.
 *
 * A comparison lasts WINDOW_NS. Each end of the window is the tightest of a few readings of the reference clock between
 * two readings of the TSC, taken when the reference ticks over, so the error is about one access to the reference clock
 * (a microsecond on real machines, at worst 1 or 2 %; nothing under emulation).
 *
 * Sources: Intel SDM vol. 3, 19.7.3 (CPUID 15H) and 19.17.4; VMware KB 1009458 (CPUID 40000010H: kHz); IA-PC HPET
 * Specification 1.0a, 2.3; ACPI 6.5, 4.8.3.3; Intel 8254 data sheet (counter latch).
 */
#include "calibrate.h"
#include "apic.h"
#include "instructions.h"
#include "mmu.h"
#include "arch/platform/acpi.h"

#define WINDOW_NS     50000u
#define EDGE_TRIES    100000u /* a clock that does not move in so many readings is not running */
#define PM_TIMER_HZ   3579545u
#define PIT_HZ        1193182u
#define PIT_COUNTER_0 0x40
#define PIT_CONTROL   0x43

struct reference {
    const char *name;
    uint64_t (*read)(const struct reference *reference);
    uint64_t hz, mask;
    uint64_t location; /* port or address */
};

static uint64_t hpet_counter(const struct reference *reference)
{
    return *(volatile uint32_t *)(reference->location + 0xf0);
}

static uint64_t pm_timer_counter(const struct reference *reference)
{
    return port_read_32((uint16_t)reference->location);
}

/* Counts down: the complement counts up. */
static uint64_t pit_counter(const struct reference *reference)
{
    (void)reference;
    port_write_8(PIT_CONTROL, 0x00);
    uint8_t low = port_read_8(PIT_COUNTER_0), high = port_read_8(PIT_COUNTER_0);
    return ~(uint64_t)(high << 8 | low);
}

static bool hpet_open(struct reference *reference, const struct acpi_machine *machine)
{
    if (machine->hpet.bits == 0 || machine->hpet.space != ACPI_SPACE_MEMORY)
        return false;
    uint64_t registers = device_map(machine->hpet.address);
    if (registers == 0)
        return false;
    uint32_t period_fs = *(volatile uint32_t *)(registers + 4);
    if (period_fs == 0 || period_fs > 100000000)
        return false;
    *(volatile uint32_t *)(registers + 0x10) |= 1; /* counting enabled */
    *reference = (struct reference){"HPET", hpet_counter, 1000000000000000u / period_fs, 0xffffffff, registers};
    return true;
}

static bool pm_timer_open(struct reference *reference, const struct acpi_machine *machine)
{
    if (machine->pm_timer.bits == 0 || machine->pm_timer.space != ACPI_SPACE_PORT)
        return false;
    *reference =
        (struct reference){"PM timer", pm_timer_counter, PM_TIMER_HZ, 0xffffff, machine->pm_timer.address & 0xffff};
    return true;
}

static void pit_open(struct reference *reference)
{
    port_write_8(PIT_CONTROL, 0x34); /* counter 0, low then high byte, rate generator */
    port_write_8(PIT_COUNTER_0, 0);
    port_write_8(PIT_COUNTER_0, 0);
    *reference = (struct reference){"PIT", pit_counter, PIT_HZ, 0xffff, 0};
}

struct instant {
    uint64_t reference, tsc;
    uint32_t apic;
};

/* The moment when the reference clock ticks over. False when it does not. */
static bool instant_take(const struct reference *reference, struct instant *instant)
{
    uint64_t first = reference->read(reference), best = ~0ull;
    for (unsigned round = 0; round < 3; round++) {
        unsigned tries = 0;
        uint64_t before, now, after;
        uint32_t apic;
        do {
            if (tries++ == EDGE_TRIES)
                return false;
            before = tsc_read();
            now = reference->read(reference);
            apic = apic_read(APIC_TIMER_NOW);
            after = tsc_read();
        } while (((now ^ first) & reference->mask) == 0);
        first = now;
        if (after - before >= best)
            continue;
        best = after - before;
        *instant = (struct instant){.reference = now, .tsc = before + best / 2, .apic = apic};
    }
    return true;
}

static bool clocks_compare(const struct reference *reference, struct clock_rates *rates)
{
    uint64_t wanted = reference->hz * WINDOW_NS / 1000000000;
    struct instant start = {0}, end = {0};
    apic_write(APIC_TIMER_START, 0xffffffff);
    if (!instant_take(reference, &start))
        return false;
    unsigned tries = 0;
    while (((reference->read(reference) - start.reference) & reference->mask) < wanted)
        if (tries++ == EDGE_TRIES)
            return false;
    if (!instant_take(reference, &end))
        return false;
    apic_write(APIC_TIMER_START, 0);
    uint64_t ticks = (end.reference - start.reference) & reference->mask;
    rates->tsc_hz = (end.tsc - start.tsc) * reference->hz / ticks;
    rates->apic_hz = (uint64_t)(start.apic - end.apic) * reference->hz / ticks;
    rates->source = reference->name;
    return true;
}

static uint64_t tsc_hz_stated(const char **source)
{
    if ((cpuid_read(1, 0).ecx & 1u << 31) != 0 && cpuid_read(0x40000000, 0).eax >= 0x40000010) {
        *source = "hypervisor";
        return (uint64_t)cpuid_read(0x40000010, 0).eax * 1000;
    }
    if (cpuid_read(0, 0).eax < 0x15)
        return 0;
    struct cpuid ratio = cpuid_read(0x15, 0);
    if (ratio.eax == 0 || ratio.ebx == 0 || ratio.ecx == 0)
        return 0;
    *source = "CPUID";
    return (uint64_t)ratio.ecx * ratio.ebx / ratio.eax;
}

/* The APIC timer against a TSC of known rate. */
static uint64_t apic_hz_by_tsc(uint64_t tsc_hz)
{
    uint64_t window = tsc_hz * WINDOW_NS / 1000000000, start = tsc_read(), now;
    apic_write(APIC_TIMER_START, 0xffffffff);
    do
        now = tsc_read();
    while (now - start < window);
    uint32_t count = 0xffffffff - apic_read(APIC_TIMER_NOW);
    apic_write(APIC_TIMER_START, 0);
    return count * tsc_hz / (now - start);
}

struct clock_rates clocks_calibrate(const struct acpi_machine *machine, bool has_tsc_deadline)
{
    struct clock_rates rates = {0};
    struct reference reference;
    apic_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    rates.tsc_hz = tsc_hz_stated(&rates.source);
    if (rates.tsc_hz != 0) {
        if (!has_tsc_deadline)
            rates.apic_hz = apic_hz_by_tsc(rates.tsc_hz);
        return rates;
    }
    if (hpet_open(&reference, machine) && clocks_compare(&reference, &rates))
        return rates;
    if (pm_timer_open(&reference, machine) && clocks_compare(&reference, &rates))
        return rates;
    pit_open(&reference);
    if (!clocks_compare(&reference, &rates))
        rates.tsc_hz = 0;
    return rates;
}
