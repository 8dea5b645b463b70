/* Starts the servers: UART driver, console, tracer, process server, in this order, each from an archive member of that
 * name, each with the capabilities that its protocol header lists and no others.
 */
#include "proto/console.h"
#include "proto/process.h"
#include "root.h"
#include "tessera/clock.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define SERVER_STACK_BYTES  16384
#define PROCESS_STACK_BYTES 65536
#define REGION_ADDRESS      PROCESS_WINDOW_BASE
#define STATE_ADDRESS       (PROCESS_WINDOW_BASE + 0x40000)
#define DEVICE_ADDRESS      (PROCESS_WINDOW_BASE + 0x100000)
#define TABLE_ADDRESS       (PROCESS_WINDOW_BASE + 0x180000)
#define ARCHIVE_ADDRESS     (PROCESS_WINDOW_BASE + 0x40000000)

static const struct {
    const char *member;
    uint32_t priority;
} plan[SERVER_COUNT] = {
    [SERVER_UART] = {"uart", 250},
    [SERVER_CONSOLE] = {"console", 240},
    [SERVER_TRACER] = {"tracer", 220},
    [SERVER_PROCESS] = {"process", 230},
    [SERVER_PCI] = {"pci", 235},
    [SERVER_DISK_DATA] = {"blk-virtio", 245},
    [SERVER_DISK_LOG] = {"blk-virtio", 245},
    [SERVER_RNG] = {"rng-virtio", 245},
    [SERVER_NET_CARD] = {"net-virtio", 245},
    [SERVER_LINE] = {"console-virtio", 245},
};

const char *server_name(enum server which)
{
    return which < SERVER_COUNT ? plan[which].member : "?";
}

static struct start_page *start_of(struct task *task)
{
    return (struct start_page *)(void *)task->pages.view;
}

struct start_page *server_start_page(struct root *root, enum server which)
{
    return start_of(&root->tasks[which]);
}

static void start_page_fill(struct root *root, enum server which)
{
    struct task *task = &root->tasks[which];
    struct start_writer writer;
    start_begin(&writer, start_of(task), task->pages.bytes);
    start_string(&writer, &writer.page->name, plan[which].member, (uint32_t)text_length(plan[which].member));
    start_string(&writer, &writer.page->arguments, plan[which].member, (uint32_t)text_length(plan[which].member));
    writer.page->timer_hz = root->boot->timer_hz;
    writer.page->timer_multiplier = root->boot->timer_multiplier;
    writer.page->timer_shift = root->boot->timer_shift;
    writer.page->boot_ticks = root->boot->entry_ticks;
    writer.page->start_ticks = clock_ticks();
    writer.page->stack_bytes = task->stack.bytes;
}

static void member_find(struct root *root, const char *name, struct archive_member *member)
{
    if (!archive_find(&root->archive, name, member))
        root_fail(root, "root: the archive has no member '%s'\n", name);
}

/* Everything of a server but the capabilities of its own. */
struct task *server_make(struct root *root, enum server which, uint64_t stack_bytes)
{
    const char *name = plan[which].member;
    struct task *task = &root->tasks[which];
    struct archive_member member;
    struct image image;
    size_t where = 0;
    member_find(root, name, &member);
    enum image_error error = image_check_elf(member.data, member.bytes, IMAGE_MACHINE, &image, &where);
    if (error != IMAGE_OK)
        root_fail(root, "root: server '%s': %s at byte %lu\n", name, image_error_text(error), where);
    for (uint32_t i = 0; i < image.segment_count; i++)
        if (image.segments[i].access & IMAGE_EXECUTE)
            archive_sync_code(&root->archive_map, member.offset + image.segments[i].file_offset,
                              image.segments[i].file_bytes);
    if (which != SERVER_PROCESS && !task_create(task, &root->pool))
        root_fail(root, "root: server '%s': no memory for its objects\n", name);
    struct task_options options = {
        .entry = image.entry,
        .stack_bytes = stack_bytes,
        .start_bytes = PAGE_BYTES,
        .fault_endpoint = supervise_fault_endpoint(root, which),
        .authority = ROOT_TCB,
        .sched_control = ROOT_SCHED_CONTROL,
        .priority = plan[which].priority,
        .budget_ns = 10000000,
        .period_ns = 10000000,
        .is_bound = which == SERVER_PROCESS,
    };
    if (!task_load(task, &root->archive_map, member.offset, &image, NULL) ||
        !task_prepare(task, &options, server_buffer()))
        root_fail(root, "root: server '%s': cannot build its address space\n", name);
    start_page_fill(root, which);
    return task;
}

