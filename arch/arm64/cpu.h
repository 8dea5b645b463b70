/* Per-CPU set-up: the baseline check and the control registers. */
#ifndef ARM64_CPU_H
#define ARM64_CPU_H

struct core;

/* Names the first feature of the baseline that the CPU lacks, or returns NULL. */
const char *cpu_missing(void);

/* PAN, traps and counters for user level, FP off. After cpu_missing() found nothing. */
void cpu_start(void);

struct core *core_of_this_cpu(void);

#endif
