/* See stack.h. An input begins with a byte of enum host_mode and goes on with steps: a byte, and what that calls for.
 *
 *     build/host/tests/net/net-stack-fuzz INPUT                      one life; NET_STACK_LOG=1 shows the server's log
 *     tests/harness/fuzz.py --fuzzer build/host/tests/net/net-stack-fuzz --corpus tests/net/stack/corpus.bin \
 *         --longest 1000 --seconds 3600 --keep
 */
#include <stdio.h>
#include <string.h>

#include "lwip/priv/tcp_priv.h"
#include "proto/net.h"
#include "tessera/server.h"
#include "stack.h"

#define SOCKETS_KNOWN 12
#define POOL_SLACK    6 /* groups of addresses that routers gave since */
#define HEAP_SLACK    1024
#define PARTING_TURNS 40
#define PARTING_NS    2000000000ul /* fragments stay for a minute */

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

static const uint8_t *input_at, *input_end;
static uint32_t parting; /* turns since the input's end */
static uint64_t next_badge;
static bool is_serving;
static struct memory_use use_before;

/* What the programs have, those that are known to them by number. */
static struct known {
    uint64_t number;
    uint32_t kind;
} known[CLIENTS][SOCKETS_KNOWN];
static struct {
    uint32_t client, operation, slot, kind;
} asked;

uint32_t input_byte(void)
{
    return input_at < input_end ? *input_at++ : 0;
}

uint32_t input_16(void)
{
    uint32_t high = input_byte();
    return high << 8 | input_byte();
}

