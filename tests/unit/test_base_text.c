#include "base/text.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/status.h"
#include "check.h"

static const char *const zoo[] = {"v1",       "v2",       "n1",           "alexnet",   "vgg16",
                                  "resnet18", "resnet50", "mobilenet-v1", "squeezenet"};

static const char *nearest(const char *wrong) {
    return fr_nearest_name(wrong, zoo, sizeof zoo / sizeof zoo[0]);
}

TEST(nearest_name) {
    CHECK_TEXT(nearest("resnet81"), "resnet18");
    CHECK_TEXT(nearest("resnet-18"), "resnet18");
    CHECK_TEXT(nearest("Vgg16"), "vgg16");
    CHECK_TEXT(nearest("v7"), "v1");
    CHECK_TEXT(nearest("mobilnet-v1"), "mobilenet-v1");
    CHECK_TEXT(nearest("squeeznet"), "squeezenet");
    CHECK(nearest("") == NULL);
    CHECK(nearest("x") == NULL);
    CHECK(nearest("tomato") == NULL);
    CHECK(nearest("a-name-that-is-much-longer-than-any-name-in-any-list-of-names-there-ever-was") == NULL);
    CHECK(fr_nearest_name("v1", NULL, 0) == NULL);
}

TEST(natural_order) {
    CHECK(fr_natural_compare("a2.png", "a10.png") < 0);
    CHECK(fr_natural_compare("a10.png", "a2.png") > 0);
    CHECK(fr_natural_compare("a007", "a7") != 0);
    CHECK(fr_natural_compare("a007b", "a8a") < 0);
    CHECK(fr_natural_compare("x", "x1") < 0);
    CHECK(fr_natural_compare("x99999999999999999999998", "x99999999999999999999999") < 0);
    CHECK_INT(fr_natural_compare("same5", "same5"), 0);
}

TEST(names_are_sorted_as_people_would) {
    char a[] = "a10", b[] = "a2", c[] = "a1";
    char *names[] = {a, b, c};
    fr_natural_sort(names, 3);
    CHECK(names[0] == c && names[1] == b && names[2] == a);
    fr_natural_sort(NULL, 0);
}

TEST(endings_count_behind_something) {
    CHECK(fr_ends_in("v1.onnx", ".onnx") && fr_ends_in("V1.ONNX", ".onnx"));
    CHECK(!fr_ends_in(".onnx", ".onnx") && !fr_ends_in("onnx", ".onnx") && !fr_ends_in("v1.onnx.part", ".onnx"));
}

