/* PVH start information: Xen public/arch-x86/hvm/start_info.h, version 1. See loader.h. */
#include "loader.h"

#define START_MAGIC       0x336ec578u
#define MAX_MAP_ENTRIES   4096u
#define COMMAND_MAX_BYTES (LOADER_COMMAND_BYTES - 1)

/* Loaders built for i386 align 64-bit fields to 4 only. */
#define LOOSE __attribute__((packed, aligned(4)))

struct LOOSE start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp;
    uint64_t memory_map; /* from version 1 on */
    uint32_t memory_map_entries, reserved;
};

struct LOOSE module {
    uint64_t address, bytes, command_line, reserved;
};

struct LOOSE memory_map_entry {
    uint64_t address, bytes;
    uint32_t type, reserved;
};

static const char *read_memory_map(struct loader_info *info, const struct acpi_memory *memory,
                                   const struct start_info *start)
{
    uint32_t count = start->memory_map_entries;
    if (start->version < 1 || start->memory_map == 0 || count == 0)
        return "PVH start information: no memory map";
    if (count > MAX_MAP_ENTRIES || start->memory_map % 4 != 0)
        return "PVH start information: the memory map's place or size makes no sense";
    const struct memory_map_entry *entry =
        memory->look(memory->context, start->memory_map, count * sizeof(struct memory_map_entry));
    if (entry == NULL)
        return "PVH start information: the memory map reaches beyond the memory that can be seen";
    for (uint32_t i = 0; i < count; i++)
        loader_add_region(info, entry[i].address, entry[i].bytes, entry[i].type);
    return info->region_count == 0 ? "PVH start information: the memory map is empty" : NULL;
}

static const char *read_module(struct loader_info *info, const struct acpi_memory *memory,
                               const struct start_info *start)
{
    if (start->module_count == 0)
        return NULL;
    const struct module *module = memory->look(memory->context, start->modules, sizeof(*module));
    if (start->modules % 4 != 0 || module == NULL)
        return "PVH start information: the module list is out of sight";
    info->archive_address = module->address;
    info->archive_bytes = module->bytes;
    return NULL;
}

static void read_command_line(struct loader_info *info, const struct acpi_memory *memory, uint64_t address)
{
    for (uint32_t i = 0; address != 0 && i < COMMAND_MAX_BYTES; i++) {
        const char *text = memory->look(memory->context, address + i, 1);
        if (text == NULL || *text == '\0')
            return;
        info->command_line[i] = *text;
    }
}

const char *loader_read_pvh(struct loader_info *info, const struct acpi_memory *memory, uint64_t address)
{
    *info = (struct loader_info){0};
    const struct start_info *start = memory->look(memory->context, address, sizeof(*start));
    if (address % 4 != 0 || start == NULL || start->magic != START_MAGIC)
        return "PVH start information: not where ebx points";
    read_command_line(info, memory, start->command_line);
    info->rsdp = start->rsdp;
    const char *problem = read_module(info, memory, start);
    return problem != NULL ? problem : read_memory_map(info, memory, start);
}
