/* Reader of a flattened device tree (Devicetree Specification 0.4, chapter 5): hostile bytes, read in place, never
 * written, nothing allocated. Big-endian numbers, every offset checked at each step, so that a damaged blob ends a
 * walk early instead of leading out of it.
 *
 *     struct fdt_node node;
 *     for (bool more = fdt_first(&fdt, &node); more; more = fdt_next(&fdt, &node))
 *         if (fdt_get(&fdt, &node, "reg", &value)) ...
 *
 * walks all nodes in preorder; the walk ends at the end of the tree or at damage. */
#ifndef PLATFORM_FDT_H
#define PLATFORM_FDT_H

#include <stdbool.h>
#include <stdint.h>

struct fdt {
    const uint8_t *base;
    uint32_t bytes; /* the whole blob, as its header says */
    uint32_t tree_begin, tree_end;
    uint32_t strings_begin, strings_end;
};

struct fdt_node {
    const char *name;    /* with unit address: "pl011@9000000"; "" is the root; NUL-terminated inside the blob */
    uint32_t depth;      /* the root has 0 */
    uint32_t properties; /* offset of its first token */
    uint32_t rest;       /* where fdt_next goes on: there, or behind the properties once they have been walked */
};

struct fdt_value {
    const uint8_t *data;
    uint32_t bytes;
};

/* Checks the header. `limit_bytes` may be read at `base`, which is aligned to four bytes at least. */
bool fdt_open(struct fdt *fdt, const void *base, uint64_t limit_bytes);

/* What the header at `base` (fdt header: 40 bytes readable) says the blob's size is; 0 when it is no device tree. */
uint32_t fdt_total_bytes(const void *base);

/* The n-th entry of the memory reservation block; false when there is none. */
bool fdt_reserved(const struct fdt *fdt, uint32_t n, uint64_t *address, uint64_t *bytes);

bool fdt_first(const struct fdt *fdt, struct fdt_node *node);
bool fdt_next(const struct fdt *fdt, struct fdt_node *node);

/* The node's own property of that name; false when it has none. */
bool fdt_get(const struct fdt *fdt, const struct fdt_node *node, const char *name, struct fdt_value *value);

/* Several at once, in one walk over the node's properties: values[i] is that of names[i], with data NULL where the node
 * has none. */
void fdt_get_all(const struct fdt *fdt, struct fdt_node *node, const char *const names[], struct fdt_value values[],
                 uint32_t count);

/* The node's one-cell property, or the fallback. */
uint32_t fdt_get_cell(const struct fdt *fdt, const struct fdt_node *node, const char *name, uint32_t fallback);

/* A node's name up to its unit address equals `name`. */
bool fdt_is_named(const struct fdt_node *node, const char *name);

/* A list of strings (as in "compatible") contains `text`. */
bool fdt_has_string(const struct fdt_value *value, const char *text);

/* Steps through a list of strings: the next one and its length without the NUL; false behind the last (and for one that
 * is not ended). Begin with *at = 0. */
bool fdt_next_string(const struct fdt_value *value, uint32_t *at, const char **text, uint32_t *length);

/* Takes a number of `cells` cells (0, 1 or 2; of more, the last two) off the front of the value; false, with the value
 * unchanged, when it is too short. */
bool fdt_take(struct fdt_value *value, uint32_t cells, uint64_t *number);

#endif
