#include "cli/bench.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/output.h"
#include "cli/plan_use.h"
#include "cli/table.h"

enum { DEFAULT_BATCH = 1024 };

/* A model as it was loaded: every precision and batch, each with all its folds. Answers an exit code. */
static int bench_loaded(fr_context *context, const char *label, const fr_model *model, const fr_model_info *info,
                        const bench_request *r, cli_progress *progress, bench_result *result) {
    int code = CLI_DONE;
    size_t before = result->n_rows;
    for (size_t p = 0; p < r->precisions.count && code == CLI_DONE; p++) {
        for (size_t b = 0; b < r->batches.count && code == CLI_DONE && !result->stopped; b++) {
            cli_ints folds = {.count = 0};
            for (size_t f = 0; f < r->folds.count; f++) {
                if (r->folds.at[f] <= r->batches.at[b])
                    folds.at[folds.count++] = r->folds.at[f];
                else if (p == 0)
                    cli_complain("note: fold %lld is left out at batch %lld: one input would hold more images than the "
                                 "batch has",
                                 (long long)r->folds.at[f], (long long)r->batches.at[b]);
            }
            if (!r->folds_given && info->fold > 1) /* folded already: as it is */
                folds = (cli_ints){.at = {info->fold}, .count = 1};
            if (folds.count > 0)
                code = bench_measure_group(context, label, model, r, r->precisions.at[p], r->batches.at[b], &folds,
                                           progress, result);
        }
    }
    if (code == CLI_DONE && result->n_rows == before && !result->stopped)
        return cli_usage_error("nothing to measure: every fold is larger than every batch");
    return code;
}

/* The variants of a folder that have the folds which were asked for, each as it is. */
static int bench_folder(fr_context *context, const char *name, const bench_request *r, cli_progress *progress,
                        bench_result *result) {
    int code = CLI_DONE;
    for (size_t f = 0; f < r->folds.count && code == CLI_DONE && !result->stopped; f++) {
        fr_model *model;
        fr_model_info info;
        bench_request one = *r;
        one.folds = (cli_ints){.at = {r->folds.at[f]}, .count = 1};
        code = cli_pick_fold(context, name, r->folds.at[f], &model, &info);
        if (code == CLI_DONE)
            code = bench_loaded(context, name, model, &info, &one, progress, result);
        fr_model_free(model);
    }
    return code;
}

static int bench_single(fr_context *context, const char *name, const bench_request *r, cli_progress *progress,
                        bench_result *result) {
    fr_model *model;
    fr_model_info info = FR_OPTIONS(fr_model_info);
    int code = cli_load_model(context, name, &model);
    if (code != CLI_DONE)
        return code;
    fr_status status = fr_model_describe(model, &info);
    const char *label = strcasecmp(name, info.name) == 0 ? info.name : name; /* a file goes by its path */
    code = status == FR_OK ? bench_loaded(context, label, model, &info, r, progress, result) : cli_failed(status);
    fr_model_free(model);
    return code;
}

/* ---- by a plan ---- */

static cli_plan_request given_by(const bench_request *r) {
    cli_plan_request given = CLI_PLAN_REQUEST;
    given.device = r->device;
    given.folds = r->folds_given ? r->folds : (cli_ints){.count = 0};
    given.batches = r->batches;
    given.precisions = r->precisions;
    given.schedule_word = r->schedule_word;
    given.threads = r->threads;
    given.pin_word = r->pin_word;
    given.exact = r->exact;
    given.no_measure = r->tuning == FR_TUNING_OFF;
    given.fresh = r->tuning == FR_TUNING_FRESH;
    if (r->tune_budget > 0)
        given.tune_budget = r->tune_budget;
    if (r->folding.round.given)
        given.rounds = (cli_rounds){.at = {r->folding.round}, .count = 1};
    return given;
}

/* What a plan says, kept in a file or made now, and nothing else. */
static int bench_planned(fr_context *context, const char *name, const bench_request *r, cli_progress *progress,
                         bench_result *result) {
    cli_chosen chosen;
    cli_plan_request given = given_by(r);
    int code;
    if (r->plan) {
        code = cli_choose_by_file(context, r->plan, name, &given, &r->folding, true, &chosen);
    } else {
        if (given.batches.count == 0)
            given.batches = (cli_ints){.at = {DEFAULT_BATCH}, .count = 1};
        code = cli_choose_by_planner(context, name, &given, &r->folding, &chosen);
    }
    if (code == CLI_DONE) {
        fr_session_options options = FR_OPTIONS(fr_session_options);
        bench_request one = *r;
        cli_chosen_tell(&chosen, r->plan ? r->plan : "chosen");
        cli_chosen_session(&chosen, &given, &options);
        one.device = options.device;
        one.schedule = options.schedule;
        one.plan_text = r->kernels ? NULL : options.plan;
        one.threads = options.threads;
        one.pin = options.pin;
        one.exact = options.exact;
        one.memory_limit = options.memory_limit;
        one.folding.round = (cli_round){.round = FR_ROUND_FLOOR}; /* it is folded */
        one.folds = (cli_ints){.at = {chosen.info.fold}, .count = 1};
        one.batches = (cli_ints){.at = {options.batch}, .count = 1};
        one.precisions = (cli_precisions){.at = {options.precision}, .count = 1};
        code = bench_loaded(context, name, chosen.model, &chosen.info, &one, progress, result);
    }
    cli_chosen_free(&chosen);
    return code;
}

