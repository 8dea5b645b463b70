/* The system description as the archive carries it (member SYSTEM_MEMBER), made from JSON by
 * ci/system_description.py. docs/system.md has the meaning of each key.
 *
 * Little endian, 8-byte aligned. Offsets count from the start of struct system_header. Nobody looks into it before
 * system_check() (servers/lib) accepted it.
 */
#ifndef PROTO_SYSTEM_H
#define PROTO_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

#define SYSTEM_MEMBER   "system"
#define SYSTEM_MAGIC    0x3153595353534554ul /* "TESSSYS1" */
#define SYSTEM_PROGRAMS 1024

/* Followed by a NUL that `length` does not count; holds no other. */
struct system_string {
    uint32_t offset, length;
};

struct system_header {
    uint64_t magic;
    uint32_t bytes; /* of the whole */
    uint32_t program_count;
    uint32_t programs_offset; /* of struct system_program[program_count] */
    uint32_t mount_count;
    uint32_t mounts_offset; /* of struct system_mount[mount_count] */
    uint32_t flags;         /* enum system_flags */
    uint32_t restart_count;
    uint32_t restarts_offset; /* of struct system_restart_rule[restart_count] */
};
_Static_assert(sizeof(struct system_header) == 40, "ci/system_description.py writes 40 bytes");

enum system_flags {
    SYSTEM_FRAMED = 1 << 0, /* the console speaks in frames (proto/console.h): `tessera run app.wasm` */
    SYSTEM_DISK = 1 << 1,   /* some program may have the device "disk": its drivers are started */
    SYSTEM_RANDOM = 1 << 2, /* some program may have random numbers: where there is a device for them, it is used */
    SYSTEM_NET = 1 << 3,    /* some program may have the device "net": the network card's driver is started */
    SYSTEM_HEADER_FLAGS_ALL = (1 << 4) - 1,
};

enum system_program_flags {
    SYSTEM_ESSENTIAL = 1 << 0,
    SYSTEM_START = 1 << 1,  /* else only for proc_spawn */
    SYSTEM_PREFIX = 1 << 2, /* its lines on the console begin with its name */
    SYSTEM_NATIVE = 1 << 3, /* an image without notes: entered without WebAssembly */
    SYSTEM_SERVER =
        1 << 4, /* serves others: sees the archive, is told of clients' deaths, ends when the programs have */
    SYSTEM_TERMINAL = 1 << 5,   /* what arrives on the console is its standard input */
    SYSTEM_FLOAT = 1 << 6,      /* a server that computes with FP registers, as every other program may */
    SYSTEM_PIPE_INPUT = 1 << 7, /* what is behind the console is no terminal: a program asks with isatty() */
    SYSTEM_PIPE_OUTPUT = 1 << 8,
    SYSTEM_PIPE_ERROR = 1 << 9,
    SYSTEM_FLAGS_ALL = (1 << 10) - 1,
};

/* The name space: which server has the files below a path. The longest path that fits decides. */
enum system_mount_kind {
    SYSTEM_MOUNT_ARCHIVE = 0, /* the boot archive's members, read-only */
    SYSTEM_MOUNT_MEMORY,      /* files in memory; `source`, where not empty, is what they begin with */
    SYSTEM_MOUNT_STORE,       /* files on disk; `source` is the store's own business */
    SYSTEM_MOUNT_DEVICES,     /* "null" and "zero" */
    SYSTEM_MOUNT_COUNT
};
enum system_mount_flags {
    SYSTEM_MOUNT_READ_ONLY = 1 << 0,
    SYSTEM_MOUNT_RETURNED = 1 << 1, /* what changed goes to the host at the end, by the framed console */
    SYSTEM_MOUNT_FLAGS_ALL = (1 << 2) - 1,
};
struct system_mount {
    struct system_string path;   /* "/" or "/a/b" */
    struct system_string server; /* the name of the service that has it: "fs", "store" */
    struct system_string source; /* MEMORY: archive member in cpio's newc format */
    uint32_t kind, flags;        /* enum system_mount_kind, enum system_mount_flags */
    uint64_t bytes;              /* quota; 0: none */
};
_Static_assert(sizeof(struct system_mount) == 40, "ci/system_description.py writes 40 bytes");
#define SYSTEM_MOUNTS 64

enum system_expect {
    SYSTEM_EXPECT_EXIT = 0, /* status */
    SYSTEM_EXPECT_TRAP,     /* text: how the trap's message begins */
    SYSTEM_EXPECT_KILLED,   /* text: "deadline", ... */
    SYSTEM_EXPECT_FAULT,    /* any fault or trap, or an exit */
    SYSTEM_EXPECT_COUNT
};

enum system_restart { /* when a program that ended is started again */
                      SYSTEM_RESTART_NEVER = 0,
                      SYSTEM_RESTART_FAILURE, /* when it ended otherwise than expected */
                      SYSTEM_RESTART_ALWAYS,
                      SYSTEM_RESTART_COUNT
};

/* Of the system's own servers and drivers, by their archive members' names. */
struct system_restart_rule {
    struct system_string name;
    uint16_t when, limit; /* as in struct system_program */
    uint32_t pause_ms;
};
_Static_assert(sizeof(struct system_restart_rule) == 16, "ci/system_description.py writes 16 bytes");
#define SYSTEM_RESTART_RULES 32

struct system_program {
    struct system_string name;  /* unique */
    struct system_string image; /* archive member */
    struct system_string input; /* archive member as standard input; length 0: none */
    struct system_string expect_text;
    uint32_t grant;   /* offset of a struct image_manifest: what is granted, arguments, environment, limits */
    uint32_t request; /* the same for a native image, which carries none; else 0 */
    uint32_t flags;   /* enum system_program_flags */
    uint32_t expect;  /* enum system_expect */
    uint32_t expect_status;
    uint32_t deadline_ms;   /* 0: none */
    uint32_t cpu_budget_us; /* 0: no limit but the priority */
    uint32_t cpu_period_us;
    uint32_t child_count;      /* names that it may spawn; 0 with spawn granted: all programs that are not started */
    uint32_t child_names;      /* offset of struct system_string[child_count] */
    uint16_t restart;          /* enum system_restart */
    uint16_t restart_limit;    /* times; 0: none */
    uint32_t restart_pause_ms; /* before the first time; doubled each time; 0: at once, always */
};
_Static_assert(sizeof(struct system_program) == 80, "ci/system_description.py writes 80 bytes");

static inline const char *system_text(const struct system_header *system, struct system_string string)
{
    return (const char *)system + string.offset;
}
static inline const struct system_program *system_program_at(const struct system_header *system, uint32_t n)
{
    return (const struct system_program *)(const void *)((const char *)system + system->programs_offset) + n;
}

static inline const struct system_restart_rule *system_restart_at(const struct system_header *system, uint32_t n)
{
    return (const struct system_restart_rule *)(const void *)((const char *)system + system->restarts_offset) + n;
}

static inline const struct system_mount *system_mount_at(const struct system_header *system, uint32_t n)
{
    return (const struct system_mount *)(const void *)((const char *)system + system->mounts_offset) + n;
}

#endif
