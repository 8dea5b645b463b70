/* From bytes to system calls, and from what they return to numbers. See sequence.h.
 *
 * A step is: kind, object, and six bytes of arguments. Most values come out plausible: each argument of an invocation
 * has a class, and a byte picks among the things of that class; high bytes pick something else.
 */
#include "sequence.h"

/* --- arguments --- */

enum class {
    NONE,
    ZERO, /* takes no byte */
    ANY,  /* any slot of the world */
    EMPTY,
    CNODE,
    UNTYPED,
    TCB,
    CONTEXT,
    ENDPOINT,
    HANDLER, /* endpoint or 0 */
    NOTIFICATION,
    NOTIFICATION_OR_NONE,
    HOLDER, /* of a scheduling context: TCB or notification */
    REPLY,
    TIMER,
    VSPACE,
    TABLE,
    FRAME,
    BUFFER,
    IRQ_HANDLER,
    IO_PORT,
    SCHED_CONTROL,
    TYPE,
    SIZE, /* after TYPE */
    COUNT,
    RIGHTS,
    BADGE,
    PRIORITY,
    LIMIT, /* maximum priority */
    ADDRESS,
    BUFFER_ADDRESS,
    BYTES,
    LEVEL,
    ATTRIBUTES,
    BUDGET,
    PERIOD, /* after BUDGET */
    DEADLINE,
    PC,
    SMALL,
    BYTE,
};

#define FREE_ADDRESS 0x100000000000ul /* where nothing is mapped, in nobody's space */

/* Things of a class that lie in consecutive slots. */
static const struct {
    uint8_t first, count;
} places[BYTE + 1] = {
    [UNTYPED] = {WORLD_UNTYPED, 1},
    [TCB] = {WORLD_TCB, WORKERS},
    [CONTEXT] = {WORLD_CONTEXT, WORKERS + 1},
    [ENDPOINT] = {WORLD_ENDPOINT, 4},
    [NOTIFICATION] = {WORLD_NOTIFICATION, 4},
    [REPLY] = {WORLD_REPLY, 3},
    [TIMER] = {WORLD_TIMER, 2},
    [VSPACE] = {WORLD_VSPACE, 3},
    [TABLE] = {WORLD_TABLE, 4},
    [FRAME] = {WORLD_FRAME, 7},
    [BUFFER] = {WORLD_BUFFER, WORKERS},
    [IRQ_HANDLER] = {WORLD_IRQ_HANDLER, DEVICES},
    [IO_PORT] = {WORLD_IO_PORT, 1},
    [SCHED_CONTROL] = {WORLD_SCHED_CONTROL, 1},
};

static word size_for(word type, uint8_t byte)
{
    switch (type) {
    case OBJECT_UNTYPED:
        return 4 + byte % 14;
    case OBJECT_CNODE:
        return 1 + byte % 7;
    case OBJECT_FRAME:
        return byte < 200 ? 12u + byte % 5u : 21u;
    default:
        return byte % 32;
    }
}

static word budget_for(const struct world *world, uint8_t byte)
{
    if (world->has_time) /* their ends and those of steps do not fall together */
        return SEQUENCE_TIME_NS * (1 + byte % 3) + 377000 + byte / 64 * 31000;
    return world->is_replayable ? 1ul << 50 : 10000ul + byte % 128 * 8000ul;
}

