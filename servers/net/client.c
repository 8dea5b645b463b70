/* Clients: what they may, which names they know addresses by, and the sessions that carry their streams. */
#include "net.h"
#include "lwip/ip.h"
#include "lwip/tcp.h"
#include "tessera/heap.h"
#include "tessera/server.h"
#include "tessera/share.h"
#include "tessera/text.h"

static struct client clients[CLIENTS];

static struct session {
    struct session_control *control; /* NULL: no stream of it is open here */
    uint8_t side;
    uint32_t party;
    cptr signal;
    uint32_t streams;
    struct socket *sockets[SESSION_STREAMS];
} sessions[SESSIONS];
static uint32_t sessions_end;           /* none was opened from here on */
static uint64_t wanting[SESSIONS / 64]; /* a bit for each session that is to be signalled */

/* ---- what parties share -------------------------------------------------------------------------------------- */

/* A broker is to have a thousand connections, whoever else runs. */
static const struct share_kind kinds[SHARE_KINDS] = {
    [SHARE_CLIENTS] = {"clients", CLIENTS, CLIENTS / 2},
    [SHARE_SOCKETS] = {"sockets", SOCKETS, SOCKETS / 4},
    [SHARE_CONNECTIONS] = {"connections", MEMP_NUM_TCP_PCB, 96},
    [SHARE_LISTENERS] = {"listeners", MEMP_NUM_TCP_PCB_LISTEN, MEMP_NUM_TCP_PCB_LISTEN / 2},
    [SHARE_DATAGRAMS] = {"datagram sockets", NET_DATAGRAM_SOCKETS, NET_DATAGRAM_SOCKETS / 2},
    [SHARE_LOOKUPS] = {"names that are being resolved", DNS_TABLE_SIZE, DNS_TABLE_SIZE / 2},
    [SHARE_NEIGHBOURS] = {"neighbours that are looked for", NET_NEIGHBOURS_ASKED, NET_NEIGHBOURS_ASKED / 2},
    [SHARE_SESSIONS] = {"sessions", SESSIONS, SESSIONS / 2},
};

void clients_start(void)
{
    shares_set(kinds);
}

bool net_share(uint32_t party, enum net_share kind)
{
    return share_ask("net", party, kind);
}

/* ---- what a client may --------------------------------------------------------------------------------------- */

static bool grant_fetch(struct client *client, uint32_t n)
{
    struct message m = {0, {client->badge, n}};
    if (net_ask(&m, PROCESS_NET_GRANT, 2) || m.words[0] >= PROCESS_NET_COUNT || m.words[1] >= NET_PATTERN_MAX)
        return false;
    struct grant *grant = heap_take(sizeof(*grant));
    if (!grant)
        return false;
    grant->kind = (enum process_net)m.words[0];
    message_get(&m, 2, grant->text, m.words[1]);
    if (grant->kind != PROCESS_NET_RESOLVE && !net_pattern_parse(grant->text, &grant->pattern)) {
        heap_return(grant, sizeof(*grant));
        return false;
    }
    client->grants[client->grant_count++] = grant;
    return true;
}

static void client_close(struct client *client)
{
    sockets_close_all(client);
    for (uint32_t i = 0; i < client->grant_count; i++)
        heap_return(client->grants[i], sizeof(*client->grants[i]));
    for (uint32_t i = 0; i < CLIENT_NAMES; i++)
        if (client->names[i].name)
            heap_return(client->names[i].name, NET_NAME_MAX + 1);
    while (client->session_count-- > 0)
        share_give(client->party, SHARE_SESSIONS);
    share_give(client->party, SHARE_CLIENTS);
    party_leave(client->party);
    *client = (struct client){0};
}

/* How we learn that it is there: the process server knows its badge. */
static bool is_alive(uint64_t badge)
{
    struct message m = {0, {badge}};
    return net_ask(&m, PROCESS_SERVICE_WINDOW, 1) == NET_OK;
}

static uint32_t client_begin(struct client *client, uint64_t badge)
{
    uint32_t party;
    if (!is_alive(badge) || !party_find(badge, &party))
        return NET_ENFILE;
    if (!net_share(party, SHARE_CLIENTS)) {
        party_leave(party);
        return NET_ENFILE;
    }
    *client = (struct client){.badge = badge, .party = party};
    for (uint32_t n = 0; n < CLIENT_GRANTS && grant_fetch(client, n); n++)
        ;
    return NET_OK;
}

