/* What clang-19 calls for setjmp and longjmp, which are an exception on WebAssembly.
 * Source: LLVM's lib/Target/WebAssembly/WebAssemblyLowerEmscriptenEHSjLj.cpp, the comment on Wasm setjmp/longjmp
 * handling. */
#include <setjmp.h>
#include <stddef.h>

enum { LONGJMP_TAG = 1 };

void __wasm_setjmp(void *environment, unsigned label, void *frame)
{
    jmp_buf *buffer = environment;
    (*buffer)->frame = frame;
    (*buffer)->label = label;
}

/* The label of the setjmp in `frame` that this longjmp is for; 0 when it is for another function. */
unsigned __wasm_setjmp_test(void *environment, void *frame)
{
    jmp_buf *buffer = environment;
    return (*buffer)->frame == frame ? (*buffer)->label : 0;
}

_Noreturn void __wasm_longjmp(void *environment, int value)
{
    jmp_buf *buffer = environment;
    (*buffer)->thrown.environment = environment;
    (*buffer)->thrown.value = value ? value : 1;
    __builtin_wasm_throw(LONGJMP_TAG, &(*buffer)->thrown);
}
