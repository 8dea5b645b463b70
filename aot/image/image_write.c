/* Appends the notes to a linked program; image_write.h has the contract. */
#include "image/image_write.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "image/lines_write.h"
#include "memory.h"

void buffer_add(struct buffer *buffer, const void *bytes, size_t size)
{
    if (size > buffer->capacity - buffer->size) {
        buffer->capacity = 2 * buffer->size + size;
        buffer->bytes = reallocate(buffer->bytes, buffer->capacity, 1);
    }
    if (size > 0)
        memcpy(buffer->bytes + buffer->size, bytes, size);
    buffer->size += size;
}

void buffer_align(struct buffer *buffer, size_t alignment)
{
    static const uint8_t zeroes[IMAGE_PAGE_BYTES];
    buffer_add(buffer, zeroes, (alignment - buffer->size % alignment) % alignment);
}

/* ---- function names ---- */

struct symbol {
    uint64_t address;
    const char *name;
};

static int symbol_compare(const void *left, const void *right)
{
    const struct symbol *a = left, *b = right;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* Aliases ("main$function3", "wasm_export_run") share an address with the function's own name, which is better. */
static bool is_alias(const char *name)
{
    return strchr(name, '$') || strncmp(name, "wasm_export_", strlen("wasm_export_")) == 0;
}

/* Whether the symbol is a function of a module: of the first "wasm.NAME", of others "INSTANCE.NAME". */
static bool is_of_module(const char *symbol, const struct image_content *content)
{
    const char *dot = strchr(symbol, '.');
    size_t length = dot ? (size_t)(dot - symbol) : 0;
    if (length == 0 || strncmp(symbol, "wasm.", 5) == 0)
        return length > 0;
    for (uint32_t i = 0; i < content->instance_count; i++)
        if (strlen(content->instances[i]) == length && memcmp(content->instances[i], symbol, length) == 0)
            return true;
    return false;
}

/* What a person calls the function: generated names begin with "wasm.", those of imports with "__imported_". */
static const char *plain_name(const char *name)
{
    static const char *const prefixes[] = {"wasm.", "__imported_"};
    for (unsigned i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return name + strlen(prefixes[i]);
    return name;
}

/* The functions of the symbol table, sorted, one for each address. */
static struct symbol *collect_symbols(const uint8_t *elf, uint32_t *count)
{
    const Elf64_Ehdr *header = (const void *)elf;
    const Elf64_Shdr *sections = (const void *)(elf + header->e_shoff);
    struct symbol *symbols = allocate(1, sizeof *symbols);
    *count = 0;
    for (unsigned i = 0; i < header->e_shnum; i++) {
        if (sections[i].sh_type != SHT_SYMTAB)
            continue;
        const Elf64_Sym *table = (const void *)(elf + sections[i].sh_offset);
        const char *names = (const char *)elf + sections[sections[i].sh_link].sh_offset;
        size_t entries = sections[i].sh_size / sizeof *table;
        symbols = reallocate(symbols, *count + entries, sizeof *symbols);
        for (size_t entry = 0; entry < entries; entry++)
            if (ELF64_ST_TYPE(table[entry].st_info) == STT_FUNC && table[entry].st_shndx != SHN_UNDEF)
                symbols[(*count)++] = (struct symbol){table[entry].st_value, names + table[entry].st_name};
    }
    if (*count > 0)
        qsort(symbols, *count, sizeof *symbols, symbol_compare);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++) {
        if (kept == 0 || symbols[kept - 1].address != symbols[i].address)
            symbols[kept++] = symbols[i];
        else if (is_alias(symbols[kept - 1].name))
            symbols[kept - 1] = symbols[i];
    }
    *count = kept;
    return symbols;
}

static struct buffer functions_note(const uint8_t *elf, const struct image_content *content)
{
    struct buffer note = {0}, names = {0};
    struct image_functions header = {0};
    struct symbol *symbols = collect_symbols(elf, &header.count);
    struct image_function *functions = allocate(header.count, sizeof *functions);
    for (uint32_t i = 0; i < header.count; i++) {
        const char *name = plain_name(symbols[i].name);
        uint32_t native = is_of_module(symbols[i].name, content) ? 0 : IMAGE_FUNCTION_NATIVE;
        functions[i] =
            (struct image_function){(uint32_t)(symbols[i].address - IMAGE_WINDOW_BASE), (uint32_t)names.size | native};
        buffer_add(&names, name, strlen(name) + 1);
    }
    header.names_bytes = (uint32_t)names.size;
    buffer_add(&note, &header, sizeof header);
    buffer_add(&note, functions, header.count * sizeof *functions);
    buffer_add(&note, names.bytes, names.size);
    free(names.bytes);
    free(functions);
    free(symbols);
    return note;
}

static struct buffer program_note(const struct image_content *content)
{
    struct buffer note = {0};
    struct image_program program = {.magic = IMAGE_PROGRAM_MAGIC,
                                    .version = IMAGE_VERSION,
                                    .stack_bytes = content->stack_bytes,
                                    .memory_count = content->memory_count};
    buffer_add(&note, &program, sizeof program);
    buffer_add(&note, content->memories, content->memory_count * sizeof *content->memories);
    return note;
}

/* ---- the file ---- */

static void add_note(struct buffer *image, enum image_note_type type, const void *descriptor, size_t size)
{
    Elf64_Nhdr header = {.n_namesz = sizeof IMAGE_NOTE_OWNER, .n_descsz = (uint32_t)size, .n_type = type};
    buffer_add(image, &header, sizeof header);
    buffer_add(image, IMAGE_NOTE_OWNER, sizeof IMAGE_NOTE_OWNER);
    buffer_align(image, 8);
    buffer_add(image, descriptor, size);
    buffer_align(image, 8);
}

/* The linker script reserves a PT_NOTE header: it now describes the notes. What PT_TLS describes only the program
 * itself wants to know. */
static bool place_notes(struct buffer *image, uint64_t offset)
{
    Elf64_Ehdr *header = (void *)image->bytes;
    Elf64_Phdr *headers = (void *)(image->bytes + header->e_phoff);
    for (unsigned i = 0; i < header->e_phnum; i++)
        if (headers[i].p_type == PT_TLS)
            headers[i] = (Elf64_Phdr){.p_type = PT_NULL};
    for (unsigned i = 0; i < header->e_phnum; i++) {
        if (headers[i].p_type != PT_NOTE)
            continue;
        headers[i] = (Elf64_Phdr){
            .p_type = PT_NOTE, .p_flags = PF_R, .p_offset = offset, .p_filesz = image->size - offset, .p_align = 8};
        return true;
    }
    return false;
}

/* Empty when there is nothing to tell. NULL in *problem unless LLVM's DWARF is not what we read. */
static struct buffer make_lines(const uint8_t *linked, const char **problem)
{
    struct dwarf_input input;
    struct dwarf dwarf;
    struct dwarf_error error;
    struct buffer note = {0};
    linked_dwarf_find(linked, &input);
    if (!dwarf_read(&input, &dwarf, &error))
        *problem = error.message;
    else if (dwarf.place_count)
        note = lines_note(&dwarf);
    dwarf_free(&dwarf);
    return note;
}

uint8_t *image_write(const uint8_t *linked, size_t linked_size, uint32_t machine, const struct image_content *content,
                     size_t *size, const char **problem)
{
    struct buffer image = {0}, lines = {0};
    struct buffer program = program_note(content), functions = functions_note(linked, content);
    *problem = NULL;
    if (content->has_lines)
        lines = make_lines(linked, problem);
    if (content->has_dwarf)
        buffer_add(&image, linked, linked_size);
    else
        image = linked_strip(linked, linked_size);
    buffer_align(&image, IMAGE_PAGE_BYTES);
    uint64_t offset = image.size;
    add_note(&image, IMAGE_NOTE_PROGRAM, program.bytes, program.size);
    add_note(&image, IMAGE_NOTE_FUNCTIONS, functions.bytes, functions.size);
    if (content->manifest)
        add_note(&image, IMAGE_NOTE_MANIFEST, content->manifest, content->manifest_bytes);
    if (lines.size)
        add_note(&image, IMAGE_NOTE_LINES, lines.bytes, lines.size);
    free(program.bytes);
    free(functions.bytes);
    free(lines.bytes);

    struct image checked;
    size_t error_offset;
    enum image_error error = place_notes(&image, offset)
                                 ? image_check(image.bytes, image.size, machine, &checked, &error_offset)
                                 : IMAGE_BAD_NOTE;
    *size = image.size;
    if (error == IMAGE_OK && !*problem)
        return image.bytes;
    if (!*problem)
        *problem = image_error_text(error);
    free(image.bytes);
    return NULL;
}
