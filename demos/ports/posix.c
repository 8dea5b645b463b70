/* What wasi-libc declares and does not have. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define OPEN_FILES_MAX  16384 /* the WASI library's table */
#define WASM_PAGE_BYTES 65536

/* All machines have one name. */
int gethostname(char *name, size_t bytes)
{
    static const char own[] = "tessera";
    if (bytes < sizeof(own)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(name, own, sizeof(own));
    return 0;
}

/* wasi-libc's knows no limit of open files, and says -1. */
long sysconf(int name)
{
    switch (name) {
    case _SC_OPEN_MAX:
        return OPEN_FILES_MAX;
    case _SC_PAGESIZE:
        return WASM_PAGE_BYTES;
    case _SC_NPROCESSORS_ONLN:
    case _SC_NPROCESSORS_CONF:
        return 1;
    default:
        errno = EINVAL;
        return -1;
    }
}
