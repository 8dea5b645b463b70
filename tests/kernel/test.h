/* What every test case is made of. A case is a function made with CASE; the linker script collects them into one table
 * in link order. Each begins with memory of its own, which is taken back when it ends (harness.h).
 *
 * A case that fails prints the check with both values, the values noted before, and where each of its threads is
 * (watch.c). One that hangs or faults fails in the same way: a watchdog ends it.
 */
#ifndef KERNEL_TEST_H
#define KERNEL_TEST_H

#include "harness.h"

struct test_case {
    const char *name;
    const char *description;
    void (*run)(void);
    unsigned tries;
};

/* CASE_TIMED is for cases that measure shares of time: without -icount the emulator's host takes time away from the
 * guest whenever it likes, so they may try again. Under -icount they pass at the first try or not at all. */
#define CASE(name, description)       CASE_TRIES(name, description, 1)
#define CASE_TIMED(name, description) CASE_TRIES(name, description, 5)
#define CASE_TRIES(name, description, tries)                                                                           \
    static void name(void);                                                                                            \
    static const struct test_case name##_case                                                                          \
        __attribute__((section("test_cases"), used, aligned(8))) = {#name, description, name, tries};                  \
    static void name(void)

/* Ends the case (not the run) when the condition does not hold. Only on the root task's own thread. */
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            case_fail(__FILE__, __LINE__, #condition);                                                                 \
    } while (0)
#define EQUAL(left, right)                                                                                             \
    do {                                                                                                               \
        word left_value = (word)(left), right_value = (word)(right);                                                   \
        if (left_value != right_value)                                                                                 \
            case_fail_equal(__FILE__, __LINE__, #left " == " #right, left_value, right_value);                         \
    } while (0)
#define OK(call) EQUAL(call, ERROR_NONE)

/* Remembers a value (a loop's variable, say) that a failure shall show; a later note of the same name replaces it. */
#define NOTE(value) case_note(#value, (word)(value))

_Noreturn void case_fail(const char *file, int line, const char *text);
_Noreturn void case_fail_equal(const char *file, int line, const char *text, word left, word right);
void case_note(const char *name, word value);

/* An interrupt line that tests may take. */
#if defined(__x86_64__)
#define TEST_IRQ 8 /* the RTC's */
#else
#define TEST_IRQ 34 /* the RTC's of QEMU's virt */
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The root task runs at this priority during a case; others are usually one above or below. */
#define PRIORITY_ROOT 100
#define PRIORITY_HIGH 110
#define PRIORITY_LOW  90

static inline word registers_pc(const struct user_registers *r)
{
#if defined(__x86_64__)
    return r->rip;
#else
    return r->pc;
#endif
}

static inline void registers_set_pc(struct user_registers *r, word pc)
{
#if defined(__x86_64__)
    r->rip = pc;
#else
    r->pc = pc;
#endif
}

/* --- victims --- */

/* Ways to destroy an object: each case about death goes through all that apply. */
enum kill {
    KILL_DELETE, /* its last capability is deleted */
    KILL_CNODE,  /* its last capability lies in a CNode that is deleted */
    KILL_UNTYPED /* its memory is revoked */
};
#define KILLS 3

/* An object with an untyped of its own; at most VICTIMS in a case. */
#define VICTIMS 32
cptr victim_new(enum object_type type);
/* Copies of the capability go first, so that the object ends in any case. */
void victim_kill(cptr victim, enum kill how);
/* Afterwards the memory must be free: makes another object of the same type in the same place. */
void victim_check_reclaimed(cptr victim);
/* A case that is repeated for each way begins each round with this. */
void kill_round(enum kill how);

/* --- actors --- */

/* A thread that makes system calls from a list and writes down what came back. It is the partner in most cases about
 * IPC: one of higher priority than the root task has made its next call when actor_start or the call that woke it
 * returns. Its list lies in memory that is mapped in its space and in the root task's. */

#define STEPS_PER_ACTOR 10
#define STATUS_PENDING  ((enum error)1000)

struct step {
    enum syscall number;
    word destination;    /* what to name; the badge afterwards */
    struct message m;    /* sent and received */
    enum error status;   /* STATUS_PENDING until the call is through */
    bool is_echo;        /* sends what the step before received */
    volatile word *flag; /* not NULL: set to 1 before the call is made (no other trace of its being ready to) */
};

struct actor {
    struct thread *thread;
    volatile word done; /* steps that are through */
    volatile word count;
    bool repeats; /* the last step for ever, as an echo */
    bool is_passive;
    cptr untyped; /* of an actor_mortal */
    volatile struct step steps[STEPS_PER_ACTOR];
};

enum actor_flags {
    ACTOR_PROCESS = 1,   /* in an address space of its own */
    ACTOR_FP = 2,        /* with TCB_FLAG_FP */
    ACTOR_PASSIVE = 4,   /* loses its scheduling context as soon as actor_start has let it run */
    ACTOR_NO_BUFFER = 8, /* has no IPC buffer */
};

/* Not yet started; fault_endpoint may be 0. */
struct actor *actor_new(word priority, unsigned flags, cptr fault_endpoint);
/* The same from an untyped of its own (what it is made of, that is), so that actor_kill can take all of it. */
struct actor *actor_mortal(word priority, unsigned flags, cptr fault_endpoint);
/* Ends the thread of an actor_mortal; by KILL_UNTYPED its context, buffer and address space go with it. */
void actor_kill(struct actor *actor, enum kill how);
/* Adds a step, also to an actor that runs (and has steps left); m may be NULL. Returns it for changes. */
volatile struct step *actor_step(struct actor *actor, enum syscall number, cptr to, cptr reply,
                                 const struct message *m);
void actor_start(struct actor *actor);
/* Suspends the actor; it has no steps then, and begins with the first that it gets at actor_start. */
void actor_reset(struct actor *actor);
/* A new actor without flags that makes this one call, started. */
struct actor *actor_calls(word priority, enum syscall number, cptr to, cptr reply, word w0);
/* A started actor that receives and then answers each call with what it was sent, for ever. */
struct actor *actor_serves(word priority, unsigned flags, cptr endpoint, cptr reply);
/* What step i brought: a failed check if it is not through. */
volatile const struct step *actor_result(const struct actor *actor, word i);
/* The step is made, and waits. */
bool actor_waits_in(const struct actor *actor, word i);

/* --- more than one file needs --- */

/* Lets lower priorities run for that long. */
void sleep_ns(word ns);
/* What threads tell of their progress; a case that uses it sets log_count to 0 first. */
#define LOG_ENTRIES 64
extern volatile word log_count, log_entries[LOG_ENTRIES];
void log_add(word what);
/* Lets lower priorities run until the log is that long, for a second at the most. */
void log_wait(word count);
/* Is there a capability in this slot of the root task's CNode? */
bool slot_is_used(cptr slot);
/* One object of each type that there is on this machine (else 0), by type, each with the most rights. */
void objects_of_all_types(cptr objects[OBJECT_TYPE_COUNT]);
/* A copy of the capability with that badge (0: as it is) and those rights, in a new slot. */
cptr minted(cptr source, word rights, word badge);
/* An invocation by label and words, of an object that the case checks the errors of. The answer's words stay in *m. */
enum error invoked(cptr object, enum invocation label, word length, struct message *m);

#endif
