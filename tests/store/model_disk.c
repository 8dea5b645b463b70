/* See model_disk.h. */
#include "model_disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "servers/store/disk.h"

struct version { /* one sector, written and not flushed yet */
    uint64_t sector;
    uint8_t bytes[DISK_SECTOR_BYTES];
};

static struct model_medium *medium;
static uint8_t *seen[DISKS];
static struct version *versions[DISKS];
static size_t version_count[DISKS], version_room[DISKS];
static uint64_t random_state, operations, cut_at;
static void (*cut_function)(void);

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

bool model_medium_open(struct model_medium *at, const char *image)
{
    char log[4096];
    snprintf(log, sizeof(log), "%s-wal", image);
    for (int i = 0; i < DISKS; i++) {
        struct stat stat;
        at->file[i] = open(i == DISK_DATA ? image : log, O_RDWR);
        if (at->file[i] < 0 || fstat(at->file[i], &stat) != 0)
            return false;
        at->size[i] = (size_t)stat.st_size;
        at->bytes[i] = mmap(NULL, at->size[i], PROT_READ | PROT_WRITE, MAP_SHARED, at->file[i], 0);
        if (at->bytes[i] == MAP_FAILED)
            return false;
    }
    return true;
}

void model_disk_start(struct model_medium *at, uint64_t seed, uint64_t cut_after, void (*cut)(void))
{
    medium = at;
    random_state = seed * 0x9e3779b97f4a7c15ull | 1;
    operations = 0;
    cut_at = cut_after;
    cut_function = cut;
    for (int i = 0; i < DISKS; i++) {
        /* Pages that are not written yet are the medium's: what reaches the medium was written here before. */
        seen[i] = mmap(NULL, medium->size[i], PROT_READ | PROT_WRITE, MAP_PRIVATE, medium->file[i], 0);
        if (seen[i] == MAP_FAILED)
            abort();
        version_count[i] = 0;
    }
}

uint64_t model_disk_operations(void)
{
    return operations;
}

/* Versions in the order of writing, each with a chance of its own: the last that is taken of a sector stays. */
static void power_cut(void)
{
    for (int i = 0; i < DISKS; i++) {
        uint64_t chance = random_next() % 5; /* of four: none, some, most, all of a disk's */
        for (size_t k = 0; k < version_count[i]; k++)
            if (random_next() % 4 < chance)
                memcpy(medium->bytes[i] + versions[i][k].sector * DISK_SECTOR_BYTES, versions[i][k].bytes,
                       DISK_SECTOR_BYTES);
    }
    cut_function();
    abort();
}

uint64_t disk_sectors(enum disk disk)
{
    return medium->size[disk] / DISK_SECTOR_BYTES;
}

static void check_range(enum disk disk, uint64_t sector, uint64_t count)
{
    if (count == 0 || count > DISK_PIECE_BYTES || count % DISK_SECTOR_BYTES != 0 ||
        sector * DISK_SECTOR_BYTES + count > medium->size[disk]) {
        fprintf(stderr, "model disk: %lu bytes at sector %lu of disk %d\n", (unsigned long)count, (unsigned long)sector,
                (int)disk);
        abort();
    }
}

bool disk_read(enum disk disk, uint64_t offset, void *bytes, uint32_t count)
{
    uint64_t sector = offset / DISK_SECTOR_BYTES;
    uint64_t end = (offset + count + DISK_SECTOR_BYTES - 1) / DISK_SECTOR_BYTES;
    check_range(disk, sector, (end - sector) * DISK_SECTOR_BYTES);
    memcpy(bytes, seen[disk] + offset, count);
    return true;
}

static uint8_t spaces[DISKS][DISK_PIECE_BYTES];
uint8_t *disk_space(enum disk disk)
{
    return spaces[disk];
}

bool disk_write(enum disk disk, uint64_t sector, uint32_t count)
{
    const uint8_t *bytes = spaces[disk];
    check_range(disk, sector, count);
    memcpy(seen[disk] + sector * DISK_SECTOR_BYTES, bytes, count);
    for (uint32_t at = 0; at < count; at += DISK_SECTOR_BYTES) {
        if (version_count[disk] == version_room[disk]) {
            version_room[disk] = version_room[disk] ? 2 * version_room[disk] : 4096;
            versions[disk] = realloc(versions[disk], version_room[disk] * sizeof(struct version));
        }
        struct version *version = &versions[disk][version_count[disk]++];
        version->sector = sector + at / DISK_SECTOR_BYTES;
        memcpy(version->bytes, bytes + at, DISK_SECTOR_BYTES);
    }
    if (++operations == cut_at)
        power_cut();
    return true;
}

bool disk_flush(enum disk disk)
{
    if (++operations == cut_at) /* the flush was not acknowledged */
        power_cut();
    for (size_t k = 0; k < version_count[disk]; k++)
        memcpy(medium->bytes[disk] + versions[disk][k].sector * DISK_SECTOR_BYTES, versions[disk][k].bytes,
               DISK_SECTOR_BYTES);
    version_count[disk] = 0;
    return true;
}
