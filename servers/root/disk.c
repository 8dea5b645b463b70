/* The PCI server and the disk drivers. What must survive a driver is the root task's: its regions, notifications,
 * interrupt and device frames. So a driver that fails is unmade and made again, and its client sees a new generation
 * (proto/block.h).
 */
#include "proto/block.h"
#include "proto/pci.h"
#include "proto/process.h"
#include "root.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define PCI_STACK_BYTES    16384
#define DRIVER_STACK_BYTES 16384
#define RESTARTS           16
#define DMA_BITS           15
#define REGION_BITS        20
_Static_assert(1u << REGION_BITS == BLOCK_REGION_BYTES, "one frame");

/* Address map of PCI server and drivers */
#define ECAM_ADDRESS          0x500000000ul
#define MSIX_ADDRESS          (PROCESS_WINDOW_BASE)
#define DMA_ADDRESS           (PROCESS_WINDOW_BASE)
#define SHARED_ADDRESS        (PROCESS_WINDOW_BASE + 0x200000)
#define CONFIGURATION_ADDRESS (PROCESS_WINDOW_BASE + 0x400000)
#define BAR_ADDRESS           0x500000000ul
#define BAR_STRIDE            0x40000000ul
#define ECAM_BITS_MAX         28u
#define BAR_BITS_MAX          29u

/* PCI numbers of virtio block devices: transitional and modern (VIRTIO 1.1, 4.1.2) */
enum { VIRTIO_VENDOR_ID = 0x1af4, VIRTIO_BLOCK_OLD = 0x1001, VIRTIO_BLOCK = 0x1042 };

struct disk {
    word function;
    struct pci_description description;
    cptr bars[PCI_BARS];
    uint32_t bar_bits[PCI_BARS];
    cptr dma, region, notification, irq;
    cptr msix_page;
    word msix_address, msix_data; /* 0: the interrupt is wired */
    uint32_t restarts;
};

static struct {
    bool are_there;
    cptr pci_endpoint, console_endpoint;
    cptr ecam;
    uint32_t ecam_bits;
    cptr client_notification; /* the store waits on it */
    struct disk disk[PROCESS_DISKS];
} disks;

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
    disks.ecam_bits = bits;
    disks.ecam = bytes == 0 ? 0 : root_device_frame(root, address, bits);
}

static void pci_start(struct root *root)
{
    const struct boot_info *boot = root->boot;
    (void)server_make(root, SERVER_PCI, PCI_STACK_BYTES);
    struct start_page *start = server_start_page(root, SERVER_PCI);
    map(root, SERVER_PCI, disks.ecam, 0, 1ul << disks.ecam_bits, ECAM_ADDRESS, RIGHT_READ | RIGHT_WRITE, true);
    start->words[PCI_WORD_ECAM] = ECAM_ADDRESS;
    start->words[PCI_WORD_ECAM_BYTES] = 1ul << disks.ecam_bits;
    start->words[PCI_WORD_WINDOW] = boot->pci_window_address;
    start->words[PCI_WORD_WINDOW_BYTES] = boot->pci_window_bytes;
    start->words[PCI_WORD_WINDOW64] = boot->pci_window64_address;
    start->words[PCI_WORD_WINDOW64_BYTES] = boot->pci_window64_bytes;
    start->words[PCI_WORD_MSIX] = MSIX_ADDRESS;
    disks.pci_endpoint = root_object(root, OBJECT_ENDPOINT, 0);
    server_grant(root, SERVER_PCI, PROCESS_CAP_CONSOLE, disks.console_endpoint, RIGHT_CALL, 0);
    server_grant(root, SERVER_PCI, PCI_CAP_ENDPOINT, disks.pci_endpoint, RIGHT_RECV, 0);
    server_grant(root, SERVER_PCI, PCI_CAP_REPLY, root_object(root, OBJECT_REPLY, 0), RIGHT_ALL, 0);
    server_run(root, SERVER_PCI);
}

static enum error pci_call(struct message *m, enum pci_operation operation, unsigned length)
{
    m->info = message_info(operation, 0, length);
    enum error status = syscall_call(disks.pci_endpoint, m);
    return status != ERROR_NONE ? status : (enum error)message_info_label(m->info);
}

/* ---- one disk ------------------------------------------------------------------------------------------------ */

static bool function_find(struct disk *disk, word n)
{
    struct message m = {0, {VIRTIO_VENDOR_ID, VIRTIO_BLOCK, VIRTIO_BLOCK_OLD, n}};
    if (pci_call(&m, PCI_FIND, 4) != ERROR_NONE)
        return false;
    disk->function = m.words[0];
    m = (struct message){0, {disk->function}};
    if (pci_call(&m, PCI_DESCRIBE, 1) != ERROR_NONE)
        return false;
    message_get(&m, 0, &disk->description, sizeof(disk->description));
    return true;
}

