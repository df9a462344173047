/* The texts that kernels are built from, and the table of what was built: without a driver. */
#include <pthread.h>

#include "base/status.h"
#include "check.h"
#include "gpu/built.h"
#include "gpu/text.h"
#include "run/host.h"

/* ---- sources -------------------------------------------------------------------------------------------------------- */

#define FILE_OF(name, text) \
    { name, text, sizeof text - 1 }
static const gpu_text list[] = {
    FILE_OF("prelude", "// needs: common.h\nP"),
    FILE_OF("params", "Q"),
    FILE_OF("common", "C"),
    FILE_OF("a", "// needs: b.cuh\n// needs: c\nA"),
    FILE_OF("b", "// needs: c.any.ending\nB // needs: nothing.cl"),
    FILE_OF("c", "D"),
    FILE_OF("ring", "// needs: knot.cl\nR"),
    FILE_OF("knot", "// needs: ring.cl\nK"),
    FILE_OF("lost", "// needs: not_there.cl\nL"),
};
static const gpu_texts texts = {"test", list, sizeof list / sizeof list[0]};
static const gpu_traits traits = {.dot8 = true};

static gpu_dispatch dispatch_of(const char *file) {
    gpu_dispatch d = {.file = file, .kernel = file, .local = {8, 2, 1}};
    return d;
}

TEST(what_a_file_needs_comes_once_and_before_it) {
    fr_host host = fr_host_make(NULL);
    gpu_dispatch d = dispatch_of("a");
    char *source;
    gpu_define_int(&d, "Z", -3);
    gpu_define_int(&d, "B", 4);
    CHECK_OK(gpu_source_make(&host, &texts, &traits, &d, &source));
    CHECK_TEXT(source,
               "#define B 4\n#define HAS_DOT8 1\n#define HAS_HALF_MATH 0\n#define LX 8\n#define LY 2\n#define LZ 1\n"
               "#define Z (-3)\n"
               "#line 1 \"common\"\nC\n"
               "#line 1 \"prelude\"\n// needs: common.h\nP\n"
               "#line 1 \"params\"\nQ\n"
               "#line 1 \"c\"\nD\n"
               "#line 1 \"b\"\n// needs: c.any.ending\nB // needs: nothing.cl\n"
               "#line 1 \"a\"\n// needs: b.cuh\n// needs: c\nA\n");
    host.free(source);
}

TEST(a_text_of_the_dispatch_s_own_comes_right_before_its_file) {
    static char own[] = "OWN";
    fr_host host = fr_host_make(NULL);
    gpu_dispatch d = dispatch_of("b");
    char *source;
    d.text = own;
    CHECK_OK(gpu_source_make(&host, &texts, &traits, &d, &source));
    CHECK_HAS(source, "#line 1 \"c\"\nD\n#line 1 \"generated\"\nOWN\n#line 1 \"b\"\n");
    host.free(source);
}

TEST(files_that_are_missing_or_need_each_other_are_named) {
    fr_host host = fr_host_make(NULL);
    gpu_dispatch lost = dispatch_of("lost"), ring = dispatch_of("ring"), none = dispatch_of("none");
    char *source;
    CHECK_INT(gpu_source_make(&host, &texts, &traits, &lost, &source), FR_INTERNAL);
    CHECK_HAS(fr_error_sentence(), "not_there");
    CHECK_INT(gpu_source_make(&host, &texts, &traits, &ring, &source), FR_INTERNAL);
    CHECK_HAS(fr_error_sentence(), "needs too many");
    CHECK_INT(gpu_source_make(&host, &texts, &traits, &none, &source), FR_INTERNAL);
    CHECK(!source);
}

TEST(a_version_is_of_the_texts) {
    gpu_texts fewer = texts;
    char all[32], some[32];
    fewer.count--;
    gpu_texts_version(&texts, "7", all, sizeof all);
    gpu_texts_version(&fewer, "7", some, sizeof some);
    CHECK(strncmp(all, "7.", 2) == 0 && strlen(all) == 10);
    CHECK(strcmp(all, some) != 0);
}

/* ---- what was built --------------------------------------------------------------------------------------------------- */

static struct {
    int builds, loads, frees;
    fr_status answer;
    bool refuses_binaries;
    char kept[64], kept_key[256]; /* the cache */
} now;

static fr_status cache_load(void *ctx, const char *key, void **out_data, size_t *out_bytes) {
    (void)ctx;
    if (strcmp(key, now.kept_key) != 0)
        return FR_UNAVAILABLE;
    *out_bytes = strlen(now.kept) + 1;
    *out_data = fr_host_make(NULL).alloc(*out_bytes, 0);
    memcpy(*out_data, now.kept, *out_bytes);
    return FR_OK;
}

static void key_head(void *user, char *out, size_t bytes) {
    (void)user;
    snprintf(out, bytes, "head\n");
}

static void *load(void *user, void *binary, size_t bytes, const gpu_dispatch *dispatch) {
    (void)user;
    (void)bytes;
    (void)dispatch;
    now.loads++;
    return now.refuses_binaries || strcmp(binary, now.kept) != 0 ? NULL : now.kept;
}

