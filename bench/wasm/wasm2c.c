/* The host of a module that wasm2c (wabt 1.0.32, -n bench) has turned into C: the part of WASI that harness.c uses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include BENCH_HEADER

enum { SUCCESS = 0, BADF = 8, INVAL = 28, IO = 29 };

struct Z_wasi_snapshot_preview1_instance_t {
    uint8_t *const *memory;
    int count;
    char **arguments;
};

typedef struct Z_wasi_snapshot_preview1_instance_t host;

static void put32(host *wasi, u32 address, u32 value)
{
    memcpy(*wasi->memory + address, &value, sizeof value);
}

static u32 get32(host *wasi, u32 address)
{
    u32 value;
    memcpy(&value, *wasi->memory + address, sizeof value);
    return value;
}

u32 Z_wasi_snapshot_preview1Z_args_sizes_get(host *wasi, u32 count_at, u32 bytes_at)
{
    u32 bytes = 0;
    for (int i = 0; i < wasi->count; i++)
        bytes += (u32)strlen(wasi->arguments[i]) + 1;
    put32(wasi, count_at, (u32)wasi->count);
    put32(wasi, bytes_at, bytes);
    return SUCCESS;
}

u32 Z_wasi_snapshot_preview1Z_args_get(host *wasi, u32 pointers, u32 bytes_at)
{
    for (int i = 0; i < wasi->count; i++) {
        u32 bytes = (u32)strlen(wasi->arguments[i]) + 1;
        put32(wasi, pointers + 4 * (u32)i, bytes_at);
        memcpy(*wasi->memory + bytes_at, wasi->arguments[i], bytes);
        bytes_at += bytes;
    }
    return SUCCESS;
}

u32 Z_wasi_snapshot_preview1Z_clock_time_get(host *wasi, u32 clock, u64 precision, u32 result)
{
    struct timespec time;
    (void)precision;
    if (clock > 3 || clock_gettime((clockid_t)clock, &time) != 0) /* WASI's numbers are Linux's */
        return INVAL;
    u64 nanoseconds = (u64)time.tv_sec * 1000000000 + (u64)time.tv_nsec;
    memcpy(*wasi->memory + result, &nanoseconds, sizeof nanoseconds);
    return SUCCESS;
}

u32 Z_wasi_snapshot_preview1Z_fd_close(host *wasi, u32 descriptor)
{
    (void)wasi;
    return descriptor <= 2 ? SUCCESS : BADF;
}

u32 Z_wasi_snapshot_preview1Z_fd_fdstat_get(host *wasi, u32 descriptor, u32 result)
{
    if (descriptor > 2)
        return BADF;
    memset(*wasi->memory + result, 0, 24);
    put32(wasi, result, 2);        /* a character device */
    put32(wasi, result + 8, 0x42); /* with the rights to read and write */
    return SUCCESS;
}

u32 Z_wasi_snapshot_preview1Z_fd_seek(host *wasi, u32 descriptor, u64 offset, u32 whence, u32 result)
{
    (void)wasi, (void)descriptor, (void)offset, (void)whence, (void)result;
    return BADF;
}

u32 Z_wasi_snapshot_preview1Z_fd_write(host *wasi, u32 descriptor, u32 vectors, u32 count, u32 result)
{
    u32 total = 0;
    for (u32 i = 0; i < count; i++) {
        ssize_t done =
            write((int)descriptor, *wasi->memory + get32(wasi, vectors + 8 * i), get32(wasi, vectors + 8 * i + 4));
        if (done < 0)
            return IO;
        total += (u32)done;
    }
    put32(wasi, result, total);
    return SUCCESS;
}

void Z_wasi_snapshot_preview1Z_proc_exit(host *wasi, u32 status)
{
    (void)wasi;
    exit((int)status);
}

int main(int count, char **arguments)
{
    static Z_bench_instance_t instance;
    host wasi = {.count = count, .arguments = arguments};
    wasm_rt_init();
    Z_bench_init_module();
    Z_bench_instantiate(&instance, &wasi);
    wasi.memory = &Z_benchZ_memory(&instance)->data;
    Z_benchZ__start(&instance);
    return 0;
}
