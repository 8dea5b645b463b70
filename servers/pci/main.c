/* The PCI server: finds functions, gives BARs addresses where no firmware did, switches functions and their interrupts
 * on and off. It holds configuration space and an endpoint; proto/pci.h is the protocol, docs/devices.md the picture.
 *
 * What configuration space says comes from devices: every number is checked before it is used.
 */
#include "proto/pci.h"
#include "proto/process.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define FUNCTIONS 128u
#define BUS_BYTES 0x100000u
#define BUSES     256

/* Configuration space: offsets and bits (PCI Local Bus 3.0, 6.1 and 6.2) */
enum {
    ID = 0x00,
    COMMAND = 0x04,
    STATUS = 0x06,
    HEADER_TYPE = 0x0e,
    BAR_0 = 0x10,
    SECONDARY_BUS = 0x19,
    CAPABILITIES = 0x34,
    INTERRUPT_PIN = 0x3d
};
#define COMMAND_MEMORY        0x0002u
#define COMMAND_MASTER        0x0004u
#define COMMAND_INTERRUPT_OFF 0x0400u
#define STATUS_CAPABILITIES   0x0010u
#define HEADER_MULTI          0x80u
#define HEADER_BRIDGE         1u
#define BAR_IO                0x1u
#define BAR_64                0x4u
#define CAPABILITY_MSIX       0x11u
#define MSIX_ENABLE           0x8000u
#define MSIX_ENTRY_MASKED     1u
#define CAPABILITIES_FIRST    0x40u
#define CAPABILITIES_END      0x100u

struct function {
    uint32_t number;
    uint32_t msix; /* offset of the capability, 0 = none that can be used */
    struct pci_description description;
};

struct window {
    uint64_t next, end;
};

static volatile uint8_t *ecam;
static uint64_t ecam_bytes;
static struct function functions[FUNCTIONS];
static uint32_t function_count;
static struct window window32, window64;
static volatile uint32_t *msix_page;

/* ---- configuration space ------------------------------------------------------------------------------------- */

static volatile uint8_t *place(uint32_t function, uint32_t offset)
{
    return ecam + (uint64_t)function * PCI_FUNCTION_BYTES + offset;
}

static uint32_t read_8(uint32_t function, uint32_t offset)
{
    return *place(function, offset);
}

static uint32_t read_16(uint32_t function, uint32_t offset)
{
    return *(volatile uint16_t *)(volatile void *)place(function, offset);
}

static uint32_t read_32(uint32_t function, uint32_t offset)
{
    return *(volatile uint32_t *)(volatile void *)place(function, offset);
}

static void write_16(uint32_t function, uint32_t offset, uint32_t value)
{
    *(volatile uint16_t *)(volatile void *)place(function, offset) = (uint16_t)value;
}

static void write_32(uint32_t function, uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(volatile void *)place(function, offset) = value;
}

/* Offset of a capability, 0 = none. A list that runs in circles ends after as many steps as there is room for. */
static uint32_t capability_find(uint32_t function, uint32_t wanted)
{
    if (!(read_16(function, STATUS) & STATUS_CAPABILITIES))
        return 0;
    uint32_t at = read_8(function, CAPABILITIES) & ~3u;
    for (uint32_t steps = 0; steps < 48 && at >= CAPABILITIES_FIRST && at < CAPABILITIES_END; steps++) {
        if (read_8(function, at) == wanted)
            return at;
        at = read_8(function, at + 1) & ~3u;
    }
    return 0;
}

/* ---- BARs ---------------------------------------------------------------------------------------------------- */

static bool is_inside(uint64_t address, uint64_t bytes, uint32_t first, uint32_t bytes_word,
                      const struct start_page *start)
{
    uint64_t base = start->words[first], length = start->words[bytes_word];
    return address >= base && bytes <= length && address - base <= length - bytes;
}

/* Reads the size by writing ones (6.2.5.1); decoding is off meanwhile. The BAR is left as it was. */
static uint64_t bar_size(uint32_t function, uint32_t offset, bool is_64)
{
    uint32_t low = read_32(function, offset), high = is_64 ? read_32(function, offset + 4) : 0;
    write_32(function, offset, UINT32_MAX);
    uint64_t mask = read_32(function, offset) & ~0xfull;
    write_32(function, offset, low);
    if (is_64) {
        write_32(function, offset + 4, UINT32_MAX);
        mask |= (uint64_t)read_32(function, offset + 4) << 32;
        write_32(function, offset + 4, high);
    } else if (mask) {
        mask |= 0xffffffff00000000ull;
    }
    uint64_t size = mask & -mask;
    return size != 0 && mask == -size ? size : 0; /* anything but one run of ones is no size */
}

