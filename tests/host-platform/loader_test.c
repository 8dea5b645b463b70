/* Host test of arch/x86_64/loader*.c: multiboot2 and PVH information read whole, truncated and with each bit flipped.
 *
 * As in acpi_test.c, memory is seen only through heap copies of exactly the bytes asked for; here one copy for each
 * address, because the readers look again at what they have seen.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arch/x86_64/loader.h"
#include "check.h"

#define MEMORY_BYTES 1024
#define BASE         0x9000u

static uint8_t memory_bytes[MEMORY_BYTES];
static void *copies[4096];
static unsigned copy_count;
static size_t visible;

static const void *look(void *context, uint64_t address, size_t bytes)
{
    (void)context;
    if (address < BASE || address - BASE > visible || bytes > visible - (address - BASE) || copy_count == 4096)
        return NULL;
    uint8_t *copy = malloc(bytes == 0 ? 1 : bytes);
    memcpy(copy, memory_bytes + (address - BASE), bytes);
    copies[copy_count++] = copy;
    return copy;
}

typedef const char *reader(struct loader_info *info, const struct acpi_memory *memory, uint64_t address);

static const char *read_at(reader *read, struct loader_info *info, uint64_t address)
{
    struct acpi_memory memory = {look, NULL};
    const char *problem = read(info, &memory, address);
    while (copy_count > 0)
        free(copies[--copy_count]);
    CHECK(info->region_count <= LOADER_REGIONS && memchr(info->command_line, 0, LOADER_COMMAND_BYTES) != NULL);
    return problem;
}

static void put(size_t offset, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        memory_bytes[offset + i] = (uint8_t)(value >> (8 * i));
}

static size_t end_of_tags;

static size_t tag(uint32_t type, uint32_t bytes)
{
    size_t at = end_of_tags;
    put(at, type, 4);
    put(at + 4, bytes, 4);
    end_of_tags += (bytes + 7) / 8 * 8;
    return at;
}

static void put_map_line(size_t at, uint64_t address, uint64_t bytes, uint32_t type)
{
    put(at, address, 8);
    put(at + 8, bytes, 8);
    put(at + 16, type, 4);
}

static void build_multiboot(void)
{
    memset(memory_bytes, 0, sizeof(memory_bytes));
    visible = MEMORY_BYTES;
    end_of_tags = 8;
    size_t at = tag(1, 8 + 6);
    memcpy(memory_bytes + at + 8, "hello", 6);
    at = tag(3, 16 + 4);
    put(at + 8, 0x200000, 4);
    put(at + 12, 0x234567, 4);
    at = tag(3, 16 + 4); /* a second module is not the archive */
    put(at + 8, 0x300000, 4);
    put(at + 12, 0x300001, 4);
    at = tag(6, 16 + 3 * 24);
    put(at + 8, 24, 4);
    put_map_line(at + 16, 0, 0x9fc00, 1);
    put_map_line(at + 40, 0xf0000, 0x10000, 2);
    put_map_line(at + 64, 0x100000, 0x7f00000, 1);
    at = tag(8, 32);
    put(at + 8, 0xfd000000, 8);
    put(at + 16, 4096, 4);
    put(at + 20, 1024, 4);
    put(at + 24, 768, 4);
    put(at + 28, 32, 1);
    put(at + 29, 1, 1);
    tag(14, 8 + 20);
    tag(15, 8 + 36);
    tag(0, 8);
    put(0, end_of_tags, 4);
}

static void test_multiboot(void)
{
    struct loader_info info;
    build_multiboot();
    CHECK(read_at(loader_read_multiboot, &info, BASE) == NULL);
    CHECK(info.region_count == 3 && info.region[0].is_usable && !info.region[1].is_usable);
    CHECK(info.region[2].address == 0x100000 && info.region[2].bytes == 0x7f00000);
    CHECK(info.archive_address == 0x200000 && info.archive_bytes == 0x34567);
    CHECK(strcmp(info.command_line, "hello") == 0);
    CHECK(info.framebuffer_address == 0xfd000000 && info.framebuffer_width == 1024 && info.framebuffer_bits == 32);
    CHECK(info.is_rsdp_a_copy && info.rsdp == BASE + end_of_tags - 8 - 48 + 8); /* the newer one */
    CHECK(read_at(loader_read_multiboot, &info, BASE + 4) != NULL);
    CHECK(read_at(loader_read_multiboot, &info, 0) != NULL);
}

