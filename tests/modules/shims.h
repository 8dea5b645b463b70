/* What these programs use and WASI lacks: owners and modes of files, which none of them needs to have. */
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
#endif
