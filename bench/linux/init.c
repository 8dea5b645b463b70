/* The first program of a Linux that runs beside Tessera under the same instruction counter: the nearest Linux operation
 * to each of our benchmark rows, measured the same way (the minimum over batches, the loop of two instructions checked
 * first). It prints `linux ROW OPERATION VALUE` for each figure, and `linux end`; ci/bench_linux.py boots it.
 *
 * Static, without help from any other program: /init is all that the initial RAM disk holds beside /small. The counter
 * is readable from user mode: the TSC counts instructions one to one, CNTVCT ticks once per 16.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/futex.h>

#include "guest.h"

#define BATCHES         20
#define OPERATIONS      1000
#define SPAWN_BATCHES   10
#define SPAWNS          20
#define MESSAGE_BYTES   64
#define PUBLISH_BATCHES 10
#define PUBLISHED       1024 /* a batch */
#define QUEUE_DEPTH     64
#define PAGE_BYTES      4096ul

extern char **environ;

/* ---- The counter ---- */

static uint64_t instructions(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    uint64_t ticks;
    __asm__ volatile("isb\n mrs %0, cntvct_el0" : "=r"(ticks) : : "memory");
    return ticks * 16;
#endif
}

/* The least of several: the kernel's own ticks fall into some. */
static bool counter_is_exact(void)
{
    const uint64_t rounds = 100000;
    uint64_t hundredths = UINT64_MAX;
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        uint64_t count = rounds, before = instructions();
#if defined(__x86_64__)
        __asm__ volatile("1: dec %0\n jnz 1b" : "+r"(count) : : "cc");
#else
        __asm__ volatile("1: subs %0, %0, #1\n b.ne 1b" : "+r"(count) : : "cc");
#endif
        uint64_t read = (instructions() - before + rounds / 200) / (rounds / 100);
        hundredths = read < hundredths ? read : hundredths;
    }
    if (hundredths != 200)
        printf("linux: a loop of two instructions reads %lu hundredths\n", (unsigned long)hundredths);
    return hundredths == 200;
}

/* ---- Reports ---- */

static void report(const char *row, const char *operation, uint64_t best, uint64_t divisor)
{
    printf("linux %s %s %.2f\n", row, operation, (double)best / (double)divisor);
    fflush(stdout);
}

/* The least count of `batches` runs of `body`, each reported for `operations` of it. */
#define MEASURE(row, operation, batches, operations, body)                                                             \
    do {                                                                                                               \
        uint64_t best = UINT64_MAX;                                                                                    \
        for (unsigned batch = 0; batch < (batches); batch++) {                                                         \
            uint64_t before = instructions();                                                                          \
            for (unsigned i = 0; i < (operations); i++)                                                                \
                body;                                                                                                  \
            uint64_t count = instructions() - before;                                                                  \
            best = count < best ? count : best;                                                                        \
        }                                                                                                              \
        report(row, operation, best, operations);                                                                      \
    } while (0)

/* ---- A partner in a process of its own ---- */

static pid_t partner_start(void (*run)(void))
{
    fflush(stdout);
    pid_t child = (pid_t)require(fork(), "fork");
    if (child == 0) {
        run();
        _exit(0);
    }
    return child;
}

static void partner_end(pid_t child)
{
    kill(child, SIGKILL);
    require(waitpid(child, NULL, 0), "waitpid");
}

static void exchange(int from, int to, void *message, size_t bytes)
{
    if (read(from, message, bytes) != (ssize_t)bytes || write(to, message, bytes) != (ssize_t)bytes)
        _exit(1);
}

static void ask(int to, int from, void *message, size_t bytes)
{
    if (write(to, message, bytes) != (ssize_t)bytes || read(from, message, bytes) != (ssize_t)bytes)
        give_up("a round trip");
}

/* ---- Round trips ---- */

static int there[2], back[2];

static void pipe_server(void)
{
    for (char byte;;)
        exchange(there[0], back[1], &byte, 1);
}

static void pipe_row(void)
{
    require(pipe(there), "pipe");
    require(pipe(back), "pipe");
    pid_t server = partner_start(pipe_server);
    char byte = 0;
    MEASURE("ipc_call_reply_0", "pipe", BATCHES, OPERATIONS, { ask(there[1], back[0], &byte, 1); });
    partner_end(server);
    close(there[0]), close(there[1]), close(back[0]), close(back[1]);
}

