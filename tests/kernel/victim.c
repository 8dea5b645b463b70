/* Objects that cases destroy: see test.h. */
#include "watch.h"

static struct {
    cptr slot, untyped;
    enum object_type type;
} victims[VICTIMS];
static unsigned victim_count;

void victims_forget(void)
{
    victim_count = 0;
}

static word type_bits(enum object_type type)
{
    switch (type) {
    case OBJECT_TCB:
        return OBJECT_BITS_TCB;
    case OBJECT_ENDPOINT:
        return OBJECT_BITS_ENDPOINT;
    case OBJECT_NOTIFICATION:
        return OBJECT_BITS_NOTIFICATION;
    case OBJECT_REPLY:
        return OBJECT_BITS_REPLY;
    case OBJECT_SCHED_CONTEXT:
        return OBJECT_BITS_SCHED_CONTEXT;
    case OBJECT_TIMER:
        return OBJECT_BITS_TIMER;
    case OBJECT_VSPACE:
        return OBJECT_BITS_VSPACE;
    default:
        return PAGE_BITS; /* page tables, frames, CNodes of 128 slots */
    }
}

static word type_size(enum object_type type)
{
    return type == OBJECT_FRAME ? PAGE_BITS : type == OBJECT_CNODE ? PAGE_BITS - OBJECT_BITS_CNODE_SLOT : 0;
}

cptr victim_new(enum object_type type)
{
    if (victim_count == VICTIMS)
        give_up("too many victims", victim_count);
    cptr untyped = object_new(OBJECT_UNTYPED, type_bits(type)), slot = slot_new();
    OK(untyped_retype_all(untyped, type, type_size(type), ROOT_CNODE, slot, 1));
    victims[victim_count].slot = slot;
    victims[victim_count].untyped = untyped;
    victims[victim_count++].type = type;
    return slot;
}

static unsigned victim_find(cptr slot)
{
    for (unsigned i = 0; i < victim_count; i++)
        if (victims[i].slot == slot)
            return i;
    give_up("no victim", slot);
}

void victim_kill(cptr victim, enum kill how)
{
    cptr untyped = victims[victim_find(victim)].untyped;
    if (how == KILL_UNTYPED) {
        OK(cnode_revoke(ROOT_CNODE, untyped));
        return;
    }
    OK(cnode_revoke(ROOT_CNODE, victim));
    if (how == KILL_DELETE) {
        OK(cnode_delete(ROOT_CNODE, victim));
    } else {
        cptr cnode = object_new(OBJECT_CNODE, 2);
        OK(cnode_move(cnode, 3, ROOT_CNODE, victim));
        OK(cnode_delete(ROOT_CNODE, cnode));
    }
}

void victim_check_reclaimed(cptr victim)
{
    unsigned i = victim_find(victim);
    cptr slot = slot_new();
    OK(untyped_retype_all(victims[i].untyped, victims[i].type, type_size(victims[i].type), ROOT_CNODE, slot, 1));
    OK(cnode_delete(ROOT_CNODE, slot));
}

void kill_round(enum kill how)
{
    static const char *const names[KILLS] = {"by deletion", "in a CNode", "by its untyped"};
    case_note(names[how], how);
}
