#include "check/numbers.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"

static bool is_byte(uint16_t dtype) {
    return dtype == FR_U8 || dtype == FR_S8;
}

static bool has_weights(const fr_step *step) {
    return step->kind == FR_STEP_CONV || step->kind == FR_STEP_FC;
}

static bool is_power_of_two(int32_t value) {
    return (value & (value - 1)) == 0;
}

/* ---- what stays exact ---------------------------------------------------------------------------------------- */

static bool pool_is_exact(const fr_step *step, int32_t h, int32_t w) {
    const fr_window *win = &step->pool_win;
    if (step->pool == FR_POOL_NONE || step->pool == FR_POOL_MAX)
        return true;
    bool is_clipped = win->pad_top || win->pad_left || win->pad_bottom || win->pad_right ||
                      (step->dst.h - 1) * win->sh + win->kh > h || (step->dst.w - 1) * win->sw + win->kw > w;
    return is_power_of_two(win->kh * win->kw) && !is_clipped &&
           !(is_byte(step->dst.dtype) && step->kind == FR_STEP_CONV);
}

bool fr_check_can_be_exact(const fr_step *step) {
    bool act_is_exact = step->act == FR_ACT_NONE || step->act == FR_ACT_RELU || step->act == FR_ACT_CLIP ||
                        step->act == FR_ACT_LEAKY || step->act == FR_ACT_HARDSIGMOID;
    int32_t h = step->src[0].h, w = step->src[0].w;
    if (step->kind == FR_STEP_CONV)
        fr_conv_map(step, &h, &w);
    switch (step->kind) {
    case FR_STEP_LRN:
    case FR_STEP_SOFTMAX: return false;
    case FR_STEP_EMIT: return !step->softmax;
    case FR_STEP_BINARY: return step->binary != FR_BINARY_DIV && act_is_exact;
    case FR_STEP_CHAIN:
        for (int32_t i = 0; i < step->n_sub; i++)
            if (!fr_check_can_be_exact(&step->sub[i]))
                return false;
        return step->compute == FR_PRECISION_F32; /* what lies between may be rounded, or not */
    default: return act_is_exact && pool_is_exact(step, h, w);
    }
}

static double own_sum_length(const fr_step *step) {
    const fr_tensor *src = &step->src[0];
    if (step->kind == FR_STEP_CONV)
        return (double)(src->c / step->groups) * step->win.kh * step->win.kw;
    if (step->kind == FR_STEP_FC)
        return (double)src->c * src->h * src->w;
    return step->kind == FR_STEP_POOL ? (double)step->pool_win.kh * step->pool_win.kw : 1.0;
}

double fr_check_sum_length(const fr_step *step) {
    double length = step->kind == FR_STEP_CHAIN ? 0.0 : own_sum_length(step);
    for (int32_t i = 0; i < step->n_sub; i++)
        length += own_sum_length(&step->sub[i]);
    return length;
}

/* ---- scales of U8 and S8 ------------------------------------------------------------------------------------------ */

/* Scales that let results fall over the whole of dst's range, some past it. EXACT: powers of two. */
static void set_scales(fr_step *step, fr_check_fill fill, fr_random *random) {
    bool is_exact = fill == FR_CHECK_EXACT;
    for (int32_t i = 0; i < step->n_src; i++) {
        bool differs = step->kind == FR_STEP_CONCAT && step->n_src % 2 == 1 && i % 2 == 1;
        double any = 0.02 * (1.0 + fr_random_uniform(random));
        double scale = is_exact                                ? (i == 1 && has_weights(step) ? 0.0625 : 0.125)
                       : step->kind == FR_STEP_CONCAT && i > 0 ? (double)step->src[0].scale
                                                               : any;
        if (differs)
            scale *= 0.5;
        step->src[i].scale = is_byte(step->src[i].dtype) ? (float)scale : 0.0f;
    }
    double range = 8.0; /* of results, as set_weights makes them */
    bool keeps = step->kind == FR_STEP_POOL || step->kind == FR_STEP_CONCAT || step->kind == FR_STEP_PAD ||
                 step->kind == FR_STEP_SOFTMAX;
    if (step->act == FR_ACT_SIGMOID || step->act == FR_ACT_HARDSIGMOID || step->act == FR_ACT_TANH)
        range = 1.0;
    if (step->act == FR_ACT_CLIP)
        range = 6.0;
    double scale = is_exact ? exp2(ceil(log2(range)) - 7) : range / 127.0 * (0.9 + 0.2 * fr_random_uniform(random));
    if (keeps && is_byte(step->src[0].dtype))
        scale = (double)step->src[0].scale;
    step->dst.scale = is_byte(step->dst.dtype) ? (float)scale : 0.0f;
}

