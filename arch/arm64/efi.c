/* The kernel image as an EFI application: loads \tessera.cpio from the volume that it was started from, collects what
 * the kernel wants to know, leaves boot services and starts the kernel (efi.S, boot.S) with struct efi_record.
 *
 * Firmware loads the image anywhere and there are no relocations: code here must not use data that holds addresses
 * (initialised pointers, tables of strings), nor anything of the kernel but its pure functions; everything else is
 * reached relative to the program counter. tests/arm64 checks the object file for it. The .data and .bss of the kernel
 * are not touched: variables are on the firmware's stack, and what stays is in pages of the type EfiLoaderData.
 */
#include "efi.h"
#include "boot.h"

#define PAGE_COUNT(bytes) (((bytes) + EFI_PAGE_BYTES - 1) / EFI_PAGE_BYTES)
#define MAP_SLACK_BYTES   4096ul /* the map grows by its own allocation */
#define MAP_TRIES         8
#define LOAD_ERROR        (1ul << 63 | 1)
#define READ_STEP         (16ul << 20)

static const struct efi_guid loaded_image_guid = {
    0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
static const struct efi_guid file_system_guid = {
    0x964e5b22, 0x6459, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
static const struct efi_guid graphics_guid = {
    0x9042a9de, 0x23dc, 0x4a38, {0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a}};
static const struct efi_guid random_guid = {
    0x3152bca5, 0xeade, 0x433d, {0x86, 0x2e, 0xc0, 0x1c, 0xdc, 0x29, 0x1f, 0x44}};
static const struct efi_guid acpi_guid = {0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}};
static const struct efi_guid fdt_guid = {0xb1b621d5, 0xf19c, 0x41a5, {0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa, 0xe0}};

_Noreturn void efi_leave(struct efi_record *record); /* efi.S */
efi_status efi_main(efi_handle handle, struct efi_system_table *table, char *image);
extern char image_start[], image_file_end[];

static efi_status fail(struct efi_system_table *table, const efi_char *text)
{
    if (table->console_out)
        table->console_out->output_string(table->console_out, text);
    return LOAD_ERROR;
}

static void *pages_allocate(struct efi_boot_services *boot, uint64_t bytes)
{
    uint64_t address;
    if (boot->allocate_pages(EFI_ALLOCATE_ANY, EFI_LOADER_DATA, PAGE_COUNT(bytes), &address) != 0)
        return 0;
    return (void *)address;
}

/* Some firmware fails on very long reads. */
static _Bool file_read(struct efi_file *file, char *buffer, uint64_t bytes)
{
    while (bytes > 0) {
        uint64_t step = bytes < READ_STEP ? bytes : READ_STEP;
        if (file->read(file, &step, buffer) != 0 || step == 0)
            return 0;
        buffer += step;
        bytes -= step;
    }
    return 1;
}

/* On failure the record says that there is no archive, and the kernel reports it on its console. */
static void archive_load(struct efi_boot_services *boot, efi_handle device, struct efi_record *record)
{
    struct efi_file_system *system;
    struct efi_file *root, *file;
    uint64_t bytes = 0;
    if (boot->handle_protocol(device, &file_system_guid, (void **)&system) != 0 ||
        system->open_volume(system, &root) != 0 || root->open(root, &file, u"\\tessera.cpio", EFI_FILE_READ, 0) != 0)
        return;
    if (file->set_position(file, UINT64_MAX) != 0 || file->get_position(file, &bytes) != 0 || bytes == 0 ||
        file->set_position(file, 0) != 0)
        return;
    char *archive = pages_allocate(boot, bytes);
    if (archive == 0 || !file_read(file, archive, bytes))
        return;
    record->archive = (uint64_t)archive;
    record->archive_bytes = bytes;
}

static _Bool is_guid(const struct efi_guid *a, const struct efi_guid *b)
{
    const uint64_t *x = (const uint64_t *)(const void *)a, *y = (const uint64_t *)(const void *)b;
    return x[0] == y[0] && x[1] == y[1];
}

static void tables_find(const struct efi_system_table *table, struct efi_record *record)
{
    for (uint64_t i = 0; i < table->table_count; i++) {
        if (is_guid(&table->tables[i].guid, &acpi_guid))
            record->rsdp = (uint64_t)table->tables[i].table;
        else if (is_guid(&table->tables[i].guid, &fdt_guid))
            record->dtb = (uint64_t)table->tables[i].table;
    }
}

static void framebuffer_find(struct efi_boot_services *boot, struct efi_record *record)
{
    struct efi_graphics *graphics;
    if (boot->locate_protocol(&graphics_guid, 0, (void **)&graphics) != 0 || graphics->mode == 0)
        return;
    const struct efi_graphics_information *information = graphics->mode->information;
    if (information->pixel_format > EFI_PIXEL_BGRX)
        return;
    record->framebuffer = graphics->mode->framebuffer;
    record->framebuffer_width = information->width;
    record->framebuffer_height = information->height;
    record->framebuffer_pitch = information->pixels_per_line * 4;
    record->framebuffer_bits = 32;
}

static void seed_find(struct efi_boot_services *boot, struct efi_record *record)
{
    struct efi_random *random;
    if (boot->locate_protocol(&random_guid, 0, (void **)&random) == 0)
        random->get(random, 0, sizeof(record->seed), record->seed);
}

/* Boot managers pass their own binary data here: only plain text is taken for a command line. */
static void command_line_take(const struct efi_loaded_image *loaded, struct efi_record *record)
{
    uint32_t count = loaded->load_options_bytes / sizeof(efi_char);
    const efi_char *text = loaded->load_options;
    if (text == 0 || count >= sizeof(record->command_line))
        return;
    uint32_t length = 0;
    while (length < count && text[length] >= ' ' && text[length] <= '~')
        length++;
    if (length < count && text[length] != 0)
        return;
    for (uint32_t i = 0; i < length; i++)
        record->command_line[i] = (char)text[i];
}

/* After this nothing of the firmware may be called. The map must not change between the two calls, but may between
 * tries. */
static _Bool boot_services_leave(struct efi_boot_services *boot, efi_handle handle, struct efi_record *record)
{
    uint64_t room = 0, key, entry_bytes = 0;
    uint32_t version;
    boot->get_memory_map(&room, 0, &key, &entry_bytes, &version);
    room += MAP_SLACK_BYTES;
    void *map = pages_allocate(boot, room);
    if (map == 0)
        return 0;
    for (unsigned i = 0; i < MAP_TRIES; i++) {
        uint64_t bytes = room;
        if (boot->get_memory_map(&bytes, map, &key, &entry_bytes, &version) != 0)
            return 0;
        record->map = (uint64_t)map;
        record->map_bytes = bytes;
        record->map_entry_bytes = entry_bytes;
        if (boot->exit_boot_services(handle, key) == 0)
            return 1;
    }
    return 0;
}

/* The kernel's first instructions run without MMU and caches: to the point of coherency with the image. */
static void image_clean(void)
{
    uint64_t ctr;
    __asm__ volatile("mrs %0, ctr_el0" : "=r"(ctr));
    uint64_t line = 4ul << (ctr >> 16 & 0xf);
    for (char *at = image_start; at < image_file_end; at += line)
        __asm__ volatile("dc civac, %0" : : "r"(at) : "memory");
    __asm__ volatile("dsb sy\n\tic iallu\n\tdsb sy\n\tisb" : : : "memory");
}

efi_status efi_main(efi_handle handle, struct efi_system_table *table, char *image)
{
    struct efi_boot_services *boot = table->boot_services;
    struct efi_loaded_image *loaded;
    if ((uint64_t)image % EFI_PAGE_BYTES != 0)
        return fail(table, u"tessera: the firmware loaded the kernel at an odd place\r\n");
    if (boot->handle_protocol(handle, &loaded_image_guid, (void **)&loaded) != 0)
        return fail(table, u"tessera: the firmware does not say where the kernel came from\r\n");
    struct efi_record *record = pages_allocate(boot, sizeof(*record));
    if (record == 0)
        return fail(table, u"tessera: not enough memory for the boot record\r\n");
    *record = (struct efi_record){0};
    archive_load(boot, loaded->device, record);
    tables_find(table, record);
    framebuffer_find(boot, record);
    seed_find(boot, record);
    command_line_take(loaded, record);
    if (!boot_services_leave(boot, handle, record))
        return fail(table, u"tessera: the firmware does not let the kernel take over\r\n");
    image_clean();
    efi_leave(record);
}
