/* A comparison's set and its file, without measuring: the code is the command's own. */
#include "check.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "cli/cli.h"
#include "cli/compare.h"

static const char path[] = "compare-views.json", other[] = "compare-views-2.json";

static cmp_row made(const cmp_machine *machine, const char *model, int32_t fold, int64_t batch) {
    cmp_row row = {.fold = fold, .batch = batch, .copies = true};
    cmp_copy_text(row.machine, sizeof row.machine, machine->id);
    snprintf(row.device, sizeof row.device, "cpu:0");
    snprintf(row.engine, sizeof row.engine, "foldrun");
    snprintf(row.version, sizeof row.version, "0.1.0");
    snprintf(row.model, sizeof row.model, "%s", model);
    snprintf(row.round, sizeof row.round, "floor");
    snprintf(row.precision, sizeof row.precision, "f32");
    snprintf(row.schedule, sizeof row.schedule, "auto");
    return row;
}

static cmp_machine machine_of(const char *name) {
    cmp_machine machine = {.host = {.cpu = "A processor", .os = "An OS", .cores = 2, .memory_bytes = 8000000000}};
    cmp_copy_text(machine.name, sizeof machine.name, name);
    cmp_machine_identify(&machine);
    return machine;
}

/* One machine, its processor, and a row with `visits` visits around 1000 images a second. */
static bool make(cmp_set *set, const char *name, int visits, double from_s) {
    cmp_machine machine = machine_of(name);
    cmp_row key = made(&machine, "v1", 1, 64);
    *set = (cmp_set){.command = "foldrun compare v1", .seconds = 10};
    if (!cmp_set_machine(set, &machine))
        return false;
    cmp_device *device = cmp_set_device(set, machine.id, "cpu:0");
    cmp_row *row = cmp_set_row(set, &key);
    if (!device || !row)
        return false;
    snprintf(device->title, sizeof device->title, "CPU");
    device->peak[FR_PRECISION_F32] = 1e11;
    for (int i = 0; i < visits; i++)
        if (!cmp_row_visit(row, 1000 + i, from_s + i))
            return false;
    row->runs = 10 * visits;
    row->check = CMP_RIGHT;
    return true;
}

static int read_text(const char *text, cmp_set *set) {
    FILE *file = fopen(path, "we");
    bool written = file && fputs(text, file) >= 0;
    if (file)
        written &= fclose(file) == 0;
    return written ? cmp_set_read(path, set) : -1;
}

static const cmp_visit *visits_of(const double *rates, size_t count) {
    static cmp_visit visits[2000];
    for (size_t i = 0; i < count; i++)
        visits[i] = (cmp_visit){rates[i], (double)i};
    return visits;
}

TEST(the_interval_goes_by_order) {
    double rates[2000];
    cmp_rate rate = cmp_rate_of(NULL, 0);
    CHECK(rate.median <= 0 && rate.low <= 0 && rate.high <= 0);
    rate = cmp_rate_of(visits_of((const double[]){5}, 1), 1);
    CHECK_NEAR(rate.median, 5, 0);
    rate = cmp_rate_of(visits_of((const double[]){4, 1, 3, 2}, 4), 4);
    CHECK_NEAR(rate.median, 2.5, 0);
    CHECK_NEAR(rate.low, 1, 0);
    CHECK_NEAR(rate.high, 4, 0);
    /* the tables of the sign test: nobody is left out up to 8, one at each end from 9 on, two from 12 on, 39 of 100 */
    static const size_t cuts[][2] = {{3, 0}, {8, 0}, {9, 1}, {11, 1}, {12, 2}, {20, 5}, {50, 17}, {100, 39}};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        for (size_t k = 0; k < cuts[i][0]; k++)
            rates[k] = (double)(1 + (k * 7919) % cuts[i][0]); /* a permutation: 7919 is prime */
        rate = cmp_rate_of(visits_of(rates, cuts[i][0]), cuts[i][0]);
        CHECK_NEAR(rate.low, (double)cuts[i][1] + 1, 0);
        CHECK_NEAR(rate.high, (double)(cuts[i][0] - cuts[i][1]), 0);
    }
    for (int i = 0; i < 2000; i++)
        rates[i] = i + 1;
    rate = cmp_rate_of(visits_of(rates, 2000), 2000);
    CHECK_NEAR(rate.median, 1000.5, 0);
    CHECK(rate.low > 950 && rate.low < 962 && rate.high > 1039 && rate.high < 1051);
}

