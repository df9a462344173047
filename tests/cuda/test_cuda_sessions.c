/* Sessions on the paper GPU: models and folds against the reference, kernels refused, full memory, a device that is lost. */
#define KIT_DEVICE "cuda:0"

#include "paper_kit.h"
#include "session_kit.h"

static bool present(void) {
    paper(NULL, NULL);
    return device_is_present();
}

TEST(two_sessions_on_one_device) {
    if (!present())
        SKIP("no device");
    check_two_sessions();
    CHECK_INT(paper_misused(), 0);
}

static void check_model(const char *name, int32_t fold) {
    fixture f;
    CHECK_OK(make(&f, name, fold, NULL));
    (void)paper_misused();
    CHECK_OK(run_once(&f, KIT_DEVICE, f.got));
    if (!is_right(&f))
        fprintf(stderr, "%s, fold %d\n", name, fold);
    CHECK(is_right(&f));
    CHECK_INT(paper_misused(), 0);
    drop(&f);
}

TEST(models_of_every_fold_give_what_the_reference_gives) {
    if (!present())
        SKIP("no device");
    for (int32_t fold = 1; fold <= 4; fold++)
        check_model("v1", fold);
    check_model("n1", 1);
}

TEST(a_model_runs_on_every_architecture) {
    static const char *const archs[] = {"70", "75", "80"};
    if (!present())
        SKIP("no device");
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) {
        paper("PAPER_ARCH", archs[i]);
        setenv("PAPER_ORDER", "backward", 1);
        check_model("v2", 2);
    }
}

TEST(a_session_works_without_what_may_be_switched_off) {
    static const char *const without[] = {"graphs", "pinned",         "mma",
                                          "chain",  "cudnn,cublaslt", "graphs,pinned,mma,chain,cudnn,cublaslt"};
    fixture f;
    if (!present())
        SKIP("no device");
    CHECK_OK(make(&f, "v2", 1, NULL));
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) {
        setenv("FOLDRUN_CUDA_WITHOUT", without[i], 1);
        CHECK_OK(run_once(&f, KIT_DEVICE, f.got));
        if (!is_right(&f))
            fprintf(stderr, "without %s\n", without[i]);
        CHECK(is_right(&f));
    }
    drop(&f);
}

TEST(a_session_goes_round_a_kernel_that_is_refused) {
    static const char *const good[] = {"0", "1", "2", "3"}; /* modules before it */
    fixture f;
    if (!present())
        SKIP("no device");
    CHECK_OK(make(&f, "v2", 1, "")); /* without a cache: no verdict is kept */
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        paper("PAPER_MODULE", "209");
        setenv("PAPER_SKIP", good[i], 1);
        setenv("PAPER_COUNT", "1", 1);
        (void)paper_refused();
        CHECK_OK(run_once(&f, KIT_DEVICE, f.got));
        CHECK_INT(paper_refused(), 1);
        CHECK(is_right(&f));
    }
    drop(&f);
}

TEST(a_session_without_memory_says_so) {
    fixture f;
    if (!present())
        SKIP("no device");
    CHECK_OK(make(&f, "v2", 1, NULL));
    CHECK_OK(run_once(&f, KIT_DEVICE, f.got));
    paper("PAPER_MEMORY", "20000");
    CHECK_INT(run_once(&f, KIT_DEVICE, f.got), FR_NO_MEMORY);
    CHECK_HAS(fr_error_message(), "out of device memory");
    CHECK_HAS(fr_error_message(), "of 20000");
    paper(NULL, NULL);
    CHECK_OK(run_once(&f, KIT_DEVICE, f.got));
    CHECK(is_right(&f));
    drop(&f);
}

TEST(a_lost_device_ends_the_session_and_a_new_one_works) {
    if (!present())
        SKIP("no device");
    check_lost("PAPER_SYNC", "700", "CUDA_ERROR_ILLEGAL_ADDRESS");
    check_lost("PAPER_LAUNCH", "719", "CUDA_ERROR_LAUNCH_FAILED");
    check_lost("PAPER_COPY", "702", "CUDA_ERROR_LAUNCH_TIMEOUT");
}

CHECK_MAIN