/* One model, or a folder of a task's variants. Answers an exit code. */
static int bench_model(fr_context *context, const char *name, const bench_request *r, cli_progress *progress,
                       bench_result *result) {
    bench_request settled = *r;
    bool folder = fr_path_is_folder(name);
    if (r->plan || r->folds_auto || (folder && !r->folds_given))
        return bench_planned(context, name, r, progress, result);
    if (folder && r->folding.round.given)
        return cli_refuse_round(name);
    if (settled.batches.count == 0)
        settled.batches = (cli_ints){.at = {DEFAULT_BATCH}, .count = 1};
    if (settled.precisions.count == 0)
        settled.precisions = (cli_precisions){.at = {FR_PRECISION_F32}, .count = 1};
    return folder ? bench_folder(context, name, &settled, progress, result)
                  : bench_single(context, name, &settled, progress, result);
}

/* The device the rows ran on, for the report. */
static int read_device(fr_context *context, bench_result *result) {
    const fr_device_entry *entries;
    size_t count;
    fr_status status = fr_context_devices(context, &entries, &count);
    if (status != FR_OK)
        return cli_failed(status);
    for (size_t i = 0; i < count && result->n_rows > 0; i++)
        if (strcmp(entries[i].id, result->rows[0].session.device) == 0)
            result->device = entries[i];
    return CLI_DONE;
}

static int print_result(const bench_request *r, const bench_result *result, cli_output *file) {
    fr_json_writer w = {.indent = 2};
    bench_json(r, result, &w);
    int code = cli_share_json(file, r->json, &w);
    if (code == CLI_DONE && !r->json) {
        fr_text text = {0};
        bench_tables(result, &text);
        fr_text_add(&text, "\n");
        for (size_t i = 0; i < result->n_rows; i++)
            bench_verdict(result, i, &text);
        code = cli_print(&text);
    }
    return code;
}

static int measure(const bench_request *r, int n_models, char **models, cli_output *file) {
    fr_context *context;
    bench_result result = {0};
    cli_progress progress;
    int code = cli_open_context(&context);
    if (code != CLI_DONE)
        return code;
    cli_progress_start(&progress, "rows", -1);
    for (int i = 0; i < n_models && code == CLI_DONE && !result.stopped; i++)
        code = bench_model(context, models[i], r, &progress, &result);
    cli_progress_clear();
    result.stopped |= code == CLI_INTERRUPTED;
    if (result.stopped && (code == CLI_DONE || code == CLI_INTERRUPTED)) {
        cli_complain("interrupted: %s configuration%s had been measured", cli_integer((int64_t)result.n_rows).text,
                     result.n_rows == 1 ? "" : "s");
        code = result.n_rows > 0 ? CLI_DONE : CLI_INTERRUPTED;
    }
    if (code == CLI_DONE)
        code = read_device(context, &result);
    if (code == CLI_DONE)
        code = print_result(r, &result, file);
    if (code == CLI_DONE && result.stopped)
        code = CLI_INTERRUPTED;
    for (size_t i = 0; i < result.n_rows; i++)
        fr_layers_free(result.rows[i].layers);
    fr_free(result.rows);
    fr_context_free(context);
    return code;
}

static int check_request(bench_request *r) {
    if (r->dtype_word && strcmp(r->dtype_word, "f32") == 0)
        r->input_dtype = FR_F32;
    else if (r->dtype_word && strcmp(r->dtype_word, "u8") != 0)
        return cli_usage_error("--input-dtype: '%s' is not u8 or f32", r->dtype_word);
    static const char *const bundles[] = {"auto", "off", "on"};
    for (int i = 0; r->bundles_word && i < 3; i++)
        if (strcmp(r->bundles_word, bundles[i]) == 0)
            r->bundles = (fr_bundling)i;
    if (r->bundles_word && strcmp(r->bundles_word, bundles[r->bundles]) != 0)
        return cli_usage_error("--bundles: '%s' is not auto, off or on", r->bundles_word);
    int code = cli_read_schedule(r->schedule_word, &r->schedule);
    if (code != CLI_DONE)
        return code;
    r->folds_auto = r->folds.count == 1 && r->folds.at[0] == 0;
    r->folds_given = r->folds.count > 0 && !r->folds_auto;
    if (!r->folds_given)
        r->folds = (cli_ints){.at = {1, 2, 3, 4}, .count = 4};
    if (r->plan && r->kernels)
        return cli_usage_error("--kernels contradicts --plan, which says the kernels");
    code = cli_read_pinning(r->pin_word, &r->pin);
    return code == CLI_DONE ? cli_read_tuning(r->tuning_word, &r->tuning) : code;
}

