/* Random numbers that the system gives each process to begin with: there are some, about half of their bits are set,
 * and no two processes get the same.
 *
 *     test-chance         looks at its own, and at those of eight children
 *     test-chance child   exits with some of its own as status
 */
#include "proto/process.h"
#include "tessera/server.h"
#include "tessera/text.h"

enum { CHILDREN = 8, FEWEST_BITS = 64, MOST_BITS = 192 }; /* of 256: beyond lies one try in 10^15 */

static unsigned bits_of(const uint8_t *bytes, size_t count)
{
    unsigned bits = 0;
    for (size_t i = 0; i < 8 * count; i++)
        bits += bytes[i / 8] >> i % 8 & 1;
    return bits;
}

/* Its exit status, or 0. */
static uint32_t child_status(void)
{
    struct message m = {message_info(PROCESS_SPAWN, 0, PROCESS_NAME_WORDS + 2), {5}};
    const word head[2] = {PROCESS_STDIO_NULL * 21ul, 0}; /* of all three streams */
    message_put(&m, 1, "child", 5);
    message_put(&m, PROCESS_NAME_WORDS, head, sizeof(head));
    if (syscall_call(PROCESS_CAP_SERVER, &m) != ERROR_NONE || message_info_label(m.info) != 0)
        return 0;
    m = (struct message){message_info(PROCESS_JOIN, 0, 2), {m.words[0], 0}};
    if (syscall_call(PROCESS_CAP_SERVER, &m) != ERROR_NONE || message_info_label(m.info) != 0)
        return 0;
    return m.words[1] == PROCESS_ENDED_EXIT ? (uint32_t)m.words[2] : 0;
}

int program_main(const struct start_page *start)
{
    uint32_t statuses[CHILDREN];
    unsigned bits = bits_of(start->seed, sizeof(start->seed));
    if (!(start->flags & START_MAY_RANDOM) || !(start->flags & START_SEED_VALID))
        return 1;
    if (!(start->flags & START_MAY_SPAWN))
        return (int)(start->seed[0] | (uint32_t)start->seed[1] << 8 | (uint32_t)start->seed[2] << 16 | 1u << 24);
    for (unsigned i = 0; i < CHILDREN; i++) {
        statuses[i] = child_status();
        for (unsigned j = 0; j < i; j++)
            if (statuses[i] == 0 || statuses[j] == statuses[i])
                return 2;
    }
    return bits > FEWEST_BITS && bits < MOST_BITS ? 0 : 3;
}
