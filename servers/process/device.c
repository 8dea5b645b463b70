/* Devices that a program may be granted by name: "disk", the pair of virtio disks of the persistent store
 * (proto/block.h), and "net", the network card (proto/packet.h). The root task runs their drivers. One process has a
 * device at a time.
 */
#include "proto/block.h"
#include "proto/packet.h"
#include "server.h"
#include "tessera/invoke.h"
#include "tessera/text.h"

static struct holder {
    uint32_t index, generation; /* of the process that has it */
} disk_holder, card_holder;

static uint32_t holder_set(struct holder *holder, const struct process *process)
{
    if (process_find(holder->index, holder->generation))
        return E_BUSY;
    *holder = (struct holder){process->index, process->generation};
    return 0;
}

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
    uint32_t error = holder_set(&disk_holder, process);
    if (error)
        return error;
    if (!process_cap_take(process, &wait) || !task_grant(&process->task, wait, SERVER_CAP_DISK_WAIT, RIGHT_RECV, 0))
        return E_NOMEM;
    disk->wait_cap = wait;
    for (uint32_t n = 0; n < PROCESS_DISKS; n++)
        if (!disk_show(process, n, disk))
            return E_NOMEM;
    return 0;
}

/* The driver outlives its client, so the notification on which it signals does, too: the root task's becomes the
 * client's own, before anything was minted from that. */
static bool notification_replace(struct process *process)
{
    return !process->event_signal && !process->finish_signal && !process->task.timer &&
           cnode_delete(process->task.cnode, PROCESS_CAP_NOTIFICATION) == ERROR_NONE &&
           task_grant(&process->task, PROCESS_CAP_NOTIFICATION, SERVER_CAP_CARD_WAIT, RIGHT_RECV, 0) &&
           tcb_unbind_notification(process->task.tcb) == ERROR_NONE &&
           tcb_bind_notification(process->task.tcb, SERVER_CAP_CARD_WAIT) == ERROR_NONE;
}

static uint32_t card_open(struct process *process, struct process_card *card)
{
    struct memory region = {.frame = SERVER_CAP_CARD_REGION, .bytes = PACKET_REGION_BYTES};
    cptr signal;
    if (!server.start->words[SERVER_WORD_CARD])
        return E_NODEV;
    if (!process->is_server)
        return E_INVAL;
    uint32_t error = holder_set(&card_holder, process);
    if (error)
        return error;
    if (!notification_replace(process))
        return E_INVAL;
    process->task.notification = SERVER_CAP_CARD_WAIT;
    if (!process_window_map(process, &region, region.bytes, &card->region) || !process_cap_take(process, &signal) ||
        !task_grant(&process->task, signal, SERVER_CAP_CARD_SIGNAL, RIGHT_SEND, 0))
        return E_NOMEM;
    card->signal_cap = signal;
    return 0;
}

uint32_t device_open(struct process *process, const char *name, word *results, unsigned *count)
{
    if (!authority_allows(&process->authority, AUTHORITY_DEVICE, name))
        return E_NOTCAPABLE;
    if (text_equal(name, "disk")) {
        *count = sizeof(struct process_disk) / sizeof(word);
        return disks_open(process, (struct process_disk *)(void *)results);
    }
    if (text_equal(name, "net")) {
        *count = sizeof(struct process_card) / sizeof(word);
        return card_open(process, (struct process_card *)(void *)results);
    }
    return E_NODEV;
}
