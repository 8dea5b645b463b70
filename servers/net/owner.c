/* Whose connections the control blocks of TCP are. Each counts against a party's share from when it is made until lwIP
 * frees it, also after its program has closed it or ended, but not while it waits in TIME_WAIT: of those lwIP ends the
 * oldest when it needs a block. So lwIP never finds all blocks used by what it would have to end of somebody else's:
 * the shares together are not more than there are.
 */
#include "lookup.h"
#include "net.h"
#include "tessera/share.h"

static void on_destroyed(u8_t id, void *data)
{
    (void)id;
    if (data)
        share_give((uint32_t)(uintptr_t)data - 1, SHARE_CONNECTIONS);
}

/* The party's share has room: connection_room. */
void owner_set(struct tcp_pcb *pcb, uint32_t party)
{
    static const struct tcp_ext_arg_callbacks callbacks = {.destroy = on_destroyed};
    bool is_news;
    if (!share_take(party, SHARE_CONNECTIONS, &is_news))
        return;
    tcp_ext_arg_set_callbacks(pcb, PCB_OWNER, &callbacks);
    tcp_ext_arg_set(pcb, PCB_OWNER, (void *)(uintptr_t)(party + 1));
}

void owner_clear(struct tcp_pcb *pcb)
{
    on_destroyed(PCB_OWNER, tcp_ext_arg_get(pcb, PCB_OWNER));
    tcp_ext_arg_set(pcb, PCB_OWNER, NULL);
}

/* Half-open, or closed by its program with all of its data delivered but for the last word. */
static bool may_yield(const struct tcp_pcb *pcb)
{
    bool is_closing = pcb->state == LAST_ACK || pcb->state == CLOSING || pcb->state == FIN_WAIT_2;
    return pcb->state == SYN_RCVD || (is_closing && !pcb->callback_arg);
}

bool connection_room(uint32_t party)
{
    struct tcp_pcb *oldest = NULL;
    if (share_is_left(party, SHARE_CONNECTIONS))
        return true;
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
        if (may_yield(pcb) && tcp_ext_arg_get(pcb, PCB_OWNER) == (void *)(uintptr_t)(party + 1) &&
            (!oldest || tcp_ticks - pcb->tmr >= tcp_ticks - oldest->tmr))
            oldest = pcb;
    if (oldest)
        tcp_abandon(oldest, 0);
    if (!net_share(party, SHARE_CONNECTIONS)) /* in the log, too */
        return false;
    share_give(party, SHARE_CONNECTIONS);
    return true;
}
