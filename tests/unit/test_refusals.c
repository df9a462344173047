/* Compiles that fail for one step, for the driver, or because the device is gone: what is remembered of each, and for how long
 * (tests/modules/picky.c). */
#include <dlfcn.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "check.h"
#include "folder_kit.h"
#include "foldrun/foldrun.h"

static const char net[] =
    "model tiny \"t\"\ninput 3x8x8\nconv 6 3x3 pad 1 relu\nconv 4 3x3 pad 1 relu\nflatten\nfc 3\n";

static char folder[64];
static char warnings[4096];
static int n_warnings;
static atomic_int *answer, *channels, *is_driver, *tried; /* the module's */

static void hear(void *user, int level, const char *line) {
    (void)user;
    if (level > 1)
        return;
    n_warnings++;
    strncat(warnings, line, sizeof warnings - strlen(warnings) - 2);
}

static bool begin(void) {
    static void *module;
    char path[96];
    strcpy(folder, "/tmp/foldrun-check-XXXXXX");
    if (!mkdtemp(folder))
        return false;
    snprintf(path, sizeof path, "%s/tiny.fold", folder);
    FILE *file = fopen(path, "w");
    if (!file || fputs(net, file) < 0 || fclose(file) != 0)
        return false;
    module = module ? module : dlopen(PICKY_MODULES "/foldrun-backend-picky.so", RTLD_NOW);
    if (!module)
        return false;
    answer = dlsym(module, "picky_status");
    channels = dlsym(module, "picky_channels");
    is_driver = dlsym(module, "picky_is_driver");
    tried = dlsym(module, "picky_tried");
    return answer && channels && is_driver && tried;
}

static void end(void) {
    folder_remove(folder);
}

/* A session in a context of its own, as a later process has it: how it opened, and the kernels of its convolutions. */
static fr_status kernels_of(fr_tuning tuning, fr_precision precision, char *out, size_t bytes) {
    fr_context_options context_options = FR_OPTIONS(fr_context_options);
    fr_session_options o = FR_OPTIONS(fr_session_options);
    fr_context *context = NULL;
    fr_model *model = NULL;
    fr_session *session = NULL;
    fr_layer_time *layers = NULL;
    size_t count = 0;
    char path[96];
    snprintf(path, sizeof path, "%s/tiny.fold", folder);
    context_options.backend_dir = PICKY_MODULES;
    context_options.cache_dir = folder;
    context_options.log = hear;
    context_options.log_level = 1;
    o.device = "picky";
    o.tuning = tuning;
    o.precision = precision;
    o.batch = 4;
    o.tune_ms = 50;
    warnings[0] = out[0] = 0;
    n_warnings = 0;
    atomic_store(tried, 0);
    fr_status status = fr_context_new(&context_options, &context);
    if (status == FR_OK)
        status = fr_model_load(context, path, &model);
    if (status == FR_OK)
        status = fr_session_open(context, model, &o, &session);
    if (status == FR_OK && tuning == FR_TUNING_OFF) {
        status = fr_session_time_layers(session, 1, &layers, &count);
        for (size_t i = 0; i < count; i++)
            if (layers[i].ops_per_input >= 8 * 8 * 9 * 3)
                snprintf(out + strlen(out), bytes - strlen(out), "%s ", layers[i].candidate);
    }
    fr_layers_free(layers);
    fr_session_close(session);
    fr_model_free(model);
    fr_context_free(context);
    return status;
}

static void say(fr_status status, int for_channels, bool driver) {
    atomic_store(answer, (int)status);
    atomic_store(channels, for_channels);
    atomic_store(is_driver, driver);
}

