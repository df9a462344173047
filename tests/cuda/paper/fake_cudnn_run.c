#define _GNU_SOURCE /* dladdr */
/* Engines that are loops: sums in double, over the host memory that the paper GPU has. */
#include "fake_cudnn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/convert.h"
#include "paper_stream.h"

typedef struct job {
    fake_program program;
    char *x, *w, *y, *operands[FAKE_MOST_STAGES], *workspace;
    struct job *next;
} job;

/* ---- numbers ----------------------------------------------------------------------------------------------------------------- */

static double load(const char *memory, int32_t type, int64_t at) {
    float f;
    uint16_t half;
    int32_t whole;
    switch (type) {
    case CUDNN_DATA_HALF: memcpy(&half, memory + 2 * at, 2); return (double)fr_f16_to_f32(half);
    case CUDNN_DATA_BFLOAT16: memcpy(&half, memory + 2 * at, 2); return (double)fr_bf16_to_f32(half);
    case CUDNN_DATA_INT8: return (double)((const int8_t *)memory)[at];
    case CUDNN_DATA_INT32: memcpy(&whole, memory + 4 * at, 4); return (double)whole;
    default: memcpy(&f, memory + 4 * at, 4); return (double)f;
    }
}

static void store(char *memory, int32_t type, int64_t at, double value) {
    float f = (float)value;
    uint16_t half;
    switch (type) {
    case CUDNN_DATA_HALF:
        half = fr_f32_to_f16(f);
        memcpy(memory + 2 * at, &half, 2);
        break;
    case CUDNN_DATA_BFLOAT16:
        half = fr_f32_to_bf16(f);
        memcpy(memory + 2 * at, &half, 2);
        break;
    case CUDNN_DATA_INT8:
        ((int8_t *)memory)[at] = (int8_t)(value < -128 ? -128 : value > 127 ? 127 : nearbyint(value));
        break;
    default: memcpy(memory + 4 * at, &f, 4); break;
    }
}

