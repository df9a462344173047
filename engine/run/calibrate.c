#include "run/calibrate.h"

#include <math.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"
#include "run/executor.h"
#include "run/menu_make.h"

enum { GROUP = 4, SEEDED_INPUTS = 16 };

/* The first candidates in one lane, every tensor in its own place, so that all can be read after a run. */
static fr_status open_visible(const fr_target *target, const fr_steps *steps, int64_t image_bytes, fr_executor **out) {
    fr_status status = FR_OK;
    fr_menu menu = {.groups = {GROUP}, .n_groups = 1};
    fr_plan plan;
    size_t n = (size_t)steps->n_items;
    int32_t *picks = fr_alloc_array(n, sizeof *picks), *groups = fr_alloc_array(n, sizeof *groups);
    const fr_candidate **candidates = fr_alloc_array(n, sizeof *candidates);
    *out = NULL;
    if (!picks || !groups || !candidates) {
        status = fr_no_memory(n * sizeof *candidates, "calibration");
        goto cleanup;
    }
    FR_GO(cleanup, fr_menu_make(target, steps, &menu));
    fr_choose_candidates(steps, &menu, 0, picks);
    for (size_t i = 0; i < n; i++) {
        candidates[i] = &menu.items[i].entries[picks[i]].candidate;
        groups[i] = GROUP;
    }
    fr_plan_choice choice = {.candidates = candidates, .groups = groups, .block = GROUP, .no_reuse = true};
    FR_GO(cleanup, fr_plan_build(steps, &choice, &plan));
    fr_executor_options options = {.lanes = 1, .lane_threads = 0, .image_bytes = image_bytes};
    FR_GO(cleanup, fr_executor_new(target, steps, &plan, &options, out));
cleanup:
    fr_menu_free(&menu);
    fr_free(picks);
    fr_free(groups);
    fr_free(candidates);
    return status;
}

static fr_status look(fr_executor *executor, const fr_steps *steps, float *ranges) {
    const fr_plan *plan = fr_executor_plan(executor);
    for (int32_t i = 0; i < plan->n_tensors; i++) {
        const fr_plan_tensor *t = &plan->tensors[i];
        int32_t value = steps->slots[t->slot].value;
        if (value < 0 || t->t.dtype != FR_F32)
            continue;
        float *numbers = fr_alloc(t->bytes);
        if (!numbers)
            return fr_no_memory(t->bytes, "calibration");
        fr_status status = fr_executor_peek(executor, i, numbers, t->bytes);
        uint64_t count = fr_tensor_elements(&t->t) * (uint64_t)t->inputs;
        for (uint64_t k = 0; status == FR_OK && k < count; k++) /* padding is zero and changes nothing */
            ranges[value] = fmaxf(ranges[value], fabsf(numbers[k]));
        fr_free(numbers);
        FR_TRY(status);
    }
    return FR_OK;
}

static fr_status seed_images(fr_dtype dtype, int64_t numbers, void **out) {
    *out = fr_alloc_array((size_t)numbers, fr_dtype_bytes(dtype));
    if (!*out)
        return fr_no_memory((size_t)numbers, "calibration images");
    fr_random random = {7};
    for (int64_t i = 0; i < numbers; i++) {
        if (dtype == FR_U8)
            ((uint8_t *)*out)[i] = (uint8_t)(fr_random_next(&random) >> 56);
        else
            ((float *)*out)[i] = (float)fr_random_uniform(&random);
    }
    return FR_OK;
}

fr_status fr_calibrate(const fr_target *target, const fr_graph *graph, const fr_lowering *lowering,
                       const fr_images *images, float **out_ranges) {
    fr_status status = FR_OK;
    fr_lowering how = *lowering;
    fr_steps steps = {0};
    fr_executor *executor = NULL;
    void *seeded = NULL;
    float *answers = NULL;
    *out_ranges = NULL;
    how.precision = FR_PRECISION_F32;
    if (images) {
        how.input_dtype = images->dtype;
        how.input_chw = images->chw;
    }
    float *ranges = fr_alloc_array((size_t)graph->n_values + 1, sizeof *ranges);
    if (!ranges)
        return fr_no_memory((size_t)graph->n_values * sizeof *ranges, "calibration");
    FR_GO(cleanup, fr_steps_lower(graph, &how, &steps));
    const fr_tensor *in = &steps.items[0].step.src[0];
    int64_t numbers = (int64_t)in->c * in->h * in->w,
            image_bytes = numbers * (int64_t)fr_dtype_bytes((fr_dtype)in->dtype);
    int64_t count = images ? images->count : (int64_t)SEEDED_INPUTS * steps.fold, at_once = (int64_t)GROUP * steps.fold;
    if (!images)
        FR_GO(cleanup, seed_images((fr_dtype)in->dtype, count * numbers, &seeded));
    const char *data = images ? images->data : seeded;
    answers = fr_alloc_array((size_t)at_once, (size_t)steps.classes * sizeof *answers);
    if (!answers) {
        status = fr_no_memory((size_t)at_once, "calibration");
        goto cleanup;
    }
    FR_GO(cleanup, open_visible(target, &steps, image_bytes, &executor));
    for (int64_t first = 0; first < count; first += at_once) {
        FR_GO(cleanup, fr_executor_run(executor, data + first * image_bytes,
                                       first + at_once <= count ? at_once : count - first, answers));
        FR_GO(cleanup, look(executor, &steps, ranges));
    }
cleanup:
    fr_executor_free(executor);
    fr_steps_free(&steps);
    fr_free(seeded);
    fr_free(answers);
    if (status != FR_OK)
        fr_free(ranges);
    else
        *out_ranges = ranges;
    return status;
}
