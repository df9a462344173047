/* The recipes of the compute backends, without a device: every variant of every family over the conformance suite's steps. */
#include <unistd.h>

#include "check.h"

#include "base/alloc.h"
#include "base/convert.h"
#include "base/status.h"
#include "cases.h"
#include "gpu/gpu.h"
#include "gpu_devices.h"
#include "gpu_steps.h"
#include "run/host.h"

enum { MOST = 512 };
static const uint64_t most_scratch = 4ull << 31; /* offsets into it are 32-bit numbers of elements */

/* ---- an engine that counts ----------------------------------------------------------------------------------------- */

static int live_blocks, allocations, failing_allocation; /* the n-th fails; 0 = none */

static void *counting_alloc(size_t bytes, size_t align) {
    if (++allocations == failing_allocation)
        return NULL;
    void *block = fr_host_make(NULL).alloc(bytes, align);
    live_blocks += block != NULL;
    return block;
}

static void counting_free(void *block) {
    live_blocks -= block != NULL;
    fr_host_make(NULL).free(block);
}

static fr_host counting_host(void) {
    fr_host host = fr_host_make(NULL);
    host.alloc = counting_alloc;
    host.free = counting_free;
    return host;
}

/* ---- what must hold -------------------------------------------------------------------------------------------------- */

