/* Sessions on a device that looks like a GPU with two lanes and bundles (tests/modules/wide.c): whatever groups, blocks and
 * bundles are chosen, answers are the reference's. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "check.h"
#include "folder_kit.h"
#include "foldrun/foldrun.h"

enum { MOST = 100, JOBS = 6 };

static const char net[] = "model tiny \"t\"\ninput 3x8x8\nconv 6 3x3 pad 1 relu\nmaxpool 2x2 stride 2\n"
                          "conv 4 3x3 pad 1 relu\nflatten\nfc 3\n";

typedef struct fixture {
    char folder[64];
    fr_context *context;
    fr_model *model;
    fr_model_info info;
    uint8_t *pixels;
    float *want, *got;
    atomic_int *bundles, *replays, *launches; /* the module's */
    void *module;
} fixture;

static fr_session_options options_for(const char *device, int32_t batch) {
    fr_session_options o = FR_OPTIONS(fr_session_options);
    o.device = device;
    o.batch = batch;
    o.tuning = FR_TUNING_OFF;
    return o;
}

static fr_status answer(const fixture *f, fr_session *session, int64_t count, float *out) {
    fr_images images = {.data = f->pixels, .dtype = FR_U8, .count = count};
    return fr_session_run(session, &images, out);
}

static fr_status load(fixture *f, int32_t fold) {
    char path[96];
    fr_context_options context = FR_OPTIONS(fr_context_options);
    fr_fold_options options = FR_OPTIONS(fr_fold_options);
    fr_session_options o = options_for("ref", MOST);
    fr_model *plain = NULL;
    fr_session *session = NULL;
    strcpy(f->folder, "/tmp/foldrun-check-XXXXXX");
    if (!mkdtemp(f->folder))
        return fr_fail(FR_IO, "no folder");
    snprintf(path, sizeof path, "%s/tiny.fold", f->folder);
    FILE *file = fopen(path, "w");
    if (!file || fputs(net, file) < 0 || fclose(file) != 0)
        return fr_fail(FR_IO, "no file");
    context.cache_dir = f->folder;
    context.backend_dir = WIDE_MODULES;
    options.fold = fold;
    FR_TRY(fr_context_new(&context, &f->context));
    FR_TRY(fr_model_load(f->context, path, &plain));
    fr_status status = fr_model_fold(plain, &options, &f->model);
    fr_model_free(plain);
    FR_TRY(status);
    FR_TRY(fr_model_describe(f->model, &f->info));
    size_t bytes = (size_t)MOST * 3 * 8 * 8, row = (size_t)f->info.classes * MOST;
    fr_random random = {9};
    f->pixels = fr_alloc(bytes);
    f->want = fr_alloc_array(row, sizeof(float));
    f->got = fr_alloc_array(row, sizeof(float));
    for (size_t i = 0; i < bytes; i++)
        f->pixels[i] = (uint8_t)fr_random_next(&random);
    FR_TRY(fr_session_open(f->context, f->model, &o, &session));
    status = answer(f, session, MOST, f->want);
    fr_session_close(session);
    f->module = dlopen(WIDE_MODULES "/foldrun-backend-wide.so", RTLD_NOW);
    if (!f->module)
        return fr_fail(FR_IO, "%s", dlerror());
    f->bundles = dlsym(f->module, "wide_bundles");
    f->replays = dlsym(f->module, "wide_replays");
    f->launches = dlsym(f->module, "wide_launches");
    return status;
}

static void drop(fixture *f) {
    fr_model_free(f->model);
    fr_context_free(f->context);
    fr_free(f->pixels);
    fr_free(f->want);
    fr_free(f->got);
    if (f->module)
        dlclose(f->module);
    folder_remove(f->folder);
    memset(f, 0, sizeof *f);
}

/* A chain keeps more digits between its steps. */
static bool is_near(const fixture *f, int64_t first, int64_t count, const float *got) {
    for (int64_t i = 0; i < count * f->info.classes; i++)
        if (!(fabsf(got[i] - f->want[first * f->info.classes + i]) <= 1e-5f))
            return false;
    return true;
}

static fr_status check_counts(fixture *f, const fr_session_options *o, bool *out_good) {
    static const int64_t counts[] = {MOST, MOST, MOST, MOST, 1, 1, 65, 63, MOST};
    fr_session_options r = options_for("ref", MOST);
    fr_session *session, *reference;
    *out_good = true;
    FR_TRY(fr_session_open(f->context, f->model, &r, &reference));
    fr_status status = fr_session_open(f->context, f->model, o, &session);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] && status == FR_OK; i++) {
        memset(f->got, 0xff, (size_t)(MOST * f->info.classes) * sizeof *f->got);
        status = answer(f, reference, counts[i], f->want); /* an image answers otherwise beside none: folded */
        if (status == FR_OK)
            status = answer(f, session, counts[i], f->got);
        *out_good = *out_good && status == FR_OK && is_near(f, 0, counts[i], f->got);
        if (counts[i] < MOST)
            *out_good = *out_good && isnan(f->got[counts[i] * f->info.classes]);
        if (status == FR_OK && i % 2)
            status = fr_session_run_resident(session, counts[i]);
    }
    fr_session_close(session);
    fr_session_close(reference);
    return status;
}

