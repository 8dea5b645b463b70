/* What clang calls for setjmp and longjmp (LLVM's WebAssemblyLowerEmscriptenEHSjLj.cpp describes the protocol). */
#ifdef __wasm__
#include <setjmp.h>

enum { TAG_LONGJMP = 1 };

void __wasm_setjmp(void *env, unsigned label, void *invocation)
{
    jmp_buf *buffer = env;
    (*buffer)->invocation = invocation;
    (*buffer)->label = label;
}

unsigned __wasm_setjmp_test(void *env, void *invocation)
{
    jmp_buf *buffer = env;
    return (*buffer)->invocation == invocation ? (*buffer)->label : 0;
}

_Noreturn void __wasm_longjmp(void *env, int value)
{
    jmp_buf *buffer = env;
    (*buffer)->thrown.env = env;
    (*buffer)->thrown.value = value ? value : 1;
    __builtin_wasm_throw(TAG_LONGJMP, &(*buffer)->thrown);
}
#else
typedef int nothing_here;
#endif
