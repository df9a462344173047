/* Fully connected layers, and every step that has no weights. */
#include <string.h>

#include "base/status.h"
#include "cases.h"

static const int32_t batches[] = {1, 3, 8};

static fr_step fc_step(int32_t n, int32_t c, int32_t h, int32_t w, int32_t c_out) {
    fr_step step = fr_make_step(FR_STEP_FC, n, c, h, w);
    step.dst.c = c_out;
    step.dst.h = step.dst.w = 1;
    step.has_bias = 1;
    return step;
}

static fr_status add_fc(conf_list *list) {
    static const int32_t shapes[][4] = {{1, 1, 1, 1},      {7, 1, 1, 5},     {264, 1, 1, 11}, {90, 1, 1, 45},
                                        {1024, 1, 1, 100}, {16, 5, 5, 10},   {17, 3, 4, 33},  {8, 3, 11, 111},
                                        {64, 1, 1, 64},    {16, 25, 25, 128}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int32_t variant = 0; variant < 4; variant++) {
            fr_step step =
                fc_step(batches[(i + (size_t)variant) % 3], shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3]);
            step.has_bias = variant != 1;
            step.act = variant % 2 ? FR_ACT_RELU : FR_ACT_NONE;
            if (variant == 3)
                fr_make_residual(&step);
            FR_TRY(conf_add_all_types(list, &step));
        }
    for (uint8_t act = FR_ACT_CLIP; act <= FR_ACT_TANH; act++) {
        fr_step step = fc_step(3, 40, 1, 1, 24);
        step.act = act;
        step.act_a = act == FR_ACT_LEAKY ? 0.125f : act == FR_ACT_HARDSIGMOID ? 0.25f : 0.0f;
        step.act_b = act == FR_ACT_HARDSIGMOID ? 0.5f : 6.0f;
        FR_TRY(conf_add_all_types(list, &step));
    }
    for (int type = 0; type <= FR_MAKE_TF32; type++) { /* logits stay real, and a batch as large as a lane's */
        fr_step step = fc_step(32, 10, 4, 4, 12);
        fr_make_of_type(&step, (fr_make_type)type);
        FR_TRY(conf_add(list, &step, true, 0));
        step.dst.dtype = FR_F32;
        FR_TRY(conf_add(list, &step, false, 0));
        step.dst.dtype = FR_S8; /* F32 products, stored as int8, too */
        FR_TRY(conf_add(list, &step, false, 0));
    }
    return FR_OK;
}

typedef struct pool_shape {
    int32_t c, h, w, kh, kw, sh, sw, pad[4];
    bool ceil_mode;
} pool_shape;

static fr_status add_pools(conf_list *list) {
    static const pool_shape shapes[] = {
        {32, 22, 26, 3, 3, 2, 2, {0, 0, 0, 0}, false}, {17, 10, 13, 3, 3, 1, 1, {0, 0, 0, 0}, false},
        {16, 12, 12, 2, 2, 2, 2, {0, 0, 0, 0}, false}, {45, 11, 9, 3, 3, 2, 2, {1, 1, 1, 1}, false},
        {3, 12, 14, 3, 3, 2, 2, {0, 0, 0, 0}, true},   {9, 13, 8, 3, 2, 2, 3, {1, 0, 1, 1}, true},
        {64, 7, 7, 7, 7, 1, 1, {0, 0, 0, 0}, false},   {1, 5, 5, 1, 1, 2, 2, {0, 0, 0, 0}, false},
        {8, 4, 4, 2, 2, 3, 3, {0, 0, 0, 0}, false},    {90, 6, 6, 5, 5, 1, 1, {2, 2, 2, 2}, false},
        {12, 1, 1, 1, 1, 1, 1, {0, 0, 0, 0}, false},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int kind = FR_POOL_MAX; kind <= FR_POOL_AVG_INCLUDE_PAD; kind++) {
            const pool_shape *s = &shapes[i];
            fr_step step = fr_make_step(FR_STEP_POOL, batches[i % 3], s->c, s->h, s->w);
            fr_window win = {s->kh, s->kw, s->sh, s->sw, 1, 1, s->pad[0], s->pad[1], s->pad[2], s->pad[3]};
            if (fr_make_pooled(&step, (fr_pool_kind)kind, win, s->ceil_mode))
                FR_TRY(conf_add_all_types(list, &step));
        }
    for (int type = 0; type < FR_MAKE_TYPES; type++)
        for (int kind = FR_POOL_MAX; kind <= FR_POOL_AVG; kind++) {
            fr_step step = fr_make_step(FR_STEP_POOL, 2, 20, 7, 6);
            fr_make_pooled(&step, (fr_pool_kind)kind, fr_make_window(2, 2, 0), false);
            fr_make_of_type(&step, (fr_make_type)type);
            FR_TRY(conf_add(list, &step, true, 0));
        }
    return FR_OK;
}

