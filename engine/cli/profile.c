#include "cli/profile.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/budget.h"
#include "cli/models_common.h"
#include "cli/output.h"

typedef struct request {
    fr_profile_options options;
    const char *file, *plot, *output, *budget;
    cli_precisions precisions;
    bool show, json;
} request;

/* Braille for terminals that say they take Unicode. Numbers stay as in the C locale. */
static bool is_utf8(void) {
    return setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* The profile's own file, as it lies in the cache folder. */
static int give_file(const fr_device_report *report, const char *path) {
    char *data;
    size_t bytes;
    fr_text text = {0};
    fr_status status = fr_file_read(report->path, 0, &data, &bytes);
    if (status != FR_OK)
        return cli_failed_here(status);
    fr_text_add_bytes(&text, data, bytes);
    fr_free(data);
    return cli_write_text(path, &text);
}

static int show(const request *r, const fr_device_report *report) {
    profile_view view = {.report = report, .precisions = r->options.precisions};
    bool on_terminal = isatty(STDOUT_FILENO) == 1;
    fr_text text = {0};
    int code = r->plot ? profile_picture(&view, r->plot) : CLI_DONE;
    if (code == CLI_DONE && r->output)
        code = give_file(report, r->output);
    if (code != CLI_DONE)
        return code;
    if (r->json)
        return give_file(report, NULL);
    profile_tables(&view, &text);
    if (r->show || on_terminal)
        profile_plots(&view, !r->show, is_utf8(), &text);
    if (r->plot)
        fr_text_add(&text, "\nThe staircases are drawn in %s\n", r->plot);
    return cli_print(&text);
}

/* A profile that was taken elsewhere. */
static int read_file(fr_context *context, const request *r) {
    fr_device_report report;
    fr_status status = fr_profile_load(context, NULL, r->file, &report);
    int code = status == FR_OK ? show(r, &report) : cli_input_failed(status);
    fr_device_report_free(&report);
    return code;
}

static int measure(fr_context *context, request *r) {
    fr_device_report report;
    cli_watch watch;
    double usual = r->options.quick ? FR_PROFILE_QUICK_S : FR_PROFILE_FULL_S;
    cli_watch_start(&watch, "profiling", r->options.budget_s > 0 ? r->options.budget_s : usual);
    r->options.progress = cli_watch_progress;
    r->options.progress_user = &watch;
    fr_status status = fr_profile_device(context, &r->options, &report);
    cli_progress_clear();
    bool interrupted = status == FR_CANCELLED && cli_interrupted();
    int code = status == FR_OK || interrupted ? CLI_DONE : cli_failed(status);
    if (code == CLI_DONE && fr_path_exists(report.path)) /* interrupted early there may be nothing */
        code = show(r, &report);
    if (interrupted)
        cli_complain("interrupted: what was measured is kept; run it again to go on");
    fr_device_report_free(&report);
    return code == CLI_DONE && interrupted ? CLI_INTERRUPTED : code;
}

/* What cannot be written is told before minutes are spent on it. */
static int try_outputs(const request *r) {
    const char *paths[] = {r->plot, r->output};
    int code = CLI_DONE;
    for (int i = 0; i < 2 && code == CLI_DONE; i++) {
        cli_output out = {0};
        if (paths[i])
            code = cli_output_begin(paths[i], &out);
        cli_output_abandon(&out);
    }
    return code;
}

static int check_request(request *r) {
    fr_profile_options *o = &r->options;
    if (r->file && (o->device || o->quick || o->again || r->budget))
        return cli_usage_error("--file reads a profile and measures nothing: leave out --device, --quick, --budget and "
                               "--again");
    for (size_t i = 0; i < r->precisions.count; i++)
        o->precisions |= 1u << r->precisions.at[i];
    int code = r->budget ? cli_read_budget(r->budget, &o->budget_s) : CLI_DONE;
    if (code == CLI_DONE && o->quick && o->budget_s > FR_PROFILE_FULL_S)
        return cli_usage_error("--quick takes seconds: with %s to spend, leave it out for a full profile", r->budget);
    return code;
}

static const cli_usage usage = {
    .line = "profile [options]",
    .about = "Measures what a device can do: peaks and bandwidths, what a launch costs, and staircases, the time of\n"
             "steps as their channels grow, which show the tiles it works in. Minutes, or seconds with --quick;\n"
             "kept in the cache folder, where 'foldrun plan' finds it. What a budget or Ctrl-C (exit code 130)\n"
             "cuts off is measured the next time; a complete profile is only shown.\n",
    .examples = "  foldrun profile --quick\n"
                "  foldrun profile --device opencl:0 --plot staircases.svg\n"
                "  foldrun profile --device cuda:0 -o h200.json\n"
                "  foldrun profile --file h200.json --show\n",
    .least = 0,
    .most = 0,
};

int cli_profile(int argc, char **argv) {
    request r = {.options = FR_OPTIONS(fr_profile_options)};
    const cli_option options[] = {
        {"device", 'd', CLI_TEXT, "DEVICE", &r.options.device, "cpu, cpu:0, ... ('foldrun devices' lists them)", 0, 0},
        {"quick", 'q', CLI_FLAG, NULL, &r.options.quick, "in seconds: coarse staircases, few whole runs", 0, 0},
        {"budget", 0, CLI_TEXT, "TIME", &r.budget, "for measuring now: 60s, 5m (270s; 25s with --quick)", 0, 0},
        {"again", 0, CLI_FLAG, NULL, &r.options.again, "from the beginning, whatever was measured before", 0, 0},
        {"precision", 'p', CLI_PRECISIONS, "LIST", &r.precisions,
         "measure and show these, like f32,bf16 (all of the device but\nf64)", 0, 0},
        {"plot", 0, CLI_TEXT, "FILE.svg", &r.plot, "draw the staircases", 0, 0},
        {"show", 0, CLI_FLAG, NULL, &r.show,
         "the main staircase of each precision as text (a terminal\nalways sees the first)", 0, 0},
        {"file", 0, CLI_TEXT, "FILE", &r.file, "show a profile taken elsewhere; no device is needed", 0, 0},
        CLI_JSON_OPTION(r.json),
        {"output", 'o', CLI_TEXT, "FILE", &r.output, "write the profile's JSON to FILE too", 0, 0},
        {.name = NULL},
    };
    fr_context *context;
    int words;
    int code = cli_parse(argc, argv, &usage, options, &words);
    if (code != CLI_GO_ON)
        return code;
    code = check_request(&r);
    if (code == CLI_DONE)
        code = try_outputs(&r);
    if (code == CLI_DONE)
        code = cli_open_context(&context);
    if (code != CLI_DONE)
        return code;
    code = r.file ? read_file(context, &r) : measure(context, &r);
    fr_context_free(context);
    return code;
}
