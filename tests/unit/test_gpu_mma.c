/* How conv_mma cuts convolutions: tiles that cover the result, and a shared memory in which nothing lies on anything else. */
#include "check.h"

#include "gpu/conv_common.h"
#include "gpu/conv_mma_plan.h"
#include "gpu_devices.h"

enum { HALF = 2, WORD = 4 };

typedef struct layer {
    int32_t n, c, h, w, co, k, stride, dilation, pad, groups;
    int32_t pool, pool_k, pool_stride, pool_pad;
} layer;

static const layer layers[] = {
    {64, 3, 22, 52, 32, 3, 1, 1, 1, 1, FR_POOL_MAX, 3, 2, 0}, /* V1 */
    {64, 32, 10, 25, 32, 3, 1, 1, 1, 1, FR_POOL_NONE, 0, 0, 0},
    {64, 32, 10, 25, 32, 3, 1, 1, 1, 1, FR_POOL_MAX, 3, 1, 0},
    {16, 12, 22, 52, 64, 3, 1, 1, 1, 1, FR_POOL_MAX, 3, 2, 0}, /* V1, folded by 4 */
    {64, 64, 50, 50, 64, 3, 1, 1, 1, 1, FR_POOL_MAX, 2, 2, 0}, /* N4 */
    {32, 90, 50, 50, 90, 3, 1, 1, 1, 1, FR_POOL_MAX, 2, 2, 0}, /* N4, folded by 2 */
    {8, 9, 50, 50, 27, 3, 1, 1, 1, 1, FR_POOL_NONE, 0, 0, 0},
    {1, 3, 224, 224, 64, 7, 2, 1, 3, 1, FR_POOL_MAX, 3, 2, 1},
    {4, 512, 7, 7, 512, 3, 1, 1, 1, 1, FR_POOL_AVG, 7, 1, 0},
    {5, 64, 13, 13, 128, 5, 1, 1, 2, 4, FR_POOL_NONE, 0, 0, 0},
    {3, 16, 15, 15, 24, 3, 1, 2, 2, 1, FR_POOL_NONE, 0, 0, 0},
    {256, 10000, 1, 1, 128, 1, 1, 1, 0, 1, FR_POOL_NONE, 0, 0, 0}, /* a fully connected layer */
    {1, 1, 1, 1, 1, 1, 1, 1, 0, 1, FR_POOL_NONE, 0, 0, 0},
};
enum { LAYERS = sizeof layers / sizeof layers[0] };

static int32_t out_of(int32_t size, int32_t k, int32_t stride, int32_t pad, int32_t dilation) {
    return (size + 2 * pad - (k - 1) * dilation - 1) / stride + 1;
}

static fr_step step_of(const layer *l) {
    fr_step s = {.kind = FR_STEP_CONV, .compute = FR_PRECISION_F16, .n = l->n, .n_src = 1, .groups = l->groups};
    int32_t h = out_of(l->h, l->k, l->stride, l->pad, l->dilation);
    int32_t w = out_of(l->w, l->k, l->stride, l->pad, l->dilation);
    s.win = (fr_window){l->k, l->k, l->stride, l->stride, l->dilation, l->dilation, l->pad, l->pad, l->pad, l->pad};
    s.src[0] = (fr_tensor){l->c, l->h, l->w, FR_F16, FR_LAYOUT_NHWC, 0};
    s.pool = (uint8_t)l->pool;
    if (l->pool) {
        int32_t pad = l->pool_pad;
        s.pool_win = (fr_window){l->pool_k, l->pool_k, l->pool_stride, l->pool_stride, 1, 1, pad, pad, pad, pad};
        h = out_of(h, l->pool_k, l->pool_stride, pad, 1);
        w = out_of(w, l->pool_k, l->pool_stride, pad, 1);
    }
    s.dst = (fr_tensor){l->co, h, w, FR_F16, FR_LAYOUT_NHWC, 0};
    return s;
}

