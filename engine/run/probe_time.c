/* How long a launch of a point takes with the fastest kernel, found with few trials. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "run/peak.h"
#include "run/prober.h"
#include "run/programs.h"

/* Kernels that a point's share of the time is spent on, the likeliest first: the best ones of so many near points, then the backend's
 * own guesses. So many at least; the first point of its kind, and every sixth one, has a larger share. */
enum { MOST = 12, NEAR = 3, FROM_NEAR = 6, LEAST = 2, EVERY = 6, KEPT = 5 };
static const double first_share = 8, sixth_share = 3;
static const double near_best = 1.5, hopeless = 3, most_spread = 0.10;
static const int most_tries = 3;

/* ---- which kernels ------------------------------------------------------------------------------------------------ */

/* A kernel that is good for the one is worth a trial for the other. */
static bool same_family(const fr_probe_point *a, const fr_probe_point *b) {
    return a->kind == b->kind && a->precision == b->precision && a->kernel == b->kernel &&
           (a->groups > 1) == (b->groups > 1);
}

static double apart(double a, double b) {
    return fabs(log2(a / b));
}

static double distance(const fr_probe_point *a, const fr_probe_point *b) {
    return apart(a->c_in, b->c_in) + apart(a->c_out, b->c_out) + 0.5 * apart((double)a->h * a->w, (double)b->h * b->w) +
           0.25 * apart(a->n, b->n) + (a->pool_kernel == b->pool_kernel && a->pool_stride == b->pool_stride ? 0 : 0.5);
}

typedef struct near_points {
    size_t first[NEAR]; /* into `known`, the nearest point first */
    double far[NEAR];
    int32_t count;
    size_t family; /* points of the same kind in all */
} near_points;

static void put_near(near_points *near, size_t first, double far) {
    if (near->count == NEAR && far > near->far[NEAR - 1])
        return;
    int32_t at = near->count < NEAR ? near->count++ : NEAR - 1;
    for (; at > 0 && far <= near->far[at - 1];
         at--) { /* of equals the later one: it may be the same point, measured again */
        near->first[at] = near->first[at - 1];
        near->far[at] = near->far[at - 1];
    }
    near->first[at] = first;
    near->far[at] = far;
}

/* The nearest points of the family whose kernels are known. */
static void find_near(const fr_prober *p, int32_t point, near_points *out) {
    const fr_probe_point *wanted = &p->probe.points[point];
    *out = (near_points){.count = 0};
    for (size_t i = 0; i < p->n_known; i++) {
        const fr_probe_point *other = &p->probe.points[p->known[i].point];
        bool is_first = i == 0 || p->known[i].point != p->known[i - 1].point;
        if (!is_first || p->known[i].point == point || !same_family(wanted, other))
            continue;
        out->family++;
        put_near(out, i, distance(wanted, other));
    }
}

static bool is_exact(const fr_candidate *c) {
    return !(c->flags & FR_CANDIDATE_INEXACT);
}

/* What a candidate says of itself: how it multiplies, in which layouts, with what tile. */
static bool same_kind(const fr_candidate *a, const fr_candidate *b) {
    return is_exact(a) == is_exact(b) && (a->scratch_bytes > 0) == (b->scratch_bytes > 0) && a->granule == b->granule &&
           a->src_layout[0] == b->src_layout[0] && a->dst_layout == b->dst_layout;
}

typedef enum likeness { SAME_SUMS, SAME_KIND, SAME_NAME, SAME, N_LIKENESSES } likeness;

static bool is_like(const fr_candidate *a, const fr_candidate *b, likeness how) {
    switch (how) {
    case SAME_SUMS: return is_exact(a) == is_exact(b);
    case SAME_KIND: return same_kind(a, b);
    case SAME_NAME: return strcmp(a->name, b->name) == 0;
    default:
        return strcmp(a->name, b->name) == 0 && a->src_layout[0] == b->src_layout[0] && a->dst_layout == b->dst_layout;
    }
}

