/* The network: the way to the net server, which asks what each of its clients may. docs/system.md has the patterns.
 *
 * What is requested and what is granted are met here, pattern by pattern, so the net server sees one list for each
 * client and decides by net_pattern_matches alone.
 */
#include "proto/process.h"
#include "server.h"
#include "tessera/server.h"
#include "tessera/text.h"

static const char *const words[PROCESS_NET_COUNT] = {"net.listen", "net.connect", "net.resolve"};

/* The n-th thing that a process may. */
static bool net_grant(const struct process *process, uint32_t n, enum process_net *kind, struct net_pattern *pattern)
{
    for (*kind = PROCESS_NET_LISTEN; *kind < PROCESS_NET_RESOLVE; ++*kind)
        for (uint32_t i = 0; authority_net(&process->authority, *kind, i, pattern); i++)
            if (n-- == 0)
                return true;
    return n == 0 && authority_permits(&process->authority, IMAGE_MAY_RESOLVE);
}

uint32_t net_open(struct process *process, word result[2])
{
    enum process_net kind;
    struct net_pattern pattern;
    if (net_grant(process, 0, &kind, &pattern))
        return service_join(process, PROCESS_NET_SERVICE, result);
    log_refusal(process, "permission", "net");
    return E_NOTCAPABLE;
}

/* The client of a process that serves the network. */
static struct process *net_client(const struct process *process, word badge)
{
    const char *name;
    struct process *client = service_client(process, badge, &name);
    return client && text_equal(name, PROCESS_NET_SERVICE) ? client : NULL;
}

uint32_t net_describe(const struct process *process, word badge, word n, word *results, unsigned *count)
{
    enum process_net kind;
    struct net_pattern pattern;
    char text[NET_PATTERN_MAX] = {0};
    const struct process *client = net_client(process, badge);
    if (!client)
        return E_INVAL;
    if (n > UINT32_MAX || !net_grant(client, (uint32_t)n, &kind, &pattern))
        return E_BADF;
    size_t bytes = kind == PROCESS_NET_RESOLVE ? 0 : net_pattern_text(&pattern, text, sizeof(text));
    results[0] = kind;
    results[1] = bytes;
    memcpy(&results[2], text, (bytes + 7) / 8 * 8);
    *count = 2 + (unsigned)((bytes + 7) / 8);
    return 0;
}

uint32_t net_refused(const struct process *process, const struct request *request)
{
    struct process *client = net_client(process, request->words[0]);
    word kind = request->words[1], bytes = request->words[2];
    if (!client || kind >= PROCESS_NET_COUNT || bytes > NET_PATTERN_MAX || 3 + (bytes + 7) / 8 > request->length)
        return E_INVAL;
    if (refusal_is_logged(client, words[kind], (const char *)&request->words[3], bytes))
        log_text("process: %s: refused: %s '%.*s' is not granted\n", client->name, words[kind], (int)bytes,
                 (const char *)&request->words[3]);
    return 0;
}
