/* The 46 functions of WASI preview 1 called raw: pointers outside the memory, wrong descriptors, and what this system
 * answers where there are no directories. Also memory.grow to the limit, and a deep stack.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

#include "demos/lib/check.h"

#define OUTSIDE   ((void *)0xfffffff0u)
#define CLOSED_FD 77

/* wasi-libc does not declare it. */
__attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_raise"))) uint32_t proc_raise(uint32_t);

static uint8_t text[8];

static void pointers(struct check *check)
{
    __wasi_size_t size;
    __wasi_timestamp_t time;
    __wasi_iovec_t outside = {OUTSIDE, 64};
    __wasi_ciovec_t outside_const = {OUTSIDE, 64};
    check_group(check, "EFAULT");
    check_u64(check, "args_get", __WASI_ERRNO_FAULT, __wasi_args_get(OUTSIDE, text));
    check_u64(check, "args_sizes_get", __WASI_ERRNO_FAULT, __wasi_args_sizes_get(OUTSIDE, &size));
    check_u64(check, "environ_get", __WASI_ERRNO_FAULT, __wasi_environ_get((uint8_t **)4, OUTSIDE));
    check_u64(check, "environ_sizes_get", __WASI_ERRNO_FAULT, __wasi_environ_sizes_get(&size, OUTSIDE));
    check_u64(check, "clock_res_get", __WASI_ERRNO_FAULT, __wasi_clock_res_get(__WASI_CLOCKID_MONOTONIC, OUTSIDE));
    check_u64(check, "clock_time_get", __WASI_ERRNO_FAULT, __wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, OUTSIDE));
    check_u64(check, "fd_fdstat_get", __WASI_ERRNO_FAULT, __wasi_fd_fdstat_get(1, OUTSIDE));
    check_u64(check, "fd_filestat_get", __WASI_ERRNO_FAULT, __wasi_fd_filestat_get(1, OUTSIDE));
    check_u64(check, "fd_read, vector", __WASI_ERRNO_FAULT, __wasi_fd_read(0, &outside, 1, &size));
    check_u64(check, "fd_read, vectors", __WASI_ERRNO_FAULT, __wasi_fd_read(0, OUTSIDE, 9, &size));
    check_u64(check, "fd_read, result", __WASI_ERRNO_FAULT, __wasi_fd_read(0, &outside, 0, OUTSIDE));
    check_u64(check, "fd_write, vector", __WASI_ERRNO_FAULT, __wasi_fd_write(1, &outside_const, 1, &size));
    check_u64(check, "random_get", __WASI_ERRNO_FAULT, __wasi_random_get(OUTSIDE, 64));
    check_u64(check, "poll_oneoff, in", __WASI_ERRNO_FAULT, __wasi_poll_oneoff(OUTSIDE, (void *)1024, 1, &size));
    check_u64(check, "poll_oneoff, out", __WASI_ERRNO_FAULT, __wasi_poll_oneoff((void *)1024, OUTSIDE, 1, &size));
    check_u64(check, "clock_time_get, good", 0, __wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &time));
}

