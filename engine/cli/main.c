#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/output.h"

const cli_command cli_commands[] = {
    {"devices", "list the devices of every backend", cli_devices},
    {"models", "list the built-in models", cli_models},
    {"show", "shapes and cost figures of a model, plain or folded", cli_show},
    {"run", "classify images: one row for each", cli_run},
    {"bench", "measure throughput and latency, and say which configuration wins", cli_bench},
    {"compare", "measure many configurations on every device by turns, and rank them", cli_compare},
    {"report", "make one page of a comparison's results", cli_report},
    {"profile", "measure what a device can do: peaks, bandwidth, staircases of its tiles", cli_profile},
    {"plan", "choose fold, widths, precision, schedule and batch for a device", cli_plan},
    {"explain", "why a plan was chosen, layer by layer", cli_explain},
    {"tradeoff", "whether a folded filter pays in front of a general CNN", cli_tradeoff},
    {"tune", "time a device's kernels ahead, and keep the winners in its profile", cli_tune},
    {"selftest", "check every kernel of a device against the reference", cli_selftest},
    {"export", "write a model as ONNX", cli_export},
    {"fold", "fold a model file and write the result as ONNX, to be trained", cli_fold},
    {NULL, NULL, NULL},
};

static int print_help(void) {
    fr_text text = {0};
    fr_text_add(&text,
                "foldrun %s: runs small CNNs, plain and folded (several images in the channels of one input)\n\n",
                fr_version());
    fr_text_add(&text, "usage: foldrun COMMAND [options]\n\n");
    for (const cli_command *c = cli_commands; c->name; c++)
        fr_text_add(&text, "  %-9s %s\n", c->name, c->summary);
    fr_text_add(&text, "  %-9s %s\n  %-9s %s\n\n", "help", "this text, or that of a command", "version", "the version");
    fr_text_add(&text, "foldrun COMMAND --help has the options, with examples.\n\n");
    fr_text_add(&text, "exit codes: 0 done, 1 failed, 2 usage, 3 unavailable, 4 unsupported, 5 bad input,\n"
                       "            130 interrupted (compare, tune and profile: what they have is kept)\n");
    return cli_print(&text);
}

static int print_version(void) {
    fr_text text = {0};
    fr_text_add(&text, "foldrun %s\n", fr_version());
    return cli_print(&text);
}

static const cli_command *find_command(const char *name) {
    for (const cli_command *c = cli_commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static int unknown_command(const char *name) {
    const char *names[24] = {"help", "version"};
    size_t count = 2;
    for (const cli_command *c = cli_commands; c->name; c++)
        names[count++] = c->name;
    const char *nearest = fr_nearest_name(name, names, count);
    if (nearest)
        return cli_usage_error("unknown command '%s': did you mean '%s'?", name, nearest);
    return cli_usage_error("unknown command '%s': 'foldrun help' lists them", name);
}

static int help_of(int argc, char **argv) {
    char flag[] = "--help";
    if (argc < 2)
        return print_help();
    const cli_command *command = find_command(argv[1]);
    if (!command)
        return unknown_command(argv[1]);
    char *help[] = {argv[1], flag, NULL};
    return command->run(2, help);
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a failed write, told like any other */
    cli_remember_command(argc, argv);
    if (argc < 2) {
        print_help();
        return CLI_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help_of(argc - 1, argv + 1);
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0)
        return print_version();
    const cli_command *command = find_command(name);
    return command ? command->run(argc - 1, argv + 1) : unknown_command(name);
}
