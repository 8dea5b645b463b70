/* The errors that many invocations share, for each invocation and each of its capability arguments, by table. */
#include "test.h"

/* An argument that names an object of that type. */
#define OBJ(type) (1ul << 48 | (type))

struct row {
    enum invocation label;
    enum object_type object;
    word words[7];
    unsigned may_be_null; /* bit i: argument i may be 0 */
};

static const struct row rows[] = {
    {UNTYPED_RETYPE, OBJECT_UNTYPED, {OBJECT_ENDPOINT, 0, OBJ(OBJECT_CNODE), 1, 1}, 0},
    {CNODE_COPY, OBJECT_CNODE, {1, OBJ(OBJECT_CNODE), 2, RIGHT_ALL, 1}, 0},
    {CNODE_MINT, OBJECT_CNODE, {1, OBJ(OBJECT_CNODE), 2, RIGHT_ALL, 1}, 0},
    {CNODE_MOVE, OBJECT_CNODE, {1, OBJ(OBJECT_CNODE), 2}, 0},
    {CNODE_MUTATE, OBJECT_CNODE, {1, OBJ(OBJECT_CNODE), 2, 0}, 0},
    {CNODE_ROTATE, OBJECT_CNODE, {1, 0, OBJ(OBJECT_CNODE), 2, 0, OBJ(OBJECT_CNODE), 3}, 0},
    {TCB_CONFIGURE,
     OBJECT_TCB,
     {OBJ(OBJECT_CNODE), OBJ(OBJECT_VSPACE), 0x1000, OBJ(OBJECT_FRAME), OBJ(OBJECT_ENDPOINT)},
     1 << 4},
    {TCB_SET_SPACE, OBJECT_TCB, {OBJ(OBJECT_CNODE), OBJ(OBJECT_VSPACE), OBJ(OBJECT_ENDPOINT)}, 1 << 2},
    {TCB_SET_IPC_BUFFER, OBJECT_TCB, {0x1000, OBJ(OBJECT_FRAME)}, 0},
    {TCB_SET_SCHED_PARAMS, OBJECT_TCB, {OBJ(OBJECT_TCB), 0, 0, OBJ(OBJECT_SCHED_CONTEXT)}, 1 << 3},
    {TCB_SET_PRIORITY, OBJECT_TCB, {OBJ(OBJECT_TCB), 0}, 0},
    {TCB_SET_TIMEOUT_ENDPOINT, OBJECT_TCB, {OBJ(OBJECT_ENDPOINT)}, 1},
    {TCB_BIND_NOTIFICATION, OBJECT_TCB, {OBJ(OBJECT_NOTIFICATION)}, 0},
    {SCHED_CONTROL_CONFIGURE, OBJECT_SCHED_CONTROL, {OBJ(OBJECT_SCHED_CONTEXT), 1000000, 1000000, 0, 0, 0}, 0},
    {SCHED_CONTEXT_BIND, OBJECT_SCHED_CONTEXT, {OBJ(OBJECT_TCB)}, 0},
    {TIMER_BIND, OBJECT_TIMER, {OBJ(OBJECT_NOTIFICATION), OBJ(OBJECT_SCHED_CONTEXT)}, 1},
    {PAGE_TABLE_MAP, OBJECT_PAGE_TABLE, {OBJ(OBJECT_VSPACE), 0, 3, 0}, 0},
    {FRAME_MAP, OBJECT_FRAME, {OBJ(OBJECT_VSPACE), 0, RIGHT_READ, 0, 0, 0}, 0},
    {IRQ_CONTROL_GET, OBJECT_IRQ_CONTROL, {TEST_IRQ, 0, OBJ(OBJECT_CNODE), 1}, 0},
    {IRQ_CONTROL_GET_MSI, OBJECT_IRQ_CONTROL, {OBJ(OBJECT_CNODE), 1}, 0},
    {IRQ_HANDLER_SET_NOTIFICATION, OBJECT_IRQ_HANDLER, {OBJ(OBJECT_NOTIFICATION)}, 0},
    {IO_PORT_CONTROL_ISSUE, OBJECT_IO_PORT_CONTROL, {0x80, 0x80, OBJ(OBJECT_CNODE), 1}, 0},
};

static cptr objects[OBJECT_TYPE_COUNT];

