/*
 * Weights on a machine with two memory nodes, which this one need not have: the CPU backend is built into the test and told that its
 * processors lie on two. Each node gets a copy, each thread reads its own, all are on the account, and all are given back.
 */
#include <sys/mman.h>

#include "base/status.h"
#include "check.h"
#include "check/make.h"
#include "check/numbers.h"
#include "cpu.h"
#include "replica.h"
#include "run/host.h"

enum { MOST_COPIES = 64, MOST_CANDIDATES = 64, BYTES = 10000 };

const fr_backend *fr_backend_entry(void);

/* ---- what is mapped ------------------------------------------------------------------------------------------------ */

void *__real_mmap(void *at, size_t bytes, int rights, int flags, int file, off_t offset);
int __real_munmap(void *at, size_t bytes);
void *__wrap_mmap(void *at, size_t bytes, int rights, int flags, int file, off_t offset);
int __wrap_munmap(void *at, size_t bytes);

static struct copies {
    struct {
        char *at;
        size_t bytes;
    } of[MOST_COPIES];
    int made, dropped;
    int fails_at; /* that one is refused; -1: none is */
} copies;

void *__wrap_mmap(void *at, size_t bytes, int rights, int flags, int file, off_t offset) {
    if (copies.made == copies.fails_at)
        return MAP_FAILED;
    void *got = __real_mmap(at, bytes, rights, flags, file, offset);
    if (copies.made < MOST_COPIES) {
        copies.of[copies.made].at = got;
        copies.of[copies.made].bytes = bytes;
    }
    copies.made++;
    return got;
}

int __wrap_munmap(void *at, size_t bytes) {
    copies.dropped++;
    return __real_munmap(at, bytes);
}

/* ---- the device ---------------------------------------------------------------------------------------------------- */

typedef struct opened {
    fr_host host;
    const fr_backend *b;
    fr_driver *driver;
    fr_device *device;
    fr_queue *queue;
    fr_cpu_set near[2], all; /* processors of each node */
    bool has_two;            /* two processors, one for each */
} opened;

static void close_all(opened *o) {
    (void)fr_cpu_set_bind(&o->all);
    if (o->queue)
        o->b->queue_close(o->queue);
    if (o->device)
        o->b->device_close(o->device);
    if (o->driver)
        o->b->driver_close(o->driver);
}

/* Half of the processors are said to be on another node. */
static fr_status open_device(opened *o, int32_t nodes) {
    memset(o, 0, sizeof *o);
    memset(&copies, 0, sizeof copies);
    copies.fails_at = -1;
    o->host = fr_host_make(NULL);
    o->b = fr_backend_entry();
    FR_TRY(o->b->driver_open(&o->host, &o->driver));
    fr_topology *t = &o->driver->topology;
    (void)fr_cpu_set_allowed(&o->all);
    for (int32_t cpu = 0, i = 0; cpu < FR_MOST_CPUS; cpu++) {
        if (t->core_of[cpu] < 0)
            continue;
        bool second = nodes > 1 && i++ % 2 == 1;
        t->node_of[cpu] = second;
        fr_cpu_set_add(&o->near[second], cpu);
        o->has_two |= second;
    }
    t->n_nodes = nodes;
    FR_TRY(o->b->device_open(o->driver, 0, &o->device));
    return o->b->queue_open(o->device, 1, &o->queue);
}

static uint64_t weights_of(const opened *o) {
    fr_memory_use use;
    return o->b->memory_use(o->device, &use) == FR_OK ? use.live[FR_BUFFER_WEIGHT] : 1;
}

/* ---- copies -------------------------------------------------------------------------------------------------------- */

static fr_status pack_some(opened *o, cpu_replicas *r) {
    *r = (cpu_replicas){.count = 0};
    FR_TRY(cpu_block_new(o->device, BYTES, "a test", &r->packed));
    for (int i = 0; i < BYTES; i++)
        ((char *)r->packed.at)[i] = (char)(i * 37 + i / 256);
    return cpu_replicas_spread(o->device, r);
}