TEST(visits_that_tell_nothing_are_left_out) {
    cmp_row row = {.fold = 1};
    CHECK(cmp_row_visit(&row, (double)INFINITY, 0) && cmp_row_visit(&row, (double)NAN, 0));
    CHECK(cmp_row_visit(&row, 0, 0) && cmp_row_visit(&row, -1, 0));
    CHECK_INT(row.n_visits, 0);
    CHECK(cmp_row_visit(&row, 7, 1));
    CHECK_INT(row.n_visits, 1);
    CHECK_NEAR(row.rate.median, 7, 0);
    fr_free(row.visits);
}

TEST(rows_are_found_by_their_keys) {
    cmp_set set = {0};
    cmp_machine machine = machine_of("here");
    cmp_row key = made(&machine, "v1", 1, 64), same = key;
    cmp_row *row = cmp_set_row(&set, &key);
    CHECK(row && cmp_set_row(&set, &same) == row && set.n_rows == 1);
    same.runs = 5; /* no part of the key */
    CHECK(cmp_same_key(&key, &same) && cmp_set_row(&set, &same) == row);
    same.fold = 2;
    CHECK(cmp_set_row(&set, &same) && set.n_rows == 2);
    same = key;
    same.batch = 65;
    CHECK(cmp_set_row(&set, &same) && set.n_rows == 3);
    same = key;
    same.copies = false;
    CHECK(cmp_set_row(&set, &same) && set.n_rows == 4);
    char *const words[] = {same.machine, same.device, same.engine,    same.version,
                           same.model,   same.round,  same.precision, same.schedule};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        same = key;
        words[i][0] = 'z';
        CHECK(!cmp_same_key(&key, &same));
        CHECK(cmp_set_row(&set, &same));
        CHECK_INT(set.n_rows, 5 + i);
    }
    CHECK(cmp_same_key(cmp_set_row(&set, &key), &key));
    CHECK(cmp_set_find(&set, &key) == &set.rows[0]);
    same = key;
    same.batch = 99;
    CHECK(cmp_set_find(&set, &same) == NULL);
    CHECK_INT(set.n_rows, 12);
    cmp_set_free(&set);
    CHECK(cmp_set_find(&set, &key) == NULL && set.n_rows == 0);
    cmp_set_free(&set);
}

