/* The world that sequences play in: made by the root task with ordinary invocations. See sequence.h. */
#include "sequence.h"

#include <tessera/invoke.h>

#define SMALL_CNODE_BITS 6
#define ENDLESS_NS       (1ul << 50)
#define WORKER_MCP       100

/* In this order, the small ones first, so that nothing is lost between them. */
static const struct {
    uint8_t slot, count, type, size_bits;
} objects[] = {
    {WORLD_FREE, 1, OBJECT_CNODE, SMALL_CNODE_BITS},
    {WORLD_TCB, WORKERS, OBJECT_TCB, 0},
    {WORLD_CONTEXT, WORKERS + 1, OBJECT_SCHED_CONTEXT, 0},
    {WORLD_ENDPOINT, 2, OBJECT_ENDPOINT, 0},
    {WORLD_NOTIFICATION, 2, OBJECT_NOTIFICATION, 0},
    {WORLD_REPLY, 3, OBJECT_REPLY, 0},
    {WORLD_TIMER, 2, OBJECT_TIMER, 0},
    {WORLD_VSPACE, 2, OBJECT_VSPACE, 0},
    {WORLD_TABLE, 4, OBJECT_PAGE_TABLE, 0},
    {WORLD_FRAME, 4, OBJECT_FRAME, 12},
    {WORLD_FRAME + 4, 1, OBJECT_FRAME, 16},
    {WORLD_UNTYPED, 1, OBJECT_UNTYPED, WORLD_MEMORY_BITS - 1},
};

static cptr copy_of(const struct world *world, enum world_slot slot)
{
    return world->slots + ROOT_WORLD_COPY + (cptr)(slot - WORLD_TCB);
}

#define TRY(call)                                                                                                      \
    do {                                                                                                               \
        if ((call) != ERROR_NONE)                                                                                      \
            return #call;                                                                                              \
    } while (0)

static const char *build_objects(const struct world *world, cptr cnode)
{
    TRY(untyped_retype_all(world->memory, OBJECT_CNODE, WORLD_CNODE_BITS, ROOT_CNODE, cnode, 1));
    for (unsigned i = 0; i < sizeof(objects) / sizeof(objects[0]); i++)
        TRY(untyped_retype_all(world->memory, objects[i].type, objects[i].size_bits, cnode, objects[i].slot,
                               objects[i].count));
    return NULL;
}

static const char *build_copies(const struct world *world, cptr cnode)
{
    cptr cspace = world->slots + ROOT_WORLD_CSPACE, small = world->slots + ROOT_WORLD_SMALL;
    word done;
    TRY(cnode_mint(ROOT_CNODE, cspace, ROOT_CNODE, cnode, RIGHT_ALL, cnode_guard(0, 32 - WORLD_CNODE_BITS)));
    TRY(cnode_copy(cnode, WORLD_CNODE, ROOT_CNODE, cspace, RIGHT_ALL));
    TRY(cnode_mutate(cnode, WORLD_SMALL_CNODE, cnode, WORLD_FREE, cnode_guard(0, 32 - SMALL_CNODE_BITS)));
    TRY(cnode_copy(ROOT_CNODE, small, cnode, WORLD_SMALL_CNODE, RIGHT_ALL));
    for (unsigned i = 0; i < 2; i++) {
        TRY(cnode_mint(cnode, WORLD_ENDPOINT + 2 + i, cnode, WORLD_ENDPOINT + i,
                       i == 0 ? RIGHT_ALL : RIGHT_CALL | RIGHT_GRANT, 5 + i));
        TRY(cnode_mint(cnode, WORLD_NOTIFICATION + 2 + i, cnode, WORLD_NOTIFICATION + i, RIGHT_ALL, 1 + i));
        TRY(cnode_copy(cnode, WORLD_FRAME + 5 + i, cnode, WORLD_FRAME + i, RIGHT_ALL));
    }
    TRY(cnode_copy(cnode, WORLD_VSPACE + 2, ROOT_CNODE, ROOT_VSPACE, RIGHT_ALL));
    for (unsigned i = 0; i < WORKERS; i++)
        TRY(cnode_copy(cnode, WORLD_BUFFER + i, ROOT_CNODE, world->actors[1 + i].buffer_frame, RIGHT_ALL));
    TRY(cnode_copy(cnode, WORLD_SCHED_CONTROL, ROOT_CNODE, ROOT_SCHED_CONTROL, RIGHT_ALL));
    TRY(cnode_copy_range(small, WORLD_TCB, cnode, WORLD_TCB, RIGHT_ALL, WORLD_TABLE - WORLD_TCB, &done));
    TRY(cnode_copy_range(ROOT_CNODE, copy_of(world, WORLD_TCB), cnode, WORLD_TCB, RIGHT_ALL, WORLD_REPLY - WORLD_TCB,
                         &done));
    return NULL;
}