static void bars_read(struct function *f, const struct start_page *start)
{
    uint32_t command = read_16(f->number, COMMAND);
    write_16(f->number, COMMAND, command & ~(COMMAND_MEMORY | COMMAND_MASTER));
    for (uint32_t i = 0; i < PCI_BARS; i++) {
        uint32_t offset = BAR_0 + 4 * i, value = read_32(f->number, offset);
        bool is_64 = (value & (BAR_IO | BAR_64)) == BAR_64 && i + 1 < PCI_BARS;
        if (value & BAR_IO)
            continue;
        struct pci_bar *bar = &f->description.bars[i];
        bar->bytes = bar_size(f->number, offset, is_64);
        bar->address = (value & ~0xful) | (is_64 ? (uint64_t)read_32(f->number, offset + 4) << 32 : 0);
        bool is_placed = bar->bytes != 0 && bar->address != 0 && bar->address % bar->bytes == 0;
        if (is_placed && is_inside(bar->address, bar->bytes, PCI_WORD_WINDOW, PCI_WORD_WINDOW_BYTES, start)) {
            if (bar->address + bar->bytes > window32.next)
                window32.next = bar->address + bar->bytes;
        } else if (is_placed &&
                   is_inside(bar->address, bar->bytes, PCI_WORD_WINDOW64, PCI_WORD_WINDOW64_BYTES, start)) {
            if (bar->address + bar->bytes > window64.next)
                window64.next = bar->address + bar->bytes;
        } else {
            bar->address = 0;
        }
        i += is_64;
    }
    /* What firmware shows a screen with goes on; nothing reaches memory before its driver is there. */
    write_16(f->number, COMMAND, command & ~COMMAND_MASTER);
}

static uint64_t window_take(struct window *window, uint64_t bytes)
{
    uint64_t at = (window->next + bytes - 1) & ~(bytes - 1);
    if (at < window->next || at > window->end || bytes > window->end - at)
        return 0;
    window->next = at + bytes;
    return at;
}

/* A page at least, so that what one function's driver is shown is never another's. */
static void bars_place(struct function *f)
{
    for (uint32_t i = 0; i < PCI_BARS; i++) {
        struct pci_bar *bar = &f->description.bars[i];
        uint32_t offset = BAR_0 + 4 * i;
        bool is_64 = bar->bytes != 0 && (read_32(f->number, offset) & BAR_64);
        uint64_t room = bar->bytes < PAGE_BYTES ? PAGE_BYTES : bar->bytes;
        if (bar->bytes == 0 || bar->address != 0)
            continue;
        bar->address = window_take(&window32, room);
        if (bar->address == 0 && is_64)
            bar->address = window_take(&window64, room);
        if (bar->address == 0) {
            log_text("pci: no room for BAR %u of function %x\n", i, f->number);
            bar->bytes = 0;
            continue;
        }
        write_32(f->number, offset, (uint32_t)bar->address);
        if (is_64)
            write_32(f->number, offset + 4, (uint32_t)(bar->address >> 32));
    }
}

/* MSI-X can be used when its table is in a BAR of its own: the driver is not shown that one. */
static void msix_read(struct function *f)
{
    uint32_t at = capability_find(f->number, CAPABILITY_MSIX);
    if (at == 0)
        return;
    uint32_t table = read_32(f->number, at + 4), bar = table & 7, offset = table & ~7u;
    uint32_t count = (read_16(f->number, at + 2) & 0x7ff) + 1;
    if (bar >= PCI_BARS || f->description.bars[bar].bytes == 0 || offset != 0 ||
        f->description.bars[bar].bytes > 16 * PAGE_BYTES || f->description.bars[bar].address % PAGE_BYTES != 0)
        return;
    f->msix = at;
    f->description.msix_count = count;
    f->description.msix_page = f->description.bars[bar].address;
    f->description.bars[bar] = (struct pci_bar){0};
}

/* ---- finding functions --------------------------------------------------------------------------------------- */

static void function_add(uint32_t number, const struct start_page *start)
{
    if (function_count == FUNCTIONS) {
        log_text("pci: more than %u functions: %x is not used\n", FUNCTIONS, number);
        return;
    }
    struct function *f = &functions[function_count++];
    f->number = number;
    f->description.pin = read_8(number, INTERRUPT_PIN);
    if (f->description.pin > 4)
        f->description.pin = 0;
    bars_read(f, start);
}

/* Marks the buses behind bridges, which are found where firmware has numbered them. */
static void device_scan(uint32_t device, uint64_t buses[BUSES / 64], const struct start_page *start)
{
    uint32_t count = read_8(device, HEADER_TYPE) & HEADER_MULTI ? 8 : 1;
    for (uint32_t number = device; number < device + count; number++) {
        if (read_16(number, ID) == 0xffff)
            continue;
        uint32_t behind = read_8(number, SECONDARY_BUS);
        if ((read_8(number, HEADER_TYPE) & ~HEADER_MULTI) != HEADER_BRIDGE)
            function_add(number, start);
        else
            buses[behind / 64] |= 1ul << behind % 64;
    }
}

