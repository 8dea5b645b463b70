/* The tracer: turns code addresses into functions, files and lines. It holds a read-only view of the archive and an
 * endpoint; what an image's maker wrote into its notes can harm nothing else. */
#include <abi/fault.h>

#include "aot/image/image.h"
#include "proto/root.h"
#include "tessera/server.h"
#include "tessera/task.h"

static const uint8_t *archive;
static uint64_t archive_bytes;

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
    bool is_image = offset <= archive_bytes && bytes <= archive_bytes - offset &&
                    image_check(archive + offset, bytes, IMAGE_MACHINE, &image, &where) == IMAGE_OK;
    return trap_report(is_image ? &image : NULL, kind, addresses, count, text, size);
}

int program_main(const struct start_page *start)
{
    char text[ROOT_ENDING_BYTES];
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
