#include "runner.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/status.h"

enum { GUARD = 192, MOST_CANDIDATES = 128, POISON_SRC = 0xff };

/* ---- devices ------------------------------------------------------------------------------------------------------ */

fr_status conf_device_open(fr_registry *registry, const char *id, uint64_t seed, conf_device *out_device) {
    memset(out_device, 0, sizeof *out_device);
    snprintf(out_device->id, sizeof out_device->id, "%s", id);
    out_device->seed = seed;
    FR_TRY(fr_registry_open(registry, id, &out_device->backend, &out_device->device, &out_device->facts));
    FR_TRY(out_device->backend->queue_open(out_device->device, 1, &out_device->one));
    return out_device->backend->queue_open(out_device->device, 0, &out_device->all);
}

void conf_device_close(conf_device *device) {
    if (device->one)
        device->backend->queue_close(device->one);
    if (device->all)
        device->backend->queue_close(device->all);
    if (device->device)
        device->backend->device_close(device->device);
    device->one = device->all = NULL;
    device->device = NULL;
}

const char *conf_reason_word(uint32_t reason) {
    static const char *const words[CONF_REASONS] = {"",       "kind",     "dtype",   "layout",   "shape",
                                                    "groups", "dilation", "padding", "epilogue", "activation",
                                                    "isa",    "memory",   "driver",  "inexact",  "selfcheck"};
    return reason < CONF_REASONS ? words[reason] : "a reason that is not in the list";
}

const char *conf_layout_word(uint16_t layout) {
    static const char *const words[] = {"any", "nchw", "nhwc", "nchw4c", "nchw8c", "nchw16c", "nchw32c", "hwc", "chw"};
    return layout <= FR_LAYOUT_USER_CHW ? words[layout] : "no layout";
}

void conf_report_failure(conf_device *device, const char *case_name, const char *candidate, const char *fmt, ...) {
    va_list args;
    device->counts.failures++;
    fflush(stdout);
    fprintf(stderr, "FAIL %s %s %s: ", device->id, case_name, candidate);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\n  repeat: conformance --device %s --filter '%s' --seed %llu\n", device->id, case_name,
            (unsigned long long)device->seed);
}

/* ---- one candidate ---------------------------------------------------------------------------------------------- */

typedef struct image { /* a buffer and what the host thinks is in it: guard, data, guard */
    fr_buffer *buffer;
    unsigned char *host;
    uint64_t offset, bytes, total;
} image;

typedef struct trial {
    conf_device *device;
    const conf_case *the_case;
    const fr_check_numbers *numbers;
    const fr_check_answer *answer;
    const fr_candidate *candidate;
    char label[160];
    fr_step step; /* layouts as the candidate has them */
    fr_queue *queue;
    fr_program *program;
    image src[FR_MAX_SRC], dst, scratch;
    unsigned char *first; /* dst's data after the first run */
} trial;

static bool is_from_user(const trial *t) {
    return fr_step_first(&t->step)->kind == FR_STEP_INGEST;
}

static bool is_to_user(const trial *t) {
    return fr_step_last(&t->step)->kind == FR_STEP_EMIT;
}

static void label(trial *t) {
    int length = snprintf(t->label, sizeof t->label, "%s [", t->candidate->name);
    for (int32_t i = 0; i < t->step.n_src && length < 120; i++)
        length += snprintf(t->label + length, sizeof t->label - (size_t)length, "%s ",
                           conf_layout_word(t->step.src[i].layout));
    snprintf(t->label + length, sizeof t->label - (size_t)length, "> %s] %s", conf_layout_word(t->step.dst.layout),
             t->numbers->fill == FR_CHECK_EXACT ? "exact" : "random");
}

static fr_status image_new(trial *t, fr_buffer_kind kind, uint64_t bytes, uint64_t extra_offset, image *out) {
    out->offset = GUARD + extra_offset;
    out->bytes = bytes;
    out->total = out->offset + bytes + GUARD;
    out->host = fr_alloc((size_t)out->total);
    if (!out->host)
        return fr_no_memory((size_t)out->total, "an image of a buffer");
    return t->device->backend->buffer_new(t->device->device, kind, out->total, &out->buffer);
}

static void image_free(trial *t, image *i) {
    t->device->backend->buffer_free(i->buffer);
    fr_free(i->host);
}

/* User memory need not be aligned to more than its numbers. */
static uint64_t user_offset(uint16_t dtype) {
    return fr_dtype_bytes((fr_dtype)dtype) * 3;
}

