/* The networks that a plan chooses from: the user's own, and folded shapes of a plain one. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "graph/ops.h"
#include "graph/passes.h"
#include "run/model.h"
#include "run/planner.h"

enum { MOST_QUANTA = 4, AUTO_BATCHES = 13 };
static const uint64_t auto_batch_bytes = (uint64_t)128 << 20; /* of images */
/* A rounding that nobody asked for may not make a network much narrower than the paper's: it would be faster for learning less. A little
 * narrower it must save more time than operations, by so much. */
static const double least_width = 15.0 / 16, least_saving = 1.05;
enum { USUAL_BATCH = 256 };

/* ---- shapes ---------------------------------------------------------------------------------------------------- */

/* A normalisation behind a layer becomes part of it, and nothing of the shape: its numbers need not be made. */
static void drop_norms(fr_graph *graph) {
    for (int32_t i = 0; i < graph->n_nodes; i++) {
        fr_node *node = &graph->nodes[i];
        int32_t maker = node->op == FR_OP_BATCHNORM ? graph->values[node->inputs[0]].producer : -1;
        if (maker < 0 || node->n_outputs != 1)
            continue;
        if (graph->nodes[maker].op == FR_OP_CONV || graph->nodes[maker].op == FR_OP_GEMM) {
            node->op = FR_OP_IDENTITY;
            node->attrs = fr_attrs_default(FR_OP_IDENTITY);
            node->n_inputs = 1;
        }
    }
}

static fr_status lower_shape(const fr_graph *graph, fr_planner_variant *v) {
    FR_TRY(fr_graph_clone(graph, &v->graph));
    drop_norms(v->graph);
    FR_TRY(fr_graph_simplify(v->graph));
    FR_TRY(fr_graph_infer(v->graph, 1));
    return fr_steps_lower_shapes(v->graph, &v->steps);
}

static bool has_weights(const fr_step *step) {
    return step->kind == FR_STEP_CONV || step->kind == FR_STEP_FC;
}

/* Of all layers but a last one that gives the answer. */
static int32_t hidden_width(const fr_steps *steps) {
    int64_t sum = 0, last = 0;
    for (int32_t i = 0; i < steps->n_items; i++)
        if (has_weights(&steps->items[i].step)) {
            last = steps->items[i].step.kind == FR_STEP_FC ? steps->items[i].step.dst.c : 0;
            sum += steps->items[i].step.dst.c;
        }
    return sum - last < INT32_MAX ? (int32_t)(sum - last) : INT32_MAX;
}

static double ops_of(const fr_steps *steps) {
    double ops = 0;
    for (int32_t i = 0; i < steps->n_items; i++)
        ops += (double)steps->items[i].ops_per_input;
    return ops;
}

static bool same_steps(const fr_steps *a, const fr_steps *b) {
    if (a->n_items != b->n_items || a->fold != b->fold)
        return false;
    for (int32_t i = 0; i < a->n_items; i++)
        if (memcmp(&a->items[i].step, &b->items[i].step, sizeof a->items[i].step) != 0)
            return false;
    return true;
}

/* Percent at a fold; -1 = not known. */
static double accuracy_at(const fr_model_info *info, int32_t fold) {
    for (int32_t i = 0; i < info->n_accuracy; i++)
        if (info->accuracy[i].fold == fold)
            return info->accuracy[i].accuracy;
    return -1;
}

/* A drop is counted from it, whether or not fold 1 is asked for. */
static void note_plain(fr_planner *p, const fr_model_info *info) {
    double accuracy = accuracy_at(info, 1);
    if (accuracy > p->question.plain_accuracy)
        p->question.plain_accuracy = accuracy;
}

/* ---- one variant ----------------------------------------------------------------------------------------------- */

static void free_variant(fr_planner_variant *v) {
    fr_steps_free(&v->steps);
    fr_graph_free(v->graph);
    fr_model_free(v->made);
    memset(v, 0, sizeof *v);
}

