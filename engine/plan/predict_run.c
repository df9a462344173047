/* A whole run: lanes that take blocks in turn, groups inside a block, what is transferred, and the memory of it all. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "plan/groups.h"
#include "plan/predict_parts.h"

/* ---- steps at a precision ----------------------------------------------------------------------------------------- */

static fr_dtype dtype_at(fr_dtype had, fr_precision precision) {
    if (had != FR_F32 && had != FR_F16 && had != FR_BF16)
        return had;
    switch (precision) {
    case FR_PRECISION_F16: return FR_F16;
    case FR_PRECISION_BF16: return FR_BF16;
    case FR_PRECISION_INT8: return FR_U8;
    default: return FR_F32;
    }
}

/* As they would be lowered: logits and what the user sees stay as they are. */
static void set_dtypes(fr_steps *view, fr_precision precision) {
    for (int32_t i = 0; i < view->n_items; i++) {
        fr_step_item *item = &view->items[i];
        for (int32_t s = 0; s <= item->step.n_src; s++) {
            fr_tensor *t = s == item->step.n_src ? &item->step.dst : &item->step.src[s];
            int32_t slot = s == item->step.n_src ? item->dst : item->src[s];
            bool is_logits = i + 1 == view->n_items || (i + 2 == view->n_items && s == item->step.n_src);
            if (slot >= 0 && view->slots[slot].value >= 0 && !is_logits)
                t->dtype = (uint16_t)dtype_at((fr_dtype)t->dtype, precision);
        }
    }
}

fr_status fr_costed_make(const fr_predictor *predictor, const fr_steps *steps, fr_precision precision, fr_costed *out) {
    double ops = 0, channels = 0;
    memset(out, 0, sizeof *out);
    out->predictor = predictor;
    out->precision = precision;
    out->view = *steps;
    out->view.items = fr_alloc_array((size_t)steps->n_items + 1, sizeof *out->view.items);
    out->costs = fr_alloc_array((size_t)steps->n_items + 1, sizeof *out->costs);
    if (!out->view.items || !out->costs) {
        fr_costed_free(out);
        return fr_no_memory((size_t)steps->n_items * sizeof *out->view.items, "a prediction");
    }
    memcpy(out->view.items, steps->items, (size_t)steps->n_items * sizeof *steps->items);
    set_dtypes(&out->view, precision);
    for (int32_t i = 0; i < steps->n_items; i++) {
        const fr_step *s = &steps->items[i].step;
        out->costs[i] = fr_step_cost_of(predictor, s, precision);
        out->weight_bytes += out->costs[i].weight_bytes;
        out->by_basis[out->costs[i].basis]++;
        if (s->kind == FR_STEP_CONV) {
            double groups = s->groups > 1 ? s->groups : 1;
            ops += out->costs[i].ops;
            channels += out->costs[i].ops * log(sqrt((double)s->src[0].c * s->dst.c) / groups);
        }
    }
    const fr_tensor *image = &steps->items[0].step.src[0];
    double all = 0;
    for (int32_t i = 0; i < steps->n_items; i++)
        all += out->costs[i].ops;
    out->ops_per_image = (all > 1 ? all : 1) / (steps->fold > 0 ? steps->fold : 1);
    out->mean_channels = ops > 0 ? channels / ops : log(32);
    out->image_bytes = (double)image->c * image->h * image->w * (double)fr_dtype_bytes((fr_dtype)image->dtype);
    out->input_bytes = fr_group_input_bytes(&out->view);
    return FR_OK;
}

void fr_costed_free(fr_costed *costed) {
    fr_free(costed->view.items);
    fr_free(costed->costs);
    memset(costed, 0, sizeof *costed);
}

/* One apart is about as far as a run should be believed. */
void fr_costed_place(const fr_costed *c, int64_t batch, double out[3]) {
    out[0] = log(c->ops_per_image) / 1.5;
    out[1] = log((double)batch) / 2;
    out[2] = c->mean_channels / 0.5;
}

/* ---- a way to run it ------------------------------------------------------------------------------------------------- */

typedef struct way {
    int32_t group, block, head_group; /* steps before the first fully connected one may take fewer at once */
    int32_t lanes;
    double steps_ns;
} way;

static fr_company company_of(const fr_costed *c, fr_schedule schedule, int32_t lanes) {
    const fr_probe *probe = c->predictor->probe;
    double most = probe->cache_bytes[2] > 0 ? (double)probe->cache_bytes[2] : (double)probe->cache_bytes[1];
    fr_company with = {.lanes = lanes,
                       .slow = fr_lanes_slow(probe, c->precision, lanes),
                       .is_wide = schedule == FR_SCHEDULE_LAYERS,
                       .cache_bytes = most};
    double cached = fmax(probe->cache_bandwidth, probe->bandwidth); /* measured on a busy machine, it may be less */
    with.byte_ns = probe->bandwidth > 0 ? lanes / probe->bandwidth * 1e9 : 0;
    with.cache_byte_ns = cached > 0 ? lanes / cached * 1e9 : 0;
    return with;
}