static void descriptors(struct check *check)
{
    __wasi_size_t size = 0;
    __wasi_filesize_t where;
    __wasi_fdstat_t stat;
    __wasi_fd_t fd;
    __wasi_prestat_t prestat;
    __wasi_filestat_t file;
    __wasi_iovec_t vector = {text, sizeof(text)};
    __wasi_ciovec_t vector_const = {text, sizeof(text)};
    __wasi_roflags_t flags;
    check_group(check, "EBADF");
    check_u64(check, "fd_advise", __WASI_ERRNO_BADF, __wasi_fd_advise(CLOSED_FD, 0, 0, 0));
    check_u64(check, "fd_allocate", __WASI_ERRNO_BADF, __wasi_fd_allocate(CLOSED_FD, 0, 1));
    check_u64(check, "fd_close", __WASI_ERRNO_BADF, __wasi_fd_close(CLOSED_FD));
    check_u64(check, "fd_datasync", __WASI_ERRNO_BADF, __wasi_fd_datasync(CLOSED_FD));
    check_u64(check, "fd_fdstat_get", __WASI_ERRNO_BADF, __wasi_fd_fdstat_get(CLOSED_FD, &stat));
    check_u64(check, "fd_fdstat_set_flags", __WASI_ERRNO_BADF, __wasi_fd_fdstat_set_flags(CLOSED_FD, 0));
    check_u64(check, "fd_fdstat_set_rights", __WASI_ERRNO_BADF, __wasi_fd_fdstat_set_rights(CLOSED_FD, 0, 0));
    check_u64(check, "fd_filestat_get", __WASI_ERRNO_BADF, __wasi_fd_filestat_get(CLOSED_FD, &file));
    check_u64(check, "fd_filestat_set_size", __WASI_ERRNO_BADF, __wasi_fd_filestat_set_size(CLOSED_FD, 0));
    check_u64(check, "fd_filestat_set_times", __WASI_ERRNO_BADF, __wasi_fd_filestat_set_times(CLOSED_FD, 0, 0, 0));
    check_u64(check, "fd_pread", __WASI_ERRNO_BADF, __wasi_fd_pread(CLOSED_FD, &vector, 1, 0, &size));
    check_u64(check, "fd_prestat_get", __WASI_ERRNO_BADF, __wasi_fd_prestat_get(3, &prestat));
    check_u64(check, "fd_prestat_dir_name", __WASI_ERRNO_BADF, __wasi_fd_prestat_dir_name(CLOSED_FD, text, 8));
    check_u64(check, "fd_pwrite", __WASI_ERRNO_BADF, __wasi_fd_pwrite(CLOSED_FD, &vector_const, 1, 0, &size));
    check_u64(check, "fd_read", __WASI_ERRNO_BADF, __wasi_fd_read(CLOSED_FD, &vector, 1, &size));
    check_u64(check, "fd_readdir", __WASI_ERRNO_BADF, __wasi_fd_readdir(CLOSED_FD, text, 8, 0, &size));
    check_u64(check, "fd_renumber", __WASI_ERRNO_BADF, __wasi_fd_renumber(CLOSED_FD, 1));
    check_u64(check, "fd_seek", __WASI_ERRNO_BADF, __wasi_fd_seek(CLOSED_FD, 0, __WASI_WHENCE_SET, &where));
    check_u64(check, "fd_sync", __WASI_ERRNO_BADF, __wasi_fd_sync(CLOSED_FD));
    check_u64(check, "fd_tell", __WASI_ERRNO_BADF, __wasi_fd_tell(CLOSED_FD, &where));
    check_u64(check, "fd_write", __WASI_ERRNO_BADF, __wasi_fd_write(CLOSED_FD, &vector_const, 1, &size));
    check_u64(check, "path_create_directory", __WASI_ERRNO_BADF, __wasi_path_create_directory(CLOSED_FD, "a"));
    check_u64(check, "path_filestat_get", __WASI_ERRNO_BADF, __wasi_path_filestat_get(CLOSED_FD, 0, "a", &file));
    check_u64(check, "path_filestat_set_times", __WASI_ERRNO_BADF,
              __wasi_path_filestat_set_times(CLOSED_FD, 0, "a", 0, 0, 0));
    check_u64(check, "path_link", __WASI_ERRNO_BADF, __wasi_path_link(CLOSED_FD, 0, "a", CLOSED_FD, "b"));
    check_u64(check, "path_open", __WASI_ERRNO_BADF, __wasi_path_open(CLOSED_FD, 0, "a", 0, 0, 0, 0, &fd));
    check_u64(check, "path_readlink", __WASI_ERRNO_BADF, __wasi_path_readlink(CLOSED_FD, "a", text, 8, &size));
    check_u64(check, "path_remove_directory", __WASI_ERRNO_BADF, __wasi_path_remove_directory(CLOSED_FD, "a"));
    check_u64(check, "path_rename", __WASI_ERRNO_BADF, __wasi_path_rename(CLOSED_FD, "a", CLOSED_FD, "b"));
    check_u64(check, "path_symlink", __WASI_ERRNO_BADF, __wasi_path_symlink("a", CLOSED_FD, "b"));
    check_u64(check, "path_unlink_file", __WASI_ERRNO_BADF, __wasi_path_unlink_file(CLOSED_FD, "a"));
    check_u64(check, "sock_accept", __WASI_ERRNO_BADF, __wasi_sock_accept(CLOSED_FD, 0, &fd));
    check_u64(check, "sock_recv", __WASI_ERRNO_BADF, __wasi_sock_recv(CLOSED_FD, &vector, 1, 0, &size, &flags));
    check_u64(check, "sock_send", __WASI_ERRNO_BADF, __wasi_sock_send(CLOSED_FD, &vector_const, 1, 0, &size));
    check_u64(check, "sock_shutdown", __WASI_ERRNO_BADF, __wasi_sock_shutdown(CLOSED_FD, 1));
}

