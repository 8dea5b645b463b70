/* Interrupts of a real device: QEMU's `edu` on PCI Express, by its wire (both machines) and by message (x86-64).
 *
 * The device is driven as a driver would: found and set up through configuration space, its registers mapped uncached.
 * A machine without it (the archive also boots on others) leaves the cases out and says so; the test that has the
 * device in its command line forbids that line.
 *
 * Sources: QEMU docs/specs/edu.rst (registers); PCI Local Bus Specification 3.0, 6.1 (configuration header), 6.8.1
 * (MSI capability); PCI Express Base Specification, 7.2.2 (ECAM).
 */
#include "test.h"

#define EDU_SLOT    16 /* as the test's command line places it: -device edu,addr=0x10 */
#define EDU_ID      0x11e81234
#define EDU_WINDOW  0x100000ul
#define CONFIG_PAGE HARNESS_MAP_BASE
#define EDU_PAGE    (HARNESS_MAP_BASE + PAGE_BYTES)

/* Indices of 32-bit words. */
#define CONFIG_ID           (0x00 / 4)
#define CONFIG_COMMAND      (0x04 / 4)
#define CONFIG_BAR0         (0x10 / 4)
#define CONFIG_CAPABILITIES (0x34 / 4)
#define COMMAND_MEMORY      (1u << 1)
#define COMMAND_MASTER      (1u << 2)
#define CAPABILITY_MSI      5
#define MSI_ENABLE          (1u << 16)
#define MSI_64              (1u << 23)
#define EDU_IDENTIFICATION  (0x00 / 4)
#define EDU_INVERSE         (0x04 / 4)
#define EDU_STATUS          (0x24 / 4)
#define EDU_RAISE           (0x60 / 4)
#define EDU_ACKNOWLEDGE     (0x64 / 4)

#define SOON_NS 100000ul

static volatile uint32_t *const config = (volatile uint32_t *)CONFIG_PAGE, *const edu = (volatile uint32_t *)EDU_PAGE;
static cptr notification;

/* The words of the MSI capability in configuration space. */
static volatile uint32_t *msi_capability(void)
{
    word offset = config[CONFIG_CAPABILITIES] & 0xfc;
    for (unsigned i = 0; i < 48 && offset != 0; i++) {
        if ((config[offset / 4] & 0xff) == CAPABILITY_MSI)
            return &config[offset / 4];
        offset = config[offset / 4] >> 8 & 0xfc;
    }
    CHECK(offset != 0);
    return NULL;
}

static void msi_disable(void)
{
    volatile uint32_t *capability = msi_capability();
    capability[0] &= ~MSI_ENABLE;
}

static void bar_assign(void)
{
    if ((config[CONFIG_BAR0] & ~0xfu) != 0)
        return; /* firmware has done it */
    word free = (boot->pci_window_address + EDU_WINDOW - 1) & ~(EDU_WINDOW - 1);
    CHECK(free != 0 && free + EDU_WINDOW <= boot->pci_window_address + boot->pci_window_bytes);
    config[CONFIG_BAR0] = (uint32_t)free;
}

static void edu_map(void)
{
    bar_assign();
    config[CONFIG_COMMAND] = COMMAND_MEMORY | COMMAND_MASTER;
    cptr frame = device_frame_new(config[CONFIG_BAR0] & ~0xfu);
    map_page(ROOT_VSPACE, frame, EDU_PAGE, RIGHT_READ | RIGHT_WRITE, ATTRIBUTE_UNCACHED);
    EQUAL(edu[EDU_IDENTIFICATION] & 0xffff, 0xed);
    edu[EDU_INVERSE] = 0x12345678;
    EQUAL(edu[EDU_INVERSE], 0xedcba987);
    msi_disable(); /* a case that failed may have left it on */
    edu[EDU_ACKNOWLEDGE] = ~0u;
}

