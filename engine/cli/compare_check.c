/* Whether answers are right: the same images on the reference, in double precision. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/compare_run.h"

enum { LEAST_INPUTS = 2, LEAST_IMAGES = 4 };

/* What the tests of whole networks hold every device to. In int8 each device rounds in its own way: what is found there is a mix-up,
 * and no more. */
double cmp_tolerance(fr_precision precision) {
    switch (precision) {
    case FR_PRECISION_F64: return 1e-5;
    case FR_PRECISION_F32: return 1e-3;
    case FR_PRECISION_TF32:
    case FR_PRECISION_F16: return 0.01;
    case FR_PRECISION_BF16: return 0.05;
    default: return 0.25;
    }
}

void cmp_answers_free(cmp_answers *answers) {
    fr_free(answers->pixels);
    fr_free(answers->scores);
}

static bool make_pixels(cmp_answers *a, const fr_model_info *info) {
    fr_random random = {1};
    int64_t inputs = (LEAST_IMAGES + a->fold - 1) / a->fold;
    size_t bytes;
    a->images = (inputs > LEAST_INPUTS ? inputs : LEAST_INPUTS) * a->fold;
    a->image_bytes = (size_t)info->channels * (size_t)info->height * (size_t)info->width;
    a->classes = info->classes;
    if (!fr_size_mul((size_t)a->images, a->image_bytes, &bytes) || !(a->pixels = fr_alloc(bytes)))
        return false;
    for (size_t i = 0; i < bytes; i++)
        a->pixels[i] = (uint8_t)(fr_random_next(&random) >> 56);
    return true;
}

static fr_status ask_reference(cmp_run *run, const fr_model *folded, const cmp_answers *a, float *scores) {
    fr_session_options options = FR_OPTIONS(fr_session_options);
    fr_images images = {.data = a->pixels, .dtype = FR_U8, .count = a->images};
    fr_session *session;
    bool has_f64 = run->oracle->facts.precisions >> FR_PRECISION_F64 & 1u;
    options.device = run->oracle->id;
    options.precision = has_f64 ? FR_PRECISION_F64 : FR_PRECISION_F32;
    options.batch = (int32_t)a->images;
    options.tuning = FR_TUNING_OFF;
    options.exact = true;
    fr_status status = fr_session_open(run->context, folded, &options, &session);
    if (status == FR_OK)
        status = fr_session_run(session, &images, scores);
    fr_session_close(session);
    return status;
}

/* What the reference cannot do is kept too: it is asked once. */
static void add_scores(cmp_run *run, const fr_model *folded, cmp_answers *a) {
    float *scores = fr_alloc_array((size_t)a->images, (size_t)a->classes * sizeof *scores);
    char why[CMP_REASON];
    cmp_say(run, "asking the reference", 0);
    a->status = scores ? ask_reference(run, folded, a, scores) : FR_NO_MEMORY;
    if (a->status == FR_OK) {
        a->scores = scores;
        return;
    }
    cmp_copy_text(why, sizeof why, scores ? fr_error_message() : "out of memory");
    snprintf(a->why, sizeof a->why, "the reference cannot check it: %.200s", why);
    fr_free(scores);
}

const cmp_answers *cmp_answers_of(cmp_run *run, const cmp_config *config, const fr_model *folded,
                                  const fr_model_info *info) {
    for (size_t i = 0; i < run->n_answers; i++)
        if (run->answers[i].model == config->model && run->answers[i].fold == config->fold)
            return &run->answers[i];
    cmp_answers a = {.model = config->model, .fold = config->fold};
    cmp_answers *grown = fr_grow_array(run->answers, run->n_answers, run->n_answers + 1, sizeof *grown);
    if (grown)
        run->answers = grown;
    if (!grown || !make_pixels(&a, info)) {
        snprintf(run->why, sizeof run->why, "out of memory");
        return NULL;
    }
    if (run->oracle)
        add_scores(run, folded, &a);
    run->answers[run->n_answers] = a;
    return &run->answers[run->n_answers++];
}

/* Of whole inputs: what fills up the last one is not the same everywhere. */
double cmp_error_of(const cmp_answers *answers, const float *scores, int64_t images) {
    double far = 0, most = 1e-9;
    int64_t whole = images / answers->fold * answers->fold, classes = answers->classes;
    for (int64_t i = 0; i < whole; i++) {
        const float *want = answers->scores + i % answers->images * classes, *got = scores + i * classes;
        for (int64_t k = 0; k < classes; k++) {
            double away = fabs((double)got[k] - (double)want[k]);
            if (!isfinite(away))
                return (double)NAN;
            far = fmax(far, away);
            most = fmax(most, fabs((double)want[k]));
        }
    }
    return far / most;
}
