/* Interrupt handlers and I/O ports as objects; devices that raise interrupts are in machine_*.c. */
#include "test.h"

CASE(irq_line_once,
     "An interrupt line has one handler at a time; slots in use and outside are refused; copies keep the line")
{
    cptr handler = slot_new(), other = slot_new(), copy = slot_new();
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, TEST_IRQ, 0, ROOT_CNODE, 0), ERROR_RANGE);
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, TEST_IRQ, 0, ROOT_CNODE, 1 << ROOT_CNODE_BITS), ERROR_RANGE);
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, TEST_IRQ, 0, ROOT_CNODE, ROOT_TCB), ERROR_DELETE_FIRST);
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, 1ul << 32 | TEST_IRQ, 0, ROOT_CNODE, handler), ERROR_RANGE);
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, TEST_IRQ, 4, ROOT_CNODE, handler), ERROR_INVALID_ARGUMENT);
    OK(irq_control_get(ROOT_IRQ_CONTROL, TEST_IRQ, 0, ROOT_CNODE, handler));
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, TEST_IRQ, 0, ROOT_CNODE, other), ERROR_DELETE_FIRST);
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, handler, RIGHT_ALL));
    OK(cnode_delete(ROOT_CNODE, handler));
    EQUAL(irq_control_get(ROOT_IRQ_CONTROL, TEST_IRQ, 0, ROOT_CNODE, other), ERROR_DELETE_FIRST);
    OK(cnode_delete(ROOT_CNODE, copy));
    OK(irq_control_get(ROOT_IRQ_CONTROL, TEST_IRQ, 0, ROOT_CNODE, other));
    OK(cnode_delete(ROOT_CNODE, other));
}

CASE(irq_notification_rights,
     "A handler's notification needs RIGHT_SEND; it can be set anew, cleared and cleared again")
{
    cptr handler = slot_new(), ntfn = object_new(OBJECT_NOTIFICATION, 0);
    OK(irq_control_get(ROOT_IRQ_CONTROL, TEST_IRQ, 0, ROOT_CNODE, handler));
    for (word rights = 0; rights <= RIGHT_ALL; rights++) {
        NOTE(rights);
        EQUAL(irq_handler_set_notification(handler, minted(ntfn, rights, 0)),
              rights & RIGHT_SEND ? ERROR_NONE : ERROR_INVALID_CAPABILITY);
    }
    OK(irq_handler_ack(handler));
    OK(irq_handler_clear(handler));
    OK(irq_handler_clear(handler));
    OK(irq_handler_ack(handler));
    OK(cnode_delete(ROOT_CNODE, handler));
}

CASE(irq_notification_dies,
     "The notification of a handler dies, and the handler takes another; the handler dies, and it is free")
{
    for (enum kill how = 0; how < KILLS; how++) {
        kill_round(how);
        cptr handler = slot_new(), ntfn = victim_new(OBJECT_NOTIFICATION), next = object_new(OBJECT_NOTIFICATION, 0);
        OK(irq_control_get(ROOT_IRQ_CONTROL, TEST_IRQ, 0, ROOT_CNODE, handler));
        OK(irq_handler_set_notification(handler, ntfn));
        victim_kill(ntfn, how);
        victim_check_reclaimed(ntfn);
        OK(irq_handler_set_notification(handler, next));
        OK(cnode_delete(ROOT_CNODE, handler));
        OK(cnode_delete(ROOT_CNODE, next));
    }
}

#if defined(__x86_64__)
CASE(port_ranges,
     "Port capabilities are for their range: width inside, width 1, 2 or 4; nothing is issued beyond 65535")
{
    cptr ports = slot_new();
    static const struct {
        word port, bytes;
        enum error error;
    } list[] = {{0x80, 1, ERROR_NONE},
                {0x83, 1, ERROR_NONE},
                {0x82, 2, ERROR_NONE},
                {0x80, 4, ERROR_NONE},
                {0x7f, 1, ERROR_RANGE},
                {0x84, 1, ERROR_RANGE},
                {0x83, 2, ERROR_RANGE},
                {0x81, 4, ERROR_RANGE},
                {~0ul, 1, ERROR_RANGE},
                {0x10080, 1, ERROR_RANGE},
                {0x80, 0, ERROR_INVALID_ARGUMENT},
                {0x80, 3, ERROR_INVALID_ARGUMENT},
                {0x80, 8, ERROR_INVALID_ARGUMENT}};
    EQUAL(io_port_control_issue(ROOT_IO_PORT_CONTROL, 1, 0, ROOT_CNODE, ports), ERROR_RANGE);
    EQUAL(io_port_control_issue(ROOT_IO_PORT_CONTROL, 0, 65536, ROOT_CNODE, ports), ERROR_RANGE);
    EQUAL(io_port_control_issue(ROOT_IO_PORT_CONTROL, ~0ul, ~0ul, ROOT_CNODE, ports), ERROR_RANGE);
    EQUAL(io_port_control_issue(ROOT_IO_PORT_CONTROL, 0x80, 0x83, ROOT_CNODE, ROOT_TCB), ERROR_DELETE_FIRST);
    OK(io_port_control_issue(ROOT_IO_PORT_CONTROL, 0x80, 0x83, ROOT_CNODE, ports));
    for (unsigned i = 0; i < COUNT(list); i++) {
        word value;
        NOTE(i);
        EQUAL(io_port_in(ports, list[i].port, list[i].bytes, &value), list[i].error);
        EQUAL(io_port_out(ports, list[i].port, list[i].bytes, 0), list[i].error);
    }
    struct message m = {0, {0x84, 1}};
    EQUAL(invoked(ports, IO_PORT_IN, 2, &m), ERROR_RANGE);
    EQUAL(m.words[0], 0x80);
    EQUAL(m.words[1], 0x83);
    OK(cnode_delete(ROOT_CNODE, ports));
}

