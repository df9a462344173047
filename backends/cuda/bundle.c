/* Bundles: launches captured once as a CUDA graph, and replayed with one call. */
#include "program.h"

/* A queue of the bundle's own to capture from: two bundles may replay at once, and what cuDNN keeps in a handle is in their graphs.
 * What libraries need for it must be there before, for little else may be called while a stream captures. */
static fr_status open_recorder(fr_bundle *bundle, const fr_launch *launches, uint32_t count) {
    bool has_library = false;
    for (uint32_t i = 0; i < count; i++)
        has_library |= launches[i].program->op != NULL;
    HOST_TRY(cud_queue_open(bundle->device, 0, &bundle->recorder));
    if (!has_library)
        return FR_OK; /* a handle is dear */
    HOST_TRY(cud_dnn_queue_ready(bundle->recorder));
    return cud_lt_queue_ready(bundle->recorder);
}

static fr_status launch_all(fr_queue *queue, const fr_launch *launches, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        HOST_TRY(cud_launch(queue, &launches[i]));
    return FR_OK;
}

static fr_status capture(fr_queue *queue, const fr_launch *launches, uint32_t count, CUgraph *out_graph) {
    fr_device *device = queue->device;
    const fr_host *host = device->base.host;
    /* RELAXED: this thread and others go on allocating memory and loading kernels meanwhile */
    HOST_TRY(cud_check(device, host, device->cu->cuStreamBeginCapture(queue->stream, CU_STREAM_CAPTURE_MODE_RELAXED),
                       "cuStreamBeginCapture", "a bundle"));
    fr_status status = launch_all(queue, launches, count);
    CUresult code = device->cu->cuStreamEndCapture(queue->stream, out_graph); /* also when nothing comes of it */
    if (status == FR_OK)
        status = cud_check(device, host, code, "cuStreamEndCapture", "a bundle");
    return status;
}

static fr_status make(fr_bundle *bundle, const fr_launch *launches, uint32_t count) {
    fr_device *device = bundle->device;
    HOST_TRY(open_recorder(bundle, launches, count));
    pthread_mutex_lock(&device->quiet);
    fr_status status = capture(bundle->recorder, launches, count, &bundle->graph);
    pthread_mutex_unlock(&device->quiet);
    if (status != FR_OK)
        return status;
    return cud_check(device, device->base.host,
                     device->cu->cuGraphInstantiateWithFlags(&bundle->exec, bundle->graph, 0),
                     "cuGraphInstantiateWithFlags", "a bundle");
}

/* What a library says while it is captured says nothing of the launches themselves. */
static fr_status meaning(fr_status status) {
    return status == FR_NO_MEMORY || status == FR_DEVICE_LOST || status == FR_INVALID ? status : FR_UNSUPPORTED;
}

fr_status cud_bundle_new(fr_device *device, const fr_launch *launches, uint32_t count, fr_bundle **out_bundle) {
    const fr_host *host = device->base.host;
    void *block;
    *out_bundle = NULL;
    if (count == 0)
        return host_fail(host, FR_INVALID, "bundle: it has no launches");
    if (!device->has_graphs)
        return host_fail(host, FR_UNSUPPORTED, "bundle: FOLDRUN_CUDA_WITHOUT has 'graphs'");
    HOST_TRY(cud_enter(device));
    HOST_TRY(host_alloc(host, sizeof(fr_bundle), "a bundle", &block));
    fr_bundle *bundle = block;
    bundle->device = device;
    fr_status status = make(bundle, launches, count);
    if (status != FR_OK) {
        cud_bundle_free(bundle);
        return meaning(status);
    }
    *out_bundle = bundle;
    return FR_OK;
}

fr_status cud_bundle_launch(fr_queue *queue, fr_bundle *bundle) {
    fr_device *device = queue->device;
    HOST_TRY(cud_enter(device));
    return cud_check(device, device->base.host, device->cu->cuGraphLaunch(bundle->exec, queue->stream), "cuGraphLaunch",
                     "a bundle");
}

void cud_bundle_free(fr_bundle *bundle) {
    if (!bundle)
        return;
    fr_device *device = bundle->device;
    cud_enter_to_free(device);
    if (bundle->exec)
        (void)device->cu->cuGraphExecDestroy(bundle->exec);
    if (bundle->graph)
        (void)device->cu->cuGraphDestroy(bundle->graph);
    cud_queue_close(bundle->recorder);
    device->base.host->free(bundle);
}
