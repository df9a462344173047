/* Adds nodes and weights to the graph that a .fold text describes, within the limits. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "formats/fold_text_parts.h"
#include "graph/ops.h"

const fr_shape *ft_current(const ft_parser *p) {
    return &p->graph->values[p->current].shape;
}

static int32_t *counter_of(ft_parser *p, const char *prefix) {
    ft_counter *c = p->counters;
    while (c->prefix && strcmp(c->prefix, prefix) != 0)
        c++;
    c->prefix = prefix; /* there are more counters than prefixes */
    return &c->count;
}

static fr_status check_size(const ft_parser *p, const char *what, const fr_shape *shape) {
    char text[96];
    fr_shape_text(shape, text, sizeof text);
    if (fr_shape_elements(shape) > FT_MAX_ELEMENTS)
        return ft_wrong(p, "%s %s: more than 2^31 numbers", what, text);
    if (shape->rank == 4 &&
        (shape->dim[1] > FT_MAX_CHANNELS || shape->dim[2] > FT_MAX_SIDE || shape->dim[3] > FT_MAX_SIDE))
        return ft_wrong(p, "%s %s: more than %d channels, or higher or wider than %d", what, text, FT_MAX_CHANNELS,
                        FT_MAX_SIDE);
    return FR_OK;
}

fr_status ft_add_weight(ft_parser *p, const char *prefix, const char *part, fr_init init, int32_t rank,
                        const int64_t *dims, int32_t *out_value) {
    fr_shape shape = {.rank = rank};
    char name[64];
    for (int32_t i = 0; i < rank; i++)
        shape.dim[i] = dims[i];
    snprintf(name, sizeof name, "%s%d.%s", prefix, *counter_of(p, prefix) + 1, part);
    if (fr_shape_elements(&shape) > FT_MAX_ELEMENTS)
        FR_TRY(check_size(p, name, &shape));
    return ft_within(p, fr_graph_add_const(p->graph, name, FR_F32, &shape, NULL, init, out_value));
}

fr_status ft_add_node(ft_parser *p, fr_op op, const char *prefix, const fr_attrs *attrs, const int32_t *inputs,
                      int32_t n_inputs) {
    char name[64];
    int32_t value, node;
    if (++p->n_layers > FT_MAX_LAYERS)
        return ft_wrong(p, "more than %d layers", FT_MAX_LAYERS);
    snprintf(name, sizeof name, "%s%d", prefix, ++*counter_of(p, prefix));
    FR_TRY(ft_within(p, fr_graph_add_value(p->graph, name, &value)));
    FR_TRY(ft_within(p, fr_graph_add_node(p->graph, op, name, attrs, inputs, n_inputs, &value, 1, &node)));
    p->node_lines[node] = p->line->number;
    FR_TRY(ft_within(p, fr_op_find(op)->infer(p->graph, &p->graph->nodes[node])));
    p->current = value;
    return check_size(p, name, ft_current(p));
}