uint32_t client_get(uint64_t badge, struct client **client)
{
    *client = NULL;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        if (clients[i].badge == badge) {
            *client = &clients[i];
            return NET_OK;
        }
        if (!clients[i].badge && !*client)
            *client = &clients[i];
    }
    return *client ? client_begin(*client, badge) : NET_ENFILE;
}

void clients_check(void)
{
    for (uint32_t i = 0; i < CLIENTS; i++)
        if (clients[i].badge && !is_alive(clients[i].badge))
            client_close(&clients[i]);
}

static bool is_granted(const struct client *client, enum process_net kind, enum net_kind protocol, const char *host,
                       uint16_t port)
{
    uint32_t length = (uint32_t)text_length(host);
    enum net_protocol named = protocol == NET_KIND_TCP ? NET_TCP : NET_UDP;
    for (uint32_t i = 0; i < client->grant_count; i++)
        if (client->grants[i]->kind == kind &&
            net_pattern_matches(&client->grants[i]->pattern, named, host, length, port))
            return true;
    return false;
}

/* So many of a client's refusals the log may hear of: more would be work for nothing. */
#define REFUSALS_TOLD 64

static void refuse(struct client *client, enum process_net kind, const char *text)
{
    size_t length = text_length(text);
    if (client->refusals_told == REFUSALS_TOLD)
        return;
    client->refusals_told++;
    struct message m = {0, {client->badge, kind, length}};
    message_put(&m, 3, text, length);
    (void)net_ask(&m, PROCESS_NET_REFUSED, 3 + message_words(length));
}

bool client_may(struct client *client, enum process_net kind, enum net_kind protocol, const ip_addr_t *address,
                uint16_t port)
{
    char host[IPADDR_STRLEN_MAX], text[NET_PATTERN_MAX];
    address_text(address, host, sizeof(host));
    if (is_granted(client, kind, protocol, host, port))
        return true;
    for (uint32_t i = 0; kind == PROCESS_NET_CONNECT && i < CLIENT_NAMES; i++)
        if (client->names[i].name && ip_addr_cmp(&client->names[i].address, address) &&
            is_granted(client, kind, protocol, client->names[i].name, port))
            return true;
    (void)text_format(text, sizeof(text), IP_IS_V6(address) ? "%s:[%s]:%u" : "%s:%s:%u",
                      protocol == NET_KIND_TCP ? "tcp" : "udp", host, port);
    refuse(client, kind, text);
    return false;
}

bool client_may_resolve(struct client *client, const char *name, uint32_t length)
{
    char text[NET_NAME_MAX + 1];
    for (uint32_t i = 0; i < client->grant_count; i++)
        if (client->grants[i]->kind == PROCESS_NET_RESOLVE)
            return true;
    (void)text_format(text, sizeof(text), "%.*s", (int)length, name);
    refuse(client, PROCESS_NET_RESOLVE, text);
    return false;
}

/* What other names stand for is said by whoever has the domain: this machine's own programs are not for him to name. */
static bool may_stand_for(const char *name, const ip_addr_t *address)
{
    bool is_of_nobody = ip_addr_isloopback(address) || ip_addr_isany(address) || ip_addr_ismulticast(address);
    return !is_of_nobody || text_equal(name, "localhost");
}

void client_name_note(struct client *client, const char *name, const ip_addr_t *address)
{
    if (!may_stand_for(name, address))
        return;
    for (uint32_t i = 0; i < CLIENT_NAMES; i++)
        if (client->names[i].name && ip_addr_cmp(&client->names[i].address, address) &&
            text_equal(client->names[i].name, name))
            return;
    uint32_t at = client->next_name++ % CLIENT_NAMES;
    if (!client->names[at].name && !(client->names[at].name = heap_take(NET_NAME_MAX + 1)))
        return;
    (void)text_format(client->names[at].name, NET_NAME_MAX + 1, "%s", name);
    client->names[at].address = *address;
}

/* ---- streams ------------------------------------------------------------------------------------------------- */

/* A session that was made stays as long as both processes are. */
static uint32_t stream_make(struct client *client, struct message *m)
{
    *m = (struct message){0, {client->badge, 0}};
    uint32_t error = net_ask(m, PROCESS_STREAM_MAKE, 2);
    if (error != NET_EMFILE)
        return error;
    if (!net_share(client->party, SHARE_SESSIONS))
        return NET_ENOBUFS;
    *m = (struct message){0, {client->badge, 1}};
    error = net_ask(m, PROCESS_STREAM_MAKE, 2);
    if (error)
        share_give(client->party, SHARE_SESSIONS);
    else
        client->session_count++;
    return error;
}

