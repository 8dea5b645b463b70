/* Devices on PCI Express for tests on the machine: found through configuration space, set up and mapped uncached as a
 * driver would. What is mapped lives as long as what harness.h's calls make.
 *
 * Sources: QEMU docs/specs/edu.rst (registers); PCI Local Bus Specification 3.0, 6.1 (configuration header), 6.8.1 (MSI
 * capability), 6.8.2 (MSI-X capability and table); PCI Express Base Specification, 7.2.2 (ECAM); Arm, Server Base
 * System Architecture 6.0, appendix E (GICv2m).
 */
#ifndef PCI_H
#define PCI_H

#include "harness.h"

/* Indices of 32-bit words. */
#define CONFIG_ID           (0x00 / 4)
#define CONFIG_COMMAND      (0x04 / 4)
#define CONFIG_BAR0         (0x10 / 4)
#define CONFIG_CAPABILITIES (0x34 / 4)
#define COMMAND_MEMORY      (1u << 1)
#define COMMAND_MASTER      (1u << 2)
#define CAPABILITY_MSI      5
#define MSI_ENABLE          (1u << 16)
#define MSI_64              (1u << 23)
#define CAPABILITY_MSIX     17
#define MSIX_ENABLE         (1u << 31)
#define MSIX_MASK_ALL       (1u << 30)
#define MSIX_LAST(control)  ((control) >> 16 & 0x7ff)
#define MSIX_MASKED         1u /* in an entry's last word */

/* A GICv2m frame turns a write of an interrupt's number to its doorbell into an edge of that SPI. QEMU's virt with
 * gic-version=2 has one here, for SPIs 48 to 111. */
#define V2M_DOORBELL 0x08020040ul
#define V2M_FIRST    (32 + 48)

/* The configuration space of the device in this slot, mapped at `at`; NULL where the machine has not this device there.
 */
volatile uint32_t *pci_config_map(unsigned slot, uint32_t id, word at);
/* The words of a capability; ends the run if there is none. */
volatile uint32_t *pci_capability_find(volatile uint32_t *config, unsigned id);
/* Gives the BAR that many bytes at `offset` of the window behind the first megabyte boundary, unless firmware has. */
void pci_bar_assign(volatile uint32_t *config, unsigned bar, word offset, word bytes);
/* One page of the registers behind the BAR. */
void pci_bar_map(volatile uint32_t *config, unsigned bar, word offset, word at);
void pci_msi_aim(volatile uint32_t *config, word address, word data);
void pci_msi_disable(volatile uint32_t *config);

/* QEMU's edu: number n is where the test's command line places it with -device edu,addr=0x10 + n; its pin A is line
 * edu_line(n). Messages off, quiet. Takes two pages of address space from `at` on; `config` is NULL where there is
 * none. */
#define EDU_SLOT        16
#define EDU_STATUS      (0x24 / 4)
#define EDU_RAISE       (0x60 / 4)
#define EDU_ACKNOWLEDGE (0x64 / 4)
struct edu {
    volatile uint32_t *config, *registers;
};
struct edu edu_map(unsigned number, word at);
word edu_line(unsigned number);

#endif
