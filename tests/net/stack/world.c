/* See stack.h: what the net server's system calls meet. */
#include <arpa/inet.h>
#include <elf.h>
#include <link.h>
#include <sanitizer/asan_interface.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/console.h"
#include "stack.h"
#include "tessera/invoke.h"
#include "tessera/server.h"

enum { CAP_ENDPOINT = 20, CAP_REPLY, CAP_DRIVER };
#define SESSIONS   128
#define TICK_NS    1000u
#define HEAD_BYTES 54u   /* of a frame, in any case */
#define IDLE_TURN  2000u /* waits without any news: the server goes round in a circle */

uint64_t model_ticks(void);

static uint8_t region[PACKET_REGION_BYTES] __attribute__((aligned(4096)));
static struct ipc_buffer buffer;
static struct start_page page;
static jmp_buf end;

uint64_t world_now_ns;
struct packet_region *world_region = (struct packet_region *)(void *)region;
struct world_client world_clients[CLIENTS];
struct world_stream world_streams[STREAMS];
uint32_t world_streams_refused;
bool world_keeps_sent;

static uint64_t signals, timer_ns;
static bool is_serving, is_asked;
static struct session {
    struct session_control *control;
    uint32_t streams;
    uint64_t badge;
    struct {
        uint8_t *rings, *larger;
        uint32_t larger_bytes;
        uint32_t of; /* world_streams */
    } open[SESSION_STREAMS];
} sessions[SESSIONS];

_Noreturn void stack_fail(const char *what)
{
    fprintf(stderr, "net: %s\n", what);
    abort();
}

uint64_t model_ticks(void)
{
    return world_now_ns += TICK_NS;
}

void world_signal(uint64_t bits)
{
    signals |= bits;
}

/* ---- the driver ---------------------------------------------------------------------------------------------- */

static uint32_t empty_tail, send_tail, received_head, sent_head, kept[PACKET_SLOTS], kept_count;

static uint8_t *in_region(uint32_t offset, uint32_t bytes)
{
    if (offset < PACKET_DATA_OFFSET || offset > PACKET_REGION_BYTES || bytes > PACKET_REGION_BYTES - offset)
        stack_fail("the driver is given what is not packets' memory");
    return region + offset;
}

static void generation_next(void)
{
    empty_tail = world_region->empty_index.head;
    send_tail = world_region->send_index.head;
    kept_count = 0;
    world_region->generation++;
    world_signal(PROCESS_SIGNAL_DEVICE);
}

void world_driver_restart(void)
{
    generation_next();
}

void world_link(bool is_up)
{
    uint32_t flags = host_mode & HOST_NO_CHECKSUMS ? PACKET_SENDS_CHECKSUMS : 0;
    world_region->flags = flags | (is_up ? PACKET_LINK_UP : 0);
    world_signal(PROCESS_SIGNAL_DEVICE);
}

static void part_receive(const uint8_t *part, uint32_t bytes, uint32_t flags, bool is_first)
{
    struct packet_empty empty = world_region->empty[empty_tail++ % PACKET_SLOTS];
    uint32_t head = is_first ? PACKET_HEADER_BYTES : 0, seen = is_first ? bytes + 1 : bytes;
    uint8_t *place = in_region(empty.offset, PACKET_BUFFER_BYTES);
    __asan_poison_memory_region(place, PACKET_BUFFER_BYTES);
    __asan_unpoison_memory_region(place, head + (is_first && bytes < HEAD_BYTES ? HEAD_BYTES : seen));
    memcpy(place + head, part, bytes);
    world_region->received[received_head % PACKET_SLOTS] =
        (struct packet_received){empty.tag, (uint16_t)bytes, (uint16_t)flags};
    world_region->received_index.head = ++received_head;
}

bool world_receive(const uint8_t *frame, uint32_t bytes, uint32_t flags, uint32_t part_bytes)
{
    uint32_t size = part_bytes ? part_bytes : bytes, parts = (bytes + size - 1) / size;
    while (empty_tail != world_region->empty_index.head &&
           world_region->empty[empty_tail % PACKET_SLOTS].generation != world_region->generation)
        empty_tail++;
    if (world_region->empty_index.head - empty_tail < parts)
        return false;
    for (uint32_t at = 0; at < bytes; at += size) {
        uint32_t rest = bytes - at;
        part_receive(frame + at, rest < size ? rest : size, flags | (rest > size ? PACKET_MORE : 0), at == 0);
    }
    world_signal(PROCESS_SIGNAL_DEVICE);
    return true;
}

