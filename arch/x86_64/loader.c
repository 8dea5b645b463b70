/* What both loader protocols share. See loader.h. */
#include "loader.h"

#define MEMORY_USABLE 1
#define ADDRESS_END   (1ul << 52)

void loader_add_region(struct loader_info *info, uint64_t address, uint64_t bytes, uint32_t type)
{
    if (bytes == 0 || address >= ADDRESS_END || bytes > ADDRESS_END - address)
        return;
    if (info->region_count == LOADER_REGIONS) {
        info->region_dropped++;
        return;
    }
    info->region[info->region_count++] =
        (struct loader_region){.address = address, .bytes = bytes, .is_usable = type == MEMORY_USABLE};
}
