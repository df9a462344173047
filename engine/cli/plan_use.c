#include "cli/plan_use.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/plan_file.h"

void cli_chosen_free(cli_chosen *chosen) {
    fr_model_free(chosen->model);
    cli_plan_free(&chosen->plan);
    *chosen = (cli_chosen){0};
}

void cli_chosen_tell(const cli_chosen *chosen, const char *source) {
    fr_text text = {0};
    cli_plan_sentence(&chosen->plan, chosen->row, &text);
    cli_complain("%s: %s", source, text.data ? text.data : "");
    fr_text_free(&text);
}

void cli_chosen_session(const cli_chosen *chosen, const cli_plan_request *given, fr_session_options *options) {
    const cli_planned *plan = &chosen->plan;
    options->device = given->device ? given->device : plan->result.device;
    options->precision = chosen->row->precision;
    options->batch = (int32_t)chosen->row->batch;
    options->schedule = chosen->row->schedule;
    options->threads = plan->options.threads;
    if (!given->pin_word ||
        !fr_pinning_from_name(given->pin_word, &options->pin)) /* it changes no choice of the plan's */
        options->pin = plan->options.pin;
    options->exact = plan->options.exact;
    options->plan = plan->result.kernels;
    options->memory_limit = plan->options.max_memory;
}

/* ---- models ---- */

/* A variant leaves the list: it is the caller's now. */
static fr_model *take(cli_variants *v, size_t at) {
    fr_model *model = v->models[at];
    v->models[at] = NULL;
    return model;
}

static int describe(const fr_model *model, fr_model_info *out_info) {
    *out_info = FR_OPTIONS(fr_model_info);
    fr_status status = fr_model_describe(model, out_info);
    return status == FR_OK ? CLI_DONE : cli_failed(status);
}

/* The index of the only one of that fold, or -1 after a complaint. */
static int32_t only_one(const cli_variants *v, const char *folder, int64_t fold) {
    int32_t found = -1;
    for (size_t i = 0; i < v->count; i++) {
        if (v->infos[i].fold != fold)
            continue;
        if (found >= 0) {
            cli_complain("'%s' holds several networks of fold %lld, like %s and %s: name one of them", folder,
                         (long long)fold, v->labels[found], v->labels[i]);
            return -1;
        }
        found = (int32_t)i;
    }
    if (found < 0)
        cli_complain("'%s' holds no network of fold %lld", folder, (long long)fold);
    return found;
}

int cli_refuse_round(const char *name) {
    return cli_usage_error("--round has no meaning for '%s': what is folded already is taken as it is", name);
}

int cli_pick_fold(fr_context *context, const char *folder, int64_t fold, fr_model **out_model,
                  fr_model_info *out_info) {
    cli_variants variants;
    *out_model = NULL;
    int code = cli_variants_load(context, folder, &variants);
    if (code == CLI_DONE) {
        int32_t found = only_one(&variants, folder, fold);
        code = found < 0 ? CLI_USAGE : describe(variants.models[found], out_info);
        if (code == CLI_DONE)
            *out_model = take(&variants, (size_t)found);
    }
    cli_variants_free(&variants);
    return code;
}

static int make_shape(cli_chosen *c, const fr_model *plain, const cli_folding *folding) {
    cli_folding how = *folding;
    how.fold = c->row->fold;
    how.round.round = c->row->round;
    how.round.quantum = c->row->quantum;
    int code = cli_fold_model(plain, &how, &c->model);
    return code == CLI_DONE ? describe(c->model, &c->info) : code;
}

/* What the choice is of: the model as it is, or a shape of it. */
static int take_row(cli_chosen *c, const cli_folding *folding) {
    cli_variants *v = &c->plan.variants;
    size_t at = c->row->model >= 0 && (size_t)c->row->model < v->count ? (size_t)c->row->model : 0;
    if (cli_plan_is_shape(&c->plan, c->row))
        return make_shape(c, v->models[at], folding);
    c->info = v->infos[at];
    c->model = take(v, at);
    return CLI_DONE;
}

