/* Whether a folded filter pays in front of a general CNN: from figures, or from two measured plans and a general CNN measured now. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/number.h"
#include "cli/bench.h"
#include "cli/output.h"
#include "cli/plan_file.h"
#include "cli/table.h"
#include "foldrun/planner.h"

enum { GENERAL_BATCH = 64 };

/* A file of `foldrun plan --save`. */
typedef struct saved_plan {
    const char *path;
    cli_planned plan;
    const fr_plan_row *row; /* its choice */
} saved_plan;

typedef struct request {
    const char *speedup, *drop, *ts, *tg, *general, *device;
    cli_texts plans;
    cli_precisions precision;
    int64_t batch;
    double unsure;
    bool json;
} request;

typedef struct findings {
    fr_tradeoff t;
    const char *unit; /* of the times; "" = the user's own */
    saved_plan plans[2];
    bench_row general; /* images_per_s 0: the times were given */
    bool less_drop;    /* the folded one is no worse */
} findings;

/* ---- values ---- */

static double seconds_of(const char *unit) {
    return strcmp(unit, "ns") == 0 ? 1e-9 : strcmp(unit, "us") == 0 ? 1e-6 : strcmp(unit, "ms") == 0 ? 1e-3 : 1;
}

/* A number, with one of the units (a list that ends with NULL) behind it or none: *out_unit "" then. */
static bool read_figure(const char *word, const char *const *units, double *out, const char **out_unit) {
    size_t length = strlen(word);
    *out_unit = "";
    for (; *units; units++) {
        size_t tail = strlen(*units);
        if (length > tail && strcmp(word + length - tail, *units) == 0) {
            *out_unit = *units;
            length -= tail;
            break;
        }
    }
    while (length > 0 && word[length - 1] == ' ')
        length--;
    return fr_number_parse(word, length, out);
}

static int read_speedup(const char *word, double *out) {
    static const char *const units[] = {"x", NULL};
    const char *unit;
    if (!read_figure(word, units, out, &unit) || !(*out > 0))
        return cli_usage_error("--speedup: '%s' is not how many times as fast, like 2.5", word);
    return CLI_DONE;
}

static int read_drop(const char *word, double *out) {
    static const char *const units[] = {"%", "points", "pt", NULL};
    const char *unit;
    bool is_figure = read_figure(word, units, out, &unit);
    if (is_figure && unit[0])
        *out /= 100;
    if (!is_figure || !(*out >= 0 && *out <= 1))
        return cli_usage_error("--drop: '%s' is not a share of the images like 0.0021, nor points like 0.21%%", word);
    return CLI_DONE;
}

/* Both with a unit, or both without. */
static int read_times(const request *r, findings *f) {
    static const char *const units[] = {"ns", "us", "ms", "s", NULL};
    const char *words[] = {r->ts, r->tg}, *unit[2];
    double time[2];
    for (int i = 0; i < 2; i++)
        if (!read_figure(words[i], units, &time[i], &unit[i]) || !(time[i] > 0))
            return cli_usage_error("--t%c: '%s' is not a time of an image, like 0.02 or 20us", i ? 'g' : 's', words[i]);
    if (!unit[0][0] != !unit[1][0])
        return cli_usage_error("--ts %s and --tg %s: give both with a unit, or none", r->ts, r->tg);
    f->unit = unit[0];
    f->t.ts = time[0];
    f->t.tg = unit[0][0] ? time[1] * seconds_of(unit[1]) / seconds_of(unit[0]) : time[1];
    return CLI_DONE;
}

/* ---- plans and the general CNN ---- */

static int read_plan(saved_plan *p) {
    int code = cli_plan_read(p->path, &p->plan);
    if (code != CLI_DONE)
        return code;
    p->row = cli_plan_choice(&p->plan.result);
    if (p->row->measured > 0)
        return CLI_DONE;
    cli_complain("'%s': this plan was not measured: make it again without --no-measure", p->path);
    return CLI_BAD_INPUT;
}

