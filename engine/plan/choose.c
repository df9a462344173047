/* All options of a choice, predicted and ranked. Which of them to measure and to take: choose_pick.c. */
#include "plan/choose.h"

#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "plan/choose_parts.h"
#include "plan/predict_parts.h"

/* ---- limits ------------------------------------------------------------------------------------------------------- */

double fr_choice_plain_accuracy(const fr_choice_question *q) {
    double best = q->plain_accuracy > 0 ? q->plain_accuracy : -1;
    for (int32_t i = 0; i < q->n_variants; i++)
        if (q->variants[i].fold <= 1 && q->variants[i].accuracy > best)
            best = q->variants[i].accuracy;
    return best;
}

/* As far as it was measured: of a batch, and of all lanes. */
static double latency_ms(const fr_option *o) {
    return o->measured > 0 && o->measured_ms > 0 ? o->measured_ms : o->predicted.run_ns / 1e6;
}

static uint64_t memory_bytes(const fr_option *o) {
    return o->measured > 0 && o->measured_bytes > 0 ? o->measured_bytes : o->predicted.bytes;
}

double fr_option_excess(const fr_choice_question *q, const fr_option *o, fr_limit *out_limit) {
    const fr_limits *l = &q->limits;
    double late = l->max_latency_ms > 0 ? latency_ms(o) / l->max_latency_ms : 0,
           large = l->max_bytes > 0 ? (double)memory_bytes(o) / (double)l->max_bytes : 0;
    if (out_limit)
        *out_limit = late > large ? FR_LIMIT_LATENCY : FR_LIMIT_MEMORY;
    return late > large ? late : large;
}

static fr_limit broken_by(const fr_choice_question *q, double plain, const fr_option *o) {
    const fr_limits *l = &q->limits;
    double accuracy = q->variants[o->variant].accuracy;
    if (l->max_latency_ms > 0 && latency_ms(o) > l->max_latency_ms)
        return FR_LIMIT_LATENCY;
    if (l->max_bytes > 0 && memory_bytes(o) > l->max_bytes)
        return FR_LIMIT_MEMORY;
    if (l->max_drop >= 0 && plain >= 0 && accuracy >= 0 && plain - accuracy > l->max_drop + 1e-9)
        return FR_LIMIT_DROP;
    return FR_LIMIT_NONE;
}

static bool drop_is_unjudged(const fr_choice_question *q) {
    bool unknown = fr_choice_plain_accuracy(q) < 0;
    for (int32_t i = 0; i < q->n_variants; i++)
        unknown |= q->variants[i].accuracy < 0;
    return q->limits.max_drop >= 0 && unknown;
}

/* ---- rank --------------------------------------------------------------------------------------------------------- */

double fr_option_speed(const fr_option *o) {
    return o->measured > 0 ? o->measured : o->predicted.images_per_s;
}

/* From fine to coarse. */
static int32_t coarseness(fr_precision precision) {
    switch (precision) {
    case FR_PRECISION_F64: return 0;
    case FR_PRECISION_F32: return 1;
    case FR_PRECISION_TF32: return 2;
    case FR_PRECISION_INT8: return 4;
    default: return 3;
    }
}

static int sign(double a, double b) {
    return (a > b) - (a < b);
}

int fr_option_asks_less(const fr_choice_question *q, const fr_option *a, const fr_option *b) {
    const fr_variant *x = &q->variants[a->variant], *y = &q->variants[b->variant];
    int by = sign(x->fold, y->fold);
    by = by ? by : sign(coarseness(a->precision), coarseness(b->precision));
    by = by ? by : sign(y->width, x->width);
    by = by ? by : sign((double)a->batch, (double)b->batch);
    by = by ? by : sign(fr_option_speed(b), fr_option_speed(a));
    by = by ? by : sign(a->precision, b->precision);
    by = by ? by : sign(a->schedule, b->schedule);
    by = by ? by : sign(x->quantum, y->quantum);
    by = by ? by : sign(x->round, y->round);
    return by ? by : sign(a->variant, b->variant);
}

static int32_t rank_of(const fr_option *o) {
    if (o->broken != FR_LIMIT_NONE)
        return 3;
    return o->failed ? 2 : o->measured > 0 ? 0 : 1;
}