void world_sent_return(void)
{
    for (uint32_t i = 0; i < kept_count; i++) {
        world_region->sent[sent_head % PACKET_SLOTS] = kept[i];
        world_region->sent_index.head = ++sent_head;
    }
    if (kept_count > 0)
        world_signal(PROCESS_SIGNAL_DEVICE);
    kept_count = 0;
}

/* Frames that the server has given; the card reads them now. */
static void sent_take(void)
{
    static uint8_t frame[8 * 65536];
    struct packet_send first = {0};
    uint32_t bytes = 0, parts = 0, head = world_region->send_index.head;
    if (head - send_tail > PACKET_IN_FLIGHT)
        stack_fail("more is to be sent than may be under way");
    while (send_tail != head) {
        struct packet_send part = world_region->send[send_tail++ % PACKET_SLOTS];
        if (part.flags & PACKET_ATTACH) {
            generation_next();
            return;
        }
        if (part.generation != world_region->generation)
            continue;
        if (parts++ == 0)
            first = part;
        if (parts > PACKET_PARTS || part.bytes == 0)
            stack_fail("a frame of too many pieces, or an empty one");
        memcpy(frame + bytes, in_region(part.offset, part.bytes), part.bytes);
        bytes += part.bytes;
        if (part.flags & PACKET_MORE)
            continue;
        if (kept_count < PACKET_SLOTS)
            kept[kept_count++] = part.tag;
        host_frame(frame, bytes, &first);
        bytes = parts = 0;
    }
    if (!world_keeps_sent)
        world_sent_return();
}

/* ---- streams ------------------------------------------------------------------------------------------------- */

static const struct world_client *client_of(uint64_t badge)
{
    for (uint32_t i = 0; i < CLIENTS; i++)
        if (world_clients[i].badge == badge && world_clients[i].is_alive)
            return &world_clients[i];
    return NULL;
}

static uint32_t session_with_room(uint64_t badge)
{
    uint32_t unused = SESSIONS;
    for (uint32_t i = SESSIONS; i-- > 0;) {
        if (sessions[i].control && sessions[i].badge == badge && sessions[i].streams < SESSION_STREAMS)
            return i;
        if (!sessions[i].control)
            unused = i;
    }
    return unused;
}

static uint32_t stream_make(struct message *m)
{
    uint32_t n = session_with_room(m->words[0]), index = 0, of = 0;
    while (of < STREAMS && world_streams[of].is_open)
        of++;
    if (n < SESSIONS && !sessions[n].control && m->words[1] != 1)
        return 33; /* EMFILE */
    if (of == STREAMS || n == SESSIONS || (world_streams_refused && world_streams_refused--))
        return 48; /* ENOMEM */
    struct session *session = &sessions[n];
    if (!session->control)
        *session = (struct session){.control = calloc(1, SESSION_CONTROL_BYTES), .badge = m->words[0]};
    while (session->open[index].rings)
        index++;
    memset(session->control->lines[index], 0, sizeof(session->control->lines[index]));
    session->open[index].rings = calloc(1, STREAM_FRAME_BYTES);
    session->open[index].of = of;
    session->streams++;
    world_streams[of] = (struct world_stream){.is_open = true, .session = n};
    stream_open(&world_streams[of].side, session->control, index, 0, session->open[index].rings, STREAM_RING_BYTES);
    world_streams[of].side.follows = true;
    struct process_stream both[2];
    for (uint32_t side = 0; side < 2; side++)
        both[side] = (struct process_stream){n,
                                             1 - side,
                                             index,
                                             (uintptr_t)session->control,
                                             (uintptr_t)session->open[index].rings,
                                             STREAM_RING_BYTES,
                                             side == 0 ? 1000 + n : of};
    message_put(m, 0, both, sizeof(both));
    return 0;
}

