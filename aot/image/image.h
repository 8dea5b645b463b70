/* The program image: what tessera-aot writes and the process server loads.
 *
 * An image is an ELF64 executable linked at fixed addresses in one window above the Wasm low region.
 * Its PT_LOAD segments are R, RX or RW, page aligned in the file and in memory and never share a
 * page, so that a loader maps R and RX straight from the archive and copies only RW. One PT_NOTE
 * holds notes with the owner "Tessera"; their descriptors are the structs below, little endian,
 * 8-byte aligned, read in place. docs/image.md gives the reasons.
 *
 * This is the one header that the translator shares with the target side: plain freestanding C.
 * Everything here may come from an enemy: nobody looks into an image before image_check() accepted it.
 * The bytes must not change between the check and the last use. */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_VERSION 1u

/* ---- the address space of a program ------------------------------------------------------- */

#define IMAGE_PAGE_BYTES    4096ull
#define IMAGE_WINDOW_BASE   0x400000000ull /* 16 GiB: code, constants, data */
#define IMAGE_WINDOW_BYTES  0x80000000ull
#define WASM_PAGE_BYTES     65536ull
#define WASM_MEMORY_SPAN    (0x200000000ull + 0x10000ull) /* a memory and its guard: 2^32 index + 2^32 offset + width */
#define IMAGE_REGION_BASE   0x10000000000ull              /* 1 TiB: memories other than the one at 0, one per stride */
#define IMAGE_REGION_STRIDE 0x400000000ull
#define IMAGE_MAX_PAGES     65536ull  /* of a memory with 32-bit indices */
#define IMAGE_MAX_PAGES_64  131072ull /* with 64-bit indices: what fits below the next region */
#define IMAGE_MAX_MEMORIES  4096u
#define IMAGE_MAX_SEGMENTS  8u

/* ---- notes -------------------------------------------------------------------------------- */

#define IMAGE_NOTE_OWNER "Tessera" /* 8 bytes with its NUL */

enum image_note_type {
    IMAGE_NOTE_PROGRAM = 1,   /* struct image_program, then memory_count times struct image_memory */
    IMAGE_NOTE_FUNCTIONS = 2, /* struct image_functions, then count times struct image_function, then the names */
    IMAGE_NOTE_MANIFEST = 3,  /* struct image_manifest, then what its offsets point to */
    IMAGE_NOTE_LINES = 4,     /* struct image_lines, then what it counts, in its order; may be absent */
};

#define IMAGE_PROGRAM_MAGIC 0x53534554u /* "TESS" */

struct image_program {
    uint32_t magic;
    uint32_t version;
    uint64_t stack_bytes; /* what the program wishes for; the loader may give more */
    uint32_t memory_count;
    uint32_t reserved; /* 0 */
};

/* One linear memory. The loader maps `initial_pages` of zeroes at `base`; everything else up to
 * `base + WASM_MEMORY_SPAN` stays unmapped for ever, except what wasm_platform_memory_grow adds. */
struct image_memory {
    uint64_t base;          /* 0 for the first memory, else IMAGE_REGION_BASE + k * IMAGE_REGION_STRIDE */
    uint64_t initial_pages; /* of 64 KiB */
    uint64_t max_pages;     /* at most IMAGE_MAX_PAGES_64 */
};

/* Function names for backtraces, sorted by address; a function reaches to the next one's start. */
struct image_functions {
    uint32_t count;
    uint32_t names_bytes; /* the names follow the array; each ends with NUL */
};

#define IMAGE_FUNCTION_NATIVE 0x80000000u /* the function is none of the modules' */

struct image_function {
    uint32_t address; /* relative to IMAGE_WINDOW_BASE */
    uint32_t name;    /* offset into the names, perhaps with IMAGE_FUNCTION_NATIVE */
};

/* Where code came from. image_check looks at the counts only: readers (trap_report.c) trust nothing else. Texts are
 * offsets into the texts, which end with NUL; 0 is none.
 *
 * A row says what holds from its address on: a scope's number and 1 (0: not known), a file, a line (0: not known).
 * IMAGE_LINE_BLOCK_ROWS rows make a block, which begins with nothing known, at its own address. A row is two to four
 * numbers of 7 bits a byte, low ones first, the top bit set in all bytes but the last: the distance from the row
 * before; the change of line times 8, with flags; then the scope, then the file, if flagged. */
#define IMAGE_LINE_BLOCK_ROWS 64u

enum image_row_flag { IMAGE_ROW_BACK = 1, IMAGE_ROW_SCOPE = 2, IMAGE_ROW_FILE = 4 }; /* BACK: to a lower line */

struct image_lines {
    uint32_t block_count;
    uint32_t scope_count;
    uint32_t row_bytes;
    uint32_t text_bytes;
};

struct image_line_block {
    uint32_t address; /* relative to IMAGE_WINDOW_BASE; ascending */
    uint32_t row;     /* offset into the rows */
};

