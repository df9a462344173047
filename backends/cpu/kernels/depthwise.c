/* See grouped.h. Built for AVX2 and AVX-512. */
#include "grouped.h"

#include <string.h>

#include "lanes.h"

#if defined(__AVX2__) && defined(__FMA__)

/* A tile of two rows reads a line of input for both; the widths of ImageNet's maps are multiples of 7. */
#if defined(__AVX512F__)
enum { MOST_PLACES = 7 };
#else
enum { MOST_PLACES = 4 };
#endif
enum { ROWS = 2, MOST_LINES = 7, MOST_COLUMNS = (MOST_PLACES - 1) * 2 + 5 };

/* A tile of floats, or of bf16, for some blocks of channels. Lines and columns of its input that lie outside of the map are not read. */
typedef struct tile {
    const void *src; /* the map */
    int64_t at;      /* where the tile's input begins, maybe before the map */
    int64_t line_step, column_step, src_block;
    int32_t line, end_line, column, end_column; /* of the input, from its beginning: what lies on the map */
    const float *weights;
    int64_t weights_block;
    void *dst;
    int64_t to, row_step, place_step, dst_block;
    int32_t blocks;
    vf low, high;
} tile;

/* ---- sums, in registers ---------------------------------------------------------------------------------------------- */

/* bf16 is read and written by the tiles themselves where steps of it run. */
#if defined(__AVX512BF16__)
enum { HALVES = 1 };
static inline vf load_halves(const void *src, int64_t at) {
    __m256i stored = _mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)src + at));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(stored), 16));
}
static inline void store_halves(void *dst, int64_t at, vf x) {
    _mm256_storeu_si256((__m256i *)(void *)((uint16_t *)dst + at), (__m256i)_mm512_cvtneps_pbh(x));
}
#else
enum { HALVES = 0 };
static inline vf load_halves(const void *src, int64_t at) {
    return vf_load((const float *)src + at);
}
static inline void store_halves(void *dst, int64_t at, vf x) {
    vf_store((float *)dst + at, x);
}
#endif

/* The first operand of a bound is the constant: NaN comes out as it went in. */
static inline __attribute__((always_inline)) void sum_block(const tile *t, int64_t at, const float *weights, int64_t to,
                                                            const bool halves, const int side, const int stride,
                                                            const int rows, const int places) {
    const int lines = (rows - 1) * stride + side, columns = (places - 1) * stride + side;
    const vf bias = vf_load(weights + (side * side + 1) * VF);
    vf sums[ROWS][MOST_PLACES];
    CPU_UNROLL(2)
    for (int r = 0; r < rows; r++)
        CPU_UNROLL(7)
    for (int p = 0; p < places; p++)
        sums[r][p] = bias;
    CPU_UNROLL(7)
    for (int line = 0; line < lines; line++, at += t->line_step) {
        if (line < t->line || line >= t->end_line)
            continue;
        int64_t from = at + t->column * t->column_step;
        vf taps[ROWS][5];
        CPU_UNROLL(2)
        for (int r = 0; r < rows; r++)
            CPU_UNROLL(5)
        for (int kx = 0; kx < side; kx++)
            if (line - r * stride >= 0 && line - r * stride < side)
                taps[r][kx] = vf_load(weights + ((line - r * stride) * side + kx) * VF);
        CPU_UNROLL(17)
        for (int column = 0; column < columns; column++) {
            if ((column < side - 1 && column < t->column) || (column > columns - side && column >= t->end_column))
                continue;
            vf number = halves ? load_halves(t->src, from) : vf_load((const float *)t->src + from);
            from += t->column_step;
            CPU_UNROLL(2)
            for (int r = 0; r < rows; r++)
                CPU_UNROLL(7)
            for (int p = 0; p < places; p++) {
                const int ky = line - r * stride, kx = column - p * stride;
                if (ky >= 0 && ky < side && kx >= 0 && kx < side)
                    sums[r][p] = vf_fma(number, taps[r][kx], sums[r][p]);
            }
        }
    }
    CPU_UNROLL(2)
    for (int r = 0; r < rows; r++)
        CPU_UNROLL(7)
    for (int p = 0; p < places; p++) {
        vf number = vf_min(t->high, vf_max(t->low, sums[r][p]));
        int64_t place = to + r * t->row_step + p * t->place_step;
        if (halves)
            store_halves(t->dst, place, number);
        else
            vf_store((float *)t->dst + place, number);
    }
}

