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
typedef struct reach {
    int32_t y, y_end, x, x_end;
} reach;

static inline void cut(int32_t first, int32_t kernel, int32_t dilation, int32_t size, int32_t *out_first,
                       int32_t *out_end) {
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
static inline int32_t places(int32_t first, int32_t end, int32_t dilation) {
    return end > first ? (end - first + dilation - 1) / dilation : 0;
}

/* ---- max, a dtype at a time ------------------------------------------------------------------------------------------- */

/* 3x3 or 2x2, a step of 1 or 2: most of what small CNNs have. */
static inline bool usual_window(const cpu_pool *p) {
    const fr_window *k = &p->win;
    return k->dh == 1 && k->dw == 1 && k->kh == k->kw && (k->kh == 2 || k->kh == 3) && (k->sw == 1 || k->sw == 2);
}

/* Places from ox on whose windows lie on the map wholly; r is the reach of the first. */
static inline int32_t whole_windows(const cpu_pool *p, const reach *r, int32_t ox) {
    int32_t side = p->win.kw, first = ox * p->win.sw - p->win.pad_left;
    if (r->y_end - r->y != side || r->x != first || first + side > p->w)
        return 0;
    int32_t count = (p->w - side - first) / p->win.sw + 1;
    return count < p->out_w - ox ? count : p->out_w - ox;
}

static inline float same_f32(float x) {
    return x;
}
static inline int32_t as_s32(int32_t x) {
    return x;
}
static inline uint8_t as_u8(int32_t x) {
    return (uint8_t)x;
}
static inline int8_t as_s8(int32_t x) {
    return (int8_t)x;
}
/* Negative floats order against their bits: flip what is below the sign. An involution. */
static inline int32_t bf16_key(uint16_t bits) {
    return (int16_t)(bits ^ ((bits & 0x8000u) ? 0x7fffu : 0u));
}
static inline uint16_t bf16_of(int32_t key) {
    return (uint16_t)(key ^ (key < 0 ? 0x7fff : 0));
}

#if defined(__SSE2__)
static inline __m128i load_128(const void *at) {
    return _mm_loadu_si128(at);
}
static inline void store_128(void *at, __m128i x) {
    _mm_storeu_si128(at, x);
}
static inline __m128i load_s8(const void *at) {
    return _mm_xor_si128(load_128(at), _mm_set1_epi8((char)0x80));
}
static inline void store_s8(void *at, __m128i x) {
    store_128(at, _mm_xor_si128(x, _mm_set1_epi8((char)0x80)));
}
#else
#define HIGHER(a, b) ((a) > (b) ? (a) : (b))
static inline int32_t load_bf16(const uint16_t *at) {
    return bf16_key(*at);
}
static inline void store_bf16(uint16_t *at, int32_t x) {
    *at = bf16_of(x);
}
static inline uint8_t load_u8(const uint8_t *at) {
    return *at;
}
static inline void store_u8(uint8_t *at, uint8_t x) {
    *at = x;
}
static inline int8_t load_s8(const int8_t *at) {
    return *at;
}
static inline void store_s8(int8_t *at, int8_t x) {
    *at = x;
}
#endif
#if defined(__AVX2__)
static inline __m256i flip_256(__m256i x) {
    return _mm256_xor_si256(x, _mm256_srli_epi16(_mm256_srai_epi16(x, 15), 1));
}
static inline __m256i load_bf16(const void *at) {
    return flip_256(_mm256_loadu_si256(at));
}
static inline void store_bf16(void *at, __m256i x) {
    _mm256_storeu_si256(at, flip_256(x));
}
#elif defined(__SSE2__)
static inline __m128i flip_128(__m128i x) {
    return _mm_xor_si128(x, _mm_srli_epi16(_mm_srai_epi16(x, 15), 1));
}
static inline __m128i load_bf16(const void *at) {
    return flip_128(_mm_loadu_si128(at));
}
static inline void store_bf16(void *at, __m128i x) {
    _mm_storeu_si128(at, flip_128(x));
}
#endif

#define NAME       max_f32
#define TYPE       float
#define VEC        vf
#define LANES      ((size_t)VF)
#define LOWEST     vf_all(-INFINITY)
#define LOAD       vf_load
#define MAX        vf_max
#define STORE      vf_store
#define KEY        float
#define KEY_OF     same_f32
#define KEY_LOWEST (-INFINITY)
#define OF_KEY     same_f32
#include "pool_max.h"

#define NAME max_u8
#define TYPE uint8_t
#if defined(__SSE2__)
#define VEC    __m128i
#define LANES  ((size_t)16)
#define LOWEST _mm_setzero_si128()
#define LOAD   load_128
#define MAX    _mm_max_epu8
#define STORE  store_128
#else
#define VEC    uint8_t
#define LANES  ((size_t)1)
#define LOWEST 0
#define LOAD   load_u8
#define MAX    HIGHER
#define STORE  store_u8
#endif
#define KEY        int32_t
#define KEY_OF     as_s32
#define KEY_LOWEST 0
#define OF_KEY     as_u8
#include "pool_max.h"

#define NAME max_s8
#define TYPE int8_t
#if defined(__SSE2__)
#define VEC    __m128i
#define LANES  ((size_t)16)
#define LOWEST _mm_setzero_si128()
#define MAX    _mm_max_epu8
#else
#define VEC    int8_t
#define LANES  ((size_t)1)
#define LOWEST (-128)
#define MAX    HIGHER
#endif
#define LOAD       load_s8
#define STORE      store_s8
#define KEY        int32_t
#define KEY_OF     as_s32
#define KEY_LOWEST (-128)
#define OF_KEY     as_s8
#include "pool_max.h"

#define NAME max_bf16
#define TYPE uint16_t
#if defined(__AVX2__)
#define VEC    __m256i
#define LANES  ((size_t)16)
#define LOWEST _mm256_set1_epi16(INT16_MIN)
#define MAX    _mm256_max_epi16
#elif defined(__SSE2__)
#define VEC    __m128i
#define LANES  ((size_t)8)
#define LOWEST _mm_set1_epi16(INT16_MIN)
#define MAX    _mm_max_epi16
#else
#define VEC    int32_t
#define LANES  ((size_t)1)
#define LOWEST INT16_MIN
#define MAX    HIGHER
#endif
#define LOAD       load_bf16
#define STORE      store_bf16
#define KEY        int32_t
#define KEY_OF     bf16_key
#define KEY_LOWEST INT16_MIN
#define OF_KEY     bf16_of
#include "pool_max.h"

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

static void number_chunk(const cpu_pool *p, const reach *r, const char *src, size_t c, size_t part, int32_t count,
                         char *dst) {
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

/* Rows of maxima that fit in a buffer are converted a row at a time. */
static void max_to_other(const cpu_pool *p, const float *src, char *dst) {
    float row[4096];
    size_t numbers = (size_t)p->out_w * (size_t)p->channels;
    if (numbers > sizeof row / sizeof row[0]) {
        in_numbers(p, (const char *)src, dst);
        return;
    }
    for (int32_t oy = 0; oy < p->out_h; oy++, dst += numbers * fr_dtype_bytes((fr_dtype)p->to)) {
        max_f32(p, src, row, oy, oy + 1);
        CPU_FN(convert)(FR_F32, 0.0f, row, p->to, p->to_scale, dst, numbers);
    }
}

void CPU_FN(pool)(const cpu_pool *pool, const void *src, void *dst) {
    bool same = pool->from == pool->to && pool->from_scale == pool->to_scale;
    if (pool->kind != FR_POOL_MAX || (!same && pool->from != FR_F32)) {
        in_numbers(pool, src, dst);
        return;
    }
    if (!same) {
        max_to_other(pool, src, dst);
        return;
    }
    switch (pool->from) {
    case FR_BF16: max_bf16(pool, src, dst, 0, pool->out_h); return;
    case FR_U8: max_u8(pool, src, dst, 0, pool->out_h); return;
    case FR_S8: max_s8(pool, src, dst, 0, pool->out_h); return;
    default: max_f32(pool, src, dst, 0, pool->out_h); return;
    }
}
