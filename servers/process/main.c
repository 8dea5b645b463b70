/* The process server's entry and its one loop: receive, handle, answer. */
#include "server.h"
#include "tessera/clock.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/system.h"
#include "tessera/text.h"

struct server server;

static struct archive_frame archive_frames[512];

_Noreturn void server_give_up(const char *format, ...)
{
    char text[200];
    va_list arguments;
    va_start(arguments, format);
    size_t length = text_format_list(text, sizeof(text), format, arguments);
    va_end(arguments);
    struct message m = {message_info(ROOT_FAILED, 0, 1 + message_words(length)), {length}};
    message_put(&m, 1, text, length);
    for (;;)
        (void)syscall_call(PROCESS_CAP_SERVER, &m); /* the root task switches the machine off */
}

bool server_slot(cptr *slot)
{
    static cptr next, end;
    if (next == end) {
        if (!pool_row_take(&server.pool, &next))
            return false;
        end = next + POOL_ROW_SLOTS;
    }
    *slot = next++;
    return true;
}

bool server_object(enum object_type type, cptr *slot)
{
    static uint32_t block;
    if (!server_slot(slot))
        return false;
    for (int attempt = 0; attempt < 2; attempt++) {
        if (block &&
            untyped_retype_all(pool_slot(&server.pool, block), type, 0, SERVER_CAP_CNODE, *slot, 1) == ERROR_NONE)
            return true;
        if (!pool_block_take(&server.pool, &block))
            break;
        server.own_blocks++;
    }
    return false;
}

/* ---- requests ------------------------------------------------------------------------------------------------ */

static bool request_name(const struct request *request, char name[PROCESS_NAME_MAX + 1])
{
    word length = request->words[0];
    if (length == 0 || length > PROCESS_NAME_MAX || request->length < 1 + (length + 7) / 8)
        return false;
    memcpy(name, &request->words[1], length);
    name[length] = 0;
    return true;
}

/* A name with a NUL inside names nothing that anybody was granted. */
static bool name_is_text(const struct request *request, const char *name)
{
    return text_length(name) == request->words[0];
}

/* A program that tries on and on must not fill the log, nor its children: the console would hold up everybody. */
#define REFUSALS_LOGGED 20
#define QUOTAS_LOGGED   20
#define ENDS_LOGGED     100

static bool is_logged(const struct process *process, uint32_t *count, uint32_t most, const char *what)
{
    if (*count == most)
        log_text("process: %s: further %s are not logged\n", process->family->name, what);
    return *count <= most && ++*count <= most;
}

/* FNV-1a (Fowler, Noll, Vo). */
static uint32_t hash_text(uint32_t hash, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (uint8_t)text[i]) * 0x01000193;
    return hash;
}

bool refusal_is_logged(struct process *process, const char *what, const char *name, size_t bytes)
{
    uint32_t hash = hash_text(hash_text(0x811c9dc5, what, text_length(what)), name, bytes);
    if (hash == process->last_refusal)
        return false;
    process->last_refusal = hash;
    return is_logged(process, &process->family->refusals, REFUSALS_LOGGED, "refusals");
}

bool end_is_logged(struct process *process)
{
    return process->is_top || is_logged(process, &process->family->ends, ENDS_LOGGED, "ends of its children");
}

uint32_t quota_reached(struct process *process, enum quota quota, uint32_t error)
{
    static const char *const words[] = {"memory", "children", "threads", "sessions", "capabilities"};
    bool is_first = !(process->quotas_told >> quota & 1);
    process->quotas_told |= 1u << quota;
    if (is_first && is_logged(process, &process->family->quotas, QUOTAS_LOGGED, "quotas that are used up")) {
        if (quota == QUOTA_SHARE)
            log_text("process: %s: no more for it and its family: what the system has left is for the others\n",
                     process->name);
        else if (quota == QUOTA_MEMORY)
            log_text("process: %s: its quota of memory is used up: %lu KiB\n", process->name,
                     process->memory_limit >> 10);
        else
            log_text("process: %s: its quota of %s is used up\n", process->name, words[quota]);
    }
    return error;
}

