/* See amx.h. Built for AMX, and for a model of its tiles in tests. */
#include "amx.h"

#include <string.h>

#include "epilogue.h"

#if defined(CPU_HAS_AMX)

#include "amx_tiles.h"

enum { SIDE = CPU_AMX_SIDE, SUMS = SIDE * SIDE };

/* ---- weights: [16 outs][ky][chunk][4 bytes of the window's row][out][byte] ---------------------------------------------------- */

typedef struct weight_at {
    int32_t out, ky, kx, channel;
} weight_at;

static uint64_t weight_index(const cpu_amx *a, weight_at at) {
    return ((uint64_t)(at.out * a->c_in + at.channel) * (uint64_t)a->kh + (uint64_t)at.ky) * (uint64_t)a->kw +
           (uint64_t)at.kx;
}

/* 4 bytes of one out: the channels that lie `from` bytes into the window's row. */
static void pack_group(const cpu_amx *a, const void *weight, int32_t out, int32_t ky, int32_t from, uint8_t *to) {
    const int32_t bytes = cpu_amx_is_int8(a) ? 1 : 2;
    for (int32_t i = 0; i < 4; i += bytes) {
        int32_t inside = (from + i) % a->place_bytes / bytes;
        weight_at at = {out, ky, (from + i) / a->place_bytes, inside};
        if (inside >= a->c_in)
            continue;
        if (bytes == 1) {
            memcpy(to + i, (const int8_t *)weight + weight_index(a, at), 1);
        } else {
            uint16_t half = fr_f32_to_bf16(((const float *)weight)[weight_index(a, at)]);
            memcpy(to + i, &half, 2);
        }
    }
}

static void CPU_LEVEL_FN(amx_pack)(const cpu_amx *a, const void *weight, const float *scale, float src_scale,
                                   const float *bias, void *to) {
    float *scales = (float *)(void *)((char *)to + (uint64_t)a->out_tiles * a->tile_bytes),
          *biases = scales + a->out_tiles * SIDE;
    for (int32_t out = 0; out < a->c_out; out++) {
        uint8_t *group = (uint8_t *)to + (uint64_t)(out / SIDE) * a->tile_bytes + (uint64_t)(out % SIDE) * 4;
        for (int32_t ky = 0; ky < a->kh; ky++)
            for (int32_t from = 0; from < a->kw * a->place_bytes; from += 4, group += CPU_AMX_ROW_BYTES)
                pack_group(a, weight, out, ky, from, group);
        scales[out] = src_scale * (scale == NULL ? 1.0f : scale[out]) * a->per_unit;
        biases[out] = bias == NULL ? 0.0f : bias[out] * a->per_unit;
    }
}

/* ---- rows of the padded map, in scratch ------------------------------------------------------------------------------------------ */

static inline void copy_some(void *to, const void *from, uint64_t bytes) {
#if defined(__AVX512BW__)
    for (uint64_t at = 0; at < bytes; at += 64) {
        __mmask64 mask = bytes - at >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << (bytes - at)) - 1;
        _mm512_mask_storeu_epi8((char *)to + at, mask, _mm512_maskz_loadu_epi8(mask, (const char *)from + at));
    }
#else
    memcpy(to, from, bytes);
#endif
}

/* `count` places of a row: a block of channels, or all of them. src_step and row's places: in bytes. */
static void copy_places(const cpu_amx *a, const char *src, uint64_t src_step, int32_t channels, char *row,
                        int32_t count) {
    uint64_t place = (uint64_t)a->place_bytes, width = fr_dtype_bytes((fr_dtype)a->from),
             bytes = (uint64_t)channels * width;
    if (a->from == FR_F32)
        for (int32_t i = 0; i < count; i++, src += src_step, row += place)
            CPU_FN(convert)(FR_F32, 0.0f, src, FR_BF16, 0.0f, row, (uint64_t)channels);
    else if (bytes == place && src_step == place)
        memcpy(row, src, (uint64_t)count * place);
    else
        for (int32_t i = 0; i < count; i++, src += src_step, row += place)
            copy_some(row, src, bytes);
}