static bool is_listed(const fr_candidate *list, int32_t count, const fr_candidate *c, likeness how) {
    for (int32_t i = 0; i < count; i++)
        if (is_like(&list[i], c, how))
            return true;
    return false;
}

static bool is_same(const fr_candidate *c, const fr_probe_known *known) {
    return strcmp(c->name, known->name) == 0 &&
           (known->src_layout == FR_LAYOUT_ANY || c->src_layout[0] == known->src_layout) &&
           (known->dst_layout == FR_LAYOUT_ANY || c->dst_layout == known->dst_layout);
}

/* The backend's best guesses, unlike ones first: exact and not, then each kind once, then each name, then what is left. */
static int32_t take_guesses(const fr_candidate *menu, int32_t count, fr_candidate *list, int32_t listed, int32_t most) {
    for (likeness how = SAME_SUMS; how < N_LIKENESSES; how++)
        for (int32_t i = 0; i < count && listed < most; i++)
            if (!is_listed(list, listed, &menu[i], how))
                list[listed++] = menu[i];
    return listed;
}

/* Those of the near points that were nearly as good as the best there: all winners first. */
static int32_t take_known(const fr_prober *p, const near_points *near, const fr_candidate *menu, int32_t count,
                          fr_candidate *list) {
    int32_t listed = 0;
    for (size_t rank = 0; rank < KEPT; rank++)
        for (int32_t n = 0; n < near->count; n++) {
            size_t at = near->first[n] + rank;
            if (at >= p->n_known || p->known[at].point != p->known[near->first[n]].point ||
                p->known[at].slower > near_best)
                continue;
            for (int32_t i = 0; i < count && listed < FROM_NEAR; i++)
                if (is_same(&menu[i], &p->known[at])) {
                    if (!is_listed(list, listed, &menu[i], SAME))
                        list[listed++] = menu[i];
                    break;
                }
        }
    return listed;
}

/* ---- timing them -------------------------------------------------------------------------------------------------- */

typedef struct scan {
    fr_candidate list[FR_MAX_CANDIDATES];
    double ns[FR_MAX_CANDIDATES]; /* 0 = not timed */
    int32_t count, best;          /* index, -1 = none */
    fr_status failed;             /* the worst that happened to a kernel */
    uint64_t until_ns;            /* the point's share of the time */
} scan;

static void begin_scan(const fr_prober *p, int32_t point, const fr_candidate *menu, int32_t count, scan *s) {
    near_points near = {.count = 0};
    if (point >= 0)
        find_near(p, point, &near);
    double share = near.count == 0 ? first_share : near.family % EVERY == 0 ? sixth_share : 1;
    s->until_ns = fr_clock_ns() + (uint64_t)(share * p->share_s * 1e9);
    s->count = take_guesses(menu, count, s->list, take_known(p, &near, menu, count, s->list), MOST);
}

static bool is_worth_a_check(const fr_prober *p, const scan *s, const fr_candidate *c) {
    return !p->verdicts || s->best < 0 || fr_prober_may_check(p) ||
           fr_verdicts_find(p->verdicts, c->name, NULL) != FR_VERDICT_NONE;
}

static bool is_enough(const fr_prober *p, const scan *s, int32_t tried) {
    return s->best >= 0 && ((tried >= LEAST && fr_clock_ns() > s->until_ns) || fr_prober_left_s(p) <= 0);
}

/* A kernel that must be built may take seconds: before each the caller, and the clock, have a word. */
static fr_status goes_on(fr_prober *p, const scan *s, int32_t tried, const char *name) {
    if (tried > 0 && s->best < 0 && fr_prober_left_s(p) <= 0)
        return fr_fail(FR_UNAVAILABLE, "there is no time left for '%s'", name);
    return tried > 0 ? fr_prober_says(p, name) : FR_OK;
}