void log_refusal(struct process *process, const char *what, const char *name)
{
    if (refusal_is_logged(process, what, name, text_length(name)))
        log_text("process: %s: refused: %s '%s' is not granted\n", process->name, what, name);
}

static uint32_t handle_named(struct process *process, const struct request *request, word *results, unsigned *count)
{
    char name[PROCESS_NAME_MAX + 1];
    enum authority_kind kind = AUTHORITY_SERVE;
    uint32_t error = E_NOTCAPABLE;
    if (!request_name(request, name))
        return E_INVAL;
    bool is_text = name_is_text(request, name);
    switch (request->operation) {
    case PROCESS_LISTEN:
        if (is_text)
            error = channel_listen(process, name, results);
        *count = 1;
        break;
    case PROCESS_CONNECT:
        kind = AUTHORITY_CONNECT;
        if (is_text)
            error = channel_connect(process, name, (struct process_stream *)(void *)results);
        *count = sizeof(struct process_stream) / sizeof(word);
        break;
    case PROCESS_SERVICE_LISTEN:
        kind = AUTHORITY_SERVICE_SERVE;
        if (is_text)
            error = service_listen(
                process, name, request->length > PROCESS_NAME_WORDS ? request->words[PROCESS_NAME_WORDS] : 0, results);
        *count = 2;
        break;
    case PROCESS_DEVICE_OPEN:
        kind = AUTHORITY_DEVICE;
        if (is_text)
            error = device_open(process, name, results, count);
        break;
    default:
        kind = AUTHORITY_SERVICE_CONNECT;
        if (is_text)
            error = service_open(process, name, results);
        *count = 2;
        break;
    }
    if (error == E_NOTCAPABLE)
        log_refusal(process, authority_word(kind), name);
    return error;
}

static uint32_t timer_give(struct process *process)
{
    cptr timer, slot;
    if (process->task.timer)
        return 0;
    if (!task_object(&process->task, OBJECT_TIMER, 0, &timer) || !task_slot(&process->task, &slot) ||
        cnode_mint(SERVER_CAP_CNODE, slot, SERVER_CAP_CNODE, process->task.notification, RIGHT_SEND,
                   PROCESS_SIGNAL_TIMER) != ERROR_NONE ||
        timer_bind(timer, slot, process->task.sched_context) != ERROR_NONE ||
        !task_grant(&process->task, PROCESS_CAP_TIMER, timer, RIGHT_ALL, 0))
        return E_NOMEM;
    process->task.timer = timer;
    return 0;
}

static void log_permission(struct process *process, word permission)
{
    static const char *const words[PROCESS_PERMISSION_COUNT] = {"?", "clock", "random", "spawn", "fs", "net"};
    if (permission > 0 && permission < PROCESS_PERMISSION_COUNT)
        log_refusal(process, "permission", words[permission]);
}