/* The device, mapped and quiet, with a fresh notification; false where the machine has none. */
static bool setup(void)
{
    if (boot->ecam_address != 0) {
        cptr frame = device_frame_new(boot->ecam_address + (EDU_SLOT << 15));
        map_page(ROOT_VSPACE, frame, CONFIG_PAGE, RIGHT_READ | RIGHT_WRITE, ATTRIBUTE_UNCACHED);
    }
    if (boot->ecam_address == 0 || config[CONFIG_ID] != EDU_ID) {
        say("(no device) ");
        return false;
    }
    edu_map();
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

/* Pin A of the slot. PCI's wires are level triggered. */
static word edu_line(void)
{
    CHECK(boot->pci_interrupt[EDU_SLOT % 4] != 0);
    return boot->pci_interrupt[EDU_SLOT % 4];
}

CASE(device_wire,
     "A PCI device's wire is level triggered: one signal each acknowledgement for as long as the device raises it")
{
    if (!setup())
        return;
    cptr handler = slot_new();
    OK(irq_control_get(ROOT_IRQ_CONTROL, edu_line(), IRQ_LEVEL, ROOT_CNODE, handler));
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
    OK(irq_control_get(ROOT_IRQ_CONTROL, edu_line(), IRQ_LEVEL, ROOT_CNODE, handler));
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
    OK(irq_control_get(ROOT_IRQ_CONTROL, edu_line(), IRQ_LEVEL, ROOT_CNODE, handler));
    OK(irq_handler_set_notification(handler, notification));
    expect_raised(1, 1);
    OK(irq_handler_clear(handler));
    EQUAL(polled(), 0);
    OK(irq_handler_set_notification(handler, notification));
    EQUAL(polled(), 1);
    OK(cnode_delete(ROOT_CNODE, handler));
    EQUAL(polled(), 0);
    OK(irq_control_get(ROOT_IRQ_CONTROL, edu_line(), IRQ_LEVEL, ROOT_CNODE, handler));
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
    OK(irq_control_get(ROOT_IRQ_CONTROL, edu_line(), IRQ_LEVEL, ROOT_CNODE, handler));
    OK(irq_handler_set_notification(handler, notification));
    EQUAL(polled(), 0);
    expect_raised(1, 1);
    edu[EDU_ACKNOWLEDGE] = 1;
    OK(cnode_delete(ROOT_CNODE, handler));
}

#if defined(__x86_64__)
/* --- messages --- */

static void msi_aim(word address, word data)
{
    volatile uint32_t *capability = msi_capability();
    CHECK((capability[0] & MSI_64) != 0);
    capability[0] &= ~MSI_ENABLE;
    capability[1] = (uint32_t)address;
    capability[2] = (uint32_t)(address >> 32);
    capability[3] = (uint32_t)data;
    capability[0] |= MSI_ENABLE;
}

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
    msi_aim(msi.address, msi.data);
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
    msi_disable();
    OK(cnode_delete(ROOT_CNODE, msi.handler));
}

CASE(device_msi_two, "Two handlers of messages: a message signals the one that the device is aimed at, never the other")
{
    if (!setup())
        return;
    struct msi msi[2] = {msi_new(1), msi_new(2)};
    for (unsigned i = 0; i < 6; i++) {
        NOTE(i);
        msi_aim(msi[i % 2].address, msi[i % 2].data);
        expect_raised(1, 1ul << i % 2);
    }
    expect_raised(2, 2);
    OK(cnode_delete(ROOT_CNODE, msi[0].handler)); /* the other is not touched */
    expect_raised(4, 2);
    edu[EDU_ACKNOWLEDGE] = ~0u;
    msi_disable();
    OK(cnode_delete(ROOT_CNODE, msi[1].handler));
}

CASE(device_msi_dies,
     "Messages of a handler that is cleared or deleted signal nobody; its vector's next handler hears its own only")
{
    if (!setup())
        return;
    struct msi msi = msi_new(1), again;
    msi_aim(msi.address, msi.data);
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
    msi_disable();
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
        msi_aim(msi.address, msi.data);
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
        msi_disable();
        OK(cnode_delete(ROOT_CNODE, msi.handler));
    }
}
#endif
