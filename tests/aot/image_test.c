/* The image format: what image_write and manifest_from_json make, image_check accepts; damaged images, byte by byte,
 * are refused or still consistent, and never read outside themselves (the test runs under ASan, each image in an
 * allocation of exactly its size). */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/image_write.h"
#include "image/lines_write.h"

static unsigned failures;

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            printf("FAIL line %d: %s\n", __LINE__, #condition);                                                        \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

/* ---- a program as the linker leaves it ---- */

enum { PAGE = 4096, LINKED_BYTES = 5 * PAGE };

static const char symbol_names[] = "\0wasm.first\0main$function0\0second";

struct linked {
    Elf64_Ehdr header;
    Elf64_Phdr segments[4];
    Elf64_Shdr sections[3];
    Elf64_Sym symbols[4];
    char names[sizeof symbol_names];
};

static Elf64_Phdr load_header(uint64_t page, uint32_t flags, uint64_t memory_bytes)
{
    return (Elf64_Phdr){.p_type = PT_LOAD,
                        .p_flags = flags,
                        .p_offset = (page + 1) * PAGE,
                        .p_vaddr = IMAGE_WINDOW_BASE + page * PAGE,
                        .p_filesz = 100,
                        .p_memsz = memory_bytes,
                        .p_align = PAGE};
}

static Elf64_Sym function_symbol(uint32_t name, uint64_t address)
{
    return (Elf64_Sym){
        .st_name = name, .st_info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC), .st_shndx = 1, .st_value = address};
}

static void make_linked(uint8_t *bytes)
{
    struct linked *linked = (void *)bytes;
    memset(bytes, 0, LINKED_BYTES);
    linked->header = (Elf64_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                                  .e_type = ET_EXEC,
                                  .e_machine = EM_X86_64,
                                  .e_version = EV_CURRENT,
                                  .e_entry = IMAGE_WINDOW_BASE + PAGE + 8,
                                  .e_phoff = offsetof(struct linked, segments),
                                  .e_shoff = offsetof(struct linked, sections),
                                  .e_ehsize = sizeof(Elf64_Ehdr),
                                  .e_phentsize = sizeof(Elf64_Phdr),
                                  .e_phnum = 4,
                                  .e_shentsize = sizeof(Elf64_Shdr),
                                  .e_shnum = 3};
    linked->segments[0] = load_header(0, PF_R, 100);
    linked->segments[1] = load_header(1, PF_R | PF_X, 100);
    linked->segments[2] = load_header(2, PF_R | PF_W, 3 * PAGE);
    linked->segments[3] = (Elf64_Phdr){.p_type = PT_NOTE};
    linked->sections[1] = (Elf64_Shdr){.sh_type = SHT_SYMTAB,
                                       .sh_offset = offsetof(struct linked, symbols),
                                       .sh_size = sizeof linked->symbols,
                                       .sh_link = 2};
    linked->sections[2] = (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = offsetof(struct linked, names)};
    linked->symbols[1] = function_symbol(12, IMAGE_WINDOW_BASE + PAGE + 16);
    linked->symbols[2] = function_symbol(27, IMAGE_WINDOW_BASE + PAGE + 48);
    linked->symbols[3] = function_symbol(1, IMAGE_WINDOW_BASE + PAGE + 16);
    memcpy(linked->names, symbol_names, sizeof symbol_names);
}

static const char full_manifest[] =
    "{\"name\": \"broker\", \"version\": \"1.2\", \"arguments\": [\"broker\", \"-v\"], \"memory\": \"32M\","
    " \"environment\": {\"LANG\": \"C\"}, \"cpu\": {\"budget_us\": 5000, \"period_us\": 10000},"
    " \"permissions\": {\"fs\": {\"/data\": \"rw\", \"/etc\": \"r\"}, \"net\": {\"listen\": [\"tcp:1883\"], "
    "\"resolve\": true},"
    " \"channel\": {\"serve\": [\"mqtt\"], \"connect\": []}, \"service\": {\"connect\": [\"report\"]},"
    " \"spawn\": 3, \"clock\": true, \"random\": false, \"trap_thread\": true, \"device\": [\"uart\"]}}";

static uint8_t *make_manifest(uint32_t *size)
{
    char problem[256] = "";
    uint8_t *manifest = manifest_from_json(full_manifest, strlen(full_manifest), size, problem, sizeof problem);
    if (!manifest)
        printf("FAIL manifest: %s\n", problem), failures++;
    return manifest;
}

