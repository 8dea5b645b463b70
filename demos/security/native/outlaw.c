/* A hostile native program: an image that no translator made, which knows the kernel's ABI and obeys nothing.
 *
 *     outlaw ask N    exit status: what deed N must come to (enum outcome), NO_DEED when there is none
 *     outlaw do N     does it
 *
 * The warden (warden.c) asks and then lets each deed be done, in a process of its own. Deeds are: reading, writing and
 * executing what is not the program's, every capability slot with every invocation and random arguments, system calls
 * that do not exist, and each machine's privileged instructions and tricks with flags and control registers.
 */
#include <abi/object.h>

#include "outlaw.h"
#include "proto/process.h"
#include "tessera/server.h"
#include "tessera/text.h"

enum { SLOTS = 64, SLOTS_BEYOND = 8, RANDOM_RUNS = 24, RANDOM_CALLS = 2000, SYSTEM_CALLS = 24, STACK_BYTES = 4096 };

static uint32_t zeroes[16];         /* .bss: writable, must not run */
static const uint32_t constants[4]; /* read only */
static uint64_t random_state;

static uint64_t random_word(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* ---- memory ---- */

static int read_word(uint64_t address)
{
    (void)*(volatile uint64_t *)address;
    return 1;
}

static int write_word(uint64_t address)
{
    *(volatile uint64_t *)address = 0;
    return 1;
}

static int write_own_text(uint64_t argument)
{
    (void)argument;
    return write_word((uint64_t)(uintptr_t)&write_own_text);
}

static int write_constants(uint64_t argument)
{
    (void)argument;
    return write_word((uint64_t)(uintptr_t)constants & ~7ul);
}

static int run_data(uint64_t argument)
{
    (void)argument;
    return jump_to((uint64_t)(uintptr_t)zeroes);
}

static int run_stack(uint64_t argument)
{
    volatile uint64_t on_stack[2] = {argument};
    return jump_to((uint64_t)(uintptr_t)on_stack);
}

/* Its frame is used after the call, so that it cannot become a loop. */
static __attribute__((noinline)) int overflow_stack(uint64_t depth)
{
    volatile char frame[STACK_BYTES];
    frame[depth % STACK_BYTES] = (char)depth;
    if (depth == UINT64_MAX)
        return 0;
    return overflow_stack(depth + 1) + frame[depth % STACK_BYTES];
}

/* ---- capabilities and system calls ---- */

/* What asks the process server to end this process is no attack. */
static bool is_exit(cptr slot, word label)
{
    return slot == PROCESS_CAP_SERVER && label == PROCESS_EXIT;
}

static void message_random(struct message *m, word label, bool has_capabilities)
{
    m->info = message_info(label, has_capabilities ? random_word() : 0, random_word());
    for (unsigned i = 0; i < MESSAGE_REGISTERS; i++) /* small numbers name slots, labels and sizes that exist */
        m->words[i] = random_word() & 1 ? random_word() & 63 : random_word();
}

/* Every invocation, and some that do not exist, on one slot; first without, then with random arguments. */
static int try_slot(uint64_t slot)
{
    random_state = slot + 1;
    for (word label = 0; label < INVOCATION_COUNT + 16; label++) {
        for (unsigned times = 0; times < 4; times++) {
            struct message m = {.info = message_info(label, 0, times * 2)};
            if (times > 0)
                message_random(&m, label, times == 3);
            if (!is_exit((cptr)slot, label))
                (void)syscall_call((cptr)slot, &m);
        }
    }
    return 0;
}

/* Random calls that do not block, mostly on slots that exist. */
static int try_at_random(uint64_t seed)
{
    static const enum syscall numbers[] = {SYSCALL_CALL, SYSCALL_NBSEND, SYSCALL_NBRECV, SYSCALL_NBWAIT, SYSCALL_YIELD};
    random_state = seed * 0x9e3779b97f4a7c15ul;
    for (unsigned i = 0; i < RANDOM_CALLS; i++) {
        struct message m;
        cptr slot = 1 + (cptr)(random_word() % 6);
        word label = random_word() & 1 ? random_word() % (INVOCATION_COUNT + 4) : random_word(), badge;
        message_random(&m, label, random_word() % 4 == 0);
        if (is_exit(slot, message_info_label(m.info)))
            continue;
        switch (numbers[random_word() % 5]) {
        case SYSCALL_CALL:
            (void)syscall_call(slot, &m);
            break;
        case SYSCALL_NBSEND:
            (void)syscall_nbsend(slot, &m);
            break;
        case SYSCALL_NBRECV:
            (void)syscall_nbrecv(PROCESS_CAP_NOTIFICATION, (cptr)random_word(), &m, &badge);
            break;
        case SYSCALL_NBWAIT:
            (void)syscall_nbwait(PROCESS_CAP_NOTIFICATION, &m, &badge);
            break;
        default:
            syscall_yield();
        }
    }
    return 0;
}

static int call_any_address(uint64_t slot)
{
    struct message m = {0};
    (void)syscall_call((cptr)slot, &m);
    return 1;
}

static int receive_on_nothing(uint64_t number)
{
    struct message m = {0};
    word badge;
    switch (number) {
    case 0:
        (void)syscall_recv(PROCESS_CAP_SERVER, 0, &m, &badge); /* it may be called, not received from */
        break;
    case 1:
        (void)syscall_reply_recv(PROCESS_CAP_SERVER, PROCESS_CAP_SERVER, &m, &badge);
        break;
    case 2:
        (void)syscall_wait(PROCESS_CAP_SERVER, &m, &badge);
        break;
    default:
        (void)syscall_recv(SLOTS - 1, SLOTS - 1, &m, &badge);
    }
    return 1;
}

/* An IPC buffer that its owner has filled with rubbish is the owner's problem. */
static int spoil_buffer(uint64_t argument)
{
    uint64_t *words = (uint64_t *)(uintptr_t)PROCESS_IPC_BUFFER;
    random_state = argument + 7;
    for (unsigned i = 0; i < sizeof(struct ipc_buffer) / 8; i++)
        words[i] = random_word();
    for (unsigned i = 0; i < 100; i++) {
        struct message m = {message_info(PROCESS_PENDING, 3, 127), {random_word()}};
        (void)syscall_call(PROCESS_CAP_SERVER, &m);
    }
    return 0;
}

/* ---- which ---- */

static const struct deed deeds[] = {
    {"reading address 0", MUST_FAULT, read_word, 0},
    {"reading above the stack", MUST_FAULT, read_word, PROCESS_STACK_TOP},
    {"reading the last user address", MUST_FAULT, read_word, 0x7ffffffffff8},
    {"writing its start page", MUST_FAULT, write_word, PROCESS_START_PAGE},
    {"writing its own text", MUST_FAULT, write_own_text, 0},
    {"writing its constants", MUST_FAULT, write_constants, 0},
    {"executing data", MUST_FAULT, run_data, 0},
    {"executing its stack", MUST_FAULT, run_stack, 0},
    {"executing its IPC buffer", MUST_FAULT, jump_to, PROCESS_IPC_BUFFER},
    {"executing address 0", MUST_FAULT, jump_to, 0},
    {"overflowing its stack", MUST_FAULT, overflow_stack, 0},
    {"a call on address 0", MUST_FAULT, call_any_address, 0},
    {"a call on address 0xffffffff", MUST_FAULT, call_any_address, 0xffffffff},
    {"receiving from the process server", MUST_FAULT, receive_on_nothing, 0},
    {"answering the process server", MUST_FAULT, receive_on_nothing, 1},
    {"waiting on the process server", MUST_FAULT, receive_on_nothing, 2},
    {"receiving from an empty slot", MUST_FAULT, receive_on_nothing, 3},
    {"rubbish in the IPC buffer", MUST_RETURN, spoil_buffer, 0},
};

enum { DEEDS = sizeof(deeds) / sizeof(deeds[0]) };

/* Deed number n of all: the list above, kernel addresses, slots, random calls, the machine's list. */
static bool deed_find(unsigned n, struct deed *deed)
{
    static int (*const accesses[])(uint64_t) = {read_word, write_word, jump_to};
    static const char *const words[] = {"reading kernel memory", "writing kernel memory", "jumping into the kernel"};
    if (n < DEEDS) {
        *deed = deeds[n];
        return true;
    }
    n -= DEEDS;
    if (n < 3 * kernel_address_count) {
        *deed = (struct deed){words[n % 3], MUST_FAULT, accesses[n % 3], kernel_addresses[n / 3]};
        return true;
    }
    n -= 3 * kernel_address_count;
    if (n < SLOTS + SLOTS_BEYOND) {
        *deed = (struct deed){"every invocation on slot", MAY_FAULT, try_slot, n};
        return true;
    }
    n -= SLOTS + SLOTS_BEYOND;
    if (n < RANDOM_RUNS) {
        *deed = (struct deed){"random calls, seed", MAY_FAULT, try_at_random, n + 1};
        return true;
    }
    n -= RANDOM_RUNS;
    if (n < machine_deed_count)
        *deed = machine_deeds[n];
    return n < machine_deed_count;
}

static bool number_parse(const char *text, unsigned *number)
{
    *number = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        *number = *number * 10 + (unsigned)(*text - '0');
    return *text == '\0';
}

/* Argument i of the start page; NULL when there is none. */
static const char *argument(const struct start_page *start, uint32_t index)
{
    const char *text = (const char *)start + start->arguments.offset;
    if (index >= start->arguments.count)
        return NULL;
    for (; index > 0; index--)
        text += text_length(text) + 1;
    return text;
}

int program_main(const struct start_page *start)
{
    const char *verb = argument(start, 1), *which = argument(start, 2);
    struct deed deed;
    unsigned n;
    if (verb == NULL || which == NULL || !number_parse(which, &n) || !deed_find(n, &deed))
        return NO_DEED;
    if (text_equal(verb, "ask"))
        return (int)deed.outcome;
    log_text("tries: %s (0x%lx)\n", deed.name, deed.argument);
    return deed.run(deed.argument) == 0 && deed.outcome != MUST_FAULT ? 0 : OUTLAW_ESCAPED;
}
