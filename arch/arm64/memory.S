/* arch_memory_clear: see arch/types.h. x0 and x1 are multiples of 16. */

    .text
    .global arch_memory_clear
arch_memory_clear:
    mrs x2, dczid_el0
    add x1, x0, x1                      /* the end */
    tbnz x2, #4, 3f                     /* DC ZVA is prohibited: Arm ARM DDI 0487, D19.2.35 */
    and x2, x2, #0xf
    mov x3, #4
    lsl x3, x3, x2                      /* bytes of a block */
    sub x4, x3, #1
1:  tst x0, x4                          /* up to the first whole block */
    b.eq 2f
    cmp x0, x1
    b.hs 4f
    stp xzr, xzr, [x0], #16
    b 1b
2:  sub x5, x1, x0
    cmp x5, x3
    b.lo 3f
    bic x4, x5, x4
    add x4, x0, x4                      /* the end of the last whole block */
5:  dc zva, x0
    add x0, x0, x3
    cmp x0, x4
    b.lo 5b
3:  cmp x0, x1
    b.hs 4f
    stp xzr, xzr, [x0], #16
    b 3b
4:  ret
