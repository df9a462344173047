/* CONV over bytes. tile: places, vectors of outputs, items of a group. */
#include "gpu/families.h"
#include "gpu/int8.h"

static const gpu_variant variants[] = {
    INT8_DIRECT("int8.v16.t6x2", FR_STEP_CONV, FR_LAYOUT_NCHW16C, 16, 6, 2, 1),
    INT8_DIRECT("int8.v16.t12x1", FR_STEP_CONV, FR_LAYOUT_NCHW16C, 16, 12, 1, 1),
    INT8_DIRECT("int8.v8.t4x2", FR_STEP_CONV, FR_LAYOUT_NCHW8C, 8, 4, 2, 1),
    INT8_DIRECT("int8.v4.t4x2.l32", FR_STEP_CONV, FR_LAYOUT_NCHW4C, 4, 4, 2, 32),
    INT8_DIRECT("int8.v4.t4x4.l32", FR_STEP_CONV, FR_LAYOUT_NCHW4C, 4, 4, 4, 32),
    INT8_DIRECT("int8.nhwc.v16.t6x2", FR_STEP_CONV, FR_LAYOUT_NHWC, 16, 6, 2, 1),
    INT8_DIRECT("int8.nhwc.v4.t4x2.l32", FR_STEP_CONV, FR_LAYOUT_NHWC, 4, 4, 2, 32),
    {"int8.plain", GPU_KIND(FR_STEP_CONV), int8_plain_fit, int8_plain_make, 0, 1, {64}},
};

const gpu_family gpu_family_conv_int8 = {variants, sizeof variants / sizeof variants[0]};
