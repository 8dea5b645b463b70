/* Runs one script of the official test suite. Its modules are a static set of instances in this program; its
 * commands are the blob that spec.py makes of the script's JSON. The driver instantiates in the script's order,
 * calls, compares, recovers from traps, and prints
 *
 *     FAIL script.wast:12: what was expected and what came
 *     spec script: passed 10 failed 1
 *
 * A script's threads are threads: each goes through its commands with variables of its own.
 *
 * It stands where a module's _start would. The blob is little endian and comes from our own script, so it is
 * trusted: it is read by one cursor without checks. */
#include <stdbool.h>
#include <stdint.h>

#include "platform.h"
#include "runtime/exports.h"
#include "runtime/runtime.h"
#include "runtime/thread.h"

extern const uint8_t _binary_commands_blob_start[];

/* ---- the blob ---- */

enum command {
    COMMAND_END,
    COMMAND_MODULE,         /* instance */
    COMMAND_UNLINKABLE,     /* instance */
    COMMAND_UNINSTANTIABLE, /* instance, kind of trap */
    COMMAND_ACTION,         /* action */
    COMMAND_RETURN,         /* action, results */
    COMMAND_TRAP,           /* action, kind of trap */
    COMMAND_THREAD,         /* thread, length of its commands, and these */
    COMMAND_WAIT,           /* thread */
};

/* How a result is compared. */
enum match { MATCH_BITS, MATCH_CANONICAL_NAN, MATCH_ARITHMETIC_NAN, MATCH_NULL, MATCH_NOT_NULL };

static _Thread_local const uint8_t *cursor;

static uint8_t take8(void)
{
    return *cursor++;
}

static uint32_t take32(void)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value |= (uint32_t)take8() << (8 * i);
    return value;
}

static uint64_t take64(void)
{
    uint64_t low = take32();
    return low | (uint64_t)take32() << 32;
}

struct text {
    const char *bytes;
    uint32_t length;
};

static struct text take_text(void)
{
    struct text text = {.length = take32()};
    text.bytes = (const char *)cursor;
    cursor += text.length;
    return text;
}

/* ---- output ---- */

static struct text script_name;
static uint32_t all_passed, all_failed; /* of the threads that have ended */
static _Thread_local uint32_t passed, failed, line;

/* A line under construction. */
static _Thread_local char output[512];
static _Thread_local uint32_t output_length;

static void add(const char *text)
{
    while (*text && output_length < sizeof output - 2)
        output[output_length++] = *text++;
}

static void add_text(struct text text)
{
    for (uint32_t i = 0; i < text.length && output_length < sizeof output - 2; i++)
        output[output_length++] = text.bytes[i] >= ' ' && text.bytes[i] != 0x7f ? text.bytes[i] : '?';
}

static void add_number(uint64_t value, unsigned base)
{
    char digits[20];
    int count = 0;
    do
        digits[count++] = "0123456789abcdef"[value % base];
    while ((value /= base) > 0);
    while (count > 0) {
        char digit[2] = {digits[--count], 0};
        add(digit);
    }
}

static void print_output(void)
{
    output[output_length++] = '\n';
    output[output_length] = 0;
    spec_platform_print(output, output_length);
    output_length = 0;
}

static void begin_failure(void)
{
    failed++;
    add("FAIL ");
    add_text(script_name);
    add(".wast:");
    add_number(line, 10);
    add(": ");
}

static void fail(const char *what)
{
    begin_failure();
    add(what);
    print_output();
}

static void fail_trap(const char *wanted, enum trap_kind came)
{
    begin_failure();
    add("expected ");
    add(wanted);
    add(", got ");
    add(came == TRAP_NONE ? "none" : trap_kind_text(came));
    print_output();
}

/* ---- instances ---- */

struct instantiation {
    const struct wasm_instance *instance;
    uint32_t result;
};

static void instantiate(void *argument)
{
    struct instantiation *instantiation = argument;
    instantiation->result = instantiation->instance->instantiate();
}

/* The kind of trap that instantiation ended with; `*is_linked` false: an import does not fit. */
static enum trap_kind run_instantiate(uint32_t index, bool *is_linked)
{
    struct instantiation instantiation = {.instance = &wasm_instances[index]};
    *is_linked = false;
    if (!instantiation.instance->instantiate)
        return TRAP_NONE;
    enum trap_kind kind = spec_platform_run(instantiate, &instantiation);
    *is_linked = kind != TRAP_NONE || instantiation.result == 0;
    return kind;
}

