/* The report's pictures, from made-up comparisons: the code is the command's own. They are kept in charts_views.html, to look at. */
#include "check.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "cli/report.h"
#include "cli/report_charts.h"
#include "cli/svg.h"
#include "foldrun/planner.h"
#include "plan/probe.h"

enum { MOST_ROWS = 10000, DEVICES = 3, LAYERS = 4 };
static cmp_row rows[MOST_ROWS];
static cmp_device devices[DEVICES];
static cmp_machine machine = {.id = "m1", .name = "a machine"};
static cmp_layer layers[MOST_ROWS][LAYERS];
static cmp_set set;
static fr_text page; /* of all pictures */

static void begin(void) {
    static const char *const ids[DEVICES] = {"cpu:0", "opencl:0", "vulkan:0"};
    memset(devices, 0, sizeof devices);
    for (int i = 0; i < DEVICES; i++) {
        cmp_device *d = &devices[i];
        snprintf(d->machine, sizeof d->machine, "m1");
        snprintf(d->id, sizeof d->id, "%s", ids[i]);
        snprintf(d->name, sizeof d->name, "A <made-up> device & one with a long name, number %d", i);
        d->bandwidth = 17e9;
        d->peak[FR_PRECISION_F32] = 210e9;
        d->peak[FR_PRECISION_BF16] = 494e9;
    }
    set = (cmp_set){.machines = &machine, .n_machines = 1, .devices = devices, .n_devices = DEVICES, .rows = rows};
}

static cmp_row *made(const char *model, const char *device, int32_t fold, int64_t batch, const char *precision,
                     double rate) {
    cmp_row *row = &rows[set.n_rows++];
    *row = (cmp_row){.fold = fold,
                     .batch = batch,
                     .copies = true,
                     .check = CMP_RIGHT,
                     .rate = {.median = rate, .low = 0.97 * rate, .high = 1.04 * rate},
                     .machine = "m1",
                     .engine = "foldrun",
                     .version = "0.1.0",
                     .round = "floor",
                     .schedule = "auto"};
    snprintf(row->model, sizeof row->model, "%s", model);
    snprintf(row->device, sizeof row->device, "%s", device);
    snprintf(row->precision, sizeof row->precision, "%s", precision);
    return row;
}

static void give_layers(cmp_row *row) {
    row->layers = layers[row - rows];
    row->n_layers = LAYERS;
    for (int i = 0; i < LAYERS; i++) {
        double wide = sqrt(row->fold), ops = 4e6 / (1 + i);
        row->layers[i] =
            (cmp_layer){.ns = ops / (20 + 9 * wide * (1 + i % 3)), .ops = ops, .bytes = ops / (3 + 7 * wide * (1 + i))};
        snprintf(row->layers[i].name, sizeof row->layers[i].name, "conv%d+relu", i + 1);
        snprintf(row->layers[i].kernel, sizeof row->layers[i].kernel, "a.kernel");
    }
    row->layers[LAYERS - 1].ops = 0; /* it only moves numbers */
}

/* A comparison as people make them: ten models, three devices and a peer, four folds, three batches, two precisions. */
static void make_usual(void) {
    static const char *const models[] = {"V1", "V2", "V3", "V4", "V5", "V6", "N1", "N2", "N3", "N4"};
    begin();
    for (int m = 0; m < 10; m++)
        for (int d = 0; d < DEVICES; d++)
            for (int fold = 1; fold <= 4; fold++)
                for (int batch = 64; batch <= 1024; batch *= 4)
                    for (int p = 0; p < 2; p++) {
                        double rate = (20000 - 1500 * m) / (1.0 + 2 * d) * (1 + 0.3 * p) * sqrt(fold) *
                                      (1 - 8.0 / batch) * (1 + 0.05 * ((m * 31 + fold * 17) % 7));
                        cmp_row *row = made(models[m], devices[d].id, fold, batch, p ? "bf16" : "f32", rate);
                        if (batch == 1024)
                            give_layers(row);
                    }
    for (int batch = 64; batch <= 1024; batch *= 4) {
        cmp_row *row = made("V1", "cpu:0", 1, batch, "f32", 7000 - batch);
        snprintf(row->engine, sizeof row->engine, "onnxruntime");
        snprintf(row->version, sizeof row->version, "1.23.2");
        row->check = CMP_UNCHECKED;
        row->n_visits = 2;
    }
}

