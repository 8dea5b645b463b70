/* Between main.c, watch.c and actor.c. */
#ifndef KERNEL_WATCH_H
#define KERNEL_WATCH_H

#include "test.h"

void watch_start(void);
void watch_begin(void);
void watch_end(void);
/* Notes and threads of the case that fails; `buffer` is the calling thread's own. */
void case_report(struct ipc_buffer *buffer);
/* Back to the loop over the cases, as case_fail does, with all printed. */
_Noreturn void case_end_failed(void);

/* Actor number `index` of the case, NULL behind the last. */
const struct actor *actor_at(word index);
void actors_forget(void);
void victims_forget(void);

static inline word registers_sp(const struct user_registers *r)
{
#if defined(__x86_64__)
    return r->rsp;
#else
    return r->sp;
#endif
}

#endif
