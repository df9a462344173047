/*
 * The direct kernel over bytes: an item keeps the sums of some places times some vectors of outputs in registers and
 * goes through the source's channels in groups of four.
 */
#include "common/host_device.h"
#include "gpu/int8.h"

enum { ZERO_WORDS = 4 }; /* before the weights: what is read beyond the map's edge */

/* ---- weights ---- */

static uint64_t constants_at(const int8_walk *walk) { /* bytes into the packed weights */
    uint64_t bytes = (ZERO_WORDS + walk->weights_step * (uint64_t)walk->tiles) * INT8_WORD;
    return (bytes + 63) / 64 * 64;
}

/* of output channel o, the source's channel k and the window's place tap */
static void put_weight(const int8_walk *walk, int8_t *packed, int32_t o, int32_t k, int32_t tap, int8_t value) {
    int32_t width = walk->outs * walk->vec, tile = o / width, in_tile = o % width;
    int32_t taps = walk->conv.win.kh * walk->conv.win.kw, quads = walk->block / INT8_DEPTH;
    uint64_t block = (uint64_t)(k / walk->block - int8_first_block(walk, tile));
    uint64_t vector =
        (block * (uint64_t)taps + (uint64_t)tap) * (uint64_t)quads + (uint64_t)(k % walk->block / INT8_DEPTH);
    uint64_t word = ZERO_WORDS + (uint64_t)tile * walk->weights_step + vector * (uint64_t)width + (uint64_t)in_tile;
    packed[word * INT8_WORD + (uint64_t)(k % INT8_DEPTH)] = value;
}

static void pack_conv(const int8_walk *walk, const int8_t *from, int8_t *packed) {
    const fr_step *conv = &walk->conv;
    int32_t group_out = conv->dst.c / conv->groups, group_in = conv->src[0].c / conv->groups;
    int32_t taps = conv->win.kh * conv->win.kw;
    for (int32_t o = 0; o < conv->dst.c; o++)
        for (int32_t k = 0; k < group_in; k++)
            for (int32_t tap = 0; tap < taps; tap++)
                put_weight(walk, packed, o, o / group_out * group_in + k, tap, *from++);
}

static void pack_fc(const int8_walk *walk, const fr_tensor *src, const int8_t *from, int8_t *packed) {
    for (int32_t o = 0; o < walk->conv.dst.c; o++)
        for (int32_t c = 0; c < src->c; c++)
            for (int32_t y = 0; y < src->h; y++)
                for (int32_t x = 0; x < src->w; x++)
                    put_weight(walk, packed, o, (int32_t)fr_tensor_index(src, 0, c, y, x), 0, *from++);
}

static fr_status pack(const fr_host *host, const fr_step *step, const int8_walk *walk, const fr_weights *weights,
                      gpu_recipe *recipe) {
    uint64_t at = constants_at(walk), width = (uint64_t)(walk->outs * walk->vec);
    HOST_TRY(int8_check_weights(host, step, weights));
    HOST_TRY(gpu_pack_new(host, recipe, at + walk->constants_step * (uint64_t)walk->tiles * INT8_WORD));
    if (step->kind == FR_STEP_FC)
        pack_fc(walk, &step->src[0], weights->weight_s8, recipe->packed);
    else
        pack_conv(walk, weights->weight_s8, recipe->packed);
    for (int32_t o = 0; o < step->dst.c; o++) {
        uint64_t tile = (uint64_t)o / width, index = tile * walk->constants_step + (uint64_t)o % width;
        int8_put_factor(recipe, at, step, weights, o, index, index + width);
    }
    for (int32_t tile = 0; tile < walk->tiles; tile++) {
        uint64_t index = (uint64_t)tile * walk->constants_step + 2 * width;
        gpu_pack_put(recipe, at, FR_S32, index, (float)int8_first_block(walk, tile));
    }
    return FR_OK;
}

/* ---- the dispatch ---- */

static void add_source_params(gpu_dispatch *d, const fr_tensor *src, int32_t block) {
    gpu_param(d, (int32_t)fr_tensor_elements(src));
    gpu_param(d, int8_is_dense(src) ? block : src->h * src->w * block);
    gpu_param(d, int8_is_dense(src) ? src->c : block);
}