TEST(what_is_written_is_read) {
    cmp_set set, back;
    CHECK(make(&set, "desk \"1\"", 5, 0));
    static const char profile[] = "{\"format\": 1, \"points\": [{\"ns\": 1.5}]}";
    fr_json_doc *doc;
    CHECK_OK(fr_json_parse(profile, strlen(profile), &doc));
    CHECK(cmp_device_profile(&set.devices[0], fr_json_root(doc)));
    fr_json_free(doc);
    cmp_row *row = &set.rows[0];
    row->layers = fr_alloc_array(2, sizeof *row->layers);
    CHECK(row->layers);
    row->n_layers = 2;
    row->layers[1] = (cmp_layer){.name = "conv1+relu", .kernel = "direct", .ns = 12.5, .ops = 100, .bytes = 40};
    row->open_ms = 3.25;
    row->peak_bytes = 1e6;
    snprintf(row->command, sizeof row->command, "foldrun bench v1");
    set.interrupted = true;
    CHECK_INT(cmp_set_write(path, &set), CLI_DONE);
    CHECK_INT(cmp_set_read(path, &back), CLI_DONE);
    CHECK_TEXT(back.command, set.command);
    CHECK(back.interrupted && back.n_machines == 1 && back.n_devices == 1 && back.n_rows == 1);
    CHECK_TEXT(back.machines[0].id, set.machines[0].id);
    CHECK_TEXT(back.machines[0].name, "desk \"1\"");
    CHECK_INT(back.machines[0].host.memory_bytes, 8000000000);
    CHECK_NEAR(back.devices[0].peak[FR_PRECISION_F32], 1e11, 0);
    CHECK_NEAR(fr_json_number(fr_json_at(fr_json_get(back.devices[0].profile_root, "points"), 0), "ns", 0), 1.5, 0);
    CHECK(cmp_same_key(&back.rows[0], row));
    CHECK_NEAR(back.rows[0].rate.median, 1002, 0);
    CHECK_NEAR(back.rows[0].rate.high, 1004, 0);
    CHECK_INT(back.rows[0].n_visits, 5);
    CHECK_INT(back.rows[0].runs, 50);
    CHECK_INT(back.rows[0].check, CMP_RIGHT);
    CHECK_INT(back.rows[0].n_layers, 2);
    CHECK_TEXT(back.rows[0].layers[1].name, "conv1+relu");
    CHECK_NEAR(back.rows[0].open_ms, 3.25, 0);
    CHECK(cmp_machine_of(&back, back.rows[0].machine) && cmp_device_of(&back, &back.rows[0]));
    /* and written again it is the same */
    char *first, *second;
    size_t bytes, again;
    CHECK_INT(cmp_set_write(other, &back), CLI_DONE);
    CHECK_OK(fr_file_read(path, 0, &first, &bytes));
    CHECK_OK(fr_file_read(other, 0, &second, &again));
    CHECK(bytes == again && memcmp(first, second, bytes) == 0);
    fr_free(first);
    fr_free(second);
    cmp_set_free(&set);
    cmp_set_free(&back);
}

TEST(machines_that_never_met_stay_apart) {
    cmp_set a, b;
    CHECK(make(&a, "desk", 3, 0) && make(&b, "server", 4, 0));
    CHECK_INT(cmp_set_merge(&a, &b), CLI_DONE);
    CHECK(a.n_machines == 2 && a.n_devices == 2 && a.n_rows == 2);
    CHECK_TEXT(a.command, "merged");
    CHECK_NEAR(a.seconds, 20, 0);
    CHECK_TEXT(cmp_machine_of(&a, a.rows[1].machine)->name, "server");
    CHECK(cmp_device_of(&a, &a.rows[1]) == &a.devices[1]);
    cmp_set_free(&a);
    cmp_set_free(&b);
}

TEST(one_machine_twice_is_one) {
    cmp_set a, b;
    CHECK(make(&a, "desk", 3, 0) && make(&b, "desk", 4, 100));
    CHECK_INT(cmp_set_merge(&a, &b), CLI_DONE);
    CHECK(a.n_machines == 1 && a.n_devices == 1 && a.n_rows == 1);
    CHECK_INT(a.rows[0].n_visits, 7);
    CHECK_INT(a.rows[0].runs, 70);
    CHECK_NEAR(a.rows[0].rate.high, 1003, 0);
    /* the same visits once more change nothing */
    CHECK_INT(cmp_set_merge(&a, &b), CLI_DONE);
    CHECK_INT(a.rows[0].n_visits, 7);
    CHECK_INT(a.rows[0].runs, 70);
    CHECK_NEAR(a.seconds, 20, 0);
    cmp_set_free(&a);
    cmp_set_free(&b);
}

static const cmp_row *merged(cmp_row first, cmp_row second) {
    static cmp_set set;
    cmp_set_free(&set);
    return cmp_set_add(&set, &first) && cmp_set_add(&set, &second) ? &set.rows[0] : NULL;
}