TEST(one_node_reads_what_was_packed) {
    opened o;
    cpu_replicas r;
    CHECK_OK(open_device(&o, 1));
    CHECK_OK(pack_some(&o, &r));
    CHECK_INT(r.count, 1);
    CHECK_INT(copies.made, 0);
    CHECK(cpu_replica_here(o.device, &r) == r.packed.at);
    CHECK_INT(weights_of(&o), BYTES);
    cpu_replicas_free(o.device, &r);
    CHECK_INT(weights_of(&o), 0);
    close_all(&o);
}

TEST(two_nodes_have_a_copy_each) {
    opened o;
    cpu_replicas r;
    CHECK_OK(open_device(&o, 2));
    CHECK_OK(pack_some(&o, &r));
    CHECK_INT(r.count, 2);
    CHECK_INT(copies.made, 2);
    CHECK(r.of_node[0] != r.of_node[1] && !r.packed.at);
    CHECK_INT(weights_of(&o), 2 * BYTES);
    CHECK(memcmp(r.of_node[0], r.of_node[1], BYTES) == 0);
    CHECK_INT(((char *)r.of_node[1])[5000], (char)(5000 * 37 + 5000 / 256));
    if (o.has_two)
        for (int node = 0; node < 2; node++) {
            CHECK(fr_cpu_set_bind(&o.near[node]));
            CHECK(cpu_replica_here(o.device, &r) == r.of_node[node]);
        }
    cpu_replicas_free(o.device, &r);
    CHECK_INT(weights_of(&o), 0);
    CHECK_INT(copies.dropped, 2);
    close_all(&o);
}

TEST(without_memory_for_all_copies_there_are_none) {
    opened o;
    cpu_replicas r;
    for (int at = 0; at < 2; at++) {
        CHECK_OK(open_device(&o, 2));
        copies.fails_at = at;
        CHECK_INT(pack_some(&o, &r), FR_NO_MEMORY);
        CHECK_HAS(fr_error_sentence(), "10000 bytes for weights on memory node");
        cpu_replicas_free(o.device, &r);
        CHECK_INT(weights_of(&o), 0);
        CHECK_INT(copies.dropped, copies.made);
        close_all(&o);
    }
}

/* ---- programs ------------------------------------------------------------------------------------------------------ */

typedef struct ready {
    fr_launch launch;
    uint64_t bytes; /* of dst */
} ready;

static void ready_drop(const opened *o, ready *r) {
    if (r->launch.program)
        o->b->program_free(r->launch.program);
    o->b->buffer_free(r->launch.src[0].buffer);
    o->b->buffer_free(r->launch.dst.buffer);
    o->b->buffer_free(r->launch.scratch.buffer);
    memset(r, 0, sizeof *r);
}

static fr_status make_ready(const opened *o, const fr_step *asked, const fr_weights *weights,
                            const fr_candidate *candidate, ready *r) {
    fr_step step = *asked;
    memset(r, 0, sizeof *r);
    step.src[0].layout = candidate->src_layout[0];
    step.dst.layout = candidate->dst_layout;
    r->bytes = fr_tensor_bytes(&step.dst, step.n);
    FR_TRY(o->b->compile(o->device, &step, candidate, weights, &r->launch.program));
    FR_TRY(o->b->buffer_new(o->device, FR_BUFFER_ACTIVATION, fr_tensor_bytes(&step.src[0], step.n),
                            &r->launch.src[0].buffer));
    FR_TRY(o->b->buffer_new(o->device, FR_BUFFER_ACTIVATION, r->bytes, &r->launch.dst.buffer));
    FR_TRY(o->b->buffer_new(o->device, FR_BUFFER_SCRATCH, candidate->scratch_bytes, &r->launch.scratch.buffer));
    void *src = o->b->buffer_map(r->launch.src[0].buffer);
    for (uint64_t i = 0; i < fr_tensor_elements(&step.src[0]) * (uint64_t)step.n; i++)
        fr_check_encode(step.src[0].dtype, step.src[0].scale, src, i, (double)(1 + i % 5) * 0.25);
    return FR_OK;
}

/* On a thread of that node; what is computed goes to `out`. */
static fr_status run_on(const opened *o, int node, const ready *r, char *out) {
    (void)fr_cpu_set_bind(&o->near[node]);
    void *dst = o->b->buffer_map(r->launch.dst.buffer);
    memset(dst, 0, r->bytes);
    FR_TRY(o->b->launch(o->queue, &r->launch));
    memcpy(out, dst, r->bytes);
    return FR_OK;
}

