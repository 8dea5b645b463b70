/* Entry of a native program or server: proto/start.h says what is there. */
#include "proto/process.h"
#include "tessera/server.h"

void _start(void);
_Noreturn void crt_main(const struct start_page *start) __attribute__((used));

#if defined(__x86_64__)
__asm__(".section .text._start, \"ax\"\n"
        ".globl _start\n"
        ".type _start, %function\n"
        "_start:\n"
        "    xorl %ebp, %ebp\n"
        "    call crt_main\n"
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
        "    bl crt_main\n"
        "    brk #0\n"
        ".size _start, . - _start\n"
        ".text\n");
#endif

_Noreturn void program_exit(int status)
{
    for (;;) {
        struct message m = {message_info(PROCESS_EXIT, 0, 1), {(word)(uint32_t)status}};
        (void)syscall_call(PROCESS_CAP_SERVER, &m); /* never answered */
    }
}

_Noreturn void crt_main(const struct start_page *start)
{
    program_exit(program_main(start));
}