static fr_status scan_one(fr_prober *p, scan *s, int32_t at, const fr_step *step, const fr_weights *weights,
                          const char *name, uint64_t fill_ns) {
    const fr_candidate *c = &s->list[at];
    fr_trial_times times;
    if (!is_worth_a_check(p, s, c))
        return FR_OK;
    if (!fr_selfcheck_passes(p->target.check, step, weights, name, c))
        return fr_selfcheck_lost(p->target.check) ? fr_fail_within(FR_DEVICE_LOST, "%s", name) : FR_OK;
    double limit = s->best >= 0 ? hopeless * s->ns[s->best] : 0;
    fr_status status = fr_trial_measure(&p->trial, step, c, weights, fill_ns, limit, &times);
    if (status == FR_OK) {
        s->ns[at] = times.least > 1 ? times.least : 1;
        fr_log(FR_LOG_DEBUG, "kernel %s for '%s': %.0f ns", c->name, name, s->ns[at]);
        if (s->best < 0 || s->ns[at] < s->ns[s->best])
            s->best = at;
        return FR_OK;
    }
    fr_log(FR_LOG_INFO, "kernel %s for '%s' is not timed: %s", c->name, name, fr_error_sentence());
    if (status == FR_DEVICE_LOST)
        return status;
    fr_selfcheck_note_failure(p->target.check, status, step, name, c->name);
    s->failed = status == FR_NO_MEMORY || s->failed == FR_OK ? status : s->failed;
    return FR_OK;
}

/* Into the tuner's profile: a session's first guess for a step like this one. */
static fr_status tell_tuner(fr_prober *p, const fr_step *step, const fr_candidate *untuned, const scan *s) {
    fr_profile_time times[FR_MAX_CANDIDATES];
    int32_t count = 0;
    for (int32_t i = 0; i < s->count; i++) {
        if (s->ns[i] <= 0)
            continue;
        times[count] = (fr_profile_time){
            .src_layout = s->list[i].src_layout[0], .dst_layout = s->list[i].dst_layout, .ns = s->ns[i]};
        snprintf(times[count].name, sizeof times[count].name, "%s", s->list[i].name);
        count++;
    }
    return count > 0 && p->kernels.path ? fr_profile_put(&p->kernels.profile, step, untuned->name, times, count)
                                        : FR_OK;
}

/* Keeps the best few of a point, for its neighbours. */
static fr_status remember(fr_prober *p, int32_t point, const scan *s) {
    bool taken[FR_MAX_CANDIDATES] = {false};
    for (int32_t kept = 0; kept < KEPT; kept++) {
        int32_t at = -1;
        for (int32_t i = 0; i < s->count; i++)
            if (!taken[i] && s->ns[i] > 0 && (at < 0 || s->ns[i] < s->ns[at]))
                at = i;
        if (at < 0)
            break;
        taken[at] = true;
        if (p->n_known == p->cap_known) {
            size_t more = p->cap_known ? 2 * p->cap_known : 256;
            fr_probe_known *grown = fr_grow_array(p->known, p->cap_known, more, sizeof *grown);
            if (!grown)
                return fr_no_memory(more * sizeof *grown, "the device profile");
            p->known = grown;
            p->cap_known = more;
        }
        fr_probe_known *k = &p->known[p->n_known++];
        *k = (fr_probe_known){.point = point,
                              .src_layout = s->list[at].src_layout[0],
                              .dst_layout = s->list[at].dst_layout,
                              .exact = is_exact(&s->list[at]),
                              .slower = s->ns[at] / s->ns[s->best]};
        snprintf(k->name, sizeof k->name, "%s", s->list[at].name);
    }
    return FR_OK;
}

/* The winner once more, with patience. Where repeats lie far apart, the least of a few tries counts if another try comes near it;
 * *out_spread: how far they are from that. */
