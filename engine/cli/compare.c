/* The command: measures, goes on with what a file holds, merges, and shows. */
#include "cli/compare.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/budget.h"
#include "cli/models_common.h"
#include "cli/output.h"
#include "cli/table.h"

typedef struct request {
    cmp_request measure;
    cli_texts merge;
    const char *devices, *budget;
    char *device_words; /* of the list: what measure.devices points into */
    cmp_format format;
} request;

static int out_of_memory(void) {
    cli_complain("out of memory");
    return CLI_FAILED;
}

/* ---- what was found ---- */

static int print_set(const request *r, const cmp_set *set) {
    fr_text text = {0};
    if (r->measure.json)
        return cmp_set_write(NULL, set);
    cmp_print(set, r->format, &text);
    return cli_print(&text);
}

/* After measuring: wrong answers, and no figure at all, are no success. */
static int judge(const cmp_set *set) {
    size_t failed = 0, wrong = 0, worked = 0;
    for (size_t i = 0; i < set->n_rows; i++) {
        failed += set->rows[i].failed;
        wrong += set->rows[i].check == CMP_WRONG;
        worked += cmp_row_worked(&set->rows[i]) && cmp_row_settled(&set->rows[i]);
    }
    if (wrong > 0)
        cli_complain("%s of %s configurations gave wrong answers, and have no figures: see their reasons, and 'foldrun "
                     "selftest'",
                     cli_integer((int64_t)wrong).text, cli_integer((int64_t)set->n_rows).text);
    else if (failed > 0 && failed == set->n_rows)
        cli_complain("every configuration failed: see the reasons");
    else if (worked == 0)
        cli_complain("nothing has visits enough to be compared: give it more time with --budget");
    else
        return CLI_DONE;
    return CLI_FAILED;
}

/* ---- merging ---- */

static int merge(const request *r, cmp_set *set) {
    int code = CLI_DONE;
    for (size_t i = 0; i < r->merge.count && code == CLI_DONE; i++) {
        cmp_set one;
        code = cmp_set_read(r->merge.at[i], &one);
        if (code == CLI_DONE)
            code = cmp_set_merge(set, &one);
        cmp_set_free(&one);
    }
    if (code == CLI_DONE && r->measure.output)
        code = cmp_set_write(r->measure.output, set);
    return code == CLI_DONE ? print_set(r, set) : code;
}

/* ---- measuring ---- */

/* What cannot be written is told before minutes are spent on it. */
static int try_output(const char *path) {
    cli_output out = {0};
    int code = path ? cli_output_begin(path, &out) : CLI_DONE;
    cli_output_abandon(&out);
    return code;
}

/* The rows of an earlier call are gone on with. */
static int take_up(const cmp_request *r, cmp_set *set) {
    if (!r->output || r->fresh || !fr_path_exists(r->output))
        return CLI_DONE;
    int code = cmp_set_read(r->output, set);
    if (code == CLI_BAD_INPUT)
        cli_complain("-o %s: it is kept as it is; name another file, or replace it with --fresh", r->output);
    else if (code == CLI_DONE && set->n_rows > 0)
        cli_complain("note: going on with the %s row%s of %s (--fresh begins anew)",
                     cli_integer((int64_t)set->n_rows).text, set->n_rows == 1 ? "" : "s", r->output);
    return code;
}

static int measure(const request *r, cmp_set *set) {
    const cmp_request *m = &r->measure;
    fr_context *context;
    int code = try_output(m->output);
    if (code == CLI_DONE)
        code = take_up(m, set);
    if (code == CLI_DONE)
        code = cli_open_context(&context);
    if (code != CLI_DONE)
        return code;
    (void)cmp_copy_text(set->command, sizeof set->command, cli_command_line());
    cli_watch_signals();
    code = cmp_measure(context, m, set);
    fr_context_free(context);
    bool interrupted = code == CLI_INTERRUPTED;
    if (code != CLI_DONE && !interrupted)
        return code;
    code = m->output ? cmp_set_write(m->output, set) : CLI_DONE;
    int shown = print_set(r, set); /* what a full disk did not take is seen at least */
    if (code == CLI_DONE)
        code = shown;
    if (code != CLI_DONE || !interrupted)
        return code == CLI_DONE ? judge(set) : code;
    if (m->output)
        cli_complain("interrupted: what was measured is kept; the same command goes on with it");
    else
        cli_complain("interrupted: with -o FILE the same command would go on with what was measured");
    return CLI_INTERRUPTED;
}

