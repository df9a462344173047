/* The user's pixels on their way into maps. */
#include <string.h>

#include "kernels_isa.h"
#include "vec.h"

enum { CHUNK = 256, LONGEST_PATTERN = 64 };

/* One channel, from any step to any step. */
void CPU_FN(plane)(const cpu_plane *plane, const void *src, void *dst) {
    const uint8_t *bytes = src;
    const float *floats = src;
    cpu_end numbers = {FR_F32, 0.0f, 1}, end = {plane->to, plane->to_scale, plane->dst_step};
    float row[CHUNK];
    for (uint64_t done = 0; done < plane->count; done += CHUNK) {
        uint64_t part = plane->count - done < CHUNK ? plane->count - done : CHUNK, at = done * plane->src_step;
        if (plane->from == FR_U8)
            for (uint64_t i = 0; i < part; i++)
                row[i] = ((float)bytes[at + i * plane->src_step] - plane->mean) * plane->scale;
        else
            for (uint64_t i = 0; i < part; i++)
                row[i] = (floats[at + i * plane->src_step] - plane->mean) * plane->scale;
        CPU_FN(move)
        (&numbers, row, &end, (char *)dst + done * plane->dst_step * fr_dtype_bytes((fr_dtype)plane->to), part);
    }
}

/* ---- bytes that stay interleaved: the means and scales are laid out as often as makes whole vectors --------------------- */

void CPU_FN(interleaved)(const uint8_t *src, uint16_t to, float to_scale, void *dst, const float *mean,
                         const float *scale, uint64_t channels, uint64_t count) {
    float means[LONGEST_PATTERN], scales[LONGEST_PATTERN], row[LONGEST_PATTERN];
    uint64_t repeats = LONGEST_PATTERN / channels / 16 * 16 != 0 ? LONGEST_PATTERN / channels / 16 * 16 : 1,
             pattern = repeats * channels;
    size_t width = fr_dtype_bytes((fr_dtype)to);
    for (uint64_t i = 0; i < pattern; i++) {
        means[i] = mean[i % channels];
        scales[i] = scale[i % channels];
    }
    for (uint64_t done = 0; done < count; done += pattern) {
        uint64_t part = count - done < pattern ? count - done : pattern;
        float *out = to == FR_F32 ? (float *)dst + done : row;
        for (uint64_t i = 0; i < part; i++)
            out[i] = ((float)src[done + i] - means[i]) * scales[i];
        if (to != FR_F32)
            CPU_FN(convert)(FR_F32, 0.0f, row, to, to_scale, (char *)dst + done * width, part);
    }
}

/* ---- three interleaved channels to three planes ----------------------------------------------------------------------- */

#if defined(__AVX2__)
/* Byte i of channel c of 16 pixels is byte 3i + c of 48: which comes from which of the three loads; -1 gives 0. */
static inline __m128i pick(const __m128i in[3], int channel) {
    static const int8_t from[3][3][16] = {
        {{0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
         {-1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14, -1, -1, -1, -1, -1},
         {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1, 4, 7, 10, 13}},
        {{1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
         {-1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1},
         {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14}},
        {{2, 5, 8, 11, 14, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
         {-1, -1, -1, -1, -1, 1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1},
         {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15}},
    };
    __m128i out = _mm_setzero_si128();
    for (int i = 0; i < 3; i++)
        out = _mm_or_si128(out, _mm_shuffle_epi8(in[i], _mm_loadu_si128((const __m128i *)from[channel][i])));
    return out;
}

static inline void put_16(__m128i bytes, float mean, float scale, float *dst) {
    __m256 m = _mm256_set1_ps(mean), s = _mm256_set1_ps(scale);
    __m256 low = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)),
           high = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)));
    _mm256_storeu_ps(dst, _mm256_mul_ps(_mm256_sub_ps(low, m), s));
    _mm256_storeu_ps(dst + 8, _mm256_mul_ps(_mm256_sub_ps(high, m), s));
}

static uint64_t rgb_16(const uint8_t *src, float *const dst[3], const float mean[3], const float scale[3],
                       uint64_t count) {
    uint64_t i = 0;
    for (; i + 16 <= count; i += 16) {
        __m128i in[3];
        for (int k = 0; k < 3; k++)
            in[k] = _mm_loadu_si128((const __m128i *)(const void *)(src + i * 3 + (uint64_t)k * 16));
        for (int c = 0; c < 3; c++)
            put_16(pick(in, c), mean[c], scale[c], dst[c] + i);
    }
    return i;
}
#else
static uint64_t rgb_16(const uint8_t *src, float *const dst[3], const float mean[3], const float scale[3],
                       uint64_t count) {
    (void)src, (void)dst, (void)mean, (void)scale, (void)count;
    return 0;
}
#endif

static void rgb_floats(const uint8_t *src, float *const dst[3], const float mean[3], const float scale[3],
                       uint64_t count) {
    for (uint64_t i = rgb_16(src, dst, mean, scale, count); i < count; i++)
        for (int c = 0; c < 3; c++)
            dst[c][i] = ((float)src[i * 3 + (uint64_t)c] - mean[c]) * scale[c];
}

void CPU_FN(rgb_planes)(const uint8_t *src, const cpu_end *to, void *const dst[3], const float mean[3],
                        const float scale[3], uint64_t count) {
    if (to->dtype == FR_F32 && to->step == 1) {
        rgb_floats(src, (float *const[3]){dst[0], dst[1], dst[2]}, mean, scale, count);
        return;
    }
    float rows[3][CHUNK];
    float *const planes[3] = {rows[0], rows[1], rows[2]};
    cpu_end numbers = {FR_F32, 0.0f, 1};
    size_t step = to->step * fr_dtype_bytes((fr_dtype)to->dtype);
    for (uint64_t done = 0; done < count; done += CHUNK) {
        uint64_t part = count - done < CHUNK ? count - done : CHUNK;
        rgb_floats(src + done * 3, planes, mean, scale, part);
        for (int c = 0; c < 3; c++)
            CPU_FN(move)(&numbers, rows[c], to, (char *)dst[c] + done * step, part);
    }
}

/* ---- planes to places --------------------------------------------------------------------------------------------------- */

void CPU_FN(weave)(const float *rows, uint64_t row_step, uint64_t places, uint64_t block, float *dst) {
    uint64_t place = 0;
#if defined(__SSE2__)
    for (; place + 4 <= places; place += 4)
        for (uint64_t c = 0; c < block; c += 4) {
            const float *from = rows + c * row_step + place;
            __m128 r0 = _mm_loadu_ps(from), r1 = _mm_loadu_ps(from + row_step), r2 = _mm_loadu_ps(from + 2 * row_step),
                   r3 = _mm_loadu_ps(from + 3 * row_step);
            _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
            float *to = dst + place * block + c;
            _mm_storeu_ps(to, r0);
            _mm_storeu_ps(to + block, r1);
            _mm_storeu_ps(to + 2 * block, r2);
            _mm_storeu_ps(to + 3 * block, r3);
        }
#endif
    for (; place < places; place++)
        for (uint64_t c = 0; c < block; c++)
            dst[place * block + c] = rows[c * row_step + place];
}
