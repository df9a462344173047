#define _GNU_SOURCE /* sched_getaffinity, sched_getcpu */
#include "base/topology.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FOLDER_BYTES = 1024, PATH_BYTES = FOLDER_BYTES + 96, LINE_BYTES = 4096 };

/* ---- the kernel's masks --------------------------------------------------------------------------------------------- */

#if defined(__linux__)
typedef union mask { /* more processors than cpu_set_t holds */
    fr_cpu_set ours;
    cpu_set_t kernels;
} mask;

bool fr_cpu_set_allowed(fr_cpu_set *out_set) {
    mask m = {.ours = {{0}}};
    bool known = sched_getaffinity(0, sizeof m, &m.kernels) == 0;
    *out_set = m.ours;
    return known;
}

bool fr_cpu_set_bind(const fr_cpu_set *set) {
    mask m = {.ours = *set};
    return sched_setaffinity(0, sizeof m, &m.kernels) == 0;
}

static int32_t cpu_here(void) {
    return sched_getcpu();
}
#else
bool fr_cpu_set_allowed(fr_cpu_set *out_set) {
    memset(out_set, 0, sizeof *out_set);
    return false;
}

bool fr_cpu_set_bind(const fr_cpu_set *set) {
    (void)set;
    return false;
}

static int32_t cpu_here(void) {
    return -1;
}
#endif

/* ---- files of a line ------------------------------------------------------------------------------------------------ */

/* The first line, without its end. */
static bool read_line(const char *path, char line[LINE_BYTES]) {
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    bool got = fgets(line, LINE_BYTES, file) != NULL;
    fclose(file);
    if (got)
        line[strcspn(line, "\n")] = 0;
    return got;
}

static bool read_number(const char *path, long long *out_number) {
    char line[LINE_BYTES], *end;
    if (!read_line(path, line))
        return false;
    *out_number = strtoll(line, &end, 10);
    return end != line;
}

/* "0-3,8,10-11" */
static bool read_list(const char *path, fr_cpu_set *out_set) {
    char line[LINE_BYTES];
    memset(out_set, 0, sizeof *out_set);
    if (!read_line(path, line))
        return false;
    for (char *at = line, *end; *at; at = *end == ',' ? end + 1 : end) {
        long first = strtol(at, &end, 10), last = first;
        if (end == at)
            break;
        if (*end == '-') {
            at = end + 1;
            last = strtol(at, &end, 10);
            if (end == at)
                break;
        }
        for (long i = first < 0 ? 0 : first; i <= last && i < FR_MOST_CPUS; i++)
            fr_cpu_set_add(out_set, (int32_t)i);
        if (*end != ',')
            break;
    }
    return true;
}

static int32_t first_of(const fr_cpu_set *set) {
    for (int32_t i = 0; i < FR_MOST_CPUS; i++)
        if (fr_cpu_set_has(set, i))
            return i;
    return -1;
}

/* ---- cores and nodes ------------------------------------------------------------------------------------------------ */

/* What is the same for processors of one core and for no others: the first of them, else what the hardware calls the core. */
static long long core_key(const char *root, int32_t cpu) {
    char path[PATH_BYTES];
    fr_cpu_set siblings;
    long long package, core;
    snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", root, cpu);
    if (read_list(path, &siblings) && fr_cpu_set_has(&siblings, cpu))
        return first_of(&siblings);
    snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%d/topology/physical_package_id", root, cpu);
    bool known = read_number(path, &package);
    snprintf(path, sizeof path, "%s/sys/devices/system/cpu/cpu%d/topology/core_id", root, cpu);
    known = known && read_number(path, &core) && package >= 0 && core >= 0;
    return known ? FR_MOST_CPUS + (package << 32) + core : -1 - (long long)cpu;
}

static void find_cores(const char *root, const fr_cpu_set *ours, fr_topology *t) {
    long long keys[FR_MOST_CPUS]; /* of the cores so far */
    for (int32_t cpu = 0; cpu < FR_MOST_CPUS; cpu++) {
        t->core_of[cpu] = -1;
        if (!fr_cpu_set_has(ours, cpu))
            continue;
        long long key = core_key(root, cpu);
        int32_t core = 0;
        while (core < t->n_cores && keys[core] != key)
            core++;
        keys[core] = key;
        t->n_cores += core == t->n_cores;
        t->core_of[cpu] = (int16_t)core;
        t->n_cpus++;
    }
}

