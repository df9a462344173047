/*
 * Steps that look along the channels at each place: lrn, softmax, argmax. A few places at a time are brought to
 * rows[c][place] of floats in scratch, so that no layout is a special case and the loops run over places.
 */
#include <math.h>
#include <string.h>

#include "maps.h"
#include "steps.h"

enum { PLACES = 64 };

typedef void (*rows_fn)(const fr_step *step, const cpu_kernels *kernels, const float *in, float *out, uint64_t places);

typedef struct channels_job {
    const fr_step *step;
    const cpu_kernels *kernels;
    const cpu_args *args;
    rows_fn fn;
    int64_t workers, pieces; /* pieces of an image */
} channels_job;

static uint64_t rows_of(const fr_step *step) {
    return (uint64_t)step->src[0].c + (uint64_t)step->dst.c;
}

static void run_piece(const channels_job *j, int32_t n, uint64_t first, float *in, float *out) {
    const fr_tensor *src = &j->step->src[0], *dst = &j->step->dst;
    uint64_t count = cpu_places(src) - first < PLACES ? cpu_places(src) - first : PLACES;
    cpu_end from = cpu_end_of(src), to = cpu_end_of(dst), row = {FR_F32, 0.0f, 1};
    for (int32_t c = 0; c < src->c; c++)
        j->kernels->move(&from,
                         cpu_channel_at(src, j->args->src[0], n, c) +
                             first * from.step * fr_dtype_bytes((fr_dtype)src->dtype),
                         &row, in + (uint64_t)c * PLACES, count);
    j->fn(j->step, j->kernels, in, out, count);
    for (int32_t c = 0; c < dst->c; c++)
        j->kernels->move(
            &row, out + (uint64_t)c * PLACES, &to,
            cpu_channel_at(dst, j->args->dst, n, c) + first * to.step * fr_dtype_bytes((fr_dtype)dst->dtype), count);
}

static void run_worker(void *ctx, int64_t worker) {
    const channels_job *j = ctx;
    float *in = (float *)(void *)j->args->scratch + (uint64_t)worker * rows_of(j->step) * PLACES,
          *out = in + (uint64_t)j->step->src[0].c * PLACES;
    int64_t total = j->pieces * j->step->n;
    for (int64_t i = total * worker / j->workers, end = total * (worker + 1) / j->workers; i < end; i++)
        run_piece(j, (int32_t)(i / j->pieces), (uint64_t)(i % j->pieces) * PLACES, in, out);
}

/* ---- the three ------------------------------------------------------------------------------------------------------------- */

/* y[c] = x[c] / (k + alpha / size * sum of x[j]^2) ^ beta, j from c - (size-1)/2 to c + size/2 */
static void lrn_rows(const fr_step *step, const cpu_kernels *kernels, const float *in, float *out, uint64_t places) {
    int32_t before = (step->lrn_size - 1) / 2, after = step->lrn_size / 2, channels = step->src[0].c;
    float alpha = step->lrn_alpha / (float)step->lrn_size;
    (void)kernels;
    for (int32_t c = 0; c < channels; c++) {
        float squares[PLACES] = {0};
        int32_t first = c > before ? c - before : 0, last = after < channels - 1 - c ? c + after : channels - 1;
        for (int32_t j = first; j <= last; j++)
            for (uint64_t i = 0; i < places; i++)
                squares[i] += in[(uint64_t)j * PLACES + i] * in[(uint64_t)j * PLACES + i];
        for (uint64_t i = 0; i < places; i++) {
            float base = step->lrn_k + alpha * squares[i];
            /* base^-3/4, the usual beta, without a logarithm */
            float root = step->lrn_beta == 0.75f ? sqrtf(base) * sqrtf(sqrtf(base)) : powf(base, step->lrn_beta);
            out[(uint64_t)c * PLACES + i] = in[(uint64_t)c * PLACES + i] / root;
        }
    }
}

static void softmax_rows(const fr_step *step, const cpu_kernels *kernels, const float *in, float *out,
                         uint64_t places) {
    kernels->softmax(in, out, (uint64_t)step->src[0].c, PLACES, places);
}

static void argmax_rows(const fr_step *step, const cpu_kernels *kernels, const float *in, float *out, uint64_t places) {
    (void)kernels;
    for (uint64_t i = 0; i < places; i++) {
        int32_t winner = 0;
        for (int32_t c = 1; c < step->src[0].c; c++) {
            float value = in[(uint64_t)c * PLACES + i], best = in[(uint64_t)winner * PLACES + i];
            if (value > best || (step->pick_last && value == best))
                winner = c;
        }
        out[i] = (float)winner;
    }
}

/* ---- candidates, compile ----------------------------------------------------------------------------------------------------- */

static int64_t pieces_of(const fr_tensor *src) {
    return (int64_t)((cpu_places(src) + PLACES - 1) / PLACES);
}

static fr_status channels_run(fr_program *program, fr_queue *queue, const cpu_args *args) {
    const fr_step *step = &program->step;
    rows_fn fn = step->kind == FR_STEP_LRN ? lrn_rows : step->kind == FR_STEP_SOFTMAX ? softmax_rows : argmax_rows;
    channels_job job = {step, queue->device->kernels, args, fn, (int64_t)queue->threads, pieces_of(&step->src[0])};
    cpu_parallel(queue, job.workers, run_worker, &job);
    for (int32_t n = 0; n < step->n; n++)
        cpu_zero_tail(&step->dst, args->dst, n);
    return FR_OK;
}

static fr_status channels_candidates(fr_device *device, const fr_step *step, cpu_offers *offers) {
    const char *what = step->kind == FR_STEP_LRN ? "lrn" : step->kind == FR_STEP_SOFTMAX ? "softmax" : "argmax";
    uint32_t first = offers->count;
    cpu_offer_alike(step, what, offers);
    for (uint32_t i = first; i < offers->count && i < offers->capacity; i++)
        offers->out[i].scratch_bytes = rows_of(step) * PLACES * sizeof(float) * device->isa.cores;
    return FR_OK;
}

static fr_status channels_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate,
                                  const fr_weights *weights, fr_program **out_program) {
    (void)weights;
    HOST_TRY(cpu_program_new(device, step, candidate, sizeof(fr_program), out_program));
    (*out_program)->run = channels_run;
    return FR_OK;
}

const cpu_kind cpu_kind_lrn = {channels_candidates, channels_compile};
const cpu_kind cpu_kind_softmax = {channels_candidates, channels_compile};
const cpu_kind cpu_kind_argmax = {channels_candidates, channels_compile};
