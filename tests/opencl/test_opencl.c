/* The OpenCL backend when its surroundings fail: no loader, a refused build, a damaged cache, full memory, a lost device. */
#include <dirent.h>
#include <pthread.h>

#include "base/log.h"
#include "base/status.h"
#include "check.h"
#include "foldrun/backend.h"
#include "run/registry.h"
#include "shim.h"

enum { SIDE = 8, CHANNELS = 3, IN = CHANNELS * SIDE * SIDE, OUT = IN / 4 };

typedef struct opened {
    fr_registry *registry;
    const fr_backend *b;
    fr_device *device;
    fr_queue *queue;
    fr_device_facts facts;
} opened;

static void close_all(opened *o) {
    if (o->queue)
        o->b->queue_close(o->queue);
    if (o->device)
        o->b->device_close(o->device);
    fr_registry_free(o->registry);
    memset(o, 0, sizeof *o);
}

static fr_status open_device(opened *o, const char *cache) {
    memset(o, 0, sizeof *o);
    o->facts.struct_bytes = sizeof o->facts;
    FR_TRY(fr_registry_new(NULL, cache, &o->registry));
    FR_TRY(fr_registry_open(o->registry, "opencl:0", &o->b, &o->device, &o->facts));
    return o->b->queue_open(o->device, 0, &o->queue);
}

/* Without a device there is nothing to test: 77 in the end. */
static bool present(void) {
    static int known = -1;
    if (known < 0) {
        opened o;
        shim(NULL, NULL);
        known = open_device(&o, "") == FR_OK;
        if (!known)
            fprintf(stderr, "no OpenCL device: %s\n", fr_error_sentence());
        close_all(&o);
    }
    return known == 1;
}

/* ---- a step: the largest of each 2x2 ---------------------------------------------------------------------------- */

static fr_step pool_step(void) {
    fr_step s = {.struct_bytes = sizeof s, .kind = FR_STEP_POOL, .n = 1, .n_src = 1, .groups = 1, .pool = FR_POOL_MAX};
    s.src[0] = (fr_tensor){.c = CHANNELS, .h = SIDE, .w = SIDE, .dtype = FR_F32, .layout = FR_LAYOUT_NCHW};
    s.dst = s.src[0];
    s.dst.h = s.dst.w = SIDE / 2;
    s.pool_win = (fr_window){.kh = 2, .kw = 2, .sh = 2, .sw = 2, .dh = 1, .dw = 1};
    return s;
}

static void fill(float in[IN], float want[OUT], int seed) {
    for (int i = 0; i < IN; i++)
        in[i] = (float)((i * 37 + seed * 11) % 101);
    for (int i = 0; i < OUT; i++) {
        const float *at = in + i / 16 * 64 + i % 16 / 4 * 2 * SIDE + i % 4 * 2;
        want[i] = fmaxf(fmaxf(at[0], at[1]), fmaxf(at[SIDE], at[SIDE + 1]));
    }
}

static fr_status first_candidate(const opened *o, const fr_step *step, fr_candidate *out) {
    uint32_t count = 0;
    FR_TRY(o->b->candidates(o->device, step, out, 1, &count));
    return count > 0 && !out->refused ? FR_OK : fr_fail(FR_UNSUPPORTED, "no candidate");
}

static fr_status compile_pool(const opened *o, fr_program **out_program) {
    static const fr_weights none = {.struct_bytes = sizeof none};
    fr_step step = pool_step();
    fr_candidate candidate;
    *out_program = NULL;
    FR_TRY(first_candidate(o, &step, &candidate));
    return o->b->compile(o->device, &step, &candidate, &none, out_program);
}

static fr_status run_pool(const opened *o, fr_queue *queue, fr_program *program, int seed, bool *out_right) {
    float in[IN], want[OUT], got[OUT] = {0};
    fr_launch launch = {.program = program};
    fr_status status = FR_OK;
    *out_right = false;
    fill(in, want, seed);
    FR_GO(done, o->b->buffer_new(o->device, FR_BUFFER_ACTIVATION, sizeof in, &launch.src[0].buffer));
    FR_GO(done, o->b->buffer_new(o->device, FR_BUFFER_ACTIVATION, sizeof got, &launch.dst.buffer));
    FR_GO(done, o->b->buffer_new(o->device, FR_BUFFER_SCRATCH, 1 << 16, &launch.scratch.buffer));
    FR_GO(done, o->b->write(queue, launch.src[0].buffer, 0, in, sizeof in));
    FR_GO(done, o->b->launch(queue, &launch));
    FR_GO(done, o->b->read(queue, launch.dst.buffer, 0, got, sizeof got));
    FR_GO(done, o->b->sync(queue));
    *out_right = memcmp(got, want, sizeof got) == 0;
done:
    if (status != FR_OK)
        (void)!o->b->sync(queue); /* nothing may still use this function's memory */
    o->b->buffer_free(launch.src[0].buffer);
    o->b->buffer_free(launch.dst.buffer);
    o->b->buffer_free(launch.scratch.buffer);
    return status;
}

static fr_status pool_once(const opened *o, bool *out_right) {
    fr_program *program;
    *out_right = false;
    FR_TRY(compile_pool(o, &program));
    fr_status status = run_pool(o, o->queue, program, 1, out_right);
    o->b->program_free(program);
    return status;
}

#define SAYS(words) CHECK_HAS(fr_error_sentence(), words)

