/* Faults of programs: what happened, in words, and whether the thread goes on.
 *
 * A Wasm trap is told from other faults here, since it takes the process's memory map; the function names come from the
 * tracer, a process of its own, because it reads what the image's maker wrote.
 */
#include <abi/fault.h>

#include "proto/root.h"
#include "server.h"
#include "tessera/invoke.h"
#include "tessera/server.h"
#include "tessera/text.h"

#define RESTARTS_MAX 1000

static bool is_in_text(const struct process *process, uint64_t address, const struct image_segment **segment)
{
    const struct image *image = &process->image->image;
    for (uint32_t i = 0; i < image->segment_count; i++) {
        *segment = &image->segments[i];
        if (((*segment)->access & IMAGE_EXECUTE) && address - (*segment)->address < (*segment)->file_bytes)
            return true;
    }
    return false;
}

/* The kind in the trapping instruction, read from the archive where the text lies. */
static enum trap_kind trap_of_instruction(const struct process *process, uint64_t pc)
{
    const struct image_segment *segment;
    uint8_t bytes[8] = {0};
    if (!is_in_text(process, pc, &segment))
        return TRAP_NONE;
    uint64_t at = pc - segment->address, left = segment->file_bytes - at;
    memcpy(bytes, process->image->image.bytes + segment->file_offset + at, left < sizeof(bytes) ? left : sizeof(bytes));
#if defined(__x86_64__)
    return trap_kind_x86_64(bytes);
#else
    uint32_t instruction;
    memcpy(&instruction, bytes, sizeof(instruction));
    return trap_kind_arm64(instruction);
#endif
}

static bool is_trap_exception(const struct message *m)
{
#if defined(__x86_64__)
    return m->words[2] == 6; /* #UD */
#else
    return m->words[2] == 0x3c; /* BRK from AArch64 */
#endif
}

static enum trap_kind trap_of_address(const struct process *process, const struct message *m)
{
    uint64_t address = m->words[2];
    if (m->words[4] & FAULT_VM_FETCH)
        return TRAP_NONE;
    if (address >= PROCESS_STACK_FLOOR && address < PROCESS_STACK_TOP)
        return TRAP_STACK_EXHAUSTED;
    for (uint32_t i = 0; i < process->region_count; i++)
        if (address - process->regions[i].base < WASM_MEMORY_SPAN)
            return TRAP_MEMORY_OUT_OF_BOUNDS;
    return TRAP_NONE;
}

/* Return addresses along the frame pointers: pairs (next frame, return address) on the stack, upwards only. */
static uint32_t frames_walk(struct process *process, uint32_t thread, uint64_t frame, uint64_t *addresses,
                            uint32_t count)
{
    uint64_t floor, top;
    thread_stack(process, thread, &floor, &top);
    while (count < TRACER_FRAMES && frame >= floor && frame % 8 == 0 && frame <= top - 16) {
        uint64_t bytes, pair[2];
        const uint8_t *at = task_view(&process->task, frame, &bytes);
        if (!at || bytes < sizeof(pair))
            break;
        memcpy(pair, at, sizeof(pair));
        if (pair[1] == 0)
            break;
        addresses[count++] = pair[1];
        floor = frame + 16;
        frame = pair[0];
    }
    return count;
}

static size_t trace(struct process *process, uint32_t thread, const struct message *m, enum trap_kind kind, char *text,
                    size_t size)
{
    uint64_t addresses[TRACER_FRAMES];
    uint32_t count = 0;
    struct user_registers registers;
    addresses[count++] = m->words[0];
    if (tcb_read_registers(thread_tcb(process, thread), false, server_buffer(), &registers) == ERROR_NONE) {
#if defined(__x86_64__)
        count = frames_walk(process, thread, registers.rbp, addresses, count);
#else
        count = frames_walk(process, thread, registers.x[29], addresses, count);
#endif
    }
    struct message call = {
        message_info(TRACER_REPORT, 0, 6 + count),
        {process->image->offset, process->image->bytes, message_info_label(m->info), m->words[2], kind, count}};
    message_put(&call, 6, addresses, count * sizeof(addresses[0]));
    if (syscall_call(SERVER_CAP_TRACER, &call) != ERROR_NONE || call.words[0] >= size ||
        1 + message_words(call.words[0]) > message_info_length(call.info))
        return text_format(text, size, "wasm trap: %s", trap_kind_text(kind));
    message_get(&call, 1, text, call.words[0]);
    text[call.words[0]] = 0;
    return call.words[0];
}

