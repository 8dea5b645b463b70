/* setjmp and longjmp for wasm32-wasi, which wasi-libc of this age lacks: clang makes exceptions of them
 * (-mllvm -wasm-enable-sjlj), with the help of the functions in setjmp.c. */
#ifndef SETJMP_H
#define SETJMP_H

typedef struct {
    void *invocation; /* of the function that called setjmp */
    unsigned label;   /* of the call in it */
    struct {
        void *env;
        int value;
    } thrown;
} jmp_buf[1];

int setjmp(jmp_buf env) __attribute__((returns_twice));
_Noreturn void longjmp(jmp_buf env, int value);
#define setjmp(env) setjmp(env)

#endif
