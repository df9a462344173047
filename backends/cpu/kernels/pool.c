/*
 * Pools of one map whose places hold `channels` numbers side by side: at[(y * w + x) * channels + c].
 * MAX compares stored numbers where both sides have the same dtype and scale; bf16 is compared as the integers that order alike.
 */
#include <math.h>
#include <string.h>

#include "base/convert.h"
#include "kernels_isa.h"
#include "vec.h"

/* The part of a window that lies on the map: rows y, y + dh, ... < y_end, columns alike. */
typedef struct reach { int32_t y, y_end, x, x_end; } reach;

static inline void cut(int32_t first, int32_t kernel, int32_t dilation, int32_t size, int32_t *out_first, int32_t *out_end) {
    int32_t end = first + (kernel - 1) * dilation + 1;
    *out_first = first < 0 ? first + (-first + dilation - 1) / dilation * dilation : first;
    *out_end = end < size ? end : size;
}

static inline reach reach_of(const cpu_pool *p, int32_t oy, int32_t ox) {
    reach r;
    cut(oy * p->win.sh - p->win.pad_top, p->win.kh, p->win.dh, p->h, &r.y, &r.y_end);
    cut(ox * p->win.sw - p->win.pad_left, p->win.kw, p->win.dw, p->w, &r.x, &r.x_end);
    return r;
}

/* Places at dilation steps in [first, end). */
static inline int32_t places(int32_t first, int32_t end, int32_t dilation) { return end > first ? (end - first + dilation - 1) / dilation : 0; }

/* ---- max: vectors of `lanes` channels, then one by one ------------------------------------------------------------- */

#define MAX_OVER_WINDOW(step)                                                                                                             \
    for (int32_t y = r.y; y < r.y_end; y += p->win.dh)                                                                                    \
        for (int32_t x = r.x; x < r.x_end; x += p->win.dw) {                                                                              \
            size_t at = ((size_t)y * (size_t)p->w + (size_t)x) * channels + c;                                                            \
            step;                                                                                                                         \
        }

#define DEFINE_MAX(name, type, vec, lanes, lowest_vec, load, max, store, key_type, lowest_key, key, from_key)                             \
    static void name(const cpu_pool *p, const type *src, type *dst) {                                                                     \
        const size_t channels = (size_t)p->channels;                                                                                      \
        for (int32_t oy = 0; oy < p->out_h; oy++)                                                                                         \
            for (int32_t ox = 0; ox < p->out_w; ox++, dst += channels) {                                                                  \
                reach r = reach_of(p, oy, ox);                                                                                            \
                size_t c = 0;                                                                                                             \
                for (; c + (lanes) <= channels; c += (lanes)) {                                                                           \
                    vec best = lowest_vec;                                                                                                \
                    MAX_OVER_WINDOW(best = max(load(src + at), best))                                                                     \
                    store(dst + c, best);                                                                                                 \
                }                                                                                                                         \
                for (; c < channels; c++) {                                                                                               \
                    key_type best = lowest_key;                                                                                           \
                    MAX_OVER_WINDOW(key_type k = key(src[at]); best = k > best ? k : best)                                                \
                    dst[c] = from_key(best);                                                                                              \
                }                                                                                                                         \
            }                                                                                                                             \
    }

static inline float same_f32(float x) { return x; }
static inline uint8_t same_u8(int32_t x) { return (uint8_t)x; }
static inline int8_t same_s8(int32_t x) { return (int8_t)x; }
/* Negative floats order against their bits: flip what is below the sign. An involution. */
static inline int32_t bf16_key(uint16_t bits) { return (int16_t)(bits ^ ((bits & 0x8000u) ? 0x7fffu : 0u)); }
static inline uint16_t bf16_of(int32_t key) { return (uint16_t)(key ^ (key < 0 ? 0x7fff : 0)); }

DEFINE_MAX(max_f32, float, vf, (size_t)VF, vf_all(-INFINITY), vf_load, vf_max, vf_store, float, -INFINITY, same_f32, same_f32)

#if defined(__SSE2__)
static inline __m128i load_128(const void *at) { return _mm_loadu_si128(at); }
static inline void store_128(void *at, __m128i x) { _mm_storeu_si128(at, x); }
static inline __m128i load_s8(const void *at) { return _mm_xor_si128(load_128(at), _mm_set1_epi8((char)0x80)); }
static inline void store_s8(void *at, __m128i x) { store_128(at, _mm_xor_si128(x, _mm_set1_epi8((char)0x80))); }
DEFINE_MAX(max_u8, uint8_t, __m128i, (size_t)16, _mm_setzero_si128(), load_128, _mm_max_epu8, store_128, int32_t, 0, (int32_t), same_u8)
DEFINE_MAX(max_s8, int8_t, __m128i, (size_t)16, _mm_setzero_si128(), load_s8, _mm_max_epu8, store_s8, int32_t, -128, (int32_t), same_s8)
#else
#define ONE(at) (*(at))
#define PUT(at, x) (*(at) = (x))
#define HIGHER(a, b) ((a) > (b) ? (a) : (b))
DEFINE_MAX(max_u8, uint8_t, uint8_t, (size_t)1, 0, ONE, HIGHER, PUT, int32_t, 0, (int32_t), same_u8)
DEFINE_MAX(max_s8, int8_t, int8_t, (size_t)1, -128, ONE, HIGHER, PUT, int32_t, -128, (int32_t), same_s8)
#endif

