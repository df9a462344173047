#include "gpu/maps.h"

bool gpu_maps_dtype(uint16_t dtype) {
    return dtype == FR_F32 || dtype == FR_F16 || dtype == FR_BF16 || dtype == FR_U8 || dtype == FR_S8;
}

bool gpu_maps_runs(const gpu_traits *traits, int32_t style) {
    bool walks = style == MAPS_WALK || style == MAPS_SLIDE || style == MAPS_PLACES || style == MAPS_ROWS;
    return !traits->lockstep || !walks;
}

bool gpu_maps_groups(const gpu_traits *traits, int64_t length) {
    return traits->max_items >= GPU_MAPS_ITEMS && (!traits->lockstep || length >= GPU_MAPS_ITEMS);
}

bool gpu_maps_lanes(const fr_tensor *tensor, int32_t vec) {
    int32_t block = fr_layout_block(tensor->layout);
    bool is_row = tensor->layout == FR_LAYOUT_NHWC || (block == 1 && tensor->h == 1 && tensor->w == 1);
    return block > 1 ? block % vec == 0 : vec == 1 || (is_row && tensor->c % vec == 0);
}

static bool too_large(const fr_tensor *tensor, int32_t n) {
    return fr_tensor_elements(tensor) * (uint64_t)n >= INT32_MAX / 2; /* item numbers are rounded up */
}

static uint16_t settled_layout(uint16_t asked, const gpu_variant *variant) {
    return asked != FR_LAYOUT_ANY ? asked : variant->layout;
}

fr_reason gpu_maps_layouts(const fr_step *step, const gpu_variant *variant, fr_step *out_settled) {
    *out_settled = *step;
    for (int32_t i = 0; i <= step->n_src; i++) {
        fr_tensor *t = i < step->n_src ? &out_settled->src[i] : &out_settled->dst;
        t->layout = settled_layout(t->layout, variant);
        if (!gpu_maps_dtype(t->dtype))
            return FR_WHY_DTYPE;
        if (t->layout > FR_LAYOUT_NCHW32C)
            return FR_WHY_LAYOUT;
        if (too_large(t, step->n))
            return FR_WHY_MEMORY;
    }
    return FR_WHY_NOT;
}

bool gpu_maps_walks(const fr_step *settled, const gpu_variant *variant) {
    bool has_nhwc = false, lanes = true;
    for (int32_t i = 0; i <= settled->n_src; i++) {
        const fr_tensor *t = i < settled->n_src ? &settled->src[i] : &settled->dst;
        has_nhwc |= t->layout == FR_LAYOUT_NHWC;
        lanes &= gpu_maps_lanes(t, variant->vec);
    }
    return lanes && (variant->vec == 1 || has_nhwc == (variant->layout == FR_LAYOUT_NHWC));
}

void gpu_maps_answer(const fr_step *settled, const gpu_variant *variant, fr_candidate *candidate) {
    for (int32_t i = 0; i < settled->n_src; i++)
        candidate->src_layout[i] = settled->src[i].layout;
    candidate->dst_layout = settled->dst.layout;
    candidate->granule = variant->vec;
}

static uint64_t bytes_of(const fr_step *step) { /* of all its tensors */
    uint64_t bytes = fr_tensor_bytes(&step->dst, step->n);
    for (int32_t i = 0; i < step->n_src; i++)
        bytes += fr_tensor_bytes(&step->src[i], step->n);
    return bytes;
}

double gpu_maps_guess(const gpu_traits *traits, const gpu_variant *variant, const fr_step *settled) {
    /* by style: for a CPU, for a GPU, for one in lockstep (of the styles offered there) */
    static const double times[][3] = {[MAPS_WALK] = {1, 6},         [MAPS_ITEM] = {4, 1, 1}, [MAPS_SLIDE] = {0.6, 6},
                                      [MAPS_GROUP] = {8, 0.5, 0.5}, [MAPS_PLACES] = {1, 6},  [MAPS_WEAVE] = {1.5, 8, 1},
                                      [MAPS_UNWEAVE] = {1.5, 8, 1}, [MAPS_ROWS] = {0.5, 4},  [MAPS_ANY] = {12, 2, 2}};
    int device = traits->is_cpu ? 0 : traits->lockstep ? 2 : 1;
    double slower = variant->vec == traits->vec || variant->tile[MAPS_STYLE] == MAPS_PLACES ? 1
                    : variant->vec == 1                                                     ? 4
                                                                                            : 1.5;
    return gpu_guess_ns(traits, 0, (double)bytes_of(settled), 1) * slower * times[variant->tile[MAPS_STYLE]][device];
}

fr_status gpu_maps_begin(gpu_recipe *recipe, const char *file, const char *kernel, const fr_tensor *dst, int32_t vec,
                         gpu_dispatch **out_dispatch) {
    gpu_dispatch *d = *out_dispatch = gpu_add(recipe, file, kernel);
    if (!d)
        return FR_INTERNAL;
    gpu_define_int(d, "VW", vec);
    gpu_define_int(d, "DST_DTYPE", dst->dtype);
    return FR_OK;
}

void gpu_maps_grid(const gpu_traits *traits, gpu_dispatch *d, int64_t groups, int32_t items) {
    enum { WIDEST = 1 << 15 }; /* devices promise 65535 */
    int64_t width = traits->glsl && groups > WIDEST ? WIDEST : groups;
    gpu_grid(d, (uint32_t)width, (uint32_t)((groups + width - 1) / width), 1, (uint32_t)items, 1, 1);
}

void gpu_maps_items(const gpu_traits *traits, gpu_dispatch *d, int64_t items) {
    gpu_maps_grid(traits, d, (items + GPU_MAPS_ITEMS - 1) / GPU_MAPS_ITEMS, GPU_MAPS_ITEMS);
}

void gpu_maps_source(gpu_dispatch *d, int32_t role, uint64_t at, const char *dtype_name, const fr_tensor *tensor) {
    gpu_define_int(d, dtype_name, tensor->dtype);
    gpu_bind_buffer(d, role, at, (uint32_t)fr_dtype_bytes((fr_dtype)tensor->dtype));
}

float gpu_maps_scale(const fr_tensor *tensor) {
    return tensor->dtype == FR_U8 || tensor->dtype == FR_S8 ? tensor->scale : 1.0f;
}

gpu_share gpu_maps_share(const gpu_traits *traits, int64_t planes, int32_t rows, int64_t row_bytes) {
    enum { ITEM_BYTES = 128 << 10, ITEMS_PER_UNIT = 8 };
    int64_t units = traits->units ? traits->units : 1, wanted = units * ITEMS_PER_UNIT;
    int64_t each = ITEM_BYTES / (row_bytes * rows + 1), most = planes / wanted;
    gpu_share s = {.planes_each = 1, .rows_each = rows};
    each = each < most ? each : most;
    if (each > 1) {
        s.planes_each = (int32_t)each;
    } else if (planes < wanted) { /* few maps: rows make up for them, but not less than some 8 KiB of them */
        int64_t chunks = (wanted + planes - 1) / planes, least = (8 << 10) / (row_bytes + 1) + 1;
        int64_t rows_each = (rows + chunks - 1) / chunks;
        rows_each = rows_each > least ? rows_each : least;
        s.rows_each = (int32_t)(rows_each < rows ? rows_each : rows);
    }
    s.items = (uint32_t)((planes + s.planes_each - 1) / s.planes_each);
    s.chunks = (uint32_t)gpu_ceil_div(rows, s.rows_each);
    return s;
}