/* Standard input is a file of the archive, standard output the console. */
static void behaviour(struct check *check)
{
    __wasi_fd_t fd;
    __wasi_filesize_t where = 9;
    __wasi_size_t size = 0;
    __wasi_fdstat_t stat;
    __wasi_filestat_t file;
    char head[16] = {0};
    __wasi_iovec_t vector = {(uint8_t *)head, 6};
    check_group(check, "behaviour");
    check_u64(check, "path_open at a file", __WASI_ERRNO_NOTDIR, __wasi_path_open(0, 0, "a", 0, 0, 0, 0, &fd));
    check_u64(check, "fd_filestat_get", 0, __wasi_fd_filestat_get(0, &file));
    check_u64(check, "the input's size", 26, file.size);
    check_u64(check, "its type: regular file", __WASI_FILETYPE_REGULAR_FILE, file.filetype);
    check_u64(check, "fd_read", 0, __wasi_fd_read(0, &vector, 1, &size));
    check_true(check, "what it holds", size == 6 && strcmp(head, "abcdef") == 0);
    check_u64(check, "fd_tell", 0, __wasi_fd_tell(0, &where));
    check_u64(check, "after six bytes", 6, where);
    check_u64(check, "fd_pread", 0, __wasi_fd_pread(0, &vector, 1, 20, &size));
    check_true(check, "at an offset", memcmp(head, "uvwxyz", 6) == 0);
    check_u64(check, "fd_seek", 0, __wasi_fd_seek(0, -2, __WASI_WHENCE_END, &where));
    check_u64(check, "to the end less two", 24, where);
    check_u64(check, "fd_seek before the start", __WASI_ERRNO_INVAL, __wasi_fd_seek(0, -1, __WASI_WHENCE_SET, &where));
    check_u64(check, "fd_read at the end", 0, __wasi_fd_read(0, &vector, 1, &size));
    check_u64(check, "two bytes", 2, size);
    check_u64(check, "fd_write to the input", __WASI_ERRNO_BADF,
              __wasi_fd_write(0, (const __wasi_ciovec_t *)&vector, 1, &size));
    check_u64(check, "fd_filestat_set_size", __WASI_ERRNO_ROFS, __wasi_fd_filestat_set_size(0, 0));
    check_u64(check, "fd_seek on the console", __WASI_ERRNO_SPIPE, __wasi_fd_seek(1, 0, __WASI_WHENCE_SET, &where));
    check_u64(check, "fd_read from the console's output", __WASI_ERRNO_BADF, __wasi_fd_read(1, &vector, 1, &size));
    check_u64(check, "fd_fdstat_get", 0, __wasi_fd_fdstat_get(1, &stat));
    check_u64(check, "the console is a character device", __WASI_FILETYPE_CHARACTER_DEVICE, stat.fs_filetype);
    check_u64(check, "sock_send to the console", __WASI_ERRNO_NOTSOCK,
              __wasi_sock_send(1, (const __wasi_ciovec_t *)&vector, 1, 0, &size));
    check_u64(check, "clock without the permission", __WASI_ERRNO_NOTCAPABLE,
              __wasi_clock_time_get(__WASI_CLOCKID_REALTIME, 0, &where));
    check_u64(check, "clock that does not exist", __WASI_ERRNO_INVAL, __wasi_clock_time_get(9, 0, &where));
    check_u64(check, "poll of nothing", __WASI_ERRNO_INVAL, __wasi_poll_oneoff((void *)1024, (void *)1024, 0, &size));
    check_u64(check, "proc_raise, a signal that is ignored", 0, proc_raise(16));
    check_u64(check, "proc_raise, no signal", __WASI_ERRNO_INVAL, proc_raise(31));
    check_u64(check, "sched_yield", 0, __wasi_sched_yield());
    check_u64(check, "fd_renumber", 0, __wasi_fd_renumber(0, 2));
    check_u64(check, "the old number is free", __WASI_ERRNO_BADF, __wasi_fd_tell(0, &where));
    check_u64(check, "the new one is the file", 0, __wasi_fd_tell(2, &where));
    check_u64(check, "at the same place", 26, where);
}

