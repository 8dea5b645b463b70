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
    if (length > ROOT_ENDING_BYTES - 1)
        length = ROOT_ENDING_BYTES - 1;
    struct message m = {message_info(ROOT_PROGRAM_ENDED, 0, 5 + message_words(length)),
                        {program, end, status, is_expected, length}};
    message_put(&m, 5, text, length);
    (void)syscall_call(PROCESS_CAP_SERVER, &m);
}

static bool is_child(const struct process *process, const struct process *parent)
{
    return process && process->parent == parent->index && process->parent_generation == parent->generation;
}

/* Numbers of all that descend from one and still run; parents before their children. */
static uint16_t family[PROCESSES];

static uint32_t family_gather(const struct process *process)
{
    uint32_t count = 0;
    for (uint32_t next = 0;; process = server.processes[family[next++]]) {
        for (uint32_t i = 1; process->children > 0 && i <= server.top; i++)
            if (is_child(server.processes[i], process) && server.processes[i]->end == PROCESS_RUNNING)
                family[count++] = (uint16_t)i;
        if (next == count)
            return count;
    }
}

/* Those that nobody will wait for any more. */
static void children_forget(const struct process *parent)
{
    for (uint32_t i = 1; parent->children > 0 && i <= server.top; i++)
        if (is_child(server.processes[i], parent))
            process_forget(server.processes[i]);
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

static void one_end(struct process *process, enum process_end end, uint32_t status, const char *text)
{
    bool is_essential = process_is_essential(process), is_top = process->is_top;
    const struct start_page *start = (const struct start_page *)(const void *)process->task.pages.view;
    uint64_t lived_ticks = clock_ticks() - start->start_ticks;
    process->end = end;
    process->end_status = status;
    if (process->reply) {
        server.free_replies[server.free_reply_count++] = process->reply;
        process->reply = 0;
        process->waiting = WAITING_NOTHING;
    }
    children_forget(process);
    announce(process);
    if (end != PROCESS_ENDED_EXIT)
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
    channels_refuse_hopeless();
    services_refuse_hopeless();
    if (is_essential && !is_again)
        server.essential_left--;
    if (server.essential_left == 0)
        system_end();
}

/* The last generation first, in one list: a family may have thousands of generations, and no function here may call
 * itself for each. */
void process_end(struct process *process, enum process_end end, uint32_t status, const char *text)
{
    uint32_t count = family_gather(process);
    threads_suspend(process);
    for (uint32_t i = 0; i < count; i++)
        threads_suspend(server.processes[family[i]]);
    while (count > 0)
        one_end(server.processes[family[--count]], PROCESS_ENDED_KILLED, PROCESS_KILL_PARENT,
                "killed: its parent ended");
    one_end(process, end, status, text);
}
