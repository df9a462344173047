/* A device whose kernels take as long as they are told, and a prober on it. */
#ifndef FR_TESTS_TIMED_DEVICE_H
#define FR_TESTS_TIMED_DEVICE_H

#include <pthread.h>

#include "base/clock.h"
#include "base/status.h"
#include "run/prober.h"

static uint64_t slow_ns, fast_ns, uneven_ns; /* of a launch; every second launch takes uneven_ns more */
static uint64_t crowd_ns;                    /* more, on any thread but the first */
static uint64_t odd_ns;                      /* of the odd_build-th program, instead of all that */
static uint32_t n_slow, fast_flags;          /* slow kernels; what the fast one says of itself */
static uint64_t build_ns;                    /* of every second program */
static unsigned launches, odd_build, builds, builds_done, early; /* early: launched while others were built */
static pthread_t first_thread;

struct fr_program {
    uint64_t *ns;
};
static struct fr_program slow = {&slow_ns}, fast = {&fast_ns};

static fr_status any_queue(fr_device *device, uint32_t threads, fr_queue **out) {
    (void)device, (void)threads;
    *out = (fr_queue *)&launches;
    return FR_OK;
}

static void close_queue(fr_queue *queue) {
    (void)queue;
}

static fr_status at_once(fr_queue *queue) {
    (void)queue;
    return FR_OK;
}

static fr_status any_buffer(fr_device *device, fr_buffer_kind kind, uint64_t bytes, fr_buffer **out) {
    (void)device, (void)kind, (void)bytes;
    *out = (fr_buffer *)&launches;
    return FR_OK;
}

static void free_buffer(fr_buffer *buffer) {
    (void)buffer;
}

static fr_status take(fr_queue *queue, fr_buffer *dst, uint64_t offset, const void *src, uint64_t bytes) {
    (void)queue, (void)dst, (void)offset, (void)src, (void)bytes;
    return FR_OK;
}

/* Nothing for pools; for all else the slow kernels, the fast one, and one that is good for nothing. */
static fr_status offer(fr_device *device, const fr_step *step, fr_candidate *out, uint32_t capacity, uint32_t *count) {
    (void)device;
    *count = step->kind == FR_STEP_POOL ? 0 : n_slow + 2;
    for (uint32_t i = 0; i < *count && i < capacity; i++) {
        uint32_t id = i < n_slow ? 0 : i - n_slow + 1;
        out[i] = (fr_candidate){.struct_bytes = sizeof *out, .id = id, .flags = id == 1 ? fast_flags : 0};
        snprintf(out[i].name, sizeof out[i].name, id == 0 ? "k.slow%u" : id == 1 ? "k.fast" : "k.broken", i);
        out[i].src_layout[0] = out[i].dst_layout = FR_LAYOUT_NCHW;
    }
    return FR_OK;
}

static void spend(uint64_t ns) {
    uint64_t until = fr_clock_ns() + ns;
    while (fr_clock_ns() < until) {}
}

static fr_status build(fr_device *device, const fr_step *step, const fr_candidate *candidate, const fr_weights *weights,
                       fr_program **out) {
    (void)device, (void)step, (void)weights;
    *out = candidate->id == 0 ? &slow : &fast;
    if (__atomic_fetch_add(&builds, 1, __ATOMIC_SEQ_CST) % 2)
        spend(build_ns);
    __atomic_fetch_add(&builds_done, 1, __ATOMIC_SEQ_CST);
    return candidate->id < 2 ? FR_OK : fr_fail(FR_UNSUPPORTED, "it is broken");
}

static void free_program(fr_program *program) {
    (void)program;
}

static fr_status wait_for_it(fr_queue *queue, const fr_launch *launch) {
    (void)queue;
    bool is_uneven = __atomic_fetch_add(&launches, 1, __ATOMIC_SEQ_CST) % 2;
    bool is_crowded = !pthread_equal(pthread_self(), first_thread);
    unsigned built = __atomic_load_n(&builds_done, __ATOMIC_SEQ_CST);
    if (built % 2)
        __atomic_fetch_add(&early, 1, __ATOMIC_SEQ_CST);
    if (odd_build > 0 && built == odd_build) {
        spend(odd_ns);
    } else {
        spend(*launch->program->ns + (is_uneven ? uneven_ns : 0) + (is_crowded ? crowd_ns : 0));
    }
    return FR_OK;
}

static const fr_backend made = {.name = "made",
                                .version = "1",
                                .queue_open = any_queue,
                                .queue_close = close_queue,
                                .sync = at_once,
                                .buffer_new = any_buffer,
                                .buffer_free = free_buffer,
                                .write = take,
                                .candidates = offer,
                                .compile = build,
                                .program_free = free_program,
                                .launch = wait_for_it};

static fr_probe_point conv_point(int32_t c) {
    return (fr_probe_point){.line = FR_LINE_BOTH,
                            .kind = FR_STEP_CONV,
                            .n = 2,
                            .c_in = c,
                            .h = 10,
                            .w = 12,
                            .c_out = c,
                            .kernel = 3,
                            .groups = 1};
}

static fr_status open_made(fr_prober *p) {
    memset(p, 0, sizeof *p);
    slow_ns = 5000000;
    fast_ns = 100000;
    uneven_ns = crowd_ns = odd_ns = build_ns = 0;
    n_slow = 1;
    fast_flags = 0;
    launches = odd_build = builds = builds_done = early = 0;
    first_thread = pthread_self();
    p->target = (fr_target){.backend = &made, .facts = {.kind = FR_DEVICE_CPU, .lanes = 1, .name = "a made device"}};
    p->options.budget_s = 1000;
    p->precisions = 1;
    p->begin_ns = fr_clock_ns();
    p->until_ns = p->begin_ns + (uint64_t)1000 * 1000000000;
    for (int32_t c = 16; c <= 64; c += 16) {
        fr_probe_point point = conv_point(c);
        FR_TRY(fr_probe_add_point(&p->probe, &point));
    }
    return fr_trial_open(&p->trial, &p->target, 1);
}

#endif
