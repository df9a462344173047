/* What may be said of a comparison's rows, and how it is printed, from made-up ones: the code is the command's own. */
#include "check.h"

#include "base/alloc.h"
#include "cli/compare.h"

/* Rows of one set; without visits a rate is taken as it is. */
enum { MOST = 16 };
static cmp_row rows[MOST];
static cmp_set set;

static cmp_row *made(const char *model, int32_t fold, double median, double low, double high) {
    if (set.rows != rows)
        set = (cmp_set){.rows = rows};
    cmp_row *row = &rows[set.n_rows++];
    *row = (cmp_row){.fold = fold,
                     .batch = 64,
                     .copies = true,
                     .check = CMP_RIGHT,
                     .rate = {.median = median, .low = low, .high = high},
                     .machine = "m1",
                     .device = "cpu:0",
                     .engine = "foldrun",
                     .version = "0.1.0",
                     .round = "floor",
                     .precision = "f32",
                     .schedule = "auto"};
    snprintf(row->model, sizeof row->model, "%s", model);
    return row;
}

static void begin(void) {
    set = (cmp_set){0};
}

static const char *shown(cmp_format format) {
    static char copy[1 << 15];
    fr_text out = {0};
    cmp_print(&set, format, &out);
    snprintf(copy, sizeof copy, "%s", out.data && !out.failed ? out.data : "");
    fr_text_free(&out);
    return copy;
}

/* Cell `at` (from 0) of line `line` of unquoted CSV. */
static const char *cell(const char *csv, int line, int at) {
    static char copy[256];
    while (line-- > 0 && csv)
        csv = (csv = strchr(csv, '\n')) ? csv + 1 : NULL;
    while (at-- > 0 && csv)
        csv = (csv = strchr(csv, ',')) ? csv + 1 : NULL;
    snprintf(copy, sizeof copy, "%.*s", csv ? (int)strcspn(csv, ",\n") : 0, csv ? csv : "");
    return copy;
}

TEST(intervals_that_overlap_are_no_difference) {
    cmp_rate slow = {100, 90, 110}, fast = {130, 120, 140}, near = {115, 110, 125}, none = {0};
    CHECK_INT(cmp_compare_rates(&fast, &slow), CMP_FASTER);
    CHECK_INT(cmp_compare_rates(&slow, &fast), CMP_SLOWER);
    CHECK_INT(cmp_compare_rates(&slow, &near), CMP_NO_DIFFERENCE); /* they touch */
    CHECK_INT(cmp_compare_rates(&near, &fast), CMP_NO_DIFFERENCE);
    CHECK_INT(cmp_compare_rates(&none, &fast), CMP_NO_DIFFERENCE);
    CHECK_INT(cmp_compare_rates(&fast, &none), CMP_NO_DIFFERENCE);
}

TEST(a_rank_counts_who_is_shown_to_be_faster) {
    size_t order[MOST];
    int32_t rank[MOST];
    begin();
    made("v1", 1, 50, 49, 51);
    made("v1", 2, 100, 98, 102);
    made("v1", 3, 99, 97, 101);
    made("n1", 1, 500, 490, 510);
    made("v1", 4, 80, 60, 99); /* wide: as fast as the best, perhaps */
    made("v1", 4, 97.5, 97, 97.9)->batch = 128;
    CHECK_INT(cmp_rank(&set, "v1", order, rank), 5);
    static const size_t wanted[] = {1, 2, 5, 4, 0};
    static const int32_t ranks[] = {1, 1, 2, 1, 5};
    for (int i = 0; i < 5; i++) {
        CHECK_INT(order[i], wanted[i]);
        CHECK_INT(rank[i], ranks[i]);
    }
    CHECK_INT(cmp_rank(&set, NULL, order, rank), 6);
    CHECK_INT(order[0], 3);
    CHECK_INT(rank[1], 2);
    CHECK_INT(cmp_rank(&set, "v9", order, rank), 0);
    set.n_rows = 0;
    CHECK_INT(cmp_rank(&set, NULL, order, rank), 0);
}

