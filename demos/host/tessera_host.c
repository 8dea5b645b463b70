/* tessera.h over POSIX, so that the demo programs run as native processes under the host's sanitizers.
 *
 * host/run_system.py starts the programs of a system description and tells each one, in its environment:
 *   TESSERA_HOST_RUN      folder of this run: sockets `channel.NAME` and `service.NAME`, a marker
 *                         `ended.PROGRAM` for each program that has ended, `servers` (lines "KIND NAME PROGRAM")
 *                         and, for each program that may be spawned, `programs/NAME` and `requests/NAME`
 *   TESSERA_HOST_GRANTS   what was granted: words as "channel.connect=mqtt", "spawn=16", "random=1"
 * A channel is a Unix stream socket and a service a Unix SEQPACKET socket, whose peer credentials are the
 * client's identity. Only test builds link this file; it is not a sandbox.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <tessera.h>

enum { HANDLES_MAX = 16, CLIENTS_MAX = 64, CHILDREN_MAX = 64, RETRY_NS = 1000000, HIDDEN_FD = 900 };

struct service {
    bool used, serving;
    int socket; /* calling: connected; serving: listening */
    char path[108];
    int clients[CLIENTS_MAX]; /* serving: connected sockets, -1 where free */
    int open_client;          /* serving: whose request is open, -1 for none */
};

static struct service services[HANDLES_MAX];
static pid_t children[CHILDREN_MAX];

static void __attribute__((constructor)) host_init(void)
{
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
}

/* ---- grants ---- */

static const char *host_run_folder(void)
{
    const char *folder = getenv("TESSERA_HOST_RUN");
    return folder != NULL ? folder : "/nonexistent";
}

/* Whether the word KIND=NAME was granted. */
static bool grant_find(const char *kind, const char *name, size_t name_len)
{
    const char *grants = getenv("TESSERA_HOST_GRANTS");
    char word[160];
    int len = snprintf(word, sizeof(word), "%s=%.*s", kind, (int)name_len, name);
    if (grants == NULL || len <= 0 || (size_t)len >= sizeof(word) || memchr(name, '\0', name_len) != NULL)
        return false;
    for (const char *at = grants; *at != '\0';) {
        size_t word_len = strcspn(at, " ");
        if (word_len == (size_t)len && memcmp(at, word, word_len) == 0)
            return true;
        at += word_len + strspn(at + word_len, " ");
    }
    return false;
}

/* The number of a granted word, for "spawn=16" 16; 0 when it was not granted. */
static long grant_number(const char *kind)
{
    const char *grants = getenv("TESSERA_HOST_GRANTS");
    char word[64];
    snprintf(word, sizeof(word), "%s=", kind);
    const char *at = grants != NULL ? strstr(grants, word) : NULL;
    return at != NULL ? strtol(at + strlen(word), NULL, 10) : 0;
}

static int name_check(const char *kind, const char *name, uint32_t name_len)
{
    if (name_len == 0 || name_len > TESSERA_NAME_MAX)
        return TESSERA_EINVAL;
    return grant_find(kind, name, name_len) ? 0 : TESSERA_ENOTCAPABLE;
}

/* ---- sockets ---- */

static void address_set(struct sockaddr_un *address, const char *kind, const char *name, uint32_t name_len)
{
    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    int len = snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s.%.*s", host_run_folder(), kind,
                       (int)name_len, name);
    if (len < 0 || (size_t)len >= sizeof(address->sun_path))
        abort(); /* the runner chose a folder with too long a name */
}

/* Whether the program that serves a name has ended: nobody will ever listen. */
static bool server_has_ended(const char *kind, const char *name, uint32_t name_len)
{
    char path[256], line_kind[16], line_name[64], program[64];
    bool ended = false;
    snprintf(path, sizeof(path), "%s/servers", host_run_folder());
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return true;
    while (!ended && fscanf(file, "%15s %63s %63s", line_kind, line_name, program) == 3) {
        if (strcmp(line_kind, kind) == 0 && strlen(line_name) == name_len && memcmp(line_name, name, name_len) == 0) {
            snprintf(path, sizeof(path), "%s/ended.%s", host_run_folder(), program);
            ended = access(path, F_OK) == 0;
        }
    }
    fclose(file);
    return ended;
}

static int socket_listen(const char *kind, const char *name, uint32_t name_len, int type, int *socket_out)
{
    struct sockaddr_un address;
    address_set(&address, kind, name, name_len);
    int listening = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (listening < 0)
        return TESSERA_EMFILE;
    if (bind(listening, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listening, 128) != 0) {
        int error = errno;
        close(listening);
        return error == EADDRINUSE ? TESSERA_EINVAL : TESSERA_ENOMEM;
    }
    *socket_out = listening;
    return 0;
}

