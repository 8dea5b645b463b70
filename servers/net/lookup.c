/* See lookup.h. An entry is in the table from when its connection becomes active until lwIP frees the control block. */
#include "lookup.h"

#include "lwip/ip.h"
#include "net.h"

#define BUCKETS 1024u /* a power of two */

static struct entry {
    struct tcp_pcb *pcb;
    struct entry *next; /* in its bucket, or among the free ones */
    uint32_t bucket;
} entries[MEMP_NUM_TCP_PCB];
static struct entry *buckets[BUCKETS], *unused;
static bool is_ready;
static struct tcp_pcb *found;
static uint64_t factors[5]; /* odd, and nobody's but ours */

/* Peers choose their ports and addresses; but which of them fall together, they cannot know: a sum of products with
 * secret factors (J. L. Carter, M. N. Wegman, "Universal classes of hash functions", 1979). */
static uint32_t bucket_of(const ip_addr_t *remote, uint16_t remote_port, uint16_t local_port)
{
    uint64_t sum = ((uint32_t)remote_port << 16 | local_port) * factors[0];
    if (!IP_IS_V6(remote))
        sum += ip_2_ip4(remote)->addr * factors[1];
    for (uint32_t i = 0; IP_IS_V6(remote) && i < 4; i++)
        sum += ip_2_ip6(remote)->addr[i] * factors[1 + i];
    return (uint32_t)(sum >> 54) % BUCKETS;
}

static void forget(u8_t id, void *data)
{
    struct entry *entry = data;
    (void)id;
    if (!entry)
        return;
    struct entry **at = &buckets[entry->bucket];
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    entry->next = unused;
    unused = entry;
}

static void prepare(void)
{
    for (uint32_t i = 0; i < MEMP_NUM_TCP_PCB; i++) {
        entries[i].next = unused;
        unused = &entries[i];
    }
    for (uint32_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++)
        factors[i] = net_secret() | 1;
    is_ready = true;
}

void lookup_add(struct tcp_pcb *pcb)
{
    static const struct tcp_ext_arg_callbacks callbacks = {.destroy = forget};
    if (!is_ready)
        prepare();
    struct entry *entry = unused; /* there are as many as control blocks */
    unused = entry->next;
    *entry = (struct entry){.pcb = pcb, .bucket = bucket_of(&pcb->remote_ip, pcb->remote_port, pcb->local_port)};
    entry->next = buckets[entry->bucket];
    buckets[entry->bucket] = entry;
    tcp_ext_arg_set_callbacks(pcb, PCB_LOOKUP, &callbacks);
    tcp_ext_arg_set(pcb, PCB_LOOKUP, entry);
}

static struct tcp_pcb **look(uint16_t remote_port, uint16_t local_port, bool is_waiting)
{
    found = NULL;
    for (const struct entry *entry = buckets[bucket_of(ip_current_src_addr(), remote_port, local_port)]; entry;
         entry = entry->next) {
        struct tcp_pcb *pcb = entry->pcb;
        if (pcb->state != CLOSED && (pcb->state == TIME_WAIT) == is_waiting && pcb->remote_port == remote_port &&
            pcb->local_port == local_port && ip_addr_cmp(&pcb->remote_ip, ip_current_src_addr()) &&
            ip_addr_cmp(&pcb->local_ip, ip_current_dest_addr()))
            found = pcb;
    }
    return &found;
}

struct tcp_pcb **lookup_active(uint16_t remote_port, uint16_t local_port)
{
    return look(remote_port, local_port, false);
}

struct tcp_pcb **lookup_waiting(uint16_t remote_port, uint16_t local_port)
{
    return look(remote_port, local_port, true);
}

void lookup_list_active(struct tcp_pcb *pcb)
{
    const struct socket *listener = pcb->callback_arg;
    TCP_REG_ACTIVE(pcb);
    lookup_add(pcb);
    window_begin(pcb);
    owner_set(pcb, listener->client->party); /* listener_segment has seen to room */
}

void lookup_list_waiting(struct tcp_pcb *pcb)
{
    TCP_REG(&tcp_tw_pcbs, pcb);
    owner_clear(pcb);
}

void lookup_unlist_active(struct tcp_pcb *pcb)
{
    TCP_RMV_ACTIVE(pcb);
}

void lookup_remove_active(struct tcp_pcb *pcb)
{
    tcp_pcb_remove(&tcp_active_pcbs, pcb);
}
