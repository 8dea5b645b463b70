/* The first program of a Linux that serves what our broker and bench/net/server.c serve: mosquitto and that server, on
 * a virtio network card of QEMU's user network. ci/bench_linux_net.py puts them and the modules beside it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MODULES 32
#define FILES   4096

static void require(int result, const char *what)
{
    if (result >= 0)
        return;
    printf("linux: %s failed: %s\n", what, strerror(errno));
    fflush(stdout);
    reboot(RB_POWER_OFF);
    exit(1);
}

static void load_modules(void)
{
    for (int i = 0; i < MODULES; i++) {
        char name[16];
        snprintf(name, sizeof(name), "/module%02d", i);
        int file = open(name, O_RDONLY | O_CLOEXEC);
        if (file < 0)
            continue; /* built in */
        require((int)syscall(SYS_finit_module, file, "", 0), name);
        close(file);
    }
}

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
        require(-1, arguments[0]);
    }
}

int main(void)
{
    char *broker[] = {"/mosquitto", "-c", "/mosquitto.conf", NULL}, *server[] = {"/server", NULL};
    struct rlimit files = {FILES, FILES};
    setvbuf(stdout, NULL, _IOLBF, 0);
    require(mount("dev", "/dev", "devtmpfs", 0, ""), "mounting /dev");
    require(mount("proc", "/proc", "proc", 0, ""), "mounting /proc");
    load_modules();
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
