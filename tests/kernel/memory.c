/* Frames, page tables and address spaces. */
#include "test.h"

CASE(map_write_unmap, "A mapped page holds what was written, the same frame elsewhere shows it")
{
    cptr frame, copy = slot_new();
    volatile word *p = memory_new(12, &frame);
    p[0] = 42;
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, frame, RIGHT_ALL));
    map_page(ROOT_VSPACE, copy, HARNESS_MAP_BASE, RIGHT_READ, 0);
    EQUAL(*(volatile word *)HARNESS_MAP_BASE, 42);
    word done;
    OK(frame_unmap(copy, &done));
    EQUAL(done, 4096);
}

CASE(map_errors, "Mapping refuses addresses, rights and frames that will not do")
{
    cptr frame = object_new(OBJECT_FRAME, 12), other = object_new(OBJECT_FRAME, 12);
    map_page(ROOT_VSPACE, frame, HARNESS_MAP_BASE, RIGHT_READ | RIGHT_WRITE, 0);
    struct message m = {0, {ROOT_VSPACE, HARNESS_MAP_BASE, RIGHT_READ, 0, 0, 0}};
    EQUAL(invoke(other, FRAME_MAP, 6, &m), ERROR_DELETE_FIRST);
    m = (struct message){0, {ROOT_VSPACE, HARNESS_MAP_BASE + 1, RIGHT_READ, 0, 0, 0}};
    EQUAL(invoke(other, FRAME_MAP, 6, &m), ERROR_ALIGNMENT);
    m = (struct message){0, {ROOT_VSPACE, 0xffff800000000000ul, RIGHT_READ, 0, 0, 0}};
    CHECK(invoke(other, FRAME_MAP, 6, &m) != ERROR_NONE);
    m = (struct message){0, {ROOT_VSPACE, 0x7ffffffff000ul, RIGHT_READ, 0, 0, 0}};
    CHECK(invoke(other, FRAME_MAP, 6, &m) != ERROR_NONE);
    m = (struct message){0, {ROOT_VSPACE, ~0xffful, RIGHT_READ, 0, 0, 0}};
    CHECK(invoke(other, FRAME_MAP, 6, &m) != ERROR_NONE);
    m = (struct message){0, {ROOT_VSPACE, HARNESS_MAP_BASE + 4096, RIGHT_WRITE | RIGHT_READ | RIGHT_EXEC, 0, 0, 0}};
    CHECK(invoke(other, FRAME_MAP, 6, &m) != ERROR_NONE);
    m = (struct message){0, {ROOT_VSPACE, HARNESS_MAP_BASE + 4096, RIGHT_READ, 0, 0, 8192}};
    CHECK(invoke(other, FRAME_MAP, 6, &m) != ERROR_NONE);
    m = (struct message){0, {ROOT_TCB, HARNESS_MAP_BASE + 4096, RIGHT_READ, 0, 0, 0}};
    EQUAL(invoke(other, FRAME_MAP, 6, &m), ERROR_INVALID_CAPABILITY);
}

CASE(map_without_table, "A missing page table is reported with its level")
{
    cptr frame = object_new(OBJECT_FRAME, 12), vspace = object_new(OBJECT_VSPACE, 0);
    struct message m = {0, {vspace, 0x5000000000ul, RIGHT_READ, 0, 0, 0}};
    EQUAL(invoke(frame, FRAME_MAP, 6, &m), ERROR_FAILED_LOOKUP);
    EQUAL(m.words[0], 3);
    cptr table = object_new(OBJECT_PAGE_TABLE, 0);
    OK(page_table_map(table, vspace, 0x5000000000ul, 3, 0));
    m = (struct message){0, {vspace, 0x5000000000ul, RIGHT_READ, 0, 0, 0}};
    EQUAL(invoke(frame, FRAME_MAP, 6, &m), ERROR_FAILED_LOOKUP);
    EQUAL(m.words[0], 2);
}

CASE(large_frame, "A 4 MiB frame is mapped by one loop of calls and reads and writes everywhere")
{
    enum { BITS = 22 };
    cptr frame = object_new(OBJECT_FRAME, BITS);
    word base = HARNESS_MAP_BASE + 0x1000000;
    word done = 0;
    while (done < 1ul << BITS) {
        struct message m = {0, {ROOT_VSPACE, base + done, RIGHT_READ | RIGHT_WRITE, 0, done, (1ul << BITS) - done}};
        enum error error = invoke(frame, FRAME_MAP, 6, &m);
        if (error == ERROR_FAILED_LOOKUP) {
            word level = m.words[0];
            OK(page_table_map(object_new(OBJECT_PAGE_TABLE, 0), ROOT_VSPACE, base + done, level, 0));
            continue;
        }
        EQUAL(error, ERROR_NONE);
        CHECK(m.words[0] > 0);
        done += m.words[0];
    }
    for (word offset = 0; offset < 1ul << BITS; offset += 4096)
        *(volatile word *)(base + offset) = offset;
    for (word offset = 0; offset < 1ul << BITS; offset += 4096)
        EQUAL(*(volatile word *)(base + offset), offset);
    word unmapped = 0;
    while (unmapped < 1ul << BITS) {
        word step;
        OK(frame_unmap(frame, &step));
        if (step == 0)
            break;
        unmapped += step;
    }
    EQUAL(unmapped, 1ul << BITS);
}

