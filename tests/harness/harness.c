/* The tools of harness.h. */
#include "harness.h"

#include <stdarg.h>

const struct boot_info *boot;
struct ipc_buffer *own_buffer;

extern char image_text[], image_rodata[], image_data[], image_end[];
void thread_entry(void);
_Noreturn void harness_start(const struct boot_info *info);
_Noreturn void thread_end(void);

static cptr uart; /* I/O port range or frame */
static volatile uint32_t *uart_registers;
static cptr next_slot; /* the next empty slot of the root CNode */
static cptr permanent; /* untypeds: the one for what stays, and the one of the current life */
static cptr current;
static cptr life; /* the untyped of the current life, and its size */
static word life_bits;
static cptr mark_slot;    /* next_slot at the last mark */
static word next_buffer;  /* pages of buffer address space in use */
static word next_address; /* where memory_new maps next */
static word mark_buffer, mark_address;
static cptr park;
static struct thread threads[HARNESS_THREADS];
static word thread_count, mark_thread;
static word piece_count, mark_piece;
static char stacks[HARNESS_THREADS][HARNESS_STACK_BYTES] __attribute__((aligned(16)));

#define BUFFER_BASE 0x20000000ul
#define MEMORY_BASE 0x30000000ul

/* --- output --- */

void put_char(char c)
{
    if (c == '\n')
        put_char('\r');
    if (boot->uart_kind == BOOT_UART_PL011) {
        while (uart_registers != NULL && (uart_registers[0x18 / 4] & 1 << 5) != 0) {
        }
        if (uart_registers != NULL)
            uart_registers[0] = (unsigned char)c;
    } else if (boot->uart_kind == BOOT_UART_16550_PORT) {
        word status = 0;
        do {
            (void)io_port_in(uart, boot->uart_address + 5, 1, &status);
        } while (uart != 0 && (status & 0x20) == 0);
        (void)io_port_out(uart, boot->uart_address, 1, (unsigned char)c);
    }
}

static void put_number(word value, unsigned base)
{
    char digits[24];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (count > 0)
        put_char(digits[--count]);
}

static void say_list(const char *format, va_list list)
{
    for (; *format != 0; format++) {
        if (*format != '%') {
            put_char(*format);
            continue;
        }
        format++;
        if (*format == 's') {
            for (const char *s = va_arg(list, const char *); *s != 0; s++)
                put_char(*s);
        } else if (*format == 'c') {
            put_char((char)va_arg(list, word));
        } else if (*format == 'u') {
            put_number(va_arg(list, word), 10);
        } else if (*format == 'x') {
            put_number(va_arg(list, word), 16);
        } else if (*format == 'd') {
            int64_t value = va_arg(list, int64_t);
            if (value < 0)
                put_char('-');
            put_number(value < 0 ? -(word)value : (word)value, 10);
        } else {
            put_char('%');
        }
    }
}

void say(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    say_list(format, list);
    va_end(list);
}

_Noreturn void finish(unsigned status)
{
    (void)power_off(ROOT_POWER_CONTROL, status);
    for (;;)
        syscall_yield();
}

_Noreturn void give_up(const char *what, word value)
{
    say("harness: %s (%u)\n", what, value);
    finish(2);
}

static void need(enum error error, const char *what)
{
    if (error != ERROR_NONE)
        give_up(what, error);
}

/* --- memory and slots --- */

cptr slots_new(word count)
{
    if (next_slot + count > boot->empty_end)
        give_up("the root CNode is full", count);
    cptr first = next_slot;
    next_slot += (cptr)count;
    return first;
}

cptr slot_new(void)
{
    return slots_new(1);
}

cptr objects_new(enum object_type type, word size_bits, word count)
{
    cptr first = slots_new(count);
    need(untyped_retype_all(current, type, size_bits, ROOT_CNODE, first, count), "an object could not be made");
    return first;
}

cptr object_new(enum object_type type, word size_bits)
{
    return objects_new(type, size_bits, 1);
}

cptr harness_untyped(void)
{
    return current;
}

cptr harness_use(cptr untyped)
{
    cptr before = current;
    current = untyped;
    return before;
}

void harness_mark(word bits)
{
    mark_slot = next_slot;
    mark_buffer = next_buffer;
    mark_address = next_address;
    mark_thread = thread_count;
    mark_piece = piece_count;
    /* One untyped serves every life: memory comes back to an untyped when its last child is gone, and the permanent one
     * always has some. */
    if (bits > life_bits) {
        current = permanent;
        life = object_new(OBJECT_UNTYPED, bits);
        life_bits = bits;
        mark_slot = next_slot;
    }
    current = life;
}

