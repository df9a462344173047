#include "cli/models_common.h"
#include "cli/output.h"
#include "cli/table.h"

typedef struct model_row {
    fr_model_info info;
    fr_cost cost;
} model_row;

static int read_row(fr_context *context, const char *name, model_row *row) {
    fr_model *model;
    const cli_folding as_it_is = {0};
    row->cost = (fr_cost){0};
    int code = cli_get_model(context, name, &as_it_is, &model, &row->info);
    if (code != CLI_DONE)
        return code;
    fr_status status = fr_model_cost(model, 1, 4, 0, &row->cost);
    fr_model_free(model);
    return status == FR_OK ? CLI_DONE : cli_failed(status);
}

static void add_row(cli_table *table, const model_row *row) {
    const fr_model_info *info = &row->info;
    cli_table_cell(table, "%s", info->name);
    cli_table_cell(table, "%s", info->title);
    cli_table_cell(table, "%dx%dx%d", info->channels, info->height, info->width);
    cli_table_cell(table, "%d", info->classes);
    cli_table_cell(table, "%s", cli_integer(row->cost.params).text);
    cli_table_cell(table, "%s", cli_integer(row->cost.ops_per_input).text);
}

static void put_row(fr_json_writer *w, const model_row *row) {
    const fr_model_info *info = &row->info;
    fr_json_begin_object(w);
    fr_json_string_member(w, "name", info->name);
    fr_json_string_member(w, "title", info->title);
    fr_json_int_member(w, "channels", info->channels);
    fr_json_int_member(w, "height", info->height);
    fr_json_int_member(w, "width", info->width);
    fr_json_int_member(w, "classes", info->classes);
    fr_json_int_member(w, "params", row->cost.params);
    fr_json_int_member(w, "ops_per_image", row->cost.ops_per_input);
    fr_json_bool_member(w, "trained", info->trained);
    fr_json_end_object(w);
}

static int print_models(fr_context *context, bool json) {
    static const char *const head[] = {"MODEL", "TITLE", "IMAGE", "CLASSES", "PARAMETERS", "OPERATIONS"};
    fr_json_writer w = {.indent = 2};
    cli_table table = {.columns = "llrrrr"};
    int code = CLI_DONE;
    fr_json_begin_object(&w);
    fr_json_string_member(&w, "version", fr_version());
    fr_json_key(&w, "models");
    fr_json_begin_array(&w);
    cli_table_cells(&table, head);
    for (size_t i = 0; i < fr_zoo_count() && code == CLI_DONE; i++) {
        model_row row;
        code = read_row(context, fr_zoo_name(i), &row);
        if (code == CLI_DONE) {
            put_row(&w, &row);
            add_row(&table, &row);
        }
        fr_cost_free(&row.cost);
    }
    fr_json_end_array(&w);
    fr_json_end_object(&w);
    fr_text text = {0};
    cli_table_print(&table, &text);
    if (code == CLI_DONE && json)
        code = cli_write_json(NULL, &w);
    else if (code == CLI_DONE) {
        fr_text_add(&text, "\nOperations are for one image. The weights are seeded, not trained. Any of them folds: "
                           "foldrun show v1 --fold 4\n");
        code = cli_print(&text);
    }
    fr_text_free(&w.text);
    fr_text_free(&text);
    return code;
}

int cli_models(int argc, char **argv) {
    static const cli_usage usage = {
        .line = "models [options]",
        .about = "Lists the built-in models. Wherever a model is asked for, a .onnx or a .fold file will do too.\n",
        .examples = "  foldrun models\n  foldrun models --json | jq -r '.models[].name'\n",
    };
    bool json = false;
    const cli_option options[] = {CLI_JSON_OPTION(json), {.name = NULL}};
    int words;
    int code = cli_parse(argc, argv, &usage, options, &words);
    if (code != CLI_GO_ON)
        return code;
    fr_context *context;
    code = cli_open_context(&context);
    if (code != CLI_DONE)
        return code;
    code = print_models(context, json);
    fr_context_free(context);
    return code;
}