static word value_of(const struct world *world, enum class class, uint8_t byte, word before)
{
    switch (class) {
    case EMPTY:
        return byte < 224 ? WORLD_FREE + byte % (WORLD_SLOTS - WORLD_FREE) : byte % WORLD_SLOTS;
    case CNODE:
        return byte < 128 ? WORLD_CNODE : byte < 192 ? WORLD_SMALL_CNODE : byte % WORLD_SLOTS;
    case HANDLER:
        return byte < 64 ? 0 : value_of(world, ENDPOINT, byte, 0);
    case NOTIFICATION_OR_NONE:
        return byte < 64 ? 0 : value_of(world, NOTIFICATION, byte, 0);
    case HOLDER:
        return byte < 160 ? value_of(world, TCB, byte, 0) : value_of(world, NOTIFICATION, byte, 0);
    case TYPE:
        return byte % (OBJECT_RETYPE_COUNT + 1);
    case SIZE:
        return size_for(before, byte);
    case COUNT:
        return byte < 192 ? 1u + byte % 3 : byte - 191u;
    case RIGHTS:
        return byte < 128 ? RIGHT_ALL : byte % 32;
    case BADGE:
        return byte < 192 ? byte % 16 : (word)(byte % 32) << 32 | (byte & 1);
    case PRIORITY:
        return byte < 250 ? byte % 64 : byte;
    case LIMIT:
        return byte < 250 ? 64u : byte;
    case ADDRESS:
        return byte < 250 ? FREE_ADDRESS + (byte % 32ul << 12) + (byte / 32ul << 21) : (word)byte << 42;
    case BUFFER_ADDRESS:
        return byte < 250 ? FREE_ADDRESS + byte % 4 * 1024ul : byte;
    case BYTES:
        return (byte & 15ul) << 12;
    case LEVEL:
        return byte < 250 ? 1u + byte % 3 : byte;
    case ATTRIBUTES:
        return byte < 128 ? 0 : byte % 8;
    case BUDGET:
        return budget_for(world, byte);
    case PERIOD:
        if (world->has_time && byte >= 96)
            return before + SEQUENCE_TIME_NS * (1 + byte % 4) + 243000;
        return byte < 96 || world->is_replayable ? before : budget_for(world, byte) << (byte & 3);
    case DEADLINE:
        if (world->has_time)
            return world->now + world->time_ticks * (byte % 6) + world->time_ticks * 5 / 8;
        return world->is_replayable ? 1ul << 62 : world->now + byte * 4096ul;
    case PC:
        return byte % 8 * 4096ul;
    case ANY:
        return byte % WORLD_SLOTS;
    case NONE:
    case ZERO:
        return 0;
    case SMALL:
        return byte % 16 < 9 ? byte % 16 : byte;
    case BYTE:
        return byte;
    default:
        return byte < 232 ? places[class].first + (word)byte % places[class].count : byte * 5u % WORLD_FREE;
    }
}

/* --- invocations --- */