TEST(wrong_once_is_wrong) {
    cmp_machine machine = machine_of("here");
    cmp_row right = made(&machine, "v1", 1, 64), failed = right, wrong = right;
    right.check = CMP_RIGHT;
    right.visits = &(cmp_visit){1000, 1};
    right.n_visits = 1;
    failed.failed = wrong.failed = true;
    wrong.check = CMP_WRONG;
    snprintf(failed.reason, sizeof failed.reason, "no memory");
    snprintf(wrong.reason, sizeof wrong.reason, "wrong answers");
    const cmp_row *row = merged(failed, right);
    CHECK(row && !row->failed && row->reason[0] == '\0' && row->n_visits == 1 && row->check == CMP_RIGHT);
    row = merged(right, failed);
    CHECK(row && !row->failed && row->reason[0] == '\0' && row->n_visits == 1);
    row = merged(right, wrong);
    CHECK(row && row->failed && row->check == CMP_WRONG);
    CHECK_TEXT(row->reason, "wrong answers");
    row = merged(wrong, right);
    CHECK(row && row->failed && row->check == CMP_WRONG);
    CHECK_TEXT(row->reason, "wrong answers");
    row = merged(failed, wrong);
    CHECK(row && row->failed);
    CHECK_TEXT(row->reason, "wrong answers");
    row = merged(failed, failed);
    CHECK(row && row->failed);
    CHECK_TEXT(row->reason, "no memory");
}

#define HEAD     "{\"format\": 1, \"what\": \"foldrun comparison\""
#define MACHINES ", \"machines\": [{\"id\": \"here\", \"cpu\": \"x\"}]"
#define DEVICES  ", \"devices\": [{\"machine\": \"here\", \"id\": \"cpu\"}]"
#define KEY \
    "\"machine\": \"here\", \"device\": \"cpu\", \"engine\": \"ncnn\", \"model\": \"v1\", \"fold\": 1, \"batch\": 8"
#define ROWS(members) HEAD MACHINES DEVICES ", \"rows\": [{" KEY members "}]}"

TEST(what_others_write_is_read) {
    cmp_set set;
    CHECK_INT(read_text(HEAD ", \"machines\": [], \"devices\": [], \"rows\": []}", &set), CLI_DONE);
    CHECK(set.n_rows == 0 && set.n_machines == 0);
    cmp_set_free(&set);
    CHECK_INT(read_text(ROWS(", \"precision\": \"f32\", \"news\": [1], \"visits\": [{\"images_per_s\": 10}]"), &set),
              CLI_DONE);
    CHECK_INT(set.n_rows, 1);
    CHECK_TEXT(set.rows[0].round, "floor");
    CHECK(set.rows[0].copies && !set.rows[0].failed && set.rows[0].rate.median > 9);
    CHECK(cmp_machine_of(&set, set.rows[0].machine) && cmp_device_of(&set, &set.rows[0]));
    CHECK_TEXT(set.machines[0].name, "x");
    cmp_set_free(&set);
    /* two rows with one key are one; a failure without a reason has one; controls are not shown to a terminal */
    CHECK_INT(read_text(HEAD MACHINES DEVICES
                        ", \"rows\": [{" KEY ", \"precision\": \"f32\"}, {" KEY
                        ", \"precision\": \"f32\", \"failed\": true}, {" KEY
                        ", \"precision\": \"f16\", \"reason\": \"a\\u001b[31mb\", \"check\": \"wrong\"}]}",
                        &set),
              CLI_DONE);
    CHECK_INT(set.n_rows, 2);
    CHECK(!set.rows[0].failed && set.rows[1].failed);
    CHECK_TEXT(set.rows[1].reason, "a?[31mb");
    cmp_set_free(&set);
    unlink(path);
}

