/* Reads the ACPI static tables: see acpi.h for what is trusted and what is not.
 *
 * Every table is seen through `struct table`, whose bytes have been checked to be there and to sum to zero; fields are
 * fetched with the field_* functions, which read 0 beyond the table's end, so that an old, shorter table and a
 * truncated one are both harmless. Nothing here assumes alignment.
 */
#include "acpi.h"

#define HEADER_BYTES    36
#define TABLE_MAX_BYTES (1u << 20)
#define ROOT_MAX_TABLES 256

struct table {
    const uint8_t *bytes;
    uint32_t length;
};

static uint64_t field(struct table table, uint32_t offset, uint32_t bytes)
{
    if (offset > table.length || bytes > table.length - offset)
        return 0;
    uint64_t value = 0;
    for (uint32_t i = 0; i < bytes; i++)
        value |= (uint64_t)table.bytes[offset + i] << (8 * i);
    return value;
}

static uint8_t field_8(struct table table, uint32_t offset)
{
    return (uint8_t)field(table, offset, 1);
}

static uint16_t field_16(struct table table, uint32_t offset)
{
    return (uint16_t)field(table, offset, 2);
}

static uint32_t field_32(struct table table, uint32_t offset)
{
    return (uint32_t)field(table, offset, 4);
}

static uint64_t field_64(struct table table, uint32_t offset)
{
    return field(table, offset, 8);
}

/* A Generic Address Structure (5.2.3.2); spaces other than memory and ports count as absent. */
static struct acpi_register field_register(struct table table, uint32_t offset)
{
    static const uint8_t access_bytes[] = {0, 1, 2, 4, 8};
    struct acpi_register none = {0}, found = {.address = field_64(table, offset + 4),
                                              .space = field_8(table, offset),
                                              .bits = field_8(table, offset + 1)};
    uint8_t access = field_8(table, offset + 3);
    if (access < sizeof(access_bytes))
        found.access_bytes = access_bytes[access];
    if (found.address == 0 || found.space > ACPI_SPACE_PORT)
        return none;
    if (found.bits == 0)
        found.bits = found.access_bytes == 0 ? 32 : (uint8_t)(8 * found.access_bytes);
    return found;
}