static fr_status build(void *user, const char *source, const gpu_dispatch *dispatch, const char *key, void **out_made) {
    (void)user;
    (void)dispatch;
    now.builds++;
    *out_made = NULL;
    if (now.answer != FR_OK)
        return now.answer;
    snprintf(now.kept, sizeof now.kept, "%s", source);
    snprintf(now.kept_key, sizeof now.kept_key, "%s", key);
    *out_made = now.kept;
    return FR_OK;
}

static void free_made(void *user, void *made) {
    (void)user;
    now.frees += made == now.kept;
}

static const gpu_builder builder = {
    .api = "test", .ending = ".txt", .key_head = key_head, .load = load, .build = build, .free = free_made};

static fr_host counting_host(void) {
    fr_host host = fr_host_make(NULL);
    host.cache_load = cache_load;
    return host;
}

static fr_status get(const fr_host *host, gpu_built_list *built, const char *text, void **out_made) {
    gpu_dispatch d = dispatch_of("a");
    char *source = host->alloc(strlen(text) + 1, 0);
    memcpy(source, text, strlen(text) + 1);
    return gpu_built_get(host, built, &builder, NULL, source, &d, out_made);
}

TEST(a_source_is_built_once_and_comes_from_the_cache_later) {
    fr_host host = counting_host();
    gpu_built_list built, later;
    void *made, *again;
    memset(&now, 0, sizeof now);
    gpu_built_init(&built);
    gpu_built_init(&later);
    CHECK_OK(get(&host, &built, "one", &made));
    CHECK_OK(get(&host, &built, "one", &again));
    CHECK(made == again);
    CHECK_INT(now.builds, 1);
    CHECK_TEXT(now.kept_key, "head\none");
    CHECK_OK(get(&host, &later, "one", &again));
    CHECK_INT(now.builds, 1);
    CHECK_INT(now.loads, 1);
    gpu_built_free(&host, &built, &builder, NULL);
    gpu_built_free(&host, &later, &builder, NULL);
    CHECK_INT(now.frees, 2);
}

TEST(a_binary_that_is_refused_is_built_anew) {
    fr_host host = counting_host();
    gpu_built_list built;
    void *made;
    memset(&now, 0, sizeof now);
    now.refuses_binaries = true;
    snprintf(now.kept_key, sizeof now.kept_key, "head\none");
    snprintf(now.kept, sizeof now.kept, "stale");
    gpu_built_init(&built);
    CHECK_OK(get(&host, &built, "one", &made));
    CHECK_INT(now.loads, 1);
    CHECK_INT(now.builds, 1);
    gpu_built_free(&host, &built, &builder, NULL);
}

TEST(failures_that_may_pass_are_tried_again_and_others_are_remembered) {
    fr_host host = counting_host();
    gpu_built_list built;
    void *made;
    memset(&now, 0, sizeof now);
    gpu_built_init(&built);
    now.answer = FR_NO_MEMORY;
    CHECK_INT(get(&host, &built, "one", &made), FR_NO_MEMORY);
    now.answer = FR_UNSUPPORTED;
    CHECK_INT(get(&host, &built, "one", &made), FR_UNSUPPORTED);
    now.answer = FR_OK;
    CHECK_INT(get(&host, &built, "one", &made), FR_UNSUPPORTED);
    CHECK_HAS(fr_error_sentence(), "a.txt does not build with this driver, as said before");
    CHECK(!made);
    CHECK_INT(now.builds, 2);
    CHECK_OK(get(&host, &built, "two", &made));
    gpu_built_free(&host, &built, &builder, NULL);
}

typedef struct waiter {
    const fr_host *host;
    gpu_built_list *built;
    void *made;
    fr_status status;
} waiter;

static void *wait_for_it(void *user) {
    waiter *w = user;
    w->status = get(w->host, w->built, "shared", &w->made);
    return NULL;
}

TEST(threads_that_want_the_same_wait_for_one) {
    enum { THREADS = 8 };
    fr_host host = counting_host();
    gpu_built_list built;
    waiter waiters[THREADS];
    pthread_t threads[THREADS];
    memset(&now, 0, sizeof now);
    gpu_built_init(&built);
    for (int i = 0; i < THREADS; i++) {
        waiters[i] = (waiter){.host = &host, .built = &built};
        CHECK(pthread_create(&threads[i], NULL, wait_for_it, &waiters[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(waiters[i].status == FR_OK && waiters[i].made == now.kept);
    CHECK_INT(now.builds, 1);
    gpu_built_free(&host, &built, &builder, NULL);
}

TEST(of_a_log_the_first_error_counts) {
    char words[32];
    gpu_log_words("\n  a warning\nx: error: y\nerror: z\n", words, sizeof words);
    CHECK_TEXT(words, "x: error: y");
    gpu_log_words("\n  only this\nand that", words, sizeof words);
    CHECK_TEXT(words, "only this");
    gpu_log_words("error: longer than there is room for it", words, 12);
    CHECK_TEXT(words, "error: long");
}

CHECK_MAIN
