/* See tessera/file_budget.h. */
#include "tessera/file_budget.h"

#include "tessera/heap.h"

#define BUDGETS 64
#define LEVELS  252 /* of directories that are counted */
#define STEP    64u /* entries that are counted in one request */

static struct budget {
    inode root;
    uint32_t mount, holders; /* 0: free */
    uint64_t used;
} budgets[BUDGETS];

/* ---- counting ------------------------------------------------------------------------------------------------ */

static uint32_t entry_count(const struct file_backend *backend, inode directory, const struct file_entry *entry,
                            inode *found, uint64_t *used)
{
    struct fs_stat stat = {0};
    uint32_t error = backend->lookup(directory, entry->name, entry->name_bytes, found);
    if (!error)
        error = backend->stat(*found, &stat);
    *used += BUDGET_NAME_BYTES;
    if (!error && stat.type != FS_TYPE_DIRECTORY && stat.links > 0)
        *used += stat.bytes / stat.links; /* each of its names is met, or lies outside */
    return error;
}

/* Where a count is. Its directories are open, so that none of them is another file's by the next request. */
struct budget_count {
    inode root;
    uint32_t mount, depth;
    uint64_t used;
    struct {
        inode directory;
        uint64_t cookie;
    } levels[LEVELS];
};
_Static_assert(sizeof(struct budget_count) <= HEAP_PAGE_BYTES, "a page's count");

static uint32_t level_enter(const struct file_backend *backend, struct budget_count *count, inode directory)
{
    uint32_t error = count->depth == LEVELS ? FS_ENAMETOOLONG : backend->open(directory);
    if (error)
        return error;
    count->levels[count->depth].directory = directory;
    count->levels[count->depth++].cookie = 0;
    return FS_OK;
}

static void level_leave(const struct file_backend *backend, struct budget_count *count)
{
    backend->close(count->levels[--count->depth].directory);
}

/* Everything below the directory, level by level, a few entries at a time. E: FS_MORE, ENAMETOOLONG too many levels. */
static uint32_t count_step(const struct file_backend *backend, struct budget_count *count)
{
    static struct file_entry entry;
    for (uint32_t done = 0; count->depth > 0; done++) {
        inode directory = count->levels[count->depth - 1].directory, found;
        if (done == STEP)
            return FS_MORE;
        uint32_t error = backend->list(directory, count->levels[count->depth - 1].cookie, &entry);
        if (error == FS_ENOENT) {
            level_leave(backend, count);
            continue;
        }
        if (!error)
            error = entry_count(backend, directory, &entry, &found, &count->used);
        if (error)
            return error;
        count->levels[count->depth - 1].cookie = entry.next;
        if (entry.type == FS_TYPE_DIRECTORY && (error = level_enter(backend, count, found)))
            return error;
    }
    return FS_OK;
}

static uint32_t count_begin(const struct file_backend *backend, uint32_t mount, inode root, struct budget_count **count)
{
    budget_count_end(backend, count);
    *count = heap_page_take();
    if (!*count)
        return FS_ENFILE;
    (*count)->root = root;
    (*count)->mount = mount;
    return level_enter(backend, *count, root);
}

void budget_count_end(const struct file_backend *backend, struct budget_count **count)
{
    if (!*count)
        return;
    while ((*count)->depth > 0)
        level_leave(backend, *count);
    heap_page_return(*count);
    *count = NULL;
}

/* ---- the interface ------------------------------------------------------------------------------------------- */

uint32_t budget_open(const struct file_backend *backend, uint32_t mount, inode root, struct budget_count **count,
                     uint32_t *number)
{
    uint32_t unused = BUDGETS, error = FS_OK;
    for (uint32_t i = 0; i < BUDGETS; i++) {
        if (budgets[i].holders == 0)
            unused = i;
        else if (budgets[i].mount == mount && budgets[i].root == root) {
            *number = i + 1;
            budget_count_end(backend, count);
            return FS_OK;
        }
    }
    if (unused == BUDGETS)
        error = FS_ENFILE;
    else if (!*count || (*count)->mount != mount || (*count)->root != root)
        error = count_begin(backend, mount, root, count);
    if (!error)
        error = count_step(backend, *count);
    if (error == FS_MORE)
        return error;
    if (!error) {
        budgets[unused] = (struct budget){.root = root, .mount = mount, .used = (*count)->used};
        *number = unused + 1;
    }
    budget_count_end(backend, count);
    return error;
}

void budget_hold(uint32_t number)
{
    if (number)
        budgets[number - 1].holders++;
}

void budget_drop(uint32_t number)
{
    if (number)
        budgets[number - 1].holders--;
}

uint64_t budget_left(uint32_t number, uint64_t limit)
{
    if (!number)
        return UINT64_MAX;
    uint64_t used = budgets[number - 1].used;
    return used < limit ? limit - used : 0;
}

void budget_add(uint32_t number, uint64_t bytes)
{
    if (number)
        budgets[number - 1].used += bytes;
}

void budget_give(uint32_t number, uint64_t bytes)
{
    if (number)
        budgets[number - 1].used -= bytes < budgets[number - 1].used ? bytes : budgets[number - 1].used;
}
