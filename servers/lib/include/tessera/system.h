/* Checks a system description (proto/system.h) and finds programs in it. */
#ifndef TESSERA_SYSTEM_H
#define TESSERA_SYSTEM_H

#include "proto/system.h"

/* NULL when `bytes` (8-byte aligned, `size` long) is a well-formed description, else what is wrong with it, one line.
 * Manifests inside were checked with image_check_manifest. */
const char *system_check(const void *bytes, size_t size);

/* The program of that name, or NULL. *index is its place. */
const struct system_program *system_find(const struct system_header *system, const char *name, uint32_t *index);

/* The mount that an absolute path lies in: the longest; NULL: none. */
const struct system_mount *system_mount_find(const struct system_header *system, const char *path, uint32_t *number);

#endif
