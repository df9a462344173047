/* Lowering: what fuses, that fused equals unfused, and what is said of nodes that can't run. */
#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"
#include "check.h"
#include "foldrun/foldrun.h"
#include "graph/ops.h"
#include "graph/passes.h"
#include "plan/plan.h"
#include "run/context.h"
#include "run/executor.h"
#include "run/menu_make.h"
#include "run/model.h"

typedef struct lowered {
    fr_context *context;
    fr_model *model;
    fr_graph *graph;
    fr_steps steps;
} lowered;

static void drop(lowered *l) {
    fr_steps_free(&l->steps);
    fr_graph_free(l->graph);
    fr_model_free(l->model);
    fr_context_free(l->context);
    memset(l, 0, sizeof *l);
}

static fr_status lower_in(lowered *l, const char *name, bool fuse, fr_precision precision) {
    memset(l, 0, sizeof *l);
    fr_lowering how = {.precision = precision,
                       .input_dtype = FR_F32,
                       .input_chw = true,
                       .fuse_pool = fuse,
                       .fuse_act = fuse,
                       .fuse_residual = fuse};
    FR_TRY(fr_context_new(NULL, &l->context));
    FR_TRY(fr_model_load(l->context, name, &l->model));
    FR_TRY(fr_graph_clone(l->model->graph, &l->graph));
    FR_TRY(fr_graph_simplify(l->graph));
    FR_TRY(fr_graph_materialize(l->graph));
    FR_TRY(fr_graph_infer(l->graph, 1));
    return fr_steps_lower(l->graph, &how, &l->steps);
}

static fr_status lower(lowered *l, const char *name, bool fuse) {
    return lower_in(l, name, fuse, FR_PRECISION_F32);
}

/* Blocked kernels may make them: the step that flattens takes any layout, and only what it makes has one. */
TEST(maps_that_are_flattened_keep_their_layout_free) {
    lowered l;
    int flattened = 0;
    CHECK_OK(lower(&l, "g32", true));
    for (int32_t i = 0; i < l.steps.n_items; i++) {
        const fr_step *s = &l.steps.items[i].step;
        if (s->kind != FR_STEP_REORDER)
            continue;
        flattened++;
        CHECK_INT(s->src[0].layout, FR_LAYOUT_ANY);
        CHECK_INT(s->dst.layout, FR_LAYOUT_NCHW);
        CHECK(s->src[0].h > 1 && s->dst.h == 1);
    }
    CHECK_INT(flattened, 1);
    drop(&l);
}

TEST(tf32_is_f32_but_for_products) {
    static const char *const models[] = {"v1", "n4"};
    for (int m = 0; m < 2; m++)
        for (int fuse = 0; fuse < 2; fuse++) {
            lowered l;
            int products = 0;
            CHECK_OK(lower_in(&l, models[m], fuse, FR_PRECISION_TF32));
            for (int32_t i = 0; i < l.steps.n_items; i++) {
                const fr_step *s = &l.steps.items[i].step;
                bool multiplies = s->kind == FR_STEP_CONV || s->kind == FR_STEP_FC;
                CHECK_INT(s->compute, multiplies ? FR_PRECISION_TF32 : FR_PRECISION_F32);
                CHECK_INT(s->dst.dtype, FR_F32);
                products += multiplies;
            }
            CHECK(products >= 3);
            drop(&l);
        }
}

TEST(v1_is_eight_steps) {
    static const char *const names[] = {
        "ingest", "conv1+relu+maxpool", "conv2+relu", "conv3+relu", "conv4+relu+maxpool", "conv5+relu+maxpool", "fc1",
        "emit"};
    lowered l;
    CHECK_OK(lower(&l, "v1", true));
    CHECK_INT(l.steps.n_items, 8);
    int64_t ops = 0;
    for (int i = 0; i < 8; i++) {
        CHECK_TEXT(l.steps.items[i].name, names[i]);
        ops += l.steps.items[i].ops_per_input;
    }
    CHECK_INT(ops, 16778672);
    CHECK_INT(l.steps.classes, 11);
    drop(&l);
}

TEST(a_residual_is_taken_by_the_conv_before_it) {
    lowered l;
    int residuals = 0;
    CHECK_OK(lower(&l, "resnet18", true));
    for (int32_t i = 0; i < l.steps.n_items; i++) {
        residuals += l.steps.items[i].step.residual;
        CHECK(l.steps.items[i].step.kind != FR_STEP_BINARY);
    }
    CHECK_INT(residuals, 8);
    drop(&l);
}

