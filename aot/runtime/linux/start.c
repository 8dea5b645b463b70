/* Starts a program on Linux: reads the notes of its own file, maps its memories, gives it its stack. */
#include "linux.h"

#include "files.h"
#include "kernel_interface.h"
#include "runtime/runtime.h"
#include "runtime/thread.h"

extern _Noreturn void linux_on_stack(uint64_t top, void (*function)(void));
void linux_start(long *stack);

struct linux_arguments linux_arguments;
_Thread_local uint64_t linux_stack_low, linux_stack_high;
static uint64_t main_stack;

/* Below it a guard as large, so that no frame steps over it. */
#define STACK_GUARD_BYTES 0x100000ull

static size_t text_length(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

void linux_print(int descriptor, const char *text)
{
    linux_call(SYSCALL_WRITE, descriptor, (long)text, (long)text_length(text), 0, 0, 0);
}

_Noreturn void linux_exit(int status)
{
    for (;;)
        linux_call(SYSCALL_EXIT_GROUP, status, 0, 0, 0, 0, 0);
}

static _Noreturn void refuse(const char *what)
{
    linux_print(2, "program: ");
    linux_print(2, what);
    linux_print(2, "\n");
    linux_exit(LINUX_EXIT_SETUP);
}

/* The address, or a value from -4095 to -1. */
static long map(uint64_t address, uint64_t bytes, int protection, int flags, int descriptor)
{
    return linux_call(SYSCALL_MMAP, (long)address, (long)bytes, protection, flags, descriptor, 0);
}

/* MAP_FIXED at 0: qemu-aarch64 takes 0 with MAP_FIXED_NOREPLACE for "anywhere". */
static int map_zeroed(uint64_t address, uint64_t bytes)
{
    int fixed = address == 0 ? MAP_FIXED : MAP_FIXED_NOREPLACE;
    return map(address, bytes, PROTECTION_READ | PROTECTION_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed,
               -1) == (long)address;
}

/* ---- memories ---- */

static uint64_t first_memory_base;

static void map_memories(const struct image *image)
{
    for (uint32_t i = 0; i < image->program->memory_count; i++) {
        const struct image_memory *memory = &image->memories[i];
        if (i == 0)
            first_memory_base = memory->base;
        if (memory->initial_pages > 0 && !map_zeroed(memory->base, memory->initial_pages * WASM_PAGE_BYTES))
            refuse(memory->base == 0 ? "this host does not allow mapping page 0 (vm.mmap_min_addr; it takes "
                                       "CAP_SYS_RAWIO): translate with --no-page-zero"
                                     : "a memory cannot be mapped");
    }
}

int64_t wasm_platform_region_grow(uint64_t base, uint64_t old_pages, uint64_t delta_pages)
{
    uint64_t bytes = delta_pages * WASM_PAGE_BYTES;
    return map_zeroed(base + old_pages * WASM_PAGE_BYTES, bytes) ? (int64_t)old_pages : -1;
}

int64_t wasm_platform_memory_grow(uint64_t delta_pages)
{
    return wasm_platform_region_grow(first_memory_base, wasm_memory_pages, delta_pages);
}

_Noreturn void wasm_platform_exit(int status)
{
    linux_exit(status);
}

/* ---- the image's own file ---- */

#define MACHINE (SYSCALL_IS_ARM64 ? IMAGE_MACHINE_ARM64 : IMAGE_MACHINE_X86_64)

static void load_own_notes(void)
{
    static struct image image;
    size_t error_offset;
    long descriptor = linux_call(SYSCALL_OPENAT, DIRECTORY_CURRENT, (long)"/proc/self/exe", 0, 0, 0, 0);
    long size = linux_call(SYSCALL_LSEEK, descriptor, 0, SEEK_TO_END, 0, 0, 0);
    if (descriptor < 0 || size <= 0)
        refuse("cannot read its own file");
    long bytes = map(0x600000000ull, (uint64_t)size, PROTECTION_READ, MAP_PRIVATE, (int)descriptor);
    linux_call(SYSCALL_CLOSE, descriptor, 0, 0, 0, 0, 0);
    if (bytes < 0 && bytes > -4096)
        refuse("cannot map its own file");
    enum image_error error = image_check((const void *)bytes, (size_t)size, MACHINE, &image, &error_offset);
    if (error != IMAGE_OK)
        refuse(image_error_text(error));
    linux_image = &image;
    map_memories(&image);
}

const struct image *linux_image;

/* Its low end. */
static uint64_t make_stack(uint64_t bytes)
{
    long low = map(0, bytes + STACK_GUARD_BYTES, PROTECTION_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    if (low < 0 && low > -4096)
        refuse("no address space for a stack");
    low += STACK_GUARD_BYTES;
    if (linux_call(SYSCALL_MPROTECT, low, (long)bytes, PROTECTION_READ | PROTECTION_WRITE, 0, 0, 0))
        refuse("no memory for a stack");
    return (uint64_t)low;
}

/* The main thread's own variables lie at the end of its stack. */
static void run_program(void)
{
    uint8_t *block = (uint8_t *)(((uint64_t)__builtin_alloca(wasm_thread_block_bytes() + 64) + 63) & ~63ull);
    wasm_thread_pointer_set(wasm_thread_block_init(block));
    linux_stack_high = main_stack + linux_image->program->stack_bytes;
    linux_stack_low = main_stack;
    linux_catch_traps();
    linux_files_open();
    linux_program();
    linux_exit(0);
}

/* The kernel's stack at entry: the number of arguments, the arguments, NULL, the environment, NULL. */
void linux_start(long *stack)
{
    linux_arguments = (struct linux_arguments){
        .count = stack[0], .values = (char **)(stack + 1), .environment = (char **)(stack + 2 + stack[0])};
    load_own_notes();
    uint64_t bytes = linux_image->program->stack_bytes;
    main_stack = make_stack(bytes);
    linux_on_stack(main_stack + bytes, run_program);
}
