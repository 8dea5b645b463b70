/* The WASI library's parts: what turns imports of a module into messages on the capabilities that its process holds.
 *
 * It is linked into every program and runs in its process, with its authority and no more. A Wasm address is a native
 * address and comes from the module: every range is checked against the size of memory 0 before it is touched.
 */
#ifndef WASI_WASI_H
#define WASI_WASI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aot/runtime/runtime.h"
#include "proto/net.h"
#include "proto/process.h"
#include "proto/start.h"
#include "tessera/clock.h"
#include "tessera/server.h"
#include "tessera/stream.h"
#include "tessera/text.h"

/* Errno values: WASI snapshot-01, type errno. */
enum {
    ESUCCESS = 0,
    E2BIG = 1,
    EAFNOSUPPORT = 5,
    EAGAIN = 6,
    EALREADY = 7,
    EBADF = 8,
    EBUSY = 10,
    ECHILD = 12,
    ECONNABORTED = 13,
    ECONNREFUSED = 14,
    ECONNRESET = 15,
    EDESTADDRREQ = 17,
    EEXIST = 20,
    EFAULT = 21,
    EINPROGRESS = 26,
    EINVAL = 28,
    EIO = 29,
    EISCONN = 30,
    EISDIR = 31,
    EMFILE = 33,
    EMSGSIZE = 35,
    ENAMETOOLONG = 37,
    ENETDOWN = 38,
    ENOENT = 44,
    ENOMEM = 48,
    ENOPROTOOPT = 50,
    ENOSYS = 52,
    ENOTCONN = 53,
    ENOTDIR = 54,
    ENOTSOCK = 57,
    ENOTSUP = 58,
    EPERM = 63,
    EPIPE = 64,
    EPROTONOSUPPORT = 66,
    EPROTOTYPE = 67,
    EROFS = 69,
    ESPIPE = 70,
    EXDEV = 75,
    ENOTCAPABLE = 76,
};

#define WASI(name)    __imported_wasi_snapshot_preview1_##name
#define TESSERA(name) __imported_tessera_##name
#define WASIX(name)   __imported_wasix_32v1_##name

#define DESCRIPTORS        48              /* that every program has room for */
#define DESCRIPTORS_MAX    16384           /* with memory that it pays for when it has so many */
#define DESCRIPTORS_STREAM DESCRIPTORS_MAX /* numbers of streams are below */
#define SESSIONS           128
#define STANDARD_STREAMS   3

