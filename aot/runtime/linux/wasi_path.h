/* More of files.h, for those who open files. */
#ifndef RUNTIME_LINUX_WASI_PATH_H
#define RUNTIME_LINUX_WASI_PATH_H

#include <stdint.h>

/* The name under which the program was given a folder; NULL: it was not. */
const char *linux_file_name(uint32_t descriptor);

/* Gives the program what was opened. */
uint32_t linux_file_add(long opened, uint32_t *descriptor);
uint32_t linux_file_move(uint32_t from, uint32_t to);

#define PATH_BYTES 4096

/* A path in the program's memory: Linux's descriptor of the folder that its last part is in, and that part, "." when
 * there is none. The descriptor is the caller's to close, by path_close. */
struct path {
    long folder;
    char text[PATH_BYTES];
    char *last;
};

uint32_t path_open(struct path *path, uint32_t descriptor, uint32_t address, uint32_t length);
void path_close(struct path *path);

#endif
