#include "cli/budget.h"
#include "cli/models_common.h"
#include "cli/output.h"
#include "cli/table.h"

static double gain(const fr_tuned_step *s) {
    return s->untuned_ns > 0 ? s->untuned_ns / s->winner_ns : 0;
}

static int print_table(const fr_tune_result *r) {
    static const char *const head[] = {"MODEL", "STEP", "INPUTS", "WINNER", "US", "RUNNER-UP", "US", "TIMED", "GAIN"};
    cli_table table = {.columns = "llrlrlrrr"};
    fr_text text = {0};
    cli_table_cells(&table, head);
    for (size_t i = 0; i < r->n_steps; i++) {
        const fr_tuned_step *s = &r->steps[i];
        cli_table_cell(&table, "%s", s->model);
        cli_table_cell(&table, "%s", s->step);
        cli_table_cell(&table, "%d", s->group);
        cli_table_cell(&table, "%s", s->winner);
        cli_table_cell(&table, "%s", cli_real(s->winner_ns / 1e3).text);
        cli_table_cell(&table, "%s", s->runner_up[0] ? s->runner_up : "-");
        cli_table_cell(&table, "%s", s->runner_up[0] ? cli_real(s->runner_up_ns / 1e3).text : "-");
        cli_table_cell(&table, "%d/%d", s->timed, s->offered);
        cli_table_cell(&table, gain(s) > 0 ? "%.2fx" : "-", gain(s));
    }
    cli_table_print(&table, &text);
    fr_text_add(&text, "\nGAIN is over the kernel that %s would take untuned. The profile is in %s\n", r->device,
                r->profile);
    return cli_print(&text);
}

static void put_kernel(fr_json_writer *w, const char *key, const char *name, double ns) {
    fr_json_key(w, key);
    if (!name[0] || ns <= 0) {
        fr_json_put_null(w);
        return;
    }
    fr_json_begin_object(w);
    fr_json_string_member(w, "kernel", name);
    fr_json_number_member(w, "ns", ns);
    fr_json_end_object(w);
}

static int print_json(const fr_tune_result *r, bool complete) {
    fr_json_writer w = {.indent = 2};
    fr_json_begin_object(&w);
    fr_json_string_member(&w, "version", fr_version());
    fr_json_string_member(&w, "device", r->device);
    fr_json_string_member(&w, "name", r->device_name);
    fr_json_string_member(&w, "driver", r->driver);
    fr_json_string_member(&w, "profile", r->profile);
    fr_json_bool_member(&w, "complete", complete);
    fr_json_key(&w, "steps");
    fr_json_begin_array(&w);
    for (size_t i = 0; i < r->n_steps; i++) {
        const fr_tuned_step *s = &r->steps[i];
        fr_json_begin_object(&w);
        fr_json_string_member(&w, "model", s->model);
        fr_json_string_member(&w, "step", s->step);
        fr_json_int_member(&w, "inputs", s->group);
        fr_json_int_member(&w, "timed", s->timed);
        fr_json_int_member(&w, "offered", s->offered);
        put_kernel(&w, "winner", s->winner, s->winner_ns);
        put_kernel(&w, "runner_up", s->runner_up, s->runner_up_ns);
        put_kernel(&w, "untuned", s->untuned, s->untuned_ns);
        fr_json_key(&w, "gain");
        if (gain(s) > 0)
            fr_json_put_number(&w, gain(s));
        else
            fr_json_put_null(&w);
        fr_json_end_object(&w);
    }
    fr_json_end_array(&w);
    fr_json_end_object(&w);
    return cli_write_json(NULL, &w);
}

static int tune(fr_tune_options *o, bool json) {
    fr_context *context;
    fr_tune_result result;
    cli_watch watch;
    int code = cli_open_context(&context);
    if (code != CLI_DONE)
        return code;
    cli_watch_start(&watch, "tuning", o->budget_s);
    o->progress = cli_watch_progress;
    o->progress_user = &watch;
    fr_status status = fr_tune_device(context, o, &result);
    cli_progress_clear();
    bool interrupted = status == FR_CANCELLED && cli_interrupted();
    if (status != FR_OK)
        code = interrupted ? (cli_complain("%s", fr_error_message()), CLI_DONE) : cli_input_failed(status);
    if (code == CLI_DONE)
        code = json ? print_json(&result, !interrupted) : print_table(&result);
    fr_tune_free(&result);
    fr_context_free(context);
    return code == CLI_DONE && interrupted ? CLI_INTERRUPTED : code;
}

static const cli_usage usage = {
    .line = "tune [MODEL...] [options]",
    .about = "Times the kernels of a device for each step of models, after a check that their answers are right, and\n"
             "keeps the times in the device's profile: sessions then begin with the best of them, also for steps\n"
             "that are only alike. Without models: the game and NoScope models of the zoo. Interrupted (Ctrl-C), it\n"
             "keeps what it has, with exit code 130.\n",
    .examples = "  foldrun tune --device opencl:0 --budget 60s\n"
                "  foldrun tune v1 n2 --fold 4 --batch 1024 --precision f16 --device opencl:0 --budget 5m\n"
                "  foldrun tune v1 --json | jq '.steps[] | {step, winner: .winner.kernel, gain}'\n",
    .least = 0,
    .most = 64,
};

int cli_tune(int argc, char **argv) {
    fr_tune_options o = FR_OPTIONS(fr_tune_options);
    const char *budget = "60s";
    int64_t fold = 0, batch = 256;
    bool json = false;
    const cli_option options[] = {
        {"device", 'd', CLI_TEXT, "DEVICE", &o.device, "cpu, cpu:0, ... ('foldrun devices' lists them)", 0, 0},
        {"fold", 'f', CLI_INT, "F", &fold, "fold the models by F first (as they are)", 1, CLI_FOLD_MAX},
        {"batch", 'b', CLI_INT, "N", &batch, "images a run (256)", 1, 1 << 24},
        {"precision", 'p', CLI_PRECISION, "P", &o.precision, "f32, tf32, f16, bf16 or int8 (f32)", 0, 0},
        {"budget", 0, CLI_TEXT, "TIME", &budget, "for all models: 60s, 5m, 1h (60s)", 0, 0},
        CLI_JSON_OPTION(json),
        {.name = NULL},
    };
    int words;
    int code = cli_parse(argc, argv, &usage, options, &words);
    if (code != CLI_GO_ON)
        return code;
    code = cli_read_budget(budget, &o.budget_s);
    if (code != CLI_DONE)
        return code;
    o.models = (const char *const *)(argv + 1);
    o.n_models = (size_t)words;
    o.fold = (int32_t)fold;
    o.batch = (int32_t)batch;
    return tune(&o, json);
}
