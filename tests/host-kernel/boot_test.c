/* Booting: what the root task finds, and the one line that each kind of trouble ends in. */
#include "model.h"

#include <mm/vspace.h>

static char archive[1 << 20];
static size_t archive_bytes;

/* Boots with what `damage` did to the archive and the platform; the kernel must refuse with a line that has `text`. */
static void refused(void (*damage)(char *copy), const char *text)
{
    static char copy[sizeof(archive)];
    memcpy(copy, archive, archive_bytes);
    model_start();
    model_archive(copy, archive_bytes);
    damage(copy);
    model_status = 0;
    if (setjmp(model_end) == 0) {
        kernel_boot(model_core(), &model_platform);
        fprintf(stderr, "booted in spite of: %s\n", text);
        abort();
    }
    CHECK(model_status > 0);
    if (!strstr(model_output, text) || strncmp(model_output, "tessera: ", 9) != 0) {
        fprintf(stderr, "expected '%s', the kernel said: %s", text, model_output);
        abort();
    }
    CHECK(strchr(model_output, '\n') == model_output + strlen(model_output) - 1);
}

static void without_archive(char *copy)
{
    (void)copy;
    model_platform.archive = (struct range){0, 0};
}
static void unaligned_archive(char *copy)
{
    (void)copy;
    model_platform.archive.start += 8;
}
static void truncated_archive(char *copy)
{
    (void)copy;
    model_platform.archive.end -= PAGE_BYTES;
}
static void tiny_archive(char *copy)
{
    (void)copy;
    model_platform.archive.end = model_platform.archive.start + 100;
}
static void damaged_root(char *copy)
{
    copy[archive_bytes / 2] ^= 1;
    for (size_t i = 8192; i < archive_bytes; i += 512)
        copy[i] ^= 0x10;
    model_archive(copy, archive_bytes);
}
static void damaged_manifest(char *copy)
{
    copy[4096 + 40] ^= 1;
    model_archive(copy, archive_bytes);
}
static void little_memory(char *copy)
{
    (void)copy;
    model_platform.ram.count = 0;
    ranges_add(&model_platform.ram, 0x400000, 0x400000 + (500 << 10));
}
static void no_memory(char *copy)
{
    (void)copy;
    model_platform.ram.count = 0;
}

static void many_pieces(char *copy)
{
    (void)copy;
    for (unsigned i = 0; i < PLATFORM_RANGES - 1; i++)
        ranges_add(&model_platform.reserved, 0x400000 + i * 0x2000, 0x401000 + i * 0x2000);
}

static void archive_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    CHECK(file);
    archive_bytes = fread(archive, 1, sizeof(archive), file);
    fclose(file);
}

static void nothing(char *copy)
{
    (void)copy;
}

static void test_boot(const char *path)
{
    model_boot(path);
    const struct boot_info *info = model_boot_info();
    struct tcb *root = model_current();
    EQUAL(info->magic, BOOT_INFO_MAGIC);
    EQUAL(root->context.pc, 0x400000);
    EQUAL(root->context.sp, 0);
    EQUAL(root->priority, 255);
    CHECK(strstr(model_output, "tessera: model, 63 MiB, archive"));
    /* what it was promised is mapped, and nothing of it writable that should not be */
    struct walk walk = vspace_walk(vspace_of(root->slots[TCB_SLOT_VSPACE].cap), root->context.argument, 1);
    CHECK(walk.level == 1 && paddr_to_kernel(arch_entry_address(*walk.entry)) == info);
    for (word offset = 0; offset < info->archive_bytes; offset += PAGE_BYTES) {
        walk = vspace_walk(vspace_of(root->slots[TCB_SLOT_VSPACE].cap), info->archive + offset, 1);
        CHECK(arch_entry_is_present(*walk.entry) && !(*walk.entry >> 4 & RIGHT_WRITE));
        EQUAL(arch_entry_address(*walk.entry), info->archive_address + offset);
    }
    walk = vspace_walk(vspace_of(root->slots[TCB_SLOT_VSPACE].cap), 0x400000, 1);
    EQUAL(*walk.entry >> 4 & 31, RIGHT_READ | RIGHT_EXEC);
    CHECK(memcmp(paddr_to_kernel(arch_entry_address(*walk.entry)), "texttext", 8) == 0);
    walk = vspace_walk(vspace_of(root->slots[TCB_SLOT_VSPACE].cap), 0x402000, 1);
    EQUAL(*walk.entry >> 4 & 31, RIGHT_READ | RIGHT_WRITE);
    const char *data = paddr_to_kernel(arch_entry_address(*walk.entry));
    CHECK(data[0] == 0 && memcmp(data + 16, "datadata", 8) == 0 && data[16 + 40] == 0 && data[4095] == 0);
    /* untypeds: aligned, apart from each other, the reserved part and the archive; nearly all memory is there */
    word sum = 0;
    for (uint32_t i = 0; i < info->untyped_count; i++) {
        const struct boot_untyped *u = &info->untypeds[i];
        word end = u->address + (1ul << u->size_bits);
        EQUAL(u->address & ((1ul << u->size_bits) - 1), 0);
        EQUAL(cap_untyped_address(model_slot(info->untyped_first + i)->cap), u->address);
        EQUAL(cap_untyped_kind(model_slot(info->untyped_first + i)->cap), u->kind);
        if (u->kind != BOOT_UNTYPED_MEMORY)
            continue;
        sum += 1ul << u->size_bits;
        CHECK(end <= 0x100000 || u->address >= 0x200000);
        CHECK(end <= info->archive_address || u->address >= info->archive_address + info->archive_bytes);
        for (uint32_t j = 0; j < i; j++)
            CHECK(info->untypeds[j].address + (1ul << info->untypeds[j].size_bits) <= u->address ||
                  info->untypeds[j].address >= end);
    }
    CHECK(sum > MODEL_MEMORY_BYTES - (4 << 20));
    EQUAL(info->memory_bytes - info->kernel_bytes, sum);
    CHECK(info->empty_first == info->untyped_first + info->untyped_count && info->empty_end == 1 << ROOT_CNODE_BITS);
    for (cptr i = info->empty_first; i < info->empty_end; i++)
        CHECK(slot_is_empty(model_slot(i)));
}

int main(int argc, char **argv)
{
    CHECK(argc == 5);
    archive_read(argv[1]);
    refused(without_archive, "archive missing");
    refused(unaligned_archive, "not on a page");
    refused(truncated_archive, "archive ");
    refused(tiny_archive, "archive ");
    refused(damaged_manifest, "archive damaged");
    refused(damaged_root, "root");
    refused(little_memory, "too little memory: 500 KiB found");
    refused(no_memory, "no usable memory");
    refused(many_pieces, "too many pieces");
    archive_read(argv[2]);
    refused(nothing, "no member 'root'");
    archive_read(argv[3]);
    refused(nothing, "segments overlap at 402000");
    archive_read(argv[4]);
    refused(nothing, "the root task cannot be started");
    test_boot(argv[1]);
    printf("boot: all passed\n");
    return 0;
}
