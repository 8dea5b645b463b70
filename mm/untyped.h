/* Untyped memory.
 *
 * Word 1 of an untyped capability: how much from the start was given out (used), and up to where memory beyond that is
 * known to be zero (zeroed), both in units of 16 bytes (larger above 32 GiB):
 *
 *     | objects ............ used | known zero ... zeroed | dirty ............... end |
 *
 * Memory is cleared when objects are made of it, in steps with preemption points; `zeroed` is the progress. When the
 * last child is gone, everything is free and dirty again. Device memory and the archive are never touched: frames and
 * untypeds only.
 */
#ifndef MM_UNTYPED_H
#define MM_UNTYPED_H

#include <kernel/core.h>

struct retype_request {
    enum object_type type;
    unsigned object_bits; /* log2 of the bytes of one object, from object_size() */
    word size_bits;
    struct slot *slots; /* empty, `count` of them */
    word count;
};

/* The bytes that the untyped can still give out. */
word untyped_free_bytes(const struct slot *slot);

/* Makes these objects, or as many as there is room for or as there are made before an interrupt comes: request->count
 * says how many, and 0 that it was preempted while it cleared memory: call again. ERROR_NOT_ENOUGH_MEMORY when there is
 * no room for one, ERROR_ILLEGAL_OPERATION for a kind of memory that such objects are not made of. */
enum error untyped_make(struct core *core, struct slot *slot, struct retype_request *request);

#endif
