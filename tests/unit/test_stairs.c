/* Staircases: the tile that made a line of times is found again, and none is found where there is none. */
#include "plan/stairs.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"
#include "check.h"

enum { SEEDS = 6, MOST = 256 };

typedef struct grid {
    int32_t c[MOST];
    size_t count;
} grid;

/* The channels of a line as the lists of points have them. */
static grid grid_of(fr_probe_line line, int32_t h, int32_t level) {
    grid out = {.count = 0};
    fr_probe probe = {.kind = FR_DEVICE_CPU, .units = 2, .lanes = 2, .precisions = 1, .level = level};
    if (fr_probe_list(&probe, 0) != FR_OK)
        return out;
    for (size_t i = 0; i < probe.n_points; i++) {
        const fr_probe_point *p = &probe.points[i];
        if (p->kind != FR_STEP_CONV || p->line != line || p->h != h || p->kernel != 3 || p->groups != 1)
            continue;
        size_t at = out.count++;
        for (int32_t c = line == FR_LINE_IN ? p->c_in : p->c_out; at > 0 && out.c[at - 1] > c; at--)
            out.c[at] = out.c[at - 1];
        out.c[at] = line == FR_LINE_IN ? p->c_in : p->c_out;
    }
    fr_probe_free(&probe);
    return out;
}

typedef struct truth {
    int32_t q;
    double waste, noise;
    bool both, twice; /* twice: channels in are tiled too */
    double outliers;  /* share of the times that are half as long again */
} truth;

static double ns_of(const truth *t, double c) {
    double tiles = (1 - t->waste) * c + t->waste * ceil(c / t->q) * t->q;
    if (!t->both)
        return 24 + 3 * tiles;
    return 2000 + 30 * c + 10 * tiles * (t->twice ? tiles : c);
}

static fr_stair_fit fit_both(const int32_t *channels, const double *ns, size_t count) {
    fr_stair_fit fit;
    fr_stairs_fit_line(&(fr_stair_line){.channels = channels, .ns = ns, .count = count, .both = true}, &fit);
    return fit;
}

static fr_stair_fit fit_of(const grid *g, const truth *t, uint64_t seed) {
    double ns[MOST];
    fr_random random = {seed * 7919};
    fr_stair_fit fit;
    for (size_t i = 0; i < g->count; i++) {
        ns[i] = ns_of(t, g->c[i]) * (1 + t->noise * fr_random_normal(&random));
        if (fr_random_uniform(&random) < t->outliers)
            ns[i] *= 1.5;
    }
    if (t->both)
        fit = fit_both(g->c, ns, g->count);
    else
        fr_stairs_fit(g->c, ns, g->count, &fit);
    return fit;
}

TEST(known_quanta_are_found_exactly) {
    grid both = grid_of(FR_LINE_BOTH, 24, 1), in = grid_of(FR_LINE_IN, 24, 1);
    CHECK(both.count > 60 && in.count > 30);
    for (int32_t q = 4; q <= 32; q *= 2)
        for (int how = 0; how < 3; how++)
            for (int step = 0; step < 3; step++)
                for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                    static const double wastes[] = {0.3, 0.6, 1};
                    truth t = {.q = q, .waste = wastes[step], .noise = 0.03, .both = how > 0, .twice = how > 1};
                    t.outliers = seed % 2 ? 0 : 0.02;
                    fr_stair_fit fit = fit_of(how > 0 ? &both : &in, &t, seed);
                    /* The share of a few channels that a small tile wastes is less than the noise: then it may say none,
                     * and never another. */
                    bool hidden = t.waste * q < (how == 0 ? 6 : how == 1 ? 5 : 2.5);
                    if (fit.quantum != q && (fit.quantum != 1 || !hidden))
                        printf("     q %d, waste %.1f, way %d, seed %llu: %d\n", q, t.waste, how,
                               (unsigned long long)seed, fit.quantum);
                    CHECK(fit.quantum == q || (hidden && fit.quantum == 1));
                    CHECK(fit.confidence >= 0 && fit.confidence <= 1 && fit.waste >= 0 && fit.waste <= 1);
                    if (!hidden && how < 2)
                        CHECK_NEAR(fit.waste, t.waste, 0.15);
                }
}

TEST(straight_lines_have_no_quantum) {
    grid both = grid_of(FR_LINE_BOTH, 24, 1), in = grid_of(FR_LINE_IN, 24, 1), quick = grid_of(FR_LINE_BOTH, 24, 0);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        truth t = {.q = 1, .noise = 0.03};
        CHECK_INT(fit_of(&in, &t, seed).quantum, 1);
        t.both = true;
        CHECK_INT(fit_of(&both, &t, seed).quantum, 1);
        if (fit_of(&quick, &t, seed).quantum !=
            1) /* with few points chance may look like steps, and is not believed much */
            CHECK(fit_of(&quick, &t, seed).confidence < 0.95);
        t.outliers = 0.03;
        CHECK_INT(fit_of(&both, &t, seed).quantum, 1);
    }
    truth exact = {.q = 1, .both = true};
    fr_stair_fit fit = fit_of(&both, &exact, 1);
    CHECK(fit.quantum == 1 && fit.confidence == 0 && fit.waste == 0);
    CHECK_NEAR(fit.ns_per_channel, 10, 1e-6);
    CHECK_NEAR(fit.base_ns, 30, 1e-3);
}