static void packet_server(void)
{
    for (char message[512];;)
        exchange(there[1], there[1], message, sizeof(message));
}

/* As many bytes as our 64 words. */
static void packet_row(void)
{
    require(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, there), "socketpair");
    pid_t server = partner_start(packet_server);
    char message[512] = {0};
    MEASURE("ipc_call_reply_64", "seqpacket", BATCHES, OPERATIONS,
            { ask(there[0], there[0], message, sizeof(message)); });
    partner_end(server);
    close(there[0]), close(there[1]);
}

/* Shared by parent and partners. */
static struct {
    _Atomic uint32_t turn; /* 0: the parent's, 1: the partner's */
    _Atomic uint64_t yields;
    _Atomic uint64_t wakes;
} * shared;

static void futex_pass(uint32_t me)
{
    shared->turn = !me;
    syscall(SYS_futex, &shared->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
    while (shared->turn != me)
        syscall(SYS_futex, &shared->turn, FUTEX_WAIT, !me, NULL, NULL, 0);
}

static void futex_server(void)
{
    for (;;) {
        while (shared->turn != 1)
            syscall(SYS_futex, &shared->turn, FUTEX_WAIT, 0, NULL, NULL, 0);
        shared->turn = 0;
        syscall(SYS_futex, &shared->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}

static void futex_row(void)
{
    shared->turn = 0;
    pid_t server = partner_start(futex_server);
    MEASURE("ipc_call_reply_0", "futex", BATCHES, OPERATIONS, { futex_pass(0); });
    partner_end(server);
}

static void use_policy(int policy, int priority)
{
    struct sched_param parameters = {.sched_priority = priority};
    require(sched_setscheduler(0, policy, &parameters), "sched_setscheduler");
}

static void event_server(void)
{
    use_policy(SCHED_FIFO, 2);
    for (uint64_t value; read(there[0], &value, sizeof(value)) == sizeof(value);)
        shared->wakes++;
}

static void event_signal(uint64_t value)
{
    if (write(there[0], &value, sizeof(value)) != sizeof(value))
        give_up("eventfd");
}

/* The waiter is more urgent: it runs and waits again before the signal returns. */
static void event_rows(void)
{
    there[0] = (int)require(eventfd(0, 0), "eventfd");
    use_policy(SCHED_FIFO, 1);
    pid_t server = partner_start(event_server);
    sched_yield();
    MEASURE("notify_switch", "eventfd", BATCHES, OPERATIONS, { event_signal(1); });
    if (shared->wakes != BATCHES * OPERATIONS) {
        errno = EPROTO;
        give_up("waking at each signal");
    }
    partner_end(server);
    use_policy(SCHED_OTHER, 0);
    MEASURE("notify_nowait", "eventfd", BATCHES, OPERATIONS, { event_signal(1); });
    close(there[0]);
}

static void yielder(void)
{
    for (;;) {
        sched_yield();
        shared->yields++;
    }
}

/* First-in-first-out at one priority, so that each yield is a switch; both processes' yields count. The fair scheduler
 * may let the one who yields go on.
 */
static void yield_row(void)
{
    use_policy(SCHED_FIFO, 1);
    pid_t partner = partner_start(yielder);
    double best = 0;
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        uint64_t yields = shared->yields, before = instructions();
        for (unsigned i = 0; i < OPERATIONS; i++)
            sched_yield();
        double each = (double)(instructions() - before) / (double)(OPERATIONS + shared->yields - yields);
        best = batch == 0 || each < best ? each : best;
    }
    partner_end(partner);
    use_policy(SCHED_OTHER, 0);
    printf("linux yield_switch sched_yield %.2f\n", best);
}

/* ---- Memory ---- */

static char *map_pages(size_t pages, int flags, int file)
{
    char *area = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE, flags, file, 0);
    if (area == MAP_FAILED)
        give_up("mmap");
    return area;
}

/* Write to one page after the other: without a file, the kernel takes and clears a page at each fault; the pages of a
 * file in memory are there after the first batch, and a fault only maps one.
 */
static void fault_row(const char *operation, int file)
{
    uint64_t best = UINT64_MAX;
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        char *area = map_pages(OPERATIONS, file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, file);
        madvise(area, OPERATIONS * PAGE_BYTES, MADV_NOHUGEPAGE); /* a kernel without huge pages refuses, and is right */
        uint64_t before = instructions();
        for (unsigned i = 0; i < OPERATIONS; i++)
            *(volatile char *)(area + i * PAGE_BYTES) = 1;
        uint64_t count = instructions() - before;
        best = count < best ? count : best;
        munmap(area, OPERATIONS * PAGE_BYTES);
    }
    report("fault_reply", operation, best, OPERATIONS);
}

