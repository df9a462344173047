#include "cli/plan.h"

#include <string.h>

#include "cli/output.h"
#include "cli/plan_file.h"
#include "cli/plan_report.h"

typedef struct plan_files {
    cli_output output, save;
} plan_files;

static int print_plan(const cli_planned *plan, bool json, plan_files *files) {
    fr_json_writer w = {.indent = 2};
    fr_text text = {0};
    cli_plan_put(plan, &w);
    int code = cli_share_json(&files->output, json, &w);
    if (code == CLI_DONE && !json) {
        cli_plan_report(plan, &text);
        code = cli_print(&text);
    }
    if (code != CLI_DONE || cli_plan_choice(&plan->result))
        return code == CLI_DONE && files->save.path ? cli_plan_save(plan, &files->save) : code;
    cli_plan_tell_miss(plan);
    return CLI_UNSUPPORTED;
}

static int plan_one(fr_context *context, const plan_request *r, const char *name, plan_files *files) {
    cli_planned plan = {.result = {.choice = -1}};
    int code = cli_plan_check(&r->plan, &plan.options);
    if (code == CLI_DONE)
        code = cli_plan_networks(context, &r->plan, name, &plan);
    if (code == CLI_DONE)
        code = cli_plan_make(context, &plan);
    if (code == CLI_DONE)
        code = print_plan(&plan, r->json, files);
    cli_plan_free(&plan);
    return code;
}

/* Files that cannot be written are told of before anything is measured. */
static int plan_all(const plan_request *r, const char *name) {
    fr_context *context = NULL;
    plan_files files = {.output = {.path = NULL}};
    int code = r->output ? cli_output_begin(r->output, &files.output) : CLI_DONE;
    if (code == CLI_DONE && r->save)
        code = cli_output_begin(r->save, &files.save);
    if (code == CLI_DONE)
        code = cli_open_context(&context);
    if (code == CLI_DONE)
        code = r->devices || r->profiles ? plan_fleet(context, r, name, &files.output)
                                         : plan_one(context, r, name, &files);
    fr_context_free(context);
    cli_output_abandon(&files.output);
    cli_output_abandon(&files.save);
    return code;
}

static int check_request(const plan_request *r) {
    bool fleet = r->devices || r->profiles;
    if (fleet && (r->plan.device || r->plan.profile))
        return cli_usage_error("--%s and --%s exclude each other", r->devices ? "devices" : "profiles",
                               r->plan.device ? "device" : "profile");
    if (r->profiles && !r->devices && cli_plan_measures(&r->plan))
        return cli_usage_error("--%s has no meaning with --profiles: nothing is measured then",
                               cli_plan_measures(&r->plan));
    if (fleet && r->save)
        return cli_usage_error("--save keeps the plan of one device: give it with --device");
    fr_plan_options options; /* wrong words are told before anything is opened */
    return cli_plan_check(&r->plan, &options);
}

static const cli_usage usage = {
    .line = "plan MODEL|FOLDER [options]",
    .about = "Chooses the fold, the rounding of widths, the precision, the schedule (layer by layer, or chains\n"
             "that go depth first) and the batch that give the most images a second on a device: predicts all\n"
             "options from the device's profile, and measures the best few. FOLDER holds one task's trained\n"
             "variants as .onnx and .fold files; of a plain model, folded shapes are tried, which are to be\n"
             "trained. Exit code 4: no option keeps the limits.\n",
    .examples =
        "  foldrun plan v1\n"
        "  foldrun plan variants/ --device opencl:0 --batch auto --max-latency 5 --max-drop 1 --save plan.json\n"
        "  foldrun plan n4 --fold 1-8 --precision f32 --json | jq .choice\n"
        "  foldrun plan v1 --devices all --profiles fleet/\n",
    .least = 1,
    .most = 1,
};

int cli_plan(int argc, char **argv) {
    plan_request r = {.plan = CLI_PLAN_REQUEST};
    const cli_option options[] = {
        CLI_PLAN_OPTIONS(r.plan),
        {"devices", 0, CLI_TEXT, "LIST", &r.devices, "a row for each: cpu,opencl:0, or all", 0, 0},
        {"profiles", 0, CLI_TEXT, "DIR", &r.profiles, "a row for each profile in DIR, of devices elsewhere", 0, 0},
        {"save", 0, CLI_TEXT, "FILE", &r.save, "the plan, for 'run', 'bench' and 'explain'", 0, 0},
        CLI_JSON_OPTION(r.json),
        {"output", 'o', CLI_TEXT, "FILE", &r.output, "write the JSON to FILE too", 0, 0},
        {.name = NULL},
    };
    int words;
    int code = cli_parse(argc, argv, &usage, options, &words);
    if (code != CLI_GO_ON)
        return code;
    code = check_request(&r);
    return code == CLI_DONE ? plan_all(&r, argv[1]) : code;
}
