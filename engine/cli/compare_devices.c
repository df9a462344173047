/* The devices of a comparison: which ones, and what is known of each. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/compare_run.h"
#include "foldrun/planner.h"

enum { PEAK_MS = 400, PROFILE_MOST = 1 << 26 };

static int out_of_memory(void) {
    cli_complain("out of memory");
    return CLI_FAILED;
}

/* ---- which ---- */

static bool is_oracle(const fr_device_entry *entry) {
    return (entry->facts.flags & FR_DEVICE_ORACLE) != 0;
}

static void add_target(cmp_run *run, const fr_device_entry *entry) {
    for (size_t i = 0; i < run->n_targets; i++)
        if (run->targets[i].entry == entry)
            return;
    run->targets[run->n_targets++] = (cmp_target){.entry = entry};
}

/* "cpu:0", or "cpu", which is the backend's first. */
static const fr_device_entry *entry_named(const fr_device_entry *entries, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(entries[i].id, name) == 0)
            return &entries[i];
    for (size_t i = 0; i < count; i++)
        if (strcmp(entries[i].backend, name) == 0)
            return &entries[i];
    return NULL;
}

static int add_all(cmp_run *run, const fr_device_entry *entries, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (entries[i].status != FR_OK)
            cli_complain("note: %s is left out: %s", entries[i].id, entries[i].why);
        else if (!is_oracle(&entries[i]))
            add_target(run, &entries[i]);
    }
    return CLI_DONE;
}

static int add_named(cmp_run *run, const fr_device_entry *entries, size_t count, const char *name) {
    if (strcmp(name, "all") == 0)
        return add_all(run, entries, count);
    const fr_device_entry *entry = entry_named(entries, count, name);
    if (entry && entry->status == FR_OK) {
        add_target(run, entry);
        return CLI_DONE;
    }
    if (entry) {
        cli_complain("device %s: %s", entry->id, entry->why);
        return cli_exit_code(entry->status);
    }
    fr_device_report report; /* the library has the words for what is no device, and the nearest name */
    fr_status status = fr_profile_load(run->context, name, NULL, &report);
    fr_device_report_free(&report);
    return status == FR_OK ? cli_usage_error("--devices: '%s' is no device: 'foldrun devices' lists them", name)
                           : cli_failed(status);
}

int cmp_find_targets(cmp_run *run) {
    const cli_texts *asked = &run->request->devices;
    const fr_device_entry *entries;
    size_t count;
    fr_status status = fr_context_devices(run->context, &entries, &count);
    if (status != FR_OK)
        return cli_failed(status);
    run->targets = fr_alloc_array(count, sizeof *run->targets);
    if (!run->targets)
        return out_of_memory();
    int code = asked->count == 0 ? add_all(run, entries, count) : CLI_DONE;
    for (size_t i = 0; i < asked->count && code == CLI_DONE; i++)
        code = add_named(run, entries, count, asked->at[i]);
    for (size_t i = 0; i < count && !run->request->no_check && !run->oracle; i++)
        if (entries[i].status == FR_OK && is_oracle(&entries[i]))
            run->oracle = &entries[i];
    if (code == CLI_DONE && run->n_targets == 0) {
        cli_complain("there is no device to measure: 'foldrun devices' says what each one lacks");
        code = CLI_UNAVAILABLE;
    }
    if (code == CLI_DONE && !run->oracle && !run->request->no_check) {
        cli_complain("answers cannot be checked: the backend ref is not installed; install it, or give --no-check");
        code = CLI_UNAVAILABLE;
    }
    return code;
}

/* ---- what is known of them ---- */

/* Visits with two drivers do not make one figure. */
static void forget_driver(cmp_run *run, cmp_device *d, const char *now) {
    size_t count = 0;
    for (size_t i = 0; i < run->set->n_rows; i++) {
        cmp_row *row = &run->set->rows[i];
        if (strcmp(row->device, d->id) != 0 || strcmp(row->machine, d->machine) != 0)
            continue;
        count += row->n_visits > 0;
        cmp_row_forget(row);
        row->check = CMP_UNCHECKED;
        row->max_error = 0;
    }
    if (count > 0)
        cli_complain("note: %s has another driver than in %s, and is measured anew: %s there, %s now", d->id,
                     run->request->output, d->driver, now);
    memset(d->peak, 0, sizeof d->peak);
    memset(d->staircase_quantum, 0, sizeof d->staircase_quantum);
    d->bandwidth = 0;
    fr_json_free(d->profile);
    d->profile = NULL;
    d->profile_root = NULL;
}

