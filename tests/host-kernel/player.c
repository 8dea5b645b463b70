/* The user half of the model. See player.h.
 *
 * A thread's program is the loop that tests/sequence/replay.c runs on the machine: take a step, make its system call,
 * record what came back. Here it is the pc that says where in it a thread is, so whatever the kernel does to a thread
 * (restart its call, stop it, send it elsewhere) has the same effect as there.
 */
#include "player.h"

#include <mm/vspace.h>
#include <sched/core_block.h>

#define CODE       0x10000000ul /* + actor << 12: */
#define CODE_NEXT  0x000        /* takes the next step */
#define CODE_TRAP  0x010        /* the system call */
#define CODE_AFTER (CODE_TRAP + MODEL_TRAP_BYTES)
#define CODE_TIME  0x040 /* lets time pass */
#define CODE_TOLD  0x050 /* a device has been told to interrupt or to be quiet */
#define CODE_FAULT 0x060 /* an instruction that faults, whenever it is executed */

#define STEP_TICKS 300 /* that a system call takes */

/* In the replayable world with time: what a step takes at most on a machine, and at least; and how far apart things
 * must be, so that they come in the same order there. */
#define TIMED_STEP_TICKS 8000
#define QUICK_STEP_TICKS 500
#define APART_TICKS      150000
#define STOP_NUMBER      201 /* the system call, which does not exist, of threads when there are no more steps */

#define FIRST_LINE 3 /* of the devices' */

static struct world world;
static cptr controller_timer, controller_signal;
static const struct arch_space *home; /* where the code is */

/* Worlds that are ready to begin. */
#define WORLD_KINDS 3
static struct {
    struct model_snapshot *snapshot;
    struct world world;
} beginnings[MODEL_CONTROLLERS][WORLD_KINDS];

static struct {
    struct play *play;
    struct sequence sequence;
    struct step steps[ACTORS];
    word until[ACTORS];        /* where CODE_TIME ends */
    uint64_t last, call_count; /* when something happened last */
    unsigned devices_raised;   /* a bit for each */
    unsigned device_later;     /* whose interrupt comes at the preemption point */
    bool is_over;
} player;

static cptr untyped_find(enum boot_untyped_kind kind, unsigned bits)
{
    const struct boot_info *info = model_boot_info();
    for (uint32_t i = 0; i < info->untyped_count; i++)
        if (info->untypeds[i].kind == kind && info->untypeds[i].size_bits == bits)
            return info->untyped_first + i;
    return 0;
}

static unsigned world_kind(bool is_replayable, bool has_time)
{
    return is_replayable + has_time;
}

static void world_prepare(enum model_controller controller, bool is_replayable, bool has_time,
                          const struct model_snapshot *before)
{
    model_snapshot_restore(before);
    model_controller = controller;
    world.is_replayable = is_replayable;
    world.has_time = has_time;
    world.now = model_now;
    world.time_ticks = SEQUENCE_TIME_NS;
    world.lines[DEVICE_MESSAGE] = controller == MODEL_IO_APIC        ? LINE_BY_MESSAGE
                                  : controller == MODEL_GIC_MESSAGES ? FIRST_LINE + DEVICE_MESSAGE
                                                                     : LINE_NONE;
    const char *failed = world_build(&world);
    if (failed) {
        fprintf(stderr, "the world cannot be built: %s\n", failed);
        abort();
    }
    unsigned kind = world_kind(is_replayable, has_time);
    beginnings[controller][kind].snapshot = model_snapshot_take();
    beginnings[controller][kind].world = world;
}