static uint8_t *make_image(size_t *size)
{
    static _Alignas(8) uint8_t linked[LINKED_BYTES];
    static const struct image_memory memories[] = {{.base = 0, .initial_pages = 2, .max_pages = 10},
                                                   {.base = IMAGE_REGION_BASE, .initial_pages = 0, .max_pages = 65536}};
    uint32_t manifest_bytes = 0;
    uint8_t *manifest = make_manifest(&manifest_bytes);
    struct image_content content = {.stack_bytes = 65536,
                                    .memories = memories,
                                    .memory_count = 2,
                                    .manifest = manifest,
                                    .manifest_bytes = manifest_bytes};
    const char *problem = "";
    make_linked(linked);
    uint8_t *image = image_write(linked, sizeof linked, IMAGE_MACHINE_X86_64, &content, size, &problem);
    if (!image)
        printf("FAIL image_write: %s\n", problem), exit(1);
    free(manifest);
    return image;
}

/* ---- what a good image says ---- */

static bool text_is(const struct image_manifest *manifest, struct image_string text, const char *wanted)
{
    return text.length == strlen(wanted) && strcmp(image_string_text(manifest, text), wanted) == 0;
}

static void check_manifest(const struct image_manifest *manifest)
{
    EXPECT(text_is(manifest, manifest->name, "broker"));
    EXPECT(text_is(manifest, manifest->program_version, "1.2"));
    EXPECT(text_is(manifest, manifest->entry, "_start"));
    EXPECT(manifest->memory_limit_bytes == 32u << 20);
    EXPECT(manifest->cpu_budget_us == 5000 && manifest->cpu_period_us == 10000);
    EXPECT(manifest->spawn_children == 3);
    EXPECT(manifest->permissions == (IMAGE_MAY_CLOCK | IMAGE_MAY_RESOLVE | IMAGE_MAY_TRAP_THREAD));
    EXPECT(manifest->arguments.count == 2);
    EXPECT(text_is(manifest, image_list_string(manifest, manifest->arguments, 1), "-v"));
    EXPECT(text_is(manifest, image_list_string(manifest, manifest->environment, 0), "LANG=C"));
    EXPECT(manifest->fs.count == 2);
    EXPECT(image_list_path(manifest, manifest->fs, 0).mode == (IMAGE_PATH_READ | IMAGE_PATH_WRITE));
    EXPECT(image_list_path(manifest, manifest->fs, 1).mode == IMAGE_PATH_READ);
    EXPECT(text_is(manifest, image_list_path(manifest, manifest->fs, 1).path, "/etc"));
    EXPECT(text_is(manifest, image_list_string(manifest, manifest->net_listen, 0), "tcp:1883"));
    EXPECT(text_is(manifest, image_list_string(manifest, manifest->channel_serve, 0), "mqtt"));
    EXPECT(manifest->channel_connect.count == 0 && manifest->service_serve.count == 0);
    EXPECT(text_is(manifest, image_list_string(manifest, manifest->service_connect, 0), "report"));
    EXPECT(text_is(manifest, image_list_string(manifest, manifest->device, 0), "uart"));
}

static void check_good(const uint8_t *bytes, size_t size)
{
    struct image image;
    size_t place = 0;
    uint64_t offset = 0;
    uint32_t flags;
    EXPECT(image_check(bytes, size, IMAGE_MACHINE_X86_64, &image, &place) == IMAGE_OK);
    EXPECT(image.segment_count == 3 && image.program->memory_count == 2);
    EXPECT(image.memories[0].initial_pages == 2 && image.memories[1].base == IMAGE_REGION_BASE);
    EXPECT(image.entry == IMAGE_WINDOW_BASE + PAGE + 8);
    EXPECT(image.function_count == 2);
    EXPECT(!image_function_find(&image, IMAGE_WINDOW_BASE + PAGE + 15, &offset, &flags));
    const char *name = image_function_find(&image, IMAGE_WINDOW_BASE + PAGE + 20, &offset, &flags);
    EXPECT(name && strcmp(name, "first") == 0 && offset == 4 && flags == 0);
    name = image_function_find(&image, IMAGE_WINDOW_BASE + PAGE + 48, &offset, &flags);
    EXPECT(name && strcmp(name, "second") == 0 && offset == 0);
    EXPECT(!image_function_find(&image, 12, &offset, &flags));
    check_manifest(image.manifest);
    EXPECT(image_check(bytes, size, IMAGE_MACHINE_ARM64, &image, &place) == IMAGE_BAD_MACHINE);
}

