/* The process server's parts. One thread, one endpoint: every call of a process and every fault arrives there, the
 * badge says from whom. docs/processes.md and docs/channels.md explain what happens and why.
 *
 * Nothing here waits for a program. Calls that cannot be answered yet are kept as the process's `waiting`, with the
 * reply object that answers it.
 */
#ifndef PROCESS_SERVER_H
#define PROCESS_SERVER_H

#include "arch/platform/archive.h"
#include "proto/process.h"
#include "proto/root.h"
#include "proto/service.h"
#include "proto/stream.h"
#include "proto/system.h"
#include "tessera/net_pattern.h"
#include "tessera/pool.h"
#include "tessera/syscall.h"
#include "tessera/system.h"
#include "tessera/random.h"
#include "tessera/task.h"

#define PROCESSES        4095 /* process numbers are 1 to this */
#define SESSIONS         8192 /* of all processes: those of one are PROCESS_SESSIONS */
#define CHANNELS         64
#define SERVICES         32
#define BACKLOG          16
#define IMAGES           96
#define REGIONS          65  /* memories, and the heap */
#define PROCESS_SESSIONS 128 /* with one process */
#define WINDOWS          256 /* of one process: sessions, streams, services */

#define PRIORITY_PROGRAM 100
#define PRIORITY_SERVER  200
#define DEFAULT_MEMORY   (16ul << 20)
#define DEFAULT_STACK    (16ul << 10) /* mapped at first */
#define STACK_LIMIT      (1ul << 20)
#define BADGE_NOTIFY     SERVER_SIGNAL
#define PROCESS_FEW_ROWS 3 /* of slots: those that any process can have */
#define CNODE_WORDS      ((1u << PROCESS_CNODE_BITS_MAX) / 64)

enum wasi_errno {
    E_AGAIN = 6,
    E_BADF = 8,
    E_BUSY = 10,
    E_CONNABORTED = 13,
    E_CHILD = 12,
    E_CONNREFUSED = 14,
    E_FAULT = 21,
    E_INVAL = 28,
    E_MFILE = 33,
    E_NODEV = 43,
    E_NOENT = 44,
    E_NOMEM = 48,
    E_NOSYS = 52,
    E_2BIG = 1,
    E_NOTSUP = 58,
    E_SRCH = 71,
    E_NOTCAPABLE = 76,
};

/* A request as it was received: names and texts lie in the IPC buffer, so they are copied out first. */
struct request {
    word operation;
    word words[MESSAGE_WORDS];
    unsigned length;
};

/* ---- images (image.c) ---------------------------------------------------------------------------------------- */

struct program_image {
    const char *member;
    uint64_t offset, bytes; /* in the archive */
    bool is_native, is_good;
    struct image image;
    struct shared_text *text; /* NULL: its segments are mapped one by one */
    char problem[96];
};
/* Checked once, kept for good. */
struct program_image *image_get(const char *member, bool is_native);

/* ---- authority (authority.c) --------------------------------------------------------------------------------- */

/* What a process may: all of these manifests must allow it. */
struct authority {
    const struct image_manifest *request; /* the program's own manifest */
    const struct image_manifest *grant;   /* NULL: everything requested was found granted */
    uint64_t paths_left_out;              /* bit i: of `fs`, the i-th is not given to this child */
};
#define AUTHORITY_PATHS 64 /* those that can be left out */
enum authority_kind {
    AUTHORITY_SERVE,
    AUTHORITY_CONNECT,
    AUTHORITY_SERVICE_SERVE,
    AUTHORITY_SERVICE_CONNECT,
    AUTHORITY_DEVICE
};
bool authority_allows(const struct authority *authority, enum authority_kind kind, const char *name);
bool authority_permits(const struct authority *authority, uint32_t permission); /* enum image_permission */
/* Children at a time; 0: it may not spawn. */
uint32_t authority_children(const struct authority *authority);
/* The n-th path of the request that is granted, in whole or as part of a directory; its mode is what both allow. False:
 * no more. */
bool authority_path(const struct authority *authority, uint32_t n, const char **path, uint32_t *mode);
/* The n-th pattern for the network that is both requested and granted, of that kind; false: no more. */
bool authority_net(const struct authority *authority, enum process_net kind, uint32_t n, struct net_pattern *pattern);
/* The least of those that cover the path, in KiB; 0: none does. */
uint32_t authority_quota(const struct authority *authority, const char *path);
/* What is requested and not granted, as text for the log; the length, 0 when nothing. */
size_t authority_missing(const struct authority *authority, char *text, size_t size);
/* True when `holder` allows everything that `request` asks for, of its directories those of `paths`. Else `text` names
 * what is missing, as far as its size goes. */