static fr_status add_eltwise(conf_list *list) {
    static const int32_t channels[] = {1, 17, 32, 45, 64, 3};
    for (uint8_t op = FR_BINARY_ADD; op <= FR_BINARY_MIN; op++)
        for (int broadcast = 0; broadcast < 2; broadcast++) {
            fr_step step = fr_make_step(FR_STEP_BINARY, batches[(op + broadcast) % 3], channels[op - 1], 6, 7);
            step.binary = op;
            step.n_src = 2;
            step.src[1] = step.src[0];
            if (broadcast)
                step.src[1].h = step.src[1].w = 1;
            FR_TRY(conf_add_all_types(list, &step));
            step.act = FR_ACT_RELU;
            for (int type = 0; type < FR_MAKE_TYPES; type++) {
                fr_step typed = step;
                fr_make_of_type(&typed, (fr_make_type)type);
                FR_TRY(conf_add(list, &typed, op == FR_BINARY_ADD || op == FR_BINARY_MUL, 0));
            }
        }
    for (uint8_t act = FR_ACT_NONE; act <= FR_ACT_TANH; act++) {
        fr_step step = fr_make_step(FR_STEP_UNARY, batches[act % 3], channels[act % 6], 5, 9);
        step.act = act;
        step.act_a = act == FR_ACT_LEAKY ? 0.125f : act == FR_ACT_HARDSIGMOID ? 0.25f : 0.0f;
        step.act_b = act == FR_ACT_HARDSIGMOID ? 0.5f : 6.0f;
        for (int type = 0; type < FR_MAKE_TYPES; type++) {
            fr_step typed = step;
            fr_make_of_type(&typed, (fr_make_type)type);
            if (type == FR_MAKE_INT8)
                typed.src[0].dtype = FR_S8;
            FR_TRY(conf_add(list, &typed, act == FR_ACT_RELU || act == FR_ACT_SIGMOID, 0));
        }
    }
    return FR_OK;
}

static fr_status add_channelwise(conf_list *list) {
    for (int32_t count = 2; count <= FR_MAX_SRC; count++) {
        static const int32_t odd[] = {3, 17, 32, 1, 9, 16, 45, 8}, even[] = {64, 32, 16, 16, 32, 64, 16, 32};
        for (int even_channels = 0; even_channels < 2; even_channels++) {
            fr_step step = fr_make_step(FR_STEP_CONCAT, batches[count % 3], 0, 5, 6);
            step.n_src = count;
            for (int32_t i = 0; i < count; i++) {
                step.src[i] = (fr_tensor){.c = even_channels ? even[i] : odd[i], .h = 5, .w = 6};
                step.dst.c += step.src[i].c;
            }
            for (int type = 0; type < FR_MAKE_TYPES; type++) {
                fr_step typed = step;
                fr_make_of_type(&typed, (fr_make_type)type);
                FR_TRY(conf_add(list, &typed, count == 2, 0));
            }
        }
    }
    static const struct {
        int32_t size, c;
        float alpha, k;
    } lrns[] = {{5, 32, 1e-4f, 1}, {5, 45, 0.01f, 2}, {4, 17, 0.5f, 1}, {3, 3, 1, 1}, {1, 8, 0.1f, 1}, {9, 5, 0.1f, 1}};
    for (size_t i = 0; i < sizeof lrns / sizeof lrns[0]; i++) {
        fr_step step = fr_make_step(FR_STEP_LRN, batches[i % 3], lrns[i].c, 6, 5);
        step.lrn_size = lrns[i].size;
        step.lrn_alpha = lrns[i].alpha;
        step.lrn_beta = 0.75f;
        step.lrn_k = lrns[i].k;
        for (int type = FR_MAKE_F32; type <= FR_MAKE_F16; type++) {
            fr_step typed = step;
            fr_make_of_type(&typed, (fr_make_type)type);
            FR_TRY(conf_add(list, &typed, i == 1, 0));
        }
    }
    static const int32_t softmaxes[][3] = {{2, 1, 1}, {11, 1, 1}, {111, 1, 1}, {1000, 1, 1}, {17, 3, 4}, {1, 2, 2}};
    for (size_t i = 0; i < sizeof softmaxes / sizeof softmaxes[0]; i++) {
        fr_step step = fr_make_step(FR_STEP_SOFTMAX, batches[i % 3], softmaxes[i][0], softmaxes[i][1], softmaxes[i][2]);
        for (int type = FR_MAKE_F32; type <= FR_MAKE_F16; type++) {
            fr_step typed = step;
            fr_make_of_type(&typed, (fr_make_type)type);
            FR_TRY(conf_add(list, &typed, i == 4, 0));
        }
        step.kind = FR_STEP_ARGMAX;
        step.dst.c = 1;
        for (uint8_t last = 0; last < 2; last++) {
            step.pick_last = last;
            step.dst.dtype = step.src[0].dtype = FR_F32;
            FR_TRY(conf_add(list, &step, i == 4, 0));
        }
    }
    return FR_OK;
}

