/*
 * Tiles of Winograd's algorithm along rows, of some number of points. The including file gives
 *   NAME           of the functions
 *   LANES, VEC     vectors of sums, which + - * work on
 *   POINTS         6 or 8
 *   TILES          whose sums fit the registers
 *   LOAD, STORE, ALL, FMA, CLAMP    of vectors
 */
#define GROUPED_JOIN_OF(name, part) name##_##part
#define GROUPED_JOIN(name, part)    GROUPED_JOIN_OF(name, part)

/* The four places of a tile, of its sums at the points. */
static inline __attribute__((always_inline)) void GROUPED_JOIN(NAME, places)(const VEC *m, VEC *y) {
    VEC a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
#if POINTS == 6
    y[0] = m[0] + a + c;
    y[1] = FMA(ALL(2.0f), d, b);
    y[2] = FMA(ALL(4.0f), c, a);
    y[3] = FMA(ALL(8.0f), d, b) + m[5];
#else
    VEC e = m[5] + m[6], f = m[5] - m[6];
    y[0] = m[0] + a + (c + e);
    y[1] = FMA(ALL(0.5f), f, FMA(ALL(2.0f), d, b));
    y[2] = FMA(ALL(0.25f), e, FMA(ALL(4.0f), c, a));
    y[3] = FMA(ALL(0.125f), f, FMA(ALL(8.0f), d, b)) + m[7];
#endif
}

/* `count` tiles from `tile` on; inlined for each constant count, so that the sums stay in registers. The bias rides on the
 * point 1, which is in each of the four places once. */
static inline __attribute__((always_inline)) void GROUPED_JOIN(NAME, tiles)(const grouped_row *r, int32_t tile,
                                                                            const int count) {
    VEC sums[TILES * POINTS];
    const size_t step = r->place_words;
    const float *w = (const float *)(const void *)r->weights;
    for (int i = 0; i < count * POINTS; i++)
        sums[i] = i % POINTS == 1 ? LOAD((const float *)(const void *)r->start) : ALL(0.0f);
    for (int32_t ky = 0; ky < r->g->win.kh; ky++) {
        const float *a = (const float *)(const void *)r->rows[ky] + (size_t)tile * POINTS * step;
        for (size_t c = 0; c < r->run_words; c++, a++, w += POINTS * LANES) {
            const float *quads[8];
            CPU_UNROLL(8)
            for (int q = 0; q < 8; q++)
                quads[q] = a + (size_t)(4 * q) * step;
            CPU_UNROLL(8)
            for (int k = 0; k < POINTS; k++) {
                VEC weights = LOAD(w + k * LANES);
                __asm__("" : "+v"(weights)); /* in a register: the numbers are what comes from memory */
                CPU_UNROLL(5)
                for (int t = 0; t < count; t++) {
                    const int i = t * POINTS + k;
                    sums[i] = FMA(ALL(quads[i / 4][(size_t)(i % 4) * step]), weights, sums[i]);
                }
            }
        }
    }
    int32_t x = tile * 4, places = r->g->out_w - x < count * 4 ? r->g->out_w - x : count * 4;
    VEC y[TILES * 4];
    CPU_UNROLL(5)
    for (int t = 0; t < count; t++)
        GROUPED_JOIN(NAME, places)(sums + t * POINTS, y + t * 4);
    if (r->is_plain) {
        VEC low = LOAD(r->low), high = LOAD(r->high);
        float *to = (float *)r->dst + r->at + (size_t)x * r->g->dst.place_step;
        CPU_UNROLL(20)
        for (int p = 0; p < count * 4; p++, to += r->g->dst.place_step) {
            if (p > count * 4 - 4 && p >= places)
                return;
            STORE(to, CLAMP(y[p], low, high));
        }
        return;
    }
    float out[TILES * 4 * LANES + 16]; /* the last vector is read as a wider one */
    CPU_UNROLL(20)
    for (int p = 0; p < count * 4; p++)
        STORE(out + p * LANES, y[p]);
    finish(r, x, places, LANES, (const uint32_t *)(const void *)out);
}

static __attribute__((noinline)) void GROUPED_JOIN(NAME, row)(const grouped_row *r) {
    int32_t across = (r->g->out_w + 3) / 4, parts = (across + TILES - 1) / TILES;
    for (int32_t part = 0; part < parts; part++) { /* of nearly equal size */
        int32_t tile = across * part / parts;
        switch (across * (part + 1) / parts - tile) {
        case 1: GROUPED_JOIN(NAME, tiles)(r, tile, 1); break;
#if TILES > 2
        case 2: GROUPED_JOIN(NAME, tiles)(r, tile, 2); break;
#endif
#if TILES > 3
        case 3: GROUPED_JOIN(NAME, tiles)(r, tile, 3); break;
        case 4: GROUPED_JOIN(NAME, tiles)(r, tile, 4); break;
#endif
        default: GROUPED_JOIN(NAME, tiles)(r, tile, TILES); break;
        }
    }
}

#undef NAME
#undef POINTS
#undef TILES
#undef GROUPED_JOIN
#undef GROUPED_JOIN_OF
