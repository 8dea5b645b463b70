/* The store: the persistent files, on the disks that the process server grants it (the device "disk"). docs/store.md.
 *
 * The file protocol's front (tessera/file_server.h) asks one thing at a time, and while the disk works the store waits:
 * nobody else waits with it but its own clients. What nobody syncs is put on the disk a second later, and when the
 * programs have ended. Files that are gone are freed a piece at a time, with time between for everybody else.
 */
#include "device.h"
#include "memory.h"
#include "proto/process.h"
#include "sqlite3.h"
#include "store.h"
#include "tessera/clock.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define SERVICE_NAME "store"
#define DEVICE_NAME  "disk"
#define SETTLE_NS    1000000000ul
#define TIDY_NS      10000000ul

static const struct start_page *page;
static uint64_t settle_at, wake_at; /* ticks; 0: never */

/* Wall time before the front runs, too. */
static uint64_t now_ns(void)
{
    return clock_ns(clock_ticks(), page->timer_multiplier, page->timer_shift) + page->realtime_ns;
}

static void say(void *context, int code, const char *text)
{
    (void)context;
    if ((code & 0xff) == SQLITE_NOTICE) /* the log of a machine that was cut off is read */
        log_text("store: %s\n", text);
    else
        log_text("store: SQLite error %d: %s\n", code, text);
}

static uint64_t ticks_in(uint64_t ns)
{
    return clock_ticks() + clock_ticks_of(ns, page->timer_hz);
}

static void wake_later(void)
{
    uint64_t at = store_is_untidy() ? ticks_in(TIDY_NS) : settle_at;
    if (at == 0 || (wake_at != 0 && wake_at <= at))
        return;
    wake_at = timer_set(PROCESS_CAP_TIMER, at) == ERROR_NONE ? at : 0;
}

static void changed(void)
{
    if (settle_at == 0)
        settle_at = ticks_in(SETTLE_NS);
    wake_later();
}

static void settle(void)
{
    uint32_t error = store_commit();
    if (error)
        log_text("store: the last changes are not on the disk: error %u\n", error);
}

static void woken(void)
{
    wake_at = 0;
    (void)store_backend.tidy();
    if (settle_at != 0 && clock_ticks() >= settle_at) {
        settle_at = 0;
        settle();
    }
    wake_later();
}

static void signalled(uint64_t bits)
{
    if (bits & PROCESS_SIGNAL_TIMER)
        woken();
    if (bits & PROCESS_SIGNAL_FINISH) {
        while (store_backend.tidy())
            continue;
        settle();
        program_exit(store_is_dirty() ? 1 : 0);
    }
}

/* Answers of the process server: 0 or an errno. */
static uint32_t ask(struct message *m, enum process_operation operation, unsigned length)
{
    m->info = message_info(operation, 0, length);
    return syscall_call(PROCESS_CAP_SERVER, m) != ERROR_NONE ? FS_EIO : (uint32_t)message_info_label(m->info);
}

static const char *devices_open(void)
{
    struct process_disk disk;
    struct message m = {0, {text_length(DEVICE_NAME)}}, timer = {0};
    message_put(&m, 1, DEVICE_NAME, text_length(DEVICE_NAME));
    if (ask(&m, PROCESS_DEVICE_OPEN, PROCESS_NAME_WORDS))
        return "the machine has no disks: two virtio-blk devices, data.img and its log";
    message_get(&m, 0, &disk, sizeof(disk));
    if (ask(&timer, PROCESS_TIMER, 0))
        return "no timer";
    return disks_open(&disk);
}

int program_main(const struct start_page *start)
{
    page = start;
    const char *problem = devices_open();
    if (!problem) {
        store_memory_start(say);
        problem = store_open(start->start_ticks, now_ns);
    }
    if (problem) {
        log_text("store: %s\n", problem);
        return 1;
    }
    store_on_change = changed;
    wake_later(); /* what the last run left */
    file_server_run(start, SERVICE_NAME, &store_backend, signalled);
}
