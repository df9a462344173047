/* A filter in front of a general CNN (FACTS, section 1): what folding it wins in time, and loses in images that it passes on. */
#include <math.h>

#include "base/status.h"
#include "foldrun/planner.h"

static const double rounding = 1e-12; /* of the ratio: nearer to the break-even than this is at it */

static bool is_share(double x) {
    return x >= 0 && x <= 1;
}

static bool is_positive(double x) {
    return isfinite(x) && x > 0;
}

static fr_status check(const fr_tradeoff *t) {
    if (!is_positive(t->speedup))
        return fr_fail(FR_INVALID, "a speed-up of %g: expected a number above 0, 2.5 for two and a half times as fast",
                       t->speedup);
    if (!is_share(t->drop))
        return fr_fail(FR_INVALID,
                       "a drop in accuracy of %g: expected a share of the images from 0 to 1, 0.0021 for 0.21 points",
                       t->drop);
    if (!is_positive(t->ts) || !is_positive(t->tg))
        return fr_fail(FR_INVALID, "times of %g and %g an image: expected numbers above 0, both in the same unit",
                       t->ts, t->tg);
    if (!is_share(t->unsure))
        return fr_fail(FR_INVALID, "an unsure share of %g: expected a share of the images from 0 to 1", t->unsure);
    if (t->unsure + t->drop > 1 + rounding)
        return fr_fail(FR_INVALID,
                       "unsure %g and drop %g: the general CNN cannot be asked about more images than there are",
                       t->unsure, t->drop);
    return FR_OK;
}

fr_status fr_tradeoff_judge(fr_tradeoff *t) {
    t->ratio = t->break_even = t->plain = t->folded = 0;
    t->folding_wins = false;
    FR_TRY(check(t));
    double gain = 1 - 1 / t->speedup;
    t->ratio = t->tg / t->ts;
    t->break_even = t->drop > 0 ? gain / t->drop : gain > 0 ? (double)INFINITY : 0;
    t->plain = t->ts + t->unsure * t->tg;
    t->folded = t->ts / t->speedup + (t->unsure + t->drop) * t->tg;
    t->folding_wins = t->ratio * (1 + rounding) < t->break_even;
    return FR_OK;
}
