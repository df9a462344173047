/* Steps of the conformance suite with weights of exactly their size, so that a read past the end is seen. */
#ifndef FR_TESTS_UNIT_GPU_STEPS_H
#define FR_TESTS_UNIT_GPU_STEPS_H

#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "gpu/gpu.h"

typedef struct weighted {
    fr_step step, sub[CONF_MAX_SUB];
    fr_weights weights, sub_weights[CONF_MAX_SUB];
} weighted;

static bool is_byte(uint16_t dtype) {
    return dtype == FR_U8 || dtype == FR_S8;
}

static void set_scales(fr_step *step) {
    for (int32_t i = 0; i < step->n_src; i++)
        step->src[i].scale = is_byte(step->src[i].dtype) && fr_step_first(step)->kind != FR_STEP_INGEST ? 0.5f : 0.0f;
    step->dst.scale = is_byte(step->dst.dtype) ? 0.5f : 0.0f;
}

static void *exactly(size_t count, size_t item) {
    return calloc(count ? count : 1, item);
}

static void weights_make(const fr_step *step, fr_weights *w) {
    size_t outs = (size_t)step->dst.c, each = (size_t)step->src[0].c;
    *w = (fr_weights){.struct_bytes = sizeof *w};
    if (step->kind == FR_STEP_CONV)
        each = each / (size_t)step->groups * (size_t)step->win.kh * (size_t)step->win.kw;
    if (step->kind == FR_STEP_FC)
        each = each * (size_t)step->src[0].h * (size_t)step->src[0].w;
    if (step->kind == FR_STEP_CONV || step->kind == FR_STEP_FC) {
        if (step->compute == FR_PRECISION_INT8) {
            w->weight_s8 = exactly(outs * each, 1);
            w->weight_scale = exactly(outs, sizeof(float));
        } else {
            w->weight = exactly(outs * each, sizeof(float));
        }
        w->bias = step->has_bias ? exactly(outs, sizeof(float)) : NULL;
    }
    if (step->kind == FR_STEP_INGEST) {
        w->mean = exactly((size_t)step->image_c, sizeof(float));
        w->scale = exactly((size_t)step->image_c, sizeof(float));
    }
}

static void weights_free(const fr_weights *w) {
    const void *blocks[] = {w->weight, w->bias, w->weight_s8, w->weight_scale, w->mean, w->scale};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        free((void *)(uintptr_t)blocks[i]);
}

static void weighted_make(const conf_case *from, weighted *out) {
    memset(out, 0, sizeof *out);
    out->step = from->step;
    set_scales(&out->step);
    weights_make(&out->step, &out->weights);
    for (int32_t i = 0; i < from->step.n_sub; i++) {
        out->sub[i] = from->sub[i];
        set_scales(&out->sub[i]);
        weights_make(&out->sub[i], &out->sub_weights[i]);
    }
    if (from->step.n_sub) {
        out->step.sub = out->sub;
        out->weights.sub = out->sub_weights;
    }
}

static void weighted_free(weighted *w) {
    weights_free(&w->weights);
    for (int32_t i = 0; i < w->step.n_sub; i++)
        weights_free(&w->sub_weights[i]);
}

static fr_step settled(const fr_step *step, const fr_candidate *c) {
    fr_step with = *step;
    for (int32_t s = 0; s < step->n_src; s++)
        with.src[s].layout = c->src_layout[s];
    with.dst.layout = c->dst_layout;
    return with;
}

#endif
