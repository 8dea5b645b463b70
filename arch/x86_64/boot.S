/* The first instructions: from what a multiboot2 or PVH loader leaves (32-bit protected mode, paging off, flat segments)
 * to boot_main() in the high half, in 64-bit mode.
 *
 * Sources: Multiboot2 Specification 2.0, 3.1 (header) and 3.3 (machine state: magic in eax, information in ebx);
 * Xen docs/misc/pvh.pandoc, "x86/HVM direct boot ABI" (start info in ebx); Intel SDM vol. 3, 10.8.5 (entering 64-bit
 * mode).
 *
 * The page tables made here are rough: the first 4 GiB at address 0, at DIRECT_BASE and, their first GiB, at
 * KERNEL_OFFSET, all of it writable and executable. mmu.c replaces them before anything but boot code has run.
 */
#include "layout.h"

#define MULTIBOOT2_HEADER_MAGIC 0xe85250d6
#define MULTIBOOT2_LOADER_MAGIC 0x36d76289
#define XEN_ELFNOTE_PHYS32_ENTRY 18

#define SERIAL_DATA   0x3f8
#define SERIAL_STATUS 0x3fd
#define EXIT_PORT     0xf4

#define MSR_EFER      0xc0000080
#define EFER_LME_NXE  0x900
#define CR0_PE_WP_PG  0x80010001
#define CR4_PAE       0x20
#define PAGE_PRESENT_WRITE 0x3
#define PAGE_LARGE         0x83

    .section .boot.header, "a"
    .balign 8
multiboot_header:
    .long MULTIBOOT2_HEADER_MAGIC
    .long 0                                 /* i386, protected mode */
    .long multiboot_header_end - multiboot_header
    .long -(MULTIBOOT2_HEADER_MAGIC + (multiboot_header_end - multiboot_header))
    .short 6, 0                             /* modules start on a page */
    .long 8
    .short 5, 1                             /* a framebuffer if there is one: optional, any size */
    .long 20, 0, 0, 0
    .balign 8
    .short 0, 0                             /* end */
    .long 8
multiboot_header_end:

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 8, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad pvh_entry

    .section .boot.text, "ax"
    .code32
    .global multiboot_entry, pvh_entry
multiboot_entry:
    cmp $MULTIBOOT2_LOADER_MAGIC, %eax
    mov $loader_message, %esi
    jne boot_refuse
    jmp 1f
pvh_entry:
    xor %eax, %eax                          /* boot_main tells the two by this word */
1:  cli
    cld
    mov %eax, %ebp
    rdtsc                                   /* kernel entry, for boot_info.entry_ticks */
    mov %eax, boot_entry_ticks - KERNEL_OFFSET
    mov %edx, boot_entry_ticks - KERNEL_OFFSET + 4
    mov $kernel_stack_end - KERNEL_OFFSET, %esp
    mov %ebx, %edi

    /* Only what 64-bit mode with NX needs is asked here; cpu.c checks the rest of the baseline. */
    mov $0x80000000, %eax
    cpuid
    mov $cpu_message, %esi
    cmp $0x80000001, %eax
    jb boot_refuse
    mov $0x80000001, %eax
    cpuid
    and $(1 << 29 | 1 << 20), %edx          /* LM, NX */
    cmp $(1 << 29 | 1 << 20), %edx
    jne boot_refuse

    /* 4 GiB of 2 MiB pages */
    mov $boot_directories - KERNEL_OFFSET, %ecx
    mov $PAGE_LARGE, %eax
1:  mov %eax, (%ecx)
    add $8, %ecx
    add $0x200000, %eax
    jnc 1b
    mov $boot_directories - KERNEL_OFFSET + PAGE_PRESENT_WRITE, %eax
    mov %eax, kernel_pdpt - KERNEL_OFFSET + 8 * PDPT_KERNEL
    mov $boot_pointers - KERNEL_OFFSET, %ecx
1:  mov %eax, (%ecx)
    add $8, %ecx
    add $0x1000, %eax
    cmp $boot_pointers - KERNEL_OFFSET + 8 * BOOT_DIRECT_GIBS, %ecx
    jne 1b
    movl $boot_pointers - KERNEL_OFFSET + PAGE_PRESENT_WRITE, kernel_pml4 - KERNEL_OFFSET
    movl $boot_pointers - KERNEL_OFFSET + PAGE_PRESENT_WRITE, kernel_pml4 - KERNEL_OFFSET + 8 * PML4_DIRECT
    movl $kernel_pdpt - KERNEL_OFFSET + PAGE_PRESENT_WRITE, kernel_pml4 - KERNEL_OFFSET + 8 * PML4_KERNEL

    mov $CR4_PAE, %eax
    mov %eax, %cr4
    mov $kernel_pml4 - KERNEL_OFFSET, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_LME_NXE, %eax
    wrmsr
    mov $CR0_PE_WP_PG, %eax
    mov %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $SELECTOR_KERNEL_CODE, $boot_long

/* esi: message. Says it on the first serial port, leaves the emulator with status 1 or stops. */
boot_refuse:
    mov $SERIAL_STATUS, %edx
1:  in %dx, %al
    test $0x20, %al
    jz 1b
    lodsb
    test %al, %al
    jz 2f
    mov $SERIAL_DATA, %edx
    out %al, %dx
    jmp boot_refuse
2:  mov $(1 + 16), %eax
    mov $EXIT_PORT, %edx
    out %eax, %dx
3:  cli
    hlt
    jmp 3b

    .code64
boot_long:
    mov $SELECTOR_KERNEL_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    movabs $boot_high, %rax
    jmp *%rax

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff                /* 64-bit code */
    .quad 0x00cf93000000ffff                /* data */
boot_gdt_pointer:
    .short boot_gdt_pointer - boot_gdt - 1
    .long boot_gdt

cpu_message:
    .asciz "tessera: refused: the CPU has no 64-bit mode with NX; needed: x86-64-v2 with NX, SMEP, SMAP\r\n"
loader_message:
    .asciz "tessera: refused: started by something that is neither a multiboot2 nor a PVH loader\r\n"

    .section .text.boot, "ax"
boot_high:
    mov $kernel_stack_end, %rsp
    mov %ebp, %esi
    mov %edi, %edi                          /* zero-extends: the loader's information, a physical address */
    mov $kernel_cores, %rdx
    xor %ebp, %ebp
    call boot_main
    jmp leave_kernel

    .section .rodata.guards, "a"
    .balign 8
    .global stack_guards, stack_guards_end
stack_guards:
    .quad kernel_stack_guard
    .set i, 0
    .rept FAULT_STACKS
    .quad fault_stacks + i * (4096 + FAULT_STACK_BYTES)
    .set i, i + 1
    .endr
stack_guards_end:

    .section .bss.stacks, "aw", @nobits
    .balign 4096
    .global kernel_stack_end, fault_stacks
kernel_stack_guard:
    .skip 4096
    .skip STACK_BYTES
kernel_stack_end:
fault_stacks:                               /* each: guard page, stack */
    .skip FAULT_STACKS * (4096 + FAULT_STACK_BYTES)

    .section .bss.tables, "aw", @nobits
    .balign 4096
    .global kernel_pml4, kernel_pdpt
kernel_pml4:
    .skip 4096
kernel_pdpt:
    .skip 4096

/* Only until mmu_start: the linker script puts this last, and the memory becomes ordinary RAM. */
    .section .boot_only, "aw", @nobits
    .balign 4096
boot_pointers:
    .skip 4096
boot_directories:
    .skip 4096 * BOOT_DIRECT_GIBS