/* WASI snapshot-01, types fdflags and rights. */
enum { FDFLAG_APPEND = 1, FDFLAG_DSYNC = 2, FDFLAG_NONBLOCK = 4, FDFLAG_RSYNC = 8, FDFLAG_SYNC = 16, FDFLAGS_ALL = 31 };
enum {
    RIGHT_FD_DATASYNC = 1 << 0,
    RIGHT_FD_READ = 1 << 1,
    RIGHT_FD_SEEK = 1 << 2,
    RIGHT_FD_SET_FLAGS = 1 << 3,
    RIGHT_FD_SYNC = 1 << 4,
    RIGHT_FD_TELL = 1 << 5,
    RIGHT_FD_WRITE = 1 << 6,
    RIGHT_FD_ADVISE = 1 << 7,
    RIGHT_FD_ALLOCATE = 1 << 8,
    RIGHT_CREATE_DIRECTORY = 1 << 9,
    RIGHT_CREATE_FILE = 1 << 10,
    RIGHT_LINK_SOURCE = 1 << 11,
    RIGHT_LINK_TARGET = 1 << 12,
    RIGHT_PATH_OPEN = 1 << 13,
    RIGHT_READDIR = 1 << 14,
    RIGHT_READLINK = 1 << 15,
    RIGHT_RENAME_SOURCE = 1 << 16,
    RIGHT_RENAME_TARGET = 1 << 17,
    RIGHT_PATH_STAT = 1 << 18,
    RIGHT_PATH_SET_SIZE = 1 << 19,
    RIGHT_PATH_SET_TIMES = 1 << 20,
    RIGHT_FD_STAT = 1 << 21,
    RIGHT_FD_SET_SIZE = 1 << 22,
    RIGHT_FD_SET_TIMES = 1 << 23,
    RIGHT_SYMLINK = 1 << 24,
    RIGHT_REMOVE_DIRECTORY = 1 << 25,
    RIGHT_UNLINK = 1 << 26,
    RIGHT_POLL = 1 << 27,
    RIGHTS_ALL = (1 << 30) - 1,
    /* Of what a server of files has: */
    RIGHTS_READ_FILE = RIGHT_FD_READ | RIGHT_FD_SEEK | RIGHT_FD_SET_FLAGS | RIGHT_FD_SYNC | RIGHT_FD_DATASYNC |
                       RIGHT_FD_TELL | RIGHT_FD_ADVISE | RIGHT_FD_STAT | RIGHT_POLL,
    RIGHTS_OPEN_TO_WRITE = RIGHT_FD_WRITE | RIGHT_FD_ALLOCATE | RIGHT_FD_SET_SIZE,
    RIGHTS_WRITE_FILE = RIGHTS_OPEN_TO_WRITE | RIGHT_FD_SET_TIMES,
    RIGHTS_FILE = RIGHTS_READ_FILE | RIGHTS_WRITE_FILE,
    RIGHTS_READ_DIRECTORY = RIGHT_FD_SET_FLAGS | RIGHT_FD_SYNC | RIGHT_FD_DATASYNC | RIGHT_LINK_SOURCE |
                            RIGHT_PATH_OPEN | RIGHT_READDIR | RIGHT_READLINK | RIGHT_PATH_STAT | RIGHT_FD_STAT |
                            RIGHT_POLL,
    RIGHTS_WRITE_DIRECTORY = RIGHT_CREATE_DIRECTORY | RIGHT_CREATE_FILE | RIGHT_LINK_TARGET | RIGHT_RENAME_SOURCE |
                             RIGHT_RENAME_TARGET | RIGHT_PATH_SET_SIZE | RIGHT_PATH_SET_TIMES | RIGHT_FD_SET_TIMES |
                             RIGHT_SYMLINK | RIGHT_REMOVE_DIRECTORY | RIGHT_UNLINK,
    RIGHTS_DIRECTORY = RIGHTS_READ_DIRECTORY | RIGHTS_WRITE_DIRECTORY,
};

enum filetype {
    FILETYPE_UNKNOWN = 0,
    FILETYPE_CHARACTER = 2,
    FILETYPE_DIRECTORY = 3,
    FILETYPE_REGULAR = 4,
    FILETYPE_DATAGRAM = 5,
    FILETYPE_SOCKET = 6
};

/* NODE: a file or directory of a server of files; FILE: bytes of the archive in a window; SOCKET: one that is no
 * connection (yet). */
enum descriptor_kind {
    FD_FREE = 0,
    FD_ALIAS, /* another number of an open one, `session`; no other field is good */
    FD_CONSOLE,
    FD_NULL,
    FD_FILE,
    FD_STREAM,
    FD_LISTENER,
    FD_NODE,
    FD_TERMINAL,
    FD_SOCKET,
    FD_EPOLL,
    FD_GIVEN /* it was a pipe's end and is a child's now: all that is left is to close it */
};

/* What of the net server a descriptor is. Those from LISTENING on have a stream. */
enum socket_state {
    SOCKET_NONE = 0, /* nothing */
    SOCKET_FRESH,    /* nobody but us knows of it */
    SOCKET_BOUND,
    SOCKET_FAILED, /* it was a listener */
    SOCKET_LISTENING,
    SOCKET_CONNECTING,
    SOCKET_REFUSED, /* connecting has failed */
    SOCKET_CONNECTED,
    SOCKET_DATAGRAM
};

/* What an instance of epoll wants of a descriptor (epoll.c). */
struct interest {
    bool is_watched, is_queued;
    uint16_t instance;       /* its descriptor */
    uint16_t next, previous; /* in the instance's queue; of an instance: its first and last */
    uint32_t events;
    uint64_t data[3];
};

