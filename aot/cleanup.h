/* What goes when the process ends: intermediate folders, with what is in them when a signal ends it, and children. */
#ifndef TESSERA_AOT_CLEANUP_H
#define TESSERA_AOT_CLEANUP_H

#include <stdbool.h>
#include <sys/types.h>

/* Makes the folder that `name` is a pattern for, as mkdtemp. False with errno. One made later goes first. */
bool cleanup_make_folder(char *name);

/* The folder is empty and is removed; it was the last that was made. */
void cleanup_remove_folder(const char *name);

/* fork(); the child, or what it executes, is killed when this process ends, however that happens. */
pid_t cleanup_fork(void);

#endif
