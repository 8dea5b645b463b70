/* What the halves of the checker share: every capability and every object that capabilities name. */
#ifndef CHECK_H
#define CHECK_H

#include "model.h"

/* The objects, in the order of the derivation list; `slots` are the capabilities to it, which stand together. */
struct object {
    struct slot **slots;
    unsigned count;
    bool has_extent;
    paddr start, end;
    int parent; /* the untyped that it was made of, or -1 */
};
extern struct object objects[];
extern unsigned object_count;

static inline struct cap object_cap(const struct object *object)
{
    return object->slots[0]->cap;
}
/* The object at this address, or NULL. */
const struct object *object_at(paddr address);
/* Is this the address of a living object of that type? */
bool object_is_live(const void *address, enum object_type type);

/* check_memory.c */
void check_extents(void);
void check_spaces(void);
/* The machine starts again: forgets what was seen before. */
void check_spaces_reset(void);

/* check_time.c */
void check_time(const struct core *core);
void check_time_configured(const struct sched_context *sc); /* it has a full budget from now on */
void check_time_reset(void);

/* What the kernel asks of the TLB. */
void check_tlb_page(const struct arch_space *space, vaddr address);
void check_tlb_space(const struct arch_space *space);
void check_tlb_all(void);
void check_tlb_release(const struct arch_space *space);

#endif
