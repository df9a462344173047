/* The trade-off with a general CNN behind the filter: the paper's figures, the edge, and what makes no sense. */
#include "base/status.h"
#include "check.h"
#include "foldrun/planner.h"

static fr_tradeoff of(double speedup, double drop, double ts, double tg, double unsure) {
    return (fr_tradeoff){.speedup = speedup, .drop = drop, .ts = ts, .tg = tg, .unsure = unsure};
}

TEST(the_papers_example) {
    fr_tradeoff t = of(2.5, 0.0021, 1, 83, 0.1);
    CHECK_OK(fr_tradeoff_judge(&t));
    CHECK_NEAR(t.break_even, 285.7142857, 1e-6);
    CHECK_NEAR(t.ratio, 83, 1e-12);
    CHECK_NEAR(t.plain, 1 + 8.3, 1e-12);
    CHECK_NEAR(t.folded, 0.4 + 0.1021 * 83, 1e-12);
    CHECK(t.folding_wins);
    t.tg = 286;
    CHECK_OK(fr_tradeoff_judge(&t));
    CHECK(!t.folding_wins && t.folded > t.plain);
    t.tg = 285;
    CHECK_OK(fr_tradeoff_judge(&t));
    CHECK(t.folding_wins && t.folded < t.plain);
}

TEST(the_unit_of_time_does_not_matter) {
    fr_tradeoff a = of(1.7, 0.01, 0.002, 0.05, 0.3), b = of(1.7, 0.01, 2, 50, 0.3);
    CHECK_OK(fr_tradeoff_judge(&a));
    CHECK_OK(fr_tradeoff_judge(&b));
    CHECK_NEAR(a.ratio, b.ratio, 1e-12);
    CHECK_NEAR(a.break_even, b.break_even, 1e-12);
    CHECK_INT(a.folding_wins, b.folding_wins);
}

TEST(exactly_at_break_even_nothing_is_won) {
    static const double drops[] = {0.5, 0.1, 0.005, 0.0021, 0.07, 0.003}, speedups[] = {2, 2.5, 1.1, 3, 1.7};
    for (size_t d = 0; d < sizeof drops / sizeof drops[0]; d++)
        for (size_t s = 0; s < sizeof speedups / sizeof speedups[0]; s++) {
            fr_tradeoff t = of(speedups[s], drops[d], 0.3, 0.3 * (1 / drops[d]) * (1 - 1 / speedups[s]), 0.2);
            CHECK_OK(fr_tradeoff_judge(&t));
            CHECK(!t.folding_wins);
            t.tg *= 0.999999;
            CHECK_OK(fr_tradeoff_judge(&t));
            CHECK(t.folding_wins);
        }
}

TEST(without_a_drop_any_speed_up_wins) {
    fr_tradeoff t = of(1.01, 0, 1, 1e6, 0);
    CHECK_OK(fr_tradeoff_judge(&t));
    CHECK(isinf(t.break_even) && t.break_even > 0 && t.folding_wins);
    t.speedup = 1;
    CHECK_OK(fr_tradeoff_judge(&t));
    CHECK(t.break_even == 0 && !t.folding_wins);
    t.speedup = 0.9;
    CHECK_OK(fr_tradeoff_judge(&t));
    CHECK(!t.folding_wins);
}

TEST(slower_never_wins) {
    fr_tradeoff t = of(0.8, 0.01, 1, 0.001, 0);
    CHECK_OK(fr_tradeoff_judge(&t));
    CHECK(t.break_even < 0 && !t.folding_wins);
}

TEST(what_makes_no_sense_is_refused) {
    static const struct {
        double speedup, drop, ts, tg, unsure;
        const char *says;
    } wrong[] = {
        {0, 0.1, 1, 1, 0, "a speed-up of 0"},
        {-2, 0.1, 1, 1, 0, "a speed-up of -2"},
        {INFINITY, 0.1, 1, 1, 0, "a speed-up of inf"},
        {2, -0.1, 1, 1, 0, "a drop in accuracy of -0.1"},
        {2, 0.21e2, 1, 1, 0, "0.0021 for 0.21 points"},
        {2, (double)NAN, 1, 1, 0, "a drop in accuracy"},
        {2, 0.1, 0, 1, 0, "times of 0 and 1"},
        {2, 0.1, 1, -1, 0, "above 0"},
        {2, 0.1, 1, INFINITY, 0, "above 0"},
        {2, 0.1, 1, 1, 1.5, "an unsure share of 1.5"},
        {2, 0.1, 1, 1, (double)NAN, "an unsure share"},
        {2, 0.6, 1, 1, 0.6, "more images than there are"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        fr_tradeoff t = of(wrong[i].speedup, wrong[i].drop, wrong[i].ts, wrong[i].tg, wrong[i].unsure);
        t.folding_wins = true;
        CHECK_INT(fr_tradeoff_judge(&t), FR_INVALID);
        CHECK_HAS(fr_error_sentence(), wrong[i].says);
        CHECK(!t.folding_wins && t.plain == 0);
    }
}

CHECK_MAIN