static void setup(void)
{
    objects_of_all_types(objects);
    for (word i = 2; i <= 3; i++) /* what CNODE_* find at their sources */
        OK(cnode_copy(objects[OBJECT_CNODE], i, ROOT_CNODE, objects[OBJECT_ENDPOINT], RIGHT_ALL));
}

static struct message filled(const struct row *row)
{
    struct message m = {0};
    for (unsigned i = 0; i < COUNT(row->words); i++)
        m.words[i] = row->words[i] >> 48 ? objects[row->words[i] & 0xff] : row->words[i];
    return m;
}

/* The row's invocation with `value` for argument i is refused because of that argument. */
static void refused(const struct row *row, unsigned i, word value)
{
    struct message m = filled(row);
    m.words[i] = value;
    NOTE(row->label);
    NOTE(i);
    NOTE(value);
    EQUAL(invoked(objects[row->object], row->label, COUNT(row->words), &m), ERROR_INVALID_CAPABILITY);
    EQUAL(message_info_length(m.info), 1);
    EQUAL(m.words[0], i);
}

typedef void row_test(const struct row *row, unsigned i);

static void for_each_capability_argument(row_test *test)
{
    setup();
    for (unsigned r = 0; r < COUNT(rows); r++)
        for (unsigned i = 0; i < COUNT(rows[r].words) && objects[rows[r].object] != 0; i++)
            if (rows[r].words[i] >> 48)
                test(&rows[r], i);
}

static void is_empty(const struct row *row, unsigned i)
{
    refused(row, i, objects[OBJECT_CNODE] + 1000);
    refused(row, i, 0xffffffff);
}

CASE(error_empty_slot,
     "Every capability argument of every invocation: an empty slot is INVALID_CAPABILITY with its number")
{
    for_each_capability_argument(is_empty);
}

static void is_of_other_type(const struct row *row, unsigned i)
{
    for (enum object_type type = OBJECT_UNTYPED; type < OBJECT_TYPE_COUNT; type++) {
        bool fits = type == (row->words[i] & 0xff);
        if (row->label == SCHED_CONTEXT_BIND && type == OBJECT_NOTIFICATION)
            fits = true;
        if (!fits && objects[type] != 0)
            refused(row, i, objects[type]);
    }
}

CASE(error_wrong_type, "Every capability argument of every invocation: each other type of object is INVALID_CAPABILITY")
{
    for_each_capability_argument(is_of_other_type);
}

static void is_beyond_32_bits(const struct row *row, unsigned i)
{
    word valid = objects[row->words[i] & 0xff];
    refused(row, i, valid | 1ul << 32);
    refused(row, i, valid | 1ul << 63);
}

CASE(error_cptr_beyond_32_bits, "Every capability argument of every invocation: bits above 31 are INVALID_CAPABILITY")
{
    for_each_capability_argument(is_beyond_32_bits);
}

static void is_null(const struct row *row, unsigned i)
{
    if ((row->may_be_null >> i & 1) == 0)
        refused(row, i, 0);
}

CASE(error_null_capability,
     "Every capability argument of every invocation: 0 is INVALID_CAPABILITY unless it means none")
{
    for_each_capability_argument(is_null);
}

/* To whom each label belongs; OBJECT_NULL: to nobody that this table knows. */
static const uint8_t owners[INVOCATION_COUNT] = {
    [UNTYPED_RETYPE... UNTYPED_DESCRIBE] = OBJECT_UNTYPED,
    [CNODE_COPY... CNODE_CANCEL_BADGED_SENDS] = OBJECT_CNODE,
    [TCB_CONFIGURE... TCB_WRITE_REGISTERS] = OBJECT_TCB,
    [SCHED_CONTROL_CONFIGURE] = OBJECT_SCHED_CONTROL,
    [SCHED_CONTEXT_BIND... SCHED_CONTEXT_YIELD_TO] = OBJECT_SCHED_CONTEXT,
    [TIMER_BIND... TIMER_CANCEL] = OBJECT_TIMER,
    [PAGE_TABLE_MAP... PAGE_TABLE_UNMAP] = OBJECT_PAGE_TABLE,
    [FRAME_MAP... FRAME_SYNC_CODE] = OBJECT_FRAME,
    [IRQ_CONTROL_GET... IRQ_CONTROL_GET_MSI] = OBJECT_IRQ_CONTROL,
    [IRQ_HANDLER_ACK... IRQ_HANDLER_CLEAR] = OBJECT_IRQ_HANDLER,
    [IO_PORT_CONTROL_ISSUE] = OBJECT_IO_PORT_CONTROL,
    [IO_PORT_IN... IO_PORT_OUT] = OBJECT_IO_PORT,
    [POWER_OFF... POWER_RESET] = OBJECT_POWER_CONTROL,
};

