/* The OpenCL backend when its surroundings fail: no loader, a refused build, a damaged cache, full memory, a lost device. */
#define KIT_DEVICE "opencl:0"

#include "base/log.h"
#include "device_kit.h"
#include "shim.h"

static bool present(void) {
    shim(NULL, NULL);
    return device_is_present();
}

/* ---- what is found ------------------------------------------------------------------------------------------------- */

TEST(a_missing_loader_is_said_with_its_package) {
    fr_device_entry entry;
    shim(NULL, NULL);
    setenv("FOLDRUN_OPENCL_LIBRARY", "/nowhere/libOpenCL.so.1", 1);
    CHECK_OK(entry_of("opencl", &entry));
    CHECK_INT(entry.status, FR_UNAVAILABLE);
    CHECK_HAS(entry.why, "/nowhere/libOpenCL.so.1', which FOLDRUN_OPENCL_LIBRARY names");
}

TEST(drivers_without_a_device_are_said_with_packages) {
    fr_device_entry entry;
    if (!present())
        SKIP("no device");
    shim("SHIM_DEVICES", "0");
    CHECK_OK(entry_of("opencl", &entry));
    CHECK_INT(entry.status, FR_UNAVAILABLE);
    CHECK_HAS(entry.why, "none has a device");
    CHECK_HAS(entry.why, "apt-get install pocl-opencl-icd");
}

TEST(an_old_device_is_listed_and_refused) {
    fr_device_entry entry;
    if (!present())
        SKIP("no device");
    shim("SHIM_VERSION", "OpenCL 1.1 Ancient");
    CHECK_OK(entry_of("opencl:0", &entry));
    CHECK_INT(entry.status, FR_UNAVAILABLE);
    CHECK_HAS(entry.why, "older than 1.2");
}

TEST(one_device_under_two_drivers_is_recognised) {
    fr_device_entry first, second;
    if (!present())
        SKIP("no device");
    shim("SHIM_TWINS", "1");
    CHECK_OK(entry_of("opencl:0", &first));
    CHECK_OK(entry_of("opencl:1", &second));
    CHECK_TEXT(first.facts.uuid, "pci 0000:01:02.3");
    CHECK_TEXT(second.facts.uuid, first.facts.uuid);
    CHECK(!strstr(first.facts.features, "same device"));
    CHECK_HAS(second.facts.features, "same device as opencl:0");
}

TEST(a_cpu_is_software_and_a_gpu_is_not) {
    fr_device_entry entry;
    if (!present())
        SKIP("no device");
    shim("SHIM_GPU", "1");
    CHECK_OK(entry_of("opencl:0", &entry));
    CHECK(entry.facts.kind == FR_DEVICE_INTEGRATED || entry.facts.kind == FR_DEVICE_GPU);
    CHECK_INT(entry.facts.flags & FR_DEVICE_SOFTWARE, 0);
    shim(NULL, NULL);
    CHECK_OK(entry_of("opencl:0", &entry));
    if (entry.facts.kind == FR_DEVICE_CPU)
        CHECK(entry.facts.flags & FR_DEVICE_SOFTWARE);
}

/* ---- programs and their cache ---------------------------------------------------------------------------------------- */

/* Opens, runs and closes with the cache; programs built from source go to *out_builds. */
static fr_status run_with_cache(bool *out_right, int *out_builds) {
    opened o;
    fr_status status = open_device(&o, OPENCL_TEST_CACHE);
    (void)shim_builds_made();
    if (status == FR_OK)
        status = pool_once(&o, out_right);
    *out_builds = shim_builds_made();
    close_all(&o);
    return status;
}

TEST(binaries_are_kept_and_damage_is_repaired) {
    bool right;
    int made, first;
    if (!present())
        SKIP("no device");
    shim(NULL, NULL);
    each_entry(OPENCL_TEST_CACHE, drop);
    CHECK_OK(run_with_cache(&right, &first));
    CHECK(right && first > 0);
    CHECK_OK(run_with_cache(&right, &made));
    CHECK(right && made == 0);
    CHECK(each_entry(OPENCL_TEST_CACHE, damage) > 0);
    CHECK_OK(run_with_cache(&right, &made));
    CHECK(right && made == first);
    CHECK(each_entry(OPENCL_TEST_CACHE, truncate_file) > 0);
    CHECK_OK(run_with_cache(&right, &made));
    CHECK(right && made == first);
    CHECK_OK(run_with_cache(&right, &made)); /* what was repaired holds */
    CHECK(right && made == 0);
}

TEST(a_binary_that_the_driver_refuses_is_built_anew) {
    bool right;
    int made;
    if (!present())
        SKIP("no device");
    shim(NULL, NULL);
    CHECK_OK(run_with_cache(&right, &made));
    shim("SHIM_BINARY", "1");
    CHECK_OK(run_with_cache(&right, &made));
    CHECK(right && made > 0);
}

