/* Sessions and their handles: see file_request.h. Handles lie in pages of the heap that come and go with them, and
 * each page counts against the share of the program that the client descends from (tessera/share.h).
 */
#include "file_request.h"

#include "proto/process.h"
#include "tessera/file_budget.h"
#include "tessera/heap.h"
#include "tessera/server.h"
#include "tessera/share.h"

#define PAGE_HANDLES FILE_SERVER_PAGE_HANDLES
#define HANDLE_BITS  7 /* of a slot: number within its page */
#define HANDLE_PAGES 128
#define SLOT_BITS    16
#define SESSIONS     192u
#define PAGES        256u /* of handles, of all sessions */

struct handle_page {
    uint64_t used[2]; /* bit per handle */
    uint64_t unused[2];
    struct handle handles[PAGE_HANDLES];
};
_Static_assert(sizeof(struct handle_page) == HEAP_PAGE_BYTES && PAGE_HANDLES < 1u << HANDLE_BITS, "a page's handles");
_Static_assert(HANDLE_PAGES << HANDLE_BITS <= 1u << SLOT_BITS, "a slot fits a number");
_Static_assert(PAGES *PAGE_HANDLES <= FILE_SERVER_HANDLES, "what a backend was told");

struct session {
    uint64_t badge; /* 0: free */
    uint8_t *window;
    uint32_t party;
    uint32_t first_free; /* no page before it has room */
    struct budget_count *count;
    struct handle_page *pages[HANDLE_PAGES];
};

static struct session sessions[SESSIONS];
static uint64_t next_serial;

/* ---- what parties share -------------------------------------------------------------------------------------- */

enum { SHARE_OF_SESSIONS, SHARE_OF_PAGES };
static const struct share_kind kinds[] = {
    [SHARE_OF_SESSIONS] = {"sessions", SESSIONS, SESSIONS / 2}, [SHARE_OF_PAGES] = {"open files", PAGES, PAGES / 2}};

static uint32_t take_share(uint32_t party, uint32_t kind)
{
    return share_ask(file_server_name(), party, kind) ? FS_OK : FS_ENFILE;
}

/* ---- handles ------------------------------------------------------------------------------------------------- */

static uint32_t slot_of(const struct handle *handle)
{
    return handle->number & ((1u << SLOT_BITS) - 1);
}

static struct handle *handle_at(const struct session *session, uint32_t slot)
{
    struct handle_page *page = session->pages[slot >> HANDLE_BITS];
    uint32_t index = slot & ((1u << HANDLE_BITS) - 1);
    return page && index < PAGE_HANDLES ? &page->handles[index] : NULL;
}

struct handle *handle_find(const struct session *session, uint64_t number)
{
    uint32_t slot = number & ((1u << SLOT_BITS) - 1);
    struct handle *handle = number && slot < HANDLE_PAGES << HANDLE_BITS ? handle_at(session, slot) : NULL;
    return handle && handle->number == number ? handle : NULL;
}

static uint32_t page_add(struct session *session, uint32_t at)
{
    uint32_t error = take_share(session->party, SHARE_OF_PAGES);
    if (error)
        return error;
    struct handle_page *page = session->pages[at] = heap_page_take();
    if (!page) {
        share_give(session->party, SHARE_OF_PAGES);
        return FS_ENFILE;
    }
    page->used[1] = ~0ul << (PAGE_HANDLES - 64); /* which there are not */
    return FS_OK;
}

static void page_remove(struct session *session, uint32_t at)
{
    heap_page_return(session->pages[at]);
    session->pages[at] = NULL;
    share_give(session->party, SHARE_OF_PAGES);
}

static bool page_is_full(const struct handle_page *page)
{
    return (page->used[0] & page->used[1]) == ~0ul;
}

static uint32_t slot_take(struct session *session, uint32_t *slot)
{
    uint32_t at = session->first_free;
    while (at < HANDLE_PAGES && session->pages[at] && page_is_full(session->pages[at]))
        at++;
    session->first_free = at;
    if (at == HANDLE_PAGES)
        return FS_EMFILE;
    uint32_t error = session->pages[at] ? FS_OK : page_add(session, at);
    if (error)
        return error;
    uint64_t *used = session->pages[at]->used;
    uint32_t half = used[0] == ~0ul, bit = (uint32_t)__builtin_ctzl(~used[half]);
    used[half] |= 1ul << bit;
    *slot = at << HANDLE_BITS | half * 64 | bit;
    return FS_OK;
}

/* A page without handles goes back, so that its program can have as many elsewhere. */
static void slot_return(struct session *session, uint32_t slot)
{
    uint32_t at = slot >> HANDLE_BITS, index = slot & ((1u << HANDLE_BITS) - 1);
    struct handle_page *page = session->pages[at];
    page->handles[index] = (struct handle){0};
    page->used[index / 64] &= ~(1ul << index % 64);
    if (page->used[0] == 0 && page->used[1] == ~0ul << (PAGE_HANDLES - 64))
        page_remove(session, at);
    if (at < session->first_free)
        session->first_free = at;
}

uint32_t handle_room(struct session *session)
{
    uint32_t slot, error = slot_take(session, &slot);
    if (!error)
        slot_return(session, slot);
    return error;
}

