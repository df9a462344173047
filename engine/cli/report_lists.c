/* Which rows stand where: those of a model, and of those the ones that a reader looks for first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "cli/report.h"

typedef struct place {
    const char *model;
    size_t row;
} place;

static int by_model(const void *left, const void *right) {
    const place *a = left, *b = right;
    int order = fr_natural_compare(a->model, b->model);
    order = order != 0 ? order : strcmp(a->model, b->model);
    return order != 0 ? order : (a->row > b->row) - (a->row < b->row);
}

/* Ten thousand rows may be of as many models: sorting finds them without asking each row for each. */
static place *sorted_places(const cmp_set *set) {
    place *places = fr_alloc_array(set->n_rows ? set->n_rows : 1, sizeof *places);
    for (size_t i = 0; places && i < set->n_rows; i++)
        places[i] = (place){.model = set->rows[i].model, .row = i};
    if (places && set->n_rows > 0)
        qsort(places, set->n_rows, sizeof *places, by_model);
    return places;
}

static size_t count_models(const place *places, size_t count) {
    size_t models = 0;
    for (size_t i = 0; places && i < count; i++)
        models += i == 0 || strcmp(places[i].model, places[i - 1].model) != 0;
    return models;
}

static cmp_set with_rows(const cmp_set *set, cmp_row *rows, size_t count) {
    cmp_set out = *set;
    out.slots = NULL; /* they are of the whole set */
    out.n_slots = out.n_indexed = 0;
    out.rows = rows;
    out.n_rows = out.cap_rows = count;
    return out;
}

bool report_models_of(const cmp_set *set, report_models *out) {
    *out = (report_models){0};
    place *places = sorted_places(set);
    size_t count = count_models(places, set->n_rows);
    out->at = fr_alloc_array(count ? count : 1, sizeof *out->at);
    out->rows = fr_alloc_array(set->n_rows ? set->n_rows : 1, sizeof *out->rows);
    bool fine = places && out->at && out->rows;
    for (size_t i = 0; fine && i < set->n_rows; i++) {
        out->rows[i] = set->rows[places[i].row];
        if (i == 0 || strcmp(places[i].model, places[i - 1].model) != 0)
            out->at[out->count++] = with_rows(set, out->rows + i, 0);
        out->at[out->count - 1].cap_rows = ++out->at[out->count - 1].n_rows;
    }
    fr_free(places);
    if (!fine)
        report_models_free(out);
    return fine;
}

void report_models_free(report_models *models) {
    fr_free(models->at);
    fr_free(models->rows);
    *models = (report_models){0};
}

/* The same for rows that stand for one another. */
static fr_hash group_of(const cmp_row *row, report_pick pick) {
    char key[512];
    int length = snprintf(key, sizeof key, "%s\n%s\n%s\n%s\n%d\n%d\n", row->machine, row->device, row->engine,
                          row->version, row->fold, row->copies);
    size_t used = length > 0 ? (size_t)length : 0;
    if (pick == REPORT_BATCHES)
        snprintf(key + used, sizeof key - used, "%s\n%s\n%s", row->round, row->precision, row->schedule);
    else
        snprintf(key + used, sizeof key - used, "%d", cmp_accuracy_class(row->precision));
    return fr_hash_bytes(key, strlen(key), (fr_hash){0});
}

static bool is_there(const fr_hash *groups, size_t count, fr_hash group) {
    for (size_t i = 0; i < count; i++)
        if (groups[i].a == group.a && groups[i].b == group.b)
            return true;
    return false;
}

/* Rows that may be compared go before those that may not yet, as cmp_best_plain has it. */
static void pick_rows(const cmp_set *model, report_pick pick, const size_t *order, size_t ranked, fr_hash *groups,
                      report_lists *out) {
    size_t best = 0, others = 0;
    cmp_row *rest = out->rows + model->n_rows;
    for (int settled = 1; settled >= 0; settled--)
        for (size_t i = 0; i < ranked; i++) {
            const cmp_row *row = &model->rows[order[i]];
            if (cmp_row_settled(row) != (settled == 1))
                continue;
            fr_hash group = group_of(row, pick);
            if (is_there(groups, best, group)) {
                rest[others++] = *row;
            } else {
                groups[best] = group;
                out->rows[best++] = *row;
            }
        }
    out->best = with_rows(model, out->rows, best);
    out->others = with_rows(model, rest, others);
}

bool report_lists_of(const cmp_set *model, report_pick pick, report_lists *out) {
    size_t room = model->n_rows ? model->n_rows : 1;
    size_t *order = fr_alloc_array(room, sizeof *order);
    int32_t *rank = fr_alloc_array(room, sizeof *rank);
    fr_hash *groups = fr_alloc_array(room, sizeof *groups);
    *out = (report_lists){.rows = fr_alloc_array(room, 2 * sizeof *out->rows)};
    bool fine = order && rank && groups && out->rows;
    if (fine)
        pick_rows(model, pick, order, cmp_rank(model, NULL, order, rank), groups, out);
    fr_free(order);
    fr_free(rank);
    fr_free(groups);
    if (!fine)
        report_lists_free(out);
    return fine;
}

void report_lists_free(report_lists *lists) {
    fr_free(lists->rows);
    *lists = (report_lists){0};
}
