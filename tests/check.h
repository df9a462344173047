/* A small harness: TEST(name) { CHECK(...); } and CHECK_MAIN at the end. Exit code 1 when a check failed, 77 = all skipped. */
#ifndef FR_TESTS_CHECK_H
#define FR_TESTS_CHECK_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct check_case {
    const char *name;
    void (*run)(void);
    struct check_case *next;
} check_case;
static check_case *check_first, **check_tail = &check_first;
static int check_failures, check_count, check_skips;
static bool check_skipped;

/* How often the text has the part. */
static inline int check_occurrences(const char *text, const char *part) {
    int count = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}

#define TEST(id)                                                   \
    static void test_##id(void);                                   \
    static check_case case_##id = {#id, test_##id, NULL};          \
    __attribute__((constructor)) static void register_##id(void) { \
        *check_tail = &case_##id;                                  \
        check_tail = &case_##id.next;                              \
    }                                                              \
    static void test_##id(void)

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
            check_failures++;                                                       \
            return;                                                                 \
        }                                                                           \
    } while (0)
#define CHECK_OK(call)                                                                          \
    do {                                                                                        \
        fr_status check_status_ = (call);                                                       \
        if (check_status_ != FR_OK) {                                                           \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, fr_error_sentence()); \
            check_failures++;                                                                   \
            return;                                                                             \
        }                                                                                       \
    } while (0)
#define CHECK_INT(got, want)                                                                                     \
    do {                                                                                                         \
        long long check_got_ = (long long)(got), check_want_ = (long long)(want);                                \
        if (check_got_ != check_want_) {                                                                         \
            fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #got, check_got_, check_want_); \
            check_failures++;                                                                                    \
            return;                                                                                              \
        }                                                                                                        \
    } while (0)
#define CHECK_TEXT(got, want)                                                              \
    do {                                                                                   \
        const char *check_got_ = (got), *check_want_ = (want);                             \
        if (!check_got_ || strcmp(check_got_, check_want_) != 0) {                         \
            fprintf(stderr, "%s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #got, \
                    check_got_ ? check_got_ : "(null)", check_want_);                      \
            check_failures++;                                                              \
            return;                                                                        \
        }                                                                                  \
    } while (0)
#define CHECK_HAS(text, part)                                                          \
    do {                                                                               \
        const char *check_text_ = (text), *check_part_ = (part);                       \
        if (!check_text_ || !strstr(check_text_, check_part_)) {                       \
            fprintf(stderr, "%s:%d: \"%s\" does not say \"%s\"\n", __FILE__, __LINE__, \
                    check_text_ ? check_text_ : "(null)", check_part_);                \
            check_failures++;                                                          \
            return;                                                                    \
        }                                                                              \
    } while (0)
#define CHECK_NEAR(got, want, tolerance)                                                                           \
    do {                                                                                                           \
        double check_got_ = (double)(got), check_want_ = (double)(want);                                           \
        if (!(fabs(check_got_ - check_want_) <= (double)(tolerance))) {                                            \
            fprintf(stderr, "%s:%d: %s is %.17g, not %.17g\n", __FILE__, __LINE__, #got, check_got_, check_want_); \
            check_failures++;                                                                                      \
            return;                                                                                                \
        }                                                                                                          \
    } while (0)
#define SKIP(reason)                    \
    do {                                \
        printf("skip: %s\n", (reason)); \
        check_skipped = true;           \
        return;                         \
    } while (0)

static int check_main(int argc, char **argv) {
    for (check_case *c = check_first; c; c = c->next) {
        if (argc > 1 && strcmp(argv[1], c->name) != 0)
            continue;
        int before = check_failures;
        check_skipped = false;
        c->run();
        check_count++;
        check_skips += check_skipped;
        printf("%s %s\n", check_failures > before ? "FAIL" : check_skipped ? "skip" : "ok  ", c->name);
    }
    printf("%d tests, %d failed, %d skipped\n", check_count, check_failures, check_skips);
    if (check_failures > 0 || check_count == 0)
        return 1;
    return check_skips == check_count ? 77 : 0;
}

#define CHECK_MAIN                     \
    int main(int argc, char **argv) {  \
        return check_main(argc, argv); \
    }

#endif
