/* Which layouts and which of oneDNN's implementations can run a conv. */
#include <stdio.h>
#include <string.h>

#include "conv.h"

static const char *const way_words[CPU_ONEDNN_WAYS] = {"direct", "wino", "brgemm", "1x1", "dw", "gemm", "ref"};

static const char *word_of(cpu_conv_way way) {
    const cpu_own *own = cpu_own_of(way);
    return own != NULL ? own->word : way_words[way];
}

static bool is_inexact(cpu_conv_way way) {
    const cpu_own *own = cpu_own_of(way);
    return way == CPU_WAY_WINOGRAD || (own != NULL && own->is_inexact);
}

/* Explicit layouts on both sides, best guess first; the planner propagates them. */
static const struct {
    uint16_t src, dst;
} pairs[] = {
    {FR_LAYOUT_NCHW16C, FR_LAYOUT_NCHW16C}, {FR_LAYOUT_NCHW, FR_LAYOUT_NCHW16C}, {FR_LAYOUT_NHWC, FR_LAYOUT_NHWC},
    {FR_LAYOUT_NCHW8C, FR_LAYOUT_NCHW8C},   {FR_LAYOUT_NCHW, FR_LAYOUT_NCHW8C},  {FR_LAYOUT_NCHW, FR_LAYOUT_NCHW},
    {FR_LAYOUT_NHWC, FR_LAYOUT_NCHW16C},    {FR_LAYOUT_NCHW, FR_LAYOUT_NHWC},
};

static void name_of(const fr_step *step, const cpu_conv_choice *choice, char *out, size_t bytes) {
    const char *src = cpu_layout_word(choice->src), *dst = cpu_layout_word(choice->dst),
               *precision = cpu_precision_word(step->compute);
    if (step->kind == FR_STEP_FC) /* dst is one place: its layout says nothing */
        snprintf(out, bytes, "cpu.fc.%s.%s.%s", word_of(choice->way), src, precision);
    else if (choice->src == choice->dst)
        snprintf(out, bytes, "cpu.%s.%s.%s", word_of(choice->way), src, precision);
    else
        snprintf(out, bytes, "cpu.%s.%s-%s.%s", word_of(choice->way), src, dst, precision);
}

static bool fits(const fr_step *step, uint16_t src, uint16_t dst) {
    return cpu_layout_fits(&step->src[0], src) && cpu_layout_fits(&step->dst, dst) &&
           (!step->residual || cpu_layout_fits(&step->src[1], dst));
}

/* What oneDNN needs of scratch for the choice on all threads; 0 when it has no such implementation there. */
static fr_status many_threads_scratch(fr_device *device, const fr_step *step, const cpu_conv_choice *choice,
                                      const float *scales, uint64_t *out_bytes) {
    *out_bytes = 0;
    cpu_conv_plan plan;
    cpu_walk walk;
    if (device->isa.cores == 1 || cpu_conv_plan_make(device, step, choice, device->isa.cores, &plan) != FR_WHY_NOT)
        return FR_OK;
    int before = cpu_threads_set(device->isa.cores);
    fr_status status = cpu_conv_walk(device, step, &plan, scales, &walk);
    if (status == FR_OK) {
        if (cpu_conv_walk_to(&walk, choice->way)) {
            plan.own_bytes = cpu_prim_scratch(walk.pd);
            *out_bytes = cpu_conv_scratch(&plan);
        }
        cpu_walk_end(&walk);
    }
    cpu_threads_back(before);
    return status;
}

static void fill_offer(fr_candidate *c, const cpu_conv_choice *choice, uint64_t scratch_one, uint64_t scratch_many) {
    c->flags = is_inexact(choice->way) ? FR_CANDIDATE_INEXACT : 0;
    c->src_layout[0] = choice->src;
    c->src_layout[1] = choice->dst;
    c->dst_layout = choice->dst;
    c->scratch_bytes = scratch_one > scratch_many ? scratch_one : scratch_many;
    c->granule = fr_layout_block(choice->dst);
    c->id = cpu_conv_choice_id(choice);
}

static fr_status offer(fr_device *device, const fr_step *step, const cpu_conv_choice *choice, const cpu_conv_plan *plan,
                       const float *scales, cpu_offers *offers) {
    char name[48];
    uint64_t many = 0;
    HOST_TRY(many_threads_scratch(device, step, choice, scales, &many));
    name_of(step, choice, name, sizeof name);
    fill_offer(cpu_offer(offers, "%s", name), choice, cpu_conv_scratch(plan), many);
    return FR_OK;
}

/* Below AVX, oneDNN's depthwise kernels add the residual as an aligned operand, which NHWC places need not be. */
static bool onednn_would_crash(const fr_device *device, const fr_step *step, const cpu_conv_choice *choice) {
    return device->isa.level == CPU_LEVEL_BASE && choice->way == CPU_WAY_DEPTHWISE && step->residual &&
           choice->dst == FR_LAYOUT_NHWC && step->dst.c % 4 != 0;
}

