/* Which plan an op gets: remembered on disk, else found by running them here. */
#include "dnn_op.h"
#include "trial.h"

#ifdef CUDA_WITH_CUDNN

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SEARCH_MS = 3000, KEY_BYTES = 768 };

/* ---- remembered ---------------------------------------------------------------------------------------------------------- */

static void tensor_text(const fr_tensor *t, char *out, size_t bytes) {
    (void)snprintf(out, bytes, "%dx%dx%d.%d.%d", t->c, t->h, t->w, t->dtype, t->layout);
}

static void key_of(const dnn_op *op, const cud_way *way, char out[KEY_BYTES]) {
    const fr_step *s = &op->step;
    const fr_window *w = &s->win;
    const fr_device_facts *facts = &op->device->found->facts;
    char src[48], map[48];
    tensor_text(&s->src[0], src, sizeof src);
    tensor_text(&op->shape.map, map, sizeof map);
    (void)snprintf(out, KEY_BYTES,
                   "cuda dnn %s|%s|%s|cudnn %d|%s|n%d c%d g%d|%s>%s|k%dx%d s%dx%d d%dx%d p%d,%d,%d,%d|b%d.%d r%d "
                   "a%d %a %a",
                   CUD_VERSION, facts->name, facts->driver, op->device->driver->dnn.version, way->name, s->n,
                   s->compute, s->groups, src, map, w->kh, w->kw, w->sh, w->sw, w->dh, w->dw, w->pad_top, w->pad_left,
                   w->pad_bottom, w->pad_right, op->shape.has_bias, op->shape.bias_dtype, s->residual, s->act,
                   (double)s->act_a, (double)s->act_b);
}

static bool remembered(dnn_op *op, const dnn_lib *lib, const char *key, const dnn_rules *rules) {
    void *text = NULL;
    size_t bytes = 0;
    if (lib->host->cache_load(lib->host->ctx, key, &text, &bytes) != FR_OK)
        return false;
    fr_status status = dnn_plan_load(lib, text, (int64_t)bytes, rules, &op->plan);
    lib->host->free(text);
    if (status != FR_OK)
        lib->host->log(3, "cuda: cuDNN does not take the plan that was kept: it is looked for anew");
    return status == FR_OK;
}

/* Not being able to keep it costs time alone. */
static void remember(const dnn_op *op, const dnn_lib *lib, const char *key) {
    char *text = NULL;
    int64_t bytes = 0;
    if (dnn_plan_save(lib, &op->plan, &text, &bytes) != FR_OK)
        return;
    if (bytes > 0 && lib->host->cache_store(lib->host->ctx, key, text, (size_t)bytes) != FR_OK)
        lib->host->log(3, "cuda: a plan of cuDNN is not kept on disk");
    lib->host->free(text);
}

/* ---- trials ---------------------------------------------------------------------------------------------------------------- */

typedef struct trial {
    cud_trial on;
    dnn_op *op;
    const dnn_lib *lib;
    cud_place place;
} trial;

static fr_status trial_new(dnn_op *op, const dnn_lib *lib, const dnn_rules *rules, trial *out) {
    const fr_step *s = &op->step;
    uint64_t map = fr_tensor_bytes(&op->shape.map, s->n), workspace = (uint64_t)rules->scratch_bytes;
    /* an op with a pool writes its map where the scratch begins */
    const uint64_t bytes[TRIAL_MAX_PARTS] = {fr_tensor_bytes(&s->src[0], s->n),
                                             s->residual ? fr_tensor_bytes(&s->src[1], s->n) : 0,
                                             op->has_pool ? 0 : map, op->map_bytes + workspace};
    *out = (trial){.op = op, .lib = lib};
    HOST_TRY(cud_trial_new(op->device, bytes, &out->on));
    out->place =
        (cud_place){.src = {out->on.part[0], out->on.part[1]}, .dst = out->on.part[2], .scratch = out->on.part[3]};
    return FR_OK;
}

static fr_status run_once(void *user) {
    const trial *t = user;
    return dnn_op_run(t->op, t->lib, &t->place);
}

