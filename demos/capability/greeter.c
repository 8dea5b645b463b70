/* Serves everything that the explorer is granted, and also what it is not: the names that it must not reach
 * exist and are served here, so that a refusal means "not granted" and not "nobody there".
 *
 * Greets one connection on channel "greeting"; counts calls to service "greeter" until one with operation 2
 * ends it. Whatever arrives on channel "private" or service "private" makes it fail.
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tessera.h>

#define NAME(text) text, (uint32_t)(sizeof(text) - 1)

int main(void)
{
    static const char greeting[] = "salve\n";
    char request[64];
    uint32_t open_channel, private_channel, greeter, private_service, operation = 0, len;
    uint64_t client;

    if (tessera_channel_listen(NAME("greeting"), &open_channel) != 0 ||
        tessera_channel_listen(NAME("private"), &private_channel) != 0 ||
        tessera_service_listen(NAME("greeter"), &greeter) != 0 ||
        tessera_service_listen(NAME("private"), &private_service) != 0) {
        printf("greeter: cannot serve what it was granted\n");
        return 1;
    }
    int connection = accept((int)open_channel, NULL, NULL);
    if (connection < 0 || write(connection, greeting, strlen(greeting)) != (ssize_t)strlen(greeting)) {
        printf("greeter: no greeting sent\n");
        return 1;
    }
    close(connection);
    while (operation != 2) {
        if (tessera_service_recv(greeter, &operation, &client, request, sizeof(request), &len) != 0 ||
            tessera_service_reply(greeter, 0, request, len) != 0) {
            printf("greeter: service failed\n");
            return 1;
        }
    }
    struct pollfd intruder = {.fd = (int)private_channel, .events = POLLRDNORM};
    if (poll(&intruder, 1, 0) != 0) {
        printf("greeter: somebody reached the private channel\n");
        return 1;
    }
    printf("greeter: nobody reached what was private\n");
    return 0;
}
