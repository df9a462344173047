/* A device's measurements survive their file, and a file that is none is refused with a reason. */
#include <locale.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"
#include "check.h"
#include "plan/probe.h"

/* A list, half of it measured, with numbers of many digits. */
static fr_status make_probe(uint64_t seed, fr_probe *out) {
    fr_random random = {seed};
    *out = (fr_probe){.kind = FR_DEVICE_GPU,
                      .flags = FR_DEVICE_SOFTWARE,
                      .units = 2,
                      .lanes = 3,
                      .precisions = 1u << FR_PRECISION_F32 | 1u << FR_PRECISION_TF32 | 1u << FR_PRECISION_INT8,
                      .memory_bytes = (1ull << 53) - 1,
                      .cache_bytes = {32768, 0, 33554432},
                      .level = (int32_t)(seed % 2),
                      .complete = seed % 3 == 0,
                      .worst_drift = -0.01,
                      .launch_ns = 1.0 / 3};
    snprintf(out->identity, sizeof out->identity, "cpu|1.0|\"a\" device \xc3\xa9|driver %llu",
             (unsigned long long)seed);
    snprintf(out->name, sizeof out->name, "a name\twith a tab");
    snprintf(out->device, sizeof out->device, "cpu:0");
    for (unsigned i = 0; i < FR_PRECISIONS; i++) {
        out->peak[i] = i % 2 ? 0 : 1e11 * fr_random_uniform(&random);
        out->lane_scaling[i] = 1 + fr_random_uniform(&random);
    }
    out->bandwidth = 1e10 * fr_random_uniform(&random);
    FR_TRY(fr_probe_list(out, 0));
    for (size_t i = 0; i < out->n_points; i += 1 + fr_random_next(&random) % 3) {
        out->points[i].ns = 1e6 * fr_random_uniform(&random);
        out->points[i].spread = 0.1 * fr_random_uniform(&random);
        out->points[i].noisy = fr_random_next(&random) % 5 == 0;
        snprintf(out->points[i].candidate, sizeof out->points[i].candidate, "kernel.%zu", i);
    }
    for (size_t i = 0; i < out->n_runs; i += 2) {
        out->runs[i].images_per_s = 1e5 * fr_random_uniform(&random);
        out->runs[i].spread = fr_random_uniform(&random);
        out->runs[i].refused = i % 4 == 0;
    }
    return FR_OK;
}

static bool same_probe(const fr_probe *a, const fr_probe *b) {
    fr_probe x = *a, y = *b;
    x.points = y.points = NULL;
    x.runs = y.runs = NULL;
    x.cap_points = y.cap_points = x.cap_runs = y.cap_runs = 0;
    return memcmp(&x, &y, sizeof x) == 0 && memcmp(a->points, b->points, a->n_points * sizeof *a->points) == 0 &&
           memcmp(a->runs, b->runs, a->n_runs * sizeof *a->runs) == 0;
}

TEST(what_is_written_is_read_again) {
    for (uint64_t seed = 1; seed <= 6; seed++) {
        fr_probe probe, read;
        char *text, *again;
        CHECK_OK(make_probe(seed, &probe));
        CHECK_OK(fr_probe_write(&probe, &text));
        CHECK_OK(fr_probe_read(text, strlen(text), &read));
        CHECK(same_probe(&probe, &read));
        CHECK_OK(fr_probe_write(&read, &again));
        CHECK_TEXT(again, text);
        CHECK(!strstr(text, "nan") && !strstr(text, "inf") && !strstr(text, "null"));
        fr_free(text);
        fr_free(again);
        fr_probe_free(&probe);
        fr_probe_free(&read);
    }
}

TEST(numbers_are_the_same_in_every_locale) {
    fr_probe probe, read;
    char *text;
    CHECK_OK(make_probe(1, &probe));
    if (!setlocale(LC_ALL, "de_DE.UTF-8"))
        (void)setlocale(LC_ALL, "fr_FR.UTF-8"); /* with neither installed the test says little */
    fr_status status = fr_probe_write(&probe, &text);
    (void)setlocale(LC_ALL, "C");
    CHECK_OK(status);
    CHECK_OK(fr_probe_read(text, strlen(text), &read));
    CHECK(same_probe(&probe, &read));
    fr_free(text);
    fr_probe_free(&probe);
    fr_probe_free(&read);
}

