/* What plan, explain, run and bench share: the networks of a task, the planner's options, and a plan in words. */
#ifndef FR_CLI_PLAN_COMMON_H
#define FR_CLI_PLAN_COMMON_H

#include "cli/models_common.h"
#include "foldrun/planner.h"

/* One model, or all .onnx and .fold files of a folder, in natural order. */
typedef struct cli_variants {
    fr_model **models;
    char **labels; /* the model's name, or how its file is called in the folder */
    fr_model_info *infos;
    size_t count;
    bool folder;
} cli_variants;

const char *cli_file_part(const char *path); /* without its folders */
/* Both answer an exit code; a failure has been told. Free whatever it answers. */
int cli_variants_load(fr_context *context, const char *name, cli_variants *out);
void cli_variants_free(cli_variants *variants);
int32_t cli_variants_find(const cli_variants *variants, const char *label); /* index; -1: none of that label */

enum { CLI_PLAN_BATCH = 256 };

/* Options as they were given. Lists that are empty and limits below 0 were not. */
typedef struct cli_plan_request {
    const char *device, *profile, *schedule_word, *pin_word;
    cli_ints folds, batches;
    cli_rounds rounds;
    cli_precisions precisions;
    double max_latency, max_memory, max_drop, tune_budget;
    int64_t threads, measure;
    bool exact, no_measure, fresh;
} cli_plan_request;

#define CLI_PLAN_REQUEST ((cli_plan_request){.max_latency = -1, .max_memory = -1, .max_drop = -1, .tune_budget = -1})

#define CLI_PLAN_PROFILE_HELP                                       \
    "of a device that need not be here; then nothing is measured\n" \
    "(the device's own, measured quickly when there is none)"
#define CLI_PLAN_BATCH_HELP "images a run, like 64,1024; auto: 1 to 4096 (256)"
#define CLI_PLAN_PRECISION_HELP                                       \
    "like f32,bf16; all: every one of the device but int8 and f64,\n" \
    "which must be named (all)"
#define CLI_PLAN_FOLD_HELP "folds to try, like 1-8 (1-4); of a folder: only files of these"
#define CLI_PLAN_ROUND_HELP                                          \
    "what folded widths, floor(width*sqrt(F)), may become: floor,\n" \
    "up:Q, down:Q or nearest:Q channels, like floor,up:16; auto:\n"  \
    "floor and the tiles that the profile shows (auto)"
#define CLI_PLAN_MEASURE_HELP                                     \
    "options that are measured first (8); at most as many more\n" \
    "follow, where those give hope"
#define CLI_PLAN_OPTIONS(r)                                                                                         \
    {"device", 'd', CLI_TEXT, "DEVICE", &(r).device, "cpu, cpu:0, ... ('foldrun devices' lists them)", 0, 0},       \
        {"backend", 0, CLI_TEXT, "NAME", &(r).device, "the same, by the backend's name", 0, 0},                     \
        {"profile", 0, CLI_TEXT, "FILE", &(r).profile, CLI_PLAN_PROFILE_HELP, 0, 0},                                \
        {"batch", 'b', CLI_INTS_OR_AUTO, "LIST", &(r).batches, CLI_PLAN_BATCH_HELP, 1, 1 << 24},                    \
        {"max-latency", 0, CLI_REAL, "MS", &(r).max_latency, "of a batch", 0, 1 << 30},                             \
        {"max-memory", 0, CLI_REAL, "MB", &(r).max_memory, "for activations, scratch and weights", 0, 1 << 30},     \
        {"max-drop", 0, CLI_REAL, "POINTS", &(r).max_drop, "of accuracy, in percent, below fold 1", 0, 100},        \
        {"precision", 'p', CLI_PRECISIONS_OR_ALL, "LIST", &(r).precisions, CLI_PLAN_PRECISION_HELP, 0, 0},          \
        {"fold", 'f', CLI_INTS, "LIST", &(r).folds, CLI_PLAN_FOLD_HELP, 1, 64},                                     \
        {"round", 0, CLI_ROUNDS_OR_AUTO, "LIST", &(r).rounds, CLI_PLAN_ROUND_HELP, 0, 0},                           \
        {"schedule", 0, CLI_TEXT, "WAY", &(r).schedule_word, "layers, chain or auto: both (auto)", 0, 0},           \
        CLI_THREADS_OPTION((r).threads), CLI_PIN_OPTION((r).pin_word),                                              \
        {"exact", 0, CLI_FLAG, NULL, &(r).exact, "no algorithm that changes more than the order of sums", 0, 0},    \
        {"no-measure", 0, CLI_FLAG, NULL, &(r).no_measure, "trust the prediction", 0, 0},                           \
        {"fresh", 0, CLI_FLAG, NULL, &(r).fresh, "measure again what the cache knows", 0, 0},                       \
        {"measure", 0, CLI_INT, "N", &(r).measure, CLI_PLAN_MEASURE_HELP, 1, 64}, {                                 \
        "tune-budget", 0, CLI_REAL, "S", &(r).tune_budget, "seconds for the kernels of each of them (1.5)", 0, 3600 \
    }

