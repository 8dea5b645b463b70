/* Names: a stream of questions and answers, one at a time. */
#include "net.h"
#include "lwip/dns.h"
#include "tessera/share.h"
#include "tessera/text.h"

static void answer(struct socket *socket, const ip_addr_t *address, uint32_t error)
{
    struct net_answer head = {error, address ? 1 : 0};
    struct net_address record;
    bool signal = false;
    (void)stream_write(&socket->stream, &head, sizeof(head), &signal);
    if (address) {
        address_write(address, 0, &record);
        (void)stream_write(&socket->stream, &record, sizeof(record), &signal);
    }
    if (signal)
        socket_signal(socket);
}

/* What lwIP is asking a name server for: there is one for each that may be. */
static struct asked {
    uint64_t socket; /* its number; 0: free */
    uint32_t party;
} asked[DNS_TABLE_SIZE];

static struct asked *asked_make(const struct socket *socket)
{
    struct asked *unused = asked;
    if (!net_share(socket->client->party, SHARE_LOOKUPS))
        return NULL;
    while (unused->socket)
        unused++;
    *unused = (struct asked){socket->number, socket->client->party};
    return unused;
}

static void asked_end(struct asked *name)
{
    share_give(name->party, SHARE_LOOKUPS);
    name->socket = 0;
}

static void on_found(const char *name, const ip_addr_t *address, void *argument)
{
    struct asked *which = argument;
    struct socket *socket = socket_of(which->socket); /* it may be gone */
    asked_end(which);
    if (!socket || !socket->has_stream)
        return;
    if (address)
        client_name_note(socket->client, name, address);
    answer(socket, address, address ? NET_OK : NET_ENOENT);
    socket_queue(socket);
}

static void question(struct socket *socket, const struct net_question *wanted, const char *name)
{
    ip_addr_t address, literal;
    uint8_t type = wanted->family == NET_FAMILY_4   ? LWIP_DNS_ADDRTYPE_IPV4
                   : wanted->family == NET_FAMILY_6 ? LWIP_DNS_ADDRTYPE_IPV6
                                                    : LWIP_DNS_ADDRTYPE_IPV4_IPV6;
    if (!client_may_resolve(socket->client, name, wanted->bytes)) {
        answer(socket, NULL, NET_ENOTCAPABLE);
        return;
    }
    if (!net_name_is_good(name, wanted->bytes)) {
        answer(socket, NULL, NET_ENOENT);
        return;
    }
    struct asked *which = asked_make(socket);
    if (!which) {
        answer(socket, NULL, NET_EAGAIN);
        return;
    }
    err_t error = dns_gethostbyname_addrtype(name, &address, on_found, which, type);
    if (error == ERR_INPROGRESS)
        return;
    asked_end(which);
    switch (error) {
    case ERR_OK:
        if (!ipaddr_aton(name,
                         &literal)) /* an address stands for itself, whatever comes behind it, and not for a name */
            client_name_note(socket->client, name, &address);
        answer(socket, &address, NET_OK);
        break;
    case ERR_VAL: /* there is no server to ask */
    case ERR_MEM:
        answer(socket, NULL, NET_EAGAIN);
        break;
    default:
        answer(socket, NULL, NET_ENOENT);
    }
}

void resolver_advance(struct socket *socket)
{
    struct net_question wanted;
    char name[NET_NAME_MAX + 1];
    bool signal = false;
    (void)stream_ask_data(&socket->stream);
    while (stream_peek(&socket->stream, &wanted, sizeof(wanted)) == sizeof(wanted)) {
        if (wanted.bytes == 0 || wanted.bytes > NET_NAME_MAX) {
            socket_close(socket);
            return;
        }
        if (stream_readable(&socket->stream) < sizeof(wanted) + wanted.bytes)
            break;
        stream_skip(&socket->stream, sizeof(wanted), &signal);
        if (stream_read(&socket->stream, name, wanted.bytes, &signal) < wanted.bytes)
            break; /* the client has taken it back */
        name[wanted.bytes] = 0;
        question(socket, &wanted, name);
    }
    if (signal)
        socket_signal(socket);
    if (stream_at_end(&socket->stream))
        socket_close(socket);
}