static void memory_rows(void)
{
    MEASURE("map_unmap", "mmap+touch+munmap", BATCHES, OPERATIONS, {
        char *page = map_pages(1, MAP_PRIVATE | MAP_ANONYMOUS, -1);
        *(volatile char *)page = 1;
        munmap(page, PAGE_BYTES);
    });
    fault_row("page-fault", -1);
    int file = (int)require(memfd_create("pages", 0), "memfd_create");
    require(ftruncate(file, OPERATIONS * PAGE_BYTES), "ftruncate");
    fault_row("page-fault-present", file);
    close(file);
}

/* ---- Processes ---- */

static void run_program(const char *path)
{
    char *arguments[] = {(char *)path, NULL};
    execve(path, arguments, environ);
    _exit(127);
}

static void await_program(pid_t child, const char *path)
{
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        give_up(path);
}

static void spawn_fork(const char *path)
{
    pid_t child = fork();
    if (child == 0)
        run_program(path);
    await_program(child, path);
}

static void spawn_vfork(const char *path)
{
    pid_t child = vfork();
    if (child == 0)
        run_program(path);
    await_program(child, path);
}

static void spawn_rows(void)
{
    MEASURE("spawn_exit", "vfork+exec+wait", SPAWN_BATCHES, SPAWNS, { spawn_vfork("/small"); });
    MEASURE("spawn_exit_1mb", "fork+exec+wait", SPAWN_BATCHES, SPAWNS, { spawn_fork("/child"); });
}

/* ---- A message from a publisher through a broker to a subscriber ---- */

static int in[2], out[2], grant[2];
static unsigned depth;

static void publisher(void)
{
    char message[MESSAGE_BYTES] = {0};
    for (char go; read(grant[0], &go, 1) == 1;)
        for (unsigned i = 0; i < depth; i++)
            if (write(in[0], message, sizeof(message)) != sizeof(message))
                _exit(1);
}

static void broker(void)
{
    for (char message[MESSAGE_BYTES];;)
        exchange(in[1], out[0], message, sizeof(message));
}

static void publish_row(const char *row, unsigned at_once)
{
    depth = at_once;
    require(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, in), "socketpair");
    require(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, out), "socketpair");
    require(pipe(grant), "pipe");
    pid_t first = partner_start(publisher), second = partner_start(broker);
    char message[MESSAGE_BYTES];
    MEASURE(row, "AF_UNIX", PUBLISH_BATCHES, PUBLISHED, {
        if (i % depth == 0 && write(grant[1], "g", 1) != 1)
            give_up("a grant");
        if (read(out[1], message, sizeof(message)) != sizeof(message))
            give_up("a message");
    });
    partner_end(first);
    partner_end(second);
    close(in[0]), close(in[1]), close(out[0]), close(out[1]), close(grant[0]), close(grant[1]);
}

/* ---- All ---- */

int main(int argc, char **argv)
{
    uint64_t boot = instructions();
    if (argc > 0 && strcmp(argv[0], "/child") == 0)
        return 0;
    if (!counter_is_exact())
        power_off();
    report("boot_kernel_to_root", "to-init", boot, 1);
    shared = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        give_up("mmap");
    MEASURE("syscall_null", "getppid", BATCHES, OPERATIONS, { getppid(); });
    pipe_row();
    futex_row();
    packet_row();
    event_rows();
    yield_row();
    memory_rows();
    spawn_rows();
    publish_row("pubsub_hop_64", QUEUE_DEPTH);
    publish_row("pubsub_hop_64_lockstep", 1);
    printf("linux end\n");
    power_off();
}