void harness_revoke(void)
{
    need(cnode_revoke(ROOT_CNODE, life), "revoking a test's memory failed");
}

void harness_release(void)
{
    harness_revoke();
    need(next_slot == mark_slot ? ERROR_NONE : cnode_delete_all(ROOT_CNODE, mark_slot, next_slot - mark_slot),
         "emptying a test's slots failed");
    next_slot = mark_slot;
    thread_count = mark_thread;
    piece_count = mark_piece;
    next_buffer = mark_buffer;
    next_address = mark_address;
    current = permanent;
}

static const struct boot_untyped *untyped_find(word address, unsigned kind, cptr *slot)
{
    for (uint32_t i = 0; i < boot->untyped_count; i++) {
        const struct boot_untyped *u = &boot->untypeds[i];
        if (u->kind == kind && address >= u->address && address - u->address < 1ul << u->size_bits) {
            *slot = boot->untyped_first + i;
            return u;
        }
    }
    return NULL;
}

/* What device memory was cut into, so that more pages can be had of the same untyped. The smallest piece that holds an
 * address is whole. */
static struct piece {
    word address, bits;
    cptr untyped;
} pieces[256];

static const struct piece *piece_find(word address)
{
    const struct piece *found = NULL;
    for (word i = 0; i < piece_count; i++)
        if (address - pieces[i].address < 1ul << pieces[i].bits && (found == NULL || pieces[i].bits < found->bits))
            found = &pieces[i];
    return found;
}

static void piece_add(word address, word bits, cptr untyped)
{
    if (piece_count == sizeof(pieces) / sizeof(pieces[0]))
        give_up("device memory is cut into too many pieces", piece_count);
    pieces[piece_count++] = (struct piece){address, bits, untyped};
}

/* Halves the untyped until one page is left that holds the address. */
cptr device_frame_new(word address)
{
    if (piece_find(address) == NULL) {
        cptr untyped;
        const struct boot_untyped *found = untyped_find(address, BOOT_UNTYPED_DEVICE, &untyped);
        if (found == NULL)
            give_up("no device memory at this address", address);
        piece_add(found->address, found->size_bits, untyped);
    }
    struct piece piece = *piece_find(address);
    while (piece.bits > PAGE_BITS) {
        cptr halves = slots_new(2);
        piece.bits--;
        need(untyped_retype_all(piece.untyped, OBJECT_UNTYPED, piece.bits, ROOT_CNODE, halves, 2),
             "halving device memory");
        piece_add(piece.address, piece.bits, halves);
        piece_add(piece.address + (1ul << piece.bits), piece.bits, halves + 1);
        piece = *piece_find(address);
    }
    cptr frame = slot_new();
    need(untyped_retype_all(piece.untyped, OBJECT_FRAME, PAGE_BITS, ROOT_CNODE, frame, 1), "a device frame");
    return frame;
}

word map_page(cptr vspace, cptr frame, word address, word rights, word attributes)
{
    for (;;) {
        struct message m = {0, {vspace, address, rights, attributes, 0, 0}};
        enum error error = invoke(frame, FRAME_MAP, 6, &m);
        if (error == ERROR_NONE)
            return m.words[0];
        if (error != ERROR_FAILED_LOOKUP)
            give_up("mapping a frame failed", error);
        word level = m.words[0];
        cptr table = object_new(OBJECT_PAGE_TABLE, 0);
        word reach = 1ul << (PAGE_BITS + 9 * level);
        need(page_table_map(table, vspace, address & ~(reach - 1), level, 0), "mapping a page table failed");
    }
}

void *memory_new(word bits, cptr *frame)
{
    cptr slot = object_new(OBJECT_FRAME, bits);
    word size = 1ul << bits;
    next_address = (next_address + size - 1) & ~(size - 1);
    void *address = (void *)next_address;
    next_address += size;
    /* An interrupt ends a call before all of it is mapped. */
    word done = map_page(ROOT_VSPACE, slot, (word)address, RIGHT_READ | RIGHT_WRITE, 0);
    for (word at = done; at < size; at += done)
        need(frame_map(slot, ROOT_VSPACE, (word)address + at, RIGHT_READ | RIGHT_WRITE, 0, at, size - at, &done, NULL),
             "mapping the rest of a frame failed");
    if (frame != NULL)
        *frame = slot;
    return address;
}

