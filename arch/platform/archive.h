/* Reader of the system archive (docs/archive.md) as the firmware loaded it: hostile bytes, read in place, never
 * written. Nothing is allocated; what is found stays valid as long as the archive is mapped.
 *
 * Every function that can fail returns NULL when all is well, else one line of text that says what is wrong. */
#ifndef PLATFORM_ARCHIVE_H
#define PLATFORM_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

struct archive {
    const uint8_t *base;
    uint64_t bytes; /* as the manifest says, padding included; at most what archive_open was given */
    uint32_t member_count;
};

struct archive_member {
    const char *name;    /* NUL-terminated, in the archive */
    const uint8_t *data; /* page aligned, as the archive is */
    uint64_t offset;     /* of the data in the archive */
    uint64_t bytes;
    uint64_t sum_a, sum_b; /* as the manifest says; archive_verify compares */
};

/* Checks the first header, the manifest with its sums and the bounds of every member and name. `base` is aligned to
 * eight bytes at least; `bytes` is what was loaded. */
const char *archive_open(struct archive *archive, const void *base, uint64_t bytes);

/* The n-th member, n < member_count, of an archive that archive_open accepted. */
void archive_member_at(const struct archive *archive, uint32_t n, struct archive_member *member);

/* Finds a member by its name; false when there is none. */
bool archive_find(const struct archive *archive, const char *name, struct archive_member *member);

/* Compares the member's content with its sums: reads all of it. */
const char *archive_verify(const struct archive_member *member);

#endif