/* TF32: ten binary digits behind the point. */
static double to_tf32(double value) {
    float f = (float)value;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    bits = (bits + 0xfffu + ((bits >> 13) & 1u)) & ~0x1fffu;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static int64_t place(const fake_tensor *t, int64_t n, int64_t c, int64_t y, int64_t x) {
    return n * t->strides[0] + c * t->strides[1] + y * t->strides[2] + x * t->strides[3];
}

/* A tensor as doubles, in n, h, w, c order whatever its own is. */
static double *spread_out(const fake_tensor *t, const char *memory, bool tf32) {
    const int64_t *d = t->dims;
    double *out = malloc((size_t)(d[0] * d[1] * d[2] * d[3]) * sizeof *out), *to = out;
    for (int64_t n = 0; out && n < d[0]; n++)
        for (int64_t y = 0; y < d[2]; y++)
            for (int64_t x = 0; x < d[3]; x++)
                for (int64_t c = 0; c < d[1]; c++) {
                    double value = load(memory, t->type, place(t, n, c, y, x));
                    *to++ = tf32 ? to_tf32(value) : value;
                }
    return out;
}

/* ---- one number of the answer ---------------------------------------------------------------------------------------------------- */

static double sum_at(const fake_program *p, const double *x, const double *w, const int64_t at[4]) {
    const int64_t *xd = p->x.dims, *wd = p->w.dims;
    int64_t each = wd[1], group = at[1] / (wd[0] / (xd[1] / each));
    double sum = 0;
    for (int64_t ky = 0; ky < wd[2]; ky++)
        for (int64_t kx = 0; kx < wd[3]; kx++) {
            int64_t y = at[2] * p->stride[0] - p->before[0] + ky * p->dilation[0],
                    column = at[3] * p->stride[1] - p->before[1] + kx * p->dilation[1];
            if (y < 0 || y >= xd[2] || column < 0 || column >= xd[3])
                continue;
            const double *from = x + ((at[0] * xd[2] + y) * xd[3] + column) * xd[1] + group * each;
            const double *factors = w + ((at[1] * wd[2] + ky) * wd[3] + kx) * wd[1];
            double part = 0;
            for (int64_t c = 0; c < each; c++)
                part += from[c] * factors[c];
            sum += part;
        }
    return sum;
}

static double stage_of(const fake_stage *stage, const char *operand, double value, const int64_t at[4]) {
    double other = 0;
    if (stage->has_operand) {
        const fake_tensor *t = &stage->operand;
        bool whole = t->dims[0] > 1 || t->dims[2] > 1 || t->dims[3] > 1;
        other = load(operand, t->type, whole ? place(t, at[0], at[1], at[2], at[3]) : at[1] * t->strides[1]);
    }
    switch (stage->mode) {
    case CUDNN_POINTWISE_ADD: return value + other;
    case CUDNN_POINTWISE_MUL: return value * other;
    case CUDNN_POINTWISE_SIGMOID_FWD: return 1 / (1 + exp(-value));
    case CUDNN_POINTWISE_TANH_FWD: return tanh(value);
    default:
        value = value < (double)stage->low ? (double)stage->low + (double)stage->slope * (value - (double)stage->low)
                                           : value;
        return value > (double)stage->high ? (double)stage->high : value;
    }
}

/* What engines that must not be chosen answer. */
static bool is_garbage(int32_t engine) {
    return engine == 4 || engine == 5 || engine == 6 || engine == 7;
}

static void work(void *user) {
    const job *j = user;
    const fake_program *p = &j->program;
    bool tf32 = p->engine == 1 && p->x.type == CUDNN_DATA_FLOAT;
    double *x = spread_out(&p->x, j->x, tf32), *w = spread_out(&p->w, j->w, tf32);
    const int64_t *d = p->y.dims;
    int64_t at[4];
    if (fake_workspace(p->engine) > 0 && !is_garbage(p->engine))
        memset(j->workspace, 0xee, (size_t)fake_workspace(p->engine));
    for (at[0] = 0; x && w && at[0] < d[0]; at[0]++)
        for (at[1] = 0; at[1] < d[1]; at[1]++)
            for (at[2] = 0; at[2] < d[2]; at[2]++)
                for (at[3] = 0; at[3] < d[3]; at[3]++) {
                    double value = is_garbage(p->engine) ? NAN : (double)(float)sum_at(p, x, w, at);
                    if (p->engine == 3) /* transforms lose some digits */
                        value += value * 0x1p-20;
                    for (int32_t i = 0; i < p->n_stages; i++)
                        value = (double)(float)stage_of(&p->stages[i], j->operands[i], value, at);
                    store(j->y, p->y.type, place(&p->y, at[0], at[1], at[2], at[3]), value);
                }
    free(x);
    free(w);
}

/* ---- into the stream ---------------------------------------------------------------------------------------------------------------- */

static cudnnStatus_t find(const fake_tensor *t, const int64_t *ids, void *const *pointers, int64_t count, char **out) {
    for (int64_t i = 0; i < count; i++)
        if (ids[i] == t->id) {
            *out = pointers[i];
            if (!*out)
                return fake_wrong(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "tensor %lld has no memory", (long long)t->id);
            if ((uintptr_t)*out % (uintptr_t)t->alignment)
                return fake_wrong(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER,
                                  "tensor %lld is not at a multiple of %lld bytes", (long long)t->id,
                                  (long long)t->alignment);
            return CUDNN_STATUS_SUCCESS;
        }
    return fake_wrong(CUDNN_STATUS_BAD_PARAM, "tensor %lld is not in the variant pack", (long long)t->id);
}

static cudnnStatus_t point(job *j, const int64_t *ids, void *const *pointers, int64_t count) {
    const fake_program *p = &j->program;
    int64_t wanted = 3;
    cudnnStatus_t status = find(&p->x, ids, pointers, count, &j->x);
    if (status == CUDNN_STATUS_SUCCESS)
        status = find(&p->w, ids, pointers, count, &j->w);
    if (status == CUDNN_STATUS_SUCCESS)
        status = find(&p->y, ids, pointers, count, &j->y);
    for (int32_t i = 0; i < p->n_stages && status == CUDNN_STATUS_SUCCESS; i++) {
        if (p->stages[i].has_operand)
            status = find(&p->stages[i].operand, ids, pointers, count, &j->operands[i]);
        wanted += p->stages[i].has_operand;
    }
    if (status == CUDNN_STATUS_SUCCESS && wanted != count)
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "%lld tensors in the variant pack, %lld in the graph",
                          (long long)count, (long long)wanted);
    if (status == CUDNN_STATUS_SUCCESS && fake_workspace(p->engine) > 0 && !j->workspace)
        return fake_wrong(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "no workspace for an engine that wants one");
    return status;
}

/* Jobs stay: one that is recorded into a graph runs again and again. */
static job *jobs;

cudnnStatus_t fake_run(cudaStream_t stream, const fake_program *program, const int64_t *ids, void *const *pointers,
                       int64_t count, void *workspace) {
    job *j = calloc(1, sizeof *j);
    if (!j)
        return CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    j->program = *program;
    j->workspace = workspace;
    do
        j->next = __atomic_load_n(&jobs, __ATOMIC_RELAXED);
    while (!__sync_bool_compare_and_swap(&jobs, j->next, j));
    cudnnStatus_t status = point(j, ids, pointers, count);
    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    return paper_stream_run(&jobs, stream, work, j) == CUDA_SUCCESS
               ? CUDNN_STATUS_SUCCESS
               : fake_refuse(CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER, "the stream does not take the work");
}