bool authority_covers(const struct authority *holder, const struct image_manifest *request, uint64_t paths, char *text,
                      size_t size);
/* The directories of a request that these names, each with its NUL, choose; none: all. *unknown: one that it has not.
 */
uint64_t authority_paths(const struct image_manifest *request, const char *names, uint32_t bytes, const char **unknown);
const char *authority_word(enum authority_kind kind);

/* ---- processes (process.c) ----------------------------------------------------------------------------------- */

enum waiting { WAITING_NOTHING = 0, WAITING_CONNECT, WAITING_SERVICE, WAITING_JOIN };

struct region {
    uint64_t base, pages, max_pages;
    uint64_t capacity; /* bytes that the chunks so far could hold */
    cptr last_slot;    /* mapping of the last chunk */
    struct memory last;
    uint64_t last_offset; /* where it begins in the region */
};

/* A thread beside the first; its objects stay for the next one when it ends. */
struct process_thread {
    cptr tcb, sched_context, faults; /* 0: not made yet */
    uint64_t stack_mapped;
    uint64_t cpu_ns; /* used by the thread that has it now */
    bool is_running, is_broken;
};

struct process {
    uint32_t index, generation;
    enum process_end end; /* PROCESS_RUNNING, or a child waiting to be joined */
    uint32_t end_status;
    struct memory self; /* of this struct */
    uint32_t program;   /* index in the description */
    const struct system_program *description;
    struct program_image *image;
    char name[48];
    bool is_top; /* started by the description: its end is reported */
    uint32_t parent, parent_generation, children;
    struct process *family;                 /* the one of the description that it descends from; itself */
    uint32_t members, family_sessions;      /* of the family, counted there */
    uint32_t refusals, quotas, ends;        /* the same, for the log */
    uint32_t last_refusal;                  /* a hash of it, for the log */
    bool has_inherited;                     /* it pays for sessions of descendants that ended */
    struct process *child_first;            /* newest first: living or not yet joined */
    struct process *child_next, **child_at; /* where its parent's list has it */
    struct authority authority;
    uint64_t memory_limit, memory_extra; /* streams, and what children may use */
    uint64_t grown_bytes;                /* of that, rings of streams that nobody asked for */
    uint64_t charged_to_parent;          /* while it lives: its limit */
    uint64_t price;                      /* until it is forgotten: what it is made of. Its parent pays */
    uint64_t object_bytes;               /* of its kernel objects: those that are in the price */
    uint64_t budget_ns, period_ns;       /* CPU time of it and all its children; 0: a time slice, without limit */
    uint64_t spawn_ticks;                /* a limited one may have its next child then */
    uint32_t quotas_told;                /* enum quota: logged once each */
    uint64_t deadline_ticks;             /* 0: none */
    uint64_t cap_used[CNODE_WORDS];      /* slots of its CNode */
    uint64_t window_next;
    uint32_t window_count;
    uint32_t region_count;
    uint64_t stack_mapped;
    cptr event_signal, finish_signal;
    bool is_server;      /* SYSTEM_SERVER */
    bool has_terminal;   /* its standard input is the console's, with whoever else has it */
    bool is_joined;      /* ended and taken apart: its parent's end forgets it */
    bool is_shell;       /* ended, its address space kept for the next of its image: shell.c */
    cptr trap_tcb;       /* 0: it has no trap thread */
    cptr trap_faults[2]; /* where the first thread's faults go then, and its own */
    struct process_thread threads[PROCESS_THREADS]; /* of 0, the first, only cpu_ns is used */
    uint64_t cpu_past_ns;                           /* of threads that ended */
    uint32_t restarts;                              /* faults answered by doing it again */
    uint16_t sessions[PROCESS_SESSIONS];            /* number -> session, 0 = none */
    enum waiting waiting;
    cptr reply;
    uint32_t waiting_for;           /* channel, service or child */
    struct process_stream piped[3]; /* the parent's ends, until it is told; ends that it gives, until they are given */
    uint32_t has_piped;             /* bit i: piped[i] is an end of the parent's */
    /* From here on nothing is cleared for a new process: the counts say what is meaningful, and task_create begins. */
    struct task task;
    struct region regions[REGIONS];
    struct window {
        uint64_t address, bytes; /* 0 bytes: free to be used again */
        uint64_t distance;       /* address - first: see process_window_map */
        cptr frame, slot;
        bool is_orphan;
    } windows[WINDOWS];
};

