/* The PCI server and the drivers of PCI devices. What must survive a driver is the root task's: its regions,
 * notifications, interrupt and device frames. So a driver that fails is unmade and made again, and its client sees that
 * from what both share (proto/block.h, proto/packet.h, proto/entropy.h).
 */
#include "proto/block.h"
#include "proto/console.h"
#include "proto/entropy.h"
#include "proto/packet.h"
#include "proto/pci.h"
#include "proto/process.h"
#include "root.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define PCI_STACK_BYTES    16384
#define DRIVER_STACK_BYTES 16384
#define BLOCK_REGION_BITS  20
#define LINE_REGION_BITS   15
_Static_assert(1u << LINE_REGION_BITS == UART_REGION_BYTES, "one frame");
_Static_assert(1u << BLOCK_REGION_BITS == BLOCK_REGION_BYTES, "one frame");
_Static_assert(PAGE_BYTES == ENTROPY_REGION_BYTES, "one frame");

/* Address map of PCI server and drivers */
#define ECAM_ADDRESS          0x500000000ul
#define MSIX_ADDRESS          (PROCESS_WINDOW_BASE)
#define DMA_ADDRESS           (PROCESS_WINDOW_BASE)
#define CONFIGURATION_ADDRESS (PROCESS_WINDOW_BASE + 0x100000)
#define SHARED_ADDRESS        (PROCESS_WINDOW_BASE + 0x400000)
#define BAR_ADDRESS           0x500000000ul
#define BAR_STRIDE            0x40000000ul
#define ENTROPY_ADDRESS       (PROCESS_WINDOW_BASE + 0x1a0000)
#define ECAM_BITS_MAX         28u
#define BAR_BITS_MAX          29u

/* Which function each driver is for, by PCI numbers (VIRTIO 1.1, 4.1.2 and 5): modern, transitional, and which of the
 * machine's functions with these. The system description's flag says whether it is wanted. */
#define VIRTIO_VENDOR_ID 0x1af4
#define DRIVERS          (SERVER_COUNT - SERVER_FIRST_DRIVER)
static const struct plan {
    uint32_t flag; /* enum system_flags */
    uint32_t modern, transitional, n;
    uint32_t dma_bits, region_bits;
} plans[DRIVERS] = {
    [SERVER_DISK_DATA - SERVER_FIRST_DRIVER] = {SYSTEM_DISK, 0x1042, 0x1001, 0, 15, BLOCK_REGION_BITS},
    [SERVER_DISK_LOG - SERVER_FIRST_DRIVER] = {SYSTEM_DISK, 0x1042, 0x1001, 1, 15, BLOCK_REGION_BITS},
    [SERVER_RNG - SERVER_FIRST_DRIVER] = {SYSTEM_RANDOM, 0x1044, 0x1005, 0, 13, PAGE_BITS},
    [SERVER_NET_CARD - SERVER_FIRST_DRIVER] = {SYSTEM_NET, 0x1041, 0x1000, 0, 15, PACKET_REGION_BITS},
    [SERVER_LINE - SERVER_FIRST_DRIVER] = {SYSTEM_FRAMED, 0x1043, 0x1003, 0, 16, LINE_REGION_BITS},
};

struct device {
    bool is_there, is_wanted; /* is_wanted: its driver runs, or is to */
    word function;
    struct pci_description description;
    cptr bars[PCI_BARS];
    uint32_t bar_bits[PCI_BARS];
    cptr dma, region, notification, irq;
    cptr client_signal; /* what the driver signals; 0: the client is not there yet */
    cptr msix_page;
    word msix_address, msix_data; /* 0: the interrupt is wired */
};

static struct {
    bool are_started;
    cptr pci_endpoint, pci_cap, pci_reply, console_endpoint;
    cptr ecam;
    uint32_t ecam_bits;
    cptr disk_notification; /* the store waits on it */
    cptr card_notification; /* the net server waits on it */
    cptr line_input;        /* tells the console of input */
    cptr line_signal;       /* the console's, to the driver */
    struct device devices[DRIVERS];
} drivers;

static struct device *device_of(enum server which)
{
    return &drivers.devices[which - SERVER_FIRST_DRIVER];
}

static const struct plan *plan_of(enum server which)
{
    return &plans[which - SERVER_FIRST_DRIVER];
}

