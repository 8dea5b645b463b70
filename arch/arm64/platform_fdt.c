/* The platform record from a device tree. See platform.h.
 *
 * Sources: Devicetree Specification 0.4 (2.3, 2.4, 3); the bindings arm,gic, arm,gic-v3, arm,armv8-timer, pl011, pl031,
 * psci, pci-host-ecam-generic, virtio,mmio as Linux documents them (Documentation/devicetree/bindings); PCI Bus Binding
 * to Open Firmware 2.1, 2.2.1 (ranges), 4.3 (interrupt-map).
 */
#include "platform.h"
#include "mmu.h"
#include "arch/platform/fdt.h"

#include <abi/object.h>
#include <arch/upcalls.h>

#define DEPTH_LIMIT        8
#define CELLS_LIMIT        4
#define INTERRUPT_CELLS    3
#define INTERRUPT_SHARED   0 /* SPI */
#define INTERRUPT_EDGE     3 /* rising 1, falling 2; level: high 4, low 8; shared ones are rising or high */
#define FIRST_SHARED       32
#define FIRST_PRIVATE      16
#define TIMER_VIRTUAL      2 /* which of the timer's interrupts */
#define PCI_ADDRESS_CELLS  3
#define PCI_SPACE(high)    ((high) >> 24 & 3)
#define PCI_SPACE_MEMORY   2
#define PCI_SPACE_MEMORY64 3
#define PCI_DEVICE(high)   ((high) >> 11 & 31)

/* What most nodes are asked for, read in one go. */
enum node_value { VALUE_COMPATIBLE, VALUE_REG, VALUE_STATUS, VALUE_INTERRUPTS, VALUE_COUNT };
static const char *const value_names[VALUE_COUNT] = {"compatible", "reg", "status", "interrupts"};

/* The way from the root to the node at hand. A node's cells are those that it prescribes for its children; they are
 * looked up when first needed, as most nodes have no children. */
struct path {
    struct fdt_node node[DEPTH_LIMIT];
    uint32_t address_cells[DEPTH_LIMIT], size_cells[DEPTH_LIMIT];
    uint32_t depth;
    struct fdt_value value[VALUE_COUNT]; /* of the node at hand; data NULL = absent */
};
#define CELLS_UNKNOWN UINT32_MAX

/* False for nodes that lie too deep. */
static bool path_enter(struct path *path, const struct fdt *fdt, struct fdt_node *node)
{
    if (node->depth >= DEPTH_LIMIT)
        return false;
    fdt_get_all(fdt, node, value_names, path->value, VALUE_COUNT);
    path->node[node->depth] = *node;
    path->address_cells[node->depth] = CELLS_UNKNOWN;
    path->depth = node->depth;
    return true;
}

static void path_cells(struct path *path, const struct fdt *fdt, uint32_t depth)
{
    if (path->address_cells[depth] != CELLS_UNKNOWN)
        return;
    uint32_t address_cells = fdt_get_cell(fdt, &path->node[depth], "#address-cells", 2);
    uint32_t size_cells = fdt_get_cell(fdt, &path->node[depth], "#size-cells", 1);
    path->address_cells[depth] = address_cells <= CELLS_LIMIT ? address_cells : CELLS_LIMIT;
    path->size_cells[depth] = size_cells <= CELLS_LIMIT ? size_cells : CELLS_LIMIT;
}

/* One step towards the root: the bus's "ranges" (2.3.8). Empty = same addresses; absent = not visible. */
static bool bus_translate(struct path *path, const struct fdt *fdt, uint32_t depth, uint64_t *address)
{
    struct fdt_value ranges;
    if (!fdt_get(fdt, &path->node[depth], "ranges", &ranges))
        return false;
    if (ranges.bytes == 0)
        return true;
    uint64_t child, parent, bytes;
    path_cells(path, fdt, depth);
    path_cells(path, fdt, depth - 1);
    while (fdt_take(&ranges, path->address_cells[depth], &child) &&
           fdt_take(&ranges, path->address_cells[depth - 1], &parent) &&
           fdt_take(&ranges, path->size_cells[depth], &bytes)) {
        if (*address >= child && *address - child < bytes) {
            *address = parent + (*address - child);
            return true;
        }
    }
    return false;
}

/* The next region of a "reg" value as the CPU sees it; `depth` is that of the node. */
static bool region_take(struct path *path, const struct fdt *fdt, uint32_t depth, struct fdt_value *reg,
                        struct range *region)
{
    uint64_t address, bytes;
    path_cells(path, fdt, depth - 1);
    if (!fdt_take(reg, path->address_cells[depth - 1], &address) || !fdt_take(reg, path->size_cells[depth - 1], &bytes))
        return false;
    for (uint32_t bus = depth - 1; bus > 0; bus--)
        if (!bus_translate(path, fdt, bus, &address))
            return false;
    if (address >= DIRECT_END - DIRECT_BASE || bytes > DIRECT_END - DIRECT_BASE - address)
        return false;
    *region = (struct range){address, address + bytes};
    return true;
}

