/* The model machine. See model.h. */
#include "check.h"

#include <arch/machine.h>
#include <arch/mmu.h>
#include <arch/timer.h>
#include <ipc/fastpath.h>
#include <kernel/lookup.h>
#include <kernel/object.h>
#include <sched/core_block.h>

char *model_memory;
word model_tls, model_fpu;
bool model_fpu_on, model_has_1g, model_tables_changed;
struct debug_state *model_debug;
uint64_t model_now, model_deadline;
struct arch_space *model_space;
unsigned model_publishes, model_tlb_pages, model_tlb_spaces, model_tlb_alls;
jmp_buf model_end;
int model_status;
char model_output[8192];
struct platform model_platform;
static size_t output_length;
static struct arch_space empty_space = {.is_live = 1};
static cptr next_slot;

#define ARCHIVE_ADDRESS 0x1000000ul
#define SMALL_ADDRESS   0x300000ul
#define SMALL_BYTES     0x200000ul

bool model_is_small;

/* --- the arch contract --- */

void arch_context_init(struct arch_context *c)
{
    *c = (struct arch_context){0};
}
void arch_context_init_idle(struct arch_context *c)
{
    *c = (struct arch_context){0};
}
unsigned arch_context_read(const struct arch_context *c, word *registers)
{
    const word all[] = {c->pc,    c->sp,    c->flags, c->number_status, c->destination_badge,
                        c->info,  c->mr[0], c->mr[1], c->mr[2],         c->mr[3],
                        c->mr[4], c->mr[5], c->mr[6], c->mr[7],         0,
                        0,        0,        0,        c->tls,           0};
    memcpy(registers, all, sizeof(all));
    return sizeof(all) / sizeof(word);
}
void arch_context_write(struct arch_context *c, const word *registers, unsigned count)
{
    word all[ARCH_USER_REGISTERS_MAX];
    unsigned total = arch_context_read(c, all);
    for (unsigned i = 0; i < count && i < total; i++)
        all[i] = registers[i];
    c->pc = all[0];
    c->sp = all[1];
    c->flags = all[2] & 0xff;
    c->number_status = all[3];
    c->destination_badge = all[4];
    c->info = all[5];
    memcpy(c->mr, all + 6, sizeof(c->mr));
    c->tls = all[18];
}
void arch_fpu_save(struct arch_fpu *fpu)
{
    CHECK(model_fpu_on);
    fpu->live = model_fpu;
}
void arch_fpu_restore(const struct arch_fpu *fpu)
{
    CHECK(model_fpu_on);
    model_fpu = fpu->live;
}
unsigned arch_breakpoint_count(void)
{
    return ARCH_BREAKPOINTS_MAX;
}
word arch_breakpoint_kinds(unsigned number)
{
    return number < 2 ? 1u << BREAKPOINT_EXECUTE : 1u << BREAKPOINT_WRITE | 1u << BREAKPOINT_READ_WRITE;
}
void arch_debug_load(struct core *core, struct debug_state *state, struct arch_context *c)
{
    (void)core, (void)c;
    model_debug = state;
}
void arch_debug_step(struct arch_context *c, bool on)
{
    c->is_stepping = on;
}
void arch_space_init(struct arch_space *space, arch_entry *root)
{
    (void)root;
    space->is_live = 1;
}
void arch_space_release(struct arch_space *space)
{
    CHECK(space->is_live && model_space != space);
    space->is_live = 0;
    space->releases++;
    check_tlb_release(space);
}
struct arch_space *arch_space_empty(void)
{
    return &empty_space;
}
void arch_tlb_page(struct arch_space *space, vaddr address)
{
    CHECK(space->is_live);
    model_tlb_pages++;
    check_tlb_page(space, address);
}
void arch_tlb_space(struct arch_space *space)
{
    CHECK(space->is_live);
    model_tlb_spaces++;
    check_tlb_space(space);
}
void arch_tlb_all(void)
{
    model_tlb_alls++;
    check_tlb_all();
}
void arch_timer_set(struct core *core, uint64_t deadline)
{
    (void)core;
    model_deadline = deadline;
}
void arch_console_put(char c)
{
    if (output_length + 1 < sizeof(model_output))
        model_output[output_length++] = c;
    model_output[output_length] = 0;
}
_Noreturn void arch_power_off(unsigned status)
{
    model_status = (int)status;
    longjmp(model_end, 1);
}
_Noreturn void arch_power_reset(void)
{
    model_status = -1;
    longjmp(model_end, 1);
}
void arch_cache_clean(const void *start, size_t bytes)
{
    CHECK((const char *)start >= model_memory && (const char *)start + bytes <= model_memory + MODEL_MEMORY_BYTES);
}
void arch_cache_sync_code(const void *start, size_t bytes)
{
    arch_cache_clean(start, bytes);
}
enum error arch_port_in(uint16_t port, unsigned bytes, uint32_t *value)
{
    *value = port + bytes;
    return ERROR_NONE;
}
enum error arch_port_out(uint16_t port, unsigned bytes, uint32_t value)
{
    (void)port, (void)bytes, (void)value;
    return ERROR_NONE;
}
bool arch_has_ports(void)
{
    return true;
}
void arch_random(uint64_t seed[4])
{
    memset(seed, 0, 32);
}