/* Kernels that give way to others bend a line, and are no tiles. */
TEST(bends_are_no_steps) {
    grid g = grid_of(FR_LINE_BOTH, 24, 1);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        double ns[MOST];
        fr_random random = {seed};
        fr_stair_fit fit;
        for (size_t i = 0; i < g.count; i++)
            ns[i] = (3000 + 8 * pow(g.c[i], 1.8)) * (1 + 0.03 * fr_random_normal(&random));
        fit = fit_both(g.c, ns, g.count);
        CHECK_INT(fit.quantum, 1);
        for (size_t i = 0; i < g.count; i++)
            ns[i] = (5000 + 100.0 * g.c[i] + (g.c[i] < 40 ? 12.0 : 9.0) * g.c[i] * g.c[i]) *
                    (1 + 0.03 * fr_random_normal(&random));
        fit = fit_both(g.c, ns, g.count);
        CHECK(fit.quantum == 1 || fit.confidence < 0.5);
    }
}

/* Every third point is won by a kernel with other tiles, and wide maps are slow and noisy: what most points say still shows. */
TEST(kernels_that_take_turns_hide_nothing) {
    grid g = grid_of(FR_LINE_BOTH, 24, 1);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        truth slow = {.q = 16, .waste = 1, .both = true}, fast = {.q = 4, .waste = 0.1, .both = true};
        double ns[MOST];
        int32_t kernels[MOST];
        fr_random random = {seed * 31};
        fr_stair_fit fit;
        for (size_t i = 0; i < g.count; i++) {
            kernels[i] = g.c[i] > 16 && fr_random_uniform(&random) < 0.33;
            ns[i] = (kernels[i] ? 0.3 * ns_of(&fast, g.c[i]) : ns_of(&slow, g.c[i])) *
                    (1 + 0.02 * fr_random_normal(&random));
            if (g.c[i] > 100)
                ns[i] *= 1 + 3 * fr_random_uniform(&random);
        }
        fr_stairs_fit_line(
            &(fr_stair_line){.channels = g.c, .ns = ns, .kernels = kernels, .count = g.count, .both = true}, &fit);
        CHECK_INT(fit.quantum, 16);
        CHECK(fit.confidence < 0.9); /* for it speaks of some points only */
    }
}

TEST(confidence_falls_with_noise) {
    grid g = grid_of(FR_LINE_BOTH, 24, 1);
    double before = 1;
    for (int percent = 0; percent <= 8; percent += 2) {
        truth t = {.q = 16, .waste = 1, .noise = percent / 100.0, .both = true};
        double sum = 0;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            fr_stair_fit fit = fit_of(&g, &t, seed);
            sum += fit.quantum == 16 ? fit.confidence : 0;
        }
        CHECK(sum / SEEDS <= before && (percent > 2 || sum / SEEDS > 0.8));
        before = sum / SEEDS;
    }
    CHECK(before < 0.7);
}

TEST(a_quick_line_shows_large_tiles) {
    grid g = grid_of(FR_LINE_BOTH, 24, 0);
    CHECK(g.count >= 10 && g.count <= 16);
    for (int32_t q = 16; q <= 32; q *= 2)
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            truth t = {.q = q, .waste = 1, .noise = 0.01, .both = true};
            CHECK_INT(fit_of(&g, &t, seed).quantum, q);
        }
}

TEST(of_two_that_look_the_same_the_smaller) {
    int32_t c[] = {8, 16, 18, 32, 34, 48, 50, 64, 66, 80, 82, 96}; /* tiles of 8: 18, 34, ... cost 24, 40, ... */
    double ns[12];
    fr_stair_fit fit;
    for (int i = 0; i < 12; i++)
        ns[i] = 100 + 5 * ceil(c[i] / 8.0) * 8;
    fr_stairs_fit(c, ns, 12, &fit);
    CHECK_INT(fit.quantum, 4); /* here 4, 8 and 16 are multiples of one another: 2, 6 and 14 channels are missing */
}

TEST(too_little_says_nothing) {
    int32_t c[] = {8, 9, 16, 17, 24, 25}, narrow[] = {100, 101, 102, 103, 104, 105};
    double ns[] = {8, 16, 16, 24, 24, 32}, zeros[] = {0, 0, NAN, INFINITY, -1, 0};
    fr_stair_fit fit;
    fr_stairs_fit(c, ns, 5, &fit);
    CHECK(fit.quantum == 1 && fit.confidence == 0);
    fr_stairs_fit(narrow, ns, 6, &fit);
    CHECK(fit.quantum == 1 && fit.confidence == 0);
    fr_stairs_fit(c, zeros, 6, &fit);
    CHECK(fit.quantum == 1 && fit.confidence == 0 && fit.base_ns == 0);
    fr_stairs_fit(c, ns, 0, &fit);
    CHECK(fit.quantum == 1);
    fit = fit_both(c, ns, 1);
    CHECK(fit.quantum == 1 && isfinite(fit.ns_per_channel));
}

