/* Host test of arch/platform/acpi.c: a machine's tables built here, read whole, truncated and with each bit flipped.
 *
 * Every look at "physical memory" hands out a fresh heap copy of exactly the bytes asked for, so that AddressSanitizer
 * sees any read beyond what was checked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arch/platform/acpi.h"
#include "check.h"

#define MEMORY_BYTES 4096
#define BASE         0xe0000u

static uint8_t memory_bytes[MEMORY_BYTES];
static void *copies[4096];
static unsigned copy_count;

static const void *look(void *context, uint64_t address, size_t bytes)
{
    size_t end = *(size_t *)context;
    if (address < BASE || address - BASE > end || bytes > end - (address - BASE) || copy_count == 4096)
        return NULL;
    void *copy = malloc(bytes == 0 ? 1 : bytes);
    memcpy(copy, memory_bytes + (address - BASE), bytes);
    copies[copy_count++] = copy;
    return copy;
}

static bool read_machine(struct acpi_machine *machine, size_t end)
{
    struct acpi_memory memory = {look, &end};
    bool ok = acpi_read(machine, &memory, BASE);
    while (copy_count > 0)
        free(copies[--copy_count]);
    return ok;
}

static void put(size_t offset, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        memory_bytes[offset + i] = (uint8_t)(value >> (8 * i));
}

static void seal(size_t offset, size_t bytes, size_t checksum_at)
{
    uint8_t sum = 0;
    memory_bytes[offset + checksum_at] = 0;
    for (size_t i = 0; i < bytes; i++)
        sum = (uint8_t)(sum + memory_bytes[offset + i]);
    memory_bytes[offset + checksum_at] = (uint8_t)-sum;
}

static size_t next_table, root_entries;

static void header(const char *signature, size_t offset, uint32_t length, uint8_t revision)
{
    memcpy(memory_bytes + offset, signature, 4);
    put(offset + 4, length, 4);
    put(offset + 8, revision, 1);
}

#define XSDT 0x40

static size_t table_begin(const char *signature, uint32_t length, uint8_t revision)
{
    size_t offset = next_table;
    next_table += (length + 15) / 16 * 16;
    header(signature, offset, length, revision);
    put(XSDT + 36 + 8 * root_entries++, BASE + offset, 8);
    return offset;
}

static void build_madt_x86(void)
{
    static const uint8_t entries[] = {
        0, 8,  0, 0,  1,    0,    0,    0,                               /* local APIC 0, enabled */
        0, 8,  1, 5,  1,    0,    0,    0,                               /* local APIC 5, enabled */
        0, 8,  2, 6,  0,    0,    0,    0,                               /* local APIC 6, disabled */
        1, 12, 0, 0,  0,    0,    0xc0, 0xfe, 0,    0, 0, 0,             /* I/O APIC at 0xfec00000 */
        2, 10, 0, 0,  2,    0,    0,    0,    0,    0,                   /* ISA 0 is 2 */
        2, 10, 0, 9,  9,    0,    0,    0,    0x0d, 0,                   /* ISA 9: level, high */
        2, 10, 0, 10, 10,   0,    0,    0,    0x0f, 0,                   /* ISA 10: level, low */
        9, 16, 0, 0,  0x34, 0x12, 0,    0,    1,    0, 0, 0, 0, 0, 0, 0, /* x2APIC 0x1234 */
    };
    size_t at = table_begin("APIC", 44 + sizeof(entries), 3);
    put(at + 36, 0xfee00000, 4);
    put(at + 40, 1, 4);
    memcpy(memory_bytes + at + 44, entries, sizeof(entries));
    seal(at, 44 + sizeof(entries), 9);
}

static void build_x86(void)
{
    memset(memory_bytes, 0, sizeof(memory_bytes));
    next_table = 0x100;
    root_entries = 0;
    memcpy(memory_bytes, "RSD PTR ", 8);
    put(15, 2, 1);
    put(20, 36, 4);
    put(24, BASE + XSDT, 8);
    build_madt_x86();
    size_t at = table_begin("FACP", 244, 3);
    put(at + 64, 0x604, 4);
    put(at + 76, 0x608, 4);
    put(at + 112, 1u << 10 | 1u << 8, 4);
    put(at + 116, 1 | 8u << 8, 4);
    put(at + 120, 0xcf9, 8);
    put(at + 128, 0x0f, 1);
    seal(at, 244, 9);
    at = table_begin("MCFG", 60, 1);
    put(at + 44, 0xb0000000, 8);
    put(at + 55, 255, 1);
    seal(at, 60, 9);
    at = table_begin("HPET", 56, 1);
    put(at + 40, 0 | 64u << 8, 4);
    put(at + 44, 0xfed00000, 8);
    seal(at, 56, 9);
    at = table_begin("SPCR", 80, 2);
    put(at + 40, 1 | 8u << 8 | 1u << 24, 4);
    put(at + 44, 0x2f8, 8);
    put(at + 52, 3, 1);
    put(at + 53, 3, 1);
    put(at + 54, 3, 4);
    seal(at, 80, 9);
    header("XSDT", XSDT, (uint32_t)(36 + 8 * root_entries), 1);
    seal(XSDT, 36 + 8 * root_entries, 9);
    seal(0, 20, 8);
    seal(0, 36, 32);
}