/* ---- what is said of a picture ---- */

typedef struct box {
    double left, right, top, bottom;
    char words[128];
} box;

static double attribute(const char *element, const char *name) {
    const char *at = strstr(element, name);
    return at ? strtod(at + strlen(name), NULL) : NAN;
}

/* Where the words of a <text> lie; entities are a letter each. */
static box box_of(const char *element) {
    box b = {.top = attribute(element, " y=\"") - 8, .left = attribute(element, " x=\"")};
    const char *class = strstr(element, "class=\"") + 7, *words = strchr(element, '>') + 1;
    size_t length = 0, class_length = strcspn(class, "\"");
    char name[16];
    snprintf(name, sizeof name, "%.*s", (int)class_length, class);
    for (; *words != '<' && length + 1 < sizeof b.words; words++) {
        b.words[length++] = *words == '&' ? '?' : *words;
        if (*words == '&')
            words += strcspn(words, ";");
    }
    double width = svg_words_width(name, b.words);
    bool ends = strncmp(class + class_length, "\" text-anchor=\"end\"", 19) == 0;
    b.left -= ends ? width : strncmp(class + class_length, "\" text-anchor", 13) == 0 ? width / 2 : 0;
    b.right = b.left + width;
    b.bottom = b.top + 10;
    return b;
}

/* All words lie within the picture, and none upon others. */
static bool words_have_places(const char *text) {
    enum { MOST = 4096 };
    static box boxes[MOST];
    size_t count = 0;
    char *rest = strstr(text, "viewBox=\"") + 9;
    double x = strtod(rest, &rest), y = strtod(rest, &rest), width = strtod(rest, &rest), height = strtod(rest, &rest);
    for (const char *at = text; (at = strstr(at, "<text ")) != NULL && count < MOST; at++) {
        box *b = &boxes[count++];
        *b = box_of(at);
        if (!(b->left >= x - 1 && b->right <= x + width + 1 && b->top >= y && b->bottom <= y + height)) {
            fprintf(stderr, "\"%s\" at %.0f to %.0f, %.0f leaves %.0f x %.0f\n", b->words, b->left, b->right, b->top,
                    width, height);
            return false;
        }
        for (size_t i = 0; i + 1 < count; i++)
            if (boxes[i].left < b->right && b->left < boxes[i].right && boxes[i].top < b->bottom &&
                b->top < boxes[i].bottom) {
                fprintf(stderr, "\"%s\" lies upon \"%s\"\n", b->words, boxes[i].words);
                return false;
            }
    }
    return count > 0;
}

/* Well-formed as far as it goes, and no number that is none. */
static bool is_drawn(const char *text) {
    return check_occurrences(text, "<svg ") == 1 && check_occurrences(text, "</svg>") == 1 &&
           check_occurrences(text, "role=\"img\"") == 1 && strstr(text, "<title>") && strstr(text, "<desc>") &&
           !strstr(text, " id=") && !strstr(text, "<style") &&
           check_occurrences(text, "<g ") == check_occurrences(text, "</g>") &&
           check_occurrences(text, "<text") == check_occurrences(text, "</text>") && !strstr(text, "nan") &&
           !strstr(text, "inf");
}

static bool is_sound(const char *text) {
    return is_drawn(text) && words_have_places(text);
}

