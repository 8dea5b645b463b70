/* See stack.h: situations in which hundreds of connections, programs and peers keep what they can get of what all
 * share, and somebody else then uses the network: it is served within so many turns, in which no time passes.
 *
 *     build/host/tests/net/net-stack-hold [SITUATION]      NET_STACK_LOG=1 shows the server's log
 *
 * A situation is told in order: it runs in a thread of its own, in turn with the server, which goes on while the
 * situation is in settle() or request().
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lwip/priv/tcp_priv.h"
#include "proto/net.h"
#include "stack.h"
#include "tessera/server.h"

enum { HOG, OTHER, PARTIES }; /* clients, programs of their own; the second may listen at 100 to 110 */
enum { HOG_PORT = 80, OTHER_PORT = 100 };
#define RECEIVE_BUFFERS 256u

static const struct situation {
    const char *name;
    void (*run)(void);
} * current;

static sem_t server_turn, situation_turn;
static bool is_over;
static struct message *asked;
static uint64_t asked_badge;

/* ---- turns --------------------------------------------------------------------------------------------------- */

uint32_t input_byte(void)
{
    return 0;
}

uint32_t input_16(void)
{
    return 0;
}

uint32_t input_32(void)
{
    return 0;
}

/* The server does what there is to do. */
static void settle(void)
{
    sem_post(&server_turn);
    sem_wait(&situation_turn);
}

static void wait_ms(uint32_t ms)
{
    for (; ms > 0; ms -= ms < 50 ? ms : 50) {
        world_now_ns += 50000000;
        settle();
    }
}

/* Its errno. */
static uint32_t request(uint32_t client, enum net_operation operation, struct message *m)
{
    m->info = message_info(operation, 0, MESSAGE_REGISTERS);
    asked = m;
    asked_badge = world_clients[client].badge;
    settle();
    return (uint32_t)message_info_label(m->info);
}

void request_answered(const struct message *m)
{
    *asked = *m;
    asked = NULL;
}

bool steps_next(struct message *m, uint64_t *badge)
{
    if (!m || is_over) { /* it does not serve yet, or not any more */
        world_now_ns += 100000000;
        if (is_over)
            world_signal(PROCESS_SIGNAL_FINISH);
        return false;
    }
    sem_post(&situation_turn);
    sem_wait(&server_turn);
    if (!asked)
        return false;
    *m = *asked;
    *badge = asked_badge;
    return true;
}

static void *situation_main(void *unused)
{
    (void)unused;
    sem_wait(&situation_turn);
    current->run();
    for (uint32_t i = 0; i < CLIENTS; i++)
        world_client_kill(i);
    settle();
    is_over = true;
    sem_post(&server_turn);
    return NULL;
}

static void require(bool is_so, const char *what)
{
    char text[200];
    snprintf(text, sizeof(text), "%s: %s", current->name, what);
    if (!is_so)
        stack_fail(text);
}

/* ---- programs ------------------------------------------------------------------------------------------------ */

static struct world_stream *stream_of(const struct message *m)
{
    struct process_stream description;
    message_get(m, 0, &description, sizeof(description));
    return &world_streams[description.signal_cap];
}

static void address_put(struct message *m, unsigned at, uint32_t last, uint32_t port)
{
    struct net_address address = {NET_FAMILY_4, 0, (uint16_t)port, 0, {10, 0, 2, (uint8_t)last}};
    if (last == 0)
        memset(address.address, 0, 4);
    message_put(m, at, &address, sizeof(address));
}

static uint64_t bound(uint32_t client, enum net_kind kind, uint32_t port, struct world_stream **stream)
{
    struct message m = {0, {kind}};
    address_put(&m, 1, 0, port);
    require(request(client, NET_BIND, &m) == 0, "a port is bound");
    uint64_t number = m.words[0];
    m.words[0] = number;
    require(request(client, NET_OPEN, &m) == 0, "a socket is opened");
    *stream = stream_of(&m);
    return number;
}

static uint64_t listener(uint32_t client, uint32_t port)
{
    struct world_stream *stream;
    return bound(client, NET_KIND_TCP, port, &stream);
}

/* A connection of the host's, open; the program has accepted it. */
struct pair {
    uint32_t peer;
    uint64_t socket;
    struct world_stream *stream;
};

static uint32_t begun(uint32_t port)
{
    uint32_t peer = host_begin(port);
    settle();
    host_acknowledge(peer, 0, 60000);
    settle();
    return peer;
}