/* One request; the errno of the answer. The process may be gone or waiting afterwards: *is_answered is then false. */
static uint32_t handle(struct process *process, const struct request *request, word *results, unsigned *count,
                       bool *is_answered)
{
    uint32_t error = 0;
    char text[40];
    switch (request->operation) {
    case PROCESS_EXIT:
        text_format(text, sizeof(text), "exit %u", (uint32_t)request->words[0]);
        process_end(process, PROCESS_ENDED_EXIT, (uint32_t)request->words[0], text);
        *is_answered = false;
        return 0;
    case PROCESS_GROW:
        results[0] = request->words[1];
        *count = 1;
        return process_grow(process, request->words[0], request->words[1], request->words[2]);
    case PROCESS_TIMER:
        return timer_give(process);
    case PROCESS_LISTEN:
    case PROCESS_CONNECT:
    case PROCESS_SERVICE_LISTEN:
    case PROCESS_SERVICE_OPEN:
    case PROCESS_DEVICE_OPEN:
        error = handle_named(process, request, results, count);
        break;
    case PROCESS_UNLISTEN:
        return channel_unlisten(process, request->words[0]);
    case PROCESS_PENDING:
        *count = 1;
        return channel_pending(process, request->words[0], results);
    case PROCESS_ACCEPT:
        *count = sizeof(struct process_stream) / sizeof(word);
        return channel_accept(process, request->words[0], (struct process_stream *)(void *)results);
    case PROCESS_STREAM_CLOSE:
        return stream_close_side(process, request->words[0], request->words[1]);
    case PROCESS_STREAM_MAKE:
        *count = 2 * sizeof(struct process_stream) / sizeof(word);
        return stream_offer(process, request->words[0], request->words[1] == 1,
                            (struct process_stream *)(void *)results);
    case PROCESS_STREAM_GROW:
        *count = 1;
        return stream_grow_side(process, request->words, results);
    case PROCESS_STREAM_RING:
        *count = 2;
        return stream_ring(process, request->words[0], request->words[1], results);
    case PROCESS_SERVICE_WINDOW:
        *count = 1;
        return service_window(process, request->words[0], results);
    case PROCESS_SERVICE_PARTY:
        return service_party(process, request->words[0], results, count);
    case PROCESS_FILES_OPEN:
        *count = 2;
        error = files_open(process, request->words[0], results);
        break;
    case PROCESS_FILES_GRANT:
        return files_describe(process, request->words[0], request->words[1], results, count);
    case PROCESS_NET_OPEN:
        *count = 2;
        error = net_open(process, results);
        break;
    case PROCESS_NET_GRANT:
        return net_describe(process, request->words[0], request->words[1], results, count);
    case PROCESS_NET_REFUSED:
        return net_refused(process, request);
    case PROCESS_SPAWN:
        return child_spawn(process, request, results, count);
    case PROCESS_PIPE:
        *count = 2 * sizeof(struct process_stream) / sizeof(word);
        return pipe_make(process, process, (struct process_stream *)(void *)results,
                         (struct process_stream *)(void *)results + 1);
    case PROCESS_JOIN:
        *count = 3;
        error = child_join(process, request->words[0], request->words[1] == 0, results);
        break;
    case PROCESS_SIGNAL:
        return child_signal(process, request->words[0], request->words[1]);
    case PROCESS_TRAP_THREAD:
        return process_trap_thread(process, request->words[0], request->words[1]);
    case PROCESS_THREAD_START:
        *count = 1;
        return thread_start(process, request->words[0], request->words[1], results);
    case PROCESS_THREAD_EXIT:
        error = thread_exit(process, request->words[0]);
        *is_answered = error != 0;
        return error;
    case PROCESS_CPU_TIME:
        *count = 1;
        return thread_cpu_time(process, request->words[0], results);
    case PROCESS_REFUSED:
        log_permission(process, request->words[0]);
        return 0;
    default:
        return E_NOSYS;
    }
    *is_answered = process->waiting == WAITING_NOTHING;
    return error;
}

/* What one thread may ask while another waits for an answer. */
static bool is_of_any_thread(word operation)
{
    return operation == PROCESS_EXIT || operation == PROCESS_GROW || operation == PROCESS_THREAD_START ||
           operation == PROCESS_THREAD_EXIT || operation == PROCESS_CPU_TIME;
}

static void request_copy(const struct message *m, struct request *request)
{
    request->operation = message_info_label(m->info);
    request->length = (unsigned)message_info_length(m->info);
    memcpy(request->words, m->words, sizeof(m->words));
    for (unsigned i = MESSAGE_REGISTERS; i < MESSAGE_WORDS; i++)
        request->words[i] = i < request->length ? server_buffer()->words[i] : 0;
    for (unsigned i = request->length; i < MESSAGE_REGISTERS; i++)
        request->words[i] = 0;
}

