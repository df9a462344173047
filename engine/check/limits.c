/* How near is near enough. */
#include "check/limits.h"

#include <math.h>
#include <string.h>

static bool is_byte(uint16_t dtype) {
    return dtype == FR_U8 || dtype == FR_S8;
}

double fr_check_wanted(const fr_check_numbers *numbers, const fr_check_answer *answer, uint64_t i) {
    const fr_tensor *dst = &numbers->step.dst;
    double value = answer->value[i], lowest = dst->dtype == FR_U8 ? 0.0 : -128.0,
           highest = dst->dtype == FR_U8 ? 255.0 : 127.0;
    uint64_t stored = 0;
    if (numbers->fill == FR_CHECK_EXACT) {
        fr_check_encode(dst->dtype, dst->scale, &stored, 0, value);
        return fr_check_decode(dst->dtype, dst->scale, &stored, 0);
    }
    if (is_byte(dst->dtype))
        return fmin(fmax(value, lowest * (double)dst->scale), highest * (double)dst->scale);
    return value;
}

/* Half a step of the type's last binary digit, relative; 0 for bytes, whose half step is absolute. */
static double roundoff_of(uint16_t dtype) {
    return dtype == FR_BF16 ? 0x1p-8 : dtype == FR_F16 ? 0x1p-11 : dtype == FR_F32 ? 0x1p-24 : 0.0;
}

static double roundoff_between(const fr_step *step) { /* of what a backend may keep between a sum and its epilogue */
    return step->compute == FR_PRECISION_BF16 ? 0x1p-8 : step->compute == FR_PRECISION_F16 ? 0x1p-11 : 0x1p-24;
}

/* Of numbers that are stored in more digits than they are multiplied in. */
static double roundoff_of_factors(const fr_step *step) {
    return step->compute == FR_PRECISION_TF32 ? 0x1p-11 : 0.0;
}

static bool is_smooth(const fr_step *step) {
    return step->act == FR_ACT_SIGMOID || step->act == FR_ACT_TANH || step->act == FR_ACT_HARDSWISH;
}

/*
 * Inexact candidates of int8 and bf16 steps: Winograd with factors of 16 bits, rounded so that sums of 32 channels stay in 32.
 * A factor of the maps is off by 2^-16 of the largest that it may be, which is some 50 times what it mostly is; one of the
 * weights by 2^-17 times the channels, of their mean. Errors add up as the root of their number, K, while magnitudes add up.
 * How much the sums' transforms let them grow, and how far the largest of a map is from the usual one, is measured: 45 holds in five of
 * six runs of all convs with other numbers, and 60 in all.
 */
static double fixed_point_allowed(const fr_step *step, double magnitude) {
    double channels = fmin((double)step->src[0].c, 32.0), each = 60.0 * (50.0 + 0.5 * fmax(channels, 4.0)) * 0x1p-16;
    return each * magnitude / sqrt(fr_check_sum_length(step));
}

/*
 * Sums are formed in f32 at least, whatever the products are made of: their error is within c * sqrt(K) * 2^-24 times the
 * sum of magnitudes. TF32 rounds both factors of each product. Winograd's transforms (inexact) lose some binary digits more.
 * One rounding to the compute precision may happen between the sum and its epilogue; smooth activations may be approximated.
 */
static double sums_allowed(const fr_step *step, double want, double magnitude, bool is_inexact) {
    double between = roundoff_between(step);
    double f32 = (is_inexact ? 64.0 : 2.0) * sqrt(fr_check_sum_length(step)) * 0x1p-24 * magnitude;
    bool may_round_bias = step->has_bias && between > 0x1p-24; /* libraries keep it as the maps are kept */
    double reach =
        fabs(want) + (step->residual ? 1.0 : 0.0) + (may_round_bias ? 0.5 : 0.0) + (is_smooth(step) ? 3.0 : 0.0);
    bool rounds_before_mean = is_byte(step->dst.dtype) && step->pool > FR_POOL_MAX;
    double factors = 2.0 * roundoff_of_factors(step) * (is_inexact ? 8.0 : 1.0) * magnitude;
    bool is_fixed = is_inexact && (step->compute == FR_PRECISION_INT8 || step->compute == FR_PRECISION_BF16);
    double fixed = is_fixed ? fixed_point_allowed(step, magnitude) : 0.0;
    return f32 + factors + fixed + 2.0 * between * reach + (is_smooth(step) ? 4e-6 : 0.0) +
           (rounds_before_mean ? 0.5 * (double)step->dst.scale : 0.0);
}

/* What may be rounded, or not, between a chain's steps. */
static double roundoff_within(const fr_step *chain) {
    double most = fmax(roundoff_between(chain), roundoff_of_factors(chain));
    for (int32_t i = 0; i + 1 < chain->n_sub; i++) {
        uint16_t dtype = chain->sub[i].dst.dtype;
        most = fmax(most, is_byte(dtype) ? 0x1p-6 : roundoff_of(dtype));
    }
    return most;
}