static void map(struct root *root, enum server which, cptr frame, uint64_t first, uint64_t bytes, uint64_t address,
                uint32_t rights, bool is_device)
{
    cptr slot;
    struct task *task = &root->tasks[which];
    if (is_device ? !task_map_device_range(task, frame, first, bytes, address, rights, &slot)
                  : !task_map(task, frame, first, bytes, address, rights, &slot))
        root_fail(root, "root: server '%s': cannot map what it needs\n", server_name(which));
}

/* ---- PCI server ---------------------------------------------------------------------------------------------- */

static void ecam_take(struct root *root)
{
    uint64_t address = root->boot->ecam_address, bytes = root->boot->ecam_bytes;
    uint32_t bits = ECAM_BITS_MAX;
    while (bits > PAGE_BITS && (1ul << bits > bytes || address % (1ul << bits) != 0))
        bits--;
    drivers.ecam_bits = bits;
    drivers.ecam = bytes == 0 ? 0 : root_device_frame(root, address, bits);
}

void pci_start(struct root *root)
{
    const struct boot_info *boot = root->boot;
    (void)server_make(root, SERVER_PCI, PCI_STACK_BYTES);
    struct start_page *start = server_start_page(root, SERVER_PCI);
    map(root, SERVER_PCI, drivers.ecam, 0, 1ul << drivers.ecam_bits, ECAM_ADDRESS, RIGHT_READ | RIGHT_WRITE, true);
    start->words[PCI_WORD_ECAM] = ECAM_ADDRESS;
    start->words[PCI_WORD_ECAM_BYTES] = 1ul << drivers.ecam_bits;
    start->words[PCI_WORD_WINDOW] = boot->pci_window_address;
    start->words[PCI_WORD_WINDOW_BYTES] = boot->pci_window_bytes;
    start->words[PCI_WORD_WINDOW64] = boot->pci_window64_address;
    start->words[PCI_WORD_WINDOW64_BYTES] = boot->pci_window64_bytes;
    start->words[PCI_WORD_MSIX] = MSIX_ADDRESS;
    server_grant(root, SERVER_PCI, PROCESS_CAP_CONSOLE, drivers.console_endpoint, RIGHT_CALL, 0);
    server_grant(root, SERVER_PCI, PCI_CAP_ENDPOINT, drivers.pci_endpoint, RIGHT_RECV, 0);
    server_grant(root, SERVER_PCI, PCI_CAP_REPLY, drivers.pci_reply, RIGHT_ALL, 0);
    server_run(root, SERVER_PCI);
}

/* Before there are drivers, a PCI server that fails is asked once more. Later ERROR_ABORTED: it starts again with all
 * of them, in the main loop. */
static enum error pci_call(struct root *root, struct message *m, enum pci_operation operation, unsigned length)
{
    const struct message request = {message_info(operation, 0, length),
                                    {m->words[0], m->words[1], m->words[2], m->words[3]}};
    enum error status;
    do {
        *m = request;
        status = supervise_call(root, SERVER_PCI, drivers.pci_cap, m);
        if (status == ERROR_ABORTED && !drivers.are_started)
            supervise_wait(root, SERVER_PCI);
    } while (status == ERROR_ABORTED && !drivers.are_started);
    return status != ERROR_NONE ? status : (enum error)message_info_label(m->info);
}

/* ---- one device ---------------------------------------------------------------------------------------------- */

static bool function_find(struct root *root, struct device *device, const struct plan *plan)
{
    struct message m = {0, {VIRTIO_VENDOR_ID, plan->modern, plan->transitional, plan->n}};
    if (pci_call(root, &m, PCI_FIND, 4) != ERROR_NONE)
        return false;
    device->function = m.words[0];
    m = (struct message){0, {device->function}};
    if (pci_call(root, &m, PCI_DESCRIBE, 1) != ERROR_NONE)
        return false;
    message_get(&m, 0, &device->description, sizeof(device->description));
    return true;
}

static bool bars_take(struct root *root, struct device *device)
{
    for (uint32_t i = 0; i < PCI_BARS; i++) {
        const struct pci_bar *bar = &device->description.bars[i];
        uint32_t bits = PAGE_BITS;
        if (bar->bytes == 0)
            continue;
        while (1ul << bits < bar->bytes && bits < BAR_BITS_MAX)
            bits++;
        if (1ul << bits < bar->bytes)
            return false;
        device->bars[i] = root_device_frame(root, bar->address, bits);
        device->bar_bits[i] = bits;
        if (!device->bars[i])
            return false;
    }
    return true;
}

