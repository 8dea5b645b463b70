/* The linker script as data of the translator, so that the one file tessera-aot is all one needs. */
    .section .rodata
    .globl program_script, program_script_end
program_script:
    .incbin "image/program.ld"
program_script_end:
    .section .note.GNU-stack, "", %progbits
