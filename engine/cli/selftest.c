#include <math.h>
#include <stdio.h>

#include "cli/models_common.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/table.h"

static bool show_progress(void *user, const char *what, double fraction) {
    if (user)
        cli_progress_say(user, "checking kernels: %.0f%% (%s)", 100 * fraction, what);
    return !cli_interrupted();
}

static void add_row(cli_table *table, const fr_kernel_report *k) {
    cli_table_cell(table, "%s", k->name);
    cli_table_cell(table, "%s", cli_integer(k->runs).text);
    if (k->verdict == FR_VERDICT_UNBUILT || !isfinite(k->worst))
        cli_table_cell(table, "-");
    else
        cli_table_cell(table, "%s", cli_real(k->worst).text);
    cli_table_cell(table, "%s%s", fr_verdict_name(k->verdict), k->stored ? " (stored)" : "");
}

static int print_table(const fr_selftest *s, bool quiet) {
    static const char *const head[] = {"KERNEL", "RUNS", "ERROR/LIMIT", "VERDICT"};
    cli_table table = {.columns = "lrrl"};
    fr_text text = {0};
    size_t shown = 0;
    cli_table_cells(&table, head);
    for (size_t i = 0; i < s->n_kernels; i++) {
        if (quiet && s->kernels[i].verdict == FR_VERDICT_GOOD)
            continue;
        add_row(&table, &s->kernels[i]);
        shown++;
    }
    if (shown == 0 && quiet)
        fr_text_free(&table.cells);
    else
        cli_table_print(&table, &text);
    for (size_t i = 0; i < s->n_kernels; i++)
        if (s->kernels[i].verdict != FR_VERDICT_GOOD)
            fr_text_add(&text, "%s: %s\n", s->kernels[i].name, s->kernels[i].why);
    if (!quiet)
        fr_text_add(&text, "\n%s (%s, %s): %zu kernels on %d steps: ", s->device, s->device_name, s->driver,
                    s->n_kernels, s->steps);
    if (!quiet && s->n_bad)
        fr_text_add(&text, "%zu must not be used, and will not be\n", s->n_bad);
    else if (!quiet)
        fr_text_add(&text, "all good\n");
    return text.length ? cli_print(&text) : CLI_DONE;
}

static int print_json(const fr_selftest *s) {
    fr_json_writer w = {.indent = 2};
    fr_json_begin_object(&w);
    fr_json_string_member(&w, "version", fr_version());
    fr_json_string_member(&w, "device", s->device);
    fr_json_string_member(&w, "name", s->device_name);
    fr_json_string_member(&w, "driver", s->driver);
    fr_json_int_member(&w, "steps", s->steps);
    fr_json_int_member(&w, "bad", (int64_t)s->n_bad);
    fr_json_key(&w, "kernels");
    fr_json_begin_array(&w);
    for (size_t i = 0; i < s->n_kernels; i++) {
        const fr_kernel_report *k = &s->kernels[i];
        fr_json_begin_object(&w);
        fr_json_string_member(&w, "kernel", k->name);
        fr_json_string_member(&w, "verdict", fr_verdict_name(k->verdict));
        fr_json_bool_member(&w, "stored", k->stored);
        fr_json_int_member(&w, "runs", k->runs);
        fr_json_number_member(&w, "error_over_limit", k->verdict == FR_VERDICT_UNBUILT ? (double)NAN : k->worst);
        fr_json_string_member(&w, "why", k->why[0] ? k->why : NULL);
        fr_json_end_object(&w);
    }
    fr_json_end_array(&w);
    fr_json_end_object(&w);
    return cli_write_json(NULL, &w);
}

static const cli_usage usage = {
    .line = "selftest [options]",
    .about = "Runs every kernel of a device on a built-in list of small steps, and compares its answers with the\n"
             "reference's. A kernel that is wrong, or does not build, is never used on this device and driver from\n"
             "then on. What is known from before is shown as stored, and not run. Exit code 1 if any is bad.\n",
    .examples =
        "  foldrun selftest\n"
        "  foldrun selftest --device opencl:0 --filter wino --again\n"
        "  foldrun selftest --device cpu --json | jq -r '.kernels[] | select(.verdict != \"good\") | .kernel'\n",
};

int cli_selftest(int argc, char **argv) {
    fr_selftest_options o = FR_OPTIONS(fr_selftest_options);
    bool json = false, quiet = false;
    const cli_option options[] = {
        {"device", 'd', CLI_TEXT, "DEVICE", &o.device, "cpu, cpu:0, ... ('foldrun devices' lists them)", 0, 0},
        {"filter", 0, CLI_TEXT, "TEXT", &o.filter, "only kernels whose name contains TEXT", 0, 0},
        {"again", 0, CLI_FLAG, NULL, &o.again, "run those whose verdict is stored, too", 0, 0},
        {"quiet", 'q', CLI_FLAG, NULL, &quiet, "no progress, and only what is bad", 0, 0},
        CLI_JSON_OPTION(json),
        {.name = NULL},
    };
    int words;
    int code = cli_parse(argc, argv, &usage, options, &words);
    if (code != CLI_GO_ON)
        return code;
    fr_context *context;
    fr_selftest result;
    cli_progress progress;
    code = cli_open_context(&context);
    if (code != CLI_DONE)
        return code;
    cli_watch_signals();
    cli_progress_start(&progress, "steps", -1);
    o.progress = show_progress;
    o.progress_user = quiet ? NULL : &progress;
    fr_status status = fr_selftest_run(context, &o, &result);
    cli_progress_clear();
    if (status == FR_OK && result.n_kernels == 0 && o.filter)
        code = cli_usage_error("--filter: no kernel of this device has '%s' in its name", o.filter);
    else if (status != FR_OK)
        code = cli_failed(status);
    else
        code = json ? print_json(&result) : print_table(&result, quiet);
    if (code == CLI_DONE && result.n_bad > 0)
        code = CLI_FAILED;
    fr_selftest_free(&result);
    fr_context_free(context);
    return code;
}
