/* Child processes: WASIX's proc_spawn, proc_join and proc_signal, as servers/wasi/include/tessera.h restates them. */
#include "imports.h"
#include "tessera/text.h"

#define STREAMS     3
#define SIGNAL_TRAP 4
#define SIGNAL_KILL 9

/* Layouts: WASIX's option_fd, process_handles, option_pid, join_status. */
struct option_word {
    uint8_t is_some, pad[3];
    uint32_t value;
};
struct process_handles {
    uint32_t pid;
    struct option_word pipes[STREAMS];
};
struct join_status {
    uint8_t type, pad;
    uint16_t exit_code;
    uint8_t signal, pad2;
};
_Static_assert(sizeof(struct process_handles) == 28 && sizeof(struct join_status) == 6, "as in WASIX");

static uint32_t spawn_check(uint32_t chroot, const uint32_t modes[STREAMS], uint32_t folder, uint32_t folder_length)
{
    for (int i = 0; i < STREAMS; i++)
        if (modes[i] > PROCESS_STDIO_NULL)
            return EINVAL;
    if (chroot)
        return ENOTSUP;
    if (!in_memory(folder, folder_length))
        return EFAULT;
    bool is_here = folder_length == 0 || (folder_length == 1 && *(const char *)at(folder) == '.');
    return is_here ? ESUCCESS : ENOTSUP;
}

/* Arguments and directories arrive separated by line feeds and travel separated by NUL. */
struct texts {
    uint32_t address, length;
};

static void text_take(char *to, struct texts from)
{
    memcpy(to, at(from.address), from.length);
    for (uint32_t i = 0; i < from.length; i++)
        if (to[i] == '\n')
            to[i] = 0;
}

static unsigned spawn_message(struct message *m, uint32_t name, uint32_t name_length, const uint32_t modes[STREAMS],
                              struct texts args, struct texts preopen)
{
    char text[PROCESS_STRING_BYTES + 1];
    uint32_t preopen_length = preopen.length ? preopen.length + 1 : 0; /* the last one ends, too */
    text_take(text, args);
    text_take(text + args.length, preopen);
    text[args.length + preopen.length] = 0;
    word head[2] = {modes[0] | modes[1] << 2 | modes[2] << 4, args.length | (word)preopen_length << 32};
    m->words[0] = name_length;
    message_put(m, 1, at(name), name_length);
    for (unsigned i = 1 + message_words(name_length); i < PROCESS_NAME_WORDS; i++)
        message_put(m, i, &(word){0}, sizeof(word));
    message_put(m, PROCESS_NAME_WORDS, head, sizeof(head));
    message_put(m, PROCESS_NAME_WORDS + 2, text, args.length + preopen_length);
    return PROCESS_NAME_WORDS + 2 + message_words(args.length + preopen_length);
}

uint32_t WASIX(proc_spawn)(uint32_t name, uint32_t name_length, uint32_t chroot, uint32_t args, uint32_t args_length,
                           uint32_t preopen, uint32_t preopen_length, uint32_t in_mode, uint32_t out_mode,
                           uint32_t error_mode, uint32_t folder, uint32_t folder_length, uint32_t to)
{
    const uint32_t modes[STREAMS] = {in_mode, out_mode, error_mode};
    struct process_handles handles = {0};
    struct process_stream streams[STREAMS];
    struct message m = {0};
    if (!in_memory(name, name_length) || !in_memory(args, args_length) || !in_memory(preopen, preopen_length) ||
        !in_memory(to, sizeof(handles)))
        return EFAULT;
    if (!(start_page->flags & START_MAY_SPAWN))
        return refuse(PROCESS_PERMISSION_SPAWN);
    if (name_length == 0 || name_length > PROCESS_NAME_MAX)
        return EINVAL;
    if (args_length > PROCESS_STRING_BYTES || (preopen_length && preopen_length >= PROCESS_STRING_BYTES - args_length))
        return E2BIG;
    uint32_t error = spawn_check(chroot, modes, folder, folder_length);
    if (error)
        return error;
    error = process_call(PROCESS_SPAWN, &m,
                         spawn_message(&m, name, name_length, modes, (struct texts){args, args_length},
                                       (struct texts){preopen, preopen_length}));
    if (error)
        return error;
    handles.pid = (uint32_t)m.words[0];
    message_get(&m, 1, streams, sizeof(streams)); /* before the IPC buffer is used again */
    for (int i = 0, next = 0; i < STREAMS; i++) {
        if (modes[i] != PROCESS_STDIO_PIPED)
            continue;
        uint32_t fd;
        if (stream_descriptor(&streams[next++], &fd) == ESUCCESS)
            handles.pipes[i] = (struct option_word){1, {0}, fd};
    }
    memcpy(at(to), &handles, sizeof(handles));
    return ESUCCESS;
}

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
