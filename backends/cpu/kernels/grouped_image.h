/* Rows of a group's input in a strip, and what follows the sums of a tile: for all kernels that sum groups. */
#ifndef CPU_KERNELS_GROUPED_IMAGE_H
#define CPU_KERNELS_GROUPED_IMAGE_H

#include <string.h>

#include "grouped.h"
#include "lanes.h"

typedef struct grouped_row { /* an output row of a vector of channels */
    const cpu_grouped *g;
    const uint32_t *rows[CPU_GROUPED_ROWS]; /* of the strip */
    size_t place_words, runs, run_words, run_step;
    const uint32_t *weights, *start;
    const float *scale, *bias;
    float low[VF], high[VF];
    void *dst;
    const void *residual;
    uint64_t at, residual_at; /* of the row's first place */
    int outputs;              /* of the vector */
    bool is_plain;            /* floats in whole vectors, with nothing but bounds before they are stored */
} grouped_row;

/* Sums in memory to their place in dst. */
static __attribute__((noinline)) void finish(const grouped_row *r, int32_t x, int count, int lanes,
                                             const uint32_t *sums) {
    const cpu_grouped *g = r->g;
    const float per_unit = g->dst.scale > 0.0f ? 1.0f / g->dst.scale : 1.0f,
                unit = g->residual.scale > 0.0f ? g->residual.scale : 1.0f;
    const vf act_a = vf_all(g->act_a), act_b = vf_all(g->act_b);
    for (int p = 0; p < count; p++, sums += lanes) {
        vf number = vf_load((const float *)(const void *)sums);
#if defined(__AVX512F__)
        if (g->sums == CPU_GROUPED_INT8)
            number = _mm512_cvtepi32_ps(_mm512_castps_si512(number));
#else
        if (g->sums == CPU_GROUPED_INT8)
            number = _mm256_cvtepi32_ps(_mm256_castps_si256(number));
#endif
        if (g->is_scaled)
            number = vf_fma(number, vf_get(FR_F32, r->scale, 0, lanes), vf_get(FR_F32, r->bias, 0, lanes));
        uint64_t place = (uint64_t)(x + p);
        if (g->has_residual)
            number = vf_fma(
                vf_all(unit),
                vf_get(g->residual.dtype, r->residual, r->residual_at + place * g->residual.place_step, r->outputs),
                number);
        vf_put_some(g->dst.dtype, per_unit, r->dst, r->at + place * g->dst.place_step,
                    vf_act(g->act, act_a, act_b, number), r->outputs);
    }
}

/* ---- the strip ------------------------------------------------------------------------------------------------------- */

typedef struct strip {
    const cpu_grouped *g;
    char *rows, *padding; /* the ring, and a row outside of the map */
    char *plain;          /* a row of floats that will be transformed; NULL: the ring's own */
    char *raw;            /* a row of the group as it is stored, where sums are not of what is stored */
    size_t row_bytes, plain_bytes;
    void (*transform)(const cpu_grouped *g, const float *plain, float *row);
    int32_t first; /* channel */
    int32_t next;  /* row that was not read yet */
} strip;

static void copy_places(const char *src, size_t src_step, char *dst, size_t dst_step, int32_t places, size_t bytes) {
#define COPY(size)                                                         \
    for (int32_t x = 0; x < places; x++, src += src_step, dst += dst_step) \
        memcpy(dst, src, size);                                            \
    return
    switch (bytes) {
    case 4: COPY(4);
    case 8: COPY(8);
    case 16: COPY(16);
    case 32: COPY(32);
    case 64: COPY(64);
    default: COPY(bytes);
    }
#undef COPY
}

/* The group's channels of a row, together, by pieces that lie in one block. */
static void gather(const cpu_grouped *g, int32_t first, const char *row, char *dst, size_t dst_step, int32_t places) {
    const size_t bytes = fr_dtype_bytes((fr_dtype)g->src.dtype);
    for (int32_t c = first, end = first + g->in_each, piece; c < end; c += piece, dst += (size_t)piece * bytes) {
        piece = VF - c % VF < end - c ? VF - c % VF : end - c;
        const char *from = row + ((uint64_t)(c / VF) * g->src.block_step + (uint64_t)(c % VF)) * bytes;
        copy_places(from, g->src.place_step * bytes, dst, dst_step, places, (size_t)piece * bytes);
    }
}