/* MSI-X where machine and function have it, else the wired line of slot and pin (PCI Local Bus 3.0, 2.2.6). */
static bool interrupt_take(struct root *root, struct device *device)
{
    const struct pci_description *description = &device->description;
    device->irq = root_slot(root);
    if (description->msix_count > 0 && irq_control_get_msi(ROOT_IRQ_CONTROL, ROOT_CNODE, device->irq,
                                                           &device->msix_address, &device->msix_data) == ERROR_NONE) {
        device->msix_page = root_device_frame(root, description->msix_page, PAGE_BITS);
        return device->msix_page != 0;
    }
    device->msix_address = 0;
    uint32_t slot = device->function >> 3 & 31, bus = (uint32_t)(device->function >> 8);
    if (description->pin == 0 || bus != 0)
        return false;
    uint32_t line = root->boot->pci_interrupt[(slot + description->pin - 1) % 4];
    return line != 0 && irq_control_get(ROOT_IRQ_CONTROL, line, IRQ_LEVEL, ROOT_CNODE, device->irq) == ERROR_NONE;
}

static cptr signal_mint(struct root *root, cptr notification, word badge)
{
    cptr slot = root_slot(root);
    if (cnode_mint(ROOT_CNODE, slot, ROOT_CNODE, notification, RIGHT_SEND, badge) != ERROR_NONE)
        root_fail(root, "root: no signal for a driver\n");
    return slot;
}

static cptr frame_make(struct root *root, uint32_t bits)
{
    cptr untyped, frame = root_slot(root);
    if (!pool_untyped_take(&root->pool, bits, &untyped) ||
        untyped_retype_all(untyped, OBJECT_FRAME, bits, ROOT_CNODE, frame, 1) != ERROR_NONE)
        root_fail(root, "root: no memory for a driver\n");
    return frame;
}

static void device_take(struct root *root, enum server which)
{
    struct device *device = device_of(which);
    const struct plan *plan = plan_of(which);
    if (!(root->system->flags & plan->flag) || !function_find(root, device, plan))
        return;
    if (!bars_take(root, device) || !interrupt_take(root, device))
        root_fail(root, "root: PCI function %lx: its registers or its interrupt cannot be had\n", device->function);
    device->dma = frame_make(root, plan->dma_bits);
    device->region = frame_make(root, plan->region_bits);
    device->notification = root_object(root, OBJECT_NOTIFICATION, 0);
    if (irq_handler_set_notification(device->irq, signal_mint(root, device->notification, DRIVER_SIGNAL_IRQ)) !=
        ERROR_NONE)
        root_fail(root, "root: PCI function %lx: its interrupt cannot be had\n", device->function);
    device->is_there = true;
}

static uint64_t physical_of(struct root *root, cptr frame)
{
    word address = 0, bits;
    if (frame_get_address(frame, &address, &bits) != ERROR_NONE)
        root_fail(root, "root: a driver's memory has no address\n");
    return address;
}

/* The PCI server sees one function's MSI-X table at a time: the one that it is about to write. */
static bool function_enable(struct root *root, const struct device *device)
{
    struct message m = {0, {device->function, device->msix_address, device->msix_data}};
    cptr shown = 0;
    if (device->msix_page && !task_map_device_range(&root->tasks[SERVER_PCI], device->msix_page, 0, PAGE_BYTES,
                                                    MSIX_ADDRESS, RIGHT_READ | RIGHT_WRITE, &shown))
        root_fail(root, "root: PCI function %lx: its MSI-X table cannot be shown\n", device->function);
    enum error status = pci_call(root, &m, PCI_ENABLE, 3);
    if (shown)
        task_slot_return(&root->tasks[SERVER_PCI], shown);
    if (status != ERROR_NONE && status != ERROR_ABORTED)
        root_fail(root, "root: PCI function %lx cannot be switched on\n", device->function);
    return status == ERROR_NONE;
}

