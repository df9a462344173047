/* The user's images into folded inputs. */
#include <string.h>

#include "maps.h"
#include "steps.h"

typedef struct ingest_program {
    fr_program base;      /* first */
    cpu_block by_channel; /* mean and scale: float[2][image_c] */
    fr_tensor image;      /* one of the user's */
    uint64_t image_bytes;
} ingest_program;

static fr_status ingest_candidates(fr_device *device, const fr_step *step, cpu_offers *offers) {
    static const uint16_t layouts[] = {FR_LAYOUT_NCHW, FR_LAYOUT_NHWC, FR_LAYOUT_NCHW16C, FR_LAYOUT_NCHW8C};
    const fr_tensor *src = &step->src[0], *dst = &step->dst;
    const char *from = src->dtype == FR_U8 ? "u8" : "f32", *to = cpu_dtype_word(dst->dtype);
    (void)device;
    fr_reason why = src->dtype != FR_U8 && src->dtype != FR_F32 ? FR_WHY_DTYPE : FR_WHY_NOT;
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        fr_reason reason = why == FR_WHY_NOT && !cpu_layout_fits(dst, layouts[i]) ? FR_WHY_LAYOUT : why;
        if (reason != FR_WHY_NOT) {
            cpu_refuse(offers, reason, "cpu.ingest.%s-%s.%s", from, cpu_layout_word(layouts[i]), to);
            continue;
        }
        fr_candidate *c = cpu_offer(offers, "cpu.ingest.%s-%s.%s", from, cpu_layout_word(layouts[i]), to);
        c->src_layout[0] = src->layout;
        c->dst_layout = layouts[i];
    }
    return FR_OK;
}

/* ---- running ------------------------------------------------------------------------------------------------------------ */

typedef struct ingest_job {
    const ingest_program *program;
    const cpu_kernels *kernels;
    const char *src;
    char *dst;
    int32_t valid;
} ingest_job;

/* Image `index` of the launch into channels [first, first + image_c) of input n. */
static void put_image(const ingest_job *job, int32_t index, int32_t n, int32_t first) {
    const fr_tensor *image = &job->program->image, *dst = &job->program->base.step.dst;
    const float *mean = job->program->by_channel.at, *scale = mean + image->c;
    const char *from = job->src + (uint64_t)index * job->program->image_bytes;
    bool interleaved = image->layout == FR_LAYOUT_USER_HWC && image->dtype == FR_U8;
    if (interleaved && dst->layout == FR_LAYOUT_NHWC && dst->c == image->c && image->c <= 64) {
        job->kernels->interleaved((const uint8_t *)from, dst->dtype, dst->scale, cpu_channel_at(dst, job->dst, n, 0),
                                  mean, scale, (uint64_t)image->c, (uint64_t)image->c * cpu_places(dst));
        return;
    }
    if (interleaved && image->c == 3) {
        cpu_end to = cpu_end_of(dst);
        void *planes[3];
        for (int c = 0; c < 3; c++)
            planes[c] = cpu_channel_at(dst, job->dst, n, first + c);
        job->kernels->rgb_planes((const uint8_t *)from, &to, planes, mean, scale, cpu_places(dst));
        return;
    }
    for (int32_t c = 0; c < image->c; c++) {
        cpu_plane plane = {image->dtype,          dst->dtype,          mean[c],        scale[c], dst->scale,
                           cpu_place_step(image), cpu_place_step(dst), cpu_places(dst)};
        job->kernels->plane(&plane, cpu_channel_at(image, from, 0, c), cpu_channel_at(dst, job->dst, n, first + c));
    }
}

/* Zero is stored as zero bytes in every dtype. */
static void clear_channels(const fr_tensor *dst, char *to, int32_t n, int32_t first, int32_t count) {
    size_t width = fr_dtype_bytes((fr_dtype)dst->dtype);
    uint64_t step = cpu_place_step(dst);
    for (int32_t c = first; c < first + count; c++) {
        char *at = cpu_channel_at(dst, to, n, c);
        if (step == 1)
            memset(at, 0, cpu_places(dst) * width);
        else
            for (uint64_t place = 0; place < cpu_places(dst); place++, at += step * width)
                memset(at, 0, width);
    }
}

/* ---- blocks of channels: whole places are written at a time, their padding and missing images too ------------------------- */

enum { CHUNK = 64, WIDEST_BLOCK = 32 };

