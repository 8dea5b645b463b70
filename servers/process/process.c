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

uint64_t process_memory_left(const struct process *process)
{
    uint64_t used = process->task.memory_bytes + process->memory_extra;
    return used < process->memory_limit ? process->memory_limit - used : 0;
}

/* ---- answers put off ----------------------------------------------------------------------------------------- */

void process_wait(struct process *process, enum waiting why, uint32_t what)
{
    process->waiting = why;
    process->waiting_for = what;
    process->reply = server.reply;
    server.reply = server.free_reply_count > 0 ? server.free_replies[--server.free_reply_count] : 0;
    if (!server.reply) {
        cptr slot;
        if (!server_object(OBJECT_REPLY, &slot))
            server_give_up("no memory for a reply object");
        server.reply = slot;
    }
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

struct process *process_allocate(struct program_image *image)
{
    struct process *process;
    struct memory memory;
    uint32_t index = 1;
    while (index <= PROCESSES && server.processes[index])
        index++;
    if (index > PROCESSES)
        return NULL;
    process = shell_take(image);
    if (!process) {
        process = server.spare;
        server.spare = NULL;
    }
    if (!process) {
        if (!memory_take(&server.pool, sizeof(struct process), &memory))
            return NULL;
        process = (struct process *)(void *)memory.view;
        process->self = memory;
    }
    process_clear(process);
    process->image = image;
    process->index = index;
    process->generation = ++server.generation;
    process->window_next = PROCESS_WINDOW_BASE;
    server.processes[index] = process;
    if (index > server.top)
        server.top = index;
    return process;
}

void process_forget(struct process *process)
{
    struct process *parent = process_find(process->parent, process->parent_generation);
    struct memory self = process->self; /* the struct itself is cleared */
    if (parent)
        parent->children--;
    server.processes[process->index] = NULL;
    while (server.top > 0 && !server.processes[server.top])
        server.top--;
    if (process->is_shell)
        shell_put(process);
    else if (server.spare)
        memory_return(&server.pool, &self);
    else
        server.spare = process;
}

bool process_has_terminal(const struct process *process)
{
    return process->is_top && process->end == PROCESS_RUNNING && (process->description->flags & SYSTEM_TERMINAL);
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
