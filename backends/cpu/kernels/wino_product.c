/* Winograd's products, the same for every tile: see wino.h. */
#include "kernels_isa.h"

#if defined(__AVX2__) && defined(__FMA__)

#include "wino_cells.h"

/* m [blocks][tile][lane] = sum over c_in of v [block][tile][lane of c_in] * u [c_in][blocks][lane], for the first `count`
 * tiles; inlined for each constant count, so that the sums stay in registers. They begin with the first channel's products:
 * setting so many registers to zero costs some 50 cycles on Zen 4. */
static inline __attribute__((always_inline)) void product(const float *v, const float *u, int32_t c_in, float *m,
                                                          const int blocks, const int count) {
    vf sums[2][TILES], u0 = vf_load(u), u1 = vf_load(u + (blocks - 1) * VF);
    CPU_UNROLL(14)
    for (int t = 0; t < count; t++) {
        vf s = vf_all(v[t * VF]);
        sums[0][t] = vf_mul(s, u0);
        if (blocks == 2)
            sums[1][t] = vf_mul(s, u1);
    }
    u += blocks * VF;
    for (int32_t left = c_in, c = 1; left > 0; left -= VF, v += TILES * VF, c = 0) {
        const int32_t channels = left < VF ? left : VF;
        for (; c < channels; c++, u += blocks * VF) {
            u0 = vf_load(u), u1 = vf_load(u + (blocks - 1) * VF);
            CPU_UNROLL(14)
            for (int t = 0; t < count; t++) {
                vf s = vf_all(v[t * VF + c]);
                sums[0][t] = vf_fma(s, u0, sums[0][t]);
                if (blocks == 2)
                    sums[1][t] = vf_fma(s, u1, sums[1][t]);
            }
        }
    }
    for (int b = 0; b < blocks; b++) {
        CPU_UNROLL(14)
        for (int t = 0; t < count; t++)
            vf_store(m + (b * TILES + t) * VF, sums[b][t]);
    }
}

#if defined(__AVX512F__)
/* Half a block: vectors of 8, of which two are multiplied at once. */
static inline __attribute__((always_inline)) void half_product(const float *v, const float *u, int32_t c_in, float *m,
                                                               const int count) {
    __m256 sums[TILES], u0 = _mm256_loadu_ps(u);
    CPU_UNROLL(14)
    for (int t = 0; t < count; t++)
        sums[t] = _mm256_mul_ps(_mm256_set1_ps(v[t * VF]), u0);
    u += VF / 2;
    for (int32_t left = c_in, c = 1; left > 0; left -= VF, v += TILES * VF, c = 0) {
        const int32_t channels = left < VF ? left : VF;
        for (; c < channels; c++, u += VF / 2) {
            u0 = _mm256_loadu_ps(u);
            CPU_UNROLL(14)
            for (int t = 0; t < count; t++)
                sums[t] = _mm256_fmadd_ps(_mm256_set1_ps(v[t * VF + c]), u0, sums[t]);
        }
    }
    CPU_UNROLL(14)
    for (int t = 0; t < count; t++)
        vf_store(m + t * VF, _mm512_zextps256_ps512(sums[t]));
}
#define MORE_COUNTS(call)     \
    case 7: call(7); break;   \
    case 8: call(8); break;   \
    case 9: call(9); break;   \
    case 10: call(10); break; \
    case 11: call(11); break; \
    case 12: call(12); break; \
    case 13: call(13); break; \
    case 14:                  \
        call(14);             \
        break;
#else
#define MORE_COUNTS(call)
#endif

#define FOR_COUNT(tiles, call) \
    switch (tiles) {           \
    case 1: call(1); break;    \
    case 2: call(2); break;    \
    case 3: call(3); break;    \
    case 4: call(4); break;    \
    case 5: call(5); break;    \
    case 6:                    \
        call(6);               \
        break;                 \
        MORE_COUNTS(call)      \
    default: break;            \
    }

/* Arguments go in registers: a struct would be stored by a vector, which waits for the products before it. */
static __attribute__((noinline)) void product_of_two(const float *v, const float *u, int32_t c_in, float *m,
                                                     int32_t tiles) {
#define TWO(count) product(v, u, c_in, m, 2, count)
    FOR_COUNT(tiles, TWO)
}

static __attribute__((noinline)) void product_of_one(const float *v, const float *u, int32_t c_in, float *m,
                                                     int32_t tiles) {
#define ONE(count) product(v, u, c_in, m, 1, count)
    FOR_COUNT(tiles, ONE)
}

#if defined(__AVX512F__)
static __attribute__((noinline)) void product_of_half(const float *v, const float *u, int32_t c_in, float *m,
                                                      int32_t tiles) {
#define HALF(count) half_product(v, u, c_in, m, count)
    FOR_COUNT(tiles, HALF)
}
#else
static void product_of_half(const float *v, const float *u, int32_t c_in, float *m,
                            int32_t tiles) { /* no block is halved */
    (void)v, (void)u, (void)c_in, (void)m, (void)tiles;
}
#endif

static void multiply(const cpu_wino *w, const cpu_wino_chunk *chunk, const float *u) {
    const int64_t c_in = w->c_in, v_row = (int64_t)w->in_blocks * TILES * VF,
                  m_row = (int64_t)w->out_blocks * TILES * VF;
    const int32_t halves = cpu_wino_half_block(w, VF), whole = w->out_blocks - halves;
    const int64_t places = cpu_wino_places(w);
    for (int64_t place = 0; place < places; place++)
        for (int32_t o = 0; o < w->out_blocks;) {
            const int32_t blocks = o + 1 < whole ? 2 : 1;
            const bool half = o >= whole;
            for (int32_t r = 0, left = chunk->tiles; left > 0; r++, left -= chunk->per_row) {
                const float *vp = chunk->v + place * chunk->v_place + r * v_row;
                float *mp = chunk->m + place * chunk->m_place + r * m_row + (int64_t)o * TILES * VF;
                const int32_t tiles = left < chunk->per_row ? left : chunk->per_row;
                if (half)
                    product_of_half(vp, u, w->c_in, mp, tiles);
                else if (blocks == 2)
                    product_of_two(vp, u, w->c_in, mp, tiles);
                else
                    product_of_one(vp, u, w->c_in, mp, tiles);
            }
            u += c_in * (half ? VF / 2 : blocks * VF);
            o += blocks;
        }
}

const cpu_wino_kernels CPU_FN(wino_kernels) = {
    .lanes = VF,
    .tiles = TILES,
    .multiply = multiply,
    .tile = {{&CPU_FN(wino_4x4), &CPU_FN(wino_4x5), &CPU_FN(wino_4x6)},
             {&CPU_FN(wino_5x4), &CPU_FN(wino_5x5), &CPU_FN(wino_5x6)},
             {&CPU_FN(wino_6x4), &CPU_FN(wino_6x5), &CPU_FN(wino_6x6)}},
};

#endif
