/* A lane's launches on a backend that only writes them down: bundles give the same ones as launches one by one, are made when a
 * count comes again, kept for a few counts, and never used where they cannot be. */
#include "base/alloc.h"
#include "base/status.h"
#include "check.h"
#include "run/lane.h"
#include "run/trial.h"

enum { MOST = 256, OPS = 4, FOLD = 2, CLASSES = 5, IMAGE_BYTES = 3, BLOCK = 8 };

struct fr_bundle {
    fr_launch launches[MOST];
    uint32_t count;
};

static struct log {
    fr_launch launches[MOST];
    uint32_t count;
    int made, freed, replayed, syncs;
    fr_status refuse, refuse_launch, refuse_sync;
    int launches_left; /* before refuse_launch */
} said;

static int things[8]; /* addresses to stand for queues, buffers and programs */

static fr_status queue_open(fr_device *device, uint32_t threads, fr_queue **out) {
    (void)device;
    (void)threads;
    *out = (fr_queue *)(void *)&things[0];
    return FR_OK;
}
static void queue_close(fr_queue *queue) {
    (void)queue;
}
static fr_status buffer_new(fr_device *device, fr_buffer_kind kind, uint64_t bytes, fr_buffer **out) {
    (void)device;
    (void)bytes;
    *out = (fr_buffer *)(void *)&things[1 + kind];
    return FR_OK;
}
static void buffer_free(fr_buffer *buffer) {
    (void)buffer;
}
static fr_status buffer_point(fr_buffer *buffer, void *host, uint64_t bytes) {
    (void)buffer;
    (void)host;
    (void)bytes;
    return FR_OK;
}
static fr_status write_some(fr_queue *queue, fr_buffer *dst, uint64_t offset, const void *src, uint64_t bytes) {
    (void)queue;
    (void)dst;
    (void)offset;
    (void)src;
    (void)bytes;
    return FR_OK;
}
static fr_status read_some(fr_queue *queue, const fr_buffer *src, uint64_t offset, void *dst, uint64_t bytes) {
    (void)queue;
    (void)src;
    (void)offset;
    (void)dst;
    (void)bytes;
    return FR_OK;
}
static fr_status launch(fr_queue *queue, const fr_launch *l) {
    (void)queue;
    if (said.refuse_launch != FR_OK && said.launches_left-- == 0)
        return fr_fail(said.refuse_launch, "the launch is refused");
    said.launches[said.count++] = *l;
    return FR_OK;
}
static fr_status finish(fr_queue *queue) {
    (void)queue;
    said.syncs++;
    return said.refuse_sync == FR_OK ? FR_OK : fr_fail(said.refuse_sync, "and so is the wait");
}
static fr_status bundle_new(fr_device *device, const fr_launch *launches, uint32_t count, fr_bundle **out) {
    (void)device;
    *out = NULL;
    if (said.refuse != FR_OK)
        return fr_fail(said.refuse, "no bundles today");
    fr_bundle *bundle = fr_alloc(sizeof *bundle);
    if (!bundle)
        return fr_no_memory(sizeof *bundle, "a bundle");
    memcpy(bundle->launches, launches, count * sizeof *launches);
    bundle->count = count;
    said.made++;
    *out = bundle;
    return FR_OK;
}
static fr_status bundle_launch(fr_queue *queue, fr_bundle *bundle) {
    said.replayed++;
    for (uint32_t i = 0; i < bundle->count; i++)
        (void)launch(queue, &bundle->launches[i]);
    return FR_OK;
}
static void bundle_free(fr_bundle *bundle) {
    said.freed += bundle != NULL;
    fr_free(bundle);
}

static const fr_backend backend = {.name = "paper",
                                   .queue_open = queue_open,
                                   .queue_close = queue_close,
                                   .sync = finish,
                                   .buffer_new = buffer_new,
                                   .buffer_free = buffer_free,
                                   .buffer_point = buffer_point,
                                   .write = write_some,
                                   .read = read_some,
                                   .launch = launch,
                                   .bundle_new = bundle_new,
                                   .bundle_launch = bundle_launch,
                                   .bundle_free = bundle_free};

/* ingest and conv by 2, fc and emit by 8; two images an input. */
typedef struct setup {
    fr_target target;
    fr_plan plan;
    fr_plan_op ops[OPS];
    fr_plan_tensor tensors[OPS - 1];
    fr_plan_segment segments[2];
    fr_program *programs[OPS];
    fr_lane lane;
} setup;