/* Waits until the server has bound its socket. */
static int socket_connect(const char *kind, const char *name, uint32_t name_len, int type, int *socket_out)
{
    struct sockaddr_un address;
    const struct timespec pause = {.tv_nsec = RETRY_NS};
    address_set(&address, kind, name, name_len);
    for (;;) {
        int connected = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        if (connected < 0)
            return TESSERA_EMFILE;
        if (connect(connected, (struct sockaddr *)&address, sizeof(address)) == 0) {
            *socket_out = connected;
            return 0;
        }
        int error = errno;
        close(connected);
        if (server_has_ended(kind, name, name_len))
            return TESSERA_ECONNREFUSED;
        if (error != ENOENT && error != ECONNREFUSED && error != EAGAIN)
            return TESSERA_ENOMEM;
        nanosleep(&pause, NULL);
    }
}

/* ---- channels ---- */

int tessera_channel_listen(const char *name, uint32_t name_len, uint32_t *fd)
{
    int error = name_check("channel.serve", name, name_len), listening;
    if (error == 0)
        error = socket_listen("channel", name, name_len, SOCK_STREAM, &listening);
    if (error == 0)
        *fd = (uint32_t)listening;
    return error;
}

int tessera_channel_connect(const char *name, uint32_t name_len, uint32_t *fd)
{
    int error = name_check("channel.connect", name, name_len), connected;
    if (error == 0)
        error = socket_connect("channel", name, name_len, SOCK_STREAM, &connected);
    if (error == 0)
        *fd = (uint32_t)connected;
    return error;
}

/* ---- services: a message is one packet, its first word the operation or the status ---- */

static struct service *service_of(uint32_t handle, bool serving)
{
    if (handle >= HANDLES_MAX || !services[handle].used || services[handle].serving != serving)
        return NULL;
    return &services[handle];
}

/* A service's sockets are not descriptors of the program: they go where a program does not look. */
static int fd_hide(int fd)
{
    int hidden = fcntl(fd, F_DUPFD_CLOEXEC, HIDDEN_FD);
    close(fd);
    return hidden;
}

static int service_new(int socket_of, bool serving, uint32_t *handle)
{
    for (uint32_t i = 0; i < HANDLES_MAX; i++) {
        if (services[i].used)
            continue;
        services[i] = (struct service){.used = true, .serving = serving, .socket = socket_of, .open_client = -1};
        for (unsigned client = 0; client < CLIENTS_MAX; client++)
            services[i].clients[client] = -1;
        *handle = i;
        return 0;
    }
    close(socket_of);
    return TESSERA_EMFILE;
}

/* The connection is made by the first call, so that opening does not wait for the server. */
int tessera_service_open(const char *name, uint32_t name_len, uint32_t *handle)
{
    int error = name_check("service.connect", name, name_len);
    if (error != 0)
        return error;
    error = service_new(-1, false, handle);
    if (error == 0)
        snprintf(services[*handle].path, sizeof(services[*handle].path), "%.*s", (int)name_len, name);
    return error;
}

int tessera_service_call(uint32_t handle, uint32_t operation, const void *in, uint32_t in_len, void *out,
                         uint32_t out_cap, uint32_t *out_len)
{
    struct service *service = service_of(handle, false);
    struct {
        uint32_t word;
        uint8_t bytes[TESSERA_MESSAGE_MAX];
    } message;
    if (service == NULL)
        return TESSERA_EBADF;
    if (in_len > TESSERA_MESSAGE_MAX)
        return TESSERA_EMSGSIZE;
    if (service->socket < 0) {
        if (socket_connect("service", service->path, (uint32_t)strlen(service->path), SOCK_SEQPACKET,
                           &service->socket) != 0)
            return TESSERA_ECONNABORTED;
        service->socket = fd_hide(service->socket);
    }

    message.word = operation;
    if (in_len > 0)
        memcpy(message.bytes, in, in_len);
    if (send(service->socket, &message, sizeof(message.word) + in_len, 0) < 0)
        return TESSERA_ECONNABORTED;
    ssize_t got = recv(service->socket, &message, sizeof(message), 0);
    if (got < (ssize_t)sizeof(message.word))
        return TESSERA_ECONNABORTED;

    uint32_t len = (uint32_t)got - (uint32_t)sizeof(message.word);
    *out_len = len;
    if (len > out_cap)
        return TESSERA_EMSGSIZE;
    if (len > 0)
        memcpy(out, message.bytes, len);
    return (int)message.word;
}

