/* Running a program on this host. */
#ifndef TESSERA_AOT_RUN_H
#define TESSERA_AOT_RUN_H

#include "options.h"

/* Whether programs may map page 0, where memory 0 wants to lie. */
bool host_maps_page_zero(void);

/* Whether the file is an ELF executable: an image, not a module. */
bool is_executable_image(const char *file);

/* The machine that an image is for. False: it is no image, or none for Linux, which has been said. */
bool image_find_target(const char *file, enum target *target);

/* Runs an image for `target` that was linked with libwasm_linux.a, with the arguments, environment and folders of the
 * options. The exit status for this process: the program's own, 128 and the number of the signal that ended it, or 1
 * with a message.
 */
int run_image(const struct options *options, const char *image, enum target target);

#endif