#define SAY(condition, ...)                                                            \
    do {                                                                               \
        if (!(condition)) {                                                            \
            fprintf(stderr, "%s:%d: %s: %s: ", __FILE__, __LINE__, #condition, where); \
            fprintf(stderr, __VA_ARGS__);                                              \
            fputc('\n', stderr);                                                       \
            return false;                                                              \
        }                                                                              \
    } while (0)

static bool fits(uint16_t asked, uint16_t answered) {
    return answered != FR_LAYOUT_ANY && (asked == FR_LAYOUT_ANY || asked == answered);
}

/* Named, ordered, settled; refused ones are empty but for the name and the reason. */
static bool is_sound_answer(const char *where, const fr_step *step, const fr_candidate *list, uint32_t count) {
    bool after_refused = false;
    for (uint32_t i = 0; i < count; i++) {
        const fr_candidate *c = &list[i];
        SAY(strlen(c->name) > 5 && strlen(c->name) + 1 < sizeof c->name, "'%s' is cut off or no name", c->name);
        for (uint32_t k = 0; k < i; k++)
            SAY(strcmp(c->name, list[k].name) != 0, "'%s' is there twice", c->name);
        SAY(c->refused <= FR_WHY_SELFCHECK, "%s", c->name);
        SAY(c->refused || !after_refused, "%s stands after a refused one", c->name);
        after_refused |= c->refused != 0;
        if (c->refused) {
            fr_candidate bare = {.struct_bytes = sizeof bare, .refused = c->refused, .id = c->id};
            memcpy(bare.name, c->name, sizeof bare.name);
            SAY(memcmp(&bare, c, sizeof bare) == 0, "%s says more than that it refuses", c->name);
            continue;
        }
        for (int32_t s = 0; s < step->n_src; s++)
            SAY(fits(step->src[s].layout, c->src_layout[s]), "%s: source %d", c->name, s);
        SAY(fits(step->dst.layout, c->dst_layout), "%s", c->name);
        SAY(c->scratch_bytes <= most_scratch, "%s wants %llu bytes of scratch", c->name,
            (unsigned long long)c->scratch_bytes);
        SAY(step->inexact_ok || !(c->flags & FR_CANDIDATE_INEXACT), "%s is inexact", c->name);
    }
    return true;
}

static bool is_sound_buffer(const char *where, const fr_step *step, const gpu_recipe *recipe, const gpu_bind *b) {
    SAY(b->elem_bytes == 1 || b->elem_bytes == 2 || b->elem_bytes == 4 || b->elem_bytes % 8 == 0, "%d", b->elem_bytes);
    SAY(b->at % b->elem_bytes == 0, "no whole element begins there");
    SAY(b->role < step->n_src || (b->role >= GPU_DST && b->role <= GPU_WEIGHT), "no such memory: %d", b->role);
    if (b->role == GPU_SCRATCH)
        SAY(b->at < recipe->scratch_bytes, "begins past the scratch");
    if (b->role == GPU_WEIGHT)
        SAY(b->at < recipe->packed_bytes, "begins past the weights");
    return true;
}

static bool is_sound_product(const char *where, const gpu_dispatch *d) {
    const gpu_gemm *g = &d->gemm;
    SAY(d->n_buffers == 3 && g->m > 0 && g->n > 0 && g->k > 0 && g->batch > 0, "an empty product");
    SAY(g->lda >= (g->a_transposed ? g->m : g->k) && g->ldb >= (g->b_transposed ? g->k : g->n) && g->ldc >= g->n,
        "rows overlap");
    SAY(d->buffers[2].role == GPU_DST || d->buffers[2].role == GPU_SCRATCH, "it is written into a source");
    return true;
}

static bool shader_exists(const char *kernel) {
    char path[512];
    snprintf(path, sizeof path, "%s/shaders/vulkan/%s.comp", FOLDRUN_SOURCE_DIR, kernel);
    if (access(path, R_OK) == 0)
        return true;
    snprintf(path, sizeof path, "%s/shaders/vulkan/matrix/%s.comp", FOLDRUN_SOURCE_DIR, kernel);
    return access(path, R_OK) == 0;
}

/* The texts of kernels, read once each. */
static bool kernel_exists(const char *file, const char *kernel) {
    static struct {
        const char *file;
        char *text;
    } read[64];
    size_t i = 0;
    while (i < 64 && read[i].file && strcmp(read[i].file, file) != 0)
        i++;
    if (i < 64 && !read[i].file) {
        char path[512];
        snprintf(path, sizeof path, "%s/shaders/opencl/%s.cl", FOLDRUN_SOURCE_DIR, file);
        FILE *f = fopen(path, "rb");
        if (!f) {
            snprintf(path, sizeof path, "%s/backends/cuda/kernels/%s.cu", FOLDRUN_SOURCE_DIR, file);
            f = fopen(path, "rb");
        }
        if (!f)
            return false;
        static char text[1 << 17];
        size_t bytes = fread(text, 1, sizeof text - 1, f);
        fclose(f);
        text[bytes] = '\0';
        read[i].file = strdup(file);
        read[i].text = strdup(text);
    }
    return i < 64 && strstr(read[i].text, kernel);
}

static bool is_sound_kernel(const char *where, const gpu_traits *traits, const gpu_dispatch *d) {
    uint64_t items = 1;
    for (int k = 0; k < 3; k++) {
        items *= d->local[k];
        SAY(d->groups[k] > 0 && d->groups[k] < 1u << 31, "%s: %u groups", d->kernel, d->groups[k]);
    }
    SAY(items >= 1 && items <= traits->max_items, "%s: groups of %llu items", d->kernel, (unsigned long long)items);
    if (traits->lockstep) /* CUDA's grids are as narrow as Vulkan's, but for the first dimension */
        SAY(d->groups[1] < 1 << 16 && d->groups[2] < 1 << 16, "%s: %u x %u groups", d->kernel, d->groups[1],
            d->groups[2]);
    if (traits->glsl)
        SAY(shader_exists(d->kernel), "there is no shaders/vulkan/%s.comp", d->kernel);
    else
        SAY(kernel_exists(d->file, d->kernel), "neither shaders/opencl/%s.cl nor backends/cuda/kernels/%s.cu has %s",
            d->file, d->file, d->kernel);
    for (int32_t i = 0; i < d->n_defines; i++) {
        for (int32_t k = 0; k < i; k++)
            SAY(strcmp(d->defines[i].name, d->defines[k].name) != 0, "%s is defined twice", d->defines[i].name);
    }
    return true;
}

static bool is_sound_recipe(const char *where, const gpu_traits *traits, const fr_step *step, const gpu_recipe *r) {
    bool writes = false;
    for (int32_t i = 0; i < r->n_dispatches; i++) {
        const gpu_dispatch *d = &r->dispatches[i];
        for (int32_t b = 0; b < d->n_buffers; b++) {
            if (!is_sound_buffer(where, step, r, &d->buffers[b]))
                return false;
            writes |= d->buffers[b].role == GPU_DST;
        }
        if (d->call == GPU_CALL_GEMM) {
            SAY(traits->gemm_library, "there is no library for products");
            if (!is_sound_product(where, d))
                return false;
        } else if (!is_sound_kernel(where, traits, d)) {
            return false;
        }
    }
    SAY(writes, "nothing writes the result");
    return true;
}

/* ---- over all steps ------------------------------------------------------------------------------------------------------ */

static conf_list cases;

static bool have_cases(void) {
    return cases.count > 0 || conf_cases_build(&cases) == FR_OK;
}

__attribute__((destructor)) static void free_cases(void) {
    conf_cases_free(&cases);
}

static bool ask(const char *where, const gpu_traits *traits, const fr_step *step, fr_candidate *list,
                uint32_t *out_count) {
    SAY(gpu_candidates(traits, "t", step, NULL, NULL, list, MOST, out_count) == FR_OK, "no answer");
    SAY(*out_count < MOST, "%u candidates", *out_count);
    return is_sound_answer(where, step, list, *out_count);
}

/* The candidate's own layouts, asked for: it stands by its answer. */
static bool stands_by(const char *where, const gpu_traits *traits, const fr_step *step, const fr_candidate *c) {
    fr_candidate again[MOST];
    uint32_t count, at = 0;
    if (!ask(where, traits, step, again, &count))
        return false;
    while (at < count && (again[at].id != c->id || again[at].refused))
        at++;
    SAY(at < count, "%s does not stand by its layouts", c->name);
    SAY(again[at].scratch_bytes == c->scratch_bytes, "%s wants other scratch", c->name);
    return true;
}

/* Each distinct set of constants is a build, and a build takes half a second. */
static struct {
    uint64_t seen[4096];
    size_t count;
} builds;

static uint64_t hash_text(uint64_t hash, const char *text) {
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 1099511628211u;
    return hash;
}

static void count_builds(const gpu_recipe *recipe) {
    for (int32_t i = 0; i < recipe->n_dispatches; i++) {
        const gpu_dispatch *d = &recipe->dispatches[i];
        size_t at = 0;
        uint64_t hash = hash_text(d->local[0] + 1000u * d->local[1], d->file);
        for (int32_t k = 0; k < d->n_defines; k++) /* a sum: in any order */
            hash += hash_text((uint64_t)d->defines[k].value + 77, d->defines[k].name);
        while (at < builds.count && builds.seen[at] != hash)
            at++;
        if (at == builds.count && at < sizeof builds.seen / sizeof builds.seen[0])
            builds.seen[builds.count++] = hash;
    }
}

static bool makes(const char *where, const gpu_traits *traits, const weighted *w, const fr_candidate *c) {
    fr_host host = counting_host();
    fr_step step = settled(&w->step, c);
    gpu_recipe recipe;
    int before = live_blocks;
    if (!stands_by(where, traits, &step, c))
        return false;
    SAY(gpu_recipe_make(&host, traits, &step, c, &w->weights, &recipe) == FR_OK, "%s: %s", c->name,
        fr_error_sentence());
    SAY(recipe.scratch_bytes == c->scratch_bytes, "%s wants other scratch", c->name);
    bool ok = is_sound_recipe(where, traits, &step, &recipe);
    if (!ok)
        fprintf(stderr, "    by %s\n", c->name);
    count_builds(&recipe);
    gpu_recipe_free(&host, &recipe);
    SAY(live_blocks == before, "%s leaves memory behind", c->name);
    return ok;
}

static bool makes_all(const named_traits *device, size_t first, size_t every) {
    int made = 0;
    builds.count = 0;
    for (size_t i = first; i < cases.count; i += every) {
        fr_candidate list[MOST];
        char where[CONF_NAME_BYTES + 64];
        uint32_t count = 0;
        weighted w;
        weighted_make(&cases.items[i], &w);
        w.step.inexact_ok = i % 4 != 0;
        snprintf(where, sizeof where, "%s on %s", cases.items[i].name, device->name);
        bool ok = ask(where, &device->traits, &w.step, list, &count);
        for (uint32_t k = 0; ok && k < count && !list[k].refused; k++, made++)
            ok = makes(where, &device->traits, &w, &list[k]);
        weighted_free(&w);
        if (!ok)
            return false;
    }
    printf("%d recipes and %zu builds for %s\n", made, builds.count, device->name);
    return made > 100;
}

TEST(every_accepted_step_makes_a_recipe) {
    named_traits devices[DEVICES];
    CHECK(have_cases());
    all_devices(devices);
    CHECK(makes_all(&devices[0], 0, 1));
    CHECK(builds.count < 800);
    for (size_t d = 1; d < DEVICES; d++)
        CHECK(makes_all(&devices[d], d % 4, 4));
}

TEST(layouts_that_are_asked_for_are_kept) {
    named_traits devices[DEVICES];
    CHECK(have_cases());
    all_devices(devices);
    for (int d = 0; d < DEVICES; d++)
        for (size_t i = 0; i < cases.count; i++)
            for (uint16_t layout = FR_LAYOUT_NCHW; layout <= FR_LAYOUT_NCHW32C; layout++) {
                fr_candidate list[MOST];
                uint32_t count;
                fr_step step = cases.items[i].step;
                uint16_t other = (uint16_t)(1 + (layout + i) % FR_LAYOUT_NCHW32C);
                set_scales(&step);
                if (!(step.kind == FR_STEP_EMIT) && step.dst.layout == FR_LAYOUT_ANY)
                    step.dst.layout = layout;
                for (int32_t s = 0; s < step.n_src; s++)
                    if (step.src[s].layout == FR_LAYOUT_ANY)
                        step.src[s].layout = s ? layout : other;
                CHECK(ask(cases.items[i].name, &devices[d].traits, &step, list, &count));
            }
}

/* The largest batch whose tensors have fewer than 2^31 elements in any layout: kernels may count on that. */
static int32_t most_inputs(const fr_step *step) {
    int64_t most = 1;
    for (int32_t i = -1; i <= step->n_src; i++) {
        fr_tensor t = i < 0 ? step->dst : step->src[i < step->n_src ? i : 0];
        t.layout = FR_LAYOUT_NCHW32C;
        if (i == step->n_src && step->kind == FR_STEP_CONV) {
            t.c = step->dst.c;
            fr_conv_map(step, &t.h, &t.w);
        }
        int64_t elements = (int64_t)fr_tensor_elements(&t) * (i >= 0 && step->images ? step->images : 1);
        most = elements > most ? elements : most;
    }
    return (int32_t)(INT32_MAX / most);
}

/* A batch so large that scratch would not fit is refused, and nothing overflows on the way. */
TEST(huge_batches_keep_to_the_limits) {
    named_traits devices[DEVICES];
    int refused = 0;
    CHECK(have_cases());
    all_devices(devices);
    for (int d = 0; d < DEVICES; d++)
        for (size_t i = 0; i < cases.count; i++)
            for (int32_t part = 1; part <= 1024; part *= 32) {
                fr_candidate list[MOST];
                fr_step step = cases.items[i].step, sub[CONF_MAX_SUB];
                uint32_t count;
                int32_t n = most_inputs(&step) / part;
                step.n = n > 0 ? n : 1;
                for (int32_t s = 0; s < step.n_sub; s++) {
                    sub[s] = cases.items[i].sub[s];
                    sub[s].n = step.n;
                }
                step.sub = step.n_sub ? sub : NULL;
                set_scales(&step);
                CHECK(ask(cases.items[i].name, &devices[d].traits, &step, list, &count));
                for (uint32_t k = 0; k < count; k++)
                    refused += list[k].refused == FR_WHY_MEMORY;
            }
    CHECK(refused > 0);
}

/* ---- refusals ------------------------------------------------------------------------------------------------------------ */

static fr_reason always_bad(void *user, const char *name) {
    (void)name;
    ++*(int *)user;
    return FR_WHY_SELFCHECK;
}

TEST(a_bad_verdict_refuses_and_a_short_list_is_the_best) {
    gpu_traits traits = cpu_traits(16);
    fr_candidate list[MOST], few[3] = {{.id = 77}, {.id = 77}, {.id = 77}};
    fr_step step = fr_make_step(FR_STEP_FC, 4, 10, 3, 3);
    uint32_t count, count_few;
    int asked = 0, by_verdict = 0;
    step.dst.h = step.dst.w = 1;
    CHECK_OK(gpu_candidates(&traits, "t", &step, NULL, NULL, list, MOST, &count));
    CHECK_OK(gpu_candidates(&traits, "t", &step, NULL, NULL, few, 2, &count_few));
    CHECK(count > 3 && !list[0].refused && memcmp(few, list, 2 * sizeof *few) == 0);
    CHECK_INT(count_few, count);
    CHECK_INT(few[2].id, 77);
    CHECK_OK(gpu_candidates(&traits, "t", &step, always_bad, &asked, list, MOST, &count));
    for (uint32_t i = 0; i < count; i++) {
        CHECK(list[i].refused);
        by_verdict += list[i].refused == FR_WHY_SELFCHECK;
    }
    CHECK(asked > 0);
    CHECK_INT(by_verdict, asked);
}

TEST(what_was_refused_is_not_made) {
    gpu_traits traits = cpu_traits(16);
    fr_host host = counting_host();
    fr_candidate list[MOST];
    uint32_t count;
    gpu_recipe recipe;
    conf_case from = {.step = fr_make_step(FR_STEP_FC, 4, 10, 3, 3)};
    weighted w;
    from.step.dst.h = from.step.dst.w = 1;
    weighted_make(&from, &w);
    CHECK_OK(gpu_candidates(&traits, "t", &w.step, NULL, NULL, list, MOST, &count));
    fr_candidate good = list[0], bad = good, unknown = good;
    fr_step step = settled(&w.step, &good), other = step, wrong = step;
    bad.refused = FR_WHY_SHAPE;
    unknown.id = 0x7fff7fff;
    other.src[0].layout = FR_LAYOUT_NCHW32C;
    wrong.dst.h = 2;
    CHECK_INT(gpu_recipe_make(&host, &traits, &step, &bad, &w.weights, &recipe), FR_INVALID);
    CHECK_INT(gpu_recipe_make(&host, &traits, &step, &unknown, &w.weights, &recipe), FR_INVALID);
    CHECK_INT(gpu_recipe_make(&host, &traits, &other, &good, &w.weights, &recipe), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), good.name);
    CHECK_INT(gpu_recipe_make(&host, &traits, &wrong, &good, &w.weights, &recipe), FR_UNSUPPORTED);
    CHECK(!recipe.packed && recipe.n_dispatches == 0);
    CHECK_OK(gpu_recipe_make(&host, &traits, &step, &good, &w.weights, &recipe));
    gpu_recipe_free(&host, &recipe);
    gpu_recipe_free(&host, &recipe);
    gpu_recipe_free(&host, NULL);
    weighted_free(&w);
}

