/* Measures spawning: asks the process server for a child, waits for its end, over and over. Native, so that it can
 * check the instruction counter; the children are WebAssembly.
 *
 * Without arguments it only checks the counter, for systems whose figures come from modules.
 */
#include "loop.h"
#include "proto/process.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define BATCHES 20
#define TRIES   50

static const struct start_page *start;

static bool run_child(const char *name)
{
    word length = text_length(name), head[2] = {PROCESS_STDIO_NULL * 0x15, 0};
    struct message m = {0, {length}};
    message_put(&m, 1, name, length);
    for (unsigned i = 1 + message_words(length); i < PROCESS_NAME_WORDS; i++)
        message_put(&m, i, &(word){0}, sizeof(word));
    message_put(&m, PROCESS_NAME_WORDS, head, sizeof(head));
    m.info = message_info(PROCESS_SPAWN, 0, PROCESS_NAME_WORDS + 2);
    if (syscall_call(PROCESS_CAP_SERVER, &m) != ERROR_NONE || message_info_label(m.info) != 0)
        return false;
    m = (struct message){message_info(PROCESS_JOIN, 0, 2), {m.words[0], 0}};
    return syscall_call(PROCESS_CAP_SERVER, &m) == ERROR_NONE && message_info_label(m.info) == 0 &&
           m.words[1] == PROCESS_ENDED_EXIT && m.words[2] == 0;
}

static bool measure(const char *row, const char *child, unsigned per_batch)
{
    uint64_t best = UINT64_MAX;
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        uint64_t before = clock_ticks();
        for (unsigned i = 0; i < per_batch; i++)
            if (!run_child(child))
                return false;
        uint64_t ticks = clock_ticks() - before;
        best = ticks < best ? ticks : best;
    }
    uint64_t ns = (uint64_t)((unsigned __int128)best * 1000000000ul / start->timer_hz);
    log_text("bench %s %lu\n", row, ns / per_batch);
    return true;
}

int program_main(const struct start_page *page)
{
    start = page;
    uint64_t hundredths = loop_hundredths(page->timer_hz);
    for (unsigned i = 0; hundredths != 200 && i < TRIES; i++) /* other programs are being started meanwhile */
        hundredths = loop_hundredths(page->timer_hz);
    if (hundredths != 200) {
        log_text("the loop of two instructions reads %lu.%02lu: not under the instruction counter\n", hundredths / 100,
                 hundredths % 100);
        return 1;
    }
    if (page->arguments.count < 2)
        return 0;
    if (!measure("spawn_exit", "small", 50) || !measure("spawn_exit_1mb", "large", 20)) {
        log_text("a child was not started, or did not exit with 0\n");
        return 1;
    }
    log_text("bench end\n");
    return 0;
}
