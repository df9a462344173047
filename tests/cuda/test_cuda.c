/* The CUDA backend when its surroundings fail: what it finds, kernels and their cache, memory, a lost device. All on paper. */
#define KIT_DEVICE "cuda:0"

#include <dlfcn.h>
#include <unistd.h>

#include "base/log.h"
#include "device_kit.h"
#include "paper_kit.h"

/* CUresult, as the paper GPU takes them */
#define INVALID_VALUE      "1"
#define OUT_OF_MEMORY      "2"
#define STUB_LIBRARY       "34"
#define DEVICE_UNAVAILABLE "46"
#define NO_DEVICE          "100"
#define INVALID_IMAGE      "200"
#define ECC_UNCORRECTABLE  "214"
#define UNSUPPORTED_PTX    "222"
#define CONTAINED          "226"
#define OPERATING_SYSTEM   "304"
#define ILLEGAL_ADDRESS    "700"
#define OUT_OF_RESOURCES   "701"
#define LAUNCH_TIMEOUT     "702"
#define LAUNCH_FAILED      "719"
#define TENSOR_MEMORY_LEAK "721"
#define SYSTEM_NOT_READY   "802"
#define DRIVER_MISMATCH    "803"
#define UNKNOWN            "999"
#define COMPILATION        "6" /* an nvrtcResult */

static bool present(void) {
    paper(NULL, NULL);
    return device_is_present();
}

/* ---- what is found ------------------------------------------------------------------------------------------------- */

static void check_refused(const char *id, const char *name, const char *value, const char *one, const char *two) {
    fr_device_entry entry;
    paper(name, value);
    CHECK_OK(entry_of(id, &entry));
    paper(NULL, NULL);
    CHECK_INT(entry.status, FR_UNAVAILABLE);
    CHECK_HAS(entry.why, one);
    CHECK_HAS(entry.why, two);
}

TEST(a_machine_without_the_driver_is_told_what_is_needed) {
    void *real = dlopen("libcuda.so.1", RTLD_NOW);
    if (real)
        SKIP("this machine has NVIDIA's driver");
    check_refused("cuda", "FOLDRUN_CUDA_PATH", "/nowhere", "libcuda.so.1", "525");
}

TEST(an_old_driver_is_told_with_the_versions) {
    check_refused("cuda", "PAPER_VERSION", "11080", "CUDA 11.8 was found", "12.0 or later is needed");
}

TEST(a_driver_that_does_not_begin_is_told_with_what_to_do) {
    check_refused("cuda", "PAPER_INIT", NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "nvidia-smi -L");
    check_refused("cuda", "PAPER_INIT", STUB_LIBRARY, "CUDA_ERROR_STUB_LIBRARY", "stubs");
    check_refused("cuda", "PAPER_INIT", OPERATING_SYSTEM, "CUDA_ERROR_OPERATING_SYSTEM", "docker run --gpus all");
    check_refused("cuda", "PAPER_INIT", SYSTEM_NOT_READY, "CUDA_ERROR_SYSTEM_NOT_READY", "nvidia-fabricmanager");
    check_refused("cuda", "PAPER_INIT", DRIVER_MISMATCH, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "restart the machine");
    check_refused("cuda", "PAPER_INIT", UNKNOWN, "CUDA_ERROR_UNKNOWN", "nvidia-smi");
}

TEST(devices_that_the_user_hides_are_told) {
    fr_device_entry entry;
    paper("PAPER_INIT", NO_DEVICE);
    setenv("CUDA_VISIBLE_DEVICES", "7", 1);
    CHECK_OK(entry_of("cuda", &entry));
    CHECK_INT(entry.status, FR_UNAVAILABLE);
    CHECK_HAS(entry.why, "CUDA_VISIBLE_DEVICES='7'");
}

TEST(a_missing_compiler_is_told_with_its_package) {
    check_refused("cuda", "FOLDRUN_CUDA_WITHOUT", "nvrtc", "NVIDIA's driver is there (CUDA 13.0)", "nvidia-cuda-nvrtc");
}

TEST(a_compiler_newer_than_the_driver_is_told) {
    check_refused("cuda", "PAPER_VERSION", "12040", "NVRTC 13 was found", "nvidia-cuda-nvrtc-cu12");
}

