/* Sessions on an OpenCL device: two at once, kernels that do not build, full memory, a device that is lost. */
#define KIT_DEVICE "opencl:0"

#include "session_kit.h"
#include "shim.h"

static bool present(void) {
    shim(NULL, NULL);
    return device_is_present();
}

TEST(two_sessions_on_one_device) {
    if (!present())
        SKIP("no OpenCL device");
    check_two_sessions();
}

TEST(a_session_goes_round_kernels_that_do_not_build) {
    fixture f;
    if (!present())
        SKIP("no OpenCL device");
    shim("SHIM_BUILD", "#line 1 \"chain\"|#line 1 \"wino|#line 1 \"conv_direct\"|#line 1 \"conv_lanes\"");
    CHECK_OK(make(&f, "v2", 1, "")); /* without a cache: all is built now, and no verdict is kept */
    (void)shim_builds_refused();
    CHECK_OK(run_once(&f, KIT_DEVICE, f.got));
    CHECK(shim_builds_refused() > 0);
    CHECK(is_right(&f));
    drop(&f);
    shim(NULL, NULL);
}

TEST(a_session_without_memory_says_so) {
    fixture f;
    if (!present())
        SKIP("no OpenCL device");
    shim(NULL, NULL);
    CHECK_OK(make(&f, "v2", 1, NULL));
    CHECK_OK(run_once(&f, KIT_DEVICE, f.got));
    shim("SHIM_MEMORY", "20000");
    CHECK_INT(run_once(&f, KIT_DEVICE, f.got), FR_NO_MEMORY);
    CHECK_HAS(fr_error_message(), "out of device memory");
    shim(NULL, NULL);
    CHECK_OK(run_once(&f, KIT_DEVICE, f.got));
    CHECK(is_right(&f));
    drop(&f);
}

TEST(a_lost_device_ends_the_session_and_a_new_one_works) {
    fixture f;
    fr_session *session;
    if (!present())
        SKIP("no OpenCL device");
    shim("SHIM_GPU", "1");
    CHECK_OK(make(&f, "v2", 1, NULL));
    CHECK_OK(open_session(&f, KIT_DEVICE, &session));
    CHECK_OK(run(&f, session, f.got));
    CHECK(is_right(&f));
    setenv("SHIM_FINISH", "1", 1);
    CHECK_INT(run(&f, session, f.got), FR_DEVICE_LOST);
    CHECK_HAS(fr_error_message(), "the device was lost");
    unsetenv("SHIM_FINISH");
    CHECK_INT(run(&f, session, f.got), FR_DEVICE_LOST); /* it does not come back */
    fr_session_close(session);
    CHECK_OK(run_once(&f, KIT_DEVICE, f.got));
    CHECK(is_right(&f));
    drop(&f);
    shim(NULL, NULL);
}

CHECK_MAIN