/* Row y of the map, which may lie outside it. What is beside the map stays zero. */
static void fill_row(const cpu_amx *a, const char *src, int32_t y, char *row) {
    int32_t left = a->pad_left < 0 ? -a->pad_left : 0,
            end = a->places - a->pad_left < a->w ? a->places - a->pad_left : a->w;
    if (left >= end)
        return;
    row += (int64_t)(left + a->pad_left) * a->place_bytes;
    if (y < 0 || y >= a->h) {
        memset(row, 0, (size_t)(end - left) * (size_t)a->place_bytes);
        return;
    }
    const uint64_t width = fr_dtype_bytes((fr_dtype)a->from);
    const int32_t block = a->from_blocks ? CPU_AMX_BLOCK : a->c_in;
    for (int32_t first = 0; first < a->c_in; first += block) {
        uint64_t map = (uint64_t)first * (uint64_t)a->h * (uint64_t)a->w,
                 place = (uint64_t)y * (uint64_t)a->w + (uint64_t)left;
        copy_places(a, src + (map + place * (uint64_t)block) * width, (uint64_t)block * width,
                    a->c_in - first < block ? a->c_in - first : block,
                    row + (uint64_t)first * (a->from == FR_F32 ? 2 : width), end - left);
    }
}

/* ---- products ----------------------------------------------------------------------------------------------------------------------- */

/* Up to two groups of 16 places and two of 16 outs. */
typedef struct amx_square {
    const char *rows[2][CPU_AMX_MOST_HIGH]; /* of the window, at the groups' first places */
    const char *weights[2];
    float *sums; /* [place group][out group][place][out] */
} amx_square;

/* Inlined for constant counts and from. */
TILE_INLINE void multiply(const cpu_amx *a, const amx_square *s, const int places, const int outs,
                          const uint16_t from) {
    const uint64_t place_step = (uint64_t)a->sw * (uint64_t)a->place_bytes, chunk = (uint64_t)a->chunk_bytes,
                   weight_step = chunk * SIDE;
    const int32_t chunks = a->chunks, high = a->kh;
    const char *first = s->weights[0], *second = s->weights[1];
    tile_zero(0);
    if (outs > 1)
        tile_zero(1);
    if (places > 1)
        tile_zero(2);
    if (places > 1 && outs > 1)
        tile_zero(3);
    for (int32_t ky = 0; ky < high; ky++) {
        const char *upper = s->rows[0][ky], *lower = s->rows[1][ky];
        for (int32_t i = 0; i < chunks; i++) {
            tile_load(CPU_AMX_WEIGHTS, first, CPU_AMX_ROW_BYTES);
            tile_load(CPU_AMX_PLACES, upper, place_step);
            tile_dot(0, from);
            if (outs > 1) {
                tile_load(CPU_AMX_WEIGHTS + 1, second, CPU_AMX_ROW_BYTES);
                tile_dot(1, from);
            }
            if (places > 1) {
                tile_load(CPU_AMX_PLACES + 1, lower, place_step);
                tile_dot(2, from);
            }
            if (places > 1 && outs > 1)
                tile_dot(3, from);
            upper += chunk, lower += chunk, first += weight_step, second += weight_step;
        }
    }
    tile_store(0, s->sums, CPU_AMX_ROW_BYTES);
    if (outs > 1)
        tile_store(1, s->sums + SUMS, CPU_AMX_ROW_BYTES);
    if (places > 1)
        tile_store(2, s->sums + 2 * SUMS, CPU_AMX_ROW_BYTES);
    if (places > 1 && outs > 1)
        tile_store(3, s->sums + 3 * SUMS, CPU_AMX_ROW_BYTES);
}

TILE_INLINE void multiply_some(const cpu_amx *a, const amx_square *s, int places, int outs, const uint16_t from) {
    switch (places * 2 + outs) {
    case 3: multiply(a, s, 1, 1, from); break;
    case 4: multiply(a, s, 1, 2, from); break;
    case 5: multiply(a, s, 2, 1, from); break;
    default: multiply(a, s, 2, 2, from); break;
    }
}

