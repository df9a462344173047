#include "base/hash.h"

#include <stdio.h>

/* The finaliser of SplitMix64: a bijection in which every input bit reaches every output bit. */
static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static const uint64_t golden = 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio: SplitMix64's step */

/* Little-endian whatever the machine, so that keys agree everywhere. */
static uint64_t load_word(const unsigned char *at, size_t bytes) {
    uint64_t word = 0;
    for (size_t i = 0; i < bytes; i++)
        word |= (uint64_t)at[i] << (8 * i);
    return word;
}

static fr_hash take_word(fr_hash h, uint64_t word) {
    h.a = mix(h.a ^ word);
    h.b = mix(h.b + (word << 32 | word >> 32)) + h.a;
    return h;
}

fr_hash fr_hash_bytes(const void *data, size_t bytes, fr_hash seed) {
    const unsigned char *at = data;
    fr_hash h = {mix(seed.a + golden), mix(seed.b ^ golden)};
    size_t left = bytes;
    for (; left >= 8; left -= 8, at += 8)
        h = take_word(h, load_word(at, 8));
    if (left > 0)
        h = take_word(h, load_word(at, left));
    h = take_word(h, (uint64_t)bytes * golden); /* the length tells "a" from "a\0" */
    h = take_word(h, golden);
    return h;
}

void fr_hash_hex(fr_hash hash, char out_hex[33]) {
    snprintf(out_hex, 33, "%016llx%016llx", (unsigned long long)hash.a, (unsigned long long)hash.b);
}

uint64_t fr_random_next(fr_random *random) {
    random->state += golden;
    return mix(random->state);
}

double fr_random_uniform(fr_random *random) {
    return (double)(fr_random_next(random) >> 11) * 0x1p-53;
}

/* The sum of 12 uniform 16-bit numbers: mean 12 * 65535/2, variance 65536^2 - 1. No libm call whose last bit differs from
 * one system to the next, and exact in f32. Tails end at 6 deviations. */
double fr_random_normal(fr_random *random) {
    int64_t sum = 0;
    for (int draw = 0; draw < 3; draw++) {
        uint64_t bits = fr_random_next(random);
        for (int piece = 0; piece < 4; piece++, bits >>= 16)
            sum += (int64_t)(bits & 0xffffu);
    }
    return (double)(sum - 6 * 65535) * 0x1p-16;
}
