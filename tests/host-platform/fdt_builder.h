/* Writes a device tree blob for the tests: the tree of a machine like QEMU's virt, in miniature. */
#ifndef FDT_BUILDER_H
#define FDT_BUILDER_H

#include <stdint.h>
#include <string.h>

struct blob {
    uint8_t bytes[8192];
    uint32_t tree, strings; /* bytes used of each while building */
    uint8_t tree_bytes[4096];
    char string_bytes[1024];
};

static void blob_put32(uint8_t *at, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(at, &value, 4);
}

static void blob_token(struct blob *blob, uint32_t value)
{
    blob_put32(blob->tree_bytes + blob->tree, value);
    blob->tree += 4;
}

static void blob_begin(struct blob *blob, const char *name)
{
    blob_token(blob, 1);
    strcpy((char *)blob->tree_bytes + blob->tree, name);
    blob->tree = (blob->tree + (uint32_t)strlen(name) + 4) & ~3u;
}

static void blob_end(struct blob *blob)
{
    blob_token(blob, 2);
}

static uint32_t blob_string(struct blob *blob, const char *name)
{
    for (uint32_t at = 0; at < blob->strings; at += (uint32_t)strlen(blob->string_bytes + at) + 1)
        if (strcmp(blob->string_bytes + at, name) == 0)
            return at;
    uint32_t at = blob->strings;
    strcpy(blob->string_bytes + at, name);
    blob->strings += (uint32_t)strlen(name) + 1;
    return at;
}

static void blob_property(struct blob *blob, const char *name, const void *data, uint32_t bytes)
{
    blob_token(blob, 3);
    blob_token(blob, bytes);
    blob_token(blob, blob_string(blob, name));
    if (bytes > 0)
        memcpy(blob->tree_bytes + blob->tree, data, bytes);
    blob->tree = (blob->tree + bytes + 3) & ~3u;
}

static void blob_text(struct blob *blob, const char *name, const char *text)
{
    blob_property(blob, name, text, (uint32_t)strlen(text) + 1);
}

static void blob_cells(struct blob *blob, const char *name, uint32_t count, const uint32_t *cells)
{
    uint8_t data[256];
    for (uint32_t i = 0; i < count; i++)
        blob_put32(data + 4 * i, cells[i]);
    blob_property(blob, name, data, 4 * count);
}
#define BLOB_CELLS(blob, name, ...)                                                                                    \
    blob_cells(blob, name, sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})

static void blob_device(struct blob *blob, const char *name, const char *compatible, uint32_t address, uint32_t bytes,
                        uint32_t interrupt)
{
    blob_begin(blob, name);
    blob_text(blob, "compatible", compatible);
    BLOB_CELLS(blob, "reg", 0, address, 0, bytes);
    if (interrupt != 0)
        BLOB_CELLS(blob, "interrupts", 0, interrupt, 4);
    blob_end(blob);
}

/* Header, reservations, tree, strings, in this order. Returns the blob's size. */
static uint32_t blob_finish(struct blob *blob)
{
    blob_token(blob, 9);
    uint32_t tree = 40 + 32, strings = tree + blob->tree, bytes = strings + blob->strings;
    const uint32_t header[10] = {0xd00dfeed, bytes, tree, strings, 40, 17, 16, 0, blob->strings, blob->tree};
    memset(blob->bytes, 0, sizeof(blob->bytes));
    for (unsigned i = 0; i < 10; i++)
        blob_put32(blob->bytes + 4 * i, header[i]);
    blob_put32(blob->bytes + 44, 0x48000000);
    blob_put32(blob->bytes + 52, 0x1000);
    memcpy(blob->bytes + tree, blob->tree_bytes, blob->tree);
    memcpy(blob->bytes + strings, blob->string_bytes, blob->strings);
    return bytes;
}

