/* Sessions on a Vulkan device: two at once, without features, pipelines refused, full memory, a device that is lost. */
#define KIT_DEVICE "vulkan:0"

#include "session_kit.h"
#include "shim.h"

static bool present(void) {
    shim(NULL, NULL);
    return device_is_present();
}

TEST(two_sessions_on_one_device) {
    if (!present())
        SKIP("no Vulkan device");
    check_two_sessions();
}

TEST(a_session_works_without_what_newer_devices_have) {
    static const char *const without[] = {
        "timeline", "push", "texels", "shuffle", "narrow", "unified", "unified,timeline,push"};
    fixture f;
    if (!present())
        SKIP("no Vulkan device");
    CHECK_OK(make(&f, "v2", 1, NULL));
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) {
        setenv("FOLDRUN_VULKAN_WITHOUT", without[i], 1);
        CHECK_OK(run_once(&f, KIT_DEVICE, f.got));
        if (!is_right(&f))
            fprintf(stderr, "without %s\n", without[i]);
        CHECK(is_right(&f));
    }
    drop(&f);
}

TEST(a_session_goes_round_a_pipeline_that_is_not_made) {
    static const char *const good[] = {"0", "1", "2", "3", "4"}; /* pipelines before it */
    fixture f;
    if (!present())
        SKIP("no Vulkan device");
    CHECK_OK(make(&f, "v2", 1, "")); /* without a cache: no verdict is kept */
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        shim("SHIM_PIPELINE", "-3");
        setenv("SHIM_SKIP", good[i], 1);
        setenv("SHIM_COUNT", "1", 1);
        (void)shim_refusals();
        CHECK_OK(run_once(&f, KIT_DEVICE, f.got));
        CHECK_INT(shim_refusals(), 1);
        CHECK(is_right(&f));
    }
    drop(&f);
}

TEST(a_session_without_memory_says_so) {
    fixture f;
    if (!present())
        SKIP("no Vulkan device");
    CHECK_OK(make(&f, "v2", 1, NULL));
    CHECK_OK(run_once(&f, KIT_DEVICE, f.got));
    shim("SHIM_MEMORY", "20000");
    CHECK_INT(run_once(&f, KIT_DEVICE, f.got), FR_NO_MEMORY);
    CHECK_HAS(fr_error_message(), "VK_ERROR_OUT_OF_DEVICE_MEMORY");
    shim("SHIM_PIPELINE", "-2");
    CHECK_INT(run_once(&f, KIT_DEVICE, f.got), FR_NO_MEMORY);
    CHECK_HAS(fr_error_message(), "VK_ERROR_OUT_OF_DEVICE_MEMORY");
    shim(NULL, NULL);
    CHECK_OK(run_once(&f, KIT_DEVICE, f.got));
    CHECK(is_right(&f));
    drop(&f);
}

TEST(a_lost_device_ends_the_session_and_a_new_one_works) {
    if (!present())
        SKIP("no Vulkan device");
    check_lost("SHIM_WAIT", "-4", "VK_ERROR_DEVICE_LOST");
    check_lost("SHIM_WAIT", "2", "VK_TIMEOUT");
    check_lost("SHIM_SUBMIT", "-4", "VK_ERROR_DEVICE_LOST");
}

CHECK_MAIN
