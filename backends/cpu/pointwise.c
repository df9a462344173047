/* Steps that look at one number of each source at a time: binary operations and activations. */
#include <string.h>

#include "maps.h"
#include "steps.h"

enum { CHUNK = 512 };

typedef struct pointwise_job {
    const fr_step *step;
    const cpu_kernels *kernels;
    const char *src[2];
    char *dst;
    uint64_t maps, elements; /* of an image; elements of a map */
} pointwise_job;

static const void *numbers(const cpu_kernels *kernels, const fr_tensor *t, const char *data, uint64_t first,
                           uint64_t count, float *row) {
    const char *at = data + first * fr_dtype_bytes((fr_dtype)t->dtype);
    if (t->dtype == FR_F32)
        return at;
    kernels->convert(t->dtype, t->scale, at, FR_F32, 0.0f, row, count);
    return row;
}

/* src1 has one place: its `channels` numbers again and again, from number `first` of the map on. */
static void repeat(const float *place, uint64_t channels, uint64_t first, uint64_t count, float *row) {
    for (uint64_t i = 0, c = first % channels; i < count; i++) {
        row[i] = place[c];
        c = c + 1 == channels ? 0 : c + 1;
    }
}

static void pointwise_map(void *ctx, int64_t map) {
    const pointwise_job *j = ctx;
    const fr_step *step = j->step;
    const fr_tensor *a = &step->src[0], *b = &step->src[1], *dst = &step->dst;
    bool binary = step->kind == FR_STEP_BINARY, broadcast = binary && cpu_places(b) != cpu_places(a);
    uint64_t channels = cpu_place_channels(a), base = (uint64_t)map * j->elements;
    float rows[3][CHUNK], place[CHUNK];
    for (uint64_t done = 0; done < j->elements; done += CHUNK) {
        uint64_t count = j->elements - done < CHUNK ? j->elements - done : CHUNK;
        const float *in = numbers(j->kernels, a, j->src[0], base + done, count, rows[0]), *other = NULL;
        if (broadcast && channels <= CHUNK) {
            repeat(numbers(j->kernels, b, j->src[1], (uint64_t)map * channels, channels, place), channels, done, count,
                   rows[1]);
            other = rows[1];
        } else if (broadcast) { /* NHWC with many channels: number by number */
            for (uint64_t i = 0; i < count; i++)
                rows[1][i] = *(const float *)numbers(j->kernels, b, j->src[1],
                                                     (uint64_t)map * channels + (done + i) % channels, 1, place);
            other = rows[1];
        } else if (binary) {
            other = numbers(j->kernels, b, j->src[1], base + done, count, rows[1]);
        }
        if (binary)
            j->kernels->binary(step->binary, in, other, rows[2], count);
        else
            memcpy(rows[2], in, count * sizeof(float));
        j->kernels->act(step->act, step->act_a, step->act_b, rows[2], count);
        j->kernels->convert(FR_F32, 0.0f, rows[2], dst->dtype, dst->scale,
                            j->dst + (base + done) * fr_dtype_bytes((fr_dtype)dst->dtype), count);
    }
}

static fr_status pointwise_run(fr_program *program, fr_queue *queue, const cpu_args *args) {
    const fr_step *step = &program->step;
    pointwise_job job = {step, queue->device->kernels, {args->src[0], args->src[1]}, args->dst, 0, 0};
    job.elements = cpu_places(&step->dst) * cpu_place_channels(&step->dst);
    job.maps = fr_tensor_elements(&step->dst) / job.elements;
    cpu_parallel(queue, (int64_t)job.maps * step->n, pointwise_map, &job);
    for (int32_t n = 0; n < step->n; n++) /* 0 / 0, or sigmoid(0), is not zero */
        cpu_zero_tail(&step->dst, args->dst, n);
    return FR_OK;
}

static fr_status pointwise_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate,
                                   const fr_weights *weights, fr_program **out_program) {
    (void)weights;
    HOST_TRY(cpu_program_new(device, step, candidate, sizeof(fr_program), out_program));
    (*out_program)->run = pointwise_run;
    return FR_OK;
}

static fr_status binary_candidates(fr_device *device, const fr_step *step, cpu_offers *offers) {
    (void)device;
    cpu_offer_alike(step, "binary", offers);
    return FR_OK;
}

static fr_status unary_candidates(fr_device *device, const fr_step *step, cpu_offers *offers) {
    (void)device;
    cpu_offer_alike(step, "unary", offers);
    return FR_OK;
}

const cpu_kind cpu_kind_binary = {binary_candidates, pointwise_compile};
const cpu_kind cpu_kind_unary = {unary_candidates, pointwise_compile};
