/* Random bytes: ChaCha20 with fast key erasure, seeded with what the machine has. Without a true seed there are none.
 *
 * Sources: RFC 8439 (ChaCha20); D. J. Bernstein, "Fast-key-erasure random-number generators", 2017.
 */
#ifndef TESSERA_RANDOM_H
#define TESSERA_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random {
    uint32_t key[8];
    bool is_seeded;
};

void random_seed(struct random *random, const uint8_t seed[32]);
/* More of what nobody knows, in any number: afterwards the generator is as good as the better of what it was and this.
 */
void random_mix(struct random *random, const void *bytes, size_t count);
/* False, with nothing written, when there was no seed. */
bool random_bytes(struct random *random, void *bytes, size_t count);

/* One block of the cipher, for tests and for the above. */
void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint32_t out[16]);

#endif
