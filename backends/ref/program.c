/* From a step to something that can be launched: one candidate a step, named "ref". */
#include <stdio.h>
#include <string.h>

#include "common/step_check.h"
#include "ref.h"

/* What each kind runs; the two user ends and CHAIN have their own paths below. */
static ref_run_fn run_function(uint16_t kind) {
    switch (kind) {
    case FR_STEP_CONV: return ref_conv;
    case FR_STEP_FC: return ref_fc;
    case FR_STEP_POOL: return ref_pool;
    case FR_STEP_BINARY: return ref_binary;
    case FR_STEP_UNARY: return ref_unary;
    case FR_STEP_CONCAT: return ref_concat;
    case FR_STEP_LRN: return ref_lrn;
    case FR_STEP_SOFTMAX: return ref_softmax;
    case FR_STEP_REORDER: return ref_reorder;
    case FR_STEP_PAD: return ref_pad;
    case FR_STEP_ARGMAX: return ref_argmax;
    default: return NULL;
    }
}

static uint64_t round_up_64(uint64_t bytes) {
    return (bytes + 63) / 64 * 64;
}

/* ---- scratch: dense maps of one input ------------------------------------------------------------------- */

static uint64_t extra_doubles(const fr_step *step) { /* the conv's own output before its pool */
    int32_t h, w;
    if (step->kind != FR_STEP_CONV || !step->pool)
        return 0;
    fr_conv_map(step, &h, &w);
    return (uint64_t)step->dst.c * (uint64_t)h * (uint64_t)w;
}

static uint64_t plain_scratch_bytes(const fr_step *step) {
    uint64_t doubles = step->kind == FR_STEP_EMIT ? 0 : ref_elements(&step->dst);
    for (int32_t i = 0; i < step->n_src && step->kind != FR_STEP_INGEST; i++)
        doubles += ref_elements(&step->src[i]);
    return (doubles + extra_doubles(step)) * sizeof(double);
}

/* A chain's scratch: two tensors in turn, then what the hungriest sub-step needs. */
static uint64_t between_bytes(const fr_step *chain) {
    uint64_t most = 0;
    for (int32_t i = 0; i + 1 < chain->n_sub; i++) {
        fr_tensor tensor = chain->sub[i].dst;
        tensor.layout = FR_LAYOUT_NCHW;
        uint64_t bytes = fr_tensor_bytes(&tensor, chain->n);
        most = bytes > most ? bytes : most;
    }
    return round_up_64(most);
}

static uint64_t scratch_bytes(const fr_step *step) {
    if (step->kind != FR_STEP_CHAIN)
        return plain_scratch_bytes(step);
    uint64_t most = 0;
    for (int32_t i = 0; i < step->n_sub; i++) {
        uint64_t bytes = plain_scratch_bytes(&step->sub[i]);
        most = bytes > most ? bytes : most;
    }
    return 2 * between_bytes(step) + most;
}

/* ---- candidates --------------------------------------------------------------------------------------------- */

static uint16_t settle(uint16_t layout) {
    return layout == FR_LAYOUT_ANY ? FR_LAYOUT_NCHW : layout;
}

fr_status ref_candidates(fr_device *device, const fr_step *step, fr_candidate *out, uint32_t capacity,
                         uint32_t *out_count) {
    (void)device;
    *out_count = 1;
    if (capacity == 0)
        return FR_OK;
    memset(out, 0, sizeof *out);
    out->struct_bytes = sizeof *out;
    snprintf(out->name, sizeof out->name, "ref");
    out->refused = (uint16_t)step_check(step);
    if (out->refused)
        return FR_OK;
    for (int32_t i = 0; i < step->n_src; i++)
        out->src_layout[i] = settle(step->src[i].layout);
    out->dst_layout = settle(step->dst.layout);
    out->scratch_bytes = scratch_bytes(step);
    return FR_OK;
}

/* ---- compile ------------------------------------------------------------------------------------------------ */

static fr_status copy_floats(fr_program *program, const float *from, uint64_t count, float **out_floats) {
    void *block;
    HOST_TRY(host_alloc(program->device->base.host, count * sizeof(float), "weights", &block));
    memcpy(block, from, (size_t)count * sizeof(float));
    program->weight_bytes += count * sizeof(float);
    *out_floats = block;
    return FR_OK;
}

