/* The network card: lwIP's interface on the driver's rings (proto/packet.h). A received frame is a pbuf over the buffer
 * that the card filled; a frame to be sent is the pbufs that lwIP made, which stay as they are until the card has read
 * them. Nothing is copied.
 */
#include <stdatomic.h>

#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/pbuf.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip4.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"
#include "lwip/sys.h"
#include "lwip/timeouts.h"
#include "net.h"
#include "netif/ethernet.h"
#include "proto/packet.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define TAG_SHIFT    10u
#define TAG_SLOT     ((1u << TAG_SHIFT) - 1)
#define FRAMES       PACKET_IN_FLIGHT
#define BUSY_ENTRIES (PACKET_IN_FLIGHT * 3 / 4) /* more than the driver lets lie without a signal */
#define HELD_MOST    (NET_RECEIVE_BUFFERS / 2)
#define NO_SLOT      UINT32_MAX
#define FRAME_ROOM   (PACKET_BUFFER_BYTES - PACKET_HEADER_BYTES) /* more than a frame takes */
#define LOOK_MS      1000u
#define LOOKS        3u /* at a card that takes nothing, before it is reset; twice as many when that did not help */
#define LOOKS_MOST   320u
#define HEAD_BYTES   (SIZEOF_ETH_HDR + 40u) /* of a packet of IPv6, the longest that is read before it is measured */

/* One of NET_RECEIVE_BUFFERS: with the driver, with lwIP, or free. */
struct buffer {
    struct pbuf_custom custom; /* first: lwIP hands back its address */
    uint32_t next;             /* of the free ones */
    bool is_given;
};

static struct {
    struct packet_region *region;
    cptr signal;
    uint32_t generation;
    uint32_t empty_head, send_head, received_tail, sent_tail; /* our own indices */
    bool wants_signal;
    struct buffer buffers[NET_RECEIVE_BUFFERS];
    uint32_t free_buffer, free_count, given_count;
    struct {
        struct pbuf *pbuf; /* NULL: free */
        uint32_t entries;
    } frames[FRAMES];
    uint32_t next_frame, entries; /* of `send` under way */
    struct pbuf *frame;           /* what has come of the one that goes on, NULL: it is dropped, or there is none */
    bool goes_on, is_vouched;
    bool is_attaching; /* the driver is to reset the card: nothing is sent before it has */
    uint32_t looked_tail, looks, patience;
    bool was_up; /* the link, when the log last said so, and when that was */
    u32_t said_ms;
    struct netif netif;
} card;

static uint32_t buffer_offset(uint32_t n)
{
    return PACKET_DATA_OFFSET + n * PACKET_BUFFER_BYTES;
}

static uint32_t tag_of(uint32_t slot)
{
    return card.generation << TAG_SHIFT | slot;
}

/* The slot of a tag of this generation. */
static uint32_t slot_of(uint32_t tag, uint32_t slots)
{
    uint32_t slot = tag & TAG_SLOT;
    return slot < slots && tag == tag_of(slot) ? slot : NO_SLOT;
}

/* ---- receiving ----------------------------------------------------------------------------------------------- */

static void buffer_free(struct pbuf *pbuf)
{
    struct buffer *buffer = (struct buffer *)(void *)pbuf;
    buffer->next = card.free_buffer;
    card.free_buffer = (uint32_t)(buffer - card.buffers);
    card.free_count++;
}

static void buffers_give(void)
{
    struct packet_region *region = card.region;
    uint32_t before = card.empty_head;
    while (card.free_buffer != NO_SLOT && card.given_count < PACKET_IN_FLIGHT) {
        uint32_t n = card.free_buffer;
        card.free_buffer = card.buffers[n].next;
        card.free_count--;
        card.buffers[n].is_given = true;
        card.given_count++;
        region->empty[card.empty_head++ % PACKET_SLOTS] =
            (struct packet_empty){card.generation, tag_of(n), buffer_offset(n), 0};
    }
    if (card.empty_head == before)
        return;
    atomic_store_explicit(&region->empty_index.head, card.empty_head, memory_order_release);
    /* The card has enough to go on with: a signal when it is running out of them, or with the next frame that is sent.
     */
    if (card.empty_head - before >= PACKET_IN_FLIGHT / 4 || card.given_count <= PACKET_IN_FLIGHT / 2)
        card.wants_signal = true;
}

/* lwIP looks at an IPv6 header's first word, and for an option's length, before it looks whether they are there: it
 * does not see what lay here before. */
