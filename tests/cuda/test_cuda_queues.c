/* Queues of the CUDA backend on the paper GPU: copies of all sizes, several at once, bundles, threads, what may be switched off. */
#define KIT_DEVICE "cuda:0"

#include "base/alloc.h"
#include "device_kit.h"
#include "paper_kit.h"

static bool present(void) {
    paper(NULL, NULL);
    return device_is_present();
}

static void close_clean(opened *o) { /* nothing is left behind, and nothing was called wrongly */
    fr_memory_use use;
    fr_status status = o->b->memory_use(o->device, &use);
    uint64_t live = 0;
    for (int kind = 0; kind < 4; kind++)
        live += use.live[kind];
    close_all(o);
    CHECK_INT(status, FR_OK);
    CHECK_INT(live, 0);
    CHECK_INT(paper_misused(), 0);
}

/* ---- copies ------------------------------------------------------------------------------------------------------------- */

static uint8_t byte_at(uint64_t at, int seed) {
    return (uint8_t)(at * 131 + at / 251 + (uint64_t)seed * 17);
}

typedef struct travel { /* of `bytes` to offset `at` of a buffer that is `more` larger, and back */
    uint64_t bytes, at, more;
    uint8_t *out, *back;
    fr_buffer *buffer;
} travel;

static fr_status begin_travel(const opened *o, fr_queue *queue, travel *t, int seed) {
    t->out = malloc(t->bytes);
    t->back = calloc(1, t->bytes);
    if (!t->out || !t->back)
        return fr_no_memory(t->bytes, "a test");
    for (uint64_t i = 0; i < t->bytes; i++)
        t->out[i] = byte_at(i, seed);
    FR_TRY(o->b->buffer_new(o->device, FR_BUFFER_STAGING, t->at + t->bytes + t->more, &t->buffer));
    FR_TRY(o->b->write(queue, t->buffer, t->at, t->out, t->bytes));
    return o->b->read(queue, t->buffer, t->at, t->back, t->bytes);
}

static bool end_travel(const opened *o, travel *t) {
    bool right = t->out && t->back && memcmp(t->out, t->back, t->bytes) == 0;
    o->b->buffer_free(t->buffer);
    free(t->out);
    free(t->back);
    return right;
}

static const uint64_t chunk = 4 << 20; /* of the staging */

TEST(copies_of_every_size_arrive) {
    static const char *const without[] = {"cudnn,cublaslt", "cudnn,cublaslt,pinned"};
    if (!present())
        SKIP("no device");
    for (size_t w = 0; w < sizeof without / sizeof without[0]; w++) {
        opened o;
        setenv("FOLDRUN_CUDA_WITHOUT", without[w], 1);
        CHECK_OK(open_device(&o, ""));
        (void)paper_misused();
        travel all[] = {{.bytes = 1},
                        {.bytes = 3, .at = 1, .more = 1},
                        {.bytes = 4097, .at = 63},
                        {.bytes = chunk - 1, .at = 5},
                        {.bytes = chunk},
                        {.bytes = chunk + 1, .more = 9},
                        {.bytes = 3 * chunk},
                        {.bytes = 4 * chunk + 12345, .at = 777, .more = 1}};
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
            CHECK_OK(begin_travel(&o, o.queue, &all[i], (int)i));
            CHECK_OK(o.b->sync(o.queue));
            CHECK(end_travel(&o, &all[i]));
        }
        close_clean(&o);
    }
}

TEST(many_copies_wait_for_one_sync) {
    enum { MANY = 40 };
    opened o;
    travel all[MANY] = {{0}};
    bool right = true;
    if (!present())
        SKIP("no device");
    CHECK_OK(open_device(&o, ""));
    for (int i = 0; i < MANY; i++) {
        all[i].bytes = (uint64_t)(i % 5) * chunk / 3 + 1 + (uint64_t)i;
        CHECK_OK(begin_travel(&o, o.queue, &all[i], i));
    }
    CHECK_OK(o.b->sync(o.queue));
    for (int i = 0; i < MANY; i++)
        right &= end_travel(&o, &all[i]);
    CHECK(right);
    close_clean(&o);
}