static int by_rank(const fr_choice_question *q, const fr_option *a, const fr_option *b) {
    int by = sign(rank_of(a), rank_of(b));
    by = by ? by : sign(fr_option_speed(b), fr_option_speed(a));
    return by ? by : fr_option_asks_less(q, a, b);
}

/* Shell's sort, in place: no two options are equal, so their order is the same however they came. */
void fr_choice_rank(const fr_choice_question *q, fr_choice *choice) {
    double plain = fr_choice_plain_accuracy(q);
    for (size_t i = 0; i < choice->n_options; i++)
        choice->options[i].broken = broken_by(q, plain, &choice->options[i]);
    size_t gap = 1;
    while (gap < choice->n_options / 3)
        gap = 3 * gap + 1;
    for (; gap > 0; gap /= 3)
        for (size_t i = gap; i < choice->n_options; i++) {
            fr_option moved = choice->options[i];
            size_t at = i;
            for (; at >= gap && by_rank(q, &moved, &choice->options[at - gap]) < 0; at -= gap)
                choice->options[at] = choice->options[at - gap];
            choice->options[at] = moved;
        }
}

/* ---- all options ---------------------------------------------------------------------------------------------------- */

static fr_status add_options(fr_costed *costed, const fr_choice_question *q, int32_t variant, fr_choice *choice) {
    for (int32_t s = FR_SCHEDULE_LAYERS; s <= FR_SCHEDULE_CHAIN; s++) {
        if (!(q->schedules >> s & 1u) || !fr_predictor_has(costed->predictor, costed->precision, (fr_schedule)s))
            continue;
        for (int32_t b = 0; b < q->n_batches; b++) {
            if (q->batches[b] < q->variants[variant].fold) /* one input would hold more images than the batch */
                continue;
            fr_option *o = &choice->options[choice->n_options];
            *o = (fr_option){
                .variant = variant, .precision = costed->precision, .schedule = (fr_schedule)s, .batch = q->batches[b]};
            fr_status status = fr_predict_costed(costed, o->schedule, o->batch, q->lanes, false, &o->predicted);
            if (status != FR_OK && status != FR_UNSUPPORTED)
                return status;
            choice->n_options += status == FR_OK; /* too large for any device is no option */
        }
    }
    return FR_OK;
}

static fr_status add_variant(const fr_predictor *predictor, const fr_choice_question *q, int32_t variant,
                             fr_choice *choice) {
    for (int32_t p = 0; p < FR_PRECISIONS; p++) {
        fr_costed costed;
        if (!(q->precisions >> p & 1u) || (!fr_predictor_has(predictor, (fr_precision)p, FR_SCHEDULE_LAYERS) &&
                                           !fr_predictor_has(predictor, (fr_precision)p, FR_SCHEDULE_CHAIN)))
            continue;
        FR_TRY(fr_costed_make(predictor, q->variants[variant].steps, (fr_precision)p, &costed));
        fr_status status = add_options(&costed, q, variant, choice);
        fr_costed_free(&costed);
        FR_TRY(status);
    }
    return FR_OK;
}

fr_status fr_choose(const fr_predictor *predictor, const fr_choice_question *q, fr_choice *out) {
    fr_status status = FR_OK;
    memset(out, 0, sizeof *out);
    size_t most = (size_t)q->n_variants * FR_PRECISIONS * 2 * (size_t)q->n_batches;
    out->options = fr_alloc_array(most + 1, sizeof *out->options);
    if (!out->options)
        return fr_no_memory(most * sizeof *out->options, "a choice");
    for (int32_t v = 0; v < q->n_variants; v++)
        FR_GO(fail, add_variant(predictor, q, v, out));
    if (out->n_options == 0) {
        status = fr_fail(
            FR_UNSUPPORTED,
            "there is nothing to choose from: the profile of %s holds none of these precisions and schedules, or "
            "every fold is larger than every batch",
            fr_predictor_probe(predictor)->name);
        goto fail;
    }
    out->drop_unjudged = drop_is_unjudged(q);
    fr_choice_rank(q, out);
    return FR_OK;
fail:
    fr_choice_free(out);
    return status;
}

void fr_choice_free(fr_choice *choice) {
    fr_free(choice->options);
    memset(choice, 0, sizeof *choice);
}
