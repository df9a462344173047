/* What `profile` shows, from made-up staircases: the code is the command's own. */
#include "check.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "cli/profile.h"
#include "cli/svg.h"

enum { MOST_POINTS = 64, STAIRS = 8 };
static fr_stair_point points[STAIRS][MOST_POINTS];
static fr_staircase stairs[STAIRS];

static double whole_tiles(double channels, int quantum, double waste) {
    return (1 - waste) * channels + waste * ceil(channels / quantum) * quantum;
}

static fr_staircase *make_stair(int i, const char *kind, const char *line, fr_precision precision, int quantum,
                                double rate) {
    bool is_fc = strcmp(kind, "fc") == 0, both = strcmp(line, "both") == 0;
    fr_staircase *s = &stairs[i];
    *s = (fr_staircase){.precision = precision,
                        .kernel = is_fc ? 0 : 3,
                        .groups = 1,
                        .h = is_fc ? 1 : 25,
                        .w = is_fc ? 1 : 25,
                        .n = 8,
                        .fixed = both ? 0 : 64,
                        .points = points[i],
                        .quantum = quantum,
                        .waste = quantum > 1 ? 0.85 : 0,
                        .confidence = quantum > 1 ? 0.94 : 0};
    snprintf(s->kind, sizeof s->kind, "%s", kind);
    snprintf(s->line, sizeof s->line, "%s", line);
    snprintf(s->title, sizeof s->title, "%s, %s: %s", is_fc ? "fc" : "conv 3x3 on 25x25, 8 inputs a launch",
             fr_precision_name(precision), both ? "channels in and out" : "channels in");
    for (int c = is_fc ? 64 : 8; c <= (is_fc ? 20000 : 256) && s->n_points < MOST_POINTS;
         c = is_fc ? c * 3 / 2
                   : c + (c < 64    ? 4
                          : c < 128 ? 8
                                    : 16)) {
        fr_stair_point *p = &s->points[s->n_points++];
        int at = c == 88 ? 90 : c; /* a partly filled tile among whole ones */
        double tiled = whole_tiles(at, quantum, s->waste), wobble = 1 + 0.012 * ((c * 7919) % 11 - 5) / 5;
        double work = profile_ops(s, at) * tiled / at * (both ? tiled / at : 1);
        *p = (fr_stair_point){.channels = at, .ns = (2000 + work / rate) * wobble, .noisy = s->n_points == 9};
    }
    return s;
}

static fr_device_report made_report(void) {
    fr_device_report r = {.device = "cpu:0",
                          .name = "A <made-up> CPU & more",
                          .driver = "library 1.2",
                          .foldrun = "0.1.0",
                          .path = "/cache/probe-cpu-0.json",
                          .found = true,
                          .complete = true,
                          .bandwidth = 12.3e9,
                          .cache_bandwidth = 45e9,
                          .launch_ns = 800,
                          .run_ns = 12345,
                          .worst_drift = 0.021,
                          .n_points = 1234,
                          .n_noisy = 3,
                          .n_runs = 36,
                          .stairs = stairs};
    r.peak[FR_PRECISION_F32] = 123e9;
    r.peak[FR_PRECISION_BF16] = 456e9;
    r.lane_scaling[FR_PRECISION_F32] = 1.07;
    memset(points, 0, sizeof points);
    make_stair(0, "conv", "both", FR_PRECISION_F32, 16, 100);
    make_stair(1, "conv", "in", FR_PRECISION_F32, 1, 100);
    make_stair(2, "fc", "in", FR_PRECISION_F32, 1, 20);
    make_stair(3, "conv", "both", FR_PRECISION_BF16, 32, 400)->noisy = true;
    r.n_stairs = 4;
    return r;
}

static const char *kept(fr_text *text) {
    static char copy[1 << 16];
    snprintf(copy, sizeof copy, "%s", text->failed ? "out of memory" : text->data ? text->data : "");
    fr_text_free(text);
    return copy;
}

