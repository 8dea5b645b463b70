/* The other neighbour: sends back what it receives until the connection ends. */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <tessera.h>

int main(void)
{
    static char bytes[16384];
    unsigned long long total = 0;
    uint32_t listener;
    ssize_t got;
    if (tessera_channel_listen("neighbour", 9, &listener) != 0) {
        printf("pong: cannot serve\n");
        return 1;
    }
    int connection = accept((int)listener, NULL, NULL);
    while ((got = read(connection, bytes, sizeof(bytes))) > 0) {
        for (ssize_t at = 0, put; at < got; at += put) {
            put = write(connection, bytes + at, (size_t)(got - at));
            if (put <= 0) {
                printf("pong: lost ping\n");
                return 1;
            }
        }
        total += (unsigned long long)got;
    }
    printf("pong: %llu bytes sent back\n", total);
    return got == 0 && total > 0 ? 0 : 1;
}
