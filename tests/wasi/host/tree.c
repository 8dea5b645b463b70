/* The file server's trees and paths on the host, under sanitizers: a file's bytes against a plain copy, random trees of
 * directories and links of which no path may leave the directory it began at, and damaged folders to begin with. What a
 * mount used must be zero again when all is removed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/fs.h"
#include "tessera/heap.h"
#include "tessera/path.h"

#define FILE_BYTES 300000u
#define FAIL(...)                                                                                                      \
    do {                                                                                                               \
        printf(__VA_ARGS__);                                                                                           \
        printf("\n");                                                                                                  \
        exit(1);                                                                                                       \
    } while (0)

static struct mount mount;

void *heap_take(size_t bytes)
{
    return calloc(1, bytes);
}

void heap_return(void *piece, size_t bytes)
{
    (void)bytes;
    free(piece);
}

uint64_t file_server_now_ns(void)
{
    static uint64_t now;
    return ++now;
}

struct mount *fs_mount(uint32_t number)
{
    return number == 0 ? &mount : NULL;
}

bool fs_member_is_good(const struct node *file)
{
    return file != NULL;
}

static uint32_t below(uint32_t limit)
{
    static uint64_t state = 88172645463325252ull; /* xorshift64: Marsaglia 2003 */
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 11) % limit;
}

static inode root_begin(uint64_t quota)
{
    inode root;
    mount = (struct mount){.is_mine = true, .quota_bytes = quota};
    if (!tree_begin(&mount) || tree_backend.root(0, &root))
        FAIL("no root");
    return root;
}

/* Everything below a directory; loops are impossible, since directories have one name. */
static void remove_all(inode directory)
{
    struct file_entry entry;
    while (tree_backend.list(directory, 2, &entry) == FS_OK) {
        inode file;
        if (tree_backend.lookup(directory, entry.name, entry.name_bytes, &file))
            FAIL("a listed name is not found");
        if (entry.type == FS_TYPE_DIRECTORY) {
            remove_all(file);
            if (tree_backend.remove_directory(directory, entry.name, entry.name_bytes))
                FAIL("an empty directory is not removed");
        } else if (tree_backend.unlink(directory, entry.name, entry.name_bytes)) {
            FAIL("a file is not removed");
        }
    }
}

static void account(uint64_t before, const char *what)
{
    if (mount.used_bytes != before)
        FAIL("%s: %lu bytes are still used, not %lu", what, (unsigned long)mount.used_bytes, (unsigned long)before);
}

static void root_end(uint64_t before, const char *what)
{
    remove_all((inode)mount.root);
    while (tree_backend.tidy())
        continue;
    account(before, what);
    free(mount.root);
}

/* ---- the bytes of a file ------------------------------------------------------------------------------------- */

static void bytes_compare(inode file, const uint8_t *copy, uint64_t size)
{
    static uint8_t read[FILE_BYTES];
    struct fs_stat stat;
    uint32_t done;
    tree_backend.stat(file, &stat);
    if (stat.bytes != size || tree_backend.read(file, 0, read, FILE_BYTES, &done) || done != size ||
        memcmp(read, copy, size) != 0)
        FAIL("the file differs from its copy");
}

/* As clients do: what is large is done in pieces. */
static uint32_t resize(inode file, uint64_t bytes)
{
    uint32_t error;
    while ((error = tree_backend.resize(file, bytes)) == FS_MORE)
        continue;
    return error;
}

static uint32_t allocate(inode file, uint64_t offset, uint64_t bytes)
{
    uint64_t done;
    uint32_t error;
    while ((error = tree_backend.allocate(file, offset, bytes, &done)) == FS_MORE) {
        offset += done;
        bytes -= done;
    }
    return error;
}

static void bytes_test(const uint8_t *base, uint64_t base_bytes)
{
    static uint8_t copy[FILE_BYTES], data[20000];
    inode root = root_begin(1 << 24);
    uint64_t before = mount.used_bytes, size = base_bytes, end;
    struct node *node = tree_add((struct node *)root, "file", 4, FS_TYPE_FILE);
    inode file = (inode)node;
    memset(copy, 0, sizeof(copy));
    memcpy(copy, base, base_bytes);
    node->file.base = base;
    node->file.base_bytes = node->bytes = base_bytes;
    for (int i = 0; i < 3000; i++) {
        uint32_t offset = below(FILE_BYTES - sizeof(data)), count = below(below(4) ? 300 : sizeof(data)), done;
        switch (below(6)) {
        case 0:
            if (resize(file, offset))
                FAIL("resize");
            if (offset < size)
                memset(copy + offset, 0, size - offset);
            size = offset;
            break;
        case 1:
            if (allocate(file, offset, count + 1))
                FAIL("allocate");
            size = offset + count + 1 > size ? offset + count + 1 : size;
            break;
        default:
            for (uint32_t k = 0; k < count; k++)
                data[k] = (uint8_t)below(256);
            if (tree_backend.write(file, offset, data, count, &done, &end) || done != count)
                FAIL("write");
            memcpy(copy + offset, data, count);
            size = count && offset + count > size ? offset + count : size;
        }
        if (i % 16 == 0)
            bytes_compare(file, copy, size);
    }
    bytes_compare(file, copy, size);
    root_end(before, "after a file");
}