static struct pair accepted(uint32_t client, uint64_t from, uint32_t port)
{
    struct pair pair = {.peer = begun(port)};
    struct message m = {0, {from}};
    require(request(client, NET_ACCEPT, &m) == 0, "a connection is accepted");
    pair.socket = m.words[7];
    pair.stream = stream_of(&m);
    return pair;
}

static void option_set(uint32_t client, const struct pair *pair, enum net_option option, uint64_t value)
{
    struct message m = {0, {pair->socket, option, value}};
    require(request(client, NET_SET, &m) == 0, "an option is set");
}

static uint32_t write_some(const struct pair *pair, uint32_t bytes)
{
    static const uint8_t data[STREAM_RING_BYTES];
    bool signal = false;
    uint32_t written = stream_write(&pair->stream->side, data, bytes, &signal);
    (void)stream_ask_space(&pair->stream->side);
    world_stream_tell(pair->stream);
    return written;
}

static void datagram_put(struct world_stream *stream, uint32_t last, const void *data, uint32_t bytes)
{
    struct net_datagram head = {{NET_FAMILY_4, 0, 9, 0, {10, 0, 2, (uint8_t)last}}, bytes};
    bool signal = false;
    if (stream_writable(&stream->side) < sizeof(head) + bytes)
        return;
    (void)stream_write(&stream->side, &head, sizeof(head), &signal);
    (void)stream_write(&stream->side, data, bytes, &signal);
    world_stream_tell(stream);
}

/* ---- what is taken ------------------------------------------------------------------------------------------- */

#define HOGS_MAX 1000u
static struct pair hogs[HOGS_MAX];

static void hogs_open(uint32_t count)
{
    uint64_t from = listener(HOG, HOG_PORT);
    for (uint32_t i = 0; i < count; i++)
        hogs[i] = accepted(HOG, from, HOG_PORT);
}

/* Each writes as long as anything is taken. */
static void hogs_fill(uint32_t count)
{
    for (uint32_t written = 1; written > 0;) {
        written = 0;
        for (uint32_t i = 0; i < count; i++)
            written += write_some(&hogs[i], STREAM_RING_BYTES);
        settle();
    }
}

/* ---- who comes then ------------------------------------------------------------------------------------------ */

/* Connects, is sent `bytes`, and what it says arrives. Turns that it took. */
static void newcomer_serve(uint64_t from, uint32_t bytes, uint32_t turns_most)
{
    struct pair pair = accepted(OTHER, from, OTHER_PORT);
    uint32_t left = bytes, turns = 0, heard = 0;
    static uint8_t data[STREAM_RING_BYTES];
    while (host_taken(pair.peer) < bytes && ++turns <= turns_most) {
        left -= write_some(&pair, left < STREAM_RING_BYTES ? left : STREAM_RING_BYTES);
        settle();
        host_acknowledge(pair.peer, 0, 60000);
        settle();
    }
    printf("%s: %u bytes in %u turns\n", current->name, host_taken(pair.peer), turns);
    require(host_taken(pair.peer) == bytes, "who comes then is sent its data in time");
    for (uint32_t i = 0; i < 50; i++) {
        bool signal = false;
        host_say(pair.peer, 1000);
        settle();
        world_stream_follow(pair.stream);
        heard += stream_read(&pair.stream->side, data, sizeof(data), &signal);
        world_stream_tell(pair.stream);
    }
    require(heard == 50000, "what who comes then says arrives at once");
}

/* ---- situations ---------------------------------------------------------------------------------------------- */

/* Peers open connections, are sent data and never acknowledge any. */
static void silent(void)
{
    uint64_t other = listener(OTHER, OTHER_PORT);
    hogs_open(900);
    hogs_fill(900);
    newcomer_serve(other, 65536, 160);
}

/* They acknowledge a little, take no more, and some time passes. */
static void slow(void)
{
    uint64_t other = listener(OTHER, OTHER_PORT);
    hogs_open(500);
    hogs_fill(500);
    for (uint32_t i = 0; i < 500; i++)
        host_acknowledge(hogs[i].peer, host_taken(hogs[i].peer) - 100, i % 2 ? 1000 : 0);
    hogs_fill(500);
    wait_ms(20000);
    newcomer_serve(other, 65536, 160);
}

