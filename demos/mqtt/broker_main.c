/* The broker as a program: serves MQTT 3.1.1 on a channel.
 *
 *     broker [--channel NAME] [--exit-when-idle MS]
 *
 * With --exit-when-idle it ends, with its counters and exit status 0, when the last client has been gone for so
 * long; otherwise it serves until it is killed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tessera.h>

#include "demos/lib/poller.h"
#include "loop.h"

static void log_closed(struct mqtt_text client_id, const char *what)
{
    bool is_made = client_id.len == 0 || client_id.bytes[0] == 0;
    printf("broker: closed '%.*s': %s\n", is_made ? 0 : (int)client_id.len, (const char *)client_id.bytes, what);
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

static int serve(const char *channel, uint64_t exit_idle_ns)
{
    static struct broker broker;
    uint32_t listener;
    if (!broker_init(&broker, &broker_default_limits)) {
        printf("broker: no memory\n");
        return 1;
    }
    broker.log = log_closed;
    int error = tessera_channel_listen(channel, (uint32_t)strlen(channel), &listener);
    if (error != 0) {
        printf("broker: serve channel '%s': errno %d\n", channel, error);
        return 1;
    }
    int fd = (int)listener;
    error = loop_run(&broker, &fd, 1, exit_idle_ns);
    if (error != 0)
        printf("broker: poll: errno %d\n", error);
    print_stats(&broker.stats);
    broker_destroy(&broker);
    return error == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    const char *channel = "mqtt";
    uint64_t exit_idle_ns = POLLER_FOREVER;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--channel") == 0 && i + 1 < argc) {
            channel = argv[++i];
        } else if (strcmp(argv[i], "--exit-when-idle") == 0 && i + 1 < argc) {
            exit_idle_ns = strtoull(argv[++i], NULL, 10) * 1000000;
        } else {
            printf("usage: broker [--channel NAME] [--exit-when-idle MS]\n");
            return 2;
        }
    }
    return serve(channel, exit_idle_ns);
}