CASE(port_revoke, "Revoking port control takes the ranges that were issued")
{
    cptr ports = slot_new();
    OK(io_port_control_issue(ROOT_IO_PORT_CONTROL, 0x80, 0x80, ROOT_CNODE, ports));
    cptr copy = slot_new();
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, ports, RIGHT_ALL));
    cptr others = slot_new();
    OK(io_port_control_issue(ROOT_IO_PORT_CONTROL, 0x81, 0x81, ROOT_CNODE, others));
    OK(cnode_revoke(ROOT_CNODE, ports));
    CHECK(!slot_is_used(copy) && slot_is_used(others) && slot_is_used(ports));
    OK(cnode_delete(ROOT_CNODE, ports));
    OK(cnode_delete(ROOT_CNODE, others));
}

CASE(msi_vectors_end, "MSI vectors are given until none is left, each its own, and come back when their handlers go")
{
    enum { MOST = 256 };
    cptr handlers = slots_new(MOST);
    word address, data, count = 0, seen[4] = {0};
    enum error error;
    while ((error = irq_control_get_msi(ROOT_IRQ_CONTROL, ROOT_CNODE, handlers + (cptr)count, &address, &data)) ==
           ERROR_NONE) {
        count++;
        NOTE(data);
        CHECK(data < 256 && !(seen[data / 64] >> data % 64 & 1));
        seen[data / 64] |= 1ul << data % 64;
    }
    EQUAL(error, ERROR_NOT_ENOUGH_MEMORY);
    CHECK(count >= 16);
    OK(cnode_delete_all(ROOT_CNODE, handlers, count));
    OK(irq_control_get_msi(ROOT_IRQ_CONTROL, ROOT_CNODE, handlers, &address, &data));
    OK(cnode_delete(ROOT_CNODE, handlers));
}
#endif

/* --- what boot leaves --- */

CASE(boot_information,
     "The boot information is whole and read-only, and agrees with the capabilities that it describes")
{
    EQUAL(boot->magic, BOOT_INFO_MAGIC);
    CHECK(boot->core_count >= 1 && boot->timer_hz > 1000000);
    CHECK(boot->entry_ticks < boot->root_ticks && boot->root_ticks < ticks_now());
    CHECK(boot->untyped_count > 0 && boot->untyped_count <= BOOT_INFO_UNTYPEDS);
    EQUAL(boot->empty_end, 1 << ROOT_CNODE_BITS);
    CHECK(boot->empty_first >= boot->untyped_first + boot->untyped_count);
    word second = ticks_to_ns(boot->timer_hz);
    CHECK(second > 999999000 && second < 1000001000);
    word memory = 0;
    for (uint32_t i = 0; i < boot->untyped_count; i++)
        if (boot->untypeds[i].kind == BOOT_UNTYPED_MEMORY)
            memory += 1ul << boot->untypeds[i].size_bits;
    CHECK(memory <= boot->memory_bytes && memory > boot->memory_bytes / 2);
    cptr copy = slot_new();
    OK(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, ROOT_BOOT_INFO, RIGHT_ALL));
    EQUAL(frame_map(copy, ROOT_VSPACE, HARNESS_MAP_BASE, RIGHT_READ | RIGHT_WRITE, 0, 0, 0, NULL, NULL),
          ERROR_ILLEGAL_OPERATION);
    for (word slot = ROOT_BOOT_INFO + 1; slot < ROOT_FIRST_FREE; slot++)
        CHECK(!slot_is_used((cptr)slot));
}

CASE(boot_archive_mapped,
     "The archive is where the boot information says, and is a cpio archive with the root task in it")
{
    static const char magic[6] = "070701";
    const char *archive = (const char *)boot->archive;
    for (unsigned i = 0; i < 6; i++)
        EQUAL(archive[i], magic[i]);
    CHECK(boot->archive_bytes > PAGE_BYTES);
}