/* --- booting --- */

void model_start(void)
{
    if (!model_memory)
        model_memory = aligned_alloc(MODEL_MEMORY_BYTES, MODEL_MEMORY_BYTES);
    memset(model_memory, 0xa5, MODEL_MEMORY_BYTES); /* memory comes dirty */
    memset(&kernel, 0, sizeof(kernel));
    memset(kernel_cores, 0, sizeof(kernel_cores));
    model_now = 1000;
    model_deadline = UINT64_MAX;
    model_irq_reset();
    model_space = &empty_space;
    check_spaces_reset();
    check_time_reset();
    model_fpu_on = true;
    model_debug = NULL;
    output_length = 0;
    model_output[0] = 0;
    model_platform = (struct platform){.name = "model"};
    model_platform.boot_info.timer_hz = 1000000000;
    model_platform.boot_info.timer_multiplier = 1;
    if (model_is_small)
        ranges_add(&model_platform.ram, SMALL_ADDRESS, SMALL_ADDRESS + SMALL_BYTES);
    else
        ranges_add(&model_platform.ram, 0x1000, MODEL_MEMORY_BYTES);
    ranges_add(&model_platform.reserved, 0x100000, 0x200000);
    ranges_add(&model_platform.device, 0x100000000, model_is_small ? 0x100400000 : 0x100010000);
}

struct model_snapshot {
    struct kernel_state kernel;
    struct core_block cores[CORE_COUNT_MAX];
    char memory[SMALL_BYTES];
    word tls, fpu;
    bool fpu_on;
    uint64_t now, deadline;
    struct arch_space *space;
    struct debug_state *debug;
    struct model_irqs irqs;
};

struct model_snapshot *model_snapshot_take(void)
{
    struct model_snapshot *s = malloc(sizeof(*s));
    CHECK(model_is_small && s);
    memcpy(s->memory, model_memory + SMALL_ADDRESS, SMALL_BYTES);
    s->kernel = kernel;
    memcpy(s->cores, kernel_cores, sizeof(kernel_cores));
    s->tls = model_tls, s->fpu = model_fpu, s->fpu_on = model_fpu_on;
    s->now = model_now, s->deadline = model_deadline;
    s->space = model_space;
    s->debug = model_debug;
    s->irqs = model_irqs;
    return s;
}

void model_snapshot_restore(const struct model_snapshot *s)
{
    model_now = s->now;
    memcpy(model_memory + SMALL_ADDRESS, s->memory, SMALL_BYTES);
    kernel = s->kernel;
    memcpy(kernel_cores, s->cores, sizeof(kernel_cores));
    model_tls = s->tls, model_fpu = s->fpu, model_fpu_on = s->fpu_on;
    model_deadline = s->deadline;
    model_space = s->space;
    model_debug = s->debug;
    model_irq_reset();
    model_irqs = s->irqs;
    check_spaces_reset();
    check_time_reset();
}

cptr model_slots_end(void)
{
    return next_slot;
}

void model_archive(const void *archive, size_t bytes)
{
    paddr address = model_is_small ? SMALL_ADDRESS : ARCHIVE_ADDRESS;
    memcpy(model_memory + address, archive, bytes);
    model_platform.archive = (struct range){address, address + bytes};
}

