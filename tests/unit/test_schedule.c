/* Schedules that are asked for, plans that are given as texts, right or damaged, and memory to the byte: on the reference, on one in the
 * dress of a GPU (tests/modules/wide.c), and on the CPU. */
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/status.h"
#include "check.h"
#include "folder_kit.h"
#include "foldrun/foldrun.h"
#include "plan/groups.h"
#include "run/context.h"
#include "run/session.h"

enum { MOST = 40 };

static const char net[] = "model tiny \"t\"\ninput 3x8x8\nconv 6 3x3 pad 1 relu\nmaxpool 2x2 stride 2\n"
                          "conv 4 3x3 pad 1 relu\nflatten\nfc 3\n";

typedef struct fixture {
    char folder[64], warnings[2000];
    const char *device;
    fr_context *context;
    fr_model *model;
    fr_model_info info;
    uint8_t pixels[MOST * 192];
    float want[MOST * 16], got[MOST * 16];
    int measured; /* times that something was */
} fixture;

static void hear(void *user, int level, const char *line) {
    fixture *f = user;
    if (level <= 1)
        snprintf(f->warnings, sizeof f->warnings, "%s", line);
}

static void count_measuring(void *user, const char *what, double fraction) {
    (void)fraction;
    ((fixture *)user)->measured += strcmp(what, "compiling") != 0;
}

static fr_session_options options_for(fixture *f) {
    fr_session_options o = FR_OPTIONS(fr_session_options);
    o.device = f->device;
    o.batch = MOST;
    o.tuning = FR_TUNING_OFF;
    o.tune_ms = 60;
    o.progress = count_measuring;
    o.progress_user = f;
    return o;
}

static fr_status answer(const fixture *f, fr_session *session, int64_t count, float *out) {
    fr_images images = {.data = f->pixels, .dtype = FR_U8, .count = count};
    return fr_session_run(session, &images, out);
}

static fr_status load(fixture *f, const char *device, int32_t fold) {
    char path[96];
    fr_context_options context = FR_OPTIONS(fr_context_options);
    fr_fold_options options = FR_OPTIONS(fr_fold_options);
    fr_model *plain = NULL;
    fr_session *session = NULL;
    memset(f, 0, sizeof *f);
    f->device = device;
    strcpy(f->folder, "/tmp/foldrun-check-XXXXXX");
    if (!mkdtemp(f->folder))
        return fr_fail(FR_IO, "no folder");
    snprintf(path, sizeof path, "%s/tiny.fold", f->folder);
    FILE *file = fopen(path, "w");
    if (!file || fputs(net, file) < 0 || fclose(file) != 0)
        return fr_fail(FR_IO, "no file");
    context.cache_dir = f->folder;
    context.backend_dir = strcmp(device, "cpu") == 0 ? NULL : WIDE_MODULES;
    context.log = hear;
    context.log_user = f;
    context.log_level = 1;
    options.fold = fold;
    FR_TRY(fr_context_new(&context, &f->context));
    FR_TRY(fr_model_load(f->context, path, &plain));
    fr_status status = fr_model_fold(plain, &options, &f->model);
    fr_model_free(plain);
    FR_TRY(status);
    FR_TRY(fr_model_describe(f->model, &f->info));
    fr_random random = {9};
    for (size_t i = 0; i < sizeof f->pixels; i++)
        f->pixels[i] = (uint8_t)fr_random_next(&random);
    fr_session_options o = options_for(f);
    o.device = "ref";
    FR_TRY(fr_session_open(f->context, f->model, &o, &session));
    status = answer(f, session, MOST, f->want);
    fr_session_close(session);
    return status;
}

static void drop(fixture *f) {
    fr_model_free(f->model);
    fr_context_free(f->context);
    folder_remove(f->folder);
    memset(f, 0, sizeof *f);
}

static bool is_right(fixture *f, fr_session *session) {
    if (answer(f, session, MOST, f->got) != FR_OK)
        return false;
    for (int32_t i = 0; i < MOST * f->info.classes; i++)
        if (!(fabsf(f->got[i] - f->want[i]) <= 1e-4f))
            return false;
    return true;
}