TEST(no_memory_leaves_nothing_behind) {
    gpu_traits traits = cpu_traits(16);
    fr_host host = counting_host();
    int failures = 0;
    CHECK(have_cases());
    for (size_t i = 0; i < cases.count; i += 7) {
        fr_candidate list[MOST];
        uint32_t count;
        weighted w;
        weighted_make(&cases.items[i], &w);
        CHECK_OK(gpu_candidates(&traits, "t", &w.step, NULL, NULL, list, MOST, &count));
        for (uint32_t k = 0; k < count && !list[k].refused; k++) {
            fr_step step = settled(&w.step, &list[k]);
            fr_status status = FR_NO_MEMORY;
            gpu_recipe recipe;
            for (int nth = 1; status == FR_NO_MEMORY && nth < 100; nth++) {
                int before = live_blocks;
                allocations = 0;
                failing_allocation = nth;
                status = gpu_recipe_make(&host, &traits, &step, &list[k], &w.weights, &recipe);
                failing_allocation = 0;
                CHECK(status == FR_OK || status == FR_NO_MEMORY);
                CHECK(status == FR_OK || (!recipe.packed && live_blocks == before));
                failures += status != FR_OK;
                gpu_recipe_free(&host, &recipe);
                CHECK_INT(live_blocks, before);
            }
        }
        weighted_free(&w);
    }
    CHECK(failures > 100);
}

