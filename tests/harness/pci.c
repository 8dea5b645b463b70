/* See pci.h. */
#include "pci.h"

#define EDU_ID             0x11e81234
#define EDU_WINDOW         0x100000ul
#define EDU_IDENTIFICATION (0x00 / 4)
#define EDU_INVERSE        (0x04 / 4)

volatile uint32_t *pci_config_map(unsigned slot, uint32_t id, word at)
{
    volatile uint32_t *config = (volatile uint32_t *)at;
    if (boot->ecam_address == 0)
        return NULL;
    cptr frame = device_frame_new(boot->ecam_address + (slot << 15));
    map_page(ROOT_VSPACE, frame, at, RIGHT_READ | RIGHT_WRITE, ATTRIBUTE_UNCACHED);
    return config[CONFIG_ID] == id ? config : NULL;
}

volatile uint32_t *pci_capability_find(volatile uint32_t *config, unsigned id)
{
    word offset = config[CONFIG_CAPABILITIES] & 0xfc;
    for (unsigned i = 0; i < 48 && offset != 0; i++) {
        if ((config[offset / 4] & 0xff) == id)
            return &config[offset / 4];
        offset = config[offset / 4] >> 8 & 0xfc;
    }
    give_up("a device has not this capability", id);
}

void pci_bar_assign(volatile uint32_t *config, unsigned bar, word offset, word bytes)
{
    if ((config[CONFIG_BAR0 + bar] & ~0xfu) != 0)
        return;
    word start = (boot->pci_window_address + EDU_WINDOW - 1) & ~(EDU_WINDOW - 1), free = start + offset;
    if (start == 0 || free + bytes > boot->pci_window_address + boot->pci_window_bytes)
        give_up("no room for a device's registers", offset);
    config[CONFIG_BAR0 + bar] = (uint32_t)free;
}

void pci_bar_map(volatile uint32_t *config, unsigned bar, word offset, word at)
{
    cptr frame = device_frame_new((config[CONFIG_BAR0 + bar] & ~0xfu) + offset);
    map_page(ROOT_VSPACE, frame, at, RIGHT_READ | RIGHT_WRITE, ATTRIBUTE_UNCACHED);
}

void pci_msi_disable(volatile uint32_t *config)
{
    pci_capability_find(config, CAPABILITY_MSI)[0] &= ~MSI_ENABLE;
}

void pci_msi_aim(volatile uint32_t *config, word address, word data)
{
    volatile uint32_t *capability = pci_capability_find(config, CAPABILITY_MSI);
    if ((capability[0] & MSI_64) == 0)
        give_up("a device's messages have short addresses", capability[0]);
    capability[0] &= ~MSI_ENABLE;
    capability[1] = (uint32_t)address;
    capability[2] = (uint32_t)(address >> 32);
    capability[3] = (uint32_t)data;
    capability[0] |= MSI_ENABLE;
}

struct edu edu_map(unsigned number, word at)
{
    struct edu edu = {pci_config_map(EDU_SLOT + number, EDU_ID, at), (volatile uint32_t *)(at + PAGE_BYTES)};
    if (edu.config == NULL)
        return edu;
    pci_bar_assign(edu.config, 0, number * EDU_WINDOW, EDU_WINDOW);
    edu.config[CONFIG_COMMAND] = COMMAND_MEMORY | COMMAND_MASTER;
    pci_bar_map(edu.config, 0, 0, at + PAGE_BYTES);
    edu.registers[EDU_INVERSE] = 0x12345678;
    if ((edu.registers[EDU_IDENTIFICATION] & 0xffff) != 0xed || edu.registers[EDU_INVERSE] != 0xedcba987)
        give_up("a device is not what it says", number);
    pci_msi_disable(edu.config); /* a case that failed may have left it on */
    edu.registers[EDU_ACKNOWLEDGE] = ~0u;
    return edu;
}

word edu_line(unsigned number)
{
    word line = boot->pci_interrupt[(EDU_SLOT + number) % 4];
    if (line == 0)
        give_up("a device's wire leads nowhere", number);
    return line;
}
