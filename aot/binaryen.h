/* Binaryen's optimiser, as a program that runs before translation. */
#ifndef TESSERA_AOT_BINARYEN_H
#define TESSERA_AOT_BINARYEN_H

#include <stddef.h>
#include <stdint.h>

/* What wasm-opt -O2 makes of a valid module, names kept. The caller frees it. NULL: printed. */
uint8_t *binaryen_optimise(const uint8_t *bytes, size_t size, size_t *optimised_size);

#endif