/* The steps on the reference device, first candidates, one input. */
static fr_status answer(const lowered *l, const float *image, float *out) {
    fr_target target = {0};
    fr_menu menu = {.groups = {1}, .n_groups = 1};
    fr_plan plan = {0};
    fr_executor *executor = NULL;
    fr_status status = FR_OK;
    size_t n = (size_t)l->steps.n_items;
    const fr_candidate **candidates = fr_alloc_array(n, sizeof *candidates);
    int32_t *groups = fr_alloc_array(n, sizeof *groups);
    const fr_tensor *in = &l->steps.items[0].step.src[0];
    FR_GO(cleanup, fr_registry_open(l->context->registry, "ref", &target.backend, &target.device, &target.facts));
    FR_GO(cleanup, fr_menu_make(&target, &l->steps, &menu));
    for (size_t i = 0; i < n; i++) {
        candidates[i] = &menu.items[i].entries[0].candidate;
        groups[i] = 1;
    }
    fr_plan_choice choice = {.candidates = candidates, .groups = groups, .block = 1};
    fr_executor_options options = {
        .lanes = 1, .lane_threads = 1, .image_bytes = (int64_t)sizeof(float) * in->c * in->h * in->w};
    FR_GO(cleanup, fr_plan_build(&l->steps, &choice, &plan));
    FR_GO(cleanup, fr_executor_new(&target, &l->steps, &plan, &options, &executor));
    FR_GO(cleanup, fr_executor_run(executor, image, 1, out));
cleanup:
    fr_executor_free(executor);
    fr_menu_free(&menu);
    fr_free(candidates);
    fr_free(groups);
    if (target.device)
        target.backend->device_close(target.device);
    return status;
}

static void check_fusion(const char *name) {
    lowered with, without;
    CHECK_OK(lower(&with, name, true));
    CHECK_OK(lower(&without, name, false));
    CHECK(with.steps.n_items < without.steps.n_items);
    const fr_tensor *in = &with.steps.items[0].step.src[0];
    size_t numbers = (size_t)in->c * (size_t)in->h * (size_t)in->w, classes = (size_t)with.steps.classes;
    float *image = fr_alloc_array(numbers, sizeof *image), *a = fr_alloc_array(classes, sizeof *a),
          *b = fr_alloc_array(classes, sizeof *b);
    fr_random random = {5};
    for (size_t i = 0; i < numbers; i++)
        image[i] = (float)fr_random_uniform(&random);
    CHECK_OK(answer(&with, image, a));
    CHECK_OK(answer(&without, image, b));
    double most = 1e-9, far = 0;
    for (size_t i = 0; i < classes; i++) {
        most = fmax(most, fabs((double)b[i]));
        far = fmax(far, fabs((double)a[i] - (double)b[i]));
    }
    CHECK(far <= 1e-5 * most); /* values between steps are stored as f32: fewer roundings when fused */
    fr_free(image);
    fr_free(a);
    fr_free(b);
    drop(&with);
    drop(&without);
}

TEST(fused_equals_unfused) {
    check_fusion("v2");
    check_fusion("n1");
    check_fusion("cifar_resnet18");
}

TEST(all_nodes_at_fault_are_named) {
    fr_graph *graph = NULL;
    fr_steps steps;
    int32_t in, a, b;
    fr_shape shape = {.rank = 4, .dim = {1, 2, 3, 4}};
    fr_attrs attrs = fr_attrs_default(FR_OP_TRANSPOSE);
    attrs.n_axes = 4;
    for (int i = 0; i < 4; i++)
        attrs.axes[i] = i == 0 ? 0 : i == 1 ? 3 : i - 1;
    CHECK_OK(fr_graph_new("odd", "odd", &graph));
    CHECK_OK(fr_graph_add_input(graph, "x", FR_F32, &shape, &in));
    CHECK_OK(fr_graph_add_value(graph, "t", &a));
    CHECK_OK(fr_graph_add_value(graph, "y", &b));
    CHECK_OK(fr_graph_add_node(graph, FR_OP_TRANSPOSE, "turn", &attrs, &in, 1, &a, 1, NULL));
    fr_attrs none = fr_attrs_default(FR_OP_RELU);
    CHECK_OK(fr_graph_add_node(graph, FR_OP_RELU, "cut", &none, &a, 1, &b, 1, NULL));
    CHECK_OK(fr_graph_add_output(graph, b));
    CHECK_OK(fr_graph_infer(graph, 1));
    fr_lowering how = {.input_dtype = FR_F32};
    CHECK_INT(fr_steps_lower(graph, &how, &steps), FR_UNSUPPORTED);
    CHECK_HAS(fr_error_sentence(), "Transpose 'turn'");
    CHECK(steps.items == NULL);
    fr_graph_free(graph);
}

TEST(zz_nothing_is_left) {
    CHECK_INT(fr_alloc_read().live_blocks, 0);
}

CHECK_MAIN