CASE(frame_address, "A frame knows its physical address and size")
{
    cptr frame = object_new(OBJECT_FRAME, 14);
    word address, bits;
    OK(frame_get_address(frame, &address, &bits));
    EQUAL(bits, 14);
    EQUAL(address & 0x3fff, 0);
}

static volatile word faults_seen;
static cptr fault_endpoint, fault_reply;

static void toucher(word address)
{
    faults_seen = 100 + *(volatile word *)address;
}

CASE(unmapped_is_gone, "After unmap, delete or revoke the page faults: no stale translation")
{
    fault_endpoint = object_new(OBJECT_ENDPOINT, 0);
    fault_reply = object_new(OBJECT_REPLY, 0);
    cptr frame;
    volatile word *p = memory_new(12, &frame);
    *p = 5;
    word done;
    OK(frame_unmap(frame, &done));
    thread_start(thread_new(toucher, (word)p, PRIORITY_HIGH, fault_endpoint));
    struct message m;
    word badge;
    OK(syscall_recv(fault_endpoint, fault_reply, &m, &badge));
    EQUAL(message_info_label(m.info), FAULT_VM);
    EQUAL(m.words[2], (word)p);
    map_page(ROOT_VSPACE, frame, (word)p, RIGHT_READ, 0);
    m.info = message_info(0, 0, 2);
    OK(syscall_send(fault_reply, &m));
    EQUAL(faults_seen, 105);
}

CASE(vspace_deleted, "Deleting an address space in use stops its thread with a fault, not the machine")
{
    extern void idle_forever(word unused);
    struct thread *t = process_new(idle_forever, 0, PRIORITY_LOW, 0);
    thread_start(t);
    cptr ntfn = object_new(OBJECT_NOTIFICATION, 0), timer = object_new(OBJECT_TIMER, 0);
    OK(timer_bind(timer, ntfn, ROOT_SCHED_CONTEXT));
    OK(timer_set(timer, ticks_now() + ns_to_ticks(1000000)));
    (void)notification_wait(ntfn);
    OK(cnode_delete(ROOT_CNODE, t->vspace));
    OK(timer_set(timer, ticks_now() + ns_to_ticks(1000000)));
    (void)notification_wait(ntfn);
}

void idle_forever(word unused);
void idle_forever(word unused)
{
    (void)unused;
    for (;;) {
    }
}

CASE(shared_table,
     "A read-only page table mapped into a second space shows the same pages there, and empties with its owner")
{
    cptr owner = object_new(OBJECT_VSPACE, 0), guest = object_new(OBJECT_VSPACE, 0);
    word address = 0x40000000;
    cptr upper[4] = {object_new(OBJECT_PAGE_TABLE, 0), object_new(OBJECT_PAGE_TABLE, 0),
                     object_new(OBJECT_PAGE_TABLE, 0), object_new(OBJECT_PAGE_TABLE, 0)};
    OK(page_table_map(upper[0], owner, address, 3, 0));
    OK(page_table_map(upper[1], owner, address, 2, 0));
    OK(page_table_map(upper[2], guest, address, 3, 0));
    OK(page_table_map(upper[3], guest, address, 2, 0));
    cptr table = object_new(OBJECT_PAGE_TABLE, 0), copy = slot_new(), frame = object_new(OBJECT_FRAME, 12);
    OK(page_table_map(table, owner, address, 1, ATTRIBUTE_SHARED));
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, table, RIGHT_ALL));
    OK(page_table_map(copy, guest, address, 1, ATTRIBUTE_SHARED));
    map_page(owner, frame, address, RIGHT_READ | RIGHT_EXEC, 0);
    cptr writable = object_new(OBJECT_FRAME, 12);
    struct message m = {0, {guest, address + 4096, RIGHT_READ, 0, 0, 0}};
    CHECK(invoke(writable, FRAME_MAP, 6, &m) != ERROR_NONE); /* only through the owner's space */
    OK(page_table_unmap(copy));
    OK(page_table_map(copy, guest, address, 1, ATTRIBUTE_SHARED));
    OK(cnode_delete(ROOT_CNODE, owner));
}
