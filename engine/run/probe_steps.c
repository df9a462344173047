/* A probe's points as steps, with weights and names. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"
#include "check/make.h"
#include "run/prober.h"

/* ---- steps -------------------------------------------------------------------------------------------------------- */

static fr_make_type type_of(uint16_t precision) {
    switch (precision) {
    case FR_PRECISION_F16: return FR_MAKE_F16;
    case FR_PRECISION_BF16: return FR_MAKE_BF16;
    case FR_PRECISION_INT8: return FR_MAKE_INT8;
    case FR_PRECISION_TF32: return FR_MAKE_TF32;
    default: return FR_MAKE_F32;
    }
}

static bool is_plausible(const fr_probe_point *p) {
    bool is_end = p->kind == FR_STEP_INGEST || p->kind == FR_STEP_EMIT;
    if (p->n < 1 || p->c_in < 1 || p->c_out < 1 || p->h < 1 || p->w < 1 || p->precision == FR_PRECISION_F64)
        return false;
    if (p->kind == FR_STEP_CONV)
        return p->kernel >= 1 && p->kernel <= 2 * (p->h < p->w ? p->h : p->w) && p->groups >= 1 &&
               p->c_in % p->groups == 0 && p->c_out % p->groups == 0;
    return !is_end || p->images >= 1;
}

static fr_step make_fc(const fr_probe_point *p) {
    fr_step step = fr_make_step(FR_STEP_FC, p->n, p->c_in, p->h, p->w);
    step.dst = (fr_tensor){.c = p->c_out, .h = 1, .w = 1};
    step.has_bias = 1;
    return step;
}

static fr_step make_binary(const fr_probe_point *p) {
    fr_step step = fr_make_step(FR_STEP_BINARY, p->n, p->c_in, p->h, p->w);
    step.n_src = 2;
    step.src[1] = step.src[0];
    step.binary = FR_BINARY_ADD;
    step.act = FR_ACT_RELU;
    return step;
}

/* Where a session computes in 8 bits, its first and its last layer stay real, and so do their ends. */
static fr_step make_end(const fr_probe_point *p) {
    bool is_ingest = p->kind == FR_STEP_INGEST;
    fr_make_type type = type_of(p->precision);
    fr_step step = fr_make_step((fr_step_kind)p->kind, p->n, p->c_in, p->h, p->w);
    fr_make_of_type(&step, type == FR_MAKE_INT8 ? FR_MAKE_F32 : type);
    step.images = p->images;
    if (is_ingest) {
        step.image_c = p->c_out / p->images > 0 ? p->c_out / p->images : 1;
        step.src[0] =
            (fr_tensor){.c = step.image_c, .h = p->h, .w = p->w, .dtype = FR_U8, .layout = FR_LAYOUT_USER_HWC};
        step.dst.c = step.image_c * p->images;
    } else {
        int32_t classes = p->c_in / p->images > 0 ? p->c_in / p->images : 1;
        step.src[0].c = classes * p->images;
        step.dst = (fr_tensor){.c = classes, .h = 1, .w = 1, .dtype = FR_F32, .layout = FR_LAYOUT_NCHW};
    }
    return step;
}

static void set_scales(fr_step *step) {
    for (int32_t i = 0; i <= step->n_src; i++) {
        fr_tensor *t = i < step->n_src ? &step->src[i] : &step->dst;
        t->scale = t->dtype == FR_U8 || t->dtype == FR_S8 ? 0.03125f : 0;
    }
}

fr_status fr_probe_step(const fr_probe_point *p, fr_step *out_step) {
    bool fits = is_plausible(p);
    fr_window pool = fr_make_window(p->pool_kernel, p->pool_stride, 0);
    if (fits && (p->kind == FR_STEP_INGEST || p->kind == FR_STEP_EMIT)) {
        *out_step = make_end(p);
        return FR_OK;
    }
    if (fits && p->kind == FR_STEP_CONV)
        *out_step =
            fr_make_conv(p->n, p->c_in, p->h, p->w, p->c_out, fr_make_window(p->kernel, 1, p->kernel / 2), p->groups);
    else if (fits && p->kind == FR_STEP_FC)
        *out_step = make_fc(p);
    else if (fits && p->kind == FR_STEP_BINARY)
        *out_step = make_binary(p);
    else
        *out_step = fr_make_step((fr_step_kind)p->kind, p->n, p->c_in, p->h, p->w);
    if (fits && (p->kind == FR_STEP_POOL || p->pool_kernel > 0))
        fits = p->pool_kernel > 0 && p->pool_stride > 0 && fr_make_pooled(out_step, FR_POOL_MAX, pool, false);
    if (!fits)
        return fr_fail(FR_UNSUPPORTED, "a point of the device's profile is no step");
    if (p->kind == FR_STEP_UNARY)
        out_step->act = FR_ACT_RELU;
    out_step->inexact_ok = p->kind == FR_STEP_CONV;
    fr_make_of_type(out_step, type_of(p->precision));
    set_scales(out_step);
    return FR_OK;
}