/* EXACT: a tensor begins where it must, at a multiple of 64. RANDOM: a sub-batch, one input further on. */
static uint64_t batch_offset(const trial *t, const fr_tensor *tensor) {
    return t->numbers->fill == FR_CHECK_EXACT ? 0 : fr_tensor_bytes(tensor, 1);
}

static fr_status prepare(trial *t) {
    const fr_backend *b = t->device->backend;
    const fr_step *step = &t->step;
    bool is_ingest = is_from_user(t), is_emit = is_to_user(t);
    FR_TRY(b->compile(t->device->device, step, t->candidate, &t->numbers->weights, &t->program));
    for (int32_t i = 0; i < step->n_src; i++) {
        uint64_t bytes = is_ingest ? t->numbers->src_bytes[i] : fr_tensor_bytes(&step->src[i], step->n);
        FR_TRY(image_new(t, is_ingest ? FR_BUFFER_STAGING : FR_BUFFER_ACTIVATION, bytes,
                         is_ingest ? user_offset(step->src[i].dtype) : batch_offset(t, &step->src[i]), &t->src[i]));
        memset(t->src[i].host, POISON_SRC, (size_t)t->src[i].total);
        if (is_ingest)
            memcpy(t->src[i].host + t->src[i].offset, t->numbers->src[i], (size_t)bytes);
        else
            fr_check_relayout(&step->src[i], step->n, t->numbers->src[i], t->src[i].host + t->src[i].offset);
        FR_TRY(b->write(t->queue, t->src[i].buffer, 0, t->src[i].host, t->src[i].total));
    }
    FR_TRY(image_new(t, is_emit ? FR_BUFFER_STAGING : FR_BUFFER_ACTIVATION, fr_check_dst_bytes(&t->step),
                     is_emit ? user_offset(step->dst.dtype) : batch_offset(t, &step->dst), &t->dst));
    FR_TRY(image_new(t, FR_BUFFER_SCRATCH, t->candidate->scratch_bytes, 0, &t->scratch));
    t->first = fr_alloc((size_t)t->dst.bytes);
    return t->first ? FR_OK : fr_no_memory((size_t)t->dst.bytes, "a copy of the result");
}

static fr_status poison(trial *t, image *i, int value) {
    memset(i->host, value, (size_t)i->total);
    return t->device->backend->write(t->queue, i->buffer, 0, i->host, i->total);
}

static fr_launch launch_record(trial *t) {
    fr_launch launch = {.program = t->program, .valid = t->numbers->valid};
    for (int32_t i = 0; i < t->step.n_src; i++)
        launch.src[i] = (fr_binding){t->src[i].buffer, t->src[i].offset};
    launch.dst = (fr_binding){t->dst.buffer, t->dst.offset};
    launch.scratch = (fr_binding){t->scratch.buffer, t->scratch.offset};
    return launch;
}

/* The second run goes through a bundle where the backend has them. */
static fr_status run(trial *t, int poison_value, bool by_bundle) {
    const fr_backend *b = t->device->backend;
    fr_launch launch = launch_record(t);
    FR_TRY(poison(t, &t->dst, poison_value));
    FR_TRY(poison(t, &t->scratch, poison_value));
    if (by_bundle && b->bundle_new) {
        fr_bundle *bundle;
        fr_status status = b->bundle_new(t->device->device, &launch, 1, &bundle);
        if (status == FR_UNSUPPORTED) /* the engine launches such programs one by one */
            return run(t, poison_value, false);
        FR_TRY(status);
        status = b->bundle_launch(t->queue, bundle);
        if (status == FR_OK)
            status = b->sync(t->queue);
        b->bundle_free(bundle);
        FR_TRY(status);
    } else {
        FR_TRY(b->launch(t->queue, &launch));
        FR_TRY(b->sync(t->queue));
    }
    FR_TRY(b->read(t->queue, t->dst.buffer, 0, t->dst.host, t->dst.total));
    FR_TRY(b->read(t->queue, t->scratch.buffer, 0, t->scratch.host, t->scratch.total));
    return b->sync(t->queue);
}

/* ---- checks ----------------------------------------------------------------------------------------------------- */

static bool guard_holds(const image *i, int poison_value) {
    uint64_t end = i->offset + i->bytes;
    for (uint64_t at = 0; at < i->total; at = at + 1 == i->offset ? end : at + 1)
        if (i->host[at] != poison_value)
            return false;
    return true;
}

