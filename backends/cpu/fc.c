/*
 * Fully connected layers: an inner product over each input's numbers in the order they are stored, whatever the layout
 * (padding included). So it is the weights that are put in that order, once, and no layout is a special case.
 */
#include <string.h>

#include "conv.h"

fr_step cpu_fc_as_product(const fr_step *step, uint16_t src_layout) {
    fr_step product = *step;
    fr_tensor src = step->src[0];
    src.layout = src_layout;
    product.src[0].c = (int32_t)fr_tensor_elements(&src);
    product.src[0].h = product.src[0].w = 1;
    product.win = (fr_window){.kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1};
    product.groups = 1;
    product.pool = FR_POOL_NONE;
    return product;
}

/* dst is one place a channel: every layout without padding is the same. */
static bool dst_layout_of(const fr_tensor *dst, uint16_t *out_layout) {
    *out_layout = dst->layout == FR_LAYOUT_ANY ? FR_LAYOUT_NCHW : dst->layout;
    return fr_layout_channels(*out_layout, dst->c) == dst->c;
}

static void offer_ours(const fr_device *device, const fr_step *step, uint16_t src, uint16_t dst, cpu_offers *offers) {
    for (uint32_t row = 0; row < cpu_own_count(); row++)
        if (cpu_own_at(row)->multiplies)
            cpu_conv_offer_ours(device, step, (cpu_conv_choice){src, dst, (cpu_conv_way)(CPU_WAY_OWN + row)}, offers);
}

static fr_status offer_layouts(fr_device *device, const fr_step *step, const float *scales, cpu_offers *offers) {
    static const uint16_t layouts[] = {FR_LAYOUT_NCHW16C, FR_LAYOUT_NHWC, FR_LAYOUT_NCHW, FR_LAYOUT_NCHW8C};
    size_t count = sizeof layouts / sizeof layouts[0];
    uint16_t dst;
    if (!dst_layout_of(&step->dst, &dst) || (step->residual && !cpu_layout_fits(&step->src[1], dst))) {
        cpu_refuse(offers, FR_WHY_LAYOUT, "cpu.fc.%s", cpu_precision_word(step->compute));
        return FR_OK;
    }
    for (size_t i = 0; i < count; i++)
        if (cpu_layout_fits(&step->src[0], layouts[i])) {
            HOST_TRY(cpu_conv_offer(device, step, layouts[i], dst, CPU_SEARCH_USUAL, scales, offers));
            offer_ours(device, step, layouts[i], dst, offers);
        }
    for (size_t i = 0; i < count && offers->good == 0; i++)
        if (cpu_layout_fits(&step->src[0], layouts[i]))
            HOST_TRY(cpu_conv_offer(device, step, layouts[i], dst, CPU_SEARCH_LAST_RESORT, scales, offers));
    return FR_OK;
}

static fr_status fc_candidates(fr_device *device, const fr_step *step, cpu_offers *offers) {
    return cpu_conv_search_all(device, step, offers, offer_layouts);
}

/* to[o][place as stored] = from[o][c][y][x]; `to` is zeroed */
static void permute(const fr_tensor *src, int32_t outs, size_t item, const char *from, char *to) {
    uint64_t stored = fr_tensor_elements(src);
    for (int32_t o = 0; o < outs; o++, to += stored * item)
        for (int32_t c = 0; c < src->c; c++)
            for (int32_t y = 0; y < src->h; y++)
                for (int32_t x = 0; x < src->w; x++, from += item)
                    memcpy(to + fr_tensor_index(src, 0, c, y, x) * item, from, item);
}

static fr_status fc_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate,
                            const fr_weights *weights, fr_program **out_program) {
    const fr_host *host = device->base.host;
    fr_tensor src = step->src[0];
    src.layout = candidate->src_layout[0];
    HOST_TRY(cpu_conv_check_weights(host, step, weights));
    if (src.layout == FR_LAYOUT_NCHW || (src.h == 1 && src.w == 1 && fr_layout_channels(src.layout, src.c) == src.c))
        return cpu_conv_compile(device, step, candidate, weights, out_program);
    bool int8 = step->compute == FR_PRECISION_INT8;
    size_t item = int8 ? sizeof(int8_t) : sizeof(float);
    void *block = NULL;
    HOST_TRY(host_alloc(host, (uint64_t)step->dst.c * fr_tensor_elements(&src) * item, "weights in the source's order",
                        &block));
    fr_weights permuted = *weights;
    permute(&src, step->dst.c, item, int8 ? (const char *)weights->weight_s8 : (const char *)weights->weight, block);
    permuted.weight = int8 ? NULL : block;
    permuted.weight_s8 = int8 ? block : NULL;
    fr_status status = cpu_conv_compile(device, step, candidate, &permuted, out_program);
    host->free(block);
    return status;
}

const cpu_kind cpu_kind_fc = {fc_candidates, fc_compile};
