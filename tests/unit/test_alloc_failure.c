/* The n-th allocation fails, for every n, through loading, folding, opening a session, running and freeing: the answer is
 * FR_NO_MEMORY with its sentence (or, where memory was only for comfort, the right result), nothing leaks, nothing crashes. */
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "check.h"
#include "foldrun/foldrun.h"

enum { IMAGES = 5, CHANNELS = 3, HEIGHT = 8, WIDTH = 9, CLASSES = 4, CALLS_MAX = 20000 };

/* Every kind of thing that a plan holds: fused pools, a residual, a concat, a batch normalisation. */
static const char model_text[] =
    "model small \"a small model\"\ninput 3x8x9\nconv 8 3x3 pad 1 bn relu\nas a\nconv 8 3x3 pad 1\nadd a relu\n"
    "maxpool 2x2 stride 2\nas b\nconv 8 1x1 relu as c\nconcat b c\nflatten\nfc 4\n";

static char model_path[512], onnx_path[512];
static unsigned char pixels[IMAGES * HEIGHT * WIDTH * CHANNELS];

typedef fr_status (*scenario_fn)(const char *device, float *answers);

static fr_status open_context(fr_context **out_context) {
    fr_context_options options = FR_OPTIONS(fr_context_options);
    options.cache_dir = "";
    return fr_context_new(&options, out_context);
}

static fr_status fold_and_run(fr_context *context, const fr_model *model, const char *device, int fold,
                              float *answers) {
    fr_fold_options fold_options = FR_OPTIONS(fr_fold_options);
    fr_session_options options = FR_OPTIONS(fr_session_options);
    fr_images images = {.data = pixels, .dtype = FR_U8, .count = IMAGES};
    fr_model *folded = NULL;
    fr_session *session = NULL;
    fr_status status;
    fold_options.fold = fold;
    fold_options.seed = 1;
    options.device = device;
    options.tuning = FR_TUNING_OFF;
    options.batch = IMAGES;
    options.threads = 2;
    FR_GO(done, fr_model_fold(model, &fold_options, &folded));
    FR_GO(done, fr_session_open(context, folded, &options, &session));
    FR_GO(done, fr_session_run(session, &images, answers));
done:
    fr_session_close(session);
    fr_model_free(folded);
    return status;
}

static fr_status load_and_run(const char *path, const char *device, int fold, float *answers) {
    fr_context *context = NULL;
    fr_model *model = NULL;
    fr_status status;
    FR_GO(done, open_context(&context));
    FR_GO(done, fr_model_load(context, path, &model));
    if (device)
        FR_GO(done, fold_and_run(context, model, device, fold, answers));
done:
    fr_model_free(model);
    fr_context_free(context);
    return status;
}

static fr_status folded(const char *device, float *answers) {
    return load_and_run(model_path, device, 2, answers);
}

static fr_status from_onnx(const char *device, float *answers) {
    return load_and_run(onnx_path, device, 1, answers);
}

static fr_status saved(const char *device, float *answers) {
    (void)device;
    (void)answers;
    fr_context *context = NULL;
    fr_model *model = NULL;
    fr_cost cost = {0};
    fr_status status;
    FR_GO(done, open_context(&context));
    FR_GO(done, fr_model_load(context, model_path, &model));
    FR_GO(done, fr_model_cost(model, 16, 4, 0, &cost));
    FR_GO(done, fr_model_save(model, onnx_path));
done:
    fr_cost_free(&cost);
    fr_model_free(model);
    fr_context_free(context);
    return status;
}

/* Runs the scenario whole, then with each of its allocations failing. */
static void fail_each(scenario_fn scenario, const char *device) {
    float want[IMAGES * CLASSES] = {0};
    uint64_t failed = 0, survived = 0, live = fr_alloc_read().live_blocks;
    CHECK_OK(scenario(device, want));
    CHECK_INT(fr_alloc_read().live_blocks, live);
    for (uint64_t nth = 1;; nth++) {
        CHECK(nth < CALLS_MAX);
        float got[IMAGES * CLASSES] = {0};
        uint64_t calls = fr_alloc_read().calls;
        fr_alloc_fail_at(nth);
        fr_status status = scenario(device, got);
        fr_alloc_fail_at(0);
        if (fr_alloc_read().live_blocks != live)
            fprintf(stderr, "allocation %llu of %s: %lld blocks are left\n", (unsigned long long)nth,
                    device ? device : "no device", (long long)(fr_alloc_read().live_blocks - live));
        CHECK_INT(fr_alloc_read().live_blocks, live);
        if (fr_alloc_read().calls - calls < nth) { /* it was never reached: all have had their turn */
            CHECK_INT(status, FR_OK);
            break;
        }
        if (status == FR_OK) {
            for (int i = 0; i < IMAGES * CLASSES; i++)
                CHECK_NEAR(got[i], want[i], 1e-4 * (1 + fabs((double)want[i])));
            survived++;
            continue;
        }
        if (status != FR_NO_MEMORY)
            fprintf(stderr, "allocation %llu: status %s: %s\n", (unsigned long long)nth, fr_status_word(status),
                    fr_error_sentence());
        CHECK_INT(status, FR_NO_MEMORY);
        CHECK_HAS(fr_error_message(), "out of memory");
        failed++;
    }
    printf("%s: %llu allocations failed, %llu were done without\n", device ? device : "no device",
           (unsigned long long)failed, (unsigned long long)survived);
    CHECK(failed > 0);
}

static bool has_device(const char *backend) {
    fr_context *context;
    const fr_device_entry *entries;
    size_t count;
    bool found = false;
    if (open_context(&context) != FR_OK)
        return false;
    if (fr_context_devices(context, &entries, &count) == FR_OK)
        for (size_t i = 0; i < count; i++)
            found = found || (entries[i].status == FR_OK && strcmp(entries[i].backend, backend) == 0);
    fr_context_free(context);
    return found;
}

static bool is_required(const char *backend) {
    const char *required = getenv("FOLDRUN_REQUIRE");
    return required && strstr(required, backend);
}

__attribute__((constructor)) static void prepare(void) {
    snprintf(model_path, sizeof model_path, "%s/alloc-failure-%ld.fold", FOLDRUN_BUILD_DIR, (long)getpid());
    snprintf(onnx_path, sizeof onnx_path, "%s/alloc-failure-%ld.onnx", FOLDRUN_BUILD_DIR, (long)getpid());
    if (fr_file_write(model_path, model_text, sizeof model_text - 1) != FR_OK)
        exit(1);
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (unsigned char)(i * 37 + i / 11);
}

__attribute__((destructor)) static void clean_up(void) {
    unlink(model_path);
    unlink(onnx_path);
}

TEST(loading_folding_and_running_on_ref) {
    fail_each(folded, "ref");
}

TEST(loading_folding_and_running_on_cpu) {
    if (!has_device("cpu") && !is_required("cpu"))
        SKIP("the cpu backend is not there");
    fail_each(folded, "cpu");
}

TEST(costs_and_saving) {
    float answers[IMAGES * CLASSES];
    if (saved(NULL, answers) == FR_UNAVAILABLE)
        SKIP(fr_error_message());
    fail_each(saved, NULL);
}

TEST(loading_and_running_an_onnx_file) {
    float answers[IMAGES * CLASSES];
    if (saved(NULL, answers) == FR_UNAVAILABLE)
        SKIP(fr_error_message());
    fail_each(from_onnx, "ref");
}

CHECK_MAIN