static void put_block(const ingest_job *job, int32_t n, int32_t first) {
    const fr_step *step = &job->program->base.step;
    const fr_tensor *image = &job->program->image, *dst = &step->dst;
    const float *mean = job->program->by_channel.at, *scale = mean + image->c;
    float rows[WIDEST_BLOCK * CHUNK], woven[WIDEST_BLOCK * CHUNK];
    int32_t block = fr_layout_block(dst->layout);
    uint64_t step_in = cpu_place_step(image), in_bytes = fr_dtype_bytes((fr_dtype)image->dtype),
             out_bytes = (uint64_t)block * fr_dtype_bytes((fr_dtype)dst->dtype);
    char *to = cpu_channel_at(dst, job->dst, n, first);
    memset(rows, 0, sizeof rows);
    for (uint64_t done = 0; done < cpu_places(dst); done += CHUNK) {
        uint64_t count = cpu_places(dst) - done < CHUNK ? cpu_places(dst) - done : CHUNK;
        for (int32_t k = 0; k < block && first + k < dst->c; k++) {
            int32_t index = n * step->images + (first + k) / image->c, c = (first + k) % image->c;
            if (index >= job->valid)
                break;
            cpu_plane plane = {image->dtype, FR_F32, mean[c], scale[c], 0.0f, step_in, 1, count};
            const char *from = job->src + (uint64_t)index * job->program->image_bytes;
            job->kernels->plane(&plane, cpu_channel_at(image, from, 0, c) + done * step_in * in_bytes,
                                rows + k * CHUNK);
        }
        bool floats = dst->dtype == FR_F32;
        job->kernels->weave(rows, CHUNK, count, (uint64_t)block,
                            floats ? (float *)(void *)(to + done * out_bytes) : woven);
        if (!floats)
            job->kernels->convert(FR_F32, 0.0f, woven, dst->dtype, dst->scale, to + done * out_bytes,
                                  count * (uint64_t)block);
    }
}

static void ingest_input(void *ctx, int64_t input) {
    const ingest_job *job = ctx;
    const fr_step *step = &job->program->base.step;
    int32_t n = (int32_t)input, block = fr_layout_block(step->dst.layout);
    for (int32_t first = 0; block > 1 && first < step->dst.c; first += block)
        put_block(job, n, first);
    for (int32_t i = 0; block == 1 && i < step->images; i++) {
        int32_t index = n * step->images + i;
        if (index < job->valid)
            put_image(job, index, n, i * step->image_c);
        else
            clear_channels(&step->dst, job->dst, n, i * step->image_c, step->image_c);
    }
}

static fr_status ingest_run(fr_program *program, fr_queue *queue, const cpu_args *args) {
    ingest_job job = {(const ingest_program *)program, queue->device->kernels, args->src[0], args->dst, args->valid};
    cpu_parallel(queue, program->step.n, ingest_input, &job);
    return FR_OK;
}

/* ---- compiling ---------------------------------------------------------------------------------------------------------- */

static void ingest_free_parts(fr_program *program) {
    cpu_block_free(program->device, &((ingest_program *)program)->by_channel);
}

static fr_status ingest_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate,
                                const fr_weights *weights, fr_program **out_program) {
    ingest_program *p = NULL;
    HOST_TRY(cpu_program_new(device, step, candidate, sizeof *p, &p));
    p->base.run = ingest_run;
    p->base.free_parts = ingest_free_parts;
    p->image = p->base.step.src[0];
    p->image.c = step->image_c;
    p->image_bytes = fr_tensor_bytes(&p->image, 1);
    p->base.src_bytes[0] = p->image_bytes; /* of one image: launch multiplies by those that exist */
    fr_status status =
        cpu_block_new(device, (uint64_t)step->image_c * 2 * sizeof(float), "means and scales", &p->by_channel);
    if (status != FR_OK) {
        cpu_program_free(&p->base);
        return status;
    }
    float *mean = p->by_channel.at, *scale = mean + step->image_c;
    for (int32_t c = 0; c < step->image_c; c++) {
        mean[c] = weights != NULL && weights->mean != NULL ? weights->mean[c] : 0.0f;
        scale[c] = weights != NULL && weights->scale != NULL ? weights->scale[c] : 1.0f;
    }
    *out_program = &p->base;
    return FR_OK;
}

const cpu_kind cpu_kind_ingest = {ingest_candidates, ingest_compile};
