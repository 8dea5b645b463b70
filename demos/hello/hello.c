/* The first program to run: says hello and shows what a plain wasi-libc program gets from the system:
 * arguments, environment, clocks, random bytes, and a sleep that blocks rather than spins. Exit status 1 when
 * one of them is not what it should be.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define SLEEP_NS 2000000 /* 2 ms */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) {
        printf("hello: clock: %s\n", strerror(errno));
        exit(1);
    }
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void show_arguments(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        printf("  argument %d: %s\n", i, argv[i]);
    for (char **entry = environ; *entry != NULL; entry++)
        printf("  environment: %s\n", *entry);
}

/* Two draws of 16 bytes that agree mean that there is no random source. */
static int show_random(void)
{
    unsigned char first[16] = {0}, second[16] = {0};
    if (getentropy(first, sizeof(first)) != 0 || getentropy(second, sizeof(second)) != 0) {
        printf("  random: %s\n", strerror(errno));
        return 1;
    }
    printf("  random:");
    for (size_t i = 0; i < sizeof(first); i++)
        printf(" %02x", first[i]);
    printf("\n");
    if (memcmp(first, second, sizeof(first)) == 0) {
        printf("  random: the same 16 bytes twice\n");
        return 1;
    }
    return 0;
}

static int show_sleep(void)
{
    struct timespec wanted = {.tv_sec = 0, .tv_nsec = SLEEP_NS};
    uint64_t before = clock_ns(CLOCK_MONOTONIC);
    if (nanosleep(&wanted, NULL) != 0) {
        printf("  sleep: %s\n", strerror(errno));
        return 1;
    }
    uint64_t slept = clock_ns(CLOCK_MONOTONIC) - before;
    printf("  sleep: asked for %u us, %s\n", SLEEP_NS / 1000u,
           slept >= SLEEP_NS ? "slept at least that" : "woke early");
    return slept >= SLEEP_NS ? 0 : 1;
}

int main(int argc, char **argv)
{
    printf("Hello from %s, a WebAssembly module in an address space of its own.\n", argc > 0 ? argv[0] : "?");
    show_arguments(argc, argv);
    printf("  realtime: %llu s since 1970\n", (unsigned long long)(clock_ns(CLOCK_REALTIME) / 1000000000u));
    return show_random() | show_sleep();
}
