/* The life of a process: made from an image and a description, run, ended, its memory given back. */
#include "proto/console.h"
#include "proto/process.h"
#include "server.h"
#include "tessera/clock.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define PERIOD_NS        10000000ul
#define STANDARD_STREAMS 3

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

/* ---- its CNode, windows and signals -------------------------------------------------------------------------- */

bool process_cap_take(struct process *process, cptr *cap)
{
    for (cptr i = PROCESS_CAP_FIRST_FREE; i < 1u << PROCESS_CNODE_BITS; i++) {
        if (!(process->cap_used >> i & 1)) {
            process->cap_used |= 1ul << i;
            *cap = i;
            return true;
        }
    }
    return false;
}

void process_cap_return(struct process *process, cptr cap)
{
    (void)cnode_delete(process->task.cnode, cap);
    process->cap_used &= ~(1ul << cap);
}

/* The kernel unmaps a capability by walking the frame's whole extent at the distance where it was mapped: two windows
 * of one frame must not have the same distance, or one would take the other along. What is not a window lies further
 * away than a frame that windows are made of is long (2 MiB), so it cannot have the same. */
static bool distance_is_free(const struct process *process, cptr frame, uint64_t distance)
{
    for (uint32_t i = 0; i < process->window_count; i++) {
        const struct window *window = &process->windows[i];
        if (window->bytes && window->frame == frame && window->distance == distance)
            return false;
    }
    return true;
}