uint32_t handle_open(struct session *session, inode file, const struct handle *like, uint32_t type, uint32_t access,
                     uint64_t *number)
{
    uint32_t slot, error = slot_take(session, &slot);
    if (error)
        return error;
    error = file_backend->open(file);
    if (error) {
        slot_return(session, slot);
        return error;
    }
    *number = ++next_serial << SLOT_BITS | slot;
    *handle_at(session, slot) = (struct handle){.file = file,
                                                .number = *number,
                                                .mount = like->mount,
                                                .access = (uint16_t)access,
                                                .type = (uint16_t)type,
                                                .budget = like->budget,
                                                .quota_kib = like->quota_kib};
    budget_hold(like->budget);
    return FS_OK;
}

void handle_close(struct session *session, struct handle *handle)
{
    uint32_t slot = slot_of(handle);
    budget_give(handle->budget, bytes_freed(handle, handle->file, 0));
    budget_drop(handle->budget);
    file_backend->close(handle->file);
    slot_return(session, slot);
}

/* ---- what a granted directory may hold ----------------------------------------------------------------------- */

uint64_t room_of(const struct handle *handle)
{
    return budget_left(handle->budget, (uint64_t)handle->quota_kib << 10);
}

uint64_t size_of(inode file)
{
    struct fs_stat stat = {0};
    return file_backend->stat(file, &stat) ? 0 : stat.bytes;
}

void size_changed(const struct handle *handle, uint64_t before, uint64_t after)
{
    if (after > before)
        budget_add(handle->budget, after - before);
    else
        budget_give(handle->budget, before - after);
}

uint32_t name_room(const struct handle *handle, uint32_t bytes)
{
    return room_of(handle) < BUDGET_NAME_BYTES + bytes ? FS_ENOSPC : FS_OK;
}

void name_made(const struct handle *handle, uint32_t bytes, uint32_t error)
{
    budget_add(handle->budget, error ? 0 : BUDGET_NAME_BYTES + bytes);
}

static bool page_has(const struct handle_page *page, inode file, const struct handle *except)
{
    for (uint32_t i = 0; page && i < PAGE_HANDLES; i++)
        if (page->handles[i].number && page->handles[i].file == file && &page->handles[i] != except)
            return true;
    return false;
}

static bool is_open(inode file, const struct handle *except)
{
    for (uint32_t i = 0; i < SESSIONS; i++)
        for (uint32_t at = 0; sessions[i].badge && at < HANDLE_PAGES; at++)
            if (page_has(sessions[i].pages[at], file, except))
                return true;
    return false;
}

uint64_t bytes_freed(const struct handle *handle, inode file, uint64_t links)
{
    struct fs_stat stat = {0};
    if (!handle->budget || !file || file_backend->stat(file, &stat) || stat.type == FS_TYPE_DIRECTORY ||
        stat.links != links)
        return 0;
    return is_open(file, links ? NULL : handle) ? 0 : stat.bytes;
}

/* ---- sessions ------------------------------------------------------------------------------------------------ */

/* Where we see the client's window; also how we learn that a client is gone. */
static bool window_find(uint64_t badge, uint8_t **window)
{
    struct message m = {message_info(PROCESS_SERVICE_WINDOW, 0, 1), {badge}};
    if (syscall_call(PROCESS_CAP_SERVER, &m) != ERROR_NONE || message_info_label(m.info) != 0)
        return false;
    *window = (uint8_t *)m.words[0];
    return true;
}

static uint32_t session_begin(struct session *session, word badge)
{
    uint32_t party, error = party_find(badge, &party) ? FS_OK : FS_ENFILE;
    if (error)
        return error;
    error = take_share(party, SHARE_OF_SESSIONS);
    if (!error && window_find(badge, &session->window)) {
        session->badge = badge;
        session->party = party;
        return FS_OK;
    }
    if (!error)
        share_give(party, SHARE_OF_SESSIONS);
    party_leave(party);
    return FS_ENFILE;
}

uint32_t session_get(word badge, struct session **session)
{
    *session = NULL;
    for (uint32_t i = 0; i < SESSIONS; i++) {
        if (sessions[i].badge == badge) {
            *session = &sessions[i];
            return FS_OK;
        }
        if (!sessions[i].badge && !*session)
            *session = &sessions[i];
    }
    return *session ? session_begin(*session, badge) : FS_ENFILE;
}

word session_badge(const struct session *session)
{
    return session->badge;
}

uint8_t *session_window(const struct session *session)
{
    return session->window;
}

struct budget_count **session_count(struct session *session)
{
    return &session->count;
}

static void session_close(struct session *session)
{
    budget_count_end(file_backend, &session->count);
    for (uint32_t slot = 0; slot < HANDLE_PAGES << HANDLE_BITS; slot++) {
        struct handle *handle = handle_at(session, slot); /* its page goes with the last one */
        if (handle && handle->number)
            handle_close(session, handle);
    }
    share_give(session->party, SHARE_OF_SESSIONS);
    party_leave(session->party);
    *session = (struct session){0};
}

void sessions_check(void)
{
    uint8_t *window;
    for (uint32_t i = 0; i < SESSIONS; i++)
        if (sessions[i].badge && !window_find(sessions[i].badge, &window))
            session_close(&sessions[i]);
}

void handles_start(uint64_t start_ticks)
{
    shares_set(kinds);
    next_serial = start_ticks << 8 & ((1ul << 44) - 1);
}
