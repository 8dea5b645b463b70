/* Nothing can be loaded into a translated program. */
#ifndef PORTS_DLFCN_H
#define PORTS_DLFCN_H
#include <stddef.h>

#define RTLD_LAZY   1
#define RTLD_NOW    2
#define RTLD_GLOBAL 0x100
#define RTLD_LOCAL  0

static inline void *dlopen(const char *file, int mode)
{
    (void)file, (void)mode;
    return NULL;
}

static inline void *dlsym(void *library, const char *name)
{
    (void)library, (void)name;
    return NULL;
}

static inline int dlclose(void *library)
{
    (void)library;
    return -1;
}

static inline char *dlerror(void)
{
    return (char *)"programs are translated as a whole here: nothing can be loaded into them";
}
#endif