static __attribute__((noinline)) void multiply_u8(const cpu_amx *a, const amx_square *s, int places, int outs) {
    multiply_some(a, s, places, outs, FR_U8);
}
static __attribute__((noinline)) void multiply_s8(const cpu_amx *a, const amx_square *s, int places, int outs) {
    multiply_some(a, s, places, outs, FR_S8);
}
static __attribute__((noinline)) void multiply_bf16(const cpu_amx *a, const amx_square *s, int places, int outs) {
    multiply_some(a, s, places, outs, FR_BF16);
}

/* ---- output ------------------------------------------------------------------------------------------------------------------------- */

/* Sums are counted in units of dst from their scales on, so that its range and the activation's are one. */
typedef struct amx_range {
    float lowest, highest, slope; /* slope: below zero, of LEAKY */
} amx_range;

static amx_range range_of(const cpu_amx *a) {
    const float infinity = __builtin_inff();
    const bool bytes = a->dtype == FR_U8 || a->dtype == FR_S8;
    const float least = !bytes              ? -infinity
                        : a->dtype == FR_U8 ? 0.0f
                                            : -128.0f,
                most = !bytes              ? infinity
                       : a->dtype == FR_U8 ? 255.0f
                                           : 127.0f;
    float lowest = a->act == FR_ACT_CLIP   ? a->act_a * a->per_unit
                   : a->act == FR_ACT_RELU ? 0.0f
                                           : least,
          highest = a->act == FR_ACT_CLIP ? a->act_b * a->per_unit : most;
    return (amx_range){lowest < least  ? least
                       : lowest > most ? most
                                       : lowest,
                       highest < least  ? least
                       : highest > most ? most
                                        : highest,
                       a->act_a};
}

/* A group of up to 16 places of a row, and one of up to 16 outs. */
typedef struct amx_out {
    const cpu_amx *a;
    const float *sums, *scale, *bias;
    char *dst;      /* the first place's first out */
    uint64_t step;  /* from place to place, in elements */
    int32_t places; /* to be written */
    int32_t outs;   /* that there are; the padding of a block is written as zeros */
    amx_range range;
} amx_out;

static inline vf numbers_of(const float *sums, bool int8) {
    if (!int8)
        return vf_load(sums);
#if defined(__AVX512F__)
    return _mm512_cvtepi32_ps(_mm512_loadu_si512(sums));
#else
    int32_t whole[VF];
    float row[VF];
    memcpy(whole, sums, sizeof whole);
    for (int i = 0; i < VF; i++)
        row[i] = (float)whole[i];
    return vf_load(row);
#endif
}

