/* Mappings: every error of FRAME_MAP and PAGE_TABLE_MAP, parts of frames, remapping, large entries, sharing. */
#include "test.h"

#define BASE 0x5000000000ul
#if defined(__x86_64__)
#define USER_END 0x7ffffffff000ul /* the highest page of the lower half is out of reach */
#else
#define USER_END 0xfffffffff000ul
#endif

static cptr vspace;

/* An address space with tables down to level 1 at BASE. */
static void setup(void)
{
    vspace = object_new(OBJECT_VSPACE, 0);
    for (word level = 3; level >= 1; level--)
        OK(page_table_map(object_new(OBJECT_PAGE_TABLE, 0), vspace, BASE, level, 0));
}

static enum error map(cptr frame, word address, word rights, word first, word bytes)
{
    return frame_map(frame, vspace, address, rights, 0, first, bytes, NULL, NULL);
}

CASE(map_frame_errors,
     "FRAME_MAP: alignment of address, first and bytes; ranges in the frame and below the end of user space")
{
    setup();
    cptr frame = object_new(OBJECT_FRAME, 14);
    static const struct {
        word address, first, bytes;
        enum error error;
    } list[] = {{BASE + 0x800, 0, 0, ERROR_ALIGNMENT},
                {BASE, 0x800, 0x1000, ERROR_ALIGNMENT},
                {BASE, 0, 0x1800, ERROR_ALIGNMENT},
                {BASE, 0, 0x5000, ERROR_RANGE},
                {BASE, 0x1000, 0x4000, ERROR_RANGE},
                {BASE, 0x4000, 0x1000, ERROR_RANGE},
                {BASE, 0x1000, 0, ERROR_RANGE},
                {BASE, 0, ~0xffful, ERROR_RANGE},
                {BASE, ~0xffful, 0x2000, ERROR_RANGE},
                {USER_END, 0, 0x1000, ERROR_RANGE},
                {USER_END - 0x1000, 0, 0x2000, ERROR_RANGE},
                {USER_END + 0x1000, 0, 0, ERROR_RANGE},
                {0xffff800000000000, 0, 0, ERROR_RANGE},
                {0xfffffffffffff000, 0, 0x1000, ERROR_RANGE}};
    for (unsigned i = 0; i < COUNT(list); i++) {
        NOTE(i);
        EQUAL(map(frame, list[i].address, RIGHT_READ, list[i].first, list[i].bytes), list[i].error);
    }
    word level = 0;
    EQUAL(frame_map(frame, vspace, USER_END - 0x1000, RIGHT_READ, 0, 0, 0x1000, NULL, &level), ERROR_FAILED_LOOKUP);
    EQUAL(level, 3);
    OK(map(frame, BASE, RIGHT_READ, 0, 0));
}

CASE(map_frame_rights,
     "All 32 masks of a frame's rights against all mappings: what is mapped must be had, W and X exclude each other")
{
    setup();
    cptr frame = object_new(OBJECT_FRAME, 12);
    for (word had = 0; had <= RIGHT_ALL; had++) {
        cptr some = slot_new();
        OK(cnode_copy(ROOT_CNODE, some, ROOT_CNODE, frame, had));
        for (word rights = 0; rights <= RIGHT_ALL; rights++) {
            enum error expected = ERROR_NONE;
            if (!(rights & RIGHT_READ) || (rights & ~(word)(RIGHT_READ | RIGHT_WRITE | RIGHT_EXEC)) != 0 ||
                ((rights & RIGHT_WRITE) && (rights & RIGHT_EXEC)))
                expected = ERROR_INVALID_ARGUMENT;
            else if (rights & ~had)
                expected = ERROR_ILLEGAL_OPERATION;
            NOTE(had);
            NOTE(rights);
            EQUAL(map(some, BASE, rights, 0, 0), expected);
        }
        OK(cnode_delete(ROOT_CNODE, some));
    }
}