struct process;

struct server {
    const struct start_page *start;
    struct pool pool;
    struct archive archive;
    struct archive_map archive_map;
    const struct system_header *system;
    struct process *processes[PROCESSES + 1];
    uint32_t top;                              /* no process has a higher number */
    struct process *spare;                     /* one that ended: its memory is kept for the next */
    uint64_t used_numbers[PROCESSES / 64 + 1]; /* a bit for each process number */
    uint32_t process_count, reply_count;       /* a reply object is there for each, so that anyone may wait */
    uint32_t generation;
    uint32_t essential_left, started;
    bool is_ending; /* the essential programs have ended; servers put things away */
    struct random random;
    cptr reply; /* for the request now being handled */
    cptr free_replies[PROCESSES + 2];
    uint32_t free_reply_count;
    cptr timer;
    cptr nobody;           /* a notification that nobody waits for */
    struct memory nowhere; /* SERVICE_WINDOW_MAX bytes that hold nothing */
    uint64_t next_deadline;
    uint32_t own_blocks; /* of the pool, for the server's own objects and images' text */
    uint64_t own_pages;
};
extern struct server server;

/* Counts a refusal of the process, or its end; true while those of its family are still logged one by one. What is
 * refused again at once is the same refusal: `what` and `name` say which. */
bool refusal_is_logged(struct process *process, const char *what, const char *name, size_t bytes);
bool end_is_logged(struct process *process);
/* In the words of the manifest. */
void log_refusal(struct process *process, const char *what, const char *name);
/* What a process may use up. The log says once of each that it has. */
enum quota { QUOTA_MEMORY, QUOTA_CHILDREN, QUOTA_THREADS, QUOTA_SESSIONS, QUOTA_CAPABILITIES, QUOTA_SHARE };
/* The error, as it is. */
uint32_t quota_reached(struct process *process, enum quota quota, uint32_t error);
/* A kernel object of the server's own. */
bool server_object(enum object_type type, cptr *slot);
bool server_slot(cptr *slot);
/* Four times as many slots as before (slots.c); false: there is no memory, or they are enough. */
bool slots_grow(void);
/* Those of free rows, and those that growing would add. */
uint32_t slots_left(void);
/* Ends the whole system. */
_Noreturn void server_give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Texts one after another, each with its NUL. */
struct texts {
    const char *text;
    uint32_t bytes;
};

struct process_options {
    uint32_t program;
    struct process *parent; /* NULL: by the description */
    struct texts arguments; /* of a child */
    struct texts environment;
    bool has_environment;  /* of its own: not the description's and the manifest's */
    uint32_t stdio;        /* of a child: w9 of PROCESS_SPAWN */
    uint32_t given[3];     /* of a child: its parent's numbers of the pipes that become its streams */
    struct texts preopens; /* of a child: names of directories, none: all that it requests */
    struct texts opens;    /* of a child: for its library (PROCESS_SPAWN) */
    char *problem;         /* of a child: what it may not, in words */
    size_t problem_size;
};
/* One of that image with a number of its own, empty or a shell, a child of `parent` (NULL: of nobody). EAGAIN: there is
 * no number for it, ENOMEM. */
uint32_t process_allocate(struct program_image *image, struct process *parent, struct process **made);
/* What was made for it is paid: its parent's limit has room for that and for its own. */
bool process_pay(struct process *process, struct process *parent);
/* True when what is left of numbers and slots is kept for families that have few. */
bool process_is_last(const struct process *family);
/* 0 or an errno; the new process is made but does not run. */
uint32_t process_create(const struct process_options *options, struct process **made);
void process_run(struct process *process);
/* The system is there for as long as such programs run. */
bool process_is_essential(const struct process *process);
/* Takes everything of the process back and tells everyone concerned. `text` says how it ended. */
void process_end(struct process *process, enum process_end end, uint32_t status, const char *text);
/* The last of a process that has ended: its number is free again. */
void process_forget(struct process *process);
/* A live process by badge, or NULL. */
struct process *process_find(uint32_t index, uint32_t generation);
/* Also one that is just ending; NULL: it has none. */
struct process *process_parent(const struct process *process);
uint32_t process_grow(struct process *process, uint64_t base, uint64_t pages, uint64_t delta);
bool process_stack_grow(struct process *process, uint64_t address);
/* Maps more of the stack that ends at `top`, of which *mapped bytes are, down to the address; at most `limit` bytes. */
bool process_stack_extend(struct process *process, uint64_t top, uint64_t limit, uint64_t *mapped, uint64_t address);
uint64_t process_stack_limit(const struct process *process);
/* Of the process as a whole. */
void process_budget(const struct process *process, uint64_t *budget_ns, uint64_t *period_ns);
/* ---- shells (shell.c): address spaces of processes that have ended, as they were built, for the next of their image
 * ---- */

