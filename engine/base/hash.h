/* 128-bit hashes for cache keys, and the seeded generator behind weights and test images. */
#ifndef FR_BASE_HASH_H
#define FR_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct fr_hash {
    uint64_t a, b;
} fr_hash;
fr_hash fr_hash_bytes(const void *data, size_t bytes, fr_hash seed); /* not cryptographic; stable across machines */
void fr_hash_hex(fr_hash hash, char out_hex[33]);

/* SplitMix64: the same numbers everywhere. {seed} starts it. */
typedef struct fr_random {
    uint64_t state;
} fr_random;
uint64_t fr_random_next(fr_random *random);
double fr_random_uniform(fr_random *random); /* [0, 1), 53 bits */
double fr_random_normal(fr_random *random);  /* mean 0, deviation 1 */

#endif
