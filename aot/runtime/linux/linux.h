/* The Linux platform: programs as plain static Linux executables, for tests and measurements on the development host.
 * The image is an ELF executable as it lies; Linux (or qemu-aarch64) loads its segments, and this library does what
 * the process server does on Tessera: it maps the memories that the image's notes name, each at its fixed place, runs
 * the program on a stack with a guard, and turns faults into traps. No C library. */
#ifndef RUNTIME_LINUX_H
#define RUNTIME_LINUX_H

#include <stddef.h>
#include <stdint.h>

#include "image/image.h"

/* Exit statuses of the platform itself. */
#define LINUX_EXIT_TRAP  134 /* as after abort() */
#define LINUX_EXIT_SETUP 126 /* the message says what this host does not allow */

struct linux_arguments {
    long count;
    char **values;
    char **environment;
};

extern struct linux_arguments linux_arguments;

/* ---- start.c ---- */

/* What runs on the program's stack. The plain one calls wasm_instantiate and wasm_export__start. */
void linux_program(void);

/* The checked image that this process runs. */
extern const struct image *linux_image;

long linux_call(long number, long a, long b, long c, long d, long e, long f); /* entry_*.S */
void linux_print(int descriptor, const char *text);
_Noreturn void linux_exit(int status);

/* ---- trap.c ---- */

/* The running thread's stack. */
extern _Thread_local uint64_t linux_stack_low, linux_stack_high;

/* Once in a process; then for each thread, with a stack for its signals. */
void linux_catch_traps(void);
void linux_catch_traps_on(void *stack, uint64_t bytes);

/* Runs function(argument). Returns TRAP_NONE, or the kind of the trap that ended it; a fault that is none ends the
 * process with a message. Does not nest. */
enum trap_kind linux_run(void (*function)(void *), void *argument);

#endif