/* Of a process that ends: true when it is a shell now, else its task is to be destroyed. */
bool shell_make(struct process *process);
void shell_put(struct process *process);
struct process *shell_take(const struct program_image *image);
/* Gives their memory back; false when there were none. */
bool shells_drop(void);
/* ---- programs started again (supervise.c) ---- */

/* A program of the description has ended: true when it is going to be started again. */
bool supervise_ended(uint32_t program, bool is_expected, uint64_t lived_ticks, const char *text);
/* So has a server, and it is gone: it is started again, at once or later, or the system ends. */
void supervise_server_ended(uint32_t program, enum process_end end, uint64_t lived_ticks);
/* Starts one, to be run; NULL: it cannot be started, which was said; *is_over when it will not be tried again. */
struct process *supervise_start(uint32_t program, bool *is_over);
/* Starts those whose time has come. */
void supervise_check(uint64_t now);
/* One that is going to be started again may serve that name. */
bool supervise_may_serve(enum authority_kind kind, const char *name);
/* What a program of the description may, as long as its image is good. */
bool authority_of(const struct system_program *program, struct authority *authority);
void root_tell(uint32_t program, enum process_end end, uint32_t status, bool is_expected, const char *text);
/* One essential program less; with the last, the system ends. */
void essential_ended(void);
void system_end(void);
/* ---- threads (thread.c); number 0 is the first ---- */
uint32_t thread_start(struct process *process, uint64_t entry, uint64_t argument, word *number);
uint32_t thread_exit(struct process *process, word number);
/* CPU time in ns: 0 of all, else of thread `which` - 1. */
uint32_t thread_cpu_time(struct process *process, word which, word *ns);
/* None of the process's threads runs any more. */
void threads_suspend(struct process *process);
bool thread_stack_grow(struct process *process, uint64_t address);
void thread_stack(const struct process *process, uint32_t number, uint64_t *floor, uint64_t *top);
cptr thread_tcb(const struct process *process, uint32_t number);
/* After the process's budget has become half: each gets its part of that. */
void threads_halve(struct process *process);
/* A second thread that receives the first one's faults. It takes half of a limited process's budget. */
uint32_t process_trap_thread(struct process *process, uint64_t entry, uint64_t sp);
/* Bytes that it may still use. */
uint64_t process_memory_left(const struct process *process);
/* A free slot of its CNode. */
bool process_cap_take(struct process *process, cptr *cap);
void process_cap_return(struct process *process, cptr cap);
/* Shows it part of a frame, readable and writable or readable only, somewhere among its windows. */
bool process_window_map(struct process *process, const struct memory *memory, uint64_t bytes, uint64_t *address);
void process_window_unmap(struct process *process, uint64_t address);
/* The memory goes away, but the process may be in the middle of a copy: it sees a page of nobody's instead, until
 * process_windows_reap, which it brings about when it is done. */
void process_window_orphan(struct process *process, uint64_t address);
void process_windows_reap(struct process *process);
/* Wakes it with PROCESS_SIGNAL_EVENT. */
void process_signal_event(struct process *process);
/* Puts the answer off; process_answer gives it. */
void process_wait(struct process *process, enum waiting why, uint32_t what);
void process_answer(struct process *process, uint32_t error, const word *words, unsigned count);
void deadlines_check(void);
void deadline_set(uint64_t ticks);

/* ---- faults (fault.c) ---------------------------------------------------------------------------------------- */

/* Handles a fault; true when the thread is to be restarted where it was. */
bool fault_handle(struct process *process, uint32_t thread, const struct message *m);

/* ---- channels (channel.c) ------------------------------------------------------------------------------------ */

