/* Decides whether an image is well formed; image.h has the format and the contract. Nothing here trusts a
 * byte: every offset and length is compared with what is left before it is used, in 64 bits, and the
 * arithmetic is arranged so that it cannot wrap. Freestanding: the host's tools and the target's servers
 * compile this same file. */
#include "image/image.h"

/* ELF64, as in the System V gABI. */
struct elf_header {
    uint8_t identification[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, program_headers, section_headers;
    uint32_t flags;
    uint16_t header_bytes, program_header_bytes, program_header_count;
    uint16_t section_header_bytes, section_header_count, section_names;
};

struct elf_program_header {
    uint32_t type, flags;
    uint64_t offset, address, physical, file_bytes, memory_bytes, alignment;
};

struct elf_note {
    uint32_t name_bytes, descriptor_bytes, type;
};

enum { ELF_LOAD = 1, ELF_DYNAMIC = 2, ELF_INTERPRETER = 3, ELF_NOTE = 4, ELF_TLS = 7 };
enum { ELF_EXECUTABLE = 2, MAX_PROGRAM_HEADERS = 64 };

/* What is being checked, and where the first mistake is. */
struct check {
    const uint8_t *bytes;
    uint64_t size;
    struct image *image;
    size_t *error_offset;
};

static enum image_error refuse(const struct check *check, enum image_error error, uint64_t offset)
{
    *check->error_offset = (size_t)offset;
    return error;
}

static bool is_within(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}

static bool is_page_aligned(uint64_t value)
{
    return value % IMAGE_PAGE_BYTES == 0;
}

static uint64_t page_end(uint64_t value)
{
    return (value + IMAGE_PAGE_BYTES - 1) & ~(IMAGE_PAGE_BYTES - 1);
}

/* ---- ELF ---- */

static enum image_error check_header(const struct check *check, uint32_t machine)
{
    static const uint8_t identification[7] = {0x7f, 'E', 'L', 'F', 2, 1, 1}; /* 64 bits, little endian, version 1 */
    const struct elf_header *header = (const void *)check->bytes;
    if (check->size < sizeof *header)
        return refuse(check, IMAGE_TRUNCATED, check->size);
    for (unsigned i = 0; i < sizeof identification; i++)
        if (header->identification[i] != identification[i])
            return refuse(check, IMAGE_BAD_ELF, i);
    if (header->type != ELF_EXECUTABLE || header->version != 1)
        return refuse(check, IMAGE_BAD_ELF, offsetof(struct elf_header, type));
    if (header->machine != machine)
        return refuse(check, IMAGE_BAD_MACHINE, offsetof(struct elf_header, machine));
    if (header->program_header_bytes != sizeof(struct elf_program_header) || header->program_headers % 8 != 0 ||
        header->program_header_count > MAX_PROGRAM_HEADERS)
        return refuse(check, IMAGE_BAD_ELF, offsetof(struct elf_header, program_headers));
    if (!is_within(header->program_headers, (uint64_t)header->program_header_count * sizeof(struct elf_program_header),
                   check->size))
        return refuse(check, IMAGE_TRUNCATED, offsetof(struct elf_header, program_headers));
    return IMAGE_OK;
}

static enum image_error check_segment(const struct check *check, const struct elf_program_header *header,
                                      uint64_t place)
{
    struct image *image = check->image;
    if (!is_within(header->offset, header->file_bytes, check->size))
        return refuse(check, IMAGE_TRUNCATED, place);
    if (!is_page_aligned(header->offset) || !is_page_aligned(header->address) || header->memory_bytes == 0 ||
        header->file_bytes > header->memory_bytes)
        return refuse(check, IMAGE_BAD_SEGMENT, place);
    if (header->address < IMAGE_WINDOW_BASE ||
        !is_within(header->address - IMAGE_WINDOW_BASE, header->memory_bytes, IMAGE_WINDOW_BYTES))
        return refuse(check, IMAGE_BAD_SEGMENT, place);
    uint32_t access = header->flags;
    if (!(access & IMAGE_READ) || access > 7 || (access & IMAGE_WRITE && access & IMAGE_EXECUTE))
        return refuse(check, IMAGE_BAD_PERMISSIONS, place);
    if (!(access & IMAGE_WRITE) && header->memory_bytes != header->file_bytes)
        return refuse(check, IMAGE_BAD_SEGMENT, place);
    if (image->segment_count == IMAGE_MAX_SEGMENTS)
        return refuse(check, IMAGE_BAD_SEGMENT, place);
    if (image->segment_count > 0) {
        const struct image_segment *before = &image->segments[image->segment_count - 1];
        if (header->address < page_end(before->address + before->memory_bytes))
            return refuse(check, IMAGE_BAD_SEGMENT, place);
        /* A page of the file belongs to one segment: what one maps read-only, none writes. */
        if (header->file_bytes > 0 && header->offset < page_end(before->file_offset + before->file_bytes))
            return refuse(check, IMAGE_BAD_SEGMENT, place);
    }
    image->segments[image->segment_count++] = (struct image_segment){.address = header->address,
                                                                     .memory_bytes = header->memory_bytes,
                                                                     .file_offset = header->offset,
                                                                     .file_bytes = header->file_bytes,
                                                                     .access = access};
    return IMAGE_OK;
}

static enum image_error check_entry(const struct check *check)
{
    for (uint32_t i = 0; i < check->image->segment_count; i++) {
        const struct image_segment *segment = &check->image->segments[i];
        uint64_t entry = check->image->entry;
        if (segment->access & IMAGE_EXECUTE && entry >= segment->address &&
            entry - segment->address < segment->file_bytes)
            return IMAGE_OK;
    }
    return refuse(check, IMAGE_BAD_ENTRY, offsetof(struct elf_header, entry));
}

/* `*notes` becomes the one PT_NOTE header, if there is one. */
static enum image_error check_program_headers(const struct check *check, const struct elf_program_header **notes)
{
    const struct elf_header *header = (const void *)check->bytes;
    const struct elf_program_header *headers = (const void *)(check->bytes + header->program_headers);
    check->image->entry = header->entry;
    for (uint16_t i = 0; i < header->program_header_count; i++) {
        uint64_t place = header->program_headers + (uint64_t)i * sizeof *headers;
        enum image_error error = IMAGE_OK;
        if (headers[i].type == ELF_LOAD)
            error = check_segment(check, &headers[i], place);
        else if (headers[i].type == ELF_NOTE && *notes)
            error = refuse(check, IMAGE_BAD_NOTE, place);
        else if (headers[i].type == ELF_NOTE)
            *notes = &headers[i];
        else if (headers[i].type == ELF_DYNAMIC || headers[i].type == ELF_INTERPRETER || headers[i].type == ELF_TLS)
            error = refuse(check, IMAGE_BAD_SEGMENT, place);
        if (error != IMAGE_OK)
            return error;
    }
    return check_entry(check);
}

/* ---- notes ---- */

static enum image_error check_program_note(const struct check *check, uint64_t offset, uint64_t size)
{
    const struct image_program *program = (const void *)(check->bytes + offset);
    const struct image_memory *memories = (const void *)(program + 1);
    if (check->image->program)
        return refuse(check, IMAGE_BAD_NOTE, offset);
    if (size < sizeof *program || program->magic != IMAGE_PROGRAM_MAGIC || program->version != IMAGE_VERSION ||
        program->reserved != 0 || program->memory_count > IMAGE_MAX_MEMORIES ||
        size - sizeof *program != program->memory_count * sizeof *memories)
        return refuse(check, IMAGE_BAD_PROGRAM, offset);
    for (uint32_t i = 0; i < program->memory_count; i++) {
        uint64_t place = offset + sizeof *program + i * sizeof *memories;
        bool is_placed = memories[i].base == 0
                             ? i == 0
                             : memories[i].base >= IMAGE_REGION_BASE &&
                                   (memories[i].base - IMAGE_REGION_BASE) % IMAGE_REGION_STRIDE == 0 &&
                                   (memories[i].base - IMAGE_REGION_BASE) / IMAGE_REGION_STRIDE < IMAGE_MAX_MEMORIES &&
                                   (i == 0 || memories[i].base > memories[i - 1].base);
        if (!is_placed || memories[i].max_pages > IMAGE_MAX_PAGES_64 ||
            memories[i].initial_pages > memories[i].max_pages)
            return refuse(check, IMAGE_BAD_PROGRAM, place);
    }
    check->image->program = program;
    check->image->memories = memories;
    return IMAGE_OK;
}

static enum image_error check_functions_note(const struct check *check, uint64_t offset, uint64_t size)
{
    const struct image_functions *header = (const void *)(check->bytes + offset);
    const struct image_function *functions = (const void *)(header + 1);
    if (check->image->functions)
        return refuse(check, IMAGE_BAD_NOTE, offset);
    if (size < sizeof *header || header->count > (size - sizeof *header) / sizeof *functions ||
        header->names_bytes != size - sizeof *header - header->count * sizeof *functions)
        return refuse(check, IMAGE_BAD_FUNCTIONS, offset);
    const char *names = (const char *)(functions + header->count);
    if (header->names_bytes > 0 && names[header->names_bytes - 1] != 0)
        return refuse(check, IMAGE_BAD_FUNCTIONS, offset);
    for (uint32_t i = 0; i < header->count; i++)
        if ((functions[i].name & ~IMAGE_FUNCTION_NATIVE) >= header->names_bytes ||
            functions[i].address >= IMAGE_WINDOW_BYTES || (i > 0 && functions[i].address < functions[i - 1].address))
            return refuse(check, IMAGE_BAD_FUNCTIONS, offset + sizeof *header + i * sizeof *functions);
    check->image->functions = functions;
    check->image->function_names = names;
    check->image->function_count = header->count;
    return IMAGE_OK;
}

static enum image_error check_manifest_note(const struct check *check, uint64_t offset, uint64_t size)
{
    size_t inside = 0;
    if (check->image->manifest)
        return refuse(check, IMAGE_BAD_NOTE, offset);
    enum image_error error = image_check_manifest(check->bytes + offset, (size_t)size, &inside);
    if (error != IMAGE_OK)
        return refuse(check, error, offset + inside);
    check->image->manifest = (const void *)(check->bytes + offset);
    return IMAGE_OK;
}

/* The sizes only: rows and scopes are for whoever reports a trap, and would cost every start of a program. */
static enum image_error check_lines_note(const struct check *check, uint64_t offset, uint64_t size)
{
    const struct image_lines *header = (const void *)(check->bytes + offset);
    if (check->image->lines)
        return refuse(check, IMAGE_BAD_NOTE, offset);
    if (size < sizeof *header || header->text_bytes == 0 || check->bytes[offset + size - 1] != 0 ||
        (uint64_t)header->block_count * sizeof(struct image_line_block) +
                (uint64_t)header->scope_count * sizeof(struct image_line_scope) + header->row_bytes +
                header->text_bytes !=
            size - sizeof *header)
        return refuse(check, IMAGE_BAD_LINES, offset);
    check->image->lines = header;
    return IMAGE_OK;
}

static enum image_error check_note(const struct check *check, uint32_t type, uint64_t offset, uint64_t size)
{
    switch (type) {
    case IMAGE_NOTE_PROGRAM:
        return check_program_note(check, offset, size);
    case IMAGE_NOTE_FUNCTIONS:
        return check_functions_note(check, offset, size);
    case IMAGE_NOTE_MANIFEST:
        return check_manifest_note(check, offset, size);
    case IMAGE_NOTE_LINES:
        return check_lines_note(check, offset, size);
    default:
        return refuse(check, IMAGE_BAD_NOTE, offset);
    }
}

static bool is_ours(const uint8_t *name, uint32_t length)
{
    static const char owner[8] = IMAGE_NOTE_OWNER;
    for (uint32_t i = 0; i < sizeof owner && length == sizeof owner; i++)
        if (name[i] != (uint8_t)owner[i])
            return false;
    return length == sizeof owner;
}

/* A note is its header, the owner's name, and the descriptor, the last two padded to 8 bytes. */
static enum image_error check_notes(const struct check *check, uint64_t offset, uint64_t size)
{
    if (offset % 8 != 0)
        return refuse(check, IMAGE_BAD_NOTE, offset);
    if (!is_within(offset, size, check->size))
        return refuse(check, IMAGE_TRUNCATED, offset);
    uint64_t end = offset + size;
    while (offset < end) {
        const struct elf_note *note = (const void *)(check->bytes + offset);
        if (end - offset < sizeof *note)
            return refuse(check, IMAGE_TRUNCATED, offset);
        uint64_t descriptor = offset + ((sizeof *note + (uint64_t)note->name_bytes + 7) & ~7ull);
        uint64_t padded = ((uint64_t)note->descriptor_bytes + 7) & ~7ull;
        if (descriptor > end || padded > end - descriptor)
            return refuse(check, IMAGE_TRUNCATED, offset);
        enum image_error error = IMAGE_OK;
        if (is_ours((const uint8_t *)(note + 1), note->name_bytes))
            error = check_note(check, note->type, descriptor, note->descriptor_bytes);
        if (error != IMAGE_OK)
            return error;
        offset = descriptor + padded;
    }
    return IMAGE_OK;
}

/* ---- manifest ---- */

static bool is_text(const uint8_t *bytes, uint64_t size, struct image_string string)
{
    if (string.length > IMAGE_MAX_TEXT || !is_within(string.offset, (uint64_t)string.length + 1, size))
        return false;
    for (uint32_t i = 0; i < string.length; i++)
        if (bytes[string.offset + i] == 0)
            return false;
    return bytes[string.offset + string.length] == 0;
}

static bool is_list(struct image_list list, uint64_t element, uint64_t size)
{
    return list.count <= IMAGE_MAX_LIST && list.offset % 4 == 0 && is_within(list.offset, list.count * element, size);
}

enum image_error image_check_manifest(const void *bytes, size_t size, size_t *error_offset)
{
    const struct check check = {.bytes = bytes, .size = size, .error_offset = error_offset};
    const struct image_manifest *manifest = bytes;
    if ((uintptr_t)bytes % 8 != 0)
        return refuse(&check, IMAGE_NOT_ALIGNED, 0);
    if (size < sizeof *manifest)
        return refuse(&check, IMAGE_TRUNCATED, size);
    if (manifest->version != IMAGE_VERSION || manifest->bytes != size || size > IMAGE_MAX_MANIFEST_BYTES ||
        manifest->permissions & ~(uint32_t)IMAGE_PERMISSIONS_ALL || manifest->cpu_budget_us > manifest->cpu_period_us)
        return refuse(&check, IMAGE_BAD_MANIFEST, 0);
    const struct image_string *texts[] = {&manifest->name, &manifest->program_version, &manifest->entry};
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!is_text(bytes, size, *texts[i]))
            return refuse(&check, IMAGE_BAD_MANIFEST, (uint64_t)((const uint8_t *)texts[i] - check.bytes));
    const struct image_list *lists[] = {
        &manifest->arguments,     &manifest->environment,     &manifest->net_listen,
        &manifest->net_connect,   &manifest->channel_serve,   &manifest->channel_connect,
        &manifest->service_serve, &manifest->service_connect, &manifest->device};
    for (unsigned i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        if (!is_list(*lists[i], sizeof(struct image_string), size))
            return refuse(&check, IMAGE_BAD_MANIFEST, (uint64_t)((const uint8_t *)lists[i] - check.bytes));
        for (uint32_t entry = 0; entry < lists[i]->count; entry++)
            if (!is_text(bytes, size, image_list_string(manifest, *lists[i], entry)))
                return refuse(&check, IMAGE_BAD_MANIFEST, lists[i]->offset + (uint64_t)entry * 8);
    }
    if (!is_list(manifest->fs, sizeof(struct image_path), size))
        return refuse(&check, IMAGE_BAD_MANIFEST, offsetof(struct image_manifest, fs));
    for (uint32_t entry = 0; entry < manifest->fs.count; entry++) {
        struct image_path path = image_list_path(manifest, manifest->fs, entry);
        if (!is_text(bytes, size, path.path) || (path.quota != 0 && !(path.mode & IMAGE_PATH_WRITE)) ||
            (path.mode != IMAGE_PATH_READ && path.mode != (IMAGE_PATH_READ | IMAGE_PATH_WRITE)))
            return refuse(&check, IMAGE_BAD_MANIFEST, manifest->fs.offset + (uint64_t)entry * sizeof path);
    }
    return IMAGE_OK;
}

