/* The layers of a .fold text: each reads its options from the line and becomes one to three nodes. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "formats/fold_text_parts.h"
#include "graph/ops.h"

typedef struct layer_kind layer_kind;
struct layer_kind {
    const char *word;
    fr_status (*build)(ft_parser *p, const layer_kind *kind);
    fr_op op;
    const char *prefix; /* of the node's name */
};

static fr_status plain_node(ft_parser *p, const layer_kind *kind) {
    fr_attrs attrs = fr_attrs_default(kind->op);
    return ft_add_node(p, kind->op, kind->prefix, &attrs, &p->current, 1);
}

/* ---- activations ---- */

static const char activation_words[] = "relu, relu6, leakyrelu SLOPE, sigmoid, hardsigmoid, hardswish or tanh";

static const struct {
    const char *word;
    fr_op op;
    const char *prefix;
} activations[] = {{"relu", FR_OP_RELU, "relu"},
                   {"relu6", FR_OP_CLIP, "clip"},
                   {"leakyrelu", FR_OP_LEAKYRELU, "leakyrelu"},
                   {"sigmoid", FR_OP_SIGMOID, "sigmoid"},
                   {"hardsigmoid", FR_OP_HARDSIGMOID, "hardsigmoid"},
                   {"hardswish", FR_OP_HARDSWISH, "hardswish"},
                   {"tanh", FR_OP_TANH, "tanh"}};
enum { N_ACTIVATIONS = sizeof activations / sizeof activations[0] };

static int32_t activation_of(ft_word word) { /* index, or -1 */
    for (int32_t i = 0; i < N_ACTIVATIONS; i++)
        if (ft_is(word, activations[i].word))
            return i;
    return -1;
}

typedef struct activation {
    const char *prefix;
    fr_op op;
    fr_attrs attrs;
} activation; /* op FR_OP_NONE: none */

/* Takes an activation's word, with its number, when one comes next. */
static fr_status read_activation(ft_parser *p, activation *out) {
    int32_t index = activation_of(ft_peek(p));
    if (index < 0)
        return FR_OK;
    fr_op op = activations[index].op;
    p->at++;
    out->op = op;
    out->prefix = activations[index].prefix;
    out->attrs = fr_attrs_default(op);
    if (op == FR_OP_CLIP) {
        out->attrs.lo = 0;
        out->attrs.hi = 6;
    } else if (op == FR_OP_HARDSIGMOID) {
        out->attrs.alpha = 1.0f / 6;
        out->attrs.beta = 0.5f;
    } else if (op == FR_OP_LEAKYRELU) {
        return ft_float(p, "leakyrelu's slope", &out->attrs.alpha);
    }
    return FR_OK;
}

static fr_status add_activation(ft_parser *p, const activation *act) {
    if (act->op == FR_OP_NONE)
        return FR_OK;
    return ft_add_node(p, act->op, act->prefix, &act->attrs, &p->current, 1);
}

static fr_status build_activation(ft_parser *p, const layer_kind *kind) {
    activation act = {0};
    (void)kind;
    p->at--; /* the word itself */
    FR_TRY(read_activation(p, &act));
    return add_activation(p, &act);
}

/* ---- windows ---- */

static fr_status need_map(ft_parser *p, const char *layer) {
    char text[96];
    if (ft_current(p)->rank == 4)
        return FR_OK;
    fr_shape_text(ft_current(p), text, sizeof text);
    return ft_wrong(p, "%s needs maps of channels x height x width, but what comes in is flat (%s)", layer, text);
}

static fr_status read_pair(ft_parser *p, const char *what, int32_t low, int32_t out[2]) {
    char sentence[96];
    int32_t count;
    snprintf(sentence, sizeof sentence, "%s (N, or HEIGHTxWIDTH)", what);
    FR_TRY(ft_sizes(p, sentence, low, FT_MAX_SIDE, 1, 2, out, &count));
    if (count == 1)
        out[1] = out[0];
    return FR_OK;
}

