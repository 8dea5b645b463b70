/* Entry of a translated program, and what the run-time support asks of its platform (aot/runtime/runtime.h). */
#include "imports.h"
#include "tessera/text.h"
#include "thread.h"

const struct start_page *start_page;

void _start(void);
_Noreturn void wasi_main(const struct start_page *start) __attribute__((used));
void wasm_export__start(void) __attribute__((weak));

#if defined(__x86_64__)
__asm__(".section .text._start, \"ax\"\n"
        ".globl _start\n"
        ".type _start, %function\n"
        "_start:\n"
        "    xorl %ebp, %ebp\n"
        "    call wasi_main\n"
        "    ud2\n"
        ".size _start, . - _start\n"
        ".text\n");
#else
__asm__(".section .text._start, \"ax\"\n"
        ".globl _start\n"
        ".type _start, %function\n"
        "_start:\n"
        "    mov x29, xzr\n"
        "    mov x30, xzr\n"
        "    bl wasi_main\n"
        "    brk #0\n"
        ".size _start, . - _start\n"
        ".text\n");
#endif

_Noreturn void wasm_platform_exit(int status)
{
    for (;;) {
        struct message m = {message_info(PROCESS_EXIT, 0, 1), {(word)(uint32_t)status}};
        (void)syscall_call(PROCESS_CAP_SERVER, &m); /* never answered */
    }
}

int64_t wasm_platform_region_grow(uint64_t base, uint64_t old_pages, uint64_t delta_pages)
{
    struct message m = {0, {base, old_pages, delta_pages}};
    if (process_call(PROCESS_GROW, &m, 3) != ESUCCESS)
        return -1;
    return (int64_t)m.words[0];
}

int64_t wasm_platform_memory_grow(uint64_t delta_pages)
{
    return wasm_platform_region_grow(0, wasm_memory_pages, delta_pages);
}

_Noreturn void wasi_main(const struct start_page *start)
{
    thread_begin(__builtin_alloca(thread_block_bytes()));
    start_page = start;
    descriptors_init();
    sockets_preopen();
    opens_begin();
    wasm_instantiate();
    /* A library has none. A direct call, even one never made, could not be linked: address 0 is out of its reach. */
    void (*volatile entry)(void) = wasm_export__start;
    if (entry)
        entry();
    hold_release();
    wasm_platform_exit(0);
}

uint32_t process_call(uint64_t operation, struct message *m, unsigned length)
{
    m->info = message_info(operation, 0, length);
    if (syscall_call(PROCESS_CAP_SERVER, m) != ERROR_NONE)
        return EIO; /* the process server is gone: the machine is about to stop */
    return (uint32_t)message_info_label(m->info);
}

uint32_t process_call_named(uint64_t operation, uint32_t name, uint32_t length, struct message *m)
{
    if (length == 0 || length > PROCESS_NAME_MAX)
        return EINVAL;
    if (!in_memory(name, length))
        return EFAULT;
    *m = (struct message){0};
    m->words[0] = length;
    message_put(m, 1, at(name), length);
    return process_call(operation, m, PROCESS_NAME_WORDS);
}

uint32_t refuse(enum process_permission permission)
{
    struct message m = {0, {permission}};
    (void)process_call(PROCESS_REFUSED, &m, 1);
    return ENOTCAPABLE;
}