TEST(tables) {
    fr_device_report r = made_report();
    fr_text out = {0};
    profile_tables(&(profile_view){.report = &r}, &out);
    const char *text = kept(&out);
    CHECK_HAS(text, "cpu:0: A <made-up> CPU & more, library 1.2\n");
    CHECK_HAS(text, "profile: /cache/probe-cpu-0.json (complete, foldrun 0.1.0)");
    CHECK_HAS(text, "1,234 points and 36 whole runs; noisy points: 3; drift of the clock: 2.1% at worst");
    CHECK_HAS(text, "f32                 123      1.07x");
    CHECK_HAS(text, "bf16                456          -");
    CHECK_HAS(text, "to the device                -");
    CHECK_HAS(text, "a launch costs 0.80 us, a whole run 12.3 us");
    CHECK_HAS(text, "no steps");
    CHECK_HAS(text, "32    85%        0.94  noisy");
    CHECK(!strstr(text, "run it again"));
    r.complete = false;
    r.quick = true;
    r.n_new = 7;
    r.seconds = 3.25;
    profile_tables(&(profile_view){.report = &r, .precisions = 1u << FR_PRECISION_BF16}, &out);
    text = kept(&out);
    CHECK_HAS(text, "quick, not complete");
    CHECK_HAS(text, "7 of them now, in 3.25 s");
    CHECK_HAS(text, "run it again to go on");
    CHECK(!strstr(text, "f32  ") && !strstr(text, "fc, f32"));
    r.stale = true;
    profile_tables(&(profile_view){.report = &r}, &out);
    CHECK_HAS(kept(&out), ": measure it again on its device.\n");
}

TEST(an_empty_profile) {
    fr_device_report r = {.device = "cpu:0"};
    fr_text out = {0};
    profile_tables(&(profile_view){.report = &r}, &out);
    CHECK_HAS(kept(&out), "no staircases have been measured yet");
    profile_plots(&(profile_view){.report = &r}, false, true, &out);
    CHECK(!out.data);
}

TEST(operations) {
    fr_staircase s = {.kind = "conv", .line = "both", .kernel = 3, .groups = 4, .h = 11, .w = 26, .n = 2};
    CHECK_NEAR(profile_ops(&s, 32), 2.0 * 2 * 11 * 26 * 32 * (8 * 9 + 1), 0);
    strcpy(s.line, "in");
    s.fixed = 64;
    CHECK_NEAR(profile_ops(&s, 32), 2.0 * 2 * 11 * 26 * 64 * (8 * 9 + 1), 0);
    strcpy(s.kind, "fc");
    CHECK_NEAR(profile_ops(&s, 100), 2.0 * 2 * 64 * 101, 0);
    strcpy(s.line, "out");
    CHECK_NEAR(profile_ops(&s, 100), 2.0 * 2 * 100 * 65, 0);
}

TEST(plots_in_a_terminal) {
    fr_device_report r = made_report();
    fr_text out = {0};
    for (int fine = 0; fine < 2; fine++) {
        profile_plots(&(profile_view){.report = &r}, true, fine, &out);
        const char *text = kept(&out);
        if (getenv("SHOW"))
            puts(text);
        CHECK_HAS(text, "8 inputs a launch, f32");
        CHECK_HAS(text, "multiples of 16 channels");
        CHECK_HAS(text, "250 channels\n");
        CHECK(!strstr(text, "bf16"));
        CHECK_HAS(text, fine ? "\u25cb" : "o");
        int lines = 0;
        bool plain = true;
        for (const char *at = text; *at; at++) {
            lines += *at == '\n';
            plain = plain && (unsigned char)*at < 0x80;
        }
        CHECK_INT(lines, 17);
        CHECK(plain == !fine);
    }
    profile_plots(&(profile_view){.report = &r}, false, false, &out);
    CHECK_HAS(kept(&out), "bf16");
    for (size_t i = 0; i < stairs[0].n_points; i++)
        points[0][i].ns = i % 2 ? NAN : 0; /* nothing that can be drawn */
    profile_plots(&(profile_view){.report = &r, .precisions = 1u << FR_PRECISION_F32}, false, false, &out);
    CHECK(!out.data);
}

