/* Devices that a program may be granted by name. There is one: "disk", the pair of virtio disks of the persistent
 * store, whose drivers the root task runs (proto/block.h). One process has it at a time.
 */
#include "proto/block.h"
#include "server.h"
#include "tessera/invoke.h"
#include "tessera/text.h"

static struct {
    uint32_t index, generation; /* of the process that has the disks */
} holder;

static bool disk_show(struct process *process, uint32_t n, struct process_disk *disk)
{
    struct memory region = {.frame = SERVER_CAP_DISK_REGION + n, .bytes = BLOCK_REGION_BYTES};
    cptr signal;
    if (!process_window_map(process, &region, region.bytes, &disk->region[n]) || !process_cap_take(process, &signal) ||
        !task_grant(&process->task, signal, SERVER_CAP_DISK_SIGNAL + n, RIGHT_SEND, 0))
        return false;
    disk->signal_cap[n] = signal;
    return true;
}

/* What a failure leaves behind goes with the process. */
static uint32_t disks_open(struct process *process, struct process_disk *disk)
{
    cptr wait;
    if (!server.start->words[SERVER_WORD_DISKS])
        return E_NODEV;
    if (process_find(holder.index, holder.generation))
        return E_BUSY;
    holder.index = process->index;
    holder.generation = process->generation;
    if (!process_cap_take(process, &wait) || !task_grant(&process->task, wait, SERVER_CAP_DISK_WAIT, RIGHT_RECV, 0))
        return E_NOMEM;
    disk->wait_cap = wait;
    for (uint32_t n = 0; n < PROCESS_DISKS; n++)
        if (!disk_show(process, n, disk))
            return E_NOMEM;
    return 0;
}

uint32_t device_open(struct process *process, const char *name, struct process_disk *disk)
{
    if (!authority_allows(&process->authority, AUTHORITY_DEVICE, name))
        return E_NOTCAPABLE;
    return text_equal(name, "disk") ? disks_open(process, disk) : E_NODEV;
}