/* Region number n of the node's registers; an empty one when there is none. */
static struct range region_get(struct path *path, const struct fdt *fdt, uint32_t depth, unsigned n)
{
    struct range region = {0, 0};
    struct fdt_value reg = path->value[VALUE_REG];
    for (unsigned i = 0; i <= n; i++)
        if (!region_take(path, fdt, depth, &reg, &region))
            return (struct range){0, 0};
    return region;
}

static bool interrupt_take(struct fdt_value *interrupts, uint32_t *intid, uint32_t *flags)
{
    uint64_t kind, number, trigger;
    if (!fdt_take(interrupts, 1, &kind) || !fdt_take(interrupts, 1, &number) || !fdt_take(interrupts, 1, &trigger))
        return false;
    *intid = (uint32_t)number + (kind == INTERRUPT_SHARED ? FIRST_SHARED : FIRST_PRIVATE);
    *flags = (trigger & INTERRUPT_EDGE) != 0 ? 0 : IRQ_LEVEL;
    return true;
}

static bool interrupt_get(const struct path *path, unsigned n, uint32_t *intid, uint32_t *flags)
{
    struct fdt_value interrupts = path->value[VALUE_INTERRUPTS];
    for (unsigned i = 0; i <= n; i++)
        if (!interrupt_take(&interrupts, intid, flags))
            return false;
    return true;
}

/* Without "status" a node is in use; firmware disables what belongs to the secure world. */
static bool is_enabled(const struct path *path)
{
    return path->value[VALUE_STATUS].data == NULL || fdt_has_string(&path->value[VALUE_STATUS], "okay");
}

static void device_add(struct machine *machine, struct range region)
{
    ranges_add(&machine->platform->device, region.start, region.end);
}

/* ---- one function for each kind of node ---- */

typedef void node_reader(struct machine *machine, const struct fdt *fdt, struct path *path, uint32_t depth);

static void gic_read(struct machine *machine, const struct fdt *fdt, struct path *path, uint32_t depth)
{
    machine->gic.version = 2;
    machine->gic.distributor = region_get(path, fdt, depth, 0).start;
    machine->gic.cpu_interface = region_get(path, fdt, depth, 1).start;
}

static void gic_v3_read(struct machine *machine, const struct fdt *fdt, struct path *path, uint32_t depth)
{
    struct gic *gic = &machine->gic;
    gic->version = 3;
    gic->distributor = region_get(path, fdt, depth, 0).start;
    uint32_t count = fdt_get_cell(fdt, &path->node[depth], "#redistributor-regions", 1);
    for (uint32_t i = 0; i < count && i < GIC_REGIONS; i++) {
        struct range region = region_get(path, fdt, depth, 1 + i);
        gic->redistributor[i].address = region.start;
        gic->redistributor[i].bytes = region.end - region.start;
        gic->redistributor_count = i + 1;
    }
}

static void timer_read(struct machine *machine, const struct fdt *fdt, struct path *path, uint32_t depth)
{
    (void)fdt;
    (void)depth;
    uint32_t intid, flags;
    if (interrupt_get(path, TIMER_VIRTUAL, &intid, &flags))
        machine->gic.timer_interrupt = intid;
}

static void psci_read(struct machine *machine, const struct fdt *fdt, struct path *path, uint32_t depth)
{
    struct fdt_value method;
    if (!fdt_get(fdt, &path->node[depth], "method", &method))
        return;
    machine->psci = fdt_has_string(&method, "hvc") ? PSCI_HVC : fdt_has_string(&method, "smc") ? PSCI_SMC : PSCI_NONE;
}

static void uart_read(struct machine *machine, const struct fdt *fdt, struct path *path, uint32_t depth)
{
    struct boot_info *info = &machine->platform->boot_info;
    struct range region = region_get(path, fdt, depth, 0);
    if (info->uart_kind != BOOT_UART_NONE || region.end == 0)
        return;
    info->uart_kind = BOOT_UART_PL011;
    info->uart_address = region.start;
    interrupt_get(path, 0, &info->uart_interrupt, &info->uart_interrupt_flags);
    device_add(machine, region);
}

/* EFI firmware disables it while its own runtime services use it; those are never called here. */
static void rtc_read(struct machine *machine, const struct fdt *fdt, struct path *path, uint32_t depth)
{
    struct range region = region_get(path, fdt, depth, 0);
    if (machine->platform->boot_info.rtc_address != 0 || region.end == 0)
        return;
    machine->platform->boot_info.rtc_address = region.start;
    device_add(machine, region);
}

