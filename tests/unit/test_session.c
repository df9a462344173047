/* Sessions through the public API, on every device that is present: answers against the double-precision graph. */
#include <pthread.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"
#include "check.h"
#include "foldrun/foldrun.h"
#include "graph/ops.h"
#include "graph/passes.h"
#include "run/model.h"

static fr_context *context;

static bool open_context(void) {
    return context || fr_context_new(NULL, &context) == FR_OK;
}

/* The model folded, its seeded pixels, and what the double-precision evaluation answers, one row an image. */
typedef struct fixture {
    fr_model *model;
    fr_model_info info;
    uint8_t *pixels;
    double *want;
    int64_t images;
} fixture;

static void drop(fixture *f) {
    fr_model_free(f->model);
    fr_free(f->pixels);
    fr_free(f->want);
    memset(f, 0, sizeof *f);
}

static bool evaluate(fixture *f) {
    const fr_model_info *i = &f->info;
    int64_t inputs = (f->images + i->fold - 1) / i->fold, plane = (int64_t)i->height * i->width, c = i->channels;
    fr_graph *graph = NULL;
    fr_dense in = {.shape = {.rank = 4, .dim = {inputs, c * i->fold, i->height, i->width}}}, out = {0};
    in.data = fr_alloc_array((size_t)(inputs * c * i->fold * plane), sizeof(double));
    for (int64_t image = 0; image < f->images; image++)
        for (int64_t k = 0; k < c; k++)
            for (int64_t p = 0; p < plane; p++)
                in.data[(image * c + k) * plane + p] =
                    (f->pixels[(image * plane + p) * c + k] - (double)i->mean[k]) * (double)i->scale[k];
    bool good = fr_graph_clone(f->model->graph, &graph) == FR_OK && fr_graph_simplify(graph) == FR_OK &&
                fr_graph_materialize(graph) == FR_OK && fr_graph_eval(graph, &in, &out) == FR_OK;
    f->want = out.data;
    fr_free(in.data);
    fr_graph_free(graph);
    return good;
}

static bool make(fixture *f, const char *name, int32_t fold, int64_t images) {
    fr_model *plain = NULL;
    memset(f, 0, sizeof *f);
    f->images = images;
    fr_fold_options options = FR_OPTIONS(fr_fold_options);
    options.fold = fold;
    options.seed = 3;
    bool good = fr_model_load(context, name, &plain) == FR_OK && fr_model_fold(plain, &options, &f->model) == FR_OK &&
                fr_model_describe(f->model, &f->info) == FR_OK;
    fr_model_free(plain);
    if (!good)
        return false;
    size_t bytes = (size_t)(images * f->info.height * f->info.width * f->info.channels);
    fr_random random = {9};
    f->pixels = fr_alloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        f->pixels[i] = (uint8_t)fr_random_next(&random);
    return evaluate(f);
}

/* Largest difference over the largest wanted number. */
static double distance(const fixture *f, const float *got, int64_t images) {
    double far = 0, most = 1e-9;
    for (int64_t k = 0; k < images * f->info.classes; k++) {
        far = fmax(far, fabs((double)got[k] - f->want[k]));
        most = fmax(most, fabs(f->want[k]));
        if (isnan(got[k]))
            return NAN;
    }
    return far / most;
}

static double run_once(const fixture *f, const fr_session_options *options) {
    fr_session *session = NULL;
    fr_images images = {.data = f->pixels, .dtype = FR_U8, .count = f->images};
    float *out = fr_alloc_array((size_t)(f->images * f->info.classes), sizeof *out);
    double far = NAN;
    if (fr_session_open(context, f->model, options, &session) == FR_OK &&
        fr_session_run(session, &images, out) == FR_OK)
        far = distance(f, out, f->images);
    else
        fprintf(stderr, "%s\n", fr_error_message());
    fr_session_close(session);
    fr_free(out);
    return far;
}

static bool has(const char *device, fr_precision precision) {
    const fr_device_entry *entries;
    size_t count;
    if (fr_context_devices(context, &entries, &count) != FR_OK)
        return false;
    for (size_t i = 0; i < count; i++)
        if (entries[i].status == FR_OK && strcmp(entries[i].backend, device) == 0)
            return entries[i].facts.precisions >> precision & 1u;
    return false;
}

static fr_session_options options_for(const char *device, int32_t batch) {
    fr_session_options o = FR_OPTIONS(fr_session_options);
    o.device = device;
    o.batch = batch;
    o.tune_ms = 300;
    return o;
}

