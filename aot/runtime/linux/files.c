/* The table of descriptors; files.h has the contract. */
#include "files.h"

#include "kernel_interface.h"
#include "linux.h"
#include "wasi_path.h"

#define FILES 256

static struct file {
    long descriptor; /* Linux's */
    bool is_open;
    const char *name; /* of a folder that was given; NULL: opened by the program */
} files[FILES] = {{0, true, NULL}, {1, true, NULL}, {2, true, NULL}};

/* ---- what the program was given ---- */

static const char variable[] = "TESSERA_DIRECTORY_";

/* The descriptor and name that a variable of the environment says, or NULL. */
static const char *folder_parse(const char *text, long *descriptor)
{
    for (unsigned i = 0; variable[i]; i++, text++)
        if (*text != variable[i])
            return NULL;
    for (*descriptor = 0; *text >= '0' && *text <= '9' && *descriptor < 1000000; text++)
        *descriptor = 10 * *descriptor + (*text - '0');
    return *text == '=' ? text + 1 : NULL;
}

void linux_files_open(void)
{
    uint32_t next = 3;
    char **kept = linux_arguments.environment;
    for (char **variables = kept; *variables; variables++) {
        long descriptor;
        const char *name = folder_parse(*variables, &descriptor);
        if (name && next < FILES)
            files[next++] = (struct file){descriptor, true, name};
        else if (!name)
            *kept++ = *variables;
    }
    *kept = NULL;
}

/* ---- descriptors ---- */

long linux_file(uint32_t descriptor)
{
    return descriptor < FILES && files[descriptor].is_open ? files[descriptor].descriptor : -1;
}

const char *linux_file_name(uint32_t descriptor)
{
    return linux_file(descriptor) >= 0 ? files[descriptor].name : NULL;
}

uint32_t linux_file_add(long opened, uint32_t *descriptor)
{
    for (uint32_t i = 3; i < FILES; i++) {
        if (files[i].is_open)
            continue;
        files[i] = (struct file){.descriptor = opened, .is_open = true};
        *descriptor = i;
        return ERRNO_SUCCESS;
    }
    linux_call(SYSCALL_CLOSE, opened, 0, 0, 0, 0, 0);
    return ERRNO_MFILE;
}

/* The program's streams are closed to it, not to this library, which may have a trap to report. */
uint32_t linux_file_close(uint32_t descriptor)
{
    if (descriptor >= FILES || !files[descriptor].is_open)
        return ERRNO_BADF;
    files[descriptor].is_open = false;
    return descriptor > 2 ? linux_errno(linux_call(SYSCALL_CLOSE, files[descriptor].descriptor, 0, 0, 0, 0, 0))
                          : (uint32_t)ERRNO_SUCCESS;
}

uint32_t linux_file_move(uint32_t from, uint32_t to)
{
    if (linux_file(from) < 0 || linux_file(to) < 0)
        return ERRNO_BADF;
    if (from == to)
        return ERRNO_SUCCESS;
    uint32_t error = linux_file_close(to);
    files[to] = files[from];
    files[from].is_open = false;
    return error;
}

/* Linux's numbers (include/uapi/asm-generic/errno*.h) of 1 to 40 in order, then some. */
uint32_t linux_errno(long result)
{
    static const uint8_t first[] = {0,  63, 44, 71, 27, 29, 60, 1,  45, 8,  12, 6,  48, 2,  21, 0,  10, 20, 75, 43,
                                    54, 31, 28, 41, 33, 59, 74, 22, 51, 70, 69, 34, 64, 18, 68, 16, 37, 46, 52, 55};
    if (result >= 0)
        return ERRNO_SUCCESS;
    if (-result < (long)sizeof first && first[-result])
        return first[-result];
    return result == -40 ? 32 : result == -95 ? ERRNO_NOTSUP : result == -122 ? 19 : ERRNO_IO;
}
