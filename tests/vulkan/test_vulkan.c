/* The Vulkan backend when its surroundings fail: no loader, no driver, refused pipelines, a damaged cache, a lost device. */
#define KIT_DEVICE "vulkan:0"

#include <unistd.h>

#include "base/log.h"
#include "device_kit.h"
#include "shim.h"

/* VkResult, as the shim takes them */
#define TIMEOUT               "2"
#define OUT_OF_DEVICE_MEMORY  "-2"
#define INITIALIZATION_FAILED "-3"
#define DEVICE_LOST           "-4"
#define MEMORY_MAP_FAILED     "-5"

static bool present(void) {
    shim(NULL, NULL);
    return device_is_present();
}

/* ---- what is found ------------------------------------------------------------------------------------------------- */

TEST(a_missing_loader_is_said_with_its_package) {
    fr_device_entry entry;
    shim(NULL, NULL);
    setenv("FOLDRUN_VULKAN_LIBRARY", "/nowhere/libvulkan.so.1", 1);
    CHECK_OK(entry_of("vulkan", &entry));
    CHECK_INT(entry.status, FR_UNAVAILABLE);
    CHECK_HAS(entry.why, "/nowhere/libvulkan.so.1', which FOLDRUN_VULKAN_LIBRARY names");
}

TEST(a_library_that_is_no_loader_is_said) {
    fr_device_entry entry;
    shim(NULL, NULL);
    setenv("FOLDRUN_VULKAN_LIBRARY", "libm.so.6", 1);
    CHECK_OK(entry_of("vulkan", &entry));
    CHECK_INT(entry.status, FR_UNAVAILABLE);
    CHECK_HAS(entry.why, "no vkGetInstanceProcAddr");
}

TEST(a_loader_of_vulkan_1_0_is_too_old) {
    fr_device_entry entry;
    if (!present())
        SKIP("no device");
    shim("SHIM_OLD", "1");
    CHECK_OK(entry_of("vulkan", &entry));
    CHECK_INT(entry.status, FR_UNAVAILABLE);
    CHECK_HAS(entry.why, "1.0");
    CHECK_HAS(entry.why, "1.1");
}

TEST(no_driver_is_said_with_its_package) {
    fr_device_entry entry;
    if (!present())
        SKIP("no device");
    setenv("VK_ICD_FILENAMES", "/nowhere/icd.json", 1);
    setenv("VK_DRIVER_FILES", "/nowhere/icd.json", 1);
    fr_status status = entry_of("vulkan", &entry);
    unsetenv("VK_ICD_FILENAMES");
    unsetenv("VK_DRIVER_FILES");
    CHECK_OK(status);
    CHECK_INT(entry.status, FR_UNAVAILABLE);
    CHECK_HAS(entry.why, "apt-get install mesa-vulkan-drivers");
}

TEST(a_driver_without_a_device_is_said) {
    fr_device_entry entry;
    if (!present())
        SKIP("no device");
    shim("SHIM_DEVICES", "0");
    CHECK_OK(entry_of("vulkan", &entry));
    CHECK_INT(entry.status, FR_UNAVAILABLE);
    CHECK_HAS(entry.why, "none has a device");
}

TEST(an_old_device_is_listed_and_refused) {
    fr_device_entry entry;
    if (!present())
        SKIP("no device");
    shim("SHIM_OLD_DEVICES", "1");
    CHECK_OK(entry_of("vulkan:0", &entry));
    CHECK_INT(entry.status, FR_UNAVAILABLE);
    CHECK_HAS(entry.why, "1.0");
    CHECK_HAS(entry.why, "1.1");
}

TEST(a_cpu_is_software_and_a_gpu_is_not) {
    fr_device_entry entry;
    if (!present())
        SKIP("no device");
    shim("SHIM_GPU", "1");
    CHECK_OK(entry_of("vulkan:0", &entry));
    CHECK_INT(entry.facts.kind, FR_DEVICE_GPU);
    CHECK_INT(entry.facts.flags & FR_DEVICE_SOFTWARE, 0);
    shim(NULL, NULL);
    CHECK_OK(entry_of("vulkan:0", &entry));
    if (entry.facts.kind == FR_DEVICE_CPU)
        CHECK(entry.facts.flags & FR_DEVICE_SOFTWARE);
}

TEST(a_device_that_does_not_open_is_said) {
    opened o;
    if (!present())
        SKIP("no device");
    shim("SHIM_OPEN", INITIALIZATION_FAILED);
    CHECK(open_device(&o, "") != FR_OK);
    SAYS("vkCreateDevice");
    SAYS("VK_ERROR_INITIALIZATION_FAILED");
    close_all(&o);
}

/* ---- pipelines and their cache --------------------------------------------------------------------------------------- */

/* Opens, runs and closes with the cache; whether the driver was given what is kept. */
static fr_status run_with_cache(bool *out_right, bool *out_taken) {
    opened o;
    *out_right = false;
    (void)shim_caches_taken(); /* forget what closing the last one did */
    fr_status status = open_device(&o, VULKAN_TEST_CACHE);
    int taken = shim_caches_taken();
    if (status == FR_OK)
        status = pool_once(&o, out_right);
    close_all(&o);
    *out_taken = taken > 0;
    return status;
}

