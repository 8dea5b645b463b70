/* A process's memory while it runs: memory.grow, and stacks that faults extend. */
#include "server.h"
#include "tessera/invoke.h"

/* More of the last chunk becomes visible; true when that was enough. */
static bool region_extend(struct process *process, struct region *region, uint64_t from, uint64_t bytes)
{
    if (!region->last_slot || from + bytes > region->capacity)
        return false;
    uint64_t first = region->last.first + (from - region->last_offset);
    for (uint64_t at = 0; at < bytes;) {
        word done = 0, level = 0;
        enum error error = frame_map(region->last_slot, process->task.vspace, region->base + from + at,
                                     RIGHT_READ | RIGHT_WRITE, 0, first + at, bytes - at, &done, &level);
        if (error == ERROR_FAILED_LOOKUP ? !task_table(&process->task, region->base + from + at, (uint32_t)level)
                                         : error != ERROR_NONE)
            return false;
        at += done;
    }
    return true;
}

/* A module that grows page by page must not cost a capability each time: a new chunk is as large as what is there
 * already, as far as the limit allows, and becomes visible as it is asked for. */
static uint64_t chunk_bytes(const struct process *process, const struct region *region, uint64_t needed)
{
    uint64_t wanted = region->capacity < 16ul << 20 ? region->capacity : 16ul << 20;
    uint64_t bytes = PAGE_BYTES;
    while (bytes < needed || bytes < wanted)
        bytes *= 2;
    while (bytes / 2 >= needed && bytes > process_memory_left(process))
        bytes /= 2;
    return bytes;
}

uint32_t process_grow(struct process *process, uint64_t base, uint64_t pages, uint64_t delta)
{
    struct region *region = NULL;
    for (uint32_t i = 0; i < process->region_count; i++)
        if (process->regions[i].base == base)
            region = &process->regions[i];
    if (!region || region->pages != pages || delta > 65536)
        return E_INVAL;
    if (pages + delta > region->max_pages)
        return E_NOMEM;
    uint64_t from = pages * WASM_PAGE_BYTES, bytes = delta * WASM_PAGE_BYTES;
    uint64_t spare = region->capacity > from ? region->capacity - from : 0;
    uint64_t part = spare < bytes ? spare : bytes;
    if (bytes - part > process_memory_left(process))
        return quota_reached(process, QUOTA_MEMORY, E_NOMEM);
    if (part > 0 && !region_extend(process, region, from, part))
        return E_NOMEM;
    if (part < bytes) {
        /* Large or odd: several powers of two, of which only the last may be larger than needed. */
        uint64_t rest = bytes - part, chunk = chunk_bytes(process, region, rest);
        if (chunk > process_memory_left(process) || chunk > 1ul << POOL_LARGEST) {
            if (!task_memory_range(&process->task, rest, base + from + part))
                return E_NOMEM;
            region->last_slot = 0;
            region->capacity = from + bytes;
        } else {
            struct memory memory;
            if (!task_memory_reserve(&process->task, chunk, base + from + part, &memory) ||
                !task_map(&process->task, memory.frame, memory.first, rest, base + from + part,
                          RIGHT_READ | RIGHT_WRITE, &region->last_slot))
                return E_NOMEM;
            region->last = memory;
            region->last_offset = from + part;
            region->capacity = from + part + chunk;
        }
    }
    region->pages += delta;
    return 0;
}

uint64_t process_stack_limit(const struct process *process)
{
    const struct image_program *program = process->image->image.program;
    uint64_t limit = STACK_LIMIT;
    if (program && program->stack_bytes > limit)
        limit = program->stack_bytes < 64 * STACK_LIMIT ? program->stack_bytes : 64 * STACK_LIMIT;
    return limit;
}

bool process_stack_extend(struct process *process, uint64_t top, uint64_t limit, uint64_t *mapped, uint64_t address)
{
    if (address >= top - *mapped)
        return false; /* it is there already: growing it again would repeat the fault for ever */
    while (top - *mapped > address) {
        uint64_t more = *mapped; /* doubling: few faults, few capabilities */
        struct memory memory;
        if (*mapped + more > limit || more > process_memory_left(process) ||
            !task_memory(&process->task, more, top - *mapped - more, RIGHT_READ | RIGHT_WRITE, &memory))
            return false;
        *mapped += more;
    }
    return true;
}

bool process_stack_grow(struct process *process, uint64_t address)
{
    if (address - PROCESS_THREAD_STACKS < PROCESS_THREADS * PROCESS_THREAD_STRIDE)
        return thread_stack_grow(process, address);
    return process_stack_extend(process, PROCESS_STACK_TOP, process_stack_limit(process), &process->stack_mapped,
                                address);
}
