/* Random system calls of several threads over a small world of objects, faults, interrupts and time passing, with
 * preemption at random points; the invariants of check.c hold after every entry into the kernel.
 *
 *     kernel-random ARCHIVE [seed [rounds]]
 *
 * Every run of the same seed does the same. At the end of each world everything is revoked, and all memory must be
 * back.
 */
#include "model.h"

#include <arch/mmu.h>

static uint64_t seed;
static uint64_t random_next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * 0x2545f4914f6cdd1dul;
}
static word random_below(word limit)
{
    return (random_next() >> 20) % limit;
}

#define WORLD_BITS  22
#define WORLD_SLOTS 120

static cptr world, slots;
static struct tcb *root;

/* A number that means something somewhere, or nothing. */
static word random_argument(void)
{
    static const word odd[] = {0,
                               1,
                               2,
                               3,
                               7,
                               8,
                               12,
                               13,
                               16,
                               21,
                               30,
                               63,
                               64,
                               100,
                               255,
                               256,
                               4096,
                               8192,
                               65536,
                               1ul << 21,
                               1ul << 30,
                               1ul << 39,
                               0x7fffffffe000,
                               0x800000000000,
                               ~0ul,
                               ~0ul << 12,
                               1ul << 32,
                               29ul << 32 | 5};
    switch (random_below(8)) {
    case 0:
        return odd[random_below(sizeof(odd) / sizeof(odd[0]))];
    case 1:
        return random_next();
    case 2:
        return random_below(20);
    case 3:
        return random_below(64) << 12 | (random_below(2) << 21);
    case 4:
        return ROOT_TCB + random_below(14);
    default:
        return slots + random_below(WORLD_SLOTS);
    }
}

static cptr random_object(void)
{
    switch (random_below(12)) {
    case 0:
        return (cptr)random_next();
    case 1:
        return ROOT_CNODE;
    case 2:
        return ROOT_SCHED_CONTROL;
    case 3:
        return ROOT_IRQ_CONTROL;
    case 4:
        return world;
    default:
        return slots + (cptr)random_below(WORLD_SLOTS);
    }
}

static void random_retype(struct message *m)
{
    word type = random_below(OBJECT_RETYPE_COUNT);
    word bits = type == OBJECT_FRAME   ? 12 + random_below(6)
                : type == OBJECT_CNODE ? 1 + random_below(4)
                                       : 4 + random_below(14);
    *m = (struct message){message_info(UNTYPED_RETYPE, 0, 5),
                          {type, bits, ROOT_CNODE, slots + random_below(WORLD_SLOTS), 1 + random_below(3)}};
}

/* Nothing in the world may end the machine or take the root task's own things away. */
static bool is_forbidden(cptr object, const struct message *m)
{
    word label = message_info_label(m->info);
    bool is_own = object >= ROOT_TCB && object < slots;
    if (label == POWER_OFF || label == POWER_RESET)
        return true;
    if (label == CNODE_MOVE || label == CNODE_MUTATE || label == CNODE_ROTATE || label == CNODE_DELETE ||
        label == CNODE_REVOKE) {
        /* only within the world's slots */
        if (object != ROOT_CNODE)
            return false;
        word first = m->words[0], count = label == CNODE_DELETE ? m->words[1] : 1;
        if (first < slots || first >= slots + WORLD_SLOTS || count > slots + WORLD_SLOTS - first)
            return true;
        if (label == CNODE_DELETE || label == CNODE_REVOKE)
            return false;
        for (unsigned i = label == CNODE_ROTATE ? 3 : 2; i <= (label == CNODE_ROTATE ? 6 : 2); i += 3)
            if (m->words[i] < slots || m->words[i] >= slots + WORLD_SLOTS)
                return true;
        return false;
    }
    if (is_own && object != ROOT_CNODE && object != world && label >= TCB_CONFIGURE && label <= FRAME_UNMAP)
        return label != SCHED_CONTROL_CONFIGURE;
    return false;
}

