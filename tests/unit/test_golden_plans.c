/*
 * Golden choices: what the planner makes of profiles that were recorded on real devices, with none of them here. They change when
 * profiles are read, times predicted or options ranked in another way. tests/golden/record writes them anew.
 */
#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "check.h"
#include "foldrun/planner.h"

static const char *const profiles[] = {"cpu", "opencl", "vulkan"};
static const char *const models[] = {"v1", "v2", "v3", "v4", "v5", "v6", "n1", "n2", "n3", "n4", "g32", "g64"};
static const int64_t batches[] = {64, 1024};

#define FOLDER FOLDRUN_SOURCE_DIR "/tests/golden/"

static fr_status add_choice(fr_context *context, const char *profile, const char *name, int64_t batch, fr_text *out) {
    fr_plan_options options = FR_OPTIONS(fr_plan_options);
    fr_plan_result result = {.choice = -1};
    fr_model *model;
    char path[512];
    snprintf(path, sizeof path, FOLDER "profiles/%s.json", profile);
    FR_TRY(fr_model_load(context, name, &model));
    const fr_model *given = model;
    options.profile = path;
    options.models = &given;
    options.n_models = 1;
    options.batches[0] = batch;
    options.n_batches = 1;
    fr_status status = fr_plan_make(context, &options, &result);
    if (status == FR_OK && result.choice >= 0) {
        const fr_plan_row *row = &result.rows[result.choice];
        fr_text_add(out, "%s %s %d: fold %d, %s", profile, name, (int)batch, row->fold, fr_round_name(row->round));
        if (row->quantum > 1)
            fr_text_add(out, ":%d", row->quantum);
        fr_text_add(out, ", %s, %s\n", fr_precision_name(row->precision), fr_schedule_name(row->schedule));
    } else if (status == FR_OK) {
        status = fr_fail(FR_INTERNAL, "no choice for %s at %d on %s", name, (int)batch, profile);
    }
    fr_plan_result_free(&result);
    fr_model_free(model);
    return status;
}

static fr_status all_choices(fr_text *out) {
    fr_context_options options = FR_OPTIONS(fr_context_options);
    fr_context *context;
    fr_status status = FR_OK;
    options.cache_dir = "";
    FR_TRY(fr_context_new(&options, &context));
    for (size_t p = 0; p < sizeof profiles / sizeof profiles[0]; p++)
        for (size_t m = 0; m < sizeof models / sizeof models[0]; m++)
            for (size_t b = 0; b < sizeof batches / sizeof batches[0] && status == FR_OK; b++)
                status = add_choice(context, profiles[p], models[m], batches[b], out);
    fr_context_free(context);
    return status;
}

TEST(recorded_profiles_give_the_recorded_choices) {
    fr_text now = {0};
    char *before = NULL;
    size_t bytes = 0;
    fr_status status = all_choices(&now);
    if (status != FR_OK)
        fprintf(stderr, "%s\n", fr_error_message());
    CHECK(status == FR_OK);
    CHECK(fr_file_read(FOLDER "plans.txt", 1 << 20, &before, &bytes) == FR_OK);
    bool same = before && now.data && strcmp(before, now.data) == 0;
    if (!same && now.data)
        fprintf(stderr, "the choices are now:\n%s", now.data);
    CHECK(same);
    fr_free(before);
    fr_text_free(&now);
}

int main(int argc, char **argv) {
    fr_text text = {0};
    if (argc != 2 || strcmp(argv[1], "--record") != 0)
        return check_main(argc, argv);
    fr_status status = all_choices(&text);
    if (status != FR_OK)
        fprintf(stderr, "%s\n", fr_error_message());
    else
        fputs(text.data, stdout);
    fr_text_free(&text);
    return status == FR_OK ? 0 : 1;
}
