/* How a process ends: everything back, and everyone concerned told. The system's end with the last essential one. */
#include "proto/console.h"
#include "proto/process.h"
#include "server.h"
#include "tessera/clock.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"

static bool is_expected(const struct process *process, const char *text)
{
    const struct system_program *program = process->description;
    const char *expected = program->expect_text.length ? system_text(server.system, program->expect_text) : "";
    static const char trap[] = "wasm trap: ", killed[] = "killed: ";
    switch ((enum system_expect)program->expect) {
    case SYSTEM_EXPECT_EXIT:
        return process->end == PROCESS_ENDED_EXIT && process->end_status == program->expect_status;
    case SYSTEM_EXPECT_TRAP:
        return process->end == PROCESS_ENDED_TRAP && text_begins(text, trap) &&
               text_begins(text + sizeof(trap) - 1, expected);
    case SYSTEM_EXPECT_KILLED:
        return process->end == PROCESS_ENDED_KILLED && text_begins(text, killed) &&
               text_begins(text + sizeof(killed) - 1, expected);
    case SYSTEM_EXPECT_FAULT:
        return process->end == PROCESS_ENDED_FAULT || process->end == PROCESS_ENDED_TRAP ||
               process->end == PROCESS_ENDED_EXIT;
    case SYSTEM_EXPECT_COUNT:
        break;
    }
    return false;
}

void root_tell(uint32_t program, enum process_end end, uint32_t status, bool is_expected, const char *text)
{
    size_t length = text_length(text);
    if (length > 400)
        length = 400;
    struct message m = {message_info(ROOT_PROGRAM_ENDED, 0, 5 + message_words(length)),
                        {program, end, status, is_expected, length}};
    message_put(&m, 5, text, length);
    (void)syscall_call(PROCESS_CAP_SERVER, &m);
}

static void announce(struct process *process)
{
    struct message m = {message_info(CONSOLE_GONE, 0, 1), {process->index}};
    channels_process_ended(process);
    services_process_ended(process);
    (void)console_call(&m);
}

static void memory_settle(struct process *process)
{
    struct process *parent = process_find(process->parent, process->parent_generation);
    if (parent)
        parent->memory_extra -= process->charged_to_parent;
    if (!shell_make(process))
        task_destroy(&process->task);
}

/* What processes used must be back when none is left: said each time, so that no leak stays unseen. */
static void memory_account(void)
{
    (void)shells_drop();
    uint64_t blocks = server.pool.used_bytes[0] - ((uint64_t)server.own_blocks << POOL_BLOCK_BITS);
    uint64_t pages = server.pool.used_bytes[1] - server.own_pages - (server.spare ? server.spare->self.bytes : 0);
    for (uint32_t i = 1; i <= server.top; i++)
        if (server.processes[i])
            return;
    if (blocks || pages)
        log_text("process: MEMORY NOT RETURNED: %lu bytes of objects, %lu bytes of pages\n", blocks, pages);
    else
        log_text("process: all memory returned, %lu KiB free, %u rows of slots; at most %lu KiB were in use\n",
                 server.pool.free_bytes >> 10, server.pool.row_count, server.pool.most_used_bytes >> 10);
}

/* Servers put away what they have, and exit; one that takes too long is killed. */
#define FINISH_NS 60000000000ul

static void server_finish(struct process *process)
{
    if (!process->finish_signal) {
        cptr slot;
        if (!task_slot(&process->task, &slot) ||
            cnode_mint(SERVER_CAP_CNODE, slot, SERVER_CAP_CNODE, process->task.notification, RIGHT_SEND,
                       PROCESS_SIGNAL_FINISH) != ERROR_NONE)
            return;
        process->finish_signal = slot;
    }
    process->deadline_ticks = clock_ticks() + clock_ticks_of(FINISH_NS, server.start->timer_hz);
    deadline_set(process->deadline_ticks);
    notification_signal(process->finish_signal);
}

/* The essential programs have ended: so do the servers, and then the system. */
void system_end(void)
{
    uint32_t servers = 0;
    for (uint32_t i = 1; i <= server.top; i++) {
        struct process *process = server.processes[i];
        if (!process || !process->is_server || process->end != PROCESS_RUNNING)
            continue;
        servers++;
        if (!server.is_ending)
            server_finish(process);
    }
    server.is_ending = true;
    if (servers > 0)
        return;
    memory_account();
    struct message m = {message_info(ROOT_ALL_ENDED, 0, 1), {server.started}};
    (void)syscall_call(PROCESS_CAP_SERVER, &m);
}

void essential_ended(void)
{
    server.essential_left--;
    if (server.essential_left == 0)
        system_end();
}

static void process_stop(struct process *process, enum process_end end, uint32_t status)
{
    threads_suspend(process);
    process->end = end;
    process->end_status = status;
    if (process->reply) {
        server.free_replies[server.free_reply_count++] = process->reply;
        process->reply = 0;
        process->waiting = WAITING_NOTHING;
    }
}

static void process_take_apart(struct process *process, enum process_end end, uint32_t status, const char *text)
{
    bool is_essential = process_is_essential(process), is_top = process->is_top;
    const struct start_page *start = (const struct start_page *)(const void *)process->task.pages.view;
    struct authority authority = process->authority;
    uint64_t lived_ticks = clock_ticks() - start->start_ticks;
    announce(process);
    if (end != PROCESS_ENDED_EXIT && end_is_logged(process))
        log_text("%s: %s\n", process->name, text);
    memory_settle(process);
    uint32_t program = process->program;
    bool is_server = process->is_server, is_again = false, is_good = is_expected(process, text);
    if (is_top) {
        root_tell(program, end, status, is_good, text);
        is_again = !is_server && supervise_ended(program, is_good, lived_ticks, text);
        process_forget(process);
    } else {
        child_ended(process);
    }
    if (is_server)
        supervise_server_ended(program, end, lived_ticks);
    channels_refuse_hopeless(&authority);
    services_refuse_hopeless(&authority);
    if (is_essential && !is_again)
        server.essential_left--;
    if (server.essential_left == 0)
        system_end();
}

/* The next of a family, parents first; NULL: it was the last. */
static struct process *family_next(const struct process *root, struct process *process)
{
    if (process->child_first)
        return process->child_first;
    while (process != root && !process->child_next)
        process = process_parent(process);
    return process == root ? NULL : process->child_next;
}

static struct process *family_leaf(struct process *process)
{
    while (process->child_first)
        process = process->child_first;
    return process;
}

/* All stop before any is taken apart: nobody acts on another's end. A family may be thousands of generations deep, so
 * nothing here calls itself. */
void process_end(struct process *process, enum process_end end, uint32_t status, const char *text)
{
    process_stop(process, end, status);
    for (struct process *other = process; (other = family_next(process, other));)
        if (other->end == PROCESS_RUNNING)
            process_stop(other, PROCESS_ENDED_KILLED, PROCESS_KILL_PARENT);
        else
            other->is_joined = true;
    for (struct process *leaf; (leaf = family_leaf(process)) != process;)
        if (leaf->is_joined)
            process_forget(leaf);
        else
            process_take_apart(leaf, PROCESS_ENDED_KILLED, PROCESS_KILL_PARENT, "killed: its parent ended");
    process_take_apart(process, end, status, text);
}