/* Capabilities to the root task's own objects may be copied into the world and invoked there: then the label decides.
 */
static bool names_root_objects(cptr object, const struct message *m)
{
    struct slot *slot = object >= slots && object < slots + WORLD_SLOTS ? model_slot(object) : NULL;
    if (slot && cap_type(slot->cap) == OBJECT_TCB && cap_object(slot->cap) == root)
        return true;
    if (slot && cap_type(slot->cap) == OBJECT_CNODE && cap_object(slot->cap) == cap_object(model_slot(ROOT_CNODE)->cap))
        return true;
    if (slot && cap_type(slot->cap) == OBJECT_SCHED_CONTEXT && cap_object(slot->cap) == root->sched_context)
        return true;
    (void)m;
    return false;
}

/* Returns with the root task running, whatever happened to it. */
static void root_returns(void)
{
    struct core *core = model_core();
    struct sched_context *sc = cap_object(model_slot(ROOT_SCHED_CONTEXT)->cap);
    if (model_current() == root && root->sched_context == sc)
        return;
    if (thread_is_blocked(root))
        thread_cancel(core, root, CANCEL_ABORT);
    thread_resume(core, root);
    if (root->sched_context != sc) {
        sched_context_leave(core, root);
        sched_context_unbind(core, sc);
        if (sc->notification) {
            sc->notification->sched_context = NULL;
            sc->notification = NULL;
        }
        sched_context_bind(core, sc, root);
    }
    sched_context_configure(core, sc, 1ul << 62, 1ul << 62, 2, 0);
    thread_set_priority(core, root, 255);
    for (unsigned i = 0; i < 1000; i++) {
        schedule(core);
        if (model_current() == root)
            return;
        if (model_current() != core->idle)
            thread_set_priority(core, model_current(), 254);
    }
    CHECK(!"the root task comes back");
}

static void step(void)
{
    struct message m = {0};
    cptr object = random_object();
    for (unsigned i = 0; i < MESSAGE_REGISTERS; i++)
        m.words[i] = random_argument();
    m.info = message_info(random_below(INVOCATION_COUNT), random_below(4), random_below(10));
    enum syscall number = SYSCALL_CALL;
    switch (random_below(16)) {
    case 0:
        number = (enum syscall)random_below(SYSCALL_COUNT + 1);
        break;
    case 1:
    case 2:
        object = world;
        random_retype(&m);
        break;
    case 3:
        /* mostly sensible threads */
        m = (struct message){message_info(TCB_CONFIGURE, 0, 5),
                             {ROOT_CNODE, ROOT_VSPACE, 0x400, random_argument(), random_argument()}};
        break;
    case 4:
        m = (struct message){message_info(TCB_SET_SCHED_PARAMS, 0, 4),
                             {ROOT_TCB, 255, random_below(256), random_argument()}};
        break;
    case 5:
        object = ROOT_SCHED_CONTROL;
        m = (struct message){
            message_info(SCHED_CONTROL_CONFIGURE, 0, 6),
            {random_argument(), 20000 + random_below(1000000), 0, random_below(7), random_argument(), 0}};
        m.words[2] = m.words[1] + random_below(3) * 1000000;
        break;
    case 6:
        m.info = message_info(TCB_RESUME, 0, 0);
        break;
    case 7:
        m = (struct message){message_info(FRAME_MAP, 0, 6),
                             {random_argument(), random_below(32) << 12, RIGHT_READ | RIGHT_WRITE, 0, 0, 0}};
        break;
    case 8:
        m = (struct message){message_info(PAGE_TABLE_MAP, 0, 4),
                             {random_argument(), random_below(32) << 12, 1 + random_below(3), random_below(2) << 2}};
        break;
    case 9:
        object = ROOT_CNODE;
        m = (struct message){message_info(random_below(3) ? CNODE_MINT : CNODE_COPY, 0, 5),
                             {slots + random_below(WORLD_SLOTS), ROOT_CNODE, slots + random_below(WORLD_SLOTS),
                              random_below(32), random_below(2) * random_below(5)}};
        break;
    case 10:
    case 11: {
        static const enum syscall ipc[] = {SYSCALL_CALL,   SYSCALL_REPLY_RECV, SYSCALL_SEND,
                                           SYSCALL_NBSEND, SYSCALL_RECV,       SYSCALL_NBRECV,
                                           SYSCALL_WAIT,   SYSCALL_NBWAIT,     SYSCALL_YIELD};
        number = ipc[random_below(9)];
        break;
    }
    default:
        break;
    }
    if (is_forbidden(object, &m) || names_root_objects(object, &m))
        return;
    /* The buffer: capabilities to pass and where to take them. */
    struct ipc_buffer *buffer = model_current()->buffer;
    if (buffer) {
        for (unsigned i = 0; i < MESSAGE_CAPABILITIES; i++)
            buffer->caps_or_badges[i] = slots + random_below(WORLD_SLOTS);
        buffer->receive_cnode = ROOT_CNODE;
        buffer->receive_index = slots + random_below(WORLD_SLOTS);
    }
    word destination = object | (word)(slots + random_below(WORLD_SLOTS)) << 32;
    model_interrupt_waits = random_below(3) == 0;
    model_patience = (unsigned)random_below(4);
    (void)syscall_trap(number, &destination, &m);
    model_interrupt_waits = false;
    switch (random_below(20)) {
    case 0:
        model_timer(random_below(5000000));
        break;
    case 1:
        model_interrupt((unsigned)random_below(ARCH_IRQ_COUNT));
        break;
    case 2:
        if (model_current() != root && model_current() != model_core()->idle)
            model_fault((enum fault)(1 + random_below(6)), random_next(), random_next(), random_next());
        break;
    default:
        break;
    }
}

