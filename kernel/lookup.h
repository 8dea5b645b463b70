/* From a cptr to a slot. */
#ifndef KERNEL_LOOKUP_H
#define KERNEL_LOOKUP_H

#include <kernel/slot.h>

/* Resolves all 32 bits of `address` from the CNode capability `root`. ERROR_FAILED_LOOKUP when nothing is there; the
 * slot found may be empty. */
enum error lookup_slot(struct cap root, cptr address, struct slot **slot);

/* The same, but the slot must hold a capability. */
enum error lookup_cap(struct cap root, cptr address, struct slot **slot);

/* The `count` slots from `index` on of the CNode named `cnode`. ERROR_INVALID_CAPABILITY when it is no CNode,
 * ERROR_RANGE when some lie outside (index 0 is the kernel's). */
enum error lookup_range(struct cap root, cptr cnode, word index, word count, struct slot **first);

/* Slots of a CNode capability already at hand. */
enum error cnode_range(struct cap cnode, word index, word count, struct slot **first);

#endif