/* ---- the whole ---- */

static enum image_error check_elf(const struct check *check, uint32_t machine, const struct elf_program_header **notes)
{
    *check->image = (struct image){.bytes = check->bytes};
    if ((uintptr_t)check->bytes % 8 != 0)
        return refuse(check, IMAGE_NOT_ALIGNED, 0);
    enum image_error error = check_header(check, machine);
    return error == IMAGE_OK ? check_program_headers(check, notes) : error;
}

enum image_error image_check_elf(const void *bytes, size_t size, uint32_t machine, struct image *image,
                                 size_t *error_offset)
{
    const struct check check = {.bytes = bytes, .size = size, .image = image, .error_offset = error_offset};
    const struct elf_program_header *notes = NULL;
    return check_elf(&check, machine, &notes);
}

enum image_error image_check(const void *bytes, size_t size, uint32_t machine, struct image *image,
                             size_t *error_offset)
{
    const struct check check = {.bytes = bytes, .size = size, .image = image, .error_offset = error_offset};
    const struct elf_program_header *notes = NULL;
    enum image_error error = check_elf(&check, machine, &notes);
    if (error == IMAGE_OK)
        error = notes ? check_notes(&check, notes->offset, notes->file_bytes) : refuse(&check, IMAGE_BAD_NOTE, 0);
    if (error == IMAGE_OK && (!image->program || !image->functions))
        error = refuse(&check, IMAGE_BAD_NOTE, notes->offset);
    return error;
}