/* ---- trees and paths ----------------------------------------------------------------------------------------- */

static uint32_t path_make(char *path)
{
    static const char *const parts[] = {"a", "b", "c", "..", ".", "a", "b", "", "l"};
    uint32_t bytes = 0;
    for (uint32_t count = 1 + below(6); count > 0; count--) {
        const char *part = parts[below(sizeof(parts) / sizeof(parts[0]))];
        bytes += (uint32_t)sprintf(path + bytes, "%s%s", part, count > 1 || below(8) == 0 ? "/" : "");
    }
    return bytes;
}

static bool lies_in(inode directory, inode root)
{
    for (inode parent = directory;; directory = parent) {
        if (directory == root)
            return true;
        tree_backend.parent(directory, &parent);
        if (parent == directory)
            return false;
    }
}

static void tree_test(uint64_t quota)
{
    inode root = root_begin(quota), handle = root, made;
    uint64_t before = mount.used_bytes;
    struct place place, other;
    char path[64], target[64];
    unsigned found = 0, refused = 0;
    for (int i = 0; i < 200000; i++) {
        uint32_t bytes = path_make(path);
        uint32_t error = path_walk(&tree_backend, handle, path, bytes, (enum path_last)below(3), &place);
        refused += error == FS_ENOTCAPABLE;
        if (error)
            continue;
        if (!lies_in(place.directory, handle))
            FAIL("'%s' leads out of its directory", path);
        found += place.file != 0;
        if (!place.file && !place.is_self) {
            enum fs_type type = below(3) == 0 ? FS_TYPE_LINK : below(2) ? FS_TYPE_DIRECTORY : FS_TYPE_FILE;
            uint32_t length = path_make(target);
            (void)tree_backend.create(place.directory, place.name, place.bytes, type, length ? target : "a",
                                      length ? length : 1, &made);
        } else if (place.is_self) {
            if (below(20) == 0 && place.file != handle) { /* another handle: opened, the one before closed */
                tree_backend.open(place.file);
                if (handle != root)
                    tree_backend.close(handle);
                handle = place.file;
            } else if (below(4) == 0 && handle != root) {
                tree_backend.close(handle);
                handle = root;
            }
        } else if (below(4) == 0 && place.type != FS_TYPE_DIRECTORY) {
            tree_backend.unlink(place.directory, place.name, place.bytes);
        } else if (below(4) == 0 && place.type == FS_TYPE_DIRECTORY) {
            (void)tree_backend.remove_directory(place.directory, place.name, place.bytes);
        } else if (below(2)) { /* what the front checks before a rename */
            bytes = path_make(path);
            if (path_walk(&tree_backend, handle, path, bytes, PATH_ITSELF, &other) || other.is_self ||
                other.file == place.file || (place.type == FS_TYPE_DIRECTORY && lies_in(other.directory, place.file)) ||
                (other.file && (place.type == FS_TYPE_DIRECTORY) != (other.type == FS_TYPE_DIRECTORY)))
                continue;
            (void)tree_backend.rename(place.directory, place.name, place.bytes, other.directory, other.name,
                                      other.bytes);
        }
    }
    if (handle != root)
        tree_backend.close(handle);
    if (found < 1000 || refused < 1000)
        FAIL("the random paths meet too little: %u found, %u refused", found, refused);
    root_end(before, "after a tree");
}

/* ---- folders to begin with ----------------------------------------------------------------------------------- */

static bool source_trial(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    memcpy(copy, bytes, size);
    (void)root_begin(1 << 20);
    uint64_t before = mount.used_bytes;
    bool is_good = source_read(&mount, copy, size) == NULL;
    root_end(before, "after a folder");
    free(copy);
    return is_good;
}

static void source_test(const char *file_name)
{
    static uint8_t bytes[1 << 16];
    FILE *file = fopen(file_name, "rb");
    size_t size = file ? fread(bytes, 1, sizeof(bytes), file) : 0;
    unsigned good = 0;
    if (!file || size < 300 || !source_trial(bytes, size))
        FAIL("the packed folder is refused");
    for (size_t cut = 0; cut + 200 < size; cut++)
        if (source_trial(bytes, cut))
            FAIL("a folder cut to %zu bytes is accepted", cut);
    for (int i = 0; i < 20000; i++) {
        size_t at = below((uint32_t)size);
        uint8_t kept = bytes[at];
        bytes[at] = below(3) ? (uint8_t) "0123456789abcdef/."[below(18)] : (uint8_t)below(256);
        good += source_trial(bytes, size);
        bytes[at] = kept;
    }
    printf("folder: %zu bytes, %u of 20000 damaged ones could be read\n", size, good);
    fclose(file);
}

int main(int count, char **words)
{
    static uint8_t base[100001];
    for (size_t i = 0; i < sizeof(base); i++)
        base[i] = (uint8_t)(i * 13 + i / 251);
    bytes_test(base, 0);
    bytes_test(base, sizeof(base));
    tree_test(1 << 20);
    tree_test(3000); /* mostly full */
    if (count > 1)
        source_test(words[1]);
    printf("tree: all held\n");
    return 0;
}