TEST(queues_do_not_mix_their_copies) {
    enum { QUEUES = 4 };
    opened o;
    fr_queue *queues[QUEUES];
    travel all[QUEUES] = {{0}};
    bool right = true;
    if (!present())
        SKIP("no device");
    CHECK_OK(open_device(&o, ""));
    for (int i = 0; i < QUEUES; i++) {
        CHECK_OK(o.b->queue_open(o.device, 0, &queues[i]));
        all[i].bytes = chunk + 99 * (uint64_t)i;
        CHECK_OK(begin_travel(&o, queues[i], &all[i], i));
    }
    for (int i = QUEUES; i-- > 0;) {
        CHECK_OK(o.b->sync(queues[i]));
        right &= end_travel(&o, &all[i]);
        o.b->queue_close(queues[i]);
    }
    CHECK(right);
    close_clean(&o);
}

TEST(copies_past_a_buffer_are_refused) {
    opened o;
    fr_buffer *buffer;
    char bytes[64] = {0};
    if (!present())
        SKIP("no device");
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(o.b->buffer_new(o.device, FR_BUFFER_STAGING, 48, &buffer));
    CHECK_INT(o.b->write(o.queue, buffer, 0, bytes, 49), FR_INVALID);
    SAYS("49 bytes at 0 lie past the buffer's end (48 bytes)");
    CHECK_INT(o.b->read(o.queue, buffer, UINT64_MAX, bytes, 2), FR_INVALID);
    CHECK_INT(o.b->write(o.queue, NULL, 0, bytes, 1), FR_INVALID);
    SAYS("no buffer is bound");
    CHECK_OK(o.b->write(o.queue, buffer, 48, bytes, 0));
    CHECK_OK(o.b->sync(o.queue));
    o.b->buffer_free(buffer);
    close_clean(&o);
}

/* ---- times -------------------------------------------------------------------------------------------------------------- */

TEST(events_measure_what_lies_between) {
    opened o;
    fr_event *begin, *end;
    bool right;
    uint64_t ns = 0;
    if (!present())
        SKIP("no device");
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(o.b->event_new(o.device, &begin));
    CHECK_OK(o.b->event_new(o.device, &end));
    CHECK_OK(o.b->record(o.queue, begin));
    CHECK_OK(pool_once(&o, &right));
    CHECK_OK(o.b->record(o.queue, end));
    CHECK_OK(o.b->wait(begin));
    CHECK_OK(o.b->wait(end));
    CHECK_OK(o.b->elapsed(begin, end, &ns));
    CHECK(right && ns > 0 && ns < 60000000000ull);
    o.b->event_free(begin);
    o.b->event_free(end);
    close_clean(&o);
}

TEST(an_event_that_is_not_made_is_told) {
    opened o;
    fr_event *event;
    if (!present())
        SKIP("no device");
    CHECK_OK(open_device(&o, ""));
    setenv("PAPER_EVENT", "2", 1);
    CHECK_INT(o.b->event_new(o.device, &event), FR_NO_MEMORY);
    SAYS("cuEventCreate");
    CHECK(!event);
    unsetenv("PAPER_EVENT");
    close_clean(&o);
}

/* ---- bundles ------------------------------------------------------------------------------------------------------------- */

typedef struct bundled {
    fr_launch launch;
    fr_bundle *bundle;
    float want[OUT];
} bundled;

static void end_bundle(const opened *o, bundled *b) {
    o->b->bundle_free(b->bundle);
    o->b->buffer_free(b->launch.src[0].buffer);
    o->b->buffer_free(b->launch.dst.buffer);
    o->b->buffer_free(b->launch.scratch.buffer);
    o->b->program_free(b->launch.program);
}

static fr_status begin_bundle(const opened *o, bundled *b) { /* the caller ends it, also when it fails */
    memset(b, 0, sizeof *b);
    FR_TRY(compile_pool(o, &b->launch.program));
    FR_TRY(o->b->buffer_new(o->device, FR_BUFFER_ACTIVATION, IN * sizeof(float), &b->launch.src[0].buffer));
    FR_TRY(o->b->buffer_new(o->device, FR_BUFFER_ACTIVATION, OUT * sizeof(float), &b->launch.dst.buffer));
    FR_TRY(o->b->buffer_new(o->device, FR_BUFFER_SCRATCH, 1 << 16, &b->launch.scratch.buffer));
    return o->b->bundle_new(o->device, &b->launch, 1, &b->bundle);
}

