/*
 * conformance: every device present x every step of the case list x every candidate, against the reference.
 *
 * Exit code: 0 all is well, 1 something is not, 2 usage, 77 nothing could run. A backend that cannot open is a skip with its
 * reason; naming it in FOLDRUN_REQUIRE (cpu,vulkan,...) makes it a failure.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/status.h"
#include "runner.h"

enum { MOST_DEVICES = 32 };

typedef struct choices {
    const char *device, *filter, *candidate;
    uint64_t seed;
    unsigned part, parts;     /* 1..parts */
    unsigned sample, samples; /* likewise: every samples-th case */
    bool lists, is_verbose, is_thorough;
} choices;

static const char usage[] =
    "usage: conformance [--device ID] [--filter TEXT] [--candidate TEXT] [--seed N]\n"
    "                   [--part K/N] [--sample K/N] [--thorough] [--list]\n"
    "                   [--verbose]\n"
    "  --device ID    one backend or device: cpu, cpu:0 (default: all of them)\n"
    "  --filter TEXT  cases whose name contains TEXT\n"
    "  --candidate TEXT  only candidates whose name contains TEXT\n"
    "  --part K/N     the K-th of N parts of the cases, so that N processes share the work\n"
    "  --sample K/N   every N-th case, the K-th first: for devices that are slow\n"
    "  --thorough     every candidate with both fills in every case, not only the best guesses\n"
    "  --seed N       other numbers (default 1)\n"
    "  --list         names of the cases, nothing is run\n"
    "  --verbose      each candidate as it runs\n"
    "example: conformance --device cpu:0 --filter conv3x3-c32 --seed 7\n";

static bool parse_fraction(const char *text, unsigned *out_k, unsigned *out_n) {
    return sscanf(text, "%u/%u", out_k, out_n) == 2 && *out_k >= 1 && *out_k <= *out_n;
}

static bool parse(int argc, char **argv, choices *out_options) {
    *out_options = (choices){.seed = 1, .part = 1, .parts = 1, .sample = 1, .samples = 1};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        char *end = NULL;
        if (strcmp(argv[i], "--list") == 0)
            out_options->lists = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            out_options->is_verbose = true;
        else if (strcmp(argv[i], "--thorough") == 0)
            out_options->is_thorough = true;
        else if (!value)
            return false;
        else if (strcmp(argv[i], "--device") == 0)
            out_options->device = argv[++i];
        else if (strcmp(argv[i], "--filter") == 0)
            out_options->filter = argv[++i];
        else if (strcmp(argv[i], "--candidate") == 0)
            out_options->candidate = argv[++i];
        else if (strcmp(argv[i], "--part") == 0) {
            if (!parse_fraction(argv[++i], &out_options->part, &out_options->parts))
                return false;
        } else if (strcmp(argv[i], "--sample") == 0) {
            if (!parse_fraction(argv[++i], &out_options->sample, &out_options->samples))
                return false;
        } else if (strcmp(argv[i], "--seed") == 0) {
            out_options->seed = strtoull(argv[++i], &end, 10);
            if (*end != '\0' || end == value)
                return false;
        } else
            return false;
    }
    return true;
}

/* Parts are dealt in runs of neighbours, which share kernels. */
static bool is_chosen(const choices *options, const conf_list *list, size_t index) {
    enum { RUNS = 32 };
    return index * RUNS / list->count % options->parts == options->part - 1 &&
           index % options->samples == options->sample - 1 &&
           (!options->filter || strstr(list->items[index].name, options->filter));
}

static size_t count_chosen(const choices *options, const conf_list *list) {
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++)
        count += is_chosen(options, list, i);
    return count;
}

/* ---- devices ------------------------------------------------------------------------------------------------------ */

/* The next name of a comma-separated list, or NULL; *at moves on. */
static const char *next_name(const char **at, size_t *out_length) {
    *at += strspn(*at, ", ");
    const char *name = *at;
    *out_length = strcspn(name, ", ");
    *at += *out_length;
    return *out_length ? name : NULL;
}

static const char *required_list(void) {
    const char *list = getenv("FOLDRUN_REQUIRE");
    return list ? list : "";
}

