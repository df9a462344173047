/*
 * A model's first convolution: its source as images come, all channels of a place side by side or each channel a map, and
 * its result in the device's blocks. The kernels are conv_direct's, which multiply no channel padding.
 */
#include "gpu/conv_direct.h"
#include "gpu/families.h"

#define NATIVE GPU_LAYOUT_NATIVE
#define FROM(word, layout)                                                      \
    GPU_CONV_DIRECT("first." word ".v16.t6x2", 16, 6, 2, layout, NATIVE),       \
        GPU_CONV_DIRECT("first." word ".v16.t12x1", 16, 12, 1, layout, NATIVE), \
        GPU_CONV_DIRECT("first." word ".v8.t12x1", 8, 12, 1, layout, NATIVE),   \
        GPU_CONV_ITEMS("first." word ".items.v4.t4x2", 4, 4, 2, layout, NATIVE)

static const gpu_variant variants[] = {FROM("nhwc", FR_LAYOUT_NHWC), FROM("nchw", FR_LAYOUT_NCHW)};
const gpu_family gpu_family_conv_first = {variants, sizeof variants / sizeof variants[0]};