static fr_status read_kernel(ft_parser *p, const char *layer, fr_attrs *attrs) {
    char sentence[96];
    int32_t count;
    snprintf(sentence, sizeof sentence, "the window of %s (HEIGHTxWIDTH)", layer);
    return ft_sizes(p, sentence, 1, FT_MAX_SIDE, 2, 2, attrs->kernel, &count);
}

/* pad P | pad VERTICALxHORIZONTAL | pad TOPxLEFTxBOTTOMxRIGHT | pad same */
static fr_status read_pad(ft_parser *p, fr_attrs *attrs) {
    int32_t sides[4], count;
    if (ft_accept(p, "same")) {
        attrs->auto_pad = FR_PAD_SAME_UPPER;
        return FR_OK;
    }
    FR_TRY(
        ft_sizes(p, "a pad (N, HEIGHTxWIDTH, TOPxLEFTxBOTTOMxRIGHT or 'same')", 0, FT_MAX_SIDE, 1, 4, sides, &count));
    if (count == 3)
        return ft_wrong(p, "expected a pad of one, two or four numbers, found three");
    for (int32_t i = 0; i < 4; i++)
        attrs->pad[i] = sides[i % count];
    attrs->auto_pad = FR_PAD_EXPLICIT;
    return FR_OK;
}

/* stride and pad, which all windows have. */
static fr_status read_window_option(ft_parser *p, fr_attrs *attrs, bool *out_took) {
    *out_took = true;
    if (ft_accept(p, "stride"))
        return read_pair(p, "a stride", 1, attrs->stride);
    if (ft_accept(p, "pad"))
        return read_pad(p, attrs);
    *out_took = false;
    return FR_OK;
}

/* ---- convolutions ---- */

typedef struct conv_options {
    bool no_bias, bn;
    activation act;
} conv_options;

static fr_status read_conv_options(ft_parser *p, const layer_kind *kind, fr_attrs *attrs, conv_options *out) {
    bool depthwise = kind->prefix[0] == 'd';
    while (ft_peek(p).text && !ft_is(ft_peek(p), "as")) {
        bool took;
        FR_TRY(read_window_option(p, attrs, &took));
        if (took)
            continue;
        if (ft_accept(p, "dilation"))
            FR_TRY(read_pair(p, "a dilation", 1, attrs->dilation));
        else if (!depthwise && ft_accept(p, "group"))
            FR_TRY(ft_int(p, "a number of groups", 1, FT_MAX_CHANNELS, &attrs->group));
        else if (ft_accept(p, "nobias"))
            out->no_bias = true;
        else if (ft_accept(p, "bn"))
            out->bn = true;
        else if (out->act.op == FR_OP_NONE && activation_of(ft_peek(p)) >= 0)
            FR_TRY(read_activation(p, &out->act));
        else
            return ft_expected(p, "stride, pad, dilation,%s nobias, bn, %s", depthwise ? "" : " group,",
                               activation_words);
    }
    return FR_OK;
}

static fr_status add_batchnorm(ft_parser *p) {
    static const struct {
        const char *part;
        fr_init init;
    } parts[4] = {{"scale", FR_INIT_ONE}, {"shift", FR_INIT_ZERO}, {"mean", FR_INIT_ZERO}, {"variance", FR_INIT_ONE}};
    fr_attrs attrs = fr_attrs_default(FR_OP_BATCHNORM);
    int32_t inputs[5] = {p->current};
    for (int32_t i = 0; i < 4; i++)
        FR_TRY(ft_add_weight(p, "bn", parts[i].part, parts[i].init, 1, &ft_current(p)->dim[1], &inputs[i + 1]));
    return ft_add_node(p, FR_OP_BATCHNORM, "bn", &attrs, inputs, 5);
}

static fr_status build_batchnorm(ft_parser *p, const layer_kind *kind) {
    (void)kind;
    FR_TRY(need_map(p, "bn"));
    return add_batchnorm(p);
}