void server_grant(struct root *root, enum server which, cptr index, cptr slot, uint32_t rights, uint64_t badge)
{
    if (!task_grant(&root->tasks[which], index, slot, rights, badge))
        root_fail(root, "root: server '%s': cannot grant capability %u\n", plan[which].member, index);
}

/* What every server has: a notification, and the root task to call. */
static void grant_common(struct root *root, enum server which, cptr notification)
{
    server_grant(root, which, PROCESS_CAP_SERVER, root->endpoint, RIGHT_CALL, BADGE_SERVER(which));
    server_grant(root, which, PROCESS_CAP_NOTIFICATION, notification, RIGHT_RECV, 0);
}

void server_run(struct root *root, enum server which)
{
    if (!task_start(&root->tasks[which]))
        root_fail(root, "root: server '%s' does not start\n", plan[which].member);
}

/* ---- what outlives the servers ------------------------------------------------------------------------------- */

static struct {
    struct memory uart_region, console_state;
    cptr uart_notification, uart_irq, uart_ports;
    cptr console_endpoint, console_notification, console_reply;
    cptr tracer_endpoint, tracer_reply;
} kept;

static void uart_keep(struct root *root)
{
    const struct boot_info *boot = root->boot;
    cptr signal = root_slot(root);
    kept.uart_irq = root_slot(root);
    kept.uart_notification = root_object(root, OBJECT_NOTIFICATION, 0);
    if (boot->uart_kind == BOOT_UART_16550_PORT) {
        kept.uart_ports = root_slot(root);
        if (io_port_control_issue(ROOT_IO_PORT_CONTROL, boot->uart_address, boot->uart_address + 7, ROOT_CNODE,
                                  kept.uart_ports) != ERROR_NONE)
            root_fail(root, "root: no ports for the UART driver\n");
    }
    if (irq_control_get(ROOT_IRQ_CONTROL, boot->uart_interrupt, boot->uart_interrupt_flags, ROOT_CNODE,
                        kept.uart_irq) != ERROR_NONE ||
        cnode_mint(ROOT_CNODE, signal, ROOT_CNODE, kept.uart_notification, RIGHT_ALL, UART_SIGNAL_IRQ) != ERROR_NONE ||
        irq_handler_set_notification(kept.uart_irq, signal) != ERROR_NONE)
        root_fail(root, "root: no interrupt for the UART driver\n");
}

static void servers_keep(struct root *root)
{
    uart_keep(root);
    kept.console_endpoint = root_object(root, OBJECT_ENDPOINT, 0);
    kept.console_notification = root_object(root, OBJECT_NOTIFICATION, 0);
    kept.console_reply = root_object(root, OBJECT_REPLY, 0);
    kept.tracer_endpoint = root_object(root, OBJECT_ENDPOINT, 0);
    kept.tracer_reply = root_object(root, OBJECT_REPLY, 0);
    if (!memory_take(&root->pool, UART_REGION_BYTES, &kept.uart_region) ||
        !memory_take(&root->pool, CONSOLE_STATE_BYTES, &kept.console_state))
        root_fail(root, "root: no memory for console and UART driver\n");
}

/* ---- UART driver and console --------------------------------------------------------------------------------- */

static void memory_show(struct root *root, enum server which, const struct memory *memory, uint64_t address)
{
    cptr slot;
    if (!task_map(&root->tasks[which], memory->frame, memory->first, memory->bytes, address, RIGHT_READ | RIGHT_WRITE,
                  &slot))
        root_fail(root, "root: server '%s': cannot map what it needs\n", plan[which].member);
}