/* ---- the command line ---- */

/* "all", or names with commas between them. */
static int read_devices(request *r) {
    cli_texts *list = &r->measure.devices;
    size_t count = 1;
    if (!r->devices || strcmp(r->devices, "all") == 0)
        return CLI_DONE;
    r->device_words = fr_strdup(r->devices);
    for (const char *p = r->devices; *p; p++)
        count += *p == ',';
    list->at = fr_alloc_array(count, sizeof *list->at);
    if (!r->device_words || !list->at)
        return out_of_memory();
    for (char *at = r->device_words; at; list->count++) {
        char *comma = strchr(at, ',');
        if (comma)
            *comma++ = '\0';
        if (at[0] == '\0')
            return cli_usage_error("--devices: '%s' is not all, nor a list like cpu,opencl:0", r->devices);
        list->at[list->count] = at;
        at = comma;
    }
    return CLI_DONE;
}

static int read_format(request *r) {
    static const struct {
        const char *word;
        cmp_format format;
    } words[] = {{"table", CMP_TABLE}, {"csv", CMP_CSV}, {"markdown", CMP_MARKDOWN}};
    const char *wanted = r->measure.format_word;
    if (wanted && r->measure.json)
        return cli_usage_error("--json and --format %s are two answers: give one of them", wanted);
    for (size_t i = 0; wanted && i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(wanted, words[i].word) == 0) {
            r->format = words[i].format;
            return CLI_DONE;
        }
    }
    return wanted ? cli_usage_error("--format: '%s' is not table, csv or markdown", wanted) : CLI_DONE;
}

static int read_models(request *r, int words, char **models) {
    cli_texts *list = &r->measure.models;
    list->at = fr_alloc_array((size_t)words, sizeof *list->at);
    if (!list->at)
        return out_of_memory();
    for (int i = 0; i < words; i++)
        list->at[list->count++] = models[i];
    return CLI_DONE;
}

static const cmp_request defaults = {.narrow_percent = 2, .slice_s = 0.3, .tune_s = 3};

static bool asks_to_measure(const request *r) {
    const cmp_request *m = &r->measure;
    return r->devices || r->budget || m->folds.count > 0 || m->batches.count > 0 || m->precisions.count > 0 ||
           m->round.given || m->schedule_word || m->machine || m->fresh || m->layers || m->no_check ||
           m->seed != defaults.seed || m->narrow_percent != defaults.narrow_percent || m->slice_s != defaults.slice_s ||
           m->tune_s != defaults.tune_s;
}

static int check_request(request *r, int words, char **models) {
    cmp_request *m = &r->measure;
    int code = read_format(r);
    if (code == CLI_DONE && r->merge.count > 0 && (words > 0 || asks_to_measure(r)))
        return cli_usage_error("--merge puts files together and measures nothing: with it go -o, --format and --json "
                               "alone");
    if (code == CLI_DONE)
        code = cli_read_schedule(m->schedule_word, &m->schedule);
    if (code == CLI_DONE)
        code = cli_read_budget(r->budget ? r->budget : "30m", &m->budget_s);
    if (code == CLI_DONE)
        code = read_devices(r);
    return code == CLI_DONE ? read_models(r, words, models) : code;
}

