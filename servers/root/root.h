/* The root task's parts. It starts the servers, tells the process server what there is, records how programs end,
 * prints the summary and switches the machine off with the verdict.
 */
#ifndef ROOT_ROOT_H
#define ROOT_ROOT_H

#include <abi/boot.h>

#include "arch/platform/archive.h"
#include "proto/root.h"
#include "proto/system.h"
#include "tessera/pool.h"
#include "tessera/restart.h"
#include "tessera/task.h"

enum server {
    SERVER_UART,
    SERVER_CONSOLE,
    SERVER_TRACER,
    SERVER_PROCESS,
    SERVER_PCI,
    SERVER_FIRST_DRIVER, /* of PCI devices, from here on */
    SERVER_DISK_DATA = SERVER_FIRST_DRIVER,
    SERVER_DISK_LOG,
    SERVER_RNG,
    SERVER_NET_CARD,
    SERVER_LINE, /* the framed console's, where the machine has one */
    SERVER_COUNT
};

struct root {
    const struct boot_info *boot;
    struct archive archive;
    struct archive_map archive_map;
    const struct system_header *system;
    struct pool pool;
    struct task tasks[SERVER_COUNT];
    uint64_t realtime_ns;        /* wall time at tick 0, 0 = unknown */
    cptr endpoint, reply;        /* where servers call the root task */
    cptr notification;           /* its own, bound: ROOT_SIGNAL */
    volatile enum server callee; /* the main thread waits for its answer; SERVER_COUNT: for none */
    bool has_console;            /* the UART belongs to its driver now */
};

/* early.c: a polled writer until the UART driver has the device. */
void early_start(struct root *root);
/* The frame of its registers, where they are memory. */
cptr early_uart_frame(void);
/* From now on the console server writes. */
void console_use(struct root *root, cptr console);
/* Tells the host how a program ended, where the console is framed. */
struct console_verdict;
void root_verdict(struct root *root, const struct console_verdict *verdict, const char *text);
/* Prints a line through whoever has the UART. */
void root_say(struct root *root, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line, then power off with a failing verdict. */
_Noreturn void root_fail(struct root *root, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void root_power_off(struct root *root, unsigned status);

/* clock.c: UNIX time in ns at timer tick 0, read from the RTC once. */
uint64_t clock_realtime_base(struct root *root);

/* objects.c: kernel objects and device memory of the root task. */
cptr root_slot(struct root *root);
cptr root_object(struct root *root, enum object_type type, uint32_t size_bits);
/* A frame capability of 2^bits bytes of device memory at that multiple of them; 0 when no device untyped covers it, or
 * somebody has part of it. */
cptr root_device_frame(struct root *root, uint64_t address, uint32_t bits);

/* start.c: the servers, in their order. */
void servers_start(struct root *root);
/* The steps of a start. Each ends the system when it fails. One server: everything made anew but what outlives it;
 * running when it returns. */
void server_start(struct root *root, enum server which);
/* Everything of it back. */
void server_unmake(struct root *root, enum server which);
struct task *server_make(struct root *root, enum server which, uint64_t stack_bytes);
struct start_page *server_start_page(struct root *root, enum server which);
void server_grant(struct root *root, enum server which, cptr index, cptr slot, uint32_t rights, uint64_t badge);
void server_run(struct root *root, enum server which);
const char *server_name(enum server which);

/* driver.c: the PCI server and the drivers of PCI devices, where the description asks for them. */
void drivers_start(struct root *root, cptr console_endpoint, cptr console_notification);
/* The frame that the console shares with the driver of its own line; 0: it has none. *signal wakes the driver. */
cptr driver_line(cptr *signal);
/* What they share with their clients, and the signals, become the process server's. */
void drivers_grant(struct root *root);
void pci_start(struct root *root);
/* Its device must be silent before it is unmade, or before it starts again. */
void driver_silence(struct root *root, enum server which);
void driver_start(struct root *root, enum server which);

/* supervise.c: servers that fail are started again. */
void supervise_open(struct root *root);
/* Where the faults of a server that is being made go. */
cptr supervise_fault_endpoint(struct root *root, enum server which);
/* It has asked to end. */
void supervise_exited(struct root *root, enum server which);
/* After a signal: does what is due. */
void supervise_check(struct root *root);
struct message;
/* The main thread's own capability to a server's endpoint, for supervise_call. */
cptr supervise_cap(struct root *root, cptr endpoint);
/* Calls a server that may fail meanwhile, or wait for one that does: ERROR_ABORTED then. */
enum error supervise_call(struct root *root, enum server which, cptr cap, struct message *m);
/* A call of that server was ABORTED: returns when it runs again. */
void supervise_wait(struct root *root, enum server which);

#define BADGE_SERVER(n) (1u + (n))
#define ROOT_SIGNAL     (1ul << 63) /* of its notification; no badge of a server has it */

#endif
