#include <string.h>

#include "cli/models_common.h"
#include "cli/output.h"
#include "cli/table.h"

/* A model and what it costs. The traffic rule is about a plain layer that is to be folded: where the model shown is folded,
 * `rule` holds the plain model's cost, layer for layer. */
typedef struct show_facts {
    fr_model_info info;
    fr_cost cost, rule;
    bool has_rule;
    int32_t rule_fold;
} show_facts;

typedef struct show_request {
    const char *name;
    cli_folding folding;
    int64_t batch;
    fr_precision precision;
    bool layers, json;
} show_request;

static int read_rule(fr_context *context, const show_request *request, int32_t bytes, show_facts *facts) {
    const cli_folding plain = {0};
    fr_model *model;
    fr_model_info info;
    int code = cli_get_model(context, request->name, &plain, &model, &info);
    if (code != CLI_DONE)
        return code;
    fr_status status = fr_model_cost(model, request->batch, bytes, facts->rule_fold, &facts->rule);
    fr_model_free(model);
    if (status != FR_OK)
        return cli_failed(status);
    facts->has_rule = info.fold == 1 && facts->rule.n_layers == facts->cost.n_layers;
    return CLI_DONE;
}

static int read_facts(fr_context *context, const show_request *request, show_facts *facts) {
    fr_model *model;
    int32_t bytes = cli_precision_bytes(request->precision);
    *facts = (show_facts){.rule_fold = 4};
    int code = cli_get_model(context, request->name, &request->folding, &model, &facts->info);
    if (code != CLI_DONE)
        return code;
    if (facts->info.fold > 1)
        facts->rule_fold = facts->info.fold;
    fr_status status = fr_model_cost(model, request->batch, bytes, facts->rule_fold, &facts->cost);
    fr_model_free(model);
    if (status != FR_OK)
        return cli_failed(status);
    return read_rule(context, request, bytes, facts);
}

static const fr_layer_cost *rule_of(const show_facts *facts, size_t layer) {
    const fr_layer_cost *rule = facts->has_rule ? &facts->rule.layers[layer] : NULL;
    return rule && rule->nhw_threshold >= 0 ? rule : NULL;
}

static void add_layers(const show_facts *facts, fr_text *text) {
    static const char *const head[] = {"LAYER",      "KIND",       "IN",          "OUT",         "KERNEL",
                                       "OPERATIONS", "PARAMETERS", "WEIGHTS",     "ACTIVATIONS", "FLOP/B",
                                       "NHW",        "THRESHOLD",  "LESS TRAFFIC"};
    cli_table table = {.columns = "llllrrrrrrrrl"};
    cli_table_cells(&table, head);
    for (size_t i = 0; i < facts->cost.n_layers; i++) {
        const fr_layer_cost *l = &facts->cost.layers[i], *rule = rule_of(facts, i);
        cli_table_cell(&table, "%s", l->name);
        cli_table_cell(&table, "%s", l->kind);
        cli_table_cell(&table, "%dx%dx%d", l->in[0], l->in[1], l->in[2]);
        cli_table_cell(&table, "%dx%dx%d", l->out[0], l->out[1], l->out[2]);
        if (l->kernel[0] > 0)
            cli_table_cell(&table, l->groups > 1 ? "%dx%d/%d g%d" : "%dx%d/%d", l->kernel[0], l->kernel[1],
                           l->stride[0], l->groups);
        else
            cli_table_cell(&table, "-");
        cli_table_cell(&table, "%s", cli_integer(l->ops_per_input).text);
        cli_table_cell(&table, "%s", cli_integer(l->params).text);
        cli_table_cell(&table, "%s", cli_bytes(l->weight_bytes).text);
        cli_table_cell(&table, "%s", cli_bytes(l->activation_bytes).text);
        cli_table_cell(&table, "%s", l->arithmetic_intensity > 0 ? cli_real(l->arithmetic_intensity).text : "-");
        cli_table_cell(&table, "%s", rule ? cli_real(rule->nhw).text : "-");
        cli_table_cell(&table, "%s", rule ? cli_real(rule->nhw_threshold).text : "-");
        cli_table_cell(&table, "%s", !rule ? "-" : rule->nhw > rule->nhw_threshold ? "yes" : "no");
    }
    fr_text_add(text, "\n");
    cli_table_print(&table, text);
    if (facts->has_rule)
        fr_text_add(text,
                    "\nLESS TRAFFIC: whether folding the plain layer by %d lowers its memory traffic at this batch: "
                    "NHW > THRESHOLD.\n",
                    facts->rule_fold);
}