/*
 * Down a chain the magnitudes grow much faster than the numbers, since errors and numbers alike cancel in each sum: so an
 * error is also held to its share of the largest number of the answer.
 */
static double chain_allowed(const fr_step *chain, double want, double magnitude, double reach, bool is_inexact) {
    double between = 2.0 * chain->n_sub * roundoff_within(chain), f32 = sqrt(fr_check_sum_length(chain)) * 0x1p-24;
    double bound = ((is_inexact ? 64.0 : 2.0) * f32 + between) * magnitude,
           share = ((is_inexact ? 64.0 : 8.0) * f32 + between) * (reach + 1.0);
    return fmin(bound, share) + (fr_step_last(chain)->softmax ? 1e-5 * want + 1e-7 : 0.0);
}

static double plain_allowed(const fr_step *step, double want) {
    double size = fabs(want), f32 = 0x1p-24;
    switch (step->kind) {
    case FR_STEP_POOL: return step->pool == FR_POOL_MAX ? 0.0 : 2.0 * sqrt(fr_check_sum_length(step)) * f32 * 10.0;
    case FR_STEP_BINARY: return f32 * (4.0 * size + 32.0);
    case FR_STEP_UNARY:
        return step->act == FR_ACT_NONE ? 0.0
                                        : f32 * 4.0 * (size + 1.0) + (is_smooth(step) ? 4e-6 * (size + 1.0) : 0.0);
    case FR_STEP_LRN: return 2e-5 * size;
    case FR_STEP_SOFTMAX: return 1e-5 * size + 1e-7;
    case FR_STEP_EMIT: return step->softmax ? 1e-5 * size + 1e-7 : 0.0;
    case FR_STEP_INGEST: return 8.0 * f32 * (size + 5.0);
    default: return 0.0;
    }
}

double fr_check_allowed(const fr_check_numbers *numbers, const fr_check_answer *answer, uint64_t i, bool is_inexact) {
    const fr_step *step = &numbers->step;
    if (numbers->fill == FR_CHECK_EXACT)
        return 0.0;
    double want = answer->value[i];
    double computed = step->kind == FR_STEP_CHAIN
                          ? chain_allowed(step, want, answer->magnitude[i], answer->reach, is_inexact)
                      : answer->magnitude ? sums_allowed(step, want, answer->magnitude[i], is_inexact)
                                          : plain_allowed(step, want);
    double stored = 1.01 * roundoff_of(step->dst.dtype) * (fabs(want) + computed);
    if (step->dst.dtype == FR_F16)
        stored += 0x1p-25; /* half the smallest subnormal */
    if (is_byte(step->dst.dtype))
        stored += 0.5 * (double)step->dst.scale + 8.0 * 0x1p-24 * fabs(want);
    return computed + stored;
}

/* ---- a whole result ---------------------------------------------------------------------------------------------- */

uint64_t fr_check_place(const fr_step *step, uint64_t i) {
    const fr_tensor *dst = &step->dst;
    if (fr_step_last(step)->kind == FR_STEP_EMIT)
        return i;
    uint64_t map = (uint64_t)dst->h * (uint64_t)dst->w, each = (uint64_t)dst->c * map;
    int32_t n = (int32_t)(i / each), c = (int32_t)(i % each / map), y = (int32_t)(i % map / (uint64_t)dst->w),
            x = (int32_t)(i % (uint64_t)dst->w);
    return fr_tensor_index(dst, n, c, y, x);
}

bool fr_check_compare(const fr_check_numbers *numbers, const fr_check_answer *answer, const fr_step *step,
                      const void *data, bool is_inexact, fr_check_difference *out) {
    const fr_tensor *dst = &step->dst;
    memset(out, 0, sizeof *out);
    for (uint64_t i = 0; i < answer->count; i++) {
        double got = fr_check_decode(dst->dtype, dst->scale, data, fr_check_place(step, i)),
               want = fr_check_wanted(numbers, answer, i);
        double error = fabs(got - want), allowed = fr_check_allowed(numbers, answer, i, is_inexact);
        bool is_wrong = !(error <= allowed); /* NaN is */
        double ratio = isnan(error) ? (double)INFINITY : error > 0.0 ? error / (allowed > 0.0 ? allowed : 1e-30) : 0.0;
        if (is_wrong && out->wrong++ == 0)
            out->first = i;
        if (ratio > out->ratio || (i == 0 && !(ratio > 0.0)))
            *out = (fr_check_difference){out->wrong, out->first, i, ratio, error, got, want, allowed};
    }
    return out->wrong == 0;
}
