/* The broker as a program: serves MQTT 3.1.1 on a channel, on a TCP port, or on both.
 *
 *     broker [--channel NAME] [--tcp PORT] [--exit-when-idle MS]
 *
 * Without both it is the channel "mqtt".
 * With --exit-when-idle it ends, with its counters and exit status 0, when the last client has been gone for so
 * long; otherwise it serves until it is killed.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <tessera.h>

#include "demos/lib/poller.h"
#include "loop.h"

static void log_closed(struct mqtt_text client_id, const char *what)
{
    bool is_made = client_id.len == 0 || client_id.bytes[0] == 0;
    printf("broker: closed '%.*s': %s\n", is_made ? 0 : (int)client_id.len, (const char *)client_id.bytes, what);
}

static void log_slow(struct mqtt_text client_id)
{
    bool is_made = client_id.len == 0 || client_id.bytes[0] == 0;
    printf("broker: '%.*s' does not read: what its queue has no room for is dropped\n",
           is_made ? 0 : (int)client_id.len, (const char *)client_id.bytes);
}

static void print_stats(const struct broker_stats *stats)
{
    printf("broker: %llu connections (%llu refused, %llu closed for an error, %llu timed out, %llu taken over), %llu "
           "wills\n",
           (unsigned long long)stats->accepted, (unsigned long long)stats->refused,
           (unsigned long long)stats->closed_for_error, (unsigned long long)stats->timed_out,
           (unsigned long long)stats->taken_over, (unsigned long long)stats->wills);
    printf("broker: %llu messages in, %llu out, %llu dropped\n", (unsigned long long)stats->publishes_in,
           (unsigned long long)stats->publishes_out, (unsigned long long)stats->dropped);
}

/* A listening descriptor, or -1; *error says why. */
static int channel_listen(const char *channel, int *error)
{
    uint32_t listener;
    *error = tessera_channel_listen(channel, (uint32_t)strlen(channel), &listener);
    return *error ? -1 : (int)listener;
}

/* For IPv6 and IPv4. */
static int tcp_listen(uint16_t port, int *error)
{
    struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int fd = socket(AF_INET6, SOCK_STREAM, 0), one = 1;
    bool is_open = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
                   bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0 && listen(fd, 128) == 0;
    *error = is_open ? 0 : errno;
    return is_open ? fd : -1;
}

static int serve(const char *channel, uint16_t port, uint64_t exit_idle_ns)
{
    static struct broker broker;
    int listeners[2], error;
    size_t count = 0;
    if (!broker_init(&broker, &broker_default_limits)) {
        printf("broker: no memory\n");
        return 1;
    }
    broker.log = log_closed;
    broker.log_slow = log_slow;
    if (channel && (listeners[count++] = channel_listen(channel, &error)) < 0) {
        printf("broker: serve channel '%s': errno %d\n", channel, error);
        return 1;
    }
    if (port && (listeners[count++] = tcp_listen(port, &error)) < 0) {
        printf("broker: listen on TCP port %u: %s\n", port, strerror(error));
        return 1;
    }
    if (port)
        printf("broker: listening on TCP port %u\n", port);
    error = loop_run(&broker, listeners, count, exit_idle_ns);
    if (error != 0)
        printf("broker: poll: errno %d\n", error);
    print_stats(&broker.stats);
    broker_destroy(&broker);
    return error == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *channel = NULL;
    uint16_t port = 0;
    uint64_t exit_idle_ns = POLLER_FOREVER;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--channel") == 0 && i + 1 < argc) {
            channel = argv[++i];
        } else if (strcmp(argv[i], "--tcp") == 0 && i + 1 < argc) {
            port = (uint16_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--exit-when-idle") == 0 && i + 1 < argc) {
            exit_idle_ns = strtoull(argv[++i], NULL, 10) * 1000000;
        } else {
            printf("usage: broker [--channel NAME] [--tcp PORT] [--exit-when-idle MS]\n");
            return 2;
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    return serve(channel || port ? channel : "mqtt", port, exit_idle_ns);
}