static bool is_message_object(enum object_type type)
{
    return type == OBJECT_ENDPOINT || type == OBJECT_NOTIFICATION || type == OBJECT_REPLY;
}

CASE(error_foreign_labels,
     "Every object refuses every label of every other object, and none that exists: ILLEGAL_OPERATION")
{
    setup();
    for (enum object_type type = OBJECT_UNTYPED; type < OBJECT_TYPE_COUNT; type++) {
        if (objects[type] == 0 || is_message_object(type))
            continue;
        for (word label = 0; label < INVOCATION_COUNT + 40; label++) {
            if (label > 0 && label < INVOCATION_COUNT && (owners[label] == type || owners[label] == OBJECT_NULL))
                continue;
            struct message m = {0, {~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul, ~0ul}};
            NOTE(type);
            NOTE(label);
            EQUAL(invoked(objects[type], (enum invocation)label, 8, &m), ERROR_ILLEGAL_OPERATION);
            EQUAL(message_info_length(m.info), 0);
        }
    }
}

CASE(invocation_by_send, "An invocation by Send or NBSend is carried out and brings no result")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 12), slot = slot_new();
    struct message m = {message_info(UNTYPED_DESCRIBE, 0, 0), {1, 2, 3, 4, 5, 6, 7, 8}};
    OK(syscall_send(untyped, &m));
    EQUAL(m.info, 0);
    for (word i = 0; i < 8; i++)
        EQUAL(m.words[i], i + 1);
    m = (struct message){message_info(CNODE_COPY, 0, 5), {slot, ROOT_CNODE, untyped, RIGHT_ALL, 1}};
    OK(syscall_nbsend(ROOT_CNODE, &m));
    EQUAL(m.info, 0);
    CHECK(slot_is_used(slot));
}

CASE(invocation_result_registers, "An answer's words beyond its results are the caller's own")
{
    cptr untyped = object_new(OBJECT_UNTYPED, 12);
    struct message m = {message_info(UNTYPED_DESCRIBE, 0, 0), {91, 92, 93, 94, 95, 96, 97, 98}};
    OK(syscall_call(untyped, &m));
    EQUAL(m.info, message_info(ERROR_NONE, 0, 4));
    EQUAL(m.words[0], 4096);
    EQUAL(m.words[1], 12);
    for (word i = 4; i < 8; i++)
        EQUAL(m.words[i], 91 + i);
}

CASE(error_range_words, "ERROR_RANGE says the smallest and the largest that would do")
{
    static const struct {
        enum object_type object;
        enum invocation label;
        word words[7], low, high;
    } list[] = {
        {OBJECT_UNTYPED, UNTYPED_RETYPE, {OBJECT_FRAME, 11, ROOT_CNODE, 1, 1}, 12, 30},
        {OBJECT_UNTYPED, UNTYPED_RETYPE, {OBJECT_FRAME, 31, ROOT_CNODE, 1, 1}, 12, 30},
        {OBJECT_UNTYPED, UNTYPED_RETYPE, {OBJECT_CNODE, 21, ROOT_CNODE, 1, 1}, 1, 20},
        {OBJECT_UNTYPED, UNTYPED_RETYPE, {OBJECT_UNTYPED, 3, ROOT_CNODE, 1, 1}, 4, 47},
        {OBJECT_UNTYPED, UNTYPED_RETYPE, {OBJECT_ENDPOINT, 0, ROOT_CNODE, 0, 1}, 1, (1 << ROOT_CNODE_BITS) - 1},
        {OBJECT_CNODE, CNODE_COPY, {16, ROOT_CNODE, ROOT_TCB, RIGHT_ALL, 1}, 1, 15},
        {OBJECT_CNODE, CNODE_MINT, {0, ROOT_CNODE, ROOT_TCB, RIGHT_ALL, 0}, 1, 15},
        {OBJECT_CNODE, CNODE_MOVE, {1ul << 32, ROOT_CNODE, ROOT_TCB}, 1, 15},
        {OBJECT_CNODE, CNODE_MUTATE, {16, ROOT_CNODE, ROOT_TCB, 0}, 1, 15},
        {OBJECT_CNODE, CNODE_ROTATE, {16, 0, ROOT_CNODE, 1, 0, ROOT_CNODE, 2}, 1, 15},
        {OBJECT_CNODE, CNODE_DELETE, {16, 1}, 1, 15},
        {OBJECT_CNODE, CNODE_REVOKE, {16}, 1, 15},
        {OBJECT_CNODE, CNODE_CANCEL_BADGED_SENDS, {0}, 1, 15},
        {OBJECT_TCB, TCB_SET_PRIORITY, {ROOT_TCB, 256}, 0, 255},
        {OBJECT_TCB, TCB_SET_SCHED_PARAMS, {ROOT_TCB, 256, 0, 0}, 0, 255},
        {OBJECT_TCB, TCB_SET_SCHED_PARAMS, {ROOT_TCB, 0, 256, 0}, 0, 255},
        {OBJECT_PAGE_TABLE, PAGE_TABLE_MAP, {ROOT_VSPACE, 0x1000, 0, 0}, 1, 3},
        {OBJECT_PAGE_TABLE, PAGE_TABLE_MAP, {ROOT_VSPACE, 0x1000, 4, 0}, 1, 3},
        {OBJECT_FRAME, FRAME_CLEAN, {4096, 1}, 0, 4096},
        {OBJECT_FRAME, FRAME_SYNC_CODE, {0, 4097}, 0, 4096},
        {OBJECT_POWER_CONTROL, POWER_OFF, {101}, 0, 100},
    };
    setup();
    for (unsigned i = 0; i < COUNT(list); i++) {
        struct message m = {0};
        for (unsigned k = 0; k < 7; k++)
            m.words[k] = list[i].words[k];
        NOTE(i);
        EQUAL(invoked(objects[list[i].object], list[i].label, 7, &m), ERROR_RANGE);
        EQUAL(m.words[0], list[i].low);
        EQUAL(m.words[1], list[i].high);
    }
}