/* When the PCI server fails meanwhile, the driver starts with that one's next start. */
void driver_start(struct root *root, enum server which)
{
    struct device *device = device_of(which);
    if (!device->is_wanted || !function_enable(root, device))
        return;
    (void)server_make(root, which, DRIVER_STACK_BYTES);
    uint64_t *words = server_start_page(root, which)->words;
    for (uint32_t i = 0; i < PCI_BARS; i++)
        if (device->bars[i]) {
            words[DRIVER_WORD_BARS + i] = BAR_ADDRESS + i * BAR_STRIDE;
            words[DRIVER_WORD_BAR_BYTES + i] = device->description.bars[i].bytes;
            map(root, which, device->bars[i], 0, 1ul << device->bar_bits[i], words[DRIVER_WORD_BARS + i],
                RIGHT_READ | RIGHT_WRITE, true);
        }
    words[DRIVER_WORD_CONFIGURATION] = CONFIGURATION_ADDRESS;
    map(root, which, drivers.ecam, device->function * PCI_FUNCTION_BYTES, PCI_FUNCTION_BYTES, CONFIGURATION_ADDRESS,
        RIGHT_READ, true);
    words[DRIVER_WORD_DMA] = DMA_ADDRESS;
    words[DRIVER_WORD_DMA_PHYSICAL] = physical_of(root, device->dma);
    words[DRIVER_WORD_DMA_BYTES] = 1ul << plan_of(which)->dma_bits;
    map(root, which, device->dma, 0, words[DRIVER_WORD_DMA_BYTES], DMA_ADDRESS, RIGHT_READ | RIGHT_WRITE, false);
    words[DRIVER_WORD_SHARED] = SHARED_ADDRESS;
    words[DRIVER_WORD_SHARED_PHYSICAL] = physical_of(root, device->region);
    words[DRIVER_WORD_SHARED_BYTES] = 1ul << plan_of(which)->region_bits;
    map(root, which, device->region, 0, words[DRIVER_WORD_SHARED_BYTES], SHARED_ADDRESS, RIGHT_READ | RIGHT_WRITE,
        false);
    words[DRIVER_WORD_HAS_MSIX] = device->msix_address != 0;
    server_grant(root, which, PROCESS_CAP_NOTIFICATION, device->notification, RIGHT_RECV, 0);
    server_grant(root, which, PROCESS_CAP_CONSOLE, drivers.console_endpoint, RIGHT_CALL, 0);
    server_grant(root, which, DRIVER_CAP_IRQ, device->irq, RIGHT_ALL, 0);
    if (device->client_signal)
        server_grant(root, which, DRIVER_CAP_CLIENT_SIGNAL, device->client_signal, RIGHT_SEND, 0);
    if (which == SERVER_LINE)
        server_grant(root, which, CONSOLE_DRIVER_CAP_INPUT, drivers.line_input, RIGHT_SEND, 0);
    (void)irq_handler_ack(device->irq); /* the one before may have ended with an interrupt in its hands */
    server_run(root, which);
}

/* ---- all of them --------------------------------------------------------------------------------------------- */

static bool are_disks_there(void)
{
    return device_of(SERVER_DISK_DATA)->is_there && device_of(SERVER_DISK_LOG)->is_there;
}

static bool are_all_made(const struct root *root)
{
    for (enum server which = SERVER_FIRST_DRIVER; which < SERVER_COUNT; which++)
        if (device_of(which)->is_wanted && !root->tasks[which].cnode)
            return false;
    return true;
}

static void line_want(struct root *root, cptr console_notification)
{
    struct device *device = device_of(SERVER_LINE);
    if (!device->is_there)
        return;
    device->client_signal = signal_mint(root, console_notification, CONSOLE_SIGNAL_UART);
    drivers.line_input = signal_mint(root, console_notification, CONSOLE_SIGNAL_INPUT);
    drivers.line_signal = signal_mint(root, device->notification, DRIVER_SIGNAL_CLIENT);
    device->is_wanted = true;
}

cptr driver_line(cptr *signal)
{
    *signal = drivers.line_signal;
    return device_of(SERVER_LINE)->is_wanted ? device_of(SERVER_LINE)->region : 0;
}

