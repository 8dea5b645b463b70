/* Replays sequences on the machine: the same system calls by the same threads as on the kernel's model, which has said
 * beforehand what every one of them gives (kernel-corpus --expect). A difference ends the run with the place.
 *
 * The devices are QEMU's edu, whose registers everybody can write.
 *
 * The workers are threads in the root task's address space, each in actor_run; the root task itself is actor 0. A
 * worker can be sent back to its beginning at any time, so it keeps nothing: its stack tells who it is.
 */
#include "harness.h"
#include "pci.h"
#include "sequence.h"

#include "arch/platform/archive.h"

#define STACK_BYTES  8192
#define WHOLE_MEMORY (1ul << WORLD_MEMORY_BITS)

_Noreturn void actor_run(word stack);
void actor_entry(void);

static char stacks[ACTORS][STACK_BYTES] __attribute__((aligned(16)));
static struct world world;
static struct sequence sequence;
static struct edu devices[DEVICES];
static enum { IO_APIC, GIC, GIC_MESSAGES } controller; /* the model's: tests/host-kernel/model.h */

static struct {
    const uint8_t *expected; /* what comes next, four bytes each */
    word left, count;        /* events to come and events passed */
    bool is_different;
    struct step step; /* of the difference, and what it gave */
    struct outcome outcome;
    unsigned actor;
} replay;

/* actor_entry: the stack's address is the argument. */
#if defined(__x86_64__)
#define LOAD_FROM_NOWHERE "mov 0x1000, %%rax" :: : "rax"
#define UNDEFINED         "ud2"
__asm__(".text\n.globl actor_entry\nactor_entry:\n\tmov %rsp, %rdi\n\txor %ebp, %ebp\n\tcall actor_run\n\tud2\n");
#else
#define LOAD_FROM_NOWHERE "mov x0, #0x1000\n\tldr x0, [x0]" :: : "x0"
#define UNDEFINED         "udf #0"
__asm__(".text\n.globl actor_entry\nactor_entry:\n\tmov x0, sp\n\tmov x29, xzr\n\tbl actor_run\n\tbrk #1\n");
#endif

static word read_number(const uint8_t *bytes, unsigned count)
{
    word value = 0;
    while (count-- > 0)
        value = value << 8 | bytes[count];
    return value;
}

static void compare(unsigned actor, const struct step *step, const struct outcome *outcome)
{
    uint32_t event = step_record(actor, step, outcome);
    if (replay.is_different)
        return;
    if (replay.left > 0 && read_number(replay.expected, 4) == event) {
        replay.expected += 4;
        replay.left--;
        replay.count++;
        return;
    }
    replay.is_different = true;
    replay.step = *step;
    replay.outcome = *outcome;
    replay.actor = actor;
    sequence.next = sequence.size; /* no more */
}

/* Where it goes on is its handler's matter. */
static void fault(enum fault kind)
{
    if (kind == FAULT_VM)
        __asm__ volatile(LOAD_FROM_NOWHERE);
    else
        __asm__ volatile(UNDEFINED);
}

/* False when there are no more steps. */
static bool actor_step(unsigned actor)
{
    struct step step;
    step_next(&sequence, &world, actor, &step);
    if (step.kind == STEP_END)
        return false;
    if (step.kind == STEP_TIME) {
        while (ticks_now() < step.until) {
        }
        if (world.now < step.until)
            world.now = step.until;
        return true;
    }
    if (step.kind == STEP_FAULT) {
        fault(step.fault);
        return true;
    }
    if (step.kind == STEP_DEVICE) {
        volatile uint32_t *registers = devices[step.device].registers;
        registers[step.is_raised ? EDU_RAISE : EDU_ACKNOWLEDGE] = 1; /* an interrupt comes before anything else */
        struct outcome outcome = {.status = registers[EDU_STATUS] & 1};
        compare(actor, &step, &outcome);
        return true;
    }
    struct message m = step.message;
    word destination = step.destination;
    enum error status = syscall_numbered(step.number, &destination, &m);
    struct outcome outcome = {status, destination, m.info, m.words, world.actors[actor].buffer};
    compare(actor, &step, &outcome);
    return true;
}

_Noreturn void actor_run(word stack)
{
    unsigned actor = (unsigned)((stack - 1 - (word)stacks) / STACK_BYTES);
    struct message m = {0};
    word destination = 0;
    while (actor_step(actor)) {
    }
    for (;;)
        (void)syscall_numbered(NO_SYSTEM_CALL, &destination, &m);
}

/* --- the root task --- */

static void devices_prepare(void)
{
    for (unsigned i = 0; i < DEVICES; i++) {
        devices[i] = edu_map(i, HARNESS_MAP_BASE + 2 * i * PAGE_BYTES);
        if (devices[i].config == NULL)
            give_up("this device is not there", i);
        world.lines[i] = edu_line(i);
    }
    world.lines[DEVICE_MESSAGE] = controller == IO_APIC ? LINE_BY_MESSAGE : controller == GIC ? LINE_NONE : V2M_FIRST;
}