TEST(a_v100_wants_the_compiler_of_cuda_12) {
    fr_device_entry entry;
    paper("PAPER_ARCH", "70");
    setenv("PAPER_NVRTC", "13", 1);
    CHECK_OK(entry_of("cuda:0", &entry));
    CHECK_INT(entry.status, FR_UNAVAILABLE);
    CHECK_HAS(entry.why, "no longer compiles for it (sm_70)");
    CHECK_HAS(entry.why, "pip install nvidia-cuda-nvrtc-cu12");
    paper("PAPER_ARCH", "70"); /* which the other one is */
    CHECK_OK(entry_of("cuda:0", &entry));
    CHECK_INT(entry.status, FR_OK);
}

TEST(an_older_device_is_listed_and_refused) {
    check_refused("cuda:0", "PAPER_ARCH", "61", "6.1", "7.0 (V100) or later is needed");
    check_refused("cuda:0", "PAPER_ARCH", "140", "NVRTC 12", "install a newer NVRTC");
}

TEST(devices_that_work_come_first) {
    fr_device_entry first, second;
    paper("PAPER_ARCH", "61,90,75");
    CHECK_OK(entry_of("cuda:0", &first));
    CHECK_OK(entry_of("cuda:1", &second));
    CHECK_INT(first.status, FR_OK);
    CHECK_HAS(first.facts.name, "sm_90");
    CHECK_HAS(second.facts.name, "sm_75");
    CHECK_OK(entry_of("cuda:2", &second));
    CHECK_INT(second.status, FR_UNAVAILABLE);
}

TEST(what_a_device_is_is_told) {
    fr_device_entry entry;
    paper("PAPER_ARCH", "70");
    CHECK_OK(entry_of("cuda:0", &entry));
    CHECK_INT(entry.facts.kind, FR_DEVICE_GPU);
    CHECK_INT(entry.facts.units, 80);
    CHECK_INT(entry.facts.memory_bytes, 8ll << 30);
    CHECK_INT(entry.facts.cache_bytes[2], 6 << 20);
    CHECK_INT(entry.facts.precisions >> FR_PRECISION_BF16 & 1, 0);
    CHECK_HAS(entry.facts.driver, "CUDA 13.0");
    CHECK_HAS(entry.facts.driver, "NVRTC 12.");
    CHECK_HAS(entry.facts.features, "96 KiB shared memory");
    paper("PAPER_ARCH", "80");
    CHECK_OK(entry_of("cuda:0", &entry));
    CHECK_INT(entry.facts.precisions >> FR_PRECISION_BF16 & 1, 1);
    CHECK_INT(entry.facts.precisions >> FR_PRECISION_TF32 & 1, 1);
    CHECK_HAS(entry.facts.features, "163 KiB shared memory");
}

TEST(a_device_that_does_not_open_is_told) {
    static const char *const codes[] = {DEVICE_UNAVAILABLE, OUT_OF_MEMORY};
    static const char *const words[] = {"CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA_ERROR_OUT_OF_MEMORY"};
    opened o;
    for (int i = 0; i < 2; i++) {
        paper("PAPER_CONTEXT", codes[i]);
        CHECK(open_device(&o, "") != FR_OK);
        SAYS("cuCtxCreate");
        SAYS(words[i]);
        close_all(&o);
    }
}

/* ---- kernels and their cache ------------------------------------------------------------------------------------------ */

/* Opens, runs and closes with the cache; how many kernels were compiled. */
static fr_status run_with_cache(bool *out_right, int *out_compiled) {
    opened o;
    *out_right = false;
    fr_status status = open_device(&o, CUDA_TEST_CACHE);
    (void)paper_kernels_compiled();
    if (status == FR_OK)
        status = pool_once(&o, out_right);
    *out_compiled = paper_kernels_compiled();
    close_all(&o);
    return status;
}

static bool cut_in_half(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    bool done = fseek(file, 0, SEEK_END) == 0;
    long bytes = ftell(file);
    return fclose(file) == 0 && done && truncate(path, bytes / 2) == 0;
}

TEST(kernels_are_kept_and_damage_is_repaired) {
    bool (*const harms[])(const char *) = {damage, cut_in_half, truncate_file};
    bool right;
    int compiled;
    if (!present())
        SKIP("no device");
    each_entry(CUDA_TEST_CACHE, drop);
    CHECK_OK(run_with_cache(&right, &compiled));
    CHECK(right && compiled > 0);
    CHECK_OK(run_with_cache(&right, &compiled));
    CHECK(right && compiled == 0);
    for (size_t i = 0; i < sizeof harms / sizeof harms[0]; i++) {
        CHECK(each_entry(CUDA_TEST_CACHE, harms[i]) > 0);
        CHECK_OK(run_with_cache(&right, &compiled));
        CHECK(right && compiled > 0);
        CHECK_OK(run_with_cache(&right, &compiled)); /* what was repaired holds */
        CHECK(right && compiled == 0);
    }
}