/* ---- using ---- */

const char *image_error_text(enum image_error error)
{
    switch (error) {
    case IMAGE_OK:
        return "no error";
    case IMAGE_TRUNCATED:
        return "something reaches past the end of the image";
    case IMAGE_NOT_ALIGNED:
        return "the image is not aligned to 8 bytes";
    case IMAGE_BAD_ELF:
        return "not a little-endian ELF64 executable";
    case IMAGE_BAD_MACHINE:
        return "made for another architecture";
    case IMAGE_BAD_SEGMENT:
        return "a segment is misplaced, overlaps another or is of a kind that programs may not have";
    case IMAGE_BAD_PERMISSIONS:
        return "a segment is both writable and executable, or not readable";
    case IMAGE_BAD_ENTRY:
        return "the entry point is not within the code";
    case IMAGE_BAD_NOTE:
        return "a Tessera note is missing, doubled, misplaced or of an unknown kind";
    case IMAGE_BAD_PROGRAM:
        return "the program note has a wrong magic number, version or memory";
    case IMAGE_BAD_FUNCTIONS:
        return "the table of function names is out of order or leads outside itself";
    case IMAGE_BAD_MANIFEST:
        return "the manifest has a wrong version, value, list or text";
    case IMAGE_BAD_LINES:
        return "the table of lines leads outside itself";
    }
    return "unknown error";
}