CASE(error_invalid_argument_word, "ERROR_INVALID_ARGUMENT says which argument")
{
    static const struct {
        enum object_type object;
        enum invocation label;
        word words[7], which;
    } list[] = {
        {OBJECT_UNTYPED, UNTYPED_RETYPE, {OBJECT_NULL, 0, ROOT_CNODE, 1, 1}, 0},
        {OBJECT_UNTYPED, UNTYPED_RETYPE, {OBJECT_IRQ_HANDLER, 0, ROOT_CNODE, 1, 1}, 0},
        {OBJECT_TCB, TCB_SET_FLAGS, {~0ul, 0}, 0},
        {OBJECT_TCB, TCB_SET_FLAGS, {0, ~0ul}, 1},
        {OBJECT_PAGE_TABLE, PAGE_TABLE_MAP, {ROOT_VSPACE, 0x1000, 1, 1 << 7}, 3},
        {OBJECT_FRAME, FRAME_MAP, {ROOT_VSPACE, HARNESS_MAP_BASE, RIGHT_WRITE, 0, 0, 0}, 2},
        {OBJECT_FRAME, FRAME_MAP, {ROOT_VSPACE, HARNESS_MAP_BASE, 0, 0, 0, 0}, 2},
        {OBJECT_FRAME, FRAME_MAP, {ROOT_VSPACE, HARNESS_MAP_BASE, RIGHT_READ | RIGHT_GRANT, 0, 0, 0}, 2},
        {OBJECT_FRAME, FRAME_MAP, {ROOT_VSPACE, HARNESS_MAP_BASE, 7 | RIGHT_EXEC, 0, 0, 0}, 2},
        {OBJECT_FRAME, FRAME_MAP, {ROOT_VSPACE, HARNESS_MAP_BASE, RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC, 0, 0, 0}, 2},
        {OBJECT_FRAME, FRAME_MAP, {ROOT_VSPACE, HARNESS_MAP_BASE, RIGHT_READ, 1 << 7, 0, 0}, 3},
        {OBJECT_IRQ_CONTROL, IRQ_CONTROL_GET, {TEST_IRQ, 1 << 7, ROOT_CNODE, 1000}, 1},
    };
    setup();
    for (unsigned i = 0; i < COUNT(list); i++) {
        struct message m = {0};
        for (unsigned k = 0; k < 7; k++)
            m.words[k] = list[i].words[k];
        NOTE(i);
        EQUAL(invoked(objects[list[i].object], list[i].label, 7, &m), ERROR_INVALID_ARGUMENT);
        EQUAL(m.words[0], list[i].which);
    }
}