/* ---- what families build with ------------------------------------------------------------------------------------------------ */

TEST(too_much_is_counted_and_not_stored) {
    static gpu_recipe recipe;
    memset(&recipe, 0, sizeof recipe);
    for (int i = 0; i < GPU_MAX_DISPATCHES; i++)
        CHECK(gpu_add(&recipe, "f", "k"));
    CHECK(!gpu_add(&recipe, "f", "k"));
    gpu_dispatch *d = &recipe.dispatches[3];
    for (int i = 0; i < 100; i++) {
        gpu_define_int(d, "A_NAME_THAT_IS_LONGER_THAN_THERE_IS_ROOM_FOR", i);
        gpu_bind_buffer(d, 0, 0, 4);
        gpu_param(d, i);
    }
    CHECK(d->n_defines > GPU_MAX_DEFINES && d->n_buffers > GPU_MAX_BUFFERS && d->n_params > GPU_PARAM_WORDS);
    CHECK(strlen(d->defines[0].name) < sizeof d->defines[0].name);
    CHECK_INT(recipe.dispatches[4].n_params, 0);
    CHECK_INT(recipe.dispatches[4].groups[2], 1);
}

TEST(strides_say_where_numbers_lie) {
    for (uint16_t layout = FR_LAYOUT_NCHW; layout <= FR_LAYOUT_USER_CHW; layout++) {
        fr_tensor t = {.c = 37, .h = 5, .w = 7, .dtype = FR_F32, .layout = layout};
        gpu_dispatch d = {.n_params = 0};
        gpu_param_strides(&d, &t);
        CHECK_INT(d.n_params, 6);
        const int32_t n_ = d.params[0].i, b = d.params[1].i, c_ = d.params[2].i, y_ = d.params[3].i, x_ = d.params[4].i,
                      block = d.params[5].i;
        for (int32_t c = 0; c < t.c; c++)
            for (int32_t y = 0; y < t.h; y++)
                for (int32_t x = 0; x < t.w; x++)
                    CHECK_INT(3 * n_ + c / block * b + c % block * c_ + y * y_ + x * x_,
                              fr_tensor_index(&t, 3, c, y, x));
    }
}

TEST(packed_numbers_are_stored_in_their_type) {
    fr_host host = counting_host();
    gpu_recipe recipe = {.n_dispatches = 0};
    CHECK_OK(gpu_pack_new(&host, &recipe, 64));
    CHECK_INT(recipe.packed_bytes, 64);
    gpu_pack_put(&recipe, 4, FR_F32, 1, 1.5f);
    gpu_pack_put(&recipe, 16, FR_F16, 3, -2.0f);
    gpu_pack_put(&recipe, 32, FR_S8, 5, -7.0f);
    gpu_pack_put(&recipe, 40, FR_S32, 2, 70000.0f);
    const char *at = recipe.packed;
    float real;
    uint16_t half;
    int32_t whole;
    memcpy(&real, at + 8, sizeof real);
    memcpy(&half, at + 22, sizeof half);
    memcpy(&whole, at + 48, sizeof whole);
    CHECK_NEAR(real, 1.5, 0);
    CHECK_NEAR(fr_f16_to_f32(half), -2.0, 0);
    CHECK_INT(at[37], -7);
    CHECK_INT(whole, 70000);
    gpu_recipe_free(&host, &recipe);
}

CHECK_MAIN