/* Neighbours become one region: QEMU has 32 of them, of 512 bytes each. */
static void virtio_read(struct machine *machine, const struct fdt *fdt, struct path *path, uint32_t depth)
{
    struct ranges *device = &machine->platform->device;
    struct range region = region_get(path, fdt, depth, 0);
    if (device->count > 0 && device->range[device->count - 1].end == region.start)
        device->range[device->count - 1].end = region.end;
    else if (device->count > 0 && device->range[device->count - 1].start == region.end)
        device->range[device->count - 1].start = region.start;
    else
        device_add(machine, region);
}

static void pci_windows_read(struct machine *machine, const struct fdt *fdt, struct path *path, uint32_t depth)
{
    struct boot_info *info = &machine->platform->boot_info;
    struct fdt_value ranges;
    if (!fdt_get(fdt, &path->node[depth], "ranges", &ranges))
        return;
    uint64_t high, child, parent, bytes;
    path_cells(path, fdt, depth - 1);
    while (fdt_take(&ranges, 1, &high) && fdt_take(&ranges, PCI_ADDRESS_CELLS - 1, &child) &&
           fdt_take(&ranges, path->address_cells[depth - 1], &parent) && fdt_take(&ranges, 2, &bytes)) {
        if (child != parent || bytes > DIRECT_END - DIRECT_BASE || parent > DIRECT_END - DIRECT_BASE - bytes)
            continue; /* a bus address is what a BAR holds: translated windows are not described by the record */
        if (PCI_SPACE(high) == PCI_SPACE_MEMORY) {
            info->pci_window_address = parent;
            info->pci_window_bytes = bytes;
        } else if (PCI_SPACE(high) == PCI_SPACE_MEMORY64) {
            info->pci_window64_address = parent;
            info->pci_window64_bytes = bytes;
        } else {
            continue;
        }
        device_add(machine, (struct range){parent, parent + bytes});
    }
}

/* #address-cells of the node with that phandle: they stand before the interrupt in an interrupt-map entry. */
static uint32_t address_cells_of(const struct fdt *fdt, uint32_t phandle)
{
    struct fdt_node node;
    for (bool more = fdt_first(fdt, &node); more; more = fdt_next(fdt, &node))
        if (fdt_get_cell(fdt, &node, "phandle", 0) == phandle)
            return fdt_get_cell(fdt, &node, "#address-cells", 0);
    return 0;
}

/* INTA..INTD of device 0; the others follow by the usual rotation. */
static void pci_interrupts_read(struct machine *machine, const struct fdt *fdt, const struct fdt_node *node)
{
    struct fdt_value map;
    if (!fdt_get(fdt, node, "interrupt-map", &map))
        return;
    uint64_t high, rest, pin, parent, skipped;
    uint32_t phandle = 0, parent_cells = 0, intid, flags;
    while (fdt_take(&map, 1, &high) && fdt_take(&map, PCI_ADDRESS_CELLS - 1, &rest) && fdt_take(&map, 1, &pin) &&
           fdt_take(&map, 1, &parent)) {
        if ((uint32_t)parent != phandle) {
            phandle = (uint32_t)parent;
            parent_cells = address_cells_of(fdt, phandle);
        }
        if (!fdt_take(&map, parent_cells, &skipped) || !interrupt_take(&map, &intid, &flags))
            return;
        if (PCI_DEVICE(high) == 0 && pin >= 1 && pin <= 4)
            machine->platform->boot_info.pci_interrupt[pin - 1] = intid;
    }
}

static void pci_read(struct machine *machine, const struct fdt *fdt, struct path *path, uint32_t depth)
{
    struct boot_info *info = &machine->platform->boot_info;
    struct range ecam = region_get(path, fdt, depth, 0);
    if (info->ecam_bytes != 0 || ecam.end == 0)
        return;
    info->ecam_address = ecam.start;
    info->ecam_bytes = ecam.end - ecam.start;
    device_add(machine, ecam);
    pci_windows_read(machine, fdt, path, depth);
    pci_interrupts_read(machine, fdt, &path->node[depth]);
}

static const struct reader {
    char compatible[23];
    uint8_t length;
    node_reader *read;
} readers[] = {
#define READER(text, function)                                                                                         \
    {                                                                                                                  \
        text, sizeof(text) - 1, function                                                                               \
    }
    READER("virtio,mmio", virtio_read),        READER("arm,pl011", uart_read),    READER("arm,gic-v3", gic_v3_read),
    READER("arm,cortex-a15-gic", gic_read),    READER("arm,gic-400", gic_read),   READER("arm,armv8-timer", timer_read),
    READER("arm,psci-0.2", psci_read),         READER("arm,psci-1.0", psci_read), READER("arm,pl031", rtc_read),
    READER("pci-host-ecam-generic", pci_read),
#undef READER
};

