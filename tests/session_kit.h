/*
 * Sessions on a device of the compute backends: what the tests of their failures share. The includer says which device:
 * KIT_DEVICE.
 */
#ifndef FR_TESTS_SESSION_KIT_H
#define FR_TESTS_SESSION_KIT_H

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"
#include "check.h"
#include "foldrun/foldrun.h"

enum { IMAGES = 5, BATCH = 4 };

typedef struct fixture { /* a model with images, and what the reference answers */
    fr_context *context;
    fr_model *model;
    fr_model_info info;
    uint8_t *pixels;
    float *want, *got;
} fixture;

static inline void drop(fixture *f) {
    fr_model_free(f->model);
    fr_context_free(f->context);
    fr_free(f->pixels);
    fr_free(f->want);
    fr_free(f->got);
    memset(f, 0, sizeof *f);
}

static inline fr_session_options options_for(const char *device) {
    fr_session_options o = FR_OPTIONS(fr_session_options);
    o.device = device;
    o.batch = BATCH;
    o.tuning = FR_TUNING_OFF;
    return o;
}

static inline fr_status open_session(const fixture *f, const char *device, fr_session **out) {
    fr_session_options o = options_for(device);
    *out = NULL;
    return fr_session_open(f->context, f->model, &o, out);
}

static inline fr_status run(const fixture *f, fr_session *session, float *out) {
    fr_images images = {.data = f->pixels, .dtype = FR_U8, .count = IMAGES};
    return fr_session_run(session, &images, out);
}

static inline fr_status run_once(const fixture *f, const char *device, float *out) {
    fr_session *session;
    FR_TRY(open_session(f, device, &session));
    fr_status status = run(f, session, out);
    fr_session_close(session);
    return status;
}

static inline fr_status make(fixture *f, const char *name, int32_t fold, const char *cache) {
    fr_context_options context = FR_OPTIONS(fr_context_options);
    fr_fold_options options = FR_OPTIONS(fr_fold_options);
    fr_model *plain = NULL;
    memset(f, 0, sizeof *f);
    context.cache_dir = cache;
    options.fold = fold;
    options.seed = 3;
    FR_TRY(fr_context_new(&context, &f->context));
    FR_TRY(fr_model_load(f->context, name, &plain));
    fr_status status = fr_model_fold(plain, &options, &f->model);
    fr_model_free(plain);
    FR_TRY(status);
    FR_TRY(fr_model_describe(f->model, &f->info));
    size_t bytes = (size_t)(IMAGES * f->info.height * f->info.width * f->info.channels),
           row = (size_t)f->info.classes * IMAGES;
    fr_random random = {9};
    f->pixels = fr_alloc(bytes);
    f->want = fr_alloc_array(row, sizeof(float));
    f->got = fr_alloc_array(row, sizeof(float));
    if (!f->pixels || !f->want || !f->got)
        return fr_no_memory(bytes, "a test");
    for (size_t i = 0; i < bytes; i++)
        f->pixels[i] = (uint8_t)fr_random_next(&random);
    return run_once(f, "ref", f->want);
}

/* Of whole inputs: what fills up the last one is not the same everywhere. */
static inline bool is_right(const fixture *f) {
    int64_t whole = IMAGES / f->info.fold * f->info.fold;
    float far = 0, most = 1e-9f;
    for (int64_t k = 0; k < whole * f->info.classes; k++) {
        far = fmaxf(far, fabsf(f->got[k] - f->want[k]));
        most = fmaxf(most, fabsf(f->want[k]));
    }
    return far <= 1e-3f * most;
}

static inline bool device_is_present(void) {
    static int known = -1;
    fr_context *context = NULL;
    const fr_device_entry *entries;
    size_t count = 0;
    if (known >= 0)
        return known == 1;
    known = 0;
    if (fr_context_new(NULL, &context) == FR_OK && fr_context_devices(context, &entries, &count) == FR_OK)
        for (size_t i = 0; i < count; i++)
            known |= strcmp(entries[i].id, KIT_DEVICE) == 0 && entries[i].status == FR_OK;
    fr_context_free(context);
    return known == 1;
}

/* The device is lost while the variable is set: the session is over, the next one works. */
static inline void check_lost(const char *setting, const char *result, const char *name) {
    fixture f;
    fr_session *session;
    CHECK_OK(make(&f, "v2", 1, NULL));
    CHECK_OK(open_session(&f, KIT_DEVICE, &session));
    CHECK_OK(run(&f, session, f.got));
    CHECK(is_right(&f));
    setenv(setting, result, 1);
    CHECK_INT(run(&f, session, f.got), FR_DEVICE_LOST);
    CHECK_HAS(fr_error_message(), name);
    unsetenv(setting);
    CHECK_INT(run(&f, session, f.got), FR_DEVICE_LOST); /* it does not come back */
    fr_session_close(session);
    CHECK_OK(run_once(&f, KIT_DEVICE, f.got));
    CHECK(is_right(&f));
    drop(&f);
}

typedef struct worker {
    fixture f;
    fr_context *context; /* both sessions': one driver */
    bool right;
} worker;

static inline void *work(void *argument) {
    worker *w = argument;
    w->right = true;
    for (int i = 0; i < 3; i++) {
        memset(w->f.got, 0, (size_t)w->f.info.classes * IMAGES * sizeof *w->f.got);
        w->right &= run_once(&w->f, KIT_DEVICE, w->f.got) == FR_OK && is_right(&w->f);
    }
    return NULL;
}

static inline void check_two_sessions(void) { /* at once, on one device */
    worker workers[2];
    pthread_t threads[2];
    CHECK_OK(make(&workers[0].f, "v2", 1, NULL));
    CHECK_OK(make(&workers[1].f, "v2", 2, NULL));
    fr_context *apart = workers[1].f.context; /* its model is the other context's guest */
    workers[1].f.context = workers[0].f.context;
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK(workers[0].right && workers[1].right);
    workers[1].f.context = apart;
    drop(&workers[1].f);
    drop(&workers[0].f);
}

#endif