static bool check_guards(trial *t, int poison_value) {
    bool dst = guard_holds(&t->dst, poison_value), scratch = guard_holds(&t->scratch, poison_value);
    if (!dst || !scratch)
        conf_report_failure(t->device, t->the_case->name, t->label, "wrote outside its %s",
                            !dst ? "destination" : "scratch");
    return dst && scratch;
}

static bool check_sources(trial *t) {
    const fr_backend *b = t->device->backend;
    for (int32_t i = 0; i < t->step.n_src; i++) {
        image *s = &t->src[i];
        unsigned char *now = fr_alloc((size_t)s->total);
        bool same = now && b->read(t->queue, s->buffer, 0, now, s->total) == FR_OK && b->sync(t->queue) == FR_OK &&
                    memcmp(now, s->host, (size_t)s->total) == 0;
        fr_free(now);
        if (!same) {
            conf_report_failure(t->device, t->the_case->name, t->label, "source %d is not as it was", i);
            return false;
        }
    }
    return true;
}

static bool check_padding(trial *t) { /* channels that a block adds are zero */
    const fr_tensor *dst = &t->step.dst;
    size_t item = fr_dtype_bytes((fr_dtype)dst->dtype);
    static const unsigned char zeros[8];
    int32_t stored = fr_layout_channels(dst->layout, dst->c);
    if (is_to_user(t))
        return true;
    for (int32_t n = 0; n < t->step.n; n++)
        for (int32_t c = dst->c; c < stored; c++)
            for (int32_t y = 0; y < dst->h; y++)
                for (int32_t x = 0; x < dst->w; x++)
                    if (memcmp(t->dst.host + t->dst.offset + fr_tensor_index(dst, n, c, y, x) * item, zeros, item) !=
                        0) {
                        conf_report_failure(t->device, t->the_case->name, t->label,
                                            "padding channel %d is not zero at input %d, row %d, column %d", c, n, y,
                                            x);
                        return false;
                    }
    return true;
}

static bool check_values(trial *t, const unsigned char *data) {
    fr_check_difference d;
    if (fr_check_compare(t->numbers, t->answer, &t->step, data, (t->candidate->flags & FR_CANDIDATE_INEXACT) != 0, &d))
        return true;
    conf_report_failure(t->device, t->the_case->name, t->label,
                        "%llu of %llu numbers are wrong; max error %g: number %llu is %.9g, not %.9g (allowed %g)",
                        (unsigned long long)d.wrong, (unsigned long long)t->answer->count, d.error,
                        (unsigned long long)d.worst, d.got, d.want, d.allowed);
    return false;
}

static bool check_missing_rows(trial *t, int poison_value) { /* EMIT leaves rows that do not exist alone */
    if (!is_to_user(t))
        return true;
    for (uint64_t at = t->answer->count * fr_dtype_bytes((fr_dtype)t->step.dst.dtype); at < t->dst.bytes; at++)
        if (t->dst.host[t->dst.offset + at] != poison_value) {
            conf_report_failure(t->device, t->the_case->name, t->label, "wrote a row of an image that does not exist");
            return false;
        }
    return true;
}

/* One of the user's ends again, on the user's own memory, just large enough for the images that exist. */
static fr_status run_in_place(trial *t, bool is_ingest, bool *out_ok) {
    const fr_backend *b = t->device->backend;
    uint16_t dtype = is_ingest ? t->step.src[0].dtype : t->step.dst.dtype;
    uint64_t bytes = is_ingest ? t->numbers->src_bytes[0] : t->answer->count * fr_dtype_bytes((fr_dtype)dtype),
             lead = user_offset(dtype);
    fr_buffer *window = NULL;
    fr_status status = FR_OK;
    *out_ok = true;
    unsigned char *memory = malloc((size_t)(lead + bytes));
    if (!memory)
        return fr_no_memory((size_t)(lead + bytes), "the user's memory");
    FR_GO(done, b->buffer_new(t->device->device, FR_BUFFER_STAGING, 0, &window));
    FR_GO(done, b->buffer_point(window, memory, lead + bytes));
    memset(memory, POISON_SRC, (size_t)(lead + bytes));
    if (is_ingest)
        memcpy(memory + lead, t->numbers->src[0], (size_t)bytes);
    fr_launch launch = launch_record(t);
    *(is_ingest ? &launch.src[0] : &launch.dst) = (fr_binding){window, lead};
    FR_GO(done, poison(t, &t->dst, 0x5a));
    FR_GO(done, b->launch(t->queue, &launch));
    FR_GO(done, b->sync(t->queue));
    FR_GO(done, b->read(t->queue, t->dst.buffer, 0, t->dst.host, t->dst.total));
    FR_GO(done, b->sync(t->queue));
    *out_ok = check_values(t, is_ingest ? t->dst.host + t->dst.offset : memory + lead);
done:
    b->buffer_free(window);
    free(memory);
    return status;
}

