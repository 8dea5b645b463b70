/* A pair of disks with a volatile cache, for tests of the store on the host.
 *
 * A write is seen at once and is on the medium only after a flush of its own disk. At a power cut any of the sectors
 * written since then may have reached the medium or not, each in any of its versions, on each disk by itself: so
 * writes are reordered within a disk and between the two, and long ones are torn at sectors.
 */
#ifndef TESTS_STORE_MODEL_DISK_H
#define TESTS_STORE_MODEL_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct model_medium {
    uint8_t *bytes[2]; /* shared with the process that goes on after the cut */
    size_t size[2];
    int file[2]; /* that they are mapped from */
};

/* IMAGE and IMAGE-wal. False: they cannot be had. */
bool model_medium_open(struct model_medium *medium, const char *image);

/* The machine starts: what is seen is what is on the medium. Power is cut within the `cut_after`-th write or flush from
 * here (0: never): `cut` is called and must not return. */
void model_disk_start(struct model_medium *medium, uint64_t seed, uint64_t cut_after, void (*cut)(void));
uint64_t model_disk_operations(void);

#endif