int cli_choose_by_planner(fr_context *context, const char *name, const cli_plan_request *request,
                          const cli_folding *folding, cli_chosen *out) {
    *out = (cli_chosen){.plan = {.result = {.choice = -1}}};
    int code = cli_plan_check(request, &out->plan.options);
    if (code == CLI_DONE)
        code = cli_plan_networks(context, request, name, &out->plan);
    bool lonely = out->plan.variants.folder && out->plan.variants.count == 1;
    if (code == CLI_DONE && lonely && request->rounds.count > 0)
        code = cli_refuse_round(name);
    if (code == CLI_DONE && lonely) {
        out->plan.options.folds[0] = out->plan.variants.infos[0].fold; /* no shapes of it, which are not trained */
        out->plan.options.n_folds = 1;
    }
    if (code == CLI_DONE)
        code = cli_plan_make(context, &out->plan);
    if (code != CLI_DONE)
        return code;
    out->row = cli_plan_choice(&out->plan.result);
    if (!out->row) {
        cli_plan_tell_miss(&out->plan);
        return CLI_UNSUPPORTED;
    }
    return take_row(out, folding);
}

/* ---- from a file ---- */

static int contradicts(const char *option, const char *path, const cli_chosen *c) {
    fr_text text = {0};
    cli_plan_name(&c->plan, c->row, &text);
    cli_usage_error("--%s contradicts '%s', which says %s", option, path, text.data ? text.data : "otherwise");
    fr_text_free(&text);
    return CLI_USAGE;
}

static bool is_only(const cli_ints *list, int64_t value) {
    return list->count == 0 || (list->count == 1 && (list->at[0] == value || list->at[0] == 0));
}

static bool is_same_rounding(const cli_round *round, const fr_plan_row *row) {
    bool rounds = round->round != FR_ROUND_FLOOR && round->quantum > 1;
    return rounds == cli_plan_rounds(row) &&
           (!rounds || (round->round == row->round && round->quantum == row->quantum));
}

static int check_given(const cli_plan_request *given, const char *path, const cli_chosen *c) {
    const fr_plan_row *row = c->row;
    const fr_plan_options *o = &c->plan.options;
    fr_schedule schedule;
    int code = cli_read_schedule(given->schedule_word, &schedule);
    if (code != CLI_DONE)
        return code;
    if (!is_only(&given->folds, row->fold))
        return contradicts("fold", path, c);
    if (given->rounds.count > 0 && (given->rounds.count > 1 || !is_same_rounding(&given->rounds.at[0], row)))
        return contradicts("round", path, c);
    if (!is_only(&given->batches, row->batch))
        return contradicts("batch", path, c);
    if (given->precisions.count > 1 || (given->precisions.count == 1 && given->precisions.at[0] != row->precision))
        return contradicts("precision", path, c);
    if (schedule != FR_SCHEDULE_AUTO && schedule != row->schedule)
        return contradicts("schedule", path, c);
    if (given->threads > 0 && given->threads != o->threads)
        return cli_usage_error("--threads contradicts '%s', which was made for %s", path,
                               o->threads > 0 ? "another number" : "all of them");
    if (given->exact && !o->exact)
        return cli_usage_error("--exact contradicts '%s', which was made without it", path);
    if (c->plan.result.kernels && (given->fresh || given->no_measure || given->tune_budget >= 0))
        return cli_usage_error("--%s has no meaning with '%s', which says the kernels",
                               given->fresh || given->no_measure ? "tuning" : "tune-budget", path);
    return CLI_DONE;
}

/* Where the trained network of a folded choice may lie when the plain one was named: in the folder that the plan was made of,
 * or at the path that the plan has. Free with fr_free; NULL when there is none. */
static char *find_file(const cli_chosen *c, const char *name) {
    const char *folder = c->plan.model, *label = c->row->label;
    char *path = fr_path_is_folder(folder) ? fr_format("%s/%s", folder, label) : fr_strdup(label);
    if (path && strcmp(path, name) != 0 && fr_path_exists(path))
        return path;
    fr_free(path);
    return NULL;
}