/* ---- lines ---- */

/* Two functions as make_linked has them; into "first" a function was inlined, and one into that. */
static const struct dwarf_file line_files[] = {{"", "", "main.c"}, {"", "", "/usr/include/inner.h"}};
static const struct dwarf_scope line_scopes[] = {
    {.name = "first", .parent = DWARF_NONE, .call_file = DWARF_NONE},
    {.name = "middle", .parent = 0, .call_file = 0, .call_line = 30},
    {.name = "in\nner", .parent = 1, .call_file = 1, .call_line = 7},
};
static const struct dwarf_place line_places[] = {
    {IMAGE_WINDOW_BASE + PAGE + 16, 0, 0, 28},          {IMAGE_WINDOW_BASE + PAGE + 20, 2, 1, 1000000},
    {IMAGE_WINDOW_BASE + PAGE + 24, 1, 1, 5},           {IMAGE_WINDOW_BASE + PAGE + 28, 0, 0, 0},
    {IMAGE_WINDOW_BASE + PAGE + 48, DWARF_NONE, 0, 99},
};
static const uint64_t addresses[] = {IMAGE_WINDOW_BASE + PAGE + 20, IMAGE_WINDOW_BASE + PAGE + 49,
                                     IMAGE_WINDOW_BASE + PAGE + 27};

/* A report into memory of exactly `size` bytes; its length. */
static size_t report(const struct image *image, const uint64_t *at, uint64_t count, size_t size)
{
    char *text = malloc(size);
    size_t length = trap_report(image, TRAP_UNREACHABLE, at, count, text, size);
    EXPECT(length < size && strlen(text) == length);
    free(text);
    return length;
}

static void report_is(const struct image *image, uint64_t count, const char *wanted)
{
    char text[512];
    trap_report(image, TRAP_UNREACHABLE, addresses, count, text, sizeof text);
    EXPECT(strcmp(text, wanted) == 0);
    if (strcmp(text, wanted) != 0)
        printf("report: %s\n", text);
}

static struct buffer make_lines(void)
{
    struct dwarf dwarf = {(struct dwarf_file *)line_files,   2, (struct dwarf_scope *)line_scopes, 3,
                          (struct dwarf_place *)line_places, 5};
    return lines_note(&dwarf);
}

static void check_lines(const uint8_t *bytes, size_t size)
{
    struct image image;
    size_t place = 0;
    EXPECT(image_check(bytes, size, IMAGE_MACHINE_X86_64, &image, &place) == IMAGE_OK);
    struct buffer note = make_lines();
    image.lines = (const void *)note.bytes;
    report_is(&image, 1,
              "wasm trap: unreachable, in in?ner (inner.h:1000000) called from middle (inner.h:7) called from "
              "first (main.c:30)");
    report_is(&image, 3,
              "wasm trap: unreachable, in in?ner (inner.h:1000000) called from middle (inner.h:7) called from "
              "first (main.c:30) called from second (main.c:99) called from middle (inner.h:5) called from "
              "first (main.c:30)");
    report_is(NULL, 3, "wasm trap: unreachable");
    for (size_t cut = 1; cut < 200; cut++)
        report(&image, addresses, 3, cut);
    free(note.bytes);
}

/* Whatever a lines note says, once its sizes are right a report comes to an end and stays in its bounds. */
static void check_lines_damage(const uint8_t *bytes, size_t size)
{
    struct image image;
    size_t place = 0;
    EXPECT(image_check(bytes, size, IMAGE_MACHINE_X86_64, &image, &place) == IMAGE_OK);
    struct buffer note = make_lines();
    for (size_t at = sizeof(struct image_lines); at + 1 < note.size; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            uint8_t *copy = malloc(note.size);
            memcpy(copy, note.bytes, note.size);
            copy[at] ^= (uint8_t)(1u << bit);
            image.lines = (const void *)copy;
            report(&image, addresses, 3, 512);
            free(copy);
        }
    free(note.bytes);
}

/* ---- damage ---- */

