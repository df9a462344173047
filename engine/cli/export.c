/* `export` and `fold`: a model, plain or folded, as an ONNX file. */
#include <string.h>

#include "cli/models_common.h"

static int warn_untrained(const char *path, const fr_model_info *info) {
    if (info->fold > 1)
        cli_complain("note: '%s' is '%s' folded by %d with fresh seeded weights: it must be trained before its answers "
                     "mean anything",
                     path, info->name, info->fold);
    else
        cli_complain("note: the weights in '%s' are seeded, not trained", path);
    return CLI_DONE;
}

static int save(const char *name, const cli_folding *folding, const char *path) {
    fr_context *context;
    fr_model *model;
    fr_model_info info;
    int code = cli_open_context(&context);
    if (code != CLI_DONE)
        return code;
    code = cli_get_model(context, name, folding, &model, &info);
    if (code == CLI_DONE) {
        fr_status status = fr_model_save(model, path);
        if (status != FR_OK)
            code = cli_failed(status);
        else if (!info.trained)
            code = warn_untrained(path, &info);
    }
    fr_model_free(model);
    fr_context_free(context);
    return code;
}

static int check_target(const char *path) {
    if (!path)
        return cli_usage_error("-o FILE.onnx is missing: where shall the model go?");
    if (!fr_ends_in(path, ".onnx"))
        return cli_usage_error("-o '%s': the name must end in .onnx", path);
    return CLI_GO_ON;
}

int cli_export(int argc, char **argv) {
    static const cli_usage usage = {
        .line = "export MODEL -o FILE.onnx [options]",
        .about = "Writes a model as standard ONNX, with what folding needs to know in its metadata.\n",
        .examples = "  foldrun export v1 -o v1.onnx\n  foldrun export n2 --fold 4 --round up:16 -o n2-by-4.onnx\n",
        .least = 1,
        .most = 1,
    };
    cli_folding folding = {0};
    const char *path = NULL;
    const cli_option options[] = {
        {"output", 'o', CLI_TEXT, "FILE", &path, "where it goes; the name ends in .onnx", 0, 0},
        {"fold", 'f', CLI_INT, "F", &folding.fold, "fold by F first: F images in one input (1)", 1, CLI_FOLD_MAX},
        CLI_ROUND_OPTION(folding),
        CLI_SEED_OPTION(folding),
        {.name = NULL},
    };
    int words;
    int code = cli_parse(argc, argv, &usage, options, &words);
    if (code == CLI_GO_ON)
        code = check_target(path);
    return code == CLI_GO_ON ? save(argv[1], &folding, path) : code;
}

int cli_fold(int argc, char **argv) {
    static const cli_usage usage = {
        .line = "fold FILE.onnx --fold F -o OUT.onnx [options]",
        .about = "Folds a model: F images become the channels of one input, and every hidden width grows by\n"
                 "sqrt(F). That is another network, with fresh seeded weights: it must be trained, and is then\n"
                 "usually a little less accurate.\n",
        .examples = "  foldrun fold mine.onnx --fold 4 -o mine-by-4.onnx\n"
                    "  foldrun fold mine.onnx --fold 2 --round up:16 --seed 7 -o mine-by-2.onnx\n",
        .least = 1,
        .most = 1,
    };
    cli_folding folding = {0};
    const char *path = NULL;
    const cli_option options[] = {
        {"fold", 'f', CLI_INT, "F", &folding.fold, "images in one input", 1, CLI_FOLD_MAX},
        {"output", 'o', CLI_TEXT, "FILE", &path, "where it goes; the name ends in .onnx", 0, 0},
        CLI_ROUND_OPTION(folding),
        CLI_SEED_OPTION(folding),
        {.name = NULL},
    };
    int words;
    int code = cli_parse(argc, argv, &usage, options, &words);
    if (code == CLI_GO_ON)
        code = check_target(path);
    if (code == CLI_GO_ON && folding.fold == 0)
        code = cli_usage_error("--fold F is missing: how many images in one input?");
    return code == CLI_GO_ON ? save(argv[1], &folding, path) : code;
}
