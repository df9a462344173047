#include <math.h>

#include "ref.h"

/* Comparisons are written so that NaN stays NaN. */
static double clamp(double x, double lowest, double highest) {
    return x < lowest ? lowest : x > highest ? highest : x;
}

double ref_act(const fr_step *step, double x) {
    double a = (double)step->act_a, b = (double)step->act_b;
    switch (step->act) {
    case FR_ACT_RELU: return x < 0 ? 0.0 : x;
    case FR_ACT_CLIP: return clamp(x, a, b);
    case FR_ACT_LEAKY: return x < 0 ? a * x : x;
    case FR_ACT_SIGMOID: return 1.0 / (1.0 + exp(-x));
    case FR_ACT_HARDSIGMOID: return clamp(a * x + b, 0.0, 1.0);
    case FR_ACT_HARDSWISH: return x * clamp(x / 6.0 + 0.5, 0.0, 1.0);
    case FR_ACT_TANH: return tanh(x);
    default: return x;
    }
}

static double combine(uint8_t binary, double a, double b) {
    switch (binary) {
    case FR_BINARY_ADD: return a + b;
    case FR_BINARY_MUL: return a * b;
    case FR_BINARY_SUB: return a - b;
    case FR_BINARY_DIV: return a / b;
    case FR_BINARY_MAX: return a < b ? b : a;
    default: return a > b ? b : a;
    }
}

void ref_binary(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst) {
    const fr_step *step = &program->step;
    uint64_t map = (uint64_t)dst->h * (uint64_t)dst->w, map1 = (uint64_t)src[1].h * (uint64_t)src[1].w;
    (void)extra;
    for (uint64_t c = 0; c < (uint64_t)dst->c; c++)
        for (uint64_t i = 0; i < map; i++)
            dst->at[c * map + i] =
                ref_act(step, combine(step->binary, src[0].at[c * map + i], src[1].at[c * map1 + (map1 == 1 ? 0 : i)]));
}

void ref_unary(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst) {
    uint64_t count = ref_elements(&program->step.dst);
    (void)extra;
    for (uint64_t i = 0; i < count; i++)
        dst->at[i] = ref_act(&program->step, src[0].at[i]);
}
