/* Of fixed_body.h: V = B^T d B. */

/* Where a tile's input lies: its first place, which may be outside the map, and the places [y0, y1) x [x0, x1) inside. */
typedef struct window {
    int64_t at, row_step, place_step; /* in elements */
    int32_t y0, y1, x0, x1;
} window;

ALWAYS_INLINE bool has(const window *w, int y, int x, bool is_inside) {
    return is_inside || (y >= w->y0 && y < w->y1 && x >= w->x0 && x < w->x1);
}

ALWAYS_INLINE int64_t offset_of(const window *w, int y, int x) {
    return w->at + y * w->row_step + x * w->place_step;
}

/* Bytes: in integers. */
ALWAYS_INLINE void whole_tile(uint16_t dtype, const void *src, const window *w, const halves *h, bool is_inside,
                              int16_t *v, int64_t v_step) {
    vh half[IN_DOWN][IN_ACROSS];
    ROLLED
    for (int x = 0; x < IN_ACROSS; x++) {
        vh d[IN_DOWN], t[IN_DOWN];
        for (int y = 0; y < IN_DOWN; y++)
            d[y] = has(w, y, x, is_inside) ? load_bytes(dtype, src, offset_of(w, y, x), h) : vh_all(0);
        LINES(whole_first, DOWN)(d, t);
        for (int y = 0; y < IN_DOWN; y++)
            half[y][x] = t[y];
    }
    ROLLED
    for (int y = 0; y < IN_DOWN; y++) {
        vh t[IN_ACROSS];
        LINES(whole_second, ACROSS)(half[y], t, LINES(BITS, DOWN));
        for (int x = 0; x < IN_ACROSS; x++)
            vh_store(v + (y * IN_ACROSS + x) * v_step, t[x]);
    }
}

/* Real numbers: in f32, and then in their image's units. */
ALWAYS_INLINE void real_tile(uint16_t dtype, const void *src, const window *w, const halves *h, bool is_inside,
                             const float scales[PLACES], int16_t *v, int64_t v_step) {
    vf half[2][IN_DOWN][IN_ACROSS];
    ROLLED
    for (int x = 0; x < IN_ACROSS; x++) {
        vf d[2][IN_DOWN], t[2][IN_DOWN];
        for (int y = 0; y < IN_DOWN; y++) {
            d[0][y] = d[1][y] = vf_all(0);
            if (has(w, y, x, is_inside))
                load_floats(dtype, src, offset_of(w, y, x), h, &d[0][y], &d[1][y]);
        }
        for (int k = 0; k < 2; k++) {
            LINES(wino_input, DOWN)(d[k], t[k]);
            for (int y = 0; y < IN_DOWN; y++)
                half[k][y][x] = t[k][y];
        }
    }
    ROLLED
    for (int y = 0; y < IN_DOWN; y++) {
        vf t[2][IN_ACROSS];
        for (int k = 0; k < 2; k++)
            LINES(wino_input, ACROSS)(half[k][y], t[k]);
        for (int x = 0; x < IN_ACROSS; x++) {
            int place = y * IN_ACROSS + x;
            vh_store(v + place * v_step, vh_pairs(t[0][x], t[1][x], vf_all(scales[place])));
        }
    }
}

/* An image's units of V at each place, and what one of them counts in the answer. */
typedef struct image_units {
    int32_t image;
    float unit, scales[PLACES];
} image_units;

/* limits: the largest V over the image's reach, in units; twice as many if nothing is negative. */
static void set_units(const cpu_fixed *f, const void *src, const float *limits, int32_t image, image_units *units) {
    uint64_t bytes = fr_dtype_bytes((fr_dtype)f->src.dtype);
    reach r = reach_of(f->src.dtype, (const char *)src + (uint64_t)image * (uint64_t)f->src.image_step * bytes,
                       f->src.image_step);
    if (r.most < 1e-30f) /* all zero, or as good as that */
        r.most = 1e-30f;
    units->image = image;
    units->unit = r.is_signed ? r.most : 0.5f * r.most;
    for (int p = 0; p < PLACES; p++)
        units->scales[p] = limits[p] / units->unit;
}

ALWAYS_INLINE void input_tiles(uint16_t dtype, const cpu_fixed *f, const void *src, const float *limits, int64_t first,
                               int64_t last, int32_t rows, image_units *units, int16_t *v, float *units_of_tiles) {
    const bool is_whole = dtype == FR_U8 || dtype == FR_S8;
    const int32_t in_blocks = cpu_fixed_in_blocks(f, &KERNELS);
    const int64_t v_step = v_step_of(f, rows), block_step = f->src.block_step;
    for (int64_t tile = first; tile < last; tile++) {
        tile_place at = place_of(f, tile);
        int64_t row = (tile - first) / TILES, lane = (tile - first) % TILES;
        int32_t y = at.y - f->pad_top, x = at.x - f->pad_left;
        bool is_inside = y >= 0 && x >= 0 && y + IN_DOWN <= f->h && x + IN_ACROSS <= f->w;
        if (!is_whole && at.image != units->image)
            set_units(f, src, limits, at.image, units);
        units_of_tiles[tile - first] = is_whole ? 1.0f : units->unit;
        window w = {.row_step = f->w * f->src.place_step,
                    .place_step = f->src.place_step,
                    .y0 = y < 0 ? -y : 0,
                    .y1 = f->h - y < IN_DOWN ? f->h - y : IN_DOWN,
                    .x0 = x < 0 ? -x : 0,
                    .x1 = f->w - x < IN_ACROSS ? f->w - x : IN_ACROSS};
        for (int32_t b = 0; b < in_blocks; b++) {
            halves h = halves_of(block_step, f->c_in - b * VH);
            int16_t *to = v + ((row * in_blocks + b) * TILES + lane) * VH;
            w.at = at.image * f->src.image_step + 2 * b * block_step + y * w.row_step + x * w.place_step;
            if (is_whole && is_inside)
                whole_tile(dtype, src, &w, &h, true, to, v_step);
            else if (is_whole)
                whole_tile(dtype, src, &w, &h, false, to, v_step);
            else if (is_inside)
                real_tile(dtype, src, &w, &h, true, units->scales, to, v_step);
            else
                real_tile(dtype, src, &w, &h, false, units->scales, to, v_step);
        }
    }
}

#define INPUT_CHUNK(name, dtype)                                                                                \
    NOT_INLINE void name(const cpu_fixed *f, const void *src, const float *limits, int64_t first, int64_t last, \
                         int32_t rows, image_units *units, int16_t *v, float *units_of_tiles) {                 \
        input_tiles(dtype, f, src, limits, first, last, rows, units, v, units_of_tiles);                        \
    }
INPUT_CHUNK(input_chunk_u8, FR_U8)
INPUT_CHUNK(input_chunk_s8, FR_S8)
INPUT_CHUNK(input_chunk_bf16, FR_BF16)
INPUT_CHUNK(input_chunk_f32, FR_F32)

static void input_chunk(const cpu_fixed *f, const void *src, const float *limits, int64_t first, int64_t last,
                        int32_t rows, image_units *units, int16_t *v, float *units_of_tiles) {
    switch (f->src.dtype) {
    case FR_U8: input_chunk_u8(f, src, limits, first, last, rows, units, v, units_of_tiles); break;
    case FR_S8: input_chunk_s8(f, src, limits, first, last, rows, units, v, units_of_tiles); break;
    case FR_BF16: input_chunk_bf16(f, src, limits, first, last, rows, units, v, units_of_tiles); break;
    default: input_chunk_f32(f, src, limits, first, last, rows, units, v, units_of_tiles); break;
    }
}
