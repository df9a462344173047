/* Seeded numbers for constants that come without data: the same for the same seed, name and shape, on every machine. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "graph/op_parts.h"

static const float bias_bound = 0.05f; /* small, not zero: a bias that is lost or misplaced shows in any test */

/* Groups of the conv that a weight belongs to: its outputs see, and its inputs feed, one group only. */
static int64_t groups_of(const fr_graph *graph, int32_t value) {
    for (int32_t n = 0; n < graph->n_nodes; n++) {
        const fr_node *node = &graph->nodes[n];
        if (node->op == FR_OP_CONV && node->inputs[1] == value && node->attrs.group > 0)
            return node->attrs.group;
    }
    return 1;
}

/* Is a Gemm's or MatMul's weight held as [out][in]? */
static bool is_out_in(const fr_graph *graph, int32_t value) {
    for (int32_t n = 0; n < graph->n_nodes; n++) {
        const fr_node *node = &graph->nodes[n];
        if ((node->op == FR_OP_GEMM || node->op == FR_OP_MATMUL) && node->inputs[1] == value)
            return node->op == FR_OP_GEMM && node->attrs.trans_b;
    }
    return true;
}

/*
 * Conv: Xavier uniform with ReLU's gain sqrt(2), bound = sqrt(2) * sqrt(6 / (fan_in + fan_out)).
 * Fc: uniform with variance 2 / fan_in, bound = sqrt(6 / fan_in): activations keep their size through any depth.
 */
static double bound_of(const fr_graph *graph, int32_t value) {
    const fr_shape *s = &graph->values[value].shape;
    if (graph->values[value].init == FR_INIT_FC) {
        int64_t fan_in = s->rank < 2 ? 1 : is_out_in(graph, value) ? s->dim[1] : s->dim[0];
        return sqrt(6.0 / (double)(fan_in > 0 ? fan_in : 1));
    }
    double taps = (double)fr_shape_span(s, s->rank < 2 ? s->rank : 2, s->rank);
    double fan_in = s->rank < 2 ? 1 : (double)s->dim[1] * taps;
    double fan_out = s->rank < 1 ? 1 : (double)s->dim[0] / (double)groups_of(graph, value) * taps;
    return sqrt(2.0) * sqrt(6.0 / (fan_in + fan_out));
}

/* Uniform in [-bound, bound): two numbers of 24 bits from each 64. */
static void fill_uniform(float *data, size_t count, fr_random random, float bound) {
    const float unit = bound / 8388608.0f;
    for (size_t i = 0; i < count; i += 2) {
        uint64_t bits = fr_random_next(&random);
        data[i] = (float)((int32_t)(bits >> 40) - 8388608) * unit;
        if (i + 1 < count)
            data[i + 1] = (float)((int32_t)(bits >> 8 & 0xffffff) - 8388608) * unit;
    }
}

static fr_random random_of(const fr_graph *graph, const fr_value *value) {
    fr_hash hash = fr_hash_bytes(value->name, strlen(value->name), (fr_hash){graph->meta.seed, 0x666f6c6472756eu});
    hash = fr_hash_bytes(value->shape.dim, (size_t)value->shape.rank * sizeof *value->shape.dim, hash);
    return (fr_random){hash.a ^ hash.b};
}

fr_status fr_value_materialize(fr_graph *graph, int32_t id) {
    fr_value *value = &graph->values[id];
    if (value->data || !value->is_const)
        return FR_OK;
    size_t count = fr_shape_elements(&value->shape), bytes;
    if (count == SIZE_MAX || !fr_size_mul(count, fr_dtype_bytes(value->dtype), &bytes))
        return fr_fail(FR_INVALID, "constant '%s' is too large", value->name);
    if (value->dtype != FR_F32 || value->init == FR_INIT_NONE)
        return fr_fail(FR_INTERNAL, "constant '%s' has no data", value->name);
    float *data = fr_alloc(bytes);
    if (!data)
        return fr_no_memory(bytes, value->name);
    switch (value->init) {
    case FR_INIT_ONE:
        for (size_t i = 0; i < count; i++)
            data[i] = 1.0f;
        break;
    case FR_INIT_ZERO: fill_uniform(data, count, random_of(graph, value), bias_bound); break;
    default: fill_uniform(data, count, random_of(graph, value), (float)bound_of(graph, id)); break;
    }
    value->data = data;
    return FR_OK;
}

/* All exponent bits set is infinity or NaN. */
static fr_status check_finite(const fr_value *value) {
    size_t count = fr_shape_elements(&value->shape);
    const float *data = value->data;
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &data[i], sizeof bits);
        found |= (uint32_t)((bits & 0x7f800000u) == 0x7f800000u);
    }
    if (!found)
        return FR_OK;
    size_t first = 0;
    while (first < count && isfinite(data[first]))
        first++;
    return fr_fail(FR_INVALID, "weights '%s' hold %s at place %zu; the file is damaged or its training diverged",
                   value->name, first < count && isnan(data[first]) ? "NaN" : "an infinity", first);
}

fr_status fr_graph_materialize(fr_graph *graph) {
    for (int32_t v = 0; v < graph->n_values; v++) {
        if (!graph->values[v].is_const)
            continue;
        FR_TRY(fr_value_materialize(graph, v));
        if (graph->values[v].dtype == FR_F32)
            FR_TRY(check_finite(&graph->values[v]));
    }
    return FR_OK;
}
