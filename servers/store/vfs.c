/* See vfs.h.
 *
 *     xWrite -> gathered: one run of neighbouring bytes -> disk_write: whole sectors -> (in the background) the device
 *
 * A run is gathered where the device fetches it: a byte is copied once.
 *
 * The log's frames are 24 + 16384 bytes, so they begin anywhere in a sector. A run's first sector is completed with
 * what was written there last, its last one with zeroes when nothing that counts lies behind, else from the disk.
 * A sector is written whole or not at all (the disks promise it: docs/store.md), hence POWERSAFE_OVERWRITE.
 */
#include "vfs.h"

#include <string.h>

#include "disk.h"
#include "sqlite3.h"

#define NO_SECTOR UINT64_MAX
#define RUN_BYTES (DISK_PIECE_BYTES - DISK_SECTOR_BYTES)

struct file {
    sqlite3_file base;
    enum disk disk;
};

static struct run {
    uint64_t offset; /* of the gathered bytes, which begin in the disk's space as in their first sector */
    uint32_t used;
    uint8_t *space;
    uint64_t high; /* the log: nothing at or behind it counts */
    uint64_t last; /* sector that `sector` is a copy of, NO_SECTOR: none */
    uint8_t sector[DISK_SECTOR_BYTES];
} runs[DISKS];
static uint64_t random_state;
static uint64_t (*wall_time)(void);

/* ---- gathering ----------------------------------------------------------------------------------------------- */

/* Bytes [from, end) of a sector. */
static bool sector_complete(enum disk disk, uint64_t sector, uint32_t from, uint32_t end, uint8_t *into)
{
    struct run *run = &runs[disk];
    if (run->last == sector) {
        memcpy(into, run->sector + from, end - from);
        return true;
    }
    return disk_read(disk, sector * DISK_SECTOR_BYTES + from, into, end - from);
}

static bool run_write(enum disk disk)
{
    struct run *run = &runs[disk];
    uint64_t first = run->offset / DISK_SECTOR_BYTES, end = run->offset + run->used;
    uint32_t head = run->offset % DISK_SECTOR_BYTES, total = head + run->used, tail = total % DISK_SECTOR_BYTES;
    uint32_t count = (total + DISK_SECTOR_BYTES - 1) / DISK_SECTOR_BYTES * DISK_SECTOR_BYTES;
    if (run->used == 0)
        return true;
    if (tail && end >= run->high)
        memset(run->space + total, 0, count - total);
    else if (tail && !sector_complete(disk, end / DISK_SECTOR_BYTES, tail, sizeof(run->sector), run->space + total))
        return false;
    if (head && !sector_complete(disk, first, 0, head, run->space))
        return false;
    run->used = 0;
    run->last = first + count / DISK_SECTOR_BYTES - 1;
    memcpy(run->sector, run->space + count - DISK_SECTOR_BYTES, DISK_SECTOR_BYTES);
    return disk_write(disk, first, count);
}

static bool run_add(enum disk disk, uint64_t offset, const uint8_t *bytes, uint32_t count)
{
    struct run *run = &runs[disk];
    if (run->used > 0 &&
        (offset != run->offset + run->used || run->offset % DISK_SECTOR_BYTES + run->used + count > DISK_PIECE_BYTES) &&
        !run_write(disk))
        return false;
    if (run->used == 0) {
        run->offset = offset;
        run->space = disk_space(disk);
    }
    memcpy(run->space + run->offset % DISK_SECTOR_BYTES + run->used, bytes, count);
    run->used += count;
    if (disk == DISK_LOG && offset == 0)
        run->high = count; /* a new header: the log begins anew */
    else if (offset + count > run->high)
        run->high = offset + count;
    return true;
}

/* ---- SQLite's file ------------------------------------------------------------------------------------------- */

static int file_close(sqlite3_file *file)
{
    return run_write(((struct file *)file)->disk) ? SQLITE_OK : SQLITE_IOERR_CLOSE;
}

static bool is_inside(enum disk disk, sqlite3_int64 offset, int count)
{
    uint64_t bytes = disk_sectors(disk) * DISK_SECTOR_BYTES;
    return offset >= 0 && count >= 0 && (uint64_t)offset <= bytes && (uint64_t)count <= bytes - (uint64_t)offset;
}

static int file_read(sqlite3_file *file, void *to, int count, sqlite3_int64 offset)
{
    enum disk disk = ((struct file *)file)->disk;
    uint8_t *out = to;
    uint64_t at = (uint64_t)offset, left = (uint64_t)count;
    if (!is_inside(disk, offset, count)) {
        memset(to, 0, (size_t)count);
        return SQLITE_IOERR_SHORT_READ;
    }
    if (!run_write(disk))
        return SQLITE_IOERR_READ;
    while (left > 0) {
        uint32_t part = left < RUN_BYTES ? (uint32_t)left : RUN_BYTES;
        if (!disk_read(disk, at, out, part))
            return SQLITE_IOERR_READ;
        out += part;
        at += part;
        left -= part;
    }
    return SQLITE_OK;
}

