/* Prototypes of every function that a module may import: the rows of aot/image/imports.def in C. */
#ifndef WASI_IMPORTS_H
#define WASI_IMPORTS_H

#include <stdint.h>

#include "wasi.h"

uint32_t WASI(args_get)(uint32_t argv, uint32_t buffer);
uint32_t WASI(args_sizes_get)(uint32_t count, uint32_t bytes);
uint32_t WASI(environ_get)(uint32_t environ, uint32_t buffer);
uint32_t WASI(environ_sizes_get)(uint32_t count, uint32_t bytes);
uint32_t WASI(clock_res_get)(uint32_t id, uint32_t resolution);
uint32_t WASI(clock_time_get)(uint32_t id, uint64_t precision, uint32_t time);
uint32_t WASI(fd_advise)(uint32_t fd, uint64_t offset, uint64_t length, uint32_t advice);
uint32_t WASI(fd_allocate)(uint32_t fd, uint64_t offset, uint64_t length);
uint32_t WASI(fd_close)(uint32_t fd);
uint32_t WASI(fd_datasync)(uint32_t fd);
uint32_t WASI(fd_fdstat_get)(uint32_t fd, uint32_t stat);
uint32_t WASI(fd_fdstat_set_flags)(uint32_t fd, uint32_t flags);
uint32_t WASI(fd_fdstat_set_rights)(uint32_t fd, uint64_t base, uint64_t inheriting);
uint32_t WASI(fd_filestat_get)(uint32_t fd, uint32_t stat);
uint32_t WASI(fd_filestat_set_size)(uint32_t fd, uint64_t size);
uint32_t WASI(fd_filestat_set_times)(uint32_t fd, uint64_t accessed, uint64_t modified, uint32_t flags);
uint32_t WASI(fd_pread)(uint32_t fd, uint32_t iovs, uint32_t count, uint64_t offset, uint32_t done);
uint32_t WASI(fd_prestat_dir_name)(uint32_t fd, uint32_t path, uint32_t length);
uint32_t WASI(fd_prestat_get)(uint32_t fd, uint32_t prestat);
uint32_t WASI(fd_pwrite)(uint32_t fd, uint32_t iovs, uint32_t count, uint64_t offset, uint32_t done);
uint32_t WASI(fd_read)(uint32_t fd, uint32_t iovs, uint32_t count, uint32_t done);
uint32_t WASI(fd_readdir)(uint32_t fd, uint32_t buffer, uint32_t length, uint64_t cookie, uint32_t used);
uint32_t WASI(fd_renumber)(uint32_t from, uint32_t to);
uint32_t WASI(fd_seek)(uint32_t fd, uint64_t offset, uint32_t whence, uint32_t result);
uint32_t WASI(fd_sync)(uint32_t fd);
uint32_t WASI(fd_tell)(uint32_t fd, uint32_t offset);
uint32_t WASI(fd_write)(uint32_t fd, uint32_t iovs, uint32_t count, uint32_t done);
uint32_t WASI(path_create_directory)(uint32_t fd, uint32_t path, uint32_t length);
uint32_t WASI(path_filestat_get)(uint32_t fd, uint32_t flags, uint32_t path, uint32_t length, uint32_t stat);
uint32_t WASI(path_filestat_set_times)(uint32_t fd, uint32_t flags, uint32_t path, uint32_t length, uint64_t accessed,
                                       uint64_t modified, uint32_t which);
uint32_t WASI(path_link)(uint32_t from, uint32_t flags, uint32_t old_path, uint32_t old_length, uint32_t to,
                         uint32_t new_path, uint32_t new_length);
uint32_t WASI(path_open)(uint32_t fd, uint32_t look, uint32_t path, uint32_t length, uint32_t open, uint64_t base,
                         uint64_t inheriting, uint32_t flags, uint32_t opened);
uint32_t WASI(path_readlink)(uint32_t fd, uint32_t path, uint32_t length, uint32_t buffer, uint32_t size,
                             uint32_t used);
uint32_t WASI(path_remove_directory)(uint32_t fd, uint32_t path, uint32_t length);
uint32_t WASI(path_rename)(uint32_t from, uint32_t old_path, uint32_t old_length, uint32_t to, uint32_t new_path,
                           uint32_t new_length);
uint32_t WASI(path_symlink)(uint32_t old_path, uint32_t old_length, uint32_t fd, uint32_t new_path,
                            uint32_t new_length);
