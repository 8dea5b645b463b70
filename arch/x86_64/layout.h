/* Addresses of the x86-64 kernel half, for C, assembler and the linker script alike. docs/x86_64.md has the picture. */
#ifndef X86_64_LAYOUT_H
#define X86_64_LAYOUT_H

/* The image: loaded at 1 MiB and above, all of it below 2 MiB, seen at its physical address plus KERNEL_OFFSET. */
#define KERNEL_OFFSET   0xffffffff80000000
#define KERNEL_PHYSICAL 0x100000
#define KERNEL_LIMIT    0x200000

/* All RAM, at its physical address plus DIRECT_BASE: one PML4 slot, so at most 512 GiB. */
#define DIRECT_BASE  0xffff800000000000
#define DIRECT_BYTES 0x8000000000

/* Device registers that the kernel itself uses: one page table of 4 KiB uncached pages. */
#define DEVICE_BASE  0xffffffffc0000000
#define DEVICE_PAGES 512

#define PML4_DIRECT      256
#define PML4_KERNEL      511
#define PDPT_KERNEL      510
#define PDPT_DEVICE      511
#define BOOT_DIRECT_GIBS 4 /* mapped by boot.S, before the memory map has been read */

/* The kernel stack of a core, and the stacks of their own that #DB, NMI, #DF and #MC have; an unmapped page below each.
 * The topmost 16 bytes of the latter hold the core's address (see severe_common in entry.S). */
#define STACK_BYTES       16384
#define FAULT_STACK_BYTES 4096
#define FAULT_STACKS      4
#define FAULT_STACK_TOP   16
#define IST_DEBUG         1
#define IST_NMI           2
#define IST_DOUBLE_FAULT  3
#define IST_MACHINE_CHECK 4

/* entry.S: the code for one vector. Exceptions: two groups of entries, jumps that both use between them. Interrupts: 8
 * groups with such a jump behind each. */
#define EXCEPTION_VECTORS     32
#define EXCEPTION_ENTRY_BYTES 6
#define EXCEPTION_GROUP       16
#define EXCEPTION_GROUP_GAP   16
#define INTERRUPT_ENTRY_BYTES 4
#define INTERRUPT_GROUP       28
#define INTERRUPT_GROUPS      8
#define INTERRUPT_GROUP_BYTES 120

/* Segment selectors. SYSRET takes user SS from STAR + 8 and user CS from STAR + 16 (AMD APM vol. 3, SYSRET). */
#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_DATA 0x10
#define SELECTOR_USER_DATA   0x1b
#define SELECTOR_USER_CODE   0x23
#define SELECTOR_TSS         0x28

#endif
