/* Reader of the system archive: see archive.h for the rules and docs/archive.md for the format.
 *
 *   0  newc header "tessera.manifest", name padded   4096  struct manifest, entries, names     the members
 *   +--------------------------------------------+   +-----------------------------------+   +---------------
 *   | 070701 ... filesize ... namesize ... name  |   | magic sums bytes count|entry..|.. |   | header | data ...
 *   +--------------------------------------------+   +-----------------------------------+   +---------------
 */
#include "arch/platform/archive.h"

#include <abi/types.h>

#define NEWC_HEADER_BYTES   110
#define NEWC_NAMESIZE       (6 + 8 * 11) /* cpio(5): magic, then 13 fields of eight hexadecimal digits */
#define MANIFEST_OFFSET     PAGE_BYTES
#define MANIFEST_MAGIC      0x3143524153534554ul /* "TESSARC1" */
#define MANIFEST_SUMS_BEGIN offsetof(struct manifest, archive_bytes)
#define MEMBER_LIMIT        4096
#define NAME_BYTES_LIMIT    255

struct manifest_entry {
    uint64_t data_offset;
    uint64_t data_bytes;
    uint64_t sum_a, sum_b;
    uint32_t name_offset;
    uint32_t name_bytes;
};
_Static_assert(sizeof(struct manifest_entry) == 40, "docs/archive.md gives an entry 40 bytes");

struct manifest {
    uint64_t magic;
    uint64_t sum_a, sum_b;
    uint64_t archive_bytes;
    uint32_t manifest_bytes;
    uint32_t member_count;
    struct manifest_entry entries[];
};
_Static_assert(sizeof(struct manifest) == 40, "docs/archive.md gives the manifest a head of 40 bytes");

struct sums {
    uint64_t a, b;
};

static struct sums sums_of(const void *data, uint64_t bytes)
{
    const uint8_t *at = data;
    struct sums sums = {0, 0};
    for (; bytes >= 8; bytes -= 8, at += 8) {
        uint64_t value;
        __builtin_memcpy(&value, at, 8);
        sums.a += value;
        sums.b += sums.a;
    }
    if (bytes > 0) {
        uint64_t value = 0;
        for (uint64_t i = 0; i < bytes; i++)
            value |= (uint64_t)at[i] << 8 * i;
        sums.a += value;
        sums.b += sums.a;
    }
    return sums;
}

static const struct manifest *manifest_at(const uint8_t *base)
{
    return (const struct manifest *)(const void *)(base + MANIFEST_OFFSET);
}

static const char *header_check(const uint8_t *base, uint64_t bytes)
{
    static const uint8_t namesize[8] = "00000F92"; /* up to the second page: 4096 - 110 */
    _Static_assert(PAGE_BYTES - NEWC_HEADER_BYTES == 0xf92, "the digits above are this number");

    if (bytes == 0)
        return "archive missing";
    if (bytes < MANIFEST_OFFSET + PAGE_BYTES)
        return "archive truncated: shorter than two pages";
    if (__builtin_memcmp(base, "070701", 6) != 0)
        return "archive damaged or none: no cpio newc header";
    for (int i = 0; i < 8; i++)
        if (base[NEWC_NAMESIZE + i] != namesize[i] && base[NEWC_NAMESIZE + i] != (namesize[i] | 0x20))
            return "archive damaged: its first header has a wrong name size";
    if (__builtin_memcmp(base + NEWC_HEADER_BYTES, "tessera.manifest", sizeof("tessera.manifest")) != 0)
        return "archive damaged or none: it does not begin with tessera.manifest";
    return NULL;
}

static const char *manifest_check(const struct manifest *manifest, uint64_t loaded_bytes)
{
    if (manifest->magic != MANIFEST_MAGIC)
        return "archive damaged: its manifest has no magic number";
    uint64_t bytes = manifest->manifest_bytes;
    if (bytes > loaded_bytes - MANIFEST_OFFSET)
        return "archive truncated or damaged: its manifest is not all there";
    if (manifest->member_count == 0 || manifest->member_count > MEMBER_LIMIT ||
        bytes < sizeof(*manifest) + manifest->member_count * sizeof(struct manifest_entry))
        return "archive damaged: its manifest has an impossible number of members";
    struct sums sums = sums_of((const uint8_t *)manifest + MANIFEST_SUMS_BEGIN, bytes - MANIFEST_SUMS_BEGIN);
    if (sums.a != manifest->sum_a || sums.b != manifest->sum_b)
        return "archive damaged: its manifest has wrong checksums";
    if (manifest->archive_bytes > loaded_bytes)
        return "archive truncated: the manifest says that it is longer";
    if (manifest->archive_bytes % PAGE_BYTES != 0 || manifest->archive_bytes < MANIFEST_OFFSET + bytes)
        return "archive damaged: its manifest gives an impossible length";
    return NULL;
}

/* Offsets and lengths come after the sums were right: a wrong one is the packer's fault, but still not trusted. */
static const char *entry_check(const struct manifest *manifest, const struct manifest_entry *entry)
{
    uint64_t end = manifest->archive_bytes;
    if (entry->data_offset % PAGE_BYTES != 0 || entry->data_offset < MANIFEST_OFFSET + manifest->manifest_bytes)
        return "archive damaged: a member begins where none can";
    if (entry->data_offset > end || entry->data_bytes > end - entry->data_offset)
        return "archive damaged: a member lies beyond the end";

    uint64_t names = sizeof(*manifest) + manifest->member_count * sizeof(*entry);
    uint64_t name_end = (uint64_t)entry->name_offset + entry->name_bytes;
    if (entry->name_bytes == 0 || entry->name_bytes > NAME_BYTES_LIMIT || entry->name_offset < names ||
        name_end >= manifest->manifest_bytes || ((const char *)manifest)[name_end] != 0)
        return "archive damaged: a member's name is malformed";
    return NULL;
}

const char *archive_open(struct archive *archive, const void *base, uint64_t bytes)
{
    const char *problem = header_check(base, bytes);
    if (problem)
        return problem;
    const struct manifest *manifest = manifest_at(base);
    problem = manifest_check(manifest, bytes);
    if (problem)
        return problem;
    for (uint32_t i = 0; i < manifest->member_count; i++) {
        problem = entry_check(manifest, &manifest->entries[i]);
        if (problem)
            return problem;
    }
    archive->base = base;
    archive->bytes = manifest->archive_bytes;
    archive->member_count = manifest->member_count;
    return NULL;
}

void archive_member_at(const struct archive *archive, uint32_t n, struct archive_member *member)
{
    const struct manifest *manifest = manifest_at(archive->base);
    const struct manifest_entry *entry = &manifest->entries[n];
    member->name = (const char *)manifest + entry->name_offset;
    member->data = archive->base + entry->data_offset;
    member->offset = entry->data_offset;
    member->bytes = entry->data_bytes;
    member->sum_a = entry->sum_a;
    member->sum_b = entry->sum_b;
}

static bool name_equal(const char *a, const char *b)
{
    for (; *a == *b; a++, b++)
        if (*a == 0)
            return true;
    return false;
}

bool archive_find(const struct archive *archive, const char *name, struct archive_member *member)
{
    for (uint32_t i = 0; i < archive->member_count; i++) {
        archive_member_at(archive, i, member);
        if (name_equal(member->name, name))
            return true;
    }
    return false;
}

const char *archive_verify(const struct archive_member *member)
{
    struct sums sums = sums_of(member->data, member->bytes);
    if (sums.a != member->sum_a || sums.b != member->sum_b)
        return "archive damaged: the member has wrong checksums";
    return NULL;
}