void player_start(const char *archive_path)
{
    model_is_small = true;
    model_boot(archive_path);
    world.memory = untyped_find(BOOT_UNTYPED_MEMORY, WORLD_MEMORY_BITS);
    world.device = untyped_find(BOOT_UNTYPED_DEVICE, 22);
    CHECK(world.memory != 0 && world.device != 0);
    world.slots = new_slots(ROOT_WORLD_SLOTS);
    for (unsigned i = 0; i < DEVICE_MESSAGE; i++)
        world.lines[i] = FIRST_LINE + i;
    home = model_current()->space;
    for (unsigned i = 0; i < ACTORS; i++) {
        struct actor *actor = &world.actors[i];
        actor->buffer_frame = i == 0 ? ROOT_IPC_BUFFER : new_object(OBJECT_FRAME, PAGE_BITS);
        actor->buffer_address = 0x20000000ul + i * PAGE_BYTES;
        actor->buffer = paddr_to_kernel(cap_frame_address(model_slot(actor->buffer_frame)->cap));
        actor->entry = CODE + (i << 12) + CODE_NEXT;
    }
    controller_timer = new_object(OBJECT_TIMER, 0);
    controller_signal = new_object(OBJECT_NOTIFICATION, 0);
    OK(timer_bind(controller_timer, controller_signal, ROOT_SCHED_CONTEXT));
    struct model_snapshot *before = model_snapshot_take();
    for (enum model_controller controller = 0; controller < MODEL_CONTROLLERS; controller++) {
        world_prepare(controller, false, false, before);
        world_prepare(controller, true, false, before);
        world_prepare(controller, true, true, before);
    }
    free(before);
}

/* --- devices --- */

/* Raised again, one with messages sends another; a wire cannot be more than raised. */
static void device_set(unsigned device, bool is_raised)
{
    unsigned bit = 1u << device;
    player.devices_raised = is_raised ? player.devices_raised | bit : player.devices_raised & ~bit;
    if (device < DEVICE_MESSAGE)
        model_wire_set((unsigned)world.lines[device], is_raised);
    else if (is_raised)
        model_message((unsigned)(world.lines[device] == LINE_BY_MESSAGE ? world.message_data : world.lines[device]));
}

static void device_raise_later(void)
{
    device_set(player.device_later, true);
}

/* --- system calls --- */

/* What takes a thread through the kernel. */
static void time_for_entry(void)
{
    if (world.has_time)
        model_now += player.play->is_quick ? QUICK_STEP_TICKS : TIMED_STEP_TICKS;
    else if (!world.is_replayable)
        model_now += STEP_TICKS;
    player.last = model_now;
    player.call_count++;
}

/* What was to come at a preemption point comes now: there were fewer of them, or the call has been interrupted. */
static void interrupt_deliver(void)
{
    model_interrupt_waits = false;
    if (model_patience_over) {
        model_patience_over();
        return;
    }
    kernel_timer(model_core());
    model_check();
}

static void trap(struct tcb *tcb)
{
    word number = tcb->context.number_status;
    time_for_entry();
    model_system_call(model_core(), number);
    model_check();
    if (model_interrupt_waits)
        interrupt_deliver();
}

static void call(unsigned actor, word number, word destination, const struct message *m)
{
    struct tcb *tcb = model_current();
    struct arch_context *c = &tcb->context;
    c->pc = CODE + ((word)actor << 12) + CODE_AFTER;
    c->number_status = number;
    c->destination_badge = destination;
    c->info = m->info;
    memcpy(c->mr, m->words, sizeof(c->mr));
    trap(tcb);
}

static size_t step_number(const struct step *step)
{
    return (size_t)(step->bytes - player.sequence.bytes) / SEQUENCE_STEP_BYTES;
}

static void record(unsigned actor)
{
    struct arch_context *c = &model_current()->context;
    struct play *play = player.play;
    const struct step *step = &player.steps[actor];
    struct outcome outcome = {c->number_status, c->destination_badge, c->info, c->mr, world.actors[actor].buffer};
    c->pc = world.actors[actor].entry;
    if (step->kind == STEP_DEVICE)
        outcome = (struct outcome){.status = player.devices_raised >> step->device & 1, .words = c->mr};
    else if (step->kind != STEP_CALL)
        return;
    if (play->event_count == PLAY_EVENTS_MAX)
        return;
    uint32_t event = step_record(actor, step, &outcome);
    if (play->is_spoken)
        printf("%4u: actor %u, step %zu: status %lu, badge %lx, info %lx, words %lx %lx %lx %lx: %08x\n",
               play->event_count, actor, step_number(step), outcome.status, outcome.badge, outcome.info,
               outcome.words[0], outcome.words[1], outcome.words[2], outcome.words[3], event);
    play->events[play->event_count++] = event;
}

