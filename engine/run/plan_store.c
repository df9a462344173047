#include "run/plan_store.h"

#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/status.h"
#include "run/selfcheck.h"

enum { FORMAT = 2 };

struct fr_plan_text {
    fr_json_doc *doc;
    const fr_json *root, *steps;
};

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static void write_owner(fr_json_writer *w, const fr_plan_owner *owner) {
    fr_json_begin_object(w);
    fr_json_string_member(w, "backend", owner->backend);
    fr_json_string_member(w, "version", owner->version);
    fr_json_string_member(w, "device", owner->device);
    fr_json_string_member(w, "driver", owner->driver);
    fr_json_string_member(w, "features", owner->features);
    fr_json_string_member(w, "steps", owner->steps);
    fr_json_int_member(w, "inputs", owner->inputs);
    fr_json_int_member(w, "lanes", owner->lanes);
    fr_json_end_object(w);
}

static void write_step(fr_json_writer *w, const fr_step_item *item, const fr_candidate *c, int32_t group) {
    fr_json_begin_object(w);
    fr_json_string_member(w, "step", item->name);
    fr_json_string_member(w, "candidate", c->name);
    fr_json_key(w, "src_layouts");
    fr_json_begin_array(w);
    for (int32_t s = 0; s < item->step.n_src; s++)
        fr_json_put_int(w, c->src_layout[s]);
    fr_json_end_array(w);
    fr_json_int_member(w, "dst_layout", c->dst_layout);
    fr_json_int_member(w, "group", group);
    fr_json_end_object(w);
}

