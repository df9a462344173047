/* On a real device: every model of the zoo, folded by 1 to 4, in every precision the device has, against the reference. */
#define KIT_DEVICE "cuda:0"

#include "session_kit.h"

static fr_device_entry device;

static bool present(void) {
    fr_context *context = NULL;
    const fr_device_entry *entries;
    size_t count = 0;
    if (device.status == FR_OK && device.id[0])
        return true;
    if (fr_context_new(NULL, &context) == FR_OK && fr_context_devices(context, &entries, &count) == FR_OK)
        for (size_t i = 0; i < count; i++)
            if (strcmp(entries[i].id, KIT_DEVICE) == 0 || (!device.id[0] && strcmp(entries[i].backend, "cuda") == 0))
                device = entries[i];
    fr_context_free(context);
    return device.id[0] && device.status == FR_OK;
}

static double largest_error(const fixture *f) { /* of whole inputs, against the largest answer */
    int64_t whole = IMAGES / f->info.fold * f->info.fold;
    double far = 0, most = 1e-9;
    for (int64_t k = 0; k < whole * f->info.classes; k++) {
        far = fmax(far, fabs((double)f->got[k] - (double)f->want[k]));
        most = fmax(most, fabs((double)f->want[k]));
    }
    return far / most;
}

static fr_status run_in(const fixture *f, fr_precision precision) {
    fr_session_options o = options_for(KIT_DEVICE);
    fr_session *session;
    o.precision = precision;
    FR_TRY(fr_session_open(f->context, f->model, &o, &session));
    fr_status status = run(f, session, f->got);
    fr_session_close(session);
    return status;
}

static void check_all(fr_precision precision, double limit) {
    static const char *const models[] = {"v1", "v2", "v3", "v4", "v5", "v6", "n1", "n2", "n3", "n4"};
    if (!present())
        SKIP(device.id[0] ? device.why : "no CUDA device");
    if (!(device.facts.precisions >> precision & 1))
        SKIP("not a precision of this device");
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        for (int32_t fold = 1; fold <= 4; fold++) {
            fixture f;
            CHECK_OK(make(&f, models[m], fold, NULL));
            CHECK_OK(run_in(&f, precision));
            double far = largest_error(&f);
            drop(&f);
            if (!(far <= limit))
                fprintf(stderr, "%s, fold %d, %s: %g\n", models[m], fold, fr_precision_name(precision), far);
            CHECK(far <= limit);
        }
    }
}

TEST(models_in_f32) {
    check_all(FR_PRECISION_F32, 1e-4);
}

TEST(models_in_tf32) {
    check_all(FR_PRECISION_TF32, 0.01);
}

TEST(models_in_f16) {
    check_all(FR_PRECISION_F16, 0.01);
}

TEST(models_in_bf16) {
    check_all(FR_PRECISION_BF16, 0.05);
}

TEST(models_in_int8) {
    check_all(FR_PRECISION_INT8, 0.25);
}

CHECK_MAIN
