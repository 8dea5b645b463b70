/* Child processes: WASIX's proc_spawn, proc_spawn2, proc_join, proc_signal, proc_id, proc_parent and fd_pipe, as
 * servers/wasi/include/tessera.h restates them. */
#include "imports.h"
#include "tessera/text.h"

#define SIGNAL_TRAP 4
#define SIGNAL_KILL 9

/* Layouts: WASIX's option_fd, process_handles, option_pid, join_status. */
struct option_word {
    uint8_t is_some, pad[3];
    uint32_t value;
};
struct process_handles {
    uint32_t pid;
    struct option_word pipes[STANDARD_STREAMS];
};
struct join_status {
    uint8_t type, pad;
    uint16_t exit_code;
    uint8_t signal, pad2;
};
_Static_assert(sizeof(struct process_handles) == 28 && sizeof(struct join_status) == 6, "as in WASIX");

/* What a child begins with. Lists of texts have a line feed between any two. */
struct text {
    uint32_t address, length;
};
struct spawn {
    struct text name, args, environment, preopens;
    bool has_environment;
    uint8_t modes[STANDARD_STREAMS];       /* enum process_stdio */
    uint8_t console[STANDARD_STREAMS];     /* INHERIT: which stream of the console; 0: the one of its number */
    uint32_t descriptor[STANDARD_STREAMS]; /* GIVEN: ours */
    struct opens *opens;                   /* files, in the place of NULL; NULL: none, ever */
};

static bool text_is_ours(struct text text)
{
    return in_memory(text.address, text.length);
}

static uint32_t spawn_check(const struct spawn *spawn)
{
    if (!text_is_ours(spawn->name) || !text_is_ours(spawn->args) || !text_is_ours(spawn->environment) ||
        !text_is_ours(spawn->preopens))
        return EFAULT;
    if (!(start_page->flags & START_MAY_SPAWN))
        return refuse(PROCESS_PERMISSION_SPAWN);
    return spawn->name.length == 0 || spawn->name.length > PROCESS_NAME_MAX ? EINVAL : ESUCCESS;
}

/* A pipe's end is given once; the child's library has it by its other numbers, too. */
static void spawn_given_once(struct spawn *spawn)
{
    for (uint32_t fd = 1; fd < STANDARD_STREAMS; fd++)
        for (uint32_t other = 0; other < fd && spawn->modes[fd] == PROCESS_STDIO_GIVEN; other++)
            if (spawn->modes[other] == PROCESS_STDIO_GIVEN && spawn->descriptor[other] == spawn->descriptor[fd]) {
                spawn->modes[fd] = PROCESS_STDIO_NULL;
                spawn->opens->same_as[fd] = (uint8_t)(other + 1);
            }
}

/* *m: the answer. */
static uint32_t spawn_call(const struct spawn *spawn, struct message *m)
{
    char opens[OPENS_BYTES];
    uint32_t opens_bytes = spawn->opens ? opens_write(spawn->opens, opens) : 0;
    word how[] = {spawn->has_environment ? PROCESS_SPAWN_ENVIRONMENT : 0,
                  spawn->args.address,
                  spawn->args.length,
                  spawn->environment.address,
                  spawn->environment.length,
                  spawn->preopens.address,
                  spawn->preopens.length,
                  (word)(uintptr_t)opens,
                  opens_bytes,
                  0,
                  0,
                  0};
    unsigned count = 9;
    *m = (struct message){0, {spawn->name.length}};
    for (unsigned i = 0; i < STANDARD_STREAMS; i++) {
        how[0] |= (word)spawn->modes[i] << 2 * i | (word)spawn->console[i] << (PROCESS_SPAWN_CONSOLE + 2 * i);
        if (spawn->modes[i] == PROCESS_STDIO_GIVEN)
            how[count++] = descriptor_at(spawn->descriptor[i])->session;
    }
    message_put(m, 1, at(spawn->name.address), spawn->name.length);
    for (unsigned i = 1 + message_words(spawn->name.length); i < PROCESS_NAME_WORDS; i++)
        message_put(m, i, &(word){0}, sizeof(word));
    message_put(m, PROCESS_NAME_WORDS, how, count * sizeof(word));
    return process_call(PROCESS_SPAWN, m, PROCESS_NAME_WORDS + count);
}

