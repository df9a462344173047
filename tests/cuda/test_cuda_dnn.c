/* Convolutions by cuDNN and products by cuBLASLt, through the module and on paper: plans kept and refused, libraries that fail. */
#define KIT_DEVICE "cuda:0"

#include <sys/stat.h>

#include "device_kit.h"
#include "paper_kit.h"

#define PAPER_DNN PAPER_FOLDER "/libcudnn.so.9"
#define KEPT      CUDA_TEST_CACHE "-dnn"

enum {
    N = 2,
    C = 4,
    H = 5,
    W = 6,
    O = 6,
    X = N * C * H * W,
    Y = N * O * H * W,
    K = C * 9,
    MOST = 512,
    SCRATCH = 8 << 20
};

static void settle(const char *name, const char *value) {
    static const char *const settings[] = {"PAPER_DNN_CREATE", "PAPER_DNN_NONE",    "PAPER_DNN_EXECUTE",
                                           "PAPER_DNN_STALE",  "PAPER_DNN_VERSION", "PAPER_LT_CREATE",
                                           "PAPER_LT_NONE"};
    paper(NULL, NULL);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        unsetenv(settings[i]);
    if (name)
        setenv(name, value, 1);
}

static bool has_libraries(void) {
    settle(NULL, NULL);
    struct stat there;
    return stat(PAPER_DNN, &there) == 0 && stat(PAPER_FOLDER "/libcublasLt.so.13", &there) == 0 && device_is_present();
}

/* ---- a convolution, and a fully connected layer over the same map ------------------------------------------------------ */

static float weight[O * C * H * W], bias[O];

static fr_step conv_step(uint16_t layout) {
    fr_step s = {.struct_bytes = sizeof s,
                 .kind = FR_STEP_CONV,
                 .n = N,
                 .n_src = 1,
                 .groups = 1,
                 .has_bias = 1,
                 .act = FR_ACT_RELU};
    s.src[0] = (fr_tensor){.c = C, .h = H, .w = W, .dtype = FR_F32, .layout = layout};
    s.dst = s.src[0];
    s.dst.c = O;
    s.win = (fr_window){3, 3, 1, 1, 1, 1, 1, 1, 1, 1};
    return s;
}

static fr_step fc_step(uint16_t layout) {
    fr_step s = conv_step(layout);
    s.kind = FR_STEP_FC;
    s.dst.h = s.dst.w = 1;
    return s;
}

/* Small whole numbers: every order of sums is exact. */
static float number(int i) {
    return (float)(i * 7 % 9 - 4);
}

static float wanted(const fr_step *s, const float *x, int n, int o, int row, int column) {
    float sum = bias[o];
    bool is_fc = s->kind == FR_STEP_FC;
    for (int c = 0; c < C; c++)
        for (int i = 0; i < (is_fc ? H * W : 9); i++) {
            int y = is_fc ? i / W : row - 1 + i / 3, at = is_fc ? i % W : column - 1 + i % 3;
            const fr_tensor *src = &s->src[0];
            if (y >= 0 && y < H && at >= 0 && at < W)
                sum += x[fr_tensor_index(src, n, c, y, at)] * weight[(o * C + c) * (is_fc ? H * W : 9) + i];
        }
    return sum > 0 ? sum : 0;
}

static bool is_right(const fr_step *s, const float *x, const float *y) {
    for (int n = 0; n < N; n++)
        for (int o = 0; o < O; o++)
            for (int row = 0; row < s->dst.h; row++)
                for (int column = 0; column < s->dst.w; column++)
                    if (y[fr_tensor_index(&s->dst, n, o, row, column)] != wanted(s, x, n, o, row, column))
                        return false;
    return true;
}

static fr_status candidate_of(const opened *o, const fr_step *step, const char *name, fr_candidate *out) {
    static fr_candidate list[MOST];
    uint32_t count = 0;
    FR_TRY(o->b->candidates(o->device, step, list, MOST, &count));
    for (uint32_t i = 0; i < count && i < MOST; i++)
        if (strcmp(list[i].name, name) == 0) {
            *out = list[i];
            return FR_OK;
        }
    return fr_fail(FR_INVALID, "no candidate %s", name);
}

static fr_status compile_of(const opened *o, const fr_step *step, const char *name, fr_program **out) {
    const fr_weights weights = {.struct_bytes = sizeof weights, .weight = weight, .bias = bias};
    fr_candidate candidate;
    *out = NULL;
    for (int i = 0; i < O * C * H * W; i++)
        weight[i] = number(3 * i + 1);
    for (int i = 0; i < O; i++)
        bias[i] = number(5 * i);
    FR_TRY(candidate_of(o, step, name, &candidate));
    if (candidate.refused)
        return fr_fail(FR_UNSUPPORTED, "%s is refused: %d", name, candidate.refused);
    return o->b->compile(o->device, step, &candidate, &weights, out);
}