TEST(a_picture) {
    fr_device_report r = made_report();
    char *text;
    size_t bytes;
    CHECK_INT(profile_picture(&(profile_view){.report = &r}, "profile_views.svg"), 0);
    CHECK_OK(fr_file_read("profile_views.svg", 0, &text, &bytes));
    CHECK_HAS(text, "<title id=\"title\">Staircases of A &lt;made-up&gt; CPU &amp; more</title>");
    CHECK_HAS(text, "prefers-color-scheme:dark");
    CHECK_HAS(text, "viewBox=\"0 0 420 ");
    CHECK_HAS(text, "\u00b5s a launch of 8 inputs");
    CHECK_HAS(text, "GFLOP/s");
    CHECK_HAS(text, "library 1.2");
    CHECK_HAS(text, "<title>90: ");
    CHECK(!strstr(text, "nan") && !strstr(text, "inf\""));
    CHECK_INT(check_occurrences(text, "<g "), 4);
    CHECK_INT(check_occurrences(text, "</g>"), 4);
    CHECK_INT(check_occurrences(text, "hollow\" d"), 4 * 2 + 1); /* and the legend's */
    fr_free(text);
}

TEST(words_are_escaped) {
    svg s;
    svg_begin(&s, 10, 10,
              "a\x01"
              "b\xff"
              "c\xed\xa0\x80 \"<&>\" \u00e9",
              "");
    CHECK_HAS(s.text.data, ">a?b?c??? &quot;&lt;&amp;&gt;&quot; \u00e9</title>");
    fr_text_free(&s.text);
}

TEST(round_numbers) {
    double t[16];
    CHECK_INT(svg_ticks(0, 100, false, 5, t, 16), 6);
    CHECK_NEAR(t[1], 20, 1e-9);
    CHECK_INT(svg_ticks(8, 256, false, 8, t, 16), 5);
    CHECK_NEAR(t[0], 50, 1e-9);
    CHECK_INT(svg_ticks(-0.3, 0.3, false, 6, t, 16), 7);
    CHECK_NEAR(t[3], 0, 1e-12);
    CHECK_INT(svg_ticks(64, 20000, true, 6, t, 16), 8);
    CHECK_NEAR(t[0], 100, 1e-9);
    CHECK_NEAR(t[7], 20000, 1e-6);
    CHECK_INT(svg_ticks(1, 1e12, true, 6, t, 16), 7);
    CHECK_INT(svg_ticks(5, 5, false, 6, t, 16), 0);
    CHECK_INT(svg_ticks(0, 5, true, 6, t, 16), 0);
    CHECK_INT(svg_ticks(0, NAN, false, 6, t, 16), 0);
    CHECK_INT(svg_ticks(0, 1e-300, false, 4, t, 16) > 0, true);
}

TEST(axes_without_a_range) {
    const double values[] = {NAN, INFINITY, 0};
    svg s;
    svg_begin(&s, 100, 100, "", "");
    for (int log = 0; log < 2; log++)
        for (size_t count = 0; count <= 3; count++) {
            svg_chart c = {.width = 50, .height = 50, .across = {.log = log}, .up = {.log = log, .loose = true}};
            svg_reach(&c.across, values, count);
            svg_reach(&c.up, values, count);
            svg_axes(&s, &c);
            svg_curve(&s, &c, values, values, count, 1);
            svg_bar(&s, &c, 0, 1, 5, 2, "a bar");
            svg_band(&s, &c, values, values, values, count, 3);
            svg_horizontal(&s, &c, 1);
        }
    const char *names[] = {"one", "two", "three", "four", "five", "six", "seven"};
    CHECK(svg_legend(&s, 0, 10, 100, names, 7) > 40);
    CHECK(svg_lines(&s, 0, 0, 60, 10, "words", "some words that need lines, andonethatislongerthanallofthem") > 30);
    CHECK(!s.text.failed);
    CHECK(!strstr(s.text.data, "nan") && !strstr(s.text.data, "inf"));
    fr_text_free(&s.text);
}

CHECK_MAIN