static bool bars_take(struct root *root, struct disk *disk)
{
    for (uint32_t i = 0; i < PCI_BARS; i++) {
        const struct pci_bar *bar = &disk->description.bars[i];
        uint32_t bits = PAGE_BITS;
        if (bar->bytes == 0)
            continue;
        while (1ul << bits < bar->bytes && bits < BAR_BITS_MAX)
            bits++;
        if (1ul << bits < bar->bytes)
            return false;
        disk->bars[i] = root_device_frame(root, bar->address, bits);
        disk->bar_bits[i] = bits;
        if (!disk->bars[i])
            return false;
    }
    return true;
}

/* MSI-X where machine and function have it, else the wired line of slot and pin (PCI Local Bus 3.0, 2.2.6). */
static bool interrupt_take(struct root *root, struct disk *disk)
{
    const struct pci_description *description = &disk->description;
    disk->irq = root_slot(root);
    if (description->msix_count > 0 && irq_control_get_msi(ROOT_IRQ_CONTROL, ROOT_CNODE, disk->irq, &disk->msix_address,
                                                           &disk->msix_data) == ERROR_NONE) {
        disk->msix_page = root_device_frame(root, description->msix_page, PAGE_BITS);
        return disk->msix_page != 0;
    }
    disk->msix_address = 0;
    uint32_t device = disk->function >> 3 & 31, bus = (uint32_t)(disk->function >> 8);
    if (description->pin == 0 || bus != 0)
        return false;
    uint32_t line = root->boot->pci_interrupt[(device + description->pin - 1) % 4];
    return line != 0 && irq_control_get(ROOT_IRQ_CONTROL, line, IRQ_LEVEL, ROOT_CNODE, disk->irq) == ERROR_NONE;
}

static cptr signal_mint(struct root *root, cptr notification, word badge)
{
    cptr slot = root_slot(root);
    if (cnode_mint(ROOT_CNODE, slot, ROOT_CNODE, notification, RIGHT_SEND, badge) != ERROR_NONE)
        root_fail(root, "root: no signal for a disk driver\n");
    return slot;
}

static cptr frame_make(struct root *root, uint32_t bits)
{
    cptr untyped, frame = root_slot(root);
    if (!pool_untyped_take(&root->pool, bits, &untyped) ||
        untyped_retype_all(untyped, OBJECT_FRAME, bits, ROOT_CNODE, frame, 1) != ERROR_NONE)
        root_fail(root, "root: no memory for a disk driver\n");
    return frame;
}

static bool disk_take(struct root *root, struct disk *disk, word n)
{
    if (!function_find(disk, n))
        return false;
    if (!bars_take(root, disk) || !interrupt_take(root, disk))
        root_fail(root, "root: PCI function %lx: its registers or its interrupt cannot be had\n", disk->function);
    disk->dma = frame_make(root, DMA_BITS);
    disk->region = frame_make(root, REGION_BITS);
    disk->notification = root_object(root, OBJECT_NOTIFICATION, 0);
    if (irq_handler_set_notification(disk->irq, signal_mint(root, disk->notification, DRIVER_SIGNAL_IRQ)) != ERROR_NONE)
        root_fail(root, "root: PCI function %lx: its interrupt cannot be had\n", disk->function);
    return true;
}

static uint64_t physical_of(struct root *root, cptr frame)
{
    word address = 0, bits;
    if (frame_get_address(frame, &address, &bits) != ERROR_NONE)
        root_fail(root, "root: a disk driver's memory has no address\n");
    return address;
}

/* The PCI server sees one function's MSI-X table at a time: the one that it is about to write. */
static void function_enable(struct root *root, const struct disk *disk)
{
    static cptr shown;
    struct message m = {0, {disk->function, disk->msix_address, disk->msix_data}};
    if (shown)
        task_slot_return(&root->tasks[SERVER_PCI], shown);
    shown = 0;
    if (disk->msix_page && !task_map_device_range(&root->tasks[SERVER_PCI], disk->msix_page, 0, PAGE_BYTES,
                                                  MSIX_ADDRESS, RIGHT_READ | RIGHT_WRITE, &shown))
        root_fail(root, "root: PCI function %lx: its MSI-X table cannot be shown\n", disk->function);
    if (pci_call(&m, PCI_ENABLE, 3) != ERROR_NONE)
        root_fail(root, "root: PCI function %lx cannot be switched on\n", disk->function);
}

