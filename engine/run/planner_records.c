/* What was measured of a plan's options. */

#include "base/alloc.h"
#include "base/status.h"
#include "run/planner.h"

static bool is_of(const fr_planner_record *r, const fr_option *o) {
    return r->variant == o->variant && r->precision == o->precision && r->schedule == o->schedule &&
           r->batch == o->batch;
}

fr_status fr_planner_add_record(fr_planner *p, const fr_planner_record *record) {
    if (p->n_records == p->cap_records) {
        size_t cap = p->cap_records * 2 + 16;
        fr_planner_record *grown = fr_grow_array(p->records, p->cap_records, cap, sizeof *grown);
        if (!grown)
            return fr_no_memory(cap * sizeof *grown, "what was measured");
        p->records = grown;
        p->cap_records = cap;
    }
    p->records[p->n_records++] = *record;
    return FR_OK;
}

fr_planner_record *fr_planner_find_record(const fr_planner *p, const fr_option *option) {
    for (size_t i = 0; i < p->n_records; i++)
        if (is_of(&p->records[i], option))
            return &p->records[i];
    return NULL;
}

void fr_planner_apply_records(fr_planner *p) {
    for (size_t i = 0; i < p->choice.n_options; i++) {
        fr_option *o = &p->choice.options[i];
        const fr_planner_record *r = fr_planner_find_record(p, o);
        if (!r)
            continue;
        o->failed = r->failed;
        o->measured = r->failed ? 0 : r->images_per_s;
        o->measured_low = r->low;
        o->measured_high = r->high;
        o->measured_ms = r->ms;
        o->measured_bytes = r->bytes;
    }
    fr_choice_rank(&p->question, &p->choice);
}
