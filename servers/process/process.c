/* The processes that there are: their numbers, what they wait for, until when they may run. */
#include "server.h"
#include "tessera/clock.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"

/* ---- finding ------------------------------------------------------------------------------------------------- */

struct process *process_find(uint32_t index, uint32_t generation)
{
    if (index == 0 || index > PROCESSES || !server.processes[index])
        return NULL;
    struct process *process = server.processes[index];
    return process->generation == generation && process->end == PROCESS_RUNNING ? process : NULL;
}

struct process *process_parent(const struct process *process)
{
    struct process *parent = process->parent ? server.processes[process->parent] : NULL;
    return parent && parent->generation == process->parent_generation ? parent : NULL;
}

uint64_t process_memory_left(const struct process *process)
{
    const struct task *task = &process->task;
    uint64_t objects = task_object_bytes(task), used = task->memory_bytes + process->memory_extra;
    if (!task->is_building && objects > process->object_bytes)
        used += objects - process->object_bytes;
    return used < process->memory_limit ? process->memory_limit - used : 0;
}

/* ---- answers put off ----------------------------------------------------------------------------------------- */

void process_wait(struct process *process, enum waiting why, uint32_t what)
{
    process->waiting = why;
    process->waiting_for = what;
    process->reply = server.reply;
    server.reply = server.free_replies[--server.free_reply_count]; /* process_allocate saw to it */
}

void process_answer(struct process *process, uint32_t error, const word *words, unsigned count)
{
    struct message m = {message_info(error, 0, error ? 0 : count), {0}};
    if (!error)
        message_put(&m, 0, words, count * sizeof(word));
    (void)syscall_send(process->reply, &m);
    process->waiting = WAITING_NOTHING;
    server.free_replies[server.free_reply_count++] = process->reply;
    process->reply = 0;
}

/* ---- deadlines ----------------------------------------------------------------------------------------------- */

void deadline_set(uint64_t ticks)
{
    if (server.next_deadline == 0 || ticks < server.next_deadline) {
        server.next_deadline = ticks;
        (void)timer_set(server.timer, ticks);
    }
}

void deadlines_check(void)
{
    uint64_t now = clock_ticks();
    server.next_deadline = 0;
    supervise_check(now);
    for (uint32_t i = 1; i <= server.top; i++) {
        struct process *process = server.processes[i];
        if (!process || process->end != PROCESS_RUNNING || !process->deadline_ticks)
            continue;
        if (process->deadline_ticks <= now)
            process_end(process, PROCESS_ENDED_KILLED, PROCESS_KILL_DEADLINE, "killed: deadline");
        else
            deadline_set(process->deadline_ticks);
    }
}

/* ---- numbers ------------------------------------------------------------------------------------------------- */

/* Everything but the arrays, whose counts are zero then. */
static void process_clear(struct process *process)
{
    struct memory self = process->self;
    uint32_t region_count = process->is_shell ? process->region_count : 0;
    if (!process->is_shell)
        memset(&process->task, 0, offsetof(struct task, tables));
    memset(process, 0, offsetof(struct process, task));
    process->self = self;
    process->region_count = region_count;
    process->task.pool = &server.pool;
}

/* The last of the numbers and rows are for families that have few processes: so many, with so many rows each, for every
 * program that was started. */
#define FEW_PROCESSES 4u

bool process_is_last(const struct process *family)
{
    uint32_t kept = FEW_PROCESSES * server.started;
    if (kept > PROCESSES / 2)
        kept = PROCESSES / 2;
    return family->members >= FEW_PROCESSES &&
           (PROCESSES - server.process_count <= kept || slots_left() / POOL_ROW_SLOTS <= kept * PROCESS_FEW_ROWS);
}

_Static_assert((PROCESSES + 1) % 64 == 0, "every bit is a number's");

