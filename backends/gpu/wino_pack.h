/* The weights of Winograd's F(2x2,3x3) and F(4x4,3x3), transformed, in the order in which all its kernels read them. */
#ifndef FR_BACKENDS_GPU_WINO_PACK_H
#define FR_BACKENDS_GPU_WINO_PACK_H

#include "gpu/gpu.h"

/* Multiplications for a tile of out x out outputs. */
static inline int32_t wino_places(int32_t out) {
    return (out + 2) * (out + 2);
}

/* U = G g G^T of one 3x3 filter, `wino_places(out)` numbers; in double. The other two transforms are the kernels':
 * shaders/wino_transforms.h. */
void wino_filter(int32_t out, const float g[9], double *u);

/* U as packed: [place][panel of output channels][input channel, rounded up to 4][channel of the panel], or with
 * places_inside [panel][four input channels][place][input channel of the four][channel of the panel]; then the biases,
 * all f32, with zeros where there is no channel. */
typedef struct wino_weights {
    int32_t out, c_in, c_out, panel;
    bool places_inside;
} wino_weights;

static inline int32_t wino_depth(int32_t c_in) { /* kernels take input channels by fours */
    return gpu_round_up(c_in, 4);
}
uint64_t wino_bias_at(const wino_weights *w); /* in floats */
fr_status wino_pack(const fr_host *host, const wino_weights *w, const fr_weights *weights, bool has_bias,
                    gpu_recipe *recipe) FR_MUST_CHECK;

#endif
