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
    uint32_t reserved;
};

enum system_program_flags {
    SYSTEM_ESSENTIAL = 1 << 0,
    SYSTEM_START = 1 << 1,  /* else only for proc_spawn */
    SYSTEM_PREFIX = 1 << 2, /* its lines on the console begin with its name */
    SYSTEM_NATIVE = 1 << 3, /* an image without notes: entered without WebAssembly */
    SYSTEM_FLAGS_ALL = (1 << 4) - 1,
};

enum system_expect {
    SYSTEM_EXPECT_EXIT = 0, /* status */
    SYSTEM_EXPECT_TRAP,     /* text: how the trap's message begins */
    SYSTEM_EXPECT_KILLED,   /* text: "deadline", ... */
    SYSTEM_EXPECT_FAULT,    /* any fault or trap, or an exit */
    SYSTEM_EXPECT_COUNT
};

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
    uint32_t child_count; /* names that it may spawn; 0 with spawn granted: all programs that are not started */
    uint32_t child_names; /* offset of struct system_string[child_count] */
    uint32_t reserved[2];
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

#endif