static const cli_usage usage = {
    .line = "compare [MODEL...] [options]",
    .about = "Measures every model with every device, fold, batch and precision, and ranks what it finds. All\n"
             "configurations are visited by turns, in a random order, each time in a freshly opened session,\n"
             "until the interval of each median is narrow or the time is up. Answers are checked first: wrong\n"
             "ones have no figure. What fails is a row with its reason. Rows whose intervals overlap are not\n"
             "ranked: there is no difference between them that was seen.\n"
             "The file of -o is kept while it measures; after Ctrl-C (exit code 130) or a crash the same command\n"
             "goes on with it. Without models: the game and NoScope models of the zoo.\n",
    .examples = "  foldrun compare v1 n2 --budget 5m -o results.json\n"
                "  foldrun compare -d cpu,opencl:0 --fold 1-4 --batch 64,1024 --precision f32,bf16 -o results.json\n"
                "  foldrun compare --merge desk.json server.json -o both.json\n"
                "  foldrun compare --merge both.json --format markdown > both.md\n"
                "  foldrun report both.json -o both.html\n",
    .least = 0,
    .most = 64,
};

static int parse_and_run(int argc, char **argv, request *r, cmp_set *set) {
    cmp_request *m = &r->measure;
    const cli_option options[] = {
        {"devices", 'd', CLI_TEXT, "LIST", &r->devices,
         "like cpu,opencl:0 ('foldrun devices' lists them), or all (all\nbut the reference)", 0, 0},
        {"fold", 'f', CLI_INTS, "LIST", &m->folds, "folds, like 1,2,4 or 1-4 (1-4)", 1, CLI_FOLD_MAX},
        {"round", 0, CLI_ROUND, "WAY", &m->round, CLI_ROUND_HELP, 0, 0},
        {"batch", 'b', CLI_INTS, "LIST", &m->batches, "images a run, like 1,64,1024 (64,256,1024)", 1, 1 << 24},
        {"precision", 'p', CLI_PRECISIONS, "LIST", &m->precisions, "like f32,tf32,bf16,int8 (f32)", 0, 0},
        {"schedule", 0, CLI_TEXT, "WORD", &m->schedule_word, "layers, chain or auto (auto)", 0, 0},
        {"budget", 0, CLI_TEXT, "TIME", &r->budget, "for all of it: 60s, 5m, 1h (30m)", 0, 0},
        {"interval", 0, CLI_REAL, "PERCENT", &m->narrow_percent,
         "of the median, below which an interval is narrow enough (2)", 0, 100},
        {"slice", 0, CLI_REAL, "S", &m->slice_s, "seconds of timed runs a visit (0.3)", 0, 3600},
        {"tune-budget", 0, CLI_REAL, "S", &m->tune_s, "seconds for the choice of a configuration's kernels (3)", 0,
         3600},
        {"layers", 0, CLI_FLAG, NULL, &m->layers, "the times of the layers too, for the report's rooflines", 0, 0},
        {"no-check", 0, CLI_FLAG, NULL, &m->no_check, "do not compare answers with the reference's", 0, 0},
        {"seed", 0, CLI_INT, "N", &m->seed, "of the order (0)", 0, INT64_MAX},
        {"machine", 0, CLI_TEXT, "NAME", &m->machine, "what to call this machine (its processor's name)", 0, 0},
        {"output", 'o', CLI_TEXT, "FILE", &m->output, "keep the results in FILE, and go on with what is there", 0, 0},
        {"fresh", 0, CLI_FLAG, NULL, &m->fresh, "begin anew, and replace what is there", 0, 0},
        {"merge", 0, CLI_TEXTS, "FILE...", &r->merge,
         "measure nothing: put files together, of machines that need\nnot know each other, or show one", 0, 0},
        {"format", 0, CLI_TEXT, "WORD", &m->format_word, "table, csv or markdown (table)", 0, 0},
        CLI_JSON_OPTION(m->json),
        {.name = NULL},
    };
    int words;
    int code = cli_parse(argc, argv, &usage, options, &words);
    if (code != CLI_GO_ON)
        return code;
    code = check_request(r, words, argv + 1);
    if (code != CLI_DONE)
        return code;
    return r->merge.count > 0 ? merge(r, set) : measure(r, set);
}

int cli_compare(int argc, char **argv) {
    request r = {.measure = defaults};
    cmp_set set = {0};
    int code = parse_and_run(argc, argv, &r, &set);
    cmp_set_free(&set);
    fr_free(r.merge.at);
    fr_free(r.measure.models.at);
    fr_free(r.measure.devices.at);
    fr_free(r.device_words);
    return code;
}
