/* What the commands that take a model share. */
#ifndef FR_CLI_MODELS_COMMON_H
#define FR_CLI_MODELS_COMMON_H

#include "base/json.h"
#include "cli/args.h"
#include "cli/cli.h"

enum { CLI_FOLD_MAX = 4096 };

typedef struct cli_folding {
    int64_t fold;
    cli_round round;
    int64_t seed;
} cli_folding; /* fold 0 = the model's own */

#define CLI_ROUND_HELP                                                                                           \
    "what to do with a folded width, floor(width*sqrt(F)):\nfloor (leave it), or go up:Q, down:Q or nearest:Q\n" \
    "to a multiple of Q channels"
#define CLI_ROUND_OPTION(folding) \
    { "round", 0, CLI_ROUND, "WAY", &(folding).round, CLI_ROUND_HELP, 0, 0 }
#define CLI_SEED_OPTION(folding) \
    { "seed", 0, CLI_INT, "N", &(folding).seed, "of a folded model's fresh weights (0)", 0, INT64_MAX }
#define CLI_JSON_OPTION(flag) \
    { "json", 0, CLI_FLAG, NULL, &(flag), "machine-readable, on standard output", 0, 0 }

/* All answer an exit code; a failure has been told. */
int cli_open_context(fr_context **out_context);
/* A failure is told with the table of an ONNX file's unsupported nodes. */
int cli_load_model(fr_context *context, const char *name, fr_model **out_model);
int cli_fold_model(const fr_model *model, const cli_folding *folding, fr_model **out_model);
/* Loads, folds if that is asked for, and describes. */
int cli_get_model(fr_context *context, const char *name, const cli_folding *folding, fr_model **out_model,
                  fr_model_info *out_info);

#define CLI_TUNING_OPTION(word) \
    { "tuning", 0, CLI_TEXT, "WAY", &(word), "cached, fresh (measure again) or off (do not measure)\n(cached)", 0, 0 }
int cli_read_tuning(const char *word, fr_tuning *out_tuning);       /* NULL = cached */
int cli_read_schedule(const char *word, fr_schedule *out_schedule); /* NULL = auto */

#define CLI_THREADS_OPTION(count) \
    { "threads", 't', CLI_INT, "N", &(count), "at most that many (all; on a CPU one a core)", 1, 4096 }
#define CLI_PIN_HELP "bind threads to processors: auto (when they fill all\ncores), off or on (auto)"
#define CLI_PIN_OPTION(word) \
    { "pin", 0, CLI_TEXT, "WAY", &(word), CLI_PIN_HELP, 0, 0 }
int cli_read_pinning(const char *word, fr_pinning *out_pinning); /* NULL = auto */

int32_t cli_precision_bytes(fr_precision precision);

#endif