uint32_t WASI(path_unlink_file)(uint32_t fd, uint32_t path, uint32_t length);
uint32_t WASI(poll_oneoff)(uint32_t in, uint32_t out, uint32_t count, uint32_t events);
_Noreturn void WASI(proc_exit)(uint32_t status);
uint32_t WASI(proc_raise)(uint32_t signal);
uint32_t WASI(random_get)(uint32_t buffer, uint32_t length);
uint32_t WASI(sched_yield)(void);
uint32_t WASI(sock_accept)(uint32_t fd, uint32_t flags, uint32_t accepted);
uint32_t WASI(sock_recv)(uint32_t fd, uint32_t iovs, uint32_t count, uint32_t flags, uint32_t done, uint32_t out_flags);
uint32_t WASI(sock_send)(uint32_t fd, uint32_t iovs, uint32_t count, uint32_t flags, uint32_t done);
uint32_t WASI(sock_shutdown)(uint32_t fd, uint32_t how);

uint32_t WASIX(proc_spawn)(uint32_t name, uint32_t name_length, uint32_t chroot, uint32_t args, uint32_t args_length,
                           uint32_t preopen, uint32_t preopen_length, uint32_t in_mode, uint32_t out_mode,
                           uint32_t error_mode, uint32_t folder, uint32_t folder_length, uint32_t handles);
uint32_t WASIX(proc_spawn2)(uint32_t name, uint32_t name_length, uint32_t args, uint32_t args_length,
                            uint32_t environment, uint32_t environment_length, uint32_t operations, uint32_t count,
                            uint32_t actions, uint32_t action_count, uint32_t search, uint32_t path,
                            uint32_t path_length, uint32_t to);
uint32_t WASIX(fd_pipe)(uint32_t reading, uint32_t writing);
uint32_t WASIX(proc_id)(uint32_t to);
uint32_t WASIX(proc_parent)(uint32_t pid, uint32_t to);
uint32_t WASIX(proc_join)(uint32_t pid, uint32_t flags, uint32_t status);
uint32_t WASIX(proc_signal)(uint32_t pid, uint32_t signal);

uint32_t TESSERA(channel_listen)(uint32_t name, uint32_t length, uint32_t fd);
uint32_t TESSERA(channel_connect)(uint32_t name, uint32_t length, uint32_t fd);
uint32_t TESSERA(service_open)(uint32_t name, uint32_t length, uint32_t handle);
uint32_t TESSERA(service_call)(uint32_t handle, uint32_t operation, uint32_t in, uint32_t in_length, uint32_t out,
                               uint32_t out_size, uint32_t out_length);
uint32_t TESSERA(service_listen)(uint32_t name, uint32_t length, uint32_t handle);
uint32_t TESSERA(service_recv)(uint32_t handle, uint32_t operation, uint32_t client, uint32_t buffer, uint32_t size,
                               uint32_t length);
uint32_t TESSERA(service_reply)(uint32_t handle, uint32_t status, uint32_t buffer, uint32_t length);

uint32_t WASIX(sock_status)(uint32_t fd, uint32_t status);
uint32_t WASIX(sock_addr_local)(uint32_t fd, uint32_t address);
uint32_t WASIX(sock_addr_peer)(uint32_t fd, uint32_t address);
uint32_t WASIX(sock_open)(uint32_t family, uint32_t type, uint32_t protocol, uint32_t to);
uint32_t WASIX(sock_set_opt_flag)(uint32_t fd, uint32_t number, uint32_t flag);
uint32_t WASIX(sock_get_opt_flag)(uint32_t fd, uint32_t number, uint32_t flag);
uint32_t WASIX(sock_set_opt_time)(uint32_t fd, uint32_t number, uint32_t time);
uint32_t WASIX(sock_get_opt_time)(uint32_t fd, uint32_t number, uint32_t time);
uint32_t WASIX(sock_set_opt_size)(uint32_t fd, uint32_t number, uint64_t size);
uint32_t WASIX(sock_get_opt_size)(uint32_t fd, uint32_t number, uint32_t size);
uint32_t WASIX(sock_bind)(uint32_t fd, uint32_t address);
uint32_t WASIX(sock_listen)(uint32_t fd, uint32_t backlog);
uint32_t WASIX(sock_accept_v2)(uint32_t fd, uint32_t flags, uint32_t to, uint32_t peer);
uint32_t WASIX(sock_connect)(uint32_t fd, uint32_t address);
uint32_t WASIX(sock_recv_from)(uint32_t fd, uint32_t iovs, uint32_t count, uint32_t flags, uint32_t done,
                               uint32_t out_flags, uint32_t peer);
uint32_t WASIX(sock_send_to)(uint32_t fd, uint32_t iovs, uint32_t count, uint32_t flags, uint32_t address,
                             uint32_t done);
uint32_t WASIX(epoll_create)(uint32_t to);
uint32_t WASIX(epoll_ctl)(uint32_t instance, uint32_t operation, uint32_t fd, uint32_t from);
uint32_t WASIX(epoll_wait)(uint32_t instance, uint32_t out, uint32_t room, uint64_t timeout_ns, uint32_t count);
uint32_t WASIX(resolve)(uint32_t host, uint32_t length, uint32_t port, uint32_t addresses, uint32_t room,
                        uint32_t count);

#endif
