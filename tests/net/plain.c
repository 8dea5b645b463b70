/* A server for tests/net/net.py that knows preview 1 only: its listener is there from the start. It sends back what
 * each of two clients says, in capitals, and shuts that direction down; then it is told of the client's end. */
#include <ctype.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTENER 3 /* behind the standard streams: there are no preopened directories */

int main(void)
{
    char data[64], peeked[64];
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("plain: listening\n");
    for (int n = 0; n < 2; n++) {
        struct pollfd polled = {.fd = LISTENER, .events = POLLIN};
        if (poll(&polled, 1, 20000) != 1)
            return 1;
        int fd = accept(LISTENER, NULL, NULL);
        if (fd < 0)
            return 2;
        ssize_t seen = recv(fd, peeked, sizeof(peeked), MSG_PEEK), got = recv(fd, data, sizeof(data), 0);
        if (got <= 0 || seen != got || memcmp(peeked, data, (size_t)got) != 0)
            return 3;
        for (ssize_t i = 0; i < got; i++)
            data[i] = (char)toupper(data[i]);
        if (send(fd, data, (size_t)got, 0) != got || shutdown(fd, SHUT_WR))
            return 4;
        if (recv(fd, data, sizeof(data), 0) != 0)
            return 5;
        close(fd);
    }
    int fd = accept(LISTENER + 1, NULL, NULL);
    printf("plain: %s\n", fd < 0 ? "no second listener: port 81 is not granted" : "a second one");
    return fd >= 0;
}
