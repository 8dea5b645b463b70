/* Small pieces of modules at random, well formed and often valid where they are put. Indices are small, so that most
 * name something. */
#ifndef TESSERA_TESTS_WASM_GENERATE_H
#define TESSERA_TESTS_WASM_GENERATE_H

#include "wasm_pieces.h"

void random_seed(unsigned seed);
/* Below `limit`, which is not 0. */
unsigned random_below(unsigned limit);

/* An operator with its immediates. */
void generate_operator(struct writer *writer);
/* Operators that leave the stack as it was: one operator with a fixed signature between constants and drops. */
void generate_statement(struct writer *writer);
/* An operator that opens a block, with a block type. */
void generate_block(struct writer *writer);
/* Another operator of the same signature and immediates, with that one's immediates; false when there is none. */
bool generate_replacement(struct writer *writer, const struct piece *operation);
/* A function's body, its locals and its `end` included. */
void generate_body(struct writer *writer);
/* One more entry of a section's vector. False for sections that have no entries. */
bool generate_entry(struct writer *writer, uint8_t section);

#endif