static fr_status try_all(trial *t) {
    enum { FIRST = 0xcd, SECOND = 0xff };
    bool ok = true;
    FR_TRY(prepare(t));
    FR_TRY(run(t, FIRST, false));
    ok = check_guards(t, FIRST) && check_values(t, t->dst.host + t->dst.offset) && check_padding(t) &&
         check_missing_rows(t, FIRST);
    memcpy(t->first, t->dst.host + t->dst.offset, (size_t)t->dst.bytes);
    if (!ok)
        return FR_OK;
    FR_TRY(run(t, SECOND, true));
    if (!check_guards(t, SECOND) || !check_missing_rows(t, SECOND) || !check_sources(t))
        return FR_OK;
    uint64_t bytes = is_to_user(t) ? t->answer->count * fr_dtype_bytes((fr_dtype)t->step.dst.dtype) : t->dst.bytes;
    if (memcmp(t->first, t->dst.host + t->dst.offset, (size_t)bytes) != 0) {
        conf_report_failure(t->device, t->the_case->name, t->label, "a second run gives other bits");
        return FR_OK;
    }
    bool can_point = t->numbers->valid > 0 && t->device->facts.flags & FR_DEVICE_HOST_POINTERS;
    if (can_point && is_from_user(t))
        FR_TRY(run_in_place(t, true, &ok));
    return can_point && ok && is_to_user(t) ? run_in_place(t, false, &ok) : FR_OK;
}

static void run_candidate(conf_device *device, const conf_case *the_case, const fr_check_numbers *numbers,
                          const fr_check_answer *answer, const fr_candidate *candidate) {
    trial t = {.device = device,
               .the_case = the_case,
               .numbers = numbers,
               .answer = answer,
               .candidate = candidate,
               .step = numbers->step};
    t.queue = numbers->fill == FR_CHECK_EXACT ? device->one : device->all;
    for (int32_t i = 0; i < t.step.n_src; i++)
        t.step.src[i].layout = candidate->src_layout[i];
    t.step.dst.layout = candidate->dst_layout;
    label(&t);
    device->counts.runs++;
    fr_status status = try_all(&t);
    if (status != FR_OK)
        conf_report_failure(device, the_case->name, t.label, "%s: %s", fr_status_word(status), fr_error_sentence());
    if (t.program)
        device->backend->program_free(t.program);
    for (int i = 0; i < FR_MAX_SRC; i++)
        image_free(&t, &t.src[i]);
    image_free(&t, &t.dst);
    image_free(&t, &t.scratch);
    fr_free(t.first);
}

/* ---- a case ------------------------------------------------------------------------------------------------------- */

static bool holds(uint16_t asked, uint16_t answered) {
    return answered != FR_LAYOUT_ANY && answered <= FR_LAYOUT_USER_CHW && (asked == FR_LAYOUT_ANY || asked == answered);
}

/* An answer that a caller can rely on: named, settled, with the layouts that were asked for, refused ones last. */
static bool is_sound(conf_device *device, const conf_case *the_case, const fr_step *step, const fr_candidate *c,
                     bool after_refused) {
    const char *fault = NULL;
    if (!memchr(c->name, '\0', sizeof c->name) || c->name[0] == '\0')
        fault = "a candidate has no name";
    else if (c->refused >= CONF_REASONS)
        fault = "refused for a reason that is not in the list";
    else if (!c->refused && after_refused)
        fault = "a candidate stands after a refused one";
    for (int32_t i = 0; !fault && !c->refused && i < step->n_src; i++)
        if (!holds(step->src[i].layout, c->src_layout[i]))
            fault = "a source's layout is not what was asked for";
    if (!fault && !c->refused && !holds(step->dst.layout, c->dst_layout))
        fault = "the destination's layout is not what was asked for";
    if (!fault && c->flags & FR_CANDIDATE_INEXACT && !c->refused && !step->inexact_ok)
        fault = "an inexact candidate, though the step wants exact ones";
    if (fault)
        conf_report_failure(device, the_case->name, c->name[0] ? c->name : "candidates", "%s", fault);
    return fault == NULL;
}

/* f32 at all ends but the user's. */
static bool is_wide(const fr_step *step) {
    bool wide = step->dst.dtype == FR_F32;
    for (int32_t i = 0; i < step->n_src; i++)
        wide &= step->src[i].dtype == FR_F32 || fr_step_first(step)->kind == FR_STEP_INGEST;
    return wide;
}

