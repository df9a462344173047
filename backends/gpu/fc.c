/*
 * Fully connected layers by our own kernels (shaders: fc). A variant is a way to cut the product: `fc.tile` gives a work-item
 * a large tile of registers (CPUs), `fc.local` a work-group tiles in local memory, `fc.gemv` shares the sum of a few rows
 * among the items of a group, `fc.spread` gives each item of a subgroup rows of its own and hands the weights round. All of
 * them split K where rows and columns alone would leave units without work.
 */
#include "gpu/fc.h"

#include "common/host_device.h"
#include "gpu/families.h"

enum { TILE = 1, LOCAL = 2, GEMV = 3, SPREAD = 5 }; /* FC_FORM; 4 is fc_sum */
enum { SRC_BUFFER, WEIGHT_BUFFER };
/* tile[]: form, most rows of a tile, vectors (TILE, SPREAD) or items (others) beside each other */
enum { FORM, ROWS, WIDE };
enum {
    GROUP_ITEMS = 64,
    GPU_VEC = 4,
    LOCAL_K_STEP = 16,
    FEW_TILES = 4, /* of rows, in one item */
    MOST_TILES = 16,
    MOST_PARTS = 64,
    PART_K = 512, /* less of K than this is not worth a part */
    GPU_PART_K = 128,
    LOCKSTEP_PART_K = 16384, /* some software devices end an item's loops after 65535 turns in all */
    NEAR_BYTES = 256 << 10,  /* of weights that stay in a near cache */
    STAGED_K = 512,          /* numbers of a row that are widened to f32 at a time */
    NARROW_SUBGROUP = 8,
    MOST_ROW_GROUPS = 65535 /* in lockstep: groups of a grid's second dimension */
};

typedef struct cut { /* of one step by one variant */
    gpu_fc_shape shape;
    int32_t form, rows, wide, vec;
    int32_t columns, panels;
    int32_t item_rows, row_groups;
    int32_t parts, k_part;
    uint64_t scratch_bytes;
} cut;

static const char *kernel_name(int32_t form) {
    return form == TILE ? "fc_tile" : form == LOCAL ? "fc_local" : form == GEMV ? "fc_gemv" : "fc_spread";
}

/* Few rows: tiles of equal heights instead of a large one and a rest. */
static int32_t even_rows(int32_t n, int32_t most) {
    return n >= 3 * most ? most : gpu_ceil_div(n, gpu_ceil_div(n, most));
}

/* Rows of one item or group. A CPU's item takes several tiles, since a block of weights is loaded once for all of them:
 * a few where that leaves enough items, all of them where K has to be split in any case. */
static void cut_rows(const gpu_traits *traits, int32_t wanted, cut *c) {
    int32_t tiles = gpu_ceil_div(c->shape.n, c->rows);
    c->item_rows = c->form == LOCAL    ? c->rows * (GROUP_ITEMS / c->wide)
                   : c->form == SPREAD ? c->rows * (int32_t)traits->subgroup
                                       : c->rows;
    if (c->form == TILE && traits->is_cpu) {
        int64_t share = (int64_t)c->panels * tiles / wanted;
        bool is_split = (int64_t)c->panels * gpu_ceil_div(tiles, FEW_TILES) < wanted && c->shape.k >= 2 * PART_K;
        int32_t each = is_split || share > MOST_TILES ? MOST_TILES : share < FEW_TILES ? FEW_TILES : (int32_t)share;
        c->item_rows = gpu_ceil_div(tiles, gpu_ceil_div(tiles, each)) * c->rows;
    }
    c->row_groups = gpu_ceil_div(c->shape.n, c->item_rows);
}

static void cut_k(const gpu_traits *traits, int32_t wanted, int32_t least, cut *c) {
    int32_t k = c->shape.k;
    int64_t groups = (int64_t)c->panels * c->row_groups,
            parts = groups >= wanted ? 1 : gpu_ceil_div(wanted, (int32_t)groups);
    parts = parts > k / least ? k / least : parts;
    if (traits->lockstep && parts < gpu_ceil_div(k, LOCKSTEP_PART_K))
        parts = gpu_ceil_div(k, LOCKSTEP_PART_K);
    parts = parts > MOST_PARTS ? MOST_PARTS : parts < 1 ? 1 : parts;
    c->k_part = gpu_round_up(gpu_ceil_div(k, (int32_t)parts), LOCAL_K_STEP);
    c->parts = gpu_ceil_div(k, c->k_part);
}

