/* WASI on Linux but for files (wasi_files.c) and waiting (wasi_poll.c): streams, arguments, clock, random, exit. */
#include "files.h"
#include "kernel_interface.h"
#include "linux.h"
#include "runtime/runtime.h"

extern void wasm_export__start(void) __attribute__((weak));

/* In data: code cannot reach address 0 from the window. */
static void (*const volatile program_start)(void) = wasm_export__start;

__attribute__((weak)) void linux_program(void)
{
    wasm_instantiate();
    if (program_start)
        program_start();
}

/* Where the caller's memory begins; the first one at 0 unless translated with --no-page-zero. */
uint8_t *linux_memory(void)
{
    if (wasm_native_base)
        return (uint8_t *)wasm_native_base;
    return (uint8_t *)(linux_image->program->memory_count ? linux_image->memories[0].base : 0);
}

bool linux_is_within(uint32_t address, uint64_t bytes)
{
    return address + bytes <= *wasm_native_pages * WASM_PAGE_BYTES;
}

void linux_put(uint32_t address, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        linux_memory()[address + i] = (uint8_t)(value >> (8 * i));
}

static void put32(uint32_t address, uint32_t value)
{
    linux_put(address, value, 4);
}

uint32_t linux_get32(uint32_t address)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value |= (uint32_t)linux_memory()[address + i] << (8 * i);
    return value;
}

static uint32_t text_bytes(const char *text)
{
    uint32_t bytes = 1;
    while (text[bytes - 1])
        bytes++;
    return bytes;
}

static uint32_t list_sizes(char **texts, uint32_t count_at, uint32_t bytes_at)
{
    uint32_t count = 0, bytes = 0;
    if (!linux_is_within(count_at, 4) || !linux_is_within(bytes_at, 4))
        return ERRNO_FAULT;
    for (; texts[count]; count++)
        bytes += text_bytes(texts[count]);
    put32(count_at, count);
    put32(bytes_at, bytes);
    return ERRNO_SUCCESS;
}

static uint32_t list_get(char **texts, uint32_t pointers, uint32_t bytes_at)
{
    for (uint32_t i = 0; texts[i]; i++) {
        uint32_t bytes = text_bytes(texts[i]);
        if (!linux_is_within(pointers + 4 * i, 4) || !linux_is_within(bytes_at, bytes))
            return ERRNO_FAULT;
        put32(pointers + 4 * i, bytes_at);
        for (uint32_t c = 0; c < bytes; c++)
            linux_memory()[bytes_at++] = (uint8_t)texts[i][c];
    }
    return ERRNO_SUCCESS;
}

uint32_t __imported_wasi_snapshot_preview1_args_sizes_get(uint32_t count_at, uint32_t bytes_at);
uint32_t __imported_wasi_snapshot_preview1_args_sizes_get(uint32_t count_at, uint32_t bytes_at)
{
    return list_sizes(linux_arguments.values, count_at, bytes_at);
}

uint32_t __imported_wasi_snapshot_preview1_args_get(uint32_t pointers, uint32_t bytes_at);
uint32_t __imported_wasi_snapshot_preview1_args_get(uint32_t pointers, uint32_t bytes_at)
{
    return list_get(linux_arguments.values, pointers, bytes_at);
}

uint32_t __imported_wasi_snapshot_preview1_environ_sizes_get(uint32_t count_at, uint32_t bytes_at);
uint32_t __imported_wasi_snapshot_preview1_environ_sizes_get(uint32_t count_at, uint32_t bytes_at)
{
    return list_sizes(linux_arguments.environment, count_at, bytes_at);
}

uint32_t __imported_wasi_snapshot_preview1_environ_get(uint32_t pointers, uint32_t bytes_at);
uint32_t __imported_wasi_snapshot_preview1_environ_get(uint32_t pointers, uint32_t bytes_at)
{
    return list_get(linux_arguments.environment, pointers, bytes_at);
}

/* What a clock system call says, as nanoseconds; WASI numbers clocks as Linux does. */
static uint32_t clock_get(long number, uint32_t clock, uint32_t result)
{
    uint64_t time[2];
    if (clock > 3)
        return ERRNO_INVAL;
    if (!linux_is_within(result, 8))
        return ERRNO_FAULT;
    linux_call(number, clock, (long)time, 0, 0, 0, 0);
    uint64_t nanoseconds = time[0] * 1000000000 + time[1];
    put32(result, (uint32_t)nanoseconds);
    put32(result + 4, (uint32_t)(nanoseconds >> 32));
    return ERRNO_SUCCESS;
}

uint32_t __imported_wasi_snapshot_preview1_clock_time_get(uint32_t clock, uint64_t precision, uint32_t result);
uint32_t __imported_wasi_snapshot_preview1_clock_time_get(uint32_t clock, uint64_t precision, uint32_t result)
{
    (void)precision;
    return clock_get(SYSCALL_CLOCK_GETTIME, clock, result);
}

uint32_t __imported_wasi_snapshot_preview1_clock_res_get(uint32_t clock, uint32_t result);
uint32_t __imported_wasi_snapshot_preview1_clock_res_get(uint32_t clock, uint32_t result)
{
    return clock_get(SYSCALL_CLOCK_GETRES, clock, result);
}

uint32_t __imported_wasi_snapshot_preview1_random_get(uint32_t address, uint32_t bytes);
uint32_t __imported_wasi_snapshot_preview1_random_get(uint32_t address, uint32_t bytes)
{
    if (!linux_is_within(address, bytes))
        return ERRNO_FAULT;
    for (uint32_t done = 0; done < bytes;) {
        long got = linux_call(SYSCALL_GETRANDOM, (long)(linux_memory() + address + done), bytes - done, 0, 0, 0, 0);
        if (got <= 0)
            return ERRNO_IO;
        done += (uint32_t)got;
    }
    return ERRNO_SUCCESS;
}

uint32_t __imported_wasi_snapshot_preview1_sched_yield(void);
uint32_t __imported_wasi_snapshot_preview1_sched_yield(void)
{
    return ERRNO_SUCCESS;
}

void __imported_wasi_snapshot_preview1_proc_exit(uint32_t status);
void __imported_wasi_snapshot_preview1_proc_exit(uint32_t status)
{
    linux_exit((int)status);
}