typedef struct job {
    fr_launch launch;
    float x[X], y[Y];
} job;

static void end_job(const opened *o, job *j) {
    (void)!o->b->sync(o->queue);
    o->b->program_free(j->launch.program);
    o->b->buffer_free(j->launch.src[0].buffer);
    o->b->buffer_free(j->launch.dst.buffer);
    o->b->buffer_free(j->launch.scratch.buffer);
}

static fr_status begin_job(const opened *o, const fr_step *step, const char *name, job *j) { /* the caller ends it */
    memset(j, 0, sizeof *j);
    for (int i = 0; i < X; i++)
        j->x[i] = number(i);
    FR_TRY(compile_of(o, step, name, &j->launch.program));
    FR_TRY(o->b->buffer_new(o->device, FR_BUFFER_ACTIVATION, sizeof j->x, &j->launch.src[0].buffer));
    FR_TRY(o->b->buffer_new(o->device, FR_BUFFER_ACTIVATION, sizeof j->y, &j->launch.dst.buffer));
    FR_TRY(o->b->buffer_new(o->device, FR_BUFFER_SCRATCH, SCRATCH, &j->launch.scratch.buffer));
    FR_TRY(o->b->write(o->queue, j->launch.src[0].buffer, 0, j->x, sizeof j->x));
    return o->b->sync(o->queue);
}

static fr_status end_run(const opened *o, const fr_step *step, job *j, bool *out_right) {
    FR_TRY(o->b->read(o->queue, j->launch.dst.buffer, 0, j->y, sizeof j->y));
    FR_TRY(o->b->sync(o->queue));
    *out_right = is_right(step, j->x, j->y);
    return FR_OK;
}

static fr_status run_of(const opened *o, const fr_step *step, const char *name, bool *out_right) {
    static job j;
    fr_status status;
    *out_right = false;
    FR_GO(done, begin_job(o, step, name, &j));
    FR_GO(done, o->b->launch(o->queue, &j.launch));
    FR_GO(done, end_run(o, step, &j, out_right));
done:
    if (status == FR_OK) {
        end_job(o, &j);
        return FR_OK;
    }
    char said[512];
    snprintf(said, sizeof said, "%s", fr_error_sentence());
    end_job(o, &j);
    return fr_fail(status, "%s", said);
}

/* ---- what works --------------------------------------------------------------------------------------------------------------- */

TEST(each_way_gives_the_right_numbers) {
    static const struct {
        const char *name;
        uint16_t layout;
        bool is_fc;
    } ways[] = {{"cuda.dnn.nhwc.f32", FR_LAYOUT_NHWC, false}, {"cuda.dnn.nhwc.best.f32", FR_LAYOUT_NHWC, false},
                {"cuda.dnn.nchw.f32", FR_LAYOUT_NCHW, false}, {"cuda.dnn.nchw.best.f32", FR_LAYOUT_NCHW, false},
                {"cuda.lt.nhwc.f32", FR_LAYOUT_NHWC, true},   {"cuda.lt.nchw.f32", FR_LAYOUT_NCHW, true}};
    if (!has_libraries())
        SKIP("built without the libraries' headers");
    opened o;
    CHECK_OK(open_device(&o, ""));
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        fr_step step = ways[i].is_fc ? fc_step(ways[i].layout) : conv_step(ways[i].layout);
        bool right;
        CHECK_OK(run_of(&o, &step, ways[i].name, &right));
        CHECK(right);
    }
    close_all(&o);
    CHECK_INT(paper_misused(), 0);
    CHECK_INT(shim_count_of(PAPER_DNN, "paper_dnn_complaints"), 0);
}

/* Two, as two lanes have them: each is recorded with a handle of its own, which it keeps. */
TEST(bundles_of_a_library_replay) {
    static job j;
    fr_bundle *bundles[2] = {NULL, NULL};
    bool right = false;
    if (!has_libraries())
        SKIP("built without the libraries' headers");
    opened o;
    CHECK_OK(open_device(&o, ""));
    fr_step step = conv_step(FR_LAYOUT_NHWC);
    CHECK_OK(begin_job(&o, &step, "cuda.dnn.nhwc.f32", &j));
    int before = shim_count_of(PAPER_DNN, "paper_dnn_handles");
    for (int i = 0; i < 2; i++)
        CHECK_OK(o.b->bundle_new(o.device, &j.launch, 1, &bundles[i]));
    CHECK_INT(shim_count_of(PAPER_DNN, "paper_dnn_handles"), before + 2);
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < X; k++)
            j.x[k] = number(k + i + 1);
        CHECK_OK(o.b->write(o.queue, j.launch.src[0].buffer, 0, j.x, sizeof j.x));
        CHECK_OK(o.b->bundle_launch(o.queue, bundles[i]));
        CHECK_OK(end_run(&o, &step, &j, &right));
        CHECK(right);
    }
    for (int i = 0; i < 2; i++)
        o.b->bundle_free(bundles[i]);
    CHECK_INT(shim_count_of(PAPER_DNN, "paper_dnn_handles"), before);
    end_job(&o, &j);
    close_all(&o);
    CHECK_INT(shim_count_of(PAPER_DNN, "paper_dnn_handles"), 0);
}

