/* Activations, binary operations, softmax: on rows of floats. Comparisons are written so that NaN stays NaN. */
#include <math.h>

#include "kernels_isa.h"

static inline float clamp(float x, float lowest, float highest) {
    return x < lowest ? lowest : x > highest ? highest : x;
}

void CPU_FN(act)(uint16_t act, float a, float b, float *restrict row, uint64_t count) {
    switch (act) {
    case FR_ACT_RELU:
        for (uint64_t i = 0; i < count; i++)
            row[i] = row[i] < 0.0f ? 0.0f : row[i];
        return;
    case FR_ACT_CLIP:
        for (uint64_t i = 0; i < count; i++)
            row[i] = clamp(row[i], a, b);
        return;
    case FR_ACT_LEAKY:
        for (uint64_t i = 0; i < count; i++)
            row[i] = row[i] < 0.0f ? a * row[i] : row[i];
        return;
    case FR_ACT_SIGMOID:
        for (uint64_t i = 0; i < count; i++)
            row[i] = 1.0f / (1.0f + expf(-row[i]));
        return;
    case FR_ACT_HARDSIGMOID:
        for (uint64_t i = 0; i < count; i++)
            row[i] = clamp(a * row[i] + b, 0.0f, 1.0f);
        return;
    case FR_ACT_HARDSWISH:
        for (uint64_t i = 0; i < count; i++)
            row[i] = row[i] * clamp(row[i] / 6.0f + 0.5f, 0.0f, 1.0f);
        return;
    case FR_ACT_TANH:
        for (uint64_t i = 0; i < count; i++)
            row[i] = tanhf(row[i]);
        return;
    default: return;
    }
}

void CPU_FN(binary)(uint16_t op, const float *a, const float *b, float *out, uint64_t count) {
    switch (op) {
    case FR_BINARY_ADD:
        for (uint64_t i = 0; i < count; i++)
            out[i] = a[i] + b[i];
        return;
    case FR_BINARY_MUL:
        for (uint64_t i = 0; i < count; i++)
            out[i] = a[i] * b[i];
        return;
    case FR_BINARY_SUB:
        for (uint64_t i = 0; i < count; i++)
            out[i] = a[i] - b[i];
        return;
    case FR_BINARY_DIV:
        for (uint64_t i = 0; i < count; i++)
            out[i] = a[i] / b[i];
        return;
    case FR_BINARY_MAX:
        for (uint64_t i = 0; i < count; i++)
            out[i] = a[i] < b[i] ? b[i] : a[i];
        return;
    default:
        for (uint64_t i = 0; i < count; i++)
            out[i] = a[i] > b[i] ? b[i] : a[i];
        return;
    }
}

void CPU_FN(softmax)(const float *src, float *dst, uint64_t rows, uint64_t row_step, uint64_t columns) {
    for (uint64_t x = 0; x < columns; x++) {
        float highest = -INFINITY, sum = 0.0f;
        for (uint64_t r = 0; r < rows; r++)
            highest = fmaxf(highest, src[r * row_step + x]);
        for (uint64_t r = 0; r < rows; r++)
            sum += dst[r * row_step + x] = expf(src[r * row_step + x] - highest);
        for (uint64_t r = 0; r < rows; r++)
            dst[r * row_step + x] /= sum;
    }
}