static void take_facts(cmp_run *run, const fr_device_entry *entry, cmp_device *d) {
    char driver[sizeof d->driver], name[sizeof d->name];
    (void)cmp_copy_text(driver, sizeof driver, entry->facts.driver);
    (void)cmp_copy_text(name, sizeof name, entry->facts.name);
    if (d->driver[0] && (strcmp(d->driver, driver) != 0 || strcmp(d->name, name) != 0))
        forget_driver(run, d, driver);
    cmp_copy_text(d->backend, sizeof d->backend, entry->backend);
    cmp_copy_text(d->title, sizeof d->title, entry->title);
    memcpy(d->name, name, sizeof d->name);
    memcpy(d->driver, driver, sizeof d->driver);
    cmp_copy_text(d->features, sizeof d->features, entry->facts.features);
    d->units = entry->facts.units;
    d->memory_bytes = (int64_t)entry->facts.memory_bytes;
}

/* The surest of a precision's lines of convolutions. */
static double quantum_of(const fr_device_report *report, int precision) {
    double surest = 0, quantum = 0;
    for (size_t i = 0; i < report->n_stairs; i++) {
        const fr_staircase *s = &report->stairs[i];
        if ((int)s->precision != precision || strcmp(s->kind, "conv") != 0 || strcmp(s->line, "both") != 0 ||
            s->groups > 1 || s->quantum < 2 || s->confidence <= surest)
            continue;
        surest = s->confidence;
        quantum = s->quantum;
    }
    return quantum;
}

/* Its file, as `foldrun profile --json` gives it. */
static void take_profile_file(const char *path, cmp_device *d) {
    char *data;
    size_t bytes;
    fr_json_doc *doc = NULL;
    if (fr_file_read(path, PROFILE_MOST, &data, &bytes) != FR_OK)
        return;
    if (fr_json_parse(data, bytes, &doc) == FR_OK && !cmp_device_profile(d, fr_json_root(doc)))
        cli_complain("note: out of memory for the profile of %s", d->id);
    fr_json_free(doc);
    fr_free(data);
}

static void take_profile(cmp_run *run, const fr_device_entry *entry, cmp_device *d) {
    fr_device_report report;
    fr_status status = fr_profile_load(run->context, entry->id, NULL, &report);
    if (status == FR_OK && report.found && !report.stale) {
        for (int p = 0; p < FR_PRECISIONS; p++) {
            d->peak[p] = report.peak[p] > 0 ? report.peak[p] : d->peak[p];
            d->staircase_quantum[p] = quantum_of(&report, p);
        }
        d->bandwidth = report.bandwidth;
        take_profile_file(report.path, d);
    }
    fr_device_report_free(&report);
}

/* A report has a use for them. */
static void tell_profiles(const cmp_run *run) {
    fr_text missing = {0};
    for (size_t t = 0; t < run->n_targets && run->request->output; t++) {
        const char *id = run->targets[t].entry->id;
        const cmp_device *d = cmp_set_device(run->set, run->machine, id);
        if (d && !d->profile_root)
            fr_text_add(&missing, "%s%s", missing.length ? ", " : "", id);
    }
    if (missing.length > 0)
        cli_complain("note: no profile of %s: after 'foldrun profile --device NAME' a report has their rooflines "
                     "and staircases",
                     missing.data);
    fr_text_free(&missing);
}

int cmp_meet_targets(cmp_run *run) {
    for (size_t t = 0; t < run->n_targets; t++) {
        const fr_device_entry *entry = run->targets[t].entry;
        cmp_device *d = cmp_set_device(run->set, run->machine, entry->id);
        if (!d)
            return out_of_memory();
        take_facts(run, entry, d);
        take_profile(run, entry, d);
    }
    tell_profiles(run);
    return CLI_DONE;
}

/* On a device whose programs are not compiled yet it takes a while, which is no part of a budget for figures. */
void cmp_measure_peaks(cmp_run *run) {
    for (size_t i = 0; i < run->n_configs && run->request->layers && !cli_interrupted(); i++) {
        const cmp_config *c = &run->configs[i];
        const fr_device_entry *entry = run->targets[c->target].entry;
        cmp_device *d = cmp_set_device(run->set, run->machine, entry->id);
        bool worked = c->row >= 0 && cmp_row_worked(&run->set->rows[c->row]);
        double peak;
        if (!d || !worked || d->peak[c->precision] != 0)
            continue;
        snprintf(run->doing, sizeof run->doing, "%s in %s", entry->id, fr_precision_name(c->precision));
        cmp_say(run, "measuring the peak", 0);
        fr_status status = fr_measure_peak(run->context, entry->id, c->precision, 0, PEAK_MS, &peak);
        d->peak[c->precision] = status == FR_OK && peak > 0 ? peak : -1; /* it is asked once */
    }
    for (size_t i = 0; i < run->set->n_devices; i++)
        for (int p = 0; p < FR_PRECISIONS; p++)
            run->set->devices[i].peak[p] = run->set->devices[i].peak[p] > 0 ? run->set->devices[i].peak[p] : 0;
}