TEST(what_has_no_figure_is_not_ranked) {
    size_t order[MOST];
    int32_t rank[MOST];
    begin();
    made("v1", 1, 100, 99, 101);
    made("v1", 2, 300, 299, 301)->failed = true;
    made("v1", 3, 300, 299, 301)->check = CMP_WRONG;
    made("v1", 4, 0, 0, 0);
    made("v1", 5, NAN, NAN, NAN);
    made("v1", 6, INFINITY, 1, INFINITY);
    made("v1", 7, 200, NAN, -5); /* no interval: its median alone */
    made("v1", 8, 400, 1, 500)->n_visits = 2;
    CHECK_INT(cmp_rank(&set, "v1", order, rank), 3);
    CHECK_INT(order[0], 7);
    CHECK_INT(rank[0], 0);
    CHECK_INT(order[1], 6);
    CHECK_INT(rank[1], 1);
    CHECK_INT(order[2], 0);
    CHECK_INT(rank[2], 2);
    CHECK_INT(cmp_ratio_of(&rows[7], &rows[0]).verdict, CMP_NO_DIFFERENCE);
    CHECK_INT(cmp_ratio_of(&rows[1], &rows[0]).verdict, CMP_NO_DIFFERENCE);
    CHECK_NEAR(cmp_ratio_of(&rows[1], &rows[0]).ratio, 0, 0);
}

TEST(copies_are_work_of_their_own) {
    size_t order[MOST];
    int32_t rank[MOST];
    begin();
    made("v1", 1, 300, 299, 301)->copies = false;
    made("v1", 1, 100, 99, 101);
    made("v1", 2, 90, 89, 91);
    made("v1", 2, 200, 199, 201)->copies = false;
    CHECK_INT(cmp_rank(&set, "v1", order, rank), 4);
    static const size_t wanted[] = {1, 2, 0, 3};
    for (int i = 0; i < 4; i++) {
        CHECK_INT(order[i], wanted[i]);
        CHECK_INT(rank[i], 1 + i % 2);
    }
    CHECK(cmp_best_plain(&set, &rows[3]) == &rows[0]);
    CHECK(cmp_best_plain(&set, &rows[2]) == &rows[1]);
}

TEST(the_base_is_the_best_fold_1_of_the_same_kind) {
    begin();
    cmp_row *folded = made("v1", 4, 250, 245, 255);
    made("v1", 1, 100, 98, 102);
    made("v1", 1, 200, 196, 204)->batch = 1024;
    made("v1", 1, 900, 890, 910)->failed = true;
    made("n1", 1, 900, 890, 910);
    static const struct {
        size_t offset;
        const char *value;
    } others[] = {{offsetof(cmp_row, machine), "m2"},
                  {offsetof(cmp_row, device), "vulkan:0"},
                  {offsetof(cmp_row, engine), "ncnn"},
                  {offsetof(cmp_row, version), "0.2.0"},
                  {offsetof(cmp_row, precision), "bf16"}};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        strcpy((char *)made("v1", 1, 900, 890, 910) + others[i].offset, others[i].value);
    CHECK(cmp_best_plain(&set, folded) == &rows[2]);
    cmp_ratio ratio = cmp_ratio_of(folded, &rows[2]);
    CHECK_NEAR(ratio.ratio, 1.25, 1e-12);
    CHECK_NEAR(ratio.low, 245.0 / 204, 1e-12);
    CHECK_NEAR(ratio.high, 255.0 / 196, 1e-12);
    CHECK_INT(ratio.verdict, CMP_FASTER);
    CHECK_INT(cmp_ratio_of(&rows[2], folded).verdict, CMP_SLOWER);
    strcpy(rows[1].precision, "tf32"); /* as accurate as f32 */
    rows[1].rate = (cmp_rate){220, 210, 248};
    CHECK(cmp_best_plain(&set, folded) == &rows[1]);
    CHECK_INT(cmp_ratio_of(folded, &rows[1]).verdict, CMP_NO_DIFFERENCE);
    rows[1].n_visits = 1; /* one that may be compared goes first */
    CHECK(cmp_best_plain(&set, folded) == &rows[2]);
    CHECK(cmp_best_plain(&set, &rows[2]) == &rows[2]);
    CHECK_NEAR(cmp_ratio_of(&rows[2], &rows[2]).high, 1, 0);
    strcpy(folded->precision, "int8");
    CHECK(cmp_best_plain(&set, folded) == NULL);
}

