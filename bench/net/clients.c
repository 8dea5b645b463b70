/* What a message through a broker costs: this program is all its clients, in the same machine, over the loopback
 * interface.
 *
 *     clients PORT MESSAGES
 *
 * Each client subscribes to a topic of its own and publishes to it; so many messages as WINDOW are under way at a time.
 * For QoS 0, 1 and 2 and numbers of clients it prints `bench net_mqtt_qosQ_C INSTRUCTIONS`: of broker, stack and
 * clients together, per message. The clock counts instructions (QEMU's -icount). MQTT 3.1.1, sections 2 and 3.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX   100
#define WINDOW        10
#define PAYLOAD_BYTES 64
#define INPUT_BYTES   4096
#define CONNECT_TRIES 1000

enum packet { CONNECT = 1, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK };

struct client {
    int fd;
    char topic[8];
    uint16_t next_id;
    size_t filled;
    uint8_t input[INPUT_BYTES];
};

static struct client clients[CLIENTS_MAX];
static int answered; /* CONNACK, SUBACK */
static int done;     /* messages that came back */

static void fail(const char *what)
{
    fprintf(stderr, "clients: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void send_all(struct client *client, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t sent = send(client->fd, data, bytes, 0);
        if (sent <= 0)
            fail("send");
        data += sent;
        bytes -= (size_t)sent;
    }
}

static void client_connect(struct client *client, int port, int number)
{
    static const uint8_t head[] = {CONNECT << 4, 14, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 2};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1, tries = 0;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *client = (struct client){.fd = -1};
    while (client->fd < 0) { /* the broker may not listen yet */
        client->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (client->fd >= 0 && connect(client->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
            close(client->fd);
            client->fd = -1;
            usleep(10000);
        }
        if (++tries > CONNECT_TRIES)
            fail("connect");
    }
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    snprintf(client->topic, sizeof(client->topic), "t/%04d", number);
    uint8_t packet[sizeof(head) + 2];
    memcpy(packet, head, sizeof(head));
    packet[sizeof(head)] = (uint8_t)('a' + number / 26);
    packet[sizeof(head) + 1] = (uint8_t)('a' + number % 26);
    send_all(client, packet, sizeof(packet));
}

static void client_subscribe(struct client *client, int qos)
{
    uint8_t packet[] = {SUBSCRIBE << 4 | 2, 11, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, (uint8_t)qos};
    memcpy(packet + 6, client->topic, 6);
    send_all(client, packet, sizeof(packet));
}

static void client_publish(struct client *client, int qos)
{
    uint8_t packet[2 + 2 + 6 + 2 + PAYLOAD_BYTES] = {(uint8_t)(PUBLISH << 4 | qos << 1), 0, 0, 6};
    size_t at = 4;
    memcpy(packet + at, client->topic, 6);
    at += 6;
    if (qos > 0) {
        client->next_id = client->next_id == UINT16_MAX ? 1 : client->next_id + 1;
        packet[at++] = (uint8_t)(client->next_id >> 8);
        packet[at++] = (uint8_t)client->next_id;
    }
    memset(packet + at, 'x', PAYLOAD_BYTES);
    at += PAYLOAD_BYTES;
    packet[1] = (uint8_t)(at - 2);
    send_all(client, packet, at);
}

static void acknowledge(struct client *client, enum packet kind, const uint8_t *id)
{
    uint8_t packet[] = {(uint8_t)(kind << 4 | (kind == PUBREL ? 2 : 0)), 2, id[0], id[1]};
    send_all(client, packet, sizeof(packet));
}

static void packet_take(struct client *client, uint8_t first, const uint8_t *body)
{
    int qos = first >> 1 & 3;
    switch (first >> 4) {
    case CONNACK:
    case SUBACK:
        answered++;
        break;
    case PUBLISH:
        if (qos > 0)
            acknowledge(client, qos == 1 ? PUBACK : PUBREC, body + 8);
        done += qos < 2;
        break;
    case PUBREC:
        acknowledge(client, PUBREL, body);
        break;
    case PUBREL:
        acknowledge(client, PUBCOMP, body);
        done++;
        break;
    case PUBACK:
    case PUBCOMP:
        break;
    default:
        fail("a packet that no broker sends");
    }
}

/* All packets here are shorter than 128 bytes: their length is one byte. */
static void client_receive(struct client *client)
{
    ssize_t got = recv(client->fd, client->input + client->filled, sizeof(client->input) - client->filled, 0);
    if (got <= 0)
        fail("receive");
    client->filled += (size_t)got;
    size_t at = 0;
    while (client->filled - at >= 2 && client->filled - at >= 2u + client->input[at + 1]) {
        packet_take(client, client->input[at], client->input + at + 2);
        at += 2u + client->input[at + 1];
    }
    memmove(client->input, client->input + at, client->filled - at);
    client->filled -= at;
}

static void receive_some(int count)
{
    static struct pollfd polled[CLIENTS_MAX];
    for (int i = 0; i < count; i++)
        polled[i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
    if (poll(polled, (nfds_t)count, -1) < 0)
        fail("poll");
    for (int i = 0; i < count; i++)
        if (polled[i].revents)
            client_receive(&clients[i]);
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void messages_move(int count, int qos, int messages)
{
    int sent = 0;
    for (done = 0; done < messages;) {
        for (; sent < messages && sent - done < WINDOW; sent++)
            client_publish(&clients[sent % count], qos);
        receive_some(count);
    }
}

static void measure(int port, int count, int qos, int messages)
{
    for (int i = 0; i < count; i++)
        client_connect(&clients[i], port, i);
    for (answered = 0; answered < count;)
        receive_some(count);
    for (int i = 0; i < count; i++)
        client_subscribe(&clients[i], qos);
    for (answered = 0; answered < count;)
        receive_some(count);
    messages_move(count, qos, messages / 10); /* everything is in its place then */
    uint64_t begin = now();
    messages_move(count, qos, messages);
    printf("bench net_mqtt_qos%d_%d %llu\n", qos, count, (unsigned long long)((now() - begin) / (uint64_t)messages));
    fflush(stdout);
    for (int i = 0; i < count; i++)
        close(clients[i].fd);
}

int main(int argc, char **argv)
{
    static const int counts[] = {1, 10, 100};
    if (argc != 3 || atoi(argv[1]) < 1 || atoi(argv[2]) < 10) {
        fprintf(stderr, "usage: clients PORT MESSAGES\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        for (int qos = 0; qos <= 2; qos++)
            measure(atoi(argv[1]), counts[i], qos, atoi(argv[2]));
    return 0;
}
