/*
 * A device of the compute backends, through the registry, and one step for it: what the tests of their failures share. The
 * includer says which device: KIT_DEVICE.
 */
#ifndef FR_TESTS_DEVICE_KIT_H
#define FR_TESTS_DEVICE_KIT_H

#include <dirent.h>
#include <pthread.h>

#include "base/status.h"
#include "check.h"
#include "foldrun/backend.h"
#include "run/registry.h"

enum { SIDE = 8, CHANNELS = 3, IN = CHANNELS * SIDE * SIDE, OUT = IN / 4 };

typedef struct opened {
    fr_registry *registry;
    const fr_backend *b;
    fr_device *device;
    fr_queue *queue;
    fr_device_facts facts;
} opened;

static inline void close_all(opened *o) {
    if (o->queue)
        o->b->queue_close(o->queue);
    if (o->device)
        o->b->device_close(o->device);
    fr_registry_free(o->registry);
    memset(o, 0, sizeof *o);
}

static inline fr_status open_device(opened *o, const char *cache) {
    memset(o, 0, sizeof *o);
    o->facts.struct_bytes = sizeof o->facts;
    FR_TRY(fr_registry_new(NULL, cache, &o->registry));
    FR_TRY(fr_registry_open(o->registry, KIT_DEVICE, &o->b, &o->device, &o->facts));
    return o->b->queue_open(o->device, 0, &o->queue);
}

/* Without a device there is nothing to test: 77 in the end. The shim is off. */
static inline bool device_is_present(void) {
    static int known = -1;
    if (known < 0) {
        opened o;
        known = open_device(&o, "") == FR_OK;
        if (!known)
            fprintf(stderr, "no device: %s\n", fr_error_sentence());
        close_all(&o);
    }
    return known == 1;
}

/* ---- a step: the largest of each 2x2 ---------------------------------------------------------------------------- */

static inline fr_step pool_step(void) {
    fr_step s = {.struct_bytes = sizeof s, .kind = FR_STEP_POOL, .n = 1, .n_src = 1, .groups = 1, .pool = FR_POOL_MAX};
    s.src[0] = (fr_tensor){.c = CHANNELS, .h = SIDE, .w = SIDE, .dtype = FR_F32, .layout = FR_LAYOUT_NCHW};
    s.dst = s.src[0];
    s.dst.h = s.dst.w = SIDE / 2;
    s.pool_win = (fr_window){.kh = 2, .kw = 2, .sh = 2, .sw = 2, .dh = 1, .dw = 1};
    return s;
}

static inline void fill(float in[IN], float want[OUT], int seed) {
    for (int i = 0; i < IN; i++)
        in[i] = (float)((i * 37 + seed * 11) % 101);
    for (int i = 0; i < OUT; i++) {
        const float *at = in + i / 16 * 64 + i % 16 / 4 * 2 * SIDE + i % 4 * 2;
        want[i] = fmaxf(fmaxf(at[0], at[1]), fmaxf(at[SIDE], at[SIDE + 1]));
    }
}

static inline fr_status first_candidate(const opened *o, const fr_step *step, fr_candidate *out) {
    uint32_t count = 0;
    FR_TRY(o->b->candidates(o->device, step, out, 1, &count));
    return count > 0 && !out->refused ? FR_OK : fr_fail(FR_UNSUPPORTED, "no candidate");
}

static inline fr_status compile_pool(const opened *o, fr_program **out_program) {
    static const fr_weights none = {.struct_bytes = sizeof none};
    fr_step step = pool_step();
    fr_candidate candidate;
    *out_program = NULL;
    FR_TRY(first_candidate(o, &step, &candidate));
    return o->b->compile(o->device, &step, &candidate, &none, out_program);
}

static inline fr_status run_pool(const opened *o, fr_queue *queue, fr_program *program, int seed, bool *out_right) {
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
    if (status != FR_OK) { /* nothing may still use this function's memory; what was said stands */
        char said[512];
        snprintf(said, sizeof said, "%s", fr_error_sentence());
        (void)!o->b->sync(queue);
        status = fr_fail(status, "%s", said);
    }
    o->b->buffer_free(launch.src[0].buffer);
    o->b->buffer_free(launch.dst.buffer);
    o->b->buffer_free(launch.scratch.buffer);
    return status;
}