/* Opens, answers, tells, closes. text may be NULL. */
static fr_status try(fixture *f, const fr_session_options *o, fr_session_info *info, char **text, bool *right) {
    fr_session *session;
    f->measured = 0;
    f->warnings[0] = 0;
    *info = FR_OPTIONS(fr_session_info);
    FR_TRY(fr_session_open(f->context, f->model, o, &session));
    *right = is_right(f, session);
    fr_status status = fr_session_describe(session, info);
    if (status == FR_OK && text)
        status = fr_session_plan_text(session, text);
    fr_session_close(session);
    return status;
}

static const char *const devices[] = {"ref", "wide", "cpu"};
enum { N_DEVICES = sizeof devices / sizeof devices[0] };

static bool is_here(const fixture *f) {
    const fr_device_entry *entries;
    size_t count;
    if (fr_context_devices(f->context, &entries, &count) != FR_OK)
        return false;
    for (size_t i = 0; i < count; i++)
        if (entries[i].status == FR_OK && strcmp(entries[i].backend, f->device) == 0)
            return true;
    return false;
}

/* ---- group sizes ---- */

static fr_menu groups_of(fr_group_question q, fr_schedule schedule) {
    fr_menu menu = {.n_groups = 0};
    q.schedule = schedule;
    q.input_bytes = q.input_bytes ? q.input_bytes : 1000;
    fr_groups_choose(&q, &menu);
    return menu;
}

static int32_t last_of(const fr_menu *menu) {
    return menu->groups[menu->n_groups - 1];
}

TEST(layer_by_layer_a_lane_takes_its_share) {
    fr_group_question q = {.is_cpu = true, .lanes = 2, .inputs = 1023, .memory_bytes = (uint64_t)16 << 30};
    fr_menu menu = groups_of(q, FR_SCHEDULE_LAYERS);
    CHECK_INT(last_of(&menu), 512);
    CHECK_INT(menu.share, 512);
    CHECK_INT(menu.groups[menu.n_groups - 2], 8); /* for measuring */
    menu = groups_of(q, FR_SCHEDULE_CHAIN);
    CHECK_INT(last_of(&menu), 64);
    CHECK_INT(menu.share, 512);
    q.is_software = true;
    menu = groups_of(q, FR_SCHEDULE_LAYERS);
    CHECK_INT(last_of(&menu), 512);
    CHECK_INT(menu.groups[menu.n_groups - 2], 64);
    q.inputs = 1;
    menu = groups_of(q, FR_SCHEDULE_LAYERS);
    CHECK_INT(menu.n_groups, 1);
    CHECK_INT(menu.share, 1);
}

TEST(a_share_fits_the_memory_and_an_int32) {
    fr_group_question q = {.is_cpu = true, .lanes = 4, .inputs = 1 << 24, .input_bytes = 1 << 20};
    fr_menu menu = groups_of(q, FR_SCHEDULE_LAYERS);
    CHECK((int64_t)menu.share << 20 <= INT32_MAX);
    CHECK(menu.share > 500);
    q.memory_bytes = (uint64_t)1 << 30;
    menu = groups_of(q, FR_SCHEDULE_LAYERS);
    CHECK_INT(menu.share, 32); /* an eighth of the memory, among four lanes */
    q.memory_bytes = 1;
    menu = groups_of(q, FR_SCHEDULE_LAYERS);
    CHECK_INT(menu.share, 1);
    q.input_bytes = (uint64_t)1 << 40;
    menu = groups_of(q, FR_SCHEDULE_LAYERS);
    CHECK_INT(menu.share, 1);
}

TEST(wide_devices_take_whole_half_and_quarter_layer_by_layer) {
    fr_group_question q = {.lanes = 2, .inputs = 1024, .cache_bytes = 6 << 20, .input_bytes = 160000};
    fr_menu menu = groups_of(q, FR_SCHEDULE_LAYERS);
    CHECK_INT(menu.n_groups, 3);
    CHECK_INT(menu.groups[0], 256);
    CHECK_INT(menu.groups[1], 512);
    CHECK_INT(menu.groups[2], 1024);
    CHECK_INT(menu.cached_group, -1);
    CHECK_INT(menu.share, 0);
    menu = groups_of(q, FR_SCHEDULE_CHAIN);
    CHECK(menu.cached_group >= 0);
}

