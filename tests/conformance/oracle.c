#include "oracle.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

fr_status conf_oracle_open(fr_registry *registry, conf_oracle *out_oracle) {
    fr_device_facts facts = {.struct_bytes = sizeof facts};
    memset(out_oracle, 0, sizeof *out_oracle);
    FR_TRY(fr_registry_open(registry, "ref:0", &out_oracle->backend, &out_oracle->device, &facts));
    return out_oracle->backend->queue_open(out_oracle->device, 1, &out_oracle->queue);
}

void conf_oracle_close(conf_oracle *oracle) {
    if (oracle->queue)
        oracle->backend->queue_close(oracle->queue);
    if (oracle->device)
        oracle->backend->device_close(oracle->device);
    memset(oracle, 0, sizeof *oracle);
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

static fr_status window_on(const conf_oracle *o, void *memory, uint64_t bytes, fr_binding *out_binding) {
    FR_TRY(o->backend->buffer_new(o->device, FR_BUFFER_STAGING, 0, &out_binding->buffer));
    return o->backend->buffer_point(out_binding->buffer, memory, bytes);
}

static fr_status launch(conf_oracle *o, const conf_numbers *numbers, fr_launch *launch_record, double *value,
                        uint64_t count) {
    fr_step step = numbers->step;
    fr_candidate candidate;
    uint32_t found;
    fr_step sub[CONF_MAX_SUB];
    memcpy(sub, numbers->sub, sizeof sub);
    step.dst.dtype = FR_F64;
    step.dst.scale = 0.0f;
    if (step.n_sub) {
        sub[step.n_sub - 1].dst.dtype = FR_F64;
        sub[step.n_sub - 1].dst.scale = 0.0f;
        step.sub = sub;
    }
    for (int32_t i = 0; i < step.n_src; i++)
        if (fr_step_first(&step)->kind != FR_STEP_INGEST)
            step.src[i].layout = FR_LAYOUT_NCHW;
    step.dst.layout = FR_LAYOUT_NCHW;
    FR_TRY(o->backend->candidates(o->device, &step, &candidate, 1, &found));
    if (found != 1 || candidate.refused)
        return fr_fail(FR_INTERNAL, "the reference refuses the step (reason %d)", found ? candidate.refused : -1);
    FR_TRY(o->backend->compile(o->device, &step, &candidate, &numbers->weights, &launch_record->program));
    for (int32_t i = 0; i < step.n_src; i++)
        FR_TRY(window_on(o, numbers->src[i], numbers->src_bytes[i], &launch_record->src[i]));
    FR_TRY(window_on(o, value, count * sizeof *value, &launch_record->dst));
    FR_TRY(
        o->backend->buffer_new(o->device, FR_BUFFER_SCRATCH, candidate.scratch_bytes, &launch_record->scratch.buffer));
    launch_record->valid = numbers->valid;
    FR_TRY(o->backend->launch(o->queue, launch_record));
    return o->backend->sync(o->queue);
}

static uint64_t answer_count(const conf_numbers *numbers) {
    const fr_step *step = fr_step_last(&numbers->step);
    const fr_tensor *t = step->kind == FR_STEP_EMIT ? &step->src[0] : &step->dst;
    uint64_t each = (uint64_t)t->c * (uint64_t)t->h * (uint64_t)t->w;
    return step->kind == FR_STEP_EMIT ? each / (uint64_t)step->images * (uint64_t)numbers->valid
                                      : each * (uint64_t)step->n;
}

static fr_status run(conf_oracle *o, const conf_numbers *numbers, double **out_value) {
    uint64_t count = answer_count(numbers);
    fr_launch record;
    memset(&record, 0, sizeof record);
    *out_value = fr_alloc_array((size_t)count, sizeof **out_value);
    if (!*out_value)
        return fr_no_memory((size_t)count * sizeof **out_value, "the reference's answer");
    fr_status status = launch(o, numbers, &record, *out_value, count);
    o->backend->program_free(record.program);
    for (int i = 0; i < FR_MAX_SRC; i++)
        o->backend->buffer_free(record.src[i].buffer);
    o->backend->buffer_free(record.dst.buffer);
    o->backend->buffer_free(record.scratch.buffer);
    return status;
}

static bool has_sums(const fr_step *step) {
    return step->kind == FR_STEP_CONV || step->kind == FR_STEP_FC || step->kind == FR_STEP_CHAIN;
}

static fr_status find_reach(conf_oracle *o, const conf_numbers *numbers, conf_answer *answer) {
    conf_numbers logits = *numbers; /* borrows everything */
    double *value;
    logits.sub[logits.step.n_sub - 1].softmax = 0;
    fr_status status = run(o, &logits, &value);
    for (uint64_t i = 0; status == FR_OK && i < answer->count; i++)
        answer->reach = fmax(answer->reach, fabs(value[i]));
    fr_free(value);
    return status;
}

fr_status conf_oracle_ask(conf_oracle *oracle, const conf_numbers *numbers, conf_answer *out_answer) {
    fr_status status = FR_OK;
    memset(out_answer, 0, sizeof *out_answer);
    out_answer->count = answer_count(numbers);
    FR_GO(done, run(oracle, numbers, &out_answer->value));
    if (numbers->fill == CONF_RANDOM && has_sums(&numbers->step)) {
        conf_numbers magnitudes;
        FR_GO(done, conf_numbers_magnitude(numbers, &magnitudes));
        status = run(oracle, &magnitudes, &out_answer->magnitude);
        conf_numbers_free(&magnitudes);
        if (status == FR_OK && numbers->step.kind == FR_STEP_CHAIN)
            status = find_reach(oracle, numbers, out_answer);
    }
done:
    if (status != FR_OK)
        conf_answer_free(out_answer);
    return status;
}

void conf_answer_free(conf_answer *answer) {
    fr_free(answer->value);
    fr_free(answer->magnitude);
    memset(answer, 0, sizeof *answer);
}

/* ---- how near is near enough -------------------------------------------------------------------------------------- */

double conf_wanted(const conf_numbers *numbers, const conf_answer *answer, uint64_t i) {
    const fr_tensor *dst = &numbers->step.dst;
    double value = answer->value[i], lowest = dst->dtype == FR_U8 ? 0.0 : -128.0,
           highest = dst->dtype == FR_U8 ? 255.0 : 127.0;
    uint64_t stored = 0;
    if (numbers->fill == CONF_EXACT) {
        conf_encode(dst->dtype, dst->scale, &stored, 0, value);
        return conf_decode(dst->dtype, dst->scale, &stored, 0);
    }
    if (dst->dtype == FR_U8 || dst->dtype == FR_S8)
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

static bool is_smooth(const fr_step *step) {
    return step->act == FR_ACT_SIGMOID || step->act == FR_ACT_TANH || step->act == FR_ACT_HARDSWISH;
}

/*
 * Sums are formed in f32 at least, whatever the products are made of: their error is within c * sqrt(K) * 2^-24 times the
 * sum of magnitudes. Winograd's transforms (inexact) lose some binary digits more. One rounding to the compute precision
 * may happen between the sum and its epilogue; smooth activations may be approximated.
 */
static double sums_allowed(const fr_step *step, double want, double magnitude, bool is_inexact) {
    double between = roundoff_between(step);
    double f32 = (is_inexact ? 64.0 : 2.0) * sqrt(conf_sum_length(step)) * 0x1p-24 * magnitude;
    double reach = fabs(want) + (step->residual ? 1.0 : 0.0) + (is_smooth(step) ? 3.0 : 0.0);
    bool is_byte = step->dst.dtype == FR_U8 || step->dst.dtype == FR_S8;
    bool rounds_before_mean = is_byte && step->pool > FR_POOL_MAX;
    return f32 + 2.0 * between * reach + (is_smooth(step) ? 4e-6 : 0.0) +
           (rounds_before_mean ? 0.5 * (double)step->dst.scale : 0.0);
}

/* Down a chain the magnitudes grow much faster than the numbers, since errors and numbers alike cancel in each sum: so an
 * error is also held to its share of the largest number of the answer.
 */
static double chain_allowed(const fr_step *step, double want, double magnitude, double reach, bool is_inexact) {
    double between = 2.0 * step->n_sub * roundoff_between(step), f32 = sqrt(conf_sum_length(step)) * 0x1p-24;
    double bound = ((is_inexact ? 64.0 : 2.0) * f32 + between) * magnitude,
           share = ((is_inexact ? 64.0 : 8.0) * f32 + between) * (reach + 1.0);
    return fmin(bound, share) + (fr_step_last(step)->softmax ? 1e-5 * want + 1e-7 : 0.0);
}

static double plain_allowed(const fr_step *step, double want) {
    double size = fabs(want), f32 = 0x1p-24;
    switch (step->kind) {
    case FR_STEP_POOL: return step->pool == FR_POOL_MAX ? 0.0 : 2.0 * sqrt(conf_sum_length(step)) * f32 * 10.0;
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

double conf_allowed(const conf_numbers *numbers, const conf_answer *answer, uint64_t i, bool is_inexact) {
    const fr_step *step = &numbers->step;
    if (numbers->fill == CONF_EXACT)
        return 0.0;
    double want = answer->value[i];
    double computed = step->kind == FR_STEP_CHAIN
                          ? chain_allowed(step, want, answer->magnitude[i], answer->reach, is_inexact)
                      : has_sums(step) ? sums_allowed(step, want, answer->magnitude[i], is_inexact)
                                       : plain_allowed(step, want);
    double stored = 1.01 * roundoff_of(step->dst.dtype) * (fabs(want) + computed);
    if (step->dst.dtype == FR_F16)
        stored += 0x1p-25; /* half the smallest subnormal */
    if (step->dst.dtype == FR_U8 || step->dst.dtype == FR_S8)
        stored += 0.5 * (double)step->dst.scale + 8.0 * 0x1p-24 * fabs(want);
    return computed + stored;
}