static inline __attribute__((always_inline)) void sum_blocks(const tile *t, const bool halves, const int side,
                                                             const int stride, const int rows, const int places) {
    int64_t at = t->at, to = t->to;
    const float *weights = t->weights;
    for (int32_t b = 0; b < t->blocks; b++, at += t->src_block, weights += t->weights_block, to += t->dst_block)
        sum_block(t, at, weights, to, halves, side, stride, rows, places);
}

#define SUMS_NAME(halves, side, stride, rows, places) s##halves##_##side##_##stride##_##rows##_##places
#define SUMS(halves, side, stride, rows, places)                                                         \
    static __attribute__((noinline)) void SUMS_NAME(halves, side, stride, rows, places)(const tile *t) { \
        sum_blocks(t, halves, side, stride, rows, places);                                               \
    }
#define SUMS_OF_ROWS(halves, side, stride, rows) \
    SUMS(halves, side, stride, rows, 1)          \
    SUMS(halves, side, stride, rows, 2) SUMS(halves, side, stride, rows, 4) SUMS_7(halves, side, stride, rows)
#define SUMS_OF(halves, side, stride) SUMS_OF_ROWS(halves, side, stride, 1) SUMS_OF_ROWS(halves, side, stride, 2)
#define SUMS_ALL(halves)              SUMS_OF(halves, 3, 1) SUMS_OF(halves, 3, 2) SUMS_OF(halves, 5, 1) SUMS_OF(halves, 5, 2)
#if defined(__AVX512F__)
#define SUMS_7(halves, side, stride, rows) SUMS(halves, side, stride, rows, 7)
#define NAME_7(halves, side, stride, rows) SUMS_NAME(halves, side, stride, rows, 7)
#else
#define SUMS_7(halves, side, stride, rows)
#define NAME_7(halves, side, stride, rows) NULL
#endif
SUMS_ALL(0)
#if defined(__AVX512BF16__)
SUMS_ALL(1)
#endif

typedef void (*sums_fn)(const tile *t);
#define NAMES_OF_ROWS(halves, side, stride, rows)                                           \
    {                                                                                       \
        SUMS_NAME(halves, side, stride, rows, 1), SUMS_NAME(halves, side, stride, rows, 2), \
            SUMS_NAME(halves, side, stride, rows, 4), NAME_7(halves, side, stride, rows)    \
    }
#define NAMES_OF(halves, side, stride) \
    { NAMES_OF_ROWS(halves, side, stride, 1), NAMES_OF_ROWS(halves, side, stride, 2) }
#define NAMES_ALL(halves)                                   \
    {                                                       \
        {NAMES_OF(halves, 3, 1), NAMES_OF(halves, 3, 2)}, { \
            NAMES_OF(halves, 5, 1), NAMES_OF(halves, 5, 2)  \
        }                                                   \
    }
enum { WIDTHS = 4 };
static const int32_t widths[WIDTHS] = {1, 2, 4, 7};
static const sums_fn sums_of[1 + HALVES][2][2][ROWS][WIDTHS] = {NAMES_ALL(0),
#if defined(__AVX512BF16__)
                                                                NAMES_ALL(1)
#endif
};

/* ---- tiles on the map ------------------------------------------------------------------------------------------------ */

typedef struct job {
    const cpu_depthwise *d;
    const char *src, *residual;
    const float *weights;
    char *dst;
    vf low, high;             /* of numbers that need nothing but bounds */
    bool is_plain, is_halves; /* all but a last block of fewer channels */
} job;