void drivers_start(struct root *root, cptr console_endpoint, cptr console_notification)
{
    if (!(root->system->flags & (SYSTEM_DISK | SYSTEM_RANDOM | SYSTEM_NET | SYSTEM_FRAMED)))
        return;
    drivers.console_endpoint = console_endpoint;
    ecam_take(root);
    if (!drivers.ecam)
        return; /* no PCI: as good as no devices */
    drivers.pci_endpoint = root_object(root, OBJECT_ENDPOINT, 0);
    drivers.pci_cap = supervise_cap(root, drivers.pci_endpoint);
    drivers.pci_reply = root_object(root, OBJECT_REPLY, 0);
    pci_start(root);
    for (enum server which = SERVER_FIRST_DRIVER; which < SERVER_COUNT; which++)
        device_take(root, which);
    if (are_disks_there()) { /* one without the other is of no use */
        drivers.disk_notification = root_object(root, OBJECT_NOTIFICATION, 0);
        for (uint32_t i = 0; i < PROCESS_DISKS; i++) {
            struct device *device = device_of(SERVER_DISK_DATA + i);
            device->client_signal = signal_mint(root, drivers.disk_notification, 1ul << i);
            device->is_wanted = true;
        }
    }
    if (device_of(SERVER_NET_CARD)->is_there) {
        drivers.card_notification = root_object(root, OBJECT_NOTIFICATION, 0);
        device_of(SERVER_NET_CARD)->client_signal = signal_mint(root, drivers.card_notification, PROCESS_SIGNAL_DEVICE);
        device_of(SERVER_NET_CARD)->is_wanted = true;
    }
    device_of(SERVER_RNG)->is_wanted = device_of(SERVER_RNG)->is_there;
    line_want(root, console_notification);
    drivers.are_started = true;
    for (enum server which = SERVER_FIRST_DRIVER; which < SERVER_COUNT; which++)
        driver_start(root, which);
    while (!are_all_made(root)) /* now: all memory that is left goes to the process server */
        supervise_wait(root, SERVER_PCI);
}

/* What the process server hands on to the client. */
static void device_grant(struct root *root, enum server which, cptr region, cptr signal)
{
    const struct device *device = device_of(which);
    server_grant(root, SERVER_PROCESS, region, device->region, RIGHT_ALL, 0);
    server_grant(root, SERVER_PROCESS, signal, device->notification, RIGHT_SEND, DRIVER_SIGNAL_CLIENT);
}

static void disks_grant(struct root *root)
{
    server_start_page(root, SERVER_PROCESS)->words[SERVER_WORD_DISKS] = are_disks_there();
    if (!are_disks_there())
        return;
    server_grant(root, SERVER_PROCESS, SERVER_CAP_DISK_WAIT, drivers.disk_notification, RIGHT_ALL, 0);
    for (uint32_t i = 0; i < PROCESS_DISKS; i++)
        device_grant(root, SERVER_DISK_DATA + i, SERVER_CAP_DISK_REGION + i, SERVER_CAP_DISK_SIGNAL + i);
}

static void card_grant(struct root *root)
{
    bool is_there = device_of(SERVER_NET_CARD)->is_there;
    server_start_page(root, SERVER_PROCESS)->words[SERVER_WORD_CARD] = is_there;
    if (!is_there)
        return;
    server_grant(root, SERVER_PROCESS, SERVER_CAP_CARD_WAIT, drivers.card_notification, RIGHT_ALL, 0);
    device_grant(root, SERVER_NET_CARD, SERVER_CAP_CARD_REGION, SERVER_CAP_CARD_SIGNAL);
}

/* The process server is the client itself: what the driver signals is the process server's own notification. */
static void rng_grant(struct root *root)
{
    struct device *device = device_of(SERVER_RNG);
    if (!device->is_there)
        return;
    server_start_page(root, SERVER_PROCESS)->words[SERVER_WORD_ENTROPY] = ENTROPY_ADDRESS;
    map(root, SERVER_PROCESS, device->region, 0, ENTROPY_REGION_BYTES, ENTROPY_ADDRESS, RIGHT_READ | RIGHT_WRITE,
        false);
    server_grant(root, SERVER_PROCESS, SERVER_CAP_ENTROPY_SIGNAL, device->notification, RIGHT_SEND,
                 DRIVER_SIGNAL_CLIENT);
    device->client_signal = signal_mint(root, root->tasks[SERVER_PROCESS].notification, SERVER_SIGNAL_ENTROPY);
    server_grant(root, SERVER_RNG, DRIVER_CAP_CLIENT_SIGNAL, device->client_signal, RIGHT_SEND, 0);
}

void drivers_grant(struct root *root)
{
    disks_grant(root);
    card_grant(root);
    rng_grant(root);
}

void driver_silence(struct root *root, enum server which)
{
    struct message m = {0, {device_of(which)->function}};
    (void)pci_call(root, &m, PCI_DISABLE, 1); /* no DMA while nobody watches */
}
