/* Child processes: a process starts a program of the description and waits for it. docs/processes.md, "Children". */
#include "server.h"
#include "tessera/clock.h"
#include "tessera/server.h"
#include "tessera/text.h"

/* Why a child was refused, for the log. */
static uint32_t refuse(struct process *process, const char *name, const char *why)
{
    if (refusal_is_logged(process, why, name, text_length(name)))
        log_text("process: %s: refused: spawn '%s': %s\n", process->name, name, why);
    return E_NOTCAPABLE;
}

static bool is_listed(const struct system_program *parent, const char *name)
{
    if (parent->child_count == 0)
        return true;
    const struct system_string *names = (const void *)((const char *)server.system + parent->child_names);
    for (uint32_t i = 0; i < parent->child_count; i++)
        if (text_equal(system_text(server.system, names[i]), name))
            return true;
    return false;
}

/* "child" or "child.wasm"; without the ending where that is the program's name. */
static const struct system_program *program_find(char *name, uint32_t *index)
{
    static const char ending[] = ".wasm";
    const struct system_program *program = system_find(server.system, name, index);
    size_t length = text_length(name);
    if (!program && length >= sizeof(ending) && text_equal(name + length + 1 - sizeof(ending), ending)) {
        name[length + 1 - sizeof(ending)] = 0;
        program = system_find(server.system, name, index);
    }
    return program;
}

static bool name_get(const struct request *request, char name[PROCESS_NAME_MAX + 1])
{
    word length = request->words[0];
    if (length == 0 || length > PROCESS_NAME_MAX)
        return false;
    memcpy(name, &request->words[1], length);
    name[length] = 0;
    return text_length(name) == length;
}

#define SPAWN_TEXTS 10 /* words of the request */
#define SPAWN_GIVEN 18

/* From the caller's memory, once: it may change there while we look. */
static bool memory_get(struct process *process, word address, uint32_t bytes, char *to)
{
    while (bytes > 0) {
        uint64_t room;
        const uint8_t *from = task_view(&process->task, address, &room);
        if (!from)
            return false;
        uint32_t part = room < bytes ? (uint32_t)room : bytes;
        memcpy(to, from, part);
        address += part;
        to += part;
        bytes -= part;
    }
    return true;
}

/* Of the four texts that begin with these words: address and bytes of each. */
static uint32_t texts_get(struct process *process, const word *where, struct process_options *options)
{
    static char space[PROCESS_STRING_BYTES + 4];
    struct texts *const texts[] = {&options->arguments, &options->environment, &options->preopens, &options->opens};
    char *to = space;
    word left = PROCESS_STRING_BYTES;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        word bytes = where[2 * i + 1];
        if (bytes > left)
            return E_2BIG;
        if (!memory_get(process, where[2 * i], (uint32_t)bytes, to))
            return E_FAULT;
        for (word k = 0; k < bytes; k++)
            if (to[k] == '\n')
                to[k] = 0;
        left -= bytes;
        if (bytes > 0 && to[bytes - 1])
            to[bytes++] = 0;
        *texts[i] = (struct texts){to, (uint32_t)bytes};
        to += bytes;
    }
    return 0;
}

/* How its streams are to be; E_INVAL when one pipe's end is given twice. */
static uint32_t streams_get(const struct request *request, struct process_options *options)
{
    const word *next = &request->words[SPAWN_GIVEN];
    options->stdio = (uint32_t)request->words[9];
    options->has_environment = options->stdio & PROCESS_SPAWN_ENVIRONMENT;
    for (uint32_t i = 0; i < 3; i++) {
        options->given[i] = UINT32_MAX;
        if ((options->stdio >> 2 * i & 3) != PROCESS_STDIO_GIVEN)
            continue;
        options->given[i] = *next < UINT32_MAX ? (uint32_t)*next : UINT32_MAX - 1;
        next++;
        for (uint32_t k = 0; k < i; k++)
            if (options->given[k] == options->given[i])
                return E_INVAL;
    }
    return 0;
}

/* A child begins with its part of the time filled. So that one after the other is not time without end, a limited
 * process starts no more of them in a period than it may have at a time. */