/* `name`: of the plain network. */
static int refuse_untrained(const cli_chosen *c, const char *path, const char *name) {
    const fr_plan_row *row = c->row;
    bool rounds = cli_plan_rounds(row);
    cli_complain("'%s' says fold %d, and there is no such network trained of '%s': 'foldrun export %s --fold %d%s%s -o "
                 "FILE.onnx' writes its shape; train that, and give its file",
                 path, row->fold, name, name, row->fold, rounds ? " --round " : "",
                 rounds ? cli_widths_word(row).text : "");
    return CLI_UNSUPPORTED;
}

/* One network was named: it is the one, or the plain one of a folded choice. */
static int settle_single(fr_context *context, const char *path, const char *name, const cli_folding *folding,
                         bool may_be_seeded, cli_chosen *c) {
    cli_variants *v = &c->plan.variants;
    c->info = v->infos[0];
    if (c->info.fold == c->row->fold) {
        c->model = take(v, 0);
        return CLI_DONE;
    }
    if (c->info.fold != 1)
        return cli_usage_error("'%s' is of fold %d, and '%s' says fold %d", name, c->info.fold, path, c->row->fold);
    char *file = find_file(c, name);
    if (file) {
        int code = cli_load_model(context, file, &c->model);
        if (code == CLI_DONE)
            code = describe(c->model, &c->info);
        if (code == CLI_DONE && c->info.fold != c->row->fold)
            code = cli_usage_error("'%s' is of fold %d, and '%s' says fold %d", file, c->info.fold, path, c->row->fold);
        fr_free(file);
        return code;
    }
    return may_be_seeded ? make_shape(c, v->models[0], folding) : refuse_untrained(c, path, name);
}

static bool has_fold(const cli_variants *v, int32_t fold) {
    for (size_t i = 0; i < v->count; i++)
        if (v->infos[i].fold == fold)
            return true;
    return false;
}

/* A folder was named: the network of the plan's label in it; else, where the plan is of a single file, or the file is called otherwise now,
 * or the label is the plain one's of a folded choice, the one of that fold. */
static int settle_folder(const char *path, const char *name, const cli_folding *folding, bool may_be_seeded,
                         cli_chosen *c) {
    cli_variants *v = &c->plan.variants;
    int32_t found = cli_variants_find(v, c->row->label);
    bool plain = found >= 0 && v->infos[found].fold == 1 && c->row->fold > 1;
    if (plain && !has_fold(v, c->row->fold)) {
        fr_text file = {0};
        if (may_be_seeded)
            return make_shape(c, v->models[found], folding);
        cli_plan_add_path(name, v->labels[found], &file);
        int code = refuse_untrained(c, path, file.data ? file.data : name);
        fr_text_free(&file);
        return code;
    }
    if (found < 0 || plain)
        found = only_one(v, name, c->row->fold);
    if (found < 0)
        return CLI_USAGE;
    c->info = v->infos[found];
    c->model = take(v, (size_t)found);
    return c->info.fold == c->row->fold ? CLI_DONE
                                        : cli_usage_error("'%s' in '%s' is of fold %d, and '%s' says fold %d",
                                                          c->row->label, name, c->info.fold, path, c->row->fold);
}

int cli_choose_by_file(fr_context *context, const char *path, const char *name, const cli_plan_request *given,
                       const cli_folding *folding, bool may_be_seeded, cli_chosen *out) {
    *out = (cli_chosen){0};
    int code = cli_plan_read(path, &out->plan);
    if (code != CLI_DONE)
        return code;
    cli_variants *v = &out->plan.variants;
    out->row = cli_plan_choice(&out->plan.result);
    code = check_given(given, path, out);
    if (code == CLI_DONE)
        code = cli_variants_load(context, name, v);
    if (code != CLI_DONE)
        return code;
    return v->folder ? settle_folder(path, name, folding, may_be_seeded, out)
                     : settle_single(context, path, name, folding, may_be_seeded, out);
}
