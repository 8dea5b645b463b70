/* Services: every length of request and reply, whose limits, and a server that dies with a call in flight. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <tessera.h>

#include "demos/lib/check.h"

#define NAME(text) text, (uint32_t)(sizeof(text) - 1)
enum { OP_INVERT = 1, OP_LONG, OP_WHO, OP_STATUS, OP_DROP, OP_DIE, OP_LATE };

static uint8_t request[TESSERA_MESSAGE_MAX + 8], reply[TESSERA_MESSAGE_MAX + 8];

static int serve(void)
{
    uint32_t handle, operation, length;
    uint64_t client;
    if (tessera_service_listen(NAME("invert"), &handle) != 0)
        return 1;
    for (;;) {
        uint32_t status = 0;
        if (tessera_service_recv(handle, &operation, &client, request, TESSERA_MESSAGE_MAX, &length) != 0)
            return 2;
        for (uint32_t i = 0; i < length; i++)
            request[i] = (uint8_t)~request[i];
        if (operation == OP_LONG)
            length = TESSERA_MESSAGE_MAX;
        if (operation == OP_STATUS)
            status = 1000;
        if (operation == OP_DROP)
            continue;
        if (operation == OP_LATE) { /* long enough for this client's deadline */
            struct timespec pause = {0, 80000000};
            nanosleep(&pause, NULL);
            length = TESSERA_MESSAGE_MAX;
        }
        if (operation == OP_DIE)
            __builtin_trap();
        if (operation == OP_WHO) {
            memcpy(request, &client, sizeof(client));
            length = sizeof(client);
        }
        if (tessera_service_reply(handle, status, request, length) != 0 ||
            tessera_service_reply(handle, 0, request, 0) != TESSERA_EINVAL)
            return 3;
    }
}

static unsigned lengths_wrong(uint32_t handle)
{
    unsigned wrong = 0;
    for (uint32_t length = 0; length <= TESSERA_MESSAGE_MAX; length += length < 1000 ? 7 : 61) {
        uint32_t got = 0;
        for (uint32_t i = 0; i < length; i++)
            request[i] = (uint8_t)(i * 7 + length);
        memset(reply, 0, sizeof(reply));
        if (tessera_service_call(handle, OP_INVERT, request, length, reply, sizeof(reply), &got) != 0 || got != length)
            wrong++;
        for (uint32_t i = 0; i < length; i++)
            wrong += reply[i] != (uint8_t) ~(i * 7 + length);
    }
    return wrong;
}

static void pause_for(long milliseconds)
{
    struct timespec pause = {0, milliseconds * 1000000};
    nanosleep(&pause, NULL);
}

static int drive(void)
{
    struct check check = {0};
    uint32_t handle, got = 0;
    uint64_t who = 0, again = 0;
    check_group(&check, "services");
    check_u64(&check, "open", 0, (uint64_t)tessera_service_open(NAME("invert"), &handle));
    check_u64(&check, "wrong bytes over all lengths", 0, lengths_wrong(handle));
    check_u64(&check, "a request too long", TESSERA_EMSGSIZE,
              (uint64_t)tessera_service_call(handle, OP_INVERT, request, TESSERA_MESSAGE_MAX + 1, reply, 8, &got));
    check_u64(&check, "a reply too long", TESSERA_EMSGSIZE,
              (uint64_t)tessera_service_call(handle, OP_LONG, request, 1, reply, 8, &got));
    check_u64(&check, "tells its length", TESSERA_MESSAGE_MAX, got);
    check_u64(&check, "a status of the server's own", 1000,
              (uint64_t)tessera_service_call(handle, OP_STATUS, request, 1, reply, 8, &got));
    check_u64(&check, "who am I", 0, (uint64_t)tessera_service_call(handle, OP_WHO, NULL, 0, &who, 8, &got));
    check_u64(&check, "who am I, again", 0, (uint64_t)tessera_service_call(handle, OP_WHO, NULL, 0, &again, 8, &got));
    check_true(&check, "the same and not 0", who == again && who != 0);
    check_u64(&check, "a pointer outside the memory", TESSERA_EFAULT,
              (uint64_t)tessera_service_call(handle, OP_INVERT, (void *)0xfffffff0u, 64, reply, 8, &got));
    pause_for(200);
    check_u64(&check, "the server outlived a client that died waiting", 0,
              (uint64_t)tessera_service_call(handle, OP_INVERT, request, 4000, reply, sizeof(reply), &got));
    check_u64(&check, "a server that dies before it replies", TESSERA_ECONNABORTED,
              (uint64_t)tessera_service_call(handle, OP_DIE, request, 100, reply, 8, &got));
    check_u64(&check, "a call after its death", TESSERA_ECONNABORTED,
              (uint64_t)tessera_service_call(handle, OP_INVERT, request, 100, reply, 8, &got));
    check_u64(&check, "a long call after its death", TESSERA_ECONNABORTED,
              (uint64_t)tessera_service_call(handle, OP_INVERT, request, 4000, reply, 8, &got));
    check_u64(&check, "opening it after its death", TESSERA_ECONNREFUSED,
              (uint64_t)tessera_service_open(NAME("invert"), &handle));
    return check_finish(&check, "services");
}

/* Dies by its deadline while the server is about to send it a long reply: the server must not notice. */
static int linger(void)
{
    uint32_t handle, got;
    if (tessera_service_open(NAME("invert"), &handle) != 0 ||
        tessera_service_call(handle, OP_INVERT, request, 4000, reply, sizeof(reply), &got) != 0)
        return 1;
    (void)tessera_service_call(handle, OP_LATE, request, 4000, reply, sizeof(reply), &got);
    return 2;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "linger") == 0)
        return linger();
    return argc > 1 && strcmp(argv[1], "server") == 0 ? serve() : drive();
}