static void check_device(const char *device, const char *model, int32_t fold, int64_t images, fr_precision precision,
                         double limit) {
    fixture f;
    fr_session_options o = options_for(device, 16);
    o.precision = precision;
    CHECK(make(&f, model, fold, images));
    double far = run_once(&f, &o);
    if (!(far <= limit))
        fprintf(stderr, "%s on %s, f = %d, %s: %g\n", model, device, fold, fr_precision_name(precision), far);
    CHECK(far <= limit);
    drop(&f);
}

/* Sanitized builds are slow, and look at memory, not at numbers: two models, plain and folded, show them what there is. Of the
 * compute backends, which share the making of kernels, they see Vulkan's sessions here, in f32 and int8, and OpenCL's in
 * tests/opencl alone: its compiler takes minutes beside a sanitizer. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1, FOLD_STEP = 3 };
static const char *const readers_and_filters[] = {"v1", "n1"};
#else
enum { SANITIZED = 0, FOLD_STEP = 1 };
static const char *const readers_and_filters[] = {"v1", "v2", "v3", "v4", "v5", "v6", "n1", "n2", "n3", "n4"};
#endif

TEST(ref_answers_as_the_graph) {
    CHECK(open_context());
    if (!has("ref", FR_PRECISION_F32))
        SKIP("no reference device");
    check_device("ref", "v2", 1, 3, FR_PRECISION_F32, 1e-5);
    check_device("ref", "v2", 3, 4, FR_PRECISION_F32, 1e-5);
}

TEST(cpu_answers_as_the_graph) {
    CHECK(open_context());
    if (!has("cpu", FR_PRECISION_F32))
        SKIP("no cpu backend");
    for (size_t m = 0; m < sizeof readers_and_filters / sizeof readers_and_filters[0]; m++)
        for (int32_t fold = 1; fold <= 4; fold += FOLD_STEP)
            check_device("cpu", readers_and_filters[m], fold, readers_and_filters[m][0] == 'v' ? 5 : 3,
                         FR_PRECISION_F32, 1e-4);
}

TEST(cpu_in_narrow_precisions) {
    CHECK(open_context());
    if (!has("cpu", FR_PRECISION_BF16) || !has("cpu", FR_PRECISION_INT8))
        SKIP("this CPU has no bf16 or int8 instructions");
    static const char *const models[] = {"v1", "n1", "n3"};
    for (size_t m = 0; m < sizeof models / sizeof models[0] - SANITIZED; m++)
        for (int32_t fold = 1; fold <= 2; fold++) {
            check_device("cpu", models[m], fold, 3, FR_PRECISION_BF16, 0.05);
            check_device("cpu", models[m], fold, 3, FR_PRECISION_INT8, 0.25);
        }
}

/* With the kernels that are guessed best: measuring them is the tests' of tuning. */
static void check_guessed(const char *device, const char *model, int32_t fold, fr_precision precision, double limit) {
    fixture f;
    fr_session_options o = options_for(device, 16);
    o.precision = precision;
    o.tuning = FR_TUNING_OFF;
    CHECK(make(&f, model, fold, 5));
    double far = run_once(&f, &o);
    if (!(far <= limit))
        fprintf(stderr, "%s on %s, f = %d, %s: %g\n", model, device, fold, fr_precision_name(precision), far);
    CHECK(far <= limit);
    drop(&f);
}

static void check_models(const char *device) {
    CHECK(open_context());
    if (!has(device, FR_PRECISION_F32))
        SKIP("no such device");
    for (size_t m = 0; m < sizeof readers_and_filters / sizeof readers_and_filters[0]; m++)
        for (int32_t fold = 1; fold <= 4; fold += FOLD_STEP)
            check_guessed(device, readers_and_filters[m], fold, FR_PRECISION_F32, 1e-4);
}

static void check_narrow(const char *device) {
    static const struct {
        const char *name;
        int32_t fold;
    } models[] = {{"v1", 4}, {"n1", 1}};
    CHECK(open_context());
    if (!has(device, FR_PRECISION_INT8))
        SKIP("no such device with int8");
    for (size_t m = 0; m < sizeof models / sizeof models[0] - SANITIZED; m++) {
        if (!SANITIZED)
            check_guessed(device, models[m].name, models[m].fold, FR_PRECISION_F16, 0.01);
        check_guessed(device, models[m].name, models[m].fold, FR_PRECISION_INT8, 0.1);
    }
}

TEST(opencl_answers_as_the_graph) {
    if (SANITIZED)
        SKIP("OpenCL's compiler is too slow beside a sanitizer");
    check_models("opencl");
}

TEST(opencl_in_narrow_precisions) {
    if (SANITIZED)
        SKIP("OpenCL's compiler is too slow beside a sanitizer");
    check_narrow("opencl");
}

TEST(vulkan_answers_as_the_graph) {
    check_models("vulkan");
}

TEST(vulkan_in_narrow_precisions) {
    check_narrow("vulkan");
}

