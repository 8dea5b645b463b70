/* See stack.h: the other end of the cable, one host of many addresses. Its frames are good until they are spoilt. */
#include <string.h>

#include "stack.h"

enum { ETH = 14, IP4 = 20, IP6 = 40, UDP = 8, TCP = 20 };
enum { TYPE_4 = 0x0800, TYPE_ARP = 0x0806, TYPE_6 = 0x86dd };
enum { ICMP_4 = 1, PROTO_TCP = 6, PROTO_UDP = 17, ICMP_6 = 58 };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
#define CONNECTIONS 1200 /* there is room for */
#define EDITS       4

struct frame {
    uint8_t bytes[FRAME_MAX + 64];
    uint32_t length;
};

static const uint8_t own_mac[6] = {2, 0, 0, 0, 0, 2}, their_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t own_4[4] = {10, 0, 2, 2}, their_4[4] = {10, 0, 2, 15};
static const uint8_t own_6[16] = {0xfe, 0x80, [11] = 0xff, 0xfe, 0, 0, 2};
static const uint8_t their_6[16] = {0xfe, 0x80, [11] = 0xff, 0xfe, 0, 0, 1};

uint32_t host_mode, host_connections = 6;
static struct connection {
    bool is_used, is_6;
    uint16_t own_port, port;
    uint32_t seq, ack;
    uint32_t taken; /* bytes that came in order */
} connections[CONNECTIONS];
static uint32_t next_connection, identification;

/* Of the next frame. */
static struct {
    struct {
        uint32_t at;
        uint8_t value;
    } edits[EDITS];
    uint32_t edit_count, cut, fragment_bytes, order, part_bytes;
    bool sums_again, is_late, is_twice, is_vouched;
} spoilt;
static struct frame late;

static void put_16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put_32(uint8_t *at, uint32_t value)
{
    put_16(at, value >> 16);
    put_16(at + 2, value);
}

static uint32_t get_16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get_32(const uint8_t *at)
{
    return get_16(at) << 16 | get_16(at + 2);
}

/* ---- checksums (RFC 1071) ------------------------------------------------------------------------------------ */

