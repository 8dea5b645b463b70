/* The little of WASI that a test program needs on Linux: output, arguments' absence, clock, random, exit. */
#include "kernel_interface.h"
#include "linux.h"
#include "runtime/runtime.h"

enum { ERRNO_SUCCESS = 0, ERRNO_BADF = 8, ERRNO_FAULT = 21, ERRNO_INVAL = 28, ERRNO_IO = 29 };

extern void wasm_export__start(void) __attribute__((weak));

/* In data: code cannot reach address 0 from the window. */
static void (*const volatile program_start)(void) = wasm_export__start;

__attribute__((weak)) void linux_program(void)
{
    wasm_instantiate();
    if (program_start)
        program_start();
}

/* Where the first memory begins: 0 unless translated with --no-page-zero. */
static uint8_t *memory(void)
{
    return (uint8_t *)(linux_image->program->memory_count ? linux_image->memories[0].base : 0);
}

static int is_within(uint32_t address, uint64_t bytes)
{
    return address + bytes <= wasm_memory_pages * WASM_PAGE_BYTES;
}

static void put32(uint32_t address, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        memory()[address + i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get32(uint32_t address)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value |= (uint32_t)memory()[address + i] << (8 * i);
    return value;
}

/* Reads or writes the vector of buffers at `vectors`. */
static uint32_t transfer(long number, uint32_t descriptor, uint32_t vectors, uint32_t count, uint32_t result)
{
    uint32_t total = 0;
    if (descriptor > 2)
        return ERRNO_BADF;
    if (!is_within(vectors, 8ull * count) || !is_within(result, 4))
        return ERRNO_FAULT;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t address = get32(vectors + 8 * i), bytes = get32(vectors + 8 * i + 4);
        if (!is_within(address, bytes))
            return ERRNO_FAULT;
        long done = linux_call(number, descriptor, (long)(memory() + address), bytes, 0, 0, 0);
        if (done < 0)
            return ERRNO_IO;
        total += (uint32_t)done;
        if ((uint32_t)done < bytes)
            break;
    }
    put32(result, total);
    return ERRNO_SUCCESS;
}

uint32_t __imported_wasi_snapshot_preview1_fd_write(uint32_t descriptor, uint32_t vectors, uint32_t count,
                                                    uint32_t result);
uint32_t __imported_wasi_snapshot_preview1_fd_write(uint32_t descriptor, uint32_t vectors, uint32_t count,
                                                    uint32_t result)
{
    return transfer(SYSCALL_WRITE, descriptor, vectors, count, result);
}

uint32_t __imported_wasi_snapshot_preview1_fd_read(uint32_t descriptor, uint32_t vectors, uint32_t count,
                                                   uint32_t result);
uint32_t __imported_wasi_snapshot_preview1_fd_read(uint32_t descriptor, uint32_t vectors, uint32_t count,
                                                   uint32_t result)
{
    return transfer(SYSCALL_READ, descriptor, vectors, count, result);
}

/* Standard streams can be read and written but not positioned; a terminal is a character device, anything else unknown.
 */
uint32_t __imported_wasi_snapshot_preview1_fd_fdstat_get(uint32_t descriptor, uint32_t result);
uint32_t __imported_wasi_snapshot_preview1_fd_fdstat_get(uint32_t descriptor, uint32_t result)
{
    if (descriptor > 2)
        return ERRNO_BADF;
    if (!is_within(result, 24))
        return ERRNO_FAULT;
    for (uint32_t i = 0; i < 24; i += 4)
        put32(result + i, 0);
    uint8_t terminal[64]; /* struct termios is shorter */
    put32(result, linux_call(SYSCALL_IOCTL, descriptor, TERMINAL_GET, (long)terminal, 0, 0, 0) == 0 ? 2 : 0);
    put32(result + 8, 0x42); /* rights: fd_read, fd_write */
    return ERRNO_SUCCESS;
}

uint32_t __imported_wasi_snapshot_preview1_fd_seek(uint32_t descriptor, uint64_t offset, uint32_t whence,
                                                   uint32_t result);
uint32_t __imported_wasi_snapshot_preview1_fd_seek(uint32_t descriptor, uint64_t offset, uint32_t whence,
                                                   uint32_t result)
{
    (void)offset, (void)whence, (void)result;
    return descriptor > 2 ? ERRNO_BADF : 70; /* ESPIPE */
}

uint32_t __imported_wasi_snapshot_preview1_fd_close(uint32_t descriptor);
uint32_t __imported_wasi_snapshot_preview1_fd_close(uint32_t descriptor)
{
    return descriptor > 2 ? ERRNO_BADF : ERRNO_SUCCESS;
}

uint32_t __imported_wasi_snapshot_preview1_fd_prestat_get(uint32_t descriptor, uint32_t result);
uint32_t __imported_wasi_snapshot_preview1_fd_prestat_get(uint32_t descriptor, uint32_t result)
{
    (void)descriptor, (void)result;
    return ERRNO_BADF;
}

uint32_t __imported_wasi_snapshot_preview1_fd_prestat_dir_name(uint32_t descriptor, uint32_t path, uint32_t length);
uint32_t __imported_wasi_snapshot_preview1_fd_prestat_dir_name(uint32_t descriptor, uint32_t path, uint32_t length)
{
    (void)descriptor, (void)path, (void)length;
    return ERRNO_BADF;
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
    if (!is_within(count_at, 4) || !is_within(bytes_at, 4))
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
        if (!is_within(pointers + 4 * i, 4) || !is_within(bytes_at, bytes))
            return ERRNO_FAULT;
        put32(pointers + 4 * i, bytes_at);
        for (uint32_t c = 0; c < bytes; c++)
            memory()[bytes_at++] = (uint8_t)texts[i][c];
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
    if (!is_within(result, 8))
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
    if (!is_within(address, bytes))
        return ERRNO_FAULT;
    for (uint32_t done = 0; done < bytes;) {
        long got = linux_call(SYSCALL_GETRANDOM, (long)(memory() + address + done), bytes - done, 0, 0, 0, 0);
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
