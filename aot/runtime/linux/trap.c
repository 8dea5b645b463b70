/* Faults become traps: the kind stands in the trap instruction, or follows from where the fault's address lies. */
#include "kernel_interface.h"
#include "linux.h"

extern void linux_signal_return(void);

/* Handlers of signals run here: the program's own stack may be what is exhausted. */
static uint8_t signal_stack[65536] __attribute__((aligned(16)));

struct signal_action {
    void (*handler)(int, const void *, const void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

struct signal_stack {
    void *address;
    int flags;
    size_t bytes;
};

static _Thread_local void *resume[5]; /* __builtin_setjmp's */
static _Thread_local volatile int is_running, trapped_with;

/* siginfo_t: the fault's address is its third 64-bit word. ucontext_t: the interrupted program counter, and the frame
 * pointer. */
static uint64_t fault_address(const void *information)
{
    return ((const uint64_t *)information)[2];
}

static uint64_t program_counter(const void *context)
{
#ifdef __aarch64__
    return *(const uint64_t *)((const uint8_t *)context + 440); /* uc_mcontext.pc: 176 + 8 + 31 * 8 + 8 */
#else
    return *(const uint64_t *)((const uint8_t *)context + 168); /* uc_mcontext.gregs[REG_RIP]: 40 + 16 * 8 */
#endif
}

static uint64_t frame_pointer(const void *context)
{
#ifdef __aarch64__
    return *(const uint64_t *)((const uint8_t *)context + 416); /* uc_mcontext.regs[29]: 176 + 8 + 29 * 8 */
#else
    return *(const uint64_t *)((const uint8_t *)context + 120); /* uc_mcontext.gregs[REG_RBP]: 40 + 10 * 8 */
#endif
}

/* Whether the address can be an instruction of the program. */
static int is_code(uint64_t address)
{
    for (uint32_t i = 0; i < linux_image->segment_count; i++) {
        const struct image_segment *segment = &linux_image->segments[i];
        if (segment->access & IMAGE_EXECUTE && address - segment->address < segment->memory_bytes)
            return 1;
    }
    return 0;
}

static enum trap_kind instruction_kind(uint64_t address)
{
    if (!is_code(address))
        return TRAP_NONE;
#ifdef __aarch64__
    return trap_kind_arm64(*(const uint32_t *)address);
#else
    return trap_kind_x86_64((const uint8_t *)address);
#endif
}

static enum trap_kind address_kind(uint64_t address)
{
    for (uint32_t i = 0; i < linux_image->program->memory_count; i++)
        if (address - linux_image->memories[i].base < WASM_MEMORY_SPAN)
            return TRAP_MEMORY_OUT_OF_BOUNDS;
    return linux_stack_low - address <= 0x100000 ? TRAP_STACK_EXHAUSTED : TRAP_NONE;
}

static void print_hex(uint64_t value)
{
    char text[19] = "0x0000000000000000";
    for (int i = 17; i > 1; i--, value >>= 4)
        text[i] = "0123456789abcdef"[value & 15];
    linux_print(2, text);
}

#define FRAMES 32

/* Return addresses along the frame pointers: pairs (next frame, return address) on the stack, upwards only. */
static uint64_t frames_walk(uint64_t frame, uint64_t *addresses, uint64_t count)
{
    uint64_t floor = linux_stack_low;
    while (count < FRAMES && frame >= floor && frame % 8 == 0 && frame <= linux_stack_high - 16) {
        const uint64_t *pair = (const uint64_t *)frame;
        if (pair[1] == 0)
            break;
        addresses[count++] = pair[1];
        floor = frame + 16;
        frame = pair[0];
    }
    return count;
}

static _Noreturn void report(enum trap_kind kind, uint64_t counter, uint64_t address, uint64_t frame)
{
    static char text[1024];
    uint64_t addresses[FRAMES] = {counter};
    if (kind == TRAP_NONE) {
        linux_print(2, "fault at address ");
        print_hex(address);
        linux_print(2, ", instruction ");
        print_hex(counter);
    } else {
        trap_report(linux_image, kind, addresses, frames_walk(frame, addresses, 1), text, sizeof text);
        linux_print(2, text);
    }
    linux_print(2, "\n");
    linux_exit(LINUX_EXIT_TRAP);
}

static void handle(int signal, const void *information, const void *context)
{
    uint64_t counter = program_counter(context), address = fault_address(information);
    enum trap_kind kind =
        signal == SIGNAL_ILLEGAL || signal == SIGNAL_TRAP ? instruction_kind(counter) : address_kind(address);
    if (!is_running || kind == TRAP_NONE)
        report(kind, counter, address, frame_pointer(context));
    trapped_with = kind;
    __builtin_longjmp(resume, 1);
}

void linux_catch_traps_on(void *address, uint64_t bytes)
{
    struct signal_stack stack = {.address = address, .bytes = bytes};
    linux_call(SYSCALL_SIGALTSTACK, (long)&stack, 0, 0, 0, 0, 0);
}

void linux_catch_traps(void)
{
    static const int signals[] = {SIGNAL_ILLEGAL, SIGNAL_TRAP, SIGNAL_BUS, SIGNAL_SEGMENT};
    struct signal_action action = {.handler = handle,
                                   .flags = ACTION_SIGINFO | ACTION_ON_STACK | ACTION_NODEFER | ACTION_RESTORER,
                                   .restorer = linux_signal_return};
    linux_catch_traps_on(signal_stack, sizeof signal_stack);
    for (unsigned i = 0; i < sizeof signals / sizeof signals[0]; i++)
        linux_call(SYSCALL_SIGACTION, signals[i], (long)&action, 0, sizeof action.mask, 0, 0);
}

enum trap_kind linux_run(void (*function)(void *), void *argument)
{
    is_running = 1;
    trapped_with = TRAP_NONE;
    if (__builtin_setjmp(resume) == 0)
        function(argument);
    is_running = 0;
    return (enum trap_kind)trapped_with;
}