/* They acknowledge until each has much under way, and then nothing more. */
static void stopped(void)
{
    uint64_t other = listener(OTHER, OTHER_PORT);
    hogs_open(60);
    for (uint32_t round = 0; round < 12; round++)
        for (uint32_t i = 0; i < 60; i++) {
            (void)write_some(&hogs[i], STREAM_RING_BYTES);
            settle();
            host_acknowledge(hogs[i].peer, 0, 60000);
            settle();
        }
    hogs_fill(60);
    wait_ms(20000);
    newcomer_serve(other, 65536, 30);
}

/* Each byte in a segment. */
static void tiny(void)
{
    uint64_t other = listener(OTHER, OTHER_PORT);
    hogs_open(300);
    for (uint32_t i = 0; i < 300; i++)
        option_set(HOG, &hogs[i], NET_OPTION_NO_DELAY, 1);
    for (uint32_t round = 0; round < 100; round++) {
        for (uint32_t i = 0; i < 300; i++)
            (void)write_some(&hogs[i], 1);
        settle();
    }
    newcomer_serve(other, 65536, 160);
}

/* One that writes alone has a good part of all there is. */
static void alone(void)
{
    hogs_open(1);
    hogs_fill(1);
    require(tcp_active_pcbs->snd_queuelen < 8, "a peer that has acknowledged nothing holds little");
    for (uint32_t i = 0; i < 100; i++) {
        host_acknowledge(hogs[0].peer, 0, 60000);
        hogs_fill(1);
    }
    require(tcp_active_pcbs->snd_queuelen * TCP_MSS > 60000, "one alone has all of its peer's window under way");
}

/* Two listeners full of connections that sent data and are not accepted. */
static void pending(void)
{
    uint64_t other = listener(OTHER, OTHER_PORT);
    (void)listener(HOG, HOG_PORT);
    (void)listener(HOG, HOG_PORT + 1);
    for (uint32_t i = 0; i < 254; i++) {
        uint32_t peer = begun(HOG_PORT + i % 2);
        for (uint32_t n = 0; n < 3; n++)
            host_say(peer, 1);
        settle();
    }
    printf("%s: %u buffers held\n", current->name, memory_use().buffers);
    require(memory_use().buffers <= RECEIVE_BUFFERS / 4,
            "what one program does not accept holds a quarter of the buffers at most");
    newcomer_serve(other, 65536, 160);
}

/* Datagrams as long as can be, to neighbours of whom nobody answers. */
static void nobody(void)
{
    static uint8_t data[NET_DATAGRAM_MAX];
    struct world_stream *hog, *others;
    uint64_t other = listener(OTHER, OTHER_PORT);
    (void)bound(HOG, NET_KIND_UDP, 9, &hog);
    (void)bound(OTHER, NET_KIND_UDP, 10, &others);
    host_mode |= HOST_SILENT_ARP;
    for (uint32_t i = 0; i < 2000; i++) {
        datagram_put(hog, 10 + i % 200, data, sizeof(data));
        settle();
    }
    host_mode &= ~(uint32_t)HOST_SILENT_ARP;
    uint32_t before = host_datagrams();
    for (uint32_t i = 0; i < 10; i++) {
        datagram_put(others, 2, data, 1000);
        datagram_put(hog, 10 + i, data, sizeof(data));
        settle();
    }
    printf("%s: %u of 10 datagrams\n", current->name, host_datagrams() - before);
    require(host_datagrams() - before == 10, "who comes then has its datagrams sent");
    newcomer_serve(other, 65536, 160);
}

static const struct situation situations[] = {
    {"silent", silent}, {"slow", slow},       {"stopped", stopped}, {"tiny", tiny},
    {"alone", alone},   {"pending", pending}, {"nobody", nobody},
};

static void situation_run(const struct situation *situation)
{
    pthread_t thread;
    current = situation;
    is_over = false;
    host_reset();
    host_connections = HOGS_MAX + 100;
    world_reset();
    sem_init(&server_turn, 0, 0);
    sem_init(&situation_turn, 0, 0);
    pthread_create(&thread, NULL, situation_main, NULL);
    world_run();
    pthread_join(thread, NULL);
    printf("%s: good\n", situation->name);
}

int main(int count, char **arguments)
{
    bool is_known = count < 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (uint32_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++)
        if (count < 2 || strcmp(arguments[1], situations[i].name) == 0) {
            situation_run(&situations[i]);
            is_known = true;
        }
    return is_known ? 0 : 2;
}
