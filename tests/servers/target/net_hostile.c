/* A native program in a translated one's place, which does to the net server what no library does, with a tenth of the
 * CPU's time; and a victim that works beside it, and measures how much it has left and how long it stands still.
 *
 *     test-net-hostile victim KIND...
 *     test-net-hostile signals        signals, as fast as it can, that nothing has happened
 *     test-net-hostile streams        that all of hundreds of its streams have news, which they do not
 *     test-net-hostile datagrams      rings full of empty datagrams to whom it may not send
 *     test-net-hostile traffic        as much data as connections take
 *     test-net-hostile thief          listens where somebody else does
 *     test-net-hostile requests       requests, as fast as it can
 *
 * The victim listens to "go-KIND" to let it begin; who begins listens to "done-KIND", and to "end-KIND" when it is
 * over.
 */
#include "net_calls.h"
#include "tessera/clock.h"
#include "tessera/stream.h"

enum {
    LEFT_PERCENT = 60,
    STILL_US = 6000,
    WORK_MS = 50,
    ATTACK_MS = 90,
    REST_MS = 25,
    CONNECTIONS = 200,
    RINGS = 8,
    PORT = 4000
};

static const struct start_page *page;

static uint64_t ns_since(uint64_t begin)
{
    return clock_ns(clock_ticks() - begin, page->timer_multiplier, page->timer_shift);
}

/* ---- the victim ---------------------------------------------------------------------------------------------- */

/* Steps, each of the same instructions, and the longest time between two of them. */
__attribute__((noinline)) static uint64_t work(uint64_t *still_ns)
{
    uint64_t begin = clock_ticks(), steps = 0, last = 0, now;
    for (*still_ns = 0; last < WORK_MS * 1000000ul; steps++, last = now) {
        now = ns_since(begin);
        *still_ns = now - last > *still_ns ? now - last : *still_ns;
    }
    return steps;
}

/* Who was there before has gone, and what that took is over. */
static void rest(void)
{
    for (uint64_t begin = clock_ticks(); ns_since(begin) < REST_MS * 1000000ul;)
        syscall_yield();
}

static int victim(const char *kinds, unsigned count)
{
    bool is_good = true;
    uint64_t still_ns, before;
    rest();
    before = work(&still_ns);
    for (unsigned i = 0; i < count; i++, kinds += text_length(kinds) + 1) {
        if (turn(PROCESS_LISTEN, "go", kinds) != 0 || turn(PROCESS_CONNECT, "done", kinds) != 0)
            return 1;
        uint64_t under = work(&still_ns);
        log_text("%lu%% of its work beside '%s', at most %lu us of standing still\n", under * 100 / before, kinds,
                 still_ns / 1000);
        is_good = is_good && under * 100 >= before * LEFT_PERCENT && still_ns <= STILL_US * 1000ul;
        if (turn(PROCESS_CONNECT, "end", kinds) != 0 || turn(PROCESS_LISTEN, "go-on", kinds) != 0)
            return 1;
        rest();
    }
    return is_good ? 0 : 2;
}

/* ---- the enemy ----------------------------------------------------------------------------------------------- */

static struct process_stream streams[2 * CONNECTIONS + 1];
static unsigned stream_count;

static void stream_keep(const struct process_stream *stream)
{
    streams[stream_count++] = *stream;
}

static bool connections_make(unsigned port, unsigned count)
{
    struct process_stream stream;
    word listener, error;
    if (port_bind(NET_KIND_TCP, port, &listener) != 0 || stream_ask(NET_OPEN, listener, &stream) != 0)
        return false;
    stream_keep(&stream);
    for (unsigned i = 0; i < count; i++) {
        if ((error = connect_to(port, &stream)) == 0)
            stream_keep(&stream);
        while (!error && (error = stream_ask(NET_ACCEPT, listener, &stream)) == E_AGAIN)
            syscall_yield();
        if (error) {
            log_text("connection %u: error %lu\n", i, error);
            return false;
        }
        stream_keep(&stream);
    }
    return true;
}

static struct session_ready *server_ready(const struct process_stream *stream)
{
    return &((struct session_control *)stream->session_address)->ready[1 - (stream->side_generation & 1)];
}

static void ready_set(const struct process_stream *stream, uint64_t bits)
{
    struct session_ready *ready = server_ready(stream);
    atomic_fetch_or(&ready->words[0], bits);
    atomic_fetch_or(&ready->summary, 1);
}

static void streams_attack(void)
{
    for (unsigned i = 0; i < stream_count; i++)
        ready_set(&streams[i], 1ul << streams[i].stream);
    notification_signal((cptr)streams[0].signal_cap);
}

