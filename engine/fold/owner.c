/* Who makes the logits: walking back from the output to the conv or fc that folding gives f times the outputs. */
#include "base/status.h"
#include "fold/fold_parts.h"
#include "graph/ops.h"

int32_t fold_producer(const fr_graph *graph, int32_t value) {
    for (int32_t i = 0; i < graph->n_nodes; i++)
        for (int32_t k = 0; k < graph->nodes[i].n_outputs; k++)
            if (graph->nodes[i].outputs[k] == value)
                return i;
    return -1;
}

static int32_t uses_of(const fr_graph *graph, int32_t value) {
    int32_t uses = 0;
    for (int32_t i = 0; i < graph->n_nodes; i++)
        for (int32_t k = 0; k < graph->nodes[i].n_inputs; k++)
            uses += graph->nodes[i].inputs[k] == value;
    return uses;
}

bool fold_is_depthwise(const fr_graph *graph, const fr_node *node) {
    const fr_value *in = &graph->values[node->inputs[0]];
    return node->op == FR_OP_CONV && node->attrs.group > 1 && in->shape.rank == 4 &&
           node->attrs.group == in->shape.dim[1];
}

/* The input through which a node passes its channels on, one for one; -1 when it makes or mixes them. */
static int32_t passes_on(const fr_graph *graph, const fr_node *node) {
    switch (node->op) {
    case FR_OP_BATCHNORM:
    case FR_OP_RELU:
    case FR_OP_CLIP:
    case FR_OP_LEAKYRELU:
    case FR_OP_SIGMOID:
    case FR_OP_HARDSIGMOID:
    case FR_OP_HARDSWISH:
    case FR_OP_TANH:
    case FR_OP_MAXPOOL:
    case FR_OP_AVGPOOL:
    case FR_OP_GLOBALAVGPOOL:
    case FR_OP_GLOBALMAXPOOL:
    case FR_OP_FLATTEN:
    case FR_OP_SQUEEZE:
    case FR_OP_UNSQUEEZE:
    case FR_OP_PAD:
    case FR_OP_DROPOUT:
    case FR_OP_IDENTITY:
    case FR_OP_SOFTMAX:
    case FR_OP_REDUCEMEAN: return node->inputs[0];
    case FR_OP_CONV: return fold_is_depthwise(graph, node) ? node->inputs[0] : -1;
    case FR_OP_ADD:
    case FR_OP_SUB:
    case FR_OP_MUL:
    case FR_OP_DIV: /* with a constant: a bias or a scale */
        if (graph->values[node->inputs[1]].is_const)
            return node->inputs[0];
        return graph->values[node->inputs[0]].is_const ? node->inputs[1] : -1;
    default: return -1;
    }
}

fr_status fold_find_owner(fold_job *job) {
    fr_graph *graph = job->graph;
    int32_t value = graph->outputs[0];
    for (bool first = true;; first = false) {
        int32_t index = fold_producer(graph, value);
        if (index < 0)
            return fr_fail(FR_UNSUPPORTED, "cannot fold '%s': no conv and no fc makes its output", graph->name);
        fr_node *node = &graph->nodes[index];
        if (uses_of(graph, value) != !first)
            return fold_refuse(job, node,
                               "it makes the logits and also feeds other layers; folding needs a last layer of its own "
                               "for the logits");
        int32_t before = passes_on(graph, node);
        if (before < 0 && node->op != FR_OP_CONV && node->op != FR_OP_GEMM && node->op != FR_OP_MATMUL)
            return fold_refuse(
                job, node, "no single conv or fc makes the logits, so none can make those of each image%s",
                node->op == FR_OP_ARGMAX ? " (end the model before ArgMax; foldrun names the best class itself)" : "");
        job->owner = index;
        if (before < 0)
            return FR_OK;
        if (node->op == FR_OP_SOFTMAX) {
            node->op = FR_OP_IDENTITY;
            node->attrs = fr_attrs_default(FR_OP_IDENTITY);
        }
        value = before;
    }
}