static const cli_usage usage = {
    .line = "bench MODEL|FOLDER... [options]",
    .about = "Measures images a second and the latency of a batch, for each fold, batch and precision, on\n"
             "seeded images; with the copying and scaling of the images, and without. Says which\n"
             "configuration wins on this machine, and why. The folds of one setting are measured by turns,\n"
             "so that drifting clocks meet them all alike. Of a FOLDER with one task's trained variants, the\n"
             "one that 'foldrun plan' chooses. Ctrl-C ends it, and what was measured until then is given.\n",
    .examples = "  foldrun bench v1\n"
                "  foldrun bench v1 n2 --fold 1,4 --batch 1,64,1024 --precision f32,bf16 --duration 2\n"
                "  foldrun bench n4 --fold 2 --round up:16 --layers\n"
                "  foldrun bench v1 --plan plan.json\n"
                "  foldrun bench v1 --json | jq '.results[] | {fold, images: .images_per_s.median}'\n",
    .least = 1,
    .most = 64,
};

int cli_bench(int argc, char **argv) {
    bench_request r = {.input_dtype = FR_U8, .duration = 3, .warmup = 0.5};
    const cli_option options[] = {
        {"fold", 'f', CLI_INTS_OR_AUTO, "LIST", &r.folds,
         "folds, like 1,2,4 or 1-4 (1-4); auto: what 'foldrun plan'\nchooses (of a FOLDER: auto)", 1, CLI_FOLD_MAX},
        CLI_ROUND_OPTION(r.folding),
        CLI_SEED_OPTION(r.folding),
        {"batch", 'b', CLI_INTS, "LIST", &r.batches, "images a run, like 1,64,1024 (1024)", 1, 1 << 24},
        {"plan", 0, CLI_TEXT, "FILE", &r.plan, "what 'foldrun plan --save' wrote, as it stands there", 0, 0},
        {"device", 'd', CLI_TEXT, "DEVICE", &r.device, "cpu, cpu:0, ... ('foldrun devices' lists them)", 0, 0},
        {"backend", 0, CLI_TEXT, "NAME", &r.device, "the same, by the backend's name", 0, 0},
        {"precision", 'p', CLI_PRECISIONS, "LIST", &r.precisions,
         "like f32,tf32,bf16,int8 (f32; where the fold is chosen, chosen too:\nof every one of the device but int8 and "
         "f64)",
         0, 0},
        {"duration", 0, CLI_REAL, "S", &r.duration,
         "seconds of timed runs a configuration, with copies and\nwithout each (3)", 0, 86400},
        {"warmup", 0, CLI_REAL, "S", &r.warmup, "seconds before them (0.5)", 0, 86400},
        CLI_THREADS_OPTION(r.threads),
        CLI_PIN_OPTION(r.pin_word),
        {"exact", 0, CLI_FLAG, NULL, &r.exact, "no algorithm that changes more than the order of sums", 0, 0},
        {"no-transfers", 0, CLI_FLAG, NULL, &r.no_transfers, "only on images that already lie on the device", 0, 0},
        CLI_TUNING_OPTION(r.tuning_word),
        {"tune-budget", 0, CLI_REAL, "S", &r.tune_budget, "seconds for the choice of kernels (3)", 0, 86400},
        {"kernels", 0, CLI_TEXT, "WORDS", &r.kernels,
         "only kernels whose name contains one of these words, and none\nwith a minus, where that leaves any: "
         "direct,fc or -chain",
         0, 0},
        {"bundles", 0, CLI_TEXT, "WORD", &r.bundles_word,
         "a block's launches as one submission: auto (on GPUs whose\nbackend can), off or on (auto)", 0, 0},
        {"schedule", 0, CLI_TEXT, "WORD", &r.schedule_word,
         "layers (a step takes all inputs before the next one begins),\nchain (groups of inputs go through many steps) "
         "or auto",
         0, 0},
        {"input-dtype", 0, CLI_TEXT, "TYPE", &r.dtype_word, "of the images: u8 or f32 (u8)", 0, 0},
        {"layers", 0, CLI_FLAG, NULL, &r.layers, "a table of the layers for each configuration", 0, 0},
        CLI_JSON_OPTION(r.json),
        {"output", 'o', CLI_TEXT, "FILE", &r.output, "write the JSON to FILE too", 0, 0},
        {.name = NULL},
    };
    int words;
    cli_output file = {0};
    int code = cli_parse(argc, argv, &usage, options, &words);
    if (code != CLI_GO_ON)
        return code;
    code = check_request(&r);
    if (code == CLI_DONE && r.plan && words > 1)
        code = cli_usage_error("--plan is of one model, and %d are given", words);
    if (code != CLI_DONE)
        return code;
    cli_watch_signals();
    code = r.output ? cli_output_begin(r.output, &file) : CLI_DONE;
    if (code == CLI_DONE)
        code = measure(&r, words, argv + 1, &file);
    cli_output_abandon(&file);
    return code;
}
