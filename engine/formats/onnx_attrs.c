/* Attributes of a node, by one table: which op has which, in which opsets, and where it goes in fr_attrs. */
#include <math.h>
#include <string.h>

#include "formats/onnx_parts.h"

#define FLOAT  ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT
#define INT    ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT
#define STRING ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING
#define INTS   ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS

typedef enum attr_form {
    FORM_IGNORED = 0, /* of training, or says nothing new */
    FORM_FLOAT,
    FORM_INT,
    FORM_BOOL,
    FORM_PAIR,     /* two numbers from 1: int32_t[2] */
    FORM_PADS,     /* four numbers from 0: int32_t[4] */
    FORM_AXES,     /* axes and n_axes */
    FORM_AXIS,     /* axes[0], n_axes = 1 */
    FORM_AXIS_END, /* Shape's end: axes[1], n_axes = 2 */
    FORM_ALL_PADS, /* pads and n_pads */
    FORM_AUTO_PAD,
    FORM_TYPE,
    FORM_ZERO,
    FORM_ONE,
    FORM_CONSTANT_MODE /* any other value is refused */
} attr_form;

typedef struct attr_rule {
    fr_op op;
    const char *name;
    int kind; /* AttributeProto.type */
    attr_form form;
    size_t at;        /* offset in fr_attrs */
    int since, until; /* opsets; 0 = no end */
    bool needed;
} attr_rule;

