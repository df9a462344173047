/* Fully connected layers by cuBLASLt: dst = act(src * weights + bias [+ residual]), its epilogue included. */
#include "lt.h"
#include "trial.h"

#ifdef CUDA_WITH_CUBLASLT

#include <stdio.h>
#include <string.h>

enum { LT_LAYOUT = 0 /* option: of src */, WORKSPACE = 4 << 20, KEY_BYTES = 512, PART = 256 };

typedef struct lt_op {
    cud_op base;
    fr_device *device;
    lt_product product;
    CUdeviceptr weights; /* a row for each output, then the bias */
    bool has_residual;
} lt_op;

/* ---- which steps ----------------------------------------------------------------------------------------------------------- */

static bool is_type_of(uint16_t compute, uint16_t dtype) {
    switch (compute) {
    case FR_PRECISION_F32:
    case FR_PRECISION_TF32: return dtype == FR_F32;
    case FR_PRECISION_F16: return dtype == FR_F16;
    case FR_PRECISION_BF16: return dtype == FR_BF16;
    default: return false;
    }
}

static fr_reason check(const fr_device *device, const fr_step *step, uint16_t layout) {
    uint16_t in = step->src[0].dtype, out = step->dst.dtype;
    if (!device->lt)
        return FR_WHY_DRIVER;
    bool has_type = step->compute == FR_PRECISION_TF32   ? device->found->has_tf32
                    : step->compute == FR_PRECISION_BF16 ? device->found->has_bf16
                                                         : true;
    if (!has_type || !is_type_of(step->compute, in) || (out != in && out != FR_F32) ||
        (step->residual && step->src[1].dtype != out))
        return FR_WHY_DTYPE;
    if (step->act != FR_ACT_NONE && step->act != FR_ACT_RELU)
        return FR_WHY_ACTIVATION;
    if (!gpu_layout_fits(step->src[0].layout, layout) || fr_layout_block(step->dst.layout) != 1 ||
        (step->residual && fr_layout_block(step->src[1].layout) != 1))
        return FR_WHY_LAYOUT;
    return fr_tensor_elements(&step->src[0]) > INT32_MAX ? FR_WHY_SHAPE : FR_WHY_NOT;
}

/* Of 1x1 maps both plain layouts are the same. */
static uint16_t plain_layout(uint16_t asked, uint16_t otherwise) {
    return asked == FR_LAYOUT_ANY ? otherwise : asked;
}

static void fit(const fr_device *device, const fr_step *step, const cud_way *way, fr_candidate *candidate,
                double *out_ns) {
    uint16_t layout = (uint16_t)way->option[LT_LAYOUT];
    fr_reason why = check(device, step, layout);
    candidate->refused = (uint16_t)why;
    if (why)
        return;
    candidate->src_layout[0] = layout;
    if (step->residual)
        candidate->src_layout[1] = plain_layout(step->src[1].layout, layout);
    candidate->dst_layout = plain_layout(step->dst.layout, layout);
    candidate->scratch_bytes = WORKSPACE;
    candidate->granule = 8;
    double k = (double)step->src[0].c * step->src[0].h * step->src[0].w, n = step->n, out = step->dst.c;
    double speed_up = step->compute == FR_PRECISION_F32 ? 1 : step->compute == FR_PRECISION_TF32 ? 3 : 6;
    double bytes = (double)fr_dtype_bytes((fr_dtype)step->src[0].dtype) * (n * k + k * out + n * out);
    *out_ns = gpu_guess_ns(&device->found->traits, 2 * n * k * out / speed_up, bytes, 0.6);
}

/* ---- made ---------------------------------------------------------------------------------------------------------------------- */