static fr_status copy_int8_weights(fr_program *program, const fr_weights *weights, uint64_t count) {
    const fr_host *host = program->device->base.host;
    const fr_step *step = &program->step;
    void *block;
    if (!weights->weight_s8 || !weights->weight_scale)
        return host_fail(host, FR_INVALID, "reference: an int8 step needs int8 weights and their scales");
    HOST_TRY(host_alloc(host, count * sizeof(float), "weights", &block));
    program->weight = block;
    for (uint64_t i = 0; i < count; i++)
        program->weight[i] = (float)weights->weight_s8[i];
    HOST_TRY(host_alloc(host, (uint64_t)step->dst.c * sizeof(double), "weights", &block));
    program->factor = block;
    for (int32_t o = 0; o < step->dst.c; o++)
        program->factor[o] = (double)step->src[0].scale * (double)weights->weight_scale[o];
    program->weight_bytes += count * sizeof(float) + (uint64_t)step->dst.c * sizeof(double);
    return FR_OK;
}

static fr_status copy_weights(fr_program *program, const fr_weights *weights) {
    const fr_host *host = program->device->base.host;
    const fr_step *step = &program->step;
    if (step->kind == FR_STEP_INGEST) {
        if (weights && weights->mean)
            HOST_TRY(copy_floats(program, weights->mean, (uint64_t)step->image_c, &program->mean));
        if (weights && weights->scale)
            HOST_TRY(copy_floats(program, weights->scale, (uint64_t)step->image_c, &program->scale));
        return FR_OK;
    }
    if (step->kind != FR_STEP_CONV && step->kind != FR_STEP_FC)
        return FR_OK;
    if (!weights || (step->has_bias && !weights->bias) || (step->compute != FR_PRECISION_INT8 && !weights->weight))
        return host_fail(host, FR_INVALID, "reference: the step's weights or bias are missing");
    uint64_t inputs = step->kind == FR_STEP_FC
                          ? ref_elements(&step->src[0])
                          : (uint64_t)(step->src[0].c / step->groups) * (uint64_t)step->win.kh * (uint64_t)step->win.kw;
    uint64_t count = (uint64_t)step->dst.c * inputs;
    if (step->compute == FR_PRECISION_INT8)
        HOST_TRY(copy_int8_weights(program, weights, count));
    else
        HOST_TRY(copy_floats(program, weights->weight, count, &program->weight));
    return step->has_bias ? copy_floats(program, weights->bias, (uint64_t)step->dst.c, &program->bias) : FR_OK;
}

/* What lies between two sub-steps is NCHW; the chain's own ends are as the chain says. */
static fr_status compile_chain(fr_program *program, const fr_step *step, const fr_weights *weights) {
    fr_device *device = program->device;
    void *block;
    if (!weights || !weights->sub)
        return host_fail(device->base.host, FR_INVALID, "reference: the chain's weights are missing");
    HOST_TRY(host_alloc(device->base.host, (uint64_t)step->n_sub * sizeof(fr_program *), "a chain", &block));
    program->sub = block;
    program->n_sub = step->n_sub;
    program->between_bytes = between_bytes(step);
    for (int32_t i = 0; i < step->n_sub; i++) {
        fr_step sub = step->sub[i];
        fr_candidate candidate;
        uint32_t count;
        sub.src[0].layout = i == 0 ? step->src[0].layout : FR_LAYOUT_NCHW;
        sub.dst.layout = i + 1 == step->n_sub ? step->dst.layout : FR_LAYOUT_NCHW;
        HOST_TRY(ref_candidates(device, &sub, &candidate, 1, &count));
        HOST_TRY(ref_compile(device, &sub, &candidate, &weights->sub[i], &program->sub[i]));
    }
    return FR_OK;
}

static bool is_settled(const fr_step *step) {
    bool settled = step->dst.layout != FR_LAYOUT_ANY;
    for (int32_t i = 0; i < step->n_src; i++)
        settled = settled && step->src[i].layout != FR_LAYOUT_ANY;
    return settled;
}

fr_status ref_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate, const fr_weights *weights,
                      fr_program **out_program) {
    const fr_host *host = device->base.host;
    fr_program *program = NULL;
    fr_status status = FR_OK;
    void *block;
    *out_program = NULL;
    if (candidate->refused || step_check(step) != FR_WHY_NOT || !is_settled(step))
        return host_fail(host, FR_INVALID,
                         "reference: compile wants a step that candidates() accepted, with its layouts");
    HOST_TRY(host_alloc(host, sizeof(fr_program), "a program", &block));
    program = block;
    program->device = device;
    program->step = *step;
    program->step.sub = NULL;
    program->scratch_bytes = scratch_bytes(step);
    if (step->kind == FR_STEP_CHAIN)
        HOST_GO(done, compile_chain(program, step, weights));
    else
        HOST_GO(done, copy_weights(program, weights));
    *out_program = program;
done:
    host_account_add(&device->base, FR_BUFFER_WEIGHT, program->weight_bytes);
    if (status != FR_OK)
        ref_program_free(program);
    return status;
}