static int32_t first_fc(const fr_costed *c) {
    for (int32_t i = 0; i < c->view.n_items; i++)
        if (c->view.items[i].step.kind == FR_STEP_FC)
            return i;
    return c->view.n_items;
}

static double launches_ns(const fr_costed *c, const fr_company *with, int32_t first, int32_t end, double n) {
    double ns = 0;
    for (int32_t i = first; i < end; i++)
        ns += fr_step_cost_ns(c->predictor->probe, &c->costs[i], with, n);
    return ns;
}

static double parts(double whole, double part) {
    return ceil(whole / part - 1e-9);
}

/* The lane with most to do: whole blocks, and the last one's groups as far as there are inputs. A group is never computed in part. */
static double lane_ns(int64_t inputs, int32_t lanes, int32_t block, int32_t group, int32_t head_group, double head,
                      double tail) {
    int64_t blocks = (inputs + block - 1) / block, rounds = (blocks + lanes - 1) / lanes;
    double of_block = parts(block, head_group) * head + parts(block, group) * tail;
    int64_t left = inputs - (blocks - 1) * block;
    double of_last = parts((double)left, head_group) * head + parts((double)left, group) * tail;
    bool last_alone = blocks == 1 || (blocks - 1) % lanes == 0; /* the last round is the last block's */
    return (double)(rounds - 1) * of_block + (last_alone ? of_last : of_block);
}

static int32_t lanes_of(const fr_costed *c, int64_t inputs, int32_t asked) {
    const fr_probe *probe = c->predictor->probe;
    int32_t lanes = asked > 0 ? asked : probe->lanes > 0 ? (int32_t)probe->lanes : 1;
    return inputs < lanes && probe->kind == FR_DEVICE_CPU ? 1 : lanes;
}

static void consider(int64_t inputs, int32_t lanes, const way *tried, double head, double tail, way *best) {
    way w = *tried;
    w.steps_ns = lane_ns(inputs, lanes, w.block, w.group, w.head_group, head, tail);
    if (best->steps_ns <= 0 || w.steps_ns < best->steps_ns * (1 - 1e-9))
        *best = w;
}

/* The best of the groups that a session would measure. */
static way best_way(const fr_costed *c, fr_schedule schedule, int64_t inputs, int32_t asked_lanes) {
    const fr_probe *probe = c->predictor->probe;
    int32_t lanes = lanes_of(c, inputs, asked_lanes);
    fr_group_question question = {.is_cpu = probe->kind == FR_DEVICE_CPU,
                                  .is_software = (probe->flags & FR_DEVICE_SOFTWARE) != 0,
                                  .lanes = lanes,
                                  .inputs = inputs,
                                  .schedule = schedule,
                                  .input_bytes = c->input_bytes,
                                  .cache_bytes = probe->cache_bytes[2],
                                  .memory_bytes = probe->memory_bytes};
    fr_menu menu = {.n_groups = 0};
    fr_groups_choose(&question, &menu);
    bool is_cores = probe->kind == FR_DEVICE_CPU, has_tail = is_cores && !question.is_software;
    bool whole_share = is_cores && schedule == FR_SCHEDULE_LAYERS;
    int32_t fc = has_tail && !whole_share ? first_fc(c) : c->view.n_items;
    double head[FR_MAX_GROUPS], tail[FR_MAX_GROUPS];
    way best = {.lanes = lanes};
    for (int32_t g = whole_share ? menu.n_groups - 1 : 0; g < menu.n_groups; g++) {
        int64_t blocks = (inputs + menu.groups[g] - 1) / menu.groups[g];
        int32_t busy = blocks < lanes ? (int32_t)blocks : lanes;
        fr_company with = company_of(c, schedule, busy);
        head[g] = launches_ns(c, &with, 0, fc, menu.groups[g]);
        tail[g] = launches_ns(c, &with, fc, c->view.n_items, menu.groups[g]);
        way w = {.group = menu.groups[g], .block = menu.groups[g], .head_group = menu.groups[g], .lanes = busy};
        consider(inputs, lanes, &w, head[g], tail[g], &best);
        for (int32_t small = 0; small < g && fc < c->view.n_items && !whole_share; small++) {
            w.head_group = menu.groups[small];
            consider(inputs, lanes, &w, head[small], tail[g], &best);
        }
    }
    return best;
}

/* ---- memory ----------------------------------------------------------------------------------------------------------- */

/* Placed as a plan places it, in plain layouts: a blocked one pads its channels, and scratch comes on top. */
static fr_status place_arena(const fr_costed *c, const way *w, uint64_t *out) {
    fr_candidate plain = {.struct_bytes = sizeof plain, .dst_layout = FR_LAYOUT_NCHW};
    fr_plan plan;
    fr_status status = FR_OK;
    size_t n = (size_t)c->view.n_items;
    const fr_candidate **candidates = fr_alloc_array(n, sizeof *candidates);
    int32_t *groups = fr_alloc_array(n, sizeof *groups), fc = first_fc(c);
    for (int32_t s = 0; s < FR_MAX_SRC; s++)
        plain.src_layout[s] = FR_LAYOUT_NCHW;
    *out = 0;
    if (!candidates || !groups) {
        status = fr_no_memory(n * sizeof *candidates, "a prediction");
        goto cleanup;
    }
    for (int32_t i = 0; i < c->view.n_items; i++) {
        candidates[i] = &plain;
        groups[i] = i < fc ? w->head_group : w->group;
    }
    fr_plan_choice choice = {.candidates = candidates, .groups = groups, .block = w->block};
    FR_GO(cleanup, fr_plan_build(&c->view, &choice, &plan));
    *out = plan.arena_bytes;
    fr_plan_free(&plan);
cleanup:
    fr_free(candidates);
    fr_free(groups);
    return status;
}

