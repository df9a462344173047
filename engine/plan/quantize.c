/*
 * int8: which slots are stored in 8 bits, their scales, and the weights.
 *
 * The first and the last layer with weights stay float. A slot is narrow when its range was measured and every step
 * that reads it can take it so: an int8 conv or fc (data or residual), a max-pool or a concat whose result is narrow
 * too. Dropping one slot can make another's readers refuse, so the rule is applied until nothing changes.
 */
#include <math.h>

#include "base/alloc.h"
#include "base/status.h"
#include "plan/lower.h"

static bool is_weighted(const fr_step_item *item) {
    return item->step.kind == FR_STEP_CONV || item->step.kind == FR_STEP_FC;
}

static bool reader_accepts(const fr_step_item *reader, int32_t slot, const bool *narrow, const bool *int8_item) {
    if (is_weighted(reader))
        return *int8_item && (reader->src[0] == slot || reader->step.residual);
    if (reader->step.kind == FR_STEP_CONCAT || (reader->step.kind == FR_STEP_POOL && reader->step.pool == FR_POOL_MAX))
        return narrow[reader->dst];
    return false;
}

static void settle(const fr_steps *steps, bool *narrow, bool *int8_item) {
    for (bool changed = true; changed;) {
        changed = false;
        for (int32_t i = 0; i < steps->n_items; i++) {
            const fr_step_item *item = &steps->items[i];
            for (int32_t s = 0; s < item->step.n_src; s++) {
                int32_t slot = item->src[s];
                if (narrow[slot] && !reader_accepts(item, slot, narrow, &int8_item[i])) {
                    narrow[slot] = false;
                    changed = true;
                }
            }
            if (int8_item[i] && !narrow[item->src[0]]) {
                int8_item[i] = false;
                changed = true;
            }
        }
    }
}

/* Whether nothing below zero can be stored: what made it ends in an activation that cuts there. */
static bool never_negative(const fr_steps *steps, int32_t slot) {
    int32_t at = steps->slots[slot].producer;
    if (at < 0)
        return false;
    const fr_step_item *item = &steps->items[at];
    switch (item->step.act) {
    case FR_ACT_RELU:
    case FR_ACT_SIGMOID:
    case FR_ACT_HARDSIGMOID: return true;
    case FR_ACT_CLIP: return item->step.act_a >= 0;
    case FR_ACT_NONE: break;
    default: return false;
    }
    if (item->step.kind != FR_STEP_POOL && item->step.kind != FR_STEP_CONCAT && item->step.kind != FR_STEP_REORDER)
        return false;
    for (int32_t s = 0; s < item->step.n_src; s++)
        if (!never_negative(steps, item->src[s]))
            return false;
    return true;
}

static void set_scale(fr_slot *slot, float range, bool is_unsigned) {
    slot->dtype = is_unsigned ? FR_U8 : FR_S8;
    slot->scale = range / (is_unsigned ? 255.0f : 127.0f);
}

static fr_status narrow_weights(fr_step_item *item, int32_t outputs, size_t per_output) {
    size_t count;
    if (!fr_size_mul((size_t)outputs, per_output, &count))
        return fr_no_memory(SIZE_MAX, "8-bit weights");
    int8_t *stored = fr_alloc(count);
    float *scales = fr_alloc_array((size_t)outputs, sizeof *scales);
    item->owned[0] = stored;
    item->owned[1] = scales;
    if (!stored || !scales)
        return fr_no_memory(count, "8-bit weights");
    for (int32_t o = 0; o < outputs; o++) {
        const float *row = item->weights.weight + (size_t)o * per_output;
        float most = 0;
        for (size_t k = 0; k < per_output; k++)
            most = fmaxf(most, fabsf(row[k]));
        scales[o] = most > 0 ? most / 127.0f : 1.0f;
        for (size_t k = 0; k < per_output; k++)
            stored[(size_t)o * per_output + k] = (int8_t)lrintf(fminf(fmaxf(row[k] / scales[o], -127.0f), 127.0f));
    }
    item->weights.weight_s8 = stored;
    item->weights.weight_scale = scales;
    return FR_OK;
}

static void choose_items(const fr_steps *steps, bool *int8_item) {
    int32_t first = -1, last = -1;
    for (int32_t i = 0; i < steps->n_items; i++)
        if (is_weighted(&steps->items[i])) {
            int8_item[i] = true;
            first = first < 0 ? i : first;
            last = i;
        }
    if (first >= 0)
        int8_item[first] = int8_item[last] = false;
}

fr_status fr_lower_quantize(fr_lower *l) {
    fr_steps *steps = l->steps;
    const float *ranges = l->how->ranges;
    fr_status status = FR_OK;
    if (!ranges)
        return fr_fail(FR_INTERNAL, "8-bit lowering without measured ranges");
    bool *narrow = fr_alloc_array((size_t)steps->n_slots + 1, sizeof *narrow);
    bool *int8_item = fr_alloc_array((size_t)steps->n_items + 1, sizeof *int8_item);
    if (!narrow || !int8_item) {
        status = fr_no_memory((size_t)steps->n_slots, "8-bit lowering");
        goto cleanup;
    }
    for (int32_t s = 0; s < steps->n_slots; s++)
        narrow[s] = steps->slots[s].value >= 0 && steps->slots[s].producer >= 0 && !steps->slots[s].must_be_nchw &&
                    !steps->slots[s].is_flattened && ranges[steps->slots[s].value] > 0;
    choose_items(steps, int8_item);
    settle(steps, narrow, int8_item);
    for (int32_t s = 0; s < steps->n_slots; s++)
        if (narrow[s])
            set_scale(&steps->slots[s], ranges[steps->slots[s].value], never_negative(steps, s));
    for (int32_t i = 0; i < steps->n_items; i++) {
        fr_step_item *item = &steps->items[i];
        /* max-pooling picks stored numbers as they are: same scale on both sides */
        if (item->step.kind == FR_STEP_POOL && item->step.pool == FR_POOL_MAX && narrow[item->dst] &&
            narrow[item->src[0]]) {
            steps->slots[item->dst].scale = steps->slots[item->src[0]].scale;
            steps->slots[item->dst].dtype = steps->slots[item->src[0]].dtype;
        }
        if (!int8_item[i])
            continue;
        const fr_slot *src = &steps->slots[item->src[0]];
        const fr_node *node = &l->graph->nodes[item->node];
        int32_t outputs = (int32_t)l->graph->values[node->inputs[1]].shape.dim[0];
        size_t per_output = item->step.kind == FR_STEP_CONV ? (size_t)(src->c / item->step.groups) *
                                                                  (size_t)item->step.win.kh * (size_t)item->step.win.kw
                                                            : (size_t)src->c * (size_t)src->h * (size_t)src->w;
        item->step.compute = FR_PRECISION_INT8;
        FR_GO(cleanup, narrow_weights(item, outputs, per_output));
    }
cleanup:
    fr_free(narrow);
    fr_free(int8_item);
    return status;
}