static void keep(const char *text) {
    if (page.length == 0)
        fr_text_add(&page, "<!doctype html><meta charset=\"utf-8\"><title>Charts</title><style>%s</style>\n",
                    svg_style());
    fr_text_add(&page, "<p>%s</p>\n", text);
    if (!page.failed && fr_file_write("charts_views.html", page.data, page.length) != FR_OK)
        fprintf(stderr, "%s\n", fr_error_sentence());
}

/* The picture that was drawn, until the next; "" for none. */
static const char *kept(fr_text *text) {
    static fr_text last;
    fr_text_free(&last);
    last = *text;
    *text = (fr_text){0};
    if (last.failed)
        return "out of memory";
    if (last.length > 0 && last.length < 400000)
        keep(last.data);
    return last.length > 0 ? last.data : "";
}

static const char *drawn(int which, const char *model) {
    fr_text out = {0};
    switch (which) {
    case 0: cmp_chart_rates(&set, model, &out); break;
    case 1: cmp_chart_speedups(&set, &out); break;
    case 2: cmp_chart_batches(&set, model, &out); break;
    case 3: cmp_chart_roofline(&set, &devices[0], &out); break;
    case 4: cmp_chart_staircase(&devices[0], &out); break;
    default: cmp_picture(&set, "A picture <by> itself", &out); break;
    }
    return kept(&out);
}

enum { PICTURES = 5, ALONE = 5 };

TEST(nothing_of_nothing) {
    begin();
    for (int i = 0; i < PICTURES; i++)
        CHECK_TEXT(drawn(i, NULL), "");
    made("V1", "cpu:0", 1, 64, "f32", 100)->failed = true;
    made("V1", "cpu:0", 2, 64, "f32", 100)->check = CMP_WRONG;
    for (int i = 0; i < PICTURES; i++)
        CHECK_TEXT(drawn(i, "V1"), "");
}

TEST(one_row) {
    begin();
    made("V1", "cpu:0", 1, 64, "f32", 1234);
    const char *text = drawn(0, "V1");
    CHECK(is_sound(text));
    CHECK_HAS(text, "1,234");
    CHECK_HAS(text, "foldrun 0.1.0 on cpu:0");
    CHECK_INT(check_occurrences(text, "class=\"bar "), 1);
    CHECK_TEXT(drawn(0, "V2"), "");
    for (int i = 1; i < PICTURES; i++)
        CHECK_TEXT(drawn(i, "V1"), "");
    give_layers(&rows[0]);
    text = drawn(3, NULL);
    CHECK(is_sound(text));
    CHECK_INT(check_occurrences(text, "<title>V1, f = 1"), LAYERS - 1);
    CHECK_HAS(text, "peak 210 GFLOP/s, memory 17.0 GB/s");
}

TEST(rates) {
    make_usual();
    const char *text = drawn(0, "V1");
    CHECK(is_sound(text));
    CHECK_INT(check_occurrences(text, "class=\"bar "), DEVICES * 4 * 2 + 1);
    CHECK_INT(check_occurrences(text, "class=\"range"), DEVICES * 4 * 2 + 1);
    CHECK_HAS(text, "onnxruntime 1.23.2 on cpu:0");
    CHECK_HAS(text, "(2 visits), unchecked");
    CHECK_HAS(text, "A &lt;made-up&gt; device &amp; one");
    CHECK_HAS(text, "f = 4, bf16, batch 1024");
    CHECK(!strstr(text, "batch 256")); /* not the best */
    CHECK(strstr(text, "on cpu:0") < strstr(text, "on vulkan:0"));
}

TEST(rows_without_copies_do_other_work) {
    begin();
    made("V1", "cpu:0", 1, 64, "f32", 100);
    made("V1", "cpu:0", 1, 64, "f32", 900)->copies = false;
    const char *text = drawn(0, "V1");
    CHECK(is_sound(text));
    CHECK_INT(check_occurrences(text, "class=\"bar "), 1);
    CHECK(!strstr(text, "900"));
    rows[0].copies = false;
    text = drawn(0, "V1");
    CHECK(is_sound(text));
    CHECK_HAS(text, "without copies");
}

