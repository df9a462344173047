#include "base/json.h"

#include <locale.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/number.h"
#include "base/status.h"
#include "check.h"

static const char sample[] =
    "{ \"name\": \"v1 \\\"quoted\\\" \\u00e9\\ud83d\\ude00\", \"fold\": 4, \"ok\": true, \"none\": null,\n"
    "  \"rate\": -1.25e-3, \"empty\": {}, \"rows\": [1, [2, [3]], {\"a\": [], \"b\": \"\xc3\xa9\"}] }";

static fr_status parse(const char *text, fr_json_doc **doc) {
    return fr_json_parse(text, strlen(text), doc);
}

/* The status of a text that must not be read; its document is freed should it be read after all. */
static fr_status refused(const char *text, size_t bytes) {
    fr_json_doc *doc;
    fr_status status = fr_json_parse(text, bytes, &doc);
    fr_json_free(doc);
    return status;
}

TEST(reads_every_kind) {
    fr_json_doc *doc;
    CHECK_OK(parse(sample, &doc));
    const fr_json *root = fr_json_root(doc);
    CHECK_INT(root->kind, FR_JSON_OBJECT);
    CHECK_INT(root->count, 7);
    CHECK_TEXT(fr_json_string(root, "name", ""), "v1 \"quoted\" \xc3\xa9\xf0\x9f\x98\x80");
    CHECK_INT(fr_json_number(root, "fold", 0), 4);
    CHECK(fr_json_number(root, "rate", 0) == -1.25e-3);
    CHECK(fr_json_bool(root, "ok", false));
    CHECK_INT(fr_json_get(root, "none")->kind, FR_JSON_NULL);
    CHECK_INT(fr_json_get(root, "empty")->count, 0);
    const fr_json *rows = fr_json_get(root, "rows");
    CHECK_INT(rows->count, 3);
    CHECK_INT(fr_json_at(fr_json_at(fr_json_at(rows, 1), 1), 0)->number, 3);
    CHECK_TEXT(fr_json_string(fr_json_at(rows, 2), "b", ""), "\xc3\xa9");
    CHECK(fr_json_at(rows, 3) == NULL);
    fr_json_free(doc);
}

TEST(falls_back_where_absent_or_of_another_kind) {
    fr_json_doc *doc;
    CHECK_OK(parse("{\"a\": \"text\", \"b\": 1}", &doc));
    const fr_json *root = fr_json_root(doc);
    CHECK_INT(fr_json_number(root, "a", -7), -7);
    CHECK_TEXT(fr_json_string(root, "b", "no"), "no");
    CHECK(fr_json_bool(root, "c", true));
    CHECK(fr_json_get(fr_json_get(root, "b"), "x") == NULL);
    CHECK(fr_json_at(root, 0) == NULL);
    CHECK(fr_json_get(NULL, "x") == NULL);
    fr_json_free(doc);
}

TEST(last_of_a_key_given_twice_counts) {
    fr_json_doc *doc;
    CHECK_OK(parse("{\"a\": 1, \"b\": 2, \"a\": 3}", &doc));
    CHECK_INT(fr_json_number(fr_json_root(doc), "a", 0), 3);
    CHECK_INT(fr_json_root(doc)->count, 3);
    fr_json_free(doc);
}

TEST(cut_at_every_byte_is_refused) {
    uint64_t live = fr_alloc_read().live_blocks;
    for (size_t bytes = 0; bytes < sizeof sample - 1; bytes++) {
        char *exact = malloc(bytes ? bytes : 1); /* of its size, so that a sanitizer sees a read past it */
        memcpy(exact, sample, bytes);
        fr_status status = refused(exact, bytes);
        free(exact);
        CHECK_INT(status, FR_INVALID);
        CHECK_HAS(fr_error_sentence(), "line ");
    }
    CHECK_INT(fr_alloc_read().live_blocks, live);
}

TEST(every_changed_byte_is_read_or_refused) {
    fr_random random = {42};
    for (int round = 0; round < 20000; round++) {
        char copy[sizeof sample];
        memcpy(copy, sample, sizeof sample);
        size_t at = (size_t)(fr_random_next(&random) % (sizeof sample - 1));
        copy[at] = (char)fr_random_next(&random);
        fr_status status = refused(copy, sizeof sample - 1);
        CHECK(status == FR_OK || status == FR_INVALID);
    }
}

