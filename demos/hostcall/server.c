/* A server process: provides the functions of vault.h to every client that holds the service's capability.
 *
 * Who calls is told by the system, never by the message: notes belong to the identity that came with the
 * request. Ends when as many clients as its argument says have sent VAULT_DONE; exit status 0 unless a
 * request could not be received or answered.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tessera.h>

#include "vault.h"

enum { CLIENTS_MAX = 8 };

struct client {
    uint64_t identity; /* 0: free */
    uint32_t calls;
    uint32_t note_len; /* 0: no note */
    uint8_t note[VAULT_NOTE_MAX];
};

struct message {
    uint32_t len;
    uint8_t bytes[TESSERA_MESSAGE_MAX];
};

static struct client clients[CLIENTS_MAX];

/* The record of a client, a new one at its first call; NULL when there is no room. */
static struct client *client_find(uint64_t identity)
{
    for (struct client *client = clients; client < clients + CLIENTS_MAX; client++) {
        if (client->identity == 0)
            client->identity = identity;
        if (client->identity == identity)
            return client;
    }
    return NULL;
}

static uint32_t vault_add(const struct message *request, struct message *reply)
{
    uint64_t terms[2];
    if (request->len != sizeof(terms))
        return VAULT_BAD_REQUEST;
    memcpy(terms, request->bytes, sizeof(terms));
    terms[0] += terms[1];
    reply->len = sizeof(terms[0]);
    memcpy(reply->bytes, terms, reply->len);
    return 0;
}

static uint32_t vault_reverse(const struct message *request, struct message *reply)
{
    for (uint32_t i = 0; i < request->len; i++)
        reply->bytes[i] = request->bytes[request->len - 1 - i];
    reply->len = request->len;
    return 0;
}

static int compare_u32(const void *left, const void *right)
{
    uint32_t a, b;
    memcpy(&a, left, sizeof(a));
    memcpy(&b, right, sizeof(b));
    return (a > b) - (a < b);
}

static uint32_t vault_sort(const struct message *request, struct message *reply)
{
    if (request->len % sizeof(uint32_t) != 0)
        return VAULT_BAD_REQUEST;
    memcpy(reply->bytes, request->bytes, request->len);
    qsort(reply->bytes, request->len / sizeof(uint32_t), sizeof(uint32_t), compare_u32);
    reply->len = request->len;
    return 0;
}

static uint32_t vault_put(struct client *client, const struct message *request)
{
    if (request->len == 0 || request->len > VAULT_NOTE_MAX)
        return VAULT_BAD_REQUEST;
    memcpy(client->note, request->bytes, request->len);
    client->note_len = request->len;
    return 0;
}

static uint32_t vault_get(const struct client *client, struct message *reply)
{
    if (client->note_len == 0)
        return VAULT_NO_NOTE;
    memcpy(reply->bytes, client->note, client->note_len);
    reply->len = client->note_len;
    return 0;
}

static uint32_t vault_get_of(const struct client *client, const struct message *request, struct message *reply)
{
    uint64_t claimed;
    if (request->len != sizeof(claimed))
        return VAULT_BAD_REQUEST;
    memcpy(&claimed, request->bytes, sizeof(claimed));
    return claimed == client->identity ? vault_get(client, reply) : VAULT_NOT_YOURS;
}

static uint32_t vault_serve(struct client *client, uint32_t operation, const struct message *request,
                            struct message *reply)
{
    reply->len = 0;
    if (client == NULL)
        return VAULT_FULL;
    client->calls++;
    switch (operation) {
    case VAULT_ADD:
        return vault_add(request, reply);
    case VAULT_REVERSE:
        return vault_reverse(request, reply);
    case VAULT_SORT:
        return vault_sort(request, reply);
    case VAULT_WHO:
        reply->len = sizeof(client->identity);
        memcpy(reply->bytes, &client->identity, sizeof(client->identity));
        return 0;
    case VAULT_PUT:
        return vault_put(client, request);
    case VAULT_GET:
        return vault_get(client, reply);
    case VAULT_GET_OF:
        return vault_get_of(client, request, reply);
    case VAULT_DONE:
        return 0;
    default:
        return TESSERA_ENOTSUP;
    }
}

/* Serves until `expected` clients are done. Returns the first error of the service itself, 0 if none. */
static int serve(uint32_t handle, unsigned expected)
{
    static struct message request, reply;
    unsigned done = 0;
    while (done < expected) {
        uint32_t operation;
        uint64_t identity;
        int error =
            tessera_service_recv(handle, &operation, &identity, request.bytes, sizeof(request.bytes), &request.len);
        if (error != 0)
            return error;
        uint32_t status = vault_serve(client_find(identity), operation, &request, &reply);
        error = tessera_service_reply(handle, status, reply.bytes, reply.len);
        if (error != 0)
            return error;
        if (operation == VAULT_DONE && status == 0)
            done++;
    }
    return 0;
}

int main(int argc, char **argv)
{
    unsigned expected = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    uint32_t handle;
    int error = tessera_service_listen(VAULT_SERVICE, strlen(VAULT_SERVICE), &handle);
    if (error != 0) {
        printf("server: listen on service '%s': errno %d\n", VAULT_SERVICE, error);
        return 1;
    }
    error = serve(handle, expected);
    if (error != 0) {
        printf("server: errno %d\n", error);
        return 1;
    }
    for (struct client *client = clients; client < clients + CLIENTS_MAX && client->identity != 0; client++)
        printf("server: client %llu made %u calls\n", (unsigned long long)client->identity, (unsigned)client->calls);
    return 0;
}
