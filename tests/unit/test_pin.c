/* Which processors lanes are bound to: on made-up machines, and on this one as the kernel tells of a session's threads. */
#include <dirent.h>
#include <pthread.h>

#define KIT_DEVICE "cpu:0"
#include "base/topology.h"
#include "run/pin.h"
#include "session_kit.h"

enum { MOST_LANES = 32 };

/* `nodes` of `cores` each, and of these `threads`: processors are numbered by thread first, then node, then core, as PCs do. */
static fr_topology machine(int nodes, int cores, int threads) {
    static fr_topology t;
    t = (fr_topology){.n_cpus = nodes * cores * threads, .n_cores = nodes * cores, .n_nodes = nodes};
    t.granted = t.n_cores;
    memset(t.core_of, 0xff, sizeof t.core_of);
    for (int cpu = 0; cpu < t.n_cpus; cpu++) {
        t.core_of[cpu] = (int16_t)(cpu % t.n_cores);
        t.node_of[cpu] = (uint8_t)(cpu % t.n_cores / cores);
    }
    return t;
}

static void check_places(fr_topology t, fr_pinning pinning, int lanes, const int32_t *want) {
    int32_t cpus[MOST_LANES];
    CHECK_OK(fr_pin_choose(&t, pinning, lanes, cpus));
    for (int i = 0; i < lanes; i++)
        CHECK_INT(cpus[i], want ? want[i] : FR_PIN_NONE);
}

TEST(lanes_take_cores_by_turns_of_the_nodes) {
    static const int32_t two_nodes[] = {0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11, 0, 3}, one_node[] = {0, 1, 2, 3};
    check_places(machine(2, 3, 2), FR_PINNING_ON, 14,
                 two_nodes); /* past the cores their second threads, then all again */
    check_places(machine(2, 3, 2), FR_PINNING_ON, 3, two_nodes);
    check_places(machine(1, 4, 1), FR_PINNING_ON, 4, one_node);
    check_places(machine(1, 4, 1), FR_PINNING_ON, 1, one_node);
}

TEST(alone_lanes_that_fill_all_cores_are_bound_unasked) {
    static const int32_t all[] = {0, 2, 1, 3, 4, 6, 5, 7};
    check_places(machine(2, 2, 2), FR_PINNING_AUTO, 4, all); /* a core each */
    check_places(machine(2, 2, 2), FR_PINNING_AUTO, 8, all); /* a processor each */
    check_places(machine(2, 2, 2), FR_PINNING_AUTO, 3, NULL);
    check_places(machine(2, 2, 2), FR_PINNING_AUTO, 6, NULL);
    check_places(machine(2, 2, 2), FR_PINNING_AUTO, 9, NULL);
    check_places(machine(1, 1, 1), FR_PINNING_AUTO, 1, NULL);
    check_places(machine(2, 2, 2), FR_PINNING_OFF, 4, NULL);
}

TEST(processors_that_are_not_ours_are_left_out) {
    static const int32_t want[] = {1, 2, 5};
    fr_topology t = machine(1, 4, 2);
    for (int cpu = 0; cpu < t.n_cpus; cpu++)
        if (cpu != 1 && cpu != 2 && cpu != 5)
            t.core_of[cpu] = -1;
    t.core_of[1] = t.core_of[5] = 0;
    t.core_of[2] = 1;
    t.n_cpus = 3;
    t.n_cores = 2;
    check_places(t, FR_PINNING_ON, 3, want);
}

TEST(a_thread_that_is_bound_stays_there) {
    fr_cpu_set before, now;
    int32_t cpu;
    fr_topology here;
    fr_topology_here(&here);
    if (!fr_cpu_set_allowed(&before))
        SKIP("this system does not tell what a thread may run on");
    CHECK_OK(fr_pin_choose(&here, FR_PINNING_ON, 1, &cpu));
    CHECK(fr_pin_thread(cpu));
    CHECK(fr_cpu_set_allowed(&now));
    for (int32_t i = 0; i < FR_MOST_CPUS; i++)
        CHECK(fr_cpu_set_has(&now, i) == (i == cpu));
    CHECK(fr_cpu_set_bind(&before));
    CHECK(!fr_pin_thread(FR_MOST_CPUS - 1) || fr_cpu_set_has(&before, FR_MOST_CPUS - 1));
    CHECK(fr_cpu_set_bind(&before));
}

/* ---- sessions ---------------------------------------------------------------------------------------------------- */

