/* How a process comes about: from an image, its manifest and the description, or its parent's wish. Any failure takes
 * back what was made. */
#include "proto/console.h"
#include "proto/process.h"
#include "server.h"
#include "tessera/clock.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define PERIOD_NS        10000000ul
#define STANDARD_STREAMS 3
#define CHILD_PRICE      (98ul << 10) /* record, a block, a row: the least that a child is made of */

static uint64_t smaller_stated(uint64_t a, uint64_t b, uint64_t otherwise)
{
    if (a && b)
        return a < b ? a : b;
    return a ? a : b ? b : otherwise;
}

static const struct image_manifest *manifest_at(uint32_t offset)
{
    return offset ? (const void *)((const char *)server.system + offset) : NULL;
}

/* The system's check refused descriptions whose program has none. */
static const struct image_manifest *grant_of(const struct system_program *program)
{
    return (const void *)((const char *)server.system + program->grant);
}

bool authority_of(const struct system_program *program, struct authority *authority)
{
    const struct program_image *image =
        image_get(system_text(server.system, program->image), program->flags & SYSTEM_NATIVE);
    if (!image || !image->is_good)
        return false;
    const struct image_manifest *request = manifest_at(program->request);
    *authority = (struct authority){request ? request : image->image.manifest, grant_of(program), 0};
    return true;
}

static uint64_t limit_stated(const struct process *process)
{
    const struct image_manifest *request = process->authority.request;
    return smaller_stated(request ? request->memory_limit_bytes : 0, grant_of(process->description)->memory_limit_bytes,
                          DEFAULT_MEMORY);
}

static uint32_t authority_set(struct process *process, const struct process_options *options)
{
    const struct system_program *program = process->description;
    const struct image_manifest *grant = grant_of(program);
    const struct image_manifest *request = manifest_at(program->request);
    if (!request)
        request = process->image->image.manifest;
    process->authority.request = request;
    process->memory_limit = limit_stated(process);
    if (!options->parent) {
        process->authority.grant = grant;
        return 0;
    }
    /* A child gets what it requests, out of what its parent holds: all or nothing. */
    const char *unknown;
    uint64_t paths = authority_paths(request, options->preopens.text, options->preopens.bytes, &unknown);
    process->authority.paths_left_out = ~paths;
    if (unknown)
        text_format(options->problem, options->problem_size, "fs '%s', which it does not request", unknown);
    if (unknown ||
        !authority_covers(&options->parent->authority, request, paths, options->problem, options->problem_size))
        return E_NOTCAPABLE;
    uint64_t left = process_memory_left(options->parent);
    if (process->memory_limit > left)
        process->memory_limit = left;
    return 0;
}

static bool regions_map(struct process *process)
{
    process->regions[process->region_count++] =
        (struct region){.base = PROCESS_HEAP_BASE, .max_pages = UINT32_MAX / WASM_PAGE_BYTES};

    const struct image *image = &process->image->image;
    for (uint32_t i = 0; image->program && i < image->program->memory_count; i++) {
        const struct image_memory *memory = &image->memories[i];
        uint64_t bytes = memory->initial_pages * WASM_PAGE_BYTES;
        if (process->region_count == REGIONS || memory->initial_pages > 65536 || bytes > process_memory_left(process))
            return false;
        process->regions[process->region_count++] = (struct region){
            .base = memory->base,
            .pages = memory->initial_pages,
            .max_pages = memory->max_pages,
            .capacity = bytes,
        };
        if (!task_memory_lazy(&process->task, bytes, memory->base))
            return false;
    }
    return true;
}

static uint64_t list_bytes(const struct image_manifest *manifest, struct image_list list)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < list.count; i++)
        bytes += image_list_string(manifest, list, i).length + 1ul;
    return bytes;
}

static void strings_add(struct start_writer *writer, struct start_strings *to, const struct image_manifest *manifest,
                        struct image_list list)
{
    for (uint32_t i = 0; i < list.count; i++) {
        struct image_string string = image_list_string(manifest, list, i);
        start_string(writer, to, image_string_text(manifest, string), string.length);
    }
}

static void texts_add(struct start_writer *writer, struct start_strings *to, const struct texts *texts)
{
    for (uint32_t at = 0; at < texts->bytes;) {
        uint32_t length = (uint32_t)text_length(texts->text + at);
        start_string(writer, to, texts->text + at, length);
        at += length + 1;
    }
}