static int32_t clamp(int32_t x, int32_t highest) {
    return x < 0 ? 0 : x < highest ? x : highest;
}

static uint64_t channel_at(const cpu_grouped_map *m, int32_t c) {
    return (uint64_t)(c / VF) * m->block_step + (uint64_t)(c % VF);
}

static tile tile_at(const job *j, int32_t y, int32_t x, int32_t rows, int32_t places) {
    const cpu_depthwise *d = j->d;
    int32_t top = y * d->stride - d->pad_top, left = x * d->stride - d->pad_left;
    int32_t lines = (rows - 1) * d->stride + d->side, columns = (places - 1) * d->stride + d->side;
    return (tile){.at = ((int64_t)top * d->w + left) * (int64_t)d->src.place_step,
                  .line_step = (int64_t)d->w * (int64_t)d->src.place_step,
                  .column_step = (int64_t)d->src.place_step,
                  .line = clamp(-top, lines),
                  .end_line = clamp(d->h - top, lines),
                  .column = clamp(-left, columns),
                  .end_column = clamp(d->w - left, columns)};
}

/* Blocks of channels from c on whose numbers a tile reads and writes, and nothing but bounds follows the sums. */
static void plain_tile(const job *j, tile *t, sums_fn sums, int32_t y, int32_t x, int32_t c, int32_t blocks) {
    const cpu_depthwise *d = j->d;
    t->src = j->src;
    t->at += (int64_t)channel_at(&d->src, c);
    t->src_block = (int64_t)d->src.block_step;
    t->weights_block = (int64_t)cpu_depthwise_block(d, VF);
    t->weights = j->weights + c / VF * t->weights_block;
    t->dst = j->dst;
    t->to = (int64_t)(((uint64_t)y * (uint64_t)d->out_w + (uint64_t)x) * d->dst.place_step + channel_at(&d->dst, c));
    t->row_step = (int64_t)d->out_w * (int64_t)d->dst.place_step;
    t->place_step = (int64_t)d->dst.place_step;
    t->dst_block = (int64_t)d->dst.block_step;
    t->blocks = blocks;
    t->low = j->low;
    t->high = j->high;
    sums(t);
}

static void finish(const job *j, const float *sums, const float *scale, uint64_t place, int32_t c, int lanes) {
    const cpu_depthwise *d = j->d;
    vf number = vf_fma(vf_load(sums), vf_load(scale), vf_load(scale + VF));
    if (d->has_residual)
        number = vf_fma(
            vf_all(d->residual.scale),
            vf_get(d->residual.dtype, j->residual, place * d->residual.place_step + channel_at(&d->residual, c), lanes),
            number);
    vf_put_some(d->dst.dtype, 1.0f / d->dst.scale, j->dst, place * d->dst.place_step + channel_at(&d->dst, c),
                vf_act(d->act, vf_all(d->act_a), vf_all(d->act_b), number), lanes);
}

