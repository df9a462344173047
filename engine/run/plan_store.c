/* A choice as JSON, for the cache. Candidates are stored by name and layouts, so a module that lost one is noticed. */
#include <string.h>

#include "base/json.h"
#include "base/status.h"
#include "run/tuner.h"

fr_status fr_picked_write(const fr_steps *steps, const fr_picked *picked, char **out_text) {
    fr_json_writer w = {.indent = 2};
    *out_text = NULL;
    fr_json_begin_object(&w);
    fr_json_int_member(&w, "format", 1);
    fr_json_int_member(&w, "block", picked->block);
    fr_json_int_member(&w, "lanes", picked->lanes);
    fr_json_int_member(&w, "lane_threads", picked->lane_threads);
    fr_json_key(&w, "steps");
    fr_json_begin_array(&w);
    for (int32_t i = 0; i < steps->n_items; i++) {
        const fr_candidate *c = picked->candidates[i];
        fr_json_begin_object(&w);
        fr_json_string_member(&w, "step", steps->items[i].name);
        fr_json_string_member(&w, "candidate", c->name);
        fr_json_int_member(&w, "dst_layout", c->dst_layout);
        fr_json_int_member(&w, "src_layout", c->src_layout[0]);
        fr_json_int_member(&w, "group", picked->groups[i]);
        fr_json_end_object(&w);
    }
    fr_json_end_array(&w);
    fr_json_end_object(&w);
    if (w.text.failed) {
        fr_text_free(&w.text);
        return fr_fail(FR_NO_MEMORY, "out of memory for a plan's text");
    }
    *out_text = w.text.data;
    return FR_OK;
}

static const fr_candidate *find(const fr_menu_item *item, const fr_json *stored) {
    const char *name = fr_json_string(stored, "candidate", "");
    for (int32_t e = 0; e < item->n_entries; e++) {
        const fr_candidate *c = &item->entries[e].candidate;
        if (strcmp(c->name, name) == 0 && c->dst_layout == fr_json_number(stored, "dst_layout", -1) &&
            c->src_layout[0] == fr_json_number(stored, "src_layout", -1))
            return c;
    }
    return NULL;
}

static bool whole(double value, double lo, double hi) {
    return value >= lo && value <= hi && value == (double)(int32_t)value;
}

static fr_status read_root(const fr_json *root, const fr_steps *steps, const fr_menu *menu, fr_picked *out) {
    const fr_json *list = fr_json_get(root, "steps");
    double block = fr_json_number(root, "block", 0), lanes = fr_json_number(root, "lanes", 0),
           threads = fr_json_number(root, "lane_threads", -1);
    if (fr_json_number(root, "format", 0) != 1 || !list || list->count != (size_t)steps->n_items)
        return fr_fail(FR_INVALID, "the stored plan is of another model or version");
    if (!whole(block, 1, 1 << 20) || !whole(lanes, 1, 4096) || !whole(threads, 0, 4096))
        return fr_fail(FR_INVALID, "the stored plan's block or lanes make no sense");
    out->block = (int32_t)block;
    out->lanes = (int32_t)lanes;
    out->lane_threads = (int32_t)threads;
    for (int32_t i = 0; i < steps->n_items; i++) {
        const fr_json *stored = fr_json_at(list, (size_t)i);
        double group = fr_json_number(stored, "group", 0);
        out->candidates[i] = find(&menu->items[i], stored);
        if (strcmp(fr_json_string(stored, "step", ""), steps->items[i].name) != 0)
            return fr_fail(FR_INVALID, "the stored plan is of other steps");
        if (!out->candidates[i])
            return fr_fail(FR_INVALID, "the stored plan names a kernel that step '%s' has not", steps->items[i].name);
        if (!whole(group, 1, block) || out->block % (int32_t)group != 0)
            return fr_fail(FR_INVALID, "the stored plan's group for step '%s' makes no sense", steps->items[i].name);
        out->groups[i] = (int32_t)group;
    }
    return FR_OK;
}

fr_status fr_picked_read(const char *text, const fr_steps *steps, const fr_menu *menu, fr_picked *out_picked) {
    fr_json_doc *doc;
    FR_TRY(fr_json_parse(text, strlen(text), &doc));
    fr_status status = read_root(fr_json_root(doc), steps, menu, out_picked);
    fr_json_free(doc);
    return status;
}
