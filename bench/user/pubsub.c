/* pubsub_hop_64: 64-byte messages from a publisher through a broker to a subscriber, three processes, over channels.
 *
 * At most `depth` messages are under way: the subscriber grants the next batch with one byte. It also measures: guest
 * time is one nanosecond an instruction, and the monotonic clock reads it. The whole system's instructions count.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <tessera.h>

#define NAME(text)    text, (uint32_t)(sizeof(text) - 1)
#define MESSAGE_BYTES 64
#define BATCHES       20
#define MESSAGES      1024 /* a batch */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int dial(const char *name, uint32_t length)
{
    uint32_t fd;
    return tessera_channel_connect(name, length, &fd) == 0 ? (int)fd : -1;
}

static int answer(const char *name, uint32_t length)
{
    uint32_t listener;
    if (tessera_channel_listen(name, length, &listener) != 0)
        return -1;
    return accept((int)listener, NULL, NULL);
}

static int read_all(int fd, char *buffer, size_t size)
{
    for (size_t have = 0; have < size;) {
        ssize_t part = read(fd, buffer + have, size - have);
        if (part <= 0)
            return -1;
        have += (size_t)part;
    }
    return 0;
}

static int publish(unsigned depth)
{
    char message[MESSAGE_BYTES] = {0}, go;
    int grants = answer(NAME("grant")), broker = dial(NAME("in"));
    while (read(grants, &go, 1) == 1)
        for (unsigned i = 0; i < depth; i++) {
            message[0]++;
            if (write(broker, message, sizeof(message)) != sizeof(message))
                return 1;
        }
    return 0;
}

/* Takes what is there, whole messages, and passes them on. */
static int forward(void)
{
    static char buffer[64 * MESSAGE_BYTES];
    int from = answer(NAME("in")), to = answer(NAME("out"));
    size_t have = 0;
    for (ssize_t part; (part = read(from, buffer + have, sizeof(buffer) - have)) > 0;) {
        have += (size_t)part;
        size_t whole = have / MESSAGE_BYTES * MESSAGE_BYTES;
        for (size_t at = 0; at < whole; at += MESSAGE_BYTES)
            if (write(to, buffer + at, MESSAGE_BYTES) != MESSAGE_BYTES)
                return 1;
        memmove(buffer, buffer + whole, have - whole);
        have -= whole;
    }
    return 0;
}

static int subscribe(unsigned depth)
{
    char message[MESSAGE_BYTES], expected = 0;
    int grants = dial(NAME("grant")), broker = dial(NAME("out"));
    uint64_t best = UINT64_MAX;
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        uint64_t before = now_ns();
        for (unsigned i = 0; i < MESSAGES; i++) {
            if (i % depth == 0 && write(grants, "g", 1) != 1)
                return 1;
            if (read_all(broker, message, sizeof(message)) != 0 || message[0] != ++expected)
                return 1;
        }
        uint64_t ns = now_ns() - before;
        best = ns < best ? ns : best;
    }
    printf("bench pubsub_hop_64%s %llu\n", depth == 1 ? "_lockstep" : "", (unsigned long long)(best / MESSAGES));
    printf("bench end\n");
    return 0;
}

int main(int argc, char **argv)
{
    unsigned depth = argc > 2 ? (unsigned)atoi(argv[2]) : 64;
    if (argc > 1 && strcmp(argv[1], "publisher") == 0)
        return publish(depth);
    if (argc > 1 && strcmp(argv[1], "broker") == 0)
        return forward();
    return subscribe(depth);
}
