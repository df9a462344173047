/* Convs on oneDNN: compiled, and run by sub-batches. */
#include "conv.h"

#include <string.h>

#include "pool.h"
#include "replica.h"

/* Two primitives: oneDNN fixes at creation how many threads share the work. One of them may be missing. */
enum { ONE_THREAD = 0, MANY_THREADS = 1 };

typedef struct cpu_conv {
    fr_program base; /* first */
    bool has[2];
    cpu_conv_plan plan[2];
    cpu_prim *prim[2];
    bool is_ours; /* then there are no primitives */
    cpu_own_use use[2];
    cpu_replicas weights;
    cpu_pool pool;
    cpu_execs execs;
} cpu_conv;

/* ---- weights ---------------------------------------------------------------------------------------------------- */

/* int8: real = scale[o] * sum + bias, and out = real / unit. 2.x multiplies the scale after the bias was added. */
static void fill_scales(const fr_step *step, const cpu_conv_plan *plan, const fr_weights *weights, float *scales,
                        float *bias) {
    float unit = plan->scales_unit ? plan->unit : 1.0f;
    for (int32_t o = 0; o < step->dst.c; o++) {
        float real = step->src[0].scale * weights->weight_scale[o];
        scales[o] = real > 0.0f ? real / unit : 1.0f; /* a channel without scale has weights of zero */
        if (bias != NULL)
            bias[o] = cpu_dnnl_late_scales() != 0 ? weights->bias[o] / unit : weights->bias[o] / (unit * scales[o]);
    }
}

static fr_status describe_weights(const fr_host *host, const fr_step *step, const cpu_conv_plan *plan,
                                  dnnl_data_type_t type, cpu_md *out_md) {
    dnnl_dim_t o = step->dst.c, g = step->groups, c = plan->in.c;
    if (step->kind == FR_STEP_FC)
        return cpu_md_make(host, 2, (dnnl_dim_t[]){o, c}, type, dnnl_ab, out_md);
    if (g == 1)
        return cpu_md_make(host, 4, (dnnl_dim_t[]){o, c, step->win.kh, step->win.kw}, type, dnnl_oihw, out_md);
    return cpu_md_make(host, 5, (dnnl_dim_t[]){g, o / g, c / g, step->win.kh, step->win.kw}, type, dnnl_goihw, out_md);
}

static fr_status fix_weights(const fr_step *step, const cpu_conv_plan *plan, cpu_prim *prim,
                             const fr_weights *weights) {
    const fr_host *host = prim->device->base.host;
    bool int8 = step->compute == FR_PRECISION_INT8;
    cpu_md from;
    HOST_TRY(describe_weights(host, step, plan, int8 ? dnnl_s8 : dnnl_f32, &from));
    const void *values = int8 ? (const void *)weights->weight_s8 : weights->weight;
    fr_status status =
        cpu_prim_fix(prim, DNNL_ARG_WEIGHTS, cpu_md_of(&from), values, cpu_pd_md(prim->pd, dnnl_query_weights_md));
    cpu_md_drop(&from);
    return status;
}

static fr_status fix_row(cpu_prim *prim, int arg, const float *values, int32_t count) {
    const fr_host *host = prim->device->base.host;
    dnnl_dim_t dims[1] = {count};
    cpu_md md;
    HOST_TRY(cpu_md_make(host, 1, dims, dnnl_f32, dnnl_x, &md));
    fr_status status = cpu_prim_fix(prim, arg, cpu_md_of(&md), values, cpu_md_of(&md));
    cpu_md_drop(&md);
    return status;
}

/* ---- compiling ----------------------------------------------------------------------------------------------------- */

/* *out_prim stays NULL when oneDNN lacks the choice at this number of threads. */
static fr_status prim_make(fr_device *device, const fr_step *step, const cpu_conv_plan *plan, const fr_weights *weights,
                           cpu_prim **out_prim) {
    const fr_host *host = device->base.host;
    bool int8 = step->compute == FR_PRECISION_INT8;
    float *scales = NULL, *bias = NULL;
    cpu_prim *prim = NULL;
    cpu_walk walk;
    void *block = NULL;
    *out_prim = NULL;
    if (int8) {
        HOST_TRY(host_alloc(host, (uint64_t)step->dst.c * 2 * sizeof(float), "scales", &block));
        scales = block;
        bias = step->has_bias ? scales + step->dst.c : NULL;
        fill_scales(step, plan, weights, scales, bias);
    }
    fr_status status;
    HOST_GO(done, cpu_conv_walk(device, step, plan, scales, &walk));
    if (!cpu_conv_walk_to(&walk, plan->way)) {
        cpu_walk_end(&walk);
        goto done;
    }
    HOST_GO(done, cpu_prim_new(device, cpu_walk_take(&walk), &prim));
    prim->moves_stack = plan->way == CPU_WAY_GEMM && plan->in.dtype == FR_F32 && cpu_dnnl_moves_stack();
    HOST_GO(done, fix_weights(step, plan, prim, weights));
    if (step->has_bias)
        HOST_GO(done, fix_row(prim, DNNL_ARG_BIAS, int8 ? bias : weights->bias, step->dst.c));
    if (int8 && cpu_dnnl_late_scales() != 0)
        HOST_GO(done, fix_row(prim, cpu_dnnl_late_scales(), scales, step->dst.c));
    *out_prim = prim;
    prim = NULL;
done:
    cpu_prim_free(prim);
    host->free(block);
    return status;
}