static void end_mark(uint8_t *frame, uint32_t bytes)
{
    if (bytes < HEAD_BYTES)
        memset(frame + bytes, 0, HEAD_BYTES - bytes);
    else if (bytes < FRAME_ROOM)
        frame[bytes] = 0;
}

static void frame_drop(void)
{
    if (card.frame)
        pbuf_free(card.frame);
    card.frame = NULL;
}

uint32_t card_buffers_held(void)
{
    return !card.region ? 0 : NET_RECEIVE_BUFFERS - card.given_count - card.free_count;
}

/* The card vouches for the sum of a whole packet: for that of a datagram in pieces nobody does. */
static bool is_whole(const uint8_t *frame)
{
    uint32_t type = (uint32_t)frame[12] << 8 | frame[13];
    const uint8_t *packet = frame + SIZEOF_ETH_HDR;
    if (type == ETHTYPE_IP)
        return ((packet[6] & 0x3fu) | packet[7]) == 0;
    return type == ETHTYPE_IPV6 && (packet[6] == IP_PROTO_TCP || packet[6] == IP_PROTO_UDP);
}

static void frame_input(struct pbuf *frame)
{
    u16_t checks = card.netif.chksum_flags;
    if (card.is_vouched)
        card.netif.chksum_flags &= (u16_t) ~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP);
    if (card.netif.input(frame, &card.netif) != ERR_OK)
        pbuf_free(frame);
    card.netif.chksum_flags = checks;
}

/* A pbuf over what the card wrote into buffer n, behind its header if there is one. NULL: the buffer is free again. */
static struct pbuf *part_of(uint32_t n, uint32_t head, uint32_t bytes, uint32_t most)
{
    struct buffer *buffer = &card.buffers[n];
    uint8_t *part = (uint8_t *)card.region + buffer_offset(n) + head;
    buffer->is_given = false;
    card.given_count--;
    buffer->custom.custom_free_function = buffer_free;
    struct pbuf *pbuf = NULL;
    if (bytes > 0 && bytes <= most)
        pbuf = pbuf_alloced_custom(PBUF_RAW, (u16_t)bytes, PBUF_REF, &buffer->custom, part,
                                   (u16_t)(PACKET_BUFFER_BYTES - head));
    if (!pbuf)
        buffer_free(&buffer->custom.pbuf);
    return pbuf;
}

static void part_first(uint32_t n, uint32_t bytes, uint32_t flags)
{
    uint8_t *frame = (uint8_t *)card.region + buffer_offset(n) + PACKET_HEADER_BYTES;
    if (bytes < FRAME_ROOM)
        end_mark(frame, bytes);
    card.is_vouched = (flags & PACKET_IS_VALID) && is_whole(frame);
    card.frame = part_of(n, PACKET_HEADER_BYTES, bytes, flags & PACKET_MORE ? FRAME_ROOM : FRAME_ROOM - 1);
    if (!frame_is_forged(&card.netif, frame))
        return;
    trouble_note(TROUBLE_FORGED, 0);
    frame_drop();
}

static void part_next(uint32_t n, uint32_t bytes)
{
    struct pbuf *part = part_of(n, 0, bytes, PACKET_BUFFER_BYTES);
    if (part && card.frame && part->len <= UINT16_MAX - card.frame->tot_len) {
        pbuf_cat(card.frame, part);
        return;
    }
    if (part)
        pbuf_free(part);
    frame_drop();
}

static void part_input(uint32_t n, uint32_t bytes, uint32_t flags)
{
    if (card.goes_on)
        part_next(n, bytes);
    else
        part_first(n, bytes, flags);
    card.goes_on = flags & PACKET_MORE;
    if (card.goes_on || !card.frame)
        return;
    struct pbuf *frame = card.frame;
    card.frame = NULL;
    frame_input(frame);
}

/* What lies behind gaps in what connections have received is dropped while it keeps too many
 * buffers from the card: its senders have it still. */
static void buffers_recover(void)
{
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb && card_buffers_held() > HELD_MOST; pcb = pcb->next)
        if (pcb->ooseq)
            tcp_free_ooseq(pcb);
}

