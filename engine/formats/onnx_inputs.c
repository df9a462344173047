/* Inputs that are attributes in the graph: newer opsets moved limits, axes and pads from the one to the other. */
#include <math.h>
#include <string.h>

#include "formats/onnx_parts.h"

typedef struct moving {
    fr_onnx_import *in;
    const Onnx__NodeProto *node;
    bool *refused;
} moving;

static const char *input_name(const Onnx__NodeProto *node, size_t at) {
    return at < node->n_input && node->input[at] && node->input[at][0] ? node->input[at] : NULL;
}

static fr_status refuse_input(const moving *m, const char *what, const char *name) {
    *m->refused = true;
    return fr_onnx_fault_add(m->in, fr_onnx_node_name(m->node), m->node->op_type, "make that input an initializer",
                             "the model's input '%s' gives its %s", name, what);
}

/* Constants are read into *out_tensor and *out_known says so. What another node computes is left to fr_graph_infer, which
 * knows shape arithmetic; what a user would have to give at every run is refused. */
static fr_status read_input(const moving *m, size_t at, const char *what, fr_onnx_tensor *out_tensor, bool *out_known) {
    *out_known = false;
    *out_tensor = (fr_onnx_tensor){0};
    const char *name = input_name(m->node, at);
    fr_onnx_source *source = name ? fr_onnx_source_find(m->in, name) : NULL;
    if (!source)
        return FR_OK;
    if (fr_onnx_source_is_const(source)) {
        fr_status status = fr_onnx_source_read(m->in, source, out_tensor);
        *out_known = status == FR_OK;
        if (status != FR_UNSUPPORTED)
            return status;
        *m->refused = true;
        return fr_onnx_fault_add(m->in, fr_onnx_node_name(m->node), m->node->op_type, "store it as int64 or float",
                                 "its %s can't be read", what);
    }
    return source->from_input ? refuse_input(m, what, name) : FR_OK;
}

static fr_status bad_tensor(const moving *m, fr_onnx_tensor *tensor, const char *what, const char *want) {
    fr_free(tensor->data);
    return fr_fail(FR_INVALID, "node '%s' (%s): its %s must be %s", fr_onnx_node_name(m->node), m->node->op_type, what,
                   want);
}

static fr_status read_number(const moving *m, size_t at, const char *what, float *out, bool *out_known) {
    fr_onnx_tensor tensor;
    FR_TRY(read_input(m, at, what, &tensor, out_known));
    if (!*out_known)
        return FR_OK;
    if (fr_shape_elements(&tensor.shape) != 1)
        return bad_tensor(m, &tensor, what, "one number");
    *out = tensor.dtype == FR_F32 ? *(const float *)tensor.data : (float)*(const int64_t *)tensor.data;
    if (isnan(*out))
        return bad_tensor(m, &tensor, what, "a number, not NaN");
    fr_free(tensor.data);
    return FR_OK;
}

static fr_status read_numbers(const moving *m, size_t at, const char *what, int64_t *out, int32_t *out_count,
                              size_t room, bool *out_known) {
    fr_onnx_tensor tensor;
    FR_TRY(read_input(m, at, what, &tensor, out_known));
    if (!*out_known)
        return FR_OK;
    size_t count = fr_shape_elements(&tensor.shape);
    if (tensor.dtype != FR_S64 || tensor.shape.rank > 1 || count > room)
        return bad_tensor(m, &tensor, what, "a list of integers, at most one for a dimension");
    memcpy(out, tensor.data, count * sizeof *out);
    *out_count = (int32_t)count;
    fr_free(tensor.data);
    return FR_OK;
}

static fr_status move_pads(const moving *m, fr_attrs *attrs, bool moved[FR_ONNX_MOVABLE]) {
    FR_TRY(read_number(m, 2, "value", &attrs->pad_value, &moved[2]));
    if (input_name(m->node, 3)) /* only some axes: the shapes, once known, say which pads are meant */
        return FR_OK;
    return read_numbers(m, 1, "pads", attrs->pads, &attrs->n_pads, 2 * FR_MAX_RANK, &moved[1]);
}

static fr_status move_dropout(const moving *m, bool moved[FR_ONNX_MOVABLE]) {
    float training = 0, ratio;
    FR_TRY(read_number(m, 1, "ratio", &ratio, &moved[1]));
    FR_TRY(read_number(m, 2, "training mode", &training, &moved[2]));
    if (training == 0)
        return FR_OK;
    *m->refused = true;
    return fr_onnx_fault_add(m->in, fr_onnx_node_name(m->node), m->node->op_type,
                             "export the model for inference (model.eval())", "it is in training mode");
}

/* Weights and target shapes that the user would have to bring along. */
static fr_status check_fixed(const moving *m, size_t first, size_t last, const char *what) {
    for (size_t i = first; i <= last && !*m->refused; i++) {
        const char *name = input_name(m->node, i);
        const fr_onnx_source *source = name ? fr_onnx_source_find(m->in, name) : NULL;
        if (source && source->from_input)
            FR_TRY(refuse_input(m, what, name));
    }
    return FR_OK;
}

fr_status fr_onnx_node_inputs(fr_onnx_import *in, const Onnx__NodeProto *node, const fr_op_info *op, fr_attrs *attrs,
                              bool moved[FR_ONNX_MOVABLE], bool *out_refused) {
    const moving m = {in, node, out_refused};
    memset(moved, 0, FR_ONNX_MOVABLE * sizeof *moved);
    switch (op->op) {
    case FR_OP_CONV: return check_fixed(&m, 1, 2, "weights");
    case FR_OP_BATCHNORM: return check_fixed(&m, 1, 4, "weights");
    case FR_OP_RESHAPE: return check_fixed(&m, 1, 1, "target");
    case FR_OP_CLIP:
        if (in->opset < 11)
            return FR_OK;
        FR_TRY(read_number(&m, 1, "lower limit", &attrs->lo, &moved[1]));
        return read_number(&m, 2, "upper limit", &attrs->hi, &moved[2]);
    case FR_OP_SQUEEZE:
    case FR_OP_UNSQUEEZE:
    case FR_OP_REDUCEMEAN:
        if (in->opset < (op->op == FR_OP_REDUCEMEAN ? 18 : 13))
            return FR_OK;
        return read_numbers(&m, 1, "axes", attrs->axes, &attrs->n_axes, FR_MAX_RANK, &moved[1]);
    case FR_OP_PAD: return in->opset < 11 ? FR_OK : move_pads(&m, attrs, moved);
    case FR_OP_DROPOUT: return in->opset < 12 ? FR_OK : move_dropout(&m, moved);
    default: return FR_OK;
    }
}