/* --- the machine's steps --- */

/* Any numbers in all registers. */
static void call_wild(unsigned actor, const uint8_t *bytes)
{
    static const word odd[] = {
        0,         1,         2,    7,          63,        64,        4096,        1ul << 30,
        1ul << 32, 1ul << 47, ~0ul, ~0ul << 12, 1ul << 63, 8ul << 32, WORLD_CNODE, ARCH_USER_END - PAGE_BYTES};
    struct message m = {message_info(bytes[2] % (INVOCATION_COUNT + 2), bytes[3] >> 6, bytes[3] & 15), {0}};
    for (unsigned i = 0; i < MESSAGE_REGISTERS; i++) {
        uint8_t byte = bytes[4 + i % 4];
        m.words[i] = i & 4 || byte >= 128 ? odd[byte % 16] : byte;
    }
    player.steps[actor].kind = STEP_MACHINE;
    call(actor, bytes[3] & 16 ? bytes[3] % 16 : SYSCALL_CALL, bytes[1] | (word)(bytes[7] % WORLD_SLOTS) << 32, &m);
}

/* The root task waits, so that there is nothing to run. */
static void controller_sleep(uint8_t byte)
{
    struct message m = {message_info(TIMER_SET, 0, 1), {model_now + byte * 10000ul}};
    call(0, SYSCALL_NBSEND, controller_timer, &m);
    if (model_current()->context.pc == CODE + CODE_AFTER)
        call(0, SYSCALL_WAIT, controller_signal, &m);
}

/* What instructions can do beside system calls. */
static void exception(const uint8_t *bytes)
{
    static const enum fault kinds[] = {FAULT_USER_EXCEPTION, FAULT_VM};
    unsigned kind = bytes[1] % 5;
    if (kind < 2)
        model_fault(kinds[kind], bytes[2], bytes[3], bytes[4]);
    else
        model_debug_exception((enum debug_reason)(DEBUG_STEP + kind - 2), bytes[2], bytes[3]);
}

/* The instructions of whoever runs, up to the timer's interrupts. */
static void time_pass(uint64_t ticks)
{
    uint64_t end = model_now + ticks;
    for (unsigned left = 100000; model_now < end; left--) {
        CHECK(left > 0);
        model_timer(end - model_now);
    }
}

static void machine_step(unsigned actor, const uint8_t *bytes)
{
    player.steps[actor].kind = STEP_MACHINE;
    switch (bytes[0] % 7) {
    case 0:
        time_pass(bytes[1] * 1000ul);
        break;
    case 1:
        time_pass(bytes[1] * 100000ul);
        break;
    case 3:
        if (actor != 0)
            exception(bytes);
        break;
    case 4:
        model_interrupt_waits = true;
        model_patience = bytes[2] % 16;
        player.device_later = bytes[1] % (world.lines[DEVICE_MESSAGE] == LINE_NONE ? DEVICE_MESSAGE : DEVICES);
        model_patience_over = bytes[3] & 1 ? device_raise_later : NULL;
        break;
    case 5:
        if (actor == 0)
            controller_sleep(bytes[1]);
        break;
    default:
        if (actor != 0)
            call_wild(actor, bytes);
        break;
    }
}

/* --- playing --- */

static void time_begin(unsigned actor, word until)
{
    player.until[actor] = until;
    model_current()->context.pc = CODE + ((word)actor << 12) + CODE_TIME;
}

static void device_tell(unsigned actor, const struct step *step)
{
    model_current()->context.pc = CODE + ((word)actor << 12) + CODE_TOLD;
    player.last = model_now;
    device_set(step->device, step->is_raised);
}

