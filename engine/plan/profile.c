#include "plan/profile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"
#include "plan/shrink.h"
#include "plan/step_name.h"

static const double far_away = 6; /* powers of two between two steps, beyond which one says nothing of the other */

void fr_profile_free(fr_profile *profile) {
    for (size_t i = 0; i < profile->count; i++)
        fr_free(profile->steps[i].times);
    fr_free(profile->steps);
    memset(profile, 0, sizeof *profile);
}

/* ---- what a step is known by ---------------------------------------------------------------------------------- */

void fr_profile_shape(const fr_step *step, char out[FR_PROFILE_SHAPE]) {
    fr_step one = *step;
    fr_hash hash = {step->compute, 0};
    char name[FR_PROFILE_SHAPE - 20];
    one.n = 1;
    for (int32_t i = 0; i < step->n_sub; i++) { /* a chain's word does not hold all its links are */
        fr_step sub = step->sub[i];
        sub.n = 1;
        fr_step_name(&sub, sub.images, name, sizeof name);
        hash = fr_hash_bytes(name, strlen(name), hash);
    }
    fr_step_name(&one, one.images, name, sizeof name);
    snprintf(out, FR_PROFILE_SHAPE, "%s.%016llx", name, (unsigned long long)hash.a);
}

static void put_kind(const fr_step *step, char out[FR_PROFILE_SHAPE]) {
    const fr_window *k = &step->win, *p = &step->pool_win;
    const char *groups = step->groups <= 1 ? "whole" : step->groups == step->src[0].c ? "depthwise" : "grouped";
    out[0] = 0;
    if (step->kind == FR_STEP_CHAIN)
        return;
    int used = snprintf(out, FR_PROFILE_SHAPE, "%d in %d: %d.%d.%d>%d", step->kind, step->compute, step->src[0].dtype,
                        step->n_src, step->src[0].layout, step->dst.dtype);
    if (step->kind == FR_STEP_CONV)
        used += snprintf(out + used, FR_PROFILE_SHAPE - (size_t)used, " %dx%ds%dx%dd%dx%d %s%s", k->kh, k->kw, k->sh,
                         k->sw, k->dh, k->dw, groups, step->residual ? " residual" : "");
    if (step->pool)
        used += snprintf(out + used, FR_PROFILE_SHAPE - (size_t)used, " pool %d %dx%ds%dx%d", step->pool, p->kh, p->kw,
                         p->sh, p->sw);
    if (step->kind == FR_STEP_BINARY || step->kind == FR_STEP_UNARY)
        snprintf(out + used, FR_PROFILE_SHAPE - (size_t)used, " op %d %d", step->binary, step->act);
}

static void describe(const fr_step *step, fr_profile_step *out) {
    memset(out, 0, sizeof *out);
    fr_profile_shape(step, out->shape);
    put_kind(step, out->kind);
    out->n = step->n;
    out->c_in = step->src[0].c;
    out->c_out = step->dst.c;
    out->places = step->dst.h * step->dst.w;
    out->work = fr_step_work(step);
}

/* ---- putting in ------------------------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b) {
    double x = ((const fr_profile_time *)a)->ns, y = ((const fr_profile_time *)b)->ns;
    return (x > y) - (x < y);
}

static fr_profile_step *find_same(const fr_profile *profile, const char *shape, int32_t n) {
    for (size_t i = 0; i < profile->count; i++)
        if (profile->steps[i].n == n && strcmp(profile->steps[i].shape, shape) == 0)
            return &profile->steps[i];
    return NULL;
}

static fr_profile_step *new_step(fr_profile *profile) {
    if (profile->count == profile->capacity) {
        size_t capacity = profile->capacity ? 2 * profile->capacity : 64;
        fr_profile_step *steps = fr_grow_array(profile->steps, profile->capacity, capacity, sizeof *steps);
        if (!steps)
            return NULL;
        profile->steps = steps;
        profile->capacity = capacity;
    }
    return &profile->steps[profile->count++];
}

fr_status fr_profile_insert(fr_profile *profile, const fr_profile_step *made, const fr_profile_time *times,
                            int32_t n_times) {
    fr_profile_time *copy = fr_alloc_array((size_t)n_times, sizeof *copy);
    fr_profile_step *at = find_same(profile, made->shape, made->n);
    bool is_new = !at;
    if (copy && is_new)
        at = new_step(profile);
    if (!copy || !at) {
        fr_free(copy);
        return fr_no_memory((size_t)n_times * sizeof *copy, "the device profile");
    }
    if (!is_new)
        fr_free(at->times);
    memcpy(copy, times, (size_t)n_times * sizeof *copy);
    qsort(copy, (size_t)n_times, sizeof *copy, by_time);
    *at = *made;
    at->times = copy;
    at->n_times = n_times;
    for (int32_t i = 0; i < n_times && at->untuned_ns <= 0; i++)
        if (strcmp(copy[i].name, at->untuned) == 0)
            at->untuned_ns = copy[i].ns;
    return FR_OK;
}

fr_status fr_profile_put(fr_profile *profile, const fr_step *step, const char *untuned, const fr_profile_time *times,
                         int32_t n_times) {
    fr_profile_step made;
    if (n_times < 1)
        return fr_fail(FR_INVALID, "a step without times says nothing");
    describe(step, &made);
    snprintf(made.untuned, sizeof made.untuned, "%s", untuned);
    return fr_profile_insert(profile, &made, times, n_times);
}

/* ---- looking up --------------------------------------------------------------------------------------------------- */

static double apart(double a, double b) {
    return fabs(log2((a > 0 ? a : 1) / (b > 0 ? b : 1)));
}

/* Channels decide which kernel fits; more places and inputs are more of the same. */
static double distance(const fr_profile_step *a, const fr_profile_step *b) {
    return apart(a->c_in, b->c_in) + apart(a->c_out, b->c_out) + 0.5 * apart(a->places, b->places) +
           0.25 * apart(a->n, b->n);
}

fr_profile_match fr_profile_find(const fr_profile *profile, const fr_step *step, const fr_profile_step **out_step,
                                 double *out_scale) {
    fr_profile_step wanted;
    double least = far_away;
    *out_step = NULL;
    *out_scale = 1;
    if (profile->count == 0)
        return FR_PROFILE_NONE;
    describe(step, &wanted);
    *out_step = find_same(profile, wanted.shape, wanted.n);
    if (*out_step)
        return FR_PROFILE_EXACT;
    for (size_t i = 0; i < profile->count && wanted.kind[0]; i++) {
        const fr_profile_step *s = &profile->steps[i];
        double far = strcmp(s->kind, wanted.kind) == 0 ? distance(s, &wanted) : far_away;
        if (far < least) {
            least = far;
            *out_step = s;
        }
    }
    if (!*out_step)
        return FR_PROFILE_NONE;
    *out_scale = (*out_step)->work > 0 ? wanted.work / (*out_step)->work : 1;
    return FR_PROFILE_NEAR;
}

double fr_profile_ns(const fr_profile_step *step, double scale, const fr_candidate *candidate) {
    for (int32_t i = 0; i < step->n_times; i++) {
        const fr_profile_time *t = &step->times[i];
        if (t->src_layout == candidate->src_layout[0] && t->dst_layout == candidate->dst_layout &&
            strcmp(t->name, candidate->name) == 0)
            return t->ns * scale;
    }
    return 0;
}