TEST(lines_come_one_by_one) {
    static const struct {
        const char *text;
        size_t lengths[4];
        int count;
    } cases[] = {{"", {0}, 0}, {"one", {3}, 1}, {"one\n", {3}, 1}, {"\nb\n\nlast", {0, 1, 0, 4}, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *at = cases[i].text, *line;
        size_t length;
        int count = 0;
        for (; fr_next_line(&at, &line, &length); count++)
            CHECK(count < cases[i].count && length == cases[i].lengths[count]);
        CHECK_INT(count, cases[i].count);
    }
    const char *none = NULL, *line;
    size_t length;
    CHECK(!fr_next_line(&none, &line, &length));
}

TEST(text_grows) {
    fr_text text = {0};
    for (int i = 0; i < 1000; i++)
        fr_text_add(&text, "%d,", i);
    fr_text_add_bytes(&text, "end", 3);
    CHECK(!text.failed);
    CHECK_INT(text.length, 10 * 2 + 90 * 3 + 900 * 4 + 3);
    CHECK_INT(strlen(text.data), text.length);
    CHECK_HAS(text.data, "998,999,end");
    fr_text_free(&text);
    CHECK(text.data == NULL);
    fr_text_free(NULL);
}

TEST(text_fails_once_for_good) {
    fr_text text = {0};
    fr_text_add(&text, "kept");
    fr_alloc_fail_at(1);
    fr_text_add(&text, "%500d", 1);
    CHECK(text.failed);
    fr_text_add(&text, "x");
    CHECK_TEXT(text.data, "kept");
    fr_text_free(&text);
}

TEST(utf8) {
    CHECK_INT(fr_utf8_length("a", 1), 1);
    CHECK_INT(fr_utf8_length("\xc3\xa9", 2), 2);
    CHECK_INT(fr_utf8_length("\xe2\x82\xac", 3), 3);
    CHECK_INT(fr_utf8_length("\xf0\x9f\x98\x80", 4), 4);
    CHECK_INT(fr_utf8_length("\xf0\x9f\x98\x80", 3), 0);
    CHECK_INT(fr_utf8_length("\xed\xa0\x80", 3), 0);
    CHECK_INT(fr_utf8_length("\xe0\x80\x80", 3), 0);
    CHECK_INT(fr_utf8_length("\x80", 1), 0);
    CHECK_INT(fr_utf8_length("", 0), 0);
}

static fr_status fail_here(const char *what) {
    return fr_fail(FR_INVALID, "conv '%s': input has %d channels, weights want %d", what, 5, 3);
}

TEST(errors_carry_a_sentence_and_a_place) {
    int line = 0;
    CHECK_INT(fail_here("c3"), FR_INVALID);
    CHECK_TEXT(fr_error_sentence(), "conv 'c3': input has 5 channels, weights want 3");
    CHECK_HAS(fr_error_place(&line), "test_base_text.c");
    CHECK(line > 0);
    CHECK_INT(fr_fail_within(FR_UNSUPPORTED, "model %s", "m.onnx"), FR_UNSUPPORTED);
    CHECK_TEXT(fr_error_sentence(), "model m.onnx: conv 'c3': input has 5 channels, weights want 3");
    CHECK_INT(fr_fail(FR_IO, "again: %s", fr_error_sentence()), FR_IO);
    CHECK_TEXT(fr_error_sentence(), "again: model m.onnx: conv 'c3': input has 5 channels, weights want 3");
    (void)fail_here("a\nb\x1b[31m");
    CHECK_TEXT(fr_error_sentence(), "conv 'a b?[31m': input has 5 channels, weights want 3");
    CHECK_TEXT(fr_status_word(FR_UNSUPPORTED), "unsupported");
    CHECK_TEXT(fr_status_word((fr_status)99), "unknown");
}

TEST(long_sentences_are_cut_between_characters) {
    char name[1200];
    for (size_t i = 0; i < sizeof name - 1; i += 2)
        memcpy(name + i, "\xc3\xa9", 2);
    name[sizeof name - 2] = '\0';
    for (int shift = 0; shift < 2; shift++) {
        (void)fr_fail(FR_INVALID, "%s%s", shift ? "x" : "", name);
        size_t length = strlen(fr_error_sentence());
        CHECK(length >= 998 && length <= 1000);
        CHECK_INT((unsigned char)fr_error_sentence()[length - 1], 0xa9);
    }
    for (size_t length = 990; length < 1010; length++) {
        memset(name, 'w', length);
        name[length] = '\0';
        (void)fr_fail(FR_INVALID, "inner");
        (void)fr_fail_within(FR_INVALID, "%s", name);
        CHECK(strlen(fr_error_sentence()) <= 1000);
        CHECK_INT(strlen(fr_error_sentence()), length + 7 < 1000 ? length + 7 : 1000);
    }
}

static void *fail_elsewhere(void *unused) {
    (void)unused;
    (void)fr_fail(FR_IO, "elsewhere");
    return NULL;
}

TEST(each_thread_has_its_own_record) {
    pthread_t thread;
    (void)fr_fail(FR_INVALID, "mine");
    CHECK_INT(pthread_create(&thread, NULL, fail_elsewhere, NULL), 0);
    pthread_join(thread, NULL);
    CHECK_TEXT(fr_error_sentence(), "mine");
}

TEST(hashes_differ_and_stay) {
    char hex[33], first[33];
    fr_hash seed = {1, 2};
    fr_hash_hex(fr_hash_bytes("foldrun", 7, seed), first);
    CHECK_INT(strlen(first), 32);
    CHECK_TEXT(first, "071db50fb9f75a1d4a068cc7ce7a3eaf");
    static const char zeros[64];
    for (size_t a = 0; a < 64; a++)
        for (size_t b = a + 1; b < 64; b++) {
            fr_hash x = fr_hash_bytes(zeros, a, seed), y = fr_hash_bytes(zeros, b, seed);
            CHECK(x.a != y.a && x.b != y.b);
        }
    fr_hash_hex(fr_hash_bytes("foldrun", 7, (fr_hash){1, 3}), hex);
    CHECK(strcmp(hex, first) != 0);
}

TEST(one_bit_changes_half_of_the_hash) {
    unsigned char data[24] = {0};
    int total = 0;
    fr_hash base = fr_hash_bytes(data, sizeof data, (fr_hash){0, 0});
    for (int bit = 0; bit < 192; bit++) {
        data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        fr_hash h = fr_hash_bytes(data, sizeof data, (fr_hash){0, 0});
        data[bit / 8] ^= (unsigned char)(1 << bit % 8);
        int changed = __builtin_popcountll(h.a ^ base.a) + __builtin_popcountll(h.b ^ base.b);
        CHECK(changed > 30 && changed < 98);
        total += changed;
    }
    CHECK_NEAR(total / 192.0, 64, 2);
}

TEST(random_numbers_are_the_same_everywhere) {
    fr_random random = {0};
    CHECK(fr_random_next(&random) == 0xe220a8397b1dcdafu); /* SplitMix64's published first number for seed 0 */
    double sum = 0, squares = 0;
    enum { COUNT = 200000 };
    for (int i = 0; i < COUNT; i++) {
        double x = fr_random_normal(&random);
        CHECK((double)(float)x == x);
        sum += x;
        squares += x * x;
    }
    CHECK_NEAR(sum / COUNT, 0, 0.01);
    CHECK_NEAR(squares / COUNT, 1, 0.02);
    for (int i = 0; i < 1000; i++) {
        double u = fr_random_uniform(&random);
        CHECK(u >= 0 && u < 1);
    }
}

static char last_line[1024];
static int lines, last_level;

static void take_line(void *user, int level, const char *line) {
    CHECK(user == &lines);
    snprintf(last_line, sizeof last_line, "%s", line);
    last_level = level;
    lines++;
    fr_log(FR_LOG_ERROR, "from inside the callback: dropped");
    if (strcmp(line, "stop") == 0)
        fr_log_to(NULL, NULL, 0);
}

TEST(log_lines_reach_the_callback_by_level) {
    fr_log(FR_LOG_ERROR, "nobody listens");
    fr_log_to(take_line, &lines, FR_LOG_INFO);
    fr_log(FR_LOG_INFO, "info %d", 7);
    CHECK_INT(lines, 1);
    CHECK_TEXT(last_line, "info 7");
    CHECK_INT(last_level, FR_LOG_INFO);
    fr_log(FR_LOG_DEBUG, "too fine");
    CHECK_INT(lines, 1);
    fr_log(FR_LOG_ERROR, "stop");
    fr_log(FR_LOG_ERROR, "after");
    CHECK_INT(lines, 2);
}

TEST(clock_does_not_go_back) {
    uint64_t before = fr_clock_ns();
    CHECK(before > 0 && fr_clock_ns() >= before);
}

CHECK_MAIN
