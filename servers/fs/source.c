/* What a memory mount begins with: a folder as cpio's newc format has it ("070701", cpio(5)), which ci/folder.py writes
 * and any cpio lists. A directory comes before what is in it. File data and names stay where they are.
 */
#include "fs.h"
#include "tessera/text.h"

#define HEADER_BYTES 110u
#define TYPE_MASK    0170000u
#define TYPE_FOLDER  0040000u
#define TYPE_FILE    0100000u
#define TYPE_LINK    0120000u

/* Fields by number: six characters of magic, then eight hexadecimal digits each. */
enum field { FIELD_MODE = 1, FIELD_TIME = 5, FIELD_BYTES = 6, FIELD_NAME_BYTES = 11 };

struct member {
    uint32_t mode, name_bytes;
    uint64_t time_ns, bytes;
    const char *name;
    const uint8_t *data;
};

static bool field_read(const uint8_t *header, enum field field, uint32_t *value)
{
    *value = 0;
    for (uint32_t i = 0; i < 8; i++) {
        uint8_t digit = header[6 + 8 * field + i];
        uint32_t low = 16;
        if (digit >= '0' && digit <= '9')
            low = digit - (uint32_t)'0';
        else if (digit >= 'a' && digit <= 'f')
            low = digit - (uint32_t)'a' + 10;
        else if (digit >= 'A' && digit <= 'F')
            low = digit - (uint32_t)'A' + 10;
        if (low > 15)
            return false;
        *value = *value << 4 | low;
    }
    return true;
}

/* The member at *at, which moves behind it. */
static bool member_read(const uint8_t *bytes, uint64_t size, uint64_t *at, struct member *member)
{
    uint32_t time, length;
    const uint8_t *header = bytes + *at;
    if (size - *at < HEADER_BYTES || memcmp(header, "070701", 6) != 0 ||
        !field_read(header, FIELD_MODE, &member->mode) || !field_read(header, FIELD_TIME, &time) ||
        !field_read(header, FIELD_BYTES, &length) || !field_read(header, FIELD_NAME_BYTES, &member->name_bytes))
        return false;
    uint64_t name = *at + HEADER_BYTES, data = (name + member->name_bytes + 3) & ~3ul;
    if (member->name_bytes == 0 || data > size || length > size - data || bytes[name + --member->name_bytes] != 0)
        return false;
    member->name = (const char *)bytes + name;
    member->data = bytes + data;
    member->bytes = length;
    member->time_ns = time * 1000000000ul;
    *at = (data + length + 3) & ~3ul;
    return *at <= size;
}

static const char *member_add(struct mount *mount, const struct member *member)
{
    uint32_t name = member->name_bytes;
    while (name > 0 && member->name[name - 1] != '/')
        name--;
    struct node *directory = tree_directory(mount->root, member->name, name > 0 ? name - 1 : 0);
    uint32_t kind = member->mode & TYPE_MASK;
    if (kind != TYPE_FOLDER && kind != TYPE_FILE && kind != TYPE_LINK)
        return "a member that is neither file, directory nor link";
    struct node *node = directory ? tree_add(directory, member->name + name, member->name_bytes - name,
                                             kind == TYPE_FOLDER ? FS_TYPE_DIRECTORY
                                             : kind == TYPE_FILE ? FS_TYPE_FILE
                                                                 : FS_TYPE_LINK)
                                  : NULL;
    if (!node)
        return "a member's name is wrong or there twice, or the quota is too small";
    if (kind == TYPE_FILE) {
        node->file.base = member->data;
        node->file.base_bytes = member->bytes;
    } else if (kind == TYPE_LINK) {
        node->link.target = (const char *)member->data;
    }
    node->bytes = kind == TYPE_FOLDER ? 0 : member->bytes;
    node->accessed_ns = node->modified_ns = node->changed_ns = member->time_ns;
    return NULL;
}

const char *source_read(struct mount *mount, const uint8_t *bytes, uint64_t size)
{
    struct member member;
    for (uint64_t at = 0; member_read(bytes, size, &at, &member);) {
        if (text_equal(member.name, "TRAILER!!!"))
            return NULL;
        if (text_equal(member.name, ".")) {
            mount->root->modified_ns = member.time_ns;
            continue;
        }
        const char *problem = member_add(mount, &member);
        if (problem)
            return problem;
    }
    return "what it begins with is no cpio archive, or is cut";
}
