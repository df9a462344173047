/* What every kernel over bytes does alike: its types, factors and biases, and where its answers go. */
#include "gpu/int8.h"

#include "common/host_device.h"

static bool is_byte(uint16_t dtype) {
    return dtype == FR_U8 || dtype == FR_S8;
}

static bool has_kernel(uint16_t dtype) {
    return is_byte(dtype) || dtype == FR_F32 || dtype == FR_F16;
}

static bool is_small(const fr_tensor *t, int32_t n) {
    return fr_tensor_elements(t) * (uint64_t)n <= INT32_MAX;
}

fr_reason int8_check(const fr_step *step) {
    if (step->compute != FR_PRECISION_INT8 || !is_byte(step->src[0].dtype) || !has_kernel(step->dst.dtype) ||
        (step->residual && !has_kernel(step->src[1].dtype)))
        return FR_WHY_DTYPE;
    return FR_WHY_NOT;
}

bool int8_is_counted(const fr_step *step) {
    fr_tensor map = step->dst;
    if (step->pool)
        fr_conv_map(step, &map.h, &map.w);
    return is_small(&step->src[0], step->n) && is_small(&map, step->n) && is_small(&step->dst, step->n) &&
           (!step->residual || is_small(&step->src[1], step->n));
}

fr_status int8_check_weights(const fr_host *host, const fr_step *step, const fr_weights *weights) {
    if (!weights || !weights->weight_s8 || !weights->weight_scale || (step->has_bias && !weights->bias))
        return host_fail(host, FR_INVALID, "an int8 step needs int8 weights, their scales and its bias");
    return FR_OK;
}

/* A maximum may be taken of what is stored already, a mean not. */
int8_target int8_target_of(const fr_step *step, bool is_pooled_inside) {
    int8_target target = {.tensor = step->dst};
    if (step->pool) {
        fr_conv_map(step, &target.tensor.h, &target.tensor.w);
        target.is_map = !is_pooled_inside;
        if (step->pool != FR_POOL_MAX) {
            target.tensor.dtype = FR_F32;
            target.tensor.scale = 0;
        }
    }
    target.inverse_scale = is_byte(target.tensor.dtype) ? 1.0f / target.tensor.scale : 1.0f;
    return target;
}

uint64_t int8_map_bytes(const fr_step *step, const int8_target *target) {
    return target->is_map ? fr_tensor_bytes(&target->tensor, step->n) : 0;
}

void int8_put_factor(gpu_recipe *recipe, uint64_t at, const fr_step *step, const fr_weights *weights, int32_t o,
                     uint64_t factor_index, uint64_t bias_index) {
    double factor = (double)step->src[0].scale * (double)weights->weight_scale[o];
    gpu_pack_put(recipe, at, FR_F32, factor_index, (float)factor);
    gpu_pack_put(recipe, at, FR_F32, bias_index, step->has_bias ? weights->bias[o] : 0.0f);
}

static uint32_t bytes_of(uint16_t dtype) {
    return (uint32_t)fr_dtype_bytes((fr_dtype)dtype);
}

void int8_bind_target(gpu_dispatch *d, const int8_target *target) {
    gpu_bind_buffer(d, target->is_map ? GPU_SCRATCH : GPU_DST, 0, bytes_of(target->tensor.dtype));
}

void int8_bind_residual(gpu_dispatch *d, const gpu_traits *traits, const fr_step *step) {
    if (step->residual)
        gpu_bind_buffer(d, 1, 0, bytes_of(step->src[1].dtype));
    else if (traits->glsl)
        gpu_bind_buffer(d, GPU_WEIGHT, 0, 1);
}

void int8_define_types(gpu_dispatch *d, const fr_step *step, const int8_target *target) {
    gpu_define_int(d, "SRC_DTYPE", step->src[0].dtype);
    gpu_define_int(d, "DST_DTYPE", target->tensor.dtype);
    gpu_define_int(d, "RES_DTYPE", step->residual ? step->src[1].dtype : 0);
}

float int8_residual_scale(const fr_step *step) {
    return step->residual && is_byte(step->src[1].dtype) ? step->src[1].scale : 1.0f;
}

fr_status int8_finish(gpu_recipe *recipe, const gpu_traits *traits, const fr_step *step, const int8_target *target) {
    return target->is_map ? gpu_add_pool(recipe, traits, step, &target->tensor, 0) : FR_OK;
}
