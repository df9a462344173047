/* Where a measured line jumps, its points are too far apart to tell where exactly. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "plan/stairs.h"

enum { NEAR = 2 }; /* channels: nearer neighbours say all there is to say */

/* Nothing smaller counts as a jump, however quiet the repeats were. */
static const double least_jump = 0.05;

typedef struct jump {
    double size; /* beyond growth and noise, as a share */
    fr_probe_point point;
} jump;

/* How far the time goes beyond what the channels explain, up or down: a partly filled tile may cost more than the next full one. */
static double jump_between(const fr_stairs *stairs, size_t i) {
    const fr_probe_point *a = stairs->points[i], *b = stairs->points[i + 1];
    double channels = (double)fr_stairs_channels(stairs, i + 1) / fr_stairs_channels(stairs, i);
    double growth = stairs->like.line == FR_LINE_BOTH ? channels * channels : channels, times = b->ns / a->ns;
    double excess = times > growth ? times / growth - 1 : times < 1 ? 1 / times - 1 : 0;
    double noise = 2 * (a->spread + b->spread);
    return excess - (noise > least_jump ? noise : least_jump);
}

/* In the middle, in whole channels of each group; false when nothing lies between. */
static bool middle(const fr_stairs *stairs, size_t i, fr_probe_point *out) {
    int32_t low = fr_stairs_channels(stairs, i), high = fr_stairs_channels(stairs, i + 1);
    int32_t groups = stairs->like.groups > 1 ? stairs->like.groups : 1;
    int32_t at = (low + high) / 2 / groups * groups;
    if (at <= low)
        at += groups;
    *out = stairs->like;
    if (stairs->like.line == FR_LINE_BOTH)
        out->c_in = at;
    out->c_out = at;
    out->level = 2;
    out->ns = out->spread = 0;
    out->noisy = false;
    out->candidate[0] = 0;
    return high - low > NEAR && at < high;
}

static int largest_first(const void *a, const void *b) {
    double x = ((const jump *)a)->size, y = ((const jump *)b)->size;
    return (x < y) - (x > y);
}

static size_t find_jumps(const fr_stairs_list *list, jump *jumps) {
    size_t count = 0;
    for (size_t k = 0; k < list->count; k++) {
        const fr_stairs *s = &list->at[k];
        if (s->like.kind != FR_STEP_CONV || s->like.line == FR_LINE_IN)
            continue;
        for (size_t i = 0; i + 1 < s->count; i++) {
            jump *j = &jumps[count];
            j->size = jump_between(s, i);
            if (j->size > 0 && !s->points[i]->noisy && !s->points[i + 1]->noisy && middle(s, i, &j->point))
                count++;
        }
    }
    qsort(jumps, count, sizeof *jumps, largest_first);
    return count;
}

fr_status fr_probe_refine(fr_probe *probe, size_t most, size_t *out_added) {
    fr_status status = FR_OK;
    fr_stairs_list list;
    *out_added = 0;
    FR_TRY(fr_stairs_read(probe, &list));
    jump *jumps = fr_alloc_array(probe->n_points, sizeof *jumps); /* fewer gaps than points */
    size_t count = jumps ? find_jumps(&list, jumps) : 0;
    fr_stairs_free(&list); /* it points into what may now move */
    if (!jumps)
        return fr_no_memory(probe->n_points * sizeof *jumps, "the jumps of a device's profile");
    for (size_t i = 0; i < count && *out_added < most && status == FR_OK; i++) {
        size_t before = probe->n_points;
        status = fr_probe_add_point(probe, &jumps[i].point);
        *out_added += probe->n_points - before; /* none when it is on the list, and could not be measured */
    }
    fr_free(jumps);
    return status;
}

/* ---- bumps ---------------------------------------------------------------------------------------------------------- */

static double in_tiles(const fr_stair_fit *fit, int32_t channels) {
    int32_t q = fit->quantum > 1 ? fit->quantum : 1;
    return (1 - fit->waste) * channels + fit->waste * ((channels + q - 1) / q) * q;
}

/* Time for what the tiles compute: smooth along a line, but for the noise. */
static double rate_of(const fr_stairs *s, size_t i) {
    double tiles = in_tiles(&s->fit, fr_stairs_channels(s, i));
    return s->points[i]->ns / (s->like.line == FR_LINE_BOTH ? tiles * tiles : tiles);
}

fr_status fr_probe_bumps(const fr_probe *probe, bool *out_bumps) {
    const double clearly = 1.08;
    fr_stairs_list list;
    memset(out_bumps, 0, probe->n_points * sizeof *out_bumps);
    FR_TRY(fr_stairs_read(probe, &list));
    for (size_t k = 0; k < list.count; k++) {
        const fr_stairs *s = &list.at[k];
        for (size_t i = 1; i + 1 < s->count; i++) {
            double before = rate_of(s, i - 1), behind = rate_of(s, i + 1);
            if (rate_of(s, i) > clearly * (before > behind ? before : behind))
                out_bumps[s->points[i] - probe->points] = true;
        }
    }
    fr_stairs_free(&list);
    return FR_OK;
}