static void actor_run(unsigned actor)
{
    struct step *step = &player.steps[actor];
    static const struct message nothing;
    step_next(&player.sequence, &world, actor, step);
    if (player.play->is_spoken && step->kind == STEP_CALL)
        printf("      actor %u, step %zu: system call %lu on %lx, label %lu, words %lx %lx %lx %lx %lx %lx\n", actor,
               step_number(step), step->number, step->destination, message_info_label(step->message.info),
               step->message.words[0], step->message.words[1], step->message.words[2], step->message.words[3],
               step->message.words[4], step->message.words[5]);
    if (step->kind == STEP_CALL)
        call(actor, step->number, step->destination, &step->message);
    else if (step->kind == STEP_MACHINE)
        machine_step(actor, step->bytes);
    else if (step->kind == STEP_TIME)
        time_begin(actor, step->until);
    else if (step->kind == STEP_DEVICE)
        device_tell(actor, step);
    else if (step->kind == STEP_FAULT)
        model_current()->context.pc = CODE + ((word)actor << 12) + CODE_FAULT;
    else if (actor == 0)
        player.is_over = true;
    else
        call(actor, STOP_NUMBER, 0, &nothing);
}

/* What comes after the last step hangs on the machine's speed if `is_timed`. */
static void timed_note(enum timed_reason reason, bool is_timed)
{
    struct play *play = player.play;
    if (!is_timed || play->is_timed)
        return;
    CHECK(player.sequence.next > 0); /* without any step nothing depends on time */
    play->is_timed = true;
    play->timed_reason = reason;
    play->timed_step = player.sequence.next / SEQUENCE_STEP_BYTES - 1;
}

/* Budgets and refills count from when their use began: on a quick machine earlier by the time of all steps before. */
static uint64_t apart_ticks(void)
{
    uint64_t steps = player.call_count * TIMED_STEP_TICKS;
    return steps > APART_TICKS ? steps : APART_TICKS;
}

/* How many of them come by then. */
static unsigned heap_due(const struct heap_node *node, uint64_t time)
{
    return node && node->key <= time ? 1 + heap_due(node->left, time) + heap_due(node->right, time) : 0;
}

/* The timer's interrupt, in the world with time: is it, on every machine, the next thing that happens? */
static void timed_interrupt(uint64_t limit)
{
    const struct core *core = model_core();
    uint64_t when = model_deadline > model_now ? model_deadline : model_now;
    if (when <= model_now + limit && world.has_time) {
        uint64_t apart = apart_ticks();
        unsigned due = heap_due(core->releases, when + apart) + heap_due(core->timers, when + apart);
        const struct sched_context *sc = core->charged;
        due += sc && core->charge_start + sc->refills[sc->refill_head].amount <= when + apart;
        timed_note(TIMED_CLOSE, due > 1 || when < player.last + apart);
        player.last = when;
        player.play->interrupts++;
    }
    model_timer(limit);
}

/* Who arms a timer that nobody else pays for has its expiry taken from its budget at once. If that is more than it has
 * used of it since it began to run, it waits for so long, and others go on: on a quick machine, not here. */
static bool is_charged_ahead(void)
{
    const struct core *core = model_core();
    const struct sched_context *sc = core->charged;
    return sc && !sched_context_is_round_robin(sc) && sc->refills[sc->refill_head].time > core->charge_start;
}

/* The actor goes round until its time has come. */
static void time_spend(unsigned actor)
{
    if (model_now < player.until[actor]) {
        timed_interrupt(player.until[actor] - model_now);
        return;
    }
    model_current()->context.pc = world.actors[actor].entry;
    if (world.now < player.until[actor])
        world.now = player.until[actor];
    player.last = model_now;
}

/* Before the next instruction. */
static bool device_interrupt_take(void)
{
    if (!model_interrupt_is_due())
        return false;
    time_for_entry();
    player.play->device_interrupts++;
    return model_interrupt_take();
}

