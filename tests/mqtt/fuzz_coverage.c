/* The broker under libFuzzer, with ASan and UBSan. An input is a list of steps of four clients, each a byte and what it
 * calls for:
 *
 *     bits 0-1  which client        bits 2-3  0, 1: a byte of length, and so many bytes that it sends
 *                                             2: it is gone, and connects anew
 *                                             3: a byte of time that passes, in 100 ms
 *     bit 4     it does not read what it is sent, this time
 *
 *     tests/harness/fuzz.py --fuzzer build/host/tests/mqtt/mqtt-fuzz --corpus tests/mqtt/corpus.bin --seconds 3600
 * --keep
 */
#include <stdlib.h>

#include "demos/mqtt/broker.h"

enum { CLIENTS = 4, ACTION_RENEW = 2, ACTION_TIME = 3, DEAF = 16 };

static struct broker broker;
static struct connection *clients[CLIENTS];
static uint64_t now_ns;

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

static void client_open(unsigned n)
{
    clients[n] = broker_accept(&broker, &clients[n], now_ns);
}

/* Everything that there is to be written is, and who is closed is let go. */
static void drain(unsigned deaf)
{
    for (struct connection *connection; (connection = broker_next_dirty(&broker));) {
        struct connection **own = connection->owner;
        size_t len;
        while (own != &clients[deaf] && (connection_output(connection, &len), len > 0))
            broker_sent(&broker, connection, len, now_ns);
        if (connection->closing) {
            *own = NULL;
            broker_release(&broker, connection);
        }
    }
}

static void client_renew(unsigned n)
{
    if (clients[n])
        broker_peer_closed(&broker, clients[n], now_ns);
    drain(CLIENTS);
    client_open(n);
}

static void step(unsigned n, unsigned action, const uint8_t *data, size_t bytes, uint8_t count)
{
    if (action == ACTION_RENEW) {
        client_renew(n);
    } else if (action == ACTION_TIME) {
        now_ns += count * 100000000ull;
        broker_tick(&broker, now_ns);
    } else {
        if (!clients[n])
            client_open(n);
        if (clients[n] && connection_wants_input(&broker, clients[n]))
            broker_receive(&broker, clients[n], data, bytes, now_ns);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes)
{
    now_ns = 1;
    if (!broker_init(&broker, &broker_default_limits))
        return 0;
    for (unsigned n = 0; n < CLIENTS; n++)
        client_open(n);
    for (size_t at = 0; at < bytes;) {
        unsigned how = input[at++], action = how >> 2 & 3;
        uint8_t count = action != ACTION_RENEW && at < bytes ? input[at++] : 0;
        size_t length = action >= ACTION_RENEW ? 0 : count < bytes - at ? count : bytes - at;
        step(how & 3, action, input + at, length, count);
        at += length;
        drain(how & DEAF ? how & 3 : CLIENTS);
    }
    for (unsigned n = 0; n < CLIENTS; n++)
        if (clients[n])
            broker_peer_closed(&broker, clients[n], now_ns);
    drain(CLIENTS);
    broker_destroy(&broker);
    return 0;
}
