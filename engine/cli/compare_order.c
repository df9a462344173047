/* What is measured, every model with every device, fold, batch and precision, and in which order. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "cli/cli.h"
#include "cli/compare_run.h"
#include "cli/models_common.h"

static int out_of_memory(void) {
    cli_complain("out of memory");
    return CLI_FAILED;
}

/* ---- models ---- */

static int load_model(cmp_run *run, const char *name, cmp_model *m) {
    if (strlen(name) >= sizeof m->label)
        return cli_usage_error("'%.60s...': a name or path of at most %d letters can stand in the results", name,
                               (int)sizeof m->label - 1);
    int code = cli_load_model(run->context, name, &m->model);
    if (code != CLI_DONE)
        return code;
    m->info = FR_OPTIONS(fr_model_info);
    fr_status status = fr_model_describe(m->model, &m->info);
    if (status != FR_OK)
        return cli_failed(status);
    const char *label = strcasecmp(name, m->info.name) == 0 ? m->info.name : name; /* a file goes by its path */
    snprintf(m->label, sizeof m->label, "%s", label);
    return CLI_DONE;
}

int cmp_load_models(cmp_run *run) {
    static const char *const usual[] = {"v1", "v2", "v3", "v4", "v5", "v6", "n1", "n2", "n3", "n4"};
    const cli_texts *asked = &run->request->models;
    const char *const *names = asked->count > 0 ? asked->at : usual;
    size_t count = asked->count > 0 ? asked->count : sizeof usual / sizeof usual[0];
    int code = CLI_DONE;
    run->models = fr_alloc_array(count, sizeof *run->models);
    if (!run->models)
        return out_of_memory();
    for (size_t i = 0; i < count && code == CLI_DONE; i++) {
        cmp_model *m = &run->models[run->n_models++];
        code = load_model(run, names[i], m);
        for (size_t k = 0; k + 1 < run->n_models && code == CLI_DONE; k++)
            if (strcmp(run->models[k].label, m->label) == 0) { /* named twice */
                fr_model_free(m->model);
                *m = (cmp_model){.label = ""};
                run->n_models--;
                break;
            }
    }
    return code;
}

/* ---- configurations ---- */

void cmp_key_of(const cmp_run *run, const cmp_config *config, cmp_row *out) {
    const cli_round *round = &run->request->round;
    *out = (cmp_row){.fold = config->fold, .batch = config->batch, .copies = true};
    snprintf(out->machine, sizeof out->machine, "%s", run->machine);
    snprintf(out->device, sizeof out->device, "%s", run->targets[config->target].entry->id);
    snprintf(out->engine, sizeof out->engine, "foldrun");
    snprintf(out->version, sizeof out->version, "%s", fr_version());
    snprintf(out->model, sizeof out->model, "%s", run->models[config->model].label);
    if (round->quantum > 1)
        snprintf(out->round, sizeof out->round, "%s:%d", fr_round_name(round->round), round->quantum);
    else
        snprintf(out->round, sizeof out->round, "%s", fr_round_name(FR_ROUND_FLOOR));
    snprintf(out->precision, sizeof out->precision, "%s", fr_precision_name(config->precision));
    snprintf(out->schedule, sizeof out->schedule, "%s", fr_schedule_name(run->request->schedule));
}

/* In words that can be given to a shell. */
static void add_word(fr_text *text, const char *word) {
    if (word[0] != '\0' && !strpbrk(word, " \t\n'\"\\$*?&|;<>()#`~!{}[]")) {
        fr_text_add(text, "%s", word);
        return;
    }
    fr_text_add(text, "'");
    for (const char *p = word; *p; p++) {
        if (*p == '\'')
            fr_text_add(text, "'\\''");
        else
            fr_text_add_bytes(text, p, 1);
    }
    fr_text_add(text, "'");
}

/* What measures the row alone. */
static void write_command(const cmp_request *r, cmp_row *row) {
    fr_text text = {0};
    fr_text_add(&text, "foldrun bench ");
    add_word(&text, row->model);
    fr_text_add(&text, " --device %s --fold %d --batch %lld --precision %s", row->device, row->fold,
                (long long)row->batch, row->precision);
    if (r->round.quantum > 1)
        fr_text_add(&text, " --round %s", row->round);
    if (r->schedule != FR_SCHEDULE_AUTO)
        fr_text_add(&text, " --schedule %s", row->schedule);
    row->command[0] = '\0';
    if (!text.failed && text.length < sizeof row->command) /* a part of a command is none */
        snprintf(row->command, sizeof row->command, "%s", text.data);
    fr_text_free(&text);
}

