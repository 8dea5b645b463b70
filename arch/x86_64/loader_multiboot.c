/* Multiboot2 boot information: Multiboot2 Specification 2.0, 3.6. See loader.h. */
#include "loader.h"

enum tag {
    TAG_END = 0,
    TAG_COMMAND_LINE = 1,
    TAG_MODULE = 3,
    TAG_MEMORY_MAP = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_RSDP_1 = 14,
    TAG_RSDP_2 = 15
};

#define INFORMATION_MAX_BYTES (1u << 20)
#define FRAMEBUFFER_RGB       1

struct information {
    uint32_t bytes, reserved;
};

struct tag_header {
    uint32_t type, bytes;
};

struct tag_module {
    struct tag_header header;
    uint32_t start, end;
};

struct tag_memory_map {
    struct tag_header header;
    uint32_t entry_bytes, entry_version;
};

struct memory_map_entry {
    uint64_t address, bytes;
    uint32_t type, reserved;
};

struct tag_framebuffer {
    struct tag_header header;
    uint64_t address;
    uint32_t pitch, width, height;
    uint8_t bits, kind;
};

static const char *read_memory_map(struct loader_info *info, const struct tag_memory_map *map)
{
    if (map->header.bytes < sizeof(*map) || map->entry_bytes < sizeof(struct memory_map_entry) ||
        map->entry_bytes % 8 != 0)
        return "multiboot2 information: the memory map's sizes make no sense";
    uint32_t count = (map->header.bytes - (uint32_t)sizeof(*map)) / map->entry_bytes;
    const uint8_t *at = (const uint8_t *)(map + 1);
    for (uint32_t i = 0; i < count; i++, at += map->entry_bytes) {
        const struct memory_map_entry *entry = (const struct memory_map_entry *)at;
        loader_add_region(info, entry->address, entry->bytes, entry->type);
    }
    return NULL;
}

static const char *read_module(struct loader_info *info, const struct tag_module *module)
{
    if (info->archive_bytes != 0)
        return NULL;
    if (module->header.bytes < sizeof(*module) || module->end < module->start)
        return "multiboot2 information: a module ends before it starts";
    info->archive_address = module->start;
    info->archive_bytes = module->end - module->start;
    return NULL;
}

static void read_framebuffer(struct loader_info *info, const struct tag_framebuffer *tag)
{
    if (tag->header.bytes < 31 || tag->kind != FRAMEBUFFER_RGB)
        return;
    info->framebuffer_address = tag->address;
    info->framebuffer_width = tag->width;
    info->framebuffer_height = tag->height;
    info->framebuffer_pitch = tag->pitch;
    info->framebuffer_bits = tag->bits;
}

static void read_command_line(struct loader_info *info, const struct tag_header *tag)
{
    const char *text = (const char *)(tag + 1);
    uint32_t bytes = tag->bytes - (uint32_t)sizeof(*tag);
    for (uint32_t i = 0; i < bytes && i < LOADER_COMMAND_BYTES - 1 && text[i] != '\0'; i++)
        info->command_line[i] = text[i];
}

static const char *read_tag(struct loader_info *info, const struct tag_header *tag, uint64_t address)
{
    switch (tag->type) {
    case TAG_COMMAND_LINE:
        read_command_line(info, tag);
        return NULL;
    case TAG_MODULE:
        return read_module(info, (const struct tag_module *)tag);
    case TAG_MEMORY_MAP:
        return read_memory_map(info, (const struct tag_memory_map *)tag);
    case TAG_FRAMEBUFFER:
        read_framebuffer(info, (const struct tag_framebuffer *)tag);
        return NULL;
    case TAG_RSDP_1:
    case TAG_RSDP_2:
        if (tag->type == TAG_RSDP_2 || info->rsdp == 0)
            info->rsdp = address + sizeof(*tag);
        info->is_rsdp_a_copy = true;
        return NULL;
    default:
        return NULL;
    }
}

const char *loader_read_multiboot(struct loader_info *info, const struct acpi_memory *memory, uint64_t address)
{
    *info = (struct loader_info){0};
    const struct information *head = memory->look(memory->context, address, sizeof(*head));
    if (address % 8 != 0 || head == NULL || head->bytes < sizeof(*head) || head->bytes > INFORMATION_MAX_BYTES)
        return "multiboot2 information: its place or size makes no sense";
    uint32_t bytes = head->bytes;
    const uint8_t *start = memory->look(memory->context, address, bytes);
    if (start == NULL)
        return "multiboot2 information: it reaches beyond the memory that can be seen";
    uint32_t offset = sizeof(*head);
    while (bytes - offset >= sizeof(struct tag_header)) {
        const struct tag_header *tag = (const struct tag_header *)(start + offset);
        if (tag->type == TAG_END)
            return info->region_count == 0 ? "multiboot2 information: no memory map" : NULL;
        if (tag->bytes < sizeof(*tag) || tag->bytes > bytes - offset)
            return "multiboot2 information: a tag runs past the end";
        const char *problem = read_tag(info, tag, address + offset);
        if (problem != NULL)
            return problem;
        uint32_t step = (tag->bytes + 7) & ~7u;
        if (step > bytes - offset)
            break;
        offset += step;
    }
    return "multiboot2 information: no end tag";
}