static int file_write(sqlite3_file *file, const void *from, int count, sqlite3_int64 offset)
{
    enum disk disk = ((struct file *)file)->disk;
    const uint8_t *in = from;
    if (!is_inside(disk, offset, count))
        return SQLITE_FULL;
    while (count > 0) {
        uint32_t part = count < 16384 ? (uint32_t)count : 16384;
        if (!run_add(disk, (uint64_t)offset, in, part))
            return SQLITE_IOERR_WRITE;
        in += part;
        offset += part;
        count -= (int)part;
    }
    return SQLITE_OK;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 bytes)
{
    (void)file;
    (void)bytes;
    return SQLITE_OK; /* a disk stays as long as it is; what lies behind the end does not count */
}

static bool disk_settle(enum disk disk)
{
    bool is_written = run_write(disk);
    bool is_flushed = disk_flush(disk);
    return is_written && is_flushed;
}

static int file_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    return disk_settle(((struct file *)file)->disk) ? SQLITE_OK : SQLITE_IOERR_FSYNC;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *bytes)
{
    uint64_t size = disk_sectors(((struct file *)file)->disk) * DISK_SECTOR_BYTES;
    *bytes = (sqlite3_int64)size;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *file, int level)
{
    (void)file;
    (void)level;
    return SQLITE_OK;
}

static int file_check_lock(sqlite3_file *file, int *is_locked)
{
    (void)file;
    *is_locked = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *file, int operation, void *argument)
{
    (void)file;
    (void)operation;
    (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *file)
{
    (void)file;
    return DISK_SECTOR_BYTES;
}

static int file_characteristics(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_ATOMIC512;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
};

/* ---- SQLite's VFS -------------------------------------------------------------------------------------------- */

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *flags_out)
{
    struct file *file = (struct file *)base;
    (void)vfs;
    (void)name;
    base->pMethods = NULL;
    if (flags & SQLITE_OPEN_MAIN_DB)
        file->disk = DISK_DATA;
    else if (flags & SQLITE_OPEN_WAL)
        file->disk = DISK_LOG;
    else
        return SQLITE_CANTOPEN;
    base->pMethods = &methods;
    if (flags_out)
        *flags_out = flags;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
    (void)vfs;
    (void)name;
    (void)sync_directory;
    return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *is_there)
{
    size_t length = strlen(name);
    (void)vfs;
    (void)flags;
    *is_there = length >= 4 && strcmp(name + length - 4, "-wal") == 0;
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int size, char *full)
{
    (void)vfs;
    size_t length = strlen(name) + 1;
    if (length > (size_t)size)
        return SQLITE_CANTOPEN;
    memcpy(full, name, length);
    return SQLITE_OK;
}

/* xorshift64*: the salts need to differ, not to be secret (Vigna, "An experimental exploration of Marsaglia's xorshift
 * generators, scrambled", 2016). */
static int vfs_random(sqlite3_vfs *vfs, int count, char *bytes)
{
    (void)vfs;
    for (int i = 0; i < count; i++) {
        random_state ^= random_state >> 12;
        random_state ^= random_state << 25;
        random_state ^= random_state >> 27;
        bytes[i] = (char)(random_state * 0x2545f4914f6cdd1dull >> 56);
    }
    return count;
}

static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
    (void)vfs;
    return microseconds; /* nobody shares the files: there is nothing to wait for */
}

/* Milliseconds since the Julian epoch: 24 November 4714 BC, noon. */
static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *ms)
{
    (void)vfs;
    *ms = 210866760000000LL + (sqlite3_int64)(wall_time() / 1000000);
    return SQLITE_OK;
}

static int vfs_time_days(sqlite3_vfs *vfs, double *days)
{
    sqlite3_int64 ms;
    (void)vfs_time(vfs, &ms);
    *days = (double)ms / 86400000.0;
    return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int size, char *text)
{
    (void)vfs;
    (void)size;
    (void)text;
    return 0;
}

static sqlite3_vfs vfs = {
    .iVersion = 2,
    .szOsFile = sizeof(struct file),
    .mxPathname = 64,
    .zName = VFS_NAME,
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_path,
    .xRandomness = vfs_random,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time_days,
    .xGetLastError = vfs_last_error,
    .xCurrentTimeInt64 = vfs_time,
};

void vfs_start(uint64_t random, uint64_t (*now_ns)(void))
{
    random_state = random | 1;
    wall_time = now_ns;
    for (uint32_t i = 0; i < DISKS; i++) {
        runs[i].used = 0;
        runs[i].last = NO_SECTOR;
        runs[i].high = UINT64_MAX; /* unknown until the log begins anew */
    }
    (void)sqlite3_vfs_register(&vfs, 1);
}

bool vfs_sync_log(void)
{
    return disk_settle(DISK_LOG);
}

/* SQLite is built with SQLITE_OS_OTHER: these are all it wants of an operating system. */
int sqlite3_os_init(void)
{
    return SQLITE_OK;
}

int sqlite3_os_end(void)
{
    return SQLITE_OK;
}
