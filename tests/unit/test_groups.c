/* Group sizes by what a device is like: those of cores and of GPUs' APIs on CPUs, halves and quarters for devices with memory of
 * their own, and the part of a batch whose maps their last cache holds. */
#include "base/status.h"
#include "check.h"
#include "plan/groups.h"

static bool is_list(const fr_menu *menu, const int32_t *wanted, int32_t count) {
    bool same = menu->n_groups == count;
    for (int32_t i = 0; i < menu->n_groups; i++) {
        same = same && menu->groups[i] == wanted[i];
        if (i > 0 && (menu->groups[i] <= menu->groups[i - 1] || menu->groups[i] % menu->groups[i - 1] != 0))
            return false;
    }
    for (int32_t i = 0; i < menu->n_groups && !same; i++)
        fprintf(stderr, " %d", menu->groups[i]);
    return same;
}
#define CHECK_GROUPS(menu, ...)                                                     \
    do {                                                                            \
        static const int32_t wanted_[] = {__VA_ARGS__};                             \
        CHECK(is_list(menu, wanted_, (int32_t)(sizeof wanted_ / sizeof *wanted_))); \
    } while (0)

static fr_group_question gpu(int64_t inputs, int32_t lanes, uint64_t cache_mib, uint64_t input_bytes) {
    return (fr_group_question){.lanes = lanes,
                               .inputs = inputs,
                               .cache_bytes = cache_mib << 20,
                               .input_bytes = input_bytes,
                               .memory_bytes = (uint64_t)140 << 30};
}

TEST(cores_take_powers_of_two) {
    fr_group_question q = {.is_cpu = true, .lanes = 2, .inputs = 1024, .input_bytes = 1000, .cache_bytes = 1 << 25};
    fr_menu menu = {.n_groups = 0};
    fr_groups_choose(&q, &menu);
    CHECK_GROUPS(&menu, 1, 2, 4, 8, 16, 32, 64);
    CHECK_INT(menu.cached_group, -1);
    q.inputs = 10; /* five a lane */
    fr_groups_choose(&q, &menu);
    CHECK_GROUPS(&menu, 1, 2, 4);
    q.asked = 7;
    fr_groups_choose(&q, &menu);
    CHECK_GROUPS(&menu, 7);
}

TEST(software_devices_take_halves_of_the_batch) {
    fr_group_question q = {.is_cpu = true, .is_software = true, .lanes = 1, .inputs = 1024, .input_bytes = 1000};
    fr_menu menu = {.n_groups = 0};
    fr_groups_choose(&q, &menu);
    CHECK_GROUPS(&menu, 8, 16, 32, 64, 128, 256, 512, 1024);
    q.inputs = 1;
    fr_groups_choose(&q, &menu);
    CHECK_GROUPS(&menu, 1);
    q.inputs = 5000;
    fr_groups_choose(&q, &menu);
    CHECK_GROUPS(&menu, 8, 16, 32, 64, 128, 256, 512, 1024);
}

TEST(wide_devices_take_the_batch_or_parts_of_it) {
    fr_group_question q = gpu(1024, 1, 0, 160000); /* nothing is known of its cache */
    fr_menu menu = {.n_groups = 0};
    fr_groups_choose(&q, &menu);
    CHECK_GROUPS(&menu, 64, 256, 1024);
    CHECK_INT(menu.cached_group, -1);
    q.lanes = 2; /* half of it each */
    fr_groups_choose(&q, &menu);
    CHECK_GROUPS(&menu, 64, 256, 512, 1024);
    q.inputs = 1000; /* rounded up to parts of one size */
    fr_groups_choose(&q, &menu);
    CHECK_GROUPS(&menu, 63, 252, 504, 1008);
    q.inputs = 17; /* 18 are computed, and not 32 */
    fr_groups_choose(&q, &menu);
    CHECK_GROUPS(&menu, 9, 18);
    q.inputs = 1;
    fr_groups_choose(&q, &menu);
    CHECK_GROUPS(&menu, 1);
}