/* CPU time passes while we work, and not while we sleep. */
static void cpu_time(struct check *check)
{
    __wasi_timestamp_t first, worked, slept, thread, begin, end;
    __wasi_subscription_t sleep = {.u.tag = __WASI_EVENTTYPE_CLOCK};
    __wasi_event_t event;
    size_t count;
    volatile uint64_t work = 0;
    check_group(check, "CPU time");
    check_u64(check, "process", 0, __wasi_clock_time_get(__WASI_CLOCKID_PROCESS_CPUTIME_ID, 0, &first));
    for (int i = 0; i < 1000000; i++)
        work += (uint64_t)i;
    check_u64(check, "process", 0, __wasi_clock_time_get(__WASI_CLOCKID_PROCESS_CPUTIME_ID, 0, &worked));
    check_true(check, "passes while we work", worked > first);
    sleep.u.u.clock = (__wasi_subscription_clock_t){__WASI_CLOCKID_MONOTONIC, 50000000, 0, 0};
    (void)__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &begin);
    check_u64(check, "sleep", 0, __wasi_poll_oneoff(&sleep, &event, 1, &count));
    (void)__wasi_clock_time_get(__WASI_CLOCKID_MONOTONIC, 0, &end);
    check_u64(check, "process", 0, __wasi_clock_time_get(__WASI_CLOCKID_PROCESS_CPUTIME_ID, 0, &slept));
    check_true(check, "slept for as long as asked", end - begin >= 50000000);
    check_true(check, "and used hardly any time for it", slept - worked < 25000000);
    check_u64(check, "thread", 0, __wasi_clock_time_get(__WASI_CLOCKID_THREAD_CPUTIME_ID, 0, &thread));
    check_true(check, "the only thread has used all of it", thread >= slept);
    check_u64(check, "resolution", 0, __wasi_clock_res_get(__WASI_CLOCKID_THREAD_CPUTIME_ID, &first));
}

/* The limit of this program's manifest is 4 MiB for everything. */
static void memory(struct check *check)
{
    size_t before = __builtin_wasm_memory_size(0), grown = 0;
    unsigned dirty = 0;
    check_group(check, "memory");
    while (__builtin_wasm_memory_grow(0, 1) != SIZE_MAX) {
        const uint8_t *page = (const uint8_t *)((before + grown++) * 65536);
        for (unsigned i = 0; i < 65536; i += 61)
            dirty += page[i] != 0;
        memset((void *)(uintptr_t)page, 0xa5, 65536);
    }
    check_true(check, "grows page by page near to the limit", before + grown > 48 && before + grown < 64);
    check_u64(check, "bytes that were not zero", 0, dirty);
    check_u64(check, "size as grown", before + grown, __builtin_wasm_memory_size(0));
    check_true(check, "not beyond", __builtin_wasm_memory_grow(0, 30) == SIZE_MAX);
}

int main(void)
{
    struct check check = {0};
    pointers(&check);
    descriptors(&check);
    behaviour(&check);
    cpu_time(&check);
    memory(&check);
    return check_finish(&check, "wasi");
}
