#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake_cuda.h"

pthread_mutex_t paper_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int calls[PAPER_KINDS], refusals, complaints;

/* For the tests (shim_kit.h): counted since the last shim_reset. */
int paper_launches(void);
int paper_launches(void) {
    return atomic_load(&calls[PAPER_LAUNCHES]);
}

int paper_modules(void);
int paper_modules(void) {
    return atomic_load(&calls[PAPER_MODULES]);
}

int paper_graphs(void);
int paper_graphs(void) { /* replays */
    return atomic_load(&calls[PAPER_GRAPHS]);
}

int paper_refusals(void);
int paper_refusals(void) { /* of anything that was told to fail */
    return atomic_load(&refusals);
}

int paper_complaints(void);
int paper_complaints(void) { /* of misuse, things left behind among it */
    return atomic_load(&complaints);
}

void shim_reset(void);
void shim_reset(void) {
    for (int i = 0; i < PAPER_KINDS; i++)
        atomic_store(&calls[i], 0);
    atomic_store(&refusals, 0);
    atomic_store(&complaints, 0);
}

const char *paper_setting(const char *name) {
    const char *text = getenv(name);
    return text && *text ? text : NULL;
}

long paper_number(const char *name, long otherwise) {
    const char *text = paper_setting(name);
    return text ? atol(text) : otherwise;
}

bool paper_is_quiet(void) {
    return paper_setting("PAPER_QUIET") != NULL;
}

CUresult paper_answer(paper_kind kind) {
    static const char *const names[PAPER_KINDS] = {"PAPER_CONTEXT", "PAPER_ALLOC", "PAPER_PINNED", "PAPER_MODULE",
                                                   "PAPER_LAUNCH",  "PAPER_COPY",  "PAPER_SYNC",   "PAPER_EVENT",
                                                   "PAPER_CAPTURE", "PAPER_GRAPH", "PAPER_INFO"};
    long before = atomic_fetch_add(&calls[kind], 1), skip = paper_number("PAPER_SKIP", 0);
    if (!paper_setting(names[kind]) || before < skip || before - skip >= paper_number("PAPER_COUNT", 1 << 30))
        return CUDA_SUCCESS;
    atomic_fetch_add(&refusals, 1);
    return (CUresult)paper_number(names[kind], 0);
}

void paper_complain(const char *fmt, ...) {
    va_list args;
    atomic_fetch_add(&complaints, 1);
    if (paper_is_quiet())
        return;
    fprintf(stderr, "paper: ");
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
}