TEST(classes_of_accuracy) {
    static const char *const names[] = {"f64", "f32", "tf32", "f16", "bf16", "int8"};
    static const int classes[] = {0, 0, 0, 1, 1, 2};
    for (int i = 0; i < 6; i++)
        CHECK_INT(cmp_accuracy_class(names[i]), classes[i]);
}

TEST(the_table_says_no_more_than_is_known) {
    begin();
    made("v1", 1, 1000, 990, 1010);
    made("v1", 4, 1005, 1000, 1020);
    made("v1", 2, 700, 690, 710);
    cmp_row *failed = made("v1", 3, 0, 0, 0);
    failed->failed = true;
    snprintf(failed->reason, sizeof failed->reason, "out of order");
    made("n1", 1, 5000, 4900, 5100)->n_visits = 2;
    const char *text = shown(CMP_TABLE);
    CHECK_HAS(text, "the highest median: fold 4 in f32 at batch 64 with foldrun 0.1.0 on cpu:0, 1,005 images/s; no\n"
                    "  difference to 1 other\n");
    CHECK_HAS(text, "v1 (f32, foldrun 0.1.0)\n");
    CHECK_HAS(text, "1,000-1,020  -              no difference  ");
    CHECK_HAS(text, "990-1,010  no difference  -  ");
    CHECK_HAS(text, "0.70x          0.70x (0.68-0.72)  ");
    CHECK_HAS(text, "NO FIGURE, FOR");
    CHECK_HAS(text, "out of order");
    CHECK_HAS(text, "990-1,010");
    CHECK_HAS(text,
              "RANK  DEVICE  FOLD  BATCH  IMAGES/S     INTERVAL  TO FASTEST     TO FOLD 1          FIRST MS  PEAK\n");
    CHECK(!strstr(text, "MACHINE") && !strstr(text, "COPIES") && !strstr(text, "SCHEDULE") && !strstr(text, "ANSWERS"));
    CHECK(!strstr(text, "the fastest:"));
    CHECK(!strstr(text, "not all that was asked for"));
    strcpy(rows[0].schedule, "chain");
    rows[2].copies = false;
    set.interrupted = true;
    text = shown(CMP_TABLE);
    CHECK_HAS(text, "COPIES");
    CHECK_HAS(text, "SCHEDULE");
    CHECK_HAS(text, "without copies, the fastest: fold 2");
    CHECK_HAS(text, "not all that was asked for is here");
}

static size_t widest(const char *text) {
    size_t most = 0;
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
        most = strcspn(text, "\n") > most ? strcspn(text, "\n") : most;
    return most;
}

