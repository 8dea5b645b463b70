/* breakpoint_write(x0 number, x1 value, x2 control): the registers' numbers are part of the instructions. */
    .text
    .global breakpoint_write
breakpoint_write:
    adr x3, 1f
    add x0, x0, x0, lsl #1
    add x3, x3, x0, lsl #2
    br x3
1:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    msr dbgbvr\n\()_el1, x1
    msr dbgbcr\n\()_el1, x2
    ret
    .endr
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    msr dbgwvr\n\()_el1, x1
    msr dbgwcr\n\()_el1, x2
    ret
    .endr
