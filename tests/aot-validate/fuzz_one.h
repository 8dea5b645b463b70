/* One input of a fuzzer: read, validate and, if it is valid, walk it as the lowering would. Aborts
 * where the reader breaks a promise; sanitizers see the rest. */
#ifndef TESSERA_TESTS_FUZZ_ONE_H
#define TESSERA_TESTS_FUZZ_ONE_H

#include <stddef.h>
#include <stdint.h>

enum fuzz_result {
    FUZZ_VALID,
    FUZZ_WRONG,       /* malformed or invalid */
    FUZZ_UNSUPPORTED, /* gc, or beyond a limit: nothing is said about the rest of the module */
};

enum fuzz_result fuzz_one(const uint8_t *bytes, size_t size, unsigned features);

#endif