static void read_places(const strip *s, const void *src, int32_t y, char *to) {
    const cpu_grouped *g = s->g;
    const size_t bytes = fr_dtype_bytes((fr_dtype)g->src.dtype), place_bytes = (size_t)g->words * 4;
    int32_t reach = (int32_t)(s->plain_bytes / place_bytes) - g->win.pad_left, places = g->w < reach ? g->w : reach;
    if (places <= 0)
        return;
    const char *row = (const char *)src + (uint64_t)y * (uint64_t)g->w * g->src.place_step * bytes;
    to += (size_t)g->win.pad_left * place_bytes;
    if (g->sums == CPU_GROUPED_F32 && g->src.dtype != FR_F32) {
        gather(g, s->first, row, s->raw, (size_t)g->in_each * bytes, places);
        CPU_FN(convert)
        (g->src.dtype, g->src.scale, s->raw, FR_F32, 0.0f, to, (uint64_t)places * (uint64_t)g->in_each);
        return;
    }
    gather(g, s->first, row, to, place_bytes, places);
    if (g->src.dtype == FR_S8)
        for (size_t i = 0; i < (size_t)places * place_bytes; i++)
            to[i] = (char)(to[i] ^ -128);
}

static void read_row(const strip *s, const void *src, int32_t y) {
    char *row = s->rows + (size_t)(y % cpu_grouped_span(s->g)) * s->row_bytes;
    read_places(s, src, y, s->plain == NULL ? row : s->plain);
    if (s->plain != NULL)
        s->transform(s->g, (const float *)(const void *)s->plain, (float *)(void *)row);
}

/* What lies outside of the map, and beside the group's channels in a word, is set once. */
static void strip_begin(strip *s, int32_t group) {
    const cpu_grouped *g = s->g;
    bool shifted = g->sums == CPU_GROUPED_INT8 && g->src.dtype == FR_S8;
    memset(s->rows, shifted ? 0x80 : 0, ((size_t)cpu_grouped_span(g) + 1) * s->row_bytes);
    if (s->plain != NULL)
        memset(s->plain, 0, s->plain_bytes);
    s->first = group * g->in_each;
    s->next = 0;
}

/* The rows of the window at `top`, a row of the map or of its padding. */
static void strip_rows(strip *s, const void *src, int32_t top, const uint32_t **rows) {
    const cpu_grouped *g = s->g;
    int32_t span = cpu_grouped_span(g), end = top + span < g->h ? top + span : g->h;
    for (s->next = s->next > top ? s->next : top; s->next < end; s->next++)
        read_row(s, src, s->next);
    for (int32_t ky = 0; ky < g->win.kh; ky++) {
        int32_t y = top + ky * g->win.dh;
        const char *row = y >= 0 && y < g->h ? s->rows + (size_t)(y % span) * s->row_bytes : s->padding;
        rows[ky] = (const uint32_t *)(const void *)row;
    }
}

/* ---- an image -------------------------------------------------------------------------------------------------------- */

static uint64_t channel_at(const cpu_grouped_map *m, int32_t c) {
    return (uint64_t)(c / VF) * m->block_step + (uint64_t)(c % VF);
}

static void run_block(grouped_row *r, const uint32_t *weights, int32_t group, int32_t block, int32_t y,
                      void (*row)(const grouped_row *)) {
    const cpu_grouped *g = r->g;
    const uint64_t lanes = (uint64_t)g->lanes, index = (uint64_t)group * (uint64_t)g->out_blocks + (uint64_t)block;
    const uint32_t *rows = weights + (uint64_t)g->groups * (uint64_t)g->out_blocks * cpu_grouped_block_words(g);
    int32_t first = group * g->out_each + block * g->lanes, left = g->out_each - block * g->lanes;
    uint64_t place = (uint64_t)y * (uint64_t)g->out_w;
    r->weights = weights + index * cpu_grouped_block_words(g);
    r->start = rows + index * lanes;
    r->scale = (const float *)(const void *)(rows + cpu_grouped_row(g) + index * lanes);
    r->bias = (const float *)(const void *)(rows + 2 * cpu_grouped_row(g) + index * lanes);
    r->at = channel_at(&g->dst, first) + place * g->dst.place_step;
    r->residual_at = channel_at(&g->residual, first) + place * g->residual.place_step;
    r->outputs = left < g->lanes ? left : g->lanes;
    r->is_plain =
        g->dst.dtype == FR_F32 && !g->has_residual && !g->is_scaled && g->act != FR_ACT_LEAKY && r->outputs == g->lanes;
    row(r);
}

/* One image: the strip is s's, and r has what does not change from row to row. */
static void run_image(strip *s, grouped_row *r, const void *src, const uint32_t *weights,
                      void (*row)(const grouped_row *)) {
    const cpu_grouped *g = s->g;
    const float infinity = __builtin_inff();
    vf_store(r->low, vf_all(g->act == FR_ACT_RELU ? 0.0f : g->act == FR_ACT_CLIP ? g->act_a : -infinity));
    vf_store(r->high, vf_all(g->act == FR_ACT_CLIP ? g->act_b : infinity));
    for (int32_t group = 0; group < g->groups; group++) {
        strip_begin(s, group);
        for (int32_t y = 0; y < g->out_h; y++) {
            strip_rows(s, src, y * g->win.sh - g->win.pad_top, r->rows);
            for (int32_t block = 0; block < g->out_blocks; block++)
                run_block(r, weights, group, block, y, row);
        }
    }
}

#endif