static cudaDataType_t type_of(uint16_t dtype) {
    return dtype == FR_F16 ? CUDA_R_16F : dtype == FR_BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

static uint64_t width_of(const fr_step *step) {
    return (uint64_t)step->src[0].c * (uint64_t)step->src[0].h * (uint64_t)step->src[0].w;
}

static uint64_t bias_at(const fr_step *step) {
    uint64_t bytes = width_of(step) * (uint64_t)step->dst.c * fr_dtype_bytes((fr_dtype)step->src[0].dtype);
    return (bytes + PART - 1) / PART * PART;
}

/* Weights come in the order of c, h, w; they are laid out as src is stored. */
static fr_status pack(lt_op *op, const fr_step *step, const fr_weights *weights) {
    fr_device *device = op->device;
    const fr_tensor *src = &step->src[0];
    gpu_recipe packed = {.n_dispatches = 0};
    uint64_t k = width_of(step), places = (uint64_t)src->h * (uint64_t)src->w, c = (uint64_t)src->c;
    fr_status status;
    HOST_GO(done, gpu_pack_new(device->base.host, &packed, bias_at(step) + (uint64_t)step->dst.c * sizeof(float)));
    for (uint64_t o = 0; o < (uint64_t)step->dst.c; o++) {
        for (uint64_t i = 0; i < k; i++) {
            uint64_t to = src->layout == FR_LAYOUT_NHWC ? i % places * c + i / places : i;
            gpu_pack_put(&packed, 0, src->dtype, o * k + to, weights->weight[o * k + i]);
        }
        if (step->has_bias && weights->bias)
            gpu_pack_put(&packed, bias_at(step), step->dst.dtype, o, weights->bias[o]);
    }
    HOST_GO(done, cud_memory_new(device, packed.packed_bytes, "weights", &op->weights));
    op->base.weight_bytes = packed.packed_bytes;
    HOST_GO(done, cud_memory_fill(device, op->weights, packed.packed, packed.packed_bytes));
done:
    gpu_recipe_free(device->base.host, &packed);
    return status;
}

static lt_spec spec_of(const lt_op *op, const fr_step *step) {
    int64_t k = (int64_t)width_of(step), out = step->dst.c;
    bool is_relu = step->act == FR_ACT_RELU;
    lt_spec spec = {
        .compute = step->compute == FR_PRECISION_TF32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F,
        .first = {.rows = k, .columns = out, .ld = k, .type = type_of(step->src[0].dtype), .alignment = 256},
        .second = {.rows = k, .columns = step->n, .ld = k, .type = type_of(step->src[0].dtype)},
        .out = {.rows = out, .columns = step->n, .ld = out, .type = type_of(step->dst.dtype)},
        .add_ld = out,
        .transposes_first = true,
        .batch = 1,
        .workspace = WORKSPACE};
    spec.second.alignment = (uint32_t)cud_alignment_of(fr_tensor_bytes(&step->src[0], 1));
    spec.out.alignment = (uint32_t)cud_alignment_of(fr_tensor_bytes(&step->dst, 1));
    spec.epilogue = is_relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT;
    if (step->has_bias) {
        spec.epilogue = is_relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
        spec.bias = op->weights + bias_at(step);
    }
    return spec;
}

static fr_status run(lt_op *op, const cud_place *place, CUstream stream) {
    const lt_operands operands = {.first = op->weights,
                                  .second = place->src[0],
                                  .add = op->has_residual ? place->src[1] : 0,
                                  .out = place->dst,
                                  .workspace = place->scratch,
                                  .workspace_bytes = WORKSPACE};
    return lt_product_run(op->device, &op->product, &operands, stream);
}

static fr_status enqueue(cud_op *base, fr_queue *queue, const cud_place *place) {
    return run((lt_op *)base, place, queue->stream);
}

static void free_op(fr_device *device, cud_op *base) {
    lt_op *op = (lt_op *)base;
    if (!op)
        return;
    lt_product_free(device, &op->product);
    if (op->weights)
        cud_memory_free(device, op->weights);
    device->base.host->free(op);
}

/* ---- which algorithm: remembered, else the fastest of those listed --------------------------------------------------------------- */

typedef struct trial {
    cud_trial on;
    lt_op *op;
    cud_place place;
} trial;

static fr_status run_once(void *user) {
    const trial *t = user;
    return run(t->op, &t->place, t->on.device->own);
}

static void key_of(const fr_device *device, const fr_step *s, char out[KEY_BYTES]) {
    const fr_device_facts *facts = &device->found->facts;
    (void)snprintf(out, KEY_BYTES, "cuda lt %s|%s|%s|%zu|n%d k%llu o%d|%d %d>%d|b%d r%d a%d", CUD_VERSION, facts->name,
                   facts->driver, device->driver->lt.version, s->n, (unsigned long long)width_of(s), s->dst.c,
                   s->compute, s->src[0].dtype, s->dst.dtype, s->has_bias, s->residual, s->act);
}

static bool remembered(lt_op *op, const char *key) {
    const fr_host *host = op->device->base.host;
    void *kept = NULL;
    size_t bytes = 0;
    if (host->cache_load(host->ctx, key, &kept, &bytes) != FR_OK)
        return false;
    bool is_known = false;
    for (int32_t i = 0; i < op->product.n_algorithms && bytes == sizeof op->product.algorithms[0]; i++)
        if (!is_known && memcmp(kept, &op->product.algorithms[i], bytes) == 0) {
            op->product.chosen = i;
            is_known = true;
        }
    host->free(kept);
    return is_known;
}

/* The fastest of those listed that runs. */
static fr_status measure(lt_op *op, const trial *t, bool *out_any) {
    lt_product *p = &op->product;
    double best = 0, us;
    int32_t chosen = -1;
    *out_any = false;
    for (p->chosen = 0; p->chosen < p->n_algorithms; p->chosen++) {
        fr_status status = cud_trial_time(&t->on, run_once, (void *)(uintptr_t)t, true, &us);
        if (cud_trial_is_over(status))
            return status;
        if (status == FR_OK && (chosen < 0 || us < best)) {
            chosen = p->chosen;
            best = us;
        }
    }
    p->chosen = chosen < 0 ? 0 : chosen;
    *out_any = chosen >= 0;
    return FR_OK;
}

static fr_status search(lt_op *op, const fr_step *step) {
    const fr_host *host = op->device->base.host;
    const uint64_t bytes[TRIAL_MAX_PARTS] = {fr_tensor_bytes(&step->src[0], step->n),
                                             step->residual ? fr_tensor_bytes(&step->src[1], step->n) : 0,
                                             fr_tensor_bytes(&step->dst, step->n), WORKSPACE};
    char key[KEY_BYTES];
    trial t = {.op = op};
    bool any = true;
    double us;
    key_of(op->device, step, key);
    bool is_known = remembered(op, key);
    fr_status status = cud_trial_new(op->device, bytes, &t.on);
    t.place = (cud_place){.src = {t.on.part[0], t.on.part[1]}, .dst = t.on.part[2], .scratch = t.on.part[3]};
    if (status == FR_OK && is_known) /* runs once at least, before a bundle is recorded of it */
        status = cud_trial_time(&t.on, run_once, &t, false, &us);
    else if (status == FR_OK && t.on.memory)
        status = measure(op, &t, &any);
    cud_trial_free(&t.on);
    if (status == FR_OK && !any)
        return host_fail(host, FR_UNSUPPORTED, "cuda: none of cuBLASLt's algorithms runs this product");
    if (status == FR_OK && !is_known &&
        host->cache_store(host->ctx, key, &op->product.algorithms[op->product.chosen],
                          sizeof op->product.algorithms[0]) != FR_OK)
        host->log(3, "cuda: an algorithm of cuBLASLt is not kept on disk");
    return status;
}

static fr_status make(fr_device *device, const fr_step *step, const cud_way *way, const fr_weights *weights,
                      cud_op **out_op) {
    void *block;
    fr_status status;
    (void)way;
    *out_op = NULL;
    HOST_TRY(host_alloc(device->base.host, sizeof(lt_op), "a product of cuBLASLt", &block));
    lt_op *op = block;
    op->base.enqueue = enqueue;
    op->base.free = free_op;
    op->device = device;
    op->has_residual = step->residual;
    HOST_GO(failed, pack(op, step, weights));
    const lt_spec spec = spec_of(op, step);
    HOST_GO(failed, lt_product_new(device, &spec, &op->product));
    HOST_GO(failed, search(op, step));
    *out_op = &op->base;
    return FR_OK;
failed:
    free_op(device, &op->base);
    return status;
}

#define WAY(text, layout)                                                                    \
    {                                                                                        \
        .name = (text), .kinds = GPU_KIND(FR_STEP_FC), .fit = fit, .make = make, .option = { \
            [LT_LAYOUT] = FR_LAYOUT_##layout                                                 \
        }                                                                                    \
    }

const cud_way cud_lt_ways[] = {WAY("lt.nhwc", NHWC), WAY("lt.nchw", NCHW)};
const int32_t cud_n_lt_ways = (int32_t)(sizeof cud_lt_ways / sizeof cud_lt_ways[0]);

#else

const cud_way cud_lt_ways[1] = {{.name = ""}};
const int32_t cud_n_lt_ways = 0;

#endif