static void build_arm64(void)
{
    build_x86();
    next_table = 0x100;
    root_entries = 0;
    size_t at = table_begin("APIC", 44 + 80 + 80 + 24 + 16 + 24, 4);
    size_t entry = at + 44;
    for (unsigned core = 0; core < 2; core++, entry += 80) {
        put(entry, 11 | 80u << 8, 2);
        put(entry + 12, 1, 4);
        put(entry + 32, core == 0 ? 0x08010000 : 0, 8);
        put(entry + 68, core == 0 ? 0x100 : 0x101, 8);
    }
    put(entry, 12 | 24u << 8, 2);
    put(entry + 8, 0x08000000, 8);
    put(entry + 20, 3, 1);
    entry += 24;
    put(entry, 14 | 16u << 8, 2);
    put(entry + 4, 0x080a0000, 8);
    put(entry + 12, 0xf60000, 4);
    entry += 16;
    put(entry, 13 | 24u << 8, 2);
    put(entry + 8, 0x08020000, 8);
    put(entry + 20, 64 | 80u << 16, 4);
    seal(at, 44 + 80 + 80 + 24 + 16 + 24, 9);
    at = table_begin("GTDT", 96, 2);
    put(at + 48, 29, 4);
    put(at + 56, 30, 4);
    put(at + 64, 27, 4);
    put(at + 68, 2, 4);
    put(at + 72, 26, 4);
    seal(at, 96, 9);
    at = table_begin("SPCR", 80, 2);
    put(at + 36, 3, 1);
    put(at + 40, 0 | 32u << 8, 4);
    put(at + 44, 0x09000000, 8);
    put(at + 52, 8, 1);
    put(at + 54, 33, 4);
    seal(at, 80, 9);
    header("XSDT", XSDT, (uint32_t)(36 + 8 * root_entries), 1);
    seal(XSDT, 36 + 8 * root_entries, 9);
}

static void test_x86(void)
{
    struct acpi_machine m;
    build_x86();
    CHECK(read_machine(&m, MEMORY_BYTES) && m.problem == NULL);
    CHECK(m.core_count == 3 && m.core_id[0] == 0 && m.core_id[1] == 5 && m.core_id[2] == 0x1234);
    CHECK(m.has_madt && m.has_legacy_pic && m.local_apic_address == 0xfee00000);
    CHECK(m.io_apic_count == 1 && m.io_apic[0].address == 0xfec00000 && m.io_apic[0].first_interrupt == 0);
    CHECK(m.isa[0].global == 2 && !m.isa[0].is_level && !m.isa[0].is_low);
    CHECK(m.isa[9].is_level && !m.isa[9].is_low && m.isa[10].is_level && m.isa[10].is_low && m.isa[4].global == 4);
    CHECK(m.has_fadt && !m.is_hardware_reduced && m.pm_timer.address == 0x608 && m.pm_timer.space == ACPI_SPACE_PORT);
    CHECK(m.pm1a_control.address == 0x604 && m.is_pm_timer_32_bits);
    CHECK(m.has_reset && m.reset.address == 0xcf9 && m.reset_value == 0x0f);
    CHECK(m.ecam_address == 0xb0000000 && m.ecam_first_bus == 0 && m.ecam_last_bus == 255);
    CHECK(m.hpet.address == 0xfed00000 && m.hpet.space == ACPI_SPACE_MEMORY);
    CHECK(m.console_kind == ACPI_CONSOLE_16550 && m.console.address == 0x2f8 && m.console_interrupt == 3);
}