static uint32_t number_lowest(void)
{
    for (uint32_t i = 0; i <= PROCESSES / 64; i++)
        if (~server.used_numbers[i])
            return i * 64 + (uint32_t)__builtin_ctzl(~server.used_numbers[i]);
    return 0;
}

/* A reply object for each, whenever it waits, and one for who calls. */
static bool reply_provide(void)
{
    cptr slot;
    if (server.reply_count > server.process_count)
        return true;
    if (!server_object(OBJECT_REPLY, &slot))
        return false;
    server.free_replies[server.free_reply_count++] = slot;
    server.reply_count++;
    return true;
}

static void family_join(struct process *process, struct process *parent)
{
    process->family = parent ? parent->family : process;
    process->family->members++;
    if (!parent)
        return;
    process->parent = parent->index;
    process->parent_generation = parent->generation;
    process->child_at = &parent->child_first;
    process->child_next = parent->child_first;
    if (process->child_next)
        process->child_next->child_at = &process->child_next;
    parent->child_first = process;
    parent->children++;
}

static void family_leave(struct process *process)
{
    struct process *parent = process_find(process->parent, process->parent_generation);
    process->family->members--;
    if (process->child_at)
        *process->child_at = process->child_next;
    if (process->child_next)
        process->child_next->child_at = process->child_at;
    if (!parent)
        return;
    parent->children--;
    parent->memory_extra -= process->price;
}

bool process_pay(struct process *process, struct process *parent)
{
    uint64_t left = process_memory_left(parent), used = process->task.memory_bytes + process->memory_extra;
    process->object_bytes = task_object_bytes(&process->task);
    uint64_t price = process->object_bytes + process->self.bytes;
    if (left < price || left - price < used)
        return false;
    process->price = price;
    if (process->memory_limit > left - price)
        process->memory_limit = left - price;
    process->charged_to_parent = process->memory_limit;
    parent->memory_extra += price + process->charged_to_parent;
    return true;
}

uint32_t process_allocate(struct program_image *image, struct process *parent, struct process **made)
{
    struct process *process;
    struct memory memory;
    uint32_t index = number_lowest();
    if (parent && process_is_last(parent->family))
        return quota_reached(parent, QUOTA_SHARE, E_AGAIN);
    if (!index)
        return E_AGAIN;
    if (!reply_provide())
        return E_NOMEM;
    process = shell_take(image);
    if (!process) {
        process = server.spare;
        server.spare = NULL;
    }
    if (!process) {
        if (!memory_take(&server.pool, sizeof(struct process), &memory))
            return E_NOMEM;
        process = (struct process *)(void *)memory.view;
        process->self = memory;
    }
    process_clear(process);
    process->image = image;
    process->index = index;
    process->generation = ++server.generation;
    process->window_next = PROCESS_WINDOW_BASE;
    server.processes[index] = process;
    server.used_numbers[index / 64] |= 1ul << index % 64;
    server.process_count++;
    if (index > server.top)
        server.top = index;
    family_join(process, parent);
    *made = process;
    return 0;
}

void process_forget(struct process *process)
{
    struct memory self = process->self; /* the struct itself is cleared */
    family_leave(process);
    server.processes[process->index] = NULL;
    server.used_numbers[process->index / 64] &= ~(1ul << process->index % 64);
    server.process_count--;
    while (server.top > 0 && !server.processes[server.top])
        server.top--;
    if (process->is_shell)
        shell_put(process);
    else if (server.spare)
        memory_return(&server.pool, &self);
    else
        server.spare = process;
}

bool process_is_essential(const struct process *process)
{
    return process->is_top && !process->is_server && (process->description->flags & SYSTEM_ESSENTIAL);
}

void process_run(struct process *process)
{
    if (process->description->deadline_ms) {
        process->deadline_ticks =
            clock_ticks() + clock_ticks_of(process->description->deadline_ms * 1000000ul, server.start->timer_hz);
        deadline_set(process->deadline_ticks);
    }
    (void)task_start(&process->task);
}