/* Each bus once, whatever bridges say; their numbers rise. */
static void buses_scan(const struct start_page *start)
{
    uint64_t buses[BUSES / 64] = {1};
    for (uint32_t bus = 0; bus < BUSES && (bus + 1ul) * BUS_BYTES <= ecam_bytes; bus++)
        for (uint32_t device = bus << 8; (buses[bus / 64] >> bus % 64 & 1) && device < (bus + 1) << 8; device += 8)
            if (read_16(device, ID) != 0xffff)
                device_scan(device, buses, start);
}

/* What firmware placed stays; the rest comes behind it. */
static void functions_find(const struct start_page *start)
{
    window32.next = start->words[PCI_WORD_WINDOW];
    window32.end = window32.next + start->words[PCI_WORD_WINDOW_BYTES];
    window64.next = start->words[PCI_WORD_WINDOW64];
    window64.end = window64.next + start->words[PCI_WORD_WINDOW64_BYTES];
    buses_scan(start);
    for (uint32_t i = 0; i < function_count; i++) {
        bars_place(&functions[i]);
        msix_read(&functions[i]);
    }
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

static struct function *function_at(word number)
{
    for (uint32_t i = 0; i < function_count; i++)
        if (functions[i].number == number)
            return &functions[i];
    return NULL;
}

static enum error find(struct message *m)
{
    word n = m->words[3];
    for (uint32_t i = 0; i < function_count; i++) {
        uint32_t id = read_32(functions[i].number, ID);
        bool is_wanted = (id & 0xffff) == m->words[0] && (id >> 16 == m->words[1] || id >> 16 == m->words[2]);
        if (is_wanted && n-- == 0) {
            m->words[0] = functions[i].number;
            return ERROR_NONE;
        }
    }
    return ERROR_FAILED_LOOKUP;
}

static void enable(struct function *f, word address, word data)
{
    uint32_t command = read_16(f->number, COMMAND) | COMMAND_MEMORY | COMMAND_MASTER;
    bool is_wired = address == 0 || f->msix == 0;
    write_16(f->number, COMMAND, is_wired ? command & ~COMMAND_INTERRUPT_OFF : command | COMMAND_INTERRUPT_OFF);
    if (is_wired)
        return;
    msix_page[0] = (uint32_t)address;
    msix_page[1] = (uint32_t)(address >> 32);
    msix_page[2] = (uint32_t)data;
    msix_page[3] = 0; /* not masked */
    write_16(f->number, f->msix + 2, MSIX_ENABLE);
}

static void disable(struct function *f)
{
    write_16(f->number, COMMAND,
             (read_16(f->number, COMMAND) & ~(COMMAND_MEMORY | COMMAND_MASTER)) | COMMAND_INTERRUPT_OFF);
    if (f->msix)
        write_16(f->number, f->msix + 2, 0);
}

static void handle(struct message *m)
{
    struct function *f = function_at(m->words[0]);
    enum error error = ERROR_NONE;
    unsigned length = 1;
    switch (message_info_label(m->info)) {
    case PCI_FIND:
        error = find(m);
        break;
    case PCI_DESCRIBE:
        error = f ? ERROR_NONE : ERROR_FAILED_LOOKUP;
        length = f ? PCI_DESCRIPTION_WORDS : 0;
        if (f)
            message_put(m, 0, &f->description, sizeof(f->description));
        break;
    case PCI_ENABLE:
        error = f ? ERROR_NONE : ERROR_FAILED_LOOKUP;
        if (f)
            enable(f, m->words[1], m->words[2]);
        break;
    case PCI_DISABLE:
        error = f ? ERROR_NONE : ERROR_FAILED_LOOKUP;
        if (f)
            disable(f);
        break;
    default:
        error = ERROR_ILLEGAL_OPERATION;
        break;
    }
    m->info = message_info(error, 0, length);
}

int program_main(const struct start_page *start)
{
    struct message m;
    word badge;
    ecam = (volatile uint8_t *)start->words[PCI_WORD_ECAM];
    ecam_bytes = start->words[PCI_WORD_ECAM_BYTES];
    msix_page = (volatile uint32_t *)start->words[PCI_WORD_MSIX];
    functions_find(start);
    (void)syscall_recv(PCI_CAP_ENDPOINT, PCI_CAP_REPLY, &m, &badge);
    for (;;) {
        handle(&m);
        (void)syscall_reply_recv(PCI_CAP_ENDPOINT, PCI_CAP_REPLY, &m, &badge);
    }
}
