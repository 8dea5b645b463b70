/* Trap reports: from code addresses and an image's notes to functions, files and lines. Freestanding: for the tracer,
 * and the Linux platform. What the notes say comes from the image's maker: nothing is believed, and only printable
 * characters are shown. image.h has the contract and the notes' form. */
#include "image/image.h"

#define FRAMES_SHOWN 8 /* a function that calls itself counts once */
#define NAME_BYTES   64

/* ---- places ---- */

/* A number of 7 bits a byte, low ones first; 0 at the end of the rows. */
static uint32_t number_read(const uint8_t **next, const uint8_t *end)
{
    uint32_t value = 0;
    for (unsigned shift = 0; *next < end; shift += 7) {
        uint8_t byte = *(*next)++;
        if (shift < 32)
            value |= (uint32_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return value;
}

/* The last block that begins at or before the address, or NULL. */
static const struct image_line_block *block_find(const struct image_lines *lines, uint32_t address)
{
    const struct image_line_block *blocks = (const void *)(lines + 1);
    uint32_t low = 0, high = lines->block_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (blocks[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &blocks[low - 1] : NULL;
}

static const struct image_line_scope *line_scopes(const struct image_lines *lines)
{
    return (const void *)((const struct image_line_block *)(const void *)(lines + 1) + lines->block_count);
}

static const uint8_t *line_rows(const struct image_lines *lines)
{
    return (const uint8_t *)(line_scopes(lines) + lines->scope_count);
}

/* A text of the note, or NULL for 0 and for what is none. */
static const char *line_text(const struct image_lines *lines, uint32_t text)
{
    return text > 0 && text < lines->text_bytes ? (const char *)line_rows(lines) + lines->row_bytes + text : NULL;
}

struct place {
    uint32_t scope, file, line; /* scope: its number and 1 */
};

/* The rows of a block, as image.h has them, up to the address. */
static struct place place_find(const struct image_lines *lines, uint32_t address)
{
    struct place place = {0};
    const struct image_line_block *block = block_find(lines, address);
    if (!block || block->row > lines->row_bytes)
        return place;
    const uint8_t *next = line_rows(lines) + block->row, *end = line_rows(lines) + lines->row_bytes;
    uint64_t at = block->address;
    for (uint32_t row = 0; row < IMAGE_LINE_BLOCK_ROWS && next < end; row++) {
        at += number_read(&next, end);
        if (at > address)
            break;
        uint32_t change = number_read(&next, end), step = change >> 3;
        place.line = change & IMAGE_ROW_BACK ? place.line - step : place.line + step;
        if (change & IMAGE_ROW_SCOPE)
            place.scope = number_read(&next, end);
        if (change & IMAGE_ROW_FILE)
            place.file = number_read(&next, end);
    }
    return place;
}

void image_frames_open(const struct image *image, uint64_t address, struct image_frames *frames)
{
    struct place place = {0};
    uint64_t offset;
    uint32_t flags = 0;
    *frames = (struct image_frames){.lines = image->lines};
    frames->function = image_function_find(image, address, &offset, &flags);
    frames->is_native = flags & IMAGE_FUNCTION_NATIVE;
    if (frames->function && image->lines)
        place = place_find(image->lines, (uint32_t)(address - IMAGE_WINDOW_BASE));
    frames->scope = place.scope;
    frames->file = place.file;
    frames->line = place.line;
}

bool image_frames_next(struct image_frames *frames, struct image_frame *frame)
{
    if (!frames->function)
        return false;
    *frame = (struct image_frame){.function = frames->function, .line = frames->line, .is_native = frames->is_native};
    if (frames->lines)
        frame->file = line_text(frames->lines, frames->file);
    uint32_t number = frames->scope;
    if (number == 0 || number > frames->lines->scope_count) {
        frames->function = NULL;
        return true;
    }
    const struct image_line_scope *scope = &line_scopes(frames->lines)[number - 1];
    const char *name = line_text(frames->lines, scope->name);
    if (name)
        frame->function = name;
    frames->file = scope->call_file;
    frames->line = scope->call_line;
    frames->scope = scope->parent;
    if (scope->parent == 0 || scope->parent >= number) /* parents come first */
        frames->function = NULL;
    return true;
}

/* ---- the report ---- */

struct report {
    char *text;
    size_t size, length;
};

static void add(struct report *report, const char *text)
{
    for (; *text && report->length + 1 < report->size; text++)
        report->text[report->length++] = *text;
}

static void add_name(struct report *report, const char *name)
{
    for (size_t i = 0; name[i] && i + 1 < NAME_BYTES && report->length + 1 < report->size; i++)
        report->text[report->length++] = name[i] >= ' ' && name[i] < 127 ? name[i] : '?';
}

static void add_number(struct report *report, uint64_t number)
{
    char digits[24];
    size_t at = sizeof digits - 1;
    digits[at] = 0;
    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    add(report, digits + at);
}

static bool is_same(const struct image_frame *a, const struct image_frame *b)
{
    return a->function == b->function && a->file == b->file && a->line == b->line;
}

static void add_frame(struct report *report, const struct image_frame *frame, bool is_first)
{
    add(report, is_first ? ", in " : " called from ");
    add_name(report, frame->function);
    if (!frame->file)
        return;
    add(report, " (");
    add_name(report, frame->file);
    if (frame->line) {
        add(report, ":");
        add_number(report, frame->line);
    }
    add(report, ")");
}

/* What has been seen of the stack but not said: repetitions, and native functions, which end every stack. */
struct pending {
    struct image_frame last, natives[FRAMES_SHOWN];
    uint32_t native_count;
    uint64_t shown, repeated;
    bool is_cut; /* there is more than fits */
};

static void say_repetitions(struct report *report, struct pending *pending)
{
    if (pending->repeated > 0) {
        add(report, " (");
        add_number(report, pending->repeated + 1);
        add(report, " times or more)");
    }
    pending->repeated = 0;
}

static void see_frame(struct report *report, struct pending *pending, const struct image_frame *frame)
{
    if (pending->is_cut)
        return;
    if (pending->shown > 0 && is_same(frame, &pending->last)) {
        pending->repeated++;
        return;
    }
    if (pending->shown + pending->native_count == FRAMES_SHOWN) {
        pending->is_cut = !frame->is_native;
        return;
    }
    if (frame->is_native && pending->shown > 0) {
        pending->natives[pending->native_count++] = *frame;
        return;
    }
    say_repetitions(report, pending);
    for (uint32_t i = 0; i < pending->native_count; i++, pending->shown++)
        add_frame(report, &pending->natives[i], false);
    pending->native_count = 0;
    add_frame(report, frame, pending->shown++ == 0);
    pending->last = *frame;
}

static bool begins_with(const char *text, const char *prefix)
{
    while (*prefix && *text == *prefix)
        text++, prefix++;
    return !*prefix;
}

/* Whether the first address is in a helper: the report begins where it was called. */
static bool begins_at_caller(const struct image *image, const uint64_t *addresses, uint64_t count)
{
    uint64_t offset;
    uint32_t flags = 0;
    const char *function = count > 1 ? image_function_find(image, addresses[0], &offset, &flags) : NULL;
    return function && flags & IMAGE_FUNCTION_NATIVE && begins_with(function, IMAGE_HELPER_PREFIX);
}

size_t trap_report(const struct image *image, enum trap_kind kind, const uint64_t *addresses, uint64_t count,
                   char *text, size_t size)
{
    struct report report = {.text = text, .size = size};
    struct pending pending = {0};
    add(&report, "wasm trap: ");
    add(&report, trap_kind_text(kind));
    for (uint64_t i = image && begins_at_caller(image, addresses, count); image && i < count; i++) {
        struct image_frames frames;
        struct image_frame frame;
        /* A return address is one past the call: it may lie in the next function. */
        image_frames_open(image, addresses[i] - (i > 0), &frames);
        while (image_frames_next(&frames, &frame))
            see_frame(&report, &pending, &frame);
    }
    say_repetitions(&report, &pending);
    if (pending.is_cut)
        add(&report, " called from ...");
    text[report.length] = 0;
    return report.length;
}