CASE(map_one_place, "One capability maps one place: elsewhere DELETE_FIRST, the same again or other rights are fine")
{
    setup();
    cptr frame = object_new(OBJECT_FRAME, 13), copy = slot_new(), other = object_new(OBJECT_VSPACE, 0);
    word done;
    OK(map(frame, BASE, RIGHT_READ, 0, 0x1000));
    OK(map(frame, BASE, RIGHT_READ | RIGHT_WRITE, 0, 0));
    EQUAL(map(frame, BASE + 0x2000, RIGHT_READ, 0, 0x1000), ERROR_DELETE_FIRST);
    EQUAL(map(frame, BASE, RIGHT_READ, 0x1000, 0x1000), ERROR_DELETE_FIRST);
    EQUAL(frame_map(frame, other, BASE, RIGHT_READ, 0, 0, 0, NULL, NULL), ERROR_DELETE_FIRST);
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, frame, RIGHT_ALL));
    EQUAL(map(copy, BASE, RIGHT_READ, 0, 0), ERROR_DELETE_FIRST); /* the place is the other's */
    OK(map(copy, BASE + 0x4000, RIGHT_READ, 0, 0));
    OK(frame_unmap(frame, &done));
    EQUAL(done, 0x2000);
    OK(frame_unmap(frame, &done));
    OK(map(frame, BASE + 0x2000, RIGHT_READ, 0, 0x1000));
}

CASE(map_parts, "Parts of a frame are mapped in any order; unmapping takes all of them, and nobody else's between them")
{
    cptr frame = object_new(OBJECT_FRAME, 14), between = object_new(OBJECT_FRAME, 12);
    volatile word *p = (volatile word *)HARNESS_MAP_BASE;
    vspace = ROOT_VSPACE;
    map_page(ROOT_VSPACE, between, HARNESS_MAP_BASE + 0x1000, RIGHT_READ | RIGHT_WRITE, 0);
    OK(map(frame, HARNESS_MAP_BASE + 0x2000, RIGHT_READ | RIGHT_WRITE, 0x2000, 0x2000));
    OK(map(frame, HARNESS_MAP_BASE, RIGHT_READ | RIGHT_WRITE, 0, 0x1000));
    EQUAL(map(frame, HARNESS_MAP_BASE + 0x1000, RIGHT_READ, 0x1000, 0x1000), ERROR_DELETE_FIRST);
    for (word i = 0; i < 4; i++)
        p[i * 512] = i + 7;
    word done;
    OK(frame_unmap(frame, &done));
    EQUAL(p[512], 8);
    OK(cnode_delete(ROOT_CNODE, between));
    OK(map(frame, HARNESS_MAP_BASE, RIGHT_READ, 0, 0));
    EQUAL(p[0], 7);
    EQUAL(p[512], 0);
    EQUAL(p[1024], 9);
    EQUAL(p[1536], 10);
}

static volatile word touched;

static void writes(word address)
{
    *(volatile word *)address = 1;
    touched = 1;
}

CASE(map_fewer_rights,
     "Mapped again without the right to write, a page in use cannot be written from the next access on")
{
    cptr frame, faults = object_new(OBJECT_ENDPOINT, 0), reply = object_new(OBJECT_REPLY, 0);
    volatile word *p = memory_new(PAGE_BITS, &frame);
    *p = 3;
    vspace = ROOT_VSPACE;
    OK(map(frame, (word)p, RIGHT_READ, 0, 0));
    touched = 0;
    thread_start(thread_new(writes, (word)p, PRIORITY_HIGH, faults));
    struct message m;
    word badge;
    OK(syscall_nbrecv(faults, reply, &m, &badge));
    EQUAL(message_info_label(m.info), FAULT_VM);
    EQUAL(m.words[4], FAULT_VM_WRITE | FAULT_VM_PRESENT);
    EQUAL(*p, 3);
    OK(map(frame, (word)p, RIGHT_READ | RIGHT_WRITE, 0, 0));
    m.info = 0;
    OK(syscall_send(reply, &m));
    EQUAL(touched, 1);
    EQUAL(*p, 1);
}

static void fetches(word address)
{
    ((void (*)(void))address)();
}

CASE(map_no_execute,
     "A page that is readable and writable is not executed; one of the same frame that is executable cannot be written")
{
    cptr frame, faults = object_new(OBJECT_ENDPOINT, 0), reply = object_new(OBJECT_REPLY, 0), copy = slot_new();
    void *p = memory_new(PAGE_BITS, &frame);
    struct message m;
    word badge;
    thread_start(thread_new(fetches, (word)p, PRIORITY_HIGH, faults));
    OK(syscall_nbrecv(faults, reply, &m, &badge));
    EQUAL(message_info_label(m.info), FAULT_VM);
    EQUAL(m.words[2], (word)p);
    EQUAL(m.words[4], FAULT_VM_FETCH | FAULT_VM_PRESENT);
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, frame, RIGHT_ALL));
    map_page(ROOT_VSPACE, copy, HARNESS_MAP_BASE, RIGHT_READ | RIGHT_EXEC, 0);
    thread_start(thread_new(writes, HARNESS_MAP_BASE, PRIORITY_HIGH, faults));
    OK(syscall_nbrecv(faults, reply, &m, &badge));
    EQUAL(m.words[4], FAULT_VM_WRITE | FAULT_VM_PRESENT);
}

