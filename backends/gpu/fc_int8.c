/* FC over bytes. tile as in conv_int8.c; places are inputs. */
#include "gpu/families.h"
#include "gpu/int8.h"

static const gpu_variant variants[] = {
    INT8_DIRECT("fc.int8.v16.t6x2", FR_STEP_FC, FR_LAYOUT_NCHW16C, 16, 6, 2, 1),
    INT8_DIRECT("fc.int8.v16.t12x1", FR_STEP_FC, FR_LAYOUT_NCHW16C, 16, 12, 1, 1),
    INT8_DIRECT("fc.int8.v8.t4x2", FR_STEP_FC, FR_LAYOUT_NCHW8C, 8, 4, 2, 1),
    INT8_DIRECT("fc.int8.v4.t2x2.l32", FR_STEP_FC, FR_LAYOUT_NCHW4C, 4, 2, 2, 32),
    {"fc.int8.plain", GPU_KIND(FR_STEP_FC), int8_plain_fit, int8_plain_make, 0, 1, {64}},
};

const gpu_family gpu_family_fc_int8 = {variants, sizeof variants / sizeof variants[0]};
