/* From rows of a map to what wino_rows.c multiplies. */
#ifndef CPU_KERNELS_WINO_ROWS_IN_H
#define CPU_KERNELS_WINO_ROWS_IN_H

#include <string.h>

#include "kernels_isa.h"
#include "vec.h"

enum { STRIP = CPU_WINO_ROWS_STRIP, H_CHANNEL = 6 * STRIP, V_CHANNEL = 36 * STRIP };

/* B^T of F(4,3), with few products: stores compete with them. */
static inline void input_line(const vf d[6], vf t[6]) {
    vf a = vf_fma(vf_all(-4.0f), d[2], d[4]), b = vf_fma(vf_all(-4.0f), d[1], d[3]), e = vf_sub(d[4], d[2]),
       f = vf_sub(d[3], d[1]), g = vf_add(f, f);
    t[0] = vf_fma(vf_all(4.0f), vf_sub(d[0], d[2]), e);
    t[1] = vf_add(a, b);
    t[2] = vf_sub(a, b);
    t[3] = vf_add(e, g);
    t[4] = vf_sub(e, g);
    t[5] = vf_fma(vf_all(-4.0f), f, vf_sub(d[5], d[3]));
}

/* ---- a row as floats, each channel's in a line of its own whose margins are zero and stay so ------------------------------ */

static void bf16_row(const uint16_t *src, float *dst, int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)src[i] << 16;
        memcpy(dst + i, &bits, sizeof bits);
    }
}

static void map_row(const cpu_wino_rows *w, const void *src, int32_t y, float *lines, uint64_t step) {
    const int32_t count = cpu_wino_rows_taken(w);
    for (int32_t c = 0; c < w->c_in; c++, lines += step) {
        int64_t at = ((int64_t)c * w->h + y) * w->w;
        if (w->from == FR_BF16)
            bf16_row((const uint16_t *)src + at, lines, count);
        else
            memcpy(lines, (const float *)src + at, (size_t)count * sizeof *lines);
    }
}

/* ---- along the row: H [c_in][6][tile] of each strip ------------------------------------------------------------------------ */

#if defined(__AVX512F__)
enum { PIECES = 5 }; /* vectors of a strip of a row, the last for the first two places of the next strip */

/* d[j][t] = place 4t + j of the strip */
static inline void take_apart(const vf q[PIECES], vf d[6]) {
    const __m512i even = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29),
                  odd = _mm512_add_epi32(even, _mm512_set1_epi32(2)),
                  next = _mm512_setr_epi32(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
                  after = _mm512_mask_blend_epi32(0x8000, next, _mm512_set1_epi32(17));
    for (int j = 0; j < 4; j += 2) { /* eight tiles of j, then eight of j + 1 */
        vf low = _mm512_permutex2var_ps(q[0], j ? odd : even, q[1]),
           high = _mm512_permutex2var_ps(q[2], j ? odd : even, q[3]);
        d[j] = _mm512_shuffle_f32x4(low, high, 0x44);
        d[j + 1] = _mm512_shuffle_f32x4(low, high, 0xee);
    }
    d[4] = _mm512_permutex2var_ps(d[0], next, q[4]);
    d[5] = _mm512_permutex2var_ps(d[1], after, q[4]);
}

static inline void pieces_to_h(const vf q[PIECES], float *h) {
    vf d[6], t[6];
    take_apart(q, d);
    input_line(d, t);
    for (int k = 0; k < 6; k++)
        vf_store(h + k * STRIP, t[k]);
}

static inline void line_to_h(const float *line, float *h) {
    vf q[PIECES];
    for (int i = 0; i < PIECES; i++)
        q[i] = vf_load(line + 16 * i);
    pieces_to_h(q, h);
}

/* Rows of floats need no lines: what lies outside the map is not loaded. */
static void floats_to_h(const cpu_wino_rows *w, const float *src, int32_t y, float *h) {
    const int32_t strips = (int32_t)cpu_wino_rows_strips(w);
    for (int32_t strip = 0; strip < strips; strip++) {
        __mmask16 masks[PIECES];
        const int32_t first = strip * 4 * STRIP - w->pad_left;
        for (int32_t i = 0; i < PIECES; i++) {
            int32_t from = first + 16 * i < 0 ? -(first + 16 * i) : 0, end = w->w - (first + 16 * i);
            masks[i] = (__mmask16)((end >= 16 ? 0xffffu : end > 0 ? (1u << end) - 1 : 0u) & (0xffffu << from));
        }
        for (int32_t c = 0; c < w->c_in; c++, h += H_CHANNEL) {
            const float *row = src + ((int64_t)c * w->h + y) * w->w;
            vf q[PIECES];
            for (int i = 0; i < PIECES; i++)
                q[i] = _mm512_maskz_loadu_ps(masks[i], row + first + 16 * i);
            pieces_to_h(q, h);
        }
    }
}
#else
static inline void line_to_h(const float *line, float *h) {
    float quarter[4][STRIP + VF];
    for (int t = 0; t < STRIP + 1; t++)
        for (int j = 0; j < 4; j++)
            quarter[j][t] = t < STRIP || j < 2 ? line[4 * t + j] : 0.0f;
    for (int t = 0; t < STRIP; t += VF) {
        vf d[6], out[6];
        for (int j = 0; j < 6; j++)
            d[j] = vf_load(quarter[j % 4] + t + j / 4);
        input_line(d, out);
        for (int k = 0; k < 6; k++)
            vf_store(h + k * STRIP + t, out[k]);
    }
}
#endif

/* Row y of the padded map; lines: its channels' lines, in scratch. */
static void input_row(const cpu_wino_rows *w, const void *src, int32_t y, float *lines, float *h) {
    const uint64_t step = cpu_wino_rows_line(w);
    y -= w->pad_top;
    if (y < 0 || y >= w->h) {
        memset(h, 0, cpu_wino_rows_h(w) * sizeof *h);
        return;
    }
#if defined(__AVX512F__)
    if (w->from == FR_F32) {
        floats_to_h(w, src, y, h);
        return;
    }
#endif
    map_row(w, src, y, lines + w->pad_left, step);
    for (uint64_t strip = 0; strip < cpu_wino_rows_strips(w); strip++)
        for (int32_t c = 0; c < w->c_in; c++, h += H_CHANNEL)
            line_to_h(lines + (uint64_t)c * step + strip * 4 * STRIP, h);
}

/* ---- down the columns: V [c_in][6 along][6 down][tile] of a strip ----------------------------------------------------------- */

static void input_tiles(const float *const h[6], int32_t c_in, float *v) {
    for (int32_t at = 0; at < c_in * H_CHANNEL; at += STRIP, v += H_CHANNEL)
        for (int t = 0; t < STRIP; t += VF) {
            vf d[6], out[6];
            for (int k = 0; k < 6; k++)
                d[k] = vf_load(h[k] + at + t);
            input_line(d, out);
            for (int k = 0; k < 6; k++)
                vf_store(v + k * STRIP + t, out[k]);
        }
}

#endif
