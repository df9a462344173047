/* Source rows into the planes of words that direct.h describes. */
#ifndef CPU_KERNELS_DIRECT_STRIP_H
#define CPU_KERNELS_DIRECT_STRIP_H

#include <string.h>

#include "direct_row.h"

static inline void words_turn(const char *src, uint64_t step, __m128i flip, uint32_t *to, int64_t plane) {
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)src),
            b = _mm_loadu_si128((const __m128i *)(const void *)(src + step)),
            c = _mm_loadu_si128((const __m128i *)(const void *)(src + 2 * step)),
            d = _mm_loadu_si128((const __m128i *)(const void *)(src + 3 * step));
    __m128i ab = _mm_unpacklo_epi32(a, b), cd = _mm_unpacklo_epi32(c, d), ab2 = _mm_unpackhi_epi32(a, b),
            cd2 = _mm_unpackhi_epi32(c, d);
    __m128i words[4] = {_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd), _mm_unpacklo_epi64(ab2, cd2),
                        _mm_unpackhi_epi64(ab2, cd2)};
    for (int i = 0; i < 4; i++)
        _mm_storeu_si128((__m128i *)(void *)(to + i * plane), _mm_xor_si128(words[i], flip));
}

/* 8 words of 8 places. */
static inline void words_turn_8(const char *src, uint64_t step, __m128i flip, uint32_t *to, int64_t plane) {
    __m256i flips = _mm256_broadcastsi128_si256(flip), half[2][4];
    for (int h = 0; h < 2; h++) { /* 4 words of all places: those of place 0 and 4, 1 and 5, ... side by side */
        __m256i in[4];
        for (int i = 0; i < 4; i++) {
            const char *low = src + (uint64_t)i * step + (size_t)h * 16, *high = low + 4 * step;
            in[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)low)),
                                            _mm_loadu_si128((const __m128i *)(const void *)high), 1);
        }
        __m256i ab = _mm256_unpacklo_epi32(in[0], in[1]), cd = _mm256_unpacklo_epi32(in[2], in[3]),
                ab2 = _mm256_unpackhi_epi32(in[0], in[1]), cd2 = _mm256_unpackhi_epi32(in[2], in[3]);
        half[h][0] = _mm256_unpacklo_epi64(ab, cd);
        half[h][1] = _mm256_unpackhi_epi64(ab, cd);
        half[h][2] = _mm256_unpacklo_epi64(ab2, cd2);
        half[h][3] = _mm256_unpackhi_epi64(ab2, cd2);
    }
    for (int i = 0; i < 8; i++)
        _mm256_storeu_si256((__m256i *)(void *)(to + i * plane), _mm256_xor_si256(half[i / 4][i % 4], flips));
}

/* `count` places, `step` bytes apart: their first `bytes` bytes as words, the last filled up with zeros. */
static inline void interleaved_words(const char *src, uint64_t step, int32_t count, int32_t bytes, uint32_t flip,
                                     uint32_t *to, int64_t plane) {
    const int32_t whole = bytes / 4;
    const __m128i flips = _mm_set1_epi32((int32_t)flip);
    const int32_t least = whole < count ? whole : count, side = least >= 8 ? 8 : 4;
    const bool turns = least >= 4; /* what is left over is turned with some of what was before it */
    for (int32_t p = 0; turns && p < count; p += side)
        for (int32_t w = 0; w < whole; w += side) {
            int32_t place = p + side <= count ? p : count - side, word = w + side <= whole ? w : whole - side;
            (side == 8 ? words_turn_8 : words_turn)(src + (uint64_t)place * step + (size_t)word * 4, step, flips,
                                                    to + word * plane + place, plane);
        }
    for (int32_t w = 0; !turns && w < whole; w++)
        for (int32_t p = 0; p < count; p++) {
            uint32_t word;
            memcpy(&word, src + (uint64_t)p * step + (size_t)w * 4, sizeof word);
            to[w * plane + p] = word ^ flip;
        }
    const char *last = src + (size_t)whole * 4;
    for (int32_t p = 0; p < count && bytes % 4 != 0; p++, last += step) {
        uint32_t word = 0;
        for (int32_t b = 0; b < bytes % 4; b++)
            word |= (uint32_t)(uint8_t)last[b] << (8 * b);
        to[whole * plane + p] = word ^ flip;
    }
}

/* Planes of floats: nothing but their order. */
static inline void float_plane(const uint32_t *src, int32_t step, int32_t count, uint32_t *to) {
    if (step == 1)
        memcpy(to, src, (size_t)count * sizeof *to);
    else
        for (int32_t p = 0; p < count; p++)
            to[p] = src[(int64_t)p * step];
}