#define AT(member) offsetof(fr_attrs, member)
static const attr_rule rules[] = {
    {FR_OP_CONV, "kernel_shape", INTS, FORM_PAIR, AT(kernel), 0, 0, false},
    {FR_OP_CONV, "strides", INTS, FORM_PAIR, AT(stride), 0, 0, false},
    {FR_OP_CONV, "dilations", INTS, FORM_PAIR, AT(dilation), 0, 0, false},
    {FR_OP_CONV, "pads", INTS, FORM_PADS, AT(pad), 0, 0, false},
    {FR_OP_CONV, "auto_pad", STRING, FORM_AUTO_PAD, AT(auto_pad), 0, 0, false},
    {FR_OP_CONV, "group", INT, FORM_INT, AT(group), 0, 0, false},
    {FR_OP_MAXPOOL, "kernel_shape", INTS, FORM_PAIR, AT(kernel), 0, 0, true},
    {FR_OP_MAXPOOL, "strides", INTS, FORM_PAIR, AT(stride), 0, 0, false},
    {FR_OP_MAXPOOL, "dilations", INTS, FORM_PAIR, AT(dilation), 10, 0, false},
    {FR_OP_MAXPOOL, "pads", INTS, FORM_PADS, AT(pad), 0, 0, false},
    {FR_OP_MAXPOOL, "auto_pad", STRING, FORM_AUTO_PAD, AT(auto_pad), 0, 0, false},
    {FR_OP_MAXPOOL, "ceil_mode", INT, FORM_BOOL, AT(ceil_mode), 10, 0, false},
    {FR_OP_MAXPOOL, "storage_order", INT, FORM_IGNORED, 0, 8, 0, false}, /* orders the indices, which are refused */
    {FR_OP_AVGPOOL, "kernel_shape", INTS, FORM_PAIR, AT(kernel), 0, 0, true},
    {FR_OP_AVGPOOL, "strides", INTS, FORM_PAIR, AT(stride), 0, 0, false},
    {FR_OP_AVGPOOL, "dilations", INTS, FORM_PAIR, AT(dilation), 19, 0, false},
    {FR_OP_AVGPOOL, "pads", INTS, FORM_PADS, AT(pad), 0, 0, false},
    {FR_OP_AVGPOOL, "auto_pad", STRING, FORM_AUTO_PAD, AT(auto_pad), 0, 0, false},
    {FR_OP_AVGPOOL, "ceil_mode", INT, FORM_BOOL, AT(ceil_mode), 10, 0, false},
    {FR_OP_AVGPOOL, "count_include_pad", INT, FORM_BOOL, AT(count_include_pad), 0, 0, false},
    {FR_OP_GEMM, "alpha", FLOAT, FORM_FLOAT, AT(alpha), 0, 0, false},
    {FR_OP_GEMM, "beta", FLOAT, FORM_FLOAT, AT(beta), 0, 0, false},
    {FR_OP_GEMM, "transA", INT, FORM_BOOL, AT(trans_a), 0, 0, false},
    {FR_OP_GEMM, "transB", INT, FORM_BOOL, AT(trans_b), 0, 0, false},
    {FR_OP_BATCHNORM, "epsilon", FLOAT, FORM_FLOAT, AT(epsilon), 0, 0, false},
    {FR_OP_BATCHNORM, "momentum", FLOAT, FORM_IGNORED, 0, 0, 0, false},
    {FR_OP_BATCHNORM, "spatial", INT, FORM_ONE, 0, 0, 8, false},
    {FR_OP_BATCHNORM, "training_mode", INT, FORM_ZERO, 0, 14, 0, false},
    {FR_OP_CLIP, "min", FLOAT, FORM_FLOAT, AT(lo), 0, 10, false},
    {FR_OP_CLIP, "max", FLOAT, FORM_FLOAT, AT(hi), 0, 10, false},
    {FR_OP_LEAKYRELU, "alpha", FLOAT, FORM_FLOAT, AT(alpha), 0, 0, false},
    {FR_OP_HARDSIGMOID, "alpha", FLOAT, FORM_FLOAT, AT(alpha), 0, 0, false},
    {FR_OP_HARDSIGMOID, "beta", FLOAT, FORM_FLOAT, AT(beta), 0, 0, false},
    {FR_OP_CONCAT, "axis", INT, FORM_INT, AT(axis), 0, 0, true},
    {FR_OP_FLATTEN, "axis", INT, FORM_INT, AT(axis), 0, 0, false},
    {FR_OP_RESHAPE, "allowzero", INT, FORM_BOOL, AT(allow_zero), 14, 0, false},
    {FR_OP_SQUEEZE, "axes", INTS, FORM_AXES, 0, 0, 12, false},
    {FR_OP_UNSQUEEZE, "axes", INTS, FORM_AXES, 0, 0, 12, true},
    {FR_OP_TRANSPOSE, "perm", INTS, FORM_AXES, 0, 0, 0, false},
    {FR_OP_PAD, "mode", STRING, FORM_CONSTANT_MODE, 0, 0, 0, false},
    {FR_OP_PAD, "pads", INTS, FORM_ALL_PADS, 0, 0, 10, true},
    {FR_OP_PAD, "value", FLOAT, FORM_FLOAT, AT(pad_value), 0, 10, false},
    {FR_OP_LRN, "alpha", FLOAT, FORM_FLOAT, AT(alpha), 0, 0, false},
    {FR_OP_LRN, "beta", FLOAT, FORM_FLOAT, AT(beta), 0, 0, false},
    {FR_OP_LRN, "bias", FLOAT, FORM_FLOAT, AT(bias), 0, 0, false},
    {FR_OP_LRN, "size", INT, FORM_INT, AT(size), 0, 0, true},
    {FR_OP_DROPOUT, "ratio", FLOAT, FORM_IGNORED, 0, 0, 11, false},
    {FR_OP_DROPOUT, "seed", INT, FORM_IGNORED, 0, 12, 0, false},
    {FR_OP_SOFTMAX, "axis", INT, FORM_INT, AT(axis), 0, 0, false},
    {FR_OP_REDUCEMEAN, "axes", INTS, FORM_AXES, 0, 0, 17, false},
    {FR_OP_REDUCEMEAN, "keepdims", INT, FORM_BOOL, AT(keepdims), 0, 0, false},
    {FR_OP_REDUCEMEAN, "noop_with_empty_axes", INT, FORM_ZERO, 0, 18, 0, false},
    {FR_OP_ARGMAX, "axis", INT, FORM_INT, AT(axis), 0, 0, false},
    {FR_OP_ARGMAX, "keepdims", INT, FORM_BOOL, AT(keepdims), 0, 0, false},
    {FR_OP_ARGMAX, "select_last_index", INT, FORM_BOOL, AT(select_last), 12, 0, false},
    {FR_OP_SHAPE, "start", INT, FORM_AXIS, 0, 15, 0, false},
    {FR_OP_SHAPE, "end", INT, FORM_AXIS_END, 0, 15, 0, false},
    {FR_OP_GATHER, "axis", INT, FORM_INT, AT(axis), 0, 0, false},
    {FR_OP_CAST, "to", INT, FORM_TYPE, 0, 0, 0, true},
    {FR_OP_CAST, "saturate", INT, FORM_IGNORED, 0, 19, 0, false},
};

enum { MAX_ATTRIBUTES = 64 }; /* several times what any op has */

typedef struct reading {
    fr_onnx_import *in;
    const Onnx__NodeProto *node;
    fr_attrs *attrs;
    bool *refused;
} reading;

static fr_status refuse(const reading *r, const char *advice, const char *why, const char *name) {
    *r->refused = true;
    return fr_onnx_fault_add(r->in, fr_onnx_node_name(r->node), r->node->op_type, advice, why, name);
}

