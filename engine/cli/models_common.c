#include "cli/models_common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static void print_log(void *user, int level, const char *line) {
    static const char *const words[] = {"error", "warning", "info", "debug"};
    (void)user;
    cli_complain("%s: %s", words[level < 0 ? 0 : level > 3 ? 3 : level], line);
}

/* FOLDRUN_LOG: error, warning (the default), info or debug. */
static int32_t log_level(void) {
    static const char *const words[] = {"error", "warning", "info", "debug"};
    const char *wanted = getenv("FOLDRUN_LOG");
    for (int32_t i = 0; wanted && i < 4; i++)
        if (strcmp(wanted, words[i]) == 0)
            return i;
    return 1;
}

int cli_open_context(fr_context **out_context) {
    fr_context_options options = FR_OPTIONS(fr_context_options);
    options.log = print_log;
    options.log_level = log_level();
    fr_status status = fr_context_new(&options, out_context);
    return status == FR_OK ? CLI_DONE : cli_failed(status);
}

int cli_load_model(fr_context *context, const char *name, fr_model **out_model) {
    fr_status status = fr_model_load(context, name, out_model);
    if (status == FR_OK)
        return CLI_DONE;
    int code = cli_input_failed(status);
    const char *report = fr_load_report(context);
    if (status == FR_UNSUPPORTED && report[0])
        fprintf(stderr, "%s%s", report, report[strlen(report) - 1] == '\n' ? "" : "\n");
    return code;
}

int cli_fold_model(const fr_model *model, const cli_folding *folding, fr_model **out_model) {
    fr_fold_options options = FR_OPTIONS(fr_fold_options);
    options.fold = (int32_t)folding->fold;
    options.round = folding->round.round;
    options.quantum = folding->round.quantum;
    options.seed = (uint64_t)folding->seed;
    fr_status status = fr_model_fold(model, &options, out_model);
    return status == FR_OK ? CLI_DONE : cli_failed(status);
}

int cli_get_model(fr_context *context, const char *name, const cli_folding *folding, fr_model **out_model,
                  fr_model_info *out_info) {
    fr_model *model, *folded = NULL;
    *out_info = FR_OPTIONS(fr_model_info);
    *out_model = NULL;
    int code = cli_load_model(context, name, &model);
    if (code != CLI_DONE)
        return code;
    fr_status status = fr_model_describe(model, out_info);
    cli_folding wanted = *folding;
    if (wanted.fold == 0)
        wanted.fold = out_info->fold;
    if (status == FR_OK && (wanted.fold != out_info->fold || wanted.round.quantum > 1)) {
        code = cli_fold_model(model, &wanted, &folded);
        fr_model_free(model);
        if (code != CLI_DONE)
            return code;
        model = folded;
        status = fr_model_describe(model, out_info);
    }
    if (status != FR_OK) {
        fr_model_free(model);
        return cli_failed(status);
    }
    *out_model = model;
    return CLI_DONE;
}

int cli_read_tuning(const char *word, fr_tuning *out_tuning) {
    static const struct {
        const char *word;
        fr_tuning tuning;
    } words[] = {{"cached", FR_TUNING_CACHED}, {"fresh", FR_TUNING_FRESH}, {"off", FR_TUNING_OFF}};
    *out_tuning = FR_TUNING_CACHED;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (word && strcmp(word, words[i].word) == 0) {
            *out_tuning = words[i].tuning;
            return CLI_DONE;
        }
    }
    return word ? cli_usage_error("--tuning: '%s' is not cached, fresh or off", word) : CLI_DONE;
}

int cli_read_schedule(const char *word, fr_schedule *out_schedule) {
    *out_schedule = FR_SCHEDULE_AUTO;
    if (word && !fr_schedule_from_name(word, out_schedule))
        return cli_usage_error("--schedule: '%s' is not auto, layers or chain", word);
    return CLI_DONE;
}

int cli_read_pinning(const char *word, fr_pinning *out_pinning) {
    *out_pinning = FR_PINNING_AUTO;
    if (word && !fr_pinning_from_name(word, out_pinning))
        return cli_usage_error("--pin: '%s' is not auto, off or on", word);
    return CLI_DONE;
}

int32_t cli_precision_bytes(fr_precision precision) {
    switch (precision) {
    case FR_PRECISION_F64: return 8;
    case FR_PRECISION_TF32:
    case FR_PRECISION_F32: return 4;
    case FR_PRECISION_F16:
    case FR_PRECISION_BF16: return 2;
    default: return 1;
    }
}