/* ---- sources ------------------------------------------------------------------------------------------------------ */

static double between(fr_random *random, int32_t lowest, int32_t highest) { /* integers */
    return lowest + floor(fr_random_uniform(random) * (highest - lowest + 1));
}

static double spread(fr_random *random, double reach) {
    return (2.0 * fr_random_uniform(random) - 1.0) * reach;
}

static double source_number(const fr_step *step, int32_t which, fr_check_fill fill, fr_random *random) {
    bool is_half = step->src[which].dtype == FR_F16 || step->src[which].dtype == FR_BF16;
    if (fr_step_first(step)->kind == FR_STEP_INGEST) /* pixels */
        return fill == FR_CHECK_EXACT ? between(random, 0, 255) : fr_random_uniform(random) * 255.0;
    if (fill == FR_CHECK_RANDOM && step->kind == FR_STEP_SOFTMAX)
        return spread(random, 8.0);
    if (fill == FR_CHECK_RANDOM && step->kind == FR_STEP_BINARY && step->binary == FR_BINARY_DIV && which == 1)
        return (fr_random_next(random) & 1 ? 1.0 : -1.0) * (0.5 + fr_random_uniform(random));
    if (fill == FR_CHECK_RANDOM)
        return spread(random, has_weights(step) || step->kind == FR_STEP_CHAIN ? 1.0 : 5.0);
    if (step->kind == FR_STEP_REORDER) /* sixteenths: halves of int8 steps are among them */
        return between(random, -300, 300) / 16.0;
    if (step->kind == FR_STEP_ARGMAX)
        return between(random, -4, 4); /* ties */
    return has_weights(step) ? between(random, is_half ? -3 : -8, is_half ? 3 : 8) : between(random, -15, 15);
}

static double source_byte(const fr_step *step, int32_t which, fr_check_fill fill, fr_random *random) { /* as stored */
    bool is_signed = step->src[which].dtype == FR_S8;
    if (fr_step_first(step)->kind == FR_STEP_INGEST || (fill == FR_CHECK_EXACT && step->kind == FR_STEP_REORDER))
        return is_signed ? between(random, -128, 127) : between(random, 0, 255);
    if (step->kind == FR_STEP_BINARY && step->binary == FR_BINARY_DIV && which == 1)
        return is_signed ? between(random, 40, 127) : between(random, 64, 255);
    if (fill == FR_CHECK_RANDOM)
        return is_signed ? between(random, -127, 127) : between(random, 0, 255);
    int32_t reach = has_weights(step) && which == 0 ? 15 : 63;
    return between(random, is_signed ? -reach : 0, reach);
}

static fr_status make_source(fr_check_numbers *to, int32_t which, fr_random *random) {
    fr_tensor tensor = to->step.src[which];
    uint64_t count = fr_tensor_elements(&tensor) * (uint64_t)to->step.n;
    const fr_step *first = fr_step_first(&to->step);
    if (first->kind == FR_STEP_INGEST)
        count = (uint64_t)to->valid * (uint64_t)first->image_c * (uint64_t)tensor.h * (uint64_t)tensor.w;
    to->src_bytes[which] = count * fr_dtype_bytes((fr_dtype)tensor.dtype);
    to->src[which] = fr_alloc((size_t)to->src_bytes[which]);
    if (!to->src[which])
        return fr_no_memory((size_t)to->src_bytes[which], "a source");
    for (uint64_t i = 0; i < count; i++) {
        if (is_byte(tensor.dtype))
            fr_check_encode(tensor.dtype, 1.0f, to->src[which], i, source_byte(&to->step, which, to->fill, random));
        else
            fr_check_encode(tensor.dtype, 0.0f, to->src[which], i, source_number(&to->step, which, to->fill, random));
    }
    return FR_OK;
}

/* ---- weights ------------------------------------------------------------------------------------------------------ */