static void command_module(void)
{
    bool is_linked;
    enum trap_kind kind = run_instantiate(take32(), &is_linked);
    if (!is_linked)
        fail("the module does not link");
    else if (kind != TRAP_NONE)
        fail_trap("instantiation", kind);
}

static void command_unlinkable(void)
{
    bool is_linked;
    enum trap_kind kind = run_instantiate(take32(), &is_linked);
    if (is_linked)
        fail_trap("a link error", kind);
    else
        passed++;
}

static void command_uninstantiable(void)
{
    bool is_linked;
    uint32_t index = take32();
    enum trap_kind wanted = (enum trap_kind)take8(), kind = run_instantiate(index, &is_linked);
    if (kind != wanted)
        fail_trap(trap_kind_text(wanted), kind);
    else
        passed++;
}

/* ---- actions ---- */

struct action {
    const struct wasm_export *export; /* NULL: there is none of this name */
    uint64_t slots[64];               /* arguments, then results */
};

static const struct wasm_export *find_export(uint32_t instance, struct text name)
{
    for (uint64_t i = 0; i < wasm_instances[instance].export_count; i++) {
        const struct wasm_export *export = &wasm_instances[instance].exports[i];
        bool is_same = export->name_length == name.length;
        for (uint32_t c = 0; is_same && c < name.length; c++)
            is_same = export->name[c] == name.bytes[c];
        if (is_same)
            return export;
    }
    return NULL;
}

static void take_action(struct action *action)
{
    uint32_t instance = take32();
    action->export = find_export(instance, take_text());
    uint32_t slots = take8();
    for (uint32_t i = 0; i < slots; i++)
        action->slots[i] = take64();
}

static bool is_narrow(char type)
{
    return type == 'i' || type == 'f';
}

static void act(void *argument)
{
    struct action *action = argument;
    const struct wasm_export *export = action->export;
    if (export->kind == WASM_FUNCTION)
        ((void (*)(uint64_t *)) export->address)(action->slots);
    else
        action->slots[0] =
            is_narrow(export->type[0]) ? *(const uint32_t *)export->address : *(const uint64_t *)export->address;
}

/* Runs the action that the blob has next. False: there is no such export, which has been reported. */
static bool run_action(struct action *action, enum trap_kind *kind)
{
    take_action(action);
    if (!action->export)
        return false;
    *kind = spec_platform_run(act, action);
    return true;
}

static bool is_nan_of_kind(char type, uint64_t bits, enum match match)
{
    uint64_t magnitude = type == 'f' ? bits & 0x7fffffff : bits & 0x7fffffffffffffff;
    uint64_t canonical = type == 'f' ? 0x7fc00000 : 0x7ff8000000000000;
    return match == MATCH_CANONICAL_NAN ? magnitude == canonical : (magnitude & canonical) == canonical;
}

static bool matches(char type, uint64_t bits, enum match match, uint64_t wanted)
{
    switch (match) {
    case MATCH_BITS:
        return bits == wanted;
    case MATCH_CANONICAL_NAN:
    case MATCH_ARITHMETIC_NAN:
        return is_nan_of_kind(type, bits, match);
    case MATCH_NULL:
        return bits == 0;
    case MATCH_NOT_NULL:
        return bits != 0;
    }
    return false;
}

/* The lanes of a v128 as the blob names them: bits of a lane, and whether it is compared as a float. */
static unsigned lane_bits(char type)
{
    return type == 'b' ? 8 : type == 'w' ? 16 : type == 'i' || type == 'f' ? 32 : 64;
}

/* One alternative of a v128: the letter of its lanes, then each lane's match and bits. */
static bool vector_matches(const uint64_t slots[2])
{
    char type = (char)take8();
    unsigned bits = lane_bits(type);
    bool fits = true;
    for (unsigned lane = 0; lane < 128 / bits; lane++) {
        enum match match = (enum match)take8();
        uint64_t wanted = take64(), word = slots[lane * bits / 64] >> (lane * bits % 64);
        fits &= matches(type, bits == 64 ? word : word & ((1ull << bits) - 1), match, wanted);
    }
    return fits;
}

static void fail_result(uint32_t index, const char *wanted, uint64_t bits, const uint64_t *slots, unsigned count)
{
    begin_failure();
    add("result ");
    add_number(index, 10);
    add(": expected ");
    add(wanted);
    if (!wanted[0])
        add("0x"), add_number(bits, 16);
    add(", got");
    while (count > 0)
        add(" 0x"), add_number(slots[--count], 16);
    print_output();
}

