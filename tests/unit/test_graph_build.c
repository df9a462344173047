/* Building, sorting, cloning, compacting and seeding graphs. */
#include "graph_kit.h"

TEST(names_are_unique_found_and_made_up) {
    fr_graph *g = kit_graph();
    int32_t a, b;
    CHECK_OK(fr_graph_add_value(g, "a", &a));
    CHECK_INT(fr_graph_add_value(g, "a", &b), FR_INVALID);
    CHECK_INT(b, -1);
    CHECK_HAS(fr_error_sentence(), "'a'");
    CHECK_OK(fr_graph_add_value(g, "v1", &b));
    for (int i = 0; i < 1000; i++) {
        int32_t made;
        CHECK_OK(fr_graph_add_value(g, NULL, &made));
        CHECK_INT(fr_graph_find(g, g->values[made].name), made);
    }
    CHECK_INT(fr_graph_find(g, "a"), a);
    CHECK_INT(fr_graph_find(g, "v1"), b);
    CHECK_INT(fr_graph_find(g, "nobody"), -1);
    CHECK_INT(fr_graph_rename(g, a, "v1"), FR_INVALID);
    CHECK_OK(fr_graph_rename(g, a, "z"));
    CHECK_INT(fr_graph_find(g, "z"), a);
    CHECK_INT(fr_graph_find(g, "a"), -1);
    fr_graph_free(g);
}

TEST(a_value_has_one_maker) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, DIMS(1, 2)), y = kit_node(g, FR_OP_RELU, NULL, IDS(x));
    CHECK_INT(fr_graph_add_node(g, FR_OP_TANH, "again", NULL, IDS(x), IDS(y), NULL), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "exists already");
    CHECK_INT(fr_graph_add_node(g, FR_OP_TANH, "onto input", NULL, IDS(y), IDS(x), NULL), FR_INVALID);
    CHECK_INT(fr_graph_add_node(g, FR_OP_CONV, "c", NULL, IDS(x), IDS(y), NULL), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "inputs");
    fr_graph_free(g);
}

TEST(bad_constants_are_refused) {
    fr_graph *g = kit_graph();
    int32_t v;
    fr_shape huge = DIMS(INT64_MAX, INT64_MAX), negative = DIMS(-3);
    CHECK_INT(fr_graph_add_const(g, "huge", FR_F32, &huge, NULL, FR_INIT_CONV, &v), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "too large");
    CHECK_INT(fr_graph_add_const(g, "negative", FR_F32, &negative, NULL, FR_INIT_CONV, &v), FR_INVALID);
    CHECK_INT(v, -1);
    fr_graph_free(g);
}

TEST(nodes_are_sorted_into_execution_order) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, DIMS(1, 2)), a, b, c;
    CHECK_OK(fr_graph_add_value(g, "a", &a));
    CHECK_OK(fr_graph_add_value(g, "b", &b));
    CHECK_OK(fr_graph_add_value(g, "c", &c));
    CHECK_OK(fr_graph_add_node(g, FR_OP_ADD, "third", NULL, IDS(a, b), IDS(c), NULL));
    CHECK_OK(fr_graph_add_node(g, FR_OP_TANH, "second", NULL, IDS(a), IDS(b), NULL));
    CHECK_OK(fr_graph_add_node(g, FR_OP_RELU, "first", NULL, IDS(x), IDS(a), NULL));
    CHECK_OK(fr_graph_add_output(g, c));
    CHECK_OK(fr_graph_sort(g));
    CHECK_TEXT(g->nodes[0].name, "first");
    CHECK_TEXT(g->nodes[1].name, "second");
    CHECK_TEXT(g->nodes[2].name, "third");
    CHECK_INT(g->values[c].producer, 2);
    CHECK_INT(g->values[a].producer, 0);
    fr_graph_free(g);
}

TEST(a_cycle_is_named) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, DIMS(1, 2)), a, b;
    CHECK_OK(fr_graph_add_value(g, "a", &a));
    CHECK_OK(fr_graph_add_value(g, "b", &b));
    CHECK_OK(fr_graph_add_node(g, FR_OP_ADD, "left", NULL, IDS(x, b), IDS(a), NULL));
    CHECK_OK(fr_graph_add_node(g, FR_OP_RELU, "right", NULL, IDS(a), IDS(b), NULL));
    CHECK_OK(fr_graph_add_output(g, b));
    CHECK_INT(fr_graph_sort(g), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "cycle");
    CHECK_HAS(fr_error_sentence(), "'left'");
    CHECK_INT(fr_graph_infer(g, 1), FR_INVALID);
    CHECK_INT(fr_graph_simplify(g), FR_INVALID);
    fr_graph_free(g);
}

