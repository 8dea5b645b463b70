/* Processes for C programs that are compiled for wasm32-wasi: posix_spawn, waitpid, pipe, popen and system, on WASIX's
 * calls. A program's name is that of a program of the system description; a path's last part is taken for it.
 *
 * A command of popen and system goes to the program "sh" where the description has one; without, it may be nothing but
 * words with blanks between them.
 */
#include <errno.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../include/tessera.h"

#define CANNOT_RUN 127
#define WORDS_MAX  64

struct spawn_action {
    struct tessera_spawn_operation operation;
    char *path; /* NULL: it has none */
};

/* The folder that a parent, or the shell, meant. */
__attribute__((constructor)) static void folder_enter(void)
{
    const char *folder = getenv("PWD");
    if (folder && folder[0] == '/')
        (void)chdir(folder);
}

/* ---- actions ------------------------------------------------------------------------------------------------- */

int posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions)
{
    *actions = (posix_spawn_file_actions_t){0};
    return 0;
}

int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions)
{
    for (unsigned i = 0; i < actions->count; i++)
        free(actions->actions[i].path);
    free(actions->actions);
    *actions = (posix_spawn_file_actions_t){0};
    return 0;
}

static int action_add(posix_spawn_file_actions_t *actions, struct tessera_spawn_operation operation, const char *path)
{
    char *copy = path ? strdup(path) : NULL;
    struct spawn_action *more = realloc(actions->actions, (actions->count + 1) * sizeof(*more));
    if (more)
        actions->actions = more;
    if (!more || (path && !copy)) {
        free(copy);
        return ENOMEM;
    }
    operation.path = (uint32_t)(uintptr_t)copy;
    operation.path_len = path ? (uint32_t)strlen(path) : 0;
    more[actions->count++] = (struct spawn_action){operation, copy};
    return 0;
}

int posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *actions, int fd)
{
    struct tessera_spawn_operation operation = {.name = TESSERA_SPAWN_CLOSE, .fd = (uint32_t)fd};
    return fd < 0 ? EBADF : action_add(actions, operation, NULL);
}

int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int child_fd)
{
    struct tessera_spawn_operation operation = {
        .name = TESSERA_SPAWN_DUP2, .fd = (uint32_t)child_fd, .from_fd = (uint32_t)fd};
    return fd < 0 || child_fd < 0 ? EBADF : action_add(actions, operation, NULL);
}

/* wasi-libc's open flags are fdflags in the lowest twelve bits, oflags in the next. */
int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *restrict actions, int fd, const char *restrict path,
                                     int flags, mode_t mode)
{
    enum { READ = 1 << 1, SEEK = 1 << 2, SET_FLAGS = 1 << 3, TELL = 1 << 5, WRITE = 1 << 6, STAT = 1 << 21 };
    uint64_t rights = SEEK | SET_FLAGS | TELL | STAT | ((flags & O_RDONLY) ? READ : 0) |
                      ((flags & O_WRONLY) ? WRITE | 1 << 22 | 1 << 23 : 0) | 1 << 27;
    struct tessera_spawn_operation operation = {.name = TESSERA_SPAWN_OPEN,
                                                .fd = (uint32_t)fd,
                                                .dirflags = (flags & O_NOFOLLOW) ? 0 : 1,
                                                .oflags = (uint16_t)(flags >> 12 & 0xfff),
                                                .rights_base = rights,
                                                .fdflags = (uint16_t)(flags & 0xfff)};
    (void)mode; /* files have no modes */
    return fd < 0 ? EBADF : action_add(actions, operation, path);
}

int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *restrict actions, const char *restrict path)
{
    return action_add(actions, (struct tessera_spawn_operation){.name = TESSERA_SPAWN_CHDIR}, path);
}

int posix_spawnattr_init(posix_spawnattr_t *attributes)
{
    *attributes = (posix_spawnattr_t){0};
    return 0;
}

int posix_spawnattr_destroy(posix_spawnattr_t *attributes)
{
    *attributes = (posix_spawnattr_t){0};
    return 0;
}

/* ---- spawning ------------------------------------------------------------------------------------------------ */

static bool is_left_out(const char *text, const char *prefix)
{
    return prefix && strncmp(text, prefix, strlen(prefix)) == 0;
}

/* With line feeds between them, but for those that begin so; NULL: no memory, or one has a line feed. */
static char *joined(char *const texts[], const char *but)
{
    size_t bytes = 1, used = 0;
    for (unsigned i = 0; texts[i]; i++) {
        if (strchr(texts[i], '\n')) {
            errno = EINVAL;
            return NULL;
        }
        bytes += strlen(texts[i]) + 1;
    }
    char *all = malloc(bytes);
    for (unsigned i = 0; all && texts[i]; i++)
        if (!is_left_out(texts[i], but))
            used += (size_t)sprintf(all + used, "%s%s", used ? "\n" : "", texts[i]);
    if (all)
        all[used] = 0;
    return all;
}

/* First our own folder, then what is asked for. NULL: no memory. */
static struct tessera_spawn_operation *operations_make(const posix_spawn_file_actions_t *actions, const char *folder,
                                                       unsigned *count)
{
    unsigned given = actions ? actions->count : 0;
    struct tessera_spawn_operation *operations = calloc(given + 1, sizeof(*operations));
    *count = 0;
    if (operations && strcmp(folder, "/") != 0)
        operations[(*count)++] = (struct tessera_spawn_operation){
            .name = TESSERA_SPAWN_CHDIR, .path = (uint32_t)(uintptr_t)folder, .path_len = (uint32_t)strlen(folder)};
    for (unsigned i = 0; operations && i < given; i++)
        operations[(*count)++] = actions->actions[i].operation;
    return operations;
}