static bool is_required(const char *backend) {
    const char *at = required_list(), *name;
    size_t length;
    while ((name = next_name(&at, &length)) != NULL)
        if (length == strlen(backend) && strncmp(name, backend, length) == 0)
            return true;
    return false;
}

typedef struct field {
    conf_device devices[MOST_DEVICES];
    size_t count;
    bool failed;
} field;

static void skip(field *f, const char *backend, const char *why) {
    bool required = is_required(backend);
    printf("%s: %s: %s\n", required ? "FAIL" : "skip", backend, why);
    f->failed |= required;
}

static bool is_wanted(const choices *options, const char *id, const char *backend) {
    return !options->device || strcmp(options->device, id) == 0 || strcmp(options->device, backend) == 0;
}

static void open_device(field *f, const choices *options, fr_registry *registry, const fr_device_entry *entry) {
    conf_device *device = &f->devices[f->count];
    if (conf_device_open(registry, entry->id, options->seed, device) != FR_OK) {
        skip(f, entry->backend, fr_error_sentence());
        conf_device_close(device);
        return;
    }
    device->is_verbose = options->is_verbose;
    device->is_thorough = options->is_thorough;
    device->only_candidate = options->candidate;
    f->count++;
}

/* Required backends that this build does not even have. */
static void fail_absent(field *f, const fr_device_entry *entries, size_t count) {
    const char *at = required_list(), *name;
    size_t length;
    while ((name = next_name(&at, &length)) != NULL) {
        bool is_there = false;
        for (size_t i = 0; i < count; i++)
            is_there |= strlen(entries[i].backend) == length && strncmp(entries[i].backend, name, length) == 0;
        if (!is_there)
            printf("FAIL: %.*s: no such backend in this build\n", (int)length, name);
        f->failed |= !is_there;
    }
}

static fr_status open_devices(field *f, const choices *options, fr_registry *registry) {
    const fr_device_entry *entries;
    size_t count, known = 0;
    FR_TRY(fr_registry_devices(registry, &entries, &count));
    for (size_t i = 0; i < count && f->count < MOST_DEVICES; i++) {
        if (!is_wanted(options, entries[i].id, entries[i].backend))
            continue;
        known++;
        if (entries[i].status != FR_OK)
            skip(f, entries[i].backend, entries[i].why);
        else
            open_device(f, options, registry, &entries[i]);
    }
    if (options->device && known == 0)
        skip(f, options->device, "no such backend or device in this build");
    if (!options->device)
        fail_absent(f, entries, count);
    return FR_OK;
}

/* ---- running ------------------------------------------------------------------------------------------------------ */

static bool is_able(const conf_device *device, const conf_case *c) {
    return (fr_step_precisions(&c->step) & ~device->facts.precisions) == 0;
}

static fr_status run_fill(field *f, fr_check_oracle *oracle, const conf_case *c, fr_check_fill fill, uint64_t seed) {
    fr_check_numbers numbers;
    fr_check_answer answer = {.count = 0};
    fr_status status = FR_OK;
    FR_TRY(conf_numbers_make(c, fill, seed, &numbers));
    FR_GO(done, fr_check_oracle_ask(oracle, &numbers, &answer));
    for (size_t i = 0; i < f->count; i++)
        if (is_able(&f->devices[i], c))
            conf_run_case(&f->devices[i], c, &numbers, &answer, fill == FR_CHECK_RANDOM);
done:
    fr_check_answer_free(&answer);
    fr_check_numbers_free(&numbers);
    return status;
}

static fr_status run_case(field *f, fr_check_oracle *oracle, const conf_case *c, uint64_t seed) {
    size_t able = 0;
    for (size_t i = 0; i < f->count; i++) {
        bool takes_it = is_able(&f->devices[i], c);
        able += takes_it;
        f->devices[i].counts.no_precision += !takes_it;
    }
    if (able == 0)
        return FR_OK;
    if (fr_check_can_be_exact(&c->step))
        FR_TRY(run_fill(f, oracle, c, FR_CHECK_EXACT, seed));
    return run_fill(f, oracle, c, FR_CHECK_RANDOM, seed);
}