TEST(general_networks_run) {
    CHECK(open_context());
    if (!has("cpu", FR_PRECISION_F32))
        SKIP("no cpu backend");
    check_device("cpu", "cifar_resnet18", 1, 1, FR_PRECISION_F32, 1e-3);
    check_device("cpu", "squeezenet", 1, 1, FR_PRECISION_F32, 1e-3);
}

TEST(every_tail_gives_one_row_an_image) {
    fixture f;
    fr_session *session = NULL;
    CHECK(open_context());
    const char *device = has("cpu", FR_PRECISION_F32) ? "cpu" : "ref";
    fr_session_options o = options_for(device, 8);
    CHECK(make(&f, "v2", 3, 23));
    float *out = fr_alloc_array((size_t)(f.images + 1) * (size_t)f.info.classes, sizeof *out);
    CHECK_OK(fr_session_open(context, f.model, &o, &session));
    for (int64_t count = 0; count <= f.images; count++) {
        fr_images images = {.data = f.pixels, .dtype = FR_U8, .count = count};
        for (int64_t k = 0; k < (f.images + 1) * f.info.classes; k++)
            out[k] = 777;
        CHECK_OK(fr_session_run(session, &images, out));
        int64_t whole =
            count / 3 * 3; /* a tail's group is padded with other images than the fixture's: its numbers differ */
        CHECK(count == 0 || distance(&f, out, whole) < 1e-4);
        for (int64_t k = whole * f.info.classes; k < count * f.info.classes; k++)
            CHECK(out[k] != 777);
        for (int64_t k = count * f.info.classes; k < (f.images + 1) * f.info.classes; k++)
            CHECK(out[k] == 777);
    }
    fr_session_close(session);
    fr_free(out);
    drop(&f);
}

static void count_done(void *user, fr_status status, const char *message) {
    (void)message;
    if (status == FR_OK)
        __atomic_fetch_add((int *)user, 1, __ATOMIC_SEQ_CST);
}

TEST(submitted_jobs_all_end) {
    enum { JOBS = 40 };
    fixture f;
    fr_session *session = NULL;
    int done = 0;
    CHECK(open_context());
    fr_session_options o = options_for(has("cpu", FR_PRECISION_F32) ? "cpu" : "ref", 4);
    CHECK(make(&f, "v2", 1, 4));
    size_t row = (size_t)(f.images * f.info.classes);
    float *out = fr_alloc_array(JOBS * row, sizeof *out);
    fr_images images = {.data = f.pixels, .dtype = FR_U8, .count = f.images};
    CHECK_OK(fr_session_open(context, f.model, &o, &session));
    for (int i = 0; i < JOBS; i++)
        CHECK_OK(fr_session_submit(session, &images, out + (size_t)i * row, count_done, &done));
    CHECK_OK(fr_session_wait(session));
    CHECK_INT(__atomic_load_n(&done, __ATOMIC_SEQ_CST), JOBS);
    for (int i = 0; i < JOBS; i++)
        CHECK(distance(&f, out + (size_t)i * row, f.images) < 1e-4);
    fr_session_close(session);
    fr_free(out);
    drop(&f);
}

static const char *device_of_two;

static void *one_of_two(void *argument) {
    const fixture *f = argument;
    fr_session_options o = options_for(device_of_two, 4);
    o.tuning = FR_TUNING_OFF;
    bool good = true;
    for (int i = 0; i < 3; i++)
        good &= run_once(f, &o) < 1e-4;
    return good ? argument : NULL;
}

TEST(two_sessions_in_two_threads) {
    fixture f[2];
    pthread_t threads[2];
    CHECK(open_context());
    /* Drivers are opened here: what one leaves on a thread that ends (LLVM's signal stack) is freed by the sanitizer as its own. */
    device_of_two = has("cpu", FR_PRECISION_F32) ? "cpu" : "ref";
    CHECK(make(&f[0], "v2", 1, 5));
    CHECK(make(&f[1], "v6", 2, 5));
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, one_of_two, &f[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *result;
        pthread_join(threads[i], &result);
        CHECK(result == &f[i]);
        drop(&f[i]);
    }
}

