/* Chains: a work-group takes one input through several layers, maps between them in local memory. Kernel: chain.cl. */
#include <string.h>

#include "common/host_device.h"
#include "gpu/chain_plan.h"
#include "gpu/families.h"
#include "gpu/wino_pack.h"

enum { ITEMS, PAIR_PIXELS, SINGLE_PIXELS, WINO_KILO }; /* of gpu_variant.tile */
enum { FC_SUMS = 64 };                                 /* vectors of four that the shader keeps beside its maps */

static int64_t most_floats(const gpu_traits *traits) {
    int64_t beside = traits->glsl ? 4 * FC_SUMS : 0;
    return (int64_t)(traits->local_bytes / sizeof(float)) - beside;
}

static chain_tiles tiles_of(const gpu_traits *traits, const gpu_variant *v) {
    return (chain_tiles){.vec = v->vec,
                         .pair_pixels = v->tile[PAIR_PIXELS],
                         .single_pixels = v->tile[SINGLE_PIXELS],
                         .wino_floats = v->tile[WINO_KILO] * 1024,
                         .most_floats = most_floats(traits),
                         .is_spread = v->tile[ITEMS] > 1};
}

/* Items are the lanes of a CPU's vectors: its "local" memory is none, and views are read faster than buffers. */
static bool is_software(const gpu_traits *traits) {
    return traits->lockstep && !traits->real_local;
}

/*
 * The size that the kernel is built with. A CPU's is nothing but an array: one size for all. A GPU runs the more groups at once
 * the less each of them takes: the next of a few sizes.
 */
static int32_t local_floats(const gpu_traits *traits, int64_t wanted) {
    int64_t most = most_floats(traits);
    if (traits->is_cpu || is_software(traits))
        return (int32_t)most;
    int64_t size = 2048;
    while (size < wanted)
        size = !traits->glsl && size * 3 / 2 >= wanted ? size * 3 / 2 : size * 2;
    return (int32_t)(size < most ? size : most);
}

/* Each group reads all weights of fully connected layers for its one input: these must be few, or sums many. */
static bool reads_too_much(const chain_plan *plan) {
    double bytes = 0;
    for (int32_t i = 0; i < plan->n_layers; i++) {
        const chain_layer *l = &plan->layers[i];
        if (l->kind == CHAIN_FC)
            bytes += (double)sizeof(float) * l->oc * l->c * l->h * l->w;
    }
    return bytes > 256 * 1024 && bytes * 64 > plan->flops;
}

static uint16_t settle(uint16_t asked, uint16_t otherwise) {
    return asked == FR_LAYOUT_ANY ? otherwise : asked;
}

static void fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *out,
                double *out_ns) {
    chain_plan plan;
    chain_tiles tiles = tiles_of(traits, v);
    uint16_t native = gpu_block_layout(traits->vec);
    bool is_alone = v->tile[ITEMS] == 1,
         is_wide = v->tile[ITEMS] > 64; /* wide: of use where groups run beside others */
    if ((!traits->is_cpu && is_alone) || (is_software(traits) && is_wide) ||
        (uint32_t)v->tile[ITEMS] > traits->max_items) {
        out->refused = FR_WHY_ISA;
        return;
    }
    out->refused = (uint16_t)chain_plan_make(step, &tiles, &plan);
    if (out->refused)
        return;
    if (reads_too_much(&plan)) {
        out->refused = FR_WHY_SHAPE;
        return;
    }
    if (v->tile[WINO_KILO] > 0) {
        if (!plan.has_wino) {
            out->refused = FR_WHY_SHAPE; /* nothing that the direct variant does not do */
            return;
        }
        out->flags = FR_CANDIDATE_INEXACT;
    }
    bool has_rows = step->sub[step->n_sub - 1].kind == FR_STEP_EMIT;
    out->src_layout[0] = settle(step->src[0].layout, native);
    out->dst_layout = settle(step->dst.layout, has_rows ? FR_LAYOUT_NCHW : native);
    out->granule = v->vec;
    /* items that share an input wait for each other, and vectors that are not the device's own are slow on it */
    double efficiency = traits->is_cpu ? (v->tile[ITEMS] == 1 ? 0.8 : 0.02) : 0.25;
    if (is_software(traits))
        efficiency = 0.03; /* lanes read shared memory one by one */
    if (plan.has_wino)
        efficiency *= 1.7; /* of direct sums */
    if (v->vec != traits->vec)
        efficiency *= 0.5;
    *out_ns = gpu_guess_ns(traits, plan.flops * step->n, (double)fr_tensor_bytes(&step->src[0], step->n), efficiency);
}

