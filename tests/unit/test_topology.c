/* Which processors share cores and memory nodes, read from made-up trees of the kernel's files. */
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "base/topology.h"
#include "check.h"

enum { PATHS = 64, ROOT_BYTES = 64 };

typedef struct tree {
    char root[ROOT_BYTES];
    char paths[PATHS][256]; /* of files, without the root */
    int n_paths;
} tree;

static bool tree_new(tree *t) {
    memset(t, 0, sizeof *t);
    strcpy(t->root, "/tmp/foldrun-topology-XXXXXX");
    return mkdtemp(t->root) != NULL;
}

static void put(tree *t, const char *path, const char *text) {
    char full[512], folder[512];
    snprintf(full, sizeof full, "%s%s", t->root, path);
    strcpy(folder, full);
    *strrchr(folder, '/') = 0;
    CHECK(t->n_paths < PATHS);
    CHECK_OK(fr_folder_make(folder));
    CHECK_OK(fr_file_write(full, text, strlen(text)));
    snprintf(t->paths[t->n_paths++], sizeof t->paths[0], "%s", path);
}

static void put_cpu(tree *t, int cpu, const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/%s", cpu, name);
    put(t, path, text);
}

/* The files, and then each folder above them that is empty. */
static void tree_drop(tree *t) {
    char full[512];
    for (int i = 0; i < t->n_paths; i++) {
        snprintf(full, sizeof full, "%s%s", t->root, t->paths[i]);
        for (remove(full); strlen(full) > strlen(t->root);) {
            *strrchr(full, '/') = 0;
            if (remove(full) != 0)
                break;
        }
    }
    remove(t->root);
}

static fr_cpu_set these(int first, int last) {
    fr_cpu_set set = {{0}};
    for (int i = first; i <= last; i++)
        fr_cpu_set_add(&set, i);
    return set;
}

static fr_topology read_tree(const tree *t, fr_cpu_set allowed) {
    static fr_topology read;
    fr_topology_read(t->root, &allowed, &read);
    return read;
}

TEST(without_files_each_processor_is_a_core) {
    tree t;
    CHECK(tree_new(&t));
    fr_topology here = read_tree(&t, these(2, 5));
    CHECK_INT(here.n_cpus, 4);
    CHECK_INT(here.n_cores, 4);
    CHECK_INT(here.n_nodes, 1);
    CHECK_INT(here.granted, 4);
    CHECK_INT(here.core_of[1], -1);
    CHECK_INT(here.core_of[2], 0);
    CHECK_INT(here.core_of[5], 3);
    here = read_tree(&t, these(1, 0)); /* none: there is one all the same */
    CHECK_INT(here.n_cpus, 1);
    CHECK_INT(here.n_cores, 1);
    tree_drop(&t);
}

TEST(hyperthreads_share_a_core) {
    tree t;
    CHECK(tree_new(&t));
    for (int cpu = 0; cpu < 8; cpu++) {
        char siblings[16];
        snprintf(siblings, sizeof siblings, "%d,%d\n", cpu % 4, cpu % 4 + 4);
        put_cpu(&t, cpu, "thread_siblings_list", siblings);
    }
    put(&t, "/sys/devices/system/cpu/online", "0-7\n");
    fr_topology here = read_tree(&t, these(0, 7));
    CHECK_INT(here.n_cpus, 8);
    CHECK_INT(here.n_cores, 4);
    CHECK_INT(here.granted, 4);
    CHECK_INT(here.core_of[1], 1);
    CHECK_INT(here.core_of[5], 1);
    here = read_tree(&t, these(3, 5)); /* the process may not use all of them */
    CHECK_INT(here.n_cpus, 3);
    CHECK_INT(here.n_cores, 3);
    here = read_tree(&t, these(4, 7));
    CHECK_INT(here.n_cores, 4);
    CHECK_INT(here.core_of[4], 0);
    tree_drop(&t);
}

/* Two sockets of two cores of two threads each, numbered with holes, without lists of siblings. */
TEST(cores_of_two_sockets_are_told_apart) {
    static const int cpus[] = {0, 1, 2, 3, 8, 9, 10, 11};
    tree t;
    CHECK(tree_new(&t));
    for (int i = 0; i < 8; i++) {
        char core[8];
        snprintf(core, sizeof core, "%d\n", i % 2 * 4); /* 0 and 4 on each socket */
        put_cpu(&t, cpus[i], "core_id", core);
        put_cpu(&t, cpus[i], "physical_package_id", i / 2 % 2 ? "1\n" : "0\n");
    }
    put(&t, "/sys/devices/system/cpu/online", "0-3,8-11\n");
    put(&t, "/sys/devices/system/node/online", "0,2-3\n");
    put(&t, "/sys/devices/system/node/node0/cpulist", "0-1,8-9\n");
    put(&t, "/sys/devices/system/node/node2/cpulist", "\n"); /* memory alone */
    put(&t, "/sys/devices/system/node/node3/cpulist", "2-3,10-11\n");
    fr_topology here = read_tree(&t, these(0, 15));
    CHECK_INT(here.n_cpus, 8);
    CHECK_INT(here.n_cores, 4);
    CHECK_INT(here.n_nodes, 2);
    CHECK_INT(here.core_of[0], here.core_of[8]);
    CHECK_INT(here.core_of[3], here.core_of[11]);
    CHECK(here.core_of[0] != here.core_of[2]);
    CHECK_INT(here.core_of[4], -1);
    CHECK_INT(here.node_of[9], 0);
    CHECK_INT(here.node_of[10], 1);
    here = read_tree(&t, these(2, 3)); /* of one socket alone: one node, and the first */
    CHECK_INT(here.n_cores, 2);
    CHECK_INT(here.n_nodes, 1);
    CHECK_INT(here.node_of[2], 0);
    tree_drop(&t);
}

