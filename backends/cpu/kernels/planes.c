/* The user's pixels on their way into maps. */
#include <string.h>

#include "kernels_isa.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

enum { CHUNK = 256 };

/* Pixels to numbers, then by way of convert(): the general path. */
void CPU_FN(plane)(const cpu_plane *plane, const void *src, void *dst) {
    const uint8_t *bytes = src;
    const float *floats = src;
    size_t width = fr_dtype_bytes((fr_dtype)plane->to);
    float row[CHUNK];
    uint8_t packed[CHUNK * sizeof(float)];
    for (uint64_t done = 0; done < plane->count; done += CHUNK) {
        uint64_t part = plane->count - done < CHUNK ? plane->count - done : CHUNK, at = done * plane->src_step;
        if (plane->from == FR_U8)
            for (uint64_t i = 0; i < part; i++)
                row[i] = ((float)bytes[at + i * plane->src_step] - plane->mean) * plane->scale;
        else
            for (uint64_t i = 0; i < part; i++)
                row[i] = (floats[at + i * plane->src_step] - plane->mean) * plane->scale;
        char *to = (char *)dst + done * plane->dst_step * width;
        if (plane->dst_step == 1) {
            CPU_FN(convert)(FR_F32, 0.0f, row, plane->to, plane->to_scale, to, part);
            continue;
        }
        CPU_FN(convert)(FR_F32, 0.0f, row, plane->to, plane->to_scale, packed, part);
        for (uint64_t i = 0; i < part; i++)
            memcpy(to + i * plane->dst_step * width, packed + i * width, width);
    }
}

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
    __m256 low = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)), high = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)));
    _mm256_storeu_ps(dst, _mm256_mul_ps(_mm256_sub_ps(low, m), s));
    _mm256_storeu_ps(dst + 8, _mm256_mul_ps(_mm256_sub_ps(high, m), s));
}

static uint64_t rgb_16(const uint8_t *src, float *const dst[3], const float mean[3], const float scale[3], uint64_t count) {
    uint64_t i = 0;
    for (; i + 16 <= count; i += 16) {
        __m128i in[3];
        for (int k = 0; k < 3; k++)
            in[k] = _mm_loadu_si128((const __m128i *)(src + i * 3 + (uint64_t)k * 16));
        for (int c = 0; c < 3; c++)
            put_16(pick(in, c), mean[c], scale[c], dst[c] + i);
    }
    return i;
}
#endif

void CPU_FN(rgb_planes)(const uint8_t *src, float *const dst[3], const float mean[3], const float scale[3], uint64_t count) {
    uint64_t i = 0;
#if defined(__AVX2__)
    i = rgb_16(src, dst, mean, scale, count);
#endif
    for (; i < count; i++)
        for (int c = 0; c < 3; c++)
            dst[c][i] = ((float)src[i * 3 + (uint64_t)c] - mean[c]) * scale[c];
}
