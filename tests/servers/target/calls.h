/* Calls of native test programs on the process server. */
#ifndef TESTS_SERVERS_CALLS_H
#define TESTS_SERVERS_CALLS_H

#include "proto/process.h"
#include "tessera/server.h"
#include "tessera/text.h"

/* The answer's errno. */
static inline word call(enum process_operation operation, struct message *m, unsigned length)
{
    m->info = message_info(operation, 0, length);
    (void)syscall_call(PROCESS_CAP_SERVER, m);
    return message_info_label(m->info);
}

/* A child without standard streams. */
static inline word spawn(const char *name, word *pid)
{
    struct message m = {0, {text_length(name)}};
    const word head[2] = {PROCESS_STDIO_NULL * 21ul, 0};
    message_put(&m, 1, name, text_length(name));
    message_put(&m, PROCESS_NAME_WORDS, head, sizeof(head));
    word error = call(PROCESS_SPAWN, &m, PROCESS_NAME_WORDS + 2);
    *pid = m.words[0];
    return error;
}

static inline const char *first_argument(const struct start_page *start)
{
    const char *text = (const char *)start + start->arguments.offset;
    return text + (start->arguments.count > 1 ? text_length(text) + 1 : 0);
}

#endif