void model_boot(const char *archive_path)
{
    static char buffer[1 << 20];
    FILE *file = fopen(archive_path, "rb");
    if (!file) {
        perror(archive_path);
        exit(2);
    }
    size_t bytes = fread(buffer, 1, sizeof(buffer), file);
    fclose(file);
    model_start();
    model_archive(buffer, bytes);
    if (setjmp(model_end)) {
        fprintf(stderr, "the kernel ended: %s", model_output);
        exit(1);
    }
    kernel_boot(&kernel_cores[0].core, &model_platform);
    next_slot = model_boot_info()->empty_first;
    model_check();
}

struct core *model_core(void)
{
    return &kernel_cores[0].core;
}
struct tcb *model_current(void)
{
    return kernel_cores[0].core.current;
}

static struct tcb *root_task(void)
{
    static struct tcb *root;
    if (kernel_cores[0].core.current->context.argument != 0)
        root = kernel_cores[0].core.current;
    return root;
}

struct slot *model_slot(cptr address)
{
    struct slot *slot;
    OK(lookup_slot(tcb_cspace(root_task()), address, &slot));
    return slot;
}
void *model_object(cptr address)
{
    CHECK(!slot_is_empty(model_slot(address)));
    return cap_object(model_slot(address)->cap);
}
struct tcb *model_tcb(cptr address)
{
    CHECK(cap_type(model_slot(address)->cap) == OBJECT_TCB);
    return model_object(address);
}
const struct boot_info *model_boot_info(void)
{
    return paddr_to_kernel(cap_frame_address(model_slot(ROOT_BOOT_INFO)->cap));
}
struct ipc_buffer *model_buffer(const struct tcb *tcb)
{
    return tcb->buffer;
}

/* --- driving --- */

word model_words[MESSAGE_REGISTERS];
jmp_buf model_way_out;
struct slot *model_invoked;
struct tcb *model_to;
word model_number;
bool model_fastpath_is_off;

struct slot *model_look_up(cptr address)
{
    const struct tcb *tcb = model_core()->current;
    struct slot *slot;
    if (address < tcb->cspace_count)
        return &tcb->cspace_slots[address];
    if (lookup_slot(tcb_cspace(tcb), address, &slot) != ERROR_NONE)
        arch_fastpath_abandon();
    return slot;
}

/* A SCHED_CONTROL_CONFIGURE is about to be made: the context's budget is about to be full. */
static void note_configuration(const struct tcb *tcb)
{
    struct slot *control, *context;
    if (message_info_label(tcb->context.info) == SCHED_CONTROL_CONFIGURE &&
        lookup_cap(tcb_cspace(tcb), (cptr)tcb->context.destination_badge, &control) == ERROR_NONE &&
        cap_type(control->cap) == OBJECT_SCHED_CONTROL &&
        lookup_cap(tcb_cspace(tcb), (cptr)tcb->context.mr[0], &context) == ERROR_NONE &&
        cap_type(context->cap) == OBJECT_SCHED_CONTEXT)
        check_time_configured(cap_object(context->cap));
}

void model_system_call(struct core *core, word number)
{
    static void (*const ways[SYSCALL_COUNT])(void) = {
        [SYSCALL_CALL] = fastpath_call,     [SYSCALL_REPLY_RECV] = fastpath_reply_receive,
        [SYSCALL_SEND] = fastpath_send,     [SYSCALL_NBSEND] = fastpath_send,
        [SYSCALL_RECV] = fastpath_wait,     [SYSCALL_WAIT] = fastpath_wait,
        [SYSCALL_NBWAIT] = fastpath_nbwait, [SYSCALL_YIELD] = fastpath_yield,
    };
    model_number = number;
    note_configuration(core->current);
    memcpy(model_words, core->current->context.mr, sizeof(model_words));
    switch (setjmp(model_way_out)) {
    case 0:
        if (!model_fastpath_is_off && number < SYSCALL_COUNT && ways[number])
            ways[number]();
        __attribute__((fallthrough));
    case MODEL_ABANDON:
        memcpy(core->current->context.mr, model_words, sizeof(model_words));
        kernel_syscall(core, number);
        break;
    case MODEL_INVOKE:
        memcpy(core->current->context.mr, model_words, sizeof(model_words));
        kernel_invoke(core, model_invoked);
        break;
    case MODEL_LEAVE:
        break;
    default:
        fastpath_switch(core, model_to);
        break;
    }
}