TEST(a_kept_kernel_that_the_driver_refuses_is_made_anew) {
    bool right;
    int compiled;
    if (!present())
        SKIP("no device");
    CHECK_OK(run_with_cache(&right, &compiled));
    paper("PAPER_MODULE", UNSUPPORTED_PTX);
    setenv("PAPER_COUNT", "1", 1);
    (void)paper_refused();
    CHECK_OK(run_with_cache(&right, &compiled));
    CHECK(right && compiled == 1);
    CHECK_INT(paper_refused(), 1);
}

TEST(a_kernel_is_made_once_a_device) {
    opened o;
    fr_program *one = NULL, *two = NULL;
    if (!present())
        SKIP("no device");
    CHECK_OK(open_device(&o, ""));
    (void)paper_kernels_compiled();
    CHECK_OK(compile_pool(&o, &one));
    int first = paper_kernels_compiled();
    CHECK_OK(compile_pool(&o, &two));
    CHECK(first > 0 && paper_kernels_compiled() == 0);
    o.b->program_free(one);
    o.b->program_free(two);
    close_all(&o);
}

static int left_out;

static void count_left_out(void *user, int level, const char *line) { /* the warning itself is the engine's */
    (void)user;
    left_out += level == FR_LOG_INFO && strstr(line, "is left out") != NULL;
}

static void check_left_out(const char *setting, const char *code, const char *one, const char *two) {
    fr_step step = pool_step();
    fr_candidate before, after[64];
    fr_weights none = {.struct_bytes = sizeof none};
    fr_memory_use use;
    fr_program *program;
    opened o;
    uint32_t count;
    paper(setting, code);
    left_out = 0;
    fr_log_to(count_left_out, NULL, FR_LOG_INFO);
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(first_candidate(&o, &step, &before));
    CHECK_INT(o.b->compile(o.device, &step, &before, &none, &program), FR_UNSUPPORTED);
    SAYS(one);
    SAYS(two);
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
    (void)paper_misused();
    close_all(&o);
    CHECK_INT(paper_misused(), 0);
}

TEST(a_kernel_that_does_not_compile_is_left_out_and_said_once) {
    if (!present())
        SKIP("no device");
    check_left_out("PAPER_COMPILE", COMPILATION, "pool", "nothing compiles on paper");
}

TEST(a_kernel_that_the_driver_refuses_is_left_out_and_said_once) {
    if (!present())
        SKIP("no device");
    check_left_out("PAPER_MODULE", INVALID_IMAGE, "cuModuleLoadData for pool", "CUDA_ERROR_INVALID_IMAGE");
}

TEST(a_module_without_memory_may_be_made_later) {
    opened o;
    bool right;
    if (!present())
        SKIP("no device");
    paper("PAPER_MODULE", OUT_OF_MEMORY);
    CHECK_OK(open_device(&o, ""));
    CHECK_INT(pool_once(&o, &right), FR_NO_MEMORY);
    SAYS("cuModuleLoadData");
    SAYS("CUDA_ERROR_OUT_OF_MEMORY");
    paper(NULL, NULL);
    CHECK_OK(pool_once(&o, &right));
    CHECK(right);
    close_all(&o);
}

/* ---- memory ------------------------------------------------------------------------------------------------------------ */

TEST(full_memory_is_said_at_once_and_leaves_no_trace) {
    enum { MIB = 1 << 20 };
    opened o;
    fr_buffer *small = NULL, *large = NULL;
    fr_memory_use before, after;
    bool right;
    if (!present())
        SKIP("no device");
    paper("PAPER_MEMORY", "200000000");
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(pool_once(&o, &right)); /* what it keeps for itself is there */
    CHECK_OK(o.b->buffer_new(o.device, FR_BUFFER_SCRATCH, 64 * MIB, &small));
    CHECK_OK(o.b->memory_use(o.device, &before));
    CHECK_INT(o.b->buffer_new(o.device, FR_BUFFER_ACTIVATION, 180 * MIB, &large), FR_NO_MEMORY);
    SAYS("188743680 bytes for activations");
    SAYS("of 200000000");
    CHECK(!large);
    CHECK_INT(o.b->buffer_new(o.device, FR_BUFFER_ACTIVATION, 1ull << 60, &large), FR_NO_MEMORY);
    CHECK(!large);
    CHECK_OK(o.b->memory_use(o.device, &after));
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    CHECK_OK(pool_once(&o, &right)); /* the device goes on */
    CHECK(right);
    o.b->buffer_free(small);
    (void)paper_misused();
    close_all(&o);
    CHECK_INT(paper_misused(), 0);
}