TEST(numbers_that_are_none_are_not_written) {
    fr_probe probe, read;
    char *text;
    CHECK_OK(make_probe(2, &probe));
    probe.points[0].ns = NAN;
    probe.points[1].spread = INFINITY;
    probe.peak[0] = NAN;
    probe.run_ns = -INFINITY;
    probe.runs[0].images_per_s = NAN;
    CHECK_OK(fr_probe_write(&probe, &text));
    CHECK(!strstr(text, "nan") && !strstr(text, "inf") && !strstr(text, "null"));
    CHECK_OK(fr_probe_read(text, strlen(text), &read));
    CHECK(read.points[0].ns == 0 && read.points[1].spread == 0 && read.peak[0] == 0 && read.run_ns == 0);
    fr_free(text);
    fr_probe_free(&probe);
    fr_probe_free(&read);
}

TEST(cut_short_it_is_refused) {
    fr_probe probe, read;
    char *text;
    CHECK_OK(make_probe(1, &probe));
    CHECK_OK(fr_probe_write(&probe, &text));
    for (size_t length = 0; length + 2 < strlen(text); length += 997) {
        CHECK_INT(fr_probe_read(text, length, &read), FR_INVALID);
        CHECK(!read.points && !read.runs && read.n_points == 0);
    }
    fr_free(text);
    fr_probe_free(&probe);
}

#define HEAD                                                                                                       \
    "{\"format\": 1, \"what\": \"foldrun device profile\", \"identity\": \"i\", \"device\": \"cpu:0\", \"name\": " \
    "\"n\", "                                                                                                      \
    "\"backend\": \"cpu\", \"driver\": \"d\", \"foldrun\": \"0.1\", \"kind\": \"cpu\", \"level\": \"quick\", "     \
    "\"complete\": false, \"cache_bytes\": [], \"precisions\": [\"f32\"], "
#define CONV "\"line\": \"both\", \"kind\": \"conv\", \"precision\": \"f32\", "
#define DIMS "\"n\": 1, \"c_in\": 8, \"h\": 9, \"w\": 9, \"c_out\": 8, "
#define RUN  "\"net\": 0, \"width\": 32, \"fold\": 1, \"h\": 24, \"w\": 48, \"precision\": \"f32\", "
#define ENDS "], \"runs\": []}"

TEST(what_a_newer_version_adds_is_passed_over) {
    static const char text[] = HEAD "\"colour\": [1, {}], \"points\": [{" CONV DIMS
                                    "\"kernel\": 3, \"groups\": 1, \"ns\": 5, \"mood\": null}" ENDS;
    fr_probe read;
    CHECK_OK(fr_probe_read(text, strlen(text), &read));
    CHECK(read.n_points == 1 && read.points[0].ns == 5 && read.points[0].kernel == 3 && read.n_runs == 0);
    fr_probe_free(&read);
}