uint32_t input_32(void)
{
    uint32_t high = input_16();
    return high << 16 | input_16();
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

static void address_put(struct message *m, unsigned at, uint32_t how)
{
    struct net_address address = {.family = how & 1 ? NET_FAMILY_6 : NET_FAMILY_4, .port = (uint16_t)(how >> 1 & 7)};
    static const uint8_t host[4] = {10, 0, 2, 2}, own[4] = {10, 0, 2, 15}, loopback[4] = {127, 0, 0, 1};
    static const uint8_t host_6[16] = {0xfe, 0x80, [11] = 0xff, 0xfe, 0, 0, 2}, loopback_6[16] = {[15] = 1};
    uint32_t who = how >> 4 & 3;
    if (who > 0 && (how & 1))
        memcpy(address.address, who == 3 ? loopback_6 : host_6, 16);
    else if (who > 0)
        memcpy(address.address, who == 1 ? host : who == 2 ? own : loopback, 4);
    if (how & 64)
        address.family = (uint8_t)input_byte();
    if (how & 128)
        for (uint32_t i = 0; i < 16; i++)
            address.address[i] = (uint8_t)input_byte();
    message_put(m, at, &address, sizeof(address));
}

/* One that makes sense, or (operation 15) none. */
static void request_make(struct message *m, uint64_t *badge)
{
    uint32_t head = input_byte(), client = head % CLIENTS, operation = head >> 4, slot = input_byte() % SOCKETS_KNOWN;
    const struct known *socket = &known[client][slot];
    uint32_t kind = socket->number ? socket->kind : slot & 1;
    *m = (struct message){message_info(operation, 0, MESSAGE_REGISTERS), {socket->number}};
    switch (operation) {
    case NET_BIND:
        m->words[0] = kind = slot & 1;
        address_put(m, 1, input_byte());
        m->words[4] = head >> 2 & 1;
        break;
    case NET_CONNECT:
        m->words[1] = kind;
        address_put(m, 2, input_byte());
        m->words[5] = (uint64_t)(slot & 2) << 16; /* the ring that it wishes for */
        break;
    case NET_ADDRESS:
        m->words[1] = input_byte() & 1;
        break;
    case NET_SET:
        m->words[2] = input_byte();
        /* fall through */
    case NET_GET:
        m->words[1] = input_byte() % 12;
        if (m->words[1] == NET_OPTION_RECEIVE_BYTES)
            m->words[2] <<= 14;
        break;
    case 15:
        m->info = message_info(input_byte() % 12, 0, MESSAGE_REGISTERS);
        for (uint32_t i = 0; i < 4; i++)
            m->words[i] = (uint64_t)(int8_t)input_byte();
        m->words[0] += known[input_byte() % CLIENTS][slot].number; /* somebody else's, or one beside it */
        break;
    default:
        break;
    }
    asked.client = client;
    asked.operation = operation;
    asked.slot = slot;
    asked.kind = kind;
    *badge = world_clients[client].badge;
}

void request_answered(const struct message *m)
{
    struct known *socket = &known[asked.client][asked.slot];
    uint64_t error = message_info_label(m->info);
    if (error > 76)
        stack_fail("an answer has an errno that there is not");
    if (error)
        return;
    if (asked.operation == NET_BIND)
        *socket = (struct known){m->words[0], asked.kind};
    else if (asked.operation == NET_CONNECT)
        *socket = (struct known){m->words[7], asked.kind};
    else if (asked.operation == NET_ACCEPT)
        known[asked.client][(asked.slot + 1) % SOCKETS_KNOWN] = (struct known){m->words[7], NET_KIND_TCP};
}

/* ---- streams ------------------------------------------------------------------------------------------------- */

static struct world_stream *stream_choose(void)
{
    uint32_t n = input_byte() % 16; /* mostly the first few are there */
    struct world_stream *stream = &world_streams[n];
    return stream->is_open ? stream : NULL;
}

static void stream_write_step(void)
{
    static uint8_t bytes[16384];
    struct world_stream *stream = stream_choose();
    uint32_t how = input_byte(), count = how & 128 ? input_16() % sizeof(bytes) : how & 63;
    bool signal = false;
    if (!stream)
        return;
    memset(bytes, 'x', sizeof(bytes));
    if (how & 64) { /* for TCP any bytes; a question, or a datagram's head, to somebody */
        struct message m = {0};
        address_put(&m, 0, input_byte());
        message_get(&m, 0, bytes, sizeof(struct net_address));
        memcpy(bytes + sizeof(struct net_address), &count, 4);
        count += (uint32_t)sizeof(struct net_datagram);
    } else if (count > 8) {
        static const char name[] = "some.example";
        struct net_question question = {sizeof(name) - 1, how & 3};
        memcpy(bytes, &question, sizeof(question));
        memcpy(bytes + sizeof(question), name, sizeof(name) - 1);
        count = count < sizeof(bytes) ? count + 12 : count;
    }
    (void)stream_write(&stream->side, bytes, count < sizeof(bytes) ? count : sizeof(bytes), &signal);
    world_stream_tell(stream);
}

static void stream_read_step(void)
{
    static uint8_t bytes[16384];
    struct world_stream *stream = stream_choose();
    uint32_t how = input_byte();
    bool signal = false;
    if (!stream)
        return;
    world_stream_follow(stream);
    (void)stream_read(&stream->side, bytes, how & 128 ? sizeof(bytes) : how, &signal);
    (void)stream_ask_data(&stream->side);
    if (signal || (how & 64))
        world_stream_tell(stream);
}

static void stream_close_step(void)
{
    struct world_stream *stream = stream_choose();
    uint32_t how = input_byte();
    if (!stream)
        return;
    stream_close(&stream->side, how % 4 ? how & 3 : STREAM_CLOSED_READ | STREAM_CLOSED_WRITE);
    world_stream_tell(stream);
}

/* Whatever it has to write, it writes anything. */
static void stream_nonsense_step(void)
{
    struct world_stream *stream = stream_choose();
    uint32_t how = input_byte(), value = how & 128 ? input_32() : input_byte();
    if (!stream)
        return;
    _Atomic uint32_t *fields[6] = {&stream->side.own->head,     &stream->side.own->tail,
                                   &stream->side.own->data_ask, &stream->side.own->space_ask,
                                   &stream->side.own->closed,   &stream->side.own->data_late};
    atomic_fetch_add(fields[how % 6], value);
    world_stream_tell(stream);
}

/* ---- the rest ------------------------------------------------------------------------------------------------ */

static void time_step(void)
{
    static const uint32_t steps_ms[8] = {1, 50, 250, 500, 1000, 3000, 10000, 60000};
    uint32_t how = input_byte();
    world_now_ns += (uint64_t)steps_ms[how & 7] * (1 + (how >> 3 & 3)) * 1000000;
}

static void driver_step(void)
{
    uint32_t how = input_byte();
    if (how % 4 == 0)
        world_driver_restart();
    else if (how % 4 == 1)
        world_link(how & 4);
    else
        world_keeps_sent = how & 4;
    if (how % 4 == 3)
        world_sent_return();
}

static void program_step(void)
{
    uint32_t how = input_byte(), client = how % CLIENTS;
    world_client_kill(client);
    memset(known[client], 0, sizeof(known[client]));
    if (how & 64)
        world_clients[client] = (struct world_client){next_badge++, true};
}

static void shortage_step(void)
{
    uint32_t how = input_byte();
    if (how & 128)
        world_streams_refused = how & 3;
    else
        memory_fail_after(how);
}

static void mode_step(void)
{
    host_mode = (host_mode & HOST_NO_CHECKSUMS) | (input_byte() & ~(uint32_t)HOST_NO_CHECKSUMS);
}

/* ---- the end ------------------------------------------------------------------------------------------------- */

static void connections_abort(void)
{
    while (tcp_active_pcbs)
        tcp_abort(tcp_active_pcbs);
    while (tcp_tw_pcbs)
        tcp_abort(tcp_tw_pcbs);
}

/* Pools that are empty when nobody has anything: not timers, multicast groups, sockets of lwIP's own, and packets for a
 * router that does not answer, which are kept for as long as it has said that it is one. */
static bool is_of_connections(uint32_t pool)
{
    static const uint8_t pools[] = {MEMP_TCP_PCB,   MEMP_TCP_PCB_LISTEN, MEMP_TCP_SEG,      MEMP_REASSDATA,
                                    MEMP_FRAG_PBUF, MEMP_PBUF_POOL,      MEMP_IP6_REASSDATA};
    return memchr(pools, (int)pool, sizeof(pools)) != NULL;
}

/* Nobody is left: after a while nothing is held for anybody. */
static void use_check(void)
{
    struct memory_use use = memory_use();
    uint32_t waiting = use.pools[MEMP_ND6_QUEUE] + use.pools[MEMP_ARP_QUEUE];
    if (use.pieces > 0)
        stack_fail("the server keeps memory of programs that are gone");
    if (use.buffers > 0)
        stack_fail("buffers of the card do not come back");
    if (tcp_bound_pcbs || tcp_listen_pcbs.pcbs || tcp_active_pcbs || tcp_tw_pcbs)
        stack_fail("connections of programs that are gone stay");
    for (uint32_t i = 0; i < MEMP_MAX; i++)
        if (is_of_connections(i) ? use.pools[i] > 0 : use.pools[i] > use_before.pools[i] + POOL_SLACK + waiting) {
            fprintf(stderr, "net: pool %u: %u, before %u\n", i, use.pools[i], use_before.pools[i]);
            stack_fail("lwIP keeps what it had for connections that are gone");
        }
    if (use.heap_bytes > use_before.heap_bytes + HEAP_SLACK + waiting * 2048)
        stack_fail("lwIP keeps bytes that it had for connections that are gone");
}

static void part(void)
{
    if (parting == 0) {
        host_mode = (host_mode & HOST_NO_CHECKSUMS) | HOST_SILENT_DHCP | HOST_SILENT_DNS | HOST_SILENT_ARP;
        memory_fail_after(0);
        world_keeps_sent = false;
        world_sent_return();
        for (uint32_t i = 0; i < CLIENTS; i++)
            world_client_kill(i);
    } else {
        connections_abort();
        world_now_ns += PARTING_NS;
        world_signal(PROCESS_SIGNAL_DEVICE);
    }
    if (++parting < PARTING_TURNS)
        return;
    use_check();
    world_signal(PROCESS_SIGNAL_FINISH);
}

bool steps_next(struct message *m, uint64_t *badge)
{
    static void (*const steps[])(void) = {
        time_step,          host_step_raw,     host_step_connect,   host_step_segment, host_step_segment,
        host_step_datagram, host_step_control, host_step_neighbour, host_step_arp,     host_step_spoil,
        host_step_spoil,    stream_write_step, stream_read_step,    stream_close_step, stream_nonsense_step,
        driver_step,        program_step,      shortage_step,       mode_step,
    };
    enum { KINDS = sizeof(steps) / sizeof(steps[0]), REQUESTS = 6 };
    if (m && !is_serving) {
        is_serving = true;
        use_before = memory_use();
    }
    if (input_at == input_end) {
        part();
        return false;
    }
    uint32_t what = input_byte() % (KINDS + REQUESTS);
    if (what < KINDS) {
        steps[what]();
        return false;
    }
    if (!m) { /* it does not serve yet: as much time as that takes */
        world_now_ns += 1000000000;
        return false;
    }
    request_make(m, badge);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
    input_at = input;
    input_end = input + bytes;
    parting = 0;
    next_badge = 100;
    is_serving = false;
    memset(known, 0, sizeof(known));
    host_reset();
    host_mode = input_byte();
    world_reset();
    world_run();
    return 0;
}