TEST(nodes_past_the_most_there_can_be_are_the_last_one) {
    char path[64], cpu[8];
    tree t;
    CHECK(tree_new(&t));
    put(&t, "/sys/devices/system/node/online", "0-39\n");
    for (int node = 0; node < 40; node++) {
        snprintf(path, sizeof path, "/sys/devices/system/node/node%d/cpulist", node);
        snprintf(cpu, sizeof cpu, "%d\n", 39 - node);
        put(&t, path, cpu);
    }
    fr_topology here = read_tree(&t, these(0, 39));
    CHECK_INT(here.n_nodes, FR_MOST_NODES);
    CHECK_INT(here.node_of[39], 0);
    CHECK_INT(here.node_of[9], 30);
    CHECK_INT(here.node_of[8], 31);
    CHECK_INT(here.node_of[0], 31);
    tree_drop(&t);
}

TEST(processors_that_are_switched_off_do_not_count) {
    tree t;
    CHECK(tree_new(&t));
    put(&t, "/sys/devices/system/cpu/online", "0,2\n");
    for (int cpu = 0; cpu < 3; cpu += 2)
        put_cpu(&t, cpu, "thread_siblings_list", cpu ? "2\n" : "0\n");
    CHECK_INT(read_tree(&t, these(0, 3)).n_cpus, 2);
    CHECK_INT(read_tree(&t, these(0, 3)).n_cores, 2);
    CHECK_INT(read_tree(&t, these(1, 1)).n_cpus, 1); /* the list must be wrong */
    tree_drop(&t);
}

TEST(files_that_make_no_sense_are_as_missing) {
    tree t;
    CHECK(tree_new(&t));
    put(&t, "/sys/devices/system/cpu/online", "0-3\n");
    put_cpu(&t, 0, "thread_siblings_list", "many\n");
    put_cpu(&t, 0, "core_id", "-1\n");
    put_cpu(&t, 0, "physical_package_id", "0\n");
    put_cpu(&t, 1, "thread_siblings_list", "2-\n");
    put_cpu(&t, 2, "thread_siblings_list", "");
    put_cpu(&t, 3, "thread_siblings_list", "3-99999999999\n");
    put(&t, "/sys/devices/system/node/online", "0-40\n");
    put(&t, "/proc/self/cgroup", "nonsense\n0::\n7:cpu\n");
    fr_topology here = read_tree(&t, these(0, 3));
    CHECK_INT(here.n_cores, 4);
    CHECK_INT(here.n_nodes, 1);
    CHECK_INT(here.granted, 4);
    tree_drop(&t);
}

static void check_grant(const tree *t, int granted) {
    fr_topology here = read_tree(t, these(0, 7));
    CHECK_INT(here.n_cores, 8);
    CHECK_INT(here.granted, granted);
}

TEST(a_quota_of_time_lowers_what_is_granted) {
    tree t;
    CHECK(tree_new(&t));
    put(&t, "/proc/self/cgroup", "0::/jobs/ours\n");
    check_grant(&t, 8);
    put(&t, "/sys/fs/cgroup/cpu.max", "max 100000\n");
    check_grant(&t, 8);
    put(&t, "/sys/fs/cgroup/jobs/cpu.max", "600000 100000\n"); /* of a group above */
    check_grant(&t, 6);
    put(&t, "/sys/fs/cgroup/jobs/ours/cpu.max", "250000 100000\n"); /* two and a half */
    check_grant(&t, 3);
    put(&t, "/sys/fs/cgroup/jobs/ours/cpu.max", "1000 100000\n");
    check_grant(&t, 1);
    put(&t, "/sys/fs/cgroup/jobs/ours/cpu.max", "9900000 100000\n");
    check_grant(&t, 6);
    tree_drop(&t);
}

TEST(a_container_sees_its_own_group_as_the_top) {
    tree t;
    CHECK(tree_new(&t));
    put(&t, "/proc/self/cgroup", "0::/docker/abc\n"); /* as outside; there is no such folder here */
    put(&t, "/sys/fs/cgroup/cpu.max", "200000 100000\n");
    check_grant(&t, 2);
    tree_drop(&t);
}

TEST(quotas_of_the_first_version_count_too) {
    tree t;
    CHECK(tree_new(&t));
    put(&t, "/proc/self/cgroup", "5:cpuset:/a\n4:cpu,cpuacct:/b\n0::/\n");
    put(&t, "/sys/fs/cgroup/cpu/b/cpu.cfs_quota_us", "-1\n");
    put(&t, "/sys/fs/cgroup/cpu/b/cpu.cfs_period_us", "100000\n");
    check_grant(&t, 8);
    put(&t, "/sys/fs/cgroup/cpu/b/cpu.cfs_quota_us", "400001\n");
    check_grant(&t, 5);
    tree_drop(&t);
}

TEST(this_machine_has_a_core_and_a_node) {
    static fr_topology here;
    fr_topology_here(&here);
    CHECK(here.n_cpus >= 1 && here.n_cores >= 1 && here.n_cores <= here.n_cpus);
    CHECK(here.granted >= 1 && here.granted <= here.n_cores);
    CHECK(here.n_nodes >= 1 && here.n_nodes <= FR_MOST_NODES);
    int32_t node = fr_topology_node_here(&here);
    CHECK(node >= 0 && node < here.n_nodes);
}

CHECK_MAIN