static enum image_error check_copy(const uint8_t *bytes, size_t size, struct image *image)
{
    size_t place = 0;
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    enum image_error error = image_check(copy, size, IMAGE_MACHINE_X86_64, image, &place);
    if (error == IMAGE_OK) { /* then everything in it can be read */
        uint64_t offset, sum = 0;
        uint32_t flags;
        for (uint64_t address = 0; address < 64; address++) {
            const char *name = image_function_find(image, IMAGE_WINDOW_BASE + PAGE + address, &offset, &flags);
            sum += name ? strlen(name) : 0;
        }
        sum += report(image, addresses, 3, sizeof(char[40]));
        for (uint32_t i = 0; image->manifest && i < image->manifest->arguments.count; i++)
            sum += strlen(
                image_string_text(image->manifest, image_list_string(image->manifest, image->manifest->arguments, i)));
        for (uint32_t i = 0; i < image->segment_count; i++)
            sum += image->segments[i].file_bytes ? copy[image->segments[i].file_offset] : 0;
        EXPECT(sum < (1u << 30));
    } else {
        EXPECT(place <= size || error == IMAGE_TRUNCATED);
        EXPECT(strcmp(image_error_text(error), "unknown error") != 0);
    }
    free(copy);
    return error;
}

static void check_truncated(const uint8_t *bytes, size_t size)
{
    struct image image;
    for (size_t length = 0; length < size; length++)
        if (length < 1024 || length % 61 == 0 || size - length < 2048)
            EXPECT(check_copy(bytes, length, &image) != IMAGE_OK);
}

static void check_flipped(uint8_t *bytes, size_t size)
{
    static const uint8_t masks[] = {0x01, 0x80, 0xff};
    struct image image;
    unsigned refused = 0, tried = 0;
    for (size_t i = 0; i < size; i++) {
        if (i >= sizeof(struct linked) && i < LINKED_BYTES)
            continue; /* code and data: any byte is fine */
        for (unsigned mask = 0; mask < sizeof masks; mask++, tried++) {
            bytes[i] ^= masks[mask];
            refused += check_copy(bytes, size, &image) != IMAGE_OK;
            bytes[i] ^= masks[mask];
        }
    }
    printf("%u of %u damaged images refused\n", refused, tried);
    EXPECT(refused > tried / 4);
}

/* One wrong field at a time, and the error it must give. */
static void check_wrong(uint8_t *bytes, size_t size, size_t offset, uint64_t value, size_t width,
                        enum image_error wanted, int line)
{
    struct image image;
    uint8_t before[8];
    memcpy(before, bytes + offset, width);
    memcpy(bytes + offset, &value, width);
    enum image_error error = check_copy(bytes, size, &image);
    if (error != wanted)
        printf("FAIL line %d: got \"%s\"\n", line, image_error_text(error)), failures++;
    memcpy(bytes + offset, before, width);
}

#define WRONG(field, value, wanted)                                                                                    \
    check_wrong(bytes, size, offsetof(struct linked, field), (value), sizeof(((struct linked *)0)->field), (wanted),   \
                __LINE__)

static void check_hostile(uint8_t *bytes, size_t size)
{
    WRONG(header.e_type, ET_DYN, IMAGE_BAD_ELF);
    WRONG(header.e_phoff, UINT64_MAX - 7, IMAGE_TRUNCATED);
    WRONG(header.e_phoff, 65, IMAGE_BAD_ELF);
    WRONG(header.e_phentsize, 0, IMAGE_BAD_ELF);
    WRONG(header.e_phnum, 65535, IMAGE_BAD_ELF);
    WRONG(header.e_entry, 0, IMAGE_BAD_ENTRY);
    WRONG(header.e_entry, IMAGE_WINDOW_BASE, IMAGE_BAD_ENTRY);
    WRONG(header.e_entry, IMAGE_WINDOW_BASE + PAGE + 100, IMAGE_BAD_ENTRY);
    WRONG(segments[0].p_flags, PF_R | PF_W | PF_X, IMAGE_BAD_PERMISSIONS);
    WRONG(segments[0].p_flags, PF_X, IMAGE_BAD_PERMISSIONS);
    WRONG(segments[0].p_flags, 0xf0000004, IMAGE_BAD_PERMISSIONS);
    WRONG(segments[0].p_vaddr, 0, IMAGE_BAD_SEGMENT);
    WRONG(segments[0].p_vaddr, UINT64_MAX - PAGE + 1, IMAGE_BAD_SEGMENT);
    WRONG(segments[0].p_vaddr, IMAGE_WINDOW_BASE + IMAGE_WINDOW_BYTES, IMAGE_BAD_SEGMENT);
    WRONG(segments[0].p_vaddr, IMAGE_WINDOW_BASE + 8, IMAGE_BAD_SEGMENT);
    WRONG(segments[0].p_offset, 8, IMAGE_BAD_SEGMENT);
    WRONG(segments[0].p_offset, UINT64_MAX - PAGE + 1, IMAGE_TRUNCATED);
    WRONG(segments[0].p_filesz, UINT64_MAX, IMAGE_TRUNCATED);
    WRONG(segments[0].p_memsz, 99, IMAGE_BAD_SEGMENT);
    WRONG(segments[0].p_memsz, PAGE, IMAGE_BAD_SEGMENT); /* only writable segments have more memory than file */
    WRONG(segments[1].p_vaddr, IMAGE_WINDOW_BASE, IMAGE_BAD_SEGMENT);
    WRONG(segments[1].p_offset, PAGE, IMAGE_BAD_SEGMENT);
    WRONG(segments[2].p_memsz, UINT64_MAX, IMAGE_BAD_SEGMENT);
    WRONG(segments[2].p_memsz, IMAGE_WINDOW_BYTES, IMAGE_BAD_SEGMENT);
    WRONG(segments[3].p_type, PT_INTERP, IMAGE_BAD_SEGMENT);
    WRONG(segments[3].p_type, PT_TLS, IMAGE_BAD_SEGMENT);
    WRONG(segments[3].p_type, PT_NULL, IMAGE_BAD_NOTE);
    WRONG(segments[3].p_offset, 3, IMAGE_BAD_NOTE);
    WRONG(segments[3].p_offset, UINT64_MAX - 7, IMAGE_TRUNCATED);
    WRONG(segments[3].p_filesz, 0, IMAGE_BAD_NOTE);
}

