/* gnulib's declarations of helpers.c: utimecmp.h, timespec.h. */
#ifndef TESTS_GNULIB_HELPERS_H
#define TESTS_GNULIB_HELPERS_H

#include <stdint.h>

struct stat;
struct timespec;

int utimecmp(const char *path, const struct stat *destination, const struct stat *source, int options);
void gettime(struct timespec *now);

#endif