/* Each damage is refused with a reason, not read past. */
static void test_multiboot_damage(void)
{
    struct loader_info info;
    build_multiboot();
    size_t module = 8 + 16, map = module + 24 + 24;
    put(module + 12, 0x100, 4);
    CHECK(read_at(loader_read_multiboot, &info, BASE) != NULL); /* ends before it starts */
    build_multiboot();
    put(map + 8, 0, 4);
    CHECK(read_at(loader_read_multiboot, &info, BASE) != NULL); /* entries of 0 bytes */
    build_multiboot();
    put(map + 4, 8, 4);
    CHECK(read_at(loader_read_multiboot, &info, BASE) != NULL); /* a map without entry size */
    build_multiboot();
    put(module + 4, 0, 4);
    CHECK(read_at(loader_read_multiboot, &info, BASE) != NULL); /* a tag of 0 bytes must not loop */
    build_multiboot();
    put(map, 99, 4);
    CHECK(read_at(loader_read_multiboot, &info, BASE) != NULL); /* no memory map */
    build_multiboot();
    put(map + 16 + 8, UINT64_MAX, 8);
    CHECK(read_at(loader_read_multiboot, &info, BASE) == NULL && info.region_count == 2); /* wraps around */
    build_multiboot();
    put(0, 0xffffffff, 4);
    CHECK(read_at(loader_read_multiboot, &info, BASE) != NULL);
}

static void test_cut(reader *read, void (*build)(void), size_t needed)
{
    struct loader_info info;
    for (size_t cut = 0; cut < needed; cut++) {
        build();
        visible = cut;
        const char *problem = read_at(read, &info, BASE);
        CHECK(problem != NULL);
    }
    build();
    visible = needed;
    CHECK(read_at(read, &info, BASE) == NULL);
}

static void test_flipped(reader *read, void (*build)(void), size_t bytes)
{
    struct loader_info info;
    build();
    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        memory_bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        const char *problem = read_at(read, &info, BASE);
        CHECK(problem != NULL || info.region_count != 0);
        memory_bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

#define PVH_MODULES 64
#define PVH_MAP     96
#define PVH_COMMAND 144
#define PVH_BYTES   154

static void build_pvh(void)
{
    memset(memory_bytes, 0, sizeof(memory_bytes));
    visible = MEMORY_BYTES;
    put(0, 0x336ec578, 4);
    put(4, 1, 4);
    put(12, 1, 4);
    put(16, BASE + PVH_MODULES, 8);
    put(24, BASE + PVH_COMMAND, 8);
    put(32, 0xf59e0, 8);
    put(40, BASE + PVH_MAP, 8);
    put(48, 2, 4);
    put(PVH_MODULES, 0x1ffd5000, 8);
    put(PVH_MODULES + 8, 0x2710, 8);
    put_map_line(PVH_MAP, 0x100000, 0x7f00000, 1);
    put_map_line(PVH_MAP + 24, 0xb0000000, 0x10000000, 2);
    memcpy(memory_bytes + PVH_COMMAND, "some=text", 10);
}

static void test_pvh(void)
{
    struct loader_info info;
    build_pvh();
    CHECK(read_at(loader_read_pvh, &info, BASE) == NULL);
    CHECK(info.region_count == 2 && info.region[0].is_usable && !info.region[1].is_usable);
    CHECK(info.archive_address == 0x1ffd5000 && info.archive_bytes == 0x2710);
    CHECK(info.rsdp == 0xf59e0 && !info.is_rsdp_a_copy && strcmp(info.command_line, "some=text") == 0);
    put(4, 0, 4);
    CHECK(read_at(loader_read_pvh, &info, BASE) != NULL); /* version 0 has no memory map */
    build_pvh();
    put(48, 0xffffffff, 4);
    CHECK(read_at(loader_read_pvh, &info, BASE) != NULL);
    build_pvh();
    put(0, 0, 4);
    CHECK(read_at(loader_read_pvh, &info, BASE) != NULL);
    build_pvh();
    put(12, 0, 4);
    CHECK(read_at(loader_read_pvh, &info, BASE) == NULL && info.archive_bytes == 0);
    build_pvh();
    memset(memory_bytes + PVH_COMMAND, 'x', MEMORY_BYTES - PVH_COMMAND);
    CHECK(read_at(loader_read_pvh, &info, BASE) == NULL && strlen(info.command_line) == LOADER_COMMAND_BYTES - 1);
}

static void test_many_regions(void)
{
    static struct loader_info info;
    for (unsigned i = 0; i < LOADER_REGIONS + 5; i++)
        loader_add_region(&info, 0x1000 * (i + 1), 0x1000, 1);
    loader_add_region(&info, 0, 0, 1);
    loader_add_region(&info, 1ul << 52, 1, 1);
    CHECK(info.region_count == LOADER_REGIONS && info.region_dropped == 5);
}

int main(void)
{
    test_multiboot();
    test_multiboot_damage();
    build_multiboot();
    test_cut(loader_read_multiboot, build_multiboot, end_of_tags);
    test_flipped(loader_read_multiboot, build_multiboot, end_of_tags);
    test_pvh();
    test_cut(loader_read_pvh, build_pvh, PVH_COMMAND);
    test_flipped(loader_read_pvh, build_pvh, PVH_BYTES);
    test_many_regions();
    printf("loader: %u failures\n", failures);
    return failures == 0 ? 0 : 1;
}