uint32_t WASIX(proc_spawn)(uint32_t name, uint32_t name_length, uint32_t chroot, uint32_t args, uint32_t args_length,
                           uint32_t preopen, uint32_t preopen_length, uint32_t in_mode, uint32_t out_mode,
                           uint32_t error_mode, uint32_t folder, uint32_t folder_length, uint32_t to)
{
    const uint32_t modes[STANDARD_STREAMS] = {in_mode, out_mode, error_mode};
    struct spawn spawn = {
        .name = {name, name_length}, .args = {args, args_length}, .preopens = {preopen, preopen_length}};
    struct process_handles handles = {0};
    struct process_stream streams[STANDARD_STREAMS];
    struct message m;
    if (!in_memory(to, sizeof(handles)) || !in_memory(folder, folder_length))
        return EFAULT;
    uint32_t error = spawn_check(&spawn);
    for (int i = 0; i < STANDARD_STREAMS && !error; i++) {
        error = modes[i] > PROCESS_STDIO_NULL ? EINVAL : ESUCCESS;
        spawn.modes[i] = (uint8_t)modes[i];
    }
    bool is_here = folder_length == 0 || (folder_length == 1 && *(const char *)at(folder) == '.');
    if (!error && (chroot || !is_here))
        error = ENOTSUP;
    if (error || (error = spawn_call(&spawn, &m)))
        return error;
    handles.pid = (uint32_t)m.words[0];
    message_get(&m, 1, streams, sizeof(streams)); /* before the IPC buffer is used again */
    for (int i = 0, next = 0; i < STANDARD_STREAMS; i++) {
        if (modes[i] != PROCESS_STDIO_PIPED)
            continue;
        uint32_t fd;
        if (stream_descriptor(&streams[next++], &fd) == ESUCCESS)
            handles.pipes[i] = (struct option_word){1, {0}, fd};
    }
    memcpy(at(to), &handles, sizeof(handles));
    return ESUCCESS;
}

/* ---- proc_spawn2: as posix_spawn has it ---------------------------------------------------------------------- */

enum { OPERATION_CLOSE = 0, OPERATION_DUP2, OPERATION_OPEN, OPERATION_CHDIR, OPERATION_FCHDIR };
/* Layout: WASIX's proc_spawn_fd_op. */
struct descriptor_operation {
    uint8_t command, pad[3];
    uint32_t fd, from, path, path_length, look;
    uint16_t open, pad2[3];
    uint64_t base, inheriting;
    uint16_t flags, flags_more;
    uint32_t pad3;
};
_Static_assert(sizeof(struct descriptor_operation) == 56, "as in WASIX");
struct signal_disposition {
    uint8_t signal, disposition; /* 0: the default */
};

/* The child's `fd` is to be what the parent has as `from`. */
static uint32_t spawn_give(struct spawn *spawn, uint32_t fd, uint32_t from)
{
    const struct descriptor *descriptor = descriptor_get(from);
    if (!descriptor)
        return EBADF;
    spawn->opens->files[fd].is_used = false;
    switch ((enum descriptor_kind)descriptor->kind) {
    case FD_NULL:
        spawn->modes[fd] = PROCESS_STDIO_NULL;
        return ESUCCESS;
    case FD_CONSOLE:
        spawn->modes[fd] = PROCESS_STDIO_INHERIT;
        spawn->console[fd] = descriptor->stream;
        return fd == 0 ? ENOTSUP : ESUCCESS;
    case FD_TERMINAL:
        spawn->modes[fd] = PROCESS_STDIO_INHERIT;
        return fd == 0 ? ESUCCESS : ENOTSUP;
    case FD_STREAM:
        if (!(descriptor->rights & (fd == 0 ? RIGHT_FD_READ : RIGHT_FD_WRITE)))
            return ENOTCAPABLE;
        spawn->modes[fd] = PROCESS_STDIO_GIVEN;
        spawn->descriptor[fd] = from;
        return ESUCCESS;
    default:
        return ENOTSUP;
    }
}

/* Below 3 the child's own, as far as the operations went; else its parent's. */
static uint32_t spawn_duplicate(struct spawn *spawn, uint32_t fd, uint32_t from)
{
    if (fd >= STANDARD_STREAMS)
        return ENOTSUP;
    if (from >= STANDARD_STREAMS)
        return spawn_give(spawn, fd, from);
    if (fd == from)
        return ESUCCESS;
    if (spawn->modes[from] == PROCESS_STDIO_GIVEN)
        return spawn_give(spawn, fd, spawn->descriptor[from]);
    spawn->opens->files[fd] = spawn->opens->files[from];
    if (spawn->opens->files[fd].is_used) {
        spawn->modes[fd] = PROCESS_STDIO_NULL;
        return ESUCCESS;
    }
    bool is_console = spawn->modes[from] == PROCESS_STDIO_INHERIT && from > 0 && fd > 0;
    if (!is_console && spawn->modes[from] != PROCESS_STDIO_NULL)
        return ENOTSUP;
    spawn->modes[fd] = spawn->modes[from];
    spawn->console[fd] = spawn->console[from] ? spawn->console[from] : (uint8_t)from;
    return ESUCCESS;
}

