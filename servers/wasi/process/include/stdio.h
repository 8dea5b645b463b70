/* The C library's, and what it leaves out. */
#include_next <stdio.h>

#ifndef TESSERA_STDIO_H
#define TESSERA_STDIO_H

#ifdef __cplusplus
extern "C" {
#endif

FILE *popen(const char *command, const char *mode);
int pclose(FILE *stream);

#ifdef __cplusplus
}
#endif

#endif