static gpu_mma_shape shape_of(const layer *l, int32_t mt, int32_t number_bytes) {
    static const int32_t widths[] = {1, 2, 3, 4};
    return (gpu_mma_shape){.mt = mt,
                           .nt = gpu_mma_best_width(l->co / l->groups, widths, 4),
                           .warps = mt == 4 ? 4 : 8,
                           .number_bytes = number_bytes,
                           .cell_bytes = number_bytes,
                           .packed = l->c / l->groups * number_bytes % 16 != 0};
}

static void check_cover(const fr_step *s, const gpu_mma_shape *shape, const gpu_mma_plan *p) {
    gpu_conv_dims dims = gpu_conv_dims_of(s);
    int32_t out_h = s->pool ? s->dst.h : dims.map_h, out_w = s->pool ? s->dst.w : dims.map_w;
    bool is_whole = p->part_h == out_h && p->part_w == out_w;
    CHECK(p->tiles_y * p->part_h >= out_h && (p->tiles_y - 1) * p->part_h < out_h);
    CHECK(p->tiles_x * p->part_w >= out_w && (p->tiles_x - 1) * p->part_w < out_w);
    CHECK(p->images == 1 || is_whole);
    CHECK((int64_t)p->jobs * p->images >= (int64_t)s->n * p->tiles_y * p->tiles_x);
    CHECK(p->chunks * shape->mt * 16 >= p->pixels && p->pixels == p->images * p->tile_h * p->tile_w);
    CHECK(p->n_tiles * shape->nt * 8 >= s->dst.c / s->groups);
    if (s->pool) {
        CHECK((p->part_h - 1) * s->pool_win.sh + s->pool_win.kh <= p->tile_h);
        CHECK((p->part_w - 1) * s->pool_win.sw + s->pool_win.kw <= p->tile_w);
    }
    CHECK(p->blocks >= 1 && (int32_t)p->blocks <= p->jobs);
}

/* K is all there, in steps; the last tap of the last pixel is within the patch. */
static void check_depth(const fr_step *s, const gpu_mma_shape *shape, const gpu_mma_plan *p) {
    const fr_window *w = &s->win;
    int32_t c = s->src[0].c / s->groups, taps = w->kh * w->kw, runs;
    int32_t y = (p->tile_h - 1) * w->sh + (w->kh - 1) * w->dh, x = (p->tile_w - 1) * w->sw + (w->kw - 1) * w->dw;
    CHECK(y < p->patch_h && x < p->patch_w);
    int32_t last = y * p->patch_row + x * p->patch_pixel;
    if (shape->packed) {
        int32_t length = gpu_mma_packed_run(s, &runs);
        CHECK(runs * length == taps * c);
        CHECK(p->k_steps * 32 >= runs * length * shape->number_bytes);
        CHECK((p->twin != 0) == (c * shape->number_bytes % 4 != 0));
        CHECK(last + (c + 1) * shape->number_bytes <= p->patch_image);
        CHECK(p->patch_row % 4 == 0 && p->twin % 16 == 0);
    } else {
        CHECK(p->slices * p->slice_runs * 16 >= c * shape->number_bytes);
        CHECK(p->k_steps * 32 >= taps * p->slice_runs * 16);
        CHECK(last + p->slice_runs * 16 <= p->patch_image);
        CHECK(p->patch_pixel / 16 % 2 == 1); /* banks */
    }
    CHECK(p->slices == 1 || p->chunks <= shape->warps);
    CHECK(p->w_pitch / 16 % 2 == 1 && p->w_pitch >= p->k_steps * 32);
}

static void check_memory(const gpu_traits *traits, const fr_step *s, const gpu_mma_shape *shape,
                         const gpu_mma_plan *p) {
    int32_t rows = (s->pool ? p->chunks : shape->warps) * shape->mt * 16;
    CHECK(p->at_table >= shape->nt * 8 * WORD);
    CHECK(p->at_weights >= p->at_table + p->k_steps * (shape->packed ? 8 : 2) * WORD);
    CHECK(p->at_patch >= p->at_weights + p->w_bytes * (p->slices > 1 ? p->stages : 1));
    CHECK(p->at_map >= p->at_patch + p->patch_bytes * p->stages);
    CHECK((uint32_t)(p->at_map + rows * p->map_pitch) <= p->shared_bytes && p->shared_bytes <= traits->shared_bytes);
    CHECK((p->at_weights | p->at_patch | p->at_map | p->patch_bytes | p->w_bytes | p->map_pitch) % 16 == 0);
    CHECK(p->map_pitch >= shape->nt * 8 * shape->cell_bytes);
}