static void blob_pci(struct blob *blob)
{
    blob_begin(blob, "pcie@10000000");
    blob_text(blob, "compatible", "pci-host-ecam-generic");
    BLOB_CELLS(blob, "#address-cells", 3);
    BLOB_CELLS(blob, "#size-cells", 2);
    BLOB_CELLS(blob, "reg", 0x40, 0x10000000, 0, 0x10000000);
    BLOB_CELLS(blob, "ranges", 0x1000000, 0, 0, 0, 0x3eff0000, 0, 0x10000, 0x2000000, 0, 0x10000000, 0, 0x10000000, 0,
               0x2eff0000, 0x3000000, 0x80, 0, 0x80, 0, 0x80, 0);
    BLOB_CELLS(blob, "interrupt-map", 0, 0, 0, 1, 0x8001, 0, 0, 0, 3, 4, 0, 0, 0, 2, 0x8001, 0, 0, 0, 4, 4, 0x800, 0, 0,
               1, 0x8001, 0, 0, 0, 4, 4);
    blob_end(blob);
}

static uint32_t blob_machine(struct blob *blob)
{
    *blob = (struct blob){.tree = 0};
    blob_begin(blob, "");
    BLOB_CELLS(blob, "#address-cells", 2);
    BLOB_CELLS(blob, "#size-cells", 2);
    blob_token(blob, 4);
    blob_begin(blob, "chosen");
    BLOB_CELLS(blob, "linux,initrd-start", 0x48000000);
    BLOB_CELLS(blob, "linux,initrd-end", 0, 0x48005000);
    blob_text(blob, "bootargs", "hello");
    blob_end(blob);
    blob_begin(blob, "memory@40000000");
    blob_text(blob, "device_type", "memory");
    BLOB_CELLS(blob, "reg", 0, 0x40000000, 0, 0x20000000, 1, 0, 0, 0x1000);
    blob_end(blob);
    blob_begin(blob, "memory@e000000");
    blob_text(blob, "device_type", "memory");
    blob_text(blob, "status", "disabled");
    BLOB_CELLS(blob, "reg", 0, 0xe000000, 0, 0x1000000);
    blob_end(blob);
    blob_begin(blob, "reserved-memory");
    BLOB_CELLS(blob, "#address-cells", 2);
    BLOB_CELLS(blob, "#size-cells", 2);
    blob_property(blob, "ranges", NULL, 0);
    blob_begin(blob, "secret@50000000");
    BLOB_CELLS(blob, "reg", 0, 0x50000000, 0, 0x2000);
    blob_end(blob);
    blob_end(blob);
    blob_begin(blob, "cpus");
    BLOB_CELLS(blob, "#address-cells", 1);
    BLOB_CELLS(blob, "#size-cells", 0);
    for (char name[] = "cpu@0"; name[4] < '2'; name[4]++) {
        blob_begin(blob, name);
        blob_text(blob, "device_type", "cpu");
        blob_end(blob);
    }
    blob_end(blob);
    blob_begin(blob, "intc@8000000");
    BLOB_CELLS(blob, "phandle", 0x8001);
    blob_text(blob, "compatible", "arm,gic-v3");
    BLOB_CELLS(blob, "#address-cells", 2);
    BLOB_CELLS(blob, "reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0xf60000);
    blob_end(blob);
    blob_begin(blob, "timer");
    blob_property(blob, "compatible", "arm,armv8-timer\0arm,armv7-timer", 32);
    BLOB_CELLS(blob, "interrupts", 1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4);
    blob_end(blob);
    blob_begin(blob, "psci");
    blob_property(blob, "compatible", "arm,psci-1.0\0arm,psci-0.2\0arm,psci", 35);
    blob_text(blob, "method", "hvc");
    blob_end(blob);
    blob_device(blob, "virtio_mmio@a000000", "virtio,mmio", 0xa000000, 0x200, 16);
    blob_device(blob, "virtio_mmio@a000200", "virtio,mmio", 0xa000200, 0x200, 17);
    blob_begin(blob, "soc@9000000"); /* a bus with addresses of its own */
    BLOB_CELLS(blob, "#address-cells", 2);
    BLOB_CELLS(blob, "#size-cells", 2);
    BLOB_CELLS(blob, "ranges", 0, 0, 0, 0x9000000, 0, 0x100000);
    blob_device(blob, "pl011@0", "arm,pl011", 0, 0x1000, 1);
    blob_device(blob, "pl031@10000", "arm,pl031", 0x10000, 0x1000, 2);
    blob_device(blob, "pl031@200000", "arm,pl031", 0x200000, 0x1000, 2); /* outside of the bus's range */
    blob_end(blob);
    blob_pci(blob);
    blob_end(blob);
    return blob_finish(blob);
}

#endif
