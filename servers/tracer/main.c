/* The tracer: turns code addresses into function names. It holds a read-only view of the archive and an endpoint; what
 * an image's maker wrote into its notes can harm nothing else.
 */
#include <abi/fault.h>

#include "aot/image/image.h"
#include "proto/root.h"
#include "tessera/server.h"
#include "tessera/task.h"
#include "tessera/text.h"

#define REPORT_BYTES 448
#define CALLERS      8 /* shown; a function that calls itself counts once */

static const uint8_t *archive;
static uint64_t archive_bytes;

/* The names come from a module: only printable ones are shown. */
static void name_copy(char *to, size_t size, const char *name)
{
    size_t i = 0;
    for (; name[i] && i + 1 < size; i++)
        to[i] = name[i] > ' ' && name[i] < 127 ? name[i] : '?';
    to[i] = 0;
}

/* The WASI library's entry, below which nothing is the module's. */
static bool is_entry(const char *function)
{
    return text_equal(function, "wasi_main");
}

/* The bounds were checked by the process server before it ran the image; a bad one still only harms this report. */
static size_t report(const struct message *m, char *text, size_t size)
{
    struct image image;
    size_t where;
    uint64_t offset = m->words[0], bytes = m->words[1];
    uint64_t count = m->words[5] < TRACER_FRAMES ? m->words[5] : TRACER_FRAMES;
    uint64_t addresses[TRACER_FRAMES];
    message_get(m, 6, addresses, count * sizeof(addresses[0]));
    enum trap_kind kind = m->words[4] < TRAP_KIND_COUNT ? (enum trap_kind)m->words[4] : TRAP_NONE;
    size_t length = text_format(text, size, "wasm trap: %s", trap_kind_text(kind));
    if (offset > archive_bytes || bytes > archive_bytes - offset ||
        image_check(archive + offset, bytes, IMAGE_MACHINE, &image, &where) != IMAGE_OK)
        return length;
    const char *last = NULL;
    uint64_t shown = 0, repeated = 0;
    for (uint64_t i = 0; i <= count && shown < CALLERS; i++) {
        char name[64];
        uint64_t distance;
        /* A return address is one past the call: it may lie in the next function. */
        const char *function = i < count ? image_function_name(&image, addresses[i] - (i > 0), &distance) : NULL;
        if (i < count && !function)
            continue;
        if (function && function == last) {
            repeated++;
            continue;
        }
        if (repeated > 0)
            length += text_format(text + length, size - length, " (%lu times or more)", repeated + 1);
        repeated = 0;
        last = function;
        if (!function || is_entry(function))
            break;
        name_copy(name, sizeof(name), function);
        length += text_format(text + length, size - length, "%s%s", shown == 0 ? ", in " : " called from ", name);
        shown++;
    }
    return length;
}

int program_main(const struct start_page *start)
{
    char text[REPORT_BYTES];
    struct message m;
    word badge;
    archive = (const uint8_t *)start->words[TRACER_WORD_ARCHIVE];
    archive_bytes = start->words[TRACER_WORD_ARCHIVE_BYTES];
    (void)syscall_recv(TRACER_CAP_ENDPOINT, TRACER_CAP_REPLY, &m, &badge);
    for (;;) {
        size_t length = message_info_label(m.info) == TRACER_REPORT ? report(&m, text, sizeof(text)) : 0;
        m = (struct message){message_info(0, 0, 1 + message_words(length)), {length}};
        message_put(&m, 1, text, length);
        (void)syscall_reply_recv(TRACER_CAP_ENDPOINT, TRACER_CAP_REPLY, &m, &badge);
    }
}