/* The reader of the first string in the list that has one: the list begins with the most special. */
static node_reader *reader_find(const struct fdt_value *compatible)
{
    const char *text;
    uint32_t at = 0, length;
    while (fdt_next_string(compatible, &at, &text, &length))
        for (unsigned i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
            if (readers[i].length == length && __builtin_memcmp(readers[i].compatible, text, length) == 0)
                return readers[i].read;
    return NULL;
}

static void compatible_read(struct machine *machine, const struct fdt *fdt, struct path *path, uint32_t depth)
{
    node_reader *read = reader_find(&path->value[VALUE_COMPATIBLE]);
    if (read != NULL && (is_enabled(path) || read == rtc_read))
        read(machine, fdt, path, depth);
}

/* ---- /chosen ---- */

/* One or two cells, as the boot loader likes it. */
static uint64_t chosen_address(const struct fdt *fdt, const struct fdt_node *node, const char *name)
{
    struct fdt_value value;
    uint64_t address = 0;
    if (fdt_get(fdt, node, name, &value))
        fdt_take(&value, value.bytes / 4, &address);
    return address;
}

static void chosen_read(struct machine *machine, const struct fdt *fdt, const struct fdt_node *node)
{
    struct boot_info *info = &machine->platform->boot_info;
    struct fdt_value value;
    machine->platform->archive =
        (struct range){chosen_address(fdt, node, "linux,initrd-start"), chosen_address(fdt, node, "linux,initrd-end")};
    if (fdt_get(fdt, node, "bootargs", &value))
        for (uint32_t i = 0; i < value.bytes && i < sizeof(info->command_line) - 1; i++)
            info->command_line[i] = (char)value.data[i];
    if (fdt_get(fdt, node, "rng-seed", &value) && value.bytes >= sizeof(info->random_seed))
        __builtin_memcpy(info->random_seed, value.data, sizeof(info->random_seed));
}

static bool is_device_type(const struct fdt *fdt, const struct fdt_node *node, const char *type)
{
    struct fdt_value value;
    return fdt_get(fdt, node, "device_type", &value) && fdt_has_string(&value, type);
}

/* ---- memory ---- */

static void reserved_read(struct machine *machine, const struct fdt *fdt)
{
    uint64_t address, bytes;
    for (uint32_t i = 0; fdt_reserved(fdt, i, &address, &bytes); i++)
        if (!ranges_add(&machine->platform->reserved, address, address + bytes))
            kernel_stop("the device tree reserves too many regions");
}

static void regions_read(struct machine *machine, const struct fdt *fdt, struct path *path, uint32_t depth, bool is_ram)
{
    struct fdt_value reg = path->value[VALUE_REG];
    struct range region;
    while (region_take(path, fdt, depth, &reg, &region)) {
        if (is_ram)
            platform_add_ram(machine, region.start, region.end);
        else if (!ranges_add(&machine->platform->reserved, region.start, region.end))
            kernel_stop("the device tree reserves too many regions");
    }
}

/* Memory that must not even be mapped ("no-map") is reserved, but lies in the direct map: nothing reads it there. */
static void memory_read(struct machine *machine, const struct fdt *fdt, struct path *path, uint32_t depth)
{
    if (is_enabled(path))
        regions_read(machine, fdt, path, depth, true);
}

/* ---- all nodes ---- */

static void child_read(struct machine *machine, const struct fdt *fdt, struct path *path, bool with_memory)
{
    const struct fdt_node *node = &path->node[path->depth], *parent = &path->node[path->depth - 1];
    bool is_top = path->depth == 1;
    if (is_top && fdt_is_named(node, "chosen"))
        chosen_read(machine, fdt, node);
    else if (is_top && with_memory && fdt_is_named(node, "memory"))
        memory_read(machine, fdt, path, path->depth);
    else if (with_memory && path->depth == 2 && fdt_is_named(parent, "reserved-memory"))
        regions_read(machine, fdt, path, path->depth, false);
    else if (fdt_is_named(parent, "cpus") && is_device_type(fdt, node, "cpu"))
        machine->platform->boot_info.core_count++;
    else
        compatible_read(machine, fdt, path, path->depth);
}

void platform_read_fdt(struct machine *machine, const struct fdt *fdt, bool with_memory)
{
    struct path path;
    struct fdt_node node;
    if (with_memory)
        reserved_read(machine, fdt);
    for (bool more = fdt_first(fdt, &node); more; more = fdt_next(fdt, &node))
        if (path_enter(&path, fdt, &node) && node.depth > 0)
            child_read(machine, fdt, &path, with_memory);
}