static bool datagram_sockets_make(void)
{
    struct process_stream stream;
    word socket;
    for (unsigned i = 0; i < RINGS; i++) {
        if (port_bind(NET_KIND_UDP, 0, &socket) != 0 || stream_ask(NET_OPEN, socket, &stream) != 0)
            return false;
        stream_keep(&stream);
    }
    return true;
}

static struct stream sides[2 * CONNECTIONS + 1];

static struct stream *side_of(unsigned n)
{
    const struct process_stream *stream = &streams[n];
    if (!sides[n].own)
        stream_open(&sides[n], (struct session_control *)stream->session_address, (uint32_t)stream->stream,
                    stream->side_generation & 1, (void *)stream->ring_address, (uint32_t)stream->ring_bytes);
    return &sides[n];
}

/* 10.0.0.0/8 is nobody's here; each to another. */
static void datagrams_attack(void)
{
    static uint32_t number;
    for (unsigned i = 0; i < RINGS; i++) {
        struct stream *side = side_of(i);
        bool signal;
        while (stream_writable(side) >= sizeof(struct net_datagram)) {
            struct net_datagram head = {.peer = {.family = NET_FAMILY_4, .port = 9, .address = {10}}};
            number++;
            __builtin_memcpy(&head.peer.address[1], &number, 3);
            (void)stream_write(side, &head, sizeof(head), &signal);
        }
        ready_set(&streams[i], 1ul << streams[i].stream);
    }
    notification_signal((cptr)streams[0].signal_cap);
}

/* All connections' ends write what there is room for, and read; the listener is the first. */
static void traffic_attack(void)
{
    static uint8_t bytes[STREAM_RING_BYTES];
    bool signal;
    for (unsigned i = 1; i < stream_count; i++) {
        (void)stream_read(side_of(i), bytes, sizeof(bytes), &signal);
        (void)stream_write(side_of(i), bytes, sizeof(bytes), &signal);
        ready_set(&streams[i], 1ul << streams[i].stream);
    }
    notification_signal((cptr)streams[0].signal_cap);
}

static void request_attack(void)
{
    word socket;
    if (port_bind(NET_KIND_TCP, 0, &socket) == 0)
        (void)socket_ask(NET_CLOSE, socket);
}

static void signal_attack(void)
{
    notification_signal((cptr)streams[0].signal_cap);
}

static int enemy(const char *kind)
{
    static const struct {
        const char *name;
        unsigned connections;
        void (*attack)(void);
    } kinds[] = {{"signals", 1, signal_attack},
                 {"streams", CONNECTIONS, streams_attack},
                 {"datagrams", 0, datagrams_attack},
                 {"traffic", RINGS, traffic_attack},
                 {"requests", 1, request_attack}};
    unsigned n = 0;
    while (!text_equal(kinds[n].name, kind))
        n++;
    if (turn(PROCESS_CONNECT, "go", kind) != 0 || !net_open())
        return 1;
    if (kinds[n].connections ? !connections_make(PORT, kinds[n].connections) : !datagram_sockets_make())
        return 2;
    if (turn(PROCESS_LISTEN, "done", kind) != 0)
        return 3;
    uint64_t begin = clock_ticks();
    unsigned rounds = 0;
    for (; ns_since(begin) < ATTACK_MS * 1000000ul; rounds++)
        kinds[n].attack();
    log_text("%u rounds\n", rounds);
    return turn(PROCESS_LISTEN, "end", kind) != 0 || turn(PROCESS_CONNECT, "go-on", kind) != 0;
}

/* Bound to a port of the loopback before somebody listens there on all addresses: it gets nothing of his. */
static int thief(void)
{
    struct net_address local = {.family = NET_FAMILY_4, .port = PORT + 100, .address = {127, 0, 0, 1}};
    word early, listener, late;
    if (!net_open() || address_bind(NET_KIND_TCP, local, &early) != 0 ||
        port_bind(NET_KIND_TCP, PORT + 100, &listener) != 0 || socket_ask(NET_OPEN, listener) != 0)
        return 1;
    bool is_refused = address_bind(NET_KIND_TCP, local, &late) == E_ADDRINUSE;
    return is_refused && socket_ask(NET_OPEN, early) == E_ADDRINUSE ? 0 : 2;
}

int program_main(const struct start_page *start)
{
    const char *role = first_argument(start);
    page = start;
    if (text_equal(role, "victim"))
        return victim(role + text_length(role) + 1, start->arguments.count - 2);
    return text_equal(role, "thief") ? thief() : enemy(role);
}