struct descriptor {
    uint8_t kind;   /* enum descriptor_kind */
    uint8_t stream; /* CONSOLE: 1 or 2 */
    uint16_t flags; /* fdflags */
    bool is_pipe;   /* CONSOLE, TERMINAL: no terminal is behind it */
    bool is_ready;  /* STREAM: the peer set its bit since we asked */
    uint16_t session;
    uint32_t signal_cap;
    uint32_t asked_in; /* STREAM: the last round of asking in poll_oneoff */
    uint64_t rights;   /* what fd_fdstat_set_rights left */
    bool is_held;      /* STREAM: it is in hold.c's list */
    bool is_closing;   /* and is to be closed, and nobody's any more */
    struct descriptor *next_held;
    struct {
        uint8_t state; /* enum socket_state */
        uint8_t kind;  /* enum net_kind */
        uint8_t family;
        bool only_6, is_connected;
        bool holds;                   /* SO_HOLD */
        bool has_port;                /* that the program chose */
        uint16_t error;               /* SO_ERROR */
        uint32_t receive_bytes;       /* SO_RCVBUF, where the program has chosen it */
        uint64_t number;              /* the net server's */
        uint64_t receive_ns, send_ns; /* how long blocking may last; 0: for ever */
        struct net_address own;
        struct net_address heard, asked; /* datagrams: who sent the last; for whom the net server was asked last */
    } socket;
    struct interest interest;
    union {
        struct {
            const uint8_t *bytes;
            uint64_t size, offset;
        } file;
        struct stream ends;
        uint64_t listener;
        struct {
            uint64_t handle; /* 0: a preopened directory that nobody used yet */
            uint64_t offset;
            uint64_t inheriting; /* rights of what is opened through it */
            uint16_t session;    /* files.c */
            uint8_t type;        /* enum filetype */
            uint8_t preopen;     /* its number + 1; 0: opened by the program */
        } node;
    };
};

extern const struct start_page *start_page;

/* True when [address, address + bytes) lies in the caller's memory 0. */
static inline bool in_memory(uint32_t address, uint64_t bytes)
{
    return (uint64_t)address + bytes <= *wasm_native_pages * 65536;
}
static inline void *at(uint32_t address)
{
    return (void *)(uintptr_t)(wasm_native_base + address);
}

static inline uint64_t monotonic_ns(void)
{
    return clock_ns(clock_ticks() - start_page->boot_ticks, start_page->timer_multiplier, start_page->timer_shift);
}
/* Where the machine has a clock and the permission is there. */
static inline uint64_t realtime_ns(void)
{
    return clock_ns(clock_ticks(), start_page->timer_multiplier, start_page->timer_shift) + start_page->realtime_ns;
}

/* A call to the process server; the answer's errno. */
uint32_t process_call(uint64_t operation, struct message *m, unsigned length);
/* The same for an operation that begins with a name; `m` is the answer. E: EFAULT, EINVAL. */
uint32_t process_call_named(uint64_t operation, uint32_t name, uint32_t length, struct message *m);
/* Logs a permission that the module lacks and tried to use. */
uint32_t refuse(enum process_permission permission);

/* descriptor.c */
/* The first ones are every program's from the start; more lie in the process's heap. */
extern struct descriptor descriptors[DESCRIPTORS];
/* The one of a number that is below what descriptor_take gave so far; it may be free. */
static inline struct descriptor *descriptor_at(uint32_t fd)
{
    return fd < DESCRIPTORS ? &descriptors[fd] : (struct descriptor *)PROCESS_HEAP_BASE + (fd - DESCRIPTORS);
}
/* All are below. */
extern uint32_t descriptor_count;
static inline uint32_t descriptors_end(void)
{
    return descriptor_count;
}
/* An open one, or NULL; of an alias the one that it stands for. */
static inline struct descriptor *descriptor_get(uint32_t fd)
{
    if (fd >= descriptor_count)
        return NULL;
    struct descriptor *descriptor = descriptor_at(fd);
    if (__builtin_expect(descriptor->kind > FD_ALIAS, 1))
        return descriptor;
    return descriptor->kind == FD_ALIAS ? descriptor_at(descriptor->session) : NULL;
}
/* The number of such a one. */
static inline uint32_t descriptor_number(const struct descriptor *descriptor)
{
    uint64_t own = (uint64_t)(uintptr_t)descriptor, first = (uint64_t)(uintptr_t)descriptors;
    if (own - first < sizeof(struct descriptor) * DESCRIPTORS)
        return (uint32_t)((own - first) / sizeof(struct descriptor));
    return DESCRIPTORS + (uint32_t)((own - PROCESS_HEAP_BASE) / sizeof(struct descriptor));
}
/* A free one, EMFILE when there is none. */
uint32_t descriptor_take(uint32_t *fd);
void descriptors_init(void);
void descriptor_open_stream(uint32_t fd, const struct process_stream *stream);
void descriptor_close(uint32_t fd);
/* Makes `fd`, which is closed before, another number of an open one. */
void descriptor_alias(uint32_t fd, uint32_t open);
/* Lets go of its stream only. */
void descriptor_stream_drop(struct descriptor *descriptor);
uint32_t stream_descriptor(const struct process_stream *stream, uint32_t *fd);