/* Any dtypes and channels, one block: its input is made floats first, what comes out is finished after. */
static void general_tile(const job *j, tile *t, sums_fn sums, int32_t y, int32_t x, int32_t rows, int32_t places,
                         int32_t c) {
    const cpu_depthwise *d = j->d;
    float in[MOST_LINES * MOST_COLUMNS * VF], out[ROWS * MOST_PLACES * VF], weights[(5 * 5 + 2) * VF];
    const float *block = j->weights + c / VF * (int64_t)cpu_depthwise_block(d, VF);
    const int taps = d->side * d->side;
    int lanes = d->channels - c < VF ? d->channels - c : VF;
    if (!d->is_interleaved)
        lanes = VF; /* the layout is padded with zeros, and so are the weights */
    for (int32_t line = t->line; line < t->end_line; line++)
        for (int32_t column = t->column; column < t->end_column; column++) {
            int64_t at = t->at + line * t->line_step + column * t->column_step + (int64_t)channel_at(&d->src, c);
            vf_store(in + (line * MOST_COLUMNS + column) * VF, vf_get(d->src.dtype, j->src, (uint64_t)at, lanes));
        }
    memcpy(weights, block, (size_t)taps * VF * sizeof *weights);
    memset(weights + taps * VF, 0, 2 * VF * sizeof *weights); /* scale and bias come after */
    t->src = in;
    t->at = 0;
    t->line_step = MOST_COLUMNS * VF;
    t->column_step = VF;
    t->weights = weights;
    t->dst = out;
    t->to = 0;
    t->row_step = MOST_PLACES * VF;
    t->place_step = VF;
    t->blocks = 1;
    t->low = vf_all(-__builtin_inff());
    t->high = vf_all(__builtin_inff());
    sums(t);
    for (int32_t r = 0; r < rows; r++)
        for (int32_t p = 0; p < places; p++)
            finish(j, out + (r * MOST_PLACES + p) * VF, block + taps * VF,
                   (uint64_t)(y + r) * (uint64_t)d->out_w + (uint64_t)(x + p), c, lanes);
}

/* The map for channels [first, end). */
static void run_channels(const job *j, int32_t first, int32_t end) {
    const cpu_depthwise *d = j->d;
    int32_t plain = !j->is_plain ? 0 : d->is_interleaved ? (end - first) / VF : (end - first + VF - 1) / VF;
    for (int32_t y = 0, rows; y < d->out_h; y += rows) {
        rows = d->out_h - y < ROWS ? d->out_h - y : ROWS;
        for (int32_t x = 0, places; x < d->out_w; x += places) {
            int width = WIDTHS - 1;
            while (widths[width] > MOST_PLACES || widths[width] > d->out_w - x)
                width--;
            places = widths[width];
            const bool five = d->side == 5;
            sums_fn sums = sums_of[j->is_halves][five][d->stride - 1][rows - 1][width],
                    sums_of_floats = sums_of[0][five][d->stride - 1][rows - 1][width];
            const tile here = tile_at(j, y, x, rows, places);
            tile t = here;
            if (plain > 0)
                plain_tile(j, &t, sums, y, x, first, plain);
            for (int32_t c = first + plain * VF; c < end; c += VF) {
                t = here;
                general_tile(j, &t, sums_of_floats, y, x, rows, places, c);
            }
        }
    }
}

static void CPU_LEVEL_FN(depthwise_run)(const cpu_depthwise *d, const void *src, const float *weights,
                                        const void *residual, void *dst) {
    const float infinity = __builtin_inff();
    bool same = d->src.dtype == d->dst.dtype && (d->src.dtype == FR_F32 || (HALVES && d->src.dtype == FR_BF16));
    bool is_plain = same && !d->has_residual && d->act != FR_ACT_LEAKY;
    job j = {.d = d,
             .src = src,
             .residual = residual,
             .weights = weights,
             .dst = dst,
             .low = vf_all(d->act == FR_ACT_RELU   ? 0.0f
                           : d->act == FR_ACT_CLIP ? d->act_a
                                                   : -infinity),
             .high = vf_all(d->act == FR_ACT_CLIP ? d->act_b : infinity),
             .is_plain = is_plain,
             .is_halves = is_plain && d->src.dtype == FR_BF16};
    if (d->is_interleaved)
        run_channels(&j, 0, d->channels);
    else /* a block at a time lies together */
        for (int32_t c = 0; c < d->channels; c += VF)
            run_channels(&j, c, d->channels - c < VF ? d->channels : c + VF);
}

const cpu_depthwise_kernels CPU_LEVEL_FN(depthwise_kernels) = {.lanes = VF,
#if defined(__AVX512VNNI__)
                                                               .bytes = CPU_VNNI_FN(depthwise_bytes),
#endif
                                                               .run = CPU_LEVEL_FN(depthwise_run)};

#endif
