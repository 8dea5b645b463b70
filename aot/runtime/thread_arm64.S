/* void wasm_thread_pointer_set(uint64_t pointer) */
    .text
    .globl wasm_thread_pointer_set
    .hidden wasm_thread_pointer_set
    .type wasm_thread_pointer_set, %function
wasm_thread_pointer_set:
    msr tpidr_el0, x0
    ret
    .size wasm_thread_pointer_set, . - wasm_thread_pointer_set

    .section .note.GNU-stack, "", %progbits