/* wait.c: blocking. */
/* Waits for any signal, at most until the deadline in ticks (0: none); notes which streams are ready. */
void wait_for_signal(uint64_t deadline_ticks);
bool deadline_possible(void);
void stream_signal(const struct descriptor *descriptor);
/* The same, before this process next waits. */
void stream_signal_late(const struct descriptor *descriptor);
/* Sends those that are late. */
void signals_send(void);
/* The same where something was written: at once, or late, as the peer has asked. */
static inline void stream_signal_written(const struct descriptor *descriptor)
{
    if (stream_may_be_late(&descriptor->ends))
        stream_signal_late(descriptor);
    else
        stream_signal(descriptor);
}
void session_note(uint16_t session, uint32_t stream, struct session_control *control, uint32_t side, uint32_t fd);
void session_forget(uint16_t session, uint32_t stream);
void session_rename(uint16_t session, uint32_t stream, uint32_t fd);
/* Notes which streams are ready, without waiting. */
void sessions_look(void);
/* Blocks until the stream has data, its end, or (`space`) room. False: the socket's time-out came first. */
bool stream_wait(struct descriptor *descriptor, bool space);

/* hold.c: output that leaves when the program waits. */
/* Something was written. */
void hold_note(struct descriptor *descriptor);
/* True: it is closed when what was written has left. */
bool hold_close(struct descriptor *descriptor);
/* The program is about to wait, or ends. */
void hold_release_all(void);
extern struct descriptor *hold_first;
static inline void hold_release(void)
{
    if (hold_first)
        hold_release_all();
}

/* poll.c: whether reading or writing would not wait. */
bool poll_look(uint32_t fd, bool is_write, bool *is_hung);

/* epoll.c */
/* It may be ready now. */
void epoll_note(uint32_t fd);
/* It is about to be closed, or to get another number. */
void epoll_forget(uint32_t fd);
void epoll_renumber(uint32_t from, uint32_t to);

/* socket.c, socket_data.c: of FD_SOCKET, and of what it has become. */
/* Listeners that the environment asks for, behind the preopened directories. */
void sockets_preopen(void);
bool socket_has_stream(const struct descriptor *descriptor);
void socket_close(const struct descriptor *descriptor);
uint32_t socket_accept(uint32_t fd, uint32_t flags, uint32_t *accepted);
uint32_t socket_read(uint32_t fd, uint32_t iovs, uint32_t count, bool peek, uint32_t *done);
uint32_t socket_write(uint32_t fd, uint32_t iovs, uint32_t count, uint32_t total, uint32_t *done);
bool socket_is_ready(uint32_t fd, bool is_write, uint64_t *bytes, bool *is_hung);
/* ECONNRESET when the end of a stream is not the peer's close. */
uint32_t socket_end_error(const struct descriptor *descriptor);
/* True of whatever has a stream of its own: signals are about it. */
static inline bool has_stream(const struct descriptor *descriptor)
{
    return descriptor->kind == FD_STREAM || (descriptor->kind == FD_SOCKET && socket_has_stream(descriptor));
}

#define FIRST_PREOPEN 3
/* path.c: as path_open of WASI, by the path as the program knows it, which begins with a slash. */
uint32_t path_open_absolute(const char *path, uint32_t look, uint32_t open, uint64_t base, uint32_t flags,
                            uint32_t *fd);

