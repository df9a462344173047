/* Several launches as one bundle, where the backend has them: replayed with other images, and other numbers of them. */
#include <string.h>

#include "base/status.h"
#include "runner.h"

enum { INPUTS = 3, IMAGES = 2, CHANNELS = 5, MOST = INPUTS * IMAGES, NUMBERS = MOST * CHANNELS, POISON = 0x5a };

typedef struct pair { /* images of one pixel become maps, and these become rows again */
    conf_device *device;
    fr_program *programs[2];
    fr_buffer *in, *maps, *out, *scratch;
    fr_bundle *bundle;
} pair;

static fr_status compile_first(pair *p, fr_step *step, uint64_t *scratch_bytes, fr_program **out_program) {
    const fr_backend *b = p->device->backend;
    const fr_weights none = {.struct_bytes = sizeof none};
    fr_candidate candidate;
    uint32_t count = 0;
    FR_TRY(b->candidates(p->device->device, step, &candidate, 1, &count));
    if (count == 0 || candidate.refused)
        return fr_fail(FR_UNSUPPORTED, "no kernel for the ends of a bundle");
    if (candidate.scratch_bytes > *scratch_bytes)
        *scratch_bytes = candidate.scratch_bytes;
    return b->compile(p->device->device, step, &candidate, &none, out_program);
}

static fr_status prepare(pair *p) {
    const fr_backend *b = p->device->backend;
    fr_device *device = p->device->device;
    fr_step ingest = fr_make_step(FR_STEP_INGEST, INPUTS, IMAGES * CHANNELS, 1, 1);
    fr_step emit = fr_make_step(FR_STEP_EMIT, INPUTS, IMAGES * CHANNELS, 1, 1);
    uint64_t scratch_bytes = 0;
    ingest.src[0] = (fr_tensor){.c = CHANNELS, .h = 1, .w = 1, .dtype = FR_U8, .layout = FR_LAYOUT_USER_HWC};
    emit.dst.c = CHANNELS;
    ingest.dst.layout = emit.src[0].layout = emit.dst.layout = FR_LAYOUT_NCHW;
    ingest.compute = emit.compute = FR_PRECISION_F32;
    ingest.images = emit.images = IMAGES;
    ingest.image_c = CHANNELS;
    FR_TRY(compile_first(p, &ingest, &scratch_bytes, &p->programs[0]));
    FR_TRY(compile_first(p, &emit, &scratch_bytes, &p->programs[1]));
    FR_TRY(b->buffer_new(device, FR_BUFFER_STAGING, NUMBERS, &p->in));
    FR_TRY(b->buffer_new(device, FR_BUFFER_ACTIVATION, NUMBERS * sizeof(float), &p->maps));
    FR_TRY(b->buffer_new(device, FR_BUFFER_STAGING, NUMBERS * sizeof(float), &p->out));
    FR_TRY(b->buffer_new(device, FR_BUFFER_SCRATCH, scratch_bytes, &p->scratch));
    const fr_launch launches[2] = {{.program = p->programs[0],
                                    .src = {{p->in, 0}},
                                    .dst = {p->maps, 0},
                                    .scratch = {p->scratch, 0},
                                    .valid = MOST},
                                   {.program = p->programs[1],
                                    .src = {{p->maps, 0}},
                                    .dst = {p->out, 0},
                                    .scratch = {p->scratch, 0},
                                    .valid = MOST}};
    return b->bundle_new(device, launches, 2, &p->bundle);
}

/* Launched twice on end, as the second launch may find the first one running. */
static fr_status replay(pair *p, int32_t valid, int seed) {
    const fr_backend *b = p->device->backend;
    fr_queue *queue = p->device->one;
    unsigned char pixels[NUMBERS];
    float rows[NUMBERS], poison;
    memset(rows, POISON, sizeof rows);
    memcpy(&poison, rows, sizeof poison);
    for (int i = 0; i < NUMBERS; i++)
        pixels[i] = (unsigned char)(i * 7 + seed * 31);
    FR_TRY(b->write(queue, p->in, 0, pixels, sizeof pixels));
    FR_TRY(b->write(queue, p->out, 0, rows, sizeof rows));
    FR_TRY(b->bundle_launch(queue, p->bundle, valid));
    FR_TRY(b->bundle_launch(queue, p->bundle, valid));
    FR_TRY(b->read(queue, p->out, 0, rows, sizeof rows));
    FR_TRY(b->sync(queue));
    for (int32_t i = 0; i < NUMBERS; i++)
        if (rows[i] != (i < valid * CHANNELS ? (float)pixels[i] : poison)) {
            conf_report_failure(p->device, "device", "bundle", "%d of %d images: number %d is %g", valid, MOST, i,
                                (double)rows[i]);
            return FR_OK;
        }
    return FR_OK;
}

void conf_check_bundles(conf_device *device) {
    static const int32_t valid[] = {MOST, MOST, 1, MOST, 0, 3, 3};
    const fr_backend *b = device->backend;
    pair p = {.device = device};
    if (!b->bundle_new)
        return;
    fr_status status = prepare(&p);
    for (int i = 0; i < (int)(sizeof valid / sizeof valid[0]) && status == FR_OK; i++)
        status = replay(&p, valid[i], i);
    if (status != FR_OK)
        conf_report_failure(device, "device", "bundle", "%s: %s", fr_status_word(status), fr_error_sentence());
    b->bundle_free(p.bundle);
    b->bundle_free(NULL);
    for (int i = 0; i < 2; i++)
        b->program_free(p.programs[i]);
    b->buffer_free(p.in);
    b->buffer_free(p.maps);
    b->buffer_free(p.out);
    b->buffer_free(p.scratch);
}
