/* There are no users: nobody has an entry, and no program is the superuser. */
#ifndef PORTS_PWD_H
#define PORTS_PWD_H
#include <sys/types.h>

struct passwd {
    char *pw_name, *pw_passwd;
    uid_t pw_uid;
    gid_t pw_gid;
    char *pw_gecos, *pw_dir, *pw_shell;
};

static inline struct passwd *getpwnam(const char *name)
{
    (void)name;
    return NULL;
}

static inline struct passwd *getpwuid(uid_t user)
{
    (void)user;
    return NULL;
}
#endif
