/* Between dtypes, by way of f32. Loops are plain so that the compiler makes vectors of them. */
#include <string.h>

#include "base/convert.h"
#include "kernels_isa.h"
#include "vec.h"

enum { CHUNK = 512 };

static void load(uint16_t from, float scale, const void *src, float *restrict out, uint64_t count) {
    switch (from) {
    case FR_BF16: {
        const uint16_t *restrict in = src;
        for (uint64_t i = 0; i < count; i++)
            out[i] = fr_bf16_to_f32(in[i]);
        return;
    }
    case FR_U8: {
        const uint8_t *restrict in = src;
        for (uint64_t i = 0; i < count; i++)
            out[i] = scale * (float)in[i];
        return;
    }
    case FR_S8: {
        const int8_t *restrict in = src;
        for (uint64_t i = 0; i < count; i++)
            out[i] = scale * (float)in[i];
        return;
    }
    default: memcpy(out, src, count * sizeof(float));
    }
}

/* Clamped first; adding and taking 1.5 * 2^23 leaves a float below 2^22 rounded half to even. NaN becomes 0. */
static inline int32_t quantize(float value, float lowest, float highest) {
    float inside = value < lowest ? lowest : value > highest ? highest : value;
    inside = inside == inside ? inside : 0.0f;
    return (int32_t)((inside + 12582912.0f) - 12582912.0f);
}

/* As many as fit whole vectors; the processor rounds half to even too. */
#if defined(__AVX512F__)
static uint64_t store_bytes(const float *in, float scale, float lowest, float highest, bool is_signed, uint8_t *out,
                            uint64_t count) {
    const __m512 unit = _mm512_set1_ps(scale), low = _mm512_set1_ps(lowest), high = _mm512_set1_ps(highest);
    uint64_t i = 0;
    for (; i + 16 <= count; i += 16) {
        __m512 number = _mm512_div_ps(_mm512_loadu_ps(in + i), unit);
        __mmask16 known = _mm512_cmp_ps_mask(number, number, _CMP_ORD_Q);
        __m512i whole = _mm512_cvtps_epi32(_mm512_maskz_min_ps(known, _mm512_max_ps(number, low), high));
        _mm_storeu_si128((__m128i *)(void *)(out + i),
                         is_signed ? _mm512_cvtsepi32_epi8(whole) : _mm512_cvtusepi32_epi8(whole));
    }
    return i;
}
#else
static uint64_t store_bytes(const float *in, float scale, float lowest, float highest, bool is_signed, uint8_t *out,
                            uint64_t count) {
    (void)in, (void)scale, (void)lowest, (void)highest, (void)is_signed, (void)out, (void)count;
    return 0;
}
#endif

static void store(const float *restrict in, uint16_t to, float scale, void *dst, uint64_t count) {
    switch (to) {
    case FR_BF16: {
        uint16_t *restrict out = dst;
        for (uint64_t i = 0; i < count; i++)
            out[i] = fr_f32_to_bf16(in[i]);
        return;
    }
    case FR_U8: {
        uint8_t *restrict out = dst;
        for (uint64_t i = store_bytes(in, scale, 0.0f, 255.0f, false, dst, count); i < count; i++)
            out[i] = (uint8_t)quantize(in[i] / scale, 0.0f, 255.0f);
        return;
    }
    case FR_S8: {
        int8_t *restrict out = dst;
        for (uint64_t i = store_bytes(in, scale, -128.0f, 127.0f, true, dst, count); i < count; i++)
            out[i] = (int8_t)quantize(in[i] / scale, -128.0f, 127.0f);
        return;
    }
    default: memcpy(dst, in, count * sizeof(float));
    }
}

void CPU_FN(convert)(uint16_t from, float from_scale, const void *src, uint16_t to, float to_scale, void *dst,
                     uint64_t count) {
    size_t from_bytes = fr_dtype_bytes((fr_dtype)from), to_bytes = fr_dtype_bytes((fr_dtype)to);
    if (from == to && (from_scale == to_scale || from == FR_F32 || from == FR_BF16)) {
        memcpy(dst, src, count * from_bytes);
        return;
    }
    if (from == FR_F32) {
        store(src, to, to_scale, dst, count);
        return;
    }
    if (to == FR_F32) {
        load(from, from_scale, src, dst, count);
        return;
    }
    float row[CHUNK];
    for (uint64_t done = 0; done < count; done += CHUNK) {
        uint64_t part = count - done < CHUNK ? count - done : CHUNK;
        load(from, from_scale, (const char *)src + done * from_bytes, row, part);
        store(row, to, to_scale, (char *)dst + done * to_bytes, part);
    }
}

/* ---- strided -------------------------------------------------------------------------------------------------------- */

#define STRIDED(type, to, to_step, from, from_step) \
    for (uint64_t i = 0; i < count; i++)            \
    ((type *)(to))[i * (to_step)] = ((const type *)(from))[i * (from_step)]

static void gather(size_t width, const void *from, uint64_t step, void *to, uint64_t count) {
    switch (width) {
    case 1: STRIDED(uint8_t, to, 1, from, step); break;
    case 2: STRIDED(uint16_t, to, 1, from, step); break;
    default: STRIDED(uint32_t, to, 1, from, step); break;
    }
}

static void scatter(size_t width, const void *from, void *to, uint64_t step, uint64_t count) {
    switch (width) {
    case 1: STRIDED(uint8_t, to, step, from, 1); break;
    case 2: STRIDED(uint16_t, to, step, from, 1); break;
    default: STRIDED(uint32_t, to, step, from, 1); break;
    }
}

void CPU_FN(move)(const cpu_end *src, const void *from, const cpu_end *dst, void *to, uint64_t count) {
    size_t from_bytes = fr_dtype_bytes((fr_dtype)src->dtype), to_bytes = fr_dtype_bytes((fr_dtype)dst->dtype);
    uint32_t picked[CHUNK], changed[CHUNK];
    for (uint64_t done = 0; done < count; done += CHUNK) {
        uint64_t part = count - done < CHUNK ? count - done : CHUNK;
        const void *in = (const char *)from + done * src->step * from_bytes;
        char *out = (char *)to + done * dst->step * to_bytes;
        if (src->step != 1) {
            gather(from_bytes, in, src->step, picked, part);
            in = picked;
        }
        CPU_FN(convert)
        (src->dtype, src->scale, in, dst->dtype, dst->scale, dst->step == 1 ? (void *)out : changed, part);
        if (dst->step != 1)
            scatter(to_bytes, changed, out, dst->step, part);
    }
}
