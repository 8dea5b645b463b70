/* Host test of arch/platform/fdt.c and arch/arm64/platform_fdt.c: a tree built here, read whole, truncated at every
 * length and with each bit flipped, from heap blocks of exactly its size under AddressSanitizer. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include "arch/arm64/mmu.h"
#include "arch/arm64/platform.h"
#include "arch/platform/fdt.h"
#include "check.h"
#include "fdt_builder.h"

#include <arch/upcalls.h>

static struct blob model;
static uint32_t model_bytes;
static unsigned stops;
static jmp_buf stopped;

/* ---- what the readers call ---- */

_Noreturn void kernel_stop(const char *format, ...)
{
    (void)format;
    stops++;
    longjmp(stopped, 1);
}

void platform_add_ram(struct machine *machine, paddr start, paddr end)
{
    if (!ranges_add(&machine->platform->ram, start, end))
        kernel_stop("too many regions");
}

/* ---- reading ---- */

static void machine_read(struct machine *machine, struct platform *platform, const struct fdt *fdt)
{
    *platform = (struct platform){.name = ""};
    *machine = (struct machine){.platform = platform};
    if (setjmp(stopped) == 0) {
        platform_read_fdt(machine, fdt, true);
    }
}

/* Everything that can be asked of a blob, from a heap block of exactly `bytes` bytes. */
static void read_all(const uint8_t *bytes_of_blob, uint32_t bytes)
{
    static struct machine machine;
    static struct platform platform;
    uint8_t *copy = malloc(bytes == 0 ? 1 : bytes);
    memcpy(copy, bytes_of_blob, bytes);
    struct fdt fdt;
    if (fdt_open(&fdt, copy, bytes)) {
        struct fdt_node node;
        unsigned nodes = 0;
        for (bool more = fdt_first(&fdt, &node); more; more = fdt_next(&fdt, &node)) {
            struct fdt_value value;
            uint64_t number;
            CHECK(++nodes < 4096);
            fdt_get(&fdt, &node, "no such property", &value);
            if (fdt_get(&fdt, &node, "compatible", &value))
                fdt_has_string(&value, "arm,psci");
            if (fdt_get(&fdt, &node, "reg", &value))
                while (fdt_take(&value, 2, &number)) {
                }
        }
        machine_read(&machine, &platform, &fdt);
        CHECK(platform.boot_info.command_line[sizeof(platform.boot_info.command_line) - 1] == 0);
    }
    free(copy);
}

static void test_reader(void)
{
    struct fdt fdt;
    struct fdt_node node;
    struct fdt_value value;
    uint64_t number;
    CHECK(fdt_total_bytes(model.bytes) == model_bytes);
    CHECK(fdt_open(&fdt, model.bytes, sizeof(model.bytes)));
    CHECK(!fdt_open(&fdt, model.bytes, model_bytes - 1));
    CHECK(fdt_reserved(&fdt, 0, &number, &number) && number == 0x1000);
    CHECK(!fdt_reserved(&fdt, 1, &number, &number) && !fdt_reserved(&fdt, UINT32_MAX, &number, &number));
    CHECK(fdt_first(&fdt, &node) && node.depth == 0 && node.name[0] == 0);
    CHECK(fdt_get_cell(&fdt, &node, "#address-cells", 7) == 2 && fdt_get_cell(&fdt, &node, "missing", 7) == 7);
    CHECK(fdt_next(&fdt, &node) && node.depth == 1 && fdt_is_named(&node, "chosen"));
    CHECK(!fdt_get(&fdt, &node, "boot", &value) && !fdt_get(&fdt, &node, "bootargsx", &value));
    CHECK(fdt_get(&fdt, &node, "bootargs", &value) && value.bytes == 6);
    CHECK(fdt_next(&fdt, &node) && fdt_is_named(&node, "memory") && !fdt_is_named(&node, "mem"));
    CHECK(fdt_get(&fdt, &node, "reg", &value) && value.bytes == 32);
    CHECK(fdt_take(&value, 2, &number) && number == 0x40000000 && !fdt_take(&value, 7, &number));
    CHECK(fdt_take(&value, 0, &number) && number == 0);

    const struct fdt_value list = {(const uint8_t *)"one\0two", 8}, open_list = {(const uint8_t *)"one\0tw", 6};
    CHECK(fdt_has_string(&list, "one") && fdt_has_string(&list, "two") && !fdt_has_string(&list, "on"));
    CHECK(!fdt_has_string(&open_list, "tw"));
}

