/* The device profile: what is put in is found again, what is alike stands in, and a damaged file is as good as none. */
#include "base/alloc.h"
#include "base/status.h"
#include "check.h"
#include "check/make.h"
#include "plan/plan.h"
#include "plan/profile.h"

static fr_step conv(int32_t n, int32_t c, int32_t size, int32_t c_out, int32_t k) {
    return fr_make_conv(n, c, size, size, c_out, fr_make_window(k, 1, k / 2), 1);
}

static fr_profile_time timed(const char *name, double ns) {
    fr_profile_time t = {.src_layout = FR_LAYOUT_NCHW, .dst_layout = FR_LAYOUT_NCHW16C, .ns = ns};
    snprintf(t.name, sizeof t.name, "%s", name);
    return t;
}

static fr_status put(fr_profile *profile, const fr_step *step, double slow_ns, double fast_ns) {
    fr_profile_time times[] = {timed("k.slow", slow_ns), timed("k.fast", fast_ns)};
    return fr_profile_put(profile, step, "k.slow", times, 2);
}

TEST(a_step_is_found_by_all_of_its_shape) {
    fr_profile profile = {0};
    const fr_profile_step *found;
    double scale;
    fr_step a = conv(8, 32, 20, 32, 3), b = conv(8, 32, 20, 32, 5);
    CHECK_INT(fr_profile_find(&profile, &a, &found, &scale), FR_PROFILE_NONE);
    CHECK_OK(put(&profile, &a, 900, 300));
    CHECK_OK(put(&profile, &b, 700, 800));
    CHECK_INT(fr_profile_find(&profile, &a, &found, &scale), FR_PROFILE_EXACT);
    CHECK_TEXT(found->times[0].name, "k.fast");
    CHECK(found->n_times == 2 && scale == 1 && found->untuned_ns == 900);
    CHECK_INT(fr_profile_find(&profile, &b, &found, &scale), FR_PROFILE_EXACT);
    CHECK_TEXT(found->times[0].name, "k.slow");
    CHECK_OK(put(&profile, &a, 100, 300)); /* measured anew: in the place of the old times */
    CHECK_INT(profile.count, 2);
    CHECK_INT(fr_profile_find(&profile, &a, &found, &scale), FR_PROFILE_EXACT);
    CHECK_TEXT(found->times[0].name, "k.slow");
    fr_profile_free(&profile);
}

TEST(the_nearest_of_its_kind_stands_in) {
    fr_profile profile = {0};
    const fr_profile_step *found;
    double scale;
    fr_step small = conv(8, 32, 20, 32, 3), large = conv(8, 128, 20, 128, 3), near = conv(8, 32, 20, 48, 3),
            five = conv(8, 32, 20, 32, 5), far = conv(8, 2048, 20, 4, 3), half = small, batch = conv(16, 32, 20, 32, 3);
    CHECK_OK(put(&profile, &large, 1600, 2400));
    CHECK_OK(put(&profile, &small, 100, 50));
    CHECK_INT(fr_profile_find(&profile, &near, &found, &scale), FR_PROFILE_NEAR);
    CHECK_TEXT(found->times[0].name, "k.fast");
    CHECK_NEAR(scale, 1.5, 1e-12); /* by the work */
    fr_candidate c = {.name = "k.fast", .src_layout = {FR_LAYOUT_NCHW}, .dst_layout = FR_LAYOUT_NCHW16C};
    CHECK_NEAR(fr_profile_ns(found, scale, &c), 75, 1e-9);
    c.dst_layout = FR_LAYOUT_NCHW;
    CHECK(fr_profile_ns(found, scale, &c) == 0);
    CHECK_INT(fr_profile_find(&profile, &batch, &found, &scale), FR_PROFILE_NEAR);
    CHECK_NEAR(scale, 2, 1e-12);
    CHECK_INT(fr_profile_find(&profile, &five, &found, &scale), FR_PROFILE_NONE); /* another window */
    CHECK(!found);
    CHECK_INT(fr_profile_find(&profile, &far, &found, &scale), FR_PROFILE_NONE);
    fr_make_of_type(&half, FR_MAKE_F16);
    CHECK_INT(fr_profile_find(&profile, &half, &found, &scale), FR_PROFILE_NONE);
    fr_profile_free(&profile);
}

