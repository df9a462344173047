/*
 * The stages of a two-dimensional Winograd that depend on the tile: see wino.h. The including file gives OUT_Y and OUT_X,
 * the tile's sides, as plain numbers; this defines CPU_FN(wino_5x4) for a tile of 5 rows by 4 columns of outputs.
 */
#define IN_Y                 (OUT_Y + 2)
#define IN_X                 (OUT_X + 2)
#define STRIP_COLUMNS        (STRIP * OUT_X + 2)
#define PASTE_OF(a, b)       a##b
#define PASTE(a, b)          PASTE_OF(a, b)
#define TILE_OF(name, y, by) name##_##y##x##by
#define TILE_IS(name, y, by) TILE_OF(name, y, by)
#define TILE(name)           TILE_IS(name, OUT_Y, OUT_X)

/* ---- input: V = B^T d B ---------------------------------------------------------------------------------------------- */

/* The columns of a strip, [x0, x0 + columns) of the map's from row y on, each through B^T: neighbours share two of them. What
 * lies outside the map is zero; rows outside are read somewhere in the map and shut out. */
static inline __attribute__((always_inline)) void TILE(input_down)(const cpu_wino *w, const char *map, int32_t y,
                                                                   int32_t x0, int32_t columns,
                                                                   vf half[IN_Y][STRIP_COLUMNS], const bool bf16) {
    const int64_t row = w->src.row * (bf16 ? 2 : 4), place = w->src.place;
    const int32_t left = x0 < 0 ? -x0 : 0, right = columns < w->w - x0 ? columns : w->w - x0;
    wino_gate gate[IN_Y];
    const char *line[IN_Y];
    for (int k = 0; k < IN_Y; k++) {
        bool in = y + k >= 0 && y + k < w->h;
        gate[k] = wino_gate_of(in);
        line[k] = map + (in ? y + k : 0) * row;
        for (int32_t i = 0; i < left; i++)
            half[k][i] = vf_all(0);
        for (int32_t i = right; i < columns; i++)
            half[k][i] = vf_all(0);
    }
    for (int32_t i = left; i < right; i++) {
        vf d[IN_Y], t[IN_Y];
        for (int k = 0; k < IN_Y; k++)
            d[k] = wino_load(gate[k], line[k], (x0 + i) * place, bf16);
        PASTE(wino_input, OUT_Y)(d, t);
        for (int k = 0; k < IN_Y; k++)
            half[k][i] = t[k];
    }
}

static inline __attribute__((always_inline)) void TILE(input_across)(vf half[IN_Y][STRIP_COLUMNS], int32_t first,
                                                                     float *v, int64_t v_place) {
    for (int k = 0; k < IN_Y; k++) {
        vf t[IN_X];
        PASTE(wino_input, OUT_X)(&half[k][first], t);
        for (int i = 0; i < IN_X; i++, v += v_place)
            vf_store(v, t[i]);
    }
}

static inline __attribute__((always_inline)) void TILE(input_tiles)(const cpu_wino *w, const cpu_wino_chunk *chunk,
                                                                    const char *src, const bool bf16) {
    const int64_t bytes = bf16 ? 2 : 4;
    vf half[IN_Y][STRIP_COLUMNS];
    wino_at at = wino_first(w, chunk);
    for (int32_t tile = 0, strip; tile < chunk->tiles; tile += strip) {
        strip = wino_strip(w, chunk, &at, tile);
        const char *map = src + at.image * w->src.image * bytes;
        for (int32_t b = 0; b < w->in_blocks; b++, map += w->src.block * bytes) {
            TILE(input_down)(w, map, at.y - w->pad_top, at.x - w->pad_left, strip * OUT_X + 2, half, bf16);
            float *v = chunk->v + (((int64_t)at.row * w->in_blocks + b) * TILES + at.lane) * VF;
            for (int32_t t = 0; t < strip; t++, v += VF)
                TILE(input_across)(half, t * OUT_X, v, chunk->v_place);
        }
        wino_next(w, chunk, &at, strip);
    }
}

static __attribute__((noinline)) void TILE(input_bf16)(const cpu_wino *w, const cpu_wino_chunk *chunk,
                                                       const void *src) {
    TILE(input_tiles)(w, chunk, src, true);
}