static void report(const conf_device *device, double seconds) {
    const conf_counts *n = &device->counts;
    printf("%s (%s): %llu cases, %llu candidates, %llu runs, %llu failures, %.1f s\n", device->id, device->facts.name,
           (unsigned long long)n->cases, (unsigned long long)n->candidates, (unsigned long long)n->runs,
           (unsigned long long)n->failures, seconds);
    if (n->no_precision)
        printf("  not a precision of this device: %llu cases\n", (unsigned long long)n->no_precision);
    if (n->no_candidate)
        printf("  refused by every candidate: %llu cases\n", (unsigned long long)n->no_candidate);
    for (uint32_t reason = 1; reason < CONF_REASONS; reason++)
        if (n->refused[reason])
            printf("  refused for %s: %llu\n", conf_reason_word(reason), (unsigned long long)n->refused[reason]);
}

static fr_status run_all(field *f, fr_check_oracle *oracle, const conf_list *list, const choices *options) {
    uint64_t begin = fr_clock_ns();
    fr_memory_use before[MOST_DEVICES], after;
    for (size_t i = 0; i < f->count; i++) {
        conf_check_device(&f->devices[i]);
        conf_check_threads(&f->devices[i]);
        conf_check_bundles(&f->devices[i]);
        FR_TRY(f->devices[i].backend->memory_use(f->devices[i].device, &before[i]));
    }
    for (size_t i = 0; i < list->count; i++)
        if (is_chosen(options, list, i)) {
            fr_status status = run_case(f, oracle, &list->items[i], options->seed);
            if (status != FR_OK)
                return fr_fail_within(status, "case %s", list->items[i].name);
        }
    for (size_t i = 0; i < f->count; i++) {
        conf_device *device = &f->devices[i];
        FR_TRY(device->backend->memory_use(device->device, &after));
        if (memcmp(after.live, before[i].live, sizeof after.live) != 0)
            conf_report_failure(device, "device", "promises",
                                "memory is still live after all programs and buffers were freed");
        report(device, (double)(fr_clock_ns() - begin) * 1e-9);
        f->failed |= device->counts.failures > 0;
    }
    return FR_OK;
}

static int finish(const field *f, fr_status status) {
    if (status != FR_OK)
        fprintf(stderr, "conformance: %s\n", fr_error_sentence());
    if (status != FR_OK || f->failed)
        return 1;
    return f->count == 0 ? 77 : 0;
}

static fr_status open_oracle(fr_registry *registry, fr_check_oracle *out_oracle) {
    const fr_backend *backend;
    fr_device *device;
    fr_device_facts facts;
    FR_TRY(fr_registry_open(registry, "ref:0", &backend, &device, &facts));
    return fr_check_oracle_open(backend, device, out_oracle);
}

int main(int argc, char **argv) {
    static field f;
    choices options;
    conf_list list;
    fr_check_oracle oracle = {NULL, NULL, NULL};
    fr_registry *registry = NULL;
    fr_status status = FR_OK;
    if (!parse(argc, argv, &options)) {
        fputs(usage, stderr);
        return 2;
    }
    FR_GO(done, conf_cases_build(&list));
    if (options.lists) {
        for (size_t i = 0; i < list.count; i++)
            if (is_chosen(&options, &list, i))
                puts(list.items[i].name);
        goto done;
    }
    if (count_chosen(&options, &list) == 0) { /* a filter that matches nothing must not look like success */
        fprintf(stderr, "conformance: no case's name contains '%s': --list shows them\n", options.filter);
        conf_cases_free(&list);
        return 2;
    }
    FR_GO(done, fr_registry_new(NULL, NULL, &registry));
    FR_GO(done, open_oracle(registry, &oracle));
    FR_GO(done, open_devices(&f, &options, registry));
    FR_GO(done, run_all(&f, &oracle, &list, &options));
done:
    for (size_t i = 0; i < f.count; i++)
        conf_device_close(&f.devices[i]);
    fr_check_oracle_close(&oracle);
    fr_registry_free(registry);
    conf_cases_free(&list);
    return options.lists && status == FR_OK ? 0 : finish(&f, status);
}
