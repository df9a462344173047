/*
 * Tiles of one way of summing. The including file gives
 *   NAME           of the functions
 *   LANES, VEC     vectors of 32-bit sums
 *   LOAD, STORE    of them
 *   MADD(sum, word, weights)   the sum, and the word at an address in all lanes times the weights
 *   CLAMP(sum, low, high)      floats alone: NaN stays
 */
#define GROUPED_JOIN_OF(name, part) name##_##part
#define GROUPED_JOIN(name, part)    GROUPED_JOIN_OF(name, part)

/* `count` places from x on; inlined for each constant count, so that the sums stay in registers. */
static inline __attribute__((always_inline)) void GROUPED_JOIN(NAME, tile)(const grouped_row *r, int32_t x,
                                                                           const int count) {
    VEC sums[MOST_PLACES];
    const size_t step = r->place_words;
    const uint32_t *w = r->weights;
    for (int p = 0; p < count; p++)
        sums[p] = LOAD(r->start);
    for (int32_t ky = 0; ky < r->g->win.kh; ky++)
        for (size_t run = 0; run < r->runs; run++) {
            const uint32_t *a = r->rows[ky] + (size_t)x * step + run * r->run_step;
            for (size_t i = 0; i < r->run_words; i++, a++, w += LANES) {
                const uint32_t *b = a + 4 * step, *c = b + 4 * step, *d = c + 4 * step;
                VEC weights = LOAD(w);
                CPU_UNROLL(16)
                for (int p = 0; p < count; p++) {
                    const uint32_t *at = (p < 4 ? a : p < 8 ? b : p < 12 ? c : d) + (size_t)(p % 4) * step;
                    sums[p] = MADD(sums[p], at, weights);
                }
            }
        }
#if defined(CLAMP)
    if (r->is_plain) {
        VEC low = LOAD(r->low), high = LOAD(r->high);
        float *to = (float *)r->dst + r->at + (size_t)x * r->g->dst.place_step;
        CPU_UNROLL(16)
        for (int p = 0; p < count; p++, to += r->g->dst.place_step)
            STORE(to, CLAMP(sums[p], low, high));
        return;
    }
#endif
    uint32_t out[MOST_PLACES * LANES + 16]; /* the last vector is read as a wider one */
    CPU_UNROLL(16)
    for (int p = 0; p < count; p++)
        STORE(out + p * LANES, sums[p]);
    finish(r, x, count, LANES, out);
}

static __attribute__((noinline)) void GROUPED_JOIN(NAME, row)(const grouped_row *r) {
    int32_t out_w = r->g->out_w, tiles = (out_w + MOST_PLACES - 1) / MOST_PLACES;
    for (int32_t t = 0; t < tiles; t++) { /* of nearly equal size */
        int32_t x = (int32_t)((int64_t)out_w * t / tiles), end = (int32_t)((int64_t)out_w * (t + 1) / tiles);
        switch (end - x) {
        case 1: GROUPED_JOIN(NAME, tile)(r, x, 1); break;
        case 2: GROUPED_JOIN(NAME, tile)(r, x, 2); break;
        case 3: GROUPED_JOIN(NAME, tile)(r, x, 3); break;
        case 4: GROUPED_JOIN(NAME, tile)(r, x, 4); break;
        case 5: GROUPED_JOIN(NAME, tile)(r, x, 5); break;
        case 6: GROUPED_JOIN(NAME, tile)(r, x, 6); break;
        case 7: GROUPED_JOIN(NAME, tile)(r, x, 7); break;
        case 8: GROUPED_JOIN(NAME, tile)(r, x, 8); break;
        case 9: GROUPED_JOIN(NAME, tile)(r, x, 9); break;
        case 10: GROUPED_JOIN(NAME, tile)(r, x, 10); break;
        case 11: GROUPED_JOIN(NAME, tile)(r, x, 11); break;
#if defined(__AVX512F__)
        case 12: GROUPED_JOIN(NAME, tile)(r, x, 12); break;
        case 13: GROUPED_JOIN(NAME, tile)(r, x, 13); break;
        case 14: GROUPED_JOIN(NAME, tile)(r, x, 14); break;
        case 15: GROUPED_JOIN(NAME, tile)(r, x, 15); break;
        default: GROUPED_JOIN(NAME, tile)(r, x, 16); break;
#else
        default: GROUPED_JOIN(NAME, tile)(r, x, 12); break;
#endif
        }
    }
}

#undef NAME
#undef LANES
#undef VEC
#undef LOAD
#undef STORE
#undef MADD
#undef CLAMP
#undef GROUPED_JOIN
#undef GROUPED_JOIN_OF
