/* Streams between two programs: every behaviour that tessera.h promises, at both ends.
 *
 * "server": answers each connection as its first byte says. "client": drives it and checks. The kinds: 'e' echo to the
 * end, 'c' close at once, 'x' exit without closing (the last), 's' send 100000 bytes and close, 'k' never read,
 * 'q' stop listening until told.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <tessera.h>

#include "demos/lib/check.h"

#define NAME(text) text, (uint32_t)(sizeof(text) - 1)
#define LARGE      1000000u
#define MANY       20
#define CYCLES     500

/* ---- server -------------------------------------------------------------------------------------------------- */

static void echo(int fd)
{
    char buffer[3000];
    ssize_t got;
    while ((got = read(fd, buffer, sizeof(buffer))) > 0)
        for (ssize_t sent = 0; sent < got;) {
            ssize_t part = write(fd, buffer + sent, (size_t)(got - sent));
            if (part <= 0)
                return;
            sent += part;
        }
}

static void send_much(int fd)
{
    static char block[1000];
    for (int i = 0; i < 100; i++) {
        memset(block, i, sizeof(block));
        if (write(fd, block, sizeof(block)) != sizeof(block))
            return;
    }
}

/* Stops listening while a connection waits, says so, and begins again when told. */
static void quit_listening(int fd, uint32_t *listener)
{
    char byte;
    close((int)*listener);
    if (write(fd, "1", 1) != 1 || read(fd, &byte, 1) != 1 || tessera_channel_listen(NAME("echo"), listener) != 0 ||
        write(fd, "2", 1) != 1)
        exit(3);
}

static int serve(void)
{
    uint32_t listener;
    if (tessera_channel_listen(NAME("echo"), &listener) != 0)
        return 1;
    static int waiting[MANY];
    int waiting_count = 0;
    for (;;) {
        char kind = 0;
        int fd = accept((int)listener, NULL, NULL);
        if (fd < 0 || read(fd, &kind, 1) != 1)
            kind = 'c';
        if (kind == 'e')
            echo(fd);
        else if (kind == 's')
            send_much(fd);
        else if (kind == 'q')
            quit_listening(fd, &listener);
        else if (kind == 'x')
            return 0; /* with connections open */
        if (kind == 'k' && waiting_count < MANY)
            waiting[waiting_count++] = fd;
        else
            close(fd);
    }
}

/* ---- client -------------------------------------------------------------------------------------------------- */

static int dial(char kind)
{
    uint32_t fd;
    if (tessera_channel_connect(NAME("echo"), &fd) != 0)
        return -1;
    if (kind && write((int)fd, &kind, 1) != 1)
        return -1;
    return (int)fd;
}

static uint8_t pattern(uint32_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) + (at >> 16));
}