static struct window *window_place(struct process *process, const struct memory *memory, uint64_t bytes)
{
    for (uint32_t i = 0; i < process->window_count; i++) {
        struct window *window = &process->windows[i];
        if (!window->bytes && window->slot == 0 && window->distance == bytes &&
            distance_is_free(process, memory->frame, window->address - memory->first))
            return window; /* while free, `distance` holds the size of the hole */
    }
    if (process->window_count == WINDOWS)
        return NULL;
    while (!distance_is_free(process, memory->frame, process->window_next - memory->first))
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

/* ---- making -------------------------------------------------------------------------------------------------- */

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

static uint32_t authority_set(struct process *process, const struct process_options *options)
{
    const struct system_program *program = process->description;
    const struct image_manifest *grant = grant_of(program);
    const struct image_manifest *request = manifest_at(program->request);
    if (!request)
        request = process->image->image.manifest;
    process->authority.request = request;
    process->memory_limit =
        smaller_stated(request ? request->memory_limit_bytes : 0, grant->memory_limit_bytes, DEFAULT_MEMORY);
    if (!options->parent) {
        process->authority.grant = grant;
        return 0;
    }
    /* A child gets what it requests, out of what its parent holds: all or nothing. */
    if (!authority_covers(&options->parent->authority, request))
        return E_NOTCAPABLE;
    uint64_t left = process_memory_left(options->parent);
    if (process->memory_limit > left)
        process->memory_limit = left;
    process->charged_to_parent = process->memory_limit;
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
        if (!task_memory_range(&process->task, bytes, memory->base))
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

/* Whose arguments: a parent's, else the description's, else the manifest's, else the name alone. */
static void arguments_add(struct process *process, const struct process_options *options, struct start_writer *writer)
{
    const struct image_manifest *grant = grant_of(process->description);
    const struct image_manifest *request = process->authority.request;
    struct start_strings *to = &writer->page->arguments;
    if (options->parent) {
        for (uint32_t at = 0; at < options->argument_bytes;) {
            uint32_t end = at;
            while (end < options->argument_bytes && options->arguments[end])
                end++;
            start_string(writer, to, options->arguments + at, end - at);
            at = end + 1;
        }
    } else if (grant->arguments.count > 0) {
        strings_add(writer, to, grant, grant->arguments);
    } else if (request && request->arguments.count > 0) {
        strings_add(writer, to, request, request->arguments);
    }
    if (to->count == 0)
        start_string(writer, to, process->name, (uint32_t)text_length(process->name));
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
    uint64_t address = process->window_next;
    process->window_next += bytes + PAGE_BYTES;
    *descriptor = (struct start_descriptor){START_DESCRIPTOR_FILE, 0, address, member.bytes, 0, 0, 0, 0, 0};
    return bytes == 0 ||
           task_map_archive(&process->task, &server.archive_map, member.offset, bytes, address, RIGHT_READ);
}

static uint32_t pipe_make(struct process *process, struct process *parent, uint32_t i, struct start_descriptor *out)
{
    struct process_stream ours;
    uint32_t error = stream_make(parent, process, &process->piped[i], &ours);
    if (error)
        return error;
    *out = (struct start_descriptor){
        .kind = START_DESCRIPTOR_STREAM,
        .stream = (uint32_t)ours.stream,
        .address = ours.ring_address,
        .bytes = ours.ring_bytes,
        .session_address = ours.session_address,
        .session = (uint32_t)ours.session,
        .side = ours.side_generation & 1,
        .generation = (uint32_t)(ours.side_generation >> 1),
        .signal_cap = (uint32_t)ours.signal_cap,
    };
    return 0;
}

/* What the description says of the console for this program, and for its children. */
static bool is_pipe(const struct process *process, uint32_t stream)
{
    return process->description->flags & (uint32_t)SYSTEM_PIPE_INPUT << stream;
}

static uint32_t descriptors_set(struct process *process, const struct process_options *options, struct start_page *page)
{
    for (uint32_t i = 0; i < STANDARD_STREAMS; i++) {
        struct start_descriptor *descriptor = &page->descriptors[i];
        uint32_t mode = options->parent ? options->stdio >> 2 * i & 3 : PROCESS_STDIO_INHERIT;
        uint32_t error = 0;
        if (mode == PROCESS_STDIO_PIPED)
            error = pipe_make(process, options->parent, i, descriptor);
        else if (mode == PROCESS_STDIO_INHERIT && i == 0 && process_has_terminal(process))
            *descriptor = (struct start_descriptor){.kind = START_DESCRIPTOR_TERMINAL, .side = is_pipe(process, i)};
        else if (mode == PROCESS_STDIO_NULL || (i == 0 && (options->parent || !process->description->input.length)))
            descriptor->kind = START_DESCRIPTOR_NULL;
        else if (i == 0)
            error = input_map(process, descriptor) ? 0 : E_NOENT;
        else
            *descriptor =
                (struct start_descriptor){.kind = START_DESCRIPTOR_CONSOLE, .stream = i, .side = is_pipe(process, i)};
        if (error)
            return error;
    }
    return 0;
}

/* A server finds the archive in place and has its own bits of the notification while it waits for requests. */
static bool server_prepare(struct process *process, struct start_page *page)
{
    uint64_t bytes = server.archive_map.bytes, address = process->window_next;
    if (!process->is_server)
        return true;
    process->window_next += bytes + PAGE_BYTES;
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
    preopens_add(process, &writer);
    if (writer.is_full)
        return E_2BIG;
    page->pid = process->index;
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
        if (random_bytes(&server.random, page->seed, sizeof(page->seed)))
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
    uint64_t bytes = sizeof(struct start_page) + 2 * sizeof(process->name) + options->argument_bytes + 1 +
                     list_bytes(grant, grant->arguments) + list_bytes(grant, grant->environment) +
                     preopens_bytes(process);
    if (request)
        bytes += list_bytes(request, request->arguments) + list_bytes(request, request->environment);
    uint64_t rounded = PAGE_BYTES;
    while (rounded < bytes)
        rounded *= 2;
    return rounded;
}

/* What manifest and description state, the smaller share where both do; else a time slice. */
void process_budget(const struct process *process, uint64_t *budget_ns, uint64_t *period_ns)
{
    const struct system_program *program = process->description;
    const struct image_manifest *request = process->authority.request;
    uint64_t budget_us = program->cpu_budget_us, period_us = program->cpu_period_us;
    bool is_requested = request && request->cpu_budget_us > 0;
    if (is_requested && (budget_us == 0 || request->cpu_budget_us * period_us < budget_us * request->cpu_period_us)) {
        budget_us = request->cpu_budget_us;
        period_us = request->cpu_period_us;
    }
    *budget_ns = budget_us ? budget_us * 1000 : PERIOD_NS;
    *period_ns = budget_us ? period_us * 1000 : PERIOD_NS;
}

static uint32_t thread_make(struct process *process, const struct process_options *options)
{
    uint64_t bytes = start_bytes(process, options);
    cptr fault;
    if (bytes > PROCESS_START_BYTES)
        return E_2BIG;
    if (!task_slot(&process->task, &fault) ||
        cnode_mint(SERVER_CAP_CNODE, fault, SERVER_CAP_CNODE, SERVER_CAP_ENDPOINT, RIGHT_CALL | RIGHT_GRANT,
                   process_badge(PROCESS_BADGE_FAULT, process->generation, process->index)) != ERROR_NONE)
        return E_NOMEM;
    struct task_options task_options = {
        .entry = process->image->image.entry,
        .stack_bytes = DEFAULT_STACK,
        .start_bytes = bytes,
        .fault_endpoint = fault,
        .authority = SERVER_CAP_TCB,
        .sched_control = SERVER_CAP_SCHED_CONTROL,
        .priority = process->is_server ? PRIORITY_SERVER : PRIORITY_PROGRAM,
        .has_fp = !process->is_server || (process->description->flags & SYSTEM_FLOAT),
        .is_bound = process->is_server,
    };
    process_budget(process, &task_options.budget_ns, &task_options.period_ns);
    process->stack_mapped = DEFAULT_STACK;
    return task_prepare(&process->task, &task_options, server_buffer()) ? 0 : E_NOMEM;
}

static bool capabilities_grant(struct process *process)
{
    uint64_t badge = process_badge(PROCESS_BADGE_CALL, process->generation, process->index);
    process->cap_used = (1ul << PROCESS_CAP_FIRST_FREE) - 1;
    return task_grant(&process->task, PROCESS_CAP_SERVER, SERVER_CAP_ENDPOINT, RIGHT_CALL, badge) &&
           task_grant(&process->task, PROCESS_CAP_CONSOLE, SERVER_CAP_CONSOLE_MINT, RIGHT_CALL, process->index) &&
           task_grant(&process->task, PROCESS_CAP_NOTIFICATION, process->task.notification, RIGHT_RECV, 0);
}

static void console_introduce(const struct process *process)
{
    struct message m = {message_info(CONSOLE_NAME, 0, 2 + CONSOLE_NAME_BYTES / 8),
                        {process->index, (process->description->flags & SYSTEM_PREFIX ? CONSOLE_PREFIX : 0) |
                                             (process_has_terminal(process) ? CONSOLE_TERMINAL : 0) |
                                             (process->is_server ? CONSOLE_SYSTEM : 0)}};
    message_put(&m, 2, process->name, CONSOLE_NAME_BYTES);
    (void)syscall_call(PROCESS_CAP_CONSOLE, &m);
}

static uint32_t process_build(struct process *process, const struct process_options *options)
{
    const struct system_program *program = process->description;
    process->image = image_get(system_text(server.system, program->image), program->flags & SYSTEM_NATIVE);
    if (!process->image || !process->image->is_good) {
        log_text("process: %s: image '%s': %s\n", process->name, system_text(server.system, program->image),
                 process->image ? process->image->problem : "too many images");
        return E_NOENT;
    }
    uint32_t error = authority_set(process, options);
    if (error)
        return error;
    if (!task_create(&process->task, &server.pool) ||
        !task_load(&process->task, &server.archive_map, process->image->offset, &process->image->image,
                   process->image->text) ||
        !regions_map(process))
        return E_NOMEM;
    if ((error = thread_make(process, options)) || (error = start_fill(process, options)))
        return error;
    return capabilities_grant(process) ? 0 : E_NOMEM;
}

/* Everything but the arrays, whose counts are zero then. */
static void process_clear(struct process *process)
{
    struct memory self = process->self;
    memset(process, 0, offsetof(struct process, task));
    memset(&process->task, 0, offsetof(struct task, tables));
    process->self = self;
    process->task.pool = &server.pool;
}

static struct process *process_allocate(void)
{
    struct process *process = server.spare;
    struct memory memory;
    uint32_t index = 1;
    while (index <= PROCESSES && server.processes[index])
        index++;
    if (index > PROCESSES)
        return NULL;
    if (!process) {
        if (!memory_take(&server.pool, sizeof(struct process), &memory))
            return NULL;
        process = (struct process *)(void *)memory.view;
        process->self = memory;
    }
    server.spare = NULL;
    process_clear(process);
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
    if (server.spare)
        memory_return(&server.pool, &self);
    else
        server.spare = process;
}

uint32_t process_create(const struct process_options *options, struct process **made)
{
    struct process *process = process_allocate();
    if (!process)
        return E_AGAIN;
    process->program = options->program;
    process->description = system_program_at(server.system, options->program);
    process->is_top = !options->parent;
    process->is_server = process->description->flags & SYSTEM_SERVER;
    text_format(process->name, sizeof(process->name), "%s", system_text(server.system, process->description->name));
    if (options->parent) {
        process->parent = options->parent->index;
        process->parent_generation = options->parent->generation;
        options->parent->children++;
    }
    uint32_t error = process_build(process, options);
    if (error) {
        channels_process_ended(process);
        task_destroy(&process->task);
        process_forget(process);
        return error;
    }
    if (options->parent)
        options->parent->memory_extra += process->charged_to_parent;
    console_introduce(process);
    *made = process;
    return 0;
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

/* ---- growing ------------------------------------------------------------------------------------------------- */

/* More of the last chunk becomes visible; true when that was enough. */
static bool region_extend(struct process *process, struct region *region, uint64_t from, uint64_t bytes)
{
    if (!region->last_slot || from + bytes > region->capacity)
        return false;
    uint64_t first = region->last.first + (from - region->last_offset);
    for (uint64_t at = 0; at < bytes;) {
        word done = 0, level = 0;
        enum error error = frame_map(region->last_slot, process->task.vspace, region->base + from + at,
                                     RIGHT_READ | RIGHT_WRITE, 0, first + at, bytes - at, &done, &level);
        if (error == ERROR_FAILED_LOOKUP ? !task_table(&process->task, region->base + from + at, (uint32_t)level)
                                         : error != ERROR_NONE)
            return false;
        at += done;
    }
    return true;
}

/* A module that grows page by page must not cost a capability each time: a new chunk is as large as what is there
 * already, as far as the limit allows, and becomes visible as it is asked for. */
static uint64_t chunk_bytes(const struct process *process, const struct region *region, uint64_t needed)
{
    uint64_t wanted = region->capacity < 16ul << 20 ? region->capacity : 16ul << 20;
    uint64_t bytes = PAGE_BYTES;
    while (bytes < needed || bytes < wanted)
        bytes *= 2;
    while (bytes / 2 >= needed && bytes > process_memory_left(process))
        bytes /= 2;
    return bytes;
}

uint32_t process_grow(struct process *process, uint64_t base, uint64_t pages, uint64_t delta)
{
    struct region *region = NULL;
    for (uint32_t i = 0; i < process->region_count; i++)
        if (process->regions[i].base == base)
            region = &process->regions[i];
    if (!region || region->pages != pages || delta > 65536)
        return E_INVAL;
    if (pages + delta > region->max_pages)
        return E_NOMEM;
    uint64_t from = pages * WASM_PAGE_BYTES, bytes = delta * WASM_PAGE_BYTES;
    uint64_t spare = region->capacity > from ? region->capacity - from : 0;
    uint64_t part = spare < bytes ? spare : bytes;
    if (bytes - part > process_memory_left(process))
        return E_NOMEM;
    if (part > 0 && !region_extend(process, region, from, part))
        return E_NOMEM;
    if (part < bytes) {
        /* Large or odd: several powers of two, of which only the last may be larger than needed. */
        uint64_t rest = bytes - part, chunk = chunk_bytes(process, region, rest);
        if (chunk > process_memory_left(process) || chunk > 1ul << POOL_LARGEST) {
            if (!task_memory_range(&process->task, rest, base + from + part))
                return E_NOMEM;
            region->last_slot = 0;
            region->capacity = from + bytes;
        } else {
            struct memory memory;
            if (!task_memory_reserve(&process->task, chunk, base + from + part, &memory) ||
                !task_map(&process->task, memory.frame, memory.first, rest, base + from + part,
                          RIGHT_READ | RIGHT_WRITE, &region->last_slot))
                return E_NOMEM;
            region->last = memory;
            region->last_offset = from + part;
            region->capacity = from + part + chunk;
        }
    }
    region->pages += delta;
    return 0;
}

uint64_t process_stack_limit(const struct process *process)
{
    const struct image_program *program = process->image->image.program;
    uint64_t limit = STACK_LIMIT;
    if (program && program->stack_bytes > limit)
        limit = program->stack_bytes < 64 * STACK_LIMIT ? program->stack_bytes : 64 * STACK_LIMIT;
    return limit;
}

bool process_stack_extend(struct process *process, uint64_t top, uint64_t limit, uint64_t *mapped, uint64_t address)
{
    if (address >= top - *mapped)
        return false; /* it is there already: growing it again would repeat the fault for ever */
    while (top - *mapped > address) {
        uint64_t more = *mapped; /* doubling: few faults, few capabilities */
        struct memory memory;
        if (*mapped + more > limit || more > process_memory_left(process) ||
            !task_memory(&process->task, more, top - *mapped - more, RIGHT_READ | RIGHT_WRITE, &memory))
            return false;
        *mapped += more;
    }
    return true;
}

bool process_stack_grow(struct process *process, uint64_t address)
{
    if (address - PROCESS_THREAD_STACKS < PROCESS_THREADS * PROCESS_THREAD_STRIDE)
        return thread_stack_grow(process, address);
    return process_stack_extend(process, PROCESS_STACK_TOP, process_stack_limit(process), &process->stack_mapped,
                                address);
}

/* ---- trap thread --------------------------------------------------------------------------------------------- */

static void registers_at(struct user_registers *registers, uint64_t entry, uint64_t sp)
{
    *registers = (struct user_registers){0};
#if defined(__x86_64__)
    registers->rip = entry;
    registers->rsp = sp;
    registers->rflags = 0x202;
#else
    registers->pc = entry;
    registers->sp = sp;
#endif
}

/* The first thread's faults go to an endpoint of the process's own from here on, so its stack is mapped whole: nobody
 * would let it grow. The two share an IPC buffer: the second writes there only while the first is stopped. Its own
 * faults still come here and end the process. */
uint32_t process_trap_thread(struct process *process, uint64_t entry, uint64_t sp)
{
    struct task *task = &process->task;
    cptr self = SERVER_CAP_CNODE, endpoint, reply, tcb, context, own_faults, first_faults, cspace;
    struct user_registers registers;
    if (!authority_permits(&process->authority, IMAGE_MAY_TRAP_THREAD))
        return E_NOTCAPABLE;
    if (process->trap_tcb)
        return E_INVAL;
    uint64_t budget_ns, period_ns;
    process_budget(process, &budget_ns, &period_ns);
    registers_at(&registers, entry, sp);
    bool is_whole = process->stack_mapped >= process_stack_limit(process) ||
                    process_stack_grow(process, PROCESS_STACK_TOP - process_stack_limit(process));
    if (!is_whole || !task_object(task, OBJECT_ENDPOINT, 0, &endpoint) || !task_object(task, OBJECT_REPLY, 0, &reply) ||
        !task_object(task, OBJECT_TCB, 0, &tcb) || !task_object(task, OBJECT_SCHED_CONTEXT, 0, &context) ||
        !task_slot(task, &own_faults) || !task_slot(task, &first_faults) || !task_slot(task, &cspace) ||
        cnode_mint(self, cspace, self, task->cnode, RIGHT_ALL, cnode_guard(0, 32 - PROCESS_CNODE_BITS)) != ERROR_NONE ||
        cnode_mint(self, own_faults, self, SERVER_CAP_ENDPOINT, RIGHT_CALL | RIGHT_GRANT,
                   process_badge(PROCESS_BADGE_FAULT, process->generation, process->index)) != ERROR_NONE ||
        cnode_mint(self, first_faults, self, endpoint, RIGHT_CALL | RIGHT_GRANT, 1) != ERROR_NONE ||
        !task_grant(task, PROCESS_CAP_TRAP_ENDPOINT, endpoint, RIGHT_RECV, 0) ||
        !task_grant(task, PROCESS_CAP_TRAP_REPLY, reply, RIGHT_ALL, 0) ||
        tcb_configure(tcb, cspace, task->vspace, PROCESS_IPC_BUFFER, task->ipc_buffer, own_faults) != ERROR_NONE ||
        sched_control_configure(SERVER_CAP_SCHED_CONTROL, context, budget_ns, period_ns, 0, 0) != ERROR_NONE ||
        tcb_set_sched_params(tcb, SERVER_CAP_TCB, 0, PRIORITY_PROGRAM + 1, context) != ERROR_NONE ||
        tcb_set_flags(tcb, 0, TCB_FLAG_FP) != ERROR_NONE ||
        tcb_write_registers(tcb, true, server_buffer(), &registers) != ERROR_NONE ||
        tcb_set_space(task->tcb, cspace, task->vspace, first_faults) != ERROR_NONE)
        return E_NOMEM;
    process->trap_tcb = tcb;
    return 0;
}

/* ---- ending -------------------------------------------------------------------------------------------------- */

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

static void root_tell(const struct process *process, const char *text)
{
    size_t length = text_length(text);
    if (length > 400)
        length = 400;
    struct message m = {message_info(ROOT_PROGRAM_ENDED, 0, 5 + message_words(length)),
                        {process->program, process->end, process->end_status, is_expected(process, text), length}};
    message_put(&m, 5, text, length);
    (void)syscall_call(PROCESS_CAP_SERVER, &m);
}

static void children_end(const struct process *parent)
{
    for (uint32_t i = 1; i <= server.top; i++) {
        struct process *child = server.processes[i];
        if (!child || child->parent != parent->index || child->parent_generation != parent->generation)
            continue;
        if (child->end == PROCESS_RUNNING)
            process_end(child, PROCESS_ENDED_KILLED, PROCESS_KILL_PARENT, "killed: its parent ended");
        else
            process_forget(child);
    }
}

static void announce(struct process *process)
{
    struct message m = {message_info(CONSOLE_GONE, 0, 1), {process->index}};
    channels_process_ended(process);
    services_process_ended(process);
    (void)syscall_call(PROCESS_CAP_CONSOLE, &m);
}

static void memory_settle(struct process *process)
{
    struct process *parent = process_find(process->parent, process->parent_generation);
    if (parent)
        parent->memory_extra -= process->charged_to_parent;
    task_destroy(&process->task);
}

/* What processes used must be back when none is left: said each time, so that no leak stays unseen. */
static void memory_account(void)
{
    uint64_t blocks = server.pool.used_bytes[0] - ((uint64_t)server.own_blocks << POOL_BLOCK_BITS);
    uint64_t pages = server.pool.used_bytes[1] - server.own_pages - (server.spare ? server.spare->self.bytes : 0);
    for (uint32_t i = 1; i <= server.top; i++)
        if (server.processes[i])
            return;
    if (blocks || pages)
        log_text("process: MEMORY NOT RETURNED: %lu bytes of objects, %lu bytes of pages\n", blocks, pages);
    else
        log_text("process: all memory returned, %lu KiB free, %u rows of slots\n", server.pool.free_bytes >> 10,
                 server.pool.row_count);
}

/* Servers put away what they have, and exit; one that takes too long is killed. */
#define FINISH_NS       60000000000ul
#define SERVER_RESTARTS 100

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

/* At once: its clients, which are less urgent, find it there again when they run. One that ended by itself has said
 * what it lacks, and would say it again. */
static void server_restart(uint32_t program, enum process_end end)
{
    static uint32_t restarts;
    struct process_options options = {.program = program};
    struct process *process;
    const char *name = system_text(server.system, system_program_at(server.system, program)->name);
    if (end == PROCESS_ENDED_EXIT)
        server_give_up("server '%s' cannot serve", name);
    if (restarts++ == SERVER_RESTARTS || process_create(&options, &process) != 0)
        server_give_up("server '%s' ends again and again", name);
    process_run(process);
}

/* The essential programs have ended: so do the servers, and then the system. */
static void system_end(void)
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

void process_end(struct process *process, enum process_end end, uint32_t status, const char *text)
{
    bool is_essential = process_is_essential(process);
    threads_suspend(process);
    process->end = end;
    process->end_status = status;
    if (process->reply) {
        server.free_replies[server.free_reply_count++] = process->reply;
        process->reply = 0;
        process->waiting = WAITING_NOTHING;
    }
    children_end(process);
    announce(process);
    if (end != PROCESS_ENDED_EXIT)
        log_text("%s: %s\n", process->name, text);
    memory_settle(process);
    if (process->is_top)
        root_tell(process, text);
    uint32_t program = process->program;
    bool is_server = process->is_server;
    if (process->is_top)
        process_forget(process);
    else
        child_ended(process);
    if (is_server && !server.is_ending)
        server_restart(program, end);
    channels_refuse_hopeless();
    services_refuse_hopeless();
    if (is_essential)
        server.essential_left--;
    if (server.essential_left == 0)
        system_end();
}
