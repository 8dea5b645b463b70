/* The observer of probe.h. This file and nothing else of the program makes system calls that are not observed. */
#include "probe.h"

/* What the thread that makes a call is doing: something else, setting the timer, making the call. */
enum phase { PHASE_OUTSIDE, PHASE_AIMING, PHASE_INSIDE };

enum {
    SETTING = 600,                     /* instructions: setting the timer takes less */
    NEAR = 8,                          /* reading the clock until it is this near is possible */
    CLOSE = INSTRUCTIONS_PER_TICK + 1, /* what differs by no more is the same */
    MARGIN = 4,                        /* what is learnt is made longer by: it may be off by as much */
    LONG = 400,        /* instructions: more than the observer's waiting takes, less than the steps learnt from */
    SAMPLES = 6000,    /* of each case at the least: what comes once in it is then met more than once */
    STEPS_EACH = 1024, /* so many steps of one call are met each; of those behind, fewer and fewer */
};

static cptr timer, alarm;
static word counter_origin; /* what the counter reads at tick 0 of the clock */
static word usual;          /* how late the observer is when a user loop is interrupted */
/* How far ahead of the timer's moment a call must begin for the timer to fall due in the kernel's first instructions;
 * and the observer's waiting, for it to fall due when an interrupted call begins anew. The latter takes `briefest` when
 * the timer is too early by a little. */
static word ahead_of_call, ahead_of_wait, briefest;
static volatile bool is_probing;
static word *volatile learnt; /* the one of the two that is being learnt */
static volatile enum phase phase;
static volatile word deadline, samples;
static volatile word last_late, last_wait, worst;
static volatile word steps;  /* samples of this call */
static volatile word beyond; /* so much later than the moment meant was the last */

static word instructions_now(void)
{
    return counter_read() - counter_origin;
}

/* Returns `ahead` instructions before the timer falls due, give or take two; when that is. */
static word timer_aim(word ahead)
{
    word tick = (instructions_now() + SETTING + ahead) / INSTRUCTIONS_PER_TICK;
    word back = tick * INSTRUCTIONS_PER_TICK - ahead;
    deadline = back + ahead;
    (void)timer_set(timer, tick);
    int64_t left;
    do
        left = (int64_t)(back - instructions_now());
    while (left > NEAR);
    for (; left > 0; left -= 3)
        __asm__ volatile("" : "+r"(left));
    return back + ahead;
}

/* Sets the timer for the next step of the call. Where an interrupted thread was not in the kernel, it is to come
 * further each time. Where a call has many thousands of steps, every other sample comes later, too. */
static void step_aim(bool has_entered)
{
    if (!has_entered)
        beyond = 4 * beyond + 8;
    else if (++steps > STEPS_EACH && beyond == 0)
        beyond = 4 * (steps - STEPS_EACH);
    else
        beyond = 0;
    (void)timer_aim(ahead_of_wait + beyond);
}

/* A longer and longer way, until the timer falls due in the kernel, which then takes long. */
static void ahead_learn(void)
{
    bool is_first = steps++ == 0;
    if (is_first != (learnt == &ahead_of_call)) {
        (void)timer_aim(ahead_of_wait);
        return;
    }
    if (last_late > usual + LONG) {
        learnt = NULL;
        return;
    }
    briefest = last_wait;
    ++*learnt;
    if (learnt == &ahead_of_wait)
        (void)timer_aim(ahead_of_wait);
}

static void sample_take(word begin, word end)
{
    last_late = end - deadline;
    last_wait = end - begin;
    samples++;
    if (phase == PHASE_AIMING && learnt == &ahead_of_call)
        ++ahead_of_call; /* it would be too early for ever */
    if (phase != PHASE_INSIDE)
        return;
    if (learnt) {
        ahead_learn();
        return;
    }
    bool has_entered = (int64_t)last_late > (int64_t)(usual + CLOSE) && last_wait > briefest + CLOSE;
    if (has_entered && last_late > worst)
        worst = last_late;
    step_aim(has_entered);
}

static void observer(word unused)
{
    (void)unused;
    for (;;) {
        word begin = instructions_now();
        (void)notification_wait(alarm);
        sample_take(begin, instructions_now());
    }
}

/* arm64 has the number in the instruction. */
static enum error trap(enum syscall number, word *destination, struct message *m)
{
    switch (number) {
    case SYSCALL_CALL:
        return syscall_trap(SYSCALL_CALL, destination, m);
    case SYSCALL_SEND:
        return syscall_trap(SYSCALL_SEND, destination, m);
    case SYSCALL_RECV:
        return syscall_trap(SYSCALL_RECV, destination, m);
    case SYSCALL_WAIT:
        return syscall_trap(SYSCALL_WAIT, destination, m);
    default:
        give_up("a system call that no case makes", number);
    }
}

enum error probe_call(enum syscall number, word *destination, struct message *m)
{
    if (!is_probing)
        return trap(number, destination, m);
    word before, due;
    do { /* until neither the timer falls due meanwhile nor another thread has set it */
        phase = PHASE_AIMING;
        before = samples;
        due = timer_aim(ahead_of_call);
    } while (samples != before || deadline != due);
    steps = 0;
    phase = PHASE_INSIDE;
    enum error error = trap(number, destination, m);
    phase = PHASE_OUTSIDE;
    return error;
}

bool probe_switch(bool is_on)
{
    bool was_on = is_probing;
    is_probing = is_on;
    return was_on;
}

word probe_late(word tick)
{
    word before = samples;
    deadline = tick * INSTRUCTIONS_PER_TICK;
    (void)timer_set(timer, tick);
    while (samples == before) {
    }
    return last_late > usual ? last_late - usual : 0;
}

/* --- learning what this machine and this kernel take --- */

/* The two clocks count from different beginnings. */
static void origin_learn(void)
{
    counter_origin = ~0ul;
    for (int i = 0; i < 256; i++) {
        word ticks = ticks_now(), begin = counter_read() - ticks * INSTRUCTIONS_PER_TICK;
        if (begin < counter_origin)
            counter_origin = begin;
    }
}

static void usual_learn(void)
{
    for (word i = 0; i < 64; i++) {
        (void)probe_late(ticks_now() + (2000 + i) / INSTRUCTIONS_PER_TICK);
        usual = last_late > usual ? last_late : usual;
    }
}

/* Repeats what makes one long call of many steps. */
static void learn(word *ahead, void (*run)(void))
{
    learnt = ahead;
    is_probing = true;
    while (learnt != NULL)
        run();
    is_probing = false;
    *ahead += MARGIN;
}

word probe_start(void (*long_call)(void))
{
    alarm = object_new(OBJECT_NOTIFICATION, 0);
    timer = object_new(OBJECT_TIMER, 0);
    struct thread *watcher = thread_new(observer, 0, PRIORITY_OBSERVER, 0);
    if (timer_bind(timer, alarm, watcher->sched_context) != ERROR_NONE)
        give_up("TIMER_BIND", 0);
    thread_start(watcher);
    origin_learn();
    usual_learn();
    learn(&ahead_of_call, long_call);
    learn(&ahead_of_wait, long_call);
    return usual;
}

word probe_longest(void (*run)(void), word life_bits)
{
    worst = 0;
    for (word begin = samples; samples - begin < SAMPLES;) {
        harness_mark(life_bits);
        is_probing = true;
        run();
        is_probing = false;
        harness_release();
    }
    return worst > usual ? worst - usual : 0;
}
