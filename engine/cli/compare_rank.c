/* What may be said of rows: nothing where their intervals overlap, nothing of a row with too few visits. Pure. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/compare.h"

bool cmp_row_worked(const cmp_row *row) {
    return !row->failed && row->check != CMP_WRONG && isfinite(row->rate.median) && row->rate.median > 0;
}

bool cmp_row_settled(const cmp_row *row) {
    return row->n_visits == 0 || row->n_visits >= CMP_LEAST_VISITS;
}

cmp_verdict cmp_compare_rates(const cmp_rate *a, const cmp_rate *b) {
    if (!(a->median > 0) || !(b->median > 0))
        return CMP_NO_DIFFERENCE;
    if (a->low > b->high)
        return CMP_FASTER;
    if (a->high < b->low)
        return CMP_SLOWER;
    return CMP_NO_DIFFERENCE;
}

/* An interval that does not hold its median is none: files say anything. */
static cmp_rate rate_of(const cmp_row *row) {
    cmp_rate rate = row->rate;
    if (!(rate.low > 0 && rate.low <= rate.median && rate.median <= rate.high && isfinite(rate.high)))
        rate.low = rate.high = rate.median;
    return rate;
}

/* ---- ranks ---- */

typedef struct ranked {
    size_t row;
    bool copies, settled;
    cmp_rate rate;
} ranked;

static int by_median(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->copies != y->copies)
        return x->copies ? -1 : 1;
    if (x->rate.median != y->rate.median)
        return x->rate.median > y->rate.median ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static int falling(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* How many of the falling numbers lie above `limit`. */
static size_t count_above(const double *numbers, size_t count, double limit) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (numbers[middle] > limit)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Ranks of rows that did the same work; `lows` has room for a number each. */
static void rank_alike(const ranked *rows, size_t count, double *lows, int32_t *rank) {
    size_t n_lows = 0;
    for (size_t i = 0; i < count; i++)
        if (rows[i].settled)
            lows[n_lows++] = rows[i].rate.low;
    qsort(lows, n_lows, sizeof *lows, falling);
    for (size_t i = 0; i < count; i++)
        rank[i] = rows[i].settled ? (int32_t)(1 + count_above(lows, n_lows, rows[i].rate.high)) : 0;
}

size_t cmp_rank(const cmp_set *set, const char *model, size_t *order, int32_t *rank) {
    size_t count = 0, with_copies = 0;
    ranked *rows = fr_alloc_array(set->n_rows, sizeof *rows);
    double *lows = fr_alloc_array(set->n_rows, sizeof *lows);
    for (size_t i = 0; rows && lows && i < set->n_rows; i++) {
        const cmp_row *row = &set->rows[i];
        if (!cmp_row_worked(row) || (model && strcmp(row->model, model) != 0))
            continue;
        rows[count++] = (ranked){i, row->copies, cmp_row_settled(row), rate_of(row)};
        with_copies += row->copies;
    }
    if (count > 0) {
        qsort(rows, count, sizeof *rows, by_median);
        rank_alike(rows, with_copies, lows, rank);
        rank_alike(rows + with_copies, count - with_copies, lows, rank + with_copies);
    }
    for (size_t i = 0; i < count; i++)
        order[i] = rows[i].row;
    fr_free(lows);
    fr_free(rows);
    return count;
}

/* ---- ratios ---- */

int32_t cmp_accuracy_class(const char *precision) {
    if (strcmp(precision, "int8") == 0)
        return 2;
    return strcmp(precision, "f16") == 0 || strcmp(precision, "bf16") == 0;
}

const cmp_row *cmp_best_plain(const cmp_set *set, const cmp_row *row) {
    const cmp_row *best = NULL;
    int32_t class = cmp_accuracy_class(row->precision);
    for (size_t i = 0; i < set->n_rows; i++) {
        const cmp_row *base = &set->rows[i];
        if (base->fold != 1 || base->copies != row->copies || !cmp_row_worked(base) ||
            strcmp(base->model, row->model) != 0 || strcmp(base->device, row->device) != 0 ||
            strcmp(base->machine, row->machine) != 0 || strcmp(base->engine, row->engine) != 0 ||
            strcmp(base->version, row->version) != 0 || cmp_accuracy_class(base->precision) != class)
            continue;
        /* one that may be compared goes before one that is faster */
        bool better = !best || (cmp_row_settled(base) == cmp_row_settled(best) ? base->rate.median > best->rate.median
                                                                               : cmp_row_settled(base));
        if (better)
            best = base;
    }
    return best;
}

cmp_ratio cmp_ratio_of(const cmp_row *row, const cmp_row *base) {
    cmp_ratio none = {0, 0, 0, CMP_NO_DIFFERENCE}, ratio;
    if (!cmp_row_worked(row) || !cmp_row_worked(base))
        return none;
    if (row == base)
        return (cmp_ratio){1, 1, 1, CMP_NO_DIFFERENCE};
    cmp_rate a = rate_of(row), b = rate_of(base);
    ratio = (cmp_ratio){a.median / b.median, a.low / b.high, a.high / b.low, CMP_NO_DIFFERENCE};
    if (cmp_row_settled(row) && cmp_row_settled(base))
        ratio.verdict = cmp_compare_rates(&a, &b);
    return ratio;
}
