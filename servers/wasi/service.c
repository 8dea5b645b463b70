/* Services (servers/wasi/include/tessera.h): request and reply by the kernel's IPC; proto/service.h has the form. */
#include "proto/service.h"
#include "imports.h"
#include "tessera/text.h"

#define HANDLES 32

static struct handle {
    enum { HANDLE_FREE = 0, HANDLE_CALL, HANDLE_SERVE } kind;
    uint32_t endpoint, reply;
    uint8_t *window; /* CALL: the client's own; SERVE: of the client whose request is open, NULL: none needed yet */
    word client;     /* SERVE: badge of the open request, 0: none is open */
} handles[HANDLES];

static uint32_t handle_take(uint32_t *number)
{
    for (*number = 0; *number < HANDLES; ++*number)
        if (handles[*number].kind == HANDLE_FREE)
            return ESUCCESS;
    return EMFILE;
}

uint32_t TESSERA(service_open)(uint32_t name, uint32_t length, uint32_t to)
{
    struct message m;
    uint32_t number;
    if (!in_memory(to, 4))
        return EFAULT;
    uint32_t error = handle_take(&number);
    if (error || (error = process_call_named(PROCESS_SERVICE_OPEN, name, length, &m)))
        return error;
    handles[number] = (struct handle){HANDLE_CALL, (uint32_t)m.words[0], 0, (uint8_t *)m.words[1], 0};
    memcpy(at(to), &number, sizeof(number));
    return ESUCCESS;
}

uint32_t TESSERA(service_listen)(uint32_t name, uint32_t length, uint32_t to)
{
    struct message m;
    uint32_t number;
    if (!in_memory(to, 4))
        return EFAULT;
    uint32_t error = handle_take(&number);
    if (error || (error = process_call_named(PROCESS_SERVICE_LISTEN, name, length, &m)))
        return error;
    handles[number] = (struct handle){HANDLE_SERVE, (uint32_t)m.words[0], (uint32_t)m.words[1], NULL, 0};
    memcpy(at(to), &number, sizeof(number));
    return ESUCCESS;
}

/* The body into a message or a window; the number of words. */
static unsigned body_put(struct message *m, uint8_t *window, const void *bytes, uint32_t length)
{
    m->words[0] = length;
    if (length <= SERVICE_INLINE_BYTES) {
        message_put(m, 1, bytes, length);
        return 1 + message_words(length);
    }
    memcpy(window, bytes, length);
    return 1;
}

/* False when the message does not hold what it says. */
static bool body_get(const struct message *m, const uint8_t *window, void *bytes, uint32_t length)
{
    if (length > SERVICE_INLINE_BYTES) {
        memcpy(bytes, window, length);
        return true;
    }
    if (message_info_length(m->info) < 1 + message_words(length))
        return false;
    message_get(m, 1, bytes, length);
    return true;
}

uint32_t TESSERA(service_call)(uint32_t number, uint32_t operation, uint32_t in, uint32_t in_length, uint32_t out,
                               uint32_t out_size, uint32_t out_length)
{
    if (number >= HANDLES || handles[number].kind != HANDLE_CALL)
        return EBADF;
    const struct handle *handle = &handles[number];
    if (in_length > SERVICE_MESSAGE_MAX)
        return EMSGSIZE;
    if (!in_memory(in, in_length) || !in_memory(out, out_size) || !in_memory(out_length, 4))
        return EFAULT;
    struct message m = {0};
    unsigned length = body_put(&m, handle->window, at(in), in_length);
    m.info = message_info(operation, 0, length);
    if (syscall_call(handle->endpoint, &m) != ERROR_NONE)
        return ECONNABORTED;
    word status = message_info_label(m.info);
    if (status & SERVICE_STATUS_SYSTEM)
        return (uint32_t)status;
    uint32_t bytes = (uint32_t)m.words[0];
    if (m.words[0] > SERVICE_MESSAGE_MAX)
        return ECONNABORTED; /* the server does not keep to the protocol */
    memcpy(at(out_length), &bytes, sizeof(bytes));
    if (bytes > out_size)
        return EMSGSIZE;
    if (!body_get(&m, handle->window + SERVICE_MESSAGE_MAX, at(out), bytes))
        return ECONNABORTED;
    return (uint32_t)status;
}

/* Where the server sees a client's window, asked for each message that needs it: the process server then knows that the
 * windows it gave before are not used any more, and takes away those of clients that died. NULL: the client is gone. */
static uint8_t *client_window(word client)
{
    struct message m = {0, {client}};
    return process_call(PROCESS_SERVICE_WINDOW, &m, 1) == ESUCCESS ? (uint8_t *)m.words[0] : NULL;
}

static void answer(struct handle *handle, word status)
{
    struct message m = {message_info(status, 0, 1), {0}};
    if (handle->client)
        (void)syscall_send(handle->reply, &m);
    handle->client = 0;
}

uint32_t TESSERA(service_recv)(uint32_t number, uint32_t operation, uint32_t client, uint32_t buffer, uint32_t size,
                               uint32_t length)
{
    if (number >= HANDLES || handles[number].kind != HANDLE_SERVE)
        return EBADF;
    struct handle *handle = &handles[number];
    if (!in_memory(operation, 4) || !in_memory(client, 8) || !in_memory(buffer, size) || !in_memory(length, 4))
        return EFAULT;
    answer(handle, SERVICE_STATUS_SYSTEM | ECONNABORTED);
    for (;;) {
        struct message m;
        word badge;
        (void)syscall_recv(handle->endpoint, handle->reply, &m, &badge);
        handle->client = badge;
        uint32_t label = (uint32_t)message_info_label(m.info), bytes = (uint32_t)m.words[0];
        uint8_t *window = NULL;
        if (m.words[0] > SERVICE_MESSAGE_MAX || bytes > size) {
            answer(handle, SERVICE_STATUS_SYSTEM | EMSGSIZE);
            continue;
        }
        if (bytes > SERVICE_INLINE_BYTES && !(window = client_window(badge))) {
            answer(handle, SERVICE_STATUS_SYSTEM | ECONNABORTED);
            continue;
        }
        if (!body_get(&m, window, at(buffer), bytes)) {
            answer(handle, SERVICE_STATUS_SYSTEM | EINVAL);
            continue;
        }
        memcpy(at(operation), &label, sizeof(label));
        memcpy(at(client), &badge, sizeof(badge));
        memcpy(at(length), &bytes, sizeof(bytes));
        return ESUCCESS;
    }
}

uint32_t TESSERA(service_reply)(uint32_t number, uint32_t status, uint32_t buffer, uint32_t length)
{
    if (number >= HANDLES || handles[number].kind != HANDLE_SERVE)
        return EBADF;
    struct handle *handle = &handles[number];
    if (!handle->client)
        return EINVAL;
    if (length > SERVICE_MESSAGE_MAX)
        return EMSGSIZE;
    if (!in_memory(buffer, length))
        return EFAULT;
    struct message m = {0};
    uint8_t *window = NULL;
    if (length > SERVICE_INLINE_BYTES && !(window = client_window(handle->client))) {
        handle->client = 0; /* it died meanwhile */
        return ESUCCESS;
    }
    unsigned words = body_put(&m, window ? window + SERVICE_MESSAGE_MAX : NULL, at(buffer), length);
    m.info = message_info(status, 0, words);
    (void)syscall_send(handle->reply, &m);
    handle->client = 0;
    return ESUCCESS;
}
