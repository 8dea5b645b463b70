/* Interrupts of real devices on PCI Express: QEMU's `edu` by its wire (both machines) and by message (MSI, x86-64), and
 * QEMU's `rocker`, a switch whose test register sends any of its four MSI-X messages (x86-64; arm64 with a GICv2m
 * frame, docs/arm64.md).
 *
 * The devices are driven as a driver would: found and set up through configuration space, their registers mapped
 * uncached. A machine without them (the archive also boots on others) leaves the cases out and says so; the tests that
 * have the devices in their command lines forbid those lines.
 *
 * Source: QEMU docs/specs/rocker.txt (registers); for the rest see pci.h.
 */
#include "test.h"
#include "pci.h"

#define CONFIG_PAGE HARNESS_MAP_BASE
#define EDU_PAGE    (HARNESS_MAP_BASE + PAGE_BYTES)

#define SWITCH_SLOT    17 /* -device rocker,addr=0x11 */
#define SWITCH_ID      0x00061b36
#define SWITCH_WINDOW  0x2000ul
#define SWITCH_PAGE    EDU_PAGE
#define SWITCH_TABLE   (EDU_PAGE + PAGE_BYTES)
#define SWITCH_WAITING (EDU_PAGE + 2 * PAGE_BYTES)
#define SWITCH_OFFSET  0x100000ul /* of its registers: behind those of the edu */
#define SWITCH_SEND    (0x20 / 4)

#define SOON_NS 100000ul

static volatile uint32_t *const config = (volatile uint32_t *)CONFIG_PAGE, *const edu = (volatile uint32_t *)EDU_PAGE;
static cptr notification;

static bool is_there(const volatile uint32_t *found)
{
    if (found == NULL)
        say("(no device) ");
    return found != NULL;
}

/* The device, mapped and quiet, with a fresh notification; false where the machine has none. */
static bool setup(void)
{
    if (!is_there(edu_map(0, CONFIG_PAGE).config))
        return false;
    notification = object_new(OBJECT_NOTIFICATION, 0);
    return true;
}

static word polled(void)
{
    spin_ns(SOON_NS);
    return notification_poll(notification);
}

/* The device raises this bit: `badge` comes, or nothing if that is 0. */
static void expect_raised(word bit, word badge)
{
    edu[EDU_RAISE] = (uint32_t)bit;
    EQUAL(polled(), badge);
    EQUAL(edu[EDU_STATUS] & bit, bit);
}

/* --- the wire --- */

CASE(device_wire,
     "A PCI device's wire is level triggered: one signal each acknowledgement for as long as the device raises it")
{
    if (!setup())
        return;
    cptr handler = slot_new();
    OK(irq_control_get(ROOT_IRQ_CONTROL, edu_line(0), IRQ_LEVEL, ROOT_CNODE, handler));
    expect_raised(1, 0); /* closed: nobody has set a notification */
    OK(irq_handler_set_notification(handler, minted(notification, RIGHT_SEND, 0x40)));
    EQUAL(polled(), 0x40); /* open, and the wire is still raised */
    EQUAL(polled(), 0);    /* closed by the interrupt */
    OK(irq_handler_ack(handler));
    EQUAL(polled(), 0x40);
    edu[EDU_ACKNOWLEDGE] = 1;
    OK(irq_handler_ack(handler));
    EQUAL(polled(), 0); /* the device is quiet */
    for (word bit = 1; bit < 0x100; bit <<= 1) {
        NOTE(bit);
        expect_raised(bit, 0x40);
        edu[EDU_ACKNOWLEDGE] = (uint32_t)bit;
        OK(irq_handler_ack(handler));
        EQUAL(polled(), 0);
    }
    OK(cnode_delete(ROOT_CNODE, handler));
}