static fr_status arena_bytes(fr_costed *c, const way *w, uint64_t *out) {
    int32_t known = c->n_arenas < FR_COSTED_ARENAS ? c->n_arenas : FR_COSTED_ARENAS;
    for (int32_t i = 0; i < known; i++) {
        const fr_costed_arena *a = &c->arenas[i];
        if (a->group == w->group && a->head_group == w->head_group && a->block == w->block) {
            *out = a->bytes;
            return FR_OK;
        }
    }
    FR_TRY(place_arena(c, w, out));
    c->arenas[c->n_arenas++ % FR_COSTED_ARENAS] =
        (fr_costed_arena){.group = w->group, .head_group = w->head_group, .block = w->block, .bytes = *out};
    return FR_OK;
}

/* ---- a run -------------------------------------------------------------------------------------------------------------- */

/* What no lane's work hides: with two lanes the first block's share, with one all of it. */
static double with_transfers(double steps_ns, double transfer_ns, int32_t lanes, int64_t blocks) {
    if (lanes < 2)
        return steps_ns + transfer_ns;
    return fmax(steps_ns, transfer_ns) + fmin(steps_ns, transfer_ns) / (double)blocks;
}

fr_status fr_costed_run(fr_costed *c, fr_schedule schedule, int64_t batch, int32_t asked_lanes, fr_prediction *out) {
    const fr_probe *probe = c->predictor->probe;
    const fr_steps *steps = &c->view;
    int32_t fold = steps->fold > 0 ? steps->fold : 1;
    memset(out, 0, sizeof *out);
    if (batch < 1)
        return fr_fail(FR_INVALID, "a run needs at least one image");
    int64_t inputs = (batch + fold - 1) / fold;
    way w = best_way(c, schedule, inputs, asked_lanes);
    uint64_t arena;
    FR_TRY(arena_bytes(c, &w, &arena));
    double in = (double)batch * c->image_bytes, answers = (double)batch * steps->classes * 4;
    bool moves = probe->write_bandwidth > 0 || probe->read_bandwidth > 0;
    out->transfer_ns = (probe->write_bandwidth > 0 ? in / probe->write_bandwidth * 1e9 : 0) +
                       (probe->read_bandwidth > 0 ? answers / probe->read_bandwidth * 1e9 : 0);
    out->steps_ns = w.steps_ns;
    out->fixed_ns = probe->run_ns;
    out->run_ns =
        with_transfers(w.steps_ns, out->transfer_ns, w.lanes, (inputs + w.block - 1) / w.block) + probe->run_ns;
    out->images_per_s = (double)batch / out->run_ns * 1e9;
    out->correction = 1;
    out->group = w.group > w.head_group ? w.head_group : w.group;
    out->lanes = w.lanes;
    memcpy(out->by_basis, c->by_basis, sizeof out->by_basis);
    double staging = moves ? (double)w.block * fold * (c->image_bytes + 4.0 * steps->classes) : 0;
    int32_t all_lanes = lanes_of(c, inputs, asked_lanes);
    out->bytes = (uint64_t)all_lanes * (arena + (uint64_t)staging) + (uint64_t)c->weight_bytes;
    return FR_OK;
}

fr_status fr_costed_steps(const fr_costed *c, fr_schedule schedule, int64_t batch, int32_t lanes, fr_prediction *out) {
    int32_t fold = c->view.fold > 0 ? c->view.fold : 1, fc = first_fc(c);
    way w = best_way(c, schedule, (batch + fold - 1) / fold, lanes);
    fr_company with = company_of(c, schedule, w.lanes);
    out->steps = fr_alloc_array((size_t)c->view.n_items, sizeof *out->steps);
    if (!out->steps)
        return fr_no_memory((size_t)c->view.n_items * sizeof *out->steps, "a prediction");
    for (int32_t i = 0; i < c->view.n_items; i++) {
        const fr_step_cost *cost = &c->costs[i];
        double n = i < fc ? w.head_group : w.group;
        double byte_ns = fr_company_byte_ns(&with, n * cost->map_bytes * with.lanes);
        out->steps[i] =
            (fr_predicted_step){.ns = fr_step_cost_ns(c->predictor->probe, cost, &with, n) / n,
                                .ops = cost->ops,
                                .bytes = cost->map_bytes + cost->weight_bytes / n,
                                .fill = cost->fill,
                                .limit_ns = fr_step_limit_ns(c->predictor->probe, cost, c->precision, byte_ns),
                                .basis = cost->basis};
    }
    return FR_OK;
}