TEST(answers_are_right_with_and_without_bundles) {
    static const int32_t batches[] = {1, 64, MOST};
    for (int32_t fold = 1; fold <= 2; fold++) {
        fixture f = {.context = NULL};
        CHECK_OK(load(&f, fold));
        for (int mode = FR_BUNDLING_AUTO; mode <= FR_BUNDLING_ON; mode++)
            for (size_t b = 0; b < sizeof batches / sizeof batches[0]; b++) {
                fr_session_options o = options_for("wide", batches[b]);
                int before = atomic_load(f.replays);
                bool good;
                o.bundles = (fr_bundling)mode;
                o.precision = b % 2 ? FR_PRECISION_TF32 : FR_PRECISION_F32;
                CHECK_OK(check_counts(&f, &o, &good));
                CHECK(good);
                CHECK((atomic_load(f.replays) > before) == (mode != FR_BUNDLING_OFF));
                CHECK_INT(atomic_load(f.bundles), 0); /* none is left behind */
            }
        drop(&f);
    }
}

TEST(a_measured_plan_answers_right_and_is_kept) {
    fixture f = {.context = NULL};
    CHECK_OK(load(&f, 1));
    fr_session_options o = options_for("wide", 64);
    fr_session_info info = FR_OPTIONS(fr_session_info);
    o.tuning = FR_TUNING_CACHED;
    o.tune_ms = 200;
    for (int time = 0; time < 2; time++) {
        fr_session *session;
        bool good;
        CHECK_OK(check_counts(&f, &o, &good));
        CHECK(good);
        CHECK_OK(fr_session_open(f.context, f.model, &o, &session));
        CHECK_OK(fr_session_describe(session, &info));
        fr_session_close(session);
        CHECK(info.from_cache);
        CHECK_INT(info.lanes, 2);
    }
    CHECK_INT(atomic_load(f.bundles), 0);
    drop(&f);
}

static atomic_int done_jobs, failed_jobs;

static void done(void *user, fr_status status, const char *message) {
    (void)user;
    (void)message;
    atomic_fetch_add(&done_jobs, 1);
    atomic_fetch_add(&failed_jobs, status != FR_OK);
}

TEST(jobs_in_flight_on_two_lanes_do_not_meet) {
    fixture f = {.context = NULL};
    fr_session *session;
    CHECK_OK(load(&f, 1));
    fr_session_options o = options_for("wide", 32);
    CHECK_OK(fr_session_open(f.context, f.model, &o, &session));
    float *rows = fr_alloc_array((size_t)JOBS * MOST * (size_t)f.info.classes, sizeof *rows);
    CHECK(rows);
    for (int round = 0; round < 4; round++) {
        atomic_store(&done_jobs, 0);
        for (int64_t j = 0; j < JOBS; j++) {
            fr_images images = {.data = f.pixels + (size_t)j * 192, .dtype = FR_U8, .count = MOST - JOBS - j % 3};
            CHECK_OK(fr_session_submit(session, &images, rows + j * MOST * f.info.classes, done, NULL));
        }
        CHECK_OK(fr_session_wait(session));
        CHECK_INT(atomic_load(&done_jobs), JOBS);
        for (int64_t j = 0; j < JOBS; j++)
            CHECK(is_near(&f, j, MOST - JOBS - j % 3, rows + j * MOST * f.info.classes));
    }
    CHECK_INT(atomic_load(&failed_jobs), 0);
    CHECK(atomic_load(f.replays) > 0);
    fr_session_close(session);
    CHECK_INT(atomic_load(f.bundles), 0);
    fr_free(rows);
    drop(&f);
}

TEST(layers_are_timed) {
    fixture f = {.context = NULL};
    CHECK_OK(load(&f, 1));
    fr_session_options o = options_for("wide", 2);
    fr_session *session;
    fr_layer_time *layers;
    size_t count;
    CHECK_OK(fr_session_open(f.context, f.model, &o, &session));
    CHECK_OK(fr_session_time_layers(session, 20, &layers, &count));
    CHECK(count > 3 && layers[1].ns_per_image > 0);
    fr_layers_free(layers);
    fr_session_close(session);
    drop(&f);
}

TEST(what_a_device_cannot_is_refused_in_words) {
    fixture f = {.context = NULL};
    fr_session *session = NULL;
    CHECK_OK(load(&f, 1));
    fr_session_options o = options_for("ref", 4);
    o.bundles = FR_BUNDLING_ON;
    CHECK_INT(fr_session_open(f.context, f.model, &o, &session), FR_UNSUPPORTED);
    CHECK(strstr(fr_error_message(), "bundles"));
    o = options_for("wide", 4);
    o.bundles = (fr_bundling)7;
    CHECK_INT(fr_session_open(f.context, f.model, &o, &session), FR_INVALID);
    drop(&f);
}

CHECK_MAIN