static float as_computed(uint16_t compute, double value) { /* weights that the compute precision holds */
    uint16_t half;
    if (compute == FR_PRECISION_TF32) { /* a 1 and ten bits behind it */
        int exponent;
        double fraction = frexp(value, &exponent);
        return (float)ldexp(rint(ldexp(fraction, 11)), exponent - 11);
    }
    if (compute != FR_PRECISION_BF16 && compute != FR_PRECISION_F16)
        return (float)value;
    uint16_t dtype = compute == FR_PRECISION_BF16 ? FR_BF16 : FR_F16;
    fr_check_encode(dtype, 0.0f, &half, 0, value);
    return (float)fr_check_decode(dtype, 0.0f, &half, 0);
}

/*
 * EXACT in f32 and tf32: dense small integers, factors that ten bits hold and sums far below 2^24. EXACT in the 16-bit types: about 32 taps of each sum are +-1 and the
 * rest 0, so that even partial sums stay below 256 and no rounding can happen. RANDOM: results of deviation 2. Links of a
 * chain: EXACT 8 taps of +-1, so that after ten layers sums are still far below 2^24; RANDOM results as large as the layer's
 * source after a ReLU.
 */
static double weight_number(const fr_step *step, fr_check_fill fill, bool is_link, double length, fr_random *random) {
    if (fill == FR_CHECK_RANDOM)
        return spread(random, (is_link ? 2.45 : 6.0) / sqrt(length));
    bool is_f32 = step->compute == FR_PRECISION_F32 || step->compute == FR_PRECISION_TF32;
    if (is_f32 && !is_link)
        return between(random, -4, 4);
    double sign = fr_random_next(random) & 1 ? 1.0 : -1.0;
    return fr_random_uniform(random) * length < (is_link ? 8.0 : 32.0) ? sign : 0.0;
}

static void *grab(uint64_t count, size_t item_bytes, fr_status *status) {
    void *block = fr_alloc_array((size_t)count, item_bytes);
    if (!block)
        *status = fr_no_memory((size_t)count * item_bytes, "a case's weights");
    return block;
}

/* Int8: real results have deviation 3. Deviations of what is multiplied: EXACT 8.8 (u8 to 15) and 4.3, RANDOM 147 and 73. */
static void set_int8_weights(const fr_step *step, fr_check_fill fill, double length, uint64_t count,
                             fr_check_weights *w, fr_random *random) {
    double scale =
        3.0 / (sqrt(length) * (fill == FR_CHECK_EXACT ? 8.8 * 4.3 : 147.0 * 73.0) * (double)step->src[0].scale);
    for (int32_t o = 0; o < step->dst.c; o++)
        w->weight_scale[o] = (float)(fill == FR_CHECK_EXACT ? exp2(floor(log2(scale)) + (double)(o % 2))
                                                            : scale * (0.5 + fr_random_uniform(random)));
    for (uint64_t i = 0; i < count; i++)
        w->weight_s8[i] = (int8_t)(fill == FR_CHECK_EXACT ? between(random, -7, 7) : between(random, -127, 127));
}