void ref_program_free(fr_program *program) {
    if (!program)
        return;
    const fr_host *host = program->device->base.host;
    void *blocks[] = {program->weight, program->bias, program->factor, program->mean, program->scale};
    host_account_drop(&program->device->base, FR_BUFFER_WEIGHT, program->weight_bytes);
    for (int32_t i = 0; i < program->n_sub; i++)
        ref_program_free(program->sub[i]);
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        if (blocks[i])
            host->free(blocks[i]);
    if (program->sub)
        host->free(program->sub);
    host->free(program);
}

/* ---- launch ------------------------------------------------------------------------------------------------- */

static void run_dense(const fr_program *program, void *const *src, void *dst, double *scratch) {
    const fr_step *step = &program->step;
    ref_run_fn run = run_function(step->kind);
    ref_maps from[FR_MAX_SRC], to = {step->dst.c, step->dst.h, step->dst.w, scratch};
    double *next = scratch + ref_elements(&step->dst);
    for (int32_t i = 0; i < step->n_src; i++) {
        from[i] = (ref_maps){step->src[i].c, step->src[i].h, step->src[i].w, next};
        next += ref_elements(&step->src[i]);
    }
    for (int32_t n = 0; n < step->n; n++) {
        for (int32_t i = 0; i < step->n_src; i++)
            ref_load(&step->src[i], src[i], n, i == 0 && program->factor, from[i].at);
        run(program, from, next, &to);
        ref_store(&step->dst, dst, n, to.at);
    }
}

static void run_program(const fr_program *program, void *const *src, void *dst, void *scratch, int32_t valid);

static void run_chain(const fr_program *program, void *src, void *dst, char *scratch, int32_t valid) {
    char *rest = scratch + 2 * program->between_bytes;
    for (int32_t i = 0; i < program->n_sub; i++) {
        void *to = i + 1 == program->n_sub ? dst : scratch + (uint64_t)(i % 2) * program->between_bytes;
        run_program(program->sub[i], &src, to, rest, valid);
        src = to;
    }
}

static void run_program(const fr_program *program, void *const *src, void *dst, void *scratch, int32_t valid) {
    switch (program->step.kind) {
    case FR_STEP_INGEST: ref_ingest(program, src[0], scratch, dst, valid); break;
    case FR_STEP_EMIT: ref_emit(program, src[0], scratch, dst, valid); break;
    case FR_STEP_CHAIN: run_chain(program, src[0], dst, scratch, valid); break;
    default: run_dense(program, src, dst, scratch); break;
    }
}

/* The ends of a chain, else the program's own step: as fr_step_first and fr_step_last. */
static const fr_step *first_step(const fr_program *program) {
    return program->n_sub ? &program->sub[0]->step : &program->step;
}

static const fr_step *last_step(const fr_program *program) {
    return program->n_sub ? &program->sub[program->n_sub - 1]->step : &program->step;
}

/* User memory need only hold the images of this launch that exist. */
static uint64_t source_bytes(const fr_program *program, int32_t index, int32_t valid) {
    const fr_step *step = first_step(program);
    if (step->kind != FR_STEP_INGEST)
        return fr_tensor_bytes(&step->src[index], step->n);
    fr_tensor image = step->src[0];
    image.c = step->image_c;
    return fr_tensor_bytes(&image, valid);
}

static uint64_t target_bytes(const fr_program *program, int32_t valid) {
    const fr_step *step = last_step(program);
    if (step->kind != FR_STEP_EMIT)
        return fr_tensor_bytes(&step->dst, step->n);
    return (uint64_t)valid * (ref_elements(&step->src[0]) / (uint64_t)step->images) *
           fr_dtype_bytes((fr_dtype)step->dst.dtype);
}

fr_status ref_launch(fr_queue *queue, const fr_launch *launch) {
    const fr_program *program = launch->program;
    const fr_step *step = &program->step;
    const fr_host *host = queue->device->base.host;
    bool is_user_end = first_step(program)->kind == FR_STEP_INGEST || last_step(program)->kind == FR_STEP_EMIT;
    void *src[FR_MAX_SRC] = {NULL}, *dst, *scratch;
    if (is_user_end && (launch->valid < 0 || launch->valid > step->n * step->images))
        return host_fail(host, FR_INVALID, "reference: %d images are valid of at most %d", launch->valid,
                         step->n * step->images);
    for (int32_t i = 0; i < step->n_src; i++)
        HOST_TRY(host_binding_at(host, &launch->src[i], source_bytes(program, i, launch->valid), "source", &src[i]));
    HOST_TRY(host_binding_at(host, &launch->dst, target_bytes(program, launch->valid), "destination", &dst));
    HOST_TRY(host_binding_at(host, &launch->scratch, program->scratch_bytes, "scratch", &scratch));
    run_program(program, src, dst, scratch, launch->valid);
    return FR_OK;
}
