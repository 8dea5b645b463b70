/* See tessera/share.h: whose client it is, and what the log says. */
#include "proto/process.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/share.h"

bool party_find(uint64_t badge, uint32_t *number)
{
    char name[PROCESS_NAME_MAX + 8] = {0};
    struct message m = {message_info(PROCESS_SERVICE_PARTY, 0, 1), {badge}};
    if (syscall_call(PROCESS_CAP_SERVER, &m) != ERROR_NONE || message_info_label(m.info) != 0)
        return false;
    message_get(&m, 3, name, m.words[2] < PROCESS_NAME_MAX ? m.words[2] : PROCESS_NAME_MAX);
    if (!party_join((uint32_t)m.words[0], (uint32_t)m.words[1], name, number))
        return false;
    party_cpu_set(*number, (uint32_t)(m.words[1] >> 32));
    return true;
}

bool share_ask(const char *server, uint32_t number, uint32_t kind)
{
    bool is_news, is_taken = share_take(number, kind, &is_news);
    if (is_news)
        log_text("%s: program '%s': its share of %s is used up\n", server, party_name(number), share_name(kind));
    return is_taken;
}