uint32_t channel_listen(struct process *process, const char *name, word *listener);
uint32_t channel_unlisten(struct process *process, word listener);
uint32_t channel_pending(struct process *process, word listener, word *count);
uint32_t channel_accept(struct process *process, word listener, struct process_stream *stream);
/* E_AGAIN: it waits now. */
uint32_t channel_connect(struct process *process, const char *name, struct process_stream *stream);
uint32_t stream_close_side(struct process *process, word number, word stream);
/* A stream between two processes: what each side is told. */
uint32_t stream_make(struct process *a, struct process *b, struct process_stream *for_a, struct process_stream *for_b);
/* A pipe: a stream with a session of its own, so that either end may go to another process. Both may be a's. */
uint32_t pipe_make(struct process *a, struct process *b, struct process_stream *for_a, struct process_stream *for_b);
/* The pipe's end that the process has as this session is to be the child's: makes room in the child, which goes with
 * the child. E_INVAL: it has no such pipe, E_NOMEM. */
uint32_t pipe_offer(struct process *process, uint32_t number, struct process *child, struct process_stream *room);
/* Makes it so. *stream: the room, then what the child is told. */
void pipe_hand_over(struct process *process, uint32_t number, struct process *child, struct process_stream *stream);
/* PROCESS_STREAM_MAKE: what the server sees, then what the client does. */
uint32_t stream_offer(struct process *process, word badge, bool may_make, struct process_stream streams[2]);
/* PROCESS_STREAM_GROW, with its words; PROCESS_STREAM_RING. */
uint32_t stream_grow_side(struct process *process, const word request[4], word *address);
uint32_t stream_ring(struct process *process, word number, word index, word result[2]);
void channels_process_ended(struct process *process);
/* After a process that might do that has ended: who waits for a listener that cannot come any more is refused. */
void channels_refuse_hopeless(const struct authority *ended);

/* ---- services (service.c) ------------------------------------------------------------------------------------ */

uint32_t service_listen(struct process *process, const char *name, word window_bytes, word caps[2]);
uint32_t service_open(struct process *process, const char *name, word result[2]);
uint32_t service_window(struct process *process, word badge, word *address);
/* PROCESS_SERVICE_PARTY; *count of result words. */
uint32_t service_party(const struct process *process, word badge, word *results, unsigned *count);
void services_process_ended(struct process *process);
void services_refuse_hopeless(const struct authority *ended);
/* A session with a service for which the permission was checked already. E_AGAIN: it waits now. */
uint32_t service_join(struct process *process, const char *name, word result[2]);
/* The client of that badge, when `process` serves it; *name of the service. */
struct process *service_client(const struct process *process, word badge, const char **name);
/* True when the slot of its CNode is, or was, a service's: a fault on it is not the program's doing. */
bool service_owns_cap(struct process *process, cptr cap);

/* ---- files (files.c) ----------------------------------------------------------------------------------------- */

/* A directory that a process finds open: below which mount, as whom. */
struct files_grant {
    char path[PROCESS_GRANT_PATH]; /* as the program knows it */
    uint32_t mount, access, quota_kib;
    const char *rest; /* of the path, below the mount */
};
/* The n-th; false: no more. */
bool files_grant(const struct process *process, uint32_t n, struct files_grant *grant);
uint32_t files_open(struct process *process, word n, word result[2]);
uint32_t files_describe(const struct process *process, word badge, word n, word *results, unsigned *count);

/* ---- the network (net.c) ------------------------------------------------------------------------------------- */

uint32_t net_open(struct process *process, word result[2]);
uint32_t net_describe(const struct process *process, word badge, word n, word *results, unsigned *count);
uint32_t net_refused(const struct process *process, const struct request *request);

/* ---- random numbers (entropy.c) ------------------------------------------------------------------------------ */

void entropy_start(void);
/* The device's driver has signalled. */
void entropy_take(void);
/* For a process's own generator. False: this machine has none. */
bool entropy_bytes(void *bytes, size_t count);

/* ---- devices (device.c) -------------------------------------------------------------------------------------- */

uint32_t device_open(struct process *process, const char *name, word *results, unsigned *count);

/* ---- children (child.c) -------------------------------------------------------------------------------------- */

uint32_t child_spawn(struct process *process, const struct request *request, word *results, unsigned *count);
uint32_t child_signal(struct process *process, word pid, word signal);
uint32_t child_join(struct process *process, word pid, bool wait, word results[3]);
void child_ended(struct process *child);

#endif
