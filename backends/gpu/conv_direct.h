/* The kernels of direct convolution, in any layouts: the families conv_direct and conv_first are tables of them. */
#ifndef FR_BACKENDS_GPU_CONV_DIRECT_H
#define FR_BACKENDS_GPU_CONV_DIRECT_H

#include "gpu/conv_common.h"

/* A variant's tile: px pixels x cb vectors of outputs an item; the layouts, where steps leave them free, are from and to;
 * IGEMM: groups of lx x ly items. */
enum { GPU_DIRECT_PX, GPU_DIRECT_CB, GPU_DIRECT_FROM, GPU_DIRECT_TO, GPU_IGEMM_LX, GPU_IGEMM_LY };

#define GPU_CONV_KERNEL(kernel)                                                                             \
    void gpu_conv_##kernel##_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant, \
                                 fr_candidate *candidate, double *out_ns);                                  \
    fr_status gpu_conv_##kernel##_make(const fr_host *host, const gpu_traits *traits, const fr_step *step,  \
                                       const gpu_variant *variant, const fr_weights *weights, gpu_recipe *out_recipe)

GPU_CONV_KERNEL(direct); /* conv_direct.c: one work-item a strip of rows */
GPU_CONV_KERNEL(items);  /* conv_items.c: items beside each other */
GPU_CONV_KERNEL(igemm);  /* conv_igemm.c: through local memory */

#define GPU_CONV_VARIANT(its_name, kernel, vw, px, cb, from, to, lx, ly)                   \
    {                                                                                      \
        .name = its_name, .kinds = GPU_KIND(FR_STEP_CONV), .fit = gpu_conv_##kernel##_fit, \
        .make = gpu_conv_##kernel##_make, .layout = to, .vec = vw, .tile = {               \
            px,                                                                            \
            cb,                                                                            \
            from,                                                                          \
            to,                                                                            \
            lx,                                                                            \
            ly                                                                             \
        }                                                                                  \
    }
#define GPU_CONV_DIRECT(name, vw, px, cb, from, to) GPU_CONV_VARIANT(name, direct, vw, px, cb, from, to, 1, 1)
#define GPU_CONV_ITEMS(name, vw, px, cb, from, to)  GPU_CONV_VARIANT(name, items, vw, px, cb, from, to, 0, 0)
#define GPU_CONV_IGEMM(name, vw, px, cb, layout, lx, ly) \
    GPU_CONV_VARIANT(name, igemm, vw, px, cb, layout, layout, lx, ly)

#endif