TEST(f32_images_are_taken_as_they_are) {
    fixture f;
    CHECK(open_context());
    CHECK(make(&f, "v2", 2, 4));
    size_t numbers = (size_t)(f.images * f.info.height * f.info.width * f.info.channels),
           plane = (size_t)f.info.height * (size_t)f.info.width;
    float *chw = fr_alloc_array(numbers, sizeof *chw),
          *out = fr_alloc_array((size_t)(f.images * f.info.classes), sizeof *out);
    for (size_t i = 0; i < (size_t)f.images; i++)
        for (size_t p = 0; p < plane; p++)
            for (size_t c = 0; c < 3; c++)
                chw[(i * 3 + c) * plane + p] =
                    ((float)f.pixels[(i * plane + p) * 3 + c] - f.info.mean[c]) * f.info.scale[c];
    fr_session_options o = options_for(has("cpu", FR_PRECISION_F32) ? "cpu" : "ref", 4);
    o.input_dtype = FR_F32;
    o.input_chw = true;
    fr_session *session = NULL;
    fr_images images = {.data = chw, .dtype = FR_F32, .chw = true, .count = f.images};
    CHECK_OK(fr_session_open(context, f.model, &o, &session));
    CHECK_OK(fr_session_run(session, &images, out));
    CHECK(distance(&f, out, f.images) < 1e-4);
    images.chw = false;
    CHECK_INT(fr_session_run(session, &images, out), FR_INVALID);
    CHECK_HAS(fr_error_message(), "CHW");
    fr_session_close(session);
    fr_free(chw);
    fr_free(out);
    drop(&f);
}

TEST(softmax_rows_sum_to_one) {
    fixture f;
    fr_session *session = NULL;
    CHECK(open_context());
    CHECK(make(&f, "v2", 2, 4));
    float *out = fr_alloc_array((size_t)(f.images * f.info.classes), sizeof *out);
    fr_session_options o = options_for(has("cpu", FR_PRECISION_F32) ? "cpu" : "ref", 4);
    o.softmax = true;
    fr_images images = {.data = f.pixels, .dtype = FR_U8, .count = f.images};
    CHECK_OK(fr_session_open(context, f.model, &o, &session));
    CHECK_OK(fr_session_run(session, &images, out));
    for (int64_t i = 0; i < f.images; i++) {
        double sum = 0;
        for (int32_t k = 0; k < f.info.classes; k++)
            sum += out[i * f.info.classes + k];
        CHECK_NEAR(sum, 1, 1e-5);
    }
    fr_session_close(session);
    fr_free(out);
    drop(&f);
}

TEST(refusals_say_why) {
    fixture f;
    fr_session *session = NULL;
    CHECK(open_context());
    CHECK(make(&f, "v2", 1, 1));
    const char *device = has("cpu", FR_PRECISION_F32) ? "cpu" : "ref";
    fr_session_options o = options_for(device, 4);
    o.batch = -1;
    CHECK_INT(fr_session_open(context, f.model, &o, &session), FR_INVALID);
    CHECK(session == NULL);
    o = options_for(device, 64);
    o.memory_limit = 1000;
    CHECK_INT(fr_session_open(context, f.model, &o, &session), FR_UNSUPPORTED);
    CHECK_HAS(fr_error_message(), "limit is 1000");
    o = options_for("cpux", 4);
    CHECK(fr_session_open(context, f.model, &o, &session) != FR_OK);
    CHECK_HAS(fr_error_message(), "cpux");
    o = options_for("cpu:99", 4);
    CHECK(fr_session_open(context, f.model, &o, &session) != FR_OK);
    o = options_for(device, 4);
    o.precision = has(device, FR_PRECISION_F64) ? (fr_precision)17 : FR_PRECISION_F64;
    CHECK_INT(fr_session_open(context, f.model, &o, &session), FR_UNSUPPORTED);
    drop(&f);
}

TEST(a_resident_run_and_the_layer_times) {
    fixture f;
    fr_session *session = NULL;
    fr_layer_time *layers = NULL;
    size_t count = 0;
    fr_session_info info = FR_OPTIONS(fr_session_info);
    CHECK(open_context());
    CHECK(make(&f, "v2", 1, 8));
    float *out = fr_alloc_array((size_t)(f.images * f.info.classes), sizeof *out);
    fr_session_options o = options_for(has("cpu", FR_PRECISION_F32) ? "cpu" : "ref", 8);
    fr_images images = {.data = f.pixels, .dtype = FR_U8, .count = f.images};
    CHECK_OK(fr_session_open(context, f.model, &o, &session));
    CHECK_OK(fr_session_run(session, &images, out));
    CHECK_OK(fr_session_run_resident(session, 8));
    CHECK_OK(fr_session_time_layers(session, 50, &layers, &count));
    CHECK(count >= 7);
    for (size_t i = 0; i < count; i++)
        CHECK(layers[i].ns_per_image > 0 && layers[i].candidate[0]);
    fr_layers_free(layers);
    CHECK_OK(fr_session_describe(session, &info));
    CHECK(info.planned_bytes > 0 && info.peak_bytes >= info.planned_bytes && info.schedule[0]);
    fr_session_close(session);
    fr_free(out);
    drop(&f);
}

TEST(zz_nothing_is_left) {
    fr_context_free(context);
    context = NULL;
    CHECK_INT(fr_alloc_read().live_blocks, 0);
}

CHECK_MAIN
