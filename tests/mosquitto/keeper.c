/* Runs a program, and kills it and runs it anew whenever somebody connects to a port: for tests/mosquitto/kill.py.
 *
 *     keeper PORT PROGRAM [ARGUMENT ...]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tessera.h"

#define SIGNAL_KILL 9

extern char **environ;

static int fail(const char *what)
{
    printf("keeper: %s: %s\n", what, strerror(errno));
    return 1;
}

static int listener(int port)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 && bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0 && listen(fd, 1) == 0 ? fd : -1;
}

int main(int argc, char **argv)
{
    int orders = argc > 2 ? listener(atoi(argv[1])) : -1, status;
    pid_t child;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (orders < 0)
        return fail("listening");
    for (;;) {
        if ((errno = posix_spawnp(&child, argv[2], NULL, NULL, argv + 2, environ)) != 0)
            return fail(argv[2]);
        int order = accept(orders, NULL, NULL);
        if (order < 0)
            return fail("accepting");
        if (tessera_proc_signal((uint32_t)child, SIGNAL_KILL) != 0 || waitpid(child, &status, 0) != child)
            return fail("killing");
        if (!WIFSIGNALED(status))
            return fail("it was not killed");
        printf("keeper: killed\n");
        close(order);
    }
}