static bool damage_head(
    const char *path) { /* the driver's own header begins somewhere behind ours: all of the first bytes */
    FILE *file = fopen(path, "r+b");
    bool done = file != NULL;
    for (int i = 0; done && i < 256; i++)
        done = fputc(0xa5, file) != EOF;
    return file && fclose(file) == 0 && done;
}

static bool cut_in_half(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    bool done = fseek(file, 0, SEEK_END) == 0;
    long bytes = ftell(file);
    return fclose(file) == 0 && done && truncate(path, bytes / 2) == 0;
}

TEST(pipelines_are_kept_and_damage_is_repaired) {
    bool (*const harms[])(const char *) = {damage, damage_head, cut_in_half, truncate_file};
    bool right, taken;
    if (!present())
        SKIP("no device");
    each_entry(VULKAN_TEST_CACHE, drop);
    CHECK_OK(run_with_cache(&right, &taken));
    CHECK(right && !taken);
    CHECK_OK(run_with_cache(&right, &taken));
    CHECK(right && taken);
    for (size_t i = 0; i < sizeof harms / sizeof harms[0]; i++) {
        CHECK(each_entry(VULKAN_TEST_CACHE, harms[i]) > 0);
        CHECK_OK(run_with_cache(&right, &taken));
        CHECK(right && !taken);
        CHECK_OK(run_with_cache(&right, &taken)); /* what was repaired holds */
        CHECK(right && taken);
    }
}

TEST(a_pipeline_is_made_once_a_device) {
    opened o;
    fr_program *one = NULL, *two = NULL;
    if (!present())
        SKIP("no device");
    CHECK_OK(open_device(&o, ""));
    (void)shim_pipelines_made();
    CHECK_OK(compile_pool(&o, &one));
    int first = shim_pipelines_made();
    CHECK_OK(compile_pool(&o, &two));
    CHECK(first > 0 && shim_pipelines_made() == 0);
    o.b->program_free(one);
    o.b->program_free(two);
    close_all(&o);
}

static int left_out;

static void count_left_out(void *user, int level, const char *line) { /* the warning itself is the engine's */
    (void)user;
    left_out += level == FR_LOG_INFO && strstr(line, "is left out") != NULL;
}