static fr_status grow(fr_planner *p) {
    if (p->n_variants < p->cap_variants)
        return FR_OK;
    size_t cap = (size_t)p->cap_variants * 2 + 16, old = (size_t)p->cap_variants;
    fr_planner_variant *variants = fr_grow_array(p->variants, old, cap, sizeof *variants);
    if (!variants)
        return fr_no_memory(cap * sizeof *variants, "a plan's variants");
    p->variants = variants;
    fr_variant *shapes = fr_grow_array(p->shapes, old, cap, sizeof *shapes);
    if (!shapes)
        return fr_no_memory(cap * sizeof *shapes, "a plan's variants");
    p->shapes = shapes;
    p->cap_variants = (int32_t)cap;
    return FR_OK;
}

fr_status fr_planner_add_variant(fr_planner *p, int32_t index, int32_t fold, fr_rounding rounding) {
    FR_TRY(grow(p));
    fr_planner_variant *v = &p->variants[p->n_variants];
    fr_model_info info = FR_OPTIONS(fr_model_info);
    fr_status status = FR_OK;
    bool rounds = rounding.round != FR_ROUND_FLOOR && rounding.quantum > 1;
    memset(v, 0, sizeof *v);
    v->index = index;
    v->model = p->options.models[index];
    FR_GO(fail, fr_model_describe(v->model, &info));
    bool makes = fold > 0 && (fold != info.fold || rounds);
    double accuracy = rounds ? -1 : accuracy_at(&info, makes ? fold : info.fold);
    const char *label = p->options.labels ? p->options.labels[index] : NULL;
    snprintf(v->label, sizeof v->label, "%s", label ? label : info.name);
    if (makes) {
        fr_fold_options how = FR_OPTIONS(fr_fold_options);
        how.fold = fold;
        how.round = rounding.round;
        how.quantum = rounding.quantum;
        FR_GO(fail, fr_model_fold(v->model, &how, &v->made));
        v->model = v->made;
    }
    FR_GO(fail, lower_shape(v->model->graph, v));
    p->shapes[p->n_variants] = (fr_variant){.fold = v->steps.fold,
                                            .round = rounds ? rounding.round : FR_ROUND_FLOOR,
                                            .quantum = rounds ? rounding.quantum : 0,
                                            .width = hidden_width(&v->steps),
                                            .trained = !makes && info.trained,
                                            .accuracy = accuracy};
    p->n_variants++;
    return FR_OK;
fail:
    free_variant(v);
    return status;
}

static void drop_last(fr_planner *p) {
    free_variant(&p->variants[--p->n_variants]);
}

void fr_planner_free_variants(fr_planner *p) {
    while (p->n_variants > 0)
        drop_last(p);
    fr_free(p->variants);
    fr_free(p->shapes);
    p->variants = NULL;
    p->shapes = NULL;
    p->cap_variants = 0;
}

/* ---- shapes of a plain model ----------------------------------------------------------------------------------- */

/* Those that the profile shows at any of the wanted precisions, ascending. */
static int32_t find_quanta(const fr_planner *p, int32_t *out) {
    const fr_stairs_list *stairs = fr_predictor_stairs(p->predictor);
    int32_t count = 0, found[MOST_QUANTA];
    for (int precision = 0; precision < FR_PRECISIONS; precision++) {
        if (!(p->options.precisions >> precision & 1u))
            continue;
        int32_t n = fr_stairs_quanta(stairs, (fr_precision)precision, found, MOST_QUANTA);
        for (int32_t i = 0; i < n; i++) {
            int32_t at = 0;
            while (at < count && out[at] < found[i])
                at++;
            if ((at < count && out[at] == found[i]) || count == MOST_QUANTA)
                continue;
            memmove(&out[at + 1], &out[at], (size_t)(count - at) * sizeof *out);
            out[at] = found[i];
            count++;
        }
    }
    return count;
}