/* Images a second with transfers, as `bench` measures them. */
static int measure_general(const request *r, findings *f) {
    fr_context *context;
    fr_model *model = NULL;
    cli_progress progress;
    bench_request bench = {.device = r->device ? r->device : f->plans[0].plan.result.device,
                           .input_dtype = FR_U8,
                           .duration = 1,
                           .warmup = 0.3};
    bench_result result = {0};
    const cli_ints folds = {.at = {1}, .count = 1};
    fr_precision precision = r->precision.count > 0 ? r->precision.at[0] : f->plans[0].row->precision;
    for (int p = 0; p < 8; p++)
        result.peaks[p].known = true; /* not asked for */
    int code = cli_open_context(&context);
    if (code != CLI_DONE)
        return code;
    cli_watch_signals();
    cli_progress_start(&progress, r->general, -1);
    code = cli_load_model(context, r->general, &model);
    if (code == CLI_DONE)
        code = bench_measure_group(context, r->general, model, &bench, precision,
                                   r->batch > 0 ? r->batch : GENERAL_BATCH, &folds, &progress, &result);
    cli_progress_clear();
    if (code == CLI_DONE && result.n_rows == 0) {
        cli_complain("interrupted before %s was measured", r->general);
        code = CLI_INTERRUPTED;
    }
    if (code == CLI_DONE)
        f->general = result.rows[0];
    fr_free(result.rows);
    fr_model_free(model);
    fr_context_free(context);
    return code;
}

static int judge_plans(const request *r, findings *f) {
    for (int i = 0; i < 2; i++) {
        f->plans[i].path = r->plans.at[i];
        int code = read_plan(&f->plans[i]);
        if (code != CLI_DONE)
            return code;
    }
    const fr_plan_row *plain = f->plans[0].row, *folded = f->plans[1].row;
    const char *devices[] = {f->plans[0].plan.result.device, f->plans[1].plan.result.device};
    if (plain->fold > folded->fold)
        return cli_usage_error("--plans: %s has fold %d and %s fold %d: name the plain one first", r->plans.at[0],
                               plain->fold, r->plans.at[1], folded->fold);
    if (strcmp(devices[0], devices[1]) != 0)
        cli_complain("note: the plans are of different devices, %s and %s", devices[0], devices[1]);
    if (!r->drop && (plain->accuracy < 0 || folded->accuracy < 0))
        return cli_usage_error("%s does not know its accuracy: give --drop, like --drop 0.21%%",
                               r->plans.at[plain->accuracy < 0 ? 0 : 1]);
    if (!r->drop) {
        f->less_drop = folded->accuracy >= plain->accuracy;
        f->t.drop = f->less_drop ? 0 : (plain->accuracy - folded->accuracy) / 100;
    }
    int code = measure_general(r, f);
    if (code != CLI_DONE)
        return code;
    f->unit = "us";
    f->t.speedup = folded->measured / plain->measured;
    f->t.ts = 1e6 / plain->measured;
    f->t.tg = 1e6 / bench_main_figures(&f->general)->images_per_s.median;
    return CLI_DONE;
}

/* ---- answers ---- */

static void time_row(cli_table *table, const char *what, double time, const char *unit) {
    cli_table_cell(table, "%s", what);
    cli_table_cell(table, "%s%s%s", cli_real(time).text, unit[0] ? " " : "", unit);
}

/* "285.7", "any" (folding loses nothing), "none" (it gains nothing). */
static cli_number times_text(double ratio) {
    cli_number out;
    if (!isfinite(ratio) || ratio <= 0)
        snprintf(out.text, sizeof out.text, ratio > 0 ? "any" : "none");
    else
        snprintf(out.text, sizeof out.text, ratio < 1e9 ? "%.1f" : "%.3g", ratio);
    return out;
}

static void add_sentence(const findings *f, fr_text *out) {
    const fr_tradeoff *t = &f->t;
    double gain = t->folding_wins ? t->plain / t->folded : t->folded / t->plain;
    fr_text_add(out, "\n%s: the general CNN takes %s times as long as the filter, and folding pays ",
                t->folding_wins ? "Folding wins" : "Folding loses", times_text(t->ratio).text);
    if (t->break_even <= 0)
        fr_text_add(out, "at no ratio, for it does not make the filter faster.");
    else if (isfinite(t->break_even))
        fr_text_add(out, "below %s times.", times_text(t->break_even).text);
    else
        fr_text_add(out, "at any ratio, for it loses no accuracy.");
    fr_text_add(out, " An image takes %.3g times as long %s.\n", gain, t->folding_wins ? "unfolded" : "folded");
}