const char *image_function_find(const struct image *image, uint64_t address, uint64_t *offset, uint32_t *flags)
{
    uint64_t relative = address - IMAGE_WINDOW_BASE;
    uint32_t low = 0, high = image->function_count; /* the answer is before `high` and not before `low` - 1 */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (image->functions[middle].address <= relative)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || relative >= IMAGE_WINDOW_BYTES)
        return NULL;
    *offset = relative - image->functions[low - 1].address;
    *flags = image->functions[low - 1].name & IMAGE_FUNCTION_NATIVE;
    return image->function_names + (image->functions[low - 1].name & ~IMAGE_FUNCTION_NATIVE);
}

const char *trap_kind_text(enum trap_kind kind)
{
    switch (kind) {
    case TRAP_UNREACHABLE:
        return "unreachable";
    case TRAP_MEMORY_OUT_OF_BOUNDS:
        return "out of bounds memory access";
    case TRAP_TABLE_OUT_OF_BOUNDS:
        return "out of bounds table access";
    case TRAP_UNDEFINED_ELEMENT:
        return "undefined element";
    case TRAP_UNINITIALIZED_ELEMENT:
        return "uninitialized element";
    case TRAP_INDIRECT_CALL_TYPE_MISMATCH:
        return "indirect call type mismatch";
    case TRAP_INTEGER_DIVIDE_BY_ZERO:
        return "integer divide by zero";
    case TRAP_INTEGER_OVERFLOW:
        return "integer overflow";
    case TRAP_INVALID_CONVERSION:
        return "invalid conversion to integer";
    case TRAP_STACK_EXHAUSTED:
        return "call stack exhausted";
    case TRAP_NULL_REFERENCE:
        return "null reference";
    case TRAP_UNCAUGHT_EXCEPTION:
        return "uncaught exception";
    case TRAP_EXCEPTIONS_EXHAUSTED:
        return "too many exceptions alive";
    case TRAP_UNALIGNED_ATOMIC:
        return "unaligned atomic";
    case TRAP_EXPECTED_SHARED_MEMORY:
        return "expected shared memory";
    case TRAP_UNKNOWN_IMPORT:
        return "unknown import called";
    case TRAP_NONE:
    case TRAP_KIND_COUNT:
        break;
    }
    return "unknown trap";
}