TEST(lines_are_read_from_a_probe) {
    fr_probe probe = {
        .kind = FR_DEVICE_CPU, .units = 2, .precisions = 1u << FR_PRECISION_F32 | 1u << FR_PRECISION_INT8};
    fr_random random = {5};
    int32_t quanta[8];
    probe.level = 1;
    CHECK_OK(fr_probe_list(&probe, 0));
    for (size_t i = 0; i < probe.n_points; i++) {
        fr_probe_point *p = &probe.points[i];
        truth out = {.q = p->precision == FR_PRECISION_INT8 ? 32 : 16, .waste = 1, .both = p->line == FR_LINE_BOTH};
        p->ns = ns_of(&out, p->line == FR_LINE_IN ? p->c_in : p->c_out) * (1 + 0.01 * fr_random_normal(&random));
        if (p->line == FR_LINE_OUT)
            p->noisy = i % 2;
        if (p->line == FR_LINE_BOTH && p->c_in == 64)
            p->ns = 0; /* not measured */
    }
    fr_stairs_list list;
    CHECK_OK(fr_stairs_read(&probe, &list));
    CHECK(list.count >= 16);
    const fr_stairs *main = &list.at[0];
    CHECK(main->like.line == FR_LINE_BOTH && main->like.kernel == 3 && main->like.precision == FR_PRECISION_F32);
    CHECK(main->count > 60 && !main->noisy);
    CHECK_INT(main->fit.quantum, 16);
    for (size_t k = 0; k < list.count; k++) {
        const fr_stairs *s = &list.at[k];
        CHECK(s->count >= 2 && (s->like.kind == FR_STEP_CONV || s->like.kind == FR_STEP_FC));
        CHECK(s->noisy == (s->like.line == FR_LINE_OUT));
        for (size_t i = 0; i < s->count; i++) {
            CHECK(s->points[i]->ns > 0 && s->points[i] >= probe.points && s->points[i] < probe.points + probe.n_points);
            CHECK(i == 0 || fr_stairs_channels(s, i) > fr_stairs_channels(s, i - 1));
        }
    }
    CHECK_INT(fr_stairs_quanta(&list, FR_PRECISION_F32, quanta, 8), 1);
    CHECK_INT(quanta[0], 16);
    CHECK_INT(fr_stairs_quanta(&list, FR_PRECISION_INT8, quanta, 8), 1);
    CHECK_INT(quanta[0], 32);
    CHECK_INT(fr_stairs_quanta(&list, FR_PRECISION_BF16, quanta, 8), 0);
    CHECK_INT(fr_stairs_quanta(&list, FR_PRECISION_F32, quanta, 0), 0);
    fr_stairs_free(&list);
    CHECK(!list.at && list.count == 0);
    fr_probe_free(&probe);
    CHECK_OK(fr_stairs_read(&probe, &list)); /* of nothing, nothing */
    CHECK_INT(list.count, 0);
    fr_stairs_free(&list);
}

/* Profiles come from elsewhere: as many points as a profile may hold, each on a line of its own, or all on one. */
TEST(a_hostile_profile_takes_no_more_than_its_size) {
    enum { POINTS = 16384 };
    for (int alone = 0; alone < 3; alone++) {
        fr_probe probe = {.n_points = POINTS};
        probe.points = fr_alloc_array(POINTS, sizeof *probe.points);
        CHECK(probe.points != NULL);
        for (int32_t i = 0; i < POINTS; i++) {
            fr_probe_point *p = &probe.points[POINTS - 1 - i];
            *p = (fr_probe_point){.line = FR_LINE_BOTH, .kind = FR_STEP_CONV, .n = 1, .kernel = 1, .groups = 1};
            p->h = p->w = alone == 1 ? 1 + i : alone == 2 ? 1 + i / 2 : 1; /* 0: one line, 2: of two points each */
            p->c_in = p->c_out = 1 + i;
            p->ns = 100 + i;
            snprintf(p->candidate, sizeof p->candidate, "kernel%d", i);
        }
        uint64_t calls = fr_alloc_read().calls, bytes = fr_alloc_read().live_bytes;
        fr_stairs_list list;
        CHECK_OK(fr_stairs_read(&probe, &list));
        CHECK_INT(list.count, alone == 0 ? 1 : alone == 1 ? 0 : POINTS / 2);
        CHECK(fr_alloc_read().live_bytes - bytes <= POINTS * (sizeof(void *) + sizeof(fr_stairs)));
        CHECK(fr_alloc_read().calls - calls <= 8 * (list.count + 1));
        for (size_t i = 1; i < list.count; i++)
            CHECK(list.at[i - 1].first < list.at[i].first);
        for (size_t i = 0; i < list.count; i++)
            CHECK(list.at[i].points[0]->c_in < list.at[i].points[1]->c_in);
        fr_stairs_free(&list);
        fr_probe_free(&probe);
    }
}

CHECK_MAIN