/* Those that are an environment's, or the others. */
static void opens_add(struct start_writer *writer, struct start_strings *to, const struct texts *texts,
                      bool is_variable)
{
    for (uint32_t at = 0; at < texts->bytes;) {
        uint32_t length = (uint32_t)text_length(texts->text + at);
        if (text_begins(texts->text + at, "PWD=") == is_variable)
            start_string(writer, to, texts->text + at, length);
        at += length + 1;
    }
}

/* Whose arguments: a parent's, else the description's, else the manifest's, else the name alone. */
static void arguments_add(struct process *process, const struct process_options *options, struct start_writer *writer)
{
    const struct image_manifest *grant = grant_of(process->description);
    const struct image_manifest *request = process->authority.request;
    struct start_strings *to = &writer->page->arguments;
    if (options->parent) {
        texts_add(writer, to, &options->arguments);
    } else if (grant->arguments.count > 0) {
        strings_add(writer, to, grant, grant->arguments);
    } else if (request && request->arguments.count > 0) {
        strings_add(writer, to, request, request->arguments);
    }
    if (to->count == 0)
        start_string(writer, to, process->name, (uint32_t)text_length(process->name));
}

/* What a parent gives is all of it; else the description's comes first, and so counts. */
static void environment_add(struct process *process, const struct process_options *options, struct start_writer *writer)
{
    const struct image_manifest *grant = grant_of(process->description);
    const struct image_manifest *request = process->authority.request;
    opens_add(writer, &writer->page->environment, &options->opens, true);
    if (options->has_environment) {
        texts_add(writer, &writer->page->environment, &options->environment);
        return;
    }
    strings_add(writer, &writer->page->environment, grant, grant->environment);
    if (request)
        strings_add(writer, &writer->page->environment, request, request->environment);
}