static int print_findings(const findings *f) {
    static const char *const head[] = {"FIGURE", "VALUE"};
    const fr_tradeoff *t = &f->t;
    bool measured = f->general.batch > 0;
    fr_text text = {0};
    cli_table table = {.columns = "lr"};
    if (measured)
        fr_text_add(&text, "%s (fold %d), %s (fold %d) and %s (%s, batch %s) on %s\n\n", f->plans[0].path,
                    f->plans[0].row->fold, f->plans[1].path, f->plans[1].row->fold, f->general.model,
                    fr_precision_name(f->general.precision), cli_integer(f->general.batch).text,
                    f->general.session.device);
    cli_table_cells(&table, head);
    time_row(&table, "filter, plain, an image", t->ts, f->unit);
    time_row(&table, "filter, folded, an image", t->ts / t->speedup, f->unit);
    time_row(&table, "general CNN, an image", t->tg, f->unit);
    cli_table_cell(&table, "speed-up of folding");
    cli_table_cell(&table, "%.3gx", t->speedup);
    cli_table_cell(&table, "accuracy lost");
    cli_table_cell(&table, "%.3g points", 100 * t->drop);
    cli_table_cell(&table, "images left to the general CNN");
    cli_table_cell(&table, "%.3g%%", 100 * t->unsure);
    cli_table_cell(&table, "general CNN over filter");
    cli_table_cell(&table, "%s", times_text(t->ratio).text);
    cli_table_cell(&table, "break-even, folding wins below");
    cli_table_cell(&table, "%s", times_text(t->break_even).text);
    time_row(&table, "expected time of an image, plain", t->plain, f->unit);
    time_row(&table, "expected time of an image, folded", t->folded, f->unit);
    cli_table_print(&table, &text);
    add_sentence(f, &text);
    if (f->less_drop)
        fr_text_add(&text, "The folded plan is no less accurate than the plain one: its drop is taken as 0.\n");
    return cli_print(&text);
}

static void put_plan(fr_json_writer *w, const saved_plan *p) {
    fr_json_begin_object(w);
    fr_json_string_member(w, "file", p->path);
    fr_json_int_member(w, "fold", p->row->fold);
    fr_json_number_member(w, "images_per_s", p->row->measured);
    fr_json_key(w, "accuracy");
    if (p->row->accuracy >= 0)
        fr_json_put_number(w, p->row->accuracy);
    else
        fr_json_put_null(w);
    fr_json_end_object(w);
}

static int print_json(const findings *f) {
    const fr_tradeoff *t = &f->t;
    fr_json_writer w = {.indent = 2};
    fr_json_begin_object(&w);
    fr_json_string_member(&w, "version", fr_version());
    fr_json_number_member(&w, "speedup", t->speedup);
    fr_json_number_member(&w, "drop", t->drop);
    fr_json_number_member(&w, "unsure", t->unsure);
    fr_json_string_member(&w, "unit", f->unit[0] ? f->unit : NULL);
    fr_json_number_member(&w, "ts", t->ts);
    fr_json_number_member(&w, "tg", t->tg);
    fr_json_number_member(&w, "ratio", t->ratio);
    fr_json_number_member(&w, "break_even", t->break_even); /* null: any */
    fr_json_key(&w, "expected");
    fr_json_begin_object(&w);
    fr_json_number_member(&w, "plain", t->plain);
    fr_json_number_member(&w, "folded", t->folded);
    fr_json_end_object(&w);
    fr_json_string_member(&w, "wins", t->folding_wins ? "folded" : "plain");
    if (f->general.batch > 0) {
        fr_json_key(&w, "general");
        fr_json_begin_object(&w);
        fr_json_string_member(&w, "model", f->general.model);
        fr_json_string_member(&w, "device", f->general.session.device);
        fr_json_string_member(&w, "precision", fr_precision_name(f->general.precision));
        fr_json_int_member(&w, "batch", f->general.batch);
        fr_json_number_member(&w, "images_per_s", bench_main_figures(&f->general)->images_per_s.median);
        fr_json_end_object(&w);
        fr_json_key(&w, "plans");
        fr_json_begin_array(&w);
        put_plan(&w, &f->plans[0]);
        put_plan(&w, &f->plans[1]);
        fr_json_end_array(&w);
    }
    fr_json_end_object(&w);
    return cli_write_json(NULL, &w);
}