/* A function, or one inlined into its parent's code. */
struct image_line_scope {
    uint32_t name;
    uint32_t parent; /* number and 1 of an earlier scope; 0: a function of its own */
    uint32_t call_file, call_line;
};

/* ---- manifest ----------------------------------------------------------------------------- */

/* docs/system.md has the JSON that this is made of, and what each field means. */

#define IMAGE_MAX_MANIFEST_BYTES 65536u
#define IMAGE_MAX_LIST           256u
#define IMAGE_MAX_TEXT           4096u

/* Offsets count from the start of struct image_manifest. A string is followed by a NUL that
 * `length` does not count, and holds no other NUL. */
struct image_string {
    uint32_t offset;
    uint32_t length;
};

struct image_list {
    uint32_t offset; /* of `count` elements: struct image_string, or struct image_path in `fs` */
    uint32_t count;
};

enum image_path_mode { IMAGE_PATH_READ = 1, IMAGE_PATH_WRITE = 2 };

struct image_path {
    struct image_string path;
    uint32_t mode;  /* IMAGE_PATH_READ, with or without IMAGE_PATH_WRITE */
    uint32_t quota; /* of a grant: KiB that may be used below it, 0: no limit */
};

enum image_permission {
    IMAGE_MAY_CLOCK = 1 << 0,
    IMAGE_MAY_RANDOM = 1 << 1,
    IMAGE_MAY_RESOLVE = 1 << 2,     /* net.resolve */
    IMAGE_MAY_TRAP_THREAD = 1 << 3, /* nominate its own thread to receive its traps */
    IMAGE_PERMISSIONS_ALL = (1 << 4) - 1,
};

struct image_manifest {
    uint32_t version; /* IMAGE_VERSION */
    uint32_t bytes;   /* of the whole manifest, this struct included */
    uint64_t memory_limit_bytes;
    uint32_t cpu_budget_us; /* 0: no limit */
    uint32_t cpu_period_us;
    uint32_t spawn_children; /* at a time; 0: may not spawn */
    uint32_t permissions;    /* enum image_permission */
    struct image_string name;
    struct image_string program_version;
    struct image_string entry; /* the exported function to call; "_start" unless stated */
    struct image_list arguments;
    struct image_list environment; /* "KEY=value" */
    struct image_list fs;          /* of struct image_path */
    struct image_list net_listen;
    struct image_list net_connect;
    struct image_list channel_serve;
    struct image_list channel_connect;
    struct image_list service_serve;
    struct image_list service_connect;
    struct image_list device;
};

/* ---- reading ------------------------------------------------------------------------------ */

enum image_error {
    IMAGE_OK,
    IMAGE_TRUNCATED,       /* a header, table, segment or note reaches past the end */
    IMAGE_NOT_ALIGNED,     /* the bytes are not 8-byte aligned in the reader's memory */
    IMAGE_BAD_ELF,         /* not a little-endian ELF64 executable of version 1 */
    IMAGE_BAD_MACHINE,     /* for another architecture */
    IMAGE_BAD_SEGMENT,     /* unaligned, outside the window, overlapping, empty, too many, or a forbidden kind */
    IMAGE_BAD_PERMISSIONS, /* writable and executable, or not readable */
    IMAGE_BAD_ENTRY,       /* the entry point is not in an executable segment's file bytes */
    IMAGE_BAD_NOTE,        /* malformed, doubled or missing note */
    IMAGE_BAD_PROGRAM,     /* program note: magic, version, memories */
    IMAGE_BAD_FUNCTIONS,   /* function names: order, offsets */
    IMAGE_BAD_MANIFEST,    /* manifest: offsets, strings, values */
    IMAGE_BAD_LINES,       /* lines: counts */
};

#define IMAGE_MACHINE_X86_64 62u /* e_machine, ELF gABI */
#define IMAGE_MACHINE_ARM64  183u

enum image_access { IMAGE_EXECUTE = 1, IMAGE_WRITE = 2, IMAGE_READ = 4 }; /* as p_flags */

struct image_segment {
    uint64_t address;      /* page aligned */
    uint64_t memory_bytes; /* at least file_bytes; what exceeds them is zero; equal unless writable */
    uint64_t file_offset;  /* page aligned */
    uint64_t file_bytes;
    uint32_t access; /* enum image_access */
};

/* A view of an accepted image. Pointers lead into the image's own bytes. */
struct image {
    const uint8_t *bytes;
    uint64_t entry;
    uint32_t segment_count;
    struct image_segment segments[IMAGE_MAX_SEGMENTS]; /* ascending, not overlapping */
    const struct image_program *program;               /* NULL after image_check_elf */
    const struct image_memory *memories;               /* program->memory_count of them */
    uint32_t function_count;
    const struct image_function *functions;
    const char *function_names;
    const struct image_manifest *manifest; /* NULL when the image carries none */
    const struct image_lines *lines;       /* likewise */
};

/* Checks a whole image and fills `image`. On failure `*error_offset` is the place in the file. */
enum image_error image_check(const void *bytes, size_t size, uint32_t machine, struct image *image,
                             size_t *error_offset);