TEST(refuses_what_the_grammar_refuses) {
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "[1 2]",
                                      "[1],",
                                      "nul",
                                      "truee",
                                      "'a'",
                                      "01",
                                      "-",
                                      "+1",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "1e+",
                                      "0x10",
                                      "NaN",
                                      "Infinity",
                                      "1e999",
                                      "-1e999",
                                      "\"\\x\"",
                                      "\"\\u12g4\"",
                                      "\"\\u0000\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"a\nb\"",
                                      "\"\x01\"",
                                      "\"\xff\"",
                                      "\"\xc0\x80\"",
                                      "\"\xed\xa0\x80\"",
                                      "\"\xf4\x90\x80\x80\"",
                                      "\"\xc3\"",
                                      "\xef\xbb\xbf{}",
                                      "[1]x",
                                      "{\"a\" 1}",
                                      "{\"a\"}",
                                      "-01",
                                      "[-]",
                                      "\"\\ud83d\\u\""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (refused(bad[i], strlen(bad[i])) != FR_INVALID)
            fprintf(stderr, "accepted: %s\n", bad[i]);
        CHECK_INT(refused(bad[i], strlen(bad[i])), FR_INVALID);
    }
    CHECK_INT(refused("\"a\0b\"", 5), FR_INVALID);
    CHECK_INT(refused("[1\0]", 4), FR_INVALID);
}

TEST(says_where) {
    CHECK_INT(refused("{\n \"\xc3\xa9\": @}", 10), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "line 2, column 7");
    CHECK_INT(refused("[1,", 3), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "ends too early");
    CHECK_INT(refused("1e999", 5), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "not a number that a double holds");
}

static fr_status parse_nested(size_t depth, char opening, char closing) {
    char text[256];
    memset(text, opening, depth);
    memset(text + depth, closing, depth);
    return refused(text, 2 * depth);
}

TEST(nests_64_deep_and_no_deeper) {
    CHECK_INT(parse_nested(64, '[', ']'), FR_OK);
    CHECK_INT(parse_nested(65, '[', ']'), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "64 levels");
    size_t bytes = 1000000;
    char *text = malloc(bytes);
    memset(text, '[', bytes);
    CHECK_INT(refused(text, bytes), FR_INVALID);
    free(text);
}

TEST(out_of_memory_is_said_and_nothing_leaks) {
    uint64_t live = fr_alloc_read().live_blocks;
    char text[9000];
    memset(text, 'x', sizeof text);
    text[0] = text[sizeof text - 1] = '"';
    for (uint64_t nth = 1; nth <= 3; nth++) {
        fr_alloc_fail_at(nth);
        CHECK_INT(refused(text, sizeof text), FR_NO_MEMORY);
        CHECK_HAS(fr_error_sentence(), "out of memory: ");
    }
    fr_alloc_fail_at(0);
    CHECK_INT(fr_alloc_read().live_blocks, live);
}

static void write_sample(fr_json_writer *w) {
    fr_json_begin_object(w);
    fr_json_string_member(w, "text", "a\"\\\n\x01\xc3\xa9");
    fr_json_int_member(w, "big", INT64_MIN);
    fr_json_number_member(w, "nan", (double)NAN);
    fr_json_bool_member(w, "yes", true);
    fr_json_key(w, "rows");
    fr_json_begin_array(w);
    fr_json_put_number(w, 0.1);
    fr_json_begin_object(w);
    fr_json_end_object(w);
    fr_json_put_string(w, NULL);
    fr_json_begin_array(w);
    fr_json_end_array(w);
    fr_json_end_array(w);
    fr_json_end_object(w);
}

