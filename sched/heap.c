/* Leftist heaps (C. A. Crane, "Linear lists and priority queues as balanced binary trees", 1972).
 *
 * `distance` of a node is 1 + the smaller of its children's (0 for a missing one); the left child's is never smaller
 * than the right one's, so the right spine, the only way that merging walks, has at most log2(n) nodes.
 */
#include <sched/heap.h>

static word distance_of(const struct heap_node *node)
{
    return node ? node->distance : 0;
}

/* Puts the children in order and the distance right. Returns whether the distance changed. */
static bool node_settle(struct heap_node *node)
{
    if (distance_of(node->left) < distance_of(node->right)) {
        struct heap_node *left = node->left;
        node->left = node->right;
        node->right = left;
    }
    word distance = distance_of(node->right) + 1;
    bool is_changed = distance != node->distance;
    node->distance = distance;
    return is_changed;
}

static struct heap_node *heap_merge(struct heap_node *a, struct heap_node *b)
{
    struct heap_node *root = NULL, *last = NULL;
    struct heap_node **place = &root;
    while (a && b) {
        if (b->key < a->key) {
            struct heap_node *other = a;
            a = b;
            b = other;
        }
        *place = a;
        a->parent = last;
        last = a;
        place = &a->right;
        a = a->right;
    }
    *place = a ? a : b;
    if (*place)
        (*place)->parent = last;
    for (; last; last = last->parent)
        node_settle(last);
    return root;
}

void heap_insert(struct heap_node **heap, struct heap_node *node, uint64_t key)
{
    kassert(!heap_contains(node));
    *node = (struct heap_node){.key = key, .distance = 1};
    *heap = heap_merge(*heap, node);
}

void heap_remove(struct heap_node **heap, struct heap_node *node)
{
    struct heap_node *parent = node->parent;
    kassert(heap_contains(node));
    if (node->left)
        node->left->parent = NULL;
    if (node->right)
        node->right->parent = NULL;
    struct heap_node *rest = heap_merge(node->left, node->right);
    if (rest)
        rest->parent = parent;
    if (!parent)
        *heap = rest;
    else if (parent->left == node)
        parent->left = rest;
    else
        parent->right = rest;
    /* A changed distance can climb, but no further than it is high: log2(n) steps. */
    while (parent && node_settle(parent))
        parent = parent->parent;
    *node = (struct heap_node){0};
}
