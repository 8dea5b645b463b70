/* Host test of arch/platform/archive.c: an archive packed here, read whole, truncated at every length and with each bit
 * of its headers flipped. Each is read from a heap block of exactly its size, so that AddressSanitizer sees any
 * read beyond. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arch/platform/archive.h"
#include "check.h"

#define PAGE          4096u
#define MANIFEST      PAGE
#define HEAD_BYTES    40u
#define ENTRY_BYTES   40u
#define ROOT_BYTES    5001u
#define ROOT_OFFSET   (2 * PAGE)
#define DATA_OFFSET   (4 * PAGE)
#define ARCHIVE_BYTES (5 * PAGE)

static uint8_t model[ARCHIVE_BYTES];

static void put(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* docs/archive.md, "The checksum", as it is written there. */
static void sum(const uint8_t *data, size_t bytes, uint64_t *a, uint64_t *b)
{
    *a = *b = 0;
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t word = 0;
        for (size_t j = 0; j < 8 && i + j < bytes; j++)
            word |= (uint64_t)data[i + j] << (8 * j);
        *a += word;
        *b += *a;
    }
}

static void seal(uint8_t *archive)
{
    uint64_t a, b;
    uint32_t manifest_bytes;
    memcpy(&manifest_bytes, archive + MANIFEST + 32, 4);
    sum(archive + MANIFEST + 24, manifest_bytes - 24, &a, &b);
    put(archive + MANIFEST + 8, a, 8);
    put(archive + MANIFEST + 16, b, 8);
}

static void put_entry(unsigned n, uint32_t offset, uint32_t bytes, uint32_t name_offset, const char *name)
{
    uint8_t *entry = model + MANIFEST + HEAD_BYTES + n * ENTRY_BYTES;
    uint64_t a, b;
    sum(model + offset, bytes, &a, &b);
    put(entry, offset, 8);
    put(entry + 8, bytes, 8);
    put(entry + 16, a, 8);
    put(entry + 24, b, 8);
    put(entry + 32, name_offset, 4);
    put(entry + 36, strlen(name), 4);
    strcpy((char *)model + MANIFEST + name_offset, name);
}

static void build(void)
{
    uint32_t names = HEAD_BYTES + 2 * ENTRY_BYTES, manifest_bytes = names + 5 + 9;
    for (unsigned i = 0; i < ROOT_BYTES; i++)
        model[ROOT_OFFSET + i] = (uint8_t)(i * 7 + i / 256);
    memcpy(model + DATA_OFFSET, "hello", 5);
    sprintf((char *)model, "070701%0*x%08x%0*x%08x%08x", 48, 0, manifest_bytes, 32, 0, PAGE - 110, 0);
    strcpy((char *)model + 110, "tessera.manifest");
    memcpy(model + MANIFEST, "TESSARC1", 8);
    put(model + MANIFEST + 24, ARCHIVE_BYTES, 8);
    put(model + MANIFEST + 32, manifest_bytes, 4);
    put(model + MANIFEST + 36, 2, 4);
    put_entry(0, ROOT_OFFSET, ROOT_BYTES, names, "root");
    put_entry(1, DATA_OFFSET, 5, names + 5, "data/one");
    seal(model);
}

/* Opens a heap copy of exactly `bytes` bytes and, when it opens, reads all that it names. */
static const char *read_all(const uint8_t *archive_bytes, size_t bytes)
{
    uint8_t *exact = malloc(bytes == 0 ? 1 : bytes);
    memcpy(exact, archive_bytes, bytes);
    struct archive archive;
    const char *problem = archive_open(&archive, exact, bytes);
    for (uint32_t i = 0; problem == NULL && i < archive.member_count; i++) {
        struct archive_member member;
        archive_member_at(&archive, i, &member);
        CHECK(strlen(member.name) > 0);
        CHECK(member.data >= exact && member.data + member.bytes <= exact + bytes);
        problem = archive_verify(&member);
    }
    free(exact);
    return problem;
}