CASE(map_large_entries,
     "A frame of 4 MiB mapped where 2 MiB entries fit needs no table below; then none can be put there")
{
    cptr frame = object_new(OBJECT_FRAME, 22), tables = objects_new(OBJECT_PAGE_TABLE, 0, 3);
    vspace = object_new(OBJECT_VSPACE, 0);
    cptr small = object_new(OBJECT_FRAME, 12);
    word done, level = 0;
    OK(page_table_map(tables, vspace, BASE, 3, 0));
    OK(page_table_map(tables + 1, vspace, BASE, 2, 0));
    OK(frame_map(frame, vspace, BASE, RIGHT_READ, 0, 0, 0, &done, NULL));
    EQUAL(done, 1ul << 22);
    EQUAL(page_table_map(tables + 2, vspace, BASE, 1, 0), ERROR_DELETE_FIRST);
    EQUAL(map(small, BASE + 0x1000, RIGHT_READ, 0, 0), ERROR_DELETE_FIRST);
    EQUAL(frame_map(small, vspace, BASE + (1ul << 22), RIGHT_READ, 0, 0, 0, NULL, &level), ERROR_FAILED_LOOKUP);
    EQUAL(level, 1);
    OK(frame_unmap(frame, &done));
    OK(page_table_map(tables + 2, vspace, BASE, 1, 0));
    OK(map(small, BASE + 0x1000, RIGHT_READ, 0, 0));
}

CASE(map_step_bound, "One FRAME_MAP writes at most 512 entries and says how far it came, also where a table is missing")
{
    cptr frame = object_new(OBJECT_FRAME, 22);
    setup();
    word done, level = 0;
    OK(page_table_map(object_new(OBJECT_PAGE_TABLE, 0), vspace, BASE + (1ul << 21), 1, 0));
    OK(frame_map(frame, vspace, BASE + 0x100000, RIGHT_READ, 0, 0, 0, &done, NULL));
    EQUAL(done, 512 * PAGE_BYTES);
    OK(frame_map(frame, vspace, BASE + 0x100000 + done, RIGHT_READ, 0, done, (1ul << 22) - done, &done, &level));
    EQUAL(done, 0x100000);
    EQUAL(frame_map(frame, vspace, BASE + 0x400000, RIGHT_READ, 0, 0x300000, 0x100000, &done, &level),
          ERROR_FAILED_LOOKUP);
    EQUAL(level, 1);
}

CASE(map_table_errors, "PAGE_TABLE_MAP: levels 1 to 3 in order, user addresses, one place, no attributes but sharing")
{
    vspace = object_new(OBJECT_VSPACE, 0);
    cptr tables = objects_new(OBJECT_PAGE_TABLE, 0, 4), copy = slot_new();
    for (word level = 1; level <= 2; level++) {
        struct message m = {0, {vspace, BASE, level, 0}};
        EQUAL(invoked(tables, PAGE_TABLE_MAP, 4, &m), ERROR_FAILED_LOOKUP);
        EQUAL(m.words[0], 3);
    }
    EQUAL(page_table_map(tables, vspace, BASE, 0, 0), ERROR_RANGE);
    EQUAL(page_table_map(tables, vspace, BASE, 4, 0), ERROR_RANGE);
    EQUAL(page_table_map(tables, vspace, USER_END, 3, 0), ERROR_RANGE);
    EQUAL(page_table_map(tables, vspace, 0xffff800000000000, 3, 0), ERROR_RANGE);
    EQUAL(page_table_map(tables, vspace, BASE, 3, ATTRIBUTE_UNCACHED), ERROR_INVALID_ARGUMENT);
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, tables, RIGHT_ALL));
    EQUAL(page_table_map(copy, vspace, BASE, 3, 0), ERROR_ILLEGAL_OPERATION); /* a copy is good for sharing only */
    EQUAL(page_table_map(copy, vspace, BASE, 3, ATTRIBUTE_SHARED), ERROR_ILLEGAL_OPERATION);
    OK(page_table_map(tables, vspace, BASE + 0x123456, 3, 0)); /* any address that it is to cover */
    EQUAL(page_table_map(tables, vspace, BASE, 3, 0), ERROR_DELETE_FIRST);
    EQUAL(page_table_map(tables + 1, vspace, BASE, 3, 0), ERROR_DELETE_FIRST);
    struct message m = {0, {vspace, BASE, 1, 0}};
    EQUAL(invoked(tables + 1, PAGE_TABLE_MAP, 4, &m), ERROR_FAILED_LOOKUP);
    EQUAL(m.words[0], 2);
    OK(page_table_unmap(tables));
    OK(page_table_unmap(tables));
    OK(page_table_map(tables, vspace, BASE + (1ul << 39), 3, 0));
}

