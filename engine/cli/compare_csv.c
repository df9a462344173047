/* A comparison for a spreadsheet: a line a row, with all that is known of it. */
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "cli/compare_view.h"
#include "cli/table.h"

void cmp_csv_begin(fr_text *out) {
    fr_text_add(
        out, "%s",
        "model,machine,machine_name,device,device_name,driver,engine,version,fold,round,batch,precision,schedule,"
        "copies,"
        "state,rank,images_per_s,low,high,visits,runs,to_fastest,to_fastest_low,to_fastest_high,to_fastest_verdict,"
        "to_fold_1,to_fold_1_low,to_fold_1_high,to_fold_1_verdict,answers,max_error,ops_per_image,planned_bytes,"
        "weight_bytes,peak_bytes,open_ms,first_ms,reason,command\n");
}

static void csv_number(const cmp_view *v, double value) {
    char text[FR_NUMBER_TEXT];
    fr_number_text(value, text);
    fr_text_add(v->out, ",%s", text);
}

static void csv_some(const cmp_view *v, double value) { /* 0 = not known: an empty cell */
    if (value > 0)
        csv_number(v, value);
    else
        fr_text_add(v->out, ",");
}

/* A spreadsheet takes what begins like this for a formula. */
static void csv_words(const cmp_view *v, const char *text, bool first) {
    char safe[CMP_REASON + 1];
    snprintf(safe, sizeof safe, "%s%s", text[0] && strchr("=+-@", text[0]) ? "'" : "", text);
    fr_text_add(v->out, "%s", first ? "" : ",");
    cli_csv_text(v->out, safe);
}

static void csv_ratio(const cmp_view *v, const cmp_row *row, const cmp_row *base) {
    cmp_ratio r = {0};
    if (base)
        r = cmp_ratio_of(row, base);
    csv_some(v, r.ratio);
    csv_some(v, r.low);
    csv_some(v, r.high);
    fr_text_add(v->out, ",%s", base && base != row ? cmp_verdict_word(row, base, &r) : "");
}

static void csv_row(const cmp_view *v, const cmp_row *row, int32_t rank) {
    bool worked = cmp_row_worked(row);
    const cmp_device *device = cmp_device_of(v->set, row);
    csv_words(v, row->model, true);
    csv_words(v, row->machine, false);
    csv_words(v, cmp_machine_name(v->set, row->machine), false);
    csv_words(v, row->device, false);
    csv_words(v, device ? device->name : "", false);
    csv_words(v, device ? device->driver : "", false);
    csv_words(v, row->engine, false);
    csv_words(v, row->version, false);
    fr_text_add(v->out, ",%d", row->fold);
    csv_words(v, row->round, false);
    fr_text_add(v->out, ",%lld", (long long)row->batch);
    csv_words(v, row->precision, false);
    csv_words(v, row->schedule, false);
    fr_text_add(v->out, row->copies ? ",yes" : ",no");
    fr_text_add(v->out, worked ? ",measured" : row->failed || row->check == CMP_WRONG ? ",failed" : ",not measured");
    csv_some(v, rank);
    csv_some(v, worked ? row->rate.median : 0);
    csv_some(v, worked ? row->rate.low : 0);
    csv_some(v, worked ? row->rate.high : 0);
    fr_text_add(v->out, ",%zu,%lld", row->n_visits, (long long)row->runs);
    csv_ratio(v, row, worked ? v->leaders[row->copies] : NULL);
    csv_ratio(v, row, worked ? cmp_plain_of(v, row) : NULL);
    fr_text_add(v->out, ",%s", cmp_check_word(row->check));
    if (row->check == CMP_UNCHECKED)
        fr_text_add(v->out, ",");
    else
        csv_number(v, row->max_error);
    const double known[] = {row->ops_per_image, row->planned_bytes, row->weight_bytes,
                            row->peak_bytes,    row->open_ms,       row->first_ms};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        csv_some(v, known[i]);
    csv_words(v, row->reason, false);
    csv_words(v, row->command, false);
    fr_text_add(v->out, "\n");
}

void cmp_csv_model(const cmp_view *v) {
    for (size_t i = 0; i < v->count; i++)
        csv_row(v, &v->set->rows[v->order[i]], v->rank[i]);
    for (size_t i = 0; i < v->set->n_rows; i++)
        if (!cmp_row_worked(&v->set->rows[i]))
            csv_row(v, &v->set->rows[i], 0);
}