/* In f32 the best guesses run both fills, and of a long tail of variants each runs one of the two in a quarter of the cases. In
 * other types, where on most devices every mixture is a kernel of its own to build, the best runs, and of the tail each in a
 * few cases. Unless all is asked for. */
static bool takes_fill(const conf_device *device, const conf_case *the_case, const fr_candidate *c, uint32_t place,
                       fr_check_fill fill, bool can_be_exact) {
    enum { BEST = 6, BEST_NARROW = 1, FEW = 64 };
    bool wide = is_wide(&the_case->step), is_best = device->is_thorough || place < (wide ? BEST : BEST_NARROW);
    fr_hash hash = fr_hash_bytes(the_case->name, strlen(the_case->name), (fr_hash){1, 2});
    hash = fr_hash_bytes(c->name, strlen(c->name), hash);
    if (!is_best && !wide && hash.b % FEW != 0)
        return false;
    if (!can_be_exact)
        return fill == FR_CHECK_RANDOM;
    if (is_best || !wide)
        return true;
    return (hash.a & 7) == (fill == FR_CHECK_RANDOM ? 1 : 0);
}

static uint32_t ask(conf_device *device, const conf_case *the_case, const fr_check_numbers *numbers,
                    const fr_check_answer *answer, const fr_step *step, bool counts_candidates) {
    fr_candidate found[MOST_CANDIDATES];
    uint32_t count = 0, accepted = 0;
    bool after_refused = false;
    memset(found, 0, sizeof found);
    fr_status status = device->backend->candidates(device->device, step, found, MOST_CANDIDATES, &count);
    if (status != FR_OK) {
        conf_report_failure(device, the_case->name, "candidates", "%s: %s", fr_status_word(status),
                            fr_error_sentence());
        return 0;
    }
    for (uint32_t i = 0; i < count && i < MOST_CANDIDATES; i++) {
        fr_candidate *c = &found[i];
        if (!is_sound(device, the_case, step, c, after_refused))
            continue;
        after_refused |= c->refused != 0;
        if (counts_candidates && c->refused)
            device->counts.refused[c->refused]++;
        if (c->refused || (device->only_candidate && !strstr(c->name, device->only_candidate)))
            continue;
        accepted++;
        device->counts.candidates += counts_candidates;
        if (device->is_verbose)
            printf("%s %s %s\n", device->id, the_case->name, c->name);
        bool can_be_exact = !(c->flags & FR_CANDIDATE_INEXACT) && fr_check_can_be_exact(step);
        if (takes_fill(device, the_case, c, accepted - 1, numbers->fill, can_be_exact))
            run_candidate(device, the_case, numbers, answer, c);
    }
    return accepted;
}

static void ask_every_layout(conf_device *device, const conf_case *the_case, const fr_check_numbers *numbers,
                             const fr_check_answer *answer, bool counts_candidates) {
    fr_step step = numbers->step;
    bool from_user = fr_step_first(&step)->kind == FR_STEP_INGEST, to_user = fr_step_last(&step)->kind == FR_STEP_EMIT;
    for (uint16_t from = FR_LAYOUT_NCHW; from <= FR_LAYOUT_NCHW32C; from++)
        for (uint16_t to = FR_LAYOUT_NCHW; to <= FR_LAYOUT_NCHW32C; to++) {
            if ((from_user && from > FR_LAYOUT_NCHW) || (to_user && to > FR_LAYOUT_NCHW))
                continue;
            for (int32_t i = 0; i < step.n_src && !from_user; i++)
                step.src[i].layout = i == 1 && step.residual ? to : from;
            step.dst.layout = to;
            ask(device, the_case, numbers, answer, &step, counts_candidates);
        }
}

void conf_run_case(conf_device *device, const conf_case *the_case, const fr_check_numbers *numbers,
                   const fr_check_answer *answer, bool counts_candidates) {
    fr_step step = numbers->step;
    uint32_t accepted = ask(device, the_case, numbers, answer, &step, counts_candidates);
    device->counts.cases += counts_candidates;
    if (accepted == 0 && counts_candidates) {
        device->counts.no_candidate++;
        if (device->is_verbose)
            printf("%s %s no candidate\n", device->id, the_case->name);
    }
    if (the_case->all_layouts && (device->is_thorough || is_wide(&the_case->step)))
        ask_every_layout(device, the_case, numbers, answer, counts_candidates);
}
