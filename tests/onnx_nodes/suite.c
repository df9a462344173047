/* All tests of all folders. */
#include "suite.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static const char *const folders[] = {"node", "simple", "pytorch-operator", "pytorch-converted"};

static outcome better(outcome a, outcome b) {
    if (a == OUTCOME_FAILED || b == OUTCOME_FAILED)
        return OUTCOME_FAILED;
    if (a == OUTCOME_PASSED || b == OUTCOME_PASSED)
        return OUTCOME_PASSED;
    return a == OUTCOME_NONE ? b : a;
}

/* As the file says, and with all inputs but the first bound as constants: one that passes is enough, one that fails too much. */
static verdict run_data_set(const char *model, const char *data, int inputs) {
    verdict v = variant_run(model, data, false);
    if (inputs < 2)
        return v;
    verdict bound = variant_run(model, data, true);
    bool keep = v.as_is == OUTCOME_FAILED || v.simplified == OUTCOME_FAILED;
    verdict both = {better(v.as_is, bound.as_is), better(v.simplified, bound.simplified), ""};
    snprintf(both.why, sizeof both.why, "%s", keep || !bound.why[0] ? v.why : bound.why);
    return both;
}

static void run_test(tally *t, const char *folder, const char *test, int *unclaimed) {
    char model[1000], data[1000], op[32];
    int inputs;
    snprintf(model, sizeof model, "%s/%s/model.onnx", folder, test);
    tally_test_seen(t);
    if (!model_is_claimed(model, op, sizeof op, &inputs)) {
        ++*unclaimed;
        return;
    }
    verdict all = {OUTCOME_NONE, OUTCOME_NONE, ""};
    for (int set = 0;; set++) {
        snprintf(data, sizeof data, "%s/%s/test_data_set_%d", folder, test, set);
        if (!fr_path_is_folder(data))
            break;
        verdict v = run_data_set(model, data, inputs);
        if (all.as_is != OUTCOME_FAILED && all.simplified != OUTCOME_FAILED && v.why[0])
            snprintf(all.why, sizeof all.why, "%s", v.why);
        all.as_is = better(all.as_is, v.as_is);
        all.simplified = better(all.simplified, v.simplified);
    }
    tally_add(t, op, test, &all);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

int suite_run(const char *data_folder, const char *floors_path) {
    tally *t = tally_new();
    int unclaimed = 0;
    for (size_t f = 0; t && f < sizeof folders / sizeof *folders; f++) {
        char folder[600];
        struct dirent **entries = NULL;
        snprintf(folder, sizeof folder, "%s/%s", data_folder, folders[f]);
        int count = scandir(folder, &entries, NULL, by_name);
        for (int i = 0; i < count; i++) {
            if (entries[i]->d_name[0] != '.')
                run_test(t, folder, entries[i]->d_name, &unclaimed);
            free(entries[i]);
        }
        free(entries);
    }
    if (!t)
        return 1;
    tally_print(t);
    printf("%d tests are of operators that foldrun does not claim\n", unclaimed);
    int wrong = tally_check(t, floors_path);
    tally_free(t);
    return wrong > 0;
}