static int print_text(const show_request *request, const show_facts *facts) {
    const fr_model_info *info = &facts->info;
    const fr_cost *cost = &facts->cost;
    const char *precision = fr_precision_name(request->precision);
    fr_text text = {0};
    fr_text_add(&text, "%s%s%s%s, %s\n", info->name, info->title[0] ? " \"" : "", info->title,
                info->title[0] ? "\"" : "", info->trained ? "trained" : "seeded weights, not trained");
    fr_text_add(&text, "fold                  %d (%d image%s in one input)\n", info->fold, cost->images_per_input,
                cost->images_per_input == 1 ? "" : "s");
    fr_text_add(&text, "one image             %dx%dx%d (channels, height, width), %d classes\n", info->channels,
                info->height, info->width, info->classes);
    fr_text_add(&text, "one input             %dx%dx%d\n", info->input_channels, info->height, info->width);
    fr_text_add(&text, "operations, an input  %s\n", cli_integer(cost->ops_per_input).text);
    fr_text_add(&text, "operations, an image  %s\n", cli_real(cost->ops_per_image).text);
    fr_text_add(&text, "parameters            %s\n", cli_integer(cost->params).text);
    fr_text_add(&text, "at batch %s in %s:\n", cli_integer(cost->batch_images).text, precision);
    fr_text_add(&text, "  weights             %s\n", cli_bytes(cost->weight_bytes).text);
    fr_text_add(&text, "  activation traffic  %s\n", cli_bytes(cost->activation_bytes).text);
    fr_text_add(&text, "  arithmetic          %s MFLOP\n", cli_real(cost->flops / 1e6).text);
    fr_text_add(&text, "  intensity           %s FLOP a byte\n", cli_real(cost->arithmetic_intensity).text);
    if (info->n_accuracy > 0)
        fr_text_add(&text, "measured accuracy    ");
    for (int i = 0; i < info->n_accuracy; i++)
        fr_text_add(&text, " f=%d: %.2f%%", info->accuracy[i].fold, info->accuracy[i].accuracy);
    fr_text_add(&text, info->n_accuracy > 0 ? "\n" : "");
    if (request->layers)
        add_layers(facts, &text);
    return cli_print(&text);
}

static void put_pair(fr_json_writer *w, const char *key, const int32_t *numbers, int count) {
    fr_json_key(w, key);
    fr_json_begin_array(w);
    for (int i = 0; i < count; i++)
        fr_json_put_int(w, numbers[i]);
    fr_json_end_array(w);
}

static void put_layer(fr_json_writer *w, const fr_layer_cost *l, const fr_layer_cost *rule) {
    fr_json_begin_object(w);
    fr_json_string_member(w, "name", l->name);
    fr_json_string_member(w, "kind", l->kind);
    put_pair(w, "in", l->in, 3);
    put_pair(w, "out", l->out, 3);
    put_pair(w, "kernel", l->kernel, 2);
    put_pair(w, "stride", l->stride, 2);
    fr_json_int_member(w, "groups", l->groups);
    fr_json_int_member(w, "ops_per_input", l->ops_per_input);
    fr_json_int_member(w, "params", l->params);
    fr_json_number_member(w, "weight_bytes", l->weight_bytes);
    fr_json_number_member(w, "activation_bytes", l->activation_bytes);
    fr_json_number_member(w, "flops", l->flops);
    fr_json_number_member(w, "arithmetic_intensity", l->arithmetic_intensity);
    if (rule) {
        fr_json_number_member(w, "nhw", rule->nhw);
        fr_json_number_member(w, "nhw_threshold", rule->nhw_threshold);
        fr_json_bool_member(w, "fold_lowers_traffic", rule->nhw > rule->nhw_threshold);
    } else {
        for (int i = 0; i < 3; i++) {
            fr_json_key(w, i == 0 ? "nhw" : i == 1 ? "nhw_threshold" : "fold_lowers_traffic");
            fr_json_put_null(w);
        }
    }
    fr_json_end_object(w);
}

