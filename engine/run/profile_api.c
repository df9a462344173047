/* The public side of a device's profile: measuring it, reading it, and what it says in a caller's words. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/status.h"
#include "plan/stairs.h"
#include "run/context.h"
#include "run/options.h"
#include "run/probe_store.h"
#include "run/prober.h"
#include "run/programs.h"

static const double most_s = 1e6;

/* ---- the report --------------------------------------------------------------------------------------------------- */

static const char *line_name(uint16_t line) {
    return line == FR_LINE_IN ? "in" : line == FR_LINE_OUT ? "out" : "both";
}

static void entitle(fr_staircase *s) {
    char what[36], channels[36] = "in and out";
    if (strcmp(s->kind, "conv") == 0)
        snprintf(what, sizeof what, "conv %dx%d%s on %dx%d", s->kernel, s->kernel, s->groups > 1 ? " in groups" : "",
                 s->h, s->w);
    else
        snprintf(what, sizeof what, "fc");
    if (strcmp(s->line, "in") == 0)
        snprintf(channels, sizeof channels, "in, %d out", s->fixed);
    else if (strcmp(s->line, "out") == 0)
        snprintf(channels, sizeof channels, "out, %d in", s->fixed);
    snprintf(s->title, sizeof s->title, "%s, %d input%s a launch, %s: channels %s", what, s->n, s->n == 1 ? "" : "s",
             fr_precision_name(s->precision), channels);
}

static fr_status add_stairs(const fr_stairs *from, fr_staircase *to) {
    const fr_probe_point *like = &from->like;
    snprintf(to->kind, sizeof to->kind, "%s", like->kind == FR_STEP_FC ? "fc" : "conv");
    snprintf(to->line, sizeof to->line, "%s", line_name(like->line));
    to->precision = (fr_precision)like->precision;
    to->kernel = like->kernel;
    to->groups = like->groups;
    to->h = like->h;
    to->w = like->w;
    to->n = like->n;
    to->fixed = like->line == FR_LINE_IN ? like->c_out : like->line == FR_LINE_OUT ? like->c_in : 0;
    to->quantum = from->fit.quantum;
    to->waste = from->fit.waste;
    to->confidence = from->fit.confidence;
    to->noisy = from->noisy;
    entitle(to);
    to->points = fr_alloc_array(from->count, sizeof *to->points);
    if (!to->points)
        return fr_no_memory(from->count * sizeof *to->points, "the device's report");
    for (size_t i = 0; i < from->count; i++)
        to->points[i] = (fr_stair_point){
            .channels = fr_stairs_channels(from, i), .ns = from->points[i]->ns, .noisy = from->points[i]->noisy};
    to->n_points = from->count;
    return FR_OK;
}

static fr_status report_stairs(const fr_probe *probe, fr_device_report *out) {
    fr_stairs_list list;
    FR_TRY(fr_stairs_read(probe, &list));
    fr_status status = FR_OK;
    out->stairs = fr_alloc_array(list.count, sizeof *out->stairs);
    if (!out->stairs)
        status = fr_no_memory(list.count * sizeof *out->stairs, "the device's report");
    for (size_t i = 0; i < list.count && status == FR_OK; i++) {
        out->n_stairs++;
        status = add_stairs(&list.at[i], &out->stairs[i]);
    }
    fr_stairs_free(&list);
    return status;
}

static fr_status report(const fr_probe *probe, fr_device_report *out) {
    snprintf(out->device, sizeof out->device, "%s", probe->device);
    snprintf(out->name, sizeof out->name, "%s", probe->name);
    snprintf(out->driver, sizeof out->driver, "%s", probe->driver);
    snprintf(out->foldrun, sizeof out->foldrun, "%s", probe->foldrun);
    out->found = true;
    out->complete = probe->complete;
    out->quick = probe->level == 0;
    memcpy(out->peak, probe->peak, sizeof out->peak);
    memcpy(out->lane_scaling, probe->lane_scaling, sizeof out->lane_scaling);
    out->bandwidth = probe->bandwidth;
    out->cache_bandwidth = probe->cache_bandwidth;
    out->write_bandwidth = probe->write_bandwidth;
    out->read_bandwidth = probe->read_bandwidth;
    out->launch_ns = probe->launch_ns;
    out->run_ns = probe->run_ns;
    out->worst_drift = probe->worst_drift;
    for (size_t i = 0; i < probe->n_points; i++) {
        out->n_points += probe->points[i].ns > 0;
        out->n_noisy += probe->points[i].ns > 0 && probe->points[i].noisy;
    }
    for (size_t i = 0; i < probe->n_runs; i++)
        out->n_runs += probe->runs[i].images_per_s > 0;
    return report_stairs(probe, out);
}

void fr_device_report_free(fr_device_report *r) {
    for (size_t i = 0; i < r->n_stairs; i++)
        fr_free(r->stairs[i].points);
    fr_free(r->stairs);
    memset(r, 0, sizeof *r);
}

/* ---- measuring ---------------------------------------------------------------------------------------------------- */

static fr_status take_options(const fr_profile_options *given, fr_profile_options *out) {
    FR_TRY(fr_options_take(given, out, sizeof *out, "fr_profile_options"));
    if (!(out->budget_s >= 0) || out->budget_s > most_s)
        return fr_fail(FR_INVALID, "the time for a profile is 0 to %.0f seconds", most_s);
    if (out->precisions >> FR_PRECISIONS)
        return fr_fail(FR_INVALID, "a precision was asked for that does not exist");
    if (out->budget_s <= 0)
        out->budget_s = out->quick ? FR_PROFILE_QUICK_S : FR_PROFILE_FULL_S;
    return FR_OK;
}