static void driver_start(struct root *root, enum server which)
{
    struct disk *disk = &disks.disk[which - SERVER_DISK_DATA];
    (void)server_make(root, which, DRIVER_STACK_BYTES);
    uint64_t *words = server_start_page(root, which)->words;
    for (uint32_t i = 0; i < PCI_BARS; i++)
        if (disk->bars[i]) {
            words[DRIVER_WORD_BARS + i] = BAR_ADDRESS + i * BAR_STRIDE;
            words[DRIVER_WORD_BAR_BYTES + i] = disk->description.bars[i].bytes;
            map(root, which, disk->bars[i], 0, 1ul << disk->bar_bits[i], words[DRIVER_WORD_BARS + i],
                RIGHT_READ | RIGHT_WRITE, true);
        }
    words[DRIVER_WORD_CONFIGURATION] = CONFIGURATION_ADDRESS;
    map(root, which, disks.ecam, disk->function * PCI_FUNCTION_BYTES, PCI_FUNCTION_BYTES, CONFIGURATION_ADDRESS,
        RIGHT_READ, true);
    words[DRIVER_WORD_DMA] = DMA_ADDRESS;
    words[DRIVER_WORD_DMA_PHYSICAL] = physical_of(root, disk->dma);
    words[DRIVER_WORD_DMA_BYTES] = 1ul << DMA_BITS;
    map(root, which, disk->dma, 0, 1ul << DMA_BITS, DMA_ADDRESS, RIGHT_READ | RIGHT_WRITE, false);
    words[DRIVER_WORD_SHARED] = SHARED_ADDRESS;
    words[DRIVER_WORD_SHARED_PHYSICAL] = physical_of(root, disk->region);
    words[DRIVER_WORD_SHARED_BYTES] = BLOCK_REGION_BYTES;
    map(root, which, disk->region, 0, BLOCK_REGION_BYTES, SHARED_ADDRESS, RIGHT_READ | RIGHT_WRITE, false);
    words[DRIVER_WORD_HAS_MSIX] = disk->msix_address != 0;
    server_grant(root, which, PROCESS_CAP_NOTIFICATION, disk->notification, RIGHT_RECV, 0);
    server_grant(root, which, PROCESS_CAP_CONSOLE, disks.console_endpoint, RIGHT_CALL, 0);
    server_grant(root, which, DRIVER_CAP_IRQ, disk->irq, RIGHT_ALL, 0);
    server_grant(root, which, DRIVER_CAP_CLIENT_SIGNAL, disks.client_notification, RIGHT_SEND,
                 1ul << (which - SERVER_DISK_DATA));
    function_enable(root, disk);
    server_run(root, which);
}

void disks_start(struct root *root, cptr console_endpoint)
{
    if (!(root->system->flags & SYSTEM_DISK))
        return;
    disks.console_endpoint = console_endpoint;
    ecam_take(root);
    if (!disks.ecam)
        return; /* no PCI: as good as no disks */
    pci_start(root);
    if (!disk_take(root, &disks.disk[0], 0) || !disk_take(root, &disks.disk[1], 1))
        return;
    disks.client_notification = root_object(root, OBJECT_NOTIFICATION, 0);
    driver_start(root, SERVER_DISK_DATA);
    driver_start(root, SERVER_DISK_LOG);
    disks.are_there = true;
}

void disks_grant(struct root *root)
{
    server_start_page(root, SERVER_PROCESS)->words[SERVER_WORD_DISKS] = disks.are_there;
    if (!disks.are_there)
        return;
    server_grant(root, SERVER_PROCESS, SERVER_CAP_DISK_WAIT, disks.client_notification, RIGHT_ALL, 0);
    for (uint32_t i = 0; i < PROCESS_DISKS; i++) {
        server_grant(root, SERVER_PROCESS, SERVER_CAP_DISK_REGION + i, disks.disk[i].region, RIGHT_ALL, 0);
        server_grant(root, SERVER_PROCESS, SERVER_CAP_DISK_SIGNAL + i, disks.disk[i].notification, RIGHT_SEND,
                     DRIVER_SIGNAL_CLIENT);
    }
}

bool disk_restart(struct root *root, enum server which)
{
    if (which != SERVER_DISK_DATA && which != SERVER_DISK_LOG)
        return false;
    struct disk *disk = &disks.disk[which - SERVER_DISK_DATA];
    if (disk->restarts++ == RESTARTS)
        return false;
    struct message m = {0, {disk->function}};
    (void)pci_call(&m, PCI_DISABLE, 1); /* no DMA while nobody watches */
    task_destroy(&root->tasks[which]);
    driver_start(root, which);
    return true;
}