TEST(nonsense_is_refused_with_a_reason) {
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", ""},
        {"[]", "no device profile"},
        {"{\"format\": 1, \"device\": \"d\", \"steps\": []}", "no device profile"}, /* the kernels' times */
        {"{\"format\": 2, \"what\": \"foldrun device profile\"}", "another version (2, not 1)"},
        {"{\"format\": 1, \"what\": \"foldrun device profile\"}", "'identity'"},
        {HEAD "\"points\": []}", "'runs'"},
        {HEAD "\"points\": {}, \"runs\": []}", "'points'"},
        {HEAD "\"bandwidth\": -1, \"points\": [" ENDS, "'bandwidth' is -1"},
        {HEAD "\"bandwidth\": 1e300, \"points\": [" ENDS, "'bandwidth'"},
        {HEAD "\"bandwidth\": \"fast\", \"points\": [" ENDS, "not a number"},
        {HEAD "\"units\": 1.5, \"points\": [" ENDS, "'units'"},
        {HEAD "\"complete\": 1, \"points\": [" ENDS, "'complete'"},
        {HEAD "\"peak\": {\"f32\": -5}, \"points\": [" ENDS, "'peak'"},
        {HEAD "\"cache_bytes\": [1, 2, 3, 4], \"points\": [" ENDS, "'cache_bytes'"},
        {HEAD "\"precisions\": [7], \"points\": [" ENDS, "'precision'"},
        {HEAD "\"kind\": \"toaster\", \"points\": [" ENDS, "'kind'"},
        {HEAD "\"points\": [7" ENDS, "point 1: 'line'"},
        {HEAD "\"points\": [{" CONV "\"n\": 1"
              "}" ENDS,
         "'c_in' is missing"},
        {HEAD "\"points\": [{" CONV DIMS "\"kernel\": 0, \"groups\": 1}" ENDS, "no step has"},
        {HEAD "\"points\": [{" CONV DIMS "\"kernel\": 3, \"groups\": 3}" ENDS, "no step has"},
        {HEAD "\"points\": [{" CONV DIMS "\"kernel\": 3, \"groups\": 1, \"pool_kernel\": 3}" ENDS, "no step has"},
        {HEAD "\"points\": [{" CONV DIMS "\"kernel\": 3, \"groups\": 1, \"pool_kernel\": 30, \"pool_stride\": 1}" ENDS,
         "no step has"},
        {HEAD "\"points\": [{" CONV DIMS "\"kernel\": 3, \"groups\": 1, \"ns\": -5}" ENDS, "'ns' is -5"},
        {HEAD "\"points\": [{" CONV DIMS "\"kernel\": 3, \"groups\": 1, \"ns\": null}" ENDS, "'ns' is not a number"},
        {HEAD "\"points\": [{" CONV DIMS "\"kernel\": -3, \"groups\": 1}" ENDS, "'kernel'"},
        {HEAD "\"points\": [{" CONV DIMS "\"kernel\": 3.5, \"groups\": 1}" ENDS, "'kernel'"},
        {HEAD "\"points\": [{" CONV DIMS "\"kernel\": 3, \"groups\": 1, \"level\": 9}" ENDS, "'level'"},
        {HEAD "\"points\": [{\"line\": \"zigzag\"}" ENDS, "'line'"},
        {HEAD "\"points\": [{\"line\": \"both\", \"kind\": \"dance\"}" ENDS, "'kind'"},
        {HEAD "\"points\": [{\"line\": \"both\", \"kind\": \"conv\", \"precision\": \"f3\"}" ENDS, "'precision'"},
        {HEAD "\"points\": [], \"runs\": [{" RUN "\"schedule\": \"auto\", \"batch\": 64}]}", "run 1: 'schedule'"},
        {HEAD "\"points\": [], \"runs\": [{" RUN "\"schedule\": \"chain\", \"batch\": 0}]}", "'batch'"},
        {HEAD "\"points\": [], \"runs\": [{" RUN "\"schedule\": \"chain\", \"batch\": 1, \"images_per_s\": -1}]}",
         "'images_per_s'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fr_probe read;
        uint64_t live = fr_alloc_read().live_blocks;
        if (fr_probe_read(cases[i].text, strlen(cases[i].text), &read) != FR_INVALID)
            printf("     read: %s\n", cases[i].text);
        CHECK_INT(fr_probe_read(cases[i].text, strlen(cases[i].text), &read), FR_INVALID);
        CHECK_HAS(fr_error_sentence(), cases[i].why);
        CHECK(!read.points && !read.runs && fr_alloc_read().live_blocks == live);
    }
}

TEST(memory_that_runs_out_is_said) {
    fr_probe probe, read;
    char *text;
    CHECK_OK(make_probe(2, &probe));
    CHECK_OK(fr_probe_write(&probe, &text));
    uint64_t live = fr_alloc_read().live_blocks;
    for (uint64_t nth = 1; nth < 12; nth++) {
        fr_alloc_fail_at(nth);
        fr_status status = fr_probe_read(text, strlen(text), &read);
        fr_alloc_fail_at(0);
        CHECK(status == FR_OK || status == FR_NO_MEMORY);
        fr_probe_free(&read);
        CHECK_INT(fr_alloc_read().live_blocks, live);
    }
    fr_free(text);
    fr_probe_free(&probe);
}

CHECK_MAIN
