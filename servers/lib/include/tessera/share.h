/* What the clients of a server share, and how much of it each may have: kinds of things of which the server has so many
 * and not more. A party is a program of the system description with all its children and theirs, so nobody gets more by
 * having children. Of each kind, a part is divided beforehand among all programs that the description starts; whatever
 * others do, each party can have so much. The rest is for who comes first.
 */
#ifndef TESSERA_SHARE_H
#define TESSERA_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#define SHARE_KINDS_MAX 8u
#define SHARE_PARTIES   192u /* at a time, at most */

struct share_kind {
    const char *name; /* in the log */
    uint32_t total, divided;
};

/* Before anything else: at most SHARE_KINDS_MAX; the array stays. */
void shares_set(const struct share_kind *kinds);

/* The party of a new client; `programs`: how many parties there can be, at least 1. False: there are too many at a
 * time. party_leave for each that was joined. A party is known for as long as it has a client or holds anything. */
bool party_join(uint32_t program, uint32_t programs, const char *name, uint32_t *number);
void party_leave(uint32_t number);
const char *party_name(uint32_t number);
/* Its CPU limit in thousandths, as party_find has it; 0: none. */
uint32_t party_cpu(uint32_t number);
void party_cpu_set(uint32_t number, uint32_t thousandths);

/* One of that kind. False: the party's share is used up; *is_news: for the first time. */
bool share_take(uint32_t number, uint32_t kind, bool *is_news);
/* Whether share_take would give it now. */
bool share_is_left(uint32_t number, uint32_t kind);
const char *share_name(uint32_t kind);
void share_give(uint32_t number, uint32_t kind);

/* ---- share_client.c: for servers whose clients the process server knows ---- */
/* party_join of whom that badge is. */
bool party_find(uint64_t badge, uint32_t *number);
/* share_take; the log says, once, whose share is used up: "SERVER: program 'NAME': its share of KIND is used up". */
bool share_ask(const char *server, uint32_t number, uint32_t kind);

#endif