static uint32_t sum(uint32_t sum, const uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static uint32_t offset_of_sum(uint32_t protocol)
{
    return protocol == PROTO_TCP ? 16 : protocol == PROTO_UDP ? 6 : 2;
}

/* Of a transport header and what follows; ICMP has no pseudo header for IPv4. */
static uint32_t transport_sum(const uint8_t *ip, bool is_6, uint32_t protocol, const uint8_t *bytes, uint32_t count)
{
    uint32_t start = protocol == ICMP_4 && !is_6 ? 0 : protocol + count;
    if (start)
        start = is_6 ? sum(start, ip + 8, 32) : sum(start, ip + 12, 8);
    return sum(start, bytes, count);
}

/* Makes the sums of a whole frame right, as far as it can be read. */
static void sums_make(struct frame *frame)
{
    uint8_t *ip = frame->bytes + ETH;
    uint32_t type = get_16(frame->bytes + 12), bytes = frame->length - ETH;
    bool is_6 = type == TYPE_6;
    uint32_t head = is_6 ? IP6 : (ip[0] & 15u) * 4, protocol = is_6 ? ip[6] : ip[9];
    if ((type != TYPE_4 && !is_6) || frame->length < ETH + IP4 || head > bytes || (!is_6 && head < IP4))
        return;
    if (!is_6) {
        put_16(ip + 10, 0);
        put_16(ip + 10, ~sum(0, ip, head));
    }
    uint32_t at = offset_of_sum(protocol), rest = bytes - head;
    bool is_known = protocol == PROTO_TCP || protocol == PROTO_UDP || protocol == (is_6 ? ICMP_6 : ICMP_4);
    bool is_part = !is_6 && (get_16(ip + 6) & 0x3fff);
    if (!is_known || is_part || rest < at + 2)
        return;
    put_16(ip + head + at, 0);
    put_16(ip + head + at, ~transport_sum(ip, is_6, protocol, ip + head, rest));
}

/* ---- into the cable ------------------------------------------------------------------------------------------ */

static void deliver(const struct frame *frame)
{
    bool is_vouched = spoilt.is_vouched || (host_mode & HOST_NO_CHECKSUMS);
    (void)world_receive(frame->bytes, frame->length, is_vouched ? PACKET_IS_VALID : 0, spoilt.part_bytes);
    if (spoilt.is_twice)
        (void)world_receive(frame->bytes, frame->length, is_vouched ? PACKET_IS_VALID : 0, spoilt.part_bytes);
}

/* In pieces, in an order that the bits say. */
static void deliver_parts_4(const struct frame *frame)
{
    static struct frame parts[8];
    uint32_t size = spoilt.fragment_bytes & ~7u, count = 0, rest = frame->length - ETH - IP4;
    for (uint32_t at = 0; at < rest && count < 8; at += size, count++) {
        struct frame *part = &parts[count];
        bool is_last = rest - at <= size || count == 7;
        uint32_t bytes = is_last ? rest - at : size;
        memcpy(part->bytes, frame->bytes, ETH + IP4);
        memcpy(part->bytes + ETH + IP4, frame->bytes + ETH + IP4 + at, bytes);
        part->length = ETH + IP4 + bytes;
        put_16(part->bytes + ETH + 2, IP4 + bytes);
        put_16(part->bytes + ETH + 6, (is_last ? 0 : 0x2000) | at / 8);
        put_16(part->bytes + ETH + 10, 0);
        put_16(part->bytes + ETH + 10, ~sum(0, part->bytes + ETH, IP4));
    }
    for (uint32_t i = 0; i < count; i++)
        deliver(&parts[(i ^ spoilt.order) % count]);
}

static void deliver_parts_6(const struct frame *frame)
{
    static struct frame parts[8];
    uint32_t size = spoilt.fragment_bytes & ~7u, count = 0, rest = frame->length - ETH - IP6;
    for (uint32_t at = 0; at < rest && count < 8; at += size, count++) {
        struct frame *part = &parts[count];
        bool is_last = rest - at <= size || count == 7;
        uint32_t bytes = is_last ? rest - at : size;
        uint8_t *head = part->bytes + ETH + IP6;
        memcpy(part->bytes, frame->bytes, ETH + IP6);
        memset(head, 0, 8);
        head[0] = frame->bytes[ETH + 6];
        put_16(head + 2, at | (is_last ? 0 : 1));
        put_32(head + 4, identification);
        memcpy(head + 8, frame->bytes + ETH + IP6 + at, bytes);
        part->bytes[ETH + 6] = 44;
        put_16(part->bytes + ETH + 4, 8 + bytes);
        part->length = ETH + IP6 + 8 + bytes;
    }
    for (uint32_t i = 0; i < count; i++)
        deliver(&parts[(i ^ spoilt.order) % count]);
}

static void send(struct frame *frame)
{
    for (uint32_t i = 0; i < spoilt.edit_count; i++)
        frame->bytes[spoilt.edits[i].at % frame->length] ^= spoilt.edits[i].value;
    if (spoilt.cut)
        frame->length = 1 + (frame->length - 1) % spoilt.cut;
    if (spoilt.sums_again && frame->length > ETH)
        sums_make(frame);
    uint32_t type = get_16(frame->bytes + 12);
    if (frame->length > FRAME_MAX)
        frame->length = FRAME_MAX;
    if (spoilt.is_late && late.length == 0) {
        late = *frame;
    } else if (spoilt.fragment_bytes >= 8 && type == TYPE_4 && frame->length > ETH + IP4) {
        deliver_parts_4(frame);
    } else if (spoilt.fragment_bytes >= 8 && type == TYPE_6 && frame->length > ETH + IP6) {
        deliver_parts_6(frame);
    } else {
        deliver(frame);
    }
    if (!spoilt.is_late && late.length > 0) {
        deliver(&late);
        late.length = 0;
    }
    memset(&spoilt, 0, sizeof(spoilt));
}

/* Ethernet and IP in front of `bytes` of transport, which the caller has put behind; where that is. */
static uint8_t *packet_begin(struct frame *frame, bool is_6, uint32_t protocol, uint32_t bytes)
{
    uint8_t *ip = frame->bytes + ETH;
    memset(frame->bytes, 0, ETH + IP6 + TCP);
    memcpy(frame->bytes, their_mac, 6);
    memcpy(frame->bytes + 6, own_mac, 6);
    put_16(frame->bytes + 12, is_6 ? TYPE_6 : TYPE_4);
    frame->length = ETH + (is_6 ? IP6 : IP4) + bytes;
    identification++;
    if (is_6) {
        ip[0] = 0x60;
        put_16(ip + 4, bytes);
        ip[6] = (uint8_t)protocol;
        ip[7] = 255;
        memcpy(ip + 8, own_6, 16);
        memcpy(ip + 24, their_6, 16);
        return ip + IP6;
    }
    ip[0] = 0x45;
    put_16(ip + 2, IP4 + bytes);
    put_16(ip + 4, identification);
    ip[8] = 64;
    ip[9] = (uint8_t)protocol;
    memcpy(ip + 12, own_4, 4);
    memcpy(ip + 16, their_4, 4);
    return ip + IP4;
}

static void packet_send(struct frame *frame)
{
    sums_make(frame);
    send(frame);
}

static void udp_send(bool is_6, uint32_t from, uint32_t to, const uint8_t *data, uint32_t bytes)
{
    static struct frame frame;
    uint8_t *udp = packet_begin(&frame, is_6, PROTO_UDP, UDP + bytes);
    put_16(udp, from);
    put_16(udp + 2, to);
    put_16(udp + 4, UDP + bytes);
    memcpy(udp + UDP, data, bytes);
    packet_send(&frame);
}

/* ---- TCP ----------------------------------------------------------------------------------------------------- */

/* Some of the options that there are, in order; bytes of all, a multiple of four. */
static uint32_t options_put(uint8_t *to, uint32_t which, const struct connection *c)
{
    uint32_t bytes = 0;
    static const uint8_t mss[4] = {2, 4, 5, 0xb4}, small[4] = {2, 4, 0, 30}, scale[4] = {3, 3, 7, 1},
                         may[4] = {4, 2, 1, 1}, time[12] = {1, 1, 8, 10, 0, 0, 0, 1}, broken[4] = {2, 1, 99, 0};
    if (which & 1)
        memcpy(to, mss, 4), bytes += 4;
    if (which & 2)
        memcpy(to + bytes, small, 4), bytes += 4;
    if (which & 4)
        memcpy(to + bytes, scale, 4), bytes += 4;
    if (which & 8)
        memcpy(to + bytes, may, 4), bytes += 4;
    if (which & 16)
        memcpy(to + bytes, time, 12), bytes += 12;
    if (which & 32)
        memcpy(to + bytes, broken, 4), bytes += 4;
    if ((which & 64) && bytes <= 20) { /* SACK of what has not been sent, perhaps */
        static const uint8_t head[4] = {1, 1, 5, 10};
        memcpy(to + bytes, head, 4);
        put_32(to + bytes + 4, c->ack + 100);
        put_32(to + bytes + 8, c->ack + 200);
        bytes += 12;
    }
    return bytes;
}

static void segment_send(const struct connection *c, uint32_t flags, uint32_t seq, uint32_t ack, uint32_t window,
                         uint32_t options, uint32_t bytes)
{
    static struct frame frame;
    uint8_t list[40];
    uint32_t list_bytes = options_put(list, options, c);
    uint8_t *tcp = packet_begin(&frame, c->is_6, PROTO_TCP, TCP + list_bytes + bytes);
    put_16(tcp, c->own_port);
    put_16(tcp + 2, c->port);
    put_32(tcp + 4, seq);
    put_32(tcp + 8, flags & ACK ? ack : 0);
    tcp[12] = (uint8_t)((TCP + list_bytes) / 4 << 4);
    tcp[13] = (uint8_t)flags;
    put_16(tcp + 14, window);
    memcpy(tcp + TCP, list, list_bytes);
    memset(tcp + TCP + list_bytes, 'a' + (int)(seq % 26), bytes);
    packet_send(&frame);
}

static struct connection *connection_new(bool is_6, uint32_t own_port, uint32_t port)
{
    struct connection *c = &connections[next_connection++ % host_connections];
    *c = (struct connection){true, is_6, (uint16_t)own_port, (uint16_t)port, identification << 16 | 0xff00, 0, 0};
    return c;
}

void host_step_connect(void)
{
    uint32_t how = input_byte();
    struct connection *c = connection_new(how & 128, 40000 + next_connection % 100, 1 + (how & 3));
    uint32_t options = input_byte();
    segment_send(c, SYN, c->seq++, 0, 1000, options, 0);
}

/* A segment of a connection: where it lies, and what it acknowledges, may be a little off, or anything. */
void host_step_segment(void)
{
    struct connection *c = &connections[input_byte() % host_connections];
    uint32_t flags = input_byte(), how = input_byte(), bytes = how & 3 ? (how & 3) * 365 : input_byte();
    uint32_t seq = c->seq, ack = c->ack, window = how & 32 ? input_16() : 8000;
    if (!c->is_used)
        return;
    if (how & 4)
        seq += (uint32_t)(int8_t)input_byte() * (how & 16 ? 365u : 1u);
    if (how & 8)
        ack += (uint32_t)(int8_t)input_byte() * (how & 16 ? 365u : 1u);
    if ((how & 12) == 0 && (flags & SYN) == 0)
        c->seq += bytes + (flags & FIN);
    segment_send(c, flags, seq, ack, window, how & 64 ? input_byte() : 0, bytes);
    if (how & 128) /* all that has come is acknowledged from now on */
        host_mode |= HOST_ACKNOWLEDGES;
}

/* ---- by number, for situations ------------------------------------------------------------------------------- */

#define OPTION_MSS 1u /* of options_put */

uint32_t host_begin(uint32_t port)
{
    uint32_t number = next_connection % host_connections;
    struct connection *c = connection_new(false, 20000 + number, port);
    segment_send(c, SYN, c->seq++, 0, 60000, OPTION_MSS, 0);
    return number;
}

void host_acknowledge(uint32_t number, uint32_t less, uint32_t window)
{
    const struct connection *c = &connections[number];
    segment_send(c, ACK, c->seq, c->ack - less, window, 0, 0);
}

void host_say(uint32_t number, uint32_t bytes)
{
    struct connection *c = &connections[number];
    segment_send(c, ACK, c->seq, c->ack, 60000, 0, bytes);
    c->seq += bytes;
}

void host_end(uint32_t number)
{
    struct connection *c = &connections[number];
    segment_send(c, RST | ACK, c->seq, c->ack, 0, 0, 0);
    c->is_used = false;
}

uint32_t host_taken(uint32_t number)
{
    return connections[number].taken;
}

static struct connection *connection_find(bool is_6, uint32_t own_port, uint32_t port)
{
    for (uint32_t i = 0; i < host_connections; i++)
        if (connections[i].is_used && connections[i].is_6 == is_6 && connections[i].own_port == own_port &&
            connections[i].port == port)
            return &connections[i];
    return NULL;
}

static void segment_taken(bool is_6, const uint8_t *tcp, uint32_t bytes)
{
    uint32_t flags = tcp[13], head = (uint32_t)(tcp[12] >> 4) * 4, seq = get_32(tcp + 4);
    if (head < TCP || head > bytes)
        stack_fail("a segment's header is longer than the segment");
    struct connection *c = connection_find(is_6, get_16(tcp + 2), get_16(tcp));
    if ((flags & (SYN | ACK)) == SYN && !c) {
        c = connection_new(is_6, get_16(tcp + 2), get_16(tcp));
        c->ack = seq + 1;
        if (host_mode & HOST_ACCEPTS)
            segment_send(c, SYN | ACK, c->seq++, c->ack, 5000, 13, 0);
        else if (host_mode & HOST_REFUSES)
            segment_send(c, RST | ACK, 0, c->ack, 0, 0, 0);
        return;
    }
    if (!c)
        return;
    uint32_t length = bytes - head + (flags & FIN) + (flags & SYN ? 1 : 0);
    if (flags & SYN)
        c->ack = seq;
    if (seq == c->ack) {
        c->ack += length;
        c->taken += bytes - head;
    }
    if (length > 0 && (host_mode & HOST_ACKNOWLEDGES))
        segment_send(c, ACK, c->seq, c->ack, 8000, 0, 0);
}

/* ---- UDP: DHCP (RFC 2131) and DNS (RFC 1035) ----------------------------------------------------------------- */

static void dhcp_answer(const uint8_t *asked, uint32_t bytes)
{
    static uint8_t answer[300];
    static const uint8_t options[] = {54,  4, 10, 0, 2,  2, 51, 4, 0, 0, 0x0e, 0x10, 1, 4, 255, 255,
                                      255, 0, 3,  4, 10, 0, 2,  2, 6, 4, 10,   0,    2, 3, 255};
    uint32_t type = 0;
    for (uint32_t at = 240; at + 2 < bytes && asked[at] != 255; at += 2u + asked[at + 1])
        if (asked[at] == 53)
            type = asked[at + 2];
    if (type != 1 && type != 3)
        return;
    memcpy(answer, asked, 240);
    answer[0] = 2;
    memcpy(answer + 16, their_4, 4);
    answer[240] = 53;
    answer[241] = 1;
    answer[242] = type == 1 ? 2 : 5;
    memcpy(answer + 243, options, sizeof(options));
    udp_send(false, 67, 68, answer, sizeof(answer));
}

static void dns_answer(const uint8_t *asked, uint32_t bytes, uint32_t port)
{
    static uint8_t answer[600];
    if (bytes < 12 + 6 || bytes > 512)
        return;
    bool is_6 = get_16(asked + bytes - 4) == 28;
    memcpy(answer, asked, bytes);
    put_16(answer + 2, 0x8180);
    put_16(answer + 6, 1);
    uint8_t *record = answer + bytes;
    memset(record, 0, 12);
    put_16(record, 0xc00c);
    put_16(record + 2, is_6 ? 28 : 1);
    put_16(record + 4, 1);
    record[9] = 60;
    record[11] = is_6 ? 16 : 4;
    memcpy(record + 12, is_6 ? own_6 : own_4, record[11]);
    udp_send(false, 53, port, answer, bytes + 12u + record[11]);
}

static uint32_t discarded; /* by RFC 863 */

uint32_t host_datagrams(void)
{
    return discarded;
}

static void datagram_taken(const uint8_t *udp, uint32_t bytes)
{
    discarded += get_16(udp + 2) == 9;
    if (get_16(udp + 2) == 67 && bytes > UDP + 240 && !(host_mode & HOST_SILENT_DHCP))
        dhcp_answer(udp + UDP, bytes - UDP);
    if (get_16(udp + 2) == 53 && !(host_mode & HOST_SILENT_DNS))
        dns_answer(udp + UDP, bytes - UDP, get_16(udp));
}

void host_step_datagram(void)
{
    static const uint16_t ports[] = {68, 53, 1, 2, 3, 4, 67, 5353};
    static uint8_t data[1400];
    uint32_t how = input_byte(), bytes = how & 8 ? input_16() % sizeof(data) : how >> 4;
    for (uint32_t i = 0; i < bytes && i < 24; i++)
        data[i] = (uint8_t)input_byte();
    udp_send(how & 128, ports[how & 7], ports[input_byte() & 7], data, bytes);
}

/* ---- ARP, ICMP, ND (RFC 826, 792, 4443, 4861) ----------------------------------------------------------------- */

static void arp_send(uint32_t operation, const uint8_t *sender, const uint8_t *target)
{
    static struct frame frame;
    static const uint8_t head[6] = {0, 1, 8, 0, 6, 4};
    memcpy(frame.bytes, their_mac, 6);
    memcpy(frame.bytes + 6, own_mac, 6);
    put_16(frame.bytes + 12, TYPE_ARP);
    memcpy(frame.bytes + 14, head, 6);
    put_16(frame.bytes + 20, operation);
    memcpy(frame.bytes + 22, own_mac, 6);
    memcpy(frame.bytes + 28, sender, 4);
    memcpy(frame.bytes + 32, their_mac, 6);
    memcpy(frame.bytes + 38, target, 4);
    frame.length = 42;
    send(&frame);
}

void host_step_arp(void)
{
    uint32_t how = input_byte();
    uint8_t sender[4] = {10, 0, 2, (uint8_t)(how & 64 ? input_byte() : 2)};
    arp_send(how & 3, sender, how & 4 ? own_4 : their_4);
}

/* The server looks for somebody: it is us. */
static void arp_taken(const uint8_t *frame, uint32_t bytes)
{
    bool is_asking = bytes >= 42 && get_16(frame + 20) == 1 && memcmp(frame + 38, their_4, 4) != 0;
    if (is_asking && !(host_mode & HOST_SILENT_ARP))
        arp_send(2, frame + 38, their_4);
}

static void advertise(const uint8_t *target)
{
    static struct frame frame;
    uint8_t *icmp = packet_begin(&frame, true, ICMP_6, 32);
    memset(icmp, 0, 32);
    icmp[0] = 136;
    icmp[4] = 0x60;
    memcpy(icmp + 8, target, 16);
    icmp[24] = 2;
    icmp[25] = 1;
    memcpy(icmp + 26, own_mac, 6);
    packet_send(&frame);
}

/* Not for its own address: it would have to give that up. */
static void icmp_6_taken(const uint8_t *icmp, uint32_t bytes)
{
    if (icmp[0] == 135 && bytes >= 24 && memcmp(icmp + 8, their_6, 16) != 0 && !(host_mode & HOST_SILENT_ARP))
        advertise(icmp + 8);
}

/* ICMP of any kind, with a packet of some connection in it. */
void host_step_control(void)
{
    static struct frame frame;
    uint32_t how = input_byte(), type = input_byte(), code = input_byte();
    bool is_6 = how & 128;
    const struct connection *c = &connections[how % host_connections];
    uint8_t *icmp = packet_begin(&frame, is_6, is_6 ? ICMP_6 : ICMP_4, 8 + (is_6 ? IP6 : IP4) + 8);
    uint8_t *quoted = icmp + 8;
    memset(icmp, 0, 8 + IP6 + 8);
    icmp[0] = (uint8_t)type;
    icmp[1] = (uint8_t)code;
    put_16(icmp + 6, how & 64 ? input_16() : 0);
    quoted[0] = is_6 ? 0x60 : 0x45;
    quoted[is_6 ? 6 : 9] = how & 32 ? PROTO_UDP : PROTO_TCP;
    memcpy(quoted + (is_6 ? 8 : 12), is_6 ? their_6 : their_4, is_6 ? 16 : 4);
    memcpy(quoted + (is_6 ? 24 : 16), is_6 ? own_6 : own_4, is_6 ? 16 : 4);
    put_16(quoted + (is_6 ? IP6 : IP4), c->port);
    put_16(quoted + (is_6 ? IP6 : IP4) + 2, c->own_port);
    put_32(quoted + (is_6 ? IP6 : IP4) + 4, c->ack);
    packet_send(&frame);
}

/* Router and neighbour messages, with options as the input has them. */
void host_step_neighbour(void)
{
    static struct frame frame;
    static const uint8_t prefix[] = {3, 4, 64, 0xc0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x20, 1, 0x0d, 0xb8};
    uint32_t how = input_byte(), extra = how >> 5, type = 133 + how % 5,
             head = type == 134   ? 16
                    : type == 137 ? 40
                                  : 24;
    uint8_t *icmp = packet_begin(&frame, true, ICMP_6, head + 32 + extra * 8);
    memset(icmp, 0, head + 32 + extra * 8);
    icmp[0] = (uint8_t)type;
    icmp[4] = (uint8_t)input_byte();
    icmp[5] = (uint8_t)input_byte();
    put_16(icmp + 6, input_16());
    if (type != 134)
        memcpy(icmp + 8, how & 8 ? their_6 : own_6, 16);
    memcpy(icmp + head, prefix, sizeof(prefix));
    icmp[head] = how & 16 ? (uint8_t)input_byte() : 3;
    for (uint32_t i = 0; i < extra * 8; i++)
        icmp[head + 32 + i] = (uint8_t)input_byte();
    packet_send(&frame);
}

void host_step_raw(void)
{
    static struct frame frame;
    static const uint16_t types[4] = {TYPE_4, TYPE_6, TYPE_ARP, 0x8100};
    uint32_t how = input_byte();
    frame.length = ETH + input_byte();
    memcpy(frame.bytes, their_mac, 6);
    put_16(frame.bytes + 12, types[how & 3]);
    for (uint32_t i = ETH; i < frame.length; i++)
        frame.bytes[i] = (uint8_t)input_byte();
    if (how & 4)
        sums_make(&frame);
    send(&frame);
}

void host_step_spoil(void)
{
    uint32_t how = input_byte();
    memset(&spoilt, 0, sizeof(spoilt));
    spoilt.edit_count = how & 3;
    spoilt.is_late = how & 4;
    spoilt.is_twice = how & 8;
    spoilt.sums_again = how & 16;
    spoilt.is_vouched = how & 32;
    for (uint32_t i = 0; i < spoilt.edit_count; i++) {
        spoilt.edits[i].at = how & 128 ? input_16() : input_byte();
        spoilt.edits[i].value = (uint8_t)input_byte();
    }
    if (how & 64) {
        uint32_t what = input_byte();
        spoilt.fragment_bytes = what & 1 ? 8 + what * 4 : 0;
        spoilt.cut = what & 1 ? 0 : 1 + what * 4;
        uint32_t parts = input_byte();
        spoilt.order = parts & 7;
        spoilt.part_bytes = (parts >> 3) * 16;
    }
}

/* ---- out of the cable ---------------------------------------------------------------------------------------- */

/* What the server sends is good, whatever it got. */
static void sums_check(const uint8_t *ip, bool is_6, uint32_t protocol, const uint8_t *transport, uint32_t bytes)
{
    bool is_known = protocol == PROTO_TCP || protocol == PROTO_UDP || protocol == (is_6 ? ICMP_6 : ICMP_4);
    bool is_none = protocol == PROTO_UDP && !is_6 && get_16(transport + 6) == 0;
    if (is_known && !is_none && transport_sum(ip, is_6, protocol, transport, bytes) != 0xffff)
        stack_fail("a packet is sent with a wrong checksum");
}

static void transport_taken(const uint8_t *ip, bool is_6, uint32_t protocol, const uint8_t *transport, uint32_t bytes)
{
    uint32_t least = protocol == PROTO_TCP ? TCP : protocol == PROTO_UDP ? UDP : 4;
    if (bytes < least)
        stack_fail("a packet is sent without its header");
    sums_check(ip, is_6, protocol, transport, bytes);
    if (protocol == PROTO_TCP)
        segment_taken(is_6, transport, bytes);
    else if (protocol == PROTO_UDP)
        datagram_taken(transport, bytes);
    else if (protocol == ICMP_6 && is_6)
        icmp_6_taken(transport, bytes);
}

/* The card finishes what was left to it (VIRTIO 1.1, 5.1.6.2). */
static void sum_finish(uint8_t *frame, uint32_t bytes, const struct packet_send *first)
{
    uint32_t at = first->checksum_start;
    if (!(first->flags & PACKET_CHECKSUM))
        return;
    if (!(host_mode & HOST_NO_CHECKSUMS) || at + first->checksum_offset + 2u > bytes)
        stack_fail("a checksum is left to the card where it cannot be");
    put_16(frame + at + first->checksum_offset, ~sum(0, frame + at, bytes - at));
}

void host_frame(uint8_t *frame, uint32_t bytes, const struct packet_send *first)
{
    if (bytes < ETH || bytes > ETH + 1500)
        stack_fail("a frame is too short or too long");
    sum_finish(frame, bytes, first);
    const uint8_t *ip = frame + ETH;
    uint32_t type = get_16(frame + 12);
    if (type == TYPE_ARP)
        arp_taken(frame, bytes);
    if (type == TYPE_4) {
        uint32_t head = (ip[0] & 15u) * 4, all = get_16(ip + 2);
        if (head < IP4 || all < head || all > bytes - ETH || sum(0, ip, head) != 0xffff)
            stack_fail("an IPv4 header is sent that is none");
        if ((get_16(ip + 6) & 0x3fff) == 0)
            transport_taken(ip, false, ip[9], ip + head, all - head);
    }
    if (type == TYPE_6) {
        uint32_t all = get_16(ip + 4), head = ip[6] == 0 ? IP6 + 8u + ip[IP6 + 1] * 8u : IP6;
        if (bytes < ETH + IP6 || all > bytes - ETH - IP6 || head > IP6 + all)
            stack_fail("an IPv6 header is sent that is none");
        uint32_t next = ip[6] == 0 ? ip[IP6] : ip[6];
        if (next != 44)
            transport_taken(ip, true, next, ip + head, IP6 + all - head);
    }
}

void host_reset(void)
{
    memset(connections, 0, sizeof(connections));
    memset(&spoilt, 0, sizeof(spoilt));
    late.length = 0;
    next_connection = identification = host_mode = discarded = 0;
}