fr_status fr_picked_write(const fr_plan_owner *owner, const fr_steps *steps, const fr_picked *picked, char **out_text) {
    fr_json_writer w = {.indent = 2};
    *out_text = NULL;
    fr_json_begin_object(&w);
    fr_json_int_member(&w, "format", FORMAT);
    fr_json_key(&w, "for");
    write_owner(&w, owner);
    fr_json_int_member(&w, "block", picked->block);
    fr_json_int_member(&w, "lanes", picked->lanes);
    fr_json_int_member(&w, "lane_threads", picked->lane_threads);
    fr_json_int_member(&w, "cut_short_ms", picked->short_ms);
    fr_json_key(&w, "steps");
    fr_json_begin_array(&w);
    for (int32_t i = 0; i < steps->n_items; i++)
        write_step(&w, &steps->items[i], picked->candidates[i], picked->groups[i]);
    fr_json_end_array(&w);
    fr_json_end_object(&w);
    if (w.text.failed) {
        fr_text_free(&w.text);
        return fr_fail(FR_NO_MEMORY, "out of memory for a plan's text");
    }
    *out_text = w.text.data;
    return FR_OK;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static bool whole(double value, double lo, double hi) {
    return value >= lo && value <= hi && value == (double)(int64_t)value;
}

static fr_status check_word(const fr_json *stored, const char *key, const char *here, const char *what) {
    if (strcmp(fr_json_string(stored, key, ""), here) == 0)
        return FR_OK;
    return fr_fail(FR_INVALID, "the plan is for another %s than this (%s)", what, here[0] ? here : "none");
}

static fr_status check_owner(const fr_json *root, const fr_plan_owner *here) {
    const fr_json *stored = fr_json_get(root, "for");
    double inputs = fr_json_number(stored, "inputs", 0), lanes = fr_json_number(stored, "lanes", 0);
    if (fr_json_number(root, "format", 0) != FORMAT || !stored)
        return fr_fail(FR_INVALID, "this is no plan, or another version's");
    FR_TRY(check_word(stored, "backend", here->backend, "backend"));
    FR_TRY(check_word(stored, "version", here->version, "version of the backend"));
    FR_TRY(check_word(stored, "device", here->device, "device"));
    FR_TRY(check_word(stored, "driver", here->driver, "driver"));
    FR_TRY(check_word(stored, "features", here->features, "set of the device's features"));
    if (strcmp(fr_json_string(stored, "steps", ""), here->steps) != 0)
        return fr_fail(FR_INVALID,
                       "the plan is for other steps: another model, fold, precision, or kind of images or answers");
    if (inputs != (double)here->inputs)
        return fr_fail(FR_INVALID, "the plan is for another batch: not for %lld inputs", (long long)here->inputs);
    if (lanes != (double)here->lanes)
        return fr_fail(FR_INVALID, "the plan is for another number of threads or lanes than %d", here->lanes);
    return FR_OK;
}

fr_status fr_plan_text_open(const char *text, const fr_plan_owner *owner, fr_plan_text **out_text) {
    fr_status status = FR_OK;
    *out_text = NULL;
    fr_plan_text *t = fr_alloc(sizeof *t);
    if (!t)
        return fr_no_memory(sizeof *t, "a plan");
    FR_GO(cleanup, fr_json_parse(text, strlen(text), &t->doc));
    t->root = fr_json_root(t->doc);
    FR_GO(cleanup, check_owner(t->root, owner));
    t->steps = fr_json_get(t->root, "steps");
    if (!t->steps || t->steps->kind != FR_JSON_ARRAY)
        status = fr_fail(FR_INVALID, "the plan has no steps");
cleanup:
    if (status != FR_OK) {
        fr_plan_text_close(t);
        return status;
    }
    *out_text = t;
    return FR_OK;
}

void fr_plan_text_close(fr_plan_text *text) {
    if (!text)
        return;
    fr_json_free(text->doc);
    fr_free(text);
}

bool fr_plan_text_fits(const fr_plan_text *text, const fr_steps *steps) {
    if (text->steps->count != (size_t)steps->n_items)
        return false;
    const fr_json *stored = text->steps->child;
    for (int32_t i = 0; i < steps->n_items; i++, stored = stored->next)
        if (strcmp(fr_json_string(stored, "step", ""), steps->items[i].name) != 0)
            return false;
    return true;
}

static bool same_layouts(const fr_candidate *c, int32_t n_src, const fr_json *stored) {
    const fr_json *list = fr_json_get(stored, "src_layouts");
    if (!list || list->kind != FR_JSON_ARRAY || list->count != (size_t)n_src ||
        fr_json_number(stored, "dst_layout", -1) != c->dst_layout)
        return false;
    const fr_json *layout = list->child;
    for (int32_t s = 0; s < n_src; s++, layout = layout->next)
        if (layout->kind != FR_JSON_NUMBER || layout->number != c->src_layout[s])
            return false;
    return true;
}

static const fr_candidate *find(const fr_menu_item *item, int32_t n_src, const fr_json *stored) {
    const char *name = fr_json_string(stored, "candidate", "");
    for (int32_t e = 0; e < item->n_entries; e++) {
        const fr_candidate *c = &item->entries[e].candidate;
        if (strcmp(c->name, name) == 0 && same_layouts(c, n_src, stored))
            return c;
    }
    return NULL;
}

static fr_status read_step(const fr_target *target, const fr_step_item *item, const fr_menu_item *offered,
                           const fr_json *stored, int32_t block, const fr_candidate **out_candidate,
                           int32_t *out_group) {
    double group = fr_json_number(stored, "group", 0);
    *out_candidate = find(offered, item->step.n_src, stored);
    if (fr_selfcheck_bans(target->check, fr_json_string(stored, "candidate", "")))
        return fr_fail(FR_INVALID, "the plan's kernel for step '%s' is known to be bad here", item->name);
    if (!*out_candidate)
        return fr_fail(FR_INVALID, "the plan names a kernel that step '%s' has not", item->name);
    if (!whole(group, 1, block) || block % (int32_t)group != 0)
        return fr_fail(FR_INVALID, "the plan's group for step '%s' makes no sense", item->name);
    *out_group = (int32_t)group;
    return FR_OK;
}

fr_status fr_plan_text_read(const fr_plan_text *text, const fr_target *target, const fr_steps *steps,
                            const fr_menu *menu, const fr_plan_bounds *bounds, fr_picked *out_picked) {
    double block = fr_json_number(text->root, "block", 0), lanes = fr_json_number(text->root, "lanes", 0),
           threads = fr_json_number(text->root, "lane_threads", -1),
           short_ms = fr_json_number(text->root, "cut_short_ms", 0);
    if (!fr_plan_text_fits(text, steps))
        return fr_fail(FR_INVALID, "the plan is cut into other steps than the device offers");
    if (!whole(block, 1, bounds->block) || lanes != bounds->lanes ||
        (threads != 1 && (bounds->wide <= 1 || threads != bounds->wide)))
        return fr_fail(FR_INVALID, "the plan's block or lanes make no sense");
    out_picked->short_ms = whole(short_ms, 0, 1e15) ? (int64_t)short_ms : 0;
    out_picked->block = (int32_t)block;
    out_picked->lanes = (int32_t)lanes;
    out_picked->lane_threads = (int32_t)threads;
    const fr_json *stored = text->steps->child;
    for (int32_t i = 0; i < steps->n_items; i++, stored = stored->next)
        FR_TRY(read_step(target, &steps->items[i], &menu->items[i], stored, out_picked->block,
                         &out_picked->candidates[i], &out_picked->groups[i]));
    return FR_OK;
}

/* ---- what a choice is like ---------------------------------------------------------------------------------------- */

fr_schedule fr_picked_schedule(const fr_steps *steps, const fr_picked *picked, int32_t share) {
    for (int32_t i = 0; i < steps->n_items; i++) {
        int32_t group = picked->groups[i];
        if (steps->items[i].step.kind == FR_STEP_CHAIN)
            return FR_SCHEDULE_CHAIN;
        if (i > 0 && group == picked->groups[i - 1] && (group < picked->block || group < share))
            return FR_SCHEDULE_CHAIN;
    }
    return FR_SCHEDULE_LAYERS;
}