static fr_status bad(const reading *r, const Onnx__AttributeProto *attr, const char *what) {
    return fr_fail(FR_INVALID, "node '%s' (%s): attribute '%s' %s", fr_onnx_node_name(r->node), r->node->op_type,
                   attr->name, what);
}

static const char *kind_name(int kind) {
    static const char *const names[] = {"nothing",  "a float", "an integer", "text",
                                        "a tensor", "a graph", "floats",     "integers"};
    return kind >= 0 && (size_t)kind < sizeof names / sizeof *names ? names[kind] : "something else";
}

static fr_status check_kind(const reading *r, const Onnx__AttributeProto *attr, int want) {
    bool there = want == FLOAT ? attr->has_f : want == INT ? attr->has_i : want == STRING ? attr->has_s : true;
    if (attr->ref_attr_name && attr->ref_attr_name[0])
        return bad(r, attr, "refers to an attribute of a function, outside of any");
    if (attr->type == (Onnx__AttributeProto__AttributeType)want && there)
        return FR_OK;
    return fr_fail(FR_INVALID, "node '%s' (%s): attribute '%s' holds %s, where %s belongs", fr_onnx_node_name(r->node),
                   r->node->op_type, attr->name,
                   attr->type == (Onnx__AttributeProto__AttributeType)want ? "nothing" : kind_name((int)attr->type),
                   kind_name(want));
}

/* Kernels, strides, dilations and pads as small numbers: the products of any three fit in 64 bits. */
static fr_status read_window(const reading *r, const Onnx__AttributeProto *attr, int32_t *out, size_t count,
                             int64_t least) {
    enum { LARGEST = 1 << 20 };
    if (attr->n_ints != count && attr->n_ints != 0 && attr->n_ints * 2 % count == 0)
        return refuse(r, "only 2-D convolutions and pools run: reshape the data to N x C x H x W",
                      "'%s' is not of a 2-D window", attr->name);
    if (attr->n_ints != count)
        return bad(r, attr, count == 2 ? "must have 2 numbers" : "must have 4 numbers");
    for (size_t i = 0; i < count; i++) {
        if (attr->ints[i] < 0 && least == 0)
            return refuse(r, "crop the image before it enters the model", "'%s' has a negative number", attr->name);
        if (attr->ints[i] < least || attr->ints[i] > LARGEST)
            return bad(r, attr, least ? "must have numbers from 1 to 1048576" : "must have numbers from 0 to 1048576");
        out[i] = (int32_t)attr->ints[i];
    }
    return FR_OK;
}

static fr_status read_list(const reading *r, const Onnx__AttributeProto *attr, int64_t *out, int32_t *out_count,
                           size_t room) {
    if (attr->n_ints > room)
        return bad(r, attr, "has more numbers than a tensor has dimensions");
    for (size_t i = 0; i < attr->n_ints; i++)
        out[i] = attr->ints[i];
    *out_count = (int32_t)attr->n_ints;
    return FR_OK;
}

static bool text_is(const Onnx__AttributeProto *attr, const char *text) {
    return attr->s.len == strlen(text) && memcmp(attr->s.data, text, attr->s.len) == 0;
}

static fr_status read_auto_pad(const reading *r, const Onnx__AttributeProto *attr) {
    static const struct {
        const char *text;
        fr_auto_pad pad;
    } forms[] = {{"NOTSET", FR_PAD_EXPLICIT},
                 {"SAME_UPPER", FR_PAD_SAME_UPPER},
                 {"SAME_LOWER", FR_PAD_SAME_LOWER},
                 {"VALID", FR_PAD_VALID}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (text_is(attr, forms[i].text)) {
            r->attrs->auto_pad = forms[i].pad;
            return FR_OK;
        }
    }
    return bad(r, attr, "must be NOTSET, SAME_UPPER, SAME_LOWER or VALID");
}

static fr_status read_type(const reading *r, const Onnx__AttributeProto *attr) {
    r->attrs->to = attr->i >= 0 && attr->i <= INT32_MAX ? fr_onnx_dtype((int32_t)attr->i) : FR_DTYPE_NONE;
    if (r->attrs->to == FR_DTYPE_NONE)
        return refuse(r, "cast to float or int64", "'%s' is neither a float nor an integer type", attr->name);
    return FR_OK;
}

