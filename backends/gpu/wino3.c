/*
 * Winograd in three kernels, V and M of all tiles in scratch: for many channels, where one group's local memory holds
 * too few tiles for the weights to be worth loading, and for devices whose local memory is small. A pool is a
 * dispatch of its own.
 */
#include "gpu/conv_common.h"
#include "gpu/wino_step.h"

enum { PIECE = 4 }; /* of wino3.cl: blocks of input channels in local memory at a time */

typedef enum wino_stage { INPUT, PRODUCT, OUTPUT } wino_stage;

typedef struct wino_scratch { /* bytes: the unpooled map, V, M */
    uint64_t v_at, m_at, bytes;
} wino_scratch;

/* Blocks of tiles that one item of a CPU's product takes: V of them stays in a core's cache, the weights pass by. */
static int32_t chunk_of(const gpu_traits *traits, const wino_shape *s) {
    int64_t bytes = (int64_t)s->block * s->c_blocks * s->vec * (int64_t)sizeof(float), chunk = 300 * 1024 / bytes;
    if (!traits->is_cpu || s->lx * s->ly > 1)
        return s->ly;
    return (int32_t)(chunk < 1 ? 1 : chunk > 16 ? 16 : chunk);
}

static uint64_t product_floats(const wino_shape *s) { /* of local memory */
    return (uint64_t)(s->ly * PIECE * s->block * s->vec + PIECE * s->vec * s->panel);
}

/* A row of tiles of one image is a group of the first and the last kernel, or as much of one as can be staged. */
static bool choose_strip(const gpu_traits *traits, const wino_shape *s, wino_room *room) {
    bool alone = s->lx * s->ly == 1;
    int32_t across = alone ? s->across : s->across < 16 ? s->across : 16, down = alone || s->down < 2 ? 1 : 2;
    uint64_t most = wino_local_floats(traits), tall = (uint64_t)(down * s->out + 2), floats;
    if (!alone && product_floats(s) > most)
        return false;
    room->stage_blocks = alone ? 1 : s->c_blocks < 8 ? s->c_blocks : 8;
    for (;; room->stage_blocks > 1 ? room->stage_blocks /= 2 : (across /= 2)) {
        floats = tall * (uint64_t)(across * s->out + 2) * (uint64_t)(room->stage_blocks * s->vec);
        if (across < 1 || floats <= most)
            break;
    }
    room->floats = floats;
    room->strip_h = down * s->out;
    room->strip_w = across * s->out;
    return across >= 1;
}

static bool plan(const gpu_traits *traits, const wino_shape *s, wino_room *out_room, wino_scratch *out_scratch) {
    int64_t tiles = (int64_t)s->step->n * s->down * s->across, blocks = (tiles + s->block - 1) / s->block;
    int64_t v_step = wino_odd_vectors(blocks * s->block * s->c_blocks * s->vec, s->vec),
            m_step = wino_odd_vectors(blocks * s->block * s->panels * s->panel, s->vec);
    int64_t most = (v_step > m_step ? v_step : m_step) * wino_places(s->out);
    *out_room = (wino_room){.images = 1};
    if (2 * most > INT32_MAX || !choose_strip(traits, s, out_room))
        return false;
    out_room->v_step = (int32_t)v_step;
    out_room->m_step = (int32_t)m_step;
    out_room->m_tile = s->panels * s->panel;
    out_room->blocks = (int32_t)blocks;
    out_room->chunk = chunk_of(traits, s);
    uint64_t map = gpu_conv_map_bytes(s->step, gpu_block_layout((int32_t)s->vec));
    out_scratch->v_at = (map + 63) / 64 * 64;
    out_scratch->m_at = out_scratch->v_at + (uint64_t)(v_step * wino_places(s->out)) * sizeof(float);
    out_scratch->m_at = (out_scratch->m_at + 63) / 64 * 64;
    out_scratch->bytes = out_scratch->m_at + (uint64_t)(m_step * wino_places(s->out)) * sizeof(float);
    return true;
}

static double guess_ns(const gpu_traits *traits, const wino_shape *s, const wino_room *room) {
    double places = wino_places(s->out), tiles = (double)room->blocks * s->block;
    double depth = wino_depth(s->step->src[0].c), width = (double)s->panels * s->panel;
    double product = 2 * places * tiles * depth * width, ends = tiles * (depth + width) * places * 2 * s->out;
    double traffic = tiles * places * (depth + width) * 2 * sizeof(float);
    /* V and M pass through memory twice; the traffic does not hide behind the sums */
    double ns = gpu_guess_ns(traits, product, 0, 0.8) + gpu_guess_ns(traits, ends, traffic, 0.5) + 20000;
    return ns * wino_misfit(traits, s);
}

static void wino3_fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant,
                      fr_candidate *candidate, double *out_ns) {
    wino_room room;
    wino_scratch scratch;
    candidate->refused = (uint16_t)wino_refusal(traits, step, variant, candidate);
    if (candidate->refused)
        return;
    wino_shape shape = wino_shape_of(step, variant);
    if (!plan(traits, &shape, &room, &scratch)) {
        candidate->refused = FR_WHY_MEMORY;
        return;
    }
    candidate->scratch_bytes = scratch.bytes;
    *out_ns = guess_ns(traits, &shape, &room);
}