/* Of the device, those that were asked for; the reference's f64 is nobody's plan. */
static fr_status choose_precisions(fr_prober *p) {
    uint32_t f64 = 1u << FR_PRECISION_F64, has = p->target.facts.precisions;
    for (int i = 0; i < FR_PRECISIONS; i++)
        if ((p->options.precisions & ~has) >> i & 1u)
            return fr_target_lacks(p->target.facts.name, (fr_precision)i, has);
    p->precisions = (p->options.precisions ? p->options.precisions : has) & ~f64;
    return p->precisions ? FR_OK : fr_fail(FR_UNSUPPORTED, "a profile is never of f64: choose another precision");
}

/* The reference itself needs no check. */
static fr_status begin_checks(fr_prober *p) {
    if (p->target.facts.flags & FR_DEVICE_ORACLE)
        return FR_OK;
    FR_TRY(fr_context_verdicts(p->context, p->target.backend, &p->target.facts, &p->verdicts));
    return fr_selfcheck_new(p->context->registry, p->verdicts, &p->target, true, &p->target.check);
}

static fr_status begin(fr_prober *p) {
    const char *folder = fr_cache_folder(p->context->cache);
    bool found, stale;
    FR_TRY(choose_precisions(p));
    FR_TRY(fr_probe_path(folder, &p->target, p->path, sizeof p->path));
    if (!p->path[0])
        return fr_fail(FR_UNAVAILABLE, "there is no cache folder to keep the device profile in: set FOLDRUN_CACHE_DIR");
    FR_TRY(begin_checks(p));
    FR_TRY(fr_device_profile_load(folder, &p->target, &p->kernels));
    if (p->options.again)
        return FR_OK;
    FR_TRY(fr_probe_load(folder, &p->target, &p->probe, &found, &stale));
    if (stale) { /* of another driver: nothing of it holds */
        fr_probe_free(&p->probe);
        memset(&p->probe, 0, sizeof p->probe);
    }
    return FR_OK;
}

static void end(fr_prober *p) {
    fr_prober_close(p);
    fr_selfcheck_free(p->target.check);
    p->target.backend->device_close(p->target.device);
}

/* What was kept is reported also when the measuring was broken off. */
static fr_status report_measured(const fr_prober *p, fr_status status, fr_device_report *out) {
    char sentence[FR_SENTENCE_BYTES];
    snprintf(sentence, sizeof sentence, "%s", fr_error_sentence());
    fr_status told = report(&p->probe, out);
    snprintf(out->path, sizeof out->path, "%s", p->path);
    out->n_new = p->n_new;
    return status == FR_OK ? told : fr_fail(status, "%s", sentence);
}

fr_status fr_profile_device(fr_context *context, const fr_profile_options *options, fr_device_report *out_report) {
    char device[24];
    uint64_t begin_ns = fr_clock_ns();
    memset(out_report, 0, sizeof *out_report);
    fr_prober *p = fr_alloc(sizeof *p);
    if (!p)
        return fr_no_memory(sizeof *p, "the device profile");
    p->context = context;
    fr_status status = take_options(options, &p->options);
    if (status == FR_OK)
        status = fr_registry_open(context->registry, p->options.device, &p->target.backend, &p->target.device,
                                  &p->target.facts);
    if (status == FR_OK) {
        fr_target_id(&p->target, p->options.device, device, sizeof device);
        p->device = device;
        status = begin(p);
        if (status == FR_OK)
            status = report_measured(p, fr_prober_measure(p), out_report);
        end(p);
    }
    fr_free(p);
    out_report->seconds = (double)(fr_clock_ns() - begin_ns) * 1e-9;
    return status;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static fr_status load_file(const char *path, fr_device_report *out) {
    fr_probe probe;
    fr_status status = fr_probe_load_file(path, &probe);
    if (status == FR_OK)
        status = report(&probe, out);
    else if (status == FR_IO)
        status = fr_fail(FR_INVALID, "%s", fr_error_sentence());
    out->stale = status == FR_OK && fr_probe_is_stale(&probe);
    snprintf(out->path, sizeof out->path, "%s", path);
    fr_probe_free(&probe);
    return status;
}

fr_status fr_profile_parse(const char *text, size_t bytes, fr_device_report *out_report) {
    fr_probe probe;
    memset(out_report, 0, sizeof *out_report);
    fr_status status = fr_probe_read(text, bytes, &probe);
    if (status == FR_OK)
        status = report(&probe, out_report);
    fr_probe_free(&probe);
    return status;
}

static fr_status load_of(fr_context *context, const fr_target *target, fr_device_report *out) {
    const char *folder = fr_cache_folder(context->cache);
    char path[FR_PROBE_PATH];
    bool found, stale;
    fr_probe probe;
    snprintf(out->name, sizeof out->name, "%s", target->facts.name);
    snprintf(out->driver, sizeof out->driver, "%s", target->facts.driver);
    FR_TRY(fr_probe_path(folder, target, path, sizeof path));
    snprintf(out->path, sizeof out->path, "%s", path);
    fr_status status = fr_probe_load(folder, target, &probe, &found, &stale);
    if (status == FR_OK && found)
        status = report(&probe, out);
    out->stale = stale;
    fr_probe_free(&probe);
    return status;
}

fr_status fr_profile_load(fr_context *context, const char *device, const char *path, fr_device_report *out_report) {
    fr_target target = {0};
    memset(out_report, 0, sizeof *out_report);
    if (device && path)
        return fr_fail(FR_INVALID, "a profile is read of a device or from a file, not both");
    if (path)
        return load_file(path, out_report);
    FR_TRY(fr_registry_open(context->registry, device, &target.backend, &target.device, &target.facts));
    fr_status status = load_of(context, &target, out_report);
    fr_target_id(&target, device, out_report->device, sizeof out_report->device);
    target.backend->device_close(target.device);
    return status;
}
