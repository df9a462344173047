/*
 * Register tiles of one kind and width: sums of `count` neighbouring places by one or two vectors of outputs. The including
 * file gives
 *   TILE              the name; TILE_IS_HALF where there are no pairs of vectors
 *   ACC, LANES        a vector of sums
 *   OPERAND           a vector of words to multiply, of weights or of a broadcast word
 *   LOAD, ALL         an OPERAND of LANES words, or of one
 *   DOT               sums + products
 *   START             sums as they begin
 *   NUMBERS, CLIPPED  floats; sums as floats between bounds
 *   STORE             NUMBERS as they are, at an element of out
 *   OWN_STORE         NUMBERS in the kind's own dtype; not given where that is f32
 */
#define TILE_JOIN_OF(name, part) name##_##part
#define TILE_JOIN(name, part)    TILE_JOIN_OF(name, part)

static inline __attribute__((always_inline)) void TILE_JOIN(TILE, tile)(const direct_row *r, int32_t x, const int count,
                                                                        const int blocks, const bool is_own) {
    ACC sums[2][DIRECT_PLACES];
    CPU_UNROLL(2)
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
    uint64_t out = (uint64_t)x * r->out_place;
    CPU_UNROLL(2)
    for (int b = 0; b < blocks; b++) {
        CPU_UNROLL(28)
        for (int p = 0; p < count; p++) {
            NUMBERS numbers = CLIPPED(r, b * LANES, sums[b][p]);
#if defined(OWN_STORE)
            if (is_own) {
                OWN_STORE(r, out + (uint64_t)b * r->out_block + (uint64_t)p * r->out_place, numbers);
                continue;
            }
#else
            (void)is_own;
#endif
            STORE(r, out + (uint64_t)b * r->out_block + (uint64_t)p * r->out_place, numbers);
        }
    }
}

#define TILE_CASE(count)                                        \
    case count:                                                 \
        if ((count)*blocks <= DIRECT_PLACES)                    \
            TILE_JOIN(TILE, tile)(r, x, count, blocks, is_own); \
        break;

/* A row, in tiles of nearly equal size. */
static inline __attribute__((always_inline)) void TILE_JOIN(TILE, tiles)(const direct_row *r, const int blocks,
                                                                         const bool is_own) {
    const int32_t places = DIRECT_PLACES / blocks, groups = (r->columns + places - 1) / places;
    for (int32_t g = 0, x = 0, end; g < groups; g++, x = end) {
        end = (int32_t)((int64_t)r->columns * (g + 1) / groups);
        switch (end - x) {
            TILE_CASE(1)
            TILE_CASE(2)
            TILE_CASE(3)
            TILE_CASE(4)
            TILE_CASE(5)
            TILE_CASE(6) TILE_CASE(7) TILE_CASE(8) TILE_CASE(9) TILE_CASE(10) TILE_CASE(11) TILE_CASE(12)
#if defined(__AVX512F__)
                TILE_CASE(13) TILE_CASE(14) TILE_CASE(15) TILE_CASE(16) TILE_CASE(17) TILE_CASE(18) TILE_CASE(19)
                    TILE_CASE(20) TILE_CASE(21) TILE_CASE(22) TILE_CASE(23) TILE_CASE(24) TILE_CASE(25) TILE_CASE(26)
                        TILE_CASE(27) TILE_CASE(28)
#endif
                            default : break;
        }
    }
}

#undef TILE_CASE

#define TILE_ROW(name, blocks, is_own)                       \
    static void TILE_JOIN(TILE, name)(const direct_row *r) { \
        TILE_JOIN(TILE, tiles)(r, blocks, is_own);           \
    }
TILE_ROW(row, 1, false)
#if !defined(TILE_IS_HALF)
TILE_ROW(pair_row, 2, false)
#endif
#if defined(OWN_STORE)
TILE_ROW(own_row, 1, true)
#if !defined(TILE_IS_HALF)
TILE_ROW(own_pair_row, 2, true)
#endif
#endif

#undef TILE_ROW
#undef TILE_JOIN
#undef TILE_JOIN_OF
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
#undef CLIPPED
#undef STORE
#undef OWN_STORE
