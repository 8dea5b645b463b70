/* See tessera/file_budget.h. */
#include "tessera/file_budget.h"

#define BUDGETS 64
#define LEVELS  256 /* of directories that are counted */

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

/* Everything below the directory, level by level. E: ENAMETOOLONG too many levels. */
static uint32_t tree_count(const struct file_backend *backend, inode root, uint64_t *used)
{
    static struct {
        inode directory;
        uint64_t cookie;
    } levels[LEVELS];
    static struct file_entry entry;
    uint32_t depth = 1, error;
    levels[0].directory = root;
    levels[0].cookie = 0;
    *used = 0;
    while (depth > 0) {
        inode found;
        error = backend->list(levels[depth - 1].directory, levels[depth - 1].cookie, &entry);
        if (error == FS_ENOENT) {
            depth--;
            continue;
        }
        if (!error)
            error = entry_count(backend, levels[depth - 1].directory, &entry, &found, used);
        if (!error && entry.type == FS_TYPE_DIRECTORY && depth == LEVELS)
            error = FS_ENAMETOOLONG;
        if (error)
            return error;
        levels[depth - 1].cookie = entry.next;
        if (entry.type == FS_TYPE_DIRECTORY) {
            levels[depth].directory = found;
            levels[depth++].cookie = 0;
        }
    }
    return FS_OK;
}

/* ---- the interface ------------------------------------------------------------------------------------------- */

uint32_t budget_open(const struct file_backend *backend, uint32_t mount, inode root, uint32_t *number)
{
    uint32_t unused = BUDGETS;
    for (uint32_t i = 0; i < BUDGETS; i++) {
        if (budgets[i].holders == 0)
            unused = i;
        else if (budgets[i].mount == mount && budgets[i].root == root) {
            *number = i + 1;
            return FS_OK;
        }
    }
    if (unused == BUDGETS)
        return FS_ENFILE;
    budgets[unused] = (struct budget){.root = root, .mount = mount};
    *number = unused + 1;
    return tree_count(backend, root, &budgets[unused].used);
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