static fr_status replay(const opened *o, bundled *b, int seed, bool *out_right) {
    float in[IN], got[OUT] = {0};
    fill(in, b->want, seed);
    FR_TRY(o->b->write(o->queue, b->launch.src[0].buffer, 0, in, sizeof in));
    FR_TRY(o->b->bundle_launch(o->queue, b->bundle));
    FR_TRY(o->b->read(o->queue, b->launch.dst.buffer, 0, got, sizeof got));
    FR_TRY(o->b->sync(o->queue));
    *out_right = memcmp(got, b->want, sizeof got) == 0;
    return FR_OK;
}

TEST(a_bundle_replays_what_was_recorded) {
    opened o;
    bundled b;
    bool right;
    if (!present())
        SKIP("no device");
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(begin_bundle(&o, &b));
    (void)paper_graphs_replayed();
    for (int i = 0; i < 3; i++) {
        CHECK_OK(replay(&o, &b, i, &right));
        CHECK(right);
    }
    CHECK_INT(paper_graphs_replayed(), 3);
    end_bundle(&o, &b);
    close_clean(&o);
}

TEST(launches_that_are_no_graph_run_one_by_one) {
    static const char *const settings[][2] = {
        {"PAPER_CAPTURE", "900"}, {"PAPER_LAUNCH", "900"}, {"FOLDRUN_CUDA_WITHOUT", "cudnn,cublaslt,graphs"}};
    if (!present())
        SKIP("no device");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        opened o;
        bundled b;
        bool right;
        paper(NULL, NULL);
        setenv(settings[i][0], settings[i][1], 1);
        CHECK_OK(open_device(&o, ""));
        CHECK_INT(begin_bundle(&o, &b), FR_UNSUPPORTED);
        CHECK(!b.bundle);
        unsetenv(settings[i][0]);
        end_bundle(&o, &b);
        CHECK_OK(pool_once(&o, &right)); /* a capture that failed leaves nothing behind */
        CHECK(right);
        CHECK_OK(o.b->sync(o.queue));
        close_clean(&o);
    }
}

TEST(a_bundle_that_fails_loses_the_device) {
    opened o;
    bundled b;
    bool right;
    if (!present())
        SKIP("no device");
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(begin_bundle(&o, &b));
    setenv("PAPER_GRAPH", "719", 1);
    CHECK_INT(replay(&o, &b, 1, &right), FR_DEVICE_LOST);
    SAYS("cuGraphLaunch");
    unsetenv("PAPER_GRAPH");
    CHECK_INT(replay(&o, &b, 1, &right), FR_DEVICE_LOST);
    end_bundle(&o, &b);
    close_clean(&o);
}

/* ---- threads, and what may be switched off --------------------------------------------------------------------------------- */

TEST(a_device_works_without_each_feature) {
    static const char *const without[] = {
        "graphs", "pinned", "mma", "chain", "cudnn", "cublaslt", "graphs,pinned,mma,chain"};
    if (!present())
        SKIP("no device");
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) {
        opened o;
        bool right = false;
        setenv("FOLDRUN_CUDA_WITHOUT", without[i], 1);
        CHECK_OK(open_device(&o, ""));
        CHECK_OK(pool_once(&o, &right));
        CHECK(right);
        close_clean(&o);
    }
}

TEST(a_device_works_on_every_architecture) {
    static const char *const archs[] = {"70", "75", "80", "86", "89", "90"};
    static const char *const orders[] = {"backward", "random"};
    if (!present())
        SKIP("no device");
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) {
        opened o;
        bool right = false;
        paper("PAPER_ARCH", archs[i]);
        setenv("PAPER_ORDER", orders[i % 2], 1);
        CHECK_OK(open_device(&o, ""));
        CHECK_OK(pool_once(&o, &right));
        CHECK(right);
        close_clean(&o);
    }
}

TEST(threads_share_a_device_and_its_programs) {
    if (!present())
        SKIP("no device");
    check_threads();
    CHECK_INT(paper_misused(), 0);
}

CHECK_MAIN
