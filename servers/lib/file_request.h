/* The parts of the front of servers of files (tessera/file_server.h), one file each: sessions and handles
 * (file_handle.c), what is done with an open file (file_data.c) and with names (file_names.c), and the loop that takes
 * requests apart (file_server.c).
 */
#ifndef FILE_REQUEST_H
#define FILE_REQUEST_H

#include "kernel/include/abi/message.h"
#include "tessera/file_server.h"
#include "tessera/path.h"

/* w0 of a request names it by `number`: its slot, and above that a serial that never comes again, so that neither a
 * closed handle nor one of a server before this one is taken for another. */
struct handle {
    inode file;
    uint64_t number; /* 0: free */
    uint32_t mount;
    uint16_t access;    /* enum fs_access */
    uint16_t type;      /* enum fs_type */
    uint32_t budget;    /* of the granted directory that it comes from (tessera/file_budget.h), 0: none */
    uint32_t quota_kib; /* its limit */
};

struct session;
struct request {
    struct session *session;
    uint8_t *window; /* the client's */
    struct handle *handle;
    const word *words;
    word *results;
};

extern const struct file_backend *file_backend; /* the server's */

/* ---- file_handle.c */

/* `start_ticks`: of this server's start; no handle number of one before comes again. */
void handles_start(uint64_t start_ticks);
/* The session of the client with that badge, made when it is a new one. E: ENFILE its program's share is used up. */
uint32_t session_get(word badge, struct session **session);
word session_badge(const struct session *session);
uint8_t *session_window(const struct session *session);
/* Of the directory that it is opening (tessera/file_budget.h). */
struct budget_count **session_count(struct session *session);
/* The process server has news: closes the sessions of those that died. */
void sessions_check(void);

/* NULL: there is none of that number. */
struct handle *handle_find(const struct session *session, uint64_t number);
/* Opens the file for the session; mount and budget as of `like`. E: EMFILE the session has too many, ENFILE its
 * program's share is used up. */
uint32_t handle_open(struct session *session, inode file, const struct handle *like, uint32_t type, uint32_t access,
                     uint64_t *number);
/* What handle_open would say. */
uint32_t handle_room(struct session *session);
void handle_close(struct session *session, struct handle *handle);

/* What a granted directory may still hold; what is reported here is what `handle`s changed. */
uint64_t room_of(const struct handle *handle);
/* A name; of a symbolic link so many bytes that it leads to. */
uint32_t name_room(const struct handle *handle, uint32_t bytes);
void name_made(const struct handle *handle, uint32_t bytes, uint32_t error);
void size_changed(const struct handle *handle, uint64_t before, uint64_t after);
uint64_t size_of(inode file);
/* What goes when a file loses one of `links` names: nothing while somebody has it open. */
uint64_t bytes_freed(const struct handle *handle, inode file, uint64_t links);

/* ---- file_data.c, file_names.c: requests, by what they do */

uint32_t file_read(const struct request *request);
uint32_t file_write(const struct request *request);
uint32_t file_changed_size(const struct request *request, uint64_t bytes, bool is_allocate);
uint32_t file_times(inode file, uint64_t accessed, uint64_t modified, word which);
uint32_t file_stat_put(const struct request *request, inode file, uint32_t mount);
/* `handle` says whose budget it is. */
uint32_t handle_resize(const struct handle *handle, inode file, uint64_t bytes);
uint32_t directory_list(const struct request *request);

uint32_t root_open(const struct request *request);
uint32_t file_open(const struct request *request);
uint32_t directory_make(const struct request *request);
uint32_t directory_remove(const struct request *request);
uint32_t file_unlink(const struct request *request);
uint32_t file_rename(const struct request *request);
uint32_t file_link(const struct request *request);
uint32_t link_make(const struct request *request);
uint32_t link_read(const struct request *request);
uint32_t path_stat(const struct request *request);
uint32_t path_times(const struct request *request);

static inline bool may_write(const struct handle *handle)
{
    return handle->access & FS_MAY_WRITE;
}

#endif