static void describe(const struct message *m, char *text, size_t size)
{
    const word *w = m->words;
    switch ((enum fault)message_info_label(m->info)) {
    case FAULT_CAPABILITY:
        text_format(text, size, "killed: capability fault at slot %lu, at 0x%lx", w[2], w[0]);
        return;
    case FAULT_UNKNOWN_SYSCALL:
        text_format(text, size, "killed: unknown system call %lu, at 0x%lx", w[2], w[0]);
        return;
    case FAULT_USER_EXCEPTION:
        text_format(text, size, "killed: exception %lu (0x%lx), at 0x%lx", w[2], w[3], w[0]);
        return;
    case FAULT_VM:
        text_format(text, size, "killed: page fault %s 0x%lx, at 0x%lx",
                    w[4] & FAULT_VM_FETCH   ? "executing"
                    : w[4] & FAULT_VM_WRITE ? "writing"
                                            : "reading",
                    w[2], w[0]);
        return;
    case FAULT_TIMEOUT:
        text_format(text, size, "killed: CPU budget used up");
        return;
    case FAULT_NONE:
    case FAULT_DEBUG:
        break;
    }
    text_format(text, size, "killed: fault %lu, at 0x%lx", message_info_label(m->info), w[0]);
}

bool fault_handle(struct process *process, uint32_t thread, const struct message *m)
{
    char text[ROOT_ENDING_BYTES];
    word kind = message_info_label(m->info);
    enum trap_kind trap = TRAP_NONE;
    bool is_wasm = !process->image->is_native;
    /* The slot of a service is refilled here when its server dies: the call is simply made again. Not for ever: other
     * faults on such a slot are the program's own doing. */
    if (kind == FAULT_CAPABILITY && service_owns_cap(process, (cptr)m->words[2]) && process->restarts++ < RESTARTS_MAX)
        return true;
    if (kind == FAULT_VM && !(m->words[4] & (FAULT_VM_FETCH | FAULT_VM_PRESENT)) &&
        m->words[2] >= PROCESS_STACK_FLOOR && m->words[2] < PROCESS_STACK_TOP &&
        process_stack_grow(process, m->words[2]))
        return true;
    if (kind == FAULT_VM && !(m->words[4] & (FAULT_VM_FETCH | FAULT_VM_PRESENT))) {
        switch (task_memory_touch(&process->task, m->words[2])) {
        case TOUCH_MAPPED:
            return true;
        case TOUCH_NO_MEMORY:
            process_end(process, PROCESS_ENDED_KILLED, PROCESS_KILL_MEMORY, "killed: the machine has no memory left");
            return false;
        case TOUCH_ELSEWHERE:
            break;
        }
    }
    if (is_wasm && kind == FAULT_USER_EXCEPTION && is_trap_exception(m))
        trap = trap_of_instruction(process, m->words[0]);
    if (is_wasm && kind == FAULT_VM)
        trap = trap_of_address(process, m);
    if (trap != TRAP_NONE) {
        trace(process, thread, m, trap, text, sizeof(text));
        process_end(process, PROCESS_ENDED_TRAP, trap, text);
    } else {
        describe(m, text, sizeof(text));
        process_end(process, PROCESS_ENDED_FAULT, (uint32_t)kind, text);
    }
    return false;
}