CASE(device_wire_waits, "A thread that waits for a device's wire wakes when the device raises it, at once")
{
    if (!setup())
        return;
    cptr handler = slot_new();
    OK(irq_control_get(ROOT_IRQ_CONTROL, edu_line(0), IRQ_LEVEL, ROOT_CNODE, handler));
    OK(irq_handler_set_notification(handler, minted(notification, RIGHT_SEND, 0x40)));
    struct actor *driver = actor_calls(PRIORITY_HIGH, SYSCALL_RECV, notification, 0, 0);
    EQUAL(driver->done, 0);
    edu[EDU_RAISE] = 1;
    spin_ns(SOON_NS);
    EQUAL(driver->done, 1);
    EQUAL(actor_result(driver, 0)->destination, 0x40);
    edu[EDU_ACKNOWLEDGE] = 1;
    OK(cnode_delete(ROOT_CNODE, handler));
}

CASE(device_wire_dies,
     "A handler cleared or deleted while the device raises its wire: silence; the next handler hears it")
{
    if (!setup())
        return;
    cptr handler = slot_new(), next = object_new(OBJECT_NOTIFICATION, 0);
    OK(irq_control_get(ROOT_IRQ_CONTROL, edu_line(0), IRQ_LEVEL, ROOT_CNODE, handler));
    OK(irq_handler_set_notification(handler, notification));
    expect_raised(1, 1);
    OK(irq_handler_clear(handler));
    EQUAL(polled(), 0);
    OK(irq_handler_set_notification(handler, notification));
    EQUAL(polled(), 1);
    OK(cnode_delete(ROOT_CNODE, handler));
    EQUAL(polled(), 0);
    OK(irq_control_get(ROOT_IRQ_CONTROL, edu_line(0), IRQ_LEVEL, ROOT_CNODE, handler));
    OK(irq_handler_set_notification(handler, next));
    EQUAL(polled(), 0);
    EQUAL(notification_poll(next), 1);
    OK(cnode_delete(ROOT_CNODE, next)); /* the handler's own copy keeps it */
    OK(irq_handler_ack(handler));
    EQUAL(polled(), 0);
    edu[EDU_ACKNOWLEDGE] = 1;
    OK(irq_handler_ack(handler));
    OK(cnode_delete(ROOT_CNODE, handler)); /* this time while the line is open */
    expect_raised(1, 0);
    edu[EDU_ACKNOWLEDGE] = 1;
    OK(irq_control_get(ROOT_IRQ_CONTROL, edu_line(0), IRQ_LEVEL, ROOT_CNODE, handler));
    OK(irq_handler_set_notification(handler, notification));
    EQUAL(polled(), 0);
    expect_raised(1, 1);
    edu[EDU_ACKNOWLEDGE] = 1;
    OK(cnode_delete(ROOT_CNODE, handler));
}

#if defined(__x86_64__)
/* --- messages --- */

struct msi {
    cptr handler;
    word address, data;
};

static struct msi msi_new(word badge)
{
    struct msi msi = {slot_new(), 0, 0};
    OK(irq_control_get_msi(ROOT_IRQ_CONTROL, ROOT_CNODE, msi.handler, &msi.address, &msi.data));
    OK(irq_handler_set_notification(msi.handler, minted(notification, RIGHT_SEND, badge)));
    return msi;
}

CASE(device_msi,
     "A device's message signals the handler's badge, each time, acknowledged or not: messages are never masked")
{
    if (!setup())
        return;
    struct msi msi = msi_new(0x80);
    pci_msi_aim(config, msi.address, msi.data);
    for (word bit = 1; bit < 0x100; bit <<= 1) {
        NOTE(bit);
        expect_raised(bit, 0x80);
        EQUAL(polled(), 0); /* an edge: once for each message */
    }
    OK(irq_handler_ack(msi.handler));
    EQUAL(polled(), 0);
    edu[EDU_ACKNOWLEDGE] = ~0u;
    EQUAL(polled(), 0);
    struct actor *driver = actor_calls(PRIORITY_HIGH, SYSCALL_RECV, notification, 0, 0);
    EQUAL(driver->done, 0);
    edu[EDU_RAISE] = 1;
    spin_ns(SOON_NS);
    EQUAL(driver->done, 1);
    EQUAL(actor_result(driver, 0)->destination, 0x80);
    edu[EDU_ACKNOWLEDGE] = 1;
    pci_msi_disable(config);
    OK(cnode_delete(ROOT_CNODE, msi.handler));
}