static bool sums_to_zero(const uint8_t *bytes, uint32_t length)
{
    uint8_t sum = 0;
    for (uint32_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum == 0;
}

static bool is_signature(const uint8_t *bytes, const char *signature)
{
    for (unsigned i = 0; signature[i] != '\0'; i++)
        if (bytes[i] != (uint8_t)signature[i])
            return false;
    return true;
}

static void report(struct acpi_machine *machine, const uint8_t *signature, const char *problem)
{
    if (machine->problem != NULL)
        return;
    machine->problem = problem;
    for (unsigned i = 0; i < 4; i++)
        machine->problem_table[i] = signature[i] >= ' ' && signature[i] <= '~' ? (char)signature[i] : '?';
}

/* ---- MADT (5.2.12) ---- */

enum madt_entry {
    MADT_LOCAL_APIC = 0,
    MADT_IO_APIC = 1,
    MADT_OVERRIDE = 2,
    MADT_LOCAL_APIC_ADDRESS = 5,
    MADT_LOCAL_X2APIC = 9,
    MADT_GIC_CPU = 11,
    MADT_GIC_DISTRIBUTOR = 12,
    MADT_GIC_MSI_FRAME = 13,
    MADT_GIC_REDISTRIBUTOR = 14,
    MADT_GIC_ITS = 15
};

#define MADT_ENABLED     1u
#define MADT_ENTRIES     44
#define MADT_PCAT_COMPAT 1u

static void add_core(struct acpi_machine *machine, uint64_t id)
{
    if (machine->core_count < ACPI_CORES)
        machine->core_id[machine->core_count++] = id;
}

static void madt_override(struct acpi_machine *machine, struct table entry)
{
    uint8_t source = field_8(entry, 3);
    uint16_t flags = field_16(entry, 8);
    if (field_8(entry, 2) != 0 || source >= ACPI_ISA_INTERRUPTS)
        return;
    machine->isa[source] = (struct acpi_isa_interrupt){
        .global = field_32(entry, 4), .is_low = (flags & 3) == 3, .is_level = (flags >> 2 & 3) == 3};
}

static void madt_gic_cpu(struct acpi_machine *machine, struct table entry)
{
    if ((field_32(entry, 12) & MADT_ENABLED) == 0)
        return;
    if (machine->core_count == 0) {
        machine->gic_cpu_interface = field_64(entry, 32);
        machine->gic_redistributor_of_core = field_64(entry, 60);
    }
    add_core(machine, field_64(entry, 68));
}

static void madt_gic(struct acpi_machine *machine, uint8_t kind, struct table entry)
{
    if (kind == MADT_GIC_DISTRIBUTOR && machine->gic_distributor == 0) {
        machine->gic_distributor = field_64(entry, 8);
        machine->gic_version = field_8(entry, 20);
    } else if (kind == MADT_GIC_REDISTRIBUTOR && machine->gic_redistributor_count < ACPI_GIC_REGIONS) {
        machine->gic_redistributor[machine->gic_redistributor_count++] =
            (struct acpi_gic_region){.address = field_64(entry, 4), .bytes = field_32(entry, 12)};
    } else if (kind == MADT_GIC_MSI_FRAME && machine->gic_msi_frame == 0) {
        machine->gic_msi_frame = field_64(entry, 8);
        machine->gic_msi_count = field_16(entry, 20);
        machine->gic_msi_first = field_16(entry, 22);
    } else if (kind == MADT_GIC_ITS && machine->gic_its == 0) {
        machine->gic_its = field_64(entry, 8);
    }
}

static void madt_entry(struct acpi_machine *machine, uint8_t kind, struct table entry)
{
    switch (kind) {
    case MADT_LOCAL_APIC:
        if ((field_32(entry, 4) & MADT_ENABLED) != 0)
            add_core(machine, field_8(entry, 3));
        break;
    case MADT_LOCAL_X2APIC:
        if ((field_32(entry, 8) & MADT_ENABLED) != 0)
            add_core(machine, field_32(entry, 4));
        break;
    case MADT_IO_APIC:
        if (machine->io_apic_count < ACPI_IO_APICS)
            machine->io_apic[machine->io_apic_count++] =
                (struct acpi_io_apic){.address = field_32(entry, 4), .first_interrupt = field_32(entry, 8)};
        break;
    case MADT_OVERRIDE:
        madt_override(machine, entry);
        break;
    case MADT_LOCAL_APIC_ADDRESS:
        machine->local_apic_address = field_64(entry, 4);
        break;
    case MADT_GIC_CPU:
        madt_gic_cpu(machine, entry);
        break;
    default:
        madt_gic(machine, kind, entry);
    }
}

static void read_madt(struct acpi_machine *machine, struct table madt)
{
    machine->has_madt = true;
    machine->local_apic_address = field_32(madt, 36);
    machine->has_legacy_pic = (field_32(madt, 40) & MADT_PCAT_COMPAT) != 0;
    for (uint32_t i = 0; i < ACPI_ISA_INTERRUPTS; i++)
        machine->isa[i].global = i;
    uint32_t offset = MADT_ENTRIES;
    while (offset < madt.length) {
        uint8_t length = field_8(madt, offset + 1);
        if (length < 2 || length > madt.length - offset) {
            report(machine, madt.bytes, "an entry runs past the table's end");
            return;
        }
        madt_entry(machine, madt.bytes[offset], (struct table){madt.bytes + offset, length});
        offset += length;
    }
}

/* ---- the smaller tables ---- */

#define FADT_RESET_SUPPORTED  (1u << 10)
#define FADT_TIMER_32_BITS    (1u << 8)
#define FADT_HARDWARE_REDUCED (1u << 20)

/* 5.2.9: the 64-bit "X_" registers count when they are there, else the 32-bit port numbers. */
static struct acpi_register fadt_block(struct table fadt, uint32_t extended, uint32_t plain, uint8_t bits)
{
    struct acpi_register found = field_register(fadt, extended);
    if (found.bits != 0 || field_32(fadt, plain) == 0)
        return found;
    return (struct acpi_register){.address = field_32(fadt, plain), .space = ACPI_SPACE_PORT, .bits = bits};
}

static void read_fadt(struct acpi_machine *machine, struct table fadt)
{
    uint32_t flags = field_32(fadt, 112);
    machine->has_fadt = true;
    machine->is_hardware_reduced = (flags & FADT_HARDWARE_REDUCED) != 0;
    machine->boot_flags_x86 = field_16(fadt, 109);
    machine->boot_flags_arm = field_16(fadt, 129);
    machine->reset = field_register(fadt, 116);
    machine->reset_value = field_8(fadt, 128);
    machine->has_reset = (flags & FADT_RESET_SUPPORTED) != 0 && machine->reset.bits != 0;
    machine->sleep_control = field_register(fadt, 244);
    if (machine->is_hardware_reduced)
        return;
    machine->pm_timer = fadt_block(fadt, 208, 76, 32);
    machine->is_pm_timer_32_bits = (flags & FADT_TIMER_32_BITS) != 0;
    machine->pm1a_control = fadt_block(fadt, 172, 64, 16);
}

static void read_mcfg(struct acpi_machine *machine, struct table mcfg)
{
    for (uint32_t offset = 44; offset + 16 <= mcfg.length; offset += 16) {
        uint8_t first = field_8(mcfg, offset + 10), last = field_8(mcfg, offset + 11);
        if (field_16(mcfg, offset + 8) != 0)
            continue;
        if (last < first) {
            report(machine, mcfg.bytes, "last bus below first bus");
            return;
        }
        machine->ecam_address = field_64(mcfg, offset);
        machine->ecam_first_bus = first;
        machine->ecam_last_bus = last;
        return;
    }
}

static void read_hpet(struct acpi_machine *machine, struct table hpet)
{
    machine->hpet = field_register(hpet, 40);
}

static void read_spcr(struct acpi_machine *machine, struct table spcr)
{
    uint8_t interrupt_kinds = field_8(spcr, 52);
    machine->console = field_register(spcr, 40);
    machine->console_kind = machine->console.bits == 0 ? ACPI_CONSOLE_NONE : field_8(spcr, 36);
    /* bit 0: a PC's own interrupt 2..15; bits 1 and 3: I/O APIC, GIC */
    if ((interrupt_kinds & 0x0a) != 0)
        machine->console_interrupt = field_32(spcr, 54);
    else if ((interrupt_kinds & 1) != 0)
        machine->console_interrupt = field_8(spcr, 53);
    if (field_8(spcr, 8) >= 3)
        machine->console_clock_hz = field_32(spcr, 76);
}

static struct acpi_timer_interrupt gtdt_timer(struct table gtdt, uint32_t offset)
{
    uint32_t flags = field_32(gtdt, offset + 4);
    return (struct acpi_timer_interrupt){
        .interrupt = field_32(gtdt, offset), .is_edge = (flags & 1) != 0, .is_low = (flags & 2) != 0};
}

static void read_gtdt(struct acpi_machine *machine, struct table gtdt)
{
    machine->timer_secure = gtdt_timer(gtdt, 48);
    machine->timer_nonsecure = gtdt_timer(gtdt, 56);
    machine->timer_virtual = gtdt_timer(gtdt, 64);
    machine->timer_hypervisor = gtdt_timer(gtdt, 72);
}

/* ---- finding the tables ---- */

static const struct reader {
    const char *signature;
    uint32_t least_bytes; /* a table shorter than this has nothing for us */
    void (*read)(struct acpi_machine *machine, struct table table);
} readers[] = {
    {"APIC", MADT_ENTRIES, read_madt}, {"FACP", 116, read_fadt}, {"MCFG", 44, read_mcfg},
    {"HPET", 52, read_hpet},           {"SPCR", 56, read_spcr},  {"GTDT", 80, read_gtdt},
};

/* The table at `address`, present as a whole and with a good checksum; or a report and length 0. */
static struct table table_open(struct acpi_machine *machine, const struct acpi_memory *memory, uint64_t address,
                               const uint8_t *header, uint32_t least_bytes)
{
    struct table table = {header, 0};
    table.length = field_32((struct table){header, HEADER_BYTES}, 4);
    const char *problem = NULL;
    if (table.length < least_bytes || table.length > TABLE_MAX_BYTES)
        problem = "its length makes no sense";
    else if ((table.bytes = memory->look(memory->context, address, table.length)) == NULL)
        problem = "it reaches outside the memory that can be seen";
    else if (!sums_to_zero(table.bytes, table.length))
        problem = "its checksum is wrong";
    if (problem == NULL)
        return table;
    report(machine, header, problem);
    return (struct table){header, 0};
}

static void read_table(struct acpi_machine *machine, const struct acpi_memory *memory, uint64_t address)
{
    const uint8_t *header = memory->look(memory->context, address, HEADER_BYTES);
    if (header == NULL) {
        report(machine, (const uint8_t *)"XSDT", "an entry points outside the memory that can be seen");
        return;
    }
    for (unsigned i = 0; i < sizeof(readers) / sizeof(readers[0]); i++) {
        if (!is_signature(header, readers[i].signature))
            continue;
        struct table table = table_open(machine, memory, address, header, readers[i].least_bytes);
        if (table.length != 0)
            readers[i].read(machine, table);
        return;
    }
}

#define RSDP_BYTES_1 20
#define RSDP_BYTES_2 36

/* 5.2.5.3: the address of the XSDT (entries of 8 bytes) or, on revision 0, of the RSDT (entries of 4). */
static uint64_t root_table(struct acpi_machine *machine, const struct acpi_memory *memory, uint64_t rsdp,
                           uint32_t *entry_bytes)
{
    static const uint8_t name[4] = {'R', 'S', 'D', 'P'};
    const uint8_t *bytes = memory->look(memory->context, rsdp, RSDP_BYTES_1);
    if (bytes == NULL || !is_signature(bytes, "RSD PTR ") || !sums_to_zero(bytes, RSDP_BYTES_1)) {
        report(machine, name, "the root pointer is missing or damaged");
        return 0;
    }
    uint8_t revision = bytes[15];
    *entry_bytes = 4;
    uint64_t address = field_32((struct table){bytes, RSDP_BYTES_1}, 16);
    if (revision < 2)
        return address;
    bytes = memory->look(memory->context, rsdp, RSDP_BYTES_2);
    if (bytes == NULL || !sums_to_zero(bytes, RSDP_BYTES_2)) {
        report(machine, name, "the extended checksum is wrong");
        return 0;
    }
    uint64_t extended = field_64((struct table){bytes, RSDP_BYTES_2}, 24);
    if (extended == 0)
        return address;
    *entry_bytes = 8;
    return extended;
}

bool acpi_read(struct acpi_machine *machine, const struct acpi_memory *memory, uint64_t rsdp)
{
    *machine = (struct acpi_machine){.console_kind = ACPI_CONSOLE_NONE};
    uint32_t entry_bytes = 0;
    uint64_t address = root_table(machine, memory, rsdp, &entry_bytes);
    if (address == 0)
        return false;
    const uint8_t *header = memory->look(memory->context, address, HEADER_BYTES);
    if (header == NULL || !is_signature(header, entry_bytes == 8 ? "XSDT" : "RSDT")) {
        report(machine, (const uint8_t *)"XSDT", "the root table is not where the root pointer says");
        return false;
    }
    struct table root = table_open(machine, memory, address, header, HEADER_BYTES);
    if (root.length == 0)
        return false;
    uint32_t count = (root.length - HEADER_BYTES) / entry_bytes;
    for (uint32_t i = 0; i < count && i < ROOT_MAX_TABLES; i++)
        read_table(machine, memory, field(root, HEADER_BYTES + i * entry_bytes, entry_bytes));
    return true;
}

uint64_t acpi_find_root(const struct acpi_memory *memory, uint64_t first, uint64_t bytes)
{
    for (uint64_t offset = 0; offset + RSDP_BYTES_1 <= bytes; offset += 16) {
        const uint8_t *candidate = memory->look(memory->context, first + offset, RSDP_BYTES_1);
        if (candidate != NULL && is_signature(candidate, "RSD PTR ") && sums_to_zero(candidate, RSDP_BYTES_1))
            return first + offset;
    }
    return 0;
}
