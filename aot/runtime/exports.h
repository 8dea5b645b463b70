/* How native code finds instances and their exports at run time, in programs translated with
 * --export-tables (the conformance driver). Written by the translator (aot/lower/program.c). */
#ifndef RUNTIME_EXPORTS_H
#define RUNTIME_EXPORTS_H

#include <stdint.h>

enum wasm_external { WASM_FUNCTION, WASM_TABLE, WASM_MEMORY, WASM_GLOBAL, WASM_TAG };

/* Values are 64-bit slots: i32 and f32 in the low half, references as pointers, a v128 in two.
 * Letters: i = i32, I = i64, f = f32, F = f64, v = v128, r = function reference, x = extern reference. */
struct wasm_export {
    const char *name; /* name_length bytes */
    const char *type; /* function: "parameters:results"; global: one letter; else "" */
    void *address;    /* function: void (*)(uint64_t *slots), arguments in, results out; global: its value */
    uint32_t name_length;
    uint32_t kind; /* enum wasm_external */
};

struct wasm_instance {
    const char *name;
    uint32_t (*instantiate)(void); /* 0, or 1: an imported memory or table is too small; may trap. NULL: not linked */
    const struct wasm_export *exports;
    uint64_t export_count;
};

extern const struct wasm_instance wasm_instances[];
extern const uint32_t wasm_instance_count;

#endif