static void uart_start_server(struct root *root)
{
    const struct boot_info *boot = root->boot;
    struct start_page *start = start_of(server_make(root, SERVER_UART, SERVER_STACK_BYTES));
    cptr frame = early_uart_frame(), slot;
    start->words[UART_WORD_REGION] = REGION_ADDRESS;
    start->words[UART_WORD_KIND] = boot->uart_kind;
    start->words[UART_WORD_BASE] = boot->uart_address;
    if (kept.uart_ports) {
        server_grant(root, SERVER_UART, UART_CAP_PORT, kept.uart_ports, RIGHT_ALL, 0);
    } else if (boot->uart_kind != BOOT_UART_NONE) {
        if (!task_map_device(&root->tasks[SERVER_UART], frame, DEVICE_ADDRESS, &slot))
            root_fail(root, "root: no registers for the UART driver\n");
        start->words[UART_WORD_BASE] = DEVICE_ADDRESS + boot->uart_address % PAGE_BYTES;
    }
    memory_show(root, SERVER_UART, &kept.uart_region, REGION_ADDRESS);
    grant_common(root, SERVER_UART, kept.uart_notification);
    server_grant(root, SERVER_UART, UART_CAP_IRQ, kept.uart_irq, RIGHT_ALL, 0);
    server_grant(root, SERVER_UART, UART_CAP_CONSOLE_SIGNAL, kept.console_notification, RIGHT_SEND,
                 CONSOLE_SIGNAL_UART);
    server_grant(root, SERVER_UART, UART_CAP_CONSOLE_INPUT, kept.console_notification, RIGHT_SEND,
                 CONSOLE_SIGNAL_INPUT);
    server_run(root, SERVER_UART);
}

/* Where it tells of input: the process server's notification, once that is there. */
static void console_connect(struct root *root)
{
    cptr notification = root->tasks[SERVER_PROCESS].notification;
    if (notification)
        server_grant(root, SERVER_CONSOLE, CONSOLE_CAP_INPUT_SIGNAL, notification, RIGHT_SEND, SERVER_SIGNAL_INPUT);
}

/* The UART driver's, or those of the driver of the console's own line. */
static void console_line(struct root *root)
{
    cptr line_signal, slot, line = driver_line(&line_signal);
    if (line && !task_map(&root->tasks[SERVER_CONSOLE], line, 0, UART_REGION_BYTES, REGION_ADDRESS,
                          RIGHT_READ | RIGHT_WRITE, &slot))
        root_fail(root, "root: server 'console': cannot map what it needs\n");
    if (!line)
        memory_show(root, SERVER_CONSOLE, &kept.uart_region, REGION_ADDRESS);
    server_grant(root, SERVER_CONSOLE, CONSOLE_CAP_UART_SIGNAL, line ? line_signal : kept.uart_notification, RIGHT_SEND,
                 line ? 0 : UART_SIGNAL_CONSOLE);
}

static void console_start(struct root *root)
{
    struct task *console = server_make(root, SERVER_CONSOLE, SERVER_STACK_BYTES);
    struct start_page *start = start_of(console);
    start->words[CONSOLE_WORD_REGION] = REGION_ADDRESS;
    start->words[CONSOLE_WORD_STATE] = STATE_ADDRESS;
    start->words[CONSOLE_WORD_FRAMED] = root->system->flags & SYSTEM_FRAMED;
    memory_show(root, SERVER_CONSOLE, &kept.console_state, STATE_ADDRESS);
    grant_common(root, SERVER_CONSOLE, kept.console_notification);
    console_line(root);
    server_grant(root, SERVER_CONSOLE, CONSOLE_CAP_ENDPOINT, kept.console_endpoint, RIGHT_RECV, 0);
    server_grant(root, SERVER_CONSOLE, CONSOLE_CAP_REPLY, kept.console_reply, RIGHT_ALL, 0);
    console_connect(root);
    if (tcb_bind_notification(console->tcb, kept.console_notification) != ERROR_NONE)
        root_fail(root, "root: the console gets no signals\n");
    server_run(root, SERVER_CONSOLE);
}

/* ---- tracer and process server ------------------------------------------------------------------------------- */

/* Where the server sees it. */
static uint64_t archive_show(struct root *root, enum server which)
{
    const struct archive_map *archive = &root->archive_map;
    uint64_t address = archive_place(archive, 0, ARCHIVE_ADDRESS);
    if (!task_map_archive(&root->tasks[which], archive, 0, archive->bytes, address, RIGHT_READ))
        root_fail(root, "root: cannot show the archive to the server '%s'\n", plan[which].member);
    return address;
}

