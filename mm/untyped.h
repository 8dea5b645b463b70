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
    word size_bits;
    unsigned object_bits; /* log2 of the bytes of one object, from object_size() */
    struct slot *slots;   /* empty, `count` of them */
    word count;
    word used; /* bytes given out so far: set by the check */
};

/* The bytes that the untyped can still give out. */
word untyped_free_bytes(const struct slot *slot);

/* Could these objects be made? ERROR_NOT_ENOUGH_MEMORY, or ERROR_ILLEGAL_OPERATION for a kind of memory that such
 * objects are not made of. Changes nothing. */
enum error untyped_retype_check(const struct slot *slot, struct retype_request *request);
/* Makes them, after a successful check. False: preempted while clearing; nothing made yet, call again. */
bool untyped_retype_commit(struct core *core, struct slot *slot, const struct retype_request *request);

#endif
