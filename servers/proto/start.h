/* What a user process finds when it starts: its address map, its first capabilities and its start page.
 *
 * The same for programs, native servers and drivers; docs/processes.md explains it. A process is entered at its
 * image's entry point with the start page's address in the first argument register (rdi, x0), on an empty stack that
 * ends at PROCESS_STACK_TOP. The start page is read-only for the process and written by its creator alone.
 */
#ifndef PROTO_START_H
#define PROTO_START_H

#include <abi/types.h>

/* ---- address map ---------------------------------------------------------------------------------------------
 *
 *   0               memory 0 of a Wasm program and its guard (8 GiB + 64 KiB)
 *   0x400000000     image window, 2 GiB (aot/image/image.h)
 *   0x480000000     stacks of further threads, 16 MiB apart
 *   0x490000000     nothing: the stack may grow down to here
 *   0x4bffe0000     top of the stack
 *   0x4bffe1000     start page and what its offsets point to, read-only
 *   0x4bffff000     IPC buffer
 *   0x4c0200000     windows: session regions, stream rings, service windows, read-only files
 *   0xa000000000    heap: of native servers, and of the WASI library where a program has many descriptors
 *   0x10000000000   further memories of a Wasm program; the process server's and the root task's view of memory
 */
#define PROCESS_STACK_FLOOR 0x480000000ul
/* Thread n has the n-th stride; its stack ends where that ends. There is none for thread 0, the first. */
#define PROCESS_THREADS       16ul
#define PROCESS_THREAD_STACKS PROCESS_STACK_FLOOR
#define PROCESS_THREAD_STRIDE 0x1000000ul
#define PROCESS_STACK_TOP     0x4bffe0000ul
#define PROCESS_START_PAGE    0x4bffe1000ul
#define PROCESS_START_BYTES   0x8000ul /* start page and strings, at most */
#define PROCESS_IPC_BUFFER    0x4bffff000ul
/* More than a chunk of memory above everything else: see process_window_map. */
#define PROCESS_WINDOW_BASE 0x4c0200000ul
#define PROCESS_WINDOW_END  0x8c0000000ul
#define PROCESS_VIEW_BASE   0x10000000000ul /* + physical address: memory as its owners see it */
#define PROCESS_HEAP_BASE   0xa000000000ul  /* the process's own: empty at first, PROCESS_GROW adds to it */

/* ---- first capabilities -------------------------------------------------------------------------------------- */

enum process_capability {
    PROCESS_CAP_NONE = 0,
    PROCESS_CAP_SERVER,        /* the process server (root task for servers): Call, badged with who calls */
    PROCESS_CAP_CONSOLE,       /* the console server: Call */
    PROCESS_CAP_NOTIFICATION,  /* its own notification: wait */
    PROCESS_CAP_TIMER,         /* after PROCESS_TIMER: signals its notification with PROCESS_SIGNAL_TIMER */
    PROCESS_CAP_TRAP_ENDPOINT, /* after PROCESS_TRAP_THREAD: the main thread's faults arrive here */
    PROCESS_CAP_TRAP_REPLY,
    PROCESS_CAP_THREADS = 32,  /* after PROCESS_THREAD_START: each thread's notification (to wait and to signal), its
                                  timer, which signals that with PROCESS_SIGNAL_TIMER; thread 0's, thread 1's, ... */
    PROCESS_CAP_FIRST_FREE = 8 /* sessions and services; servers: what their creator gave them, see their protocol */
};
#define PROCESS_CNODE_BITS     6
#define PROCESS_CNODE_BITS_MAX 8 /* once it has more than fit: slots from 64 on follow */

/* Bits of a process's own notification. Bit i below 48: the peer of session i (modulo 48) set a ready bit. A server,
 * whose notification arrives where requests do, must tell it from a client's badge: its sessions have the ten bits
 * above. */
#define PROCESS_SIGNAL_SESSIONS        48
#define PROCESS_SIGNAL_SERVER_SESSIONS 10
#define PROCESS_SIGNAL_DEVICE          (1ul << 58) /* to the net server: the driver of the network card */
#define PROCESS_SIGNAL_FINISH          (1ul << 59) /* to servers: the programs have ended; exit when all is put away */
#define PROCESS_SIGNAL_WAKE            (1ul << 60) /* of a thread's own notification: another thread */
#define PROCESS_SIGNAL_TIMER           (1ul << 61)
#define PROCESS_SIGNAL_EVENT           (1ul << 62) /* the process server has news: look at every stream and listener again */

/* ---- start page ---------------------------------------------------------------------------------------------- */

#define START_MAGIC       0x3174726174736554ul /* "Testart1" */
#define START_DESCRIPTORS 8
#define START_WORDS       24

enum start_flags {
    START_MAY_CLOCK = 1 << 0,
    START_MAY_RANDOM = 1 << 1,
    START_MAY_SPAWN = 1 << 2,
    START_SEED_VALID = 1 << 3, /* seed holds true entropy */
    START_TRAP_THREAD = 1 << 4,
};

enum start_descriptor_kind {
    START_DESCRIPTOR_NONE = 0,
    START_DESCRIPTOR_CONSOLE,  /* output, line by line to the console: `stream` 1 or 2 */
    START_DESCRIPTOR_NULL,     /* reads end of file, takes and drops what is written */
    START_DESCRIPTOR_FILE,     /* read-only bytes in a window */
    START_DESCRIPTOR_TERMINAL, /* input from the console */
    START_DESCRIPTOR_STREAM,   /* one stream of a session (proto/stream.h) */
};

struct start_descriptor {
    uint32_t kind;
    uint32_t stream;          /* CONSOLE: which; STREAM: index within the session */
    uint64_t address;         /* FILE: its bytes; STREAM: its rings */
    uint64_t bytes;           /* FILE: its length; STREAM: capacity of one ring */
    uint64_t session_address; /* STREAM: the session's control region */
    uint32_t session, side;   /* STREAM: the session's number with this process, and which side it is; CONSOLE and
                                 TERMINAL: side 1 = no terminal is behind it */
    uint32_t generation;
    uint32_t signal_cap; /* STREAM: signals the peer */
};

/* Strings lie one after another, each ended by NUL; offsets count from the start page's address. */
struct start_strings {
    uint32_t offset, count, bytes;
};

struct start_page {
    uint64_t magic;
    uint32_t pid, parent_pid;            /* 0: the description started it */
    uint32_t flags;                      /* enum start_flags */
    uint64_t timer_hz, timer_multiplier; /* ns = ticks * multiplier >> shift, in 128 bits */
    uint32_t timer_shift;
    uint32_t bytes;       /* of start page and strings */
    uint64_t boot_ticks;  /* at the kernel's entry: the monotonic clock begins there */
    uint64_t realtime_ns; /* wall time (UNIX) at tick 0; 0 without permission clock */
    uint64_t start_ticks; /* when the process was made */
    uint64_t stack_bytes; /* mapped at most, below PROCESS_STACK_TOP */
    uint8_t seed[32];
    struct start_strings name, arguments, environment;
    struct start_strings preopens; /* paths of directories: descriptors 3, 4, ... of a program */
    struct start_strings opens;    /* files that its parent wants it to begin with: proto/process.h, PROCESS_SPAWN */
    struct start_descriptor descriptors[START_DESCRIPTORS];
    uint64_t words[START_WORDS]; /* servers: their protocol says what */
};
_Static_assert(sizeof(struct start_page) <= PAGE_BYTES, "the fixed part fits one page");

#endif