/* Standard input from a file of the archive: mapped where it lies, read-only. */
static bool input_map(struct process *process, struct start_descriptor *descriptor)
{
    struct archive_member member;
    const char *name = system_text(server.system, process->description->input);
    if (!archive_find(&server.archive, name, &member) || archive_verify(&member))
        return false;
    uint64_t bytes = (member.bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    uint64_t address = archive_place(&server.archive_map, member.offset, process->window_next);
    process->window_next = address + bytes + PAGE_BYTES;
    *descriptor = (struct start_descriptor){START_DESCRIPTOR_FILE, 0, address, member.bytes, 0, 0, 0, 0, 0};
    return bytes == 0 ||
           task_map_archive(&process->task, &server.archive_map, member.offset, bytes, address, RIGHT_READ);
}

static void stream_write_down(const struct process_stream *stream, struct start_descriptor *out)
{
    *out = (struct start_descriptor){
        .kind = START_DESCRIPTOR_STREAM,
        .stream = (uint32_t)stream->stream,
        .address = stream->ring_address,
        .bytes = stream->ring_bytes,
        .session_address = stream->session_address,
        .session = (uint32_t)stream->session,
        .side = stream->side_generation & 1,
        .generation = (uint32_t)(stream->side_generation >> 1),
        .signal_cap = (uint32_t)stream->signal_cap,
    };
}

/* A stream to its parent; or room for what its parent gives it. */
static uint32_t stream_set(struct process *process, const struct process_options *options, uint32_t i,
                           struct start_descriptor *out)
{
    bool is_given = (options->stdio >> 2 * i & 3) == PROCESS_STDIO_GIVEN;
    struct process_stream ours, *piped = &process->piped[i];
    if (is_given)
        return pipe_offer(options->parent, options->given[i], process, piped);
    uint32_t error = pipe_make(options->parent, process, piped, &ours);
    if (error)
        return error;
    process->has_piped |= 1u << i;
    stream_write_down(&ours, out);
    return 0;
}

/* Nothing can fail any more. */
static void given_hand_over(struct process *process, const struct process_options *options)
{
    struct start_page *page = (struct start_page *)(void *)process->task.pages.view;
    for (uint32_t i = 0; options->parent && i < STANDARD_STREAMS; i++) {
        if ((options->stdio >> 2 * i & 3) != PROCESS_STDIO_GIVEN)
            continue;
        pipe_hand_over(options->parent, options->given[i], process, &process->piped[i]);
        stream_write_down(&process->piped[i], &page->descriptors[i]);
    }
}

static uint32_t console_of(const struct process_options *options, uint32_t i)
{
    uint32_t other = options->stdio >> (PROCESS_SPAWN_CONSOLE + 2 * i) & 3;
    return options->parent && (other == 1 || other == 2) ? other : i;
}

/* What the description says of the console, for its program and all that descend from it. */
static bool is_pipe(const struct process *process, uint32_t stream)
{
    return process->family->description->flags & (uint32_t)SYSTEM_PIPE_INPUT << stream;
}

static uint32_t descriptors_set(struct process *process, const struct process_options *options, struct start_page *page)
{
    for (uint32_t i = 0; i < STANDARD_STREAMS; i++) {
        struct start_descriptor *descriptor = &page->descriptors[i];
        uint32_t mode = options->parent ? options->stdio >> 2 * i & 3 : PROCESS_STDIO_INHERIT;
        uint32_t error = 0;
        if (mode == PROCESS_STDIO_PIPED || mode == PROCESS_STDIO_GIVEN)
            error = stream_set(process, options, i, descriptor);
        else if (i == 0 && process->has_terminal)
            *descriptor = (struct start_descriptor){.kind = START_DESCRIPTOR_TERMINAL, .side = is_pipe(process, i)};
        else if (mode == PROCESS_STDIO_NULL || (i == 0 && (options->parent || !process->description->input.length)))
            descriptor->kind = START_DESCRIPTOR_NULL;
        else if (i == 0)
            error = input_map(process, descriptor) ? 0 : E_NOENT;
        else
            *descriptor = (struct start_descriptor){
                .kind = START_DESCRIPTOR_CONSOLE, .stream = console_of(options, i), .side = is_pipe(process, i)};
        if (error)
            return error;
    }
    return 0;
}

/* A server finds the archive in place and has its own bits of the notification while it waits for requests. */
static bool server_prepare(struct process *process, struct start_page *page)
{
    uint64_t bytes = server.archive_map.bytes, address = archive_place(&server.archive_map, 0, process->window_next);
    if (!process->is_server)
        return true;
    process->window_next = address + bytes + PAGE_BYTES;
    page->words[PROCESS_WORD_ARCHIVE] = address;
    page->words[PROCESS_WORD_ARCHIVE_BYTES] = bytes;
    return task_map_archive(&process->task, &server.archive_map, 0, bytes, address, RIGHT_READ);
}

static void preopens_add(const struct process *process, struct start_writer *writer)
{
    struct files_grant grant;
    for (uint32_t n = 0; files_grant(process, n, &grant); n++)
        start_string(writer, &writer->page->preopens, grant.path, (uint32_t)text_length(grant.path));
}

static uint32_t start_fill(struct process *process, const struct process_options *options)
{
    struct start_writer writer;
    start_begin(&writer, process->task.pages.view, process->task.pages.bytes);
    struct start_page *page = writer.page;
    start_string(&writer, &page->name, process->name, (uint32_t)text_length(process->name));
    arguments_add(process, options, &writer);
    environment_add(process, options, &writer);
    preopens_add(process, &writer);
    opens_add(&writer, &page->opens, &options->opens, false);
    if (writer.is_full)
        return E_2BIG;
    page->pid = process->index;
    page->parent_pid = process->parent;
    page->timer_hz = server.start->timer_hz;
    page->timer_multiplier = server.start->timer_multiplier;
    page->timer_shift = server.start->timer_shift;
    page->boot_ticks = server.start->boot_ticks;
    page->start_ticks = clock_ticks();
    page->stack_bytes = STACK_LIMIT;
    if (authority_permits(&process->authority, IMAGE_MAY_CLOCK)) {
        page->flags |= START_MAY_CLOCK;
        page->realtime_ns = server.start->realtime_ns;
    }
    if (authority_children(&process->authority) > 0)
        page->flags |= START_MAY_SPAWN;
    if (authority_permits(&process->authority, IMAGE_MAY_RANDOM)) {
        page->flags |= START_MAY_RANDOM;
        if (entropy_bytes(page->seed, sizeof(page->seed)))
            page->flags |= START_SEED_VALID;
    }
    if (!server_prepare(process, page))
        return E_NOMEM;
    return descriptors_set(process, options, page);
}

static uint64_t preopens_bytes(const struct process *process)
{
    struct files_grant grant;
    uint64_t bytes = 0;
    for (uint32_t n = 0; files_grant(process, n, &grant); n++)
        bytes += text_length(grant.path) + 1;
    return bytes;
}

static uint64_t start_bytes(const struct process *process, const struct process_options *options)
{
    const struct image_manifest *grant = grant_of(process->description);
    const struct image_manifest *request = process->authority.request;
    uint64_t bytes = sizeof(struct start_page) + 2 * sizeof(process->name) + options->arguments.bytes +
                     options->environment.bytes + options->opens.bytes + 1 + list_bytes(grant, grant->arguments) +
                     list_bytes(grant, grant->environment) + preopens_bytes(process);
    if (request)
        bytes += list_bytes(request, request->arguments) + list_bytes(request, request->environment);
    uint64_t rounded = PAGE_BYTES;
    while (rounded < bytes)
        rounded *= 2;
    return rounded;
}

/* What manifest and description state, the smaller share where both do. */
static void budget_stated(const struct process *process, uint64_t *budget_ns, uint64_t *period_ns)
{
    const struct system_program *program = process->description;
    const struct image_manifest *request = process->authority.request;
    uint64_t budget_us = program->cpu_budget_us, period_us = program->cpu_period_us;
    bool is_requested = request && request->cpu_budget_us > 0;
    if (is_requested && (budget_us == 0 || request->cpu_budget_us * period_us < budget_us * request->cpu_period_us)) {
        budget_us = request->cpu_budget_us;
        period_us = request->cpu_period_us;
    }
    *budget_ns = budget_us * 1000;
    *period_ns = period_us * 1000;
}

/* A limited process that may have children keeps half of its time for itself; each child has its part of the other
 * half, whether or not there are others: parts that moved would be filled anew each time. */
static void budget_set(struct process *process, const struct process *parent)
{
    budget_stated(process, &process->budget_ns, &process->period_ns);
    if (!parent || !parent->budget_ns)
        return;
    uint64_t part_ns = parent->budget_ns / 2 / authority_children(&parent->authority);
    if (!process->budget_ns || process->budget_ns * parent->period_ns > part_ns * process->period_ns) {
        process->budget_ns = part_ns;
        process->period_ns = parent->period_ns;
    }
}

void process_budget(const struct process *process, uint64_t *budget_ns, uint64_t *period_ns)
{
    bool is_limited = process->budget_ns > 0;
    bool has_children = is_limited && authority_children(&process->authority) > 0;
    *budget_ns = is_limited ? process->budget_ns >> has_children >> (process->trap_tcb != 0) : PERIOD_NS;
    *period_ns = is_limited ? process->period_ns : PERIOD_NS;
}

static uint32_t thread_make(struct process *process, const struct process_options *options)
{
    uint64_t bytes = start_bytes(process, options);
    struct task *task = &process->task;
    if (bytes > PROCESS_START_BYTES)
        return E_2BIG;
    if ((!task->fault && !task_slot(task, &task->fault)) ||
        cnode_mint(SERVER_CAP_CNODE, task->fault, SERVER_CAP_CNODE, SERVER_CAP_ENDPOINT, RIGHT_CALL | RIGHT_GRANT,
                   process_badge(PROCESS_BADGE_FAULT, process->generation, process->index)) != ERROR_NONE)
        return E_NOMEM;
    struct task_options task_options = {
        .entry = process->image->image.entry,
        .stack_bytes = DEFAULT_STACK,
        .start_bytes = bytes,
        .fault_endpoint = task->fault,
        .authority = SERVER_CAP_TCB,
        .sched_control = SERVER_CAP_SCHED_CONTROL,
        .priority = process->is_server ? PRIORITY_SERVER : PRIORITY_PROGRAM,
        .has_fp = !process->is_server || (process->description->flags & SYSTEM_FLOAT),
        .is_bound = process->is_server,
    };
    process_budget(process, &task_options.budget_ns, &task_options.period_ns);
    process->stack_mapped = DEFAULT_STACK;
    return task_prepare(task, &task_options, server_buffer()) ? 0 : E_NOMEM;
}

static bool capabilities_grant(struct process *process)
{
    uint64_t badge = process_badge(PROCESS_BADGE_CALL, process->generation, process->index);
    process->cap_used[0] |= (1ul << PROCESS_CAP_FIRST_FREE) - 1; /* pipes have theirs already */
    return task_grant(&process->task, PROCESS_CAP_SERVER, SERVER_CAP_ENDPOINT, RIGHT_CALL, badge) &&
           task_grant(&process->task, PROCESS_CAP_CONSOLE, SERVER_CAP_CONSOLE_MINT, RIGHT_CALL, process->index) &&
           task_grant(&process->task, PROCESS_CAP_NOTIFICATION, process->task.notification, RIGHT_RECV, 0);
}

static void console_introduce(const struct process *process)
{
    struct message m = {message_info(CONSOLE_NAME, 0, 2 + CONSOLE_NAME_BYTES / 8),
                        {process->index, (process->description->flags & SYSTEM_PREFIX ? CONSOLE_PREFIX : 0) |
                                             (process->has_terminal ? CONSOLE_TERMINAL : 0) |
                                             (process->is_server ? CONSOLE_SYSTEM : 0)}};
    message_put(&m, 2, process->name, CONSOLE_NAME_BYTES);
    (void)console_call(&m);
}

/* The address space: made, or a shell's. */
static bool space_make(struct process *process, const struct process_options *options)
{
    struct task *task = &process->task;
    const struct program_image *image = process->image;
    if (task->vspace && task->pages.bytes == start_bytes(process, options))
        return task->memory_bytes - task->stack.bytes - task->pages.bytes <= process->memory_limit &&
               task_thread_renew(task);
    task_destroy(task);
    process->region_count = 0;
    if (!task_create(task, &server.pool))
        return false;
    return task_load(task, &server.archive_map, image->offset, &image->image, image->text) && regions_map(process) &&
           task->memory_bytes <= process->memory_limit;
}

/* What it takes before it runs. */
static uint64_t bytes_needed(const struct process *process, const struct process_options *options)
{
    const struct image *image = &process->image->image;
    uint64_t bytes = DEFAULT_STACK + start_bytes(process, options);
    for (uint32_t i = 0; i < image->segment_count; i++)
        if (image->segments[i].access & IMAGE_WRITE)
            bytes += (image->segments[i].memory_bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    for (uint32_t i = 0; image->program && i < image->program->memory_count; i++)
        bytes += image->memories[i].initial_pages * WASM_PAGE_BYTES;
    return bytes;
}

/* Why a child could not be made; the limits first. */
static uint32_t memory_problem(const struct process *process, const struct process_options *options)
{
    uint64_t needed = bytes_needed(process, options), limit = limit_stated(process);
    if (!options->parent)
        return E_NOMEM;
    if (limit < needed)
        text_format(options->problem, options->problem_size, "its memory limit of %lu KiB is too small for it",
                    limit >> 10);
    else if (process_memory_left(options->parent) < needed + CHILD_PRICE)
        (void)quota_reached(options->parent, QUOTA_MEMORY, 0);
    else
        text_format(options->problem, options->problem_size, "the machine has no memory for it");
    return E_NOMEM;
}

static uint32_t process_build(struct process *process, const struct process_options *options)
{
    uint32_t error = authority_set(process, options);
    if (error)
        return error;
    budget_set(process, options->parent);
    if (!space_make(process, options))
        return memory_problem(process, options);
    if ((error = thread_make(process, options)))
        return error == E_NOMEM ? memory_problem(process, options) : error;
    process->task.is_building = false;
    if ((error = start_fill(process, options)))
        return error;
    if (!capabilities_grant(process))
        return E_NOMEM;
    process->object_bytes = task_object_bytes(&process->task);
    return !options->parent || process_pay(process, options->parent) ? 0 : memory_problem(process, options);
}

static struct program_image *image_of(const struct system_program *program)
{
    const char *member = system_text(server.system, program->image);
    struct program_image *image = image_get(member, program->flags & SYSTEM_NATIVE);
    if (image && image->is_good)
        return image;
    log_text("process: %s: image '%s': %s\n", system_text(server.system, program->name), member,
             image ? image->problem : "too many images");
    return NULL;
}

/* The console's input: by the description, or shared with the parent. */
static bool terminal_is_had(const struct process *process, const struct process_options *options)
{
    return options->parent ? options->parent->has_terminal && (options->stdio & 3) == PROCESS_STDIO_INHERIT
                           : (process->description->flags & SYSTEM_TERMINAL) != 0;
}

uint32_t process_create(const struct process_options *options, struct process **made)
{
    const struct system_program *program = system_program_at(server.system, options->program);
    struct program_image *image = image_of(program);
    if (!image)
        return E_NOENT;
    struct process *process;
    uint32_t error = process_allocate(image, options->parent, &process);
    if (error)
        return error;
    process->program = options->program;
    process->description = program;
    process->is_top = !options->parent;
    process->is_server = process->description->flags & SYSTEM_SERVER;
    process->has_terminal = terminal_is_had(process, options);
    text_format(process->name, sizeof(process->name), "%s", system_text(server.system, process->description->name));
    error = process_build(process, options);
    if (error) {
        for (uint32_t i = 0; i < STANDARD_STREAMS; i++)
            if (process->has_piped >> i & 1)
                (void)stream_close_side(options->parent, process->piped[i].session, process->piped[i].stream);
        channels_process_ended(process);
        task_destroy(&process->task);
        process_forget(process);
        return error;
    }
    given_hand_over(process, options);
    console_introduce(process);
    *made = process;
    return 0;
}
