/* Logits into the user's rows, one an image. */
#include <string.h>

#include "maps.h"
#include "steps.h"

static fr_status emit_candidates(fr_device *device, const fr_step *step, cpu_offers *offers) {
    static const uint16_t layouts[] = {FR_LAYOUT_NCHW, FR_LAYOUT_NHWC, FR_LAYOUT_NCHW16C, FR_LAYOUT_NCHW8C};
    const char *word = cpu_dtype_word(step->src[0].dtype);
    (void)device;
    fr_reason why = step->dst.dtype != FR_F32 ? FR_WHY_DTYPE : FR_WHY_NOT;
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        fr_reason reason = why == FR_WHY_NOT && !cpu_layout_fits(&step->src[0], layouts[i]) ? FR_WHY_LAYOUT : why;
        if (reason != FR_WHY_NOT) {
            cpu_refuse(offers, reason, "cpu.emit.%s.%s", cpu_layout_word(layouts[i]), word);
            continue;
        }
        fr_candidate *c = cpu_offer(offers, "cpu.emit.%s.%s", cpu_layout_word(layouts[i]), word);
        c->src_layout[0] = layouts[i];
        c->dst_layout = step->dst.layout == FR_LAYOUT_ANY ? FR_LAYOUT_NCHW : step->dst.layout;
    }
    return FR_OK;
}

/* A row is one image's share of the channels, in CHW order. */
static fr_status emit_run(fr_program *program, fr_queue *queue, const cpu_args *args) {
    const fr_step *step = &program->step;
    const fr_tensor *src = &step->src[0];
    const cpu_kernels *kernels = queue->device->kernels;
    int32_t classes = src->c / step->images;
    uint64_t map = cpu_places(src);
    cpu_end from = cpu_end_of(src), to = {FR_F32, 0.0f, 1};
    float *row = args->dst;
    for (int32_t image = 0; image < args->valid; image++, row += (uint64_t)classes * map) {
        int32_t n = image / step->images, first = image % step->images * classes;
        if (src->layout == FR_LAYOUT_NCHW)
            kernels->move(&from, cpu_channel_at(src, args->src[0], n, first), &to, row, (uint64_t)classes * map);
        for (int32_t k = 0; k < classes && src->layout != FR_LAYOUT_NCHW; k++)
            kernels->move(&from, cpu_channel_at(src, args->src[0], n, first + k), &to, row + (uint64_t)k * map, map);
        if (step->softmax)
            kernels->softmax(row, row, (uint64_t)classes, map, map);
    }
    return FR_OK;
}

static fr_status emit_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate,
                              const fr_weights *weights, fr_program **out_program) {
    (void)weights;
    fr_program *program = NULL;
    HOST_TRY(cpu_program_new(device, step, candidate, sizeof *program, &program));
    program->run = emit_run;
    /* of one row: launch multiplies by those that exist */
    program->dst_bytes = (uint64_t)(step->src[0].c / step->images) * cpu_places(&step->src[0]) * sizeof(float);
    *out_program = program;
    return FR_OK;
}

const cpu_kind cpu_kind_emit = {emit_candidates, emit_compile};