/* conv WIDTH KxK [options]; dwconv KxK [options]: one filter a channel */
static fr_status build_conv(ft_parser *p, const layer_kind *kind) {
    fr_attrs attrs = fr_attrs_default(FR_OP_CONV);
    conv_options options = {0};
    int32_t width, inputs[3];
    FR_TRY(need_map(p, kind->word));
    int64_t channels = ft_current(p)->dim[1];
    if (kind->prefix[0] == 'd')
        attrs.group = width = (int32_t)channels;
    else
        FR_TRY(ft_int(p, "conv's channels", 1, FT_MAX_CHANNELS, &width));
    FR_TRY(read_kernel(p, kind->word, &attrs));
    FR_TRY(read_conv_options(p, kind, &attrs, &options));
    if (channels % attrs.group || width % attrs.group)
        return ft_wrong(p, "group %d must divide both the %lld channels that come in and the %d that go out",
                        attrs.group, (long long)channels, width);
    int64_t dims[4] = {width, channels / attrs.group, attrs.kernel[0], attrs.kernel[1]};
    inputs[0] = p->current;
    FR_TRY(ft_add_weight(p, kind->prefix, "weight", FR_INIT_CONV, 4, dims, &inputs[1]));
    bool bias = !options.no_bias && !options.bn; /* a bias before a BatchNormalization would cancel out */
    if (bias)
        FR_TRY(ft_add_weight(p, kind->prefix, "bias", FR_INIT_ZERO, 1, dims, &inputs[2]));
    FR_TRY(ft_add_node(p, FR_OP_CONV, kind->prefix, &attrs, inputs, bias ? 3 : 2));
    if (options.bn)
        FR_TRY(add_batchnorm(p));
    return add_activation(p, &options.act);
}

/* fc WIDTH [nobias] [activation] */
static fr_status build_fc(ft_parser *p, const layer_kind *kind) {
    fr_attrs attrs = fr_attrs_default(FR_OP_GEMM);
    activation act = {0};
    int32_t width, inputs[3] = {p->current};
    char text[96];
    fr_shape_text(ft_current(p), text, sizeof text);
    if (ft_current(p)->rank != 2)
        return ft_wrong(p, "fc needs a flat input, but %s comes in: put 'flatten' on the line before", text);
    FR_TRY(ft_int(p, "fc's outputs", 1, FT_MAX_CHANNELS, &width));
    bool bias = !ft_accept(p, "nobias");
    FR_TRY(read_activation(p, &act));
    int64_t dims[2] = {width, ft_current(p)->dim[1]};
    attrs.trans_b = true; /* weights as [out][in] */
    FR_TRY(ft_add_weight(p, kind->prefix, "weight", FR_INIT_FC, 2, dims, &inputs[1]));
    if (bias)
        FR_TRY(ft_add_weight(p, kind->prefix, "bias", FR_INIT_ZERO, 1, dims, &inputs[2]));
    FR_TRY(ft_add_node(p, FR_OP_GEMM, kind->prefix, &attrs, inputs, bias ? 3 : 2));
    return add_activation(p, &act);
}

/* ---- pools and the rest ---- */

static fr_status build_pool(ft_parser *p, const layer_kind *kind) {
    fr_attrs attrs = fr_attrs_default(kind->op);
    FR_TRY(need_map(p, kind->word));
    FR_TRY(read_kernel(p, kind->word, &attrs));
    for (bool took = true; took;) {
        FR_TRY(read_window_option(p, &attrs, &took));
        if (!took && ft_accept(p, "ceil"))
            took = attrs.ceil_mode = true;
        else if (!took && kind->op == FR_OP_AVGPOOL && ft_accept(p, "includepad"))
            took = attrs.count_include_pad = true;
    }
    return ft_add_node(p, kind->op, kind->prefix, &attrs, &p->current, 1);
}

static fr_status build_map_node(ft_parser *p, const layer_kind *kind) {
    FR_TRY(need_map(p, kind->word));
    return plain_node(p, kind);
}

static fr_status build_softmax(ft_parser *p, const layer_kind *kind) {
    fr_attrs attrs = fr_attrs_default(kind->op);
    attrs.axis = 1;
    return ft_add_node(p, kind->op, kind->prefix, &attrs, &p->current, 1);
}

