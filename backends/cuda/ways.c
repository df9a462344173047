/* The libraries' ways as candidates, and made by a candidate's id. */
#include "ways.h"

#include <stdio.h>

#include "common/step_check.h"
#include "gpu/text.h"
#include "program.h"

static const cud_way *way_at(int64_t index) {
    if (index < 0 || index >= (int64_t)cud_n_dnn_ways + cud_n_lt_ways)
        return NULL;
    return index < cud_n_dnn_ways ? &cud_dnn_ways[index] : &cud_lt_ways[index - cud_n_dnn_ways];
}

/* ---- what a library has nothing for -------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, const int32_t *numbers, size_t count) {
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ (uint32_t)numbers[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t mix_tensor(uint64_t hash, const fr_tensor *t, uint16_t layout) {
    const int32_t numbers[] = {t->c, t->h, t->w, t->dtype, layout};
    return mix(hash, numbers, sizeof numbers / sizeof numbers[0]);
}

static uint64_t mix_window(uint64_t hash, const fr_window *w) {
    const int32_t numbers[] = {w->kh, w->kw,      w->sh,       w->sw,         w->dh,
                               w->dw, w->pad_top, w->pad_left, w->pad_bottom, w->pad_right};
    return mix(hash, numbers, sizeof numbers / sizeof numbers[0]);
}

/* Of the candidate's name and the step's shape, numbers in its activation left out. */
static uint64_t mix_step(uint64_t hash, const fr_step *s, const fr_candidate *c) {
    const int32_t numbers[] = {s->kind,     s->compute, s->n,      s->n_src, s->groups,     s->has_bias,
                               s->residual, s->act,     s->binary, s->pool,  s->inexact_ok, s->n_sub};
    hash = mix(hash, numbers, sizeof numbers / sizeof numbers[0]);
    for (int32_t i = 0; i < s->n_src; i++)
        hash = mix_tensor(hash, &s->src[i], c ? c->src_layout[i] : 0);
    hash = mix_tensor(hash, &s->dst, c ? c->dst_layout : 0);
    hash = mix_window(mix_window(hash, &s->win), &s->pool_win);
    for (int32_t i = 0; s->kind == FR_STEP_CHAIN && i < s->n_sub; i++)
        hash = mix_step(hash, &s->sub[i], NULL);
    return hash;
}

/* A way may be good for other steps: what is remembered is the way and the step. */
static void memory_name(const fr_step *step, const fr_candidate *c, char out[48]) {
    uint64_t hash = mix_step(gpu_hash_text(GPU_HASH_START, c->name), step, c);
    (void)snprintf(out, 48, "way %016llx", (unsigned long long)hash);
}

/* ---- offered ----------------------------------------------------------------------------------------------------------- */

static const char *name_of(void *user, int32_t index, uint32_t *out_kinds) {
    const cud_way *way = way_at(index);
    (void)user;
    *out_kinds = way->kinds;
    return way->name;
}

static void fit(void *user, int32_t index, const fr_step *step, fr_candidate *candidate, double *out_ns) {
    fr_device *device = ((cud_ways *)user)->device;
    const cud_way *way = way_at(index);
    char name[48];
    way->fit(device, step, way, candidate, out_ns);
    if (candidate->refused)
        return;
    memory_name(step, candidate, name);
    if (gpu_bad_verdict(&device->bad, name) !=
        FR_WHY_NOT) /* of this step alone: DRIVER would say that the way is no good here */
        candidate->refused = FR_WHY_SHAPE;
}

void cud_ways_offer(cud_ways *ways, gpu_others *out_others) {
    *out_others = (gpu_others){.count = cud_n_dnn_ways + cud_n_lt_ways, .user = ways, .name = name_of, .fit = fit};
}

/* ---- made ---------------------------------------------------------------------------------------------------------------- */

fr_status cud_way_make(fr_device *device, const fr_step *step, const fr_candidate *candidate, const fr_weights *weights,
                       cud_op **out_op) {
    const fr_host *host = device->base.host;
    const cud_way *way = way_at((int64_t)candidate->id - GPU_OTHERS);
    fr_candidate again = *candidate;
    double ns = 0;
    char name[48];
    *out_op = NULL;
    if (!way)
        return host_fail(host, FR_INVALID, "no such kernel: %s", candidate->name);
    HOST_TRY(gpu_check_layouts(host, step, candidate));
    fr_reason wrong = step_check(step); /* asked again: libraries are not to be entered with a step that was refused */
    if (!wrong)
        way->fit(device, step, way, &again, &ns);
    if (wrong || again.refused || !(way->kinds & GPU_KIND(step->kind)))
        return host_fail(host, FR_UNSUPPORTED, "kernel %s does not run this step", candidate->name);
    fr_status status = way->make(device, step, way, weights, out_op);
    if (status != FR_UNSUPPORTED)
        return status;
    HOST_TRY(cud_check_there(device, "compiling", candidate->name)); /* a lost device offers nothing either */
    memory_name(step, candidate, name);
    if (gpu_bad_add(host, &device->bad, name))
        host->log(3, "cuda: %s is left out for such steps on %s: the library has nothing for them", candidate->name,
                  device->found->facts.name);
    return status;
}