/* ---- weights ------------------------------------------------------------------------------------------------------ */

static fr_status grow_weights(fr_probe_kit *kit, size_t count) {
    fr_random random = {kit->n_weights};
    if (count <= kit->n_weights)
        return FR_OK;
    float *weight = fr_grow_array(kit->weight, kit->n_weights, count, sizeof *weight);
    kit->weight = weight ? weight : kit->weight;
    int8_t *weight_s8 = fr_grow_array(kit->weight_s8, kit->n_weights, count, 1);
    kit->weight_s8 = weight_s8 ? weight_s8 : kit->weight_s8;
    if (!weight || !weight_s8)
        return fr_no_memory(count * sizeof *weight, "a step's weights");
    for (size_t i = kit->n_weights; i < count; i++) {
        weight_s8[i] = (int8_t)(fr_random_next(&random) >> 57);
        weight[i] = (float)(weight_s8[i] - 64) / 1024.0f;
    }
    kit->n_weights = count;
    return FR_OK;
}

static fr_status grow_outputs(fr_probe_kit *kit, size_t count) {
    if (count <= kit->n_outputs)
        return FR_OK;
    float *bias = fr_grow_array(kit->bias, kit->n_outputs, count, sizeof *bias);
    kit->bias = bias ? bias : kit->bias;
    float *scale = fr_grow_array(kit->weight_scale, kit->n_outputs, count, sizeof *scale);
    kit->weight_scale = scale ? scale : kit->weight_scale;
    if (!bias || !scale)
        return fr_no_memory(count * sizeof *bias, "a step's weights");
    for (size_t i = kit->n_outputs; i < count; i++) {
        bias[i] = 0.5f;
        scale[i] = 0.0009765625f;
    }
    kit->n_outputs = count;
    return FR_OK;
}

fr_status fr_probe_kit_for(fr_probe_kit *kit, const fr_step *step, fr_weights *out_weights) {
    const fr_tensor *in = &step->src[0];
    size_t each = 0, count = 0;
    *out_weights = (fr_weights){.struct_bytes = sizeof *out_weights};
    if (step->kind == FR_STEP_CONV)
        each = (size_t)(in->c / step->groups) * (size_t)step->win.kh * (size_t)step->win.kw;
    else if (step->kind == FR_STEP_FC)
        each = (size_t)in->c * (size_t)in->h * (size_t)in->w;
    if (each == 0)
        return FR_OK;
    if (!fr_size_mul(each, (size_t)step->dst.c, &count))
        return fr_no_memory(SIZE_MAX, "a step's weights");
    FR_TRY(grow_weights(kit, count));
    FR_TRY(grow_outputs(kit, (size_t)step->dst.c));
    out_weights->weight = kit->weight;
    out_weights->bias = kit->bias;
    if (step->compute == FR_PRECISION_INT8) {
        out_weights->weight_s8 = kit->weight_s8;
        out_weights->weight_scale = kit->weight_scale;
    }
    return FR_OK;
}

void fr_probe_kit_free(fr_probe_kit *kit) {
    fr_free(kit->weight);
    fr_free(kit->bias);
    fr_free(kit->weight_scale);
    fr_free(kit->weight_s8);
    memset(kit, 0, sizeof *kit);
}

/* ---- names -------------------------------------------------------------------------------------------------------- */

static const char *kind_word(uint16_t kind) {
    switch (kind) {
    case FR_STEP_FC: return "fc";
    case FR_STEP_POOL: return "pool";
    case FR_STEP_BINARY: return "add";
    case FR_STEP_UNARY: return "relu";
    case FR_STEP_INGEST: return "ingest";
    case FR_STEP_EMIT: return "emit";
    default: return "conv";
    }
}

void fr_probe_point_name(const fr_probe_point *p, char *out, size_t bytes) {
    char what[48], channels[48];
    snprintf(what, sizeof what, "%s", kind_word(p->kind));
    if (p->kind == FR_STEP_CONV)
        snprintf(what, sizeof what, "conv %dx%d%s%s", p->kernel, p->kernel, p->groups > 1 ? " grouped" : "",
                 p->pool_kernel > 0 ? " and pool" : "");
    if (p->c_in == p->c_out)
        snprintf(channels, sizeof channels, "%d channels", p->c_in);
    else
        snprintf(channels, sizeof channels, "%d to %d channels", p->c_in, p->c_out);
    snprintf(out, bytes, "%s: %s, %s, %dx%d, %d input%s", fr_precision_name((fr_precision)p->precision), what, channels,
             p->h, p->w, p->n, p->n == 1 ? "" : "s");
}