static void spawn_clear(struct spawn *spawn, uint32_t fd)
{
    spawn->modes[fd] = PROCESS_STDIO_NULL;
    spawn->opens->files[fd].is_used = false;
}

static uint32_t spawn_operation(struct spawn *spawn, const struct descriptor_operation *operation)
{
    bool has_path = operation->command == OPERATION_OPEN || operation->command == OPERATION_CHDIR;
    if (has_path && !in_memory(operation->path, operation->path_length))
        return EFAULT;
    switch (operation->command) {
    case OPERATION_CLOSE: /* of the others it gets none anyway */
        if (operation->fd < STANDARD_STREAMS)
            spawn_clear(spawn, operation->fd);
        return ESUCCESS;
    case OPERATION_DUP2:
        return spawn_duplicate(spawn, operation->fd, operation->from);
    case OPERATION_OPEN:
        if (operation->fd >= STANDARD_STREAMS)
            return ENOTSUP; /* it has no others */
        spawn_clear(spawn, operation->fd);
        return opens_add(spawn->opens, operation->fd, at(operation->path), operation->path_length, operation->look,
                         operation->open, operation->base, operation->flags);
    case OPERATION_CHDIR:
        return opens_enter(spawn->opens, at(operation->path), operation->path_length);
    case OPERATION_FCHDIR: /* an open directory does not know its path */
        return ENOTSUP;
    default:
        return EINVAL;
    }
}

static uint32_t spawn_operations(struct spawn *spawn, uint32_t operations, uint32_t count)
{
    struct descriptor_operation operation;
    uint32_t error = in_memory(operations, (uint64_t)count * sizeof(operation)) ? ESUCCESS : EFAULT;
    for (uint32_t i = 0; i < count && !error; i++) {
        memcpy(&operation, at(operations + i * (uint32_t)sizeof(operation)), sizeof(operation));
        error = spawn_operation(spawn, &operation);
    }
    return error;
}

/* Programs cannot handle signals: every one does what it does by default. */
static uint32_t signals_check(uint32_t actions, uint32_t count)
{
    struct signal_disposition action;
    if (!in_memory(actions, (uint64_t)count * sizeof(action)))
        return EFAULT;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(&action, at(actions + i * (uint32_t)sizeof(action)), sizeof(action));
        if (action.disposition != 0)
            return ENOTSUP;
    }
    return ESUCCESS;
}

/* What was given is the child's; here its descriptors stay until they are closed, and are nothing. */
static void spawn_given(const struct spawn *spawn)
{
    for (uint32_t i = 0; i < STANDARD_STREAMS; i++) {
        if (spawn->modes[i] != PROCESS_STDIO_GIVEN)
            continue;
        struct descriptor *descriptor = descriptor_at(spawn->descriptor[i]);
        session_forget(descriptor->session, descriptor->ends.index);
        descriptor->kind = FD_GIVEN;
    }
}

uint32_t WASIX(proc_spawn2)(uint32_t name, uint32_t name_length, uint32_t args, uint32_t args_length,
                            uint32_t environment, uint32_t environment_length, uint32_t operations, uint32_t count,
                            uint32_t actions, uint32_t action_count, uint32_t search, uint32_t path,
                            uint32_t path_length, uint32_t to)
{
    struct opens opens;
    struct spawn spawn = {.name = {name, name_length},
                          .args = {args, args_length},
                          .environment = {environment, environment ? environment_length : 0},
                          .has_environment = environment != 0,
                          .modes = {PROCESS_STDIO_INHERIT, PROCESS_STDIO_INHERIT, PROCESS_STDIO_INHERIT},
                          .opens = &opens};
    struct message m;
    memset(&opens, 0, sizeof(opens));
    if (!in_memory(to, sizeof(uint32_t)) || !in_memory(path, path_length))
        return EFAULT;
    if (search > 1)
        return EINVAL;
    uint32_t error = spawn_check(&spawn);
    if (error || (error = signals_check(actions, action_count)) ||
        (error = spawn_operations(&spawn, operations, count)))
        return error;
    spawn_given_once(&spawn);
    if ((error = spawn_call(&spawn, &m)))
        return error;
    spawn_given(&spawn);
    uint32_t pid = (uint32_t)m.words[0];
    memcpy(at(to), &pid, sizeof(pid));
    return ESUCCESS;
}

