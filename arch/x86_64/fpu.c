/* FP/SIMD state: XSAVE area of x87, SSE and AVX, standard format. Contract: arch/thread.h.
 * Source: Intel SDM vol. 1, chapter 13.
 *
 * An area of zeros has XSTATE_BV = 0, so XRSTOR sets the initial configuration; but MXCSR is loaded from the area even
 * then (13.8.1), and 0 would unmask every exception: after such an area MXCSR is set.
 */
#include <arch/thread.h>
#include "cpu.h"

#define AREA_MXCSR     24
#define AREA_XSTATE_BV 512

static const uint32_t mxcsr_initial = 0x1f80;

static bool is_never_used(const struct arch_fpu *fpu)
{
    return *(const uint64_t *)(fpu->area + AREA_XSTATE_BV) == 0 && *(const uint32_t *)(fpu->area + AREA_MXCSR) == 0;
}

void arch_fpu_save(struct arch_fpu *fpu)
{
    if (cpu.has_xsaveopt)
        __asm__ volatile("xsaveopt64 %0" : "+m"(*fpu) : "a"(0xffffffff), "d"(0xffffffff));
    else
        __asm__ volatile("xsave64 %0" : "+m"(*fpu) : "a"(0xffffffff), "d"(0xffffffff));
}

void arch_fpu_restore(const struct arch_fpu *fpu)
{
    __asm__ volatile("xrstor64 %0" : : "m"(*fpu), "a"(0xffffffff), "d"(0xffffffff));
    if (is_never_used(fpu))
        __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr_initial));
}