int posix_spawn(pid_t *restrict pid, const char *restrict program, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *restrict attributes, char *const arguments[restrict],
                char *const environment[restrict])
{
    const char *name = strrchr(program, '/') ? strrchr(program, '/') + 1 : program;
    char *folder = getcwd(NULL, 0), *args = joined(arguments, NULL), *envs = joined(environment, "PWD=");
    unsigned count = 0;
    uint32_t child = 0;
    struct tessera_spawn_operation *operations = folder ? operations_make(actions, folder, &count) : NULL;
    (void)attributes;
    int error = !folder || !operations ? ENOMEM : !args || !envs ? errno : 0;
    if (!error)
        error = tessera_proc_spawn2(name, (uint32_t)strlen(name), args, (uint32_t)strlen(args), envs,
                                    (uint32_t)strlen(envs), operations, count, NULL, 0, 0, NULL, 0, &child);
    free(folder);
    free(args);
    free(envs);
    free(operations);
    if (!error && pid)
        *pid = (pid_t)child;
    return error;
}

int posix_spawnp(pid_t *restrict pid, const char *restrict program, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *restrict attributes, char *const arguments[restrict],
                 char *const environment[restrict])
{
    return posix_spawn(pid, program, actions, attributes, arguments, environment);
}

/* ---- what becomes of them ------------------------------------------------------------------------------------ */

pid_t waitpid(pid_t pid, int *status, int options)
{
    struct tessera_option_pid which = {pid > 0, (uint32_t)pid};
    struct tessera_join_status ended = {0};
    int error = pid == 0 || pid < -1 || (options & ~WNOHANG) ? EINVAL : 0;
    if (!error)
        error = tessera_proc_join(&which, options & WNOHANG ? TESSERA_JOIN_NON_BLOCKING : 0, &ended);
    if (error) {
        errno = error;
        return -1;
    }
    if (ended.type == TESSERA_JOIN_NOTHING)
        return 0;
    if (status)
        *status = ended.type == TESSERA_JOIN_EXIT_NORMAL ? (ended.exit_code & 0xff) << 8 : ended.signal;
    return (pid_t)which.pid;
}

pid_t wait(int *status)
{
    return waitpid(-1, status, 0);
}

int pipe(int ends[2])
{
    uint32_t reading, writing;
    int error = tessera_fd_pipe(&reading, &writing);
    if (error) {
        errno = error;
        return -1;
    }
    ends[0] = (int)reading;
    ends[1] = (int)writing;
    return 0;
}

/* ---- commands ------------------------------------------------------------------------------------------------ */

/* Words of a command that is nothing else; false: it takes a shell. `text` is cut up. */
static bool words_split(char *text, char *words[WORDS_MAX + 1])
{
    unsigned count = 0;
    if (strpbrk(text, "|&;<>()$`\\\"'*?[]#~!{}\n"))
        return false;
    for (char *word = strtok(text, " \t"); word; word = strtok(NULL, " \t")) {
        if (count == WORDS_MAX)
            return false;
        words[count++] = word;
    }
    words[count] = NULL;
    return count > 0 && !strchr(words[0], '=');
}

static int command_spawn(pid_t *pid, const char *command, const posix_spawn_file_actions_t *actions)
{
    char *words[WORDS_MAX + 1], *copy = strdup(command);
    char *const shell[] = {"sh", "-c", copy, NULL};
    int error = copy ? posix_spawn(pid, "sh", actions, NULL, shell, environ) : ENOMEM;
    if (error == ENOENT)
        error = words_split(copy, words) ? posix_spawn(pid, words[0], actions, NULL, words, environ) : ENOENT;
    free(copy);
    return error;
}

/* Without a command: whether there is a way to run one. */
int system(const char *command)
{
    pid_t pid;
    int status;
    if (!command)
        return 1;
    if (fflush(NULL) != 0 || command_spawn(&pid, command, NULL) != 0)
        return CANNOT_RUN << 8;
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

static struct popened {
    FILE *stream;
    pid_t pid;
    struct popened *next;
} * popened;

FILE *popen(const char *command, const char *mode)
{
    bool is_read = mode[0] == 'r';
    int ends[2], error;
    struct popened *self = malloc(sizeof(*self));
    posix_spawn_file_actions_t actions;
    if ((mode[0] != 'r' && mode[0] != 'w') || !self || pipe(ends) != 0) {
        errno = !self ? ENOMEM : mode[0] != 'r' && mode[0] != 'w' ? EINVAL : errno;
        free(self);
        return NULL;
    }
    int ours = ends[!is_read], theirs = ends[is_read];
    (void)posix_spawn_file_actions_init(&actions);
    error = posix_spawn_file_actions_adddup2(&actions, theirs, is_read ? 1 : 0);
    self->stream = error ? NULL : fdopen(ours, is_read ? "r" : "w");
    if (!error)
        error = !self->stream ? errno : command_spawn(&self->pid, command, &actions);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(theirs);
    if (error) {
        (void)(self->stream ? fclose(self->stream) : close(ours));
        free(self);
        errno = error;
        return NULL;
    }
    self->next = popened;
    popened = self;
    return self->stream;
}

int pclose(FILE *stream)
{
    int status = -1;
    for (struct popened **at = &popened; *at; at = &(*at)->next) {
        struct popened *self = *at;
        if (self->stream != stream)
            continue;
        *at = self->next;
        (void)fclose(stream);
        if (waitpid(self->pid, &status, 0) != self->pid)
            status = -1;
        free(self);
        return status;
    }
    errno = ECHILD;
    return -1;
}