static void received_take(void)
{
    struct packet_region *region = card.region;
    uint32_t head = atomic_load_explicit(&region->received_index.head, memory_order_acquire);
    if (head - card.received_tail > PACKET_SLOTS)
        card.received_tail = head; /* nonsense: what was given comes back with the driver's next generation */
    while (card.received_tail != head) {
        struct packet_received received =
            *(volatile struct packet_received *)&region->received[card.received_tail++ % PACKET_SLOTS];
        uint32_t n = slot_of(received.tag, NET_RECEIVE_BUFFERS);
        if (n != NO_SLOT && card.buffers[n].is_given)
            part_input(n, received.bytes, received.flags);
        if (card_buffers_held() > HELD_MOST)
            buffers_recover();
    }
}

/* ---- sending ------------------------------------------------------------------------------------------------- */

static void frame_done(uint32_t slot)
{
    struct pbuf *pbuf = card.frames[slot].pbuf;
    card.entries -= card.frames[slot].entries;
    card.frames[slot].pbuf = NULL;
    pbuf_free(pbuf);
}

static void sent_take(void)
{
    uint32_t head = atomic_load_explicit(&card.region->sent_index.head, memory_order_acquire);
    if (head - card.sent_tail > PACKET_SLOTS)
        card.sent_tail = head;
    while (card.sent_tail != head) {
        uint32_t slot = slot_of(*(volatile uint32_t *)&card.region->sent[card.sent_tail++ % PACKET_SLOTS], FRAMES);
        if (slot != NO_SLOT && card.frames[slot].pbuf)
            frame_done(slot);
    }
}

/* Pieces of a frame, when all of them lie where the card reaches. */
static uint32_t pieces_count(const struct pbuf *pbuf)
{
    uint32_t count = 0;
    for (; pbuf; pbuf = pbuf->next) {
        uint64_t offset = (uint64_t)(uintptr_t)pbuf->payload - (uint64_t)(uintptr_t)card.region;
        if (pbuf->len == 0)
            continue;
        if (offset < PACKET_DATA_OFFSET || offset > PACKET_REGION_BYTES - pbuf->len || ++count > PACKET_PARTS)
            return 0;
    }
    return count;
}

static uint32_t sum_add(uint32_t sum, const uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i + 1 < count; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    return sum;
}

static void sum_store(uint8_t *place, uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    place[0] = (uint8_t)(sum >> 8);
    place[1] = (uint8_t)sum;
}

/* The card finishes TCP's checksum, which begins with the pseudo header's (VIRTIO 1.1, 5.1.6.2). Headers are in one
 * piece: lwIP makes them so. */
static bool checksum_leave(const struct pbuf *pbuf, struct packet_send *entry)
{
    uint8_t *frame = pbuf->payload;
    uint32_t start, sum = IP_PROTO_TCP;
    if (pbuf->len < SIZEOF_ETH_HDR + IP_HLEN + TCP_HLEN)
        return false;
    uint32_t type = (uint32_t)frame[12] << 8 | frame[13];
    uint8_t *packet = frame + SIZEOF_ETH_HDR;
    if (type == ETHTYPE_IP && packet[9] == IP_PROTO_TCP) {
        start = SIZEOF_ETH_HDR + (packet[0] & 15u) * 4;
        sum = sum_add(sum, packet + 12, 8);
    } else if (type == ETHTYPE_IPV6 && packet[6] == IP_PROTO_TCP) {
        start = SIZEOF_ETH_HDR + 40;
        sum = sum_add(sum, packet + 8, 32);
    } else {
        return false;
    }
    if (pbuf->len < start + TCP_HLEN || pbuf->tot_len < start)
        return false;
    sum_store(frame + start + 16, sum + pbuf->tot_len - start);
    entry->flags |= PACKET_CHECKSUM;
    entry->checksum_start = (uint16_t)start;
    entry->checksum_offset = 16;
    return true;
}

static void entries_put(const struct pbuf *pbuf, uint32_t count, uint32_t slot)
{
    bool is_first = true;
    const struct pbuf *whole = pbuf;
    for (; count > 0; pbuf = pbuf->next) {
        if (pbuf->len == 0)
            continue;
        uint64_t offset = (uint64_t)(uintptr_t)pbuf->payload - (uint64_t)(uintptr_t)card.region;
        struct packet_send entry = {.generation = card.generation,
                                    .tag = tag_of(slot),
                                    .offset = (uint32_t)offset,
                                    .bytes = pbuf->len,
                                    .flags = --count > 0 ? PACKET_MORE : 0};
        if (is_first && !(card.netif.chksum_flags & NETIF_CHECKSUM_GEN_TCP))
            (void)checksum_leave(whole, &entry);
        is_first = false;
        card.region->send[card.send_head++ % PACKET_SLOTS] = entry;
    }
    atomic_store_explicit(&card.region->send_index.head, card.send_head, memory_order_release);
}

