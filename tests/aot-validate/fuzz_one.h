/* One input of a fuzzer: read, validate and, if it is valid, walk it as the lowering would. Aborts
 * where the reader breaks a promise; sanitizers see the rest. Returns whether the module is valid. */
#ifndef TESSERA_TESTS_FUZZ_ONE_H
#define TESSERA_TESTS_FUZZ_ONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool fuzz_one(const uint8_t *bytes, size_t size, unsigned features);

#endif
