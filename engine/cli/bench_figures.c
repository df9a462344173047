/* From the times of runs to figures. Pure. */
#include <math.h>

#include "base/alloc.h"
#include "base/number.h"
#include "cli/bench.h"

enum { MOST_SAMPLES = 1 << 20 }; /* enough for any percentile */

bool bench_add_sample(bench_samples *s, double ns) {
    s->total_ns += ns;
    if (s->count == MOST_SAMPLES)
        return true;
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 256;
        double *grown = fr_grow_array(s->ns, s->count, capacity, sizeof *grown);
        if (!grown)
            return false;
        s->ns = grown;
        s->capacity = capacity;
    }
    s->ns[s->count++] = ns;
    return true;
}

/* Of sorted samples, between the two nearest ranks. */
static double percentile(const bench_samples *s, double percent) {
    double at = percent / 100 * (double)(s->count - 1);
    size_t low = (size_t)floor(at), high = low + 1 < s->count ? low + 1 : low;
    return s->ns[low] + (at - (double)low) * (s->ns[high] - s->ns[low]);
}

bench_figures bench_figures_of(bench_samples *samples, int64_t batch, double ops_per_image, double peak_ops_per_s) {
    bench_figures f = {.have = samples->count > 0, .repeats = samples->count, .percent_of_peak = -1};
    if (!f.have)
        return f;
    fr_sort_numbers(samples->ns, samples->count);
    double images = (double)batch * 1e9;
    f.images_per_s =
        (bench_spread){.median = images / percentile(samples, 50), /* the slowest runs make the lowest rates */
                       .p5 = images / percentile(samples, 95),
                       .p95 = images / percentile(samples, 5)};
    f.latency_ms = (bench_latency){.p50 = percentile(samples, 50) / 1e6,
                                   .p90 = percentile(samples, 90) / 1e6,
                                   .p95 = percentile(samples, 95) / 1e6,
                                   .p99 = percentile(samples, 99) / 1e6};
    f.gflops = ops_per_image * f.images_per_s.median / 1e9;
    if (peak_ops_per_s > 0)
        f.percent_of_peak = 100 * f.gflops * 1e9 / peak_ops_per_s;
    return f;
}
