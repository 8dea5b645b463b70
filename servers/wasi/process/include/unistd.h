/* The C library's, and what it leaves out. */
#include_next <unistd.h>

#ifndef TESSERA_UNISTD_H
#define TESSERA_UNISTD_H

#ifdef __cplusplus
extern "C" {
#endif

int pipe(int ends[2]);

#ifdef __cplusplus
}
#endif

#endif