/* A megabyte there and back while both rings fill: written as far as it goes, read when there is something. */
static void large(struct check *check)
{
    static uint8_t buffer[5000];
    uint32_t sent = 0, received = 0, wrong = 0;
    int fd = dial('e');
    check_true(check, "set non-blocking", fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    errno = 0;
    check_true(check, "reading nothing answers EAGAIN", read(fd, buffer, 1) == -1 && errno == EAGAIN);
    while (received < LARGE) {
        struct pollfd poll_fd = {fd, (short)(POLLRDNORM | (sent < LARGE ? POLLWRNORM : 0)), 0};
        if (poll(&poll_fd, 1, 5000) != 1)
            break;
        if (poll_fd.revents & POLLWRNORM) {
            uint32_t size = 1 + sent % sizeof(buffer);
            size = size < LARGE - sent ? size : LARGE - sent;
            for (uint32_t i = 0; i < size; i++)
                buffer[i] = pattern(sent + i);
            ssize_t part = write(fd, buffer, size);
            sent += part > 0 ? (uint32_t)part : 0;
        }
        if (poll_fd.revents & POLLRDNORM) {
            ssize_t part = read(fd, buffer, 1 + received % sizeof(buffer));
            for (ssize_t i = 0; i < part; i++)
                wrong += buffer[i] != pattern(received + (uint32_t)i);
            received += part > 0 ? (uint32_t)part : 0;
        }
    }
    check_u64(check, "a megabyte sent", LARGE, sent);
    check_u64(check, "a megabyte received", LARGE, received);
    check_u64(check, "bytes wrong", 0, wrong);
    check_true(check, "shut down the writing half", shutdown(fd, SHUT_WR) == 0);
    check_true(check, "then block", fcntl(fd, F_SETFL, 0) == 0);
    check_true(check, "the end of the echo follows", read(fd, buffer, 1) == 0);
    check_true(check, "writing after the shutdown fails", write(fd, buffer, 1) == -1 && errno == EPIPE);
    check_true(check, "close", close(fd) == 0);
    check_true(check, "a closed descriptor is bad", read(fd, buffer, 1) == -1 && errno == EBADF);
}

static void ends(struct check *check)
{
    static char buffer[4096];
    size_t received = 0;
    int fd = dial('s');
    struct timespec pause = {0, 2000000};
    nanosleep(&pause, NULL);
    for (ssize_t part; (part = read(fd, buffer, sizeof(buffer))) > 0;)
        received += (size_t)part;
    check_u64(check, "everything written before a close arrives", 100000, received);
    close(fd);
    fd = dial('c');
    check_true(check, "a peer that closes: end of file", read(fd, buffer, 1) == 0);
    errno = 0;
    check_true(check, "and EPIPE for writing", write(fd, buffer, 1) == -1 && errno == EPIPE);
    close(fd);
}

static void waiting(struct check *check)
{
    int fd = dial('k');
    char byte;
    struct timespec before, after;
    struct pollfd poll_fd = {fd, POLLRDNORM, 0};
    clock_gettime(CLOCK_MONOTONIC, &before);
    check_true(check, "poll times out", poll(&poll_fd, 1, 5) == 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    int64_t waited = (after.tv_sec - before.tv_sec) * 1000000000ll + after.tv_nsec - before.tv_nsec;
    check_true(check, "no earlier than asked", waited >= 5000000);
    check_true(check, "and not much later", waited < 500000000);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    static char block[1000];
    size_t sent = 0;
    for (ssize_t part; sent < 1000000 && (part = write(fd, block, sizeof(block))) > 0;)
        sent += (size_t)part;
    check_true(check, "a peer that does not read: EAGAIN after a ring", sent >= 16383 && sent < 40000);
    check_true(check, "nothing to read from it", read(fd, &byte, 1) == -1 && errno == EAGAIN);
    close(fd);
}

static void many(struct check *check)
{
    int fds[MANY];
    unsigned good = 0;
    for (int i = 0; i < MANY; i++)
        fds[i] = dial('k');
    for (int i = 0; i < MANY; i++)
        good += fds[i] >= 0 && close(fds[i]) == 0;
    check_u64(check, "connections at once", MANY, good);
    good = 0;
    for (int i = 0; i < CYCLES; i++) {
        char byte = 0;
        int fd = dial('e');
        good += fd >= 0 && write(fd, "a", 1) == 1 && read(fd, &byte, 1) == 1 && byte == 'a' && close(fd) == 0;
    }
    check_u64(check, "connections one after another", CYCLES, good);
}

static void listener(struct check *check)
{
    char byte = 0;
    uint32_t refused;
    int fd = dial(0), pending = dial(0);
    check_true(check, "the server stops listening", write(fd, "q", 1) == 1 && read(fd, &byte, 1) == 1 && byte == '1');
    check_true(check, "who was not accepted: end of file", read(pending, &byte, 1) == 0);
    check_u64(check, "who comes now is refused", TESSERA_ECONNREFUSED,
              (uint64_t)tessera_channel_connect(NAME("echo"), &refused));
    check_true(check, "it begins again", write(fd, "g", 1) == 1 && read(fd, &byte, 1) == 1 && byte == '2');
    close(pending);
    close(fd);
    fd = dial('e');
    check_true(check, "and serves", write(fd, "z", 1) == 1 && read(fd, &byte, 1) == 1 && byte == 'z');
    close(fd);
}

/* The refusal is logged with the name that was asked for: it must stay within its line. */
static void forgery(struct check *check)
{
    uint32_t fd;
    check_u64(check, "a name with a line break is refused", TESSERA_ENOTCAPABLE,
              (uint64_t)tessera_channel_connect(NAME("x'\nforged line"), &fd));
}

static void death(struct check *check)
{
    char byte;
    int fd = dial('k'), other = dial('k'), last = dial('x');
    check_true(check, "the server's death: end of file", read(fd, &byte, 1) == 0);
    errno = 0;
    check_true(check, "and EPIPE", write(other, "a", 1) == -1 && errno == EPIPE);
    check_true(check, "on all of its streams", read(last, &byte, 1) == 0);
    close(fd);
    close(other);
    uint32_t next;
    check_u64(check, "nobody serves any more", TESSERA_ECONNREFUSED,
              (uint64_t)tessera_channel_connect(NAME("echo"), &next));
    close(last);
}

int main(int argc, char **argv)
{
    struct check check = {0};
    if (argc > 1 && strcmp(argv[1], "server") == 0)
        return serve();
    check_group(&check, "streams");
    large(&check);
    ends(&check);
    waiting(&check);
    many(&check);
    listener(&check);
    forgery(&check);
    death(&check);
    return check_finish(&check, "streams");
}