/* A residual lies as dst does, but in the conv's own map. */
static void add_residual_params(gpu_dispatch *d, const fr_step *conv, int32_t out_h, int32_t out_w) {
    fr_tensor res = conv->dst;
    res.h = out_h;
    res.w = out_w;
    gpu_param(d, (int32_t)fr_tensor_elements(&res));
    gpu_param(d, res.layout == FR_LAYOUT_NHWC ? 0 : out_h * out_w * fr_layout_block(res.layout));
}

static void add_params(gpu_dispatch *d, const int8_walk *walk) {
    const fr_step *conv = &walk->conv;
    add_source_params(d, &conv->src[0], walk->block);
    gpu_param_strides(d, walk->is_pooled ? &conv->dst : &walk->target.tensor);
    add_residual_params(d, conv, walk->out_h, walk->out_w);
    gpu_param_window(d, &conv->win);
    gpu_param_act(d, conv);
    const int32_t words[] = {conv->src[0].h,
                             conv->src[0].w,
                             walk->out_h,
                             walk->out_w,
                             conv->n * walk->out_h * walk->out_w,
                             walk->span,
                             walk->blocks,
                             conv->dst.c,
                             fr_layout_channels(conv->dst.layout, conv->dst.c),
                             (int32_t)walk->weights_step,
                             (int32_t)walk->constants_step};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
    gpu_param_f(d, walk->target.inverse_scale);
    gpu_param_f(d, int8_residual_scale(conv));
    gpu_param_window(d, &conv->pool_win);
    gpu_param(d, conv->dst.h);
    gpu_param(d, conv->dst.w);
    gpu_param(d, walk->bands);
    gpu_param(d, walk->band_rows);
    gpu_param(d, walk->band_bytes);
}

static void add_dispatch(const gpu_traits *traits, const int8_walk *walk, gpu_recipe *recipe) {
    const fr_step *conv = &walk->conv;
    bool is_own_kernel = traits->glsl && traits->dot8; /* a shader that other devices cannot load */
    gpu_dispatch *d = gpu_add(recipe, "conv_int8", is_own_kernel ? "conv_int8_dot8" : "conv_int8");
    if (!d)
        return;
    int8_define_types(d, conv, &walk->target);
    gpu_define_int(d, "VW", walk->vec);
    gpu_define_int(d, "TP", walk->places);
    gpu_define_int(d, "TO", walk->outs);
    gpu_define_int(d, "QUADS", walk->block / INT8_DEPTH);
    gpu_define_int(d, "POOLED", walk->is_pooled);
    gpu_bind_buffer(d, 0, 0, 1);
    int8_bind_target(d, &walk->target);
    gpu_bind_buffer(d, GPU_WEIGHT, 0, INT8_WORD);
    gpu_bind_buffer(d, GPU_WEIGHT, constants_at(walk), INT8_WORD);
    int8_bind_residual(d, traits, conv);
    if (walk->is_pooled)
        gpu_bind_buffer(d, GPU_SCRATCH, 0, 1);
    add_params(d, walk);
    int32_t across =
        walk->is_pooled ? conv->n * walk->bands : gpu_ceil_div(conv->n * walk->out_h * walk->out_w, walk->span);
    gpu_grid(d, (uint32_t)across, (uint32_t)walk->tiles, 1, (uint32_t)walk->items, 1, 1);
}

fr_status int8_direct_make(const fr_host *host, const gpu_traits *traits, const fr_step *step,
                           const gpu_variant *variant, const fr_weights *weights, gpu_recipe *out_recipe) {
    int8_walk walk;
    if (int8_walk_make(traits, step, variant, &walk) != FR_WHY_NOT)
        return host_fail(host, FR_UNSUPPORTED, "kernel %s does not run this step", variant->name);
    HOST_TRY(pack(host, step, &walk, weights, out_recipe));
    add_dispatch(traits, &walk, out_recipe);
    return int8_finish(out_recipe, traits, &walk.conv, &walk.target);
}