static fr_status add_moves(conf_list *list) {
    static const uint16_t dtypes[] = {FR_F32, FR_BF16, FR_F16, FR_U8, FR_S8};
    static const int32_t channels[] = {1, 3, 17, 32, 45};
    for (size_t from = 0; from < 5; from++)
        for (size_t to = 0; to < 5; to++) {
            fr_step step = fr_make_step(FR_STEP_REORDER, batches[(from + to) % 3], channels[(from + 2 * to) % 5], 5, 6);
            step.src[0].dtype = dtypes[from];
            step.dst.dtype = dtypes[to];
            FR_TRY(conf_add(list, &step, true, 0));
        }
    for (size_t i = 0; i < 5; i++) { /* flattened, and unflattened */
        fr_step step = fr_make_step(FR_STEP_REORDER, batches[i % 3], channels[i], 4, 3);
        step.dst = (fr_tensor){.c = channels[i] * 12, .h = 1, .w = 1};
        step.dst.dtype = step.src[0].dtype = dtypes[i];
        FR_TRY(conf_add(list, &step, true, 0));
        fr_tensor swapped = step.src[0];
        step.src[0] = step.dst;
        step.dst = swapped;
        FR_TRY(conf_add(list, &step, i == 2, 0));
    }
    static const struct {
        int32_t c, pad[4];
        float value;
    } pads[] = {{3, {1, 1, 1, 1}, 0},
                {17, {0, 2, 3, 1}, 0},
                {32, {1, 0, 0, 2}, 1.5f},
                {45, {0, 0, 1, 1}, -2},
                {8, {-1, 0, 2, -1}, 0}};
    for (size_t i = 0; i < sizeof pads / sizeof pads[0]; i++) {
        fr_step step = fr_make_step(FR_STEP_PAD, batches[i % 3], pads[i].c, 6, 5);
        step.win.pad_top = pads[i].pad[0];
        step.win.pad_left = pads[i].pad[1];
        step.win.pad_bottom = pads[i].pad[2];
        step.win.pad_right = pads[i].pad[3];
        step.pad_value = pads[i].value;
        step.dst.h += step.win.pad_top + step.win.pad_bottom;
        step.dst.w += step.win.pad_left + step.win.pad_right;
        for (int type = FR_MAKE_F32; type < (pads[i].value < 0 ? FR_MAKE_INT8 : FR_MAKE_TYPES); type++) {
            fr_step typed = step;
            fr_make_of_type(&typed, (fr_make_type)type);
            FR_TRY(conf_add(list, &typed, i == 1 || i == 2, 0));
        }
    }
    return FR_OK;
}

/* Whole launches, one image short of whole, one image, and none. */
static fr_status add_valid(conf_list *list, const fr_step *step, bool all_layouts) {
    int32_t most = step->n * step->images, counts[] = {most, most - 1, 1, 0};
    for (int i = 0; i < 4; i++)
        FR_TRY(conf_add(list, step, all_layouts && i < 2, counts[i]));
    return FR_OK;
}

static fr_status add_user_ends(conf_list *list) {
    static const uint16_t dtypes[] = {FR_F32, FR_BF16, FR_F16, FR_U8};
    static const int32_t channels[] = {1, 3, 4};
    for (int32_t images = 1; images <= 4; images++)
        for (int variant = 0; variant < 12; variant++) { /* channels x user layout x user dtype */
            fr_step step = fr_make_step(FR_STEP_INGEST, images == 1 ? 3 : 2, channels[variant % 3], 6, 7);
            step.images = images;
            step.image_c = channels[variant % 3];
            step.src[0].layout = variant / 3 % 2 ? FR_LAYOUT_USER_CHW : FR_LAYOUT_USER_HWC;
            step.src[0].dtype = variant / 6 ? FR_F32 : FR_U8;
            step.dst.c = step.image_c * images;
            step.dst.dtype = dtypes[(variant + images) % 4];
            FR_TRY(add_valid(list, &step, images == 2 && variant == 1));
            step.dst.dtype = FR_F32;
            FR_TRY(add_valid(list, &step, images == 4 && variant == 1));
        }
    for (int32_t images = 1; images <= 4; images++)
        for (int variant = 0; variant < 12; variant++) {
            int32_t classes = variant / 6 ? 27 : 2;
            fr_step step = fr_make_step(FR_STEP_EMIT, images == 3 ? 3 : 2, classes * images, 1, 1);
            step.images = images;
            step.softmax = (uint8_t)(variant / 3 % 2);
            step.src[0].dtype = dtypes[variant % 3];
            step.dst = (fr_tensor){.c = classes, .h = 1, .w = 1, .dtype = FR_F32, .layout = FR_LAYOUT_NCHW};
            FR_TRY(add_valid(list, &step, images == 3));
        }
    return FR_OK;
}

fr_status conf_add_plain(conf_list *list) {
    FR_TRY(add_fc(list));
    FR_TRY(add_pools(list));
    FR_TRY(add_eltwise(list));
    FR_TRY(add_channelwise(list));
    FR_TRY(add_moves(list));
    return add_user_ends(list);
}
