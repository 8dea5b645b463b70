/* What these programs use and WASI lacks: owners and modes of files, temporary files and commands, which none of them
 * needs to have. */
#ifdef __wasm__
#include <sys/stat.h>
#include <sys/types.h>
static inline int chown(const char *path, uid_t user, gid_t group)
{
    (void)path, (void)user, (void)group;
    return 0;
}
static inline int fchown(int file, uid_t user, gid_t group)
{
    (void)file, (void)user, (void)group;
    return 0;
}
static inline int chmod(const char *path, mode_t mode)
{
    (void)path, (void)mode;
    return 0;
}
static inline int fchmod(int file, mode_t mode)
{
    (void)file, (void)mode;
    return 0;
}
static inline uid_t geteuid(void)
{
    return 0;
}
#include <fcntl.h>
#ifndef F_GETLK /* locks of files: there are none, and asking for one fails */
#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
#define F_GETLK 5
#define F_SETLK 6
#endif
static inline int system(const char *command)
{
    return command ? -1 : 0;
}
static inline char *tmpnam(char *name)
{
    (void)name;
    return (char *)0;
}
static inline struct _IO_FILE *tmpfile(void)
{
    return (struct _IO_FILE *)0;
}
#endif