TEST(writes_compact_and_pretty) {
    fr_json_writer compact = {0}, pretty = {.indent = 2};
    write_sample(&compact);
    CHECK_TEXT(compact.text.data,
               "{\"text\":\"a\\\"\\\\\\n\\u0001\xc3\xa9\",\"big\":-9223372036854775808,\"nan\":null,\"yes\":true,"
               "\"rows\":[0.1,{},null,[]]}");
    write_sample(&pretty);
    CHECK_TEXT(pretty.text.data,
               "{\n  \"text\": \"a\\\"\\\\\\n\\u0001\xc3\xa9\",\n  \"big\": -9223372036854775808,\n  \"nan\": null,\n"
               "  \"yes\": true,\n  \"rows\": [\n    0.1,\n    {},\n    null,\n    []\n  ]\n}");
    fr_json_doc *doc;
    CHECK_OK(parse(pretty.text.data, &doc));
    CHECK_TEXT(fr_json_string(fr_json_root(doc), "text", ""), "a\"\\\n\x01\xc3\xa9");
    fr_json_free(doc);
    fr_text_free(&compact.text);
    fr_text_free(&pretty.text);
}

TEST(any_bytes_become_a_document_that_reads_back) {
    fr_random random = {7};
    for (int round = 0; round < 2000; round++) {
        char value[40];
        size_t length = (size_t)(fr_random_next(&random) % sizeof value);
        for (size_t i = 0; i < length; i++)
            value[i] = (char)(fr_random_next(&random) % 255 + 1);
        value[length < sizeof value ? length : sizeof value - 1] = '\0';
        fr_json_writer w = {0};
        fr_json_put_string(&w, value);
        fr_json_doc *doc;
        fr_status status = fr_json_parse(w.text.data, w.text.length, &doc);
        fr_text_free(&w.text);
        fr_json_free(doc);
        CHECK_OK(status);
    }
}

static bool reads_back(double value) {
    char text[FR_NUMBER_TEXT];
    double back;
    size_t length = fr_number_text(value, text);
    return length == strlen(text) && fr_number_parse(text, length, &back) && memcmp(&back, &value, sizeof back) == 0;
}

TEST(numbers_are_short_and_exact) {
    static const struct {
        double value;
        const char *text;
    } known[] = {{0, "0"},
                 {-0.0, "-0"},
                 {1, "1"},
                 {-1.5, "-1.5"},
                 {0.1, "0.1"},
                 {1e22, "1e22"},
                 {123456789012, "123456789012"},
                 {100, "100"},
                 {0.00001234, "0.00001234"},
                 {1.5e-7, "1.5e-7"},
                 {5e-324, "5e-324"},
                 {1.7976931348623157e308, "1.7976931348623157e308"},
                 {0.30000000000000004, "0.30000000000000004"},
                 {12345.678, "12345.678"},
                 {1e16, "10000000000000000"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char text[FR_NUMBER_TEXT];
        fr_number_text(known[i].value, text);
        CHECK_TEXT(text, known[i].text);
        CHECK(reads_back(known[i].value));
    }
    fr_random random = {1};
    for (int round = 0; round < 20000; round++) {
        uint64_t bits = fr_random_next(&random);
        double value;
        memcpy(&value, &bits, sizeof value);
        CHECK(!isfinite(value) || reads_back(value));
    }
}

/* A locale with a decimal comma: one of the system's, or one made for the occasion. */
static bool use_decimal_comma(void) {
    if (setlocale(LC_ALL, "de_DE.UTF-8"))
        return true;
    if (system("localedef -i de_DE -f UTF-8 " FOLDRUN_BUILD_DIR "/de_DE.UTF-8 >/dev/null 2>&1") != 0)
        return false;
    setenv("LOCPATH", FOLDRUN_BUILD_DIR, 1);
    return setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
}

TEST(numbers_do_not_follow_the_locale) {
    if (!use_decimal_comma())
        SKIP("no locale with a decimal comma can be had");
    char text[FR_NUMBER_TEXT], comma[8];
    double back = 0;
    snprintf(comma, sizeof comma, "%.1f", 0.5);
    fr_number_text(1234.5, text);
    bool right = strcmp(text, "1234.5") == 0 && fr_number_parse("0.25", 4, &back) && back == 0.25;
    setlocale(LC_ALL, "C");
    CHECK_TEXT(comma, "0,5");
    CHECK(right);
}

CHECK_MAIN