static void tracer_start(struct root *root)
{
    struct task *tracer = server_make(root, SERVER_TRACER, SERVER_STACK_BYTES);
    start_of(tracer)->words[TRACER_WORD_ARCHIVE] = archive_show(root, SERVER_TRACER);
    start_of(tracer)->words[TRACER_WORD_ARCHIVE_BYTES] = root->archive_map.bytes;
    grant_common(root, SERVER_TRACER, tracer->notification);
    server_grant(root, SERVER_TRACER, PROCESS_CAP_CONSOLE, kept.console_endpoint, RIGHT_CALL, 0);
    server_grant(root, SERVER_TRACER, TRACER_CAP_ENDPOINT, kept.tracer_endpoint, RIGHT_RECV, 0);
    server_grant(root, SERVER_TRACER, TRACER_CAP_REPLY, kept.tracer_reply, RIGHT_ALL, 0);
    server_run(root, SERVER_TRACER);
}

/* A CNode large enough for thousands of processes' capabilities, in the place of the small one. */
static void process_cnode(struct root *root, struct task *task)
{
    cptr untyped, slot = root_slot(root);
    if (!task_create(task, &root->pool) ||
        !pool_untyped_take(&root->pool, PROCESS_SERVER_CNODE_BITS + OBJECT_BITS_CNODE_SLOT, &untyped) ||
        untyped_retype_all(untyped, OBJECT_CNODE, PROCESS_SERVER_CNODE_BITS, ROOT_CNODE, slot, 1) != ERROR_NONE)
        root_fail(root, "root: no memory for the process server's capabilities\n");
    task->cnode = slot;
    task->cnode_bits = PROCESS_SERVER_CNODE_BITS;
}

/* All memory that is left, and the archive: slots from SERVER_CAP_UNTYPEDS on, described in a table. */
static void process_grant_memory(struct root *root, struct task *task, struct server_memory *table, uint32_t capacity)
{
    uint32_t count = 0, frames = root->archive_map.frame_count;
    cptr slot;
    uint64_t address;
    uint32_t bits;
    while (count < capacity - frames && pool_largest_take(&root->pool, &slot, &address, &bits)) {
        server_grant(root, SERVER_PROCESS, SERVER_CAP_UNTYPEDS + count, slot, RIGHT_ALL, 0);
        table[count++] = (struct server_memory){address, bits};
    }
    start_of(task)->words[SERVER_WORD_UNTYPEDS] = count;
    for (uint32_t i = 0; i < frames; i++) {
        const struct archive_frame *frame = &root->archive_map.frames[i];
        server_grant(root, SERVER_PROCESS, SERVER_CAP_UNTYPEDS + count, frame->frame, RIGHT_ALL, 0);
        table[count++] = (struct server_memory){frame->address, frame->bits};
    }
    start_of(task)->words[SERVER_WORD_ARCHIVE_FRAMES] = frames;
    start_of(task)->words[SERVER_WORD_EMPTY] = SERVER_CAP_UNTYPEDS + count;
}