TEST(what_makes_no_sense_is_refused) {
    static const char *const texts[] = {
        "",
        "[]",
        "null",
        "{\"format\": 1}",
        "{\"what\": \"foldrun comparison\"}",
        "{\"format\": 2, \"what\": \"foldrun comparison\", \"machines\": [], \"devices\": [], \"rows\": []}",
        HEAD "}",
        HEAD ", \"machines\": {}, \"devices\": [], \"rows\": []}",
        HEAD ", \"machines\": [1], \"devices\": [], \"rows\": []}",
        HEAD ", \"machines\": [{}], \"devices\": [], \"rows\": []}",
        HEAD ", \"machines\": [{\"id\": \"a\"}, {\"id\": \"a\"}], \"devices\": [], \"rows\": []}",
        HEAD ", \"machines\": [{\"id\": \"a\", \"cores\": -1}], \"devices\": [], \"rows\": []}",
        HEAD MACHINES ", \"devices\": [{\"machine\": \"there\", \"id\": \"cpu\"}], \"rows\": []}",
        HEAD MACHINES ", \"devices\": [{\"machine\": \"here\"}], \"rows\": []}",
        HEAD MACHINES ", \"devices\": [{\"machine\": \"here\", \"id\": \"cpu\", \"peak\": [1]}], \"rows\": []}",
        HEAD MACHINES ", \"devices\": [{\"machine\": \"here\", \"id\": \"cpu\", \"profile\": 3}], \"rows\": []}",
        HEAD MACHINES DEVICES ", \"rows\": [null]}",
        HEAD MACHINES DEVICES ", \"rows\": [{}]}",
        ROWS(""),
        ROWS(", \"precision\": \"f31\""),
        ROWS(", \"precision\": 32"),
        ROWS(", \"precision\": \"f32\", \"fold\": 0"),
        ROWS(", \"precision\": \"f32\", \"fold\": 1.5"),
        ROWS(", \"precision\": \"f32\", \"batch\": 1e300"),
        ROWS(", \"precision\": \"f32\", \"device\": \"0123456789012345678901234567890123456789\""),
        ROWS(", \"precision\": \"f32\", \"schedule\": \"sideways\""),
        ROWS(", \"precision\": \"f32\", \"check\": \"perhaps\""),
        ROWS(", \"precision\": \"f32\", \"copies\": 1"),
        ROWS(", \"precision\": \"f32\", \"open_ms\": -1"),
        ROWS(", \"precision\": \"f32\", \"open_ms\": \"1\""),
        ROWS(", \"precision\": \"f32\", \"visits\": [1]"),
        ROWS(", \"precision\": \"f32\", \"visits\": [{}]"),
        ROWS(", \"precision\": \"f32\", \"visits\": [{\"images_per_s\": 0}]"),
        ROWS(", \"precision\": \"f32\", \"visits\": [{\"images_per_s\": NaN}]"),
        ROWS(", \"precision\": \"f32\", \"visits\": [{\"images_per_s\": 1e999}]"),
        ROWS(", \"precision\": \"f32\", \"layers\": 1"),
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cmp_set set;
        int code = read_text(texts[i], &set);
        if (code != CLI_BAD_INPUT)
            fprintf(stderr, "%s\n", texts[i]);
        CHECK_INT(code, CLI_BAD_INPUT);
        CHECK(set.n_rows == 0 && set.rows == NULL);
    }
    /* cut anywhere it is no file */
    static const char whole[] = ROWS(", \"precision\": \"f32\", \"visits\": [{\"images_per_s\": 10, \"at_s\": 1}]");
    char cut[sizeof whole];
    cmp_set set;
    CHECK_INT(read_text(whole, &set), CLI_DONE);
    cmp_set_free(&set);
    for (size_t length = 0; length + 1 < sizeof whole; length += 7) {
        memcpy(cut, whole, length);
        cut[length] = '\0';
        CHECK_INT(read_text(cut, &set), CLI_BAD_INPUT);
    }
    unlink(path);
    CHECK_INT(cmp_set_read(path, &set), CLI_BAD_INPUT);
}

/* What is told of hundreds of files nobody reads. */
static int quiet(int kept) {
    int to = kept < 0 ? dup(STDERR_FILENO) : -1;
    fflush(stderr);
    if (kept >= 0) {
        dup2(kept, STDERR_FILENO);
        close(kept);
    } else if (!freopen("/dev/null", "we", stderr)) {
        return -1;
    }
    return to;
}