/* ---- packing ------------------------------------------------------------------------------------------------------- */

static void put_sums(gpu_recipe *recipe, const chain_layer *l, const fr_step *sub, const fr_weights *from,
                     int32_t vec) {
    int32_t kh = sub->kind == FR_STEP_FC ? l->h : sub->win.kh, kw = sub->kind == FR_STEP_FC ? l->w : sub->win.kw;
    int64_t window = (int64_t)kh * kw, taps = window * l->c;
    for (int32_t o = 0; o < l->oc; o++) {
        int32_t vector = o / vec, width = (vector < 2 * l->pairs ? 2 : 1) * vec;
        int64_t group = l->weight + (int64_t)(vector < 2 * l->pairs ? vector / 2 * 2 : vector) * vec * taps;
        int64_t lane = vector < 2 * l->pairs ? o % (2 * vec) : o % vec;
        for (int64_t k = 0; k < window; k++)
            for (int32_t c = 0; c < l->c; c++)
                gpu_pack_put(recipe, 0, FR_F32, (uint64_t)(group + (k * l->c + c) * width + lane),
                             from->weight[((int64_t)o * l->c + c) * window + k]);
    }
}

/* U, a matrix of input by output channels for each of the 36 places. */
static void put_wino(gpu_recipe *recipe, const chain_layer *l, const fr_weights *from, int32_t vec) {
    int64_t outputs = (2 * (int64_t)l->pairs + l->singles) * vec;
    for (int32_t o = 0; o < l->oc; o++) {
        int32_t vector = o / vec, is_paired = vector < 2 * l->pairs, width = (is_paired ? 2 : 1) * vec;
        for (int32_t c = 0; c < l->c; c++) {
            double u[36];
            wino_filter(4, from->weight + ((int64_t)o * l->c + c) * 9, u);
            for (int64_t k = 0; k < 36; k++)
                gpu_pack_put(
                    recipe, 0, FR_F32,
                    (uint64_t)(l->weight + (k * outputs + o / width * width) * l->c + (int64_t)c * width + o % width),
                    (float)u[k]);
        }
    }
}

static void put_bias(gpu_recipe *recipe, const chain_layer *l, const fr_weights *from) {
    for (int32_t o = 0; from->bias && o < l->oc; o++)
        gpu_pack_put(recipe, 0, FR_F32, (uint64_t)(l->bias + o), from->bias[o]);
}

static void put_scales(gpu_recipe *recipe, const chain_layer *l, const fr_weights *from, int32_t vec) {
    int32_t count = l->ow * l->image_c;
    for (int32_t i = 0; i < count; i++) {
        gpu_pack_put(recipe, 0, FR_F32, (uint64_t)(l->weight + i), from->mean ? from->mean[i % l->image_c] : 0.0f);
        gpu_pack_put(recipe, 0, FR_F32, (uint64_t)(l->weight + count + vec + i),
                     from->scale ? from->scale[i % l->image_c] : 1.0f);
    }
}

static fr_status pack(const fr_host *host, const fr_step *step, const chain_plan *plan, const fr_weights *weights,
                      int32_t vec, int32_t layer_words, gpu_recipe *recipe) {
    if (!weights || !weights->sub)
        return host_fail(host, FR_INVALID, "the chain's weights are missing");
    HOST_TRY(gpu_pack_new(host, recipe, (uint64_t)plan->packed_floats * sizeof(float)));
    for (int32_t i = 0; i < plan->n_layers; i++) {
        const chain_layer *l = &plan->layers[i];
        memcpy((float *)recipe->packed + (ptrdiff_t)i * layer_words, l, sizeof *l);
        const fr_step *sub = &step->sub[plan->sub[i]];
        const fr_weights *from = &weights->sub[plan->sub[i]];
        if (l->kind == CHAIN_INGEST)
            put_scales(recipe, l, from, vec);
        bool is_wino = l->kind == CHAIN_WINO_IN && l->tile_first == 0;
        if (l->kind != CHAIN_CONV && l->kind != CHAIN_FC && !is_wino)
            continue;
        if (!from->weight || (sub->has_bias && !from->bias))
            return host_fail(host, FR_INVALID, "weights or bias of step %d of the chain are missing", plan->sub[i]);
        if (sub->has_bias)
            put_bias(recipe, l, from);
        if (is_wino)
            put_wino(recipe, l, from, vec);
        else
            put_sums(recipe, l, sub, from, vec);
    }
    return FR_OK;
}