TEST(a_step_that_a_kernel_has_nothing_for_does_without_it_and_others_keep_it) {
    static const fr_status words[] = {FR_UNSUPPORTED, FR_UNAVAILABLE};
    char used[256];
    for (size_t w = 0; w < 2; w++) {
        CHECK(begin());
        say(words[w], 4, false);
        for (int time = 0; time < 2; time++) {
            CHECK_OK(kernels_of(FR_TUNING_OFF, FR_PRECISION_F32, used, sizeof used));
            CHECK_TEXT(used, "picky.first picky.second ");
            CHECK_INT(atomic_load(tried), 1);
            CHECK_INT(n_warnings, 0);
        }
        CHECK_OK(kernels_of(FR_TUNING_CACHED, FR_PRECISION_F32, used, sizeof used)); /* in a trial */
        CHECK_INT(n_warnings, words[w] != FR_UNSUPPORTED); /* a library that is gone is worth a word */
        CHECK_OK(kernels_of(FR_TUNING_OFF, FR_PRECISION_INT8, used, sizeof used)); /* the calibration's plan */
        CHECK_INT(n_warnings, 0);
        say(FR_OK, 0, false);
        CHECK_OK(kernels_of(FR_TUNING_OFF, FR_PRECISION_F32, used, sizeof used));
        CHECK_TEXT(used, "picky.first picky.first ");
        end();
    }
}

TEST(a_kernel_that_the_driver_cannot_have_is_dropped_for_good) {
    static const fr_tuning tunings[] = {FR_TUNING_OFF, FR_TUNING_CACHED};
    char used[256];
    for (size_t t = 0; t < 2; t++) {
        CHECK(begin());
        say(FR_UNSUPPORTED, 0, true);
        CHECK_OK(kernels_of(tunings[t], FR_PRECISION_F32, used, sizeof used));
        CHECK_INT(n_warnings, 1);
        CHECK_HAS(warnings, "picky.first");
        CHECK_HAS(warnings, "nothing for this convolution");
        CHECK_OK(kernels_of(FR_TUNING_OFF, FR_PRECISION_F32, used, sizeof used));
        CHECK_TEXT(used, "picky.second picky.second ");
        CHECK_INT(atomic_load(tried), 0);
        CHECK_INT(n_warnings, 0);
        end();
    }
}

TEST(a_lost_device_ends_the_opening_and_bans_nothing) {
    static const fr_tuning tunings[] = {FR_TUNING_OFF, FR_TUNING_CACHED};
    char used[256];
    for (size_t t = 0; t < 2; t++) {
        CHECK(begin());
        say(FR_DEVICE_LOST, 0, false);
        CHECK_INT(kernels_of(tunings[t], FR_PRECISION_F32, used, sizeof used), FR_DEVICE_LOST);
        CHECK_HAS(fr_error_message(), "nothing for this convolution");
        CHECK_INT(atomic_load(tried), 1);
        CHECK_INT(n_warnings, 0);
        say(FR_OK, 0, false);
        CHECK_OK(kernels_of(FR_TUNING_OFF, FR_PRECISION_F32, used, sizeof used));
        CHECK_TEXT(used, "picky.first picky.first ");
        end();
    }
}

TEST(the_self_test_forgives_a_kernel_that_is_not_for_some_steps) {
    fr_context_options context_options = FR_OPTIONS(fr_context_options);
    fr_selftest_options options = FR_OPTIONS(fr_selftest_options);
    fr_context *context;
    fr_selftest result;
    CHECK(begin());
    say(FR_UNSUPPORTED, 16, false);
    context_options.backend_dir = PICKY_MODULES;
    context_options.cache_dir = folder;
    options.device = "picky";
    CHECK_OK(fr_context_new(&context_options, &context));
    CHECK_OK(fr_selftest_run(context, &options, &result));
    CHECK(result.n_kernels == 3 && result.n_bad == 0);
    CHECK_TEXT(result.kernels[0].name, "picky.first");
    CHECK(result.kernels[0].verdict == FR_VERDICT_GOOD && result.kernels[0].runs < result.kernels[1].runs);
    fr_selftest_free(&result);
    fr_context_free(context);
    end();
}

CHECK_MAIN
