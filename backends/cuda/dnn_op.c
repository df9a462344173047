/* Launches of a compiled convolution. */
#include "dnn_op.h"

#ifdef CUDA_WITH_CUDNN

#include <string.h>

static void *at(CUdeviceptr memory) {
    return (void *)(uintptr_t)memory;
}

/* ---- packs ------------------------------------------------------------------------------------------------------------- */

static void point(const dnn_op *op, const cud_place *place, dnn_pack *out) {
    memset(out, 0, sizeof *out);
    out->pointers[DNN_X] = at(place->src[0]);
    out->pointers[DNN_W] = at(op->weights);
    out->pointers[DNN_BIAS] = at(op->weights + op->bias_at);
    out->pointers[DNN_RESIDUAL] = at(place->src[1]);
    out->pointers[DNN_Y] = at(op->has_pool ? place->scratch : place->dst);
    out->workspace = at(place->scratch + op->map_bytes);
}

static fr_status set(const dnn_lib *lib, const dnn_pack *pack, cudnnBackendAttributeName_t name,
                     cudnnBackendAttributeType_t type, int64_t count, const void *value) {
    return dnn_check(lib, lib->api->cudnnBackendSetAttribute(pack->pack, name, type, count, value),
                     "cudnnBackendSetAttribute", "a launch's pointers");
}

static fr_status pack_new(const dnn_op *op, const dnn_lib *lib, dnn_pack *pack) {
    const char *what = "a launch's pointers";
    void *pointers[DNN_REAL_IDS];
    for (int32_t i = 0; i < op->graph.n_ids; i++)
        pointers[i] = pack->pointers[op->graph.ids[i]];
    HOST_TRY(dnn_check(lib, lib->api->cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack->pack),
                       "cudnnBackendCreateDescriptor", what));
    HOST_TRY(set(lib, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, op->graph.n_ids, op->graph.ids));
    HOST_TRY(set(lib, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, op->graph.n_ids, pointers));
    HOST_TRY(set(lib, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &pack->workspace));
    return dnn_check(lib, lib->api->cudnnBackendFinalize(pack->pack), "cudnnBackendFinalize", what);
}

static void pack_free(const cud_dnn_api *api, dnn_pack *pack) {
    if (pack->pack)
        (void)api->cudnnBackendDestroyDescriptor(pack->pack);
    memset(pack, 0, sizeof *pack);
}

/* The pack of these pointers: programs are launched with the same ones again and again. */
static fr_status find_pack(dnn_op *op, const dnn_lib *lib, const cud_place *place, dnn_pack **out_pack) {
    dnn_pack wanted;
    point(op, place, &wanted);
    for (int32_t i = 0; i < DNN_PACKS; i++) {
        dnn_pack *pack = &op->packs[i];
        if (pack->pack && pack->workspace == wanted.workspace &&
            memcmp(pack->pointers, wanted.pointers, sizeof wanted.pointers) == 0) {
            *out_pack = pack;
            return FR_OK;
        }
    }
    dnn_pack *slot = &op->packs[op->next_pack];
    op->next_pack = (op->next_pack + 1) % DNN_PACKS;
    pack_free(lib->api, slot);
    *slot = wanted;
    fr_status status = pack_new(op, lib, slot);
    if (status != FR_OK)
        pack_free(lib->api, slot);
    *out_pack = slot;
    return status;
}

void dnn_op_forget_packs(dnn_op *op) {
    for (int32_t i = 0; i < DNN_PACKS; i++)
        pack_free(&op->device->driver->dnn, &op->packs[i]);
}

/* ---- launches ------------------------------------------------------------------------------------------------------------ */

fr_status dnn_op_run(dnn_op *op, const dnn_lib *lib, const cud_place *place) {
    dnn_pack *pack;
    pthread_mutex_lock(&op->lock);
    fr_status status = find_pack(op, lib, place, &pack);
    if (status == FR_OK)
        status = dnn_check(lib, lib->api->cudnnBackendExecute(lib->handle, op->plan.plan, pack->pack),
                           "cudnnBackendExecute", op->plan.name);
    pthread_mutex_unlock(&op->lock);
    return status;
}

fr_status dnn_op_enqueue(cud_op *base, fr_queue *queue, const cud_place *place) {
    dnn_op *op = (dnn_op *)base;
    HOST_TRY(cud_dnn_queue_ready(queue));
    const dnn_lib lib = {.host = op->device->base.host,
                         .device = op->device,
                         .api = &op->device->driver->dnn,
                         .handle = queue->dnn_handle};
    HOST_TRY(dnn_op_run(op, &lib, place));
    return op->has_pool ? cud_dispatch_enqueue(queue, &op->pool, place, 0) : FR_OK;
}

void dnn_op_free(fr_device *device, cud_op *base) {
    dnn_op *op = (dnn_op *)base;
    if (!op)
        return;
    const dnn_lib lib = {.host = device->base.host, .device = device, .api = &device->driver->dnn};
    dnn_op_forget_packs(op);
    dnn_plan_free(&lib, &op->plan);
    dnn_graph_free(&lib, &op->graph);
    if (op->weights)
        cud_memory_free(device, op->weights);
    pthread_mutex_destroy(&op->lock);
    device->base.host->free(op);
}

#endif
