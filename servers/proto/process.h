/* The process server's protocol: calls on PROCESS_CAP_SERVER. The badge says who calls.
 *
 * The label is the operation. The answer's label is an errno of WASI's numbering (0 = success), words as stated.
 * A name is sent as: one word with its length in bytes (1 to PROCESS_NAME_MAX), then its bytes in eight words.
 */
#ifndef PROTO_PROCESS_H
#define PROTO_PROCESS_H

#include <stdint.h>

#define PROCESS_NAME_MAX     63
#define PROCESS_NAME_WORDS   9      /* length and bytes */
#define PROCESS_STRING_BYTES 24576u /* most bytes of a spawn's arguments, environment and directories together */

enum process_operation {
    PROCESS_EXIT = 1,       /* w0 status. Never answered. */
    PROCESS_GROW,           /* w0 base of the memory, w1 its pages now, w2 pages to add -> w0 pages before.
                               ENOMEM beyond the limit, EINVAL when base or size are not what is mapped */
    PROCESS_TIMER,          /* puts the timer at PROCESS_CAP_TIMER */
    PROCESS_LISTEN,         /* name -> w0 listener. ENOTCAPABLE, EINVAL already served */
    PROCESS_UNLISTEN,       /* w0 listener */
    PROCESS_PENDING,        /* w0 listener -> w0 connections waiting */
    PROCESS_ACCEPT,         /* w0 listener -> struct process_stream; EAGAIN */
    PROCESS_CONNECT,        /* name -> struct process_stream. Waits for a listener. ENOTCAPABLE, ECONNREFUSED, ENOMEM */
    PROCESS_STREAM_CLOSE,   /* w0 session number, w1 stream: this side unmaps it */
    PROCESS_SERVICE_LISTEN, /* name, w9 bytes of each client's window (not sent or 0: SERVICE_WINDOW_BYTES; at most
                               SERVICE_WINDOW_MAX) -> w0 cptr of the endpoint (receive), w1 cptr of its reply object */
    PROCESS_SERVICE_OPEN,   /* name -> w0 cptr of the endpoint (call), w1 address of the service window */
    PROCESS_SERVICE_WINDOW, /* w0 badge of a client (the server asks) -> w0 address of that client's window */
    PROCESS_SERVICE_PARTY,  /* w0 badge of a client (the server asks) -> w0 number of the program of the description
                               that it is or descends from, w1 how many the description starts and from bit 32 on that
                               one's CPU limit in thousandths (0: none), w2 bytes of its name, then the name. EINVAL:
                               no such client */
    PROCESS_SPAWN, /* name, w9 how: PROCESS_SPAWN_*, then addresses and bytes of four texts in the caller's memory, in
                      each of which a line feed or a NUL lies between any two: w10, w11 arguments; w12, w13 environment;
                      w14, w15 of the directories that the child requests those that it gets, none: all; w16, w17 what
                      is for the child's library to do first: "PWD=/folder", which is put before the environment, or
                      "FD LOOK FLAGS RIGHTS /path" (decimal), to open as WASI's path_open does and to have as FD, or
                      "FD =FD", one open file twice; then
                      for each mode PROCESS_STDIO_GIVEN a word: the caller's session of a pipe's end, which is the
                      child's from then on
                      -> w0 pid, then for each piped stream a struct process_stream.
                      EFAULT a text is not in writable memory of the caller, E2BIG, EINVAL no pipe of the caller */
    PROCESS_JOIN,  /* w0 pid or 0 = any, w1 1 = do not wait -> w0 pid, w1 enum process_end, w2 status */
    PROCESS_TRAP_THREAD,  /* w0 entry point, w1 stack pointer: starts the process's second thread, which receives the
                             first one's faults at PROCESS_CAP_TRAP_ENDPOINT. ENOTCAPABLE without trap_thread */
    PROCESS_THREAD_START, /* w0 entry point, w1 its argument -> w0 number of the thread, 1 or more; its stack is the
                             one of that number. EAGAIN: too many, ENOMEM */
    PROCESS_THREAD_EXIT,  /* w0 number of the calling thread. Never answered; EINVAL: there is no such thread */
    PROCESS_FILES_OPEN,   /* w0 number of a preopened directory -> w0 cptr of its server's endpoint (call), w1 address
                             of the session's window. EBADF: there is none, ECONNREFUSED: it has no server */
    PROCESS_FILES_GRANT,  /* w0 badge of a client (the server of files asks), w1 number of its preopened directory ->
                             w0 number of the mount, w1 enum fs_access, from bit 32 on its quota in KiB (0: none), w2
                             bytes of the path below the mount, then the path. EBADF: none, or not of this server;
                             EINVAL: no such client */
    PROCESS_CPU_TIME,     /* w0 0 = of all threads, else number of a thread + 1 -> w0 ns used so far. EINVAL */
    PROCESS_REFUSED,      /* name, w9 enum process_permission: the process tried what it was not granted; logged */
    PROCESS_SIGNAL,       /* w0 pid of a child, w1 signal of WASI's numbering: ends it; 0: only asks whether it runs.
                             ESRCH, EINVAL no signal, ENOTSUP one that does not end by default */
    PROCESS_NET_OPEN,     /* -> w0 cptr of the net server's endpoint (call), w1 address of the session's window.
                             ENOTCAPABLE: no permission for the network, ECONNREFUSED: there is no net server */
    PROCESS_NET_GRANT,    /* w0 badge of a client (the net server asks), w1 n -> of the n-th thing that it may:
                             w0 enum process_net, w1 bytes, then so much of a pattern (tessera/net_pattern.h), which
                             RESOLVE has none of. EBADF: no more; EINVAL: no such client */
    PROCESS_NET_REFUSED,  /* w0 badge of a client, w1 enum process_net, w2 bytes, then the text: what the net server
                             refused it, such as "tcp:10.0.0.1:80"; logged, with the permission's name */
    PROCESS_DEVICE_OPEN = 64, /* name -> "disk": struct process_disk; "net": struct process_card. ENOTCAPABLE, ENODEV,
                                 EBUSY another process has it */
    PROCESS_PIPE,             /* -> two struct process_stream: a pipe, both of whose ends are the caller's. ENOMEM */
    PROCESS_STREAM_MAKE, /* w0 badge of a client of the calling server, w1 1 = in a new session, if need be -> a new
                            stream between the two, which the client pays for: struct process_stream as the server sees
                            it, then as the client does, which the server tells it. EINVAL: no such client, EMFILE: it
                            needs a new session, ENOMEM */
    PROCESS_STREAM_GROW, /* w0 session number, w1 stream, w2 bytes, w3 1 = nobody asked for it (a server asks): a ring
                            of so many bytes for what it writes, in place of the one before, all of which has been read;
                            the client pays -> w0 its address. ENOMEM: more than the client may use, or is to */
    PROCESS_STREAM_RING, /* w0 session number, w1 stream -> where what comes lies since the peer grew it: w0 address, w1
                            bytes. EINVAL: it has not */
};