static void make_cut(const gpu_traits *traits, const gpu_variant *v, cut *c) {
    int32_t units = traits->units ? (int32_t)traits->units : 1, wanted = units * (traits->is_cpu ? 4 : 8);
    c->form = v->tile[FORM];
    c->wide = v->tile[WIDE];
    c->vec = c->form == TILE ? traits->vec : GPU_VEC;
    c->columns = c->wide * c->vec * (c->form == LOCAL ? 2 : 1);
    c->panels = gpu_ceil_div(c->shape.dst_row, c->columns);
    c->rows = c->form == LOCAL || c->form == SPREAD ? v->tile[ROWS] : even_rows(c->shape.n, v->tile[ROWS]);
    cut_rows(traits, wanted, c);
    cut_k(traits, wanted, traits->is_cpu ? PART_K : GPU_PART_K, c);
    c->scratch_bytes =
        c->parts > 1 ? (uint64_t)c->parts * (uint64_t)c->shape.n * (uint64_t)(c->panels * c->columns) * sizeof(float)
                     : 0;
}

/* Share of the peak that the inner loop reaches where it has work. */
static double speed(const gpu_traits *traits, const cut *c) {
    if (c->form == SPREAD) /* a wide subgroup's rows are far from each other, and so is what it fetches at once */
        return traits->subgroup <= NARROW_SUBGROUP ? (c->wide > 1 ? 0.8 : 0.4) : 0.1;
    if (traits->is_cpu)
        return c->form != TILE ? 0.2 : c->wide > 2 ? 0.9 : 1.0;
    return c->form == TILE ? 0.01 : c->form == LOCAL ? 0.5 : 0.15;
}

static double guess(const gpu_traits *traits, const cut *c) {
    double groups = (double)c->panels * c->row_groups * c->parts, units = traits->units ? traits->units : 1;
    double rounds = groups / units, whole = (double)(int64_t)(rounds + 0.999);
    double rows = (double)c->row_groups * c->item_rows, columns = (double)c->panels * c->columns;
    if (c->form == TILE) /* of the last item only the tiles that exist are computed */
        rows = (double)gpu_round_up(c->shape.n, c->rows);
    double read =
        columns * c->shape.k * (c->form == TILE ? 1 : c->row_groups) + (double)c->shape.n * c->shape.k * c->panels;
    double ns = gpu_guess_ns(traits, 2 * rows * columns * c->shape.k, 4 * read, speed(traits, c) * rounds / whole);
    if (c->parts > 1)
        ns += gpu_guess_ns(traits, 0, 2.0 * (double)c->scratch_bytes, 1);
    return ns;
}

static fr_reason check_device(const gpu_traits *traits, const gpu_variant *v, const gpu_fc_shape *shape) {
    int32_t form = v->tile[FORM];
    if (traits->lockstep && shape->k > MOST_PARTS * LOCKSTEP_PART_K)
        return FR_WHY_SHAPE;
    if ((form == TILE && traits->lockstep) || (form != TILE && traits->max_items < GROUP_ITEMS))
        return FR_WHY_ISA;
    if (form != SPREAD)
        return FR_WHY_NOT;
    if (!traits->lockstep || !traits->texels || !traits->spread || traits->subgroup < GPU_VEC ||
        traits->subgroup > GROUP_ITEMS)
        return FR_WHY_ISA;
    return shape->k % GPU_VEC ? FR_WHY_SHAPE : FR_WHY_NOT;
}

static void fit(const gpu_traits *traits, const fr_step *step, const gpu_variant *v, fr_candidate *candidate,
                double *out_ns) {
    cut c = {0};
    fr_reason why = gpu_fc_open(traits, step, v->layout, candidate, &c.shape);
    if (!why)
        why = check_device(traits, v, &c.shape);
    if (!why) {
        make_cut(traits, v, &c);
        uint64_t local = c.form == LOCAL
                             ? (uint64_t)LOCAL_K_STEP * (uint64_t)(c.item_rows + 1 + c.columns) * sizeof(float)
                         : c.form == GEMV ? (uint64_t)GROUP_ITEMS * (uint64_t)(c.rows * GPU_VEC) * sizeof(float)
                                          : 0;
        if (local > traits->local_bytes || c.scratch_bytes > 1u << 30 ||
            (traits->lockstep && c.row_groups > MOST_ROW_GROUPS))
            why = FR_WHY_MEMORY;
    }
    candidate->refused = (uint16_t)why;
    if (why)
        return;
    candidate->scratch_bytes = c.scratch_bytes;
    candidate->granule = c.columns;
    *out_ns = guess(traits, &c);
}

static void define_form(gpu_dispatch *d, const gpu_traits *traits, const fr_step *step, const cut *c,
                        uint16_t dst_dtype) {
    if (c->form == SPREAD) {
        gpu_define_int(d, "DST_DTYPE", dst_dtype);
        gpu_define_int(d, "TILE_PX", c->rows);
        gpu_define_int(d, "TILE_CB", c->wide);
        gpu_define_int(d, "SUBGROUP", (int32_t)traits->subgroup);
        d->texels = 1u << SRC_BUFFER | 1u << WEIGHT_BUFFER;
        return;
    }
    gpu_define_int(d, "FC_FORM", c->form);
    gpu_define_int(d, "SRC_DTYPE", step->src[0].dtype);
    gpu_define_int(d, "WGT_DTYPE", step->src[0].dtype);
    gpu_define_int(d, "DST_DTYPE", dst_dtype);
    gpu_define_int(d, "VW", c->vec);
    gpu_define_int(d, "ROWS", c->rows);
    if (c->form == TILE) {
        gpu_define_int(d, "NV", c->wide);
        gpu_define_int(d, "MOST_TILES", MOST_TILES);
        gpu_define_int(d, "K_BLOCK",
                       step->src[0].dtype == FR_F32 ? NEAR_BYTES / (c->columns * (int32_t)sizeof(float)) : STAGED_K);
    } else {
        gpu_define_int(d, "IX", c->wide);
    }
}

