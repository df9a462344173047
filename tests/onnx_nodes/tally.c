/* Counts by operator, reasons of refusals, and floors. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "suite.h"

enum { MAX_OPS = 64, MAX_REASONS = 256 };

typedef struct op_count {
    char op[32];
    int passed, refused, failed, simplified, simplify_refused;
} op_count;
typedef struct reason {
    char op[32], text[200];
    int count;
} reason;

struct tally {
    op_count ops[MAX_OPS];
    int n_ops, tests;
    reason reasons[MAX_REASONS];
    int n_reasons;
};

tally *tally_new(void) {
    return fr_alloc(sizeof(tally));
}
void tally_free(tally *t) {
    fr_free(t);
}

static op_count *count_of(tally *t, const char *op) {
    for (int i = 0; i < t->n_ops; i++)
        if (strcmp(t->ops[i].op, op) == 0)
            return &t->ops[i];
    if (t->n_ops == MAX_OPS)
        return &t->ops[MAX_OPS - 1];
    snprintf(t->ops[t->n_ops].op, sizeof t->ops[0].op, "%s", op);
    return &t->ops[t->n_ops++];
}

/* Names and numbers out, so that the same refusal of two nodes is one reason. */
static void generalise(const char *why, char *out, size_t bytes) {
    size_t used = 0;
    bool quoted = false;
    for (const char *c = why; *c && used + 1 < bytes; c++) {
        bool apostrophe = c > why && isalpha((unsigned char)c[-1]) && isalpha((unsigned char)c[1]) && !quoted;
        if (*c == '\'' && !apostrophe)
            quoted = !quoted;
        if ((quoted && *c != '\'') || *c == '\n')
            continue;
        if (isdigit((unsigned char)*c)) {
            if (used == 0 || out[used - 1] != '#')
                out[used++] = '#';
            continue;
        }
        out[used++] = *c;
    }
    out[used] = 0;
}

static void add_reason(tally *t, const char *op, const char *why) {
    char text[200];
    generalise(why, text, sizeof text);
    for (int i = 0; i < t->n_reasons; i++)
        if (strcmp(t->reasons[i].op, op) == 0 && strcmp(t->reasons[i].text, text) == 0) {
            t->reasons[i].count++;
            return;
        }
    if (t->n_reasons == MAX_REASONS)
        return;
    reason *r = &t->reasons[t->n_reasons++];
    snprintf(r->op, sizeof r->op, "%s", op);
    snprintf(r->text, sizeof r->text, "%s", text);
    r->count = 1;
}

void tally_add(tally *t, const char *op, const char *test, const verdict *v) {
    op_count *count = count_of(t, op);
    count->passed += v->as_is == OUTCOME_PASSED;
    count->refused += v->as_is == OUTCOME_REFUSED;
    count->failed += v->as_is == OUTCOME_FAILED || v->simplified == OUTCOME_FAILED;
    count->simplified += v->simplified == OUTCOME_PASSED;
    count->simplify_refused += v->simplified == OUTCOME_REFUSED;
    if (v->as_is == OUTCOME_FAILED || v->simplified == OUTCOME_FAILED)
        printf("FAIL %s%s: %s\n", test, v->as_is == OUTCOME_FAILED ? "" : " (simplified)", v->why);
    else if (v->as_is == OUTCOME_REFUSED || v->simplified == OUTCOME_REFUSED)
        add_reason(t, op, v->why);
}

void tally_test_seen(tally *t) {
    t->tests++;
}

void tally_print(const tally *t) {
    op_count sum = {.op = "total"};
    printf("%-20s %7s %11s %8s %7s\n", "operator", "passed", "simplified", "refused", "failed");
    for (int i = 0; i < t->n_ops; i++) {
        const op_count *c = &t->ops[i];
        printf("%-20s %7d %11d %8d %7d\n", c->op, c->passed, c->simplified, c->refused, c->failed);
        for (int k = 0; k < t->n_reasons; k++)
            if (strcmp(t->reasons[k].op, c->op) == 0)
                printf("    %d refused: %s\n", t->reasons[k].count, t->reasons[k].text);
        sum.passed += c->passed;
        sum.refused += c->refused;
        sum.failed += c->failed;
        sum.simplified += c->simplified;
    }
    printf("%-20s %7d %11d %8d %7d\n", sum.op, sum.passed, sum.simplified, sum.refused, sum.failed);
}

static int check_floor(const tally *t, const char *op, int passed, int simplified) {
    const op_count *c = NULL;
    for (int i = 0; i < t->n_ops; i++)
        if (strcmp(t->ops[i].op, op) == 0)
            c = &t->ops[i];
    if (c && c->passed >= passed && c->simplified >= simplified)
        return 0;
    printf("%s: %d passed and %d after simplifying; it was %d and %d\n", op, c ? c->passed : 0, c ? c->simplified : 0,
           passed, simplified);
    return 1;
}

/* The first line says how many tests the data had when the floors were taken: other data has other floors. */
int tally_check(const tally *t, const char *floors_path) {
    char op[32];
    int tests, passed, simplified, wrong = 0;
    for (int i = 0; i < t->n_ops; i++)
        wrong += t->ops[i].failed;
    FILE *floors = fopen(floors_path, "r");
    if (!floors || fscanf(floors, "tests %d", &tests) != 1) {
        printf("%s has no floors\n", floors_path);
        wrong++;
    } else if (tests != t->tests) {
        printf("the floors are of a test set of %d; this one has %d: they are not checked\n", tests, t->tests);
    } else {
        while (fscanf(floors, "%31s %d %d", op, &passed, &simplified) == 3)
            wrong += check_floor(t, op, passed, simplified);
        wrong += !feof(floors);
    }
    if (floors)
        fclose(floors);
    return wrong;
}