static uint32_t frame_slot(void)
{
    for (uint32_t i = 0; i < FRAMES; i++) {
        uint32_t slot = (card.next_frame + i) % FRAMES;
        if (!card.frames[slot].pbuf) {
            card.next_frame = slot + 1;
            return slot;
        }
    }
    return NO_SLOT;
}

static err_t frame_output(struct netif *netif, struct pbuf *pbuf)
{
    (void)netif;
    sent_take();
    uint32_t count = pieces_count(pbuf), slot = frame_slot();
    if (card.is_attaching || slot == NO_SLOT || card.entries + (count ? count : 1) > PACKET_IN_FLIGHT)
        return ERR_MEM;
    if (count == 0) {
        pbuf = pbuf_clone(PBUF_RAW, PBUF_RAM, pbuf);
        if (!pbuf || (count = pieces_count(pbuf)) == 0) {
            if (pbuf)
                pbuf_free(pbuf);
            return ERR_MEM;
        }
    } else {
        pbuf_ref(pbuf);
    }
    card.frames[slot].pbuf = pbuf;
    card.frames[slot].entries = count;
    card.entries += count;
    entries_put(pbuf, count, slot);
    card.wants_signal = true;
    return ERR_OK;
}

/* ---- the driver's generations -------------------------------------------------------------------------------- */

/* At once, and then once in a second at most: a link may come and go as fast as the card likes. */
static void link_say(void)
{
    bool is_up = netif_is_link_up(&card.netif);
    if (is_up == card.was_up || sys_now() - card.said_ms < LOOK_MS)
        return;
    log_text("net: the link is %s\n", is_up ? "up" : "down");
    card.was_up = is_up;
    card.said_ms = sys_now();
}

static void link_follow(void)
{
    uint32_t flags = atomic_load_explicit(&card.region->flags, memory_order_acquire);
    bool is_up = flags & PACKET_LINK_UP, was_up = netif_is_link_up(&card.netif);
    u16_t checks = NETIF_CHECKSUM_ENABLE_ALL;
    if (flags & PACKET_SENDS_CHECKSUMS)
        checks &= (u16_t)~NETIF_CHECKSUM_GEN_TCP;
    card.netif.chksum_flags = checks;
    if (is_up && !was_up)
        netif_set_link_up(&card.netif);
    else if (!is_up && was_up)
        netif_set_link_down(&card.netif);
    link_say();
}

/* A driver that starts has dropped everything: it all comes back, and buffers are given anew. */
static void generation_follow(uint32_t generation)
{
    card.generation = generation;
    card.is_attaching = card.goes_on = false;
    frame_drop();
    for (uint32_t n = 0; n < NET_RECEIVE_BUFFERS; n++)
        if (card.buffers[n].is_given) {
            card.buffers[n].is_given = false;
            buffer_free(&card.buffers[n].custom.pbuf);
        }
    card.given_count = 0;
    for (uint32_t slot = 0; slot < FRAMES; slot++)
        if (card.frames[slot].pbuf)
            frame_done(slot);
    card.received_tail = atomic_load_explicit(&card.region->received_index.head, memory_order_acquire);
    card.sent_tail = atomic_load_explicit(&card.region->sent_index.head, memory_order_acquire);
}

static void generation_check(void)
{
    uint32_t generation = atomic_load_explicit(&card.region->generation, memory_order_acquire);
    if (generation != card.generation)
        generation_follow(generation);
}

void card_poll(void)
{
    if (!card.region)
        return;
    generation_check();
    link_follow();
    sent_take();
    received_take();
    buffers_give();
}

bool card_is_busy(void)
{
    if (!card.region)
        return false;
    sent_take();
    return card.entries > BUSY_ENTRIES;
}

void card_recall(void)
{
    if (!card.region)
        return;
    sent_take();
    card.wants_signal = card.wants_signal || card.entries > 0;
}

void card_settle(void)
{
    if (!card.region)
        return;
    buffers_give();
    if (card.wants_signal)
        notification_signal(card.signal);
    card.wants_signal = false;
}

bool card_is_up(void)
{
    return card.region && netif_is_up(&card.netif) && netif_is_link_up(&card.netif);
}

bool card_has_address(void)
{
    return card_is_up() && !ip4_addr_isany_val(*netif_ip4_addr(&card.netif));
}

/* ---- start --------------------------------------------------------------------------------------------------- */