static fr_status begin(setup *s, bool bundles, uint32_t flags) {
    static const uint16_t kinds[OPS] = {FR_STEP_INGEST, FR_STEP_CONV, FR_STEP_FC, FR_STEP_EMIT};
    memset(s, 0, sizeof *s);
    memset(&said, 0, sizeof said);
    s->target = (fr_target){.backend = &backend, .bundles = bundles, .facts = {.kind = FR_DEVICE_GPU, .flags = flags}};
    s->segments[0] = (fr_plan_segment){.first_op = 0, .n_ops = 2, .group = 2};
    s->segments[1] = (fr_plan_segment){.first_op = 2, .n_ops = 2, .group = BLOCK};
    for (int32_t i = 0; i < OPS; i++) {
        s->ops[i] = (fr_plan_op){.item = i, .src = {i - 1}, .dst = i + 1 < OPS ? i : -1, .segment = i / 2};
        s->ops[i].step.kind = kinds[i];
        s->ops[i].step.n_src = 1;
        s->programs[i] = (fr_program *)(void *)&things[4 + i];
    }
    for (int32_t i = 0; i + 1 < OPS; i++)
        s->tensors[i] = (fr_plan_tensor){.t = {.c = 4, .h = 1, .w = 1, .dtype = FR_F32, .layout = FR_LAYOUT_NCHW},
                                         .boundary = i == 1,
                                         .offset = 1000u * (uint64_t)(i + 1)};
    s->plan = (fr_plan){.ops = s->ops,
                        .n_ops = OPS,
                        .tensors = s->tensors,
                        .n_tensors = OPS - 1,
                        .segments = s->segments,
                        .n_segments = 2,
                        .block = BLOCK,
                        .arena_bytes = 4096};
    fr_steps steps = {.fold = FOLD, .classes = CLASSES};
    FR_TRY(fr_lane_open(&s->lane, &s->target, 1));
    return fr_lane_load(&s->lane, &s->plan, &steps, s->programs, IMAGE_BYTES);
}

/* What one run of that many images launches. */
static fr_status run(setup *s, int64_t count, bool is_resident, struct log *out) {
    static unsigned char images[BLOCK * FOLD * IMAGE_BYTES];
    static float rows[BLOCK * FOLD * CLASSES];
    said.count = 0;
    fr_status status = fr_lane_run(&s->lane, is_resident ? NULL : images, count, is_resident ? NULL : rows);
    *out = said;
    return status;
}

static bool same(const struct log *a, const struct log *b) {
    return a->count == b->count && memcmp(a->launches, b->launches, a->count * sizeof a->launches[0]) == 0;
}

TEST(bundles_launch_what_launches_launch) {
    static struct log plain[2][BLOCK * FOLD + 1], again;
    static setup s;
    CHECK_OK(begin(&s, false, 0));
    for (int resident = 0; resident < 2; resident++)
        for (int64_t count = 1; count <= BLOCK * FOLD; count++)
            CHECK_OK(run(&s, count, resident, &plain[resident][count]));
    CHECK_INT(said.made, 0);
    CHECK_INT(plain[0][16].count, 2 * 4 + 2);
    CHECK_INT(plain[1][16].count, 4 + 1);
    CHECK_INT(plain[0][5].count, 2 * 2 + 2);
    CHECK_INT(plain[0][5].launches[2].valid, 1); /* inputs 2 and 3 have one image more */
    fr_lane_close(&s.lane);
    CHECK_OK(begin(&s, true, 0));
    for (int resident = 0; resident < 2; resident++)
        for (int64_t count = 1; count <= BLOCK * FOLD; count++)
            for (int time = 0; time < 4; time++) {
                CHECK_OK(run(&s, count, resident, &again));
                CHECK(same(&plain[resident][count], &again));
            }
    CHECK_INT(said.made, 2 * BLOCK * FOLD);
    CHECK_INT(said.replayed, 3 * 2 * BLOCK * FOLD);
    fr_lane_close(&s.lane);
    CHECK_INT(said.freed, said.made);
}

TEST(a_count_that_comes_once_makes_no_bundle) {
    static struct log out;
    static setup s;
    CHECK_OK(begin(&s, true, 0));
    for (int64_t count = 1; count <= BLOCK * FOLD; count++)
        CHECK_OK(run(&s, count, false, &out));
    CHECK_INT(out.made, 0);
    CHECK_OK(run(&s, 16, false, &out)); /* the second time */
    CHECK_INT(out.made, 1);
    CHECK_OK(run(&s, 16, true, &out)); /* resident is another run */
    CHECK_INT(out.made, 1);
    fr_lane_close(&s.lane);
}