/* Compares one result, in one slot or two, with its alternatives; reports when none fits and `reports`. Steps the
 * cursor over them in any case. The number of slots. */
static unsigned check_result(uint32_t index, const uint64_t *slots, bool reports)
{
    static const char *const names[] = {"", "a canonical NaN", "an arithmetic NaN", "null", "a reference"};
    char type = (char)take8();
    uint32_t alternatives = take8();
    unsigned count = type == 'v' ? 2 : 1;
    bool fits = false;
    uint64_t wanted = 0, bits = is_narrow(type) ? (uint32_t)slots[0] : slots[0];
    enum match match = MATCH_BITS;
    for (uint32_t i = 0; i < alternatives; i++) {
        if (type == 'v') {
            fits |= vector_matches(slots);
            continue;
        }
        match = (enum match)take8();
        wanted = take64();
        fits |= matches(type, bits, match, wanted);
    }
    if (!fits && reports)
        fail_result(index, type == 'v' ? "another vector" : names[match], wanted, slots, count);
    return count;
}

static void command_return(bool is_assertion)
{
    struct action action = {0};
    enum trap_kind kind = TRAP_NONE;
    bool has_run = run_action(&action, &kind), has_results = has_run && kind == TRAP_NONE;
    uint32_t before = failed, slot = 0;
    uint32_t results = is_assertion ? take8() : 0;
    for (uint32_t i = 0; i < results; i++)
        slot += check_result(i, action.slots + slot, has_results && failed == before);
    if (!has_run)
        fail("no such export");
    else if (kind != TRAP_NONE)
        fail_trap("a result", kind);
    else if (failed == before && is_assertion)
        passed++;
}

static void command_trap(void)
{
    struct action action = {0};
    enum trap_kind kind;
    bool has_run = run_action(&action, &kind);
    enum trap_kind wanted = (enum trap_kind)take8();
    if (!has_run)
        fail("no such export");
    else if (kind != wanted)
        fail_trap(trap_kind_text(wanted), kind);
    else
        passed++;
}

/* ---- threads ---- */

static struct script_thread {
    const uint8_t *commands;
    uint32_t has_ended;
} threads[16];

static void run_commands(void);

static void add_results(void)
{
    __atomic_fetch_add(&all_passed, passed, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&all_failed, failed, __ATOMIC_SEQ_CST);
}

static void run_thread(void *argument)
{
    struct script_thread *thread = argument;
    cursor = thread->commands;
    run_commands();
    add_results();
    __atomic_store_n(&thread->has_ended, 1, __ATOMIC_SEQ_CST);
    wasm_notify(&thread->has_ended, 1);
}

static void command_thread(void)
{
    struct script_thread *thread = &threads[take32()];
    uint32_t length = take32();
    thread->commands = cursor;
    cursor += length;
    if (!wasm_platform_thread_start(run_thread, thread)) {
        fail("no thread can be started");
        thread->has_ended = 1;
    }
}

static void command_wait(void)
{
    struct script_thread *thread = &threads[take32()];
    while (!__atomic_load_n(&thread->has_ended, __ATOMIC_SEQ_CST))
        wasm_wait(&thread->has_ended, 0, -1, sizeof thread->has_ended);
}

/* ---- the script ---- */

static bool run_command(void)
{
    enum command command = (enum command)take8();
    if (command == COMMAND_END)
        return false;
    line = take32();
    switch (command) {
    case COMMAND_MODULE:
        command_module();
        break;
    case COMMAND_UNLINKABLE:
        command_unlinkable();
        break;
    case COMMAND_UNINSTANTIABLE:
        command_uninstantiable();
        break;
    case COMMAND_ACTION:
        command_return(false);
        break;
    case COMMAND_RETURN:
        command_return(true);
        break;
    case COMMAND_TRAP:
        command_trap();
        break;
    case COMMAND_THREAD:
        command_thread();
        break;
    case COMMAND_WAIT:
        command_wait();
        break;
    case COMMAND_END:
        break;
    }
    return true;
}

static void run_commands(void)
{
    while (run_command())
        ;
}

/* Instances are made one by one, by the script. */
void wasm_instantiate(void) {}

void wasm_export__start(void);
void wasm_export__start(void)
{
    cursor = _binary_commands_blob_start;
    script_name = take_text();
    run_commands();
    add_results();
    add("spec ");
    add_text(script_name);
    add(": passed ");
    add_number(all_passed, 10);
    add(" failed ");
    add_number(all_failed, 10);
    print_output();
    spec_platform_exit(all_failed > 0);
}
