/* Processes by the thousand, all there at a time, and a process with many capabilities.
 *
 *     test-many N     starts N children that wait for ever, ends them, and does it again
 *     sleeper         waits for ever
 */
#include "proto/process.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"

enum { E_SUCCESS = 0, PIPES = 100, SIGNAL_KILL = 9 };
#define NAME "sleeper"

static word call(enum process_operation operation, struct message *m, unsigned length)
{
    m->info = message_info(operation, 0, length);
    (void)syscall_call(PROCESS_CAP_SERVER, m);
    return message_info_label(m->info);
}

/* *pipe: our end of its first piped stream. */
static word spawn(word modes, struct process_stream *pipe)
{
    struct message m = {0, {sizeof(NAME) - 1}};
    message_put(&m, 1, NAME, sizeof(NAME) - 1);
    for (unsigned i = 2; i < PROCESS_NAME_WORDS; i++)
        message_put(&m, i, &(word){0}, sizeof(word));
    message_put(&m, PROCESS_NAME_WORDS, &modes, sizeof(modes));
    word error = call(PROCESS_SPAWN, &m, PROCESS_NAME_WORDS + 1);
    if (error)
        log_text("test-many: spawn: error %lu\n", error);
    message_get(&m, 1, pipe, sizeof(*pipe));
    return error ? 0 : m.words[0];
}

static bool end(word pid)
{
    struct message m = {0, {pid, SIGNAL_KILL}};
    bool is_ended = call(PROCESS_SIGNAL, &m, 2) == E_SUCCESS;
    m = (struct message){0, {pid, 0}};
    return is_ended && call(PROCESS_JOIN, &m, 2) == E_SUCCESS && m.words[1] == PROCESS_ENDED_KILLED;
}

/* How many of so many children came and went. */
static unsigned come_and_go(unsigned count, word modes)
{
    static uint16_t pids[4096];
    static struct process_stream pipes[PIPES];
    bool is_piped = (modes & 3) == PROCESS_STDIO_PIPED;
    unsigned made = 0, ended = 0;
    while (made < count && (pids[made] = (uint16_t)spawn(modes, &pipes[is_piped ? made : 0])) != 0)
        made++;
    for (unsigned i = 0; i < made; i++) {
        ended += end(pids[i]);
        struct message m = {0, {pipes[i % PIPES].session, pipes[i % PIPES].stream}};
        if (is_piped && call(PROCESS_STREAM_CLOSE, &m, 2) != E_SUCCESS)
            return 0;
    }
    return made == ended ? made : 0;
}

static unsigned number(const char *text)
{
    unsigned value = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (unsigned)(*text - '0');
    return value;
}

int program_main(const struct start_page *start)
{
    const word quiet = PROCESS_STDIO_NULL * 21ul, piped = PROCESS_STDIO_NULL * 20ul | PROCESS_STDIO_PIPED;
    const char *arguments = (const char *)start + start->arguments.offset;
    if (text_equal(arguments, NAME))
        for (;;)
            (void)notification_wait(PROCESS_CAP_NOTIFICATION);
    unsigned count = number(arguments + text_length(arguments) + 1);
    for (unsigned round = 0; round < 2; round++) {
        unsigned many = come_and_go(count, quiet), pipes = come_and_go(PIPES, piped);
        log_text("test-many: %u children at a time, %u pipes at a time\n", many, pipes);
        if (many != count || pipes != PIPES)
            return 1;
    }
    return 0;
}