static void test_machine(void)
{
    static struct machine machine;
    static struct platform platform;
    struct fdt fdt;
    CHECK(fdt_open(&fdt, model.bytes, model_bytes));
    machine_read(&machine, &platform, &fdt);
    const struct boot_info *info = &platform.boot_info;
    CHECK(stops == 0);
    CHECK(platform.ram.count == 2 && platform.ram.range[0].start == 0x40000000 &&
          platform.ram.range[0].end == 0x60000000 && platform.ram.range[1].start == 0x100000000);
    CHECK(platform.reserved.count == 2 && platform.reserved.range[0].start == 0x48000000 &&
          platform.reserved.range[1].end == 0x50002000);
    CHECK(platform.archive.start == 0x48000000 && platform.archive.end == 0x48005000);
    CHECK(strcmp(info->command_line, "hello") == 0 && info->core_count == 2);
    CHECK(machine.gic.version == 3 && machine.gic.distributor == 0x8000000 && machine.gic.redistributor_count == 1);
    CHECK(machine.gic.redistributor[0].address == 0x80a0000 && machine.gic.redistributor[0].bytes == 0xf60000);
    CHECK(machine.gic.timer_interrupt == 27 && machine.psci == PSCI_HVC);
    CHECK(info->uart_kind == BOOT_UART_PL011 && info->uart_address == 0x9000000 && info->uart_interrupt == 33 &&
          info->uart_interrupt_flags == 1);
    CHECK(info->ecam_address == 0x4010000000 && info->ecam_bytes == 0x10000000);
    CHECK(info->pci_window_address == 0x10000000 && info->pci_window_bytes == 0x2eff0000);
    CHECK(info->pci_window64_address == 0x8000000000 && info->pci_window64_bytes == 0x8000000000);
    CHECK(info->pci_interrupt[0] == 35 && info->pci_interrupt[1] == 36);
    CHECK(info->rtc_address == 0x9010000);
    CHECK(platform.device.range[0].start == 0xa000000 && platform.device.range[0].end == 0xa000400);
}

static void test_truncated(void)
{
    for (uint32_t bytes = 0; bytes < model_bytes; bytes++) {
        struct fdt fdt;
        static struct blob cut;
        cut = model;
        CHECK(!fdt_open(&fdt, cut.bytes, bytes));
        blob_put32(cut.bytes + 4, bytes); /* a blob that says itself that it is so short */
        read_all(cut.bytes, bytes);
        blob_put32(cut.bytes + 36,
                   bytes > 72 ? bytes - 72 : 0); /* with a tree that ends there, and its strings in it */
        blob_put32(cut.bytes + 12, 72);
        blob_put32(cut.bytes + 32, bytes > 72 ? bytes - 72 : 0);
        read_all(cut.bytes, bytes);
    }
}

static void test_flipped(void)
{
    for (uint32_t at = 0; at < model_bytes; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            model.bytes[at] ^= (uint8_t)(1u << bit);
            read_all(model.bytes, model_bytes);
            model.bytes[at] ^= (uint8_t)(1u << bit);
        }
    }
}

/* Each word of the tree in turn is a number that leads far away. */
static void test_hostile_numbers(void)
{
    static const uint32_t values[] = {0, 1, 2, 3, 4, 9, 0x7fffffff, 0x80000000, 0xfffffff0, 0xfffffffc, 0xffffffff};
    for (uint32_t at = 0; at + 4 <= model_bytes; at += 4) {
        for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
            uint8_t kept[4];
            memcpy(kept, model.bytes + at, 4);
            blob_put32(model.bytes + at, values[i]);
            read_all(model.bytes, model_bytes);
            memcpy(model.bytes + at, kept, 4);
        }
    }
}

int main(void)
{
    model_bytes = blob_machine(&model);
    test_reader();
    test_machine();
    test_truncated();
    test_flipped();
    test_hostile_numbers();
    printf("fdt: %u bytes, %u refused for too many regions: %s\n", model_bytes, stops,
           failures == 0 ? "all passed" : "FAILED");
    return failures == 0 ? 0 : 1;
}