/* In OpenCL C a build's constants do what takes several kernels in GLSL. */
static const char *kernel_of(const gpu_traits *traits, bool has_wino, bool is_viewed) {
    if (!traits->glsl)
        return "chain";
    if (has_wino)
        return is_viewed ? "chain_wino_texels" : "chain_wino";
    return is_viewed ? "chain_texels" : "chain";
}

static fr_status make(const fr_host *host, const gpu_traits *traits, const fr_step *step, const gpu_variant *v,
                      const fr_weights *weights, gpu_recipe *out) {
    chain_plan plan;
    chain_tiles tiles = tiles_of(traits, v);
    if (chain_plan_make(step, &tiles, &plan) != FR_WHY_NOT)
        return host_fail(host, FR_INTERNAL, "a chain that fits has no plan");
    int32_t layer_words = traits->glsl ? CHAIN_LAYER_FOURS * 4 : CHAIN_LAYER_WORDS;
    HOST_TRY(pack(host, step, &plan, weights, v->vec, layer_words, out));
    bool has_wino = v->tile[WINO_KILO] > 0, is_viewed = is_software(traits) && traits->texels;
    gpu_dispatch *d = gpu_add(out, "chain", kernel_of(traits, has_wino, is_viewed));
    d->texels = is_viewed ? 1u << 2 : 0; /* the weights */
    uint32_t items = (uint32_t)v->tile[ITEMS];
    fr_tensor from = step->src[0];
    if (step->sub[0].kind == FR_STEP_INGEST)
        from.c = step->sub[0].image_c;
    gpu_define_int(d, "VW", v->vec);
    gpu_define_int(d, "LX", v->tile[ITEMS]);
    gpu_define_int(d, "LY", 1);
    gpu_define_int(d, "LZ", 1);
    gpu_define_int(d, "SRC_DTYPE", from.dtype);
    gpu_define_int(d, "DST_DTYPE", step->dst.dtype);
    gpu_define_int(d, "PAIR_PX", v->tile[PAIR_PIXELS]);
    gpu_define_int(d, "SINGLE_PX", v->tile[SINGLE_PIXELS]);
    if (!traits->glsl)
        gpu_define_int(d, "WINO_OUT", has_wino ? 4 : 0);
    gpu_define_int(d, "MAPS", local_floats(traits, plan.map_floats));
    gpu_bind_buffer(d, 0, 0, (uint32_t)fr_dtype_bytes((fr_dtype)from.dtype));
    gpu_bind_buffer(d, GPU_DST, 0, (uint32_t)fr_dtype_bytes((fr_dtype)step->dst.dtype));
    gpu_bind_buffer(d, GPU_WEIGHT, 0, sizeof(float));
    gpu_param(d, step->n);
    gpu_param(d, plan.n_layers);
    gpu_param(d, step->images);
    gpu_param_strides(d, &from);
    gpu_param_strides(d, &step->dst);
    gpu_grid(d, (uint32_t)step->n, 1, 1, items, 1, 1);
    return FR_OK;
}

#define CHAIN(name_, vec_, ...)                                                                           \
    {                                                                                                     \
        .name = name_, .kinds = GPU_KIND(FR_STEP_CHAIN), .fit = fit, .make = make, .vec = vec_, .tile = { \
            __VA_ARGS__                                                                                   \
        }                                                                                                 \
    }

/* Items; places of a tile of two vectors, and of one; thousands of floats for V and M. */
static const gpu_variant variants[] = {
    CHAIN("chain.wino4.v16", 16, 1, 7, 8, 96),   CHAIN("chain.wino4.v8", 8, 1, 6, 8, 96),
    CHAIN("chain.v16", 16, 1, 7, 8, 0),          CHAIN("chain.v8", 8, 1, 6, 8, 0),
    CHAIN("chain.wino4.v4.l64", 4, 64, 4, 4, 6), CHAIN("chain.v4.l64", 4, 64, 4, 4, 0),
    CHAIN("chain.v4.l128", 4, 128, 4, 4, 0),
};

const gpu_family gpu_family_chain = {variants, (int32_t)(sizeof variants / sizeof variants[0])};
