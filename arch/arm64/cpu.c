/* The CPU's fixed settings. See cpu.h; docs/arm64.md says what user level may do and why.
 *
 * Source: Arm ARM DDI 0487, D19.2 (ID and control registers), D19.5 (performance monitors), D8.4.3 (PAN), D19.2.111
 * (RNDR).
 */
#include "cpu.h"
#include "boot.h"
#include "instructions.h"

#include <arch/machine.h>
#include <arch/thread.h>

#define SCTLR_SPAN_BIT    (1ul << 23)
#define SCTLR_EPAN        (1ul << 57)
#define PAN_WITH_EPAN     3
#define PMCR_ENABLE       1u
#define PMCR_CYCLE_RESET  4u
#define PMCR_LONG_CYCLE   64u
#define PMU_CYCLE_COUNTER (1ul << 31)
#define PMUSERENR_CYCLES  4u /* EL0 may read PMCCNTR_EL0, nothing else */
#define PMU_ABSENT        0
#define PMU_OTHER         15

const char *cpu_missing(void)
{
    if (id_field(system_read(id_aa64mmfr1_el1), 20) == 0)
        return "PAN";
    if (id_field(system_read(id_aa64isar0_el1), 20) < 2)
        return "LSE atomics";
    if (id_field(system_read(id_aa64pfr0_el1), 20) == 15)
        return "SIMD";
    return NULL;
}

/* The cycle counter is read by benchmarks at user level; everything else of the PMU stays the kernel's. */
static void counters_start(void)
{
    unsigned version = id_field(system_read(id_aa64dfr0_el1), 8);
    if (version == PMU_ABSENT || version == PMU_OTHER)
        return;
    system_write(pmintenclr_el1, UINT32_MAX);
    system_write(pmcntenclr_el0, UINT32_MAX);
    system_write(pmovsclr_el0, UINT32_MAX);
    system_write(pmccfiltr_el0, 0);
    system_write(pmcr_el0, PMCR_ENABLE | PMCR_CYCLE_RESET | PMCR_LONG_CYCLE);
    system_write(pmcntenset_el0, PMU_CYCLE_COUNTER);
    system_write(pmuserenr_el0, PMUSERENR_CYCLES);
}

void cpu_start(void)
{
    uint64_t sctlr = system_read(sctlr_el1) & ~SCTLR_SPAN_BIT;
    if (id_field(system_read(id_aa64mmfr1_el1), 20) >= PAN_WITH_EPAN)
        sctlr |= SCTLR_EPAN;
    system_write(sctlr_el1, sctlr);
    instruction_barrier();
    __asm__ volatile("msr pan, #1");
    system_write(tpidr_el0, 0);
    system_write(tpidrro_el0, 0);
    arch_fpu_enable(false);
    counters_start();
    instruction_barrier();
}

struct core *core_of_this_cpu(void)
{
    return (struct core *)system_read(tpidr_el1);
}

#define RNDR_WORDS 4
#define RNDR_TRIES 10

/* FEAT_RNG: NZCV says whether a number came. */
static bool random_word(uint64_t *word_out)
{
    for (unsigned i = 0; i < RNDR_TRIES; i++) {
        uint64_t value;
        bool is_valid;
        __asm__ volatile("mrs %0, S3_3_C2_C4_0\n\tcset %w1, ne" : "=r"(value), "=r"(is_valid) : : "cc");
        if (is_valid) {
            *word_out = value;
            return true;
        }
    }
    return false;
}

void arch_random(uint64_t seed[RNDR_WORDS])
{
    bool has_generator = id_field(system_read(id_aa64isar0_el1), 60) != 0;
    for (unsigned i = 0; i < RNDR_WORDS; i++)
        if (!has_generator || !random_word(&seed[i]))
            seed[i] = 0;
}

/* ---- what this machine does not have ---- */

bool arch_has_ports(void)
{
    return false;
}

enum error arch_port_in(uint16_t port, unsigned bytes, uint32_t *value)
{
    (void)port;
    (void)bytes;
    (void)value;
    return ERROR_ILLEGAL_OPERATION;
}

enum error arch_port_out(uint16_t port, unsigned bytes, uint32_t value)
{
    (void)port;
    (void)bytes;
    (void)value;
    return ERROR_ILLEGAL_OPERATION;
}
