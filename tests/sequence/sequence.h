/* Sequences: system calls of several threads, written as bytes, for the kernel's model and for the machine alike.
 *
 * A sequence is a string of steps of SEQUENCE_STEP_BYTES each. It plays in a world: a CNode of WORLD_SLOTS slots with
 * some objects of every kind, and ACTORS threads. Actor 0 is the root task at the lowest priority, which runs when
 * nobody else can and gets the others going again; the workers 1.. have nothing but the world. Whoever runs takes the
 * next step and makes the system call that it stands for, so the order in which steps find their threads is the
 * kernel's own: the scheduler is under test like everything else.
 *
 * What a step does depends on its bytes, its actor and struct world only. step_record makes what came back into a
 * number that is the same on every machine: two runs agree when all their numbers do.
 */
#ifndef SEQUENCE_H
#define SEQUENCE_H

#include <abi/boot.h>
#include <abi/fault.h>
#include <abi/object.h>
#include <tessera/syscall.h>

#define ACTORS              5
#define WORKERS             (ACTORS - 1)
#define SEQUENCE_STEP_BYTES 8
#define WORLD_MEMORY_BITS   19
#define SEQUENCE_TIME_NS    1000000ul
#define WORLD_CNODE_BITS    7
#define WORLD_SLOTS         (1u << WORLD_CNODE_BITS)

/* Devices, which steps tell to interrupt or to be quiet: by wires of their own, two of them level triggered and one
 * edge triggered, and by messages. */
enum { DEVICE_EDGE = 2, DEVICE_MESSAGE, DEVICES };
#define LINE_NONE       (~0ul)     /* there are no messages */
#define LINE_BY_MESSAGE (~0ul - 1) /* IRQ_CONTROL_GET_MSI has them */

/* Slots of the world's CNode, whose cptrs are the same numbers. */
enum world_slot {
    WORLD_CNODE = 1,
    WORLD_SMALL_CNODE, /* the last worker's CSpace */
    WORLD_UNTYPED,
    WORLD_TCB,
    WORLD_CONTEXT = WORLD_TCB + WORKERS,
    WORLD_SPARE_CONTEXT = WORLD_CONTEXT + WORKERS,
    WORLD_ENDPOINT,                          /* 2 and copies of them: badged, call only */
    WORLD_NOTIFICATION = WORLD_ENDPOINT + 4, /* 2 and a badged copy of each */
    WORLD_REPLY = WORLD_NOTIFICATION + 4,    /* 3 */
    WORLD_TIMER = WORLD_REPLY + 3,           /* 2 */
    WORLD_VSPACE = WORLD_TIMER + 2,          /* 2 and the root task's, where the workers live */
    WORLD_TABLE = WORLD_VSPACE + 3,          /* 4 */
    WORLD_FRAME = WORLD_TABLE + 4,           /* 4 pages, 1 of 64 KiB, copies of two pages */
    WORLD_BUFFER = WORLD_FRAME + 7,          /* copies of the workers' buffer frames */
    WORLD_SCHED_CONTROL = WORLD_BUFFER + WORKERS,
    WORLD_DEVICE,                                /* untyped; only off the replayable way */
    WORLD_IRQ_HANDLER,                           /* one for each of the devices */
    WORLD_IO_PORT = WORLD_IRQ_HANDLER + DEVICES, /* only off the replayable way */
    WORLD_FREE
};

/* Slots that the builder needs in the root task's CNode, from world.slots on. */
#define ROOT_WORLD_CNODE   0 /* the original */
#define ROOT_WORLD_CSPACE  1 /* with a guard: the workers' CSpace */
#define ROOT_WORLD_SMALL   2
#define ROOT_WORLD_HANDLER 3 /* empty again in the end */
#define ROOT_WORLD_COPY    4 /* copies of the world's TCB .. notifications */
#define ROOT_WORLD_SLOTS   (ROOT_WORLD_COPY + WORLD_REPLY - WORLD_TCB)

struct actor {
    cptr buffer_frame;         /* what follows is filled in by who builds the world; of actor 0 the buffer only */
    word buffer_address;       /* in the thread's address space */
    struct ipc_buffer *buffer; /* the same, to be written here */
    word entry, stack;         /* pc and sp to begin with: takes the next step */
};

struct world {
    struct actor actors[ACTORS];
    cptr slots;                         /* ROOT_WORLD_SLOTS empty ones in the root task's CNode */
    cptr memory;                        /* an untyped of WORLD_MEMORY_BITS in it, nothing taken from it */
    word lines[DEVICES];                /* where their interrupts come in */
    word message_address, message_data; /* out: by LINE_BY_MESSAGE, how the last device is to be aimed */
    cptr device;                        /* an untyped of device memory in it, or 0 */
    bool is_replayable;                 /* nothing whose outcome depends on the machine or on time */
    bool has_time;   /* replayable, with budgets and timers; time passes in steps of SEQUENCE_TIME_NS, STEP_TIME */
    word now;        /* ticks: when it is not replayable; when it has time: what the last STEP_TIME ended at */
    word time_ticks; /* SEQUENCE_TIME_NS */
};

/* Makes the world, out of world.memory; the workers are ready and the caller should lower its priority to 0. Returns
 * NULL or what failed. */
const char *world_build(struct world *world);

enum step_kind { STEP_CALL, STEP_MACHINE, STEP_TIME, STEP_DEVICE, STEP_FAULT, STEP_END };
struct step {
    enum step_kind kind;
    const uint8_t *bytes;
    word number, destination; /* of STEP_CALL */
    struct message message;
    struct ipc_buffer *buffer; /* the caller's */
    word until;                /* of STEP_TIME: the actor goes round until then, ticks; it sets world.now then */
    unsigned device;           /* of STEP_DEVICE: the actor makes it interrupt, or quiet */
    bool is_raised;
    enum fault fault; /* of STEP_FAULT: FAULT_USER_EXCEPTION or FAULT_VM, which the actor's next instruction raises */
};

struct sequence {
    const uint8_t *bytes;
    size_t size, next;
};

/* The next step, for this actor: fills the actor's IPC buffer as well. STEP_MACHINE (interrupts in the middle of calls,
 * exceptions of the debugger, ...) is for the model; in a replayable world there is none. */
void step_next(struct sequence *sequence, const struct world *world, unsigned actor, struct step *step);

struct outcome {
    word status, badge, info;        /* of STEP_DEVICE: only status, is the device raised when its actor goes on? */
    const word *words;               /* MESSAGE_REGISTERS */
    const struct ipc_buffer *buffer; /* the words beyond, if the thread has one */
};
uint32_t step_record(unsigned actor, const struct step *step, const struct outcome *outcome);

#endif
