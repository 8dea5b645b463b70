/* Programs that are started again when they end, as the description says: when, how often, after which pause. The pause
 * doubles each time; a program that ran for a while first begins anew with both. docs/system.md, "Starting again".
 */
#include "proto/process.h"
#include "server.h"
#include "tessera/clock.h"
#include "tessera/restart.h"
#include "tessera/server.h"
#include "tessera/text.h"

static struct supervised {
    uint64_t due_ticks; /* 0: it runs, or will not again */
    uint32_t count;     /* how often it was started again */
} supervised[SYSTEM_PROGRAMS];
static uint32_t due_count;

static const char *name_of(uint32_t program)
{
    return system_text(server.system, system_program_at(server.system, program)->name);
}

static uint64_t ns_of(uint64_t ticks)
{
    return clock_ns(ticks, server.start->timer_multiplier, server.start->timer_shift);
}

static struct restart_policy policy_of(uint32_t program)
{
    const struct system_program *described = system_program_at(server.system, program);
    return (struct restart_policy){described->restart, described->restart_limit, described->restart_pause_ms};
}

static void due_in(struct supervised *self, uint64_t pause_ms)
{
    self->due_ticks = clock_ticks() + clock_ticks_of(pause_ms * 1000000, server.start->timer_hz);
    due_count++;
    deadline_set(self->due_ticks);
}

bool supervise_ended(uint32_t index, bool is_expected, uint64_t lived_ticks, const char *text)
{
    struct restart_policy policy = policy_of(index);
    struct supervised *self = &supervised[index];
    uint64_t pause_ms;
    if (policy.when == SYSTEM_RESTART_NEVER || server.is_ending ||
        (policy.when == SYSTEM_RESTART_FAILURE && is_expected))
        return false;
    if (!restart_next(&policy, &self->count, ns_of(lived_ticks), &pause_ms)) {
        log_text("process: %s: %s; it is not started again: %u times were enough\n", name_of(index), text, self->count);
        return false;
    }
    log_text("process: %s: %s; it is started again in %lu ms, time %u\n", name_of(index), text, pause_ms, self->count);
    due_in(self, pause_ms);
    return true;
}

/* Without a pause at once: its clients, which are less urgent, find it there again when they run. */
static void server_start_again(uint32_t index)
{
    struct process_options options = {.program = index};
    struct process *process;
    if (process_create(&options, &process) != 0)
        server_give_up("server '%s' cannot be started again", name_of(index));
    process_run(process);
}

void supervise_server_ended(uint32_t index, enum process_end end, uint64_t lived_ticks)
{
    struct restart_policy policy = policy_of(index);
    struct supervised *self = &supervised[index];
    uint64_t pause_ms;
    if (server.is_ending)
        return;
    if (end == PROCESS_ENDED_EXIT && policy.when != SYSTEM_RESTART_ALWAYS)
        server_give_up("server '%s' cannot serve", name_of(index));
    if (policy.when == SYSTEM_RESTART_NEVER)
        server_give_up("server '%s' has ended, and the description says that it is not started again", name_of(index));
    if (!restart_next(&policy, &self->count, ns_of(lived_ticks), &pause_ms))
        server_give_up("server '%s' ends again and again", name_of(index));
    if (pause_ms == 0) {
        server_start_again(index);
        return;
    }
    log_text("process: %s: it is started again in %lu ms, time %u\n", name_of(index), pause_ms, self->count);
    due_in(self, pause_ms);
}

static const char *start_problem(uint32_t error)
{
    switch (error) {
    case E_NOENT:
        return "its image or its standard input is missing or damaged";
    case E_NOMEM:
        return "its memory limit is too small for its image and memories, or the machine has no more";
    case E_2BIG:
        return "its arguments and environment are too long";
    case E_AGAIN:
        return "there are too many processes";
    default:
        return "it cannot be built";
    }
}

struct process *supervise_start(uint32_t index, bool *is_over)
{
    const struct system_program *program = system_program_at(server.system, index);
    struct process_options options = {.program = index};
    struct process *process;
    char text[200];
    *is_over = false;
    uint32_t error = process_create(&options, &process);
    if (!error)
        return process;
    text_format(text, sizeof(text), "program '%s' cannot be started: %s", name_of(index), start_problem(error));
    log_text("process: %s\n", text);
    root_tell(index, PROCESS_ENDED_KILLED, PROCESS_KILL_LOAD, false, text);
    *is_over = (program->flags & SYSTEM_SERVER) || !supervise_ended(index, false, 0, "it did not start");
    return NULL;
}

void supervise_check(uint64_t now)
{
    for (uint32_t i = 0; due_count > 0 && i < server.system->program_count; i++) {
        struct supervised *self = &supervised[i];
        bool is_over = false;
        if (!self->due_ticks)
            continue;
        if (self->due_ticks > now) {
            deadline_set(self->due_ticks);
            continue;
        }
        self->due_ticks = 0;
        due_count--;
        bool is_server = system_program_at(server.system, i)->flags & SYSTEM_SERVER;
        if (is_server && !server.is_ending)
            server_start_again(i);
        struct process *process = server.is_ending || is_server ? NULL : supervise_start(i, &is_over);
        struct authority authority;
        if (process)
            process_run(process);
        if (is_over && authority_of(system_program_at(server.system, i), &authority)) {
            channels_refuse_hopeless(&authority);
            services_refuse_hopeless(&authority);
        }
        if (is_over && (system_program_at(server.system, i)->flags & SYSTEM_ESSENTIAL))
            essential_ended();
    }
}

bool supervise_may_serve(enum authority_kind kind, const char *name)
{
    for (uint32_t i = 0; due_count > 0 && i < server.system->program_count; i++) {
        const struct system_program *program = system_program_at(server.system, i);
        struct authority authority;
        if (supervised[i].due_ticks && authority_of(program, &authority) && authority_allows(&authority, kind, name))
            return true;
    }
    return false;
}
