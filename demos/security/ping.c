/* One of two well-behaved neighbours: sends numbered blocks to the other (pong.c), which sends them back, and checks
 * that each comes back whole and in order, for as long as the hostile ones are at work: until the warden's
 * connection to channel "bell" ends, or if it never comes, for ever. Reports the longest wait.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tessera.h>

#include "demos/lib/poller.h"

enum { BLOCK_WORDS = 64, ROUNDS_LEAST = 1000 };

struct exchange {
    int pong;
    uint64_t rounds, wrong, longest_ns;
};

static bool write_all(int fd, const void *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t put = write(fd, (const char *)bytes + at, len - at);
        if (put <= 0)
            return false;
        at += (size_t)put;
    }
    return true;
}

static bool read_all(int fd, void *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t got = read(fd, (char *)bytes + at, len - at);
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

/* One block there and back. False: the connection has ended. */
static bool exchange_round(struct exchange *exchange)
{
    uint64_t sent[BLOCK_WORDS], got[BLOCK_WORDS], start_ns = clock_now_ns();
    for (uint64_t i = 0; i < BLOCK_WORDS; i++)
        sent[i] = (exchange->rounds * BLOCK_WORDS + i) * 0x9e3779b97f4a7c15u;
    if (!write_all(exchange->pong, sent, sizeof(sent)) || !read_all(exchange->pong, got, sizeof(got)))
        return false;
    uint64_t took_ns = clock_now_ns() - start_ns;
    exchange->longest_ns = took_ns > exchange->longest_ns ? took_ns : exchange->longest_ns;
    exchange->wrong += memcmp(sent, got, sizeof(sent)) != 0;
    exchange->rounds++;
    return true;
}

/* Whether the bell's connection has ended: everybody else is done. */
static bool bell_has_rung(int bell)
{
    char byte;
    return read(bell, &byte, 1) == 0;
}

int main(void)
{
    struct exchange exchange = {0};
    uint32_t bell_listener, pong;
    if (tessera_channel_listen("bell", 4, &bell_listener) != 0 || tessera_channel_connect("neighbour", 9, &pong) != 0) {
        printf("ping: cannot begin\n");
        return 1;
    }
    exchange.pong = (int)pong;
    int bell = accept((int)bell_listener, NULL, NULL);
    if (bell < 0 || fcntl(bell, F_SETFL, O_NONBLOCK) != 0) {
        printf("ping: no bell\n");
        return 1;
    }
    while (!bell_has_rung(bell) || exchange.rounds < ROUNDS_LEAST) {
        if (!exchange_round(&exchange)) {
            printf("ping: lost pong after %llu rounds\n", (unsigned long long)exchange.rounds);
            return 1;
        }
    }
    close(exchange.pong);
    printf("ping: %llu blocks of %u bytes came back, %llu wrong, longest wait %llu us\n",
           (unsigned long long)exchange.rounds, (unsigned)(BLOCK_WORDS * sizeof(uint64_t)),
           (unsigned long long)exchange.wrong, (unsigned long long)(exchange.longest_ns / 1000));
    return exchange.wrong == 0 ? 0 : 1;
}