CASE(map_table_unmap_empties,
     "Unmapping a table takes what lay below out of reach, and it stays so when the table is mapped again")
{
    cptr faults = object_new(OBJECT_ENDPOINT, 0), reply = object_new(OBJECT_REPLY, 0);
    cptr table = object_new(OBJECT_PAGE_TABLE, 0), frame = object_new(OBJECT_FRAME, 12);
    word address = HARNESS_MAP_BASE + 0x8000000;
    vspace = ROOT_VSPACE;
    OK(page_table_map(table, vspace, address, 1, 0));
    OK(map(frame, address, RIGHT_READ | RIGHT_WRITE, 0, 0));
    *(volatile word *)address = 1;
    for (unsigned again = 0; again < 2; again++) {
        OK(again ? page_table_map(table, vspace, address, 1, 0) : page_table_unmap(table));
        thread_start(thread_new(writes, address, PRIORITY_HIGH, faults));
        struct message m;
        word badge;
        OK(syscall_nbrecv(faults, reply, &m, &badge));
        EQUAL(message_info_label(m.info), FAULT_VM);
        EQUAL(m.words[4], FAULT_VM_WRITE);
    }
    OK(map(frame, address, RIGHT_READ | RIGHT_WRITE, 0, 0));
    EQUAL(*(volatile word *)address, 1);
}

/* A shareable table at BASE of `vspace`, and a copy of its capability in a guest space with tables above it. */
static cptr guest, shared, borrowed;

static void share(void)
{
    setup();
    guest = object_new(OBJECT_VSPACE, 0);
    shared = object_new(OBJECT_PAGE_TABLE, 0);
    borrowed = slot_new();
    OK(page_table_map(shared, vspace, BASE + (1ul << 21), 1, ATTRIBUTE_SHARED));
    OK(cnode_copy(ROOT_CNODE, borrowed, ROOT_CNODE, shared, RIGHT_ALL));
    for (word level = 3; level >= 2; level--)
        OK(page_table_map(object_new(OBJECT_PAGE_TABLE, 0), guest, BASE, level, 0));
    OK(page_table_map(borrowed, guest, BASE, 1, ATTRIBUTE_SHARED));
}

CASE(map_shared_rules,
     "Shared tables: copies at the first level only, shared only, no mapping through a guest, no nesting or overlap")
{
    share();
    cptr again = slot_new(), frame = object_new(OBJECT_FRAME, 12), table = object_new(OBJECT_PAGE_TABLE, 0);
    OK(cnode_copy(ROOT_CNODE, again, ROOT_CNODE, shared, RIGHT_ALL));
    EQUAL(page_table_map(again, guest, BASE + (1ul << 30), 2, ATTRIBUTE_SHARED), ERROR_ILLEGAL_OPERATION);
    EQUAL(page_table_map(again, guest, BASE + (1ul << 21), 1, 0), ERROR_ILLEGAL_OPERATION);
    EQUAL(page_table_map(again, guest, BASE, 1, ATTRIBUTE_SHARED), ERROR_DELETE_FIRST);
    EQUAL(frame_map(frame, guest, BASE, RIGHT_READ, 0, 0, 0, NULL, NULL), ERROR_ILLEGAL_OPERATION);
    EQUAL(page_table_map(table, vspace, BASE + (1ul << 21), 1, ATTRIBUTE_SHARED), ERROR_DELETE_FIRST);
    EQUAL(page_table_map(table, vspace, BASE + (1ul << 21), 2, ATTRIBUTE_SHARED), ERROR_DELETE_FIRST);
    OK(page_table_unmap(shared));
    EQUAL(page_table_map(shared, vspace, BASE + (1ul << 21), 1, 0), ERROR_ILLEGAL_OPERATION); /* once, always */
    EQUAL(page_table_map(shared, vspace, BASE + (1ul << 30), 2, ATTRIBUTE_SHARED), ERROR_ILLEGAL_OPERATION);
    OK(page_table_map(shared, vspace, BASE + (1ul << 21), 1, ATTRIBUTE_SHARED));
}

static cptr probe_faults, probe_reply;

/* Runs a thread in the root's space whose VSpace is changed to `space`... it faults at its first fetch there, unless
 * the page at its pc is mapped: returns the fault's bits, 0 when it ran into its trap. */