static int print_json(const show_request *request, const show_facts *facts) {
    const fr_model_info *info = &facts->info;
    const fr_cost *cost = &facts->cost;
    fr_json_writer w = {.indent = 2};
    fr_json_begin_object(&w);
    fr_json_string_member(&w, "name", info->name);
    fr_json_string_member(&w, "title", info->title);
    fr_json_int_member(&w, "fold", info->fold);
    fr_json_int_member(&w, "images_per_input", cost->images_per_input);
    fr_json_bool_member(&w, "trained", info->trained);
    fr_json_int_member(&w, "channels", info->channels);
    fr_json_int_member(&w, "height", info->height);
    fr_json_int_member(&w, "width", info->width);
    fr_json_int_member(&w, "input_channels", info->input_channels);
    fr_json_int_member(&w, "classes", info->classes);
    fr_json_int_member(&w, "batch", cost->batch_images);
    fr_json_int_member(&w, "inputs", cost->inputs);
    fr_json_string_member(&w, "precision", fr_precision_name(request->precision));
    fr_json_int_member(&w, "bytes_per_element", cost->bytes_per_element);
    fr_json_int_member(&w, "ops_per_input", cost->ops_per_input);
    fr_json_number_member(&w, "ops_per_image", cost->ops_per_image);
    fr_json_int_member(&w, "params", cost->params);
    fr_json_number_member(&w, "weight_bytes", cost->weight_bytes);
    fr_json_number_member(&w, "activation_bytes", cost->activation_bytes);
    fr_json_number_member(&w, "flops", cost->flops);
    fr_json_number_member(&w, "arithmetic_intensity", cost->arithmetic_intensity);
    fr_json_int_member(&w, "threshold_fold", facts->rule_fold);
    fr_json_key(&w, "accuracy");
    fr_json_begin_array(&w);
    for (int i = 0; i < info->n_accuracy; i++) {
        fr_json_begin_object(&w);
        fr_json_int_member(&w, "fold", info->accuracy[i].fold);
        fr_json_number_member(&w, "accuracy", info->accuracy[i].accuracy);
        fr_json_end_object(&w);
    }
    fr_json_end_array(&w);
    fr_json_key(&w, "layers");
    fr_json_begin_array(&w);
    for (size_t i = 0; i < cost->n_layers; i++)
        put_layer(&w, &cost->layers[i], rule_of(facts, i));
    fr_json_end_array(&w);
    fr_json_end_object(&w);
    return cli_write_json(NULL, &w);
}

int cli_show(int argc, char **argv) {
    static const cli_usage usage = {
        .line = "show MODEL [options]",
        .about = "Shapes and cost figures: operations, parameters, memory traffic, arithmetic intensity, and for\n"
                 "each layer whether folding lowers its traffic. MODEL is a built-in name, a .onnx or a .fold file.\n",
        .examples = "  foldrun show v1\n"
                    "  foldrun show v1 --fold 4 --layers\n"
                    "  foldrun show n2 --fold 4 --batch 1024 --precision bf16 --json | jq .arithmetic_intensity\n",
        .least = 1,
        .most = 1,
    };
    show_request request = {.batch = 1024};
    const cli_option options[] = {
        {"fold", 'f', CLI_INT, "F", &request.folding.fold, "fold by F: F images in one input (the model's own)", 1,
         CLI_FOLD_MAX},
        CLI_ROUND_OPTION(request.folding),
        {"batch", 'b', CLI_INT, "N", &request.batch, "images the traffic is counted for (1024)", 1, 1 << 30},
        {"precision", 'p', CLI_PRECISION, "P", &request.precision,
         "f32, tf32, f16, bf16, int8 or f64: bytes an element (f32)", 0, 0},
        {"layers", 0, CLI_FLAG, NULL, &request.layers, "a table of the layers too", 0, 0},
        CLI_JSON_OPTION(request.json),
        {.name = NULL},
    };
    int words;
    int code = cli_parse(argc, argv, &usage, options, &words);
    if (code != CLI_GO_ON)
        return code;
    request.name = argv[1];
    fr_context *context;
    show_facts facts = {0};
    code = cli_open_context(&context);
    if (code != CLI_DONE)
        return code;
    code = read_facts(context, &request, &facts);
    if (code == CLI_DONE)
        code = request.json ? print_json(&request, &facts) : print_text(&request, &facts);
    fr_cost_free(&facts.cost);
    fr_cost_free(&facts.rule);
    fr_context_free(context);
    return code;
}