TEST(a_part_fits_half_of_the_last_cache) {
    static const struct {
        uint64_t cache_mib;
        int32_t group;
    } devices[] = {{60, 128}, {6, 16}, {4, 8}, {40, 128}, {1, -1}, {1000, -1}};
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++)
        for (int32_t lanes = 1; lanes <= 2; lanes++) {
            fr_group_question q = gpu(1024, lanes, devices[i].cache_mib, 160000);
            fr_menu menu = {.n_groups = 0};
            fr_groups_choose(&q, &menu);
            CHECK(menu.n_groups <= FR_MAX_GROUPS);
            CHECK_INT(menu.groups[menu.n_groups - 1], 1024);
            if (devices[i].group < 0) { /* no part worth a launch fits, or all of it does */
                CHECK_INT(menu.cached_group, -1);
                continue;
            }
            CHECK(menu.cached_group >= 0 && menu.cached_group < menu.n_groups);
            int32_t group = menu.groups[menu.cached_group];
            CHECK_INT(group, devices[i].group);
            CHECK((uint64_t)group * q.input_bytes <= q.cache_bytes / 2);
        }
}

TEST(every_batch_gives_groups_that_divide_each_other) {
    for (int64_t inputs = 1; inputs <= 3000; inputs += inputs < 70 ? 1 : 37)
        for (int32_t lanes = 1; lanes <= 3; lanes++)
            for (uint64_t cache = 0; cache <= 64; cache += 4) {
                fr_group_question q = gpu(inputs, lanes, cache, 70001);
                fr_menu menu = {.n_groups = 0};
                fr_groups_choose(&q, &menu);
                CHECK(menu.n_groups >= 1 && menu.n_groups <= FR_MAX_GROUPS);
                int32_t whole = menu.groups[menu.n_groups - 1];
                CHECK(whole >= inputs && (int64_t)whole * 8 <= inputs * 9);
                for (int32_t g = 0; g < menu.n_groups; g++)
                    CHECK(menu.groups[g] >= 1 && whole % menu.groups[g] == 0);
            }
}

TEST(a_batch_too_large_for_the_memory_is_taken_in_parts) {
    fr_group_question q = gpu(1 << 20, 2, 4, 160000);
    fr_menu menu = {.n_groups = 0};
    q.memory_bytes = (uint64_t)16 << 30;
    fr_groups_choose(&q, &menu);
    int64_t whole = menu.groups[menu.n_groups - 1];
    CHECK(whole < 1 << 14 && whole > 1 << 12);
    q.memory_bytes = 1;
    fr_groups_choose(&q, &menu);
    CHECK_GROUPS(&menu, 1);
}

TEST(an_input_is_as_large_as_its_largest_step) {
    fr_step_item items[2] = {{.step = {.n_src = 1}}, {.step = {.n_src = 2}}};
    fr_steps steps = {.items = items, .n_items = 2};
    items[0].step.src[0] = (fr_tensor){.c = 3, .h = 10, .w = 10, .dtype = FR_U8};
    items[0].step.dst = items[1].step.src[0] = items[1].step.src[1] =
        (fr_tensor){.c = 4, .h = 10, .w = 10, .dtype = FR_F16};
    items[1].step.dst = (fr_tensor){.c = 4, .h = 5, .w = 5, .dtype = FR_F32};
    CHECK_INT(fr_group_input_bytes(&steps), 800 + 800 + 400);
}

CHECK_MAIN

TEST(large_weights_are_fetched_again) {
    fr_step fc = {
        .kind = FR_STEP_FC, .n_src = 1, .src = {{.c = 64, .h = 25, .w = 25}}, .dst = {.c = 32, .h = 1, .w = 1}};
    CHECK_NEAR(fr_step_weight_numbers(&fc), 64 * 625 * 32, 0);
    fr_step conv = {
        .kind = FR_STEP_CONV, .n_src = 1, .src = {{.c = 64}}, .dst = {.c = 32}, .win = {.kh = 3, .kw = 5}, .groups = 4};
    CHECK_NEAR(fr_step_weight_numbers(&conv), 15 * 16 * 32, 0);
    CHECK(fr_weights_stay(1e6, 16e6) && !fr_weights_stay(4.1e6, 16e6));
    CHECK(fr_weights_stay(1e9, 0)); /* nothing is known of the cache */
}