static fr_status make_for_threads(cpu_conv *conv, const cpu_conv_choice *choice, const fr_weights *weights, int which) {
    fr_device *device = conv->base.device;
    uint32_t threads = which == ONE_THREAD ? 1 : device->isa.cores;
    fr_reason why = cpu_conv_plan_make(device, &conv->base.step, choice, threads, &conv->plan[which]);
    if (why != FR_WHY_NOT)
        return FR_OK;
    int before = cpu_threads_set(threads);
    fr_status status = prim_make(device, &conv->base.step, &conv->plan[which], weights, &conv->prim[which]);
    cpu_threads_back(before);
    conv->has[which] = status == FR_OK && conv->prim[which] != NULL;
    if (conv->has[which])
        conv->plan[which].own_bytes = cpu_prim_scratch(conv->prim[which]->pd);
    return status;
}

static fr_status make_own(cpu_conv *conv, const cpu_conv_choice *choice, const fr_weights *weights) {
    fr_device *device = conv->base.device;
    const fr_step *step = &conv->base.step;
    conv->is_ours = true;
    for (int which = 0; which < 2; which++) {
        uint32_t threads = which == ONE_THREAD ? 1 : device->isa.cores;
        fr_reason why = cpu_conv_plan_make(device, step, choice, threads, &conv->plan[which]);
        if (why == FR_WHY_NOT)
            why = cpu_own_plan(device, step, &conv->plan[which], threads, &conv->use[which]);
        conv->has[which] = why == FR_WHY_NOT;
    }
    if (!conv->has[ONE_THREAD])
        return FR_OK;
    HOST_TRY(cpu_own_pack(device, &conv->use[ONE_THREAD], step, weights, &conv->weights.packed));
    return cpu_replicas_spread(device, &conv->weights);
}

static fr_status make_prims(cpu_conv *conv, const cpu_conv_choice *choice, const fr_weights *weights) {
    fr_device *device = conv->base.device;
    bool many = device->isa.cores > 1 && atomic_load(&device->many_thread_queues) > 0;
    if (many)
        HOST_TRY(make_for_threads(conv, choice, weights, MANY_THREADS));
    if (!conv->has[MANY_THREADS] || atomic_load(&device->one_thread_queues) > 0)
        HOST_TRY(make_for_threads(conv, choice, weights, ONE_THREAD));
    return FR_OK;
}

static void conv_free_parts(fr_program *program) {
    cpu_conv *conv = (cpu_conv *)program;
    cpu_execs_free(program->device, &conv->execs);
    cpu_prim_free(conv->prim[ONE_THREAD]);
    cpu_prim_free(conv->prim[MANY_THREADS]);
    cpu_replicas_free(program->device, &conv->weights);
}

static fr_status conv_run(fr_program *program, fr_queue *queue, const cpu_args *args);

fr_status cpu_conv_check_weights(const fr_host *host, const fr_step *step, const fr_weights *weights) {
    bool int8 = step->compute == FR_PRECISION_INT8;
    bool lacks = weights == NULL || (step->has_bias && weights->bias == NULL) ||
                 (int8 ? weights->weight_s8 == NULL || weights->weight_scale == NULL : weights->weight == NULL);
    return lacks ? host_fail(host, FR_INVALID, "cpu: a conv or fc step comes without its weights, scales or bias")
                 : FR_OK;
}

