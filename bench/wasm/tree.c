/* Binary search trees: random insertion, look-up, removal, with nodes from a free list. */
#include "harness.h"

enum { NODES = 100000, LOOKUPS = 200000 };

const struct benchmark benchmark = {.name = "tree", .rounds = 12, .checksum = 0x6a2448b4};

struct node {
    struct node *left, *right;
    uint32_t key, value;
};

static struct node nodes[NODES], *unused;

static void nodes_reset(void)
{
    unused = NULL;
    for (int i = NODES - 1; i >= 0; i--) {
        nodes[i].left = unused;
        unused = &nodes[i];
    }
}

/* Where the key is, or where it would go. */
static struct node **find(struct node **root, uint32_t key)
{
    while (*root && (*root)->key != key)
        root = key < (*root)->key ? &(*root)->left : &(*root)->right;
    return root;
}

BENCH_NOINLINE static void insert(struct node **root, uint32_t key, uint32_t value)
{
    struct node **place = find(root, key);
    if (!*place && unused) {
        *place = unused;
        unused = unused->left;
        **place = (struct node){.key = key};
    }
    if (*place)
        (*place)->value += value;
}

BENCH_NOINLINE static uint32_t look_up(struct node **root, uint32_t key)
{
    const struct node *found = *find(root, key);
    return found ? found->value : 0;
}

BENCH_NOINLINE static void erase(struct node **root, uint32_t key)
{
    struct node **place = find(root, key), *gone = *place;
    if (!gone)
        return;
    if (gone->left && gone->right) {
        struct node **next = &gone->right;
        while ((*next)->left)
            next = &(*next)->left;
        struct node *heir = *next;
        *next = heir->right;
        heir->left = gone->left;
        heir->right = gone->right;
        *place = heir;
    } else {
        *place = gone->left ? gone->left : gone->right;
    }
    gone->left = unused;
    unused = gone;
}

BENCH_NOINLINE static uint32_t walk(const struct node *node, uint32_t sum)
{
    if (!node)
        return sum;
    sum = walk(node->left, sum);
    sum = bench_mix(sum, node->key + node->value);
    return walk(node->right, sum);
}

uint32_t benchmark_round(void)
{
    struct node *root = NULL;
    uint32_t state = 3, sum = 0;
    nodes_reset();
    for (uint32_t i = 0; i < NODES; i++)
        insert(&root, bench_random(&state) % (2 * NODES), i);
    for (uint32_t i = 0; i < LOOKUPS; i++)
        sum += look_up(&root, bench_random(&state) % (2 * NODES));
    for (uint32_t i = 0; i < NODES / 2; i++)
        erase(&root, bench_random(&state) % (2 * NODES));
    return walk(root, sum);
}