TEST(a_missing_input_is_named) {
    fr_graph *g = kit_graph();
    int32_t ghost, y;
    (void)kit_input(g, DIMS(1, 2));
    CHECK_OK(fr_graph_add_value(g, "ghost", &ghost));
    y = kit_node(g, FR_OP_RELU, NULL, IDS(ghost));
    CHECK_OK(fr_graph_add_output(g, y));
    CHECK_INT(fr_graph_sort(g), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "'ghost'");
    fr_graph_free(g);
}

/* As deep as files can be: no recursion may be behind this. */
TEST(a_deep_chain_backwards_sorts) {
    enum { DEPTH = 20000 };
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, DIMS(1, 2));
    int32_t *ids = malloc(DEPTH * sizeof *ids);
    for (int i = 0; i < DEPTH; i++)
        CHECK_OK(fr_graph_add_value(g, NULL, &ids[i]));
    for (int i = DEPTH - 1; i >= 0; i--)
        CHECK_OK(fr_graph_add_node(g, FR_OP_RELU, "n", NULL, IDS(i ? ids[i - 1] : x), IDS(ids[i]), NULL));
    CHECK_OK(fr_graph_add_output(g, ids[DEPTH - 1]));
    CHECK_OK(fr_graph_infer(g, 2));
    CHECK_INT(g->values[ids[DEPTH - 1]].producer, DEPTH - 1);
    free(ids);
    fr_graph_free(g);
}

static fr_graph *seeded(uint64_t seed) {
    fr_graph *g = kit_graph();
    int32_t w, f, b;
    g->meta.seed = seed;
    kit_expect(fr_graph_add_const(g, "w", FR_F32, &DIMS(8, 4, 3, 3), NULL, FR_INIT_CONV, &w));
    kit_expect(fr_graph_add_const(g, "f", FR_F32, &DIMS(7, 600), NULL, FR_INIT_FC, &f));
    kit_expect(fr_graph_add_const(g, "b", FR_F32, &DIMS(9), NULL, FR_INIT_ZERO, &b));
    kit_expect(fr_graph_materialize(g));
    return g;
}

TEST(seeded_weights_are_the_same_every_time) {
    fr_graph *a = seeded(7), *b = seeded(7), *c = seeded(8);
    size_t bytes = 8 * 4 * 9 * sizeof(float);
    CHECK(memcmp(a->values[0].data, b->values[0].data, bytes) == 0);
    CHECK(memcmp(a->values[0].data, c->values[0].data, bytes) != 0);
    CHECK(memcmp(a->values[0].data, a->values[1].data, bytes) != 0);
    void *before = a->values[0].data;
    CHECK_OK(fr_graph_materialize(a));
    CHECK(a->values[0].data == before);
    fr_graph_free(a);
    fr_graph_free(b);
    fr_graph_free(c);
}

static void spread(const fr_value *value, double *out_mean, double *out_deviation, double *out_largest) {
    size_t count = fr_shape_elements(&value->shape);
    double sum = 0, squares = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        double x = (double)((const float *)value->data)[i];
        sum += x;
        squares += x * x;
        largest = fmax(largest, fabs(x));
    }
    *out_mean = sum / (double)count;
    *out_deviation = sqrt(squares / (double)count);
    *out_largest = largest;
}

TEST(seeded_weights_have_the_spread_they_should) {
    fr_graph *g = seeded(3);
    double mean, deviation, largest, bound = sqrt(2.0) * sqrt(6.0 / (4 * 9 + 8 * 9));
    spread(&g->values[0], &mean, &deviation, &largest);
    CHECK(largest <= bound + 1e-6 && largest > 0.95 * bound);
    CHECK_NEAR(mean, 0, bound / 8);
    spread(&g->values[1], &mean, &deviation, &largest);
    CHECK_NEAR(deviation, sqrt(2.0 / 600), 0.05 * sqrt(2.0 / 600));
    spread(&g->values[2], &mean, &deviation, &largest);
    CHECK(largest <= 0.05 && largest > 0);
    fr_graph_free(g);
}