#if defined(__AVX2__)
static inline __m256i flip_256(__m256i x) { return _mm256_xor_si256(x, _mm256_srli_epi16(_mm256_srai_epi16(x, 15), 1)); }
static inline __m256i load_bf16(const void *at) { return flip_256(_mm256_loadu_si256(at)); }
static inline void store_bf16(void *at, __m256i x) { _mm256_storeu_si256(at, flip_256(x)); }
DEFINE_MAX(max_bf16, uint16_t, __m256i, (size_t)16, _mm256_set1_epi16(INT16_MIN), load_bf16, _mm256_max_epi16, store_bf16, int32_t, INT16_MIN, bf16_key, bf16_of)
#elif defined(__SSE2__)
static inline __m128i flip_128(__m128i x) { return _mm_xor_si128(x, _mm_srli_epi16(_mm_srai_epi16(x, 15), 1)); }
static inline __m128i load_bf16(const void *at) { return flip_128(_mm_loadu_si128(at)); }
static inline void store_bf16(void *at, __m128i x) { _mm_storeu_si128(at, flip_128(x)); }
DEFINE_MAX(max_bf16, uint16_t, __m128i, (size_t)8, _mm_set1_epi16(INT16_MIN), load_bf16, _mm_max_epi16, store_bf16, int32_t, INT16_MIN, bf16_key, bf16_of)
#else
static inline int32_t load_bf16(const uint16_t *at) { return bf16_key(*at); }
static inline void store_bf16(uint16_t *at, int32_t x) { *at = bf16_of(x); }
DEFINE_MAX(max_bf16, uint16_t, int32_t, (size_t)1, INT16_MIN, load_bf16, HIGHER, store_bf16, int32_t, INT16_MIN, bf16_key, bf16_of)
#endif

/* ---- in numbers: averages, and max between different dtypes or scales -------------------------------------------------------------------------------------------- */

enum { CHUNK = 64 };

static int32_t divisor(const cpu_pool *p, const reach *r, int32_t oy, int32_t ox) {
    if (p->kind != FR_POOL_AVG_INCLUDE_PAD)
        return places(r->y, r->y_end, p->win.dh) * places(r->x, r->x_end, p->win.dw);
    int32_t y = oy * p->win.sh - p->win.pad_top, x = ox * p->win.sw - p->win.pad_left;
    int32_t y_end = y + (p->win.kh - 1) * p->win.dh + 1, x_end = x + (p->win.kw - 1) * p->win.dw + 1;
    int32_t rows = places(y, y_end < p->h + p->win.pad_bottom ? y_end : p->h + p->win.pad_bottom, p->win.dh);
    return rows * places(x, x_end < p->w + p->win.pad_right ? x_end : p->w + p->win.pad_right, p->win.dw);
}

static void number_chunk(const cpu_pool *p, const reach *r, const char *src, size_t c, size_t part, int32_t count, char *dst) {
    bool max = p->kind == FR_POOL_MAX;
    float sum[CHUNK], row[CHUNK];
    for (size_t i = 0; i < part; i++)
        sum[i] = max ? -INFINITY : 0.0f;
    size_t from_bytes = fr_dtype_bytes((fr_dtype)p->from);
    for (int32_t y = r->y; y < r->y_end; y += p->win.dh)
        for (int32_t x = r->x; x < r->x_end; x += p->win.dw) {
            const char *at = src + (((size_t)y * (size_t)p->w + (size_t)x) * (size_t)p->channels + c) * from_bytes;
            const float *numbers = row;
            if (p->from == FR_F32)
                numbers = (const float *)(const void *)at;
            else
                CPU_FN(convert)(p->from, p->from_scale, at, FR_F32, 0.0f, row, part);
            for (size_t i = 0; i < part; i++)
                sum[i] = !max ? sum[i] + numbers[i] : sum[i] < numbers[i] ? numbers[i] : sum[i];
        }
    for (size_t i = 0; i < part && !max; i++)
        sum[i] = count > 0 ? sum[i] / (float)count : 0.0f;
    CPU_FN(convert)(FR_F32, 0.0f, sum, p->to, p->to_scale, dst, part);
}

static void in_numbers(const cpu_pool *p, const char *src, char *dst) {
    size_t channels = (size_t)p->channels, to_bytes = fr_dtype_bytes((fr_dtype)p->to);
    for (int32_t oy = 0; oy < p->out_h; oy++)
        for (int32_t ox = 0; ox < p->out_w; ox++, dst += channels * to_bytes) {
            reach r = reach_of(p, oy, ox);
            int32_t count = divisor(p, &r, oy, ox);
            for (size_t c = 0; c < channels; c += CHUNK)
                number_chunk(p, &r, src, c, channels - c < CHUNK ? channels - c : CHUNK, count, dst + c * to_bytes);
        }
}

void CPU_FN(pool)(const cpu_pool *pool, const void *src, void *dst) {
    if (pool->kind != FR_POOL_MAX || pool->from != pool->to || pool->from_scale != pool->to_scale) {
        in_numbers(pool, src, dst);
        return;
    }
    switch (pool->from) {
    case FR_BF16: max_bf16(pool, src, dst); return;
    case FR_U8: max_u8(pool, src, dst); return;
    case FR_S8: max_s8(pool, src, dst); return;
    default: max_f32(pool, src, dst); return;
    }
}