/* lrn SIZE [alpha A] [beta B] [bias K] */
static fr_status build_lrn(ft_parser *p, const layer_kind *kind) {
    fr_attrs attrs = fr_attrs_default(kind->op);
    FR_TRY(need_map(p, kind->word));
    FR_TRY(ft_int(p, "lrn's size", 1, FT_MAX_CHANNELS, &attrs.size));
    while (ft_peek(p).text) {
        if (ft_accept(p, "alpha"))
            FR_TRY(ft_float(p, "alpha", &attrs.alpha));
        else if (ft_accept(p, "beta"))
            FR_TRY(ft_float(p, "beta", &attrs.beta));
        else if (ft_accept(p, "bias"))
            FR_TRY(ft_float(p, "bias", &attrs.bias));
        else
            break;
    }
    return ft_add_node(p, kind->op, kind->prefix, &attrs, &p->current, 1);
}

static fr_status read_point(ft_parser *p, int32_t *out_value) {
    ft_word word = ft_peek(p), name;
    FR_TRY(ft_name(p, "the name of an earlier result", &name));
    *out_value = ft_find_point(p, name);
    if (*out_value >= 0)
        return FR_OK;
    return ft_wrong(p, "expected the name of an earlier result, found '%.*s': no 'as %.*s' comes before", word.length,
                    word.text, word.length, word.text);
}

/* add NAME [activation]: what comes in plus an earlier result */
static fr_status build_binary(ft_parser *p, const layer_kind *kind) {
    fr_attrs attrs = fr_attrs_default(kind->op);
    activation act = {0};
    int32_t inputs[2] = {p->current};
    FR_TRY(read_point(p, &inputs[1]));
    FR_TRY(read_activation(p, &act));
    FR_TRY(ft_add_node(p, kind->op, kind->prefix, &attrs, inputs, 2));
    return add_activation(p, &act);
}

/* concat NAME NAME ...: earlier results, along the channels */
static fr_status build_concat(ft_parser *p, const layer_kind *kind) {
    fr_attrs attrs = fr_attrs_default(kind->op);
    int32_t inputs[FT_MAX_SOURCES], count = 0;
    do {
        if (count == FT_MAX_SOURCES)
            return ft_wrong(p, "concat of more than %d results", FT_MAX_SOURCES);
        FR_TRY(read_point(p, &inputs[count++]));
    } while (ft_peek(p).text && !ft_is(ft_peek(p), "as"));
    attrs.axis = 1;
    return ft_add_node(p, kind->op, kind->prefix, &attrs, inputs, count);
}

static const layer_kind kinds[] = {
    {"conv", build_conv, FR_OP_CONV, "conv"},
    {"dwconv", build_conv, FR_OP_CONV, "dwconv"},
    {"fc", build_fc, FR_OP_GEMM, "fc"},
    {"bn", build_batchnorm, FR_OP_BATCHNORM, "bn"},
    {"maxpool", build_pool, FR_OP_MAXPOOL, "pool"},
    {"avgpool", build_pool, FR_OP_AVGPOOL, "pool"},
    {"globalavgpool", build_map_node, FR_OP_GLOBALAVGPOOL, "pool"},
    {"globalmaxpool", build_map_node, FR_OP_GLOBALMAXPOOL, "pool"},
    {"flatten", plain_node, FR_OP_FLATTEN, "flatten"},
    {"softmax", build_softmax, FR_OP_SOFTMAX, "softmax"},
    {"dropout", plain_node, FR_OP_DROPOUT, "dropout"},
    {"lrn", build_lrn, FR_OP_LRN, "lrn"},
    {"add", build_binary, FR_OP_ADD, "add"},
    {"mul", build_binary, FR_OP_MUL, "mul"},
    {"concat", build_concat, FR_OP_CONCAT, "concat"},
};

static const layer_kind *kind_of(ft_word word) {
    static const layer_kind act = {"activation", build_activation, FR_OP_NONE, ""};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (ft_is(word, kinds[i].word))
            return &kinds[i];
    return activation_of(word) < 0 ? NULL : &act;
}

bool ft_is_layer(ft_word word) {
    return kind_of(word) != NULL;
}

fr_status ft_layer(ft_parser *p, ft_word word) {
    const layer_kind *kind = kind_of(word);
    return kind->build(p, kind);
}