fr_status cpu_conv_offer(fr_device *device, const fr_step *step, uint16_t src, uint16_t dst, cpu_conv_search search,
                         const float *scales, cpu_offers *offers) {
    bool winograd = search == CPU_SEARCH_WINOGRAD, last_resort = search == CPU_SEARCH_LAST_RESORT;
    cpu_conv_choice choice = {src, dst, winograd ? CPU_WAY_WINOGRAD : CPU_WAY_DIRECT};
    cpu_conv_plan plan;
    cpu_walk walk;
    char name[48];
    bool seen[CPU_ONEDNN_WAYS] = {false};
    uint32_t before = offers->count;
    fr_reason why = cpu_conv_plan_make(device, step, &choice, 1, &plan);
    if (why == FR_WHY_NOT) {
        HOST_TRY(cpu_conv_walk(device, step, &plan, scales, &walk));
        fr_status status = FR_OK;
        for (; walk.pd != NULL && status == FR_OK; cpu_walk_next(&walk)) {
            choice.way = cpu_conv_way_of(cpu_pd_name(walk.pd));
            if (choice.way == CPU_WAY_NONE || onednn_would_crash(device, step, &choice) || seen[choice.way] ||
                (choice.way == CPU_WAY_REF) != last_resort || (choice.way == CPU_WAY_WINOGRAD) != winograd)
                continue;
            seen[choice.way] = true;
            plan.own_bytes = cpu_prim_scratch(walk.pd);
            status = offer(device, step, &choice, &plan, scales, offers);
        }
        cpu_walk_end(&walk);
        HOST_TRY(status);
        why = FR_WHY_DRIVER;
    }
    if (offers->count == before && !last_resort) {
        choice.way = winograd ? CPU_WAY_WINOGRAD : CPU_WAY_DIRECT;
        name_of(step, &choice, name, sizeof name);
        cpu_refuse(offers, why, "%s", name);
    }
    return FR_OK;
}

void cpu_conv_offer_ours(const fr_device *device, const fr_step *step, cpu_conv_choice choice, cpu_offers *offers) {
    char name[48];
    name_of(step, &choice, name, sizeof name);
    cpu_conv_plan one, many;
    fr_reason why = cpu_conv_plan_make(device, step, &choice, 1, &one);
    if (why == FR_WHY_NOT)
        why = cpu_conv_plan_make(device, step, &choice, device->isa.cores, &many);
    if (why == FR_WHY_NOT && is_inexact(choice.way) && !step->inexact_ok)
        why = FR_WHY_INEXACT;
    if (why != FR_WHY_NOT)
        cpu_refuse(offers, why, "%s", name);
    else
        fill_offer(cpu_offer(offers, "%s", name), &choice, cpu_conv_scratch(&one), cpu_conv_scratch(&many));
}

static void offer_all_ours(const fr_device *device, const fr_step *step, cpu_offers *offers) {
    for (uint32_t row = 0; row < cpu_own_count(); row++) {
        const cpu_own *own = cpu_own_at(row);
        for (size_t i = 0; i < CPU_OWN_PAIRS && own->pairs[i].src != 0; i++) {
            cpu_conv_choice choice = {cpu_own_layout(device, own->pairs[i].src),
                                      cpu_own_layout(device, own->pairs[i].dst), (cpu_conv_way)(CPU_WAY_OWN + row)};
            if (fits(step, choice.src, choice.dst))
                cpu_conv_offer_ours(device, step, choice, offers);
        }
    }
}

static fr_status offer_all(fr_device *device, const fr_step *step, const float *scales, cpu_offers *offers) {
    size_t n_pairs = sizeof pairs / sizeof pairs[0];
    for (size_t i = 0; i < n_pairs; i++)
        if (fits(step, pairs[i].src, pairs[i].dst))
            HOST_TRY(cpu_conv_offer(device, step, pairs[i].src, pairs[i].dst, CPU_SEARCH_USUAL, scales, offers));
    offer_all_ours(device, step, offers);
    if (step->compute == FR_PRECISION_F32 && fits(step, FR_LAYOUT_NCHW16C, FR_LAYOUT_NCHW16C)) {
        if (step->inexact_ok)
            HOST_TRY(cpu_conv_offer(device, step, FR_LAYOUT_NCHW16C, FR_LAYOUT_NCHW16C, CPU_SEARCH_WINOGRAD, scales,
                                    offers));
        else
            cpu_refuse(offers, FR_WHY_INEXACT, "cpu.wino.n16c.f32");
    }
    for (size_t i = 0; i < n_pairs && offers->good == 0; i++)
        if (fits(step, pairs[i].src, pairs[i].dst))
            HOST_TRY(cpu_conv_offer(device, step, pairs[i].src, pairs[i].dst, CPU_SEARCH_LAST_RESORT, scales, offers));
    return FR_OK;
}

fr_status cpu_conv_search_all(fr_device *device, const fr_step *step, cpu_offers *offers, cpu_conv_search_fn fn) {
    const fr_host *host = device->base.host;
    void *block = NULL;
    if (step->compute == FR_PRECISION_INT8) { /* which implementation fits does not depend on their values */
        HOST_TRY(host_alloc(host, (uint64_t)step->dst.c * sizeof(float), "scales", &block));
        for (int32_t i = 0; i < step->dst.c; i++)
            ((float *)block)[i] = 0.5f;
    }
    int before = cpu_threads_set(1);
    fr_status status = fn(device, step, block, offers);
    cpu_threads_back(before);
    host->free(block);
    return status;
}

fr_status cpu_conv_candidates(fr_device *device, const fr_step *step, cpu_offers *offers) {
    return cpu_conv_search_all(device, step, offers, offer_all);
}