TEST(batches) {
    make_usual();
    const char *text = drawn(2, "V1");
    CHECK(is_sound(text));
    CHECK_INT(check_occurrences(text, "class=\"line s0\""), 2 * DEVICES + 1 + 1); /* with the peer's and the legend's */
    CHECK_INT(check_occurrences(text, "class=\"band s3\""), 2 * DEVICES);
    CHECK_HAS(text, "foldrun 0.1.0 on cpu:0, bf16");
    CHECK_HAS(text, "images a batch");
    CHECK(!strstr(text, "f = 5"));
    begin();
    for (int fold = 1; fold <= 4; fold++)
        made("V1", "cpu:0", fold, 64, "f32", 100 * fold);
    CHECK_TEXT(drawn(2, "V1"), ""); /* one batch tells nothing of batches */
}

TEST(speedups) {
    make_usual();
    const char *text = drawn(1, NULL);
    CHECK(is_sound(text));
    CHECK_HAS(text, "foldrun 0.1.0 on vulkan:0, half precision");
    CHECK_HAS(text, "V5, f = 3: 1.42 times in the paper");
    CHECK_HAS(text, "N2, f = 4: 2.50 times in the paper");
    CHECK_INT(check_occurrences(text, " times in the paper"), 7 * 2 * DEVICES); /* V5, V6: three folds, N2: one */
    CHECK_INT(check_occurrences(text, "times ("), 10 * 3 * 2 * DEVICES);
    CHECK(strstr(text, ">N2<") < strstr(text, ">V1<"));
    CHECK(!strstr(text, ">f = 1<"));
    begin();
    made("V1", "cpu:0", 2, 64, "f32", 100);
    CHECK_TEXT(drawn(1, NULL), ""); /* nothing to compare it with */
    made("V1", "opencl:0", 1, 64, "f32", 100);
    CHECK_TEXT(drawn(1, NULL), "");
    made("V1", "cpu:0", 1, 64, "f32", 100);
    text = drawn(1, NULL);
    CHECK(is_sound(text));
    CHECK_HAS(text, "no difference is shown");
}

