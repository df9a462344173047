/* The variants' answers as the backend table wants them: named, ordered, the refused ones last. */
#include <stdio.h>
#include <string.h>

#include "common/host_device.h"
#include "common/step_check.h"
#include "gpu/gpu.h"

enum { MOST = 512 };

static const char *precision_word(uint16_t compute) {
    static const char *const words[] = {"f32", "f16", "bf16", "s8", "f64", "tf32"};
    return compute < sizeof words / sizeof words[0] ? words[compute] : "?";
}

static uint32_t id_of(int32_t family, int32_t variant) {
    return (uint32_t)family << 16 | (uint32_t)variant;
}

static const gpu_variant *variant_of(uint32_t id) {
    int32_t family = (int32_t)(id >> 16), variant = (int32_t)(id & 0xffff);
    if (family >= gpu_n_families || !gpu_families[family] || variant >= gpu_families[family]->n_variants)
        return NULL;
    return &gpu_families[family]->variants[variant];
}

/* Layouts that the step fixes must hold, whatever a fit says. */
static bool keeps_layouts(const fr_step *step, const fr_candidate *c) {
    for (int32_t s = 0; s < step->n_src; s++)
        if (!gpu_layout_fits(step->src[s].layout, c->src_layout[s]))
            return false;
    return gpu_layout_fits(step->dst.layout, c->dst_layout);
}

typedef struct offer {
    fr_candidate candidate;
    double ns;
} offer;

typedef struct offers {
    const gpu_traits *traits;
    const fr_step *step;
    const char *prefix;
    gpu_verdict_fn is_bad;
    void *user;
    const gpu_others *others; /* may be NULL */
    fr_reason wrong;          /* of the step itself */
    offer list[MOST];
    uint32_t count;
} offers;

/* Without narrow numbers f32 is all there is; images may still be bytes. */
static bool is_wide(const fr_step *step) {
    bool wide = step->dst.dtype == FR_F32 || step->dst.dtype == FR_S32;
    for (int32_t s = 0; s < step->n_src; s++)
        wide &= step->src[s].dtype == FR_F32 || step->src[s].dtype == FR_S32 ||
                (step->src[s].dtype == FR_U8 && fr_step_first(step)->kind == FR_STEP_INGEST);
    return wide && step->compute == FR_PRECISION_F32;
}

typedef struct asked { /* a variant, or one of the others */
    const char *name;
    uint32_t kinds, id;
    const gpu_variant *variant;
} asked;

static bool is_known(const gpu_traits *traits, const fr_step *step) {
    bool known = (step->compute != FR_PRECISION_BF16 || traits->bf16) &&
                 (step->compute != FR_PRECISION_TF32 || traits->tf32) && (step->dst.dtype != FR_BF16 || traits->bf16);
    for (int32_t s = 0; s < step->n_src; s++)
        known &= step->src[s].dtype != FR_BF16 || traits->bf16;
    for (int32_t i = 0; step->kind == FR_STEP_CHAIN && i < step->n_sub; i++)
        known &= is_known(traits, &step->sub[i]);
    return known;
}

static void answer(const offers *o, const asked *a, fr_candidate *c, double *out_ns) {
    if (o->wrong)
        c->refused = (uint16_t)o->wrong;
    else if (a->variant && a->variant->vec > o->traits->max_vec)
        c->refused = FR_WHY_ISA;
    else if ((!o->traits->narrow && !is_wide(o->step)) || !is_known(o->traits, o->step))
        c->refused = FR_WHY_DTYPE;
    else if (a->variant)
        a->variant->fit(o->traits, o->step, a->variant, c, out_ns);
    else
        o->others->fit(o->others->user, (int32_t)(a->id - GPU_OTHERS), o->step, c, out_ns);
    if (!c->refused && o->is_bad)
        c->refused = (uint16_t)o->is_bad(o->user, c->name);
    if (!c->refused && (c->flags & FR_CANDIDATE_INEXACT) && !o->step->inexact_ok)
        c->refused = FR_WHY_INEXACT;
    if (!c->refused && !keeps_layouts(o->step, c))
        c->refused = FR_WHY_LAYOUT;
}

static void ask(offers *o, const asked *a) {
    if (o->step->kind > FR_STEP_CHAIN || !(a->kinds & GPU_KIND(o->step->kind)) || o->count >= MOST)
        return;
    fr_candidate fresh = {.struct_bytes = sizeof fresh, .id = a->id};
    snprintf(fresh.name, sizeof fresh.name, "%s.%s.%s", o->prefix, a->name, precision_word(o->step->compute));
    offer moved = {.candidate = fresh};
    answer(o, a, &moved.candidate, &moved.ns);
    if (moved.candidate.refused) { /* nothing is left but its name and the reason */
        fresh.refused = moved.candidate.refused;
        moved.candidate = fresh;
    }
    /* insertion: refused last, then by time, then as the tables have them */
    uint32_t at = o->count++;
    for (; at > 0 && !moved.candidate.refused && (o->list[at - 1].candidate.refused || o->list[at - 1].ns > moved.ns);
         at--)
        o->list[at] = o->list[at - 1];
    o->list[at] = moved;
}

static void ask_families(offers *o) {
    for (int32_t f = 0; f < gpu_n_families; f++)
        for (int32_t i = 0; gpu_families[f] && i < gpu_families[f]->n_variants; i++) {
            const gpu_variant *v = &gpu_families[f]->variants[i];
            ask(o, &(asked){.name = v->name, .kinds = v->kinds, .id = id_of(f, i), .variant = v});
        }
}