static void process_start(struct root *root)
{
    struct task *task = &root->tasks[SERVER_PROCESS];
    struct memory table;
    process_cnode(root, task);
    (void)server_make(root, SERVER_PROCESS, PROCESS_STACK_BYTES);
    struct start_page *start = start_of(task);
    if (!task_memory(task, 2 * PAGE_BYTES, TABLE_ADDRESS, RIGHT_READ, &table))
        root_fail(root, "root: no memory for what the process server is told\n");
    start->words[SERVER_WORD_ARCHIVE] = archive_show(root, SERVER_PROCESS);
    start->words[SERVER_WORD_ARCHIVE_BYTES] = root->archive_map.bytes;
    start->words[SERVER_WORD_ARCHIVE_ADDRESS] = root->archive_map.address;
    start->words[SERVER_WORD_TABLE] = TABLE_ADDRESS;
    start->realtime_ns = root->realtime_ns;
    memcpy(start->seed, root->boot->random_seed, sizeof(start->seed));
    uint64_t any = root->boot->random_seed[0] | root->boot->random_seed[1];
    start->flags = any ? START_SEED_VALID : 0;

    grant_common(root, SERVER_PROCESS, task->notification);
    server_grant(root, SERVER_PROCESS, PROCESS_CAP_CONSOLE, kept.console_endpoint, RIGHT_CALL, 0);
    server_grant(root, SERVER_PROCESS, SERVER_CAP_CONSOLE_MINT, kept.console_endpoint, RIGHT_CALL, 0);
    server_grant(root, SERVER_PROCESS, SERVER_CAP_CNODE, task->cnode, RIGHT_ALL, 0);
    server_grant(root, SERVER_PROCESS, SERVER_CAP_TCB, task->tcb, RIGHT_ALL, 0);
    server_grant(root, SERVER_PROCESS, SERVER_CAP_VSPACE, task->vspace, RIGHT_ALL, 0);
    server_grant(root, SERVER_PROCESS, SERVER_CAP_SCHED_CONTROL, ROOT_SCHED_CONTROL, RIGHT_ALL, 0);
    server_grant(root, SERVER_PROCESS, SERVER_CAP_NOTIFICATION, task->notification, RIGHT_ALL, 0);
    server_grant(root, SERVER_PROCESS, SERVER_CAP_SCHED_CONTEXT, task->sched_context, RIGHT_ALL, 0);
    server_grant(root, SERVER_PROCESS, SERVER_CAP_ENDPOINT, root_object(root, OBJECT_ENDPOINT, 0), RIGHT_ALL, 0);
    console_connect(root);
    server_grant(root, SERVER_PROCESS, SERVER_CAP_TRACER, kept.tracer_endpoint, RIGHT_CALL, 0);
    server_grant(root, SERVER_PROCESS, SERVER_CAP_REPLY, root_object(root, OBJECT_REPLY, 0), RIGHT_ALL, 0);
    if (tcb_set_sched_params(task->tcb, ROOT_TCB, plan[SERVER_PROCESS].priority - 10, plan[SERVER_PROCESS].priority,
                             task->sched_context) != ERROR_NONE)
        root_fail(root, "root: no priorities for the process server\n");
    server_grant(root, SERVER_PROCESS, SERVER_CAP_FAULT, supervise_fault_endpoint(root, SERVER_PROCESS),
                 RIGHT_CALL | RIGHT_GRANT, 0);
    drivers_grant(root);
    process_grant_memory(root, task, (struct server_memory *)(void *)table.view,
                         2 * PAGE_BYTES / sizeof(struct server_memory));
    server_run(root, SERVER_PROCESS);
}

/* ---- all of them --------------------------------------------------------------------------------------------- */

void server_unmake(struct root *root, enum server which)
{
    if (which >= SERVER_FIRST_DRIVER)
        driver_silence(root, which);
    for (enum server driver = SERVER_FIRST_DRIVER; which == SERVER_PCI && driver < SERVER_COUNT; driver++)
        task_destroy(&root->tasks[driver]); /* what they hold is its to give */
    task_destroy(&root->tasks[which]);
}

void server_start(struct root *root, enum server which)
{
    switch (which) {
    case SERVER_UART:
        uart_start_server(root);
        return;
    case SERVER_CONSOLE:
        console_start(root);
        return;
    case SERVER_TRACER:
        tracer_start(root);
        return;
    case SERVER_PROCESS:
        process_start(root);
        return;
    case SERVER_PCI:
        pci_start(root);
        for (enum server driver = SERVER_FIRST_DRIVER; driver < SERVER_COUNT; driver++)
            driver_start(root, driver);
        return;
    default:
        driver_start(root, which);
    }
}

void servers_start(struct root *root)
{
    cptr line_signal;
    servers_keep(root);
    server_start(root, SERVER_UART);
    server_start(root, SERVER_CONSOLE);
    console_use(root, supervise_cap(root, kept.console_endpoint));
    server_start(root, SERVER_TRACER);
    drivers_start(root, kept.console_endpoint, kept.console_notification);
    if (driver_line(&line_signal)) { /* from now on it speaks there */
        server_unmake(root, SERVER_CONSOLE);
        server_start(root, SERVER_CONSOLE);
    }
    server_start(root, SERVER_PROCESS);
}
