/* Convolutions by cuDNN: which steps it is asked for, and in which ways. */
#include "dnn_op.h"

#ifdef CUDA_WITH_CUDNN

enum { MIB = 1 << 20, MOST_BYTES_SHIFT = 33 };

fr_tensor dnn_map_of(const fr_step *step) {
    fr_tensor map = step->dst;
    fr_conv_map(step, &map.h, &map.w);
    return map;
}

/* Engines want room for maps in another order, and for the parts of split sums. */
uint64_t dnn_workspace_limit(const fr_step *step, const fr_tensor *map) {
    uint64_t bytes = 4 * (uint64_t)MIB + 2 * (fr_tensor_bytes(&step->src[0], step->n) + fr_tensor_bytes(map, step->n));
    return bytes < 64 * (uint64_t)MIB ? bytes : 64 * (uint64_t)MIB;
}

dnn_shape dnn_shape_of(const fr_step *step, int32_t flags) {
    bool keeps_f32 = fr_dtype_bytes((fr_dtype)step->src[0].dtype) != 2 || (flags & DNN_F32_BIAS);
    dnn_shape shape = {.step = step, .map = dnn_map_of(step), .bias_dtype = FR_F32};
    if (!keeps_f32)
        shape.bias_dtype = step->src[0].dtype;
    /* a pattern with a bias of zeros has engines where one without it has none */
    shape.has_bias = step->has_bias || step->residual || step->act != FR_ACT_NONE;
    return shape;
}

dnn_rules dnn_rules_of(const dnn_shape *shape, int32_t flags) {
    return (dnn_rules){.tensor_cores = shape->step->compute != FR_PRECISION_F32,
                       .winograd_only = flags & DNN_WINOGRAD,
                       .scratch_bytes = (int64_t)dnn_workspace_limit(shape->step, &shape->map)};
}

static fr_reason check_types(const fr_device *device, const fr_step *step, const cud_way *way) {
    uint16_t in = step->src[0].dtype, out = step->dst.dtype;
    bool is_nhwc = way->option[DNN_LAYOUT] == FR_LAYOUT_NHWC, has_f32_bias = way->option[DNN_FLAGS] & DNN_F32_BIAS;
    if (step->residual && step->src[1].dtype != out)
        return FR_WHY_DTYPE;
    switch (step->compute) {
    case FR_PRECISION_F32: return in == FR_F32 && out == FR_F32 && !has_f32_bias ? FR_WHY_NOT : FR_WHY_DTYPE;
    case FR_PRECISION_TF32:
        return in == FR_F32 && out == FR_F32 && !has_f32_bias && device->found->has_tf32 ? FR_WHY_NOT : FR_WHY_DTYPE;
    case FR_PRECISION_F16: return in == FR_F16 && out == FR_F16 && is_nhwc ? FR_WHY_NOT : FR_WHY_DTYPE;
    case FR_PRECISION_BF16:
        return in == FR_BF16 && out == FR_BF16 && is_nhwc && device->found->has_bf16 ? FR_WHY_NOT : FR_WHY_DTYPE;
    default: return FR_WHY_DTYPE;
    }
}

static fr_reason check_epilogue(const fr_step *step, const cud_way *way) {
    if (step->act == FR_ACT_HARDSIGMOID || step->act == FR_ACT_HARDSWISH)
        return FR_WHY_ACTIVATION;
    if ((way->option[DNN_FLAGS] & DNN_F32_BIAS) && !step->has_bias)
        return FR_WHY_EPILOGUE; /* the other ways are as exact */
    return FR_WHY_NOT;
}

static fr_reason check_window(const fr_step *step, const cud_way *way) {
    const fr_window *w = &step->win;
    bool is_small = w->kh == 3 && w->kw == 3 && w->sh == 1 && w->sw == 1 && w->dh == 1 && w->dw == 1;
    if (w->pad_top < 0 || w->pad_left < 0 || w->pad_bottom < 0 || w->pad_right < 0)
        return FR_WHY_PADDING;
    if (!(way->option[DNN_FLAGS] & DNN_WINOGRAD))
        return FR_WHY_NOT;
    return step->groups != 1 ? FR_WHY_GROUPS : is_small ? FR_WHY_NOT : FR_WHY_SHAPE;
}

static fr_reason check_layouts(const fr_step *step, const cud_way *way) {
    uint16_t layout = (uint16_t)way->option[DNN_LAYOUT];
    bool fits = gpu_layout_fits(step->dst.layout, layout);
    for (int32_t i = 0; i < step->n_src; i++)
        fits &= gpu_layout_fits(step->src[i].layout, layout);
    return fits ? FR_WHY_NOT : FR_WHY_LAYOUT;
}