/* ---- plans on disk ---------------------------------------------------------------------------------------------------------------- */

static void compile_once(const char *setting, int *out_asked, int *out_loaded) {
    opened o;
    fr_program *program;
    fr_step step = conv_step(FR_LAYOUT_NHWC);
    *out_asked = *out_loaded = -1;
    settle(setting, "1");
    CHECK_OK(open_device(&o, KEPT));
    (void)shim_count_of(PAPER_DNN, "paper_dnn_heuristics");
    CHECK_OK(compile_of(&o, &step, "cuda.dnn.nhwc.best.f32", &program));
    int (*counts[2])(void);
    void *library = dlopen(PAPER_DNN, RTLD_NOW | RTLD_NOLOAD), *symbols[2];
    CHECK(library != NULL);
    symbols[0] = dlsym(library, "paper_dnn_heuristics");
    symbols[1] = dlsym(library, "paper_dnn_loads");
    memcpy(counts, symbols, sizeof counts);
    *out_asked = counts[0]();
    *out_loaded = counts[1]();
    dlclose(library);
    o.b->program_free(program);
    close_all(&o);
}

TEST(a_plan_that_was_found_is_kept) {
    int asked, loaded;
    if (!has_libraries())
        SKIP("built without the libraries' headers");
    (void)each_entry(KEPT, drop);
    compile_once(NULL, &asked, &loaded);
    CHECK(asked > 0);
    CHECK_INT(loaded, 0);
    compile_once(NULL, &asked, &loaded);
    CHECK_INT(asked, 0);
    CHECK_INT(loaded, 1);
    compile_once("PAPER_DNN_STALE", &asked, &loaded); /* another cuDNN's */
    CHECK(asked > 0);
    (void)each_entry(KEPT, damage);
    compile_once(NULL, &asked, &loaded);
    CHECK(asked > 0);
}

/* ---- libraries that fail --------------------------------------------------------------------------------------------------------------- */

TEST(what_cudnn_has_no_engine_for_is_left_out) {
    if (!has_libraries())
        SKIP("built without the libraries' headers");
    opened o;
    fr_program *program;
    fr_candidate candidate;
    fr_step step = conv_step(FR_LAYOUT_NHWC);
    settle("PAPER_DNN_NONE", "1");
    CHECK_OK(open_device(&o, ""));
    CHECK_INT(compile_of(&o, &step, "cuda.dnn.nhwc.f32", &program), FR_UNSUPPORTED);
    SAYS("has no engine for this convolution");
    CHECK_OK(candidate_of(&o, &step, "cuda.dnn.nhwc.f32", &candidate));
    CHECK(candidate.refused != 0);
    step.n = 1; /* another step is another question */
    CHECK_OK(candidate_of(&o, &step, "cuda.dnn.nhwc.f32", &candidate));
    CHECK_INT(candidate.refused, 0);
    close_all(&o);
}

TEST(plans_that_all_fail_are_no_plans) {
    if (!has_libraries())
        SKIP("built without the libraries' headers");
    opened o;
    fr_program *program;
    fr_step step = conv_step(FR_LAYOUT_NHWC);
    settle("PAPER_DNN_EXECUTE", "5000");
    CHECK_OK(open_device(&o, ""));
    CHECK_INT(compile_of(&o, &step, "cuda.dnn.nhwc.best.f32", &program), FR_UNSUPPORTED);
    close_all(&o);
    CHECK_INT(paper_misused(), 0);
}

TEST(a_launch_that_fails_says_what_cudnn_says) {
    static job j;
    if (!has_libraries())
        SKIP("built without the libraries' headers");
    opened o;
    fr_step step = conv_step(FR_LAYOUT_NHWC);
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(begin_job(&o, &step, "cuda.dnn.nhwc.f32", &j));
    setenv("PAPER_DNN_EXECUTE", "5001", 1);
    CHECK_INT(o.b->launch(o.queue, &j.launch), FR_INTERNAL);
    SAYS("cudnnBackendExecute for engine");
    SAYS("the engine fails");
    settle(NULL, NULL);
    CHECK_OK(o.b->launch(o.queue, &j.launch));
    end_job(&o, &j);
    close_all(&o);
}

