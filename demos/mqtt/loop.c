#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "demos/lib/poller.h"

enum { READ_SIZE = 64 * 1024 };

/* One accepted descriptor. */
struct peer {
    int fd;
    bool blocked; /* the last write was short: wait until more can be written */
    struct connection *connection;
};

struct loop {
    struct broker *broker;
    const int *listeners;
    size_t listener_count;
    struct peer **peers; /* dense, as many as connections may be */
    size_t peer_count;
    struct poller_entry *entries; /* the listeners, then the peers */
    uint64_t idle_since_ns;       /* 0: not idle, or nobody came yet */
    uint8_t *bytes;               /* READ_SIZE */
};

static void loop_accept(struct loop *loop, int listener, uint64_t now_ns)
{
    int fd = accept(listener, NULL, NULL);
    if (fd < 0)
        return;
    struct peer *peer = calloc(1, sizeof(*peer));
    if (peer != NULL && fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
        peer->connection = broker_accept(loop->broker, peer, now_ns);
    if (peer == NULL || peer->connection == NULL) {
        free(peer);
        close(fd);
        return;
    }
    peer->fd = fd;
    loop->peers[loop->peer_count++] = peer;
    loop->idle_since_ns = 0;
}

static void peer_read(struct loop *loop, struct peer *peer, uint64_t now_ns)
{
    ssize_t got = read(peer->fd, loop->bytes, READ_SIZE);
    if (got > 0)
        broker_receive(loop->broker, peer->connection, loop->bytes, (size_t)got, now_ns);
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        broker_peer_closed(loop->broker, peer->connection, now_ns);
}

/* Writes what is waiting. Returns whether all of it is gone or can never go. */
static bool peer_write(struct loop *loop, struct peer *peer, uint64_t now_ns)
{
    size_t len;
    const uint8_t *bytes = connection_output(peer->connection, &len);
    if (len == 0)
        return true;
    ssize_t put = write(peer->fd, bytes, len);
    if (put < 0 && errno != EAGAIN && errno != EINTR) {
        broker_peer_closed(loop->broker, peer->connection, now_ns);
        return true;
    }
    peer->blocked = put < (ssize_t)len;
    if (put > 0)
        broker_sent(loop->broker, peer->connection, (size_t)put, now_ns);
    connection_output(peer->connection, &len);
    return len == 0;
}

static void loop_drop(struct loop *loop, struct peer *peer, uint64_t now_ns)
{
    for (size_t i = 0; i < loop->peer_count; i++) {
        if (loop->peers[i] == peer) {
            loop->peers[i] = loop->peers[--loop->peer_count];
            break;
        }
    }
    broker_release(loop->broker, peer->connection);
    close(peer->fd);
    free(peer);
    if (loop->peer_count == 0)
        loop->idle_since_ns = now_ns;
}

/* Writes to everyone who has something to get. A closing connection gets one try, then it is closed. */
static void loop_flush(struct loop *loop, uint64_t now_ns)
{
    struct connection *connection;
    while ((connection = broker_next_dirty(loop->broker)) != NULL) {
        struct peer *peer = connection->owner;
        if (!peer->blocked || connection->closing)
            peer_write(loop, peer, now_ns);
        if (connection->closing)
            loop_drop(loop, peer, now_ns);
    }
}

static uint64_t loop_timeout(const struct loop *loop, uint64_t exit_idle_ns, uint64_t now_ns)
{
    uint64_t deadline = broker_deadline_ns(loop->broker);
    if (loop->idle_since_ns != 0 && exit_idle_ns != POLLER_FOREVER && loop->idle_since_ns + exit_idle_ns < deadline)
        deadline = loop->idle_since_ns + exit_idle_ns;
    if (deadline == UINT64_MAX)
        return POLLER_FOREVER;
    return deadline > now_ns ? deadline - now_ns : 0;
}

static int loop_wait(struct loop *loop, uint64_t timeout_ns)
{
    struct poller_entry *entry = loop->entries;
    bool has_room = loop->peer_count < loop->broker->limits.connections;
    for (size_t i = 0; i < loop->listener_count; i++)
        *entry++ = (struct poller_entry){.fd = loop->listeners[i], .want_read = has_room};
    for (size_t i = 0; i < loop->peer_count; i++) {
        const struct peer *peer = loop->peers[i];
        bool wants_input = connection_wants_input(loop->broker, peer->connection);
        *entry++ = (struct poller_entry){.fd = peer->fd, .want_read = wants_input, .want_write = peer->blocked};
    }
    return poller_wait(loop->entries, (size_t)(entry - loop->entries), timeout_ns);
}

static void loop_serve(struct loop *loop, uint64_t now_ns)
{
    size_t peer_count = loop->peer_count;
    const struct poller_entry *entry = loop->entries + loop->listener_count;
    for (size_t i = 0; i < peer_count; i++, entry++) {
        if (entry->can_write && loop->peers[i]->blocked)
            peer_write(loop, loop->peers[i], now_ns);
        if (entry->can_read)
            peer_read(loop, loop->peers[i], now_ns);
    }
    for (size_t i = 0; i < loop->listener_count; i++) {
        if (loop->entries[i].can_read)
            loop_accept(loop, loop->listeners[i], now_ns);
    }
    broker_tick(loop->broker, now_ns);
    loop_flush(loop, now_ns);
}

static int loop_repeat(struct loop *loop, uint64_t exit_idle_ns)
{
    uint64_t now_ns = clock_now_ns();
    for (;;) {
        int error = loop_wait(loop, loop_timeout(loop, exit_idle_ns, now_ns));
        if (error != 0)
            return error;
        now_ns = clock_now_ns();
        loop_serve(loop, now_ns);
        if (loop->idle_since_ns != 0 && exit_idle_ns != POLLER_FOREVER && now_ns - loop->idle_since_ns >= exit_idle_ns)
            return 0;
    }
}

int loop_run(struct broker *broker, const int *listeners, size_t listener_count, uint64_t exit_idle_ns)
{
    struct loop loop = {.broker = broker, .listeners = listeners, .listener_count = listener_count};
    int error = ENOMEM;
    loop.peers = calloc(broker->limits.connections, sizeof(struct peer *));
    loop.entries = calloc(broker->limits.connections + listener_count, sizeof(struct poller_entry));
    loop.bytes = malloc(READ_SIZE);
    if (loop.peers != NULL && loop.entries != NULL && loop.bytes != NULL)
        error = loop_repeat(&loop, exit_idle_ns);
    while (loop.peer_count > 0) {
        broker_peer_closed(broker, loop.peers[0]->connection, clock_now_ns());
        loop_drop(&loop, loop.peers[0], 0);
    }
    free(loop.peers);
    free(loop.entries);
    free(loop.bytes);
    return error;
}