static void world_run(const char *archive, unsigned steps)
{
    model_boot(archive);
    root = model_current();
    world = new_untyped(WORLD_BITS);
    slots = new_slots(WORLD_SLOTS);
    for (unsigned i = 0; i < steps; i++) {
        if (model_current() == model_core()->idle) {
            model_timer(10000000);
            if (model_current() == model_core()->idle)
                root_returns();
        }
        if (random_below(40) == 0)
            root_returns();
        /* The root task steps aside, so that others have their turn. */
        if (model_current() == root && random_below(6) == 0)
            thread_set_priority(model_core(), root, (uint8_t)random_below(256)), schedule(model_core());
        else
            step();
        if (model_current() != root && random_below(200) == 0)
            root_returns();
    }
    root_returns();
    OK(tcb_set_ipc_buffer(ROOT_TCB, model_boot_info()->ipc_buffer, ROOT_IPC_BUFFER));
    OK(tcb_set_space(ROOT_TCB, ROOT_CNODE, ROOT_VSPACE, 0));
    OK(cnode_revoke(ROOT_CNODE, world));
    OK(cnode_delete_all(ROOT_CNODE, slots, WORLD_SLOTS));
    OK(cnode_revoke(ROOT_CNODE, ROOT_IRQ_CONTROL));
    CHECK(model_dying() == 0);
    struct untyped_description d;
    OK(untyped_describe(world, &d));
    EQUAL(d.free_bytes, 1ul << WORLD_BITS);
    CHECK(model_core()->timers == NULL && model_core()->releases == NULL);
    for (unsigned b = 0, spaces = 0; b < KERNEL_VSPACE_BUCKETS; b++) {
        spaces += kernel.vspaces[b] != NULL;
        CHECK(spaces <= 1);
    }
}

int main(int argc, char **argv)
{
    CHECK(argc >= 2);
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    unsigned rounds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 0) : 12;
    for (unsigned i = 0; i < rounds; i++) {
        seed = (first + i) * 0x9e3779b97f4a7c15ul;
        world_run(argv[1], 4000);
    }
    printf("random: %u worlds from seed %lu passed\n", rounds, first);
    return 0;
}