static int tradeoff(const request *r) {
    findings f = {.t = {.unsure = r->unsure}, .unit = ""};
    int code = r->drop ? read_drop(r->drop, &f.t.drop) : CLI_DONE;
    if (code == CLI_DONE && r->plans.count > 0) {
        code = judge_plans(r, &f);
    } else if (code == CLI_DONE) {
        code = read_speedup(r->speedup, &f.t.speedup);
        if (code == CLI_DONE)
            code = read_times(r, &f);
    }
    if (code == CLI_DONE) {
        fr_status status = fr_tradeoff_judge(&f.t);
        code = status == FR_OK ? (r->json ? print_json(&f) : print_findings(&f)) : cli_failed(status);
    }
    cli_plan_free(&f.plans[0].plan);
    cli_plan_free(&f.plans[1].plan);
    return code;
}

static int check_request(const request *r) {
    if (r->plans.count > 0 || r->general) {
        if (r->plans.count != 2 || !r->general)
            return cli_usage_error("--plans PLAIN.json FOLDED.json and --general MODEL go together");
        if (r->speedup || r->ts || r->tg)
            return cli_usage_error(
                "--speedup, --ts and --tg are what --plans and --general tell: give the one or the other");
        if (r->precision.count > 1)
            return cli_usage_error("--precision: the general CNN has one");
        return CLI_DONE;
    }
    if (!r->speedup || !r->drop || !r->ts || !r->tg)
        return cli_usage_error("--%s is missing (or give --plans and --general)", !r->speedup ? "speedup"
                                                                                  : !r->drop  ? "drop"
                                                                                  : !r->ts    ? "ts"
                                                                                              : "tg");
    if (r->device || r->precision.count > 0 || r->batch > 0)
        return cli_usage_error("--device, --precision and --batch are those of --general");
    return CLI_DONE;
}

static const cli_usage usage = {
    .line = "tradeoff [options]",
    .about =
        "A filter takes TS for an image and leaves the share U, of which it is unsure, to a general CNN that takes\n"
        "TG. Folded it is X times as fast, and the images that it loses in accuracy, A, go to the general CNN\n"
        "too: TS + U*TG against TS/X + (U+A)*TG. Says from which TG/TS on folding no longer pays, and which\n"
        "is faster here; from figures, or from two measured plans and a general CNN, measured now.\n",
    .examples = "  foldrun tradeoff --speedup 2.5 --drop 0.0021 --ts 1 --tg 83 --unsure 0.1\n"
                "  foldrun tradeoff --speedup 1.8 --drop 0.5% --ts 12us --tg 4ms\n"
                "  foldrun plan n2 --fold 1 --save plain.json; foldrun plan n2 --fold 4 --save folded.json\n"
                "  foldrun tradeoff --plans plain.json folded.json --general resnet50 --drop 0.21%\n",
    .least = 0,
    .most = 0,
};

int cli_tradeoff(int argc, char **argv) {
    request r = {0};
    const cli_option options[] = {
        {"speedup", 0, CLI_TEXT, "X", &r.speedup, "times as fast, folded", 0, 0},
        {"drop", 0, CLI_TEXT, "A", &r.drop, "accuracy lost: a share, 0.0021, or points, 0.21%", 0, 0},
        {"ts", 0, CLI_TEXT, "T", &r.ts, "time of the filter for an image: 20us, or in any unit", 0, 0},
        {"tg", 0, CLI_TEXT, "T", &r.tg, "time of the general CNN", 0, 0},
        {"unsure", 0, CLI_REAL, "U", &r.unsure, "share of images that the filter leaves to it (0)", 0, 1},
        {"plans", 0, CLI_TEXTS, "PLAIN.json FOLDED.json", &r.plans, "what 'foldrun plan --save' wrote of each", 0, 0},
        {"general", 0, CLI_TEXT, "MODEL", &r.general, "the general CNN, measured now, like resnet50", 0, 0},
        {"device", 'd', CLI_TEXT, "DEVICE", &r.device, "for it (the plans')", 0, 0},
        {"batch", 'b', CLI_INT, "N", &r.batch, "of it (64)", 1, 1 << 24},
        {"precision", 'p', CLI_PRECISIONS, "P", &r.precision, "of it (the plain plan's)", 0, 0},
        CLI_JSON_OPTION(r.json),
        {.name = NULL},
    };
    int words;
    int code = cli_parse(argc, argv, &usage, options, &words);
    if (code == CLI_GO_ON) {
        code = check_request(&r);
        if (code == CLI_DONE)
            code = tradeoff(&r);
    }
    fr_free(r.plans.at);
    return code;
}
