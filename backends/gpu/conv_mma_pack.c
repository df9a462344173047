/* Weights as conv_mma.cu reads them. */
#include <math.h>
#include <string.h>

#include "base/convert.h"
#include "common/host_device.h"
#include "gpu/conv_common.h"
#include "gpu/conv_mma.h"

static void put_number(char *at, uint16_t dtype, float value) {
    uint16_t half = dtype == FR_F16 ? fr_f32_to_f16(value) : fr_f32_to_bf16(value);
    uint32_t word;
    if (gpu_mma_is_byte(dtype)) { /* weights have signs, whatever the source */
        *(int8_t *)at = (int8_t)value;
        return;
    }
    if (dtype != FR_F32) {
        memcpy(at, &half, sizeof half);
        return;
    }
    memcpy(&word, &value, sizeof word);
    if (isfinite(value)) /* tf32, to nearest: the instruction cuts the rest off */
        word = (word + 0xfffu + (word >> 13 & 1)) & ~0x1fffu;
    memcpy(at, &word, sizeof word);
}

/* Byte of a weight within its output's row of a slice; *out_slice: which. */
static int32_t place_of(const fr_step *conv, const gpu_mma_shape *shape, const gpu_mma_plan *plan, int32_t c,
                        int32_t ky, int32_t kx, int32_t *out_slice) {
    int32_t bytes = shape->number_bytes, runs;
    if (shape->packed) {
        int32_t length = gpu_mma_packed_run(conv, &runs), each = gpu_round_up(length * bytes, 4);
        bool is_row = runs == conv->win.kh;
        *out_slice = 0;
        return is_row && conv->win.dw == 1 ? ky * each + (kx * conv->src[0].c + c) * bytes
                                           : (ky * conv->win.kw + kx) * each + c * bytes;
    }
    int32_t run = c * bytes / GPU_MMA_RUN_BYTES;
    *out_slice = run / plan->slice_runs;
    return ((ky * conv->win.kw + kx) * plan->slice_runs + run % plan->slice_runs) * GPU_MMA_RUN_BYTES +
           c * bytes % GPU_MMA_RUN_BYTES;
}

static float weight_at(const fr_step *conv, const fr_weights *weights, size_t i) {
    return gpu_mma_is_int8(conv) ? (float)weights->weight_s8[i] : weights->weight[i];
}

static void pack_output(const fr_step *conv, const gpu_mma_shape *shape, const gpu_mma_plan *plan,
                        const fr_weights *weights, int32_t o, char *row) {
    const fr_window *win = &conv->win;
    int32_t c_all = conv->src[0].c / conv->groups, slice;
    size_t next = (size_t)o * (size_t)c_all * (size_t)win->kh * (size_t)win->kw;
    for (int32_t c = 0; c < c_all; c++)
        for (int32_t ky = 0; ky < win->kh; ky++)
            for (int32_t kx = 0; kx < win->kw; kx++) {
                int32_t at = place_of(conv, shape, plan, c, ky, kx, &slice);
                put_number(row + (size_t)slice * (size_t)plan->w_bytes + at, gpu_mma_dtype(conv),
                           weight_at(conv, weights, next++));
            }
}

/* Before the slices: each tile's biases, and of bytes what sums are times. */
static void pack_constants(const fr_step *conv, const fr_weights *weights, int32_t o, int32_t wide, float *of_tile,
                           int32_t lane) {
    of_tile[lane] = gpu_conv_bias(conv, weights, o);
    if (gpu_mma_is_int8(conv))
        of_tile[wide + lane] = (float)((double)conv->src[0].scale * (double)weights->weight_scale[o]);
}

/* All tiles' constants, then for each tile its slices: [output][K], rows of w_pitch bytes. */
fr_status gpu_mma_pack(const fr_host *host, const fr_step *conv, const gpu_mma_shape *shape, const gpu_mma_plan *plan,
                       const fr_weights *weights, gpu_recipe *recipe) {
    int32_t wide = shape->nt * 8, co = conv->dst.c / conv->groups, tiles = plan->n_tiles * conv->groups;
    size_t constants = (size_t)wide * (gpu_mma_is_int8(conv) ? 2 : 1),
           before = (size_t)tiles * constants * sizeof(float);
    size_t each = (size_t)plan->slices * (size_t)plan->w_bytes;
    HOST_TRY(gpu_pack_new(host, recipe, before + (size_t)tiles * each));
    for (int32_t o = 0; o < conv->dst.c; o++) {
        int32_t in_group = o % co, tile = o / co * plan->n_tiles + in_group / wide, lane = in_group % wide;
        pack_constants(conv, weights, o, wide, (float *)recipe->packed + (size_t)tile * constants, lane);
        pack_output(conv, shape, plan, weights, o,
                    (char *)recipe->packed + before + (size_t)tile * each + (size_t)lane * (size_t)plan->w_pitch);
    }
    return FR_OK;
}

/* Of a fully connected layer: in the order in which the source is stored. */
fr_status gpu_mma_pack_fc(const fr_host *host, const fr_step *step, const fr_step *conv, const gpu_mma_shape *shape,
                          const gpu_mma_plan *plan, const fr_weights *weights, gpu_recipe *recipe) {
    const fr_tensor *src = &step->src[0];
    size_t k = (size_t)conv->src[0].c, next = 0, bytes = gpu_mma_is_int8(step) ? 1 : sizeof(float);
    fr_weights as_stored = *weights;
    void *block;
    HOST_TRY(host_alloc(host, k * (size_t)step->dst.c * bytes, "weights in another order", &block));
    for (size_t o = 0; o < (size_t)step->dst.c; o++)
        for (int32_t c = 0; c < src->c; c++)
            for (int32_t y = 0; y < src->h; y++)
                for (int32_t x = 0; x < src->w; x++, next++) {
                    size_t to = o * k + fr_tensor_index(src, 0, c, y, x);
                    if (gpu_mma_is_int8(step))
                        ((int8_t *)block)[to] = weights->weight_s8[next];
                    else
                        ((float *)block)[to] = weights->weight[next];
                }
    as_stored.weight = block;
    as_stored.weight_s8 = block;
    fr_status status = gpu_mma_pack(host, conv, shape, plan, &as_stored, recipe);
    host->free(block);
    return status;
}
