/* Steps that only move numbers: concat, pad, reorder. Between dtypes and scales too. */
#include <string.h>

#include "maps.h"
#include "steps.h"

typedef struct move_job {
    const fr_step *step;
    const cpu_kernels *kernels;
    const cpu_args *args;
} move_job;

/* All places of one channel of image n. */
static void move_channel(const move_job *job, const fr_tensor *src, const void *from, int32_t c, const fr_tensor *dst,
                         int32_t to_c, int32_t n) {
    cpu_end in = cpu_end_of(src), out = cpu_end_of(dst);
    job->kernels->move(&in, cpu_channel_at(src, from, n, c), &out, cpu_channel_at(dst, job->args->dst, n, to_c),
                       cpu_places(src));
}

static fr_status run_images(fr_program *program, fr_queue *queue, const cpu_args *args,
                            void (*image)(void *ctx, int64_t n)) {
    move_job job = {&program->step, queue->device->kernels, args};
    cpu_parallel(queue, program->step.n, image, &job);
    return FR_OK;
}

/* ---- concat ------------------------------------------------------------------------------------------------------------- */

/* Whole stretches where the layout allows: an NCHW source, an NHWC place, blocks that begin on a block. */
static void concat_source(const move_job *job, const fr_tensor *src, const void *from, int32_t offset, int32_t n) {
    const fr_tensor *dst = &job->step->dst;
    const cpu_kernels *k = job->kernels;
    int32_t block = fr_layout_block(src->layout);
    size_t in_width = fr_dtype_bytes((fr_dtype)src->dtype), out_width = fr_dtype_bytes((fr_dtype)dst->dtype);
    if (src->layout == FR_LAYOUT_NHWC) {
        const char *in = cpu_channel_at(src, from, n, 0);
        char *out = cpu_channel_at(dst, job->args->dst, n, offset);
        for (uint64_t place = 0; place < cpu_places(src);
             place++, in += (size_t)src->c * in_width, out += (size_t)dst->c * out_width)
            k->convert(src->dtype, src->scale, in, dst->dtype, dst->scale, out, (uint64_t)src->c);
    } else if (offset % block == 0) {
        k->convert(src->dtype, src->scale, cpu_channel_at(src, from, n, 0), dst->dtype, dst->scale,
                   cpu_channel_at(dst, job->args->dst, n, offset), fr_tensor_elements(src));
    } else {
        for (int32_t c = 0; c < src->c; c++)
            move_channel(job, src, from, c, dst, offset + c, n);
    }
}

static void concat_image(void *ctx, int64_t n) {
    const move_job *job = ctx;
    int32_t offset = 0;
    for (int32_t i = 0; i < job->step->n_src; i++) { /* in order: a source's padding is overwritten by the next one */
        concat_source(job, &job->step->src[i], job->args->src[i], offset, (int32_t)n);
        offset += job->step->src[i].c;
    }
    cpu_zero_tail(&job->step->dst, job->args->dst, (int32_t)n);
}

static fr_status concat_run(fr_program *program, fr_queue *queue, const cpu_args *args) {
    return run_images(program, queue, args, concat_image);
}

static fr_status concat_candidates(fr_device *device, const fr_step *step, cpu_offers *offers) {
    (void)device;
    cpu_offer_alike(step, "concat", offers);
    return FR_OK;
}

/* ---- pad ---------------------------------------------------------------------------------------------------------------- */

static void pad_image(void *ctx, int64_t image) {
    const move_job *job = ctx;
    const fr_step *step = job->step;
    const fr_tensor *src = &step->src[0], *dst = &step->dst;
    cpu_end in = cpu_end_of(src), out = cpu_end_of(dst), pad = {FR_F32, 0.0f, 0};
    size_t in_row = (size_t)src->w * in.step * fr_dtype_bytes((fr_dtype)src->dtype),
           out_place = out.step * fr_dtype_bytes((fr_dtype)dst->dtype);
    int32_t n = (int32_t)image, skip_y = step->win.pad_top < 0 ? -step->win.pad_top : 0,
            skip_x = step->win.pad_left < 0 ? -step->win.pad_left : 0;
    int32_t top = step->win.pad_top + skip_y, left = step->win.pad_left + skip_x; /* negative pads crop */
    int32_t rows = src->h - skip_y < dst->h - top ? src->h - skip_y : dst->h - top,
            columns = src->w - skip_x < dst->w - left ? src->w - skip_x : dst->w - left;
    for (int32_t c = 0; c < dst->c; c++) {
        char *to = cpu_channel_at(dst, job->args->dst, n, c);
        const char *from = cpu_channel_at(src, job->args->src[0], n, c) +
                           (size_t)skip_x * in.step * fr_dtype_bytes((fr_dtype)src->dtype);
        job->kernels->move(&pad, &step->pad_value, &out, to, cpu_places(dst));
        for (int32_t y = 0; y < rows && columns > 0; y++)
            job->kernels->move(&in, from + (size_t)(y + skip_y) * in_row, &out,
                               to + ((size_t)(y + top) * (size_t)dst->w + (size_t)left) * out_place, (uint64_t)columns);
    }
    cpu_zero_tail(dst, job->args->dst, n);
}

