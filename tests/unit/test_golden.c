/*
 * Golden answers: seeded models on seeded images, recorded in double precision. They change when the zoo, the seeds, the folding
 * or the scaling change, which users of seeded models would notice. tests/golden/record writes them anew.
 */
#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "check.h"
#include "foldrun/foldrun.h"

enum { IMAGES = 2, KEPT = 6 }; /* images a model, logits an image */

static const char *const models[] = {"v1", "v2", "v3", "v4", "v5", "v6", "n1", "n2", "n3", "n4"};

static fr_status answer(fr_context *context, const char *device, const char *name, int32_t fold, float **out,
                        int32_t *classes) {
    fr_model *plain = NULL, *model = NULL;
    fr_session *session = NULL;
    uint8_t *pixels = NULL;
    fr_status status;
    fr_model_info info = FR_OPTIONS(fr_model_info);
    fr_fold_options folding = FR_OPTIONS(fr_fold_options);
    fr_session_options options = FR_OPTIONS(fr_session_options);
    folding.fold = fold;
    folding.seed = 1;
    options.device = device;
    options.batch = 8;
    options.tuning = FR_TUNING_OFF;
    *out = NULL;
    FR_GO(cleanup, fr_model_load(context, name, &plain));
    FR_GO(cleanup, fr_model_fold(plain, &folding, &model));
    FR_GO(cleanup, fr_model_describe(model, &info));
    FR_GO(cleanup, fr_session_open(context, model, &options, &session));
    size_t bytes = (size_t)(IMAGES * info.height * info.width * info.channels);
    pixels = fr_alloc(bytes);
    *out = fr_alloc_array((size_t)(IMAGES * info.classes), sizeof **out);
    fr_random random = {21};
    for (size_t i = 0; i < bytes; i++)
        pixels[i] = (uint8_t)(fr_random_next(&random) >> 32);
    fr_images images = {.data = pixels, .dtype = FR_U8, .count = IMAGES};
    *classes = info.classes;
    FR_GO(cleanup, fr_session_run(session, &images, *out));
cleanup:
    fr_session_close(session);
    fr_model_free(model);
    fr_model_free(plain);
    fr_free(pixels);
    return status;
}

static void print_rows(FILE *file, const char *name, int32_t fold, const float *out, int32_t classes) {
    for (int i = 0; i < IMAGES; i++) {
        fprintf(file, "%s %d %d", name, fold, i);
        for (int k = 0; k < KEPT && k < classes; k++)
            fprintf(file, " %.7g", (double)out[i * classes + k]);
        fprintf(file, "\n");
    }
}

/* A row of the file that begins with `head`, its numbers against row[]; the distance over the largest, or -1. */
static double compare(const char *text, const char *head, const float *row, int32_t classes) {
    const char *at = strstr(text, head);
    double far = 0, most = 1e-9;
    if (!at)
        return -1;
    at += strlen(head);
    for (int k = 0; k < KEPT && k < classes; k++) {
        char *end;
        double want = strtod(at, &end);
        if (end == at)
            return -1;
        at = end;
        most = fmax(most, fabs(want));
        far = fmax(far, fabs(want - (double)row[k]));
    }
    return far / most;
}

static void check_device(const char *device, double limit) {
    fr_context *context;
    char *text;
    size_t bytes;
    CHECK_OK(fr_file_read(FOLDRUN_SOURCE_DIR "/tests/golden/logits.txt", 1 << 20, &text, &bytes));
    CHECK_OK(fr_context_new(NULL, &context));
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++)
        for (int32_t fold = 1; fold <= 2; fold++) {
            float *out;
            int32_t classes = 0;
            CHECK_OK(answer(context, device, models[m], fold, &out, &classes));
            for (int i = 0; i < IMAGES; i++) {
                char head[40];
                snprintf(head, sizeof head, "%s %d %d", models[m], fold, i);
                double far = compare(text, head, out + i * classes, classes);
                if (!(far >= 0 && far <= limit))
                    fprintf(stderr, "%s on %s: %g\n", head, device, far);
                CHECK(far >= 0 && far <= limit);
            }
            fr_free(out);
        }
    fr_free(text);
    fr_context_free(context);
}

static bool present(const char *backend) {
    fr_context *context;
    const fr_device_entry *entries;
    size_t count;
    bool found = false;
    if (fr_context_new(NULL, &context) != FR_OK)
        return false;
    if (fr_context_devices(context, &entries, &count) == FR_OK)
        for (size_t i = 0; i < count; i++)
            found |= entries[i].status == FR_OK && strcmp(entries[i].backend, backend) == 0;
    fr_context_free(context);
    return found;
}

TEST(ref_gives_the_recorded_answers) {
    check_device("ref", 1e-5);
}

TEST(cpu_gives_the_recorded_answers) {
    if (!present("cpu"))
        SKIP("no cpu backend");
    check_device("cpu", 1e-3);
}

static int record(void) {
    fr_context *context;
    if (fr_context_new(NULL, &context) != FR_OK)
        return 1;
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++)
        for (int32_t fold = 1; fold <= 2; fold++) {
            float *out;
            int32_t classes = 0;
            if (answer(context, "ref", models[m], fold, &out, &classes) != FR_OK) {
                fprintf(stderr, "%s\n", fr_error_message());
                return 1;
            }
            print_rows(stdout, models[m], fold, out, classes);
            fr_free(out);
        }
    fr_context_free(context);
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--record") == 0)
        return record();
    return check_main(argc, argv);
}