static fr_status make_weights(const fr_step *step, fr_check_fill fill, bool is_link, fr_random *random,
                              fr_check_weights *w, fr_weights *out_weights) {
    fr_status status = FR_OK;
    *out_weights = (fr_weights){.struct_bytes = sizeof *out_weights};
    if (step->kind == FR_STEP_INGEST &&
        (step->image_c > 1 || fill == FR_CHECK_RANDOM)) { /* one exact channel: none given */
        w->mean = grab((uint64_t)step->image_c, sizeof *w->mean, &status);
        w->scale = grab((uint64_t)step->image_c, sizeof *w->scale, &status);
        for (int32_t c = 0; status == FR_OK && c < step->image_c; c++) {
            w->mean[c] = (float)(fill == FR_CHECK_EXACT ? 16.0 * c : 100.0 + spread(random, 30.0));
            w->scale[c] = (float)(fill == FR_CHECK_EXACT ? 1.0 / 64.0 : 1.0 / (50.0 + spread(random, 10.0)));
        }
    }
    if (has_weights(step)) {
        bool is_int8 = step->compute == FR_PRECISION_INT8;
        double length = own_sum_length(step);
        uint64_t count = (uint64_t)length * (uint64_t)step->dst.c;
        if (is_int8) {
            w->weight_s8 = grab(count, 1, &status);
            w->weight_scale = grab((uint64_t)step->dst.c, sizeof *w->weight_scale, &status);
            if (status == FR_OK)
                set_int8_weights(step, fill, length, count, w, random);
        } else {
            w->weight = grab(count, sizeof *w->weight, &status);
            for (uint64_t i = 0; status == FR_OK && i < count; i++)
                w->weight[i] = as_computed(step->compute, weight_number(step, fill, is_link, length, random));
        }
        if (step->has_bias)
            w->bias = grab((uint64_t)step->dst.c, sizeof *w->bias, &status);
        for (int32_t o = 0; status == FR_OK && step->has_bias && o < step->dst.c; o++) {
            double unit = is_int8 ? (double)step->src[0].scale * (double)w->weight_scale[o] : 1.0;
            w->bias[o] =
                (float)(fill == FR_CHECK_RANDOM ? spread(random, 1.0)
                                                : between(random, is_int8 ? -64 : -4, is_int8 ? 64 : 4) * unit);
        }
    }
    out_weights->weight = w->weight;
    out_weights->bias = w->bias;
    out_weights->weight_s8 = w->weight_s8;
    out_weights->weight_scale = w->weight_scale;
    out_weights->mean = w->mean;
    out_weights->scale = w->scale;
    return status;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------ */

static fr_status copy_subs(const fr_step *from, fr_check_numbers *to) {
    to->step.sub = NULL;
    if (from->n_sub == 0)
        return FR_OK;
    size_t count = (size_t)from->n_sub;
    to->sub = fr_alloc_array(count, sizeof *to->sub);
    to->sub_weights = fr_alloc_array(count, sizeof *to->sub_weights);
    to->sub_owned = fr_alloc_array(count, sizeof *to->sub_owned);
    if (!to->sub || !to->sub_weights || !to->sub_owned)
        return fr_no_memory(count * sizeof *to->sub, "a chain's steps");
    memcpy(to->sub, from->sub, count * sizeof *to->sub);
    for (size_t i = 0; i < count; i++)
        to->sub[i].n = to->step.n;
    to->step.sub = to->sub;
    return FR_OK;
}

fr_status fr_check_numbers_make(const fr_step *step, const fr_weights *given, int32_t valid, fr_check_fill fill,
                                uint64_t seed, fr_check_numbers *out_numbers) {
    fr_random random = {seed};
    fr_status status = FR_OK;
    memset(out_numbers, 0, sizeof *out_numbers);
    out_numbers->fill = fill;
    out_numbers->step = *step;
    out_numbers->valid = valid;
    FR_GO(failed, copy_subs(step, out_numbers));
    out_numbers->step.inexact_ok =
        fill == FR_CHECK_RANDOM && (step->kind == FR_STEP_CONV || step->kind == FR_STEP_CHAIN);
    if (step->kind == FR_STEP_CHAIN && given) {
        out_numbers->weights = *given;
        for (int32_t i = 0; i < step->n_sub; i++)
            out_numbers->sub_weights[i] = given->sub[i];
    } else {
        if (step->kind != FR_STEP_CHAIN)
            set_scales(&out_numbers->step, fill, &random);
        FR_GO(failed,
              make_weights(&out_numbers->step, fill, false, &random, &out_numbers->owned, &out_numbers->weights));
        for (int32_t i = 0; i < step->n_sub; i++)
            FR_GO(failed, make_weights(&out_numbers->sub[i], fill, true, &random, &out_numbers->sub_owned[i],
                                       &out_numbers->sub_weights[i]));
    }
    out_numbers->weights.sub = out_numbers->sub_weights;
    for (int32_t i = 0; i < step->n_src; i++)
        FR_GO(failed, make_source(out_numbers, i, &random));
    return FR_OK;
failed:
    fr_check_numbers_free(out_numbers);
    return status;
}

static fr_status copy_abs(const float *from, uint64_t count, float **out_copy) {
    if (!from)
        return FR_OK;
    *out_copy = fr_alloc_array((size_t)count, sizeof **out_copy);
    if (!*out_copy)
        return fr_no_memory((size_t)count * sizeof **out_copy, "magnitudes");
    for (uint64_t i = 0; i < count; i++)
        (*out_copy)[i] = fabsf(from[i]);
    return FR_OK;
}

static fr_status abs_weights(fr_step *step, const fr_weights *from, fr_check_weights *w, fr_weights *out_weights) {
    uint64_t outputs = (uint64_t)step->dst.c, count = has_weights(step) ? (uint64_t)own_sum_length(step) * outputs : 0;
    step->act = FR_ACT_NONE;
    step->softmax = 0;
    *out_weights = (fr_weights){.struct_bytes = sizeof *out_weights};
    if (step->kind == FR_STEP_INGEST) {
        FR_TRY(copy_abs(from->mean, (uint64_t)step->image_c, &w->mean));
        FR_TRY(copy_abs(from->scale, (uint64_t)step->image_c, &w->scale));
        for (int32_t c = 0; w->mean && c < step->image_c; c++)
            w->mean[c] = -w->mean[c]; /* a pixel and a mean add up at worst */
    }
    FR_TRY(copy_abs(from->weight, count, &w->weight));
    FR_TRY(copy_abs(from->bias, outputs, &w->bias));
    FR_TRY(copy_abs(from->weight_scale, outputs, &w->weight_scale));
    if (from->weight_s8) {
        w->weight_s8 = fr_alloc((size_t)count);
        if (!w->weight_s8)
            return fr_no_memory((size_t)count, "magnitudes");
        for (uint64_t i = 0; i < count; i++)
            w->weight_s8[i] = (int8_t)(from->weight_s8[i] < 0 ? -from->weight_s8[i] : from->weight_s8[i]);
    }
    out_weights->weight = w->weight;
    out_weights->bias = w->bias;
    out_weights->weight_s8 = w->weight_s8;
    out_weights->weight_scale = w->weight_scale;
    out_weights->mean = w->mean;
    out_weights->scale = w->scale;
    return FR_OK;
}

fr_status fr_check_magnitude(const fr_check_numbers *from, fr_check_numbers *out_numbers) {
    fr_status status = FR_OK;
    memset(out_numbers, 0, sizeof *out_numbers);
    out_numbers->fill = from->fill;
    out_numbers->step = from->step;
    out_numbers->valid = from->valid;
    FR_GO(failed, copy_subs(&from->step, out_numbers));
    FR_GO(failed, abs_weights(&out_numbers->step, &from->weights, &out_numbers->owned, &out_numbers->weights));
    for (int32_t i = 0; i < from->step.n_sub; i++)
        FR_GO(failed, abs_weights(&out_numbers->sub[i], &from->sub_weights[i], &out_numbers->sub_owned[i],
                                  &out_numbers->sub_weights[i]));
    out_numbers->weights.sub = out_numbers->sub_weights;
    for (int32_t i = 0; i < from->step.n_src; i++) {
        const fr_tensor *t = &from->step.src[i];
        uint64_t bytes = from->src_bytes[i], count = bytes / fr_dtype_bytes((fr_dtype)t->dtype);
        out_numbers->src[i] = fr_alloc((size_t)bytes);
        out_numbers->src_bytes[i] = bytes;
        if (!out_numbers->src[i])
            FR_GO(failed, fr_no_memory((size_t)bytes, "magnitudes"));
        for (uint64_t k = 0; k < count; k++) {
            float unit = is_byte(t->dtype) ? 1.0f : 0.0f;
            fr_check_encode(t->dtype, unit, out_numbers->src[i], k,
                            fabs(fr_check_decode(t->dtype, unit, from->src[i], k)));
        }
    }
    return FR_OK;
failed:
    fr_check_numbers_free(out_numbers);
    return status;
}

static void free_weights(fr_check_weights *w) {
    void *blocks[] = {w->weight, w->bias, w->weight_scale, w->mean, w->scale, w->weight_s8};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        fr_free(blocks[i]);
}

void fr_check_numbers_free(fr_check_numbers *numbers) {
    for (int i = 0; i < FR_MAX_SRC; i++)
        fr_free(numbers->src[i]);
    free_weights(&numbers->owned);
    for (int32_t i = 0; numbers->sub_owned && i < numbers->step.n_sub; i++)
        free_weights(&numbers->sub_owned[i]);
    fr_free(numbers->sub);
    fr_free(numbers->sub_weights);
    fr_free(numbers->sub_owned);
    memset(numbers, 0, sizeof *numbers);
}
