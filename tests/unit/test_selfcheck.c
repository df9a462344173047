/* Verdicts on kernels, how they come about, and that a bad kernel is never used: on a backend that lies. */
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "check.h"
#include "folder_kit.h"
#include "check/make.h"
#include "foldrun/foldrun.h"
#include "plan/shrink.h"
#include "run/verdicts.h"

static char folder[64];
static char warnings[8192];
static int n_warnings;

static void hear(void *user, int level, const char *line) {
    (void)user;
    if (level > 1)
        return;
    n_warnings++;
    strncat(warnings, line, sizeof warnings - strlen(warnings) - 2);
    strcat(warnings, "\n");
}

static void drop_folder(void) {
    folder_remove(folder);
}

static bool new_folder(void) {
    strcpy(folder, "/tmp/foldrun-check-XXXXXX");
    return mkdtemp(folder) != NULL;
}

/* ---- the book ----------------------------------------------------------------------------------------------- */

static const fr_backend backend = {.name = "some", .version = "1"};
static const fr_device_facts facts = {.name = "a device", .driver = "a driver 2", .features = "fast"};

static fr_verdicts *open_book(fr_cache *cache, const fr_backend *of, const fr_device_facts *on) {
    fr_verdicts *book;
    return fr_verdicts_open(cache, of, on, &book) == FR_OK ? book : NULL;
}

static bool set(fr_verdicts *book, const char *name, fr_verdict verdict, const char *why) {
    fr_verdict_entry entry = {.verdict = verdict, .ratio = 0.25, .runs = 3, .thorough = true};
    snprintf(entry.name, sizeof entry.name, "%s", name);
    snprintf(entry.why, sizeof entry.why, "%s", why);
    return fr_verdicts_set(book, &entry) == FR_OK;
}

TEST(verdicts_stay_with_the_device_and_driver) {
    fr_cache *cache;
    fr_verdict_entry entry;
    CHECK(new_folder());
    CHECK_OK(fr_cache_new(folder, &cache));
    fr_verdicts *book = open_book(cache, &backend, &facts);
    CHECK(book && set(book, "k.good", FR_VERDICT_GOOD, "") && set(book, "k.bad", FR_VERDICT_WRONG, "1 \"is\" not 2"));
    fr_verdicts_save(book);
    fr_verdicts_close(book);
    book = open_book(cache, &backend, &facts);
    CHECK(book && fr_verdicts_find(book, "k.good", &entry) == FR_VERDICT_GOOD);
    CHECK(entry.ratio == 0.25 && entry.runs == 3 && entry.thorough);
    CHECK_INT(fr_verdicts_find(book, "k.bad", &entry), FR_VERDICT_WRONG);
    CHECK_TEXT(entry.why, "1 \"is\" not 2");
    CHECK_INT(fr_verdicts_find(book, "k", NULL), FR_VERDICT_NONE);
    CHECK(set(book, "k.bad", FR_VERDICT_GOOD, ""));
    CHECK_INT(fr_verdicts_find(book, "k.bad", NULL), FR_VERDICT_GOOD);
    fr_verdicts_close(book); /* not saved */
    book = open_book(cache, &backend, &facts);
    CHECK(book && fr_verdicts_find(book, "k.bad", NULL) == FR_VERDICT_WRONG);
    fr_verdicts_close(book);
    fr_backend newer = backend;
    newer.version = "2";
    fr_device_facts other = facts;
    strcpy(other.driver, "a driver 3");
    book = open_book(cache, &newer, &facts);
    CHECK(book && fr_verdicts_find(book, "k.bad", NULL) == FR_VERDICT_NONE);
    fr_verdicts_close(book);
    book = open_book(cache, &backend, &other);
    CHECK(book && fr_verdicts_find(book, "k.bad", NULL) == FR_VERDICT_NONE);
    fr_verdicts_close(book);
    fr_cache_free(cache);
    drop_folder();
}

TEST(two_books_add_to_each_other) {
    fr_cache *cache;
    CHECK(new_folder());
    CHECK_OK(fr_cache_new(folder, &cache));
    fr_verdicts *one = open_book(cache, &backend, &facts), *two = open_book(cache, &backend, &facts);
    CHECK(one && two && set(one, "a", FR_VERDICT_GOOD, "") && set(two, "b", FR_VERDICT_UNBUILT, "no"));
    fr_verdicts_save(one);
    fr_verdicts_save(two);
    fr_verdicts_close(one);
    fr_verdicts_close(two);
    one = open_book(cache, &backend, &facts);
    CHECK(one && fr_verdicts_find(one, "a", NULL) == FR_VERDICT_GOOD);
    CHECK_INT(fr_verdicts_find(one, "b", NULL), FR_VERDICT_UNBUILT);
    fr_verdicts_close(one);
    fr_cache_free(cache);
    drop_folder();
}

