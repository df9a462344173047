#include "pool.h"

#include "steps.h"

void cpu_pool_make(uint16_t kind, const fr_window *win, const fr_tensor *src, const fr_tensor *dst,
                   cpu_pool *out_pool) {
    uint16_t layout = src->layout;
    int32_t block = fr_layout_block(layout);
    *out_pool = (cpu_pool){.win = *win,
                           .h = src->h,
                           .w = src->w,
                           .out_h = dst->h,
                           .out_w = dst->w,
                           .kind = kind,
                           .from = src->dtype,
                           .to = dst->dtype,
                           .from_scale = src->scale,
                           .to_scale = dst->scale};
    out_pool->channels = layout == FR_LAYOUT_NHWC ? src->c : block;
    out_pool->maps = (uint64_t)(fr_layout_channels(layout, src->c) / out_pool->channels);
}

typedef struct pool_job {
    const cpu_kernels *kernels;
    const cpu_pool *pool;
    const char *src;
    char *dst;
    size_t src_step, dst_step; /* bytes of a map */
} pool_job;

static void pool_map(void *ctx, int64_t job) {
    const pool_job *j = ctx;
    j->kernels->pool(j->pool, j->src + (size_t)job * j->src_step, j->dst + (size_t)job * j->dst_step);
}

void cpu_pool_images(const fr_queue *queue, const cpu_pool *pool, const void *src, void *dst, int32_t images) {
    pool_job job = {queue->device->kernels, pool, src, dst, 0, 0};
    job.src_step = (size_t)pool->h * (size_t)pool->w * (size_t)pool->channels * fr_dtype_bytes((fr_dtype)pool->from);
    job.dst_step =
        (size_t)pool->out_h * (size_t)pool->out_w * (size_t)pool->channels * fr_dtype_bytes((fr_dtype)pool->to);
    cpu_parallel(queue, (int64_t)pool->maps * images, pool_map, &job);
}

/* ---- the step --------------------------------------------------------------------------------------------------------- */

typedef struct pool_program {
    fr_program base; /* first */
    cpu_pool pool;
} pool_program;

static fr_status pool_candidates(fr_device *device, const fr_step *step, cpu_offers *offers) {
    static const uint16_t layouts[] = {FR_LAYOUT_NCHW16C, FR_LAYOUT_NHWC, FR_LAYOUT_NCHW8C, FR_LAYOUT_NCHW};
    (void)device;
    const fr_tensor *src = &step->src[0], *dst = &step->dst;
    const char *kind = step->pool == FR_POOL_MAX ? "max" : "avg", *word = cpu_dtype_word(src->dtype);
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        if (!cpu_layout_fits(src, layouts[i]) || !cpu_layout_fits(dst, layouts[i])) {
            cpu_refuse(offers, FR_WHY_LAYOUT, "cpu.%spool.%s.%s", kind, cpu_layout_word(layouts[i]), word);
            continue;
        }
        fr_candidate *c = cpu_offer(offers, "cpu.%spool.%s.%s", kind, cpu_layout_word(layouts[i]), word);
        c->src_layout[0] = c->dst_layout = layouts[i];
    }
    return FR_OK;
}

static fr_status pool_run(fr_program *program, fr_queue *queue, const cpu_args *args) {
    const pool_program *p = (const pool_program *)program;
    cpu_pool_images(queue, &p->pool, args->src[0], args->dst, program->step.n);
    return FR_OK;
}

static fr_status pool_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate,
                              const fr_weights *weights, fr_program **out_program) {
    (void)weights;
    pool_program *p = NULL;
    HOST_TRY(cpu_program_new(device, step, candidate, sizeof *p, &p));
    p->base.run = pool_run;
    cpu_pool_make(step->pool, &step->pool_win, &p->base.step.src[0], &p->base.step.dst, &p->pool);
    *out_program = &p->base;
    return FR_OK;
}

const cpu_kind cpu_kind_pool = {pool_candidates, pool_compile};
