/* wasm2c does not know the exceptions that setjmp takes: here nothing ever jumps. */
#ifndef BENCH_COMPILE_SETJMP_H
#define BENCH_COMPILE_SETJMP_H
typedef int jmp_buf[8];
#define setjmp(buffer)         ((void)(buffer), 0)
#define longjmp(buffer, value) __builtin_trap()
#endif
