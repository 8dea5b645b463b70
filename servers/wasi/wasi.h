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
#include "proto/process.h"
#include "proto/start.h"
#include "tessera/clock.h"
#include "tessera/server.h"
#include "tessera/stream.h"

/* Errno values: WASI snapshot-01, type errno. */
enum {
    ESUCCESS = 0,
    E2BIG = 1,
    EAGAIN = 6,
    EBADF = 8,
    ECHILD = 12,
    ECONNABORTED = 13,
    ECONNREFUSED = 14,
    EFAULT = 21,
    EINVAL = 28,
    EIO = 29,
    EMFILE = 33,
    EMSGSIZE = 35,
    ENOENT = 44,
    ENOMEM = 48,
    ENOSYS = 52,
    ENOTCONN = 53,
    ENOTDIR = 54,
    ENOTSOCK = 57,
    ENOTSUP = 58,
    EPIPE = 64,
    EROFS = 69,
    ESPIPE = 70,
    ENOTCAPABLE = 76,
};

#define WASI(name)    __imported_wasi_snapshot_preview1_##name
#define TESSERA(name) __imported_tessera_##name
#define WASIX(name)   __imported_wasix_32v1_##name

#define DESCRIPTORS     128
#define SESSIONS        128
#define FDFLAG_NONBLOCK 4

enum descriptor_kind { FD_FREE = 0, FD_CONSOLE, FD_NULL, FD_FILE, FD_STREAM, FD_LISTENER };

struct descriptor {
    uint8_t kind;   /* enum descriptor_kind */
    uint8_t stream; /* CONSOLE: 1 or 2 */
    uint16_t flags; /* fdflags */
    bool is_ready;  /* STREAM: the peer set its bit since we asked */
    bool is_asked;  /* STREAM: we asked since the bit was last seen */
    uint16_t session;
    uint32_t signal_cap;
    uint64_t rights; /* what fd_fdstat_set_rights left */
    union {
        struct {
            const uint8_t *bytes;
            uint64_t size, offset;
        } file;
        struct stream ends;
        uint64_t listener;
    };
};

extern const struct start_page *start_page;
extern struct descriptor descriptors[DESCRIPTORS];

/* True when [address, address + bytes) lies in memory 0. */
static inline bool in_memory(uint32_t address, uint64_t bytes)
{
    return (uint64_t)address + bytes <= wasm_memory_pages * 65536;
}
static inline void *at(uint32_t address)
{
    return (void *)(uintptr_t)address;
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
struct descriptor *descriptor_get(uint32_t fd);
/* A free one, EMFILE when there is none. */
uint32_t descriptor_take(uint32_t *fd);
void descriptors_init(void);
void descriptor_open_stream(struct descriptor *descriptor, const struct process_stream *stream);
void descriptor_close(uint32_t fd);
uint32_t stream_descriptor(const struct process_stream *stream, uint32_t *fd);

/* wait.c: blocking. */
/* Waits for any signal, at most until the deadline in ticks (0: none); notes which streams are ready. */
void wait_for_signal(uint64_t deadline_ticks);
bool deadline_possible(void);
void stream_signal(const struct descriptor *descriptor);
void session_note(uint16_t session, uint32_t stream, struct session_control *control, uint32_t side, uint32_t fd);
void session_forget(uint16_t session, uint32_t stream);
void session_rename(uint16_t session, uint32_t stream, uint32_t fd);
/* Blocks until the stream has data, its end, or (`space`) room. */
void stream_wait(struct descriptor *descriptor, bool space);

/* io.c */
uint32_t stream_transfer_in(struct descriptor *descriptor, uint32_t iovs, uint32_t count, bool peek, uint32_t *done);
uint32_t stream_transfer_out(struct descriptor *descriptor, uint32_t iovs, uint32_t count, uint32_t *done);
/* Sum of the vectors' lengths; EFAULT, EINVAL. */
uint32_t vectors_check(uint32_t iovs, uint32_t count, uint32_t *total);

#endif