uint32_t socket_stream_open(struct socket *socket, struct process_stream *description)
{
    struct process_stream both[2];
    struct message m;
    uint32_t error = stream_make(socket->client, &m);
    if (error)
        return error;
    message_get(&m, 0, both, sizeof(both));
    const struct process_stream *own = &both[0];
    struct session *session = &sessions[own->session];
    session->control = (struct session_control *)own->session_address;
    session->side = own->side_generation & 1;
    session->signal = (cptr)own->signal_cap;
    session->party = socket->client->party;
    session->streams++;
    if (own->session >= sessions_end)
        sessions_end = (uint32_t)own->session + 1;
    session->sockets[own->stream] = socket;
    stream_open(&socket->stream, session->control, (uint32_t)own->stream, session->side, (void *)own->ring_address,
                (uint32_t)own->ring_bytes);
    socket->session = (uint16_t)own->session;
    socket->has_stream = true;
    *description = both[1];
    return NET_OK;
}

void socket_signal(const struct socket *socket)
{
    wanting[socket->session / 64] |= 1ul << socket->session % 64;
}

void socket_stream_close(struct socket *socket, uint32_t how)
{
    struct session *session = &sessions[socket->session];
    uint32_t index = socket->stream.index;
    if (!socket->has_stream)
        return;
    stream_close(&socket->stream, STREAM_CLOSED_READ | STREAM_CLOSED_WRITE | how);
    /* The session may be gone with its last stream. */
    notification_signal(session->signal);
    socket->has_stream = false;
    session->sockets[index] = NULL;
    if (--session->streams == 0)
        *session = (struct session){0};
    struct message m = {0, {socket->session, index}};
    (void)net_ask(&m, PROCESS_STREAM_CLOSE, 2);
}

/* A program may say so of any stream, at any time: what it says is worth a look at the stream's lines. */
static bool has_news(struct socket *socket)
{
    const struct stream *stream = &socket->stream;
    if (atomic_load_explicit(&stream->peer->closed, memory_order_acquire) || stream->is_broken)
        return true;
    bool is_connection = socket->state == SOCKET_CONNECTED && socket->tcp;
    if (atomic_load_explicit(&stream->peer->head, memory_order_acquire) != stream->tail)
        return !is_connection || tcp_sndbuf(socket->tcp) > 0;
    /* It has read some. */
    return is_connection &&
           stream->head - atomic_load_explicit(&stream->peer->tail, memory_order_acquire) < socket->held;
}

/* What there is no time for stays as if it had not been looked at. */
static void session_drain(struct session *session)
{
    struct session_ready *ready = &session->control->ready[session->side];
    uint64_t bits = session_take_ready(ready);
    for (; bits && session->control; bits &= bits - 1) {
        if (!time_is_left(session->party)) {
            session_put_ready(ready, bits);
            return;
        }
        uint32_t stream = (uint32_t)__builtin_ctzl(bits);
        output_relieve();
        if (stream < SESSION_STREAMS && session->sockets[stream] && has_news(session->sockets[stream]))
            socket_advance(session->sockets[stream]);
    }
}

void socket_look_later(const struct socket *socket)
{
    const struct session *session = &sessions[socket->session];
    session_put_ready(&session->control->ready[session->side], 1ul << socket->stream.index);
}

/* A client's sessions share a bit, and so may several clients'. The process server says in the same way which streams'
 * clients have ended, and then that it has news. */
void sessions_drain(uint64_t signals)
{
    const uint64_t any =
        ((1ul << PROCESS_SIGNAL_SERVER_SESSIONS) - 1) << PROCESS_SIGNAL_SESSIONS | PROCESS_SIGNAL_EVENT;
    for (uint32_t i = 0; (signals & any) && i < sessions_end; i++)
        if (sessions[i].control)
            session_drain(&sessions[i]);
}

void sessions_settle(void)
{
    cptr last = 0; /* a client's sessions have one signal */
    for (uint32_t first = 0; first < SESSIONS; first += 64) {
        uint64_t bits = wanting[first / 64];
        for (wanting[first / 64] = 0; bits; bits &= bits - 1) {
            const struct session *session = &sessions[first + (uint32_t)__builtin_ctzl(bits)];
            if (session->control && session->signal != last)
                notification_signal(last = session->signal);
        }
    }
}