/* --- threads --- */

_Noreturn void thread_end(void)
{
    for (;;)
        (void)notification_wait(park);
}

static void registers_set(struct user_registers *r, word pc, word sp, word a0, word a1)
{
    for (size_t i = 0; i < USER_REGISTERS_WORDS; i++)
        ((word *)r)[i] = 0;
#if defined(__x86_64__)
    r->rip = pc;
    r->rsp = sp;
    r->rdi = a0;
    r->rsi = a1;
#else
    r->pc = pc;
    r->sp = sp;
    r->x[0] = a0;
    r->x[1] = a1;
#endif
}

void thread_aim(struct thread *thread, thread_function *function, word argument)
{
    struct user_registers registers;
    word stack = (word)stacks[thread->index] + HARNESS_STACK_BYTES;
    registers_set(&registers, (word)thread_entry, stack, (word)function, argument);
    need(tcb_write_registers(thread->tcb, false, own_buffer, &registers), "TCB_WRITE_REGISTERS");
}

/* Maps a copy of the frame in the root task's space as well. */
static void map_here(cptr frame, word address)
{
    cptr copy = slot_new();
    need(cnode_copy(ROOT_CNODE, copy, ROOT_CNODE, frame, RIGHT_ALL), "copying a frame capability");
    map_page(ROOT_VSPACE, copy, address, RIGHT_READ | RIGHT_WRITE, 0);
}

static struct thread *thread_make(cptr vspace, thread_function *function, word argument, word priority, cptr faults)
{
    if (thread_count == HARNESS_THREADS)
        give_up("too many threads", thread_count);
    word index = thread_count++;
    struct thread *t = &threads[index];
    t->index = index;
    t->vspace = vspace;
    t->tcb = object_new(OBJECT_TCB, 0);
    t->sched_context = object_new(OBJECT_SCHED_CONTEXT, 0);
    t->buffer_frame = object_new(OBJECT_FRAME, PAGE_BITS);
    t->buffer = (struct ipc_buffer *)(BUFFER_BASE + next_buffer++ * PAGE_BYTES);
    map_page(vspace, t->buffer_frame, (word)t->buffer, RIGHT_READ | RIGHT_WRITE, 0);
    if (vspace != ROOT_VSPACE)
        map_here(t->buffer_frame, (word)t->buffer);
    need(tcb_configure(t->tcb, ROOT_CNODE, vspace, (word)t->buffer, t->buffer_frame, faults), "TCB_CONFIGURE");
    need(sched_control_configure(ROOT_SCHED_CONTROL, t->sched_context, 10000000, 10000000, 0, 0), "SchedContext");
    need(tcb_set_sched_params(t->tcb, ROOT_TCB, 255, priority, t->sched_context), "TCB_SET_SCHED_PARAMS");
    thread_aim(t, function, argument);
    return t;
}

struct thread *thread_new(thread_function *function, word argument, word priority, cptr fault_endpoint)
{
    return thread_make(ROOT_VSPACE, function, argument, priority, fault_endpoint);
}

/* Copies [first, end) of our image into new memory of another space at the same addresses, page by page. */
static void image_copy(cptr vspace, const char *first, const char *end, word rights)
{
    static word window;
    if (window == 0) {
        window = next_address;
        next_address += PAGE_BYTES;
        mark_address = mark_address < next_address ? next_address : mark_address;
    }
    for (const char *page = first; page < end; page += PAGE_BYTES) {
        cptr frame = object_new(OBJECT_FRAME, PAGE_BITS), own = slot_new();
        need(cnode_copy(ROOT_CNODE, own, ROOT_CNODE, frame, RIGHT_ALL), "copying a frame capability");
        map_page(ROOT_VSPACE, own, window, RIGHT_READ | RIGHT_WRITE, 0);
        for (word i = 0; i < PAGE_BYTES / sizeof(word); i++)
            ((word *)window)[i] = ((const word *)page)[i];
        word done;
        if ((rights & RIGHT_EXEC) != 0)
            need(frame_sync_code(own, 0, PAGE_BYTES, &done), "FRAME_SYNC_CODE");
        need(cnode_delete(ROOT_CNODE, own), "unmapping the copy window");
        map_page(vspace, frame, (word)page, rights, 0);
    }
}

