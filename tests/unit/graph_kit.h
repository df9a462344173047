/* Small graphs for the tests of engine/graph: built in a line a node, fed with seeded numbers, compared before and after. */
#ifndef FR_TESTS_GRAPH_KIT_H
#define FR_TESTS_GRAPH_KIT_H

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"
#include "check.h"
#include "graph/ops.h"
#include "graph/passes.h"

/* A kit call that fails says so and goes on with id 0: the check after it then fails with its own sentence. */
static inline void kit_expect(fr_status status) {
    if (status != FR_OK) {
        fprintf(stderr, "building a graph: %s\n", fr_error_sentence());
        check_failures++;
    }
}

#define DIMS(...) \
    ((fr_shape){.rank = (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dim = {__VA_ARGS__}})
#define IDS(...) ((const int32_t[]){__VA_ARGS__}), (int32_t)(sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

static inline fr_graph *kit_graph(void) {
    fr_graph *graph = NULL;
    kit_expect(fr_graph_new("kit", "a test", &graph));
    return graph;
}

static inline int32_t kit_input(fr_graph *graph, fr_shape shape) {
    int32_t value = 0;
    char name[16];
    snprintf(name, sizeof name, "in%d", graph->n_inputs);
    kit_expect(fr_graph_add_input(graph, name, FR_F32, &shape, &value));
    return value;
}

static inline int32_t kit_floats(fr_graph *graph, fr_shape shape, const float *data) {
    int32_t value = 0;
    kit_expect(fr_graph_add_const(graph, NULL, FR_F32, &shape, data, FR_INIT_NONE, &value));
    return value;
}

static inline int32_t kit_ints(fr_graph *graph, int64_t count, const int64_t *data) {
    int32_t value = 0;
    fr_shape shape = {.rank = 1, .dim = {count}};
    kit_expect(fr_graph_add_const(graph, NULL, FR_S64, &shape, data, FR_INIT_NONE, &value));
    return value;
}
#define INTS(graph, ...) \
    kit_ints((graph), (int64_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__})

static inline int32_t kit_number(fr_graph *graph, float number) {
    return kit_floats(graph, (fr_shape){0}, &number);
}

/* Uniform in [lo, hi). */
static inline int32_t kit_random(fr_graph *graph, fr_shape shape, double lo, double hi) {
    size_t count = fr_shape_elements(&shape);
    fr_random random = {(uint64_t)graph->n_values * 77 + 5};
    float *data = malloc((count + 1) * sizeof *data);
    for (size_t i = 0; i < count; i++)
        data[i] = (float)(lo + (hi - lo) * fr_random_uniform(&random));
    int32_t value = kit_floats(graph, shape, data);
    free(data);
    return value;
}

static inline int32_t kit_node(fr_graph *graph, fr_op op, const fr_attrs *attrs, const int32_t *inputs,
                               int32_t n_inputs) {
    int32_t value = 0;
    kit_expect(fr_graph_add_value(graph, NULL, &value));
    kit_expect(fr_graph_add_node(graph, op, NULL, attrs, inputs, n_inputs, &value, 1, NULL));
    return value;
}

static inline fr_dense kit_dense(fr_shape shape, const double *data) {
    fr_dense dense = {.shape = shape};
    size_t count = fr_shape_elements(&shape);
    fr_random random = {count};
    dense.data = fr_alloc_array(count, sizeof *dense.data);
    for (size_t i = 0; i < count; i++)
        dense.data[i] = data ? data[i] : 4 * fr_random_uniform(&random) - 2;
    return dense;
}

/* Random inputs for this batch; free each with fr_free. */
static inline void kit_feed(const fr_graph *graph, int64_t batch, fr_dense *out_inputs) {
    for (int32_t i = 0; i < graph->n_inputs; i++) {
        fr_shape shape = graph->values[graph->inputs[i]].shape;
        if (shape.rank > 0)
            shape.dim[0] = batch;
        out_inputs[i] = kit_dense(shape, NULL);
    }
}

static inline double kit_difference(const fr_dense *a, const fr_dense *b) {
    double most = 0;
    if (!a->data || !b->data || !fr_shape_equal(&a->shape, &b->shape))
        return INFINITY;
    for (size_t i = 0; i < fr_shape_elements(&a->shape); i++) {
        double off = fabs(a->data[i] - b->data[i]) / (1 + fabs(a->data[i]));
        most = off > most || isnan(off) ? off : most;
    }
    return most;
}

/* Simplifies the graph and says how far its answers moved for batches 1 and 3; INFINITY when a call fails. */
static inline double kit_simplify(fr_graph *graph) {
    double moved = 0;
    fr_graph *plain = NULL;
    if (fr_graph_clone(graph, &plain) != FR_OK || fr_graph_simplify(graph) != FR_OK) {
        fprintf(stderr, "simplify: %s\n", fr_error_sentence());
        fr_graph_free(plain);
        return INFINITY;
    }
    for (int64_t batch = 1; batch <= 3; batch += 2) {
        fr_dense in[4] = {{.data = NULL}}, before[4] = {{.data = NULL}}, after[4] = {{.data = NULL}};
        kit_feed(plain, batch, in);
        bool fine = fr_graph_eval(plain, in, before) == FR_OK && fr_graph_eval(graph, in, after) == FR_OK;
        if (!fine) {
            fprintf(stderr, "eval: %s\n", fr_error_sentence());
            moved = INFINITY;
        }
        for (int i = 0; i < 4; i++) {
            if (fine && i < graph->n_outputs)
                moved = fmax(moved, kit_difference(&before[i], &after[i]));
            fr_free(in[i].data);
            fr_free(before[i].data);
            fr_free(after[i].data);
        }
    }
    fr_graph_free(plain);
    return moved;
}

static inline int kit_count(const fr_graph *graph, fr_op op) {
    int count = 0;
    for (int32_t n = 0; n < graph->n_nodes; n++)
        count += graph->nodes[n].op == op;
    return count;
}

/* The first node of that op, or NULL. */
static inline const fr_node *kit_find(const fr_graph *graph, fr_op op) {
    for (int32_t n = 0; n < graph->n_nodes; n++)
        if (graph->nodes[n].op == op)
            return &graph->nodes[n];
    return NULL;
}

#endif