/* What is the same in every row is no column, and long names go on in another line. */
TEST(a_terminal_is_wide_enough) {
    cmp_machine machine = {.id = "m1",
                           .name = "A machine",
                           .host = {.cpu = "A processor with a name of many words that nobody remembers",
                                    .os = "A system that has one too, as long as this one here is",
                                    .cores = 128,
                                    .memory_bytes = 1000000000}};
    cmp_device device = {
        .machine = "m1", .id = "vulkan:0", .name = "A graphics card of some words, and then some more"};
    snprintf(device.driver, sizeof device.driver,
             "A driver whose version is a sentence that has no end and goes on for long");
    begin();
    for (int i = 0; i < 5; i++) {
        cmp_row *row = made("v1", 1 + i, 118000 + 1000 * i, 117500 + 1000 * i, 118400 + 1000 * i);
        strcpy(row->device, "vulkan:0");
        row->open_ms = 1234.5;
        row->peak_bytes = 123.45e6;
        row->batch = 1024;
    }
    rows[4].failed = true;
    memset(rows[4].reason, 'x', 60);
    *made("v1", 7, 0, 0, 0) = rows[4];
    rows[5].fold = 7;
    set.machines = &machine;
    set.devices = &device;
    set.n_machines = set.n_devices = 1;
    const char *text = shown(CMP_TABLE);
    CHECK(widest(text) <= 100);
    CHECK_HAS(text, "the same reason\n");
    CHECK_HAS(text, "123.45 MB\n");
    CHECK(!strstr(text, "1.01x (1.00-1.02)"));
    CHECK_HAS(text, "vulkan:0: A graphics card");
    CHECK_HAS(shown(CMP_MARKDOWN), "| 123.45 MB |");
    strcpy(rows[0].precision, "tf32");
    text = shown(CMP_TABLE);
    CHECK(widest(text) <= 100);
    CHECK_HAS(text, "RANK  DEVICE    FOLD  PRECISION  BATCH");
    CHECK_HAS(text, "1.01x (1.00-1.02)");
    CHECK(!strstr(text, "PEAK") && !strstr(text, "FIRST MS"));
    strcpy(rows[0].precision, "f32");
    strcpy(rows[0].engine, "onnx");
    CHECK(widest(shown(CMP_TABLE)) <= 100);
    CHECK_HAS(shown(CMP_TABLE), "DEVICE    ENGINE");
    CHECK(!strstr(shown(CMP_TABLE), "(f32, "));
    set.n_rows = 1;
    CHECK_HAS(shown(CMP_TABLE), "123.45 MB\n");
}

TEST(nothing_and_one_row) {
    begin();
    CHECK_TEXT(shown(CMP_TABLE), "Nothing has been measured.\n");
    CHECK_TEXT(shown(CMP_MARKDOWN), "Nothing has been measured.\n");
    CHECK_HAS(shown(CMP_CSV), "model,machine,");
    made("v1", 1, 1000, 990, 1010);
    CHECK_HAS(shown(CMP_TABLE), "the fastest: fold 1");
    CHECK(!strstr(shown(CMP_TABLE), "ANSWERS"));
    rows[0].check = CMP_UNCHECKED;
    CHECK_HAS(shown(CMP_TABLE), "ANSWERS\n");
    CHECK_HAS(shown(CMP_TABLE), "unchecked\n");
}

TEST(markdown_takes_names_for_words) {
    begin();
    made("a|b<i>*_x", 1, 1000, 990, 1010);
    const char *text = shown(CMP_MARKDOWN);
    CHECK_HAS(text, "## a\\|b\\<i\\>\\*\\_x\n");
    CHECK_HAS(text, "| RANK | DEVICE | ENGINE | FOLD | PRECISION | BATCH | IMAGES/S |");
    CHECK_HAS(text, "|---:|---|---|---|---|---:|---:|---:|---|---|---:|---:|---|\n");
    CHECK_HAS(text, "| 1 | cpu:0 | foldrun 0.1.0 | 1 | f32 | 64 | 1,000 | 990-1,010 | - | - |");
}

