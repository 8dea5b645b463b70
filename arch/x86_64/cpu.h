/* Per-CPU set-up: the baseline check, descriptor tables, control registers and the system-call MSRs. */
#ifndef X86_64_CPU_H
#define X86_64_CPU_H

#include <stdbool.h>
#include <stdint.h>

/* What this CPU has beyond the baseline. Written once, before anything uses it. */
struct cpu_features {
    /* has_pcid: PCIDs and INVPCID both */
    bool has_large_pages_1g, has_pcid, has_umip, has_x2apic, has_tsc_deadline, has_xsaveopt;
    bool has_rdrand, is_meltdown_free, has_enhanced_ibrs, has_automatic_ibrs;
    uint64_t xcr0; /* x87, SSE and, where there, AVX */
};
extern struct cpu_features cpu;

/* Names the first feature of the baseline that the CPU lacks, or returns NULL and fills `cpu`. */
const char *cpu_check(void);

struct core;

/* Control registers and MSRs, GDT, TSS and IDT, GS base; the final page tables are already in use. Leaves FP off. */
void cpu_start(struct core *core);

#endif
