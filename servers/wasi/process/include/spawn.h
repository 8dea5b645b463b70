/* POSIX's <spawn.h> for C programs that are compiled for wasm32-wasi, on WASIX's calls: docs/processes.md, "In C". */
#ifndef TESSERA_SPAWN_H
#define TESSERA_SPAWN_H

#include <fcntl.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    unsigned count;
    struct spawn_action *actions;
} posix_spawn_file_actions_t;

/* Nothing of what POSIX keeps in it exists here: no groups, no signal masks, no scheduling. */
typedef struct {
    short flags;
} posix_spawnattr_t;

int posix_spawn(pid_t *__restrict pid, const char *__restrict program, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *__restrict attributes, char *const arguments[__restrict],
                char *const environment[__restrict]);
int posix_spawnp(pid_t *__restrict pid, const char *__restrict program, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *__restrict attributes, char *const arguments[__restrict],
                 char *const environment[__restrict]);

int posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions);
int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions);
int posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *actions, int fd);
int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd, int child_fd);
int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *__restrict actions, int fd,
                                     const char *__restrict path, int flags, mode_t mode);
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *__restrict actions, const char *__restrict path);

int posix_spawnattr_init(posix_spawnattr_t *attributes);
int posix_spawnattr_destroy(posix_spawnattr_t *attributes);

#ifdef __cplusplus
}
#endif

#endif