enum error syscall_trap(enum syscall number, word *destination, struct message *m)
{
    struct core *core = model_core();
    struct tcb *caller = core->current;
    CHECK(caller != core->idle);
    struct arch_context *c = &caller->context;
    unsigned repeats = 0;
    bool waits = model_interrupt_waits;
    unsigned patience = model_patience;
    word pc = c->pc;
    c->pc += MODEL_TRAP_BYTES;
    c->destination_badge = *destination;
    c->number_status = number;
    c->info = m->info;
    memcpy(c->mr, m->words, sizeof(c->mr));
    model_system_call(core, number);
    /* Preempted: as a machine would, take the interrupt and execute the trap instruction again. */
    while (core->current == caller && c->pc == pc && caller->state == THREAD_RUNNING) {
        CHECK(waits && ++repeats < 1000000);
        model_check();
        model_patience = patience;
        c->pc += MODEL_TRAP_BYTES;
        model_system_call(core, number);
    }
    model_check();
    if (core->current != caller || caller->state != THREAD_RUNNING)
        return MODEL_SWITCHED;
    *destination = c->destination_badge;
    m->info = c->info;
    memcpy(m->words, c->mr, sizeof(c->mr));
    return (enum error)c->number_status;
}

void model_timer(uint64_t limit)
{
    uint64_t end = model_now + limit;
    if (model_deadline > end) {
        model_now = end;
        return;
    }
    if (model_deadline > model_now)
        model_now = model_deadline;
    model_deadline = UINT64_MAX;
    kernel_timer(model_core());
    model_check();
}

void model_fault(enum fault kind, word w2, word w3, word w4)
{
    kernel_fault(model_core(), kind, w2, w3, w4);
    model_check();
}

void model_debug_exception(enum debug_reason reason, word address, word number)
{
    kernel_debug(model_core(), reason, address, number);
    model_check();
}

/* --- conveniences --- */

void model_invoke_once(cptr object, word label, unsigned length, const word *words)
{
    struct arch_context *c = &model_core()->current->context;
    word pc = c->pc;
    c->pc += MODEL_TRAP_BYTES;
    c->destination_badge = object;
    c->info = message_info(label, 0, length);
    for (unsigned i = 0; i < length; i++)
        c->mr[i] = words[i];
    model_interrupt_waits = true;
    model_patience = 0;
    c->number_status = SYSCALL_CALL;
    model_system_call(model_core(), SYSCALL_CALL);
    model_interrupt_waits = false;
    EQUAL(c->pc, pc); /* else it was not preempted, and the case shows nothing */
    model_check();
}

cptr new_slots(word count)
{
    cptr first = next_slot;
    next_slot += (cptr)count;
    return first;
}

cptr new_untyped(unsigned bits)
{
    const struct boot_info *info = model_boot_info();
    for (uint32_t i = 0; i < info->untyped_count; i++) {
        struct untyped_description d;
        cptr slot = next_slot;
        if (info->untypeds[i].kind != BOOT_UNTYPED_MEMORY)
            continue;
        OK(untyped_describe(info->untyped_first + i, &d));
        if (d.free_bytes >= 2ul << bits &&
            untyped_retype_all(info->untyped_first + i, OBJECT_UNTYPED, bits, ROOT_CNODE, slot, 1) == ERROR_NONE)
            return new_slots(1);
    }
    CHECK(!"memory for the test");
    return 0;
}

cptr new_objects(enum object_type type, word size_bits, word count)
{
    unsigned bits;
    OK(object_size(type, size_bits, &bits));
    unsigned total = bits;
    while (1ul << (total - bits) < count)
        total++;
    cptr untyped = new_untyped(total), first = new_slots(count);
    OK(untyped_retype_all(untyped, type, size_bits, ROOT_CNODE, first, count));
    return first;
}

cptr new_object(enum object_type type, word size_bits)
{
    return new_objects(type, size_bits, 1);
}

cptr new_thread(uint8_t priority, bool is_passive, cptr fault_endpoint)
{
    cptr tcb = new_object(OBJECT_TCB, 0), frame = new_object(OBJECT_FRAME, PAGE_BITS), sc = 0;
    OK(tcb_configure(tcb, ROOT_CNODE, ROOT_VSPACE, 0x400, frame, fault_endpoint));
    if (!is_passive) {
        sc = new_object(OBJECT_SCHED_CONTEXT, 0);
        OK(sched_control_configure(ROOT_SCHED_CONTROL, sc, 1000000, 1000000, 0, 0));
    }
    OK(tcb_set_sched_params(tcb, ROOT_TCB, 255, priority, sc));
    return tcb;
}
