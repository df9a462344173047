#include "check/oracle.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

fr_status fr_check_oracle_open(const fr_backend *backend, fr_device *device, fr_check_oracle *out_oracle) {
    *out_oracle = (fr_check_oracle){.backend = backend, .device = device};
    fr_status status = backend->queue_open(device, 1, &out_oracle->queue);
    if (status != FR_OK)
        fr_check_oracle_close(out_oracle);
    return status;
}

void fr_check_oracle_close(fr_check_oracle *oracle) {
    if (oracle->queue)
        oracle->backend->queue_close(oracle->queue);
    if (oracle->device)
        oracle->backend->device_close(oracle->device);
    memset(oracle, 0, sizeof *oracle);
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

static fr_status window_on(const fr_check_oracle *o, void *memory, uint64_t bytes, fr_binding *out_binding) {
    FR_TRY(o->backend->buffer_new(o->device, FR_BUFFER_STAGING, 0, &out_binding->buffer));
    return o->backend->buffer_point(out_binding->buffer, memory, bytes);
}

static fr_status launch(fr_check_oracle *o, const fr_check_numbers *numbers, bool wants_logits, fr_step *subs,
                        fr_launch *launch_record, double *value, uint64_t count) {
    fr_step step = numbers->step;
    fr_candidate candidate;
    uint32_t found;
    step.dst.dtype = FR_F64;
    step.dst.scale = 0.0f;
    if (step.n_sub) {
        memcpy(subs, numbers->sub, (size_t)step.n_sub * sizeof *subs);
        subs[step.n_sub - 1].dst.dtype = FR_F64;
        subs[step.n_sub - 1].dst.scale = 0.0f;
        if (wants_logits)
            subs[step.n_sub - 1].softmax = 0;
        step.sub = subs;
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

static uint64_t answer_count(const fr_check_numbers *numbers) {
    const fr_step *last = fr_step_last(&numbers->step);
    const fr_tensor *t = last->kind == FR_STEP_EMIT ? &last->src[0] : &last->dst;
    uint64_t each = (uint64_t)t->c * (uint64_t)t->h * (uint64_t)t->w;
    return last->kind == FR_STEP_EMIT ? each / (uint64_t)last->images * (uint64_t)numbers->valid
                                      : each * (uint64_t)numbers->step.n;
}

static fr_status run(fr_check_oracle *o, const fr_check_numbers *numbers, bool wants_logits, double **out_value) {
    uint64_t count = answer_count(numbers);
    fr_launch record;
    memset(&record, 0, sizeof record);
    *out_value = fr_alloc_array((size_t)count, sizeof **out_value);
    fr_step *subs = fr_alloc_array((size_t)numbers->step.n_sub, sizeof *subs);
    fr_status status = *out_value && subs ? launch(o, numbers, wants_logits, subs, &record, *out_value, count)
                                          : fr_no_memory((size_t)count * sizeof **out_value, "the reference's answer");
    fr_free(subs);
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

static fr_status find_reach(fr_check_oracle *o, const fr_check_numbers *numbers, fr_check_answer *answer) {
    double *value;
    fr_status status = run(o, numbers, true, &value);
    for (uint64_t i = 0; status == FR_OK && i < answer->count; i++)
        answer->reach = fmax(answer->reach, fabs(value[i]));
    fr_free(value);
    return status;
}

fr_status fr_check_oracle_ask(fr_check_oracle *oracle, const fr_check_numbers *numbers, fr_check_answer *out_answer) {
    fr_status status = FR_OK;
    memset(out_answer, 0, sizeof *out_answer);
    out_answer->count = answer_count(numbers);
    FR_GO(done, run(oracle, numbers, false, &out_answer->value));
    if (numbers->fill == FR_CHECK_RANDOM && has_sums(&numbers->step)) {
        fr_check_numbers magnitudes;
        FR_GO(done, fr_check_magnitude(numbers, &magnitudes));
        status = run(oracle, &magnitudes, false, &out_answer->magnitude);
        fr_check_numbers_free(&magnitudes);
        if (status == FR_OK && numbers->step.kind == FR_STEP_CHAIN)
            status = find_reach(oracle, numbers, out_answer);
    }
done:
    if (status != FR_OK)
        fr_check_answer_free(out_answer);
    return status;
}

void fr_check_answer_free(fr_check_answer *answer) {
    fr_free(answer->value);
    fr_free(answer->magnitude);
    memset(answer, 0, sizeof *answer);
}
