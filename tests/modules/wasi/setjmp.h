/* setjmp for programs of others: Debian's wasi-libc has none. clang (-mllvm -wasm-enable-sjlj) makes calls of
 * setjmp.c's functions of these. */
#ifndef TESSERA_TESTS_SETJMP_H
#define TESSERA_TESTS_SETJMP_H

/* Who called setjmp, and where; then what a longjmp throws. */
typedef struct {
    void *frame;
    unsigned label;
    struct {
        void *environment;
        int value;
    } thrown;
} jmp_buf[1];

int setjmp(jmp_buf environment) __attribute__((returns_twice));
_Noreturn void longjmp(jmp_buf environment, int value);
#define _setjmp  setjmp
#define _longjmp longjmp

#endif