/* What a step can invoke. Kept sequences name rows by their number: new ones go to the end. */
static const struct {
    uint8_t label, object, arguments[MESSAGE_REGISTERS];
} shapes[] = {
    {UNTYPED_RETYPE, UNTYPED, {TYPE, SIZE, CNODE, EMPTY, COUNT}},
    {UNTYPED_DESCRIBE, UNTYPED, {NONE}},
    {CNODE_COPY, CNODE, {EMPTY, CNODE, ANY, RIGHTS, COUNT}},
    {CNODE_MINT, CNODE, {EMPTY, CNODE, ANY, RIGHTS, BADGE}},
    {CNODE_MOVE, CNODE, {EMPTY, CNODE, ANY}},
    {CNODE_MUTATE, CNODE, {EMPTY, CNODE, ANY, BADGE}},
    {CNODE_ROTATE, CNODE, {ANY, ZERO, CNODE, ANY, ZERO, CNODE, ANY}},
    {CNODE_DELETE, CNODE, {ANY, COUNT}},
    {CNODE_REVOKE, CNODE, {ANY}},
    {CNODE_CANCEL_BADGED_SENDS, CNODE, {ENDPOINT}},
    {TCB_CONFIGURE, TCB, {CNODE, VSPACE, BUFFER_ADDRESS, BUFFER, HANDLER}},
    {TCB_SET_SPACE, TCB, {CNODE, VSPACE, HANDLER}},
    {TCB_SET_IPC_BUFFER, TCB, {BUFFER_ADDRESS, BUFFER}},
    {TCB_SET_SCHED_PARAMS, TCB, {TCB, LIMIT, PRIORITY, CONTEXT}},
    {TCB_SET_PRIORITY, TCB, {TCB, PRIORITY}},
    {TCB_SET_TIMEOUT_ENDPOINT, TCB, {HANDLER}},
    {TCB_SET_FLAGS, TCB, {BYTE, BYTE}},
    {TCB_SET_TLS_BASE, TCB, {ADDRESS}},
    {TCB_BIND_NOTIFICATION, TCB, {NOTIFICATION}},
    {TCB_UNBIND_NOTIFICATION, TCB, {NONE}},
    {TCB_SUSPEND, TCB, {NONE}},
    {TCB_RESUME, TCB, {NONE}},
    {TCB_READ_REGISTERS, TCB, {BYTE}},
    {TCB_WRITE_REGISTERS, TCB, {BYTE, PC, PC}},
    {SCHED_CONTROL_CONFIGURE, SCHED_CONTROL, {CONTEXT, BUDGET, PERIOD, BYTE, BADGE, ZERO}},
    {SCHED_CONTEXT_BIND, CONTEXT, {HOLDER}},
    {SCHED_CONTEXT_UNBIND, CONTEXT, {NONE}},
    {SCHED_CONTEXT_CONSUMED, CONTEXT, {NONE}},
    {SCHED_CONTEXT_YIELD_TO, CONTEXT, {NONE}},
    {TIMER_BIND, TIMER, {NOTIFICATION_OR_NONE, CONTEXT}},
    {TIMER_SET, TIMER, {DEADLINE}},
    {TIMER_CANCEL, TIMER, {NONE}},
    {PAGE_TABLE_MAP, TABLE, {VSPACE, ADDRESS, LEVEL, ATTRIBUTES}},
    {PAGE_TABLE_UNMAP, TABLE, {NONE}},
    {FRAME_MAP, FRAME, {VSPACE, ADDRESS, RIGHTS, ATTRIBUTES, BYTES, BYTES}},
    {FRAME_UNMAP, FRAME, {NONE}},
    {FRAME_GET_ADDRESS, FRAME, {NONE}},
    {FRAME_CLEAN, FRAME, {BYTES, BYTES}},
    {FRAME_SYNC_CODE, FRAME, {BYTES, BYTES}},
    {IRQ_HANDLER_ACK, IRQ_HANDLER, {NONE}},
    {IRQ_HANDLER_SET_NOTIFICATION, IRQ_HANDLER, {NOTIFICATION}},
    {IRQ_HANDLER_CLEAR, IRQ_HANDLER, {NONE}},
    {IO_PORT_IN, IO_PORT, {BYTE, BYTE}},
    {IO_PORT_OUT, IO_PORT, {BYTE, BYTE, BYTE}},
    {TCB_SET_BREAKPOINT, TCB, {SMALL, ADDRESS, SMALL, SMALL}},
    {TCB_GET_BREAKPOINT, TCB, {SMALL}},
    {TCB_UNSET_BREAKPOINT, TCB, {SMALL}},
    {TCB_CONFIGURE_SINGLE_STEPPING, TCB, {SMALL}},
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

/* Registers and breakpoints differ from machine to machine. */
static bool is_portable(word label)
{
    return label != TCB_READ_REGISTERS && (label < TCB_SET_BREAKPOINT || label > TCB_CONFIGURE_SINGLE_STEPPING);
}

static void step_invoke(const struct world *world, unsigned row, struct step *step)
{
    const uint8_t *byte = step->bytes + 2;
    word label = shapes[row].label;
    unsigned length = 0;
    for (; length < MESSAGE_REGISTERS && shapes[row].arguments[length] != NONE; length++) {
        enum class class = shapes[row].arguments[length];
        word before = length > 0 ? step->message.words[length - 1] : 0;
        step->message.words[length] = value_of(world, class, *byte, before);
        if (class != ZERO && byte < step->bytes + SEQUENCE_STEP_BYTES - 1)
            byte++;
    }
    /* Rights to map with are few, and writing excludes executing. */
    if (label == FRAME_MAP)
        step->message.words[2] = step->bytes[4] % 4 == 0 ? RIGHT_READ : RIGHT_READ | RIGHT_WRITE;
    step->number = SYSCALL_CALL;
    step->destination = value_of(world, shapes[row].object, step->bytes[1], 0);
    step->message.info = message_info(label, 0, length);
}

/* --- messages --- */

static void step_communicate(const struct world *world, word number, struct step *step)
{
    static const uint8_t lengths[] = {0, 1, 2, 4, 8, 9, 12, 13, 63, 64, 119, 120, 121, 127, 3, 8};
    const uint8_t *b = step->bytes;
    bool is_receive = number != SYSCALL_CALL && number != SYSCALL_SEND && number != SYSCALL_NBSEND;
    word object = b[1] < 160   ? value_of(world, ENDPOINT, b[1], 0)
                  : b[1] < 208 ? value_of(world, NOTIFICATION, b[1], 0)
                  : b[1] < 232 ? value_of(world, REPLY, b[1], 0)
                               : b[1] % WORLD_SLOTS;
    word reply = value_of(world, REPLY, b[2], 0);
    /* Labels beyond those of faults and invocations, or 0: what restarts a fault. */
    word label = b[3] < 64 ? 0 : 128 + b[3], length = lengths[b[4] & 15];
    step->number = number;
    step->destination = object | (is_receive ? reply << 32 : 0);
    step->message.info = message_info(label, b[4] >> 6, length);
    for (unsigned i = 0; i < MESSAGE_REGISTERS; i++)
        step->message.words[i] = value_of(world, PC, (uint8_t)(b[5] + i), 0);
    if (!step->buffer)
        return;
    for (unsigned i = MESSAGE_REGISTERS; i < MESSAGE_WORDS; i++)
        step->buffer->words[i] = b[5] * 256ul + i;
    for (unsigned i = 0; i < MESSAGE_CAPABILITIES; i++)
        step->buffer->caps_or_badges[i] = (b[6] + i * 2u) % WORLD_SLOTS;
    step->buffer->receive_cnode = b[7] % 4 == 3 ? WORLD_SMALL_CNODE : b[7] % 4 == 2 ? 0 : WORLD_CNODE;
    step->buffer->receive_index = value_of(world, EMPTY, b[7], 0);
}

/* --- the root task --- */

/* It never waits and never faults: everything is an NBSend. */
static void step_help(const struct world *world, struct step *step)
{
    const uint8_t *b = step->bytes;
    word worker = b[1] % WORKERS, copies = world->slots + ROOT_WORLD_COPY - WORLD_TCB;
    const struct actor *actor = &world->actors[1 + worker];
    struct message *m = &step->message;
    step->number = SYSCALL_NBSEND;
    step->destination = copies + WORLD_TCB + worker;
    switch (b[0] % 8) {
    case 0:
    case 1:
        *m = (struct message){message_info(TCB_WRITE_REGISTERS, 0, 3), {1, actor->entry, actor->stack}};
        break;
    case 2:
        m->info = message_info(TCB_RESUME, 0, 0);
        break;
    case 3:
        m->info = message_info(TCB_SUSPEND, 0, 0);
        break;
    case 4:
        *m = (struct message){message_info(TCB_SET_SCHED_PARAMS, 0, 4),
                              {ROOT_TCB, b[2], b[3] % 64, copies + WORLD_CONTEXT + b[4] % (WORKERS + 1)}};
        break;
    case 5:
        step->destination = copies + WORLD_NOTIFICATION + b[2] % 4;
        break;
    case 6:
        step->destination = copies + WORLD_ENDPOINT + b[2] % 2;
        m->info = message_info(128 + b[3], 0, b[4] & 15);
        break;
    default:
        step->destination = ROOT_SCHED_CONTROL;
        *m = (struct message){message_info(SCHED_CONTROL_CONFIGURE, 0, 6),
                              {copies + WORLD_CONTEXT + worker, budget_for(world, b[2]), 0, b[3] % 7, b[4], 0}};
        m->words[2] = value_of(world, PERIOD, b[5], m->words[1]);
        break;
    }
}

/* --- steps --- */

static void step_device(const struct world *world, struct step *step)
{
    step->kind = STEP_DEVICE;
    step->device = step->bytes[1] % (world->lines[DEVICE_MESSAGE] == LINE_NONE ? DEVICE_MESSAGE : DEVICES);
    step->is_raised = step->bytes[2] % 2 == 0;
}

#define KIND_IPC     96  /* bytes below: system calls */
#define KIND_INVOKE  224 /* below: invocations */
#define KIND_UNKNOWN 228 /* below: system calls that do not exist; the rest is the machine's */

void step_next(struct sequence *sequence, const struct world *world, unsigned actor, struct step *step)
{
    for (;;) {
        *step = (struct step){.kind = STEP_END, .buffer = world->actors[actor].buffer};
        if (sequence->size - sequence->next < SEQUENCE_STEP_BYTES)
            return;
        step->bytes = sequence->bytes + sequence->next;
        sequence->next += SEQUENCE_STEP_BYTES;
        step->kind = step->bytes[0] >= KIND_UNKNOWN ? STEP_MACHINE : STEP_CALL;
        if (step->kind == STEP_MACHINE) {
            if (world->has_time && step->bytes[0] % 7 < 2) {
                step->kind = STEP_TIME;
                step->until = world->now + world->time_ticks * (1 + step->bytes[1] % 4);
                return;
            }
            if (step->bytes[0] % 7 == 2) {
                step_device(world, step);
                return;
            }
            if (!world->is_replayable)
                return;
            if (actor == 0 || step->bytes[0] % 7 != 3)
                continue;
            step->kind = STEP_FAULT;
            step->fault = step->bytes[1] % 2 == 0 ? FAULT_USER_EXCEPTION : FAULT_VM;
            return;
        }
        uint8_t kind = step->bytes[0];
        unsigned row = (kind - KIND_IPC) % 64u % SHAPES;
        if (actor == 0) {
            step_help(world, step);
        } else if (kind < KIND_IPC) {
            step_communicate(world, kind % SYSCALL_COUNT, step);
        } else if (kind >= KIND_INVOKE) {
            step->number = 200;
        } else {
            if (world->is_replayable && !is_portable(shapes[row].label))
                continue;
            step_invoke(world, row, step);
        }
        return;
    }
}

/* --- outcomes --- */

static uint32_t mix(uint32_t hash, word value)
{
    for (unsigned i = 0; i < sizeof(value); i++, value >>= 8)
        hash = (hash ^ (uint32_t)(value & 0xff)) * 16777619u; /* FNV-1a */
    return hash;
}

/* Results that tell physical addresses, time, the clock's rate or where user addresses end. */
static bool is_private(word label, word error)
{
    return label == UNTYPED_DESCRIBE || label == FRAME_GET_ADDRESS || label == SCHED_CONTEXT_CONSUMED ||
           label == SCHED_CONTEXT_YIELD_TO || label == SCHED_CONTROL_CONFIGURE ||
           ((label == FRAME_MAP || label == PAGE_TABLE_MAP) && error == ERROR_RANGE);
}

uint32_t step_record(unsigned actor, const struct step *step, const struct outcome *outcome)
{
    word length = message_info_length(outcome->info), label = message_info_label(outcome->info);
    uint32_t hash = mix(mix(2166136261u, actor), (word)step->bytes[0]);
    if (step->kind == STEP_DEVICE)
        return mix(hash, outcome->status);
    if (step->number >= SYSCALL_COUNT)
        return hash; /* nothing comes back from a call that does not exist */
    hash = mix(mix(mix(hash, outcome->status), outcome->badge), outcome->info);
    bool is_fault = label > FAULT_NONE && label <= FAULT_DEBUG && step->number != SYSCALL_CALL;
    if (is_fault || is_private(message_info_label(step->message.info), label))
        return hash;
    for (word i = 0; i < length && i < MESSAGE_REGISTERS; i++)
        hash = mix(hash, outcome->words[i]);
    for (word i = MESSAGE_REGISTERS; i < length && i < MESSAGE_WORDS && outcome->buffer; i++)
        hash = mix(hash, outcome->buffer->words[i]);
    return hash;
}