TEST(a_failure_keeps_its_sentence_when_verdicts_are_saved) {
    fr_cache *cache;
    CHECK(new_folder());
    CHECK_OK(fr_cache_new(folder, &cache));
    fr_verdicts *book = open_book(cache, &backend, &facts);
    CHECK(book && set(book, "a", FR_VERDICT_GOOD, ""));
    CHECK_INT(fr_fail(FR_INVALID, "the reason"), FR_INVALID);
    fr_verdicts_save(book);
    CHECK_TEXT(fr_error_sentence(), "the reason");
    fr_verdicts_close(book);
    fr_cache_free(cache);
    drop_folder();
}

/* ---- small steps -------------------------------------------------------------------------------------------- */

TEST(a_small_step_meets_its_edges_as_the_large_one_does) {
    fr_step small, step = fr_make_conv(256, 64, 113, 90, 48, fr_make_window(3, 2, 1), 1);
    CHECK(fr_make_pooled(&step, FR_POOL_MAX, fr_make_window(3, 2, 0), true));
    CHECK(fr_step_shrink(&step, 2, 4e6, &small));
    CHECK_INT(small.n, 2);
    CHECK(small.src[0].h <= 20 && small.src[0].w <= 20 && small.src[0].c == 64 && small.dst.c == 48);
    CHECK((step.src[0].h - small.src[0].h) % 4 == 0 && (step.src[0].w - small.src[0].w) % 4 == 0);
    CHECK_INT(step.src[0].h - small.src[0].h, 4 * (step.dst.h - small.dst.h));
    CHECK(small.dst.h >= 1 && small.dst.w >= 1 && fr_step_work(&small) <= 4e6);
    step = fr_make_conv(8, 512, 14, 14, 512, fr_make_window(3, 1, 1), 1);
    fr_make_residual(&step);
    CHECK(fr_step_shrink(&step, 2, 1e7, &small));
    CHECK(small.src[0].c < 512 && small.src[1].c == small.dst.c && small.src[1].h == small.dst.h);
    step = fr_make_conv(8, 96, 40, 40, 96, fr_make_window(3, 1, 1), 96);
    CHECK(fr_step_shrink(&step, 2, 4e6, &small));
    CHECK(small.src[0].c == 96 && small.groups == 96 && small.src[0].h <= 20);
    step = fr_make_step(FR_STEP_FC, 8, 4096, 5, 5);
    step.dst = (fr_tensor){.c = 1000, .h = 1, .w = 1};
    CHECK(fr_step_shrink(&step, 2, 4e6, &small) && small.src[0].h == 5);
    step = fr_make_step(FR_STEP_POOL, 1, 32, 7, 7); /* the whole map: nothing can be cut */
    CHECK(fr_make_pooled(&step, FR_POOL_AVG, fr_make_window(7, 1, 0), false));
    CHECK(fr_step_shrink(&step, 2, 4e6, &small) && small.src[0].h == 7 && small.dst.h == 1);
}

/* ---- a backend that lies ------------------------------------------------------------------------------------ */

static bool open_liar(fr_context **out_context) {
    fr_context_options options = FR_OPTIONS(fr_context_options);
    options.backend_dir = LIAR_MODULES;
    options.cache_dir = folder;
    options.log = hear;
    options.log_level = 1;
    warnings[0] = 0;
    n_warnings = 0;
    return fr_context_new(&options, out_context) == FR_OK;
}

/* Answers of v2 on `device` for four images; false when something failed. */
static bool answer(fr_context *context, const char *device, fr_tuning tuning, float *out) {
    fr_session_options options = FR_OPTIONS(fr_session_options);
    fr_model *model = NULL;
    fr_session *session = NULL;
    static uint8_t pixels[4 * 19 * 25 * 3];
    fr_images images = {.data = pixels, .dtype = FR_U8, .count = 4};
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 37 + i / 91);
    options.device = device;
    options.tuning = tuning;
    options.batch = 4;
    options.tune_ms = 50;
    bool good = fr_model_load(context, "v2", &model) == FR_OK &&
                fr_session_open(context, model, &options, &session) == FR_OK &&
                fr_session_run(session, &images, out) == FR_OK;
    if (!good)
        fprintf(stderr, "%s: %s\n", device, fr_error_message());
    fr_session_close(session);
    fr_model_free(model);
    return good;
}