static int32_t choose_roundings(const fr_planner *p, fr_rounding *out, int32_t most) {
    int32_t quanta[MOST_QUANTA];
    if (p->options.n_rounds == 0)
        return fr_choice_roundings(quanta, find_quanta(p, quanta), out, most);
    int32_t count = 0;
    for (size_t i = 0; i < p->options.n_rounds && count < most; i++)
        out[count++] = (fr_rounding){.round = p->options.rounds[i].round, .quantum = p->options.rounds[i].quantum};
    return count;
}

/* Images a second at a usual batch; 0 = the device cannot. */
static double speed_of(const fr_planner *p, const fr_steps *steps, fr_precision precision) {
    fr_predict_question question = {.steps = steps,
                                    .precision = precision,
                                    .schedule = FR_SCHEDULE_LAYERS,
                                    .batch = USUAL_BATCH,
                                    .lanes = p->options.threads};
    fr_prediction prediction;
    return fr_predict(p->predictor, &question, &prediction) == FR_OK ? prediction.images_per_s : 0;
}

/* Whether the narrower shape fills tiles so much better that it is not faster for its fewer operations alone. */
static bool saves_time(const fr_planner *p, const fr_steps *paper, const fr_steps *narrower) {
    double fewer = ops_of(paper) / ops_of(narrower);
    for (int i = 0; i < FR_PRECISIONS; i++) {
        bool wanted = p->options.precisions >> i & 1u;
        double before = wanted ? speed_of(p, paper, (fr_precision)i) : 0;
        if (before > 0 && speed_of(p, narrower, (fr_precision)i) > least_saving * fewer * before)
            return true;
    }
    return false;
}

/* Whether the last variant is worth keeping: another shape than those before, and no narrower than the first of its fold, or
 * hardly, and for something. */
static bool is_news(const fr_planner *p, int32_t first) {
    int32_t last = p->n_variants - 1, paper = p->shapes[first].width, width = p->shapes[last].width;
    for (int32_t i = 0; i < last; i++)
        if (same_steps(&p->variants[i].steps, &p->variants[last].steps))
            return false;
    return p->options.n_rounds > 0 || width >= paper ||
           (width >= least_width * paper && saves_time(p, &p->variants[first].steps, &p->variants[last].steps));
}

/* What this model cannot be folded to is no failure while something else is left. */
static fr_status add_shapes(fr_planner *p, int32_t fold, const fr_rounding *roundings, int32_t n_roundings) {
    int32_t first = p->n_variants;
    for (int32_t r = 0; r < n_roundings; r++) {
        fr_status status = fr_planner_add_variant(p, 0, fold, roundings[r]);
        if (status == FR_UNSUPPORTED || status == FR_INVALID) {
            if (r == 0)
                fr_text_add(&p->refused, "%s\n", fr_error_sentence());
            continue;
        }
        FR_TRY(status);
        if (!is_news(p, first))
            drop_last(p);
    }
    return FR_OK;
}

static fr_status make_shapes(fr_planner *p) {
    fr_rounding roundings[1 + 3 * FR_PLAN_LIST];
    static const fr_rounding plain = {.round = FR_ROUND_FLOOR};
    int32_t n = choose_roundings(p, roundings, sizeof roundings / sizeof roundings[0]);
    for (size_t i = 0; i < p->options.n_folds; i++) {
        if (p->options.folds[i] == 1)
            FR_TRY(fr_planner_add_variant(p, 0, 0, plain));
        else
            FR_TRY(add_shapes(p, p->options.folds[i], roundings, n));
    }
    if (p->n_variants > 0)
        return FR_OK;
    char *first = p->refused.data ? strchr(p->refused.data, '\n') : NULL;
    return first ? fr_fail(FR_UNSUPPORTED, "%.*s", (int)(first - p->refused.data), p->refused.data)
                 : fr_no_memory(0, "a plan's variants");
}

