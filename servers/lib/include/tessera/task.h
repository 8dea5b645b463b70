/* Making and unmaking processes: what the root task (for servers) and the process server (for programs) share.
 *
 * A task is one address space with one thread. Its kernel objects come from blocks, its memory from ranges of frames
 * of the pool; every capability that this server holds for it lies in the task's own rows of slots. So unmaking it is:
 * revoke the blocks, empty the rows, give the memory back. The task itself holds only what task_grant put into its
 * CNode.
 */
#ifndef TESSERA_TASK_H
#define TESSERA_TASK_H

#include <abi/message.h>
#include <abi/object.h>

#include "aot/image/image.h"
#include "proto/start.h"
#include "tessera/pool.h"

#define TASK_BLOCKS 24
#define TASK_TABLES 144
#define TASK_ROWS   12
#define TASK_MEMORY 160

#if defined(__x86_64__)
#define IMAGE_MACHINE IMAGE_MACHINE_X86_64
#else
#define IMAGE_MACHINE IMAGE_MACHINE_ARM64
#endif

/* The archive's frames, ascending by address. */
struct archive_frame {
    uint64_t address;
    uint64_t bits;
    cptr frame;
};
struct archive_map {
    const uint8_t *base; /* where this server sees the archive */
    uint64_t address;    /* physical */
    uint64_t bytes;
    const struct archive_frame *frames;
    uint32_t frame_count;
};

struct task {
    struct pool *pool;
    uint32_t blocks[TASK_BLOCKS];
    uint32_t block_count;
    uint32_t table_count;
    cptr rows[TASK_ROWS];
    uint32_t row_count;
    cptr slot_next, slot_end;
    cptr free_slots[32];
    uint32_t free_slot_count;
    uint32_t memory_count;
    uint64_t memory_bytes; /* sum over memory[] */
    uint32_t cnode_bits;
    cptr cnode, vspace, tcb, sched_context, notification, timer, ipc_buffer, cspace;
    cptr thread_memory;  /* untyped, of which TCB, SchedContext, notification and IPC buffer are made */
    cptr fault;          /* a slot for its fault endpoint, for who wants one */
    bool is_building;    /* from task_create until its maker clears it: what it takes it has again after task_rewind */
    bool is_altered;     /* it took more than that */
    struct memory pages; /* start page and its strings */
    struct memory stack; /* the topmost part */
    /* Only what the counts say is meaningful from here on. */
    struct {
        uint64_t address;
        uint32_t level;
    } tables[TASK_TABLES];
    struct task_memory {
        struct memory memory;
        uint64_t address;
        uint64_t mapped; /* a bit for each piece (task_memory_lazy) that was ever mapped; ~0: all */
        uint32_t pieces; /* how many */
        cptr slot;       /* of a lazy one */
    } memory[TASK_MEMORY];
};

/* Begins a task: VSpace, CNode, TCB, SchedContext, notification. False when memory or slots are short; the task is then
 * as task_destroy leaves it. */
bool task_create(struct task *task, struct pool *pool);
/* Takes the thread, its IPC buffer, the content of its CNode and of its memory away. What is left is the address space
 * as it was built: task_thread_renew makes a new thread in it. False when it took anything since then: destroy it. */
bool task_rewind(struct task *task, const struct image *image);
bool task_thread_renew(struct task *task);
/* Everything back. The task may be running. */
void task_destroy(struct task *task);

/* An empty slot of this server for a capability of the task; lives until task_destroy or task_slot_return (which
 * deletes what is in it). */
bool task_slot(struct task *task, cptr *slot);
void task_slot_return(struct task *task, cptr slot);
/* What its kernel objects and this server's capabilities for it take: whole blocks and rows. */
uint64_t task_object_bytes(const struct task *task);
/* A kernel object of the task's own memory. */
bool task_object(struct task *task, enum object_type type, uint32_t size_bits, cptr *slot);

/* Maps [first, first + bytes) of a frame into the task through a copy of its capability, with tables as needed.
 * *slot is the copy: returning it unmaps. */
bool task_map(struct task *task, cptr frame, uint64_t first, uint64_t bytes, uint64_t address, uint32_t rights,
              cptr *slot);
/* Makes and maps the table of that level for an address: after the kernel said that it is missing. */
bool task_table(struct task *task, uint64_t address, uint32_t level);

/* Maps a device page (uncached) that `frame` names itself. Also for this server's own VSpace, with a task that has
 * nothing but pool and vspace: there, tables may exist that the task does not know of. */