/* ---- what is found ------------------------------------------------------------------------------------------------- */

/* The entry of opencl's device `index`, or of the backend that has none. */
static fr_status entry_of(const char *id, fr_device_entry *out) {
    fr_registry *registry;
    const fr_device_entry *entries;
    size_t count;
    FR_TRY(fr_registry_new(NULL, "", &registry));
    fr_status status = fr_registry_devices(registry, &entries, &count);
    bool found = false;
    for (size_t i = 0; status == FR_OK && i < count; i++) {
        if (strcmp(entries[i].id, id) != 0)
            continue;
        *out = entries[i];
        found = true;
    }
    fr_registry_free(registry);
    return status != FR_OK || found ? status : fr_fail(FR_INVALID, "no entry %s", id);
}

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

/* Calls change(file) for every entry of the cache; how many there were. */
static int each_entry(const char *folder, bool (*change)(const char *path)) {
    char path[1024];
    int count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        if (!strstr(e->d_name, ".bin"))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        count += change(path);
    }
    if (dir)
        closedir(dir);
    return count;
}

static bool drop(const char *path) {
    return remove(path) == 0;
}

static bool damage(const char *path) { /* a byte in the middle */
    FILE *file = fopen(path, "r+b");
    if (!file)
        return false;
    bool done = fseek(file, 0, SEEK_END) == 0;
    long middle = ftell(file) / 2;
    done = done && fseek(file, middle, SEEK_SET) == 0;
    int byte = fgetc(file);
    done = done && fseek(file, middle, SEEK_SET) == 0 && fputc(byte ^ 0x55, file) != EOF;
    return fclose(file) == 0 && done;
}

static bool truncate_file(const char *path) {
    FILE *file = fopen(path, "wb");
    return file && fclose(file) == 0;
}

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
    fr_program *program;
    fr_launch launch = {0};
    if (!present())
        SKIP("no device");
    shim(NULL, NULL);
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(compile_pool(&o, &program));
    launch.program = program;
    CHECK_INT(o.b->launch(o.queue, &launch), FR_INVALID);
    SAYS("source: no buffer is bound");
    CHECK_OK(o.b->buffer_new(o.device, FR_BUFFER_ACTIVATION, IN * sizeof(float), &launch.src[0].buffer));
    CHECK_OK(o.b->buffer_new(o.device, FR_BUFFER_ACTIVATION, OUT * sizeof(float) - 1, &launch.dst.buffer));
    CHECK_INT(o.b->launch(o.queue, &launch), FR_INVALID);
    SAYS("destination");
    SAYS("past the buffer's end");
    launch.dst.buffer = (o.b->buffer_free(launch.dst.buffer), NULL);
    CHECK_OK(o.b->buffer_new(o.device, FR_BUFFER_ACTIVATION, OUT * sizeof(float) + 64, &launch.dst.buffer));
    launch.dst.offset = 2;
    CHECK_INT(o.b->launch(o.queue, &launch), FR_INTERNAL);
    SAYS("4-byte elements");
    CHECK_OK(o.b->sync(o.queue));
    o.b->program_free(program);
    o.b->buffer_free(launch.src[0].buffer);
    o.b->buffer_free(launch.dst.buffer);
    close_all(&o);
}

/* ---- threads ------------------------------------------------------------------------------------------------------------- */

typedef struct worker {
    const opened *o;     /* a device of its own, or a shared one */
    fr_program *program; /* shared; NULL: it compiles its own */
    int seed;
    bool right;
} worker;

static void *work(void *argument) {
    worker *w = argument;
    fr_queue *queue = NULL;
    fr_program *own = NULL;
    bool right = w->o->b->queue_open(w->o->device, 0, &queue) == FR_OK;
    if (right && !w->program)
        right = compile_pool(w->o, &own) == FR_OK;
    for (int i = 0; right && i < 50; i++) {
        bool same = false;
        right = run_pool(w->o, queue, w->program ? w->program : own, w->seed + i, &same) == FR_OK && same;
    }
    w->o->b->program_free(own);
    w->o->b->queue_close(queue);
    w->right = right;
    return NULL;
}

static bool all_right(worker *workers, int count) {
    pthread_t threads[8];
    bool right = true;
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            abort();
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        right = right && workers[i].right;
    }
    return right;
}

TEST(threads_share_a_device_a_program_and_the_driver) {
    opened o, other = {0};
    fr_program *program;
    if (!present())
        SKIP("no device");
    shim(NULL, NULL);
    CHECK_OK(open_device(&o, ""));
    worker compiling[] = {{&o, NULL, 1, false}, {&o, NULL, 2, false}, {&o, NULL, 3, false}, {&o, NULL, 4, false}};
    CHECK(all_right(compiling, 4));
    CHECK_OK(compile_pool(&o, &program));
    worker sharing[] = {{&o, program, 5, false}, {&o, program, 6, false}, {&o, program, 7, false}};
    CHECK(all_right(sharing, 3));
    other = o; /* a second session: another device of the same driver */
    CHECK_OK(fr_registry_open(o.registry, "opencl:0", &other.b, &other.device, &other.facts));
    worker sessions[] = {{&o, program, 8, false}, {&other, NULL, 9, false}};
    bool right = all_right(sessions, 2);
    other.b->device_close(other.device);
    o.b->program_free(program);
    close_all(&o);
    CHECK(right);
}

CHECK_MAIN
