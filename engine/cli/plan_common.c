#include "cli/plan_common.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/budget.h"
#include "cli/plan_file.h"
#include "cli/plan_use.h"

static int out_of_memory(void) {
    cli_complain("out of memory");
    return CLI_FAILED;
}

/* ---- the networks of a task ---- */

static bool is_network(const char *path) {
    return fr_ends_in(path, ".onnx") || fr_ends_in(path, ".fold");
}

static int add_network(fr_context *context, const char *path, cli_variants *v) {
    fr_model *model;
    int code = cli_load_model(context, path, &model);
    if (code != CLI_DONE)
        return code;
    fr_model_info *info = &v->infos[v->count];
    v->models[v->count] = model;
    *info = FR_OPTIONS(fr_model_info);
    fr_status status = fr_model_describe(model, info);
    bool zoo = strcasecmp(path, info->name) == 0; /* a file goes by its path, in a folder by its name there */
    v->labels[v->count++] = fr_strdup(zoo ? info->name : v->folder ? cli_file_part(path) : path);
    if (status != FR_OK)
        return cli_failed(status);
    return v->labels[v->count - 1] ? CLI_DONE : out_of_memory();
}

static int make_room(cli_variants *v, size_t count) {
    v->models = fr_alloc_array(count, sizeof(fr_model *));
    v->labels = fr_alloc_array(count, sizeof(char *));
    v->infos = fr_alloc_array(count, sizeof *v->infos);
    return v->models && v->labels && v->infos ? CLI_DONE : out_of_memory();
}

int cli_variants_load(fr_context *context, const char *name, cli_variants *out) {
    char **files = NULL;
    size_t count = 0, networks = 0;
    *out = (cli_variants){.folder = fr_path_is_folder(name)};
    if (!out->folder) {
        int code = make_room(out, 1);
        return code == CLI_DONE ? add_network(context, name, out) : code;
    }
    fr_status status = fr_folder_list(name, &files, &count);
    if (status != FR_OK) {
        cli_failed_here(status);
        return CLI_BAD_INPUT;
    }
    for (size_t i = 0; i < count; i++) { /* the networks to the front */
        if (is_network(files[i])) {
            char *file = files[i];
            files[i] = files[networks];
            files[networks++] = file;
        }
    }
    int code = CLI_DONE;
    if (networks == 0) {
        cli_complain("folder '%s' holds no .onnx and no .fold file", name);
        code = CLI_BAD_INPUT;
    } else {
        fr_natural_sort(files, networks);
        code = make_room(out, networks);
    }
    for (size_t i = 0; i < networks && code == CLI_DONE; i++)
        code = add_network(context, files[i], out);
    for (size_t i = 0; i < count; i++)
        fr_free(files[i]);
    fr_free(files);
    return code;
}

void cli_variants_free(cli_variants *v) {
    for (size_t i = 0; i < v->count; i++) {
        fr_model_free(v->models[i]);
        fr_free(v->labels[i]);
    }
    fr_free(v->models);
    fr_free(v->labels);
    fr_free(v->infos);
    *v = (cli_variants){0};
}

int32_t cli_variants_find(const cli_variants *v, const char *label) {
    for (size_t i = 0; i < v->count; i++)
        if (strcmp(v->labels[i], label) == 0)
            return (int32_t)i;
    return -1;
}

int cli_plan_networks(fr_context *context, const cli_plan_request *request, const char *name, cli_planned *plan) {
    cli_variants *v = &plan->variants;
    plan->model = name;
    int code = cli_variants_load(context, name, v);
    if (code != CLI_DONE)
        return code;
    if (request->rounds.count > 0 && (v->count > 1 || v->infos[0].fold > 1))
        return cli_refuse_round(name);
    plan->options.models = (const fr_model *const *)v->models;
    plan->options.labels = (const char *const *)v->labels;
    plan->options.n_models = v->count;
    return CLI_DONE;
}

/* ---- options ---- */

static int check_limits(const cli_plan_request *r, fr_plan_options *o) {
    if (r->max_latency >= 0 && !(r->max_latency > 0))
        return cli_usage_error("--max-latency: a batch cannot take 0 ms");
    if (r->max_memory >= 0 && !(r->max_memory > 0))
        return cli_usage_error("--max-memory: nothing runs in 0 MB");
    o->max_latency_ms = r->max_latency > 0 ? r->max_latency : 0;
    o->max_memory = r->max_memory > 0 ? (uint64_t)(r->max_memory * 1e6 + 0.5) : 0;
    o->has_max_drop = r->max_drop >= 0;
    o->max_drop = o->has_max_drop ? r->max_drop : 0;
    return CLI_DONE;
}