TEST(a_program_is_built_once_a_device) {
    opened o;
    fr_program *one = NULL, *two = NULL;
    if (!present())
        SKIP("no device");
    shim(NULL, NULL);
    CHECK_OK(open_device(&o, ""));
    (void)shim_builds_made();
    CHECK_OK(compile_pool(&o, &one));
    int first = shim_builds_made();
    CHECK_OK(compile_pool(&o, &two));
    CHECK(first > 0 && shim_builds_made() == 0);
    o.b->program_free(one);
    o.b->program_free(two);
    close_all(&o);
}

static int left_out;

static void count_left_out(void *user, int level, const char *line) { /* the warning itself is the engine's */
    (void)user;
    left_out += level == FR_LOG_INFO && strstr(line, "is left out") != NULL;
}

TEST(a_kernel_that_does_not_build_is_left_out_and_said_once) {
    fr_step step = pool_step();
    fr_candidate before, after[64];
    fr_weights none = {.struct_bytes = sizeof none};
    fr_memory_use use;
    fr_program *program;
    opened o;
    uint32_t count;
    if (!present())
        SKIP("no device");
    shim("SHIM_BUILD", "KERNEL");
    left_out = 0;
    fr_log_to(count_left_out, NULL, FR_LOG_INFO);
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(first_candidate(&o, &step, &before));
    CHECK_INT(o.b->compile(o.device, &step, &before, &none, &program), FR_UNSUPPORTED);
    SAYS("does not build");
    SAYS("CL_BUILD_PROGRAM_FAILURE");
    CHECK(!program);
    CHECK_INT(o.b->compile(o.device, &step, &before, &none, &program), FR_UNSUPPORTED);
    fr_log_to(NULL, NULL, 0);
    CHECK_INT(left_out, 1);
    CHECK_OK(o.b->candidates(o.device, &step, after, 64, &count));
    for (uint32_t i = 0; i < count && i < 64; i++)
        if (strcmp(after[i].name, before.name) == 0)
            CHECK_INT(after[i].refused, FR_WHY_DRIVER);
    CHECK_OK(o.b->memory_use(o.device, &use));
    CHECK_INT(use.live[FR_BUFFER_WEIGHT], 0);
    close_all(&o);
}

/* ---- memory ------------------------------------------------------------------------------------------------------------ */

TEST(full_memory_is_said_at_once_and_leaves_no_trace) {
    opened o;
    fr_buffer *small = NULL, *large = NULL;
    fr_memory_use before, after;
    bool right;
    if (!present())
        SKIP("no device");
    shim("SHIM_MEMORY", "1000000");
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(o.b->buffer_new(o.device, FR_BUFFER_SCRATCH, 500000, &small));
    CHECK_OK(o.b->memory_use(o.device, &before));
    CHECK_INT(o.b->buffer_new(o.device, FR_BUFFER_ACTIVATION, 600000, &large), FR_NO_MEMORY);
    SAYS("out of device memory: 600000 bytes for activations; 500000 in use");
    CHECK(!large);
    CHECK_INT(o.b->buffer_new(o.device, FR_BUFFER_ACTIVATION, 1ull << 60, &large), FR_NO_MEMORY);
    SAYS("at most");
    CHECK_OK(o.b->memory_use(o.device, &after));
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    CHECK_OK(pool_once(&o, &right)); /* the device goes on */
    CHECK(right);
    o.b->buffer_free(small);
    close_all(&o);
}

/* ---- queues --------------------------------------------------------------------------------------------------------------- */

TEST(a_refused_launch_names_the_kernel_and_the_error) {
    opened o;
    bool right;
    if (!present())
        SKIP("no device");
    shim("SHIM_ENQUEUE", "1");
    CHECK_OK(open_device(&o, ""));
    CHECK_INT(pool_once(&o, &right), FR_NO_MEMORY);
    SAYS("clEnqueueNDRangeKernel for pool");
    SAYS("CL_OUT_OF_RESOURCES");
    shim(NULL, NULL);
    CHECK_OK(pool_once(&o, &right));
    CHECK(right);
    close_all(&o);
}

TEST(a_gpu_that_fails_a_wait_is_lost) {
    opened o;
    if (!present())
        SKIP("no device");
    shim("SHIM_GPU", "1");
    CHECK_OK(open_device(&o, ""));
    setenv("SHIM_FINISH", "1", 1);
    CHECK_INT(o.b->sync(o.queue), FR_DEVICE_LOST);
    SAYS("clFinish");
    SAYS("the device was lost");
    close_all(&o);
}

TEST(bindings_are_checked_before_the_driver_sees_them) {
    opened o;
    if (!present())
        SKIP("no device");
    CHECK_OK(open_device(&o, ""));
    check_bindings(&o);
    close_all(&o);
}

/* ---- threads ------------------------------------------------------------------------------------------------------------- */

TEST(threads_share_a_device_a_program_and_the_driver) {
    if (!present())
        SKIP("no device");
    check_threads();
}

CHECK_MAIN