/* Where the range is known to hold: integers are never NaN. */
static inline void put_ranged(uint16_t dtype, void *dst, uint64_t at, vf x) {
#if defined(__AVX512F__)
    if (dtype == FR_U8 || dtype == FR_S8) {
        _mm_storeu_si128((__m128i *)(void *)((uint8_t *)dst + at), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
        return;
    }
#endif
    vf_put(dtype, 1.0f, dst, at, x);
}

/* The `outs` first of 16 stored numbers; each size as it was written, which is how a processor hands it on. */
static inline void store_some(uint64_t width, void *to, const void *stored, int32_t outs) {
#if defined(__AVX512BW__) && defined(__AVX512VL__)
    const __mmask16 mask = (__mmask16)((1u << outs) - 1);
    switch (width) {
    case 1: _mm_mask_storeu_epi8(to, mask, _mm_loadu_si128(stored)); break;
    case 2: _mm256_mask_storeu_epi16(to, mask, _mm256_loadu_si256(stored)); break;
    default: _mm512_mask_storeu_ps(to, mask, _mm512_loadu_ps(stored)); break;
    }
#else
    memcpy(to, stored, (uint64_t)outs * width);
#endif
}

/* One vector of outs, at all places. Inlined for constant dtype, int8, leaky and whole. */
TILE_INLINE void put_column(const amx_out *o, const int32_t out, const uint16_t dtype, const bool int8,
                            const bool leaky, const bool whole) {
    const vf scale = vf_load(o->scale + out), bias = vf_load(o->bias + out), lowest = vf_all(o->range.lowest),
             highest = vf_all(o->range.highest), slope = vf_all(o->range.slope);
    const float *sums = o->sums + out;
    const uint64_t step = o->step;
    const int32_t places = o->places;
    char *dst = o->dst;
    uint64_t at = (uint64_t)out;
    for (int32_t place = 0; place < places; place++, sums += SIDE, at += step) {
        vf x = vf_fma(numbers_of(sums, int8), scale, bias);
        if (leaky)
            x = vf_act(FR_ACT_LEAKY, slope, slope, x);
        x = vf_min(highest, vf_max(lowest, x)); /* the constant first: NaN comes out as it went in */
        if (!whole)
            vf_store((float *)(void *)dst + at, x);
        else if (int8)
            put_ranged(dtype, dst, at, x);
        else
            vf_put(dtype, 1.0f, dst, at, x);
    }
}

TILE_INLINE void put_columns(const amx_out *o, const uint16_t dtype, const bool int8, const bool leaky,
                             const bool whole) {
    for (int32_t out = 0; out < SIDE; out += VF)
        put_column(o, out, dtype, int8, leaky, whole);
}

/* Numbers first, then what there is of them. */
static __attribute__((noinline)) void put_some(const amx_out *o, bool int8) {
    const uint16_t dtype = o->a->dtype;
    const uint64_t width = fr_dtype_bytes((fr_dtype)dtype);
    float numbers[SUMS];
    amx_out to_numbers = *o;
    to_numbers.dst = (char *)numbers;
    to_numbers.step = SIDE;
    if (int8)
        put_columns(&to_numbers, FR_F32, true, o->a->act == FR_ACT_LEAKY, false);
    else
        put_columns(&to_numbers, FR_F32, false, o->a->act == FR_ACT_LEAKY, false);
    for (int32_t place = 0; place < o->places; place++) {
        float *row = numbers + place * SIDE;
        char *to = o->dst + (uint64_t)place * o->step * width, stored[SIDE * sizeof(float)];
        for (int32_t out = o->outs; out < SIDE && o->a->to_blocks; out++)
            row[out] = 0.0f;
        for (int32_t out = 0; out < SIDE; out += VF)
            vf_put(dtype, 1.0f, o->a->to_blocks ? to : stored, (uint64_t)out, vf_load(row + out));
        if (!o->a->to_blocks)
            store_some(width, to, stored, o->outs);
    }
}

TILE_INLINE void put_whole(const amx_out *o, const uint16_t dtype, const bool int8) {
    if (o->a->act == FR_ACT_LEAKY)
        put_columns(o, dtype, int8, true, true);
    else
        put_columns(o, dtype, int8, false, true);
}

static __attribute__((noinline)) void put_int8(const amx_out *o) {
    switch (o->a->dtype) {
    case FR_F32: put_whole(o, FR_F32, true); break;
    case FR_BF16: put_whole(o, FR_BF16, true); break;
    case FR_U8: put_whole(o, FR_U8, true); break;
    default: put_whole(o, FR_S8, true); break;
    }
}

static __attribute__((noinline)) void put_bf16(const amx_out *o) {
    switch (o->a->dtype) {
    case FR_F32: put_whole(o, FR_F32, false); break;
    case FR_BF16: put_whole(o, FR_BF16, false); break;
    default: put_whole(o, o->a->dtype, false); break;
    }
}

/* ---- images ------------------------------------------------------------------------------------------------------------------------- */

/* At work on an image. */
typedef struct amx_image {
    const cpu_amx *a;
    const char *src, *weights;
    const float *scale, *bias;
    char *dst, *rows;
    float *sums;
    amx_range range;
} amx_image;

/* Group g of the image's places, tile `out` of its outs; sums are this group's and tile's. */
static void put(const amx_image *image, int32_t g, int32_t out, const float *sums) {
    const cpu_amx *a = image->a;
    const int32_t y = g / a->groups, x = g % a->groups * SIDE;
    const uint64_t map = (uint64_t)a->out_h * (uint64_t)a->out_w,
                   place = (uint64_t)y * (uint64_t)a->out_w + (uint64_t)x,
                   step = a->to_blocks ? SIDE : (uint64_t)a->c_out, first = (uint64_t)out * SIDE,
                   at = (a->to_blocks ? first * map : first) + place * step;
    amx_out o = {a,
                 sums,
                 image->scale + first,
                 image->bias + first,
                 image->dst + at * fr_dtype_bytes((fr_dtype)a->dtype),
                 step,
                 a->out_w - x < SIDE ? a->out_w - x : SIDE,
                 a->c_out - (int32_t)first < SIDE ? a->c_out - (int32_t)first : SIDE,
                 image->range};
    if (o.outs < SIDE)
        put_some(&o, cpu_amx_is_int8(a));
    else if (cpu_amx_is_int8(a))
        put_int8(&o);
    else
        put_bf16(&o);
}

/* One or two groups of places, all outs. */
static void run_groups(const amx_image *image, int32_t first, int places) {
    const cpu_amx *a = image->a;
    amx_square s = {.sums = image->sums};
    for (int i = 0; i < 2; i++) {
        const int32_t g = i < places ? first + i : first, y = g / a->groups, x = g % a->groups * SIDE;
        for (int32_t ky = 0; ky < a->kh; ky++)
            s.rows[i][ky] = image->rows + (uint64_t)((y * a->sh + ky) % a->kept) * a->row_bytes +
                            (uint64_t)(x * a->sw) * (uint64_t)a->place_bytes;
    }
    void (*run)(const cpu_amx *, const amx_square *, int, int) = a->from == FR_U8   ? multiply_u8
                                                                 : a->from == FR_S8 ? multiply_s8
                                                                                    : multiply_bf16;
    for (int32_t out = 0; out < a->out_tiles; out += 2) {
        const int outs = a->out_tiles - out < 2 ? 1 : 2;
        s.weights[0] = image->weights + (uint64_t)out * a->tile_bytes;
        s.weights[1] = s.weights[0] + (outs > 1 ? a->tile_bytes : 0);
        run(a, &s, places, outs);
        for (int i = 0; i < places; i++)
            for (int j = 0; j < outs; j++)
                put(image, first + i, out + j, s.sums + (i * 2 + j) * SUMS);
    }
}

static void run_image(const amx_image *image) {
    const cpu_amx *a = image->a;
    const int32_t count = a->out_h * a->groups;
    int32_t filled = 0; /* rows of the padded map that were taken care of */
    for (int32_t g = 0; g < count; g += 2) {
        const int places = count - g < 2 ? 1 : 2;
        const int32_t needed = (g + places - 1) / a->groups * a->sh + a->kh;
        for (; filled < needed; filled++)
            if (filled % a->sh < a->kh) /* else no window has it */
                fill_row(a, image->src, filled - a->pad_top, image->rows + (uint64_t)(filled % a->kept) * a->row_bytes);
        run_groups(image, g, places);
    }
}

static void CPU_LEVEL_FN(amx_run)(const cpu_amx *a, int32_t images, const void *src, const void *weights, void *dst,
                                  void *scratch) {
    const uint64_t kept_bytes = (uint64_t)a->kept * a->row_bytes;
    const float *scales = (const float *)(const void *)((const char *)weights + (uint64_t)a->out_tiles * a->tile_bytes);
    const uint64_t src_channels = (uint64_t)(a->from_blocks ? (a->c_in + 15) / 16 * 16 : a->c_in),
                   dst_channels = (uint64_t)(a->to_blocks ? a->out_tiles * SIDE : a->c_out);
    const uint64_t src_step = src_channels * (uint64_t)a->h * (uint64_t)a->w * fr_dtype_bytes((fr_dtype)a->from),
                   dst_step =
                       dst_channels * (uint64_t)a->out_h * (uint64_t)a->out_w * fr_dtype_bytes((fr_dtype)a->dtype);
    amx_image image = {.a = a,
                       .src = src,
                       .weights = weights,
                       .scale = scales,
                       .bias = scales + a->out_tiles * SIDE,
                       .dst = dst,
                       .rows = scratch,
                       .sums = (float *)(void *)((char *)scratch + kept_bytes),
                       .range = range_of(a)};
    memset(scratch, 0, kept_bytes);
    tiles_configure(&a->config);
    for (int32_t i = 0; i < images; i++, image.src += src_step, image.dst += dst_step)
        run_image(&image);
    tiles_release();
}

const cpu_amx_kernels CPU_LEVEL_FN(amx_kernels) = {.pack = CPU_LEVEL_FN(amx_pack), .run = CPU_LEVEL_FN(amx_run)};

#endif
