/* A segment's options before lwIP reads them. The longest segment that a peer takes is said with its SYN and never
 * again (RFC 9293, 3.7.1); lwIP believes it at any time, in the middle of what is cut into segments already.
 */
#include "hooks.h"
#include "lwip/prot/tcp.h"
#include "lwip/tcp.h"

enum { KIND_END = 0, KIND_NOTHING = 1, KIND_MSS = 2, MSS_BYTES = 4 };
#define MSS_LEAST 64u /* who says less has a byte sent in a packet each */

/* A segment's header is in one piece or in two. */
struct options {
    uint8_t *first, *second;
    unsigned first_bytes, bytes;
};

static uint8_t *option_byte(const struct options *options, unsigned at)
{
    return at < options->first_bytes ? options->first + at : options->second + (at - options->first_bytes);
}

static void mss_limit(const struct options *options, unsigned at)
{
    uint8_t *high = option_byte(options, at + 2), *low = option_byte(options, at + 3);
    if (*high == 0 && *low < MSS_LEAST)
        *low = MSS_LEAST;
}

void segment_options(const struct tcp_pcb *pcb, struct tcp_hdr *header, unsigned bytes, unsigned first_bytes,
                     uint8_t *second)
{
    struct options options = {(uint8_t *)(header + 1), second, first_bytes, bytes};
    bool may_say = pcb->state == LISTEN || pcb->state == SYN_SENT;
    for (unsigned at = 0, length; at + 1 < bytes && *option_byte(&options, at) != KIND_END; at += length) {
        uint8_t kind = *option_byte(&options, at);
        length = kind == KIND_NOTHING ? 1 : *option_byte(&options, at + 1);
        if (length == 0 || length > bytes - at)
            break;
        if (kind == KIND_MSS && may_say && length == MSS_BYTES)
            mss_limit(&options, at);
        for (unsigned i = 0; kind == KIND_MSS && !may_say && i < length; i++)
            *option_byte(&options, at + i) = KIND_NOTHING;
    }
}
