/* The contract between a translated program and the native library that it is linked with.
 *
 * A program is one ELF image: the objects that tessera-aot makes of the modules, libwasm_runtime.a,
 * and one platform library (the WASI library on Tessera, the Linux library for tests on the host)
 * that holds the entry point `_start`.
 *
 * Names. An import that no module of the program provides is the external C function
 * `__imported_<module>_<name>`; which exist is said by aot/image/imports.def. An exported function of
 * the main module is `wasm_export_<name>`. Bytes other than [A-Za-z0-9_] become `$hh` (hexadecimal).
 * i32, i64, f32, f64 are uint32_t, uint64_t, float, double in the C calling convention. A Wasm
 * address of the program's first memory is a native address: it lies at virtual address 0 (compile native code with
 * -fno-delete-null-pointer-checks). A native function is called with addresses of its caller's memory 0, which in a
 * program of several modules may be another: add wasm_native_base, and check ranges against *wasm_native_pages.
 *
 * Order. The platform maps the memories that the image's notes name, zeroed, then enters `_start` on
 * the program's stack; that calls wasm_instantiate() once, then wasm_export__start() (declare it
 * weak: a module may have no such export). */
#ifndef RUNTIME_RUNTIME_H
#define RUNTIME_RUNTIME_H

#include <stdint.h>

/* ---- what a program offers ---------------------------------------------------------------- */

/* Copies the active data segments, applies element segments that could not be laid out at link time,
 * runs the start functions. May trap. */
void wasm_instantiate(void);

/* The size of memory 0 in pages of 64 KiB; 0 when there is no memory. */
extern uint64_t wasm_memory_pages;

/* The memory that addresses given to native functions lie in. An instance whose memory 0 is not the program's first
 * sets both around each call of a native function, and only then is the base not 0. Programs with threads have no such
 * instances. */
extern uint64_t wasm_native_base;
extern const uint64_t *wasm_native_pages;

/* ---- what the platform offers ------------------------------------------------------------- */

/* Maps `delta_pages` zeroed pages at the end of memory 0, of which wasm_memory_pages are mapped now.
 * Returns the old size in pages, or -1 when it refuses. Must not change wasm_memory_pages: the
 * runtime does, and it has already checked the module's own maximum. */
int64_t wasm_platform_memory_grow(uint64_t delta_pages);

/* The same for the memory at `base` (a program of several memories only; see IMAGE_REGION_BASE). */
int64_t wasm_platform_region_grow(uint64_t base, uint64_t old_pages, uint64_t delta_pages);

/* Where the stack of the thread that asks ends, above its first frame. */
uint64_t wasm_platform_stack_top(void);

/* Ends the process. */
_Noreturn void wasm_platform_exit(int status);

#endif