fr_status cpu_conv_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate,
                           const fr_weights *weights, fr_program **out_program) {
    const fr_host *host = device->base.host;
    cpu_conv_choice choice = cpu_conv_choice_of(candidate->id);
    cpu_conv *conv = NULL;
    HOST_TRY(cpu_conv_check_weights(host, step, weights));
    HOST_TRY(cpu_program_new(device, step, candidate, sizeof *conv, &conv));
    conv->base.run = conv_run;
    conv->base.free_parts = conv_free_parts;
    fr_status status;
    HOST_GO(fail,
            cpu_own_of(choice.way) != NULL ? make_own(conv, &choice, weights) : make_prims(conv, &choice, weights));
    if (!conv->has[ONE_THREAD] && !conv->has[MANY_THREADS])
        HOST_GO(fail, host_fail(host, FR_UNSUPPORTED, "cpu: '%s' cannot run this conv", candidate->name));
    for (int which = 0; which < 2; which++)
        if (conv->prim[which] != NULL && cpu_conv_scratch(&conv->plan[which]) > candidate->scratch_bytes)
            conv->plan[which].own_bytes = 0; /* each queue gets it: see cpu_prim_run */
    const cpu_conv_plan *plan = &conv->plan[conv->has[ONE_THREAD] ? ONE_THREAD : MANY_THREADS];
    if (step->pool != FR_POOL_NONE && !plan->pools)
        cpu_pool_make(step->pool, &step->pool_win, &plan->out, &conv->base.step.dst, &conv->pool);
    *out_program = &conv->base;
    return FR_OK;
fail:
    cpu_program_free(&conv->base);
    return status;
}

/* ---- running ------------------------------------------------------------------------------------------------------ */

typedef struct convert_job {
    const cpu_kernels *kernels;
    const fr_tensor *from, *to;
    const char *src;
    char *dst;
    uint64_t elements; /* of one image */
} convert_job;

static void convert_image(void *ctx, int64_t job) {
    const convert_job *c = ctx;
    uint64_t first = (uint64_t)job * c->elements;
    c->kernels->convert(c->from->dtype, c->from->scale, c->src + first * fr_dtype_bytes((fr_dtype)c->from->dtype),
                        c->to->dtype, c->to->scale, c->dst + first * fr_dtype_bytes((fr_dtype)c->to->dtype),
                        c->elements);
}

/* Same layout and dims on both sides. */
static void convert(fr_queue *queue, const fr_tensor *from, const void *src, const fr_tensor *to, void *dst,
                    int32_t images) {
    convert_job job = {queue->device->kernels, from, to, src, dst, fr_tensor_elements(from)};
    cpu_parallel(queue, images, convert_image, &job);
}

/* The residual goes where the sums will be added to it. */
static void preload(fr_queue *queue, const fr_tensor *residual, const void *from, const fr_tensor *out, void *to,
                    int32_t images) {
    if (from == to)
        return;
    if (fr_dtype_bytes((fr_dtype)residual->dtype) == fr_dtype_bytes((fr_dtype)out->dtype))
        memcpy(to, from, fr_tensor_bytes(out, images));
    else
        convert(queue, residual, from, out, to, images);
}

static fr_status conv_run(fr_program *program, fr_queue *queue, const cpu_args *args) {
    cpu_conv *conv = (cpu_conv *)program;
    const fr_step *step = &program->step;
    int which = (queue->threads > 1 || !conv->has[ONE_THREAD]) && conv->has[MANY_THREADS] ? MANY_THREADS : ONE_THREAD;
    const cpu_conv_plan *plan = &conv->plan[which];
    char *in = args->scratch, *out = args->scratch + plan->in_bytes, *own = out + plan->out_bytes;
    uint64_t src_step = fr_tensor_bytes(&step->src[0], plan->inner),
             dst_step = fr_tensor_bytes(&step->dst, plan->inner);
    uint64_t residual_step = step->residual ? fr_tensor_bytes(&step->src[1], plan->inner) : 0;
    const char *src = args->src[0], *residual = args->src[1];
    char *dst = args->dst;
    const void *weights = conv->is_ours ? cpu_replica_here(queue->device, &conv->weights) : NULL;
    for (int32_t i = 0; i < step->n; i += plan->inner) {
        const void *from = src;
        void *to = plan->stage_out ? out : dst;
        if (plan->stage_in) {
            convert(queue, &step->src[0], src, &plan->in, in, plan->inner);
            from = in;
        }
        if (conv->is_ours) {
            cpu_own_launch(queue, &conv->use[which], weights, from, residual, to, own);
        } else {
            if (step->residual)
                preload(queue, &step->src[1], residual, &plan->out, to, plan->inner);
            HOST_TRY(cpu_prim_run(conv->prim[which], &conv->execs, queue, from, to, plan->own_bytes > 0 ? own : NULL));
        }
        if (step->pool != FR_POOL_NONE && !plan->pools)
            cpu_pool_images(queue, &conv->pool, out, dst, plan->inner);
        else if (plan->stage_out)
            convert(queue, &plan->out, out, &step->dst, dst, plan->inner);
        src += src_step;
        residual = residual == NULL ? NULL : residual + residual_step;
        dst += dst_step;
    }
    return FR_OK;
}

const cpu_kind cpu_kind_conv = {cpu_conv_candidates, cpu_conv_compile};
