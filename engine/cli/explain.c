#include "cli/explain.h"

#include <string.h>

#include "base/file.h"
#include "cli/budget.h"
#include "cli/output.h"
#include "cli/plan_file.h"

typedef struct explain_request {
    cli_plan_request plan;
    int64_t row; /* 0 = the choice */
    const char *output;
    bool json;
} explain_request;

/* What a plan was made with stands in its file. */
static int check_plan_file(const explain_request *r) {
    const cli_plan_request *p = &r->plan;
    const struct {
        const char *option;
        bool given;
    } all[] = {{"batch", p->batches.count > 0},
               {"fold", p->folds.count > 0},
               {"round", p->rounds.count > 0},
               {"precision", p->precisions.count > 0},
               {"schedule", p->schedule_word != NULL},
               {"max-latency", p->max_latency >= 0},
               {"max-memory", p->max_memory >= 0},
               {"max-drop", p->max_drop >= 0},
               {"threads", p->threads > 0},
               {"pin", p->pin_word != NULL},
               {"exact", p->exact},
               {"fresh", p->fresh},
               {"measure", p->measure > 0}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].given)
            return cli_usage_error("--%s contradicts the plan: it holds what it was made with", all[i].option);
    return CLI_DONE;
}

static int find_models(cli_planned *plan) {
    fr_plan_result *result = &plan->result;
    for (size_t i = 0; i < result->n_rows; i++) {
        fr_plan_row *row = &result->rows[i];
        int32_t found = plan->variants.folder ? cli_variants_find(&plan->variants, row->label) : 0;
        if (found < 0) {
            cli_complain("'%s' of the plan is not in '%s' any more", row->label, plan->model);
            return CLI_BAD_INPUT;
        }
        row->model = found;
    }
    return CLI_DONE;
}

static int open_plan_file(fr_context *context, const explain_request *r, const char *path, cli_planned *plan) {
    fr_plan_options given;
    int code = cli_plan_check(&r->plan, &given);
    if (code == CLI_DONE)
        code = check_plan_file(r);
    if (code == CLI_DONE)
        code = cli_plan_read(path, plan);
    if (code == CLI_DONE)
        code = cli_plan_networks(context, &(cli_plan_request){0}, plan->model, plan);
    if (code != CLI_DONE)
        return code;
    fr_plan_options *o = &plan->options;
    o->profile = given.profile ? given.profile : given.device ? NULL : o->profile;
    o->device = o->profile ? NULL : given.device ? given.device : plan->result.device;
    o->no_measure = given.no_measure;
    o->tune_ms = given.tune_ms;
    return find_models(plan);
}

static int make_plan(fr_context *context, const explain_request *r, const char *name, cli_planned *plan) {
    int code = cli_plan_check(&r->plan, &plan->options);
    if (code == CLI_DONE)
        code = cli_plan_networks(context, &r->plan, name, plan);
    return code == CLI_DONE ? cli_plan_make(context, plan) : code;
}

static int pick_row(explain_page *page, int64_t wanted) {
    const fr_plan_result *result = &page->plan.result;
    page->row = cli_plan_choice(result);
    if (wanted > (int64_t)result->n_rows)
        return cli_usage_error("--row %lld: the plan has %zu rows", (long long)wanted, result->n_rows);
    if (wanted > 0)
        page->row = &result->rows[wanted - 1];
    if (page->row)
        return CLI_DONE;
    fr_text miss = {0};
    cli_plan_miss(&page->plan, &miss);
    cli_complain("%s; --row 1 explains the first all the same", miss.data ? miss.data : "no option keeps the limits");
    fr_text_free(&miss);
    return CLI_UNSUPPORTED;
}

/* The choice is explained with the kernels that it runs with; another row has none of its own. */
static int explain_row(explain_page *page, fr_context *context) {
    fr_plan_options *o = &page->plan.options;
    cli_watch watch;
    cli_watch_start(&watch, "explaining", 0);
    o->kernels = page->row == cli_plan_choice(&page->plan.result) ? page->plan.result.kernels : NULL;
    o->progress = cli_watch_progress;
    o->progress_user = &watch;
    fr_status status = fr_plan_explain(context, o, page->row, &page->explanation);
    o->kernels = NULL;
    o->progress = NULL;
    o->progress_user = NULL;
    cli_progress_clear();
    return status == FR_OK ? CLI_DONE : cli_plan_failed(status);
}

static int explain(explain_page *page, fr_context *context, const explain_request *r, const char *name,
                   cli_output *file) {
    int code = fr_ends_in(name, ".json") ? open_plan_file(context, r, name, &page->plan)
                                         : make_plan(context, r, name, &page->plan);
    if (code == CLI_DONE)
        code = pick_row(page, r->row);
    if (code == CLI_DONE)
        code = explain_row(page, context);
    if (code != CLI_DONE)
        return code;
    fr_json_writer w = {.indent = 2};
    explain_json(page, &w);
    code = cli_share_json(file, r->json, &w);
    if (code == CLI_DONE && !r->json) {
        fr_text text = {0};
        explain_text(page, &text);
        code = cli_print(&text);
    }
    return code;
}

static int explain_all(const explain_request *r, const char *name) {
    fr_context *context = NULL;
    explain_page page = {.plan = {.result = {.choice = -1}}};
    cli_output file = {.path = NULL};
    int code = r->output ? cli_output_begin(r->output, &file) : CLI_DONE;
    if (code == CLI_DONE)
        code = cli_open_context(&context);
    if (code == CLI_DONE)
        code = explain(&page, context, r, name, &file);
    fr_explanation_free(&page.explanation);
    cli_plan_free(&page.plan);
    fr_context_free(context);
    cli_output_abandon(&file);
    return code;
}

static const cli_usage usage = {
    .line = "explain MODEL|FOLDER|PLAN.json [options]",
    .about = "Why a plan was chosen: how far the alternatives lie behind; for each layer, before and after\n"
             "folding, its operations, traffic, arithmetic intensity, how full its tiles are, and what it was\n"
             "predicted and measured to take; the kernels chosen and refused, and why; what would change the\n"
             "decision. Takes the options of 'plan', and makes or finds the same plan; or one that --save kept.\n",
    .examples = "  foldrun explain v1\n"
                "  foldrun explain plan.json\n"
                "  foldrun explain n4 --fold 2 --round floor,up:16 --row 3\n"
                "  foldrun explain plan.json --json | jq '.layers.chosen[] | {name, fill, basis}'\n",
    .least = 1,
    .most = 1,
};

int cli_explain(int argc, char **argv) {
    explain_request r = {.plan = CLI_PLAN_REQUEST};
    const cli_option options[] = {
        CLI_PLAN_OPTIONS(r.plan),
        {"row", 0, CLI_INT, "N", &r.row, "that row of plan's table instead of the choice", 1, 1 << 20},
        CLI_JSON_OPTION(r.json),
        {"output", 'o', CLI_TEXT, "FILE", &r.output, "write the JSON to FILE too", 0, 0},
        {.name = NULL},
    };
    int words;
    int code = cli_parse(argc, argv, &usage, options, &words);
    if (code != CLI_GO_ON)
        return code;
    fr_plan_options checked; /* wrong words are told before anything is opened */
    code = cli_plan_check(&r.plan, &checked);
    return code == CLI_DONE ? explain_all(&r, argv[1]) : code;
}