/* The same without the notes: for native programs linked at fixed addresses in the same form. */
enum image_error image_check_elf(const void *bytes, size_t size, uint32_t machine, struct image *image,
                                 size_t *error_offset);

/* Checks a manifest alone (a parent may hand one to spawn). `bytes` must be 8-byte aligned. */
enum image_error image_check_manifest(const void *bytes, size_t size, size_t *error_offset);

/* One line of English, for messages. */
const char *image_error_text(enum image_error error);

/* The name of the function that holds `address`, or NULL. `*offset` is the distance from its start, `*flags`
 * IMAGE_FUNCTION_NATIVE or 0. */
const char *image_function_find(const struct image *image, uint64_t address, uint64_t *offset, uint32_t *flags);

/* After the check these cannot fail. */
static inline const char *image_string_text(const struct image_manifest *manifest, struct image_string string)
{
    return (const char *)manifest + string.offset;
}

static inline struct image_string image_list_string(const struct image_manifest *manifest, struct image_list list,
                                                    uint32_t index)
{
    return ((const struct image_string *)(const void *)((const char *)manifest + list.offset))[index];
}

static inline struct image_path image_list_path(const struct image_manifest *manifest, struct image_list list,
                                                uint32_t index)
{
    return ((const struct image_path *)(const void *)((const char *)manifest + list.offset))[index];
}

/* ---- traps -------------------------------------------------------------------------------- */

/* The kind stands in the trap instruction: x86-64 `ud1 kind(%eax),%eax`, arm64 `brk #(0x5500 + kind)`.
 * Memory and stack traps are page faults: the fault address tells them apart (a memory's span, the
 * stack's guard). */
enum trap_kind {
    TRAP_NONE,
    TRAP_UNREACHABLE,
    TRAP_MEMORY_OUT_OF_BOUNDS,
    TRAP_TABLE_OUT_OF_BOUNDS,
    TRAP_UNDEFINED_ELEMENT,
    TRAP_UNINITIALIZED_ELEMENT,
    TRAP_INDIRECT_CALL_TYPE_MISMATCH,
    TRAP_INTEGER_DIVIDE_BY_ZERO,
    TRAP_INTEGER_OVERFLOW,
    TRAP_INVALID_CONVERSION,
    TRAP_STACK_EXHAUSTED,
    TRAP_NULL_REFERENCE,
    TRAP_UNCAUGHT_EXCEPTION,
    TRAP_EXCEPTIONS_EXHAUSTED,
    TRAP_UNALIGNED_ATOMIC,
    TRAP_EXPECTED_SHARED_MEMORY,
    TRAP_UNKNOWN_IMPORT,
    TRAP_KIND_COUNT,
};

/* Functions whose names begin so are parts of their callers, which is where their traps belong (lower/helper.c). */
#define IMAGE_HELPER_PREFIX "wasm_helper."

/* The specification's words for a trap, as its test suite has them. */
const char *trap_kind_text(enum trap_kind kind);

/* The functions whose code an address is, the innermost first: those that were inlined there, then the one that has the
 * address. The fields of image_frames are trap_report.c's own. */
struct image_frames {
    const struct image_lines *lines;
    const char *function;
    uint32_t scope, file, line;
    bool is_native;
};

struct image_frame {
    const char *function; /* as the image has it: not all characters need be printable */
    const char *file;     /* NULL: not known */
    uint32_t line;        /* 0: not known */
    bool is_native;
};

void image_frames_open(const struct image *image, uint64_t address, struct image_frames *frames);
bool image_frames_next(struct image_frames *frames, struct image_frame *frame);

/* One line of printable text, terminated; its length. "wasm trap: KIND, in FUNCTION (FILE:LINE) called from FUNCTION
 * (FILE:LINE) ...", as far as the image (NULL: none) knows them and `size` goes. The first address is an instruction's,
 * the others return addresses, outwards. */
size_t trap_report(const struct image *image, enum trap_kind kind, const uint64_t *addresses, uint64_t count,
                   char *text, size_t size);

/* The kind that a trapping instruction carries, or TRAP_NONE when it is not one of ours. */
static inline enum trap_kind trap_kind_x86_64(const uint8_t instruction[5])
{
    const uint8_t *ud1 = instruction + (instruction[0] == 0x67);
    bool is_ours = ud1[0] == 0x0f && ud1[1] == 0xb9 && ud1[2] == 0x40 && ud1[3] < TRAP_KIND_COUNT;
    return is_ours ? (enum trap_kind)ud1[3] : TRAP_NONE;
}

static inline enum trap_kind trap_kind_arm64(uint32_t instruction)
{
    uint32_t immediate = (instruction >> 5) & 0xffff;
    bool is_ours = (instruction & 0xffe0001f) == 0xd4200000 && immediate - 0x5500 < TRAP_KIND_COUNT;
    return is_ours ? (enum trap_kind)(immediate - 0x5500) : TRAP_NONE;
}

#endif