/* The console has input. */
static void input_announce(void)
{
    for (uint32_t i = 1; i <= server.top; i++)
        if (server.processes[i] && server.processes[i]->end == PROCESS_RUNNING && server.processes[i]->has_terminal)
            process_signal_event(server.processes[i]);
}

/* Handles what was received; true when *m is the answer to send. */
static bool dispatch(struct message *m, word badge)
{
    static struct request request;
    word results[MESSAGE_WORDS];
    unsigned count = 0;
    bool is_answered = true;
    if (badge & BADGE_NOTIFY) {
        if ((badge & SERVER_SIGNAL_INPUT) == SERVER_SIGNAL_INPUT)
            input_announce();
        if ((badge & SERVER_SIGNAL_ENTROPY) == SERVER_SIGNAL_ENTROPY)
            entropy_take();
        deadlines_check();
        return false;
    }
    struct process *process = process_find(badge & 0xffff, (uint32_t)(badge >> 16));
    switch ((enum process_badge)(badge >> 48 & 0xff)) {
    case PROCESS_BADGE_DEAD_SERVICE:
        *m = (struct message){message_info(SERVICE_STATUS_SYSTEM | E_CONNABORTED, 0, 1), {0}};
        return true;
    case PROCESS_BADGE_FAULT:
        if (!process)
            return false;
        if (!fault_handle(process, (uint32_t)(badge >> PROCESS_BADGE_THREAD_SHIFT) & 0xf, m))
            return false;
        m->info = message_info(0, 0, 2); /* words 0 and 1 go back unchanged: restart */
        return true;
    case PROCESS_BADGE_CALL:
        break;
    default:
        return false;
    }
    if (!process)
        return false;
    request_copy(m, &request);
    if (process->waiting && !is_of_any_thread(request.operation))
        return false; /* the program's business: one thread at a time */
    uint32_t error = handle(process, &request, results, &count, &is_answered);
    if (!is_answered)
        return false;
    *m = (struct message){message_info(error, 0, error ? 0 : count), {0}};
    if (!error)
        message_put(m, 0, results, count * sizeof(word));
    return true;
}

_Noreturn static void serve(void)
{
    struct message m;
    word badge;
    (void)syscall_recv(SERVER_CAP_ENDPOINT, server.reply, &m, &badge);
    for (;;) {
        if (dispatch(&m, badge))
            (void)syscall_reply_recv(SERVER_CAP_ENDPOINT, server.reply, &m, &badge);
        else
            (void)syscall_recv(SERVER_CAP_ENDPOINT, server.reply, &m, &badge);
    }
}

/* ---- start --------------------------------------------------------------------------------------------------- */

/* Of this file: the linker refers to others' functions through a table that lies too far away. */
static bool memory_reclaim(void)
{
    return shells_drop();
}

static bool memory_grow(void)
{
    return slots_grow();
}

/* A running process grows: at its own expense, and when rows are short not beyond what everyone may have. */
static bool memory_charge(void *task, uint64_t bytes)
{
    struct process *process = (struct process *)(void *)((char *)task - offsetof(struct process, task));
    if (bytes > process_memory_left(process))
        return quota_reached(process, QUOTA_MEMORY, false);
    return bytes > 0 || process->task.row_count < PROCESS_FEW_ROWS || !process_is_last(process->family) ||
           quota_reached(process, QUOTA_SHARE, false);
}

