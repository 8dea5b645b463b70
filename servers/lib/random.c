/* See tessera/random.h. */
#include "tessera/random.h"

static uint32_t rotate(uint32_t value, int by)
{
    return value << by | value >> (32 - by);
}

static void quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    *a += *b;
    *d = rotate(*d ^ *a, 16);
    *c += *d;
    *b = rotate(*b ^ *c, 12);
    *a += *b;
    *d = rotate(*d ^ *a, 8);
    *c += *d;
    *b = rotate(*b ^ *c, 7);
}

void chacha20_block(const uint32_t key[8], uint32_t counter, const uint32_t nonce[3], uint32_t out[16])
{
    const uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, key[0],  key[1],   key[2],   key[3],
                                key[4],     key[5],     key[6],     key[7],     counter, nonce[0], nonce[1], nonce[2]};
    for (int i = 0; i < 16; i++)
        out[i] = start[i];
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++)
            quarter_round(&out[i], &out[4 + i], &out[8 + i], &out[12 + i]);
        for (int i = 0; i < 4; i++)
            quarter_round(&out[i], &out[4 + (i + 1) % 4], &out[8 + (i + 2) % 4], &out[12 + (i + 3) % 4]);
    }
    for (int i = 0; i < 16; i++)
        out[i] += start[i];
}

void random_seed(struct random *random, const uint8_t seed[32])
{
    __builtin_memcpy(random->key, seed, sizeof(random->key));
    random->is_seeded = true;
}

/* The next key is the cipher's output under the old key and the news together: who lacks either cannot compute it. */
void random_mix(struct random *random, const void *bytes, size_t count)
{
    static const uint32_t nonce[3] = {1};
    const uint8_t *from = bytes;
    while (count > 0) {
        uint8_t news[32] = {0};
        uint32_t words[8], block[16];
        size_t part = count < sizeof(news) ? count : sizeof(news);
        __builtin_memcpy(news, from, part);
        __builtin_memcpy(words, news, sizeof(words));
        for (int i = 0; i < 8; i++)
            random->key[i] ^= words[i];
        chacha20_block(random->key, 0, nonce, block);
        __builtin_memcpy(random->key, block, sizeof(random->key));
        from += part;
        count -= part;
    }
    random->is_seeded = true;
}

/* Each block gives half of itself away and keeps the other half as the next key: what was given cannot be computed
 * from what is kept. */
bool random_bytes(struct random *random, void *bytes, size_t count)
{
    static const uint32_t nonce[3];
    uint8_t *to = bytes;
    if (!random->is_seeded)
        return false;
    while (count > 0) {
        uint32_t block[16];
        size_t part = count < 32 ? count : 32;
        chacha20_block(random->key, 0, nonce, block);
        __builtin_memcpy(random->key, block, sizeof(random->key));
        __builtin_memcpy(to, block + 8, part);
        to += part;
        count -= part;
    }
    return true;
}