static void test_whole(void)
{
    struct archive archive;
    struct archive_member member;
    CHECK(archive_open(&archive, model, sizeof(model)) == NULL);
    CHECK(archive.member_count == 2 && archive.bytes == ARCHIVE_BYTES);
    CHECK(archive_find(&archive, "root", &member));
    CHECK(member.bytes == ROOT_BYTES && member.offset == ROOT_OFFSET && member.data == model + ROOT_OFFSET);
    CHECK(archive_verify(&member) == NULL);
    CHECK(archive_find(&archive, "data/one", &member) && member.bytes == 5);
    CHECK(!archive_find(&archive, "data", &member));
    CHECK(!archive_find(&archive, "data/one1", &member));
    CHECK(read_all(model, sizeof(model)) == NULL);
}

static void test_truncated(void)
{
    CHECK(strcmp(read_all(model, 0), "archive missing") == 0);
    for (size_t bytes = 1; bytes < sizeof(model); bytes++)
        CHECK(read_all(model, bytes) != NULL);
}

/* Whatever is flipped in the manifest or in a member's data is noticed. */
static void test_flipped(void)
{
    static uint8_t damaged[ARCHIVE_BYTES];
    for (size_t at = 0; at < sizeof(model); at++) {
        bool is_checked = at < 6 || (at >= MANIFEST && at < MANIFEST + HEAD_BYTES + 2 * ENTRY_BYTES + 14) ||
                          (at >= ROOT_OFFSET && at < ROOT_OFFSET + ROOT_BYTES) ||
                          (at >= DATA_OFFSET && at < DATA_OFFSET + 5);
        if (at >= PAGE && !is_checked)
            continue;
        memcpy(damaged, model, sizeof(model));
        damaged[at] ^= (uint8_t)(1u << at % 8);
        const char *problem = read_all(damaged, sizeof(damaged));
        CHECK(problem != NULL || !is_checked);
    }
}

/* Sums that are right do not make a number trustworthy: a field at a time gets values that a packer never writes. */
static void test_hostile_numbers(void)
{
    static const uint64_t values[] = {0,
                                      1,
                                      4095,
                                      4096,
                                      0x7fffffff,
                                      0x80000000,
                                      0xfffff000,
                                      0xffffffff,
                                      0x100000000,
                                      0x7fffffffffffffff,
                                      0x8000000000000000,
                                      0xfffffffffffff000,
                                      UINT64_MAX};
    static const struct {
        unsigned offset, bytes;
    } fields[] = {{24, 8}, {32, 4}, {36, 4}, {40, 8}, {48, 8}, {72, 4}, {76, 4}, {80, 8}, {88, 8}, {112, 4}, {116, 4}};
    static uint8_t damaged[ARCHIVE_BYTES];
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        for (size_t j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
            memcpy(damaged, model, sizeof(model));
            put(damaged + MANIFEST + fields[i].offset, values[j], fields[i].bytes);
            uint32_t manifest_bytes;
            memcpy(&manifest_bytes, damaged + MANIFEST + 32, 4);
            if (manifest_bytes >= HEAD_BYTES && manifest_bytes <= ARCHIVE_BYTES - MANIFEST)
                seal(damaged);
            read_all(damaged, sizeof(damaged));
        }
    }
    memcpy(damaged, model, sizeof(model));
    put(damaged + MANIFEST + 40 + 8, ARCHIVE_BYTES - ROOT_OFFSET + 1, 8);
    seal(damaged);
    CHECK(strstr(read_all(damaged, sizeof(damaged)), "beyond the end") != NULL);
}

int main(void)
{
    build();
    test_whole();
    test_truncated();
    test_flipped();
    test_hostile_numbers();
    printf("archive: %s\n", failures == 0 ? "all passed" : "FAILED");
    return failures == 0 ? 0 : 1;
}
