/* Uses what it was granted and tries what it was not. Every use must succeed and every attempt must be refused
 * with a plain error: ENOTCAPABLE where a name or a permission is not granted, EBADF for descriptors that it
 * does not hold. Prints what happened; exit status 0 when all was as it should be.
 *
 * The manifest requests more than the description grants ("private" of both kinds, "spawn"), the program also
 * tries what neither names; all are refused alike, so nothing is learned about what exists.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tessera.h>

#include "demos/lib/check.h"

#define NAME(text) text, (uint32_t)(sizeof(text) - 1)

static uint32_t out, handle;

/* Reads to the end of the stream; returns the length, 0 on any error. */
static size_t read_all(int fd, char *buf, size_t cap)
{
    size_t len = 0;
    for (;;) {
        ssize_t got = len < cap ? read(fd, buf + len, cap - len) : 0;
        if (got <= 0)
            return got == 0 ? len : 0;
        len += (size_t)got;
    }
}

static void use_what_was_granted(struct check *check)
{
    char text[64] = {0};
    struct timespec now = {0};
    check_group(check, "granted");
    check_u64(check, "connect to channel 'greeting'", 0, (uint64_t)tessera_channel_connect(NAME("greeting"), &out));
    check_u64(check, "its greeting, to the end of the stream", 6, read_all((int)out, text, sizeof(text)));
    check_true(check, "the greeting is 'salve'", strcmp(text, "salve\n") == 0);
    check_true(check, "close it", close((int)out) == 0);
    check_u64(check, "open service 'greeter'", 0, (uint64_t)tessera_service_open(NAME("greeter"), &handle));
    check_u64(check, "call it", 0, (uint64_t)tessera_service_call(handle, 1, "ave", 3, text, sizeof(text), &out));
    check_true(check, "it answers with what was sent", out == 3 && memcmp(text, "ave", 3) == 0);
    check_true(check, "read the clock", clock_gettime(CLOCK_REALTIME, &now) == 0 && now.tv_sec > 0);
}

static void try_channels(struct check *check)
{
    const uint64_t refused = TESSERA_ENOTCAPABLE;
    check_group(check, "channel");
    check_u64(check, "connect to 'private', requested", refused,
              (uint64_t)tessera_channel_connect(NAME("private"), &out));
    check_u64(check, "connect to 'other', not requested", refused,
              (uint64_t)tessera_channel_connect(NAME("other"), &out));
    check_u64(check, "serve 'greeting', granted to connect", refused,
              (uint64_t)tessera_channel_listen(NAME("greeting"), &out));
    check_u64(check, "connect to 'greetin', a prefix", refused,
              (uint64_t)tessera_channel_connect(NAME("greetin"), &out));
    check_u64(check, "connect to 'greeting\\0'", refused, (uint64_t)tessera_channel_connect(NAME("greeting\0"), &out));
    check_u64(check, "empty name: EINVAL", TESSERA_EINVAL, (uint64_t)tessera_channel_connect("", 0, &out));
}

static void try_services(struct check *check)
{
    const uint64_t refused = TESSERA_ENOTCAPABLE;
    char buf[8];
    check_group(check, "service");
    check_u64(check, "open 'private', requested", refused, (uint64_t)tessera_service_open(NAME("private"), &out));
    check_u64(check, "open 'other', not requested", refused, (uint64_t)tessera_service_open(NAME("other"), &out));
    check_u64(check, "serve 'greeter', granted to call", refused,
              (uint64_t)tessera_service_listen(NAME("greeter"), &out));
    check_u64(check, "reply on a handle for calling: EBADF", TESSERA_EBADF,
              (uint64_t)tessera_service_reply(handle, 0, buf, 0));
    unsigned answered = 0;
    for (uint32_t guess = 0; guess < 1000; guess++)
        answered += guess != handle && tessera_service_call(guess, 1, NULL, 0, buf, sizeof(buf), &out) != TESSERA_EBADF;
    check_u64(check, "999 guessed handles, answered", 0, answered);
}

static void try_the_rest(struct check *check)
{
    struct tessera_process_handles child;
    char buf[16];
    unsigned readable = 0;
    check_group(check, "other");
    check_u64(check, "spawn a program, requested", TESSERA_ENOTCAPABLE,
              (uint64_t)tessera_proc_spawn(NAME("greeter"), 0, NAME("greeter"), "", 0, TESSERA_STDIO_NULL,
                                           TESSERA_STDIO_NULL, TESSERA_STDIO_NULL, ".", 1, &child));
    check_true(check, "no random bytes", getentropy(buf, sizeof(buf)) == -1);
    errno = 0;
    check_true(check, "open a file by an absolute path", open("/tessera/secret", O_RDONLY) == -1 && errno != 0);
    errno = 0;
    check_true(check, "open a file by climbing", open("../../secret", O_RDONLY) == -1 && errno != 0);
    for (int fd = 3; fd < 800; fd++)
        readable += read(fd, buf, sizeof(buf)) != -1 || errno != EBADF;
    check_u64(check, "797 guessed descriptors, not EBADF", 0, readable);
}

int main(void)
{
    struct check check = {0};
    printf("explorer: what was granted, and what was not\n");
    use_what_was_granted(&check);
    try_channels(&check);
    try_services(&check);
    try_the_rest(&check);
    check_group(&check, "granted");
    check_u64(&check, "the service still answers", 0,
              (uint64_t)tessera_service_call(handle, 2, NULL, 0, NULL, 0, &out));
    return check_finish(&check, "explorer");
}