/* ---- asked for ---- */

TEST(schedules_have_names) {
    fr_schedule schedule;
    for (int s = FR_SCHEDULE_AUTO; s <= FR_SCHEDULE_CHAIN; s++) {
        CHECK(fr_schedule_from_name(fr_schedule_name((fr_schedule)s), &schedule));
        CHECK_INT(schedule, s);
    }
    CHECK(!fr_schedule_from_name("layer", &schedule) && !fr_schedule_from_name(NULL, &schedule));
    CHECK_TEXT(fr_schedule_name((fr_schedule)9), "?");
}

TEST(what_is_asked_for_runs) {
    for (size_t d = 0; d < N_DEVICES; d++) {
        fixture f;
        CHECK_OK(load(&f, devices[d], 2));
        for (int tuning = FR_TUNING_CACHED; is_here(&f) && tuning <= FR_TUNING_OFF; tuning++)
            for (int schedule = FR_SCHEDULE_LAYERS; schedule <= FR_SCHEDULE_CHAIN; schedule++)
                for (int again = 0; again < 2; again++) {
                    fr_session_options o = options_for(&f);
                    fr_session_info info;
                    bool right;
                    o.schedule = (fr_schedule)schedule;
                    o.tuning = (fr_tuning)tuning;
                    CHECK_OK(try(&f, &o, &info, NULL, &right));
                    CHECK(right);
                    CHECK_INT(info.plan_schedule, schedule);
                    CHECK(!info.plan_refused);
                    /* each has a place of its own in the cache */
                    CHECK_INT(info.from_cache, again && tuning == FR_TUNING_CACHED && strcmp(f.device, "ref") != 0);
                    if (schedule == FR_SCHEDULE_LAYERS)
                        CHECK(!strchr(info.schedule, ',')); /* one group for all */
                }
        drop(&f);
    }
}

TEST(batches_of_one_and_odd_ones_have_both_schedules) {
    static const int32_t batches[] = {1, 2, 3, 7, 33};
    for (size_t d = 0; d < N_DEVICES; d++) {
        fixture f;
        CHECK_OK(load(&f, devices[d], 1));
        for (size_t b = 0; is_here(&f) && b < sizeof batches / sizeof batches[0]; b++)
            for (int schedule = FR_SCHEDULE_LAYERS; schedule <= FR_SCHEDULE_CHAIN; schedule++) {
                fr_session_options o = options_for(&f);
                fr_session_info info;
                bool right;
                o.batch = batches[b];
                o.schedule = (fr_schedule)schedule;
                CHECK_OK(try(&f, &o, &info, NULL, &right));
                CHECK(right);
                o.group = schedule == FR_SCHEDULE_CHAIN ? 5 : 0;
                if (strcmp(f.device, "wide") != 0)
                    CHECK_OK(try(&f, &o, &info, NULL, &right));
                CHECK(right);
            }
        drop(&f);
    }
}

TEST(what_cannot_be_is_refused_in_words) {
    fixture f;
    fr_session *session;
    CHECK_OK(load(&f, "wide", 1));
    fr_session_options o = options_for(&f);
    o.schedule = FR_SCHEDULE_CHAIN;
    o.batch = 1;        /* no part of it */
    o.kernels = "-ref"; /* what is left where it can be is no chain */
    for (int tuning = FR_TUNING_CACHED; tuning <= FR_TUNING_OFF; tuning++) {
        o.tuning = (fr_tuning)tuning;
        CHECK_INT(fr_session_open(f.context, f.model, &o, &session), FR_UNSUPPORTED);
        CHECK_HAS(fr_error_message(), "depth first");
    }
    o.schedule = (fr_schedule)5;
    CHECK_INT(fr_session_open(f.context, f.model, &o, &session), FR_INVALID);
    o.schedule = FR_SCHEDULE_LAYERS;
    o.group = 4;
    CHECK_INT(fr_session_open(f.context, f.model, &o, &session), FR_INVALID);
    CHECK_HAS(fr_error_message(), "group");
    drop(&f);
}

/* ---- given ---- */

