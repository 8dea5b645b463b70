/* What the clients of a server of files share, and how much of it each may have: sessions, and the pages that handles
 * lie in. A party is a program of the system description with all its children and theirs, so nobody gets more by
 * having children. Of each kind, half is divided beforehand among all programs that the description starts; whatever
 * others do, each party can have so much. The other half is for who comes first.
 */
#ifndef FILE_SHARE_H
#define FILE_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/process.h"

#define SHARE_SESSIONS 192u
#define SHARE_PAGES    256u

enum share_kind { SHARE_OF_SESSIONS, SHARE_OF_PAGES, SHARE_KINDS };

/* The party of a new session; `programs`: how many parties there can be, at least 1. False: there are too many at a
 * time. party_leave for each that was joined, when what it took was given back. */
bool party_join(uint32_t program, uint32_t programs, const char *name, uint32_t *number);
void party_leave(uint32_t number);
const char *party_name(uint32_t number);

/* One of that kind. False: the party's share is used up; *is_news: for the first time. */
bool share_take(uint32_t number, enum share_kind kind, bool *is_news);
void share_give(uint32_t number, enum share_kind kind);

#endif