/* Handlers of the devices' interrupts; all but the second have a notification. */
static const char *build_handlers(struct world *world, cptr cnode)
{
    static const uint8_t notifications[DEVICES] = {WORLD_NOTIFICATION + 2, 0, WORLD_NOTIFICATION + 3,
                                                   WORLD_NOTIFICATION};
    cptr handler = world->slots + ROOT_WORLD_HANDLER;
    for (unsigned i = 0; i < DEVICES; i++) {
        word line = world->lines[i], *address = &world->message_address, *data = &world->message_data;
        if (line == LINE_NONE)
            continue;
        if (line == LINE_BY_MESSAGE)
            TRY(irq_control_get_msi(ROOT_IRQ_CONTROL, ROOT_CNODE, handler, address, data));
        else
            TRY(irq_control_get(ROOT_IRQ_CONTROL, line, i < DEVICE_EDGE ? IRQ_LEVEL : 0, ROOT_CNODE, handler));
        if (notifications[i] != 0)
            TRY(irq_handler_set_notification(handler, copy_of(world, notifications[i])));
        TRY(cnode_move(cnode, WORLD_IRQ_HANDLER + i, ROOT_CNODE, handler));
    }
    return NULL;
}

/* What a machine has and another may not. */
static const char *build_devices(const struct world *world, cptr cnode)
{
    if (world->device != 0)
        TRY(cnode_move(cnode, WORLD_DEVICE, ROOT_CNODE, world->device));
    TRY(io_port_control_issue(ROOT_IO_PORT_CONTROL, 0x60, 0x6f, cnode, WORLD_IO_PORT));
    return NULL;
}

static const char *build_worker(const struct world *world, unsigned i)
{
    const struct actor *actor = &world->actors[1 + i];
    cptr tcb = copy_of(world, WORLD_TCB) + i, context = copy_of(world, WORLD_CONTEXT) + i;
    cptr cspace = world->slots + (i + 1 == WORKERS ? ROOT_WORLD_SMALL : ROOT_WORLD_CSPACE);
    cptr faults = i % 2 == 0 ? copy_of(world, WORLD_ENDPOINT) + 2 : 0;
    word period = world->is_replayable ? ENDLESS_NS : 1000000, budget = world->is_replayable ? period : period >> i;
    if (world->has_time) {
        budget = SEQUENCE_TIME_NS * (1 + i) + 377000;
        period = i == 0 ? budget : 3 * budget + 143000;
    }
    TRY(tcb_configure(tcb, cspace, ROOT_VSPACE, actor->buffer_address, actor->buffer_frame, faults));
    TRY(sched_control_configure(ROOT_SCHED_CONTROL, context, budget, period, i, 100 + i));
    TRY(tcb_set_sched_params(tcb, ROOT_TCB, WORKER_MCP, 30 + 10 * (i / 2), context));
    struct message m = {0, {0, actor->entry, actor->stack}};
    TRY(invoke(tcb, TCB_WRITE_REGISTERS, 3, &m));
    TRY(tcb_resume(tcb));
    return NULL;
}

const char *world_build(struct world *world)
{
    cptr cnode = world->slots + ROOT_WORLD_CNODE;
    const char *failed = build_objects(world, cnode);
    if (!failed)
        failed = build_copies(world, cnode);
    if (!failed)
        failed = build_handlers(world, cnode);
    if (!failed && !world->is_replayable)
        failed = build_devices(world, cnode);
    for (unsigned i = 0; i < WORKERS && !failed; i++)
        failed = build_worker(world, i);
    return failed;
}