/* ---- variants that were given ---------------------------------------------------------------------------------- */

static bool is_wanted_fold(const fr_planner *p, int32_t fold) {
    for (size_t i = 0; i < p->options.n_folds; i++)
        if (p->options.folds[i] == fold)
            return true;
    return p->options.n_folds == 0;
}

static const char *label_of(const fr_planner *p, int32_t index, const fr_model_info *info) {
    const char *label = p->options.labels ? p->options.labels[index] : NULL;
    return label ? label : info->name;
}

/* All take the same images and tell the same classes. */
static fr_status check_alike(const fr_planner *p) {
    fr_model_info first = FR_OPTIONS(fr_model_info), other = FR_OPTIONS(fr_model_info);
    FR_TRY(fr_model_describe(p->options.models[0], &first));
    for (size_t i = 1; i < p->options.n_models; i++) {
        FR_TRY(fr_model_describe(p->options.models[i], &other));
        if (other.channels != first.channels || other.height != first.height || other.width != first.width ||
            other.classes != first.classes)
            return fr_fail(FR_INVALID,
                           "'%s' (images of %dx%dx%d, %d classes) and '%s' (%dx%dx%d, %d) do not do the same task",
                           label_of(p, 0, &first), first.channels, first.height, first.width, first.classes,
                           label_of(p, (int32_t)i, &other), other.channels, other.height, other.width, other.classes);
    }
    return FR_OK;
}

static fr_status take_models(fr_planner *p) {
    static const fr_rounding as_it_is = {.round = FR_ROUND_FLOOR};
    FR_TRY(check_alike(p));
    for (int32_t i = 0; i < (int32_t)p->options.n_models; i++) {
        fr_model_info info = FR_OPTIONS(fr_model_info);
        FR_TRY(fr_model_describe(p->options.models[i], &info));
        if (info.fold == 1)
            note_plain(p, &info);
        if (is_wanted_fold(p, info.fold))
            FR_TRY(fr_planner_add_variant(p, i, 0, as_it_is));
    }
    return p->n_variants > 0 ? FR_OK
                             : fr_fail(FR_INVALID, "none of the %zu models has one of the folds that are asked for",
                                       p->options.n_models);
}

fr_status fr_planner_variants(fr_planner *p) {
    fr_model_info info = FR_OPTIONS(fr_model_info);
    static const int32_t usual[] = {1, 2, 3, 4};
    FR_TRY(fr_model_describe(p->options.models[0], &info));
    if (p->options.n_models > 1 || info.fold != 1) {
        FR_TRY(take_models(p));
    } else {
        if (p->options.n_folds == 0) {
            p->options.n_folds = sizeof usual / sizeof usual[0];
            memcpy(p->options.folds, usual, sizeof usual);
        }
        note_plain(p, &info);
        FR_TRY(make_shapes(p));
    }
    for (int32_t i = 0; i < p->n_variants; i++) /* they stay where they are from here on */
        p->shapes[i].steps = &p->variants[i].steps;
    return FR_OK;
}

/* ---- batches --------------------------------------------------------------------------------------------------- */

fr_status fr_planner_batches(fr_planner *p) {
    const fr_tensor *image = &p->variants[0].steps.items[0].step.src[0];
    uint64_t image_bytes = (uint64_t)image->c * (uint64_t)image->h * (uint64_t)image->w;
    int32_t count = (int32_t)p->options.n_batches;
    memcpy(p->batches, p->options.batches, (size_t)count * sizeof *p->batches);
    for (int32_t i = 0; p->options.n_batches == 0 && i < AUTO_BATCHES; i++)
        if (i == 0 || (image_bytes << i) <= auto_batch_bytes)
            p->batches[count++] = (int64_t)1 << i;
    p->question.batches = p->batches;
    p->question.n_batches = count;
    return FR_OK;
}