static fr_status make(const fr_host *host, const gpu_traits *traits, const fr_step *step, const gpu_variant *v,
                      const fr_weights *weights, gpu_recipe *recipe) {
    cut c = {0};
    fr_candidate unused = {0};
    uint64_t bias_at;
    fr_reason why = gpu_fc_open(traits, step, v->layout, &unused, &c.shape);
    if (why)
        return host_fail(host, FR_INTERNAL, "kernel %s is made for a step that it refused", v->name);
    make_cut(traits, v, &c);
    int32_t sum_row = c.panels * c.columns;
    uint16_t src_dtype = step->src[0].dtype, dst_dtype = c.parts > 1 ? FR_F32 : step->dst.dtype;
    uint32_t src_item = (uint32_t)fr_dtype_bytes((fr_dtype)src_dtype),
             dst_item = (uint32_t)fr_dtype_bytes((fr_dtype)dst_dtype),
             items = c.form == TILE     ? 1
                     : c.form == SPREAD ? traits->subgroup
                                        : GROUP_ITEMS;
    HOST_TRY(gpu_fc_pack(host, step, weights, src_dtype, c.columns, sum_row, recipe, &bias_at));
    gpu_dispatch *d = gpu_add(recipe, "fc", kernel_name(c.form));
    if (!d)
        return host_fail(host, FR_INTERNAL, "a fully connected step has too many dispatches");
    int32_t out = c.parts > 1 ? GPU_SCRATCH : GPU_DST;
    define_form(d, traits, step, &c, dst_dtype);
    gpu_bind_buffer(d, 0, 0, src_item);
    gpu_bind_buffer(d, GPU_WEIGHT, 0, src_item);
    gpu_bind_buffer(d, GPU_WEIGHT, bias_at, sizeof(float));
    gpu_bind_buffer(d, step->residual && c.parts == 1 ? 1 : out, 0, dst_item);
    gpu_bind_buffer(d, out, 0, dst_item);
    gpu_fc_params(d, step, &c.shape,
                  &(gpu_fc_work){.item_rows = c.item_rows,
                                 .k_part = c.k_part,
                                 .parts = c.parts,
                                 .sum_row = sum_row,
                                 .is_partial = c.parts > 1});
    gpu_grid(d, (uint32_t)c.panels, (uint32_t)c.row_groups, (uint32_t)c.parts, items, 1, 1);
    if (c.parts == 1)
        return FR_OK;
    return gpu_fc_add_sum(host, recipe, traits, step, &c.shape, c.parts, sum_row, bias_at);
}

#define FC(name_, form, rows, wide, layout_)                                                           \
    {                                                                                                  \
        .name = (name_), .kinds = GPU_KIND(FR_STEP_FC), .fit = fit, .make = make, .layout = (layout_), \
        .vec = (form) == TILE ? 0 : GPU_VEC, .tile = {                                                 \
            (form),                                                                                    \
            (rows),                                                                                    \
            (wide)                                                                                     \
        }                                                                                              \
    }

static const gpu_variant variants[] = {
    FC("fc.tile6x2", TILE, 6, 2, FR_LAYOUT_ANY),       FC("fc.tile12x1", TILE, 12, 1, FR_LAYOUT_ANY),
    FC("fc.tile3x4", TILE, 3, 4, FR_LAYOUT_ANY),       FC("fc.tile6x2.nhwc", TILE, 6, 2, FR_LAYOUT_NHWC),
    FC("fc.tile6x2.nchw", TILE, 6, 2, FR_LAYOUT_NCHW), FC("fc.local32x64", LOCAL, 4, 8, FR_LAYOUT_ANY),
    FC("fc.local64x32", LOCAL, 4, 4, FR_LAYOUT_ANY),   FC("fc.local32x64.nhwc", LOCAL, 4, 8, FR_LAYOUT_NHWC),
    FC("fc.gemv", GEMV, 4, 8, FR_LAYOUT_ANY),          FC("fc.spread8x16", SPREAD, 8, 4, FR_LAYOUT_ANY),
    FC("fc.spread2x16", SPREAD, 2, 4, FR_LAYOUT_ANY),  FC("fc.spread8x4", SPREAD, 8, 1, FR_LAYOUT_ANY),
};

const gpu_family gpu_family_fc = {variants, (int32_t)(sizeof variants / sizeof variants[0])};