static int check_lists(const cli_plan_request *r, fr_plan_options *o) {
    if (r->folds.count > FR_PLAN_LIST || r->batches.count > FR_PLAN_LIST)
        return cli_usage_error("--%s: more than %d numbers", r->folds.count > FR_PLAN_LIST ? "fold" : "batch",
                               (int)FR_PLAN_LIST);
    for (size_t i = 0; i < r->folds.count; i++)
        o->folds[o->n_folds++] = (int32_t)r->folds.at[i];
    for (size_t i = 0; i < r->rounds.count; i++) {
        o->rounds[i].round = r->rounds.at[i].round;
        o->rounds[i].quantum = r->rounds.at[i].quantum;
    }
    o->n_rounds = r->rounds.count;
    for (size_t i = 0; i < r->precisions.count; i++)
        o->precisions |= 1u << r->precisions.at[i];
    bool automatic = r->batches.count == 1 && r->batches.at[0] == 0;
    for (size_t i = 0; i < r->batches.count && !automatic; i++)
        o->batches[o->n_batches++] = r->batches.at[i];
    if (r->batches.count == 0)
        o->batches[o->n_batches++] = CLI_PLAN_BATCH;
    return CLI_DONE;
}

const char *cli_plan_measures(const cli_plan_request *r) {
    return r->fresh ? "fresh" : r->measure > 0 ? "measure" : r->tune_budget >= 0 ? "tune-budget" : NULL;
}

int cli_plan_check(const cli_plan_request *r, fr_plan_options *out) {
    fr_schedule schedule;
    *out = FR_OPTIONS(fr_plan_options);
    if (r->device && r->profile)
        return cli_usage_error("--device and --profile exclude each other: a profile says which device it is of");
    if (r->no_measure && (r->fresh || r->measure > 0))
        return cli_usage_error("--%s and --no-measure exclude each other", r->fresh ? "fresh" : "measure");
    if (r->profile && cli_plan_measures(r))
        return cli_usage_error("--%s has no meaning with --profile: nothing is measured then", cli_plan_measures(r));
    int code = check_limits(r, out);
    if (code == CLI_DONE)
        code = check_lists(r, out);
    if (code == CLI_DONE)
        code = cli_read_schedule(r->schedule_word, &schedule);
    if (code == CLI_DONE)
        code = cli_read_pinning(r->pin_word, &out->pin);
    if (code != CLI_DONE)
        return code;
    out->schedules = schedule == FR_SCHEDULE_AUTO ? 0 : 1u << schedule;
    out->device = r->device;
    out->profile = r->profile;
    out->threads = (int32_t)r->threads;
    out->exact = r->exact;
    out->no_measure = r->no_measure;
    out->fresh = r->fresh;
    out->measure = (int32_t)r->measure;
    out->tune_ms = r->tune_budget < 0 ? 0 : r->tune_budget < 0.001 ? 1 : (int32_t)(r->tune_budget * 1000);
    return CLI_DONE;
}

/* ---- making ---- */

fr_status cli_plan_try(fr_context *context, cli_planned *plan) {
    cli_watch watch;
    cli_watch_start(&watch, "planning", 0);
    plan->options.progress = cli_watch_progress;
    plan->options.progress_user = &watch;
    fr_status status = fr_plan_make(context, &plan->options, &plan->result);
    plan->options.progress = NULL;
    plan->options.progress_user = NULL;
    cli_progress_clear();
    return status;
}

int cli_plan_make(fr_context *context, cli_planned *plan) {
    fr_status status = cli_plan_try(context, plan);
    return status == FR_OK ? CLI_DONE : cli_plan_failed(status);
}

int cli_plan_failed(fr_status status) {
    int code = cli_input_failed(status);
    return status == FR_CANCELLED && cli_interrupted() ? CLI_INTERRUPTED : code;
}

void cli_plan_free(cli_planned *plan) {
    if (plan->file)
        cli_plan_file_free(plan);
    else
        fr_plan_result_free(&plan->result);
    cli_variants_free(&plan->variants);
    *plan = (cli_planned){0};
}
