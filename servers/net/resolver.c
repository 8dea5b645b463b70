/* Names: a stream of questions and answers, one at a time. */
#include "net.h"
#include "lwip/dns.h"
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

static void on_found(const char *name, const ip_addr_t *address, void *argument)
{
    struct socket *socket = socket_of((uint64_t)(uintptr_t)argument); /* it may be gone */
    if (!socket || !socket->has_stream)
        return;
    if (address)
        client_name_note(socket->client, name, address);
    answer(socket, address, address ? NET_OK : NET_ENOENT);
    socket_queue(socket);
}

static void question(struct socket *socket, const struct net_question *asked, const char *name)
{
    ip_addr_t address, literal;
    uint8_t type = asked->family == NET_FAMILY_4   ? LWIP_DNS_ADDRTYPE_IPV4
                   : asked->family == NET_FAMILY_6 ? LWIP_DNS_ADDRTYPE_IPV6
                                                   : LWIP_DNS_ADDRTYPE_IPV4_IPV6;
    if (!client_may_resolve(socket->client, name, asked->bytes)) {
        answer(socket, NULL, NET_ENOTCAPABLE);
        return;
    }
    if (!net_name_is_good(name, asked->bytes)) {
        answer(socket, NULL, NET_ENOENT);
        return;
    }
    switch (dns_gethostbyname_addrtype(name, &address, on_found, (void *)(uintptr_t)socket->number, type)) {
    case ERR_OK:
        if (!ipaddr_aton(name,
                         &literal)) /* an address stands for itself, whatever comes behind it, and not for a name */
            client_name_note(socket->client, name, &address);
        answer(socket, &address, NET_OK);
        break;
    case ERR_INPROGRESS:
        break;
    case ERR_VAL: /* there is no server to ask */
        answer(socket, NULL, NET_EAGAIN);
        break;
    default:
        answer(socket, NULL, NET_ENOENT);
    }
}

void resolver_advance(struct socket *socket)
{
    struct net_question asked;
    char name[NET_NAME_MAX + 1];
    bool signal = false;
    (void)stream_ask_data(&socket->stream);
    while (stream_readable(&socket->stream) >= sizeof(asked)) {
        (void)stream_peek(&socket->stream, &asked, sizeof(asked));
        if (asked.bytes == 0 || asked.bytes > NET_NAME_MAX) {
            socket_close(socket);
            return;
        }
        if (stream_readable(&socket->stream) < sizeof(asked) + asked.bytes)
            break;
        stream_skip(&socket->stream, sizeof(asked), &signal);
        (void)stream_read(&socket->stream, name, asked.bytes, &signal);
        name[asked.bytes] = 0;
        question(socket, &asked, name);
    }
    if (signal)
        socket_signal(socket);
    if (stream_at_end(&socket->stream))
        socket_close(socket);
}
