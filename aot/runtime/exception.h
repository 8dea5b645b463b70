/* Exceptions at run time. The translator's side is aot/lower/exceptions.c; docs/aot.md has the reasons. */
#ifndef RUNTIME_EXCEPTION_H
#define RUNTIME_EXCEPTION_H

#include <stdint.h>

/* What is thrown, and what an exnref points to. Its values are 64-bit slots: references as pointers, a v128 in two. */
struct wasm_exception {
    const void *tag;
    uint64_t values[];
};

/* A record with room for `slots` values. NULL: all that the pool can hold are alive. */
struct wasm_exception *wasm_exception_new(const void *tag, uint64_t slots);

/* The same in a program with threads. */
struct wasm_exception *wasm_exception_new_threads(const void *tag, uint64_t slots);

/* Goes on at the innermost landing pad among the callers. Comes back when there is none. */
void wasm_throw(struct wasm_exception *exception);

/* A thread's registers at a call, by their numbers in DWARF's tables. arm64: d0 to d31 follow x0 to x30 and sp. */
#ifdef __aarch64__
enum { REGISTER_FRAME = 29, REGISTER_RETURN = 30, REGISTER_STACK = 31, REGISTER_COUNT = 64 };
#else
enum { REGISTER_FRAME = 6, REGISTER_STACK = 7, REGISTER_RETURN = 16, REGISTER_COUNT = 17 };
#endif

struct wasm_registers {
    uint64_t value[REGISTER_COUNT];
};

/* For wasm_throw (throw_*.S). `registers` are the caller's after the call would have returned. 1: they are now those to
 * go on with, REGISTER_RETURN the landing pad. 0: no caller has a landing pad. */
uint32_t wasm_unwind(struct wasm_registers *registers);

#endif