/* Threads of this process that may run on one processor alone; those also: how many they are. */
static int count_bound(fr_cpu_set *out_on) {
    int bound = 0;
    DIR *tasks = opendir("/proc/self/task");
    memset(out_on, 0, sizeof *out_on);
    for (struct dirent *task; tasks && (task = readdir(tasks)) != NULL;) {
        char path[300], line[256], rest;
        int cpu;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *file = fopen(path, "r");
        while (file && fgets(line, sizeof line, file))
            if (sscanf(line, "Cpus_allowed_list: %d%c", &cpu, &rest) == 2 && rest == '\n') {
                fr_cpu_set_add(out_on, cpu);
                bound++;
            }
        if (file)
            fclose(file);
    }
    if (tasks)
        closedir(tasks);
    return bound;
}

static int size_of(const fr_cpu_set *set) {
    int size = 0;
    for (int32_t i = 0; i < FR_MOST_CPUS; i++)
        size += fr_cpu_set_has(set, i);
    return size;
}

static void check_session(const fixture *f, fr_pinning pin, int32_t threads, int32_t bound) {
    fr_session *session;
    fr_session_info info = FR_OPTIONS(fr_session_info);
    fr_session_options o = options_for(KIT_DEVICE);
    fr_cpu_set on;
    o.pin = pin;
    o.threads = threads;
    o.batch = 4 * threads;
    CHECK_OK(fr_session_open(f->context, f->model, &o, &session));
    CHECK_OK(fr_session_describe(session, &info));
    CHECK_INT(info.lanes, threads);
    CHECK_INT(info.pinned_lanes, bound);
    CHECK_INT(count_bound(&on), bound);
    for (int time = 0; time < 3; time++) {
        memset(f->got, 0, (size_t)f->info.classes * IMAGES * sizeof *f->got);
        CHECK_OK(run(f, session, f->got));
        CHECK(is_right(f));
    }
    fr_session_close(session);
    CHECK_INT(size_of(&on), bound); /* each has its own */
}

TEST(a_sessions_threads_are_bound_as_asked) {
    fixture f;
    fr_cpu_set on;
    fr_topology here;
    if (!device_is_present())
        SKIP("no CPU backend here");
    fr_topology_here(&here);
    if (here.n_cpus < 2 || count_bound(&on) != 0)
        SKIP("one processor: all threads are bound to it anyway");
    CHECK_OK(make(&f, "v2", 1, NULL));
    check_session(&f, FR_PINNING_ON, 1, 1);
    check_session(&f, FR_PINNING_ON, 2, 2);
    check_session(&f, FR_PINNING_OFF, 2, 0);
    check_session(&f, FR_PINNING_AUTO, here.n_cpus, here.n_cpus);
    check_session(&f, FR_PINNING_AUTO, here.n_cpus + 1, 0);
    drop(&f);
}

TEST(more_lanes_than_cores_answer_alike) {
    fixture f;
    fr_topology here;
    if (!device_is_present())
        SKIP("no CPU backend here");
    fr_topology_here(&here);
    if (here.n_cpus < 2)
        SKIP("one processor: all threads are bound to it anyway");
    CHECK_OK(make(&f, "v2", 2, NULL));
    fr_session *session;
    fr_session_options o = options_for(KIT_DEVICE);
    o.threads = 3 * here.n_cpus + 1;
    o.batch = 4 * o.threads;
    for (int pin = FR_PINNING_AUTO; pin <= FR_PINNING_ON; pin++) {
        o.pin = (fr_pinning)pin;
        CHECK_OK(fr_session_open(f.context, f.model, &o, &session));
        CHECK_OK(run(&f, session, f.got));
        CHECK(is_right(&f));
        CHECK_OK(fr_session_run_resident(session, 5 * o.batch + 1)); /* blocks for all of them */
        fr_session_close(session);
    }
    drop(&f);
}

TEST(a_way_that_is_none_is_refused) {
    fixture f;
    fr_session *session;
    fr_pinning pin;
    CHECK_OK(make(&f, "v2", 1, NULL));
    fr_session_options o = options_for("ref");
    o.pin = (fr_pinning)3;
    CHECK_INT(fr_session_open(f.context, f.model, &o, &session), FR_INVALID);
    CHECK_HAS(fr_error_message(), "binding lanes");
    for (int i = FR_PINNING_AUTO; i <= FR_PINNING_ON; i++)
        CHECK(fr_pinning_from_name(fr_pinning_name((fr_pinning)i), &pin) && (int)pin == i);
    CHECK(!fr_pinning_from_name("maybe", &pin) && pin == FR_PINNING_AUTO);
    CHECK(!fr_pinning_from_name(NULL, &pin));
    drop(&f);
}

CHECK_MAIN
