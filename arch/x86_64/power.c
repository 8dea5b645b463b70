/* Off and reset. Contract: arch/machine.h.
 *
 * Off, in this order: QEMU's isa-debug-exit (the runner puts it at port 0xf4; the verdict leaves as status + 16), ACPI
 * sleep state 5, reset, stop. The value that ACPI's sleep register wants for S5 stands in AML, which we do not run:
 * 0 is right for QEMU's chip sets, 5 for hardware-reduced QEMU machines (hw/acpi/generic_event_device.h).
 *
 * Sources: ACPI 6.5, 4.8.3.2.1 (PM1 control), 4.8.3.7 (sleep control), 4.8.3.6 (reset); the keyboard controller's reset
 * line and port 0xcf9 are the customary last resorts.
 */
#include <arch/machine.h>
#include "power.h"
#include "instructions.h"
#include "mmu.h"
#include "arch/platform/acpi.h"

#define EXIT_PORT              0xf4
#define EXIT_BASE              16
#define PM1_SLEEP_ENABLE       (1u << 13)
#define PM1_SLEEP_TYPE_QEMU    (0u << 10)
#define CONTROL_SLEEP_ENABLE   (1u << 5)
#define CONTROL_SLEEP_TYPE_GED (5u << 2)
#define KEYBOARD_COMMAND       0x64
#define KEYBOARD_RESET         0xfe
#define RESET_PORT             0xcf9

static struct acpi_register pm1a_control, sleep_control, reset;
static uint8_t reset_value;

static struct acpi_register reachable(struct acpi_register found)
{
    if (found.bits != 0 && found.space == ACPI_SPACE_MEMORY)
        found.address = device_map(found.address);
    if (found.address == 0)
        found.bits = 0;
    return found;
}

void power_start(const struct acpi_machine *machine)
{
    pm1a_control = reachable(machine->pm1a_control);
    sleep_control = reachable(machine->sleep_control);
    if (machine->has_reset)
        reset = reachable(machine->reset);
    reset_value = machine->reset_value;
}

static void write_8(struct acpi_register target, uint8_t value)
{
    if (target.space == ACPI_SPACE_MEMORY)
        *(volatile uint8_t *)target.address = value;
    else
        port_write_8((uint16_t)target.address, value);
}

_Noreturn static void stop(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

_Noreturn void arch_power_off(unsigned status)
{
    port_write_32(EXIT_PORT, status + EXIT_BASE);
    if (pm1a_control.bits != 0 && pm1a_control.space == ACPI_SPACE_PORT)
        port_write_16((uint16_t)pm1a_control.address, PM1_SLEEP_ENABLE | PM1_SLEEP_TYPE_QEMU);
    if (sleep_control.bits != 0)
        write_8(sleep_control, CONTROL_SLEEP_ENABLE | CONTROL_SLEEP_TYPE_GED);
    arch_power_reset();
}

_Noreturn void arch_power_reset(void)
{
    if (reset.bits != 0)
        write_8(reset, reset_value);
    port_write_8(RESET_PORT, 0x06);
    port_write_8(KEYBOARD_COMMAND, KEYBOARD_RESET);
    stop();
}