static fr_status pad_run(fr_program *program, fr_queue *queue, const cpu_args *args) {
    return run_images(program, queue, args, pad_image);
}

static fr_status pad_candidates(fr_device *device, const fr_step *step, cpu_offers *offers) {
    (void)device;
    cpu_offer_alike(step, "pad", offers);
    return FR_OK;
}

/* ---- reorder ------------------------------------------------------------------------------------------------------------ */

/* Places that lie one after another in CHW order: of a plain layout all there are. */
static uint64_t stretch_of(const fr_tensor *t) {
    return cpu_places(t) * (t->layout == FR_LAYOUT_NCHW ? (uint64_t)t->c : 1);
}

/* Both sides in CHW order, dims may differ: stretches that lie together on both sides. */
static void reorder_image(void *ctx, int64_t image) {
    const move_job *job = ctx;
    const fr_tensor *src = &job->step->src[0], *dst = &job->step->dst;
    cpu_end in = cpu_end_of(src), out = cpu_end_of(dst);
    uint64_t in_map = stretch_of(src), out_map = stretch_of(dst), total = cpu_places(src) * (uint64_t)src->c;
    size_t in_width = fr_dtype_bytes((fr_dtype)src->dtype), out_width = fr_dtype_bytes((fr_dtype)dst->dtype);
    int32_t n = (int32_t)image;
    for (uint64_t at = 0, count; at < total; at += count) {
        uint64_t in_at = at % in_map, out_at = at % out_map;
        count = in_map - in_at < out_map - out_at ? in_map - in_at : out_map - out_at;
        const char *from =
            cpu_channel_at(src, job->args->src[0], n, (int32_t)(at / in_map)) + in_at * in.step * in_width;
        job->kernels->move(
            &in, from, &out,
            cpu_channel_at(dst, job->args->dst, n, (int32_t)(at / out_map)) + out_at * out.step * out_width, count);
    }
    cpu_zero_tail(dst, job->args->dst, n);
}

static fr_status reorder_run(fr_program *program, fr_queue *queue, const cpu_args *args) {
    return run_images(program, queue, args, reorder_image);
}

static bool known_layout(uint16_t layout) {
    return layout >= FR_LAYOUT_NCHW && layout <= FR_LAYOUT_NCHW32C;
}

static void offer_reorder(const fr_step *step, uint16_t from, uint16_t to, cpu_offers *offers) {
    fr_candidate *c = cpu_offer(offers, "cpu.reorder.%s-%s.%s-%s", cpu_layout_word(from), cpu_layout_word(to),
                                cpu_dtype_word(step->src[0].dtype), cpu_dtype_word(step->dst.dtype));
    c->src_layout[0] = from;
    c->dst_layout = to;
}

/* A source of any layout is taken as the kernels before it like to leave it. */
static fr_status reorder_candidates(fr_device *device, const fr_step *step, cpu_offers *offers) {
    static const uint16_t sources[] = {FR_LAYOUT_NCHW, FR_LAYOUT_NHWC, FR_LAYOUT_NCHW16C, FR_LAYOUT_NCHW8C};
    (void)device;
    const fr_tensor *src = &step->src[0], *dst = &step->dst;
    uint16_t to = dst->layout == FR_LAYOUT_ANY ? FR_LAYOUT_NCHW : dst->layout;
    if ((src->layout != FR_LAYOUT_ANY && !known_layout(src->layout)) || !known_layout(to)) {
        cpu_refuse(offers, FR_WHY_LAYOUT, "cpu.reorder");
        return FR_OK;
    }
    for (size_t i = 0; src->layout == FR_LAYOUT_ANY && i < sizeof sources / sizeof sources[0]; i++)
        offer_reorder(step, sources[i], to, offers);
    if (src->layout != FR_LAYOUT_ANY)
        offer_reorder(step, src->layout, to, offers);
    return FR_OK;
}

/* ---- compiling: a step is all there is ------------------------------------------------------------------------------------ */

static fr_status moves_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate,
                               const fr_weights *weights, fr_program **out_program) {
    (void)weights;
    HOST_TRY(cpu_program_new(device, step, candidate, sizeof(fr_program), out_program));
    (*out_program)->run = step->kind == FR_STEP_CONCAT ? concat_run : step->kind == FR_STEP_PAD ? pad_run : reorder_run;
    return FR_OK;
}

const cpu_kind cpu_kind_concat = {concat_candidates, moves_compile};
const cpu_kind cpu_kind_pad = {pad_candidates, moves_compile};
const cpu_kind cpu_kind_reorder = {reorder_candidates, moves_compile};
