/* What a program may ask of Tessera beyond wasi_snapshot_preview1.
 *
 * Three things: channels (byte streams between programs), services (request and reply, which is the
 * kernel's IPC) and child processes. Names of channels and services are not ambient: a program reaches
 * only those that its manifest requests and the system description (or its parent) grants; any other
 * name answers TESSERA_ENOTCAPABLE, whether or not it exists elsewhere.
 *
 * The header serves three builds: WebAssembly modules (imports), the WASI library that implements the
 * imports natively, and host tests (demos/host implements the same functions over POSIX).
 *
 * Every function returns 0 or an errno with WASI's numbers (WASI snapshot-01, type errno), which are also
 * wasi-libc's. Out-parameters come last and are written on success only, unless a function says otherwise.
 * Names are not NUL-terminated; their length in bytes is 1 to TESSERA_NAME_MAX. A pointer that reaches
 * beyond the module's memory answers TESSERA_EFAULT.
 */
#ifndef TESSERA_H
#define TESSERA_H

#include <stdint.h>

#ifdef __wasm__
#define TESSERA_IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#else
#define TESSERA_IMPORT(module, name)
#endif

#define TESSERA_NAME_MAX    63
#define TESSERA_MESSAGE_MAX 4096 /* bytes of a service's request, and of its reply */

/* The errno values that the functions below may return, by WASI's numbers. */
enum tessera_errno {
    TESSERA_SUCCESS = 0,
    TESSERA_E2BIG = 1,
    TESSERA_EAGAIN = 6,
    TESSERA_EBADF = 8,
    TESSERA_ECHILD = 12,
    TESSERA_ECONNABORTED = 13,
    TESSERA_ECONNREFUSED = 14,
    TESSERA_EFAULT = 21,
    TESSERA_EINVAL = 28,
    TESSERA_EMFILE = 33,
    TESSERA_EMSGSIZE = 35,
    TESSERA_ENOENT = 44,
    TESSERA_ENOMEM = 48,
    TESSERA_ENOTDIR = 54,
    TESSERA_ENOTSUP = 58,
    TESSERA_ESRCH = 71,
    TESSERA_ENOTCAPABLE = 76,
};

/* ---- Channels: connected byte streams ------------------------------------------------------------
 *
 * Both ends of a connection are WASI descriptors: fd_read, fd_write, fd_close, poll_oneoff,
 * fd_fdstat_set_flags(NONBLOCK), sock_recv, sock_send and sock_shutdown work on them and behave as for a
 * stream socket: a read at the end of the peer's data returns 0 bytes, a write to a closed peer answers
 * EPIPE, a non-blocking descriptor answers EAGAIN, and a peer that died without closing looks like one
 * that closed. Bytes arrive in order and exactly once.
 */

/* Begins to accept connections on a channel that the manifest lists under "channel": "serve".
 * *fd: a listening descriptor; accept with sock_accept, poll for reading, close to refuse further ones.
 * Errors: ENOTCAPABLE not granted; EINVAL already listening or bad length; EMFILE. */
TESSERA_IMPORT("tessera", "channel_listen")
int tessera_channel_listen(const char *name, uint32_t name_len, uint32_t *fd);

/* Connects to a channel that the manifest lists under "channel": "connect". Waits until the serving
 * program listens; returns when the connection is queued there, perhaps before it is accepted: data may be
 * written at once. *fd: a connected descriptor, blocking.
 * Errors: ENOTCAPABLE not granted; ECONNREFUSED the serving program has ended or closed its listener;
 * EMFILE; ENOMEM the memory limit leaves no room for the stream's buffers. */
TESSERA_IMPORT("tessera", "channel_connect")
int tessera_channel_connect(const char *name, uint32_t name_len, uint32_t *fd);

/* ---- Services: request and reply -----------------------------------------------------------------
 *
 * A service is one kernel endpoint. A request is an operation number and at most TESSERA_MESSAGE_MAX
 * bytes; so is a reply, with a status in place of the operation. Handles are small numbers of their own,
 * not descriptors.
 */

/* A handle for calling a service listed under "service": "connect".
 * Errors: ENOTCAPABLE not granted; EINVAL bad length; EMFILE. */
TESSERA_IMPORT("tessera", "service_open")
int tessera_service_open(const char *name, uint32_t name_len, uint32_t *handle);

/* Sends a request and waits for its reply. Returns the server's status as it is: 0 means success, values
 * below 256 are errno values (from the system or chosen by the server), greater ones are the server's own.
 * *out_len: bytes of the reply, written whenever the server replied, also with a status other than 0.
 * Errors of the system: EBADF not a handle for calling; EMSGSIZE in_len above TESSERA_MESSAGE_MAX (nothing
 * is sent), or the reply is longer than out_cap (*out_len tells its length, nothing is stored);
 * ECONNABORTED the server died, or ended, before it replied. */
