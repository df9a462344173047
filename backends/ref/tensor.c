#include <math.h>
#include <string.h>

#include "base/convert.h"
#include "ref.h"

double ref_get(const fr_tensor *tensor, const void *data, uint64_t index) {
    switch (tensor->dtype) {
    case FR_F64: return ((const double *)data)[index];
    case FR_F32: return (double)((const float *)data)[index];
    case FR_F16: return (double)fr_f16_to_f32(((const uint16_t *)data)[index]);
    case FR_BF16: return (double)fr_bf16_to_f32(((const uint16_t *)data)[index]);
    case FR_U8: return (double)tensor->scale * (double)((const uint8_t *)data)[index];
    case FR_S8: return (double)tensor->scale * (double)((const int8_t *)data)[index];
    case FR_S32: return (double)((const int32_t *)data)[index];
    case FR_S64: return (double)((const int64_t *)data)[index];
    default: return 0.0;
    }
}

static double quantize(double value, double lowest, double highest) { /* rint: halves go to even; NaN becomes 0 */
    double rounded = rint(value);
    return rounded >= lowest ? (rounded <= highest ? rounded : highest) : rounded < lowest ? lowest : 0.0;
}

void ref_put(const fr_tensor *tensor, void *data, uint64_t index, double value) {
    switch (tensor->dtype) {
    case FR_F64: ((double *)data)[index] = value; break;
    case FR_F32: ((float *)data)[index] = (float)value; break;
    case FR_F16: ((uint16_t *)data)[index] = fr_f32_to_f16((float)value); break;
    case FR_BF16: ((uint16_t *)data)[index] = fr_f32_to_bf16((float)value); break;
    case FR_U8: ((uint8_t *)data)[index] = (uint8_t)quantize(value / (double)tensor->scale, 0, 255); break;
    case FR_S8: ((int8_t *)data)[index] = (int8_t)quantize(value / (double)tensor->scale, -128, 127); break;
    case FR_S32: ((int32_t *)data)[index] = (int32_t)quantize(value, INT32_MIN, INT32_MAX); break;
    case FR_S64: ((int64_t *)data)[index] = (int64_t)quantize(value, -9007199254740992.0, 9007199254740992.0); break;
    default: break;
    }
}

void ref_load(const fr_tensor *tensor, const void *data, int32_t n, bool raw, double *out) {
    fr_tensor as = *tensor;
    if (raw)
        as.scale = 1.0f;
    for (int32_t c = 0; c < as.c; c++)
        for (int32_t y = 0; y < as.h; y++)
            for (int32_t x = 0; x < as.w; x++)
                *out++ = ref_get(&as, data, fr_tensor_index(&as, n, c, y, x));
}

void ref_store(const fr_tensor *tensor, void *data, int32_t n, const double *in) {
    int32_t stored = fr_layout_channels(tensor->layout, tensor->c);
    for (int32_t c = 0; c < stored; c++)
        for (int32_t y = 0; y < tensor->h; y++)
            for (int32_t x = 0; x < tensor->w; x++)
                ref_put(tensor, data, fr_tensor_index(tensor, n, c, y, x), c < tensor->c ? *in++ : 0.0);
}
