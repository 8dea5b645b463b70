/* Coverage-guided fuzzing of system-call sequences (libFuzzer): every input is a sequence for the player.
 *
 * The first byte says which world (play_choose); it is not part of the sequence.
 */
#include "player.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

#define STEP     SEQUENCE_STEP_BYTES
#define HEADER   1
#define MOST_NEW 4

/* --- what guides the fuzzer beside the kernel's coverage: what interrupts have met with --- */

#define CLASSES 12 /* of what a handler's notification can be in */
static uint8_t interrupt_states[MODEL_CONTROLLERS * 2 * 2 * 2 * 2 * 2 * 5 * CLASSES]
    __attribute__((section("__libfuzzer_extra_counters")));
static unsigned interrupts_open; /* a bit for each that has come and has not been acknowledged since */

static unsigned notification_class(unsigned irq)
{
    const struct cap cap = kernel.irq_notification[irq].cap;
    if (cap_type(cap) != OBJECT_NOTIFICATION)
        return kernel.irq_in_use[irq];
    const struct notification *n = cap_object(cap);
    const struct tcb *bound = n->bound, *current = model_core()->current;
    if (n->queue.head)
        return n->queue.head->priority > current->priority ? 2 : 3;
    if (bound && bound->state == THREAD_BLOCKED_RECV)
        return bound->priority > current->priority ? 4 : 5;
    unsigned class = n->signals != 0 ? 6 : 9;
    return bound ? bound == current ? class + 2 : class + 1 : class;
}

static void interrupt_notice(enum model_irq_event event, unsigned irq)
{
    bool is_level = irq < MODEL_LINES && (model_irqs.flags[irq] & IRQ_LEVEL) != 0;
    unsigned state = model_controller * 2 + is_level;
    state = state * 2 + (model_irqs.raised >> irq & 1);
    state = state * 2 + (model_irqs.masked >> irq & 1);
    state = state * 2 + (model_irqs.waiting >> irq & 1);
    state = state * 2 + (interrupts_open >> irq & 1);
    if (event == MODEL_IRQ_TAKEN)
        interrupts_open |= 1u << irq;
    if (event == MODEL_IRQ_OPENED)
        interrupts_open &= ~(1u << irq);
    interrupt_states[(state * 5 + event) * CLASSES + notification_class(irq)] = 1;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    model_irq_notice = interrupt_notice;
    const char *archive = getenv("KERNEL_FUZZ_ARCHIVE");
    player_start(archive ? archive : "model.cpio");
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct play plays;
    if (size < HEADER + STEP)
        return -1;
    play_choose(&plays, data[0]);
    interrupts_open = 0;
    play(data + HEADER, size - HEADER, &plays);
    if (plays.is_replayable)
        play_slowly(data + HEADER, size - HEADER, &plays);
    return 0;
}

/* --- mutation by whole steps --- */

static unsigned random_state;
static unsigned random_below(unsigned limit)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % limit;
}

/* Mostly low bytes, which name what they should (tests/sequence/sequence.c). */
static void step_random(uint8_t *step)
{
    unsigned limit = random_below(4) == 0 ? 256 : 192;
    step[0] = (uint8_t)random_below(256);
    for (unsigned i = 1; i < STEP; i++)
        step[i] = (uint8_t)random_below(limit);
}

/* A step in the life of a device's interrupt: the device raised or quiet, its handler invoked or deleted, a
 * notification waited for or bound. First bytes as step_next (tests/sequence/sequence.c) reads them. */
static void step_interrupt(uint8_t *step)
{
    enum { DEVICE = 233, ACK = 96 + 39, SET, CLEAR, BIND = 96 + 18, DELETE = 96 + 7 };
    static const uint8_t kinds[] = {DEVICE,
                                    DEVICE,
                                    DEVICE,
                                    DEVICE,
                                    ACK,
                                    ACK,
                                    SET,
                                    CLEAR,
                                    BIND,
                                    DELETE,
                                    SYSCALL_RECV,
                                    SYSCALL_NBRECV,
                                    SYSCALL_WAIT,
                                    SYSCALL_NBWAIT,
                                    SYSCALL_REPLY_RECV};
    step_random(step);
    step[0] = kinds[random_below(sizeof(kinds))];
    if (step[0] < SYSCALL_COUNT)
        step[1] = (uint8_t)(160 + random_below(48)); /* on a notification */
    else if (step[0] == DELETE)
        step[2] = (uint8_t)(WORLD_IRQ_HANDLER + random_below(DEVICES));
}

/* Opens a gap of `count` steps at step `at`; the steps behind it move up and may fall off the end. */
static unsigned steps_open(uint8_t *steps, unsigned used, unsigned most, unsigned at, unsigned count)
{
    unsigned total = used + count < most ? used + count : most;
    if (at + count < total)
        memmove(steps + (at + count) * STEP, steps + at * STEP, (total - at - count) * STEP);
    return total;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    unsigned used = size < HEADER ? 0 : (unsigned)(size - HEADER) / STEP, most = (unsigned)(max_size - HEADER) / STEP;
    uint8_t *steps = data + HEADER;
    random_state = seed;
    if (size < HEADER)
        data[0] = 0;
    if (max_size < HEADER + STEP)
        return size;
    unsigned at = used > 0 ? random_below(used) : 0, from = used > 0 ? random_below(used) : 0;
    unsigned count = 1 + random_below(MOST_NEW);
    bool is_interrupt = random_below(4) == 0;
    switch (used == 0 ? 0u : random_below(10)) {
    case 0:
    case 1: /* new ones */
        used = steps_open(steps, used, most, at, count);
        for (unsigned i = at; i < at + count && i < used; i++)
            (is_interrupt ? step_interrupt : step_random)(steps + i * STEP);
        break;
    case 2: { /* some again, elsewhere */
        uint8_t copy[MOST_NEW * STEP];
        if (count > used - from)
            count = used - from;
        memcpy(copy, steps + from * STEP, count * STEP);
        used = steps_open(steps, used, most, at, count);
        for (unsigned i = 0; i < count && at + i < used; i++)
            memcpy(steps + (at + i) * STEP, copy + i * STEP, STEP);
        break;
    }
    case 3: /* some less */
        if (count > used - at)
            count = used - at;
        memmove(steps + at * STEP, steps + (at + count) * STEP, (used - at - count) * STEP);
        used -= count;
        break;
    case 4: { /* two change places */
        uint8_t copy[STEP];
        memcpy(copy, steps + at * STEP, STEP);
        memcpy(steps + at * STEP, steps + from * STEP, STEP);
        memcpy(steps + from * STEP, copy, STEP);
        break;
    }
    case 5: /* libFuzzer's own ideas, in one step */
        (void)LLVMFuzzerMutate(steps + at * STEP, STEP, STEP);
        break;
    case 6: /* another world */
        if (random_below(8) == 0)
            data[0] = (uint8_t)(random_below(3) | random_below(MODEL_CONTROLLERS) << 2);
        step_random(steps + at * STEP);
        break;
    default: /* one field of one step */
        steps[at * STEP + random_below(STEP)] = (uint8_t)random_below(256);
        break;
    }
    return HEADER + (size_t)used * STEP;
}