/* ---- pipes, numbers ------------------------------------------------------------------------------------------ */

uint32_t WASIX(fd_pipe)(uint32_t reading, uint32_t writing)
{
    struct process_stream streams[2];
    struct message m = {0};
    uint32_t fds[2];
    if (!in_memory(reading, sizeof(fds[0])) || !in_memory(writing, sizeof(fds[1])))
        return EFAULT;
    uint32_t error = process_call(PROCESS_PIPE, &m, 0);
    if (error)
        return error;
    message_get(&m, 0, streams, sizeof(streams));    /* before the IPC buffer is used again */
    error = stream_descriptor(&streams[0], &fds[0]); /* each gives its end back when it fails */
    uint32_t other_error = stream_descriptor(&streams[1], &fds[1]);
    if (error || other_error) {
        if (!error)
            descriptor_close(fds[0]);
        if (!other_error)
            descriptor_close(fds[1]);
        return error ? error : other_error;
    }
    descriptor_at(fds[0])->rights &= ~(uint64_t)RIGHT_FD_WRITE;
    descriptor_at(fds[1])->rights &= ~(uint64_t)RIGHT_FD_READ;
    memcpy(at(reading), &fds[0], sizeof(fds[0]));
    memcpy(at(writing), &fds[1], sizeof(fds[1]));
    return ESUCCESS;
}

uint32_t WASIX(proc_id)(uint32_t to)
{
    if (!in_memory(to, sizeof(start_page->pid)))
        return EFAULT;
    memcpy(at(to), &start_page->pid, sizeof(start_page->pid));
    return ESUCCESS;
}

uint32_t WASIX(proc_parent)(uint32_t pid, uint32_t to)
{
    struct message m = {0, {pid, 0}};
    if (!in_memory(to, sizeof(pid)))
        return EFAULT;
    bool is_own = pid == start_page->pid;
    uint32_t error = is_own ? ESUCCESS : process_call(PROCESS_SIGNAL, &m, 2); /* a child's is this process */
    if (!error)
        memcpy(at(to), is_own ? &start_page->parent_pid : &start_page->pid, sizeof(pid));
    return error;
}

/* ---- what becomes of a child --------------------------------------------------------------------------------- */

#define JOIN_NON_BLOCKING 1u
enum { JOIN_NOTHING = 0, JOIN_EXIT_NORMAL, JOIN_EXIT_SIGNAL };

uint32_t WASIX(proc_join)(uint32_t pid, uint32_t flags, uint32_t to)
{
    struct option_word which;
    struct join_status status = {0};
    if (!in_memory(pid, sizeof(which)) || !in_memory(to, sizeof(status)))
        return EFAULT;
    memcpy(&which, at(pid), sizeof(which));
    struct message m = {0, {which.is_some ? which.value : 0, flags & JOIN_NON_BLOCKING}};
    if (which.is_some && which.value == 0) {
        memcpy(at(to), &status, sizeof(status));
        return ECHILD;
    }
    uint32_t error = process_call(PROCESS_JOIN, &m, 2);
    if (error == ESUCCESS && m.words[1] != PROCESS_RUNNING) {
        bool is_exit = m.words[1] == PROCESS_ENDED_EXIT;
        uint32_t signal = m.words[1] == PROCESS_ENDED_TRAP ? SIGNAL_TRAP : SIGNAL_KILL;
        if (m.words[1] == PROCESS_ENDED_KILLED && m.words[2] > PROCESS_KILL_SIGNAL)
            signal = (uint32_t)m.words[2] - PROCESS_KILL_SIGNAL;
        status.type = is_exit ? JOIN_EXIT_NORMAL : JOIN_EXIT_SIGNAL;
        status.exit_code = (uint16_t)(is_exit ? m.words[2] : 128 + signal);
        status.signal = is_exit ? 0 : (uint8_t)signal;
        which = (struct option_word){1, {0}, (uint32_t)m.words[0]};
        memcpy(at(pid), &which, sizeof(which));
    }
    memcpy(at(to), &status, sizeof(status));
    return error;
}

uint32_t WASIX(proc_signal)(uint32_t pid, uint32_t signal)
{
    struct message m = {0, {pid, signal}};
    return process_call(PROCESS_SIGNAL, &m, 2);
}
