/* See tessera/net_pattern.h. */
#include "tessera/net_pattern.h"

#include "tessera/text.h"

static const char *const protocols[NET_PROTOCOLS] = {"tcp", "udp"};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_host_character(char c, bool is_ipv6)
{
    char small = lower(c);
    bool is_digit = c >= '0' && c <= '9';
    if (is_ipv6)
        return is_digit || (small >= 'a' && small <= 'f') || c == ':' || c == '.';
    return is_digit || (small >= 'a' && small <= 'z') || c == '.' || c == '-' || c == '_';
}

bool net_name_is_good(const char *name, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        if (!is_host_character(name[i], false) && name[i] != ':')
            return false;
    return length > 0;
}

#define BLOCKS    8u
#define BLOCK_MAX 4u /* digits */

static bool block_parse(const char *text, uint32_t length, uint32_t *at, uint16_t *block)
{
    uint32_t first = *at;
    for (*block = 0; *at < length && text[*at] != ':'; ++*at) {
        char small = lower(text[*at]);
        bool is_letter = small >= 'a' && small <= 'f';
        if ((!is_letter && (small < '0' || small > '9')) || *at - first == BLOCK_MAX)
            return false;
        *block = (uint16_t)(*block << 4 | (is_letter ? small - 'a' + 10 : small - '0'));
    }
    return *at > first;
}

/* An IPv6 address in any of its spellings (RFC 4291, 2.2) but the one that ends as IPv4's. */
static bool address_parse(const char *text, uint32_t length, uint16_t blocks[BLOCKS])
{
    uint16_t read[BLOCKS] = {0};
    uint32_t count = 0, gap = BLOCKS, at = 0; /* gap: the block that "::" stands in front of */
    while (at < length || count == 0) {
        if (at + 1 < length && text[at] == ':' && text[at + 1] == ':') {
            if (gap != BLOCKS)
                return false;
            gap = count;
            at += 2;
            if (at == length)
                break;
        } else if (count > 0 && text[at++] != ':') {
            return false;
        }
        if (count == BLOCKS || !block_parse(text, length, &at, &read[count++]))
            return false;
    }
    if (gap == BLOCKS ? count != BLOCKS : count == BLOCKS)
        return false;
    for (uint32_t i = 0; i < BLOCKS; i++)
        blocks[i] = i < gap && i < count ? read[i] : i < gap + BLOCKS - count ? 0 : read[i - (BLOCKS - count)];
    return true;
}

static bool is_same_address(const char *a, uint32_t a_length, const char *b, uint32_t b_length)
{
    uint16_t one[BLOCKS], other[BLOCKS];
    if (!address_parse(a, a_length, one) || !address_parse(b, b_length, other))
        return false;
    for (uint32_t i = 0; i < BLOCKS; i++)
        if (one[i] != other[i])
            return false;
    return true;
}

/* "*", "*." and a name, a name or an address: a star stands only there. */
static bool host_is_good(const char *host, uint32_t length, bool is_ipv6)
{
    uint32_t at = 0;
    if (length == 0 || length > NET_HOST_MAX)
        return false;
    if (!is_ipv6 && host[0] == '*') {
        if (length == 1)
            return true;
        if (host[1] != '.' || length == 2)
            return false;
        at = 2;
    }
    while (at < length && is_host_character(host[at], is_ipv6))
        at++;
    return at == length;
}

static bool port_parse(const char **at, uint16_t *port)
{
    uint32_t value = 0;
    const char *first = *at;
    for (; **at >= '0' && **at <= '9' && *at - first < 6; ++*at)
        value = value * 10 + (uint32_t)(**at - '0');
    *port = (uint16_t)value;
    return *at > first && *first != '0' && value <= UINT16_MAX;
}

static bool ports_parse(const char *text, struct net_pattern *pattern)
{
    pattern->first_port = 1;
    pattern->last_port = UINT16_MAX;
    if (text_equal(text, "*"))
        return true;
    if (!port_parse(&text, &pattern->first_port))
        return false;
    pattern->last_port = pattern->first_port;
    if (*text == '-' && (++text, !port_parse(&text, &pattern->last_port)))
        return false;
    return *text == 0 && pattern->first_port <= pattern->last_port;
}