static bool is_time_to_spawn(struct process *process)
{
    uint64_t now = clock_ticks();
    if (!process->budget_ns)
        return true;
    uint64_t pause =
        clock_ticks_of(process->period_ns / authority_children(&process->authority), server.start->timer_hz);
    if (now < process->spawn_ticks)
        return false;
    process->spawn_ticks = now + pause;
    return true;
}

uint32_t child_spawn(struct process *process, const struct request *request, word *results, unsigned *count)
{
    char name[PROCESS_NAME_MAX + 1], problem[300], why[350];
    struct process_options options = {.parent = process};
    uint32_t limit = authority_children(&process->authority);
    if (!name_get(request, name))
        return E_INVAL;
    if (limit == 0)
        return refuse(process, name, "the permission 'spawn' is not granted");
    const struct system_program *program = program_find(name, &options.program);
    if (!program)
        return E_NOENT;
    if (program->flags & SYSTEM_SERVER)
        return refuse(process, name, "servers are started by the system only");
    if (!is_listed(process->description, system_text(server.system, program->name)))
        return refuse(process, name, "not among the programs that it may spawn");
    if (process->children >= limit || !is_time_to_spawn(process))
        return quota_reached(process, QUOTA_CHILDREN, E_AGAIN);
    uint32_t error = streams_get(request, &options);
    if (!error)
        error = texts_get(process, &request->words[SPAWN_TEXTS], &options);
    if (error)
        return error;
    problem[0] = 0;
    options.problem = problem;
    options.problem_size = sizeof(problem);

    struct process *child;
    error = process_create(&options, &child);
    if (error == E_NOTCAPABLE)
        text_format(why, sizeof(why), "it asks for more than its parent holds: %s", problem);
    if (error == E_NOTCAPABLE)
        return refuse(process, name, why);
    if (error == E_NOMEM && problem[0])
        (void)refuse(process, name, problem);
    if (error)
        return error;
    *count = 1;
    results[0] = child->index;
    for (uint32_t i = 0; i < 3; i++) {
        if (!(child->has_piped >> i & 1))
            continue;
        memcpy(&results[*count], &child->piped[i], sizeof(child->piped[i]));
        *count += sizeof(child->piped[i]) / sizeof(word);
    }
    process_run(child);
    return 0;
}

static void answer_from(const struct process *child, word results[3])
{
    results[0] = child->index;
    results[1] = child->end;
    results[2] = child->end_status;
}

/* Programs cannot handle signals: what remains is the default action, and of those only the end. */
#define SIGNALS 31
#define ENDING  (1u << 1 | 1u << 2 | 1u << 3 | 1u << 6 | 1u << 9 | 1u << 15)

uint32_t child_signal(struct process *process, word pid, word signal)
{
    struct process *child = pid && pid <= PROCESSES ? server.processes[pid] : NULL;
    char text[40];
    if (signal >= SIGNALS)
        return E_INVAL;
    if (!child || child->parent != process->index || child->parent_generation != process->generation ||
        child->end != PROCESS_RUNNING)
        return E_SRCH;
    if (signal == 0)
        return 0;
    if (!(ENDING >> signal & 1))
        return E_NOTSUP;
    text_format(text, sizeof(text), "killed: signal %u by its parent", (uint32_t)signal);
    process_end(child, PROCESS_ENDED_KILLED, PROCESS_KILL_SIGNAL + (uint32_t)signal, text);
    return 0;
}

uint32_t child_join(struct process *process, word pid, bool wait, word results[3])
{
    bool any = false;
    for (struct process *child = process->child_first; child; child = child->child_next) {
        if (pid && pid != child->index)
            continue;
        any = true;
        if (child->end == PROCESS_RUNNING)
            continue;
        answer_from(child, results);
        process_forget(child);
        return 0;
    }
    if (!any)
        return E_CHILD;
    if (!wait) {
        results[0] = results[1] = results[2] = 0;
        return 0;
    }
    process_wait(process, WAITING_JOIN, (uint32_t)pid);
    return E_AGAIN;
}

void child_ended(struct process *child)
{
    struct process *parent = process_find(child->parent, child->parent_generation);
    if (!parent) {
        process_forget(child);
        return;
    }
    if (parent->waiting == WAITING_JOIN && (parent->waiting_for == 0 || parent->waiting_for == child->index)) {
        word results[3];
        answer_from(child, results);
        process_forget(child);
        process_answer(parent, 0, results, 3);
    }
}