TESSERA_IMPORT("tessera", "service_call")
int tessera_service_call(uint32_t handle, uint32_t operation, const void *in, uint32_t in_len, void *out,
                         uint32_t out_cap, uint32_t *out_len);

/* A handle for serving a service listed under "service": "serve".
 * Errors: ENOTCAPABLE not granted; EINVAL already listening or bad length; EMFILE. */
TESSERA_IMPORT("tessera", "service_listen")
int tessera_service_listen(const char *name, uint32_t name_len, uint32_t *handle);

/* Waits for a request. *client: who calls; the system sets it (it is the badge of the caller's capability)
 * and no client can choose or forge it: equal for all requests of one process, different for different
 * processes, never 0, not used again while this server lives. *len: bytes stored in buf.
 * A request longer than cap is answered EMSGSIZE to its caller and not delivered.
 * The request stays open until service_reply; receiving again before answers the open one ECONNABORTED.
 * Errors: EBADF not a handle for serving. */
TESSERA_IMPORT("tessera", "service_recv")
int tessera_service_recv(uint32_t handle, uint32_t *operation, uint64_t *client, void *buf, uint32_t cap,
                         uint32_t *len);

/* Answers the request received last. Errors: EBADF; EINVAL no request is open; EMSGSIZE (it stays open). */
TESSERA_IMPORT("tessera", "service_reply")
int tessera_service_reply(uint32_t handle, uint32_t status, const void *buf, uint32_t len);

/* ---- Child processes -----------------------------------------------------------------------------
 *
 * As WASIX has them (module wasix_32v1; sources: wasix-libc's wasi/api_wasix.h for names, layouts and
 * numbers, Wasmer's proc_spawn and proc_join for what they mean). Needs the permission "spawn".
 */

enum tessera_stdio_mode { TESSERA_STDIO_PIPED = 0, TESSERA_STDIO_INHERIT = 1, TESSERA_STDIO_NULL = 2 };

struct tessera_option_fd {
    uint8_t is_some;
    uint32_t fd; /* meaningful when is_some is 1 */
};

struct tessera_process_handles {
    uint32_t pid;
    struct tessera_option_fd stdin_pipe, stdout_pipe, stderr_pipe; /* the parent's ends of PIPED streams */
};

struct tessera_option_pid {
    uint8_t is_some;
    uint32_t pid;
};

enum tessera_join_type { TESSERA_JOIN_NOTHING = 0, TESSERA_JOIN_EXIT_NORMAL = 1, TESSERA_JOIN_EXIT_SIGNAL = 2 };

#define TESSERA_JOIN_NON_BLOCKING 1u /* flag of proc_join: answer JOIN_NOTHING rather than wait */
#define TESSERA_SIGNAL_TRAP       4u /* the child trapped (WASI's signal "ill") */
#define TESSERA_SIGNAL_KILL       9u /* the child was killed, or had used up what it was given */

struct tessera_join_status {
    uint8_t type;       /* enum tessera_join_type */
    uint16_t exit_code; /* of EXIT_NORMAL; of EXIT_SIGNAL 128 + signal */
    uint8_t signal;     /* of EXIT_SIGNAL */
};

/* What of its standard streams a child gets otherwise than its parent has them (WASIX's proc_spawn_fd_op). */
enum tessera_spawn_operation_name {
    TESSERA_SPAWN_CLOSE = 0,
    TESSERA_SPAWN_DUP2 = 1,
    TESSERA_SPAWN_OPEN = 2,
    TESSERA_SPAWN_CHDIR = 3,
    TESSERA_SPAWN_FCHDIR = 4
};

struct tessera_spawn_operation {
    uint8_t name;         /* enum tessera_spawn_operation_name */
    uint32_t fd, from_fd; /* CLOSE: fd; DUP2: the child's fd becomes what from_fd is here */
    uint32_t path, path_len, dirflags;
    uint16_t oflags;
    uint64_t rights_base, rights_inheriting;
    uint16_t fdflags, fdflags_more;
};

_Static_assert(sizeof(struct tessera_spawn_operation) == 56, "as in WASIX");
_Static_assert(sizeof(struct tessera_process_handles) == 28, "as in WASIX");
_Static_assert(sizeof(struct tessera_option_pid) == 8, "as in WASIX");
_Static_assert(sizeof(struct tessera_join_status) == 6, "as in WASIX");

