/* Shells: the address spaces of processes that have ended, kept for the next process of the same image. A shell has no
 * thread, no capability in its CNode, and in its memory nothing but what every process of the image begins with;
 * whatever its process took beyond that (task_rewind knows) makes it no shell. Their memory is free memory: when any is
 * short, and before the account is made, they are dropped.
 */
#include "server.h"

#define SHELLS        8
#define SHELL_LARGEST (4ul << 20)

static struct process *shells[SHELLS]; /* the oldest first */
static uint32_t shell_count;

bool shell_make(struct process *process)
{
    process->is_shell = !process->is_top && !process->trap_tcb && process->task.memory_bytes <= SHELL_LARGEST &&
                        task_rewind(&process->task, &process->image->image);
    return process->is_shell;
}

static struct process *shell_remove(uint32_t at)
{
    struct process *shell = shells[at];
    shell_count--;
    for (uint32_t i = at; i < shell_count; i++)
        shells[i] = shells[i + 1];
    return shell;
}

static void shell_destroy(struct process *shell)
{
    struct memory self = shell->self; /* the struct itself is cleared */
    task_destroy(&shell->task);
    memory_return(&server.pool, &self);
}

void shell_put(struct process *process)
{
    if (shell_count == SHELLS)
        shell_destroy(shell_remove(0));
    shells[shell_count++] = process;
}

struct process *shell_take(const struct program_image *image)
{
    for (uint32_t i = shell_count; i-- > 0;)
        if (shells[i]->image == image)
            return shell_remove(i);
    return NULL;
}

bool shells_drop(void)
{
    bool any = shell_count > 0;
    for (uint32_t i = 1; i <= server.top; i++) { /* not joined yet */
        struct process *process = server.processes[i];
        if (process && process->is_shell) {
            task_destroy(&process->task);
            process->is_shell = false;
            any = true;
        }
    }
    while (shell_count > 0)
        shell_destroy(shell_remove(0));
    return any;
}