static word fetch_in(cptr space, word pc)
{
    struct thread *t = thread_new(fetches, 0, PRIORITY_HIGH, probe_faults);
    struct user_registers r = {0};
    OK(tcb_set_space(t->tcb, ROOT_CNODE, space, probe_faults));
    registers_set_pc(&r, pc);
    OK(tcb_write_registers(t->tcb, true, own_buffer, &r));
    struct message m;
    word badge;
    OK(syscall_nbrecv(probe_faults, probe_reply, &m, &badge));
    EQUAL(m.words[0], pc);
    OK(tcb_suspend(t->tcb));
    return message_info_label(m.info) == FAULT_VM ? m.words[4] : 0;
}

CASE(map_shared_visible,
     "A page mapped below a shared table is seen by every guest at once, and by none once it or the table is gone")
{
    share();
    probe_faults = object_new(OBJECT_ENDPOINT, 0);
    probe_reply = object_new(OBJECT_REPLY, 0);
    cptr frame, copy = slot_new();
    volatile uint32_t *code = memory_new(PAGE_BITS, &frame);
    word done, here = BASE + (1ul << 21);
#if defined(__x86_64__)
    code[0] = 0x0b0f0b0f; /* ud2 */
#else
    code[0] = 0; /* udf */
#endif
    OK(frame_sync_code(frame, 0, PAGE_BYTES, &done));
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, frame, RIGHT_ALL));
    EQUAL(fetch_in(guest, BASE), FAULT_VM_FETCH);
    OK(map(copy, here, RIGHT_READ | RIGHT_EXEC, 0, 0));
    EQUAL(fetch_in(guest, BASE), 0);
    EQUAL(fetch_in(vspace, here), 0);
    OK(frame_unmap(copy, &done));
    EQUAL(fetch_in(guest, BASE), FAULT_VM_FETCH);
    OK(map(copy, here, RIGHT_READ | RIGHT_EXEC, 0, 0));
    EQUAL(fetch_in(guest, BASE), 0);
    OK(page_table_unmap(shared));
    EQUAL(fetch_in(guest, BASE), FAULT_VM_FETCH);
    EQUAL(fetch_in(vspace, here), FAULT_VM_FETCH);
}

CASE(map_shared_owner_dies,
     "The owner's space dies: the guests' view is empty at once, and the frame can be mapped elsewhere")
{
    for (unsigned how = 0; how < 2; how++) {
        share();
        probe_faults = object_new(OBJECT_ENDPOINT, 0);
        probe_reply = object_new(OBJECT_REPLY, 0);
        cptr frame = object_new(OBJECT_FRAME, 12);
        OK(map(frame, BASE + (1ul << 21), RIGHT_READ | RIGHT_EXEC, 0, 0));
        EQUAL(fetch_in(guest, BASE) & FAULT_VM_FETCH, 0); /* zeros are executed, or trap */
        OK(cnode_revoke(ROOT_CNODE, how ? shared : vspace));
        OK(cnode_delete(ROOT_CNODE, how ? shared : vspace));
        if (!how)
            EQUAL(fetch_in(guest, BASE), FAULT_VM_FETCH);
        else
            CHECK(fetch_in(guest, BASE) & FAULT_VM_FETCH);
        if (how)
            continue;
        map_page(ROOT_VSPACE, frame, HARNESS_MAP_BASE, RIGHT_READ, 0);
        EQUAL(*(volatile word *)HARNESS_MAP_BASE, 0);
        OK(cnode_delete(ROOT_CNODE, frame));
    }
}

CASE(map_cache_ranges, "Cache invocations: ranges inside the frame, at most 64 KiB a call, zero bytes allowed")
{
    cptr frame = object_new(OBJECT_FRAME, 18);
    word done;
    OK(frame_clean(frame, 0, 1ul << 18, &done));
    CHECK(done >= PAGE_BYTES && done <= 65536);
    OK(frame_sync_code(frame, 0x3f000, 0x1000, &done));
    EQUAL(done, 0x1000);
    OK(frame_clean(frame, 5, 7, &done));
    EQUAL(done, 7);
    OK(frame_clean(frame, 0, 0, &done));
    EQUAL(done, 0);
    EQUAL(frame_clean(frame, 1ul << 18, 1, &done), ERROR_RANGE);
    EQUAL(frame_clean(frame, 0x3ffff, 2, &done), ERROR_RANGE);
    EQUAL(frame_sync_code(frame, ~0ul, 2, &done), ERROR_RANGE);
    EQUAL(frame_sync_code(frame, 1, ~0ul, &done), ERROR_RANGE);
}