/* A session is there as long as its client is, or a stream of it. */
static void session_part(struct session *session)
{
    if (!session->control || session->streams > 0 || client_of(session->badge))
        return;
    free(session->control);
    session->control = NULL;
}

static uint32_t stream_end(const struct message *m)
{
    struct session *session = m->words[0] < SESSIONS ? &sessions[m->words[0]] : NULL;
    if (!session || !session->control || m->words[1] >= SESSION_STREAMS || !session->open[m->words[1]].rings)
        stack_fail("a stream is closed that is not there");
    free(session->open[m->words[1]].rings);
    free(session->open[m->words[1]].larger);
    session->open[m->words[1]].rings = session->open[m->words[1]].larger = NULL;
    world_streams[session->open[m->words[1]].of].is_open = false;
    session->streams--;
    session_part(session);
    return 0;
}

/* A larger ring of what the server writes; the one before is gone. */
static uint32_t stream_larger(struct message *m)
{
    struct session *session = m->words[0] < SESSIONS ? &sessions[m->words[0]] : NULL;
    uint32_t index = (uint32_t)m->words[1];
    uint64_t bytes = m->words[2];
    if (!session || !session->control || m->words[1] >= SESSION_STREAMS || !session->open[index].rings)
        stack_fail("a stream grows that is not there");
    if (bytes < STREAM_RING_LEAST || bytes > STREAM_RING_MOST || (bytes & (bytes - 1)))
        stack_fail("a ring grows to what it cannot have");
    if (world_streams_refused && world_streams_refused--)
        return 48; /* ENOMEM */
    free(session->open[index].larger);
    session->open[index].larger = calloc(1, bytes);
    session->open[index].larger_bytes = (uint32_t)bytes;
    m->words[0] = (uintptr_t)session->open[index].larger;
    return 0;
}

void world_stream_follow(struct world_stream *stream)
{
    const struct session *session = &sessions[stream->session];
    uint32_t index = stream->side.index;
    if (stream_has_grown(&stream->side))
        stream_follow(&stream->side, session->open[index].larger, session->open[index].larger_bytes);
}

static void streams_reset(void)
{
    for (uint32_t i = 0; i < SESSIONS; i++) {
        for (uint32_t n = 0; n < SESSION_STREAMS; n++) {
            free(sessions[i].open[n].rings);
            free(sessions[i].open[n].larger);
        }
        free(sessions[i].control);
        sessions[i] = (struct session){0};
    }
    memset(world_streams, 0, sizeof(world_streams));
    world_streams_refused = 0;
}

void world_stream_tell(const struct world_stream *stream)
{
    struct session *session = &sessions[stream->session];
    atomic_fetch_or(&session->control->ready[1].words[0], 1ul << stream->side.index);
    atomic_fetch_or(&session->control->ready[1].summary, 1ul);
    world_signal(1ul << (PROCESS_SIGNAL_SESSIONS + stream->session % PROCESS_SIGNAL_SERVER_SESSIONS));
}

void world_client_kill(uint32_t client)
{
    for (uint32_t i = 0; i < STREAMS; i++) {
        struct world_stream *stream = &world_streams[i];
        if (stream->is_open && sessions[stream->session].badge == world_clients[client].badge)
            stream->side.own->closed |= STREAM_CLOSED_READ | STREAM_CLOSED_WRITE | STREAM_CLOSED_DIED;
    }
    world_clients[client].is_alive = false;
    for (uint32_t i = 0; i < SESSIONS; i++)
        session_part(&sessions[i]);
    world_signal(PROCESS_SIGNAL_EVENT);
}

/* ---- the process server -------------------------------------------------------------------------------------- */