TEST(a_profile_survives_its_file) {
    fr_profile profile = {0}, read;
    const fr_profile_step *found;
    double scale;
    char *text;
    fr_step a = conv(8, 32, 20, 32, 3), b = conv(1, 3, 22, 17, 3);
    CHECK_OK(put(&profile, &a, 900.25, 300.125));
    CHECK_OK(put(&profile, &b, 7, 8));
    CHECK_OK(fr_profile_write(&profile, "gpu|driver \"1\"", &text));
    CHECK_OK(fr_profile_read(text, strlen(text), "gpu|driver \"1\"", &read));
    CHECK_INT(read.count, 2);
    CHECK_INT(fr_profile_find(&read, &a, &found, &scale), FR_PROFILE_EXACT);
    CHECK(found->times[0].ns == 300.125 && found->times[1].ns == 900.25 && found->untuned_ns == 900.25);
    CHECK_TEXT(found->untuned, "k.slow");
    fr_profile_free(&read);
    CHECK_INT(fr_profile_read(text, strlen(text), "gpu|driver \"2\"", &read), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "another device's");
    for (size_t length = 0; length + 2 < strlen(text); length += 7) { /* cut anywhere */
        CHECK_INT(fr_profile_read(text, length, "gpu|driver \"1\"", &read), FR_INVALID);
        CHECK(read.count == 0 && !read.steps);
    }
    fr_free(text);
    fr_profile_free(&profile);
}

TEST(nonsense_is_refused) {
    static const char *const texts[] = {
        "[]",
        "{\"format\": 2, \"device\": \"d\", \"steps\": []}",
        "{\"format\": 1, \"device\": \"d\", \"steps\": {}}",
        "{\"format\": 1, \"device\": \"d\", \"steps\": [{}]}",
        "{\"format\": 1, \"device\": \"d\", \"steps\": [{\"shape\": \"s\", \"kind\": \"k\", \"inputs\": 0, \"c_in\": "
        "1, "
        "\"c_out\": 1, \"places\": 1, \"work\": 1, \"untuned\": \"u\", \"times\": [{\"kernel\": \"k\", \"src_layout\": "
        "1, "
        "\"dst_layout\": 1, \"ns\": 1}]}]}",
        "{\"format\": 1, \"device\": \"d\", \"steps\": [{\"shape\": \"s\", \"kind\": \"k\", \"inputs\": 1, \"c_in\": "
        "1, "
        "\"c_out\": 1, \"places\": 1, \"work\": 1, \"untuned\": \"u\", \"times\": [{\"kernel\": \"k\", \"src_layout\": "
        "1, "
        "\"dst_layout\": 1, \"ns\": -1}]}]}",
        "{\"format\": 1, \"device\": \"d\", \"steps\": [{\"shape\": \"s\", \"kind\": \"k\", \"inputs\": 1, \"c_in\": "
        "1, "
        "\"c_out\": 1, \"places\": 1, \"work\": 1, \"untuned\": \"u\", \"times\": []}]}",
    };
    fr_profile read;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CHECK_INT(fr_profile_read(texts[i], strlen(texts[i]), "d", &read), FR_INVALID);
        CHECK(read.count == 0 && !read.steps);
    }
}

TEST(expected_times_stand_in_until_something_was_measured) {
    fr_menu_entry entries[3] = {{.expected_ns = 0}, {.expected_ns = 80}, {.expected_ns = 50}};
    fr_menu_item item = {.entries = entries, .n_entries = 3};
    fr_menu menu = {.items = &item, .n_items = 1, .groups = {4}, .n_groups = 1};
    CHECK(fr_menu_cost(&menu, 0, 2, 0) == 50 && fr_menu_cost(&menu, 0, 1, 0) == 80);
    CHECK(fr_menu_cost(&menu, 0, 0, 0) > 1e6); /* what the profile does not know is not guessed to be better */
    entries[1].ns[0] = 40;
    CHECK(fr_menu_cost(&menu, 0, 1, 0) == 10 && fr_menu_cost(&menu, 0, 2, 0) > 1e6);
}

CHECK_MAIN