static inline void bf16_planes(const uint16_t *const src[2], int32_t step, int32_t count, uint32_t *to) {
    int32_t p = 0;
    for (; step == 1 && p + 8 <= count; p += 8) {
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(src[0] + p)),
                b = _mm_loadu_si128((const __m128i *)(const void *)(src[1] + p));
        _mm_storeu_si128((__m128i *)(void *)(to + p), _mm_unpacklo_epi16(a, b));
        _mm_storeu_si128((__m128i *)(void *)(to + p + 4), _mm_unpackhi_epi16(a, b));
    }
    for (; p < count; p++)
        to[p] = src[0][(int64_t)p * step] | (uint32_t)src[1][(int64_t)p * step] << 16;
}

static inline void byte_planes(const uint8_t *const src[4], int32_t step, int32_t count, uint32_t flip, uint32_t *to) {
    int32_t p = 0;
    __m128i flips = _mm_set1_epi32((int32_t)flip);
    for (; step == 1 && p + 16 <= count; p += 16) {
        __m128i in[4];
        for (int i = 0; i < 4; i++)
            in[i] = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)(src[i] + p)), flips);
        __m128i ab = _mm_unpacklo_epi8(in[0], in[1]), cd = _mm_unpacklo_epi8(in[2], in[3]),
                ab2 = _mm_unpackhi_epi8(in[0], in[1]), cd2 = _mm_unpackhi_epi8(in[2], in[3]);
        __m128i *out = (__m128i *)(void *)(to + p);
        _mm_storeu_si128(out, _mm_unpacklo_epi16(ab, cd));
        _mm_storeu_si128(out + 1, _mm_unpackhi_epi16(ab, cd));
        _mm_storeu_si128(out + 2, _mm_unpacklo_epi16(ab2, cd2));
        _mm_storeu_si128(out + 3, _mm_unpackhi_epi16(ab2, cd2));
    }
    for (; p < count; p++) {
        int64_t at = (int64_t)p * step;
        to[p] =
            (src[0][at] | (uint32_t)src[1][at] << 8 | (uint32_t)src[2][at] << 16 | (uint32_t)src[3][at] << 24) ^ flip;
    }
}

/* Places x, x + sw, ... of a row of planes. nothing: a row of padding, in place of channels that there are not. */
static inline void planar_words(const cpu_direct *d, const char *src, uint64_t at, int32_t count, const void *nothing,
                                uint32_t flip, uint32_t *to, int64_t plane) {
    const int32_t each = cpu_direct_per_word(d);
    const uint64_t map = (uint64_t)d->h * (uint64_t)d->w, item = 4u / (uint32_t)each;
    for (int32_t c = 0; c < d->c_in; c += each, to += plane) {
        const void *planes[4];
        for (int32_t i = 0; i < each; i++)
            planes[i] = c + i < d->c_in ? src + ((uint64_t)(c + i) * map + at) * item : nothing;
        if (each == 1)
            float_plane(planes[0], d->sw, count, to);
        else if (each == 2)
            bf16_planes((const uint16_t *const[2]){planes[0], planes[1]}, d->sw, count, to);
        else
            byte_planes((const uint8_t *const[4]){planes[0], planes[1], planes[2], planes[3]}, d->sw, count, flip, to);
    }
}

static inline uint32_t strip_flip(const cpu_direct *d) {
    return d->is_signed ? 0x80808080u : 0u;
}

/* Row y of the map. What lies beside it in the strip is padding already, and stays. */
static void strip_row(const cpu_direct *d, const char *src, int32_t y, const uint32_t *nothing, uint32_t *to) {
    const int32_t each = cpu_direct_per_word(d), phase = d->phase;
    const int64_t plane = cpu_direct_plane(d);
    const uint64_t item = 4u / (uint32_t)each, row = (uint64_t)y * (uint64_t)d->w,
                   map = (uint64_t)d->h * (uint64_t)d->w;
    const uint64_t place = (uint64_t)d->src_lanes * item;
    const int32_t reach = (d->columns - 1) * d->sw + (d->kw - 1) * d->dw + 1 - d->pad_left,
                  end = reach < d->w ? reach : d->w;
    for (int32_t r = 0; r < d->sw; r++) {
        int32_t first = d->pad_left + ((r - d->pad_left) % d->sw + d->sw) % d->sw, x = first - d->pad_left;
        int32_t count = x < end ? (end - x + d->sw - 1) / d->sw : 0;
        uint32_t *out = to + (int64_t)r * phase + first / d->sw;
        if (count == 0)
            continue;
        if (d->planar) {
            planar_words(d, src, row + (uint64_t)x, count, nothing, strip_flip(d), out, plane);
            continue;
        }
        for (int32_t c = 0; c < d->c_in; c += d->src_lanes, out += d->src_lanes / each * plane) {
            int32_t left = d->c_in - c < d->src_lanes ? d->c_in - c : d->src_lanes;
            const char *from = src + ((uint64_t)c * map + (row + (uint64_t)x) * (uint64_t)d->src_lanes) * item;
            interleaved_words(from, place * (uint64_t)d->sw, count, left * (int32_t)item, strip_flip(d), out, plane);
        }
    }
}

#endif