/* The first program may all, the second some, the third nothing. */
static uint32_t grant_tell(struct message *m)
{
    static const struct {
        enum process_net kind;
        const char *text;
    } grants[2][5] = {{{PROCESS_NET_LISTEN, "tcp:*"},
                       {PROCESS_NET_LISTEN, "udp:*"},
                       {PROCESS_NET_CONNECT, "tcp:*"},
                       {PROCESS_NET_RESOLVE, ""},
                       {PROCESS_NET_CONNECT, "udp:*"}},
                      {{PROCESS_NET_LISTEN, "udp:1-2000"},
                       {PROCESS_NET_CONNECT, "tcp:*.example:80"},
                       {PROCESS_NET_CONNECT, "udp:10.0.2.2:*"},
                       {PROCESS_NET_RESOLVE, ""},
                       {PROCESS_NET_LISTEN, "tcp:100-110"}}};
    const struct world_client *client = client_of(m->words[0]);
    uint64_t n = m->words[1], which = client ? (uint64_t)(client - world_clients) : 2;
    if (which >= 2 || n >= sizeof(grants[0]) / sizeof(grants[0][0]))
        return 8; /* EBADF */
    m->words[0] = grants[which][n].kind;
    m->words[1] = strlen(grants[which][n].text);
    message_put(m, 2, grants[which][n].text, m->words[1]);
    return 0;
}

static uint32_t party_tell(struct message *m)
{
    const struct world_client *client = client_of(m->words[0]);
    if (!client)
        return 28; /* EINVAL */
    m->words[0] = (uint64_t)(client - world_clients);
    m->words[1] = CLIENTS | (m->words[0] == 1 ? 20ul << 32 : 0); /* the second has 2 % of the time */
    m->words[2] = 7;
    message_put(m, 3, "program", 7);
    return 0;
}

/* An IPv6 address in it is in the form that the C library makes, RFC 5952's, but for those with an IPv4 address in it.
 */
static void refused_check(const struct message *m)
{
    char text[512], again[INET6_ADDRSTRLEN];
    struct in6_addr address;
    message_get(m, 3, text, m->words[2] < sizeof(text) ? m->words[2] : 0);
    text[m->words[2]] = 0;
    char *host = strchr(text, '['), *host_end = strchr(text, ']');
    if (m->words[1] == PROCESS_NET_RESOLVE || !host)
        return;
    *host_end = 0;
    if (inet_pton(AF_INET6, host + 1, &address) != 1)
        stack_fail("what was refused is no address");
    if (!strchr(inet_ntop(AF_INET6, &address, again, sizeof(again)), '.') && strcmp(again, host + 1) != 0)
        stack_fail("an address is written in another form than usual");
}

static uint32_t process_answer(struct message *m)
{
    struct process_card card = {(uintptr_t)region, CAP_DRIVER};
    switch (message_info_label(m->info)) {
    case PROCESS_DEVICE_OPEN:
        message_put(m, 0, &card, sizeof(card));
        return 0;
    case PROCESS_SERVICE_LISTEN:
        m->words[0] = CAP_ENDPOINT;
        m->words[1] = CAP_REPLY;
        return 0;
    case PROCESS_TIMER:
        return 0;
    case PROCESS_NET_REFUSED:
        refused_check(m);
        return 0;
    case PROCESS_SERVICE_WINDOW:
        return client_of(m->words[0]) ? 0 : 28; /* EINVAL */
    case PROCESS_SERVICE_PARTY:
        return party_tell(m);
    case PROCESS_NET_GRANT:
        return grant_tell(m);
    case PROCESS_STREAM_MAKE:
        return client_of(m->words[0]) ? stream_make(m) : 28;
    case PROCESS_STREAM_CLOSE:
        return stream_end(m);
    case PROCESS_STREAM_GROW:
        return stream_larger(m);
    default:
        stack_fail("the process server knows no such call");
    }
}

static void console_answer(const struct message *m)
{
    char text[CONSOLE_WRITE_BYTES];
    size_t bytes = m->words[0] & UINT32_MAX;
    message_get(m, 1, text, bytes);
    if (memmem(text, bytes, "net: lost: ", 11))
        stack_fail("by its own books the server has lost something");
    if (getenv("NET_STACK_LOG"))
        fprintf(stderr, "%.*s", (int)bytes, text);
}

static enum error call(word destination, struct message *m)
{
    switch ((cptr)destination) {
    case PROCESS_CAP_SERVER:
        m->info = message_info(process_answer(m), 0, 0);
        break;
    case PROCESS_CAP_CONSOLE:
        console_answer(m);
        break;
    case PROCESS_CAP_TIMER:
        timer_ns = m->words[0];
        m->info = 0;
        break;
    default:
        stack_fail("a call of what it does not hold");
    }
    return ERROR_NONE;
}

