/* A pool of child processes; parallel.h has the contract. */
#include "parallel.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"

/* Waits for one child and says how it ended. */
static bool await_child(void)
{
    int status;
    while (wait(&status) < 0)
        if (errno != EINTR)
            return false;
    if (WIFSIGNALED(status))
        fprintf(stderr, "tessera-aot: a process that generates code was ended by signal %d%s\n", WTERMSIG(status),
                WTERMSIG(status) == SIGKILL ? ": perhaps the machine's memory is exhausted, and a smaller -j helps"
                                            : "");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Starts the job in a child. */
static bool job_start(const struct parallel_work *work, unsigned job)
{
    fflush(NULL);
    pid_t child = cleanup_fork();
    if (child == 0) {
        bool is_done = work->run(work->context, job);
        fflush(NULL);
        _exit(is_done ? 0 : 1);
    }
    if (child < 0)
        fprintf(stderr, "tessera-aot: cannot start a process: %s\n", strerror(errno));
    return child > 0;
}

bool parallel_run(const struct parallel_work *work)
{
    unsigned next = 0, running = 0, done = 0;
    bool is_done = true;
    while (running > 0 || (is_done && next < work->count)) {
        if (is_done && next < work->count && running < work->processes) {
            is_done = job_start(work, next++);
            running += is_done;
            continue;
        }
        is_done &= await_child();
        running--;
        work->progress(work->context, ++done, work->count);
    }
    return is_done;
}