/* Each plan runs once at least: what is loaded late must not be loaded while a bundle is recorded. */
static fr_status try_plan(trial *t, bool wants_time, double *out_us) {
    fr_status status = cud_trial_time(&t->on, run_once, t, wants_time, out_us);
    dnn_op_forget_packs(t->op);
    return status;
}

/* ---- the search -------------------------------------------------------------------------------------------------------------- */

static double now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

typedef struct search {
    dnn_plan best;
    double best_us;
} search;

static fr_status try_config(trial *t, dnn_configs *configs, int32_t index, const dnn_rules *rules, bool wants_time,
                            search *s) {
    dnn_op *op = t->op;
    const dnn_lib *lib = t->lib;
    double us;
    fr_status status = dnn_plan_new(lib, configs, index, rules, &op->plan);
    if (status == FR_OK)
        status = try_plan(t, wants_time, &us);
    if (status != FR_OK) {
        dnn_plan_free(lib, &op->plan);
        return cud_trial_is_over(status) ? status : FR_OK;
    }
    lib->host->log(3, "cuda: cuDNN's %s: %.1f us, %lld bytes of scratch", op->plan.name, us,
                   (long long)op->plan.workspace);
    if (!s->best.plan || us < s->best_us) {
        dnn_plan_free(lib, &s->best);
        s->best = op->plan;
        s->best_us = us;
    } else {
        dnn_plan_free(lib, &op->plan);
    }
    memset(&op->plan, 0, sizeof op->plan);
    return FR_OK;
}

static fr_status search_mode(trial *t, cudnnBackendHeurMode_t mode, const dnn_rules *rules, bool wants_best,
                             double until, search *s) {
    dnn_configs configs = {.count = 0};
    fr_status status = dnn_configs_add(t->lib, &t->op->graph, mode, rules, &configs);
    for (int32_t i = 0; i < configs.count && status == FR_OK; i++) {
        if (s->best.plan && (!wants_best || now_ms() > until))
            break;
        status = try_config(t, &configs, i, rules, wants_best, s);
    }
    dnn_configs_free(t->lib, &configs);
    return status;
}

/* Mode B first where all are timed: it answers as A does where it knows nothing better. */
static fr_status look(trial *t, const dnn_rules *rules, bool wants_best) {
    dnn_op *op = t->op;
    const dnn_lib *lib = t->lib;
    const cudnnBackendHeurMode_t modes[] = {wants_best ? CUDNN_HEUR_MODE_B : CUDNN_HEUR_MODE_A,
                                            CUDNN_HEUR_MODE_FALLBACK};
    double until = now_ms() + SEARCH_MS;
    search s = {.best_us = 0};
    fr_status status = FR_OK;
    for (int i = 0; i < 2 && status == FR_OK; i++)
        if (wants_best || !s.best.plan)
            status = search_mode(t, modes[i], rules, wants_best && t->on.memory, until, &s);
    if (status != FR_OK) {
        dnn_plan_free(lib, &s.best);
        return status;
    }
    if (!s.best.plan)
        return host_fail(lib->host, FR_UNSUPPORTED, "cuda: cuDNN %d has no engine for this convolution on %s",
                         op->device->driver->dnn.version, op->device->found->facts.name);
    op->plan = s.best;
    return FR_OK;
}

fr_status dnn_search(dnn_op *op, const dnn_lib *lib, const cud_way *way) {
    int32_t flags = way->option[DNN_FLAGS];
    const dnn_rules rules = dnn_rules_of(&op->shape, flags);
    char key[KEY_BYTES];
    trial t;
    double us;
    key_of(op, way, key);
    fr_status status = trial_new(op, lib, &rules, &t);
    if (status == FR_OK && remembered(op, lib, key, &rules)) {
        status = try_plan(&t, false, &us);
        if (status == FR_OK || cud_trial_is_over(status))
            goto done;
        dnn_plan_free(lib, &op->plan);
        status = FR_OK;
    }
    if (status == FR_OK)
        status = look(&t, &rules, flags & DNN_BEST);
    if (status == FR_OK)
        remember(op, lib, key);
done:
    cud_trial_free(&t.on);
    return status;
}

#endif