static inline fr_status pool_once(const opened *o, bool *out_right) {
    fr_program *program;
    *out_right = false;
    FR_TRY(compile_pool(o, &program));
    fr_status status = run_pool(o, o->queue, program, 1, out_right);
    o->b->program_free(program);
    return status;
}

#define SAYS(words) CHECK_HAS(fr_error_sentence(), words)

static inline void check_bindings(const opened *o) { /* before the driver sees them */
    fr_program *program;
    fr_launch launch = {0};
    CHECK_OK(compile_pool(o, &program));
    launch.program = program;
    CHECK_INT(o->b->launch(o->queue, &launch), FR_INVALID);
    SAYS("source: no buffer is bound");
    CHECK_OK(o->b->buffer_new(o->device, FR_BUFFER_ACTIVATION, IN * sizeof(float), &launch.src[0].buffer));
    CHECK_OK(o->b->buffer_new(o->device, FR_BUFFER_ACTIVATION, OUT * sizeof(float) - 1, &launch.dst.buffer));
    CHECK_INT(o->b->launch(o->queue, &launch), FR_INVALID);
    SAYS("destination");
    SAYS("past the buffer's end");
    launch.dst.buffer = (o->b->buffer_free(launch.dst.buffer), NULL);
    CHECK_OK(o->b->buffer_new(o->device, FR_BUFFER_ACTIVATION, OUT * sizeof(float) + 64, &launch.dst.buffer));
    launch.dst.offset = 2;
    CHECK_INT(o->b->launch(o->queue, &launch), FR_INTERNAL);
    SAYS("4-byte elements");
    CHECK_OK(o->b->sync(o->queue));
    o->b->program_free(program);
    o->b->buffer_free(launch.src[0].buffer);
    o->b->buffer_free(launch.dst.buffer);
}

/* ---- what is found ------------------------------------------------------------------------------------------------- */

/* The entry of device `id`, or of the backend that has none. */
static inline fr_status entry_of(const char *id, fr_device_entry *out) {
    fr_registry *registry;
    const fr_device_entry *entries;
    size_t count;
    memset(out, 0, sizeof *out);
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

/* ---- the cache on disk --------------------------------------------------------------------------------------------- */

/* Calls change(file) for every entry of the cache; how many there were. */
static inline int each_entry(const char *folder, bool (*change)(const char *path)) {
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

static inline bool drop(const char *path) {
    return remove(path) == 0;
}

static inline bool damage(const char *path) { /* a byte in the middle */
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

static inline bool truncate_file(const char *path) {
    FILE *file = fopen(path, "wb");
    return file && fclose(file) == 0;
}

/* ---- threads ------------------------------------------------------------------------------------------------------- */

typedef struct worker {
    const opened *o;     /* a device of its own, or a shared one */
    fr_program *program; /* shared; NULL: it compiles its own */
    int seed;
    bool right;
} worker;

static inline void *work(void *argument) {
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

static inline bool all_right(worker *workers, int count) {
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

/* They share a device, a program and the driver. */
static inline void check_threads(void) {
    opened o, other = {0};
    fr_program *program;
    CHECK_OK(open_device(&o, ""));
    worker compiling[] = {{&o, NULL, 1, false}, {&o, NULL, 2, false}, {&o, NULL, 3, false}, {&o, NULL, 4, false}};
    CHECK(all_right(compiling, 4));
    CHECK_OK(compile_pool(&o, &program));
    worker sharing[] = {{&o, program, 5, false}, {&o, program, 6, false}, {&o, program, 7, false}};
    CHECK(all_right(sharing, 3));
    other = o; /* a second session: another device of the same driver */
    CHECK_OK(fr_registry_open(o.registry, KIT_DEVICE, &other.b, &other.device, &other.facts));
    worker sessions[] = {{&o, program, 8, false}, {&other, NULL, 9, false}};
    bool right = all_right(sessions, 2);
    other.b->device_close(other.device);
    o.b->program_free(program);
    close_all(&o);
    CHECK(right);
}

#endif