static fr_status read_one(const reading *r, const attr_rule *rule, const Onnx__AttributeProto *attr) {
    fr_attrs *a = r->attrs;
    void *at = (char *)a + rule->at;
    FR_TRY(check_kind(r, attr, rule->kind));
    switch (rule->form) {
    case FORM_FLOAT:
        if (isnan(attr->f))
            return bad(r, attr, "is not a number");
        *(float *)at = attr->f;
        return FR_OK;
    case FORM_INT:
        if (attr->i < INT32_MIN || attr->i > INT32_MAX)
            return bad(r, attr, "is out of range");
        *(int32_t *)at = (int32_t)attr->i;
        return FR_OK;
    case FORM_BOOL:
        if (attr->i != 0 && attr->i != 1)
            return bad(r, attr, "must be 0 or 1");
        *(bool *)at = attr->i == 1;
        return FR_OK;
    case FORM_PAIR: return read_window(r, attr, at, 2, 1);
    case FORM_PADS: return read_window(r, attr, at, 4, 0);
    case FORM_AXES: return read_list(r, attr, a->axes, &a->n_axes, FR_MAX_RANK);
    case FORM_ALL_PADS: return read_list(r, attr, a->pads, &a->n_pads, 2 * FR_MAX_RANK);
    case FORM_AXIS:
        a->axes[0] = attr->i;
        a->n_axes = a->n_axes > 1 ? a->n_axes : 1;
        return FR_OK;
    case FORM_AXIS_END:
        a->axes[1] = attr->i;
        a->n_axes = 2;
        return FR_OK;
    case FORM_AUTO_PAD: return read_auto_pad(r, attr);
    case FORM_TYPE: return read_type(r, attr);
    case FORM_ZERO:
        return attr->i == 0 ? FR_OK
                            : refuse(r, "export the model for inference (model.eval())", "'%s' is set", attr->name);
    case FORM_ONE:
        return attr->i == 1 ? FR_OK : refuse(r, "export it with opset 9 or later", "'%s' is not 1", attr->name);
    case FORM_CONSTANT_MODE:
        return text_is(attr, "constant") ? FR_OK
                                         : refuse(r, "pad with a constant", "its %s is not 'constant'", attr->name);
    case FORM_IGNORED: break;
    }
    return FR_OK;
}

/* What the attributes left out mean in this opset, where fr_attrs_default knows the newest alone. */
static void set_defaults(const fr_onnx_import *in, const fr_op_info *op, fr_attrs *attrs) {
    *attrs = fr_attrs_default(op->op);
    attrs->opset = in->opset;
    if (op->op == FR_OP_SOFTMAX)
        attrs->axis = in->opset < 13 ? 1 : -1;
}

static const attr_rule *rule_find(fr_op op, const char *name, int opset) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].op == op && strcmp(rules[i].name, name) == 0)
            return opset >= rules[i].since && (!rules[i].until || opset <= rules[i].until) ? &rules[i] : NULL;
    return NULL;
}

static const Onnx__AttributeProto *attr_find(const Onnx__NodeProto *node, const char *name, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (node->attribute[i]->name && strcmp(node->attribute[i]->name, name) == 0)
            return node->attribute[i];
    return NULL;
}

fr_status fr_onnx_node_attrs(fr_onnx_import *in, const Onnx__NodeProto *node, const fr_op_info *op, fr_attrs *attrs,
                             bool *out_refused) {
    reading r = {in, node, attrs, out_refused};
    set_defaults(in, op, attrs);
    *out_refused = false;
    if (node->n_attribute > MAX_ATTRIBUTES)
        return fr_fail(FR_INVALID, "node '%s' (%s) has %zu attributes", fr_onnx_node_name(node), node->op_type,
                       node->n_attribute);
    for (size_t i = 0; i < node->n_attribute; i++) {
        const Onnx__AttributeProto *attr = node->attribute[i];
        if (!attr->name || !attr->name[0])
            return fr_fail(FR_INVALID, "node '%s' (%s): an attribute has no name", fr_onnx_node_name(node),
                           node->op_type);
        FR_TRY(fr_onnx_name_check(attr->name, "an attribute"));
        if (attr_find(node, attr->name, i))
            return bad(&r, attr, "is there twice");
        const attr_rule *rule = rule_find(op->op, attr->name, in->opset);
        if (rule)
            FR_TRY(read_one(&r, rule, attr));
        else
            FR_TRY(refuse(&r, "export it with opset 13 to 18", "its attribute '%s' is not known in the file's opset",
                          attr->name));
    }
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].op == op->op && rules[i].needed && rule_find(op->op, rules[i].name, in->opset) &&
            !attr_find(node, rules[i].name, node->n_attribute))
            return fr_fail(FR_INVALID, "node '%s' (%s): the attribute '%s' is missing", fr_onnx_node_name(node),
                           node->op_type, rules[i].name);
    return FR_OK;
}
