/* arch_fpu_save, arch_fpu_restore: see arch/thread.h; x0 is struct arch_fpu. All zero is the initial state. */

    .arch_extension fp
    .arch_extension simd
    .text
    .global arch_fpu_save, arch_fpu_restore

.macro all_pairs instruction, base
    \instruction q0, q1, [\base, #0]
    \instruction q2, q3, [\base, #32]
    \instruction q4, q5, [\base, #64]
    \instruction q6, q7, [\base, #96]
    \instruction q8, q9, [\base, #128]
    \instruction q10, q11, [\base, #160]
    \instruction q12, q13, [\base, #192]
    \instruction q14, q15, [\base, #224]
    \instruction q16, q17, [\base, #256]
    \instruction q18, q19, [\base, #288]
    \instruction q20, q21, [\base, #320]
    \instruction q22, q23, [\base, #352]
    \instruction q24, q25, [\base, #384]
    \instruction q26, q27, [\base, #416]
    \instruction q28, q29, [\base, #448]
    \instruction q30, q31, [\base, #480]
.endm

/* Save and restore with the area's address in \base and two registers more. */
.macro save_all base, control, status
    mrs \control, fpcr
    mrs \status, fpsr
    all_pairs stp, \base
    add \base, \base, #512
    stp \control, \status, [\base]
    ret
.endm

.macro restore_all base, control, status
    all_pairs ldp, \base
    add \base, \base, #512
    ldp \control, \status, [\base]
    msr fpcr, \control
    msr fpsr, \status
    ret
.endm

arch_fpu_save:
    save_all x0, x1, x2

arch_fpu_restore:
    restore_all x0, x1, x2

/* For the fast path, which has messages in x0 to x7. */
    .global fastpath_fpu_save, fastpath_fpu_restore
fastpath_fpu_save:
    save_all x20, x21, x22

fastpath_fpu_restore:
    restore_all x20, x21, x22
