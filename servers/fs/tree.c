/* See tree.h. An inode number of the backend is the address of a node; what programs see is the node's number. */
#include "tree.h"

#include "tessera/heap.h"
#include "tessera/text.h"

#define BUCKETS      4096u
#define FIRST_COOKIE 2u /* below are "." and ".." */
#define TABLE_PAGES  512u
#define LINKS_MAX    65000u
/* Of one request, or one step of tidying: 4 MiB. */
#define CUT_TABLES     2u
#define ALLOCATE_BYTES (4ul << 20)

static struct entry *buckets[BUCKETS];
static uint64_t next_number = 1;

/* ---- memory and its account ---------------------------------------------------------------------------------- */

static void *take(struct mount *mount, size_t bytes)
{
    if (mount->used_bytes + bytes > mount->quota_bytes)
        return NULL;
    void *piece = heap_take(bytes);
    mount->used_bytes += piece ? bytes : 0;
    return piece;
}

static void give_back(struct mount *mount, void *piece, size_t bytes)
{
    heap_return(piece, bytes);
    mount->used_bytes -= bytes;
}

/* ---- entries ------------------------------------------------------------------------------------------------- */

static uint32_t hash_of(const struct node *directory, const char *name, uint32_t bytes)
{
    /* FNV-1a, offset basis and prime of 32 bits: draft-eastlake-fnv. */
    uint32_t hash = 2166136261u ^ (uint32_t)directory->number;
    for (uint32_t i = 0; i < bytes; i++)
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static struct entry *entry_find(const struct node *directory, const char *name, uint32_t bytes)
{
    uint32_t hash = hash_of(directory, name, bytes);
    struct entry *entry = buckets[hash % BUCKETS];
    while (entry && (entry->hash != hash || entry->directory != directory || entry->name_bytes != bytes ||
                     memcmp(entry->name, name, bytes) != 0))
        entry = entry->hash_next;
    return entry;
}

static void entry_place(struct entry *entry, struct node *directory, struct node *node)
{
    entry->directory = directory;
    entry->node = node;
    entry->hash = hash_of(directory, entry->name, entry->name_bytes);
    entry->hash_next = buckets[entry->hash % BUCKETS];
    buckets[entry->hash % BUCKETS] = entry;
    entry->cookie = directory->directory.next_cookie++;
    entry->previous = directory->directory.last;
    if (entry->previous)
        entry->previous->next = entry;
    else
        directory->directory.first = entry;
    directory->directory.last = entry;
    node->links++;
    if (node->type == FS_TYPE_DIRECTORY) {
        node->directory.parent = directory;
        directory->links++; /* its ".." */
    }
}

static void entry_unplace(struct entry *entry)
{
    struct node *directory = entry->directory, *node = entry->node;
    struct entry **at = &buckets[entry->hash % BUCKETS];
    while (*at != entry)
        at = &(*at)->hash_next;
    *at = entry->hash_next;
    if (entry->previous)
        entry->previous->next = entry->next;
    else
        directory->directory.first = entry->next;
    if (entry->next)
        entry->next->previous = entry->previous;
    else
        directory->directory.last = entry->previous;
    if (directory->directory.listed == entry)
        directory->directory.listed = entry->next;
    entry->previous = entry->next = NULL;
    node->links--;
    if (node->type == FS_TYPE_DIRECTORY)
        directory->links--;
}

static bool name_is_own(const struct entry *entry)
{
    return entry->name == (const char *)(entry + 1);
}

static void entry_free(struct mount *mount, struct entry *entry)
{
    give_back(mount, entry, sizeof(*entry) + (name_is_own(entry) ? entry->name_bytes : 0));
}

/* With room for the name, or, where it stays where it is, without. */
static struct entry *entry_make(struct mount *mount, const char *name, uint32_t bytes, bool stays)
{
    struct entry *entry = take(mount, sizeof(*entry) + (stays ? 0 : bytes));
    if (!entry)
        return NULL;
    entry->name = stays ? name : (char *)(entry + 1);
    entry->name_bytes = bytes;
    if (!stays)
        memcpy(entry + 1, name, bytes);
    return entry;
}

/* ---- nodes --------------------------------------------------------------------------------------------------- */

static void touch(struct node *node)
{
    node->modified_ns = node->changed_ns = file_server_now_ns();
    node->is_changed = true;
}

static struct node *node_make(struct mount *mount, enum fs_type type)
{
    struct node *node = take(mount, sizeof(*node));
    if (!node)
        return NULL;
    node->mount = mount;
    node->type = type;
    node->number = next_number++;
    if (type == FS_TYPE_DIRECTORY) {
        node->directory.parent = node;
        node->directory.next_cookie = FIRST_COOKIE;
        node->links = 1; /* its "." */
    }
    return node;
}

static bool file_cut(struct node *node, uint64_t bytes);

/* Files without a name or a handle that have pages still, freed a piece at a time. */
static struct node *gone;

static void node_free(struct node *node)
{
    if (node->type == FS_TYPE_FILE && node->file.tables)
        give_back(node->mount, node->file.tables, HEAP_PAGE_BYTES);
    if (node->type == FS_TYPE_LINK && node->link.is_ours && node->bytes)
        give_back(node->mount, (void *)(uintptr_t)node->link.target, node->bytes);
    give_back(node->mount, node, sizeof(*node));
}

/* When neither a name nor a handle is left. */
static void node_release(struct node *node)
{
    uint32_t own = node->type == FS_TYPE_DIRECTORY ? 1 : 0;
    if (node->links > own || node->opens > 0)
        return;
    if (node->type != FS_TYPE_FILE || !node->file.tables) {
        node_free(node);
        return;
    }
    node->file.next_gone = gone;
    gone = node;
}

static bool tree_tidy(void)
{
    struct node *node = gone;
    if (node && file_cut(node, 0)) {
        gone = node->file.next_gone;
        node_free(node);
    }
    return node;
}

static struct node *node_of(inode file)
{
    return (struct node *)file;
}

/* ---- bytes of files ------------------------------------------------------------------------------------------ */

static uint8_t **page_slot(const struct node *node, uint64_t offset)
{
    uint64_t page = offset / HEAP_PAGE_BYTES;
    uint8_t **table = node->file.tables ? node->file.tables[page / TABLE_PAGES] : NULL;
    return table ? &table[page % TABLE_PAGES] : NULL;
}

const uint8_t *tree_bytes(const struct node *node, uint64_t offset, uint64_t *run)
{
    uint64_t in_page = offset % HEAP_PAGE_BYTES;
    uint8_t **slot = page_slot(node, offset);
    *run = HEAP_PAGE_BYTES - in_page;
    if (slot && *slot)
        return *slot + in_page;
    if (offset >= node->file.base_bytes)
        return NULL;
    if (!node->file.tables || *run > node->file.base_bytes - offset) /* nothing was ever written: all where it lies */
        *run = node->file.base_bytes - offset;
    return node->file.base + offset;
}

/* A page of our own at the offset, with what it read as before. */
static uint8_t *page_own(struct node *node, uint64_t offset)
{
    struct mount *mount = node->mount;
    uint64_t first = offset / HEAP_PAGE_BYTES * HEAP_PAGE_BYTES;
    if (!node->file.tables && !(node->file.tables = take(mount, HEAP_PAGE_BYTES)))
        return NULL;
    uint8_t ***table = &node->file.tables[offset / HEAP_PAGE_BYTES / TABLE_PAGES];
    if (!*table && !(*table = take(mount, HEAP_PAGE_BYTES)))
        return NULL;
    uint8_t **slot = &(*table)[offset / HEAP_PAGE_BYTES % TABLE_PAGES];
    uint8_t *page = *slot ? *slot : take(mount, HEAP_PAGE_BYTES);
    if (*slot)
        return page;
    if (page && first < node->file.base_bytes) {
        uint64_t bytes = node->file.base_bytes - first;
        memcpy(page, node->file.base + first, bytes < HEAP_PAGE_BYTES ? bytes : HEAP_PAGE_BYTES);
    }
    return *slot = page;
}

/* Pages `first` and on of a table; the table too when that is all. */
static void table_cut(struct node *node, uint64_t number, uint64_t first)
{
    uint8_t **table = node->file.tables[number];
    for (uint64_t i = first; i < TABLE_PAGES; i++) {
        if (table[i])
            give_back(node->mount, table[i], HEAP_PAGE_BYTES);
        table[i] = NULL;
    }
    if (first > 0)
        return;
    give_back(node->mount, table, HEAP_PAGE_BYTES);
    node->file.tables[number] = NULL;
}

/* Drops what lies at and behind `bytes`, of CUT_TABLES tables from the end; what is read there later is zero. False:
 * that was a piece of it, down to the size that the file has now. */
static bool file_cut(struct node *node, uint64_t bytes)
{
    uint64_t kept = (bytes + HEAP_PAGE_BYTES - 1) / HEAP_PAGE_BYTES, end = bytes;
    uint32_t cut = 0;
    for (uint64_t t = TABLE_PAGES; node->file.tables && end == bytes && t-- > kept / TABLE_PAGES;) {
        if (node->file.tables[t] && cut++ == CUT_TABLES)
            end = (t + 1) * TABLE_PAGES * HEAP_PAGE_BYTES;
        else if (node->file.tables[t])
            table_cut(node, t, t == kept / TABLE_PAGES ? kept % TABLE_PAGES : 0);
    }
    bool is_done = end == bytes;
    if (node->bytes > end)
        node->bytes = end;
    if (node->file.base_bytes > node->bytes)
        node->file.base_bytes = node->bytes;
    uint8_t **last = is_done && bytes % HEAP_PAGE_BYTES ? page_slot(node, bytes) : NULL;
    if (last && *last)
        memset(*last + bytes % HEAP_PAGE_BYTES, 0, HEAP_PAGE_BYTES - bytes % HEAP_PAGE_BYTES);
    return is_done;
}

/* ---- the backend: files -------------------------------------------------------------------------------------- */

static uint32_t tree_stat(inode file, struct fs_stat *stat)
{
    const struct node *node = node_of(file);
    *stat = (struct fs_stat){
        .inode = node->number,
        .type = node->type,
        .links = node->links,
        .bytes = node->bytes,
        .accessed_ns = node->accessed_ns,
        .modified_ns = node->modified_ns,
        .changed_ns = node->changed_ns,
    };
    return FS_OK;
}

static uint32_t tree_open(inode file)
{
    struct node *node = node_of(file);
    if (node->is_unchecked && !fs_member_is_good(node))
        return FS_EIO;
    node->is_unchecked = false;
    node->opens++;
    return FS_OK;
}

static void tree_close(inode file)
{
    struct node *node = node_of(file);
    node->opens--;
    node_release(node);
}

static uint32_t tree_read(inode file, uint64_t offset, void *bytes, uint32_t count, uint32_t *done)
{
    struct node *node = node_of(file);
    uint8_t *to = bytes;
    *done = 0;
    if (node->type == FS_TYPE_CHARACTER) {
        *done = node->device.gives_zeros ? count : 0;
        memset(to, 0, *done);
        return FS_OK;
    }
    if (offset >= node->bytes)
        return FS_OK;
    if (count > node->bytes - offset)
        count = (uint32_t)(node->bytes - offset);
    while (*done < count) {
        uint64_t run;
        const uint8_t *from = tree_bytes(node, offset + *done, &run);
        uint32_t part = run < count - *done ? (uint32_t)run : count - *done;
        if (from)
            memcpy(to + *done, from, part);
        else
            memset(to + *done, 0, part);
        *done += part;
    }
    return FS_OK;
}

static uint32_t tree_write(inode file, uint64_t offset, const void *bytes, uint32_t count, uint32_t *done,
                           uint64_t *end)
{
    struct node *node = node_of(file);
    const uint8_t *from = bytes;
    *done = 0;
    if (node->type == FS_TYPE_CHARACTER) {
        *done = count;
        *end = 0;
        return FS_OK;
    }
    if (node->mount->is_read_only)
        return FS_EROFS;
    if (offset == FS_AT_END)
        offset = node->bytes;
    *end = offset;
    if (count == 0)
        return FS_OK;
    if (offset >= TREE_FILE_MAX)
        return FS_EFBIG;
    if (count > TREE_FILE_MAX - offset)
        count = (uint32_t)(TREE_FILE_MAX - offset);
    while (*done < count) {
        uint8_t *page = page_own(node, offset + *done);
        uint64_t in_page = (offset + *done) % HEAP_PAGE_BYTES;
        uint32_t part = HEAP_PAGE_BYTES - (uint32_t)in_page;
        if (!page)
            break;
        part = part < count - *done ? part : count - *done;
        memcpy(page + in_page, from + *done, part);
        *done += part;
    }
    *end = offset + *done;
    if (*done > 0) {
        if (*end > node->bytes)
            node->bytes = *end;
        touch(node);
    }
    return *done > 0 ? FS_OK : FS_ENOSPC;
}

static uint32_t tree_resize(inode file, uint64_t bytes)
{
    struct node *node = node_of(file);
    if (node->type == FS_TYPE_CHARACTER)
        return FS_OK; /* it is truncated when it is opened to be written */
    if (node->mount->is_read_only)
        return FS_EROFS;
    if (bytes > TREE_FILE_MAX)
        return FS_EFBIG;
    bool is_done = bytes >= node->bytes || file_cut(node, bytes);
    if (is_done)
        node->bytes = bytes;
    touch(node);
    return is_done ? FS_OK : FS_MORE;
}

static uint32_t tree_allocate(inode file, uint64_t offset, uint64_t bytes, uint64_t *done)
{
    struct node *node = node_of(file);
    uint64_t piece = bytes < ALLOCATE_BYTES ? bytes : ALLOCATE_BYTES;
    *done = 0;
    if (node->mount->is_read_only)
        return FS_EROFS;
    if (bytes == 0)
        return FS_EINVAL;
    if (offset > TREE_FILE_MAX || bytes > TREE_FILE_MAX - offset)
        return FS_EFBIG;
    uint64_t begin = offset > node->bytes ? offset : node->bytes, end = offset + bytes;
    if (end > begin && node->mount->used_bytes + end - begin > node->mount->quota_bytes)
        return FS_ENOSPC; /* before anything is made */
    for (uint64_t at = offset / HEAP_PAGE_BYTES * HEAP_PAGE_BYTES; at < offset + piece; at += HEAP_PAGE_BYTES)
        if (!page_own(node, at)) { /* what was made stays, as the file's own, and reads as before */
            (void)file_cut(node, node->bytes);
            return FS_ENOSPC;
        }
    if (offset + piece > node->bytes)
        node->bytes = offset + piece;
    touch(node);
    *done = piece;
    return piece < bytes ? FS_MORE : FS_OK;
}

static uint32_t tree_times(inode file, uint64_t accessed_ns, uint64_t modified_ns, uint32_t which)
{
    struct node *node = node_of(file);
    if (node->mount->is_read_only)
        return FS_EROFS;
    if (which & FS_TIME_ACCESSED)
        node->accessed_ns = accessed_ns;
    if (which & FS_TIME_MODIFIED)
        node->modified_ns = modified_ns;
    node->changed_ns = file_server_now_ns();
    node->is_changed = true;
    return FS_OK;
}

/* Memory is all the storage there is. */
static uint32_t tree_sync(inode file, bool data_only)
{
    (void)file;
    (void)data_only;
    return FS_OK;
}

/* ---- the backend: directories -------------------------------------------------------------------------------- */

static uint32_t tree_lookup(inode directory, const char *name, uint32_t bytes, inode *found)
{
    const struct entry *entry = entry_find(node_of(directory), name, bytes);
    *found = entry ? (inode)entry->node : 0;
    return entry ? FS_OK : FS_ENOENT;
}

static uint32_t tree_parent(inode directory, inode *parent)
{
    *parent = (inode)node_of(directory)->directory.parent;
    return FS_OK;
}

static uint32_t tree_list(inode directory, uint64_t cookie, struct file_entry *out)
{
    struct node *node = node_of(directory);
    struct entry *entry = node->directory.listed; /* a listing goes on where it was */
    if (!entry || entry->cookie > cookie)
        entry = node->directory.first;
    while (entry && entry->cookie < cookie)
        entry = entry->next;
    node->directory.listed = entry;
    if (!entry)
        return FS_ENOENT;
    out->next = entry->cookie + 1;
    out->inode = entry->node->number;
    out->type = (enum fs_type)entry->node->type;
    out->name_bytes = entry->name_bytes;
    memcpy(out->name, entry->name, entry->name_bytes);
    return FS_OK;
}

/* A directory that was removed while somebody holds it takes no new entries. */
static uint32_t directory_check(const struct node *directory)
{
    if (directory->mount->is_read_only)
        return FS_EROFS;
    bool is_removed = directory->links <= 1 && directory != directory->mount->root;
    return is_removed ? FS_ENOENT : FS_OK;
}

static uint32_t tree_create(inode in, const char *name, uint32_t bytes, enum fs_type type, const char *target,
                            uint32_t target_bytes, inode *made)
{
    struct node *directory = node_of(in);
    struct mount *mount = directory->mount;
    uint32_t error = directory_check(directory);
    if (error)
        return error;
    struct entry *entry = entry_make(mount, name, bytes, false);
    struct node *node = entry ? node_make(mount, type) : NULL;
    char *own = NULL;
    if (node && type == FS_TYPE_LINK && !(own = take(mount, target_bytes))) {
        give_back(mount, node, sizeof(*node));
        node = NULL;
    }
    if (!node) {
        if (entry)
            entry_free(mount, entry);
        return FS_ENOSPC;
    }
    if (own) {
        memcpy(own, target, target_bytes);
        node->link.target = own;
        node->link.is_ours = true;
        node->bytes = target_bytes;
    }
    entry_place(entry, directory, node);
    touch(node);
    node->accessed_ns = node->modified_ns;
    touch(directory);
    *made = (inode)node;
    return FS_OK;
}

static uint32_t tree_link(inode file, inode in, const char *name, uint32_t bytes)
{
    struct node *node = node_of(file), *directory = node_of(in);
    uint32_t error = directory_check(directory);
    if (error)
        return error;
    if (node->links >= LINKS_MAX)
        return FS_EMLINK;
    struct entry *entry = entry_make(directory->mount, name, bytes, false);
    if (!entry)
        return FS_ENOSPC;
    entry_place(entry, directory, node);
    node->changed_ns = file_server_now_ns();
    node->is_changed = true;
    touch(directory);
    return FS_OK;
}

static void entry_remove(struct entry *entry)
{
    struct node *node = entry->node;
    touch(entry->directory);
    node->changed_ns = entry->directory->changed_ns;
    entry_unplace(entry);
    if (node->type == FS_TYPE_DIRECTORY)
        node->directory.parent = node; /* somebody may hold it still, when the parent is gone */
    entry_free(node->mount, entry);
    node_release(node);
}

static uint32_t tree_unlink(inode directory, const char *name, uint32_t bytes)
{
    struct entry *entry = entry_find(node_of(directory), name, bytes);
    if (node_of(directory)->mount->is_read_only)
        return FS_EROFS;
    if (!entry)
        return FS_ENOENT;
    entry_remove(entry);
    return FS_OK;
}

static uint32_t tree_remove_directory(inode directory, const char *name, uint32_t bytes)
{
    struct entry *entry = entry_find(node_of(directory), name, bytes);
    if (node_of(directory)->mount->is_read_only)
        return FS_EROFS;
    if (!entry)
        return FS_ENOENT;
    if (entry->node->directory.first)
        return FS_ENOTEMPTY;
    entry_remove(entry);
    return FS_OK;
}

static uint32_t tree_rename(inode from, const char *name, uint32_t bytes, inode to, const char *new_name,
                            uint32_t new_bytes)
{
    struct node *directory = node_of(to);
    struct mount *mount = directory->mount;
    struct entry *old = entry_find(node_of(from), name, bytes);
    struct entry *target = entry_find(directory, new_name, new_bytes);
    uint32_t error = old ? directory_check(directory) : FS_ENOENT;
    if (error)
        return error;
    if (target && target->node->type == FS_TYPE_DIRECTORY && target->node->directory.first)
        return FS_ENOTEMPTY;
    struct entry *entry = entry_make(mount, new_name, new_bytes, false);
    if (!entry)
        return FS_ENOSPC;
    struct node *node = old->node;
    if (target)
        entry_remove(target);
    entry_unplace(old);
    entry_place(entry, directory, node);
    entry_free(mount, old);
    node->changed_ns = file_server_now_ns();
    node->is_changed = true;
    touch(node_of(from));
    touch(directory);
    return FS_OK;
}

static uint32_t tree_readlink(inode link, char *target, uint32_t size, uint32_t *bytes)
{
    const struct node *node = node_of(link);
    *bytes = node->bytes < size ? (uint32_t)node->bytes : size;
    memcpy(target, node->link.target, *bytes);
    return FS_OK;
}

static uint32_t tree_root(uint32_t number, inode *root)
{
    const struct mount *mount = fs_mount(number);
    *root = mount ? (inode)mount->root : 0;
    return mount ? FS_OK : FS_ENOENT;
}

const struct file_backend tree_backend = {
    .root = tree_root,
    .lookup = tree_lookup,
    .parent = tree_parent,
    .stat = tree_stat,
    .open = tree_open,
    .close = tree_close,
    .tidy = tree_tidy,
    .read = tree_read,
    .write = tree_write,
    .resize = tree_resize,
    .allocate = tree_allocate,
    .times = tree_times,
    .sync = tree_sync,
    .list = tree_list,
    .create = tree_create,
    .link = tree_link,
    .unlink = tree_unlink,
    .remove_directory = tree_remove_directory,
    .rename = tree_rename,
    .readlink = tree_readlink,
};

/* ---- filling a mount ----------------------------------------------------------------------------------------- */

struct node *tree_begin(struct mount *mount)
{
    mount->root = node_make(mount, FS_TYPE_DIRECTORY);
    if (mount->root)
        mount->root->links = 2; /* as if it had an entry */
    return mount->root;
}

struct node *tree_add(struct node *directory, const char *name, uint32_t bytes, enum fs_type type)
{
    if (bytes == 0 || bytes > FS_NAME_MAX || entry_find(directory, name, bytes))
        return NULL;
    struct entry *entry = entry_make(directory->mount, name, bytes, true);
    struct node *node = entry ? node_make(directory->mount, type) : NULL;
    if (node)
        entry_place(entry, directory, node);
    return node;
}

struct node *tree_directory(struct node *root, const char *path, size_t bytes)
{
    struct node *at = root;
    for (size_t first = 0; at && first < bytes;) {
        size_t end = first;
        while (end < bytes && path[end] != '/')
            end++;
        const struct entry *entry = entry_find(at, path + first, (uint32_t)(end - first));
        if (!entry)
            at = tree_add(at, path + first, (uint32_t)(end - first), FS_TYPE_DIRECTORY);
        else
            at = entry->node->type == FS_TYPE_DIRECTORY ? entry->node : NULL;
        first = end + 1;
    }
    return at;
}