bool net_pattern_parse(const char *text, struct net_pattern *pattern)
{
    pattern->protocol = NET_TCP;
    while (pattern->protocol < NET_PROTOCOLS && !text_begins(text, protocols[pattern->protocol]))
        pattern->protocol++;
    if (pattern->protocol == NET_PROTOCOLS || text[3] != ':')
        return false;
    const char *host = text + 4, *ports = host;
    bool is_ipv6 = host[0] == '[';
    for (const char *c = host; *c; c++)
        if (*c == ':')
            ports = c + 1;
    pattern->host = "*";
    pattern->host_length = 1;
    if (ports > host) {
        pattern->host = host + is_ipv6;
        size_t length = (size_t)(ports - host) - 1;
        if (is_ipv6 && (length < 2 || host[length - 1] != ']'))
            return false;
        length -= is_ipv6 ? 2 : 0;
        pattern->host_length = (uint32_t)length;
        if (length > NET_HOST_MAX || !host_is_good(pattern->host, pattern->host_length, is_ipv6))
            return false;
    }
    return ports_parse(ports, pattern);
}

/* True when the host, which may be a pattern itself, is all covered by the other. */
static bool host_covers(const char *holder, uint32_t holder_length, const char *wanted, uint32_t wanted_length)
{
    uint32_t skipped = 0;
    if (is_same_address(holder, holder_length, wanted, wanted_length))
        return true;
    if (holder[0] == '*') {
        holder++, holder_length--;
        if (wanted_length <= holder_length)
            return false; /* "*.a" is not ".a" */
        skipped = wanted_length - holder_length;
    }
    if (wanted_length - skipped != holder_length)
        return false;
    for (uint32_t i = 0; i < holder_length; i++)
        if (lower(holder[i]) != lower(wanted[skipped + i]))
            return false;
    return true;
}

bool net_pattern_covers(const struct net_pattern *holder, const struct net_pattern *wanted)
{
    return holder->protocol == wanted->protocol && holder->first_port <= wanted->first_port &&
           holder->last_port >= wanted->last_port &&
           host_covers(holder->host, holder->host_length, wanted->host, wanted->host_length);
}

bool net_pattern_meet(const struct net_pattern *a, const struct net_pattern *b, struct net_pattern *both)
{
    *both = *a;
    both->first_port = a->first_port > b->first_port ? a->first_port : b->first_port;
    both->last_port = a->last_port < b->last_port ? a->last_port : b->last_port;
    if (a->protocol != b->protocol || both->first_port > both->last_port)
        return false;
    if (host_covers(b->host, b->host_length, a->host, a->host_length))
        return true;
    both->host = b->host;
    both->host_length = b->host_length;
    return host_covers(a->host, a->host_length, b->host, b->host_length);
}

bool net_pattern_matches(const struct net_pattern *pattern, enum net_protocol protocol, const char *host,
                         uint32_t host_length, uint16_t port)
{
    bool is_name = host_length > 0 && host[0] != '*';
    return is_name && pattern->protocol == protocol && pattern->first_port <= port && port <= pattern->last_port &&
           host_covers(pattern->host, pattern->host_length, host, host_length);
}

static size_t ports_text(const struct net_pattern *pattern, char *text, size_t size)
{
    if (pattern->first_port == 1 && pattern->last_port == UINT16_MAX)
        return text_format(text, size, "*");
    if (pattern->first_port == pattern->last_port)
        return text_format(text, size, "%u", (unsigned)pattern->first_port);
    return text_format(text, size, "%u-%u", (unsigned)pattern->first_port, (unsigned)pattern->last_port);
}

size_t net_pattern_text(const struct net_pattern *pattern, char *text, size_t size)
{
    bool is_ipv6 = false;
    for (uint32_t i = 0; i < pattern->host_length; i++)
        is_ipv6 |= pattern->host[i] == ':';
    size_t length = text_format(text, size, "%s:%s%.*s%s:", protocols[pattern->protocol], is_ipv6 ? "[" : "",
                                (int)pattern->host_length, pattern->host, is_ipv6 ? "]" : "");
    return length + ports_text(pattern, text + length, size - length);
}