static void generation_wait(uint32_t before)
{
    while ((card.generation = atomic_load(&card.region->generation)) == before)
        (void)notification_wait(PROCESS_CAP_NOTIFICATION);
}

static void attach_ask(void)
{
    card.region->send[card.send_head++ % PACKET_SLOTS] = (struct packet_send){.flags = PACKET_ATTACH};
    atomic_store_explicit(&card.region->send_index.head, card.send_head, memory_order_release);
    notification_signal(card.signal);
}

/* The driver resets the card: no buffer of a net server before this one is with it afterwards. */
static void attach(void)
{
    generation_wait(0);
    uint32_t generation = card.generation;
    card.send_head = atomic_load(&card.region->send_index.head);
    card.empty_head = atomic_load(&card.region->empty_index.head);
    attach_ask();
    generation_wait(generation);
    card.received_tail = atomic_load(&card.region->received_index.head);
    card.sent_tail = atomic_load(&card.region->sent_index.head);
}

/* A card that takes nothing for seconds is reset. The driver has been woken meanwhile, to look what is sent: with each
 * timer, card_recall. */
static void look(void *argument)
{
    sys_timeout(LOOK_MS, look, argument);
    link_say();
    if (card.sent_tail != card.looked_tail)
        card.patience = LOOKS;
    bool is_stuck = card.entries > 0 && card.sent_tail == card.looked_tail && !card.is_attaching && card_is_up();
    card.looked_tail = card.sent_tail;
    card.looks = is_stuck ? card.looks + 1 : 0;
    if (card.looks < card.patience)
        return;
    log_text("net: the card has sent nothing for %u seconds: it is reset\n", card.patience);
    card.looks = 0;
    card.patience = card.patience < LOOKS_MOST ? 2 * card.patience : LOOKS_MOST;
    card.is_attaching = true;
    attach_ask();
}

/* What the driver says a packet may have, when that can be: IPv6 needs 1,280 bytes (RFC 8200, 5), a buffer has room for
 * so many. */
static u16_t mtu_of(const struct packet_region *region)
{
    uint32_t mtu = *(const volatile __typeof__(region->mtu) *)&region->mtu;
    bool is_possible = mtu >= 1280 && mtu <= PACKET_BUFFER_BYTES - PACKET_HEADER_BYTES - SIZEOF_ETH_HDR;
    return (u16_t)(is_possible ? mtu : 1500);
}

static err_t interface_init(struct netif *netif)
{
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->output = etharp_output;
    netif->output_ip6 = ethip6_output;
    netif->linkoutput = frame_output;
    netif->mtu = mtu_of(card.region);
    netif->hwaddr_len = ETH_HWADDR_LEN;
    memcpy(netif->hwaddr, card.region->mac, ETH_HWADDR_LEN);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
    return ERR_OK;
}

const char *card_open(void)
{
    struct process_card description;
    static const char name[] = "net";
    struct message m = {0, {sizeof(name) - 1}};
    message_put(&m, 1, name, sizeof(name) - 1);
    if (net_ask(&m, PROCESS_DEVICE_OPEN, PROCESS_NAME_WORDS))
        return "the machine has no virtio network card";
    message_get(&m, 0, &description, sizeof(description));
    card.region = (struct packet_region *)description.region;
    card.signal = (cptr)description.signal_cap;
    attach();
    if (card.region->flags & PACKET_FAILED) {
        card.region = NULL;
        return "the network card cannot be used";
    }
    net_heap = (unsigned char *)card.region + NET_HEAP_OFFSET;
    return NULL;
}

void card_start(void)
{
    card.free_buffer = NO_SLOT;
    for (uint32_t n = NET_RECEIVE_BUFFERS; n > 0; n--)
        buffer_free(&card.buffers[n - 1].custom.pbuf);
    (void)netif_add(&card.netif, IP4_ADDR_ANY4, IP4_ADDR_ANY4, IP4_ADDR_ANY4, NULL, interface_init, ethernet_input);
    netif_set_default(&card.netif);
    netif_create_ip6_linklocal_address(&card.netif, 1);
    netif_set_ip6_autoconfig_enabled(&card.netif, 1);
    netif_set_up(&card.netif);
    card.said_ms = sys_now() - LOOK_MS;
    card.patience = LOOKS;
    link_follow();
    sys_timeout(LOOK_MS, look, NULL);
    (void)dhcp_start(&card.netif);
    buffers_give();
    card.wants_signal = true;
}