TEST(the_counts_of_a_job_keep_their_bundles) {
    static struct log out;
    static setup s;
    CHECK_OK(begin(&s, true, 0));
    for (int job = 0; job < 10; job++)
        for (int64_t count = 0; count < FR_BUNDLE_SLOTS; count++)
            CHECK_OK(run(&s, 16 - 2 * count, job % 2, &out));
    CHECK_INT(out.made, 2 * FR_BUNDLE_SLOTS);
    CHECK_INT(out.freed, 0);
    CHECK_OK(run(&s, 3, false, &out)); /* takes the place of the one not used for longest */
    CHECK_INT(out.freed, 1);
    CHECK_OK(run(&s, 14, false, &out));
    CHECK_INT(out.made, 2 * FR_BUNDLE_SLOTS);
    fr_lane_close(&s.lane);
    CHECK_INT(said.freed, said.made);
}

TEST(where_bundles_are_refused_launches_go_one_by_one) {
    static struct log first, out;
    static setup s;
    static const fr_status words[] = {FR_UNSUPPORTED, FR_NO_MEMORY};
    for (int w = 0; w < 2; w++) {
        CHECK_OK(begin(&s, true, 0));
        said.refuse = words[w];
        CHECK_OK(run(&s, 7, false, &first));
        for (int time = 0; time < 3; time++) {
            CHECK_OK(run(&s, 7, false, &out));
            CHECK(same(&first, &out));
        }
        said.refuse = FR_OK; /* it is not asked again */
        CHECK_OK(run(&s, 7, false, &out));
        CHECK_OK(run(&s, 7, false, &out));
        CHECK_INT(out.made, 0);
        fr_lane_close(&s.lane);
    }
    CHECK_OK(begin(&s, true, 0));
    said.refuse = FR_DEVICE_LOST;
    CHECK_OK(run(&s, 7, false, &out));
    CHECK_INT(run(&s, 7, false, &out), FR_DEVICE_LOST);
    fr_lane_close(&s.lane);
}

TEST(windows_on_user_memory_are_not_bundled) {
    static struct log out;
    static setup s;
    CHECK_OK(begin(&s, true, FR_DEVICE_HOST_POINTERS));
    for (int time = 0; time < 3; time++)
        CHECK_OK(run(&s, 16, false, &out));
    CHECK_INT(out.made, 0);
    for (int time = 0; time < 3; time++)
        CHECK_OK(run(&s, 16, true, &out));
    CHECK_INT(out.made, 1);
    fr_lane_close(&s.lane);
}

TEST(a_run_that_fails_waits_for_what_it_queued_and_tells_the_first_failure) {
    static struct log out;
    static setup s;
    for (int left = 0; left < 4; left++) {
        CHECK_OK(begin(&s, false, 0));
        said.refuse_launch = FR_NO_MEMORY;
        said.refuse_sync = left % 2 ? FR_DEVICE_LOST : FR_OK;
        said.launches_left = left;
        CHECK_INT(run(&s, 16, left > 1, &out), FR_NO_MEMORY);
        CHECK_TEXT(fr_error_sentence(), "the launch is refused");
        CHECK_INT(out.syncs, 1);
        fr_lane_close(&s.lane);
    }
}

/* ---- trials ---- */

static int freed_while_running;

static fr_status compile_some(fr_device *device, const fr_step *step, const fr_candidate *candidate,
                              const fr_weights *weights, fr_program **out) {
    (void)device;
    (void)step;
    (void)candidate;
    (void)weights;
    *out = (fr_program *)(void *)&things[4];
    said.syncs = 0; /* what was waited for before does not count */
    return FR_OK;
}
static void program_free(fr_program *program) {
    (void)program;
    freed_while_running += said.syncs == 0;
}

TEST(a_trial_that_fails_waits_before_it_frees_the_program) {
    static const fr_tensor map = {.c = 4, .h = 1, .w = 1, .dtype = FR_F32, .layout = FR_LAYOUT_NCHW};
    fr_step step = {.kind = FR_STEP_UNARY, .n = 1, .n_src = 1, .src = {map}, .dst = map};
    fr_candidate candidate = {.src_layout = {FR_LAYOUT_NCHW}, .dst_layout = FR_LAYOUT_NCHW};
    fr_weights none = {.struct_bytes = sizeof none};
    fr_backend able = backend;
    able.compile = compile_some;
    able.program_free = program_free;
    fr_target target = {.backend = &able, .facts = {.kind = FR_DEVICE_CPU}};
    fr_trial trial;
    double ns;
    memset(&said, 0, sizeof said);
    freed_while_running = 0;
    said.refuse_launch = FR_NO_MEMORY;
    CHECK_OK(fr_trial_open(&trial, &target, 1));
    CHECK_INT(fr_trial_time(&trial, &step, &candidate, &none, 1000, 0, &ns), FR_NO_MEMORY);
    CHECK_TEXT(fr_error_sentence(), "the launch is refused");
    CHECK_INT(freed_while_running, 0);
    fr_trial_close(&trial);
}

CHECK_MAIN