TEST(a_kernel_that_the_driver_refuses_is_left_out_and_said_once) {
    fr_step step = pool_step();
    fr_candidate before, after[64];
    fr_weights none = {.struct_bytes = sizeof none};
    fr_memory_use use;
    fr_program *program;
    opened o;
    uint32_t count;
    if (!present())
        SKIP("no device");
    shim("SHIM_PIPELINE", INITIALIZATION_FAILED);
    left_out = 0;
    fr_log_to(count_left_out, NULL, FR_LOG_INFO);
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(first_candidate(&o, &step, &before));
    CHECK_INT(o.b->compile(o.device, &step, &before, &none, &program), FR_UNSUPPORTED);
    SAYS("vkCreateComputePipelines for kernel pool");
    SAYS("VK_ERROR_INITIALIZATION_FAILED");
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

static int told; /* of wrong calls by the validation layers */

static void count_told(void *user, int level, const char *line) {
    (void)user;
    told += level == FR_LOG_ERROR && strstr(line, "validation") != NULL && strstr(line, "vkCreateBuffer") != NULL;
}

/* Else a suite that runs clean under the layers would say nothing. */
TEST(what_the_validation_layers_say_arrives) {
    opened o;
    bool was_set = getenv("FOLDRUN_VULKAN_VALIDATION") != NULL;
    if (!present())
        SKIP("no device");
    setenv("FOLDRUN_VULKAN_VALIDATION", "1", 1);
    shim("SHIM_WRONG", "1");
    told = 0;
    fr_log_to(count_told, NULL, FR_LOG_ERROR);
    fr_status status = open_device(&o, "");
    if (status == FR_OK)
        close_all(&o);
    fr_log_to(NULL, NULL, 0);
    shim(NULL, NULL);
    if (!was_set)
        unsetenv("FOLDRUN_VULKAN_VALIDATION");
    if (status == FR_UNAVAILABLE)
        SKIP(fr_error_message());
    CHECK_OK(status);
    CHECK(told > 0);
}

TEST(a_pipeline_without_memory_may_be_made_later) {
    opened o;
    bool right;
    if (!present())
        SKIP("no device");
    shim("SHIM_PIPELINE", OUT_OF_DEVICE_MEMORY);
    CHECK_OK(open_device(&o, ""));
    CHECK_INT(pool_once(&o, &right), FR_NO_MEMORY);
    SAYS("vkCreateComputePipelines");
    SAYS("VK_ERROR_OUT_OF_DEVICE_MEMORY");
    shim(NULL, NULL);
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
    shim("SHIM_MEMORY", "200000000");
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(pool_once(&o, &right)); /* what it keeps for itself is there */
    CHECK_OK(o.b->buffer_new(o.device, FR_BUFFER_SCRATCH, 64 * MIB, &small));
    CHECK_OK(o.b->memory_use(o.device, &before));
    CHECK_INT(o.b->buffer_new(o.device, FR_BUFFER_ACTIVATION, 180 * MIB, &large), FR_NO_MEMORY);
    SAYS("vkAllocateMemory");
    SAYS("VK_ERROR_OUT_OF_DEVICE_MEMORY");
    CHECK(!large);
    CHECK_INT(o.b->buffer_new(o.device, FR_BUFFER_ACTIVATION, 1ull << 60, &large), FR_NO_MEMORY);
    CHECK(!large);
    CHECK_OK(o.b->memory_use(o.device, &after));
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    CHECK_OK(pool_once(&o, &right)); /* the device goes on */
    CHECK(right);
    o.b->buffer_free(small);
    close_all(&o);
}

TEST(memory_that_cannot_be_mapped_is_said) {
    opened o;
    bool right;
    if (!present())
        SKIP("no device");
    shim("SHIM_MAP", MEMORY_MAP_FAILED);
    fr_status status = open_device(&o, "");
    if (status == FR_OK)
        status = pool_once(&o, &right);
    CHECK(status != FR_OK);
    SAYS("vkMapMemory");
    SAYS("VK_ERROR_MEMORY_MAP_FAILED");
    close_all(&o);
}

/* ---- queues --------------------------------------------------------------------------------------------------------------- */

/* The device is lost by a call, and says so from then on; another one of the same driver works. */
static void check_lost(const char *setting, const char *result, const char *call, const char *name) {
    opened o, other;
    bool right = false;
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(pool_once(&o, &right));
    CHECK(right);
    (void)shim_refusals();
    setenv(setting, result, 1);
    CHECK_INT(pool_once(&o, &right), FR_DEVICE_LOST);
    unsetenv(setting);
    SAYS(call);
    SAYS(name);
    SAYS("lost");
    CHECK(shim_refusals() > 0);
    CHECK_INT(pool_once(&o, &right), FR_DEVICE_LOST); /* it does not come back */
    SAYS("lost");
    other = o;
    CHECK_OK(fr_registry_open(o.registry, KIT_DEVICE, &other.b, &other.device, &other.facts));
    CHECK_OK(other.b->queue_open(other.device, 0, &other.queue));
    CHECK_OK(pool_once(&other, &right));
    CHECK(right);
    other.b->queue_close(other.queue);
    other.b->device_close(other.device);
    close_all(&o);
}

TEST(a_device_lost_by_a_submission) {
    if (!present())
        SKIP("no device");
    check_lost("SHIM_SUBMIT", DEVICE_LOST, "vkQueueSubmit", "VK_ERROR_DEVICE_LOST");
}

TEST(a_device_lost_by_a_wait) {
    if (!present())
        SKIP("no device");
    check_lost("SHIM_WAIT", DEVICE_LOST, "vkWait", "VK_ERROR_DEVICE_LOST");
    setenv("FOLDRUN_VULKAN_WITHOUT", "timeline", 1);
    check_lost("SHIM_WAIT", DEVICE_LOST, "vkWaitForFences", "VK_ERROR_DEVICE_LOST");
}

TEST(a_wait_that_does_not_end) {
    if (!present())
        SKIP("no device");
    check_lost("SHIM_WAIT", TIMEOUT, "vkWait", "VK_TIMEOUT");
    setenv("FOLDRUN_VULKAN_WITHOUT", "timeline", 1);
    check_lost("SHIM_WAIT", TIMEOUT, "vkWaitForFences", "VK_TIMEOUT");
}

TEST(a_submission_without_memory_is_no_loss) {
    opened o;
    bool right;
    if (!present())
        SKIP("no device");
    CHECK_OK(open_device(&o, ""));
    setenv("SHIM_SUBMIT", OUT_OF_DEVICE_MEMORY, 1);
    CHECK_INT(pool_once(&o, &right), FR_NO_MEMORY);
    SAYS("vkQueueSubmit");
    SAYS("VK_ERROR_OUT_OF_DEVICE_MEMORY");
    unsetenv("SHIM_SUBMIT");
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

/* ---- without what newer devices have -------------------------------------------------------------------------------------- */

TEST(a_device_works_without_each_feature) {
    static const char *const without[] = {
        "timeline", "push", "texels", "shuffle", "narrow",
        "unified",  "half", "size",   "budget",  "timeline,push,texels,shuffle,narrow,unified,half,size,budget"};
    if (!present())
        SKIP("no device");
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) {
        opened o;
        bool right = false;
        setenv("FOLDRUN_VULKAN_WITHOUT", without[i], 1);
        CHECK_OK(open_device(&o, ""));
        CHECK_OK(pool_once(&o, &right));
        CHECK(right);
        close_all(&o);
    }
}

TEST(threads_share_a_device_a_program_and_the_driver) {
    if (!present())
        SKIP("no device");
    check_threads();
    setenv("FOLDRUN_VULKAN_WITHOUT", "timeline,push,unified", 1);
    check_threads();
}

CHECK_MAIN
