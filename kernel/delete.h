/* Deletion and revocation. All return false when preempted: progress is stored in the objects, call again. */
#ifndef KERNEL_DELETE_H
#define KERNEL_DELETE_H

#include <kernel/core.h>

/* Empties the slot and, when it held the last capability to an object, destroys the object. */
bool slot_delete(struct core *core, struct slot *slot);
/* Deletes all capabilities derived from the one in `slot`. */
bool slot_revoke(struct core *core, struct slot *slot);
/* Deletes a slot whose capability is not that of a container; for slots inside objects. */
bool slot_delete_simple(struct core *core, struct slot *slot);
/* The idle thread's work: goes on with deletions that their threads have left in the middle. */
void dying_finish(struct core *core);

#endif
