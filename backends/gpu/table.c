#include "gpu/families.h"

const gpu_family *const gpu_families[] = {
    &gpu_family_conv_wino,    &gpu_family_conv_wino3,  &gpu_family_conv_direct, &gpu_family_conv_first,
    &gpu_family_conv_grouped, &gpu_family_conv_gemm,   &gpu_family_conv_int8,   &gpu_family_conv_plain,
    &gpu_family_fc,           &gpu_family_fc_gemm,     &gpu_family_fc_int8,     &gpu_family_pool,
    &gpu_family_maps,         &gpu_family_channels,    &gpu_family_ends,        &gpu_family_chain,
    &gpu_family_conv_spread,  &gpu_family_conv_matrix, &gpu_family_conv_mma,    &gpu_family_chain_mma,
};
const int32_t gpu_n_families = (int32_t)(sizeof gpu_families / sizeof gpu_families[0]);
