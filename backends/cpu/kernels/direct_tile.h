/*
 * Register tiles of one kind and width: sums of `count` neighbouring places by one or two vectors of outputs. The including
 * file gives
 *   TILE              the name
 *   ACC, LANES        a vector of sums; SPAN neighbouring places of LANES / SPAN outputs, place by place within an output;
 *                     pairs of vectors are not for SPAN 2
 *   OPERAND           a vector of words to multiply, of weights or of a broadcast word
 *   LOAD, ALL         an OPERAND of LANES words, or of the SPAN words at an address again and again
 *   DOT               sums + products
 *   START             sums as they begin
 *   NUMBERS           sums as a vf
 *   STORE             a vf as it is, of a place and a block
 *   OWN_STORE         the same in the kind's own dtype, between the row's bounds
 */
#define TILE_JOIN_OF(name, part) name##_##part
#define TILE_JOIN(name, part)    TILE_JOIN_OF(name, part)

static inline __attribute__((always_inline)) void TILE_JOIN(TILE, tile)(const direct_row *r, int32_t x, const int count,
                                                                        const int blocks, const bool is_own) {
    ACC sums[2][DIRECT_SUMS];
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
                OPERAND all = ALL(at + p * SPAN);
                sums[0][p] = DOT(sums[0][p], all, first);
                if (blocks == 2)
                    sums[1][p] = DOT(sums[1][p], all, second);
            }
        }
    }
    CPU_UNROLL(2)
    for (int b = 0; b < blocks; b++) {
        CPU_UNROLL(28)
        for (int p = 0; p < count; p++) {
            vf numbers = NUMBERS(r, b * LANES, sums[b][p]);
            if (is_own)
                OWN_STORE(r, x + p * SPAN, b, clipped(r, numbers));
            else
                STORE(r, x + p * SPAN, b, numbers);
        }
    }
}

#define TILE_CASE(count)                                        \
    case count:                                                 \
        if ((count)*blocks <= DIRECT_SUMS)                      \
            TILE_JOIN(TILE, tile)(r, x, count, blocks, is_own); \
        break

/* A row, in tiles of nearly equal size. */
static inline __attribute__((always_inline)) void TILE_JOIN(TILE, tiles)(const direct_row *r, const int blocks,
                                                                         const bool is_own) {
    const int32_t most = DIRECT_SUMS / blocks, vectors = (r->columns + SPAN - 1) / SPAN,
                  groups = (vectors + most - 1) / most;
    for (int32_t g = 0, first = 0, end; g < groups; g++, first = end) {
        end = (int32_t)((int64_t)vectors * (g + 1) / groups);
        const int32_t x = first * SPAN;
        switch (end - first) {
            TILE_CASE(1);
            TILE_CASE(2);
            TILE_CASE(3);
            TILE_CASE(4);
            TILE_CASE(5);
            TILE_CASE(6);
            TILE_CASE(7);
            TILE_CASE(8);
            TILE_CASE(9);
            TILE_CASE(10);
            TILE_CASE(11);
            TILE_CASE(12);
#if defined(__AVX512F__)
            TILE_CASE(13);
            TILE_CASE(14);
            TILE_CASE(15);
            TILE_CASE(16);
            TILE_CASE(17);
            TILE_CASE(18);
            TILE_CASE(19);
            TILE_CASE(20);
            TILE_CASE(21);
            TILE_CASE(22);
            TILE_CASE(23);
            TILE_CASE(24);
            TILE_CASE(25);
            TILE_CASE(26);
            TILE_CASE(27);
            TILE_CASE(28);
#endif
        default: break;
        }
    }
}

#undef TILE_CASE

#define TILE_ROW(name, blocks, is_own)                       \
    static void TILE_JOIN(TILE, name)(const direct_row *r) { \
        TILE_JOIN(TILE, tiles)(r, blocks, is_own);           \
    }
TILE_ROW(row, 1, false)
TILE_ROW(own_row, 1, true)
#if SPAN == 1
TILE_ROW(pair_row, 2, false)
TILE_ROW(own_pair_row, 2, true)
#endif

#undef TILE_ROW
#undef TILE_JOIN
#undef TILE_JOIN_OF
#undef TILE
#undef ACC
#undef LANES
#undef SPAN
#undef OPERAND
#undef LOAD
#undef ALL
#undef DOT
#undef START
#undef NUMBERS
#undef STORE
#undef OWN_STORE
