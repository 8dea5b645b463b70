/* Queues of threads that wait to send, or for a notification: the highest priority first, among equals in the order of
 * their coming. (Receivers of an endpoint stand in the order of their coming: queue_append.)
 *
 *     head -> 9 9 9 -> 5 -> 2 2 <- tail
 *             ^   ^    ^    ^ ^
 *             run_other links the first and the last of each run of equals, a single one with itself
 *
 * A place is found from the tail, run by run: at most one step for each priority, however many wait. The first thread's
 * queue_prev, an empty queue's tail and the run_other of a single thread mean nothing: so the fast path, which deals
 * with one waiting thread only, need not know of runs.
 */
#include <sched/thread.h>

void wait_insert(struct thread_queue *queue, struct tcb *tcb)
{
    struct tcb *before = queue->head ? queue->tail : NULL;
    if (before && before == queue->head)
        before->run_other = before;
    while (before && before->priority < tcb->priority)
        before = before->run_other == queue->head ? NULL : before->run_other->queue_prev;
    struct tcb *after = before ? before->queue_next : queue->head;
    tcb->queue_prev = before;
    tcb->queue_next = after;
    *(before ? &before->queue_next : &queue->head) = tcb;
    *(after ? &after->queue_prev : &queue->tail) = tcb;
    tcb->run_other = tcb;
    if (before && before->priority == tcb->priority) {
        tcb->run_other = before->run_other;
        tcb->run_other->run_other = tcb;
    }
}

void wait_remove(struct thread_queue *queue, struct tcb *tcb)
{
    struct tcb *before = tcb == queue->head ? NULL : tcb->queue_prev, *after = tcb->queue_next;
    bool follows = before && before->priority == tcb->priority;
    bool is_followed = after && after->priority == tcb->priority;
    if (follows != is_followed) {
        struct tcb *other = tcb->run_other, *end = follows ? before : after;
        other->run_other = end;
        end->run_other = other;
    }
    queue_remove(queue, tcb);
}
