/* See model_disk.h. */
#include "model_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void model_disk_start(struct model_medium *at, uint64_t seed, uint64_t cut_after, void (*cut)(void))
{
    medium = at;
    random_state = seed * 0x9e3779b97f4a7c15ull | 1;
    operations = 0;
    cut_at = cut_after;
    cut_function = cut;
    for (int i = 0; i < DISKS; i++) {
        free(seen[i]);
        seen[i] = malloc(medium->size[i]);
        memcpy(seen[i], medium->bytes[i], medium->size[i]);
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

static void check_range(enum disk disk, uint64_t sector, uint32_t count)
{
    if (count == 0 || count > DISK_PIECE_BYTES || count % DISK_SECTOR_BYTES != 0 ||
        sector * DISK_SECTOR_BYTES + count > medium->size[disk]) {
        fprintf(stderr, "model disk: %u bytes at sector %lu of disk %d\n", count, (unsigned long)sector, (int)disk);
        abort();
    }
}

bool disk_read(enum disk disk, uint64_t sector, void *bytes, uint32_t count)
{
    check_range(disk, sector, count);
    memcpy(bytes, seen[disk] + sector * DISK_SECTOR_BYTES, count);
    return true;
}

bool disk_write(enum disk disk, uint64_t sector, const void *bytes, uint32_t count)
{
    check_range(disk, sector, count);
    memcpy(seen[disk] + sector * DISK_SECTOR_BYTES, bytes, count);
    for (uint32_t at = 0; at < count; at += DISK_SECTOR_BYTES) {
        if (version_count[disk] == version_room[disk]) {
            version_room[disk] = version_room[disk] ? 2 * version_room[disk] : 4096;
            versions[disk] = realloc(versions[disk], version_room[disk] * sizeof(struct version));
        }
        struct version *version = &versions[disk][version_count[disk]++];
        version->sector = sector + at / DISK_SECTOR_BYTES;
        memcpy(version->bytes, (const uint8_t *)bytes + at, DISK_SECTOR_BYTES);
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
