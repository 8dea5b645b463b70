/* See trap.h. */
#include "trap.h"

#include <abi/fault.h>

#include "wasi.h"

#define TRAP_STACK_BYTES 16384
#define STATUS_FAULT     134 /* as a shell shows abort() */

/* x86-64 enters a function with the return address pushed, so 8 below a multiple of 16. */
#if defined(__x86_64__)
#define TRAP_ENTRY_IS_CALLED 1
#else
#define TRAP_ENTRY_IS_CALLED 0
#endif

static uint8_t trap_stack[TRAP_STACK_BYTES] __attribute__((aligned(16)));
static void *resume_buffer[5]; /* __builtin_setjmp's */
static volatile bool is_running;
static volatile enum trap_kind trapped_with;

static enum trap_kind kind_of_instruction(uint64_t pc)
{
    if (pc - IMAGE_WINDOW_BASE >= IMAGE_WINDOW_BYTES)
        return TRAP_NONE;
#if defined(__x86_64__)
    return trap_kind_x86_64((const uint8_t *)pc);
#else
    return trap_kind_arm64(*(const uint32_t *)pc);
#endif
}

static enum trap_kind kind_of(const struct message *m)
{
    uint64_t address = m->words[2];
    if (message_info_label(m->info) == FAULT_USER_EXCEPTION)
        return kind_of_instruction(m->words[0]);
    if (message_info_label(m->info) != FAULT_VM || (m->words[4] & FAULT_VM_FETCH))
        return TRAP_NONE;
    if (address >= PROCESS_STACK_FLOOR && address < PROCESS_STACK_TOP)
        return TRAP_STACK_EXHAUSTED;
    return address < WASM_MEMORY_SPAN || address >= IMAGE_REGION_BASE ? TRAP_MEMORY_OUT_OF_BOUNDS : TRAP_NONE;
}

/* Where the trapped thread goes on, on the stack that it had. */
_Noreturn static void resume(void)
{
    __builtin_longjmp(resume_buffer, 1);
}

/* The trap thread. It touches nothing of the other's but the three variables above. */
_Noreturn static void trap_thread(void)
{
    struct message m;
    word badge;
    (void)syscall_recv(PROCESS_CAP_TRAP_ENDPOINT, PROCESS_CAP_TRAP_REPLY, &m, &badge);
    for (;;) {
        enum trap_kind kind = kind_of(&m);
        if (!is_running || kind == TRAP_NONE) {
            log_text("trap thread: fault %lu at 0x%lx, address 0x%lx: nobody expects it\n", message_info_label(m.info),
                     m.words[0], m.words[2]);
            wasm_platform_exit(STATUS_FAULT);
        }
        trapped_with = kind;
        /* A little below the frame to go back to, aligned as at a function's entry. */
        uint64_t sp = ((uint64_t)resume_buffer[2] - 256) & ~15ul;
        m = (struct message){message_info(0, 0, 2), {(word)(uintptr_t)resume, sp - 8 * TRAP_ENTRY_IS_CALLED}};
        (void)syscall_reply_recv(PROCESS_CAP_TRAP_ENDPOINT, PROCESS_CAP_TRAP_REPLY, &m, &badge);
    }
}

static void start_once(void)
{
    static bool is_started;
    uint64_t stack = (uint64_t)(uintptr_t)trap_stack + TRAP_STACK_BYTES;
    struct message m = {0, {(word)(uintptr_t)trap_thread, stack - 8 * TRAP_ENTRY_IS_CALLED}};
    if (is_started)
        return;
    if (process_call(PROCESS_TRAP_THREAD, &m, 2) != ESUCCESS) {
        log_text("trap thread: not granted, or no memory for it\n");
        wasm_platform_exit(STATUS_FAULT);
    }
    is_started = true;
}

__attribute__((noinline)) enum trap_kind trap_run(void (*function)(void *), void *argument)
{
    start_once();
    trapped_with = TRAP_NONE;
    if (__builtin_setjmp(resume_buffer) == 0) {
        is_running = true;
        function(argument);
    }
    is_running = false;
    return trapped_with;
}

void trap_print(const char *text, uint64_t length)
{
    log_write(1, text, length);
}