static void TILE(input)(const cpu_wino *w, const cpu_wino_chunk *chunk, const void *src) {
    if (w->src.dtype == FR_BF16)
        TILE(input_bf16)(w, chunk, src);
    else
        TILE(input_tiles)(w, chunk, src, false);
}

/* ---- output: Y = A^T M A ------------------------------------------------------------------------------------------------- */

/* The bias rides on one column of half, of the point 1, which is in each of a row's sums once. */
static inline __attribute__((always_inline)) void TILE(output_tile)(const wino_out *o, const float *m, int64_t m_place,
                                                                    vf bias, int64_t at, int32_t tall, int32_t wide,
                                                                    const bool bf16, const bool plain) {
    const cpu_wino_map *dst = &o->w->dst;
    vf half[OUT_Y][IN_X];
    for (int i = 0; i < IN_X; i++) {
        vf d[IN_Y], t[OUT_Y];
        for (int k = 0; k < IN_Y; k++)
            d[k] = vf_load(m + (k * IN_X + i) * m_place);
        PASTE(wino_output, OUT_Y)(d, t);
        for (int k = 0; k < OUT_Y; k++)
            half[k][i] = t[k];
    }
    for (int k = 0; k < tall; k++, at += dst->row) {
        vf t[OUT_X];
        half[k][1] = vf_add(half[k][1], bias);
        PASTE(wino_output, OUT_X)(half[k], t);
        for (int i = 0; i < OUT_X; i++) {
            if (i >= wide)
                break;
            wino_put(o, at + i * dst->place, t[i], bf16, plain);
        }
    }
}

static inline __attribute__((always_inline)) void TILE(output_tiles)(const wino_out *o, const cpu_wino_chunk *chunk,
                                                                     const bool bf16, const bool plain) {
    const cpu_wino *w = o->w;
    wino_at at = wino_first(w, chunk);
    for (int32_t tile = 0; tile < chunk->tiles; tile++, wino_next(w, chunk, &at, 1)) {
        const float *m = chunk->m + ((int64_t)at.row * w->out_blocks * TILES + at.lane) * VF;
        int64_t to = at.image * w->dst.image + at.y * w->dst.row + at.x * w->dst.place;
        int32_t tall = w->out_h - at.y < OUT_Y ? w->out_h - at.y : OUT_Y,
                wide = w->out_w - at.x < OUT_X ? w->out_w - at.x : OUT_X;
        for (int32_t b = 0; b < w->out_blocks; b++, m += TILES * VF, to += w->dst.block)
            TILE(output_tile)(o, m, chunk->m_place, vf_load(o->bias + b * VF), to, tall, wide, bf16, plain);
    }
}

static __attribute__((noinline)) void TILE(output_plain)(const wino_out *o, const cpu_wino_chunk *chunk) {
    TILE(output_tiles)(o, chunk, false, true);
}
static __attribute__((noinline)) void TILE(output_plain_bf16)(const wino_out *o, const cpu_wino_chunk *chunk) {
    TILE(output_tiles)(o, chunk, true, true);
}
static __attribute__((noinline)) void TILE(output_any)(const wino_out *o, const cpu_wino_chunk *chunk) {
    TILE(output_tiles)(o, chunk, false, false);
}

static void TILE(output)(const cpu_wino *w, const cpu_wino_chunk *chunk, const float *bias, const void *residual,
                         void *dst) {
    const wino_out o = wino_out_of(w, bias, residual, dst);
    if (!o.plain)
        TILE(output_any)(&o, chunk);
    else if (w->dst.dtype == FR_BF16)
        TILE(output_plain_bf16)(&o, chunk);
    else
        TILE(output_plain)(&o, chunk);
}

const cpu_wino_tile CPU_FN(TILE(wino)) = {TILE(input), TILE(output)};

#undef IN_Y
#undef IN_X
#undef STRIP_COLUMNS
#undef PASTE_OF
#undef PASTE
#undef TILE_OF
#undef TILE_IS
#undef TILE
#undef OUT_Y
#undef OUT_X
