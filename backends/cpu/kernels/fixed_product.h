/* Of fixed_body.h: M = U V. */

/* Sums of 32 bits hold so many channels' products: see fixed_pack.h. Those of more are added up as floats. */
enum { GROUP_BLOCKS = CPU_FIXED_GROUP / VH };

/* Pairs of channels of a group, from block `first` on. In f32 the second half of a block is what its pairs' second ones are. */
ALWAYS_INLINE int32_t pairs_from(const cpu_fixed *f, int32_t first) {
    int32_t left = f->c_in - first * VH, part = left % VH;
    if (left >= CPU_FIXED_GROUP)
        return CPU_FIXED_GROUP / 2;
    return left / VH * VF + (f->src.dtype != FR_F32 ? (part + 1) / 2 : part < VF ? part : VF);
}

ALWAYS_INLINE void add_sum(float *m, vi sum) {
    vf_store(m, vf_add(vf_load(m), vi_float(sum)));
}

/* m [blocks][tile][lane] = sum over pairs of c_in of v [block][tile][pair] * u [pair][blocks][lane], for the first `count`
 * tiles; inlined for each constant count, so that the sums stay in registers. A group of c_in from `first` on: a block. */
ALWAYS_INLINE void product(const cpu_fixed *f, int32_t first, const int16_t *v, const int16_t *u, float *m,
                           const int blocks, const int count) {
    vi sums[2][TILES];
    CPU_UNROLL(2)
    for (int b = 0; b < blocks; b++) {
        CPU_UNROLL(14)
        for (int t = 0; t < count; t++)
            sums[b][t] = vi_all(0);
    }
    const int32_t pairs = pairs_from(f, first);
    for (int32_t i = 0; i < pairs;
         i++, u += blocks * VH) { /* one loop: with two, gcc copies the sums to memory and back */
        const int16_t *pair = v + (int64_t)(i / VF) * TILES * VH + i % VF * 2;
        vi u0 = vi_load(u), u1 = vi_load(u + (blocks - 1) * VH);
        CPU_UNROLL(14)
        for (int t = 0; t < count; t++) {
            vi s = vi_pair(pair + t * VH);
            sums[0][t] = vi_dot(sums[0][t], s, u0);
            if (blocks == 2)
                sums[1][t] = vi_dot(sums[1][t], s, u1);
        }
    }
    if (first > 0) {
        CPU_UNROLL(2)
        for (int b = 0; b < blocks; b++) {
            CPU_UNROLL(14)
            for (int t = 0; t < count; t++)
                add_sum(m + (b * TILES + t) * VF, sums[b][t]);
        }
        return;
    }
    CPU_UNROLL(2)
    for (int b = 0; b < blocks; b++) {
        CPU_UNROLL(14)
        for (int t = 0; t < count; t++)
            vf_store(m + (b * TILES + t) * VF, vi_float(sums[b][t]));
    }
}

/* A row of tiles; the last one may have few: it is rounded up to an even number. */
ALWAYS_INLINE void product_row(const cpu_fixed *f, int32_t first, const int16_t *v, const int16_t *u, float *m,
                               const int blocks, int64_t tiles) {
    switch ((tiles + 1) / 2) {
    case 1: product(f, first, v, u, m, blocks, 2); break;
    case 2: product(f, first, v, u, m, blocks, 4); break;
#if defined(__AVX512F__)
    case 3: product(f, first, v, u, m, blocks, 6); break;
    case 4: product(f, first, v, u, m, blocks, 8); break;
    case 5: product(f, first, v, u, m, blocks, 10); break;
    case 6: product(f, first, v, u, m, blocks, 12); break;
#endif
    default: product(f, first, v, u, m, blocks, TILES); break;
    }
}

NOT_INLINE void product_of_two(const cpu_fixed *f, int32_t first, const int16_t *v, const int16_t *u, float *m,
                               int64_t tiles) {
    product_row(f, first, v, u, m, 2, tiles);
}

NOT_INLINE void product_of_one(const cpu_fixed *f, int32_t first, const int16_t *v, const int16_t *u, float *m,
                               int64_t tiles) {
    product_row(f, first, v, u, m, 1, tiles);
}

static void multiply_chunk(const cpu_fixed *f, const int16_t *v, const int16_t *u, int32_t rows, int64_t tiles,
                           float *m) {
    const int32_t in_blocks = cpu_fixed_in_blocks(f, &KERNELS), out_blocks = cpu_fixed_out_blocks(f, &KERNELS);
    const int64_t c_in = (int64_t)in_blocks * VH, v_row = c_in * TILES, m_row = (int64_t)out_blocks * TILES * VF;
    for (int p = 0; p < PLACES; p++) {
        const int16_t *up = u + p * c_in * out_blocks * VF, *vp = v + p * v_step_of(f, rows);
        float *mp = m + p * m_step_of(f, rows);
        for (int32_t o = 0; o < out_blocks; o += 2, up += c_in * 2 * VF) {
            const int64_t wide = o + 1 < out_blocks ? 2 * VF : VF;
            for (int32_t first = 0; first < in_blocks; first += GROUP_BLOCKS)
                for (int64_t r = 0, left = tiles; left > 0; r++, left -= TILES) {
                    float *to = mp + r * m_row + (int64_t)o * TILES * VF;
                    const int16_t *from = vp + r * v_row + (int64_t)first * TILES * VH, *by = up + first * VH * wide;
                    if (wide > VF)
                        product_of_two(f, first, from, by, to, left);
                    else
                        product_of_one(f, first, from, by, to, left);
                }
        }
    }
}
