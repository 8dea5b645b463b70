/* The program's descriptors: the standard streams, the folders it was given, and what it opens in them.
 *
 * A path is walked folder by folder without following links, and leads nowhere above the folder it begins in. */
#ifndef RUNTIME_LINUX_FILES_H
#define RUNTIME_LINUX_FILES_H

#include <stdbool.h>
#include <stdint.h>

/* WASI preview 1, witx/typenames.witx, errno. */
enum {
    ERRNO_SUCCESS = 0,
    ERRNO_BADF = 8,
    ERRNO_FAULT = 21,
    ERRNO_INVAL = 28,
    ERRNO_IO = 29,
    ERRNO_MFILE = 33,
    ERRNO_NAMETOOLONG = 37,
    ERRNO_NOTDIR = 54,
    ERRNO_NOTSOCK = 57,
    ERRNO_NOTSUP = 58,
    ERRNO_SPIPE = 70,
    ERRNO_NOTCAPABLE = 76,
};

/* Of the program's memory: whether the range is within it, and where it is. */
bool linux_is_within(uint32_t address, uint64_t bytes);
uint8_t *linux_memory(void);
void linux_put(uint32_t address, uint64_t value, unsigned bytes);
uint32_t linux_get32(uint32_t address);

/* The program's folders, from the environment (aot/run.c); their variables are taken out of it. */
void linux_files_open(void);

/* Linux's descriptor of one of the program's, or -1. */
long linux_file(uint32_t descriptor);
uint32_t linux_file_close(uint32_t descriptor);

/* WASI's number for an error that a system call returned. */
uint32_t linux_errno(long result);

#endif