TEST(libraries_that_do_not_start_leave_the_rest_working) {
    static const char *const settings[] = {"PAPER_DNN_CREATE", "PAPER_LT_CREATE"};
    if (!has_libraries())
        SKIP("built without the libraries' headers");
    for (int i = 0; i < 2; i++) {
        opened o;
        fr_program *program;
        fr_step step = i ? fc_step(FR_LAYOUT_NHWC) : conv_step(FR_LAYOUT_NHWC);
        bool right = false;
        settle(settings[i], "1001");
        CHECK_OK(open_device(&o, ""));
        CHECK_INT(compile_of(&o, &step, i ? "cuda.lt.nhwc.f32" : "cuda.dnn.nhwc.f32", &program), FR_UNSUPPORTED);
        CHECK_OK(pool_once(&o, &right));
        CHECK(right);
        close_all(&o);
    }
}

TEST(a_library_without_memory_may_be_asked_later) {
    if (!has_libraries())
        SKIP("built without the libraries' headers");
    opened o;
    fr_program *program;
    fr_step step = conv_step(FR_LAYOUT_NHWC);
    bool right = false;
    settle("PAPER_DNN_CREATE", "4004");
    CHECK_OK(open_device(&o, ""));
    CHECK_INT(compile_of(&o, &step, "cuda.dnn.nhwc.f32", &program), FR_NO_MEMORY);
    SAYS("cudnnCreate");
    settle(NULL, NULL);
    CHECK_OK(run_of(&o, &step, "cuda.dnn.nhwc.f32", &right));
    CHECK(right);
    close_all(&o);
    settle("PAPER_LT_CREATE", "3");
    CHECK_INT(open_device(&o, ""), FR_NO_MEMORY);
    SAYS("cublasLtCreate");
    close_all(&o);
    CHECK_INT(paper_misused(), 0);
}

/* ---- a device that is lost, which a library sees first ---------------------------------------------------------------------------------- */

TEST(a_launch_that_fails_on_a_lost_device_is_a_loss) {
    static job j;
    if (!has_libraries())
        SKIP("built without the libraries' headers");
    opened o;
    fr_step step = conv_step(FR_LAYOUT_NHWC);
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(begin_job(&o, &step, "cuda.dnn.nhwc.f32", &j));
    setenv("PAPER_DNN_EXECUTE", "5001", 1);
    setenv("PAPER_INFO", "700", 1);
    CHECK_INT(o.b->launch(o.queue, &j.launch), FR_DEVICE_LOST);
    SAYS("cudnnBackendExecute");
    SAYS("CUDA_ERROR_ILLEGAL_ADDRESS (700)");
    settle(NULL, NULL);
    CHECK_INT(o.b->launch(o.queue, &j.launch), FR_DEVICE_LOST); /* it does not come back */
    end_job(&o, &j);
    close_all(&o);
    CHECK_INT(paper_misused(), 0);
}

TEST(a_way_is_not_left_out_for_a_lost_device) {
    static const struct {
        const char *setting, *way;
        bool is_fc;
    } cases[] = {{"PAPER_DNN_NONE", "cuda.dnn.nhwc.f32", false},
                 {"PAPER_DNN_EXECUTE", "cuda.dnn.nhwc.best.f32", false},
                 {"PAPER_LT_NONE", "cuda.lt.nhwc.f32", true}};
    if (!has_libraries())
        SKIP("built without the libraries' headers");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        opened o;
        fr_program *program;
        fr_candidate candidate;
        fr_step step = cases[i].is_fc ? fc_step(FR_LAYOUT_NHWC) : conv_step(FR_LAYOUT_NHWC);
        settle(cases[i].setting, "5000");
        CHECK_OK(open_device(&o, ""));
        setenv("PAPER_INFO", "999", 1); /* without a better name */
        CHECK_INT(compile_of(&o, &step, cases[i].way, &program), FR_DEVICE_LOST);
        CHECK(!program);
        CHECK_OK(candidate_of(&o, &step, cases[i].way, &candidate));
        CHECK_INT(candidate.refused, 0);
        close_all(&o);
        CHECK_INT(paper_misused(), 0);
    }
}

TEST(an_old_or_unwanted_library_is_not_used) {
    if (!has_libraries())
        SKIP("built without the libraries' headers");
    for (int i = 0; i < 2; i++) {
        opened o;
        fr_candidate candidate;
        fr_step step = conv_step(FR_LAYOUT_NHWC);
        settle(i ? "PAPER_DNN_VERSION" : "FOLDRUN_CUDA_WITHOUT", i ? "8907" : "cudnn,cublaslt");
        CHECK_OK(open_device(&o, ""));
        CHECK_OK(candidate_of(&o, &step, "cuda.dnn.nhwc.f32", &candidate));
        CHECK_INT(candidate.refused, FR_WHY_DRIVER);
        close_all(&o);
    }
}

CHECK_MAIN