static bool memory_collect(void)
{
    const uint64_t *words = server.start->words;
    const struct server_memory *table = (const struct server_memory *)words[SERVER_WORD_TABLE];
    uint64_t untypeds = words[SERVER_WORD_UNTYPEDS], frames = words[SERVER_WORD_ARCHIVE_FRAMES];
    cptr first = ((cptr)words[SERVER_WORD_EMPTY] + POOL_ROW_SLOTS - 1) / POOL_ROW_SLOTS * POOL_ROW_SLOTS;
    pool_open(&server.pool, SERVER_CAP_CNODE, SERVER_CAP_VSPACE, first, 1u << PROCESS_SERVER_CNODE_BITS);
    server.pool.reclaim = memory_reclaim;
    server.pool.grow = memory_grow;
    server.pool.charge = memory_charge;
    for (uint64_t i = 0; i < untypeds; i++)
        (void)pool_add_untyped(&server.pool, (cptr)(SERVER_CAP_UNTYPEDS + i), table[i].address,
                               (uint32_t)table[i].size_bits);
    for (uint64_t i = 0; i < frames && i < sizeof(archive_frames) / sizeof(archive_frames[0]); i++)
        archive_frames[i] = (struct archive_frame){table[untypeds + i].address, table[untypeds + i].size_bits,
                                                   (cptr)(SERVER_CAP_UNTYPEDS + untypeds + i)};
    server.archive_map = (struct archive_map){
        .base = (const uint8_t *)words[SERVER_WORD_ARCHIVE],
        .address = words[SERVER_WORD_ARCHIVE_ADDRESS],
        .bytes = words[SERVER_WORD_ARCHIVE_BYTES],
        .frames = archive_frames,
        .frame_count = (uint32_t)frames,
    };
    return untypeds > 0;
}

static bool objects_make(void)
{
    cptr signal;
    server.used_numbers[0] = 1; /* 0 is none */
    server.reply = SERVER_CAP_REPLY;
    server.own_pages = SERVICE_WINDOW_MAX;
    return server_object(OBJECT_TIMER, &server.timer) && server_object(OBJECT_NOTIFICATION, &server.nobody) &&
           memory_take(&server.pool, SERVICE_WINDOW_MAX, &server.nowhere) && server_slot(&signal) &&
           cnode_mint(SERVER_CAP_CNODE, signal, SERVER_CAP_CNODE, SERVER_CAP_NOTIFICATION, RIGHT_SEND, BADGE_NOTIFY) ==
               ERROR_NONE &&
           timer_bind(server.timer, signal, SERVER_CAP_SCHED_CONTEXT) == ERROR_NONE;
}

static void system_open(void)
{
    struct archive_member member;
    const char *problem =
        archive_open(&server.archive, server.archive_map.base, server.start->words[SERVER_WORD_ARCHIVE_BYTES]);
    if (!problem && !archive_find(&server.archive, SYSTEM_MEMBER, &member))
        problem = "the archive has no system description";
    if (!problem)
        problem = system_check(member.data, member.bytes);
    if (problem)
        server_give_up("%s", problem);
    server.system = (const struct system_header *)(const void *)member.data;
}

/* What the description starts. One that cannot be started is reported like one that failed; the others run. */
static void programs_start(void)
{
    static struct process *made[SYSTEM_PROGRAMS];
    char missing[400];
    uint32_t count = 0, essential = 0;
    for (uint32_t i = 0; i < server.system->program_count; i++) {
        const struct system_program *program = system_program_at(server.system, i);
        bool is_over;
        if (!(program->flags & SYSTEM_START))
            continue;
        bool is_essential = (program->flags & SYSTEM_ESSENTIAL) && !(program->flags & SYSTEM_SERVER);
        essential += is_essential ? 1 : 0;
        struct process *process = supervise_start(i, &is_over);
        server.essential_left += is_essential && !is_over ? 1 : 0;
        if (!process)
            continue;
        if (authority_missing(&process->authority, missing, sizeof(missing)) > 0)
            log_text("process: %s: requested but not granted: %s\n", process->name, missing);
        made[count++] = process;
    }
    server.started = count;
    if (essential == 0)
        server_give_up("the system description starts no essential program");
    for (uint32_t i = 0; i < count; i++)
        process_run(made[i]);
    if (server.essential_left == 0)
        system_end();
}

int program_main(const struct start_page *start)
{
    server.start = start;
    server.generation = 0;
    if (!memory_collect() || !objects_make())
        server_give_up("no memory to start with");
    system_open();
    entropy_start();
    programs_start();
    serve();
}
