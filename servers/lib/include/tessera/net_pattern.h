/* Permissions for the network in words, such as "tcp:1883" and "tcp:*.example:443": docs/system.md has the grammar.
 *
 *   PROTOCOL ":" [HOST ":"] PORTS     tcp, udp; a name, "*.suffix", an IPv4 address, "[IPv6 address]", "*"; n, n-m, "*"
 *
 * Without a host any will do. Two patterns have either nothing in common, or what they have in common is a pattern: so
 * what is requested and granted is a list of patterns, too.
 */
#ifndef TESSERA_NET_PATTERN_H
#define TESSERA_NET_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_HOST_MAX    253u /* of a name: RFC 1035, 2.3.4, without the outer lengths */
#define NET_PATTERN_MAX 280u /* of the text, with its NUL */

enum net_protocol { NET_TCP, NET_UDP, NET_PROTOCOLS };

struct net_pattern {
    enum net_protocol protocol;
    const char *host; /* in the text that was parsed, without the brackets */
    uint32_t host_length;
    uint16_t first_port, last_port;
};

/* False: the text is none. It is not copied. */
bool net_pattern_parse(const char *text, struct net_pattern *pattern);
/* What both allow; false: nothing. */
bool net_pattern_meet(const struct net_pattern *a, const struct net_pattern *b, struct net_pattern *both);
bool net_pattern_covers(const struct net_pattern *holder, const struct net_pattern *wanted);
/* Letters, digits, '.', '-', '_' and ':' only. What else a name has in it may mean one thing to who compares it with a
 * pattern and another to who looks it up. */
bool net_name_is_good(const char *name, uint32_t length);

/* The host as the program named it: a name or an address in the usual form. Upper and lower case are the same. */
bool net_pattern_matches(const struct net_pattern *pattern, enum net_protocol protocol, const char *host,
                         uint32_t host_length, uint16_t port);
/* The text of a pattern, whole; its length. */
size_t net_pattern_text(const struct net_pattern *pattern, char *text, size_t size);

#endif
