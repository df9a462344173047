/* A convolution made ready for cuDNN: weights in its order, the graph, a plan, and our pool behind it. */
#include "dnn_op.h"

#ifdef CUDA_WITH_CUDNN

#include <string.h>

enum { PART = 256 }; /* where parts of the weights' memory begin */

static uint64_t round_up(uint64_t bytes) {
    return (bytes + PART - 1) / PART * PART;
}

static void pack_filter(const dnn_op *op, const fr_weights *weights, gpu_recipe *pack) {
    const fr_step *step = &op->step;
    uint64_t in = (uint64_t)(step->src[0].c / step->groups), places = (uint64_t)step->win.kh * (uint64_t)step->win.kw;
    bool is_dense = op->shape.map.layout == FR_LAYOUT_NHWC;
    uint64_t from = 0;
    for (uint64_t o = 0; o < (uint64_t)op->shape.map.c; o++)
        for (uint64_t c = 0; c < in; c++)
            for (uint64_t p = 0; p < places; p++, from++) {
                uint64_t to = is_dense ? (o * places + p) * in + c : from;
                gpu_pack_put(pack, 0, step->src[0].dtype, to, weights->weight[from]);
            }
}

static fr_status pack_all(dnn_op *op, const fr_weights *weights, gpu_recipe *pack) {
    const fr_step *step = &op->step;
    uint64_t c_out = (uint64_t)op->shape.map.c;
    uint64_t count =
        c_out * (uint64_t)(step->src[0].c / step->groups) * (uint64_t)step->win.kh * (uint64_t)step->win.kw;
    op->bias_at = round_up(count * fr_dtype_bytes((fr_dtype)step->src[0].dtype));
    HOST_TRY(gpu_pack_new(op->device->base.host, pack, op->bias_at + round_up(c_out * sizeof(float))));
    pack_filter(op, weights, pack);
    for (uint64_t o = 0; o < c_out && step->has_bias && weights->bias; o++)
        gpu_pack_put(pack, op->bias_at, op->shape.bias_dtype, o, weights->bias[o]);
    return FR_OK;
}

static fr_status upload(dnn_op *op, const gpu_recipe *pack) {
    HOST_TRY(cud_memory_new(op->device, pack->packed_bytes, "weights", &op->weights));
    op->base.weight_bytes = pack->packed_bytes;
    return cud_memory_fill(op->device, op->weights, pack->packed, pack->packed_bytes);
}

static fr_status make_pool(dnn_op *op, gpu_recipe *recipe) {
    bool is_bad = false;
    if (!op->has_pool)
        return FR_OK;
    HOST_TRY(gpu_add_pool(recipe, &op->device->found->traits, &op->step, &op->shape.map, 0));
    return cud_dispatch_prepare(op->device, &recipe->dispatches[0], &op->pool, &is_bad);
}

static void describe(dnn_op *op, const fr_step *step, const cud_way *way) {
    op->step = *step;
    op->step.sub = NULL;
    op->has_pool = step->pool != FR_POOL_NONE;
    op->shape = dnn_shape_of(&op->step, way->option[DNN_FLAGS]);
    op->map_bytes = op->has_pool ? round_up(fr_tensor_bytes(&op->shape.map, step->n)) : 0;
}

static fr_status make_plan(dnn_op *op, const cud_way *way) {
    dnn_lib lib;
    HOST_TRY(dnn_take(op->device, &lib));
    fr_status status = dnn_graph_new(&lib, &op->shape, &op->graph);
    if (status == FR_OK)
        status = dnn_search(op, &lib, way);
    dnn_give_back(op->device);
    return status;
}

fr_status dnn_make(fr_device *device, const fr_step *step, const cud_way *way, const fr_weights *weights,
                   cud_op **out_op) {
    const fr_host *host = device->base.host;
    gpu_recipe recipe = {.n_dispatches = 0};
    fr_status status;
    void *block;
    *out_op = NULL;
    HOST_TRY(host_alloc(host, sizeof(dnn_op), "a convolution of cuDNN", &block));
    dnn_op *op = block;
    op->base.enqueue = dnn_op_enqueue;
    op->base.free = dnn_op_free;
    op->device = device;
    pthread_mutex_init(&op->lock, NULL);
    describe(op, step, way);
    HOST_GO(done, pack_all(op, weights, &recipe));
    HOST_GO(done, upload(op, &recipe));
    HOST_GO(done, make_pool(op, &recipe));
    HOST_GO(done, make_plan(op, way));
    *out_op = &op->base;
done:
    gpu_recipe_free(host, &recipe);
    if (status != FR_OK)
        dnn_op_free(device, &op->base);
    return status;
}

#endif
