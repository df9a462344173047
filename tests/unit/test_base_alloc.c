#include "base/alloc.h"

#include <pthread.h>

#include "base/status.h"
#include "check.h"

TEST(blocks_are_aligned_zeroed_and_counted) {
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4096, 1000003};
    fr_alloc_use before = fr_alloc_read();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *block = fr_alloc(sizes[i]);
        CHECK(block != NULL);
        CHECK_INT((uintptr_t)block % 64, 0);
        for (size_t at = 0; at < sizes[i]; at++)
            CHECK_INT(block[at], 0);
        memset(block, 0xff, sizes[i]);
        fr_alloc_use now = fr_alloc_read();
        CHECK_INT(now.live_bytes - before.live_bytes, sizes[i]);
        CHECK_INT(now.live_blocks - before.live_blocks, 1);
        CHECK(now.peak_bytes >= before.live_bytes + sizes[i]);
        fr_free(block);
    }
    CHECK_INT(fr_alloc_read().live_bytes, before.live_bytes);
    CHECK_INT(fr_alloc_read().live_blocks, before.live_blocks);
    CHECK_INT(fr_alloc_read().calls - before.calls, sizeof sizes / sizeof sizes[0]);
    fr_free(NULL);
}

TEST(impossible_sizes_are_null) {
    size_t out;
    CHECK(fr_alloc(SIZE_MAX) == NULL);
    CHECK(fr_alloc(PTRDIFF_MAX) == NULL);
    CHECK(fr_alloc_array(SIZE_MAX / 2, 3) == NULL);
    CHECK(!fr_size_mul(SIZE_MAX, 2, &out));
    CHECK(!fr_size_add(SIZE_MAX, 1, &out));
    CHECK(fr_size_mul(SIZE_MAX / 4, 4, &out) && out == SIZE_MAX - 3);
    CHECK(fr_size_add(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX);
}

TEST(grows_and_shrinks) {
    int *numbers = fr_alloc_array(3, sizeof *numbers);
    for (int i = 0; i < 3; i++)
        numbers[i] = i + 1;
    numbers = fr_grow_array(numbers, 3, 100, sizeof *numbers);
    CHECK(numbers && numbers[2] == 3 && numbers[3] == 0 && numbers[99] == 0);
    numbers = fr_grow_array(numbers, 100, 2, sizeof *numbers);
    CHECK(numbers && numbers[1] == 2);
    CHECK(fr_grow_array(numbers, 2, SIZE_MAX, sizeof *numbers) == NULL);
    fr_alloc_fail_at(1);
    CHECK(fr_grow_array(numbers, 2, 4, sizeof *numbers) == NULL);
    CHECK_INT(numbers[1], 2);
    fr_free(numbers);
    numbers = fr_grow_array(NULL, 0, 1, sizeof *numbers);
    CHECK(numbers && numbers[0] == 0);
    fr_free(numbers);
}

TEST(the_call_asked_for_fails_once) {
    fr_alloc_fail_at(3);
    void *first = fr_alloc(1), *second = fr_alloc(1), *third = fr_alloc(1), *fourth = fr_alloc(1);
    bool right = first && second && !third && fourth;
    fr_free(first);
    fr_free(second);
    fr_free(fourth);
    CHECK(right);
    fr_alloc_fail_at(1);
    fr_alloc_fail_at(0);
    void *block = fr_alloc(1);
    CHECK(block != NULL);
    fr_free(block);
}

TEST(texts) {
    char *copy = fr_strdup("abc"), *made = fr_format("%s-%d", "x", 42);
    CHECK_TEXT(copy, "abc");
    CHECK_TEXT(made, "x-42");
    fr_free(copy);
    fr_free(made);
    CHECK(fr_strdup(NULL) == NULL);
    fr_alloc_fail_at(1);
    CHECK(fr_format("%d", 1) == NULL);
    CHECK_INT(fr_no_memory(123, "a test"), FR_NO_MEMORY);
    CHECK_TEXT(fr_error_sentence(), "out of memory: 123 bytes for a test");
}

enum { THREADS = 4, ROUNDS = 2000 };

static void *churn(void *failures) {
    for (size_t i = 0; i < ROUNDS; i++) {
        void *block = fr_alloc(i % 200);
        if (!block)
            __atomic_add_fetch((int *)failures, 1, __ATOMIC_RELAXED);
        fr_free(block);
    }
    return NULL;
}

TEST(threads_share_the_counters_and_one_failure) {
    pthread_t threads[THREADS];
    int failures = 0;
    fr_alloc_use before = fr_alloc_read();
    fr_alloc_fail_at(THREADS * ROUNDS / 2);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, churn, &failures), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(failures, 1);
    CHECK_INT(fr_alloc_read().live_bytes, before.live_bytes);
    CHECK_INT(fr_alloc_read().calls - before.calls, THREADS * ROUNDS);
}

CHECK_MAIN