CASE(device_msi_two, "Two handlers of messages: a message signals the one that the device is aimed at, never the other")
{
    if (!setup())
        return;
    struct msi msi[2] = {msi_new(1), msi_new(2)};
    for (unsigned i = 0; i < 6; i++) {
        NOTE(i);
        pci_msi_aim(config, msi[i % 2].address, msi[i % 2].data);
        expect_raised(1, 1ul << i % 2);
    }
    expect_raised(2, 2);
    OK(cnode_delete(ROOT_CNODE, msi[0].handler)); /* the other is not touched */
    expect_raised(4, 2);
    edu[EDU_ACKNOWLEDGE] = ~0u;
    pci_msi_disable(config);
    OK(cnode_delete(ROOT_CNODE, msi[1].handler));
}

CASE(device_msi_dies,
     "Messages of a handler that is cleared or deleted signal nobody; its vector's next handler hears its own only")
{
    if (!setup())
        return;
    struct msi msi = msi_new(1), again;
    pci_msi_aim(config, msi.address, msi.data);
    expect_raised(1, 1);
    OK(irq_handler_clear(msi.handler));
    expect_raised(1, 0);
    OK(irq_handler_set_notification(msi.handler, minted(notification, RIGHT_SEND, 2)));
    EQUAL(polled(), 0); /* what came in between is lost: nothing remembers messages */
    expect_raised(1, 2);
    OK(cnode_delete(ROOT_CNODE, msi.handler));
    for (unsigned i = 0; i < 50; i++)
        edu[EDU_RAISE] = 1;
    EQUAL(polled(), 0);
    again = msi_new(4);
    EQUAL(again.data, msi.data);
    EQUAL(polled(), 0);
    expect_raised(1, 4);
    OK(cnode_delete(ROOT_CNODE, again.handler));
    expect_raised(1, 0);
    edu[EDU_ACKNOWLEDGE] = ~0u;
    pci_msi_disable(config);
}

CASE(device_msi_notification_dies,
     "The notification of a handler dies while the device sends messages: nothing happens")
{
    if (!setup())
        return;
    for (enum kill how = 0; how < KILLS; how++) {
        kill_round(how);
        struct msi msi = msi_new(1);
        cptr victim = victim_new(OBJECT_NOTIFICATION);
        OK(irq_handler_set_notification(msi.handler, victim));
        pci_msi_aim(config, msi.address, msi.data);
        edu[EDU_RAISE] = 1;
        spin_ns(SOON_NS);
        victim_kill(victim, how);
        for (unsigned i = 0; i < 10; i++)
            edu[EDU_RAISE] = 1;
        spin_ns(SOON_NS);
        victim_check_reclaimed(victim);
        OK(irq_handler_set_notification(msi.handler, notification));
        expect_raised(1, 1);
        edu[EDU_ACKNOWLEDGE] = ~0u;
        pci_msi_disable(config);
        OK(cnode_delete(ROOT_CNODE, msi.handler));
    }
}
#endif

/* --- MSI-X --- */

#define SWITCH_VECTORS 4

/* An entry of the device's table, as 32-bit words; one that is masked holds its message back. */
static volatile uint32_t *msix_entry(unsigned vector)
{
    return (volatile uint32_t *)SWITCH_TABLE + 4 * vector;
}

/* The message that the device holds back: a bit for each vector. */
static word msix_waiting(void)
{
    return *(volatile uint32_t *)SWITCH_WAITING;
}

static void msix_mask(unsigned vector, bool is_masked)
{
    msix_entry(vector)[3] = is_masked ? MSIX_MASKED : 0;
}

static void msix_send(unsigned vector)
{
    ((volatile uint32_t *)SWITCH_PAGE)[SWITCH_SEND] = vector;
}

