/* Work in several processes: LLVM works on one module at a time in a thread, and a process that ends gives all its
 * memory back. */
#ifndef TESSERA_AOT_PARALLEL_H
#define TESSERA_AOT_PARALLEL_H

#include <stdbool.h>

struct parallel_work {
    unsigned count;                                                 /* jobs */
    unsigned processes;                                             /* at a time */
    bool (*run)(void *context, unsigned job);                       /* in a child; prints the reason of a failure */
    void (*progress)(void *context, unsigned done, unsigned count); /* in the parent, after each job */
    void *context;
};

/* Runs every job, each in a child of its own; begins no more once one has failed. False: one has, which has been said.
 */
bool parallel_run(const struct parallel_work *work);

#endif
