/* A server that dies with a stream and a call in flight: it accepts a connection, reads a byte, receives a request,
 * and traps before it answers either.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tessera.h>

static __attribute__((noinline, noreturn)) void die_before_answering(void)
{
    __builtin_trap();
}

int main(void)
{
    uint32_t channel, service, operation, len;
    uint64_t client;
    char byte;
    if (tessera_channel_listen("doomed", 6, &channel) != 0 || tessera_service_listen("doomed", 6, &service) != 0) {
        printf("doomed: cannot serve\n");
        return 1;
    }
    int connection = accept((int)channel, NULL, NULL);
    if (connection < 0 || read(connection, &byte, 1) != 1 ||
        tessera_service_recv(service, &operation, &client, &byte, 1, &len) != 0) {
        printf("doomed: no client\n");
        return 1;
    }
    die_before_answering();
}