/* Whoever is current goes on for a bit. */
static void current_run(void)
{
    struct tcb *tcb = model_current();
    timed_note(TIMED_LAST_RESORT, kernel_cores[0].rescue.tcb != NULL); /* its refills interrupt others, too */
    timed_note(TIMED_AHEAD, world.has_time && is_charged_ahead());
    word pc = tcb->context.pc, actor = (pc - CODE) >> 12, place = pc & 0xfff;
    bool is_program = place == CODE_NEXT || place == CODE_TRAP || place == CODE_AFTER || place == CODE_TIME ||
                      place == CODE_TOLD || place == CODE_FAULT;
    if (device_interrupt_take())
        return;
    if (tcb == model_core()->idle) {
        CHECK(model_deadline != UINT64_MAX); /* the root task's timer at least */
        model_timer(UINT64_MAX - model_now);
    } else if (pc < CODE || actor >= ACTORS || !is_program || tcb->space != home) {
        model_fault(FAULT_VM, pc, 0, FAULT_VM_FETCH);
    } else if (model_now >= model_deadline) {
        timed_interrupt(0);
    } else if (place == CODE_TIME) {
        time_spend((unsigned)actor);
    } else if (place == CODE_FAULT) {
        time_for_entry();
        model_fault(player.steps[actor].fault, 0, 0, 0);
    } else if (place == CODE_TRAP) {
        tcb->context.pc += MODEL_TRAP_BYTES;
        trap(tcb);
    } else {
        if (place == CODE_AFTER || place == CODE_TOLD)
            record((unsigned)actor);
        actor_run((unsigned)actor);
    }
}

/* What the root task does in the end; everything must be as it was. */
static void world_end(void)
{
    struct core *core = model_core();
    struct untyped_description d;
    unsigned spaces = 0;
    model_interrupt_waits = false;
    OK(tcb_set_priority(ROOT_TCB, ROOT_TCB, 255));
    OK(timer_cancel(controller_timer));
    OK(cnode_revoke(ROOT_CNODE, world.memory));
    OK(untyped_describe(world.memory, &d));
    EQUAL(d.free_bytes, 1ul << WORLD_MEMORY_BITS);
    CHECK(model_dying() == 0 && core->timers == NULL && core->releases == NULL && core->ready_summary == 0);
    for (unsigned i = 0; i < KERNEL_VSPACE_BUCKETS; i++)
        for (const struct vspace *vspace = kernel.vspaces[i]; vspace; vspace = vspace->next)
            spaces++;
    EQUAL(spaces, 1);
    for (unsigned i = 0; i < ARCH_IRQ_COUNT; i++)
        CHECK(!kernel.irq_in_use[i] && slot_is_empty(&kernel.irq_notification[i]));
}

void play_choose(struct play *play, uint8_t first)
{
    play->has_time = first & 2;
    play->is_replayable = play->has_time || (first & 1);
    play->controller = (first >> 2) % MODEL_CONTROLLERS;
}

void play(const uint8_t *bytes, size_t size, struct play *play)
{
    unsigned kind = world_kind(play->is_replayable, play->has_time);
    model_snapshot_restore(beginnings[play->controller][kind].snapshot);
    world = beginnings[play->controller][kind].world;
    world.now = model_now;
    model_controller = play->controller;
    model_lateness = 3 * (play->has_time ? TIMED_STEP_TICKS : STEP_TICKS);
    memset(&player, 0, sizeof(player));
    player.play = play;
    player.sequence = (struct sequence){bytes, size, 0};
    play->event_count = 0;
    play->is_timed = false;
    play->interrupts = play->device_interrupts = 0;
    model_current()->context.pc = CODE + CODE_NEXT;
    struct message m = {message_info(TCB_SET_PRIORITY, 0, 2), {ROOT_TCB, 0}};
    player.steps[0].kind = STEP_MACHINE;
    call(0, SYSCALL_CALL, ROOT_TCB, &m);
    for (size_t left = 64 * (size / SEQUENCE_STEP_BYTES + 32); !player.is_over; left--) {
        CHECK(left > 0); /* else somebody goes round and round */
        current_run();
    }
    /* On a slower machine it may come before the end. */
    timed_note(TIMED_CLOSE, world.has_time && model_deadline < model_now + apart_ticks());
    world_end();
}

void play_slowly(const uint8_t *bytes, size_t size, const struct play *quick)
{
    static struct play slow;
    slow.controller = quick->controller;
    slow.is_replayable = quick->is_replayable;
    slow.has_time = quick->has_time;
    slow.is_spoken = quick->is_spoken;
    model_fastpath_is_off = true;
    play(bytes, size, &slow);
    model_fastpath_is_off = false;
    EQUAL(slow.event_count, quick->event_count);
    for (unsigned i = 0; i < slow.event_count; i++)
        EQUAL(slow.events[i], quick->events[i]);
}