int tessera_service_listen(const char *name, uint32_t name_len, uint32_t *handle)
{
    int error = name_check("service.serve", name, name_len), listening;
    if (error == 0)
        error = socket_listen("service", name, name_len, SOCK_SEQPACKET, &listening);
    return error == 0 ? service_new(fd_hide(listening), true, handle) : error;
}

static void service_accept(struct service *service)
{
    int client = fd_hide(accept4(service->socket, NULL, NULL, SOCK_CLOEXEC));
    for (unsigned i = 0; client >= 0 && i < CLIENTS_MAX; i++) {
        if (service->clients[i] < 0) {
            service->clients[i] = client;
            return;
        }
    }
    if (client >= 0)
        close(client);
}

static void service_answer(int client, uint32_t status)
{
    (void)send(client, &status, sizeof(status), 0); /* a client that has gone needs no answer */
}

/* Waits until a client's socket can be read; accepts new ones meanwhile. Returns its index. */
static unsigned service_wait(struct service *service)
{
    for (;;) {
        struct pollfd polled[CLIENTS_MAX + 1];
        for (unsigned i = 0; i < CLIENTS_MAX; i++)
            polled[i] = (struct pollfd){.fd = service->clients[i], .events = POLLIN};
        polled[CLIENTS_MAX] = (struct pollfd){.fd = service->socket, .events = POLLIN};
        if (poll(polled, CLIENTS_MAX + 1, -1) < 0)
            continue;
        if (polled[CLIENTS_MAX].revents != 0)
            service_accept(service);
        for (unsigned i = 0; i < CLIENTS_MAX; i++) {
            if (polled[i].revents != 0)
                return i;
        }
    }
}

int tessera_service_recv(uint32_t handle, uint32_t *operation, uint64_t *client, void *buf, uint32_t cap, uint32_t *len)
{
    struct service *service = service_of(handle, true);
    if (service == NULL)
        return TESSERA_EBADF;
    if (service->open_client >= 0)
        service_answer(service->open_client, TESSERA_ECONNABORTED);
    service->open_client = -1;
    for (;;) {
        unsigned index = service_wait(service);
        struct {
            uint32_t word;
            uint8_t bytes[TESSERA_MESSAGE_MAX];
        } message;
        ssize_t got = recv(service->clients[index], &message, sizeof(message), 0);
        if (got < (ssize_t)sizeof(message.word)) {
            close(service->clients[index]);
            service->clients[index] = -1;
            continue;
        }
        uint32_t message_len = (uint32_t)got - (uint32_t)sizeof(message.word);
        if (message_len > cap) {
            service_answer(service->clients[index], TESSERA_EMSGSIZE);
            continue;
        }
        struct ucred peer;
        socklen_t peer_len = sizeof(peer);
        if (getsockopt(service->clients[index], SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) != 0)
            abort();
        memcpy(buf, message.bytes, message_len);
        *operation = message.word;
        *client = (uint64_t)peer.pid;
        *len = message_len;
        service->open_client = service->clients[index];
        return 0;
    }
}

int tessera_service_reply(uint32_t handle, uint32_t status, const void *buf, uint32_t len)
{
    struct service *service = service_of(handle, true);
    struct {
        uint32_t word;
        uint8_t bytes[TESSERA_MESSAGE_MAX];
    } message = {.word = status};
    if (service == NULL)
        return TESSERA_EBADF;
    if (service->open_client < 0)
        return TESSERA_EINVAL;
    if (len > TESSERA_MESSAGE_MAX)
        return TESSERA_EMSGSIZE;
    if (len > 0)
        memcpy(message.bytes, buf, len);
    (void)send(service->open_client, &message, sizeof(message.word) + len, 0);
    service->open_client = -1;
    return 0;
}

/* ---- child processes ---- */

/* Reads what a program requests; false when there is no such program. More than fits is an error of the run. */
static bool requests_read(const char *program, char *words, size_t size)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/requests/%s", host_run_folder(), program);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    size_t len = fread(words, 1, size - 1, file);
    if (len == size - 1)
        abort();
    words[len] = '\0';
    fclose(file);
    return true;
}

/* Whether each requested word is held by this process. */
static bool requests_are_held(const char *words)
{
    for (const char *at = words; *at != '\0';) {
        size_t len = strcspn(at, " \n"), kind_len = strcspn(at, "=");
        char kind[64];
        if (len > 0 && kind_len < len && kind_len < sizeof(kind)) {
            memcpy(kind, at, kind_len);
            kind[kind_len] = '\0';
            if (!grant_find(kind, at + kind_len + 1, len - kind_len - 1))
                return false;
        }
        at += len + strspn(at + len, " \n");
    }
    return true;
}

