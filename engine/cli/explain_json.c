#include <string.h>

#include "cli/explain.h"
#include "cli/plan_file.h"

static void put_known(fr_json_writer *w, const char *key, double value) {
    fr_json_key(w, key);
    if (value > 0)
        fr_json_put_number(w, value);
    else
        fr_json_put_null(w);
}

static void put_steps(const char *key, const fr_explained_step *steps, size_t count, fr_json_writer *w) {
    fr_json_key(w, key);
    fr_json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        const fr_explained_step *s = &steps[i];
        fr_json_begin_object(w);
        fr_json_string_member(w, "name", s->name);
        fr_json_number_member(w, "ops", s->ops);
        fr_json_number_member(w, "bytes", s->bytes);
        fr_json_number_member(w, "intensity", s->intensity);
        fr_json_number_member(w, "fill", s->fill);
        put_known(w, "limit_ns", s->limit_ns);
        put_known(w, "predicted_ns", s->predicted_ns);
        put_known(w, "measured_ns", s->measured_ns);
        fr_json_string_member(w, "basis", s->basis[0] ? s->basis : NULL);
        fr_json_string_member(w, "kernel", s->kernel[0] ? s->kernel : NULL);
        fr_json_end_object(w);
    }
    fr_json_end_array(w);
}

static void put_names(const fr_explanation *e, size_t first, size_t count, const char *why, fr_json_writer *w) {
    fr_json_begin_array(w);
    for (size_t i = first; i < first + count; i++)
        if (!e->kernels[i].chosen && strcmp(e->kernels[i].why, why) == 0)
            fr_json_put_string(w, e->kernels[i].kernel);
    fr_json_end_array(w);
}

static void put_step_kernels(const fr_explanation *e, size_t at, size_t count, fr_json_writer *w) {
    const char *chosen = NULL;
    for (size_t i = at; i < at + count; i++)
        chosen = e->kernels[i].chosen ? e->kernels[i].kernel : chosen;
    fr_json_begin_object(w);
    fr_json_string_member(w, "step", e->kernels[at].step);
    fr_json_string_member(w, "chosen", chosen);
    fr_json_key(w, "offered");
    put_names(e, at, count, "", w);
    fr_json_key(w, "refused");
    fr_json_begin_array(w);
    for (size_t i = at; i < at + count; i++) {
        if (e->kernels[i].chosen || !explain_new_reason(e, at, i))
            continue;
        fr_json_begin_object(w);
        fr_json_string_member(w, "why", e->kernels[i].why);
        fr_json_key(w, "kernels");
        put_names(e, at, count, e->kernels[i].why, w);
        fr_json_end_object(w);
    }
    fr_json_end_array(w);
    fr_json_end_object(w);
}

void explain_json(const explain_page *page, fr_json_writer *w) {
    const fr_explanation *e = &page->explanation;
    fr_text why = {0}, changes = {0};
    explain_why(page, &why);
    explain_changes(page, &changes);
    fr_json_begin_object(w);
    fr_json_key(w, "plan");
    cli_plan_put(&page->plan, w);
    fr_json_key(w, "explained");
    cli_plan_put_row(&page->plan, page->row, true, w);
    fr_json_string_member(w, "schedule", e->schedule);
    cli_put_lines(w, "why", why.data);
    fr_json_key(w, "layers");
    fr_json_begin_object(w);
    put_steps("plain", e->plain, e->n_plain, w);
    put_steps("chosen", e->chosen, e->n_chosen, w);
    fr_json_end_object(w);
    fr_json_key(w, "kernels");
    fr_json_begin_array(w);
    for (size_t at = 0, count; at < e->n_kernels; at += count) {
        count = explain_step_kernels(e, at);
        put_step_kernels(e, at, count, w);
    }
    fr_json_end_array(w);
    cli_put_lines(w, "changes", changes.data);
    fr_json_end_object(w);
    w->text.failed |= why.failed || changes.failed;
    fr_text_free(&why);
    fr_text_free(&changes);
}
