/* Calls of the process server for native test programs: each returns its errno (of WASI's numbering). */
#ifndef TESTS_SERVERS_CALLS_H
#define TESTS_SERVERS_CALLS_H

#include "proto/process.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"

enum {
    E_AGAIN = 6,
    E_CONNREFUSED = 14,
    E_INVAL = 28,
    E_MFILE = 33,
    E_NOMEM = 48,
    E_NOTCAPABLE = 76,
};

static inline word call(enum process_operation operation, struct message *m, unsigned length)
{
    m->info = message_info(operation, 0, length);
    (void)syscall_call(PROCESS_CAP_SERVER, m);
    return message_info_label(m->info);
}

static inline word named(enum process_operation operation, const char *name, struct message *m)
{
    *m = (struct message){0, {text_length(name)}};
    message_put(m, 1, name, text_length(name));
    return call(operation, m, PROCESS_NAME_WORDS);
}

/* A child without streams; *pid: its number. */
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

static inline word join_status(word pid, word *status)
{
    struct message m = {0, {pid, 0}};
    word error = call(PROCESS_JOIN, &m, 2);
    *status = m.words[2];
    return error;
}

static inline word join(word pid)
{
    word status;
    return join_status(pid, &status);
}

#define NAME_BYTES 32

/* Two programs take turns: one listens to what the other connects to. */
static inline word turn(enum process_operation operation, const char *what, const char *kind)
{
    struct message m;
    char name[NAME_BYTES];
    text_format(name, sizeof(name), "%s-%s", what, kind);
    word error = named(operation, name, &m);
    return error == E_NOMEM ? 0 : error; /* it was its turn; that one of the two can pay for no stream is the flood's */
}

_Noreturn static inline void wait_for_ever(void)
{
    for (;;)
        (void)notification_wait(PROCESS_CAP_NOTIFICATION);
}

static inline const char *first_argument(const struct start_page *start)
{
    const char *text = (const char *)start + start->arguments.offset;
    return text + (start->arguments.count > 1 ? text_length(text) + 1 : 0);
}

#endif