static void test_arm64(void)
{
    struct acpi_machine m;
    build_arm64();
    CHECK(read_machine(&m, MEMORY_BYTES) && m.problem == NULL);
    CHECK(m.core_count == 2 && m.core_id[0] == 0x100 && m.core_id[1] == 0x101);
    CHECK(m.gic_version == 3 && m.gic_distributor == 0x08000000 && m.gic_cpu_interface == 0x08010000);
    CHECK(m.gic_redistributor_count == 1 && m.gic_redistributor[0].address == 0x080a0000);
    CHECK(m.gic_redistributor[0].bytes == 0xf60000);
    CHECK(m.gic_msi_frame == 0x08020000 && m.gic_msi_first == 80 && m.gic_msi_count == 64);
    CHECK(m.timer_virtual.interrupt == 27 && m.timer_virtual.is_low && !m.timer_virtual.is_edge);
    CHECK(m.timer_nonsecure.interrupt == 30);
    CHECK(m.console_kind == ACPI_CONSOLE_PL011 && m.console.address == 0x09000000 && m.console_interrupt == 33);
}

/* Whatever is cut off is reported, nothing beyond the cut is read, and tables before it still count. */
static void test_truncated(void)
{
    struct acpi_machine m;
    build_x86();
    for (size_t end = 0; end < next_table; end++) {
        bool ok = read_machine(&m, end);
        CHECK(ok == (end >= XSDT + 36 + 8 * root_entries));
        CHECK(m.problem != NULL || end + 16 > next_table);
    }
}

/* A single flipped bit spoils a checksum or a signature: it may hide a table, and never changes what another says. */
static void flip_every_bit(void (*build)(void))
{
    struct acpi_machine good, m;
    build();
    CHECK(read_machine(&good, MEMORY_BYTES));
    for (size_t bit = 0; bit < 8 * next_table; bit++) {
        memory_bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (read_machine(&m, MEMORY_BYTES) && m.problem == NULL && m.has_madt && m.core_count != 0) {
            CHECK(m.core_count == good.core_count && m.local_apic_address == good.local_apic_address);
            CHECK(m.gic_distributor == good.gic_distributor);
        }
        memory_bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

/* Flipped bits under good checksums: fields are hostile, the reader must stay inside and come to an end. */
static void flip_and_seal(void (*build)(void))
{
    struct acpi_machine m;
    build();
    for (size_t table = 0x100; table < next_table; table += 16) {
        uint32_t length = memory_bytes[table + 4] | (uint32_t)memory_bytes[table + 5] << 8;
        if (memory_bytes[table] < 'A' || memory_bytes[table] > 'Z' || length < 44 || length > 512)
            continue;
        for (size_t bit = 8 * 4; bit < 8 * length; bit++) {
            uint8_t saved[512];
            memcpy(saved, memory_bytes + table, 512);
            memory_bytes[table + bit / 8] ^= (uint8_t)(1u << (bit % 8));
            uint32_t now = memory_bytes[table + 4] | (uint32_t)memory_bytes[table + 5] << 8;
            if (now >= 36 && table + now <= MEMORY_BYTES)
                seal(table, now, 9);
            CHECK(read_machine(&m, MEMORY_BYTES));
            CHECK(m.core_count <= ACPI_CORES && m.io_apic_count <= ACPI_IO_APICS);
            memcpy(memory_bytes + table, saved, 512);
        }
    }
}

static void test_bad_entries(void)
{
    struct acpi_machine m;
    build_x86();
    memory_bytes[0x100 + 45] = 0; /* an entry of length 0 must not loop for ever */
    seal(0x100, 44 + 82, 9);
    CHECK(read_machine(&m, MEMORY_BYTES) && m.problem != NULL && strcmp(m.problem_table, "APIC") == 0);
    build_x86();
    memory_bytes[0x100 + 44 + 82 - 15] = 200; /* the last entry runs past the end */
    seal(0x100, 44 + 82, 9);
    CHECK(read_machine(&m, MEMORY_BYTES) && m.problem != NULL && m.core_count == 2);
}

static void test_find_root(void)
{
    size_t end = MEMORY_BYTES;
    struct acpi_memory memory = {look, &end};
    build_x86();
    CHECK(acpi_find_root(&memory, BASE, MEMORY_BYTES) == BASE);
    memory_bytes[0] = 'X';
    CHECK(acpi_find_root(&memory, BASE, MEMORY_BYTES) == 0);
    while (copy_count > 0)
        free(copies[--copy_count]);
}

int main(void)
{
    test_x86();
    test_arm64();
    test_truncated();
    flip_every_bit(build_x86);
    flip_every_bit(build_arm64);
    flip_and_seal(build_x86);
    flip_and_seal(build_arm64);
    test_bad_entries();
    test_find_root();
    printf("acpi: %u failures\n", failures);
    return failures == 0 ? 0 : 1;
}
