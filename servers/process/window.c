/* What a process sees and holds beside its own memory: slots of its CNode, windows on frames of others, its signals. */
#include "server.h"
#include "tessera/invoke.h"

static bool thread_move(struct process *process, cptr tcb, cptr faults)
{
    return !tcb || tcb_set_space(tcb, process->task.cspace, process->task.vspace, faults) == ERROR_NONE;
}

/* Its capabilities move to a larger CNode, each to the slot that it had, while none of its threads runs. It pays. */
static bool cnode_grow(struct process *process)
{
    struct task *task = &process->task;
    cptr cnode, cspace, self = SERVER_CAP_CNODE;
    uint64_t bytes = 1ul << (PROCESS_CNODE_BITS_MAX + OBJECT_BITS_CNODE_SLOT);
    if (task->cnode_bits == PROCESS_CNODE_BITS_MAX || process_memory_left(process) < bytes ||
        !task_object(task, OBJECT_CNODE, PROCESS_CNODE_BITS_MAX, &cnode) || !task_slot(task, &cspace) ||
        cnode_mint(self, cspace, self, cnode, RIGHT_ALL, cnode_guard(0, 32 - PROCESS_CNODE_BITS_MAX)) != ERROR_NONE)
        return false;
    for (cptr i = 1; i < 1u << PROCESS_CNODE_BITS; i++)
        (void)cnode_move(cnode, i, task->cnode, i); /* where there is one */
    process->memory_extra += bytes;
    task->cnode = cnode;
    task->cnode_bits = PROCESS_CNODE_BITS_MAX;
    task->cspace = cspace;
    bool is_moved = thread_move(process, task->tcb, process->trap_tcb ? process->trap_faults[0] : task->fault) &&
                    thread_move(process, process->trap_tcb, process->trap_faults[1]);
    for (uint32_t i = 1; i < PROCESS_THREADS; i++)
        is_moved = is_moved && thread_move(process, process->threads[i].tcb, process->threads[i].faults);
    return is_moved;
}

static bool cap_find(struct process *process, cptr first, cptr end, cptr *cap)
{
    for (cptr i = first; i < end; i++) {
        if (!(process->cap_used[i / 64] >> i % 64 & 1)) {
            process->cap_used[i / 64] |= 1ul << i % 64;
            *cap = i;
            return true;
        }
    }
    return false;
}

/* Those of threads are left to them. */
bool process_cap_take(struct process *process, cptr *cap)
{
    return cap_find(process, PROCESS_CAP_FIRST_FREE, PROCESS_CAP_THREADS, cap) ||
           ((process->task.cnode_bits == PROCESS_CNODE_BITS_MAX || cnode_grow(process)) &&
            cap_find(process, 1u << PROCESS_CNODE_BITS, 1u << PROCESS_CNODE_BITS_MAX, cap));
}

void process_cap_return(struct process *process, cptr cap)
{
    (void)cnode_delete(process->task.cnode, cap);
    process->cap_used[cap / 64] &= ~(1ul << cap % 64);
}

/* The kernel unmaps a capability by walking the frame's whole extent at the distance where it was mapped: two windows
 * of one frame must not have the same distance, or one would take the other along. What is not a window lies further
 * away than a frame that windows are made of is long (2 MiB), so it cannot have the same. */
static bool address_is_free(const struct process *process, const struct memory *memory, uint64_t address)
{
    const struct memory *nowhere = &server.nowhere; /* where each window may come to lead, at the same address */
    for (uint32_t i = 0; i < process->window_count; i++) {
        const struct window *window = &process->windows[i];
        if (!window->bytes)
            continue;
        if ((window->frame == memory->frame && window->distance == address - memory->first) ||
            (window->frame == nowhere->frame && window->distance == address - nowhere->first) ||
            (nowhere->frame == memory->frame && window->address - nowhere->first == address - memory->first))
            return false;
    }
    return true;
}

static struct window *window_place(struct process *process, const struct memory *memory, uint64_t bytes)
{
    for (uint32_t i = 0; i < process->window_count; i++) {
        struct window *window = &process->windows[i];
        if (!window->bytes && window->slot == 0 && window->distance == bytes &&
            address_is_free(process, memory, window->address))
            return window; /* while free, `distance` holds the size of the hole */
    }
    if (process->window_count == WINDOWS)
        return NULL;
    while (!address_is_free(process, memory, process->window_next))
        process->window_next += PAGE_BYTES;
    struct window *window = &process->windows[process->window_count++];
    *window = (struct window){.address = process->window_next};
    process->window_next += bytes + PAGE_BYTES; /* and a page that is never mapped */
    return window;
}

bool process_window_map(struct process *process, const struct memory *memory, uint64_t bytes, uint64_t *address)
{
    struct window *window = window_place(process, memory, bytes);
    if (!window)
        return false;
    if (!task_map(&process->task, memory->frame, memory->first, bytes, window->address, RIGHT_READ | RIGHT_WRITE,
                  &window->slot)) {
        window->bytes = 0;
        window->distance = 0; /* a hole that is not used again */
        return false;
    }
    window->bytes = bytes;
    window->frame = memory->frame;
    window->distance = window->address - memory->first;
    *address = window->address;
    return true;
}

void process_window_unmap(struct process *process, uint64_t address)
{
    for (uint32_t i = 0; i < process->window_count; i++) {
        struct window *window = &process->windows[i];
        if (!window->bytes || window->address != address)
            continue;
        task_slot_return(&process->task, window->slot);
        *window = (struct window){.address = address, .distance = window->bytes};
        return;
    }
}

void process_window_orphan(struct process *process, uint64_t address)
{
    for (uint32_t i = 0; i < process->window_count; i++) {
        struct window *window = &process->windows[i];
        if (!window->bytes || window->address != address)
            continue;
        task_slot_return(&process->task, window->slot);
        window->frame = server.nowhere.frame;
        window->distance = address - server.nowhere.first;
        window->is_orphan = true;
        (void)task_map(&process->task, server.nowhere.frame, server.nowhere.first, window->bytes, address,
                       RIGHT_READ | RIGHT_WRITE, &window->slot);
        return;
    }
}

void process_windows_reap(struct process *process)
{
    for (uint32_t i = 0; i < process->window_count; i++)
        if (process->windows[i].is_orphan)
            process_window_unmap(process, process->windows[i].address);
}

void process_signal_event(struct process *process)
{
    if (!process->event_signal) {
        cptr slot;
        if (!task_slot(&process->task, &slot) ||
            cnode_mint(SERVER_CAP_CNODE, slot, SERVER_CAP_CNODE, process->task.notification, RIGHT_SEND,
                       PROCESS_SIGNAL_EVENT) != ERROR_NONE)
            return;
        process->event_signal = slot;
    }
    notification_signal(process->event_signal);
}