static void ask_others(offers *o) {
    for (int32_t i = 0; o->others && i < o->others->count; i++) {
        asked a = {.id = GPU_OTHERS + (uint32_t)i};
        a.name = o->others->name(o->others->user, i, &a.kinds);
        ask(o, &a);
    }
}

fr_status gpu_candidates_and(const gpu_traits *traits, const char *prefix, const fr_step *step, gpu_verdict_fn is_bad,
                             void *user, const gpu_others *others, fr_candidate *out, uint32_t capacity,
                             uint32_t *out_count) {
    offers o = {.traits = traits, .step = step, .prefix = prefix, .is_bad = is_bad, .user = user, .others = others};
    o.wrong = step_check(step);
    ask_families(&o);
    ask_others(&o);
    for (uint32_t i = 0; i < o.count && i < capacity; i++)
        out[i] = o.list[i].candidate;
    *out_count = o.count;
    return FR_OK;
}

fr_status gpu_candidates(const gpu_traits *traits, const char *prefix, const fr_step *step, gpu_verdict_fn is_bad,
                         void *user, fr_candidate *out, uint32_t capacity, uint32_t *out_count) {
    return gpu_candidates_and(traits, prefix, step, is_bad, user, NULL, out, capacity, out_count);
}

fr_status gpu_check_layouts(const fr_host *host, const fr_step *step, const fr_candidate *candidate) {
    bool has_layouts = step->dst.layout == candidate->dst_layout;
    if (candidate->refused)
        return host_fail(host, FR_INVALID, "no such kernel: %s", candidate->name);
    for (int32_t s = 0; s < step->n_src; s++)
        has_layouts &= step->src[s].layout == candidate->src_layout[s];
    if (!has_layouts)
        return host_fail(host, FR_INVALID, "kernel %s is compiled for layouts that are not its own", candidate->name);
    return FR_OK;
}

static bool is_curved(const fr_step *step) {
    bool curved = step->act == FR_ACT_SIGMOID || step->act == FR_ACT_TANH;
    for (int32_t i = 0; step->kind == FR_STEP_CHAIN && i < step->n_sub; i++)
        curved |= is_curved(&step->sub[i]);
    return curved;
}

/* Where items are lanes both sides of a branch are computed: what a kernel's activation may need is said when it is built. */
static void say_curves(const fr_step *step, gpu_recipe *recipe) {
    for (int32_t i = 0; i < recipe->n_dispatches; i++) {
        gpu_dispatch *d = &recipe->dispatches[i];
        bool is_said = d->call != GPU_CALL_KERNEL;
        for (int32_t k = 0; k < d->n_defines; k++)
            is_said |= strcmp(d->defines[k].name, "CURVED") == 0;
        if (!is_said)
            gpu_define_int(d, "CURVED", is_curved(step));
    }
}

static fr_status check_recipe(const fr_host *host, const gpu_recipe *recipe, const char *name) {
    if (recipe->n_dispatches < 1)
        return host_fail(host, FR_INTERNAL, "kernel %s has nothing to run", name);
    for (int32_t i = 0; i < recipe->n_dispatches; i++) {
        const gpu_dispatch *d = &recipe->dispatches[i];
        if (d->n_buffers > GPU_MAX_BUFFERS || d->n_defines > GPU_MAX_DEFINES || d->n_params > GPU_PARAM_WORDS)
            return host_fail(host, FR_INTERNAL, "kernel %s has too many buffers, constants or parameters", name);
        for (int k = 0; k < 3; k++)
            if (d->groups[k] == 0 || d->local[k] == 0)
                return host_fail(host, FR_INTERNAL, "kernel %s has an empty grid", name);
    }
    return FR_OK;
}

fr_status gpu_recipe_make(const fr_host *host, const gpu_traits *traits, const fr_step *step,
                          const fr_candidate *candidate, const fr_weights *weights, gpu_recipe *out_recipe) {
    const gpu_variant *v = variant_of(candidate->id);
    memset(out_recipe, 0, sizeof *out_recipe);
    if (!v)
        return host_fail(host, FR_INVALID, "no such kernel: %s", candidate->name);
    HOST_TRY(gpu_check_layouts(host, step, candidate));
    /* asked again: the tables are not to be entered with a step that they refused */
    fr_candidate again = {.struct_bytes = sizeof again, .id = candidate->id};
    double ns = 0;
    fr_reason wrong = step_check(step);
    if (!wrong)
        v->fit(traits, step, v, &again, &ns);
    if (wrong || again.refused || !(v->kinds & GPU_KIND(step->kind)))
        return host_fail(host, FR_UNSUPPORTED, "kernel %s does not run this step", candidate->name);
    out_recipe->scratch_bytes = again.scratch_bytes;
    fr_status status = v->make(host, traits, step, v, weights, out_recipe);
    if (status == FR_OK && traits->lockstep)
        say_curves(step, out_recipe);
    if (status == FR_OK)
        status = check_recipe(host, out_recipe, candidate->name);
    if (status != FR_OK)
        gpu_recipe_free(host, out_recipe);
    return status;
}

void gpu_recipe_free(const fr_host *host, gpu_recipe *recipe) {
    if (!recipe)
        return;
    if (recipe->packed)
        host->free(recipe->packed);
    for (int32_t i = 0; i < GPU_MAX_DISPATCHES; i++)
        if (recipe->dispatches[i].text)
            host->free(recipe->dispatches[i].text);
    memset(recipe, 0, sizeof *recipe);
}