/* ---- what comes in ------------------------------------------------------------------------------------------- */

/* True: a request; else the notification's bits are in *badge. */
static bool event_wait(bool takes_requests, struct message *m, word *badge)
{
    for (uint32_t turn = 0;; turn++) {
        sent_take();
        if (timer_ns && world_now_ns >= timer_ns) {
            timer_ns = 0;
            world_signal(PROCESS_SIGNAL_TIMER);
        }
        if (signals) {
            *badge = signals;
            signals = 0;
            return false;
        }
        if (steps_next(takes_requests ? m : NULL, badge))
            return true;
        if (turn == IDLE_TURN)
            stack_fail("nothing happens any more");
    }
}

static enum error receive(word *destination, struct message *m)
{
    if (!is_serving) {
        is_serving = true;
    } else if (is_asked) {
        request_answered(m);
    }
    is_asked = event_wait(true, m, destination);
    return ERROR_NONE;
}

enum error syscall_trap(enum syscall number, word *destination, struct message *m)
{
    world_now_ns += TICK_NS;
    switch (number) {
    case SYSCALL_CALL:
        return call(*destination, m);
    case SYSCALL_SEND: /* a signal: of the driver, or of a program, which looks at its streams all the time */
        return ERROR_NONE;
    case SYSCALL_WAIT:
        (void)event_wait(false, m, destination);
        return ERROR_NONE;
    case SYSCALL_RECV:
    case SYSCALL_REPLY_RECV:
        return receive(destination, m);
    default:
        stack_fail("a system call that it has no use for");
    }
}

_Noreturn void program_exit(int status)
{
    if (status != 0)
        stack_fail("the server gives up");
    longjmp(end, 1);
}

/* ---- lives --------------------------------------------------------------------------------------------------- */

static struct {
    volatile uint64_t *from;
    uint64_t *kept, words;
} data;

/* The data of the server's object, but for what the loader has protected. */
static int data_find(struct dl_phdr_info *info, size_t bytes, void *unused)
{
    uintptr_t first = 0, last = 0, fixed = 0;
    (void)bytes, (void)unused;
    if (!strstr(info->dlpi_name, "libnet-stack"))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_LOAD && (part->p_flags & PF_W)) {
            first = begin;
            last = begin + part->p_memsz;
        }
        if (part->p_type == PT_GNU_RELRO)
            fixed = (begin + part->p_memsz + 4095) & ~4095ul;
    }
    first = fixed > first ? fixed : (first + 7) & ~7ul;
    data.from = (volatile uint64_t *)first;
    data.words = (last - first) / 8;
    return 1;
}

/* Past the sanitizer: there are gaps between variables. */
__attribute__((no_sanitize("address"))) static void data_restore(void)
{
    bool is_first = !data.kept;
    if (is_first) {
        (void)dl_iterate_phdr(data_find, NULL);
        data.kept = malloc(data.words * 8);
    }
    for (uint64_t i = 0; i < data.words; i++)
        if (is_first)
            data.kept[i] = data.from[i];
        else
            data.from[i] = data.kept[i];
}

void world_reset(void)
{
    data_restore();
    memset(region, 0, PACKET_DATA_OFFSET);
    streams_reset();
    memory_reset();
    server_set_buffer(&buffer);
    page = (struct start_page){.timer_hz = 1000000000,
                               .timer_multiplier = 1ul << 32,
                               .timer_shift = 32,
                               .flags = START_SEED_VALID,
                               .start_ticks = 1};
    memset(page.seed, 7, sizeof(page.seed));
    for (uint32_t i = 0; i < CLIENTS; i++)
        world_clients[i] = (struct world_client){.badge = 1 + i, .is_alive = true};
    world_now_ns = 1000000000;
    signals = timer_ns = 0;
    is_serving = is_asked = world_keeps_sent = false;
    empty_tail = send_tail = received_head = sent_head = kept_count = 0;
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
    memcpy(world_region->mac, mac, sizeof(mac));
    world_region->mtu = 1500;
    world_link(true);
    world_region->generation = 1;
}

void world_run(void)
{
    if (setjmp(end) == 0)
        (void)program_main(&page);
}
