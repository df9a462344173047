/* What Linux tells of the processor's clocks: their frequencies, and how often heat or power held them back. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/number.h"
#include "cli/compare_run.h"

enum { MOST_CPUS = 64 }; /* looked at: a look takes a file each */

static bool read_number(int cpu, const char *name, double *out) {
    char path[128], line[64];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", cpu, name);
    FILE *file = fopen(path, "re");
    bool got = file && fgets(line, sizeof line, file) && fr_number_parse(line, strcspn(line, "\n"), out);
    if (file)
        fclose(file);
    return got;
}

static int cpus(void) {
    long count = sysconf(_SC_NPROCESSORS_CONF);
    return count < 1 ? 1 : count > MOST_CPUS ? MOST_CPUS : (int)count;
}

/* Of the cores together; a package's count stands at each of its cores, and packages throttle together or nearly so. */
static bool read_throttling(int64_t *out) {
    double cores = 0, package = 0, value;
    bool any = false;
    for (int i = 0; i < cpus(); i++) {
        if (read_number(i, "thermal_throttle/core_throttle_count", &value)) {
            cores += value;
            any = true;
        }
        if (read_number(i, "thermal_throttle/package_throttle_count", &value)) {
            package = value > package ? value : package;
            any = true;
        }
    }
    *out = (int64_t)(cores + package);
    return any;
}

void cmp_clocks_begin(cmp_clocks *clocks) {
    *clocks = (cmp_clocks){.throttled = 0};
    clocks->tells_throttling = read_throttling(&clocks->throttled_before);
    clocks->throttled = clocks->throttled_before;
}

void cmp_clocks_look(cmp_clocks *clocks) {
    double khz, highest = 0;
    for (int i = 0; i < cpus(); i++) {
        if (read_number(i, "cpufreq/scaling_cur_freq", &khz) && khz > highest)
            highest = khz; /* cores that rest are slow, and tell nothing of the one that works */
        if (read_number(i, "cpufreq/scaling_max_freq", &khz) && khz > clocks->limit_khz)
            clocks->limit_khz = khz;
    }
    if (highest > 0 && (clocks->low_khz <= 0 || highest < clocks->low_khz))
        clocks->low_khz = highest;
    if (highest > clocks->high_khz)
        clocks->high_khz = highest;
    if (clocks->tells_throttling)
        clocks->tells_throttling = read_throttling(&clocks->throttled);
}

void cmp_clocks_text(const cmp_clocks *clocks, char *out, size_t bytes) {
    fr_text text = {0};
    if (clocks->high_khz > 0)
        fr_text_add(&text, "fastest core at %.2f to %.2f GHz", clocks->low_khz / 1e6, clocks->high_khz / 1e6);
    if (clocks->high_khz > 0 && clocks->limit_khz > 0)
        fr_text_add(&text, " of %.2f", clocks->limit_khz / 1e6);
    if (clocks->tells_throttling) {
        long long times = (long long)(clocks->throttled - clocks->throttled_before);
        fr_text_add(&text, "%sthrottled %lld time%s", text.length ? ", " : "", times, times == 1 ? "" : "s");
    }
    snprintf(out, bytes, "%s", text.data ? text.data : "");
    fr_text_free(&text);
}