TEST(weights_that_are_no_numbers_are_named) {
    static const float bad[2][3] = {{1, NAN, 2}, {1, 2, -INFINITY}};
    for (int i = 0; i < 2; i++) {
        fr_graph *g = kit_graph();
        int32_t v;
        CHECK_OK(fr_graph_add_const(g, "conv1.weight", FR_F32, &DIMS(3), bad[i], FR_INIT_NONE, &v));
        CHECK_INT(fr_graph_materialize(g), FR_INVALID);
        CHECK_HAS(fr_error_sentence(), "'conv1.weight'");
        CHECK_HAS(fr_error_sentence(), i ? "infinity" : "NaN");
        fr_graph_free(g);
    }
}

TEST(a_clone_is_equal_and_independent) {
    fr_graph *g = kit_graph(), *copy;
    int32_t x = kit_input(g, DIMS(1, 3, 6, 6)), w = kit_random(g, DIMS(4, 3, 3, 3), -1, 1);
    int32_t y = kit_node(g, FR_OP_CONV, NULL, IDS(x, w));
    CHECK_OK(fr_graph_add_output(g, y));
    CHECK_OK(fr_graph_infer(g, 2));
    g->meta.fold = 3;
    CHECK_OK(fr_graph_clone(g, &copy));
    CHECK_INT(copy->meta.fold, 3);
    CHECK_INT(copy->batch, 2);
    CHECK_INT(fr_graph_find(copy, g->values[y].name), y);
    CHECK(copy->values[w].data != g->values[w].data);
    CHECK(memcmp(copy->values[w].data, g->values[w].data, 4 * 27 * sizeof(float)) == 0);
    fr_dense in = kit_dense(DIMS(2, 3, 6, 6), NULL), a, b;
    CHECK_OK(fr_graph_eval(g, &in, &a));
    fr_graph_free(g);
    CHECK_OK(fr_graph_eval(copy, &in, &b));
    CHECK(kit_difference(&a, &b) == 0);
    fr_free(in.data);
    fr_free(a.data);
    fr_free(b.data);
    fr_graph_free(copy);
    fr_graph_free(NULL);
}

TEST(compacting_keeps_what_outputs_need) {
    fr_graph *g = kit_graph();
    int32_t x = kit_input(g, DIMS(1, 4)), unused = kit_random(g, DIMS(4), 0, 1),
            side = kit_node(g, FR_OP_TANH, NULL, IDS(x));
    int32_t y = kit_node(g, FR_OP_RELU, NULL, IDS(x));
    (void)kit_node(g, FR_OP_ADD, NULL, IDS(side, unused));
    CHECK_OK(fr_graph_rename(g, y, "answer"));
    CHECK_OK(fr_graph_add_output(g, y));
    CHECK_OK(fr_graph_compact(g));
    CHECK_INT(g->n_nodes, 1);
    CHECK_INT(g->n_values, 2);
    CHECK_TEXT(g->values[g->outputs[0]].name, "answer");
    CHECK_INT(fr_graph_find(g, "answer"), g->outputs[0]);
    CHECK_INT(g->values[g->outputs[0]].producer, 0);
    CHECK_OK(fr_graph_infer(g, 5));
    fr_graph_free(g);
}

static bool build_and_simplify(void) {
    fr_graph *g = NULL;
    int32_t x, w, y, z;
    bool fine = fr_graph_new("n", "t", &g) == FR_OK &&
                fr_graph_add_input(g, "x", FR_F32, &DIMS(1, 2, 4, 4), &x) == FR_OK &&
                fr_graph_add_const(g, "w", FR_F32, &DIMS(2, 2, 3, 3), NULL, FR_INIT_CONV, &w) == FR_OK &&
                fr_graph_add_value(g, "y", &y) == FR_OK && fr_graph_add_value(g, "z", &z) == FR_OK &&
                fr_graph_add_node(g, FR_OP_CONV, NULL, NULL, IDS(x, w), IDS(y), NULL) == FR_OK &&
                fr_graph_add_node(g, FR_OP_MUL, NULL, NULL, IDS(y, y), IDS(z), NULL) == FR_OK &&
                fr_graph_add_output(g, z) == FR_OK && fr_graph_simplify(g) == FR_OK && fr_graph_materialize(g) == FR_OK;
    fr_graph_free(g);
    return fine;
}

TEST(running_out_of_memory_leaks_nothing) {
    uint64_t before = fr_alloc_read().live_blocks;
    bool done = false;
    for (uint64_t nth = 1; nth < 5000 && !done; nth++) {
        fr_alloc_fail_at(nth);
        done = build_and_simplify();
        CHECK_INT(fr_alloc_read().live_blocks, before);
    }
    fr_alloc_fail_at(0);
    CHECK(done);
}

CHECK_MAIN