/* As a file of its own, it brings its style and a size; three panels stand beside each other. */
TEST(a_picture_by_itself) {
    begin();
    CHECK_TEXT(drawn(ALONE, NULL), "");
    make_usual();
    const char *text = drawn(ALONE, NULL);
    CHECK(words_have_places(text));
    CHECK_INT(check_occurrences(text, "<style>"), 1);
    CHECK_INT(check_occurrences(text, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-16 -16 1004 "), 1);
    CHECK_HAS(text, "width=\"1004\" height=\"");
    CHECK_HAS(text, "<title>A picture &lt;by&gt; itself</title>");
    CHECK_HAS(text, ">A picture &lt;by&gt; itself</text>");
    CHECK_HAS(text, "foldrun 0.1.0 on vulkan:0, half precision");
    CHECK_HAS(text, "(V100, half precision, batch 1,024)");
    for (size_t i = 0; i < set.n_rows; i++) /* one panel alone */
        rows[i].failed = strcmp(rows[i].device, "cpu:0") != 0 || strcmp(rows[i].precision, "f32") != 0;
    text = drawn(ALONE, NULL);
    CHECK(words_have_places(text));
    CHECK_HAS(text, "width=\"672\"");
    CHECK(!strstr(text, "vulkan"));
}

/* Rows that may be compared go before faster ones that may not: as in the tables. */
TEST(few_visits_go_last) {
    begin();
    made("V1", "cpu:0", 1, 64, "f32", 100);
    made("V1", "cpu:0", 2, 64, "f32", 150);
    made("V1", "cpu:0", 2, 256, "f32", 190)->n_visits = 1;
    const char *text = drawn(1, NULL);
    CHECK_HAS(text, "V1: 1.50 times");
    CHECK(!strstr(text, "1.90 times"));
    text = drawn(0, "V1");
    CHECK_HAS(text, "batch 64");
    CHECK(!strstr(text, "batch 256"));
}

TEST(published_ratios) {
    CHECK_NEAR(cmp_published_speedup("N2", 4), 2.5, 0);
    CHECK_NEAR(cmp_published_speedup("lol-time", 2), 1.08, 0);
    CHECK_NEAR(cmp_published_speedup("g64", 4), 1.59, 0);
    CHECK_NEAR(cmp_published_speedup("N2", 2), 0, 0);
    CHECK_NEAR(cmp_published_speedup("V5", 1), 0, 0);
    CHECK_NEAR(cmp_published_speedup("V5", 5), 0, 0);
    CHECK_NEAR(cmp_published_speedup("mine.onnx", 4), 0, 0);
}

TEST(rooflines) {
    make_usual();
    const char *text = drawn(3, NULL);
    CHECK(is_sound(text));
    CHECK_INT(check_occurrences(text, "class=\"limit\""), 2);
    CHECK_INT(check_occurrences(text, "% of the roof"), 2 * 10 * 4 * (LAYERS - 1));
    CHECK_HAS(text, "op/byte");
    devices[0].bandwidth = devices[0].peak[FR_PRECISION_F32] = 0;
    text = drawn(3, NULL);
    CHECK(is_sound(text));
    CHECK_HAS(text, "neither peak nor bandwidth are known");
    CHECK_INT(check_occurrences(text, "class=\"limit\""), 1);
    devices[0].peak[FR_PRECISION_F32] = 1e200; /* what a file may say */
    devices[0].bandwidth = 1e-200;
    CHECK(is_sound(drawn(3, NULL)));
    devices[0].peak[FR_PRECISION_F32] = NAN;
    devices[0].bandwidth = -1;
    CHECK(is_sound(drawn(3, NULL)));
}

/* A profile of one line, in tiles of 16 channels. */
static fr_status make_profile(const char *device, char **out_text) {
    fr_probe probe = {.kind = FR_DEVICE_CPU, .units = 1, .lanes = 1, .precisions = 1u << FR_PRECISION_F32};
    fr_status status = FR_OK;
    snprintf(probe.identity, sizeof probe.identity, "made");
    snprintf(probe.device, sizeof probe.device, "%s", device);
    for (int32_t c = 8; c <= 160 && status == FR_OK; c += 4) {
        double tiled = (c + 15) / 16 * 16;
        fr_probe_point p = {.line = FR_LINE_BOTH,
                            .kind = FR_STEP_CONV,
                            .precision = FR_PRECISION_F32,
                            .n = 8,
                            .c_in = c,
                            .c_out = c,
                            .h = 25,
                            .w = 25,
                            .kernel = 3,
                            .groups = 1,
                            .ns = 2000 + tiled * tiled * 90};
        status = fr_probe_add_point(&probe, &p);
    }
    if (status == FR_OK)
        status = fr_probe_write(&probe, out_text);
    fr_probe_free(&probe);
    return status;
}

TEST(staircases) {
    char *profile;
    fr_json_doc *doc;
    fr_device_report report;
    begin();
    CHECK_OK(make_profile("cpu:0", &profile));
    CHECK_OK(fr_profile_parse(profile, strlen(profile), &report));
    CHECK_INT(report.n_stairs, 1);
    CHECK_INT(report.stairs[0].quantum, 16);
    fr_device_report_free(&report);
    CHECK_INT(fr_profile_parse(profile, strlen(profile) - 2, &report), FR_INVALID);
    fr_device_report_free(&report);
    CHECK_OK(fr_json_parse(profile, strlen(profile), &doc));
    devices[0].profile_root = fr_json_root(doc);
    const char *text = drawn(4, NULL);
    CHECK(is_sound(text));
    CHECK_HAS(text, "Quantum 16 channels");
    CHECK_HAS(text, "Staircases of A &lt;made-up&gt;");
    fr_json_free(doc);
    CHECK_OK(fr_json_parse("{\"format\": 1}", 13, &doc));
    devices[0].profile_root = fr_json_root(doc); /* no profile of ours */
    CHECK_TEXT(drawn(4, NULL), "");
    fr_json_free(doc);
    fr_free(profile);
}

TEST(long_names_are_cut) {
    char words[] = "a long name", little[] = "WWW", dots[] = "\u00e9\u00e9\u00e9\u00e9\u00e9", none[] = "";
    chart_cut(words, "tick", svg_words_width("tick", words));
    CHECK_TEXT(words, "a long name");
    chart_cut(words, "tick", svg_words_width("tick", "eight   "));
    CHECK_TEXT(words, "a long\u2026");
    chart_cut(little, "tick", svg_words_width("tick", "WW"));
    CHECK_TEXT(little, "\u2026"); /* its array has no room for more */
    chart_cut(dots, "tick", svg_words_width("tick", "eee"));
    CHECK_TEXT(dots, "\u00e9\u00e9\u2026");
    chart_cut(none, "tick", -1);
    CHECK_TEXT(none, "");
}

static void fill(char *out, size_t bytes, char letter) {
    memset(out, letter, bytes - 1);
    out[bytes - 1] = '\0';
}

TEST(hostile_rows) {
    static const double values[] = {NAN, INFINITY, -1, 0, 1e-300, 1e300, 1.7e308, 5};
    enum { VALUES = sizeof values / sizeof values[0] };
    begin();
    for (int a = 0; a < VALUES; a++)
        for (int b = 0; b < VALUES; b++)
            for (int fold = -1; fold < 3; fold++) {
                cmp_row *row = made("V1", "cpu:0", fold == 0 ? INT32_MAX : fold, a < 4 ? -a : a << b, "f32", values[b]);
                row->rate.low = values[a];
                row->rate.high = values[(a + b) % VALUES];
                give_layers(row);
                row->layers[0] = (cmp_layer){.ns = values[a], .ops = values[b], .bytes = values[(a + 3) % VALUES]};
                if (a % 2) {
                    fill(row->model, sizeof row->model, '&');
                    fill(row->engine, sizeof row->engine, 'W');
                    fill(row->version, sizeof row->version, '<');
                    fill(row->round, sizeof row->round, '"');
                }
                if (b % 3 == 2)
                    fill(row->device, sizeof row->device, 'd');
            }
    fill(devices[0].name, sizeof devices[0].name, '\'');
    for (int i = 0; i < PICTURES; i++) {
        const char *text = drawn(i, NULL);
        CHECK(text[0] == '\0' || is_drawn(text));
        text = drawn(i, rows[4 * VALUES].model);
        CHECK(text[0] == '\0' || is_drawn(text));
    }
}

TEST(ten_thousand_rows) {
    static const char *const precisions[] = {"f32", "bf16", "int8", "f16", "tf32"};
    fr_random random = {17};
    begin();
    while (set.n_rows < MOST_ROWS) {
        int i = (int)set.n_rows;
        char model[32];
        snprintf(model, sizeof model, "model %d", i % 30);
        cmp_row *row = made(model, devices[i % DEVICES].id, 1 + i / 7 % 12, 1 << i / 11 % 13, precisions[i % 5],
                            1000 * (1 + fr_random_uniform(&random)));
        snprintf(row->engine, sizeof row->engine, "engine %d", i / 13 % 4);
        give_layers(row);
    }
    for (int i = 0; i < PICTURES - 1; i++) {
        const char *text = drawn(i, NULL);
        CHECK(is_sound(text));
        CHECK(strlen(text) < 2000000);
    }
}

CHECK_MAIN