TEST(a_system_without_memory_to_lock_copies_without) {
    opened o;
    bool right;
    if (!present())
        SKIP("no device");
    paper("PAPER_PINNED", OUT_OF_MEMORY);
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(pool_once(&o, &right));
    CHECK(right);
    CHECK(paper_refused() > 0);
    close_all(&o);
}

/* ---- a device that is lost ---------------------------------------------------------------------------------------------- */

/* A call tells that the device is lost, and it says so from then on; another one of the same driver works. */
static void check_lost(const char *setting, const char *result, const char *call, const char *name) {
    opened o, other;
    bool right = false;
    paper(NULL, NULL);
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(pool_once(&o, &right));
    CHECK(right);
    (void)paper_refused();
    setenv(setting, result, 1);
    CHECK_INT(pool_once(&o, &right), FR_DEVICE_LOST);
    unsetenv(setting);
    SAYS(call);
    SAYS(name);
    SAYS("lost");
    CHECK(paper_refused() > 0);
    CHECK_INT(pool_once(&o, &right), FR_DEVICE_LOST); /* it does not come back */
    SAYS("lost");
    other = o;
    CHECK_OK(fr_registry_open(o.registry, KIT_DEVICE, &other.b, &other.device, &other.facts));
    CHECK_OK(other.b->queue_open(other.device, 0, &other.queue));
    CHECK_OK(pool_once(&other, &right));
    CHECK(right);
    other.b->queue_close(other.queue);
    other.b->device_close(other.device);
    (void)paper_misused();
    close_all(&o);
    CHECK_INT(paper_misused(), 0);
}

TEST(a_device_lost_by_a_kernel_shows_when_it_is_waited_for) {
    if (!present())
        SKIP("no device");
    check_lost("PAPER_SYNC", ILLEGAL_ADDRESS, "cuStreamSynchronize", "CUDA_ERROR_ILLEGAL_ADDRESS (700)");
    check_lost("PAPER_SYNC", ECC_UNCORRECTABLE, "cuStreamSynchronize", "CUDA_ERROR_ECC_UNCORRECTABLE");
    check_lost("PAPER_SYNC", LAUNCH_TIMEOUT, "time limit", "CUDA_ERROR_LAUNCH_TIMEOUT");
    check_lost("PAPER_SYNC", CONTAINED, "start the program again", "CUDA_ERROR_CONTAINED (226)");
    check_lost("PAPER_SYNC", TENSOR_MEMORY_LEAK, "start the program again", "CUDA_ERROR_TENSOR_MEMORY_LEAK (721)");
}

TEST(a_device_lost_by_a_launch) {
    if (!present())
        SKIP("no device");
    check_lost("PAPER_LAUNCH", LAUNCH_FAILED, "cuLaunchKernel", "CUDA_ERROR_LAUNCH_FAILED");
    check_lost("PAPER_LAUNCH", UNKNOWN, "cuLaunchKernel", "CUDA_ERROR_UNKNOWN");
}

TEST(a_device_lost_by_a_copy) {
    if (!present())
        SKIP("no device");
    check_lost("PAPER_COPY", ILLEGAL_ADDRESS, "cuMemcpyHtoDAsync", "CUDA_ERROR_ILLEGAL_ADDRESS");
}

TEST(a_launch_without_memory_is_no_loss) {
    opened o;
    bool right;
    if (!present())
        SKIP("no device");
    CHECK_OK(open_device(&o, ""));
    setenv("PAPER_LAUNCH", OUT_OF_MEMORY, 1);
    CHECK_INT(pool_once(&o, &right), FR_NO_MEMORY);
    SAYS("cuLaunchKernel");
    SAYS("CUDA_ERROR_OUT_OF_MEMORY");
    setenv("PAPER_LAUNCH", OUT_OF_RESOURCES, 1);
    CHECK_INT(pool_once(&o, &right), FR_UNSUPPORTED);
    SAYS("CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES");
    setenv("PAPER_LAUNCH", INVALID_VALUE, 1);
    CHECK_INT(pool_once(&o, &right), FR_INTERNAL);
    unsetenv("PAPER_LAUNCH");
    CHECK_OK(pool_once(&o, &right));
    CHECK(right);
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

CHECK_MAIN