/* Our pool counts places in 32 bits. */
static fr_reason check_size(const fr_step *step, const fr_tensor *map) {
    uint64_t elements = (uint64_t)step->n * fr_tensor_elements(map);
    uint64_t bytes = fr_tensor_bytes(map, step->n) + fr_tensor_bytes(&step->src[0], step->n);
    return (step->pool && elements > INT32_MAX) || bytes >> MOST_BYTES_SHIFT ? FR_WHY_MEMORY : FR_WHY_NOT;
}

static fr_reason check(const fr_device *device, const fr_step *step, const cud_way *way) {
    if (!device->dnn)
        return FR_WHY_DRIVER;
    fr_reason why = check_types(device, step, way);
    if (!why)
        why = check_layouts(step, way);
    if (!why)
        why = check_window(step, way);
    return why ? why : check_epilogue(step, way);
}

/* Multiples of eight channels are what the matrix units take; others are padded on the way. */
static double efficiency(const fr_step *step, int32_t flags) {
    double whole = step->src[0].c % 8 == 0 && step->dst.c % 8 == 0 ? 1.0 : 0.4;
    if (step->groups > 1)
        whole *= 0.3;
    return whole * (flags & DNN_WINOGRAD ? 0.5 : flags & DNN_F32_BIAS ? 0.52 : flags & DNN_BEST ? 0.58 : 0.6);
}

static double speed_up(uint16_t compute) { /* of the matrix units against f32 */
    return compute == FR_PRECISION_F32 ? 1 : compute == FR_PRECISION_TF32 ? 3 : 6;
}

static void fit(const fr_device *device, const fr_step *step, const cud_way *way, fr_candidate *candidate,
                double *out_ns) {
    fr_tensor map = dnn_map_of(step);
    uint16_t layout = (uint16_t)way->option[DNN_LAYOUT];
    map.layout = layout;
    fr_step settled = *step;
    settled.src[0].layout = layout;
    fr_reason why = check(device, step, way);
    if (!why)
        why = check_size(&settled, &map);
    candidate->refused = (uint16_t)why;
    if (why)
        return;
    for (int32_t i = 0; i < step->n_src; i++)
        candidate->src_layout[i] = layout;
    candidate->dst_layout = layout;
    uint64_t map_bytes = fr_tensor_bytes(&map, step->n);
    candidate->scratch_bytes = dnn_workspace_limit(&settled, &map) + (step->pool ? (map_bytes + 255) / 256 * 256 : 0);
    candidate->granule = 8;
    candidate->flags = way->option[DNN_FLAGS] & DNN_WINOGRAD ? FR_CANDIDATE_INEXACT : 0;
    double products =
        (double)step->n * map.c * map.h * map.w * (step->src[0].c / step->groups) * step->win.kh * step->win.kw;
    double bytes = (double)fr_tensor_bytes(&settled.src[0], step->n) + (double)map_bytes * (step->pool ? 2 : 1);
    *out_ns = gpu_guess_ns(&device->found->traits, 2 * products / speed_up(step->compute), bytes,
                           efficiency(step, way->option[DNN_FLAGS]));
}

#define WAY(text, layout, flags)                                                                   \
    {                                                                                              \
        .name = (text), .kinds = GPU_KIND(FR_STEP_CONV), .fit = fit, .make = dnn_make, .option = { \
            [DNN_LAYOUT] = FR_LAYOUT_##layout,                                                     \
            [DNN_FLAGS] = (flags)                                                                  \
        }                                                                                          \
    }

const cud_way cud_dnn_ways[] = {
    WAY("dnn.nhwc", NHWC, 0),
    WAY("dnn.nhwc.best", NHWC, DNN_BEST),
    WAY("dnn.nhwc.exact", NHWC, DNN_BEST | DNN_F32_BIAS),
    WAY("dnn.nhwc.wino", NHWC, DNN_BEST | DNN_WINOGRAD),
    WAY("dnn.nchw", NCHW, 0),
    WAY("dnn.nchw.best", NCHW, DNN_BEST),
    WAY("dnn.nchw.wino", NCHW, DNN_BEST | DNN_WINOGRAD),
};
const int32_t cud_n_dnn_ways = (int32_t)(sizeof cud_dnn_ways / sizeof cud_dnn_ways[0]);

#else

const cud_way cud_dnn_ways[1] = {{.name = ""}};
const int32_t cud_n_dnn_ways = 0;

#endif