/* Nodes that have memory alone do not count: nobody is near them. Past the most there can be, all count as the last one. */
static void find_nodes(const char *root, const fr_cpu_set *ours, fr_topology *t) {
    char path[PATH_BYTES];
    fr_cpu_set nodes, near;
    int32_t found = 0;
    snprintf(path, sizeof path, "%s/sys/devices/system/node/online", root);
    read_list(path, &nodes);
    for (int32_t node = 0; node < FR_MOST_CPUS; node++) {
        if (!fr_cpu_set_has(&nodes, node))
            continue;
        snprintf(path, sizeof path, "%s/sys/devices/system/node/node%d/cpulist", root, node);
        read_list(path, &near);
        int32_t index = found < FR_MOST_NODES ? found : FR_MOST_NODES - 1;
        bool has_ours = false;
        for (int32_t cpu = 0; cpu < FR_MOST_CPUS; cpu++)
            if (fr_cpu_set_has(&near, cpu) && fr_cpu_set_has(ours, cpu)) {
                t->node_of[cpu] = (uint8_t)index;
                has_ours = true;
            }
        found += has_ours;
    }
    t->n_nodes = found < 1 ? 1 : found < FR_MOST_NODES ? found : FR_MOST_NODES;
}

/* ---- quotas of processor time --------------------------------------------------------------------------------------- */

/* Cores' worth of time, rounded up; 0: no quota here. */
static long long quota_of_group(const char *folder, bool is_v2) {
    char path[PATH_BYTES], line[LINE_BYTES];
    long long quota = 0, period = 0;
    snprintf(path, sizeof path, is_v2 ? "%s/cpu.max" : "%s/cpu.cfs_quota_us", folder);
    if (is_v2) {
        if (!read_line(path, line) || sscanf(line, "%lld %lld", &quota, &period) != 2) /* "max 100000" */
            return 0;
    } else {
        bool known = read_number(path, &quota);
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
        if (!known || !read_number(path, &period))
            return 0;
    }
    return quota > 0 && period > 0 ? (quota - 1) / period + 1 : 0;
}

/* The least of a group and all above it. A container may see its own group as the top, whatever it is called outside. */
static long long quota_of_path(const char *top, char *group, bool is_v2) {
    char folder[FOLDER_BYTES];
    long long least = 0;
    size_t length = strlen(top);
    for (;;) {
        if (length + strlen(group) < sizeof folder) {
            memcpy(folder, top, length);
            memcpy(folder + length, group, strlen(group) + 1);
            long long here = quota_of_group(folder, is_v2);
            least = here > 0 && (least == 0 || here < least) ? here : least;
        }
        char *slash = strrchr(group, '/');
        if (!slash)
            return least;
        *slash = 0;
    }
}

static bool names_cpu(const char *controllers) {
    for (const char *at = controllers; *at; at += *at == ',') {
        size_t length = strcspn(at, ",");
        if (length == 3 && memcmp(at, "cpu", 3) == 0)
            return true;
        at += length;
    }
    return false;
}

/* Lines "0::/GROUP" (version 2) and "4:cpu,cpuacct:/GROUP" (version 1). */
static long long quota_of_process(const char *root) {
    char path[PATH_BYTES], line[LINE_BYTES];
    long long least = 0;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *controllers++ = *group++ = 0;
        bool is_v2 = controllers[0] == 0;
        if (!is_v2 && !names_cpu(controllers))
            continue;
        snprintf(path, sizeof path, "%s/sys/fs/cgroup%s", root, is_v2 ? "" : "/cpu");
        long long here = quota_of_path(path, strcmp(group, "/") == 0 ? group + 1 : group, is_v2);
        least = here > 0 && (least == 0 || here < least) ? here : least;
    }
    if (file)
        fclose(file);
    return least;
}

/* ---- all of it ------------------------------------------------------------------------------------------------------ */

/* Without those that are switched off, unless that leaves none. */
static fr_cpu_set online_of(const char *root, const fr_cpu_set *allowed) {
    char path[PATH_BYTES];
    fr_cpu_set online, both;
    snprintf(path, sizeof path, "%s/sys/devices/system/cpu/online", root);
    if (!read_list(path, &online))
        return *allowed;
    for (int32_t i = 0; i < FR_MOST_CPUS / 64; i++)
        both.bits[i] = allowed->bits[i] & online.bits[i];
    return first_of(&both) < 0 ? *allowed : both;
}

void fr_topology_read(const char *root, const fr_cpu_set *allowed, fr_topology *out_topology) {
    memset(out_topology, 0, sizeof *out_topology);
    fr_cpu_set ours = online_of(root, allowed);
    if (first_of(&ours) < 0)
        fr_cpu_set_add(&ours, 0);
    find_cores(root, &ours, out_topology);
    find_nodes(root, &ours, out_topology);
    long long quota = quota_of_process(root);
    out_topology->granted = quota > 0 && quota < out_topology->n_cores ? (int32_t)quota : out_topology->n_cores;
}

void fr_topology_here(fr_topology *out_topology) {
    fr_cpu_set allowed;
    if (!fr_cpu_set_allowed(&allowed))
        for (long i = sysconf(_SC_NPROCESSORS_ONLN); i-- > 0;)
            fr_cpu_set_add(&allowed, (int32_t)i);
    fr_topology_read("", &allowed, out_topology);
}

int32_t fr_topology_node_here(const fr_topology *topology) {
    if (topology->n_nodes == 1)
        return 0;
    int32_t cpu = cpu_here();
    return cpu >= 0 && cpu < FR_MOST_CPUS ? topology->node_of[cpu] : 0;
}