/* A plan: made now, or read from a file. */
typedef struct cli_planned {
    const char *model; /* a name, a file or a folder, as the user gave it or the file has it */
    cli_variants variants;
    fr_plan_options options; /* settled; the strings and models in it are borrowed */
    fr_plan_result result;
    struct fr_json_doc *file; /* the file's, whose strings are used; NULL = made now */
} cli_planned;

/* fr_plan_make with progress on stderr. The plan has its options and networks. The second tells of failures. */
fr_status cli_plan_try(fr_context *context, cli_planned *plan) FR_MUST_CHECK;
int cli_plan_make(fr_context *context, cli_planned *plan);
int cli_plan_failed(fr_status status); /* cli_input_failed, but an interruption is CLI_INTERRUPTED */
void cli_plan_free(cli_planned *plan);

/* Reads the request into options; nothing to free. */
int cli_plan_check(const cli_plan_request *request, fr_plan_options *out_options);
const char *cli_plan_measures(
    const cli_plan_request *request); /* an option that tells how to measure; NULL = none is given */
/* Loads the networks, and has the plan's options point at them. */
int cli_plan_networks(fr_context *context, const cli_plan_request *request, const char *name, cli_planned *plan);

bool cli_plan_is_shape(const cli_planned *plan, const fr_plan_row *row); /* made of a network, not one of them */
bool cli_plan_rounds(const fr_plan_row *row);                            /* its widths are other than the floor */
typedef struct cli_widths {
    char text[24];
} cli_widths;
cli_widths cli_widths_word(const fr_plan_row *row); /* "floor", "up:16"; "-" where nothing is folded */
double cli_plan_rate(const fr_plan_row *row);       /* measured, else predicted */
double cli_plan_ms(const fr_plan_row *row);
double cli_plan_bytes(const fr_plan_row *row);
const fr_plan_row *cli_plan_choice(const fr_plan_result *result); /* NULL = none */
/* The best of fold 1 that keeps the limits, or NULL. */
const fr_plan_row *cli_plan_best_plain(const fr_plan_result *result);
/* Images a second of `a` over those of `b`, by the same kind of figure: measured ones if both are, else predicted. */
double cli_plan_ratio(const fr_plan_row *a, const fr_plan_row *b);
/* How far a row lies behind the choice (the first, when there is none): 0.03 = 3 % slower; negative = faster. */
double cli_plan_distance(const fr_plan_result *result, const fr_plan_row *row);
/* "fold 2, widths up:16, f32, chain, batch 256"; the label in front of it where there are several. */
/* A network's file: its label, or the folder's path and its label. */
void cli_plan_add_path(const char *folder, const char *label, fr_text *out);
void cli_plan_name(const cli_planned *plan, const fr_plan_row *row, fr_text *out);
/* The same, and how fast: "...: 33,500 images/s measured (predicted 31,900)". */
void cli_plan_sentence(const cli_planned *plan, const fr_plan_row *row, fr_text *out);
/* Why there is no choice: of the rows that break a limit, the one that breaks it least; the second says it on stderr. */
void cli_plan_miss(const cli_planned *plan, fr_text *out);
void cli_plan_tell_miss(const cli_planned *plan);

#endif
