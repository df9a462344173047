/*
 * Depthwise convs of bytes, 3x3, NHWC: see grouped.h. Built where dot products of four bytes are one instruction.
 *
 * 64 channels at a time. Four rows of a column are woven into words, a channel's four bytes in each: two rows of output (one at
 * stride 2) are then three dot products a place. Weaving leaves the channels in an order that packing the sums undoes.
 */
#include "grouped.h"

#include "kernels_isa.h"
#include "vec.h"

#if defined(__AVX512VNNI__)

enum { COLUMNS = 32, CHANNELS = CPU_DEPTHWISE_BYTES };

typedef struct bytes_job {
    const cpu_depthwise *d;
    const uint8_t *src;
    uint8_t *dst;
    __m512i flip; /* s8 to u8 */
    __m512 low, high;
    bool is_signed; /* dst */
} bytes_job;

/* Words of `count` columns from x on (maybe outside of the map), of the four rows from y on. */
static void weave(const bytes_job *j, int32_t y, int32_t x, int32_t count, int32_t c, __mmask64 mask,
                  __m512i words[][4]) {
    const cpu_depthwise *d = j->d;
    for (int32_t i = 0; i < count; i++, x++) {
        __m512i rows[4];
        CPU_UNROLL(4)
        for (int32_t r = 0; r < 4; r++) {
            bool inside = x >= 0 && x < d->w && y + r >= 0 && y + r < d->h;
            int64_t at = ((int64_t)(y + r) * d->w + x) * (int64_t)d->src.place_step + c;
            rows[r] =
                _mm512_xor_si512(inside ? _mm512_maskz_loadu_epi8(mask, j->src + at) : _mm512_setzero_si512(), j->flip);
        }
        __m512i low01 = _mm512_unpacklo_epi8(rows[0], rows[1]), high01 = _mm512_unpackhi_epi8(rows[0], rows[1]);
        __m512i low23 = _mm512_unpacklo_epi8(rows[2], rows[3]), high23 = _mm512_unpackhi_epi8(rows[2], rows[3]);
        words[i][0] = _mm512_unpacklo_epi16(low01, low23);
        words[i][1] = _mm512_unpackhi_epi16(low01, low23);
        words[i][2] = _mm512_unpacklo_epi16(high01, high23);
        words[i][3] = _mm512_unpackhi_epi16(high01, high23);
    }
}

static inline __m512i finish(const bytes_job *j, __m512i sum, const float *scale, const float *bias) {
    __m512 number = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(scale), _mm512_loadu_ps(bias));
    return _mm512_cvtps_epi32(_mm512_min_ps(j->high, _mm512_max_ps(j->low, number)));
}

/* Places of an output row, whose taps begin at the first or second byte of a word. */
static void sum_row(const bytes_job *j, __m512i words[][4], const cpu_depthwise_bytes *w, int second, int32_t count,
                    uint8_t *dst, __mmask64 mask) {
    const int32_t stride = j->d->stride;
    __m512i taps[3][4];
    for (int k = 0; k < 3; k++)
        for (int q = 0; q < 4; q++)
            taps[k][q] = _mm512_loadu_si512(w->taps[second][k][q]);
    for (int32_t i = 0; i < count; i++, words += stride, dst += j->d->dst.place_step) {
        __m512i sums[4];
        CPU_UNROLL(4)
        for (int q = 0; q < 4; q++) {
            sums[q] = _mm512_loadu_si512(w->start[q]);
            CPU_UNROLL(3)
            for (int k = 0; k < 3; k++)
                sums[q] = _mm512_dpbusd_epi32(sums[q], words[k][q], taps[k][q]);
            sums[q] = finish(j, sums[q], w->scale[q], w->bias[q]);
        }
        __m512i low = _mm512_packs_epi32(sums[0], sums[1]), high = _mm512_packs_epi32(sums[2], sums[3]);
        _mm512_mask_storeu_epi8(dst, mask,
                                j->is_signed ? _mm512_packs_epi16(low, high) : _mm512_packus_epi16(low, high));
    }
}

static void run_strip(const bytes_job *j, const cpu_depthwise_bytes *w, int32_t y, int32_t x, int32_t places,
                      int32_t c) {
    const cpu_depthwise *d = j->d;
    int32_t left = d->channels - c, rows = d->stride == 1 && y + 1 < d->out_h ? 2 : 1;
    __mmask64 mask = left < CHANNELS ? (1ull << left) - 1 : ~0ull;
    __m512i words[COLUMNS][4];
    weave(j, y * d->stride - d->pad_top, x * d->stride - d->pad_left, (places - 1) * d->stride + 3, c, mask, words);
    for (int32_t r = 0; r < rows; r++) {
        uint64_t at = ((uint64_t)(y + r) * (uint64_t)d->out_w + (uint64_t)x) * d->dst.place_step + (uint64_t)c;
        sum_row(j, words, w, r, places, j->dst + at, mask);
    }
}

void CPU_VNNI_FN(depthwise_bytes)(const cpu_depthwise *d, const void *src, const cpu_depthwise_bytes *weights,
                                  void *dst) {
    const float highest = d->dst.dtype == FR_U8 ? 255.0f : 127.0f, lowest = d->dst.dtype == FR_U8 ? 0.0f : -128.0f;
    float low = d->act == FR_ACT_RELU ? 0.0f : d->act == FR_ACT_CLIP ? d->act_a / d->dst.scale : lowest;
    float high = d->act == FR_ACT_CLIP ? d->act_b / d->dst.scale : highest;
    bytes_job j = {.d = d,
                   .src = src,
                   .dst = dst,
                   .flip = _mm512_set1_epi8(d->src.dtype == FR_S8 ? -128 : 0),
                   .low = _mm512_set1_ps(low < lowest    ? lowest
                                         : low > highest ? highest
                                                         : low),
                   .high = _mm512_set1_ps(high > highest  ? highest
                                          : high < lowest ? lowest
                                                          : high),
                   .is_signed = d->dst.dtype == FR_S8};
    const int32_t most = (COLUMNS - 3) / d->stride + 1, strips = (d->out_w + most - 1) / most;
    for (int32_t y = 0; y < d->out_h; y += d->stride == 1 ? 2 : 1)
        for (int32_t strip = 0; strip < strips; strip++) {
            int32_t x = d->out_w * strip / strips, places = d->out_w * (strip + 1) / strips - x;
            for (int32_t c = 0; c < d->channels; c += CHANNELS)
                run_strip(&j, weights + c / CHANNELS, y, x, places, c);
        }
}

#endif