static fr_status measure_best(fr_prober *p, const scan *s, const fr_step *step, const fr_weights *weights,
                              uint64_t fill_ns, fr_trial_times *out_times, double *out_spread) {
    double least = INFINITY, second = INFINITY;
    *out_times = (fr_trial_times){0, 0};
    *out_spread = 0;
    for (int i = 0; i < most_tries; i++) {
        fr_trial_times t;
        FR_TRY(fr_trial_measure(&p->trial, step, &s->list[s->best], weights, fill_ns, 0, &t));
        double ns = t.least >= 1 ? t.least : 1;
        second = ns < least ? least : ns < second ? ns : second;
        least = ns < least ? ns : least;
        out_times->median = i == 0 || t.median < out_times->median ? t.median : out_times->median;
        *out_spread = out_times->median / least - 1;
        if (*out_spread > second / least - 1)
            *out_spread = second / least - 1;
        if (*out_spread <= (i == 0 ? most_spread : most_spread / 2))
            break;
    }
    out_times->least = least;
    out_times->median = out_times->median > least ? out_times->median : least;
    return FR_OK;
}

fr_status fr_prober_best(fr_prober *p, const fr_step *step, int32_t point, uint64_t fill_ns,
                         fr_candidate *out_candidate, fr_trial_times *out_times, double *out_spread) {
    char name[sizeof p->doing];
    fr_candidate menu[FR_MAX_CANDIDATES];
    fr_weights weights;
    scan s = {.best = -1};
    int32_t count;
    if (point >= 0)
        fr_probe_point_name(&p->probe.points[point], name, sizeof name);
    else
        memcpy(name, p->doing, sizeof name);
    FR_TRY(fr_target_candidates(&p->target, step, name, menu, &count));
    FR_TRY(fr_probe_kit_for(&p->kit, step, &weights));
    begin_scan(p, point, menu, count, &s);
    for (int32_t i = 0; i < s.count && !is_enough(p, &s, i); i++) {
        FR_TRY(goes_on(p, &s, i, name));
        FR_TRY(scan_one(p, &s, i, step, &weights, name, fill_ns / 2));
        if (i == s.count - 1 && s.best < 0) /* none of those that were worth a trial: whatever works will do */
            s.count = take_guesses(menu, count, s.list, s.count, i + 2);
    }
    if (s.best < 0)
        return s.failed == FR_NO_MEMORY
                   ? fr_fail(FR_NO_MEMORY, "'%s' does not fit into memory", name)
                   : fr_fail(FR_UNSUPPORTED, "no kernel of %s works for '%s'", p->target.facts.name, name);
    double spread;
    FR_TRY(measure_best(p, &s, step, &weights, fill_ns, out_times, &spread));
    if (out_spread)
        *out_spread = spread;
    *out_candidate = s.list[s.best];
    FR_TRY(tell_tuner(p, step, &menu[0], &s));
    return point >= 0 ? remember(p, point, &s) : FR_OK;
}

/* ---- points ------------------------------------------------------------------------------------------------------- */

static double work_of(const fr_probe_point *point) {
    double ops = fr_probe_ops(point);
    return ops > 0 ? ops : fr_probe_bytes(point);
}

/* Nanoseconds that a launch may take, by its nearest neighbour, else by the device's peak; 0 = no idea. */
static double guess_ns(const fr_prober *p, int32_t point) {
    const fr_probe_point *wanted = &p->probe.points[point];
    near_points near;
    find_near(p, point, &near);
    if (near.count > 0) {
        const fr_probe_point *other = &p->probe.points[p->known[near.first[0]].point];
        return other->ns * work_of(wanted) / work_of(other);
    }
    double peak = p->probe.peak[wanted->precision] / fr_target_lanes(&p->target);
    return peak > 0 ? 2e9 * fr_probe_ops(wanted) / peak : 0;
}

/* A point that would take a large share of what is left of the budget waits for a larger one. */
static bool is_too_long(const fr_prober *p, int32_t point) {
    const double launches = 10, share = 0.25;
    return launches * guess_ns(p, point) * 1e-9 > share * fr_prober_left_s(p);
}

bool fr_prober_suspects(const fr_prober *p, int32_t point) {
    const double clearly = 1.2, neighbour = 1.2;
    const fr_probe_point *at = &p->probe.points[point];
    near_points near;
    find_near(p, point, &near);
    for (int32_t i = 0; i < near.count && at->ns > 0; i++) {
        const fr_probe_point *other = &p->probe.points[p->known[near.first[i]].point];
        bool differs = strcmp(other->candidate, at->candidate) != 0;
        if (differs && near.far[i] < neighbour && other->ns > 0 &&
            at->ns / work_of(at) > clearly * other->ns / work_of(other))
            return true;
    }
    return false;
}