TEST(a_plan_given_as_text_is_used_as_it_is) {
    for (size_t d = 0; d < N_DEVICES; d++) {
        fixture f;
        CHECK_OK(load(&f, devices[d], 2));
        for (int way = 0; is_here(&f) && way < 9; way++) { /* measured, cached, by rule of thumb; each schedule */
            fr_session_options o = options_for(&f);
            fr_session_info first, info;
            char *text = NULL, *again = NULL;
            bool right;
            o.tuning = way % 3 == 2 ? FR_TUNING_OFF : FR_TUNING_CACHED;
            o.schedule = (fr_schedule)(way / 3);
            CHECK_OK(try(&f, &o, &first, &text, &right));
            CHECK(right);
            for (int time = 0; time < 4; time++) {
                o.plan = text;
                o.tuning = time % 2 ? FR_TUNING_OFF : FR_TUNING_FRESH;
                o.schedule = time < 2 ? first.plan_schedule : FR_SCHEDULE_AUTO;
                CHECK_OK(try(&f, &o, &info, &again, &right));
                CHECK(right);
                CHECK_TEXT(again, text);
                CHECK_TEXT(info.schedule, first.schedule);
                CHECK_INT(info.plan_schedule, first.plan_schedule);
                CHECK_INT(info.planned_bytes, first.planned_bytes);
                CHECK(info.tuned && !info.from_cache && !info.plan_refused);
                CHECK_INT(f.measured, 0);
                CHECK_TEXT(f.warnings, "");
                fr_string_free(again);
            }
            fr_string_free(text);
        }
        drop(&f);
    }
    fr_string_free(NULL);
}

