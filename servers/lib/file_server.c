/* See tessera/file_server.h. One request at a time, each from decoding to answer. */
#include "tessera/file_server.h"

#include "file_request.h"
#include "proto/process.h"
#include "tessera/clock.h"
#include "tessera/server.h"
#include "tessera/text.h"

const struct file_backend *file_backend;
static const struct start_page *page;
static const char *service_name;

uint64_t file_server_now_ns(void)
{
    return page->realtime_ns ? clock_ns(clock_ticks(), page->timer_multiplier, page->timer_shift) + page->realtime_ns
                             : 0;
}

const char *file_server_name(void)
{
    return service_name;
}

static uint32_t handle_request(const struct request *request, word operation)
{
    const word *words = request->words;
    struct handle *handle = request->handle;
    switch (operation) {
    case FS_OPEN:
        return file_open(request);
    case FS_CLOSE:
        handle_close(request->session, handle);
        return FS_OK;
    case FS_READ:
        return file_read(request);
    case FS_WRITE:
        return file_write(request);
    case FS_STAT:
        return file_stat_put(request, handle->file, handle->mount);
    case FS_STAT_PATH:
        return path_stat(request);
    case FS_RESIZE:
        return file_changed_size(request, words[1], false);
    case FS_ALLOCATE:
        return file_changed_size(request, words[2], true);
    case FS_TIMES:
        return handle->access & FS_MAY_WRITE ? file_times(handle->file, words[1], words[2], words[3]) : FS_ENOTCAPABLE;
    case FS_TIMES_PATH:
        return path_times(request);
    case FS_SYNC:
        return file_backend->sync(handle->file, words[1] == 1);
    case FS_LIST:
        return directory_list(request);
    case FS_MAKE_DIRECTORY:
        return directory_make(request);
    case FS_REMOVE_DIRECTORY:
        return directory_remove(request);
    case FS_UNLINK:
        return file_unlink(request);
    case FS_RENAME:
        return file_rename(request);
    case FS_LINK:
        return file_link(request);
    case FS_SYMLINK:
        return link_make(request);
    case FS_READLINK:
        return link_read(request);
    default:
        return FS_ENOSYS;
    }
}

/* A file may be gone after it. */
static bool may_free(word operation)
{
    return operation == FS_CLOSE || operation == FS_UNLINK || operation == FS_RENAME;
}

static void answer(struct message *m, word badge)
{
    word results[MESSAGE_REGISTERS] = {0};
    struct request request = {.words = m->words, .results = results};
    word operation = message_info_label(m->info);
    uint32_t error = session_get(badge, &request.session);
    if (!error) {
        request.window = session_window(request.session);
        request.handle = handle_find(request.session, m->words[0]);
        error = operation == FS_ROOT ? root_open(&request)
                : request.handle     ? handle_request(&request, operation)
                                     : FS_EBADF;
    }
    if ((error == FS_ENOSPC || may_free(operation)) && file_backend->tidy() && error == FS_ENOSPC)
        error = FS_MORE;
    m->info = message_info(error, 0, MESSAGE_REGISTERS);
    memcpy(m->words, results, sizeof(results));
}

/* Endpoint and reply object. */
static void service_begin(word caps[2])
{
    size_t length = text_length(service_name);
    struct message m = {message_info(PROCESS_SERVICE_LISTEN, 0, PROCESS_NAME_WORDS + 1), {length}};
    message_put(&m, 1, service_name, length);
    server_buffer()->words[PROCESS_NAME_WORDS] = FS_WINDOW_BYTES;
    if (syscall_call(PROCESS_CAP_SERVER, &m) != ERROR_NONE || message_info_label(m.info) != 0) {
        log_text("%s: the service cannot be offered: error %lu\n", service_name, message_info_label(m.info));
        program_exit(1);
    }
    caps[0] = m.words[0];
    caps[1] = m.words[1];
}

_Noreturn void file_server_run(const struct start_page *start, const char *service,
                               const struct file_backend *operations, void (*on_signal)(uint64_t bits))
{
    word caps[2], badge;
    struct message m;
    file_backend = operations;
    service_name = service;
    page = start;
    handles_start(start->start_ticks);
    service_begin(caps);
    (void)syscall_recv((cptr)caps[0], (cptr)caps[1], &m, &badge);
    for (;;) {
        if (badge >> PROCESS_SIGNAL_SESSIONS) { /* no client's badge is so large: the notification's bits */
            if (badge & PROCESS_SIGNAL_EVENT)
                sessions_check();
            if (on_signal && (badge & ~PROCESS_SIGNAL_EVENT))
                on_signal(badge & ~PROCESS_SIGNAL_EVENT);
            (void)syscall_recv((cptr)caps[0], (cptr)caps[1], &m, &badge);
            continue;
        }
        answer(&m, badge);
        (void)syscall_reply_recv((cptr)caps[0], (cptr)caps[1], &m, &badge);
    }
}