/* How a process ended. */
enum process_end {
    PROCESS_RUNNING = 0,
    PROCESS_ENDED_EXIT,   /* status: its own */
    PROCESS_ENDED_TRAP,   /* a Wasm trap; status: enum trap_kind */
    PROCESS_ENDED_FAULT,  /* a fault that is no Wasm trap; status: enum fault */
    PROCESS_ENDED_KILLED, /* status: enum process_kill */
};
enum process_kill {
    PROCESS_KILL_DEADLINE = 1,
    PROCESS_KILL_PARENT,
    PROCESS_KILL_LOAD,
    PROCESS_KILL_MEMORY,
    PROCESS_KILL_SIGNAL = 256 /* + the signal that its parent sent */
};

enum process_permission {
    PROCESS_PERMISSION_CLOCK = 1,
    PROCESS_PERMISSION_RANDOM,
    PROCESS_PERMISSION_SPAWN,
    PROCESS_PERMISSION_FS,
    PROCESS_PERMISSION_NET,
    PROCESS_PERMISSION_COUNT
};

/* What the permission "net" lists. */
enum process_net { PROCESS_NET_LISTEN = 0, PROCESS_NET_CONNECT, PROCESS_NET_RESOLVE, PROCESS_NET_COUNT };
#define PROCESS_NET_SERVICE "net" /* the name of the service whose clients these are */

/* Start page words of a server that the process server runs (SYSTEM_SERVER): the boot archive, mapped read-only. */
enum process_word { PROCESS_WORD_ARCHIVE = 0, PROCESS_WORD_ARCHIVE_BYTES };
#define PROCESS_GRANT_PATH 800u /* most bytes of a granted path */

/* An open stream as the answer describes it. */
struct process_stream {
    uint64_t session;         /* number of the session with this process */
    uint64_t side_generation; /* side in bit 0, generation above */
    uint64_t stream;          /* index within the session */
    uint64_t session_address; /* of the control region */
    uint64_t ring_address;
    uint64_t ring_bytes; /* of one ring */
    uint64_t signal_cap; /* signals the peer */
};

/* The persistent store's disks (proto/block.h): the database and its log. */
#define PROCESS_DISKS 2
struct process_disk {
    uint64_t wait_cap; /* a notification that both drivers signal: nobody else does */
    uint64_t region[PROCESS_DISKS];
    uint64_t signal_cap[PROCESS_DISKS];
};

/* The network card (proto/packet.h). The process's own notification is another one from then on, on which the driver
 * signals PROCESS_SIGNAL_DEVICE: so it is asked for before anything else. */
struct process_card {
    uint64_t region, signal_cap;
};

/* Modes of a child's standard streams, two bits each from bit 0: stdin, stdout, stderr. INHERIT: the console; there an
 * output may be the other one of the console's, 1 or 2, which two bits each from PROCESS_SPAWN_CONSOLE on say (0: the
 * one of its own number). */
enum process_stdio { PROCESS_STDIO_PIPED = 0, PROCESS_STDIO_INHERIT, PROCESS_STDIO_NULL, PROCESS_STDIO_GIVEN };
#define PROCESS_SPAWN_CONSOLE     8u
#define PROCESS_SPAWN_ENVIRONMENT (1u << 16) /* the environment is the one given, not description's and manifest's */

/* Badges. Bits 0..15 index of the process, 16..47 its generation (so that a badge never comes back), 48..55
 * what, 56..59 the thread (of a fault). */
#define PROCESS_BADGE_THREAD_SHIFT 56
enum process_badge { PROCESS_BADGE_CALL = 1, PROCESS_BADGE_FAULT, PROCESS_BADGE_DEAD_SERVICE };
static inline uint64_t process_badge(enum process_badge what, uint32_t generation, uint32_t index)
{
    return (uint64_t)what << 48 | (uint64_t)generation << 16 | index;
}

#endif