/* The text with the first `from` after `mark` put otherwise. */
static char *with(const char *text, const char *mark, const char *from, const char *to) {
    const char *begin = strstr(text, mark), *at = begin ? strstr(begin, from) : NULL;
    return at ? fr_format("%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) : NULL;
}

static bool is_refused(fixture *f, fr_session_options o, const char *text, const char *word) {
    fr_session_info info;
    bool right = false, good;
    o.plan = text;
    good = text && try(f, &o, &info, NULL, &right) == FR_OK && right && info.plan_refused && f->warnings[0] &&
           strstr(f->warnings, word);
    if (!good)
        fprintf(stderr, "%s: not refused for '%s': '%s' %s\n%s\n", f->device, word, f->warnings, fr_error_message(),
                text ? text : "nothing was replaced");
    return good;
}

static const struct {
    const char *mark, *from, *to, *word;
} damages[] = {
    {"\"format\"", "2", "3", "version"},
    {"\"format\"", "2", "\"2\"", "version"},
    {"\"for\"", "{", "[{", "line"},
    {"\"for\"", "for", "nobody", "version"},
    {"\"backend\"", ": \"", ": \"x", "backend"},
    {"\"version\"", ": \"", ": \"x", "version of the backend"},
    {"\"device\"", ": \"", ": \"x", "device"},
    {"\"driver\"", ": \"", ": \"x", "driver"},
    {"\"features\"", ": \"", ": \"x", "features"},
    {"\"steps\"", ": \"", ": \"x", "steps"},
    {"\"inputs\"", "4", "5", "batch"},
    {"\"inputs\"", "4", "-1e999", "line"},
    {"\"for\"", "\"lanes\": ", "\"lanes\": 7", "lanes"},
    {"\"block\"", "\"lanes\": ", "\"lanes\": 7", "lanes"},
    {"\"block\"", "\"lanes\": ", "\"lanes\": -", "lanes"},
    {"\"lane_threads\"", ": ", ": 9", "lanes"},
    {"\"lane_threads\"", ": ", ": 1e300, \"x\": ", "lanes"},
    {"\"block\"", ": ", ": 99999", "block"},
    {"\"block\"", ": ", ": 0, \"x\": ", "block"},
    {"\"block\"", ": ", ": 1.5, \"x\": ", "block"},
    {"\"block\"", ": ", ": null, \"x\": ", "block"},
    {"\"group\"", ": ", ": 0, \"x\": ", "group"},
    {"\"group\"", ": ", ": 7, \"x\": ", "group"},
    {"\"group\"", ": ", ": -1, \"x\": ", "group"},
    {"\"group\"", ": ", ": 4294967296, \"x\": ", "group"},
    {"\"group\"", "group", "crowd", "group"},
    {"\"candidate\"", ": \"", ": \"x", "kernel"},
    {"\"candidate\"", ": \"", ": [], \"x\": \"", "kernel"},
    {"\"dst_layout\"", ": ", ": 77", "kernel"},
    {"\"src_layouts\"", "[", "[1, ", "kernel"},
    {"\"src_layouts\"", ": [", ": {}, \"x\": [", "kernel"},
    {"\"src_layouts\"", ": [", ": [null], \"x\": [", "kernel"},
    {"\"step\"", ": \"", ": \"x", "cut into other steps"},
    {"\"steps\": [", "[", "[null, ", "cut into other steps"},
    {"\"steps\": [", "[", "{}, \"x\": [", "no steps"},
    {"\"steps\": [", "\"steps\"", "\"ladder\"", "no steps"},
};

TEST(a_text_that_does_not_fit_is_refused_in_words) {
    for (size_t d = 0; d < N_DEVICES; d++) {
        fixture f;
        fr_session_info info;
        char *text = NULL;
        bool right;
        CHECK_OK(load(&f, devices[d], 1));
        fr_session_options o = options_for(&f);
        if (is_here(&f))
            CHECK_OK(try(&f, &o, &info, &text, &right));
        for (size_t i = 0; text && i < sizeof damages / sizeof damages[0]; i++) {
            char *damaged = with(text, damages[i].mark, damages[i].from, damages[i].to);
            CHECK(is_refused(&f, o, damaged, damages[i].word));
            fr_free(damaged);
        }
        CHECK(!text || is_refused(&f, o, "", "line"));
        CHECK(!text || is_refused(&f, o, "[1]", "version"));
        if (text) { /* right in itself, and not what is asked for */
            o.batch = 8;
            CHECK(is_refused(&f, o, text, "batch"));
            o.batch = MOST;
            o.precision = FR_PRECISION_TF32;
            o.softmax = true;
            o.precision = FR_PRECISION_F32;
            o.plan = text;
            fr_session *session;
            CHECK_OK(fr_session_open(f.context, f.model, &o, &session));
            CHECK_HAS(f.warnings, "other steps");
            fr_session_close(session);
            o.softmax = false;
            o.schedule = info.plan_schedule == FR_SCHEDULE_CHAIN ? FR_SCHEDULE_LAYERS : FR_SCHEDULE_CHAIN;
            CHECK(is_refused(&f, o, text, "was asked for"));
        }
        fr_string_free(text);
        drop(&f);
    }
}

TEST(no_damage_to_a_text_does_harm) {
    fixture f;
    fr_session_info info;
    char *text;
    bool right;
    fr_random random = {5};
    int32_t refused = 0;
    CHECK_OK(load(&f, "wide", 1));
    fr_session_options o = options_for(&f);
    CHECK_OK(try(&f, &o, &info, &text, &right));
    size_t length = strlen(text);
    for (int32_t i = 0; i < 600; i++) {
        char *damaged = fr_strdup(text);
        size_t at = fr_random_next(&random) % length;
        if (i % 4 == 0)
            damaged[at] = 0;
        else if (i % 4 == 1)
            damaged[at] = (char)(1 + fr_random_next(&random) % 255);
        else if (i % 4 == 2)
            damaged[at] = (char)('0' + fr_random_next(&random) % 10);
        else
            memmove(&damaged[at], &damaged[at + 1], length - at);
        o.plan = damaged;
        CHECK_OK(try(&f, &o, &info, NULL, &right));
        CHECK(right);
        refused += info.plan_refused;
        fr_free(damaged);
    }
    CHECK(refused > 200);
    fr_string_free(text);
    drop(&f);
}

TEST(a_kernel_found_bad_since_is_not_used) {
    fixture f;
    fr_session_info info;
    fr_session *session;
    fr_verdicts *verdicts;
    char *text;
    bool right;
    fr_verdict_entry bad = {.verdict = FR_VERDICT_WRONG, .runs = 1};
    CHECK_OK(load(&f, "cpu", 1));
    if (!is_here(&f)) {
        drop(&f);
        SKIP("no cpu backend");
    }
    fr_session_options o = options_for(&f);
    CHECK_OK(try(&f, &o, &info, &text, &right));
    CHECK(right);
    const char *step = strstr(text, "\"conv"), *name = step ? strstr(step, "\"candidate\": \"") : NULL;
    CHECK(name && sscanf(name, "\"candidate\": \"%47[^\"]", bad.name) == 1);
    o.plan = text;
    CHECK_OK(try(&f, &o, &info, NULL, &right));
    CHECK(right && !info.plan_refused);
    CHECK_OK(fr_session_open(f.context, f.model, &o, &session));
    CHECK_OK(fr_context_verdicts(f.context, session->target.backend, &session->target.facts, &verdicts));
    fr_session_close(session);
    CHECK_OK(fr_verdicts_set(verdicts, &bad));
    CHECK(is_refused(&f, o, text, "known to be bad"));
    fr_string_free(text);
    drop(&f);
}

/* ---- memory ---- */

static uint64_t live_of(fr_session *session) {
    fr_memory_use use = {0};
    uint64_t live = 0;
    if (session->target.backend->memory_use(session->target.device, &use) != FR_OK)
        return 0;
    for (int kind = 0; kind < 4; kind++)
        live += use.live[kind];
    return live;
}

/* What a short budget left unmeasured must not slow the sessions that come later and have more. */
TEST(a_plan_measured_in_a_hurry_is_measured_again) {
    static const struct {
        int32_t tune_ms;
        bool from_cache;
    } turns[] = {{1, false}, {1, true}, {4000, false}, {4000, true}, {1, true}};
    fixture f;
    CHECK_OK(load(&f, "cpu", 1));
    if (!is_here(&f)) {
        drop(&f);
        SKIP("no cpu backend");
    }
    for (size_t i = 0; i < sizeof turns / sizeof turns[0]; i++) {
        fr_session_options o = options_for(&f);
        fr_session_info info;
        bool right;
        o.tuning = FR_TUNING_CACHED;
        o.tune_ms = turns[i].tune_ms;
        CHECK_OK(try(&f, &o, &info, NULL, &right));
        CHECK(right);
        CHECK(info.from_cache == turns[i].from_cache);
        CHECK((f.measured > 0) != turns[i].from_cache);
    }
    drop(&f);
}

TEST(planned_and_weights_are_all_that_the_device_counts) {
    for (size_t d = 0; d < N_DEVICES; d++)
        for (int32_t fold = 1; fold <= 3; fold++) {
            fixture f;
            CHECK_OK(load(&f, devices[d], fold));
            for (int way = 0; is_here(&f) && way < 12; way++) {
                fr_session_options o = options_for(&f);
                fr_session_info info = FR_OPTIONS(fr_session_info);
                fr_session *session;
                o.tuning = way % 2 ? FR_TUNING_OFF : FR_TUNING_CACHED;
                o.schedule = (fr_schedule)(way / 2 % 3);
                o.batch = way < 6 ? MOST : 3;
                CHECK_OK(fr_session_open(f.context, f.model, &o, &session));
                CHECK_OK(fr_session_describe(session, &info));
                CHECK_INT(info.planned_bytes + info.weight_bytes, live_of(session));
                CHECK(is_right(&f, session) || fold > 1);
                CHECK_OK(fr_session_run_resident(session, MOST));
                CHECK_INT(info.planned_bytes + info.weight_bytes, live_of(session)); /* nothing comes later */
                fr_session_close(session);
                uint64_t all = info.planned_bytes + info.weight_bytes;
                o.tuning = FR_TUNING_CACHED;
                if (way % 2)
                    continue;
                o.memory_limit = all;
                CHECK_OK(fr_session_open(f.context, f.model, &o, &session));
                fr_session_close(session);
                o.memory_limit = all - 1;
                if (strcmp(f.device, "ref") == 0)
                    CHECK_INT(fr_session_open(f.context, f.model, &o, &session), FR_UNSUPPORTED);
            }
            drop(&f);
        }
}

CHECK_MAIN