/* ---- manifests ---- */

static void check_bad_manifest(const char *json, const char *wanted)
{
    char problem[256] = "";
    uint32_t size;
    uint8_t *manifest = manifest_from_json(json, strlen(json), &size, problem, sizeof problem);
    if (manifest || !strstr(problem, wanted))
        printf("FAIL manifest %s: \"%s\", should say \"%s\"\n", json, problem, wanted), failures++;
    free(manifest);
}

#define WITH(rest) "{\"name\": \"a\", \"version\": \"1\", " rest "}"

static void check_bad_manifests(void)
{
    check_bad_manifest("", "not a JSON object");
    check_bad_manifest("[]", "not a JSON object");
    check_bad_manifest("{\"name\": \"a\"}", "required");
    check_bad_manifest("{\"name\": \"\", \"version\": \"1\"}", "\"name\"");
    check_bad_manifest(WITH("\"colour\": 1"), "unknown key \"colour\"");
    check_bad_manifest(WITH("\"memory\": \"16Q\""), "\"memory\"");
    check_bad_manifest(WITH("\"memory\": -1"), "\"memory\"");
    check_bad_manifest(WITH("\"cpu\": \"200%\""), "\"cpu\"");
    check_bad_manifest(WITH("\"cpu\": {\"budget_us\": 20000, \"period_us\": 10000}"), "\"cpu\"");
    check_bad_manifest(WITH("\"arguments\": \"all\""), "\"arguments\"");
    check_bad_manifest(WITH("\"arguments\": [1]"), "\"arguments\"");
    check_bad_manifest(WITH("\"environment\": {\"A=B\": \"c\"}"), "\"environment\"");
    check_bad_manifest(WITH("\"permissions\": {\"colour\": true}"), "unknown permission \"colour\"");
    check_bad_manifest(WITH("\"permissions\": {\"clock\": 1}"), "\"clock\"");
    check_bad_manifest(WITH("\"permissions\": {\"fs\": {\"/\": \"wr\"}}"), "\"fs\"");
    check_bad_manifest(WITH("\"permissions\": {\"channel\": {\"resolve\": true}}"), "unknown key \"resolve\"");
    check_bad_manifest(WITH("\"permissions\": {\"channel\": true}"), "\"channel\"");
    check_bad_manifest(WITH("\"permissions\": {\"spawn\": -1}"), "\"spawn\"");
    check_bad_manifest(WITH("\"permissions\": []"), "\"permissions\"");
}

int main(void)
{
    size_t size;
    uint8_t *bytes = make_image(&size);
    check_good(bytes, size);
    check_lines(bytes, size);
    check_lines_damage(bytes, size);
    check_truncated(bytes, size);
    check_hostile(bytes, size);
    check_flipped(bytes, size);
    check_good(bytes, size);
    check_bad_manifests();
    free(bytes);
    printf(failures ? "%u failures\n" : "image format: all good\n", failures);
    return failures > 0;
}