/* opens.c: what a parent wants a child to begin with. */
#define OPENS_BYTES 8192u
struct opens {
    char folder[1024]; /* where the child is to begin; "": at the root, as every program */
    struct {
        uint32_t at, look, flags; /* in `paths`; the path ends with a NUL. Two with one `at`: one open file */
        uint64_t base;
        bool is_used;
    } files[STANDARD_STREAMS];
    uint8_t same_as[STANDARD_STREAMS]; /* the stream that it is another number of, + 1; 0: none */
    uint32_t used;
    char paths[OPENS_BYTES / 2];
};
/* Checks that it can be opened, which makes or truncates it where that is asked for, and notes it for the child. */
uint32_t opens_add(struct opens *opens, uint32_t fd, const char *path, uint32_t length, uint32_t look, uint32_t open,
                   uint64_t base, uint32_t flags);
uint32_t opens_enter(struct opens *opens, const char *path, uint32_t length);
/* The text for PROCESS_SPAWN; its length. */
uint32_t opens_write(const struct opens *opens, char text[OPENS_BYTES]);
/* In the child. */
void opens_begin(void);

/* files.c: what servers of files have. */
void preopens_init(void);
void node_close(const struct descriptor *descriptor);
/* The descriptor, when it is a node, of that right, and its server can be reached. E: EBADF, `otherwise` for other
 * kinds, ENOTCAPABLE, EIO. */
uint32_t node_get(uint32_t fd, uint64_t right, uint32_t otherwise, struct descriptor **descriptor);
/* A preopened directory is opened when first used. */
uint32_t node_open_preopened(struct descriptor *descriptor);
static inline uint32_t node_open(struct descriptor *descriptor)
{
    bool is_new = descriptor->kind == FD_NODE && descriptor->node.handle == 0;
    return is_new ? node_open_preopened(descriptor) : ESUCCESS;
}
/* Calls its server with the words from w1 on; the errno, EIO when the server is gone. */
uint32_t node_call(struct descriptor *descriptor, uint64_t operation, struct message *m);
uint8_t *node_window(const struct descriptor *descriptor);
uint32_t node_read(struct descriptor *descriptor, uint64_t offset, uint32_t iovs, uint32_t count, uint32_t *done);
/* At the end, where the descriptor appends; *end: behind what was written. */
uint32_t node_write(struct descriptor *descriptor, uint64_t offset, uint32_t iovs, uint32_t count, uint32_t *done,
                    uint64_t *end);
uint32_t node_size(struct descriptor *descriptor, uint64_t *bytes);

/* io.c */
/* Bytes of the console's input that wait, or its end; with neither, a signal comes when that changes. */
uint32_t terminal_bytes(bool *is_end);
struct vector {
    uint32_t address, length;
};
static inline struct vector vector_at(uint32_t iovs, uint32_t i)
{
    struct vector vector;
    __builtin_memcpy(&vector, at(iovs + i * (uint32_t)sizeof(vector)), sizeof(vector)); /* no call */
    return vector;
}
/* True when a connection's ring has grown: what could not be read a moment ago now can. */
bool stream_follow_ring(struct descriptor *descriptor);
uint32_t stream_transfer_in(struct descriptor *descriptor, uint32_t iovs, uint32_t count, bool peek, uint32_t *done);
uint32_t stream_transfer_out(struct descriptor *descriptor, uint32_t iovs, uint32_t count, uint32_t *done);
#define VECTORS_TOTAL_MAX 0x7fffffffu
uint32_t vectors_check_many(uint32_t iovs, uint32_t count, uint32_t *total);
/* Sum of the vectors' lengths; EFAULT, EINVAL. */
static inline uint32_t vectors_check(uint32_t iovs, uint32_t count, uint32_t *total)
{
    if (count != 1 || !in_memory(iovs, sizeof(struct vector)))
        return vectors_check_many(iovs, count, total);
    struct vector vector = vector_at(iovs, 0); /* nearly always */
    *total = vector.length;
    return !in_memory(vector.address, vector.length) ? EFAULT : vector.length > VECTORS_TOTAL_MAX ? EINVAL : ESUCCESS;
}

#endif