/* Starts a program of the system description by its name ("child" or "child.wasm"). args: the arguments,
 * argv[0] first, separated by line feeds. preopen: of the directories that the child's manifest requests those that it
 * gets, separated by line feeds; empty for all of them. The child gets what its manifest requests out of what its
 * parent holds, nothing else, and its memory and CPU time come out of its parent's. Its environment is what description
 * and manifest say. Texts have at most 24 KiB together. chroot must be 0; working_dir must be empty or ".". Errors:
 * ENOTCAPABLE no permission "spawn", or the child asks for more than its parent holds, or is to get a directory that it
 * does not request (the log names it); ENOENT no such program; ENOMEM no memory left within the parent's limit; EAGAIN
 * the limit of children is reached; E2BIG; EINVAL, ENOTSUP for arguments outside the above. */
TESSERA_IMPORT("wasix_32v1", "proc_spawn")
int tessera_proc_spawn(const char *name, uint32_t name_len, uint32_t chroot, const char *args, uint32_t args_len,
                       const char *preopen, uint32_t preopen_len, uint32_t stdin_mode, uint32_t stdout_mode,
                       uint32_t stderr_mode, const char *working_dir, uint32_t working_dir_len,
                       struct tessera_process_handles *handles);

/* As posix_spawn. envs: the whole environment of the child, KEY=VALUE separated by line feeds; NULL: what description
 * and manifest say. Its standard streams are the console (input: the terminal, where this program has it, else
 * nothing) unless an operation says otherwise, one after the other:
 *   CLOSE  leaves nothing;
 *   DUP2   to 0, 1 or 2 gives it what from_fd is here: an end of a pipe, which passes to the child (here from_fd is
 *          then nothing, until it is closed), the console, the terminal, or nothing; from_fd 0 to 2 is the child's own
 *          stream, as far as the operations went;
 *   OPEN   to 0, 1 or 2: the file of that path, by path_open's flags (of the rights only rights_base counts). It is
 *          opened here first, so errors are found, and files made or emptied, before there is a child; the child needs
 *          the directory, too: without, its exit status is 127;
 *   CHDIR  what paths of later operations are relative to (at first the root), and PWD in the child's environment.
 * Other descriptors a child does not get. All directories that its manifest requests it gets. signals: pairs of bytes,
 * signal and 0 (the default). Programs have names, not places: search_path and path change nothing.
 * Errors: as proc_spawn; those of path_open, ENOTCAPABLE also for a path that no preopened directory leads to; EBADF no
 * descriptor; ENOTSUP an operation or a descriptor other than these (an open file belongs to who opened it: OPEN takes
 * its place), a pipe's end or a file under two numbers; ENOTCAPABLE the wrong end of a pipe. After an error all is as
 * before, but for files that OPEN has made. */
TESSERA_IMPORT("wasix_32v1", "proc_spawn2")
int tessera_proc_spawn2(const char *name, uint32_t name_len, const char *args, uint32_t args_len, const char *envs,
                        uint32_t envs_len, const struct tessera_spawn_operation *operations, uint32_t operation_count,
                        const void *signals, uint32_t signal_count, uint32_t search_path, const char *path,
                        uint32_t path_len, uint32_t *pid);

/* A pipe of 16 KiB: what is written to *write_fd is read from *read_fd. Either end may be given to a child, also a
 * child's own pipes (proc_spawn's PIPED). Errors: ENOMEM the memory limit leaves no room, EMFILE. */
TESSERA_IMPORT("wasix_32v1", "fd_pipe")
int tessera_fd_pipe(uint32_t *read_fd, uint32_t *write_fd);

TESSERA_IMPORT("wasix_32v1", "proc_id")
int tessera_proc_id(uint32_t *pid);

/* Of this process (0: the system started it), or of one of its children that runs. ESRCH: any other. */
TESSERA_IMPORT("wasix_32v1", "proc_parent")
int tessera_proc_parent(uint32_t pid, uint32_t *parent);

/* Waits for a child to end and forgets it. *pid: which (in: none means any; out: which it was).
 * Errors: ECHILD no such child (status: JOIN_NOTHING). */
TESSERA_IMPORT("wasix_32v1", "proc_join")
int tessera_proc_join(struct tessera_option_pid *pid, uint32_t flags, struct tessera_join_status *status);

/* Ends a child with a signal that ends what does not handle it: WASI's hup, int, quit, abrt, kill or term (1, 2, 3, 6,
 * 9, 15). 0 asks whether it runs. Errors: ESRCH no such child runs; ENOTSUP another signal; EINVAL no signal. */
TESSERA_IMPORT("wasix_32v1", "proc_signal")
int tessera_proc_signal(uint32_t pid, uint32_t signal);

#endif