/* They are quiet, and messages go to the handler that the world has now. */
static void devices_aim(void)
{
    if (controller == IO_APIC)
        pci_msi_aim(devices[DEVICE_MESSAGE].config, world.message_address, world.message_data);
    else if (controller == GIC_MESSAGES)
        pci_msi_aim(devices[DEVICE_MESSAGE].config, V2M_DOORBELL, V2M_FIRST);
}

static void devices_calm(void)
{
    for (unsigned i = 0; i < DEVICES; i++)
        devices[i].registers[EDU_ACKNOWLEDGE] = ~0u;
}

/* The machine's timer may still be set for what was to come in the play before: it would interrupt this one. */
static void timer_settle(void)
{
    static cptr timer, signal;
    struct message m;
    word badge;
    if (timer == 0) {
        timer = object_new(OBJECT_TIMER, 0);
        signal = object_new(OBJECT_NOTIFICATION, 0);
        if (timer_bind(timer, signal, ROOT_SCHED_CONTEXT) != ERROR_NONE)
            give_up("the root task has no timer", 0);
    }
    if (timer_set(timer, ticks_now()) != ERROR_NONE || syscall_wait(signal, &m, &badge) != ERROR_NONE)
        give_up("the timer does not come", 0);
}

static void world_prepare(void)
{
    world.is_replayable = true;
    world.time_ticks = ns_to_ticks(SEQUENCE_TIME_NS);
    world.memory = object_new(OBJECT_UNTYPED, WORLD_MEMORY_BITS);
    world.slots = slots_new(ROOT_WORLD_SLOTS);
    world.actors[0].buffer = own_buffer;
    for (unsigned i = 1; i < ACTORS; i++) {
        struct actor *actor = &world.actors[i];
        actor->buffer = memory_new(PAGE_BITS, &actor->buffer_frame);
        actor->buffer_address = (word)actor->buffer;
        actor->entry = (word)actor_entry;
        actor->stack = (word)stacks[i] + STACK_BYTES;
    }
}

/* All that the world was made of is there again. */
static void world_end(void)
{
    struct untyped_description d;
    if (tcb_set_priority(ROOT_TCB, ROOT_TCB, 255) != ERROR_NONE ||
        cnode_revoke(ROOT_CNODE, world.memory) != ERROR_NONE || untyped_describe(world.memory, &d) != ERROR_NONE ||
        d.free_bytes != WHOLE_MEMORY)
        give_up("the world does not end", d.free_bytes);
}

static bool play(void)
{
    for (unsigned i = 1; i < ACTORS; i++) /* whole pages: a buffer can be moved in its frame */
        for (unsigned j = 0; j < PAGE_BYTES / sizeof(struct ipc_buffer); j++)
            world.actors[i].buffer[j] = (struct ipc_buffer){0};
    devices_calm();
    timer_settle();
    const char *failed = world_build(&world);
    if (failed) {
        say("the world cannot be built: %s\n", failed);
        return false;
    }
    devices_aim();
    replay.count = 0;
    replay.is_different = false;
    world.now = ticks_now();
    if (tcb_set_priority(ROOT_TCB, ROOT_TCB, 0) != ERROR_NONE)
        give_up("the root task's priority cannot be set", 0);
    while (actor_step(0)) {
    }
    world_end();
    return !replay.is_different && replay.left == 0;
}

static void say_call(const struct step *step)
{
    const struct outcome *o = &replay.outcome;
    say("system call %u on %x, info %x gave status %u, badge %x, info %x, words", step->number, step->destination,
        step->message.info, o->status, o->badge, o->info);
    for (unsigned i = 0; i < 4; i++)
        say(" %x", o->words[i]);
}

static void say_difference(word number)
{
    const struct step *step = &replay.step;
    say("sequence %u, event %u: ", number, replay.count);
    if (!replay.is_different) {
        say("%u events more are expected\n", replay.left);
        return;
    }
    say("actor %u, step %u: ", (word)replay.actor, (word)(step->bytes - sequence.bytes) / SEQUENCE_STEP_BYTES);
    if (step->kind == STEP_DEVICE)
        say("device %u is %s", (word)step->device, replay.outcome.status != 0 ? "raised" : "quiet");
    else
        say_call(step);
    say("\n(kernel-corpus ARCHIVE CORPUS %u %s %u: what the model says)\n", number / 2,
        (word)(world.has_time ? "time" : "replayable"), (word)controller);
}

int main(void)
{
    struct archive archive;
    struct archive_member member;
    word number = 0, failed = 0, events = 0;
    const char *wrong = archive_open(&archive, (const void *)boot->archive, boot->archive_bytes);
    if (wrong || !archive_find(&archive, "plays", &member))
        give_up("no plays in the archive", 0);
    const uint8_t *at = member.data, *end = at + member.bytes;
    controller = *at++;
    devices_prepare();
    world_prepare();
    for (; at < end; number++) {
        world.has_time = *at++;
        sequence = (struct sequence){at + 2, read_number(at, 2), 0};
        at = sequence.bytes + sequence.size;
        replay.left = read_number(at, 2);
        replay.expected = at + 2;
        at = replay.expected + 4 * replay.left;
        if (!play()) {
            say_difference(number);
            failed++;
        }
        events += replay.count;
    }
    say("replay: %u sequences, %u events agree, %u differ\n", number, events, failed);
    return failed == 0 && number > 0 ? 0 : 1;
}
