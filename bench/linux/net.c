/* The first program of a Linux that serves what our broker and bench/net/server.c serve: mosquitto and that server, on
 * a virtio network card of QEMU's user network. ci/bench_linux_net.py puts them and the modules beside it.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define FILES 4096

static void address_set(int fd, const char *name, unsigned long request, const char *text)
{
    struct ifreq wanted = {0};
    struct sockaddr_in in = {.sin_family = AF_INET};
    inet_pton(AF_INET, text, &in.sin_addr);
    strncpy(wanted.ifr_name, name, sizeof(wanted.ifr_name) - 1);
    memcpy(&wanted.ifr_addr, &in, sizeof(in));
    require(ioctl(fd, request, &wanted), name);
}

static void interface_up(int fd, const char *name, const char *address, const char *mask)
{
    struct ifreq wanted = {.ifr_flags = IFF_UP | IFF_RUNNING};
    for (int i = 0; i < 100 && if_nametoindex(name) == 0; i++)
        usleep(20000); /* the card is found in the background */
    address_set(fd, name, SIOCSIFADDR, address);
    address_set(fd, name, SIOCSIFNETMASK, mask);
    strncpy(wanted.ifr_name, name, sizeof(wanted.ifr_name) - 1);
    require(ioctl(fd, SIOCSIFFLAGS, &wanted), name);
}

static void program_start(char *const arguments[])
{
    if (fork() == 0) {
        execv(arguments[0], arguments);
        give_up(arguments[0]);
    }
}

int main(void)
{
    char *broker[] = {"/mosquitto", "-c", "/mosquitto.conf", NULL}, *server[] = {"/server", NULL};
    struct rlimit files = {FILES, FILES};
    setvbuf(stdout, NULL, _IOLBF, 0);
    require(mount("dev", "/dev", "devtmpfs", 0, ""), "mounting /dev");
    require(mount("proc", "/proc", "proc", 0, ""), "mounting /proc");
    modules_load();
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    interface_up(fd, "lo", "127.0.0.1", "255.0.0.0");
    interface_up(fd, "eth0", "10.0.2.15", "255.255.255.0");
    close(fd);
    require(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
    program_start(broker);
    program_start(server);
    for (;;) {
        int status;
        pid_t ended = wait(&status);
        require(ended, "wait");
        printf("linux: a program ended with %#x\n", status);
    }
}