/* Of shaders that are built one by one: each has its own, so that there are few. */
static void define_alone(gpu_dispatch *d, const wino_shape *s, wino_stage stage, uint16_t dst_dtype) {
    if (stage != PRODUCT) {
        gpu_define_int(d, "SRC_DTYPE", s->step->src[0].dtype);
        gpu_define_int(d, "WINO_OUT", s->out);
    }
    if (stage == OUTPUT)
        gpu_define_int(d, "DST_DTYPE", dst_dtype);
    else
        gpu_define_int(d, "TB", s->block);
    if (stage == PRODUCT)
        gpu_define_int(d, "CB", s->vectors);
}

static gpu_dispatch *add_stage(gpu_recipe *recipe, wino_stage stage, const gpu_traits *traits, const wino_shape *s,
                               const wino_room *room) {
    static const char *const kernels[] = {"wino3_input", "wino3_product", "wino3_output"};
    gpu_dispatch *d = gpu_add(recipe, "wino3", kernels[stage]);
    fr_tensor out = gpu_conv_out(s->step);
    if (traits->glsl)
        define_alone(d, s, stage, out.dtype);
    else
        wino_defines(d, traits, s, room, 3, out.dtype); /* the same for all three: one build */
    wino_params(d, s, room, false);
    gpu_grid(d, (uint32_t)gpu_ceil_div(s->map_w, room->strip_w), (uint32_t)gpu_ceil_div(s->map_h, room->strip_h),
             (uint32_t)s->step->n, (uint32_t)s->lx, (uint32_t)s->ly, 1);
    return d;
}

static fr_status wino3_make(const fr_host *host, const gpu_traits *traits, const fr_step *step,
                            const gpu_variant *variant, const fr_weights *weights, gpu_recipe *out_recipe) {
    wino_shape s = wino_shape_of(step, variant);
    wino_room room;
    wino_scratch scratch;
    if (!plan(traits, &s, &room, &scratch))
        return FR_UNSUPPORTED;
    uint32_t src_bytes = (uint32_t)fr_dtype_bytes((fr_dtype)step->src[0].dtype);
    gpu_dispatch *d = add_stage(out_recipe, INPUT, traits, &s, &room);
    gpu_bind_buffer(d, 0, 0, src_bytes);
    gpu_bind_buffer(d, GPU_SCRATCH, scratch.v_at, sizeof(float));

    d = add_stage(out_recipe, PRODUCT, traits, &s, &room);
    gpu_bind_buffer(d, GPU_SCRATCH, scratch.v_at, sizeof(float));
    gpu_bind_buffer(d, GPU_WEIGHT, 0, sizeof(float));
    gpu_bind_buffer(d, GPU_SCRATCH, scratch.m_at, sizeof(float));
    bool alone = s.lx * s.ly == 1;
    gpu_grid(d, (uint32_t)gpu_ceil_div(room.blocks, room.chunk), alone ? 1 : (uint32_t)s.panels,
             (uint32_t)wino_places(s.out), (uint32_t)s.lx, (uint32_t)s.ly, 1);

    d = add_stage(out_recipe, OUTPUT, traits, &s, &room);
    gpu_bind_buffer(d, GPU_SCRATCH, scratch.m_at, sizeof(float));
    gpu_bind_buffer(d, GPU_WEIGHT, 0, sizeof(float));
    gpu_bind_buffer(d, step->residual ? 1 : 0, 0, src_bytes);
    gpu_bind_buffer(d, step->pool ? GPU_SCRATCH : GPU_DST, 0,
                    (uint32_t)fr_dtype_bytes((fr_dtype)gpu_conv_out(step).dtype));
    fr_status status = gpu_conv_add_pool(out_recipe, traits, step);
    return status == FR_OK ? wino_pack(host, &s.weights, weights, step->has_bias, out_recipe) : status;
}

#define VARIANT(...) WINO_VARIANT(wino3_fit, wino3_make, __VA_ARGS__)

static const gpu_variant variants[] = {
    VARIANT("wino4x3.v16.t13x2", 16, 4, 13, 2, 1, 1),  VARIANT("wino2x3.v16.t13x2", 16, 2, 13, 2, 1, 1),
    VARIANT("wino4x3.v8.t6x2", 8, 4, 6, 2, 1, 1),      VARIANT("wino4x3.v4.t8.i16x8", 4, 4, 8, 1, 16, 8),
    VARIANT("wino4x3.v4.t4x2.i8x8", 4, 4, 4, 2, 8, 8), VARIANT("wino2x3.v4.t8.i16x8", 4, 2, 8, 1, 16, 8),
};

const gpu_family gpu_family_conv_wino3 = {variants, (int32_t)(sizeof variants / sizeof variants[0])};
