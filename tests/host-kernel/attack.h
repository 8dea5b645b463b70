/* What the files of attacks share (attack_test.c). */
#ifndef ATTACK_H
#define ATTACK_H

#include "model.h"

struct attack {
    const char *name;
    void (*run)(void);
};

/* Each ends with a row without a name. */
extern const struct attack attacks_on_memory[], attacks_on_lent_time[], attacks_by_deletion[], attacks_on_budgets[];

/* The current thread lets another one run; calls; answers and waits for the next call. Each is left for another. */
void run_thread(cptr thread);
void call_endpoint(cptr endpoint);
void reply_receive(cptr endpoint, cptr reply);

cptr new_context(void);
/* A server without context that receives at the endpoint. The root task goes below all others. */
cptr new_server(uint8_t priority, cptr endpoint, cptr reply);
/* Until the root task's turn comes; it is the most urgent again. */
void to_root(void);

#endif