#if defined(__x86_64__)
static void message_get(cptr handler, unsigned vector, word *address, word *data)
{
    (void)vector;
    OK(irq_control_get_msi(ROOT_IRQ_CONTROL, ROOT_CNODE, handler, address, data));
}
#else
static void message_get(cptr handler, unsigned vector, word *address, word *data)
{
    *address = V2M_DOORBELL;
    *data = V2M_FIRST + vector;
    OK(irq_control_get(ROOT_IRQ_CONTROL, *data, 0, ROOT_CNODE, handler));
}
#endif

/* A handler with that badge, and the device's vector aimed at it. */
static cptr msix_new(unsigned vector, word badge)
{
    cptr handler = slot_new();
    word address, data;
    message_get(handler, vector, &address, &data);
    OK(irq_handler_set_notification(handler, minted(notification, RIGHT_SEND, badge)));
    volatile uint32_t *entry = msix_entry(vector);
    entry[3] = MSIX_MASKED; /* the specification wants it masked while it changes */
    entry[0] = (uint32_t)address;
    entry[1] = (uint32_t)(address >> 32);
    entry[2] = (uint32_t)data;
    entry[3] = 0;
    return handler;
}

/* What the notification has got; the handler (which asks for that on arm64 only) is ready for the next message. */
static word heard(cptr handler)
{
    word badge = polled();
    OK(irq_handler_ack(handler));
    return badge;
}

static void expect_message(unsigned vector, cptr handler, word badge)
{
    msix_send(vector);
    EQUAL(heard(handler), badge);
    EQUAL(heard(handler), 0);
}

static bool messages_arrive(void)
{
    cptr handler = msix_new(0, 1);
    msix_send(0);
    bool is_heard = polled() == 1;
    OK(cnode_delete(ROOT_CNODE, handler));
    if (!is_heard)
        say("(no messages) ");
    return is_heard;
}

/* The switch with all vectors masked and aimed at nothing, MSI-X on. */
static bool switch_setup(void)
{
    if (!is_there(pci_config_map(SWITCH_SLOT, SWITCH_ID, CONFIG_PAGE)))
        return false;
    for (unsigned bar = 0; bar < 2; bar++)
        pci_bar_assign(config, bar, SWITCH_OFFSET + bar * SWITCH_WINDOW, SWITCH_WINDOW);
    config[CONFIG_COMMAND] = COMMAND_MEMORY | COMMAND_MASTER;
    volatile uint32_t *capability = pci_capability_find(config, CAPABILITY_MSIX);
    EQUAL(MSIX_LAST(capability[0]) + 1, SWITCH_VECTORS);
    EQUAL(capability[1], 1);              /* the table: BAR 1, from its start */
    EQUAL(capability[2], PAGE_BYTES | 1); /* what waits: the page behind */
    pci_bar_map(config, 0, 0, SWITCH_PAGE);
    pci_bar_map(config, 1, 0, SWITCH_TABLE);
    pci_bar_map(config, 1, PAGE_BYTES, SWITCH_WAITING);
    notification = object_new(OBJECT_NOTIFICATION, 0);
    capability[0] &= ~(MSIX_ENABLE | MSIX_MASK_ALL); /* off and on: nothing waits of a case that failed */
    for (unsigned i = 0; i < SWITCH_VECTORS; i++)
        msix_mask(i, true);
    capability[0] |= MSIX_ENABLE;
    return messages_arrive();
}

CASE(device_msix,
     "MSI-X: each vector of a device signals the badge of the handler that its table entry names, once a message")
{
    if (!switch_setup())
        return;
    cptr handler[SWITCH_VECTORS];
    for (unsigned i = 0; i < SWITCH_VECTORS; i++)
        handler[i] = msix_new(i, 1ul << i);
    for (unsigned i = 0; i < 3 * SWITCH_VECTORS; i++) {
        unsigned vector = i * 3 % SWITCH_VECTORS;
        NOTE(vector);
        expect_message(vector, handler[vector], 1ul << vector);
    }
    msix_send(1);
    msix_send(3);
    EQUAL(polled(), 1 << 1 | 1 << 3);
    OK(irq_handler_ack(handler[1]));
    OK(irq_handler_ack(handler[3]));
    struct actor *driver = actor_calls(PRIORITY_HIGH, SYSCALL_RECV, notification, 0, 0);
    EQUAL(driver->done, 0);
    msix_send(2);
    spin_ns(SOON_NS);
    EQUAL(driver->done, 1);
    EQUAL(actor_result(driver, 0)->destination, 1 << 2);
    for (unsigned i = 0; i < SWITCH_VECTORS; i++)
        OK(cnode_delete(ROOT_CNODE, handler[i]));
}