TEST(a_spreadsheet_has_every_row) {
    begin();
    made("v1", 1, 1000, 990, 1010.5);
    strcpy(made("v1", 4, 2000, 1980, 2020)->round, "up:16");
    cmp_row *failed = made("=1+1", 1, 0, 0, 0);
    failed->failed = true;
    snprintf(failed->reason, sizeof failed->reason, "it said \"no\", twice");
    const char *csv = shown(CMP_CSV);
    CHECK_TEXT(cell(csv, 0, 16), "images_per_s");
    CHECK_TEXT(cell(csv, 0, 24), "to_fastest_verdict");
    CHECK_TEXT(cell(csv, 0, 25), "to_fold_1");
    /* models by their names */
    CHECK_TEXT(cell(csv, 2, 0), "v1");
    CHECK_TEXT(cell(csv, 2, 8), "4");
    CHECK_TEXT(cell(csv, 2, 9), "up:16");
    CHECK_TEXT(cell(csv, 2, 14), "measured");
    CHECK_TEXT(cell(csv, 2, 15), "1");
    CHECK_TEXT(cell(csv, 2, 16), "2000");
    CHECK_TEXT(cell(csv, 2, 25), "2");
    CHECK_TEXT(cell(csv, 2, 28), "faster");
    CHECK_TEXT(cell(csv, 3, 18), "1010.5");
    CHECK_TEXT(cell(csv, 3, 21), "0.5");
    CHECK_TEXT(cell(csv, 3, 24), "slower");
    CHECK_TEXT(cell(csv, 3, 28), "");
    CHECK_TEXT(cell(csv, 1, 0), "'=1+1");
    CHECK_TEXT(cell(csv, 1, 14), "failed");
    CHECK_TEXT(cell(csv, 1, 16), "");
    CHECK_HAS(csv, ",\"it said \"\"no\"\", twice\",");
    CHECK_TEXT(cell(csv, 4, 0), "");
}

TEST(ten_thousand_rows) {
    enum { MANY = 10000 };
    cmp_row *many = fr_alloc_array(MANY, sizeof *many);
    size_t *order = fr_alloc_array(MANY, sizeof *order);
    int32_t *rank = fr_alloc_array(MANY, sizeof *rank);
    CHECK(many && order && rank);
    begin();
    made("v1", 1, 0, 0, 0);
    for (int i = 0; i < MANY; i++) {
        double rate = 1000 + i * 7 % MANY;
        many[i] = rows[0];
        many[i].fold = 1 + i % 4;
        many[i].batch = i;
        many[i].rate = (cmp_rate){rate, rate - 0.25, rate + 0.25};
    }
    set = (cmp_set){.rows = many, .n_rows = MANY, .cap_rows = MANY};
    CHECK_INT(cmp_rank(&set, NULL, order, rank), MANY);
    for (int i = 0; i < MANY; i++)
        CHECK_INT(rank[i], i + 1);
    fr_text out = {0};
    cmp_print(&set, CMP_CSV, &out);
    size_t lines = 0;
    for (const char *at = out.data; at && (at = strchr(at, '\n')); at++)
        lines++;
    fr_text_free(&out);
    CHECK_INT(lines, MANY + 1);
    for (int i = 0; i < MANY; i++)
        many[i].rate = (cmp_rate){1000, 900, 1100};
    CHECK_INT(cmp_rank(&set, "v1", order, rank), MANY);
    CHECK_INT(rank[MANY - 1], 1);
    fr_free(rank);
    fr_free(order);
    fr_free(many);
}

TEST(no_memory_is_told) {
    size_t order[MOST];
    int32_t rank[MOST];
    begin();
    made("v1", 1, 1000, 990, 1010);
    for (uint64_t call = 1; call <= 2; call++) {
        fr_alloc_fail_at(call);
        CHECK_INT(cmp_rank(&set, NULL, order, rank), 0);
    }
    for (uint64_t call = 1; call <= 20; call++) {
        fr_text out = {0};
        fr_alloc_fail_at(call);
        cmp_print(&set, CMP_TABLE, &out);
        CHECK(out.failed);
        fr_text_free(&out);
    }
    fr_alloc_fail_at(0);
}

CHECK_MAIN