/* There is no kernel for it: known from now on, and never tried again. */
static void refuse(fr_probe_point *point) {
    point->ns = 0;
    snprintf(point->candidate, sizeof point->candidate, "%s", fr_probe_no_kernel);
}

bool fr_prober_wants(const fr_prober *p, int32_t point) {
    const fr_probe_point *at = &p->probe.points[point];
    bool is_refused = strcmp(at->candidate, fr_probe_no_kernel) == 0;
    return at->ns <= 0 && !is_refused && p->precisions >> at->precision & 1u && !(p->options.quick && at->level > 0);
}

/* A step may stand on several lines, and is timed on one: index, or -1. */
static int32_t find_twin(const fr_prober *p, int32_t point) {
    const fr_probe_point *at = &p->probe.points[point];
    for (size_t i = 0; i < p->probe.n_points; i++) {
        fr_probe_point other = p->probe.points[i];
        other.line = at->line;
        if ((int32_t)i != point && fr_probe_same_point(&other, at) &&
            (other.ns > 0 || strcmp(other.candidate, fr_probe_no_kernel) == 0))
            return (int32_t)i;
    }
    return -1;
}

static fr_status copy_twin(fr_prober *p, int32_t point, int32_t twin) {
    fr_probe_point *at = &p->probe.points[point];
    const fr_probe_point *from = &p->probe.points[twin];
    at->ns = from->ns;
    at->spread = from->spread;
    at->noisy = from->noisy;
    memcpy(at->candidate, from->candidate, sizeof at->candidate);
    p->n_new += from->ns > 0;
    return fr_drift_note_twin(p, point, twin);
}

fr_status fr_prober_point(fr_prober *p, int32_t point) {
    const uint64_t fill_ns = p->options.quick ? 1500000 : 3000000;
    fr_probe_point *at = &p->probe.points[point];
    fr_candidate best;
    fr_trial_times times;
    fr_step step;
    char name[160];
    int32_t twin = find_twin(p, point);
    if (twin >= 0 && !at->candidate[0])
        return copy_twin(p, point, twin);
    if (is_too_long(p, point))
        return FR_OK;
    fr_probe_point_name(at, name, sizeof name);
    FR_TRY(fr_prober_says(p, name));
    fr_status status = fr_probe_step(at, &step);
    if (status == FR_OK)
        status = fr_prober_best(p, &step, point, fill_ns, &best, &times, &at->spread);
    if (status == FR_UNSUPPORTED) {
        fr_log(FR_LOG_INFO, "the device profile goes without '%s': %s", name, fr_error_sentence());
        refuse(at);
        return FR_OK;
    }
    if (status == FR_NO_MEMORY || status == FR_UNAVAILABLE) { /* another day, perhaps */
        fr_log(FR_LOG_INFO, "'%s' is not measured: %s", name, fr_error_sentence());
        return FR_OK;
    }
    FR_TRY(status);
    at->ns = times.least;
    at->noisy = at->spread > most_spread;
    snprintf(at->candidate, sizeof at->candidate, "%s", best.name);
    p->n_new++;
    return fr_drift_note(p, point);
}

/* What an earlier call found out. */
fr_status fr_prober_recall(fr_prober *p) {
    for (size_t i = 0; i < p->probe.n_points; i++) {
        const fr_probe_point *at = &p->probe.points[i];
        scan s = {.count = 1, .ns = {at->ns}};
        s.list[0].flags = FR_CANDIDATE_INEXACT; /* for all that is known of it */
        snprintf(s.list[0].name, sizeof s.list[0].name, "%s", at->candidate);
        if (at->ns > 0)
            FR_TRY(remember(p, (int32_t)i, &s));
    }
    return FR_OK;
}