static void child_run(const char *program, char *arguments, const char *words, const uint32_t modes[3])
{
    char path[256], *argv[64];
    unsigned count = 0;
    for (char *at = strtok(arguments, "\n"); at != NULL && count < 63; at = strtok(NULL, "\n"))
        argv[count++] = at;
    argv[count] = NULL;
    for (int fd = 0; fd < 3; fd++) {
        int null = modes[fd] == TESSERA_STDIO_NULL ? open("/dev/null", O_RDWR) : -1;
        if (null >= 0)
            dup2(null, fd);
    }
    setenv("TESSERA_HOST_GRANTS", words, 1);
    snprintf(path, sizeof(path), "%s/programs/%s", host_run_folder(), program);
    execv(path, argv);
    _exit(127);
}

static int child_slot(void)
{
    long limit = grant_number("spawn"), running = 0;
    int slot = -1;
    for (int i = 0; i < CHILDREN_MAX; i++) {
        running += children[i] != 0;
        slot = children[i] == 0 && slot < 0 ? i : slot;
    }
    return running < limit ? slot : -1;
}

int tessera_proc_spawn(const char *name, uint32_t name_len, uint32_t chroot_flag, const char *args, uint32_t args_len,
                       const char *preopen, uint32_t preopen_len, uint32_t stdin_mode, uint32_t stdout_mode,
                       uint32_t stderr_mode, const char *working_dir, uint32_t working_dir_len,
                       struct tessera_process_handles *handles)
{
    const uint32_t modes[3] = {stdin_mode, stdout_mode, stderr_mode};
    char program[TESSERA_NAME_MAX + 1], arguments[4096], words[4096];
    (void)preopen;
    if (grant_number("spawn") <= 0)
        return TESSERA_ENOTCAPABLE;
    if (name_len == 0 || name_len > TESSERA_NAME_MAX || chroot_flag != 0 || args_len >= sizeof(arguments))
        return TESSERA_EINVAL;
    if (preopen_len != 0 || stdin_mode == TESSERA_STDIO_PIPED || stdout_mode == TESSERA_STDIO_PIPED ||
        stderr_mode == TESSERA_STDIO_PIPED || (working_dir_len != 0 && !(working_dir_len == 1 && *working_dir == '.')))
        return TESSERA_ENOTSUP;
    snprintf(program, sizeof(program), "%.*s", (int)name_len, name);
    snprintf(arguments, sizeof(arguments), "%.*s", (int)args_len, args);
    if (strchr(program, '/') != NULL || !requests_read(program, words, sizeof(words)))
        return TESSERA_ENOENT;
    if (!requests_are_held(words))
        return TESSERA_ENOTCAPABLE;
    int slot = child_slot();
    if (slot < 0)
        return TESSERA_EAGAIN;
    pid_t pid = fork();
    if (pid == 0)
        child_run(program, arguments, words, modes);
    if (pid < 0)
        return TESSERA_ENOMEM;
    children[slot] = pid;
    *handles = (struct tessera_process_handles){.pid = (uint32_t)pid};
    return 0;
}

int tessera_proc_join(struct tessera_option_pid *pid, uint32_t flags, struct tessera_join_status *status)
{
    int how;
    pid_t ended = waitpid(pid->is_some ? (pid_t)pid->pid : -1, &how, flags & TESSERA_JOIN_NON_BLOCKING ? WNOHANG : 0);
    *status = (struct tessera_join_status){.type = TESSERA_JOIN_NOTHING};
    if (ended < 0)
        return TESSERA_ECHILD;
    if (ended == 0)
        return 0;
    for (int i = 0; i < CHILDREN_MAX; i++) {
        if (children[i] == ended)
            children[i] = 0;
    }
    *pid = (struct tessera_option_pid){.is_some = 1, .pid = (uint32_t)ended};
    if (WIFEXITED(how)) {
        *status =
            (struct tessera_join_status){.type = TESSERA_JOIN_EXIT_NORMAL, .exit_code = (uint16_t)WEXITSTATUS(how)};
        return 0;
    }
    uint8_t number = WTERMSIG(how) == SIGKILL ? TESSERA_SIGNAL_KILL : TESSERA_SIGNAL_TRAP;
    *status = (struct tessera_join_status){
        .type = TESSERA_JOIN_EXIT_SIGNAL, .exit_code = (uint16_t)(128 + number), .signal = number};
    return 0;
}

/* ---- the random source, which is a permission of its own ---- */

int getentropy(void *buffer, size_t len)
{
    if (!grant_find("random", "1", 1)) {
        errno = EPERM;
        return -1;
    }
    return getrandom(buffer, len, 0) == (ssize_t)len ? 0 : -1;
}