bool task_map_device(struct task *task, cptr frame, uint64_t address, cptr *slot);
/* The same for bytes [first, first + bytes) of a device frame. */
bool task_map_device_range(struct task *task, cptr frame, uint64_t first, uint64_t bytes, uint64_t address,
                           uint32_t rights, cptr *slot);
/* New zeroed memory of the task, mapped at `address`; `bytes` is a power of two. */
bool task_memory(struct task *task, uint64_t bytes, uint64_t address, uint32_t rights, struct memory *memory);
/* The same without mapping anything yet; `address` is where task_view finds it. */
bool task_memory_reserve(struct task *task, uint64_t bytes, uint64_t address, struct memory *memory);
/* The same for any multiple of a page, in as few powers of two as fit its address. On failure what was mapped stays. */
bool task_memory_range(struct task *task, uint64_t bytes, uint64_t address);
/* As task_memory_range, but nothing is mapped before task_memory_touch: what is never touched costs neither mapping nor
 * clearing. */
bool task_memory_lazy(struct task *task, uint64_t bytes, uint64_t address);
enum touch { TOUCH_ELSEWHERE, TOUCH_MAPPED, TOUCH_NO_MEMORY };
/* Maps the piece of lazy memory at the address; the more were touched already, the more at once. */
enum touch task_memory_touch(struct task *task, uint64_t address);
bool task_memory_touch_all(struct task *task);
/* Where this server sees the task's memory at `address`, with *bytes that follow; NULL where nothing is mapped. Only
 * what task_memory, the stack and the data segments hold. */
uint8_t *task_view(struct task *task, uint64_t address, uint64_t *bytes);

/* Tables of 2 MiB that hold nothing but an image's read-only segments, in the address space of a task that exists for
 * them only. Other tasks borrow them whole: two invocations for 2 MiB of text, whatever its size. */
#define TEXT_TABLES 32
struct shared_text {
    struct task owner;
    uint64_t addresses[TEXT_TABLES];
    cptr slots[TEXT_TABLES];
    uint32_t count;
};
/* Builds the tables of an image that lies at `offset` of the archive. False: map its segments one by one instead. */
bool shared_text_make(struct shared_text *text, struct pool *pool, const struct archive_map *archive, uint64_t offset,
                      const struct image *image);

/* The first address from `address` on where that part of the archive is mapped with large entries: one page table for
 * each 2 MiB would be more than a task can hold of an archive of 800 MiB. */
uint64_t archive_place(const struct archive_map *archive, uint64_t offset, uint64_t address);
/* Maps part of the archive (page-aligned offset) read-only or executable. */
bool task_map_archive(struct task *task, const struct archive_map *archive, uint64_t offset, uint64_t bytes,
                      uint64_t address, uint32_t rights);
/* Maps and copies the segments of a checked image that lies at `offset` of the archive; `text`, where not NULL, gives
 * those that are not writable. */
bool task_load(struct task *task, const struct archive_map *archive, uint64_t offset, const struct image *image,
               const struct shared_text *text);

/* Tells the instruction side of bytes that the boot loader wrote (arm64). */
void archive_sync_code(const struct archive_map *archive, uint64_t offset, uint64_t bytes);

/* Puts a copy of the capability in `slot` into the task's CNode. badge 0: none. */
bool task_grant(struct task *task, cptr index, cptr slot, uint32_t rights, uint64_t badge);

struct task_options {
    uint64_t entry;
    uint64_t stack_bytes; /* mapped at once */
    uint64_t start_bytes; /* of the start page and its strings, a power of two, at most PROCESS_START_BYTES */
    cptr fault_endpoint;  /* capability in this server's slot, badged by the caller */
    cptr authority;       /* TCB whose MCP covers the priority */
    cptr sched_control;
    uint32_t priority;
    uint64_t budget_ns, period_ns;
    bool has_fp;
    bool is_bound; /* the notification is bound to the thread: servers */
};
/* Stack, start page, IPC buffer and thread set-up; the start page's content is the caller's to write through
 * task->pages.view before task_start. `buffer` is this server's own IPC buffer. */
bool task_prepare(struct task *task, const struct task_options *options, struct ipc_buffer *buffer);
bool task_start(struct task *task);

/* Fills the strings of a start page: a cursor that fails once and for all when the page is full. */
struct start_writer {
    struct start_page *page;
    uint32_t capacity;
    bool is_full;
};
void start_begin(struct start_writer *writer, void *view, uint64_t bytes);
void start_string(struct start_writer *writer, struct start_strings *list, const char *text, uint32_t length);

#endif
