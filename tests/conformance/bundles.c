/* Several launches as one bundle, where the backend has them: two groups of inputs through the same maps, each launch with
 * its own number of images; replayed on end, by turns with other bundles, on other images. */
#include <string.h>

#include "base/status.h"
#include "runner.h"

enum {
    INPUTS = 3,
    IMAGES = 2,
    CHANNELS = 5,
    GROUPS = 2,
    MOST = INPUTS * IMAGES, /* images of a group */
    GROUP_NUMBERS = MOST * CHANNELS,
    NUMBERS = GROUPS * GROUP_NUMBERS,
    BUNDLES = 4,
    POISON = 0x5a
};

static const int32_t valid_of[BUNDLES][GROUPS] = {{MOST, MOST}, {MOST, 1}, {3, 0}, {0, MOST}};

typedef struct pair { /* images of one pixel become maps, and these become rows again */
    conf_device *device;
    fr_program *programs[2];
    fr_buffer *in, *maps, *out, *scratch;
    fr_bundle *bundles[BUNDLES];
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

/* The launches are forgotten when this returns: a bundle keeps what it needs of them. */
static fr_status make_bundle(pair *p, int32_t index) {
    fr_launch launches[2 * GROUPS];
    for (int32_t g = 0; g < GROUPS; g++) {
        const uint64_t at = (uint64_t)g * GROUP_NUMBERS;
        launches[2 * g] = (fr_launch){.program = p->programs[0],
                                      .src = {{p->in, at}},
                                      .dst = {p->maps, 0},
                                      .scratch = {p->scratch, 0},
                                      .valid = valid_of[index][g]};
        launches[2 * g + 1] = (fr_launch){.program = p->programs[1],
                                          .src = {{p->maps, 0}},
                                          .dst = {p->out, at * sizeof(float)},
                                          .scratch = {p->scratch, 0},
                                          .valid = valid_of[index][g]};
    }
    fr_status status = p->device->backend->bundle_new(p->device->device, launches, 2 * GROUPS, &p->bundles[index]);
    memset(launches, POISON, sizeof launches);
    return status;
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
    FR_TRY(b->buffer_new(device, FR_BUFFER_ACTIVATION, GROUP_NUMBERS * sizeof(float), &p->maps));
    FR_TRY(b->buffer_new(device, FR_BUFFER_STAGING, NUMBERS * sizeof(float), &p->out));
    FR_TRY(b->buffer_new(device, FR_BUFFER_SCRATCH, scratch_bytes, &p->scratch));
    for (int32_t i = 0; i < BUNDLES; i++)
        FR_TRY(make_bundle(p, i));
    return FR_OK;
}

/* Launched twice on end, as the second launch may find the first one running. */
static fr_status replay(pair *p, int32_t index, int seed) {
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
    FR_TRY(b->bundle_launch(queue, p->bundles[index]));
    FR_TRY(b->bundle_launch(queue, p->bundles[index]));
    FR_TRY(b->read(queue, p->out, 0, rows, sizeof rows));
    FR_TRY(b->sync(queue));
    for (int32_t i = 0; i < NUMBERS; i++) {
        int32_t group = i / GROUP_NUMBERS, valid = valid_of[index][group];
        float wanted = i % GROUP_NUMBERS < valid * CHANNELS ? (float)pixels[i] : poison;
        if (rows[i] != wanted) {
            conf_report_failure(p->device, "device", "bundle", "%d of %d images in group %d: number %d is %g, not %g",
                                valid, MOST, group, i, (double)rows[i], (double)wanted);
            return FR_OK;
        }
    }
    return FR_OK;
}

/* Each replay waits for the one before it, and none for the host. */
static fr_status replay_many(pair *p) {
    enum { TIMES = 20 };
    const fr_backend *b = p->device->backend;
    fr_queue *queue = p->device->one;
    unsigned char pixels[TIMES][NUMBERS];
    float rows[TIMES][NUMBERS];
    for (int t = 0; t < TIMES; t++)
        for (int i = 0; i < NUMBERS; i++)
            pixels[t][i] = (unsigned char)(i * 5 + t * 11);
    for (int t = 0; t < TIMES; t++) {
        FR_TRY(b->write(queue, p->in, 0, pixels[t], sizeof pixels[t]));
        FR_TRY(b->bundle_launch(queue, p->bundles[0]));
        FR_TRY(b->read(queue, p->out, 0, rows[t], sizeof rows[t]));
    }
    FR_TRY(b->sync(queue));
    for (int t = 0; t < TIMES; t++)
        for (int i = 0; i < NUMBERS; i++)
            if (rows[t][i] != (float)pixels[t][i]) {
                conf_report_failure(p->device, "device", "bundle", "replay %d of %d on end: number %d is %g, not %g", t,
                                    TIMES, i, (double)rows[t][i], (double)pixels[t][i]);
                return FR_OK;
            }
    return FR_OK;
}

void conf_check_bundles(conf_device *device) {
    static const int32_t order[] = {0, 0, 1, 0, 2, 3, 3, 1};
    const fr_backend *b = device->backend;
    pair p = {.device = device};
    if (!b->bundle_new)
        return;
    fr_status status = prepare(&p);
    for (int i = 0; i < (int)(sizeof order / sizeof order[0]) && status == FR_OK; i++)
        status = replay(&p, order[i], i);
    if (status == FR_OK)
        status = replay_many(&p);
    if (status != FR_OK && (status != FR_UNSUPPORTED || p.bundles[0])) /* a backend may have none after all */
        conf_report_failure(device, "device", "bundle", "%s: %s", fr_status_word(status), fr_error_sentence());
    for (int32_t i = 0; i < BUNDLES; i++)
        b->bundle_free(p.bundles[i]);
    b->bundle_free(NULL);
    for (int i = 0; i < 2; i++)
        b->program_free(p.programs[i]);
    b->buffer_free(p.in);
    b->buffer_free(p.maps);
    b->buffer_free(p.out);
    b->buffer_free(p.scratch);
}
