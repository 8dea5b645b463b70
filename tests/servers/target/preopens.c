/* What a child gets of directories and environment, by its start page.
 *
 *     test-preopens           a parent that holds /a to write and /b to read
 *     child                   requests both to read: exits with a bit for each that it has
 */
#include "proto/process.h"
#include "tessera/server.h"
#include "tessera/text.h"

enum { E_2BIG = 1, E_FAULT = 21, E_NOTCAPABLE = 76, HAS_A = 1, HAS_B = 2 };

static word call(enum process_operation operation, struct message *m, unsigned length)
{
    m->info = message_info(operation, 0, length);
    (void)syscall_call(PROCESS_CAP_SERVER, m);
    return message_info_label(m->info);
}

/* The exit status, or 1000 and the error. */
static word run(const char *name, const char *preopens, word bytes)
{
    struct message m = {0, {text_length(name)}};
    char names[8]; /* on the stack, which is memory of ours */
    const word how[7] = {PROCESS_STDIO_NULL * 21ul, 0, 0, 0, 0, bytes < sizeof(names) ? (word)names : 0, bytes};
    memcpy(names, preopens, bytes < sizeof(names) ? bytes : 0);
    message_put(&m, 1, name, text_length(name));
    message_put(&m, PROCESS_NAME_WORDS, how, sizeof(how));
    word error = call(PROCESS_SPAWN, &m, PROCESS_NAME_WORDS + 7);
    if (error)
        return 1000 + error;
    m = (struct message){0, {m.words[0], 0}};
    error = call(PROCESS_JOIN, &m, 2);
    return error ? 1000 + error : m.words[2];
}

static int child(const struct start_page *start)
{
    const char *at = (const char *)start + start->preopens.offset;
    int has = 0;
    for (uint32_t i = 0; i < start->preopens.count; i++, at += text_length(at) + 1)
        has |= text_equal(at, "/a") ? HAS_A : text_equal(at, "/b") ? HAS_B : 64;
    return has;
}

int program_main(const struct start_page *start)
{
    static const struct {
        const char *name, *preopens;
        word bytes, expected;
    } rows[] = {
        {"child", "", 0, HAS_A | HAS_B},
        {"child", "/a", 3, HAS_A},
        {"child", "/b", 3, HAS_B},
        {"child", "/a\0/b", 6, HAS_A | HAS_B},
        {"child", "/c", 3, 1000 + E_NOTCAPABLE},
        {"child", "/a/x", 5, 1000 + E_NOTCAPABLE},
        {"child", "/a", 2, HAS_A}, /* the last one needs no NUL */
        {"child", "/a\n/b", 5, HAS_A | HAS_B},
        {"child", "", 1000, 1000 + E_FAULT},
        {"child", "/a", 3000000000, 1000 + E_2BIG},
        {"writer", "", 0, 1000 + E_NOTCAPABLE}, /* requests /b to write */
        {"writer", "/a", 3, HAS_A},             /* and does without it */
        {"greedy", "", 0, 1000 + E_NOTCAPABLE},
    };
    if (text_equal((const char *)start + start->arguments.offset, "child") ||
        text_equal((const char *)start + start->arguments.offset, "writer"))
        return child(start);
    struct message m = {0, {4}}; /* no WASI function leads there */
    message_put(&m, 1, "disk", 4);
    unsigned failures = call(PROCESS_DEVICE_OPEN, &m, PROCESS_NAME_WORDS) != E_NOTCAPABLE;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        word got = run(rows[i].name, rows[i].preopens, rows[i].bytes);
        if (got != rows[i].expected)
            log_text("test-preopens: row %lu: %lu for %lu\n", i, got, rows[i].expected);
        failures += got != rows[i].expected;
    }
    return failures > 0;
}