struct thread *process_new(thread_function *function, word argument, word priority, cptr fault_endpoint)
{
    cptr vspace = object_new(OBJECT_VSPACE, 0);
    image_copy(vspace, image_text, image_rodata, RIGHT_READ | RIGHT_EXEC);
    image_copy(vspace, image_rodata, image_data, RIGHT_READ);
    image_copy(vspace, image_data, image_end, RIGHT_READ | RIGHT_WRITE);
    return thread_make(vspace, function, argument, priority, fault_endpoint);
}

struct thread *thread_at(word index)
{
    return index < thread_count - mark_thread ? &threads[mark_thread + index] : NULL;
}

void thread_start(struct thread *thread)
{
    need(tcb_resume(thread->tcb), "TCB_RESUME");
}

void thread_make_passive(struct thread *thread)
{
    need(sched_context_unbind(thread->sched_context), "SCHED_CONTEXT_UNBIND");
}

enum error syscall_numbered(word number, word *destination, struct message *m)
{
    switch (number) {
    case SYSCALL_CALL:
        return syscall_trap(SYSCALL_CALL, destination, m);
    case SYSCALL_REPLY_RECV:
        return syscall_trap(SYSCALL_REPLY_RECV, destination, m);
    case SYSCALL_SEND:
        return syscall_trap(SYSCALL_SEND, destination, m);
    case SYSCALL_NBSEND:
        return syscall_trap(SYSCALL_NBSEND, destination, m);
    case SYSCALL_RECV:
        return syscall_trap(SYSCALL_RECV, destination, m);
    case SYSCALL_NBRECV:
        return syscall_trap(SYSCALL_NBRECV, destination, m);
    case SYSCALL_WAIT:
        return syscall_trap(SYSCALL_WAIT, destination, m);
    case SYSCALL_NBWAIT:
        return syscall_trap(SYSCALL_NBWAIT, destination, m);
    case SYSCALL_YIELD:
        return syscall_trap(SYSCALL_YIELD, destination, m);
    default:
        return syscall_trap((enum syscall)NO_SYSTEM_CALL, destination, m);
    }
}

void let_others_run(void)
{
    for (int i = 0; i < HARNESS_THREADS; i++)
        syscall_yield();
}

/* --- time --- */

word ticks_to_ns(word ticks)
{
    return (word)((unsigned __int128)ticks * boot->timer_multiplier >> boot->timer_shift);
}

word ns_to_ticks(word ns)
{
    return (word)((unsigned __int128)ns * boot->timer_hz / 1000000000u);
}

void spin_ns(word ns)
{
    word end = ticks_now() + ns_to_ticks(ns);
    while (ticks_now() < end) {
    }
}

/* --- start --- */

static void output_start(void)
{
    if (boot->uart_kind == BOOT_UART_16550_PORT) {
        cptr slot = slot_new();
        if (io_port_control_issue(ROOT_IO_PORT_CONTROL, boot->uart_address, boot->uart_address + 7, ROOT_CNODE, slot) ==
            ERROR_NONE)
            uart = slot;
    } else if (boot->uart_kind == BOOT_UART_PL011) {
        cptr frame = device_frame_new(boot->uart_address);
        map_page(ROOT_VSPACE, frame, HARNESS_MAP_BASE - PAGE_BYTES, RIGHT_READ | RIGHT_WRITE, ATTRIBUTE_UNCACHED);
        uart_registers = (volatile uint32_t *)(HARNESS_MAP_BASE - PAGE_BYTES + (boot->uart_address & (PAGE_BYTES - 1)));
    }
}

_Noreturn void harness_start(const struct boot_info *info)
{
    boot = info;
    own_buffer = (struct ipc_buffer *)boot->ipc_buffer;
    next_slot = boot->empty_first;
    next_address = MEMORY_BASE;
    word largest = 0;
    for (uint32_t i = 0; i < boot->untyped_count; i++) {
        const struct boot_untyped *u = &boot->untypeds[i];
        if (u->kind == BOOT_UNTYPED_MEMORY && u->size_bits > largest) {
            largest = u->size_bits;
            permanent = boot->untyped_first + i;
        }
    }
    current = permanent;
    output_start();
    if (boot->magic != BOOT_INFO_MAGIC)
        give_up("the boot information has no magic", boot->magic);
    park = object_new(OBJECT_NOTIFICATION, 0);
    finish((unsigned)main());
}