static void check_candidate(opened *o, const fr_check_numbers *numbers, const fr_candidate *candidate,
                            uint64_t one_copy) {
    static char first[1 << 16], second[1 << 16], changed[1 << 16];
    ready r;
    copies.made = copies.dropped = 0;
    CHECK_OK(make_ready(o, &numbers->step, &numbers->weights, candidate, &r));
    CHECK(r.bytes <= sizeof first);
    CHECK_INT(weights_of(o), 2 * one_copy);
    CHECK(copies.made >= 2 && copies.made % 2 == 0 && copies.made <= MOST_COPIES);
    CHECK_OK(run_on(o, 0, &r, first));
    CHECK_OK(run_on(o, 1, &r, second));
    CHECK(memcmp(first, second, r.bytes) == 0);
    for (int i = 1; i < copies.made; i += 2) /* the second node's */
        memset(copies.of[i].at, 0, copies.of[i].bytes);
    CHECK_OK(run_on(o, 0, &r, changed));
    CHECK(memcmp(first, changed, r.bytes) == 0);
    CHECK_OK(run_on(o, 1, &r, changed));
    if (memcmp(first, changed, r.bytes) == 0)
        fprintf(stderr, "%s reads the other node's weights\n", candidate->name);
    CHECK(memcmp(first, changed, r.bytes) != 0);
    ready_drop(o, &r);
    CHECK_INT(weights_of(o), 0);
    CHECK_INT(copies.dropped, copies.made);
}

static void check_step(const fr_step *step) {
    static fr_candidate found[MOST_CANDIDATES];
    static uint64_t one_copy[MOST_CANDIDATES];
    fr_check_numbers numbers;
    uint32_t count;
    opened o;
    ready r;
    CHECK_OK(fr_check_numbers_make(step, NULL, step->n, FR_CHECK_RANDOM, 1, &numbers));
    CHECK_OK(open_device(&o, 1));
    CHECK_OK(o.b->candidates(o.device, &numbers.step, found, MOST_CANDIDATES, &count));
    CHECK(count > 0 && count < MOST_CANDIDATES);
    for (uint32_t i = 0; i < count && !found[i].refused; i++) {
        CHECK_OK(make_ready(&o, &numbers.step, &numbers.weights, &found[i], &r));
        one_copy[i] = weights_of(&o);
        ready_drop(&o, &r);
    }
    CHECK_INT(copies.made, 0);
    close_all(&o);
    CHECK_OK(open_device(&o, 2));
    for (uint32_t i = 0; i < count && !found[i].refused && o.has_two; i++)
        check_candidate(&o, &numbers, &found[i], one_copy[i]);
    close_all(&o);
    if (!o.has_two)
        check_skipped = true;
    fr_check_numbers_free(&numbers);
}

static void check_types(fr_step step) {
    fr_device_facts facts = {.struct_bytes = sizeof facts};
    opened o;
    CHECK_OK(open_device(&o, 1));
    CHECK_OK(o.b->device_facts(o.driver, 0, &facts));
    close_all(&o);
    for (int type = FR_MAKE_F32; type <= FR_MAKE_INT8; type++) {
        fr_step typed = step;
        fr_make_of_type(&typed, (fr_make_type)type);
        typed.inexact_ok = true;
        if ((fr_step_precisions(&typed) & ~facts.precisions) == 0)
            check_step(&typed);
    }
}

TEST(convs_read_the_copy_of_their_node) {
    fr_step step = fr_make_conv(2, 20, 9, 11, 24, fr_make_window(3, 1, 1), 1);
    step.act = FR_ACT_NONE;
    check_types(step);
}

TEST(first_convs_do_too) {
    fr_step step = fr_make_conv(2, 3, 12, 10, 32, fr_make_window(3, 1, 1), 1);
    step.act = FR_ACT_NONE;
    check_types(step);
}

TEST(fully_connected_layers_do_too) {
    fr_step step = fr_make_conv(4, 60, 1, 1, 24, fr_make_window(1, 1, 0), 1);
    step.kind = FR_STEP_FC;
    step.act = FR_ACT_NONE;
    check_types(step);
}

CHECK_MAIN