cmp_row *cmp_row_of(cmp_run *run, cmp_config *config) {
    cmp_row key;
    if (config->row >= 0)
        return &run->set->rows[config->row];
    cmp_key_of(run, config, &key);
    cmp_row *row = cmp_set_row(run->set, &key);
    if (!row)
        return NULL;
    config->row = row - run->set->rows;
    write_command(run->request, row);
    return row;
}

bool cmp_is_narrow(const cmp_row *row, double percent) {
    const cmp_rate *rate = &row->rate;
    return row->n_visits >= CMP_ENOUGH_VISITS && rate->median > 0 &&
           rate->high - rate->low < percent / 100 * rate->median;
}

bool cmp_is_done(const cmp_run *run, const cmp_row *row) {
    return cmp_is_narrow(row, run->request->narrow_percent) || row->n_visits >= CMP_MOST_VISITS;
}

/* A row that stands there already is gone on with; one that failed in another call is tried again. */
static void take_up(cmp_run *run, cmp_config *config) {
    cmp_row key;
    cmp_key_of(run, config, &key);
    cmp_row *row = cmp_set_find(run->set, &key);
    if (!row)
        return;
    config->row = row - run->set->rows;
    if (row->failed)
        cmp_row_forget(row);
    config->is_over = !row->failed && cmp_is_done(run, row);
}

typedef struct lists { /* what the request leaves open, filled in */
    cli_ints folds, batches;
    cli_precisions precisions;
} lists;

static void add_once(cli_ints *list, int64_t number) {
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i] == number)
            return;
    list->at[list->count++] = number;
}

/* Each once: a list may say a number twice. */
static lists lists_of(const cmp_request *r) {
    lists l = {.precisions.count = 0};
    for (size_t i = 0; i < r->folds.count; i++)
        add_once(&l.folds, r->folds.at[i]);
    for (size_t i = 0; i < r->batches.count; i++)
        add_once(&l.batches, r->batches.at[i]);
    for (size_t i = 0; i < r->precisions.count; i++) {
        size_t k = 0;
        while (k < l.precisions.count && l.precisions.at[k] != r->precisions.at[i])
            k++;
        if (k == l.precisions.count)
            l.precisions.at[l.precisions.count++] = r->precisions.at[i];
    }
    if (l.folds.count == 0)
        l.folds = (cli_ints){.at = {1, 2, 3, 4}, .count = 4};
    if (l.batches.count == 0)
        l.batches = (cli_ints){.at = {64, 256, 1024}, .count = 3};
    if (l.precisions.count == 0)
        l.precisions = (cli_precisions){.at = {FR_PRECISION_F32}, .count = 1};
    return l;
}

static void add_config(cmp_run *run, const cmp_config *config) {
    run->configs[run->n_configs++] = *config;
    take_up(run, &run->configs[run->n_configs - 1]);
}

/* All of one model and batch. */
static void add_configs(cmp_run *run, const lists *l, size_t model, int64_t batch) {
    int32_t own = run->models[model].info.fold;
    cli_ints folds = own > 1 ? (cli_ints){.at = {own}, .count = 1} : l->folds; /* folded already: as it is */
    for (size_t f = 0; f < folds.count; f++) {
        if (folds.at[f] > batch) {
            if (model == 0 || own > 1)
                cli_complain("note: fold %lld is left out at batch %lld: one input would hold more images than the "
                             "batch has",
                             (long long)folds.at[f], (long long)batch);
            continue;
        }
        for (size_t p = 0; p < l->precisions.count; p++)
            for (size_t t = 0; t < run->n_targets; t++)
                add_config(run, &(cmp_config){.model = model,
                                              .target = t,
                                              .fold = (int32_t)folds.at[f],
                                              .batch = batch,
                                              .precision = l->precisions.at[p],
                                              .row = -1});
    }
}

int cmp_list_configs(cmp_run *run) {
    lists l = lists_of(run->request);
    size_t most, folds = l.folds.count > 0 ? l.folds.count : 1;
    bool fits = fr_size_mul(run->n_models * run->n_targets, folds * l.batches.count * l.precisions.count, &most);
    run->configs = fits ? fr_alloc_array(most, sizeof *run->configs) : NULL;
    if (!run->configs)
        return out_of_memory();
    for (size_t m = 0; m < run->n_models; m++)
        for (size_t b = 0; b < l.batches.count; b++)
            add_configs(run, &l, m, l.batches.at[b]);
    if (run->n_configs == 0)
        return cli_usage_error("nothing to measure: every fold is larger than every batch");
    return CLI_DONE;
}

void cmp_shuffle(fr_random *random, size_t *order, size_t count) {
    for (size_t i = count; i > 1; i--) {
        size_t k = (size_t)(fr_random_uniform(random) * (double)i), held = order[i - 1];
        order[i - 1] = order[k];
        order[k] = held;
    }
}