CASE(device_msix_masked,
     "MSI-X: a masked vector's message waits in the device and comes once when it is unmasked; others pass")
{
    if (!switch_setup())
        return;
    volatile uint32_t *capability = pci_capability_find(config, CAPABILITY_MSIX);
    cptr handler[2] = {msix_new(0, 1), msix_new(1, 2)};
    for (unsigned masked = 0; masked < 2; masked++) {
        NOTE(masked);
        unsigned other = 1 - masked;
        msix_mask(masked, true);
        msix_send(masked);
        msix_send(masked);
        EQUAL(polled(), 0);
        EQUAL(msix_waiting(), 1 << masked);
        expect_message(other, handler[other], 1ul << other);
        msix_mask(masked, false);
        EQUAL(heard(handler[masked]), 1ul << masked);
        EQUAL(heard(handler[masked]), 0);
        EQUAL(msix_waiting(), 0);
    }
    capability[0] |= MSIX_MASK_ALL;
    msix_send(0);
    msix_send(1);
    EQUAL(polled(), 0);
    EQUAL(msix_waiting(), 3);
    capability[0] &= ~MSIX_MASK_ALL;
    EQUAL(polled(), 3);
    for (unsigned i = 0; i < 2; i++)
        OK(cnode_delete(ROOT_CNODE, handler[i]));
}

CASE(device_msix_dies, "MSI-X: a handler goes while its message waits or is under way: nobody hears it, other vectors "
                       "go on, nor does a successor")
{
    if (!switch_setup())
        return;
    cptr handler = msix_new(0, 1), other = msix_new(1, 2);
    msix_mask(0, true);
    msix_send(0);
    EQUAL(msix_waiting(), 1);
    OK(cnode_delete(ROOT_CNODE, handler)); /* while the device holds it back */
    msix_mask(0, false);
    EQUAL(polled(), 0);
    EQUAL(msix_waiting(), 0); /* it has been sent, to nobody */
    expect_message(1, other, 2);
    for (unsigned i = 0; i < 50; i++)
        msix_send(0);
    EQUAL(polled(), 0);
    handler = msix_new(0, 4);
    EQUAL(heard(handler), 0); /* what was sent before is not its own */
    expect_message(0, handler, 4);
    OK(irq_handler_clear(handler)); /* no notification, and a message comes */
    msix_send(0);
    EQUAL(polled(), 0);
    OK(cnode_delete(ROOT_CNODE, handler));
    handler = msix_new(0, 8);
    EQUAL(heard(handler), 0);
    expect_message(0, handler, 8);
    expect_message(1, other, 2);
    OK(cnode_delete(ROOT_CNODE, handler));
    OK(cnode_delete(ROOT_CNODE, other));
}

CASE(device_msix_notification_dies,
     "MSI-X: one vector's notification dies while the device sends: the other vector's hears its own")
{
    if (!switch_setup())
        return;
    for (enum kill how = 0; how < KILLS; how++) {
        kill_round(how);
        cptr handler = msix_new(0, 1), other = msix_new(1, 2), victim = victim_new(OBJECT_NOTIFICATION);
        OK(irq_handler_set_notification(handler, victim));
        msix_send(0);
        spin_ns(SOON_NS);
        victim_kill(victim, how);
        msix_send(0);
        victim_check_reclaimed(victim);
        expect_message(1, other, 2);
        OK(irq_handler_set_notification(handler, minted(notification, RIGHT_SEND, 4)));
        (void)heard(handler); /* a line that is masked without a notification remembers its edge */
        expect_message(0, handler, 4);
        OK(cnode_delete(ROOT_CNODE, handler));
        OK(cnode_delete(ROOT_CNODE, other));
    }
}
