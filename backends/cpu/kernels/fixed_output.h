/* Of fixed_body.h: Y = A^T M A, and what follows the sums. */

/* What a tile of one block of channels needs. */
typedef struct out_block {
    const cpu_fixed *f;
    const float *m;
    int64_t m_step;     /* from place to place */
    const float *units; /* of M, by place */
    int64_t units_step;
    vf image, bias, lowest, highest;
    const char *residual; /* at the tile's first output, or NULL */
    char *dst;
    int32_t tall, wide, channels; /* that lie on the map, and that exist */
} out_block;

/* Constants are first operands: NaN comes out as it went in. */
ALWAYS_INLINE vf clamped(const out_block *o, vf x) {
    return vf_min(o->highest, vf_max(o->lowest, x));
}

/* VF numbers in dst's units, clamped to its range. */
ALWAYS_INLINE void put_full(uint16_t dtype, char *dst, vf x) {
#if defined(__AVX512F__)
    if (dtype == FR_U8 || dtype == FR_S8) {
        _mm_storeu_si128((__m128i *)(void *)dst, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
        return;
    }
#endif
#if defined(__AVX512BF16__)
    if (dtype == FR_BF16) {
        __m256bh words = _mm512_cvtneps_pbh(x);
        memcpy(dst, &words, sizeof words);
        return;
    }
#endif
    vf_put(dtype, 1.0f, dst, 0, x);
}

/* The last channels: no more is written in NHWC, zeros up to the block's end otherwise. */
NOT_INLINE void put_some(uint16_t dtype, char *dst, vf x, int32_t channels, bool is_blocked) {
    float row[VF] = {0}, all[VF];
    char some[VF * 4];
    vf_store(all, x);
    memcpy(row, all, (size_t)channels * sizeof *row);
    put_full(dtype, some, vf_load(row));
    memcpy(dst, some, (size_t)(is_blocked ? VF : channels) * fr_dtype_bytes((fr_dtype)dtype));
}

static vf residual_at(const out_block *o, int64_t at) {
    uint16_t dtype = o->f->residual.dtype;
    uint64_t bytes = fr_dtype_bytes((fr_dtype)dtype);
    float row[VF];
    CPU_FN(convert)
    (dtype, 1.0f, o->residual + (uint64_t)at * bytes, FR_F32, 0.0f, row,
     (uint64_t)(o->f->is_blocked ? VF : o->channels));
    for (int c = o->f->is_blocked ? VF : o->channels; c < VF; c++)
        row[c] = 0.0f;
    return vf_load(row);
}

/* The end of a sum where there is more to do than a whole vector of channels and an activation that is a range. */
NOT_INLINE void put_rest(const out_block *o, uint16_t dtype, int64_t at, vf sum) {
    char *to = o->dst + at * (int64_t)fr_dtype_bytes((fr_dtype)dtype);
    if (o->residual)
        sum = vf_fma(residual_at(o, at), vf_all(o->f->residual_unit), sum);
    if (o->f->act == FR_ACT_LEAKY)
        sum = vf_add(vf_max(vf_all(0), sum), vf_mul(vf_all(o->f->act_a), vf_min(vf_all(0), sum)));
    sum = clamped(o, sum);
    if (o->channels == VF)
        put_full(dtype, to, sum);
    else
        put_some(dtype, to, sum, o->channels, o->f->is_blocked);
}

ALWAYS_INLINE void output_tile(const out_block *o, uint16_t dtype, bool is_plain) {
    vf half[DOWN][IN_ACROSS];
    const int64_t place_step = o->f->dst.place_step, row_step = o->f->out_w * place_step,
                  bytes = (int64_t)fr_dtype_bytes((fr_dtype)dtype);
    ROLLED
    for (int x = 0; x < IN_ACROSS; x++) {
        vf d[IN_DOWN], t[DOWN];
        CPU_UNROLL(8)
        for (int y = 0; y < IN_DOWN; y++) {
            int place = y * IN_ACROSS + x;
            d[y] = vf_mul(vf_load(o->m + place * o->m_step), vf_load(o->units + place * o->units_step));
        }
        LINES(wino_output, DOWN)(d, t);
        CPU_UNROLL(8)
        for (int y = 0; y < DOWN; y++)
            half[y][x] = t[y];
    }
    ROLLED
    for (int y = 0; y < o->tall; y++) {
        vf t[ACROSS];
        LINES(wino_output, ACROSS)(half[y], t);
        CPU_UNROLL(8)
        for (int x = 0; x < ACROSS; x++) {
            if (x >= o->wide)
                break;
            int64_t at = y * row_step + x * place_step;
            vf sum = vf_fma(t[x], o->image, o->bias);
            if (is_plain)
                put_full(dtype, o->dst + at * bytes, clamped(o, sum));
            else
                put_rest(o, dtype, at, sum);
        }
    }
}

/* What comes out lies between these, in dst's units. */
static void range_of(const cpu_fixed *f, float *lowest, float *highest) {
    const float infinity = __builtin_inff();
    *lowest = f->act == FR_ACT_RELU ? 0.0f : f->act == FR_ACT_CLIP ? f->act_a : -infinity;
    *highest = f->act == FR_ACT_CLIP ? f->act_b : infinity;
    if (f->dst.dtype == FR_U8 || f->dst.dtype == FR_S8) {
        float low = f->dst.dtype == FR_U8 ? 0.0f : -128.0f, high = f->dst.dtype == FR_U8 ? 255.0f : 127.0f;
        *lowest = *lowest < low ? low : *lowest > high ? high : *lowest;
        *highest = *highest > high ? high : *highest < low ? low : *highest;
    }
}

ALWAYS_INLINE void output_tiles(uint16_t dtype, const cpu_fixed *f, const float *m, const float *units,
                                const float *bias, const float *units_of_tiles, int64_t first, int64_t last,
                                int32_t rows, const char *residual, char *dst) {
    const int32_t out_blocks = cpu_fixed_out_blocks(f, &KERNELS);
    const int64_t bytes = (int64_t)fr_dtype_bytes((fr_dtype)dtype),
                  residual_bytes = (int64_t)fr_dtype_bytes((fr_dtype)f->residual.dtype);
    float lowest, highest;
    range_of(f, &lowest, &highest);
    out_block o = {.f = f,
                   .m_step = m_step_of(f, rows),
                   .units_step = (int64_t)out_blocks * VF,
                   .lowest = vf_all(lowest),
                   .highest = vf_all(highest)};
    for (int64_t tile = first; tile < last; tile++) {
        tile_place at = place_of(f, tile);
        int64_t row = (tile - first) / TILES, lane = (tile - first) % TILES;
        o.tall = f->out_h - at.y < DOWN ? f->out_h - at.y : DOWN;
        o.wide = f->out_w - at.x < ACROSS ? f->out_w - at.x : ACROSS;
        o.image = vf_all(units_of_tiles[tile - first]);
        for (int32_t b = 0; b < out_blocks; b++) {
            int64_t to = at.image * f->dst.image_step + b * f->dst.block_step +
                         ((int64_t)at.y * f->out_w + at.x) * f->dst.place_step;
            o.m = m + ((row * out_blocks + b) * TILES + lane) * VF;
            o.units = units + (int64_t)b * VF;
            o.bias = vf_load(bias + (int64_t)b * VF);
            o.residual = residual ? residual + to * residual_bytes : NULL;
            o.dst = dst + to * bytes;
            o.channels = f->c_out - b * VF < VF ? f->c_out - b * VF : VF;
            if (o.channels == VF && residual == NULL && f->act != FR_ACT_LEAKY)
                output_tile(&o, dtype, true);
            else
                output_tile(&o, dtype, false);
        }
    }
}

#define OUTPUT_CHUNK(name, dtype)                                                                                      \
    NOT_INLINE void name(const cpu_fixed *f, const float *m, const float *units, const float *bias,                    \
                         const float *units_of_tiles, int64_t first, int64_t last, int32_t rows, const char *residual, \
                         char *dst) {                                                                                  \
        output_tiles(dtype, f, m, units, bias, units_of_tiles, first, last, rows, residual, dst);                      \
    }
OUTPUT_CHUNK(output_chunk_u8, FR_U8)
OUTPUT_CHUNK(output_chunk_s8, FR_S8)
OUTPUT_CHUNK(output_chunk_bf16, FR_BF16)
OUTPUT_CHUNK(output_chunk_f32, FR_F32)

static void output_chunk(const cpu_fixed *f, const float *m, const float *units, const float *bias,
                         const float *units_of_tiles, int64_t first, int64_t last, int32_t rows, const char *residual,
                         char *dst) {
    switch (f->dst.dtype) {
    case FR_U8: output_chunk_u8(f, m, units, bias, units_of_tiles, first, last, rows, residual, dst); break;
    case FR_S8: output_chunk_s8(f, m, units, bias, units_of_tiles, first, last, rows, residual, dst); break;
    case FR_BF16: output_chunk_bf16(f, m, units, bias, units_of_tiles, first, last, rows, residual, dst); break;
    default: output_chunk_f32(f, m, units, bias, units_of_tiles, first, last, rows, residual, dst); break;
    }
}