TEST(plans_cover_the_result_and_fit) {
    static const int32_t generations[] = {70, 75, 80, 90};
    for (int g = 0; g < 4; g++)
        for (int l = 0; l < LAYERS; l++)
            for (int32_t form = 0; form < 4; form++) {
                gpu_traits traits = warp_traits(generations[g]);
                fr_step s = step_of(&layers[l]);
                gpu_mma_shape shape = shape_of(&layers[l], form % 2 ? 2 : 4, form / 2 ? WORD : HALF);
                gpu_mma_plan p;
                bool is_made = gpu_mma_plan_make(&traits, &s, &shape, &p);
                CHECK(is_made || (shape.packed && layers[l].c > 16)); /* all of K at once may be too much */
                if (!is_made)
                    continue;
                check_cover(&s, &shape, &p);
                check_depth(&s, &shape, &p);
                check_memory(&traits, &s, &shape, &p);
                CHECK(p.stages == 1 || generations[g] >= 80);
            }
}

TEST(some_devices_have_matrix_instructions) {
    named_traits devices[DEVICES];
    int with = 0;
    all_devices(devices);
    for (int d = 0; d < DEVICES; d++)
        with += devices[d].traits.mma > 0;
    CHECK(with > 0 && with < DEVICES);
}

/* Where the products of the paper's layers are useful ones. */
TEST(tiles_of_the_models_are_full) {
    static const struct {
        int layer;
        double least;
    } fills[] = {{0, 0.85}, {1, 0.95}, {2, 0.9}, {4, 0.8}};
    for (size_t i = 0; i < sizeof fills / sizeof fills[0]; i++) {
        gpu_traits traits = warp_traits(90);
        fr_step s = step_of(&layers[fills[i].layer]);
        gpu_mma_shape shape = shape_of(&layers[fills[i].layer], 4, HALF);
        gpu_conv_dims dims = gpu_conv_dims_of(&s);
        gpu_mma_plan p;
        CHECK(gpu_mma_plan_make(&traits, &s, &shape, &p));
        double computed = (double)p.jobs * gpu_round_up(p.chunks, shape.warps) * shape.mt * 16;
        double fill = (double)s.n * dims.map_h * dims.map_w / computed;
        printf("layer %d: tiles of %d x %dx%d, %d stages, %u bytes, fill %.2f\n", fills[i].layer, p.images, p.tile_h,
               p.tile_w, p.stages, p.shared_bytes, fill);
        CHECK(fill >= fills[i].least);
    }
}

TEST(a_width_that_pads_least_is_taken) {
    static const int32_t widths[] = {1, 2, 3, 4, 6, 8};
    CHECK_INT(gpu_mma_best_width(8, widths, 6), 1);
    CHECK_INT(gpu_mma_best_width(32, widths, 6), 4);
    CHECK_INT(gpu_mma_best_width(45, widths, 6), 6);
    CHECK_INT(gpu_mma_best_width(64, widths, 6), 8);
    CHECK_INT(gpu_mma_best_width(90, widths, 6), 6);
    CHECK_INT(gpu_mma_best_width(11, widths, 6), 2);
}

TEST(a_multiplication_divides) {
    for (int32_t d = 1; d < 3000; d += d < 70 ? 1 : 41)
        for (int64_t i = 0; i * d < INT64_C(1) << 32 && i < 200000; i += 1 + i / 64) {
            uint32_t magic = (uint32_t)gpu_mma_magic(d);
            int64_t by = magic ? (int64_t)((uint64_t)i * magic >> 32) : i;
            CHECK_INT(by, i / d);
        }
}

CHECK_MAIN