TEST(damaged_files_are_refused_or_make_sense) {
    static const char whole[] = HEAD MACHINES
        ", \"devices\": [{\"machine\": \"here\", \"id\": \"cpu\", \"peak\": {\"f32\": 1e11}, \"profile\": {\"points\": "
        "[1, 2]}}]"
        ", \"rows\": [{" KEY
        ", \"precision\": \"f32\", \"visits\": [{\"images_per_s\": 10, \"at_s\": 1}, {\"images_per_s\": 11}],"
        " \"layers\": [{\"name\": \"conv1\", \"ns\": 10}], \"check\": \"right\"}]}";
    static const char letters[] = "{}[]\",:0123456789.eE-+ntfu\\ \x01\xc3\xff";
    fr_random random = {7};
    char text[sizeof whole];
    int accepted = 0, kept = quiet(-1);
    for (int i = 0; i < 600; i++) {
        cmp_set set, back;
        memcpy(text, whole, sizeof whole);
        for (int k = 0; k <= i % 3; k++)
            text[fr_random_next(&random) % (sizeof whole - 1)] =
                letters[fr_random_next(&random) % (sizeof letters - 1)];
        int code = read_text(text, &set);
        if (code == CLI_DONE && cmp_set_write(other, &set) == CLI_DONE && cmp_set_read(other, &back) == CLI_DONE) {
            accepted += back.n_rows == set.n_rows && back.n_devices == set.n_devices;
            cmp_set_free(&back);
        } else if (code != CLI_BAD_INPUT) {
            accepted = -1000000;
        }
        cmp_set_free(&set);
    }
    quiet(kept);
    CHECK(accepted > 10);
    unlink(path);
    unlink(other);
}

TEST(ten_thousand_rows) {
    enum { ROWS_MADE = 10000 };
    cmp_set set = {0}, back;
    cmp_machine machine = machine_of("here");
    CHECK(cmp_set_machine(&set, &machine) && cmp_set_device(&set, machine.id, "cpu:0"));
    for (int i = 0; i < ROWS_MADE; i++) {
        char model[16];
        snprintf(model, sizeof model, "model%d", i / 40);
        cmp_row key = made(&machine, model, 1 + i % 4, 1 + i / 4 % 10);
        cmp_row *row = cmp_set_row(&set, &key);
        CHECK(row);
        for (int k = 0; k < 5; k++)
            CHECK(cmp_row_visit(row, 1000 + i + k, 5 * i + k));
    }
    CHECK_INT(set.n_rows, ROWS_MADE);
    CHECK_INT(cmp_set_write(path, &set), CLI_DONE);
    CHECK_INT(cmp_set_read(path, &back), CLI_DONE);
    CHECK_INT(back.n_rows, ROWS_MADE);
    CHECK_INT(cmp_set_merge(&back, &set), CLI_DONE);
    CHECK_INT(back.n_rows, ROWS_MADE);
    CHECK_INT(back.rows[ROWS_MADE - 1].n_visits, 5);
    CHECK_NEAR(back.rows[ROWS_MADE - 1].rate.median, 1000 + ROWS_MADE + 1, 0);
    cmp_set_free(&set);
    cmp_set_free(&back);
    unlink(path);
    unlink(other);
}

TEST(no_memory_is_told) {
    for (uint64_t nth = 1; nth < 60; nth++) {
        cmp_set set = {0}, into = {0};
        if (!make(&set, "desk", 3, 0) || cmp_set_write(path, &set) != CLI_DONE)
            return;
        cmp_set_free(&set);
        fr_alloc_fail_at(nth);
        int code = cmp_set_read(path, &set);
        if (code == CLI_DONE)
            code = cmp_set_merge(&into, &set);
        fr_alloc_fail_at(0);
        CHECK(code == CLI_DONE || code == CLI_FAILED);
        cmp_set_free(&set);
        cmp_set_free(&into);
    }
    unlink(path);
}

CHECK_MAIN
