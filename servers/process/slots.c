/* The server's own CNode: every process takes slots of it, a row of 64 at least. It begins small, since a machine that
 * runs a few programs should not pay for thousands; when the rows run short, all capabilities move to one four times
 * as large, each to the slot that it had. The old CNode stays, with two capabilities to the two.
 */
#include "server.h"
#include "tessera/invoke.h"

#define SLOTS_BITS_MAX 18u
#define SLOTS_BITS_ADD 2u

static uint32_t slots_bits = PROCESS_SERVER_CNODE_BITS;

static bool cnode_make(uint32_t bits, cptr *cnode, cptr *space)
{
    cptr untyped;
    if (!pool_untyped_take(&server.pool, bits + OBJECT_BITS_CNODE_SLOT, &untyped))
        return false;
    server.own_blocks += 1u << (bits + OBJECT_BITS_CNODE_SLOT - POOL_BLOCK_BITS);
    return server_slot(cnode) && server_slot(space) &&
           untyped_retype_all(untyped, OBJECT_CNODE, bits, SERVER_CAP_CNODE, *cnode, 1) == ERROR_NONE &&
           cnode_mint(SERVER_CAP_CNODE, *space, SERVER_CAP_CNODE, *cnode, RIGHT_ALL, cnode_guard(0, 32 - bits)) ==
               ERROR_NONE;
}

uint32_t slots_left(void)
{
    return (1u << SLOTS_BITS_MAX) - (1u << slots_bits) + server.pool.row_count * POOL_ROW_SLOTS;
}

bool slots_grow(void)
{
    uint32_t bits = slots_bits + SLOTS_BITS_ADD;
    cptr other, space; /* `other`: in the old CNode the new one, and the reverse */
    if (bits > SLOTS_BITS_MAX || !cnode_make(bits, &other, &space) ||
        cnode_copy(other, SERVER_CAP_CNODE, SERVER_CAP_CNODE, other, RIGHT_ALL) != ERROR_NONE ||
        cnode_copy(other, other, SERVER_CAP_CNODE, SERVER_CAP_CNODE, RIGHT_ALL) != ERROR_NONE ||
        tcb_set_space(SERVER_CAP_TCB, space, SERVER_CAP_VSPACE, SERVER_CAP_FAULT) != ERROR_NONE)
        return false;
    for (cptr i = 1; i < 1u << slots_bits; i++) {
        if (i == SERVER_CAP_CNODE || i == other)
            continue;
        enum error error = cnode_move(SERVER_CAP_CNODE, i, other, i);
        if (error != ERROR_NONE && error != ERROR_FAILED_LOOKUP) /* nothing there */
            server_give_up("a capability could not be moved: slot %u, error %u", i, error);
    }
    pool_rows_add(&server.pool, 1u << slots_bits, 1u << bits);
    slots_bits = bits;
    return true;
}
