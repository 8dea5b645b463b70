/* The kernel ABI, part 5: what the root task finds when it starts.
 *
 * The root task is the archive member "root", a static ELF64 executable. It starts at its entry point with the address
 * of struct boot_info in the first argument register (rdi, x0), sp = 0 (it brings its own stack), interrupts enabled,
 * priority and MCP 255, and a SchedContext without limit (budget = period). Its CNode has 2^ROOT_CNODE_BITS slots with
 * a guard that makes slot i the cptr i. Its image is mapped W^X at its link addresses; the archive is mapped read-only.
 */
#ifndef ABI_BOOT_H
#define ABI_BOOT_H

#include <abi/types.h>

enum root_capability {
    ROOT_NULL = 0,
    ROOT_TCB,
    ROOT_CNODE,
    ROOT_VSPACE,
    ROOT_SCHED_CONTEXT,
    ROOT_SCHED_CONTROL, /* core 0; those of further cores are listed in boot_info */
    ROOT_IRQ_CONTROL,
    ROOT_IO_PORT_CONTROL, /* x86-64 */
    ROOT_POWER_CONTROL,
    ROOT_IPC_BUFFER,     /* frame, mapped at boot_info.ipc_buffer */
    ROOT_BOOT_INFO,      /* frame, mapped read-only */
    ROOT_FIRST_FREE = 16 /* untypeds start at boot_info.untyped_first */
};
#define ROOT_CNODE_BITS 14

#define BOOT_INFO_MAGIC    0x31626f6f74736574ul
#define BOOT_INFO_UNTYPEDS 200

struct boot_untyped {
    uint64_t address;
    uint8_t size_bits;
    uint8_t kind; /* enum boot_untyped_kind */
    uint8_t reserved[6];
};
enum boot_untyped_kind {
    BOOT_UNTYPED_MEMORY = 0, /* ordinary memory; objects made of it are zeroed */
    BOOT_UNTYPED_DEVICE = 1, /* MMIO: frames and untypeds only, never touched by the kernel */
    BOOT_UNTYPED_ARCHIVE =
        2 /* the system archive: frames and untypeds only, content kept, mapped without RIGHT_WRITE */
};

enum boot_uart { BOOT_UART_NONE = 0, BOOT_UART_16550_PORT, BOOT_UART_16550_MMIO, BOOT_UART_PL011 };

/* One page, read-only. Physical addresses unless said otherwise; 0 = absent. */
struct boot_info {
    uint64_t magic;
    uint64_t ipc_buffer; /* virtual address of the root task's IPC buffer */
    uint64_t archive;    /* virtual address of the archive */
    uint64_t archive_bytes;
    uint64_t archive_address;  /* physical */
    uint64_t timer_hz;         /* ticks of TSC / CNTVCT per second */
    uint64_t timer_multiplier; /* ns = ticks * multiplier >> timer_shift, in 128 bits */
    uint32_t timer_shift;
    uint32_t core_count;
    uint64_t entry_ticks; /* timer value at kernel entry and just before the root task */
    uint64_t root_ticks;
    uint32_t untyped_first; /* first slot of the untypeds */
    uint32_t untyped_count;
    uint32_t empty_first;    /* first empty slot of the root CNode */
    uint32_t empty_end;      /* one past the last */
    uint32_t uart_kind;      /* enum boot_uart */
    uint32_t uart_interrupt; /* as IRQ_CONTROL_GET wants it */
    uint32_t uart_interrupt_flags;
    uint32_t uart_clock_hz; /* 0 = leave the divisor as it is */
    uint64_t uart_address;  /* port or physical address */
    uint64_t rtc_address;   /* PL031 on arm64; x86-64 has ports 0x70, 0x71 */
    uint64_t ecam_address;  /* PCI Express configuration space */
    uint64_t ecam_bytes;
    uint64_t pci_window_address; /* 32-bit and 64-bit memory windows for BARs */
    uint64_t pci_window_bytes;
    uint64_t pci_window64_address;
    uint64_t pci_window64_bytes;
    uint32_t pci_interrupt[4]; /* INTA..INTD of slot 0; slot n, pin p: pci_interrupt[(n + p) % 4] */
    uint64_t rsdp_address;
    uint64_t dtb_address;
    uint64_t dtb_bytes;
    uint64_t framebuffer_address;
    uint32_t framebuffer_width, framebuffer_height, framebuffer_pitch, framebuffer_bits;
    uint64_t memory_bytes;   /* usable memory found */
    uint64_t kernel_bytes;   /* memory that the kernel keeps */
    uint64_t random_seed[4]; /* from firmware or the CPU's generator; zero where there is none */
    char command_line[128];  /* NUL-terminated */
    struct boot_untyped untypeds[BOOT_INFO_UNTYPEDS];
};
_Static_assert(sizeof(struct boot_info) <= PAGE_BYTES, "the boot information fits one page");

#endif
