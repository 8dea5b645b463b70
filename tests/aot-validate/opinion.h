/* A second opinion on modules of the fuzzer that are valid here: another validator, a process that lives as long as the
 * fuzzer. The environment says which:
 *
 *     WASM_FUZZ_OPINION    its command line: opinion.js speaks for V8, opinion_wabt.py for wabt; without it nobody is
 * asked WASM_FUZZ_LANGUAGE   the language that it knows (languages.h), "all" by default WASM_FUZZ_EVERY      it is
 * asked about one valid module of so many, by default all
 *
 * It reads modules from standard input, each after its length in four bytes, the lowest first, and answers each on
 * standard output with one line: "ok", "no" and why, or "?" and why it has no opinion. */
#ifndef TESSERA_TESTS_OPINION_H
#define TESSERA_TESTS_OPINION_H

#include <stddef.h>
#include <stdint.h>

/* Ends the process when the other refuses what is valid here. */
void opinion_compare(const uint8_t *bytes, size_t size);

#endif