static bool same(const float *a, const float *b) {
    for (int i = 0; i < 4 * 22; i++)
        if (!(fabsf(a[i] - b[i]) <= 1e-4f))
            return false;
    return true;
}

TEST(a_session_drops_bad_kernels_once_and_for_all) {
    fr_context *context;
    float want[4 * 22], got[4 * 22];
    CHECK(new_folder() && open_liar(&context));
    CHECK(answer(context, "ref", FR_TUNING_OFF, want));
    CHECK(answer(context, "liar", FR_TUNING_CACHED, got));
    CHECK(same(got, want));
    CHECK_INT(n_warnings, 2);
    CHECK_HAS(warnings, "liar.wrong");
    CHECK_HAS(warnings, "liar.unbuilt");
    CHECK_HAS(warnings, "undeclared identifier 'truth'");
    CHECK(answer(context, "liar", FR_TUNING_FRESH, got) && same(got, want));
    CHECK_INT(n_warnings, 2);
    fr_context_free(context);
    CHECK(open_liar(&context)); /* by any later session, untuned ones too */
    CHECK(answer(context, "liar", FR_TUNING_OFF, got) && same(got, want));
    CHECK_INT(n_warnings, 0);
    fr_context_free(context);
    drop_folder();
}

TEST(an_untuned_session_goes_on_without_a_kernel_that_does_not_build) {
    fr_context *context;
    fr_selftest_options options = FR_OPTIONS(fr_selftest_options);
    fr_selftest result;
    float want[4 * 22], got[4 * 22];
    CHECK(new_folder() && open_liar(&context));
    options.device = "liar";
    options.filter = "wrong";
    CHECK_OK(fr_selftest_run(context, &options, &result));
    CHECK(result.n_kernels == 1 && result.n_bad == 1);
    fr_selftest_free(&result);
    CHECK(answer(context, "ref", FR_TUNING_OFF, want));
    CHECK(answer(context, "liar", FR_TUNING_OFF, got) && same(got, want));
    CHECK_HAS(warnings, "liar.unbuilt");
    fr_context_free(context);
    drop_folder();
}

TEST(the_self_test_tells_good_from_bad) {
    fr_context *context;
    fr_selftest_options options = FR_OPTIONS(fr_selftest_options);
    fr_selftest result;
    CHECK(new_folder() && open_liar(&context));
    options.device = "liar";
    CHECK_OK(fr_selftest_run(context, &options, &result));
    CHECK_TEXT(result.device, "liar:0");
    CHECK(result.n_kernels == 3 && result.n_bad == 2);
    CHECK_TEXT(result.kernels[0].name, "liar.right");
    CHECK(result.kernels[0].verdict == FR_VERDICT_GOOD && result.kernels[0].runs > result.steps &&
          !(result.kernels[0].worst > 1));
    CHECK(result.kernels[1].verdict == FR_VERDICT_UNBUILT && result.kernels[2].verdict == FR_VERDICT_WRONG);
    CHECK_HAS(result.kernels[2].why, "numbers are wrong");
    CHECK(!result.kernels[0].stored && !result.kernels[2].stored);
    int32_t runs = result.kernels[0].runs;
    fr_selftest_free(&result);
    CHECK_OK(fr_selftest_run(context, &options, &result));
    CHECK(result.kernels[0].stored && result.kernels[2].stored && result.kernels[0].runs == runs);
    CHECK(result.n_bad == 2);
    fr_selftest_free(&result);
    fr_context_free(context);
    drop_folder();
}

TEST(without_a_reference_nothing_can_be_tested) {
    fr_context *context;
    fr_context_options options = FR_OPTIONS(fr_context_options);
    fr_selftest_options asked = FR_OPTIONS(fr_selftest_options);
    fr_selftest result;
    char only[128];
    CHECK(new_folder());
    snprintf(only, sizeof only, "%s/foldrun-backend-liar.so", folder);
    CHECK(symlink(LIAR_MODULES "/foldrun-backend-liar.so", only) == 0);
    options.backend_dir = folder;
    options.cache_dir = "";
    CHECK_OK(fr_context_new(&options, &context));
    asked.device = "liar";
    CHECK_INT(fr_selftest_run(context, &asked, &result), FR_UNAVAILABLE);
    fr_selftest_free(&result);
    fr_context_free(context);
    drop_folder();
}

CHECK_MAIN
