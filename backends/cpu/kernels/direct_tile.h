/*
 * Register tiles of one kind and width: sums of `count` neighbouring places by one or two vectors of outputs. The including
 * file gives
 *   TILE            the name
 *   ACC             a vector of sums; LANES of them
 *   OPERAND         a vector of words to multiply, of weights or of a broadcast word
 *   LOAD, ALL       an OPERAND of LANES words, or of one
 *   DOT             sums + products
 *   START, NUMBERS  sums as they begin; sums as vf, given pointers to scale and bias; zeros past LANES
 */
#define TILE_JOIN_OF(name, part) name##_##part
#define TILE_JOIN(name, part)    TILE_JOIN_OF(name, part)

static inline __attribute__((always_inline)) void TILE_JOIN(TILE, tile)(const direct_row *r, int32_t x, const int count,
                                                                        const int blocks) {
    ACC sums[2][DIRECT_PLACES];
    for (int b = 0; b < blocks; b++) {
        CPU_UNROLL(28)
        for (int p = 0; p < count; p++)
            sums[b][p] = START(r->start + b * LANES);
    }
    const uint32_t *w = r->weights;
    for (int32_t ky = 0; ky < r->kh; ky++) {
        const uint32_t *row = r->rows[ky] + x;
        for (int64_t t = 0; t < r->taps; t++, w += blocks * LANES) {
            const uint32_t *at = row + r->offsets[t];
            OPERAND first = LOAD(w), second = LOAD(w + (blocks - 1) * LANES);
            CPU_UNROLL(28)
            for (int p = 0; p < count; p++) {
                OPERAND all = ALL(at[p]);
                sums[0][p] = DOT(sums[0][p], all, first);
                if (blocks == 2)
                    sums[1][p] = DOT(sums[1][p], all, second);
            }
        }
    }
    float *out = r->out + (uint64_t)x * r->out_place;
    for (int b = 0; b < blocks; b++, out += r->out_block) {
        CPU_UNROLL(28)
        for (int p = 0; p < count; p++) { /* the first operand is the constant: NaN comes out as it went in */
            vf number = NUMBERS(sums[b][p], r->scale + b * LANES, r->bias + b * LANES);
            vf_store(out + (uint64_t)p * r->out_place, vf_min(r->highest, vf_max(r->lowest, number)));
        }
    }
}

#define TILE_CASE(count, blocks)                    \
    case count:                                     \
        TILE_JOIN(TILE, tile)(r, x, count, blocks); \
        break;
#define TILE_CASES_6(blocks) \
    TILE_CASE(1, blocks)     \
    TILE_CASE(2, blocks) TILE_CASE(3, blocks) TILE_CASE(4, blocks) TILE_CASE(5, blocks) TILE_CASE(6, blocks)
#define TILE_CASES_12(blocks)                                                                                  \
    TILE_CASES_6(blocks)                                                                                       \
    TILE_CASE(7, blocks) TILE_CASE(8, blocks) TILE_CASE(9, blocks) TILE_CASE(10, blocks) TILE_CASE(11, blocks) \
        TILE_CASE(12, blocks)
#define TILE_CASES_14(blocks) TILE_CASES_12(blocks) TILE_CASE(13, blocks) TILE_CASE(14, blocks)
#define TILE_CASES_28(blocks)                                                                                         \
    TILE_CASES_14(blocks)                                                                                             \
    TILE_CASE(15, blocks) TILE_CASE(16, blocks) TILE_CASE(17, blocks) TILE_CASE(18, blocks) TILE_CASE(19, blocks)     \
        TILE_CASE(20, blocks) TILE_CASE(21, blocks) TILE_CASE(22, blocks) TILE_CASE(23, blocks) TILE_CASE(24, blocks) \
            TILE_CASE(25, blocks) TILE_CASE(26, blocks) TILE_CASE(27, blocks) TILE_CASE(28, blocks)

/* Tiles of nearly equal size. */
static void TILE_JOIN(TILE, row)(const direct_row *r) {
    int32_t groups = (r->columns + DIRECT_PLACES - 1) / DIRECT_PLACES;
    for (int32_t g = 0, x = 0, end; g < groups; g++, x = end) {
        end = (int32_t)((int64_t)r->columns * (g + 1) / groups);
        switch (end - x) {
#if defined(__AVX512F__)
            TILE_CASES_28(1)
#else
            TILE_CASES_12(1)
#endif
        default: break;
        }
    }
}

#if !defined(TILE_IS_HALF)
static void TILE_JOIN(TILE, pair_row)(const direct_row *r) {
    const int32_t places = DIRECT_PLACES / 2;
    int32_t groups = (r->columns + places - 1) / places;
    for (int32_t g = 0, x = 0, end; g < groups; g++, x = end) {
        end = (int32_t)((int64_t)r->columns * (g + 1) / groups);
        switch (end - x) {
#if defined(__AVX512F__)
            TILE_CASES_14(2)
#else
            TILE_CASES_6(2)
#endif
        default: break;
        }
    }
}
#endif

#undef TILE
#undef TILE_IS_HALF
#undef ACC
#undef LANES
#undef OPERAND
#undef LOAD
#undef ALL
#undef DOT
#undef START
#undef NUMBERS
