/* Ordered queues without memory of their own: leftist heaps of nodes embedded in objects.
 *
 * Each operation takes a number of steps that grows with the logarithm of the number of nodes, worst case included:
 * thousands of timers are bounded work. Of equal keys any may come first. An empty heap is NULL.
 */
#ifndef SCHED_HEAP_H
#define SCHED_HEAP_H

#include <kernel/core.h>

static inline bool heap_contains(const struct heap_node *node)
{
    return node->distance != 0;
}

void heap_insert(struct heap_node **heap, struct heap_node *node, uint64_t key);
void heap_remove(struct heap_node **heap, struct heap_node *node);

#endif
