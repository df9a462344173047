#include "check/attempt.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

enum { POISON = 0xff }; /* NaN in every real type */

void fr_check_relayout(const fr_tensor *to, int32_t n, const void *dense, unsigned char *out) {
    size_t item = fr_dtype_bytes((fr_dtype)to->dtype);
    const unsigned char *from = dense;
    memset(out, 0, (size_t)fr_tensor_bytes(to, n));
    for (int32_t i = 0; i < n; i++)
        for (int32_t c = 0; c < to->c; c++)
            for (int32_t y = 0; y < to->h; y++)
                for (int32_t x = 0; x < to->w; x++, from += item)
                    memcpy(out + fr_tensor_index(to, i, c, y, x) * item, from, item);
}

uint64_t fr_check_dst_bytes(const fr_step *step) {
    const fr_step *last = fr_step_last(step);
    if (last->kind != FR_STEP_EMIT)
        return fr_tensor_bytes(&step->dst, step->n);
    return (uint64_t)step->n * (uint64_t)last->src[0].c * (uint64_t)last->src[0].h * (uint64_t)last->src[0].w *
           fr_dtype_bytes((fr_dtype)step->dst.dtype);
}

typedef struct attempt {
    const fr_check_device *on;
    const fr_check_numbers *numbers;
    fr_step step; /* layouts as the candidate has them */
    fr_launch launch;
    unsigned char *src[FR_MAX_SRC], *dst;
} attempt;

static fr_status fill(attempt *a, fr_buffer_kind kind, const void *data, uint64_t bytes, fr_binding *out) {
    const fr_backend *b = a->on->backend;
    FR_TRY(b->buffer_new(a->on->device, kind, bytes, &out->buffer));
    return bytes ? b->write(a->on->queue, out->buffer, 0, data, bytes) : FR_OK;
}

static fr_status fill_source(attempt *a, int32_t s) {
    bool is_user = fr_step_first(&a->step)->kind == FR_STEP_INGEST;
    uint64_t bytes = a->numbers->src_bytes[s];
    if (is_user)
        return fill(a, FR_BUFFER_STAGING, a->numbers->src[s], bytes, &a->launch.src[s]);
    bytes = fr_tensor_bytes(&a->step.src[s], a->step.n);
    a->src[s] = fr_alloc((size_t)bytes);
    if (!a->src[s])
        return fr_no_memory((size_t)bytes, "a kernel's check");
    fr_check_relayout(&a->step.src[s], a->step.n, a->numbers->src[s], a->src[s]);
    return fill(a, FR_BUFFER_ACTIVATION, a->src[s], bytes, &a->launch.src[s]);
}

static fr_status run(attempt *a, uint64_t scratch_bytes) {
    const fr_backend *b = a->on->backend;
    bool is_emit = fr_step_last(&a->step)->kind == FR_STEP_EMIT;
    uint64_t bytes = fr_check_dst_bytes(&a->step);
    for (int32_t s = 0; s < a->step.n_src; s++)
        FR_TRY(fill_source(a, s));
    a->dst = fr_alloc((size_t)bytes);
    if (!a->dst)
        return fr_no_memory((size_t)bytes, "a kernel's check");
    memset(a->dst, POISON, (size_t)bytes);
    FR_TRY(fill(a, is_emit ? FR_BUFFER_STAGING : FR_BUFFER_ACTIVATION, a->dst, bytes, &a->launch.dst));
    FR_TRY(b->buffer_new(a->on->device, FR_BUFFER_SCRATCH, scratch_bytes, &a->launch.scratch.buffer));
    a->launch.valid = a->numbers->valid;
    FR_TRY(b->launch(a->on->queue, &a->launch));
    FR_TRY(b->sync(a->on->queue));
    FR_TRY(b->read(a->on->queue, a->launch.dst.buffer, 0, a->dst, bytes));
    return b->sync(a->on->queue);
}

fr_status fr_check_attempt(const fr_check_device *on, const fr_check_numbers *numbers, const fr_check_answer *answer,
                           const fr_candidate *candidate, bool *out_built, fr_check_difference *out_difference) {
    const fr_backend *b = on->backend;
    attempt a = {.on = on, .numbers = numbers, .step = numbers->step};
    *out_built = false;
    memset(out_difference, 0, sizeof *out_difference);
    for (int32_t s = 0; s < a.step.n_src; s++)
        a.step.src[s].layout = candidate->src_layout[s];
    a.step.dst.layout = candidate->dst_layout;
    fr_status status = b->compile(on->device, &a.step, candidate, &numbers->weights, &a.launch.program);
    if (status != FR_OK)
        goto cleanup;
    *out_built = true;
    FR_GO(cleanup, run(&a, candidate->scratch_bytes));
    fr_check_compare(numbers, answer, &a.step, a.dst, (candidate->flags & FR_CANDIDATE_INEXACT) != 0, out_difference);
cleanup:
    if (*out_built && status != FR_OK)
        (void)b->sync(on->queue); /* nothing may still write into what is freed now */
    b->program_free(a.launch.program);
    for (int32_t s = 0; s < FR_MAX_SRC; s++) {
        b->buffer_free(a.launch.src[s].buffer);
        fr_free(a.src[s]);
    }
    b->buffer_free(a.launch.dst.buffer);
    b->buffer_free(a.launch.scratch.buffer);
    fr_free(a.dst);
    return status;
}
