#include <string.h>

#include "cli/bench.h"
#include "cli/table.h"

static bool same_setting(const bench_row *a, const bench_row *b) {
    return strcmp(a->model, b->model) == 0 && a->precision == b->precision && a->batch == b->batch;
}

bool bench_speedup_of(const bench_result *result, const bench_row *row, bench_speedup *out) {
    *out = (bench_speedup){.row = row};
    for (size_t i = 0; i < result->n_rows; i++) {
        const bench_row *base = &result->rows[i];
        if (!same_setting(row, base) || base->model_info.fold != 1 || base == row)
            continue;
        bench_spread a = bench_main_figures(row)->images_per_s, b = bench_main_figures(base)->images_per_s;
        out->base = base;
        out->factor = a.median / b.median;
        out->differs = a.p5 > b.p95 || b.p5 > a.p95;
        return true;
    }
    return false;
}

static double rate_of(const bench_row *row) {
    return bench_main_figures(row)->images_per_s.median;
}

static const bench_row *best_row(const bench_result *result, const char *model, const bench_row *except_fold_of) {
    const bench_row *best = NULL;
    for (size_t i = 0; i < result->n_rows; i++) {
        const bench_row *row = &result->rows[i];
        if (strcmp(row->model, model) != 0)
            continue;
        if (except_fold_of &&
            (!same_setting(row, except_fold_of) || row->model_info.fold == except_fold_of->model_info.fold))
            continue;
        if (!best || rate_of(row) > rate_of(best))
            best = row;
    }
    return best;
}

static void tell_speedups(const bench_result *result, const char *model, fr_text *out) {
    for (size_t i = 0; i < result->n_rows; i++) {
        const bench_row *row = &result->rows[i];
        bench_speedup s;
        if (strcmp(row->model, model) != 0 || !bench_speedup_of(result, row, &s))
            continue;
        fr_text_add(out, "  fold %d: %.2fx fold 1 in %s at batch %s%s\n", row->model_info.fold, s.factor,
                    fr_precision_name(row->precision), cli_integer(row->batch).text,
                    s.differs ? "" : " (no difference: the spreads overlap)");
    }
}

static void add_peak(const bench_row *row, const char *before, const char *behind, fr_text *out) {
    double percent = bench_main_figures(row)->percent_of_peak;
    if (percent >= 0)
        fr_text_add(out, "%s%.0f%%%s", before, percent, behind);
}

/* Folded and plain, at the same setting: what folding changed, and what came of it. */
static void tell_why(const bench_row *folded, const bench_row *plain, const bench_speedup *s, fr_text *out) {
    double work = folded->ops_per_image / plain->ops_per_image;
    fr_text_add(out,
                "  why: fold %d raises arithmetic intensity from %s to %s FLOP a byte, at %.2f times the operations an "
                "image.\n",
                folded->model_info.fold, cli_real(plain->arithmetic_intensity).text,
                cli_real(folded->arithmetic_intensity).text, work);
    if (!s->differs) {
        fr_text_add(out, "  Here that makes no difference that stands out of the noise");
    } else if (s->factor > 1) {
        fr_text_add(out, "  Here that pays: the operations run at %s GFLOP/s instead of %s",
                    cli_real(bench_main_figures(folded)->gflops).text,
                    cli_real(bench_main_figures(plain)->gflops).text);
    } else {
        fr_text_add(out, "  Intensity went up, but time did not go down: the operations run at %s GFLOP/s against %s",
                    cli_real(bench_main_figures(folded)->gflops).text,
                    cli_real(bench_main_figures(plain)->gflops).text);
    }
    add_peak(plain, "; fold 1 reaches ", " of the measured peak", out);
    add_peak(folded, ", the folded model ", "", out);
    fr_text_add(out, ".\n");
    if (s->factor <= 1 && s->differs && bench_main_figures(plain)->percent_of_peak > 50)
        fr_text_add(out, "  The plain model is bound by arithmetic here, not by memory traffic, and traffic is all "
                         "that folding saves.\n");
    if (s->factor > 1 && s->differs)
        fr_text_add(
            out,
            "  The folded model is another network: it must be trained, and gives up a little accuracy for this.\n");
}

void bench_verdict(const bench_result *result, size_t row, fr_text *out) {
    const char *model = result->rows[row].model;
    for (size_t i = 0; i < row; i++)
        if (strcmp(result->rows[i].model, model) == 0)
            return;
    const bench_row *best = best_row(result, model, NULL);
    bench_speedup s;
    bool close = bench_speedup_of(result, best, &s) && !s.differs;
    fr_text_add(out, "%s on %s: fold %d in %s at batch %s %s, %s images/s%s", model, best->session.device,
                best->model_info.fold, fr_precision_name(best->precision), cli_integer(best->batch).text,
                close ? "has the highest median" : "wins", cli_real(rate_of(best)).text,
                best->with_copies.have ? "" : " without copies");
    add_peak(best, ", ", " of the measured peak", out);
    if (close)
        fr_text_add(out, ", but no difference to fold 1 (%s images/s), which needs no new training",
                    cli_real(rate_of(s.base)).text);
    fr_text_add(out, ".\n");
    tell_speedups(result, model, out);
    const bench_row *other = best->model_info.fold == 1 ? best_row(result, model, best) : best;
    if (other && bench_speedup_of(result, other, &s))
        tell_why(other, s.base, &s, out);
}
