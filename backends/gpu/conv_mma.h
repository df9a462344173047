/* What the files of conv_mma share: types, and weights. */
#ifndef FR_BACKENDS_GPU_CONV_MMA_H
#define FR_BACKENDS_GPU_CONV_MMA_H

#include "gpu/conv_mma_plan.h"

static inline bool gpu_mma_is_int8(const fr_step *step) {
    return step->compute == FR_PRECISION_INT8;
}

static inline bool gpu_mma_is_byte(uint16_t dtype) {
    return dtype == FR_U8 || dtype == FR_S8;
}

static inline int32_t gpu_mma_number_bytes(const fr_step *step) {
    return step->compute == FR_PRECISION_TF32 ? 4 : gpu_mma_is_int8(step) ? 1 : 2;
}

static inline uint16_t gpu_mma_dtype(const fr_step *step) { /* of what products are formed from */
    switch (step->compute) {
    case FR_PRECISION_F16: return FR_F16;
    case FR_PRECISION_BF16: return FR_BF16;
    case FR_PRECISION_TF32: return FR_F32;
    case FR_PRECISION_INT8: return gpu_mma_is_byte(step->src[0].dtype) ? step->src[0].dtype : FR_DTYPE_NONE;
    default: return FR_DTYPE_NONE;
    }
}

/* conv: as the kernel sees the step, a fully connected layer as a convolution of one place; layouts are fixed. */
fr_status gpu_mma_pack(const fr_host *host, const fr_step *conv, const gpu_mma_shape *shape, const gpu_mma_plan *plan,
                       const fr_weights *weights, gpu_recipe *recipe) FR_MUST_CHECK;
fr_status gpu_mma_pack_fc(const fr_host *host, const fr_step *step, const fr_step *conv, const gpu_mma_shape *shape,
                          const gpu_mma_plan *plan, const fr_weights *weights, gpu_recipe *recipe) FR_MUST_CHECK;

#endif
